#!/usr/bin/env bash
# SciPy's Bessel functions of real order and Lambert's W, where the argument is tiny or next to a branch point, and the
# value is inside the range of float64. Expected: fifteen digits, or at least the right size. Seen: 0, infinity and
# other sizes without a warning; K of order 1/2 from 1e-308 down, I from 1e-200 down, Y of order -3/2, which is tiny
# there and is found huge, W on the lower branch at the smallest number; and W on the main branch loses half of its
# digits beside -1/e.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 scipy==1.17.1 mpmath==1.4.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import mpmath
import scipy
from mpmath import mp
from scipy import special

mp.dps = 400
BESIDE = -0.3678794411714423  # the next float above -1/e
CASES = [
    ("kv(0.5, 2.8e-310)", special.kv(0.5, 2.8e-310), mpmath.besselk(0.5, mp.mpf(2.8e-310))),
    ("iv(0.5, 6.8e-228)", special.iv(0.5, 6.8e-228), mpmath.besseli(0.5, mp.mpf(6.8e-228))),
    ("iv(1, 1e-160)", special.iv(1, 1e-160), mpmath.besseli(1, mp.mpf(1e-160))),
    ("yv(-1.5, 1e-205)", special.yv(-1.5, 1e-205), mpmath.bessely(-1.5, mp.mpf(1e-205))),
    ("lambertw(-5e-324, -1)", special.lambertw(-5e-324, -1).real, mpmath.lambertw(mp.mpf(-5e-324), -1).real),
    ("lambertw(BESIDE)", special.lambertw(BESIDE).real, mpmath.lambertw(mp.mpf(BESIDE)).real),
]
print("scipy", scipy.__version__, "mpmath", mpmath.__version__)
wrong = []
for name, found, right in CASES:
    off = float(abs(found - right) / abs(right))
    print(f"{name:30} {found:.17g}, right {mpmath.nstr(right, 17)}, relative error {off:.1e}")
    wrong.append(off)
sys.exit(0 if all(off >= 1 for off in wrong[:5]) and 1e-10 < wrong[5] < 1e-7 else 1)
PYTHON
