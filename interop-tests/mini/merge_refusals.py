"""Cases of merge.compute: rosters, rules and parameters that are refused (MERGE-005, MERGE-006)."""

from merge_building import LEAST, case, seed, slug_of


def cases():
    yield from bad_rosters()
    yield from bad_rules()
    yield from bad_parameters()
    yield from parameters_a_rule_does_not_have()


def bad_rosters():
    updates = [seed(f"update {k}", 3) for k in range(3)]
    for rule, least in {**LEAST, "strict": 4}.items():
        for n in range(1, least):
            yield case(
                f"{slug_of(rule)}-{n}",
                ["MERGE-005"],
                rule,
                updates[:n],
                seed("base", 3),
                expect="REFUSED",
            )
        if rule != "strict":
            for n in (1, 2):
                yield case(
                    f"nnm-{slug_of(rule)}-{n}",
                    ["MERGE-005", "MERGE-042"],
                    "nnm+" + rule,
                    updates[:n],
                    seed("base", 3),
                    expect="REFUSED",
                )


def bad_rules():
    updates, base = [seed(f"update {k}", 3) for k in range(9)], seed("base", 3)
    unknown = [
        "average",
        "Mean",
        "",
        " mean",
        "nnm",
        "nnm+",
        "nnm+strict",
        "nnm+nnm+mean",
        "cclip+nnm",
        "krum ",
        "trimmed-mean",
        "nnm+average",
        "NNM+mean",
    ]
    for i, rule in enumerate(unknown):
        yield case(f"unknown-rule-{i}", ["MERGE-006"], rule, updates, base, expect="REFUSED")
        if i < 3:
            slug = f"unknown-rule-{i}-one-update"
            yield case(slug, ["MERGE-006"], rule, updates[:1], base, expect="REFUSED")


def bad_parameters():
    updates, base = [seed(f"update {k}", 3) for k in range(9)], seed("base", 3)
    radii = {
        "zero": "0000000000000000",
        "minus-zero": "8000000000000000",
        "negative": "bff0000000000000",
        "nan": "7ff8000000000000",
        "signalling-nan": "7ff0000000000001",
        "infinite": "7ff0000000000000",
        "minus-infinite": "fff0000000000000",
        "minus-smallest": "8000000000000001",
    }
    for rule in ("cclip", "nnm+cclip"):
        for slug, radius in radii.items():
            yield case(
                f"{slug_of(rule)}-radius-{slug}",
                ["MERGE-006"],
                rule,
                updates,
                base,
                params={"radius": radius},
                expect="REFUSED",
            )
    # Whatever n is: two updates are merged by the mean, and refused all the same.
    yield case(
        "cclip-radius-zero-two-updates",
        ["MERGE-006"],
        "cclip",
        updates[:2],
        base,
        params={"radius": "0000000000000000"},
        expect="REFUSED",
    )


def parameters_a_rule_does_not_have():
    updates, base = [seed(f"update {k}", 3) for k in range(9)], seed("base", 3)
    two = "4000000000000000"
    for rule in (
        *[rule for rule in LEAST if rule != "cclip"],
        "strict",
        "nnm+mean",
        "nnm+geometric_median",
    ):
        yield case(
            f"{slug_of(rule)}-has-no-radius",
            ["MERGE-006"],
            rule,
            updates,
            base,
            params={"radius": two},
            expect="REFUSED",
        )
    for slug, params in {
        "tau": {"tau": two},
        "both": {"radius": two, "tau": two},
        "capital": {"Radius": two},
    }.items():
        yield case(
            f"cclip-unknown-param-{slug}",
            ["MERGE-006"],
            "cclip",
            updates,
            base,
            params=params,
            expect="REFUSED",
        )
    yield case(
        "cclip-unknown-param-one-update",
        ["MERGE-006"],
        "cclip",
        updates[:1],
        base,
        params={"tau": two},
        expect="REFUSED",
    )
