"""Train a linear model at one site and merge it with the others.

Run it as `python examples/train_one_site.py node.toml`, or name it in node.toml as
`[train] program = ".../train_one_site.py:train"` and run `swarmp2p node --config node.toml`.

The run's manifest must hold tensors `bias` (f32, [1]) and `weight` (f32, [3]); each site draws its
own rows of the same line from its name, so that the sites' data differ.
"""

import hashlib
import itertools
import sys

import numpy as np

from swarmp2p import Swarm, SwarmConfig


def own_rows(site: str) -> tuple[np.ndarray, np.ndarray]:
    """64 rows of y = 1 + 2 a - b + noise, seen through this site's instruments."""
    rng = np.random.default_rng(list(site.encode()))
    x = rng.normal(rng.normal(), 1.0, (64, 3)).astype(np.float32)
    y = 1 + x @ np.array([2, -1, 0], np.float32) + rng.normal(0, 0.1, 64).astype(np.float32)
    return x, y.astype(np.float32)


def step(params: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
    """One step of gradient descent in place; the mean squared error before it."""
    error = params["bias"] + x @ params["weight"] - y
    params["bias"] -= np.float32(0.1) * error.mean(keepdims=True)
    params["weight"] -= np.float32(0.1) * (x.T @ error) / np.float32(len(y))
    return float((error * error).mean())


def train(swarm: Swarm) -> None:
    """Train until the run is over, print what came out."""
    x, y = own_rows(swarm.name)
    params = swarm.start({"bias": np.zeros(1, np.float32), "weight": np.zeros(3, np.float32)})
    for number in itertools.count():
        loss = step(params, x, y)
        if (number + 1) % swarm.manifest.sync_every:
            continue
        if not swarm.due(number):  # the last round is sealed
            break
        params, receipt = swarm.sync(params, metrics={"loss": loss}, weight=len(y))
        who = "all sites" if receipt.complete else f"without {', '.join(receipt.missing)}"
        print(f"round {receipt.round}: loss {loss:.4f}, merged with {who}", flush=True)
    final = swarm.finish(params)
    digest = hashlib.sha256(b"".join(final[name].tobytes() for name in sorted(final))).hexdigest()
    print(f"final parameters {digest}", flush=True)


if __name__ == "__main__":
    with Swarm.join(SwarmConfig.from_toml(sys.argv[1])) as joined:
        train(joined)
