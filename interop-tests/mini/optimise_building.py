"""Small helpers that make cases of merge.optimise (09-merge.md, MERGE-060 to MERGE-064)."""

import math

from floats import F64, TYPES
from optimising import PARAMETERS, STATE_VECTORS, optimise

KINDS = ("f32", "f64")
NAMES = ("fedavgm", "nesterov", "fedadam")
RULE = {
    "none": "MERGE-060",
    "fedavgm": "MERGE-062",
    "nesterov": "MERGE-063",
    "fedadam": "MERGE-064",
}
BETAS = ("momentum", "beta1", "beta2")
# In each type: the largest finite value, the smallest normal and subnormal one.
LARGEST = {kind: TYPES[kind].largest for kind in KINDS}
LEAST = {"f32": 2.0**-149, "f64": 2.0**-1074}
NORMAL = {"f32": 2.0**-126, "f64": 2.0**-1022}
# The smallest binary64 that is infinite in binary32, and the largest that is 0 there.
INFINITE_IN_F32 = 2.0**128 - 2.0**103
ZERO_IN_F32 = 2.0**-150
BELOW_ONE = math.nextafter(1.0, 0.0)


def real(value):
    """A parameter: the bits of a binary64; text is bits already."""
    return value if isinstance(value, str) else F64.bits(value)


def reals(**params):
    return {name: real(value) for name, value in params.items()}


def bits(kind, *values):
    return {"bits": "".join(TYPES[kind].bits(value) for value in values)}


def case(
    slug,
    name,
    merged,
    base,
    state=None,
    *,
    kind="f32",
    params=None,
    steps=0,
    stats=(),
    covers=(),
    expect=None,
):
    given = {
        "type": kind,
        "optimiser": name,
        "params": reals(**(params or {})),
        "merged": merged,
        "base": base,
        "state": state,
        "steps": str(steps),
        "stats": [list(part) for part in stats],
    }
    covers = ["MERGE-061", RULE.get(name, "MERGE-060"), *covers]
    return "merge.optimise", slug, list(dict.fromkeys(covers)), given, expect


def refused(slug, name, *, kind="f32", params=None, state=None, covers=("MERGE-060",)):
    """Of one element; nothing but what the case is about is wrong."""
    count = STATE_VECTORS.get(name, 1)
    state = [{"zeros": 1}] * count if state is None else state
    one = {"zeros": 1}
    _, _, _, given, _ = case(slug, name, one, one, state, kind=kind, params=params)
    return "merge.optimise", slug, list(covers), given, "REFUSED"


def single(slug, name, m, b, state=None, *, x=None, **more):
    """One element; `x` is what must come, where it is easily known."""
    kind = more.get("kind", "f32")
    state = [0.0] * STATE_VECTORS[name] if state is None else state
    expect = None
    if x is not None:
        wanted = bits(kind, x)

        def expect(output):
            return output["vector"] == wanted

    vectors = [bits(kind, value) for value in state]
    return case(slug, name, bits(kind, m), bits(kind, b), vectors, expect=expect, **more)


def walk(kind, name, params, rounds, base, state, steps):
    """What each of several steps works on: merged, base, state and T, the next from its result."""
    values = {parameter: F64.value(bits) for parameter, bits in reals(**params).items()}
    assert set(values) <= set(PARAMETERS[name])
    for merged in rounds:
        yield merged, base, state, steps
        base, state = optimise(TYPES[kind], name, reals(**params), merged, base, state, steps, [])
        steps += 1
