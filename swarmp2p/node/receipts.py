"""Receipts: what a round came to, who was in it, and who was missing.

The shared part is equal on all nodes that saw the round end; the local note is this node's own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.interface import ChainView, Phase, RoundView
from swarmp2p.node.context import Context
from swarmp2p.node.steps import MergedHere
from swarmp2p.wire.registry import TAG_RECEIPT


@dataclass(frozen=True)
class Receipt:
    """One round's outcome.

    `sealed` False means void: the base stays. `complete` means that the contributors are all
    enrolled, unrevoked peers; `missing` names the others. `merge` opens the commitments and gives
    the weights used, None where this node did not compute the merge itself. `local` holds this
    node's timings.
    """

    run_id: str
    round: int
    attempt: int
    sealed: bool
    complete: bool
    contributors: tuple[str, ...]
    missing: tuple[str, ...]
    merged_root: str
    shared: Mapping[str, Any]
    merge: Mapping[str, Any] | None
    signature: str
    local: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {
            "run_id": self.run_id,
            "round": self.round,
            "attempt": self.attempt,
            "outcome": "sealed" if self.sealed else "void",
            "verdict": "complete" if self.complete else "partial",
            "contributors": list(self.contributors),
            "missing": list(self.missing),
            "merged_root": self.merged_root,
            "shared": dict(self.shared),
            "merge": self.merge,
            "signature": self.signature,
            "local": dict(self.local),
        }


def signed_bytes(shared: Mapping[str, Any], merge: Mapping[str, Any] | None) -> bytes:
    """What the signature of a receipt covers: the tag, then JSON with sorted keys, no spaces."""
    parts = {"merge": merge, "shared": shared}
    return TAG_RECEIPT + json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()


def make_receipt(
    context: Context,
    view: ChainView,
    ended: RoundView,
    merged: MergedHere | None,
    local: Mapping[str, Any],
) -> Receipt:
    """The receipt of a round that has ended, signed by this node.

    `view` is a final view at or after the round's end; `merged` is None where this node did not
    compute the merge. Raises LedgerUnavailableError where the two contradict each other.
    """
    # ID-025: the keys in a receipt are those of its round.
    peer_of = {m.index: m.key_at(ended.frozen_block).peer for m in view.members}
    if not ended.commits.keys() <= peer_of.keys():
        raise LedgerUnavailableError(
            f"the chain has commits to round {ended.round} of members that its registry lacks"
        )
    sealed = ended.phase is Phase.SEALED
    inside = sorted(peer_of[i] for i in ended.roster) if sealed else []
    expected = {peer_of[member.index] for member in _expected(view, ended)}
    missing = sorted(expected - set(inside))
    shared: dict[str, Any] = {
        "run_id": context.manifest.run_id.hex(),
        "round": ended.round,
        "attempt": ended.attempt,
        "outcome": "sealed" if sealed else "void",
        "base": ended.base.hex(),
        "merged_root": ended.sealed_root.hex() if sealed else "",
        "contributors": [peer.hex() for peer in inside],
        "missing": [peer.hex() for peer in missing],
        "commitments": {
            peer_of[i].hex(): {"commitment": c.commitment.hex(), "weight": c.weight}
            for i, c in sorted(ended.commits.items())
        },
        "attestations": sorted(
            peer_of[i].hex()
            for i, a in ended.attests.items()
            if a.root == ended.sealed_root and a.aux == ended.sealed_aux and sealed
        ),
    }
    merge = None if merged is None else _merge_part(context, merged)
    return Receipt(
        run_id=shared["run_id"],
        round=ended.round,
        attempt=ended.attempt,
        sealed=sealed,
        complete=sealed and not missing,
        contributors=tuple(context.name(peer) for peer in inside),
        missing=tuple(context.name(peer) for peer in missing),
        merged_root=shared["merged_root"],
        shared=shared,
        merge=merge,
        signature=context.key.sign(signed_bytes(shared, merge)).hex(),
        local={
            "node": context.name(context.me),
            "peer": context.me.hex(),
            **local,
        },
    )


def _merge_part(context: Context, merged: MergedHere) -> dict[str, Any]:
    manifest = context.manifest
    return {
        "rule": manifest.rule,
        "updates": {
            peer.hex(): {
                "root": update.root.hex(),
                "salt": update.salt.hex(),
                "weight_used": update.weight_used,
            }
            for peer, update in merged.updates.items()
        },
        "outliers": [peer.hex() for peer in merged.outliers],
    }


def _expected(view: ChainView, ended: RoundView) -> list[Any]:
    """All peers enrolled and not revoked when the round ended, as a later view tells.

    Excluded ones are among them: no view says in which block that was, and receipts must agree.
    """
    end = ended.ended_block
    return [
        member
        for member in view.members
        if member.enrolled_block <= end
        and (member.revoked_block == 0 or member.revoked_block > end)
    ]
