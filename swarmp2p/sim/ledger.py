"""A chain in memory: the Ledger seam over `RunContract`, with blocks on the world's clock."""

from collections.abc import Callable
from dataclasses import replace

import trio

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.ledger.interface import (
    Attestation,
    Block,
    ChainView,
    Commit,
    Member,
    MemberKey,
    Phase,
    RoundView,
    RunTerms,
)
from swarmp2p.sim.contract import RunContract
from swarmp2p.sim.numbers import ContractTerms

CHAIN_ID = 20256
_KEEP_BLOCKS = 128


class MemoryChain:
    """One chain for all simulated nodes. `run` mines a block every `interval` seconds."""

    def __init__(self, terms: ContractTerms, peers: list[bytes], manifest_hash: bytes) -> None:
        """`peers` are enrolled in this order before block 0."""
        self.terms = terms
        self._manifest_hash = manifest_hash
        self.members = [_member(index, peer, 0) for index, peer in enumerate(peers)]
        self._live = set(range(len(peers)))
        self.contract = RunContract(terms, self._live)
        self._pool: list[tuple[Callable[[RunContract], None], trio.Event, list[Exception]]] = []
        self._history: dict[int, ChainView] = {}
        self._keep()

    async def run(self, interval: float = 1.0) -> None:
        """Mine for ever."""
        while True:
            await trio.sleep(interval)
            self.mine()

    def mine(self) -> None:
        """One block with every pooled transaction, in the order of arrival."""
        self.contract.tick()
        pool, self._pool = self._pool, []
        for call, done, errors in pool:
            try:
                call(self.contract)
            except TransactionRevertedError as error:
                errors.append(error)
            done.set()
        self._keep()

    async def send(self, call: Callable[[RunContract], None]) -> None:
        """Pool a transaction and wait until it is mined. Raises TransactionRevertedError."""
        done, errors = trio.Event(), list[Exception]()
        self._pool.append((call, done, errors))
        await done.wait()
        if errors:
            raise errors[0]

    def enrol(self, peer: bytes) -> None:
        """A newcomer, in the block being mined."""
        index = len(self.members)
        self.members.append(_member(index, peer, self.contract.block))
        self._live.add(index)
        self.contract.roster_changed()

    def rotate(self, index: int, peer: bytes, epoch: int) -> None:
        """A member's next key, from the next block on; the run is not told."""

        def mined(run: RunContract) -> None:
            member = self.members[index]
            key = MemberKey(peer, epoch, run.block, bytes(64))
            self.members[index] = replace(member, keys=(*member.keys, key))

        self._pool.append((mined, trio.Event(), []))

    def revoke(self, index: int) -> None:
        """A member leaves for good."""
        self.members[index] = replace(self.members[index], revoked_block=self.contract.block)
        self._live.discard(index)
        self.contract.roster_changed()

    def _keep(self) -> None:
        contract = self.contract
        self._history[contract.block] = ChainView(
            block=Block(contract.block, contract.block.to_bytes(32, "big")),
            genesis_root=contract.genesis_root,
            round=contract.view(),
            finished=contract.finished,
            stopped=contract.stopped,
            last_sealed_round=contract.last_sealed_round,
            last_root=contract.last_root,
            consecutive_voids=contract.voids,
            commit_average=contract.commit_average,
            exchange_average=contract.exchange_average,
            active=frozenset(contract.active()),
            members=tuple(
                replace(member, excluded=member.index in contract.excluded)
                for member in self.members
            ),
            excluded=frozenset(contract.excluded),
            barred=frozenset(contract.barred),
            mesh_until=contract.objections.mesh_until,
        )
        self._history.pop(contract.block - _KEEP_BLOCKS, None)

    def final_view(self) -> ChainView:
        """The state `depth` blocks below the head."""
        return self._history[max(0, self.contract.block - self.terms.depth)]

    def newest(self) -> ChainView:
        """The state at the head."""
        return self._history[self.contract.block]

    def round_at(self, number: int, view: ChainView) -> RoundView:
        """A round as of `view`'s block. Raises TransactionRevertedError: not open by then."""
        if number == view.round.round:
            return view.round
        past = self.contract.rounds.get(number)
        if past is None or number > view.round.round:
            raise TransactionRevertedError("UnknownRound", f"round {number} is not open yet")
        return past

    def index_of(self, peer: bytes) -> int:
        """The enrolment index of whoever has or had this key."""
        return next(member.index for member in self.members if member.had(peer))

    def run_terms(self) -> RunTerms:
        """The deployed terms."""
        terms = self.terms
        return RunTerms(
            chain_id=CHAIN_ID,
            contract=bytes(20),
            registry=bytes(20),
            manifest_hash=self._manifest_hash,
            init_root=terms.init_root,
            last_round=terms.last_round,
            min_peers=terms.min_peers,
            commit_blocks=terms.commit_blocks,
            exchange_blocks=terms.exchange_blocks,
            lo=terms.lo,
            hi=terms.hi,
            depth=terms.depth,
            topology=terms.topology,
        )


def _member(index: int, peer: bytes, block: int) -> Member:
    """A fresh enrolment; nobody checks proofs here."""
    return Member(
        index=index,
        account=peer[:20],
        enrolled_block=block,
        revoked_block=0,
        addresses=(f"/memory/{peer.hex()[:16]}",),
        keys=(MemberKey(peer, 0, block, bytes(64)),),
    )


class MemoryLedger:
    """One node's end of a MemoryChain."""

    def __init__(self, chain: MemoryChain, peer: bytes) -> None:
        """`peer` is a key, past or current, of the member that sends the transactions."""
        self._chain = chain
        self._peer = peer

    @property
    def _me(self) -> int:
        return self._chain.index_of(self._peer)

    async def terms(self) -> RunTerms:
        """The run's fixed terms."""
        return self._chain.run_terms()

    async def head(self) -> int:
        """Number of the newest block."""
        return self._chain.contract.block

    async def final_view(self) -> ChainView:
        """The state at the last final block."""
        return self._chain.final_view()

    async def round_view(self, number: int) -> RoundView:
        """A past or the current round as of the last final block."""
        return self._chain.round_at(number, self._chain.final_view())

    async def genesis(self, root: bytes) -> None:
        """Post the initial model's root."""
        await self._send(
            lambda run: run.genesis(root, owner=False, who=self._me),
            lambda: self._chain.contract.genesis_root == root,
        )

    async def join(self) -> None:
        """Ask to be waited for again."""
        await self._send(lambda run: run.join(self._me))

    async def commit(
        self, number: int, attempt: int, commitment: bytes, weight: int, base: bytes
    ) -> None:
        """Commit to an update; the policy `robust` knows attempt 0 only."""

        def stands() -> bool:
            here = self._now(number)
            return here.commits.get(self._me) == Commit(commitment, weight) and here.base == base

        await self._send(
            lambda run: run.commit(self._me, number, commitment, weight, base, attempt=attempt),
            stands,
        )

    async def have(self, number: int, attempt: int, bitmap: int) -> None:
        """Say which updates are held."""

        def stands() -> bool:
            here = self._now(number)
            held = bitmap & sum(1 << peer for peer in here.roster)
            posted = self._me in here.attests or here.haves.get(self._me) == held
            return here.phase is Phase.SEALED or (here.attempt == attempt and posted)

        await self._send(lambda run: run.have(self._me, number, attempt, bitmap), stands)

    async def attest(self, number: int, attempt: int, root: bytes, aux: bytes) -> None:
        """Attest the merged root."""

        def stands() -> bool:
            here = self._now(number)
            posted = here.attests.get(self._me) == Attestation(root, aux)
            return here.phase is Phase.SEALED or (here.attempt == attempt and posted)

        await self._send(lambda run: run.attest(self._me, number, attempt, root, aux), stands)

    async def next_attempt(self, number: int, attempt: int) -> None:
        """Open the next attempt."""

        def stands() -> bool:
            here = self._now(number)
            return here.phase in {Phase.SEALED, Phase.VOID} or here.attempt > attempt

        await self._send(lambda run: run.next_attempt(self._me, number, attempt), stands)

    async def object(self, number: int, attempt: int) -> None:
        """Object to attempt 0 of an optimistic round."""
        await self._chain.send(lambda run: run.object_to(self._me, number, attempt))

    async def vote_fault(self, index: int, kind: int, number: int, evidence: bytes) -> None:
        """Vote that a member broke the protocol."""
        await self._chain.send(lambda run: run.vote_fault(self._me, index, kind, number, evidence))

    async def vote_stop(self) -> None:
        """Vote to stop the run."""
        await self._send(lambda run: run.vote_stop(self._me), lambda: self._chain.contract.finished)

    async def set_addresses(self, addresses: tuple[str, ...]) -> None:
        """Change the enrolment's addresses."""
        member = self._chain.members[self._me]
        self._chain.members[member.index] = replace(member, addresses=addresses)

    async def _send(
        self, call: Callable[[RunContract], None], stands: Callable[[], bool] = lambda: False
    ) -> None:
        """Send; a refused call whose effect `stands()` already counts as done."""
        try:
            await self._chain.send(call)
        except TransactionRevertedError:
            try:
                done = stands()
            except TransactionRevertedError:
                done = False  # the round is not open yet
            if not done:
                raise

    def _now(self, number: int) -> RoundView:
        contract = self._chain.contract
        return contract.rounds.get(number) or self._chain.round_at(number, self._chain.newest())
