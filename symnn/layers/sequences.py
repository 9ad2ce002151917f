"""What recurrent layers have in common: the parameters of their gates, and what goes from step to step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from sympy import Expr, Integer

from codegen import Index
from codegen.walk import extent
from symnn.layers.layer import misfit
from symnn.layers.writing import Parameter, Place, Value, filled, weights
from symnn.shapes import FEATURE, TIME, Axis, Shape, names

Output: TypeAlias = Literal["last", "all"]
"""What comes out of a sequence: what the last step has, or what every step has."""


def shape_of(kind: str, given: Shape, units: int, output: Output) -> Shape:
    """The shape behind a recurrent layer."""
    if names(given) != (TIME, FEATURE):
        raise misfit(kind, "a sequence of features", given)
    made = Axis(FEATURE, units)
    return (given[0], made) if output == "all" else (made,)


def gates_of(given: Shape, units: int, gates: int, initialiser: str | None) -> dict[str, Parameter]:
    """W (gates·units, features), U (gates·units, units) and b (gates·units,); the gates lie one below the other."""
    rows, count = gate_axis(units, gates), int(given[-1].extent)
    return {
        "W": weights((rows, given[-1]), (count, units), initialiser, None),
        "U": weights((rows, units), (units, units), initialiser, None),
        "b": filled((rows,)),
    }


def gate_axis(units: int, gates: int) -> Axis:
    """The units of all gates, one gate after the other."""
    return Axis(FEATURE, gates * units, (gates, units))


def ones_in(gate: int, bias: Parameter) -> Parameter:
    """A bias that is 1 in one gate at first."""
    return Parameter(bias.axes, partial(_ones_in, gate, bias.unmerged[0]))


def _ones_in(gate: int, gates: int, _: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    found = np.zeros(shape)
    found.reshape(gates, -1)[gate] = 1
    return found


def arriving(x: Value, backward: bool) -> Expr:
    """What comes in at a step; of a layer that goes backwards the first step is the last place."""
    _, t, feature = x.indices
    return x.at(extent(t) - 1 - t, feature) if backward else x.here


def from_input(place: Place, x: Value, gate: Index, unit: Index, backward: bool) -> Value:
    """``z = W·x``, for each step and gate."""
    s, t, feature = x.indices
    weight = place.parameters["W"][gate, unit, feature]
    return place.sum("z", (s, t, gate, unit), weight * arriving(x, backward), [feature])


def carried(
    place: Place, stem: str, indices: Sequence[Index], body: Callable[[Index], Expr], over: Sequence[Index] = ()
) -> Value:
    """A vertex that is 0 at the first step, and at the one behind t Σ_over body(t)."""
    value = place.declared(stem, indices)
    s, time, *rest = indices
    place.assign(value.variable[s, 0, *rest], Integer(0))
    if extent(time) != 1:
        before = Index(f"{time.name}{place.number}", extent(time) - 1)
        place.assign(value.variable[s, before + 1, *rest], body(before), over)
    return value


def recurrent_part(place: Place, h: Value, gate: Index, unit: Index) -> Value:
    """``v = U·h`` of the step before, for each gate."""
    s, time, _ = h.indices
    other = Index("j", extent(unit))
    U = place.parameters["U"]
    return carried(place, "v", (s, time, gate, unit), lambda t: U[gate, unit, other] * h.variable[s, t, other], [other])


def put_out(place: Place, h: Value, output: Output, backward: bool) -> Value:
    """What comes out of a layer whose steps give ``h``: that of all steps in the order of the sequence."""
    s, time, unit = h.indices
    if output == "all":
        return place.map("all", h.indices, h.at(extent(time) - 1 - time, unit)) if backward else h
    return place.map("last", (s, unit), h.variable[s, extent(time) - 1, unit])
