"""The four-hospital demo: its data, model, training program, evaluation and report."""
