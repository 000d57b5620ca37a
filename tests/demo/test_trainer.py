from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmp2p.demo.features import inputs
from swarmp2p.demo.history import Entry, append_entry, read_history, read_model, write_model
from swarmp2p.demo.hospitals import Site, write_site_rows
from swarmp2p.demo.model import Parameters, initial_params, local_steps, params_sha256
from swarmp2p.demo.trainer import main
from swarmp2p.errors import ConfigError, RunFinished


@dataclass(frozen=True)
class Ended:
    round: int


@dataclass
class LonelySwarm:
    """The documented surface with one peer: a merge adds 1 to the bias, so that it shows."""

    options: Mapping[str, Any]
    rounds: int
    raises_at_end: bool = False
    weights: list[int | None] = field(default_factory=list)
    finished_with: Parameters | None = None

    def start(self, params: Parameters, /) -> Parameters:
        return params

    def due(self, step: int, /) -> bool:
        still_open = len(self.weights) < self.rounds or self.raises_at_end
        return (step + 1) % 10 == 0 and still_open

    def sync(
        self, params: Parameters, /, *, metrics: dict[str, float] | None, weight: int | None
    ) -> tuple[Parameters, Ended]:
        if len(self.weights) == self.rounds:
            raise RunFinished("the last round is sealed")
        assert metrics is not None
        assert list(metrics) == ["loss"]
        self.weights.append(weight)
        return {**params, "bias": params["bias"] + np.float32(1)}, Ended(len(self.weights))

    def finish(self, params: Parameters, /) -> Parameters:
        self.finished_with = params
        return params


@pytest.fixture
def options(sites: tuple[Site, ...], tmp_path: Path) -> dict[str, Any]:
    write_site_rows(tmp_path / "rows.csv", sites[3])
    return {"rows": str(tmp_path / "rows.csv"), "out": str(tmp_path)}


@pytest.mark.parametrize("raises_at_end", [False, True])
def test_trainer__leaves_the_swarms_model_and_one_line_per_round(
    options: dict[str, Any], sites: tuple[Site, ...], tmp_path: Path, *, raises_at_end: bool
) -> None:
    swarm = LonelySwarm(options, rounds=3, raises_at_end=raises_at_end)
    main(swarm)
    x, y = inputs(sites[3].train)
    expected = initial_params()
    history = read_history(tmp_path / "history.jsonl")
    assert [entry.round for entry in history] == [1, 2, 3]
    for entry in history:
        expected = local_steps(expected, x, y, steps=10, learning_rate=0.3)
        expected["bias"] = expected["bias"] + np.float32(1)
        assert params_sha256(entry.params) == params_sha256(expected)  # JSON kept every bit
    model = read_model(tmp_path / "model.npz")
    assert model is not None
    assert params_sha256(model) == params_sha256(expected)  # steps after the last merge are dropped
    assert swarm.weights == [len(sites[3].train)] * 3


def test_trainer__names_the_option_that_is_missing(options: dict[str, Any]) -> None:
    del options["out"]
    with pytest.raises(ConfigError, match=r"\[train\.options\] out is None; expected a path"):
        main(LonelySwarm(options, rounds=1))


def test_history__drops_a_half_written_line_and_keeps_the_later_of_a_round(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for loss in (0.5, 0.4):
        append_entry(path, Entry(1, loss, initial_params()))
    with path.open("ab") as file:
        file.write(b'{"round":2,"lo')
    assert [(entry.round, entry.loss) for entry in read_history(path)] == [(1, 0.4)]


def test_history__names_the_line_that_is_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"round":1}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"history\.jsonl, line 1: no entry of a round"):
        read_history(path)


def test_model_file__garbage_is_one_clear_error_and_absence_is_none(tmp_path: Path) -> None:
    assert read_model(tmp_path / "model.npz") is None
    (tmp_path / "model.npz").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(ConfigError, match="no model of the demo"):
        read_model(tmp_path / "model.npz")
    write_model(tmp_path / "model.npz", initial_params())
    assert read_model(tmp_path / "model.npz") is not None
