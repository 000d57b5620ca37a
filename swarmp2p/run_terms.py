"""Whether a run's terms fit together, and all of them in plain values; for `ledger deploy`."""

from dataclasses import fields
from typing import Any

from swarmp2p.errors import ConfigError
from swarmp2p.manifest import RunManifest
from swarmp2p.merge.rules import rule_named


def check_fit(manifest: RunManifest) -> None:
    """Refuse terms that are valid one by one and fail together. Raises ConfigError."""
    rule = rule_named(manifest.rule, manifest.rule_params)
    smallest = manifest.min_peers or 2
    if smallest < rule.min_peers:
        given = f"'min_peers' is {manifest.min_peers}"
        if not manifest.min_peers:
            given += ", which allows two when few are enrolled"
        raise ConfigError(
            f"run.toml [run]: {given}, and the merge rule {manifest.rule!r} takes at least"
            f" {rule.min_peers} updates ({rule.faults}): a round with fewer could not be merged;"
            f" expected {rule.min_peers} to 64, or another rule"
        )
    if manifest.depth >= manifest.hi:
        raise ConfigError(
            f"run.toml: 'depth' is {manifest.depth} and 'hi' is {manifest.hi}: windows would end"
            " before peers may act on what opened them; expected hi to be well above depth"
        )
    for name in ("commit_blocks", "exchange_blocks"):
        guess = getattr(manifest, name)
        if guess > manifest.hi:
            raise ConfigError(
                f"run.toml [windows]: {name!r} is {guess} and 'hi' is {manifest.hi}: no window"
                " would be as long as a round is said to take; expected hi to be above it, best"
                " three times as much"
            )


def every_term(manifest: RunManifest) -> dict[str, Any]:
    """The terms by their names in RunManifest, ready for JSON."""
    terms = {field.name: getattr(manifest, field.name) for field in fields(manifest)}
    schema = terms.pop("schema")
    terms["tensors"] = [
        {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape), "stat": spec.stat}
        for spec in schema.tensors
    ]
    return {**terms, "schema": schema.schema_hash.hex(), "init_root": manifest.init_root.hex()}
