"""What a round costs each peer, from gas.json, as the table of docs/howto/consortium-chain.md.

    python contracts/cost.py              print it
    python contracts/cost.py --write      put it into the document
    python contracts/cost.py --gwei 5 --coin 2500      at other prices

Gas is what was measured; prices are assumptions, of the gas in gwei and of one coin in money.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "howto" / "consortium-chain.md"
BEGIN, END = "<!-- generated: python contracts/cost.py --write -->", "<!-- end -->"
GWEI = (0, 1, 20)
COIN = 3000
ROUNDS = 100
ROWS = {
    "peer_and_round": "undisturbed",
    "peer_and_round_after_missed_deadline": "after a missed deadline",
}


def table(gas: dict[str, dict[str, int]], gwei: Sequence[float], coin: float) -> str:
    """Markdown: gas for each peer and round, and money for ROUNDS rounds at each gas price."""
    head = ["peers", "round", "gas a peer", *(f"{price:g} gwei" for price in gwei)]
    lines = [_row(head), _row(["---"] * len(head))]
    for size in sorted((size for size in gas if size.isdigit()), key=int):
        for name, words in ROWS.items():
            used = gas[size][name]
            money = [f"{used * ROUNDS * price * 1e-9 * coin:,.2f}" for price in gwei]
            lines.append(_row([size, words, f"{used:,}", *money]))
    note = f"Money of one peer for {ROUNDS} rounds, where a coin is worth {coin:g}."
    return "\n".join([*lines, "", note])


def inserted(document: str, text: str) -> str:
    """The document with the table between its marks."""
    before, mark, rest = document.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not mark or not end:
        raise SystemExit(f"{DOCUMENT} has no marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Print the table, or write it into the document."""
    parser = argparse.ArgumentParser(description="What a round costs each peer.")
    parser.add_argument("--gwei", type=float, action="append", help="a price of gas")
    parser.add_argument("--coin", type=float, default=COIN, help="what a coin is worth")
    parser.add_argument("--write", action="store_true", help="into the document, at its prices")
    options = parser.parse_args()
    gas = json.loads((HERE / "gas.json").read_text(encoding="utf-8"))
    if options.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(inserted(text, table(gas, GWEI, COIN)), encoding="utf-8")
    else:
        print(table(gas, options.gwei or GWEI, options.coin))
    return 0


if __name__ == "__main__":
    sys.exit(main())
