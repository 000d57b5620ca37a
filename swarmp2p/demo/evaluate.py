"""Compares, after a run: each site alone, all data pooled ("central"), and the swarm.

Every model starts from the same zeros and takes as many steps with the same learning rate. It is
judged on the held-out patients of all sites together, and for `own` on its own site's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from swarmp2p.demo.features import FloatArray, inputs
from swarmp2p.demo.history import (
    DIGEST,
    HISTORY,
    MODEL,
    Entry,
    read_digest,
    read_history,
    read_model,
)
from swarmp2p.demo.hospitals import Site
from swarmp2p.demo.model import Parameters, initial_params, local_steps, loss, params_sha256
from swarmp2p.demo.scoring import Figures, Scores, judge
from swarmp2p.demo.settings import Training
from swarmp2p.errors import StateError
from swarmp2p.manifest import RunManifest

Data = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class SiteOutcome:
    """What one node left: its final parameters (None: it never finished) and its rounds."""

    params: Parameters | None
    history: Sequence[Entry] = ()
    sha256: str = ""  # as the node's own process computed it; "": compute it here


@dataclass(frozen=True, slots=True)
class Curves:
    """AUC and loss on all held-out patients after each round; keys "alone", "central", "swarm".

    "alone" is the mean over the sites. A value is None where it is not defined.
    """

    rounds: tuple[int, ...] = ()
    auc: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    loss: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`sites`, `central` and `parameters_sha256` as they stand in metrics.json, and the curves."""

    sites: list[dict[str, Any]]
    central: Figures
    parameters_sha256: dict[str, str]
    curves: Curves


def read_outcome(folder: Path) -> SiteOutcome:
    """What the trainer left in a node's folder. Raises ConfigError for files that are not its."""
    digest = read_digest(folder / DIGEST)
    params = read_model(folder / MODEL)
    if params is not None and params_sha256(params) != digest:
        raise StateError(f"{folder / MODEL} is not what its node hashed; run the demo again")
    return SiteOutcome(params, read_history(folder / HISTORY), digest)


def evaluate_run(
    sites: Sequence[Site], outcomes: Mapping[str, SiteOutcome], training: Training
) -> Evaluation:
    """Train the references and judge every model.

    `outcomes` is by site name; a site without final parameters gets None in place of its swarm
    figures and no hash.
    """
    scaling = training.scaling
    train = {site.name: inputs(site.train, scaling) for site in sites}
    own_test = {site.name: inputs(site.test, scaling) for site in sites}
    test = _pooled(list(own_test.values()))
    alone = {name: _path(data, training) for name, data in train.items()}
    central = _path(_pooled(list(train.values())), training)
    finals = {site.name: _final(outcomes, site.name) for site in sites}
    rows = [
        _site_row(site, alone[site.name][-1], finals[site.name], test, own_test[site.name])
        for site in sites
    ]
    hashes = {
        name: outcomes[name].sha256 or params_sha256(params)
        for name, params in finals.items()
        if params is not None
    }
    curves = _curves(alone, central, outcomes, test)
    return Evaluation(rows, judge(central[-1], *test).to_json(), hashes, curves)


def build_metrics(
    manifest: RunManifest,
    rounds: Sequence[Mapping[str, Any]],
    evaluation: Evaluation,
    out: Path,
) -> dict[str, Any]:
    """The content of metrics.json.

    `terms` are what the manifest says of merging, by the names of the options of `swarmp2p demo`.
    Each of `rounds` holds round, attempt, contributors, complete, merged_root and seconds.
    """
    return {
        "run_id": manifest.run_id.hex(),
        "terms": {
            "merge": manifest.rule,
            "optimiser": manifest.optimiser,
            "encoding": manifest.encoding,
        },
        "rounds": [dict(one) for one in rounds],
        "sites": evaluation.sites,
        "central": evaluation.central,
        "parameters_sha256": evaluation.parameters_sha256,
        "out": str(out),
    }


def _site_row(
    site: Site, alone: Parameters, swarm: Parameters | None, test: Data, own_test: Data
) -> dict[str, Any]:
    def figures(params: Parameters | None, data: Data) -> Figures:
        nothing = Scores(None, None, None, None)
        return (nothing if params is None else judge(params, *data)).to_json()

    return {
        "site": site.name,
        "train": len(site.train),
        "test": len(site.test),
        "cases": sum(patient.case for patient in (*site.train, *site.test)),
        "alone": figures(alone, test),
        "swarm": figures(swarm, test),
        "own": {"alone": figures(alone, own_test), "swarm": figures(swarm, own_test)},
    }


def _path(data: Data, training: Training) -> list[Parameters]:
    """The model after every `local_steps` steps on `data`, `rounds` of them."""
    params, path = initial_params(), []
    for _ in range(training.rounds):
        params = local_steps(
            params, *data, steps=training.local_steps, learning_rate=training.learning_rate
        )
        path.append(params)
    return path


def _pooled(parts: Sequence[Data]) -> Data:
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _final(outcomes: Mapping[str, SiteOutcome], name: str) -> Parameters | None:
    return outcomes[name].params if name in outcomes else None


def _curves(
    alone: Mapping[str, Sequence[Parameters]],
    central: Sequence[Parameters],
    outcomes: Mapping[str, SiteOutcome],
    test: Data,
) -> Curves:
    """The k-th round of the swarm stands beside the references after as many rounds' steps."""
    held: dict[int, list[Parameters]] = {}
    for outcome in outcomes.values():
        for entry in outcome.history:
            held.setdefault(entry.round, []).append(entry.params)
    rounds = tuple(sorted(held))[: len(central)]
    models = {
        "alone": [[path[k] for path in alone.values()] for k in range(len(rounds))],
        "central": [[central[k]] for k in range(len(rounds))],
        "swarm": [held[number] for number in rounds],
    }
    return Curves(
        rounds,
        {key: tuple(_mean_auc(some, test) for some in each) for key, each in models.items()},
        {key: tuple(_mean_loss(some, test) for some in each) for key, each in models.items()},
    )


def _mean_auc(models: Sequence[Parameters], test: Data) -> float | None:
    found = [judge(params, *test).auc for params in models]
    known = [auc for auc in found if auc is not None]
    return sum(known) / len(known) if known else None


def _mean_loss(models: Sequence[Parameters], test: Data) -> float:
    return sum(loss(params, *test) for params in models) / len(models)
