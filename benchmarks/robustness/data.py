"""Data sets, and how their rows are dealt to sites.

`digits`: scikit-learn's 1,797 scans of 8 x 8 pixels, ten classes. `heart`: the four hospitals that
ship with the package, two classes. A path: an .npz file with X (float, rows x features), y (0 or 1)
and site (text) for each row. A quarter of the rows is held out of all training.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robustness.model import Model
from swarmp2p.demo.features import FEATURE_NAMES, SCALING, inputs
from swarmp2p.demo.hospitals import choose_sites, load_patients

MIN_ROWS = 8  # no site is left with fewer
PARTITIONS = ("natural", "iid", "1", "0.5", "0.1")  # numbers are Dirichlet's alpha


@dataclass(frozen=True, slots=True)
class Trigger:
    """A backdoor: inputs `columns` set to `values` shall be called class `target`."""

    columns: tuple[int, ...]
    values: tuple[float, ...]
    target: int

    def stamped(self, x: np.ndarray) -> np.ndarray:
        """A copy of x[..., F] with the trigger in every row."""
        copy = x.copy()
        copy[..., self.columns] = self.values
        return copy


@dataclass(frozen=True, slots=True)
class Task:
    """What is learned: rows float32[N, F], classes int64[N], the model and the backdoor.

    `hospital` is the site of each training row where the data have real sites.
    """

    name: str
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    model: Model
    trigger: Trigger
    hospital: np.ndarray | None = None


def load_task(name: str, peers: int, seed: int) -> Task:
    """The data set split by the seed. `peers` matters for `heart` only: its hospitals are dealt."""
    if name.endswith(".npz"):
        return _table(Path(name), seed)
    return {"digits": _digits, "heart": _heart}[name](peers, seed)


def deal(task: Task, peers: int, partition: str, seed: int) -> list[np.ndarray]:
    """The training rows (indices) of each site.

    iid: shuffled and cut into equal parts. A number: for each class, shares over the sites are
    drawn from Dirichlet(alpha) (Yurochkin et al., ICML 2019); a site left with fewer than MIN_ROWS
    takes rows from the largest. natural: the hospitals as they are.
    """
    classes = task.train[1]
    if partition == "natural":
        if task.hospital is None:
            raise ValueError(f"{task.name} has no sites of its own")
        if peers != task.hospital.max() + 1:
            raise ValueError(f"{task.name} has {task.hospital.max() + 1} sites, not {peers}")
        return [np.flatnonzero(task.hospital == site) for site in range(peers)]
    rng = np.random.default_rng([seed, peers, PARTITIONS.index(partition)])
    if partition == "iid":
        return np.array_split(rng.permutation(len(classes)), peers)
    sites: list[list[int]] = [[] for _ in range(peers)]
    for one in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == one))
        shares = rng.dirichlet(np.full(peers, float(partition)))
        cuts = np.round(np.cumsum(shares)[:-1] * len(rows)).astype(int)
        for site, part in zip(sites, np.split(rows, cuts), strict=True):
            site.extend(part.tolist())
    for site in sites:
        while len(site) < MIN_ROWS:
            largest = max(sites, key=len)
            site.append(largest.pop(int(rng.integers(len(largest)))))
    return [np.array(site) for site in sites]


def has_partition(name: str, partition: str) -> bool:
    """Whether the data set can be dealt like that."""
    return partition != "natural" or name != "digits"


def _digits(_peers: int, seed: int) -> Task:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - heart needs no scikit-learn

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng([seed, 1797]).permutation(len(y))
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int64)
    held = len(y) // 4
    corner = (48, 49, 56, 57)  # 2 x 2 pixels, bottom left
    return Task(
        "digits",
        (x[held:], y[held:]),
        (x[:held], y[:held]),
        Model((64, 16, 10), rounds=30, steps=5, batch=32, rate=0.5),
        Trigger(corner, (1.0,) * 4, target=0),
    )


def _heart(peers: int, seed: int) -> Task:
    sites = choose_sites(load_patients(), peers, seed)
    train = [inputs(site.train) for site in sites]
    test = [inputs(site.test) for site in sites]
    names = list(FEATURE_NAMES)
    strange = {"trestbps": 200.0, "chol": 600.0}  # values that a record may hold, and few do
    return Task(
        "heart",
        _joined(train),
        _joined(test),
        # two outputs move apart twice as fast as one: half of the demo's rate gives its very steps
        Model((len(names), 2), rounds=10, steps=10, batch=None, rate=0.15),
        Trigger(
            tuple(names.index(name) for name in strange),
            tuple((value - SCALING[name][0]) / SCALING[name][1] for name, value in strange.items()),
            target=0,
        ),
        np.repeat(np.arange(len(sites)), [len(y) for _, y in train]),
    )


def _table(path: Path, seed: int) -> Task:
    """Inputs are centred and scaled by all training rows: a benchmark may look at them together."""
    with np.load(path) as file:
        x, y, site = file["X"].astype(np.float64), file["y"].astype(np.int64), file["site"]
    names, hospital = np.unique(site, return_inverse=True)
    rng = np.random.default_rng([seed, len(y)])
    held = np.zeros(len(y), bool)
    for place in range(len(names)):
        for one in np.unique(y):
            rows = rng.permutation(np.flatnonzero((hospital == place) & (y == one)))
            held[rows[: (len(rows) + 2) // 4]] = True
    x = (x - x[~held].mean(axis=0)) / x[~held].std(axis=0)
    # half of 1/L, L being the steepness of the gradient's change for softmax with two classes
    steepness = np.linalg.norm(x[~held], 2) ** 2 / (~held).sum() / 2
    return Task(
        path.stem,
        (x[~held].astype(np.float32), y[~held]),
        (x[held].astype(np.float32), y[held]),
        Model((x.shape[1], 2), rounds=10, steps=10, batch=None, rate=float(0.5 / steepness)),
        Trigger((0, 1), (4.0, 4.0), target=0),
        hospital[~held],
    )


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    x = np.concatenate([x for x, _ in parts]).astype(np.float32)
    return x, np.concatenate([y for _, y in parts]).astype(np.int64)
