"""Server optimisers: 09-merge.md, MERGE-060 to MERGE-064.

One element after the other: none depends on another. Every operation is rounded to F (`floats.py`
says why rounding a binary64 result is the same as one rounding).
"""

import math

from averaging import last_step
from floats import F64, TYPES, read_vector, write_vector
from inputs import u64
from refusal import Refusal

# MERGE-060, the table: parameters with their defaults, and how many state vectors.
PARAMETERS = {
    "none": {},
    "fedavgm": {"lr": 1.0, "momentum": 0.9},
    "nesterov": {"lr": 0.7, "momentum": 0.9},
    "fedadam": {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "tau": 0.001},
}
STATE_VECTORS = {"none": 0, "fedavgm": 1, "nesterov": 1, "fedadam": 2}


def state_vectors(optimiser):
    # MERGE-060: a name that is not in the table.
    if optimiser not in STATE_VECTORS:
        raise Refusal("REFUSED")
    return STATE_VECTORS[optimiser]


def parameters(kind, optimiser, given):
    """All parameters as binary64, the defaults where none is given."""
    state_vectors(optimiser)
    result = {**PARAMETERS[optimiser], **{name: F64.value(bits) for name, bits in given.items()}}
    # MERGE-060: a parameter that the optimiser does not have.
    if set(result) != set(PARAMETERS[optimiser]):
        raise Refusal("REFUSED")
    for name, value in result.items():
        if name in ("lr", "tau"):
            # MERGE-060: F of it is finite and above 0; a NaN is neither.
            right = 0.0 < kind.round(value) <= kind.largest
        else:
            # MERGE-060: at least 0 and below 1, as a binary64, and not -0.0.
            right = 0.0 <= value < 1.0 and math.copysign(1.0, value) > 0.0
        if not right:
            raise Refusal("REFUSED")
    return result


def power(beta, steps):
    """pow of MERGE-064: the binary64 product of T + 1 factors."""
    c = 1.0
    for _ in range(steps + 1):
        # What a further factor leaves as it is stays so for all others: 0, or a small subnormal.
        if c * beta == c:
            break
        c = c * beta
    return c


class Optimiser:
    """One step from T to T + 1; what MERGE-061 to MERGE-064 take from F(...) is rounded once."""

    def __init__(self, kind, name, given, steps):
        self.kind = kind
        self.round = kind.round
        real = parameters(kind, name, given)
        self.factors = {name: kind.round(value) for name, value in real.items()}
        if name == "fedadam":
            for beta in ("beta1", "beta2"):
                # MERGE-064: 1 - beta, pow and the quotient are binary64, then F.
                self.factors["1 - " + beta] = kind.round(1.0 - real[beta])
                correction = 1.0 / (1.0 - power(real[beta], steps))
                self.factors["correct " + beta] = kind.round(correction)
        self.of_element = {"fedavgm": self.fedavgm, "nesterov": self.nesterov}.get(
            name, self.fedadam
        )

    def last(self, value):
        """MERGE-012 of one value."""
        return last_step(self.kind, [value])[0]

    def times(self, name, value):
        return self.round(self.factors[name] * value)

    def sum(self, x, y):
        return self.round(x + y)

    def fedavgm(self, b, g, v):
        """MERGE-062"""
        v = self.last(self.sum(self.times("momentum", v), g))
        return self.last(self.sum(b, self.times("lr", v))), v

    def nesterov(self, b, g, v):
        """MERGE-063"""
        v = self.last(self.sum(self.times("momentum", v), g))
        step = self.sum(g, self.times("momentum", v))
        return self.last(self.sum(b, self.times("lr", step))), v

    def fedadam(self, b, g, u, v):
        """MERGE-064"""
        u = self.last(self.sum(self.times("beta1", u), self.times("1 - beta1", g)))
        square = self.round(g * g)
        v = self.last(self.sum(self.times("beta2", v), self.times("1 - beta2", square)))
        p = self.last(self.times("correct beta1", u))
        s = self.last(self.times("correct beta2", v))
        below = self.sum(self.round(math.sqrt(s)), self.factors["tau"])
        return self.last(self.sum(b, self.times("lr", self.round(p / below)))), u, v


def optimise(kind, name, given, merged, base, state, steps, stats):
    """x and the new state of MERGE-061."""
    optimiser = Optimiser(kind, name, given, steps)
    still = {index for first, end in stats for index in range(first, end)}
    results = []
    for index, (m, b) in enumerate(zip(merged, base, strict=True)):
        if index in still:
            # MERGE-061: x = m; in the state they stay +0.0.
            results.append((last_step(kind, [m])[0], *[0.0] * len(state)))
            continue
        # MERGE-061: g = m - b, then MERGE-012 on g.
        g = optimiser.last(kind.round(m - b))
        results.append(optimiser.of_element(b, g, *[vector[index] for vector in state]))
    columns = [list(column) for column in zip(*results)] or [[] for _ in range(1 + len(state))]
    return columns[0], columns[1:]


def optimise_operation(data):
    kind, name = TYPES[data["type"]], data["optimiser"]
    merged, base = read_vector(kind, data["merged"]), read_vector(kind, data["base"])
    state = [read_vector(kind, vector) for vector in data["state"]]
    steps = u64(data, "steps")
    parameters(kind, name, data["params"])
    # MERGE-061: as many state vectors as the optimiser has, each as long as the float section.
    if [len(vector) for vector in state] != [len(merged)] * state_vectors(name):
        raise Refusal("REFUSED")
    if len(base) != len(merged):
        raise Refusal("REFUSED")
    # No such base gets here: CHUNK-022 makes it unusable.
    finite = all(math.isfinite(value) for vector in [merged, base, *state] for value in vector)
    if not finite or any(value < 0.0 for vector in state[1:] for value in vector):
        raise Refusal("REFUSED")
    if name == "none":
        # There is neither state nor step count: x is m (MERGE-052).
        return {"vector": write_vector(kind, merged), "state": [], "steps": str(steps)}
    x, state = optimise(kind, name, data["params"], merged, base, state, steps, data["stats"])
    return {
        "vector": write_vector(kind, x),
        "state": [write_vector(kind, vector) for vector in state],
        "steps": str(steps + 1),
    }


OPERATIONS = {"merge.optimise": optimise_operation}
