"""The documents of the spec: their examples are what the code writes, their ids are in order."""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from swarmp2p.crypto.identity import commitment, domain, sign_envelope, verify_envelope
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.crypto.merkle import MerkleTree, leaf_hash, verify_chunk
from swarmp2p.wire import canonical
from swarmp2p.wire.envelope import Header, signing_preimage
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.messages import (
    ChunkReply,
    ChunkRequest,
    Hello,
    UpdateManifest,
    decode_chunk_reply,
    decode_chunk_request,
    decode_update_manifest,
    encode_chunk_reply,
    encode_chunk_request,
    encode_hello,
    encode_update_manifest,
    metric_value,
)
from swarmp2p.wire.registry import TAG_COMMIT, Code
from swarmp2p.wire.tensors import Schema, TensorSpec, chunk_sizes, decode_schema

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted((ROOT / "spec").glob("[0-9]*.md"))
BLOCK = re.compile(r"^```hex ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

KEY = IdentityKey.from_seed(bytes(range(32)))
DOMAIN = domain(
    31337, bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3"), sha256(b"demo").digest()
)
HEADER = Header("update-manifest", 1, 3, 17, 0, 0, KEY.public)
BODY = canonical.encode({"v": 1})
ONE, TWO, THREE, FOUR = (bytes([n]) * 32 for n in (1, 2, 3, 4))
MANIFEST = UpdateManifest(ONE, TWO, 1, THREE, FOUR, 303, (("loss", metric_value(0.5)),))
SCHEMA = Schema(
    (
        TensorSpec("bias", "f32", (2,)),
        TensorSpec("seen", "i64", ()),
        TensorSpec("weight", "f32", (2, 3)),
    )
)
CHUNKS = (b"abc", b"de", b"f")
LEAVES = [leaf_hash(index, data) for index, data in enumerate(CHUNKS)]
TREE = MerkleTree(LEAVES)
REQUEST = ChunkRequest(TREE.root, 1)
REPLY = ChunkReply(Code.OK, TREE.root, 1, 2, TREE.proof(1))
VALUE = {"a": 300, "b": [True, None, b"\x01\xff", "é"]}

WRITTEN: dict[str, Callable[[], bytes]] = {
    "frame": lambda: encode_frame(canonical.encode(VALUE)),
    "domain": lambda: DOMAIN,
    "envelope": lambda: sign_envelope(KEY, HEADER, DOMAIN, BODY),
    "preimage": lambda: signing_preimage(HEADER, DOMAIN, BODY),
    "schema": SCHEMA.encode,
    "schema-hash": lambda: SCHEMA.schema_hash,
    "leaves": lambda: b"".join(LEAVES),
    "request": lambda: encode_frame(encode_chunk_request(REQUEST)),
    "reply": lambda: encode_frame(encode_chunk_reply(REPLY)) + CHUNKS[1],
    "commitment-preimage": lambda: b"".join(
        (TAG_COMMIT, DOMAIN, (17).to_bytes(8), bytes(4), KEY.public, ONE, TWO, THREE, FOUR)
    ),
    "commitment": lambda: commitment(DOMAIN, 17, 0, KEY.public, ONE, TWO, THREE, FOUR),
    "update-manifest": lambda: encode_update_manifest(MANIFEST),
}


def examples() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for document in DOCUMENTS:
        for name, text in BLOCK.findall(document.read_text(encoding="utf-8")):
            assert name not in found, f"{document.name}: a second example {name}"
            found[name] = bytes.fromhex(
                "".join(line.partition(";")[0] for line in text.split("\n"))
            )
    return found


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    return examples()


@pytest.mark.parametrize("name", WRITTEN)
def test_example__is_what_the_code_writes(name: str, written: dict[str, bytes]) -> None:
    assert written[name].hex() == WRITTEN[name]().hex()


def test_examples__are_all_checked(written: dict[str, bytes]) -> None:
    # The documents of these are checked by tests/test_spec_documents.py and test_spec_merge.py.
    elsewhere = re.compile(r'^    "([a-z-]+)": ', re.MULTILINE)
    known = {
        name
        for file in ("test_spec_documents.py", "test_spec_merge.py")
        for name in elsewhere.findall((ROOT / "tests" / file).read_text(encoding="utf-8"))
    }
    assert set(written) - known == set(WRITTEN)


def test_examples__read_back_as_the_values_they_explain(written: dict[str, bytes]) -> None:
    (body,) = FrameDecoder().receive_data(written["frame"])
    assert canonical.decode(body) == VALUE
    envelope = verify_envelope(written["envelope"], written["domain"])
    assert (envelope.header, envelope.body) == (HEADER, BODY)
    assert decode_schema(written["schema"]) == SCHEMA
    assert chunk_sizes(SCHEMA) == (32, 8)
    assert decode_update_manifest(written["update-manifest"]) == MANIFEST
    assert sha256(written["commitment-preimage"]).digest() == written["commitment"]


def test_example_transfer__proves_its_chunk(written: dict[str, bytes]) -> None:
    (asked,) = FrameDecoder().receive_data(written["request"])
    request = decode_chunk_request(asked)
    decoder = FrameDecoder()
    decoder.feed(written["reply"])
    head = decoder.next_item()
    assert head is not None
    reply = decode_chunk_reply(head)
    assert (reply.root, reply.index) == (request.root, request.index)
    decoder.take_raw(reply.size)
    payload = decoder.next_item()
    assert payload is not None
    verify_chunk(reply.root, 3, reply.index, payload, reply.proof)


def defined_ids(document: Path) -> list[str]:
    return re.findall(
        r"^- \*\*([A-Z]+-\d{3})\*\* ", document.read_text(encoding="utf-8"), re.MULTILINE
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_requirement_ids__rise_within_a_document_and_share_its_prefix(document: Path) -> None:
    ids = defined_ids(document)
    assert ids
    assert ids == sorted(set(ids))
    assert len({name.partition("-")[0] for name in ids}) == 1


def test_requirement_ids__that_the_code_cites_stand_in_the_spec() -> None:
    defined = {name for document in DOCUMENTS for name in defined_ids(document)}
    prefixes = "|".join({name.partition("-")[0] for name in defined})
    cited = re.compile(rf"\b(?:{prefixes})-\d{{3}}\b")
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / "swarmp2p").rglob("*.py")
        for name in cited.findall(path.read_text(encoding="utf-8"))
        if name not in defined
    }
    assert not missing


HELLO = Hello(1, DOMAIN, "swarmp2p/0.1.0", (), 0)
REFUSED = ChunkReply(Code.BUSY, TREE.root, 1, 0, ())


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("hello", encode_hello(HELLO)),
        ("chunk-request", encode_chunk_request(REQUEST)),
        ("chunk-found", encode_chunk_reply(REPLY)),
        ("chunk-refused", encode_chunk_reply(REFUSED)),
        ("update-manifest", encode_update_manifest(MANIFEST)),
    ],
)
def test_cddl__names_the_fields_that_the_code_writes(rule: str, message: bytes) -> None:
    text = (ROOT / "spec" / "schema" / "messages.cddl").read_text(encoding="utf-8")
    block = re.search(rf"^{rule} = {{\n(.*?)^}}", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert re.findall(r'^  "([a-z]+)":', block[1], re.MULTILINE) == list(canonical.decode(message))
