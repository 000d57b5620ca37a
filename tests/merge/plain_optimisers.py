"""MERGE-060 to 064 and 070, 071 element by element with NumPy scalars: slow, literal, no blocks."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

Scalar = np.floating[Any]
# names and defaults as the table of the specification has them
DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "none": {},
    "fedavgm": {"lr": 1.0, "momentum": 0.9},
    "nesterov": {"lr": 0.7, "momentum": 0.9},
    "fedadam": {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "tau": 0.001},
}
VECTORS = {"none": 0, "fedavgm": 1, "nesterov": 1, "fedadam": 2}


def last_step(value: Scalar) -> Scalar:
    """MERGE-012."""
    kind = type(value)
    largest = np.finfo(kind).max
    value = kind(value + kind(0.0))
    if value > largest:
        return largest
    return max(value, -largest)


def whole_power(beta: float, steps: int) -> float:
    c = 1.0
    for _ in range(steps + 1):
        c = c * beta
    return c


def element(
    name: str,
    params: Mapping[str, float],
    pair: tuple[Scalar, Scalar],
    state: Sequence[Scalar],
    steps: int,
) -> tuple[Scalar, list[Scalar]]:
    """x and the new state of one element; `pair` is (m, b), `steps` is T of the base."""
    m, b = pair
    as_f, p = type(m), {**DEFAULTS[name], **params}
    g = last_step(m - b)
    if name == "fedavgm":
        v = last_step((as_f(p["momentum"]) * state[0]) + g)
        return last_step(b + (as_f(p["lr"]) * v)), [v]
    if name == "nesterov":
        v = last_step((as_f(p["momentum"]) * state[0]) + g)
        return last_step(b + (as_f(p["lr"]) * (g + (as_f(p["momentum"]) * v)))), [v]
    first, second = 1.0 - whole_power(p["beta1"], steps), 1.0 - whole_power(p["beta2"], steps)
    u = last_step((as_f(p["beta1"]) * state[0]) + (as_f(1 - p["beta1"]) * g))
    v = last_step((as_f(p["beta2"]) * state[1]) + (as_f(1 - p["beta2"]) * (g * g)))
    mean, square = last_step(u * as_f(1 / first)), last_step(v * as_f(1 / second))
    way = as_f(p["lr"]) * (mean / (np.sqrt(square) + as_f(p["tau"])))
    return last_step(b + way), [u, v]


def vectors(
    name: str,
    params: Mapping[str, float],
    merged: Sequence[Scalar],
    base: Sequence[Scalar],
    state: Sequence[Sequence[Scalar]],
    *,
    steps: int,
    statistics: Collection[int] = (),
) -> tuple[list[Scalar], list[list[Scalar]]]:
    """The float section and the state after one step; `statistics` are indices of elements."""
    new_base: list[Scalar] = []
    new_state: list[list[Scalar]] = [[] for _ in state]
    with np.errstate(all="ignore"):
        for i, (m, b) in enumerate(zip(merged, base, strict=True)):
            if i in statistics:
                x, moved = m, [type(m)(0.0) for _ in state]
            else:
                x, moved = element(name, params, (m, b), [vector[i] for vector in state], steps)
            new_base.append(x)
            for vector, value in zip(new_state, moved, strict=True):
                vector.append(value)
    return new_base, new_state


def top_of(commitments: int) -> int:
    e = 0
    while 2**e < commitments:
        e += 1
    return 2 ** (32 - e - 1) - 1


def quantised(update: Scalar, base: Scalar, clip: float, commitments: int) -> int:
    """MERGE-070 for one element. Python's round() takes ties to even, as rint does."""
    with np.errstate(all="ignore"):
        delta = float(np.float32(update) - np.float32(base))
    d = max(-clip, min(clip, delta))
    return round(d * (float(top_of(commitments)) / clip))


def summed(integers: Sequence[int], base: Scalar, clip: float, commitments: int) -> Scalar:
    """MERGE-071 for one element."""
    total = sum(integers) % 2**32
    total -= 2**32 if total >= 2**31 else 0
    unit = clip / (float(top_of(commitments)) * float(len(integers)))
    with np.errstate(all="ignore"):
        return last_step(np.float32(base) + np.float32(float(total) * unit))
