"""Numerical derivatives of a scalar vertex, or of a function in its place, with an estimate of their error.

The schemes, their steps and their error estimates stand in :mod:`codegen.numeric.schemes`. None of them knows of kinks:
see :func:`~codegen.numeric.check.check_gradient`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codegen.errors import CheckError
from codegen.ir.graph import Graph
from codegen.numeric.inputs import bind
from codegen.numeric.lines import Array, UserFunction, direction_lines, entry_lines
from codegen.numeric.schemes import SCHEMES, Estimate, Problem, exact


def problem(graph: Graph, of: str, values: Mapping[str, ArrayLike], function: UserFunction | None = None) -> Problem:
    """The problem, checked; :class:`CheckError` for a vertex that is not a scalar and for values that do not fit."""
    if graph.variable(of).shape:
        raise CheckError(f"{of!r} has shape {graph.variable(of).shape}, expected a scalar to differentiate")
    return Problem(graph, of, bind(graph, values, np.dtype(np.float64)).arrays, function)


def differentiable(graph: Graph, name: str) -> None:
    """Raise :class:`CheckError` unless there are differences with respect to this input."""
    real = [variable.name for variable in graph.inputs if variable.kind == "real"]
    if name not in real:
        raise CheckError(f"wrt: found {name!r}, expected a real input of the graph ({', '.join(real)})")


def _check_step(step: float | None) -> None:
    if step is not None and not (np.isfinite(step) and step != 0):
        raise CheckError(f"step: found {step}, expected a number other than 0")


def _entries(point: Mapping[str, Array], wrt: str, entries: Sequence[int] | None) -> NDArray[np.intp]:
    size = point[wrt].size
    chosen = np.arange(size) if entries is None else np.asarray(entries, np.intp).reshape(-1)
    if ((chosen < 0) | (chosen >= size)).any():
        raise CheckError(f"entries: found {chosen.tolist()}, expected flat indices of {wrt!r} from 0 to {size - 1}")
    return chosen


def _by_entry(
    method: str,
    graph: Graph,
    of: str,
    wrt: str,
    values: Mapping[str, ArrayLike],
    step: float | None,
    entries: Sequence[int] | None,
    function: UserFunction | None,
) -> Estimate:
    differentiable(graph, wrt)
    _check_step(step)
    here = problem(graph, of, values, function)
    found = SCHEMES[method](here, entry_lines(here.point, wrt, _entries(here.point, wrt, entries)), step)
    shape = here.point[wrt].shape if entries is None else (-1,)
    return Estimate(found.value.reshape(shape), found.error.reshape(shape))


def forward_difference(
    graph: Graph,
    of: str,
    wrt: str,
    values: Mapping[str, ArrayLike],
    step: float | None = None,
    *,
    entries: Sequence[int] | None = None,
    function: UserFunction | None = None,
) -> Estimate:
    """d of/d wrt by (f(x + h) − f(x))/h, in arrays of the shape of ``wrt``; a negative step differences backward.

    ``entries`` restricts it to some flat indices, the result is then one-dimensional. ``function`` is evaluated in
    place of the graph. h is eps^(1/2)·max(1, |x|) unless ``step`` is given. Raises :class:`CheckError` for values that
    do not fit the graph, a vertex that is not a scalar, and an input that is not real.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> found = forward_difference(from_expressions({"e": (a + b) * (b + 1)}, [a, b]), "e", "b", {"a": 2, "b": 1})
    >>> bool(abs(found.value - 5) < found.error < 1e-6)
    True
    """
    return _by_entry("forward", graph, of, wrt, values, step, entries, function)


def central_difference(
    graph: Graph,
    of: str,
    wrt: str,
    values: Mapping[str, ArrayLike],
    step: float | None = None,
    *,
    entries: Sequence[int] | None = None,
    function: UserFunction | None = None,
) -> Estimate:
    """d of/d wrt by (f(x + h) − f(x − h))/2h, h = eps^(1/3)·max(1, |x|); otherwise as :func:`forward_difference`.

    >>> from codegen import from_expressions
    >>> from sympy import sin, symbols
    >>> a = symbols("a")
    >>> found = central_difference(from_expressions({"e": sin(a)}, [a]), "e", "a", {"a": 1.0})
    >>> bool(abs(found.value - np.cos(1.0)) <= found.error + 1e-15)
    True
    """
    return _by_entry("central", graph, of, wrt, values, step, entries, function)


def richardson(
    graph: Graph,
    of: str,
    wrt: str,
    values: Mapping[str, ArrayLike],
    step: float | None = None,
    *,
    entries: Sequence[int] | None = None,
    function: UserFunction | None = None,
) -> Estimate:
    """d of/d wrt by central differences extrapolated to h = 0; otherwise as :func:`forward_difference`.

    >>> from codegen import from_expressions
    >>> from sympy import sin, symbols
    >>> a = symbols("a")
    >>> found = richardson(from_expressions({"e": sin(a)}, [a]), "e", "a", {"a": 1.0})
    >>> bool(abs(found.value - np.cos(1.0)) <= found.error + 1e-15)
    True
    """
    return _by_entry("richardson", graph, of, wrt, values, step, entries, function)


def complex_step(
    graph: Graph,
    of: str,
    wrt: str,
    values: Mapping[str, ArrayLike],
    step: float | None = None,
    *,
    entries: Sequence[int] | None = None,
    function: UserFunction | None = None,
) -> Estimate:
    """d of/d wrt by Im f(x + ih)/h, accurate to rounding; otherwise as :func:`forward_difference`.

    A ``function`` must take and return complex numbers. At a branch the one of the real part is followed, so that the
    result is right wherever x is not on a kink. Functions in a graph keep their real parts, f(x) + i·Im f(x + ih): of
    a step as large as 1e-2 the truncation is of the order h², but not that of the series of f.

    >>> from codegen import from_expressions
    >>> from sympy import sin, symbols
    >>> a = symbols("a")
    >>> found = complex_step(from_expressions({"e": sin(a)}, [a]), "e", "a", {"a": 1.0})
    >>> bool(abs(found.value - np.cos(1.0)) <= found.error + 1e-15)
    True
    """
    return _by_entry("complex", graph, of, wrt, values, step, entries, function)


def exact_derivative(
    graph: Graph,
    of: str,
    wrt: str,
    values: Mapping[str, ArrayLike],
    digits: int = 50,
    *,
    entries: Sequence[int] | None = None,
) -> Estimate:
    """d of/d wrt as mpmath numbers of ``digits`` digits: differences of the graph at three times as many and more.

    The error estimate is of the order 10^(−digits) unless x is on a kink, where it is the jump of the slope.

    >>> from codegen import from_expressions
    >>> from sympy import exp, symbols
    >>> x = symbols("x")
    >>> found = exact_derivative(from_expressions({"y": exp(x)}, [x]), "y", "x", {"x": 1})
    >>> print(found.value[()])
    2.7182818284590452353602874713526624977572470937
    """
    differentiable(graph, wrt)
    here = problem(graph, of, values)
    lines = entry_lines(here.point, wrt, _entries(here.point, wrt, entries))
    found = exact(graph, of, here.point, lines, digits)
    shape = here.point[wrt].shape if entries is None else (-1,)
    return Estimate(found.value.reshape(shape), found.error.reshape(shape))


def directional_derivative(
    graph: Graph,
    of: str,
    direction: Mapping[str, ArrayLike],
    values: Mapping[str, ArrayLike],
    method: str = "central",
    step: float | None = None,
    *,
    function: UserFunction | None = None,
) -> Estimate:
    """d/dt of(x + t·v) at t = 0 by any of the methods forward, central, richardson, complex, exact.

    ``direction`` has an array v of the input's shape for each input that moves. It takes a few evaluations, whatever
    the number of parameters.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> graph = from_expressions({"e": (a + b) * (b + 1)}, [a, b])
    >>> print(directional_derivative(graph, "e", {"a": 1, "b": 2}, {"a": 2, "b": 1}, "complex").value)
    12.0
    """
    if method not in SCHEMES:
        raise CheckError(f"method: found {method!r}, expected one of {', '.join(SCHEMES)}")
    if not direction:
        raise CheckError("direction: found no input, expected an array for each input that moves")
    _check_step(step)
    here = problem(graph, of, values, function)
    vector = {}
    for name, part in direction.items():
        differentiable(graph, name)
        vector[name] = np.asarray(part, np.float64)
        if vector[name].shape != here.point[name].shape:
            raise CheckError(f"direction {name!r}: found shape {vector[name].shape}, expected {here.point[name].shape}")
    found = SCHEMES[method](here, direction_lines(here.point, [vector]), step)
    return Estimate(found.value.reshape(()), found.error.reshape(()))
