"""The HTTP side of the embedded chain: JSON-RPC 2.0 on a loopback port, everything bounded."""

import ipaddress
import json
import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from swarmp2p.errors import ConfigError, ListenError

MAX_BODY = 1 << 20  # bytes; a deployment is 100 KiB in hexadecimal
MAX_BATCH = 64  # requests in one HTTP body
MAX_NESTED = 800  # lists and objects in a body; Python's JSON parser recurses into them
MAX_CONNECTIONS = 256  # four for each of 64 nodes
IDLE_TIMEOUT = 60.0  # seconds a kept connection, or half a request, may be silent

PARSE_ERROR = -32700
INVALID_REQUEST = -32600

Call = Callable[[str, list[Any]], Any]  # (method, params) -> result; raises RpcError


class RpcError(Exception):
    """An error object of JSON-RPC."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


def answer(body: bytes, call: Call) -> bytes:
    """The reply to one HTTP body: a request, or a batch of them."""
    if body.count(b"[") + body.count(b"{") > MAX_NESTED:
        return _dump(_failure(None, INVALID_REQUEST, "too many lists and objects"))
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return _dump(_failure(None, PARSE_ERROR, "the body is not JSON"))
    if not isinstance(request, list):
        return _dump(_answer_one(request, call))
    if not 1 <= len(request) <= MAX_BATCH:
        return _dump(_failure(None, INVALID_REQUEST, f"a batch is 1 to {MAX_BATCH} requests"))
    return _dump([_answer_one(entry, call) for entry in request])


def _answer_one(request: object, call: Call) -> dict[str, Any]:
    if not isinstance(request, dict):
        return _failure(None, INVALID_REQUEST, "a request is an object")
    identity = request.get("id")
    method, params = request.get("method"), request.get("params", [])
    if not isinstance(method, str) or not isinstance(params, list):
        return _failure(identity, INVALID_REQUEST, "expected a method name and a params list")
    try:
        result = call(method, params)
    except RpcError as error:
        return _failure(identity, error.code, str(error), error.data)
    return {"jsonrpc": "2.0", "id": identity, "result": result}


def _dump(reply: object) -> bytes:
    return json.dumps(reply, separators=(",", ":")).encode()


def _failure(identity: object, code: int, message: str, data: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": identity, "error": error}


class DevServer(ThreadingHTTPServer):
    """A bounded number of connections, all of which can be closed at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], call: Call) -> None:
        self._call = call
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, and no more."""
        # HTTPServer's own would ask the resolver for a host name, which can take seconds.
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, or drop it if there are too many."""
        with self._open_lock:
            full = len(self._open) >= MAX_CONNECTIONS
            if not full:
                self._open.add(request)
        if full:
            request.close()
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection and close it."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def reply(self, body: bytes) -> bytes:
        """What goes back for one HTTP body."""
        return answer(body, self._call)

    def close_connections(self) -> None:
        """Wake every handler, which then closes its socket."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    """POST a JSON-RPC request to any path."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one packet
    server: DevServer

    def do_POST(self) -> None:
        """Answer one body."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal() and len(length) < 12):
            self._reply(411, b"")
        elif int(length) > MAX_BODY:
            self._reply(413, b"")
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                self._reply(200, self.server.reply(body))

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status != 200:
            self.send_header("Connection", "close")  # the body was not read
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: stdout belongs to the ready line."""


def listen(host: str, port: int, call: Call) -> DevServer:
    """A server on a loopback address. Raises ConfigError for others, ListenError if it is taken."""
    host = loopback_host(host)
    try:
        return DevServer((host, port), call)
    except (OSError, OverflowError) as error:
        raise ListenError(
            f"the development chain cannot listen on {host} port {port}: {error}; "
            "stop what uses the port, or choose another (port 0 takes any free one)"
        ) from error


def loopback_host(host: str) -> str:
    """The numeric form of a loopback address. Raises ConfigError for any other."""
    host = "127.0.0.1" if host == "localhost" else host
    try:
        allowed = ipaddress.ip_address(host).is_loopback
    except ValueError:
        allowed = False
    if not allowed:
        raise ConfigError(
            f"the development chain cannot listen on {host}: it asks nobody for a password, so "
            "only loopback addresses (127.0.0.1, ::1) are allowed; use a real chain across machines"
        )
    return host
