"""Compiled functions in the shapes that SciPy's solvers call: one flat vector in, values and derivatives out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations_with_replacement, pairwise, starmap
from math import prod
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codegen.cached import cached_property
from codegen.compiler import compile
from codegen.derive import Mode, SparseJacobian, gradient, hessian, hvp, jacobian, sparse_jacobian
from codegen.derive.requests.jacobian import require_mode
from codegen.derive.requests.request import Named, Wrt, name_of, names_of, require_scalar
from codegen.errors import EmitError
from codegen.ir.graph import Graph, require_graph
from codegen.masks import is_masked
from codegen.runtime.function import CompiledFunction
from codegen.walk import Extent, is_symbolic

Array = NDArray[Any]
Target: TypeAlias = "tuple[Graph, CompiledFunction]"


@dataclass(frozen=True)
class _Layout:
    """The inputs that lie end to end in a flat vector, and their shapes."""

    shapes: Mapping[str, tuple[int, ...]]

    @cached_property
    def pieces(self) -> tuple[slice, ...]:
        """Where each of them lies."""
        return tuple(starmap(slice, pairwise(accumulate(map(prod, self.shapes.values()), initial=0))))

    @cached_property
    def size(self) -> int:
        """The length of the vector."""
        return sum(map(prod, self.shapes.values()))

    def split(self, what: str, vector: ArrayLike) -> dict[str, Array]:
        """The inputs by name: views of the vector."""
        flat = _real(what, vector, np.float64)
        if flat.shape != (self.size,) and (flat.shape, self.size) != ((), 1):
            raise EmitError(f"{what} must have shape ({self.size},), found {flat.shape}")
        flat = flat.reshape(-1)
        return {name: flat[piece].reshape(shape) for (name, shape), piece in zip(self.shapes.items(), self.pieces)}


@dataclass(frozen=True)
class _Point:
    """The arguments of a call: a value for every input, the symbolic lengths, and how x was given."""

    values: Mapping[str, Array]
    lengths: Mapping[Extent, int]
    layout: _Layout
    shape: tuple[int, ...]


class FlatFunction:
    """A vertex of a graph as a function of one flat vector x, in float64.

    x holds the inputs ``wrt``, laid end to end in that order (all real inputs without ``data`` by default); a single
    number may be given as such, and derivatives by it have no axis for x. ``data`` are the values of the other inputs,
    copied; those without a value there are arguments after x, in the order of the graph's inputs: what SciPy's ``args``
    passes. Each call takes other values by name. A length that no data has is taken from that of x.

    ``of`` is a scalar, for ``scipy.optimize.minimize``, or an array, flattened, for ``least_squares``, ``root`` and
    ``solve_ivp``; with ``sparse`` the Jacobian of an array is a ``scipy.sparse.csr_array``. ``mode`` is that of
    :func:`~codegen.jacobian`. Each function is derived and compiled when it is first called. All derivatives are exact,
    and every call gives new arrays of values.

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
        given = {name_of(name, "data"): value for name, value in (data or {}).items()}
        self.of = name_of(of)
        self.graph = graph.with_outputs(self.of)
        self.sparse, self.mode = sparse, mode
        inputs = {variable.name: variable for variable in graph.inputs}
        if wrt is None:
            wrt = [v.name for v in graph.inputs if v.kind == "real" and v.name not in given]
        self.wrt = tuple(names_of(wrt))
        for name in (*self.wrt, *given):
            if name not in inputs:
                raise EmitError(f"{name!r} is not an input of the graph (it has: {', '.join(inputs)})")
            if name in self.wrt and name in given:
                raise EmitError(f"the input {name!r} is both in wrt and in data")
        self._inputs = inputs
        self._others = tuple(name for name in inputs if name not in self.wrt)
        checked, self._lengths = self._checked(given)
        self._data = {name: array.copy() for name, array in checked.items()}
        self.args = tuple(name for name in self._others if name not in given)  # the inputs that are arguments after x

    # --- the flat vector ------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The length of x; :class:`EmitError` if it is not the same in every call."""
        return self._layout(self._lengths).size

    def pack(self, values: Mapping[str, ArrayLike]) -> Array:
        """The flat vector of these inputs."""
        for name in self.wrt:
            if name not in values:
                raise EmitError(f"the input {name!r} is missing (x holds {', '.join(self.wrt)})")
        checked, _ = self._checked({**self._data, **{name: values[name] for name in self.wrt}})
        return _joined([np.ravel(checked[name]) for name in self.wrt])

    def unpack(self, x: ArrayLike, /) -> dict[str, Array]:
        """The inputs in a flat vector, by name: views of it."""
        return self._layout(self._lengths | self._length_of_x(np.size(x), self._lengths)).split("x", x)

    # --- functions ------------------------------------------------------------------------------------------------

    def fun(self, x: ArrayLike, /, *args: ArrayLike, **data: ArrayLike) -> Any:
        """The value: a number, or a flat vector."""
        return self._flat(_call(self._value, self._point(x, args, data).values)[0])

    def jac(self, x: ArrayLike, /, *args: ArrayLike, **data: ArrayLike) -> Any:
        """The gradient of a number, the Jacobian of a vector: a row for each of its elements."""
        return self.value_and_jac(x, *args, **data)[1]

    def value_and_jac(self, x: ArrayLike, /, *args: ArrayLike, **data: ArrayLike) -> tuple[Any, Any]:
        """Value and gradient or Jacobian at once, as ``minimize(…, jac=True)`` takes them."""
        point = self._point(x, args, data)
        if self.sparse and not self._is_scalar:
            jacobian, target = self._sparse
            results = _call(target, point.values)
            matrix = jacobian.assemble(*results, **{str(n): length for n, length in point.lengths.items()})
            return results[0].reshape(-1), matrix if point.shape else matrix[:, 0]
        value, *parts = _call(self._first, point.values)
        lead = () if self._is_scalar else (np.size(value),)
        columns = [
            np.reshape(part, (*lead, piece.stop - piece.start)) for part, piece in zip(parts, point.layout.pieces)
        ]
        matrix = np.concatenate([np.empty((*lead, 0)), *columns], axis=-1)
        return self._flat(value), _shaped(matrix, lead + point.shape)

    def hess(self, x: ArrayLike, /, *args: ArrayLike, **data: ArrayLike) -> Any:
        """The Hessian matrix of a number; :class:`DerivationError` for a vector."""
        point = self._point(x, args, data)
        _, *blocks = _call(self._second, point.values)
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
        _, *parts = _call(self._product, {**point.values, **direction})
        return _shaped(_joined([np.ravel(part) for part in parts]), point.shape)

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

        def at(t: float) -> dict[str, float]:
            return {} if name is None else {name: t}

        def fun(t: float, y: ArrayLike, /, *args: ArrayLike) -> Array:
            return np.atleast_1d(self.fun(y, *args, **at(t)))

        def jac(t: float, y: ArrayLike, /, *args: ArrayLike) -> Any:
            matrix = self.jac(y, *args, **at(t))
            return np.atleast_2d(matrix) if self._is_scalar else matrix

        return fun, jac

    # --- compiling ------------------------------------------------------------------------------------------------

    @cached_property
    def _value(self) -> Target:
        return _compiled(self.graph)

    @cached_property
    def _first(self) -> Target:
        if self._is_scalar:
            return _compiled(gradient(self.graph, self.of, self.wrt))
        return _compiled(jacobian(self.graph, self.of, self.wrt, mode=self.mode))

    @cached_property
    def _sparse(self) -> tuple[SparseJacobian, Target]:
        found = sparse_jacobian(self.graph, self.of, self.wrt, mode=self.mode)
        return found, _compiled(found.graph)

    @cached_property
    def _second(self) -> Target:
        require_scalar(self.graph, self.of, "Hessian matrix")
        return _compiled(hessian(self.graph, self.of, self.wrt))

    @cached_property
    def _product(self) -> Target:
        return _compiled(hvp(self.graph, self.of, self.wrt))

    @cached_property
    def _is_scalar(self) -> bool:
        return not self.graph.variable(self.of).shape

    def _flat(self, value: Any) -> Any:
        return value if self._is_scalar else np.ravel(value)

    # --- the arguments of a call ----------------------------------------------------------------------------------

    def _point(self, x: ArrayLike, args: Sequence[ArrayLike], named: Mapping[str, ArrayLike]) -> _Point:
        if args or named or self.args or self._fixed is None:
            data, lengths = self._checked(self._bound(args, named))
            lengths |= self._length_of_x(np.size(x), lengths)
            layout = self._layout(lengths)
        else:
            data, lengths, layout = self._data, self._lengths, self._fixed
        return _Point({**data, **layout.split("x", x)}, lengths, layout, np.shape(x))

    def _bound(self, args: Sequence[ArrayLike], named: Mapping[str, ArrayLike]) -> dict[str, ArrayLike]:
        """The value of every input that x does not hold."""
        for name in named:
            if name not in self._others:
                raise EmitError(self._not_data(name))
        expected = [name for name in self.args if name not in named]
        if len(args) > len(expected):
            raise EmitError(f"found {len(args)} arguments after x, expected {len(expected)} ({', '.join(expected)})")
        if missing := expected[len(args) :]:
            raise EmitError(
                f"the input {missing[0]!r} has no value: expected it in wrt, in data, after x (SciPy's args) or by "
                f"name; ode({missing[0]!r}) takes it for the time"
            )
        return {**self._data, **dict(zip(expected, args)), **named}

    def _checked(self, values: Mapping[str, ArrayLike]) -> tuple[dict[str, Array], dict[Extent, int]]:
        """These inputs as arrays, and the symbolic lengths they have."""
        lengths: dict[Extent, int] = {}
        for name, value in values.items():
            for n, found in zip(self._inputs[name].shape, np.shape(value)):
                if is_symbolic(n):
                    lengths.setdefault(n, found)
        checked = {}
        for name, value in values.items():
            integer = self._inputs[name].kind == "integer"
            array = checked[name] = _real(repr(name), value, np.int64 if integer else np.float64)
            if array.shape != (expected := self._shape(name, lengths)):
                raise EmitError(f"{name!r} must have shape {expected}, found {array.shape}")
            if integer and not np.array_equal(array, value):
                raise EmitError(f"{name!r} must hold integers")
        return checked, lengths

    def _length_of_x(self, size: int, lengths: Mapping[Extent, int]) -> dict[Extent, int]:
        """The length that only x has, if it is one."""
        unknown = self._unknown(lengths)
        if len(unknown) != 1:
            return {}
        (n,) = unknown

        def size_for(length: int) -> int:
            return self._layout({**lengths, n: length}).size

        found = bisect_left(range(size), size, key=size_for)
        if size_for(found) != size:
            shapes = ", ".join(f"{name} {self._shape(name, lengths)}" for name in self.wrt)
            raise EmitError(f"x has length {size}, which is that of {shapes} for no {n}")
        return {n: found}

    @cached_property
    def _fixed(self) -> _Layout | None:
        """The layout of x, if it is the same in every call."""
        return None if self._unknown(self._lengths) else self._layout(self._lengths)

    def _unknown(self, lengths: Mapping[Extent, int]) -> set[Extent]:
        """The lengths in x that are not among these."""
        return {n for name in self.wrt for n in self._shape(name, lengths) if is_symbolic(n)}

    def _layout(self, lengths: Mapping[Extent, int]) -> _Layout:
        shapes = {name: self._shape(name, lengths) for name in self.wrt}
        for name, shape in shapes.items():
            for n in shape:
                if is_symbolic(n):
                    raise EmitError(f"the length {n} of {name!r} is not that of any data")
        return _Layout(cast("dict[str, tuple[int, ...]]", shapes))

    def _shape(self, name: str, lengths: Mapping[Extent, int]) -> tuple[Extent, ...]:
        return tuple(n if isinstance(n, int) else lengths.get(n, n) for n in self._inputs[name].shape)

    def _not_data(self, name: str) -> str:
        return f"{name!r} is not among the data ({', '.join(self._others)}); x holds {', '.join(self.wrt)}"


def _real(what: str, value: ArrayLike, dtype: type[np.float64 | np.int64]) -> Array:
    """An array of this type and the shape of the value, which has to hold real numbers."""
    if type(value) is np.ndarray and value.dtype == dtype and value.flags.c_contiguous:
        return value
    if is_masked(value):
        raise EmitError(f"{what} must hold real numbers, found a masked array; fill what is masked by .filled(…)")
    found = np.asarray(value)
    if found.dtype.kind not in "biuf":
        raise EmitError(f"{what} must hold real numbers, found {found.dtype.name}")
    return np.ascontiguousarray(found, dtype).reshape(found.shape)


def _shaped(array: Array, shape: tuple[int, ...]) -> Any:
    """The array with this shape; a number if it has no axes."""
    return array.reshape(shape)[()]


def _joined(parts: Sequence[Array]) -> Array:
    return np.concatenate([np.empty(0), *parts])


def _compiled(graph: Graph) -> Target:
    return graph, compile(graph)


def _call(target: Target, values: Mapping[str, Array]) -> tuple[Any, ...]:
    graph, function = target
    found = function(*(values[v.name] if v.shape else values[v.name].item() for v in graph.inputs))
    return found if isinstance(found, tuple) else (found,)


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
