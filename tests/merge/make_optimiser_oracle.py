"""Writes tests/data/optimiser_oracle.npz: torch's answers to the runs of optimiser_cases.py.

    make oracle

which runs this in an environment of its own with torch and NumPy. The parameter to be optimised is
the model, float64, and its gradient the step back: b - m. How torch is asked for ours:

fedavgm: SGD with momentum. nesterov: SGD with momentum and nesterov=True (without momentum torch
has none, hence no such run). Both begin with an empty buffer, which torch fills with the first
gradient: as ours from zero. fedadam: Adam with eps = tau.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from optimiser_cases import CASES, digest, merged, start

OUT = Path(__file__).parent.parent / "data" / "optimiser_oracle.npz"


def optimiser(name: str, params: Mapping[str, float], model: torch.Tensor) -> torch.optim.Optimizer:
    """torch's optimiser for one of ours."""
    if name == "fedadam":
        betas = (params["beta1"], params["beta2"])
        return torch.optim.Adam([model], lr=params["lr"], betas=betas, eps=params["tau"])
    nesterov = name == "nesterov"
    return torch.optim.SGD([model], params["lr"], params["momentum"], nesterov=nesterov)


def answers(name: str, params: Mapping[str, float]) -> np.ndarray:
    """The model after each step, float64[steps, elements]."""
    model = torch.tensor(start(), dtype=torch.float64)
    moved = optimiser(name, params, model)
    found = []
    for target in merged():
        model.grad = model - torch.tensor(target)
        moved.step()
        found.append(model.numpy().copy())
    return np.stack(found)


def main() -> None:
    """Ask and write."""
    found = np.stack([answers(name, params) for name, params in CASES])
    if not np.isfinite(found).all():
        raise SystemExit("a run has left the finite numbers: the cases are no good")
    np.savez_compressed(OUT, inputs=np.array(digest()), models=found)
    print(f"{OUT}: {OUT.stat().st_size} bytes, torch {torch.__version__}")  # noqa: T201 - its report


if __name__ == "__main__":
    main()
