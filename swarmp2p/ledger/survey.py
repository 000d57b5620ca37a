"""What a chain says of a run and its registry at one final block. Blocking; needs no account."""

from dataclasses import dataclass

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from swarmp2p.ledger.changes import Look
from swarmp2p.ledger.events import OpenVote, read_open_votes
from swarmp2p.ledger.governance import Standing, read_standing
from swarmp2p.ledger.interface import RunTerms
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.ledger.views import RunReader
from swarmp2p.ledger.watch import Watcher, first_vote_block

_GOVERNED = {
    bytes(keccak(text=f"{name}({','.join(kinds)})"))[:4]: (name, kinds)
    for name, kinds in {
        "invite": ("address", "bytes32"),
        "revoke": ("uint256",),
        "attachRun": ("address",),
        "detachRun": ("address",),
    }.items()
}


@dataclass(frozen=True, slots=True)
class Survey:
    """A run's terms and its state at `look.view.block`; who governs, and open votes on calls."""

    terms: RunTerms
    look: Look
    standing: Standing
    votes: tuple[OpenVote, ...]


def read_survey(rpc: RpcClient, reader: RunReader) -> Survey:
    """The run of `reader` at its last final block."""
    look = Watcher(rpc, reader).look
    number = look.view.block.number
    registry = reader.terms.registry
    standing = read_standing(rpc, registry, number)
    votes: tuple[OpenVote, ...] = ()
    if standing.handed_over:
        blocks = range(first_vote_block(look.view), number + 1)
        votes = read_open_votes(rpc, registry, blocks, standing)
    return Survey(reader.terms, look, standing, votes)


def call_text(data: bytes) -> str:
    """A governed call in words; its bytes in hexadecimal where it is none that we know."""
    name, kinds = _GOVERNED.get(data[:4], ("", ()))
    try:
        values = decode(kinds, data[4:])
    except (DecodingError, OverflowError, ValueError):
        name = ""
    if not name:
        return "0x" + data.hex()
    shown = ("0x" + value.hex() if isinstance(value, bytes) else str(value) for value in values)
    return f"{name}({', '.join(shown)})"
