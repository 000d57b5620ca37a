"""What the simulator's contract refuses as the chain's does, one fault at a time."""

import pytest

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.sim.contract import RunContract
from swarmp2p.sim.numbers import ZERO, ContractTerms

ROOT, OTHER = b"r" * 32, b"o" * 32


def contract(*, opened=True, committed=False, **terms):
    run = RunContract(ContractTerms(**terms), {0, 1, 2})
    run.tick()
    if opened:
        run.genesis(ROOT, owner=True)
    if committed:
        for who in range(3):
            run.commit(who, 1, OTHER, 1, ROOT)
    return run


def refuses(reason, call, *arguments, **more):
    with pytest.raises(TransactionRevertedError) as caught:
        call(*arguments, **more)
    assert caught.value.reason == reason


def test_genesis__is_the_owners_or_a_members_where_the_root_is_fixed():
    refuses("NotAllowed", contract(opened=False).genesis, ROOT, owner=False, who=0)
    fixed = contract(opened=False, init_root=ROOT)
    refuses("NotAllowed", fixed.genesis, ROOT, owner=False, who=7)
    refuses("WrongInitRoot", fixed.genesis, OTHER, owner=False, who=0)
    refuses("WrongInitRoot", fixed.genesis, OTHER, owner=True)
    refuses("ZeroRoot", fixed.genesis, ZERO, owner=True)
    fixed.genesis(ROOT, owner=False, who=2)
    refuses("GenesisStands", fixed.genesis, ROOT, owner=True)


def test_commit__is_refused_with_a_zero_or_for_a_later_attempt():
    run = contract()
    refuses("ZeroCommitment", run.commit, 0, 1, ZERO, 1, ROOT)
    refuses("ZeroWeight", run.commit, 0, 1, OTHER, 0, ROOT)
    refuses("WrongAttempt", run.commit, 0, 1, OTHER, 1, ROOT, attempt=1)
    assert not run.view().commits


def test_attest__of_a_zero_root_is_refused():
    run = contract(committed=True)
    refuses("ZeroRoot", run.attest, 0, 1, 0, ZERO, ZERO)


def test_have__drops_bits_outside_the_roster():
    run = contract(committed=True)
    run.have(0, 1, 0, 0b1111_0011)
    assert run.view().haves == {0: 0b011}


def test_a_run_without_a_last_round__goes_on_after_a_seal():
    run = contract(committed=True, last_round=0)
    for who in range(2):
        run.attest(who, 1, 0, OTHER, ZERO)
    assert not run.finished
    assert run.view().round == 2
