"""run.trace of vectors/README.md: steps of a run, and what the views say after each."""

from contracts import Contract, Refused


def perform(contract, step):
    """One transaction of the step, or none."""
    block = step["block"]
    given = {name: value for name, value in step.items() if name not in ("block", "do")}
    if "round" in given:
        given["round_number"] = given.pop("round")
    calls = {
        "enrol": contract.enrol,
        "revoke": contract.revoke,
        "genesis": contract.genesis,
        "join": contract.join,
        "voteStop": contract.vote_stop,
        "commit": contract.commit,
        "have": contract.have,
        "attest": contract.attest,
        "nextAttempt": contract.next_attempt,
        "object": contract.object,
        "voteFault": contract.vote_fault,
        "look": lambda block: None,
    }
    calls[step["do"]](block, **given)


def view_of_run(contract):
    return {
        "round": contract.round,
        "finished": contract.finished,
        "stopped": contract.stopped,
        "last_sealed_round": contract.last_sealed_round,
        "last_root": contract.last_root,
        "consecutive_voids": contract.voids,
        "active": sorted(contract.active()),
        "joined": sorted(contract.joined),
        "stop_votes": sorted(contract.stop_votes),
        "live": sorted(contract.live),
        "excluded": sorted(contract.faults.excluded),
        "barred": sorted(contract.faults.barred),
        "commit_average": contract.commit_average,
        "exchange_average": contract.exchange_average,
        "mesh_until": contract.objections.mesh_until,
    }


def view_of_round(contract):
    now = contract.current
    view = {
        name: getattr(now, name)
        for name in (
            "phase",
            "attempt",
            "optimistic",
            "opened",
            "frozen",
            "commit_deadline",
            "closed",
            "started",
            "exchange_deadline",
            "last_post",
            "ended",
            "base",
            "sealed_root",
        )
    }
    for name in ("committed", "roster", "attested", "had"):
        view[name] = sorted(getattr(now, name))
    view["objected"] = sorted(contract.objections.objected(contract.round))
    return view | {"enrolled": contract.enrolled(), "min_peers": contract.min_peers()}


def trace_operation(given):
    contract = Contract(given["settings"])
    log = []
    for step in given["steps"]:
        contract.close_if_due(step["block"])
        refused = False
        try:
            perform(contract, step)
        except Refused:
            refused = True
        log.append(
            {"refused": refused, "run": view_of_run(contract), "current": view_of_round(contract)}
        )
    return {"log": log}


OPERATIONS = {"run.trace": trace_operation}
