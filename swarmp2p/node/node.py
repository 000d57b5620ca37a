"""A node: it follows the chain, takes its part in each round, and serves what it holds.

Over the seams only: the same code runs live and simulated. `run` is the node's life; `start`,
`sync` and `finish` are the door for a training program (see `swarmp2p.train`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import trio

from swarmp2p.errors import (
    ConfigError,
    KeyMisusedError,
    LedgerUnavailableError,
    MergeError,
    ProtocolError,
    RunFinished,
    RunStopped,
    StateError,
    TransactionRevertedError,
)
from swarmp2p.ledger.interface import ChainView, MemberKey, Phase
from swarmp2p.node.announce import Announcer
from swarmp2p.node.catch_up import CatchUp
from swarmp2p.node.context import Context, facts_of
from swarmp2p.node.exchange import BlobExchange
from swarmp2p.node.faults import Faults
from swarmp2p.node.genesis import offer_genesis
from swarmp2p.node.hello import Greeter
from swarmp2p.node.membership import epoch_of, key_trouble, refuse_ended_key, refuse_stranger
from swarmp2p.node.own_update import OwnUpdates
from swarmp2p.node.receipts import Receipt, make_receipt
from swarmp2p.node.status import status_of
from swarmp2p.node.steps import Steps
from swarmp2p.node.vectors import Vectors
from swarmp2p.protocol.rounds import RoundMachine, State, Step
from swarmp2p.protocol.verdicts import Equivocation
from swarmp2p.wire.registry import PROTOCOL_CHUNK, PROTOCOL_HELLO

Answer = TypeVar("Answer")
_NO_ROOT = bytes(32)
FINAL_BLOCK = "final block"  # in the store: u64be number || hash of the last one acted on


class Node:
    """One peer of one run."""

    def __init__(
        self, context: Context, *, on_receipt: Callable[[Receipt], None] = lambda _: None
    ) -> None:
        """`on_receipt` is called with the receipt of each round that ends."""
        self.context = self._c = context
        self._on_receipt = on_receipt
        self.vectors = Vectors(context.manifest)
        self.exchange = BlobExchange(context)
        self.machine = RoundMachine(resend_blocks=context.manifest.depth + 8)
        self.faults = Faults(context, self._halt)
        self.announcer = Announcer(context, self.dispatch_pull, self._accuse)
        self.greeter = Greeter(context, lambda: epoch_of(self.view, context.me))
        self.updates = OwnUpdates(context, self.vectors, self.exchange)
        self.steps = Steps(context, self)
        self.models = CatchUp(context, self.vectors, self.exchange, self._until)
        self._view: ChainView | None = None
        self._head = -1
        self.ready = trio.Event()
        self._moved = trio.Condition()
        self._over = trio.Event()
        self._nursery: trio.Nursery | None = None
        self.base_root = _NO_ROOT
        self._halted = False
        self.key_trouble = ""
        self.ledger_trouble = ""
        self.progress: dict[str, float] = {}

    # -- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve and follow the chain until cancelled; `ready` is set once it has been read."""
        view = await self._c.ledger.final_view()
        refuse_stranger(view, self._c.me)
        self.faults.recall(view)
        await self._publish_addresses(view)
        self._c.transport.handle(PROTOCOL_CHUNK, self.exchange.serve)
        self._c.transport.handle(PROTOCOL_HELLO, self.greeter.answer)
        self.announcer.subscribe()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await self._apply(view, view.block.number)
            self._resume()
            nursery.start_soon(self._watch)
            nursery.start_soon(self.announcer.repeat)
            nursery.start_soon(self.greeter.greet_all)
            self.ready.set()

    def _resume(self) -> None:
        """After a restart: take the open round up again with the update that the disk holds.

        Training may take longer than the windows, so this does not wait for the next `sync`.
        """
        number = self.view.round.round
        if not self.view.finished and self.steps.resume(number, self.view.round.base):
            self._over = trio.Event()
            self.dispatch(self.machine.hand_in(number))

    async def _publish_addresses(self, view: ChainView) -> None:
        """The enrolment record is the only place where others learn where to dial."""
        mine, listening = view.member(self._c.me), self._c.announced()
        if mine is not None and mine.addresses != listening:
            await self._c.ledger.set_addresses(listening)

    async def _watch(self) -> None:
        """Poll the chain; a chain that is down is waited for, and status says so."""
        while True:
            try:
                head = await self._c.ledger.head()
                if head != self._head:
                    await self._apply(await self._c.ledger.final_view(), head)
                self.ledger_trouble = ""
            except LedgerUnavailableError as error:
                if not self.ledger_trouble:
                    self._c.log("ledger-unavailable", why=str(error))
                self.ledger_trouble = str(error)
            await self._c.clock.sleep(self._c.poll)

    async def _apply(self, view: ChainView, head: int) -> None:
        if self._view is not None and view.round.round != self._view.round.round:
            self.steps.leave_round(self._view.round.round)
        self._view, self._head = view, head
        self._follow_keys(view)
        self._c.store.put(FINAL_BLOCK, view.block.number.to_bytes(8, "big") + view.block.hash)
        self._c.transport.admit(
            {m.peer: m.addresses for m in view.members if m.live and m.peer != self._c.me}
        )
        if view.member(self._c.me) is None:
            self.announcer.retire()  # revoked, excluded or rotated away: publish nothing more
        self.announcer.follow(view)
        self._vote()
        self.dispatch(self.machine.advance(facts_of(view, head, self._c.me)))
        async with self._moved:
            self._moved.notify_all()

    def _follow_keys(self, view: ChainView) -> None:
        """What the view says of keys: our own, and labels of members that rotated."""
        self.faults.follow(view)
        trouble = key_trouble(view, self._c.me)
        if trouble and trouble != self.key_trouble:
            self._c.log("key", round=view.round.round, why=trouble)
        self.key_trouble = trouble
        for member in view.members:
            label = next((n for k in member.keys if (n := self._c.names.get(k.peer))), None)
            if label is not None:
                for key in member.keys:
                    self._c.names.setdefault(key.peer, label)

    def _accuse(self, proof: Equivocation) -> None:
        self.faults.note(proof)
        self._vote()

    def _vote(self) -> None:
        if self._nursery is not None and not self._halted:
            for charge in self.faults.due():
                self._nursery.start_soon(self.faults.vote, charge)

    def _halt(self, error: KeyMisusedError) -> None:
        """SEC-004: sign nothing more, and end with a message."""
        self._halted = True
        self.announcer.retire()
        if self._nursery is not None:
            self._nursery.start_soon(_raise, error)

    def dispatch(self, steps: list[Step]) -> None:
        """Take steps, each in a task of its own."""
        if self._nursery is None or self._halted:
            return
        for step in steps:
            self._nursery.start_soon(self._take, step)

    async def _take(self, step: Step) -> None:
        try:
            await self.steps.take(step)
        except LedgerUnavailableError as error:
            self._c.log("step-waits", step=type(step).__name__, why=str(error))
            self.ledger_trouble = str(error)
            await self._c.clock.sleep(self._c.poll)
            self.machine.forget(step)
        except TransactionRevertedError as error:
            # The chain went on meanwhile; the next view says where the round stands.
            self._c.log("step-refused", step=type(step).__name__, why=error.reason)
        except (MergeError, ProtocolError) as error:
            self._c.log("step-failed", step=type(step).__name__, why=str(error))

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask the chain until it answers: an outage is waited for, and status says so."""
        while True:
            try:
                return await ask()
            except LedgerUnavailableError as error:
                self.ledger_trouble = str(error)
                await self._c.clock.sleep(self._c.poll)

    def round_over(self) -> None:
        """The round of the update in hand has ended."""
        self.announcer.retire()
        self._over.set()

    def dispatch_pull(self, peer: bytes) -> None:
        """Begin to fetch a roster member's update, if its manifest is known."""
        if self._nursery is not None:
            self._nursery.start_soon(self.steps.pull, peer)

    # -- what others see -------------------------------------------------------------------------

    @property
    def own_key(self) -> MemberKey | None:
        """The key of our enrolment in the current round; this node may not have it (any more)."""
        mine = self.view.holder(self._c.me)
        return None if mine is None else self.view.round_key(mine)

    @property
    def signing_key(self) -> MemberKey | None:
        """The same where this node may sign with it: ours, current, and not revoked (ID-027)."""
        mine, key = self.view.member(self._c.me), self.own_key
        return key if mine is not None and key is not None and key.peer == self._c.me else None

    @property
    def view(self) -> ChainView:
        """The newest final view. Only after `run` has started."""
        if self._view is None:
            raise RuntimeError("the node is not running")
        return self._view

    def status(self) -> dict[str, Any]:
        """Plain values for the status line, with whom the node waits for."""
        return status_of(self)

    # -- the door for training -------------------------------------------------------------------

    async def start(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The model that training begins from: the run's initial or last sealed one.

        Posts the genesis root where none is on the chain and the manifest names it. Raises
        MergeError where `params` do not fit the run's schema, ConfigError where the genesis model
        is one that no run begins from.
        """
        blob = self.vectors.first_model(params)
        if self.view.genesis_root == _NO_ROOT:
            zeros = self._c.manifest.init == "zeros"
            blob = self.vectors.zeros() if zeros else blob
            await offer_genesis(self._c, blob, self._patiently)
        del blob  # as large as the model
        await self._until(lambda view: view.genesis_root != _NO_ROOT)
        return await self._adopt(self.view.last_root)

    def due(self, step: int) -> bool:
        """Whether the run is open and `step` (from 0) ends a stretch of local steps."""
        return not self.view.finished and (step + 1) % self._c.manifest.sync_every == 0

    async def sync(
        self,
        params: Mapping[str, Any],
        *,
        metrics: Mapping[str, float] | None = None,
        weight: int | None = None,
    ) -> tuple[dict[str, Any], Receipt]:
        """Take part in one round with `params`; return the model to go on from, and its receipt.

        A void round returns `params` themselves. An update that comes too late for its round, or
        whose base is no longer the last sealed model, returns the last sealed model. Raises
        RunFinished or RunStopped when the run is over.
        """
        self._refuse_when_over()
        self.progress = dict(metrics or {})
        began = self._c.clock.now()
        if not self.idle:  # taken up again after a restart, or after a cancelled call
            number = self.machine.round
            await self._over.wait()
            return await self._conclude(number, params, began)
        await self._settle_residual()
        if self.view.last_root != self.base_root:
            return await self._resume_from_last(began)
        number, base = self.view.round.round, self.base_root
        # ID-027: without our key of the round we sign nothing for it, and sit it out.
        self.steps.update = None
        if self.signing_key is not None:
            try:
                update = self.updates.prepare(number, base, params, weight, metrics or {})
            except StateError as error:
                if self.vectors.holds_model(self._c.store, base):
                    raise
                self._c.log("chunk-lost", round=number, why=str(error))
                await self.models.fetch(base)
                return await self.sync(params, metrics=metrics, weight=weight)
            self.steps.update = update
        self._over = trio.Event()
        self.dispatch(self.machine.hand_in(number))
        await self._over.wait()
        return await self._conclude(number, params, began)

    def _refuse_when_over(self) -> None:
        refuse_stranger(self.view, self._c.me)
        if self.view.stopped:
            raise RunStopped("the peers have voted to stop the run")
        if self.view.finished:
            raise RunFinished(f"round {self.view.last_sealed_round}, the run's last, is sealed")

    async def _settle_residual(self) -> None:
        """After a crash: how the round of our last update ended, which no receipt has told."""
        number = self.updates.residuals.open_round(self.view.round.round)
        if number:
            ended = await self._patiently(lambda: self._c.ledger.round_view(number))
            self.updates.residuals.settle(ended)

    async def _conclude(
        self, number: int, params: Mapping[str, Any], began: float
    ) -> tuple[dict[str, Any], Receipt]:
        ended = await self._patiently(lambda: self._c.ledger.round_view(number))
        receipt = self._write_receipt(number, ended, began)
        if ended.phase is Phase.SEALED:
            return await self._adopt(ended.sealed_root), receipt
        return dict(params), receipt

    def _write_receipt(self, number: int, ended: Any, began: float) -> Receipt:
        refuse_ended_key(self.view, self._c.me)
        self.updates.residuals.settle(ended)
        merged = self.steps.merged_of(number)
        receipt = make_receipt(
            self._c,
            self.view,
            ended,
            merged,
            {
                "seconds": round(self._c.clock.now() - began, 3),
                "outliers": [self._c.name(peer) for peer in merged.outliers] if merged else [],
                "computed_here": merged is not None,
                "bytes_in": self.exchange.traffic.bytes_in,
                "bytes_out": self.exchange.traffic.bytes_out,
                "metrics": dict(self.progress),
            },
        )
        self._on_receipt(receipt)
        self._c.log(
            "round-over",
            round=number,
            outcome="sealed" if receipt.sealed else "void",
            root=receipt.merged_root,
            contributors=list(receipt.contributors),
            missing=list(receipt.missing),
        )
        return receipt

    async def _resume_from_last(self, began: float) -> tuple[dict[str, Any], Receipt]:
        """The update's base is stale: give back the last sealed model and its round's receipt."""
        last = self.view.last_sealed_round
        ended = await self._patiently(lambda: self._c.ledger.round_view(last))
        self._c.log("stale-update", round=self.view.round.round, last_sealed=last)
        receipt = self._write_receipt(last, ended, began)
        return await self._adopt(self.view.last_root), receipt

    async def finish(self, params: Mapping[str, Any], mode: str = "snapshot") -> dict[str, Any]:
        """The run's final model once its last round has sealed (PRODUCT: train-end modes).

        "snapshot" and "active" wait for the end of the run and return its last sealed model;
        "inactive" returns `params` at once.
        """
        if mode not in ("snapshot", "active", "inactive"):
            raise ConfigError(f"mode is {mode!r}; expected snapshot, active or inactive")
        if mode == "inactive":
            return dict(params)
        await self._until(lambda view: view.finished)
        return await self._adopt(self.view.last_root)

    async def _until(self, met: Callable[[ChainView], bool]) -> None:
        async with self._moved:
            while not met(self.view):
                await self._moved.wait()

    async def _adopt(self, root: bytes) -> dict[str, Any]:
        """Make the sealed or initial model under `root`, or a newer one, our base."""
        root = await self.models.hold(root, lambda: self.view)
        if root == self.view.genesis_root:
            self.vectors.refuse_used(self._c.store, root)
        self.base_root = root
        self._c.store.put("model", root)
        return self.vectors.load(self._c.store, root)

    @property
    def idle(self) -> bool:
        """No update is in hand."""
        return self.machine.state is State.TRAINING


async def _raise(error: KeyMisusedError) -> None:
    raise error
