"""Receipts and codes (00, 11)."""

from collections.abc import Mapping

from swarmp2p.crypto.keys import IdentityKey, verify_signature
from swarmp2p.node.receipts import signed_bytes
from swarmp2p.protocol.codes import treat
from swarmp2p.target.notation import Input, Operation, Output, data_of


def sign_receipt(given: Input) -> Output:
    """Answer `receipt.sign`."""
    preimage = _preimage(given)
    signature = IdentityKey.from_seed(data_of(given["seed"])).sign(preimage)
    return {"preimage": preimage.hex(), "signature": signature.hex()}


def verify_receipt(given: Input) -> Output:
    """Answer `receipt.verify`."""
    verify_signature(data_of(given["key"]), _preimage(given), data_of(given["signature"]))
    return {}


def _preimage(given: Input) -> bytes:
    receipt = given["receipt"]
    return signed_bytes(receipt["shared"], receipt["merge"])


def treat_code(given: Input) -> Output:
    """Answer `code.treat`."""
    return {"as": treat(given["code"]).name}


OPERATIONS: Mapping[str, Operation] = {
    "receipt.sign": sign_receipt,
    "receipt.verify": verify_receipt,
    "code.treat": treat_code,
}
