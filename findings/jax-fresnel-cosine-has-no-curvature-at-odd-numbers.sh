#!/usr/bin/env bash
# JAX 0.10.2: derivatives of jax.scipy.special.fresnel, S(x) and C(x), the integrals of sin(pi*t^2/2) and cos(pi*t^2/2). Expected:
# C''(x) = -pi*x*sin(pi*x^2/2), which is -pi at 1 and -3*pi at 3. Seen: at 1, 3, 5, 7 and 9 it is 0, in float32 and float64, under jit and in
# forward mode alike; right beside these numbers, as 1e-9 away. Values, first derivatives and S'' are right at them, too. The slope
# has cosines of odd multiples of pi/2 set to 0, and a constant has no slope.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 numpy==2.4.6 scipy==1.17.1
JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import math

import jax
import jax.numpy as jnp
import scipy.special
from jax.scipy.special import fresnel

print("jax", jax.__version__)
sine, cosine = (lambda x: fresnel(x)[0]), (lambda x: fresnel(x)[1])
second = jax.grad(jax.grad(cosine))
forms = {"reverse": second, "jit": jax.jit(second), "forward": jax.jacfwd(jax.jacfwd(cosine))}
for x in (0.5, 1.0, 1.0 + 1e-9, 2.0, 3.0, 5.0, 7.0, 9.0, 9.5):
    phase = math.pi * x * x / 2
    right = -math.pi * x * math.sin(phase)
    found = {name: float(form(x)) for name, form in forms.items()}
    single, slope, beside = float(second(jnp.float32(x))), float(jax.grad(cosine)(x)), float(jax.grad(jax.grad(sine))(x))
    print(f"x = {x}: {', '.join(f'{name} {value:.9g}' for name, value in found.items())}, float32 {single:.6g}, right {right:.9g}")
    assert abs(float(cosine(x)) - scipy.special.fresnel(x)[1]) < 1e-14 and abs(slope - math.cos(phase)) < 1e-12, "the behaviour has changed"
    assert abs(beside - math.pi * x * math.cos(phase)) < 1e-10, "the behaviour has changed"
    odd = x % 2 == 1
    assert all(value == 0 if odd else abs(value - right) < 1e-9 for value in found.values()), "the behaviour has changed"
    assert not odd or single == 0, "the behaviour has changed"
PYTHON
