"""Who signs an account's transactions: a key in this process, or a signer at a URL.

A signer speaks web3signer's (eth1 mode), geth's or clef's JSON-RPC. It is asked for one exact
transaction, and what comes back is decoded and compared field by field before anything is done with
it: a signer that is broken or hostile can refuse to sign, and nothing more.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import rlp
from eth_account import Account
from eth_utils.crypto import keccak
from rlp.exceptions import RLPException

from swarmp2p.errors import LedgerUnavailableError, SignerError
from swarmp2p.ledger.accounts import account_address, checksum
from swarmp2p.ledger.finality import METHOD_NOT_FOUND
from swarmp2p.ledger.rpc import RpcClient, RpcRefusedError, hexed

MAX_RAW = 1 << 17  # bytes of a transaction; Ethereum's nodes take no longer ones
MAX_SIGNER_REPLY = 3 * MAX_RAW  # bytes: it in hexadecimal, and clef's decoded copy beside it
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # of secp256k1
_FEE_MARKET = 2  # the type byte of EIP-1559


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """What is to be signed. `to` has 20 bytes (b"": a creation).

    `price` is wei per gas at most, `tip` the part of it for the block's maker; with tip None the
    transaction is of the old kind, which names a price only.
    """

    chain_id: int
    nonce: int
    to: bytes
    data: bytes
    gas: int
    value: int
    price: int
    tip: int | None


class Signer(Protocol):
    """Signs for one account."""

    @property
    def account(self) -> bytes:
        """The account's address, 20 bytes."""
        ...

    def sign(self, wanted: UnsignedTransaction) -> bytes:
        """The signed transaction as it is broadcast. Blocking. Raises SignerError."""
        ...


class LocalSigner:
    """Signs with a key in memory."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes. Raises ConfigError for bytes that are no key."""
        self.account = account_address(key)
        self._key = key

    def sign(self, wanted: UnsignedTransaction) -> bytes:
        """See Signer.sign."""
        fields: dict[str, Any] = {
            "chainId": wanted.chain_id,
            "nonce": wanted.nonce,
            "gas": wanted.gas,
            "value": wanted.value,
            "data": wanted.data,
            "to": checksum(wanted.to) if wanted.to else b"",
        }
        if wanted.tip is None:
            fields["gasPrice"] = wanted.price
        else:
            fields |= {
                "type": _FEE_MARKET,
                "maxFeePerGas": wanted.price,
                "maxPriorityFeePerGas": wanted.tip,
            }
        return bytes(Account.sign_transaction(fields, self._key).raw_transaction)


class RemoteSigner:
    """Asks a signer at a URL: https, or http on loopback."""

    def __init__(self, url: str, account: bytes, *, timeout: float = 10.0) -> None:
        """`timeout` bounds each question in seconds. Raises ConfigError for a URL not allowed."""
        self.account = account
        self._rpc = RpcClient(url, timeout=timeout, max_reply=MAX_SIGNER_REPLY, what="signer")

    def sign(self, wanted: UnsignedTransaction) -> bytes:
        """See Signer.sign."""
        request = _request(wanted, self.account)
        try:
            reply = self._ask(request)
        except LedgerUnavailableError as error:
            raise SignerError(f"nothing was signed: {error}") from None
        raw = reply.get("raw") if isinstance(reply, dict) else reply
        shown = self._rpc.shown
        if not isinstance(raw, str) or not raw.startswith("0x") or len(raw) > 2 + 2 * MAX_RAW:
            raise SignerError(
                f"signer at {shown} answered no signed transaction: expected hexadecimal digits "
                "after 0x; is it a signer (web3signer in eth1 mode, clef)?"
            )
        try:
            signed = bytes.fromhex(raw[2:])
        except ValueError:
            raise SignerError(f"signer at {shown} answered text where bytes go") from None
        verify_signed(signed, wanted, self.account, shown)
        return signed

    def close(self) -> None:
        """Close the connections."""
        self._rpc.close()

    def _ask(self, request: dict[str, str]) -> Any:
        try:
            return self._rpc.call("eth_signTransaction", request)
        except RpcRefusedError as error:
            if error.code != METHOD_NOT_FOUND:
                raise
            return self._rpc.call("account_signTransaction", request)  # clef's name for it


def _request(wanted: UnsignedTransaction, account: bytes) -> dict[str, str]:
    request = {
        "from": checksum(account),
        "chainId": hex(wanted.chain_id),
        "nonce": hex(wanted.nonce),
        "gas": hex(wanted.gas),
        "value": hex(wanted.value),
        "data": hexed(wanted.data),
    }
    if wanted.to:
        request["to"] = checksum(wanted.to)
    if wanted.tip is None:
        request["gasPrice"] = hex(wanted.price)
    else:
        request["maxFeePerGas"] = hex(wanted.price)
        request["maxPriorityFeePerGas"] = hex(wanted.tip)
    return request


def verify_signed(raw: bytes, wanted: UnsignedTransaction, account: bytes, shown: str) -> None:
    """Compare a signed transaction with what was asked for. Raises SignerError.

    `shown` names the signer in messages.
    """
    legacy = wanted.tip is None
    fields = _decode(raw, legacy=legacy, shown=shown)
    expected = _expected(wanted)
    for (name, right), field in zip(expected.items(), fields, strict=False):
        if field != right:
            raise SignerError(
                f"signer at {shown} signed another {name} than was asked; nothing was broadcast. "
                "Do not use this signer until you know why"
            )
    if int.from_bytes(fields[-1], "big") > _HALF_ORDER or not _parity(fields[-3], wanted):
        raise SignerError(f"signer at {shown} made a signature that no chain takes")
    try:
        sender = bytes.fromhex(Account.recover_transaction(raw)[2:])
    except Exception:  # noqa: BLE001 - eth-account raises what its parsers raise
        sender = b""
    if sender != account:
        raise SignerError(
            f"signer at {shown} signed with another key than that of {checksum(account)}: give it "
            "this account's key, or correct `account` in node.toml"
        )


def _decode(raw: bytes, *, legacy: bool, shown: str) -> list[bytes]:
    """The fields of a transaction of the wanted kind, in order; all of them byte strings."""
    wrong = SignerError(
        f"signer at {shown} answered something else than a transaction of the kind asked for"
    )
    if not legacy:
        if raw[:1] != bytes([_FEE_MARKET]):
            raise wrong
        raw = raw[1:]
    try:
        fields = rlp.decode(raw)
    except (RLPException, RecursionError, TypeError, ValueError, IndexError):
        raise wrong from None
    count = 9 if legacy else 12
    if not isinstance(fields, list) or len(fields) != count:
        raise wrong
    if not legacy and fields.pop(8):  # the access list: nothing was asked to be in it
        raise wrong
    if not all(isinstance(field, bytes) for field in fields):
        raise wrong
    if any(len(field) > 32 or field[:1] == b"\0" for field in fields[-3:]):
        raise wrong
    return fields


def _expected(wanted: UnsignedTransaction) -> dict[str, bytes]:
    """The unsigned fields, in the order of the encoding."""
    if wanted.tip is None:
        head = {"nonce": wanted.nonce, "gas price": wanted.price, "gas limit": wanted.gas}
    else:
        head = {
            "chain id": wanted.chain_id,
            "nonce": wanted.nonce,
            "tip": wanted.tip,
            "fee": wanted.price,
            "gas limit": wanted.gas,
        }
    fields = {name: _minimal(number) for name, number in head.items()}
    return {**fields, "receiver": wanted.to, "value": _minimal(wanted.value), "data": wanted.data}


def _parity(field: bytes, wanted: UnsignedTransaction) -> bool:
    """Whether v is 0 or 1, or names the chain as EIP-155 says."""
    base = 35 + 2 * wanted.chain_id if wanted.tip is None else 0
    return int.from_bytes(field, "big") - base in {0, 1}


def _minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def transaction_hash(raw: bytes) -> bytes:
    """The 32-byte hash under which a chain knows a signed transaction."""
    return bytes(keccak(raw))
