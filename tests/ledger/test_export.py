import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from ledger_site import AUX, GENESIS, MANIFEST, SiteMaker

from swarmp2p.errors import ConfigError, LedgerUnavailableError
from swarmp2p.ledger.devchain import DevChain
from swarmp2p.ledger.export import export_ledger

ROOT = b"\x33" * 32


async def test_export__holds_the_run_for_an_audit_without_the_chain(
    make_site: SiteMaker, tmp_path: Path
) -> None:
    site = make_site(3)
    path = tmp_path / "ledger.jsonl"
    path.write_text("old")
    async with AsyncExitStack() as stack:
        ledgers = await site.open_all(stack)
        await ledgers[0].genesis(GENESIS)
        for number, ledger in enumerate(ledgers):
            await ledger.commit(1, 0, bytes([number + 1]) * 32, number + 1, GENESIS)
        await ledgers[2].have(1, 0, 0b101)
        for ledger in ledgers[:2]:
            await ledger.attest(1, 0, ROOT, AUX)
    await trio.to_thread.run_sync(export_ledger, site.url, site.run, path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["type"] for line in lines] == ["terms", *["member"] * 3, "round", "round", "end"]
    assert lines[0]["manifest_hash"] == MANIFEST.hex()
    assert lines[2]["peer"] == site.parties[1].identity.public.hex()
    assert all(line["proofs_verify"] for line in lines[1:4])
    first = lines[4]
    assert (first["phase"], first["sealed_root"], first["base"]) == (
        "SEALED",
        ROOT.hex(),
        GENESIS.hex(),
    )
    assert first["commits"][1] == {"index": 1, "commitment": "02" * 32, "weight": 2}
    assert [attest["index"] for attest in first["attests"]] == [0, 1]
    assert first["haves"] == [{"index": 2, "held": [0, 2]}]
    assert lines[-1]["last_root"] == ROOT.hex()
    assert [lines[0][name] for name in ("commit_blocks", "exchange_blocks", "lo", "hi")] == [
        *(4, 4, 2, 40)
    ]
    assert 0 < lines[-1]["exchange_average"] < 4 * 256
    with pytest.raises(ConfigError, match="cannot be written"):
        export_ledger(site.url, site.run, tmp_path / "none" / "ledger.jsonl")


def test_export__leaves_the_old_file_alone_when_the_chain_fails(
    chain: DevChain, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text("old")
    with pytest.raises(LedgerUnavailableError, match="no contract"):
        export_ledger(chain.url, bytes(20), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
