"""The demo's training and merging in one process, without network and ledger.

The arithmetic is that of a run in which every site contributes to every round; with the sites in
the order of their peers' public keys the parameters are those of such a run, bit for bit.
Benchmarks take their figures from here.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from swarmp2p.demo.evaluate import SiteOutcome
from swarmp2p.demo.features import inputs
from swarmp2p.demo.history import Entry
from swarmp2p.demo.hospitals import Site
from swarmp2p.demo.model import Parameters, initial_params, local_steps, loss
from swarmp2p.demo.settings import Training
from swarmp2p.merge.rules import merge, rule_named


def rehearse(
    sites: Sequence[Site],
    training: Training,
    rule: str = "mean",
    rule_params: Mapping[str, float] | None = None,
) -> dict[str, SiteOutcome]:
    """The outcome of every site, by name. Weights are the numbers of training rows.

    `sites` in their order are the roster. Raises MergeError for an unknown rule.
    """
    chosen = rule_named(rule, dict(rule_params or {}))
    data = [inputs(site.train, training.scaling) for site in sites]
    weights = [len(y) for _, y in data]
    shared = initial_params()
    entries: dict[str, list[Entry]] = {site.name: [] for site in sites}
    for number in range(1, training.rounds + 1):
        updates = [
            local_steps(
                shared, x, y, steps=training.local_steps, learning_rate=training.learning_rate
            )
            for x, y in data
        ]
        flat = [_flat(update) for update in updates]
        shared = _params(merge(flat, _flat(shared), weights, chosen).vector)
        for site, update, (x, y) in zip(sites, updates, data, strict=True):
            entries[site.name].append(Entry(number, loss(update, x, y), shared))
    return {site.name: SiteOutcome(shared, entries[site.name]) for site in sites}


def _flat(params: Parameters) -> np.ndarray:
    """The tensors in the order of their names, float32[14]."""
    return np.concatenate([params[name].ravel() for name in sorted(params)])


def _params(vector: np.ndarray) -> Parameters:
    return {
        "bias": vector[:1].astype(np.float32),
        "weight": vector[1:].astype(np.float32),
    }
