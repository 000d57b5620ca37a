"""Cases of secure.quantise and secure.sum: MERGE-070, MERGE-071."""

import math

from floats import F32, F64, divide
from merge_building import bits, seed

LARGEST = F32.largest
LOW, HIGH = -(2**31), 2**31 - 1
# n0 up to which B stays, and some at which it falls.
AT_POWERS = (2, 3, 4, 5, 8, 16, 32, 33, 64)


def top_of(commitments):
    """Counted, not computed: the least e with 2^e >= n0."""
    e = next(e for e in range(7) if 2**e >= commitments)
    return 2 ** (31 - e) - 1


def clip_bits(clip):
    return clip if isinstance(clip, str) else F64.bits(clip)


def quantise(slug, clip, commitments, update, base=None, expect=None):
    """`update` and `base` are numbers; an `expect` that is a list is of the integers."""
    base = [0.0] * len(update) if base is None else base
    given = {
        "clip": clip_bits(clip),
        "commitments": commitments,
        "base": bits("f32", *base),
        "update": bits("f32", *update),
    }
    if isinstance(expect, list):
        wanted = [str(value) for value in expect]

        def expect(output):
            return output["integers"] == wanted

    return "secure.quantise", slug, ["MERGE-070"], given, expect


def summed(slug, clip, commitments, updates, base=None, expect=None):
    """An `expect` that is a list is of the elements of x."""
    base = [0.0] * len(updates[0]) if base is None else base
    given = {
        "clip": clip_bits(clip),
        "commitments": commitments,
        "base": base if isinstance(base, dict) else bits("f32", *base),
        "updates": [[str(value) for value in update] for update in updates],
    }
    if isinstance(expect, list):
        wanted = bits("f32", *expect)

        def expect(output):
            return output["vector"] == wanted

    return "secure.sum", slug, ["MERGE-071", "MERGE-070"], given, expect


def cases():
    yield from every_count()
    yield from ties()
    yield from clamped()
    yield from clips()
    yield from sums()
    yield from sums_at_the_edge()
    yield from bad_clips()
    yield from bad_counts()


def every_count():
    for n in range(2, 65):
        top = top_of(n)
        values = (0.75, -0.75, 1.0, -0.3)
        inside = round(F32.round(0.3) * (top / 0.75))
        yield quantise(f"of-{n}", 0.75, n, values, expect=[top, -top, top, -inside])
    for n in AT_POWERS:
        top = top_of(n)
        # All at C: the sum with n0 numbers is below 2^31, and x is base + C.
        expect = [0.75, -0.75, 0.0]
        yield summed(f"all-at-the-clip-{n}", 0.75, n, [(top, -top, 0)] * n, expect=expect)


def ties():
    """C = top: every delta is its own integer, and a half is exactly between two."""
    clip = float(top_of(64))
    values = (0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.5, -0.0)
    yield quantise("ties-to-even", clip, 64, values, expect=[0, 2, 2, 0, -2, -2, 4, 0])
    values = (0.5 - 2.0**-25, 0.5 + 2.0**-24, -0.5 - 2.0**-24)
    yield quantise("next-to-ties", clip, 64, values, expect=[0, 1, -1])
    values = (1048576.5, 1048577.5, -1048576.5, 4194303.5, 4194302.5)
    expect = [1048576, 1048578, -1048576, 4194304, 4194302]
    yield quantise("large-ties", clip, 64, values, expect=expect)
    # Half of C is half of an odd number.
    for n in (2, 5, 64):
        half = (top_of(n) - 1) // 2
        wanted = half if half % 2 == 0 else half + 1
        yield quantise(f"half-of-the-clip-{n}", 1.0, n, (0.5, -0.5), expect=[wanted, -wanted])


def clamped():
    top = top_of(3)
    values = (1.0, -1.0, 1.0 + 2.0**-23, -1.0 - 2.0**-23, 2.0, -1e30)
    yield quantise("at-and-beyond-the-clip", 1.0, 3, values, expect=[top, -top] * 3)
    values = (1.0 - 2.0**-24, 2.0**-24 - 1.0)
    yield quantise("just-inside-the-clip", 1.0, 3, values)
    # A difference of two finite numbers that is infinite.
    args = (1.0, 3, (LARGEST, -LARGEST), (-LARGEST, LARGEST))
    yield quantise("infinite-delta", *args, expect=[top, -top])
    args = (1e300, 3, (LARGEST, -LARGEST, 1.0), (-LARGEST, LARGEST, 0.0))
    yield quantise("infinite-delta-huge-clip", *args, expect=[top, -top, 0])
    # A clip that is no binary32: 0.1 as a binary64 is less than 0.1 as a binary32.
    yield quantise("clip-between-two-of-binary32", 0.1, 3, (F32.round(0.1), -F32.round(0.1)))
    values = (2.0**-149, -(2.0**-149), 2.0**-126, -0.0)
    yield quantise("subnormal-delta", 2.0**-126, 3, values)
    # x - b is rounded to binary32 before it is widened.
    yield quantise("delta-is-rounded", 2.0, 2, (1.0, 2.0**-24), (2.0**-25, -1.0))
    yield quantise("minus-zero", 1.0, 2, (-0.0, 0.0, -0.0), (0.0, -0.0, -0.0), [0, 0, 0])
    yield quantise("no-elements", 1.0, 2, (), (), [])
    given = {
        "clip": F64.bits(1.5),
        "commitments": 7,
        "base": seed("base", 40),
        "update": seed("update", 40),
    }
    yield "secure.quantise", "generated", ["MERGE-070"], given, None


def least_clip(top):
    """The least C for which top / C is finite."""
    low, high = 0.0, 1.0
    while math.nextafter(low, 1.0) < high:
        # Halving the bits, not the numbers: the bound is far below 1.
        middle = F64.value(f"{(int(F64.bits(low), 16) + int(F64.bits(high), 16)) // 2:016x}")
        low, high = (low, middle) if math.isfinite(divide(top, middle)) else (middle, high)
    return high


GREATEST = math.nextafter(math.inf, 0.0)


def clips():
    for n in (2, 64):
        top = top_of(n)
        least = least_clip(float(top))
        values = (2.0**-149, -1.0, 0.0)
        yield quantise(f"least-clip-{n}", least, n, values, expect=[top, -top, 0])
        below = math.nextafter(least, 0.0)
        yield quantise(f"below-the-least-clip-{n}", below, n, values, expect="REFUSED")
        yield summed(f"least-clip-{n}", least, n, [(top, -top)], [1.0, -0.0], [1.0, 0.0])
        yield summed(f"below-the-least-clip-{n}", below, n, [(top, -top)], expect="REFUSED")
        yield quantise(f"greatest-clip-{n}", GREATEST, n, (LARGEST, -1.0), expect=[0, 0])
        args = ([(top, -top, 0)], [-LARGEST, 1.0, 0.5], [LARGEST, -LARGEST, 0.5])
        yield summed(f"greatest-clip-{n}", GREATEST, n, *args)
    yield quantise("tiny-clip", 1e-200, 5, (1e-30, -1e-30, 0.0), expect=[2**28 - 1, 1 - 2**28, 0])
    yield quantise("largest-of-binary32", LARGEST, 5, (LARGEST, -LARGEST / 2, 1.0))


def sums():
    yield summed("one-of-two", 1.0, 2, [(1, -1, 1000000)], [0.5, 0.5, -0.0])
    for n in (1, 3, 7):
        updates = [(12345678 + k, -k, 2 - 3 * k) for k in range(n)]
        yield summed(f"{n}-of-7", 0.7, 7, updates, [0.1, -0.1, 100.0])
    yield summed("cancels-to-zero", 1.0, 3, [(5, -7), (-5, 7)], [-0.0, 0.25], [0.0, 0.25])
    yield summed("no-elements", 1.0, 3, [(), ()], (), [])
    # The sum and the quotient are binary64, F of the product, and the last sum binary32.
    updates = [(16777217, 33554431), (16777216, 33554432)]
    yield summed("beyond-2-to-24", 3.0, 2, updates, [1.0 / 3.0, 16777216.0])
    yield summed("tie-in-the-last-sum", 1.0, 2, [(2**30 - 1,)], [16777216.0])
    yield summed("x-is-subnormal", 2.0**-120, 64, [(1, -3, 2)] * 5, [0.0, 0.0, 2.0**-149])
    yield summed("step-underflows", 1e-250, 64, [(33554431, -33554431)], [-0.0, 1.0], [0.0, 1.0])
    top = top_of(2)
    args = ([(top, -top)] * 2, [LARGEST, -LARGEST], [LARGEST, -LARGEST])
    yield summed("overflows", LARGEST, 2, *args)
    updates = [[k * 1000003 - c * 77777 for c in range(40)] for k in range(3)]
    yield summed("generated-base", 2.5, 4, updates, seed("base", 40))


def sums_at_the_edge():
    """Modulo 2^32: masked numbers, of which only the whole sum means something."""
    half = 1.0 / (2**30 - 1)
    for slug, updates in {
        "partial-wraps-and-comes-back": [(HIGH, LOW), (HIGH, LOW), (-HIGH, HIGH)],
        "partial-wraps-twice": [(HIGH, LOW)] * 3 + [(-HIGH, HIGH), (-HIGH, HIGH)],
        "sum-is-2-to-31-less-1": [(HIGH, 2**30), (0, 2**30 - 1)],
        "sum-is-2-to-31": [(HIGH, 2**30), (1, 2**30)],
        "sum-is-minus-2-to-31": [(LOW, -(2**30)), (0, -(2**30))],
        "sum-is-below-minus-2-to-31": [(LOW, LOW), (-1, HIGH)],
        "sum-is-2-to-32": [(LOW, HIGH), (LOW, 1)],
        "all-greatest": [(HIGH,)] * 5,
    }.items():
        yield summed(slug, half, 5, updates)
    yield summed("wraps-to-zero", 1.0, 2, [(LOW,), (LOW,)], [0.5], [0.5])
    # With one bit more in each integer this sum would have wrapped.
    for n in (3, 33, 64):
        top = top_of(n)
        yield summed(f"near-2-to-31-{n}", 1.0, n, [(top, -top, top - 1)] * n, [1.0, 1.0, 1.0])
    # n0 decides about B, and n_U about the quotient.
    for n in (2, 4, 64):
        top = top_of(n)
        yield summed(f"fewer-than-committed-{n}", 1.0, n, [(top, -top)], expect=[1.0, -1.0])


BAD_CLIPS = {
    "zero": 0.0,
    "minus-zero": -0.0,
    "negative": -1.0,
    "infinite": math.inf,
    "nan": "7ff8000000000000",
    "signalling-nan": "7ff0000000000001",
    "least": 5e-324,
    "normal-least": 2.0**-1022,
}


def bad_clips():
    for slug, clip in BAD_CLIPS.items():
        yield quantise(f"clip-{slug}", clip, 3, (0.5,), expect="REFUSED")
        if slug in ("zero", "infinite", "nan"):
            yield summed(f"clip-{slug}", clip, 3, [(1,)], expect="REFUSED")


def bad_counts():
    for n in (0, 1, 65):
        yield quantise(f"commitments-{n}", 1.0, n, (0.5,), expect="REFUSED")
    for n in (1, 65):
        yield summed(f"commitments-{n}", 1.0, n, [(1,)], expect="REFUSED")
    yield summed("more-than-committed", 1.0, 2, [(1,)] * 3, expect="REFUSED")
