import copy
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from swarmp2p.demo.evaluate import Evaluation, SiteOutcome, build_metrics, evaluate_run
from swarmp2p.demo.hospitals import Patient, Site, choose_sites
from swarmp2p.demo.orchestrate import DemoOptions, demo_manifest
from swarmp2p.demo.rehearsal import rehearse
from swarmp2p.demo.report import write_report
from swarmp2p.demo.settings import Training
from swarmp2p.demo.table import result_sentence, result_table

MANIFEST = demo_manifest(DemoOptions(merge="median", optimiser="nesterov", encoding="int8"))
HOSTILE = "<script>alert('x')</script>\"$\\frac{"


def rounds(names: list[str]) -> list[dict[str, Any]]:
    whole = {
        "round": 1, "attempt": 0, "contributors": names, "complete": True,
        "merged_root": "ab" * 32, "seconds": 2.5,
    }  # fmt: skip
    return [whole, {**whole, "round": 2, "contributors": names[1:], "complete": False}]


@pytest.fixture
def metrics(evaluation: Evaluation, tmp_path: Path) -> dict[str, Any]:
    names = [site["site"] for site in evaluation.sites]
    return copy.deepcopy(build_metrics(MANIFEST, rounds(names), evaluation, tmp_path))


def test_evaluation__has_the_fixed_shape_and_null_where_a_class_is_missing(
    metrics: dict[str, Any],
) -> None:
    assert set(metrics) == {
        "run_id", "terms", "rounds", "sites", "central", "parameters_sha256", "out",
    }  # fmt: skip
    assert metrics["terms"] == {"merge": "median", "optimiser": "nesterov", "encoding": "int8"}
    figures = {"auc", "accuracy", "sensitivity", "specificity"}
    swiss = metrics["sites"][2]
    assert swiss["site"] == "switzerland"
    assert {key: set(swiss[key]) for key in ("alone", "swarm")} == {
        "alone": figures, "swarm": figures,
    }  # fmt: skip
    assert swiss["own"]["swarm"]["auc"] is None  # its only control is in training
    assert swiss["own"]["swarm"]["specificity"] is None
    assert swiss["own"]["swarm"]["sensitivity"] is not None
    assert len(set(metrics["parameters_sha256"].values())) == 1


def test_evaluation__a_site_without_a_model_has_no_figures_and_no_hash(
    sites: tuple[Site, ...],
) -> None:
    training = Training(rounds=1)
    outcomes = {**rehearse(sites, training), "va": SiteOutcome(None)}
    found = evaluate_run(sites, outcomes, training)
    assert set(found.sites[3]["swarm"].values()) == {None}
    assert "va" not in found.parameters_sha256
    assert found.curves.rounds == (1,)


def test_rehearsal__one_step_a_round_is_training_on_all_data(
    patients: Sequence[Patient],
) -> None:
    sites = choose_sites(patients, 3, seed=0)  # weights under the cap, so the mean is exact
    training = Training(rounds=5, local_steps=1)
    found = evaluate_run(sites, rehearse(sites, training), training)
    central = [value for value in found.curves.loss["central"] if value is not None]
    assert found.curves.loss["swarm"] == pytest.approx(central, abs=1e-6)


def test_report__needs_nothing_but_itself(
    metrics: dict[str, Any], evaluation: Evaluation, tmp_path: Path
) -> None:
    write_report(tmp_path, metrics, evaluation.curves)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert re.findall(r'src="([^,]*),', page) == ["data:image/png;base64"] * 2
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    for word in ("median", "nesterov", "int8"):
        assert f"<code>{word}</code>" in page
    assert "without cleveland" in page  # the partial round says who was missing
    assert result_sentence(metrics).split(":")[0] in page


def test_report__escapes_hostile_names_everywhere(
    metrics: dict[str, Any], evaluation: Evaluation, tmp_path: Path
) -> None:
    metrics["sites"][0]["site"] = HOSTILE
    hashes = metrics["parameters_sha256"]
    hashes[HOSTILE] = hashes.pop("cleveland")
    metrics["rounds"][0]["contributors"] = [HOSTILE]
    metrics["rounds"][0]["merged_root"] = metrics["run_id"] = HOSTILE
    metrics["terms"] = dict.fromkeys(metrics["terms"], HOSTILE)
    write_report(tmp_path, metrics, evaluation.curves)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 5


def test_sentence__says_what_happened_also_when_the_swarm_does_not_help(
    metrics: dict[str, Any],
) -> None:
    assert result_sentence(metrics).startswith("The swarm helped: on the 185 held-out patients")
    assert result_sentence(metrics).endswith("all 4 nodes hold identical parameters.")
    for site in metrics["sites"]:
        site["swarm"]["auc"] = site["alone"]["auc"] - 0.02
    assert result_sentence(metrics).startswith("The swarm did not help:")
    for site in metrics["sites"]:
        site["swarm"]["auc"] = site["alone"]["auc"] + 0.001
    assert result_sentence(metrics).startswith("The swarm made no real difference:")
    metrics["central"]["auc"] = None
    assert result_sentence(metrics).startswith("The run cannot be judged:")


def test_sentence__says_when_models_differ_or_are_missing(metrics: dict[str, Any]) -> None:
    metrics["parameters_sha256"]["va"] = "00"
    assert "the nodes' final parameters DIFFER (2 kinds)" in result_sentence(metrics)
    del metrics["parameters_sha256"]["va"]
    assert "va left no final model" in result_sentence(metrics)
    metrics["parameters_sha256"].clear()
    assert "no node left a final model" in result_sentence(metrics)


def test_table__fits_80_columns_and_shows_markup_in_names_as_text(metrics: dict[str, Any]) -> None:
    metrics["sites"][0]["site"] = "[b]x[/b]"
    console = Console(width=80)
    with console.capture() as capture:
        console.print(result_table(metrics))
    text = capture.get()
    assert "[b]x[/b]" in text
    assert "patients" in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80


def test_report__draws_curves_with_gaps_and_without_rounds(
    metrics: dict[str, Any], evaluation: Evaluation, tmp_path: Path
) -> None:
    curves = replace(evaluation.curves, rounds=(), auc={}, loss={})
    metrics["rounds"] = []
    for site in metrics["sites"]:
        site["swarm"] = dict.fromkeys(site["swarm"])
    metrics["central"] = dict.fromkeys(metrics["central"])
    write_report(tmp_path, metrics, curves)
    assert (tmp_path / "report.html").exists()
