"""What a view of the chain says of this node's own place in the run."""

from swarmp2p.errors import NotEnrolledError
from swarmp2p.ledger.interface import ChainView


def refuse_stranger(view: ChainView, me: bytes) -> None:
    """Raise NotEnrolledError, with what to do, unless `me` is a live member's current key."""
    if view.member(me) is not None:
        return
    holder = view.holder(me)
    if holder is None:
        raise NotEnrolledError(
            f"peer {me.hex()} is not enrolled in this run; ask the run's owner to"
            " `swarmp2p ledger invite` it, then run `swarmp2p ledger enrol`; a new enrolment or key"
            " counts once its block is final"
        )
    if holder.excluded:
        raise NotEnrolledError(
            "the members have excluded this peer from the run for equivocation; it has no part in"
            " the run any more"
        )
    if not holder.live:
        raise NotEnrolledError("this peer's enrolment was revoked; it has no part in the run")
    refuse_ended_key(view, me)


def refuse_ended_key(view: ChainView, me: bytes) -> None:
    """Raise NotEnrolledError where a rotation has ended the key `me`: it signs nothing more."""
    holder = view.holder(me)
    if holder is None or holder.peer == me:
        return
    raise NotEnrolledError(
        f"this site's key was rotated in block {holder.keys[-1].since}, to {holder.peer.hex()}:"
        " the old one is not used again; start the node with the new identity file"
    )


def key_trouble(view: ChainView, me: bytes) -> str:
    """Why this node takes no part in the current round for its key's sake; "" where it may."""
    holder = view.holder(me)
    if holder is None or not holder.live:
        return ""
    if holder.peer != me:
        return f"rotated to {holder.peer.hex()} in block {holder.keys[-1].since}: sign no more"
    if view.round_key(holder).peer != me:
        return (
            f"enrolled in block {holder.keys[-1].since}, after the deadline of round"
            f" {view.round.round} began to run: sits this round out, and takes part in the next"
        )
    return ""


def epoch_of(view: ChainView, me: bytes) -> int:
    """The epoch of our current key, for hello; 0 where `me` is none."""
    mine = view.member(me)
    return 0 if mine is None else mine.key_epoch
