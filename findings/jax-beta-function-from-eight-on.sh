#!/usr/bin/env bash
# JAX 0.10.2: jax.scipy.special.betaln and beta in float64, and what stands on them (beta.logpdf). Expected: the digits of SciPy's betaln,
# whose method this is. Seen: fourteen digits while both numbers are below 8; from 8 on, where a series takes over, the error is
# 1.3e-6 (betaln(7.999, 2.5) is right, betaln(8, 2.5) is not), 7e-7 at 10, 6e-8 at 20, 1e-10 at 100, and the slope at 8 is off by 5e-7:
# single precision in effect, with a jump at 8. betaln(8, 8) is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 numpy==2.4.6 scipy==1.17.1 mpmath==1.3.0
JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import jax
import mpmath
import scipy.special
from jax.scipy.special import beta, betaln

print("jax", jax.__version__, "scipy", scipy.__version__)
mpmath.mp.dps = 30
errors = {}
for a, b in ((3.0, 2.5), (7.999, 2.5), (8.0, 2.5), (2.5, 8.0), (8.0, 1.0), (10.0, 2.5), (12.0, 9.0), (20.0, 2.5), (100.0, 2.0), (8.0, 8.0)):
    right = mpmath.log(mpmath.beta(a, b))
    found, slope = float(betaln(a, b)), float(jax.grad(betaln)(a, b))
    of_value = float(abs(found - right))
    of_beta = float(abs(float(beta(a, b)) / mpmath.beta(a, b) - 1))
    of_slope = float(abs(slope - mpmath.psi(0, a) + mpmath.psi(0, a + b)))
    errors[a, b] = of_value
    beside = float(abs(scipy.special.betaln(a, b) - right))
    print(f"betaln({a:g}, {b:g}) = {found:.15g}, right {mpmath.nstr(right, 15)}: error {of_value:.1e}", end="")
    print(f" (SciPy {beside:.1e}), of beta {of_beta:.1e}, of the slope {of_slope:.1e}")
    assert beside < 1e-14 and abs(of_beta - of_value) < 1e-2 * of_value + 1e-13, "the behaviour has changed"
assert max(errors[3.0, 2.5], errors[7.999, 2.5], errors[8.0, 8.0]) < 1e-13, "the behaviour has changed"
assert all(5e-7 < errors[at] < 2e-6 for at in ((8.0, 2.5), (2.5, 8.0), (8.0, 1.0), (10.0, 2.5))), "the behaviour has changed"
assert 1e-8 < errors[20.0, 2.5] < 1e-7 and 1e-11 < errors[100.0, 2.0] < 1e-9, "the behaviour has changed"
exact = float(7 * mpmath.log(mpmath.mpf("0.3")) + 1.5 * mpmath.log(mpmath.mpf("0.7")) - mpmath.log(mpmath.beta(8, 2.5)))
found = float(jax.scipy.stats.beta.logpdf(0.3, 8.0, 2.5))
print(f"beta.logpdf(0.3, 8, 2.5) = {found:.15g}, right {exact:.15g}")
assert 5e-7 < abs(found - exact) < 2e-6, "the behaviour has changed"
PYTHON
