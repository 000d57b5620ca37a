"""Keys, identities and Merkle trees."""
