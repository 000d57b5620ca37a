"""The report's two pictures, drawn without a display."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from swarmp2p.demo.evaluate import Curves
from swarmp2p.demo.verdict import Metrics
from swarmp2p.errors import StateError

# Told apart in colour-blindness and in grey print; central is dashed besides.
ALONE, SWARM, CENTRAL, INK, RULE = "#c8691c", "#0f5c8c", "#3c4148", "#3c4148", "#dfe3e8"
_LINES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "alone": ("alone (mean)", {"color": ALONE, "marker": "s", "markersize": 4}),
    "central": ("all data in one place", {"color": CENTRAL, "linestyle": (0, (5, 3))}),
    "swarm": ("swarm", {"color": SWARM, "marker": "o", "markersize": 4, "linewidth": 2.2}),
}
_STYLE: Any = {  # a plain dict; matplotlib types its keys one by one
    "font.family": "DejaVu Sans",  # ships with matplotlib
    "font.size": 9.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlecolor": "#1d2126",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "text.parse_math": False,  # a site's name is text, whatever it holds
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def write_learning_curves(path: Path, curves: Curves) -> bytes:
    """Draw the curves to `path` and return the PNG's bytes. Raises StateError."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 3.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_curves(left, curves.rounds, curves.auc, "AUC on all held-out patients")
        _draw_curves(right, curves.rounds, curves.loss, "Loss on all held-out patients")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        picture = _png(figure)
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}") from error
    return picture


def site_chart(metrics: Metrics) -> bytes:
    """A PNG with one row per site: alone and in the swarm, AUC and accuracy, central as a line."""
    sites = metrics["sites"]
    with mpl.rc_context(_STYLE):
        layout = ConstrainedLayoutEngine(wspace=0.06)  # keeps the two axes' last ticks apart
        figure = Figure(figsize=(9.2, 1.5 + 0.34 * len(sites)), layout=layout)
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, key, title in ((left, "auc", "AUC"), (right, "accuracy", "Accuracy")):
            _draw_sites(axes, sites, metrics["central"][key], key)
            axes.set_title(title)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        return _png(figure)


def _draw_curves(
    axes: Axes,
    rounds: Sequence[int],
    lines: Mapping[str, Sequence[float | None]],
    title: str,
) -> None:
    for key, (label, look) in _LINES.items():
        values = [float("nan") if value is None else value for value in lines.get(key, ())]
        axes.plot(list(rounds)[: len(values)], values, label=label, **look)
    axes.set_title(title)
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True, axis="y")


def _draw_sites(
    axes: Axes, sites: Sequence[Mapping[str, Any]], central: float | None, key: str
) -> None:
    rows = range(len(sites))
    alone, swarm = _column(sites, "alone", key), _column(sites, "swarm", key)
    axes.hlines(rows, alone, swarm, color=RULE, linewidth=3, zorder=1)
    axes.plot(alone, rows, "s", color=ALONE, markersize=6, label="alone")
    axes.plot(swarm, rows, "o", color=SWARM, markersize=7, label="swarm")
    if central is not None:
        look: dict[str, Any] = {"color": CENTRAL, "linestyle": (0, (5, 3)), "zorder": 0}
        axes.axvline(central, linewidth=1.2, label="all data in one place", **look)
    axes.set_yticks(list(rows), [site["site"] for site in sites])
    axes.set_ylim(len(sites) - 0.5, -0.5)
    axes.margins(x=0.08)
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)


def _column(sites: Sequence[Mapping[str, Any]], side: str, key: str) -> list[float]:
    values = [site[side][key] for site in sites]
    return [float("nan") if value is None else value for value in values]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=180, metadata={"Software": None})
    return buffer.getvalue()
