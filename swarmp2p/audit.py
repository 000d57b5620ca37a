"""Recomputes the sealed rounds of a finished demo from its folder alone: no node, no chain.

Trusted: ledger.jsonl (the chain's word). Checked against it: run.toml, every opened commitment,
every chunk's proof, every merge, and the signatures of the receipts.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmp2p.crypto import identity
from swarmp2p.crypto.keys import verify_signature
from swarmp2p.crypto.merkle import verify_chunk
from swarmp2p.errors import ConfigError, MergeError, RemoteProtocolError, StateError
from swarmp2p.ledger.interface import MemberKey, key_of_round
from swarmp2p.manifest import RunManifest, read_manifest
from swarmp2p.node.receipts import signed_bytes
from swarmp2p.node.vectors import Vectors
from swarmp2p.store.chunks import read_chunk


@dataclass(frozen=True)
class AuditedRound:
    """One sealed round. `ok` None: inputs are no longer available, so nothing is claimed."""

    round: int
    ok: bool | None
    checked: str
    sealed_root: str
    recomputed_root: str


class ChunkFolders:
    """Chunks from all nodes' stores; one that fails its proof is passed over."""

    def __init__(self, folders: list[Path], counts: frozenset[int]) -> None:
        """`counts`: how many chunks a blob of this run may have; updates and models differ."""
        self._folders = folders
        self._counts = counts

    def get_chunk(self, root: bytes, index: int) -> tuple[bytes, tuple[bytes, ...]] | None:
        """The first copy that belongs under the root."""
        for folder in self._folders:
            kept = read_chunk(folder / root.hex() / str(index), index)
            if kept is None:
                continue
            if any(_belongs(root, count, index, kept) for count in self._counts):
                return kept
        return None


def _belongs(root: bytes, count: int, index: int, kept: tuple[bytes, tuple[bytes, ...]]) -> bool:
    """Whether a chunk is that of a blob of so many."""
    try:
        verify_chunk(root, count, index, kept[0], kept[1])
    except RemoteProtocolError:
        return False
    return True


def audit_folder(out: Path) -> list[AuditedRound]:
    """Audit every sealed round under a demo's OUT. Raises ConfigError where it is none."""
    ledger = _read_ledger(out / "ledger.jsonl")
    nodes = sorted((out / "nodes").glob("*/run.toml"))
    if not nodes:
        raise ConfigError(f"{out / 'nodes'} holds no node's folder; expected a demo's output")
    manifest = read_manifest(nodes[0])
    terms = ledger["terms"][0]
    if manifest.run_id.hex() != terms["manifest_hash"]:
        raise ConfigError(f"{nodes[0]} is not the manifest that the run was deployed with")
    vectors = Vectors(manifest)
    folders = [node.parent / "state" / "chunks" for node in nodes]
    counts = frozenset({len(vectors.update_sizes), len(vectors.model_sizes)})
    auditor = _Auditor(out, manifest, ledger, ChunkFolders(folders, counts), vectors)
    return [auditor.audit(view) for view in ledger["round"] if view["phase"] == "SEALED"]


def _read_ledger(path: Path) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {"terms": [], "member": [], "round": [], "end": []}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows[row["type"]].append(row)
    except FileNotFoundError:
        raise ConfigError(f"no such file: {path}; expected a demo's output folder") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no exported ledger: {error}") from None
    if not rows["terms"] or not rows["end"]:
        raise ConfigError(f"{path} is cut short: its first or last line is missing")
    return rows


class _Auditor:
    """Audits one round after another."""

    def __init__(
        self,
        out: Path,
        manifest: RunManifest,
        ledger: Mapping[str, list[dict[str, Any]]],
        chunks: ChunkFolders,
        vectors: Vectors,
    ) -> None:
        terms = ledger["terms"][0]
        self._out = out
        self._manifest = manifest
        self._chunks = chunks
        self._vectors = vectors
        self._keys = {row["index"]: _keys(row) for row in ledger["member"]}
        self._domain = identity.domain(
            terms["chain_id"], bytes.fromhex(terms["contract"]), manifest.run_id
        )

    def _peers(self, view: Mapping[str, Any]) -> dict[int, bytes]:
        """Keys of the round by enrolment index (ID-025)."""
        frozen = view["frozen_block"]
        return {index: key_of_round(keys, frozen).peer for index, keys in self._keys.items()}

    def audit(self, view: Mapping[str, Any]) -> AuditedRound:
        """Open the commitments, check the receipts, merge again, compare."""
        sealed = view["sealed_root"]
        try:
            updates = self._signed_updates(view)
            if updates is None:
                return AuditedRound(view["round"], None, "no receipt opens it", sealed, "")
            self._open_commitments(view, updates)
            root = self._merge(view, updates)
        except StateError as error:
            return AuditedRound(view["round"], None, f"not available: {error}", sealed, "")
        except (MergeError, RemoteProtocolError, ConfigError) as error:
            return AuditedRound(
                view["round"], ok=False, checked=str(error), sealed_root=sealed, recomputed_root=""
            )
        checked = f"{len(updates)} commitments, chunks with proofs, merge, receipts' signatures"
        return AuditedRound(view["round"], root == sealed, checked, sealed, root)

    def _signed_updates(self, view: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the receipts say opens the commitments. Raises ConfigError where two differ."""
        found: dict[str, Any] | None = None
        for receipt in self._receipts(view["round"]):
            signer = bytes.fromhex(receipt["local"]["peer"])
            if all(signer != key.peer for keys in self._keys.values() for key in keys):
                raise ConfigError(f"a receipt is signed by {signer.hex()}, which is not enrolled")
            covered = signed_bytes(receipt["shared"], receipt["merge"])
            verify_signature(signer, covered, bytes.fromhex(receipt["signature"]))
            if receipt["merge"] is None:
                continue
            updates: dict[str, Any] = receipt["merge"]["updates"]
            if found is not None and found != updates:
                raise ConfigError("two receipts open the commitments differently")
            found = updates
        return found

    def _receipts(self, number: int) -> Iterator[dict[str, Any]]:
        for path in sorted((self._out / "receipts").glob(f"*-{number:04d}.json")):
            try:
                yield json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise ConfigError(f"{path} is no receipt: {error}") from None

    def _open_commitments(self, view: Mapping[str, Any], updates: Mapping[str, Any]) -> None:
        peers = self._peers(view)
        roster = {peers[index].hex() for index in view["roster"]}
        if set(updates) != roster:
            raise ConfigError("the receipts' updates are not those of the roster")
        for row in view["commits"]:
            peer = peers[row["index"]]
            if peer.hex() not in roster:
                continue
            opened = updates[peer.hex()]
            computed = identity.commitment(
                self._domain,
                view["round"],
                0,
                peer,
                bytes.fromhex(view["base"]),
                self._manifest.schema.schema_hash,
                bytes.fromhex(opened["root"]),
                bytes.fromhex(opened["salt"]),
            )
            if computed.hex() != row["commitment"]:
                raise ConfigError(f"the update of {peer.hex()} does not open its commitment")

    def _merge(self, view: Mapping[str, Any], updates: Mapping[str, Any]) -> str:
        peers = self._peers(view)
        weights = {peers[row["index"]]: row["weight"] for row in view["commits"]}
        order = sorted(bytes.fromhex(peer) for peer in updates)
        merged = self._vectors.merge(
            self._chunks,
            bytes.fromhex(view["base"]),
            [
                (f"peer {peer.hex()[:8]}", bytes.fromhex(updates[peer.hex()]["root"]))
                for peer in order
            ],
            [weights[peer] for peer in order],
        )
        return merged.blob.root.hex()


def _keys(row: Mapping[str, Any]) -> list[MemberKey]:
    """The keys of a member in ledger.jsonl."""
    return [
        MemberKey(
            bytes.fromhex(key["peer"]), key["key_epoch"], key["since"], bytes.fromhex(key["proof"])
        )
        for key in row["keys"]
    ]
