"""State machines over messages; time and chance are arguments."""
