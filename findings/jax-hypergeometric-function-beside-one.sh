#!/usr/bin/env bash
# JAX 0.10.2: jax.scipy.special.hyp2f1(a, b, c, x) of float64, of positive numbers as its documentation asks, and of moderate values, for
# it warns of high ones. Expected: SciPy's digits, or nan where it cannot. Seen: for (1.2, 2.3, 3.1) fifteen digits up to x = 0.88, eight
# at 0.93, four at 0.97; at 0.99 the value is 21.5 for 22.0, at 0.999 36.4 for 65.0. For (1.2, 2.3, 4.1), where the value at 1 is
# finite, 5.48 for 5.63 at 0.999. The series in x is broken off. With c = a + b, as of an elliptic integral, it is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 numpy==2.4.6 scipy==1.17.1 mpmath==1.3.0
JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import jax
import mpmath
import scipy.special
from jax.scipy.special import hyp2f1

print("jax", jax.__version__, "scipy", scipy.__version__)
mpmath.mp.dps = 30
errors = {}
for parameters in ((1.2, 2.3, 3.1), (1.2, 2.3, 4.1), (0.5, 0.5, 1.0)):
    for x in (0.5, 0.88, 0.93, 0.97, 0.99, 0.999):
        right = mpmath.hyp2f1(*parameters, mpmath.mpf(x))
        found = float(hyp2f1(*parameters, x))
        errors[parameters, x] = float(abs(found / right - 1))
        beside = float(abs(scipy.special.hyp2f1(*parameters, x) / right - 1))
        print(f"{parameters} at {x}: {found:.12g}, right {mpmath.nstr(right, 12)}, error {errors[parameters, x]:.1e} (SciPy {beside:.1e})")
        assert beside < 1e-13, "the behaviour has changed"
assert all(error < 1e-13 for (parameters, x), error in errors.items() if x < 0.9 or parameters[0] == 0.5), "the behaviour has changed"
for parameters, first, last in (((1.2, 2.3, 3.1), 1e-2, 0.3), ((1.2, 2.3, 4.1), 1e-4, 0.02)):
    assert errors[parameters, 0.99] > first and errors[parameters, 0.999] > last, "the behaviour has changed"
PYTHON
