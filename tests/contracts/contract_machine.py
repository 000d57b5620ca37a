"""A swarm under arbitrary calls after a told story; its judge looks at it after each step.

A rule for a new function is one method: `@rule` with strategies for its arguments, and `self.send`.
What it may change goes into contract_judge.py. `reached` counts accepted calls, refusals and events
of all machines. Hypothesis may draw as it likes: the stories alone get to what is demanded.
"""

from collections import Counter
from typing import Any, ClassVar

from contract_chain import Reverted, account
from contract_judge import Judge, members_of
from contract_stories import Story
from contract_swarm import ATTEMPT, COMMIT, GENESIS, OWNER, ZERO, Swarm, digest
from eth_utils.crypto import keccak
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

MOST = 7  # peers
PEERS = st.integers(0, MOST)  # the last one seldom is enrolled
ALL = 2 ** (MOST + 1) - 1
MANY = st.just(ALL) | st.integers(0, ALL)  # a bitmap of senders
OFF = st.sampled_from((0, 0, 0, 0, 0, 0, 0, 1, -1))  # how wrong a round or an attempt is
ROOTS = st.sampled_from(("right", "right", "right", "wrong"))
SELDOM = st.integers(0, 3)  # 0: really
GOVERNED = st.sampled_from(("invite", "revoke", "attachRun", "detachRun"))


class ContractMachine(RuleBasedStateMachine):
    """Peers are accounts, in bitmaps and members indices; both are equal unless peers came late."""

    reached: ClassVar[Counter[str]] = Counter()

    def __init__(self, story: Story | None) -> None:
        super().__init__()
        self.story = story

    @initialize(
        enrolled=st.integers(2, MOST - 1),
        least=st.sampled_from((0, 0, 2, 3)),
        last=st.sampled_from((0, 1, 1, 2)),
        genesis=st.sampled_from((True, True, True, False)),
        topology=st.integers(0, 2),
    )
    def deploy(
        self,
        enrolled: int,
        least: int,
        last: int,
        genesis: bool,  # noqa: FBT001 (drawn)
        topology: int,
    ) -> None:
        self.begin(
            self.story or Story(lambda _: iter(()), enrolled, topology, last, genesis, least)
        )

    def begin(self, story: Story) -> None:
        """Deploy what the story is made for, and tell it."""
        terms = {"minPeers": story.least, "lastRound": story.last, "topology": story.topology}
        self.swarm = Swarm.deploy(story.enrolled, genesis=story.genesis, **terms)
        self.judge = Judge(self.swarm, story.topology)
        for _ in story.tell(self):
            self.judge.judge()

    @property
    def view(self) -> dict[str, Any]:
        return self.judge.view

    def send(self, sender: bytes, function: str, *arguments: Any, to: str = "run") -> bool:
        """One transaction; whether it was taken. Any refusal by a named error will do."""
        contract = getattr(self.swarm, to)
        try:
            receipt = self.swarm.chain.transact(sender, contract, function, *arguments)
        except Reverted as reverted:
            self.reached[reverted.name] += 1
            return False
        self.reached[function] += 1
        for name, values in receipt.events:
            self.reached[name] += 1
            if name == "Objected":
                self.reached["Objected counts" if values["counts"] else "Objected in vain"] += 1
            if "Voted" in receipt.event_names:
                self.reached[f"{name} by votes"] += 1
        self.judge.took(sender, to, function, arguments, receipt)
        return True

    def number(self, off: int) -> int:
        """The current round, or one beside it."""
        return max(0, int(self.view["round"]) + off)

    def place(self, off: int, attempt: int) -> tuple[int, int]:
        """The current round and attempt, or others beside them."""
        return self.number(off), abs(self.view["attempt"] + attempt)

    # -- blocks

    @rule(blocks=st.sampled_from((1, 1, 1, 3, 8)))
    def mine(self, blocks: int) -> None:
        self.swarm.chain.mine(blocks)

    @rule(late=st.integers(0, 1))
    def mine_to_the_end_of_the_phase(self, late: int) -> None:
        end = {COMMIT: "commitDeadline", ATTEMPT: "lastPost"}.get(self.view["phase"])
        if end and self.view[end] >= self.swarm.chain.block:
            self.swarm.chain.mine(self.view[end] + late - self.swarm.chain.block)

    # -- the registry

    @rule(peer=PEERS)
    def enrol(self, peer: int) -> None:
        self.send(OWNER, "invite", account(peer), digest(f"peer {peer}"), to="registry")
        self.take_up(peer)

    @rule(peer=PEERS)
    def take_up(self, peer: int) -> None:
        """Enrol, be it that the peer was invited."""
        key = digest(f"peer {peer}")
        self.send(account(peer), "enrol", key, 0, bytes(64), "", to="registry")

    @rule(peer=PEERS, index=PEERS, owner=st.booleans(), really=SELDOM)
    def revoke(self, peer: int, index: int, owner: bool, really: int) -> None:  # noqa: FBT001 (drawn)
        if really == 0:
            self.send(OWNER if owner else account(peer), "revoke", index, to="registry")

    @rule(peer=PEERS, epoch=st.integers(0, 3), of=PEERS | st.none())
    def rotate(self, peer: int, epoch: int, of: int | None) -> None:
        """To a new key, or to another's first one."""
        key = digest(f"peer {peer} {epoch}" if of is None else f"peer {of}")
        self.send(account(peer), "rotate", key, epoch, bytes(64), to="registry")

    @rule(peer=PEERS, owner=st.booleans(), really=SELDOM)
    def hand_over(self, peer: int, owner: bool, really: int) -> None:  # noqa: FBT001 (drawn)
        if really == 0:
            sender = OWNER if owner else account(peer)
            self.send(sender, "renounceOwnership", to="registry")

    def governed(self, function: str, target: int) -> tuple[Any, ...]:
        """Arguments of a governed call."""
        if function == "invite":
            return account(target), digest(f"peer {target}")
        return (target,) if function == "revoke" else (self.swarm.run.address,)

    @rule(peers=MANY, function=GOVERNED, on=PEERS, really=SELDOM)
    def govern(self, peers: int, function: str, on: int, really: int) -> None:
        """Each votes for the same call; rather seldom for one that takes something away."""
        if really == 0 or function in ("invite", "attachRun"):
            for peer in members_of(peers):
                arguments = self.governed(function, on)
                self.send(account(peer), function, *arguments, to="registry")

    @rule(peer=PEERS, function=GOVERNED, on=PEERS)
    def retract(self, peer: int, function: str, on: int) -> None:
        call = self.swarm.registry.interface.encode_call(function, self.governed(function, on))
        self.send(account(peer), "retract", keccak(call), to="registry")

    # -- the run

    @rule(peer=PEERS, owner=st.booleans())
    def genesis(self, peer: int, owner: bool) -> None:  # noqa: FBT001 (drawn)
        self.send(OWNER if owner else account(peer), "genesis", GENESIS)

    @rule(peer=PEERS)
    def join(self, peer: int) -> None:
        self.send(account(peer), "join")

    @rule(peer=PEERS, really=SELDOM)
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
            base = digest("wrong") if wrong else self.judge.look()[1]["base"]
            body = (digest(f"{peer} {weight}") if wrong >= 0 else ZERO, weight, base)
            self.send(account(peer), "commit", self.number(off), abs(attempt), *body)

    @rule(peers=MANY, off=OFF, attempt=OFF, bitmap=st.integers(0, 2**256 - 1) | MANY)
    def have(self, peers: int, off: int, attempt: int, bitmap: int) -> None:
        for peer in members_of(peers):
            self.send(account(peer), "have", *self.place(off, attempt), bitmap)

    @rule(peers=MANY, off=OFF, attempt=OFF, root=ROOTS, aux=st.sampled_from((0, 0, 0, 1)))
    def attest(self, peers: int, off: int, attempt: int, root: str, aux: int) -> None:
        place = self.place(off, attempt)
        body = (digest(f"{root} {place[0]}"), digest("aux") if aux else ZERO)
        for peer in members_of(peers):
            self.send(account(peer), "attest", *place, *body)

    @rule(peers=MANY, off=OFF, attempt=OFF)
    def object(self, peers: int, off: int, attempt: int) -> None:
        for peer in members_of(peers):
            self.send(account(peer), "object", *self.place(off, attempt))

    @rule(
        peers=MANY,
        accused=PEERS,
        kind=st.sampled_from((1, 2, 2, 3)),
        off=st.sampled_from((0, 0, -1, 1)),
        really=SELDOM,
    )
    def vote_fault(self, peers: int, accused: int, kind: int, off: int, really: int) -> None:
        """Each says the same; a quorum for an exclusion comes seldom, else nobody would be left."""
        for peer in members_of(peers if really == 0 or kind != 1 else peers & 0b11):
            proof = digest(f"proof of {peer}")
            self.send(account(peer), "voteFault", accused, kind, self.number(off), proof)

    @rule(peer=PEERS, off=OFF, attempt=OFF)
    def next_attempt(self, peer: int, off: int, attempt: int) -> None:
        self.send(account(peer), "nextAttempt", *self.place(off, attempt))

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

    @rule(kind=st.sampled_from(("seal", "seal", "void")))
    def whole_round(self, kind: str) -> None:
        """Everybody commits; then all attest the same, or nobody posts anything."""
        if self.view["phase"] == COMMIT:
            self.commit(ALL, 0, 0, 1, 0)
            self.judge.judge()
            self.mine_to_the_end_of_the_phase(1)
            self.judge.judge()
        if kind == "seal":
            self.attest(ALL, 0, 0, "right", 0)
        else:
            self.mine_to_the_end_of_the_phase(1)
            self.next_attempt(0, 0, 0)

    @invariant()
    def everything_holds(self) -> None:
        self.judge.judge()
