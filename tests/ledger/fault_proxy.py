"""An endpoint that misbehaves: a loopback HTTP proxy before a real chain, one fault at a time."""

import json
import threading
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

Request = dict[str, Any]
Forward = Callable[[], dict[str, Any]]  # asks the real chain; the JSON-RPC reply
Fault = Callable[[Request, Forward], dict[str, Any] | int | None]


class FaultProxy:
    """Forwards to `target`, through `fault` where one is set.

    A fault gets the request and a way to forward it, and returns the reply, an HTTP status, or None
    to drop the connection. `seen` are the requests in order.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.fault: Fault | None = None
        self.seen: list[Request] = []
        self.closing = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # headers and body leave in one packet

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.answer(proxy.reply(json.loads(body)))

            def answer(self, reply: dict[str, Any] | int | None) -> None:
                if reply is None:
                    self.close_connection = True
                    return
                status, body = (reply, b"") if isinstance(reply, int) else (200, encoded(reply))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                """A client that gave up is what these tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def reply(self, request: Request) -> dict[str, Any] | int | None:
        self.seen.append(request)
        fault = self.fault
        return fault(request, lambda: self.forward(request)) if fault else self.forward(request)

    def forward(self, request: Request) -> dict[str, Any]:
        host = urlsplit(self.target)
        chain = HTTPConnection(host.hostname or "", host.port, timeout=30)
        with closing(chain):
            chain.request("POST", "/", encoded(request))
            answer: dict[str, Any] = json.loads(chain.getresponse().read())
        return answer

    def hang(self, _request: Request, _forward: Forward) -> None:
        """A fault: accepts, and answers never."""
        self.closing.wait()

    def methods(self) -> list[str]:
        return [request["method"] for request in self.seen]

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def result(request: Request, value: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": value}


def refusal(request: Request, code: int, message: str) -> dict[str, Any]:
    error = {"code": code, "message": message}
    return {"jsonrpc": "2.0", "id": request["id"], "error": error}


def drop(_request: Request, _forward: Forward) -> None:
    """A fault: closes the connection."""


def on(method: str, change: Callable[[Request, Forward], Any]) -> Fault:
    """A fault of one method: `change` makes the result."""

    def fault(request: Request, forward: Forward) -> dict[str, Any]:
        if request["method"] != method:
            return forward()
        return result(request, change(request, forward))

    return fault


def behind(blocks: int) -> Fault:
    """A fault: an endpoint that has not seen the last blocks."""

    def fault(request: Request, forward: Forward) -> dict[str, Any]:
        method, params = request["method"], request["params"]
        head = int(forward()["result"], 16) if method == "eth_blockNumber" else None
        if head is not None:
            return result(request, hex(head - blocks))
        if method == "eth_getTransactionReceipt":
            return result(request, None)
        if method == "eth_call" and isinstance(params[-1], dict):
            return refusal(request, -32000, "header not found")
        return forward()

    return fault
