"""How much does each merge rule lose, and what does each attack do to it? Trains small swarms.

    python benchmarks/robustness.py --quick                    # about a minute
    python benchmarks/robustness.py [--json F] [--markdown F]  # everything

Two data sets, 3 to 16 sites, up to five partitions, twelve attacks with a quarter of the sites bad,
fourteen rules; the merge is the node's own. Figures are the mean over the seeds. Accuracy depends
in its last digit on the machine's linear algebra. No exit status judges the figures: the last lines
say which promises of the default rule are kept and which are not.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import track
from robustness import tables
from robustness.arena import RULES, Score, Setting, play
from robustness.attacks import ATTACKS
from robustness.data import PARTITIONS, has_partition

QUICK = (("digits", 8, "0.5"), ("heart", 4, "natural"))


def settings(arguments: argparse.Namespace) -> list[Setting]:
    """All that is to be played, in the order of the tables."""
    chosen = product(arguments.data, arguments.peers, arguments.partition)
    grid = QUICK if arguments.quick else [one for one in chosen if has_partition(one[0], one[2])]
    return [
        Setting(*one, attack, seed, arguments.uniform)
        for one in grid
        for attack in arguments.attack
        for seed in range(arguments.seeds)
    ]


def play_all(
    arguments: argparse.Namespace, console: Console
) -> Iterator[tuple[Setting, Mapping[str, Score]]]:
    """Play every setting, `--jobs` at a time."""
    todo = settings(arguments)
    one = partial(play, rules=arguments.rule)
    quiet = not console.is_terminal
    with ProcessPoolExecutor(arguments.jobs) if arguments.jobs > 1 else nullcontext() as pool:
        scores = pool.map(one, todo) if pool else map(one, todo)
        shown = track(scores, "training", len(todo), console=console, disable=quiet)
        yield from zip(todo, shown, strict=True)


def read_arguments() -> argparse.Namespace:
    """What to play and where to write it."""
    parser = argparse.ArgumentParser(description="merge rules against attacks")
    parser.add_argument("--quick", action="store_true", help="two settings, two seeds")
    parser.add_argument("--seeds", type=int, help="how many, from 0 (default 5; 2 with --quick)")
    parser.add_argument("--data", nargs="+", metavar="SET", help="digits, heart, FILE.npz")
    parser.add_argument("--peers", nargs="+", type=int, metavar="N", help="3 to 16 sites")
    parser.add_argument("--partition", nargs="+", choices=PARTITIONS)
    parser.add_argument("--attack", nargs="+", choices=tuple(ATTACKS))
    parser.add_argument("--rule", nargs="+", metavar="RULE", help="names, and cclip:RADIUS")
    parser.add_argument("--uniform", action="store_true", help="all sites weigh the same")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables there")
    parser.set_defaults(
        data=("digits", "heart"),
        peers=(3, 4, 8, 16),
        partition=PARTITIONS,
        attack=tuple(ATTACKS),
        rule=RULES,
    )
    arguments = parser.parse_args()
    if arguments.seeds is None:
        arguments.seeds = 2 if arguments.quick else 5
    if arguments.seeds < 1 or any(not 3 <= peers <= 16 for peers in arguments.peers):
        parser.error("at least 1 seed and 3 to 16 sites are expected")
    return arguments


def main() -> int:
    """Play, print, write."""
    arguments = read_arguments()
    console = Console(width=None if sys.stdout.isatty() else 200)
    cells = tables.average(play_all(arguments, console))
    found = tables.verdicts(cells)
    tables.print_tables(cells, console)
    tables.print_verdicts(found, console)
    command = shlex.join(["python", *sys.argv])
    if arguments.json is not None:
        record = {"command": command, "cells": tables.to_json(cells), "verdicts": found}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if arguments.markdown is not None:
        arguments.markdown.write_text(tables.markdown(cells, command), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
