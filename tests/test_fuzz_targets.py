"""The fuzzer's seeds and checks hold without the fuzzer, on every platform."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz import machines, seeds, sessions
from fuzz.plans import Plan, pieces, splits
from fuzz.run import FOUND
from fuzz.targets import TARGETS
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.provider import Provider
from swarmp2p.wire import canonical

ROOT = Path(__file__).resolve().parent.parent


def files(name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (seeds.CORPUS / name).iterdir()}


def test_corpus__has_a_folder_for_each_target_and_no_other() -> None:
    assert {path.name for path in seeds.CORPUS.iterdir()} == set(TARGETS) == set(seeds.SEEDS)


@pytest.mark.parametrize("name", TARGETS)
def test_corpus__is_what_the_script_writes(name: str) -> None:
    assert files(name) == seeds.seeds(name)
    assert all(len(data) <= TARGETS[name].max_len for data in files(name).values())


@pytest.mark.parametrize("name", TARGETS)
def test_target__passes_its_seeds_and_their_prefixes(name: str) -> None:
    check = TARGETS[name].load()
    for data in files(name).values():
        check(data)
        for end in range(min(len(data), 40)):
            check(data[:end])


def test_target__sees_a_decoder_that_raises_another_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_data: bytes) -> None:
        raise ValueError

    monkeypatch.setattr(canonical, "decode", broken)
    with pytest.raises(ValueError):  # noqa: PT011 - the one above
        TARGETS["value"].load()(b"\xc0")


def test_target__sees_an_accepted_value_with_a_second_encoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(canonical, "decode", lambda _data: 5)
    with pytest.raises(AssertionError, match="another encoding"):
        TARGETS["value"].load()(b"\xcc\x05")


class ForgetfulProvider(Provider):
    """Drops what is left over of a frame when the next bytes come."""

    def receive_data(self, data: bytes, *, now: float) -> None:
        self._decoder = type(self._decoder)()
        super().receive_data(data, now=now)


def test_target__sees_a_machine_to_which_the_split_matters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machines, "Provider", ForgetfulProvider)
    with pytest.raises(AssertionError, match="the split shows"):
        TARGETS["provider"].load()(b"\x00\x00" + files("provider")["example-0"][6:])


def test_target__sees_a_machine_that_is_not_deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Provider] = []

    class Moody(Provider):
        def receive_data(self, data: bytes, *, now: float) -> None:
            made.append(self)
            if len(made) % 2:
                raise RemoteProtocolError(3, "not today")
            super().receive_data(data, now=now)

    monkeypatch.setattr(machines, "Provider", Moody)
    with pytest.raises(AssertionError):
        TARGETS["provider"].load()(b"\x81\x00" + files("provider")["example-0"][6:])


def test_noise_target__opens_what_it_sealed_and_nothing_changed() -> None:
    sealed = bytes(sessions._Cipher(sessions.KEY, sessions.NONCE).seal(b"text"))
    assert sessions._noise_text([sealed]) == (b"text", "ConnectionClosedError")
    assert sessions._noise_text([sealed[:-1] + b"x"]) == (b"", "DecryptionFailedException")


def test_plan__reads_zeros_where_the_input_has_ended() -> None:
    plan = Plan(b"\x02\x00\x03\x00")
    assert plan.cuts() == [3, 0]
    assert plan.rest() == b""


def test_pieces__make_up_the_stream_however_it_is_cut() -> None:
    stream = bytes(range(200))
    for lengths in ([], [0], [3, 0, 500, 7], [200]):
        assert b"".join(pieces(stream, lengths)) == stream
        assert all(b"".join(way) == stream for way in splits(stream, lengths))


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel here")
def test_run__prints_a_row_for_each_target_and_refuses_an_unknown_one() -> None:
    command = [sys.executable, "-m", "fuzz.run", "--runs", "200"]
    done = subprocess.run(
        [*command, "envelope", "proof"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [(row[0], row[-1]) for row in rows] == [("envelope", "0"), ("proof", "0")]
    assert all(int(row[1]) >= 200 for row in rows)
    assert (FOUND / "envelope" / "log").exists()
    done = subprocess.run(
        [*command, "nonsense"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no target nonsense" in done.stderr
