"""The documents beside 02, 04, 07 and 08: their examples, their form, and what they refer to."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from swarmp2p.crypto.identity import (
    commitment,
    domain,
    enrol_preimage,
    open_identity,
    run_id,
    seal_identity,
    sign_envelope,
)
from swarmp2p.crypto.keys import IdentityKey, Secret, verify_signature
from swarmp2p.crypto.merkle import blob_root
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.net.peers import encode_peer_id, parse_peer_id
from swarmp2p.node.receipts import signed_bytes
from swarmp2p.protocol.gossip import GossipRules, GossipView
from swarmp2p.protocol.verdicts import Judgement
from swarmp2p.wire.envelope import Header
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.messages import (
    ChunkReply,
    Hello,
    UpdateManifest,
    encode_chunk_reply,
    encode_hello,
    encode_update_manifest,
    metric_value,
)
from swarmp2p.wire.registry import MAX_CONTROL_FRAME, TAG_RECEIPT, TOPIC_ANNOUNCE, Code

SPEC = Path(__file__).resolve().parent.parent / "spec"
DOCUMENTS = sorted(SPEC.glob("[0-9]*.md"))
BLOCK = re.compile(r"^```hex ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RULE = re.compile(r"^- \*\*([A-Z]+-\d{3})\*\* ", re.MULTILINE)
SECTIONS = (
    "Goals and non-goals",
    "Roles",
    "Example",
    "Limits",
    "Errors",
    "Extension points",
    "Security",
    "Vectors",
    "Rationale",
    "Changelog",
)

CONTRACT = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
ACCOUNT = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
SEED = bytes(range(32))
KEY = IdentityKey.from_seed(SEED)
DOMAIN = domain(31337, CONTRACT, sha256(b"demo").digest())
PASSPHRASE = Secret(b"four hospitals")
ONE, TWO, THREE, FOUR = (bytes([n]) * 32 for n in (1, 2, 3, 4))
MANIFEST = UpdateManifest(ONE, TWO, 1, THREE, FOUR, 303, (("loss", metric_value(0.5)),))
HELLO = Hello(1, DOMAIN, "swarmp2p/0.1.0", (0x200000,), 3)
ENROLMENT = enrol_preimage(31337, CONTRACT, ACCOUNT, KEY.public, 3)
ANNOUNCED = Header("update-manifest", 1, 0, 17, 0, 0, KEY.public)
REFUSAL = ChunkReply(Code.RETRY, blob_root((b"abc", b"de", b"f")), 1, 0, ())


VOID_ROUND = {
    "run_id": run_id(b"\x80").hex(),
    "round": 3,
    "attempt": 0,
    "outcome": "void",
    "base": ONE.hex(),
    "merged_root": "",
    "contributors": [],
    "missing": [KEY.public.hex()],
    "commitments": {KEY.public.hex(): {"commitment": TWO.hex(), "weight": 303}},
    "attestations": [],
}


class FixedTokens:
    """The salt and the nonce of the example."""

    def token(self, size: int) -> bytes:
        return {16: b"\x11", 24: b"\x22"}[size] * size


WRITTEN: dict[str, Callable[[], bytes]] = {
    "peer-id": lambda: encode_peer_id(KEY.public),
    "enrol-preimage": lambda: ENROLMENT,
    "enrol-proof": lambda: KEY.sign(ENROLMENT),
    "run-id": lambda: run_id(b"\x80"),
    "identity-file": lambda: seal_identity(Secret(SEED), PASSPHRASE, FixedTokens()),
    "hello": lambda: encode_frame(encode_hello(HELLO)),
    "announcement": lambda: sign_envelope(KEY, ANNOUNCED, DOMAIN, encode_update_manifest(MANIFEST)),
    "have-call": lambda: contract_abi("SwarmRun").call_data("have", 17, 0, 0b101),
    "refusal": lambda: encode_frame(encode_chunk_reply(REFUSAL)),
    "conformance-domain": lambda: domain(31337, CONTRACT, sha256(b"conformance").digest()),
    "topic-domain": lambda: DOMAIN,
    "receipt-hash": lambda: sha256(signed_bytes(VOID_ROUND, None)).digest(),
    "final-block": lambda: (42).to_bytes(8) + b"\x11" * 32,
    "version-bytes": lambda: (1).to_bytes(2) + (2).to_bytes(2),
    "frame-limits": lambda: MAX_CONTROL_FRAME.to_bytes(4) + (MAX_CONTROL_FRAME + 1).to_bytes(4),
    "lax-signature": lambda: (1).to_bytes(32, "little") * 2 + bytes(32),
}


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    return {
        name: bytes.fromhex("".join(line.partition(";")[0] for line in text.split("\n")))
        for document in DOCUMENTS
        for name, text in BLOCK.findall(document.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("name", WRITTEN)
def test_example__is_what_the_code_writes(name: str, written: dict[str, bytes]) -> None:
    assert written[name].hex() == WRITTEN[name]().hex()


def test_identity_file__opens_with_the_passphrase_of_the_example(
    written: dict[str, bytes],
) -> None:
    assert open_identity(written["identity-file"], PASSPHRASE).reveal() == SEED


def test_peer_id_in_text__names_the_key_of_the_example() -> None:
    (text,) = re.findall(r"`(12D3KooW\w{44})`", (SPEC / "03-identity.md").read_text("utf-8"))
    assert parse_peer_id(text) == KEY.public


def test_topic__has_the_length_that_the_overview_states() -> None:
    assert f"{len(TOPIC_ANNOUNCE + DOMAIN.hex())} characters" in (
        SPEC / "01-overview.md"
    ).read_text("utf-8")


def test_receipt__is_signed_over_the_text_of_the_example(written: dict[str, bytes]) -> None:
    document = (SPEC / "00-lifecycle.md").read_text("utf-8")
    (text,) = re.findall(r"^```json receipt\n(.*)\n```$", document, re.MULTILINE)
    receipt = json.loads(text)
    covered = signed_bytes(receipt["shared"], receipt["merge"])
    assert covered == TAG_RECEIPT + text.encode()
    assert sha256(covered).digest() == written["receipt-hash"]


def test_announcement__breaks_no_rule_of_gossip(written: dict[str, bytes]) -> None:
    promised = commitment(DOMAIN, 17, 0, KEY.public, ONE, TWO, THREE, FOUR)
    view = GossipView(
        round=17,
        attempt=0,
        enrolled={KEY.public: ANNOUNCED.key_epoch},
        roster={KEY.public: (promised, 303)},
        base_digest=ONE,
        commit_closed=True,
    )
    rules = GossipRules(DOMAIN, TWO)
    first = rules.judge(written["announcement"], view, forwarder=KEY.public, now=0.0)
    again = rules.judge(written["announcement"], view, forwarder=KEY.public, now=1.0)
    assert (first.outcome, first.code) == (Judgement.ACCEPT, Code.OK)
    assert (again.outcome, again.code) == (Judgement.IGNORE, Code.REPLAY)


def test_lax_signature__is_refused_for_every_message(written: dict[str, bytes]) -> None:
    data = written["lax-signature"]
    with pytest.raises(RemoteProtocolError, match="small order") as caught:
        verify_signature(data[:32], b"anything", data[32:])
    assert caught.value.code == Code.BAD_SIGNATURE


def test_frame_at_its_limit__is_awaited_and_one_byte_more_refused(
    written: dict[str, bytes],
) -> None:
    fits, too_long = written["frame-limits"][:4], written["frame-limits"][4:]
    assert FrameDecoder().receive_data(fits) == []
    with pytest.raises(RemoteProtocolError) as caught:
        FrameDecoder().receive_data(too_long)
    assert caught.value.code == Code.TOO_LARGE


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document__has_every_section_and_stands_in_the_index(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    titles = re.findall(r"^## (.*)$", text, re.MULTILINE)
    own = text.partition("\n")[0].split()[-1]  # "# 13 Limits" needs no section of that name
    missing = [
        one for one in SECTIONS if one != own and not any(title.startswith(one) for title in titles)
    ]
    assert not missing
    assert re.search(r"^##+ State machine", text, re.MULTILINE)
    assert titles[-1] == "Changelog"
    assert re.search(r"^Maturity: .*Status: .*Revision: \d", text, re.MULTILINE)
    assert f"| `{document.name}` |" in (SPEC / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", [*DOCUMENTS, SPEC / "README.md"], ids=lambda path: path.name)
def test_document__refers_to_rules_and_documents_that_exist(document: Path) -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
    defined = {name for text in texts.values() for name in RULE.findall(text)}
    prefixes = "|".join({name.partition("-")[0] for name in defined})
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(rf"\b(?:{prefixes})-\d{{3}}\b", text)) <= defined
    named = set(re.findall(r"\b\d{2}-[a-z]+\.md\b", text))
    assert named <= set(texts)


def test_codes__are_each_given_by_a_rule() -> None:
    text = (SPEC / "11-errors.md").read_text(encoding="utf-8")
    assert "| none yet |" not in text
