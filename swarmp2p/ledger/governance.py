"""Calls that a registry's owner makes or, once it has handed over, its members vote for. Blocking.

LEDGER-007: a member's call is a vote for exactly that call; with the vote that makes a quorum it
takes effect. Each function connects, sends, and returns when the transaction is mined.
"""

import time
from dataclasses import dataclass

from eth_utils.crypto import keccak

from swarmp2p.errors import LocalProtocolError
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.deploy import Desk, Pause, open_desk
from swarmp2p.ledger.rpc import RpcClient, hexed, quantity
from swarmp2p.ledger.signer import Signer
from swarmp2p.ledger.verify import verify_code
from swarmp2p.ledger.views import indices, view_call

NOBODY = bytes(20)
_REGISTRY = "SwarmRegistry"


@dataclass(frozen=True, slots=True)
class Standing:
    """Who governs a registry as of a block: its owner, or q(live) of its live members.

    `owner` has 20 bytes, zeros after the hand-over; `live` holds indices, `runs` the 20-byte
    addresses of the runs that are told of enrolments and revocations.
    """

    owner: bytes
    live: frozenset[int]
    runs: tuple[bytes, ...]

    @property
    def handed_over(self) -> bool:
        """Whether members govern."""
        return self.owner == NOBODY

    @property
    def needed(self) -> int:
        """Votes that a call of members needs."""
        return quorum(len(self.live))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a governed call came to.

    Until it has `passed`, the votes of the live members `voters` stand behind it, `needed` of them
    are enough, and `vote` (32 bytes) is what `retract` takes.
    """

    passed: bool
    vote: bytes
    voters: frozenset[int]
    needed: int


def quorum(n: int) -> int:
    """q(n) of spec/08-rounds: two thirds, rounded up."""
    return (2 * n + 2) // 3


def read_standing(rpc: RpcClient, registry: bytes, block: int) -> Standing:
    """Who governs as of a block."""
    abi = contract_abi(_REGISTRY)
    (owner,) = view_call(rpc, registry, abi, "owner", (), block)
    (live,) = view_call(rpc, registry, abi, "liveBits", (), block)
    (runs,) = view_call(rpc, registry, abi, "attachedRuns", (), block)
    return Standing(owner, indices(live), runs)


def govern(
    url: str,
    key: bytes | Signer,
    registry: bytes,
    function: str,
    arguments: tuple[object, ...],
    *,
    pause: Pause = time.sleep,
) -> Outcome:
    """Make a governed call: at once as the owner, as a vote as a member.

    Raises TransactionRevertedError where it would be refused; then nothing was sent.
    """
    with open_desk(url, key, pause=pause) as desk:
        verify_code(desk.rpc, registry, _REGISTRY)
        data = contract_abi(_REGISTRY).call_data(function, *arguments)
        block = desk.call(_REGISTRY, registry, function, *arguments)
        return _outcome(desk, registry, bytes(keccak(data)), block)


def retract(
    url: str, key: bytes | Signer, registry: bytes, vote: bytes, *, pause: Pause = time.sleep
) -> None:
    """Take the sender's vote back. `vote` is Outcome.vote. Raises as `govern` does."""
    if len(vote) != 32:
        raise LocalProtocolError(f"a vote is named by 32 bytes, not {len(vote)}")
    with open_desk(url, key, pause=pause) as desk:
        desk.call(_REGISTRY, registry, "retract", vote)


def hand_over(
    url: str, key: bytes | Signer, registry: bytes, *, pause: Pause = time.sleep
) -> Standing:
    """Hand the registry over to its members, for good. Raises as `govern` does."""
    with open_desk(url, key, pause=pause) as desk:
        block = desk.call(_REGISTRY, registry, "renounceOwnership")
        return read_standing(desk.rpc, registry, block)


def _outcome(desk: Desk, registry: bytes, vote: bytes, block: int) -> Outcome:
    """As the block left it: a vote of the sender's that stands says that the call did not pass."""
    standing = read_standing(desk.rpc, registry, block)
    abi = contract_abi(_REGISTRY)
    (bits,) = view_call(desk.rpc, registry, abi, "votes", (vote,), block)
    passed = True
    if standing.handed_over:
        account = hexed(desk.sender.account)
        (index,) = view_call(desk.rpc, registry, abi, "indexOf", (account,), block)
        passed = index not in indices(bits)
    return Outcome(passed, vote, indices(bits) & standing.live, standing.needed)


def head(rpc: RpcClient) -> int:
    """Number of the newest block."""
    return quantity(rpc.call("eth_blockNumber"))
