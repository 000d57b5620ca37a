"""Honest peers, faulty ones, a network and a pool of transactions around one contract."""

from collections.abc import Callable, Iterable
from random import Random

from model.adversary import FaultyPeer
from model.contract import Contract
from model.peers import HonestPeer
from model.rules import Rules
from model.setting import LIVING_STOP, REVOKE_DEAD, REVOKE_LIVING, STRATEGIES, Setting
from model.state import ATTEMPT, GENESIS, OWNER, Body, Ended, Round, Terms, Tx

Deploy = Callable[[Rules, Terms, Iterable[int]], Contract]


class World:
    """One run, block by block; `violations` maps each broken promise to its story."""

    def __init__(
        self, seed: int, rules: Rules, setting: Setting, deploy: Deploy = Contract
    ) -> None:
        """`deploy` makes the contract: the model's, or one that is compared with another."""
        self.rng, self.rules, self.setting = Random(seed), rules, setting
        self.block = 0
        self._cast()
        members = [i for i in range(setting.enrolled) if i not in self.late]
        self.chain = deploy(rules, setting.terms(), members)
        self.history: list[tuple[Contract, list[Tx]]] = [(self.chain.clone(), [])]
        self.pool: list[tuple[int, Tx]] = []
        self.sent: set[Tx] = set()
        self.computed: set[Body] = set()  # by an honest peer that held all updates
        self.violations: dict[str, list[str]] = {}
        self.final_log: list[Ended] = []
        self.final_block = self.abstained = self.longest_window = 0
        self.honest_stop: set[int] = set()
        self.counts_from = max(setting.healing, setting.back_at, setting.count_from)

    def _cast(self) -> None:
        """Who is what."""
        rng, setting = self.rng, self.setting
        bad = set(rng.sample(range(setting.enrolled), setting.faulty))
        good = [i for i in range(setting.enrolled) if i not in bad]
        self.late = set(rng.sample(good, setting.late_joiners))
        steady = [i for i in good if i not in self.late]
        dead = rng.sample(steady, setting.crashes)
        self.crash_at = {i: rng.randint(*setting.crash_window) for i in dead}
        steady = [i for i in steady if i not in dead]
        self.target = rng.choice(steady) if setting.censored and steady else None
        self.enrol_at = {i: rng.randint(*setting.enrol_window) for i in sorted(self.late)}
        self.honest = {i: HonestPeer(i, self) for i in good}
        self.faulty: dict[int, FaultyPeer] = {}
        for i in sorted(bad):
            drawn = rng.choice(STRATEGIES)
            strategy = drawn if setting.strategy == "random" else setting.strategy
            self.faulty[i] = FaultyPeer(i, self, strategy)

    # -- what peers ask

    def alive(self, peer: int) -> bool:
        """Whether an honest peer runs in this block."""
        back = 0 < self.setting.back_at <= self.block
        return back or self.crash_at.get(peer, self.block + 1) > self.block

    def final(self) -> Contract | None:
        """The chain as of its last final block, None before there is one."""
        found = (c for c, _ in reversed(self.history) if c.block <= self.final_block)
        return next(found, None)

    def place(self, tx: Tx) -> None:
        """A transaction for this very block."""
        self.pool.append((self.block, tx))

    def send(self, tx: Tx) -> None:
        """An honest peer's transaction: it lands within a block, unless it is kept out."""
        if tx in self.sent and any(waiting == tx for _, waiting in self.pool):
            return
        self.sent.add(tx)
        timely = self.block >= self.setting.healing
        delay = self.rng.randint(0, 1) if timely else self.rng.choice((0, 1, 5, 20))
        if tx.sender == self.target and tx.kind in self.setting.censored_kinds:
            delay += self.setting.censored
        self.pool.append((self.block + delay, tx))

    def violate(self, kind: str) -> None:
        """A promise is broken."""
        self.violations.setdefault(kind, list(self.chain.story))

    # -- blocks

    def run(self) -> None:
        """Go on until the rounds are sealed, the run is over or the blocks are spent."""
        for block in range(1, self.setting.blocks + 1):
            self.block = block
            self._reorganise()
            for number, peer in self.honest.items():
                if self.alive(number):
                    peer.act()
            for when, tx in self.setting.script:
                if when == block:
                    self._play(tx)
            for number, faulty in self.faulty.items():
                if number in self.chain.members:
                    faulty.act()
            self._make_block()
            if self._inspect():
                break

    def _reorganise(self) -> None:
        """Drop some blocks that are not final; their transactions return to the pool."""
        depth, rng = self.setting.depth, self.rng
        if not depth or len(self.history) <= depth + 1:
            return
        if rng.random() >= self.setting.reorganisations:
            return
        newest = self.history[-1][0].block
        back = min(rng.randint(1, depth), newest - self.final_block, len(self.history) - 1)
        if not back:
            return
        dropped, self.history = self.history[-back:], self.history[:-back]
        self.chain = self.history[-1][0].clone()
        for _, transactions in dropped:
            self.pool += [(self.block + rng.randint(0, 1), tx) for tx in transactions]

    def _play(self, tx: Tx) -> None:
        living = [i for i in self.honest if self.alive(i)]
        if tx == LIVING_STOP:
            self.honest_stop.update(living)
            for peer in living:
                self.place(Tx("stop", peer))
        elif tx in {REVOKE_DEAD, REVOKE_LIVING}:
            for peer in self.crash_at if tx == REVOKE_DEAD else living:
                self.place(Tx("revoke", OWNER, target=peer))
        else:
            self.place(tx)

    def _make_block(self) -> None:
        before = self.chain.now.clone()
        self.chain.tick()
        due = list(dict.fromkeys(tx for at, tx in self.pool if at <= self.block))
        self.pool = [(at, tx) for at, tx in self.pool if at > self.block]
        self.rng.shuffle(due)
        for tx in due:
            self.chain.apply(tx)
        self._look_for_expelled(before)
        now = self.chain.now
        if now.phase == ATTEMPT and now.attempt == 0:
            window = now.exchange_deadline - now.started - self.setting.depth
            self.longest_window = max(self.longest_window, window)
        self.history.append((self.chain.clone(), due))
        self.history = self.history[-(self.setting.depth + 14) :]

    def _look_for_expelled(self, before: Round) -> None:
        """ROUND-041: who is honest, posts and is not censored stays in the roster."""
        now = self.chain.now
        went_on = now.number == before.number and before.phase == now.phase == ATTEMPT
        if not went_on or now.attempt == before.attempt or before.started < self.setting.healing:
            return
        for peer in set(before.roster) - set(now.roster):
            excused = {*self.crash_at, *self.chain.revoked, self.target}
            if peer in self.honest and peer not in excused:
                self.violate("an honest uncensored peer was expelled")

    def _inspect(self) -> bool:
        """Hold the final chain against the promises; whether the world is done."""
        self.final_block = max(self.final_block, self.chain.block - self.setting.depth)
        final = self.final()
        if final is None:
            return False
        if final.log[: len(self.final_log)] != self.final_log:
            self.violate("the final log changed")
        base = GENESIS
        seals = [entry for entry in final.log if entry.body]
        for entry in seals:
            if entry.base != base:
                self.violate("a round was sealed on another base")
            if entry.body not in self.computed:
                self.violate("a (root, aux) was sealed that no honest full holder computed")
            base = entry.body[0] if entry.body else base
        if len({entry.round for entry in seals}) != len(seals):
            self.violate("two seals in one round")
        self.final_log = list(final.log)
        if final.stopped and not self.honest_stop & set(self.honest):
            self.violate("the run was stopped without one honest vote")
        counted = sum(entry.block > self.counts_from for entry in seals)
        return final.finished or counted >= self.setting.rounds
