"""Swarm: a node beside a training loop. Blocking (`Swarm`) or for trio programs (`AsyncSwarm`)."""

import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import trio

from swarmp2p.config import SwarmConfig
from swarmp2p.errors import LocalProtocolError
from swarmp2p.launch import SystemClock, manifest_of, open_node
from swarmp2p.manifest import RunManifest
from swarmp2p.node.node import Node
from swarmp2p.node.receipts import Receipt

Result = TypeVar("Result")
Params = Mapping[str, Any]
_LOOK_SECONDS = 0.5


class AsyncSwarm:
    """The door to a node, for programs that run on trio."""

    def __init__(self, node: Node, config: SwarmConfig, manifest: RunManifest) -> None:
        """Made by `AsyncSwarm.join`."""
        self._node = node
        self._config = config
        self._clock = SystemClock()
        self.name = config.name
        self.manifest = manifest
        # The manifest's constants win: no local setting overrides what all agreed on.
        self.options: dict[str, Any] = {**config.options, **manifest.options}

    @classmethod
    @asynccontextmanager
    async def join(cls, config: SwarmConfig) -> AsyncIterator["AsyncSwarm"]:
        """Start the node and join its run; leave when the block ends. Raises SwarmError."""
        manifest = manifest_of(config)
        async with open_node(config) as node:
            yield cls(node, config, manifest)

    async def start(self, params: Params) -> dict[str, Any]:
        """The model to begin from: the run's initial or last sealed one."""
        return await self._node.start(params)

    def due(self, step: int) -> bool:
        """Whether to `sync` after optimiser step `step`, counted from 0 over the whole training."""
        return self._node.due(step)

    async def sync(
        self,
        params: Params,
        *,
        metrics: Mapping[str, float] | None = None,
        weight: int | None = None,
    ) -> tuple[dict[str, Any], Receipt]:
        """Merge with the others: the model to go on from, and the round's receipt.

        `weight` is the number of local training examples (default: node.toml's). Raises
        RunFinished after the last round.
        """
        weight = self._config.weight if weight is None else weight
        return await self._node.sync(params, metrics=metrics, weight=weight)

    async def finish(self, params: Params, mode: str = "snapshot") -> dict[str, Any]:
        """The run's final model; "inactive" gives back `params`."""
        return await self._node.finish(params, mode)

    def status(self) -> dict[str, Any]:
        """What `swarmp2p status` shows."""
        return self._node.status()

    async def linger(self) -> None:
        """Serve the others a little longer, so that slower ones get the last round's chunks."""
        await self._clock.sleep(self._config.linger)


class Swarm:
    """The same for blocking programs: the node runs on trio in a thread of its own.

    Use as a context manager::

        with Swarm.join(SwarmConfig.from_toml("node.toml")) as swarm:
            params = swarm.start(params)
    """

    def __init__(self, config: SwarmConfig) -> None:
        """`config.linger` is how long the node serves on after the block has ended well."""
        self._config = config
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._leave: trio.Event | None = None
        self._scope: trio.CancelScope | None = None
        self._door: AsyncSwarm | None = None
        self._failure: BaseException | None = None

    @classmethod
    def join(cls, config: SwarmConfig) -> "Swarm":
        """A node for `config`; it starts when the `with` block is entered."""
        return cls(config)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._live, name="swarmp2p-node", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        try:
            if kind is None and self._failure is None:
                self._call(lambda door: door.linger())
        finally:
            self._stop()
        if kind is None and self._failure is not None:
            raise self._failure

    def _live(self) -> None:
        try:
            trio.run(self._life, strict_exception_groups=True)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
            self._failure = _plain(error)
        finally:
            self._ready.set()

    async def _life(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._leave = trio.Event()
        with trio.CancelScope() as self._scope:
            async with AsyncSwarm.join(self._config) as self._door:
                self._ready.set()
                await self._leave.wait()

    def _stop(self) -> None:
        if self._token is not None and self._thread is not None:
            with contextlib.suppress(trio.RunFinishedError):  # It may have ended by itself.
                self._token.run_sync_soon(self._cancel)
            self._thread.join()

    def _cancel(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    def _call(self, work: Callable[[AsyncSwarm], Awaitable[Result]]) -> Result:
        """Run `work` in the node's thread; the node's own failure surfaces here."""
        door = self._opened()

        async def run() -> Result:
            return await work(door)

        try:
            return trio.from_thread.run(run, trio_token=self._token)
        except (trio.RunFinishedError, trio.Cancelled):
            if self._thread is not None:
                self._thread.join()
            if self._failure is not None:
                raise self._failure from None
            raise

    @property
    def name(self) -> str:
        """This site's name."""
        return self._config.name

    @property
    def options(self) -> dict[str, Any]:
        """[train.options] of node.toml, and over it the manifest's [options]."""
        return dict(self._opened().options)

    @property
    def manifest(self) -> RunManifest:
        """The run's terms."""
        return self._opened().manifest

    def _opened(self) -> AsyncSwarm:
        if self._door is None:
            raise LocalProtocolError("the swarm is used outside its `with` block")
        return self._door

    def start(self, params: Params) -> dict[str, Any]:
        """The model to begin from: the run's initial or last sealed one."""
        return self._call(lambda door: door.start(params))

    def due(self, step: int) -> bool:
        """Whether to `sync` after optimiser step `step`, counted from 0 over the whole training."""
        return self._door is not None and self._door.due(step)

    def sync(
        self,
        params: Params,
        *,
        metrics: Mapping[str, float] | None = None,
        weight: int | None = None,
    ) -> tuple[dict[str, Any], Receipt]:
        """Merge with the others: the model to go on from, and the round's receipt."""
        return self._call(lambda door: door.sync(params, metrics=metrics, weight=weight))

    def finish(self, params: Params, mode: str = "snapshot") -> dict[str, Any]:
        """The run's final model; "inactive" gives back `params`."""
        return self._call(lambda door: door.finish(params, mode))

    def status(self) -> dict[str, Any]:
        """What `swarmp2p status` shows."""

        async def ask(door: AsyncSwarm) -> dict[str, Any]:
            return door.status()

        return self._call(ask)

    def serve(self) -> None:
        """Serve until the process is told to end (SIGTERM or Ctrl-C), or the node fails."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(_LOOK_SECONDS)


def _plain(error: BaseException) -> BaseException:
    """The one exception inside nested groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
