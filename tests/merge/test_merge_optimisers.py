"""Server optimisers against a plain reading of the specification, bit by bit."""

import tracemalloc
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import copysign

import numpy as np
import plain_optimisers as plain
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swarmp2p.merge import reducers
from swarmp2p.merge.optimisers import optimiser_named, optimiser_names, power
from swarmp2p.merge.terms import Vector

STEPPING = ("fedavgm", "nesterov", "fedadam")
WIDTHS = {"f4": 32, "f8": 64}


@dataclass
class Case:
    """One step's inputs."""

    name: str
    params: Mapping[str, float]
    merged: Vector
    base: Vector
    state: list[Vector]
    steps: int = 0
    stat: tuple[slice, ...] = ()

    def taken(self, **threads: object) -> tuple[Vector, list[Vector]]:
        """What the engine makes of copies of it."""
        merged, state = self.merged.copy(), [vector.copy() for vector in self.state]
        optimiser = optimiser_named(self.name, self.params, self.base.dtype)
        base = self.base.copy()
        count = optimiser.step(merged, base, state, self.steps, stat=self.stat, **threads)
        assert count == self.steps + 1
        assert bits(base) == bits(self.base)
        return merged, state

    def expected(self) -> tuple[Vector, list[Vector]]:
        """What the specification says, element by element."""
        statistics = {i for part in self.stat for i in range(part.start, part.stop)}
        x, state = plain.vectors(
            self.name,
            self.params,
            self.merged,
            self.base,
            self.state,
            steps=self.steps,
            statistics=statistics,
        )
        dtype = self.base.dtype
        return np.array(x, dtype), [np.array(vector, dtype) for vector in state]


def bits(vector: Vector) -> list[int]:
    return [int(one) for one in vector.view(f"u{vector.dtype.itemsize}")]


def all_bits(found: tuple[Vector, Sequence[Vector]]) -> list[list[int]]:
    return [bits(vector) for vector in (found[0], *found[1])]


fractions = st.floats(0.0, 1.0, exclude_max=True).filter(lambda value: copysign(1, value) > 0)


@st.composite
def params_of(draw: st.DrawFn, name: str, dtype: str) -> dict[str, float]:
    info = np.finfo(dtype)
    positive = st.floats(float(info.smallest_subnormal), float(info.max), exclude_min=True)
    params = {}
    for key in plain.DEFAULTS[name]:
        if draw(st.booleans()):
            params[key] = draw(positive if key in ("lr", "tau") else fractions)
    return params


@st.composite
def cases(draw: st.DrawFn) -> Case:
    name, dtype = draw(st.sampled_from(STEPPING)), draw(st.sampled_from(sorted(WIDTHS)))
    largest = float(np.finfo(dtype).max)
    tiny = float(np.finfo(dtype).smallest_subnormal)
    odd = st.sampled_from([0.0, -0.0, largest, -largest, tiny, -tiny, 1.0, -1.0])
    values = odd | st.floats(-largest, largest, width=WIDTHS[dtype])
    size = draw(st.integers(0, 7))

    def vector() -> Vector:
        return np.array(draw(st.lists(values, min_size=size, max_size=size)), dtype)

    state = [vector() for _ in range(plain.VECTORS[name])]
    if name == "fedadam":
        state[1] = np.abs(state[1])
    first = draw(st.integers(0, size))
    stat = (slice(first, draw(st.integers(first, size))),) if draw(st.booleans()) else ()
    steps = draw(st.sampled_from([0, 1, 2, 500]))
    params = draw(params_of(name, dtype))
    return Case(name, params, vector(), vector(), state, steps, stat)


def odd_case(name: str) -> Case:
    """Everything at its most extreme: no element may become NaN."""
    largest = np.finfo("f4").max
    edges = np.array([largest, -largest, 0, 2.0**-149], "f4")
    merged, base = np.repeat(edges, 64), np.tile(np.repeat(edges, 16), 4)
    first, second = np.tile(np.repeat(edges, 4), 16), np.abs(np.tile(edges, 64))
    params = {"lr": float(largest)} | ({"tau": 2.0**-149} if name == "fedadam" else {})
    return Case(name, params, merged, base, [first, second][: plain.VECTORS[name]])


@given(cases())
@settings(deadline=None)
@example(odd_case("fedavgm"))
@example(odd_case("nesterov"))
@example(odd_case("fedadam"))
def test_step__gives_the_bits_of_the_specification_and_no_nan(case: Case) -> None:
    found = case.taken()
    assert all_bits(found) == all_bits(case.expected())
    assert all(np.isfinite(vector).all() for vector in (found[0], *found[1]))
    if case.name == "fedadam":
        assert (found[1][1] >= 0).all()


@given(st.sampled_from(STEPPING), st.sampled_from(sorted(WIDTHS)), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_steps__one_after_another_carry_the_state_on(name: str, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    state = [np.zeros(5, dtype) for _ in range(plain.VECTORS[name])]
    plain_state = [vector.copy() for vector in state]
    base: Vector = rng.normal(size=5).astype(dtype)
    plain_base, steps = base.copy(), 0
    optimiser = optimiser_named(name)
    for count in range(4):
        merged = rng.normal(size=5).astype(dtype)
        case = Case(name, {}, merged.copy(), plain_base, plain_state, count)
        plain_base, plain_state = case.expected()
        steps = optimiser.step(merged, base, state, steps)
        base = merged
        assert all_bits((base, state)) == all_bits((plain_base, plain_state))
    assert steps == 4


@given(cases(), st.randoms())
@settings(deadline=None, max_examples=50)
def test_step__treats_elements_apart_and_both_signs_alike(case: Case, chance: object) -> None:
    case.stat = ()
    x, state = case.taken()
    order = list(range(x.size))
    chance.shuffle(order)
    moved = Case(
        case.name,
        case.params,
        case.merged[order],
        case.base[order],
        [vector[order] for vector in case.state],
        case.steps,
    )
    assert all_bits(moved.taken()) == all_bits((x[order], [vector[order] for vector in state]))

    signed = [-case.state[0], *case.state[1:]]
    turned = Case(case.name, case.params, -case.merged, -case.base, signed, case.steps)
    other, other_state = turned.taken()
    # + 0.0: MERGE-012 leaves no -0.0 on either side
    assert bits(-other + 0) == bits(x)
    assert bits(-other_state[0] + 0) == bits(state[0])
    assert [bits(vector) for vector in other_state[1:]] == [bits(vector) for vector in state[1:]]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", STEPPING)
def test_step__is_the_same_with_other_blocks_and_threads(
    name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 1037
    rng = np.random.default_rng(3)
    merged, base, *state = (
        rng.normal(size=size).astype(dtype) for _ in range(2 + plain.VECTORS[name])
    )
    state[-1] = np.abs(state[-1])
    # one statistic begins and ends within blocks, one covers several, one is empty
    stat = (slice(0, 3), slice(200, 391), slice(500, 500), slice(1036, 1037))
    case = Case(name, {}, merged, base, state, 7, stat)
    whole = all_bits(case.taken())
    assert whole == all_bits(case.expected())
    monkeypatch.setattr(reducers, "PARALLEL_FROM", 0)
    with ThreadPoolExecutor(3) as pool:
        for block in (1, 64, 2048):
            monkeypatch.setattr(reducers, "BLOCK", block)
            assert all_bits(case.taken()) == whole
            assert all_bits(case.taken(pool=pool, threads=3)) == whole


@pytest.mark.parametrize("name", STEPPING)
def test_step__leaves_statistics_as_merged_and_their_state_at_zero(name: str) -> None:
    merged, base = np.arange(6, dtype="f4"), np.full(6, 100, "f4")
    state = [np.full(6, -0.0, "f4") for _ in range(plain.VECTORS[name])]
    stat = (slice(1, 3), slice(5, 6))
    x, new = Case(name, {"lr": 0.25}, merged, base, state, 0, stat).taken()
    assert x[[1, 2, 5]].tolist() == [1, 2, 5]
    assert not np.isin(x[[0, 3, 4]], [0, 3, 4]).any()
    for vector in new:
        assert [bits(vector)[i] for i in (1, 2, 5)] == [0, 0, 0]
        assert vector[[0, 3, 4]].all()


BIG = float(np.finfo("f4").max)


@pytest.mark.parametrize(
    ("name", "params", "given_values", "expected"),
    [
        # g beyond the range, then with nothing else in the way
        ("fedavgm", {"momentum": 0.0}, (BIG, -BIG, [0.0]), (0.0, [BIG])),
        ("fedavgm", {"lr": 0.5}, (-BIG, BIG, [0.0]), (BIG / 2, [-BIG])),
        # v' beyond the range, at either end
        ("fedavgm", {"momentum": 0.5}, (BIG, 0.0, [BIG]), (BIG, [BIG])),
        ("nesterov", {"momentum": 0.5}, (-BIG, 0.0, [-BIG]), (-BIG, [-BIG])),
        # the way, and then x
        ("fedavgm", {"lr": BIG}, (4.0, 2.0, [0.0]), (BIG, [2.0])),
        ("nesterov", {"lr": BIG}, (2.0, 4.0, [0.0]), (-BIG, [-2.0])),
        # the way beyond the range although lr would bring it back
        ("nesterov", {"lr": 2.0**-100}, (BIG, 0.0, [BIG]), (BIG, [BIG])),
        # g * g, and with it v'
        (
            "fedadam",
            {"beta1": 0.0, "beta2": 0.0},
            (2.0**100, 0.0, [0.0, 0.0]),
            (None, [2.0**100, BIG]),
        ),
        # s alone: beta2 * v + 0, over 1 - beta2 in the first step
        (
            "fedadam",
            {"beta1": 0.75, "beta2": 0.75},
            (0.0, 0.0, [BIG, BIG]),
            (None, [0.75 * BIG, 0.75 * BIG]),
        ),
        # p alone: u' is 0.75 of the largest, times 4
        ("fedadam", {"beta1": 0.75}, (0.0, 0.0, [BIG, 0.0]), (BIG, [0.75 * BIG, 0.0])),
    ],
)
def test_step__clamps_what_leaves_the_range_where_it_does(
    name: str,
    params: dict[str, float],
    given_values: tuple[float, float, list[float]],
    expected: tuple[float | None, list[float]],
) -> None:
    (m, b, state), (x, new) = given_values, expected
    rows = [np.array([value], "f4") for value in state]
    case = Case(name, params, np.array([m], "f4"), np.array([b], "f4"), rows)
    found, found_state = case.taken()
    assert all_bits((found, found_state)) == all_bits(case.expected())
    assert [float(vector[0]) for vector in found_state] == [float(np.float32(one)) for one in new]
    assert np.isfinite(found[0])
    if x is not None:
        assert float(found[0]) == float(np.float32(x))


@pytest.mark.parametrize("name", ["fedavgm", "nesterov"])
@pytest.mark.parametrize(("dtype", "close"), [("f4", 2.0**-22), ("f8", 2.0**-51)])
def test_step__without_momentum_and_with_lr_1_gives_the_merged_vector(
    name: str, dtype: str, close: float
) -> None:
    rng = np.random.default_rng(5)
    merged, base = (rng.normal(size=1000).astype(dtype) for _ in range(2))
    case = Case(name, {"lr": 1.0, "momentum": 0.0}, merged, base, [np.zeros(1000, dtype)])
    x, _ = case.taken()
    assert float(np.abs(x - merged).max()) <= close * float(np.abs([base, merged]).max())
    far = Case(name, {"lr": 0.5, "momentum": 0.0}, merged, base, [np.zeros(1000, dtype)])
    assert np.abs(far.taken()[0] - merged).max() > 0.1


@pytest.mark.parametrize("name", STEPPING)
def test_step__without_a_change_keeps_the_base(name: str) -> None:
    base = np.array([1.5, -2.0, 0.0, BIG], "f4")
    state = [np.zeros(4, "f4") for _ in range(plain.VECTORS[name])]
    assert bits(Case(name, {}, base.copy(), base, state).taken()[0]) == bits(base)


def test_none__leaves_the_merged_vector_and_the_count() -> None:
    merged, base = np.array([1.0, -0.0], "f4"), np.zeros(2, "f4")
    none = optimiser_named("none")
    assert (none.name, none.vectors, none.non_negative) == ("none", 0, ())
    none.check("f4")
    assert none.step(merged, base, (), 0) == 0
    assert bits(merged) == bits(np.array([1.0, -0.0], "f4"))


def test_names__are_those_of_the_specification_with_its_defaults() -> None:
    assert optimiser_names() == tuple(plain.DEFAULTS)
    for name, defaults in plain.DEFAULTS.items():
        optimiser = optimiser_named(name)
        assert optimiser == optimiser_named(name, defaults)
        assert optimiser.name == name
        assert optimiser.vectors == plain.VECTORS[name]
        assert optimiser.non_negative == ((1,) if name == "fedadam" else ())


@pytest.mark.parametrize("name", STEPPING)
def test_step__needs_no_more_memory_for_more_elements(name: str) -> None:
    merged, base, *state = (np.zeros(6_000_000, "f4") for _ in range(2 + plain.VECTORS[name]))
    tracemalloc.start()
    optimiser_named(name).step(merged, base, state, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 2**20


@given(fractions, st.integers(0, 3_000))
@example(0.0, 5)
@example(0.5, 1_100)
@example(0.9, 9_000)
@example(0.99, 90_000)
@example(5e-324, 3)
@example(1.0 - 2.0**-53, 1_000)
@settings(deadline=None)
def test_power__that_stops_early_is_the_whole_product(beta: float, count: int) -> None:
    assert power(beta, count + 1).hex() == plain.whole_power(beta, count).hex()


def test_power__stops_where_a_factor_changes_nothing() -> None:
    # neither of these loops would end in a lifetime
    assert power(0.5, 2**62) == 0.0
    assert power(0.9, 2**62) == power(0.9, 2**63) > 0.0
