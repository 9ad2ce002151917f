#!/usr/bin/env bash
# jacobi computes numerical derivatives and says how far off each may be, for the propagation of errors. Expected: a
# true error of no more than about ten times the stated one, or a stated one that is large, at ordinary points of smooth
# functions. Seen: the first step is a quarter of the argument, so that where a function turns within it the result is
# wrong at the first digit, and the stated error is 90 to a million times smaller than the true one: sin at 30, 1000 and
# 1e6, cos(2πft) at one second for 50 Hz. Where the argument is small against the period all is well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 jacobi==0.9.2
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import jacobi as package
import numpy as np
from jacobi import jacobi

print("jacobi", package.__version__, "numpy", np.__version__)
turn = 100 * np.pi
cases = [
    ("sin(x)", np.sin, np.cos, (0.3, 3.0, 30.0, 1000.0, 1e6)),
    ("cos(100πx)", lambda t: np.cos(turn * t), lambda t: -turn * np.sin(turn * t), (0.001, 0.2513, 1.0013)),
]
ratios = []
for name, function, slope, points in cases:
    for x in points:
        value, stated = (float(np.ravel(part)[0]) for part in jacobi(function, x))
        error = abs(value - slope(x))
        ratios.append(error / max(stated, 1e-15))
        print(f"{name} at {x:g}: derivative {slope(x):.8g}, seen {value:.8g} ± {stated:.2g}, off by {error:.2g}")
small, large = (ratios[0], ratios[1], ratios[5]), (*ratios[2:5], ratios[7])
sys.exit(0 if max(small) < 30 and min(large) > 50 else 1)
PYTHON
