"""Long times in slabs, one after the other: each begins with what the last one ended with.

All slabs are one compiled problem on the same points, moved along: the network gets the time since its slab began, and
the initial values are data at the points, at first those of the formulas, then the last slab's own values and slopes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np

from symnn.errors import DataError, SpecError
from symnn.given import called
from symnn.physics import Physics, PhysicsModel
from symnn.physics_spec import SolverSpec
from symnn.references import reference_of
from symnn.resuming import INTERRUPTED
from symnn.solving import Solution, solve


@dataclass(frozen=True, eq=False)
class March:
    """The solution of each slab, and where they begin; until: where those end that Ctrl-C left."""

    model: PhysicsModel
    starts: np.ndarray
    solutions: tuple[Solution, ...]
    until: float = inf

    @property
    def theta(self) -> np.ndarray:
        """The parameters of all slabs, (slabs, parameters)."""
        return np.array([one.theta for one in self.solutions])

    def predict(self, points: np.ndarray) -> np.ndarray:
        """The unknowns at some points, (S, unknowns), each by the network of its slab.

        Raises :class:`DataError` for points of slabs that were not solved.
        """
        physics = self.model.physics
        (along,) = physics.origins
        times = points[:, physics.inputs.index(along)]
        if (times > self.until).any():
            raise DataError(
                f"points: found {along} = {times.max():g}, expected at most {self.until:g}: Ctrl-C came then"
            )
        slabs = np.clip(np.searchsorted(self.starts, times, side="right") - 1, 0, len(self.solutions) - 1)
        found = np.empty((len(points), len(physics.unknowns)))
        for slab in np.unique(slabs):
            here = slabs == slab
            placed = np.column_stack([points[here], np.full(here.sum(), self.starts[slab])])
            found[here] = self.model.predict(self.solutions[slab].theta, placed)
        return found

    def errors(self, seed: int = 0, directory: Path = Path()) -> dict[str, float]:
        """By unknown, the relative L2 error against what the spec gives; nothing if it gives nothing."""
        if (reference := reference_of(self.model.physics, seed, directory)) is None:
            return {}
        return reference.errors_of(dict(zip(self.model.physics.unknowns, self.predict(reference.points).T)))


@called(SpecError)
def march(
    physics: Physics,
    settings: SolverSpec | None = None,
    progress: bool | None = None,
    each: Callable[[int, Solution], object] = lambda number, solution: None,
) -> March:
    """Solve the slabs of a spec one after the other, each from the parameters of the last.

    ``settings`` are those of one slab, its seconds too; ``each`` is called after every slab. Ctrl-C ends it with the
    slab under way.

    >>> decay = Physics.from_spec({
    ...     "inputs": {"t": [0, 4]}, "unknowns": "u", "layers": [{"dense": 6, "activation": "tanh"}, {"dense": 1}],
    ...     "slabs": {"t": 2},
    ...     "residuals": {"rate": {"equation": "u_t = -u", "points": 20},
    ...                   "start": {"equation": "u = 1", "at": {"t": 0}, "points": 1}}})
    >>> found = march(decay, SolverSpec(methods=[{"levenberg_marquardt": 40}]), progress=False)
    >>> bool(abs(found.predict(np.array([[3.0]]))[0, 0] - np.exp(-3)) < 1e-4)
    True

    Raises :class:`SpecError` for a problem without slabs.
    """
    spec = physics.spec
    if spec is None or not spec.slabs:
        raise SpecError("expected a spec with slabs, such as slabs: {t: 10}")
    settings = settings or spec.solver
    ((along, count),) = spec.slabs.items()
    low, high = spec.inputs[along]
    starts, column = low + (high - low) * np.arange(count) / count, physics.inputs.index(along)
    first, model, names = spec.first_slab(), physics.compile(), list(spec.on_points)
    drawn = [
        first.points(name, part.points or 1, settings.seed + n) for n, (name, part) in enumerate(spec.on_points.items())
    ]
    inputs = len(spec.inputs)
    places = [np.column_stack([points[:, :inputs], np.full(len(points), low)]) for points in drawn]
    data = [points[:, inputs:] for points in drawn]
    carried = {
        number: [one.value for one in given] for number, name in enumerate(names) if (given := spec.initial(name))
    }
    for number, values in carried.items():
        data[number] = physics.formulas(values)(np.ascontiguousarray(places[number][:, :-1]))
    problem = model.least_squares(*(np.hstack(pair) for pair in zip(places, data)))
    theta, solutions = physics.initial_parameters(settings.seed), []
    for number, start in enumerate(starts):
        for part, begun in enumerate(places):
            moved = begun.copy()
            moved[:, column] += start - low
            moved[:, -1] = start
            problem.replace(part, [moved, data[part]] if data[part].shape[1] else [moved])
        found = solve(problem, theta, methods=settings.schedule, seconds=settings.seconds, progress=progress)
        theta = found.theta
        solutions.append(found)
        each(number, found)
        if found.stopped == INTERRUPTED:
            until = start + (high - low) / count
            return March(model, starts[: number + 1], tuple(solutions), inf if number + 1 == count else until)
        for part in carried:
            data[part] = _ended(model, names[part], theta, places[part], column, start, (high - low) / count)
    return March(model, starts, tuple(solutions))


def _ended(
    model: PhysicsModel, name: str, theta: np.ndarray, places: np.ndarray, column: int, start: float, length: float
) -> np.ndarray:
    """What a slab ends with at the places of initial values: what their residual leaves over of values that are 0."""
    end = places.copy()
    end[:, column], end[:, -1] = start + length, start
    (residual,) = (one for one in model.physics.residuals if one.name == name)
    nothing = np.zeros((len(end), len(residual.data)))
    return np.asarray(model.rows[name](theta, end, nothing)).reshape(len(end), -1).copy()
