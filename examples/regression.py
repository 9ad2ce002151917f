"""Nonlinear regression by Gauss-Newton: y = b1·(1 − exp(−b2·x)), the data set Misra1a of NIST.

The residuals r are written in index notation, once for all samples. A step of the method solves JᵀJ·p = −Jᵀr, with the
exact matrix and gradient, and is halved until e = ½ Σ r² falls. NIST certifies b1 = 238.94212918, b2 = 5.5015643181e-4
and the residual sum of squares 0.12455138894 (https://www.itl.nist.gov/div898/strd/nls/data/misra1a.shtml).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares
from sympy import Idx, IndexedBase, Sum, exp, symbols

import codegen
from symnn.terminal import printing

X = [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0]
Y = [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78]
START = np.array([500.0, 1e-4])


def main() -> None:
    b1, b2, n = symbols("b1 b2 n")
    i = Idx("i", n)
    r, x, y = IndexedBase("r"), IndexedBase("x"), IndexedBase("y")
    equations = {r[i]: y[i] - b1 * (1 - exp(-b2 * x[i])), "e": Sum(r[i] ** 2, i) / 2}
    graph = codegen.from_expressions(equations, [b1, b2, x, y])
    derived = codegen.gauss_newton(graph, "r", ["b1", "b2"])
    print(derived)

    products = codegen.compile(derived)
    objective = codegen.FlatFunction(graph, "e", ["b1", "b2"], {"x": X, "y": Y})

    def normal_matrix(b: np.ndarray) -> np.ndarray:
        _, j11, j12, j22 = products(*b, np.array(X), np.array(Y))
        return np.array([[j11, j12], [j12, j22]])

    b, steps = START, 0
    while True:
        error, gradient = objective.value_and_jac(b)
        step = -np.linalg.solve(normal_matrix(b), gradient)
        while not objective.fun(b + step) < error and np.any(np.abs(step) > 1e-12 * np.abs(b)):
            step /= 2
        if np.all(np.abs(step) <= 1e-12 * np.abs(b)):
            break
        b, steps = b + step, steps + 1

    deviations = np.sqrt(2 * error / (len(X) - 2) * np.diag(np.linalg.inv(normal_matrix(b))))
    for name, value, deviation in zip(objective.wrt, b, deviations):
        print(f"{name} = {value:.9e} ± {deviation:.4e}")
    print(f"residual sum of squares {2 * error:.9e} after {steps} steps")

    residuals = codegen.FlatFunction(graph, "r", ["b1", "b2"], {"x": X, "y": Y})
    fit = least_squares(residuals.fun, START, residuals.jac, method="lm", x_scale="jac", xtol=1e-15, ftol=1e-15)
    print(f"by SciPy's Levenberg-Marquardt: {', '.join(f'{v:.9e}' for v in fit.x)} after {fit.njev} Jacobians")


if __name__ == "__main__":
    with printing():  # also where symbols cannot be shown
        main()
