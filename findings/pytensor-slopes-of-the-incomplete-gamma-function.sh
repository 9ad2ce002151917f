#!/usr/bin/env bash
# PyTensor 3.0.7: derivatives of pt.gammainc and pt.gammaincc by their order a, in float64, at x = 3. Expected: about as many digits
# as the values have, 14, and as JAX's derivatives have at these places. Seen: seven and eight digits at a = 0.1 and 2.5 for gammainc, five
# for gammaincc, and in a tail, a = 40, one and four: series are cut off at absolute sizes, whatever the value is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pytensor==3.0.7 jax==0.10.2 mpmath==1.3.0
JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import jax
import jax.scipy.special
import mpmath
import pytensor
import pytensor.tensor as pt

print("pytensor", pytensor.__version__, "jax", jax.__version__)
mpmath.mp.dps = 50
off = {}
for name, upper in (("gammainc", False), ("gammaincc", True)):
    a = pt.dscalar("a")
    slope = pytensor.function([a], pytensor.grad(getattr(pt, name)(a, 3.0), a))
    beside = jax.grad(getattr(jax.scipy.special, name))
    for order in (0.1, 2.5, 40.0):
        ends = (3, mpmath.inf) if upper else (0, 3)
        right = mpmath.diff(lambda u: mpmath.gammainc(u, *ends, regularized=True), order, h=mpmath.mpf("1e-15"))
        seen = float(slope(order))
        off[name, order] = float(abs(seen / right - 1))
        other = float(abs(float(beside(order, 3.0)) / right - 1))
        print(f"{name}'({order}): {seen:.15g}, right {mpmath.nstr(right, 15)}, relative error {off[name, order]:.1e} (JAX {other:.1e})")
assert 1e-9 < off["gammainc", 2.5] < 1e-7 and 1e-7 < off["gammaincc", 2.5] < 1e-4 and off["gammainc", 40.0] > 1e-3, "the behaviour has changed"
PYTHON
