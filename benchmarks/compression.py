"""What does each encoding of updates cost, and what does it save? Trains small swarms.

    python benchmarks/compression.py [--seeds 20] [--json F] [--markdown F]
    python benchmarks/compression.py --experimental-top-k 0.01 0.1

Every site sends its update through the node's own encoder and decoder, then the node's own merge is
done. The same swarm in fp32, under the same rule with the same batches, is what the others are
compared with, seed by seed. With feedback a site adds what the encoding dropped to its next update.
Top-k is an experiment, no encoding of the protocol (swarmp2p/merge/topk.py), hence its option.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from robustness.arena import rule_of
from robustness.data import Task, load_task
from robustness.figures import Figure, over_seeds, table, write_json
from robustness.ground import Ground, auc, paced, prepare

from swarmp2p.errors import MergeError
from swarmp2p.merge import codec
from swarmp2p.merge.rules import merge
from swarmp2p.merge.terms import MergeRule
from swarmp2p.merge.topk import ErrorFeedback, decode_top_k, encode_top_k
from swarmp2p.wire.registry import ENCODING_BF16, ENCODING_FP16, ENCODING_FP32, ENCODING_INT8

RULES = ("mean", "cclip", "strict", "median")
BASELINE = "fp32"


@dataclass(frozen=True, slots=True)
class Setting:
    """A data set, its sites, how they differ, and whether the model moves little between merges.

    small: one short step a round and four times the rounds; rounding is then large beside a step.
    """

    data: str
    peers: int
    partition: str
    small: bool = False

    @property
    def heading(self) -> str:
        """For a table."""
        steps = ", small steps" if self.small else ""
        return f"{self.data}, {self.peers} sites, {self.partition}{steps}"

    def task(self, seed: int) -> Task:
        """The task with this setting's pace."""
        task = load_task(self.data, self.peers, seed)
        if not self.small:
            return task
        return paced(task, rounds=4 * task.model.rounds, steps=1, rate=task.model.rate / 5)


SETTINGS = (
    Setting("heart", 4, "natural"),
    Setting("digits", 8, "0.5"),
    Setting("digits", 8, "0.5", small=True),
)

Carry = Callable[[np.ndarray, np.ndarray], tuple[int, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Wire:
    """One way to send an update. carry: (values, base) -> (bytes on the wire, what arrives)."""

    name: str
    carry: Carry
    feedback: bool = False


@dataclass(slots=True)
class Lane:
    """The model of one rule and one wire, and what the sites keep for their next update."""

    rule: MergeRule
    wire: Wire
    params: np.ndarray
    kept: list[ErrorFeedback]
    size: int = 0  # bytes of an update
    first: np.ndarray | None = None  # the model after the first round
    lost: bool = False  # an update could not be encoded or merged: training stopped


@dataclass(frozen=True, slots=True)
class Outcome:
    """One lane at the end.

    early, late: distance from fp32's model after the first and the last round, as a part of the way
    that fp32's model has gone until then.
    """

    accuracy: float
    auc: float | None
    size: int
    early: float
    late: float
    lost: bool


@dataclass(slots=True)
class Cell:
    """One wire under one rule, over the seeds; lost figures are fp32's less this one's."""

    setting: Setting
    rule: str
    wire: str
    seeds: int
    size: int
    accuracy: Figure
    accuracy_lost: Figure
    auc_lost: Figure | None
    early: Figure
    late: Figure
    blown: float  # share of the seeds in which training stopped

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {
            key: value._asdict() if isinstance(value, Figure) else value
            for key, value in asdict(self).items()
        }


def wires(shares: Sequence[float] = ()) -> list[Wire]:
    """The encodings of the protocol, each that loses also with feedback, and top-k if asked for."""
    found = [Wire(BASELINE, _fp32)]
    coders = {"bf16": _bf16, "fp16": _fp16, "int8": _int8}
    coders |= {f"top-k {share:g}": partial(_top_k, share) for share in shares}
    for name, carry in coders.items():
        found += [Wire(name, carry), Wire(f"{name} + feedback", carry, feedback=True)]
    return found


def play(
    setting: Setting, seed: int, rules: Sequence[str], sent: Sequence[Wire]
) -> dict[tuple[str, str], Outcome]:
    """(rule, wire) -> outcome. `sent` has the baseline."""
    ground = prepare(setting.task(seed), setting.peers, setting.partition, seed)
    lanes = {(rule, wire.name): _lane(ground, rule, wire) for rule in rules for wire in sent}
    for _ in range(ground.task.model.rounds):
        updates = ground.trained(np.stack([lane.params for lane in lanes.values()]))
        for lane, trained in zip(lanes.values(), updates, strict=True):
            if not lane.lost:
                _round(lane, trained, ground.weights)
    return {key: _outcome(ground, lane, lanes[key[0], BASELINE]) for key, lane in lanes.items()}


def measure(
    settings: Iterable[Setting], seeds: int, rules: Sequence[str], sent: Sequence[Wire]
) -> list[Cell]:
    """All cells: settings, then rules, then wires."""
    cells = []
    for setting in settings:
        played = [play(setting, seed, rules, sent) for seed in range(seeds)]
        cells += [_cell(setting, (rule, wire.name), played) for rule in rules for wire in sent]
    return cells


def markdown(cells: Sequence[Cell], command: str) -> str:
    """For each setting: accuracy lost, AUC lost, distances; a row for each wire, rules across."""
    lines = [f"`{command}`"]
    for setting in dict.fromkeys(one.setting for one in cells):
        mine = [one for one in cells if one.setting == setting]
        head = f"{setting.heading}, {mine[0].seeds} seeds"
        lines += ["", f"### {head}: accuracy lost against fp32, points", ""]
        lines += _by_rule(mine, lambda one: _points(one.accuracy_lost, one.blown))
        if mine[0].auc_lost is not None:
            lines += ["", f"### {head}: AUC lost against fp32, hundredths", ""]
            lines += _by_rule(mine, lambda one: _points(one.auc_lost, one.blown))
        lines += ["", f"### {head}: distance from fp32's model, first / last round", ""]
        lines += _by_rule(mine, lambda one: f"{one.early.value:.2g} / {one.late.value:.2g}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="encodings of updates: bytes against accuracy")
    parser.add_argument("--seeds", type=int, default=20, help="how many, from 0 (default 20)")
    parser.add_argument("--rule", nargs="+", default=RULES, metavar="RULE")
    parser.add_argument(
        "--experimental-top-k",
        nargs="+",
        type=float,
        default=(),
        metavar="SHARE",
        help="also top-k with these shares of the elements; no encoding of the protocol",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables there")
    arguments = parser.parse_args()
    if arguments.seeds < 1 or any(not 0 < each <= 1 for each in arguments.experimental_top_k):
        parser.error("at least 1 seed and shares above 0 and at most 1 are expected")
    sent = wires(arguments.experimental_top_k)
    cells = measure(SETTINGS, arguments.seeds, arguments.rule, sent)
    command = shlex.join(["python", *sys.argv])
    text = markdown(cells, command)
    print(text)
    write_json(arguments.json, {"command": command, "cells": [one.record() for one in cells]})
    if arguments.markdown is not None:
        arguments.markdown.write_text(text, encoding="utf-8")
    return 0


def _lane(ground: Ground, rule: str, wire: Wire) -> Lane:
    kept = [ErrorFeedback(np.zeros_like(ground.first)) for _ in ground.weights]
    return Lane(rule_of(rule), wire, ground.first.copy(), kept)


def _round(lane: Lane, trained: np.ndarray, weights: Sequence[int]) -> None:
    """Send the updates [n, size], and merge what arrives."""
    try:
        arrived = [
            _send(lane, np.ascontiguousarray(mine), kept)
            for mine, kept in zip(trained, lane.kept, strict=True)
        ]
        lane.params = merge(arrived, lane.params, weights, lane.rule).vector
    except MergeError:  # too large for its encoding: such a site would send nothing
        lane.lost = True
    if lane.first is None:
        lane.first = lane.params


def _send(lane: Lane, values: np.ndarray, kept: ErrorFeedback) -> np.ndarray:
    def carry(wanted: np.ndarray) -> np.ndarray:
        lane.size, arrived = lane.wire.carry(wanted, lane.params)
        return arrived

    return kept.send(values, carry) if lane.wire.feedback else carry(values)


def _outcome(ground: Ground, lane: Lane, exact: Lane) -> Outcome:
    task = ground.task
    return Outcome(
        task.model.accuracy(lane.params, *task.test),
        auc(task, lane.params),
        lane.size,
        _apart(lane.first, exact.first, ground.first),
        _apart(lane.params, exact.params, ground.first),
        lane.lost,
    )


def _apart(vector: np.ndarray, exact: np.ndarray, start: np.ndarray) -> float:
    return float(np.linalg.norm(vector - exact) / np.linalg.norm(exact - start))


def _cell(
    setting: Setting,
    key: tuple[str, str],
    played: Sequence[dict[tuple[str, str], Outcome]],
) -> Cell:
    mine = [one[key] for one in played]
    exact = [one[key[0], BASELINE] for one in played]
    pairs = list(zip(exact, mine, strict=True))
    areas = [a.auc - b.auc for a, b in pairs if a.auc is not None and b.auc is not None]
    return Cell(
        setting,
        *key,
        seeds=len(mine),
        size=mine[0].size,
        accuracy=over_seeds([one.accuracy for one in mine]),
        accuracy_lost=over_seeds([a.accuracy - b.accuracy for a, b in pairs]),
        auc_lost=over_seeds(areas) if areas else None,
        early=over_seeds([one.early for one in mine]),
        late=over_seeds([one.late for one in mine]),
        blown=float(np.mean([one.lost for one in mine])),
    )


def _by_rule(cells: Sequence[Cell], entry: Callable[[Cell], str]) -> list[str]:
    rules = list(dict.fromkeys(one.rule for one in cells))
    found = {(one.wire, one.rule): one for one in cells}
    exact = found[BASELINE, rules[0]].size
    rows = []
    for wire in dict.fromkeys(one.wire for one in cells):
        size = found[wire, rules[0]].size
        line = [wire, str(size), f"{size / exact:.0%}"]
        rows.append([*line, *(entry(found[wire, rule]) for rule in rules)])
    return table(["encoding", "bytes", "of fp32", *(f"`{rule}`" for rule in rules)], rows)


def _points(figure: Figure | None, blown: float) -> str:
    if figure is None or figure.error is None:
        return "-"
    text = f"{round(100 * figure.value, 2) + 0.0:.2f} ± {100 * figure.error:.2f}"  # no -0.00
    return f"{text}, {blown:.0%} blew up" if blown else text


def _decoded(data: bytes, base: np.ndarray, encoding: int) -> tuple[int, np.ndarray]:
    out = np.empty_like(base)
    codec.decode_into(out, data, encoding, base)
    return len(data), out


def _fp32(values: np.ndarray, base: np.ndarray) -> tuple[int, np.ndarray]:
    return _decoded(values.astype("<f4").tobytes(), base, ENCODING_FP32)


def _bf16(values: np.ndarray, base: np.ndarray) -> tuple[int, np.ndarray]:
    return _decoded(codec.encode_bf16(values), base, ENCODING_BF16)


def _fp16(values: np.ndarray, base: np.ndarray) -> tuple[int, np.ndarray]:
    return _decoded(codec.encode_fp16(values), base, ENCODING_FP16)


def _int8(values: np.ndarray, base: np.ndarray) -> tuple[int, np.ndarray]:
    return _decoded(codec.encode_int8(values, base), base, ENCODING_INT8)


def _top_k(share: float, values: np.ndarray, base: np.ndarray) -> tuple[int, np.ndarray]:
    data = encode_top_k(values, base, share)
    return len(data), decode_top_k(data, base, share)


if __name__ == "__main__":
    sys.exit(main())
