#!/usr/bin/env bash
# SciPy 1.17.1 and JAX 0.10.2: gammaln beside its zeros 1 and 2 in float64: likelihoods with counts and shapes of about one, where such
# logarithms are all there is. Expected: the digits of the C library's lgamma, which PyTorch has. Seen: SciPy has ten at 1 + 1e-7 and
# nine at 2 - 1e-7, yet all just above 2; JAX has nine and eight on both sides, since it adds numbers of size one that cancel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scipy==1.17.1 jax==0.10.2 torch==2.13.0 numpy==2.4.6 mpmath==1.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import jax
import mpmath
import scipy
import torch

print("scipy", scipy.__version__, "jax", jax.__version__, "torch", torch.__version__)
jax.config.update("jax_enable_x64", True)
mpmath.mp.dps = 40


def errors(x):
    right = mpmath.loggamma(mpmath.mpf(x))
    found = {
        "SciPy": scipy.special.gammaln(x),
        "JAX": jax.scipy.special.gammaln(x),
        "PyTorch": torch.lgamma(torch.tensor(x, dtype=torch.float64)),
    }
    return {name: float(abs(float(value) / right - 1)) for name, value in found.items()}


seen = {x: errors(x) for x in (1 + 1e-3, 1 + 1e-7, 2 - 1e-7, 2 + 1e-7)}
for x, by in seen.items():
    print(f"x = {x!r}: log Γ = {mpmath.nstr(mpmath.loggamma(mpmath.mpf(x)), 12)}, errors", ", ".join(f"{n} {e:.1e}" for n, e in by.items()))
assert all(by["PyTorch"] < 1e-15 for by in seen.values()), "the behaviour has changed"
assert 1e-11 < seen[1 + 1e-7]["SciPy"] < 1e-9 and 1e-10 < seen[2 - 1e-7]["SciPy"] < 1e-8, "the behaviour has changed"
assert seen[2 + 1e-7]["SciPy"] < 1e-14 and seen[1 + 1e-7]["JAX"] > 1e-10, "the behaviour has changed"
PYTHON
