"""`swarmp2p bench merge` says what it shall; no test looks at a time."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from swarmp2p.bench import naive
from swarmp2p.bench.merge import CODECS, MergeBench
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


@pytest.mark.skipif("torch" in sys.modules, reason="torch is there")
def test_bench_merge__says_that_torch_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmp2p.bench.merge.find_spec", lambda _name: None)
    result = CliRunner().invoke(cli, [*SMALL, "--rules", "torch add_"])
    assert isinstance(result.exception, ConfigError)
    assert "needs torch" in str(result.exception)
    assert "torch add_" not in MergeBench().names


@pytest.mark.parametrize("name", rule_names())
@pytest.mark.parametrize("count", [4, 8])
def test_naive__rules_are_the_same_rules(name: str, count: int) -> None:
    rng = np.random.default_rng(count)
    rows = [rng.normal(size=300).astype(np.float32) for _ in range(count)]
    base, weights = np.zeros(300, np.float32), [5, 3, 4, 6, 5, 4, 3, 5][:count]
    got = naive.RULES[name](rows, base, np.array(weights))
    want = merge(rows, base, weights, rule_named(name)).vector
    assert np.allclose(got, want, atol=1e-5)
