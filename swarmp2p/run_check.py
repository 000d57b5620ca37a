"""Compares a deployed run with its manifest and this version's contracts, point by point."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.governance import head, read_standing
from swarmp2p.ledger.rpc import RpcClient, hexed, quantity
from swarmp2p.ledger.verify import verify_code
from swarmp2p.ledger.views import view_call
from swarmp2p.manifest import RunManifest
from swarmp2p.site import run_settings


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing that was compared; `detail` says what with, and what was found if it differs."""

    name: str
    ok: bool
    detail: str


def check_run(rpc: RpcClient, run: bytes, manifest: RunManifest) -> list[Comparison]:
    """All comparisons, in the order in which they depend on each other.

    After code that is not ours nothing else is asked: its answers mean nothing. Raises
    LedgerUnavailableError where the endpoint does not answer.
    """
    block = head(rpc)
    code = _code(rpc, run, "SwarmRun")
    if not code.ok:
        return [code]
    (settings,) = view_call(rpc, run, contract_abi("SwarmRun"), "settings", (), block)
    found = [code, *_settings(settings, manifest)]
    registry = settings["registry"]
    code = _code(rpc, registry, "SwarmRegistry")
    found.append(code)
    if code.ok:
        standing = read_standing(rpc, registry, block)
        told = "is" if run in standing.runs else "is not"
        detail = f"the run {told} told of enrolments and revocations"
        found.append(Comparison("attached", run in standing.runs, detail))
    return found


def chain_id(rpc: RpcClient) -> int:
    """The chain that answered."""
    return quantity(rpc.call("eth_chainId"))


def _code(rpc: RpcClient, contract: bytes, name: str) -> Comparison:
    rpc.call("eth_chainId")  # an endpoint that is down is no difference
    try:
        verify_code(rpc, contract, name)
    except LedgerUnavailableError as error:
        return Comparison(f"code of {name}", ok=False, detail=str(error))
    size = len(contract_abi(name).deployed)
    detail = f"{hexed(contract)} holds the {size} bytes of the artifact, immutable values apart"
    return Comparison(f"code of {name}", ok=True, detail=detail)


def _settings(deployed: dict[str, object], manifest: RunManifest) -> Iterator[Comparison]:
    registry = deployed["registry"]
    assert isinstance(registry, bytes)  # noqa: S101 - the ABI's own type
    expected = run_settings(manifest, registry)
    for term in (field.name for field in fields(expected)):
        if term == "registry":
            continue  # the manifest names none: it comes with the run's address
        name = _camel(term)
        ours, theirs = _shown(getattr(expected, term)), _shown(deployed[name])
        detail = ours if ours == theirs else f"deployed {theirs}, run.toml says {ours}"
        label = "run id" if term == "manifest_hash" else name
        yield Comparison(label, ours == theirs, detail)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
