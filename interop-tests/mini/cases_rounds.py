"""Cases of rounds.numbers (08-rounds.md, Numbers)."""


def cases():
    for n in range(1, 65):
        yield case(f"all-{n}", 0, n, n, n)
        yield case(f"chosen-2-half-{n}", 2, n, (n + 1) // 2, (n + 1) // 2)
        yield case(f"chosen-{n}-of-64" if n > 1 else "default-of-64", n if n > 1 else 0, 64, n, n)
    for chosen, enrolled, n, commits in (
        (64, 64, 43, 64),
        (2, 64, 22, 64),
        (2, 64, 64, 33),
        (3, 4, 3, 4),
        (5, 7, 4, 6),
        (2, 1, 1, 1),
        (64, 1, 1, 1),
        (4, 10, 5, 9),
        (31, 64, 31, 32),
        (32, 64, 32, 32),
        (33, 64, 33, 33),
        (0, 64, 33, 44),
        (2, 13, 7, 12),
    ):
        yield case(
            f"chosen-{chosen}-enrolled-{enrolled}-n-{n}-commits-{commits}",
            chosen,
            enrolled,
            n,
            commits,
        )


def case(slug, chosen, enrolled, n, commits):
    given = {"chosen": chosen, "enrolled": enrolled, "n": n, "commits": commits}
    return "rounds.numbers", slug, ["ROUND-013", "ROUND-042"], given, None
