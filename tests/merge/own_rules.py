"""A package with merge rules, installed in a folder of its own as an installer would leave it."""

import sys
from pathlib import Path

import pytest

HEADER = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from swarmp2p.errors import MergeError
from swarmp2p.merge.interface import (
    Findings, each_block, measure, shifted_sum, weighted_sum
)

class Base:
    min_peers = 1
    faults = "f = 0"

"""


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    *,
    package: str = "their-rules",
    entries: dict[str, str] | None = None,
) -> None:
    """Install `source` as the module `their_rules`; it is forgotten when the test ends.

    entries: rule name -> class; default: every class of the source under its name, but Base.
    """
    folder.mkdir(exist_ok=True)
    (folder / "their_rules.py").write_text(HEADER + source)
    if entries is None:
        names = [line[6:].split("(")[0] for line in source.splitlines() if line[:6] == "class "]
        entries = {name: name for name in names}
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{rule} = their_rules:{target}" for rule, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[swarmp2p.merge_rules]", *lines, ""]))
    monkeypatch.delitem(sys.modules, "their_rules", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setitem(sys.modules, "their_rules", None)  # so that it is taken out again
    del sys.modules["their_rules"]
