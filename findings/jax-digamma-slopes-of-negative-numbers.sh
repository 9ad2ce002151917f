#!/usr/bin/env bash
# JAX 0.10.2: the derivative of jax.scipy.special.digamma, and polygamma(1, x), at negative numbers in float64; the values of
# digamma are right there, and gradients of gammaln's gradients go through them. Expected: pi^2/sin(pi*x)^2 - trigamma(1 - x),
# which is at least pi^2 less a little, everywhere below 0. Seen: right at -0.5, -1.5 and -3.3, about 1e18 at -10.3, and a small negative
# number from -20.5 down, where it should be 9.82 and 15.06: a sum that begins at x passes the poles term by term, and beyond some
# twenty terms is cut off before it reaches them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 numpy==2.4.6 scipy==1.17.1 mpmath==1.3.0
JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import jax
import mpmath
from jax.scipy.special import digamma, gammaln

print("jax", jax.__version__)
found = {}
for x in (-0.5, -3.3, -10.3, -20.5, -50.3, -1000.3):
    right = float(mpmath.psi(1, x))
    found[x] = float(jax.grad(digamma)(x)), float(jax.grad(jax.grad(gammaln))(x)), right
    print(f"x = {x}: digamma' {found[x][0]:.10g}, gammaln'' {found[x][1]:.10g}, right {right:.10g}")
good = all(abs(found[x][0] / found[x][2] - 1) < 1e-12 for x in (-0.5, -3.3))
bad = all(abs(found[x][k] / found[x][2] - 1) > 0.5 for x in (-10.3, -20.5, -50.3, -1000.3) for k in (0, 1))
assert good and bad and found[-50.3][0] < 0, "the behaviour has changed"
PYTHON
