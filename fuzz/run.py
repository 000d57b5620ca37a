"""Runs targets one after the other, or some at a time, and prints a table: see README.md.

Exits with 1 when a target crashed, ran out of memory or hung, and says how to run its input again.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fuzz.targets import TARGETS, Target

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
FOUND = ROOT / "fuzz" / "found"  # not in git: inputs that reach new code, findings, logs
_RSS_MIB = 1_024  # the interpreter with NumPy and libp2p takes 200
_HANG_SECONDS = 25
_STRICT = ("-W", "error::RuntimeWarning")  # of NumPy, about a peer's numbers
_FINDINGS = ("crash-*", "timeout-*", "oom-*", "leak-*")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one target did."""

    name: str
    executions: int
    per_second: int
    findings: list[Path]
    failed: bool

    def row(self) -> str:
        """A line of the table."""
        crashes = len(self.findings) or int(self.failed)
        return f"{self.name:<16} {self.executions:>11,} {self.per_second:>9,} {crashes:>8}"


def fuzz(target: Target, seconds: int, runs: int | None) -> Outcome:
    """Run one target; its log and whatever it finds go to fuzz/found/NAME."""
    folder = FOUND / target.name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    old = set(_findings(folder))
    limit = f"-runs={runs}" if runs is not None else f"-max_total_time={seconds}"
    command = [sys.executable, *_STRICT, "-m", "fuzz.one", target.name, limit]
    command += [f"-max_len={target.max_len}", f"-rss_limit_mb={_RSS_MIB}"]
    command += [f"-timeout={_HANG_SECONDS}", "-print_final_stats=1"]
    command += [f"-artifact_prefix={folder}/", str(folder / "corpus"), str(CORPUS / target.name)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    log = done.stdout.decode(errors="replace")
    (folder / "log").write_text(log, encoding="utf-8")
    return Outcome(
        target.name,
        _number(log, "number_of_executed_units"),
        _number(log, "average_exec_per_sec"),
        [path for path in _findings(folder) if path not in old],
        failed=done.returncode != 0,
    )


def _findings(folder: Path) -> list[Path]:
    return sorted(path for pattern in _FINDINGS for path in folder.glob(pattern))


def _number(log: str, name: str) -> int:
    found = re.search(rf"stat::{name}:\s+(\d+)", log)
    return int(found[1]) if found else 0


def explain(outcome: Outcome) -> None:
    """Say what a target found and how to see it again."""
    log = FOUND / outcome.name / "log"
    print(f"\n{outcome.name} failed; its log is {log.relative_to(ROOT)}")
    for path in outcome.findings:
        name = path.relative_to(ROOT)
        command = [sys.executable, *_STRICT, "-m", "fuzz.one", outcome.name, str(name)]
        print(f"input:  {name}\nreplay: {' '.join(command)}")
    if not outcome.findings:
        print("\n".join(log.read_text(encoding="utf-8").splitlines()[-20:]))


def main() -> int:
    """Parse the options, run, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--runs", type=int, help="executions for each target, instead of seconds")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time (1)")
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {min(unknown)}; there are {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is missing: pip install -e '.[fuzz]' (Linux on x86-64 only)")
    chosen = [TARGETS[name] for name in options.targets or TARGETS]
    print(f"{'target':<16} {'executions':>11} {'exec/s':>9} {'crashes':>8}", flush=True)
    outcomes = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(lambda one: fuzz(one, options.seconds, options.runs), chosen):
            print(outcome.row(), flush=True)
            outcomes.append(outcome)
    failed = [outcome for outcome in outcomes if outcome.failed]
    for outcome in failed:
        explain(outcome)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
