"""Cases of merge.optimise: zeros, overflow at each place, subnormals, bounds of parameters."""

import math

from optimise_building import (
    BELOW_ONE,
    BETAS,
    INFINITE_IN_F32,
    KINDS,
    LARGEST,
    LEAST,
    NAMES,
    NORMAL,
    PARAMETERS,
    STATE_VECTORS,
    ZERO_IN_F32,
    bits,
    case,
    single,
)


def cases():
    yield from zeros()
    yield from overflow_of_averages()
    yield from overflow_of_fedadam()
    yield from subnormals()
    yield from reals_at_their_bounds()
    yield from betas_at_their_bounds()
    yield from only_rounding()


def zeros():
    """-0.0 in, +0.0 out: MERGE-012 is done on all that is defined."""
    for name in NAMES:
        count = STATE_VECTORS[name]
        for kind in KINDS if name == "fedadam" else KINDS[:1]:
            nothing = {"bits": "00" * (4 if kind == "f32" else 8)}
            yield case(
                f"{kind}-minus-zero-{name}",
                name,
                bits(kind, -0.0),
                bits(kind, -0.0),
                [bits(kind, -0.0)] * count,
                kind=kind,
                covers=["MERGE-012"],
                expect=lambda out, nothing=nothing: (
                    out["vector"] == nothing and set(map(str, out["state"])) == {str(nothing)}
                ),
            )
        # m = b, and a state that is zero: nothing moves.
        yield single(f"nothing-moves-{name}", name, 0.75, 0.75, x=0.75, steps=3)
        yield single(f"minus-zero-base-{name}", name, 0.5, -0.0)
        if name == "nesterov":
            continue
        yield single(f"minus-zero-merged-{name}", name, -0.0, 0.5)
        # A product that is -0.0 by underflow, in the state.
        least = [-LEAST["f32"], 0.0][:count]
        slug = f"state-underflows-to-minus-zero-{name}"
        yield single(slug, name, 1.0, 1.0, least, params=SMALL[name])


SMALL = {
    "fedavgm": {"momentum": 0.25},
    "nesterov": {"momentum": 0.25},
    "fedadam": {"beta1": 0.25},
}


def overflow_of_averages():
    for kind in KINDS:
        top = LARGEST[kind]
        for name in ("fedavgm", "nesterov"):
            args = (name, top, -top)
            yield single(f"{kind}-overflow-g-{name}", *args, kind=kind, params={"lr": 0.5})
            yield single(f"{kind}-overflow-v-{name}", name, top, 0.0, [top], kind=kind)
            if kind == "f64" and name == "nesterov":
                continue
            if kind == "f32":
                yield single(f"overflow-minus-g-{name}", name, -top, top)
                args = (name, -top, 0.0, [-top])
                yield single(f"overflow-minus-v-{name}", *args, x=-top, params={"lr": 2.0})
            # The product with lr is infinite, x ends at the largest finite value.
            half = top / 2.0
            args = (name, half, 0.0, [half])
            params = {"lr": 1e9}
            yield single(f"{kind}-overflow-x-{name}", *args, x=top, kind=kind, params=params)
            # The step is finite, and b + it is not.
            if kind == "f32":
                yield single(f"overflow-sum-{name}", name, top, half, [top], x=top)
        # g + momentum * v' is infinite although both are finite.
        args = ("nesterov", top, 0.0, [top])
        params = {"lr": LEAST[kind], "momentum": BELOW_ONE}
        yield single(f"{kind}-overflow-inside-nesterov", *args, kind=kind, params=params)


def overflow_of_fedadam():
    for kind in KINDS:
        top, least = LARGEST[kind], LEAST[kind]
        root = math.sqrt(top)

        def adam(slug, *args, kind=kind, **more):
            return single(f"{kind}-overflow-{slug}-fedadam", "fedadam", *args, kind=kind, **more)

        yield adam("g", top, -top)
        # g * g is infinite, v' the largest finite value.
        yield adam("square", root * 2.0, 0.0)
        yield adam("v", root, 0.0, [0.0, top], params={"beta2": 0.5}, steps=999)
        yield adam("u", top, 0.0, [top, 0.0], params={"beta1": 0.5}, steps=999)
        # The correction of a small T takes p and s beyond the largest.
        yield adam("p", 0.0, 0.0, [top, 1.0])
        yield adam("s", 0.0, 0.0, [1.0, top])
        # p / (sqrt(s) + tau) is infinite, and so is the product with lr.
        params = {"tau": least, "beta2": 0.0}
        yield adam("quotient", 0.0, 0.0, [top, 0.0], x=top, params=params)
        if kind == "f64":
            continue
        yield adam("minus-g", -top, top)
        yield adam("square-in-part", root * 1.5, 0.0, [0.0, 0.0], params={"beta2": 0.75})
        yield adam("minus-p", 0.0, 0.0, [-top, 1.0])
        yield adam("p-and-s", 0.0, 0.0, [top, top])
        yield adam("minus-quotient", 0.0, 0.0, [-top, 0.0], x=-top, params=params)
        yield adam("x", top, top, [1.0, 0.0], x=top, params={"lr": top, "beta2": 0.0})
        yield adam("step", 1.0, 0.5, params={"lr": top, "tau": 1e-3})
        yield adam("tau", top, 0.0, [top, top], params={"tau": top}, steps=999)


def subnormals():
    for kind in KINDS:
        least, normal = LEAST[kind], NORMAL[kind]
        for name in NAMES if kind == "f32" else NAMES[2:]:
            state = [3.0 * least, 7.0 * least][: STATE_VECTORS[name]]
            args = (name, normal, normal - 5.0 * least, state)
            yield single(f"{kind}-subnormal-{name}", *args, kind=kind, steps=1)
        # g * g underflows, the root of s is zero, tau alone is below.
        params = {"tau": least, "lr": 0.5}
        args = ("fedadam", least, 0.0, [0.0, 0.0])
        yield single(f"{kind}-least-over-least", *args, kind=kind, params=params)
        params = {"tau": normal}
        args = ("fedadam", normal, 0.0, [normal, least])
        yield single(f"{kind}-root-of-least", *args, kind=kind, params=params, steps=2)


def reals_at_their_bounds():
    """`lr` and `tau`: F of it is finite and above 0."""
    table = {
        ("f32", "least"): math.nextafter(ZERO_IN_F32, 1.0),
        ("f32", "largest"): math.nextafter(INFINITE_IN_F32, 0.0),
        ("f64", "least"): 5e-324,
        ("f64", "largest"): LARGEST["f64"],
        ("f64", "below-binary32"): ZERO_IN_F32,
        ("f64", "beyond-binary32"): INFINITE_IN_F32,
    }
    for (kind, slug), value in table.items():
        for name in NAMES:
            for parameter in ("lr", "tau"):
                if parameter not in PARAMETERS[name]:
                    continue
                # In binary64 `lr` of one and `tau` of the other stand for all.
                few = [("fedavgm", "lr"), ("fedadam", "tau")]
                if kind == "f64" and (name, parameter) not in few:
                    continue
                yield single(
                    f"{kind}-{name}-{parameter}-{slug}",
                    name,
                    0.75,
                    0.5,
                    kind=kind,
                    params={parameter: value},
                    covers=["MERGE-060"],
                )


def betas_at_their_bounds():
    """`momentum`, `beta1`, `beta2` are judged as binary64; in F they may be 0 or 1."""
    table = {
        "zero": 0.0,
        "below-1": BELOW_ONE,
        "one-in-f32": 1.0 - 2.0**-25,
    }
    for slug, value in table.items():
        for name in NAMES:
            for parameter in BETAS:
                if parameter in PARAMETERS[name]:
                    kind = "f64" if name == "nesterov" and slug == "below-1" else "f32"
                    state = [0.375, 0.25][: STATE_VECTORS[name]]
                    yield single(
                        f"{name}-{parameter}-{slug}",
                        name,
                        0.75,
                        0.5,
                        state,
                        kind=kind,
                        params={parameter: value},
                        steps=1,
                        covers=["MERGE-060"],
                    )


def only_rounding():
    """Where binary64 for a whole formula, or another order of it, gives other bits."""
    for name in NAMES:
        state = [[1.0 + 2.0**-23, -1.0 / 3.0, 1e-3], [2.0**-24 + 1.0, 1.0 / 7.0, 1e-6]]
        vectors = [bits("f32", *vector) for vector in state[: STATE_VECTORS[name]]]
        merged = bits("f32", 16777217.0 / 3.0, 0.1, 1.0 + 2.0**-23)
        base = bits("f32", 1.0 / 3.0, -16777215.0, 1.0)
        for steps in (0, 4) if name == "fedadam" else (4,):
            slug = f"roundings-{name}-{steps}"
            yield case(slug, name, merged, base, vectors, steps=steps)
