"""Answer codes: README.md ("Answer codes") and 11-errors.md, ERR-001 and ERR-002."""

import inputs

NAMES = {
    0: "OK",
    1: "RETRY",
    2: "NOT_FOUND",
    3: "MALFORMED",
    4: "NOT_CANONICAL",
    5: "UNKNOWN_FIELD",
    6: "WRONG_VERSION",
    7: "WRONG_DOMAIN",
    8: "BAD_SIGNATURE",
    9: "NOT_ENROLLED",
    10: "NOT_IN_ROSTER",
    11: "WRONG_ROUND",
    12: "REPLAY",
    13: "EQUIVOCATION",
    14: "BAD_PROOF",
    15: "BAD_COMMITMENT",
    16: "NON_FINITE",
    17: "BAD_SCHEMA",
    18: "UNEXPECTED",
    64: "INTERNAL",
    65: "BUSY",
    96: "TOO_LARGE",
    97: "TOO_MANY",
    98: "TIMEOUT",
}
NUMBERS = {name: number for number, name in NAMES.items()}


def treat(number):
    """The name of the code that a number is treated as, by a peer without private codes."""
    if number in NAMES:
        return NAMES[number]
    if number <= 63:  # ERR-002
        return "RETRY"
    if number <= 95:  # ERR-002
        return "INTERNAL"
    if number <= 127:  # ERR-002
        return "TOO_LARGE"
    return "INTERNAL"  # ERR-002: a private code that was not agreed on


OPERATIONS = {"code.treat": lambda given: {"as": treat(inputs.integer(given, "code", 0, 255))}}
