"""Cases of run.trace: attempts and windows (ROUND-033, ROUND-040 to 042, ROUND-061, ROUND-062)."""

from trace_building import Trace


def traces():
    yield from leaving()
    yield from next_attempts()
    yield from roots()
    yield from doubling()
    yield from averages()
    yield from lengths()


def leaving():
    t = Trace("silent-member-leaves", ["ROUND-041", "ROUND-040"], 4).commit(5, 0, 1, 2, 3)
    t.attest(8, 0, 1).have(12, 2, [0, 1, 2]).next(16, 3)
    t.see(attempt=1, roster=[0, 1, 2], started=16, attested=[])
    t.see(exchange_deadline=30, last_post=33, had=[]).attest(17, 0, bad=True).again()
    yield t.attest(17, 3, bad=True).attest(18, 0, 2).see(last_sealed_round=1, round=2)

    t = Trace("withholder-leaves", ["ROUND-041"], 4).commit(5, 0, 1, 2, 3)
    t.have(12, 0, [0, 1, 2]).have(12, 1, [0, 1, 2]).have(12, 2, [0, 1, 2]).have(12, 3, [0, 1, 2, 3])
    yield t.next(16, 3).see(attempt=1, roster=[0, 1, 2])

    t = Trace("own-update-not-named-in-own-have", ["ROUND-041"], 4).commit(5, 0, 1, 2, 3)
    t.have(12, 0, [1, 2, 3]).have(12, 1, [2, 3]).have(12, 2, [1, 3]).have(12, 3, [1, 2])
    yield t.next(16, 3).see(attempt=1, roster=[1, 2, 3])

    t = Trace("attest-makes-an-earlier-have-void", ["ROUND-041", "ROUND-031"], 4)
    t.commit(5, 0, 1, 2, 3)
    t.have(12, 0, []).have(12, 1, []).have(12, 2, [0, 1, 2, 3]).attest(13, 0, 1)
    yield t.next(16, 3).see(attempt=1, roster=[0, 1, 2])

    t = Trace("holders-of-seven-enough-stay", ["ROUND-041"], 7).commit(5, *range(7))
    for index in range(6):
        t.have(12, index, [0, 1, 2, 3, 4] if index < 3 else [index])
    yield t.next(16, 6).see(attempt=1, roster=[0, 1, 2, 3, 4])


def next_attempts():
    # Ranks are 1, 2, 3 and 0: advice for the peers, nothing to the contract (ROUND-040).
    t = Trace("last-rank-opens-the-next-attempt", ["ROUND-040"], 4).commit(5, 0, 1, 2, 3)
    t.next(15, 2, bad=True).next(15, 3, bad=True)
    t.next(16, 2).see(round=2, phase="COMMIT", consecutive_voids=1, opened=16, last_sealed_round=0)
    yield t

    t = Trace("live-peer-outside-the-roster-opens-the-next-attempt", ["ROUND-040"], 4)
    t.commit(5, 0, 1, 2, 3).have(12, 0, [0, 1, 2]).have(12, 1, [0, 1, 2]).have(12, 2, [0, 1, 2])
    t.next(16, 0).see(attempt=1, last_post=33, roster=[0, 1, 2]).again().by(20, "revoke", 0)
    t.next(33, 3, bad=True).next(34, 0, bad=True).next(34, 3).see(round=2, opened=34)
    yield t

    t = Trace("three-attempts-and-void", ["ROUND-042"], 4).commit(5, 0, 1, 2, 3)
    for block in (16, 40, 70):
        for index in range(4):
            t.have(block - 4, index, [0, 1, 2, 3])
        t.next(block, {16: 3, 40: 3, 70: 0}[block])
        t.again()
    yield t.see(round=2, phase="COMMIT", consecutive_voids=1, base=t.base)

    t = Trace("sealed-in-the-third-attempt", ["ROUND-042", "ROUND-043"], 3).commit(5, 0, 1, 2)
    t.have(12, 0, [0, 1]).have(12, 1, [0, 1]).next(16, 2).see(attempt=1, roster=[0, 1]).again()
    t.have(30, 0, [0, 1]).have(30, 1, [0, 1]).next(40, 1)
    t.see(attempt=2, exchange_deadline=54, committed=[0, 1, 2]).again()
    yield t.attest(41, 0, 1).see(last_sealed_round=1)


def roots():
    t = Trace("two-roots-and-no-quorum", ["ROUND-033", "ROUND-041"], 4).commit(5, 0, 1, 2, 3)
    t.attest(8, 0, 1).attest(8, 2, 3, name="other").see(phase="ATTEMPT", attested=[0, 1, 2, 3])
    t.next(16, 3).see(attempt=1, roster=[0, 1, 2, 3]).again()
    yield t.attest(17, 0, 2, 3, name="other").see(last_sealed_round=1)

    t = Trace("same-root-other-aux", ["ROUND-033"], 4).commit(5, 0, 1, 2, 3)
    t.attest(8, 0, 1).attest(8, 2, aux="01" * 32).see(phase="ATTEMPT").attest(8, 3)
    t.see(last_sealed_round=1)
    yield t

    t = Trace("sealed-with-an-aux", ["ROUND-033"], 2).commit(5, 0, 1)
    yield t.attest(8, 0, aux="01" * 32).attest(8, 1, aux="01" * 32).see(last_sealed_round=1)


def doubling():
    t = Trace("windows-double-with-voids", ["ROUND-042", "ROUND-016"], 2)
    block = 5
    for void, factor in enumerate((1, 2, 4, 8, 16, 16)):
        closed = block if void == 0 else block + 7 * factor + 1
        t.commit(block, 0, 1).see(commit_deadline=block + 7 * factor)
        last = closed + 7 * factor + 3
        t.next(last + 1, t.round % 2).see(consecutive_voids=void + 1, opened=last + 1).voided()
        block = last + 3
    t.commit(block, 0, 1).attest(block + 200, 0, 1).see(consecutive_voids=0, round=8).sealed()
    yield t

    t = Trace("later-attempts-double-again-after-a-void", ["ROUND-042"], 3).commit(5, 0, 1, 2)
    t.next(16, 2).voided()
    t.commit(17, 0, 1, 2).see(commit_deadline=31, phase="COMMIT").have(32, 0, [0, 1, 2])
    t.have(33, 1, [0, 1])
    t.see(closed=32, exchange_deadline=46, last_post=49).next(50, 1).again()
    t.see(attempt=1, roster=[0, 1], exchange_deadline=78, last_post=81).attest(60, 0, 1)
    yield t.see(consecutive_voids=0)


def averages():
    quick = dict(commit_blocks=20, exchange_blocks=20)

    t = Trace("averages-fall", ["ROUND-061", "ROUND-062", "LEDGER-017"], 2, **quick)
    t.commit(4, 0, 1).see(commit_deadline=65, exchange_deadline=65)
    t.attest(6, 0, 1)
    t.see(commit_average=(7 * 5120 + 512) // 8, exchange_average=(7 * 5120 + 512) // 8).sealed()
    t.commit(7, 0, 1).attest(7, 0, 1).see(commit_average=4008, exchange_average=3976).sealed()
    yield t.commit(9, 0, 1).see(commit_deadline=9 + 1 + 46, exchange_deadline=9 + 1 + 46)

    t = Trace("commit-average-rises", ["ROUND-062", "LEDGER-017"], 2)
    t.commit(50, 0).commit(102, 1).attest(103, 0, 1)
    t.see(commit_average=(7 * 512 + 25600) // 8, exchange_average=480)
    yield t.sealed().commit(110, 0, 1).see(commit_deadline=110 + 1 + 42)

    t = Trace("exchange-average-does-not-rise-in-attempt-0", ["ROUND-062", "LEDGER-017"], 2)
    yield t.commit(5, 0, 1).attest(14, 0).attest(90, 1).see(exchange_average=512)

    t = Trace("exchange-average-rises-in-attempt-1", ["ROUND-062", "LEDGER-017"], 3).commit(
        5, 0, 1, 2
    )
    t.have(12, 0, [0, 1]).have(12, 1, [0, 1]).next(16, 2).again()
    yield t.attest(26, 0, 1).see(exchange_average=(7 * 512 + 2560) // 8)

    t = (
        Trace("exchange-average-rises-after-a-void", ["ROUND-062", "LEDGER-017"], 2)
        .commit(5, 0, 1)
        .next(16, 1)
    )
    t.voided()
    t.commit(17, 0, 1).look(32).see(closed=32).attest(42, 0, 1)
    t.see(exchange_average=(7 * 512 + 2560) // 8).sealed()
    t.commit(43, 0, 1).attest(80, 0, 1).see(exchange_average=768)
    yield t

    t = Trace("averages-do-not-learn-from-a-void", ["ROUND-062", "LEDGER-017"], 2).commit(50, 0, 1)
    yield t.next(61, 1).see(commit_average=512, exchange_average=512)


def lengths():
    t = Trace("window-not-below-lo", ["ROUND-061"], 2, lo=30, depth=4)
    yield t.commit(5, 0).commit(9, 1).see(commit_deadline=43, exchange_deadline=43, last_post=77)

    t = Trace(
        "window-not-above-hi",
        ["ROUND-061"],
        3,
        commit_blocks=1000,
        exchange_blocks=35,
        hi=104,
        depth=0,
    )
    t.commit(5, 0, 1).see(commit_deadline=109).commit(6, 2)
    yield t.see(exchange_deadline=110, last_post=112)

    t = Trace("window-rounds-down", ["ROUND-061"], 2, commit_blocks=1, exchange_blocks=1, lo=1)
    t.commit(3, 0, 1).attest(3, 0, 1).see(commit_average=256, exchange_average=224).sealed()
    yield t.commit(3, 0, 1).see(exchange_deadline=3 + 1 + 2, commit_deadline=3 + 1 + 3)
