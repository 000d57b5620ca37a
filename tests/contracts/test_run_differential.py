"""Random transactions on the contract and on the model: equal errors and views at every step."""

from collections import Counter
from collections.abc import Callable
from random import Random

from contract_chain import Reverted
from contract_model import ATTEMPT, COMMIT, ModelRun, ModelTerms
from contract_swarm import GENESIS, TERMS, Swarm, bits, digest

MINIMA = (0, 0, 0, 2, 3)
STEPS = 140
PHASES = ("commit", "attempt", "sealed", "void")
AVERAGES = ("commitAverage", "exchangeAverage")
OUTCOMES = {"sealed 0", "sealed 1", "void 0", "void 1", "void 2", "stopped", "TooEarly"} | {
    *(f"{name} {way}" for name in AVERAGES for way in ("rose", "fell")),
    "AlreadyAttested",
    "AlreadyCommitted",
    "AlreadyPosted",
    "EnrolledTooLate",
    "MemberRevoked",
    "NotInRoster",
    "RunIsFinished",
    "WrongAttempt",
    "WrongBase",
    "WrongPhase",
    "WrongRound",
}


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
        )
        self.model = ModelRun(terms, swarm.enrolled, swarm.chain.block, GENESIS)
        self.seen: Counter[str] = Counter()
        self.averages = [256 * TERMS["commitBlocks"], 256 * TERMS["exchangeBlocks"]]
        self.mood = [rng.choice(("stop", "enrol", "join"))] * 8  # each game leans to one of these

    def step(self) -> None:
        """One random call or some blocks, rather likely ones that get a round on."""
        rng, r = self.rng, self.model.round
        likely = {COMMIT: ["commit"] * 6, ATTEMPT: ["attest"] * 4 + ["have"] * 4}
        rare = ["join", "stop", "revoke", "enrol", "attest", "have", "commit", *self.mood]
        kind = rng.choice(likely.get(r.phase, []) + ["mine"] * 3 + ["next", rng.choice(rare)])
        if kind == "mine":
            over = r.last_post + 1 - self.model.block  # often straight to the end of an attempt
            blocks = over if over > 0 and rng.random() < 0.3 else rng.choice((1, 1, 2, 5))
            self.swarm.chain.mine(blocks)
            self.model.mine(blocks)
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

    def call(self, kind: str) -> None:
        rng, r, swarm = self.rng, self.model.round, self.swarm
        sender = rng.randrange(swarm.enrolled + 1) if rng.random() < 0.05 else self.peer()
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
        elif kind == "join":
            self.compare_errors(self.model.join(sender), lambda: swarm.send(sender, "join"))
        else:
            expected = self.model.vote_stop(sender)
            self.compare_errors(expected, lambda: swarm.send(sender, "voteStop"))

    def peer(self) -> int:
        """Rather one who has not done yet what the phase asks for."""
        r = self.model.round
        idle = set(range(self.swarm.enrolled)) - set(r.commits if r.phase == COMMIT else r.attests)
        return self.rng.choice(sorted(idle) or range(self.swarm.enrolled))

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


def play(prepare: Callable[..., Swarm], seed: int) -> Pair:
    rng = Random(seed)
    changes = {"minPeers": rng.choice(MINIMA), "lastRound": rng.choice((0, 0, 4))}
    changes |= {"lo": rng.choice((1, 2)), "hi": rng.choice((7, 40))}
    pair = Pair(prepare(rng.randint(2, 7), **changes), changes, rng)
    for _ in range(STEPS):
        pair.step()
    return pair


def test_run__equals_the_model_under_random_calls_that_reach_every_outcome(
    swarm_of: Callable[..., Swarm],
) -> None:
    seen: Counter[str] = Counter()
    for seed in range(16):
        pair = play(swarm_of, seed)
        model = pair.model
        seen += pair.seen
        seen["stopped"] += model.stopped
        for r in [*model.past, model.round]:
            seen[f"{PHASES[r.phase]} {r.attempt}"] += 1
    reached = {name for name, times in seen.items() if times}
    assert reached >= OUTCOMES, OUTCOMES - reached
