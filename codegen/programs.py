"""Nonlinear programs: an objective, constraints, variables and their limits, with all derivatives exact and sparse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sympy import Eq, Expr, Ge, Idx, IndexedBase, Le
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.relational import Relational

from codegen.cached import Recent, cached_property
from codegen.derive import gradient, sparse_hessian, sparse_jacobian
from codegen.derive.requests.request import Named, name_of, require_scalar
from codegen.errors import EmitError, of_type
from codegen.flat import Array, FlatArguments, Piece, Point, Target, as_real, call, compiled, cut, end_to_end, joined
from codegen.ir.graph import Equation, Graph, Variable, require_graph
from codegen.ir.names import Names
from codegen.ir.reduction import Reduction
from codegen.read import INPUTS, Input, from_expressions
from codegen.read.declare import GivenKey
from codegen.sparse_values import SparseValues
from codegen.walk import Extent, indices, length, postorder

Limit: TypeAlias = "ArrayLike | None"
"""A number, an array of the shape of what it limits, or None for no limit."""
Limits: TypeAlias = "tuple[Limit, Limit]"
Constraint: TypeAlias = "Relational | tuple[Limit, Expr, Limit]"


@dataclass(frozen=True)
class _Limited:
    """A vertex, or an input, between two limits."""

    variable: Variable
    lower: Array
    upper: Array

    def at(self, point: Point) -> tuple[Array, Array]:
        """The limits of each element, flattened, for the lengths of a point."""
        shape = tuple(length(n, point.lengths) for n in self.variable.shape)
        try:
            lower, upper = (np.broadcast_to(limit, shape).ravel() for limit in (self.lower, self.upper))
        except ValueError:
            found = " and ".join(str(limit.shape) for limit in (self.lower, self.upper))
            raise EmitError(f"the limits of {self.variable.name!r} have shapes {found}, expected {shape}") from None
        return lower, upper


def _limited(variable: Variable, limits: Limits) -> _Limited:
    if not isinstance(limits, tuple) or len(limits) != 2:
        raise EmitError(f"the limits of {variable.name!r} are {limits!r}, expected a pair (lower, upper)")
    values = [none if limit is None else limit for limit, none in zip(limits, (-np.inf, np.inf))]
    lower, upper = (as_real(f"a limit of {variable.name!r}", value, np.float64) for value in values)
    if np.isnan(lower).any() or np.isnan(upper).any():
        raise EmitError(f"a limit of {variable.name!r} is nan, expected a number or None")
    try:
        crossed = bool((lower > upper).any())
    except ValueError:
        shapes = f"{lower.shape} and {upper.shape}"
        raise EmitError(f"the limits of {variable.name!r} have shapes {shapes}, expected the same") from None
    if crossed:
        raise EmitError(f"a lower limit of {variable.name!r} is above the upper one")
    return _Limited(variable, lower, upper)


class NonlinearProgram(FlatArguments):
    """Minimise an objective over variables between limits, subject to constraints: everything that solvers ask for.

    ``objective`` is a SymPy expression, ``constraints`` are relations ``Eq(g, h)``, ``Le(g, h)``, ``Ge(g, h)`` or
    triples ``(lower, g, upper)``; one with indices, ``Eq(x[k + 1] - x[k], h*f[k])`` with ``k = Idx("k", n - 1)``, is
    a constraint for each value of k, and its derivatives are loops whose code does not grow with n. ``variables`` are
    the inputs to optimise by, or a mapping of them to pairs of limits; ``data`` maps the other inputs to values, which
    each call may replace by name. ``definitions`` are entries as :func:`~codegen.from_expressions` takes them, for
    what objective and constraints have in common. :meth:`from_graph` takes a graph.

    x is the variables laid end to end (:meth:`pack`, :meth:`unpack`); constraints are laid end to end in their order,
    g − h for a relation. The Hessian is that of the Lagrangian factor·objective + Σ multipliers·constraints. Jacobian
    and Hessian are ``scipy.sparse.csr_array`` with a pattern worked out once; each function is derived and compiled
    when it is first called, and its time does not depend on symbolic lengths.

    Raises :class:`EmitError` for limits and data that do not fit, :class:`GraphError` for formulas.

    >>> from sympy import Eq, IndexedBase, Sum, symbols
    >>> n = symbols("n", integer=True)
    >>> x, k = IndexedBase("x", shape=(n,)), Idx("k", n - 1)
    >>> chain = Sum(100 * (x[k] ** 2 - x[k + 1]) ** 2 + (x[k] - 1) ** 2, k)
    >>> program = NonlinearProgram(chain, [Eq(x[k] + x[k + 1], 1)], {x: (0, 2)})
    >>> program.constraints([1.0, 0.5, 0.2]), program.jacobian([1.0, 0.5, 0.2]).toarray()
    (array([ 0.5, -0.3]), array([[1., 1., 0.],
           [0., 1., 1.]]))
    >>> program.hessian([1.0, 0.5, 0.2]).toarray()
    array([[1002., -400.,    0.],
           [-400.,  422., -200.],
           [   0., -200.,  200.]])
    >>> program.minimize([1.0, 0.5, 0.2], "SLSQP", ftol=1e-12).x.round(4)
    array([0.5, 0.5, 0.5])
    """

    def __init__(
        self,
        objective: Expr | float,
        constraints: Iterable[Constraint] = (),
        variables: Input | Iterable[Input] | Mapping[Input, Limits] = (),
        data: Mapping[Input, ArrayLike] | None = None,
        *,
        definitions: Mapping[GivenKey, object] | None = None,
    ) -> None:
        limited = _with_limits(variables)
        inputs = [*limited, *(data or {})]
        taken = Names([name_of(given, "variables") for given in inputs] + [_key_name(key) for key in definitions or {}])
        named = taken.new("objective")
        entries: dict[Any, object] = {**(definitions or {}), named: objective}
        limits: dict[str, Limits] = {}
        for number, constraint in enumerate(constraints, 1):
            lower, body, upper = _as_triple(number, constraint)
            name = taken.new(f"c{number}")
            free = _free_indices(body)
            entries[IndexedBase(name)[free] if free else name] = body
            limits[name] = lower, upper
        graph = from_expressions(entries, inputs)
        self._set_up(graph, named, limits, limited, data or {})

    @classmethod
    def from_graph(
        cls,
        graph: Graph,
        objective: Named,
        constraints: Mapping[Named, Limits] | None = None,
        variables: Named | Iterable[Named] | Mapping[Named, Limits] = (),
        data: Mapping[Named, ArrayLike] | None = None,
    ) -> NonlinearProgram:
        """The program of a graph's vertices: the objective, and constraints as pairs of limits by their names.

        >>> from sympy import symbols
        >>> a, b = symbols("a b")
        >>> graph = from_expressions({"f": a**2 + b**2, "g": a + b}, [a, b])
        >>> program = NonlinearProgram.from_graph(graph, "f", {"g": (1, None)}, ["a", "b"])
        >>> program.minimize([3.0, 0.0], "SLSQP").x.round(6)
        array([0.5, 0.5])
        """
        require_graph(graph, EmitError)
        self = cls.__new__(cls)
        named = {name_of(name, "constraints"): limits for name, limits in (constraints or {}).items()}
        self._set_up(graph, name_of(objective), named, _with_limits(variables), data or {})
        return self

    def _set_up(
        self,
        graph: Graph,
        objective: str,
        constraints: Mapping[str, Limits],
        variables: Mapping[Any, Limits],
        data: Mapping[Any, ArrayLike],
    ) -> None:
        named = {name_of(given, "variables"): limits for given, limits in variables.items()}
        super().__init__(graph, list(named), data)
        if self.args:
            raise EmitError(f"the input {self.args[0]!r} is neither among the variables nor in data")
        require_scalar(graph, objective, "objective")
        self.graph, self._objective_name = graph, objective
        self._variables = [_limited(graph.variable(name), limits) for name, limits in named.items()]
        self._constraints = [_limited(graph.variable(name), limits) for name, limits in constraints.items()]

    # --- functions ------------------------------------------------------------------------------------------------

    def objective(self, x: ArrayLike, /, **data: ArrayLike) -> float:
        """The number to minimise."""
        return float(call(self._value, self._point(x, (), data).values)[0])

    def gradient(self, x: ArrayLike, /, **data: ArrayLike) -> Array:
        """The derivative of the objective by x."""
        _, *parts = call(self._slope, self._point(x, (), data).values)
        return joined([np.ravel(part) for part in parts])

    def constraints(self, x: ArrayLike, /, **data: ArrayLike) -> Array:
        """The constraints, flattened and laid end to end."""
        return joined([np.ravel(part) for part in self._constrained(self._point(x, (), data))])

    def jacobian(self, x: ArrayLike, /, **data: ArrayLike) -> Any:
        """The derivative of the constraints by x, a row for each constraint."""
        point = self._point(x, (), data)
        if not self._constraints:
            return csr_array((0, point.layout.size))
        return self._first.matrix(point.values, point.lengths)

    def hessian(
        self, x: ArrayLike, multipliers: ArrayLike | None = None, factor: float = 1.0, /, **data: ArrayLike
    ) -> Any:
        """The second derivative of factor·objective + Σ multipliers·constraints by x, symmetric; none are zeros."""
        point = self._point(x, (), data)
        return self._second.matrix(self._weighted(point, multipliers, factor), point.lengths)

    # --- for solvers that keep the pattern ------------------------------------------------------------------------

    def jacobian_structure(self, x: ArrayLike, /, **data: ArrayLike) -> tuple[Array, Array]:
        """Row and column of each of :meth:`jacobian_values` for the length of this x, each place once, in no order."""
        if not self._constraints:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return self._first.places(self._point(x, (), data).lengths)

    def jacobian_values(self, x: ArrayLike, /, **data: ArrayLike) -> Array:
        """What the Jacobian stores, as the compiled code writes it: what Ipopt and others take without sorting."""
        if not self._constraints:
            return np.zeros(0)
        point = self._point(x, (), data)
        return self._first.stored(point.values, point.lengths)

    def hessian_structure(self, x: ArrayLike, /, **data: ArrayLike) -> tuple[Array, Array]:
        """Row and column of each of :meth:`hessian_values`, on the diagonal or below it, as for the Jacobian."""
        return self._second.places(self._point(x, (), data).lengths)

    def hessian_values(
        self, x: ArrayLike, multipliers: ArrayLike | None = None, factor: float = 1.0, /, **data: ArrayLike
    ) -> Array:
        """What the lower triangle of the Hessian stores."""
        point = self._point(x, (), data)
        return self._second.stored(self._weighted(point, multipliers, factor), point.lengths)

    # --- limits ---------------------------------------------------------------------------------------------------

    def bounds(self, x: ArrayLike, /, **data: ArrayLike) -> tuple[Array, Array]:
        """Lower and upper limits of the elements of x, whose length is that of this one."""
        return _laid_out(self._variables, self._point(x, (), data))

    def constraint_bounds(self, x: ArrayLike, /, **data: ArrayLike) -> tuple[Array, Array]:
        """Lower and upper limits of the constraints."""
        return _laid_out(self._constraints, self._point(x, (), data))

    # --- solvers --------------------------------------------------------------------------------------------------

    def minimize(
        self,
        x: ArrayLike | Mapping[str, ArrayLike],
        method: str = "trust-constr",
        *,
        data: Mapping[str, ArrayLike] | None = None,
        **options: Any,
    ) -> Any:
        """What a solver finds from x, a flat vector or values by name, as SciPy's result: its x is flat.

        ``trust-constr`` takes sparse first and second derivatives, ``SLSQP`` dense first ones, ``ipopt`` needs cyipopt;
        ``options`` are those of the method. That of Ipopt has ``multipliers`` and ``bound_multipliers`` (lower, upper).
        """
        if method not in SOLVERS:
            raise EmitError(f"unknown method {method!r}, expected one of {', '.join(SOLVERS)}")
        flat = self.pack(x) if isinstance(x, Mapping) else as_real("x", x, np.float64).reshape(-1)
        return SOLVERS[method](self, np.array(flat), dict(data or {}), options)

    def ipopt(self, x: ArrayLike, /, **data: ArrayLike) -> Any:
        """A ``cyipopt.Problem`` of the length of this x, whose values are not used; ``solve`` it from any start."""
        try:
            import cyipopt
        except ImportError:
            raise EmitError("Ipopt needs the package cyipopt: pip install cyipopt, which needs Ipopt itself") from None
        (lower, upper), (least, most) = self.bounds(x, **data), self.constraint_bounds(x, **data)
        return cyipopt.Problem(
            n=len(lower),
            m=len(least),
            problem_obj=_Callbacks(self, np.array(x), data),
            lb=lower,
            ub=upper,
            cl=least,
            cu=most,
        )

    # --- compiling ------------------------------------------------------------------------------------------------

    @cached_property
    def _value(self) -> Target:
        return compiled(self.graph.with_outputs(self._objective_name))

    @cached_property
    def _slope(self) -> Target:
        return compiled(gradient(self.graph, self._objective_name, self.wrt))

    @cached_property
    def _constraint_values(self) -> Target:
        return compiled(self.graph.with_outputs([one.variable.name for one in self._constraints]))

    @cached_property
    def _first(self) -> SparseValues:
        return SparseValues(sparse_jacobian(self.graph, [one.variable.name for one in self._constraints], self.wrt))

    @cached_property
    def _second(self) -> SparseValues:
        graph, *_ = self._lagrangian
        return SparseValues(sparse_hessian(graph, graph.outputs[0], self.wrt))

    @cached_property
    def _lagrangian(self) -> tuple[Graph, str, Sequence[str]]:
        """Its graph, and the names of the inputs that are the factor and the multipliers."""
        names = Names(self.graph.variables)
        factor = Variable(names.new("factor"))
        terms, equations, inputs = [factor.symbol * self.graph.variable(self._objective_name).symbol], [], [factor]
        for one in self._constraints:
            variable = one.variable
            multiplier = Variable(names.new(f"multipliers of {variable.name}"), variable.shape)
            product = Variable(names.new(f"{multiplier.name}·{variable.name}"))
            index = tuple(Idx(f"i{axis}", n) for axis, n in enumerate(variable.shape))
            body = multiplier[index] * variable[index]
            equations.append(Equation(product.symbol, body, Reduction.SUM if index else None, index))
            terms.append(product.symbol)
            inputs.append(multiplier)
        total = Variable(names.new("Lagrangian"))
        equations.append(Equation(total.symbol, sympy.Add(*terms)))
        graph = Graph((*self.graph.inputs, *inputs), (*self.graph.equations, *equations), (total.name,))
        return graph, factor.name, [given.name for given in inputs[1:]]

    def _constrained(self, point: Point) -> tuple[Any, ...]:
        return call(self._constraint_values, point.values) if self._constraints else ()

    def _weighted(self, point: Point, multipliers: ArrayLike | None, factor: float) -> Mapping[str, Array]:
        """The values at a point, with the factor and the multipliers."""
        _, factor_name, names = self._lagrangian
        size, places = self._places(tuple(point.lengths.items()))
        flat = np.zeros(size) if multipliers is None else as_real("multipliers", multipliers, np.float64)
        if flat.shape != (size,):
            raise EmitError(f"multipliers must have shape ({size},), one a constraint, found {flat.shape}")
        return {**point.values, factor_name: np.array(factor), **dict(zip(names, cut(flat, places)))}

    @cached_property
    def _places(self) -> Callable[[tuple[tuple[Extent, int], ...]], tuple[int, Sequence[Piece]]]:
        """How many constraints there are, and where each array of them lies, by the lengths."""
        return Recent(partial(end_to_end, [one.variable.shape for one in self._constraints]))


def _laid_out(limited: Sequence[_Limited], point: Point) -> tuple[Array, Array]:
    found = [one.at(point) for one in limited]
    return joined([lower for lower, _ in found]), joined([upper for _, upper in found])


def _with_limits(variables: Any) -> dict[Any, Limits]:
    """Variables with their limits: of a mapping, of several without any, or of one."""
    if isinstance(variables, Mapping):
        found = dict(variables)
    else:
        several = [variables] if isinstance(variables, (str, *INPUTS)) else list(variables)
        found = dict.fromkeys(several, (None, None))
    if not found:
        raise EmitError("variables is empty, expected the inputs to optimise by")
    return found


def _key_name(key: Any) -> str:
    return str(key.base.label) if isinstance(key, sympy.Indexed) else name_of(key, "definitions")


def _as_triple(number: int, given: Constraint) -> tuple[Limit, Expr, Limit]:
    """A constraint as lower limit, formula and upper limit."""
    if isinstance(given, tuple) and len(given) == 3:
        return given[0], sympy.sympify(given[1], strict=True), given[2]
    limits: Limits | None = next((pair for kind, pair in RELATIONS if isinstance(given, kind)), None)
    if limits is None:
        expected = "expected Eq, Le or Ge of two formulas, or (lower, formula, upper)"
        raise EmitError(f"constraint {number} is {given!r}, {of_type(given)}, {expected}")
    assert isinstance(given, Relational)
    return limits[0], given.lhs - given.rhs, limits[1]


RELATIONS: tuple[tuple[type[Relational], Limits], ...] = ((Eq, (0, 0)), (Le, (None, 0)), (Ge, (0, None)))


def _free_indices(body: Expr) -> tuple[Idx, ...]:
    """The indices that no sum in a formula runs over, in the order of their names: it is a constraint for each value.

    An index under a sum and outside of it too counts as the sum's: such formulas have no plain reading.
    """
    bound = {limit[0] for node in postorder(body) if isinstance(node, ExprWithLimits) for limit in node.limits}
    return tuple(sorted((index for index in indices(body) if index not in bound), key=lambda index: str(index.name)))


# --- adapters -----------------------------------------------------------------------------------------------------


def _by_trust_region(program: NonlinearProgram, x: Array, data: dict[str, ArrayLike], options: dict[str, Any]) -> Any:
    from scipy.optimize import NonlinearConstraint

    least, most = program.constraint_bounds(x, **data)
    constraint = NonlinearConstraint(
        lambda x: program.constraints(x, **data),
        least,
        most,
        jac=lambda x: program.jacobian(x, **data),
        hess=lambda x, v: program.hessian(x, v, 0.0, **data),
    )
    constraints = [constraint] if len(least) else []
    second = {"hess": lambda x: program.hessian(x, **data)}
    return _by_scipy(program, x, data, options, method="trust-constr", constraints=constraints, **second)


def _by_sequence(program: NonlinearProgram, x: Array, data: dict[str, ArrayLike], options: dict[str, Any]) -> Any:
    least, most = program.constraint_bounds(x, **data)

    def part(kind: str, rows: NDArray[np.bool_], sign: float, limit: Array) -> dict[str, Any]:
        return {
            "type": kind,
            "fun": lambda x: sign * (program.constraints(x, **data) - limit)[rows],
            "jac": lambda x: sign * program.jacobian(x, **data).toarray()[rows],
        }

    equal = least == most
    parts = (
        part("eq", equal, 1.0, least),
        part("ineq", ~equal & np.isfinite(least), 1.0, least),
        part("ineq", ~equal & np.isfinite(most), -1.0, most),
    )
    return _by_scipy(program, x, data, options, method="SLSQP", constraints=parts)


def _by_scipy(
    program: NonlinearProgram, x: Array, data: dict[str, ArrayLike], options: dict[str, Any], **more: Any
) -> Any:
    from scipy.optimize import Bounds, minimize

    limits = Bounds(*program.bounds(x, **data))
    first = {"jac": lambda x: program.gradient(x, **data)}
    return minimize(lambda x: program.objective(x, **data), x, bounds=limits, options=options, **first, **more)


def _by_ipopt(program: NonlinearProgram, x: Array, data: dict[str, ArrayLike], options: dict[str, Any]) -> Any:
    from scipy.optimize import OptimizeResult

    problem = program.ipopt(x, **data)
    for name, value in {"print_level": 0, "sb": "yes", **options}.items():
        problem.add_option(name, value)
    found, info = problem.solve(x)
    message = info["status_msg"]
    return OptimizeResult(
        x=found,
        fun=info["obj_val"],
        success=info["status"] in (0, 1),
        status=info["status"],
        message=message.decode() if isinstance(message, bytes) else message,
        multipliers=info["mult_g"],
        bound_multipliers=(info["mult_x_L"], info["mult_x_U"]),
    )


SOLVERS: Mapping[str, Callable[[NonlinearProgram, Array, dict[str, ArrayLike], dict[str, Any]], Any]] = {
    "trust-constr": _by_trust_region,
    "SLSQP": _by_sequence,
    "ipopt": _by_ipopt,
}


class _Callbacks:
    """What cyipopt asks a problem for, by the names that it asks with."""

    def __init__(self, program: NonlinearProgram, x: Array, data: Mapping[str, ArrayLike]) -> None:
        self._program, self._x, self._data = program, x, data

    def objective(self, x: Array) -> float:
        return self._program.objective(x, **self._data)

    def gradient(self, x: Array) -> Array:
        return self._program.gradient(x, **self._data)

    def constraints(self, x: Array) -> Array:
        return self._program.constraints(x, **self._data)

    def jacobianstructure(self) -> tuple[Array, Array]:
        return self._program.jacobian_structure(self._x, **self._data)

    def jacobian(self, x: Array) -> Array:
        return self._program.jacobian_values(x, **self._data)

    def hessianstructure(self) -> tuple[Array, Array]:
        return self._program.hessian_structure(self._x, **self._data)

    def hessian(self, x: Array, multipliers: Array, factor: float) -> Array:
        return self._program.hessian_values(x, multipliers, factor, **self._data)
