#!/usr/bin/env bash
# SymPy 1.14.0: Mod(x, y) takes the sign of y, as Python's % does, and lambdify, pycode and jscode write it so. Expected: C code
# does, too. Seen: ccode and cxxcode print fmod(x, y), which takes the sign of x: -1.7 for Mod(-1.7, 2.3), which is 0.6, and
# -3.4 for 2*Mod(-1.7, 2.3), which is 1.2. And Mod(floor(x), 3), of integers by SymPy's knowledge, is printed with C's %,
# which no compiler takes, for floor is a double there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sympy==1.14.0 mpmath==1.3.0
"$folder/venv/bin/python" - <<'PYTHON'
from math import fmod

import sympy
from sympy import Mod, ccode, cxxcode, floor, jscode, symbols

print("sympy", sympy.__version__)
x, y = symbols("x y", real=True)
printed = ccode(Mod(x, y)), ccode(2 * Mod(-x, y)), ccode(Mod(floor(x), 3))
print("C:", *printed, "C++:", cxxcode(Mod(x, y)), "JavaScript:", jscode(Mod(x, y)), sep="\n  ")
assert printed == ("fmod(x, y)", "2*(fmod(-x, y))", "((floor(x) % 3) + 3) % 3"), "the behaviour has changed"
for a, b in ((-1.7, 2.3), (1.7, -2.3)):
    right, in_c = float(Mod(x, y).subs({x: a, y: b})), fmod(a, b)
    print(f"Mod({a}, {b}): SymPy {right:.15g}, Python {a % b:.15g}, the C code {in_c:.15g}")
    assert abs(right - a % b) < 1e-12 and abs(in_c - right) > 1, "the behaviour has changed"
right, in_c = float((2 * Mod(-x, y)).subs({x: 1.7, y: 2.3})), 2 * fmod(-1.7, 2.3)
print(f"2*Mod(-1.7, 2.3): SymPy {right:.15g}, the C code {in_c:.15g}")
assert right > 0 > in_c, "the behaviour has changed"
PYTHON
