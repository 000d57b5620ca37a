"""The runner's answer to `run.trace`, on the calls of spec 0.2 (spec/vectors/README.md)."""

from typing import Any

from swarmp2p.target.rounds import run_trace

SETTINGS = {
    "init_root": "00" * 32,
    "last_round": 0,
    "min_peers": 0,
    "commit_blocks": 2,
    "exchange_blocks": 2,
    "lo": 1,
    "hi": 9,
    "depth": 0,
    "topology": 1,
}
ROOT, PROOF = "22" * 32, "55" * 32
RUN = {
    *("round", "finished", "stopped", "last_sealed_round", "last_root", "consecutive_voids"),
    *("active", "joined", "stop_votes", "live", "excluded", "barred", "commit_average"),
    *("exchange_average", "mesh_until"),
}
CURRENT = {
    *("phase", "attempt", "optimistic", "opened", "frozen", "commit_deadline", "closed"),
    *("started", "exchange_deadline", "last_post", "ended", "enrolled", "min_peers", "committed"),
    *("roster", "attested", "had", "objected", "base", "sealed_root"),
}


def committed() -> list[dict[str, Any]]:
    """Four peers in attempt 0 of round 1, in block 2."""
    return [
        *({"block": 1, "do": "enrol"} for _ in range(4)),
        {"block": 1, "do": "genesis", "by": "owner", "root": ROOT},
        *(
            {
                "block": 2,
                "do": "commit",
                "by": who,
                "round": 1,
                "attempt": 0,
                "commitment": "33" * 32,
                "weight": 1,
                "base": ROOT,
            }
            for who in range(4)
        ),
    ]


def vote(by: int, **changes: Any) -> dict[str, Any]:
    charge = {"index": 3, "kind": 1, "round": 1, "evidence": PROOF}
    return {"block": 3, "do": "voteFault", "by": by, **charge, **changes}


def logged(steps: list[dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
    answer = run_trace({"settings": {**SETTINGS, **settings}, "steps": steps})
    log: list[dict[str, Any]] = answer["log"]
    assert len(log) == len(steps)
    for entry in log:
        assert entry["run"].keys() == RUN
        assert entry["current"].keys() == CURRENT
    return log


def test_an_objection__is_logged_with_the_attempt_that_it_opens() -> None:
    step = {"block": 3, "do": "object", "by": 1, "round": 1, "attempt": 0}
    *_, before, taken, again = logged([*committed(), step, step])
    assert (before["current"]["optimistic"], before["current"]["objected"]) == (True, [])
    assert not taken["refused"]
    assert (taken["current"]["attempt"], taken["current"]["objected"]) == (1, [1])
    assert taken["current"]["optimistic"]
    assert taken["current"]["roster"] == [0, 1, 2, 3]
    assert again["refused"]


def test_an_objection__is_refused_in_a_mesh() -> None:
    step = {"block": 3, "do": "object", "by": 1, "round": 1, "attempt": 0}
    *_, last = logged([*committed(), step], topology=0)
    assert last["refused"]
    assert not last["current"]["optimistic"]


def test_fault_votes__exclude_at_the_quorum_and_bar_with_a_mesh() -> None:
    steps = [*committed(), *(vote(by) for by in (0, 1, 1, 2))]
    steps += [vote(by, kind=2, index=0) for by in (1, 2, 3)]
    log = logged(steps)[-7:]
    assert [entry["run"]["excluded"] for entry in log[:4]] == [[], [], [], [3]]
    assert log[3]["run"]["live"] == [0, 1, 2]
    assert [entry["refused"] for entry in log] == [False] * 6 + [
        True
    ]  # an excluded one votes no more
    assert log[5]["run"]["barred"] == [0]  # two of three live ones
    assert log[5]["run"]["mesh_until"] == 12


def test_fault_votes__are_refused_for_what_is_no_charge() -> None:
    wrong = [
        vote(3),  # against itself
        vote(0, index=4),  # nobody
        vote(0, kind=0),
        vote(0, kind=3),
        vote(0, round=0),
        vote(0, round=2),
        vote(0, evidence="00" * 32),
    ]
    log = logged([*committed(), *wrong])[-len(wrong) :]
    assert [entry["refused"] for entry in log] == [True] * len(wrong)
