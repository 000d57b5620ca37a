"""Finds, in the contracts' logs, what no view lists: open votes on calls and on faults. Blocking.

Logs only say what to ask for: how many votes stand is read from the views, at one block.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.governance import Standing
from swarmp2p.ledger.rpc import RpcClient, hexed, octets, quantity
from swarmp2p.ledger.views import indices, view_call

BLOCKS = 1_000  # in one question; endpoints refuse longer ranges, each at its own number
FAULT_VOTED = "FaultVoted(uint256,uint256,uint8,uint64,bytes32)"
VOTED = "Voted(bytes32,uint256,bytes)"
_WORD = 32
_Fault = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class FaultVotes:
    """Votes that member `accused` broke the protocol in `round`. `kind` is one of FaultKind.

    `voters` are indices; `evidence` are the SHA-256 of proofs, as the voters gave them.
    """

    accused: int
    kind: int
    round: int
    voters: frozenset[int]
    passed: bool
    evidence: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class OpenVote:
    """A governed call that has votes and has not passed. `data` is what a vote for it sends."""

    vote: bytes
    data: bytes
    voters: frozenset[int]


def read_fault_votes(
    rpc: RpcClient, run: bytes, blocks: range, known: Sequence[FaultVotes] = ()
) -> tuple[FaultVotes, ...]:
    """Fault votes cast in `blocks`, and those `known` from before, as of the last block."""
    evidence: dict[_Fault, list[bytes]] = {
        (votes.accused, votes.kind, votes.round): list(votes.evidence) for votes in known
    }
    for topics, data in _logs(rpc, run, FAULT_VOTED, blocks, topics=3):
        fault = (_number(topics[1]), _number(data[:_WORD]), _number(data[_WORD : 2 * _WORD]))
        proofs = evidence.setdefault(fault, [])
        if (proof := data[2 * _WORD : 3 * _WORD]) not in proofs:
            proofs.append(proof)
    found = []
    for fault, proofs in sorted(evidence.items()):
        arguments = (fault[0], fault[1], fault[2])
        abi = contract_abi("SwarmRun")
        bits, passed = view_call(rpc, run, abi, "faultVotes", arguments, blocks[-1])
        found.append(FaultVotes(*fault, indices(bits), passed, tuple(proofs)))
    return tuple(found)


def read_open_votes(
    rpc: RpcClient, registry: bytes, blocks: range, standing: Standing
) -> tuple[OpenVote, ...]:
    """The governed calls with votes of live members that have not passed, as of the last block."""
    calls: dict[bytes, bytes] = {}
    for topics, data in _logs(rpc, registry, VOTED, blocks, topics=3):
        size = _number(data[_WORD : 2 * _WORD])
        call = data[2 * _WORD : 2 * _WORD + size]
        if bytes(keccak(call)) == topics[1]:
            calls[topics[1]] = call
    abi = contract_abi("SwarmRegistry")
    found = []
    for vote, call in calls.items():
        (bits,) = view_call(rpc, registry, abi, "votes", (vote,), blocks[-1])
        if voters := indices(bits) & standing.live:
            found.append(OpenVote(vote, call, voters))
    return tuple(found)


def _logs(
    rpc: RpcClient, contract: bytes, signature: str, blocks: range, *, topics: int
) -> Iterator[tuple[list[bytes], bytes]]:
    """(topics, data) of each event of this signature, in order."""
    topic = bytes(keccak(text=signature))
    for first in range(blocks.start, blocks.stop, BLOCKS):
        last = min(first + BLOCKS, blocks.stop) - 1
        query = {
            "address": hexed(contract),
            "topics": [hexed(topic)],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        for log in _rows(rpc.call("eth_getLogs", query)):
            found = [octets(one) for one in _rows(log.get("topics"), of=str)]
            if quantity(log.get("blockNumber")) not in blocks or found[:1] != [topic]:
                raise LedgerUnavailableError(f"chain at {rpc.shown} answered logs not asked for")
            if len(found) == topics:
                yield found, octets(log.get("data"))


def _rows(value: object, of: type = dict) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(row, of) for row in value):
        raise LedgerUnavailableError("the chain answered no list of logs")
    return value


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big")
