"""The pump: what came before a fault counts, however the bytes were cut."""

import pytest
import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from swarmp2p.crypto.merkle import MerkleTree, leaf_hash
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.node.pump import pump
from swarmp2p.protocol.getter import ChunkVerified, Getter
from swarmp2p.protocol.hello import HelloMachine, Role
from swarmp2p.sim.world import SimClock
from swarmp2p.wire.frames import encode_frame
from swarmp2p.wire.messages import ChunkReply, Hello, encode_chunk_reply, encode_hello
from swarmp2p.wire.registry import Code

HELLO = Hello(1, b"d" * 32, "test", (), 0)
FRAME = encode_frame(encode_hello(HELLO))
CHUNKS = (b"first", b"other")
TREE = MerkleTree([leaf_hash(index, data) for index, data in enumerate(CHUNKS)])


async def broken(machine, pieces):
    """Feed pieces to a pumped machine; (code, events, bytes it wrote)."""
    ours, theirs = memory_stream_pair()
    events = []

    async def on_event(event):
        events.append(event)
        return False

    async def feed():
        for piece in pieces:
            await theirs.send_all(piece)
            await wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        with pytest.raises(RemoteProtocolError) as refused:
            await pump(ours, machine, SimClock(), on_event)
    await ours.aclose()
    written = b""
    while data := await theirs.receive_some():
        written += data
    return refused.value.code, events, written


@pytest.mark.parametrize("pieces", [(FRAME, FRAME), (FRAME + FRAME,)])
async def test_a_responder__says_hello_before_it_resets(autojump_clock, pieces):
    machine = HelloMachine(Role.RESPONDER, HELLO, now=0.0)
    code, events, written = await broken(machine, pieces)
    assert (code, len(events), written) == (Code.UNEXPECTED, 1, FRAME)


@pytest.mark.parametrize("cut", [False, True])
async def test_a_chunk_before_a_fault__is_kept(autojump_clock, cut):
    first, second = (
        encode_frame(encode_chunk_reply(ChunkReply(0, TREE.root, index, 5, TREE.proof(index))))
        for index in (0, 1)
    )
    pieces = (
        (first + CHUNKS[0], second + b"wrong") if cut else (first + CHUNKS[0] + second + b"wrong",)
    )
    getter = Getter(TREE.root, (5, 5), (0, 1), now=0.0)
    code, events, _ = await broken(getter, pieces)
    assert code == Code.BAD_PROOF
    assert [event.index for event in events if isinstance(event, ChunkVerified)] == [0]
