"""Run manifests, commitments and gossip (06, 08)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from swarmp2p.crypto import identity
from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.protocol.gossip import GossipRules, GossipView
from swarmp2p.target.envelopes import verdict_of
from swarmp2p.target.notation import (
    Input,
    Operation,
    Output,
    data_of,
    notation_of,
    value_of,
)
from swarmp2p.wire import run_manifest as wire
from swarmp2p.wire.envelope import decode_envelope

_SAME = (
    "audit_rounds",
    "checks",
    "encoding",
    "finality",
    "init",
    "min_peers",
    "name",
    "privacy",
    "rounds",
    "sync_every",
    "topology",
    "weights",
)
_WINDOWS = ("commit", "depth", "exchange", "hi", "lo")


def decode_run_manifest(given: Input) -> Output:
    """Answer `run_manifest.decode`."""
    data = data_of(given["data"])
    manifest = wire.decode_run_manifest(data)
    return {
        **{name: getattr(manifest, name) for name in _SAME},
        "merge": {
            "integers": manifest.integers,
            "optimiser": {
                "name": manifest.optimiser,
                "params": notation_of(manifest.optimiser_params),
            },
            "params": notation_of(manifest.merge_params),
            "rule": manifest.merge_rule,
        },
        "options": notation_of(manifest.options),
        "schema": manifest.schema.hex(),
        "version": wire.VERSION,
        "windows": {name: getattr(manifest.windows, name) for name in _WINDOWS},
        "run_id": identity.run_id(data).hex(),
    }


def encode_run_manifest(given: Input) -> Output:
    """Answer `run_manifest.encode`."""
    if given["version"] != wire.VERSION:  # the package writes no other, so there is no field
        raise LocalProtocolError(f"a run manifest of version {given['version']}")
    fields: dict[str, Any] = {name: given[name] for name in _SAME}
    merge = given["merge"]
    manifest = wire.WireRunManifest(
        **fields,
        integers=merge["integers"],
        merge_params=value_of(merge["params"]),
        merge_rule=merge["rule"],
        optimiser=merge["optimiser"]["name"],
        optimiser_params=value_of(merge["optimiser"]["params"]),
        options=value_of(given["options"]),
        schema=data_of(given["schema"]),
        windows=wire.Windows(**{name: given["windows"][name] for name in _WINDOWS}),
    )
    data = wire.encode_run_manifest(manifest)
    return {"data": data.hex(), "run_id": identity.run_id(data).hex()}


def compute_commitment(given: Input) -> Output:
    """Answer `commitment.compute`."""
    commitment = identity.commitment(
        data_of(given["domain"]),
        int(given["round"]),
        given["attempt"],
        data_of(given["sender"]),
        data_of(given["base_digest"]),
        data_of(given["schema_hash"]),
        data_of(given["root"]),
        data_of(given["salt"]),
    )
    return {"commitment": commitment.hex()}


def judge_gossip(given: Input) -> Output:
    """Answer `gossip.judge`."""
    rules = GossipRules(data_of(given["domain"]), data_of(given["schema_hash"]), given["encoding"])
    view: GossipView | None = None
    verdicts = []
    for step in given["steps"]:
        if "view" in step:
            view = _view(step["view"])
        if view is None:
            raise ValueError("the first step has no view")
        data = data_of(step["data"])
        verdict = rules.judge(
            data,
            replace(view, enrolled=dict.fromkeys(view.enrolled, _epoch(data))),
            forwarder=data_of(step["forwarder"]),
            now=step["at"],
        )
        verdicts.append(verdict_of(verdict))
    return {"verdicts": verdicts}


def _epoch(data: bytes) -> int:
    """The vectors give no epochs, and ID-026 is not judged by them."""
    try:
        return decode_envelope(data).header.key_epoch
    except RemoteProtocolError:
        return 0


def _view(given: Input) -> GossipView:
    return GossipView(
        round=int(given["round"]),
        attempt=0,
        enrolled={data_of(key): 0 for key in given["enrolled"]},
        roster={
            data_of(key): (data_of(commitment), weight)
            for key, commitment, weight in given["roster"]
        },
        base_digest=data_of(given["base"]),
        commit_closed=given["closed"],
    )


OPERATIONS: Mapping[str, Operation] = {
    "run_manifest.decode": decode_run_manifest,
    "run_manifest.encode": encode_run_manifest,
    "commitment.compute": compute_commitment,
    "gossip.judge": judge_gossip,
}
