"""Cases of merge.optimise: names, parameters and states that are refused (MERGE-060, MERGE-061)."""

import math

from optimise_building import (
    BETAS,
    INFINITE_IN_F32,
    NAMES,
    PARAMETERS,
    ZERO_IN_F32,
    refused,
)


def cases():
    yield from names()
    yield from unknown_parameters()
    yield from reals()
    yield from betas()
    yield from states()


def names():
    for i, name in enumerate(("", "adam", "FedAdam", "x:adam")):
        yield refused(f"unknown-optimiser-{i}", name)


def unknown_parameters():
    for name, parameter in (
        ("none", "lr"),
        ("fedavgm", "beta1"),
        ("fedavgm", "Lr"),
        ("fedavgm", ""),
        ("nesterov", "beta2"),
        ("fedadam", "momentum"),
        ("fedadam", "epsilon"),
    ):
        slug = f"{name}-unknown-{parameter.lower() or 'empty'}"
        yield refused(slug, name, params={parameter: 0.5})
    yield refused("fedavgm-unknown-among-good", "fedavgm", params={"lr": 0.5, "dampening": 0.5})


def reals():
    table = {
        "zero": 0.0,
        "minus-zero": -0.0,
        "minus-least": -5e-324,
        "infinite": math.inf,
        "minus-infinite": -math.inf,
        "nan": "7ff8000000000000",
        "signalling-nan": "7ff0000000000001",
    }
    # Finite and above 0 as a binary64, and not so in F.
    in_f32 = {
        "zero-in-f32": ZERO_IN_F32,
        "least-of-f64": 5e-324,
        "infinite-in-f32": INFINITE_IN_F32,
        "largest-of-f64": math.nextafter(math.inf, 0.0),
    }
    for name, parameter in (("fedavgm", "lr"), ("fedadam", "tau")):
        for slug, value in {**table, **in_f32}.items():
            if parameter == "tau" and slug in ("minus-infinite", "signalling-nan"):
                continue
            yield refused(f"{name}-{parameter}-{slug}", name, params={parameter: value})
    for name, slug in (("nesterov", "zero-in-f32"), ("fedadam", "infinite-in-f32")):
        yield refused(f"{name}-lr-{slug}", name, params={"lr": in_f32[slug]})
    for slug in ("zero", "nan"):
        yield refused(f"f64-fedavgm-lr-{slug}", "fedavgm", kind="f64", params={"lr": table[slug]})
    params = {"tau": math.inf}
    yield refused("f64-fedadam-tau-infinite", "fedadam", kind="f64", params=params)


def betas():
    table = {
        "one": 1.0,
        "above-one": math.nextafter(1.0, 2.0),
        "minus-zero": -0.0,
        "minus-least": -5e-324,
        "infinite": math.inf,
        "nan": "7ff8000000000000",
    }
    for name in NAMES:
        for parameter in BETAS:
            if parameter in PARAMETERS[name]:
                for slug, value in table.items():
                    few = parameter != "beta2"
                    if few and slug not in ("one", "minus-zero", "nan"):
                        continue
                    yield refused(f"{name}-{parameter}-{slug}", name, params={parameter: value})
    yield refused("f64-fedadam-beta2-one", "fedadam", kind="f64", params={"beta2": 1.0})


def states():
    covers = ["MERGE-061", "CHUNK-021"]
    one, two = {"zeros": 1}, {"zeros": 2}
    for slug, name, state in (
        ("fedavgm-none", "fedavgm", []),
        ("fedavgm-two", "fedavgm", [one, one]),
        ("fedadam-one", "fedadam", [one]),
        ("fedavgm-too-long", "fedavgm", [two]),
        ("fedadam-second-too-long", "fedadam", [one, two]),
    ):
        yield refused(f"state-{slug}", name, state=state, covers=covers)
