"""The machines of streams: hello, provider, getter, stepped as a pump steps them (05, 07)."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from swarmp2p.crypto.merkle import MerkleTree, leaf_hash
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.codes import treat
from swarmp2p.protocol.getter import ChunkRefused, ChunkVerified, Getter, GetterEvent
from swarmp2p.protocol.hello import HelloMachine, Role
from swarmp2p.protocol.provider import ChunkWanted, Provider
from swarmp2p.target.messages import hello_of
from swarmp2p.target.notation import Input, Operation, Output, code_name, data_of
from swarmp2p.wire.registry import Code


class _Machine(Protocol):
    """What every machine of a stream takes."""

    def receive_data(self, data: bytes, *, now: float) -> None: ...
    def receive_eof(self, *, now: float) -> None: ...
    def handle_timer(self, *, now: float) -> None: ...
    def data_to_send(self) -> list[Any]: ...


def _take(machine: _Machine, step: Input) -> str | None:
    """Take one step; the code of the reset it ended in, or None."""
    now = step["at"]
    try:
        if "receive" in step:
            machine.receive_data(data_of(step["receive"]), now=now)
        elif step.get("end"):
            machine.receive_eof(now=now)
        else:
            machine.handle_timer(now=now)
    except RemoteProtocolError as error:
        return code_name(error.code)
    return None


def _sent(machine: _Machine) -> str:
    """All bytes that the machine hands out in one step."""
    return b"".join(machine.data_to_send()).hex()


def run_hello(given: Input) -> Output:
    """Answer `hello.machine`."""
    machine = HelloMachine(Role(given["role"]), hello_of(given["own"]), now=0)

    def entry(close: str | None) -> Output:
        return {
            "sent": _sent(machine),
            "state": machine.state.name,
            "close": close,
            "deadline": machine.next_deadline(),
        }

    return {"log": [entry(None), *(entry(_take(machine, step)) for step in given["steps"])]}


class _Shelf:
    """Blobs a provider holds, and those among them that it may not reveal yet."""

    def __init__(self, blobs: Sequence[Sequence[Any]], hidden: Sequence[str]) -> None:
        self._hidden = {data_of(root) for root in hidden}
        self._blobs = {}
        for chunks in ([data_of(chunk) for chunk in blob] for blob in blobs):
            tree = MerkleTree([leaf_hash(index, chunk) for index, chunk in enumerate(chunks)])
            self._blobs[tree.root] = (chunks, tree)

    def answer(self, provider: Provider, wanted: ChunkWanted) -> None:
        """Answer the oldest open request."""
        if wanted.root in self._hidden:
            provider.refuse(Code.RETRY)
            return
        chunks, tree = self._blobs.get(wanted.root, ((), None))
        if tree is None or wanted.index >= len(chunks):
            provider.refuse(Code.NOT_FOUND)
            return
        provider.send_chunk(chunks[wanted.index], tree.proof(wanted.index))


def run_provider(given: Input) -> Output:
    """Answer `provider.machine`."""
    provider, shelf = Provider(), _Shelf(given["blobs"], given["hidden"])
    waiting: list[ChunkWanted] = []
    log: list[Output] = [{"sent": "", "close": None}]
    dead = False
    for step in given["steps"]:
        close = None if dead else _take(provider, step)
        dead = dead or close is not None
        waiting += provider.events()
        if not (dead or step.get("busy")):
            for wanted in waiting:
                shelf.answer(provider, wanted)
            waiting = []
        log.append({"sent": _sent(provider), "close": close})
    return {"log": log}


def run_getter(given: Input) -> Output:
    """Answer `getter.machine`."""
    getter = Getter(
        data_of(given["root"]), given["sizes"], given["want"], now=0, window=given["window"]
    )

    def entry(close: str | None) -> Output:
        events = [_event(event) for event in getter.events()]
        return {
            "sent": _sent(getter),
            "events": events,
            "close": close,
            "deadline": getter.next_deadline(),
        }

    return {"log": [entry(None), *(entry(_take(getter, step)) for step in given["steps"])]}


def _event(event: GetterEvent) -> Output:
    if isinstance(event, ChunkVerified):
        return {"verified": event.index}
    if isinstance(event, ChunkRefused):
        return {"refused": event.index, "code": treat(event.code).name}
    return {"done": True}


OPERATIONS: Mapping[str, Operation] = {
    "hello.machine": run_hello,
    "provider.machine": run_provider,
    "getter.machine": run_getter,
}
