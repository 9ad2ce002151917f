"""The values of a graph's inputs, checked against their declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy import Symbol

from codegen.errors import CheckError
from codegen.ir.graph import Graph, Variable, require_graph

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Inputs:
    """One array for each input, and the values of the symbolic extents."""

    arrays: Mapping[str, Array]
    extents: Mapping[Symbol, int]


def bind(graph: Graph, values: Mapping[str, ArrayLike], dtype: np.dtype[Any]) -> Inputs:
    """The inputs as arrays of ``dtype`` (integer inputs as int64), and the extents that their shapes imply.

    Raises :class:`CheckError` naming the input, what was found and what was expected: for a name that is missing or
    unknown, a rank or extent that does not fit, two sizes for one extent, no samples, and values of another kind.

    >>> from codegen.ir.graph import Equation, Index, Reduction, sample_extent
    >>> S = sample_extent()
    >>> s, x = Index("s", S), Variable("x", (S,))
    >>> graph = Graph((x,), (Equation(Variable("L").symbol, x[s], Reduction.SUM, (s,)),), ("L",))
    >>> bind(graph, {"x": [1, 2, 3]}, np.dtype(np.float64)).extents
    {S: 3}
    >>> bind(graph, {"x": [[1, 2, 3]]}, np.dtype(np.float64))
    Traceback (most recent call last):
    codegen.errors.CheckError: input 'x': found an array of shape (1, 3), expected (S,)
    """
    require_graph(graph, CheckError)
    declared = {variable.name: variable for variable in graph.inputs}
    for name in values:
        if name not in declared:
            raise CheckError(f"input {name!r}: found a value, but the graph has only the inputs {', '.join(declared)}")
    arrays: dict[str, Array] = {}
    extents: dict[Symbol, tuple[int, str]] = {}
    for name, variable in declared.items():
        if name not in values:
            raise CheckError(f"input {name!r}: found no value, expected an array of shape {_shape(variable)}")
        arrays[name] = _array(variable, values[name], dtype)
        _fit(variable, arrays[name], extents)
    return Inputs(arrays, {symbol: size for symbol, (size, _) in extents.items()})


def _array(variable: Variable, value: ArrayLike, dtype: np.dtype[Any]) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise CheckError(f"input {variable.name!r}: found a masked array; fill what is masked by .filled(…)")
    try:
        found = np.asarray(value)
    except ValueError:
        raise CheckError(f"input {variable.name!r}: found rows of different lengths, expected an array") from None
    kinds = "biufc" if dtype.kind == "c" else "biuf"
    if found.dtype.kind not in kinds:
        raise CheckError(f"input {variable.name!r}: found the type {found.dtype}, expected {variable.kind} numbers")
    if variable.kind == "real":
        with np.errstate(over="ignore"):
            return found.astype(dtype)
    if found.dtype.kind not in "biu" and not (np.isfinite(found) & (found == np.rint(found.real))).all():
        raise CheckError(f"input {variable.name!r}: found values that are not whole, expected integers")
    return found.real.astype(np.int64)


def _fit(variable: Variable, array: Array, extents: dict[Symbol, tuple[int, str]]) -> None:
    where = f"input {variable.name!r}: found an array of shape {array.shape}, expected {_shape(variable)}"
    if array.ndim != len(variable.shape):
        raise CheckError(where)
    for found, expected in zip(array.shape, variable.shape):
        if isinstance(expected, int):
            if found != expected:
                raise CheckError(where)
            continue
        size, first = extents.setdefault(expected, (found, variable.name))
        if found == 0:
            raise CheckError(f"{where} with {expected} at least 1: there are no samples")
        if found != size:
            raise CheckError(f"{where} with {expected} = {size}, as in input {first!r}")


def _shape(variable: Variable) -> str:
    return f"({', '.join(map(str, variable.shape))}{',' if len(variable.shape) == 1 else ''})"
