"""Weights, Gram matrices, merges, optimisers, secure sums (09)."""

from collections.abc import Mapping, Sequence

import numpy as np

from swarmp2p.merge.gram import measure
from swarmp2p.merge.integers import merge_integers
from swarmp2p.merge.optimisers import optimiser_named
from swarmp2p.merge.reducers import Updates
from swarmp2p.merge.rules import merge, rule_named, weigh
from swarmp2p.merge.secure import merge_sum, quantise
from swarmp2p.merge.terms import Terms
from swarmp2p.target.arrays import (
    double_bits,
    double_of,
    integers_of,
    notation_of_vector,
    vector_of,
    vectors_of,
    words_of,
)
from swarmp2p.target.notation import Input, Operation, Output

_UNIFORM = {"declared": False, "uniform": True}


def merge_weights(given: Input) -> Output:
    """Answer `merge.weights`: what a mean of as many empty updates makes of them."""
    dtype = vector_of({"zeros": 0}, given["type"]).dtype
    updates = [np.zeros(1, dtype) for _ in given["weights"]]
    uniform = _UNIFORM[given["mode"]]
    mean = merge(updates, np.zeros(1, dtype), given["weights"], rule_named("mean"), uniform=uniform)
    terms = Terms(Updates(tuple(updates)), np.zeros(1, dtype), mean.weights_used)
    factors = np.array(mean.coefficients, dtype)
    return {
        "weights": list(mean.weights_used),
        "shares": [double_bits(share) for share in terms.shares],
        "factors": [notation_of_vector(factors[k : k + 1])["bits"] for k in range(factors.size)],
    }


def merge_gram(given: Input) -> Output:
    """Answer `merge.gram`."""
    updates = Updates(tuple(vectors_of(given["updates"], given["type"])))
    base = vector_of(given["base"], given["type"])
    weights = weigh([1] * updates.count)
    distances = measure(Terms(updates, base, weights, _slices(given["stats"])))
    return {
        "gram": [[double_bits(value) for value in row] for row in distances.gram],
        "distances": [double_bits(norm) for norm in distances.norms],
        "outliers": list(distances.outliers()),
    }


def compute_merge(given: Input) -> Output:
    """Answer `merge.compute`."""
    params = {name: double_of(bits) for name, bits in (given["params"] or {}).items()}
    result = merge(
        vectors_of(given["updates"], given["type"]),
        vector_of(given["base"], given["type"]),
        given["weights"],
        rule_named(given["rule"], params),
        stat=_slices(given["stats"]),
        uniform=_UNIFORM[given["mode"]],
    )
    return {"vector": notation_of_vector(result.vector), "outliers": list(result.outliers)}


def merge_integer_sections(given: Input) -> Output:
    """Answer `merge.integers`."""
    updates = [integers_of(update) for update in given["updates"]]
    merged = merge_integers(updates, given["rule"], integers_of(given["base"]))
    return {"vector": [str(value) for value in merged.tolist()]}


def take_step(given: Input) -> Output:
    """Answer `merge.optimise`."""
    merged = vector_of(given["merged"], given["type"])
    state = vectors_of(given["state"], given["type"])
    params = {name: double_of(bits) for name, bits in given["params"].items()}
    steps = optimiser_named(given["optimiser"], params, merged.dtype).step(
        merged,
        vector_of(given["base"], given["type"]),
        state,
        int(given["steps"]),
        stat=_slices(given["stats"]),
    )
    return {
        "vector": notation_of_vector(merged),
        "state": [notation_of_vector(vector) for vector in state],
        "steps": str(steps),
    }


def quantise_update(given: Input) -> Output:
    """Answer `secure.quantise`."""
    update, base = (vector_of(given[name], "f32") for name in ("update", "base"))
    integers = quantise(update, base, double_of(given["clip"]), given["commitments"])
    return {"integers": [str(value) for value in integers.tolist()]}


def sum_updates(given: Input) -> Output:
    """Answer `secure.sum`."""
    updates = [words_of(update) for update in given["updates"]]
    base = vector_of(given["base"], "f32")
    merged = merge_sum(updates, base, double_of(given["clip"]), given["commitments"])
    return {"vector": notation_of_vector(merged)}


def _slices(given: Sequence[Sequence[int]]) -> tuple[slice, ...]:
    return tuple(slice(start, stop) for start, stop in given)


OPERATIONS: Mapping[str, Operation] = {
    "merge.weights": merge_weights,
    "merge.gram": merge_gram,
    "merge.compute": compute_merge,
    "merge.integers": merge_integer_sections,
    "merge.optimise": take_step,
    "secure.quantise": quantise_update,
    "secure.sum": sum_updates,
}
