"""Bytes to values and back: no crypto, no clock, no I/O."""
