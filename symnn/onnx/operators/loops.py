"""Scan and Loop: a body that is read once, at an index that goes over the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from sympy import Expr, Integer

from codegen.ir.affine import affine
from symnn.onnx.arrays import Array, Axis, Known, Value
from symnn.onnx.operators.recurrent import earlier, last, turned
from symnn.onnx.operators.row import Node, Operator, Result
from symnn.onnx.operators.views import taken
from symnn.onnx.writing import shown

Body: TypeAlias = Callable[[Sequence[Value]], Sequence[Value]]
"""What a graph inside a node gives for values of its inputs."""


def _scan(node: Node, *inputs: Value | None) -> Result:
    if node.opset < 9:
        node.refuse("found a Scan before version 9 of the standard, which has an axis of samples")
    count = node["num_scan_inputs"]
    if not 0 < count <= len(inputs):
        node.refuse(f"found num_scan_inputs {count} of {len(inputs)} inputs")
    states = len(inputs) - count
    sequences = [node.given(value, "sequence") for value in inputs[states:]]
    axes = _listed(node, "scan_input_axes", count)
    axes = [node.axis(axis, len(value.shape)) for axis, value in zip(axes, sequences)]
    lengths = {value.shape[axis] for axis, value in zip(axes, sequences)}
    if len(lengths) > 1:
        node.refuse(f"found sequences of {' and '.join(map(str, lengths))} steps")
    time = node.writer.axis(lengths.pop())
    ways = _ways(node, "scan_input_directions", count)

    def given() -> list[Value]:
        return [_slice(node, *each, time) for each in zip(sequences, axes, ways)]

    found, collected = _steps(node, time, inputs[:states], given, 0)
    spots = _listed(node, "scan_output_axes", len(collected))
    ways = _ways(node, "scan_output_directions", len(collected))
    return [*found, *(_along(node, time, *each) for each in zip(collected, spots, ways))]


def _loop(node: Node, trips: Value | None, condition: Value | None, *first: Value | None) -> Result:
    if trips is None or (condition is not None and not _holds(condition)):
        node.refuse("found a loop that ends by a condition, expected a number of steps")
    (steps,) = node.numbers(trips, "number of steps")
    if isinstance(steps, int) and not 0 < steps < 2**40:
        node.refuse(f"found {steps} steps")
    time = node.writer.axis(steps)

    def given() -> list[Value]:
        return [_place(time[0] if time else Integer(0)), Known(np.array(True), "boolean", "condition")]

    found, collected = _steps(node, time, first, given, 1)
    return [*found, *(_along(node, time, value, 0, 1) for value in collected)]


def _steps(
    node: Node, time: Axis, first: Sequence[Value | None], given: Callable[[], list[Value]], conditions: int
) -> tuple[list[Array], list[Array]]:
    """The states behind the last step, and what is collected of every step; Loop has a condition in front of both."""
    writer, body = node.writer, node["body"]
    initial = [writer.array(node.given(value, "initial state")) for value in first]
    if any(array.kind != "real" for array in initial):
        node.refuse("found states that are no real numbers")
    at = [writer.constant(0, array.shape).axes for array in initial]
    states = [writer.declared((time, *axes)) for axes in at]
    before = [
        earlier(writer, time, (time, *axes), state, node.matched(array, axes))
        for axes, state, array in zip(at, states, initial)
    ]
    own = [replace(array, axes=array.axes[1:]) for array in before]
    with writer.within(time):
        # The sequences of a Scan are behind its states, the place and the condition of a Loop in front of them.
        results = body([*given(), *own] if conditions else [*own, *given()])
        if any(not _holds(value) for value in results[:conditions]):
            node.refuse("found a loop that ends by a condition, expected a number of steps")
        results = [writer.array(value) for value in results[conditions:]]
        for state, axes, result in zip(states, at, results):
            if result.shape != tuple(state.shape[1:]) or result.kind != "real":
                node.refuse(f"found a state of shape {shown(state.shape[1:])} that becomes {shown(result.shape)}")
            writer.assign(state.body, node.matched(result, axes).body)
        collected = [writer.settled(result) for result in results[len(states) :]]
    return [last(state, time) for state in states], collected


def _holds(value: Value) -> bool:
    return isinstance(value, Known) and value.values.dtype == bool and bool(value.values.all())


def _listed(node: Node, name: str, count: int) -> list[int]:
    found = list(node[name]) if node[name] is not None else [0] * count
    return found if len(found) == count else node.refuse(f"found {len(found)} {name}, expected {count}")


def _ways(node: Node, name: str, count: int) -> list[int]:
    """1 for each that goes forward, −1 for each that goes backwards."""
    found = _listed(node, name, count)
    return [1 - 2 * way for way in found] if {*found} <= {0, 1} else node.refuse(f"found {name} {shown(found)}")


def _place(place: Expr) -> Known:
    """A number that is another one at each step."""
    return Known(np.array(place, object), "integer", "place")


def _slice(node: Node, value: Value, axis: int, way: int, time: Axis) -> Value:
    """What a sequence has at a step; of integers that rise or fall evenly a place."""
    if isinstance(value, Known) and value.kind == "integer" and value.values.ndim == 1:
        places = [int(n) for n in value.values] if value.values.dtype != object else []
        rises = {b - a for a, b in pairwise(places)} or {0}
        if places and len(rises) == 1:
            value = _rising(node, places[0], rises.pop(), len(places))
    array = node.writer.array(value)
    array = node.writer.single(array if array.kind == "integer" else node.writer.settled(array), axis)
    step = Array((time,), time[0] if time else Integer(0))
    found = taken(node, array, axis, turned(step, time, way).body)
    even = found.kind == "integer" and not found.axes and affine(found.body) is not None
    return _place(found.body) if even else found


def _rising(node: Node, start: int, rise: int, count: int) -> Array:
    axis = node.writer.axis(count)
    return Array((axis,), Integer(start) + (rise * axis[0] if axis else 0), "integer")


def _along(node: Node, time: Axis, value: Array, spot: int, way: int) -> Array:
    """What is collected, with an axis of steps."""
    spot = node.axis(spot, len(value.axes) + 1)
    return turned(replace(value, axes=(*value.axes[:spot], time, *value.axes[spot:])), time, way)


OPERATORS: dict[str, Operator] = {
    "Loop": Operator(_loop, {"body": None}),
    "Scan": Operator(
        _scan,
        {
            "body": None,
            "num_scan_inputs": 0,
            "scan_input_axes": None,
            "scan_input_directions": None,
            "scan_output_axes": None,
            "scan_output_directions": None,
        },
    ),
}
"""By their names."""
