#!/usr/bin/env bash
# SciPy's Bessel functions at infinity. Expected: their limits, as its K, spherical j and exp-scaled i0e give them: J and
# Y 0, I infinite, the scaled ive and kve 0. Seen: nan from jv, yv, j0, y0, iv, i0, i1, ive and kve, without a warning,
# at an argument at which the functions beside them answer. And from about 1e16 on, long before, jv of every order is
# the same number: the phase is lost in the sum of the argument and a multiple of pi.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import scipy
from scipy import special

print("scipy", scipy.__version__)
far = np.inf
right = {"kv(2)": special.kv(2, far), "k0": special.k0(far), "spherical_jn(2)": special.spherical_jn(2, far)}
right["spherical_in(2)"], right["i0e"] = special.spherical_in(2, far), special.i0e(far)
wrong = {name: getattr(special, name)(2, far) for name in ("jv", "yv", "iv", "ive", "kve")}
wrong |= {name: getattr(special, name)(far) for name in ("j0", "y0", "i0", "i1")}
same = [special.jv(order, 1e300) for order in range(4)]
print("limits:", {name: float(value) for name, value in right.items()})
print("at infinity:", {name: float(value) for name, value in wrong.items()})
print("J0 to J3 at 1e300:", [float(value) for value in same])
limits = list(right.values()) == [0.0, 0.0, 0.0, np.inf, 0.0]
sys.exit(0 if limits and all(map(np.isnan, wrong.values())) and len(set(same)) == 1 else 1)
PYTHON
