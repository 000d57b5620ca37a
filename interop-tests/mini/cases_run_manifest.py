"""Cases of 08-rounds.md and 12-versioning.md: the run manifest."""

import manifests
import values
from cases_manifest import B32, KINDS, WRONG, changed
from samples import packed, short

RUN = {
    "audit_rounds": 10,
    "checks": 0,
    "encoding": "fp32",
    "finality": "depth",
    "init": "zeros",
    "merge": {
        "integers": "max",
        "optimiser": {"name": "none", "params": {}},
        "params": {},
        "rule": "mean",
    },
    "min_peers": 0,
    "name": "demo",
    "options": {},
    "privacy": "robust",
    "rounds": 100,
    "schema": B32[2],
    "sync_every": 50,
    "topology": "mesh",
    "version": 3,
    "weights": "declared",
    "windows": {"commit": 20, "depth": 2, "exchange": 40, "hi": 1000, "lo": 5},
}


def inner(name, **more):
    value = {**RUN[name], **more}
    return {key: entry for key, entry in value.items() if entry != "absent"}


CONSTANTS = [
    ("text", "x"),
    ("text-empty", ""),
    ("true", True),
    ("false", False),
    ("uint-0", 0),
    ("uint-greatest", 2**64 - 1),
    ("map", {"b": 1, "a": "x"}),
    ("map-empty", {}),
    ("real-0", ["f64", 0]),
    ("real-minus-0", ["f64", 2**63]),
    ("real-1", ["f64", 0x3FF0000000000000]),
    ("real-greatest", ["f64", 0x7FEFFFFFFFFFFFFF]),
    ("real-least", ["f64", 0xFFEFFFFFFFFFFFFF]),
    ("real-subnormal", ["f64", 1]),
    ("negative-1", ["neg", 1]),
    ("negative-greatest", ["neg", 2**64 - 1]),
    ("list-empty", ["list", []]),
    ("list", ["list", [1, "x", ["f64", 0], ["neg", 3], True]]),
    ("list-of-lists", ["list", [["list", [1]]]]),
    ("map-of-list", {"a": ["list", [1]]}),
    ("list-of-tags", ["list", ["f64", "neg", "list"]]),
]
NO_CONSTANTS = [
    ("nil", None),
    ("bytes", b"x"),
    ("array-empty", []),
    ("array-of-uint", [1, 2]),
    ("array-untagged", ["x"]),
    ("tag-alone", ["f64"]),
    ("tag-unknown", ["f32", 0]),
    ("tag-capital", ["F64", 0]),
    ("tag-bytes", [b"f64", 0]),
    ("real-infinite", ["f64", 0x7FF0000000000000]),
    ("real-minus-infinite", ["f64", 0xFFF0000000000000]),
    ("real-nan", ["f64", 0x7FF8000000000000]),
    ("real-nan-least", ["f64", 0x7FF0000000000001]),
    ("real-text", ["f64", "1.0"]),
    ("real-nil", ["f64", None]),
    ("real-three", ["f64", 0, 0]),
    ("negative-0", ["neg", 0]),
    ("negative-text", ["neg", "1"]),
    ("negative-of-negative", ["neg", ["neg", 1]]),
    ("list-flat", ["list", 1]),
    ("list-spread", ["list", 1, 2]),
    ("list-of-nil", ["list", [None]]),
    ("list-of-bytes", ["list", [b""]]),
    ("list-map", ["list", {}]),
    ("list-of-array", ["list", [[1]]]),
    ("map-of-nil", {"a": None}),
    ("map-of-bytes", {"a": b"x"}),
    ("map-of-nan", {"a": ["f64", 2**63 - 1]}),
]


def run_decode(slug, data, expect=None, rule="ROUND-065"):
    return "run_manifest.decode", slug, [rule], {"data": short(data)}, expect


def long_run(total):
    """A run manifest of `total` bytes: a list of texts among its options."""

    def data(last):
        return changed(RUN, options={"o": ["list", ["x" * 255] * 253 + ["x" * last]]})

    result = data(total - len(data(32)) + 32)
    assert len(result) == total
    return result


def run_fields():
    yield run_decode(
        "plain",
        packed(RUN),
        lambda output: output["windows"] == RUN["windows"] and output["schema"] == "02" * 32,
    )
    for slug, more in [
        ("audit-rounds-0", {"audit_rounds": 0}),
        ("audit-rounds-greatest", {"audit_rounds": 2**32 - 1}),
        ("checks-64", {"checks": 64}),
        ("encoding-bf16", {"encoding": "bf16"}),
        ("encoding-fp16", {"encoding": "fp16"}),
        ("encoding-int8", {"encoding": "int8"}),
        ("finality-finalized", {"finality": "finalized"}),
        ("init-genesis", {"init": "genesis"}),
        ("min-peers-2", {"min_peers": 2}),
        ("min-peers-64", {"min_peers": 64}),
        ("name-1", {"name": "n"}),
        ("name-255", {"name": "n" * 255}),
        ("name-not-ascii", {"name": "vier Krankenh\u00e4user"}),
        ("rounds-1", {"rounds": 1}),
        ("rounds-greatest", {"rounds": 2**32 - 1}),
        ("sync-every-1", {"sync_every": 1}),
        ("sync-every-greatest", {"sync_every": 2**32 - 1}),
        ("weights-uniform", {"weights": "uniform"}),
        ("rule-1", {"merge": inner("merge", rule="r")}),
        ("rule-64", {"merge": inner("merge", rule="r" * 64)}),
        ("windows-least", {"windows": {"commit": 1, "depth": 0, "exchange": 1, "hi": 1, "lo": 1}}),
        (
            "windows-greatest",
            {"windows": dict.fromkeys(["commit", "depth", "exchange", "hi", "lo"], 2**20)},
        ),
        ("lo-is-hi", {"windows": inner("windows", lo=1000)}),
        ("schema-zeros", {"schema": B32[0]}),
        ("rule-unknown", {"merge": inner("merge", rule="no such rule")}),
    ]:
        yield run_decode(slug, changed(RUN, **more))


def bad_fields():
    for slug, more in [
        ("audit-rounds-one-beyond", {"audit_rounds": 2**32}),
        ("checks-65", {"checks": 65}),
        ("encoding-unknown", {"encoding": "fp64"}),
        ("encoding-capital", {"encoding": "FP32"}),
        ("encoding-number", {"encoding": 1}),
        ("finality-unknown", {"finality": "instant"}),
        ("finality-empty", {"finality": ""}),
        ("finality-capital", {"finality": "Finalized"}),
        ("finality-other-tag", {"finality": "final"}),
        ("finality-bytes", {"finality": b"depth"}),
        ("finality-true", {"finality": True}),
        ("init-unknown", {"init": "random"}),
        ("init-empty", {"init": ""}),
        ("min-peers-1", {"min_peers": 1}),
        ("min-peers-65", {"min_peers": 65}),
        ("name-empty", {"name": ""}),
        ("privacy-unknown", {"privacy": "masked"}),
        ("rounds-0", {"rounds": 0}),
        ("rounds-one-beyond", {"rounds": 2**32}),
        ("schema-31", {"schema": bytes(31)}),
        ("schema-33", {"schema": bytes(33)}),
        ("schema-text", {"schema": "x" * 32}),
        ("sync-every-0", {"sync_every": 0}),
        ("sync-every-one-beyond", {"sync_every": 2**32}),
        ("topology-unknown", {"topology": "sharded"}),
        ("weights-unknown", {"weights": "equal"}),
        ("rule-empty", {"merge": inner("merge", rule="")}),
        ("rule-65", {"merge": inner("merge", rule="r" * 65)}),
        ("rule-uint", {"merge": inner("merge", rule=1)}),
        ("params-array", {"merge": inner("merge", params=["f64", 0])}),
        ("params-nil", {"merge": inner("merge", params=None)}),
        ("options-list", {"options": ["list", []]}),
        ("lo-above-hi", {"windows": inner("windows", lo=1001)}),
    ]:
        yield run_decode(slug, changed(RUN, **more), "MALFORMED")


def inner_fields():
    for name in ("commit", "exchange", "hi", "lo", "depth"):
        least = 0 if name == "depth" else 1
        if least:
            yield run_decode(
                f"windows-{name}-0",
                changed(RUN, windows=inner("windows", **{name: 0})),
                "MALFORMED",
            )
        yield run_decode(
            f"windows-{name}-one-beyond",
            changed(
                RUN,
                windows=inner(
                    "windows", **{name: 2**20 + 1, **({"hi": 2**20} if name == "lo" else {})}
                ),
            ),
            "MALFORMED",
        )
        yield run_decode(
            f"windows-{name}-text",
            changed(RUN, windows=inner("windows", **{name: "5"})),
            "MALFORMED",
        )
        yield run_decode(
            f"windows-without-{name}",
            changed(RUN, windows=inner("windows", **{name: "absent"})),
            "MALFORMED",
        )
    for name in RUN["merge"]:
        part = inner("merge", **{name: "absent"})
        yield run_decode(f"merge-without-{name}", changed(RUN, merge=part), "MALFORMED")
    yield run_decode(
        "merge-unknown", changed(RUN, merge=inner("merge", seed=1)), "UNKNOWN_FIELD", "ENC-009"
    )
    yield run_decode(
        "windows-unknown",
        changed(RUN, windows=inner("windows", grace=1)),
        "UNKNOWN_FIELD",
        "ENC-009",
    )
    for name, good in RUN.items():
        slug = name.replace("_", "-")
        yield run_decode(f"without-{slug}", changed(RUN, **{name: "absent"}), "MALFORMED")
        for kind in ("nil", "text" if isinstance(good, int) else "uint"):
            value = WRONG[kind]
            if KINDS[type(good)] != kind:
                yield run_decode(f"{slug}-is-{kind}", changed(RUN, **{name: value}), "MALFORMED")
    for name in ("", "a", "zeta", "Name", "owner"):
        yield run_decode(
            f"unknown-{name.lower() or 'empty'}",
            changed(RUN, **{name: 1}),
            "UNKNOWN_FIELD",
            "ENC-009",
        )


def run_others():
    for version in (0, 1, 2, 4, 2**64 - 1):
        yield run_decode(
            f"version-{version}", changed(RUN, version=version), "WRONG_VERSION", "VER-003"
        )
    for slug, value in CONSTANTS:
        yield run_decode(
            f"option-{slug}",
            changed(RUN, options={"o": value}),
            None,
            "ENC-016" if slug.startswith("real") else "ROUND-065",
        )
        if slug in ("text", "map", "real-1", "negative-1", "list"):
            yield run_decode(
                f"param-{slug}", changed(RUN, merge=inner("merge", params={"p": value}))
            )
    reals = inner("merge", params={"p": ["list", [["f64", 0]]]})
    yield run_decode("param-list-of-reals", changed(RUN, merge=reals), None, "ENC-003")
    third = {"o": ["list", [["list", [["list", []]]]]]}
    yield run_decode("option-third-list", changed(RUN, options=third), "TOO_MANY", "ENC-003")
    yield run_decode("bytes-65536", long_run(65536), None, "LIMIT-003")
    yield run_decode("bytes-65537", long_run(65537), "TOO_LARGE")
    too_deep = inner("merge", params={"p": ["list", [["list", [1]]]]})
    yield run_decode(
        "param-list-of-lists-too-deep", changed(RUN, merge=too_deep), "TOO_MANY", "ENC-003"
    )
    for slug, value in NO_CONSTANTS:
        yield run_decode(f"no-option-{slug}", changed(RUN, options={"o": value}), "MALFORMED")
        if slug in (
            "nil",
            "bytes",
            "array-empty",
            "real-nan",
            "negative-0",
            "list-of-nil",
            "map-of-nil",
        ):
            yield run_decode(
                f"no-param-{slug}",
                changed(RUN, merge=inner("merge", params={"p": value})),
                "MALFORMED",
            )
    yield run_decode("options-32", changed(RUN, options={"o%02d" % n: n for n in range(32)}))
    yield run_decode(
        "options-33",
        changed(RUN, options={"o%02d" % n: n for n in range(33)}),
        "TOO_MANY",
        "ENC-003",
    )
    deep = {"a": {"a": {"a": {"a": {}}}}}
    yield run_decode("options-deepest", changed(RUN, options=deep), None, "ENC-003")
    yield run_decode("options-too-deep", changed(RUN, options={"a": deep}), "TOO_MANY", "ENC-003")


def run_forms():
    yield run_decode("empty", b"", "MALFORMED", "ENC-002")
    yield run_decode("not-a-map", packed([1]), "MALFORMED")
    yield run_decode("map-empty", b"\x80", "MALFORMED")
    yield run_decode("more-bytes", packed(RUN) + b"\xc0", "MALFORMED", "ENC-002")
    yield run_decode(
        "padded",
        packed(RUN).replace(b"\xa6checks\0", b"\xa6checks\xcc\0"),
        "NOT_CANONICAL",
        "ENC-005",
    )
    for end in range(1, len(packed(RUN)), 25):
        yield run_decode(f"prefix-{end}", packed(RUN)[:end], "MALFORMED", "ENC-002")
    grace, more_of = inner("windows", x=1), inner("merge", x=1)
    less_of = inner("merge", params="absent", x=1)
    for slug, more, expect in [
        ("version-before-unknown", {"version": 1, "x": 1}, "WRONG_VERSION"),
        ("version-before-absent", {"version": 1, "name": "absent"}, "WRONG_VERSION"),
        ("version-before-bounds", {"version": 1, "audit_rounds": None}, "WRONG_VERSION"),
        ("version-1-without-finality", {"version": 1, "finality": "absent"}, "WRONG_VERSION"),
        ("version-4-with-finality-bad", {"version": 4, "finality": 1}, "WRONG_VERSION"),
        ("unknown-before-finality", {"x": 1, "finality": "absent"}, "UNKNOWN_FIELD"),
        ("finality-absent-before-bounds", {"finality": "absent", "checks": 65}, "MALFORMED"),
        (
            "finality-before-inner-unknown",
            {"finality": "none", "merge": inner("merge", x=1)},
            "MALFORMED",
        ),
        ("version-type-before-unknown", {"version": "1", "x": 1}, "MALFORMED"),
        ("version-absent-before-unknown", {"version": "absent", "x": 1}, "MALFORMED"),
        ("unknown-before-absent", {"x": 1, "name": "absent"}, "UNKNOWN_FIELD"),
        ("unknown-before-bounds", {"x": 1, "audit_rounds": None}, "UNKNOWN_FIELD"),
        ("absent-before-inner-unknown", {"windows": grace, "name": "absent"}, "MALFORMED"),
        ("bounds-before-inner-unknown", {"checks": 65, "windows": grace}, "MALFORMED"),
        ("inner-unknown-before-later-bounds", {"merge": more_of, "name": ""}, "UNKNOWN_FIELD"),
        ("inner-unknown-before-inner-absent", {"merge": less_of}, "UNKNOWN_FIELD"),
        (
            "inner-unknown-before-lo-hi",
            {"windows": inner("windows", lo=1001, x=1)},
            "UNKNOWN_FIELD",
        ),
    ]:
        yield run_decode(f"order-{slug}", changed(RUN, **more), expect, "ENC-018")


def run_encoding():
    given = manifests.run_to_json(RUN)

    def encode(slug, expect=None, **more):
        return "run_manifest.encode", slug, ["ROUND-065", "ENC-015"], {**given, **more}, expect

    yield encode("plain", lambda output: output["data"] == packed(RUN).hex())
    yield encode("finality-finalized", None, finality="finalized")
    for slug, value in CONSTANTS:
        yield encode(f"option-{slug}", None, options={"map": [["o", values.to_json(value)]]})
    yield encode(
        "options-in-any-order",
        None,
        options={"map": [["b", True], ["a", False], ["B", {"uint": "1"}]]},
    )
    for slug, more in [
        ("version-1", {"version": 1}),
        ("version-2", {"version": 2}),
        ("version-4", {"version": 4}),
        ("finality-unknown", {"finality": "latest"}),
        ("finality-empty", {"finality": ""}),
        ("finality-number", {"finality": 0}),
        ("version-0", {"version": 0}),
        ("name-empty", {"name": ""}),
        ("name-256", {"name": "n" * 256}),
        ("min-peers-1", {"min_peers": 1}),
        ("checks-65", {"checks": 65}),
        ("rounds-0", {"rounds": 0}),
        ("encoding-unknown", {"encoding": "fp64"}),
        ("topology-unknown", {"topology": "leader"}),
        ("schema-31", {"schema": "00" * 31}),
        ("lo-above-hi", {"windows": inner("windows", lo=1001)}),
        ("windows-depth-one-beyond", {"windows": inner("windows", depth=2**20 + 1)}),
        ("rule-65", {"merge": {**given["merge"], "rule": "r" * 65}}),
        ("params-array", {"merge": {**given["merge"], "params": {"array": []}}}),
        ("options-nil", {"options": None}),
        ("options-33", {"options": {"map": [["o%02d" % n, None] for n in range(33)]}}),
    ]:
        yield encode(slug, "REFUSED", **more)
    for slug, value in NO_CONSTANTS[:1] + NO_CONSTANTS[9:13] + NO_CONSTANTS[16:17]:
        yield encode(
            f"no-option-{slug}", "REFUSED", options={"map": [["o", values.to_json(value)]]}
        )


def cases():
    for part in (run_fields, bad_fields, inner_fields, run_others, run_forms, run_encoding):
        yield from part()
