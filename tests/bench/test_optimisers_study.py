"""The study of server optimisers, tiny: fair choices, and the two promises of its guide."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import optimisers
import pytest
from optimisers import GRID, Choice, Lane, Lanes, Setting, choose, markdown, measure, play
from robustness.data import load_task

from swarmp2p.merge.optimisers import optimiser_named, optimiser_names

HEART = Setting("heart", 4, "natural", steps=2, rule="cclip")
DIGITS = Setting("digits", 8, "0.5", steps=2)


def lane(validation: list[float], test: list[float]) -> Lane:
    one = Lane(optimiser_named("none"), np.zeros(1, np.float32), [])
    one.validation, one.test = validation, test
    return one


@pytest.fixture(scope="module")
def digits() -> Lanes:
    return play(DIGITS, 0, rounds=25)


def test_grid__has_every_optimiser() -> None:
    assert set(optimiser_names()) <= set(GRID)
    assert GRID["none"] == (1.0,)


def test_play__looks_at_every_lane_after_every_round() -> None:
    lanes = play(HEART, 0, rounds=3)
    assert set(lanes) == {Choice(name, rate) for name, rates in GRID.items() for rate in rates}
    for one in lanes.values():
        assert (len(one.validation), len(one.test)) == (3, 3)
        assert one.auc is not None
        assert one.steps == (3 if one.optimiser.vectors else 0)
        assert len(one.state) == one.optimiser.vectors
    plain, tuned = lanes[Choice("none", 1.0)], lanes[Choice("none, sites' rate tuned", 1.0)]
    assert (plain.params == tuned.params).all()
    others = [one for choice, one in lanes.items() if choice.rate != 1 or "fed" in choice.optimiser]
    assert all((one.params != plain.params).any() for one in others)


def test_play__is_the_same_twice() -> None:
    once, again = (play(HEART, 1, rounds=2) for _ in range(2))
    assert all((once[key].params == again[key].params).all() for key in once)


def test_choice__follows_validation_and_never_the_held_out_rows() -> None:
    lanes = {
        Choice("fedavgm", 0.1): lane([0.2, 0.9], [1.0, 1.0]),
        Choice("fedavgm", 0.3): lane([0.8, 0.8], [0.0, 0.0]),
        Choice("fedavgm", 1.0): lane([0.8, 0.8], [0.9, 0.9]),
        Choice("none", 1.0): lane([0.1, 0.1], [0.5, 0.5]),
    }
    assert choose(lanes) == {
        "fedavgm": Choice("fedavgm", 0.3),  # of two alike the smaller rate
        "none": Choice("none", 1.0),
    }


@pytest.mark.parametrize("setting", [HEART, DIGITS])
def test_validation_rows__are_taken_from_training(setting: Setting) -> None:
    task, (x, y) = optimisers._task(setting, 0, 3)
    whole = load_task(setting.data, setting.peers, 0)
    rows = [(*each.tolist(), kind) for each, kind in zip(*whole.train, strict=True)]
    mine = [(*each.tolist(), kind) for each, kind in zip(*task.train, strict=True)]
    aside = [(*each.tolist(), kind) for each, kind in zip(x, y, strict=True)]
    assert sorted(mine + aside) == sorted(rows)
    assert len(aside) == len(rows) // 5
    assert (task.test[0] == whole.test[0]).all()
    assert (task.model.rounds, task.model.steps) == (3, 2)
    if whole.hospital is not None:
        assert task.hospital is not None
        place = dict(zip(rows, whole.hospital, strict=True))
        assert [place[row] for row in mine] == task.hospital.tolist()


def test_momentum__saves_rounds_where_local_steps_are_few(digits: Lanes) -> None:
    sites = [digits[Choice("none, sites' rate tuned", rate)].test[-1] for rate in (0.5, 1, 2, 4)]
    for choice in (Choice("fedavgm", 1.0), Choice("nesterov", 0.7), Choice("nesterov", 0.3)):
        assert digits[choice].test[-1] > max(sites) + 0.01


def test_wrong_rate__ends_at_guessing(digits: Lanes) -> None:
    assert digits[Choice("fedadam", 0.1)].test[-1] > 0.6
    assert digits[Choice("fedadam", 1.0)].test[-1] < 0.3


def test_attack__is_met_at_the_rates_chosen_in_peace() -> None:
    attacked = replace(HEART, attack="sign flip x10")
    cells = list(measure([HEART, attacked], seeds=2, rounds=10))
    calm = {one.optimiser: one for one in cells if one.setting == HEART}
    hit = {one.optimiser: one for one in cells if one.setting == attacked}
    assert set(calm) == set(hit) == set(GRID)
    for name, one in calm.items():
        assert sum(one.rates.values()) == one.seeds == 2
        assert hit[name].rates == one.rates
        assert hit[name].accuracy.value < one.accuracy.value
    assert calm["none"].gained == hit["none"].gained == (0, 0, "")
    assert calm["none"].by_rate == {1.0: calm["none"].accuracy.value}
    text = markdown(cells, "made by hand")
    assert text.count("\n| fedadam |") == 2
    assert "one site: sign flip x10" in text


def test_rounds__are_counted_to_the_first_that_reached_it() -> None:
    assert optimisers._until([0.1, 0.5, 0.4, 0.9], 0.5) == 2
    assert optimisers._until([0.1, 0.2], 0.5) == float("inf")


def test_script__prints_and_writes_every_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(optimisers, "CALM", (replace(HEART, rule="mean"),))
    monkeypatch.setattr(optimisers, "ATTACKED", ())
    out = ["--json", str(tmp_path / "f.json"), "--markdown", str(tmp_path / "f.md")]
    monkeypatch.setattr(sys, "argv", ["optimisers.py", "--seeds", "1", "--rounds", "2", *out])
    assert optimisers.main() == 0
    record = json.loads((tmp_path / "f.json").read_text())
    assert [one["optimiser"] for one in record["cells"]] == list(GRID)
    assert all(
        set(one["by_rate"]) == {str(r) for r in GRID[one["optimiser"]]} for one in record["cells"]
    )
    assert (tmp_path / "f.md").read_text() in capsys.readouterr().out
