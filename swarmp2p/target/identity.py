"""Peer ids, run ids, domains, enrolment proofs, identity files, signatures (03, 04)."""

from collections.abc import Mapping

from swarmp2p.crypto import identity
from swarmp2p.crypto.keys import Secret, verify_signature
from swarmp2p.ledger.interface import MemberKey, key_of_round
from swarmp2p.net import peers
from swarmp2p.target.notation import Input, Operation, Output, data_of


def encode_peer_id(given: Input) -> Output:
    """Answer `peer_id.encode`."""
    key = data_of(given["key"])
    return {"bytes": peers.encode_peer_id(key).hex(), "text": peers.peer_id_text(key)}


def decode_peer_id(given: Input) -> Output:
    """Answer `peer_id.decode`."""
    return {"key": peers.decode_peer_id(data_of(given["bytes"])).hex()}


def parse_peer_id(given: Input) -> Output:
    """Answer `peer_id.parse`."""
    return {"key": peers.parse_peer_id(given["text"]).hex()}


def compute_run_id(given: Input) -> Output:
    """Answer `run_id.compute`."""
    return {"run_id": identity.run_id(data_of(given["manifest"])).hex()}


def compute_domain(given: Input) -> Output:
    """Answer `domain.compute`."""
    domain = identity.domain(
        int(given["chain_id"]), data_of(given["contract"]), data_of(given["run_id"])
    )
    return {"domain": domain.hex()}


def enrolment_preimage(given: Input) -> Output:
    """Answer `enrolment.preimage`."""
    return {"preimage": _enrolment(given).hex()}


def verify_enrolment(given: Input) -> Output:
    """Answer `enrolment.verify`."""
    verify_signature(data_of(given["key"]), _enrolment(given), data_of(given["proof"]))
    return {}


def enrolment_key(given: Input) -> Output:
    """Answer `enrolment.key`."""
    keys = [
        MemberKey(data_of(row["key"]), int(row["key_epoch"]), int(row["since"]), bytes(64))
        for row in given["keys"]
    ]
    key = key_of_round(keys, int(given["frozen"]))
    return {"key": key.peer.hex(), "key_epoch": str(key.epoch)}


def _enrolment(given: Input) -> bytes:
    return identity.enrol_preimage(
        int(given["chain_id"]),
        data_of(given["registry"]),
        data_of(given["account"]),
        data_of(given["key"]),
        int(given["key_epoch"]),
    )


class _Tokens:
    """The salt, then the nonce, in place of chance."""

    def __init__(self, *tokens: bytes) -> None:
        self._tokens = iter(tokens)

    def token(self, size: int) -> bytes:
        del size
        return next(self._tokens)


def seal_identity(given: Input) -> Output:
    """Answer `identity_file.seal`."""
    tokens = _Tokens(data_of(given["salt"]), data_of(given["nonce"]))
    seed, passphrase = Secret(data_of(given["seed"])), Secret(given["passphrase"].encode())
    return {"data": identity.seal_identity(seed, passphrase, tokens).hex()}


def open_identity(given: Input) -> Output:
    """Answer `identity_file.open`."""
    passphrase = Secret(given["passphrase"].encode())
    return {"seed": identity.open_identity(data_of(given["data"]), passphrase).reveal().hex()}


def verify_one_signature(given: Input) -> Output:
    """Answer `signature.verify`."""
    verify_signature(data_of(given["key"]), data_of(given["message"]), data_of(given["signature"]))
    return {}


OPERATIONS: Mapping[str, Operation] = {
    "peer_id.encode": encode_peer_id,
    "peer_id.decode": decode_peer_id,
    "peer_id.parse": parse_peer_id,
    "run_id.compute": compute_run_id,
    "domain.compute": compute_domain,
    "enrolment.preimage": enrolment_preimage,
    "enrolment.verify": verify_enrolment,
    "enrolment.key": enrolment_key,
    "identity_file.seal": seal_identity,
    "identity_file.open": open_identity,
    "signature.verify": verify_one_signature,
}
