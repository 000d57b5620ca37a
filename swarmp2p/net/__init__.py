"""The Transport seam on trio and libp2p."""
