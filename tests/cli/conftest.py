import json
from contextlib import ExitStack

import pytest
from cli_world import make_sites, make_world, new_chain

from swarmp2p.cli.main import run


@pytest.fixture(scope="session")
def timed_chain():
    with new_chain() as chain:
        yield chain


@pytest.fixture(scope="session")
def made_sites(tmp_path_factory):
    """(folder, keys by name): made once, which is slow."""
    folder = tmp_path_factory.mktemp("sites") / "sites"
    folder.mkdir()
    return folder, make_sites(folder)


@pytest.fixture
def world(timed_chain, made_sites, tmp_path):
    """A run with nobody invited."""
    folder, keys = made_sites
    return make_world(timed_chain, folder, tmp_path / "world", keys)


@pytest.fixture(scope="session")
def enrolled(timed_chain, made_sites, tmp_path_factory):
    """A run with a, b and c as members; for tests that change nothing."""
    folder, keys = made_sites
    world = make_world(timed_chain, folder, tmp_path_factory.mktemp("enrolled") / "w", keys)
    world.invite("a", "b", "c")
    world.enrol("a", "b", "c")
    return world


@pytest.fixture
def command(capfd):
    """Run a command line; (exit status, stdout, lines of stderr). Nothing shows a traceback."""

    def called(*arguments):
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return status, out, err.strip().splitlines()

    return called


@pytest.fixture
def answer(command):
    """The JSON of a command that goes well."""

    def called(*arguments):
        status, out, err = command(*arguments, "--json")
        assert (status, err) == (0, []), err
        return json.loads(out)

    return called


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack
