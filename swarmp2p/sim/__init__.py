"""The same node in a simulated world: memory network, memory ledger, virtual clock."""
