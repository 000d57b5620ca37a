"""Cases of run.trace: peers enrolled and revoked in every phase (ROUND-013 to ROUND-018)."""

from trace_building import GENESIS, Trace


def traces():
    yield from revocations()
    yield from revocations_in_attempts()
    yield from chosen_numbers()
    yield from enrolments()
    yield from nobody()


def revocations():
    t = Trace("revoked-before-genesis", ["LEDGER-003"]).enrol(1).enrol(1).enrol(1)
    t.by(1, "revoke", 1)
    t.by(2, "revoke", 1, bad=True).by(2, "revoke", 9, bad=True)
    t.step(2, "genesis", by="owner", root=GENESIS)
    t.see(live=[0, 2], enrolled=2).commit(3, 1, bad=True)
    yield t.commit(3, 0, 2).see(phase="ATTEMPT", roster=[0, 2], enrolled=2)

    t = Trace("revocation-reaches-min-peers", ["ROUND-013", "ROUND-018", "LEDGER-004"], 4).commit(
        5, 0, 1
    )
    t.see(frozen=0, min_peers=3)
    t.by(9, "revoke", 3)
    yield t.see(frozen=9, enrolled=3, min_peers=2, commit_deadline=16, phase="COMMIT")

    t = Trace("revocation-reaches-min-peers-and-closes", ["ROUND-013", "ROUND-016"], 4)
    t.commit(5, 0, 1)
    t.by(9, "revoke", 1).see(frozen=9, enrolled=3, min_peers=2, phase="COMMIT", committed=[0, 1])
    t.by(10, "revoke", 2).see(phase="COMMIT").by(11, "revoke", 3)
    yield t.see(closed=11, roster=[0, 1])

    t = Trace("committer-is-revoked-before-the-deadline", ["ROUND-013", "ROUND-016"], 4)
    t.commit(5, 0, 1, 2)
    t.by(6, "revoke", 0).see(phase="COMMIT", committed=[0, 1, 2], enrolled=4, min_peers=3)
    t.commit(7, 3)
    t.see(roster=[0, 1, 2, 3]).attest(8, 0, bad=True).attest(8, 1, 2).see(phase="ATTEMPT")
    yield t.attest(8, 3).see(last_sealed_round=1, active=[1, 2, 3])

    t = Trace("revocation-after-the-deadline", ["ROUND-018", "LEDGER-014"], 4).commit(5, 0, 1, 2)
    yield t.by(14, "revoke", 3).see(closed=13, started=13)


def revocations_in_attempts():
    t = Trace("revoked-in-an-attempt", ["ROUND-041", "LEDGER-011"], 5).commit(5, 0, 1, 2, 3, 4)
    t.attest(7, 0, 1)
    t.by(8, "revoke", 0).attest(9, 0, bad=True).have(9, 0, [0], bad=True).have(12, 2, [0, 1, 2])
    t.have(12, 3, [2, 3])
    t.have(12, 4, [4]).see(attested=[0, 1], had=[2, 3, 4]).next(16, 0, bad=True)
    yield t.next(16, 4).see(attempt=1, roster=[1, 2, 3, 4], enrolled=5)

    t = Trace("attestation-of-the-revoked-counts", ["ROUND-033", "ROUND-041"], 4)
    t.commit(5, 0, 1, 2, 3)
    yield t.attest(7, 0, 1).by(8, "revoke", 0).attest(9, 2).see(last_sealed_round=1, live=[1, 2, 3])

    t = Trace("too-few-after-revocations", ["ROUND-042"], 4).commit(5, 0, 1, 2, 3)
    t.by(6, "revoke", 0, 1)
    t.have(12, 2, [0, 1, 2, 3]).have(12, 3, [0, 1, 2, 3])
    yield t.next(16, 3).see(round=2, consecutive_voids=1, enrolled=2, min_peers=2)


def chosen_numbers():
    t = Trace("revocation-with-a-chosen-number", ["ROUND-013"], 4, min_peers=3).commit(5, 0, 1)
    t.by(6, "revoke", 3)
    t.see(frozen=0, min_peers=3).by(6, "revoke", 2).see(frozen=0).enrol(7).commit(8, 4)
    yield t.see(closed=8)

    t = Trace("chosen-number-below-what-faults-need", ["ROUND-013"], 7, min_peers=2)
    t.see(min_peers=4).commit(5, 0, 1, 2)
    t.see(frozen=0).commit(5, 3).see(frozen=5, min_peers=4).commit(6, 4).look(13)
    yield t.see(roster=[0, 1, 2, 3, 4])


def enrolments():
    t = Trace("enrolment-raises-min-peers", ["ROUND-013", "LEDGER-004"], 3).commit(5, 0).enrol(6)
    t.see(enrolled=4, min_peers=3)
    t.commit(7, 1).see(frozen=0).commit(8, 3).see(frozen=8, phase="COMMIT").commit(9, 2)
    yield t.see(closed=9)

    t = Trace("enrolled-too-late", ["ROUND-014", "ROUND-016"], 3).commit(5, 0, 1).see(frozen=5)
    t.enrol(6)
    t.see(enrolled=3, live=[0, 1, 2, 3], active=[0, 1, 2]).commit(7, 3, bad=True).commit(7, 2)
    t.see(phase="ATTEMPT", closed=7)
    yield t.attest(8, 0, 1).see(round=2, enrolled=4, min_peers=3, active=[0, 1, 2])

    t = Trace("enrolled-in-an-attempt", ["ROUND-014"], 3).commit(5, 0, 1, 2).enrol(6)
    t.attest(7, 3, bad=True)
    t.attest(7, 0).see(enrolled=3).attest(7, 1).sealed().commit(8, 3).commit(8, 0, 1)
    yield t.see(frozen=8, enrolled=4)

    t = Trace("enrolled-in-the-block-of-min-peers", ["ROUND-014", "ROUND-018"], 2).commit(5, 0)
    t.enrol(5)
    t.commit(5, 1).see(frozen=5, enrolled=3, phase="COMMIT").enrol(5).commit(5, 3, bad=True)
    yield t.commit(6, 2).see(closed=6)

    t = Trace("enrolment-after-the-deadline", ["LEDGER-014", "ROUND-018"], 3).commit(5, 0, 1)
    t.enrol(14)
    t.see(closed=13, roster=[0, 1], enrolled=3, live=[0, 1, 2, 3], active=[0, 1, 2])
    yield t.next(23, 3, bad=True).next(24, 3).see(round=2, enrolled=4, active=[0, 1, 2, 3])

    t = Trace("enrolled-after-a-void", ["ROUND-013"], 2).commit(5, 0, 1).next(16, 1).voided()
    t.enrol(17).commit(18, 2, 0)
    t.see(frozen=18, enrolled=3, min_peers=2, commit_deadline=32).commit(19, 1)
    yield t.see(phase="COMMIT").look(33)

    t = Trace("joiner-enrolled-too-late-is-not-active", ["ROUND-014", "ROUND-016"], 3)
    t.commit(5, 0, 1, 2).attest(6, 0, 1).sealed().commit(8, 0, 1).see(frozen=8)
    t.enrol(9).by(9, "join", 3).see(joined=[3], active=[0, 1, 2]).commit(10, 2).see(closed=10)
    yield t.attest(11, 0, 1).see(round=3, joined=[3], active=[0, 1, 2, 3])


def nobody():
    # ROUND-050: nobody's votes are no quorum, though q(0) is 0.
    t = Trace("everyone-revoked-before-commits", ["ROUND-013", "ROUND-050"], 2)
    t.by(3, "revoke", 0, 1).see(live=[], enrolled=0, finished=False)
    yield t.look(400).see(phase="COMMIT", frozen=0, min_peers=2)

    t = Trace("everyone-revoked-after-votes", ["ROUND-050"], 4).by(3, "voteStop", 0)
    t.by(4, "revoke", 1, 0, 2, 3).see(live=[], stop_votes=[0], finished=False).enrol(5)
    yield t.see(finished=False).by(6, "voteStop", 4).see(finished=True, stopped=True)

    t = Trace("everyone-revoked-before-genesis", ["ROUND-002", "ROUND-050"]).enrol(1).enrol(1)
    t.by(2, "revoke", 0).see(finished=False).by(2, "revoke", 1).see(live=[], finished=False)
    yield t.step(3, "genesis", by="owner", root=GENESIS).see(opened=3, finished=False, round=1)

    t = Trace("nobody-live-reaches-nothing", ["ROUND-013"], 3, min_peers=3).commit(5, 0, 1)
    t.by(6, "revoke", 2, 1, 0)
    t.see(frozen=0).enrol(7).see(frozen=0, committed=[0, 1]).commit(8, 3)
    yield t.see(frozen=8, enrolled=1, closed=8)

    t = Trace("everyone-revoked-while-the-deadline-runs", ["ROUND-016", "LEDGER-011"], 3)
    t.commit(5, 0, 1)
    t.by(6, "revoke", 2).see(phase="ATTEMPT", closed=6).by(7, "revoke", 0, 1)
    t.attest(8, 0, bad=True).next(90, 0, bad=True).look(99)
    yield t.see(phase="ATTEMPT", live=[], active=[])

    t = Trace("everyone-revoked-none-active", ["ROUND-016"], 4).commit(5, 0, 1, 2)
    t.by(6, "revoke", 0, 1, 2)
    t.by(6, "revoke", 3).see(phase="COMMIT", active=[]).look(12).see(phase="COMMIT").look(13)
    yield t.see(closed=13)

    t = Trace("a-newcomer-ends-a-round-of-revoked-peers", ["ROUND-040", "ROUND-042"], 2)
    t.commit(5, 0, 1)
    t.by(6, "revoke", 0, 1).enrol(7).next(15, 2, bad=True).next(16, 2)
    t.see(round=2, live=[2], consecutive_voids=1)
    yield t.voided().commit(17, 2).see(frozen=0)
