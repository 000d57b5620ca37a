"""Coverage-guided fuzzing of everything that reads a peer's bytes; see README.md."""
