"""What was refused, for the operator: counted by kind of refusal, peer and code, and logged.

SEC-003: every refusal leaves a trace with the code, the peer and the reason. A peer that is refused
again and again fills no log: after some lines of one kind in a round the rest is only counted.
"""

from collections import Counter, defaultdict
from collections.abc import Callable

from swarmp2p.protocol.codes import treat
from swarmp2p.wire.registry import Code

# Lines of one event, peer and code in a round; none where the refusal belongs to every sound run.
LINES_A_ROUND = 10
_LINES = {"gossip-ignored": 1, "chunk-not-served": 1, "chunk-refused": 1}
_ONLY_COUNTED = {
    ("gossip-ignored", Code.REPLAY),  # our neighbours pass on what we have
    ("gossip-ignored", Code.RETRY),  # kept, and judged again when our view has moved
}


class Refusals:
    """Counts since the start. Bounded: the peers are enrolled ones, and there are few codes."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, bytes, Code]] = Counter()
        self._logged: Counter[tuple[str, bytes, Code]] = Counter()

    def note(self, event: str, peer: bytes, code: int) -> Code | None:
        """Count one; the code under which to log it, or None where it is only counted."""
        kind = (event, peer, treat(code))
        self._counts[kind] += 1
        if (event, kind[2]) in _ONLY_COUNTED:
            return None
        if self._logged[kind] >= _LINES.get(event, LINES_A_ROUND):
            return None
        self._logged[kind] += 1
        return kind[2]

    def next_round(self) -> None:
        """Each kind may be logged again."""
        self._logged.clear()

    def counts(self, name: Callable[[bytes], str]) -> dict[str, dict[str, dict[str, int]]]:
        """How many by event, peer (as `name` calls it) and code, for the status."""
        found: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        for (event, peer, code), number in sorted(self._counts.items()):
            found[event][name(peer)][code.name] = number
        return {event: dict(peers) for event, peers in found.items()}
