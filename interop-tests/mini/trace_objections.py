"""Cases of run.trace: objections, taken and refused (ROUND-045)."""

from trace_building import GENESIS, Trace


def traces():
    yield from with_a_right()
    yield from refused()
    yield from in_its_time()
    yield from without_a_right()
    yield from by_number()


def with_a_right():
    t = Trace("objection-with-a-right", ["ROUND-045", "ROUND-043"], 4, topology=1)
    t.commit(5, 0, 1, 2, 3).attest(6, 0).have(6, 1, [0, 1]).see(attested=[0], had=[1], objected=[])
    t.object(8, 2).see(attempt=1, roster=[0, 1, 2, 3], attested=[], had=[], objected=[2])
    t.see(started=8, exchange_deadline=22, last_post=25, closed=5, optimistic=True, mesh_until=0)
    t.attest(9, 3, bad=True).again().attest(9, 0, 1).have(9, 2, [2]).see(committed=[0, 1, 2, 3])
    t.attest(10, 3).see(round=2, last_sealed_round=1, objected=[], mesh_until=0)
    yield t.sealed().commit(11, 0, 1, 2, 3).see(optimistic=True, objected=[])

    t = Trace("objection-of-one-who-attested", ["ROUND-045"], 4, topology=2)
    t.commit(5, 0, 1, 2, 3).attest(6, 0, 1).object(7, 1).see(attempt=1, attested=[], objected=[1])
    yield t.again().attest(8, 1, 2, 3).see(last_sealed_round=1)

    t = Trace("objection-of-one-who-posted-a-have", ["ROUND-045"], 4, topology=1)
    t.commit(5, 0, 1, 2, 3).have(6, 3, [3]).object(6, 3).see(attempt=1, had=[], objected=[3])
    yield t.again().have(7, 3, [3]).see(had=[3])

    # Two peers: f(2) + 1 is 1, so that each objection also makes the next ten rounds mesh.
    covers = ["ROUND-045", "ROUND-046", "ROUND-044"]
    t = Trace("objection-of-one-of-two", covers, 2, topology=1).commit(5, 0, 1).attest(6, 0)
    t.object(6, 1).see(attempt=1, objected=[1], mesh_until=12, optimistic=True).again()
    t.attest(7, 0, 1).see(round=2).sealed().commit(8, 0, 1).see(optimistic=False, mesh_until=12)
    yield t.object(8, 0, bad=True)


def refused():
    covers = ["ROUND-045", "LEDGER-011"]

    t = Trace("objections-that-are-refused", covers, topology=1).enrol(1).enrol(1).enrol(1).enrol(1)
    t.object(1, 0, bad=True).step(2, "genesis", by="owner", root=GENESIS).object(3, 0, bad=True)
    t.commit(5, 0, 1, 2).object(6, 0, bad=True).look(13).object(13, 3, bad=True)
    t.object(13, 0, bad=True, round=2).object(13, 0, bad=True, round=0)
    t.object(13, 0, bad=True, attempt=1).object(13, 4, bad=True).by(13, "revoke", 0)
    t.object(13, 0, bad=True).see(attempt=0, objected=[], optimistic=True)
    yield t.object(14, 1).see(attempt=1, objected=[1], roster=[0, 1, 2])

    t = Trace("objections-in-later-attempts", covers, 4, topology=1).commit(5, 0, 1, 2, 3)
    t.object(6, 0).object(7, 0, bad=True).object(7, 1, bad=True).again()
    t.object(7, 0, bad=True).object(7, 1, bad=True).see(attempt=1, objected=[0])
    t.have(8, 0, [0, 1, 2]).have(8, 1, [0, 1, 2]).have(8, 2, [0, 1, 2]).next(24, 3).again()
    yield t.object(25, 1, bad=True).see(attempt=2, roster=[0, 1, 2], objected=[0], optimistic=True)

    t = Trace("objections-after-a-next-attempt", covers, 4, topology=1).commit(5, 0, 1, 2, 3)
    t.have(12, 0, []).have(12, 1, []).have(12, 2, []).next(16, 3).object(17, 0, bad=True).again()
    yield t.object(17, 0, bad=True).see(attempt=1, roster=[0, 1, 2], objected=[], optimistic=True)

    t = Trace("objections-to-a-round-that-is-over", covers, 4, topology=1).commit(5, 0, 1, 2, 3)
    t.attest(6, 0, 1, 2).object(6, 3, bad=True).sealed().object(6, 3, bad=True)
    yield t.commit(7, 0, 1, 2, 3).object(7, 3, bad=True, round=1).see(attempt=0, objected=[])


def in_its_time():
    covers = ["ROUND-045"]

    t = Trace("objection-in-the-block-of-the-closing", covers, 3, topology=1).commit(5, 0, 1)
    t.object(5, 0, bad=True).commit(5, 2).object(5, 0)
    yield t.see(attempt=1, closed=5, started=5, exchange_deadline=19, roster=[0, 1, 2])

    t = Trace("objection-finds-the-closing", [*covers, "LEDGER-014"], 4, topology=1)
    t.commit(5, 0, 1, 2).object(12, 0, bad=True).object(20, 0)
    yield t.see(closed=13, started=20, attempt=1, exchange_deadline=34, roster=[0, 1, 2])

    t = Trace("objection-after-last-post", covers, 4, topology=1).commit(5, 0, 1, 2, 3).look(16)
    t.see(last_post=15).object(40, 3).see(attempt=1, roster=[0, 1, 2, 3], last_post=57)
    yield t.next(57, 0, bad=True, attempt=1).next(58, 0, bad=True).next(58, 0, attempt=1)

    # The same roster: also with a member that was revoked.
    t = Trace("objection-keeps-the-revoked-in-the-roster", covers, 5, topology=1)
    t.commit(5, 0, 1, 2, 3, 4).by(6, "revoke", 4).object(7, 0)
    t.see(attempt=1, roster=[0, 1, 2, 3, 4], live=[0, 1, 2, 3]).again().attest(8, 4, bad=True)
    yield t.attest(8, 0, 1, 2).see(round=1).attest(8, 3).see(round=2)


def used(slug, covers, **settings):
    """Four peers; 0 used its right in round 1, and round 2 stands in attempt 0 at block 10."""
    t = Trace(slug, covers, 4, topology=1, **settings).commit(5, 0, 1, 2, 3).object(6, 0).again()
    t.attest(7, 0, 1, 2).sealed().commit(10, 0, 1, 2, 3).see(optimistic=True, objected=[])
    return t


def without_a_right():
    covers = ["ROUND-045"]

    t = used("objection-without-a-right", covers).attest(11, 1).have(11, 2, [2]).object(11, 0)
    t.see(attempt=0, started=10, objected=[0], attested=[1], had=[2], mesh_until=0)
    yield t.attest(12, 0, 3).see(round=3, last_sealed_round=2)

    t = used("objection-twice", covers).object(11, 0).object(11, 0, bad=True).attest(12, 0)
    yield t.object(13, 0, bad=True).see(attempt=0, objected=[0], attested=[0])

    # An objection is no post: who sent nothing else is silent.
    t = used("objection-is-no-post", ["ROUND-041", "ROUND-045"]).object(11, 0)
    t.have(17, 1, []).have(17, 2, []).have(17, 3, []).next(30, 0)
    yield t.see(attempt=1, roster=[1, 2, 3], objected=[0], optimistic=True)

    t = used("right-is-of-one-member", ["ROUND-045", "ROUND-046"]).object(11, 0).see(attempt=0)
    t.object(11, 3).see(attempt=1, roster=[0, 1, 2, 3], started=11, objected=[0, 3], mesh_until=13)
    yield t.object(12, 1, bad=True).object(12, 1, bad=True, attempt=1)

    # Rounds that are void count, too.
    t = Trace("right-stays-used-over-a-void-round", covers, 4, topology=1).commit(5, 0, 1, 2, 3)
    t.object(6, 0).next(24, 0, attempt=1).see(round=2, consecutive_voids=1).voided()
    t.commit(25, 0, 1, 2, 3).look(40).see(optimistic=True).object(40, 0).see(attempt=0)
    yield t.object(40, 1).see(attempt=1, mesh_until=13)


def by_number():
    covers = ["ROUND-045", "ROUND-046"]

    # E is 3 in round 2, and f(3) + 1 is 1: the objection counts although it uses no right.
    t = Trace("objection-counts-by-number", covers, 4, topology=1).commit(5, 0, 1, 2, 3)
    t.object(6, 0).see(mesh_until=0).again().attest(7, 0, 1, 2).sealed().by(8, "revoke", 3)
    t.commit(10, 0, 1, 2).see(optimistic=True, enrolled=3).object(11, 0)
    yield t.see(attempt=1, roster=[0, 1, 2], objected=[0], mesh_until=13)

    # E of the round: a revocation after ROUND-014 changes nothing.
    t = used("objections-needed-by-the-fixed-number", covers).by(11, "revoke", 3)
    yield t.object(11, 0).see(attempt=0, live=[0, 1, 2], enrolled=4, mesh_until=0)

    # Who enrols after ROUND-014 does not raise it either: f(3) + 1 is 1 in this round.
    t = Trace("objections-needed-without-latecomers", covers, 3, topology=1).commit(5, 0, 1)
    t.enrol(5).commit(5, 2).object(6, 0).see(attempt=1, enrolled=3, live=[0, 1, 2, 3])
    yield t.see(mesh_until=12)
