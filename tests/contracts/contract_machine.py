"""A swarm under arbitrary calls, and what must hold of its contract after each of them.

A rule for a new function is one method: `@rule` with strategies for its arguments, and `self.send`.
What it may change goes into an `@invariant`, or into `accepted` if it needs the calls that were
taken. `reached` counts accepted calls, refusals and events of all machines.
"""

from collections import Counter
from typing import Any, ClassVar

from contract_chain import Receipt, Reverted, account
from contract_swarm import ATTEMPT, COMMIT, GENESIS, OWNER, SEALED, VOID, ZERO, Swarm, digest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

MOST = 7  # peers
PEERS = st.integers(0, MOST)  # the last one seldom is enrolled
ALL = 2 ** (MOST + 1) - 1
MANY = st.just(ALL) | st.integers(0, ALL)  # a bitmap of senders
OFF = st.sampled_from((0, 0, 0, 0, 0, 0, 0, 1, -1))  # how wrong a round or an attempt is
ROOTS = st.sampled_from(("right", "right", "right", "wrong"))
FIXED = (
    "enrolled",
    "minPeers",
    "frozenBlock",
    "commitDeadline",
    "base",
)  # once min_peers committed
BLOCKS = (
    "openedBlock",
    "frozenBlock",
    "closedBlock",
    "startedBlock",
    "exchangeDeadline",
    "lastPost",
)


def members_of(bits: int) -> list[int]:
    """The indices in a bitmap."""
    return [i for i in range(bits.bit_length()) if bits >> i & 1]


class ContractMachine(RuleBasedStateMachine):
    """Peers are accounts, in bitmaps indices. `state` and `view` are the last snapshot."""

    reached: ClassVar[Counter[str]] = Counter()

    @initialize(
        enrolled=st.integers(2, MOST - 1),
        chosen=st.sampled_from((0, 0, 2, 3)),
        last=st.sampled_from((0, 1, 1, 2)),
        genesis=st.sampled_from((True, True, True, False)),
    )
    def deploy(self, enrolled: int, chosen: int, last: int, genesis: bool) -> None:  # noqa: FBT001 (drawn)
        self.swarm = Swarm.deploy(enrolled, genesis=genesis, minPeers=chosen, lastRound=last)
        self.order = list(range(enrolled))  # accounts by enrolment index
        self.commits: dict[int, Counter[int]] = {}  # by round: accepted ones
        self.attests: dict[tuple[int, int], dict[int, tuple[bytes, bytes]]] = {}
        self.rosters: dict[tuple[int, int], int] = {}
        self.ended: dict[int, dict[str, Any]] = {}
        self.state, self.view = self.look()

    def look(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The snapshot of now; a view that reverts fails the test."""
        state, view = self.swarm.chain.call(self.swarm.run, "snapshot")
        return state, view

    def send(self, sender: bytes, function: str, *arguments: Any, to: str = "run") -> bool:
        """One transaction; whether it was taken. Any refusal by a named error will do."""
        finished = self.state["finished"]
        contract = getattr(self.swarm, to)
        try:
            receipt = self.swarm.chain.transact(sender, contract, function, *arguments)
        except Reverted as reverted:
            self.reached[reverted.name] += 1
            return False
        assert to == "registry" or not finished, f"{function} was taken after the end"
        self.reached[function] += 1
        self.accepted(receipt)
        return True

    def accepted(self, receipt: Receipt) -> None:
        """Keep what later judgements need."""
        for name, values in receipt.events:
            self.reached[name] += 1
            if name == "Committed":
                self.commits.setdefault(values["round"], Counter())[values["index"]] += 1
            elif name == "Attested":
                place = (values["round"], values["attempt"])
                body = (values["root"], values["aux"])
                assert values["index"] not in self.attests.setdefault(place, {})
                self.attests[place][values["index"]] = body

    def number(self, off: int) -> int:
        """The current round, or one beside it."""
        return max(0, int(self.view["round"]) + off)

    # -- blocks and the registry

    @rule(blocks=st.sampled_from((1, 1, 1, 3, 8)))
    def mine(self, blocks: int) -> None:
        self.swarm.chain.mine(blocks)

    @rule(late=st.integers(0, 1))
    def mine_to_the_end_of_the_phase(self, late: int) -> None:
        end = {COMMIT: "commitDeadline", ATTEMPT: "lastPost"}.get(self.view["phase"])
        if end and self.view[end] >= self.swarm.chain.block:
            self.swarm.chain.mine(self.view[end] + late - self.swarm.chain.block)

    @rule(peer=PEERS)
    def enrol(self, peer: int) -> None:
        if peer <= MOST:
            key = digest(f"peer {peer}")
            self.send(OWNER, "invite", account(peer), key, to="registry")
            taken = self.send(account(peer), "enrol", key, 0, bytes(64), "", to="registry")
            self.order += [peer] if taken else []

    @rule(peer=PEERS, index=PEERS, owner=st.booleans(), really=st.integers(0, 3))
    def revoke(self, peer: int, index: int, owner: bool, really: int) -> None:  # noqa: FBT001 (drawn)
        if really == 0:
            self.send(OWNER if owner else account(peer), "revoke", index, to="registry")

    # -- the run

    @rule(peer=PEERS, owner=st.booleans())
    def genesis(self, peer: int, owner: bool) -> None:  # noqa: FBT001 (drawn)
        self.send(OWNER if owner else account(peer), "genesis", GENESIS)

    @rule(peer=PEERS)
    def join(self, peer: int) -> None:
        self.send(account(peer), "join")

    @rule(peer=PEERS, really=st.integers(0, 2))
    def vote_stop(self, peer: int, really: int) -> None:
        if really == 0:
            self.send(account(peer), "voteStop")

    @rule(
        peers=MANY,
        off=OFF,
        attempt=OFF,
        weight=st.integers(1, 2**32 - 1),
        wrong=st.sampled_from((0, 0, 0, 1, -1)),
    )
    def commit(self, peers: int, off: int, attempt: int, weight: int, wrong: int) -> None:
        for peer in members_of(peers):
            base = digest("wrong") if wrong else self.look()[1]["base"]
            body = (digest(f"{peer} {weight}") if wrong >= 0 else ZERO, weight, base)
            self.send(account(peer), "commit", self.number(off), abs(attempt), *body)

    @rule(peers=MANY, off=OFF, attempt=OFF, bitmap=st.integers(0, 2**256 - 1) | MANY)
    def have(self, peers: int, off: int, attempt: int, bitmap: int) -> None:
        place = (self.number(off), abs(self.view["attempt"] + attempt))
        for peer in members_of(peers):
            self.send(account(peer), "have", *place, bitmap)

    @rule(peers=MANY, off=OFF, attempt=OFF, root=ROOTS, aux=st.sampled_from((0, 0, 0, 1)))
    def attest(self, peers: int, off: int, attempt: int, root: str, aux: int) -> None:
        place = (self.number(off), abs(self.view["attempt"] + attempt))
        body = (digest(f"{root} {place[0]}"), digest("aux") if aux else ZERO)
        for peer in members_of(peers):
            self.send(account(peer), "attest", *place, *body)

    @rule(peer=PEERS, off=OFF, attempt=OFF)
    def next_attempt(self, peer: int, off: int, attempt: int) -> None:
        place = (self.number(off), abs(self.view["attempt"] + attempt))
        self.send(account(peer), "nextAttempt", *place)

    @rule(peer=PEERS)
    def roster_changed(self, peer: int) -> None:
        assert not self.send(account(peer), "rosterChanged")

    @rule(how=st.sampled_from(("attest", "attest", "have", "have", "give up")), some=MANY)
    def go_on(self, how: str, some: int) -> None:
        """What most would do now: without it few calls would get beyond COMMIT."""
        if self.view["phase"] == COMMIT:
            self.commit(some, 0, 0, 1, 0)
            self.mine_to_the_end_of_the_phase(1)
        elif how == "attest":
            self.attest(some, 0, 0, "right", 0)
        elif how == "have":
            self.have(ALL, 0, 0, ALL)
        else:
            self.mine_to_the_end_of_the_phase(1)
            self.next_attempt(0, 0, 0)

    # -- after each step; Hypothesis calls them in the order of their names

    @invariant()
    def a_look_and_what_it_may_not_undo(self) -> None:
        """Rounds rise, what is fixed stays fixed, what is over stays over."""
        old_state, old = self.state, self.view
        self.state, self.view = state, view = self.look()
        assert state["round"] >= old_state["round"]
        assert state["finished"] >= old_state["finished"]
        assert state["stopped"] <= state["finished"]
        for number in range(old["round"], state["round"]):
            self.ended[number] = self.swarm.round(number)
        if view["phase"] in (SEALED, VOID):
            self.ended.setdefault(view["round"], view)
        if old["round"] == view["round"] and old["frozenBlock"]:
            assert {name: view[name] for name in FIXED} == {name: old[name] for name in FIXED}
            assert view["attempt"] >= old["attempt"]
            assert all(view[name] >= old[name] for name in BLOCKS)
            assert view["commitBits"] & old["commitBits"] == old["commitBits"]

    @invariant()
    def base_is_the_last_sealed_root(self) -> None:
        state = self.state
        seals = [v for _, v in sorted(self.ended.items()) if v["phase"] == SEALED]
        expected = seals[-1]["sealedRoot"] if seals else state["genesisRoot"]
        assert state["lastRoot"] == expected
        assert state["lastSealedRound"] == (seals[-1]["round"] if seals else 0)
        if self.view["phase"] in (COMMIT, ATTEMPT):
            assert self.view["base"] == expected

    @invariant()
    def commits_are_one_for_each_member_and_round(self) -> None:
        for number, counted in self.commits.items():
            assert set(counted.values()) == {1}
            view = self.ended.get(number, self.view)
            assert members_of(view["commitBits"]) == sorted(counted)

    @invariant()
    def deadlines_follow_each_other(self) -> None:
        view = self.view
        if view["frozenBlock"]:
            assert view["openedBlock"] <= view["frozenBlock"] < view["commitDeadline"]
        if view["phase"] == ATTEMPT:
            assert view["frozenBlock"] <= view["closedBlock"] <= view["commitDeadline"] + 1
            assert view["closedBlock"] <= view["startedBlock"] < view["exchangeDeadline"]
            assert view["exchangeDeadline"] < view["lastPost"]

    @invariant()
    def ended_rounds_stay_and_were_sealed_by_a_quorum(self) -> None:
        for number, view in self.ended.items():
            if number == max(self.ended) or number == 1 + self.swarm.chain.block % len(self.ended):
                assert self.swarm.round(number) == view
            if view["phase"] == SEALED:
                roster = members_of(view["roster"])
                posted = self.attests[number, view["attempt"]]
                body = (view["sealedRoot"], view["sealedAux"])
                same = [peer for peer, other in posted.items() if other == body]
                assert set(same) <= set(roster)
                assert len(same) == -(-2 * len(roster) // 3)

    @invariant()
    def roster_shrinks_and_is_of_committers(self) -> None:
        view = self.view
        assert view["roster"] & ~view["commitBits"] == 0
        assert (view["attestBits"] | view["haveBits"]) & ~view["roster"] == 0
        if view["phase"] == ATTEMPT:
            place = (view["round"], view["attempt"])
            assert self.rosters.setdefault(place, view["roster"]) == view["roster"]
            for attempt in range(view["attempt"]):
                before = self.rosters.get((view["round"], attempt), view["roster"])
                assert view["roster"] & ~before == 0
            assert len(members_of(view["roster"])) >= view["minPeers"]

    @invariant()
    def views_show_what_the_next_transaction_writes(self) -> None:
        joined = members_of(self.state["joinedBits"] & self.state["liveBits"])
        if joined and not self.state["finished"]:
            touched = self.swarm.fork()
            touched.send(self.order[joined[0]], "join")  # changes nothing but what was due
            state, view = touched.chain.call(touched.run, "snapshot")
            then, now = {**state, **view}, {**self.state, **self.view}
            wrong = {name: (now[name], then[name]) for name in now if now[name] != then[name]}
            assert not wrong, f"(view, after a transaction): {wrong}"
