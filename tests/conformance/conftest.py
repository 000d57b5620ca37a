"""A folder of toy vectors, and commands that start the toy runner."""

import json
import sys
from pathlib import Path

import pytest
from toy_vectors import toy_file

TOY = Path(__file__).with_name("toy_runner.py")
SENTENCE = "The input MUST be whole bytes. REJECT MALFORMED."


@pytest.fixture
def toys(tmp_path):
    """A folder with one vector file and the sentence of its rule."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.length.json").write_text(json.dumps(toy_file()))
    (tmp_path / "rules.json").write_text(json.dumps({"ENC-002": SENTENCE}))
    return tmp_path


@pytest.fixture
def toy_command():
    """The command of the toy runner with a defect in a case."""

    def command(*arguments):
        return [sys.executable, "-I", str(TOY), *map(str, arguments)]

    return command
