"""A node: it follows the chain, takes its part in each round, and serves what it holds.

Over the seams only: the same code runs live and simulated. `run` is the node's life; `start`,
`sync` and `finish` are the door for a training program (see `swarmp2p.train`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import trio

from swarmp2p.errors import (
    ConfigError,
    LedgerUnavailableError,
    LocalProtocolError,
    MergeError,
    NotEnrolledError,
    ProtocolError,
    RunFinished,
    RunStopped,
    TransactionRevertedError,
)
from swarmp2p.ledger.interface import ChainView, Phase
from swarmp2p.node.announce import Announcer
from swarmp2p.node.context import Context, facts_of
from swarmp2p.node.exchange import BlobExchange
from swarmp2p.node.hello import Greeter
from swarmp2p.node.receipts import Receipt, make_receipt
from swarmp2p.node.steps import OwnUpdate, Steps
from swarmp2p.node.vectors import Blob, Vectors
from swarmp2p.protocol.rounds import RoundMachine, State, Step
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
        self._c = context
        self._on_receipt = on_receipt
        self.vectors = Vectors(context.manifest)
        self.exchange = BlobExchange(context)
        self.machine = RoundMachine(context.me, resend_blocks=context.manifest.depth + 8)
        self.announcer = Announcer(context, self.dispatch_pull)
        self.greeter = Greeter(context)
        self.steps = Steps(context, self)
        self._view: ChainView | None = None
        self._head = -1
        self.ready = trio.Event()
        self._moved = trio.Condition()
        self._over = trio.Event()
        self._nursery: trio.Nursery | None = None
        self.base_root = _NO_ROOT
        self._catching_up = False
        self.ledger_trouble = ""
        self.progress: dict[str, float] = {}

    # -- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve and follow the chain until cancelled; `ready` is set once it has been read."""
        view = await self._c.ledger.final_view()
        if view.member(self._c.me) is None:
            raise NotEnrolledError(
                f"peer {self._c.me.hex()} is not enrolled in this run; ask the run's owner to"
                " `swarmp2p ledger invite` it, then run `swarmp2p ledger enrol`"
            )
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
        self._c.store.put(FINAL_BLOCK, view.block.number.to_bytes(8, "big") + view.block.hash)
        self._c.transport.admit(
            {m.peer: m.addresses for m in view.members if m.live and m.peer != self._c.me}
        )
        self.announcer.follow(view)
        self.dispatch(self.machine.advance(facts_of(view, head, self._c.me)))
        async with self._moved:
            self._moved.notify_all()

    def dispatch(self, steps: list[Step]) -> None:
        """Take steps, each in a task of its own."""
        if self._nursery is None:
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
    def view(self) -> ChainView:
        """The newest final view. Only after `run` has started."""
        if self._view is None:
            raise RuntimeError("the node is not running")
        return self._view

    def status(self) -> dict[str, Any]:
        """Plain values for the status line, with whom the node waits for."""
        what, whom = self.machine.waiting_for()
        view = self.view
        return {
            "name": self._c.name(self._c.me),
            "peer": self._c.me.hex(),
            "run_id": self._c.manifest.run_id.hex(),
            "phase": self._phase(view),
            "round": view.round.round,
            "rounds": self._c.manifest.rounds,
            "attempt": view.round.attempt,
            "last_sealed_round": view.last_sealed_round,
            "block": view.block.number,
            "waiting_for": what,
            "waiting_for_peers": sorted(self._c.name(peer) for peer in whom),
            "connected": sorted(self._c.name(peer) for peer in self._c.transport.peers()),
            "bytes_in": self.exchange.traffic.bytes_in,
            "bytes_out": self.exchange.traffic.bytes_out,
            "ledger": self.ledger_trouble or "ok",
            "refused": self._c.refusals.counts(self._c.name),
            "metrics": dict(self.progress),
        }

    def _phase(self, view: ChainView) -> str:
        if self._catching_up:
            return "catching up"
        return "finished" if view.finished else self.machine.state.value

    # -- the door for training -------------------------------------------------------------------

    async def start(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The model that training begins from: the run's initial or last sealed one.

        Posts the genesis root where none is on the chain and the manifest names it. Raises
        ConfigError where `params` do not fit the run's schema.
        """
        blob = self.vectors.encode(params)
        if self.view.genesis_root == _NO_ROOT:
            await self._offer_genesis(blob if self._c.manifest.init != "zeros" else None)
        await self._until(lambda view: view.genesis_root != _NO_ROOT)
        return await self._adopt(self.view.last_root)

    async def _offer_genesis(self, own: Blob | None) -> None:
        """Post the manifest's zeros, or `own` where the manifest leaves it to the run's owner."""
        blob = own or self.vectors.zeros()
        blob.keep(self._c.store)
        try:
            await self._patiently(lambda: self._c.ledger.genesis(blob.root))
        except TransactionRevertedError as error:
            # Another peer was first, or the owner has yet to post it: the chain will say.
            self._c.log("genesis-refused", why=error.reason)

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
        if self.view.last_root != self.base_root:
            return await self._resume_from_last(began)
        number, base = self.view.round.round, self.base_root
        self.steps.update = self._prepare(number, base, params, weight, metrics)
        self._over = trio.Event()
        self.dispatch(self.machine.hand_in(number))
        await self._over.wait()
        return await self._conclude(number, params, began)

    def _refuse_when_over(self) -> None:
        if self.view.member(self._c.me) is None:
            raise NotEnrolledError("this peer's enrolment was revoked; it has no part in the run")
        if self.view.stopped:
            raise RunStopped("the peers have voted to stop the run")
        if self.view.finished:
            raise RunFinished(f"round {self.view.last_sealed_round}, the run's last, is sealed")

    def _prepare(
        self,
        number: int,
        base: bytes,
        params: Mapping[str, Any],
        weight: int | None,
        metrics: Mapping[str, float] | None,
    ) -> OwnUpdate:
        weight = 1 if weight is None else weight
        if not 1 <= weight < 2**32:
            raise ConfigError(f"weight is {weight}; expected 1 to 2^32-1")
        blob = self.vectors.encode(params)
        try:
            return self.steps.prepare(number, base, blob, weight, metrics or {})
        except LocalProtocolError as error:
            raise ConfigError(f"metrics {dict(metrics or {})}: {error}") from None

    async def _conclude(
        self, number: int, params: Mapping[str, Any], began: float
    ) -> tuple[dict[str, Any], Receipt]:
        ended = await self._patiently(lambda: self._c.ledger.round_view(number))
        receipt = self._write_receipt(number, ended, began)
        if ended.phase is Phase.SEALED:
            return await self._adopt(ended.sealed_root), receipt
        return dict(params), receipt

    def _write_receipt(self, number: int, ended: Any, began: float) -> Receipt:
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
        """Make the sealed or initial model under `root` our base, fetching it if need be."""
        if not self.vectors.held(self._c.store, root):
            if root == self._c.manifest.init_root:
                self.vectors.zeros().keep(self._c.store)
            else:
                root = await self._catch_up(root)
        self.base_root = root
        self._c.store.put("model", root)
        return self.vectors.load(self._c.store, root)

    async def _catch_up(self, root: bytes) -> bytes:
        """Fetch the model under `root`, or the newer one that seals meanwhile; its root.

        Others serve a merged vector only until newer rounds have sealed, so what was newest when
        we began may be gone by now.
        """
        self._catching_up = True
        try:
            while not self.vectors.held(self._c.store, root):
                self._c.log("catch-up", root=root.hex())
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._fetch_model, root, nursery.cancel_scope)
                    await self._next_seal()
                    nursery.cancel_scope.cancel()
                if not self.vectors.held(self._c.store, root):
                    root = self.view.last_root
        finally:
            self._catching_up = False
        return root

    async def _next_seal(self) -> None:
        """Until another model than the present one is the last sealed."""
        was = self.view.last_root
        await self._until(lambda view: view.last_root != was)

    async def _fetch_model(self, root: bytes, whole: trio.CancelScope) -> None:
        await self.exchange.fetch(root, self.vectors.sizes, self._c.peers_by_chance)
        whole.cancel()

    @property
    def idle(self) -> bool:
        """No update is in hand."""
        return self.machine.state is State.TRAINING
