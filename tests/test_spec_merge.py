"""The worked example of spec/09-merge.md, computed again in plain Python from its rules alone."""

import re
import struct
from collections.abc import Sequence
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from swarmp2p.merge.rules import merge, rule_named

DOCUMENT = Path(__file__).resolve().parent.parent / "spec" / "09-merge.md"
BLOCK = re.compile(r"^```hex ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANES = 16_384
LARGEST = struct.unpack(">f", bytes.fromhex("7f7fffff"))[0]

BASE = (0.5, -1.0, 0.25, 2.0)
UPDATES = ((0.6, -1.1, 0.3, 1.9), (0.55, -0.95, 0.2, 2.05), (1.5, 0.0, 0.75, 1.0))
WEIGHTS = (303, 120, 900)
RADIUS = 2.0

Vector = list[float]


def single(value: float) -> float:
    """The nearest binary32. Rounding a binary64 result of two binary32 values once more is exact
    for +, -, * and /: binary64 has more than twice the digits."""
    try:
        return float(struct.unpack(">f", struct.pack(">f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def settle(value: float) -> float:  # MERGE-012
    return min(max(single(value + 0.0), -LARGEST), LARGEST)


def capped(weights: Sequence[int]) -> list[int]:  # MERGE-010
    middle = sorted(weights)[len(weights) // 2]
    return [min(weight, 2 * middle) for weight in weights]


def shares(weights: Sequence[int]) -> Vector:
    used = capped(weights)
    total = float(sum(used))
    return [float(weight) / total for weight in used]


def mean(rows: Sequence[Vector], factors: Sequence[float]) -> Vector:  # MERGE-011
    out = []
    for element in zip(*rows, strict=True):
        total = 0.0
        for value, factor in zip(element, factors, strict=True):
            total = single(total + single(single(factor) * value))
        out.append(settle(total))
    return out


def dot(u: Vector, v: Vector) -> float:  # MERGE-013, one segment
    lanes = [0.0] * LANES
    for j, (x, y) in enumerate(zip(u, v, strict=True)):
        lanes[j % LANES] += x * y
    h = LANES // 2
    while h:
        for lane in range(h):
            lanes[lane] += lanes[lane + h]
        h //= 2
    return 0.0 + lanes[0]


def deltas(rows: Sequence[Vector], base: Vector) -> list[Vector]:
    return [[single(x - b) for x, b in zip(row, base, strict=True)] for row in rows]


def gram(rows: Sequence[Vector], base: Vector) -> list[Vector]:
    moved = deltas(rows, base)
    return [[dot(u, v) for v in moved] for u in moved]


def reaches(matrix: Sequence[Vector], point: Vector) -> Vector:  # MERGE-021
    products = []
    for row in matrix:
        total = 0.0
        for value, coefficient in zip(row, point, strict=True):
            total += value * coefficient
        products.append(total)
    square = 0.0
    for coefficient, product in zip(point, products, strict=True):
        square += coefficient * product
    return [
        sqrt(max(0.0, (matrix[k][k] - 2.0 * product) + square))
        for k, product in enumerate(products)
    ]


def clip_steps(matrix: Sequence[Vector], own: Vector, radius: float) -> list[Vector]:  # MERGE-020
    norms = sorted(sqrt(matrix[k][k]) for k in range(len(own)))
    tau = radius * norms[len(own) // 2]
    points = [[0.0] * len(own)]
    for _ in range(3):
        clipped = [
            w if reach <= tau else w * (tau / reach)
            for w, reach in zip(own, reaches(matrix, points[-1]), strict=True)
        ]
        total = 0.0
        for c in clipped:
            total += c
        points.append([a * (1.0 - total) + c for a, c in zip(points[-1], clipped, strict=True)])
    return points[1:]


def shifted(rows: Sequence[Vector], base: Vector, point: Vector) -> Vector:  # MERGE-022
    moved = list(zip(*deltas(rows, base), strict=True))
    out = []
    for b, element in zip(base, moved, strict=True):
        total = 0.0
        for value, coefficient in zip(element, point, strict=True):
            total = single(total + single(single(coefficient) * value))
        out.append(settle(single(b + total)))
    return out


def median(rows: Sequence[Vector]) -> Vector:  # MERGE-030
    out = []
    for element in zip(*rows, strict=True):
        values, n = sorted(element), len(element)
        low, high = values[(n - 1) // 2], values[n // 2]
        out.append(settle(low if n % 2 else single(single(0.5 * low) + single(0.5 * high))))
    return out


def trimmed_mean(rows: Sequence[Vector]) -> Vector:  # MERGE-032
    out = []
    for element in zip(*rows, strict=True):
        n = len(element)
        t = max(1, (n - 1) // 3)
        total = 0.0
        for value in sorted(element)[t : n - t]:
            total = single(total + value)
        out.append(settle(single(total * single(1.0 / float(n - 2 * t)))))
    return out


BASE_VECTOR = [single(value) for value in BASE]
ROWS = [[single(value) for value in row] for row in UPDATES]
SHARES = shares(WEIGHTS)
GRAM = gram(ROWS, BASE_VECTOR)
STEPS = clip_steps(GRAM, SHARES, RADIUS)
SINGLES = {
    "merge-base": BASE_VECTOR,
    "merge-updates": [value for row in ROWS for value in row],
    "merge-mean": mean(ROWS, SHARES),
    "merge-cclip": shifted(ROWS, BASE_VECTOR, STEPS[-1]),
    "merge-median": median(ROWS),
    "merge-trimmed-mean": trimmed_mean(ROWS),
}
DOUBLES = {
    "merge-shares": SHARES,
    "merge-gram": [value for row in GRAM for value in row],
    "merge-coefficients": [value for step in STEPS for value in step],
}
COMPUTED = {
    **{name: struct.pack(f">{len(values)}f", *values) for name, values in SINGLES.items()},
    **{name: struct.pack(f">{len(values)}d", *values) for name, values in DOUBLES.items()},
}


def written() -> dict[str, bytes]:
    return {
        name: bytes.fromhex("".join(line.partition(";")[0] for line in text.split("\n")))
        for name, text in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("name", COMPUTED)
def test_worked_example__is_what_plain_python_computes(name: str) -> None:
    assert written()[name].hex() == COMPUTED[name].hex()


def test_worked_example__has_no_other_numbers() -> None:
    assert set(written()) == set(COMPUTED)


@pytest.mark.parametrize("rule", ["mean", "cclip", "median", "trimmed_mean"])
def test_worked_example__is_what_the_package_merges(rule: str) -> None:
    result = merge(
        [np.array(row, np.float32) for row in UPDATES],
        np.array(BASE, np.float32),
        WEIGHTS,
        rule_named(rule),
    )
    name = f"merge-{rule.replace('_', '-')}"
    assert result.vector.astype(">f4").tobytes().hex() == written()[name].hex()
