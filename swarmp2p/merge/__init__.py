"""Exact merging of parameter vectors, in NumPy."""
