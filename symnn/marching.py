"""Long times in slabs, one after the other: each begins with what the last one ended with.

All slabs are one compiled problem on the same points, moved along: the network gets the time since its slab began, and
the initial values are data at the points, at first those of the formulas, then the last slab's own values and slopes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from symnn.errors import DataError, SpecError
from symnn.given import called
from symnn.physics import Physics, PhysicsModel
from symnn.physics_spec import PhysicsSpec, SolverSpec
from symnn.references import reference_of
from symnn.resuming import (
    INTERRUPTED,
    Count,
    Expected,
    Keeping,
    Numbers,
    Seconds,
    State,
    digest,
    keeping_for,
)
from symnn.solving import Mark, Solution, solve

DONE = "done before it was resumed"
"""Why a slab has ended that was read from a file."""


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

    @property
    def physics(self) -> Physics:
        """The problem."""
        return self.model.physics

    @property
    def whole(self) -> Solution:
        """All slabs as one: their largest loss, what they took together, and their histories one after the other."""
        history: list[Mark] = []
        made, spent = 0, 0.0
        for one in self.solutions:
            history += [
                replace(mark, iterations=made + mark.iterations, seconds=spent + mark.seconds) for mark in one.history
            ]
            made, spent = made + one.iterations, spent + one.seconds
        loss = max(one.loss for one in self.solutions)
        return Solution(self.theta.ravel(), loss, made, spent, self.solutions[-1].stopped, tuple(history))

    def predict(self, points: np.ndarray) -> np.ndarray:
        """The unknowns at some points, (S, unknowns), each by the network of its slab.

        Raises :class:`DataError` for points of slabs that were not solved.
        """
        return self._by_slab(self.model.predict, points, len(self.physics.unknowns))

    def left(self, name: str, points: np.ndarray) -> np.ndarray:
        """What the equations of a residual leave over there, (S, equations); not of the one that slabs begin with."""
        (equations,) = (len(one.written) for one in self.physics.residuals if one.name == name)
        return self._by_slab(self.model.rows[name], points, equations)

    def _by_slab(self, function: Callable[..., np.ndarray], points: np.ndarray, columns: int) -> np.ndarray:
        (along,) = self.physics.origins
        times = points[:, self.physics.inputs.index(along)]
        if (times > self.until).any():
            found, most = times.max(), self.until
            raise DataError(f"points: found {along} = {found:g}, expected at most {most:g}: Ctrl-C came then")
        slabs = np.clip(np.searchsorted(self.starts, times, side="right") - 1, 0, len(self.solutions) - 1)
        found = np.empty((len(points), columns))
        for slab in np.unique(slabs):
            here = slabs == slab
            placed = np.column_stack([points[here], np.full(here.sum(), self.starts[slab])])
            found[here] = function(self.solutions[slab].theta, placed).reshape(-1, columns)
        return found

    def errors(self, seed: int = 0, directory: Path = Path()) -> dict[str, float]:
        """By unknown, the relative L2 error against what the spec gives; nothing if it gives nothing."""
        if (reference := reference_of(self.model.physics, seed, directory)) is None:
            return {}
        return reference.errors_of(dict(zip(self.model.physics.unknowns, self.predict(reference.points).T)))


class MarchNumbers(Numbers):
    """What the slabs that are done have come to, in a file."""

    losses: list[Annotated[float, Field(ge=0)]]
    iterations: list[Count]
    seconds: list[Seconds]


@called(SpecError)
def march(
    physics: Physics,
    settings: SolverSpec | None = None,
    progress: bool | None = None,
    each: Callable[[int, Solution], object] = lambda number, solution: None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
) -> March:
    """Solve the slabs of a spec one after the other, each from the parameters of the last.

    ``settings`` are those of one slab, its seconds too; ``each`` is called after every slab. ``state`` is a file that
    keeps the slabs that are done; with ``resume`` the same call goes on after them: a slab that was broken off begins
    again. Ctrl-C ends it with the slabs so far, the last one as far as it came.

    >>> decay = Physics.from_spec({
    ...     "inputs": {"t": [0, 4]}, "unknowns": "u", "layers": [{"dense": 6, "activation": "tanh"}, {"dense": 1}],
    ...     "slabs": {"t": 2},
    ...     "residuals": {"rate": {"equation": "u_t = -u", "points": 20},
    ...                   "start": {"equation": "u = 1", "at": {"t": 0}, "points": 1}}})
    >>> found = march(decay, SolverSpec(methods=[{"levenberg_marquardt": 40}]), progress=False)
    >>> bool(abs(found.predict(np.array([[3.0]]))[0, 0] - np.exp(-3)) < 1e-4)
    True

    Raises :class:`SpecError` for a problem without slabs, and :class:`CheckpointError` for a state that cannot be read
    or written, or of another run.
    """
    spec = physics.spec
    if spec is None or not spec.slabs:
        raise SpecError("expected a spec with slabs, such as slabs: {t: 10}")
    settings = settings or spec.solver
    slabs = _Slabs(physics, spec, settings.seed)
    theta, solutions = physics.initial_parameters(settings.seed), list[Solution]()
    with keeping_for(state) as keeping:
        equations = [str(one) for residual in physics.residuals for one in residual.written]
        begun_with = {
            "equations": digest(*equations),
            "points": digest(slabs.starts, *slabs.problem.content.values()),
            "parameters": digest(theta),
            "settings": digest(settings.model_dump_json()),
        }
        done = _done(keeping, resume, begun_with, len(slabs.starts), theta.size)

        def reached() -> State | None:
            numbers = MarchNumbers(
                begun_with=begun_with,
                losses=[one.loss for one in solutions],
                iterations=[one.iterations for one in solutions],
                seconds=[one.seconds for one in solutions],
            )
            return State(numbers, {"theta": np.array([one.theta for one in solutions])}) if solutions else None

        for number, start in enumerate(slabs.starts):
            slabs.move(start)
            if number < len(done):
                found = done[number]
            else:
                found = solve(
                    slabs.problem, theta, methods=settings.schedule, seconds=settings.seconds, progress=progress,
                    callback=lambda _: keeping.pause(reached),
                )  # fmt: skip
            if found.stopped == INTERRUPTED:
                solutions.append(found)
                break
            theta = found.theta
            slabs.end(theta, start)
            solutions.append(found)
            each(number, found)
            if number >= len(done) and (finished := reached()) is not None:
                keeping.write(finished)
        keeping.end(solutions[-1].stopped)
    count = len(solutions)
    until = slabs.starts[count] if count < len(slabs.starts) else inf
    return March(slabs.model, slabs.starts[:count], tuple(solutions), until)


class _Slabs:
    """The one problem of all slabs: its points in the slab that it was moved to, and what that begins with."""

    def __init__(self, physics: Physics, spec: PhysicsSpec, seed: int) -> None:
        ((along, count),) = spec.slabs.items()
        self.low, high = spec.inputs[along]
        self.length = (high - self.low) / count
        self.starts = self.low + (high - self.low) * np.arange(count) / count
        self.column, inputs = physics.inputs.index(along), len(spec.inputs)
        first, self.model, self.names = spec.first_slab(), physics.compile(), list(spec.on_points)
        drawn = [
            first.points(name, part.points or 1, seed + n) for n, (name, part) in enumerate(spec.on_points.items())
        ]
        self.places = [np.column_stack([points[:, :inputs], np.full(len(points), self.low)]) for points in drawn]
        self.data = [points[:, inputs:] for points in drawn]
        self.carried = []
        for number, name in enumerate(self.names):
            if given := spec.initial(name):
                values = physics.formulas([one.value for one in given])
                self.data[number] = values(np.ascontiguousarray(self.places[number][:, :-1]))
                self.carried.append(number)
        self.problem = self.model.least_squares(*(np.hstack(pair) for pair in zip(self.places, self.data)))

    def move(self, start: float) -> None:
        """To the slab that begins there."""
        for part, begun in enumerate(self.places):
            moved = begun.copy()
            moved[:, self.column] += start - self.low
            moved[:, -1] = start
            self.problem.replace(part, [moved, self.data[part]] if self.data[part].shape[1] else [moved])

    def end(self, theta: np.ndarray, start: float) -> None:
        """The next slab begins with what this one ends with."""
        for part in self.carried:
            name, places = self.names[part], self.places[part]
            self.data[part] = _ended(self.model, name, theta, places, self.column, start, self.length)


def _done(keeping: Keeping, resume: bool, begun_with: Mapping[str, str], slabs: int, size: int) -> list[Solution]:
    """The slabs that a file has."""
    found = keeping.content(resume, MarchNumbers, 8 * slabs * size)
    if found is None:
        return []
    numbers, raw = found
    keeping.require_same(numbers.begun_with, begun_with)
    count = len(numbers.losses)
    same = count == len(numbers.iterations) == len(numbers.seconds) and 1 <= count <= slabs
    keeping.require(same, f"{count} losses of {slabs} slabs, and {len(numbers.iterations)} numbers of iterations")
    theta = keeping.tensors(raw, {"theta": Expected("float64", (count, size))})["theta"]
    rows = zip(theta, numbers.losses, numbers.iterations, numbers.seconds)
    return [Solution(np.array(one), loss, made, spent, DONE) for one, loss, made, spent in rows]


def _ended(
    model: PhysicsModel, name: str, theta: np.ndarray, places: np.ndarray, column: int, start: float, length: float
) -> np.ndarray:
    """What a slab ends with at the places of initial values: what their residual leaves over of values that are 0."""
    end = places.copy()
    end[:, column], end[:, -1] = start + length, start
    (residual,) = (one for one in model.physics.residuals if one.name == name)
    nothing = np.zeros((len(end), len(residual.data)))
    return np.asarray(model.rows[name](theta, end, nothing)).reshape(len(end), -1).copy()
