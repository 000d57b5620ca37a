"""How a swarm gets to what arbitrary calls seldom reach: openings that are told to the end.

A story fixes the run's terms and makes calls by the machine's rules; at each `yield` the judge
looks. A story draws nothing: what it gets to, it gets to every time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contract_machine import ContractMachine

Telling = Iterator[None]
ANYBODY = 0b111_1111


@dataclass(frozen=True)
class Story:
    """Calls that open a game, and the terms of the run they are made for."""

    tell: Callable[["ContractMachine"], Telling]
    enrolled: int
    topology: int = 0
    last: int = 0
    genesis: bool = True
    least: int = 0  # commits; 0: the default


def commit(machine: "ContractMachine", peers: int = ANYBODY) -> Telling:
    """These commit, and COMMIT ends."""
    machine.commit(peers, 0, 0, 1, 0)
    yield
    if machine.view["phase"] == 0:
        machine.mine_to_the_end_of_the_phase(1)
        yield


def seal(machine: "ContractMachine") -> Telling:
    """All attest the same."""
    machine.attest(ANYBODY, 0, 0, "right", 0)
    yield


def of_windows(machine: "ContractMachine") -> Telling:
    """Each thing too early, too late, twice or of the wrong one; then the last round."""
    machine.commit(0b0001, 0, 0, 1, 0)
    machine.genesis(0, owner=False)
    yield
    machine.genesis(0, owner=True)
    machine.genesis(0, owner=True)
    yield
    for off, attempt, wrong in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0), (0, 0, 0)):
        machine.commit(0b0001, off, attempt, 1, wrong)
        yield
    machine.attest(0b0001, 0, 0, "right", 0)
    machine.next_attempt(0, 0, 0)
    machine.join(3)
    yield
    machine.commit(0b0110, 0, 0, 1, 0)  # three of four: the clock runs
    machine.enrol(4)
    yield
    machine.commit(0b1_0000, 0, 0, 1, 0)
    machine.mine_to_the_end_of_the_phase(1)
    yield
    for _ in range(2):
        machine.have(0b1001, 0, 0, 0b111)
        machine.attest(0b1010, 0, 0, "right", 0)
        machine.next_attempt(0, 0, 0)
        yield
    yield from seal(machine)
    yield from commit(machine)
    yield from seal(machine)
    machine.commit(ANYBODY, 0, 0, 1, 0)
    machine.join(0)
    yield


def of_silence(machine: "ContractMachine") -> Telling:
    """One does not post and is dropped; then nobody posts, and rounds are void."""
    yield from commit(machine)
    machine.have(0b01111, 0, 0, ANYBODY)
    machine.mine_to_the_end_of_the_phase(0)
    machine.next_attempt(0, 0, 0)
    yield
    machine.mine(1)
    machine.next_attempt(4, 0, 0)
    yield
    machine.attest(0b10000, 0, 0, "right", 0)
    machine.attest(0b00011, 0, 0, "right", 0)
    machine.attest(0b01100, 0, 0, "wrong", 0)
    yield
    for _ in range(2):
        machine.mine_to_the_end_of_the_phase(1)
        machine.next_attempt(0, 0, 0)
        yield
    yield from commit(machine)
    machine.mine_to_the_end_of_the_phase(1)
    machine.next_attempt(0, 0, 0)
    yield
    yield from commit(machine)
    yield from seal(machine)


def of_a_stop(machine: "ContractMachine") -> Telling:
    """Members vote to stop one after another, one of them twice."""
    yield from commit(machine)
    for peer in (0, 0, 1):
        machine.vote_stop(peer, 0)
        yield
    yield from seal(machine)
    machine.vote_stop(2, 0)
    yield
    machine.commit(ANYBODY, 0, 0, 1, 0)
    machine.vote_stop(3, 0)
    machine.revoke(0, 3, owner=True, really=0)
    machine.enrol(4)
    yield


def of_objections(machine: "ContractMachine") -> Telling:
    """Rights are used up, three of seven doubt, the run is a mesh for a while."""
    for objecting in (0b01, 0b01, 0b11):
        yield from commit(machine)
        machine.object(objecting, 0, 0)
        machine.object(objecting, 0, 0)
        yield
        yield from seal(machine)
    yield from commit(machine)
    machine.object(0b111, 0, 0)
    yield
    yield from seal(machine)
    yield from commit(machine)
    machine.object(0b1000, 0, 0)
    yield
    yield from seal(machine)


def of_a_mesh(machine: "ContractMachine") -> Telling:
    """Two of four doubt; objections are refused for ten rounds, and taken in the one after."""
    for number in range(1, 14):
        yield from commit(machine)
        if number in (1, 2, 3, 12, 13):
            machine.object(1 << number % 2, 0, 0)
            yield
        yield from seal(machine)


def of_faults(machine: "ContractMachine") -> Telling:
    """A quorum bars one member and excludes another in the middle of an attempt."""
    yield from commit(machine)
    machine.object(0b00100, 0, 0)
    yield
    machine.vote_fault(ANYBODY, 3, 2, 0, 0)
    yield
    machine.vote_fault(0b00111, 4, 1, 0, 0)
    machine.revoke(1, 1, owner=True, really=0)  # two of four are left behind the vote
    yield
    machine.vote_fault(0b00001, 4, 1, 0, 0)
    yield
    machine.vote_fault(0b01000, 4, 1, 0, 0)
    yield
    machine.attest(0b10010, 0, 0, "right", 0)  # excluded and revoked, and still in the roster
    machine.have(0b10010, 0, 0, ANYBODY)
    machine.next_attempt(4, 0, 0)
    machine.join(4)
    machine.vote_stop(4, 0)
    machine.vote_fault(0b10000, 0, 1, 0, 0)
    yield
    yield from seal(machine)
    for last in (False, True):  # a round in the mesh that the bar made, then a later bar
        yield from commit(machine)
        machine.object(0b00001, 0, 0)
        machine.vote_fault(ANYBODY, 2, 2, 0, 0 if last else 1)
        yield
        yield from seal(machine)


def of_members(machine: "ContractMachine") -> Telling:
    """Keys are rotated, the owner hands over, and a quorum of the members governs."""
    for epoch, of in ((1, None), (1, None), (3, 0), (3, 2), (3, None), (3, 6), (2, None)):
        machine.rotate(1, epoch, of)
        machine.rotate(1, epoch, of)
        yield
    machine.govern(0b1, "invite", 5, 0)
    machine.revoke(0, 4, owner=True, really=0)
    machine.rotate(4, 1, None)
    machine.commit(0b10000, 0, 0, 1, 0)
    machine.hand_over(0, owner=False, really=0)
    machine.hand_over(0, owner=True, really=0)
    yield
    machine.enrol(5)  # by the owner that was
    machine.revoke(0, 3, owner=True, really=0)
    machine.govern(0b10011, "invite", 5, 0)  # of them one is revoked
    machine.govern(0b00001, "invite", 5, 0)
    machine.take_up(5)
    yield
    machine.retract(1, "invite", 5)
    machine.retract(1, "invite", 5)
    machine.govern(0b00100, "invite", 5, 0)
    machine.take_up(5)
    yield
    machine.govern(0b01000, "invite", 5, 0)
    machine.take_up(5)
    yield
    for function in ("detachRun", "attachRun"):
        for peer in range(4):
            machine.govern(1 << peer, function, 0, 0)
            yield
    machine.govern(0b00011, "revoke", 3, 0)
    machine.revoke(1, 1, owner=False, really=0)  # its vote counts no more
    machine.govern(0b00100, "revoke", 3, 0)
    yield
    machine.govern(0b100000, "revoke", 3, 0)
    yield


STORIES = {
    "windows": Story(of_windows, 4, last=2, genesis=False),
    "silence": Story(of_silence, 5),
    "stop": Story(of_a_stop, 4),
    "objections": Story(of_objections, 7, topology=1),
    "mesh": Story(of_a_mesh, 4, topology=2),
    "faults": Story(of_faults, 5, topology=2),
    "members": Story(of_members, 5),
}
