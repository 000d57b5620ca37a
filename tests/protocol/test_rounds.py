from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import LocalProtocolError
from swarmp2p.protocol.rounds import (
    TABLE,
    Event,
    Exchange,
    Facts,
    Merge,
    PostAttest,
    PostCommit,
    PostHave,
    PostJoin,
    PostNextAttempt,
    RoundMachine,
    RoundOver,
    RoundPhase,
    State,
)

ME, TWO, THREE, FOUR = (bytes([n]) * 32 for n in (1, 2, 3, 4))
ALL = (ME, TWO, THREE, FOUR)
FIVE = b"\x05" * 32
BASE, ROOT = b"b" * 32, b"r" * 32


def facts(**changes):
    plain = Facts(
        me=ME,
        me_holds_key=True,
        head=10,
        round=1,
        attempt=0,
        phase=RoundPhase.COMMIT,
        base=BASE,
        roster=(),
        committed=frozenset(),
        attested=frozenset(),
        had=frozenset(),
        exchange_deadline=0,
        last_post=0,
        ever_sealed=False,
        me_live=True,
        me_active=True,
        rank=0,
        finished=False,
        live=ALL,
    )
    return replace(plain, **changes)


def in_attempt(**changes):
    given_ = {"roster": ALL, "exchange_deadline": 20, "last_post": 24, **changes}
    return facts(phase=RoundPhase.ATTEMPT, committed=frozenset(ALL), **given_)


def exchanging():
    machine = RoundMachine()
    machine.advance(facts())
    machine.hand_in(1)
    machine.advance(in_attempt())
    assert machine.state is State.EXCHANGING
    return machine


def test_a_round__runs_through_in_order_when_nothing_fails():
    machine = RoundMachine()
    assert machine.advance(facts()) == []
    assert machine.hand_in(1) == [PostCommit(1, BASE)]
    assert machine.advance(facts()) == []  # posted once
    assert machine.advance(facts(committed=frozenset({ME}))) == []
    assert machine.state is State.COMMITTED
    assert machine.advance(in_attempt()) == [Exchange(1, 0, ALL)]
    assert machine.note_held(1, TWO) == []
    assert machine.note_held(1, THREE) == []
    assert machine.note_held(1, FOUR) == [Merge(1, 0, ALL)]
    assert machine.note_merged(1, 0, ROOT) == [PostAttest(1, 0, ROOT)]
    assert machine.advance(in_attempt(attested=frozenset({ME}))) == []
    assert machine.advance(facts(round=2)) == [RoundOver(1)]
    assert machine.state is State.TRAINING


def test_hand_in__raises_and_changes_nothing_twice():
    machine = RoundMachine()
    machine.advance(facts())
    machine.hand_in(1)
    with pytest.raises(LocalProtocolError):
        machine.hand_in(1)
    assert machine.state is State.READY


def test_hand_in__raises_for_a_round_that_is_not_open():
    machine = RoundMachine()
    machine.advance(facts())
    with pytest.raises(LocalProtocolError):
        machine.hand_in(2)
    assert machine.state is State.TRAINING


def test_commit__is_not_posted_by_a_revoked_peer():
    machine = RoundMachine()
    machine.advance(facts(me_live=False))
    assert machine.hand_in(1) == []


def test_commit__is_asked_for_again_after_the_post_failed():
    machine = RoundMachine()
    machine.advance(facts())
    (step,) = machine.hand_in(1)
    machine.forget(step)
    assert machine.advance(facts(head=11)) == [PostCommit(1, BASE)]


def test_phases__may_be_skipped_between_two_looks_at_the_chain():
    machine = RoundMachine()
    machine.advance(facts())
    machine.hand_in(1)
    assert machine.advance(in_attempt()) == [Exchange(1, 0, ALL)]


def test_a_late_peer__stays_outside_until_the_round_is_over():
    machine = RoundMachine()
    machine.advance(facts())
    machine.hand_in(1)
    others = (TWO, THREE, FOUR)
    assert machine.advance(in_attempt(roster=others)) == []
    assert machine.state is State.OUTSIDE
    assert machine.advance(facts(round=2)) == [RoundOver(1)]


def test_have__is_posted_once_at_the_exchange_deadline():
    machine = exchanging()
    machine.note_held(1, TWO)
    assert machine.advance(in_attempt(head=19)) == []
    assert machine.advance(in_attempt(head=20)) == [PostHave(1, 0, frozenset({ME, TWO}))]
    machine.note_held(1, THREE)
    assert machine.advance(in_attempt(head=21)) == []


def test_have__is_asked_for_again_after_the_post_failed():
    machine = exchanging()
    (step,) = machine.advance(in_attempt(head=20))
    machine.forget(step)
    assert machine.advance(in_attempt(head=21)) == [PostHave(1, 0, frozenset({ME}))]


def test_attest__still_follows_a_have_when_the_rest_arrives_late():
    machine = exchanging()
    machine.advance(in_attempt(head=20))
    for peer in (TWO, THREE):
        machine.note_held(1, peer)
    assert machine.note_held(1, FOUR) == [Merge(1, 0, ALL)]
    assert machine.note_merged(1, 0, ROOT) == [PostAttest(1, 0, ROOT)]


def test_next_attempt__waits_for_its_rank():
    machine = exchanging()
    late = {"had": frozenset(ALL), "rank": 2}
    assert machine.advance(in_attempt(head=26, **late)) == []
    assert machine.advance(in_attempt(head=27, **late)) == [PostNextAttempt(1, 0)]


def test_next_attempt__merges_at_once_what_is_already_held():
    machine = exchanging()
    machine.note_held(1, TWO)
    machine.note_held(1, THREE)
    smaller = (ME, TWO, THREE)
    steps = machine.advance(in_attempt(attempt=1, roster=smaller))
    assert steps == [Exchange(1, 1, smaller), Merge(1, 1, smaller)]


def test_a_merge__that_ends_after_the_next_attempt_began_is_dropped():
    machine = exchanging()
    for peer in (TWO, THREE, FOUR):
        machine.note_held(1, peer)
    machine.advance(in_attempt(attempt=1, roster=(ME, TWO, THREE)))
    assert machine.note_merged(1, 0, ROOT) == []


def test_a_peer_that_leaves_the_roster__is_outside():
    machine = exchanging()
    assert machine.advance(in_attempt(attempt=1, roster=(TWO, THREE, FOUR))) == []
    assert machine.state is State.OUTSIDE


def test_join__is_asked_once_a_round_by_a_peer_no_longer_waited_for():
    machine = RoundMachine()
    idle = {"ever_sealed": True, "me_active": False}
    assert machine.advance(facts(**idle)) == [PostJoin()]
    assert machine.advance(facts(head=11, **idle)) == []
    assert machine.advance(facts(round=2, **idle)) == [PostJoin()]


def test_a_finished_run__ends_the_round_in_hand():
    machine = exchanging()
    assert machine.advance(in_attempt(finished=True)) == [RoundOver(1)]


def test_waiting_for__names_those_whose_updates_are_missing():
    machine = exchanging()
    machine.note_held(1, TWO)
    assert machine.waiting_for() == ("updates", frozenset({THREE, FOUR}))


def test_the_table__has_no_state_without_a_way_back_to_training():
    reach = {State.TRAINING}
    while True:
        more = {before for (before, _), after in TABLE.items() if after in reach} - reach
        if not more:
            break
        reach |= more
    assert reach == set(State)


_PHASES = st.sampled_from([RoundPhase.COMMIT, RoundPhase.ATTEMPT])
_SOME = st.frozensets(st.sampled_from(ALL))


@st.composite
def any_facts(draw):
    return facts(
        head=draw(st.integers(0, 60)),
        round=draw(st.integers(1, 3)),
        attempt=draw(st.integers(0, 2)),
        phase=draw(_PHASES),
        roster=tuple(sorted(draw(_SOME))),
        committed=draw(_SOME),
        attested=draw(_SOME),
        had=draw(_SOME),
        exchange_deadline=20,
        last_post=30,
        ever_sealed=draw(st.booleans()),
        me_live=draw(st.booleans()),
        me_active=draw(st.booleans()),
        rank=draw(st.integers(0, 3)),
        finished=draw(st.booleans()),
    )


@given(st.lists(st.one_of(any_facts(), st.sampled_from(ALL), st.just("hand in")), max_size=30))
def test_any_history__never_posts_two_attests_for_one_slot_and_never_breaks(history):
    """S1 at the machine's level: one attest per round and attempt, whatever the chain shows."""
    machine, attested = RoundMachine(), set()
    for item in history:
        try:
            if item == "hand in":
                steps = machine.hand_in(machine._facts.round if machine._facts else 0)
                attested.clear()
            elif isinstance(item, bytes):
                steps = machine.note_held(machine.round, item)
            else:
                steps = machine.advance(item)
        except LocalProtocolError:
            assert item == "hand in"
            continue
        for step in steps:
            if isinstance(step, Merge):
                for post in machine.note_merged(step.round, step.attempt, ROOT):
                    assert isinstance(post, PostAttest)
                    assert (post.round, post.attempt) not in attested
                    attested.add((post.round, post.attempt))


def test_an_illegal_event__raises_and_changes_nothing():
    machine = RoundMachine()
    with pytest.raises(LocalProtocolError):
        machine.fire(Event.MERGE_COMPUTED)
    assert machine.state is State.TRAINING


def test_without_its_key_of_the_round__a_node_commits_nothing_and_waits_for_the_next():
    machine = RoundMachine()
    rotated = facts(me_holds_key=False)
    machine.advance(rotated)
    assert machine.hand_in(1) == []
    assert machine.advance(replace(rotated, head=99)) == []
    assert machine.advance(in_attempt(roster=ALL[1:], me_holds_key=False)) == []
    assert machine.state is State.OUTSIDE
    assert machine.advance(facts(round=2, me=FIVE)) == [RoundOver(1)]
    assert machine.hand_in(2) == [PostCommit(2, BASE)]


def test_a_node_that_rotated_after_its_commit__still_takes_its_part():
    machine = RoundMachine()
    machine.advance(facts(me_holds_key=False, committed=frozenset({ME})))
    machine.hand_in(1)
    assert machine.advance(in_attempt(me_holds_key=False)) == [Exchange(1, 0, ALL)]
    for peer in ALL[1:]:
        steps = machine.note_held(1, peer)
    assert steps == [Merge(1, 0, ALL)]
    assert machine.note_merged(1, 0, ROOT) == [PostAttest(1, 0, ROOT)]


def test_a_peer_that_is_live_no_more__posts_nothing():
    machine = exchanging()
    assert machine.advance(in_attempt(head=21, me_live=False)) == []
    for peer in ALL[1:]:
        machine.note_held(1, peer)
    assert machine.note_merged(1, 0, ROOT) == []
