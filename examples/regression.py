"""Nonlinear regression by Gauss-Newton: y = b1·(1 − exp(−b2·x)), the data set Misra1a of NIST.

The residuals are written in index notation, once for all samples; the solver gets their exact Jacobian. NIST certifies
b1 = 238.94212918, b2 = 5.5015643181e-4 and the residual sum of squares 0.12455138894
(https://www.itl.nist.gov/div898/strd/nls/data/misra1a.shtml).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares
from sympy import Idx, IndexedBase, exp, symbols

import codegen

X = [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0]
Y = [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78]


def main() -> None:
    b1, b2, n = symbols("b1 b2 n")
    i = Idx("i", n)
    r, x, y = IndexedBase("r"), IndexedBase("x"), IndexedBase("y")
    graph = codegen.from_expressions({r[i]: y[i] - b1 * (1 - exp(-b2 * x[i]))}, [b1, b2, x, y])
    print(codegen.jacobian(graph, "r", ["b1", "b2"]))

    residuals = codegen.FlatFunction(graph, "r", ["b1", "b2"], {"x": X, "y": Y})
    fit = least_squares(residuals.fun, [500.0, 1e-4], residuals.jac, method="lm", x_scale="jac", xtol=1e-15, ftol=1e-15)
    variance = 2 * fit.cost / (len(X) - 2)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(fit.jac.T @ fit.jac)))
    for name, value, error in zip(residuals.wrt, fit.x, errors):
        print(f"{name} = {value:.9e} ± {error:.4e}")
    print(f"residual sum of squares {2 * fit.cost:.9e} after {fit.nfev} evaluations and {fit.njev} Jacobians")


if __name__ == "__main__":
    main()
