"""What transactions cost in gas, by roster size: an undisturbed round, the dearest of the rest."""

from contract_chain import account
from contract_swarm import ATTEMPT, COMMIT, GENESIS, OWNER, ZERO, Swarm, bits, digest, settings

SIZES = (4, 16, 64)
ANY = "any"  # the row of calls whose cost does not follow the roster's size


def measure(size: int) -> dict[str, int]:
    """Gas of round 2 of `size` peers: least and most of each call, the mean for each peer and
    round, with every peer committing and attesting as far as the seal; and what a missed deadline
    adds: a `have` and one `nextAttempt` for which everybody posted a `have`. `next_attempt_void`
    is the same after attempt 2; `attest_disputed` comes last of `size`, no two of which agree.
    """
    swarm = Swarm.deploy(size)
    swarm.seal_round(*range(size))
    base = swarm.round()["base"]
    commits = [
        swarm.send(peer, "commit", 2, 0, digest(f"commitment {peer}"), 10 + peer, base).gas
        for peer in range(size)
    ]
    assert swarm.round()["phase"] == ATTEMPT
    late, disputed, void = swarm.fork(), swarm.fork(), swarm.fork()
    haves = _all_have(late, *range(size - 1))
    late.expire()
    following = late.next_attempt().gas
    quorum = -(-2 * size // 3)
    attests = _attests(swarm, [ZERO] * quorum)
    per_commit, per_attest = sum(commits) // size, sum(attests) // quorum
    return {
        "commit_least": min(commits),
        "commit_most": max(commits),
        "attest_least": min(attests),
        "attest_most": max(attests),
        # one root with as many aux as there are peers: each comparison reads both
        "attest_disputed": _attests(disputed, [digest(f"{peer}") for peer in range(size)])[-1],
        "have_most": max(haves),
        "next_attempt": following,
        "next_attempt_void": _last_of_void(void),
        "peer_and_round": per_commit + per_attest,
        "peer_and_round_after_missed_deadline": per_commit + per_attest + sum(haves) // size,
    }


def _attests(swarm: Swarm, auxes: list[bytes]) -> list[int]:
    """A peer attests for each aux in round 2."""
    return [
        swarm.send(peer, "attest", 2, 0, digest("merged"), aux).gas
        for peer, aux in enumerate(auxes)
    ]


def _all_have(swarm: Swarm, *held: int, attempt: int = 0) -> list[int]:
    return [swarm.send(peer, "have", 2, attempt, bits(*held)).gas for peer in range(swarm.enrolled)]


def _last_of_void(swarm: Swarm) -> int:
    """Everybody posts a `have` in all attempts, and nobody attests."""
    for attempt in range(3):
        _all_have(swarm, *range(swarm.enrolled), attempt=attempt)
        swarm.expire()
        last = swarm.next_attempt()
    assert "Voided" in last.event_names
    return last.gas


def measure_others() -> dict[str, int]:
    """Gas of the calls of faults and of membership where each costs most."""
    swarm = Swarm.deploy(4, topology=1)
    rotate = swarm.fork()
    rotate.rotate(0, 1)
    rotated = rotate.chain.transact(
        account(0), rotate.registry, "rotate", digest("k"), 2, b"\xff" * 64
    )
    fault = swarm.fork()
    fault.commit(0, 1, 2)
    votes = [fault.vote_fault(3, peer).gas for peer in range(3)]
    assert fault.round()["phase"] == ATTEMPT  # the exclusion closed COMMIT
    for number in range(1, 10):
        swarm.commit(0, 1, 2, 3)
        if number == 9:
            swarm.object(1)
        swarm.attest(0, 1, 2)
    swarm.commit(0, 1, 2, 3)
    objection = swarm.object(0)  # looks through nine rounds, and makes a mesh
    assert objection.event_names == ["Objected", "AttemptOpened", "MeshUntil"]
    return {
        "object_most": objection.gas,
        "vote_fault_most": max(votes),
        "rotate": rotated.gas,
        **_membership(),
    }


def _membership() -> dict[str, int]:
    """Votes of members, and a revocation by vote that closes COMMIT of a run."""
    swarm = Swarm.deploy(4)
    swarm.chain.transact(OWNER, swarm.registry, "renounceOwnership")
    swarm.commit(0, 1, 2)
    assert swarm.round()["phase"] == COMMIT
    sent = [swarm.chain.transact(account(peer), swarm.registry, "revoke", 3) for peer in range(3)]
    assert sent[-1].event_names == ["Voted", "Revoked", "CommitClosed"]
    return {
        "vote_first": sent[0].gas,
        "revoke_by_vote": sent[-1].gas,
        "revoke_eight_runs": _revoke_with_eight_runs(),
    }


def _revoke_with_eight_runs() -> int:
    """Eight runs are told, and COMMIT of each closes."""
    swarm = Swarm.deploy(4)
    runs = [swarm.run]
    for _ in range(7):
        run = swarm.chain.deploy("SwarmRun", OWNER, settings(swarm.registry.address))
        swarm.chain.transact(OWNER, swarm.registry, "attachRun", run.address)
        swarm.chain.transact(OWNER, run, "genesis", GENESIS)
        runs.append(run)
    for run in runs:
        swarm.run = run
        swarm.commit(0, 1, 2)
    last = swarm.revoke(3)
    assert last.event_names == ["Revoked", *["CommitClosed"] * 8]
    return last.gas


def measure_all() -> dict[str, dict[str, int]]:
    """The table of contracts/gas.json, by roster size."""
    return {**{str(size): measure(size) for size in SIZES}, ANY: measure_others()}
