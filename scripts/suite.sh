#!/usr/bin/env bash
# The whole suite, as `make test` runs it: style, types, generated files, contracts, 5 s of fuzzing for
# each target, the vectors under the oldest NumPy, tests under coverage, coverage thresholds. The last line printed is pytest's own closing line.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin

"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/python" spec/generate.py --check
scripts/contracts_check.sh
if "$bin/python" -c 'import atheris' 2>/dev/null; then
    "$bin/python" -m fuzz.run --seconds 5 --jobs "$(nproc)"
else
    echo "fuzzing left out: atheris has no wheel here (the tests run every seed)"
fi
PYTHON="$bin/python" scripts/other_numpy.sh short

log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$bin/coverage" erase
# One worker for each core: most tests compute in one thread. tests/conftest.py says which go together.
"$bin/coverage" run -m pytest -n "$(nproc)" --dist loadgroup --no-loadscope-reorder "$@" | tee "$log"
"$bin/coverage" combine --quiet
"$bin/coverage" json --quiet -o - >"$log.json"
"$bin/python" scripts/coverage_thresholds.py <"$log.json"
rm -f "$log.json"
tail -n 1 "$log"
