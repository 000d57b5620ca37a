"""What all models of one setting share: sites' rows and weights, first model, batches."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from robustness.data import Task, deal
from robustness.model import Rows, pad, train
from swarmp2p.demo.scoring import area_under_curve

Alter = Callable[[int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Ground:
    """One seed of one setting. `first`: float32[size]. `batches`: the same for all models."""

    task: Task
    rows: Rows
    weights: tuple[int, ...]
    first: np.ndarray
    batches: np.random.Generator

    def trained(self, models: np.ndarray) -> np.ndarray:
        """One round at every site from each of R models: [R, size] -> updates [R, n, size]."""
        return train(self.task.model, models, self.rows, self.batches)


def paced(task: Task, **pace: float) -> Task:
    """The task with other `rounds`, `steps` or `rate`."""
    return replace(task, model=replace(task.model, **pace))


def prepare(
    task: Task, peers: int, partition: str, seed: int, alter: Alter | None = None
) -> Ground:
    """Deal the rows. `alter` gives what site k trains on in place of its rows (x, y)."""
    sites = deal(task, peers, partition, seed)
    parts = [(task.train[0][site], task.train[1][site]) for site in sites]
    if alter is not None:
        parts = [alter(k, *part) for k, part in enumerate(parts)]
    return Ground(
        task,
        pad(parts, task.model.widths[-1]),
        tuple(len(site) for site in sites),
        task.model.initial(np.random.default_rng([seed, 1])),
        np.random.default_rng([seed, 2]),
    )


def auc(task: Task, params: np.ndarray) -> float | None:
    """Of class 1 against class 0 on the held-out rows; None with more classes, or a lost model."""
    if task.model.widths[-1] != 2 or not np.isfinite(params).all():
        return None
    x, y = task.test
    with np.errstate(all="ignore"):
        odds = task.model.scores(params, x).astype(np.float64)
    return area_under_curve(np.nan_to_num(odds[:, 1] - odds[:, 0]), y)
