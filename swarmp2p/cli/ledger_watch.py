"""`swarmp2p ledger watch`: a run as it goes, one line for each change."""

import json
from collections.abc import Mapping
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
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.ledger.changes import Change, Wait
    from swarmp2p.ledger.interface import ChainView

Names = Mapping[bytes, str]


@click.command()
@place_options
@finality_option
@click.option("--once", is_flag=True, help="Say where the run stands, and end.")
@click.option("--poll", type=float, default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def watch(
    *,
    config: Path | None,
    run: str | None,
    url: str | None,
    finality: str | None,
    once: bool,
    poll: float,
    as_json: bool,
) -> int:
    """Follow a run: one line for each change, and whom it waits for.

    Only final blocks count. Ends with the run, or at Ctrl-C.
    """
    from swarmp2p.ledger.rpc import RpcClient
    from swarmp2p.ledger.views import RunReader
    from swarmp2p.ledger.watch import Watcher

    if not 0.05 <= poll <= 3600:
        raise ConfigError(f"--poll is {poll}; expected 0.05 to 3600 seconds")
    place, settings = take_place(config, run, url), read_config(config)
    names = settings.labels if settings else {}
    with RpcClient(place.url) as rpc:
        watcher = Watcher(rpc, RunReader(rpc, place.run, take_finality(config, finality)))
        printer = _Printer(names, as_json=as_json)
        try:
            printer.standing(watcher.look.view)
            if once:
                return 0
            for found in watcher.follow(poll):
                printer.changes(found, watcher.look.view)
        except KeyboardInterrupt:
            return 0
    return 0


class _Printer:
    """Writes changes, and whom the run waits for when that has changed."""

    def __init__(self, names: Names, *, as_json: bool) -> None:
        self._names = names
        self._json = as_json
        self._waited: tuple[object, ...] | None = None

    def standing(self, view: "ChainView") -> None:
        """Where the run stands at the first look."""
        here = view.round
        values = {
            "event": "stands",
            "block": view.block.number,
            "round": here.round,
            "phase": here.phase.name.lower(),
            "attempt": here.attempt,
            "finished": view.finished,
            "stopped": view.stopped,
            "last_sealed_round": view.last_sealed_round,
            "members": [
                {"index": m.index, "peer": m.peer.hex(), "live": m.live} for m in view.members
            ],
        }
        live = sum(member.live for member in view.members)
        line = (
            f"block {view.block.number}: round {here.round}, {here.phase.name.lower()}, attempt"
            f" {here.attempt}; {live} live members; last sealed round {view.last_sealed_round}"
        )
        if view.finished:
            line += "; stopped" if view.stopped else "; finished"
        self._write(values, line)
        self._waits(view)

    def changes(self, found: "list[Change]", view: "ChainView") -> None:
        """One line each, then the wait if it is another one."""
        for change in found:
            member = None if change.index is None else _who(change.index, view, self._names)
            values: dict[str, Any] = {"event": change.event, "block": change.block}
            if change.round:
                values["round"] = change.round
            if change.index is not None:
                values |= {"index": change.index, "member": member}
            place = f"block {change.block}: " + (f"round {change.round}: " if change.round else "")
            words = change.event.replace("_", " ") + (f" {member}" if member else "")
            self._write({**values, **change.more}, place + words + _more(change.more))
        self._waits(view)

    def _waits(self, view: "ChainView") -> None:
        from swarmp2p.ledger.changes import waits_for

        wait = waits_for(view)
        if wait is None:
            return
        key = (view.round.round, wait.step, wait.members, wait.needed, wait.until)
        if key == self._waited:
            return
        self._waited = key
        values = {
            "event": "waits",
            "block": view.block.number,
            "round": view.round.round,
            "step": wait.step,
            "needed": wait.needed,
            "until": wait.until,
            "blocks_left": wait.left if wait.until else None,
            "members": [_waited(index, view, self._names) for index in wait.members],
        }
        line = f"block {view.block.number}: round {view.round.round}: waits for "
        self._write(values, line + wait_text(wait, view, self._names))

    def _write(self, values: Mapping[str, Any], line: str) -> None:
        click.echo(json.dumps(values) if self._json else line)


def wait_text(wait: "Wait | None", view: "ChainView", names: Names) -> str:
    """Whom and how long, in words."""
    if wait is None:
        return "nobody: the run is over"
    if wait.step == "genesis":
        return "the root of the initial model, which a node posts when it starts"
    who = ", ".join(_who(index, view, names) for index in wait.members) or "nobody"
    text = f"{wait.step} of {who}"
    if wait.needed:
        text = f"{wait.needed} more {wait.step} out of {who}"
    if wait.until:
        text += f"; {wait.left} blocks left, up to block {wait.until}"
    return text


def _who(index: int, view: "ChainView", names: Names) -> str:
    """A member: its name where node.toml has one, its index, the start of its key."""
    member = next((one for one in view.members if one.index == index), None)
    if member is None:
        return f"member {index}"
    name = next((names[key.peer] for key in reversed(member.keys) if key.peer in names), "member")
    return f"{name} {index} ({member.peer.hex()[:8]})"


def _waited(index: int, view: "ChainView", names: Names) -> dict[str, Any]:
    member = next((one for one in view.members if one.index == index), None)
    peer = member.peer if member else b""
    return {"index": index, "peer": peer.hex(), "name": names.get(peer)}


def _more(values: Mapping[str, Any]) -> str:
    shown = []
    for key, value in values.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        long = key in {"root", "base", "peer"}
        shown.append(f"{key} {text[:16] if long else text}")
    return "; " + "; ".join(shown) if shown else ""
