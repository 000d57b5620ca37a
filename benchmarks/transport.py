"""CPU seconds to move N MiB between two processes: ours, stock py-libp2p, and plain trio TCP.

Run: `python benchmarks/transport.py [--mib 256] [--repeat 3]`. Prints one JSON object; each row has
the CPU seconds of the sender and of the receiver (the least of the repeats), the best wall time in
MB/s, and `cpu_ratio`, its CPU over that of plain TCP in the same run. CPU is the figure to trust.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from swarmp2p.crypto.keys import IdentityKey

PROTOCOL = "/swarmp2p/bench/1"
LISTEN = "/ip4/127.0.0.1/tcp/0"
SEEDS = {"send": bytes([1]) * 32, "receive": bytes([2]) * 32}
PIECE = bytes(1 << 20)
READ = 1 << 18
Pull = Callable[[], Awaitable[bytes]]
Push = Callable[[bytes], Awaitable[None]]


class WallClock:
    """The Clock seam."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Not used here."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)  # noqa: TID251 - this is the Clock seam


class SystemRng:
    """The Rng seam."""

    def token(self, size: int) -> bytes:
        """Bytes from the system."""
        return os.urandom(size)

    def uniform(self) -> float:
        """No jitter: the dial comes at once."""
        return 0.0


async def drain(pull: Pull) -> None:
    """Read to the end, and print the CPU seconds that it took."""
    started = time.process_time()
    received = 0
    while data := await pull():
        received += len(data)
    print(json.dumps({"cpu": time.process_time() - started, "bytes": received}), flush=True)


async def fill(push: Push, end: Callable[[], Awaitable[object]], mib: int) -> None:
    """Write `mib` MiB, end the stream, hear the answer; print the seconds that it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(mib):
        await push(PIECE)
    cpu = time.process_time() - cpu
    await end()
    print(json.dumps({"cpu": cpu, "wall": time.perf_counter() - wall}), flush=True)


async def receive_tcp() -> None:
    """Plain TCP, receiver."""
    done = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        await drain(lambda: stream.receive_some(READ))
        await stream.send_all(b"k")
        done.set()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listeners[0].socket.getsockname()[1], flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        await done.wait()
        nursery.cancel_scope.cancel()


async def send_tcp(port: int, mib: int) -> None:
    """Plain TCP, sender."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)

    async def end() -> None:
        await stream.send_eof()
        await stream.receive_some(1)

    await fill(stream.send_all, end, mib)


async def receive_ours() -> None:
    """Our transport, receiver."""
    from swarmp2p.net.host import open_transport  # noqa: PLC0415 - loaded by its own row only
    from swarmp2p.seams import Stream  # noqa: PLC0415 - as above

    done = trio.Event()

    async def serve(stream: Stream) -> None:
        await drain(stream.receive_some)
        await stream.send_all(b"k")
        await stream.receive_some()
        done.set()

    async with open_transport(
        SEEDS["receive"], LISTEN, clock=WallClock(), rng=SystemRng()
    ) as transport:
        transport.handle(PROTOCOL, serve)
        transport.admit({IdentityKey.from_seed(SEEDS["send"]).public: ()})
        print(transport.listen_addresses()[0].rsplit("/", 1)[1], flush=True)
        with trio.move_on_after(120):
            await done.wait()


async def send_ours(port: int, mib: int) -> None:
    """Our transport, sender."""
    from swarmp2p.net.host import open_transport  # noqa: PLC0415 - loaded by its own row only

    peer = IdentityKey.from_seed(SEEDS["receive"]).public
    async with open_transport(
        SEEDS["send"], LISTEN, clock=WallClock(), rng=SystemRng()
    ) as transport:
        transport.admit({peer: [f"/ip4/127.0.0.1/tcp/{port}"]})
        while not transport.peers():
            await transport.wait_change()
        stream = await transport.open_stream(peer, PROTOCOL)

        async def end() -> None:
            await stream.send_eof()
            await stream.receive_some()

        await fill(stream.send_all, end, mib)
        await stream.aclose()


@asynccontextmanager
async def stock_host(name: str) -> AsyncIterator[object]:
    """A py-libp2p host with its own Noise and Yamux."""
    from libp2p import new_host  # noqa: PLC0415 - loaded by its own row only
    from libp2p.crypto.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from libp2p.crypto.keys import KeyPair  # noqa: PLC0415
    from libp2p.crypto.x25519 import create_new_key_pair  # noqa: PLC0415
    from libp2p.custom_types import TProtocol  # noqa: PLC0415
    from libp2p.security.noise.transport import Transport  # noqa: PLC0415
    from multiaddr import Multiaddr  # noqa: PLC0415

    private = Ed25519PrivateKey.new(SEEDS[name])
    keys = KeyPair(private, private.get_public_key())
    noise = Transport(keys, create_new_key_pair().private_key)
    host = new_host(key_pair=keys, sec_opt={TProtocol("/noise"): noise})
    async with host.run([Multiaddr(LISTEN)]):
        yield host


async def receive_stock() -> None:
    """Stock libp2p, receiver."""
    from libp2p.network.stream.exceptions import StreamEOF  # noqa: PLC0415

    done = trio.Event()

    async def serve(stream: object) -> None:
        async def pull() -> bytes:
            try:
                return bytes(await stream.read(READ))  # type: ignore[attr-defined] # libp2p's stream
            except StreamEOF:
                return b""

        await drain(pull)
        await stream.write(b"k")  # type: ignore[attr-defined] # as above
        done.set()

    async with stock_host("receive") as host:
        host.set_stream_handler(PROTOCOL, serve)  # type: ignore[attr-defined] # libp2p's host
        print(str(host.get_addrs()[0]).split("/")[4], flush=True)  # type: ignore[attr-defined] # as above
        await done.wait()
        with trio.move_on_after(0.5):
            await trio.sleep_forever()  # its last byte may still be on its way


async def send_stock(port: int, mib: int) -> None:
    """Stock libp2p, sender."""
    from libp2p.peer.id import ID  # noqa: PLC0415
    from libp2p.peer.peerinfo import PeerInfo  # noqa: PLC0415
    from multiaddr import Multiaddr  # noqa: PLC0415

    from swarmp2p.net.peers import encode_peer_id  # noqa: PLC0415

    peer = ID(encode_peer_id(IdentityKey.from_seed(SEEDS["receive"]).public))
    async with stock_host("send") as host:
        await host.connect(PeerInfo(peer, [Multiaddr(f"/ip4/127.0.0.1/tcp/{port}")]))  # type: ignore[attr-defined] # libp2p's host
        stream = await host.new_stream(peer, [PROTOCOL])  # type: ignore[attr-defined] # as above

        async def end() -> None:
            await stream.close_write()
            await stream.read(1)

        await fill(stream.write, end, mib)


RECEIVERS = {"tcp": receive_tcp, "ours": receive_ours, "stock": receive_stock}
SENDERS = {"tcp": send_tcp, "ours": send_ours, "stock": send_stock}


def measure(row: str, mib: int) -> dict[str, float]:
    """One transfer of one row, in two fresh processes."""
    command = [sys.executable, __file__, "--row", row, "--mib", str(mib)]
    with subprocess.Popen(  # noqa: S603 - this very script
        [*command, "--receive"], stdout=subprocess.PIPE, text=True
    ) as receiver:
        assert receiver.stdout is not None  # noqa: S101 - it was asked for
        port = receiver.stdout.readline().strip()
        sent = subprocess.run(  # noqa: S603 - this very script
            [*command, "--port", port], capture_output=True, text=True, check=True
        )
        got = json.loads(receiver.stdout.readline())
    if got["bytes"] != mib << 20:
        raise SystemExit(f"{row}: {got['bytes']} bytes arrived of {mib << 20}")
    result = json.loads(sent.stdout)
    return {
        "cpu_send": result["cpu"],
        "cpu_receive": got["cpu"],
        "mb_per_s": got["bytes"] / 1e6 / result["wall"],
    }


def compare(mib: int, repeat: int) -> dict[str, object]:
    """All rows, interleaved, the best of `repeat` each."""
    runs: dict[str, list[dict[str, float]]] = {row: [] for row in SENDERS}
    for _ in range(repeat):
        for row, results in runs.items():
            results.append(measure(row, mib))
    rows: dict[str, dict[str, float]] = {}
    for row, results in runs.items():
        rows[row] = {
            "cpu_send": round(min(r["cpu_send"] for r in results), 3),
            "cpu_receive": round(min(r["cpu_receive"] for r in results), 3),
            "mb_per_s": round(max(r["mb_per_s"] for r in results)),
        }
    plain = rows["tcp"]["cpu_send"] + rows["tcp"]["cpu_receive"]
    for figures in rows.values():
        figures["cpu_ratio"] = round((figures["cpu_send"] + figures["cpu_receive"]) / plain, 2)
    return {"mib": mib, "repeat": repeat, "rows": rows}


def main() -> None:
    """Read the options; without --row, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--row", choices=sorted(SENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row is None:
        print(json.dumps(compare(options.mib, options.repeat), indent=2))
    elif options.receive:
        trio.run(RECEIVERS[options.row])
    else:
        trio.run(SENDERS[options.row], options.port, options.mib)


if __name__ == "__main__":
    main()
