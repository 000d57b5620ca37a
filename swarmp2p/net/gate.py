"""Admits enrolled peers only.

The gate stands inside the upgrade of a connection, between the security handshake, which proves
the PeerId, and the muxer: a stranger's connection ends there and never carries a stream, so no
protocol handler (identify and ping included) is ever served to it.
"""

from collections.abc import Iterable

from libp2p.abc import IMuxedConn, IRawConnection, ISecureConn
from libp2p.custom_types import TMuxerOptions, TSecurityOptions
from libp2p.peer.id import ID
from libp2p.transport.exceptions import SecurityUpgradeFailure
from libp2p.transport.upgrader import TransportUpgrader

from swarmp2p.errors import RemoteProtocolError
from swarmp2p.net.peers import decode_peer_id
from swarmp2p.net.yamux import YamuxMultistream


def peer_of(peer_id: ID) -> bytes | None:
    """The public key of a PeerId, or None where it is not an Ed25519 one."""
    try:
        return decode_peer_id(peer_id.to_bytes())
    except RemoteProtocolError:
        return None


class Gate:
    """The set of peers let in, by public key. Empty at first: nobody gets in."""

    def __init__(self) -> None:
        self._admitted: frozenset[bytes] = frozenset()
        self.refused = 0  # connections of strangers cut after the handshake

    @property
    def admitted(self) -> frozenset[bytes]:
        """The peers let in now."""
        return self._admitted

    def replace(self, peers: Iterable[bytes]) -> None:
        """Let in exactly these from now on."""
        self._admitted = frozenset(peers)

    def admits(self, peer_id: ID) -> bool:
        """Whether the owner of this PeerId may have a connection."""
        return peer_of(peer_id) in self._admitted


class GatedUpgrader(TransportUpgrader):
    """libp2p's upgrader, with the gate after the handshake and again before the muxer is up."""

    def __init__(self, gate: Gate, security: TSecurityOptions, muxers: TMuxerOptions) -> None:
        super().__init__(security, muxers)
        self._gate = gate
        self.muxer_multistream = YamuxMultistream(muxers)

    async def upgrade_security(
        self,
        raw_conn: IRawConnection,
        is_initiator: bool,  # noqa: FBT001 - libp2p's signature
        peer_id: ID | None = None,
    ) -> ISecureConn:
        """Handshake, then the gate. Raises SecurityUpgradeFailure for a stranger."""
        secured = await super().upgrade_security(raw_conn, is_initiator, peer_id)
        await self._check(secured)
        return secured

    async def upgrade_connection(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        """Agree on the muxer. The peer may have been removed meanwhile: the gate again."""
        muxed = await super().upgrade_connection(conn, peer_id)
        await self._check(conn)
        return muxed

    async def _check(self, secured: ISecureConn) -> None:
        if not self._gate.admits(secured.get_remote_peer()):
            self._gate.refused += 1
            await secured.close()
            raise SecurityUpgradeFailure("the peer is not enrolled in this run")
