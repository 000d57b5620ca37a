"""What an undisturbed round costs in gas, by roster size."""

from contract_swarm import ATTEMPT, Swarm

SIZES = (4, 16)


def measure(size: int) -> dict[str, int]:
    """Gas of round 2 of `size` peers: least and most of each call, the mean for each peer and
    round, with every peer committing and attesting as far as the seal; and what a missed deadline
    adds: a `have` and one `nextAttempt` for which everybody posted a `have`.
    """
    swarm = Swarm.deploy(size)
    swarm.seal_round(*range(size))
    commits = [swarm.commit(peer).gas for peer in range(size)]
    assert swarm.round()["phase"] == ATTEMPT
    late = swarm.fork()
    haves = [late.have(peer, *range(size - 1)).gas for peer in range(size)]
    late.expire()
    following = late.next_attempt().gas
    quorum = -(-2 * size // 3)
    attests = [swarm.attest(peer).gas for peer in range(quorum)]
    per_commit, per_attest = sum(commits) // size, sum(attests) // quorum
    return {
        "commit_least": min(commits),
        "commit_most": max(commits),
        "attest_least": min(attests),
        "attest_most": max(attests),
        "have_most": max(haves),
        "next_attempt": following,
        "peer_and_round": per_commit + per_attest,
        "peer_and_round_after_missed_deadline": per_commit + per_attest + sum(haves) // size,
    }


def measure_all() -> dict[str, dict[str, int]]:
    """The table of contracts/gas.json, by roster size."""
    return {str(size): measure(size) for size in SIZES}
