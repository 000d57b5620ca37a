"""The result of a run for the terminal."""

from collections.abc import Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from swarmp2p.demo.verdict import NO_DIFFERENCE, Metrics, headline, mean_figure

_FIGURES = {"auc": "AUC", "accuracy": "accuracy", "sensitivity": "sens.", "specificity": "spec."}


def result_sentence(metrics: Metrics) -> str:
    """What the result means, in one sentence."""
    return headline(metrics)


def result_table(metrics: Metrics) -> Table:
    """One row per site, "alone > swarm", on all held-out patients; then mean and pooled data.

    It fits 80 columns where site names have at most 12 letters.
    """
    table = Table(
        title="Cases among patients; judged on all held-out patients (alone > swarm)",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
    )
    table.add_column("site", overflow="fold")
    table.add_column("cases", justify="right", no_wrap=True)
    for title in _FIGURES.values():
        table.add_column(title, justify="right", no_wrap=True)
    for site in metrics["sites"]:
        cells = [_pair(site["alone"][key], site["swarm"][key]) for key in _FIGURES]
        patients = f"{site['cases']}/{site['train'] + site['test']}"
        table.add_row(Text(site["site"]), patients, *cells)
    table.add_section()
    total = sum(site["train"] + site["test"] for site in metrics["sites"])
    means = [
        _pair(mean_figure(metrics, "alone", key), mean_figure(metrics, "swarm", key))
        for key in _FIGURES
    ]
    cases = sum(site["cases"] for site in metrics["sites"])
    table.add_row("mean", "", *means)
    table.add_row("pooled", f"{cases}/{total}", *_single(metrics["central"]))
    return table


def _pair(alone: float | None, swarm: float | None) -> Text:
    text = Text(f"{_figure(alone)} > {_figure(swarm)}")
    if alone is not None and swarm is not None and abs(swarm - alone) >= NO_DIFFERENCE:
        text.stylize("green" if swarm > alone else "red", len(_figure(alone)) + 3)
    return text


def _single(figures: Mapping[str, float | None]) -> list[str]:
    return [_figure(figures[key]) for key in _FIGURES]


def _figure(value: float | None) -> str:
    """Four characters: .873, 1.00, or a dash."""
    if value is None:
        return "   -"
    return f"{value:.3f}".removeprefix("0") if value < 0.9995 else "1.00"
