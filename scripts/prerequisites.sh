#!/bin/sh
# Checks what pip cannot install: Python 3.11+, its venv module, make, a C compiler, and the headers
# that libp2p's fastecdsa is compiled with. Prints the one line that installs what is missing, exits 2.
#
# PYTHON        the interpreter to check (default python3)
# INCLUDE_DIRS  look for Python.h and gmp.h in these directories only (colon-separated), instead of
#               asking the interpreter and the compiler
set -u

python=${PYTHON:-python3}
missing=
packages=

need() { # need WHAT PACKAGE...
    missing="${missing:+$missing, }$1"
    shift
    packages="${packages:+$packages }$*"
}

found_in_include_dirs() { # found_in_include_dirs HEADER
    old_ifs=$IFS
    IFS=:
    for directory in $INCLUDE_DIRS; do
        if [ -f "$directory/$1" ]; then
            IFS=$old_ifs
            return 0
        fi
    done
    IFS=$old_ifs
    return 1
}

has_python_header() {
    if [ -n "${INCLUDE_DIRS+set}" ]; then
        found_in_include_dirs Python.h
        return
    fi
    directory=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))') &&
        [ -f "$directory/Python.h" ]
}

has_gmp_header() {
    if [ -n "${INCLUDE_DIRS+set}" ]; then
        found_in_include_dirs gmp.h
        return
    fi
    # The compiler knows its own search path (multiarch, CPATH); without one, look where Debian puts it.
    if command -v gcc >/dev/null 2>&1; then
        echo '#include <gmp.h>' | gcc -E -x c - >/dev/null 2>&1
        return
    fi
    for header in /usr/include/gmp.h /usr/include/*/gmp.h; do
        [ -f "$header" ] && return 0
    done
    return 1
}

# Debian names the packages of an interpreter after it: python3 -> python3-dev, python3.12 -> python3.12-dev.
family=$(basename "$python")
case $family in
python3 | python3.*) ;;
*) family=python3 ;;
esac

if ! command -v "$python" >/dev/null 2>&1; then
    need "Python 3.11 or newer ($python)" "$family" "$family-venv" "$family-dev"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    need "Python 3.11 or newer ($python is older; then run make with PYTHON=python3.11)" \
        python3.11 python3.11-venv python3.11-dev
else
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        need "the venv module of $python" "$family-venv"
    has_python_header || need "the C headers of $python" "$family-dev"
fi
command -v make >/dev/null 2>&1 || need make make
command -v gcc >/dev/null 2>&1 || need gcc gcc
has_gmp_header || need "the headers of GMP" libgmp-dev

[ -z "$packages" ] && exit 0

sudo=
[ "$(id -u)" = 0 ] || sudo="sudo "
echo "swarmp2p needs $missing. Install with:" >&2
echo "${sudo}apt-get update && ${sudo}apt-get install -y $packages" >&2
exit 2
