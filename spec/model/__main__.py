"""`python spec/model search|simulate|scenarios|mutants`; exit 1 if a promise is broken."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a folder, not as -m

from model import cases, mutants, simulate
from model.rules import TEXT, check_arithmetic
from model.scenarios import SCENARIOS


def main() -> int:
    """Run one mode; returns the exit status."""
    parser = argparse.ArgumentParser(prog="model", description="A model of spec/08-rounds.md.")
    parser.add_argument("mode", choices=("search", "simulate", "scenarios", "mutants"))
    parser.add_argument("--seeds", type=int, default=200, help="worlds; a story gets a twentieth")
    args = parser.parse_args()
    check_arithmetic()
    bad = 0
    if args.mode == "search":
        bad = cases.report(cases.CASES, TEXT)
    elif args.mode == "mutants":
        bad = mutants.report()
    if args.mode == "simulate":
        bad += simulate.report("random", simulate.random_worlds(TEXT, args.seeds))
    if args.mode in {"simulate", "scenarios"}:
        for name in SCENARIOS:
            worlds = simulate.story(name, TEXT, max(10, args.seeds // 20))
            bad += simulate.report(name, worlds)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
