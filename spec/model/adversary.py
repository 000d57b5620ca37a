"""What a faulty peer does in each block: it sees the newest chain and is never late."""

from typing import TYPE_CHECKING

from model.peers import NEVER
from model.rules import quorum
from model.state import ATTEMPT, COMMIT, Round, Tx

if TYPE_CHECKING:
    from model.world import World


class FaultyPeer:
    """One faulty peer; they all vote to stop, and call for the next attempt once they may."""

    def __init__(self, number: int, world: "World", strategy: str) -> None:
        self.number, self.world, self.strategy = number, world, strategy

    def serves(self, final: Round) -> int:
        """The block in which it serves its update to one that asks now; NEVER if it does not."""
        world = self.world
        if self.strategy == "late":
            return max(world.block, final.exchange_deadline - 2)
        partly = self.strategy == "partial" and world.rng.random() < 0.08
        if partly or self.strategy in {"good", "liar", "mute"}:
            return world.block + world.rng.randint(0, 2)
        return NEVER

    def act(self) -> None:
        """One block."""
        world, now, me = self.world, self.world.chain.now, self.number
        if world.chain.finished or world.block < world.setting.adversary_from:
            return
        again = world.rng.random() < 0.1
        if again or me not in world.chain.stop_votes:
            world.place(Tx("stop", me))
        if again:
            world.place(Tx("join", me))
        if not world.rules.no_idle_void:
            world.place(Tx("idle void", me, now.number))
        if now.phase == COMMIT and self.strategy != "silent" and me not in now.commits:
            world.place(Tx("commit", me, now.number, base=now.base))
        if now.phase == ATTEMPT:
            if again or world.block > now.exchange_deadline:
                world.place(Tx("next attempt", me, now.number, now.attempt))
            if me in now.roster:
                self._post(now)

    def _post(self, now: Round) -> None:
        world, me, slot = self.world, self.number, (now.number, now.attempt)
        right = f"merge {now.number}.{now.attempt} {now.roster} on {now.base}"
        if self.strategy in {"withhold", "partial", "late", "liar"} and me not in now.haves:
            world.place(Tx("have", me, *slot, held=frozenset(world.faulty)))
        if self.strategy == "good":
            world.place(Tx("attest", me, *slot, body=(right, "")))
        elif self.strategy == "liar":
            if world.rng.random() < 0.5:
                world.place(Tx("attest", me, *slot, body=(f"evil {now.number}", "")))
            elif len(now.attests) >= quorum(len(now.roster), world.rules) - 1:
                world.place(Tx("attest", me, *slot, body=(right, "wrong aux")))
