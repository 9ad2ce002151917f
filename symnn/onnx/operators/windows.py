"""Convolutions and pools: sums and maxima over windows that slide over space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sympy import And, Expr, Integer, Piecewise, Rational, oo

from codegen import Reduction
from codegen.functions import absolute, equal
from symnn.layers.windows import Window, inside
from symnn.onnx.arrays import Array, Axis, Value, number
from symnn.onnx.operators.reductions import largest, mean
from symnn.onnx.operators.row import LONGEST_AXIS, Node, Operator, Result
from symnn.onnx.writing import shown


def _subscript(axis: Axis) -> Expr:
    return axis[0] if axis else Integer(0)


def _each(node: Node, name: str, count: int, default: int) -> list[int]:
    """An attribute of one number for each axis of space."""
    found = list(node[name]) if node[name] else [default] * count
    least = 0 if name in ("pads", "output_padding") else 1
    if len(found) != count or not all(least <= n <= LONGEST_AXIS for n in found):
        node.refuse(f"found {name} {shown(found)}, expected {count} numbers from {least} to {LONGEST_AXIS:,}")
    return found


def _lengths(node: Node, array: Array) -> list[int]:
    """The lengths of the axes of space."""
    lengths = array.shape[2:]
    if len(array.axes) < 3 or not all(isinstance(n, int) for n in lengths):
        node.refuse(f"found shape {shown(array.shape)}, expected samples, channels and the lengths of space")
    return [int(n) for n in lengths]


def _windows(node: Node, lengths: Sequence[int], sizes: Sequence[int]) -> list[tuple[Window, int]]:
    """The windows along each axis, and what is added behind it."""
    count = len(lengths)
    strides, dilations = _each(node, "strides", count, 1), _each(node, "dilations", count, 1)
    pads, way = _each(node, "pads", 2 * count, 0), node["auto_pad"]
    found: list[tuple[Window, int]] = []
    for axis, (n, k, s, d) in enumerate(zip(lengths, sizes, strides, dilations)):
        reach = d * (k - 1) + 1
        before, after = pads[axis], pads[count + axis]
        if way in ("SAME_UPPER", "SAME_LOWER"):
            spare = max(0, (-(-n // s) - 1) * s + reach - n)
            before = (spare + (way == "SAME_LOWER")) // 2
            after = spare - before
        elif way == "VALID":
            before = after = 0
        elif way != "NOTSET":
            node.refuse(f"found auto_pad {way!r}")
        room = n + before + after - reach
        if room < 0:
            node.refuse(f"found a window that reaches over {reach} places of {n + before + after}")
        places = room // s + 1
        if node.attributes.get("ceil_mode"):
            places = -(-room // s) + 1
            places -= (places - 1) * s >= n + before  # none begins behind the end
        found.append((Window(n, k, s, d, before, places), after))
    return found


def _read(node: Node, array: Array, windows: Sequence[Window], out: Sequence[Axis], at: Sequence[Axis]) -> Array:
    """What the windows read of the last axes, without the condition that it is there."""
    first = len(array.axes) - len(windows)
    for place in range(first, len(array.axes)):
        array = node.writer.single(array, place)
    values = {
        axis[0]: window.place(_subscript(i), _subscript(p))
        for axis, window, i, p in zip(array.axes[first:], windows, out, at)
        if axis
    }
    return array.at(values, array.axes[:first])


def _conditions(windows: Sequence[Window], out: Sequence[Axis], at: Sequence[Axis]) -> list[Any]:
    found: list[tuple[Window, int]] = []
    for window, i, p in zip(windows, out, at):
        found += window.inside(_subscript(i), _subscript(p))
    return found


def _conv(node: Node, x: Value | None, w: Value | None, b: Value | None = None) -> Result:
    array, weights = node.vertex_of(x), node.vertex_of(w, "weights")
    lengths, groups = _lengths(node, array), node["group"]
    shape, kernel = array.shape, weights.shape
    if len(kernel) != len(shape) or not all(isinstance(n, int) for n in (shape[1], *kernel)):
        node.refuse(f"found shapes {shown(shape)} and {shown(kernel)}")
    sizes = [int(n) for n in kernel[2:]]
    if groups < 1 or shape[1] != groups * kernel[1] or int(kernel[0]) % groups:
        node.refuse(f"found {groups} groups of shapes {shown(shape)} and {shown(kernel)}")
    if node["kernel_shape"] and list(node["kernel_shape"]) != sizes:
        node.refuse(f"found kernel_shape {shown(node['kernel_shape'])} of weights of shape {shown(kernel)}")
    found = [window for window, _ in _windows(node, lengths, sizes)]
    array = node.writer.reshaped(array, [shape[0], groups, kernel[1], *lengths])
    weights = node.writer.fresh(node.writer.reshaped(weights, [groups, int(kernel[0]) // groups, kernel[1], *sizes]))
    for place in range(3, 3 + len(sizes)):
        weights = node.writer.single(weights, place)
    out = [node.writer.axis(window.count) for window in found]
    at = weights.axes[3:]
    here = _read(node, array, found, out, at)
    spread = Array((here.axes[0], here.axes[1], (), here.axes[2]), here.body)
    own = Array((), Integer(0))
    common, (left, right, _) = node.broadcast([spread, Array(((), *weights.axes[:3]), weights.body), own])
    body = inside(left.body * right.body, _conditions(found, out, at))
    over = [index for axis in (common[3], *at) for index in axis]
    made = node.writer.vertex([common[0], (*common[1], *common[2]), *out], body, over)
    return _shifted(node, made, b)


def _shifted(node: Node, made: Array, bias: Value | None) -> Array:
    if bias is None:
        return made
    shift = node.real(bias, "bias")
    if len(shift.axes) != 1:
        node.refuse(f"found a bias of shape {shown(shift.shape)}")
    axes = ((), *shift.axes, *((),) * (len(made.axes) - 2))
    common, (value, added) = node.broadcast([made, Array(axes, shift.body)])
    return Array(common, value.body + added.body)


def _conv_transpose(node: Node, x: Value | None, w: Value | None, b: Value | None = None) -> Result:
    array, weights = node.vertex_of(x), node.vertex_of(w, "weights")
    lengths, groups = _lengths(node, array), node["group"]
    shape, kernel, count = array.shape, weights.shape, len(lengths)
    if len(kernel) != len(shape) or not all(isinstance(n, int) for n in (shape[1], *kernel)):
        node.refuse(f"found shapes {shown(shape)} and {shown(kernel)}")
    sizes = [int(n) for n in kernel[2:]]
    if groups < 1 or shape[1] != kernel[0] or int(kernel[0]) % groups:
        node.refuse(f"found {groups} groups of shapes {shown(shape)} and {shown(kernel)}")
    strides, dilations = _each(node, "strides", count, 1), _each(node, "dilations", count, 1)
    pads, more = _each(node, "pads", 2 * count, 0), _each(node, "output_padding", count, 0)
    befores, ends = [], []
    for axis, (n, k, s, d, extra) in enumerate(zip(lengths, sizes, strides, dilations, more)):
        whole = s * (n - 1) + extra + d * (k - 1) + 1
        before, after = pads[axis], pads[count + axis]
        if node["output_shape"] or node["auto_pad"] in ("SAME_UPPER", "SAME_LOWER"):
            wanted = int(node["output_shape"][axis - count]) if node["output_shape"] else n * s
            gone = whole - wanted
            before = gone // 2 if node["auto_pad"] == "SAME_UPPER" else gone - gone // 2
            after = gone - before
        elif node["auto_pad"] == "VALID":
            before = after = 0
        befores.append(before)
        ends.append(whole - before - after)
    if any(end < 1 or end > LONGEST_AXIS for end in ends):
        node.refuse(f"found an output of shape {shown(ends)}")
    array = node.writer.reshaped(array, [shape[0], groups, int(kernel[0]) // groups, *lengths])
    weights = node.writer.fresh(node.writer.reshaped(weights, [groups, int(kernel[0]) // groups, *kernel[1:]]))
    for place in range(3, 3 + count):
        array = node.writer.single(array, place)
        weights = node.writer.single(weights, place)
    out = [node.writer.axis(end) for end in ends]
    # x[n, g, c, i…]·W[g, c, m, k…] at o = stride·i + dilation·k − before
    left = Array((array.axes[0], array.axes[1], array.axes[2], ()), array.body)
    common, (one, other) = node.broadcast([left, Array(((), *weights.axes[:3]), weights.body)])
    body = one.body * other.body
    for o, i, p, s, d, before in zip(out, array.axes[3:], weights.axes[3:], strides, dilations, befores):
        body *= equal(_subscript(o) + before, s * _subscript(i) + d * _subscript(p))
    over = [index for axis in (common[2], *array.axes[3:], *weights.axes[3:]) for index in axis]
    made = node.writer.vertex([common[0], (*common[1], *common[3]), *out], body, over)
    return _shifted(node, made, b)


def _pool(node: Node, x: Value | None) -> tuple[Array, list[tuple[Window, int]], list[Axis], list[Axis], Array]:
    array = node.vertex_of(x)
    lengths = _lengths(node, array)
    if not node["kernel_shape"]:
        node.refuse("found no kernel_shape")
    windows = _windows(node, lengths, _each(node, "kernel_shape", len(lengths), 1))
    out = [node.writer.axis(window.count) for window, _ in windows]
    at = [node.writer.axis(window.size) for window, _ in windows]
    return array, windows, out, at, _read(node, array, [window for window, _ in windows], out, at)


def _max_pool(node: Node, x: Value | None) -> Result:
    if node.outputs > 1:
        node.refuse("found indices that are read, expected the values alone")
    _, windows, out, at, here = _pool(node, x)
    conditions = _conditions([window for window, _ in windows], out, at)
    body = Piecewise((here.body, And(*conditions)), (-oo, True)) if conditions else here.body
    over = [index for axis in at for index in axis]
    return node.writer.vertex([*here.axes, *out], body, over, Reduction.MAX)


def _average_pool(node: Node, x: Value | None) -> Result:
    _, windows, out, at, here = _pool(node, x)
    over = [index for axis in at for index in axis]
    plain = [window for window, _ in windows]
    made = node.writer.vertex([*here.axes, *out], inside(here.body, _conditions(plain, out, at)), over)
    body = made.body
    for (window, after), i, p in zip(windows, out, at):
        counted = window
        if node["count_include_pad"]:
            counted = Window(
                window.length + window.before + after, *(window.size, window.stride, window.dilation, 0), window.count
            )
        conditions = counted.inside(_subscript(i), _subscript(p))
        if conditions:
            body = body / node.writer.vertex([i], inside(Integer(1), conditions), p).body
        else:
            body = body / window.size
    return made.with_body(body)


def _lp_pool(node: Node, x: Value | None) -> Result:
    """(Σ |x|^p)^(1/p)."""
    p = node["p"]
    if p < 1:
        node.refuse(f"found p {p}, expected at least 1")
    _, windows, out, at, here = _pool(node, x)
    conditions = _conditions([window for window, _ in windows], out, at)
    over = [index for axis in at for index in axis]
    power = here.body**p if p % 2 == 0 else absolute(here.body) ** p
    made = node.writer.vertex([*here.axes, *out], inside(power, conditions), over)
    return made.with_body(made.body ** Rational(1, p))


def _local_response(node: Node, x: Value | None) -> Result:
    """x/(b + α/n·Σ x²)^β, summed over the n channels around each."""
    array, size = node.vertex_of(x), node["size"]
    channels = array.shape[1] if len(array.axes) > 1 else 0
    if not isinstance(channels, int) or not isinstance(size, int) or not 0 < size <= LONGEST_AXIS or channels < 1:
        node.refuse(f"found size {size} and shape {shown(array.shape)}, expected a number of channels")
    array = node.writer.single(array, 1)
    at, own = node.writer.axis(size), array.axes[1]
    window = Window(channels, size, 1, 1, (size - 1) // 2, channels)
    place = window.place(_subscript(own), _subscript(at))
    square = array.at({own[0]: place} if own else {}).body ** 2
    summed = node.writer.vertex(array.axes, inside(square, window.inside(_subscript(own), _subscript(at))), at)
    below = number(node["bias"]) + number(node["alpha"] / size) * summed.body
    return array.with_body(array.body / below ** number(node["beta"]))


def _global(of: Any) -> Operator:
    def write(node: Node, x: Value | None) -> Result:
        array = node.real(x)
        if len(array.axes) < 3:
            node.refuse(f"found shape {shown(array.shape)}, expected samples, channels and space")
        found: Array = of(node, array, range(2, len(array.axes)))
        return found

    return Operator(write)


def _space(node: Node, x: Value | None) -> Result:
    """Blocks of space become channels."""
    array, b = node.real(x), node["blocksize"]
    n, c, h, w = array.shape if len(array.axes) == 4 else node.refuse("found no images")
    if not (isinstance(h, int) and isinstance(w, int) and b > 0 and h % b == 0 and w % b == 0):
        node.refuse(f"found blocks of {b} of images of shape {shown(array.shape)}")
    orders = {"DCR": (0, 3, 5, 1, 2, 4), "CRD": (0, 1, 3, 5, 2, 4)}
    if node["mode"] not in orders:
        node.refuse(f"found mode {node['mode']!r}, expected DCR or CRD")
    apart = node.writer.reshaped(array, [n, c, h // b, b, w // b, b])
    axes = tuple(apart.axes[place] for place in orders[node["mode"]])
    return node.writer.reshaped(replace(apart, axes=axes), [n, c * b * b, h // b, w // b])


def _depth(node: Node, x: Value | None) -> Result:
    """Channels become blocks of space."""
    array, b = node.real(x), node["blocksize"]
    n, c, h, w = array.shape if len(array.axes) == 4 else node.refuse("found no images")
    if not (isinstance(c, int) and b > 0 and c % (b * b) == 0):
        node.refuse(f"found blocks of {b} of images of shape {shown(array.shape)}")
    orders = {
        "DCR": ([n, b, b, c // (b * b), h, w], (0, 3, 4, 1, 5, 2)),
        "CRD": ([n, c // (b * b), b, b, h, w], (0, 1, 4, 2, 5, 3)),
    }
    if node["mode"] not in orders:
        node.refuse(f"found mode {node['mode']!r}, expected DCR or CRD")
    shape, order = orders[node["mode"]]
    apart = node.writer.reshaped(array, shape)
    axes = tuple(apart.axes[place] for place in order)
    return node.writer.reshaped(replace(apart, axes=axes), [n, c // (b * b), h * b, w * b])


_PADS: dict[str, Any] = {"auto_pad": "NOTSET", "dilations": None, "kernel_shape": None, "pads": None, "strides": None}

OPERATORS: dict[str, Operator] = {
    "AveragePool": Operator(_average_pool, {**_PADS, "ceil_mode": 0, "count_include_pad": 0}),
    "Conv": Operator(_conv, {**_PADS, "group": 1}),
    "ConvTranspose": Operator(_conv_transpose, {**_PADS, "group": 1, "output_padding": None, "output_shape": None}),
    "DepthToSpace": Operator(_depth, {"blocksize": 1, "mode": "DCR"}),
    "GlobalAveragePool": _global(mean),
    "GlobalMaxPool": _global(largest),
    "LRN": Operator(_local_response, {"alpha": 1e-4, "beta": 0.75, "bias": 1.0, "size": None}),
    "LpPool": Operator(_lp_pool, {**_PADS, "ceil_mode": 0, "p": 2}),
    "MaxPool": Operator(_max_pool, {**_PADS, "ceil_mode": 0, "storage_order": 0}),
    "SpaceToDepth": Operator(_space, {"blocksize": 1, "mode": "DCR"}),
}
"""By their names."""
