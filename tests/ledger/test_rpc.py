"""One call of the JSON-RPC client ends in time, whatever the other side sends, and how slowly."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat

import pytest
from fault_proxy import FaultProxy, refusal

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.rpc import RpcClient

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def dripping(pieces: Iterator[bytes], every: float) -> Iterator[str]:
    """An endpoint that sends one piece after the other, `every` so many seconds; its URL."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    if over.wait(every):
                        return
            except OSError:
                return  # the client gave up, as it should

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (OK, b"a"),  # a header that never ends
        (CHUNKED, b"0"),  # the size of a chunk
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_drip__does_not_outlast_the_timeout(first: bytes, rest: bytes) -> None:
    ended = threading.Event()
    with dripping(chain([first], repeat(rest)), 0.05) as url, RpcClient(url, timeout=0.3) as rpc:

        def call() -> None:
            with pytest.raises(LedgerUnavailableError, match=r"no answer within 0\.3 s"):
                rpc.call("eth_chainId")
            ended.set()

        threading.Thread(target=call, daemon=True).start()
        assert ended.wait(10)


@pytest.mark.parametrize("echo", ["dXNlcjpwYXNzd29yZA==", "x" * 293 + "project-key"])
def test_endpoint_that_quotes_the_request__gives_no_secret_away(echo: str) -> None:
    with FaultProxy("") as proxy:
        proxy.fault = lambda request, _forward: refusal(request, -32000, echo)
        url = proxy.url.replace("http://", "http://user:password@") + "/project-key"
        with RpcClient(url) as rpc, pytest.raises(LedgerUnavailableError) as caught:
            rpc.call("eth_chainId")
    assert "***" in str(caught.value)
    assert "dXNl" not in str(caught.value)
    assert "project" not in str(caught.value)
