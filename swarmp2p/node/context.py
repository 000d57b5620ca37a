"""What every part of a node is given: its keys, its run, and its seams."""

from dataclasses import dataclass, field
from typing import Protocol

from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.ledger.interface import ChainView, Ledger, Phase
from swarmp2p.manifest import RunManifest
from swarmp2p.node.refusals import Refusals
from swarmp2p.protocol.rounds import Facts, RoundPhase
from swarmp2p.seams import Clock, Rng, Store, Transport


class Log(Protocol):
    """Takes one event with plain values; never keys, never parameters."""

    def __call__(self, event: str, /, **fields: object) -> None:
        """Write a line."""
        ...


@dataclass(frozen=True)
class Context:
    """One node's surroundings.

    `domain` is D; `names` are labels for people, by peer key; `addresses` the multiaddrs to
    announce where they are not those listened on.
    """

    manifest: RunManifest
    domain: bytes
    key: IdentityKey
    transport: Transport
    ledger: Ledger
    store: Store
    clock: Clock
    rng: Rng
    log: Log
    poll: float = 0.2
    names: dict[bytes, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    refusals: Refusals = field(default_factory=Refusals)

    @property
    def me(self) -> bytes:
        """This node's public key."""
        return self.key.public

    def announced(self) -> tuple[str, ...]:
        """Where others shall dial us: as configured, else where we listen."""
        return self.addresses or self.transport.listen_addresses()

    def peers_by_chance(self) -> list[bytes]:
        """Whoever is connected, in an order of chance, so that nobody is always asked first."""
        peers = self.transport.peers()
        return [peer for _, peer in sorted((self.rng.uniform(), peer) for peer in peers)]

    def refused(self, event: str, peer: bytes, code: int, why: str, **fields: object) -> None:
        """Leave a trace of a refusal (SEC-003): counted, and logged with the code's name."""
        known = self.refusals.note(event, peer, code)
        if known is not None:
            self.log(event, peer=peer.hex(), code=known.name, why=why, **fields)

    def name(self, peer: bytes) -> str:
        """The peer's label, or the first 8 hex digits of its key."""
        return self.names.get(peer, peer.hex()[:8])


_PHASES = {
    Phase.COMMIT: RoundPhase.COMMIT,
    Phase.ATTEMPT: RoundPhase.ATTEMPT,
    Phase.SEALED: RoundPhase.SEALED,
    Phase.VOID: RoundPhase.VOID,
}


def facts_of(view: ChainView, head: int, me: bytes) -> Facts:
    """The chain's view in the round machine's terms: keys of the round for enrolment indices."""
    peer_of = round_keys(view)
    mine, held = view.member(me), view.holder(me)
    live = [member.index for member in view.members if member.live]
    here = view.round
    turn = live.index(mine.index) + here.round + here.attempt if mine else 0
    own = peer_of[held.index] if held else me
    return Facts(
        me=own,
        me_holds_key=own == me,
        head=head,
        round=here.round,
        attempt=here.attempt,
        phase=_PHASES[here.phase],
        base=here.base,
        roster=tuple(sorted(peer_of[index] for index in here.roster)),
        committed=frozenset(peer_of[index] for index in here.commits),
        attested=frozenset(peer_of[index] for index in here.attests),
        had=frozenset(peer_of[index] for index in here.haves),
        exchange_deadline=here.exchange_deadline,
        last_post=here.last_post,
        ever_sealed=view.last_sealed_round > 0,
        me_live=mine is not None,
        me_active=mine is not None and mine.index in view.active,
        rank=turn % len(live) if live else 0,
        finished=view.finished,
        live=tuple(peer_of[index] for index in live),
    )


def round_keys(view: ChainView) -> dict[int, bytes]:
    """The members' keys of the current round, by enrolment index."""
    return {member.index: view.round_key(member).peer for member in view.members}


def bitmap_of(peers: frozenset[bytes], view: ChainView) -> int:
    """Peers, by their keys of the round, as a bitmap by enrolment index."""
    return sum(1 << index for index, peer in round_keys(view).items() if peer in peers)
