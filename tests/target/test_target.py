"""The package's runner: its loop, its refusals in one place, and the notation of its inputs."""

import io
import json
import struct
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from swarmp2p.errors import (
    ConfigError,
    LocalProtocolError,
    MergeError,
    RemoteProtocolError,
    StateError,
)
from swarmp2p.target.arrays import notation_of_vector, vector_of
from swarmp2p.target.notation import data_of, notation_of, value_of
from swarmp2p.target.runner import answer, serve
from swarmp2p.wire.registry import Code

ROOT = Path(__file__).parents[2]
CASE = {"id": "value.decode/one", "op": "value.decode", "input": {"data": "01"}}
ANSWER = {"id": "value.decode/one", "output": {"value": {"uint": "1"}}}


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (RemoteProtocolError(Code.BAD_PROOF, "x"), "BAD_PROOF"),
        (LocalProtocolError("x"), "REFUSED"),
        (ConfigError("x"), "REFUSED"),
        (MergeError("x"), "REFUSED"),
        (StateError("x"), "CRASH"),
        (KeyError("x"), "CRASH"),
    ],
)
def test_answer__turns_a_refusal_into_its_word(error, word, capsys):
    def refuse(_given):
        raise error

    assert answer({"a.b": refuse}, "a.b", {}) == {"error": word}
    assert ("Traceback" in capsys.readouterr().err) == (word == "CRASH")


def test_answer__says_of_an_unknown_operation_that_it_is_unsupported():
    assert answer({}, "a.b", {}) == {"unsupported": True}


def test_serve__answers_line_by_line_in_order():
    lines = io.BytesIO(b"".join(json.dumps({**CASE, "id": n}).encode() + b"\n" for n in "ab"))
    out = io.BytesIO()
    serve(lines, out)
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == ["a", "b"]


@pytest.mark.parametrize(
    "command", [["-m", "swarmp2p.target"], [str(ROOT / "interop-tests/targets/py/run.py")]]
)
def test_the_runner__ends_well_at_the_end_of_its_input(command):
    done = subprocess.run(
        [sys.executable, *command],
        input=json.dumps(CASE) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ANSWER
    assert not done.stderr


def test_values__come_back_as_they_were_written():
    text = {"map": [["a", {"array": [None, True, {"uint": str(2**64 - 1)}, {"bytes": "00"}]}]]}
    assert value_of(text) == {"a": [None, True, 2**64 - 1, b"\0"]}
    assert notation_of(value_of(text)) == text


def test_a_map_with_a_key_twice__is_refused_because_no_dict_holds_it():
    with pytest.raises(LocalProtocolError, match="twice"):
        value_of({"map": [["a", None], ["a", None]]})


def test_seeded_bytes__are_blocks_joined_and_cut():
    blocks = b"".join(sha256(b"s" + block.to_bytes(4)).digest() for block in range(2))
    assert data_of({"seed": "s", "count": 40}) == blocks[:40]
    assert data_of({"seed": "s", "count": 0}) == b""


@pytest.mark.parametrize(("kind", "word", "base"), [("f32", ">I", 120), ("f64", ">Q", 1016)])
def test_the_generator__keeps_sign_and_fraction_and_makes_the_exponent(kind, word, base):
    size = struct.calcsize(word)
    fraction_bits = {4: 23, 8: 52}[size]
    found = vector_of({"seed": "t", "count": 11}, kind)
    data = data_of({"seed": "t", "count": 11 * size})
    for place, value in enumerate(found.tolist()):
        (bits,) = struct.unpack_from(word, data, place * size)
        fraction = 1 + (bits & (2**fraction_bits - 1)) / 2**fraction_bits
        exponent = base + ((bits >> fraction_bits) & 7) - {4: 127, 8: 1023}[size]
        sign = -1 if bits >> (8 * size - 1) else 1
        assert value == sign * fraction * 2.0**exponent
        assert 2**-7 <= abs(value) < 2


def test_vectors__are_changed_and_written_as_the_notation_says():
    two = "40000000"
    assert vector_of({"plus": [{"zeros": 2}, two]}, "f32").tolist() == [2.0, 2.0]
    assert vector_of({"times": [{"bits": two}, two]}, "f32").tolist() == [4.0]
    assert vector_of({"set": [{"zeros": 3}, {"1": two}]}, "f32").tolist() == [0.0, 2.0, 0.0]
    nan = {"bits": "7f800001ffc00000"}
    assert notation_of_vector(vector_of(nan, "f32")) == nan
    long = notation_of_vector(vector_of({"plus": [{"zeros": 4_097}, two]}, "f32"))
    assert long == {"sha256": sha256(bytes.fromhex("00000040") * 4_097).hexdigest(), "count": 4_097}
