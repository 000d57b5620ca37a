"""What must hold of a registry and a run, by the calls they took and the events these had.

`Judge.took` hears of each accepted transaction and keeps what later judgements need; `Judge.judge`
looks at the views and calls every `judge_` method. What is kept comes from events and senders
alone, so that a view cannot excuse itself.
"""

from collections import Counter
from typing import Any

from contract_chain import Receipt, account
from contract_swarm import ATTEMPT, COMMIT, OWNER, SEALED, VOID, Swarm
from eth_utils.crypto import keccak

from swarmp2p.wire.registry import OBJECTION_ROUNDS

EQUIVOCATION, FALSE_SHARD = 1, 2
FIXED = ("enrolled", "minPeers", "frozenBlock", "commitDeadline", "base")  # once frozen
BLOCKS = (
    "openedBlock",
    "frozenBlock",
    "closedBlock",
    "startedBlock",
    "exchangeDeadline",
    "lastPost",
)
RISING = ("round", "finished", "meshUntil", "memberCount", "lastSealedRound")
GROWING = ("excludedBits", "barredBits", "stopBits")
OF_MEMBERS = {"liveBits", "activeBits", "memberCount"}  # the registry goes on after the end
GOVERNED = ("Invited", "Revoked", "RunAttached", "RunDetached")


def members_of(bits: int) -> list[int]:
    """The indices in a bitmap."""
    return [i for i in range(bits.bit_length()) if bits >> i & 1]


def quorum(of: int) -> int:
    return -(-2 * of // 3)


class Judge:
    """Members are enrolment indices. `state` and `view` are the last snapshot."""

    def __init__(self, swarm: Swarm, topology: int) -> None:
        self.swarm, self.topology = swarm, topology
        self.order = list(range(swarm.enrolled))  # accounts by enrolment index
        self.live = set(self.order)  # not revoked
        self.invited: dict[str, bytes] = {}
        self.runs = {_hex(swarm.run.address)}
        self.governed = False  # by members
        self.votes: dict[bytes, set[int]] = {}  # by governed call
        self.members = self.swarm.chain.call(swarm.registry, "members")
        self.commits: dict[int, Counter[int]] = {}  # by round: accepted ones
        self.attests: dict[tuple[int, int], dict[int, tuple[bytes, bytes]]] = {}
        self.rosters: dict[tuple[int, int], int] = {}
        self.ended: dict[int, dict[str, Any]] = {}
        self.faults: dict[tuple[int, int, int], set[int]] = {}
        self.round, self.finished = 1, False
        self.gone: dict[int, int] = {}  # member -> the round in which it was revoked or excluded
        self.excluded: set[int] = set()
        self.barred: set[int] = set()
        self.mesh_until = 0
        self.optimistic: dict[int, bool] = {}  # by round, from its close on
        self.state, self.view = self.look()

    def look(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The snapshot of now; a view that reverts fails the test."""
        state, view = self.swarm.chain.call(self.swarm.run, "snapshot")
        return state, view

    def index(self, sender: bytes) -> int | None:
        """The enrolment index of a sender, None for one that never enrolled."""
        found = [i for i, peer in enumerate(self.order) if account(peer) == sender]
        return found[0] if found else None

    def run_live(self) -> set[int]:
        return self.live - self.excluded

    # -- what was taken

    def took(
        self, sender: bytes, to: str, function: str, arguments: tuple[Any, ...], receipt: Receipt
    ) -> None:
        """An accepted transaction; fails if none of its sender may be."""
        index, known = self.index(sender), len(self.order)
        if to == "run":
            assert not self.finished, f"{function} was taken after the end"
            assert index in self.run_live() or (function, sender) == ("genesis", OWNER)
        elif index is not None and function != "enrol":
            assert index in self.live, f"{function} was taken of a revoked member"
        if self.governed and to == "registry":
            self._voted(index, function, arguments, receipt)
        if function == "voteFault":
            assert index is not None
            self.faults.setdefault(arguments[:3], set()).add(index)
        for name, values in receipt.events:
            happened = getattr(self, f"_on_{name.lower()}", None)
            if happened:
                happened(**values)
            if name == "AttemptOpened" and function != "object":  # silence opened it
                assert set(members_of(values["roster"])) <= self.run_live()
        assert len(self.order) == known + (function == "enrol")

    def _voted(
        self, index: int | None, function: str, arguments: tuple[Any, ...], receipt: Receipt
    ) -> None:
        """After the hand-over exactly a quorum of the live stands behind an effect."""
        effects = [name for name in receipt.event_names if name in GOVERNED]
        if function == "retract":
            assert index in self.votes[arguments[0]]
            self.votes[arguments[0]].discard(index)
        elif function in ("invite", "attachRun", "detachRun") or (
            function == "revoke" and arguments[0] != index
        ):
            assert index is not None
            call = keccak(self.swarm.registry.interface.encode_call(function, arguments))
            behind = self.votes.setdefault(call, set())
            behind.add(index)
            enough = len(behind & self.live) >= quorum(len(self.live))
            assert len(effects) == enough, (function, behind, self.live)
            if enough:
                del self.votes[call]
        elif function != "revoke":  # one's own needs no vote
            assert not effects

    def _on_handedover(self) -> None:
        self.governed = True

    def _on_invited(self, account: Any, peerPk: bytes) -> None:  # noqa: N803 (the contract's name)
        self.invited[_hex(account)] = peerPk

    def _on_enrolled(self, index: int, account: Any, peerPk: bytes, **_: Any) -> None:  # noqa: N803
        assert self.invited.pop(_hex(account)) == peerPk
        assert index == len(self.order)
        self.order.append(self.peer_of(_hex(account)))
        self.live.add(index)

    @staticmethod
    def peer_of(address: str) -> int:
        """The number of an account of the tests."""
        return next(peer for peer in range(64) if _hex(account(peer)) == address)

    def _on_revoked(self, index: int) -> None:
        self.live.remove(index)
        self.gone.setdefault(index, self.round)

    def _on_runattached(self, run: Any) -> None:
        self.runs.add(_hex(run))

    def _on_rundetached(self, run: Any) -> None:
        self.runs.remove(_hex(run))

    def _on_roundopened(self, round: int, **_: Any) -> None:  # noqa: A002 (the contract's name)
        self.round = round

    def _on_committed(self, round: int, index: int, **_: Any) -> None:  # noqa: A002
        self.commits.setdefault(round, Counter())[index] += 1

    def _on_commitclosed(self, round: int, roster: int, **_: Any) -> None:  # noqa: A002
        self.optimistic[round] = self.may_be_optimistic()
        assert round == self.round
        self._without_gone(roster)

    def _on_attested(self, round: int, attempt: int, index: int, root: bytes, aux: bytes) -> None:  # noqa: A002
        posted = self.attests.setdefault((round, attempt), {})
        assert index not in posted
        posted[index] = (root, aux)

    def _on_objected(self, round: int, **_: Any) -> None:  # noqa: A002
        assert self.optimistic[round]

    def _on_excluded(self, index: int) -> None:
        assert index not in self.excluded
        self._quorum_blames(index, EQUIVOCATION)
        self.excluded.add(index)
        self.gone.setdefault(index, self.round)

    def _on_barred(self, index: int) -> None:
        assert index not in self.barred
        self._quorum_blames(index, FALSE_SHARD)
        self.barred.add(index)

    def _on_meshuntil(self, round: int) -> None:  # noqa: A002
        assert round == self.round + OBJECTION_ROUNDS + 1
        self.mesh_until = round

    def _on_finished(self, **_: Any) -> None:
        self.finished = True

    def _quorum_blames(self, accused: int, kind: int) -> None:
        live = self.run_live()
        votes = [by for (who, what, _), by in self.faults.items() if (who, what) == (accused, kind)]
        assert max(len(by & live) for by in votes) >= quorum(len(live))

    def _without_gone(self, roster: int) -> None:
        """Who was revoked or excluded in a round before this one is in no roster of this one."""
        assert not {i for i in members_of(roster) if self.gone.get(i, self.round) < self.round}

    def may_be_optimistic(self) -> bool:
        """Whether the current round is, if COMMIT closes now."""
        return self.topology != 0 and self.round >= self.mesh_until

    # -- what the views show

    def judge(self) -> None:
        """Everything, after each step; the look first."""
        self.judge_the_look_and_what_it_may_not_undo()
        for name in sorted(vars(Judge)):
            if name.startswith("judge_") and "look" not in name:
                getattr(self, name)()

    def judge_the_look_and_what_it_may_not_undo(self) -> None:
        """Rounds rise, what is fixed stays fixed, what is over stays over."""
        old_state, old = self.state, self.view
        self.state, self.view = state, view = self.look()
        assert all(state[name] >= old_state[name] for name in RISING)
        assert all(state[name] & old_state[name] == old_state[name] for name in GROWING)
        assert state["stopped"] <= state["finished"] == self.finished
        if old_state["finished"]:
            assert all(state[name] == old_state[name] for name in state.keys() - OF_MEMBERS)
        for number in range(old["round"], state["round"]):
            self.ended[number] = self.swarm.round(number)
        if view["phase"] in (SEALED, VOID):
            self.ended.setdefault(view["round"], view)
        if old["round"] == view["round"] and old["frozenBlock"]:
            assert {name: view[name] for name in FIXED} == {name: old[name] for name in FIXED}
            assert view["attempt"] >= old["attempt"]
            assert all(view[name] >= old[name] for name in BLOCKS)
            assert view["commitBits"] & old["commitBits"] == old["commitBits"]
            assert view["objectBits"] & old["objectBits"] == old["objectBits"]

    def judge_base_is_the_last_sealed_root(self) -> None:
        state = self.state
        seals = [v for _, v in sorted(self.ended.items()) if v["phase"] == SEALED]
        expected = seals[-1]["sealedRoot"] if seals else state["genesisRoot"]
        assert state["lastRoot"] == expected
        assert state["lastSealedRound"] == (seals[-1]["round"] if seals else 0)
        if self.view["phase"] in (COMMIT, ATTEMPT):
            assert self.view["base"] == expected

    def judge_commits_are_one_for_each_member_and_round(self) -> None:
        for number, counted in self.commits.items():
            assert set(counted.values()) == {1}
            view = self.ended.get(number, self.view)
            assert members_of(view["commitBits"]) == sorted(counted)

    def judge_deadlines_follow_each_other(self) -> None:
        view = self.view
        if view["frozenBlock"]:
            assert view["openedBlock"] <= view["frozenBlock"] < view["commitDeadline"]
        if view["phase"] == ATTEMPT:
            assert view["frozenBlock"] <= view["closedBlock"] <= view["commitDeadline"] + 1
            assert view["closedBlock"] <= view["startedBlock"] < view["exchangeDeadline"]
            assert view["exchangeDeadline"] < view["lastPost"]

    def judge_ended_rounds_stay_and_were_sealed_by_a_quorum(self) -> None:
        for number, view in self.ended.items():
            if number == max(self.ended) or number == 1 + self.swarm.chain.block % len(self.ended):
                assert self.swarm.round(number) == view
            if view["phase"] == SEALED:
                roster = members_of(view["roster"])
                posted = self.attests[number, view["attempt"]]
                body = (view["sealedRoot"], view["sealedAux"])
                same = [peer for peer, other in posted.items() if other == body]
                assert set(same) <= set(roster)
                assert len(same) == quorum(len(roster))

    def judge_faults_are_those_that_were_voted(self) -> None:
        assert members_of(self.state["excludedBits"]) == sorted(self.excluded)
        assert members_of(self.state["barredBits"]) == sorted(self.barred)
        assert members_of(self.state["liveBits"]) == sorted(self.run_live())

    def judge_optimistic_is_as_the_topology_and_the_mesh_say(self) -> None:
        assert self.state["meshUntil"] == self.mesh_until
        for number, view in (*self.ended.items(), (self.view["round"], self.view)):
            closed = view["phase"] != COMMIT
            expected = self.optimistic.get(number, closed and self.may_be_optimistic())
            assert view["optimistic"] == expected

    def judge_registry_is_as_it_was_voted(self) -> None:
        chain, registry = self.swarm.chain, self.swarm.registry
        assert members_of(chain.call(registry, "liveBits")) == sorted(self.live)
        assert {_hex(run) for run in chain.call(registry, "attachedRuns")} == self.runs
        assert (int(_hex(chain.call(registry, "owner")), 16) == 0) == self.governed

    def judge_keys_only_grow(self) -> None:
        old, self.members = self.members, self.swarm.chain.call(self.swarm.registry, "members")
        assert [m["account"] for m in self.members[: len(old)]] == [m["account"] for m in old]
        for before, member in zip(old, self.members, strict=False):
            assert member["keys"][: len(before["keys"])] == before["keys"]
        for member in self.members:
            epochs = [key["keyEpoch"] for key in member["keys"]]
            assert epochs == sorted(set(epochs))
        keys = [key["peerPk"] for member in self.members for key in member["keys"]]
        assert len(keys) == len(set(keys))

    def judge_roster_shrinks_and_is_of_committers(self) -> None:
        view = self.view
        assert view["roster"] & ~view["commitBits"] == 0
        assert (view["attestBits"] | view["haveBits"] | view["objectBits"]) & ~view[
            "commitBits"
        ] == 0
        assert (view["attestBits"] | view["haveBits"]) & ~view["roster"] == 0
        self._without_gone(view["roster"])
        if view["phase"] == ATTEMPT:
            place = (view["round"], view["attempt"])
            assert self.rosters.setdefault(place, view["roster"]) == view["roster"]
            for attempt in range(view["attempt"]):
                before = self.rosters.get((view["round"], attempt), view["roster"])
                assert view["roster"] & ~before == 0
            assert len(members_of(view["roster"])) >= view["minPeers"]

    def judge_views_show_what_the_next_transaction_writes(self) -> None:
        joined = members_of(self.state["joinedBits"] & self.state["liveBits"])
        if joined and not self.state["finished"]:
            touched = self.swarm.fork()
            touched.send(self.order[joined[0]], "join")  # changes nothing but what was due
            state, view = touched.chain.call(touched.run, "snapshot")
            then, now = {**state, **view}, {**self.state, **self.view}
            wrong = {name: (now[name], then[name]) for name in now if now[name] != then[name]}
            assert not wrong, f"(view, after a transaction): {wrong}"


def _hex(address: Any) -> str:
    """An address, given as bytes or as text, in small letters."""
    return "0x" + address.hex() if isinstance(address, bytes) else str(address).lower()
