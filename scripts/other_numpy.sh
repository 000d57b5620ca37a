#!/usr/bin/env bash
# The merge under another NumPy than the one in .venv: the oldest that pyproject.toml allows
# (constraints-oldest.txt), or NUMPY=VERSION. The environment is .venv-numpy/VERSION; it has what the
# vectors and tests/merge import, in the ranges of pyproject.toml, and nothing that is compiled.
#
#   other_numpy.sh short   every vector, with all of this processor's vector units, then without; then
#                          the tests of layouts and encodings likewise
#   other_numpy.sh         every vector and all of tests/merge likewise
#
# NumPy before 2.0 chooses the type of a result also by the value of a scalar. There the second pass
# has the rules of 2.0 and an error wherever the rules of 1.x would have given another type.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
version=${NUMPY:-$(sed -n 's/^numpy==//p' constraints-oldest.txt)}
venv=.venv-numpy/$version
bin=$venv/bin

case $version in
1.*)
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))'; then
        echo "NumPy $version left out: it has no wheel for $("$python" -V); PYTHON=python3.11 or python3.12 has one"
        exit 0
    fi
    ;;
esac

if ! [ "$venv/.installed" -nt pyproject.toml ]; then
    "$python" -m venv "$venv"
    mapfile -t needed < <("$bin/python" - <<'NAMES'
import re, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
names = {"click", "msgpack", "numpy", "pynacl", "rich", "trio"}
names |= {"hypothesis", "pytest", "pytest-timeout", "pytest-trio"}
for requirement in project["dependencies"] + project["optional-dependencies"]["dev"]:
    if re.match(r"[\w-]+", requirement)[0] in names:
        print(requirement)
NAMES
    )
    "$bin/pip" --disable-pip-version-check install -q --only-binary :all: "${needed[@]}" "numpy==$version"
    touch "$venv/.installed"
fi

export PYTHONPATH=$PWD PYTHONWARNINGS=error::UserWarning
second=("NPY_DISABLE_CPU_FEATURES=$("$bin/python" -c '
import numpy
assert numpy.__version__ == "'"$version"'", numpy.__version__
print(*numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", []))')")
[[ $version == 1.* ]] && second+=(NPY_PROMOTION_STATE=weak_and_warn)

log=$(mktemp)
trap 'rm -f "$log"' EXIT
vectors() { # vectors NAME=VALUE...
    echo "NumPy $version, all vectors${1:+, $*}"
    if ! env "$@" "$bin/python" -m swarmp2p conformance vectors >"$log"; then
        cat "$log"
        exit 1
    fi
    grep '^ all ' "$log"
}
vectors
vectors "${second[@]}"

tests=(tests/merge)
[ "${1:-}" = short ] && tests=(tests/merge/test_merge_layout.py tests/merge/test_merge_codec.py)
pytest=("$bin/python" -m pytest -q -p no:cacheprovider "${tests[@]}")
"${pytest[@]}"
env "${second[@]}" "${pytest[@]}"
