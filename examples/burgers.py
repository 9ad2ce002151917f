"""The Burgers equation by a physics-informed network, held to the exact solution of Cole and Hopf.

u_t + u·u_x = ν·u_xx on [−1, 1] × [0, 1] with u(x, 0) = −sin πx and u(±1, t) = 0.

The conditions are built in, u = −sin πx + t·(1 − x²)·N, the points gather where the wave gets steep, and the method is
Levenberg and Marquardt's.

Run it: python examples/burgers.py [ν·π, by default 0.01] [iterations, by default 300] [seed, by default 0]
"""

import sys
import time

import numpy as np
from sympy import Derivative, Function, nsimplify, pi, sin, symbols

import symnn

x, t = symbols("x t")
u = Function("u")(x, t)


def problem(nu_pi: float, width: int = 20) -> symnn.Physics:
    """The equation; the beginning and the two ends hold for every network."""
    nu = nsimplify(nu_pi, rational=True) / pi
    layers = (*(symnn.dense(width, "tanh") for _ in range(3)), symnn.dense(1))
    residual = symnn.Residual("interior", Derivative(u, t) + u * Derivative(u, x) - nu * Derivative(u, x, 2))
    return symnn.Physics((x, t), "u", layers, (residual,), forms={"u": (-sin(pi * x), t * (1 - x**2))})


def points(count: int = 2048, seed: int = 0) -> np.ndarray:
    """Points of both ranges that gather at x = 0."""
    return symnn.sample([(-1.0, 1.0), (0.0, 1.0)], count, seed, "sobol", {0: symnn.Towards(0.0, 4.0)})


def cole_hopf(x: np.ndarray, t: np.ndarray, nu: float, order: int = 100) -> np.ndarray:
    """The exact solution for t > 0: u = −2ν ∂(log φ)/∂x, where φ solves the heat equation.

    u(x, t) = −∫ sin(π(x − y))·f(x − y)·exp(−y²/4νt) dy / ∫ f(x − y)·exp(−y²/4νt) dy, f(y) = exp(−cos(πy)/2πν), by
    Gauss-Hermite quadrature.
    """
    node, weight = np.polynomial.hermite.hermgauss(order)
    y = x[:, None] - 2 * np.sqrt(nu * t)[:, None] * node
    exponent = -np.cos(np.pi * y) / (2 * np.pi * nu)
    f = weight * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return -np.sum(np.sin(np.pi * y) * f, axis=1) / np.sum(f, axis=1)


def error(model: symnn.PhysicsModel, theta: np.ndarray, nu: float) -> float:
    """The relative L2 error on a grid of 201 by 50 points."""
    grid = np.array(np.meshgrid(np.linspace(-1, 1, 201), np.linspace(0.02, 1, 50))).reshape(2, -1).T.copy()
    exact = cole_hopf(*grid.T, nu)
    return float(np.linalg.norm(model.predict(theta, grid)[:, 0] - exact) / np.linalg.norm(exact))


if __name__ == "__main__":
    given = sys.argv[1:]
    nu_pi, iterations, seed = (kind(given[n]) if n < len(given) else default
                               for n, (kind, default) in enumerate([(float, 0.01), (int, 300), (int, 0)]))  # fmt: skip
    begun = time.process_time()
    physics = problem(nu_pi)
    model = physics.compile()
    rows = model.least_squares(points(seed=seed))
    found = symnn.solve(rows, physics.initial_parameters(seed), methods=[{"levenberg_marquardt": iterations}])
    spent = time.process_time() - begun
    print(f"loss {found.loss:.2e} after {found.iterations:,} iterations in {spent:.0f} s of processor time")
    print(f"relative L2 error against the exact solution: {error(model, found.theta, nu_pi / np.pi):.1e}")
