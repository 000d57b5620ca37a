"""Cases of 03-identity.md: which of a member's keys a round goes by (ID-025, ID-023)."""

import samples


def case(slug, expected, frozen, *keys):
    """`keys` are (epoch, since), each with a key of its own; `expected` is the place of one."""
    given = [
        {"key": samples.key(n).hex(), "key_epoch": str(epoch), "since": str(since)}
        for n, (epoch, since) in enumerate(keys)
    ]
    wanted = {name: given[expected][name] for name in ("key", "key_epoch")}
    return (
        "enrolment.key",
        slug,
        ["ID-025"],
        {"keys": given, "frozen": str(frozen)},
        wanted.__eq__,
    )


def one_key():
    yield case("one-key", 0, 20, (0, 10))
    yield case("one-key-in-the-freezing-block", 0, 10, (0, 10))
    yield case("one-key-enrolled-later", 0, 9, (0, 10))
    yield case("one-key-of-another-epoch", 0, 20, (7, 10))
    yield case("one-key-of-the-greatest-epoch", 0, 10, (2**64 - 1, 10))


def two_keys():
    keys = (0, 10), (1, 20)
    for slug, expected, frozen in (
        ("before-both", 0, 9),
        ("in-the-block-of-the-first", 0, 10),
        ("between", 0, 15),
        ("in-the-block-before-the-second", 0, 19),
        ("in-the-block-of-the-second", 1, 20),
        ("in-the-block-after-the-second", 1, 21),
        ("long-after", 1, 2**64 - 1),
    ):
        yield case(f"two-keys-{slug}", expected, frozen, *keys)
    yield case("enrolled-and-rotated-in-one-block", 1, 10, (0, 10), (1, 10))
    yield case("enrolled-and-rotated-in-one-later-block", 0, 9, (0, 10), (1, 10))
    yield case("epochs-need-not-follow", 1, 20, (3, 10), (2**53 + 1, 20))
    yield case("blocks-of-64-bits", 0, 2**64 - 2, (0, 2**53 + 1), (1, 2**64 - 1))
    yield case("blocks-that-differ-beyond-binary64", 0, 2**53, (0, 5), (1, 2**53 + 1))


def many_keys():
    three = (0, 10), (5, 20), (6, 20)
    yield case("two-rotations-in-one-block", 2, 20, *three)
    yield case("two-rotations-in-the-next-block", 0, 19, *three)
    yield case("three-keys-before-all", 0, 3, *three)
    sixteen = [(n, 10 + 10 * n) for n in range(16)]
    yield case("sixteen-keys-before-all", 0, 9, *sixteen)
    yield case("sixteen-keys-in-between", 7, 89, *sixteen)
    yield case("sixteen-keys-at-the-last", 15, 160, *sixteen)
    yield case("sixteen-keys-in-one-block", 15, 10, *((n, 10) for n in range(16)))


def not_frozen():
    """The block of ROUND-014 is not there yet: the current key, whatever blocks the keys have."""
    yield case("not-frozen-one-key", 0, 0, (0, 10))
    yield case("not-frozen-one-key-of-block-0", 0, 0, (0, 0))
    yield case("not-frozen-two-keys", 1, 0, (0, 1), (1, 5))
    yield case("not-frozen-first-key-of-block-0", 1, 0, (0, 0), (1, 5))
    yield case("not-frozen-two-keys-of-one-block", 1, 0, (0, 10), (1, 10))
    yield case("not-frozen-two-keys-of-block-0", 1, 0, (0, 0), (1, 0))
    yield case("not-frozen-three-keys", 2, 0, (0, 10), (5, 20), (6, 20))
    yield case("not-frozen-greatest-block", 1, 0, (0, 10), (1, 2**64 - 1))
    yield case("not-frozen-sixteen-keys", 15, 0, *((n, 10 + 10 * n) for n in range(16)))


def frozen_in_block_1():
    """The least block that is one: beside 0, which is none."""
    yield case("frozen-in-block-1-before-both", 0, 1, (0, 2), (1, 5))
    yield case("frozen-in-block-1-between", 0, 1, (0, 1), (1, 2))
    yield case("frozen-in-block-1-with-both", 1, 1, (0, 1), (1, 1))
    yield case("frozen-in-block-1-after-block-0", 0, 1, (0, 0), (1, 2))


def cases():
    for part in (one_key, two_keys, many_keys, not_frozen, frozen_in_block_1):
        yield from part()
