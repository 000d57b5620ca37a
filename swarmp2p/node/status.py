"""What a node shows of itself: plain values for the status line and the control socket."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarmp2p.node.node import Node


def status_of(node: "Node") -> dict[str, Any]:
    """The node's state, with whom it waits for. Only after `Node.run` has started."""
    context, view = node.context, node.view
    what, whom = node.machine.waiting_for()
    return {
        "name": context.name(context.me),
        "peer": context.me.hex(),
        "run_id": context.manifest.run_id.hex(),
        "phase": _phase(node),
        "round": view.round.round,
        "rounds": context.manifest.rounds,
        "attempt": view.round.attempt,
        "last_sealed_round": view.last_sealed_round,
        "block": view.block.number,
        "waiting_for": what,
        "waiting_for_peers": sorted(context.name(peer) for peer in whom),
        "connected": sorted(context.name(peer) for peer in context.transport.peers()),
        "bytes_in": node.exchange.traffic.bytes_in,
        "bytes_out": node.exchange.traffic.bytes_out,
        "ledger": node.ledger_trouble or "ok",
        "key": node.key_trouble or "ok",
        "refused": context.refusals.counts(context.name),
        "metrics": dict(node.progress),
    }


def _phase(node: "Node") -> str:
    if node.models.busy:
        return "catching up"
    return "finished" if node.view.finished else node.machine.state.value
