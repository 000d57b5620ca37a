"""Gossip on libp2p's gossipsub: our verdicts and bounds, own announcements to everybody."""

from collections import Counter
from collections.abc import Iterable

import trio
from libp2p.abc import IHost
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, PROTOCOL_ID_V12, GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub

from swarmp2p.errors import LocalProtocolError
from swarmp2p.net.gate import Gate, peer_of
from swarmp2p.seams import Outcome, Validator
from swarmp2p.wire.registry import MAX_CONTROL_FRAME, MAX_ENVELOPE_BYTES, MAX_PEERS

_HEARTBEAT_SECONDS = 1
_DEGREE, _DEGREE_LOW, _DEGREE_HIGH = 6, 4, 12
# A neighbour in the mesh forwards the announcements of all peers, a few each, in one burst.
_MESSAGES_PER_SECOND = 4.0 * MAX_PEERS
_MAX_TOPICS_PER_PEER = 16  # a node joins one topic per run


class FloodingGossipSub(GossipSub):
    """Gossipsub that hands our own messages to every subscriber it is connected to.

    Gossipsub 1.1 calls this flood publishing; this library lacks it. With it an eclipse of the
    mesh does not silence a node.
    """

    def _get_peers_to_send(
        self,
        topic_ids: Iterable[str],
        msg_forwarder: ID,
        origin: ID,
        msg_id: bytes | None = None,
    ) -> Iterable[ID]:
        topics = list(topic_ids)
        if self.pubsub is None or origin != self.pubsub.my_id or msg_forwarder != origin:
            return super()._get_peers_to_send(topics, msg_forwarder, origin, msg_id)
        return {peer for topic in topics for peer in self.pubsub.peer_topics.get(topic, ())}


class GuardedPubsub(Pubsub):
    """Pubsub that a hostile message cannot stop, and that asks our validators first."""

    def __init__(self, host: IHost, router: GossipSub, gate: Gate) -> None:
        super().__init__(
            host,
            router,
            strict_signing=True,
            max_subscriptions_per_peer=_MAX_TOPICS_PER_PEER,
            max_inbound_rpc_size=MAX_CONTROL_FRAME,
        )
        self._gate = gate
        self.strikes: Counter[bytes] = Counter()

    async def push_msg(self, msg_forwarder: ID, msg: rpc_pb2.Message) -> None:
        """Take in one message. Garbage in it counts against the forwarder and goes no further."""
        own = msg_forwarder == self.my_id
        forwarder = peer_of(msg_forwarder)
        origin = peer_of(ID(msg.from_id))
        if not own and (forwarder is None or forwarder not in self._gate.admitted):
            return
        if len(msg.topicIDs) != 1 or len(msg.data) > MAX_ENVELOPE_BYTES or origin is None:
            self._strike(forwarder)
            return
        if not own and origin not in self._gate.admitted:
            return  # our own echo, or a peer that we have not seen enrol yet
        try:
            await super().push_msg(msg_forwarder, msg)
        except Exception:  # noqa: BLE001 - libp2p raises whatever its parsers raise, and would stop all gossip
            self._strike(forwarder)

    def watch(self, topic: str, validator: Validator) -> None:
        """Ask `validator` about every message on `topic` that is not our own."""

        def judge(msg_forwarder: ID, msg: rpc_pb2.Message) -> bool:
            forwarder = peer_of(msg_forwarder)
            if msg_forwarder == self.my_id or forwarder is None:
                return msg_forwarder == self.my_id
            outcome = validator(forwarder, msg.data)
            if outcome is Outcome.REJECT:
                self._strike(forwarder)
            return outcome is Outcome.ACCEPT

        self.set_topic_validator(topic, judge, is_async_validator=False)

    async def join(self, topic: str) -> None:
        """Subscribe, and drain the copies that libp2p queues: the validator has seen them."""
        subscription = await self.subscribe(topic)
        while True:
            await subscription.get()

    async def announce(self, topic: str, data: bytes) -> None:
        """Publish. Raises LocalProtocolError over the size limit."""
        if len(data) > MAX_ENVELOPE_BYTES:
            raise LocalProtocolError(
                f"a gossip message holds at most {MAX_ENVELOPE_BYTES} bytes, not {len(data)}"
            )
        with trio.CancelScope(shield=True):  # it only fills queues; half of them would be worse
            await self.publish(topic, data)

    def _strike(self, peer: bytes | None) -> None:
        if peer is not None:
            self.strikes[peer] += 1


def open_router() -> FloodingGossipSub:
    """Gossipsub with our parameters. Its scores are off: the gate and the strikes are ours."""
    return FloodingGossipSub(
        protocols=[PROTOCOL_ID_V12, PROTOCOL_ID_V11],
        degree=_DEGREE,
        degree_low=_DEGREE_LOW,
        degree_high=_DEGREE_HIGH,
        heartbeat_interval=_HEARTBEAT_SECONDS,
        adaptive_gossip_enabled=False,
        eclipse_protection_enabled=False,  # it counts addresses; the gate admits each site once
        max_messages_per_topic_per_second=_MESSAGES_PER_SECOND,
    )
