"""What happened to a run between two looks at it, and whom it waits for. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarmp2p.ledger.events import FaultVotes
from swarmp2p.ledger.governance import quorum
from swarmp2p.ledger.interface import ChainView, Member, Phase, RoundView


@dataclass(frozen=True, slots=True)
class Look:
    """A run at one final block, with what ChainView leaves out."""

    view: ChainView
    stop_votes: frozenset[int] = frozenset()
    faults: tuple[FaultVotes, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened.

    `block` is when, where the chain keeps that, else the block of the look that saw it first.
    `round` is 0 and `index` None for what is of no round, of no member.
    """

    event: str
    block: int
    round: int = 0
    index: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Whom a run waits for as of a block: members by index.

    `step` is what they are to do, `needed` how many more of them are enough to go on (0: all), and
    `until` the last block for it, 0 where there is no deadline; `left` are the blocks up to that.
    """

    step: str
    members: tuple[int, ...] = ()
    needed: int = 0
    until: int = 0
    left: int = 0


def changes(before: Look, after: Look, rounds: Sequence[RoundView]) -> list[Change]:
    """What happened between two looks, in the order of a run.

    `rounds` are the views as of `after` of each round from before's current one to after's.
    """
    block = after.view.block.number
    found = list(_members(before.view, after.view))
    if not any(before.view.genesis_root) and any(after.view.genesis_root):
        found.append(Change("genesis", block, more={"root": after.view.genesis_root.hex()}))
        found += _opened(rounds[0])
    for view in rounds:
        old = before.view.round if view.round == before.view.round.round else None
        found += _round(old, view, block)
    found += _faults(before, after)
    number = after.view.round.round
    found += (
        Change("stop_vote", block, number, index)
        for index in sorted(after.stop_votes - before.stop_votes)
    )
    if after.view.stopped and not before.view.stopped:
        found.append(Change("stopped", block, number))
    if after.view.finished and not before.view.finished:
        sealed = after.view.last_sealed_round
        found.append(Change("finished", block, number, more={"last_sealed_round": sealed}))
    return found


def waits_for(view: ChainView) -> Wait | None:
    """What the run waits for; None where it is over."""
    here, live = view.round, {member.index for member in view.members if member.live}
    if view.finished:
        return None
    if not any(view.genesis_root):
        return Wait("genesis")
    if here.phase is Phase.COMMIT:
        if not here.commit_deadline:
            missing = max(0, here.min_peers - len(here.commits))
            return Wait("commit", tuple(sorted(live - set(here.commits))), missing)
        late = (view.active & live) - set(here.commits)
        return _until("commit", late, 0, here.commit_deadline, view)
    silent = here.roster - set(here.attests)
    agreed = max(_supporters(here).values(), default=0)
    missing = max(0, quorum(len(here.roster)) - agreed)
    return _until("attest", silent, missing, here.last_post, view)


def _until(
    step: str,
    members: Iterator[int] | set[int] | frozenset[int],
    needed: int,
    until: int,
    view: ChainView,
) -> Wait:
    left = max(0, until - view.block.number)
    return Wait(step, tuple(sorted(members)), needed, until, left)


def _supporters(view: RoundView) -> dict[tuple[bytes, bytes], int]:
    counts: dict[tuple[bytes, bytes], int] = {}
    for said in view.attests.values():
        counts[said.root, said.aux] = counts.get((said.root, said.aux), 0) + 1
    return counts


def _members(before: ChainView, after: ChainView) -> Iterator[Change]:
    for member in after.members[len(before.members) :]:
        yield Change("enrolled", member.enrolled_block, 0, member.index, _names(member))
    block = after.block.number
    for old, new in zip(before.members, after.members, strict=False):
        for key in new.keys[len(old.keys) :]:
            more = {"peer": key.peer.hex(), "epoch": key.epoch}
            yield Change("rotated", key.since, 0, new.index, more)
        if new.revoked_block and not old.revoked_block:
            yield Change("revoked", new.revoked_block, 0, new.index)
        if new.addresses != old.addresses:
            yield Change("addresses", block, 0, new.index, {"addresses": list(new.addresses)})


def _names(member: Member) -> dict[str, Any]:
    return {"peer": member.peer.hex(), "account": "0x" + member.account.hex()}


def _opened(view: RoundView) -> list[Change]:
    return [Change("opened", view.opened_block, view.round, more={"base": view.base.hex()})]


def _round(old: RoundView | None, new: RoundView, block: int) -> Iterator[Change]:
    if old is None:
        yield from _opened(new)
    number = new.round
    for index in sorted(set(new.commits) - set(old.commits if old else ())):
        yield Change("committed", block, number, index, {"weight": new.commits[index].weight})
    if new.closed_block and not (old and old.closed_block):
        roster = sorted(new.commits)
        yield Change("closed", new.closed_block, number, more={"roster": roster})
    same = old is not None and old.attempt == new.attempt
    if new.attempt and not same:
        more = {"attempt": new.attempt, "roster": sorted(new.roster)}
        yield Change("attempt", new.started_block, number, more=more)
    yield from _posts(old if same else None, new, block)
    if new.phase in {Phase.SEALED, Phase.VOID} and not (old and old.ended_block):
        event = "sealed" if new.phase is Phase.SEALED else "void"
        more = {"attempt": new.attempt}
        if new.phase is Phase.SEALED:
            more = {"root": new.sealed_root.hex(), **more}
        yield Change(event, new.ended_block, number, more=more)


def _posts(old: RoundView | None, new: RoundView, block: int) -> Iterator[Change]:
    """Objections, haves and attestations of one attempt."""
    for index in sorted(new.objected - (old.objected if old else frozenset())):
        yield Change("objected", block, new.round, index)
    for index in sorted(set(new.haves) - set(old.haves if old else ())):
        held = [place for place in range(64) if new.haves[index] >> place & 1]
        yield Change("have", block, new.round, index, {"attempt": new.attempt, "held": held})
    for index in sorted(set(new.attests) - set(old.attests if old else ())):
        more = {"attempt": new.attempt, "root": new.attests[index].root.hex()}
        yield Change("attested", block, new.round, index, more)


def _faults(before: Look, after: Look) -> Iterator[Change]:
    block = after.view.block.number
    earlier = {(votes.accused, votes.kind, votes.round): votes for votes in before.faults}
    for votes in after.faults:
        old = earlier.get((votes.accused, votes.kind, votes.round))
        for voter in sorted(votes.voters - (old.voters if old else frozenset())):
            more = {"kind": votes.kind, "by": voter}
            yield Change("fault_vote", block, votes.round, votes.accused, more)
    for index in sorted(after.view.excluded - before.view.excluded):
        yield Change("excluded", block, 0, index)
    for index in sorted(after.view.barred - before.view.barred):
        yield Change("barred", block, 0, index)
