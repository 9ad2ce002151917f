"""Training a network on differential equations: one method after the other; the best parameters seen are kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf, nan
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from symnn.arrays import read_array
from symnn.callbacks import asks_to_stop, hand_over
from symnn.errors import DataError, SpecError
from symnn.given import called, function
from symnn.lbfgs import SMALLEST_GRADIENT, is_stationary, reach_of
from symnn.least_squares import LeastSquares
from symnn.linesearch import Iterate
from symnn.methods import Method, Standing, name_of, plain
from symnn.methods.limited_memory import Lbfgs
from symnn.physics import Physics, PhysicsModel
from symnn.physics_spec import ITERATIONS, PhysicsSpec, SolverSpec
from symnn.progress import Report, reporting
from symnn.references import OTHER, columns_of, reference_of
from symnn.renewal import Resampled
from symnn.resuming import INTERRUPTED, Keeping, State, digest, keeping_for
from symnn.shown import shows
from symnn.solving_state import Reached, Renewed
from symnn.spec import read_spec
from symnn.suggest import quote
from symnn.tables import read_table
from symnn.uncertainty import uncertainty
from symnn.walls import MOST_PARAMETERS, is_beside

ObjectiveLike: TypeAlias = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""``fun(theta) -> (loss, gradient)``."""

MARKS = 1000
"""The most entries of a history: of more, every second one is left out."""
BETWEEN = 0.25
"""Seconds between two entries of a history."""


class Renewal(Protocol):
    """Other points or weights, from time to time."""

    @property
    def every(self) -> int:
        """After so many steps."""

    def renew(self, problem: LeastSquares, theta: np.ndarray, number: int) -> None:
        """Change the problem for the so many-th time, depending on nothing but what it gets."""


@dataclass(frozen=True)
class Mark:
    """An entry of the history of a run: where it was after so many iterations and seconds.

    ``method`` is its name in specs; ``values`` are the numbers of the method, such as its damping, and what was
    measured, such as the loss on held-out points.
    """

    iterations: int
    seconds: float
    loss: float
    method: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Solution:
    """The parameters with the lowest loss that was seen, that loss, what it took, and why it ended there.

    iterations: steps of all methods, one for all of a way of L-BFGS along an edge. stopped: "running" for a
    callback, and in the end one of

    * "converged: no entry of the gradient is above 1e-09",
    * "no lower loss was found", also along the steepest descent; "… up to the edge of where it is finite, nor along
      it" where the gradient points across that; with the number of points tried, if any, that had no finite loss and
      gradient,
    * "all 5,000 iterations done", or "no iterations of L-BFGS asked for",
    * "out of time", "stopped by the callback", "interrupted" (Ctrl-C), or "ended by an error".
    """

    theta: np.ndarray
    loss: float
    iterations: int
    seconds: float
    stopped: str
    history: tuple[Mark, ...] = ()
    """The loss and what was measured, every quarter of a second and at the end; since it was resumed, if it was."""

    _repr_html_ = shows("solution_html")

    def __repr__(self) -> str:
        return f"<Solution loss {self.loss:.4g} after {self.iterations:,} iterations, {self.stopped}>"


@called(DataError)
def solve(
    objective: ObjectiveLike,
    theta: np.ndarray,
    *,
    adam: int = 0,
    learning_rate: float = 1e-3,
    iterations: int = 5000,
    memory: int = 50,
    seconds: float | None = None,
    methods: Sequence[object] | None = None,
    renewals: Sequence[Renewal] = (),
    measures: Mapping[str, Callable[[np.ndarray], float]] | None = None,
    callback: Callable[[Solution], object] | None = None,
    progress: bool | None = None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
) -> Solution:
    """Minimise by ``adam`` steps of Adam, then by at most so many ``iterations`` of L-BFGS, or by the ``methods``.

    L-BFGS (Liu, Nocedal 1989) keeps the last ``memory`` pairs of steps and changes of the gradient. A point where the
    loss or its gradient is not finite is too far: the step is shortened. Where the gradient points across the edge of
    where they are, the descent goes on along it, see :mod:`symnn.walls`. What comes back is the best point seen, never
    worse than theta. After ``seconds`` it stops with what it has.

    methods: one after the other, each from the best point so far, as a spec has them: ``"ssbroyden"``,
    ``{"adam": 500}``, ``{"levenberg_marquardt": {"seconds": 60}}``; see :mod:`symnn.methods`. Some need the residuals,
    and so an objective that is a :class:`~symnn.LeastSquares`. One ends after its iterations or seconds, or where it
    finds no lower loss. renewals: change points or weights now and then, see :mod:`symnn.renewal`; the best is then the
    point that the run has come to. measures: functions of theta by name, noted in the history beside the loss.

    callback: called after every step with the best :class:`Solution` so far; it ends the run if it returns True or
    raises ``StopIteration``. progress: False shows none; otherwise a bar on a terminal or in a notebook, a line every
    few seconds elsewhere.

    Ctrl-C ends it too, and is not raised again: the best so far is returned. Any other exception, of the callback or
    the objective, has it too: ``error.solution``.

    state: a file that keeps, once a minute and after Ctrl-C, all that the rest of the run depends on; it is removed
    when the run has ended. With ``resume`` the same call goes on from it, also after kill −9, to the bits of a run that
    was never broken off; where there is no such file it begins. Without, a file that is there is refused.

    >>> solve(lambda theta: (float(theta @ theta), 2 * theta), np.ones(3)).loss < 1e-20
    True
    >>> solve(lambda theta: (float(theta @ theta), 2 * theta), np.ones(3), state="u.state", resume=True).loss < 1e-20
    True

    Raises :class:`SpecError` for a setting out of its range, and :class:`DataError` for parameters that are no vector
    of finite numbers, for an objective that does not give a loss and a gradient like theta, and if the loss or the
    gradient at the beginning is not finite; :class:`CheckpointError` for a state that cannot be read or written, or of
    a run that was begun with other settings or parameters, or another objective.
    """
    function("objective", objective, "a function of theta", DataError)
    if callback is not None:
        function("callback", callback, "a function of a Solution", SpecError)
    settings: dict[str, Any] = {
        "adam": adam,
        "learning_rate": learning_rate,
        "iterations": iterations,
        "memory": memory,
    }
    if methods is not None:
        usual = {"adam": 0, "learning_rate": 1e-3, "iterations": ITERATIONS, "memory": 50}
        settings = {name: value for name, value in settings.items() if value != usual[name]} | {
            "methods": _plain(methods)
        }
    checked = read_spec(SolverSpec, settings | {"seconds": seconds}, "solve")
    return _solve(objective, theta, checked, callback, progress, state, resume, renewals, measures)


def _plain(methods: object) -> object:
    """Methods as a spec has them."""
    if not isinstance(methods, (list, tuple)):
        return methods
    return [plain(one) if isinstance(one, Method) else one for one in methods]


def _solve(
    objective: ObjectiveLike,
    theta: np.ndarray,
    settings: SolverSpec,
    callback: Callable[[Solution], object] | None = None,
    progress: bool | None = None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
    renewals: Sequence[Renewal] = (),
    measures: Mapping[str, Callable[[np.ndarray], float]] | None = None,
) -> Solution:
    schedule = settings.schedule
    if not isinstance(objective, LeastSquares):
        needing = [name_of(one) for one in schedule if one.needs_rows]
        if needing or renewals:
            what = needing[0] if needing else "renewals"
            raise DataError(f"objective: {what} needs the residuals, as model.least_squares(*points) has them")
    keeping = keeping_for(state)
    with keeping:
        run = _begun(objective, settings, _start(objective, theta), keeping, resume)
        run.renewals, run.measures = tuple(renewals), dict(measures or {})
        try:
            with reporting(progress) as report:
                stopped = _descend(run, report, callback)
        except _OutOfTime:
            stopped = "out of time"
        except KeyboardInterrupt:
            stopped = INTERRUPTED
            if (last := run.state()) is not None:
                keeping.write(last)
        except BaseException as error:
            hand_over(error, "solution", run.solution("ended by an error"))
            raise
        if keeping is not state:  # else whoever keeps it has something to save first
            keeping.end(stopped)
        run.note_last()
        return run.solution(stopped)


def _begun(objective: ObjectiveLike, settings: SolverSpec, first: Iterate, keeping: Keeping, resume: bool) -> _Run:
    """A run that begins, or one that goes on from the state that is kept."""
    begun_with = {
        "settings": digest(json.dumps(settings.model_dump(), sort_keys=True)),
        "parameters": digest(first.theta),
    }
    run = _Run(objective, settings, settings.schedule, time.perf_counter(), first, keeping, begun_with, first.loss)
    found = Reached.read(keeping, resume, begun_with, first, run.schedule, run.problem)
    if found is not None:
        run.reached, seconds = found
        run.best, run.refused, run.started = run.reached.best, run.reached.refused, run.started - seconds
    return run


class _OutOfTime(Exception):  # noqa: N818 - no error
    """The time that was given is over."""


class _NextMethod(Exception):  # noqa: N818 - no error
    """The time that was given to a method is over."""


@dataclass
class _Run:
    """What a run has come to. Each change is one assignment, so that it is whole whenever Ctrl-C comes."""

    objective: ObjectiveLike
    settings: SolverSpec
    schedule: tuple[Method, ...]
    started: float
    best: Iterate
    keeping: Keeping
    begun_with: Mapping[str, str]
    first: float
    """The loss at the first parameters."""
    refused: int = 0
    """The points that had no finite loss and gradient."""
    reached: Reached | None = None
    """What it had come to after the last step."""
    until: float = inf
    """When the time of the method under way is over, in seconds since the start."""
    renewals: tuple[Renewal, ...] = ()
    measures: Mapping[str, Callable[[np.ndarray], float]] = field(default_factory=dict)
    history: tuple[Mark, ...] = ()

    # --- what methods see -----------------------------------------------------------------------------------------

    def evaluate(self, theta: np.ndarray) -> Iterate:
        """The objective there, unless the time is over or the process shall end."""
        self.pause()
        return self.seen(_evaluated(self.objective, theta))

    def seen(self, found: Iterate) -> Iterate:
        """The same; the best is kept."""
        if not found.is_finite:
            self.refused += 1
        elif found.loss < self.best.loss:
            self.best = found
        return found

    def pause(self) -> None:
        """End here if the time is over or the process shall end; keep the state if it is time to."""
        self.keeping.pause(self.state)
        if self.settings.seconds is not None and self.elapsed > self.settings.seconds:
            raise _OutOfTime
        if self.elapsed > self.until:
            raise _NextMethod

    @property
    def problem(self) -> LeastSquares | None:
        """The objective, if it has residuals."""
        return self.objective if isinstance(self.objective, LeastSquares) else None

    @property
    def rows(self) -> LeastSquares:
        """The residuals, which the methods that need them have been given."""
        assert isinstance(self.objective, LeastSquares)
        return self.objective

    # --- what it has come to --------------------------------------------------------------------------------------

    def state(self) -> State | None:
        """All that the rest of the run depends on, as of the last step."""
        if self.reached is None:
            return None
        return self.reached.state(self.schedule, self.begun_with, self.first, self.elapsed)

    def note(self, at: Standing, method: Method) -> None:
        """An entry of the history, if the last one was a while ago."""
        if not self.history or self.elapsed >= self.history[-1].seconds + BETWEEN:
            self._note(at, method)

    def note_last(self) -> None:
        """The entry of the last step, if it has none."""
        if self.reached is not None and (not self.history or self.history[-1].iterations < self.iterations):
            self._note(self.reached.at, self.schedule[self.reached.phase])

    def _note(self, at: Standing, method: Method) -> None:
        values = {
            **method.shown(at),
            **{name: float(measure(at.here.theta)) for name, measure in self.measures.items()},
        }
        mark = Mark(self.iterations, self.elapsed, at.here.loss, name_of(method), values)
        kept = self.history if len(self.history) < MARKS else self.history[::2]
        self.history = (*kept, mark)

    @property
    def iterations(self) -> int:
        return 0 if self.reached is None else self.reached.iterations

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    @property
    def total(self) -> int | None:
        """All iterations, if each method has a number of them."""
        numbers = [one.iterations for one in self.schedule]
        return None if None in numbers else sum(number or 0 for number in numbers)

    @property
    def last(self) -> int:
        """The number of the last method."""
        return len(self.schedule) - 1

    @property
    def done(self) -> float:
        """Which part of the iterations, or of the time if that is over sooner, from 0 to 1."""
        seconds = [one.seconds or inf for one in self.schedule]
        limit = min(self.settings.seconds or inf, sum(seconds))
        return min(1.0, max(self.iterations / (self.total or inf), self.elapsed / limit))

    def text(self) -> str:
        total = "" if self.total is None else f"/{self.total:,}"
        shown = self.history[-1].values if self.history else {}
        values = "".join(f"  {name} {value:.1e}" for name, value in shown.items())
        return f"iteration {self.iterations:,}{total}  loss {self.best.loss:.3e}{values}"

    def solution(self, stopped: str) -> Solution:
        return Solution(self.best.theta.copy(), self.best.loss, self.iterations, self.elapsed, stopped, self.history)

    def reason(self) -> str:
        """Why it ended, if nobody ended it."""
        last = self.schedule[self.last]
        if last.iterations == 0:
            return f"no iterations of {_TITLES.get(name_of(last), name_of(last))} asked for"
        if self.problem is None and is_stationary(self.best):
            return f"converged: no entry of the gradient is above {SMALLEST_GRADIENT:g}"
        if self.reached is not None and self.reached.steps == last.iterations and self.reached.phase == self.last:
            return f"all {self.iterations:,} iterations done"
        if self.elapsed > self.until:
            return "out of time"
        if not self.refused:
            return "no lower loss was found"
        refused = f"{self.refused:,} of the points tried had no finite loss and gradient"
        if not isinstance(last, Lbfgs) or not is_beside(self.evaluate, self.best, reach_of(self.best.theta, self.best)):
            return f"no lower loss was found; {refused}"
        followed = self.best.theta.size <= MOST_PARAMETERS
        along = "nor along it" if followed else f"which is not followed above {MOST_PARAMETERS:,} parameters"
        return f"no lower loss was found up to the edge of where it is finite, {along}; {refused}"


_TITLES = {"lbfgs": "L-BFGS", "adam": "Adam"}


def _descend(run: _Run, report: Report, callback: Callable[[Solution], object] | None) -> str:
    """Make the steps that were asked for, and say why they ended."""
    first = 0 if run.reached is None else run.reached.phase
    for phase, method in enumerate(run.schedule[first:], first):
        reached = run.reached if run.reached is not None and run.reached.phase == phase else None
        made, spent = (0, 0.0) if reached is None else (reached.steps, reached.seconds)
        begun = run.elapsed - spent
        run.until = inf if method.seconds is None else begun + method.seconds
        at: Any = run.best if reached is None else reached.at
        try:
            while method.iterations is None or made < method.iterations:
                if _is_due(run):
                    at = _renewed(run, method, at)
                before = made
                for at in _until_renewal(run, method, at, made):  # noqa: B020 - from there on
                    made += 1
                    renewed = Renewed() if run.reached is None else run.reached.renewed
                    run.reached = Reached(
                        at, phase, made, run.elapsed - begun, run.best, run.iterations + 1, run.refused, renewed
                    )
                    run.note(at, method)
                    report(run.done, run.text)
                    if callback is not None and asks_to_stop(callback, run.solution("running")):
                        return "stopped by the callback"
                if made == before or not _is_due(run):
                    break
        except _NextMethod:
            if method is run.schedule[-1]:
                return "out of time"
    return run.reason()


def _until_renewal(run: _Run, method: Method, at: Any, made: int) -> Iterator[Any]:
    """Steps up to the next renewal of points or weights."""
    for at in method.steps(run, at):  # noqa: B020 - from there on
        made += 1
        yield at
        if made == method.iterations or _is_due(run):
            return


def _is_due(run: _Run) -> bool:
    """Whether points or weights are to be renewed after this many iterations, and have not been."""
    if run.reached is None or run.reached.renewed.after == run.iterations:
        return False
    return any(run.iterations % renewal.every == 0 for renewal in run.renewals)


def _renewed(run: _Run, method: Method, at: Any) -> Any:
    """Renew what is due. What was best before says nothing any more: the run goes on from where it stands."""
    reached = run.reached
    assert reached is not None
    begins = isinstance(at, Iterate)
    theta = at.theta if begins else at.here.theta
    for renewal in run.renewals:
        if run.iterations % renewal.every == 0:
            renewal.renew(run.rows, theta, reached.renewed.count)
    here = _evaluated(run.objective, theta)
    if not here.is_finite:
        raise DataError("the loss on renewed points is not finite; expected points where the equations are defined")
    run.best = here
    content = {name: np.array(array) for name, array in run.rows.content.items()}
    renewed = Renewed(reached.renewed.count + 1, run.iterations, content)
    if begins:  # what was reached is where the method before has ended
        run.reached = replace(reached, best=here, renewed=renewed)
        return here
    at = method.moved(at, here)
    run.reached = replace(reached, at=at, best=here, renewed=renewed)
    return at


def _start(objective: ObjectiveLike, theta: np.ndarray) -> Iterate:
    """The objective at the parameters at which to begin."""
    point = read_array("theta", theta, DataError)
    if point.dtype.kind not in "biuf":
        raise DataError(f"theta: expected a vector of numbers, found {quote(theta)}")
    start = np.array(point, dtype=float)
    if start.ndim != 1 or not start.size or not np.isfinite(start).all():
        found = f"an array of shape {start.shape}" if start.ndim != 1 or not start.size else "one that is not finite"
        raise DataError(f"theta: expected a vector of finite numbers, found {found}")
    given = objective(start.copy())
    if not (
        isinstance(given, tuple) and len(given) == 2 and np.ndim(given[0]) == 0 and np.shape(given[1]) == start.shape
    ):
        raise DataError(f"objective: expected a loss and a gradient of {start.size:,} numbers, found {quote(given)}")
    first = _iterate(start, given)
    if not np.isfinite(first.loss):
        raise DataError(
            "the loss at the first parameters is not finite; expected points where the equations are defined"
        )
    if not first.is_finite:
        entry = int(np.argmin(np.isfinite(first.gradient)))
        raise DataError(
            f"the gradient at the first parameters is not finite, though the loss is {first.loss:g}: entry {entry} is "
            f"{first.gradient[entry]:g}; expected points and parameters where the equations have derivatives"
        )
    return first


def _evaluated(objective: ObjectiveLike, theta: np.ndarray) -> Iterate:
    return _iterate(theta, objective(theta.copy()))


def _iterate(theta: np.ndarray, given: tuple[float, np.ndarray]) -> Iterate:
    loss, gradient = given
    return Iterate(theta, float(loss), np.array(gradient, dtype=float))  # a copy: a bound function returns it again


HELD_OUT = 1000
"""The most points of each residual that the loss is measured on beside those it is minimised on."""


def solve_spec(
    physics: Physics,
    settings: SolverSpec | None = None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
    callback: Callable[[Solution], object] | None = None,
    progress: bool | None = None,
    directory: Path = Path(),
) -> tuple[Solution, dict[str, float]]:
    """Solve a problem that came from a spec, on random points as it says; and the parts of the loss that are left.

    Files are relative to the ``directory``. Where its residuals are needed, the history has the loss on other points,
    ``held_out``; where the spec gives the solution or a file with it, the relative L2 error, ``error``.
    """
    spec = physics.spec
    if spec is None:
        raise SpecError("expected a problem that came from a spec, which says where its points are")
    settings = settings or spec.solver
    model = physics.compile()
    points = points_of(spec, settings.seed, directory)
    theta = physics.initial_parameters(settings.seed)
    changes = renewals(spec, settings.seed, spec.points)
    measures: dict[str, Callable[[np.ndarray], float]] = {}
    if (reference := reference_of(physics, settings.seed, directory)) is not None:
        measures["error"] = lambda theta: max(reference.errors(model, theta).values())
    keep = {"state": state, "resume": resume, "callback": callback, "progress": progress}
    if not changes and not any(one.needs_rows for one in settings.schedule):
        found = _solve(model.objective(*points), theta, settings, measures=measures, **keep)  # type: ignore[arg-type]
        return found, model.losses(found.theta, *points)
    problem = model.least_squares(*points)
    measures = {"held_out": _held_out(model, settings.seed + OTHER), **measures}
    found = _solve(problem, theta, settings, renewals=changes, measures=measures, **keep)  # type: ignore[arg-type]
    left = problem.unscaled(found.theta)
    parts = zip(spec.on_points.items(), problem.where, problem.parts)
    return found, {name: part.weight * float(left[rows] @ left[rows]) / p.points for (name, part), rows, p in parts}


def points_of(spec: PhysicsSpec, seed: int, directory: Path = Path()) -> list[np.ndarray]:
    """The points of every residual that is not hard, random ones or those of a file, with what was measured there."""
    return [
        spec.points(name, part.points or 1, seed + number)
        if part.measured is None
        else _measured(directory / part.measured.file, (*spec.inputs, *part.measured.values))
        for number, (name, part) in enumerate(spec.on_points.items())
    ]


def _measured(path: Path, columns: tuple[str, ...]) -> np.ndarray:
    return columns_of(path, read_table(path), columns)


def coefficients(model: PhysicsModel, problem: LeastSquares, theta: np.ndarray) -> dict[str, tuple[float, float]]:
    """The coefficients that were found, each with one standard deviation; nan where nothing was measured."""
    physics = model.physics
    measured = [number for number, residual in enumerate(physics.residuals) if residual.data]
    found = uncertainty(problem, theta, measured) if measured and physics.coefficients else None
    return {
        name: (float(theta[place]), nan if found is None else found.deviation(place))
        for place, name in enumerate(physics.coefficients, physics.network.parameter_count)
    }


def _held_out(model: PhysicsModel, seed: int) -> Callable[[np.ndarray], float]:
    spec = model.physics.spec
    assert spec is not None
    parts = []
    for number, (name, part) in enumerate(spec.on_points.items()):
        if part.measured is not None:  # there are no others
            continue
        points = spec.points(name, min(HELD_OUT, part.points or 1), seed + number)
        parts.append((model.rows[name], model.arrays(name, points), part.weight / len(points)))

    def loss(theta: np.ndarray) -> float:
        found = 0.0
        for rows, arrays, weight in parts:
            left = rows(theta.astype(model.dtype), *arrays).reshape(-1)
            found += weight * float(left @ left)
        return found

    return loss


def renewals(spec: PhysicsSpec, seed: int, points: Callable[[str, int, int], np.ndarray]) -> list[Renewal]:
    """What changes points and weights as a spec says, with ``points(name, count, seed)`` of a residual."""
    found: list[Renewal] = []
    if spec.resampling is not None:
        samplers = [None if part.measured else partial(points, name) for name, part in spec.on_points.items()]
        found.append(Resampled(spec.resampling, samplers, seed))
    if spec.balance is not None:
        found.append(spec.balance)
    return found
