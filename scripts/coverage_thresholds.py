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


def branch_percent(files: Mapping[str, Any], layer: str) -> float:
    """Covered branches of `swarmp2p/<layer>/` in percent; 0 when no file of it was measured."""
    summaries = [
        report["summary"]
        for path, report in files.items()
        if path.replace("\\", "/").startswith(f"swarmp2p/{layer}/")
    ]
    if not summaries:
        return 0.0
    branches = sum(summary["num_branches"] for summary in summaries)
    covered = sum(summary["covered_branches"] for summary in summaries)
    return 100.0 * covered / branches if branches else 100.0


def judge(report: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """(what, percent reached, percent demanded) for every threshold; reads coverage's JSON."""
    rows = [
        (f"branches of {layer}", branch_percent(report["files"], layer), BRANCH_MINIMUM)
        for layer in BRANCH_LAYERS
    ]
    rows.append(("everything", float(report["totals"]["percent_covered"]), TOTAL_MINIMUM))
    return rows


def main() -> int:
    """Read the report, print the table, and return the exit status."""
    rows = judge(json.load(sys.stdin))
    for what, reached, demanded in rows:
        verdict = "" if reached >= demanded else "  TOO LOW"
        sys.stdout.write(
            f"coverage of {what}: {reached:.1f} % (at least {demanded:.0f}){verdict}\n"
        )
    return int(any(reached < demanded for _, reached, demanded in rows))


if __name__ == "__main__":
    sys.exit(main())
