"""What one simulated world is like: who is faulty and how, the chain, the network, the script."""

from dataclasses import dataclass
from random import Random

from model.rules import faulty_bound
from model.state import OWNER, Terms, Tx

STRATEGIES = ("silent", "withhold", "partial", "late", "mute", "liar", "good")
CENSORABLE = ("commit", "join", "stop", "have", "attest", "next attempt", "idle void")
REVOKE_DEAD = Tx("revoke", OWNER, target=-1)  # stands for one for each crashed peer
REVOKE_LIVING = Tx("revoke", OWNER, target=-2)  # stands for one for each honest peer that lives
LIVING_STOP = Tx("stop", OWNER)  # stands for one by each honest peer that lives


@dataclass(frozen=True)
class Setting:
    """Times and windows are in blocks; a pair is a range from which each peer draws."""

    enrolled: int = 4  # late joiners included
    faulty: int = 1
    strategy: str = "random"  # one of STRATEGIES for all, or one drawn for each
    depth: int = 1
    reorganisations: float = 0.05  # chance in each block
    censored: int = 0  # by how much the transactions of one honest peer are kept out
    censored_kinds: tuple[str, ...] = CENSORABLE
    adversary_from: int = 1
    enrol_window: tuple[int, int] = (5, 80)  # in which late joiners enrol
    count_from: int = 0  # seals and voids count from here, from `healing` and from `back_at`
    healing: int = 1  # from when the network is timely
    crashes: int = 0  # honest peers that stop
    crash_window: tuple[int, int] = (1, 60)
    back_at: int = 0  # when the crashed come back; 0: never
    late_joiners: int = 0
    slow: int = 0  # what the late joiners train longer
    train: tuple[int, int] = (2, 6)
    retrain_after_void: bool = False
    transfer: int = 2
    cut_until: int = 0  # before it no update gets anywhere
    lo: int = 8
    hi: int = 60
    first_guess: int = 4
    chosen_minimum: int = 0
    last_round: int = 0
    script: tuple[tuple[int, Tx], ...] = ()
    rounds: int = 4  # seals after which the world ends
    blocks: int = 900  # after which it ends anyway

    def terms(self) -> Terms:
        """What the run is deployed with."""
        return Terms(
            depth=self.depth,
            lo=self.lo,
            hi=self.hi,
            first_guess=self.first_guess,
            chosen_minimum=self.chosen_minimum,
            last_round=self.last_round,
        )


def random_setting(seed: int) -> Setting:
    """At most f(E) faulty or crashed; reorganisations within the depth; one censored at most."""
    rng = Random(seed * 7919 + 1)
    enrolled = rng.randint(2, 10)
    bound = faulty_bound(enrolled)
    faulty = rng.randint(0, bound)
    crashes = rng.randint(0, bound - faulty)
    roomy = enrolled - bound >= 3 and faulty + crashes < bound
    return Setting(
        enrolled=enrolled,
        faulty=faulty,
        crashes=crashes,
        late_joiners=1 if roomy and rng.random() < 0.3 else 0,
        depth=rng.choice((0, 1, 2, 5)),
        reorganisations=rng.choice((0, 0.05, 0.3)),
        censored=rng.choice((0, 0, 0, 2, 5)) if enrolled > 2 else 0,
        healing=rng.choice((1, 1, 40)),
        last_round=rng.choice((0, 0, 0, 3)),
    )
