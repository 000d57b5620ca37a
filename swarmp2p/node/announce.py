"""Gossip: reveal our own update's manifest, judge those of others.

A manifest that comes before our view of the chain shows COMMIT closed is kept, one per sender,
and judged again when the view moves on. Our own is published again until the round is over,
since gossip promises nothing.
"""

from collections.abc import Callable

from swarmp2p.crypto.identity import sign_envelope
from swarmp2p.ledger.interface import ChainView, Phase
from swarmp2p.node.context import Context
from swarmp2p.protocol.gossip import GossipRules, GossipView
from swarmp2p.protocol.verdicts import Equivocation, Judgement, Verdict
from swarmp2p.seams import Outcome, Slot
from swarmp2p.wire.envelope import Header
from swarmp2p.wire.messages import UpdateManifest, encode_update_manifest
from swarmp2p.wire.registry import (
    ENCODINGS,
    KIND_UPDATE_MANIFEST,
    TOPIC_ANNOUNCE,
    WIRE_VERSION,
    Code,
)

REPEAT_SECONDS = 1.0
_OUTCOMES = {
    Judgement.ACCEPT: Outcome.ACCEPT,
    Judgement.IGNORE: Outcome.IGNORE,
    Judgement.REJECT: Outcome.REJECT,
}
_REFUSED = {Judgement.IGNORE: "gossip-ignored", Judgement.REJECT: "gossip-rejected"}


class Announcer:
    """This node's end of the run's gossip topic."""

    def __init__(
        self,
        context: Context,
        on_manifest: Callable[[bytes], None],
        on_equivocation: Callable[[Equivocation], None],
    ) -> None:
        """`on_manifest(peer)` is called once for each manifest that passes every rule.

        `on_equivocation` is given each pair of signed bodies for one slot that is seen.
        """
        self._c = context
        self._on_manifest = on_manifest
        self._on_equivocation = on_equivocation
        self.topic = TOPIC_ANNOUNCE + context.domain.hex()
        self._rules = GossipRules(
            context.domain,
            context.manifest.schema.schema_hash,
            ENCODINGS[context.manifest.encoding],
        )
        self._view: GossipView | None = None
        self._round = 0
        self._accepted: dict[bytes, UpdateManifest] = {}
        self._early: dict[bytes, tuple[bytes, bytes]] = {}
        self._own: bytes | None = None
        self._raw: dict[bytes, bytes] = {}
        self._turn = 0

    def subscribe(self) -> None:
        """Join the topic."""
        self._c.transport.subscribe(self.topic, self._received)

    def manifest_of(self, peer: bytes) -> UpdateManifest | None:
        """The peer's manifest of the current round, once accepted."""
        return self._accepted.get(peer)

    def follow(self, view: ChainView) -> None:
        """The final view moved: rules and early manifests are judged by it from now on."""
        if view.round.round != self._round:
            self._round = view.round.round
            self._c.refusals.next_round()
            self._accepted.clear()
            self._raw.clear()
            self._early.clear()
        self._view = _gossip_view(view)
        early, self._early = self._early, {}
        for forwarder, data in early.values():
            self._received(forwarder, data)

    def _received(self, forwarder: bytes, data: bytes) -> Outcome:
        if self._view is None:
            return Outcome.IGNORE
        verdict = self._rules.judge(data, self._view, forwarder=forwarder, now=self._c.clock.now())
        if verdict.code == Code.RETRY and verdict.envelope is not None:
            self._early[verdict.envelope.header.sender] = (forwarder, data)
        elif verdict.outcome is Judgement.ACCEPT:
            self._accept(verdict, data)
        elif verdict.equivocation is not None:
            self._on_equivocation(verdict.equivocation)
        if verdict.outcome is not Judgement.ACCEPT:
            event = _REFUSED[verdict.outcome]
            self._c.refused(event, forwarder, verdict.code, verdict.reason)
        return _OUTCOMES[verdict.outcome]

    def _accept(self, verdict: Verdict, data: bytes) -> None:
        if verdict.envelope is None or verdict.manifest is None:
            return
        sender = verdict.envelope.header.sender
        if sender != self._c.me:
            self._accepted[sender] = verdict.manifest
            self._raw[sender] = data
            self._on_manifest(sender)

    def reveal(self, number: int, manifest: UpdateManifest, epoch: int) -> None:
        """Sign our manifest, guard row first, and publish it until `retire`.

        `epoch` is that of our key, which is our key of the round.
        """
        body = encode_update_manifest(manifest)
        # ENV-010: a guard row is durable before the signature leaves.
        stored = self._c.store.reserve(Slot(KIND_UPDATE_MANIFEST, number, 0), body)
        header = Header(
            kind=KIND_UPDATE_MANIFEST,
            wire_version=WIRE_VERSION,
            key_epoch=epoch,
            round=number,
            attempt=0,
            index=0,
            sender=self._c.me,
        )
        self._own = sign_envelope(self._c.key, header, self._c.domain, stored)
        if number == self._round:
            self._rules.keep_own(self._own, number)

    def retire(self) -> None:
        """The round is over: stop publishing."""
        self._own = None

    async def publish_now(self) -> None:
        """Publish our manifest, if there is one to publish."""
        if self._own is not None:
            await self._c.transport.publish(self.topic, self._own)

    async def repeat(self) -> None:
        """Publish again and again, for peers that joined the topic late.

        Ours, and one of those accepted in its turn: gossip does not forward what a relay had to
        keep until its own view of the chain moved, and a sender may be gone.
        """
        while True:
            await self._c.clock.sleep(REPEAT_SECONDS)
            await self.publish_now()
            others = sorted(self._raw)
            if others:
                self._turn += 1
                relayed = self._raw[others[self._turn % len(others)]]
                await self._c.transport.publish(self.topic, relayed)


def _gossip_view(view: ChainView) -> GossipView:
    """What the gossip rules need of the chain."""
    keys = {member.index: view.round_key(member) for member in view.members}
    return GossipView(
        round=view.round.round,
        attempt=view.round.attempt,
        enrolled={keys[m.index].peer: keys[m.index].epoch for m in view.members if m.live},
        roster={
            keys[index].peer: (
                view.round.commits[index].commitment,
                view.round.commits[index].weight,
            )
            for index in view.round.roster
        },
        base_digest=view.round.base,
        commit_closed=view.round.phase is Phase.ATTEMPT,
    )
