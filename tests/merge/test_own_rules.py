"""Rules of other packages: found among what is installed, fenced in, streamed like ours."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import own_rules
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import ConfigError, MergeError, StateError
from swarmp2p.manifest import example_manifest, format_manifest, read_manifest
from swarmp2p.merge import reducers
from swarmp2p.merge.plugins import check_own_name
from swarmp2p.merge.rules import merge, rule_named
from swarmp2p.merge.streaming import StreamingMerge
from swarmp2p.merge.terms import Vector
from swarmp2p.wire.registry import MAX_RULE_NAME_BYTES

Install = Callable[..., None]

SCALED = """
class Scaled(Base):
    name = "their-rules:Scaled"
    def __init__(self, factor=1.0):
        if factor < 0:
            raise ValueError("factor below 0")
        self.factor = factor
    def reduce(self, terms, out):
        weighted_sum(terms, [share * self.factor for share in terms.shares], out)
        return Findings(tuple(share * self.factor for share in terms.shares))
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    def installed(source: str, **more: object) -> None:
        own_rules.install(tmp_path / "site", monkeypatch, source, **more)

    return installed


def made(n: int = 3, size: int = 40) -> tuple[list[Vector], Vector, list[int]]:
    rng = np.random.default_rng([n, size])
    rows: list[Vector] = [rng.normal(size=size).astype(np.float32) for _ in range(n)]
    return rows, rng.normal(size=size).astype(np.float32), [10 * k + 7 for k in range(n)]


def body(*lines: str, attributes: str = "") -> str:
    """A class `R` whose reduce() has these lines."""
    code = "".join(f"        {line}\n" for line in lines)
    return (
        f'class R(Base):\n    name = "their-rules:R"\n    {attributes or "pass"}\n'
        f"    def reduce(self, terms, out):\n{code}"
    )


def test_own_rule__merges_under_the_name_and_parameters_of_the_manifest(install: Install) -> None:
    install(SCALED)
    rows, base, weights = made()
    rule = rule_named("their-rules:Scaled", {"factor": 2.0})
    assert rule.name == "their-rules:Scaled"
    got = merge(rows, base, weights, rule)
    mean = merge(rows, base, weights, rule_named("mean"))
    assert np.allclose(got.vector, 2 * mean.vector)
    assert got.coefficients == tuple(2 * factor for factor in mean.coefficients)


def test_own_rule__is_found_whatever_form_its_package_gives_its_name(install: Install) -> None:
    install(SCALED.replace("their-rules", "their-good-rules"), package="Their_Good.Rules")
    assert rule_named("their-good-rules:Scaled").min_peers == 1


def test_manifest__refuses_a_missing_rule_and_names_its_package(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(format_manifest(replace(example_manifest(), rule="their-rules:Scaled")))
    expected = "no package 'their-rules' .* before you enrol"
    with pytest.raises(ConfigError, match=expected):
        read_manifest(file)


def test_manifest__takes_an_installed_rule_with_its_parameters(
    install: Install, tmp_path: Path
) -> None:
    install(SCALED)
    terms = {"rule": "their-rules:Scaled", "rule_params": {"factor": 2.0}}
    manifest, file = replace(example_manifest(), **terms), tmp_path / "run.toml"
    file.write_text(format_manifest(manifest))
    assert read_manifest(file).run_id == manifest.run_id
    file.write_text(format_manifest(replace(manifest, rule_params={"other": 2.0})))
    with pytest.raises(
        ConfigError, match=r"run.toml \[merge\]: rule 'their-rules:Scaled' .*'other'"
    ):
        read_manifest(file)


def test_missing_rule__names_those_that_the_package_has(install: Install) -> None:
    install(SCALED, entries={"scaled": "Scaled", "double": "Scaled"})
    with pytest.raises(MergeError, match=r"has no such rule; it has double, scaled\. "):
        rule_named("their-rules:triple")


@pytest.mark.parametrize(
    "name",
    [
        ":",
        "a:",
        ":a",
        "A:a",
        "a_b:a",
        "a--b:a",
        "-a:a",
        "a:a:a",
        "nnm+a:a",
        "a:b c",
        "a/../b:c",
        "os:system\n",
        "a:" + "b" * (MAX_RULE_NAME_BYTES - 1),
    ],
)
def test_own_name__is_refused_in_another_form(name: str) -> None:
    with pytest.raises(MergeError, match="is PACKAGE:RULE"):
        rule_named(name)


@given(st.text(min_size=1, max_size=70))
def test_own_name__of_any_text_is_read_or_refused(text: str) -> None:
    try:
        package, rule = check_own_name(f"{text}:rule")
    except MergeError:
        return
    assert (package, rule) == (text, "rule")
    assert text.isascii()


@pytest.mark.parametrize("name", ["this:s", "antigravity:x", "json:loads", "pytest:main"])
def test_own_name__imports_nothing_that_is_not_installed_as_a_rule(name: str) -> None:
    before = set(sys.modules)
    with pytest.raises(MergeError, match="no package"):
        rule_named(name)
    assert not {"this", "antigravity"} & (set(sys.modules) - before)


def test_another_rule__loads_no_package(install: Install) -> None:
    install("raise RuntimeError\n", entries={"R": "R"})
    assert rule_named("mean").name == "mean"
    with pytest.raises(MergeError, match="no package 'other'"):
        rule_named("other:R")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("R = None", "raised TypeError: 'NoneType' object is not callable"),
        ("S = None", "raised AttributeError: .*no attribute 'R'"),
        ("import nowhere", "raised ModuleNotFoundError: No module named 'nowhere'"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("class R: pass", "'R' object has no attribute 'name'"),
        ("class R(Base): name = 'r'", "'R' object has no attribute 'reduce'"),
        ("class R(Base):\n name = 'r'\n def reduce(self, terms): ...", "too many positional"),
        (body("...").replace("their-rules:R", "their"), "its 'name' is 'their'"),
        (body("...", attributes="min_peers = 0"), "'min_peers' is 0; 1 to 64 is expected"),
        (body("...", attributes="min_peers = 2.0"), "'min_peers' is 2.0; 1 to 64"),
        (body("...", attributes="faults = 3"), "'faults' is 3; words are expected"),
        (body("...", attributes="by_element = 1"), "'by_element' is 1; a bool is expected"),
    ],
)
def test_class__that_is_no_merge_rule_is_refused_with_what_is_wrong(
    install: Install, source: str, complaint: str
) -> None:
    install(source, entries={"R": "R"})
    with pytest.raises(MergeError, match=f"rule 'their-rules:R'.*{complaint}"):
        rule_named("their-rules:R")


def test_parameters__that_the_class_refuses_are_refused(install: Install) -> None:
    install(SCALED)
    with pytest.raises(MergeError, match="unexpected keyword argument 'radius'"):
        rule_named("their-rules:Scaled", {"radius": 2.0})
    with pytest.raises(MergeError, match="their-rules:Scaled' raised ValueError: factor below 0"):
        rule_named("their-rules:Scaled", {"factor": -1.0})


def test_package__that_names_a_rule_twice_is_refused(install: Install, tmp_path: Path) -> None:
    install(SCALED)
    with next(tmp_path.rglob("entry_points.txt")).open("a") as file:
        file.write("Scaled = their_rules:Base\n")
    with pytest.raises(MergeError, match="names it 2 times"):
        rule_named("their-rules:Scaled")


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["1 / 0"], "raised ZeroDivisionError"),
        (["raise SystemExit"], "raised SystemExit"),
        (["raise MergeError('too odd')"], "too odd"),
        (["out[:] = 0"], "returned None; Findings are expected"),
        (["return Findings()"], "left NaN in element 0, or did not write it"),
        (["out[:] = 0", "out[7] = np.nan", "return Findings()"], "left NaN in element 7"),
        (["terms.base[0] = 1"], "read-only"),
        (["terms.rows.block(0, 3)[1][0] = 1"], "read-only"),
        (["terms.rows.block(4, 6)[1][0] = 1"], "read-only"),
        (["return Findings((1.0,))"], "none, or 3 finite ones are expected"),
        (["return Findings((1.0, 2.0, np.inf))"], "3 finite ones are expected"),
        (["return Findings(('a', 2.0, 3.0))"], "raised ValueError"),
        (["return Findings((), (3,))"], "outliers .* roster indices, ascending"),
        (["return Findings((), (1, 0))"], "outliers .* roster indices, ascending"),
    ],
)
def test_own_rule__ends_as_merge_error_whatever_it_does(
    install: Install, lines: list[str], complaint: str
) -> None:
    install(body(*lines))
    rows, base, weights = made()
    kept = [row.tobytes() for row in (*rows, base)]
    with pytest.raises(MergeError, match=f"rule 'their-rules:R'.*{complaint}"):
        merge(rows, base, weights, rule_named("their-rules:R"), stat=[slice(5, 6)])
    assert [row.tobytes() for row in (*rows, base)] == kept


def test_own_rule__gets_finite_values_only(install: Install) -> None:
    install(body("out[:] = 0", "return Findings()"))
    rows, base, weights = made()
    rows[1][3] = np.inf
    with pytest.raises(MergeError, match=r"^the update of roster index 1: element 3 is inf"):
        merge(rows, base, weights, rule_named("their-rules:R"))


def test_own_rule__is_not_asked_below_its_least_roster(install: Install) -> None:
    install(body("1 / 0", attributes="min_peers = 4"))
    rows, base, weights = made()
    with pytest.raises(MergeError, match="takes n >= 4 updates"):
        merge(rows, base, weights, rule_named("their-rules:R"))


def test_own_rule__may_leave_the_last_step_to_the_engine(install: Install) -> None:
    install(body("out[:] = -0.0", "out[1], out[2] = np.inf, -np.inf", "return Findings()"))
    rows, base, weights = made()
    merged = merge(rows, base, weights, rule_named("their-rules:R")).vector
    largest = np.finfo(np.float32).max
    assert merged[:3].tolist() == [0.0, largest, -largest]
    assert not np.signbit(merged[0])


def test_own_rule__sees_running_statistics_equal_to_the_base(install: Install) -> None:
    # what it sees of the updates is what it writes, summed up
    install(
        body(
            "def work(rows, base, part):",
            "    part[:] = rows[0] - base",
            "    for row in rows[1:]:",
            "        part += row - base",
            "    assert not part[-1]",
            "each_block(terms, out, work)",
            "return Findings(outliers=(int(out[3:9].any()),))",
        )
    )
    rows, base, weights = made()
    rule, stat = rule_named("their-rules:R"), [slice(3, 9), slice(39, 40)]
    merged = merge(rows, base, weights, rule, stat=stat)
    mean = merge(rows, base, weights, rule_named("mean")).vector
    assert merged.outliers == (0,)
    for part in stat:
        assert merged.vector[part].tobytes() == mean[part].tobytes()


def test_own_rule__merges_an_empty_section_unasked(install: Install) -> None:
    install(body("1 / 0"))
    assert not merge(*made(size=0), rule_named("their-rules:R")).vector.size


BY_ELEMENT = body(
    "def work(rows, base, part):",
    "    np.maximum(rows[0], base, out=part)",
    "    for row in rows[1:]:",
    "        np.maximum(part, row, out=part)",
    "each_block(terms, out, work)",
    "return Findings()",
    attributes="by_element = True",
)
WHOLE = body(
    "norms = measure(terms).norms",
    "factors = [share / (1.0 + norm) for share, norm in zip(terms.shares, norms, strict=True)]",
    "shifted_sum(terms, factors, out)",
    "return Findings(tuple(factors))",
)


@pytest.mark.parametrize("source", [BY_ELEMENT, WHOLE])
def test_own_rule__streams_and_threads_to_the_same_bits(
    install: Install, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(source)
    rule, (rows, base, weights), stat = rule_named("their-rules:R"), made(4, 50), [slice(3, 20)]
    want = merge(rows, base, weights, rule, stat=stat)
    stream = StreamingMerge(base, weights, rule, stat=stat, chunk=16)
    for index in (3, 0, 2, 1):
        for peer in (2, 0, 1, 3):
            stream.feed(peer, index, rows[peer][16 * index : 16 * index + 16])
    got = stream.result()
    assert got.vector.tobytes() == want.vector.tobytes()
    assert got.coefficients == want.coefficients
    monkeypatch.setattr(reducers, "PARALLEL_FROM", 1)
    monkeypatch.setattr(reducers, "BLOCK", 4)
    with ThreadPoolExecutor(2) as pool:
        again = merge(rows, base, weights, rule, stat=stat, pool=pool, threads=2)
    assert again.vector.tobytes() == want.vector.tobytes()


def test_own_rule__is_not_blamed_for_a_chunk_that_is_gone(install: Install) -> None:
    install(WHOLE)
    rows, base, weights = made()
    loads = []

    def gone() -> Vector:
        loads.append(1)
        if len(loads) > 1:  # the look for NaN goes first
            raise StateError("chunk 0 is gone")
        return rows[1]

    stream = StreamingMerge(base, weights, rule_named("their-rules:R"))
    for peer, source in enumerate((rows[0], gone, rows[2])):
        stream.feed(peer, 0, source)
    with pytest.raises(StateError, match=r"^chunk 0 is gone"):
        stream.result()
