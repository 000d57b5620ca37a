"""Cases of 03-identity.md and of the domain in 04-envelope.md and 15-conformance.md."""

import hashlib

import identities
import samples
import signatures

TEXT = "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB"
ENROLMENT = {
    "chain_id": "31337",
    "registry": "5fbdb2315678afecb367f032d93f642f64180aa3",
    "account": "f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
    "key": samples.KEY.hex(),
    "key_epoch": "3",
}
PROOF = (
    "0c5299eec171ce3b29e8a0e37809a575c00a1e935dfba144e2a4190cb4e81df1"
    "e4143941f50a4e66eecbc357a68a04a56470d829cb9b58a2d128d30768b77a0d"
)
PASSPHRASE = "four hospitals"
SALT, NONCE = b"\x11" * 16, b"\x22" * 24


def peer_ids():
    yield (
        "peer_id.encode",
        "example",
        ["ID-002", "ID-003"],
        {"key": samples.KEY.hex()},
        {"bytes": "002408011220" + samples.KEY.hex(), "text": TEXT}.__eq__,
    )
    for name, key in [
        ("zeros", bytes(32)),
        ("ones", b"\xff" * 32),
        ("peer-1", samples.key(1)),
        ("peer-2", samples.key(2)),
        ("small", bytes(31) + b"\1"),
    ]:
        data = identities.PEER_ID + key
        text = identities.to_base58(data)
        yield (
            "peer_id.encode",
            name,
            [
                "ID-002",
                "ID-003",
            ],
            {"key": key.hex()},
            lambda output: output["text"].startswith("12D3KooW"),
        )
        yield "peer_id.decode", name, ["ID-002"], {"bytes": data.hex()}, {"key": key.hex()}.__eq__
        yield "peer_id.parse", name, ["ID-003"], {"text": text}, {"key": key.hex()}.__eq__
    good = identities.PEER_ID + samples.KEY
    yield (
        "peer_id.decode",
        "example",
        ["ID-002"],
        {"bytes": good.hex()},
        {"key": samples.KEY.hex()}.__eq__,
    )
    wrong = [
        ("empty", b""),
        ("key-only", samples.KEY),
        ("short", good[:-1]),
        ("long", good + b"\0"),
        ("prefix-only", good[:6]),
        ("sha256-of-key", bytes.fromhex("1220") + hashlib.sha256(good[2:]).digest()),
        ("secp256k1", bytes.fromhex("00250802122102") + samples.KEY),
        ("rsa-type", bytes.fromhex("002408001220") + samples.KEY),
        ("secp256k1-type", bytes.fromhex("002408021220") + samples.KEY),
        ("ecdsa-type", bytes.fromhex("002408031220") + samples.KEY),
        ("no-multihash", good[2:]),
        ("cid-v1", bytes.fromhex("0172") + good),
    ]
    wrong += [(f"byte-{index}", samples.xor(good, index)) for index in range(6)]
    for name, data in wrong:
        yield "peer_id.decode", f"wrong-{name}", ["ID-002"], {"bytes": data.hex()}, "MALFORMED"
        if data:
            yield (
                "peer_id.parse",
                f"wrong-{name}",
                ["ID-002", "ID-003"],
                {"text": identities.to_base58(data)},
                "MALFORMED",
            )
    yield "peer_id.parse", "example", ["ID-003"], {"text": TEXT}, {"key": samples.KEY.hex()}.__eq__
    for name, text in [
        ("empty", ""),
        ("no-one", TEXT[1:]),
        ("two-ones", "1" + TEXT),
        ("cut", TEXT[:-1]),
        ("longer", TEXT + "1"),
        ("zero", TEXT[:-1] + "0"),
        ("capital-o", TEXT[:-1] + "O"),
        ("capital-i", TEXT[:-1] + "I"),
        ("small-l", TEXT[:-1] + "l"),
        ("space-before", " " + TEXT),
        ("line-end", TEXT + "\n"),
        ("space-within", TEXT[:9] + " " + TEXT[9:]),
        ("plus", TEXT[:-1] + "+"),
        ("upper-case", TEXT.upper()),
        ("lower-case", TEXT.lower()),
        ("hex", good.hex()),
        ("multibase-z", "z" + TEXT),
        ("cid", "bafzaajaiaejcaa5ba677ptwqxyovh4dk3nva"),
        ("p2p-prefix", "/p2p/" + TEXT),
        ("not-ascii", TEXT[:-1] + "\u00e9"),
        ("full-width", "\uff11" + TEXT[1:]),
    ]:
        yield "peer_id.parse", f"text-{name}", ["ID-003"], {"text": text}, "MALFORMED"
    yield "peer_id.parse", "text-last-letter-changed", ["ID-003"], {"text": TEXT[:-1] + "C"}, None


def domains():
    base = {
        "chain_id": "31337",
        "contract": "5fbdb2315678afecb367f032d93f642f64180aa3",
        "run_id": hashlib.sha256(b"demo").hexdigest(),
    }
    yield "domain.compute", "example", ["ID-012"], base, {"domain": samples.DOMAIN.hex()}.__eq__
    yield (
        "domain.compute",
        "conformance",
        ["ID-012"],
        {**base, "run_id": hashlib.sha256(b"conformance").hexdigest()},
        {"domain": "23e604ea0fae80d291c607d3e8f4a5ae490db26458dd0e82aa81fb8749dc27f9"}.__eq__,
    )
    for name, changed in [
        ("chain-1", {"chain_id": "1"}),
        ("chain-0", {"chain_id": "0"}),
        ("chain-greatest", {"chain_id": str(2**64 - 1)}),
        ("chain-2.53-plus-1", {"chain_id": str(2**53 + 1)}),
        ("other-contract", {"contract": "00" * 20}),
        ("other-run", {"run_id": "00" * 32}),
    ]:
        yield "domain.compute", name, ["ID-012"], {**base, **changed}, None
    yield (
        "run_id.compute",
        "example",
        ["ID-010"],
        {"manifest": "80"},
        {"run_id": "a852790d82c0debd356f432d3a94a2ba4320dd60ae7216466abf23701b74c48d"}.__eq__,
    )
    yield "run_id.compute", "two-bytes", ["ID-010"], {"manifest": "8080"}, None
    yield (
        "run_id.compute",
        "bytes-65536",
        ["ID-010", "LIMIT-003"],
        {"manifest": {"repeat": "61", "count": 65536}},
        None,
    )
    yield (
        "run_id.compute",
        "bytes-65537",
        ["ID-010"],
        {"manifest": {"repeat": "61", "count": 65537}},
        "REFUSED",
    )
    yield "run_id.compute", "empty", ["ID-010"], {"manifest": ""}, "REFUSED"


def enrolments():
    yield (
        "enrolment.preimage",
        "example",
        ["ID-020"],
        ENROLMENT,
        lambda output: (
            hashlib.sha256(bytes.fromhex(output["preimage"])).digest()
            == hashlib.sha256(
                b"swarmp2p/v1/enrol\0"
                + bytes.fromhex(
                    "0000000000007a69"
                    + ENROLMENT["registry"]
                    + ENROLMENT["account"]
                    + ENROLMENT["key"]
                    + "0000000000000003"
                ),
            ).digest()
        ),
    )
    yield "enrolment.verify", "example", ["ID-020"], {**ENROLMENT, "proof": PROOF}, None
    changes = [
        ("chain", {"chain_id": "31338"}),
        ("registry", {"registry": "00" * 20}),
        ("account", {"account": "00" * 20}),
        ("key", {"key": samples.key(1).hex()}),
        ("epoch", {"key_epoch": "4"}),
        ("epoch-0", {"key_epoch": "0"}),
        (
            "registry-for-account",
            {"registry": ENROLMENT["account"], "account": ENROLMENT["registry"]},
        ),
    ]
    for name, changed in changes:
        yield "enrolment.preimage", f"other-{name}", ["ID-020"], {**ENROLMENT, **changed}, None
        yield (
            "enrolment.verify",
            f"other-{name}",
            ["ID-020", "ENV-009"],
            {**ENROLMENT, **changed, "proof": PROOF},
            "BAD_SIGNATURE",
        )
    for number in range(1, 4):
        given = {
            **ENROLMENT,
            "key": samples.key(number).hex(),
            "key_epoch": str(number - 1),
            "chain_id": str(2**64 - number),
        }
        proof = signatures.sign(samples.seed(number), identities.enrolment_preimage(given))
        yield (
            "enrolment.verify",
            f"peer-{number}",
            ["ID-020"],
            {**given, "proof": proof.hex()},
            None,
        )
    for name, proof, rule in [
        ("flipped-r", samples.xor(bytes.fromhex(PROOF), 0).hex(), "ENV-009"),
        ("flipped-s", samples.xor(bytes.fromhex(PROOF), 40).hex(), "ENV-009"),
        ("short", PROOF[:-2], "ENV-007"),
        ("long", PROOF + "00", "ENV-007"),
        ("empty", "", "ENV-007"),
        ("zeros", "00" * 64, "ENV-008"),
    ]:
        yield (
            "enrolment.verify",
            f"proof-{name}",
            ["ID-020", rule],
            {**ENROLMENT, "proof": proof},
            "BAD_SIGNATURE",
        )
    s = int.from_bytes(bytes.fromhex(PROOF)[32:], "little") + signatures.L
    yield (
        "enrolment.verify",
        "proof-s-plus-l",
        ["ID-020", "ENV-007"],
        {**ENROLMENT, "proof": PROOF[:64] + s.to_bytes(32, "little").hex()},
        "BAD_SIGNATURE",
    )
    one = (1).to_bytes(32, "little").hex()
    yield (
        "enrolment.verify",
        "key-of-small-order",
        ["ID-020", "ENV-008"],
        {**ENROLMENT, "key": one, "proof": PROOF},
        "BAD_SIGNATURE",
    )


def files():
    data = identities.seal(samples.SEED, PASSPHRASE, SALT, NONCE)
    assert data.hex().endswith(
        "7684fab501c3afc11a7fa02497038e4e"
        "f99bbe9b3d428fa2d804357c46dc6ac7f7f5652f7ce21045da6cb686ebde2b45"
    )
    given = {
        "seed": samples.SEED.hex(),
        "passphrase": PASSPHRASE,
        "salt": SALT.hex(),
        "nonce": NONCE.hex(),
    }
    yield "identity_file.seal", "example", ["ID-031"], given, {"data": data.hex()}.__eq__
    yield "identity_file.seal", "other-nonce", ["ID-031"], {**given, "nonce": "23" * 24}, None
    yield (
        "identity_file.seal",
        "not-ascii",
        ["ID-031"],
        {**given, "passphrase": "vier Krankenh\u00e4user"},
        None,
    )

    def opened(slug, changed, expect="REFUSED", passphrase=PASSPHRASE):
        return (
            "identity_file.open",
            slug,
            ["ID-030"],
            {"data": changed.hex(), "passphrase": passphrase},
            expect,
        )

    yield opened("example", data, {"seed": samples.SEED.hex()}.__eq__)
    other = identities.seal(samples.seed(1), "vier Krankenh\u00e4user", SALT, NONCE)
    yield opened(
        "not-ascii", other, {"seed": samples.seed(1).hex()}.__eq__, "vier Krankenh\u00e4user"
    )
    for name, text in [
        ("other", "four hospital"),
        ("empty", ""),
        ("line-end", "four hospitals\n"),
        ("capital", "Four hospitals"),
    ]:
        yield opened(f"passphrase-{name}", data, passphrase=text)
    for name, index in [
        ("tag-0", 0),
        ("tag-9", 9),
        ("tag-22", 22),
        ("salt", 23),
        ("nonce-0", 39),
        ("nonce-23", 62),
        ("box-tag", 63),
        ("box-tag-15", 78),
        ("box", 79),
        ("box-last", 110),
    ]:
        yield opened(f"flipped-{name}", samples.xor(data, index))
    for name, changed in [
        ("one-byte-less", data[:-1]),
        ("one-byte-more", data + b"\0"),
        ("empty", b""),
        ("tag-only", data[:23]),
        ("twice", data * 2),
        ("plain-seed", samples.SEED),
    ]:
        yield opened(name, changed)


def cases():
    for part in (peer_ids, domains, enrolments, files):
        yield from part()
