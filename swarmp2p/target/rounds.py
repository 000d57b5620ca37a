"""Numbers of a round, and traces of a run over the simulator's contract (08, 10)."""

from collections.abc import Callable, Iterable, Mapping

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.sim.contract import RunContract
from swarmp2p.sim.numbers import (
    ContractTerms,
    faulty,
    holders,
    minimum,
    quorum,
    smallest_roster,
)
from swarmp2p.target.notation import Input, Operation, Output, data_of
from swarmp2p.wire.registry import MAX_PEERS

_SETTINGS = (
    "last_round",
    "min_peers",
    "commit_blocks",
    "exchange_blocks",
    "lo",
    "hi",
    "depth",
    "topology",
)


def rounds_numbers(given: Input) -> Output:
    """Answer `rounds.numbers`."""
    least = minimum(ContractTerms(min_peers=given["chosen"]), given["enrolled"])
    return {
        "quorum": quorum(given["n"]),
        "faulty": faulty(given["n"]),
        "min_peers": least,
        "holders": holders(given["enrolled"]),
        "smallest_roster": smallest_roster(least, given["commits"]),
    }


class _Chain:
    """A registry with one attached run, mined block by block."""

    def __init__(self, settings: Input) -> None:
        terms = ContractTerms(
            **{name: settings[name] for name in _SETTINGS},
            init_root=data_of(settings["init_root"]),
        )
        self._live: set[int] = set()
        self._enrolled = 0
        self.contract = RunContract(terms, self._live)

    def mine(self, block: int) -> None:
        """Come to this block."""
        while self.contract.block < block:
            self.contract.tick()

    def call(self, step: Input) -> None:
        """Make one call. Raises TransactionRevertedError."""
        run = self.contract
        calls: Mapping[str, Callable[[], None]] = {
            "enrol": self._enrol,
            "revoke": lambda: self._revoke(step["by"]),
            "genesis": lambda: self._genesis(step["by"], data_of(step["root"])),
            "join": lambda: run.join(step["by"]),
            "voteStop": lambda: run.vote_stop(step["by"]),
            "commit": lambda: run.commit(
                step["by"],
                step["round"],
                data_of(step["commitment"]),
                step["weight"],
                data_of(step["base"]),
                attempt=step["attempt"],
            ),
            "have": lambda: run.have(
                step["by"], step["round"], step["attempt"], _bitmap(step["held"])
            ),
            "attest": lambda: run.attest(
                step["by"],
                step["round"],
                step["attempt"],
                data_of(step["root"]),
                data_of(step["aux"]),
            ),
            "nextAttempt": lambda: run.next_attempt(step["by"], step["round"], step["attempt"]),
            "object": lambda: run.object_to(step["by"], step["round"], step["attempt"]),
            "voteFault": lambda: run.vote_fault(
                step["by"],
                step["index"],
                step["kind"],
                step["round"],
                data_of(step["evidence"]),
            ),
            "look": lambda: None,
        }
        calls[step["do"]]()

    def _enrol(self) -> None:
        if self._enrolled == MAX_PEERS:
            raise TransactionRevertedError("TooManyMembers", "every index is taken")
        self._live.add(self._enrolled)
        self._enrolled += 1
        self.contract.roster_changed()

    def _revoke(self, index: int) -> None:
        if index not in self._live:
            raise TransactionRevertedError("AlreadyRevoked", f"{index} is not live")
        self._live.discard(index)
        self.contract.roster_changed()

    def _genesis(self, by: int | str, root: bytes) -> None:
        if by == "owner":
            self.contract.genesis(root, owner=True)
        else:
            self.contract.genesis(root, owner=False, who=int(by))


def run_trace(given: Input) -> Output:
    """Answer `run.trace`."""
    chain = _Chain(given["settings"])
    log = []
    for step in given["steps"]:
        chain.mine(step["block"])
        refused = False
        try:
            chain.call(step)
        except TransactionRevertedError:
            refused = True
        log.append({"refused": refused, **_state(chain.contract)})
    return {"log": log}


def _state(contract: RunContract) -> Output:
    view = contract.view()
    return {
        "run": {
            "round": view.round,
            "finished": contract.finished,
            "stopped": contract.stopped,
            "last_sealed_round": contract.last_sealed_round,
            "last_root": contract.last_root.hex(),
            "consecutive_voids": contract.voids,
            "active": sorted(contract.active()),
            "joined": sorted(contract.joined),
            "stop_votes": sorted(contract.stop_votes),
            "live": sorted(contract.live),
            "excluded": sorted(contract.excluded),
            "barred": sorted(contract.barred),
            "commit_average": contract.commit_average,
            "exchange_average": contract.exchange_average,
            "mesh_until": contract.objections.mesh_until,
        },
        "current": {
            "phase": view.phase.name,
            "attempt": view.attempt,
            "optimistic": view.optimistic,
            "opened": view.opened_block,
            "frozen": view.frozen_block,
            "commit_deadline": view.commit_deadline,
            "closed": view.closed_block,
            "started": view.started_block,
            "exchange_deadline": view.exchange_deadline,
            "last_post": view.last_post,
            "ended": view.ended_block,
            "enrolled": view.enrolled,
            "min_peers": view.min_peers,
            "committed": sorted(view.commits),
            "roster": sorted(view.roster),
            "attested": sorted(view.attests),
            "had": sorted(view.haves),
            "objected": sorted(view.objected),
            "base": view.base.hex(),
            "sealed_root": view.sealed_root.hex(),
        },
    }


def _bitmap(indices: Iterable[int]) -> int:
    return sum(1 << index for index in set(indices))


OPERATIONS: Mapping[str, Operation] = {
    "rounds.numbers": rounds_numbers,
    "run.trace": run_trace,
}
