"""Writes tests/data/byzfl_oracle.npz: byzfl's answers to the matrices of byzfl_matrices.py.

    make oracle

which runs this in an environment of its own with byzfl (without its dependencies), NumPy and SciPy.
byzfl's own `__init__` would load torchvision and seaborn, and its aggregators import torch to
recognise tensors; on the NumPy path none of them computes anything. So the package is entered
through its `aggregators` folder and, where torch is not installed, an empty module stands in its
place. The results with the real torch are the same bytes.

How each of byzfl's rules is asked for what ours defines:

median: the same.
trimmed_mean: f = t = max(1, (K-1)//3).
krum: byzfl sums over the K-f-1 nearest, MERGE-040 (as the paper) over the K-f-2: so f + 1.
multi_krum: the same scores with f + 1, but then byzfl averages the K-f-1 best where ours averages
    the K-f best: no f fits both. Kept is the mean of the K-f-1 best.
geometric_median: byzfl starts at 0, ours at the mean: so the rows less their mean. Floor
    nu = M * 2^-20, T = 32 as MERGE-024.
centred_clipping: byzfl starts at 0, ours at the base: so the rows less the base. tau is absolute:
    radius * M. L = 3 as MERGE-020.
"""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
from byzfl_matrices import Case, cases, digest, krum_faults, trimmed

OUT = Path(__file__).parent.parent / "data" / "byzfl_oracle.npz"
GM_STEPS, GM_FLOOR, CLIP_STEPS = 32, 2.0**-20, 3


def load_aggregators() -> types.ModuleType:
    """byzfl.aggregators, without what byzfl/__init__.py would load."""
    if importlib.util.find_spec("torch") is None:
        torch, linalg = types.ModuleType("torch"), types.ModuleType("torch.linalg")
        torch.Tensor = type("Tensor", (), {})
        torch.linalg = linalg
        sys.modules |= {"torch": torch, "torch.linalg": linalg}
    package = types.ModuleType("byzfl")
    package.__path__ = list(importlib.util.find_spec("byzfl").submodule_search_locations)
    sys.modules["byzfl"] = package
    return importlib.import_module("byzfl.aggregators")


def answers(byzfl: types.ModuleType, one: Case) -> dict[str, np.ndarray]:
    """byzfl's result under each rule, float64[d]."""
    rows, base, count = one.rows, one.base, len(one.rows)
    mean = rows.mean(axis=0)
    selection = krum_faults(count) + 1
    return {
        "median": byzfl.Median()(rows),
        "trimmed_mean": byzfl.TrMean(trimmed(count))(rows),
        "krum": byzfl.Krum(selection)(rows),
        "multi_krum": byzfl.MultiKrum(selection)(rows),
        "geometric_median": mean
        + byzfl.GeometricMedian(nu=one.middle * GM_FLOOR, T=GM_STEPS)(rows - mean),
        "centred_clipping": base
        + byzfl.CenteredClipping(L=CLIP_STEPS, tau=one.radius * one.middle)(rows - base),
    }


def main() -> None:
    """Ask, check that what is stored in float32 loses nothing it must not, write."""
    byzfl = load_aggregators()
    found: dict[str, list[np.ndarray]] = {}
    for one in cases():
        for rule, vector in answers(byzfl, one).items():
            if rule == "krum":  # the pick itself, as the index of the first such row
                same = (one.rows == vector).all(axis=1)
                found.setdefault(rule, []).append(np.array([np.argmax(same)], np.uint8))
                continue
            stored = vector.astype(np.float32)
            if not np.isfinite(vector).all() or (rule == "median" and (stored != vector).any()):
                raise SystemExit(f"{rule} of matrix {one.index} does not fit float32")
            found.setdefault(rule, []).append(stored)
    joined = {rule: np.concatenate(parts) for rule, parts in found.items()}
    np.savez_compressed(OUT, matrices=np.array(digest()), **joined)
    print(f"{OUT}: {OUT.stat().st_size} bytes")  # noqa: T201 - the maker's own report


if __name__ == "__main__":
    main()
