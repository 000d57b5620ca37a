"""Cases of merge.optimise: MERGE-060 to MERGE-064. What is refused: optimise_refusals.py."""

import math

import optimise_edges
import optimise_refusals
from floats import TYPES, generated
from merge_building import seed
from optimise_building import KINDS, NAMES, STATE_VECTORS, bits, case, walk

ELEMENTS = 5


def cases():
    yield from several_steps()
    yield from from_a_state()
    yield from statistics()
    yield from lengths()
    yield from many_steps()
    yield from optimise_edges.cases()
    yield from optimise_refusals.cases()


def several_steps():
    """From zero, each step from the result of the one before."""
    for name in NAMES:
        for kind in KINDS:
            element = TYPES[kind]
            count = 3 if kind == "f32" else 2
            rounds = [generated(element, f"round {k}", ELEMENTS) for k in range(count)]
            base = generated(element, "base", ELEMENTS)
            state = [[0.0] * ELEMENTS] * STATE_VECTORS[name]
            for merged, b, vectors, steps in walk(kind, name, {}, rounds, base, state, 0):
                yield case(
                    f"{kind}-{name}-from-zero-{steps}",
                    name,
                    bits(kind, *merged),
                    bits(kind, *b),
                    [bits(kind, *vector) for vector in vectors],
                    kind=kind,
                    steps=steps,
                    expect=lambda output, steps=steps: output["steps"] == str(steps + 1),
                )


PARAMS = {
    "fedavgm": {"lr": 0.3, "momentum": 0.7},
    "nesterov": {"lr": 1.1, "momentum": 0.95},
    "fedadam": {"lr": 0.1, "beta1": 0.8, "beta2": 0.999, "tau": 1e-4},
}


def from_a_state():
    for name in NAMES:
        for kind in KINDS:
            element = TYPES[kind]
            count = 2 if kind == "f32" else 1
            rounds = [generated(element, f"later round {k}", ELEMENTS) for k in range(count)]
            base = generated(element, "later base", ELEMENTS)
            first = generated(element, "first vector", ELEMENTS)
            second = [abs(value) for value in generated(element, "second vector", ELEMENTS)]
            state = [first, second][: STATE_VECTORS[name]]
            for merged, b, vectors, steps in walk(kind, name, PARAMS[name], rounds, base, state, 6):
                yield case(
                    f"{kind}-{name}-from-a-state-{steps}",
                    name,
                    bits(kind, *merged),
                    bits(kind, *b),
                    [bits(kind, *vector) for vector in vectors],
                    kind=kind,
                    params=PARAMS[name],
                    steps=steps,
                )
    # One parameter given, the others have their defaults.
    for name, params in PARAMS.items():
        if name == "nesterov":
            continue
        for parameter, value in params.items():
            yield case(
                f"{name}-{parameter}-alone",
                name,
                seed("merged", 2),
                seed("base", 2),
                [bits("f32", 0.25, 0.5)] * STATE_VECTORS[name],
                params={parameter: value},
                steps=2,
            )
    default = {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "tau": 0.001}
    args = (seed("merged", 2), seed("base", 2), [bits("f32", 0.25, 0.5)] * 2)
    yield case("fedadam-defaults-given", "fedadam", *args, params=default, steps=2)


def statistics():
    for name in NAMES:
        count = STATE_VECTORS[name]
        for slug, stats in {"inside": [(2, 4), (7, 8)], "first": [(0, 1)]}.items():
            if slug == "first" and name != "fedadam":
                continue
            zeros = {str(i): "00000000" for first, end in stats for i in range(first, end)}
            vector = {"set": [{"plus": [{"zeros": 8}, "3e800000"]}, zeros]}
            yield case(
                f"stats-{slug}-{name}",
                name,
                seed("merged", 8),
                seed("base", 8),
                [vector] * count,
                steps=1,
                stats=stats,
                covers=["MERGE-050"],
            )
        yield case(
            f"stats-all-{name}",
            name,
            seed("merged", 3),
            seed("base", 3),
            [{"zeros": 3}] * count,
            stats=[(0, 3)],
            covers=["MERGE-050"],
            expect=lambda out, count=count: (
                out["state"] == [{"bits": "00" * 12}] * count
                and out["vector"]["bits"] == TYPES["f32"].big_endian(MERGED_3).hex()
            ),
        )
    # No delta is made of statistics, so none overflows.
    yield case(
        "stats-of-which-a-delta-is-infinite",
        "fedadam",
        bits("f32", 1.0, TYPES["f32"].largest),
        bits("f32", 0.5, -TYPES["f32"].largest),
        [{"zeros": 2}] * 2,
        stats=[(1, 2)],
        covers=["MERGE-050"],
        expect=lambda out: (
            out["vector"]["bits"][8:] == "7f7fffff" and out["state"][0]["bits"][8:] == "0" * 8
        ),
    )


MERGED_3 = generated(TYPES["f32"], "merged", 3)


def lengths():
    for name in NAMES:
        count = STATE_VECTORS[name]
        args = ({"zeros": 0}, {"zeros": 0}, [{"zeros": 0}] * count)
        yield case(
            f"empty-section-{name}",
            name,
            *args,
            steps=4,
            expect=lambda out: out["vector"] == {"bits": ""} and out["steps"] == "5",
        )
        n, kind = 4097, "f64" if name == "nesterov" else "f32"
        one = "3f800000" if kind == "f32" else "3ff0" + "0" * 12
        vectors = [seed("first", n), {"plus": [{"zeros": n}, one]}][:count]
        args = (seed("merged", n), seed("base", n), vectors)
        yield case(f"{kind}-{n}-elements-{name}", name, *args, kind=kind, steps=3)


BELOW_1 = {"beta1": math.nextafter(1.0, 0.0), "beta2": math.nextafter(1.0, 0.0)}
MANY = {
    "defaults": ({}, (0, 1, 999, 100000)),
    "below-1": (BELOW_1, (0, 1, 100000)),
    "near-1": ({"beta1": 0.9999, "beta2": 0.99999}, (999, 100000)),
    "betas-0": ({"beta1": 0.0, "beta2": 0.0}, (0, 999)),
    "beta1-0": ({"beta1": 0.0}, (1,)),
    "beta2-0": ({"beta2": 0.0}, (1,)),
    "half": ({"beta1": 0.5, "beta2": 0.5}, (52, 53, 1074)),
    "least": ({"beta1": 5e-324, "beta2": 2.0**-1022}, (0, 1)),
}


def many_steps():
    """pow: it underflows, it stays at a subnormal number (of 0.9 and 0.99), it is near 1."""
    for slug, (params, counts) in MANY.items():
        for steps in counts:
            kind = "f64" if slug in ("below-1", "near-1", "half") else "f32"
            yield case(
                f"{kind}-many-steps-{slug}-{steps}",
                "fedadam",
                seed("merged", 2),
                seed("base", 2),
                [bits(kind, 0.5, -0.25), bits(kind, 0.125, 3.0)],
                kind=kind,
                params=params,
                steps=steps,
            )
    for name in ("fedavgm", "nesterov"):
        args = (seed("merged", 2), seed("base", 2), [bits("f32", 0.5, -0.25)])
        yield case(
            f"{name}-last-step",
            name,
            *args,
            steps=2**32 - 2,
            expect=lambda out: out["steps"] == "4294967295",
        )
