#!/usr/bin/env bash
# SymPy 1.14.0: the value of jn(n, x) and yn(n, x), the spherical Bessel functions of whole order, at a negative number.
# jn(0, x) is sin(x)/x, an even function, and so expand_func writes it. Expected: evalf has the sign of that formula.
# Seen: the opposite sign for every whole n, of jn and yn alike, since evalf goes through besselj(n + 1/2, x)*sqrt(pi/(2*x)),
# two roots of a negative number whose product is on the other branch. lambdify with SciPy has the right one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sympy==1.14.0 mpmath==1.3.0 numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import sympy
from sympy import Float, Symbol, expand_func, jn, lambdify, yn

print("sympy", sympy.__version__)
x = Symbol("x")
opposite = []
for function in (jn, yn):
    for order in (0, 1, 2, 3):
        seen = float(function(order, Float(-1.7)))
        right = float(expand_func(function(order, x)).subs(x, Float(-1.7)))
        scipy = float(lambdify(x, function(order, x), "scipy")(-1.7))
        print(f"{function.__name__}({order}, -1.7): evalf {seen:+.12f}, by sin and cos {right:+.12f}, SciPy {scipy:+.12f}")
        opposite.append(abs(seen + right) < 1e-12 and abs(scipy - right) < 1e-12)
assert all(opposite), "the behaviour has changed"
PYTHON
