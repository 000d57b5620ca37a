"""What `swarmp2p bench` runs: each figure as a ratio to a baseline timed beside it."""
