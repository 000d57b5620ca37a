"""Error feedback: what int8 rounded off this node's last update, to be added to the next one.

It counts only if that update was merged. So two residuals are kept while a round is open: the one
after its update, which becomes current if the round seals with us, and the one before it, which
stays current if not. Their chunks are on the disk before their names are, and the names before the
commit slot is reserved: a kill at any point leaves either the old pair or the new one.

Where it cannot be known which of the two counts, both are dropped. What rounding lost once is then
lost, as it is without error feedback; added a second time it would push the model the wrong way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from swarmp2p.ledger.interface import Phase, RoundView
from swarmp2p.node.context import Context
from swarmp2p.node.vectors import Chunk
from swarmp2p.wire import canonical

_KEY = "residual"  # in the store
_NONE = b""
_TAG = b"swarmp2p residual\0"  # its names are no roots: no blob of the run can have one of them


@dataclass(frozen=True, slots=True)
class _Pair:
    """The names of the residuals after and before the update of `round`, as the store keeps them.

    Settled once both are one. `commitment` says which update of the round it was.
    """

    round: int
    commitment: bytes
    after: bytes
    before: bytes

    @property
    def settled(self) -> bool:
        return self.after == self.before

    def encode(self) -> bytes:
        return canonical.encode(
            {
                "after": self.after,
                "before": self.before,
                "commitment": self.commitment,
                "round": self.round,
            }
        )


class Residuals:
    """This node's residuals. They never leave it."""

    def __init__(self, context: Context, private: set[bytes]) -> None:
        """`private` is kept at the names that are in use: nobody is served a blob called so."""
        self._c = context
        self._private = private
        row = context.store.get(_KEY)
        self._pair = _Pair(0, _NONE, _NONE, _NONE)
        if row is not None:
            self._pair = _Pair(**canonical.decode(row))
        self._private.update(self.names())

    def names(self) -> frozenset[bytes]:
        """The blobs that must stay on the disk."""
        return frozenset({self._pair.after, self._pair.before} - {_NONE})

    def open_round(self, number: int) -> int:
        """The round whose outcome must be told to `settle` before the update of round `number`.

        0 where there is none.
        """
        pair = self._pair
        return 0 if pair.settled or pair.round >= number else pair.round

    def settle(self, ended: RoundView) -> None:
        """A round has ended: if it is that of the last update, one of its two residuals counts."""
        pair = self._pair
        if pair.settled or pair.round != ended.round:
            return
        if ended.phase not in (Phase.SEALED, Phase.VOID):
            self.drop(ended.round, "the chain does not say how the round of the last update ended")
            return
        sealed = [ended.commits[index].commitment for index in ended.roster]
        merged = ended.phase is Phase.SEALED and pair.commitment in sealed
        current = pair.after if merged else pair.before
        self._write(_Pair(pair.round, pair.commitment, current, current))

    def current(self, number: int) -> list[bytes] | None:
        """The chunks to add to the update of round `number`, or None."""
        name = self._current(number)
        if name == _NONE:
            return None
        store, chunks = self._c.store, []
        for index in range(len(store.chunks(name))):
            kept = store.get_chunk(name, index)
            chunks.append(kept[0] if kept else b"")
        if _name(chunks) != name:
            self.drop(number, "its chunks are damaged or gone")
            return None
        return chunks

    def _current(self, number: int) -> bytes:
        pair = self._pair
        # An update of this very round that was made and not signed (else it would have been taken
        # up again) was never sent: what was current before it still is.
        if pair.settled or pair.round == number:
            return pair.before
        return _NONE  # the outcome of its round was not told

    def note(self, number: int, commitment: bytes, lost: Sequence[Chunk]) -> None:
        """Keep what the update of round `number` lost, before its slot is reserved.

        `lost` are float32 chunks, none if nothing was lost.
        """
        before, after = self._current(number), _NONE
        if lost:
            after = _name(lost)
            self._private.add(after)
            for index, chunk in enumerate(lost):
                self._c.store.put_chunk(after, index, bytes(chunk), ())
        if (before, after) != (_NONE, _NONE) or self.names():
            self._write(_Pair(number, commitment, after, before))

    def drop(self, number: int, why: str) -> None:
        """Do without: it cannot be added to the update of round `number`."""
        self._c.log("residual-dropped", round=number, why=why)
        self._write(_Pair(number, _NONE, _NONE, _NONE))

    def _write(self, pair: _Pair) -> None:
        """The new names first, then away with what they replace."""
        old = self.names()
        self._c.store.put(_KEY, pair.encode())
        self._pair = pair
        for name in old - self.names():
            self._c.store.drop_blob(name)
            self._private.discard(name)


def _name(chunks: Sequence[Chunk]) -> bytes:
    """32 bytes that follow from the content."""
    digest = sha256(_TAG)
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()
