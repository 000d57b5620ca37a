"""The node itself, over the seams only."""
