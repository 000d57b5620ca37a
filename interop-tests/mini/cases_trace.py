"""Cases of run.trace (08-rounds.md, 10-ledger.md). More stand in the other trace_*.py."""

import trace_attempts
import trace_calls
import trace_changes
import trace_exchange
import trace_exclusions
import trace_faults
import trace_objections
import trace_optimistic
import trace_rights
from trace_building import Trace


def cases():
    for traces in (
        rounds(),
        ends(),
        trace_attempts.traces(),
        trace_calls.traces(),
        trace_changes.traces(),
        trace_optimistic.traces(),
        trace_objections.traces(),
        trace_exchange.traces(),
        trace_rights.traces(),
        trace_faults.traces(),
        trace_exclusions.traces(),
    ):
        for trace in traces:
            yield trace.case()


def rounds():
    for peers, quorum in ((2, 2), (4, 3), (7, 5)):
        t = Trace(
            f"normal-{peers}-peers", ["ROUND-016", "ROUND-017", "ROUND-033", "ROUND-062"], peers
        )
        t.commit(5, *range(peers))
        t.see(phase="ATTEMPT", closed=5, started=5, exchange_deadline=12, last_post=15)
        t.attest(7, *range(quorum))
        t.see(round=2, phase="COMMIT", last_sealed_round=1, opened=7, attested=[])
        t.sealed()
        if quorum < peers:
            t.attest(7, quorum, bad=True, round=1)
        t.commit(9, *range(peers)).see(phase="ATTEMPT", committed=list(range(peers)))
        yield t

    t = Trace("normal-16-peers", ["ROUND-016", "ROUND-033"], 16)
    t.commit(5, *range(15, 4, -1))
    t.see(frozen=5, enrolled=16, min_peers=11, phase="COMMIT", roster=[])
    t.attest(14, *range(5, 13)).see(round=2, last_sealed_round=1)
    yield t

    t = Trace("one-peer-waits", ["ROUND-013"], 1)
    t.commit(5, 0).see(frozen=0, min_peers=2, enrolled=1, committed=[0]).look(500)
    t.see(phase="COMMIT")
    yield t.by(501, "voteStop", 0).see(finished=True, stopped=True)

    t = Trace("deadline-passes-and-nobody-calls", ["LEDGER-014", "LEDGER-020", "ROUND-016"], 4)
    t.commit(5, 0, 1, 2).see(frozen=5, commit_deadline=12)
    t.look(12).see(phase="COMMIT", closed=0).look(13)
    t.see(phase="ATTEMPT", closed=13, started=13, exchange_deadline=20)
    t.look(40).see(closed=13, last_post=23, roster=[0, 1, 2])
    yield t.attest(41, 0, 1).see(last_sealed_round=1)

    t = Trace("closing-is-found-by-a-late-transaction", ["LEDGER-014"], 4).commit(5, 0, 1, 2)
    t.attest(16, 0).see(closed=13, started=13, attested=[0]).attest(16, 1)
    yield t.see(round=2, opened=16)

    t = Trace("commit-in-the-deadlines-own-block", ["ROUND-016"], 4).commit(5, 0, 1, 2)
    yield t.commit(12, 3).see(closed=12, roster=[0, 1, 2, 3])

    t = Trace("last-commit-closes-with-min-peers", ["ROUND-018", "ROUND-014"], 3, min_peers=3)
    t.commit(5, 0).commit(8, 1).see(frozen=0).commit(9, 2)
    yield t.see(frozen=9, commit_deadline=16, closed=9)


def ends():
    t = Trace("last-round-is-sealed", ["ROUND-050", "LEDGER-015", "LEDGER-011"], 2, last_round=1)
    t.commit(10, 0, 1).attest(11, 0, 1)
    t.see(finished=True, stopped=False, phase="SEALED", ended=11, round=1)
    t.attest(50, 0, bad=True).by(50, "join", 0, bad=True).by(50, "voteStop", 1, bad=True)
    t.next(90, 0, bad=True)
    t.sealed().commit(90, 0, bad=True)
    t.enrol(99).by(99, "revoke", 0).see(live=[1, 2], active=[1], enrolled=2, min_peers=2)
    yield t

    t = Trace(
        "last-round-is-void-and-the-run-goes-on", ["ROUND-050", "LEDGER-015"], 2, last_round=1
    )
    t.commit(5, 0, 1).next(16, 1).see(finished=False, round=2, phase="COMMIT", consecutive_voids=1)
    t.voided()
    yield t.commit(20, 0, 1).attest(40, 0, 1).see(finished=True, last_sealed_round=2)
