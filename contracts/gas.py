"""Print the gas table of a round and of the dearest other calls, and write it to gas.json.

    python contracts/gas.py

A test fails when a figure grows by more than a tenth: run this and commit the result where the
growth is meant.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "contracts"))

from contract_gas import ANY, measure_all  # noqa: E402 (the chain stands beside the tests)


def main() -> None:
    """Measure, print and write."""
    table = measure_all()
    sizes = [size for size in table if size != ANY]
    print(f"{'':<40}" + "".join(f"{f'N={size}':>10}" for size in sizes))
    for name in table[sizes[0]]:
        print(f"{name:<40}" + "".join(f"{table[size][name]:>10,}" for size in sizes))
    for name, gas in table[ANY].items():
        print(f"{name:<40}{gas:>10,}")
    path = HERE / "gas.json"
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
