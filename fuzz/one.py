"""Runs one target under atheris: `python -m fuzz.one TARGET [libFuzzer flags, folders or files]`.

With a file it runs that input once, which is how a finding is replayed.
"""

import sys

import atheris

from fuzz.targets import TARGETS


def main() -> None:
    """Instrument the package, then hand over to libFuzzer, which ends the process."""
    _, name, *flags = sys.argv
    with atheris.instrument_imports(include=["swarmp2p"]):
        check = TARGETS[name].load()
    atheris.Setup([sys.argv[0], *flags], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
