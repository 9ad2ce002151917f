"""Physics-informed networks: a network is the unknown of differential equations, whose residuals are its loss.

A loss is a weighted sum of mean squared residuals, each over a set of points of its own: inside, on the boundary, at
the beginning. Each residual is one compiled function of the same parameters, and their gradients add up.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike
from sympy import Add, Expr, IndexedBase, Symbol, SympifyError, cos, pi, sin, sympify
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef, UndefinedFunction

from codegen import (
    CodegenError,
    CompiledFunction,
    Equation,
    Graph,
    Index,
    Reduction,
    Variable,
    compile,
    from_expressions,
    gradient,
    jacobian,
    sample_extent,
)
from codegen.cached import cached_property
from codegen.dtypes import Dtype, dtype_name
from codegen.schedule import ScheduleName
from codegen.walk import fresh_name, replace, substitute
from symnn.activations import exact
from symnn.choices import ActivationLike, Choice
from symnn.conditions import Form, Given, applied
from symnn.errors import DataError, FieldError, SpecError
from symnn.formula import FUNCTIONS, parse_formula
from symnn.given import constructed
from symnn.layers.layer import Layer
from symnn.least_squares import LeastSquares, Rows
from symnn.network import Network, ParameterSlice
from symnn.objective import Objective, checked_theta
from symnn.physics_spec import PhysicsSpec, load_physics
from symnn.points import checked_number
from symnn.residuals import Language, checked_name
from symnn.shown import shows
from symnn.suggest import quote, unknown
from symnn.sweep import renamed, sweep

Written: TypeAlias = str | Basic
"""An equation as a text, with = or what should be 0, an expression that should be 0, or a SymPy equality."""


@constructed(SpecError)
@dataclass(frozen=True)
class Residual:
    """Equations that hold on one set of points: ``weight`` · Σ over the equations of the mean residual² in the loss.

    An equation is a text, ``"u_t + u*u_x = 0.01*u_xx"``, or SymPy over functions of all inputs, as in
    ``Derivative(u(x, t), t) + u(x, t)*Derivative(u(x, t), x)``; what it gives should be 0, or it is an ``Eq``.

    >>> heat = Residual("interior", "u_t = 0.1*u_xx", weight=2.0)
    >>> heat.name, heat.weight
    ('interior', 2.0)
    """

    name: str
    equations: Written | Sequence[Written]
    weight: float = 1.0
    data: Any = ()
    """Names or symbols of numbers that belong to each point, such as measurements: further columns of its points."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", _names(self.data))
        try:
            checked_name(self.name)
        except FieldError as error:
            raise SpecError(f"residual: {error}") from None
        number = isinstance(self.weight, Real) and not isinstance(self.weight, bool)
        if not number or not 0 < self.weight <= sys.float_info.max:
            raise SpecError(f"the residual {self.name!r}: weight: found {self.weight!r}, expected a positive number")
        object.__setattr__(self, "weight", float(self.weight))
        if not self.written:
            raise SpecError(f"the residual {self.name!r}: equations: expected at least one, found none")

    @cached_property
    def written(self) -> tuple[Written, ...]:
        """The equations, also where there is one."""
        return tuple(self.equations) if isinstance(self.equations, (list, tuple)) else (self.equations,)


@constructed(SpecError)
@dataclass(frozen=True, repr=False)
class Physics:
    """A network of ``inputs`` whose outputs are the ``unknowns``, and the residuals that it should bring to 0.

    >>> from symnn.network import dense
    >>> heat = Physics("x t", "u", (dense(8, "tanh"), dense(1)), (Residual("interior", "u_t - u_xx"),))
    >>> print(heat.graph(heat.residuals[0]))
    inputs W1[8, 2], b1[8], W2[1, 8], b2[1], x[S, 2]
    z1[s, h] = Σ_d W1[h, d]*x[s, d]
    u1[s, h] = b1[h] + z1[s, h]
    a1[s, h] = tanh(u1[s, h])
    z2[s, t] = Σ_h W2[t, h]*a1[s, h]
    output[s, t] = b2[t] + z2[s, t]
    ∂a1/∂u1[s, h] = 1 - a1[s, h]**2
    a1_x[s, h] = W1[h, 0]*∂a1/∂u1[s, h]
    z2_x[s, t] = Σ_h W2[t, h]*a1_x[s, h]
    a1_t[s, h] = W1[h, 1]*∂a1/∂u1[s, h]
    output_t[s, t] = Σ_h W2[t, h]*a1_t[s, h]
    ∂a1/∂u1_x[s, h] = -2*a1[s, h]*a1_x[s, h]
    a1_xx[s, h] = W1[h, 0]*∂a1/∂u1_x[s, h]
    output_xx[s, t] = Σ_h W2[t, h]*a1_xx[s, h]
    residual[s] = output_t[s, 0] - output_xx[s, 0]
    loss = Σ_s residual[s]**2/S
    outputs loss

    ``inputs`` and ``unknowns`` are names, symbols or functions, or names with blanks or commas between them. Raises
    :class:`SpecError` for an equation that cannot be read, for residuals of one name, and if the last layer has not
    one unit an unknown. Warns of a derivative that is 0 for every such network.

    ``coefficients`` are numbers in the equations that are found together with the unknowns, by name or symbol, each
    with a first guess. They are the last parameters of theta.

    >>> rate = Physics("t", "u", (dense(8, "tanh"), dense(1)), (
    ...     Residual("decay", "u_t + k*u"), Residual("measured", "u - m", data="m")), {"k": 1.0})
    >>> rate.split(rate.initial_parameters())["k"]
    array(1.)
    """

    inputs: Any
    unknowns: Any
    layers: tuple[Layer, ...]
    residuals: tuple[Residual, ...]
    coefficients: Mapping[Any, float] = field(default_factory=dict)
    spec: PhysicsSpec | None = None
    """The spec it came from, if it came from one."""
    forms: Mapping[str, Any] = field(default_factory=dict)
    """By unknown, ``(g, d)``: it is g + d·N of the network's output N, both formulas of the inputs, texts or SymPy."""
    periods: Mapping[str, float] = field(default_factory=dict)
    """By input, the period of every unknown along it: the network gets sin and cos of 2πx/period in place of x."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """By input, another one where it begins: the network gets x − origin in place of both, equations have x."""
    features: Any = ()
    """Formulas of the inputs, texts or SymPy, that the network gets in place of them: ``("log1p(50*x)", "t")``."""

    _repr_html_ = shows("physics_html")

    def __repr__(self) -> str:
        inside = f"{', '.join(self.unknowns)} of {', '.join(self.inputs)}, {len(self.residuals)} residuals"
        return f"<Physics of {inside}, {self.parameter_count:,} parameters>"

    def __post_init__(self) -> None:
        for names_of in ("inputs", "unknowns"):
            object.__setattr__(self, names_of, _names(getattr(self, names_of)))
        object.__setattr__(self, "coefficients", _checked_coefficients(self.coefficients))
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "forms", self._checked_forms())
        object.__setattr__(self, "periods", self._checked_periods())
        object.__setattr__(self, "origins", self._checked_origins())
        object.__setattr__(self, "features", self._checked_features())
        residuals = (self.residuals,) if isinstance(self.residuals, Residual) else self.residuals
        object.__setattr__(self, "residuals", tuple(residuals))
        for residual in self.residuals:
            if not isinstance(residual, Residual):
                raise SpecError(f"residuals: expected Residual objects, found {quote(residual)}")
        if self.network.differs:
            raise SpecError("layers: found dropout or batch_norm, expected layers that are the same in training")
        if self.network.outputs != len(self.unknowns):
            found = f"{self.network.outputs} outputs for the unknowns {', '.join(self.unknowns)}"
            raise SpecError(f"layers: found {found}, expected one output an unknown")
        names = [residual.name for residual in self.residuals]
        if not names or len(set(names)) < len(names):
            found = ", ".join(names) or "none"
            raise SpecError(f"residuals: expected at least one, each with a name of its own, found {found}")
        for name in self.coefficients:
            if name in self.network.layout:
                raise SpecError(f"coefficients: {quote(name)} is a parameter of the network; expected another name")
            if name in _VERTICES and name not in self.inputs:
                raise SpecError(f"coefficients: {quote(name)} names a vertex of the loss; expected another name")
        for residual in self.residuals:
            self._expressions(residual)

    @classmethod
    def from_spec(cls, source: str | Path | Mapping[str, Any] | PhysicsSpec) -> Physics:
        """The problem of a spec: a path to YAML or JSON, a dict, or a loaded :class:`PhysicsSpec`.

        Raises :class:`SpecError` naming file and field.
        """
        spec = source if isinstance(source, PhysicsSpec) else load_physics(source)
        residuals = tuple(
            _carried(name, initial, part.weight)
            if (initial := spec.initial(name))
            else Residual(name, part.equations, part.weight, (*spec.data(name), *spec.begun_data(name)))
            for name, part in spec.on_points.items()
        )
        periods = {name: spec.inputs[name][1] - spec.inputs[name][0] for name in spec.periodic}
        inputs = (*spec.inputs, *spec.origins.values())
        return cls(
            inputs, spec.unknowns, spec.layers, residuals, spec.coefficients, spec, spec.forms, periods, spec.origins,
            spec.features,
        )  # fmt: skip

    def solution(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """The unknowns at some points by the formulas that the spec gives, if it gives any."""
        if self._solution is None:
            return {}
        values = self._solution(points)
        return {name: values[:, number] for number, name in enumerate(self.spec.solution)}  # type: ignore[union-attr]

    @cached_property
    def _solution(self) -> CompiledFunction | None:
        if self.spec is None or not self.spec.solution:
            return None
        symbols = {name: Symbol(name, real=True) for name in self.spec.inputs}
        texts = self.spec.solution.items()
        return self.formulas([parse_formula(text, symbols, FUNCTIONS, f"solution.{name}") for name, text in texts])

    def formulas(self, expressions: Sequence[Expr]) -> CompiledFunction:
        """``values(points) -> (S, formulas)`` of formulas over the real symbols of the inputs."""
        S = sample_extent("S")
        s, x = Index("s", S), Variable("x", (S, len(self.inputs) - len(self.origins)))
        columns: dict[Basic, Basic] = {Symbol(n, real=True): x[s, column] for column, n in enumerate(self.inputs)}
        found = Variable("solution", (S, len(expressions)))
        bodies = {found[s, number]: replace(body, columns) for number, body in enumerate(expressions)}
        return compile(from_expressions(bodies, [x]))

    def language(self, residual: Residual) -> Language:
        """What the equations of a residual are written in."""
        hidden = () if self.spec is None else tuple(self.spec.origins.values())
        return _language(self.inputs, self.unknowns, (*self.coefficients, *residual.data), hidden)

    @cached_property
    def network(self) -> Network:
        """The network by itself: its layout, its initial parameters, its predictions."""
        return Network(len(self.features or self._inputs), self.layers, "mean_squared_error")

    # --- parameters -----------------------------------------------------------------------------------------------

    @cached_property
    def layout(self) -> Mapping[str, ParameterSlice]:
        """Where each parameter lies in the flat vector theta: those of the network, then the coefficients."""
        places = enumerate(self.coefficients, self.network.parameter_count)
        numbers = {name: ParameterSlice(name, slice(place, place + 1), ()) for place, name in places}
        return {**self.network.layout, **numbers}

    @property
    def parameter_count(self) -> int:
        """The length of theta."""
        return self.network.parameter_count + len(self.coefficients)

    def split(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Views of the parameters inside a flat vector of theirs, or of their gradients."""
        return {p.name: theta[p.where].reshape(p.shape) for p in self.layout.values()}

    def initial_parameters(self, seed: int = 0) -> np.ndarray:
        """Random weights by each layer's initialiser, zero biases and the coefficients, as one flat float64 vector."""
        return np.concatenate([self.network.initial_parameters(seed), list(self.coefficients.values())])

    @cached_property
    def _coefficients(self) -> Mapping[str, Variable]:
        """The inputs of the graphs that hold the coefficients, with primes where a vertex has the name already."""
        taken = {*self.network.forward_graph.variables, "loss", "data"}
        return {name: Variable(fresh_name(name, taken)) for name in self.coefficients}

    # --- the graph ------------------------------------------------------------------------------------------------

    @cached_property
    def parameters(self) -> list[str]:
        """The inputs of the graphs that theta holds, in its order."""
        return [*self.network.layout, *(variable.name for variable in self._coefficients.values())]

    @cached_property
    def forward_graph(self) -> Graph:
        """The forward pass alone: ``output``, the network's, from all parameters and ``x``."""
        forward = self.network.forward_graph
        x = Variable("x", (sample_extent("S"), len(self.inputs)))
        inputs = (*forward.inputs[:-1], *self._coefficients.values(), x)
        if not (self.features or self.periods or self.origins):
            return Graph(inputs, forward.equations, forward.outputs)
        features = Variable(fresh_name("features", set(forward.variables)), forward.inputs[-1].shape)
        equations = [renamed(equation, {"x": features}) for equation in forward.equations]
        return Graph(inputs, (*self._features(x, features), *equations), forward.outputs)

    def _features(self, x: Variable, features: Variable) -> list[Equation]:
        """What the network gets, each input from its origin."""
        s = Index("s", sample_extent("S"))
        columns: dict[Basic, Basic] = {Symbol(n, real=True): x[s, column] for column, n in enumerate(self.inputs)}
        for name, origin in self.origins.items():
            columns[Symbol(name, real=True)] = x[s, self.inputs.index(name)] - x[s, self.inputs.index(origin)]
        return [
            Equation(features[s, column], replace(body, columns))
            for column, body in enumerate(self.features or self._inputs)
        ]

    @cached_property
    def _inputs(self) -> tuple[Expr, ...]:
        """The inputs that begin nowhere else, or sine and cosine of those that are periodic."""
        symbols = {name: Symbol(name, real=True) for name in self.inputs if name not in self.origins.values()}
        angles = {name: 2 * pi / exact(period) * symbols[name] for name, period in self.periods.items()}
        pairs = [(sin(angles[n]), cos(angles[n])) if n in angles else (symbol,) for n, symbol in symbols.items()]
        return tuple(body for pair in pairs for body in pair)

    @cached_property
    def prediction_graph(self) -> Graph:
        """The unknowns, from all parameters and ``x``: ``output``, or with forms ``unknowns`` g + d·output."""
        forward = self.forward_graph
        if not self.forms:
            return forward
        S = sample_extent("S")
        s, x = Index("s", S), forward.variable("x")
        columns = {Symbol(name, real=True): x[s, column] for column, name in enumerate(self.inputs)}
        output = forward.variable(forward.outputs[0])
        found = Variable(fresh_name("unknowns", set(forward.variables)), (S, len(self.unknowns)))
        bodies = []
        for number, name in enumerate(self.unknowns):
            inside: Expr = output[s, number]
            if (form := self.forms.get(name)) is not None:
                inside = replace(form.values, columns) + replace(form.multiplier, columns) * inside
            bodies.append(inside)
        written = from_expressions({found[s, number]: body for number, body in enumerate(bodies)}, [x, output])
        return Graph(forward.inputs, (*forward.equations, *written.equations), (found.name,))

    def graph(self, residual: Residual) -> Graph:
        """The forward pass, the derivatives by the inputs that the residual has, and its weighted loss."""
        graph, rows = self._rows(residual)
        s = Index("s", sample_extent("S"))
        squares = exact(residual.weight) / sample_extent("S") * Add(*[row[s] ** 2 for row in rows])
        loss = Equation(Variable("loss").symbol, squares, Reduction.SUM, (s,))
        return Graph(graph.inputs, (*graph.equations, loss), ("loss",))

    def rows_graph(self, residual: Residual) -> Graph:
        """The forward pass, the derivatives that the residual has, and what its equations leave over at each point.

        The output is ``residual``, (S,), or with several equations ``residuals``, (S, equations).
        """
        graph, rows = self._rows(residual)
        if len(rows) == 1:
            return graph
        s = Index("s", sample_extent("S"))
        stacked = Variable(fresh_name("residuals", set(graph.variables)), (sample_extent("S"), len(rows)))
        columns = [Equation(stacked[s, number], row[s]) for number, row in enumerate(rows)]
        return Graph(graph.inputs, (*graph.equations, *columns), (stacked.name,))

    def jacobian_graph(self, residual: Residual) -> Graph:
        """What is left over at each point, and its derivatives by every parameter, a Jacobian a point."""
        graph = self.rows_graph(residual)
        with _in(residual):
            return jacobian(graph, graph.outputs[0], self.parameters, samples=True)

    def _rows(self, residual: Residual) -> tuple[Graph, list[Variable]]:
        """The graph of what each equation of a residual leaves over, and the vertices that hold it."""
        expressions, language = self._expressions(residual), self.language(residual)
        values = {node: value for e in expressions for node, value in language.values(e).items()}
        S, x = sample_extent("S"), self.forward_graph.variable("x")
        s = Index("s", S)
        data = [Variable("data", (S, len(residual.data)))] if residual.data else []
        meanings: dict[Basic, Basic] = {Symbol(n, real=True): x[s, column] for column, n in enumerate(self.inputs)}
        meanings |= {Symbol(n, real=True): variable.symbol for n, variable in self._coefficients.items()}
        meanings |= {Symbol(n, real=True): data[0][s, column] for column, n in enumerate(residual.data)}
        known = [x, *self._coefficients.values(), *data]
        equations: list[Equation] = []
        vanishing: list[str] = []
        for number, place in enumerate(dict.fromkeys(value.place for value in values.values()), 1):
            here = {node: value for node, value in values.items() if value.place == place}
            orders = dict.fromkeys(value.letters for value in here.values() if value.letters)
            mark = "" if place == language.home else f"@{number}"
            with _in(residual):
                if mark:
                    elements = {IndexedBase(x.name + mark)[s, n]: substitute(e, meanings) for n, e in enumerate(place)}
                    equations += from_expressions(elements, known).equations
                swept = sweep(self.forward_graph, self.inputs, list(orders), mark, self.prediction_graph)
            equations += swept.equations
            known += swept.vertices.values()
            for node, value in here.items():
                meanings[node] = swept.vertices[value.letters][s, self.unknowns.index(value.unknown)]
            vanishing += [str(node) for node, value in here.items() if value.letters in swept.zeros]
        if vanishing:
            warnings.warn(f"residuals.{residual.name}: {self._vanishing(vanishing)}", stacklevel=3)
        stems = ["residual"] if len(expressions) == 1 else [f"residual{n}" for n in range(1, len(expressions) + 1)]
        taken = {equation.name for equation in equations} | self._coefficients.keys()
        rows = [Variable(fresh_name(stem, taken), (S,)) for stem in stems]
        bodies = [replace(expression, meanings) for expression in expressions]
        with _in(residual):
            written = from_expressions({IndexedBase(row.name)[s]: body for row, body in zip(rows, bodies)}, known)
        names = tuple(row.name for row in rows)
        return Graph((*self.forward_graph.inputs, *data), (*equations, *written.equations), names), rows

    def gradient_graph(self, residual: Residual) -> Graph:
        """The loss of a residual and its gradient with respect to every parameter."""
        graph = self.graph(residual)
        with _in(residual):
            return gradient(graph, "loss", self.parameters)

    def _vanishing(self, names: list[str]) -> str:
        """Why derivatives are 0, whatever the parameters: the activations are pieces of polynomials of low degree."""
        activations = [_activation_name(activation) for layer in self.layers for activation in layer.activations]
        used = ", ".join(dict.fromkeys(activations)) or "none"
        verb = "is" if len(names) == 1 else "are"
        return (
            f"{', '.join(names)} {verb} 0 for every network with these activations ({used}); "
            "expected one with derivatives of that order, such as tanh"
        )

    def _expressions(self, residual: Residual) -> list[Expr]:
        found, language = [], self.language(residual)
        for number, written in enumerate(residual.written):
            where = f"residuals.{residual.name}.equation" + (f"[{number}]" if len(residual.written) > 1 else "")
            read = language.parse if isinstance(written, str) else language.read
            found.append(applied(read(written, where), self.forms, language))
        return found

    def _checked_forms(self) -> dict[str, Form]:
        if not isinstance(self.forms, Mapping):
            raise SpecError(f"forms: expected a mapping of unknowns to (g, d), found {quote(self.forms)}")
        found, symbols = {}, {name: Symbol(name, real=True) for name in self.inputs}
        for given, pair in self.forms.items():
            if (name := _name(given)) not in self.unknowns:
                raise SpecError(f"forms: {unknown('unknown', name, self.unknowns)}")
            parts = (pair.values, pair.multiplier) if isinstance(pair, Form) else pair
            if not isinstance(parts, (tuple, list)) or len(parts) != 2:
                raise SpecError(f"forms.{name}: expected (g, d) of u = g + d·N, found {quote(pair)}")
            beginning = pair.beginning if isinstance(pair, Form) else None
            values, multiplier = (_of_inputs(part, symbols, f"forms.{name}") for part in parts)
            found[name] = Form(values, multiplier, beginning)
        return found

    def _checked_periods(self) -> dict[str, float]:
        if not isinstance(self.periods, Mapping):
            raise SpecError(f"periods: expected a mapping of inputs to numbers, found {quote(self.periods)}")
        found = {}
        for given, period in self.periods.items():
            if (name := _name(given)) not in self.inputs:
                raise SpecError(f"periods: {unknown('input', name, self.inputs)}")
            try:
                found[name] = checked_number(period)
            except FieldError as error:
                raise SpecError(f"periods.{name}: {error}") from None
            if found[name] <= 0:
                raise SpecError(f"periods.{name}: expected a number above 0, found {quote(period)}")
        return found

    def _checked_origins(self) -> dict[str, str]:
        if not isinstance(self.origins, Mapping):
            raise SpecError(f"origins: expected a mapping of inputs to inputs, found {quote(self.origins)}")
        found = {_name(given): _name(origin) for given, origin in self.origins.items()}
        for name in (*found, *found.values()):
            if name not in self.inputs:
                raise SpecError(f"origins: {unknown('input', name, self.inputs)}")
            if name in self.periods or (name in found and name in found.values()):
                raise SpecError(f"origins: {quote(name)} has another meaning already; expected another input")
        return found

    def _checked_features(self) -> tuple[Expr, ...]:
        given = (self.features,) if isinstance(self.features, (str, Basic)) else self.features
        if not isinstance(given, (tuple, list)):
            raise SpecError(f"features: expected a list of formulas, found {quote(given)}")
        if given and self.periods:
            raise SpecError("features: found periods beside them, expected one of them")
        symbols = {name: Symbol(name, real=True) for name in self.inputs if name not in self.origins.values()}
        return tuple(_of_inputs(part, symbols, f"features[{number}]") for number, part in enumerate(given))

    # --- compiled -------------------------------------------------------------------------------------------------

    def compile(
        self, dtype: DTypeLike = "float64", schedule: ScheduleName = "auto", cache: bool = True
    ) -> PhysicsModel:
        """The compiled functions of this problem; each is compiled when it is first used."""
        return PhysicsModel(self, dtype_name(dtype), schedule, cache)


@dataclass(frozen=True)
class PhysicsModel:
    """The compiled functions of a problem. Points are arrays, one a residual, in the residuals' order.

    Their columns are the inputs, and after them the data of the residual. One list of the arrays is the same.
    """

    physics: Physics
    dtype: Dtype = "float64"
    schedule: ScheduleName = "auto"
    cache: bool = True

    @cached_property
    def predict(self) -> CompiledFunction:
        """``predict(theta, points) -> (S, unknowns)``."""
        return self._compile(self.physics.prediction_graph)

    @cached_property
    def parts(self) -> Mapping[str, CompiledFunction]:
        """By the name of each residual, ``value_and_grad(theta, points, out=None) -> (loss, gradient)`` of its part.

        One with data takes the inputs and the data apart: ``value_and_grad(theta, points, data, out=None)``.
        """
        found = {}
        for residual in self.physics.residuals:
            graph = self.physics.gradient_graph(residual)
            with _in(residual):
                found[residual.name] = self._compile(graph)
        return found

    def value_and_grad(self, theta: np.ndarray, *points: np.ndarray | Sequence[np.ndarray]) -> tuple[float, np.ndarray]:
        """The loss, the sum of its parts, and its gradient, laid out like theta."""
        theta, arrays = self._theta(theta), self._arrays(points)
        found = [part(theta, *where) for part, where in zip(self.parts.values(), arrays)]
        return sum(loss for loss, _ in found), np.sum([slope for _, slope in found], axis=0)

    @cached_property
    def rows(self) -> Mapping[str, CompiledFunction]:
        """By the name of each residual, ``rows(theta, points) -> residual`` at each point, (S,) or (S, equations)."""
        return {r.name: self._compile(self.physics.rows_graph(r)) for r in self.physics.residuals}

    @cached_property
    def jacobians(self) -> Mapping[str, CompiledFunction]:
        """The same with the derivatives by every parameter: (residual, ∂residual/∂W1, …), the points first."""
        return {r.name: self._compile(self.physics.jacobian_graph(r)) for r in self.physics.residuals}

    def least_squares(self, *points: np.ndarray | Sequence[np.ndarray]) -> LeastSquares:
        """The residuals on these points as one vector, with its Jacobian and the products that are taken of it."""
        given = zip(self.physics.residuals, self._arrays(points))
        parts = [Rows(self.rows[r.name], self.jacobians[r.name], where, r.weight) for r, where in given]
        matrices = [(p.where, (p.shape[0], p.shape[1])) for p in self.physics.layout.values() if len(p.shape) == 2]
        return LeastSquares(parts, self.physics.parameter_count, matrices)

    def losses(self, theta: np.ndarray, *points: np.ndarray | Sequence[np.ndarray]) -> dict[str, float]:
        """The parts of the loss by the names of the residuals."""
        theta, arrays = self._theta(theta), self._arrays(points)
        return {name: part(theta, *where)[0] for (name, part), where in zip(self.parts.items(), arrays)}

    def objective(self, *points: np.ndarray | Sequence[np.ndarray]) -> Objective:
        """``fun(theta) -> (loss, gradient)`` on these points, for ``scipy.optimize.minimize(fun, theta, jac=True)``.

        Both are float64, and every call gives a new gradient. The points are copied.
        """
        return Objective(list(zip(self.parts.values(), self._arrays(points))), self.physics.parameter_count, self.dtype)

    def arrays(self, name: str, points: np.ndarray) -> tuple[np.ndarray, ...]:
        """Points of one residual as its compiled functions want them: its data apart."""
        (residual,) = (one for one in self.physics.residuals if one.name == name)
        return self._split(residual, points)

    def _theta(self, given: np.ndarray) -> np.ndarray:
        return checked_theta(given, np.empty(self.physics.parameter_count, self.dtype))

    def _arrays(self, points: Sequence[Any]) -> list[tuple[np.ndarray, ...]]:
        """The points themselves, or copies of them as the compiled functions want them; data apart."""
        residuals = self.physics.residuals
        given = points[0] if len(points) == 1 else None
        if isinstance(given, (list, tuple)) and given and all(isinstance(where, np.ndarray) for where in given):
            points = given
        if len(points) != len(residuals):
            names = ", ".join(residual.name for residual in residuals)
            raise TypeError(f"expected {len(residuals)} arrays of points ({names}), found {len(points)}")
        return [self._split(residual, given) for residual, given in zip(residuals, points)]

    def _split(self, residual: Residual, given: np.ndarray) -> tuple[np.ndarray, ...]:
        place, names = f"the points of {residual.name}", (*self.physics.inputs, *residual.data)
        try:
            if np.iscomplexobj(given):
                raise TypeError
            where = np.require(given, self.dtype, "C")
        except (TypeError, ValueError):
            raise DataError(f"{place}: expected an array of real numbers, found {quote(given)}") from None
        if where.ndim != 2 or where.shape[1] != len(names) or not len(where):
            expected = f"an array (points, {len(names)}), a column for each of {', '.join(names)}"
            raise DataError(f"{place}: expected {expected}, found one of shape {where.shape}")
        if not np.isfinite(where).all():
            row = int(np.argmin(np.isfinite(where).all(axis=1)))
            raise DataError(f"{place}: row {row}: expected finite numbers, found {quote(where[row])}")
        if not residual.data:
            return (where,)
        return tuple(map(np.ascontiguousarray, np.split(where, [len(self.physics.inputs)], axis=1)))

    def _compile(self, graph: Graph) -> CompiledFunction:
        pack = {"theta": self.physics.parameters}
        if graph.outputs[0] == "loss":
            pack["gradient"] = list(graph.outputs[1:])
        return compile(graph, dtype=self.dtype, schedule=self.schedule, cache=self.cache, pack=pack)


_VERTICES = ("x", "data", "residual", "output", "loss", "theta", "gradient")
"""Names that the graph of a residual or its compiled function has anyway."""
_language = lru_cache(maxsize=64)(Language)
"""With four inputs it has 340 derivatives of each unknown."""


@contextmanager
def _in(residual: Residual) -> Iterator[None]:
    """Errors of the compiler name the residual that they are about."""
    try:
        yield
    except CodegenError as error:
        raise SpecError(f"residuals.{residual.name}: {error}") from None


def _carried(name: str, initial: Sequence[Given], weight: float) -> Residual:
    """Initial values that are given at each point."""
    data = tuple(f"initial{number}" for number in range(1, len(initial) + 1))
    equations = [f"{one.written} = {value}" for one, value in zip(initial, data)]
    return Residual(name, equations, weight, data)


def _names(given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        given = given.replace(",", " ").split()
    return tuple(map(_name, given if isinstance(given, (tuple, list)) else (given,)))


def _checked_coefficients(given: object) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise SpecError(f"coefficients: expected a mapping of names to numbers, found {quote(given)}")
    try:
        return {_name(name): checked_number(value) for name, value in given.items()}
    except FieldError as error:
        raise SpecError(f"coefficients: {error}") from None


def _name(given: object) -> str:
    """The name of an input or an unknown, be it a text, a symbol, a function or a function of the inputs."""
    function = given.func if isinstance(given, AppliedUndef) else given
    return function.__name__ if isinstance(function, UndefinedFunction) else str(function)


def _of_inputs(given: object, symbols: Mapping[str, Symbol], where: str) -> Expr:
    """A formula of the inputs, over their real symbols."""
    if isinstance(given, str):
        return parse_formula(given, symbols, FUNCTIONS, where)
    try:
        found = sympify(given, strict=True)
    except SympifyError:
        found = None
    if not isinstance(found, Expr) or not {symbol.name for symbol in found.free_symbols} <= symbols.keys():
        raise SpecError(f"{where}: expected a formula of {', '.join(symbols)}, found {quote(given)}")
    return found.xreplace({symbol: symbols[symbol.name] for symbol in found.free_symbols})


def _activation_name(activation: ActivationLike) -> str:
    if isinstance(activation, Choice):
        return activation.formula or activation.name
    return activation if isinstance(activation, str) else "a function of one's own"
