"""Invariants of the contract under arbitrary calls on a real EVM; every run plays the same ones."""

import pytest
from contract_machine import ContractMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

# what the calls must get to, else the invariants say little
REACHED = {
    "Committed",
    "CommitClosed",
    "Had",
    "Attested",
    "Sealed",
    "AttemptOpened",
    "Voided",
    "Joined",
    "Enrolled",
    "NotEnrolled",
    "WrongRound",
    "WrongPhase",
}


@pytest.mark.timeout(600)  # Hypothesis would take the suite's timeout for a failure and shrink
def test_run__keeps_its_invariants_under_arbitrary_calls() -> None:
    ContractMachine.reached.clear()
    run_state_machine_as_test(
        ContractMachine,
        settings=settings(
            derandomize=True,
            database=None,
            deadline=None,
            max_examples=25,
            stateful_step_count=40,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert ContractMachine.reached.keys() >= REACHED, REACHED - ContractMachine.reached.keys()
