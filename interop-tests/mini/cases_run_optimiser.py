"""Cases of 08-rounds.md: `integers` and `optimiser` in `merge` of the run manifest, version 3."""

import manifests
import values
from cases_manifest import KINDS, WRONG, changed
from cases_run_manifest import RUN, inner, run_decode
from samples import packed, pairs

REAL = ["f64", 0x3FE0000000000000]
OPTIMISERS = {
    "none": {},
    "fedavgm": {"lr": REAL, "momentum": REAL},
    "nesterov": {"lr": REAL, "momentum": REAL},
    "fedadam": {"lr": REAL, "beta1": REAL, "beta2": REAL, "tau": REAL},
}
# What a manifest before version 3 had.
OLDER = {"params": {}, "rule": "mean"}


def with_merge(**more):
    return changed(RUN, merge=inner("merge", **more))


def with_optimiser(**more):
    optimiser = {**RUN["merge"]["optimiser"], **more}
    return with_merge(
        optimiser={name: entry for name, entry in optimiser.items() if entry != "absent"}
    )


def with_params(**params):
    return with_optimiser(name="fedadam", params=params)


def names():
    for name in ("max", "min", "median", "base"):
        yield run_decode(
            f"integers-{name}",
            with_merge(integers=name),
            lambda output, name=name: output["merge"]["integers"] == name,
        )
    for name, params in OPTIMISERS.items():
        yield run_decode(
            f"optimiser-{name}",
            with_optimiser(name=name, params=params),
            lambda output, name=name: output["merge"]["optimiser"]["name"] == name,
        )
        yield run_decode(f"optimiser-{name}-defaults", with_optimiser(name=name))
    # ROUND-064 refuses to take part; the manifest itself is well-formed.
    for slug, optimiser in {
        "unknown": {"name": "fedyogi"},
        "capital": {"name": "FedAdam"},
        "of-the-runs-own": {"name": "x:adam"},
        "64": {"name": "o" * 64},
        "none-with-lr": {"params": {"lr": REAL}},
        "unknown-param": {"name": "fedavgm", "params": {"tau": REAL}},
        "lr-uint": {"name": "fedavgm", "params": {"lr": 1}},
        "lr-negative": {"name": "fedavgm", "params": {"lr": ["f64", 0xBFF0000000000000]}},
        "momentum-above-1": {"name": "nesterov", "params": {"momentum": ["f64", 2**62]}},
    }.items():
        yield run_decode(f"optimiser-{slug}", with_optimiser(**optimiser))


def bad_names():
    for slug, value in {
        "empty": "",
        "capital": "Max",
        "mean": "mean",
        "uint": 0,
        "nil": None,
        "true": True,
    }.items():
        yield run_decode(f"integers-{slug}", with_merge(integers=value), "MALFORMED")
    for slug, value in {"empty": "", "65": "o" * 65, "not-ascii-66": "\u00e9" * 33}.items():
        yield run_decode(f"optimiser-name-{slug}", with_optimiser(name=value), "MALFORMED")
    for name, good in {"name": "none", "params": {}}.items():
        yield run_decode(
            f"optimiser-without-{name}", with_optimiser(**{name: "absent"}), "MALFORMED"
        )
        for kind in ("nil", "uint", "array", "text"):
            value = WRONG[kind]
            if kind != KINDS[type(good)]:
                slug = f"optimiser-{name}-is-{kind}"
                yield run_decode(slug, with_optimiser(**{name: value}), "MALFORMED")
    for kind in ("nil", "true", "array", "map"):
        value, slug = WRONG[kind], f"optimiser-is-{kind}"
        yield run_decode(slug, with_merge(optimiser=value), "MALFORMED")
    yield run_decode("optimiser-is-a-name", with_merge(optimiser="fedavgm"), "MALFORMED")
    for slug, entry in {
        "unknown-at-first": {"lr": REAL},
        "unknown-at-last": {"state": 1},
    }.items():
        yield run_decode(f"optimiser-{slug}", with_optimiser(**entry), "UNKNOWN_FIELD", "ENC-009")
    for name in ("server_optimiser", "optimizer", "Integers"):
        slug = f"merge-unknown-{name.lower().replace('_', '-')}"
        yield run_decode(slug, with_merge(**{name: "max"}), "UNKNOWN_FIELD", "ENC-009")
    # At the level of the manifest neither is known.
    for name in ("integers", "optimiser"):
        data = changed(RUN, **{name: RUN["merge"][name]})
        yield run_decode(f"{name}-outside-of-merge", data, "UNKNOWN_FIELD", "ENC-009")


def constants():
    for slug, value in {
        "text": "x",
        "real": REAL,
        "negative": ["neg", 1],
        "list-empty": ["list", []],
        "list": ["list", [1, "x", False]],
        "map": {"a": {}},
        "map-of-real": {"a": REAL},
        "map-of-32": {"p%02d" % n: n for n in range(32)},
    }.items():
        yield run_decode(f"optimiser-param-{slug}", with_params(p=value))
    for slug, value in {
        "list-of-lists": ["list", [["list", []]]],
        "list-of-reals": ["list", [REAL]],
        "list-of-negatives": ["list", [["neg", 1]]],
        "list-of-maps": ["list", [{}]],
        "map-of-lists": {"a": ["list", []]},
        "map-of-maps-of-reals": {"a": {"a": REAL}},
    }.items():
        yield run_decode(f"optimiser-param-{slug}", with_params(p=value), "TOO_MANY", "ENC-003")
    for slug, value in {
        "nil": None,
        "bytes": b"x",
        "real-infinite": ["f64", 0x7FF0000000000000],
        "real-nan": ["f64", 0x7FF8000000000000],
        "tag-unknown": ["f32", 0],
        "list-of-nil": ["list", [None]],
    }.items():
        yield run_decode(f"no-optimiser-param-{slug}", with_params(p=value), "MALFORMED")
    # The deepest place of the rule's params is one level further out.
    data = with_merge(params={"p": {"a": {"a": {}}}})
    yield run_decode("param-map-deepest", data, None, "ENC-003")
    data = with_merge(params={"p": {"a": {"a": {"a": {}}}}})
    yield run_decode("param-map-too-deep", data, "TOO_MANY", "ENC-003")


def keys():
    """Keys that are twice there, or not in their order."""
    for level, given in {
        "merge": RUN["merge"],
        "optimiser": {"name": "fedavgm", "params": {"lr": REAL}},
        "optimiser-params": {"lr": REAL, "momentum": REAL},
    }.items():
        whole = packed(RUN) if level == "merge" else with_optimiser(**OWN[level])
        entries = list(given.items())
        for slug, wrong in {
            "twice": [entries[0], *entries],
            "last-twice": [*entries, entries[-1]],
            "not-in-order": entries[::-1],
        }.items():
            assert whole.count(packed(given)) == 1
            data = whole.replace(packed(given), pairs(wrong))
            yield run_decode(f"{level}-keys-{slug}", data, "NOT_CANONICAL", "ENC-006")


OWN = {
    "optimiser": {"name": "fedavgm", "params": {"lr": REAL}},
    "optimiser-params": {"name": "nesterov", "params": {"lr": REAL, "momentum": REAL}},
}


def order():
    bad = {"name": "", "params": {}}
    unknown = {"name": "none", "params": {}, "x": 1}
    early = {"version": 2, "merge": inner("merge", optimiser=1)}
    yield run_order("version-2-with-its-merge", {"version": 2, "merge": OLDER}, "WRONG_VERSION")
    yield run_order("version-2-before-optimiser", early, "WRONG_VERSION")
    yield run_order("version-3-with-the-merge-of-2", {"merge": OLDER}, "MALFORMED")
    for slug, more, expect in [
        ("merge-unknown-before-integers", {"integers": "", "x": 1}, "UNKNOWN_FIELD"),
        ("merge-absent-before-optimiser", {"optimiser": unknown, "rule": "absent"}, "MALFORMED"),
        ("integers-before-optimiser", {"integers": "", "optimiser": unknown}, "MALFORMED"),
        ("optimiser-before-params", {"optimiser": unknown, "params": None}, "UNKNOWN_FIELD"),
        ("optimiser-before-rule", {"optimiser": unknown, "rule": ""}, "UNKNOWN_FIELD"),
        ("unknown-before-name-of-it", {"optimiser": {**bad, "x": 1}}, "UNKNOWN_FIELD"),
        ("unknown-before-absent-of-it", {"optimiser": {"x": 1}}, "UNKNOWN_FIELD"),
    ]:
        yield run_order(f"merge-{slug}", {"merge": inner("merge", **more)}, expect)
    # Depth is a rule for a value, and comes before all rules for messages.
    deep = {"name": "", "params": {"p": ["list", [REAL]]}}
    data = with_merge(optimiser=deep, integers=1)
    yield run_decode("order-depth-before-integers", data, "TOO_MANY", "ENC-018")


def run_order(slug, more, expect):
    return run_decode(f"order-{slug}", changed(RUN, **more), expect, "ENC-018")


def encoding():
    given = manifests.run_to_json(RUN)["merge"]
    whole = manifests.run_to_json(RUN)

    def encode(slug, expect=None, **more):
        merge = {**given, **more}
        covers = ["ROUND-065", "ENC-015"]
        return "run_manifest.encode", slug, covers, {**whole, "merge": merge}, expect

    for name in ("max", "min", "median", "base"):
        data = with_merge(integers=name).hex()
        yield encode(f"integers-{name}", lambda out, data=data: out["data"] == data, integers=name)
    for name, params in OPTIMISERS.items():
        optimiser = {"name": name, "params": values.to_json(params)}
        # Maps may come in any order; the encoding has the one of the bytes.
        data = with_optimiser(name=name, params=params).hex()
        slug = f"optimiser-{name}"
        yield encode(slug, lambda out, data=data: out["data"] == data, optimiser=optimiser)
    empty = {"map": []}
    for slug, more in {
        "integers-empty": {"integers": ""},
        "integers-unknown": {"integers": "sum"},
        "optimiser-name-empty": {"optimiser": {"name": "", "params": empty}},
        "optimiser-name-65": {"optimiser": {"name": "o" * 65, "params": empty}},
        "optimiser-params-array": {"optimiser": {"name": "none", "params": {"array": []}}},
        "optimiser-param-nil": {"optimiser": {"name": "o", "params": {"map": [["p", None]]}}},
        "optimiser-param-nan": {
            "optimiser": {
                "name": "fedavgm",
                "params": {"map": [["lr", values.to_json(["f64", 0x7FF8000000000000])]]},
            }
        },
        "optimiser-param-twice": {
            "optimiser": {"name": "o", "params": {"map": [["p", True], ["p", True]]}}
        },
        "optimiser-param-too-deep": {
            "optimiser": {
                "name": "fedavgm",
                "params": {"map": [["p", values.to_json(["list", [REAL]])]]},
            }
        },
    }.items():
        yield encode(slug, "REFUSED", **more)


def cases():
    for part in (names, bad_names, constants, keys, order, encoding):
        yield from part()
