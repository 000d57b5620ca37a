"""The multiaddrs that swarmp2p speaks: `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/p2p/PEERID]`."""

import ipaddress
from dataclasses import dataclass

from swarmp2p.errors import ConfigError

_HOSTS = frozenset({"ip4", "ip6", "dns", "dns4", "dns6"})
_MAX_PORT = 65_535
_MAX_HOST = 253  # RFC 1035, the longest name


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP endpoint."""

    kind: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"/{self.kind}/{self.host}/tcp/{self.port}"


def parse_address(text: str) -> Address:
    """Read a multiaddr; a trailing /p2p part is dropped. Raises ConfigError."""
    parts = text.split("/")
    if len(parts) == 7 and parts[5] == "p2p":
        parts = parts[:5]
    if len(parts) != 5 or parts[0] or parts[1] not in _HOSTS or parts[3] != "tcp":
        raise ConfigError(
            f"{text!r} is not an address; write it like /ip4/192.0.2.7/tcp/4001 "
            "or /dns4/node.example.org/tcp/4001"
        )
    kind, host, port = parts[1], parts[2], parts[4]
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= _MAX_PORT):
        raise ConfigError(f"{text!r}: {port!r} is not a TCP port from 0 to 65535")
    if kind in {"ip4", "ip6"}:
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            raise ConfigError(f"{text!r}: {host!r} is not an IP address") from None
        if ip.version != int(kind[2]):
            raise ConfigError(f"{text!r}: {host!r} is not an {kind} address")
    elif not host or len(host) > _MAX_HOST or not host.isascii():
        raise ConfigError(f"{text!r}: {host!r} is not a host name")
    return Address(kind, host, int(port))
