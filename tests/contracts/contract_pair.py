"""One contract and one model under the same random calls, compared after each."""

from collections import Counter
from collections.abc import Callable
from random import Random

from contract_chain import Reverted
from contract_model import ATTEMPT, COMMIT, ModelRun, ModelTerms, bitmap
from contract_swarm import GENESIS, TERMS, Swarm, bits, digest

AVERAGES = ("commitAverage", "exchangeAverage")


class Pair:
    """One contract and one model under the same calls."""

    def __init__(self, swarm: Swarm, changes: dict[str, int], rng: Random) -> None:
        self.swarm, self.rng = swarm, rng
        given = TERMS | changes
        terms = ModelTerms(
            commit_blocks=given["commitBlocks"],
            exchange_blocks=given["exchangeBlocks"],
            lo=given["lo"],
            hi=given["hi"],
            depth=given["depth"],
            owner_minimum=given["minPeers"],
            last_round=given["lastRound"],
            topology=given["topology"],
        )
        self.model = ModelRun(terms, swarm.enrolled, swarm.chain.block, GENESIS)
        self.seen: Counter[str] = Counter()
        self.averages = [256 * TERMS["commitBlocks"], 256 * TERMS["exchangeBlocks"]]
        self.suspect, self.charge = rng.randrange(swarm.enrolled), rng.choice((1, 2))

    def step(self, mood: str) -> None:
        """One random call or some blocks: rather likely to get a round on, or of this mood."""
        rng, r = self.rng, self.model.round
        likely = {COMMIT: ["commit"] * 6, ATTEMPT: ["attest"] * 4 + ["have"] * 4}
        rare = ["join", "stop", "revoke", "enrol", "attest", "have", "commit", "object", "fault"]
        rare += [mood] * 8
        due = likely.get(r.phase, []) + ["mine"] * 3 + ["next", mood]
        kind = rng.choice([*due, rng.choice(rare)])
        if kind == "mine":
            over = r.last_post + 1 - self.model.block  # often straight to the end of an attempt
            blocks = over if over > 0 and rng.random() < 0.3 else rng.choice((1, 1, 2, 5))
            self.mine(blocks)
        elif kind == "enrol":
            if self.swarm.enrolled < 8 and rng.random() < 0.5:
                self.model.enrol(self.swarm.enrol())
        elif kind == "revoke":
            if rng.random() < 0.3:
                peer = rng.randrange(self.swarm.enrolled)
                self.compare_errors(self.model.revoke(peer), lambda: self.swarm.revoke(peer))
        else:
            self.call(kind)
        self.compare_views()

    def mine(self, blocks: int) -> None:
        self.swarm.chain.mine(blocks)
        self.model.mine(blocks)

    def call(self, kind: str) -> None:
        rng, r, swarm = self.rng, self.model.round, self.swarm
        sender = rng.randrange(swarm.enrolled + 1) if rng.random() < 0.1 else self.peer()
        number = r.number if rng.random() < 0.95 else r.number + rng.choice((-1, 1))
        attempt = r.attempt if rng.random() < 0.95 else (r.attempt + 1) % 3
        if kind == "commit":
            base = self.model.base if rng.random() < 0.95 else digest("another base")
            body = (digest(f"c{rng.random()}"), rng.randint(1, 2**32 - 1), base)
            expected = self.model.commit(sender, number, *body)
            self.compare_errors(expected, lambda: swarm.send(sender, "commit", number, 0, *body))
        elif kind == "have":
            held = {i for i in range(swarm.enrolled) if rng.random() < 0.75}
            expected = self.model.have(sender, number, attempt, held)
            send = lambda: swarm.send(sender, "have", number, attempt, bits(*held))  # noqa: E731 (called once, below)
            self.compare_errors(expected, send)
        elif kind == "attest":
            lie = rng.random() < 0.35
            root = digest(f"{r.number} {rng.choice((1, 2)) if lie else 0}")
            aux = digest("aux") if rng.random() < 0.1 else bytes(32)
            expected = self.model.attest(sender, number, attempt, (root, aux))
            self.compare_errors(
                expected, lambda: swarm.send(sender, "attest", number, attempt, root, aux)
            )
        elif kind == "next":
            expected = self.model.next_attempt(sender, number, attempt)
            self.compare_errors(
                expected, lambda: swarm.send(sender, "nextAttempt", number, attempt)
            )
        elif kind == "object":
            if rng.random() < 0.6:  # doubt comes from the same few
                sender = rng.randrange(3)
            expected = self.model.objection(sender, number, attempt)
            self.compare_errors(expected, lambda: swarm.send(sender, "object", number, attempt))
        elif kind == "fault":
            self.vote_fault(sender)
        elif kind == "join":
            self.compare_errors(self.model.join(sender), lambda: swarm.send(sender, "join"))
        else:
            expected = self.model.vote_stop(sender)
            self.compare_errors(expected, lambda: swarm.send(sender, "voteStop"))

    def vote_fault(self, sender: int) -> None:
        rng, current = self.rng, self.model.round.number
        accused, kind, number = self.suspect, self.charge, 1
        if rng.random() < 0.2:  # else for the game's one cause: votes pass together
            accused = rng.randrange(self.swarm.enrolled + 1)
            kind, number = rng.randrange(4), rng.choice((0, current + 1, current, current))
        fault = (accused, kind, number)
        expected = self.model.vote_fault(sender, fault)
        evidence = digest(f"{rng.random()}")
        self.compare_errors(
            expected, lambda: self.swarm.send(sender, "voteFault", *fault, evidence)
        )
        votes, passed = self.swarm.chain.call(self.swarm.run, "faultVotes", *fault)
        assert votes == bitmap(self.model.faults.votes.get(fault, ()))
        assert passed == (fault in self.model.faults.passed)

    def idle(self) -> list[int]:
        """Who has not done yet what the phase asks for."""
        r, live = self.model.round, self.model.live()
        if r.phase == COMMIT:
            return sorted((live if r.frozen is None else live & r.frozen) - set(r.commits))
        return sorted((live & r.roster) - set(r.attests))

    def peer(self) -> int:
        """Rather one that is idle."""
        return self.rng.choice(self.idle() or range(self.swarm.enrolled))

    def compare_errors(self, expected: str | None, send: Callable[[], object]) -> None:
        try:
            send()
        except Reverted as reverted:
            assert reverted.name == expected
            self.seen[reverted.name] += 1
        else:
            assert expected is None

    def compare_views(self) -> None:
        state, view = self.swarm.chain.call(self.swarm.run, "snapshot")
        assert state == self.model.state_view(GENESIS)
        assert view == self.model.round_view(self.model.round)
        for place, name in enumerate(AVERAGES):
            before, after = self.averages[place], state[name]
            if before != after:
                self.seen[f"{name} {'rose' if after > before else 'fell'}"] += 1
            self.averages[place] = after
        if self.model.past and self.rng.random() < 0.1:
            old = self.rng.choice(self.model.past)
            assert self.swarm.round(old.number) == self.model.round_view(old)
