"""`swarmp2p ledger invite`, `enrol`, `revoke`, `attach`, `hand-over`, `retract`: who takes part.

Governed calls (invite, revoke, attach) come from the owner, or are votes of members once it has
handed over; what is printed says which.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarmp2p.cli.account import (
    account_options,
    open_sender,
    parse_peer,
    place_options,
    site_passphrase,
    take_place,
)
from swarmp2p.cli.output import emit, json_option, path_option
from swarmp2p.cli.passphrase import PassphraseSource, passphrase_options
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.ledger.governance import Outcome

MAX_SITE = 4096  # bytes of a site's public names; they have about 250
FUNDS = 10**18  # wei: one ether, for the gas of some thousand transactions


@click.command()
@place_options
@account_options
@click.option("--account", help="The site's account, 0x...")
@click.option("--peer", help="The site's peer key, 64 hex digits.")
@path_option(
    "--site", help="What the site sent: `init --json` or `keys show --json`, for both of them."
)
@click.option("--fund", is_flag=True, help="Also send one ether for gas (development chains).")
@json_option
def invite(
    *,
    account: str | None,
    peer: str | None,
    site: Path | None,
    fund: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """Invite a site: this account with this peer key may enrol.

    As the owner, at once. After the hand-over, as a member: a vote for exactly this invitation.
    """
    from swarmp2p.ledger.accounts import parse_account

    if site is not None:
        account, peer = _site_names(site)
    if account is None or peer is None:
        raise click.UsageError("give --account and --peer, or --site FILE")
    address, key = parse_account(account), parse_peer(peer, "--peer")
    paid = address if fund else b""
    outcome = _govern(where, "invite", "0x" + address.hex(), key, fund=paid)
    values = {"account": account, "peer": peer, **_votes(outcome)}
    emit(values, _outcome(outcome, f"invited {account} with peer {peer[:8]}"), as_json=as_json)


@click.command()
@path_option("--config", required=True, help="The site's node.toml.")
@passphrase_options("the keys")
@json_option
def enrol(
    *, config: Path, passphrase_fd: int | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Enrol this site in the run that its node.toml names; it must have been invited."""
    from swarmp2p.config import SwarmConfig
    from swarmp2p.launch import read_identity
    from swarmp2p.ledger.accounts import checksum
    from swarmp2p.ledger.refusals import explaining
    from swarmp2p.manifest import read_manifest
    from swarmp2p.senders import site_sender
    from swarmp2p.site import enrol_site

    settings = SwarmConfig.from_toml(config)
    manifest = read_manifest(settings.manifest)
    source = PassphraseSource("--passphrase", passphrase_fd, passphrase_file)
    words = site_passphrase(settings, source)
    key, url, run = read_identity(settings, words), settings.ledger_url, settings.contract()
    with site_sender(settings, words) as sender, explaining():
        index = enrol_site(url, run, key, sender, manifest)
        account = checksum(sender.account)
    values = {"name": settings.name, "account": account, "index": index}
    emit(values, [f"{settings.name} is enrolled as member {index}"], as_json=as_json)


@click.command()
@path_option("--config", required=True, help="The site's node.toml.")
@json_option
def release(*, config: Path, as_json: bool) -> None:
    """Let this site send again, after another process that used its account was stopped."""
    from swarmp2p.config import SwarmConfig
    from swarmp2p.launch import release_account
    from swarmp2p.ledger.accounts import checksum

    settings = SwarmConfig.from_toml(config)
    account = checksum(release_account(settings))
    emit({"account": account}, [f"{settings.name} may send for {account}"], as_json=as_json)


@click.command()
@place_options
@account_options
@click.option("--index", type=int, required=True, help="The member's index in `ledger status`.")
@json_option
def revoke(*, index: int, as_json: bool, **where: Any) -> None:
    """Revoke a member for good: as the owner, as the member itself, or by votes of members."""
    if not 0 <= index < 64:
        raise ConfigError(f"--index is {index}; expected 0 to 63, as `ledger status` shows it")
    outcome = _govern(where, "revoke", index)
    values = {"revoked": index if outcome.passed else None, "index": index, **_votes(outcome)}
    emit(values, _outcome(outcome, f"member {index} is revoked"), as_json=as_json)


@click.command()
@place_options
@account_options
@click.option("--detach", is_flag=True, help="Tell the run no longer; it must be told now.")
@json_option
def attach(*, detach: bool, as_json: bool, **where: Any) -> None:
    """Have the registry tell the run of enrolments and revocations (`deploy` does, as the owner).

    A registry tells at most eight runs: --detach those that are over.
    """
    run = take_place(where["config"], where["run"], where["url"]).run
    outcome = _govern(where, "detachRun" if detach else "attachRun", "0x" + run.hex())
    done = f"the run is {'no longer ' if detach else ''}told of enrolments and revocations"
    values = {"run": "0x" + run.hex(), "detach": detach, **_votes(outcome)}
    emit(values, _outcome(outcome, done), as_json=as_json)


@click.command("hand-over")
@place_options
@account_options
@click.option("--yes", is_flag=True, help="Do not ask: it cannot be taken back.")
@json_option
def hand_over(*, yes: bool, as_json: bool, **where: Any) -> None:
    """Hand the registry over to its members, for good: from then on a quorum of them decides."""
    from swarmp2p.ledger import governance
    from swarmp2p.ledger.look import read_terms

    place = take_place(where["config"], where["run"], where["url"])
    if not yes:
        _confirm("After this nobody but a quorum of members can invite or revoke. Go on?")
    registry = read_terms(place.url, place.run).registry
    with open_sender(where, place.url) as sender:
        standing = governance.hand_over(place.url, sender, registry)
    values = {
        "handed_over": standing.handed_over,
        "members": sorted(standing.live),
        "needed": standing.needed,
    }
    line = f"the members govern: {standing.needed} of {len(standing.live)} for each decision"
    emit(values, [line], as_json=as_json)


@click.command()
@place_options
@account_options
@click.option("--vote", required=True, help="What to take back: 0x and 64 digits, by `status`.")
@json_option
def retract(*, vote: str, as_json: bool, **where: Any) -> None:
    """Take back this member's vote on an invitation, a revocation or a run."""
    from swarmp2p.ledger import governance
    from swarmp2p.ledger.look import read_terms

    try:
        name = bytes.fromhex(vote.removeprefix("0x"))
    except ValueError:
        name = b""
    if len(name) != 32:
        raise ConfigError(f"--vote is {vote!r}; expected 0x and 64 hex digits, by `ledger status`")
    place = take_place(where["config"], where["run"], where["url"])
    registry = read_terms(place.url, place.run).registry
    with open_sender(where, place.url) as sender:
        governance.retract(place.url, sender, registry, name)
    emit({"retracted": "0x" + name.hex()}, ["the vote is taken back"], as_json=as_json)


def _site_names(file: Path) -> tuple[str, str]:
    """The account and the peer key in what `keys show --json` or `init --json` printed."""
    try:
        values = json.loads(file.read_bytes()[:MAX_SITE])
        account, peer = values["account"], values["peer"]
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        account = peer = None
    if not isinstance(account, str) or not isinstance(peer, str):
        raise ConfigError(
            f"{file} is not what `swarmp2p keys show --json` prints: expected 'account' and 'peer'"
        )
    return account, peer


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigError("this cannot be taken back, and no terminal is there to ask: give --yes")
    click.confirm(question, abort=True, err=True)


def _govern(
    where: dict[str, Any], function: str, *arguments: object, fund: bytes = b""
) -> "Outcome":
    from swarmp2p.ledger import deploy as actions
    from swarmp2p.ledger import governance
    from swarmp2p.ledger.look import read_terms

    place = take_place(where["config"], where["run"], where["url"])
    registry = read_terms(place.url, place.run).registry
    with open_sender(where, place.url) as sender:
        outcome = governance.govern(place.url, sender, registry, function, arguments)
        if fund and outcome.passed:
            actions.fund(place.url, sender, [fund], wei=FUNDS)
        return outcome


def _votes(outcome: "Outcome") -> dict[str, Any]:
    return {
        "passed": outcome.passed,
        "vote": None if outcome.passed else "0x" + outcome.vote.hex(),
        "voters": sorted(outcome.voters),
        "needed": 0 if outcome.passed else outcome.needed,
    }


def _outcome(outcome: "Outcome", done: str) -> list[str]:
    if outcome.passed:
        return [done]
    voters = ", ".join(str(index) for index in sorted(outcome.voters))
    return [
        f"a vote: {len(outcome.voters)} of {outcome.needed} needed stand (members {voters})",
        "others vote by the same command, with their own --config",
        f"to take it back: swarmp2p ledger retract --vote 0x{outcome.vote.hex()} ...",
    ]
