"""One endpoint of several: asks it, asks again where that may help, and counts how it does."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.answers import Kind, check_shape, is_revert, kind_of
from swarmp2p.ledger.rpc import RpcClient, RpcFailedError, RpcRefusedError

READ_ATTEMPTS = 5  # of one read, within its timeout
FIRST_PAUSE = 0.05  # seconds before the second attempt; doubled each time
REST = 5.0  # seconds that an endpoint is left out after a failure; doubled up to LONGEST_REST
LONGEST_REST = 60.0

Pause = Callable[[float], None]
Now = Callable[[], float]


@dataclass
class EndpointHealth:
    """What status and metrics say of one endpoint. Counters since the start; no secrets.

    `state` is "ok", "down" (no sensible answer), "behind", "wrong chain" or "disagrees".
    """

    shown: str
    state: str = "ok"
    head: int = 0
    calls: int = 0
    retries: int = 0
    failures: int = 0
    behind: int = 0
    disagreements: int = 0
    last_error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Reply:
    """One endpoint's answer: a result, or a refusal."""

    endpoint: "Endpoint"
    result: Any = None
    refusal: RpcRefusedError | None = None


class Endpoint:
    """One endpoint. Threads may share it."""

    def __init__(self, rpc: RpcClient, pause: Pause, now: Now) -> None:
        """`pause` waits so many seconds, `now` is a monotonic clock."""
        self.rpc = rpc
        self.health = EndpointHealth(rpc.shown)
        self.checked = False  # its chain id is known to be ours
        self.conflicts: set[str] = set()  # questions that it answered unlike others
        self._pause = pause
        self._now = now
        self._rest = REST
        self._rest_until = now()

    @property
    def awake(self) -> bool:
        """Whether it is not left out after a failure."""
        return self._rest_until <= self._now()

    def ask(self, method: str, params: tuple[object, ...]) -> Reply:
        """Its reply. Raises LedgerUnavailableError where there is none; it is then left out."""
        self.health.calls += 1
        try:
            result = self._read(method, params)
            check_shape(method, params, result)
        except RpcRefusedError as error:
            if kind_of(method, params) is Kind.COMPARED and not is_revert(error):
                self.leave_out(str(error))  # it lacks the block, or does not know EIP-1898
                raise
            return Reply(self, refusal=error)
        except LedgerUnavailableError as error:
            self.leave_out(str(error))
            raise
        if self.health.state == "down":
            self.health.state = "disagrees" if self.conflicts else "ok"
        self._rest = REST
        return Reply(self, result)

    def leave_out(self, why: str, state: str = "down") -> None:
        """Let it rest: after a failure, twice as long each time."""
        self.health.failures += 1
        self.health.last_error = why
        self.health.state = state
        self.checked = False  # what comes back under the URL may be another chain
        self._rest_until = self._now() + self._rest
        self._rest = min(2 * self._rest, LONGEST_REST)

    def _read(self, method: str, params: tuple[object, ...]) -> Any:
        """Reads are asked again, a few times within the timeout; what is sent is not."""
        deadline = self._now() + self.rpc.timeout
        pause = FIRST_PAUSE
        left = 1 if kind_of(method, params) is Kind.SEND else READ_ATTEMPTS
        while True:
            left -= 1
            try:
                return self.rpc.call(method, *params)
            except RpcFailedError as error:
                if not error.again or not left or self._now() + pause >= deadline:
                    raise
            self.health.retries += 1
            self._pause(pause)
            pause *= 2
