"""Which of a member's keys counts in which round (ID-025)."""

import pytest

from swarmp2p.ledger.interface import Member, MemberKey
from swarmp2p.target.identity import OPERATIONS

KEYS = tuple(
    MemberKey(bytes([n]) * 32, n, since, bytes(64)) for n, since in ((1, 5), (2, 9), (7, 9))
)
MEMBER = Member(3, bytes(20), 5, 0, (), KEYS)


@pytest.mark.parametrize(
    ("frozen", "epoch"), [(0, 7), (4, 1), (5, 1), (8, 1), (9, 7), (10, 7), (2**64 - 1, 7)]
)
def test_the_key_of_a_round__is_the_newest_not_younger_than_it_or_the_first(
    frozen: int, epoch: int
) -> None:
    assert MEMBER.key_at(frozen).epoch == epoch
    rows = [{"key": k.peer.hex(), "key_epoch": str(k.epoch), "since": str(k.since)} for k in KEYS]
    answer = OPERATIONS["enrolment.key"]({"keys": rows, "frozen": str(frozen)})
    assert answer == {"key": bytes([epoch]).hex() * 32, "key_epoch": str(epoch)}


def test_the_current_key__is_the_last_whatever_the_round() -> None:
    assert (MEMBER.peer, MEMBER.key_epoch) == (KEYS[2].peer, 7)
    assert all(MEMBER.had(key.peer) for key in KEYS)
    assert not MEMBER.had(bytes(32))
