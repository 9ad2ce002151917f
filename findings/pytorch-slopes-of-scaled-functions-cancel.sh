#!/usr/bin/env bash
# PyTorch 2.13.0: erfcx(x) = exp(x^2)*erfc(x) is there for large x, where erfc is 0, and its values have all digits there. Expected: so
# have its derivatives, -1/(sqrt(pi)*x^2) and 2/(sqrt(pi)*x^3) far out. Seen: the slope is the difference 2*x*erfcx(x) - 2/sqrt(pi), of numbers
# that agree in ever more digits: at 1e6 four are left, at 1e9 it is 0, and the second derivative has another sign and size,
# 4e7 times too large. At 1e3 the second one has four digits already.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 mpmath==1.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import mpmath
import torch

print("torch", torch.__version__)
mpmath.mp.dps = 60


def derivatives(x):
    """The slope is 2·x·w − 2/√π, the second derivative (2 + 4·x²)·w − 4·x/√π."""
    x = mpmath.mpf(x)
    w, root = mpmath.exp(x * x) * mpmath.erfc(x), mpmath.sqrt(mpmath.pi)
    return 2 * x * w - 2 / root, (2 + 4 * x * x) * w - 4 * x / root


off = {}
for x in (10.0, 1e3, 1e6, 1e9):
    with mpmath.workdps(900 if x < 100 else 60):
        if x > 100:  # the series of Watson: exp(x²) is out of range for this precision
            y = mpmath.mpf(x)
            right = -1 / (mpmath.sqrt(mpmath.pi) * y**2) * (1 - 3 / (2 * y**2)), 2 / (mpmath.sqrt(mpmath.pi) * y**3) * (1 - 3 / y**2)
        else:
            right = derivatives(x)
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.special.erfcx(at), at, create_graph=True)
    (second,) = torch.autograd.grad(slope, at)
    off[x] = [float(abs(seen.item() / exact - 1)) for seen, exact in zip((slope, second), right, strict=True)]
    print(f"x = {x:g}: slope {slope.item():.10g}, right {mpmath.nstr(right[0], 10)}; second {second.item():.10g}, right {mpmath.nstr(right[1], 10)}")
assert off[10.0][0] < 1e-11 and off[1e3][1] > 1e-7 and off[1e6][0] > 1e-6 and off[1e6][1] > 1e3 and off[1e9][0] == 1, "the behaviour has changed"
PYTHON
