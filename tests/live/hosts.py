"""Transports for the live tests: a real clock, real chance, fixed identities."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from swarmp2p.net.host import Libp2pTransport, open_transport

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


class RealClock:
    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()  # noqa: TID251 - this is the Clock seam

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)  # noqa: TID251 - this is the Clock seam


class RealRng:
    def token(self, size: int) -> bytes:
        return os.urandom(size)

    def uniform(self) -> float:
        return int.from_bytes(os.urandom(4), "big") / 2**32


def seed(number: int) -> bytes:
    return bytes([number]) * 32


@asynccontextmanager
async def host(number: int, listen: str = LOOPBACK) -> AsyncIterator[Libp2pTransport]:
    async with open_transport(seed(number), listen, clock=RealClock(), rng=RealRng()) as transport:
        yield transport


@asynccontextmanager
async def hosts(count: int) -> AsyncIterator[list[Libp2pTransport]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(host(number)) for number in range(1, count + 1)]
