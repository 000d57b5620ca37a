"""Keys, PeerIds, run id, domain, enrolment and identity file: 03-identity.md."""

import functools
import hashlib

import inputs
import nacl.exceptions
import nacl.pwhash
import nacl.secret
import signatures
from refusal import Refusal

PEER_ID = bytes.fromhex("002408011220")
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
TAG_SEALED_KEY = b"swarmp2p/v1/sealed-key\0"
MAX_RUN_MANIFEST_BYTES = 65536


def encode_peer_id(key):
    return PEER_ID + key  # ID-002


def decode_peer_id(data):
    if len(data) != 38 or data[:6] != PEER_ID:  # ID-002
        raise Refusal("MALFORMED")
    return data[6:]


def to_base58(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + text


def from_base58(text):
    number = 0
    for letter in text:
        if letter not in ALPHABET:  # ID-003
            raise Refusal("MALFORMED")
        number = number * 58 + ALPHABET.index(letter)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def parse_peer_id(text):
    if len(text) > 64:  # ID-003: 38 bytes are 52 letters; longer text is not converted at all
        raise Refusal("MALFORMED")
    return decode_peer_id(from_base58(text))  # ID-003


def run_id(manifest):
    """A blob of one chunk (07-chunks.md)."""
    if not 1 <= len(manifest) <= MAX_RUN_MANIFEST_BYTES:
        raise Refusal("REFUSED")
    return hashlib.sha256(b"\0" + bytes(4) + len(manifest).to_bytes(4, "big") + manifest).digest()


def domain(chain_id, contract, run):
    tag = b"swarmp2p/v1/domain\0"
    return hashlib.sha256(tag + chain_id.to_bytes(8, "big") + contract + run).digest()


def enrolment_preimage(given):
    parts = [
        b"swarmp2p/v1/enrol\0",
        inputs.u64(given, "chain_id").to_bytes(8, "big"),
        inputs.get_bytes(given, "registry", 20),
        inputs.get_bytes(given, "account", 20),
        inputs.get_bytes(given, "key", 32),
        inputs.u64(given, "key_epoch").to_bytes(8, "big"),
    ]
    return b"".join(parts)


def key_of_round(keys, frozen):
    """ID-025: of (key, epoch, since) in the order of enrolment, the one for a round.

    `frozen` is the block of ROUND-014; as long as it is 0 (not there yet) the current key counts.
    """
    if frozen == 0:
        return keys[-1]
    stood = [entry for entry in keys if entry[2] <= frozen]
    return stood[-1] if stood else keys[0]


@functools.lru_cache(maxsize=64)
def box_key(passphrase, salt):
    """Argon2id version 1.3, 3 passes, 65,536 KiB, 1 lane, 32 bytes."""
    password = passphrase.encode("utf-8")
    return nacl.pwhash.argon2id.kdf(32, password, salt, opslimit=3, memlimit=65536 * 1024)


def seal(seed, passphrase, salt, nonce):
    box = nacl.secret.SecretBox(box_key(passphrase, salt)).encrypt(seed, nonce).ciphertext
    return TAG_SEALED_KEY + salt + nonce + box


def open_file(data, passphrase):
    if len(data) != 111 or data[:23] != TAG_SEALED_KEY:  # ID-030
        raise Refusal("REFUSED")
    salt, nonce, box = data[23:39], data[39:63], data[63:]
    try:
        return nacl.secret.SecretBox(box_key(passphrase, salt)).decrypt(box, nonce)
    except nacl.exceptions.CryptoError:  # ID-030
        raise Refusal("REFUSED") from None


def op_peer_id_encode(given):
    data = encode_peer_id(inputs.get_bytes(given, "key", 32))
    return {"bytes": data.hex(), "text": to_base58(data)}


def op_domain(given):
    run = inputs.get_bytes(given, "run_id", 32)
    contract = inputs.get_bytes(given, "contract", 20)
    return {"domain": domain(inputs.u64(given, "chain_id"), contract, run).hex()}


def op_enrolment_verify(given):
    message = enrolment_preimage(given)
    key, proof = inputs.get_bytes(given, "key", 32), inputs.get_bytes(given, "proof")
    signatures.verify(key, message, proof)  # ID-020
    return {}


def op_enrolment_key(given):
    keys = [
        (inputs.get_bytes(one, "key", 32), inputs.u64(one, "key_epoch"), inputs.u64(one, "since"))
        for one in inputs.array(given, "keys")
    ]
    if not keys:
        raise Refusal("REFUSED")
    key, epoch, _ = key_of_round(keys, inputs.u64(given, "frozen"))
    return {"key": key.hex(), "key_epoch": str(epoch)}


def op_open(given):
    data, passphrase = inputs.get_bytes(given, "data"), inputs.text(given, "passphrase")
    return {"seed": open_file(data, passphrase).hex()}


def op_seal(given):
    seed, passphrase = inputs.get_bytes(given, "seed", 32), inputs.text(given, "passphrase")
    salt, nonce = inputs.get_bytes(given, "salt", 16), inputs.get_bytes(given, "nonce", 24)
    return {"data": seal(seed, passphrase, salt, nonce).hex()}


OPERATIONS = {
    "peer_id.encode": op_peer_id_encode,
    "peer_id.decode": lambda given: {"key": decode_peer_id(inputs.get_bytes(given, "bytes")).hex()},
    "peer_id.parse": lambda given: {"key": parse_peer_id(inputs.text(given, "text")).hex()},
    "run_id.compute": lambda given: {"run_id": run_id(inputs.get_bytes(given, "manifest")).hex()},
    "domain.compute": op_domain,
    "enrolment.preimage": lambda given: {"preimage": enrolment_preimage(given).hex()},
    "enrolment.verify": op_enrolment_verify,
    "enrolment.key": op_enrolment_key,
    "identity_file.open": op_open,
    "identity_file.seal": op_seal,
}
