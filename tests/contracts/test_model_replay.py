"""The model of spec/model on the compiled contract: its worlds, and its broken rules.

`MODEL_SEEDS=1000` in the environment plays so many random worlds, and a twentieth of each story.
"""

import os

import pytest
from contract_replay import (
    DivergenceError,
    compare_worlds,
    play,
    play_again,
    random_jobs,
    story_jobs,
)
from model.mutants import MUTANTS
from model.scenarios import SCENARIOS, judge, random_bounds
from model.setting import random_setting

SEEDS = int(os.environ.get("MODEL_SEEDS", "10"))
STORIES = range(max(1, SEEDS // 20))
LONG = "no exchange for 2,000 blocks, one withholder"  # its first blocks are in the mutant's test
# worlds in which a mutant differs early, where its own story does not show it or is long
SHOWN_IN = {
    "quorum floor(2n/3)": (6, SCENARIOS["reorganisations at a round's end"]),
    "holders q(n)": (212, random_bounds(random_setting(212))),
    "tally by root, without aux": (33, SCENARIOS["liars"]),
}
OF_PEERS = {"commit before the opening block is final"}


@pytest.mark.timeout(120 + 60 * SEEDS)
def test_random_worlds__are_equal_on_the_contract() -> None:
    worlds, blocks, found = compare_worlds(random_jobs(range(SEEDS)))
    assert not found, found
    assert (worlds, blocks > 50 * worlds) == (SEEDS, True)


@pytest.mark.timeout(120 + 60 * SEEDS)
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != LONG])
def test_story__is_equal_on_the_contract(name: str) -> None:
    jobs = [job for job in story_jobs(STORIES) if job[0] == name]
    worlds, blocks, found = compare_worlds(jobs)
    assert not found, found
    assert (worlds, blocks > 50 * worlds) == (len(STORIES), True)


@pytest.mark.parametrize("name", sorted(MUTANTS.keys() - OF_PEERS))
def test_broken_rule__is_none_of_the_contracts(name: str) -> None:
    """The contract leaves the mutant's way and goes the text's, under the same transactions."""
    mutant = MUTANTS[name]
    seed, world = SHOWN_IN.get(name) or (0, SCENARIOS[mutant.stories[0]])
    with pytest.raises(DivergenceError) as caught:
        play(seed, world, mutant.rules)
    same = play_again(caught.value)
    assert tuple(same.played) == caught.value.played


def test_commit_before_the_opening_block_is_final__makes_an_honest_peer_abstain() -> None:
    name = "reorganisations at a round's end"
    mutant = MUTANTS["commit before the opening block is final"]
    seed = 1580
    broken = judge(SCENARIOS[name], play(seed, SCENARIOS[name], mutant.rules))
    assert "an honest peer had to abstain: its guard row names another body" in broken
    assert judge(SCENARIOS[name], play(seed, SCENARIOS[name])) == {}


def test_divergence__names_the_difference_and_the_story() -> None:
    with pytest.raises(DivergenceError) as caught:
        play(0, SCENARIOS["late server"], MUTANTS["windows without depth"].rules)
    first, *story = str(caught.value).split("\n")
    assert "view of the round, (model, contract): {'commitDeadline': (17, 18)" in first
    assert story
    assert all("Tx(kind=" in line for line in story)
