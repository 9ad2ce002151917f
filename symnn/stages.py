"""A second stage: what a network of differential equations has left over is learnt by the same network made linear.

u = u(θ) + ∂u/∂θ·δ with θ as it was found. Levenberg-Marquardt has to go along the curved surface of all u(θ) and makes
ever smaller steps; in the tangent space of the same parameters the residuals are a linear function of δ, and the least
squares are one singular value decomposition of J. Stages of which each learns the rest, scaled up: Wang, Lai,
Multi-stage neural networks: function approximator of machine precision, J. Comput. Phys. 2024.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sympy import Symbol
from sympy.core.basic import Basic

from codegen import CompiledFunction, Index, Variable, compile, from_expressions, sample_extent
from codegen.cached import cached_property
from codegen.walk import replace as substituted
from symnn.beginnings import ALL
from symnn.errors import DataError, SpecError
from symnn.given import called
from symnn.least_squares import LeastSquares, Rows
from symnn.physics import Physics, PhysicsModel, Residual
from symnn.physics_spec import PhysicsSpec
from symnn.references import OTHER, Reference
from symnn.solving import Mark, Solution, points_of

CUT = 1e-15
"""Singular values of J below this part of the largest say nothing: they are rounding."""
MOST_BYTES = 1 << 31
"""Of J, which is decomposed as a whole."""
SHORTEST = 1e-3
"""The part of δ below which no lower loss is looked for."""


@dataclass(frozen=True, eq=False)
class Tangent:
    """The unknowns u(θ) + ∂u/∂θ·δ, with δ the ``step``.

    ``losses`` are by residual what the equations leave over of them on the points, and not what linear ones would;
    ``before`` is the loss without δ there.
    """

    values: Values
    theta: np.ndarray
    step: np.ndarray
    losses: Mapping[str, float]
    before: float
    seconds: float = 0.0

    @property
    def loss(self) -> float:
        """The sum of the losses."""
        return sum(self.losses.values())

    @property
    def physics(self) -> Physics:
        """The problem."""
        return self.values.model.physics

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """θ by name, and δ with ``tangent.`` before the names."""
        split = self.physics.split
        return {**split(self.theta), **{f"tangent.{name}": part for name, part in split(self.step).items()}}

    def predict(self, points: np.ndarray) -> np.ndarray:
        """The unknowns at some points, (S, unknowns)."""
        return self.values.at(ALL, self.theta, self.step, points)

    def left(self, name: str, points: np.ndarray) -> np.ndarray:
        """What the equations of a residual leave over there, (S, equations); points with the data that it has."""
        return self.values.left(name, self.theta, self.step, points)

    def errors(self, reference: Reference) -> dict[str, float]:
        """By unknown, the relative L2 error against what is known."""
        return reference.errors_of(dict(zip(self.physics.unknowns, self.predict(reference.points).T)))

    def after(self, first: Solution) -> Solution:
        """Both stages as one, with the loss of the second."""
        seconds = first.seconds + self.seconds
        mark = Mark(first.iterations, seconds, self.loss, "tangent", {})
        return replace(first, loss=self.loss, seconds=seconds, history=(*first.history, mark))


@dataclass(frozen=True, eq=False)
class Values:
    """The unknowns and derivatives of a problem at points, and what its equations leave over of these numbers."""

    model: PhysicsModel

    def at(self, name: str, theta: np.ndarray, step: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Those that the equations of a residual have, for u(θ) + ∂u/∂θ·δ, (S, values)."""
        given = np.array(points, dtype=float, order="C")
        rows = Rows(self._model.rows[name], self._model.jacobians[name], self._model.arrays(name, given))
        problem = LeastSquares([rows], theta.size)
        problem.rescale(slice(None), 1.0)
        found: np.ndarray = problem.residuals(theta) + problem.times(theta, step)
        return found.reshape(len(given), -1)

    def left(self, name: str, theta: np.ndarray, step: np.ndarray, points: np.ndarray) -> np.ndarray:
        """What its equations leave over of them, (S, equations)."""
        count = len(self.model.physics.inputs)
        numbers = np.hstack([points[:, count:], self.at(name, theta, step, points)])
        return np.asarray(self._equations[name](np.array(points[:, :count], dtype=float, order="C"), numbers))

    @cached_property
    def _model(self) -> PhysicsModel:
        physics = self.model.physics
        values = [Residual(r.name, [str(node) for node in _nodes(physics, r)], 1.0, r.data) for r in physics.residuals]
        residuals = (Residual(ALL, physics.unknowns), *values)
        return replace(physics, residuals=residuals, spec=None).compile(cache=self.model.cache)

    @cached_property
    def _equations(self) -> Mapping[str, CompiledFunction]:
        physics = self.model.physics
        return {residual.name: _equations(physics, residual) for residual in physics.residuals}


@called(SpecError)
def tangent(model: PhysicsModel, theta: np.ndarray, *points: np.ndarray | Sequence[np.ndarray]) -> Tangent:
    """The second stage of a solution with the parameters ``theta``, on points as those that it was found on.

    δ is what brings r + J·δ to its least squares, without the directions in which J is rounding. It is halved while the
    equations themselves, of u(θ) + ∂u/∂θ·δ, leave over more than without it. There should be more points than
    parameters: twice as many equations or more.

    >>> import symnn
    >>> growth = symnn.Physics("t", "u", [symnn.dense(6, "tanh"), symnn.dense(1)], [symnn.Residual("rate", "u_t = u")],
    ...     forms={"u": ("1", "t")})
    >>> model, points = growth.compile(), symnn.sample([(0, 1)], 60, kind="sobol")
    >>> start = growth.initial_parameters(0)
    >>> first = symnn.solve(model.least_squares(points), start, methods=[{"levenberg_marquardt": 15}], progress=False)
    >>> second = tangent(model, first.theta, points)
    >>> bool(second.loss < first.loss / 100), bool(abs(second.predict(np.ones((1, 1)))[0, 0] - np.e) < 1e-6)
    (True, True)

    Raises :class:`SpecError` for coefficients that are to be found, slabs and float32, and :class:`DataError` for more
    points and parameters than can be decomposed, and for residuals that are not finite.
    """
    from scipy.linalg import lstsq

    physics = model.physics
    for beside, what in ((physics.coefficients, "coefficients"), (physics.origins, "slabs")):
        if beside:
            raise SpecError(f"tangent: found {what} beside it, expected a problem without them")
    if model.dtype != "float64":
        raise SpecError(f"tangent: found a model in {model.dtype}, expected one in float64")
    problem = model.least_squares(*points)
    if (bytes_ := 8 * problem.size * problem.count) > MOST_BYTES:
        shape = f"{problem.size:,} equations at points and {problem.count:,} parameters"
        raise DataError(f"tangent: found {shape}, {bytes_:,} bytes of J; expected at most {MOST_BYTES:,}")
    begun, values = time.perf_counter(), Values(model)
    theta = np.array(theta, dtype=float)
    r, J = problem.jacobian(theta)
    if not (np.isfinite(r).all() and np.isfinite(J).all()):
        raise DataError("tangent: the residuals are not finite; expected points where the equations are defined")
    step = lstsq(J, -r, cond=CUT, check_finite=False)[0]

    def losses(step: np.ndarray) -> dict[str, float]:
        found = {}
        for residual, rows, part in zip(physics.residuals, problem.where, problem.parts):
            left = problem.scale[rows] * values.left(residual.name, theta, step, np.hstack(part.arrays)).reshape(-1)
            found[residual.name] = float(left @ left)
        return found

    before = float(r @ r)
    part = 1.0
    with np.errstate(all="ignore"):
        while not sum((found := losses(part * step)).values()) < before and part:
            part = part / 2 if part > SHORTEST else 0.0
    return Tangent(values, theta, part * step, found, before, time.perf_counter() - begun)


def tangent_points(spec: PhysicsSpec, seed: int, directory: Path = Path()) -> list[np.ndarray]:
    """The points of the second stage: others than those of the first, and so many times as many as the spec says."""
    assert spec.tangent is not None
    times, residuals = spec.tangent.points, spec.residuals.items()
    more = {
        name: one.model_copy(update={"points": one.points and round(times * one.points)}) for name, one in residuals
    }
    return points_of(spec.model_copy(update={"residuals": more}), seed + OTHER, directory)


def _read(physics: Physics, residual: Residual) -> list[Basic]:
    """The equations over the unknowns, whatever is built in."""
    language = physics.language(residual)
    return [language.parse(one, "") if isinstance(one, str) else language.read(one, "") for one in residual.written]


def _nodes(physics: Physics, residual: Residual) -> list[Basic]:
    """The unknowns and derivatives in the equations of a residual."""
    language = physics.language(residual)
    return list(dict.fromkeys(node for one in _read(physics, residual) for node in language.values(one)))


def _equations(physics: Physics, residual: Residual) -> CompiledFunction:
    """What the equations leave over of numbers in place of the unknowns and derivatives."""
    S, equations = sample_extent("S"), _read(physics, residual)
    names, nodes = (*map(_symbol, residual.data),), _nodes(physics, residual)
    s, x = Index("s", S), Variable("x", (S, len(physics.inputs)))
    data, left = Variable("data", (S, len(names) + len(nodes))), Variable("residuals", (S, len(equations)))
    columns: dict[Basic, Basic] = {_symbol(name): x[s, column] for column, name in enumerate(physics.inputs)}
    columns |= {node: data[s, column] for column, node in enumerate((*names, *nodes))}
    bodies = {left[s, number]: substituted(one, columns) for number, one in enumerate(equations)}
    return compile(from_expressions(bodies, [x, data]))


def _symbol(name: str) -> Symbol:
    return Symbol(name, real=True)
