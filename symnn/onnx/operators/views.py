"""Operators that change subscripts only: shapes, slices, and what is put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
from sympy import And, Expr, Integer, Piecewise, expand

from codegen import Index
from codegen.ir.ranges import is_natural
from codegen.walk import Extent, as_extent, extent, is_fixed
from symnn.onnx.arrays import Array, Axis, Known, Value, divided, number, product
from symnn.onnx.operators.row import LARGEST_FOLD, Node, Operator, Result
from symnn.onnx.writing import WRITTEN_OUT, shown

Lengths = Sequence[Extent]


# --- shapes -------------------------------------------------------------------------------------------------------


def _reshape(node: Node, x: Value | None, shape: Value | None = None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    wanted = node.numbers(shape, "shape") if shape is not None else list(node["shape"] or ())
    given = array.shape
    if not node["allowzero"]:
        for place, n in enumerate(wanted):
            if n == 0:
                wanted[place] = given[place] if place < len(given) else node.refuse("found a 0 beyond the axes")
    if (open_ := [place for place, n in enumerate(wanted) if n == -1]) and len(open_) == 1:
        (place,) = open_
        rest = divided(product(given), product([*wanted[:place], *wanted[place + 1 :]]))
        wanted[place] = node.refuse(f"found shape {shown(wanted)} of {shown(given)}") if rest is None else rest
    if any(isinstance(n, int) and n < 1 for n in wanted) or product(wanted) != product(given):
        node.refuse(f"found shape {shown(wanted)} of an array of shape {shown(given)}")
    return node.writer.reshaped(array, wanted)


def _fold_reshape(node: Node, x: Any, shape: Any) -> Any:
    return np.reshape(x, [int(n) for n in shape])


def _flatten(node: Node, x: Value | None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    axis, rank = node["axis"], len(array.axes)
    if not -rank <= axis <= rank:
        node.refuse(f"found axis {axis} of an array of {rank} axes")
    axis = axis + rank if axis < 0 else axis
    return node.writer.reshaped(array, [product(array.shape[:axis]), product(array.shape[axis:])])


def _transpose(node: Node, x: Value | None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    rank = len(array.axes)
    order = node.axes(node["perm"] if node["perm"] is not None else range(rank)[::-1], rank)
    if len(order) != rank:
        node.refuse(f"found perm {shown(order)} of an array of {rank} axes")
    return replace(array, axes=tuple(array.axes[axis] for axis in order))


def _listed(node: Node, axes: Value | None) -> list[int] | None:
    """Axes as an attribute, or since version 13 as an input."""
    if axes is not None:
        return node.integers(axes, "axes")
    return None if node["axes"] is None else list(node["axes"])


def _squeeze(node: Node, x: Value | None, axes: Value | None = None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    listed = _listed(node, axes)
    gone = (
        [axis for axis, n in enumerate(array.shape) if n == 1] if listed is None else node.axes(listed, len(array.axes))
    )
    if any(array.shape[axis] != 1 for axis in gone):
        node.refuse(f"found axes {shown(gone)} of shape {shown(array.shape)}, expected axes of length 1")
    return replace(array, axes=tuple(axis for place, axis in enumerate(array.axes) if place not in gone))


def _unsqueeze(node: Node, x: Value | None, axes: Value | None = None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    listed = _listed(node, axes)
    if listed is None:
        node.refuse("found no axes")
    new = node.axes(listed, len(array.axes) + len(listed))
    old = iter(array.axes)
    return replace(array, axes=tuple(() if p in new else next(old) for p in range(len(array.axes) + len(new))))


def _fold_squeeze(node: Node, x: Any, axes: Any = None) -> Any:
    listed = [*axes] if axes is not None else node["axes"]
    return np.squeeze(x, None if listed is None else tuple(int(a) for a in listed))


def _fold_unsqueeze(node: Node, x: Any, axes: Any = None) -> Any:
    return np.expand_dims(x, tuple(int(a) for a in (axes if axes is not None else node["axes"])))


def _expand(node: Node, x: Value | None, shape: Value | None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    wanted = node.numbers(shape, "shape")
    axes, (found, _) = node.broadcast([array, node.writer.constant(0, wanted)])
    return Array(axes, found.body, array.kind)


def _tile(node: Node, x: Value | None, repeats: Value | None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    counts = node.numbers(repeats, "repeats")
    if len(counts) != len(array.axes):
        node.refuse(f"found {len(counts)} repeats of {len(array.axes)} axes")
    axes = tuple((*node.writer.axis(n), *axis) for n, axis in zip(counts, array.axes))
    return replace(array, axes=axes)


def _shape(node: Node, x: Value | None) -> Result:
    found = node.given(x, "input").shape
    end = len(found) if node["end"] is None else node["end"]
    return _lengths(found[slice(node["start"], end)])


def _size(node: Node, x: Value | None) -> Result:
    found = product(node.given(x, "input").shape)
    return Known(_numbers(found), "integer", "size")


def _lengths(found: Lengths) -> Known:
    values = np.array(found, np.int64) if is_fixed(found) else np.array([*found], object)
    return Known(values, "integer", "shape")


def _numbers(found: Extent) -> np.ndarray:
    return np.array(found, np.int64 if isinstance(found, int) else object)


def _constant_of_shape(node: Node, shape: Value | None) -> Result:
    wanted, given = node.numbers(shape, "shape"), node["value"]
    known = Known(np.zeros(1, np.float32), "real", "value") if given is None else given
    if any(isinstance(n, int) and n < 1 for n in wanted) or known.values.size != 1:
        node.refuse(f"found shape {shown(wanted)}, expected positive lengths and one value")
    if known.kind == "integer" and is_fixed(wanted) and product(wanted) <= LARGEST_FOLD:
        return Known(np.full(wanted, known.values.ravel()[0]), "integer", "constant")
    return node.writer.constant(float(known.values.ravel()[0]), wanted, known.kind)


def _range(node: Node, *ends: Value | None) -> Result:
    if all(isinstance(value, Known) and value.kind == "real" for value in ends):
        low, high, by = (node.scalar(value, "start, limit and delta", 0.0) for value in ends)
        if not 0 < (high - low) / by <= LARGEST_FOLD:
            node.refuse(f"found the numbers from {low} to {high} by {by}")
        axis = node.writer.axis(ceil((high - low) / by))
        return Array((axis,), number(low) + number(by) * (axis[0] if axis else 0))
    start, limit, step = (node.numbers(value, "start, limit and delta")[0] for value in ends)
    if isinstance(start, int) and isinstance(step, int) and isinstance(limit, int):
        if step == 0 or len(range(start, limit, step)) > LARGEST_FOLD:
            node.refuse(f"found the numbers from {start} to {limit} by {step}")
        return Known(np.arange(start, limit, step, dtype=np.int64), "integer", "range")
    count = divided(as_extent(expand(limit - start)), step) if isinstance(step, int) and step > 0 else None
    count = as_extent(expand(start - limit)) if step == -1 else count
    if count is None or isinstance(start, float):
        node.refuse(f"found the numbers from {start} to {limit} by {step}, expected integers by 1, or by what divides")
    index = node.writer.index(count)
    return Array(((index,),), start + step * index, "integer")


# --- parts --------------------------------------------------------------------------------------------------------


def sliced(node: Node, array: Array, axis: int, start: Extent, stop: Extent, step: int) -> Array:
    """Every ``step``-th place of an axis from ``start`` on; both ends are on it, or one beside it."""
    n = array.shape[axis]
    size = expand((stop - start) if abs(step) == 1 else 0)
    if abs(step) == 1:
        count = as_extent(expand(size * step))
    elif isinstance(start, int) and isinstance(stop, int):
        count = len(range(start, stop, step))
    else:
        node.refuse(f"found every {step}th place of an axis of length {n}, expected a length that the file says")
    if isinstance(count, int) and count < 1:
        node.refuse(f"found an empty slice of an axis of length {n}")
    if (start, step) == (0, 1) and count == n:
        return array
    array = node.writer.single(array, axis)
    new = node.writer.axis(count)
    place = start + step * new[0] if new else Integer(0) + start
    old = array.axes[axis]
    axes = (*array.axes[:axis], new, *array.axes[axis + 1 :])
    return array.at({old[0]: expand(place)} if old else {}, axes)


def _slice(node: Node, x: Value | None, *given: Value | None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    if node["starts"] is not None:
        starts, ends, listed = node["starts"], node["ends"], node["axes"]
        steps = None
    else:
        parts = [None if v is None else node.numbers(v, "starts, ends, axes or steps") for v in (*given, *[None] * 4)]
        starts, ends, listed, steps = parts[:4]
    if starts is None or ends is None:
        node.refuse("found no starts or no ends")
    listed = range(len(starts)) if listed is None else listed
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(listed) == len(steps):
        node.refuse("found starts, ends, axes and steps of different lengths")
    for start, end, axis, step in zip(starts, ends, node.axes([*listed], len(array.axes)), steps):
        if not isinstance(step, int) or step == 0:
            node.refuse(f"found steps of {step}")
        n = array.shape[axis]
        first, last = (_place(node, place, n, step) for place in (start, end))
        array = sliced(node, array, axis, first, last, step)
    return array


def _place(node: Node, place: Extent, n: Extent, step: int) -> Extent:
    """A place of an axis that may be counted from its end, or be far beyond it."""
    low, high = (0, n) if step > 0 else (-1, n - 1)
    if isinstance(place, int) and isinstance(n, int):
        return min(max(place + n if place < 0 else place, low), int(high))
    if place == n:
        return high
    if not isinstance(place, int):
        return as_extent(place)  # codegen refuses what is not on the axis
    if place > 2**30:
        return high
    if place < -(2**30):
        return low
    if place == -1 and step < 0:
        return high
    beside = as_extent(n + place) if place < 0 else place
    if step > 0 and is_natural(expand(n - beside)) and is_natural(Integer(0) + beside):
        return beside
    return node.refuse(f"found place {place} of an axis whose length {n} each call decides, expected one that it has")


def _fold_slice(node: Node, x: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Any:
    starts = node["starts"] if starts is None else starts
    ends = node["ends"] if ends is None else ends
    axes = node["axes"] if axes is None else axes
    found = [slice(None)] * np.ndim(x)
    for number_, (start, end) in enumerate(zip(starts, ends)):
        axis = number_ if axes is None else int(axes[number_])
        step = 1 if steps is None else int(steps[number_])
        start, end = int(start), int(end)
        n = np.shape(x)[axis]
        stop = None if step < 0 and end < -n else end
        found[axis] = slice(start, stop, step)
    return np.asarray(x)[tuple(found)]


def _split(node: Node, x: Value | None, split: Value | None = None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    axis = node.axis(node["axis"], len(array.axes))
    n = array.shape[axis]
    if split is not None:
        sizes = node.numbers(split, "split")
    elif node["split"] is not None:
        sizes = list(node["split"])
    else:
        count = node["num_outputs"] or node.outputs
        if not isinstance(n, int) or not 0 < count <= n:
            node.refuse(f"found an axis of length {n} in {count} parts")
        size = -(-n // count)
        sizes = [size] * (count - 1) + [n - size * (count - 1)]
    if sum(sizes) != n or any(isinstance(size, int) and size < 1 for size in sizes):
        node.refuse(f"found parts {shown(sizes)} of an axis of length {n}")
    found, start = [], 0
    if len({*sizes}) == 1 and is_fixed(sizes) and len(array.axes[axis]) > 1:
        array = node.writer.reshaped(array, [*array.shape[:axis], len(sizes), sizes[0], *array.shape[axis + 1 :]])
        return [taken(node, array, axis, part) for part in range(len(sizes))]
    for size in sizes:
        found.append(sliced(node, array, axis, start, start + size, 1))
        start = start + size
    return found


def _fold_concat(node: Node, *parts: Any) -> Any:
    return np.concatenate([np.asarray(part) for part in parts], node["axis"])


def _concat(node: Node, *inputs: Value | None) -> Result:
    values = [node.given(value, "input") for value in inputs]
    if len({value.kind for value in values}) > 1:
        node.refuse("found arrays of several kinds, expected one")
    arrays = [node.writer.array(value) for value in values]
    rank = len(arrays[0].axes)
    axis = node.axis(node["axis"], rank)
    found = joined(node, arrays, axis)
    if found.kind == "integer" and axis == rank - 1 and all(array.shape[axis] == 1 for array in arrays):
        node.writer.parts[found] = tuple(arrays)
    return found


def joined(node: Node, arrays: Sequence[Array], axis: int) -> Array:
    """Arrays side by side: an equation each for the elements of one variable."""
    if len(arrays) == 1:
        return arrays[0]
    rank = len(arrays[0].axes)
    shapes = {(*a.shape[:axis], *a.shape[axis + 1 :]) for a in arrays}
    if len(shapes) > 1 or any(len(a.axes) != rank for a in arrays) or len(arrays) > WRITTEN_OUT:
        node.refuse(f"found shapes {', '.join(shown(a.shape) for a in arrays)}, expected up to {WRITTEN_OUT} that fit")
    arrays = [node.writer.single(array, axis) for array in arrays]
    others = [Array((*a.axes[:axis], *a.axes[axis + 1 :]), a.body, a.kind) for a in arrays]
    # An index of an axis that is put at the end of another is another one.
    common, _ = node.broadcast([*others])
    whole = node.writer.index(as_extent(expand(sum(array.shape[axis] for array in arrays))))
    if sum(not isinstance(array.shape[axis], int) for array in arrays) > 1:
        return _side_by_side(node, [node.writer.settled(array) for array in arrays], axis, common, whole)
    target = node.writer.declared((*common[:axis], (whole,), *common[axis:]))
    start: Extent = 0
    for array in arrays:
        own = array.axes[axis]
        index = node.writer.index(extent(own[0])) if own else None
        moved = array.at({own[0]: index}) if index is not None else array
        rest = node.matched(Array((*moved.axes[:axis], *moved.axes[axis + 1 :]), moved.body, moved.kind), common)
        node.writer.assign(target.at({whole: start + (index if index is not None else 0)}).body, rest.body)
        start = as_extent(expand(start + array.shape[axis]))
    return replace(target, kind=arrays[0].kind)


def _side_by_side(node: Node, arrays: Sequence[Array], axis: int, common: Sequence[Axis], whole: Index) -> Array:
    """Arrays of lengths that each call decides, by a choice: {a[i] if i < n, else b[i − n]}."""
    pieces, end = [], Integer(0)
    for array in arrays:
        own, start, end = array.axes[axis], end, expand(end + array.shape[axis])
        moved = array.at({own[0]: whole - start}) if own else array
        rest = node.matched(Array((*moved.axes[:axis], *moved.axes[axis + 1 :]), moved.body, moved.kind), common)
        pieces.append((rest.body, whole <= end - 1))
    body = Piecewise(*pieces[:-1], (pieces[-1][0], True))
    return Array((*common[:axis], (whole,), *common[axis:]), body, arrays[0].kind)


# --- reading at integers ------------------------------------------------------------------------------------------


def taken(node: Node, array: Array, axis: int, place: Extent) -> Array:
    """One place of an axis, which is gone."""
    array = node.writer.single(array, axis)
    axes = (*array.axes[:axis], *array.axes[axis + 1 :])
    return array.at({array.axes[axis][0]: Integer(0) + place} if array.axes[axis] else {}, axes)


def _trilu(node: Node, x: Value | None, k: Value | None = None) -> Result:
    array = node.writer.array(node.given(x, "input"))
    if len(array.axes) < 2:
        node.refuse("found an array without rows and columns")
    offset = 0 if k is None else node.integers(k, "k")[0]
    for axis in (-2, -1):
        array = node.writer.single(array, axis % len(array.axes))
    row, column = (axis[0] if axis else Integer(0) for axis in array.axes[-2:])
    kept = column >= row + offset if node["upper"] else column <= row + offset
    return array.with_body(Piecewise((array.body, kept), (Integer(0), True)), array.kind)


def _pad(node: Node, x: Value | None, *given: Value | None) -> Result:
    pads, value, listed = (*given, None, None, None)[:3]
    array = node.writer.array(node.given(x, "input"))
    if node["mode"] not in ("constant", "reflect", "edge", "wrap"):
        node.refuse(f"found mode {node['mode']!r}, expected constant, reflect, edge or wrap")
    found = node.integers(pads, "pads") if pads is not None else list(node["pads"] or ())
    rank = len(array.axes)
    axes = node.axes(node.integers(listed, "axes"), rank) if listed is not None else list(range(rank))
    if len(found) != 2 * len(axes):
        node.refuse(f"found {len(found)} pads of {len(axes)} axes")
    filler = node.writer.array(value) if value is not None else node.writer.constant(node["value"] or 0.0, ())
    for axis, before, after in zip(axes, found, found[len(axes) :]):
        if before or after:
            array = _padded(node, array, axis, before, after, filler.body)
    return array


def _padded(node: Node, array: Array, axis: int, before: int, after: int, filler: Expr) -> Array:
    n = array.shape[axis]
    if before < 0 or after < 0:
        array = sliced(node, array, axis, max(0, -before), as_extent(n - max(0, -after)), 1)
        before, after, n = max(before, 0), max(after, 0), array.shape[axis]
    array = node.writer.single(node.writer.settled(array), axis)
    if before + after > WRITTEN_OUT and node["mode"] != "constant":
        node.refuse(f"found {before + after} places beside an axis, expected at most {WRITTEN_OUT}")
    own = array.axes[axis]
    index = node.writer.index(as_extent(n + before + after))
    axes = (*array.axes[:axis], (index,), *array.axes[axis + 1 :])
    place = index - before
    here = array.at({own[0]: place}).body if own else array.body
    inside = And(*([place >= 0] if before else []), *([place <= n - 1] if after else []))
    if node["mode"] == "constant":
        return Array(axes, Piecewise((here, inside), (filler, True)), array.kind)
    if not own:
        return Array(axes, here, array.kind)
    pieces = []
    for side, count in ((0, before), (n - 1, after)):
        sign = 1 if side == 0 else -1
        if not count:
            continue
        if node["mode"] == "edge":
            value = array.at({own[0]: Integer(0) + side}).body
        elif node["mode"] == "wrap":
            value = array.at({own[0]: place + sign * n}).body
        else:
            value = array.at({own[0]: expand(2 * side - place)}).body
        pieces.append((value, place <= -1 if sign == 1 else place >= n))
    return Array(axes, Piecewise(*pieces, (here, True)), array.kind)


def _center_crop_pad(node: Node, x: Value | None, shape: Value | None) -> Result:
    """The middle of an array, or an array with as much nothing before it as behind it."""
    array = node.writer.array(node.given(x, "input"))
    rank, wanted = len(array.axes), node.integers(shape, "shape")
    axes = node.axes(node["axes"], rank) if node["axes"] is not None else list(range(rank))
    if len(wanted) != len(axes) or any(n < 1 for n in wanted):
        node.refuse(f"found shape {shown(wanted)} for {len(axes)} axes")
    for axis, n in zip(axes, wanted):
        spare = n - array.shape[axis]
        if not isinstance(spare, int):
            node.refuse(f"found an axis of length {array.shape[axis]}, which each call decides")
        if spare < 0:
            start = -spare // 2
            array = sliced(node, array, axis, start, start + n, 1)
        elif spare:
            array = _padded(node, array, axis, spare // 2, spare - spare // 2, Integer(0))
    return array


OPERATORS: dict[str, Operator] = {
    "CenterCropPad": Operator(_center_crop_pad, {"axes": None, "mode": "constant"}),
    "Concat": Operator(_concat, {"axis": 1}, _fold_concat),
    "ConstantOfShape": Operator(_constant_of_shape, {"value": None}),
    "Expand": Operator(_expand, {}, lambda _, x, shape: np.broadcast_to(x, np.broadcast_shapes(np.shape(x), [*shape]))),
    "Flatten": Operator(_flatten, {"axis": 1}),
    "Pad": Operator(_pad, {"mode": "constant", "pads": None, "value": None}),
    "Range": Operator(_range),
    "Reshape": Operator(_reshape, {"allowzero": 0, "shape": None}, _fold_reshape),
    "Shape": Operator(_shape, {"start": 0, "end": None}),
    "Size": Operator(_size),
    "Slice": Operator(_slice, {"starts": None, "ends": None, "axes": None}, _fold_slice),
    "Split": Operator(_split, {"axis": 0, "split": None, "num_outputs": None}),
    "Squeeze": Operator(_squeeze, {"axes": None}, _fold_squeeze),
    "Tile": Operator(_tile),
    "Transpose": Operator(_transpose, {"perm": None}, lambda node, x: np.transpose(x, node["perm"])),
    "Trilu": Operator(_trilu, {"upper": 1}),
    "Unsqueeze": Operator(_unsqueeze, {"axes": None}, _fold_unsqueeze),
}
"""By their names."""
