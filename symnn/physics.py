"""Physics-informed networks: a network is the unknown of differential equations, whose residuals are its loss.

A loss is a weighted sum of mean squared residuals, each over a set of points of its own: inside, on the boundary, at
the beginning. Each residual is one compiled function of the same parameters, and their gradients add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from sympy import Add, Expr, Symbol
from sympy.core.basic import Basic

from codegen import (
    CompiledFunction,
    Equation,
    Graph,
    Index,
    Reduction,
    Variable,
    compile,
    gradient,
    mixed_partials,
    sample_extent,
)
from codegen.emit.numba import Dtype
from codegen.expression import fresh_name, substitute
from codegen.schedule import ScheduleName
from symnn.activations import exact
from symnn.errors import DataError, SpecError
from symnn.network import Layer, Network
from symnn.optimisers import OPTIMISERS
from symnn.physics_spec import PhysicsSpec, SolverSpec, load_physics
from symnn.residuals import Language

Written: TypeAlias = str | Basic
"""An equation as a text, an expression that should be 0, or a SymPy equality."""


@dataclass(frozen=True)
class Residual:
    """Equations that hold on one set of points: ``weight`` · Σ over the equations of the mean residual² in the loss.

    An equation is a text, ``"u_t + u*u_x - 0.01*u_xx"``, or SymPy over functions of all inputs, as in
    ``Derivative(u(x, t), t) + u(x, t)*Derivative(u(x, t), x)``; what it gives should be 0, or it is an ``Eq``.
    """

    name: str
    equations: Written | tuple[Written, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.weight, (int, float)) or not (0 < self.weight < inf):
            raise SpecError(f"the residual {self.name!r}: weight: found {self.weight!r}, expected a positive number")

    @property
    def written(self) -> tuple[Written, ...]:
        """The equations, also where there is one."""
        return self.equations if isinstance(self.equations, tuple) else (self.equations,)


@dataclass(frozen=True)
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

    ``inputs`` and ``unknowns`` are names or symbols, or names with blanks between them. Raises :class:`SpecError` for
    an equation that cannot be read, for residuals of one name, and if the last layer has not one unit an unknown.
    """

    inputs: Any
    unknowns: Any
    layers: tuple[Layer, ...]
    residuals: tuple[Residual, ...]
    spec: PhysicsSpec | None = None
    """The spec it came from, if it came from one."""

    def __post_init__(self) -> None:
        for field in ("inputs", "unknowns"):
            given = getattr(self, field)
            names = given.split() if isinstance(given, str) else given if isinstance(given, (tuple, list)) else (given,)
            object.__setattr__(self, field, tuple(map(str, names)))
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "residuals", tuple(self.residuals))
        if self.network.outputs != len(self.unknowns):
            found = f"{self.network.outputs} outputs for the unknowns {', '.join(self.unknowns)}"
            raise SpecError(f"layers: found {found}, expected one output an unknown")
        names = [residual.name for residual in self.residuals]
        if not names or len(set(names)) < len(names):
            raise SpecError(f"residuals: expected at least one, each with a name of its own, found {', '.join(names)}")
        for residual in self.residuals:
            self._expressions(residual)

    @classmethod
    def from_spec(cls, source: str | Path | Mapping[str, Any] | PhysicsSpec) -> Physics:
        """The problem of a spec: a path to YAML or JSON, a dict, or a loaded :class:`PhysicsSpec`.

        Raises :class:`SpecError` naming file and field.
        """
        spec = source if isinstance(source, PhysicsSpec) else load_physics(source)
        layers = tuple(Layer(x.dense, x.activation, x.bias, x.initialiser) for x in spec.layers)
        residuals = tuple(Residual(name, part.equations, part.weight) for name, part in spec.residuals.items())
        return cls(tuple(spec.inputs), spec.unknowns, layers, residuals, spec)

    @cached_property
    def language(self) -> Language:
        """What the equations are written in."""
        return Language(self.inputs, self.unknowns)

    @cached_property
    def network(self) -> Network:
        """The network by itself: its layout, its initial parameters, its predictions."""
        return Network(len(self.inputs), self.layers, "mean_squared_error")

    def initial_parameters(self, seed: int = 0) -> np.ndarray:
        """Random weights by each layer's initialiser and zero biases, as one flat float64 vector."""
        return self.network.initial_parameters(seed)

    # --- the graph ------------------------------------------------------------------------------------------------

    def graph(self, residual: Residual) -> Graph:
        """The forward pass, the derivatives by the inputs that the residual has, and its weighted loss."""
        expressions = self._expressions(residual)
        used = {symbol.name for expression in expressions for symbol in expression.free_symbols}
        meanings = {name: self.language.derivatives[name] for name in self.language.derivatives if name in used}
        orders = list(dict.fromkeys(letters for _, letters in meanings.values()))
        columns = {name: ("x", column) for column, name in enumerate(self.inputs)}
        forward = self.network.forward_graph
        graph = mixed_partials(forward, "output", orders, columns) if orders else forward
        vertices = {letters: graph.variable(name) for letters, name in zip([(), *orders], graph.outputs)}
        S, x = sample_extent("S"), graph.variable("x")
        s = Index("s", S)
        values: dict[Basic, Basic] = {Symbol(n, real=True): x[s, column] for column, n in enumerate(self.inputs)}
        for name, (unknown, letters) in {**{u: (u, ()) for u in self.unknowns}, **meanings}.items():
            values[Symbol(name, real=True)] = vertices[letters][s, self.unknowns.index(unknown)]
        rows, equations = [], list(graph.equations)
        for number, expression in enumerate(expressions, 1):
            name = fresh_name("residual" if len(expressions) == 1 else f"residual{number}", graph.variables)
            rows.append(Variable(name, (S,))[s])
            equations.append(Equation(rows[-1], substitute(expression, values)))
        squares = exact(residual.weight) / S * Add(*[row**2 for row in rows])
        equations.append(Equation(Variable("loss").symbol, squares, Reduction.SUM, (s,)))
        return graph.with_equations(equations, ["loss"])

    def gradient_graph(self, residual: Residual) -> Graph:
        """The loss of a residual and its gradient with respect to every parameter."""
        return gradient(self.graph(residual), "loss", list(self.network.layout))

    def _expressions(self, residual: Residual) -> list[Expr]:
        found = []
        for number, written in enumerate(residual.written):
            where = f"residuals.{residual.name}.equation" + (f"[{number}]" if len(residual.written) > 1 else "")
            read = self.language.parse if isinstance(written, str) else self.language.read
            found.append(read(written, where))
        return found

    # --- compiled -------------------------------------------------------------------------------------------------

    def compile(self, dtype: Dtype = "float64", schedule: ScheduleName = "auto", cache: bool = True) -> PhysicsModel:
        """The compiled functions of this problem; each is compiled when it is first used."""
        return PhysicsModel(self, dtype, schedule, cache)


@dataclass(frozen=True)
class PhysicsModel:
    """The compiled functions of a problem. Points are arrays (S, inputs), one a residual, in the residuals' order."""

    physics: Physics
    dtype: Dtype = "float64"
    schedule: ScheduleName = "auto"
    cache: bool = True

    @cached_property
    def predict(self) -> CompiledFunction:
        """``predict(theta, points) -> (S, unknowns)``."""
        return self._compile(self.physics.network.forward_graph)

    @cached_property
    def parts(self) -> Mapping[str, CompiledFunction]:
        """By the name of each residual, ``value_and_grad(theta, points, out=None) -> (loss, gradient)`` of its part."""
        return {r.name: self._compile(self.physics.gradient_graph(r)) for r in self.physics.residuals}

    def value_and_grad(self, theta: np.ndarray, *points: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss, the sum of its parts, and its gradient, laid out like theta."""
        self._require(points)
        found = [part(theta, where) for part, where in zip(self.parts.values(), points)]
        return sum(loss for loss, _ in found), np.sum([slope for _, slope in found], axis=0)

    def losses(self, theta: np.ndarray, *points: np.ndarray) -> dict[str, float]:
        """The parts of the loss by the names of the residuals."""
        self._require(points)
        return {name: part(theta, where)[0] for (name, part), where in zip(self.parts.items(), points)}

    def objective(self, *points: np.ndarray) -> Objective:
        """``fun(theta) -> (loss, gradient)`` on these points, for ``scipy.optimize.minimize(fun, theta, jac=True)``."""
        self._require(points)
        return Objective(self, points)

    def _require(self, points: Sequence[np.ndarray]) -> None:
        names = [residual.name for residual in self.physics.residuals]
        if len(points) != len(names):
            raise TypeError(f"expected {len(names)} arrays of points ({', '.join(names)}), found {len(points)}")

    def _compile(self, graph: Graph) -> CompiledFunction:
        pack = {"theta": list(self.physics.network.layout)}
        if len(graph.outputs) > 1:
            pack["gradient"] = list(graph.outputs[1:])
        return compile(graph, dtype=self.dtype, schedule=self.schedule, cache=self.cache, pack=pack)


class Objective:
    """Loss and gradient as a function of theta alone: every part is bound to its points and to memory of its own.

    The points may change in place between calls. Calls return the same array of gradients and must not run at once.
    """

    def __init__(self, model: PhysicsModel, points: Sequence[np.ndarray]) -> None:
        count = model.physics.network.parameter_count
        self._theta = np.zeros(count, model.dtype)
        self._gradients = np.zeros((len(points), count), model.dtype)
        self._gradient = np.zeros(count, model.dtype)
        parts = zip(model.parts.values(), points, self._gradients)
        self._calls = [part.bind(self._theta, where, out=row) for part, where, row in parts]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its gradient."""
        self._theta[:] = theta
        loss = sum(call()[0] for call in self._calls)
        return loss, np.sum(self._gradients, axis=0, out=self._gradient)


# --- points -------------------------------------------------------------------------------------------------------


def sample(ranges: Sequence[tuple[float, float] | Sequence[float]], count: int, seed: int = 0) -> np.ndarray:
    """``count`` points: each input from its range ``(low, high)``, or in turn from the values ``[v, …]`` of a list.

    A Latin hypercube (McKay, Beckman, Conover 1979): of ``count`` equal pieces of each range every one has a point.

    >>> sample([(-1.0, 1.0), [0.0]], 3).shape
    (3, 2)
    >>> np.sort(np.floor(sample([(0.0, 4.0)], 4)), axis=0).T
    array([[0., 1., 2., 3.]])
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    columns = []
    for values in ranges:
        if isinstance(values, tuple):
            low, high = values
            columns.append(low + (high - low) * (generator.permutation(count) + generator.random(count)) / count)
        else:
            columns.append(np.resize(np.asarray(values, dtype=float), count))
    return np.column_stack(columns)


# --- training -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Solution:
    """Parameters that bring the residuals near 0, the loss there, and what it took."""

    theta: np.ndarray
    loss: float
    iterations: int
    seconds: float
    stopped: str


def solve(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
    theta: np.ndarray,
    *,
    adam: int = 0,
    learning_rate: float = 1e-3,
    iterations: int = 5000,
    memory: int = 50,
    seconds: float | None = None,
) -> Solution:
    """Minimise by ``adam`` steps of Adam, then by at most so many ``iterations`` of L-BFGS.

    L-BFGS (Liu, Nocedal 1989) is SciPy's, with the last ``memory`` pairs of steps and changes of the gradient. After
    ``seconds`` it stops with what it has. Raises :class:`DataError` if the loss at the beginning is not finite.
    """
    from scipy.optimize import minimize

    started = time.perf_counter()
    if not np.isfinite(objective(theta)[0]):
        raise DataError(
            "the loss at the first parameters is not finite; expected points where the equations are defined"
        )
    current = _adam(objective, np.array(theta, dtype=float), adam, learning_rate)
    stopped: list[str] = []

    def watch(intermediate_result: Any) -> None:
        if seconds is not None and time.perf_counter() - started > seconds:
            stopped.append("out of time")
            raise StopIteration

    options = {"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": memory, "ftol": 0.0, "gtol": 1e-9}
    found = minimize(objective, current, jac=True, method="L-BFGS-B", callback=watch, options=options)
    why = stopped[0] if stopped else str(found.message).capitalize()
    return Solution(found.x, float(found.fun), adam + int(found.nit), time.perf_counter() - started, why)


def solve_spec(physics: Physics, settings: SolverSpec | None = None) -> tuple[Solution, dict[str, float]]:
    """Solve a problem that came from a spec, on random points as it says; and the parts of the loss that are left."""
    spec = physics.spec
    if spec is None:
        raise SpecError("expected a problem that came from a spec, which says where its points are")
    settings = settings or spec.solver
    model = physics.compile()
    points = [
        sample([part.at.get(name, limits) for name, limits in spec.inputs.items()], part.points, settings.seed + number)
        for number, part in enumerate(spec.residuals.values())
    ]
    found = solve(
        model.objective(*points),
        physics.initial_parameters(settings.seed),
        adam=settings.adam,
        learning_rate=settings.learning_rate,
        iterations=settings.iterations,
        seconds=settings.seconds,
    )
    return found, model.losses(found.theta, *points)


def _adam(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]], theta: np.ndarray, steps: int, learning_rate: float
) -> np.ndarray:
    rule = OPTIMISERS["adam"]
    state = rule.initial_state(theta)
    for step in range(1, steps + 1):
        _, slope = objective(theta)
        theta, *state = rule.compile()(theta, slope, *state, float(step), learning_rate, 0.9, 0.999, 1e-8)
    return theta
