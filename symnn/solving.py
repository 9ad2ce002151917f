"""Training a network on differential equations: steps of Adam, then L-BFGS; the best parameters seen are kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from symnn.arrays import read_array
from symnn.callbacks import asks_to_stop, hand_over
from symnn.errors import DataError, SpecError
from symnn.given import called, function
from symnn.lbfgs import SMALLEST_GRADIENT, Standing, is_stationary, lbfgs, reach_of
from symnn.linesearch import Evaluate, Iterate
from symnn.optimisers import OPTIMISERS
from symnn.physics import Physics
from symnn.physics_spec import SolverSpec
from symnn.points import sample
from symnn.progress import Report, reporting
from symnn.resuming import INTERRUPTED, Keeping, State, digest, keeping_for
from symnn.shown import shows
from symnn.solving_state import AdamStanding, Reached
from symnn.spec import read_spec
from symnn.suggest import quote
from symnn.walls import MOST_PARAMETERS, is_beside

ObjectiveLike: TypeAlias = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""``fun(theta) -> (loss, gradient)``."""

Steps: TypeAlias = Callable[[Evaluate, Any], Iterator[Standing | AdamStanding]]
"""``steps(evaluate, start)``: where a method stands after each step from an iterate, or from where it stood."""

GROWTH = 1.1
"""By how much the learning rate of Adam grows back at each step, after it had to be halved."""


@dataclass(frozen=True)
class Solution:
    """The parameters with the lowest loss that was seen, that loss, what it took, and why it ended there.

    iterations: steps of Adam and iterations of L-BFGS, one for all of a way along an edge. stopped: "running" for a
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
    callback: Callable[[Solution], object] | None = None,
    progress: bool | None = None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
) -> Solution:
    """Minimise by ``adam`` steps of Adam, then by at most so many ``iterations`` of L-BFGS.

    L-BFGS (Liu, Nocedal 1989) keeps the last ``memory`` pairs of steps and changes of the gradient. A point where the
    loss or its gradient is not finite is too far: the step is shortened. Where the gradient points across the edge of
    where they are, the descent goes on along it, see :mod:`symnn.walls`. What comes back is the best point seen, never
    worse than theta. After ``seconds`` it stops with what it has.

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
    settings = {"adam": adam, "learning_rate": learning_rate, "iterations": iterations, "memory": memory}
    checked = read_spec(SolverSpec, settings | {"seconds": seconds}, "solve")
    return _solve(objective, theta, checked, callback, progress, state, resume)


def _solve(
    objective: ObjectiveLike,
    theta: np.ndarray,
    settings: SolverSpec,
    callback: Callable[[Solution], object] | None = None,
    progress: bool | None = None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
) -> Solution:
    keeping = keeping_for(state)
    with keeping:
        run = _begun(objective, settings, _start(objective, theta), keeping, resume)
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
        return run.solution(stopped)


def _begun(objective: ObjectiveLike, settings: SolverSpec, first: Iterate, keeping: Keeping, resume: bool) -> _Run:
    """A run that begins, or one that goes on from the state that is kept."""
    begun_with = {
        "settings": digest(json.dumps(settings.model_dump(), sort_keys=True)),
        "parameters": digest(first.theta),
    }
    run = _Run(objective, settings, time.perf_counter(), first, keeping, begun_with, first.loss)
    found = Reached.read(keeping, resume, begun_with, first, settings.memory)
    if found is not None:
        run.reached, seconds = found
        run.best, run.refused, run.started = run.reached.best, run.reached.refused, run.started - seconds
    return run


class _OutOfTime(Exception):  # noqa: N818 - no error
    """The time that was given is over."""


@dataclass
class _Run:
    """What a run has come to. Each change is one assignment, so that it is whole whenever Ctrl-C comes."""

    objective: ObjectiveLike
    settings: SolverSpec
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

    def evaluate(self, theta: np.ndarray) -> Iterate:
        """The objective there, unless the time is over or the process shall end."""
        self.keeping.pause(self.state)
        if self.settings.seconds is not None and self.elapsed > self.settings.seconds:
            raise _OutOfTime
        found = _evaluated(self.objective, theta)
        if not found.is_finite:
            self.refused += 1
        elif found.loss < self.best.loss:
            self.best = found
        return found

    def state(self) -> State | None:
        """All that the rest of the run depends on, as of the last step."""
        return None if self.reached is None else self.reached.state(self.begun_with, self.first, self.elapsed)

    @property
    def iterations(self) -> int:
        return 0 if self.reached is None else self.reached.iterations

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    @property
    def done(self) -> float:
        """Which part of the iterations, or of the time if that is over sooner, from 0 to 1."""
        iterations = self.iterations / (self.settings.adam + self.settings.iterations)
        return min(1.0, max(iterations, self.elapsed / (self.settings.seconds or float("inf"))))

    def text(self) -> str:
        total = self.settings.adam + self.settings.iterations
        return f"iteration {self.iterations:,}/{total:,}  loss {self.best.loss:.3e}"

    def solution(self, stopped: str) -> Solution:
        return Solution(self.best.theta.copy(), self.best.loss, self.iterations, self.elapsed, stopped)

    def reason(self) -> str:
        """Why it ended, if nobody ended it."""
        settings = self.settings
        if not settings.iterations:
            return "no iterations of L-BFGS asked for"
        if is_stationary(self.best):
            return f"converged: no entry of the gradient is above {SMALLEST_GRADIENT:g}"
        if self.iterations == settings.adam + settings.iterations:
            return f"all {self.iterations:,} iterations done"
        if not self.refused:
            return "no lower loss was found"
        refused = f"{self.refused:,} of the points tried had no finite loss and gradient"
        if not is_beside(self.evaluate, self.best, reach_of(self.best.theta, self.best)):
            return f"no lower loss was found; {refused}"
        followed = self.best.theta.size <= MOST_PARAMETERS
        along = "nor along it" if followed else f"which is not followed above {MOST_PARAMETERS:,} parameters"
        return f"no lower loss was found up to the edge of where it is finite, {along}; {refused}"


def _descend(run: _Run, report: Report, callback: Callable[[Solution], object] | None) -> str:
    """Make the steps that were asked for, and say why they ended."""
    settings = run.settings
    phases: list[tuple[int, type, Steps]] = [
        (settings.adam, AdamStanding, partial(_adam, learning_rate=settings.learning_rate)),
        (settings.adam + settings.iterations, Standing, partial(lbfgs, memory=settings.memory)),
    ]
    for last, kind, steps in phases:
        at = run.reached.at if run.reached is not None and isinstance(run.reached.at, kind) else run.best
        for at in islice(steps(run.evaluate, at), max(0, last - run.iterations)):  # noqa: B020 - from there on
            run.reached = Reached(at, run.best, run.iterations + 1, run.refused)
            report(run.done, run.text)
            if callback is not None and asks_to_stop(callback, run.solution("running")):
                return "stopped by the callback"
    return run.reason()


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


def _adam(evaluate: Evaluate, start: Iterate | AdamStanding, learning_rate: float) -> Iterator[AdamStanding]:
    """Where Adam stands after each step from a finite ``start``, or from where it stood; all are finite, without end.

    A step to where something is not finite is not taken: the rate is halved and the moments are forgotten, so that the
    next one is downhill. The rate then grows back.
    """
    rule = OPTIMISERS["adam"]
    update = rule.compile()
    at = (
        start
        if isinstance(start, AdamStanding)
        else AdamStanding(start, rule.initial_state(start.theta), 1, learning_rate)
    )
    while True:
        here, rate = at.here, at.rate
        theta, *moved = update(here.theta, here.gradient, *at.moments, float(at.step), rate, 0.9, 0.999, 1e-8)
        there = evaluate(theta)
        if there.is_finite:
            at = AdamStanding(there, tuple(moved), at.step + 1, min(learning_rate, GROWTH * rate))
        else:
            at = AdamStanding(here, rule.initial_state(here.theta), 1, rate / 2)
        yield at


def solve_spec(
    physics: Physics,
    settings: SolverSpec | None = None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
) -> tuple[Solution, dict[str, float]]:
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
    theta = physics.initial_parameters(settings.seed)
    found = _solve(model.objective(*points), theta, settings, state=state, resume=resume)
    return found, model.losses(found.theta, *points)
