"""Trains one swarm under one attack, once for each merge rule, and judges the models.

The merge is the node's own, `swarmp2p.merge.rules.merge`, with the weights that sites declare: the
number of their training rows, bad sites included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from robustness.attacks import ATTACKS, Attack, Scene, faults
from robustness.data import Task, load_task
from robustness.ground import auc, prepare
from swarmp2p.errors import MergeError
from swarmp2p.merge.rules import merge, rule_named
from swarmp2p.merge.terms import MergeRule

RULES = (
    "mean",
    "cclip",
    "strict",
    "median",
    "weighted_median",
    "trimmed_mean",
    "weighted_trimmed_mean",
    "geometric_median",
    "krum",
    "multi_krum",
    "nnm+cclip",
    "nnm+median",
    "nnm+trimmed_mean",
    "nnm+geometric_median",
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One column of the matrix under one seed. `uniform`: every site's update weighs the same."""

    data: str
    peers: int
    partition: str
    attack: str
    seed: int
    uniform: bool = False


@dataclass(slots=True)
class Score:
    """What a rule's model is worth at the end.

    accuracy: on all held-out rows. auc: class 1 against class 0, with two classes only. backdoor:
    share of held-out rows of other classes that the trigger turns into the target (without a
    planted backdoor: what the trigger does by itself). merged: share of the rounds that the rule
    did not refuse. lost: the model blew up, and training stopped.
    """

    accuracy: float = 0.0
    auc: float | None = None
    backdoor: float = 0.0
    merged: float = 1.0
    lost: bool = False


@dataclass(slots=True)
class Swarm:
    """The model of one rule; the chance and the memory of those who attack it."""

    rule: MergeRule
    params: np.ndarray
    rng: np.random.Generator
    score: Score = field(default_factory=Score)
    memory: dict[str, int] = field(default_factory=dict)
    void: int = 0  # rounds not merged


@dataclass(frozen=True, slots=True)
class Side:
    """What every rule meets alike: the attack, the bad sites, all sites' declared weights."""

    attack: Attack
    bad: tuple[int, ...]
    weights: Sequence[int]
    uniform: bool


def play(setting: Setting, rules: Sequence[str] = RULES) -> dict[str, Score]:
    """The scores by rule, for those rules that take so many peers."""
    task = load_task(setting.data, setting.peers, setting.seed)
    attack = ATTACKS[setting.attack]
    bad = _bad_sites(setting, attack)

    def poisoned(k: int, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if k in bad and attack.poison:
            return attack.poison(x, y, _classes(task), task.trigger)
        return x, y

    ground = prepare(task, setting.peers, setting.partition, setting.seed, poisoned)
    chosen = {name: rule_of(name) for name in rules}
    swarms = {
        name: Swarm(rule, ground.first.copy(), np.random.default_rng([setting.seed, 3]))
        for name, rule in chosen.items()
        if _takes(rule, setting.peers)
    }
    side = Side(attack, bad, ground.weights, setting.uniform)
    for _ in range(task.model.rounds):
        updates = ground.trained(np.stack([s.params for s in swarms.values()]))
        for swarm, trained in zip(swarms.values(), updates, strict=True):
            _round(swarm, trained, side)
    for swarm in swarms.values():
        _judge(task, swarm)
    return {name: swarm.score for name, swarm in swarms.items()}


def rule_of(name: str) -> MergeRule:
    """The merge rule of a name, which may end in a radius for cclip: `cclip:1.5`."""
    rule, _, radius = name.partition(":")
    return rule_named(rule, {"radius": float(radius)} if radius else None)


def _round(swarm: Swarm, trained: np.ndarray, side: Side) -> None:
    """Let the bad sites act on the updates [n, size], and merge."""
    if swarm.score.lost or not np.isfinite(trained).all():
        swarm.score.lost = True
        return
    present = list(range(len(trained)))
    if side.bad:
        with np.errstate(over="ignore"):
            scene = Scene(trained - swarm.params, side.bad, swarm.rng, swarm.memory)
            deltas = side.attack.craft(scene)
            if deltas is None:
                present = [k for k in present if k not in side.bad]
            else:
                limit = np.finfo(np.float32).max  # beyond it a peer refuses the update
                trained[list(side.bad)] = np.clip(swarm.params + deltas, -limit, limit)
    updates = [np.ascontiguousarray(trained[k]) for k in present]
    weights = [side.weights[k] for k in present]
    try:
        merged = merge(updates, swarm.params, weights, swarm.rule, uniform=side.uniform)
    except MergeError:  # too few updates for this rule: the round is void
        swarm.void += 1
    else:
        swarm.params = merged.vector


def _judge(task: Task, swarm: Swarm) -> None:
    x, y = task.test
    others = y != task.trigger.target
    model, stamped = task.model, task.trigger.stamped(x[others])
    swarm.score.merged = 1 - swarm.void / model.rounds
    swarm.score.accuracy = model.accuracy(swarm.params, x, y)
    swarm.score.auc = auc(task, swarm.params)
    target = np.full(len(stamped), task.trigger.target)
    swarm.score.backdoor = model.accuracy(swarm.params, stamped, target)


def _takes(rule: MergeRule, peers: int) -> bool:
    inner = getattr(rule, "inner", rule)
    return peers >= max(rule.min_peers, inner.min_peers)


def _bad_sites(setting: Setting, attack: Attack) -> tuple[int, ...]:
    """Drawn by the seed, the same under every attack."""
    if not attack.present:
        return ()
    rng = np.random.default_rng([setting.seed, setting.peers, 4])
    picks = rng.choice(setting.peers, faults(setting.peers), replace=False)
    return tuple(sorted(int(pick) for pick in picks))


def _classes(task: Task) -> int:
    return task.model.widths[-1]
