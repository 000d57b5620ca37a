"""The study of encodings, tiny: fp32 loses nothing, feedback stays near it, sizes are right."""

import json
import sys
from pathlib import Path

import compression
import numpy as np
import pytest
from compression import Setting, Wire, markdown, measure, play, wires

from swarmp2p.errors import MergeError

HEART = Setting("heart", 4, "natural")
SMALL = Setting("heart", 4, "natural", small=True)


@pytest.fixture(scope="module")
def cells() -> list[compression.Cell]:
    return measure([HEART, SMALL], 2, ("mean", "median"), wires([0.1]))


def test_fp32__loses_exactly_nothing_and_has_every_byte(cells: list[compression.Cell]) -> None:
    mine = [one for one in cells if one.wire == "fp32"]
    assert {(one.setting, one.rule) for one in mine} == {
        (setting, rule) for setting in (HEART, SMALL) for rule in ("mean", "median")
    }
    for one in mine:
        assert one.size == 4 * 28
        assert one.accuracy.value > 0.7
        assert (*one.accuracy_lost[:2], *one.early[:2], *one.late[:2]) == (0, 0, 0, 0, 0, 0)
        assert one.auc_lost == (0, 0, "")


def test_sizes__are_those_of_the_wire(cells: list[compression.Cell]) -> None:
    sizes = {one.wire: one.size for one in cells if not one.wire.endswith("feedback")}
    assert sizes == {"fp32": 112, "bf16": 56, "fp16": 56, "int8": 32, "top-k 0.1": 18}
    assert all(one.blown == 0 for one in cells)


@pytest.mark.parametrize("setting", [HEART, SMALL])
@pytest.mark.parametrize("wire", ["int8", "bf16"])
def test_feedback__keeps_the_mean_nearer_to_fp32(
    cells: list[compression.Cell], setting: Setting, wire: str
) -> None:
    found = {one.wire: one for one in cells if (one.setting, one.rule) == (setting, "mean")}
    without, with_it = found[wire], found[f"{wire} + feedback"]
    assert with_it.early == without.early  # nothing was left over yet
    assert 0 < with_it.late.value < 0.9 * without.late.value


def test_top_k__leaves_a_rule_by_rank_nearly_where_it_began(cells: list[compression.Cell]) -> None:
    found = {one.rule: one for one in cells if (one.setting, one.wire) == (HEART, "top-k 0.1")}
    assert found["median"].late.value > 0.9
    assert found["median"].late.value > found["mean"].late.value + 0.1


def test_small_steps__are_one_a_round_over_more_rounds() -> None:
    usual, small = HEART.task(0).model, SMALL.task(0).model
    assert (small.rounds, small.steps) == (4 * usual.rounds, 1)
    assert small.rate == pytest.approx(usual.rate / 5)


def test_play__is_the_same_twice() -> None:
    sent = wires()[:3]
    assert play(HEART, 1, ("cclip",), sent) == play(HEART, 1, ("cclip",), sent)
    assert play(HEART, 1, ("cclip",), sent) != play(HEART, 2, ("cclip",), sent)


def test_wires__have_top_k_only_when_asked() -> None:
    assert [one.name for one in wires()] == [
        "fp32",
        "bf16",
        "bf16 + feedback",
        "fp16",
        "fp16 + feedback",
        "int8",
        "int8 + feedback",
    ]
    assert [one.name for one in wires([0.01])][-2:] == ["top-k 0.01", "top-k 0.01 + feedback"]


def test_encoding_that_cannot_hold_an_update__ends_its_lane_and_is_told() -> None:
    def narrow(values: np.ndarray, _base: np.ndarray) -> tuple[int, np.ndarray]:
        if np.abs(values).max() > 0.05:
            raise MergeError("too large for this encoding")
        return 1, values

    found = measure([HEART], 1, ("mean",), [wires()[0], Wire("narrow", narrow)])
    assert [one.blown for one in found] == [0, 1]
    assert "100% blew up" in markdown(found, "made by hand")


def test_script__prints_and_writes_every_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compression, "SETTINGS", (HEART,))
    out = ["--json", str(tmp_path / "f.json"), "--markdown", str(tmp_path / "f.md")]
    asked = ["--seeds", "1", "--rule", "mean", "--experimental-top-k", "0.5"]
    monkeypatch.setattr(sys, "argv", ["compression.py", *asked, *out])
    assert compression.main() == 0
    record = json.loads((tmp_path / "f.json").read_text())
    names = [one.name for one in wires([0.5])]
    assert [one["wire"] for one in record["cells"]] == names
    text = (tmp_path / "f.md").read_text()
    assert text in capsys.readouterr().out
    assert all(text.count(f"| {name} |") == 3 for name in names)


@pytest.mark.parametrize("asked", [["--seeds", "0"], ["--experimental-top-k", "1.5"]])
def test_script__refuses_what_makes_no_sense(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["compression.py", *asked])
    with pytest.raises(SystemExit):
        compression.main()
    assert "at least 1 seed and shares above 0" in capsys.readouterr().err
