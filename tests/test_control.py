"""The control socket: what clients do wrong is their own trouble."""

import json
import socket

import pytest
import trio

from swarmp2p.control import SOCKET_NAME, ask, serve_control
from swarmp2p.errors import StateError


async def listening(folder):
    """Until somebody answers there."""
    with trio.fail_after(5):
        while True:
            try:
                await trio.to_thread.run_sync(ask, folder, {})
            except StateError:
                await trio.lowlevel.checkpoint()
            else:
                return


@pytest.fixture
async def state(tmp_path, nursery):
    nursery.start_soon(serve_control, tmp_path, lambda request: {"echo": request})
    await listening(tmp_path)
    return tmp_path


async def test_a_request__is_answered_with_one_line(state):
    reply = await trio.to_thread.run_sync(ask, state, {"cmd": "status"})
    assert reply == {"echo": {"cmd": "status"}}
    assert (state / SOCKET_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("request_", [b"nonsense\n", b"[1]\n", b"[" * 4000, b"x" * 100_000])
async def test_nonsense__is_answered_or_cut_and_the_next_client_is_served(state, request_):
    def send():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(state / SOCKET_NAME))
            try:
                client.sendall(request_)
                client.shutdown(socket.SHUT_WR)
                return client.recv(4096)
            except OSError:
                return b""

    reply = await trio.to_thread.run_sync(send)
    assert not reply or "error" in json.loads(reply)
    assert await trio.to_thread.run_sync(ask, state, {"cmd": "x"}) == {"echo": {"cmd": "x"}}


async def test_a_client_that_goes_away__does_not_end_the_node(state):
    def leave():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(state / SOCKET_NAME))
            client.sendall(b'{"cmd": "status"}\n')

    for _ in range(5):
        await trio.to_thread.run_sync(leave)
    assert await trio.to_thread.run_sync(ask, state, {}) == {"echo": {}}


def test_nobody_answering__is_one_clear_error(tmp_path):
    with pytest.raises(StateError, match="no node answers"):
        ask(tmp_path, {"cmd": "status"})
    (tmp_path / SOCKET_NAME).write_text("no socket")
    with pytest.raises(StateError, match="not a socket"):
        ask(tmp_path, {"cmd": "status"})


async def test_a_long_state_path__still_works(tmp_path, nursery):
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    nursery.start_soon(serve_control, folder, lambda request: request)
    await listening(folder)
    assert await trio.to_thread.run_sync(ask, folder, {"a": 1}) == {"a": 1}
