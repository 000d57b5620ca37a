"""The `hex` and `json` blocks of the documents against what the operations give.

python test_examples.py [FOLDER OF THE DOCUMENTS]
"""

import json
import os
import re
import sys
from hashlib import sha256

import blobs
import chunks
import envelopes
import frames
import hellos
import identities
import manifests
import places
import receipts
import samples
import schemas
import signatures
import values

CHAIN, CONTRACT = 31337, bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
ACCOUNT = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
ABC = [b"abc", b"de", b"f"]
ABC_ROOT = blobs.root(ABC)


def block(folder, document, name):
    with open(os.path.join(folder, document), encoding="utf-8") as file:
        found = re.search(r"```(hex|json) %s\n(.*?)```" % re.escape(name), file.read(), re.DOTALL)
    if found.group(1) == "json":
        return found.group(2).strip().encode()
    digits = [line.split(";")[0] for line in found.group(2).splitlines()]
    return bytes.fromhex("".join(digits).replace(" ", ""))


def check_receipt(get):
    receipt = get("00-lifecycle.md", "receipt")
    assert receipts.preimage(json.loads(receipt)) == receipts.TAG_RECEIPT + receipt
    digest = sha256(receipts.TAG_RECEIPT + receipt).digest()
    assert get("00-lifecycle.md", "receipt-hash") == digest


def check_values(get):
    value = {"a": 300, "b": [True, None, b"\x01\xff", "\u00e9"]}
    assert get("02-encoding.md", "frame") == frames.encode(values.encode(value))


def check_identity(get):
    demo, conformance = sha256(b"demo").digest(), sha256(b"conformance").digest()
    domain = identities.domain(CHAIN, CONTRACT, demo)
    assert get("01-overview.md", "topic-domain") == samples.DOMAIN == domain
    domain = identities.domain(CHAIN, CONTRACT, conformance)
    assert get("15-conformance.md", "conformance-domain") == domain
    assert get("03-identity.md", "peer-id") == identities.encode_peer_id(samples.KEY)
    enrolment = {
        "chain_id": "31337",
        "registry": CONTRACT.hex(),
        "account": ACCOUNT,
        "key": samples.KEY.hex(),
        "key_epoch": "3",
    }
    preimage = identities.enrolment_preimage(enrolment)
    assert get("03-identity.md", "enrol-preimage") == preimage
    assert get("03-identity.md", "enrol-proof") == signatures.sign(samples.SEED, preimage)
    assert get("03-identity.md", "run-id") == identities.run_id(b"\x80")
    sealed = identities.seal(samples.SEED, "four hospitals", b"\x11" * 16, b"\x22" * 24)
    assert get("03-identity.md", "identity-file") == sealed


def check_envelope(get):
    assert get("04-envelope.md", "domain") == samples.DOMAIN
    assert get("04-envelope.md", "envelope") == samples.signed()
    preimage = envelopes.preimage(samples.fields(), samples.DOMAIN)
    assert get("04-envelope.md", "preimage") == preimage


def check_hello(get):
    hello = {
        "agent": "swarmp2p/0.1.0",
        "domain": samples.DOMAIN,
        "extensions": [0x200000],
        "key_epoch": 3,
        "wire_version": 1,
    }
    assert get("05-hello.md", "hello") == frames.encode(hellos.encode(hello))


def check_chunks(get):
    schema = get("07-chunks.md", "schema")
    assert schemas.encode(schemas.decode(schema)) == schema
    assert get("07-chunks.md", "schema-hash") == schemas.schema_hash(schema)
    assert get("07-chunks.md", "leaves") == b"".join(blobs.leaves_of(ABC))
    request = {"index": 1, "root": ABC_ROOT}
    assert get("07-chunks.md", "request") == frames.encode(chunks.encode_request(request))
    provider = {"hidden": [], "blobs": {ABC_ROOT: ABC}}
    assert get("07-chunks.md", "reply") == chunks.answer(provider, request)
    assert get("11-errors.md", "refusal") == chunks.reply_frame(1, request, [], 0)


def check_manifests(get):
    body = get("08-rounds.md", "update-manifest")
    assert get("06-gossip.md", "announcement") == samples.signed(key_epoch=0, body=body)
    manifest = manifests.decode_update(body)
    commitment = manifests.commitment(samples.DOMAIN, 17, 0, samples.KEY, manifest)
    assert get("08-rounds.md", "commitment") == commitment
    assert sha256(get("08-rounds.md", "commitment-preimage")).digest() == commitment


def main(arguments):
    folder = places.spec(arguments[0] if arguments else None)

    def get(document, name):
        return block(folder, document, name)

    for check in (
        check_receipt,
        check_values,
        check_identity,
        check_envelope,
        check_hello,
        check_chunks,
        check_manifests,
    ):
        check(get)
    print("all examples agree")


if __name__ == "__main__":
    main(sys.argv[1:])
