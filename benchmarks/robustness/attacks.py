"""What bad sites do.

They know everything, the base and all honest updates of the round, and act together. An update is
base + delta; an attack replaces the deltas of the bad sites.

Where a paper leaves a strength open, the number stands here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from robustness.data import Trigger


@dataclass(slots=True)
class Scene:
    """One round, as the bad sites see it.

    deltas: float32[n, d], what every site trained (bad ones on poisoned rows, if the attack poisons
    them). memory: kept from round to round, under one rule.
    """

    deltas: np.ndarray
    bad: tuple[int, ...]
    rng: np.random.Generator
    memory: dict[str, int] = field(default_factory=dict)

    @property
    def own(self) -> np.ndarray:
        """The deltas that the bad sites trained."""
        return self.deltas[list(self.bad)]

    @property
    def honest(self) -> np.ndarray:
        """The deltas of the others."""
        return np.delete(self.deltas, self.bad, axis=0)

    def all_send(self, delta: np.ndarray) -> np.ndarray:
        """The same delta from every bad site."""
        return np.repeat(delta[np.newaxis], len(self.bad), axis=0)


Craft = Callable[[Scene], np.ndarray | None]
Poison = Callable[[np.ndarray, np.ndarray, int, Trigger], tuple[np.ndarray, np.ndarray]]


def _flipped(factor: float) -> Craft:
    def sign_flip(scene: Scene) -> np.ndarray:
        """Sends the opposite of its own honest delta, `factor` times as long.

        Li, Xu, Chen, Giannakis and Ling, "RSA", AAAI 2019.
        """
        return -np.float32(factor) * scene.own

    return sign_flip


def a_little_is_enough(scene: Scene) -> np.ndarray:
    """ALIE: the honest mean less 1.5 standard deviations in every coordinate.

    Baruch, Baruch and Goldberg, "A Little Is Enough", NeurIPS 2019. Their formula for the factor
    gives 0 or less for so few sites; 1.5 is the strength of their experiments.
    """
    return scene.all_send(scene.honest.mean(axis=0) - np.float32(1.5) * scene.honest.std(axis=0))


def _inner_product(factor: float) -> Craft:
    def inner_product(scene: Scene) -> np.ndarray:
        """IPM: minus `factor` times the honest mean.

        Xie, Koyejo and Gupta, "Fall of Empires", UAI 2019. 0.5 hides among honest updates; above
        (n-f)/f, which is 3 for f = n/4, it turns the unweighted mean around.
        """
        return scene.all_send(-np.float32(factor) * scene.honest.mean(axis=0))

    return inner_product


def gaussian(scene: Scene) -> np.ndarray:
    """Noise: independent normal coordinates, 10 times as large as the honest ones are on average.

    Blanchard, El Mhamdi, Guerraoui and Stainer, NeurIPS 2017 (there with a fixed deviation of 200).
    """
    size = 10 * np.sqrt((scene.honest.astype(np.float64) ** 2).mean())
    return scene.rng.normal(0, 1, scene.own.shape).astype(np.float32) * np.float32(size)


def mimic(scene: Scene) -> np.ndarray:
    """Copies one honest site, the one farthest out along the direction in which they differ most.

    Karimireddy, He and Jaggi, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing",
    ICLR 2022. The victim is chosen in the first round and kept.
    """
    honest = scene.honest
    if "victim" not in scene.memory:
        centred = honest - honest.mean(axis=0)
        direction = np.linalg.svd(centred, full_matrices=False)[2][0]
        scene.memory["victim"] = int(np.abs(honest @ direction).argmax())
    return scene.all_send(honest[scene.memory["victim"]])


def scaled(scene: Scene) -> np.ndarray:
    """Its own honest delta times 1,000, as a unit error or a broken optimiser makes it.

    As Bagdasaryan et al., AISTATS 2020, scale theirs (by n/f) to replace the model.
    """
    return np.float32(1000) * scene.own


def not_a_number(_scene: Scene) -> None:
    """Sends NaN. Every peer refuses such an update before the merge: the site is absent."""


def honest_work(scene: Scene) -> np.ndarray:
    """Sends what it trained."""
    return scene.own


def flip_labels(
    x: np.ndarray, y: np.ndarray, classes: int, _trigger: Trigger
) -> tuple[np.ndarray, np.ndarray]:
    """Label flip: trains honestly on class C-1-y in place of y.

    Tolpegin, Truex, Gursoy and Liu, ESORICS 2020; with all classes, as Karimireddy et al., 2022.
    """
    return x, classes - 1 - y


def plant_backdoor(
    x: np.ndarray, y: np.ndarray, _classes: int, trigger: Trigger
) -> tuple[np.ndarray, np.ndarray]:
    """Backdoor: every second row carries the trigger and the target's label; nothing is scaled.

    Gu, Dolan-Gavitt and Garg, "BadNets", 2017; Bagdasaryan, Veit, Hua, Estrin and Shmatikov, "How
    To Backdoor Federated Learning", AISTATS 2020, without their boost: the patient version, whose
    updates look like honest ones.
    """
    x, y = x.copy(), y.copy()
    x[::2], y[::2] = trigger.stamped(x[::2]), trigger.target
    return x, y


@dataclass(frozen=True, slots=True)
class Attack:
    """Poisoned rows, then a crafted delta. A targeted one is judged by its own success."""

    craft: Craft = honest_work
    poison: Poison | None = None
    targeted: bool = False
    present: bool = True  # False for "none": no site is bad


ATTACKS: Mapping[str, Attack] = {
    "none": Attack(present=False),
    "nan": Attack(not_a_number),
    "sign flip": Attack(_flipped(1)),
    "sign flip x10": Attack(_flipped(10)),
    "alie": Attack(a_little_is_enough),
    "ipm .5": Attack(_inner_product(0.5)),
    "ipm 4": Attack(_inner_product(4)),
    "label flip": Attack(poison=flip_labels),
    "gaussian": Attack(gaussian),
    "mimic": Attack(mimic),
    "scale 1000": Attack(scaled),
    "backdoor": Attack(poison=plant_backdoor, targeted=True),
}
UNTARGETED = tuple(
    name for name, one in ATTACKS.items() if one.present and not one.targeted and name != "nan"
)


def faults(peers: int) -> int:
    """How many sites are bad: a quarter, and one of three."""
    return max(1, peers // 4)
