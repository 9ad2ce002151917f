"""Compiled functions in the shapes that SciPy's solvers call: one flat vector in, values and derivatives out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from codegen.cached import cached_property
from codegen.compiler import compile
from codegen.derive import (
    Mode,
    gradient,
    hessian,
    hvp,
    jacobian,
    sparse_hessian,
    sparse_jacobian,
)
from codegen.derive.requests.jacobian import require_mode
from codegen.derive.requests.request import Named, Wrt, name_of, require_scalar
from codegen.errors import EmitError
from codegen.flat import Array, FlatArguments, Target, call, compiled, joined
from codegen.ir.graph import Graph, require_graph
from codegen.sparse_values import SparseValues


class FlatFunction(FlatArguments):
    """A vertex of a graph as a function of one flat vector x, in float64.

    x holds the inputs ``wrt``, laid end to end in that order (all real inputs without ``data`` by default); a single
    number may be given as such, and derivatives by it have no axis for x. ``data`` are the values of the other inputs,
    copied; those without a value there are arguments after x, in the order of the graph's inputs: what SciPy's ``args``
    passes. Each call takes other values by name. A length that no data has is taken from that of x.

    ``of`` is a scalar, for ``scipy.optimize.minimize``, or an array, flattened, for ``least_squares``, ``root`` and
    ``solve_ivp``; with ``sparse`` the Jacobian of an array and the Hessian of a number are a
    ``scipy.sparse.csr_array``. ``mode`` is that of :func:`~codegen.jacobian`. Each function is derived and compiled
    when it is first called. All derivatives are exact, and every call gives new arrays of values.

    Raises :class:`EmitError` for data that is missing, unknown or of the wrong shape, and for a length that neither
    data nor x gives; :class:`DerivationError` where there is no derivative.

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
    >>> e = FlatFunction(graph, "e", ["a", "b"])
    >>> minimize(e.fun, [-1.2, 1.0], args=(10.0,), jac=e.jac).x.round(4)
    array([1., 1.])
    """

    def __init__(
        self,
        graph: Graph,
        of: Named,
        wrt: Wrt | None = None,
        data: Mapping[Named, ArrayLike] | None = None,
        *,
        sparse: bool = False,
        mode: Mode = "auto",
    ) -> None:
        require_graph(graph, EmitError)
        require_mode(mode)
        super().__init__(graph, wrt, data or {})
        self.of = name_of(of)
        self.graph = graph.with_outputs(self.of)
        self.sparse, self.mode = sparse, mode

    # --- functions ------------------------------------------------------------------------------------------------

    def fun(self, x: ArrayLike, /, *args: ArrayLike, **data: ArrayLike) -> Any:
        """The value: a number, or a flat vector."""
        return self._flat(call(self._value, self._point(x, args, data).values)[0])

    def jac(self, x: ArrayLike, /, *args: ArrayLike, **data: ArrayLike) -> Any:
        """The gradient of a number, the Jacobian of a vector: a row for each of its elements."""
        return self.value_and_jac(x, *args, **data)[1]

    def value_and_jac(self, x: ArrayLike, /, *args: ArrayLike, **data: ArrayLike) -> tuple[Any, Any]:
        """Value and gradient or Jacobian at once, as ``minimize(…, jac=True)`` takes them."""
        point = self._point(x, args, data)
        if self.sparse and not self._is_scalar:
            values, matrix = self._sparse.beside(point)
            return values[0].reshape(-1), matrix if point.shape else matrix[:, 0]
        value, *parts = call(self._first, point.values)
        lead = () if self._is_scalar else (np.size(value),)
        columns = [
            np.reshape(part, (*lead, piece.stop - piece.start)) for part, piece in zip(parts, point.layout.pieces)
        ]
        matrix = np.concatenate([np.empty((*lead, 0)), *columns], axis=-1)
        return self._flat(value), _shaped(matrix, lead + point.shape)

    def hess(self, x: ArrayLike, /, *args: ArrayLike, **data: ArrayLike) -> Any:
        """The Hessian matrix of a number; :class:`DerivationError` for a vector."""
        point = self._point(x, args, data)
        if self.sparse and point.shape:
            return self._sparse_second.beside(point)[1]
        _, *blocks = call(self._second, point.values)
        size = point.layout.size
        result = np.empty((size, size))
        for (row, column), block in zip(combinations_with_replacement(point.layout.pieces, 2), blocks):
            matrix = np.reshape(block, (row.stop - row.start, column.stop - column.start))
            result[row, column] = matrix
            result[column, row] = matrix.T
        return _shaped(result, point.shape + point.shape)

    def hessp(self, x: ArrayLike, v: ArrayLike, /, *args: ArrayLike, **data: ArrayLike) -> Any:
        """The product of the Hessian with a vector, without the matrix."""
        point = self._point(x, args, data)
        added = [variable.name for variable in self._product[0].inputs[len(self._inputs) :]]
        direction = dict(zip(added, point.layout.split("v", v).values()))
        _, *parts = call(self._product, {**point.values, **direction})
        return _shaped(joined([np.ravel(part) for part in parts]), point.shape)

    def ode(self, time: Named | None = None) -> tuple[Callable[..., Array], Callable[..., Any]]:
        """``fun(t, y)`` and ``jac(t, y)`` for ``scipy.integrate.solve_ivp``; ``time`` is the input that is t.

        Without it, they do not depend on t.

        >>> from codegen import from_expressions
        >>> from scipy.integrate import solve_ivp
        >>> from sympy import symbols
        >>> y, t, c = symbols("y t c")
        >>> fun, jac = FlatFunction(from_expressions({"f": -c * y * t}, [y, t, c]), "f", ["y"]).ode("t")
        >>> fun(2.0, [1.0], 3.0), jac(2.0, [1.0], 3.0)
        (array([-6.]), array([[-6.]]))
        >>> solution = solve_ivp(fun, (0, 1), [1.0], method="BDF", jac=jac, args=(2.0,), rtol=1e-8, atol=1e-10)
        >>> f"{solution.y[0, -1]:.6f}"  # exp(-1)
        '0.367879'
        """
        name = None if time is None else name_of(time, "time")
        if name is not None and name not in self._others:
            hint = "the time is the name of an input; ode() without one is for equations that do not depend on it"
            raise EmitError(f"the time {self._not_data(name)}; {hint}")

        return partial(self._change, name), partial(self._change_by_y, name)

    def _change(self, time: str | None, t: float, y: ArrayLike, /, *args: ArrayLike) -> Array:
        return np.atleast_1d(self.fun(y, *args, **({} if time is None else {time: t})))

    def _change_by_y(self, time: str | None, t: float, y: ArrayLike, /, *args: ArrayLike) -> Any:
        matrix = self.jac(y, *args, **({} if time is None else {time: t}))
        return np.atleast_2d(matrix) if self._is_scalar else matrix

    # --- compiling ------------------------------------------------------------------------------------------------

    @cached_property
    def _value(self) -> Target:
        return compiled(self.graph)

    @cached_property
    def _first(self) -> Target:
        if self._is_scalar:
            return compiled(gradient(self.graph, self.of, self.wrt))
        return compiled(jacobian(self.graph, self.of, self.wrt, mode=self.mode))

    @cached_property
    def _sparse(self) -> SparseValues:
        return SparseValues(sparse_jacobian(self.graph, self.of, self.wrt, mode=self.mode), [self.of], self.wrt)

    @cached_property
    def _sparse_second(self) -> SparseValues:
        return SparseValues(sparse_hessian(self.graph, self.of, self.wrt), (), self.wrt)

    @cached_property
    def _second(self) -> Target:
        require_scalar(self.graph, self.of, "Hessian matrix")
        return compiled(hessian(self.graph, self.of, self.wrt))

    @cached_property
    def _product(self) -> Target:
        return compiled(hvp(self.graph, self.of, self.wrt))

    @cached_property
    def _is_scalar(self) -> bool:
        return not self.graph.variable(self.of).shape

    def _flat(self, value: Any) -> Any:
        return value if self._is_scalar else np.ravel(value)


def _shaped(array: Array, shape: tuple[int, ...]) -> Any:
    """The array with this shape; a number if it has no axes."""
    return array.reshape(shape)[()]


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

    require_graph(graph, EmitError)
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
