"""`swarmp2p ledger status` and `verify`: a run as the chain has it, and whether it is ours."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarmp2p.cli.account import (
    finality_option,
    place_options,
    read_config,
    take_finality,
    take_place,
)
from swarmp2p.cli.output import emit, json_option, path_option

if TYPE_CHECKING:
    from swarmp2p.ledger.interface import ChainView, Member
    from swarmp2p.ledger.survey import Survey

UNITS = 256  # the contract's averages count in 1/256 block


@click.command("status")
@place_options
@finality_option
@json_option
def ledger_status(
    *,
    config: Path | None,
    run: str | None,
    url: str | None,
    finality: str | None,
    as_json: bool,
) -> None:
    """The run at its last final block: members, round, votes, and whom it waits for."""
    from swarmp2p.ledger.rpc import RpcClient
    from swarmp2p.ledger.survey import read_survey
    from swarmp2p.ledger.views import RunReader

    place = take_place(config, run, url)
    with RpcClient(place.url) as rpc:
        reader = RunReader(rpc, place.run, take_finality(config, finality))
        survey = read_survey(rpc, reader)
    values = _status(survey)
    emit(values, _status_lines(survey, values), as_json=as_json)


@click.command()
@place_options
@path_option("--manifest", help="run.toml; default: the one that --config names.")
@json_option
def verify(
    *, config: Path | None, run: str | None, url: str | None, manifest: Path | None, as_json: bool
) -> int:
    """Compare the deployed contracts and the run's settings with this version and run.toml.

    Says each thing that was compared. Exit status 1 where one differs.
    """
    from swarmp2p.ledger.rpc import RpcClient
    from swarmp2p.manifest import read_manifest
    from swarmp2p.run_check import chain_id, check_run

    place, settings = take_place(config, run, url), read_config(config)
    file = manifest or (settings.manifest if settings else None)
    if file is None:
        raise click.UsageError("give --manifest run.toml, or --config")
    terms = read_manifest(file)
    with RpcClient(place.url) as rpc:
        chain, found = chain_id(rpc), check_run(rpc, place.run, terms)
    good = all(one.ok for one in found)
    rows = [{"name": one.name, "ok": one.ok, "detail": one.detail} for one in found]
    values = {"ok": good, "chain_id": chain, "run": "0x" + place.run.hex(), "compared": rows}
    lines = [f"{'same' if one.ok else 'DIFFERS'}  {one.name}: {one.detail}" for one in found]
    emit(values, [f"chain {chain}, run 0x{place.run.hex()}", *lines], as_json=as_json)
    return 0 if good else 1


def _status(survey: "Survey") -> dict[str, Any]:
    from swarmp2p.ledger.changes import waits_for

    view, terms, here = survey.look.view, survey.terms, survey.look.view.round
    wait = waits_for(view)
    return {
        "run": "0x" + terms.contract.hex(),
        "registry": "0x" + terms.registry.hex(),
        "run_id": terms.manifest_hash.hex(),
        "chain_id": terms.chain_id,
        "block": view.block.number,
        "genesis": any(view.genesis_root),
        "round": here.round,
        "last_round": terms.last_round,
        "phase": here.phase.name.lower(),
        "attempt": here.attempt,
        "finished": view.finished,
        "stopped": view.stopped,
        "stop_votes": sorted(survey.look.stop_votes),
        "last_sealed_round": view.last_sealed_round,
        "last_root": view.last_root.hex(),
        "consecutive_voids": view.consecutive_voids,
        "commit_average": view.commit_average / UNITS,  # blocks, as the next line
        "exchange_average": view.exchange_average / UNITS,
        "windows": _windows(survey),
        "waits_for": None if wait is None else _wait(wait.step, list(wait.members), wait),
        "committed": sorted(here.commits),
        "roster": sorted(here.roster),
        "attested": sorted(here.attests),
        "objected": sorted(here.objected),
        "excluded": sorted(view.excluded),
        "barred": sorted(view.barred),
        "mesh_until": view.mesh_until,
        "fault_votes": _faults(survey),
        "owner": None if survey.standing.handed_over else "0x" + survey.standing.owner.hex(),
        "votes_needed": survey.standing.needed if survey.standing.handed_over else None,
        "open_votes": _open_votes(survey),
        "members": [_member(member) for member in view.members],
    }


def _windows(survey: "Survey") -> dict[str, int]:
    """Blocks; deadlines are 0 where none runs."""
    here = survey.look.view.round
    return {
        "lo": survey.terms.lo,
        "hi": survey.terms.hi,
        "depth": survey.terms.depth,
        "commit_deadline": here.commit_deadline,
        "exchange_deadline": here.exchange_deadline,
        "last_post": here.last_post,
    }


def _wait(step: str, members: list[int], wait: Any) -> dict[str, Any]:
    return {
        "step": step,
        "members": members,
        "needed": wait.needed,
        "until": wait.until,
        "blocks_left": wait.left if wait.until else None,
    }


def _faults(survey: "Survey") -> list[dict[str, Any]]:
    return [
        {
            "accused": votes.accused,
            "kind": votes.kind,
            "round": votes.round,
            "voters": sorted(votes.voters),
            "passed": votes.passed,
            "evidence": [proof.hex() for proof in votes.evidence],
        }
        for votes in survey.look.faults
    ]


def _open_votes(survey: "Survey") -> list[dict[str, Any]]:
    from swarmp2p.ledger.survey import call_text

    return [
        {"vote": "0x" + one.vote.hex(), "call": call_text(one.data), "voters": sorted(one.voters)}
        for one in survey.votes
    ]


def _member(member: "Member") -> dict[str, Any]:
    return {
        "index": member.index,
        "peer": member.peer.hex(),
        "account": "0x" + member.account.hex(),
        "live": member.live,
        "excluded": member.excluded,
        "enrolled_block": member.enrolled_block,
        "revoked_block": member.revoked_block,
        "keys": [
            {"peer": key.peer.hex(), "epoch": key.epoch, "since": key.since} for key in member.keys
        ],
        "addresses": list(member.addresses),
    }


_HIDDEN = {"members", "windows", "waits_for", "fault_votes", "open_votes"}


def _status_lines(survey: "Survey", values: dict[str, Any]) -> list[str]:
    from swarmp2p.cli.ledger_watch import wait_text
    from swarmp2p.ledger.changes import waits_for

    view = survey.look.view
    shown = {key: value for key, value in values.items() if key not in _HIDDEN}
    lines = [f"{key:18}{_plain(value)}" for key, value in shown.items()]
    lines.append(f"{'windows':18}" + ", ".join(f"{k} {v}" for k, v in values["windows"].items()))
    lines.append(f"{'waits for':18}{wait_text(waits_for(view), view, {})}")
    return [*lines, *_vote_lines(values), *_member_lines(view)]


def _vote_lines(values: dict[str, Any]) -> list[str]:
    faults = [
        f"fault vote  member {votes['accused']}, kind {votes['kind']}, round {votes['round']}:"
        f" {_plain(votes['voters'])}, {'passed' if votes['passed'] else 'open'}"
        for votes in values["fault_votes"]
    ]
    calls = [
        f"open vote   {vote['call']}: {_plain(vote['voters'])} of {values['votes_needed']} needed;"
        f" {vote['vote']}"
        for vote in values["open_votes"]
    ]
    return faults + calls


def _member_lines(view: "ChainView") -> list[str]:
    lines = []
    for member in view.members:
        state = "live" if member.live else "excluded" if member.excluded else "revoked"
        where = ", ".join(member.addresses) or "no address yet"
        epoch = f"epoch {member.key_epoch}"
        lines.append(
            f"member {member.index:2}  {member.peer.hex()[:16]}  {epoch}  {state}  {where}"
        )
    return lines


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "nobody"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
