"""Means over seeds, and how a study is written."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Figure(NamedTuple):
    """A mean, its standard error where seeds are compared in pairs, and the attack it is about."""

    value: float
    error: float | None = None
    attack: str = ""

    def __str__(self) -> str:
        """To four places."""
        error = "" if self.error is None else f" ± {self.error:.4f}"
        return f"{self.value:.4f}{error}" + (f" ({self.attack})" if self.attack else "")


def over_seeds(values: Sequence[float]) -> Figure:
    """The mean and its standard error."""
    return Figure(float(np.mean(values)), float(np.std(values) / np.sqrt(max(1, len(values) - 1))))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, numbers to the right."""
    head = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return [*head, *(f"| {' | '.join(row)} |" for row in rows)]


def write_json(path: Path | None, record: Mapping[str, Any]) -> None:
    """To the file, if one is named."""
    if path is not None:
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
