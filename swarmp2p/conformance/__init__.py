"""The conformance suite: an oracle that shares no code with what it judges."""
