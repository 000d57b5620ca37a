#!/usr/bin/env bash
# Every vector on an ARM processor that QEMU emulates: Debian's Python for arm64 and NumPy's own wheel
# for it, unpacked in build/arm. Nothing is installed into the system.
#
#   arm_vectors.sh [GLOB]    all cases, or those whose id fits
#
# NUMPY     its version (default: the newest)
# QEMU_CPU  the processor (QEMU's default has all that it can; cortex-a57 has NEON alone)
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
numpy=numpy${NUMPY:+==$NUMPY}

if [ "$(uname -m)" = aarch64 ]; then
    echo "no emulation: this is an ARM processor, on which \`make test\` runs every vector"
    exit 0
fi
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
if [ -z "$qemu" ] || ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "the vectors on ARM left out: they need Debian, and there apt-get install -y qemu-user-static"
    exit 0
fi

folder=$PWD/build/arm
root=$folder/root
if ! [ -f "$root/.unpacked" ]; then
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$root"
    : >"$folder/apt/status"
    # lists and packages of another architecture, apart from the system's own
    apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64
        -o Dir::State="$folder/apt" -o Dir::State::status="$folder/apt/status"
        -o Dir::Cache="$folder/apt/cache" -o Acquire::Languages=none
        -o APT::Sandbox::User="$(id -un)") # the folder is the caller's
    "${apt[@]}" update
    "${apt[@]}" -y --no-install-recommends --download-only install python3 libstdc++6
    for package in "$folder"/apt/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$root"
    done
    touch "$root/.unpacked"
fi
interpreter=$(readlink -f "$root/usr/bin/python3")
version=${interpreter##*python}

site=$folder/site-$version-${NUMPY:-newest}
if ! [ -f "$site/.installed" ]; then
    platforms=()
    for manylinux in 2014 _2_17 _2_26 _2_27 _2_28; do
        platforms+=(--platform "manylinux${manylinux}_aarch64")
    done
    "$bin/pip" --disable-pip-version-check install -q --no-compile --only-binary :all: --target "$site" \
        "${platforms[@]}" --python-version "$version" --implementation cp \
        --abi "cp${version/./}" --abi abi3 --abi none "$numpy" msgpack pynacl trio
    touch "$site/.installed"
fi

emulated=(env PYTHONPATH="$PWD:$site" "$qemu" -L "$root" "$interpreter" -S)
"${emulated[@]}" -c '
import numpy, platform
found = numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
print("Python", platform.python_version(), platform.machine(), "NumPy", numpy.__version__, *found)'
PYTHONPATH=$PWD "$bin/python" -m swarmp2p conformance vectors ${1:+-k "$1"} \
    --runner "${emulated[*]} -m swarmp2p.target"
