#!/usr/bin/env bash
# SciPy's L-BFGS-B where a function is defined on a part of the plane only, and its first trial point lies outside.
# Expected: whatever is returned outside, nan, inf or a large number, the line search takes a shorter step, as it does
# for a large number; in any case result.fun == fun(result.x), and no success where the gradient is large.
# Seen: with inf, "CONVERGENCE: RELATIVE REDUCTION OF F" and success True at the start, where the gradient is (-0.04, 0.57)
# and the value 0.457; with nan, success False and result.fun nan beside an x where the function is 0.457; with 1e10 the
# minimum, 0, is reached.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import scipy
from scipy.optimize import minimize

print("numpy", np.__version__, "scipy", scipy.__version__)
z = np.linspace(0, 1, 50)


def fun(p, outside):
    """mean((sqrt(A) - log(A) - 2)**2) of A = p0*z + p1; where A is not positive, a value given instead."""
    a = p[0] * z + p[1]
    if a.min() <= 0:
        return outside, np.zeros(2)
    r = np.sqrt(a) - np.log(a) - 2
    slope = 2 * r * (0.5 / np.sqrt(a) - 1 / a)
    return np.mean(r**2), np.array([np.mean(slope * z), np.mean(slope)])


start = np.array([-0.9, 1.0])
print("at the start: value", *fun(start, 0.0)[:1], "gradient", fun(start, 0.0)[1])
found = {}
for outside in (np.inf, np.nan, 1e10):
    result = found[outside] = minimize(fun, start, args=(outside,), jac=True, method="L-BFGS-B")
    print(f"outside {outside}: success {result.success}, {result.message!r}, moved {bool((result.x != start).any())}, "
          f"result.fun {result.fun:.3g}, fun(result.x) {fun(result.x, outside)[0]:.3g}")
infinite, unknown, large = found.values()
seen = (
    infinite.success and (infinite.x == start).all() and infinite.nit <= 1
    and np.isnan(unknown.fun) and np.isfinite(fun(unknown.x, np.nan)[0])
    and large.fun < 1e-6
)
sys.exit(0 if seen else 1)
PYTHON
