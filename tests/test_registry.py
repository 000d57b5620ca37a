"""The registry is the one source of the code points, limits and tables."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from swarmp2p.protocol import hello
from swarmp2p.wire import registry
from swarmp2p.wire.registry import Code

ROOT = Path(__file__).resolve().parent.parent
GENERATE = ROOT / "spec" / "generate.py"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("spec_generate", GENERATE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_files__match_the_registry() -> None:
    result = subprocess.run(
        [sys.executable, str(GENERATE), "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_check__names_a_file_that_differs(
    generate: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(generate, "SPEC", tmp_path / "spec")
    monkeypatch.setattr(generate, "REGISTRY", tmp_path / "registry.py")
    document = tmp_path / "spec" / "01-x.md"
    document.parent.mkdir()
    document.write_text("a\n<!-- generated: codes -->\nstale row\n<!-- end -->\nb\n")
    assert generate.main(["--check"]) == 1
    assert "registry.py" in capsys.readouterr().out
    assert "stale row" in document.read_text()
    assert generate.main([]) == 0
    text = document.read_text()
    assert "stale row" not in text
    assert "| 98 | TIMEOUT | a deadline passed |" in text
    assert text.endswith("<!-- end -->\nb\n")
    assert generate.main(["--check"]) == 0


def test_check__names_a_document_whose_diagram_is_not_the_machines(
    generate: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(generate, "SPEC", tmp_path)
    monkeypatch.setattr(generate, "REGISTRY", tmp_path / "registry.py")
    document = tmp_path / "05-hello.md"
    document.write_text("<!-- generated: diagram hello -->\n<!-- end -->\n")
    assert generate.main([]) == 0
    drawn = document.read_text()
    assert "    [*] --> WAITING\n    WAITING --> DONE: hello agrees\n" in drawn
    monkeypatch.setitem(hello.TABLE, (hello.State.FAILED, hello.Event.AGREED), hello.State.DONE)
    assert generate.main(["--check"]) == 1
    assert "05-hello.md" in capsys.readouterr().out
    assert document.read_text() == drawn


def test_documents__show_every_machine_and_contract(generate: ModuleType) -> None:
    text = "".join(path.read_text() for path in sorted((ROOT / "spec").glob("*.md")))
    names = [f"diagram {name}" for name in generate.MACHINES]
    names += [f"abi {name}" for name in generate.CONTRACTS]
    for name in names:
        assert f"<!-- generated: {name} -->" in text


def test_answers__lists_the_rules_that_name_a_code(
    generate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(generate, "SPEC", tmp_path)
    (tmp_path / "01-a.md").write_text(
        "- **A-001** First. REJECT\n  MALFORMED.\n"
        "- **A-002** Second: IGNORE\n  TOO_LARGE.\n\nMALFORMED\n"
    )
    registry_rows = generate.load(ROOT / "spec" / "registry.toml")
    rows = generate.table(registry_rows, "answers").splitlines()
    assert next(row for row in rows if "| MALFORMED |" in row).endswith("| A-001 |")
    assert next(row for row in rows if "| TOO_LARGE |" in row).endswith("| A-002 |")
    assert next(row for row in rows if "| BUSY |" in row).endswith("| none yet |")
    assert "| `01-a.md` | A-001 to A-002 | 2 |" in generate.table(registry_rows, "requirements")


def test_sentences__are_those_of_every_rule(
    generate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(generate, "SPEC", tmp_path)
    (tmp_path / "01-a.md").write_text("- **A-001** First. REJECT\n  MALFORMED.\n")
    *_, (path, text) = generate.outputs(generate.load(ROOT / "spec" / "registry.toml"))
    assert path == tmp_path / "vectors" / "rules.json"
    assert json.loads(text) == {"A-001": "First. REJECT MALFORMED."}


@pytest.mark.parametrize(
    ("test", "known"),
    [
        ("tests/test_registry.py::test_coverage__names_tests_that_are_there", True),
        (
            "tests/store/test_state.py::TestEveryStore::test_state__is_there_again_after_a_restart",
            True,
        ),
        ("tests/store/test_state.py::test_state__is_there_again_after_a_restart", False),
        ("tests/test_registry.py::test_coverage__names_nothing", False),
        ("tests/test_registry.py", False),
        ("tests/test_nowhere.py::test_main", False),
    ],
)
def test_coverage__names_tests_that_are_there(
    generate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, test: str, *, known: bool
) -> None:
    stated = tmp_path / "coverage.toml"
    stated.write_text(f'[[rule]]\nids = ["A-001"]\ntests = ["{test}"]\nwhy = "so"\n')
    monkeypatch.setattr(generate.coverage_table, "STATED", stated)
    if known:
        assert generate.coverage_table.stated() == {"A-001": f"`{test}`; so"}
    else:
        with pytest.raises(ValueError, match="of A-001 is not there"):
            generate.coverage_table.stated()


def test_main__refuses_an_unknown_option(generate: ModuleType) -> None:
    assert generate.main(["--chekc"]) == 2


@pytest.mark.parametrize(
    "name", ["nonsense", "limits nonsense", "diagram nonsense", "abi nonsense"]
)
def test_table__unknown_name_is_an_error(generate: ModuleType, name: str) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        generate.table(generate.load(), name)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "RETRY"', 'name = "OK"', "OK stands there twice"),
        ("value = 98", "value = 97", "TIMEOUT stands there twice"),
        ("value = 98", "value = 128", "outside"),
        ('reason = "u32"', 'reason = ""', "gives no reason"),
    ],
)
def test_load__refuses_a_broken_registry(
    generate: ModuleType, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    text = (ROOT / "spec" / "registry.toml").read_text()
    assert old in text
    broken = tmp_path / "registry.toml"
    broken.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=complaint):
        generate.load(broken)


def test_codes__lie_in_the_range_of_their_class() -> None:
    assert Code(0) is Code.OK
    assert all(1 <= code <= 63 for code in Code if code < Code.INTERNAL and code != Code.OK)
    assert {Code.INTERNAL, Code.BUSY} == {code for code in Code if 64 <= code <= 95}
    assert {code for code in Code if code >= 96} == {Code.TOO_LARGE, Code.TOO_MANY, Code.TIMEOUT}
    assert max(Code) <= 127


def test_tags__are_prefix_free_and_end_in_zero() -> None:
    tags = [value for name, value in vars(registry).items() if name.startswith("TAG_")]
    assert len(tags) == len(set(tags)) == 8
    for tag in tags:
        assert tag.endswith(b"\x00")
        assert tag.count(b"\x00") == 1


def test_kinds__are_each_slot_or_stream() -> None:
    kinds = {value for name, value in vars(registry).items() if name.startswith("KIND_")}
    assert kinds == registry.SLOT_KINDS | registry.STREAM_KINDS
    assert not registry.SLOT_KINDS & registry.STREAM_KINDS


def test_numbers__agree_with_one_another() -> None:
    rows = tomllib.loads((ROOT / "spec" / "registry.toml").read_text())["limit"]
    assert all(getattr(registry, row["name"]) == row["value"] for row in rows)
    assert registry.MAX_CHUNK_BYTES == registry.CHUNK_ELEMENTS * 8
    assert 2**registry.MAX_PROOF_NODES == registry.MAX_CHUNKS
    assert registry.MAX_ENVELOPE_BYTES < registry.MAX_CONTROL_FRAME
    assert registry.MAX_CHUNK_BYTES <= registry.FLOOR_BYTES_PER_SECOND * registry.CHUNK_SECONDS
