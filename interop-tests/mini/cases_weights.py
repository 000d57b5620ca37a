"""Cases of merge.weights: MERGE-010."""

LARGEST = (1 << 32) - 1


def cases():
    for kind in ("f32", "f64"):
        for slug, weights in declared().items():
            yield case(kind, "declared", slug, weights)
        for n in (1, 2, 3, 7, 64):
            yield case(kind, "uniform", f"uniform-{n}", [LARGEST] + [1] * (n - 1))


def declared():
    table = {
        "example": [303, 120, 900],
        "one": [1],
        "one-largest": [LARGEST],
        "two-far-apart": [1, LARGEST],
        "two-other-order": [LARGEST, 1],
        "three-at-the-cap": [10, 20, 10],
        "three-one-above-the-cap": [10, 21, 10],
        "even-upper-middle": [1, 2, 3, 100],
        "four-low-middle-differs": [1, 1, 50, 1000],
        "small-is-not-raised": [1, 1000, 1000, 1000],
        "all-equal": [7] * 9,
        "sixty-four-largest": [LARGEST] * 64,
        "sixty-four-cap-above-u32": [LARGEST] * 33 + [1] * 31,
        "sixty-four-mostly-one": [1] * 63 + [LARGEST],
        "two-m-beyond-u32": [LARGEST, LARGEST, LARGEST - 1],
        "share-not-exact": [1, 1, 1],
    }
    for n in range(1, 18):
        table[f"steps-{n}"] = [(k * k * 37 + 11 * k) % 251 + 1 for k in range(n)]
    return table


def case(kind, mode, slug, weights):
    given = {"type": kind, "mode": mode, "weights": weights}
    return "merge.weights", f"{kind}-{slug}", ["MERGE-010"], given, None
