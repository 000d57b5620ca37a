"""Noise sessions that cost a third of the stock ones, the same on the wire.

libp2p's own handshake runs unchanged. Afterwards the session reads the socket in large pieces,
opens every Noise message that is complete, and writes all messages of one call with one send.
Wire format: libp2p specs, noise/README.md, "Wire Format"; nonces: Noise revision 34, section 12.3.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from libp2p.abc import IRawConnection, ISecureConn
from libp2p.connection_types import ConnectionType
from libp2p.io.exceptions import ConnectionClosedError, DecryptionFailedException
from libp2p.peer.id import ID
from libp2p.security.base_session import BaseSession
from libp2p.security.noise.io import BaseNoiseMsgReadWriter
from libp2p.security.noise.transport import Transport
from libp2p.security.secure_session import SecureSession
from multiaddr import Multiaddr

from swarmp2p.errors import TransportError

LENGTH_BYTES = 2
TAG_BYTES = 16
MAX_PLAINTEXT = 65_535 - TAG_BYTES
_READ_BYTES = 1 << 18  # four full Noise messages per system call


class _Cipher:
    """One direction's key and counter."""

    def __init__(self, key: bytes, nonce: int) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._nonce = nonce

    def seal(self, data: bytes | memoryview) -> bytearray:
        """`data` as Noise messages with their length prefixes, ready for the socket."""
        view = memoryview(data)
        count = max(1, -(-len(view) // MAX_PLAINTEXT))
        sealed = bytearray(len(view) + count * (LENGTH_BYTES + TAG_BYTES))
        target = memoryview(sealed)
        at = 0
        for start in range(0, max(1, len(view)), MAX_PLAINTEXT):
            part = view[start : start + MAX_PLAINTEXT]
            end = at + LENGTH_BYTES + len(part) + TAG_BYTES
            target[at : at + LENGTH_BYTES] = (len(part) + TAG_BYTES).to_bytes(LENGTH_BYTES, "big")
            self._aead.encrypt_into(self._next(), part, None, target[at + LENGTH_BYTES : end])
            at = end
        return sealed

    def open(self, message: memoryview) -> bytes:
        """The plaintext of one message. Raises DecryptionFailedException."""
        try:
            return self._aead.decrypt(self._next(), message, None)
        except InvalidTag as error:
            raise DecryptionFailedException("a Noise message fails its check") from error

    def _next(self) -> bytes:
        nonce = b"\0\0\0\0" + self._nonce.to_bytes(8, "little")
        self._nonce += 1
        return nonce


class NoiseSession(BaseSession):
    """A secured connection: ordered bytes, sealed and opened in bulk.

    One task reads. Writers must take turns, and a write must not be cancelled midway: half a
    message is the end of the connection. The muxer's single writer sees to both.
    """

    def __init__(
        self, session: SecureSession, raw: IRawConnection, seal: _Cipher, unseal: _Cipher
    ) -> None:
        super().__init__(
            local_peer=session.local_peer,
            local_private_key=session.local_private_key,
            remote_peer=session.remote_peer,
            remote_permanent_pubkey=session.remote_permanent_pubkey,
            is_initiator=session.is_initiator,
        )
        self._raw = raw
        self._seal = seal
        self._unseal = unseal
        self._sealed = bytearray()  # what came and is not opened: less than one message and a read
        self._ready = bytearray()  # opened and not yet asked for

    async def write(self, data: bytes) -> None:
        """Send all of `data`, with one send. Raises ConnectionClosedError."""
        await self._raw.write(bytes(self._seal.seal(data)))

    async def read(self, n: int | None = None) -> bytes:
        """`n` bytes (fewer only where the connection ends), or whatever is there if None.

        Raises ConnectionClosedError at the end. Cancelling loses nothing.
        """
        if n is None:
            while not self._ready:
                await self._fill()
            data, self._ready = bytes(self._ready), bytearray()
            return data
        try:
            while len(self._ready) < n:
                await self._fill()
        except ConnectionClosedError:
            if not self._ready:
                raise
        data = bytes(self._ready[:n])
        del self._ready[:n]
        return data

    async def _fill(self) -> None:
        """Read once, and open every message that is complete."""
        received = await self._raw.read(_READ_BYTES)
        if not received:
            raise ConnectionClosedError("the connection has ended", transport="tcp")
        self._sealed += received
        at = 0
        with memoryview(self._sealed) as view:
            while len(view) - at >= LENGTH_BYTES:
                start = at + LENGTH_BYTES
                end = start + int.from_bytes(view[at:start], "big")
                if end > len(view):
                    break
                self._ready += self._unseal.open(view[start:end])
                at = end
        del self._sealed[:at]

    async def close(self) -> None:
        """Close the connection under the session."""
        await self._raw.close()

    def get_remote_address(self) -> tuple[str, int] | None:
        """IP address and port of the other end."""
        return self._raw.get_remote_address()

    def get_transport_addresses(self) -> list[Multiaddr]:
        """The other end as a multiaddr."""
        return self._raw.get_transport_addresses()

    def get_connection_type(self) -> ConnectionType:
        """Direct or relayed."""
        return self._raw.get_connection_type()


class FastNoise(Transport):
    """libp2p's Noise transport, handing out `NoiseSession`s."""

    async def secure_inbound(self, conn: IRawConnection) -> ISecureConn:
        """Handshake as responder."""
        return _take_over(await super().secure_inbound(conn), conn)

    async def secure_outbound(self, conn: IRawConnection, peer_id: ID) -> ISecureConn:
        """Handshake as initiator."""
        return _take_over(await super().secure_outbound(conn, peer_id), conn)


def _take_over(session: ISecureConn, raw: IRawConnection) -> NoiseSession:
    """The session that goes on where the stock one stands after its handshake."""
    if isinstance(session, SecureSession) and isinstance(session.conn, BaseNoiseMsgReadWriter):
        protocol = session.conn.noise_state.noise_protocol
        seal, unseal = protocol.cipher_state_encrypt, protocol.cipher_state_decrypt
        if isinstance(seal.k, bytes) and isinstance(unseal.k, bytes) and not session.high_watermark:
            return NoiseSession(session, raw, _Cipher(seal.k, seal.n), _Cipher(unseal.k, unseal.n))
    raise TransportError(f"libp2p's Noise session has another shape: {type(session).__name__}")
