#!/usr/bin/env bash
# rsdag traces NumPy code, differentiates it and compiles it. Expected: np.exp, np.log and np.sqrt of a traced number are
# those of NumPy, as they are for sinh, cosh, expm1 and log1p, interpreted and native. Seen: exp goes on as a straight
# line above 80, log stops at that of 1e-30, and sqrt of a negative number is 0, each without a word. Derivatives follow
# (that of expm1, which is right itself, is 1e7 times too small at 100). A likelihood of 1e-40 or a softmax without its
# maximum taken out has a finite, wrong gradient where NumPy's formula is right in double precision.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 rsdag==5.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from rsdag import grad, jit

print("rsdag", version("rsdag"), "numpy", np.__version__)
np.seterr(invalid="ignore")
cases = [
    ("exp", np.exp, np.exp, (79.0, 81.0, 300.0)),
    ("log", np.log, lambda x: 1 / x, (1e-29, 1e-31, 1e-200)),
    ("sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), (2.0, -1.0)),
    ("expm1", np.expm1, np.exp, (79.0, 100.0)),
]
right = []
for name, function, slope, points in cases:
    compiled = [jit(lambda x: function(x), native=native) for native in (False, True)]
    derivative = grad(lambda x: function(x))
    for x in points:
        values, found = [np.ravel(f(x))[0] for f in compiled], np.ravel(derivative(x))[0]
        print(f"{name}({x:g}): expected {function(x):.6g}, seen {values[0]:.6g}, native {values[1]:.6g};", end=" ")
        print(f"derivative: expected {slope(x):.6g}, seen {found:.6g}")
        same = [bool(np.isclose(v, function(x), rtol=1e-12, equal_nan=True)) for v in values]
        right.append((*same, bool(np.isclose(found, slope(x), rtol=1e-12, equal_nan=True))))
good, bad = (True,) * 3, (False,) * 3
expected = [good, bad, bad, good, bad, bad, good, bad, good, (True, True, False)]
sys.exit(0 if right == expected else 1)
PYTHON
