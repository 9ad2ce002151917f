"""Differential equations to many digits: the specs of ``examples/equations`` against exact or converged solutions.

Each is solved from several seeds, on the same points and with the same settings, in one process of one thread: the
first seed from an empty cache. Seconds are those of the processor, compiling included, measuring left out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import symnn
from symnn.methods import method
from symnn.stages import tangent_points
from tests.benchmarks import spectral

SPECS = Path(__file__).parents[2] / "examples" / "equations"
BETWEEN = 0.25
"""Seconds between two looks at the error."""

Reference = Callable[[], tuple[np.ndarray, np.ndarray]]
"""Points and the solution there."""


@dataclass(frozen=True)
class Target:
    """A spec, what it should reach and in what time, and what it is held to."""

    name: str
    error: float
    seconds: float
    reference: Reference
    long: bool = False


TARGETS = (
    Target("poisson", 1e-7, 3.0, spectral.poisson),
    Target("disc", 1e-8, 5.0, spectral.disc),
    Target("l_shape", 1e-6, 10.0, spectral.l_shape),
    Target("steady_burgers", 1e-8, 60.0, spectral.steady_burgers),
    Target("family", 1e-6, 20.0, spectral.family),
    Target("heat", 1e-8, 60.0, spectral.heat),
    Target("wave", 1e-8, 60.0, spectral.wave),
    Target("helmholtz", 1e-6, 60.0, spectral.helmholtz),
    Target("burgers", 1e-5, 60.0, spectral.burgers),
    Target("burgers_smooth", 1e-11, 900.0, spectral.burgers_smooth, long=True),
    Target("allen_cahn", 1e-5, 900.0, spectral.allen_cahn, long=True),
    Target("korteweg_de_vries", 1e-5, 900.0, spectral.korteweg_de_vries, long=True),
)


@dataclass(frozen=True)
class Run:
    """The error over the seconds of one seed."""

    seed: int
    curve: tuple[tuple[float, float], ...]
    loss: float
    iterations: int

    def reached(self, error: float) -> float | None:
        """The seconds after which the error was that low."""
        return next((seconds for seconds, off in self.curve if off <= error), None)


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    """The relative L2 error."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def solved(target: Target, seed: int, seconds: float | None = None, other: str | None = None) -> Run:
    """One seed, for so many seconds or those of the target, by the methods of the spec or by another one."""
    limit = target.seconds if seconds is None else seconds
    curve: list[tuple[float, float]] = []
    begun = time.process_time()
    measuring = 0.0
    physics = symnn.Physics.from_spec(SPECS / f"{target.name}.yaml")
    spec = physics.spec
    assert spec is not None
    low, high = np.transpose(list(spec.inputs.values()))
    points, exact = target.reference()
    inside = ((points >= low) & (points <= high)).all(axis=1)  # of what is even half is solved
    points, exact = points[inside], exact[inside]
    model = physics.compile()
    problem = model.least_squares(
        *(spec.points(name, part.points or 1, n) for n, (name, part) in enumerate(spec.on_points.items()))
    )

    def look(solution: symnn.Solution) -> bool:
        nonlocal measuring
        now = time.process_time()
        spent = now - begun - measuring
        if not curve or spent > curve[-1][0] + BETWEEN or spent > limit:
            curve.append((spent, relative(model.predict(solution.theta, points)[:, 0], exact)))
            measuring += time.process_time() - now
        return spent > limit

    schedule = spec.solver.schedule if other is None else [method(other)]
    first = {"seconds": None} if spec.tangent else {"seconds": None, "iterations": 10**9}
    methods = [one.model_copy(update=first) for one in schedule]
    found = symnn.solve(problem, physics.initial_parameters(seed), methods=methods, callback=look, progress=False)
    curve.append((time.process_time() - begun - measuring, relative(model.predict(found.theta, points)[:, 0], exact)))
    if spec.tangent is None:
        return Run(seed, tuple(curve), found.loss, found.iterations)
    now = time.process_time()
    measuring += now - begun - measuring - curve[-1][0]  # the last look
    second = symnn.tangent(model, found.theta, *tangent_points(spec, 0))
    off = relative(second.predict(points)[:, 0], exact)  # counted, for it is compiled here
    curve.append((time.process_time() - begun - measuring, off))
    return Run(seed, tuple(curve), second.loss, found.iterations)


def report(target: Target, run: Run, say: Callable[[str], None]) -> None:
    """The rows of one seed."""
    seconds, error = run.curve[-1]
    reached = run.reached(target.error)
    when = "not reached" if reached is None else f"reached after {reached:.1f} s"
    how = f"{seconds:.0f} s, {run.iterations:,} iterations, loss {run.loss:.1e}"
    say(f"  seed {run.seed}: {error:.1e} after {how}; {target.error:g} {when}")
    picked = [run.curve[n] for n in np.unique(np.geomspace(1, len(run.curve), 8).astype(int) - 1)]
    say("    error over seconds: " + ", ".join(f"{off:.0e} at {at:.1f}" for at, off in picked))


def summary(target: Target, runs: Sequence[Run], say: Callable[[str], None]) -> None:
    """The row of the median."""
    errors = [run.curve[-1][1] for run in runs]
    times = [run.reached(target.error) or float("inf") for run in runs]
    say(f"  median of {len(runs)}: {statistics.median(errors):.1e}; {target.error:g} after "
        f"{statistics.median(times):.1f} s (asked: {target.seconds:g} s)")  # fmt: skip


def solve_all(
    names: Sequence[str], seeds: int, seconds: float | None, say: Callable[[str], None], other: str | None = None
) -> None:
    """The tables of these specs, or of all that do not take long; by another method than theirs, if one is named."""
    chosen = [t for t in TARGETS if (t.name in names if names else not t.long)]
    for target in chosen:
        begun = time.process_time()
        target.reference()
        spent = time.process_time() - begun
        say(f"{target.name}: {spectral.SAID.get(target.name, 'its formula')} takes {spent * 1e3:.0f} ms")
        if (without := spectral.WITHOUT.get(target.name)) is not None:
            off, times = without(), []
            for _ in range(5):
                begun = time.process_time()
                without()
                times.append(time.process_time() - begun)
            how = (without.__doc__ or "").rstrip(".")
            say(f"  without a network, {how}: {off:.1e} in {statistics.median(times) * 1e3:.1f} ms")
        runs = []
        for seed in range(seeds):
            runs.append(solved(target, seed, seconds, other))
            report(target, runs[-1], say)
        summary(target, runs, say)
