"""Clock and chance of a simulated world: trio's (virtual) clock, and a seeded generator."""

import hashlib

import trio


class SimClock:
    """The Clock seam on trio's clock, which a simulation runs as a MockClock."""

    def now(self) -> float:
        """Monotonic seconds."""
        return trio.current_time()

    def wall(self) -> float:
        """The same: simulated worlds begin in 1970."""
        return trio.current_time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)


class SimRng:
    """The Rng seam from a seed: SHA-256 in counter mode, the same on every machine."""

    def __init__(self, seed: bytes) -> None:
        """Two generators of one seed give the same values."""
        self._seed = seed
        self._count = 0

    def token(self, size: int) -> bytes:
        """`size` bytes."""
        out = b""
        while len(out) < size:
            self._count += 1
            out += hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return out[:size]

    def uniform(self) -> float:
        """A float in [0, 1)."""
        return int.from_bytes(self.token(8), "big") / (1 << 64)
