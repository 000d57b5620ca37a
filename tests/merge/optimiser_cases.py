"""The runs of an optimiser that torch and the engine are both asked for, from integers alone."""

from collections.abc import Mapping
from hashlib import sha256

import numpy as np

SIZE, STEPS = 48, 24  # elements, and steps of each run
# a name of ours, and its parameters
CASES: tuple[tuple[str, Mapping[str, float]], ...] = (
    ("fedavgm", {"lr": 1.0, "momentum": 0.9}),
    ("fedavgm", {"lr": 0.3, "momentum": 0.5}),
    ("fedavgm", {"lr": 0.8, "momentum": 0.0}),
    ("nesterov", {"lr": 0.7, "momentum": 0.9}),
    ("nesterov", {"lr": 0.1, "momentum": 0.99}),
    ("fedadam", {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "tau": 0.001}),
    ("fedadam", {"lr": 0.1, "beta1": 0.0, "beta2": 0.999, "tau": 1e-8}),
    ("fedadam", {"lr": 0.5, "beta1": 0.99, "beta2": 0.5, "tau": 0.1}),
)


def start() -> np.ndarray:
    """The first base, float64[SIZE]; each value is one of float32."""
    return _numbers("base", SIZE) * 4


def merged() -> np.ndarray:
    """What the rule gives in each step, float64[STEPS, SIZE]; each value is one of float32.

    The columns have changes of very different size, from 2^-12 to 2^3.
    """
    scale = 2.0 ** (np.arange(SIZE) % 16 - 12)
    targets = start() + _numbers("merged", STEPS * SIZE).reshape(STEPS, SIZE) * scale
    return targets.astype(np.float32).astype(np.float64)


def digest() -> str:
    """SHA-256 of all inputs."""
    return sha256(start().tobytes() + merged().tobytes() + repr(CASES).encode()).hexdigest()


def _numbers(seed: str, count: int) -> np.ndarray:
    """Multiples of 2^-15 from -1 to 1, from SHA-256 in counter mode."""
    blocks = (sha256(f"{seed} {j}".encode()).digest() for j in range(-(-count // 16)))
    words = np.frombuffer(b"".join(blocks), ">i2")[:count]
    return words.astype(np.float64) / 2.0**15
