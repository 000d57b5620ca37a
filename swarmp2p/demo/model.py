"""Logistic regression by gradient descent over all rows, the same bits on every run.

Sums go through NumPy's own reductions, never through BLAS, whose order of addition depends on the
number of threads and on the library. Each step computes in float64 and ends in float32, so that
twenty steps are exactly ten and then ten.
"""

import hashlib
from collections.abc import Mapping

import numpy as np

from swarmp2p.demo.features import FEATURE_NAMES, FloatArray
from swarmp2p.errors import ConfigError

Parameters = dict[str, np.ndarray]  # {"bias": float32[1], "weight": float32[13]}


def initial_params() -> Parameters:
    """All zeros: every patient has probability one half."""
    return {
        "bias": np.zeros(1, dtype=np.float32),
        "weight": np.zeros(len(FEATURE_NAMES), dtype=np.float32),
    }


def scores(params: Mapping[str, np.ndarray], x: FloatArray) -> FloatArray:
    """The log-odds of disease, float64[n], for x of shape [n, 13]."""
    weight = params["weight"].astype(np.float64)
    weighted: FloatArray = (x * weight).sum(axis=1) + np.float64(params["bias"][0])
    return weighted


def probabilities(params: Mapping[str, np.ndarray], x: FloatArray) -> FloatArray:
    """The probability of disease, float64[n]. No score overflows."""
    chance: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * scores(params, x)))
    return chance


def loss(params: Mapping[str, np.ndarray], x: FloatArray, y: FloatArray) -> float:
    """Mean cross-entropy in nats."""
    z = scores(params, x)
    return float((np.logaddexp(0.0, z) - y * z).sum() / len(y))


def local_steps(
    params: Mapping[str, np.ndarray],
    x: FloatArray,
    y: FloatArray,
    *,
    steps: int,
    learning_rate: float,
) -> Parameters:
    """`steps` full-batch gradient steps from `params`, which stay as they are."""
    weight, bias = params["weight"].copy(), params["bias"].copy()
    for _ in range(steps):
        error = probabilities({"weight": weight, "bias": bias}, x) - y
        slope = (x * error[:, np.newaxis]).sum(axis=0) / len(y)
        weight = (weight - learning_rate * slope).astype(np.float32)
        bias = (bias - learning_rate * (error.sum() / len(y))).astype(np.float32)
    return {"bias": bias, "weight": weight}


def verify_params(params: Mapping[str, np.ndarray]) -> Parameters:
    """`params`, once sure that they are this model's: names, float32, shapes. Else ConfigError."""
    expected = initial_params()
    found = {name: (str(array.dtype), array.shape) for name, array in params.items()}
    wanted = {name: (str(array.dtype), array.shape) for name, array in expected.items()}
    if found != wanted:
        raise ConfigError(f"parameters {found} do not fit the demo's model; expected {wanted}")
    return {name: params[name] for name in expected}


def params_sha256(params: Mapping[str, np.ndarray]) -> str:
    """SHA-256 in hex over each tensor in the order of names: name, dtype, shape, LE bytes."""
    digest = hashlib.sha256()
    for name in sorted(params):
        array = np.ascontiguousarray(params[name])
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name} {array.dtype.name} {list(array.shape)}\n".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()
