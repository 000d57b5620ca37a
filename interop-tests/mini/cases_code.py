"""Cases of 11-errors.md: how codes are treated. Every code in a reply is in cases_getter.py."""

REFUSED = [
    "RETRY",
    "NOT_FOUND",
    "MALFORMED",
    "NOT_CANONICAL",
    "UNKNOWN_FIELD",
    "WRONG_VERSION",
    "WRONG_DOMAIN",
    "BAD_SIGNATURE",
    "NOT_ENROLLED",
    "NOT_IN_ROSTER",
    "WRONG_ROUND",
    "REPLAY",
    "EQUIVOCATION",
    "BAD_PROOF",
    "BAD_COMMITMENT",
    "NON_FINITE",
    "BAD_SCHEMA",
    "UNEXPECTED",
]
KNOWN = {
    0: "OK",
    64: "INTERNAL",
    65: "BUSY",
    96: "TOO_LARGE",
    97: "TOO_MANY",
    98: "TIMEOUT",
    **dict(enumerate(REFUSED, start=1)),
}


def treated(code):
    if code in KNOWN:
        return KNOWN[code]
    if code < 64:
        return "RETRY"
    return "TOO_LARGE" if 96 <= code < 128 else "INTERNAL"


def cases():
    for code in range(256):
        wanted = {"as": treated(code)}
        yield "code.treat", f"code-{code}", ["ERR-001", "ERR-002"], {"code": code}, wanted.__eq__
