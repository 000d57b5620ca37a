"""Cases of run.trace: what a seal after an objection does to the exchange average (ROUND-062).

All rounds are optimistic. An average of 512 stands for two blocks; a seal ten blocks after the
start of its attempt would make it 768.
"""

from trace_building import Trace
from trace_objections import used

RISEN = (7 * 512 + 2560) // 8


def traces():
    yield from at_most()
    yield from without_effect()
    yield from may_rise()


def five(slug):
    t = Trace(slug, ["ROUND-062", "ROUND-045"], 5, topology=1)
    return t.commit(5, 0, 1, 2, 3, 4).see(optimistic=True, enrolled=5)


def at_most():
    t = five("exchange-average-does-not-rise-after-an-objection").object(10, 0).again()
    t.attest(20, 0, 1, 2).see(exchange_average=512).attest(20, 3)
    yield t.see(round=2, exchange_average=512, commit_average=(7 * 512 + 768) // 8)

    t = five("exchange-average-falls-after-an-objection").object(10, 0).again()
    yield t.attest(11, 0, 1, 2, 3).see(exchange_average=(7 * 512 + 256) // 8)

    # Two blocks are the average itself.
    t = five("exchange-average-stays-after-an-objection").object(10, 0).again()
    yield t.attest(12, 0, 1, 2, 3).see(exchange_average=512)

    t = five("exchange-average-does-not-rise-if-the-objector-is-revoked").object(10, 0).again()
    t.by(11, "revoke", 0).attest(20, 1, 2, 3, 4).see(exchange_average=512, live=[1, 2, 3, 4])
    yield t

    t = five("exchange-average-does-not-rise-if-the-objector-is-excluded").object(10, 0).again()
    t.fault(11, 0, 1, 2, 3, 4).attest(20, 1, 2, 3, 4).see(exchange_average=512, excluded=[0])
    yield t

    # The round before was sealed, and the one before that was void.
    t = five("exchange-average-does-not-rise-two-rounds-after-a-void").next(16, 1).voided()
    t.commit(17, 0, 1, 2, 3, 4).look(32).attest(34, 0, 1, 2, 3).see(exchange_average=512).sealed()
    t.commit(40, 0, 1, 2, 3, 4).see(consecutive_voids=0, optimistic=True).object(41, 2).again()
    yield t.attest(51, 0, 1, 2, 3).see(exchange_average=512, last_sealed_round=3)


def after_a_next_attempt(t):
    """Attempt 1 of the round that stands since block 10, from block 30 on."""
    t.have(17, 1, []).have(17, 2, []).have(17, 3, []).next(30, 0)
    return t.see(attempt=1, started=30, exchange_average=480, consecutive_voids=0).again()


def without_effect():
    """The average is 480 after round 1, which was sealed a block after an objection."""
    covers = ["ROUND-062", "ROUND-045"]
    t = used("exchange-average-does-not-rise-after-an-objection-without-a-right", covers)
    t.object(11, 0).see(attempt=0, objected=[0])
    yield after_a_next_attempt(t).attest(40, 1, 2).see(exchange_average=480, round=3)

    # An objection of the round before does not matter.
    t = used("exchange-average-rises-after-an-objection-in-another-round", covers)
    after_a_next_attempt(t).see(objected=[]).attest(40, 1, 2)
    yield t.see(exchange_average=(7 * 480 + 2560) // 8, round=3)

    t = five("exchange-average-rises-after-a-void-and-an-objection-without-a-right").object(6, 0)
    t.next(24, 0, attempt=1).see(consecutive_voids=1, round=2).voided()
    t.commit(25, 0, 1, 2, 3, 4).look(40).object(40, 0).see(attempt=0, optimistic=True)
    t.have(41, 1, []).have(41, 2, []).have(41, 3, []).have(41, 4, []).next(60, 0).again()
    yield t.see(attempt=1, started=60).attest(70, 1, 2, 3).see(exchange_average=RISEN)


def may_rise():
    t = five("exchange-average-rises-after-a-void-and-an-objection").next(16, 1).voided()
    t.commit(17, 0, 1, 2, 3, 4).look(32).see(closed=32, consecutive_voids=1, optimistic=True)
    t.object(33, 0).see(attempt=1, started=33).again()
    yield t.attest(43, 0, 1, 2, 3).see(exchange_average=RISEN, consecutive_voids=0)

    t = five("exchange-average-rises-in-attempt-2-after-an-objection").object(6, 0).again()
    for index in range(5):
        t.have(7, index, [0, 1, 2, 3, 4])
    t.next(24, 1).see(attempt=2, started=24, objected=[0], roster=[0, 1, 2, 3, 4]).again()
    yield t.attest(34, 0, 1, 2, 3).see(exchange_average=RISEN)

    # Nobody objected: an optimistic round is as any other.
    t = five("exchange-average-rises-in-attempt-1-of-an-optimistic-round")
    for index in range(5):
        t.have(12, index, [])
    t.next(16, 1).see(attempt=1, started=16, optimistic=True, objected=[]).again()
    yield t.attest(26, 0, 1, 2, 3).see(exchange_average=RISEN)
