"""The worked example of spec/09-merge.md, computed again in plain Python from its rules alone."""

import re
import struct
from collections.abc import Callable, Sequence
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmp2p.errors import MergeError
from swarmp2p.merge.rules import merge, rule_named, rule_names

DOCUMENT = Path(__file__).resolve().parent.parent / "spec" / "09-merge.md"
BLOCK = re.compile(r"^```hex ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANES = 16_384
LARGEST = float(struct.unpack(">f", bytes.fromhex("7f7fffff"))[0])

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
    # Lanes without elements stay +0.0 and change no sum: fewer are enough for short vectors.
    count = min(LANES, 1 << (len(u) - 1).bit_length())
    lanes = [0.0] * count
    for j, (x, y) in enumerate(zip(u, v, strict=True)):
        lanes[j % count] += x * y
    h = count // 2
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


def weighted_median(rows: Sequence[Vector], weights: Sequence[int]) -> Vector:  # MERGE-031
    out = []
    for element in zip(*rows, strict=True):
        pairs = list(zip(element, weights, strict=True))
        reached = [x for x in element if 2 * sum(w for y, w in pairs if y <= x) >= sum(weights)]
        out.append(settle(min(reached)))
    return out


def weighted_trimmed_mean(rows: Sequence[Vector], own: Vector) -> Vector:  # MERGE-033
    n = len(rows)
    t = max(1, (n - 1) // 3)
    out = []
    for element in zip(*rows, strict=True):
        kept = sorted(sorted(range(n), key=lambda k: (element[k], k))[t : n - t])
        num = den = 0.0
        for k in kept:
            num = single(num + single(single(own[k]) * element[k]))
            den = single(den + single(own[k]))
        out.append(settle(single(num / den)))
    return out


def norms_of(matrix: Sequence[Vector]) -> tuple[Vector, float]:  # MERGE-015
    norms = [sqrt(matrix[k][k]) for k in range(len(matrix))]
    return norms, sorted(norms)[len(norms) // 2]


def without_outliers(matrix: Sequence[Vector], point: Vector) -> Vector:  # MERGE-016, MERGE-022
    norms, middle = norms_of(matrix)
    return [0.0 if d > 100 * middle else a for d, a in zip(norms, point, strict=True)]


def cclip(rows: Sequence[Vector], base: Vector, own: Vector) -> Vector:  # MERGE-020
    if len(rows) <= 2:
        return mean(rows, own)
    matrix = gram(rows, base)
    return shifted(rows, base, without_outliers(matrix, clip_steps(matrix, own, RADIUS)[-1]))


def geometric_median(rows: Sequence[Vector], base: Vector, own: Vector) -> Vector:  # MERGE-024
    matrix = gram(rows, base)
    middle = norms_of(matrix)[1]
    if middle == 0:
        return mean(rows, own)
    point = list(own)
    for _ in range(32):
        beta = [
            w / max(reach, middle * 2.0**-20)
            for w, reach in zip(own, reaches(matrix, point), strict=True)
        ]
        total = 0.0
        for b in beta:
            total += b
        point = [b / total for b in beta]
    return shifted(rows, base, without_outliers(matrix, point))


def squares(matrix: Sequence[Vector]) -> list[Vector]:  # MERGE-040
    n = len(matrix)
    return [
        [
            0.0 if j == k else max(0.0, (matrix[k][k] + matrix[j][j]) - 2 * matrix[k][j])
            for j in range(n)
        ]
        for k in range(n)
    ]


def faults(n: int) -> int:
    return min((n - 1) // 3, (n - 3) // 2)


def selected(rows: Sequence[Vector], base: Vector, count: int) -> Vector:  # MERGE-040, MERGE-041
    n = len(rows)
    scores = []
    for k, row in enumerate(squares(gram(rows, base))):
        score = 0.0
        for square in sorted(d for j, d in enumerate(row) if j != k)[: n - faults(n) - 2]:
            score += square
        scores.append(score)
    chosen = sorted(range(n), key=lambda k: (scores[k], k))[:count]
    return mean(rows, [1.0 / float(count) if k in chosen else 0.0 for k in range(n)])


def mixed(rows: Sequence[Vector], base: Vector) -> list[Vector]:  # MERGE-042
    n = len(rows)
    near = n - faults(n)
    out = []
    for row in squares(gram(rows, base)):
        group = sorted(sorted(range(n), key=row.__getitem__)[:near])  # ties keep their order
        out.append(mean([rows[j] for j in group], [1.0 / float(near)] * near))
    return out


def ruled(rule: str, rows: Sequence[Vector], base: Vector, weights: Sequence[int]) -> Vector:
    own, n = shares(weights), len(rows)
    if rule == "strict":
        rule = "trimmed_mean" if n <= 7 else "nnm+trimmed_mean"
    if rule.startswith("nnm+"):
        return ruled(rule.removeprefix("nnm+"), mixed(rows, base), base, weights)
    rules: dict[str, Callable[[], Vector]] = {
        "mean": lambda: mean(rows, own),
        "cclip": lambda: cclip(rows, base, own),
        "geometric_median": lambda: geometric_median(rows, base, own),
        "median": lambda: median(rows),
        "weighted_median": lambda: weighted_median(rows, capped(weights)),
        "trimmed_mean": lambda: trimmed_mean(rows),
        "weighted_trimmed_mean": lambda: weighted_trimmed_mean(rows, own),
        "krum": lambda: selected(rows, base, 1),
        "multi_krum": lambda: selected(rows, base, n - faults(n)),
    }
    return rules[rule]()


def least_peers() -> dict[str, int]:
    """The table of rules in the document: name -> least n."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    plain = {name: int(least) for name, least in rows}
    mixing = {f"nnm+{name}": max(3, n) for name, n in plain.items() if name != "strict"}
    return plain | mixing


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


VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, single(1e-45), single(3e38)]),
    st.floats(-1e3, 1e3, width=32),
)


@st.composite
def merges(draw: st.DrawFn) -> tuple[str, list[Vector], Vector, list[int]]:
    rule, least = draw(st.sampled_from(sorted(least_peers().items())))
    n = draw(st.integers(least, 9))
    size = draw(st.integers(1, 5))
    vectors = st.lists(VALUES, min_size=size, max_size=size)
    rows = draw(st.lists(vectors, min_size=n, max_size=n))
    weights = draw(st.lists(st.integers(1, 2**32 - 1), min_size=n, max_size=n))
    return rule, rows, draw(vectors), weights


@given(merges())
@settings(max_examples=60, deadline=None)
def test_rules__of_the_document_are_what_the_package_merges(
    case: tuple[str, list[Vector], Vector, list[int]],
) -> None:
    name, rows, base, weights = case
    result = merge(
        [np.array(row, np.float32) for row in rows],
        np.array(base, np.float32),
        weights,
        rule_named(name),
    )
    expected = ruled(name, rows, base, weights)
    assert result.vector.tolist() == expected
    assert not np.signbit(result.vector[result.vector == 0]).any()


def test_dot__wraps_around_the_lanes_as_the_document_says() -> None:
    size = LANES + 5
    rows = [[single(((j * 37 + k * 11) % 101 - 50) / 7) for j in range(size)] for k in range(3)]
    base = [0.125] * size
    result = merge(
        [np.array(row, np.float32) for row in rows],
        np.array(base, np.float32),
        [1, 2, 3],
        rule_named("cclip"),
    )
    assert result.vector.tolist() == cclip(rows, base, shares([1, 2, 3]))


def test_table_of_rules__names_them_all_with_their_least_roster() -> None:
    table = least_peers()
    assert {name for name in table if "+" not in name} == set(rule_names())
    one = np.zeros(1, np.float32)
    for name, least in table.items():
        rule = rule_named(name)
        merge([one] * least, one, [1] * least, rule)
        if least > 1:
            with pytest.raises(MergeError, match="takes n >="):
                merge([one] * (least - 1), one, [1] * (least - 1), rule)
