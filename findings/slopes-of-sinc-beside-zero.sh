#!/usr/bin/env bash
# torch.sinc (2.13.0) and jax.numpy.sinc (0.10.2) of float64 beside 0. Both define sinc(0) = 1, and JAX has a series for its
# derivatives at 0 itself. Expected: the slope -pi^2*x/3 beside 0, and -pi^2/3 for the second derivative, to many digits. Seen: of the
# slope at 1e-8 not one digit is right (36 % off) in either, at 1e-6 five, at 1e-4 nine; PyTorch's second derivative at 1e-8 is off by
# 58 %, and at exactly 0, where both slopes are right, it is nan.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 jax==0.10.2 numpy==2.4.6
JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import math

import jax
import jax.numpy
import torch

print("torch", torch.__version__, "jax", jax.__version__)
first = jax.grad(jax.numpy.sinc)
second = jax.grad(first)
off = {}
for x in (0.0, 1e-8, 1e-6, 1e-4):
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.sinc(at), at, create_graph=True)
    bend = float(torch.autograd.grad(slope, at)[0])
    right = -(math.pi**2) * x / 3 + math.pi**4 * x**3 / 30, -(math.pi**2) / 3 + math.pi**4 * x**2 / 10
    print(f"x = {x:g}: slope {right[0]:.10g}, torch {slope.item():.10g}, jax {float(first(x)):.10g}; "
          f"second {right[1]:.10g}, torch {bend:.10g}, jax {float(second(x)):.10g}")
    off[x] = [abs(seen.item() - right[0]) / (abs(right[0]) or 1.0) for seen in (slope, first(x))] + [abs(bend / right[1] - 1)]
assert off[0.0][:2] == [0, 0] and math.isnan(off[0.0][2]) and min(off[1e-8]) > 0.1 and min(off[1e-6]) > 1e-6 and max(off[1e-4]) < 1e-7, "the behaviour has changed"
PYTHON
