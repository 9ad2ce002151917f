"""Heat, wave and Poisson by physics-informed networks, each held to its analytic solution.

Run it: python examples/differential_equations.py
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import symnn

Ranges = Sequence[tuple[float, float] | list[float]]
"""For each input its range, or the values that it has in turn."""


@dataclass(frozen=True)
class Problem:
    """Equations by name, each with the ranges and the number of its points, and the solution."""

    inputs: str
    equations: dict[str, tuple[str, Ranges, int]]
    solution: Callable[..., np.ndarray]

    @property
    def domain(self) -> Ranges:
        """Where the first equation holds: inside."""
        return next(iter(self.equations.values()))[1]


UNIT = (0.0, 1.0)
ENDS = [0.0, 1.0]

PROBLEMS = {
    "heat": Problem(
        "x t",
        {
            "interior": ("u_t - u_xx/10", (UNIT, UNIT), 400),
            "initial": ("u - sin(pi*x)", (UNIT, [0.0]), 50),
            "ends": ("u", (ENDS, UNIT), 50),
        },
        lambda x, t: np.exp(-(np.pi**2) * t / 10) * np.sin(np.pi * x),
    ),
    "wave": Problem(
        "x t",
        {
            "interior": ("u_tt - u_xx", (UNIT, UNIT), 400),
            "position": ("u - sin(pi*x)", (UNIT, [0.0]), 50),
            "velocity": ("u_t", (UNIT, [0.0]), 50),
            "ends": ("u", (ENDS, UNIT), 50),
        },
        lambda x, t: np.sin(np.pi * x) * np.cos(np.pi * t),
    ),
    "Poisson": Problem(
        "x y",
        {
            "interior": ("u_xx + u_yy + 2*pi**2*sin(pi*x)*sin(pi*y)", (UNIT, UNIT), 400),
            "left and right": ("u", (ENDS, UNIT), 50),
            "below and above": ("u", (UNIT, ENDS), 50),
        },
        lambda x, y: np.sin(np.pi * x) * np.sin(np.pi * y),
    ),
}


def error(problem: Problem, iterations: int = 1000, seed: int = 0) -> float:
    """The relative L2 error of the trained network at 1,000 other points."""
    layers = (symnn.dense(16, "tanh"), symnn.dense(16, "tanh"), symnn.dense(1))
    residuals = tuple(symnn.Residual(name, equation) for name, (equation, _, _) in problem.equations.items())
    physics = symnn.Physics(problem.inputs, "u", layers, residuals)
    points = [symnn.sample(ranges, count, seed) for _, ranges, count in problem.equations.values()]
    model = physics.compile()
    found = symnn.solve(model.objective(*points), physics.initial_parameters(seed), iterations=iterations)
    elsewhere = symnn.sample(problem.domain, 1000, seed + 1)
    exact = problem.solution(*elsewhere.T)
    return float(np.linalg.norm(model.predict(found.theta, elsewhere)[:, 0] - exact) / np.linalg.norm(exact))


if __name__ == "__main__":
    for name, problem in PROBLEMS.items():
        print(f"{name}: relative L2 error {error(problem):.3%}")
