"""Server optimisers against torch's, an implementation by others (tests/data/README.md).

How torch was asked for what ours defines is told in make_optimiser_oracle.py.
"""

from pathlib import Path

import numpy as np
import pytest
from optimiser_cases import CASES, STEPS, digest, merged, start

from swarmp2p.merge.optimisers import optimiser_named, optimiser_names

ORACLE = Path(__file__).parent.parent / "data" / "optimiser_oracle.npz"


@pytest.fixture(scope="module")
def models() -> np.ndarray:
    with np.load(ORACLE) as stored:
        assert str(stored["inputs"]) == digest(), "the cases have changed: make oracle"
        return stored["models"]


def test_cases__ask_for_every_optimiser() -> None:
    assert {name for name, _ in CASES} == set(optimiser_names()) - {"none"}


# float32 is what most runs compute in; float64 shows that nothing but rounding is between the two
@pytest.mark.parametrize(("dtype", "close"), [("f4", 1e-5), ("f8", 1e-13)])
@pytest.mark.parametrize("index", range(len(CASES)))
def test_steps__agree_with_torch(index: int, dtype: str, close: float, models: np.ndarray) -> None:
    optimiser = optimiser_named(*CASES[index])
    base = start().astype(dtype)
    state = [np.zeros_like(base) for _ in range(optimiser.vectors)]
    count = 0
    for target, expected in zip(merged(), models[index], strict=True):
        vector = target.astype(dtype)
        count = optimiser.step(vector, base, state, count)
        base = vector
        # relative to the model, or where it passes through 0 to its typical size
        scale = np.maximum(np.abs(expected), np.abs(models[index]).mean())
        assert (np.abs(vector - expected) <= close * scale).all()
    assert count == STEPS
