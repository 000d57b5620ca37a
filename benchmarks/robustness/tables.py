"""From scores to tables and to the two figures of SECURITY.md."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from robustness.arena import Score, Setting
from robustness.attacks import ATTACKS, UNTARGETED, faults

MAX_COST = 0.01  # of the default rule against the mean, no attack
MAX_FALL = 0.08  # of the default rule under the worst untargeted attack
DEFAULT = "cclip"


@dataclass(frozen=True, slots=True)
class Cell:
    """The scores of one rule under one attack, averaged over the seeds.

    accuracy_low: that of the worst seed. merged: share of the rounds that were merged. lost:
    share of the seeds in which the model blew up.
    """

    data: str
    peers: int
    partition: str
    attack: str
    rule: str
    seeds: int
    accuracy: float
    accuracy_low: float
    backdoor: float
    merged: float
    lost: float


Group = tuple[str, int, str]  # data, peers, partition


def average(played: Iterable[tuple[Setting, Mapping[str, Score]]]) -> list[Cell]:
    """One cell for each rule under each attack, in the order played."""
    found: dict[tuple[str, int, str, str, str], list[Score]] = {}
    for one, scores in played:
        for rule, score in scores.items():
            key = (one.data, one.peers, one.partition, one.attack, rule)
            found.setdefault(key, []).append(score)
    return [
        Cell(
            *key,
            seeds=len(scores),
            accuracy=_mean([score.accuracy for score in scores]),
            accuracy_low=min(score.accuracy for score in scores),
            backdoor=_mean([score.backdoor for score in scores]),
            merged=_mean([score.merged for score in scores]),
            lost=_mean([score.lost for score in scores]),
        )
        for key, scores in found.items()
    ]


def groups(cells: Sequence[Cell]) -> dict[Group, dict[str, dict[str, Cell]]]:
    """(data, peers, partition) -> rule -> attack -> cell."""
    found: dict[Group, dict[str, dict[str, Cell]]] = {}
    for cell in cells:
        rules = found.setdefault((cell.data, cell.peers, cell.partition), {})
        rules.setdefault(cell.rule, {})[cell.attack] = cell
    return found


def worst(row: Mapping[str, Cell]) -> tuple[str, float] | None:
    """The untargeted attack that leaves the least accuracy, and that accuracy."""
    played = [(row[name].accuracy, name) for name in UNTARGETED if name in row]
    if not played:
        return None
    accuracy, name = min(played)
    return name, accuracy


def heading(group: Group) -> str:
    """What the rows of a table have in common."""
    data, peers, partition = group
    dealt = partition if partition in ("iid", "natural") else f"Dirichlet {partition}"
    return f"{data}, {peers} sites, {faults(peers)} bad, {dealt}"


def columns(cells: Sequence[Cell]) -> list[str]:
    """The attacks played, in their usual order."""
    played = {cell.attack for cell in cells}
    return [name for name in ATTACKS if name in played]


def line(row: Mapping[str, Cell], attacks: Sequence[str]) -> list[str]:
    """Accuracy in per cent under each attack; under a targeted one its success after a slash."""
    parts = [_entry(row[name]) for name in attacks]
    found = worst(row)
    return [*parts, f"{100 * found[1]:.1f}" if found else ""]


def overview(cells: Sequence[Cell]) -> list[str]:
    """For each data set one Markdown table: accuracy without attack and under the worst one."""
    found = groups(cells)
    lines = []
    for data in dict.fromkeys(group[0] for group in found):
        mine = {group: rules for group, rules in found.items() if group[0] == data}
        heads = " | ".join(f"{peers}, {partition}" for _, peers, partition in mine)
        lines += ["", f"### {data}: without attack / worst untargeted attack", ""]
        lines += [f"| rule \\ sites, partition | {heads} |", "|---|" + "---:|" * len(mine)]
        for rule in max(mine.values(), key=len):  # of 3 sites `strict` has no row
            pairs = [_calm_and_worst(rules.get(rule, {})) for rules in mine.values()]
            lines.append(f"| `{rule}` | " + " | ".join(pairs) + " |")
    return lines


def print_tables(cells: Sequence[Cell], console: Console) -> None:
    """One table for each data set, number of sites and partition."""
    attacks = columns(cells)
    for group, rules in groups(cells).items():
        table = Table(title=heading(group), title_justify="left")
        table.add_column("rule", no_wrap=True)
        for name in (*attacks, "worst"):
            table.add_column(name, justify="right")
        for rule, row in rules.items():
            table.add_row(rule, *line(row, attacks))
        console.print(table)


def markdown(cells: Sequence[Cell], command: str) -> str:
    """The same tables, and the command that makes them."""
    attacks = columns(cells)
    lines = [
        f"`{command}`: mean of {cells[0].seeds} seeds.",
        "Accuracy in per cent on held-out rows; after a slash the trigger's success, planted",
        "(`backdoor`) or by itself (`none`). `worst`: the least over the untargeted attacks.",
        "`void`: no round was merged.",
        *overview(cells),
    ]
    for group, rules in groups(cells).items():
        lines += ["", f"### {heading(group)}", ""]
        lines.append("| rule | " + " | ".join((*attacks, "worst")) + " |")
        lines.append("|---|" + "---:|" * (len(attacks) + 1))
        for rule, row in rules.items():
            lines.append(f"| `{rule}` | " + " | ".join(line(row, attacks)) + " |")
    return "\n".join(lines) + "\n"


def verdicts(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Whether the default rule keeps its two promises, setting by setting.

    cost: without attack at most one point of accuracy below the weighted mean. fall: for 8 sites or
    more at Dirichlet 0.5, the worst untargeted attack at most 8 points below no attack.
    """
    found: list[dict[str, Any]] = []
    for group, rules in groups(cells).items():
        default, mean = rules.get(DEFAULT), rules.get("mean")
        if default is None or "none" not in default:
            continue
        calm = default["none"].accuracy
        if mean is not None and "none" in mean:
            cost = mean["none"].accuracy - calm
            found.append(_verdict("cost", group, cost, MAX_COST, "none"))
        hardest = worst(default)
        if hardest is not None and group[1] >= 8 and group[2] == "0.5":
            found.append(_verdict("fall", group, calm - hardest[1], MAX_FALL, hardest[0]))
    return found


def print_verdicts(found: Sequence[Mapping[str, Any]], console: Console) -> None:
    """One line for each promise and setting."""
    for one in found:
        word = "met" if one["met"] else "MISSED"
        console.print(
            f"{DEFAULT} {one['promise']}: {one['points']:.1f} points (at most {one['limit']:.0f}) "
            f"{word}: {one['setting']}, attack {one['attack']}"
        )


def to_json(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """The cells as plain values."""
    return [asdict(cell) for cell in cells]


def _verdict(promise: str, group: Group, lost: float, limit: float, attack: str) -> dict[str, Any]:
    return {
        "promise": promise,
        "setting": heading(group),
        "points": 100 * lost,
        "limit": 100 * limit,
        "met": lost <= limit,
        "attack": attack,
    }


def _calm_and_worst(row: Mapping[str, Cell]) -> str:
    calm = f"{100 * row['none'].accuracy:.1f}" if "none" in row else "-"
    found = worst(row)
    return f"{calm} / {100 * found[1]:.1f}" if found else calm


def _entry(cell: Cell) -> str:
    text = "void" if cell.merged == 0 else f"{100 * cell.accuracy:.1f}"
    if ATTACKS[cell.attack].targeted or cell.attack == "none":
        text += f" / {100 * cell.backdoor:.0f}"
    return text


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
