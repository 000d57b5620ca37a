"""The rules of 08-rounds.md as a program that looks for ways to break them."""
