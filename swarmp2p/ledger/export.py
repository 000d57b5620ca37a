"""Writes what the chain says about a run to a file that can be audited without the chain."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swarmp2p.errors import ConfigError
from swarmp2p.ledger.interface import ChainView, Member, RoundView, RunTerms
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.ledger.views import RunReader

FORMAT = 2


def export_ledger(url: str, run: bytes, path: Path) -> None:
    """Write ledger.jsonl: one JSON object a line, all as of the last final block.

    `terms` first, then each `member` with its keys and their proofs, then each `round` from 1 with
    every commitment, weight, attestation, have and objection; `end` last, so that a cut file is
    seen. Bytes are lower-case hexadecimal, members are named by enrolment index. The file is
    replaced as a whole.

    Raises LedgerUnavailableError, ConfigError where the file cannot be written.
    """
    with RpcClient(url) as rpc:
        lines = "".join(json.dumps(line) + "\n" for line in ledger_lines(rpc, run))
    try:
        _replace(path, lines.encode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error


def ledger_lines(rpc: RpcClient, run: bytes) -> Iterator[dict[str, Any]]:
    """The objects of ledger.jsonl in order."""
    reader = RunReader(rpc, run)
    block = reader.block(reader.final_number())
    view = reader.chain_view(block)
    yield _terms(reader.terms)
    for member in view.members:
        yield _member(member, proofs_verify=member.index not in reader.bad_proofs)
    for number in range(1, view.round.round):
        yield _round(reader.round_view(number, block.number))
    yield _round(view.round)
    yield _end(view)


def _terms(terms: RunTerms) -> dict[str, Any]:
    return {
        "type": "terms",
        "format": FORMAT,
        "chain_id": terms.chain_id,
        "contract": terms.contract.hex(),
        "registry": terms.registry.hex(),
        "manifest_hash": terms.manifest_hash.hex(),
        "init_root": terms.init_root.hex(),
        "last_round": terms.last_round,
        "min_peers": terms.min_peers,
        "commit_blocks": terms.commit_blocks,
        "exchange_blocks": terms.exchange_blocks,
        "lo": terms.lo,
        "hi": terms.hi,
        "depth": terms.depth,
        "topology": terms.topology,
    }


def _member(member: Member, *, proofs_verify: bool) -> dict[str, Any]:
    return {
        "type": "member",
        "index": member.index,
        "account": member.account.hex(),
        "peer": member.peer.hex(),
        "enrolled_block": member.enrolled_block,
        "revoked_block": member.revoked_block,
        "excluded": member.excluded,
        "keys": [
            {
                "peer": key.peer.hex(),
                "key_epoch": key.epoch,
                "since": key.since,
                "proof": key.proof.hex(),
            }
            for key in member.keys
        ],
        "proofs_verify": proofs_verify,
        "addresses": list(member.addresses),
    }


def _round(view: RoundView) -> dict[str, Any]:
    return {
        "type": "round",
        "round": view.round,
        "phase": view.phase.name,
        "attempt": view.attempt,
        "optimistic": view.optimistic,
        "opened_block": view.opened_block,
        "frozen_block": view.frozen_block,
        "commit_deadline": view.commit_deadline,
        "closed_block": view.closed_block,
        "started_block": view.started_block,
        "exchange_deadline": view.exchange_deadline,
        "last_post": view.last_post,
        "ended_block": view.ended_block,
        "enrolled": view.enrolled,
        "min_peers": view.min_peers,
        "base": view.base.hex(),
        "sealed_root": view.sealed_root.hex(),
        "sealed_aux": view.sealed_aux.hex(),
        "roster": sorted(view.roster),
        "commits": [
            {"index": index, "commitment": commit.commitment.hex(), "weight": commit.weight}
            for index, commit in sorted(view.commits.items())
        ],
        "attests": [
            {"index": index, "root": attest.root.hex(), "aux": attest.aux.hex()}
            for index, attest in sorted(view.attests.items())
        ],
        "haves": [
            {"index": index, "held": [place for place in range(64) if bits >> place & 1]}
            for index, bits in sorted(view.haves.items())
        ],
        "objected": sorted(view.objected),
    }


def _end(view: ChainView) -> dict[str, Any]:
    return {
        "type": "end",
        "block": view.block.number,
        "block_hash": view.block.hash.hex(),
        "genesis_root": view.genesis_root.hex(),
        "last_sealed_round": view.last_sealed_round,
        "last_root": view.last_root.hex(),
        "consecutive_voids": view.consecutive_voids,
        "commit_average": view.commit_average,
        "exchange_average": view.exchange_average,
        "finished": view.finished,
        "stopped": view.stopped,
        "excluded": sorted(view.excluded),
        "barred": sorted(view.barred),
        "mesh_until": view.mesh_until,
    }


def _replace(path: Path, data: bytes) -> None:
    """Write, fsync, rename, fsync the directory."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
