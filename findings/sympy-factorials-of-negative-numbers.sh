#!/usr/bin/env bash
# SymPy 1.14.0: factorial(x), the rising factorial rf(x, k) and the falling one ff(x, k) of real numbers, which evalf continues by the
# gamma function: factorial(-0.6) = 2.218, rf(-0.6, 1/2) = 2.891. Expected: lambdify computes what evalf does, or refuses. Seen: with
# SciPy, factorial of every negative number is 0, beside its derivative, printed by gamma and polygamma, which is right; rf and ff of a k that
# is no integer, by math and NumPy, are imaginary numbers of another size for every negative x, for rewrite(gamma) has (-1)**k*gamma(1 - x)/
# gamma(1 - k - x) there, which holds for integers. ff is so with SciPy, too, whose poch makes rf right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sympy==1.14.0 mpmath==1.3.0 numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import sympy

print("sympy", sympy.__version__)
x, half = sympy.Symbol("x", real=True), sympy.Rational(1, 2)


def differs(expression, module, at):
    """Whether lambdify's number is not that of evalf, both printed."""
    found = complex(sympy.lambdify(x, expression, module)(at))
    right = float(expression.subs(x, sympy.Float(str(at), 20)).evalf(15))
    print(f"{expression} at {at} by {module}: {found:.9g}, right {right:.9g}")
    return abs(found - right) > 1e-9


factorial, rising, falling = sympy.factorial(x), sympy.rf(x, half), sympy.ff(x, half)
for at in (-3.7, -0.6):
    assert differs(factorial, "scipy", at) and not differs(factorial.diff(x), "scipy", at), "the behaviour has changed"
    assert not differs(factorial, "mpmath", at) and not differs(rising, "scipy", at), "the behaviour has changed"
    for expression, module in ((rising, "math"), (rising, "numpy"), (falling, "math"), (falling, "numpy"), (falling, "scipy")):
        assert differs(expression, module, at), "the behaviour has changed"
assert not any(differs(e, m, 0.7) for e, m in ((factorial, "scipy"), (rising, "math"), (falling, "scipy"))), "the behaviour has changed"
PYTHON
