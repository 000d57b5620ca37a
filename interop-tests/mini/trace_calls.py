"""Cases of run.trace: calls taken and refused (ROUND-001 to ROUND-050, LEDGER-011 to 013)."""

from trace_building import GENESIS, ZERO, Trace, root


def traces():
    yield from genesis()
    yield from commits()
    yield from attestations()
    yield from before_genesis()
    yield from joiners()
    yield from stop_votes()


def genesis():
    t = Trace("genesis-by-the-owner", ["ROUND-001", "ROUND-002", "LEDGER-013"]).enrol(1).enrol(1)
    t.commit(2, 0, bad=True).commit(2, 0, bad=True, base=ZERO)
    t.commit(2, 0, bad=True, round=0, base=ZERO)
    t.step(3, "genesis", True, by=0, root=GENESIS).step(3, "genesis", True, by="owner", root=ZERO)
    t.step(4, "genesis", by="owner", root=GENESIS)
    t.see(round=1, opened=4, base=GENESIS, last_root=GENESIS)
    t.step(5, "genesis", True, by="owner", root=GENESIS)
    yield t.step(5, "genesis", True, by="owner", root=root("b"))

    t = Trace("genesis-by-a-peer", ["ROUND-001"], init_root=GENESIS).enrol(1).enrol(1)
    t.by(2, "revoke", 0)
    t.step(3, "genesis", True, by=0, root=GENESIS).step(3, "genesis", True, by=7, root=GENESIS)
    t.step(3, "genesis", True, by=1, root=root("b")).step(3, "genesis", True, by=1, root=ZERO)
    t.step(4, "genesis", by=1, root=GENESIS).see(round=1, opened=4)
    yield t.step(5, "genesis", True, by=1, root=GENESIS)

    t = Trace("genesis-by-the-owner-with-a-fixed-root", ["ROUND-001"], init_root=GENESIS)
    t.step(1, "genesis", True, by="owner", root=root("b"))
    t.step(1, "genesis", by="owner", root=GENESIS).see(round=1, live=[], enrolled=0).enrol(2)
    yield t.enrol(2)


def commits():
    t = Trace("commits-that-are-refused", ["ROUND-011", "LEDGER-011"], 4)
    t.commit(5, 0, bad=True, round=2).commit(5, 0, bad=True, round=0)
    t.commit(5, 0, bad=True, attempt=1)
    t.commit(5, 0, bad=True, commitment=ZERO).commit(5, 0, bad=True, weight=0)
    t.commit(5, 0, bad=True, base=root("b"))
    t.commit(5, 0, bad=True, base=ZERO).commit(5, 4, bad=True).commit(5, 0, weight=2**32 - 1)
    t.commit(5, 0, bad=True).commit(6, 0, bad=True, commitment=root("b"))
    yield t.see(committed=[0], frozen=0)

    t = Trace("commit-to-the-base-before", ["ROUND-011"], 2).commit(5, 0, 1).attest(6, 0, 1)
    t.sealed()
    yield t.commit(7, 0, bad=True, base=GENESIS).commit(7, 0).commit(7, 1, round=1, bad=True)

    t = Trace("commit-in-an-attempt", ["ROUND-011"], 4).commit(5, 0, 1, 2).look(13)
    yield t.commit(13, 3, bad=True).commit(13, 3, bad=True, round=2).see(roster=[0, 1, 2])


def attestations():
    t = Trace("attests-that-are-refused", ["ROUND-032", "LEDGER-011", "LEDGER-013"], 4)
    t.attest(3, 0, bad=True).commit(5, 0, 1, 2).attest(6, 0, bad=True).look(13)
    t.attest(13, 3, bad=True).attest(13, 9, bad=True).attest(13, 0, bad=True, round=2)
    t.attest(13, 0, bad=True, attempt=1)
    t.attest(13, 0, bad=True, root=ZERO).attest(13, 0).attest(14, 0, bad=True)
    yield t.attest(14, 0, bad=True, name="b")

    t = Trace("haves-that-are-refused", ["ROUND-032", "LEDGER-013"], 4)
    t.have(3, 0, [0], bad=True).commit(5, 0, 1, 2).have(6, 0, [0], bad=True).look(13)
    t.have(13, 3, [0], bad=True).have(13, 0, [0], bad=True, round=2)
    t.have(13, 0, [0], bad=True, attempt=1)
    t.have(13, 0, [0, 3, 63]).have(14, 0, [0, 1], bad=True).attest(14, 1)
    t.have(14, 1, [0, 1, 2], bad=True)
    yield t.attest(14, 0, name="b").see(had=[0], attested=[0, 1]).have(15, 0, [0], bad=True)

    t = Trace("post-of-the-attempt-before", ["ROUND-032"], 3).commit(5, 0, 1, 2)
    t.have(12, 0, [0, 1]).have(12, 1, [0, 1]).next(16, 2).see(attempt=1, roster=[0, 1])
    t.have(17, 0, [0], bad=True).attest(17, 0, bad=True).again().have(17, 0, [0])
    yield t.have(17, 2, [0], bad=True)

    t = Trace("bits-outside-the-roster-hold-nothing", ["LEDGER-013", "ROUND-041"], 4)
    t.commit(5, 0, 1, 2).look(13)
    t.have(20, 0, [0, 1, 2, 3]).have(20, 1, [0, 1, 2, 3]).have(20, 2, [3, 63])
    yield t.next(24, 3).see(attempt=1, roster=[0, 1, 2])

    t = Trace("next-attempts-that-are-refused", ["ROUND-040"], 4).next(3, 3, bad=True)
    t.commit(5, 0, 1, 2)
    t.next(6, 3, bad=True).look(13).next(23, 3, bad=True).next(24, 3, bad=True, attempt=1)
    t.next(24, 3, bad=True, round=2).next(24, 9, bad=True).next(24, 3).see(round=2)
    yield t.next(90, 3, bad=True)


def before_genesis():
    waiting = dict(round=1, phase="COMMIT", opened=0, frozen=0, base=ZERO, last_root=ZERO)
    covers = ["ROUND-002", "ROUND-015", "LEDGER-020"]

    t = Trace("join-before-genesis", covers).look(1).see(**waiting, enrolled=0, active=[])
    t.by(1, "join", 0, bad=True).enrol(1).enrol(1).enrol(1).by(2, "join", 1, 1)
    t.see(**waiting, joined=[1], enrolled=3, min_peers=2, active=[0, 1, 2])
    t.step(3, "genesis", by="owner", root=GENESIS).see(joined=[1], opened=3, base=GENESIS)
    t.commit(4, 0, 1, 2).attest(5, 0, 1).see(joined=[], last_sealed_round=1)
    yield t
    covers = ["ROUND-002", "ROUND-050"]

    t = Trace("stop-votes-before-genesis", covers).enrol(1).enrol(1).enrol(1)
    t.by(2, "voteStop", 1, 1).see(**waiting, stop_votes=[1], finished=False)
    t.by(2, "voteStop", 3, bad=True)
    t.step(3, "genesis", by="owner", root=GENESIS).see(stop_votes=[1], finished=False)
    t.by(4, "voteStop", 1).see(finished=False).by(5, "voteStop", 2).see(finished=True, stopped=True)
    yield t

    stopped = {**waiting, "finished": True, "stopped": True}
    covers = ["ROUND-002", "ROUND-050", "LEDGER-011", "LEDGER-020"]

    # Votes are counted as if round 1 stood in COMMIT: the run ends before it began.
    t = Trace("stop-votes-of-a-quorum-before-genesis", covers).enrol(1).enrol(1)
    t.by(2, "voteStop", 0).see(finished=False).by(2, "voteStop", 1).see(**stopped)
    t.step(3, "genesis", True, by="owner", root=GENESIS).by(3, "voteStop", 0, bad=True)
    t.by(3, "join", 1, bad=True).commit(3, 0, bad=True)
    yield t.enrol(4).see(**stopped, live=[0, 1, 2], enrolled=3, stop_votes=[0, 1])

    t = Trace("stop-by-one-alone-before-genesis", covers, init_root=GENESIS).enrol(1)
    t.by(2, "voteStop", 0).see(**stopped, min_peers=2)
    yield t.step(3, "genesis", True, by=0, root=GENESIS)

    t = Trace("stop-by-a-revocation-before-genesis", covers).enrol(1).enrol(1).enrol(1).enrol(1)
    t.by(2, "voteStop", 0, 1).see(finished=False).by(3, "revoke", 3)
    yield t.see(**stopped, live=[0, 1, 2])

    t = Trace("votes-of-the-revoked-before-genesis", ["ROUND-050"]).enrol(1).enrol(1).enrol(1)
    t.by(2, "voteStop", 0).by(2, "revoke", 0).see(**waiting, finished=False, live=[1, 2])
    t.by(3, "voteStop", 1).see(finished=False).by(3, "voteStop", 2).see(**stopped)
    yield t


def joiners():
    for slug, peers in (("with", (3,)), ("without", ())):
        t = Trace(f"late-peer-{slug}-join", ["ROUND-015", "ROUND-016"], 4).commit(5, 0, 1, 2)
        t.look(13)
        t.attest(14, 0, 1).see(active=[0, 1, 2], joined=[]).sealed().by(15, "join", *peers)
        t.commit(16, 0, 1, 2).see(phase="COMMIT" if peers else "ATTEMPT", frozen=16)
        if peers:
            t.see(active=[0, 1, 2, 3], joined=[3]).commit(18, 3).see(closed=18).attest(19, 0, 1, 2)
            t.see(joined=[], active=[0, 1, 2, 3])
        else:
            t.commit(17, 3, bad=True)
        yield t

    t = Trace("joiner-stays-while-it-does-not-commit", ["ROUND-015"], 4).commit(5, 0, 1, 2).look(13)
    t.attest(14, 0, 1).sealed().by(14, "join", 3).commit(15, 0, 1, 2).see(phase="COMMIT")
    yield t.look(23).attest(24, 0, 1).see(round=3, joined=[3], active=[0, 1, 2, 3])

    t = Trace("committer-is-waited-for-in-two-rounds", ["ROUND-016", "LEDGER-015"], 3)
    t.commit(5, 0, 1, 2)
    t.attest(6, 0, 1).sealed()
    for block in (10, 30):
        t.commit(block, 0, 1).see(phase="COMMIT", active=[0, 1, 2]).look(block + 8)
        t.attest(block + 9, 0, 1).sealed()
    yield t.see(active=[0, 1]).commit(50, 0, 1).see(phase="ATTEMPT", closed=50)

    t = Trace("join-in-every-phase", ["ROUND-015", "LEDGER-011"], 3).by(3, "join", 0)
    t.see(joined=[0]).commit(4, 0, 1)
    t.by(5, "join", 1, 2).by(5, "join", 9, bad=True).look(12).by(12, "join", 2)
    t.see(phase="ATTEMPT", joined=[0, 1, 2])
    yield t.attest(13, 0, 1).see(joined=[2], active=[0, 1, 2])

    t = Trace("joiner-was-not-live-at-min-peers", ["ROUND-014", "ROUND-015"], 2)
    t.commit(5, 0, 1).attest(6, 0, 1).sealed().enrol(7).see(active=[0, 1]).by(8, "join", 2)
    t.see(active=[0, 1, 2]).commit(9, 0).commit(9, 1)
    yield t.see(phase="COMMIT").commit(10, 2).see(phase="ATTEMPT", closed=10)

    t = Trace("void-counts-as-one-of-two-rounds", ["ROUND-016", "LEDGER-015"], 3).commit(5, 0, 1, 2)
    t.attest(6, 0, 1).sealed().commit(10, 0, 1).look(18).next(28, 1).see(consecutive_voids=1)
    t.see(active=[0, 1, 2]).voided().commit(30, 0, 1).look(46).attest(47, 0, 1).see(active=[0, 1])
    yield t


def stop_votes():
    t = Trace("stop-while-no-deadline-runs", ["ROUND-050"], 4).by(3, "voteStop", 0, 1)
    t.see(stop_votes=[0, 1])
    t.commit(4, 0).by(5, "voteStop", 9, bad=True).by(5, "voteStop", 3)
    t.see(finished=True, stopped=True, phase="COMMIT")
    t.commit(6, 1, bad=True)
    # What is not fixed follows the registry still.
    t.enrol(7).see(enrolled=5, min_peers=4, live=[0, 1, 2, 3, 4], active=[0, 1, 2, 3, 4], frozen=0)
    yield t

    t = Trace("stop-votes-while-a-deadline-runs", ["ROUND-050"], 4).commit(5, 0, 1, 2)
    t.by(6, "voteStop", 0, 1, 3)
    t.see(finished=False, stop_votes=[0, 1, 3]).look(13).see(finished=False).attest(14, 0, 1)
    yield t.see(finished=True, stopped=True, phase="SEALED", ended=14, round=1, last_sealed_round=1)

    t = Trace("stop-votes-in-an-attempt-and-void", ["ROUND-050"], 4).commit(5, 0, 1, 2, 3)
    t.by(6, "voteStop", 0, 1, 2)
    t.see(finished=False).next(16, 3)
    yield t.see(finished=True, stopped=True, phase="VOID", ended=16, round=1)

    t = Trace("stop-by-a-revocation", ["ROUND-050", "ROUND-018"], 4).by(3, "voteStop", 0, 1)
    t.see(finished=False)
    yield t.by(4, "revoke", 3).see(finished=True, stopped=True)

    t = Trace("no-votes-are-counted-while-a-deadline-runs", ["ROUND-050", "ROUND-018"], 4)
    t.commit(5, 0, 1, 2).by(6, "voteStop", 0, 1, 1).see(stop_votes=[0, 1])
    t.by(7, "revoke", 3).see(finished=False, phase="ATTEMPT", closed=7)
    yield t.attest(8, 0, 1).see(finished=True, stopped=True, phase="SEALED")

    t = Trace("votes-of-the-revoked-do-not-count", ["ROUND-050"], 5).by(3, "voteStop", 0, 1, 2)
    t.by(4, "revoke", 0)
    yield t.see(finished=False, live=[1, 2, 3, 4]).by(5, "voteStop", 3).see(finished=True)

    t = Trace("an-enrolment-raises-the-votes-needed", ["ROUND-050"], 2).by(3, "voteStop", 0)
    t.enrol(4).enrol(4)
    yield t.by(5, "voteStop", 1).see(finished=False).by(6, "voteStop", 2).see(finished=True)

    t = Trace("too-few-votes-when-a-round-ends", ["ROUND-050"], 4).commit(5, 0, 1, 2, 3)
    t.by(6, "voteStop", 0, 1)
    t.attest(7, 0, 1, 2).see(round=2, finished=False).by(8, "voteStop", 2)
    yield t.see(finished=True, round=2)

    t = Trace("last-seal-comes-before-votes", ["LEDGER-015"], 2, last_round=1).commit(5, 0, 1)
    t.by(6, "voteStop", 0, 1)
    yield t.attest(7, 0, 1).see(finished=True, stopped=False)
