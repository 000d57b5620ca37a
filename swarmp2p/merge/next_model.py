"""The next model, from the base and the updates of a round as they are kept.

Updates are decoded chunk by chunk, so that memory does not grow with their number: beside the base,
the result and the optimiser's state there are a few chunks of each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from swarmp2p.errors import MergeError
from swarmp2p.merge import layout
from swarmp2p.merge.integers import merge_integers
from swarmp2p.merge.layout import Integers
from swarmp2p.merge.model import Model
from swarmp2p.merge.optimisers import Optimiser
from swarmp2p.merge.rules import MergeResult
from swarmp2p.merge.stored import Buffer
from swarmp2p.merge.streaming import StreamingMerge
from swarmp2p.merge.terms import MergeRule, Vector
from swarmp2p.wire.registry import CHUNK_ELEMENTS, ENCODING_INT8
from swarmp2p.wire.tensors import Schema

_MEASURABLE = 2.0**1000  # MERGE-015
_NAMED = 3  # updates in one message


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run fixes of its merges; `encoding` is that of its updates."""

    schema: Schema
    encoding: int
    rule: MergeRule
    integers: str
    optimiser: Optimiser
    uniform: bool


@dataclass(frozen=True, slots=True)
class KeptUpdate:
    """One update of the roster: `load(index)` gives a chunk's bytes, `name` is whose it is."""

    name: str
    load: Callable[[int], Buffer]


def first_model(floats: Vector, integers: Integers, optimiser: Optimiser) -> Model:
    """The model that a run begins from: these sections, and a state of zeros (ROUND-003)."""
    return Model(floats, integers, tuple(np.zeros_like(floats) for _ in range(optimiser.vectors)))


def next_model(
    recipe: Recipe, base: Model, updates: Sequence[KeptUpdate], weights: Sequence[int]
) -> tuple[Model, MergeResult]:
    """Merge by the rule, then the integers, then let the optimiser make its step.

    Updates are in roster order, `weights` as declared. The state of `base` is used up: its vectors
    become those of the new model. The result is that of the rule, but for its vector, which is the
    new model's. Raises MergeError for a roster outside the rule's range and for what the rule
    refuses, RemoteProtocolError for an update that cannot be decoded, both with the names of the
    updates and of a tensor; and what `load` raises.
    """
    result = _merge_floats(recipe, base, updates, weights)
    integers = _merge_integers(recipe, base, updates)
    steps = base.steps
    if recipe.optimiser.vectors:
        stat = layout.stat_slices(recipe.schema)
        steps = recipe.optimiser.step(result.vector, base.floats, base.state, steps, stat=stat)
    return Model(result.vector, integers, base.state, steps), result


def verify_update(recipe: Recipe, update: KeptUpdate, base: Callable[[int], Buffer]) -> None:
    """Raise RemoteProtocolError if a chunk cannot be decoded or holds what no merge takes.

    `base(index)` gives the bytes of a chunk of the base's float section; int8 needs it.
    """
    schema = recipe.schema
    for index in range(len(layout.chunk_slices(schema.float_elements))):
        near = None
        if recipe.encoding == ENCODING_INT8:
            near = layout.decode_float_chunk(schema, index, base(index), whose="the base")
        _decode(recipe, update, near, index)
    for index in range(len(layout.chunk_slices(schema.integer_elements))):
        _decode_integers(recipe, update, index)


def _merge_floats(
    recipe: Recipe, base: Model, updates: Sequence[KeptUpdate], weights: Sequence[int]
) -> MergeResult:
    schema, floats = recipe.schema, base.floats
    try:
        stream = StreamingMerge(
            floats,
            weights,
            recipe.rule,
            stat=layout.stat_slices(schema),
            uniform=recipe.uniform,
            name_element=partial(layout.element_name, schema),
        )
        for index, part in enumerate(layout.chunk_slices(floats.size)):
            for peer, update in enumerate(updates):
                stream.feed(peer, index, partial(_decode, recipe, update, floats[part], index))
        return stream.result()
    except MergeError as error:
        far = ", ".join(_far(recipe, base, updates))
        raise MergeError(f"{error}: {far}" if far else str(error)) from error


def _decode(recipe: Recipe, update: KeptUpdate, near: Vector | None, index: int) -> Vector:
    return layout.decode_float_chunk(
        recipe.schema,
        index,
        update.load(index),
        recipe.encoding,
        near,
        whose=f"the update of {update.name}",
    )


def _decode_integers(recipe: Recipe, update: KeptUpdate, index: int) -> Integers:
    before = len(layout.chunk_slices(recipe.schema.float_elements))
    whose = f"the update of {update.name}"
    return layout.decode_integer_chunk(recipe.schema, index, update.load(before + index), whose)


def _merge_integers(recipe: Recipe, base: Model, updates: Sequence[KeptUpdate]) -> Integers:
    """MERGE-051, chunk by chunk: each element depends on the same element of the others alone."""
    out: Integers = np.empty(recipe.schema.integer_elements, np.int64)
    for index, part in enumerate(layout.chunk_slices(out.size)):
        rows = [_decode_integers(recipe, update, index) for update in updates]
        out[part] = merge_integers(rows, recipe.integers, base.integers[part])
    return out


def _far(recipe: Recipe, base: Model, updates: Sequence[KeptUpdate]) -> Iterator[str]:
    """The first updates that MERGE-015 calls unmeasured, each with its farthest element.

    Looked for only when a merge was refused, which may be for another reason.
    """
    named = 0
    for update in updates:
        at = _farthest(recipe, base, update)
        if at is None:
            continue
        named += 1
        if named > _NAMED:
            yield "and others"
            return
        index, within = divmod(at, CHUNK_ELEMENTS)
        part = layout.chunk_slices(base.floats.size)[index]
        value = _decode(recipe, update, base.floats[part], index)[within]
        where = layout.element_name(recipe.schema, at)
        yield f"that of {update.name} ({where} is {value}, the base's is {base.floats[at]})"


def _farthest(recipe: Recipe, base: Model, update: KeptUpdate) -> int | None:
    """The element of an unmeasured update that is farthest from the base; None if measured."""
    total, largest, where = 0.0, -1.0, 0
    stats = layout.stat_slices(recipe.schema)
    with np.errstate(over="ignore", invalid="ignore"):
        for index, part in enumerate(layout.chunk_slices(base.floats.size)):
            near = base.floats[part]
            delta = np.abs(_decode(recipe, update, near, index) - near)
            for stat in stats:  # MERGE-014
                delta[max(0, stat.start - part.start) : max(0, stat.stop - part.start)] = 0
            total += float(np.sum(np.square(delta, dtype=np.float64)))
            at = int(np.argmax(delta))
            if float(delta[at]) > largest:
                largest, where = float(delta[at]), part.start + at
    return None if total <= _MEASURABLE else where
