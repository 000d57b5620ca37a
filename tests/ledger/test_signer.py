"""External signers: what they send back is used only when it is what was asked for."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from eth_account import Account
from ledger_site import GENESIS, SiteMaker
from signer_process import CHANGES, GARBAGE

from swarmp2p.errors import SignerError
from swarmp2p.ledger.outbox import MemoryTransactions
from swarmp2p.ledger.signer import (
    LocalSigner,
    RemoteSigner,
    UnsignedTransaction,
    transaction_hash,
    verify_signed,
)

KEY = bytes(31) + b"\x09"
WANTED = UnsignedTransaction(
    chain_id=20256,
    nonce=7,
    to=b"\x22" * 20,
    data=b"\x01\x02",
    gas=100_000,
    value=0,
    price=3_000_000_000,
    tip=1_000_000_000,
)
LEGACY = replace(WANTED, tip=None)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where the signer process answers."""
    script = str(Path(__file__).parent / "signer_process.py")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def url_of(port: int, fault: str = "none", key: bytes = KEY) -> str:
    return f"http://user:hushhush@127.0.0.1:{port}/{quote(fault)}/0x{key.hex()}"


def remote(url: str, timeout: float = 10.0) -> RemoteSigner:
    return RemoteSigner(url, LocalSigner(KEY).account, timeout=timeout)


def refused(url: str, timeout: float = 10.0) -> str:
    signer = remote(url, timeout)
    with pytest.raises(SignerError) as caught:
        signer.sign(WANTED)
    signer.close()
    assert KEY.hex() not in repr(caught.value)
    assert "hushhush" not in repr(caught.value)
    return str(caught.value)


@pytest.mark.live
@pytest.mark.parametrize("fault", ["none", "clef"])
@pytest.mark.parametrize("wanted", [WANTED, LEGACY], ids=["fee-market", "legacy"])
def test_remote_signer__makes_what_a_local_key_makes(
    port: int, fault: str, wanted: UnsignedTransaction
) -> None:
    signer = remote(url_of(port, fault))
    raw = signer.sign(wanted)
    signer.close()
    assert raw == LocalSigner(KEY).sign(wanted)
    assert transaction_hash(raw) == bytes(Account.sign_transaction(fields(wanted), KEY).hash)


def fields(wanted: UnsignedTransaction) -> dict[str, object]:
    made: dict[str, object] = {
        "chainId": wanted.chain_id,
        "nonce": wanted.nonce,
        "to": wanted.to,
        "data": wanted.data,
        "gas": wanted.gas,
        "value": wanted.value,
    }
    if wanted.tip is None:
        return made | {"gasPrice": wanted.price}
    return made | {"maxFeePerGas": wanted.price, "maxPriorityFeePerGas": wanted.tip}


@pytest.mark.live
@pytest.mark.parametrize("field", CHANGES)
def test_remote_signer__is_refused_for_any_field_it_changes(port: int, field: str) -> None:
    assert f"signed another {field} than was asked" in refused(url_of(port, field))


@pytest.mark.live
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("access list", "kind asked for"),
        ("other key", "signed with another key"),
        ("refuses", "request denied"),
        ("html", "no JSON-RPC reply"),
        ("hang", "no answer within 0.3 s"),
        *((garbage, "signer at http://127.0.0.1:") for garbage in GARBAGE),
    ],
)
def test_remote_signer__faults_are_told(port: int, fault: str, says: str) -> None:
    assert says in refused(url_of(port, fault), timeout=0.3 if fault == "hang" else 10.0)


@pytest.mark.parametrize("wanted", [WANTED, LEGACY], ids=["fee-market", "legacy"])
def test_signed_transaction__every_flipped_byte_is_refused(wanted: UnsignedTransaction) -> None:
    signer = LocalSigner(KEY)
    raw = signer.sign(wanted)
    verify_signed(raw, wanted, signer.account, "s")
    for place in range(len(raw)):
        flipped = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(SignerError):
            verify_signed(flipped, wanted, signer.account, "s")
    for cut in range(len(raw)):
        with pytest.raises(SignerError):
            verify_signed(raw[:cut], wanted, signer.account, "s")


@pytest.mark.live
async def test_ledger__sends_through_an_external_signer_and_nothing_that_it_forged(
    make_site: SiteMaker, port: int
) -> None:
    site, kept = make_site(2), MemoryTransactions()
    account = site.parties[0].account
    key = site.parties[0].account_key
    honest = RemoteSigner(url_of(port, "none", key), account)
    async with site.open(None, account=honest) as ledger:
        await ledger.recover(kept)
        await ledger.genesis(GENESIS)
        assert (await ledger.final_view()).genesis_root == GENESIS
    before = kept.rows(site.chain.chain_id, account)
    forger = RemoteSigner(url_of(port, "data", key), account)
    async with site.open(None, account=forger) as ledger:
        await ledger.recover(kept)
        with pytest.raises(SignerError, match="signed another data"):
            await ledger.join()
    after = kept.rows(site.chain.chain_id, account)
    assert [row.hash for row in after] == [row.hash for row in before]
    honest.close()
    forger.close()
