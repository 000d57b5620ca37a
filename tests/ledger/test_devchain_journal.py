import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from ledger_site import AUX, GENESIS, OWNER, MiningClock, RunSite, new_chain, party

from swarmp2p.errors import ConfigError, StateError, StateLockedError
from swarmp2p.ledger import dev_journal
from swarmp2p.ledger.accounts import account_address, write_key_file
from swarmp2p.ledger.devchain import CHAIN_ID, DevChain, open_chain
from swarmp2p.ledger.rpc import RpcClient, RpcRefusedError

OTHER = b"\x22" * 20


def hashes(chain: DevChain) -> list[str]:
    with RpcClient(chain.url) as rpc:
        head = int(rpc.call("eth_blockNumber"), 16)
        blocks = [rpc.call("eth_getBlockByNumber", hex(n), False) for n in range(head + 1)]  # noqa: FBT003 - the API's shape
        return [block["hash"] for block in blocks]


def transfer(nonce: int) -> str:
    fields = {
        "type": 2,
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": "0x" + OTHER.hex(),
        "value": 5,
        "gas": 21_000,
        "maxFeePerGas": 2 * 10**9,
        "maxPriorityFeePerGas": 10**9,
    }
    return "0x" + bytes(Account.sign_transaction(fields, OWNER).raw_transaction).hex()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Blocks 1 to 4, a transfer in the second and two in the third."""
    path = tmp_path / "chain.journal"
    with new_chain(journal=path) as chain, RpcClient(chain.url) as rpc:
        chain.mine()
        rpc.call("eth_sendRawTransaction", transfer(0))
        chain.mine()
        for nonce in (1, 2):
            rpc.call("eth_sendRawTransaction", transfer(nonce))
        chain.mine(2)
    return path


async def test_run__goes_on_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "chain.journal"
    with new_chain(journal=path) as chain:
        site = RunSite(chain, [party(n) for n in (1, 2)])
        site.set_up()
        async with site.open(0) as ledger:
            await ledger.genesis(GENESIS)
            await ledger.commit(1, 0, b"\x41" * 32, 5, GENESIS)
            before = await ledger.final_view()
        chain.mine(3)
        written = hashes(chain)
    with new_chain(journal=path) as chain:
        assert hashes(chain) == written
        site.chain = chain
        clock = MiningClock(chain)
        async with (
            site.open(0, last_final=before.block, clock=clock) as first,
            site.open(1, clock=clock) as second,
        ):
            assert (await first.final_view()).round.commits == before.round.commits
            await second.commit(1, 0, b"\x42" * 32, 5, GENESIS)
            for ledger in (first, second):
                await ledger.attest(1, 0, b"\x33" * 32, AUX)
            assert (await first.final_view()).last_sealed_round == 1
        later = hashes(chain)
    assert later[: len(written)] == written
    with new_chain(journal=path) as chain:
        assert hashes(chain) == later


def test_pool__comes_back_too(journal: Path) -> None:
    with new_chain(journal=journal) as chain, RpcClient(chain.url) as rpc:
        rpc.call("eth_sendRawTransaction", transfer(3))
        rpc.call("eth_sendRawTransaction", transfer(5))  # waits for the fourth
        chain.mine()
    with new_chain(journal=journal) as chain, RpcClient(chain.url) as rpc:
        assert [pooled.transaction.nonce for pooled in chain._chain._pending.values()] == [5]
        rpc.call("eth_sendRawTransaction", transfer(4))
        chain.mine()
        assert int(rpc.call("eth_getBalance", "0x" + OTHER.hex(), "latest"), 16) == 6 * 5
    with new_chain(journal=journal) as chain, RpcClient(chain.url) as rpc:
        assert int(rpc.call("eth_getBalance", "0x" + OTHER.hex(), "latest"), 16) == 6 * 5
        assert not chain._chain._pending


def test_receipts__come_back_too(journal: Path) -> None:
    with new_chain(journal=journal) as chain, RpcClient(chain.url) as rpc:
        block = rpc.call("eth_getBlockByNumber", "0x3", False)  # noqa: FBT003 - the API's shape
        receipt = rpc.call("eth_getTransactionReceipt", block["transactions"][1])
        assert (receipt["blockNumber"], receipt["status"]) == ("0x3", "0x1")
        with pytest.raises(RpcRefusedError, match="already known"):
            rpc.call("eth_sendRawTransaction", transfer(1))
        assert int(rpc.call("eth_getBalance", "0x" + OTHER.hex(), "latest"), 16) == 15


@pytest.mark.parametrize("cut", [1, 30, 150])
def test_last_line__that_was_cut_off_is_dropped(journal: Path, cut: int) -> None:
    with new_chain(journal=journal) as chain:
        whole = hashes(chain)
        chain.mine()
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines)[: -min(cut, len(lines[-1]) - 1)])
    with new_chain(journal=journal) as chain:
        assert hashes(chain) == whole
        chain.mine()
        again = hashes(chain)
    with new_chain(journal=journal) as chain:
        assert hashes(chain) == again


def test_first_line__that_was_cut_off_is_a_new_chain(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:20])
    with new_chain(journal=journal) as chain:
        assert len(hashes(chain)) == 1
        chain.mine()
    with new_chain(journal=journal) as chain:
        assert len(hashes(chain)) == 2


def damage(line: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(line), **changes}).encode() + b"\n"


def test_damaged_block__is_refused_with_its_number(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    sent, block = json.loads(lines[2]), json.loads(lines[3])
    (raw,) = block["transactions"]
    assert sent == {"sent": raw}
    wrong = {
        "garbage": b"\x00" * 40 + b"\n",
        "a list": b"[]\n",
        "deep": b"[" * 90_000 + b"\n",
        "no hash": damage(lines[3], hash="zz"),
        "another hash": damage(lines[3], hash="00" * 32),
        "another time": damage(lines[3], time=block["time"] + 1),
        "an earlier time": damage(lines[3], time=5),
        "no transaction": damage(lines[3], transactions=[]),
        "half a transaction": damage(lines[3], transactions=[raw[:60]]),
        "twice the transaction": damage(lines[3], transactions=[raw, raw]),
    }
    for what, line in wrong.items():
        journal.write_bytes(b"".join([*lines[:3], line, *lines[4:]]))
        with pytest.raises(StateError, match=r"damaged in line 4.*--fresh"):
            new_chain(journal=journal)
        assert journal.read_bytes().count(b"\n") == len(lines), what
    for line in (damage(lines[2], sent=raw[:60]), damage(lines[2], sent=5)):
        journal.write_bytes(b"".join([*lines[:2], line, *lines[3:]]))
        with pytest.raises(StateError, match="damaged in line 3"):
            new_chain(journal=journal)
    journal.write_bytes(b"".join([*lines[:1], *lines[3:]]))
    with pytest.raises(StateError, match="damaged in line 2"):
        new_chain(journal=journal)
    journal.write_bytes(b"{}\n" + b"".join(lines[1:]))
    with pytest.raises(StateError, match="damaged in line 1"):
        new_chain(journal=journal)
    journal.write_bytes(damage(lines[0], journal=2) + b"".join(lines[1:]))
    with pytest.raises(StateError, match="format 2"):
        new_chain(journal=journal)


def test_journal__of_another_chain_or_in_use_is_refused(journal: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="of chain 20256 with other accounts"):
        new_chain(journal=journal, chain_id=5)
    with new_chain(journal=journal), pytest.raises(StateLockedError, match="another process"):
        new_chain(journal=journal)
    with pytest.raises(StateError, match="cannot open"):
        new_chain(journal=tmp_path / "none" / "chain.journal")


def test_journal__has_an_end(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev_journal, "MAX_LINES", 8)
    with new_chain(journal=journal) as chain:
        chain.mine()
        before = hashes(chain)
        for _ in range(2):
            with pytest.raises(StateError, match=r"is full \(8 lines\).*--fresh"):
                chain.mine()
        assert hashes(chain) == before
    monkeypatch.setattr(dev_journal, "MAX_LINES", 7)
    with pytest.raises(StateError, match="more than 7 lines"):
        new_chain(journal=journal)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk__stops_the_chain_before_anyone_sees_the_block(journal: Path) -> None:
    with new_chain(journal=journal) as chain:
        before = hashes(chain)
        with Path("/dev/full").open("wb") as full:
            os.dup2(full.fileno(), chain._journal._file.fileno())  # type: ignore[union-attr]
            for _ in range(2):
                with pytest.raises(StateError, match="No space left"):
                    chain.mine()
        assert hashes(chain) == before


@contextmanager
def process(folder: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", Any]]:
    """The chain as a process of its own, killed at the end if it has not ended."""
    command = [sys.executable, "-m", "swarmp2p.ledger.devchain", "--port", "0", "--dir"]
    command += [str(folder), "--owner-key-file", str(folder / "owner.key"), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            yield child, json.loads(child.stdout.readline() or "null")
        finally:
            child.kill()


def test_process__killed_and_started_again_has_the_same_blocks(tmp_path: Path) -> None:
    write_key_file(tmp_path / "owner.key", OWNER)
    with process(tmp_path, "--interval", "0.02") as (child, ready), RpcClient(ready["url"]) as rpc:
        rpc.call("eth_sendRawTransaction", transfer(0))
        while int(rpc.call("eth_blockNumber"), 16) < 20:
            pass
        seen = rpc.call("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - the API's shape
        child.send_signal(signal.SIGKILL)
        child.wait()
    with process(tmp_path, "--interval", "0") as (_, ready), RpcClient(ready["url"]) as rpc:
        head = int(rpc.call("eth_blockNumber"), 16)
        found = rpc.call("eth_getBlockByNumber", seen["number"], False)  # noqa: FBT003 - as above
        assert head >= int(seen["number"], 16)
        assert found["hash"] == seen["hash"]
        assert int(rpc.call("eth_getBalance", "0x" + OTHER.hex(), "latest"), 16) == 5
        assert int(rpc.call("evm_mine"), 16) == head + 1


def test_folder__remembers_which_program_made_its_chain(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = account_address(OWNER)
    program = tmp_path / "bin" / "anvil"
    program.parent.mkdir()
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    ours = open_chain(owner, anvil="never", folder=tmp_path)
    assert isinstance(ours, DevChain)
    ours.stop()
    again = open_chain(owner, anvil="auto", folder=tmp_path)
    assert isinstance(again, DevChain)  # though anvil is there
    again.stop()
    with pytest.raises(ConfigError, match=r"made by swarmp2p.*leave --anvil out.*--fresh"):
        open_chain(owner, anvil=str(program), folder=tmp_path)
    theirs = open_chain(owner, anvil="auto", folder=tmp_path, fresh=True)
    assert not isinstance(theirs, DevChain)
    assert not journal.exists()
    with pytest.raises(ConfigError, match=r"made by anvil.*give --anvil"):
        open_chain(owner, anvil="never", folder=tmp_path)
