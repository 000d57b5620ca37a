"""Put the validators and the funded accounts of a consortium into genesis.json.

    python fill_genesis.py genesis.json --validator 0x... --validator 0x... --fund 0x...

A validator's address is what `besu public-key export-address` prints at that site; an account to be
funded is the one that will deploy. Every site must end up with the same file, byte for byte: the
order in which addresses are given does not matter, and the file's SHA-256 is printed to compare.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

VANITY = bytes(32)
FUNDS = 10**24  # wei: a million coins, of which none is needed while gas costs nothing
MIN_VALIDATORS = 4  # with fewer the chain stands still when one is down


def extra_data(validators: list[bytes]) -> bytes:
    """QBFT's field of the genesis block: vanity, validators, no vote, round 0, no seals."""
    empty = _list()
    return _list(_text(VANITY), _list(*map(_text, validators)), empty, b"\x80", empty)


def filled(genesis: dict, validators: list[bytes], funded: list[bytes]) -> dict:
    """The genesis with these validators and accounts."""
    alloc = {"0x" + account.hex(): {"balance": hex(FUNDS)} for account in sorted(set(funded))}
    extra = "0x" + extra_data(sorted(set(validators))).hex()
    return {**genesis, "alloc": {**genesis["alloc"], **alloc}, "extraData": extra}


def address(text: str) -> bytes:
    """0x and 40 hex digits."""
    value = bytes.fromhex(text.removeprefix("0x"))
    if len(value) != 20:
        raise ValueError(text)
    return value


def _text(value: bytes) -> bytes:
    """RLP of 2 to 55 bytes."""
    return bytes([0x80 + len(value)]) + value


def _list(*parts: bytes) -> bytes:
    """RLP of a list of encoded parts."""
    body = b"".join(parts)
    if len(body) < 56:
        return bytes([0xC0 + len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([0xF7 + len(size)]) + size + body


def main() -> int:
    """Rewrite the file; say what it is now."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("genesis", type=Path)
    parser.add_argument("--validator", type=address, action="append", required=True)
    parser.add_argument("--fund", type=address, action="append", default=[])
    options = parser.parse_args()
    count = len(set(options.validator))
    genesis = filled(json.loads(options.genesis.read_text()), options.validator, options.fund)
    options.genesis.write_text(json.dumps(genesis, indent=2) + "\n")
    print(f"{count} validators, {(count - 1) // 3} of which may fail at a time")
    print(f"sha256 {hashlib.sha256(options.genesis.read_bytes()).hexdigest()}")
    if count < MIN_VALIDATORS:
        print(f"fewer than {MIN_VALIDATORS}: the chain stops when one is down", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
