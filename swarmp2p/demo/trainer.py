"""The program of a demo node: it trains on its own hospital's rows and merges with the others.

Named in node.toml as `[train] program = "swarmp2p.demo.trainer:main"`. [train.options] holds
`rows` (this site's CSV), `out` (the folder for history.jsonl and model.npz) and what
`settings.training_from_options` reads; `local_steps` must equal the manifest's `sync_every`.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from swarmp2p.demo.features import inputs
from swarmp2p.demo.history import (
    DIGEST,
    HISTORY,
    MODEL,
    Entry,
    append_entry,
    read_history,
    write_digest,
    write_history,
    write_model,
)
from swarmp2p.demo.hospitals import read_patients
from swarmp2p.demo.model import Parameters, initial_params, local_steps, loss, params_sha256
from swarmp2p.demo.settings import training_from_options
from swarmp2p.errors import ConfigError, RunFinished, RunStopped


class SyncReceipt(Protocol):
    """The part of a receipt that the trainer reads."""

    @property
    def round(self) -> int:
        """The round that ended, sealed or void."""
        ...


class TrainingSwarm(Protocol):
    """The part of `swarmp2p.Swarm` that a training program uses."""

    @property
    def options(self) -> Mapping[str, Any]:
        """[train.options] of node.toml."""
        ...

    def start(self, params: Parameters, /) -> Parameters:
        """The model everyone begins from, or the last sealed one."""
        ...

    def due(self, step: int, /) -> bool:
        """Whether to sync after this step, counted from 0."""
        ...

    def sync(
        self, params: Parameters, /, *, metrics: dict[str, float] | None, weight: int | None
    ) -> tuple[Parameters, SyncReceipt]:
        """One round. Raises RunFinished after the last."""
        ...

    def finish(self, params: Parameters, /) -> Parameters:
        """Stay until the run ends; the final model."""
        ...


def main(swarm: TrainingSwarm) -> None:
    """Train, sync and leave history.jsonl and model.npz in the `out` folder.

    Training stops when the run is closed, not after a number of steps, so that a node that joins
    late or sees a void round does as its peers do: at the first multiple of `local_steps` where no
    sync is due, or at RunFinished or RunStopped. The steps since the last merge are then dropped,
    so that every node ends with the swarm's model. Raises ConfigError for options or rows that
    cannot be used.
    """
    rows, out = _path(swarm.options, "rows"), _path(swarm.options, "out")
    training = training_from_options(swarm.options)
    x, y = inputs(read_patients(rows), training.scaling)
    if not len(y):
        raise ConfigError(f"{rows}: no complete row to train on; expected at least 1")
    history = out / HISTORY
    write_history(history, read_history(history))  # drops a half-written last line

    merged = params = swarm.start(initial_params())
    for step in itertools.count():
        params = local_steps(params, x, y, steps=1, learning_rate=training.learning_rate)
        if (step + 1) % training.local_steps:
            continue
        if not swarm.due(step):
            break
        local_loss = loss(params, x, y)
        try:
            params, receipt = swarm.sync(params, metrics={"loss": local_loss}, weight=len(y))
        except (RunFinished, RunStopped):
            break
        merged = params
        append_entry(history, Entry(receipt.round, local_loss, merged))
    final = swarm.finish(merged)
    write_digest(out / DIGEST, params_sha256(final))
    write_model(out / MODEL, final)


def _path(options: Mapping[str, Any], name: str) -> Path:
    value = options.get(name)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"[train.options] {name} is {value!r}; expected a path")
    return Path(value)
