#!/usr/bin/env bash
# JAX 0.10.2: the derivative of jax.scipy.special.spence, log(x)/(1 - x), is analytic at every positive x, -1 at x = 1. Expected:
# jax.grad is that. Seen: nan for 1 < x <= 2 and 0 at x = 1 itself, under jit too; right below 1 and above 2. The values are right
# everywhere: they are computed by cases, and what a case that is not chosen has for a slope comes through as nan.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 numpy==2.4.6 scipy==1.17.1
JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import math

import jax
import scipy.special
from jax.scipy.special import spence

print("jax", jax.__version__)
slope, compiled = jax.grad(spence), jax.jit(jax.grad(spence))
seen = {}
for x in (0.5, 0.999, 1.0, 1.0001, 1.5, 1.999, 2.001, 10.0):
    right = -1.0 if x == 1 else math.log(x) / (1 - x)
    assert abs(float(spence(x)) - scipy.special.spence(x)) < 1e-13
    seen[x] = float(slope(x)), float(compiled(x))
    print(f"x = {x}: slope {seen[x][0]:.12g}, compiled {seen[x][1]:.12g}, right {right:.12g}")
    if x < 1 or x > 2:
        assert abs(seen[x][0] / right - 1) < 1e-9, "the behaviour has changed"
assert seen[1.0] == (0.0, 0.0) and all(math.isnan(v) for x in (1.0001, 1.5, 1.999) for v in seen[x]), "the behaviour has changed"
PYTHON
