#!/usr/bin/env bash
# CasADi 3.8.2: erfinv, by which chance constraints of control problems are written (a quantile of a normal distribution is
# sqrt(2)·erfinv(2p - 1)). Expected: the fifteen digits that its erf has. Seen: ten at 0.5, six at 1 - 1e-12, and its derivatives, which
# are made of the value, have fewer still; erf of the result gives the argument back to ten digits only. SciPy's has all of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet casadi==3.8.2 numpy==2.4.6 scipy==1.17.1 mpmath==1.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import casadi
import mpmath
import scipy.special

print("casadi", casadi.__version__)
mpmath.mp.dps = 40
x = casadi.SX.sym("x")
value = casadi.erfinv(x)
slope = casadi.jacobian(value, x)
evaluate = casadi.Function("f", [x], [value, slope, casadi.erf(value)])


def error(found, right):
    return float(abs(mpmath.mpf(float(found)) / right - 1))


seen = {}
for p in (0.1, 0.5, 0.9, 0.999999, 1 - 1e-12):
    right = mpmath.erfinv(mpmath.mpf(p))
    found, rate, back = evaluate(p)
    seen[p] = error(found, right), error(rate, mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(right**2)), error(back, mpmath.mpf(p))
    scipys = error(scipy.special.erfinv(p), right)
    print(f"erfinv({p!r}) = {float(found):.15g}, right {mpmath.nstr(right, 15)}, error {seen[p][0]:.1e}", end="")
    print(f" (slope {seen[p][1]:.1e}, erf of it {seen[p][2]:.1e}, SciPy {scipys:.1e})")
    assert scipys < 1e-14, "the behaviour has changed"
assert 1e-11 < seen[0.5][0] < 1e-10 and 1e-11 < seen[0.5][2] < 1e-10, "the behaviour has changed"
assert 1e-7 < seen[1 - 1e-12][0] < 1e-6 and 1e-5 < seen[1 - 1e-12][1] < 1e-4, "the behaviour has changed"
PYTHON
