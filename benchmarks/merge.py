"""Merge rules and encodings against a memcpy, plain NumPy and torch: `swarmp2p bench merge`.

python benchmarks/merge.py [--params N] [--peers 4,8] [--repeat 5] [--rules mean,...] [--json]
"""

import sys

from swarmp2p.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["bench", "merge", *sys.argv[1:]]))
