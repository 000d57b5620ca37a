"""What an honest peer does in each block, as 08-rounds.md asks."""

from typing import TYPE_CHECKING

from model.contract import Contract
from model.state import ATTEMPT, COMMIT, Body, Round, Tx

if TYPE_CHECKING:
    from model.world import World

NEVER = 10**9


class HonestPeer:
    """One honest peer: its updates, its guard rows, its clock for training."""

    def __init__(self, number: int, world: "World") -> None:
        self.number, self.world = number, world
        self.holds: set[tuple[int, int]] = set()  # (round, member) whose update is held
        self.arrival: dict[tuple[int, int], int] = {}
        self.guard: dict[tuple[str, int, int], object] = {}
        self.claims: dict[tuple[int, int], frozenset[int]] = {}  # the guard rows of have
        self.ready: dict[object, int] = {}

    def act(self) -> None:
        """One block: look at the final chain and at the newest one, and send what is due."""
        world, me, chain = self.world, self.number, self.world.chain
        final = world.final()
        if me in world.late and world.block >= world.enrol_at[me] and me not in chain.members:
            world.send(Tx("enrol", me))
        if me not in chain.live() or final is None or chain.finished:
            return
        if chain.last_sealed and me not in chain.active():  # ROUND-015
            world.send(Tx("join", me))
        # ROUND-010: the round's opening block is final
        seen = final if world.rules.commit_after_opening_final else chain
        if seen.now.phase == COMMIT:
            self._commit(seen.now, chain.now)
        if final.now.phase == ATTEMPT:
            self._exchange(final.now, chain.now)
        self._call_next_attempt(chain)

    def _commit(self, seen: Round, newest: Round) -> None:
        world = self.world
        key = seen.number if world.setting.retrain_after_void else seen.base
        if key not in self.ready:
            extra = world.setting.slow if self.number in world.late else 0
            self.ready[key] = world.block + world.rng.randint(*world.setting.train) + extra
        open_still = newest.phase == COMMIT and newest.number == seen.number
        if world.block < self.ready[key] or not open_still or self.number in newest.commits:
            return
        if self._sign(("commit", seen.number, 0), seen.base):
            world.send(Tx("commit", self.number, seen.number, base=seen.base))

    def _call_next_attempt(self, chain: Contract) -> None:
        """ROUND-040: the peer of rank i waits i blocks more."""
        now = chain.now
        order = [peer for peer in chain.members if peer not in chain.revoked]
        rank = (order.index(self.number) + now.number + now.attempt) % len(order)
        if now.phase == ATTEMPT and chain.block > now.last_post + rank:
            self.world.send(Tx("next attempt", self.number, now.number, now.attempt))
        if not self.world.rules.no_idle_void and now.phase == COMMIT and not now.deadline:
            self.world.send(Tx("idle void", self.number, now.number))

    def _sign(self, slot: tuple[str, int, int], body: object) -> bool:
        """A slot has one body, for good; with another one the peer abstains, ROUND-012."""
        if self.guard.setdefault(slot, body) != body:
            self.world.abstained += 1
            return False
        return True

    def _exchange(self, final: Round, newest: Round) -> None:
        """From the final block that closed COMMIT on, ROUND-020."""
        me, number, roster = self.number, final.number, final.roster
        self._receive(final)
        in_time = (newest.number, newest.attempt) == (number, final.attempt)
        if me not in roster or newest.phase != ATTEMPT or not in_time:
            return
        slot = (number, final.attempt)
        if all((number, j) in self.holds for j in roster):
            body: Body = (f"merge {number}.{final.attempt} {roster} on {final.base}", "")
            self.world.computed.add(body)
            if me not in newest.attests and self._sign(("attest", *slot), body):  # ROUND-030
                self.world.send(Tx("attest", me, *slot, body=body))
        elif self.world.chain.block >= newest.exchange_deadline and me not in newest.haves:
            held = frozenset(j for j in roster if (number, j) in self.holds)  # ROUND-031
            self.world.send(Tx("have", me, *slot, held=self.claims.setdefault(slot, held)))

    def _receive(self, final: Round) -> None:
        """Updates arrive; any honest holder relays one, ROUND-024."""
        world, number = self.world, final.number
        if self.number in final.roster:
            self.holds.add((number, self.number))
        for member in final.roster:
            key = (number, member)
            if key in self.holds:
                continue
            if key not in self.arrival:
                when = self._arrival(key, final)
                if when < NEVER:
                    self.arrival[key] = when
            if self.arrival.get(key, NEVER) <= world.block:
                self.holds.add(key)

    def _arrival(self, key: tuple[int, int], final: Round) -> int:
        """The block in which the update comes in, NEVER if nobody serves it now."""
        world, member = self.world, key[1]
        sources = (p for p in world.honest.values() if p is not self and world.alive(p.number))
        if any(key in source.holds for source in sources):
            slow = world.setting.transfer
            wait = world.rng.randint(1, slow) if slow < 5 else slow
            if world.block < world.setting.healing:
                left = world.setting.healing - world.block
                wait += min(world.rng.choice((0, 5, 20, 60)), left)
            return max(world.block + wait, world.setting.cut_until)
        if member in world.faulty:
            return world.faulty[member].serves(final)
        return NEVER
