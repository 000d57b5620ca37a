"""Cases of merge.integers: MERGE-051."""

LOW, HIGH = str(-(1 << 63)), str((1 << 63) - 1)


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
    }
    for slug, updates in table.items():
        yield "merge.integers", slug, ["MERGE-051"], {"updates": updates}, None
