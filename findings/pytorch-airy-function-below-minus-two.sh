#!/usr/bin/env bash
# PyTorch 2.13.0: torch.special.airy_ai of float64. Expected: the digits that SciPy's airy has, fifteen or, beside a zero,
# an error of about 1e-16. Seen: from -2.09 down, where another formula begins, the error is 3e-6 and falls slowly: 7e-7 next to
# the first zero (of the value there two digits are left), 5e-9 at -3, 3e-11 at -4, 4e-14 at -5. Above -2.09 it is 1e-16.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 scipy==1.17.1 mpmath==1.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import mpmath
import scipy.special
import torch

print("torch", torch.__version__)
mpmath.mp.dps = 30
errors = {}
for x in (-1.5, -2.0, -2.1, -2.338, -2.5, -3.0, -4.0, -5.0, -10.0):
    right = mpmath.airyai(mpmath.mpf(x))
    seen = float(torch.special.airy_ai(torch.tensor(x, dtype=torch.float64)))
    errors[x] = float(abs(seen - right))
    beside = float(abs(scipy.special.airy(x)[0] - right))
    print(f"Ai({x}): {seen:.16g}, right {mpmath.nstr(right, 16)}, error {errors[x]:.1e} (SciPy {beside:.1e})")
same = errors[-2.0] < 1e-15 and 1e-6 < errors[-2.1] < 1e-5 and 1e-7 < errors[-2.338] < 1e-6 and 1e-9 < errors[-3.0] < 1e-8
assert same, "the behaviour has changed"
PYTHON
