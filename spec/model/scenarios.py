"""Stories with names, each with what it must not do, and what every world must not do."""

from dataclasses import dataclass, replace
from itertools import groupby

from model.setting import LIVING_STOP, REVOKE_DEAD, REVOKE_LIVING, Setting
from model.state import OWNER, Tx
from model.world import World


@dataclass(frozen=True)
class Scenario:
    """A setting, and what is enough for it: void rounds in a row, and an exchange window."""

    setting: Setting
    voids: int = 1
    window: int | None = None
    slow_newcomer: bool = False  # it must not be left out for ever
    spreads_censorship: bool = False  # the seed moves the kept-out transaction along the attempt

    def of_seed(self, seed: int) -> Setting:
        """The setting that this seed is played with."""
        if self.spreads_censorship:
            return replace(self.setting, censored=12 + seed % 24)
        return self.setting


QUIET = Setting(faulty=0, reorganisations=0)
ONE_BAD = Setting(reorganisations=0)
TWO_DEAD = Setting(faulty=0, crashes=2, crash_window=(20, 40))
IN_TURN = tuple(
    (20 + 10 * turn + after, tx)
    for turn, peer in enumerate((10, 11, 12))
    for after, tx in (
        (0, Tx("enrol", peer)),
        (3, Tx("stop", peer)),
        (6, Tx("revoke", OWNER, target=peer)),
    )
)
LONG_TRAINING = Setting(strategy="good", train=(90, 100), rounds=2, blocks=2500)

SCENARIOS = {
    "two of four crash, the owner revokes them": Scenario(
        replace(TWO_DEAD, count_from=300, script=((300, REVOKE_DEAD),)), voids=2
    ),
    "two of four crash, the owner revokes them after 1,500 blocks": Scenario(
        replace(TWO_DEAD, count_from=1500, script=((1500, REVOKE_DEAD),), blocks=3000), voids=2
    ),
    "two of four away for 1,500 blocks": Scenario(
        replace(TWO_DEAD, back_at=1500, blocks=3000), voids=3
    ),
    "training of 100 blocks, started again after a void round": Scenario(
        replace(LONG_TRAINING, retrain_after_void=True), voids=4
    ),
    "training of 100 blocks, kept after a void round": Scenario(LONG_TRAINING, voids=4),
    "withholder": Scenario(
        replace(ONE_BAD, strategy="withhold", rounds=12, blocks=1500), window=24
    ),
    "late server": Scenario(replace(ONE_BAD, strategy="late", rounds=20, blocks=3000), window=24),
    "transfer longer than the first window": Scenario(
        replace(QUIET, transfer=40, blocks=2500), voids=3
    ),
    "depth 30, no faults": Scenario(replace(QUIET, depth=30, blocks=1500), voids=0),
    "slow newcomer": Scenario(
        replace(QUIET, enrolled=5, late_joiners=1, slow=14, rounds=12, blocks=1500),
        slow_newcomer=True,
    ),
    "a fifth peer enrols during a round, one withholder": Scenario(
        replace(ONE_BAD, enrolled=5, strategy="withhold", late_joiners=1, enrol_window=(8, 60)),
        voids=0,
    ),
    "owner's min_peers 2, a seventh peer enrols": Scenario(
        replace(
            ONE_BAD,
            enrolled=7,
            faulty=2,
            strategy="liar",
            chosen_minimum=2,
            late_joiners=1,
            enrol_window=(1, 1),
            adversary_from=8,
            train=(30, 40),
        ),
        voids=3,
    ),
    "three of four away, one faulty stop vote": Scenario(
        Setting(strategy="good", crashes=3, crash_window=(45, 60), back_at=400, blocks=1500),
        voids=3,
    ),
    "min_peers is all four, one crashes, three vote to stop": Scenario(
        Setting(
            faulty=0,
            crashes=1,
            chosen_minimum=4,
            crash_window=(20, 40),
            script=((300, LIVING_STOP),),
            rounds=50,
        ),
        voids=9,
    ),
    "reorganisations at a round's end": Scenario(
        Setting(
            strategy="mute",
            depth=5,
            reorganisations=0.3,
            hi=12,
            censored=20,
            censored_kinds=("attest", "have"),
            blocks=1500,
        ),
        voids=4,
        spreads_censorship=True,
    ),
    "liars": Scenario(Setting(enrolled=7, faulty=2, strategy="liar", rounds=6)),
    "liar of four": Scenario(Setting(strategy="liar", rounds=6)),
    "no exchange for 2,000 blocks, one withholder": Scenario(
        replace(
            ONE_BAD, strategy="withhold", cut_until=2000, count_from=2000, rounds=2, blocks=2800
        ),
        voids=2,
    ),
    "one honest and one faulty peer go on alone, and the honest one is revoked": Scenario(
        Setting(
            enrolled=6,
            strategy="good",
            chosen_minimum=2,
            crashes=4,
            crash_window=(1, 1),
            back_at=160,
            script=((120, REVOKE_LIVING),),
        ),
        voids=3,
    ),
    "three faulty peers in turn enrol, vote to stop and are revoked": Scenario(
        replace(QUIET, script=IN_TURN, rounds=8)
    ),
}


def random_bounds(setting: Setting) -> Scenario:
    """One round may be lost, and one for a crash, a joiner, healing; three for censorship."""
    rare = (setting.crashes > 0, setting.late_joiners > 0, setting.healing > 1)
    return Scenario(setting, voids=1 + sum(rare) + 3 * (setting.censored > 0))


def sealed(world: World) -> int:
    """Rounds sealed since the world counts."""
    return sum(e.body is not None and e.block > world.counts_from for e in world.final_log)


def voids_in_a_row(world: World) -> int:
    """The longest run of void rounds since the world counts."""
    counted = [e for e in world.final_log if e.block > world.counts_from]
    runs = [len(list(run)) for void, run in groupby(e.body is None for e in counted) if void]
    return max(runs, default=0)


def judge(scenario: Scenario, world: World) -> dict[str, list[str]]:
    """What the world did that it must not: the promises it broke, each with its story."""
    found, story = dict(world.violations), world.chain.story
    if voids_in_a_row(world) > scenario.voids:
        found[f"more than {scenario.voids} void rounds in a row"] = story
    if sealed(world) < world.setting.rounds and not world.chain.finished:
        found["the run did not seal its rounds"] = story
    if scenario.window and world.longest_window > scenario.window:
        found[f"the exchange window ran above {scenario.window}"] = story
    if world.abstained:
        found["an honest peer had to abstain: its guard row names another body"] = story
    if scenario.slow_newcomer and _leaves_out(world, next(iter(world.late))):
        found["an honest joiner was left out of four sealed rounds in a row"] = story
    return found


def _leaves_out(world: World, newcomer: int) -> bool:
    missed = 0
    for entry in world.final_log:
        if entry.body is not None and entry.block > world.enrol_at[newcomer] + 40:
            missed = 0 if newcomer in entry.roster else missed + 1
            if missed == 4:
                return True
    return False
