"""The report of a demo run: one HTML file that needs nothing but itself."""

import base64
import html
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swarmp2p.demo.charts import site_chart, write_learning_curves
from swarmp2p.demo.evaluate import Curves
from swarmp2p.demo.verdict import (
    Metrics,
    headline,
    identical_parameters,
    mean_figure,
    parameters_clause,
)
from swarmp2p.errors import StateError

_FIGURES = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
# Nothing is fetched and no script runs, even if a name slipped through the escaping.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(out: Path, metrics: Metrics, curves: Curves) -> None:
    """Write curves.png and report.html into `out`, each whole or not at all.

    `metrics` is the content of metrics.json. Raises StateError.
    """
    learning = write_learning_curves(out / "curves.png", curves)
    page = render(out, metrics, learning, site_chart(metrics))
    temporary = out / "report.html.part"
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(out / "report.html")
    except OSError as error:
        raise StateError(f"{out / 'report.html'}: cannot be written: {error.strerror}") from error


def render(out: Path, metrics: Metrics, learning: bytes, comparison: bytes) -> str:
    """The page. `learning` and `comparison` are PNG pictures."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    hospitals = len(metrics["sites"])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>swarmp2p demo: {hospitals} hospitals</title>
<style>
{style}</style>
</head>
<body>
<main>
<header>
<p class="kicker">swarmp2p demo &middot; heart disease</p>
<h1>{hospitals} hospitals, one model, no data moved</h1>
<p class="lead">{_text(headline(metrics))}</p>
</header>
{_tiles(metrics)}
{_site_section(metrics)}
{_picture_section("Site by site", comparison, "AUC and accuracy per site, alone and in the swarm")}
{_picture_section("Learning", learning, "AUC and loss after each round: alone, swarm, central")}
{_round_section(metrics)}
{_model_section(metrics)}
{_audit_section(out, metrics)}
<footer>{_FOOTER}</footer>
</main>
</body>
</html>
"""


_FOOTER = (
    "This is one split of the patients; another seed gives other figures, by a few hundredths for "
    "a small site. The demo shows how the protocol works. It is no medical device and its model "
    "is not fit for diagnosis."
)


def _tiles(metrics: Metrics) -> str:
    rounds = metrics["rounds"]
    complete = sum(1 for one in rounds if one["complete"])
    same = "identical" if identical_parameters(metrics) else "not identical"
    tiles = [
        ("AUC, swarm", _figure(mean_figure(metrics, "swarm", "auc")), "the merged model"),
        ("AUC, alone", _figure(mean_figure(metrics, "alone", "auc")), "mean of the hospitals"),
        ("AUC, pooled data", _figure(metrics["central"]["auc"]), "the reference"),
        ("Rounds sealed", str(len(rounds)), f"{complete} with every hospital in it"),
        ("Final models", same, f"at {len(metrics['parameters_sha256'])} nodes"),
    ]
    cells = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}<small>{_text(note)}</small></dd></div>"
        for name, value, note in tiles
    )
    return f'<dl class="tiles">{cells}</dl>'


def _site_section(metrics: Metrics) -> str:
    groups = "".join(
        f'<th class="group start" colspan="2">{name}</th>' for name in _FIGURES.values()
    )
    heads = '<th class="start">alone</th><th>swarm</th>' * len(_FIGURES)
    rows = "".join(_site_row(site) for site in metrics["sites"])
    means = "".join(
        _pair(mean_figure(metrics, "alone", key), mean_figure(metrics, "swarm", key))
        for key in _FIGURES
    )
    central = "".join(
        f'<td class="start" colspan="2">{_figure(metrics["central"][key])}</td>' for key in _FIGURES
    )
    counts = [sum(site[key] for site in metrics["sites"]) for key in ("train", "test", "cases")]
    totals = "".join(f"<td>{count}</td>" for count in counts)
    return f"""<section>
<h2>Each hospital, alone and in the swarm</h2>
<div class="scroll"><table>
<thead>
<tr><th></th><th class="group" colspan="3">Patients</th>{groups}</tr>
<tr><th>Site</th><th>training</th><th>held out</th><th>diseased</th>{heads}</tr>
</thead>
<tbody>
{rows}
<tr class="total"><td class="site">Mean of the sites</td><td></td><td></td><td></td>{means}</tr>
<tr class="total"><td class="site">All data in one place</td>{totals}{central}</tr>
</tbody>
</table></div>
<p class="note">Every model is judged on the same patients: those that all hospitals together held
out of training. Every model took as many steps, with the same learning rate. AUC is the chance that
a patient with disease is ranked above one without; sensitivity is the share of patients with
disease who are found, specificity the share of the others who are left in peace, both at a
probability of one half.</p>
{_own_table(metrics["sites"])}
</section>"""


def _site_row(site: Mapping[str, Any]) -> str:
    figures = "".join(_pair(site["alone"][key], site["swarm"][key]) for key in _FIGURES)
    return (
        f'<tr><td class="site">{_text(site["site"])}</td><td>{site["train"]}</td>'
        f"<td>{site['test']}</td><td>{site['cases']}</td>{figures}</tr>"
    )


def _own_table(sites: Sequence[Mapping[str, Any]]) -> str:
    """The same figures on each site's own held-out patients, folded away."""
    groups = "".join(
        f'<th class="group start" colspan="2">{name}</th>' for name in _FIGURES.values()
    )
    heads = '<th class="start">alone</th><th>swarm</th>' * len(_FIGURES)
    rows = "".join(
        f'<tr><td class="site">{_text(site["site"])}</td><td>{site["test"]}</td>'
        + "".join(_pair(site["own"]["alone"][key], site["own"]["swarm"][key]) for key in _FIGURES)
        + "</tr>"
        for site in sites
    )
    return f"""<details>
<summary>On each hospital's own held-out patients only</summary>
<div class="scroll"><table>
<thead><tr><th></th><th></th>{groups}</tr><tr><th>Site</th><th>held out</th>{heads}</tr></thead>
<tbody>{rows}</tbody>
</table></div>
<p class="note">A dash means that the site held out no patient of a kind that the figure needs. With
so few patients a single one moves a figure by several hundredths.</p>
</details>"""


def _picture_section(title: str, picture: bytes, description: str) -> str:
    data = base64.b64encode(picture).decode("ascii")
    return (
        f"<section>\n<h2>{_text(title)}</h2>\n"
        f'<img alt="{_text(description)}" src="data:image/png;base64,{data}">\n</section>'
    )


def _round_section(metrics: Metrics) -> str:
    everyone = [site["site"] for site in metrics["sites"]]
    rows = "".join(_round_row(one, everyone) for one in metrics["rounds"])
    terms = metrics["terms"]
    return f"""<section>
<h2>Rounds</h2>
<div class="scroll"><table>
<thead><tr><th>Round</th><th>Attempt</th><th class="text">Contributors</th>
<th class="text">Outcome</th>
<th>Seconds</th><th class="text">Merged root</th></tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
<p class="note">A round is complete when every enrolled hospital contributed. A partial one says who
was missing; nobody is left out in silence.</p>
<p class="note">Merge rule <code>{_text(terms["merge"])}</code>, server optimiser
<code>{_text(terms["optimiser"])}</code>, updates encoded as
<code>{_text(terms["encoding"])}</code>.</p>
</section>"""


def _round_row(one: Mapping[str, Any], everyone: Sequence[str]) -> str:
    missing = [name for name in everyone if name not in one["contributors"]]
    tag = '<span class="tag good">complete</span>'
    if not one["complete"]:
        without = f" without {', '.join(missing)}" if missing else ""
        tag = f'<span class="tag bad">partial</span>{_text(without)}'
    root = str(one["merged_root"])
    return (
        f"<tr><td>{_text(one['round'])}</td><td>{_text(one['attempt'])}</td>"
        f'<td class="text wrap">{_text(", ".join(one["contributors"]))}</td>'
        f'<td class="text wrap">{tag}</td><td>{float(one["seconds"]):.1f}</td>'
        f'<td class="text"><code title="{_text(root)}">{_text(root[:16])}&hellip;</code></td></tr>'
    )


def _model_section(metrics: Metrics) -> str:
    clause = parameters_clause(metrics)
    rows = "".join(
        f'<tr><td class="site">{_text(name)}</td><td class="text wrap"><code>{_text(digest)}</code>'
        "</td></tr>"
        for name, digest in sorted(metrics["parameters_sha256"].items())
    )
    return f"""<section>
<h2>Final parameters</h2>
<p class="note">SHA-256 of each node's final model: {_text(clause)}.</p>
<div class="scroll"><table>
<thead><tr><th>Site</th><th class="text">SHA-256</th></tr></thead>
<tbody>{rows}</tbody>
</table></div>
</section>"""


def _audit_section(out: Path, metrics: Metrics) -> str:
    receipts = len(list((out / "receipts").glob("*.json")))
    command = f"swarmp2p audit {shlex.quote(str(metrics['out']))}"
    return f"""<section>
<h2>Check it yourself</h2>
<p>An auditor needs no trust in the nodes. From the chain's log and the updates the nodes keep, this
command does the merge of every round again, and must get the same bits:</p>
<pre>{_text(command)}</pre>
<div class="scroll"><table>
<tbody>
<tr><td class="text"><code>ledger.jsonl</code></td><td class="text wrap">the chain: who was
enrolled, what each committed to, who attested which merged root</td></tr>
<tr><td class="text"><code>receipts/</code></td><td class="text wrap">{receipts} signed receipts,
one per node and round: contributors, weights, merged root, complete or partial</td></tr>
<tr><td class="text"><code>metrics.json</code></td><td class="text wrap">the figures on this
page</td></tr>
<tr><td class="text"><code>nodes/</code></td><td class="text wrap">each node's own rows, log and
final model; no node's folder holds another's rows</td></tr>
</tbody>
</table></div>
<p class="note">Run <code>{_text(metrics["run_id"])}</code></p>
</section>"""


def _pair(alone: float | None, swarm: float | None) -> str:
    return f'<td class="start">{_figure(alone)}</td><td class="swarm">{_figure(swarm)}</td>'


def _figure(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.3f}"


def _text(value: object) -> str:
    """A value as text of a page or of an attribute in double quotes."""
    return html.escape(str(value), quote=True)
