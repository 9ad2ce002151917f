"""Training a network on differential equations: steps of Adam, then L-BFGS."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from symnn.errors import DataError, SpecError
from symnn.optimisers import OPTIMISERS
from symnn.physics import Physics
from symnn.physics_spec import SolverSpec
from symnn.points import sample
from symnn.spec import read_spec
from symnn.suggest import quote

ObjectiveLike: TypeAlias = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""``fun(theta) -> (loss, gradient)``."""


@dataclass(frozen=True)
class Solution:
    """Parameters that bring the residuals near 0, the loss there, and what it took."""

    theta: np.ndarray
    loss: float
    iterations: int
    seconds: float
    stopped: str


def solve(
    objective: ObjectiveLike,
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
    ``seconds`` it stops with what it has.

    >>> solve(lambda theta: (float(theta @ theta), 2 * theta), np.ones(3)).loss < 1e-20
    True

    Raises :class:`SpecError` for a setting out of its range, and :class:`DataError` for parameters that are no vector
    of finite numbers, for an objective that does not give a loss and a gradient like theta, and if the loss at the
    beginning is not finite.
    """
    settings = {"adam": adam, "learning_rate": learning_rate, "iterations": iterations, "memory": memory}
    return _solve(objective, theta, read_spec(SolverSpec, settings | {"seconds": seconds}, "solve"))


def _solve(objective: ObjectiveLike, theta: np.ndarray, settings: SolverSpec) -> Solution:
    from scipy.optimize import minimize

    started = time.perf_counter()

    def is_late() -> bool:
        return settings.seconds is not None and time.perf_counter() - started > settings.seconds

    def watch(intermediate_result: Any) -> None:
        if is_late():
            raise StopIteration

    current, steps = _adam(objective, _checked_start(objective, theta), settings, is_late)
    if settings.iterations == 0 or is_late():  # SciPy makes an iteration even if it is to make none
        why = "out of time" if is_late() else "no iterations of L-BFGS asked for"
        return Solution(current, float(objective(current)[0]), steps, time.perf_counter() - started, why)
    options = {
        "maxiter": settings.iterations,
        "maxfun": 2 * settings.iterations,
        "maxcor": settings.memory,
        "ftol": 0.0,
        "gtol": 1e-9,
    }
    found = minimize(objective, current, jac=True, method="L-BFGS-B", callback=watch, options=options)
    why = "out of time" if is_late() else str(found.message).capitalize().strip(" :")
    return Solution(found.x, float(found.fun), steps + int(found.nit), time.perf_counter() - started, why)


def _checked_start(objective: ObjectiveLike, theta: np.ndarray) -> np.ndarray:
    """A float64 copy of the parameters at which to begin."""
    try:
        start = np.array(theta, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"theta: expected a vector of numbers, found {quote(theta)}") from None
    if start.ndim != 1 or not start.size or not np.isfinite(start).all():
        found = f"an array of shape {start.shape}" if start.ndim != 1 or not start.size else "one that is not finite"
        raise DataError(f"theta: expected a vector of finite numbers, found {found}")
    given = objective(start)
    if not (
        isinstance(given, tuple) and len(given) == 2 and np.ndim(given[0]) == 0 and np.shape(given[1]) == start.shape
    ):
        raise DataError(f"objective: expected a loss and a gradient of {start.size:,} numbers, found {quote(given)}")
    if not np.isfinite(given[0]):
        raise DataError(
            "the loss at the first parameters is not finite; expected points where the equations are defined"
        )
    return start


def _adam(
    objective: ObjectiveLike, theta: np.ndarray, settings: SolverSpec, is_late: Callable[[], bool]
) -> tuple[np.ndarray, int]:
    """The parameters after the steps of Adam that there was time for, and their number."""
    rule = OPTIMISERS["adam"]
    state = rule.initial_state(theta)
    for step in range(1, settings.adam + 1):
        if is_late():
            return theta, step - 1
        _, slope = objective(theta)
        theta, *state = rule.compile()(theta, slope, *state, float(step), settings.learning_rate, 0.9, 0.999, 1e-8)
    return theta, settings.adam


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
    found = _solve(model.objective(*points), physics.initial_parameters(settings.seed), settings)
    return found, model.losses(found.theta, *points)
