"""What the contracts' errors mean to whoever sent the transaction, and what to do about them."""

from collections.abc import Iterator
from contextlib import contextmanager

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.ledger.accounts import checksum
from swarmp2p.ledger.rpc import RpcClient, RpcRefusedError, hexed
from swarmp2p.ledger.views import revert_reason

_WORDS = {
    "AddressesTooLong": "the addresses are too long; announce fewer",
    "AlreadyAttached": "the registry tells this run of its members already",
    "AlreadyEnrolled": (
        "this account or this peer key stands in an enrolment already, perhaps a revoked one; each"
        " enrols once: `swarmp2p ledger status` shows them"
    ),
    "AlreadyRevoked": (
        "the member it names, or the one that sent it, is revoked: `swarmp2p ledger status` shows"
        " who is"
    ),
    "BadProofLength": "an enrolment proof has 64 bytes",
    "BadSettings": "run.toml asks for what no run can keep; correct it and deploy again",
    "EmptyInvitation": "an account or a peer key of zeros cannot be invited",
    "EpochTooLow": "a new key needs a higher epoch; `swarmp2p keys rotate` again to prepare anew",
    "NoVote": "this account has no vote there: `swarmp2p ledger status` shows the votes",
    "NotAllowed": "only the registry's owner, or the member itself, may revoke it",
    "NotARun": "the address holds no run of this registry",
    "NotAttached": "the registry does not tell this run of its members",
    "NotEnrolled": (
        "the sender is no member of this registry: give the account of a site that has enrolled"
    ),
    "NotInvited": (
        "the account holds no invitation for this peer key: hand both to the run's owner for"
        " `swarmp2p ledger invite`, then enrol again"
    ),
    "OwnableUnauthorizedAccount": "only the registry's owner may do this; give the owner's key",
    "TooFewMembers": "members govern only if at least two of them are enrolled and not revoked",
    "TooManyKeys": "this member has had as many keys as one may have; it needs a new enrolment",
    "TooManyMembers": "all places of this registry were given away; deploy a new one",
    "TooManyRuns": "detach a run that has finished first",
    "UnknownIndex": "no member has this index: `swarmp2p ledger status` shows them",
    "ZeroKey": "a peer key is never zero",
}


def explained(error: TransactionRevertedError) -> TransactionRevertedError:
    """The same refusal with what it means and what to do."""
    words = _WORDS.get(error.reason)
    if words is None or words in str(error):
        return error
    return TransactionRevertedError(error.reason, f"{error}; {words}")


def rehearse(rpc: RpcClient, sender: bytes, what: str, to: bytes, data: bytes) -> None:
    """Make a call without sending it, so that what would be refused costs nothing.

    `sender` and `to` have 20 bytes. Raises TransactionRevertedError, its words explained.
    """
    call = {"from": hexed(sender), "to": hexed(to), "data": hexed(data)}
    try:
        rpc.call("eth_call", call, "latest")
    except RpcRefusedError as error:
        name, shown = revert_reason(error.data)
        if not name:
            raise
        refused = f"{what} by {checksum(sender)} was refused: {shown}"
        raise explained(TransactionRevertedError(name, refused)) from None


@contextmanager
def explaining() -> Iterator[None]:
    """Add what a refusal means to one that comes out of the block."""
    try:
        yield
    except TransactionRevertedError as error:
        raise explained(error) from None
