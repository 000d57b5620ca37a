"""`swarmp2p bench merge` says what it shall; no test looks at a time."""

import json
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from click.testing import CliRunner

from swarmp2p.bench import naive
from swarmp2p.bench.clock import Timing
from swarmp2p.bench.merge import CODECS, PASSES, TORCH, MergeBench
from swarmp2p.cli.main import cli, run
from swarmp2p.errors import ConfigError
from swarmp2p.merge.rules import merge, rule_named, rule_names

SMALL = ["bench", "merge", "--params", "100000", "--peers", "2,3", "--repeat", "2"]
FIELDS = {
    "rule",
    "peers",
    "cpu_ms",
    "wall_ms",
    "memcpy_ms",
    "ratio",
    "naive_ratio",
    "extra_mb",
    "gb_per_s",
    "wall_2_threads_ms",
}


def test_bench_merge__prints_a_row_for_every_rule_and_number_of_peers() -> None:
    result = CliRunner().invoke(cli, [*SMALL, "--json"], catch_exceptions=False)
    rows = json.loads(result.stdout)["rows"]
    assert all(set(row) == FIELDS for row in rows)
    want = {
        (name, count)
        for name in rule_names()
        for count in (2, 3)
        if count >= rule_named(name).min_peers
    }
    got = {(row["rule"], row["peers"]) for row in rows}
    assert want <= got
    assert {(name, 1) for name in CODECS} <= got
    assert {(PASSES, 2), (PASSES, 3)} <= got
    for row in rows:
        assert row["ratio"] > 0
        assert row["memcpy_ms"] > 0
        assert row["extra_mb"] is None or 0 < row["extra_mb"] < 32


def test_bench_merge__prints_a_table_of_the_rows_that_were_asked_for() -> None:
    result = CliRunner().invoke(
        cli, [*SMALL, "--rules", "median, nnm+mean,decode int8"], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "x memcpy" in result.stdout
    for name in ("median", "nnm+mean", "decode int8"):
        assert name in result.stdout
    assert "krum" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--params", "0"], "--params is 0; expected 1 to"),
        (["--peers", "4,x"], "--peers is '4,x'; expected numbers"),
        (["--peers", "0"], "--peers is '0'; expected numbers from 1 to 256"),
        (["--repeat", "0"], "--repeat is 0; expected 1 to 1000"),
        (["--rules", "best"], "--rules: unknown merge rule 'best'"),
        (["--rules", "strict", "--peers", "3"], "none of these rules merges so few updates"),
        (["--params", "many"], "Invalid value for '--params'"),
    ],
)
def test_bench_merge__refuses_bad_options_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "merge", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    if error.startswith("swarmp2p: "):
        assert error.count("\n") == 1


def test_bench_merge__says_that_torch_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmp2p.bench.merge.find_spec", lambda _name: None)
    result = CliRunner().invoke(cli, [*SMALL, "--rules", "torch:median"])
    assert isinstance(result.exception, ConfigError)
    assert "needs torch" in str(result.exception)
    assert "torch:median" not in MergeBench().names


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_bench_merge__has_rows_for_torch_and_leaves_its_threads_as_they_were() -> None:
    torch = import_module("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        result = CliRunner().invoke(
            cli, [*SMALL, "--rules", ",".join(TORCH), "--json"], catch_exceptions=False
        )
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    rows = json.loads(result.stdout)["rows"]
    assert [(row["rule"], row["peers"]) for row in rows] == [(n, k) for n in TORCH for k in (2, 3)]
    for row in rows:
        assert set(row) == FIELDS
        assert row["ratio"] > 0
        assert row["naive_ratio"] is row["extra_mb"] is None


def test_timing__scales_the_work_and_not_the_memcpy() -> None:
    timing = Timing(cpu_ms=3, wall_ms=4, memcpy_ms=2).scaled(2.5)
    assert timing == Timing(cpu_ms=7.5, wall_ms=10, memcpy_ms=2)
    assert timing.ratio == 3.75


@pytest.mark.parametrize("size", [1, 9, 16])
def test_naive__passes_are_those_of_mean(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naive, "BLOCK", 8)
    rng = np.random.default_rng(size)
    rows = [rng.normal(size=size).astype(np.float32) for _ in range(3)]
    out, weights = np.empty(size, np.float32), [5, 3, 4]
    naive.passes(rows, [weight / 12 for weight in weights], out)
    want = merge(rows, np.zeros(size, np.float32), weights, rule_named("mean")).vector
    assert out.tobytes() == want.tobytes()


@pytest.mark.parametrize("name", rule_names())
@pytest.mark.parametrize("count", [4, 8])
def test_naive__rules_are_the_same_rules(name: str, count: int) -> None:
    rng = np.random.default_rng(count)
    rows = [rng.normal(size=300).astype(np.float32) for _ in range(count)]
    base, weights = np.zeros(300, np.float32), [5, 3, 4, 6, 5, 4, 3, 5][:count]
    got = naive.RULES[name](rows, base, np.array(weights))
    want = merge(rows, base, weights, rule_named(name)).vector
    assert np.allclose(got, want, atol=1e-5)
