"""Operators that read an array between its places: other sizes, by the nearest place or by weights of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite
from typing import Any, TypeAlias

import numpy as np
from sympy import And, Expr, Integer, Piecewise, Rational

from codegen import Index
from codegen import functions as f
from codegen.walk import Extent, extent
from symnn.onnx.arrays import Array, Axis, Known, Value, number
from symnn.onnx.operators.elementwise import HALF, rounded
from symnn.onnx.operators.places import gather
from symnn.onnx.operators.row import LONGEST_AXIS, Node, Operator, Result
from symnn.onnx.writing import shown

Outside: TypeAlias = Callable[[Expr], Expr]
"""Which place one beside the axis stands for; where it stays there, it is 0."""
ROUNDED: dict[str, Callable[[Any], Any]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


@dataclass(frozen=True)
class Grid:
    """Where along an axis of length n the places of one of another length lie: at ``first + step·o``."""

    length: int
    places: int
    scale: float
    first: float
    step: float
    dtype: type[np.floating[Any]] = np.float64

    @property
    def at(self) -> np.ndarray:
        """Every one of them."""
        return (self.first + self.step * np.arange(self.places)).astype(self.dtype)


def _grid(node: Node, n: int, m: int, scale: float, roi: tuple[float, float]) -> Grid:
    way = node["coordinate_transformation_mode"]
    if way == "asymmetric":
        return Grid(n, m, scale, 0.0, 1 / scale, np.float32 if node.opset < 11 else np.float64)
    if way == "align_corners":
        if abs(scale * n - m) > 1e-6:  # its text takes the length, its reference the product
            node.refuse(
                f"found align_corners and scale {scale} of length {n}, expected sizes, or a whole number of places"
            )
        return Grid(n, m, scale, 0.0, (n - 1) / (m - 1) if m > 1 else 0.0)
    if way == "tf_crop_and_resize":
        # In float32, as the file has them: there 0.2·5 is the place 1, not one just above it.
        start, end = map(np.float32, roi)
        first = (start if m > 1 else (start + end) / 2) * np.float32(n - 1)
        step = float(end - start) * (n - 1) / (m - 1) if m > 1 else 0.0
        return Grid(n, m, scale, float(first), step, np.float32)
    ways = {
        "half_pixel": 0.5 / scale - 0.5,
        "pytorch_half_pixel": 0.5 / scale - 0.5 if m > 1 else 0.0,
        "half_pixel_symmetric": n / 2 * (1 - m / (scale * n)) + 0.5 / scale - 0.5,
    }
    if way not in ways:
        node.refuse(f"found coordinate_transformation_mode {way!r}, expected one of the standard")
    return Grid(n, m, scale, ways[way], 1 / scale)


def _linear(u: Expr) -> Expr:
    return f.maximum(1 - f.absolute(u), Integer(0))


def _cubic(a: Expr) -> Callable[[Expr], Expr]:
    """Keys 1981: 1 at 0, and 0 at all other whole numbers."""

    def kernel(u: Expr) -> Expr:
        v = f.absolute(u)
        near, far = ((a + 2) * v - (a + 3)) * v**2 + 1, a * (((v - 5) * v + 8) * v - 4)
        return f.select(f.step(1 - v), near, f.select(f.step(2 - v), far, Integer(0)))

    return kernel


def _weights(
    node: Node, place: Array, own: Axis, kernel: Callable[[Expr], Expr], taps: int, narrow: float, beside: Outside
) -> Array:
    """W[…, p] = Σ_t V[…, t]·[p = beside(⌊place⌋ + t)]/Σ_t V[…, t] with V[…, t] = kernel(place − ⌊place⌋ − t)."""
    writer, tap = node.writer, node.writer.index(taps)
    t = tap - (taps // 2 - 1)
    place = writer.settled(place)
    below = writer.vertex(place.axes, f.floor(place.body))
    weight = kernel(number(narrow) * (place.body - below.body - t))
    if node.attributes.get("exclude_outside"):
        weight *= f.step(below.body + t + 1) * f.step(extent(own[0]) - below.body - t)
    weights = writer.vertex([*place.axes, (tap,)], weight)
    whole = writer.vertex(place.axes, weights.body, [tap])
    here = f.equal(own[0], beside(below.body + t))
    return writer.vertex([*place.axes, own], weights.body / whole.body * here, [tap])


def _weighted(node: Node, array: Array, axis: int, grid: Grid, kernel: Callable[[Expr], Expr], reach: int) -> Array:
    """Σ_p W[o, p]·x[p], where W has the kernel around each place; what lies beside the axis is as its end."""
    writer, narrow = node.writer, min(1.0, grid.scale) if node["antialias"] else 1.0
    array = writer.single(writer.settled(array), axis)
    own, out = array.axes[axis], writer.axis(grid.places)
    place = Array((out,), number(grid.first) + number(grid.step) * (out[0] if out else Integer(0)))
    matrix = _weights(node, place, own, kernel, 2 * ceil(reach / narrow), narrow, _clipped(grid.length))
    return writer.vertex((*array.axes[:axis], out, *array.axes[axis + 1 :]), matrix.body * array.body, own)


def _clipped(n: int) -> Outside:
    return lambda place: f.clip(place, Integer(0), Integer(n - 1))


def _reflected(n: int, corners: bool) -> Outside:
    """Back from the first and the last place, or from the edges half a place beyond them."""
    period = max(1, 2 * (n - 1) if corners else 2 * n)

    def mirrored(place: Expr) -> Expr:
        turn = f.modulo(place, Integer(period))
        return f.minimum(turn, period - (0 if corners else 1) - turn)

    return mirrored


def _along(node: Node, array: Array, axis: int, grid: Grid) -> Array:
    mode = node["mode"]
    kernels = {"linear": (_linear, 1), "cubic": (_cubic(number(node["cubic_coeff_a"])), 2)}
    repeated = Array((*array.axes[:axis], node.writer.axis(grid.places), *array.axes[axis + 1 :]), array.body)
    if mode == "nearest":
        # Before version 11 the standard's text does not say; its example of scale 0.6 takes the place above.
        way = node["nearest_mode"] if node.opset > 10 else "ceil" if grid.scale < 1 else "floor"
        if way not in ROUNDED:
            node.refuse(f"found nearest_mode {way!r}, expected {', '.join(ROUNDED)}")
        # What rounding took from a place that is a whole number, or between two, is given back.
        places = np.clip(ROUNDED[way](np.round(grid.at, 9)), 0, grid.length - 1).astype(int)
        array = _nearest(node, array, axis, places)
    elif mode not in kernels:
        node.refuse(f"found mode {mode!r}, expected nearest, linear or cubic")
    else:
        array = repeated if grid.length == 1 else _weighted(node, array, axis, grid, *kernels[mode])
    if node["coordinate_transformation_mode"] != "tf_crop_and_resize":
        return array
    there = np.flatnonzero((grid.at >= 0) & (grid.at <= grid.length - 1))
    beyond = number(node["extrapolation_value"])
    if not there.size:
        return array.with_body(beyond)
    array = node.writer.single(array, axis)
    o = array.axes[axis][0] if array.axes[axis] else Integer(0)
    inside = And(o >= int(there[0]), o <= int(there[-1]))
    return array.with_body(Piecewise((array.body, inside), (beyond, True)))


def _nearest(node: Node, array: Array, axis: int, places: np.ndarray) -> Array:
    """Each place so many times as it is there: where that is one number, along an axis of its own."""
    n, times = array.shape[axis], len(places) // int(array.shape[axis])
    if times > 1 and np.array_equal(places, np.repeat(np.arange(n), times)):
        axes = (*array.axes[:axis], (*array.axes[axis], *node.writer.axis(times)), *array.axes[axis + 1 :])
        return replace(array, axes=axes)
    return gather(node, array, Known(places, "integer", "places"), axis)


def _lengths(node: Node, array: Array, axes: list[int], scales: Value | None, sizes: Value | None) -> Any:
    """For each axis its new length and by what it is scaled."""
    found: dict[int, tuple[Extent, float]] = {}
    if sizes is not None:
        listed = node.numbers(sizes, "sizes")
        pairs = [(array.shape[axis], m) for axis, m in zip(axes, listed)]
        ratios = [m / n for n, m in pairs if isinstance(n, int) and isinstance(m, int)]
        policy = node["keep_aspect_ratio_policy"]
        if policy not in ("stretch", "not_larger", "not_smaller"):
            node.refuse(f"found keep_aspect_ratio_policy {policy!r}")
        one = {"not_larger": min, "not_smaller": max}[policy](ratios) if policy != "stretch" else None
        for axis, (n, m) in zip(axes, pairs):
            if n == m and one is None:
                found[axis] = (n, 1.0)
            elif isinstance(n, int) and isinstance(m, int):
                found[axis] = (m, m / n) if one is None else (floor(one * n + 0.5), one)
            else:
                node.refuse(f"found length {m} for an axis of length {n}, which each call decides")
    else:
        listed = node.numbers(scales, "scales") if scales is not None else list(node["scales"] or ())
        for axis, scale in zip(axes, listed):
            n, by = array.shape[axis], float(scale)
            if by != 1.0 and not isinstance(n, int):
                node.refuse(f"found scale {by} of an axis whose length {n} each call decides, expected 1")
            found[axis] = (n, 1.0) if by == 1.0 else (floor(by * int(n)), by)
    if len(listed) != len(axes):
        node.refuse(f"found {len(listed)} sizes or scales of {len(axes)} axes")
    for axis, (m, by) in found.items():
        if not (isfinite(by) and by > 0) or (isinstance(m, int) and not 0 < m <= LONGEST_AXIS):
            node.refuse(f"found length {m} of axis {axis}, scaled by {by}")
    return found


def _resize(
    node: Node, x: Value | None, roi: Value | None = None, scales: Value | None = None, sizes: Value | None = None
) -> Result:
    if node.opset < 11:  # the second input were the scales
        way = {"coordinate_transformation_mode": "asymmetric"}
        node, roi, scales = replace(node, attributes={**node.attributes, **way}), None, roi
    array = node.real(x)
    rank = len(array.axes)
    axes = node.axes(node["axes"], rank) if node["axes"] is not None else list(range(rank))
    sizes = None if isinstance(sizes, Known) and not sizes.values.size else sizes
    scales = None if isinstance(scales, Known) and not scales.values.size else scales
    corners = (
        node.numbers(roi, "roi") if roi is not None and node["coordinate_transformation_mode"].startswith("tf") else []
    )
    for place, (axis, (m, scale)) in enumerate(_lengths(node, array, axes, scales, sizes).items()):
        n = array.shape[axis]
        ends = (float(corners[place]), float(corners[place + len(axes)])) if corners else (0.0, 1.0)
        if (n, ends) != (m, (0.0, 1.0)) or scale != 1.0:
            if not isinstance(n, int):
                node.refuse(f"found a region of an axis whose length {n} each call decides")
            array = _along(node, array, axis, _grid(node, n, int(m), scale, ends))
    return array


def _grid_sample(node: Node, x: Value | None, grid: Value | None) -> Result:
    """The array between its places, where another one says: as many operations for each as there are places."""
    array, at = node.vertex_of(x), node.vertex_of(grid, "grid")
    modes, rank = {"bilinear": "linear", "bicubic": "cubic"}, len(array.axes) - 2
    mode = modes.get(node["mode"], node["mode"])
    lengths = array.shape[2:]
    fits = len(at.axes) == len(array.axes) and at.shape[-1] == rank and at.shape[0] == array.shape[0]
    if rank < 1 or not fits or not all(isinstance(n, int) for n in lengths):
        node.refuse(f"found shapes {shown(array.shape)} and {shown(at.shape)}, expected a place for each axis of space")
    if mode not in ("nearest", "linear", "cubic") or node["padding_mode"] not in ("zeros", "border", "reflection"):
        node.refuse(f"found mode {node['mode']!r} and padding_mode {node['padding_mode']!r}")
    for axis in range(len(at.axes)):
        at = node.writer.single(at, axis)
    at = node.writer.fresh(at)
    for axis in range(2, 2 + rank):
        array = node.writer.single(array, axis)
    array = array.at(dict(zip(array.axes[0], at.axes[0])), [at.axes[0], *array.axes[1:]])
    body, over = array.body, list[Index]()
    for axis, (n, own) in enumerate(zip(map(int, lengths), array.axes[2:])):
        # The last axis comes first among the coordinates.
        last = at.axes[-1]
        coordinate = at.at({last[0]: Integer(rank - 1 - axis)} if last else {}, at.axes[:-1])
        unit = (coordinate.body + 1) / 2
        place = coordinate.with_body(unit * (n - 1) if node["align_corners"] else unit * n - HALF)
        outside = {"zeros": lambda p: p, "border": _clipped(n), "reflection": _reflected(n, node["align_corners"])}
        beside = outside[node["padding_mode"]]
        if not own:
            if node["padding_mode"] == "zeros":
                node.refuse("found an axis of length 1 and padding_mode zeros")
            continue
        if mode == "nearest":
            found = node.writer.settled(place.with_body(rounded(place.body)))
            match = f.equal(own[0], beside(found.body))
        else:
            kernel, reach = (_linear, 1) if mode == "linear" else (_cubic(Rational(-3, 4)), 2)
            match = _weights(node, place, own, kernel, 2 * reach, 1.0, beside).body
        body, over = body * match, [*over, *own]
    return node.writer.vertex([array.axes[0], array.axes[1], *at.axes[1:-1]], body, over)


def _affine_grid(node: Node, theta: Value | None, size: Value | None) -> Result:
    """θ·(x, y, 1) for places that are even from −1 to 1 along each axis of space."""
    matrix, shape = node.vertex_of(theta, "theta"), node.integers(size, "size")
    lengths = shape[2:]
    if len(matrix.axes) != 3 or matrix.shape[1:] != (len(lengths), len(lengths) + 1) or any(n < 1 for n in lengths):
        node.refuse(f"found theta of shape {shown(matrix.shape)} for size {shown(shape)}")
    for axis in range(3):
        matrix = node.writer.single(matrix, axis)
    axes = [node.writer.axis(n) for n in lengths]
    places = []
    for n, own in zip(lengths, axes):
        o = own[0] if own else Integer(0)
        ends = 2 * o / Integer(max(1, n - 1)) - 1 if n > 1 else Integer(0)
        places.append(ends if node["align_corners"] else (2 * o + 1) / Integer(n) - 1)
    column = matrix.axes[2][0]
    terms = [matrix.at({column: Integer(k)}).body * place for k, place in enumerate([*places[::-1], Integer(1)])]
    return Array((matrix.axes[0], *axes, matrix.axes[1]), sum(terms, Integer(0)))


def _upsample(node: Node, x: Value | None, scales: Value | None = None) -> Result:
    modes = {"nearest": "nearest", "linear": "linear", "bilinear": "linear"}
    if node["mode"] not in modes:
        node.refuse(f"found mode {node['mode']!r}, expected nearest or linear")
    return _resize(
        replace(node, opset=10, attributes={**_RESIZE, **node.attributes, "mode": modes[node["mode"]]}), x, scales
    )


_RESIZE: dict[str, Any] = {
    "antialias": 0,
    "axes": None,
    "coordinate_transformation_mode": "half_pixel",
    "cubic_coeff_a": -0.75,
    "exclude_outside": 0,
    "extrapolation_value": 0.0,
    "keep_aspect_ratio_policy": "stretch",
    "mode": "nearest",
    "nearest_mode": "round_prefer_floor",
    "scales": None,
}

OPERATORS: dict[str, Operator] = {
    "AffineGrid": Operator(_affine_grid, {"align_corners": 0}),
    "GridSample": Operator(_grid_sample, {"align_corners": 0, "mode": "linear", "padding_mode": "zeros"}),
    "Resize": Operator(_resize, _RESIZE),
    "Upsample": Operator(_upsample, {"mode": "nearest", "scales": None}),
}
"""By their names."""
