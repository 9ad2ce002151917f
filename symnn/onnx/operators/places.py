"""Operators that read, or add, where integers say: gathering, scattering, one-hot codes, and the largest of an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from sympy import Add, And, Expr, Indexed, Integer, Max, Min, Mul, Piecewise, nan, oo

from codegen import Index, Reduction
from codegen import functions as f
from codegen.ir.affine import affine
from codegen.walk import Extent, as_extent, extent
from symnn.onnx.arrays import Array, Axis, Known, Value, exceeds, greater, length, lesser, number
from symnn.onnx.operators.elementwise import is_nan
from symnn.onnx.operators.row import LONGEST_AXIS, Node, Operator, Result
from symnn.onnx.operators.views import joined, sliced, taken
from symnn.onnx.writing import WRITTEN_OUT, shown

MOST_FACTORS = 64
"""As many numbers a product is written out of."""

# --- places -------------------------------------------------------------------------------------------------------


def _on_axis(node: Node, places: Sequence[int], n: Extent) -> list[Any]:
    """Places of which those below 0 are counted from the end."""
    if not isinstance(n, int):
        return [n + place if place < 0 else place for place in places]
    if not all(-n <= place < n for place in places):
        node.refuse(f"found indices {shown(places)} into an axis of length {n}")
    return [place % n for place in places]


def _integers(node: Node, at: Value | None) -> Value:
    found = node.given(at, "indices")
    return found if found.kind == "integer" else node.refuse("found indices that are no integers")


def _placed(node: Node, at: Value, n: Extent) -> Array:
    """Places of an axis of length n at indices of their own; those that the file says are counted from 0."""
    if not isinstance(at, Known) or at.values.dtype == object:
        return node.writer.fresh(node.writer.array(at))
    found = np.array(_on_axis(node, [int(i) for i in at.values.ravel().tolist()], n), object).reshape(at.shape)
    axes = tuple(node.writer.axis(length) for length in found.shape)
    if found.size == 1:
        return Array(axes, Integer(0) + found.item(), "integer")
    if not all(isinstance(place, int) for place in found.ravel().tolist()):
        node.refuse(f"found indices that are counted from the end of an axis whose length {n} each call decides")
    whole = found.astype(np.int64)
    if (even := _even(whole, axes) or _clamped(whole, axes)) is not None:
        return Array(axes, even, "integer")
    varies = [not (whole == whole.take([0], axis)).all() for axis in range(whole.ndim)]
    table = whole[tuple(slice(None) if each else 0 for each in varies)]
    read = node.writer.array(Known(table, "integer", at.name))
    own = [axis[0] for each, axis in zip(varies, axes) if each]
    return Array(axes, read.at({axis[0]: index for axis, index in zip(read.axes, own)}).body, "integer")


def _even(places: np.ndarray, axes: Sequence[Axis]) -> Expr | None:
    """Places that rise evenly along every axis, as a sum of its indices; None for others."""
    first = int(places.ravel()[0])
    whole, body = np.full(places.shape, first), Integer(first)
    for place, axis in enumerate(axes):
        if axis:
            step = int(places.take(1, place).ravel()[0]) - first
            whole = whole + step * np.arange(places.shape[place]).reshape([-1] + [1] * (places.ndim - place - 1))
            body += step * axis[0]
    return body if (whole == places).all() else None


def _clamped(places: np.ndarray, axes: Sequence[Axis]) -> Expr | None:
    """Places that rise or fall evenly between their least and their greatest; None for others."""
    if places.ndim != 1:
        return None
    rises = np.diff(places)
    start = int(np.flatnonzero(rises)[0])
    even = places[start] + int(rises[start]) * (np.arange(len(places)) - start)
    least, most = int(places.min()), int(places.max())
    if not (np.clip(even, least, most) == places).all():
        return None
    whole = Integer(int(even[0])) + int(rises[start]) * axes[0][0]
    return lesser(greater(whole, Integer(least)), Integer(most))


def _read(node: Node, array: Array, values: Sequence[tuple[int, Expr]], axes: Sequence[Axis]) -> Array:
    """The array at places of some of its axes, each of which has one index."""
    body = array.body
    for axis, place in values:
        if array.axes[axis]:
            body = _at(node, array.with_body(body, array.kind), axis, place)
        elif isinstance(place, Indexed):
            node.refuse("found indices into an axis of length 1")
    return Array(tuple(axes), body, array.kind)


def _at(node: Node, array: Array, axis: int, place: Expr) -> Expr:
    """The element at a place of one axis; the greater or the lesser of two places is a choice.

    Integers that are data may be counted from the end, and what is not on the axis is nan. Of rows of a table that
    the file holds, and where there is no nan, calls check them: they are integers from 0.
    """
    (own,), n = array.axes[axis], array.shape[axis]
    if isinstance(place, (Max, Min)):
        one, other = place.args[0], place.func(*place.args[1:])
        chosen = exceeds(one, other) if isinstance(place, Max) else exceeds(other, one)
        return Piecewise((_at(node, array, axis, one), chosen), (_at(node, array, axis, other), True))
    if isinstance(place, Indexed):
        if array.kind != "real" or _is_table(node, array) or place.base.name in node.writer.constants:
            _limit(node, place, n)
        else:
            ahead, behind = And(place >= 0, place <= n - 1), And(place <= -1, place >= -n)
            return Piecewise(
                (array.at({own: place}).body, ahead), (array.at({own: place + n}).body, behind), (nan, True)
            )
    elif affine(place) is None:
        node.refuse("found indices that are computed, expected those of an input, or of steps")
    return array.at({own: place}).body


def _is_table(node: Node, array: Array) -> bool:
    return isinstance(array.body, Indexed) and array.body.base.name in node.writer.constants


def _limit(node: Node, read: Indexed, n: Extent) -> None:
    """Integers of an input are below the length of the axis that they are places of."""
    name, limits = read.base.name, node.writer.limits
    limits[name] = n if name not in limits else as_extent(Min(limits[name], n))
    if not isinstance(limits[name], int) and limits[name] != n:
        node.refuse(f"found integers below {n} and below another length")


def _at_single(node: Node, array: Array) -> Array:
    """With one index, or none, on every axis."""
    for place in range(len(array.axes)):
        array = node.writer.single(array, place)
    return array


# --- gathering ----------------------------------------------------------------------------------------------------


def _gather(node: Node, x: Value | None, at: Value | None) -> Result:
    given = node.given(x, "input")
    return gather(node, given, _integers(node, at), node.axis(node["axis"], len(given.shape)))


def gather(node: Node, x: Value, places: Value, axis: int) -> Array:
    """An array at the places of one axis, the axes of the places in place of it."""
    array = node.writer.array(x)
    n = array.shape[axis]
    if (
        isinstance(places, Known)
        and places.values.dtype != object
        and (places.values.size <= WRITTEN_OUT or not isinstance(n, int))
    ):
        return _gathered(node, array, axis, _on_axis(node, places.values.ravel().tolist(), n), places.shape)
    array, found = node.writer.single(node.writer.settled(array), axis), _placed(node, places, n)
    return _read(node, array, [(axis, found.body)], (*array.axes[:axis], *found.axes, *array.axes[axis + 1 :]))


def _gathered(node: Node, array: Array, axis: int, places: list[Any], shape: Sequence[int]) -> Array:
    if not shape:
        return taken(node, array, axis, places[0])
    steps = {b - a for a, b in pairwise(places)}
    if not places:
        node.refuse("found no indices, expected at least one")
    if len(steps) == 1 and (step := steps.pop()) != 0 and isinstance(step, int):
        found = sliced(node, array, axis, places[0], places[0] + step * len(places), step)
    elif len(places) == 1:
        found = sliced(node, array, axis, places[0], places[0] + 1, 1)
    else:
        parts = [sliced(node, array, axis, place, place + 1, 1) for place in places]
        found = joined(node, parts, axis)
    return node.writer.reshaped(found, [*found.shape[:axis], *shape, *found.shape[axis + 1 :]])


def _fold_gather(node: Node, x: Any, at: Any) -> Any:
    return np.take(x, np.asarray(at, np.int64), axis=node["axis"], mode="raise")


def _gather_elements(node: Node, x: Value | None, at: Value | None) -> Result:
    """At each place the element of its own row, column and so on, but along one axis the one that the indices say."""
    array = node.vertex_of(x)
    rank, axis = len(array.axes), node.axis(node["axis"], len(array.axes))
    places = _placed(node, _integers(node, at), array.shape[axis])
    if len(places.axes) != rank:
        node.refuse(f"found indices of {len(places.axes)} axes, expected {rank}")
    for place, (own, other) in enumerate(zip(array.axes, places.axes)):
        if not own and (other or place == axis):
            node.refuse(f"found indices of shape {shown(places.shape)} into an array of shape {shown(array.shape)}")
    array, places = _at_single(node, array), _at_single(node, places)
    rest = {own[0]: (other or (Integer(0),))[0] for own, other in zip(array.axes, places.axes) if own}
    del rest[array.axes[axis][0]]
    return _read(node, array.at(rest), [(axis, places.body)], places.axes)


def _components(node: Node, at: Value, lengths: Sequence[Extent]) -> list[Array]:
    """The arrays of places that stand side by side on the last axis, each for an axis of its own."""
    if isinstance(at, Known):
        return [_placed(node, replace(at, values=at.values[..., j]), n) for j, n in enumerate(lengths)]
    if (parts := node.writer.parts.get(at)) is not None:
        return [node.writer.fresh(replace(part, axes=part.axes[:-1])) for part in parts]
    found = node.writer.fresh(node.writer.single(at, len(at.axes) - 1))
    *axes, last = found.axes
    return [found.at({last[0]: Integer(j)} if last else {}, axes) for j in range(len(lengths))]


def _places_of_all(node: Node, array: Array, at: Value, batches: int) -> tuple[tuple[Axis, ...], list[Array]]:
    """The common axes of the places in the last axis of ``at``, and those places of each axis."""
    width = at.shape[-1] if at.shape else node.refuse("found a single index")
    if not isinstance(width, int) or not 0 < width <= len(array.axes) - batches:
        node.refuse(f"found indices of shape {shown(at.shape)} into an array of shape {shown(array.shape)}")
    return node.broadcast(_components(node, at, array.shape[batches : batches + width]))


def _gather_nd(node: Node, x: Value | None, at: Value | None) -> Result:
    """Elements, or parts with the last axes, at the places that the last axis of the indices says."""
    array, places, batches = node.writer.array(node.given(x, "input")), _integers(node, at), node["batch_dims"]
    array = _at_single(node, node.writer.settled(array))
    outer, found = _places_of_all(node, array, places, batches)
    if array.shape[:batches] != tuple(places.shape[:batches]):
        node.refuse(f"found shapes {shown(array.shape)} and {shown(places.shape)}, whose first axes differ")
    array = array.at({own[0]: axis[0] for own, axis in zip(array.axes[:batches], outer) if own})
    values = [(axis, place.body) for axis, place in enumerate(found, batches)]
    return _read(node, array, values, (*outer, *array.axes[batches + len(found) :]))


# --- scattering ---------------------------------------------------------------------------------------------------


def _scattered(
    node: Node, array: Array, places: Sequence[tuple[int, Expr]], update: Expr, over: Sequence[Index]
) -> Array:
    """The array with updates at places of some of its axes, or with what they and the elements there make together.

    ``update`` is one at the indices of the other axes and at ``over``, those of the updates.
    """
    found = [_matches(place, array.axes[axis]) for axis, place in places]
    match, faults = Mul(*(here for here, _ in found)), Add(*(fault for _, fault in found))

    def summed(body: Expr) -> Expr:
        return node.writer.vertex(array.axes, body, over).body if over else body

    def largest(sign: int) -> Expr:
        body = f.select(match, sign * update, -oo)
        return sign * (node.writer.vertex(array.axes, body, over, Reduction.MAX).body if over else body)

    way = node["reduction"]
    if way == "add":
        made = array.body + summed(match * update)
    elif way == "max":
        made = f.maximum(array.body, largest(1))
    elif way == "min":
        made = f.minimum(array.body, largest(-1))
    elif way == "mul":
        made = array.body * _product(node, f.select(match, update, Integer(1)), over)
    elif way == "none":
        # Which of several updates of one place is taken the standard does not say.
        count = summed(match)
        one = f.select(f.equal(count, 1), summed(match * update), nan)
        made = f.select(f.equal(count, 0), array.body, one)
    else:
        node.refuse(f"found reduction {way!r}, expected none, add, mul, max or min")
    rest = [axis for place, axis in enumerate(array.axes) if place not in dict(places)]
    beside = node.writer.vertex(rest, faults, over).body if faults != 0 else faults
    return array.with_body(made + beside)


def _matches(place: Expr, own: Axis) -> tuple[Expr, Expr]:
    """Where a place is that of an index, for one that is data also counted from the end; nan where it is on no axis."""
    index, n = (own[0], extent(own[0])) if own else (Integer(0), Integer(1))
    if not isinstance(place, Indexed):
        return f.equal(index, place), Integer(0)
    there = And(place >= -n, place <= n - 1)
    return f.equal(index, place) + f.equal(index, place + n), Piecewise((Integer(0), there), (nan, True))


def _product(node: Node, factor: Expr, over: Sequence[Index]) -> Expr:
    counts = [extent(index) for index in over]
    if not all(isinstance(n, int) for n in counts) or np.prod(counts) > MOST_FACTORS:
        node.refuse(f"found a product of {shown(counts)} numbers, expected at most {MOST_FACTORS}")
    places = np.ndindex(*[int(n) for n in counts])
    return Mul(*(Array((), factor).at(dict(zip(over, map(Integer, at)))).body for at in places))


def _scatter_elements(node: Node, x: Value | None, at: Value | None, updates: Value | None) -> Result:
    array = _at_single(node, node.vertex_of(x))
    axis = node.axis(node["axis"], len(array.axes))
    places = _at_single(node, _placed(node, _integers(node, at), array.shape[axis]))
    update = _at_single(node, node.writer.fresh(node.vertex_of(updates, "updates")))
    over = node.writer.axis(places.shape[axis])
    target = (*array.axes[:axis], over, *array.axes[axis + 1 :])
    shapes = array.shape, places.shape, update.shape
    if places.shape != update.shape or places.shape != tuple(map(length, target)):
        node.refuse(f"found an array, indices and updates of shapes {', '.join(map(shown, shapes))}, which do not fit")
    place, value = (
        each.at({own[0]: new[0] for own, new in zip(each.axes, target) if own}).body for each in (places, update)
    )
    return _scattered(node, array, [(axis, place)], value, over)


def _scatter_nd(node: Node, x: Value | None, at: Value | None, updates: Value | None) -> Result:
    array, given = _at_single(node, node.vertex_of(x)), _integers(node, at)
    outer, places = _places_of_all(node, array, given, 0)
    inner = array.axes[len(places) :]
    update = node.matched(node.writer.fresh(node.vertex_of(updates, "updates")), (*outer, *inner))
    over = [index for axis in outer for index in axis]
    return _scattered(node, array, [(axis, each.body) for axis, each in enumerate(places)], update.body, over)


# --- codes and orders ---------------------------------------------------------------------------------------------


def _one_hot(node: Node, at: Value | None, depth: Value | None, values: Value | None) -> Result:
    """One value where the new axis is at the place, else the other; a place on no axis is nowhere."""
    places, count = node.writer.fresh(node.writer.array(node.given(at, "indices"))), node.scalar(depth, "depth", 0)
    if not 1 <= count <= LONGEST_AXIS or count != int(count) or places.kind == "boolean":
        node.refuse(
            f"found depth {count:g} and {places.kind} indices, expected one from 1 to {LONGEST_AXIS:,} and numbers"
        )
    axis = node.axis(node["axis"], len(places.axes) + 1)
    pair = node.given(values, "values")
    if pair.shape != (2,):
        node.refuse(f"found values of shape {shown(pair.shape)}, expected those for off and on")
    if isinstance(pair, Known):
        off, on = map(number, pair.values.tolist())
    else:
        off, on = (pair.at({pair.axes[0][0]: Integer(which)}).body for which in (0, 1))
    own = node.writer.axis(int(count))
    index = own[0] if own else Integer(0)
    match = f.equal(index, places.body) + f.equal(index, places.body + int(count))
    return Array((*places.axes[:axis], own, *places.axes[axis:]), f.select(match, on, off), pair.kind)


def _top(node: Node, x: Value | None, count: Value | None = None) -> Result:
    """The largest elements of an axis, or the smallest, in their order, and where they are; of equal ones the first.

    The rank of an element is how many are before it, which takes n² comparisons. nan is above all numbers, as it is
    in NumPy's order and in ONNX Runtime; the standard does not say.
    """
    array = node.writer.settled(node.given(x, "input"))
    axis = node.axis(node["axis"], len(array.axes))
    (k,) = (node["k"],) if count is None else node.integers(count, "k")
    array = node.writer.single(array, axis)
    n = array.shape[axis]
    if not isinstance(n, int) or not isinstance(k, int) or not 0 < k <= n:
        node.refuse(f"found the first {k} of an axis of length {n}")
    if n == 1:
        return [array, Array(array.axes, Integer(0), "integer")]
    (index,) = array.axes[axis]
    other = node.writer.index(n)
    sign = 1 if node["largest"] else -1
    no_number = node.writer.vertex(array.axes, is_nan(array.body))
    beside, none_beside = array.at({index: other}).body, no_number.at({index: other}).body
    same = f.equal(beside, array.body) + none_beside * no_number.body
    before = f.step(sign * (beside - array.body)) + same * Piecewise(
        (Integer(1), other <= index - 1), (Integer(0), True)
    )
    # Numbers beside a nan: below it, where no difference says so.
    apart = none_beside * (1 - no_number.body) if sign > 0 else (1 - none_beside) * no_number.body
    rank = node.writer.vertex(array.axes, before + apart, [other])
    own = node.writer.axis(k)
    here = f.equal(rank.body, own[0] if own else Integer(0))
    axes = (*array.axes[:axis], own, *array.axes[axis + 1 :])
    found = node.writer.vertex(axes, f.select(here, array.body, Integer(0)), [index])
    places = node.writer.vertex(axes, f.select(here, index, Integer(0)), [index])
    return [replace(found, kind=array.kind), replace(places, kind="integer")]


_SCATTER = {"axis": 0, "reduction": "none"}

OPERATORS: dict[str, Operator] = {
    "Gather": Operator(_gather, {"axis": 0}, _fold_gather),
    "GatherElements": Operator(_gather_elements, {"axis": 0}),
    "GatherND": Operator(_gather_nd, {"batch_dims": 0}),
    "OneHot": Operator(_one_hot, {"axis": -1}),
    "Scatter": Operator(_scatter_elements, _SCATTER),
    "ScatterElements": Operator(_scatter_elements, _SCATTER),
    "ScatterND": Operator(_scatter_nd, {"reduction": "none"}),
    "TopK": Operator(_top, {"axis": -1, "k": None, "largest": 1, "sorted": 1}),
}
"""By their names."""
