"""The cases that the search goes through, and their report."""

import sys
from collections.abc import Iterable

from model.rules import Rules, least_commits
from model.search import Case, Found, Search, Trace

SIZES = ((2, 0, 2), (2, 0, 3), (3, 0, 3), (3, 0, 4), (4, 1, 4), (5, 1, 5), (5, 1, 6))
# where an honest peer did not commit, one silent faulty peer may leave too few: no promise
ABSENT = ((4, 1, 5), (4, 1, 6), (5, 1, 7))
CASES = (
    *(Case(*size, least_commits(size[2], 0)) for size in (*SIZES, *ABSENT)),
    *(Case(commits, 1, 4, 2) for commits in (2, 3, 4)),  # the least min_peers that counts
    Case(4, 1, 4, 3, censored=1),
    Case(4, 1, 4, 2, censored=1),
    Case(5, 1, 5, 4, censored=1),
    Case(5, 1, 6, 4, censored=1),
    Case(5, 2, 7, 5),
    Case(5, 2, 7, 5, censored=1),
    Case(4, 2, 7, 4),
    Case(4, 2, 7, 4, censored=1),
    Case(4, 1, 4, 2, censored=1, unhealed=1),
    Case(2, 0, 2, 2, unhealed=3),
    Case(3, 0, 3, 2, unhealed=3),
    Case(3, 1, 4, 3, unhealed=3),
    Case(3, 1, 4, 2, unhealed=3),
    Case(4, 1, 4, 3, unhealed=1),
)
# Few moves, and enough to catch every mutant that the search can catch.
SMALL = (Case(2, 1, 4, 2), Case(3, 1, 4, 2), Case(4, 1, 4, 3), Case(4, 1, 4, 3, censored=1))


def violations(cases: Iterable[Case], rules: Rules) -> dict[str, Trace]:
    """The kinds of violation that the cases show, each with its shortest trace."""
    kept: dict[str, Trace] = {}
    for case in cases:
        for kind, trace in Search(case, rules).run().violations.items():
            if kind not in kept or len(trace) < len(kept[kind]):
                kept[kind] = trace
    return kept


def report(cases: Iterable[Case], rules: Rules) -> int:
    """Search each case and print what was found; returns the number of violations."""
    states = transitions = bad = 0
    for case in cases:
        found = Search(case, rules).run()
        print(_line(case, found))
        for kind, trace in found.violations.items():
            print(f"    VIOLATION {kind}", *trace, sep="\n        ")
        states, transitions = states + found.states, transitions + found.transitions
        bad += len(found.violations)
        sys.stdout.flush()
    print(f"{states} states, {transitions} transitions, {bad} violations")
    return bad


def _line(case: Case, found: Found) -> str:
    words = f"{case.commits} commits, {case.faulty} faulty, {case.enrolled} enrolled"
    words += f", min_peers {case.min_peers}, censored {case.censored}"
    words += f", attempts before healing {case.unhealed}: {found.states} states"
    words += (
        f", {found.transitions} transitions, sealed at attempt {dict(sorted(found.sealed.items()))}"
    )
    return f"{words}, void {found.voids}"
