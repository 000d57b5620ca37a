"""Patients of real hospitals, dealt out to the demo's sites.

The table that ships with the package is the UCI heart-disease set (data/ATTRIBUTION.md). The rows
kept are FLamby's choice: without the columns slope, ca and thal, then without every row that lacks
a value; a cholesterol of 0 counts as a value. That leaves 740 patients: Cleveland 303, Hungary 261,
Switzerland 46, VA Long Beach 130.
"""

import csv
import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from swarmp2p.errors import ConfigError

HEART_CSV = Path(__file__).parent / "data" / "heart_4hospitals.csv"
VALUE_COLUMNS = (
    "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak",
)  # fmt: skip
COLUMNS = ("site", *VALUE_COLUMNS, "num")  # `num` above 0 is disease; other columns are not read
CATEGORIES: dict[str, tuple[int, ...]] = {
    "sex": (0, 1),
    "cp": (1, 2, 3, 4),
    "fbs": (0, 1),
    "restecg": (0, 1, 2),
    "exang": (0, 1),
}
MIN_PEERS, MAX_PEERS = 3, 16  # fewer is no swarm; more leaves too few patients at each site
MIN_SITES = 2  # one hospital alone has nobody to learn with
MIN_SITE_ROWS = 8  # 6 to train on and 2 to hold out
_SITE_NAME = re.compile(r"[^\W_](?:[^\W_]|-){0,47}")  # it names a node and its folder


@dataclass(frozen=True, slots=True)
class Patient:
    """One complete row: `values` in the order of VALUE_COLUMNS; `line` is its line in the file."""

    site: str
    values: tuple[float, ...]
    case: bool
    line: int


@dataclass(frozen=True, slots=True)
class Site:
    """One hospital of the run: the rows it trains on and the rows held out from all training."""

    name: str
    train: tuple[Patient, ...]
    test: tuple[Patient, ...]


def load_patients(path: Path = HEART_CSV) -> tuple[Patient, ...]:
    """All complete rows of a CSV file, in its order.

    Raises ConfigError for a file that cannot be read, a missing column, a cell that is no finite
    number or no known category, a site name unfit for a node, fewer than MIN_SITES sites, or
    rows of one class only.
    """
    patients = read_patients(path)
    names = sorted({patient.site for patient in patients})
    if len(names) < MIN_SITES:
        found = f"only of site {names[0]!r}" if names else "of no site"
        raise ConfigError(
            f"{path}: complete rows {found}; the demo needs at least {MIN_SITES} distinct values "
            "in the column 'site'"
        )
    if len({name.casefold() for name in names}) < len(names):
        raise ConfigError(f"{path}: two site names differ only by case; give each its own name")
    if len({patient.case for patient in patients}) < 2:
        missing = "above 0 (disease)" if not patients[0].case else "equal to 0 (no disease)"
        raise ConfigError(f"{path}: no complete row has num {missing}; the demo needs both kinds")
    return patients


def read_patients(path: Path) -> tuple[Patient, ...]:
    """The complete rows of a file in the demo's format, a site's own rows included.

    Raises ConfigError as `load_patients` does, but asks nothing about sites and classes.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            where = _column_places(path, header)
            rows = ((reader.line_num, cells) for cells in reader if cells)
            found = (_patient(path, line, cells, header, where) for line, cells in rows)
            return tuple(patient for patient in found if patient is not None)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; expected a CSV file with the columns {', '.join(COLUMNS)}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a CSV file in UTF-8: {error}") from error


def _column_places(path: Path, header: Sequence[str]) -> dict[str, int]:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise ConfigError(
            f"{path}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}; the first "
            f"line must name the columns {', '.join(COLUMNS)} (in any order; others are ignored)"
        )
    doubled = [name for name in COLUMNS if header.count(name) > 1]
    if doubled:
        raise ConfigError(f"{path}: the column {doubled[0]} is named twice; keep one of them")
    return {name: header.index(name) for name in COLUMNS}


def _patient(
    path: Path, line: int, cells: Sequence[str], header: Sequence[str], where: dict[str, int]
) -> Patient | None:
    """The patient of one row, or None where one of the columns we read is empty."""
    if len(cells) != len(header):
        raise ConfigError(
            f"{path}, line {line}: {len(cells)} cells, but the first line names {len(header)}"
        )
    row = {name: cells[place].strip() for name, place in where.items()}
    numbers = {
        name: _number(path, line, name, text)
        for name, text in row.items()
        if name != "site" and text
    }
    if not all(row.values()):
        return None
    if not _SITE_NAME.fullmatch(row["site"]):
        raise ConfigError(
            f"{path}, line {line}: site {row['site'][:60]!r} cannot name a node; use at most 48 "
            "letters, digits and '-', with a letter or digit first"
        )
    values = tuple(numbers[name] for name in VALUE_COLUMNS)
    return Patient(row["site"], values, numbers["num"] > 0, line)


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(
            f"{path}, line {line}: {name} is {text[:40]!r}; expected a number, or an empty cell "
            "where it is missing"
        )
    allowed = CATEGORIES.get(name)
    if allowed is not None and number not in allowed:
        listed = ", ".join(str(value) for value in allowed)
        raise ConfigError(f"{path}, line {line}: {name} is {text}; expected one of {listed}")
    return number


def choose_sites(patients: Iterable[Patient], peers: int, seed: int) -> tuple[Site, ...]:
    """The `peers` sites of a run, in the order of their names, each with a quarter held out.

    With fewer peers than hospitals the largest take part; with more, the largest are dealt into
    NAME-1, NAME-2, ... by the seed. Cases and controls are dealt and held out apart, so that every
    part keeps its hospital's prevalence. Raises ConfigError for a number of peers outside 3 to 16
    or a site of fewer than MIN_SITE_ROWS rows.
    """
    if not MIN_PEERS <= peers <= MAX_PEERS:
        raise ConfigError(f"{peers} peers; expected {MIN_PEERS} to {MAX_PEERS}")
    hospitals: dict[str, list[Patient]] = {}
    for patient in patients:
        hospitals.setdefault(patient.site, []).append(patient)
    by_size = sorted(hospitals, key=lambda name: (-len(hospitals[name]), name))[:peers]
    parts = dict.fromkeys(by_size, 1)
    while by_size and sum(parts.values()) < peers:
        largest = max(by_size, key=lambda name: len(hospitals[name]) / parts[name])
        parts[largest] += 1
    sites: dict[str, list[Patient]] = {}
    for name in sorted(parts):
        for part_name, rows in _dealt(name, hospitals[name], parts[name], seed):
            if part_name in sites:
                raise ConfigError(f"two sites would be named {part_name!r}; rename one in the CSV")
            sites[part_name] = rows
    for name, rows in sites.items():
        if len(rows) < MIN_SITE_ROWS:
            raise ConfigError(
                f"site {name!r} has {len(rows)} complete rows; expected at least {MIN_SITE_ROWS}: "
                "take fewer peers, or a file with more rows"
            )
    if not sites:
        raise ConfigError("no patients to choose sites from; expected rows of at least one site")
    return tuple(_held_out(name, rows, seed) for name, rows in sites.items())


def write_site_rows(path: Path, site: Site) -> None:
    """Write the site's training rows, and nothing else, as a CSV that `read_patients` reads."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((site.name, *row.values, int(row.case)) for row in site.train)


def _dealt(
    name: str, rows: Sequence[Patient], parts: int, seed: int
) -> list[tuple[str, list[Patient]]]:
    """`rows` as they are for one part; else dealt like cards, cases first and then controls."""
    if parts == 1:
        return [(name, list(rows))]
    deck = _shuffled(rows, seed, "deal")
    deck.sort(key=lambda patient: not patient.case)
    names = [f"{name}-{number}" for number in range(1, parts + 1)]
    return [
        (part, [replace(patient, site=part) for patient in deck[number::parts]])
        for number, part in enumerate(names)
    ]


def _held_out(name: str, rows: Sequence[Patient], seed: int) -> Site:
    """A quarter of the cases and a quarter of the controls, each rounded half up, are held out."""
    test: set[int] = set()
    for case in (False, True):
        deck = _shuffled([row for row in rows if row.case is case], seed, "hold out")
        test.update(row.line for row in deck[: (len(deck) + 2) // 4])
    ordered = sorted(rows, key=lambda row: row.line)
    return Site(
        name,
        tuple(row for row in ordered if row.line not in test),
        tuple(row for row in ordered if row.line in test),
    )


def _shuffled(rows: Iterable[Patient], seed: int, purpose: str) -> list[Patient]:
    """The rows in an order drawn by the seed.

    Sorting by a hash keeps the order the same under every version of Python and NumPy.
    """
    return sorted(
        rows, key=lambda row: hashlib.sha256(f"{seed}/{purpose}/{row.line}".encode()).digest()
    )
