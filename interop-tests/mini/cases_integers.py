"""Cases of merge.integers: MERGE-051."""

LOW, HIGH = str(-(1 << 63)), str((1 << 63) - 1)
RULES = ("max", "min", "median", "base")


def cases():
    table = {
        "one-update": [["-5", "0", "7"]],
        "negative": [["-5", "-1"], ["-4", "-2"], ["-9", "-3"]],
        "extremes": [[LOW, HIGH, LOW], [HIGH, LOW, LOW], ["0", "0", LOW]],
        "beyond-2-to-53": [
            ["9007199254740993", "-9007199254740993"],
            ["9007199254740992", "-9007199254740992"],
        ],
        "next-to-the-largest": [["9223372036854775806"], [HIGH], ["9223372036854775805"]],
        "booleans": [["0", "1", "0"], ["0", "0", "0"], ["0", "1", "1"]],
        "equal": [["3", "4"], ["3", "4"]],
        "empty-section": [[], []],
        "sixty-four": [[str(k), str(-k), str((k * 29) % 64)] for k in range(64)],
        "two-upper-middle": [["-3", "10", LOW, "0"], ["-4", "11", HIGH, "-1"]],
        "four-two-and-two": [["7", "1"], ["2", "1"], ["2", "0"], ["7", "0"]],
        "five-ties": [["1", "-2"], ["3", "-2"], ["3", "-2"], ["2", "5"], ["3", "6"]],
        "sign-not-text": [["-10", "10"], ["-9", "9"], ["2", "100"]],
    }
    for slug, updates in table.items():
        yield case(slug, "max", updates)
    for rule in RULES[1:]:
        for slug, updates in table.items():
            # What `base` gives depends on no update: a few are enough.
            if rule == "min" and slug in ("equal", "booleans", "next-to-the-largest"):
                continue
            if rule != "base" or slug in ("extremes", "empty-section", "sixty-four"):
                yield case(f"{rule}-{slug}", rule, updates)
    for n in range(1, 6):
        # Of n numbers in no order the same column in three rotations.
        column = [str(value) for value in (40, -7, 12, -30, 5)[:n]]
        updates = [[column[(k + turn) % n] for turn in range(3)] for k in range(n)]
        for rule in RULES:
            yield case(f"{rule}-of-{n}", rule, updates)
    yield case("base-is-none-of-them", "base", [["1", "2"], ["3", "4"]], [LOW, HIGH])
    yield case("max-base-is-larger", "max", [["1", "2"], ["3", "4"]], [HIGH, HIGH])
    yield case("min-base-is-less", "min", [["1", "2"], ["3", "4"]], [LOW, LOW])
    yield case("median-base-does-not-count", "median", [["1", "2"], ["3", "4"]], [LOW, LOW])
    for i, rule in enumerate(("mean", "", "Max", "lower_median", "none", "base ")):
        yield case(f"unknown-rule-{i}", rule, [["1", "2"], ["3", "4"]], None, "REFUSED")
    yield case("unknown-rule-one-update", "mode", [["1"]], None, "REFUSED")
    yield case("unknown-rule-empty-section", "mode", [[], []], None, "REFUSED")


def case(slug, rule, updates, base=None, expect=None):
    base = base or [str(1000 + i) for i in range(len(updates[0]))]
    given = {"rule": rule, "base": base, "updates": updates}
    return "merge.integers", slug, ["MERGE-051"], given, expect
