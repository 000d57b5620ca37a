"""The vectors of `run.trace` on the real contract: equal refusals and views after every step."""

import json
from pathlib import Path
from typing import Any

import pytest
from contract_chain import Chain, Reverted, account
from contract_swarm import OWNER, Swarm, bits, settings

VECTORS = Path(__file__).resolve().parents[2] / "spec" / "vectors" / "run" / "trace.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
PHASES = ("COMMIT", "ATTEMPT", "SEALED", "VOID")
SETTINGS = {
    "init_root": "initRoot",
    "last_round": "lastRound",
    "min_peers": "minPeers",
    "commit_blocks": "commitBlocks",
    "exchange_blocks": "exchangeBlocks",
    "lo": "lo",
    "hi": "hi",
    "depth": "depth",
    "topology": "topology",
}
# what the vectors call the fields of the contract's two views
RUN = {
    "round": "round",
    "finished": "finished",
    "stopped": "stopped",
    "last_sealed_round": "lastSealedRound",
    "last_root": "lastRoot",
    "consecutive_voids": "consecutiveVoids",
    "active": "activeBits",
    "joined": "joinedBits",
    "stop_votes": "stopBits",
    "live": "liveBits",
    "excluded": "excludedBits",
    "barred": "barredBits",
    "commit_average": "commitAverage",
    "exchange_average": "exchangeAverage",
    "mesh_until": "meshUntil",
}
ROUND = {
    "phase": "phase",
    "attempt": "attempt",
    "optimistic": "optimistic",
    "opened": "openedBlock",
    "frozen": "frozenBlock",
    "commit_deadline": "commitDeadline",
    "closed": "closedBlock",
    "started": "startedBlock",
    "exchange_deadline": "exchangeDeadline",
    "last_post": "lastPost",
    "ended": "endedBlock",
    "enrolled": "enrolled",
    "min_peers": "minPeers",
    "committed": "commitBits",
    "roster": "roster",
    "attested": "attestBits",
    "had": "haveBits",
    "objected": "objectBits",
    "base": "base",
    "sealed_root": "sealedRoot",
}
SETS = {name for names in (RUN, ROUND) for name, theirs in names.items() if "Bits" in theirs}
SETS |= {"roster"}


def deploy(given: dict[str, Any]) -> Swarm:
    """A swarm of nobody at block 0, so that the vectors' block numbers are the chain's own."""
    terms = {SETTINGS[name]: value for name, value in given.items()}
    terms["initRoot"] = bytes.fromhex(given["init_root"])
    chain = Chain(block=0)
    registry = chain.deploy("SwarmRegistry", OWNER)
    run = chain.deploy("SwarmRun", OWNER, settings(registry.address, **terms))
    chain.transact(OWNER, registry, "attachRun", run.address)
    return Swarm(chain, registry, run, 0)


def take(swarm: Swarm, step: dict[str, Any]) -> None:
    """Raises Reverted where the contract refuses the step."""
    do, here = step["do"], (step.get("round"), step.get("attempt"))
    hashes = {name: bytes.fromhex(step[name]) for name in ("root", "aux", "base") if name in step}
    if do == "enrol":
        swarm.enrol()
    elif do == "revoke":
        swarm.revoke(step["by"])
    elif do != "look":
        sender = OWNER if step["by"] == "owner" else account(step["by"])
        arguments: tuple[object, ...] = {
            "genesis": lambda: (hashes["root"],),
            "join": lambda: (),
            "voteStop": lambda: (),
            "commit": lambda: (
                *here,
                bytes.fromhex(step["commitment"]),
                step["weight"],
                hashes["base"],
            ),
            "have": lambda: (*here, bits(*set(step["held"]))),
            "attest": lambda: (*here, hashes["root"], hashes["aux"]),
            "nextAttempt": lambda: here,
            "object": lambda: here,
            "voteFault": lambda: (
                step["index"],
                step["kind"],
                step["round"],
                bytes.fromhex(step["evidence"]),
            ),
        }[do]()
        swarm.chain.transact(sender, swarm.run, do, *arguments)


def shown(names: dict[str, str], view: dict[str, Any]) -> dict[str, Any]:
    """A view of the contract in the words of the vectors."""
    found: dict[str, Any] = {}
    for name, theirs in names.items():
        value = view[theirs]
        if name in SETS:
            value = [index for index in range(64) if value >> index & 1]
        found[name] = value.hex() if isinstance(value, bytes) else value
    if "phase" in found:
        found["phase"] = PHASES[found["phase"]]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"].partition("/")[2])
def test_trace__gives_the_vectors_refusals_and_views_on_the_real_contract(
    case: dict[str, Any],
) -> None:
    swarm = deploy(case["input"]["settings"])
    steps, log = case["input"]["steps"], case["output"]["log"]
    for number, (step, expected) in enumerate(zip(steps, log, strict=True)):
        swarm.chain.mine(step["block"] - swarm.chain.block)
        refused = False
        try:
            take(swarm, step)
        except Reverted:
            refused = True
        state, view = swarm.chain.call(swarm.run, "snapshot")
        got = {"refused": refused, "run": shown(RUN, state), "current": shown(ROUND, view)}
        assert got == expected, f"{case['id']}, step {number}: {step}"
