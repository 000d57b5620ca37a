"""Cases of run.trace: fault votes, what is taken and how they are counted (ROUND-047 to 049)."""

from trace_building import GENESIS, ZERO, Trace


def traces():
    yield from taken()
    yield from counted()
    yield from counted_again()
    yield from of_others()
    yield from few_peers()
    yield from barred()
    yield from barred_twice()


def taken():
    covers = ["ROUND-047", "LEDGER-011"]

    t = Trace("fault-votes-that-are-refused", covers, 4, topology=1).by(3, "revoke", 2)
    t.fault(4, 0, 0, bad=True).fault(4, 4, 0, bad=True).fault(4, 64, 0, bad=True)
    t.fault(4, 3, 0, bad=True, kind=0).fault(4, 3, 0, bad=True, kind=3)
    t.fault(4, 3, 0, bad=True, round=0).fault(4, 3, 0, bad=True, round=2)
    t.fault(4, 3, 0, bad=True, evidence=ZERO).fault(4, 3, 2, bad=True).fault(4, 3, 7, bad=True)
    t.fault(4, 3, 0, bad=True, kind=2, evidence=ZERO).fault(4, 0, 0, bad=True, kind=2)
    # None of these was kept: it takes both of the others.
    t.fault(5, 3, 0).see(excluded=[], live=[0, 1, 3])
    yield t.fault(5, 3, 1).see(excluded=[3], live=[0, 1])

    t = Trace("fault-votes-in-every-phase", ["ROUND-047"], 4).fault(3, 3, 0).commit(5, 0, 1, 2)
    t.see(phase="COMMIT").fault(6, 3, 0, kind=2).look(13).fault(13, 3, 1, kind=2)
    t.see(phase="ATTEMPT", excluded=[], barred=[]).fault(14, 3, 2).attest(15, 0, 1)
    t.see(round=2, excluded=[], barred=[]).sealed().fault(16, 3, 1, round=1)
    yield t.see(excluded=[3], barred=[], live=[0, 1, 2])

    # Round 1 is the current one before genesis, too (LEDGER-020).
    t = Trace("fault-votes-before-genesis", ["ROUND-047", "ROUND-048"]).enrol(1).enrol(1).enrol(1)
    t.fault(2, 2, 0).see(excluded=[]).fault(2, 2, 1).see(excluded=[2], live=[0, 1], enrolled=2)
    t.step(3, "genesis", by="owner", root=GENESIS).commit(4, 2, bad=True).commit(4, 0, 1)
    yield t.see(phase="ATTEMPT", roster=[0, 1])


def counted():
    covers = ["ROUND-048", "ROUND-047"]

    t = Trace("excluded-by-a-quorum", covers, 4).fault(3, 3, 0, 1).see(excluded=[], enrolled=4)
    t.fault(4, 3, 2).see(excluded=[3], barred=[], live=[0, 1, 2], active=[0, 1, 2], enrolled=3)
    yield t.see(min_peers=2, mesh_until=0)

    t = Trace("excluded-by-votes-with-different-evidence", covers, 4)
    for index, name in enumerate(("11", "22", "33")):
        t.see(excluded=[]).fault(3, 3, index, evidence=name * 32)
    yield t.see(excluded=[3])

    # Each (index, kind, round) is counted for itself.
    t = Trace("fault-votes-for-different-things", covers, 5).commit(5, 0, 1, 2, 3, 4)
    t.attest(6, 0, 1, 2, 3).sealed().fault(7, 4, 0, 1, round=1).fault(7, 4, 2, 3, round=2)
    t.fault(8, 4, 2, 3, kind=2, round=1).fault(8, 3, 2, 4, round=1).see(excluded=[], barred=[])
    t.fault(9, 4, 2, round=1).see(excluded=[]).fault(9, 4, 3, round=1).see(excluded=[4])
    yield t.see(barred=[], live=[0, 1, 2, 3], mesh_until=0)

    t = Trace("fault-vote-twice", covers, 4).fault(3, 3, 0).fault(3, 3, 0, 0).fault(4, 3, 0, 1)
    t.see(excluded=[]).fault(5, 3, 1, 0, evidence="11" * 32).see(excluded=[])
    yield t.fault(6, 3, 2).see(excluded=[3])

    # The accused may accuse as long as it is in the run.
    t = Trace("the-accused-accuses", covers, 4).fault(3, 3, 0, 1).fault(3, 0, 3, 1)
    t.see(excluded=[]).fault(4, 0, 2).see(excluded=[0], live=[1, 2, 3])
    # Of three live ones 1 and 3 suffice, and 0 votes no more.
    yield t.fault(5, 3, 0, bad=True).fault(5, 3, 2).see(excluded=[0, 3], live=[1, 2])


def counted_again():
    covers = ["ROUND-048"]

    # A revocation lowers E, and the next vote counts: also a second one of the same peer.
    t = Trace("fewer-votes-needed-after-a-revocation", covers, 4).fault(3, 3, 0, 1)
    t.by(4, "revoke", 2).see(excluded=[], live=[0, 1, 3]).look(5).see(excluded=[])
    yield t.fault(6, 3, 0).see(excluded=[3], live=[0, 1])

    t = Trace("more-votes-needed-after-an-enrolment", covers, 3).fault(3, 2, 0).enrol(4)
    t.fault(5, 2, 1).see(excluded=[], enrolled=4).fault(6, 2, 0).see(excluded=[])
    yield t.fault(7, 2, 3).see(excluded=[2], live=[0, 1, 3])

    t = Trace("votes-for-another-do-not-count-these", covers, 4).fault(3, 3, 0, 1)
    t.by(4, "revoke", 2).fault(5, 3, 0, kind=2).fault(5, 1, 0).see(excluded=[], barred=[])
    yield t.fault(6, 3, 1).see(excluded=[3], barred=[])


def of_others():
    covers = ["ROUND-048"]

    t = Trace("fault-votes-of-the-revoked", covers, 5).fault(3, 4, 0, 1, 2).by(4, "revoke", 0)
    t.fault(5, 4, 1).see(excluded=[], live=[1, 2, 3, 4])
    yield t.fault(5, 4, 0, bad=True).fault(6, 4, 3).see(excluded=[4], live=[1, 2, 3])

    t = Trace("fault-votes-of-the-excluded", covers, 5).fault(3, 4, 0, 1).fault(4, 0, 1, 2, 3, 4)
    t.see(excluded=[0], live=[1, 2, 3, 4]).fault(5, 4, 2).see(excluded=[0])
    yield t.fault(6, 4, 3).see(excluded=[0, 4], live=[1, 2, 3])

    t = Trace("fault-votes-against-the-revoked", ["ROUND-047", "ROUND-048"], 4).by(3, "revoke", 3)
    t.fault(4, 3, 0).see(excluded=[]).fault(4, 3, 1).see(excluded=[3], live=[0, 1, 2], enrolled=3)
    yield t.fault(5, 3, 0, 1, kind=2).see(excluded=[3], barred=[3], mesh_until=12)

    # An excluded peer is enrolled still.
    t = Trace("excluded-twice", ["ROUND-049", "ROUND-048"], 4).commit(5, 0, 1, 2, 3)
    t.attest(6, 0, 1, 2).sealed().fault(7, 3, 0, 1, 2, round=1).see(excluded=[3], enrolled=3)
    t.fault(8, 3, 0, 1, round=2).see(excluded=[3], live=[0, 1, 2], phase="COMMIT")
    yield t.fault(9, 3, 0, 1, 2, round=1).see(excluded=[3], stop_votes=[], frozen=0)


def few_peers():
    covers = ["ROUND-048", "ROUND-047"]

    t = Trace("two-peers-exclude-nobody", covers, 2).fault(3, 1, 0, 0).fault(3, 0, 1)
    t.see(excluded=[], live=[0, 1]).fault(4, 1, 0, bad=True, evidence=ZERO).by(5, "revoke", 1)
    # One that is left is its own quorum.
    yield t.see(excluded=[]).fault(6, 1, 0).see(excluded=[1], live=[0])

    t = Trace("two-of-three-exclude-the-third", covers, 3).commit(5, 2).fault(6, 2, 0)
    t.see(excluded=[]).fault(6, 2, 1).see(excluded=[2], live=[0, 1], min_peers=2, frozen=0)
    t.commit(7, 0).see(frozen=7, committed=[0, 2], enrolled=2, phase="COMMIT").commit(8, 1)
    yield t.see(closed=8, roster=[0, 1, 2]).attest(9, 2, bad=True).attest(9, 0, 1).see(round=2)


def barred():
    covers = ["ROUND-049"]

    # Who is barred stays a member in all else.
    t = Trace("barred-and-still-a-member", covers, 4, topology=1).fault(3, 3, 0, 1, 2, kind=2)
    t.see(barred=[3], excluded=[], live=[0, 1, 2, 3], enrolled=4, mesh_until=12)
    t.commit(5, 0, 1, 2, 3).see(optimistic=False, roster=[0, 1, 2, 3]).attest(6, 3, 0, 1)
    yield t.see(round=2, last_sealed_round=1).sealed().fault(7, 0, 3).by(7, "join", 3)

    t = Trace("barred-in-an-optimistic-attempt", [*covers, "ROUND-044"], 4, topology=2)
    t.commit(5, 0, 1, 2, 3).attest(6, 0).fault(7, 3, 0, 1, 2, kind=2)
    t.see(barred=[3], mesh_until=12, optimistic=True, attempt=0, attested=[0])
    t.attest(8, 1, 3).sealed().commit(9, 0, 1, 2, 3).see(round=2, optimistic=False)
    yield t.object(9, 0, bad=True)

    t = Trace("barred-in-a-mesh-run", covers, 3).fault(3, 2, 0, 1, kind=2)
    yield t.see(barred=[2], mesh_until=12).commit(5, 0, 1, 2).see(optimistic=False)

    # mesh_until goes by the current round, not by the one that the votes name.
    t = Trace("barred-for-a-round-long-ago", covers, 3, topology=1)
    for block in (5, 7, 9):
        t.fill(block, 0, 1, 2, quorum=2)
    t.fault(11, 2, 0, kind=2, round=1).see(mesh_until=0).fault(12, 2, 1, kind=2, round=1)
    yield t.see(round=4, mesh_until=15, barred=[2])

    t = Trace("barred-and-excluded", [*covers, "ROUND-048"], 4, topology=1)
    t.fault(3, 3, 0, 1, 2, kind=2).fault(4, 3, 0, 1, 2).see(barred=[3], excluded=[3])
    yield t.see(live=[0, 1, 2], mesh_until=12)


def barred_twice():
    # The votes for another round are another accusation: mesh_until goes up with it.
    covers = ["ROUND-049", "ROUND-048"]
    t = Trace("barred-for-two-rounds", covers, 3, topology=1).fault(3, 2, 0, 1, kind=2)
    t.see(mesh_until=12).fill(5, 0, 1, 2, quorum=2).fill(7, 0, 1, 2, quorum=2)
    yield t.fault(9, 2, 0, 1, kind=2).see(barred=[2], mesh_until=14)

    # What was decided is not decided again.
    t = Trace("more-votes-after-being-barred", covers, 4, topology=1).fault(3, 3, 0, 1, 2, kind=2)
    t.see(mesh_until=12).fill(5, 0, 1, 2, 3, quorum=3).fill(7, 0, 1, 2, 3, quorum=3)
    t.fault(9, 3, 0, 1, 2, kind=2, round=1).see(mesh_until=12, barred=[3]).enrol(10)
    yield t.fault(11, 3, 4, 0, kind=2, round=1).see(mesh_until=12, round=3)
