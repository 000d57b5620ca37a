"""Which radius should centred clipping have? Three questions for each, beside other rules.

    python benchmarks/radius.py [--table FILE.npz ...] [--seeds 20] [--json F] [--markdown F]

cost: accuracy and AUC lost against `mean` without attack, with the standard error of that mean over
the seeds: on the four heart hospitals, on each table of one's own (see robustness/data.py) at its
natural sites (at most .005 of accuracy may be lost), and on digits dealt to 8 sites with Dirichlet
0.1 (at most .01).
shift: how far one site with 0.6 % of the weight moves the merge with an update 1,000 times, or only
99 times, as long as the others' (beyond 100 medians `cclip` shuts it out), in honest norms; at most
0.1. And how far one of four equal sites moves it.
fall: accuracy lost under the worst untargeted attack; 8 sites, 2 bad, Dirichlet 0.5; at most .08.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from robustness.arena import Setting, play, rule_of
from robustness.attacks import UNTARGETED
from robustness.figures import Figure, over_seeds, table, write_json
from robustness.tables import average, groups, worst

from swarmp2p.merge.rules import merge

RADII = (0.5, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
RULES = ("mean", *(f"cclip:{radius:g}" for radius in RADII), "geometric_median", "trimmed_mean")
FALLS = (("digits", 8), ("heart", 8))
FALL_SEEDS = 5


Columns = dict[str, dict[str, Figure]]  # column -> rule -> figure


def costs(data: str, peers: int, partition: str, seeds: int) -> Columns:
    """Accuracy and, with two classes, AUC lost against `mean` without attack."""
    played = [play(Setting(data, peers, partition, "none", seed), RULES) for seed in range(seeds)]
    name = Path(data).stem
    found: Columns = {f"{name}: accuracy lost": {}, f"{name}: AUC lost": {}}
    for rule in played[0]:
        for measure, column in zip(("accuracy", "auc"), found, strict=True):
            pairs = [(getattr(one["mean"], measure), getattr(one[rule], measure)) for one in played]
            lost = [mean - other for mean, other in pairs if mean is not None]
            if lost:
                found[column][rule] = over_seeds(lost)
    return {column: row for column, row in found.items() if row}


def shift(rule: str, share: float, peers: int, factor: float, seeds: int = 20) -> float:
    """How far the merge moves when one site sends `factor` times what it should, in honest norms.

    Each honest delta is a common unit vector and as long a part of its own, over 1,000 parameters.
    `share`: of the whole weight, the bad site's; the others have equal parts of the rest. The worst
    of its own delta and the opposite of the others' mean, averaged over the seeds.
    """
    other = round(1_000_000 * (1 - share) / (peers - 1))
    weights = [round(1_000_000 * share)] + [other] * (peers - 1)
    moved = []
    for seed in range(seeds):
        drawn = np.random.default_rng([seed, peers]).normal(0, 1, (peers + 1, 1000))
        drawn /= np.linalg.norm(drawn, axis=1)[:, np.newaxis]
        honest = (drawn[:peers] + drawn[peers]).astype(np.float32)
        base = np.zeros(1000, np.float32)
        chosen = rule_of(rule)
        calm = merge(list(honest), base, weights, chosen).vector
        norm = np.median(np.linalg.norm(honest[1:], axis=1))
        away = -honest[1:].mean(axis=0)
        away *= norm / np.linalg.norm(away)
        distances = []
        for direction in (honest[0], away):
            rows = [(np.float32(factor) * direction).astype(np.float32), *honest[1:]]
            distances.append(np.linalg.norm(merge(rows, base, weights, chosen).vector - calm))
        moved.append(max(distances) / norm)
    return float(np.mean(moved))


def shifts() -> Columns:
    """The three shifts of every rule."""
    asked = {
        "shift by 0.6 %, x1000": (0.006, 8, 1000.0),
        "shift by 0.6 %, x99": (0.006, 8, 99.0),
        "shift by 1 of 4, x99": (0.25, 4, 99.0),
    }
    return {
        name: {rule: Figure(shift(rule, *what)) for rule in RULES} for name, what in asked.items()
    }


def falls(data: str, peers: int, seeds: int) -> Columns:
    """Accuracy lost between no attack and the worst untargeted one at Dirichlet 0.5."""
    played = [
        (one, play(one, RULES))
        for attack in ("none", *UNTARGETED)
        for one in (Setting(data, peers, "0.5", attack, seed) for seed in range(seeds))
    ]
    (rules,) = groups(average(played)).values()
    found = {}
    for rule, row in rules.items():
        attack, accuracy = worst(row) or ("none", row["none"].accuracy)
        found[rule] = Figure(row["none"].accuracy - accuracy, attack=attack)
    return {f"{data}, {peers} sites: fall": found}


def markdown(columns: Columns, command: str) -> str:
    """One row for each rule."""
    rows = [
        [f"`{rule}`", *(str(column.get(rule, "")) for column in columns.values())] for rule in RULES
    ]
    return "\n".join([f"`{command}`", "", *table(["rule", *columns], rows)]) + "\n"


def measure(tables: Sequence[Path], seeds: int) -> Columns:
    """All columns, the costs first."""
    columns = costs("heart", 4, "natural", seeds)
    for path in tables:
        with np.load(path) as file:
            peers = len(np.unique(file["site"]))
        columns |= costs(str(path), peers, "natural", seeds)
    columns |= costs("digits", 8, "0.1", seeds)
    columns |= shifts()
    for data, peers in FALLS:
        columns |= falls(data, peers, min(seeds, FALL_SEEDS))
    return columns


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="the radius of centred clipping")
    parser.add_argument("--table", type=Path, nargs="+", default=[], metavar="FILE.npz")
    parser.add_argument("--seeds", type=int, default=20, help="of the costs (default 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table there")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error("--seeds must be at least 1")
    columns = measure(arguments.table, arguments.seeds)
    command = shlex.join(["python", *sys.argv])
    text = markdown(columns, command)
    print(text)
    named = {
        column: {rule: figure._asdict() for rule, figure in row.items()}
        for column, row in columns.items()
    }
    write_json(arguments.json, {"command": command, "seeds": arguments.seeds, "columns": named})
    if arguments.markdown is not None:
        arguments.markdown.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
