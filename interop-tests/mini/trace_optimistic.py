"""Cases of run.trace: which rounds are optimistic, and their attempt 0 (ROUND-041, ROUND-044)."""

from trace_building import GENESIS, Trace


def traces():
    yield from decided()
    yield from decided_against()
    yield from votes_at_the_closing()
    yield from next_attempts()


def decided():
    t = Trace("optimistic-from-the-early-closing", ["ROUND-044", "ROUND-016"], topology=1)
    t.look(1).see(optimistic=False, mesh_until=0, objected=[]).enrol(1).enrol(1).enrol(1).enrol(1)
    t.step(2, "genesis", by="owner", root=GENESIS).see(optimistic=False).commit(5, 0, 1, 2)
    t.see(phase="COMMIT", frozen=5, optimistic=False).commit(6, 3)
    t.see(phase="ATTEMPT", closed=6, optimistic=True, attempt=0).attest(7, 0, 1)
    t.see(optimistic=True).attest(8, 2).see(round=2, last_sealed_round=1, optimistic=False)
    yield t.sealed().commit(9, 0, 1, 2, 3).see(optimistic=True, mesh_until=0)

    t = Trace("optimistic-with-a-leader", ["ROUND-044"], 2, topology=2).commit(5, 0)
    yield t.see(optimistic=False).commit(5, 1).see(optimistic=True).attest(6, 0, 1)

    covers = ["ROUND-044", "LEDGER-014", "LEDGER-020"]
    t = Trace("optimistic-from-the-closing-by-the-deadline", covers, 4, topology=1)
    t.commit(5, 0, 1, 2).look(12).see(phase="COMMIT", optimistic=False)
    t.look(13).see(phase="ATTEMPT", closed=13, optimistic=True)
    yield t.look(90).see(closed=13, optimistic=True).attest(91, 0, 1).see(optimistic=False)

    t = Trace("optimistic-after-a-void-round", ["ROUND-044"], 2, topology=1).commit(5, 0, 1)
    t.see(optimistic=True).next(16, 0).see(consecutive_voids=1, optimistic=False).voided()
    yield t.commit(17, 0, 1).look(32).see(closed=32, optimistic=True)

    covers = ["ROUND-044", "ROUND-050"]
    t = Trace("last-round-stays-optimistic-in-the-view", covers, 2, topology=1, last_round=1)
    t.commit(5, 0, 1).attest(6, 0, 1).see(finished=True, phase="SEALED", optimistic=True)
    yield t.object(7, 0, bad=True).fault(7, 1, 0, bad=True).see(objected=[], finished=True)


def decided_against():
    t = Trace("mesh-is-never-optimistic", ["ROUND-044", "ROUND-045"], 4)
    t.commit(5, 0, 1, 2, 3).see(phase="ATTEMPT", optimistic=False, mesh_until=0)
    yield t.object(6, 0, bad=True).attest(6, 0, 1, 2).see(last_sealed_round=1, objected=[])

    covers = ["ROUND-044", "ROUND-049"]
    t = Trace("barred-before-the-early-closing", covers, 4, topology=1)
    t.commit(5, 0, 1, 2).fault(6, 3, 0, 1, 2, kind=2).see(mesh_until=12, barred=[3], phase="COMMIT")
    t.commit(7, 3).see(closed=7, roster=[0, 1, 2, 3], optimistic=False)
    yield t.object(8, 0, bad=True).see(attempt=0, objected=[])


def votes_at_the_closing():
    covers = ["ROUND-044", "ROUND-049", "ROUND-018"]

    t = Trace("barred-in-the-deadlines-own-block", covers, 4, topology=1).commit(5, 0, 1, 2)
    t.fault(6, 3, 0, 1, kind=2).fault(12, 3, 2, kind=2).see(mesh_until=12, phase="COMMIT")
    yield t.look(13).see(closed=13, optimistic=False).object(14, 1, bad=True)

    # The closing that is due comes before the vote: mesh_until is 0 in that block still.
    for block in (13, 40):
        slug = f"barred-after-the-deadline-in-block-{block}"
        t = Trace(slug, [*covers, "LEDGER-014"], 4, topology=1).commit(5, 0, 1, 2)
        t.fault(6, 3, 0, 1, kind=2).fault(block, 3, 2, kind=2)
        t.see(mesh_until=12, closed=13, optimistic=True, attempt=0)
        yield t.object(block + 1, 0).see(attempt=1, started=block + 1, optimistic=True)

    # An exclusion closes COMMIT itself, and the round is judged then.
    covers = ["ROUND-044", "ROUND-048"]
    t = Trace("optimistic-from-the-closing-by-an-exclusion", covers, 4, topology=1)
    t.commit(5, 0, 1, 2).fault(6, 3, 0, 1).see(optimistic=False)
    yield t.fault(8, 3, 2).see(closed=8, excluded=[3], optimistic=True, roster=[0, 1, 2])


def next_attempts():
    covers = ["ROUND-041", "ROUND-044"]

    t = Trace("only-the-silent-leave-an-optimistic-attempt", covers, 4, topology=1)
    t.commit(5, 0, 1, 2, 3).have(12, 0, []).have(12, 1, [1]).attest(13, 2).next(15, 3, bad=True)
    t.next(16, 3).see(attempt=1, roster=[0, 1, 2], exchange_deadline=30, optimistic=True).again()
    # Attempt 1 is mesh: an update that nobody names leaves its member outside.
    t.have(17, 0, [1, 2]).have(17, 1, [1, 2]).have(17, 2, [1, 2]).next(34, 3)
    yield t.see(round=2, consecutive_voids=1, optimistic=False)

    t = Trace("withholder-leaves-the-second-attempt-only", covers, 7, topology=2, min_peers=2)
    t.commit(5, *range(7)).see(min_peers=4)
    for index in range(7):
        t.have(12, index, [])
    t.next(16, 0).see(attempt=1, roster=[0, 1, 2, 3, 4, 5, 6]).again()
    for index in range(7):
        t.have(20, index, [0, 1, 2, 3, 4, 5])
    yield t.next(34, 0).see(attempt=2, roster=[0, 1, 2, 3, 4, 5], optimistic=True)

    t = Trace("revoked-poster-leaves-an-optimistic-attempt", covers, 5, topology=1)
    t.commit(5, 0, 1, 2, 3, 4).attest(7, 0).have(7, 1, []).by(8, "revoke", 0, 4)
    t.have(9, 2, []).have(9, 3, [0]).next(16, 1)
    yield t.see(round=2, consecutive_voids=1)

    t = Trace("too-few-posts-in-an-optimistic-attempt", [*covers, "ROUND-042"], 4, topology=1)
    t.commit(5, 0, 1, 2, 3).have(12, 0, [0, 1, 2, 3]).attest(13, 1).next(16, 2)
    yield t.see(round=2, consecutive_voids=1, base=GENESIS)

    t = Trace("revoked-and-silent-leave-an-optimistic-attempt", covers, 5, topology=1, min_peers=2)
    t.commit(5, 0, 1, 2, 3, 4).attest(7, 0).have(7, 1, []).by(8, "revoke", 0)
    t.have(9, 2, []).have(9, 3, []).have(9, 4, [0]).next(16, 1)
    yield t.see(attempt=1, roster=[1, 2, 3, 4], attested=[], had=[])

    # No holders are asked for in attempt 0 of an optimistic round; a mesh run asks.
    for topology in (0, 1):
        name = "no-updates-held-in-an-optimistic-attempt" if topology else "no-updates-held-in-mesh"
        t = Trace(name, covers, 2, topology=topology).commit(5, 0, 1)
        t.have(12, 0, []).have(12, 1, []).next(16, 0)
        yield t.see(round=1, attempt=1, roster=[0, 1]) if topology else t.see(round=2, attempt=0)
