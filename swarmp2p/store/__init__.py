"""Durable state: guard rows, rounds, chunks."""
