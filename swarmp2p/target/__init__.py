"""This package as a target of the vectors: `python -m swarmp2p.target`."""
