"""The parts of benchmarks/robustness.py and benchmarks/radius.py."""
