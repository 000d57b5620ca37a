"""Follows a run from final block to final block. Blocking; it sends nothing, needs no account."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from swarmp2p.errors import DeepReorganisationError, LedgerUnavailableError
from swarmp2p.ledger.changes import Change, Look, changes
from swarmp2p.ledger.deploy import Pause
from swarmp2p.ledger.events import read_fault_votes
from swarmp2p.ledger.interface import Block, ChainView
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.ledger.views import RunReader, indices


class Watcher:
    """Looks at one run again and again."""

    def __init__(self, rpc: RpcClient, reader: RunReader) -> None:
        self._rpc = rpc
        self._reader = reader
        self._run = reader.terms.contract
        self.look = self._first()

    def step(self) -> list[Change]:
        """What happened since the last look; nothing while no further block is final.

        Raises LedgerUnavailableError, after which it can be called again, and
        DeepReorganisationError where the block of the last look has gone.
        """
        number = self._reader.final_number()
        before = self.look
        seen = before.view.block
        if number <= seen.number:
            return []
        self._check(seen)
        after = self._at(self._reader.block(number), before)
        first, last = before.view.round.round, after.view.round.round
        rounds = [self._reader.round_view(one, number) for one in range(first, last)]
        found = changes(before, after, [*rounds, after.view.round])
        self.look = after
        return found

    def follow(self, poll: float, *, pause: Pause = time.sleep) -> Iterator[list[Change]]:
        """What happened, look by look, until the run is over; `poll` seconds between two looks.

        An endpoint that is down for a while is a change, too: `unreachable`, then `reachable`.
        """
        reachable = True
        while not self.look.view.finished:
            pause(poll)
            at = self.look.view.block.number
            try:
                found = self.step()
            except LedgerUnavailableError as error:
                if reachable:
                    yield [Change("unreachable", at, more={"why": str(error)})]
                reachable = False
                continue
            if not reachable:
                found.insert(0, Change("reachable", self.look.view.block.number))
            reachable = True
            yield found

    def _first(self) -> Look:
        block = self._reader.block(self._reader.final_number())
        view = self._reader.chain_view(block)
        state = self._reader.run_state(block.number)
        return Look(view, _stop_votes(state), self._faults(view, since=None))

    def _at(self, block: Block, before: Look) -> Look:
        view = self._reader.chain_view(block)
        state = self._reader.run_state(block.number)
        return Look(view, _stop_votes(state), self._faults(view, since=before))

    def _faults(self, view: ChainView, since: Look | None) -> Any:
        first = first_vote_block(view) if since is None else since.view.block.number + 1
        known = () if since is None else since.faults
        return read_fault_votes(self._rpc, self._run, range(first, view.block.number + 1), known)

    def _check(self, seen: Block) -> None:
        if self._reader.block(seen.number).hash != seen.hash:
            raise DeepReorganisationError(
                f"block {seen.number} was final and is gone: the chain was started anew, or its"
                " finality is not what run.toml says"
            )


def first_vote_block(view: ChainView) -> int:
    """No vote is older than the first enrolment."""
    return min((member.enrolled_block for member in view.members), default=view.block.number)


def _stop_votes(state: Mapping[str, Any]) -> frozenset[int]:
    return indices(state["stopBits"])
