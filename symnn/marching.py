"""Long times in slabs, one after the other: each begins with what the last one ended with.

All slabs are one compiled problem on the same points, moved along: the network gets the time since its slab began, and
the initial values are data at the points, at first those of the formulas, then the last slab's own values and slopes.
So is what a slab begins with where that is built in, see :mod:`symnn.beginnings`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationError

from codegen import CompiledFunction
from symnn.arrays import read_array
from symnn.beginnings import ALL, Beginnings
from symnn.errors import CheckpointError, DataError, SpecError
from symnn.given import called
from symnn.physics import Physics, PhysicsModel
from symnn.physics_spec import PhysicsSpec, SolverSpec
from symnn.references import Reference, reference_of
from symnn.resuming import (
    INTERRUPTED,
    AnyNumbers,
    Count,
    Expected,
    Keeping,
    Numbers,
    Raw,
    Seconds,
    State,
    digest,
    keeping_for,
)
from symnn.solving import Mark, Solution, renewals, solve
from symnn.suggest import quote

DONE = "done before it was resumed"
"""Why a slab has ended that was read from a file."""
WITHIN = "slab."
"""What the names of the tensors of the run under way begin with."""


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

        Raises :class:`DataError` for points of slabs that were not solved, and for what is no array (S, inputs).
        """
        beginnings = _beginnings(self.physics)

        def predict(slab: int, places: np.ndarray) -> np.ndarray:
            begun = beginnings.at(ALL, places, self.theta[:slab], self.starts)
            found = beginnings.unknowns(begun, places)
            found += self.model.predict(self.solutions[slab].theta, places)
            return found

        return self._by_slab(predict, points, len(self.physics.unknowns))

    def left(self, name: str, points: np.ndarray) -> np.ndarray:
        """What the equations of a residual leave over there, (S, equations); not of the one that slabs begin with."""
        (equations,) = (len(one.written) for one in self.physics.residuals if one.name == name)
        beginnings = _beginnings(self.physics)

        def left(slab: int, places: np.ndarray) -> np.ndarray:
            begun = beginnings.at(name, places, self.theta[:slab], self.starts)
            arrays = self.model.arrays(name, np.hstack([places, begun]))
            found: np.ndarray = self.model.rows[name](self.solutions[slab].theta, *arrays)
            return found

        return self._by_slab(left, points, equations)

    def _by_slab(
        self, function: Callable[[int, np.ndarray], np.ndarray], points: np.ndarray, columns: int
    ) -> np.ndarray:
        (along,) = self.physics.origins
        points = self._checked(points)
        times = points[:, self.physics.inputs.index(along)]
        if (times > self.until).any():
            found, most = times.max(), self.until
            raise DataError(f"points: found {along} = {found:g}, expected at most {most:g}: Ctrl-C came then")
        slabs = np.clip(np.searchsorted(self.starts, times, side="right") - 1, 0, len(self.solutions) - 1)
        found = np.empty((len(points), columns))
        for slab in np.unique(slabs):
            here = slabs == slab
            placed = np.column_stack([points[here], np.full(here.sum(), self.starts[slab])])
            found[here] = function(int(slab), placed).reshape(-1, columns)
        return found

    def _checked(self, points: Any) -> np.ndarray:
        names = self.physics.inputs[: -len(self.physics.origins)]
        found = read_array("points", points, DataError)
        if found.dtype.kind not in "iuf" or found.ndim != 2 or found.shape[1] != len(names):
            expected = f"numbers (points, {len(names)}), a column for each of {', '.join(names)}"
            raise DataError(f"points: expected {expected}, found an array of {found.dtype} with shape {found.shape}")
        if not np.isfinite(found).all():
            raise DataError("points: expected finite numbers, found others")
        return found.astype(np.float64)

    def errors(self, seed: int = 0, directory: Path = Path()) -> dict[str, float]:
        """By unknown, the relative L2 error against what the spec gives; nothing if it gives nothing."""
        reference = reference_of(self.model.physics, seed, directory)
        return {} if reference is None else self.errors_against(reference)

    def errors_against(self, reference: Reference) -> dict[str, float]:
        """By unknown, the relative L2 error."""
        return reference.errors_of(dict(zip(self.model.physics.unknowns, self.predict(reference.points).T)))


class MarchNumbers(Numbers):
    """What the slabs that are done have come to, in a file."""

    losses: list[Annotated[float, Field(ge=0)]]
    iterations: list[Count]
    seconds: list[Seconds]
    under_way: dict[str, Any] | None = None
    """The numbers of the run in the slab after them."""


class _Within(Keeping):
    """Keeps the run in a slab in the file of those that are done, which ``done`` gives."""

    def __init__(self, outer: Keeping, done: Callable[[], State], found: tuple[Any, Mapping[str, Raw]] | None) -> None:
        super().__init__(None)
        self.path, self._outer, self._done, self._found = outer.path, outer, done, found

    def __enter__(self) -> Keeping:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def content(self, resume: bool, numbers: type[AnyNumbers], most: int) -> tuple[AnyNumbers, dict[str, Raw]] | None:
        """Of the run that was under way."""
        if self._found is None:
            return None
        try:
            return numbers.model_validate(self._found[0]), dict(self._found[1])
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, ("under_way", *first["loc"])))
            raise CheckpointError(f"{self.path}: {where}: found {quote(first['input'])}: {first['msg']}") from None

    def pause(self, state: Callable[[], State | None]) -> None:
        """With the slabs that are done."""
        self._outer.pause(lambda: None if (found := state()) is None else self._with(found))

    def write(self, state: State) -> None:
        """With the slabs that are done."""
        self._outer.write(self._with(state))

    def _with(self, inner: State) -> State:
        done = self._done()
        numbers = done.numbers.model_copy(update={"under_way": inner.numbers.model_dump()})
        return State(numbers, {**done.tensors, **{f"{WITHIN}{name}": t for name, t in inner.tensors.items()}})


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
    keeps the slabs that are done and where the one under way stands; with ``resume`` the same call goes on from there.
    Ctrl-C ends it with the slabs so far, the last one as far as it came.

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
            "settings": digest(settings.model_dump_json(), str(spec.resampling), str(spec.balance)),
        }
        most = max(method.most(theta.size) for method in settings.schedule) + (len(slabs.starts) + 4) * theta.size
        content = sum(array.nbytes for array in slabs.problem.content.values())
        done, under_way = _done(keeping, resume, begun_with, len(slabs.starts), theta.size, 8 * most + content)

        def reached() -> State:
            numbers = MarchNumbers(
                begun_with=begun_with,
                losses=[one.loss for one in solutions],
                iterations=[one.iterations for one in solutions],
                seconds=[one.seconds for one in solutions],
            )
            return State(numbers, {"theta": np.array([one.theta for one in solutions])} if solutions else {})

        for number, start in enumerate(slabs.starts):
            slabs.move(start)
            if number < len(done):
                found = done[number]
            else:
                within = _Within(keeping, reached, under_way if number == len(done) else None)
                found = solve(
                    slabs.problem, theta, methods=settings.schedule, seconds=settings.seconds, progress=progress,
                    renewals=renewals(spec, settings.seed, slabs.drawn), state=within, resume=True,
                )  # fmt: skip
            if found.stopped == INTERRUPTED:
                solutions.append(found)
                break
            theta = found.theta
            slabs.end(theta)
            solutions.append(found)
            each(number, found)
            if number >= len(done):
                keeping.write(reached())
        keeping.end(solutions[-1].stopped)
    count = len(solutions)
    until = slabs.starts[count] if count < len(slabs.starts) else inf
    return March(slabs.model, slabs.starts[:count], tuple(solutions), until)


class _Slabs:
    """The one problem of all slabs: its points in the slab that it was moved to, and what that begins with."""

    def __init__(self, physics: Physics, spec: PhysicsSpec, seed: int) -> None:
        ((along, count),) = spec.slabs.items()
        low, high = spec.inputs[along]
        self.low, self.start, self.thetas = low, low, list[np.ndarray]()
        self.starts = low + (high - low) * np.arange(count) / count
        self.first, self.model, self.names = spec.first_slab(), physics.compile(), list(spec.on_points)
        self.column, self.inputs, self.length = physics.inputs.index(along), len(spec.inputs), spec.slab_length
        self.beginnings, self.initial = _beginnings(physics), dict[str, CompiledFunction]()
        for name in self.names:
            if given := spec.initial(name):
                self.initial[name] = physics.formulas([one.value for one in given])
        parts = enumerate(spec.on_points.items())
        self.points = [self.first.points(name, part.points or 1, seed + n) for n, (name, part) in parts]
        self.places = [self._placed(points, low) for points in self.points]
        self.begun = [self.beginnings.first(*pair) for pair in zip(self.names, self.places)]
        self.problem = self.model.least_squares(*map(self._columns, range(len(self.names))))
        self.scale = self.problem.scale.copy()

    def move(self, start: float) -> None:
        """To the slab that begins there, on the points and with the weights that the first one has."""
        self.start = start
        for part, points in enumerate(self.points):
            self.places[part] = self._placed(points, start)
            self.problem.replace(part, self.model.arrays(self.names[part], self._columns(part)))
        self.problem.rescale(slice(None), self.scale)

    def end(self, theta: np.ndarray) -> None:
        """The next slab begins with what this one ends with."""
        self.thetas.append(theta)
        for part, (name, places) in enumerate(zip(self.names, self.places)):
            self.begun[part] = self.beginnings.after(name, self.begun[part], theta, places, self.start)

    def drawn(self, name: str, count: int, seed: int) -> np.ndarray:
        """Other points of a residual in this slab, with what belongs to them."""
        points = self.first.points(name, count, seed)
        places = self._placed(points, self.start)
        return self._with(name, points, places, self.beginnings.at(name, places, self.thetas, self.starts))

    def _columns(self, part: int) -> np.ndarray:
        return self._with(self.names[part], self.points[part], self.places[part], self.begun[part])

    def _with(self, name: str, points: np.ndarray, places: np.ndarray, begun: np.ndarray) -> np.ndarray:
        """Places and what belongs to them: normals or initial values, and what is built in."""
        data = self._initial(name, places) if name in self.initial else points[:, self.inputs :]
        return np.hstack([places, data, begun])

    def _initial(self, name: str, places: np.ndarray) -> np.ndarray:
        """The values and slopes that a slab begins with: those that the last one ended with."""
        if not self.thetas:
            return np.asarray(self.initial[name](np.ascontiguousarray(places[:, :-1]))).reshape(len(places), -1)
        end = np.array(places)
        end[:, -1] = self.start - self.length
        (residual,) = (one for one in self.model.physics.residuals if one.name == name)
        # What the residual leaves over of values that are 0.
        nothing = np.zeros((len(end), len(residual.data)))
        return np.asarray(self.model.rows[name](self.thetas[-1], end, nothing)).reshape(len(end), -1)

    def _placed(self, points: np.ndarray, start: float) -> np.ndarray:
        """Points that were drawn in the first slab in the one that begins there."""
        places = np.column_stack([points[:, : self.inputs], np.full(len(points), start)])
        places[:, self.column] += start - self.low
        return places


def _beginnings(physics: Physics) -> Beginnings:
    assert physics.spec is not None
    return Beginnings(physics, physics.spec)


def _done(
    keeping: Keeping, resume: bool, begun_with: Mapping[str, str], slabs: int, size: int, most: int
) -> tuple[list[Solution], tuple[Any, Mapping[str, Raw]] | None]:
    """The slabs that a file has, and what it has of the run in the next one."""
    content = keeping.content(resume, MarchNumbers, most)
    if content is None:
        return [], None
    numbers, raw = content
    keeping.require_same(numbers.begun_with, begun_with)
    count = len(numbers.losses)
    same = count == len(numbers.iterations) == len(numbers.seconds) and count <= slabs
    keeping.require(same, f"{count} losses of {slabs} slabs, and {len(numbers.iterations)} numbers of iterations")
    inside = [name for name in raw if name.startswith(WITHIN) and numbers.under_way is not None]
    within = {name.removeprefix(WITHIN): raw[name] for name in inside}
    own = {name: one for name, one in raw.items() if name not in inside}
    theta = keeping.tensors(own, {"theta": Expected("float64", (count, size))} if count else {}).get("theta", ())
    rows = zip(theta, numbers.losses, numbers.iterations, numbers.seconds)
    done = [Solution(np.array(one), loss, made, spent, DONE) for one, loss, made, spent in rows]
    return done, None if numbers.under_way is None else (numbers.under_way, within)
