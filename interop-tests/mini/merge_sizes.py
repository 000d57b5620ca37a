"""Cases of merge.compute: lengths at lanes, chunks and segments (MERGE-013), and nested vectors."""

from merge_building import NEAREST, PLAIN, case, seed, slug_of

LANES, CHUNK, SEGMENT = 1 << 14, 1 << 18, 1 << 20


def cases():
    yield from lanes()
    yield from chunks_and_segments()
    yield from nested()


def lanes():
    for rule in (
        "mean",
        "cclip",
        "median",
        "geometric_median",
        "multi_krum",
        "weighted_trimmed_mean",
        "nnm+median",
    ):
        for size in (1, 3, 4096, 4097, LANES - 1, LANES, LANES + 1):
            yield sized(rule, 3, size, "f32")
    for rule in ("mean", "cclip", "median"):
        for size in (1, 3, LANES - 1, LANES, LANES + 1):
            yield sized(rule, 4, size, "f64")
    yield case("empty-section", ["MERGE-011"], "mean", [{"zeros": 0}] * 2, {"zeros": 0})
    yield case("empty-section-cclip", ["MERGE-020"], "cclip", [{"zeros": 0}] * 3, {"zeros": 0})


def chunks_and_segments():
    for size in (CHUNK - 1, CHUNK, CHUNK + 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 5):
        yield sized("mean", 2, size, "f32")
    for size in (CHUNK - 1, CHUNK, CHUNK + 1, SEGMENT + 1):
        yield sized("cclip", 3, size, "f32")
    for size in (CHUNK + 1, SEGMENT + 1):
        yield sized("median", 2, size, "f32")
    yield sized("cclip", 3, CHUNK + 1, "f64")
    for size in (SEGMENT + 1, 3 * SEGMENT + 5):
        yield sized("geometric_median", 2, size, "f32")


def sized(rule, n, size, kind):
    updates = [seed(f"update {k}", size) for k in range(n)]
    # A base of zeros for the longest, so that a runner that makes vectors slowly is done in time.
    base = seed("base", size) if size <= CHUNK + 1 else {"zeros": size}
    covers = ["MERGE-013", "MERGE-003", *(PLAIN | NEAREST)[rule][1]]
    return case(
        f"size-{size}-{kind}-{slug_of(rule)}-{n}",
        covers,
        rule,
        updates,
        base,
        kind=kind,
        weights=[k + 3 for k in range(n)],
    )


def nested():
    """Float vectors of vectors/README.md around one another."""
    one, two, three = "3f800000", "40000000", "40400000"
    plain = seed("update 0", 5)
    table = {
        "plus-of-times": {"plus": [{"times": [plain, three]}, one]},
        "times-of-plus": {"times": [{"plus": [plain, one]}, three]},
        "set-of-plus": {"set": [{"plus": [plain, one]}, {"1": two, "4": three}]},
        "plus-of-set": {"plus": [{"set": [plain, {"1": two, "4": three}]}, one]},
        "set-of-set": {"set": [{"set": [plain, {"1": two, "2": two}]}, {"1": three}]},
        "plus-of-plus": {"plus": [{"plus": [plain, "4b800000"]}, "cb800000"]},
        "all-three": {"set": [{"times": [{"plus": [plain, one]}, two]}, {"0": "80000000"}]},
        "around-zeros": {"times": [{"plus": [{"zeros": 5}, three]}, two]},
    }
    for slug, vector in table.items():
        updates = [vector, seed("update 1", 5), seed("update 2", 5)]
        for rule in ("mean", "cclip"):
            covers = ["MERGE-001", *PLAIN[rule][1]]
            yield case(f"nested-{slug}-{rule}", covers, rule, updates, vector)
