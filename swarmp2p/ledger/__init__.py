"""The Ledger seam: its interface, its adapter for Ethereum, and the embedded chain."""
