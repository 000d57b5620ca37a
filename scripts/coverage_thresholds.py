# noqa: INP001 - a script of its own, no package
"""Compare coverage's JSON report on stdin with the thresholds of the house.

Branches of wire, crypto, protocol and merge: 90 % each. Everything: 80 %. Prints a line for each
and exits 1 when one is not reached.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

BRANCH_MINIMUM = 90.0
TOTAL_MINIMUM = 80.0
BRANCH_LAYERS = ("wire", "crypto", "protocol", "merge")


def summaries(files: Mapping[str, Any], folder: str) -> list[Mapping[str, int]]:
    """The summaries of the checkout's files under `folder`; copies installed elsewhere are not."""
    return [report["summary"] for path, report in files.items() if path.startswith(folder)]


def percent(rows: list[Mapping[str, int]], covered: list[str], of: list[str]) -> float:
    """The sum of the columns `covered` in percent of the columns `of`; 0 for no rows."""
    whole = sum(row[name] for row in rows for name in of)
    part = sum(row[name] for row in rows for name in covered)
    return 100.0 * part / whole if whole else 100.0 * bool(rows)


def judge(files: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """(what, percent reached, percent demanded) for every threshold; takes the report's files."""
    rows = []
    for layer in BRANCH_LAYERS:
        layer_rows = summaries(files, f"swarmp2p/{layer}/")
        reached = percent(layer_rows, ["covered_branches"], ["num_branches"])
        rows.append((f"branches of {layer}", reached, BRANCH_MINIMUM))
    total = percent(
        summaries(files, "swarmp2p/"),
        ["covered_lines", "covered_branches"],
        ["num_statements", "num_branches"],
    )
    return [*rows, ("everything", total, TOTAL_MINIMUM)]


def main() -> int:
    """Read the report, print the table, and return the exit status."""
    rows = judge(json.load(sys.stdin)["files"])
    for what, reached, demanded in rows:
        verdict = "" if reached >= demanded else "  TOO LOW"
        sys.stdout.write(
            f"coverage of {what}: {reached:.1f} % (at least {demanded:.0f}){verdict}\n"
        )
    return int(any(reached < demanded for _, reached, demanded in rows))


if __name__ == "__main__":
    sys.exit(main())
