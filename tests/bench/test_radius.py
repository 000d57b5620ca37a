"""The radius benchmark, tiny: one small site moves the mean and cannot move the default rule."""

from pathlib import Path

import numpy as np
import pytest
import radius

SMALL = (0.006, 8)  # share of the weight, sites


@pytest.mark.parametrize("factor", [10.0, 99.0, 1000.0])
def test_small_site__moves_cclip_by_less_than_a_tenth_of_an_honest_update(factor: float) -> None:
    assert radius.shift("cclip", *SMALL, factor, seeds=3) < 0.1


def test_small_site__moves_the_mean_by_several_honest_updates() -> None:
    assert radius.shift("mean", *SMALL, 1000.0, seeds=3) > 5


def test_costs__are_against_the_mean_on_a_table_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = rng.normal(size=(120, 3)) + y[:, np.newaxis]
    np.savez(tmp_path / "own.npz", X=x, y=y, site=np.repeat(["a", "b", "c"], 40))
    found = radius.costs(str(tmp_path / "own.npz"), 3, "natural", seeds=2)
    assert set(found) == {"own: accuracy lost", "own: AUC lost"}
    assert found["own: accuracy lost"]["mean"] == (0, 0, "")
    assert found["own: AUC lost"]["cclip:10"].value == pytest.approx(0, abs=1e-6)
    table = radius.markdown(found, "made by hand")
    assert all(f"| `{rule}` |" in table for rule in radius.RULES)
