"""The simulator's contract behaves as the model that the Solidity contract is held against."""

from random import Random

import pytest
from contract_model import ATTEMPT, COMMIT, ModelRun, ModelTerms, bitmap

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.sim.contract import RunContract
from swarmp2p.sim.numbers import ContractTerms

GENESIS = b"g" * 32
ROOTS = [bytes([n]) * 32 for n in range(1, 4)]
PHASES = {0: "COMMIT", 1: "ATTEMPT", 2: "SEALED", 3: "VOID"}


class Pair:
    """Both under the same calls."""

    def __init__(self, seed):
        self.rng = rng = Random(seed)
        enrolled, owner, last = rng.randint(2, 8), rng.choice((0, 0, 2, 3)), rng.choice((3, 6))
        windows = {"commit_blocks": 2, "exchange_blocks": 2, "lo": 2, "hi": rng.choice((4, 60))}
        depth = rng.choice((0, 1))
        terms = ModelTerms(**windows, depth=depth, owner_minimum=owner, last_round=last)
        self.model = ModelRun(terms, enrolled, 1, GENESIS)
        self.live = set(range(enrolled))
        mine = ContractTerms(**windows, depth=depth, min_peers=owner, last_round=last)
        self.ours = RunContract(mine, self.live)
        self.ours.tick()  # a block number of 0 means: has not happened
        self.ours.genesis(GENESIS, owner=True)
        self.taken = set()

    def both(self, expected, call):
        """The model's outcome is known; ours must be the same."""
        try:
            call()
        except TransactionRevertedError as error:
            assert expected is not None, error
        else:
            assert expected is None

    def step(self):  # noqa: C901 - one branch for each kind of call
        rng, model, ours = self.rng, self.model, self.ours
        r = model.round
        peer = rng.randrange(len(model.enrolled) + 1)
        number = r.number if rng.random() < 0.95 else r.number + 1
        likely = {COMMIT: ["commit"] * 6, ATTEMPT: ["attest"] * 5 + ["have"] * 4}
        rare = ["join", "stop", "revoke", "enrol", "commit", "attest", "have"]
        kind = rng.choice(likely.get(r.phase, []) + ["mine"] * 4 + ["next", rng.choice(rare)])
        self.taken.add(kind)
        if kind == "mine":
            for _ in range(rng.choice((1, 1, 2, 7))):
                model.mine(1)
                ours.tick()
        elif kind == "enrol" and len(model.enrolled) < 10:
            newcomer = len(model.enrolled)
            model.enrol(newcomer)
            self.live.add(newcomer)
            ours.roster_changed()
        elif kind == "revoke" and rng.random() < 0.3 and peer in self.live:
            model.revoke(peer)
            self.live.discard(peer)
            ours.roster_changed()
        elif kind == "join":
            self.both(model.join(peer), lambda: ours.join(peer))
        elif kind == "stop" and rng.random() < 0.3:
            self.both(model.vote_stop(peer), lambda: ours.vote_stop(peer))
        elif kind == "commit":
            base = model.base if rng.random() < 0.95 else b"x" * 32
            body = (ROOTS[0], rng.randint(1, 99), base)
            expected = model.commit(peer, number, *body)
            self.both(expected, lambda: ours.commit(peer, number, *body))
        elif kind == "have":
            held = {i for i in range(10) if rng.random() < 0.7}
            expected = model.have(peer, number, r.attempt, held)
            self.both(expected, lambda: ours.have(peer, number, r.attempt, bitmap(held)))
        elif kind == "attest":
            root = rng.choice([ROOTS[0]] * 5 + ROOTS)
            expected = model.attest(peer, number, r.attempt, (root, bytes(32)))
            attempt = r.attempt
            self.both(expected, lambda: ours.attest(peer, number, attempt, root, bytes(32)))
        elif kind == "next":
            attempt = r.attempt
            expected = model.next_attempt(peer, number, attempt)
            self.both(expected, lambda: ours.next_attempt(peer, number, attempt))
        self.compare()

    def compare(self):
        model, ours = self.model, self.ours
        r, view = model.round, ours.view()
        theirs = model.round_view(r)
        assert view.round == theirs["round"]
        assert view.phase.name == PHASES[theirs["phase"]]
        for name, field in {
            "attempt": "attempt",
            "openedBlock": "opened_block",
            "frozenBlock": "frozen_block",
            "commitDeadline": "commit_deadline",
            "closedBlock": "closed_block",
            "startedBlock": "started_block",
            "exchangeDeadline": "exchange_deadline",
            "lastPost": "last_post",
            "endedBlock": "ended_block",
            "enrolled": "enrolled",
            "minPeers": "min_peers",
            "base": "base",
            "sealedRoot": "sealed_root",
        }.items():
            assert getattr(view, field) == theirs[name], name
        assert bitmap(view.roster) == theirs["roster"]
        assert bitmap(view.commits) == theirs["commitBits"]
        assert bitmap(view.attests) == theirs["attestBits"]
        assert bitmap(ours.active()) == bitmap(model.active())
        assert (ours.finished, ours.stopped) == (model.finished, model.stopped)
        assert (ours.last_root, ours.voids) == (model.base, model.voids)
        assert ours.commit_average == model.to_commits.value
        assert ours.exchange_average == model.to_seal.value


@pytest.mark.parametrize("seed", range(120))
def test_the_memory_contract__equals_the_model_under_random_calls(seed):
    pair = Pair(seed)
    for _ in range(300):
        pair.step()
    assert len(pair.taken) >= 7
