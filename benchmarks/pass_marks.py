"""Does the swarm keep its promise on the four hospitals? Trains as the demo does, over many seeds.

    python benchmarks/pass_marks.py [--seeds 20] [--json FILE]

Pass marks, for the rule `mean`: |central - swarm| AUC at most .01, taken per seed and averaged; the
swarm's AUC above the mean isolated site's in at least 95 % of the seeds; its mean accuracy at least
central's less .01.
`cclip` stands beside it for comparison. Exit 1 when a mark is missed.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from swarmp2p.demo.evaluate import evaluate_run
from swarmp2p.demo.hospitals import choose_sites, load_patients
from swarmp2p.demo.rehearsal import rehearse
from swarmp2p.demo.settings import Training

RULES: dict[str, dict[str, float]] = {"mean": {}, "cclip": {"radius": 2.0}}
FIGURES = ("auc", "accuracy", "sensitivity", "specificity")
MAX_AUC_GAP, MIN_WINS, MAX_ACCURACY_LOSS = 0.01, 0.95, 0.01
PEERS = 4


def one_seed(seed: int, training: Training) -> dict[str, dict[str, float]]:
    """The figures of every model on that seed's held-out patients: alone-SITE, central, RULE."""
    sites = choose_sites(load_patients(), PEERS, seed)
    models: dict[str, dict[str, float]] = {}
    for rule, params in RULES.items():
        evaluation = evaluate_run(sites, rehearse(sites, training, rule, params), training)
        models[rule] = _whole(evaluation.sites[0]["swarm"])
        models["central"] = _whole(evaluation.central)
        for row in evaluation.sites:
            models[f"alone-{row['site']}"] = _whole(row["alone"])
    alone = [figures for name, figures in models.items() if name.startswith("alone-")]
    models["alone"] = {key: _mean([figures[key] for figures in alone]) for key in FIGURES}
    return models


def summarise(seeds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Means over the seeds, each rule against the marks."""
    names = sorted(seeds[0])
    models = {
        name: {key: _mean([models[name][key] for models in seeds]) for key in FIGURES}
        for name in names
    }
    marks = {}
    for rule in RULES:
        gap = _mean([abs(one["central"]["auc"] - one[rule]["auc"]) for one in seeds])
        wins = _mean([float(one[rule]["auc"] > one["alone"]["auc"]) for one in seeds])
        loss = models["central"]["accuracy"] - models[rule]["accuracy"]
        marks[rule] = {
            "auc_gap_to_central": gap,
            "wins_over_mean_alone": wins,
            "accuracy_loss_to_central": loss,
            "passed": gap <= MAX_AUC_GAP and wins >= MIN_WINS and loss <= MAX_ACCURACY_LOSS,
        }
    return {"models": models, "marks": marks}


def markdown(summary: dict[str, Any], seeds: int, training: Training) -> str:
    """Two tables: the figures of each model, and the marks."""
    lines = [
        f"{PEERS} hospitals, {seeds} seeds, {training.rounds} x {training.local_steps} steps",
        "",
        "| model | AUC | accuracy | sensitivity | specificity |",
        "|---|---|---|---|---|",
    ]
    for name, figures in summary["models"].items():
        lines.append(f"| {name} | " + " | ".join(f"{figures[key]:.4f}" for key in FIGURES) + " |")
    lines += [
        "",
        "| rule | AUC gap to central | above mean alone | accuracy loss to central | marks |",
        "|---|---|---|---|---|",
        f"| (mark) | <= {MAX_AUC_GAP} | >= {MIN_WINS:.0%} | <= {MAX_ACCURACY_LOSS} | |",
    ]
    for rule, mark in summary["marks"].items():
        word = "passed" if mark["passed"] else "missed"
        lines.append(
            f"| {rule} | {mark['auc_gap_to_central']:.4f} | {mark['wins_over_mean_alone']:.0%} "
            f"| {mark['accuracy_loss_to_central']:.4f} | {word} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Run, print, and judge `mean`."""
    parser = argparse.ArgumentParser(description="the demo's pass marks over many seeds")
    parser.add_argument("--seeds", type=int, default=20, help="how many, from 0 (default 20)")
    parser.add_argument("--rounds", type=int, default=Training().rounds)
    parser.add_argument("--local-steps", type=int, default=Training().local_steps)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error("--seeds must be at least 1")
    training = Training(rounds=arguments.rounds, local_steps=arguments.local_steps)
    summary = summarise([one_seed(seed, training) for seed in range(arguments.seeds)])
    print(markdown(summary, arguments.seeds, training))
    if arguments.json is not None:
        record = {"seeds": arguments.seeds, "training": training.to_options(), **summary}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0 if summary["marks"]["mean"]["passed"] else 1


def _whole(figures: dict[str, float | None]) -> dict[str, float]:
    """All four: the union of the held-out patients has cases and controls under every seed."""
    return {key: value for key, value in figures.items() if value is not None}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    sys.exit(main())
