import numpy as np
import pytest

from swarmp2p.demo.features import (
    FEATURE_NAMES,
    SCALING,
    inputs,
    scaling_from_options,
    scaling_to_options,
)
from swarmp2p.demo.hospitals import Patient, Site
from swarmp2p.demo.model import (
    Parameters,
    initial_params,
    local_steps,
    loss,
    params_sha256,
    probabilities,
    verify_params,
)
from swarmp2p.demo.settings import Training, training_from_options
from swarmp2p.errors import ConfigError


def test_inputs__follow_the_stated_constants() -> None:
    values = (60.0, 1.0, 3.0, 150.0, 0.0, 0.0, 1.0, 115.0, 1.0, 2.0)
    x, y = inputs([Patient("here", values, case=True, line=2)])
    expected = {
        "age": 1.0, "trestbps": 1.0, "chol": -2.0, "thalach": -1.0, "oldpeak": 1.0,
        "sex": 0.5, "fbs": -0.5, "exang": 0.5,
        "cp_2": -0.25, "cp_3": 0.75, "cp_4": -0.25, "restecg_1": 0.75, "restecg_2": -0.25,
    }  # fmt: skip
    assert dict(zip(FEATURE_NAMES, x[0].tolist(), strict=True)) == expected
    assert y.tolist() == [1.0]


def test_inputs__of_a_site_do_not_depend_on_other_patients(sites: tuple[Site, ...]) -> None:
    whole, _ = inputs(sites[0].train)
    part, _ = inputs(sites[0].train[5:7])
    assert np.array_equal(whole[5:7], part)


def test_local_steps__twenty_are_ten_and_then_ten_to_the_bit(sites: tuple[Site, ...]) -> None:
    x, y = inputs(sites[0].train)
    start = initial_params()
    half = local_steps(start, x, y, steps=10, learning_rate=0.3)
    twice = local_steps(half, x, y, steps=10, learning_rate=0.3)
    whole = local_steps(start, x, y, steps=20, learning_rate=0.3)
    assert params_sha256(twice) == params_sha256(whole)
    assert loss(whole, x, y) < loss(half, x, y) < loss(start, x, y) == pytest.approx(np.log(2))
    assert params_sha256(start) == params_sha256(initial_params())  # the start stays as it was


def test_local_steps__one_step_is_the_gradient_by_hand() -> None:
    x = np.zeros((2, 13))
    x[0, 0], x[1, 0] = 2.0, 1.0
    step = local_steps(initial_params(), x, np.array([1.0, 0.0]), steps=1, learning_rate=1.0)
    assert step["weight"][0] == np.float32((0.5 * 2 - 0.5 * 1) / 2)
    assert step["bias"][0] == 0.0
    assert {array.dtype for array in step.values()} == {np.dtype(np.float32)}


def test_probabilities__do_not_overflow_for_huge_scores() -> None:
    params = initial_params()
    params["weight"][0] = 1e30
    x = np.zeros((2, 13))
    x[:, 0] = 1e3, -1e3
    assert probabilities(params, x).tolist() == [1.0, 0.0]


def test_params_sha256__tells_values_names_and_types_apart() -> None:
    params = initial_params()
    changed = {**params, "bias": np.array([-0.0], dtype=np.float32)}
    wider = {**params, "bias": params["bias"].astype(np.float64)}
    renamed = {"bias2": params["bias"], "weight": params["weight"]}
    hashes = {params_sha256(p) for p in (params, changed, wider, renamed)}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"bias": np.zeros(1, np.float32), "weight": np.zeros(12, np.float32)},
        {"bias": np.zeros(1, np.float64), "weight": np.zeros(13, np.float32)},
    ],
)
def test_verify_params__refuses_another_models(params: Parameters) -> None:
    with pytest.raises(ConfigError, match="do not fit the demo's model"):
        verify_params(params)


def test_training__survives_its_own_options() -> None:
    training = Training(rounds=7, local_steps=5, learning_rate=0.1)
    assert training_from_options({**training.to_options(), "rows": "x"}) == training
    assert training_from_options({}) == Training()


@pytest.mark.parametrize(
    "options",
    [
        {"rounds": 0},
        {"rounds": "10"},
        {"rounds": True},
        {"rounds": 1.5},
        {"local_steps": 11},
        {"learning_rate": float("nan")},
        {"learning_rate": -1},
        {"scaling": {"age": [50, 10]}},
        {"scaling": {**scaling_to_options(), "age": [50, 0]}},
        {"scaling": {**scaling_to_options(), "age": [50]}},
        {"scaling": {**scaling_to_options(), "age": ["a", 1]}},
    ],
)
def test_training__refuses_options_outside_their_range(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        training_from_options(options)


def test_scaling__survives_its_own_table() -> None:
    assert scaling_from_options(scaling_to_options()) == SCALING
