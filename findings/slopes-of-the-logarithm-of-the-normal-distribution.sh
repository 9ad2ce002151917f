#!/usr/bin/env bash
# JAX 0.10.2 and PyTorch 2.13.0: derivatives of log_ndtr(x), the logarithm of the normal distribution function, which is there for
# the lower tail (probit models, censored data). Its values are right there. Expected: so are its slope, close to -x, and the second
# derivative, close to -1. Seen: both take the slope as exp(-x^2/2 - log_ndtr(x))/sqrt(2*pi), whose exponent is the difference of two
# large numbers. In float32 the second derivative at -100 is 1.9 and -3, and at -1e5 the slope is 1 and 0.4 for 100000; in float64
# the second derivative has five and four digits at -1000, and is 3170 and -7403 at -1e5. JAX's norm.logcdf is the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 jax==0.10.2 numpy==2.4.6 mpmath==1.3.0
JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import mpmath
import torch
from jax.scipy.special import log_ndtr

print("jax", jax.__version__, "torch", torch.__version__)
mpmath.mp.dps = 40


def of_jax(x, dtype):
    at = jnp.asarray(x, dtype)
    return tuple(float(f(at)) for f in (log_ndtr, jax.grad(log_ndtr), jax.grad(jax.grad(log_ndtr))))


def of_torch(x, dtype):
    at = torch.tensor(x, dtype=getattr(torch, dtype), requires_grad=True)
    value = torch.special.log_ndtr(at)
    (slope,) = torch.autograd.grad(value, at, create_graph=True)
    return value.item(), slope.item(), torch.autograd.grad(slope, at)[0].item()


def right(x):
    x = mpmath.mpf(x)
    lower = mpmath.erfc(-x / mpmath.sqrt(2)) / 2
    slope = mpmath.npdf(x) / lower
    return tuple(float(v) for v in (mpmath.log(lower), slope, -slope * (x + slope)))


seen = {}
for dtype in ("float32", "float64"):
    for x in (-5.0, -100.0, -1e3, -1e5):
        exact = right(x)
        print(f"{dtype}, x = {x:g}: right {', '.join(f'{v:.8g}' for v in exact)}")
        for name, function in (("JAX", of_jax), ("PyTorch", of_torch)):
            found = function(x, dtype)
            seen[name, dtype, x] = [abs(a / b - 1) for a, b in zip(found, exact, strict=True)]
            print(f"    {name}: {', '.join(f'{v:.8g}' for v in found)}")
for name in ("JAX", "PyTorch"):
    assert all(errors[0] < 1e-6 for (of, *_), errors in seen.items() if of == name), "the behaviour has changed"
    assert max(seen[name, "float32", -5.0]) < 1e-4 and max(seen[name, "float64", -5.0]) < 1e-11, "the behaviour has changed"
    assert seen[name, "float32", -100.0][2] > 1 and seen[name, "float32", -1e5][1] > 0.99, "the behaviour has changed"
    assert seen[name, "float64", -1e3][2] > 1e-6 and seen[name, "float64", -1e5][2] > 1000, "the behaviour has changed"
PYTHON
