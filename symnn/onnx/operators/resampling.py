"""Operators that read an array between its places: other sizes, by the nearest place or by weights of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite
from typing import Any

import numpy as np
from sympy import And, Expr, Integer, Piecewise

from codegen import functions as f
from codegen.walk import Extent
from symnn.onnx.arrays import Array, Known, Value, number
from symnn.onnx.operators.places import gathered
from symnn.onnx.operators.row import Node, Operator, Result

MOST = 100_000
"""Of the length of an axis."""
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

    @property
    def at(self) -> np.ndarray:
        """Every one of them."""
        return self.first + self.step * np.arange(self.places)


def _grid(node: Node, n: int, m: int, scale: float, roi: tuple[float, float]) -> Grid:
    way = node["coordinate_transformation_mode"]
    if way == "asymmetric":
        return Grid(n, m, scale, 0.0, 1 / scale)
    if way == "align_corners":
        if abs(scale * n - m) > 1e-6:  # its text takes the length, its reference the product
            node.refuse(
                f"found align_corners and scale {scale} of length {n}, expected sizes, or a whole number of places"
            )
        return Grid(n, m, scale, 0.0, (n - 1) / (m - 1) if m > 1 else 0.0)
    if way == "tf_crop_and_resize":
        start, end = roi
        step = (end - start) * (n - 1) / (m - 1) if m > 1 else 0.0
        return Grid(n, m, scale, (start if m > 1 else (start + end) / 2) * (n - 1), step)
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


def _weighted(node: Node, array: Array, axis: int, grid: Grid, kernel: Callable[[Expr], Expr], reach: int) -> Array:
    """Σ_p W[o, p]·x[p], where W has the kernel around each place; what lies beside the axis is as its end.

    W[o, p] = Σ_t V[o, t]·[p = clip(⌊place⌋ + t)]/Σ_t V[o, t] with V[o, t] = kernel(place − ⌊place⌋ − t).
    """
    writer, n = node.writer, Integer(grid.length)
    narrow = min(1.0, grid.scale) if node["antialias"] else 1.0
    taps = 2 * ceil(reach / narrow)
    array = writer.single(writer.settled(array), axis)
    own, out, tap = array.axes[axis], writer.axis(grid.places), writer.index(taps)
    o, t = out[0] if out else Integer(0), tap - (taps // 2 - 1)
    place = number(grid.first) + number(grid.step) * o
    below = writer.vertex([out], f.floor(place))
    weight = kernel(number(narrow) * (place - below.body - t))
    if node["exclude_outside"]:
        weight *= f.step(below.body + t + 1) * f.step(n - below.body - t)
    weights = writer.vertex([out, (tap,)], weight)
    whole = writer.vertex([out], weights.body, [tap])
    beside = f.clip(below.body + t, Integer(0), n - 1)
    matrix = writer.vertex([out, own], weights.body / whole.body * f.equal(own[0], beside), [tap])
    kept = (*array.axes[:axis], out, *array.axes[axis + 1 :])
    return writer.vertex(kept, matrix.body * array.body, own)


def _along(node: Node, array: Array, axis: int, grid: Grid) -> Array:
    mode = node["mode"]
    kernels = {"linear": (_linear, 1), "cubic": (_cubic(number(node["cubic_coeff_a"])), 2)}
    repeated = Array((*array.axes[:axis], node.writer.axis(grid.places), *array.axes[axis + 1 :]), array.body)
    if mode == "nearest":
        if node["nearest_mode"] not in ROUNDED:
            node.refuse(f"found nearest_mode {node['nearest_mode']!r}, expected {', '.join(ROUNDED)}")
        # What rounding took from a place that is a whole number, or between two, is given back.
        places = np.clip(ROUNDED[node["nearest_mode"]](np.round(grid.at, 9)), 0, grid.length - 1).astype(int)
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
    return gathered(node, array, axis, places)


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
        if not (isfinite(by) and by > 0) or (isinstance(m, int) and not 0 < m <= MOST):
            node.refuse(f"found length {m} of axis {axis}, scaled by {by}")
    return found


def _resize(
    node: Node, x: Value | None, roi: Value | None = None, scales: Value | None = None, sizes: Value | None = None
) -> Result:
    if node.opset < 11:  # the second input were the scales
        ways = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        node, roi, scales = replace(node, attributes={**node.attributes, **ways}), None, roi
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
    "Resize": Operator(_resize, _RESIZE),
    "Upsample": Operator(_upsample, {"mode": "nearest", "scales": None}),
}
"""By their names."""
