"""Operators that combine the elements along axes: sums, means, maxima, softmax and norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sympy import Add, Expr, Integer, Mul, Piecewise, exp, log, sqrt

from codegen import Index, Reduction
from codegen import functions as f
from codegen.walk import extent
from symnn.onnx.arrays import Array, Axis, Value, number, product
from symnn.onnx.operators.row import Node, Operator, Result


def parted(node: Node, array: Array, axes: Sequence[int]) -> tuple[tuple[Axis, ...], list[Index]]:
    """The axes of which some have become of length 1, and the indices that these had."""
    over = [index for axis in axes for index in array.axes[axis]]
    return tuple(() if place in axes else axis for place, axis in enumerate(array.axes)), over


def total(node: Node, array: Array, axes: Sequence[int]) -> Array:
    """The sum along axes, which stay with length 1."""
    kept, over = parted(node, array, axes)
    return node.writer.vertex(kept, array.body, over)


def largest(node: Node, array: Array, axes: Sequence[int]) -> Array:
    """The maximum along axes, which stay with length 1."""
    kept, over = parted(node, array, axes)
    return node.writer.vertex(kept, array.body, over, Reduction.MAX)


def size_of(array: Array, axes: Sequence[int]) -> Expr:
    """How many elements there are along axes."""
    return Integer(1) * product(extent(index) for axis in axes for index in array.axes[axis])


def mean(node: Node, array: Array, axes: Sequence[int]) -> Array:
    """The mean along axes."""
    return total(node, array.with_body(array.body / size_of(array, axes)), axes)


def _log_sum_exp(node: Node, array: Array, axes: Sequence[int]) -> Array:
    array = node.writer.settled(array)
    m = largest(node, array.with_body(f.stop_gradient(array.body)), axes)
    summed = total(node, array.with_body(exp(array.body - m.body)), axes)
    return m.with_body(m.body + log(summed.body))


def _of(before: Callable[[Expr], Expr], after: Callable[[Expr], Expr]) -> Callable[..., Array]:
    def reduced(node: Node, array: Array, axes: Sequence[int]) -> Array:
        found = total(node, array.with_body(before(array.body)), axes)
        return found.with_body(after(found.body))

    return reduced


def _smallest(node: Node, array: Array, axes: Sequence[int]) -> Array:
    found = largest(node, array.with_body(-array.body), axes)
    return found.with_body(-found.body)


def _product(node: Node, array: Array, axes: Sequence[int]) -> Array:
    kept, over = parted(node, array, axes)
    counts = [extent(index) for index in over]
    if not all(isinstance(n, int) for n in counts) or product(counts) > 64:
        node.refuse(f"found a product of {product(counts)} numbers, expected at most 64")
    places = np.ndindex(*[int(n) for n in counts])
    factors = [array.at(dict(zip(over, map(Integer, at)))).body for at in places]
    return Array(kept, Mul(*factors))


def _reduction(of: Callable[..., Array], fold: Callable[..., Any] | None = None) -> Operator:
    def write(node: Node, x: Value | None, axes: Value | None = None) -> Result:
        array = node.real(x)
        rank = len(array.axes)
        listed = node.integers(axes, "axes") if axes is not None else node["axes"]
        if not listed:
            listed = [] if node["noop_with_empty_axes"] else range(rank)
        chosen = node.axes([*listed], rank)
        found = of(node, array, chosen)
        if node["keepdims"]:
            return found
        return replace(found, axes=tuple(axis for place, axis in enumerate(found.axes) if place not in chosen))

    def folded(node: Node, x: Any, axes: Any = None) -> Any:
        assert fold is not None
        listed = tuple(int(a) for a in axes) if axes is not None else node["axes"]
        return fold(np.asarray(x), axis=tuple(listed) if listed else None, keepdims=bool(node["keepdims"]))

    attributes = {"axes": None, "keepdims": 1, "noop_with_empty_axes": 0}
    return Operator(write, attributes, folded if fold is not None else None)


# --- softmax ------------------------------------------------------------------------------------------------------


def _together(node: Node, array: Array) -> list[int]:
    """The axes that a softmax goes over: one, and before version 13 all from one on."""
    rank = len(array.axes)
    given = node["axis"]
    if node.opset < 13:
        return list(range(node.axis(1 if given is None else given, rank), rank))
    return [node.axis(-1 if given is None else given, rank)]


def softmax(node: Node, array: Array, axes: Sequence[int]) -> Array:
    """exp(x − m)/Z: the largest is taken out, and held constant under differentiation."""
    array = node.writer.settled(array)
    m = largest(node, array.with_body(f.stop_gradient(array.body)), axes)
    e = node.writer.vertex(array.axes, exp(array.body - m.body))
    summed = total(node, e, axes)
    return e.with_body(e.body / summed.body)


def log_softmax(node: Node, array: Array, axes: Sequence[int]) -> Array:
    """x − m − log Σ exp(x − m)."""
    array = node.writer.settled(array)
    m = largest(node, array.with_body(f.stop_gradient(array.body)), axes)
    summed = total(node, array.with_body(exp(array.body - m.body)), axes)
    shifted = node.writer.vertex(summed.axes, log(summed.body) + m.body)
    return array.with_body(array.body - shifted.body)


def _softmax(node: Node, x: Value | None) -> Result:
    array = node.real(x)
    return softmax(node, array, _together(node, array))


def _log_softmax(node: Node, x: Value | None) -> Result:
    array = node.real(x)
    return log_softmax(node, array, _together(node, array))


def _first(node: Node, array: Array, axis: int, *, smallest: bool = False, last: bool = False) -> Array:
    """Where along an axis, which stays with length 1, the largest element is: the first such place, or the last one."""
    kept, over = parted(node, array, [axis])
    if not over:
        return Array(kept, Integer(0), "integer")
    (index,) = over
    array = array.with_body(-array.body if smallest else array.body)
    is_largest = f.equal(array.body, largest(node, array, [axis]).body)
    end = extent(index) - 1
    found = node.writer.vertex(kept, f.select(is_largest, index if last else end - index, 0), over, Reduction.MAX)
    return replace(found, body=found.body if last else end - found.body, kind="integer")


def _place_of(*, smallest: bool) -> Operator:
    def write(node: Node, x: Value | None) -> Result:
        array = node.writer.settled(node.real(x))
        axis = node.axis(node["axis"], len(array.axes))
        last = bool(node["select_last_index"])
        found = _first(node, node.writer.single(array, axis), axis, smallest=smallest, last=last)
        return found if node["keepdims"] else replace(found, axes=(*found.axes[:axis], *found.axes[axis + 1 :]))

    return Operator(write, {"axis": 0, "keepdims": 1, "select_last_index": 0})


def _hardmax(node: Node, x: Value | None) -> Result:
    """1 at the first of the largest elements, else 0."""
    array = node.writer.settled(node.real(x))
    axis, *others = _together(node, array)
    if others:
        node.refuse(f"found {1 + len(others)} axes together, expected one, as from version 13 of the standard on")
    array = node.writer.single(array, axis)
    (index,) = array.axes[axis] or (Integer(0),)
    return array.with_body(f.equal(index, _first(node, array, axis).body))


# --- along an axis, one after the other ---------------------------------------------------------------------------


def _cumulative(combine: Callable[[Expr, Expr], Expr], nothing: Expr) -> Operator:
    """Sums, or products, of the elements up to each one, as a variable that reads itself one place before."""

    def write(node: Node, x: Value | None, axis: Value | None) -> Result:
        array = node.writer.settled(node.real(x))
        (wanted,) = node.integers(axis, "axis")
        place = node.axis(wanted, len(array.axes))
        array = node.writer.single(array, place)
        if not array.axes[place]:
            return array.with_body(nothing) if node["exclusive"] else array
        (index,) = array.axes[place]
        turned = {index: extent(index) - 1 - index}
        array = Array(array.axes, array.at(turned).body) if node["reverse"] else array
        found, before = node.writer.declared(array.axes), {index: index - 1}

        def behind(one: Array) -> Expr:
            return Piecewise((one.at(before).body, index > 0), (nothing, True))

        each = behind(array) if node["exclusive"] else array.body
        node.writer.assign(found.body, combine(behind(found), each))
        return Array(found.axes, found.at(turned).body) if node["reverse"] else found

    return Operator(write, {"exclusive": 0, "reverse": 0})


# --- norms --------------------------------------------------------------------------------------------------------


def standardised(node: Node, array: Array, axes: Sequence[int], epsilon: float) -> tuple[Array, Array, Array]:
    """(x − mean)/√(variance + ε), the mean and the inverse of the root, over axes."""
    array = node.writer.settled(array)
    centre = mean(node, array, axes)
    variance = mean(node, array.with_body((array.body - centre.body) ** 2), axes)
    scale = node.writer.vertex(variance.axes, 1 / sqrt(variance.body + number(epsilon)))
    return array.with_body((array.body - centre.body) * scale.body), centre, scale


def affine(node: Node, array: Array, scale: Value | None, shift: Value | None, place: Sequence[int]) -> Array:
    """``scale·x + shift``, both along the axes of ``place``."""
    for value, combine in ((scale, Mul), (shift, Add)):
        if value is not None:
            found = node.real(value, "scale or bias")
            axes = list[Axis]([()] * len(array.axes))
            if len(place) == 1 and len(found.axes) != 1:
                node.refuse(f"found a scale or bias of {len(found.axes)} axes, expected 1")
            for own, at in zip(found.axes[::-1], place[::-1]):
                axes[at] = own
            common, (x, w) = node.broadcast([array, Array(tuple(axes), found.body)])
            array = Array(common, combine(x.body, w.body))
    return array


def _layer_norm(node: Node, x: Value | None, scale: Value | None, bias: Value | None = None) -> Result:
    array = node.real(x)
    rank = len(array.axes)
    axes = list(range(node.axis(node["axis"], rank), rank))
    found, centre, inverse = standardised(node, array, axes, node["epsilon"])
    return [affine(node, found, scale, bias, axes), centre, inverse]


def _rms_norm(node: Node, x: Value | None, scale: Value | None) -> Result:
    array = node.vertex_of(x)
    rank = len(array.axes)
    axes = list(range(node.axis(node["axis"], rank), rank))
    square = mean(node, array.with_body(array.body**2), axes)
    return affine(node, array.with_body(array.body / sqrt(square.body + number(node["epsilon"]))), scale, None, axes)


def _batch_norm(node: Node, x: Value | None, *given: Value | None) -> Result:
    if node["is_test"] == 0 or (node.outputs > 1 and not node["training_mode"]):
        node.refuse("found a network in training mode, expected one in evaluation mode")
    if node["spatial"] == 0:
        node.refuse("found spatial 0, expected statistics of channels")
    if len(given) != 4:
        node.refuse("found no scale, bias, mean or variance")
    scale, bias, centre, variance = given
    array = node.real(x)
    place = [1] if len(array.axes) > 1 else node.refuse("found an array without channels")
    if node["training_mode"]:
        return _of_batch(node, array, scale, bias, centre, variance)
    root = node.real(variance, "variance")
    inverse = node.real(scale, "scale")
    _, (root, inverse) = node.broadcast([root, inverse])
    factor = Array(root.axes, inverse.body / sqrt(root.body + number(node["epsilon"])))
    middle = node.real(centre, "mean")
    found = affine(node, array, None, middle.with_body(-middle.body), place)
    return affine(node, found, factor, bias, place)


def _of_batch(node: Node, array: Array, *given: Value | None) -> Result:
    """With the mean and the variance of the batch itself; and what the running ones become by them."""
    scale, bias, *running = given
    axes = [place for place in range(len(array.axes)) if place != 1]
    array = node.writer.settled(array)
    centre = mean(node, array, axes)
    variance = mean(node, array.with_body((array.body - centre.body) ** 2), axes)
    found = array.with_body((array.body - centre.body) / sqrt(variance.body + number(node["epsilon"])))
    kept, results = number(node["momentum"]), [affine(node, found, scale, bias, [1])]
    for before, now in zip(running, (centre, variance)):
        old = node.real(before, "running mean or variance")
        common, (a, b) = node.broadcast([old, Array(now.axes[1:2], now.body)])
        results.append(Array(common, kept * a.body + (1 - kept) * b.body))
    return results


def _instance_norm(node: Node, x: Value | None, scale: Value | None, bias: Value | None) -> Result:
    array = node.real(x)
    found, *_ = standardised(node, array, list(range(2, len(array.axes))), node["epsilon"])
    return affine(node, found, scale, bias, [1])


def _group_norm(node: Node, x: Value | None, scale: Value | None, bias: Value | None) -> Result:
    array = node.real(x)
    shape, groups = array.shape, node["num_groups"]
    if (
        not isinstance(groups, int)
        or len(shape) < 3
        or not isinstance(shape[1], int)
        or groups < 1
        or shape[1] % groups
    ):
        node.refuse(f"found {groups} groups of an array of shape {array.shape}")
    apart = node.writer.reshaped(array, [shape[0], groups, shape[1] // groups, *shape[2:]])
    found, *_ = standardised(node, apart, list(range(2, len(apart.axes))), node["epsilon"])
    if node.opset < 21:  # scale and bias were of groups
        return node.writer.reshaped(affine(node, found, scale, bias, [1]), shape)
    return affine(node, node.writer.reshaped(found, shape), scale, bias, [1])


def _lp_norm(node: Node, x: Value | None) -> Result:
    array = node.vertex_of(x)
    axes = [node.axis(node["axis"], len(array.axes))]
    ways = {1: _of(f.absolute, lambda s: s), 2: _of(lambda v: v**2, sqrt)}
    if node["p"] not in ways:
        node.refuse(f"found p {node['p']}, expected 1 or 2")
    size = node.writer.settled(ways[node["p"]](node, array, axes))
    return array.with_body(f.ratio(array.body, size.body))


def _mvn(node: Node, x: Value | None) -> Result:
    array = node.vertex_of(x)
    axes = node.axes(node["axes"], len(array.axes))
    centre = mean(node, array, axes)
    variance = mean(node, array.with_body((array.body - centre.body) ** 2), axes)
    return array.with_body((array.body - centre.body) / (sqrt(variance.body) + number(1e-9)))


# --- losses -------------------------------------------------------------------------------------------------------


def _picked(node: Node, scores: Array, labels: Value | None, weights: Value | None) -> Array:
    """−w[y]·log p[y], averaged, added up or for each."""
    given = node.given(labels, "target")
    if given.kind != "integer":
        node.refuse("found real labels, expected integers")
    scores = node.writer.settled(scores)
    target = node.writer.array(given)
    classes = scores.axes[1] if len(scores.axes) > 1 else node.refuse("found scores without classes")
    rest = (scores.axes[0], *scores.axes[2:])
    target = node.matched(target, rest)
    scores = node.writer.single(scores, 1)
    classes = scores.axes[1]
    if not classes:
        node.refuse("found scores of one class")
    chosen = f.equal(target.body, classes[0])
    value = node.writer.vertex(rest, f.select(chosen, -scores.body, Integer(0)), classes)
    weight: Array | None = None
    if weights is not None:
        own = node.real(weights, "weights")
        w = node.matched(own, (classes,))
        weight = node.writer.vertex(rest, f.select(chosen, w.body, Integer(0)), classes)
    if node["ignore_index"] is not None:
        counted = 1 - f.equal(target.body, Integer(node["ignore_index"]))
        weight = value.with_body(counted if weight is None else f.select(counted, weight.body, Integer(0)))
    losses = (
        value if weight is None else value.with_body(f.select(f.absolute(weight.body), weight.body * value.body, 0))
    )
    every = list(range(len(rest)))
    if node["reduction"] == "none":
        return losses
    if node["reduction"] not in ("sum", "mean"):
        node.refuse(f"found reduction {node['reduction']!r}, expected none, sum or mean")
    if node["reduction"] == "sum":
        found = total(node, losses, every)
    elif weight is None:
        found = mean(node, losses, every)
    else:
        above, below = total(node, losses, every), total(node, weight, every)
        found = above.with_body(above.body / below.body)
    return replace(found, axes=())


def _negative_log_likelihood(node: Node, x: Value | None, labels: Value | None, w: Value | None = None) -> Result:
    return _picked(node, node.real(x), labels, w)


def _softmax_cross_entropy(node: Node, x: Value | None, labels: Value | None, w: Value | None = None) -> Result:
    array = node.real(x)
    logs = node.writer.settled(log_softmax(node, array, [1]))
    return [_picked(node, logs, labels, w), logs]


_LOSS = {"ignore_index": None, "reduction": "mean"}

OPERATORS: dict[str, Operator] = {
    "ArgMax": _place_of(smallest=False),
    "ArgMin": _place_of(smallest=True),
    "BatchNormalization": Operator(
        _batch_norm, {"epsilon": 1e-5, "momentum": 0.9, "training_mode": 0, "spatial": 1, "is_test": 1}
    ),
    "CumProd": _cumulative(Mul, Integer(1)),
    "CumSum": _cumulative(Add, Integer(0)),
    "GroupNormalization": Operator(_group_norm, {"epsilon": 1e-5, "num_groups": None, "stash_type": 1}),
    "Hardmax": Operator(_hardmax, {"axis": None}),
    "InstanceNormalization": Operator(_instance_norm, {"epsilon": 1e-5}),
    "LayerNormalization": Operator(_layer_norm, {"axis": -1, "epsilon": 1e-5, "stash_type": 1}),
    "LogSoftmax": Operator(_log_softmax, {"axis": None}),
    "LpNormalization": Operator(_lp_norm, {"axis": -1, "p": 2}),
    "MeanVarianceNormalization": Operator(_mvn, {"axes": [0, 2, 3]}),
    "NegativeLogLikelihoodLoss": Operator(_negative_log_likelihood, _LOSS),
    "RMSNormalization": Operator(_rms_norm, {"axis": -1, "epsilon": 1e-5, "stash_type": 1}),
    "ReduceL1": _reduction(_of(f.absolute, lambda s: s)),
    "ReduceL2": _reduction(_of(lambda v: v**2, sqrt)),
    "ReduceLogSum": _reduction(_of(lambda v: v, log)),
    "ReduceLogSumExp": _reduction(_log_sum_exp),
    "ReduceMax": _reduction(largest, np.max),
    "ReduceMean": _reduction(mean),
    "ReduceMin": _reduction(_smallest, np.min),
    "ReduceProd": _reduction(_product, np.prod),
    "ReduceSum": _reduction(total, np.sum),
    "ReduceSumSquare": _reduction(_of(lambda v: v**2, lambda s: s)),
    "Softmax": Operator(_softmax, {"axis": None}),
    "SoftmaxCrossEntropyLoss": Operator(_softmax_cross_entropy, _LOSS),
}
"""By their names."""
