"""Cases of run.trace: rights over many rounds, renewed and given back (ROUND-045, 046, 049)."""

from trace_building import Trace


def traces():
    yield from over_ten_rounds()
    yield from in_ten_rounds_or_not()
    yield from many_objectors()
    yield from renewed()
    yield from given_back()
    yield from renewed_for_all()
    yield from given_back_and_counted()


def quick(slug, covers):
    """Four peers, of whom 0 and 1 make the rounds, with others now and then: f(E) + 1 is 2.

    Round n stands from block 100 n on. Round 1, in which all are waited for, is in attempt 0.
    """
    t = Trace(slug, covers, 4, topology=1, min_peers=2)
    return t.commit(100, 0, 1).look(150).see(optimistic=True, roster=[0, 1], min_peers=2)


def fill(t, last):
    """Rounds up to `last`, in which nothing happens but a seal."""
    while t.round <= last:
        t.fill(100 * t.round, 0, 1, quorum=2)
    return t


def objected(t, index, counts):
    """`index` objects in attempt 0 of the round that stands, which is then sealed."""
    block = 100 * t.round + 60
    t.object(block, index).see(attempt=int(counts), objected=[index])
    if counts:
        t.again()
    return t.attest(block, 0, 1).sealed()


def over_ten_rounds():
    t = quick("right-is-back-in-the-tenth-round-after", ["ROUND-045", "ROUND-046"])
    fill(objected(t, 0, True), 9).commit(1000, 0, 1)
    # Round 10 is the last of the nine after round 1. This objection uses no right.
    objected(t, 0, False).commit(1100, 0, 1).see(mesh_until=0)
    objected(t, 0, True).see(round=12, mesh_until=0).commit(1200, 2, 0, 1)
    # Two different members within ten rounds.
    yield objected(t, 1, True).see(mesh_until=23)

    t = Trace("mesh-for-ten-rounds", ["ROUND-044", "ROUND-046", "ROUND-045"], 2, topology=1)
    t.commit(100, 0, 1)
    objected(t, 1, True).see(mesh_until=12)
    for number in range(2, 12):
        t.commit(100 * number, 0, 1).see(optimistic=False, mesh_until=12)
        if number in (2, 11):
            t.object(100 * number, 0, bad=True)
        t.attest(100 * number, 0, 1).sealed()
    yield objected(t.commit(1200, 0, 1).see(optimistic=True), 1, True).see(mesh_until=23)


def in_ten_rounds_or_not():
    t = quick("two-members-in-the-same-ten-rounds", ["ROUND-046"])
    fill(objected(t, 0, True).see(mesh_until=0), 9).commit(1000, 0, 1)
    objected(t, 1, True).see(mesh_until=21)
    yield t.commit(1100, 0, 1).see(optimistic=False).object(1100, 0, bad=True)

    t = quick("two-members-not-in-the-same-ten-rounds", ["ROUND-046"])
    fill(objected(t, 0, True), 10).commit(1100, 0, 1)
    objected(t, 1, True).see(mesh_until=0)
    yield t.commit(1200, 0, 1).see(optimistic=True)


def many_objectors():
    covers = ["ROUND-046"]

    t = quick("one-member-twice-is-one", ["ROUND-045", *covers])
    yield objected(objected(t, 0, True).commit(200, 0, 1), 0, False).see(mesh_until=0)

    # Objections of members that are gone were objections.
    t = Trace("objection-of-a-revoked-member-was-one", covers, 5, topology=1)
    t.commit(5, 0, 1, 2, 3, 4).object(6, 0).again().attest(7, 1, 2, 3, 4).see(mesh_until=0)
    t.sealed().by(8, "revoke", 0).commit(9, 1, 2, 3, 4).see(optimistic=True, enrolled=4)
    yield t.object(10, 1).see(attempt=1, mesh_until=13, objected=[1])

    t = Trace("objection-of-a-member-revoked-in-the-round", covers, 4, topology=1)
    t.commit(5, 0, 1, 2, 3).object(6, 0).again().attest(7, 0, 1, 2).sealed()
    t.commit(10, 0, 1, 2, 3).object(11, 0).see(attempt=0).by(12, "revoke", 0)
    yield t.object(13, 2).see(attempt=1, objected=[0, 2], roster=[0, 1, 2, 3], mesh_until=13)


def seven(slug, covers):
    """Seven peers, so that three must object; 0 and 1 used their rights. Round 3 is next."""
    t = Trace(slug, covers, 7, topology=1, min_peers=2).commit(5, *range(7)).object(6, 0).again()
    t.attest(7, 0, 1, 2, 3, 4).sealed().commit(8, *range(7)).object(9, 1).again()
    return t.attest(10, 0, 1, 2, 3, 4).sealed().see(mesh_until=0, min_peers=4)


def renewed():
    # Round 3 has six peers, and two suffice. The objection of 0 uses no right and does not count,
    # but makes two in ten rounds: all rights are new, and that of 1 is used at once.
    covers = ["ROUND-046", "ROUND-045"]
    t = seven("renewed-by-an-objection-that-does-not-count", covers).by(11, "revoke", 6)
    t.commit(12, *range(6)).see(optimistic=True, enrolled=6).object(13, 0)
    t.see(attempt=0, started=12, objected=[0], mesh_until=14, optimistic=True)
    t.object(13, 0, bad=True).object(14, 1).see(attempt=1, objected=[0, 1], mesh_until=14)
    yield t.again().attest(15, 0, 1, 2, 3).sealed().commit(16, *range(6)).see(optimistic=False)

    # With seven peers it takes a third.
    t = seven("not-renewed-by-too-few", covers).commit(12, *range(7)).object(13, 0)
    t.see(attempt=0, mesh_until=0).object(13, 1).see(attempt=0, objected=[0, 1], mesh_until=0)
    yield t.object(14, 2).see(attempt=1, objected=[0, 1, 2], mesh_until=14)


def given_back():
    """Peers 0, 1 and 2 say that 3 sent a false shard in some round, in round 2 at block 11."""
    covers = ["ROUND-049", "ROUND-045"]
    for number in (1, 2):
        slug = f"right-is-{'given-back' if number == 1 else 'not-given-back-for-another-round'}"
        t = Trace(slug, covers, 4, topology=1).commit(5, 0, 1, 2, 3).object(6, 0).again()
        t.attest(7, 0, 1, 2).sealed().commit(10, 0, 1, 2, 3)
        t.fault(11, 3, 0, 1, kind=2, round=number).see(barred=[], mesh_until=0)
        t.fault(11, 3, 2, kind=2, round=number)
        t.see(barred=[3], mesh_until=13, attempt=0, optimistic=True, live=[0, 1, 2, 3])
        yield t.object(12, 0).see(attempt=2 - number, objected=[0], roster=[0, 1, 2, 3])

    # An equivocation gives nothing back.
    t = Trace("right-is-not-given-back-for-an-equivocation", [*covers, "ROUND-048"], 4, topology=1)
    t.commit(5, 0, 1, 2, 3).object(6, 0).again().attest(7, 0, 1, 2).sealed()
    t.commit(10, 0, 1, 2, 3).fault(11, 3, 0, 1, 2, round=1).see(excluded=[3], mesh_until=0)
    yield t.object(12, 0).see(attempt=0, objected=[0], enrolled=4)


def nine(slug, covers):
    """Ten peers, so that four must object; 0, 1 and 2 used their rights. Then one is revoked.

    In round 4, which stands from block 41 on, three are enough.
    """
    t = Trace(slug, covers, 10, topology=1, min_peers=2).commit(10, 0, 1, 2, 3, 4).look(18)
    for index in range(3):
        block = 20 + 5 * index
        if index:
            t.commit(block, 0, 1, 2, 3, 4)
        t.object(block, index).see(attempt=1, mesh_until=0, objected=[index]).again()
        t.attest(block, 0, 1, 2, 3).sealed()
    t.by(40, "revoke", 9).commit(41, 0, 1, 2, 3, 4).see(optimistic=True, enrolled=9)
    return t.see(roster=[0, 1, 2, 3, 4], mesh_until=0)


def renewed_for_all():
    # 0 has no right, and one is too few; but with 1 and 2 it makes three in ten rounds. Then 1 has
    # a right again, though with 0 it makes only two in this round.
    t = nine("renewed-right-counts-at-once", ["ROUND-046", "ROUND-045"])
    t.object(43, 0).see(attempt=0, objected=[0], mesh_until=15, optimistic=True)
    yield t.object(44, 1).see(attempt=1, objected=[0, 1], mesh_until=15)


def given_back_and_counted():
    # What was given back to 0 was a right; its objection was one all the same.
    t = nine("objection-given-back-was-one", ["ROUND-049", "ROUND-046"])
    t.fault(42, 8, 0, 1, 2, 3, 4, 5, kind=2, round=1).see(barred=[8], mesh_until=15)
    t.object(43, 1).see(attempt=0, objected=[1]).object(43, 2)
    yield t.see(attempt=1, objected=[1, 2], mesh_until=15)
