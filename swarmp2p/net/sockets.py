"""TCP under the transport: listening on one address, dialling, and noticing dead peers."""

import contextlib
import socket

import trio

from swarmp2p.errors import ListenError
from swarmp2p.net.addresses import Address

_BACKLOG = 128
# A peer that lost its power sends no goodbye: the kernel asks after 10 s of silence, three times.
_KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
_UNACKED_MS = 30_000  # and gives up on bytes that nobody acknowledges for this long


def tune(stream: trio.SocketStream) -> None:
    """Keepalive, and a limit on unacknowledged bytes, where the platform has them."""
    sock = stream.socket
    # The peer may have gone already: the next read says so.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (*_KEEPALIVE, ("TCP_USER_TIMEOUT", _UNACKED_MS)):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def open_listener(address: Address) -> trio.SocketListener:
    """Listen on one TCP address. Raises ListenError (taken port, foreign address) in one line."""
    family = socket.AF_INET6 if address.kind == "ip6" else socket.AF_INET
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        await sock.bind((address.host, address.port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ListenError(
            f"cannot listen on {address}: {error.strerror or error}; "
            "free the port or choose another `listen` address"
        ) from None
    except BaseException:
        sock.close()
        raise
    return trio.SocketListener(sock)


async def dial(address: Address) -> trio.SocketStream:
    """Connect. Raises OSError."""
    stream = await trio.open_tcp_stream(address.host, address.port)
    tune(stream)
    return stream
