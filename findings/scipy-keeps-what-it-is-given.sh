#!/usr/bin/env bash
# SciPy's minimisers and solve_ivp keep the array that a function returned and compare it with the next one. A function
# that fills one array and returns it at every call, as fast code does, is legal Python and nothing in their
# documentation forbids it. Expected: the same results as with new arrays, or an error. Seen: wrong results, some of
# them reported as success: Newton-CG does not move, BDF follows a circle to 1e17. L-BFGS-B, SLSQP, TNC and LSODA copy.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import numpy as np
import scipy
from scipy.integrate import solve_ivp
from scipy.optimize import minimize, rosen, rosen_der

warnings.simplefilter("ignore")
print("numpy", np.__version__, "scipy", scipy.__version__)
memory = np.empty(5)


def slope(x):
    memory[:] = rosen_der(x)
    return memory


start, wrong, right = np.full(5, -0.5), 0, 0
print("Rosenbrock's function of 5 variables from -0.5: least value found, success")
for method in ("BFGS", "CG", "Newton-CG", "trust-constr", "L-BFGS-B", "SLSQP", "TNC"):
    fresh, same = (minimize(rosen, start, jac=jac, method=method) for jac in (rosen_der, slope))
    print(f"  {method:12} new arrays {fresh.fun:.1e} {fresh.success}, one array {same.fun:.1e} {same.success}")
    wrong += method in ("BFGS", "CG", "Newton-CG", "trust-constr") and same.fun > 1e-3
    right += fresh.fun < 1e-5
still = minimize(rosen, start, jac=slope, method="Newton-CG")
silent = still.success and bool((still.x == start).all())

turn = np.empty(2)


def circle(t, y):
    turn[:] = y[1], -y[0]
    return turn


print("y'' = -y after a full turn from (1, 0), rtol 1e-6: expected (1, 0)")
for method in ("RK45", "BDF", "LSODA"):
    found = solve_ivp(circle, (0, 2 * np.pi), [1.0, 0.0], method=method, rtol=1e-6, atol=1e-9)
    print(f"  {method:5} one array: {found.y[:, -1]}, success {found.success}")
    wrong += method == "BDF" and found.success and abs(found.y[0, -1]) > 1e3
sys.exit(0 if (wrong, right, silent) == (5, 7, True) else 1)
PYTHON
