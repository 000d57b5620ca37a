"""Cases of run.trace: what an exclusion does in each phase (ROUND-048, LEDGER-018)."""

from trace_building import GENESIS, Trace


def traces():
    yield from without_a_deadline()
    yield from stop_votes()
    yield from with_a_deadline()
    yield from in_attempts()
    yield from in_optimistic_attempts()
    yield from calls()
    yield from registry()


def without_a_deadline():
    covers = ["ROUND-048", "ROUND-013", "ROUND-018"]

    t = Trace("exclusion-reaches-min-peers", covers, 4).commit(5, 0, 1).fault(6, 3, 0, 1)
    t.see(frozen=0, min_peers=3, enrolled=4).fault(9, 3, 2)
    t.see(frozen=9, enrolled=3, min_peers=2, commit_deadline=16, phase="COMMIT", active=[0, 1, 2])
    t.enrol(10).see(enrolled=3).commit(10, 3, bad=True)
    yield t.commit(11, 2).see(closed=11, roster=[0, 1, 2])

    # Only 0 and 1 are waited for in round 2, and both have committed.
    t = Trace("exclusion-reaches-min-peers-and-closes", [*covers, "ROUND-016"], 2, topology=1)
    t.commit(5, 0, 1).attest(6, 0, 1).sealed().enrol(7).enrol(7).commit(8, 0, 1)
    t.see(frozen=0, min_peers=3).fault(9, 3, 0, 1).see(phase="COMMIT", frozen=0).fault(9, 3, 2)
    yield t.see(frozen=9, closed=9, roster=[0, 1], enrolled=3, min_peers=2, optimistic=True)

    t = Trace("exclusion-of-one-that-committed", covers, 4).commit(5, 0, 3).fault(6, 3, 0, 1, 2)
    t.see(frozen=6, committed=[0, 3], enrolled=3, min_peers=2, phase="COMMIT").commit(7, 1)
    yield t.commit(8, 2).see(closed=8, roster=[0, 1, 2, 3])

    t = Trace("exclusion-with-a-chosen-number", covers, 4, min_peers=3).commit(5, 0, 1)
    t.fault(6, 3, 0, 1, 2).see(frozen=0, enrolled=3, min_peers=3, excluded=[3])
    yield t.commit(7, 2).see(frozen=7, closed=7)


def stop_votes():
    covers = ["ROUND-048", "ROUND-050", "ROUND-018"]

    t = Trace("stop-by-an-exclusion", covers, 4).by(3, "voteStop", 0, 1).see(finished=False)
    t.commit(4, 0, 1).fault(5, 3, 0, 1).see(finished=False).fault(6, 3, 2)
    # Stop votes come first: min_peers is not reached any more.
    t.see(finished=True, stopped=True, excluded=[3], frozen=0, live=[0, 1, 2])
    yield t.fault(7, 2, 0, bad=True).commit(7, 2, bad=True)

    t = Trace("stop-votes-of-the-excluded", covers, 5).by(3, "voteStop", 4, 0, 1)
    t.fault(4, 4, 0, 1, 2, 3).see(excluded=[4], finished=False, stop_votes=[0, 1, 4])
    t.by(5, "voteStop", 4, bad=True).by(5, "voteStop", 0).see(finished=False)
    yield t.by(6, "voteStop", 2).see(finished=True, stopped=True)

    t = Trace("stop-by-an-exclusion-before-genesis", [*covers, "ROUND-002"])
    t.enrol(1).enrol(1).enrol(1).enrol(1).by(2, "voteStop", 0, 1).fault(3, 3, 0, 1, 2)
    yield t.see(finished=True, stopped=True, round=1, opened=0, excluded=[3])

    t = Trace("exclusion-with-a-deadline-counts-no-stop-votes", covers, 4).commit(5, 0, 1, 2)
    t.by(6, "voteStop", 0, 1).fault(7, 3, 0, 1, 2).see(finished=False, closed=7, excluded=[3])
    yield t.attest(8, 0, 1).see(finished=True, stopped=True, phase="SEALED", round=1)

    t = Trace("exclusion-in-an-attempt-counts-no-stop-votes", covers, 4).commit(5, 0, 1, 2, 3)
    t.by(6, "voteStop", 0, 1).fault(7, 3, 0, 1, 2).see(finished=False, phase="ATTEMPT")
    yield t.next(16, 0).see(finished=True, stopped=True, phase="VOID", ended=16)


def with_a_deadline():
    covers = ["ROUND-048", "ROUND-016", "ROUND-018"]

    t = Trace("exclusion-closes-early", covers, 4).commit(5, 0, 1, 2).fault(6, 3, 0, 1)
    t.see(phase="COMMIT", commit_deadline=12).fault(7, 3, 2)
    t.see(phase="ATTEMPT", closed=7, roster=[0, 1, 2], enrolled=4, min_peers=3, active=[0, 1, 2])
    yield t.attest(8, 0, 1).see(last_sealed_round=1, enrolled=3, min_peers=2)

    t = Trace("exclusion-of-a-committer-with-a-deadline", covers, 4).commit(5, 0, 1, 2)
    t.fault(6, 2, 0, 1, 3).see(phase="COMMIT", committed=[0, 1, 2], active=[0, 1, 3], enrolled=4)
    yield t.commit(7, 3).see(closed=7, roster=[0, 1, 2, 3]).attest(8, 0, 1, 3).see(round=2)

    t = Trace("exclusion-after-the-deadline", [*covers, "LEDGER-014"], 4).commit(5, 0, 1, 2)
    yield t.fault(6, 3, 0, 1).fault(14, 3, 2).see(closed=13, started=13, excluded=[3])

    t = Trace("exclusion-after-a-void-round-does-not-close", covers, 4).commit(5, 0, 1, 2, 3)
    t.next(16, 0).voided().commit(17, 0, 1, 2).fault(18, 3, 0, 1, 2)
    yield t.see(excluded=[3], active=[0, 1, 2], phase="COMMIT").look(32).see(closed=32)

    t = Trace("excluded-joiner-is-not-waited-for", [*covers, "ROUND-015"], 4).commit(5, 0, 1, 2)
    t.look(13).attest(14, 0, 1).sealed().by(14, "join", 3).commit(15, 0, 1, 2)
    t.see(phase="COMMIT", active=[0, 1, 2, 3]).fault(16, 3, 0, 1, 2)
    yield t.see(closed=16, active=[0, 1, 2], joined=[3], roster=[0, 1, 2])


def in_attempts():
    covers = ["ROUND-048", "ROUND-041"]

    # As revoked-in-an-attempt: what 0 attested makes it a holder, and it leaves.
    t = Trace("excluded-in-an-attempt", covers, 5).commit(5, 0, 1, 2, 3, 4).attest(7, 0, 1)
    t.fault(8, 0, 1, 2, 3, 4).see(excluded=[0], attested=[0, 1], roster=[0, 1, 2, 3, 4])
    t.have(12, 2, [0, 1, 2]).have(12, 3, [2, 3]).have(12, 4, [4]).next(16, 0, bad=True)
    yield t.next(16, 4).see(attempt=1, roster=[1, 2, 3, 4], enrolled=5, excluded=[0])

    t = Trace("attestation-of-the-excluded-counts", ["ROUND-048", "ROUND-033"], 4)
    t.commit(5, 0, 1, 2, 3).attest(7, 0, 3).fault(8, 3, 0, 1, 2).see(phase="ATTEMPT")
    # Four are in the roster, and three must attest.
    yield t.attest(9, 1).see(last_sealed_round=1, live=[0, 1, 2], active=[0, 1, 2], enrolled=3)

    t = Trace("exclusion-seals-nothing", ["ROUND-048", "ROUND-033"], 4).commit(5, 0, 1, 2, 3)
    t.attest(7, 0, 1).fault(8, 3, 0, 1, 2).see(phase="ATTEMPT", roster=[0, 1, 2, 3])
    yield t.attest(9, 3, bad=True).attest(9, 2).see(round=2)

    t = Trace("too-few-after-an-exclusion", [*covers, "ROUND-042"], 4).commit(5, 0, 1, 2, 3)
    t.fault(6, 3, 0, 1, 2).have(12, 0, [0, 1, 2, 3]).have(12, 1, [0, 1, 2, 3]).next(16, 2)
    yield t.see(round=2, consecutive_voids=1, enrolled=3, min_peers=2)

    t = Trace("excluded-before-the-last-seal", covers[:1], 4, last_round=1).commit(5, 0, 1, 2, 3)
    t.fault(6, 3, 0, 1, 2).attest(7, 0, 1).see(finished=False, excluded=[3]).attest(8, 2)
    t.see(finished=True, stopped=False, phase="SEALED", active=[0, 1, 2]).fault(9, 2, 0, bad=True)
    yield t.by(9, "revoke", 3).see(live=[0, 1, 2], excluded=[3])


def in_optimistic_attempts():
    covers = ["ROUND-048", "ROUND-041", "ROUND-045"]

    t = Trace("excluded-poster-leaves-an-optimistic-attempt", covers, 5, topology=1, min_peers=2)
    t.commit(5, 0, 1, 2, 3, 4).have(6, 0, []).attest(6, 4).have(6, 1, []).fault(7, 4, 0, 1, 2, 3)
    t.object(8, 4, bad=True).have(9, 2, []).have(9, 3, [4]).next(16, 0)
    yield t.see(attempt=1, roster=[0, 1, 2, 3], excluded=[4], optimistic=True)

    # The roster of attempt 1 is the same, and five are asked for a quorum.
    t = Trace("objection-keeps-the-excluded-in-the-roster", covers, 5, topology=1)
    t.commit(5, 0, 1, 2, 3, 4).fault(6, 4, 0, 1, 2, 3).object(7, 0)
    t.see(attempt=1, roster=[0, 1, 2, 3, 4]).again().attest(8, 4, bad=True).attest(8, 0, 1, 2)
    yield t.see(round=1).attest(9, 3).see(round=2)

    # 4 objected without a right before it was excluded: with 1 it makes two.
    t = Trace("objection-of-the-excluded-stands", ["ROUND-045", "ROUND-048"], 5, topology=1)
    t.commit(5, 0, 1, 2, 3, 4).object(6, 4).again().attest(7, 0, 1, 2, 3).sealed()
    t.commit(8, 0, 1, 2, 3, 4).object(9, 4).see(attempt=0).fault(10, 4, 0, 1, 2, 3)
    t.see(excluded=[4], objected=[4], attempt=0).object(11, 4, bad=True).object(11, 1)
    yield t.see(attempt=1, objected=[1, 4], mesh_until=13)


def calls():
    covers = ["LEDGER-018", "LEDGER-011", "ROUND-048"]

    t = Trace("excluded-may-send-nothing", covers, 4, topology=1).fault(3, 3, 0, 1, 2)
    t.commit(4, 3, bad=True).by(4, "join", 3, bad=True).by(4, "voteStop", 3, bad=True)
    t.fault(4, 0, 3, bad=True).fault(4, 0, 3, kind=2, bad=True).commit(5, 0, 1, 2)
    t.see(phase="ATTEMPT", optimistic=True).object(6, 3, bad=True).have(6, 3, [0], bad=True)
    t.attest(6, 3, bad=True).next(16, 3, bad=True).next(16, 0).voided().see(round=2)
    yield t.commit(17, 3, bad=True).by(17, "join", 3, bad=True)

    t = Trace("excluded-member-of-the-roster-may-send-nothing", covers, 4, topology=1)
    t.commit(5, 0, 1, 2, 3).have(6, 3, [3]).fault(6, 3, 0, 1, 2).attest(7, 3, bad=True)
    t.object(7, 3, bad=True).fault(7, 0, 3, bad=True).by(7, "voteStop", 3, bad=True)
    t.next(16, 3, bad=True).attest(17, 0, 1).see(attested=[0, 1], had=[3]).attest(17, 2)
    yield t.see(last_sealed_round=1).sealed().commit(18, 3, bad=True).by(18, "join", 3, bad=True)

    t = Trace("excluded-posts-no-genesis", covers, init_root=GENESIS).enrol(1).enrol(1).enrol(1)
    t.fault(2, 2, 0, 1).see(excluded=[2]).step(3, "genesis", True, by=2, root=GENESIS)
    yield t.step(3, "genesis", by=1, root=GENESIS).see(opened=3, live=[0, 1])


def registry():
    covers = ["LEDGER-018", "LEDGER-003"]

    t = Trace("excluded-can-be-revoked", covers, 4).fault(3, 3, 0, 1, 2).see(live=[0, 1, 2])
    t.by(4, "revoke", 3).see(excluded=[3], live=[0, 1, 2], enrolled=3).by(5, "revoke", 3, bad=True)
    yield t.by(5, "revoke", 4, bad=True).fault(6, 3, 0, 1, kind=2).see(barred=[3])

    t = Trace("index-of-the-excluded-stays-taken", ["LEDGER-018", "ROUND-048"], 3)
    t.fault(3, 2, 0, 1).see(live=[0, 1]).enrol(4).see(live=[0, 1, 3], excluded=[2], enrolled=3)
    yield t.commit(5, 2, bad=True).commit(5, 0, 1, 3).see(roster=[0, 1, 3], closed=5)

    t = Trace("revoked-and-then-excluded", ["LEDGER-018", "ROUND-048"], 4).by(3, "revoke", 3)
    t.fault(4, 3, 0, 1).see(excluded=[3], live=[0, 1, 2]).by(5, "revoke", 3, bad=True)
    yield t.commit(6, 0, 1, 2).see(closed=6)
