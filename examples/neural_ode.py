"""A neural ordinary differential equation: the right side of z' = f(z) is a network, found from a few short paths.

The method of Runge and Kutta of order 4 is written as a recurrence, of any number of steps: the equations, and those of
the gradient, are as many for 20 steps as for 1,000. A damped pendulum is what is learnt.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp
from sympy import Idx, IndexedBase, Rational, Sum, Symbol, tanh

import codegen
import symnn

STEP, HIDDEN, SHORT, LONG = Rational(1, 10), 12, 20, 200


def pendulum(_: float, z: np.ndarray) -> list[float]:
    angle, velocity = z
    return [velocity, -np.sin(angle) - 0.2 * velocity]


def paths(starts: np.ndarray, steps: int) -> np.ndarray:
    """Where SciPy's integrator comes from the starts (S, 2) at each step: (S, steps, 2)."""
    times = float(STEP) * np.arange(1, steps + 1)
    return np.array([solve_ivp(pendulum, (0, times[-1]), z, t_eval=times, rtol=1e-9, atol=1e-9).y.T for z in starts])


def dynamics(steps: int) -> codegen.Graph:
    """z[s, t + 1] = z[s, t] + h/6·(k1 + 2·k2 + 2·k3 + k4), and the mean square of its distance from the data."""
    S = Symbol("S")
    s, t, i, j, h = Idx("s", S), Idx("t", steps), Idx("i", 2), Idx("j", 2), Idx("h", HIDDEN)
    W1, b1, W2, b2, x, y, z = map(IndexedBase, ("W1", "b1", "W2", "b2", "x", "y", "z"))
    equations, k = {z[s, 0, i]: x[s, i]}, {}
    for stage, share in enumerate((0, STEP / 2, STEP / 2, STEP), start=1):
        at, a, k[stage] = map(IndexedBase, (f"z{stage}", f"a{stage}", f"k{stage}"))
        equations[at[s, t, i]] = z[s, t, i] + (share * k[stage - 1][s, t, i] if share else 0)
        equations[a[s, t, h]] = tanh(Sum(W1[h, j] * at[s, t, j], j) + b1[h])
        equations[k[stage][s, t, i]] = Sum(W2[i, h] * a[s, t, h], h) + b2[i]
    slope = (k[1][s, t, i] + 2 * k[2][s, t, i] + 2 * k[3][s, t, i] + k[4][s, t, i]) / 6
    equations[z[s, t + 1, i]] = z[s, t, i] + STEP * slope
    equations["loss"] = Sum((z[s, t + 1, i] - y[s, t, i]) ** 2, s, t, i) / (2 * steps * S)
    return codegen.from_expressions(equations, [W1, b1, W2, b2, x, y])


def model(steps: int) -> symnn.Model:
    return symnn.Model.from_graph(dynamics(steps), ["W1", "b1", "W2", "b2"], ["x"], output="z")


starts = np.random.default_rng(0).uniform(-2.0, 2.0, size=(64, 2))
settings = {"optimiser": "lbfgs", "epochs": 300}
result = symnn.train(model(SHORT), {"x": starts}, paths(starts, SHORT), settings)
print(f"{len(dynamics(SHORT).equations)} equations for {SHORT} steps, {len(dynamics(LONG).equations)} for {LONG}")
print(f"trained on paths of {SHORT} steps: root mean square error {np.sqrt(result.test_loss):.1e}")

new = np.array([[1.5, 0.0], [-1.0, 1.0], [0.5, -1.5]])
found = model(LONG).predict(result.theta, new)[:, 1:]
print(f"from new starts, over {LONG} steps: largest error {np.abs(found - paths(new, LONG)).max():.1e}")
