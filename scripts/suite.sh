#!/usr/bin/env bash
# The whole suite, as `make test` runs it: style, types, generated files, contracts, tests under
# coverage, coverage thresholds. The last line printed is pytest's own closing line.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin

"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/python" spec/generate.py --check
scripts/contracts_check.sh

log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$bin/coverage" erase
"$bin/coverage" run -m pytest "$@" | tee "$log"
"$bin/coverage" combine --quiet
"$bin/coverage" json --quiet -o - >"$log.json"
"$bin/python" scripts/coverage_thresholds.py <"$log.json"
rm -f "$log.json"
tail -n 1 "$log"
