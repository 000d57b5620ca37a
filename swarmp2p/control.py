"""The control socket of a running node: `STATE/control.sock`, one JSON line each way."""

import contextlib
import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from swarmp2p.errors import StateError

SOCKET_NAME = "control.sock"
_MAX_LINE = 1 << 20
_MAX_REQUEST = 1 << 12
_ANSWER_SECONDS = 5.0


async def serve_control(state: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer requests until cancelled. The socket is 0600 and goes when the node goes."""
    path = state / SOCKET_NAME
    path.unlink(missing_ok=True)
    listener = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A path longer than a sockaddr holds (108 bytes) is reached through the directory's descriptor.
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        old_mask = os.umask(0o177)
        try:
            await listener.bind(f"/proc/self/fd/{folder}/{SOCKET_NAME}")
        finally:
            os.umask(old_mask)
        listener.listen(8)
        async with trio.open_nursery() as nursery:
            while True:
                connection, _ = await listener.accept()
                nursery.start_soon(_answer_one, trio.SocketStream(connection), answer)
    finally:
        listener.close()
        os.close(folder)
        path.unlink(missing_ok=True)


async def _answer_one(
    stream: trio.SocketStream, answer: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """One request. A client that goes away, or sends nonsense, is its own trouble only."""
    with (
        trio.move_on_after(_ANSWER_SECONDS),
        contextlib.suppress(trio.BrokenResourceError, OSError),
    ):
        async with stream:
            line = b""
            while not line.endswith(b"\n") and len(line) < _MAX_REQUEST:
                data = await stream.receive_some(4096)
                if not data:
                    break
                line += data
            try:
                request = json.loads(line)
            except (ValueError, RecursionError):
                request = None
            known = isinstance(request, dict)
            reply = answer(request) if known else {"error": "the request is no JSON object"}
            await stream.send_all(json.dumps(reply).encode() + b"\n")


def ask(state: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the node that runs on `state`. Raises StateError when nobody answers."""
    path = state / SOCKET_NAME
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise StateError(f"{path} is not a socket; is {state} a node's state directory?")
        folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(_ANSWER_SECONDS)
                client.connect(f"/proc/self/fd/{folder}/{SOCKET_NAME}")
                client.sendall(json.dumps(request).encode() + b"\n")
                line = _read_line(client)
        finally:
            os.close(folder)
        reply: dict[str, Any] = json.loads(line)
    except (OSError, ValueError) as error:
        raise StateError(
            f"no node answers at {path} ({error.__class__.__name__});"
            " start it with `swarmp2p node --config node.toml`"
        ) from None
    return reply


def _read_line(client: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < _MAX_LINE:
        data = client.recv(65536)
        if not data:
            break
        line += data
    return line
