"""Compiled functions in the shapes that SciPy's solvers call: one flat vector in, values and derivatives out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codegen.derive import gradient, hessian, hvp, jacobian
from codegen.derive.request import Named, Wrt, name_of, names_of, require_scalar
from codegen.errors import EmitError
from codegen.expression import Extent
from codegen.graph import Graph, Variable
from codegen.runtime.function import CompiledFunction, compile

Array = NDArray[Any]


class FlatFunction:
    """A vertex of a graph as a function of one flat vector x, in float64.

    x holds the inputs ``wrt``, laid end to end in that order (all real inputs without ``data`` by default); ``data``
    are the values of all others. ``of`` is a scalar, for ``scipy.optimize.minimize``, or an array, flattened, for
    ``least_squares``, ``root`` and ``solve_ivp``. Each function is derived and compiled when it is first called; each
    takes other values of the data by name. All derivatives are exact.

    Raises :class:`EmitError` for data that is missing, unknown or of the wrong shape, and for a length that no data
    gives; :class:`DerivationError` where there is no derivative.

    >>> from codegen import from_expressions
    >>> from scipy.optimize import minimize
    >>> from sympy import symbols
    >>> a, b, c = symbols("a b c")
    >>> graph = from_expressions({"e": (a - 1) ** 2 + c * (b - a**2) ** 2}, [a, b, c])
    >>> e = FlatFunction(graph, "e", ["a", "b"], {"c": 100.0})
    >>> e.fun([1.0, 3.0]), e.jac([1.0, 3.0]), e.hess([1.0, 3.0])
    (400.0, array([-800.,  400.]), array([[   2., -400.], [-400.,  200.]]))
    >>> minimize(e.fun, [-1.2, 1.0], jac=e.jac, hess=e.hess, method="trust-exact").x.round(6)
    array([1., 1.])
    """

    def __init__(
        self, graph: Graph, of: Named, wrt: Wrt | None = None, data: Mapping[Named, ArrayLike] | None = None
    ) -> None:
        given = {name_of(name, "data"): value for name, value in (data or {}).items()}
        self.of = name_of(of)
        self.graph = graph.with_outputs(self.of)
        inputs = {variable.name: variable for variable in graph.inputs}
        if wrt is None:
            wrt = [v.name for v in graph.inputs if v.kind == "real" and v.name not in given]
        self.wrt = tuple(names_of(wrt))
        for name in (*self.wrt, *given):
            if name not in inputs:
                raise EmitError(f"{name!r} is not an input of the graph (it has: {', '.join(inputs)})")
        for name in inputs:
            if (name in given) == (name in self.wrt):
                found = "both in wrt and in data" if name in given else "neither in wrt nor in data"
                raise EmitError(f"the input {name!r} is {found}")
        self._inputs = inputs
        self._extents: dict[Extent, int] = {}
        for name, value in given.items():
            for n, found_n in zip(inputs[name].shape, np.shape(value)):
                if not isinstance(n, int):
                    self._extents.setdefault(n, found_n)
        self._data = {name: self._checked(name, value) for name, value in given.items()}
        self._shapes = [self._shape(inputs[name]) for name in self.wrt]
        self._ends = np.cumsum([prod(shape) for shape in self._shapes]).tolist()

    # --- the flat vector ------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The length of x."""
        return int(self._ends[-1]) if self._ends else 0

    def pack(self, values: Mapping[str, ArrayLike]) -> Array:
        """The flat vector of these inputs."""
        for name in self.wrt:
            if name not in values:
                raise EmitError(f"the input {name!r} is missing (x holds {', '.join(self.wrt)})")
        return _joined([np.ravel(self._checked(name, values[name])) for name in self.wrt])

    def unpack(self, x: ArrayLike) -> dict[str, Array]:
        """The inputs in a flat vector, by name: views of it."""
        flat = _real("x", x, np.float64)
        if flat.shape != (self.size,):
            raise EmitError(f"x must have shape ({self.size},), found {flat.shape}")
        starts = [0, *self._ends]
        return {
            name: flat[start:end].reshape(shape)
            for name, shape, start, end in zip(self.wrt, self._shapes, starts, self._ends)
        }

    # --- functions ------------------------------------------------------------------------------------------------

    def fun(self, x: ArrayLike, /, **data: ArrayLike) -> Any:
        """The value: a number, or a flat vector."""
        return self._flat(self._call(self._value, self.unpack(x), data)[0])

    def jac(self, x: ArrayLike, /, **data: ArrayLike) -> Array:
        """The gradient of a number, the Jacobian of a vector: a row for each of its elements."""
        return self.value_and_jac(x, **data)[1]

    def value_and_jac(self, x: ArrayLike, /, **data: ArrayLike) -> tuple[Any, Array]:
        """Value and gradient or Jacobian at once, as ``minimize(…, jac=True)`` takes them."""
        value, *parts = self._call(self._first, self.unpack(x), data)
        if self._is_scalar:
            return value, _joined([np.ravel(part) for part in parts])
        empty = np.empty((np.size(value), 0))
        return self._flat(value), np.concatenate(
            [empty, *(np.reshape(part, (len(empty), -1)) for part in parts)], axis=1
        )

    def hess(self, x: ArrayLike, /, **data: ArrayLike) -> Array:
        """The Hessian matrix of a number; :class:`DerivationError` for a vector."""
        _, *blocks = self._call(self._second, self.unpack(x), data)
        result = np.empty((self.size, self.size))
        pieces = [slice(start, end) for start, end in zip([0, *self._ends], self._ends)]
        places = [(row, column) for n, row in enumerate(pieces) for column in pieces[n:]]
        for (row, column), block in zip(places, blocks):
            matrix = np.reshape(block, (row.stop - row.start, column.stop - column.start))
            result[row, column] = matrix
            result[column, row] = matrix.T
        return result

    def hessp(self, x: ArrayLike, v: ArrayLike, /, **data: ArrayLike) -> Array:
        """The product of the Hessian with a vector, without the matrix."""
        added = [variable.name for variable in self._product[0].inputs[len(self._inputs) :]]
        direction = dict(zip(added, self.unpack(v).values()))
        _, *parts = self._call(self._product, {**self.unpack(x), **direction}, data)
        return _joined([np.ravel(part) for part in parts])

    def ode(self, time: str | None = None) -> tuple[Callable[..., Array], Callable[..., Array]]:
        """``fun(t, y)`` and ``jac(t, y)`` for ``scipy.integrate.solve_ivp``; ``time`` names the input that is t."""
        if time is not None and time not in self._data:
            raise EmitError(f"the time {time!r} is not among the data ({', '.join(self._data)})")

        def at(t: float) -> dict[str, float]:
            return {} if time is None else {time: t}

        return (lambda t, y: self.fun(y, **at(t))), (lambda t, y: self.jac(y, **at(t)))

    # --- compiling and calling ------------------------------------------------------------------------------------

    @cached_property
    def _value(self) -> tuple[Graph, CompiledFunction]:
        return self.graph, compile(self.graph)

    @cached_property
    def _first(self) -> tuple[Graph, CompiledFunction]:
        derive = gradient if self._is_scalar else jacobian
        return _compiled(derive(self.graph, self.of, self.wrt))

    @cached_property
    def _second(self) -> tuple[Graph, CompiledFunction]:
        require_scalar(self.graph, self.of, "Hessian matrix")
        return _compiled(hessian(self.graph, self.of, self.wrt))

    @cached_property
    def _product(self) -> tuple[Graph, CompiledFunction]:
        return _compiled(hvp(self.graph, self.of, self.wrt))

    @cached_property
    def _is_scalar(self) -> bool:
        return not self.graph.variable(self.of).shape

    def _call(
        self, target: tuple[Graph, CompiledFunction], values: Mapping[str, Array], changed: Mapping[str, ArrayLike]
    ) -> tuple[Any, ...]:
        graph, function = target
        for name in changed:
            if name not in self._data:
                raise EmitError(f"{name!r} is not among the data ({', '.join(self._data)})")
        known = {**self._data, **values, **{name: self._checked(name, value) for name, value in changed.items()}}
        arguments = [known[v.name] if v.shape else known[v.name].item() for v in graph.inputs]
        found = function(*arguments)
        return found if isinstance(found, tuple) else (found,)

    def _flat(self, value: Any) -> Any:
        return value if self._is_scalar else np.ravel(value)

    def _shape(self, variable: Variable) -> tuple[int, ...]:
        for n in variable.shape:
            if not isinstance(n, int) and n not in self._extents:
                raise EmitError(f"the length {n} of {variable.name!r} is not that of any data")
        return tuple(n if isinstance(n, int) else self._extents[n] for n in variable.shape)

    def _checked(self, name: str, value: ArrayLike) -> Array:
        variable = self._inputs[name]
        array = _real(repr(name), value, np.int64 if variable.kind == "integer" else np.float64)
        if array.shape != self._shape(variable):
            raise EmitError(f"{name!r} must have shape {self._shape(variable)}, found {array.shape}")
        if variable.kind == "integer" and not np.array_equal(array, value):
            raise EmitError(f"{name!r} must hold integers")
        return array


def _real(what: str, value: ArrayLike, dtype: type[np.float64 | np.int64]) -> Array:
    """An array of this type and the shape of the value, which has to hold real numbers."""
    found = np.asarray(value)
    if found.dtype.kind not in "biuf":
        raise EmitError(f"{what} must hold real numbers, found {found.dtype.name}")
    return np.ascontiguousarray(found, dtype).reshape(found.shape)


def _joined(parts: Sequence[Array]) -> Array:
    return np.concatenate([np.empty(0), *parts])


def _compiled(graph: Graph) -> tuple[Graph, CompiledFunction]:
    return graph, compile(graph)


def low_level_callable(graph: Graph, of: Named) -> Any:
    """A scalar function of scalar inputs as a ``scipy.LowLevelCallable``, which ``quad`` calls without Python.

    The first input is the variable of integration, the others are what ``args`` passes, in the order of the inputs.
    Raises :class:`EmitError` if ``of`` or an input is no real scalar.

    >>> from codegen import from_expressions
    >>> from scipy.integrate import quad
    >>> from sympy import exp, symbols
    >>> x, a = symbols("x a")
    >>> f = low_level_callable(from_expressions({"f": exp(-a * x**2)}, [x, a]), "f")
    >>> round(quad(f, 0, 1, args=(2.0,))[0], 12)
    0.598144006661
    """
    import numba
    from numba.np.unsafe.ndarray import to_fixed_tuple
    from scipy import LowLevelCallable

    of = name_of(of)
    for variable in (graph.variable(of), *graph.inputs):
        if variable.shape or variable.kind != "real":
            raise EmitError(f"{variable.name!r} is not a real scalar, as a low-level function needs")
    kernel, count = compile(graph.with_outputs(of)).kernel, len(graph.inputs)

    @numba.cfunc(numba.float64(numba.intc, numba.types.CPointer(numba.float64)))
    def call(n: Any, values: Any) -> Any:
        if n != count:
            return np.nan  # fewer numbers than the function has inputs: there is nothing behind them
        return kernel(*to_fixed_tuple(numba.carray(values, (count,)), count))

    pointer = call.ctypes
    pointer.owner = call  # machine code lives as long as what points to it
    return LowLevelCallable(pointer)


__all__ = ["FlatFunction", "low_level_callable"]
