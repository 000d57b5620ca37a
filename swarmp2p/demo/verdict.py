"""What a run's figures mean, in one plain sentence."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Metrics = Mapping[str, Any]  # the content of metrics.json
NO_DIFFERENCE = 0.005  # a smaller gap in AUC is not worth calling a difference


def mean_figure(metrics: Metrics, side: str, figure: str) -> float | None:
    """The mean over the sites of e.g. ("alone", "auc"); None where no site has it."""
    return _mean(site[side][figure] for site in metrics["sites"])


def identical_parameters(metrics: Metrics) -> bool:
    """Whether every site left a final model and all of them are the same, byte for byte."""
    hashes = metrics["parameters_sha256"]
    return set(hashes) == _names(metrics) and len(set(hashes.values())) == 1


def parameters_clause(metrics: Metrics) -> str:
    """What became of the nodes' final parameters, to stand at the end of a sentence."""
    hashes, count = metrics["parameters_sha256"], len(metrics["sites"])
    missing = sorted(_names(metrics) - set(hashes))
    if not hashes:
        return "no node left a final model"
    if len(set(hashes.values())) > 1:
        return f"the nodes' final parameters DIFFER ({len(set(hashes.values()))} kinds)"
    if missing:
        return f"{', '.join(missing)} left no final model, the others hold identical parameters"
    return f"all {count} nodes hold identical parameters"


def headline(metrics: Metrics) -> str:
    """One sentence: did the swarm help, by how much, whom, and is the model the same everywhere."""
    alone, swarm = mean_figure(metrics, "alone", "auc"), mean_figure(metrics, "swarm", "auc")
    central, sites = metrics["central"]["auc"], metrics["sites"]
    ending = parameters_clause(metrics)
    if alone is None or swarm is None or central is None:
        return (
            "The run cannot be judged: there is no AUC for one of alone, swarm and central; "
            f"{ending}."
        )
    patients = sum(site["test"] for site in sites)
    return (
        f"{_judgement(swarm - alone)}: on the {patients} held-out patients of all hospitals its "
        f"model reaches an AUC of {swarm:.3f}, against {alone:.3f} for the average hospital alone "
        f"and {central:.3f} with all data in one place; {_gainers(sites)}, and {ending}."
    )


def _judgement(gain: float) -> str:
    if gain >= NO_DIFFERENCE:
        return "The swarm helped"
    if gain > -NO_DIFFERENCE:
        return "The swarm made no real difference"
    return "The swarm did not help"


def _gainers(sites: Sequence[Mapping[str, Any]]) -> str:
    known = [s for s in sites if s["swarm"]["auc"] is not None and s["alone"]["auc"] is not None]
    losers = [s["site"] for s in known if s["swarm"]["auc"] <= s["alone"]["auc"]]
    if not losers:
        return f"every one of the {len(known)} gains" if len(known) > 1 else "it gains"
    named = f" (not {', '.join(losers)})" if len(losers) < len(known) else ""
    return f"{len(known) - len(losers)} of {len(known)} hospitals gain{named}"


def _names(metrics: Metrics) -> set[str]:
    return {site["site"] for site in metrics["sites"]}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
