"""A JSON-RPC client: blocking, bounded in time and size, with a pool of kept connections.

Several threads may share one. Nothing that may be secret in a URL (user, password, path, query)
stands in any message.
"""

import base64
import io
import ipaddress
import json
import re
import socket
import ssl
import time
from collections import deque
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, unquote, urlsplit

from swarmp2p.errors import ConfigError, LedgerUnavailableError

MAX_REPLY = 8 << 20  # bytes; a view of a whole round of 64 peers is 20 KiB
IDLE_CONNECTIONS = 4
_READ = 1 << 16
_MAX_MESSAGE = 300  # characters of an endpoint's own words


_QUANTITY = re.compile("0[xX][0-9a-fA-F]{1,64}")
_MAX_HEIGHT = (1 << 63) - 2  # what the state database holds, one more included
_SHORTEST_SECRET = 4  # characters; what is shorter ("v3") is hidden with the rest of the path


class RpcFailedError(LedgerUnavailableError):
    """No JSON-RPC reply came. `again`: asking once more may help (not a timeout, not a refusal)."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class RpcRefusedError(LedgerUnavailableError):
    """The endpoint answered with an error object. `data` is revert data, if it sent any."""

    def __init__(self, code: int, message: str, data: bytes) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


def hexed(data: bytes) -> str:
    """Bytes as JSON-RPC writes them."""
    return "0x" + data.hex()


def quantity(value: object) -> int:
    """A number of a JSON-RPC reply, below 2^256. Raises LedgerUnavailableError."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        # Not the value itself: it comes from outside, and may quote the URL.
        kind = type(value).__name__
        raise LedgerUnavailableError(
            f"the chain answered a {kind} where a number such as 0x1f goes"
        )
    return int(value, 16)


def height(value: object) -> int:
    """A count of blocks or transactions in a reply. Raises LedgerUnavailableError."""
    number = quantity(value)
    if number > _MAX_HEIGHT:
        raise LedgerUnavailableError(
            "the chain answered a number of blocks or transactions larger than any chain has"
        )
    return number


def octets(value: object) -> bytes:
    """Bytes of a JSON-RPC reply. Raises LedgerUnavailableError."""
    try:
        return bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError:
        raise LedgerUnavailableError("the chain answered text where bytes go") from None


def check_url(url: str) -> SplitResult:
    """The parts of an endpoint's URL: https, or http on loopback. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError("the chain's URL cannot be read: expected https://HOST[:PORT]") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"the chain's URL {redact(url)} has characters that no URL has")
    if parts.scheme == "https" and host:
        return parts
    if parts.scheme == "http" and _is_loopback(host):
        return parts
    raise ConfigError(
        f"the chain's URL {redact(url)} is not allowed: expected https://HOST, or http:// on a "
        "loopback address such as http://127.0.0.1:8545"
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def redact(url: str) -> str:
    """The URL with scheme, host and port only: providers put keys in the rest."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(unreadable URL)"
    shown = f"[{host}]" if ":" in host else host
    shown += f":{port}" if port else ""
    return f"{parts.scheme}://{shown}"


def _secrets(parts: SplitResult) -> tuple[str, ...]:
    """What of a URL may be a key, as written and as decoded, the longest first."""
    texts = [parts.username or "", parts.password or "", parts.query, *parts.path.split("/")]
    texts += [piece for pair in parts.query.split("&") for piece in pair.split("=")]
    both = {text for each in texts for text in (each, unquote(each))}
    return tuple(sorted((t for t in both if len(t) >= _SHORTEST_SECRET), key=len, reverse=True))


class RpcClient:
    """Calls one endpoint. Each call takes at most `timeout` seconds, name lookup apart.

    `max_reply` bounds an answer in bytes; `what` is how messages call the other side.
    """

    def __init__(
        self, url: str, *, timeout: float = 10.0, max_reply: int = MAX_REPLY, what: str = "chain"
    ) -> None:
        parts = check_url(url)
        self.shown = redact(url)
        self.timeout = timeout
        self._what = what
        self._max_reply = max_reply
        self._secrets = _secrets(parts)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/json", "User-Agent": "swarmp2p"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            token = base64.b64encode(pair.encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"
            self._secrets = (token, *self._secrets)  # proxies quote headers
        self._tls = ssl.create_default_context() if self._secure else None
        self._idle: deque[HTTPConnection] = deque()
        self._closed = False

    def call(self, method: str, *params: object) -> Any:
        """The result of a method.

        Raises RpcRefusedError for an error object, else LedgerUnavailableError.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        deadline = time.monotonic() + self.timeout
        try:
            status, data = self._exchange(body.encode(), deadline)
        except (OSError, HTTPException, ValueError) as error:
            # Not `from error`: http.client's messages may quote the URL's path.
            why = self._without_secrets(_what(error, self.timeout))
            again = isinstance(error, (ConnectionResetError, BrokenPipeError, HTTPException))
            raise self._unavailable(why, again=again) from None
        return self._result(method, status, data)

    def close(self) -> None:
        """Close the kept connections. Calls still in progress end by themselves."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _exchange(self, body: bytes, deadline: float) -> tuple[int, bytes]:
        while True:
            try:
                connection, kept = self._idle.pop(), True
            except IndexError:
                connection, kept = self._connect(deadline), False
            try:
                status, data, keep = self._post(connection, body, deadline)
            except (ConnectionError, HTTPException):
                connection.close()
                if kept:
                    continue  # the server had closed it while it was idle; sending twice is safe
                raise
            except BaseException:
                connection.close()
                raise
            if keep and not self._closed and len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
            else:
                connection.close()
            return status, data

    def _connect(self, deadline: float) -> HTTPConnection:
        timeout = _left(deadline)
        connection = (
            HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)
            if self._tls
            else HTTPConnection(self._host, self._port, timeout=timeout)
        )
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _post(
        self, connection: HTTPConnection, body: bytes, deadline: float
    ) -> tuple[int, bytes, bool]:
        """(status, body, whether the connection can be used again)."""
        stream = connection.sock  # the response takes it over if the server closes after it
        stream.settimeout(_left(deadline))
        connection.response_class = partial(_BoundedResponse, deadline=deadline)  # type: ignore[assignment]
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        try:
            data = bytearray()
            while part := response.read1(_READ):
                data += part
                if len(data) > self._max_reply:
                    raise ValueError(f"its answer is longer than {self._max_reply} bytes")
            return response.status, bytes(data), not response.will_close
        finally:
            response.close()

    def _result(self, method: str, status: int, data: bytes) -> Any:
        try:
            reply = json.loads(data)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict) or not ({"result", "error"} & reply.keys()):
            raise self._unavailable(
                f"HTTP status {status} and no JSON-RPC reply to {method}", again=True
            )
        error = reply.get("error")
        if error is None:
            return reply.get("result")
        if not isinstance(error, dict):
            error = {}
        code = error.get("code")
        message = self._without_secrets(str(error.get("message", "")))[:_MAX_MESSAGE]
        raise RpcRefusedError(
            code if isinstance(code, int) else 0,
            f"{self._what} at {self.shown} refused {method}: {message}",
            _revert_data(error.get("data")),
        )

    def _without_secrets(self, text: str) -> str:
        """What an endpoint or a library says may quote the URL, and is one line in a log."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return "".join(char if char.isprintable() else "?" for char in text)

    def _unavailable(self, why: str, *, again: bool) -> RpcFailedError:
        what = self._what
        hint = (
            "it runs (a development chain: `swarmp2p ledger dev`)" if what == "chain" else "it runs"
        )
        return RpcFailedError(
            f"{what} at {self.shown} does not answer: {why}; check that {hint} and that the URL is "
            "right",
            again=again,
        )


class _BoundedResponse(HTTPResponse):
    """A reply that is read until a deadline, however many small pieces it comes in.

    A socket's own timeout begins anew with each piece, also within headers and chunk sizes.
    """

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        self.fp = io.BufferedReader(_BoundedReader(sock, self.fp.detach(), deadline))


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        self._sock = sock
        self._raw = raw
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._sock.fileno() >= 0:  # closed where the reply is the connection's last
            self._sock.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _what(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__


def _revert_data(data: object) -> bytes:
    """Revert data; some nodes wrap it in an object, some put text before the digits."""
    if isinstance(data, dict):
        data = data.get("data", data.get("result"))
    if not isinstance(data, str):
        return b""
    try:
        return bytes.fromhex(data[data.find("0x") + 2 :]) if "0x" in data else b""
    except ValueError:
        return b""
