"""Invariants of the contracts under arbitrary calls on a real EVM, after stories and without."""

import pytest
from contract_machine import ContractMachine
from contract_stories import STORIES
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

LONG = ("objections", "mesh")  # of many rounds: told once more and no oftener
# what the stories must get to, else the invariants say little
REACHED = {
    "Genesis",
    "NoGenesis",
    "GenesisStands",
    "NotAllowed",
    "Committed",
    "AlreadyCommitted",
    "EnrolledTooLate",
    "CommitClosed",
    "Had",
    "AlreadyPosted",
    "Attested",
    "AlreadyAttested",
    "NotInRoster",
    "Sealed",
    "AttemptOpened",
    "Voided",
    "TooEarly",
    "WrongRound",
    "WrongAttempt",
    "WrongPhase",
    "WrongBase",
    "Joined",
    "StopVoted",
    "Stopped",
    "Finished",
    "RunIsFinished",
    "Enrolled",
    "NotEnrolled",
    "NotInvited",
    "AlreadyEnrolled",
    "Revoked",
    "MemberRevoked",
    "AlreadyRevoked",
    "Rotated",
    "EpochTooLow",
    "NotOptimistic",
    "AlreadyObjected",
    "MeshUntil",
    "FaultVoted",
    "OwnFault",
    "Excluded",
    "MemberExcluded",
    "Barred",
    "OwnableUnauthorizedAccount",
    "HandedOver",
    "Voted",
    "Retracted",
    "NoVote",
    "Objected counts",
    "Objected in vain",
    "Invited by votes",
    "Revoked by votes",
    "RunAttached by votes",
    "RunDetached by votes",
}


@pytest.mark.timeout(200)  # every call runs on an EVM in Python
def test_stories__keep_the_invariants_and_get_to_every_outcome() -> None:
    ContractMachine.reached.clear()
    for story in STORIES.values():
        machine = ContractMachine(story)
        machine.begin(story)
        machine.everything_holds()
    reached = set(ContractMachine.reached)
    assert reached >= REACHED, REACHED - reached


@pytest.mark.timeout(600)  # Hypothesis would take the suite's timeout for a failure and shrink
@pytest.mark.parametrize(
    ("name", "examples"), [(None, 8), *((name, 2 - (name in LONG)) for name in STORIES)]
)
def test_arbitrary_calls__keep_the_invariants_after_any_story(
    name: str | None, examples: int
) -> None:
    run_state_machine_as_test(
        lambda: ContractMachine(STORIES[name] if name else None),
        settings=settings(
            derandomize=True,
            database=None,
            deadline=None,
            max_examples=examples,
            stateful_step_count=20,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
