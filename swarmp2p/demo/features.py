"""From a patient's values to the model's 13 inputs, by constants that every site shares.

Nothing is estimated from patients: pooled means and variances would tell each site about the
others. The constants are round numbers near a cardiology clinic's usual values.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from swarmp2p.demo.hospitals import VALUE_COLUMNS, Patient
from swarmp2p.errors import ConfigError

Scaling = Mapping[str, tuple[float, float]]  # column -> (centre, unit); input = (x - centre) / unit

SCALING: Scaling = {
    "age": (50.0, 10.0),  # years
    "trestbps": (130.0, 20.0),  # mmHg
    "chol": (200.0, 100.0),  # mg/dl
    "thalach": (140.0, 25.0),  # beats a minute
    "oldpeak": (1.0, 1.0),  # mm of ST depression
}
_BINARY = ("sex", "fbs", "exang")  # 0 or 1 becomes -0.5 or +0.5
_LEVELS = {"cp": (2, 3, 4), "restecg": (1, 2)}  # the first level is the reference, as in FLamby
FEATURE_NAMES = (
    *SCALING,
    *_BINARY,
    *(f"{name}_{level}" for name, levels in _LEVELS.items() for level in levels),
)

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def inputs(
    patients: Sequence[Patient], scaling: Scaling = SCALING
) -> tuple[FloatArray, FloatArray]:
    """(x, y): x float64[n, 13] in the order of FEATURE_NAMES, y float64[n] of 1 (case) and 0.

    A level of cp or restecg becomes +0.75 where the patient has it and -0.25 elsewhere.
    """
    rows = [_features(dict(zip(VALUE_COLUMNS, p.values, strict=True)), scaling) for p in patients]
    x = np.array(rows, dtype=np.float64).reshape(len(patients), len(FEATURE_NAMES))
    return x, np.array([float(p.case) for p in patients], dtype=np.float64)


def _features(values: Mapping[str, float], scaling: Scaling) -> list[float]:
    scaled = [(values[name] - scaling[name][0]) / scaling[name][1] for name in SCALING]
    binary = [values[name] - 0.5 for name in _BINARY]
    levels = [
        float(values[name] == level) - 0.25 for name, some in _LEVELS.items() for level in some
    ]
    return scaled + binary + levels


def scaling_to_options(scaling: Scaling = SCALING) -> dict[str, list[float]]:
    """The constants as a table for a run's options: column -> [centre, unit]."""
    return {name: list(pair) for name, pair in scaling.items()}


def scaling_from_options(table: object) -> dict[str, tuple[float, float]]:
    """The constants out of such a table. Raises ConfigError unless it is whole and usable."""
    expected = f"expected [centre, unit] for each of {', '.join(SCALING)}, unit above 0"
    if not isinstance(table, Mapping) or set(table) != set(SCALING):
        raise ConfigError(f"scaling: {expected}")
    scaling = {}
    for name, pair in table.items():
        if not isinstance(pair, list | tuple) or [_is_number(v) for v in pair] != [True, True]:
            raise ConfigError(f"scaling.{name} is {pair!r}; {expected}")
        if pair[1] <= 0:
            raise ConfigError(f"scaling.{name} has the unit {pair[1]}; {expected}")
        scaling[name] = (float(pair[0]), float(pair[1]))
    return scaling


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
