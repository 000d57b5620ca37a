"""Writes fuzz/corpus: for each target the examples of the spec and of its check, whole and broken.

`python -m fuzz.seeds` writes; a test compares.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from fuzz import decoders, machines, sessions, updates
from swarmp2p.crypto.identity import sign_envelope
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.merge import codec
from swarmp2p.merge.layout import encode_chunks, stat_slices
from swarmp2p.merge.model import Model, encode_model
from swarmp2p.net import yamux_frames as yamux
from swarmp2p.protocol.hello import HelloMachine, Role
from swarmp2p.protocol.provider import Provider
from swarmp2p.wire import messages
from swarmp2p.wire.frames import encode_frame
from swarmp2p.wire.registry import INT8_BLOCK, MAX_CONTROL_FRAME, Code
from swarmp2p.wire.run_manifest import (
    Windows,
    WireRunManifest,
    encode_run_manifest,
    pack_constant,
)
from swarmp2p.wire.tensors import chunk_sizes

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
_BLOCK = re.compile(r"^```hex ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PREFIX = 4
_NO_CUTS = b"\x00"
_TWO_CUTS = bytes.fromhex("02 0003 0010")


def spec_examples() -> dict[str, bytes]:
    """Every hex block of the spec, by its name."""
    found = {}
    for document in sorted((ROOT / "spec").glob("[0-9]*.md")):
        for name, text in _BLOCK.findall(document.read_text(encoding="utf-8")):
            lines = (line.partition(";")[0] for line in text.split("\n"))
            found[name] = bytes.fromhex("".join(lines))
    return found


def _values(spec: dict[str, bytes]) -> Iterator[bytes]:
    yield spec["frame"][_PREFIX:]
    yield bytes.fromhex("96 00 cc80 cd0100 ce00010000 cf0000000100000000 c2")
    yield bytes.fromhex("91") * 6 + b"\x80"
    yield b"\xdc\x00\x10" + b"\xc0" * 16
    yield b"\xde\x00\x10" + b"".join(b"\xa1" + bytes([65 + n]) + b"\xc3" for n in range(16))
    yield b"\xc5\x01\x00" + bytes(256)
    yield b"\xd9\x20" + "é".encode() * 16


def _frames(spec: dict[str, bytes]) -> Iterator[bytes]:
    yield _NO_CUTS + spec["frame"] + spec["hello"]
    yield _TWO_CUTS + encode_frame(b"\x05head") + b"bytes" + encode_frame(b"\x00")
    yield _NO_CUTS + (MAX_CONTROL_FRAME + 1).to_bytes(4)
    yield _NO_CUTS + bytes.fromhex("00000004")


def _signatures(spec: dict[str, bytes]) -> Iterator[bytes]:
    key = IdentityKey.from_seed(bytes(range(32)))
    yield key.public + spec["envelope"][-64:] + spec["preimage"]
    yield key.public + key.sign(b"")
    yield (1).to_bytes(32, "little") * 2 + bytes(32)  # small order, S = 0


def _proofs(_spec: dict[str, bytes]) -> Iterator[bytes]:
    for count, index in ((1, 0), (2, 1), (3, 2), (7, 6), (33, 32), (33, 5)):
        nodes = decoders.TREES[count - 1].proof(index)
        head = bytes([count - 1]) + index.to_bytes(2) + bytes([len(nodes)])
        yield head + b"".join(nodes) + decoders.BLOB[index]


def _replies(spec: dict[str, bytes]) -> Iterator[bytes]:
    yield spec["reply"][_PREFIX:-2]  # without its raw bytes
    yield spec["refusal"][_PREFIX:]
    tree = machines.TREE
    yield messages.encode_chunk_reply(messages.ChunkReply(0, tree.root, 4, 64, tree.proof(4)))


def _hellos(spec: dict[str, bytes]) -> Iterator[bytes]:
    yield spec["hello"][_PREFIX:]
    yield messages.encode_hello(machines.HELLO)


def _manifests(spec: dict[str, bytes]) -> Iterator[bytes]:
    yield spec["update-manifest"]
    yield messages.encode_update_manifest(machines.MANIFEST)


def _hello_streams(spec: dict[str, bytes]) -> Iterator[bytes]:
    ours = HelloMachine(Role.INITIATOR, machines.HELLO, now=0.0).data_to_send()[0]
    yield b"\x00" + _NO_CUTS + ours
    yield b"\x83" + _TWO_CUTS + ours
    yield b"\x87" + _TWO_CUTS + spec["hello"]  # of another run
    yield b"\x01" + _NO_CUTS + ours + ours


def _request(index: int, root: bytes = machines.TREE.root) -> bytes:
    return encode_frame(messages.encode_chunk_request(messages.ChunkRequest(root, index)))


def _requests(spec: dict[str, bytes]) -> Iterator[bytes]:
    yield b"\x81" + _TWO_CUTS + b"".join(map(_request, range(5)))
    yield b"\x8a" + _NO_CUTS + spec["request"] + _request(0)
    yield b"\x00" + _NO_CUTS + _request(0) * 17


def _transfers(_spec: dict[str, bytes]) -> Iterator[bytes]:
    for flags, want in (
        (b"\x07\x1f", range(5)),
        (b"\x90\x88", (3,)),
        (b"\x8f\x9f", range(4, -1, -1)),
    ):
        yield flags + _TWO_CUTS + b"".join(_answers(want))
    refused = Provider()
    refused.receive_data(_request(2), now=0.0)
    refused.refuse(Code.BUSY)
    yield b"\x00\x04" + _NO_CUTS + b"".join(bytes(part) for part in refused.data_to_send())


def _answers(want: Iterable[int]) -> Iterator[bytes]:
    provider = Provider()
    for index in want:
        provider.receive_data(_request(index), now=0.0)
        provider.send_chunk(machines.CHUNKS[index], machines.TREE.proof(index))
        yield from (bytes(part) for part in provider.data_to_send())


def _gossip(spec: dict[str, bytes]) -> Iterator[bytes]:
    body = messages.encode_update_manifest(machines.MANIFEST)
    signed = sign_envelope(machines.KEY, machines.HEADER, machines.DOMAIN, body)
    other = spec["update-manifest"]
    yield b"\x00" + len(signed).to_bytes(2) + signed + spec["envelope"]
    yield b"\x03" + len(body).to_bytes(2) + body + other  # an equivocation
    yield b"\x0a" + len(signed).to_bytes(2) + signed + body
    yield b"\x03" + len(body).to_bytes(2) + body + body
    yield b"\x04" + len(signed).to_bytes(2) + signed + signed


def _repeats(spec: dict[str, bytes]) -> Iterator[bytes]:
    yield b"\x03" + b"\x00\x03\x00a" + b"\x00\x03\x00a" + b"\x00\x03\x00b" + spec["envelope"]
    yield b"\x03" + b"\x01\x00\x02a" * 2 + b"\x01\x00\x03a"
    yield b"\x02" + b"\x02\x00\x00a" + b"\x01\x00\x00a"
    body = messages.encode_update_manifest(machines.MANIFEST)
    yield b"\x01\x00\x03\x00a" + sign_envelope(machines.KEY, machines.HEADER, machines.DOMAIN, body)


def _run_manifests(_spec: dict[str, bytes]) -> Iterator[bytes]:
    options = {"lr": 0.3, "scales": [1.5, -2, "a", True, {"b": 1}]}
    yield encode_run_manifest(
        WireRunManifest(
            audit_rounds=2,
            checks=2,
            encoding="fp32",
            finality="depth",
            init="zeros",
            merge_rule="cclip",
            merge_params={"radius": pack_constant(2.0)},
            integers="median",
            optimiser="fedadam",
            optimiser_params={"lr": pack_constant(0.5)},
            min_peers=0,
            name="four hospitals",
            options={name: pack_constant(value) for name, value in options.items()},
            privacy="robust",
            rounds=10,
            schema=bytes(range(32)),
            sync_every=10,
            topology="mesh",
            weights="declared",
            windows=Windows(commit=20, depth=0, exchange=20, hi=1_200, lo=4),
        )
    )


def _updates(_spec: dict[str, bytes]) -> Iterator[bytes]:
    for number, schema in enumerate(updates.SCHEMAS):
        width = np.float64 if schema.compute_dtype == "f64" else np.float32
        floats = np.linspace(-1, 1, schema.float_elements, dtype=width)
        integers = np.ones(schema.integer_elements, np.int64)
        chunks = [bytes(chunk) for chunk in encode_chunks(schema, floats, integers)]
        yield bytes([number, 0, 0]) + b"".join(chunks)
        if floats.size and width is np.float32:
            yield bytes([number, 1, 0]) + codec.encode_bf16(floats) + b"".join(chunks[1:])
            eighths = codec.encode_int8(floats, np.linspace(-1, 1, floats.size, dtype=np.float32))
            yield bytes([number, 3, 0]) + eighths + b"".join(chunks[1:])
    yield b"\x00\x00\x00" + b"\x00\x00\x80\x7f" * 2 + bytes(8)  # infinity
    yield b"\x00\x00\x01" + bytes(chunk_sizes(updates.SCHEMAS[0])[0] + 1)


def _models(_spec: dict[str, bytes]) -> Iterator[bytes]:
    for number, schema in enumerate(updates.MODELS):
        width = np.float64 if schema.compute_dtype == "f64" else np.float32
        floats = np.linspace(-1, 1, schema.float_elements, dtype=width)
        integers = np.ones(schema.integer_elements, np.int64)
        moment = np.abs(floats)
        for part in stat_slices(schema):
            moment[part] = 0
        for other, optimiser in enumerate(updates.OPTIMISERS):
            steps = 7 if optimiser.vectors else 0
            one = Model(floats, integers, (moment,) * optimiser.vectors, steps)
            chunks = encode_model(schema, one, optimiser, updates.ROUNDS)
            yield bytes([number, other, 0]) + b"".join(chunks)
    last = len(updates.MODELS) - 1
    adam = next(n for n, one in enumerate(updates.OPTIMISERS) if one.non_negative)
    head = bytes([last, adam, 0])
    yield head + bytes(16) + bytes(16) + bytes(12) + b"\x00\x00\x80\xbf" + bytes(8)  # below 0
    yield head + bytes(16) + b"\x01" + bytes(15) + bytes(16) + bytes(8)  # state of statistics
    yield head + bytes(48) + b"\xff" * 8  # a step count below 0
    yield bytes([last, adam, 1]) + bytes(57)


def _codecs(_spec: dict[str, bytes]) -> Iterator[bytes]:
    values = np.linspace(-3, 3, 9, dtype=np.float32)
    yield b"\x00\x00" + values.astype("<f4").tobytes()
    yield b"\x01\x00" + codec.encode_bf16(values)
    yield b"\x02\x00" + codec.encode_fp16(values)
    yield b"\x03\x00" + codec.encode_int8(values, np.zeros(9, np.float32))
    long = np.linspace(-3, 3, INT8_BLOCK + 5, dtype=np.float32)
    yield b"\x03\x04" + codec.encode_int8(long, np.zeros(long.size, np.float32))
    yield b"\x03\x04" + (b"\x00\x00\x80\x7e" + b"\x7f" * INT8_BLOCK) * 2  # the sum overflows
    yield b"\x01\x00" + bytes.fromhex("807f c07f 81ff 817f")  # infinity, NaN, signalling NaN
    yield b"\x02\x00" + bytes.fromhex("007c 007e 01fc 017c")
    yield b"\x03\x00" + bytes.fromhex("0100807f 00 7f")


def _yamux_frames() -> bytes:
    head = yamux.encode_header
    parts = [head(yamux.WINDOW_UPDATE, yamux.SYN, 1, 0), head(yamux.DATA, 0, 1, 5), b"hello"]
    parts += [head(yamux.PING, yamux.SYN, 0, 7), head(yamux.DATA, yamux.FIN, 1, 0)]
    parts += [head(yamux.DATA, yamux.SYN, 3, 2), b"ab", head(yamux.WINDOW_UPDATE, yamux.RST, 3, 0)]
    return b"".join([*parts, head(yamux.GO_AWAY, 0, 0, yamux.NORMAL_END)])


def _yamux(_spec: dict[str, bytes]) -> Iterator[bytes]:
    yield _NO_CUTS + _yamux_frames()
    yield _TWO_CUTS + yamux.encode_header(yamux.DATA, 0, 1, sessions.MAX_PAYLOAD + 1)


def _yamux_conn(_spec: dict[str, bytes]) -> Iterator[bytes]:
    yield b"\x00" + _NO_CUTS + _yamux_frames()
    yield b"\x01" + _TWO_CUTS + _yamux_frames()
    opened = b"".join(
        yamux.encode_header(yamux.WINDOW_UPDATE, yamux.SYN, number, 0)
        for number in range(1, 135, 2)
    )
    yield b"\x00" + _NO_CUTS + opened


def _noise(_spec: dict[str, bytes]) -> Iterator[bytes]:
    yield b"\x01" + _TWO_CUTS + b"abcdefghijklmnopqrstuvwxyz"
    yield b"\x03" + _TWO_CUTS + b"abcdefghijklmnopqrstuvwxyz"
    replayed = bytes(sessions._Cipher(sessions.KEY, sessions.NONCE - 1).seal(b"sealed"))
    yield b"\x00" + _NO_CUTS + replayed
    yield b"\x00" + _NO_CUTS + bytes.fromhex("000f") + bytes(15)


SEEDS: dict[str, Callable[[dict[str, bytes]], Iterator[bytes]]] = {
    "value": _values,
    "frames": _frames,
    "envelope": lambda spec: iter([spec["envelope"]]),
    "signature": _signatures,
    "hello": _hellos,
    "chunk-request": lambda spec: iter([spec["request"][_PREFIX:]]),
    "chunk-reply": _replies,
    "update-manifest": _manifests,
    "run-manifest": _run_manifests,
    "schema": lambda spec: iter([spec["schema"], updates.SCHEMAS[2].encode()]),
    "proof": _proofs,
    "hello-machine": _hello_streams,
    "provider": _requests,
    "getter": _transfers,
    "gossip": _gossip,
    "repeats": _repeats,
    "update": _updates,
    "model": _models,
    "codec": _codecs,
    "yamux": _yamux,
    "yamux-conn": _yamux_conn,
    "noise": _noise,
}


def seeds(name: str) -> dict[str, bytes]:
    """The files of one target: its examples; the first also cut short, and with a byte changed."""
    examples = list(SEEDS[name](spec_examples()))
    first, middle = examples[0], len(examples[0]) // 2
    files = {f"example-{number}": data for number, data in enumerate(examples)}
    files["cut"] = first[: 2 * len(first) // 3]
    files["changed"] = first[:middle] + bytes([first[middle] ^ 0x41]) + first[middle + 1 :]
    return files


def main() -> None:
    """Write every file of every target, and remove what is no longer one."""
    for name in SEEDS:
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        files = seeds(name)
        for stale in {path.name for path in folder.iterdir()} - set(files):
            (folder / stale).unlink()
        for file, data in files.items():
            (folder / file).write_bytes(data)


if __name__ == "__main__":
    main()
