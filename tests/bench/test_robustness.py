"""The robustness matrix, tiny: its attacks do what they say, and its tables have every cell."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from robustness import tables
from robustness.arena import RULES, Score, Setting, play, rule_of
from robustness.attacks import ATTACKS, UNTARGETED, Scene, faults, flip_labels, plant_backdoor
from robustness.data import MIN_ROWS, PARTITIONS, Task, deal, has_partition, load_task
from robustness.model import Model, Rows, pad, train

from swarmp2p.demo.features import inputs
from swarmp2p.demo.hospitals import choose_sites, load_patients
from swarmp2p.demo.model import initial_params, local_steps
from swarmp2p.merge.rules import merge, rule_names

SCRIPT = Path(__file__).parent.parent.parent / "benchmarks" / "robustness.py"
BAD = (1, 4)


def scene(seed: int = 0) -> Scene:
    rng = np.random.default_rng(seed)
    deltas = (1 + rng.normal(0, 0.3, (6, 40))).astype(np.float32)
    return Scene(deltas, BAD, rng)


def crafted(name: str, one: Scene) -> np.ndarray:
    found = ATTACKS[name].craft(one)
    assert found is not None
    assert found.shape == (len(BAD), 40)
    assert found.dtype == np.float32
    return found


@pytest.fixture(scope="module")
def heart() -> Task:
    return load_task("heart", 4, 0)


@pytest.mark.parametrize(
    ("name", "factor"), [("sign flip", -1), ("sign flip x10", -10), ("scale 1000", 1000)]
)
def test_scaling__is_of_the_attackers_own_delta(name: str, factor: float) -> None:
    one = scene()
    assert (crafted(name, one) == np.float32(factor) * one.deltas[list(BAD)]).all()


def test_alie__stays_within_the_honest_spread() -> None:
    one = scene()
    sent, honest = crafted("alie", one), one.honest.astype(np.float64)
    assert (sent[0] == sent[1]).all()
    np.testing.assert_allclose((honest.mean(0) - sent[0]) / honest.std(0), 1.5, rtol=1e-4)


@pytest.mark.parametrize(("name", "turns"), [("ipm .5", False), ("ipm 4", True)])
def test_ipm__turns_the_mean_around_when_it_is_long_enough(name: str, turns: bool) -> None:  # noqa: FBT001
    one = scene()
    sent, honest = crafted(name, one), one.honest.mean(axis=0)
    assert float(sent[0] @ honest) < 0
    everyone = np.concatenate([one.honest, sent]).mean(axis=0)
    assert (float(everyone @ honest) < 0) is turns


def test_gaussian__is_ten_times_as_large_as_honest_work() -> None:
    one = scene()
    ratio = np.linalg.norm(crafted("gaussian", one)) / np.linalg.norm(one.own)
    assert 7 < ratio < 13


def test_mimic__copies_one_honest_site_and_keeps_to_it() -> None:
    one = scene()
    sent = crafted("mimic", one)
    victim = one.memory["victim"]
    assert (sent == one.honest[victim]).all()
    later = scene(seed=5)
    later.memory = one.memory
    assert (crafted("mimic", later) == later.honest[victim]).all()


def test_nan__is_absent_and_none_has_no_bad_site() -> None:
    assert ATTACKS["nan"].craft(scene()) is None
    assert not ATTACKS["none"].present
    assert set(UNTARGETED) == set(ATTACKS) - {"none", "nan", "backdoor"}
    assert [faults(peers) for peers in (3, 4, 8, 16)] == [1, 1, 2, 4]


def test_poison__flips_every_label_or_stamps_every_second_row(heart: Task) -> None:
    x, y = heart.train[0][:10], heart.train[1][:10]
    before = x.copy()
    same, flipped = flip_labels(x, y, 2, heart.trigger)
    assert (same == x).all()
    assert (flipped == 1 - y).all()
    stamped, labels = plant_backdoor(x, y, 2, heart.trigger)
    assert (x == before).all()
    assert (labels[::2] == heart.trigger.target).all()
    assert (labels[1::2] == y[1::2]).all()
    columns = list(heart.trigger.columns)
    assert (stamped[::2, columns] == np.float32(heart.trigger.values)).all()
    assert (stamped[1::2] == x[1::2]).all()


@pytest.mark.parametrize(
    ("name", "partition"),
    [each for each in product(["digits", "heart"], PARTITIONS) if has_partition(*each)],
)
def test_deal__gives_every_row_to_one_site(name: str, partition: str) -> None:
    task = load_task(name, 8, 0)
    sites = deal(task, 8, partition, 0)
    assert sorted(np.concatenate(sites).tolist()) == list(range(len(task.train[1])))
    assert min(len(site) for site in sites) >= MIN_ROWS


def test_heart__takes_the_demos_very_steps(heart: Task) -> None:
    site = choose_sites(load_patients(), 4, 0)[0]
    x, y = inputs(site.train)
    demo = local_steps(initial_params(), x, y, steps=10, learning_rate=0.3)
    rows = pad([(x.astype(np.float32), y.astype(np.int64))], 2)
    start = heart.model.initial(np.random.default_rng(0))[np.newaxis]
    trained = train(heart.model, start, rows, np.random.default_rng(0))[0, 0]
    ((weights, bias),) = heart.model.layers(trained)
    np.testing.assert_allclose(weights[:, 1] - weights[:, 0], demo["weight"], atol=1e-5)
    np.testing.assert_allclose(bias[0, 1] - bias[0, 0], demo["bias"][0], atol=1e-5)


def test_training__follows_the_gradient_of_the_cross_entropy() -> None:
    rng = np.random.default_rng(3)
    model = Model((5, 4, 3), rounds=1, steps=1, batch=None, rate=1.0)
    y = rng.integers(0, 3, 7)
    x = rng.normal(size=(7, 5))
    rows = pad([(x, y)], 3)
    start = model.initial(rng)
    step = start - train(model, start[np.newaxis], rows, rng)[0, 0]

    def loss(params: np.ndarray) -> float:
        scores = model.scores(params.astype(np.float64), x)
        return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(7), y]))

    for place in range(model.size):
        nudge = np.zeros(model.size)
        nudge[place] = 1e-5
        slope = (loss(start + nudge) - loss(start - nudge)) / 2e-5
        assert abs(slope - step[place]) < 1e-3


def test_rows__are_drawn_from_their_own_site() -> None:
    rows = Rows(np.arange(6.0).reshape(2, 3, 1), np.zeros((2, 3, 2)), np.array([1, 3]))
    x, _, weight = rows.drawn(50, np.random.default_rng(0))
    assert set(x[0].ravel()) == {0.0}
    assert set(x[1].ravel()) == {3.0, 4.0, 5.0}
    assert weight.sum(axis=1).tolist() == pytest.approx([1.0, 1.0])


def test_scale_1000__moves_the_mean_and_not_cclip() -> None:
    one = scene()
    base = np.zeros(40, np.float32)
    attacked = one.deltas.copy()
    attacked[list(BAD)] = crafted("scale 1000", one)

    def moved(rule: str) -> float:
        calm, hit = (
            merge(list(rows), base, [10] * 6, rule_of(rule)).vector
            for rows in (one.deltas, attacked)
        )
        return float(np.linalg.norm(hit - calm) / np.linalg.norm(one.honest, axis=1).mean())

    assert moved("mean") > 100
    assert moved("cclip") < 0.5


def test_play__scores_every_rule_that_takes_so_few_sites() -> None:
    calm = play(Setting("heart", 3, "natural", "none", 0))
    assert set(calm) == set(RULES) - {"strict"}
    assert set(rule_names()) <= set(RULES)
    absent = play(Setting("heart", 3, "natural", "nan", 0), ("mean", "trimmed_mean"))
    assert (absent["mean"].merged, absent["trimmed_mean"].merged) == (1, 0)


def test_backdoor__is_planted_through_the_mean() -> None:
    task = Setting("digits", 4, "iid", "backdoor", 0)
    score = play(task, ("mean",))["mean"]
    assert score.accuracy > 0.9
    assert score.backdoor > 0.9
    assert play(Setting("digits", 4, "iid", "none", 0), ("mean",))["mean"].backdoor < 0.1


def cells(accuracy: dict[str, dict[str, float]]) -> list[tables.Cell]:
    return tables.average(
        (Setting("digits", 8, "0.5", attack, 0), {rule: Score(value)})
        for rule, row in accuracy.items()
        for attack, value in row.items()
    )


def test_verdicts__compare_the_default_with_the_mean_and_with_itself() -> None:
    found = tables.verdicts(
        cells({"mean": {"none": 0.9}, "cclip": {"none": 0.885, "alie": 0.8, "mimic": 0.85}})
    )
    assert [(one["promise"], round(one["points"], 6), one["met"]) for one in found] == [
        ("cost", 1.5, False),
        ("fall", 8.5, False),
    ]
    assert found[1]["attack"] == "alie"


@pytest.mark.live
def test_script__writes_every_cell(tmp_path: Path) -> None:
    asked = ["--data", "heart", "--peers", "4", "--partition", "natural", "--seeds", "1"]
    rules, attacks = ["mean", "cclip:1.5"], ["none", "scale 1000"]
    out = ["--json", tmp_path / "f.json", "--markdown", tmp_path / "f.md", "--jobs", "1"]
    subprocess.run(
        [sys.executable, SCRIPT, *asked, "--rule", *rules, "--attack", *attacks, *out],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    record = json.loads((tmp_path / "f.json").read_text())
    assert {(one["rule"], one["attack"]) for one in record["cells"]} == {
        (rule, attack) for rule in rules for attack in attacks
    }
    text = (tmp_path / "f.md").read_text()
    assert "### heart, 4 sites, 1 bad, natural" in text
    assert all(f"| `{rule}` |" in text for rule in rules)
