"""A Kalman filter whose noise is learnt: the likelihood is a recurrence, and so is its exact gradient.

A level that wanders is seen through noise: level[t] = a·level[t−1] + √q·ε, y[t] = level[t] + √r·ε. The filter gives
log p(y) as a sum over the steps; a, q and r are those that make it largest.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from sympy import Idx, IndexedBase, Sum, Symbol, exp, log, pi, symbols

import codegen
import symnn

T = Symbol("T")
t, (a, log_q, log_r) = Idx("t", T), symbols("a log_q log_r")
y, guess, spread, mean, variance, gain = map(IndexedBase, ("y", "guess", "spread", "mean", "variance", "gain"))
surprise = log(2 * pi * (spread[t] + exp(log_r))) + (y[t] - guess[t]) ** 2 / (spread[t] + exp(log_r))
graph = codegen.from_expressions(
    {
        guess[0]: 0,  # of the level before it is seen, and how uncertain that is
        spread[0]: 10,
        guess[t]: a * mean[t - 1],
        spread[t]: a**2 * variance[t - 1] + exp(log_q),
        gain[t]: spread[t] / (spread[t] + exp(log_r)),
        mean[t]: guess[t] + gain[t] * (y[t] - guess[t]),
        variance[t]: (1 - gain[t]) * spread[t],
        "loss": Sum(surprise / 2, t) / T,
    },
    [a, log_q, log_r, y],
)
model = symnn.Model.from_graph(graph, {"a": 0.5, "log_q": 0.0, "log_r": 0.0}, ["y"], output="mean")


def likelihood(theta: np.ndarray, y: np.ndarray) -> float:
    """The same by a filter written directly."""
    a, q, r = theta[0], np.exp(theta[1]), np.exp(theta[2])
    guess, spread, total = 0.0, 10.0, 0.0
    for seen in y:
        total += 0.5 * (np.log(2 * np.pi * (spread + r)) + (seen - guess) ** 2 / (spread + r))
        gain = spread / (spread + r)
        guess, spread = a * (guess + gain * (seen - guess)), a**2 * (1 - gain) * spread + q
    return total / len(y)


generator, levels = np.random.default_rng(0), np.zeros(1000)
for now in range(1, 1000):
    levels[now] = 0.95 * levels[now - 1] + 0.5 * generator.normal()
series = levels + generator.normal(size=1000)

print(graph)
start = model.network.initial_parameters()
loss, gradient = model.value_and_grad(start, series)
print(f"filter written directly: differs by {abs(loss - likelihood(start, series)):.0e}")
for entry, name in enumerate(model.network.layout):
    step = 1e-5 * np.eye(3)[entry]
    difference = (likelihood(start + step, series) - likelihood(start - step, series)) / 2e-5
    print(f"∂loss/∂{name} = {gradient[entry]:.9f}, by differences {difference:.9f}")

best = minimize(model.objective(series), start, jac=True, method="BFGS").x
print(f"a = {best[0]:.3f}, q = {np.exp(best[1]):.3f}, r = {np.exp(best[2]):.3f}; the data have 0.95, 0.25 and 1")
filtered = model.predict(best, series)
print(f"the level, known to {np.sqrt(np.mean((filtered - levels) ** 2)):.2f}; seen with an error of 1")
