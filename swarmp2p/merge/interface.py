"""What the author of a merge rule imports; docs/howto/own-merge-rule.md explains it.

A rule is a class with the members of MergeRule; reduce(terms, out) writes the merged vector to
`out`. What a rule from another package may rely on, and what it must keep:

- `terms.rows` are n updates in roster order (ascending public key), `terms.base` is the last merged
  vector, `terms.weights` are integers after the cap, `terms.shares` the same as fractions of 1.
- Vectors are 1-D, of one length, all float32 or all float64 (the compute dtype), finite, read-only.
  rows.block(start, stop) gives that part of each, good until the next call. The rows need not lie
  in memory: take blocks of at most BLOCK elements, as each_block() does.
- Running statistics (`terms.stat`) look like the base, and are merged by the mean afterwards.
- `out` is like the base and holds NaN: write every element. -0.0 and infinities may be left there:
  the engine ends every rule with m + (+0.0) and a clamp to the largest finite value (MERGE-012).
- The bits must depend on nothing but rows, base, weights and the rule's parameters. measure(),
  weighted_sum(), shifted_sum() and + - * / sqrt by element are exact in this sense. NumPy's sums
  (np.sum, np.mean, np.dot, np.einsum, np.linalg.norm, @) are not, nor are exp, log and power: their
  result is the machine's.
- A scalar that meets a float32 vector must be float32 (`out.dtype.type(x)`). An np.float64 lifts
  the result to float64, and so does a very large Python float under NumPy 1.x.

An optional member `by_element = True` says that each merged element depends on the same element of
rows and base alone: a streaming merge then works chunk by chunk, a model can be merged in shards,
and what reduce() returns must be the same for all of them. Such a rule measures nothing.
"""

from collections.abc import Callable, Sequence

from swarmp2p.merge.gram import Distances, measure
from swarmp2p.merge.reducers import BLOCK, shifted_sum, step, walk, weighted_sum
from swarmp2p.merge.terms import Findings, MergeRule, Rows, Terms, Vector, require

__all__ = [
    "BLOCK",
    "Distances",
    "Findings",
    "MergeRule",
    "Rows",
    "Terms",
    "Vector",
    "each_block",
    "measure",
    "require",
    "shifted_sum",
    "weighted_sum",
]

Work = Callable[[Sequence[Vector], Vector, Vector], None]


def each_block(terms: Terms, out: Vector, work: Work) -> None:
    """Call work(block of each row, block of the base, block of out) over the vector.

    Blocks are at most BLOCK elements long and may lie with different threads, if a pool is lent:
    `work` must keep nothing from one to the next.
    """
    size = step(terms.rows.scratch + 1)

    def run(start: int, stop: int) -> None:
        own = terms.rows.for_thread()
        for low in range(start, stop, size):
            high = min(stop, low + size)
            work(own.block(low, high), terms.base[low:high], out[low:high])

    walk(terms.rows.size, run, terms.pool, terms.threads, align=size)
