"""Several endpoints of one chain, asked side by side and compared: the Source of a careful node.

One that is down, slow, behind or of another chain is reported and left out for a while; at least
`needed(m)` of m must answer. Two that answer one question differently are a LedgerDisagreementError
until both say the same again. With a single endpoint this is that endpoint, its reads retried.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from swarmp2p.errors import ConfigError, LedgerDisagreementError, LedgerUnavailableError
from swarmp2p.ledger.answers import BLOCK_PARAMETER, Kind, comparable, kind_of, question
from swarmp2p.ledger.endpoint import Endpoint, EndpointHealth, Now, Pause, Reply
from swarmp2p.ledger.rpc import RpcClient, quantity

MAX_ENDPOINTS = 8
TOLERATED_LAG = {  # blocks that an endpoint may trail another
    "eth_blockNumber": 8,
    "eth_getBlockByNumber": 72,  # the tag `finalized` moves on by epochs of 32
}
THREADS = 4  # for each endpoint: as many tasks may ask at once
REMEMBERED = 64  # agreed block hashes
_SHOWN = 80  # characters of an answer in a message, from shortly before the first difference
_BEFORE = 12


def needed(count: int) -> int:
    """How many of the configured endpoints must answer: two thirds; one of one or two."""
    return 1 if count <= 2 else -(-2 * count // 3)


class Endpoints:
    """Up to eight endpoints behind one `call`. Threads may share it."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout: float = 10.0,
        chain_id: int | None = None,
        pause: Pause = time.sleep,
        now: Now = time.monotonic,
    ) -> None:
        """`timeout` bounds each call in seconds; `chain_id` None takes what the endpoints say.

        Raises ConfigError for no URL, too many, one twice, or one that is not allowed.
        """
        if not 1 <= len(urls) <= MAX_ENDPOINTS or len(set(urls)) < len(urls):
            raise ConfigError(
                f"{len(urls)} URLs of the chain; expected 1 to {MAX_ENDPOINTS}, each once"
            )
        self.timeout = timeout
        self._chain_id = chain_id
        clients = [RpcClient(url, timeout=timeout) for url in urls]
        self._all = [Endpoint(rpc, pause, now) for rpc in clients]
        self._needed = needed(len(urls))
        self._pool = ThreadPoolExecutor(THREADS * len(urls), "endpoint")
        self._lock = threading.Lock()
        self._agreed: dict[int, str] = {}  # hashes of blocks, as hexadecimal text
        self._least: dict[str, int] = {}  # the last answer for the newest block, and the final one
        self.shown = ", ".join(rpc.shown for rpc in clients)

    def health(self) -> tuple[EndpointHealth, ...]:
        """One entry an endpoint, in the order of the URLs."""
        return tuple(endpoint.health for endpoint in self._all)

    def close(self) -> None:
        """Close all connections. Calls still in progress end by themselves."""
        for endpoint in self._all:
            endpoint.rpc.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def disagreement(self) -> str:
        """The questions that are answered differently; empty when all agree."""
        return ", ".join(sorted(set().union(*(one.conflicts for one in self._all))))

    def refuse_while_disagreeing(self) -> None:
        """Before a signature: raises LedgerDisagreementError while one is not cleared."""
        if self.disagreement:
            raise LedgerDisagreementError(
                f"the endpoints {self.shown} disagreed on {self.disagreement}; nothing is signed "
                "until they say the same again"
            )

    def call(self, method: str, *params: object) -> Any:
        """The answer that the endpoints agree on. See Source.call.

        Raises LedgerDisagreementError, too.
        """
        if len(self._all) == 1:
            return self._only(self._all[0], method, params)
        ways = {
            Kind.SEND: self._send,
            Kind.CHAIN: self._chain,
            Kind.NEWEST: self._newest,
            Kind.LEAST: self._least_of,
            Kind.SUGGESTION: self._middle,
            Kind.RECEIPT: self._receipt,
            Kind.COMPARED: self._compared,
        }
        return ways[kind_of(method, params)](method, self._at_hash(params))

    # ---- kinds of questions

    def _only(self, endpoint: Endpoint, method: str, params: tuple[object, ...]) -> Any:
        reply = endpoint.ask(method, params)
        if reply.refusal is not None:
            raise reply.refusal
        if method == "eth_blockNumber":
            endpoint.health.head = quantity(reply.result)
        return reply.result

    def _send(self, method: str, params: tuple[object, ...]) -> Any:
        """To all; good when one takes it. The same bytes can be sent again."""
        replies, errors = self._gather(method, params, self._checked(self._awake()))
        taken = [reply for reply in replies if reply.refusal is None]
        if taken:
            return taken[0].result
        if replies and replies[0].refusal is not None:
            raise replies[0].refusal
        raise errors[0] if errors else self._too_few(0)

    def _newest(self, method: str, params: tuple[object, ...]) -> Any:
        """The lowest of what the endpoints say that are not behind: all of them have that block."""
        replies = self._answered(self._enough(method, params, self._awake()))
        numbers = [_number(reply) for reply in replies]
        top = max(numbers)
        least = max(top - TOLERATED_LAG[method], min(self._least.get(method, 0), top))
        current = [reply for reply in replies if _number(reply) >= least]
        for reply, number in zip(replies, numbers, strict=True):
            if method == "eth_blockNumber":
                reply.endpoint.health.head = number
            self._note_behind(reply.endpoint, behind=number < least)
        if len(current) < self._needed:
            raise self._too_few(len(current))
        if len(current) < len(replies):
            self._compare_at(min(numbers), [reply.endpoint for reply in replies])
        lowest = min(current, key=_number)
        self._least[method] = _number(lowest)
        return lowest.result

    def _chain(self, _method: str, _params: tuple[object, ...]) -> str:
        """The chain's id: of each endpoint once, and again after each rest."""
        ours = self._checked(self._awake())
        if len(ours) < self._needed:
            raise self._too_few(len(ours))
        return hex(self._chain_id or 0)

    def _least_of(self, method: str, params: tuple[object, ...]) -> Any:
        """The lowest number: one endpoint may be a block ahead, none may invent transactions."""
        replies = self._answered(self._enough(method, params, self._current()))
        return min(replies, key=lambda reply: quantity(reply.result)).result

    def _middle(self, method: str, params: tuple[object, ...]) -> Any:
        """Fees are opinions: the middle one, the lower of two."""
        replies = self._answered(self._enough(method, params, self._current()))
        ordered = sorted(replies, key=lambda reply: _price(reply.result))
        return ordered[(len(ordered) - 1) // 2].result

    def _receipt(self, method: str, params: tuple[object, ...]) -> Any:
        """What enough endpoints say alike; None while fewer know the transaction."""
        replies = self._enough(method, params, self._current())
        known = [reply for reply in replies if reply.result is not None]
        if len(known) < self._needed:
            return None
        self._must_agree(method, params, known)
        return known[0].result

    def _compared(self, method: str, params: tuple[object, ...]) -> Any:
        replies = self._enough(method, params, self._current())
        if method == "eth_getBlockByNumber":
            replies = self._that_have_it(replies)
        self._must_agree(method, params, replies)
        first = replies[0]
        if first.refusal is not None:
            raise first.refusal
        if method == "eth_getBlockByNumber":
            self._remember(first.result)
        return first.result

    def _that_have_it(self, replies: list[Reply]) -> list[Reply]:
        """Those that know the block asked for, if they are enough; the others are behind."""
        have = [reply for reply in replies if reply.result is not None]
        if len(have) < self._needed:
            return replies
        for reply in replies:
            if reply.result is None:
                self._note_behind(reply.endpoint, behind=True)
        return have

    def _answered(self, replies: list[Reply]) -> list[Reply]:
        """Without refusals; where there is nothing else, the first is raised."""
        answered = [reply for reply in replies if reply.refusal is None]
        if not answered and replies[0].refusal is not None:
            raise replies[0].refusal
        return answered

    # ---- comparing

    def _must_agree(
        self, method: str, params: tuple[object, ...], replies: Sequence[Reply]
    ) -> None:
        """Raises LedgerDisagreementError, and remembers who was a party to it."""
        asked = question(method, params)
        said: dict[str, list[Endpoint]] = {}
        for reply in replies:
            said.setdefault(comparable(method, reply.result, reply.refusal), []).append(
                reply.endpoint
            )
        answering = [reply.endpoint for reply in replies]
        if len(said) == 1:
            self._clear(asked, answering)
            return
        for endpoint in answering:
            endpoint.conflicts.add(asked)
            endpoint.health.disagreements += 1
            endpoint.health.state = "disagrees"
        place = max(0, _first_difference(list(said)) - _BEFORE)
        shown = "; ".join(
            f"{', '.join(one.rpc.shown for one in who)}: {_excerpt(what, place)}"
            for what, who in said.items()
        )
        raise LedgerDisagreementError(
            f"the chain's endpoints disagree on {asked}: {shown}. Nothing is signed until they "
            "say the same; find out which one is wrong, and take it out of node.toml"
        )

    def _clear(self, asked: str, answering: Sequence[Endpoint]) -> None:
        """They say the same: a conflict ends, if all its parties are here or most endpoints are.

        Else it stands: a liar that plays dead must not make the other one right.
        """
        parties = [one for one in self._all if asked in one.conflicts]
        if any(one not in answering for one in parties) and 2 * len(answering) <= len(self._all):
            raise LedgerDisagreementError(
                f"the chain's endpoints disagreed on {asked}, and only "
                f"{', '.join(one.rpc.shown for one in answering)} answers now. Nothing is signed "
                "until they say the same; if one is wrong, take it out of node.toml and start again"
            )
        for one in parties:
            one.conflicts.discard(asked)
            if one.health.state == "disagrees" and not one.conflicts:
                one.health.state = "ok"

    def _compare_at(self, number: int, endpoints: Sequence[Endpoint]) -> None:
        """Whoever is behind must still be on the same chain."""
        params = (hex(number), False)
        replies, _ = self._gather("eth_getBlockByNumber", params, endpoints)
        found = [reply for reply in replies if isinstance(reply.result, dict)]
        if len(found) > 1:
            self._must_agree("eth_getBlockByNumber", params, found)

    def _at_hash(self, params: tuple[object, ...]) -> tuple[object, ...]:
        """Ask by hash (EIP-1898) where the hash of the block was agreed on."""
        if (
            not params
            or not isinstance(params[-1], str)
            or not BLOCK_PARAMETER.fullmatch(params[-1])
        ):
            return params
        with self._lock:
            known = self._agreed.get(int(params[-1], 16))
        return params if known is None else (*params[:-1], {"blockHash": known})

    def _remember(self, block: Any) -> None:
        if isinstance(block, dict):
            with self._lock:
                self._agreed[quantity(block.get("number"))] = str(block.get("hash"))
                while len(self._agreed) > REMEMBERED:
                    del self._agreed[min(self._agreed)]

    # ---- asking

    def _awake(self) -> list[Endpoint]:
        """All but those at rest; all of them when none is left."""
        awake = [one for one in self._all if one.awake]
        return awake or list(self._all)

    def _current(self) -> list[Endpoint]:
        """Those awake that were not found behind when they were last asked for the newest block."""
        return [one for one in self._awake() if one.health.state != "behind"]

    def _enough(
        self, method: str, params: tuple[object, ...], endpoints: Sequence[Endpoint]
    ) -> list[Reply]:
        """The replies of endpoints of our chain. Raises LedgerUnavailableError for too few."""
        replies, errors = self._gather(method, params, self._checked(endpoints))
        if len(replies) < self._needed:
            raise self._too_few(len(replies)) from (errors[0] if errors else None)
        return replies

    def _gather(
        self, method: str, params: tuple[object, ...], endpoints: Sequence[Endpoint]
    ) -> tuple[list[Reply], list[LedgerUnavailableError]]:
        """Ask them side by side; each is bounded by its own timeout."""
        asked = [self._pool.submit(one.ask, method, params) for one in endpoints]
        replies, errors = [], []
        for future in asked:
            try:
                replies.append(future.result())
            except LedgerUnavailableError as error:
                errors.append(error)
        return replies, errors

    def _checked(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """Those whose chain id is ours; asked once, and again after each failure."""
        endpoints = list(endpoints)
        unknown = [one for one in endpoints if not one.checked]
        if unknown:
            replies, _ = self._gather("eth_chainId", (), unknown)
            self._judge_chains([(reply.endpoint, _number(reply)) for reply in replies])
        return [one for one in endpoints if one.checked]

    def _judge_chains(self, said: Sequence[tuple[Endpoint, int]]) -> None:
        if self._chain_id is None:
            ids = [number for _, number in said]
            common = max(set(ids), key=ids.count, default=0)
            if ids.count(common) < max(self._needed, 1 + len(ids) // 2):
                shown = "; ".join(f"{one.rpc.shown}: {number}" for one, number in said)
                raise LedgerUnavailableError(
                    f"the endpoints are of different chains, or too few answer ({shown or 'none'})"
                    ": correct the URLs in node.toml"
                )
            self._chain_id = common
        for endpoint, number in said:
            endpoint.checked = number == self._chain_id
            if not endpoint.checked:
                why = f"{endpoint.rpc.shown} has chain id {number}, not {self._chain_id}"
                endpoint.leave_out(why, "wrong chain")

    def _note_behind(self, endpoint: Endpoint, *, behind: bool) -> None:
        health = endpoint.health
        if behind:
            health.behind += 1
            health.state = "behind"
        elif health.state == "behind":
            health.state = "disagrees" if endpoint.conflicts else "ok"

    def _too_few(self, count: int) -> LedgerUnavailableError:
        total = len(self._all)
        states = "; ".join(
            f"{one.shown}: {one.state}" + (f" ({one.last_error})" if one.state == "down" else "")
            for one in self.health()
        )
        return LedgerUnavailableError(
            f"{count} of {total} endpoints of the chain can be used and {needed(total)} are "
            f"needed: {states}"
        )


def _number(reply: Reply) -> int:
    """A block's number, given as one or in a block; 0 for the tag of a chain without final ones."""
    if isinstance(reply.result, dict):
        return quantity(reply.result.get("number"))
    return 0 if reply.result is None else quantity(reply.result)


def _first_difference(answers: Sequence[str]) -> int:
    """How many characters at the start are the same in all."""
    shortest = min(len(answer) for answer in answers)
    same = (len({answer[place] for answer in answers}) == 1 for place in range(shortest))
    return next((place for place, alike in enumerate(same) if not alike), shortest)


def _excerpt(answer: str, place: int) -> str:
    """What an endpoint said, from a place on, as one line of a log."""
    part = "".join(char if char.isprintable() else "?" for char in answer[place : place + _SHOWN])
    return f"...{part}" if place else part


def _price(result: Any) -> int:
    if isinstance(result, dict):
        base = result.get("baseFeePerGas")
        return 0 if base is None else quantity(base)
    return quantity(result)
