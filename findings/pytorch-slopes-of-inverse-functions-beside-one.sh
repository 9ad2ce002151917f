#!/usr/bin/env bash
# PyTorch 2.13.0: slopes of asin, acos, atanh and acosh beside 1 in float64: angles between directions that are nearly the same,
# correlations transformed by Fisher, distances in hyperbolic embeddings. Expected: fifteen digits, as JAX has, since 1 - x is exact
# there. Seen: nine or ten at 1 ± 1e-9, because backward forms 1 - x·x, whose product is rounded first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 jax==0.10.2 numpy==2.4.6 mpmath==1.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import mpmath
import torch

print("torch", torch.__version__, "jax", jax.__version__)
jax.config.update("jax_enable_x64", True)
mpmath.mp.dps = 40
near = 1e-9
rows = {
    "asin": (torch.asin, jnp.arcsin, 1 - near, lambda x: 1 / mpmath.sqrt((1 - x) * (1 + x))),
    "acos": (torch.acos, jnp.arccos, 1 - near, lambda x: -1 / mpmath.sqrt((1 - x) * (1 + x))),
    "atanh": (torch.atanh, jnp.arctanh, 1 - near, lambda x: 1 / ((1 - x) * (1 + x))),
    "acosh": (torch.acosh, jnp.arccosh, 1 + near, lambda x: 1 / mpmath.sqrt((x - 1) * (x + 1))),
}
for name, (function, beside, x, derivative) in rows.items():
    right = derivative(mpmath.mpf(x))
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    function(at).backward()
    error = float(abs(at.grad.item() / right - 1))
    other = float(abs(float(jax.grad(beside)(x)) / right - 1))
    print(f"{name} at {x!r}: slope {at.grad.item():.15g}, right {mpmath.nstr(right, 15)}, error {error:.1e} (JAX {other:.1e})")
    assert 1e-10 < error < 1e-9 and other < 1e-14, "the behaviour has changed"
PYTHON
