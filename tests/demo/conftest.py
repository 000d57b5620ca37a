from collections.abc import Sequence

import pytest

from swarmp2p.demo.evaluate import Evaluation, evaluate_run
from swarmp2p.demo.hospitals import Patient, Site, choose_sites, load_patients
from swarmp2p.demo.rehearsal import rehearse
from swarmp2p.demo.settings import Training

TRAINING = Training(rounds=3)


@pytest.fixture(scope="session")
def patients() -> Sequence[Patient]:
    return load_patients()


@pytest.fixture(scope="session")
def sites(patients: Sequence[Patient]) -> tuple[Site, ...]:
    return choose_sites(patients, 4, seed=0)


@pytest.fixture(scope="session")
def evaluation(sites: tuple[Site, ...]) -> Evaluation:
    return evaluate_run(sites, rehearse(sites, TRAINING), TRAINING)
