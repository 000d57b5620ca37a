"""Domains, enrolment proofs, commitments, signed envelopes, and the sealed identity key file."""

from hashlib import sha256

from swarmp2p.crypto.keys import IdentityKey, Secret, verify_signature
from swarmp2p.crypto.merkle import blob_root
from swarmp2p.crypto.sealing import SEAL_BYTES, TokenSource, open_sealed, seal
from swarmp2p.errors import ConfigError, LocalProtocolError
from swarmp2p.wire.envelope import (
    Envelope,
    Header,
    decode_envelope,
    encode_envelope,
    signing_preimage,
)
from swarmp2p.wire.registry import (
    MAX_RUN_MANIFEST_BYTES,
    TAG_COMMIT,
    TAG_DOMAIN,
    TAG_ENROL,
    TAG_SEALED_KEY,
)

_SEALED_BYTES = len(TAG_SEALED_KEY) + SEAL_BYTES + 32


def run_id(manifest: bytes) -> bytes:
    """The hash of a run manifest: its root as a blob of one chunk, so that it is fetched by it."""
    if not 1 <= len(manifest) <= MAX_RUN_MANIFEST_BYTES:
        raise LocalProtocolError(
            f"a run manifest of {len(manifest)} bytes; 1 to {MAX_RUN_MANIFEST_BYTES} are allowed"
        )
    return blob_root([manifest])


def domain(chain_id: int, contract: bytes, run_id: bytes) -> bytes:
    """The 32 bytes that tie a signature to one run (spec/03-identity)."""
    return sha256(
        TAG_DOMAIN
        + _u64(chain_id, "chain_id")
        + _sized(contract, 20, "contract")
        + _sized(run_id, 32, "run_id")
    ).digest()


def enrol_preimage(
    chain_id: int, registry: bytes, account: bytes, peer_pk: bytes, key_epoch: int
) -> bytes:
    """What an enrolling peer signs to prove that it holds `peer_pk` (spec/03-identity)."""
    return b"".join(
        (
            TAG_ENROL,
            _u64(chain_id, "chain_id"),
            _sized(registry, 20, "registry"),
            _sized(account, 20, "account"),
            _sized(peer_pk, 32, "peer_pk"),
            _u64(key_epoch, "key_epoch"),
        )
    )


def commitment(  # noqa: PLR0917 - the order of the preimage
    domain: bytes,
    round: int,  # noqa: A002 - the spec's name of the field
    attempt: int,
    sender_pk: bytes,
    base_digest: bytes,
    schema_hash: bytes,
    root: bytes,
    salt: bytes,
) -> bytes:
    """The commitment C that stands on the chain before an update is revealed (spec/08-rounds)."""
    if not 0 <= attempt < 2**32:
        raise LocalProtocolError(f"attempt {attempt} is no u32")
    parts = {
        "sender_pk": sender_pk,
        "base_digest": base_digest,
        "schema_hash": schema_hash,
        "root": root,
        "salt": salt,
    }
    digest = sha256(TAG_COMMIT + _sized(domain, 32, "domain") + _u64(round, "round"))
    digest.update(attempt.to_bytes(4))
    for name, value in parts.items():
        digest.update(_sized(value, 32, name))
    return digest.digest()


def sign_envelope(key: IdentityKey, header: Header, domain: bytes, body: bytes) -> bytes:
    """The whole envelope. The caller holds a durable guard row or sequence number for it."""
    if header.sender != key.public:
        raise LocalProtocolError("the header names another sender than the key that signs")
    return encode_envelope(header, body, key.sign(signing_preimage(header, domain, body)))


def verify_envelope(data: bytes, domain: bytes) -> Envelope:
    """Decode and check the signature. Raises RemoteProtocolError; who the sender is, is not judged.

    To judge the header first, decode_envelope(), then verify_envelope_signature().
    """
    envelope = decode_envelope(data)
    verify_envelope_signature(envelope, domain)
    return envelope


def verify_envelope_signature(envelope: Envelope, domain: bytes) -> None:
    """Raise RemoteProtocolError(BAD_SIGNATURE) unless the sender signed this in this domain."""
    preimage = signing_preimage(envelope.header, domain, envelope.body)
    verify_signature(envelope.header.sender, preimage, envelope.signature)


def seal_identity(seed: Secret, passphrase: Secret, rng: TokenSource) -> bytes:
    """The identity file: tag || salt || nonce || secretbox(seed), key by argon2id."""
    if len(seed.reveal()) != 32:
        raise LocalProtocolError(f"an identity seed has 32 bytes, not {len(seed.reveal())}")
    return seal(TAG_SEALED_KEY, seed.reveal(), passphrase, rng)


def open_identity(blob: bytes, passphrase: Secret) -> Secret:
    """The seed in an identity file. Raises ConfigError when file or passphrase is wrong."""
    if len(blob) != _SEALED_BYTES or not blob.startswith(TAG_SEALED_KEY):
        raise ConfigError(
            f"the identity file is damaged or no identity file: {len(blob)} bytes, "
            f"{_SEALED_BYTES} expected; restore it from its backup"
        )
    return Secret(open_sealed(TAG_SEALED_KEY, blob, passphrase, "the identity file"))


def _u64(value: int, what: str) -> bytes:
    if not 0 <= value < 2**64:
        raise LocalProtocolError(f"{what} {value} is no u64")
    return value.to_bytes(8)


def _sized(value: bytes, size: int, what: str) -> bytes:
    if len(value) != size:
        raise LocalProtocolError(f"{what} has {size} bytes, not {len(value)}")
    return value
