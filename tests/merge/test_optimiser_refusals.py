"""What server optimisers refuse: names, parameters, vectors that do not fit."""

from math import inf, nan, nextafter

import numpy as np
import plain_optimisers as plain
import pytest

from swarmp2p.errors import MergeError
from swarmp2p.merge.optimisers import optimiser_named
from swarmp2p.merge.terms import Vector

STEPPING = ("fedavgm", "nesterov", "fedadam")
FRACTIONS = ("momentum", "beta1", "beta2")
EVERY = [(name, key) for name in STEPPING for key in plain.DEFAULTS[name]]
ALL_BAD = [nan, inf, -inf, -1.0, -0.0, -5e-324, 1, True, "1", None, np.float32(0.5)]


@pytest.mark.parametrize("name", ["adam", "", "FedAvgM", "fedadam ", "package:fedadam"])
def test_name__that_is_unknown_is_refused(name: str) -> None:
    with pytest.raises(MergeError, match=r"unknown optimiser .*none, fedavgm, nesterov, fedadam"):
        optimiser_named(name)


@pytest.mark.parametrize(
    ("name", "key", "known"),
    [
        ("none", "lr", "it has none"),
        ("fedavgm", "beta1", "lr, momentum"),
        ("nesterov", "tau", "lr, momentum"),
        ("fedadam", "momentum", "lr, beta1, beta2, tau"),
        ("fedadam", "name", "lr, beta1, beta2, tau"),
    ],
)
def test_parameter__that_is_unknown_is_refused(name: str, key: str, known: str) -> None:
    with pytest.raises(MergeError, match=f"{name}.*unknown parameter '{key}'; known: {known}"):
        optimiser_named(name, {key: 0.5})


@pytest.mark.parametrize(("name", "key"), EVERY)
def test_parameter__outside_its_range_is_refused(name: str, key: str) -> None:
    fraction = key in FRACTIONS
    for bad in [*ALL_BAD, *([1.0, 1.5] if fraction else [0.0])]:
        with pytest.raises(MergeError, match=f"{name}.*{key} .* is expected"):
            optimiser_named(name, {key: bad})
    for good in [0.0, 5e-324, 1.0 - 2.0**-53] if fraction else [5e-324, 1e308, 1.0]:
        optimiser_named(name, {key: good})


@pytest.mark.parametrize(("name", "key"), [one for one in EVERY if one[1] not in FRACTIONS])
def test_parameter__is_judged_as_rounded_to_the_compute_type(name: str, key: str) -> None:
    # half a unit above the largest binary32: the least that rounds to infinity
    beyond = float(np.finfo("f4").max) + 2.0**103
    for bad in (2.0**-150, 1e-60, beyond, 1e39):
        with pytest.raises(MergeError, match=f"{name}.*{key} .*in float32"):
            optimiser_named(name, {key: bad}, "f4")
        optimiser_named(name, {key: bad}, "f8")
        vectors = [np.zeros(1, "f4") for _ in range(2 + plain.VECTORS[name])]
        with pytest.raises(MergeError, match="in float32"):
            optimiser_named(name, {key: bad}).step(vectors[0], vectors[1], vectors[2:], 0)
    for good in (2.0**-150 * (1 + 2.0**-52), 2.0**-149, nextafter(beyond, 0.0)):
        optimiser_named(name, {key: good}, "f4")


def made(name: str, size: int = 4) -> list[Vector]:
    return [np.zeros(size, "f4") for _ in range(2 + plain.VECTORS[name])]


@pytest.mark.parametrize("name", STEPPING)
def test_step__refuses_vectors_that_do_not_fit(name: str) -> None:
    optimiser = optimiser_named(name)
    bad = [np.zeros(3, "f4"), np.zeros(4), np.zeros(4, "i4"), np.zeros(8, "f4")[::2]]
    bad.append(np.zeros((1, 4), "f4"))
    for place in range(len(made(name))):
        for vector in bad:
            merged, base, *state = [*made(name)[:place], vector, *made(name)[place + 1 :]]
            with pytest.raises(MergeError, match=r"like the base|expected"):
                optimiser.step(merged, base, state, 0)


@pytest.mark.parametrize("name", plain.DEFAULTS)
def test_step__refuses_another_number_of_state_vectors(name: str) -> None:
    merged, base, *state = made(name)
    for count in {0, 1, 2, 3} - {plain.VECTORS[name]}:
        with pytest.raises(MergeError, match=f"{name}.*{count} state vectors; {len(state)} are"):
            optimiser_named(name).step(merged, base, [np.zeros(4, "f4")] * count, 0)


@pytest.mark.parametrize("name", STEPPING)
def test_step__refuses_vectors_that_overlap(name: str) -> None:
    for first in range(len(made(name))):
        for second in range(first):
            vectors = made(name)
            vectors[first] = vectors[second]
            with pytest.raises(MergeError, match="overlap"):
                optimiser_named(name).step(vectors[0], vectors[1], vectors[2:], 0)


@pytest.mark.parametrize("name", STEPPING)
def test_step__refuses_a_count_that_the_step_section_cannot_hold(name: str) -> None:
    params = {"beta1": 0.0, "beta2": 0.5} if name == "fedadam" else {}
    merged, base, *state = made(name)
    for steps in (-1, 2**63 - 1):
        with pytest.raises(MergeError, match=f"step count {steps}"):
            optimiser_named(name, params).step(merged, base, state, steps)
    assert optimiser_named(name, params).step(merged, base, state, 2**63 - 2) == 2**63 - 1


@pytest.mark.parametrize("name", STEPPING)
def test_step__refuses_statistics_that_do_not_fit(name: str) -> None:
    for stat in ([slice(0, 5)], [slice(2, 3), slice(1, 2)], [slice(0, 4, 2)]):
        merged, base, *state = made(name)
        with pytest.raises(MergeError, match="stat slice"):
            optimiser_named(name).step(merged, base, state, 0, stat=stat)


@pytest.mark.parametrize("name", STEPPING)
def test_step__does_not_pass_nan_on(name: str) -> None:
    for place in range(len(made(name))):
        merged, base, *state = made(name)
        [merged, base, *state][place][2] = nan
        with pytest.raises(MergeError, match=f"{name}.*NaN among elements 0 to 3"):
            optimiser_named(name).step(merged, base, state, 0)


def test_fedadam__refuses_a_second_state_below_0() -> None:
    merged, base, first, second = made("fedadam")
    second[1] = -1.0
    with pytest.raises(MergeError, match="below 0"):
        optimiser_named("fedadam").step(merged, base, (first, second), 0)
