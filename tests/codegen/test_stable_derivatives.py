"""Values and two derivatives by every variable, with all digits: held to what was written, in mpmath at 400 digits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import (
    Chi,
    Ei,
    Expr,
    Idx,
    IndexedBase,
    Integer,
    LambertW,
    Rational,
    Shi,
    Sum,
    Symbol,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    besseli,
    besselj,
    besselk,
    beta,
    binomial,
    cos,
    cosh,
    erf,
    erfc,
    erfi,
    exp,
    expint,
    factorial,
    gamma,
    lambdify,
    log,
    pi,
    sin,
    sinh,
    sqrt,
    symbols,
    tan,
    tanh,
    uppergamma,
)

from codegen import Graph, compile, from_expressions, gradient, hessian, mixed_partials, optimise
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly
from codegen.passes import straight
from tests.sweeps import one_in

pytestmark = pytest.mark.values

x, y, a, b, c, T = symbols("x y a b c T", real=True)

ANYWHERE = [s * x for x in (1e-40, 1e-9, 1e-5, 0.03, 0.13, 0.45, 1.1, 3.0, 20.0, 300.0) for s in (1, -1)]
FAR = [*ANYWHERE, 1e5]
VAST = [s * x for x in (0.0, 1e-9, 0.3, 3.0, 40.0, 800.0, 1e5) for s in (1, -1)]
BESIDE_1 = [1e-9, 0.1, 0.7, 0.999, 1 - 1e-9, 1 + 1e-15, 1 + 1e-9, 1.3, 5.0, 1e5]
SCALES = [(1e-40, 1.0), (1e-9, 1.0), (1e-9, 1e9), (0.3, 1.0), (2.0, -30.0), (-1e-3, 2.0), (1.5, -1e-9)]

HYPERBOLIC = [1e-9, 0.3, -3.0, 40.0, 300.0, -500.0, 700.0]

BESIDE_0 = [1e-40, 1e-10, -1e-5, 0.3, -3.0, 30.0]

BY_SIZE = [1e-10, 0.3, 1.99, 9.0, 700.0]

BOTH_WAYS = [s * x for x in (1e-40, 1e-10, 1e-5, 0.3, 3.0, 10.0, 20.0, 40.0, 240.0, 356.0, 700.0) for s in (1, -1)]

#: A formula and its points: values of its variables in the order of their names.
FORMULAS: dict[str, tuple[Expr, Sequence[Any]]] = {
    "log cosh(x)/x": (log(cosh(x)) / x, FAR),
    "log cosh(x)/x²": (log(cosh(x)) / x**2, FAR),
    "log cosh(b·c)/b": (log(cosh(b * c)) / b, [*SCALES, (1e3, 1.0), (2.0, 40.0), (1e-3, 1e9), (1.0, 0.0)]),
    "log cosh of a difference": (log(cosh(b * (x - y))) / b, [(1e-9, 2, 1), (1e-3, 2, 1), (3, 2, 2), (50, 2, 1)]),
    "T·log cosh(c/T)": (
        T * log(cosh(c / T)),
        [(t, 1.0) for t in (1e-300, 1e-9, 0.3, 2.0, 30.0, 1e5, 1e9)] + [(1e-170, 0.0), (1e3, -2.0)],
    ),
    "T·log 2cosh(c/T)": (T * log(2 * cosh(c / T)), [(1e-300, 1.0), (1e-3, 1.0), (30.0, 1.0), (1e-170, 0.0)]),
    "T·log sinhc(c/T)": (T * log(sinh(c / T) * T / c), [(1e9, 1.0), (1e3, 1.0), (1.0, 1.0), (1e-3, 1.0)]),
    "softplus(b·x)/b": (log(1 + exp(b * x)) / b, SCALES[1:]),
    "sinh(x)/x": (sinh(x) / x, [*FAR[:-1], 711.0]),
    "sinh(b·c)/b": (sinh(b * c) / b, SCALES),
    "T·sinh(c/T)": (T * sinh(c / T), [(1e9, 1.0), (1e3, 1.0), (1.0, 1.0)]),
    "(cosh(x) − 1)/x²": ((cosh(x) - 1) / x**2, FAR[:-1]),
    "tanh(x)/x": (tanh(x) / x, FAR),
    "tanh(b·c)/b": (tanh(b * c) / b, SCALES),
    "sin(x)/x": (sin(x) / x, FAR),
    "(1 − cos(x))/x²": ((1 - cos(x)) / x**2, ANYWHERE),
    "log(1 + x)/x": (log(1 + x) / x, [point for point in FAR if point > -1]),
    "atan(x)/x": (atan(x) / x, FAR),
    "asinh(x)/x": (asinh(x) / x, FAR),
    "erf(x)/x": (erf(x) / x, FAR),
    "x/tanh(x)": (x / tanh(x), FAR),
    "x/sin(x)": (x / sin(x), ANYWHERE),
    "x/asinh(x)": (x / asinh(x), ANYWHERE),
    "x/log(1 + x)": (x / log(1 + x), [point for point in FAR if point > -1]),
    "x/sinh(x)": (x / sinh(x), FAR[:-1]),
    "x/tan(x)": (x / tan(x), ANYWHERE),
    "x/asin(x)": (x / asin(x), ANYWHERE[:12]),
    "x/atanh(x)": (x / atanh(x), ANYWHERE[:12]),
    "x/erf(x)": (x / erf(x), FAR),
    "x/atan(x)": (x / atan(x), FAR[:-1]),
    "tan(x)/x": (tan(x) / x, ANYWHERE),
    "atanh(x)/asin(x)": (atanh(x) / asin(x), ANYWHERE[:12]),
    "tanh(2x)/sin(2x)": (tanh(2 * x) / sin(2 * x), ANYWHERE),
    "x²/(exp(x) − 1)²": (x**2 / (exp(x) - 1) ** 2, FAR[:-1]),
    "b/(1 − exp(−b·c))": (b / (1 - exp(-b * c)), SCALES),
    "x/(exp(x/T) − 1)": (x / (exp(x / T) - 1), [(1.0, 1e-9), (300, 1e-4), (2.0, 4.13), (2.0, 4.14), (1.0, -40.0)]),
    "x/tanh(x/T)": (x / tanh(x / T), [(1e9, 2.0), (2.0, -3.0)]),
    "coth(x) − 1/x": (1 / tanh(x) - 1 / x, FAR),
    "1/x − 1/tan(x)": (1 / x - 1 / tan(x), ANYWHERE),
    "1/log(x) − 1/(x − 1)": (1 / log(x) - 1 / (x - 1), BESIDE_1),
    "(x − 1)/log(x)": ((x - 1) / log(x), BESIDE_1),
    "log(x)/(1 − x)": (log(x) / (1 - x), BESIDE_1),
    "log(x/tanh(x))": (log(x / tanh(x)), FAR),
    "log(sin(x)/x)": (log(sin(x) / x), ANYWHERE[:14]),
    "log(x/(exp(x) − 1))": (log(x / (exp(x) - 1)), FAR),
    "(exp(b·x) − 1)/b": ((exp(b * x) - 1) / b, SCALES),
    "(exp(b·x) − 1 − b·x)/b²": ((exp(b * x) - 1 - b * x) / b**2, SCALES),
    "xᵃ⁻¹·exp(−x)/Γ(a)": (
        x ** (a - 1) * exp(-x) / gamma(a),
        [(0.5, 1e-9), (2.0, 1e-9), (9.99, 12.0), (10.0, 1e-3), (172.0, 170.0), (1e3, 800.0), (1e6, 1e6), (1e4, 1.0)],
    ),
    "λᵏ·exp(−λ)/k!": (
        y**x * exp(-y) / factorial(x),
        [(0.5, 1e-3), (200.0, 210.0), (300.0, 1.0), (12.0, 1e-20)],
    ),
    "log(λᵏ·exp(−λ)/k!)": (
        log(y**x * exp(-y) / factorial(x)),
        [(0.5, 1e-3), (200.0, 210.0), (1e6, 1.1e6), (12.0, 1e-20), (12.0, 1e-3), (300.0, 1e-12), (1e6, 0.1)],
    ),
    "β·(βx)ᵃ⁻¹·exp(−βx)/Γ(a)": (b**a * x ** (a - 1) * exp(-b * x) / gamma(a), [(3.0, 1.0, 2.0), (200.0, 2.0, 110.0)]),
    "(x/θ)ᵃ·exp(−x/θ)/(x·Γ(a))": (
        x ** (a - 1) * exp(-x / T) * T ** (-a) / gamma(a),
        [(2.0, 3.0, 1.0), (1e-9, 300.0, 2.8e-7)],
    ),
    "χ²": (
        2 ** (-a / 2) * x ** (a / 2 - 1) * exp(-x / 2) / gamma(a / 2),
        [(3, 0.5), (600, 620), (2e3, 1e3), (1, 1e-9)],
    ),
    "inverse gamma": (b**a * x ** (-a - 1) * exp(-b / x) / gamma(a), [(3, 2, 1), (300, 600, 2.1), (0.5, 2, 0.01)]),
    "Nakagami": (2 * a**a * x ** (2 * a - 1) * exp(-a * x**2 / b) / (gamma(a) * b**a), [(3, 2, 1), (300, 2, 1.4)]),
    "beta": (
        x ** (a - 1) * (1 - x) ** (b - 1) / beta(a, b),
        [(600.0, 600.0, 0.49), (0.5, 0.5, 1e-9), (1.0, 50.0, 1e-3), (1e5, 1e5, 0.501)],
    ),
    "log beta": (
        log(x ** (a - 1) * (1 - x) ** (b - 1) / beta(a, b)),
        [(2.0, 3.0, 0.3), (600, 600, 0.49), (1, 600, 0.1)],
    ),
    "beta prime": (x ** (a - 1) * (1 + x) ** (-a - b) / beta(a, b), [(2.0, 3.0, 0.3), (600, 600, 0.9)]),
    "F": (
        sqrt((a * x) ** a * b**b * (a * x + b) ** (-a - b)) / (x * beta(a / 2, b / 2)),
        [(3.0, 5.0, 1.0), (200.0, 300.0, 1.2)],
    ),
    "t": (
        (1 + x**2 / a) ** (-(a + 1) / 2) / (sqrt(a) * beta(Rational(1, 2), a / 2)),
        [(600.0, 2.0), (5.0, 0.0), (2.0, 1e5)],
    ),
    "negative binomial": (
        binomial(x + y - 1, x) * (1 - a) ** y * a**x,
        [(0.3, 3.0, 2.5), (0.5, 600.0, 610.0), (0.99, 9e4, 100.0), (0.3, 0.0, 5.0)],
    ),
    "log binomial": (
        log(binomial(x, y) * a**y * (1 - a) ** (x - y)),
        [(0.4, 10.0, 3.0), (0.4, 1200, 600), (0.1, 50, 50), (1e-20, 60, 25)],
    ),
    "Dirichlet": (
        gamma(a + b + c) / (gamma(a) * gamma(b) * gamma(c)) * x ** (a - 1) * y ** (b - 1) * (1 - x - y) ** (c - 1),
        [(2.0, 3.0, 4.0, 0.2, 0.3), (300.0, 400.0, 500.0, 0.26, 0.32)],
    ),
    "Γ(a)/Γ(a + ½)": (gamma(a) / gamma(a + Rational(1, 2)), [3.0, 200.0, 1e6, 0.1, -1.3, 1e-9]),
    "Γ(a + ½)/Γ(a)": (gamma(a + Rational(1, 2)) / gamma(a), [1e-9, 200.0, -1.3]),
    "Γ(a)·Γ(b)/Γ(a + b)": (gamma(a) * gamma(b) / gamma(a + b), [(1e-9, 4.0), (1e5, 3.0)]),
    "x¹⁵⁰·exp(−x)/Γ(x)": (x**150 * exp(-x) / gamma(x), [150.0, 0.3]),
    "x¹⁹⁹·exp(−x)/199!": (x**199 * exp(-x) / factorial(199), [210.0, 3.0, -3.0]),
    "log(x¹⁹⁹·exp(−x)/199!)": (log(x**199 * exp(-x) / factorial(199)), [210.0, 1e4, 1e-8]),
    "C(2000, 600)·x⁶⁰⁰·(1 − x)¹⁴⁰⁰": (binomial(2000, 600) * x**600 * (1 - x) ** 1400, [0.31, 0.2]),
    "C(200, 60)·x⁶⁰·(1 − x)¹⁴⁰": (binomial(200, 60) * x**60 * (1 - x) ** 140, [0.31]),
    "10⁴⁰⁰·x⁶⁰⁰·exp(−y²)": (Integer(10) ** 400 * x**600 * exp(-(y**2)), [(0.1, 1.0), (-0.2, 2.0)]),
    "log(x²⁵·(1 − x)³⁵)": (log(x**25 * (1 - x) ** 35), [1e-20, 1e-300, 0.3, 1 - 1e-12]),
    "log(C(60, 25)·x²⁵·(1 − x)³⁵)": (log(binomial(60, 25) * x**25 * (1 - x) ** 35), [1e-20, 0.4]),
    "log(x²⁰·y¹⁵/(x + y)³⁰)": (log(x**20 * y**15 / (x + y) ** 30), [(1e-20, 1e-20), (-3, 1e-300), (1e80, 1e90)]),
    "log(x²⁵/y³¹)": (log(x**25 / y**31), [(1e-20, 1e-20), (-3.0, -2.0)]),
    "log(x³)": (log(x**3), [1e-110, 0.3, 1e200]),
    "log((1 + x)²)": (log((1 + x) ** 2), [1e-10, -1.1, 1e300]),
    "log(xᵃ·(1 − x)ᵇ)": (log(x**a * (1 - x) ** b), [(25, 35, 1e-20), (2, 3, 0.3), (-3e5, 0.5, 0.3)]),
    "log(2ˣ·y)": (log(2**x * y), [(2000, 1e-200), (-3000, 2)]),
    "log((x² + y²)³·x²)": (log((x**2 + y**2) ** 3 * x**2), [(1e-110, 1e-160), (3, 4)]),
    "10⁴⁰⁰·x²·yᵃ": (Integer(10) ** 400 * x**2 * y**a, [(2, -1e-150, 1e-60), (1.5, 3e-200, 0.1)]),
    "y + x²/10⁴⁰⁰": (y + x**2 / Integer(10) ** 400, [(1e210, 3e20), (-1e200, 1.0)]),
    "Γ(200)·exp(−x)·sin(x)": (gamma(200, evaluate=False) * exp(-x) * sin(x), [800.0, 900.0]),
    "y²·exp(x)/B(601, 1401)": (y**2 * exp(x) / beta(601, 1401), [(-1300.0, -3.0)]),
    "cosh(x)/10⁴⁰⁰": (cosh(x) / Integer(10) ** 400, [1000.0, -1400.0]),
    "C(1200, x)/2¹²⁰⁰": (binomial(1200, x) / Integer(2) ** 1200, [500.0, 1100.3, 1.0]),
    "C(500, x)·exp(−x)": (binomial(500, x) * exp(-x), [200.0, 3.0]),
    "C(500, x)": (binomial(500, x), [3.0, 200.0]),
    "log C(x, y)": (log(binomial(x, y)), [(5000.0, 2000.0), (5000.0, 3.0), (2.5, -0.5), (1e9, 3.0)]),
    "log(y²·C(500, x)²)": (log(y**2 * binomial(500, x) ** 2), [(200.0, -3.0)]),
    "log(y·Γ(x))": (log(y * gamma(x)), [(200.0, 3.0), (-0.5, -3.0)]),
    "log(y/B(a, x))": (log(y / beta(a, x)), [(1200.0, 1e3, 3.0), (0.3, 1e-9, 3.0)]),
    "log(1 + 2cosh)": (log(1 + 2 * cosh(x)), VAST),
    "log(a + exp)": (log(exp(x) + a), [(0.0, 800.0), (0.5, -800.0), (3.0, 1.0), (-0.2, 800.0), (-0.2, 0.0)]),
    "log(1 + a·exp)": (log(1 + a * exp(x)), [(3.0, -500.0), (3.0, -40.0), (0.5, 800.0), (-0.5, 0.2)]),
    "log(a·exp + exp)": (
        log(a * exp(x) + exp(y)),
        [(2, 800, 3), (2, -800, -810), (-0.5, 1, 3), (0, 1, 900), (3, 1000, 1001), (-1, 800, 801)],
    ),
    "log(exp + x²)": (log(exp(x) + x**2), [-800.0, -3.0, 0.3, 2.0, 800.0]),
    "log(exp(2x) − 2·exp(x) + 1)": (log(exp(2 * x) - 2 * exp(x) + 1), [point for point in VAST if point]),
    "log(2cosh + sinh)": (log(2 * cosh(x) + sinh(x)), VAST),
    "log(cosh + cosh)": (log(cosh(x) + cosh(y)), [(800.0, 3.0), (3.0, 800.0), (0.5, 2.0)]),
    "log(1 + exp + exp)": (log(1 + exp(x) + exp(y)), [(800, 3), (-40, -50), (0, 0)]),
    "log(sinh/cosh)": (log(sinh(x) / cosh(y)), [(1000, 1000), (3, 1000), (40, 3), (1e-5, 0.1)]),
    "log(cosh + cosh), slopes": (log(cosh(x) + 2 * cosh(y) + 3), [(1e-9, 3.0), (1e-9, 1e-5), (800.0, 1e-3)]),
    "log csch": (log(1 / sinh(x)), [1e-9, 3.0, 20.0, 300.0]),
    "log coth": (log(1 / tanh(x)), [1e-9, 3.0, 20.0, 300.0]),
    "log(y·tanh)": (log(y * tanh(x)), [(0.3, 2.0), (40.0, 3.0)]),
    "log(y/sinh)": (log(y / sinh(x)), [(0.3, 2.0), (40.0, 3.0)]),
    "cosh/cosh": (cosh(2 * x) / cosh(3 * x), HYPERBOLIC),
    "sinh/sinh": (sinh(2 * x) / sinh(3 * x), HYPERBOLIC),
    "sinh²/cosh": (sinh(x) ** 2 / cosh(2 * x), HYPERBOLIC),
    "sinh·sinh/cosh": (sinh(x) * sinh(y) / cosh(x + 2 * y), [(1e-9, 0.3), (3.0, -2.0), (300.0, 40.0)]),
    "(cosh − 1)/sinh": ((cosh(x) - 1) / sinh(x), HYPERBOLIC),
    "exp/(exp + 1)": (exp(x) / (exp(2 * x) + 1), HYPERBOLIC),
    "(exp − 1)/(exp + 1)": ((exp(2 * x) - 1) / (exp(3 * x) + 1), HYPERBOLIC),
    "exp·cosh": (exp(-x) * cosh(x), [1e-9, 0.3, 40.0, 400.0]),
    "exp·sinh": (exp(-(x**2)) * sinh(3 * x), [1e-9, 0.3, -3.0, 20.0, 300.0]),
    "x·cosh(x)/sinh(2x)": (x * cosh(x) / sinh(2 * x), BESIDE_0),
    "x·exp(x)/sinh(x)": (x * exp(x) / sinh(x), BESIDE_0),
    "x·exp(x)/sinh(2x)": (x * exp(x) / sinh(2 * x), BESIDE_0),
    "cosh(x)·tanh(x)/sinh(2x)": (cosh(x) * tanh(x) / sinh(2 * x), BESIDE_0),
    "exp(−x)·sinh(x)/x": (exp(-x) * sinh(x) / x, BESIDE_0),
    "cosh(x)/(sinh(2x)·tanh(x))": (cosh(x) / (sinh(2 * x) * tanh(x)), BESIDE_0[1:]),
    "exp·sinh/sinh": (exp(x) * sinh(2 * x) / sinh(3 * x), BESIDE_0),
    "x·cosh(a·x)/sinh(2a·x)": (x * cosh(a * x) / sinh(2 * a * x), [(1, 1e-10), (0.3, 1e-5), (40, 3), (1e-9, 1e3)]),
    "a wave at a depth": (cosh(a * (x + y)) / cosh(a * y), [(1, -0.25, 0.5), (2, -300, 600), (1, -3, 1000)]),
    "a wave's other part": (sinh(a * (x + y)) / sinh(a * y), [(1, -0.25, 0.5), (2, -300, 600), (1e-9, -1, 2)]),
    "log(1 − exp(−exp))": (log(1 - exp(-exp(y))), [-300.0, -40.0, -20.0, -0.1, 0.1, 3.0]),
    "log of the inverse Mills ratio": (
        log(exp(-(y**2) / 2) / (1 + erf(y / sqrt(2)))),
        [-10.0, -1.5, -0.3, 0.3, 8.0, 40.0, 1e3],
    ),
    "asinh(exp)": (asinh(exp(x)), VAST),
    "√(x² − 1)": (sqrt(x**2 - 1), [1e200, -1e200, 2.0, -1 - 1e-9]),
    "√(1 − x²)": (sqrt(1 - x**2), [1e-9, -0.99, 1 - 1e-9, 1 - 2.0**-52]),
    "atanh(x)": (atanh(x), [1e-9, -0.99, 1 - 1e-9, 1e-9 - 1]),
    "x/(9 − 4x²)²": (x / (9 - 4 * x**2) ** 2, [0.2, 1.5 - 1e-9, 1.5 + 1e-9, -40.0]),
    "1/(x² − 1)": (1 / (x**2 - 1), [0.2, 1 - 1e-9, 1 + 1e-9, -40.0]),
    "(sin(x) − x)/x³": ((sin(x) - x) / x**3, [1e-40, 1e-9, 0.9, -1.1, 20.0]),
    "(x − atan(x))/x²": ((x - atan(x)) / x**2, [1e-9, 0.3, 0.4, 20.0]),
    "(log(1 + x) − x)/x²": ((log(1 + x) - x) / x**2, [1e-9, -0.3, 0.4, 20.0]),
    "√(a·x² + y²)": (
        sqrt(a * x**2 + y**2),
        [(2, 1e200, 1e200), (2, 3, 1e-200), (2, 1e-200, 1e-200), (-0.5, 3, 4), (-0.5, 1e200, 1e200), (0, 1e200, 1e-9)],
    ),
    "(x⁴ + y⁴)^¼": ((x**4 + y**4) ** Rational(1, 4), [(s, t * s) for s in (1e-200, 1e-100, 2, 1e200) for t in (1, -3)]),
    "(x³ + y³)^⅓": ((x**3 + y**3) ** Rational(1, 3), [(s, 2 * s) for s in (1e-200, 1e-110, 2.0, 1e200)]),
    "(x² + y² − 1)^(3/2)": (sqrt(x**2 + y**2 - 1) ** 3, [(1e90, 1e90), (2.0, 3.0)]),
    "√(x² − y²)": (sqrt(x**2 - y**2), [(2e200, 1e200), (1 + 1e-9, -1.0), (2e-200, 1e-200)]),
    "√((x − y)·(x + y))": (sqrt((x - y) * (x + y)), [(2e200, 1e200), (2e-200, 1e-200), (1.0, 1 - 1e-9), (-3.0, 2.0)]),
    "log(x² − y²)": (log(x**2 - y**2), [(2e200, 1e200), (2e-200, 1e-200), (1.0, 1 - 1e-9)]),
    "log((x − 2y)·(x + 2y))": (log((x - 2 * y) * (x + 2 * y)), [(-3e200, 1e200), (3e-200, 1e-200)]),
    "x/√(x² − y²)": (x / sqrt(x**2 - y**2), [(2e200, 1e200), (2e-200, 1e-200), (5.0, -4.0)]),
    "√(x + 1) − √x": (sqrt(x + 1) - sqrt(x), [1e-200, 1e-8, 1.0, 1e10, 1e100]),
    "√(4x + 1) − 2√x": (sqrt(4 * x + 1) - 2 * sqrt(x), [1e-8, 1e10]),
    "√(x + y) − √x": (sqrt(x + y) - sqrt(x), [(1e10, 1.0), (1e-5, 1e5), (3.0, -2.0), (1e200, 1e190)]),
    "√(x² + 3) − √(x² + 1)": (sqrt(x**2 + 3) - sqrt(x**2 + 1), [1e-200, 1e10]),
    "log(x + 1) − log(x)": (log(x + 1) - log(x), [1e-310, 1e-8, 1.0, 1e10, 1e100]),
    "log(x + y) − log(x)": (log(x + y) - log(x), [(1e10, 1.0), (1e-5, 1e5), (3.0, -2.0), (1e200, 1e190)]),
    "1/x − 1/(x + 1)": (1 / x - 1 / (x + 1), [-1e10, 1e-100, 1.0, 1e10, 1e90]),
    "1/x³ − 1/(x + 2)³": (1 / x**3 - 1 / (x + 2) ** 3, [-1e10, 1e-30, 1e10]),
    "a/x − a/(x + y)": (a / x - a / (x + y), [(2.0, 1e10, 1.0), (2.0, 1e-5, 1e5), (2.0, 1e-90, 1e-98)]),
    "erf − erf": (erf(x) - erf(y), [(-8, -9), (8, 7), (1, -2), (0.1, 0.2), (25, 20), (-25, -20)]),
    "log(erfc − erfc)": (log(erfc(x) - erfc(x + 1)), [-9.0, -3.0, 0.0, 8.0, 30.0, 100.0]),
    "B(a, b)": (beta(a, b), [(1e-9, 0.7), (0.7, 1e-9), (1e-9, 1e-3), (50.0, 60.0), (0.5, 0.3)]),
    "log B(a, b)": (log(beta(a, b)), [(600, 600), (1e5, 1e3), (1e-9, 0.7), (1e-3, 800), (0.5, 0.3)]),
    "log Γ": (log(gamma(x)), [600.0, 1e5, 3.5, 1e-9]),
    "Γ(−6.3, x)": (uppergamma(Rational(-63, 10), x), BY_SIZE),
    "Γ(−5/2, 2x)": (uppergamma(Rational(-5, 2), 2 * x), [1e-10, 1.01, 300.0]),
    "Γ(1 − π, x)": (uppergamma(1 - pi, x), BY_SIZE[1::3]),
    "Γ(−3 + 10⁻⁹, x)": (uppergamma(Rational(1, 10**9) - 3, x), [1e-3, 1.99]),
    "E(9/4, x)": (expint(Rational(9, 4), x), BY_SIZE),
    "y + E(7/2, x·y)": (y + expint(Rational(7, 2), x * y), [(1e-10, 0.5), (600.0, 0.5)]),
    "log E₁": (log(expint(1, x)), [1e-3, 9.0, 800.0]),
    "exp(x)·E₁(x)": (exp(x) * expint(1, x), [0.5, 7.0, 800.0]),
    "x·y·exp(2x)·E₃(2x)": (x * y * exp(2 * x) * expint(3, 2 * x), [(0.5, 2.0), (1e5, 3.0)]),
    "log Ei": (log(Ei(x)), [0.5, 30.0, 800.0]),
    "exp(−x)·Ei(x)": (exp(-x) * Ei(x), [-800.0, 3.0, 1e4]),
    "log Shi": (log(Shi(x)), [1e-3, 20.0, 30.0, 800.0]),
    "log Γ(−1/2, x)": (log(uppergamma(Rational(-1, 2), x)), [0.5, 800.0]),
    "log I₅": (log(besseli(5, x)), [1e-3, 3.0, 1e3, 1e160]),
    "J₁(b·c)/b": (besselj(1, b * c) / b, [(1e-9, 2.0), (3.0, 1e-5), (3.0, 4.0)]),
    "J₂(x)²/x²": (besselj(2, x) ** 2 / x**2, [1e-8, 0.9, 3.0]),
    "I₁(x)/x": (besseli(1, x) / x, [1e-8, -0.9, 20.0]),
    "log EI": (
        log(x * (1 + erf(x / sqrt(2))) / 2 + exp(-(x**2) / 2) / sqrt(2 * pi)),
        [-38.0, -20.0, -1.6, -1.4, 3.0, 1e3],
    ),
    "EI": (
        (y - x) * (1 + erf((y - x) / c / sqrt(2))) / 2 + c * exp(-(((y - x) / c) ** 2) / 2) / sqrt(2 * pi),
        [(1.0, 20.0, 0.0), (2.0, 1.0, 1.5)],
    ),
    "exp(−x)·I₀(x)": (exp(-x) * besseli(0, x), [0.3, 25.0, 1e3, -3.0]),
    "exp(−x)·I₂(x)": (exp(-x) * besseli(2, x), [0.3, 3.0, 1e3, 1e10]),
    "Rice": (x * exp(-(x**2 + y**2) / 2) * besseli(0, x * y), [(3.0, 2.0), (40.0, 41.0)]),
    "log K₀": (log(besselk(0, x)), [0.3, 12.0, 800.0]),
    "exp(x)·K₁(x)": (exp(x) * besselk(1, x), [0.3, 800.0, 1e9]),
    "W(y·exp(x))": (LambertW(y * exp(x)), [(1, 2), (800, 3), (-800, 2), (800, 1e-300), (-3, -2), (0.1, 1e-9)]),
    "x·exp(x²)·erfc(x)": (x * exp(x**2) * erfc(x), [0.3, 5.0, 18.0, -2.0]),
    "1/(a + exp)": (1 / (a + exp(x)), [(2, 400), (2, 700), (2, -30), (3, 1), (-0.5, 300)]),
    "c/(a + b·exp)": (c / (a + b * exp(x)), [(2, 3, 1.5, 400), (2, 1, 1, -3)]),
    "exp/(a + exp)": (exp(x) / (a + exp(x)), [(2, 700), (2, -80), (3, 1)]),
    "1/(1 + 3·exp(−2x))": (1 / (1 + 3 * exp(-2 * x)), BOTH_WAYS),
    "1/(1 + exp(−x)/3)": (1 / (1 + exp(-x) / 3), BOTH_WAYS),
    "c/(1 + a·exp(−b·x))": (c / (1 + a * exp(-b * x)), [(a, 2, 3, z) for a in (3.0, 1e-3) for z in BOTH_WAYS[6:18:2]]),
    "a·b·exp(c·x)/(a + b·(exp(c·x) − 1))": (
        a * b * exp(c * x) / (a + b * (exp(c * x) - 1)),
        [(3, 2, 0.5, z) for z in (1e-10, -1e-5, 3.0, 40.0, -40.0, 240.0)],
    ),
    "b/(a + b·cosh(x))": (b / (a + b * cosh(x)), [(2, 3, z) for z in (1e-10, -3.0, 20.0, 240.0)]),
    "c/(1 + exp(−b·(x − a)))²": (c / (1 + exp(-b * (x - a))) ** 2, [(3, 2, 1, z) for z in BOTH_WAYS[6::3]]),
    "exp(x)/(1 + exp(x))": (exp(x) / (1 + exp(x)), BOTH_WAYS),
    "x/(1 + exp(x))": (x / (1 + exp(x)), BOTH_WAYS),
    "1 − 1/(1 + 3·exp(−2x))": (1 - 1 / (1 + 3 * exp(-2 * x)), BOTH_WAYS),
    "log(1/(1 + 3·exp(−2x)))": (log(1 / (1 + 3 * exp(-2 * x))), BOTH_WAYS),
    "log(1/(a + exp(x)))": (log(1 / (a + exp(x))), [(2, 700), (2, -30), (3, 1)]),
    "σ(x)·(1 − σ(x))": (1 / (1 + exp(-x)) * (1 - 1 / (1 + exp(-x))), BOTH_WAYS),
    "y − y·tanh(x)²": (y * (1 - tanh(x) ** 2), [(z, 2.0) for z in BOTH_WAYS]),
    "density of the logistic distribution": (
        b * exp(-b * (x - a)) / (1 + exp(-b * (x - a))) ** 2,
        [(3, 2, z) for z in BOTH_WAYS[6:-4:3]],
    ),
    "1/(3 − 2·exp(x))": (1 / (3 - 2 * exp(x)), BOTH_WAYS),
    "exp/(a + exp) of a difference": (exp(x - y) / (a + exp(x - y)) ** 2, [(3, 2, 1), (3, 300, -100), (3, -300, 100)]),
    "1/(1 + cosh(x))": (1 / (1 + cosh(x)), BOTH_WAYS),
    "1/(a + cosh(x))": (1 / (a + cosh(x)), [(2, z) for z in BOTH_WAYS]),
    "1/(1 + sinh(x))": (1 / (1 + sinh(x)), BOTH_WAYS),
    "sinh(x)/(1 + sinh(x))": (sinh(x) / (1 + sinh(x)), BOTH_WAYS),
    "cosh(x)/(1 + cosh(x))": (cosh(x) / (1 + cosh(x)), BOTH_WAYS),
    "cosh(x)²/(5 + sinh(x))²": (cosh(x) ** 2 / (5 + sinh(x)) ** 2, BOTH_WAYS),
    "exp(x)/cosh(x)": (exp(x) / cosh(x), BOTH_WAYS),
    "exp(−x)/(1 + cosh(x))": (exp(-x) / (1 + cosh(x)), BOTH_WAYS),
    "cosh of a difference": (cosh(b * (x - y)) / (1 + cosh(b * (x - y))), [(3, 2, 1), (3, 300, 1), (1, 2, 300)]),
    "log(1 − p) of a softmax": (log(1 - exp(x) / (exp(x) + exp(y))), [(50, 1), (1, 50), (0.3, 0.2)]),
    "log(1 − p) of three": (log(1 - exp(x) / (exp(x) + exp(y) + exp(a))), [(3, 50, 1), (-60, 2, 1), (1, 40, -20)]),
    "log of the logistic density": (log(exp(-x) / (1 + exp(-x)) ** 2), BOTH_WAYS),
    "√(1 + cosh(x))": (sqrt(1 + cosh(x)), BOTH_WAYS),
    "exp(−x)·sinh(x)": (exp(-x) * sinh(x), [*BOTH_WAYS[:20], -355.0]),
    "√cosh(x)/cosh(2x)": (sqrt(cosh(x)) / cosh(2 * x), [*BOTH_WAYS[:20], 400.0]),
    "cosh(x − y)/cosh(x + y)": (
        cosh(x - y) / cosh(x + y),
        [(1e-40, 0.03), (1e-10, -1e-5), (3, 20), (3, 240), (-10, -40), (36, 20), (355, 300)],
    ),
    "sin(x)·cosh(x)/sinh(2x)": (sin(x) * cosh(x) / sinh(2 * x), BESIDE_0),
    "sinh(x)·cosh(x)/cosh(2x)": (sinh(x) * cosh(x) / cosh(2 * x), BOTH_WAYS[2:]),
    "atan(sinh)": (atan(sinh(x)), [700.0, -3.0, 1e-9]),
    "atan(2·exp)": (atan(2 * exp(x)), [700.0, -700.0, 0.3]),
    "asin(tanh)": (asin(tanh(x)), [80.0, -3.0, 1e-9]),
    "acosh(exp)": (acosh(exp(x)), [1e-40, 1e-9, 0.3, 40.0, 300.0]),
    "log(1 + x²)": (log(1 + x**2), [1e-9, 0.5, -3.0, 1e90, -1e150]),
    "log(1 + x² + 4y²)": (log(1 + x**2 + 4 * y**2), [(1e-9, 2e-9), (1e200, 3.0), (2.0, 3.0)]),
    "x/(1 + x²)": (x / (1 + x**2), [1e-9, 0.5, 1e80, 1e100]),
    "x/(x² + y²)": (x / (x**2 + y**2), [(1e-90, 2e-90), (1e-200, 2e-200), (1e100, 2e100), (1e180, 3e180), (1.0, 3.0)]),
    "exp(x) − 1 − x": (exp(x) - 1 - x, [*ANYWHERE[:-2], -300.0]),
    "a·x/(b + x)": (a * x / (b + x), [(1, 1e-5, 3), (2, 1e9, 0.3), (2, 0.3, 1e30), (-2, 3, -1.5)]),
    "xᵃ/(bᵃ + xᵃ)": (x**a / (b**a + x**a), [(8, 0.5, 30), (2.5, 30, 0.5), (1, 2, 1e9), (0.3, 2, 3)]),
    "1/(1 + (b/x)ᵃ)": (1 / (1 + (b / x) ** a), [(8, 0.5, 30), (2.5, 30, 0.5), (1, 2, 1e9)]),
    "a + (y − a)/(1 + (x/c)ᵇ)": (a + (y - a) / (1 + (x / c) ** b), [(1, 8, 30, 0.5, 3), (1, 2.5, 0.5, 30, -3)]),
    "x³/(1 + x³)": (x**3 / (1 + x**3), [1e-9, 0.3, 1e4, 1e9, -20.0]),
    "y·x/(a + x + x²/b)": (y * x / (a + x + x**2 / b), [(1e-9, 1e9, 3, 2), (2, 3, 1e-5, 2)]),
    "y − x·y/(x + a)": (y - x * y / (x + a), [(1e-9, 3, 2), (1e9, 3, 2)]),
    "log(x/(x + y))": (log(x / (x + y)), [(3, 2), (0.3, 2)]),
}

NUMBERS = ("199!", "C(", "10⁴⁰⁰", "Γ(200)", "B(601", "Γ(x)", "y/B", "E₁", "E₃", "log Γ(−1/2")
INEXACT = {
    *("B(a, b)", "t", "Γ(a)/Γ(a + ½)", "Γ(a + ½)/Γ(a)", "Γ(a)·Γ(b)/Γ(a + b)"),
    *(name for name in FORMULAS if any(number in name for number in NUMBERS)),
}
"""They have a number with 20 digits, or second derivatives of a formula with 17."""

SWEEP = {
    *("β·(βx)ᵃ⁻¹·exp(−βx)/Γ(a)", "(x/θ)ᵃ·exp(−x/θ)/(x·Γ(a))", "χ²", "inverse gamma", "Nakagami", "t"),
    *("beta", "log beta", "beta prime", "F", "negative binomial", "log binomial", "Dirichlet", "Γ(a)·Γ(b)/Γ(a + b)"),
    *("λᵏ·exp(−λ)/k!", "log(x¹⁹⁹·exp(−x)/199!)", "x¹⁵⁰·exp(−x)/Γ(x)", "C(200, 60)·x⁶⁰·(1 − x)¹⁴⁰"),
    *("Γ(a)/Γ(a + ½)", "log B(a, b)", "Γ(−5/2, 2x)", "Γ(1 − π, x)", "E(9/4, x)", "log Ei", "log Γ(−1/2, x)"),
    *("I₁(x)/x", "exp(−x)·I₂(x)", "log K₀", "log(1 + x²)", "√(1 − x²)", "(x³ + y³)^⅓"),
    *("log cosh(x)/x²", "log cosh of a difference", "T·log 2cosh(c/T)", "T·log sinhc(c/T)"),
    *("sinh(b·c)/b", "T·sinh(c/T)", "(cosh(x) − 1)/x²", "tanh(x)/x", "atan(x)/x", "asinh(x)/x", "tan(x)/x"),
    *("x/tanh(x)", "x/sin(x)", "x/asinh(x)", "x/asin(x)", "x/atanh(x)", "x/erf(x)", "x/atan(x)", "atanh(x)/asin(x)"),
    *("1/x − 1/tan(x)", "log(x)/(1 − x)", "log(sin(x)/x)", "(exp(b·x) − 1)/b", "(log(1 + x) − x)/x²"),
    *("log(1 + 2cosh)", "log(cosh + cosh)", "log(1 + a·exp)", "log csch", "log(y/sinh)", "atan(2·exp)"),
    *("cosh/cosh", "exp·cosh", "exp/(exp + 1)", "x·exp(x)/sinh(x)", "cosh(x)·tanh(x)/sinh(2x)", "x·cosh(x)/sinh(2x)"),
    *("a wave's other part", "exp/(a + exp)", "(x − atan(x))/x²", "log(y/B(a, x))", "log C(x, y)"),
    *("C(500, x)·exp(−x)", "log(y²·C(500, x)²)", "1/(1 + (b/x)ᵃ)", "a + (y − a)/(1 + (x/c)ᵇ)"),
    *("a·b·exp(c·x)/(a + b·(exp(c·x) − 1))", "log(x/tanh(x))", "x/log(1 + x)", "x/sinh(x)", "x/tan(x)"),
    *("tanh(2x)/sin(2x)", "sinh(x)·cosh(x)/cosh(2x)", "density of the logistic distribution", "cosh of a difference"),
    *("exp/(a + exp) of a difference", "1/(3 − 2·exp(x))", "sinh(x)/(1 + sinh(x))", "cosh(x)/(1 + cosh(x))"),
    *("1/(1 + exp(−x)/3)", "log(1 − p) of three", "log(1/(a + exp(x)))", "log((x − 2y)·(x + 2y))", "√(4x + 1) − 2√x"),
    *("1/x³ − 1/(x + 2)³", "a/x − a/(x + y)", "B(a, b)", "log Shi", "Γ(−6.3, x)", "y + E(7/2, x·y)", "erf(x)/x"),
    *("x·cosh(a·x)/sinh(2a·x)", "x²/(exp(x) − 1)²", "1/(x² − 1)"),
    *("c/(1 + exp(−b·(x − a)))²", "b/(1 − exp(−b·c))", "log(λᵏ·exp(−λ)/k!)", "√cosh(x)/cosh(2x)"),
    *("exp·sinh/sinh", "log(xᵃ·(1 − x)ᵇ)", "x/tanh(x/T)", "(x − 1)/log(x)", "log cosh(x)/x"),
    *("sin(x)·cosh(x)/sinh(2x)", "C(1200, x)/2¹²⁰⁰", "(exp(b·x) − 1 − b·x)/b²", "sinh²/cosh"),
    *("(cosh − 1)/sinh", "cosh(x − y)/cosh(x + y)", "(exp − 1)/(exp + 1)", "exp(x)/cosh(x)", "log(1 + x)/x"),
    *("exp(−x)·I₀(x)", "log(x/(exp(x) − 1))", "sinh/sinh", "cosh(x)/(sinh(2x)·tanh(x))", "b/(a + b·cosh(x))"),
    *("exp(−x)/(1 + cosh(x))", "sin(x)/x", "J₁(b·c)/b", "tanh(b·c)/b", "exp(−x)·sinh(x)/x", "1/(a + cosh(x))"),
    *("x·exp(x)/sinh(2x)", "log of the logistic density", "log(2cosh + sinh)", "exp(x)·E₁(x)"),
    *("1/(1 + sinh(x))", "softplus(b·x)/b", "√(1 + cosh(x))", "log(exp(2x) − 2·exp(x) + 1)"),
    *("exp(x)/(1 + exp(x))", "log(x²⁵·(1 − x)³⁵)", "√(x + y) − √x", "1/(1 + 3·exp(−2x))"),
    *("sinh(x)/x", "log coth", "exp·sinh", "c/(a + b·exp)", "T·log cosh(c/T)"),
    *("x/√(x² − y²)", "log(a·exp + exp)", "a·x/(b + x)", "log(sinh/cosh)", "x/(1 + exp(x))", "asinh(exp)"),
}
"""Others of their families are held to mpmath in the quick suite."""

FOR_DOUBLES = {"x³/(1 + x³)": (1e9,)}
"""Points where float32 has no range for the cube of the sum, which second derivatives are divided by."""

COMPILED = {"T·log cosh(c/T)", "log cosh(x)/x", "tanh(b·c)/b", "b/(1 − exp(−b·c))"}
"""Vector code is made of these each time."""


@cache
def slopes(formula: Expr) -> tuple[Graph, tuple[Expr, ...]]:
    """The graph of a formula and its derivatives, and what SymPy has for each."""
    variables = sorted(formula.free_symbols, key=lambda symbol: symbol.name)
    by = [*((v,) for v in variables), *combinations_with_replacement(variables, 2)]
    names = ["".join(v.name for v in one) for one in by]
    graph = mixed_partials(from_expressions({"e": formula}, variables), "e", names)
    return graph, (formula, *(formula.diff(*one) for one in by))


@cache
def in_mpmath(written: tuple[Expr, ...], variables: tuple[Symbol, ...]) -> Callable[..., list[Any]]:
    return lambdify(variables, written, "mpmath", cse=True)


@cache
def truths(
    name: str, written: tuple[Expr, ...], point: tuple[float, ...], variables: tuple[Symbol, ...]
) -> tuple[Any, ...]:
    with mpmath.workdps(60 if "K" in name else 400):  # of Kₙ mpmath takes minutes for 400
        return tuple(in_mpmath(written, variables)(*map(mpmath.mpf, point)))


def wrong(name: str, run: Any, graph: Graph, written: tuple[Expr, ...], dtype: Any, tolerance: float) -> list[str]:
    found = []
    variables = tuple(Symbol(variable.name, real=True) for variable in graph.inputs)
    least, most = float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
    for given in FORMULAS[name][1]:
        if dtype is np.float32 and given in FOR_DOUBLES.get(name, ()):
            continue
        given = given if isinstance(given, tuple) else (given,)
        if any(number and not least < abs(number) < most for number in given):
            continue
        point = tuple(float(dtype(number)) for number in given)
        try:
            expected = truths(name, written, point, variables)
        except ZeroDivisionError:
            assert dtype is np.float32, point  # 1 + 1e-9 is 1 there, where what is written has no value
            continue
        for output, value, truth in zip(graph.outputs, run(point), expected, strict=True):
            if not least < abs(truth) < most:
                continue
            if not abs(float(value) - float(truth)) <= tolerance * abs(float(truth)):
                found.append(f"{output} at {point}: {value}, expected {float(truth)}")
    return found


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SWEEP else n for n in FORMULAS])
def test_derivatives_have_all_digits(name: str) -> None:
    """By the passes, and without them from the oracle with as many digits as are asked for."""
    graph, written = slopes(FORMULAS[name][0])
    optimised = optimise(graph)[0]
    variables = tuple(Symbol(variable.name, real=True) for variable in graph.inputs)
    names = [variable.name for variable in variables]

    def run(point: Sequence[float]) -> list[Any]:
        values = evaluate(optimised, dict(zip(names, point)))
        return [values[output] for output in graph.outputs]

    assert not wrong(name, run, graph, written, np.float64, 1e-12)
    for given in [] if name in INEXACT else FORMULAS[name][1][1::4]:
        point = tuple(map(float, given if isinstance(given, tuple) else (given,)))
        exact = evaluate_exactly(graph, dict(zip(names, point)), digits=60)
        for output, truth in zip(graph.outputs, truths(name, written, point, variables), strict=True):
            if abs(truth) > 1e-300:
                assert abs(exact[output][()] - truth) <= 1e-40 * abs(truth), (output, point)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "name", [name if name in COMPILED else pytest.param(name, marks=pytest.mark.slow) for name in FORMULAS]
)
def test_compiled_derivatives_have_all_digits(name: str, dtype: Any) -> None:
    graph, written = slopes(FORMULAS[name][0])
    function = compile(graph, dtype=dtype)
    tolerance = {"float64": 1e-12, "float32": 1e-4}[dtype]
    assert not wrong(name, lambda point: function(*point), graph, written, np.dtype(dtype).type, tolerance)


#: Formulas at 0, and there their value and first and second derivative.
LIMITS: dict[str, tuple[Expr, tuple[float, float, float]]] = {
    "x/sinh(x)": (x / sinh(x), (1, 0, -1 / 3)),
    "tan(x)/x": (tan(x) / x, (1, 0, 2 / 3)),
    "x/(exp(x) − 1)": (x / (exp(x) - 1), (1, -1 / 2, 1 / 6)),
    "erf(x)/atan(x)": (erf(x) / atan(x), (2 / math.sqrt(math.pi), 0, 0)),
    "coth(x) − 1/x": (1 / tanh(x) - 1 / x, (0, 1 / 3, 0)),
    "log(x/tanh(x))": (log(x / tanh(x)), (0, 0, 2 / 3)),
    "x/log(1 + x)": (x / log(1 + x), (1, 1 / 2, -1 / 6)),
    "(sinh(x) − x)/x³": ((sinh(x) - x) / x**3, (1 / 6, 0, 1 / 60)),
    "sinh(2x)/sinh(3x)": (sinh(2 * x) / sinh(3 * x), (2 / 3, 0, -10 / 9)),
}


@pytest.mark.parametrize("nodes", [False, True])
@pytest.mark.parametrize("name", LIMITS)
def test_what_is_nought_by_nought_is_its_limit(name: str, nodes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    formula, expected = LIMITS[name]
    found = value_and_slopes(formula, nodes, monkeypatch)(0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)
    written = from_expressions({"e": formula}, [x])
    np.testing.assert_allclose(evaluate(written, {"x": 0.0})["e"], expected[0], rtol=1e-15)
    np.testing.assert_allclose(float(evaluate_exactly(written, {"x": 0.0})["e"][()]), expected[0], rtol=1e-15)


#: Rates of channels in a membrane (Hodgkin and Huxley 1952; Traub and Miles 1991): with decimals, and exactly.
RATES: dict[str, tuple[Expr, Expr, float]] = {
    "0.01·(V + 55)": (0.01 * (x + 55) / (1 - exp(-(x + 55) / 10)), (x + 55) / (100 - 100 * exp(-(x + 55) / 10)), -55),
    "0.1·(V + 40)": (
        0.1 * (x + 40.0) / (1.0 - exp(-(x + 40.0) / 10.0)),
        (x + 40) / (10 - 10 * exp(-(x + 40) / 10)),
        -40,
    ),
    "2.5 − 0.1·V": (
        (2.5 - 0.1 * x) / (exp(2.5 - 0.1 * x) - 1),
        (25 - x) / (10 * exp(Rational(5, 2) - x / 10) - 10),
        25,
    ),
    "−0.2816·(V + 28)": (
        -0.2816 * (x + 28) / (exp(-(x + 28) / 9.3) - 1),
        -Rational(2816, 10**4) * (x + 28) / (exp(-10 * (x + 28) / 93) - 1),
        -28,
    ),
}


@pytest.mark.parametrize("nodes", [False, True])
@pytest.mark.parametrize("name", RATES)
def test_rates_with_decimals_are_removable(name: str, nodes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    formula, exact, place = RATES[name]
    written = (exact, exact.diff(x), exact.diff(x, 2))
    found = value_and_slopes(formula, nodes, monkeypatch)
    for distance in (1e-9, -1e-3, 0.3, -5.0, 60.0):
        expected = [float(t) for t in truths(name, written, (place + distance,), (x,))]
        np.testing.assert_allclose(found(place + distance), expected, rtol=1e-12, err_msg=str(distance))
    np.testing.assert_allclose(found(place), found(place + 1e-12), rtol=1e-12)


def value_and_slopes(formula: Expr, nodes: bool, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[float]]:
    """A function of x and its two derivatives, as equations or nodes."""
    monkeypatch.setattr(straight, "LARGE", 1 if nodes else 10**9)
    graph = from_expressions({"e": formula}, [x])
    derived = (gradient(graph, "e"), hessian(graph, "e"))
    assert all(("equations" in vars(one)) != nodes for one in derived)
    optimised = [optimise(one)[0] for one in derived]

    def at(place: float) -> list[float]:
        values = [evaluate(one, {"x": place}) for one in optimised]
        found = [float(of[output]) for of, one in zip(values, derived) for output in one.outputs]
        return [*found[:2], found[3]]

    return at


def test_a_likelihood_over_samples_sees_the_logarithm_of_its_densities() -> None:
    i = Idx("i", Symbol("n", integer=True))
    z, f = IndexedBase("z", real=True), IndexedBase("f", real=True)
    written = z[i] ** (a - 1) * (1 - z[i]) ** (b - 1) / beta(a, b)
    graph = gradient(from_expressions({f[i]: written, "L": -Sum(log(f[i]), i)}, [a, b, z]), "L", ["a"])
    places = np.array([0.3, 0.9, 1e-3])  # the last density is 10⁻¹⁴³⁷
    function = compile(graph.with_outputs("L", "dL/da"))
    with mpmath.workdps(40):
        logarithm = log(x ** (a - 1) * (1 - x) ** (b - 1) / beta(a, b))
        exact = [
            float(-sum(lambdify((a, b, x), part, "mpmath")(600, 500, mpmath.mpf(place)) for place in places))
            for part in (logarithm, logarithm.diff(a))
        ]
    np.testing.assert_allclose(function(600.0, 500.0, places), exact, rtol=1e-13)


@pytest.mark.parametrize("place", [-100.0, -1e3])
def test_the_logarithm_of_an_expected_improvement_far_out(place: float) -> None:
    """There erf + 1 has no digits, so that the truth is by erfc."""
    graph, _ = slopes(FORMULAS["log EI"][0])

    def exact(z: mpmath.mpf) -> mpmath.mpf:
        return mpmath.log(z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2 + mpmath.npdf(z))

    with mpmath.workdps(60):
        expected = [float(mpmath.diff(exact, place, order)) for order in range(3)]
    values = evaluate(optimise(graph)[0], {"x": place})
    np.testing.assert_allclose([values[output] for output in graph.outputs], expected, rtol=1e-13)


@pytest.mark.parametrize(("shape", "place"), [(0.7, 13.0), (20.0, 31.0), (3.0, 1e3)])
def test_the_logarithm_of_an_incomplete_gamma_function(shape: float, place: float) -> None:
    graph = from_expressions({"e": log(uppergamma(a, x))}, [a, x])
    values = evaluate(optimise(mixed_partials(graph, "e", ["x", "xx", "a"]))[0], {"a": shape, "x": place})
    with mpmath.workdps(60):
        orders = [(0, 0), (0, 1), (0, 2), (1, 0)]
        expected = [
            float(mpmath.diff(lambda s, t: mpmath.log(mpmath.gammainc(s, t)), (shape, place), order))
            for order in orders
        ]
    found = [float(values[output]) for output in ("e", "e_x", "e_xx", "e_a")]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


#: Functions that SymPy has no derivatives of, or has them with others: their exact form, and places.
BY_MPMATH: dict[str, tuple[Expr, Callable[[Any], Any], Sequence[float]]] = {
    "exp(−x)·Chi(x)": (exp(-x) * Chi(x), lambda z: mpmath.exp(-z) * mpmath.chi(z), [0.6, 800.0]),
    "log Chi": (log(Chi(x)), lambda z: mpmath.log(mpmath.chi(z)), [0.6, 3.9, 4.1, 700.0, 1e4]),
    "exp(−x²)·erfi(x)": (exp(-(x**2)) * erfi(x), lambda z: mpmath.exp(-z * z) * mpmath.erfi(z), [-27.0, 3.0, 6.6]),
    "log erfi": (log(erfi(x)), lambda z: mpmath.log(mpmath.erfi(z)), [1e-9, 0.6, 6.4, 6.6, 27.0, 1e5]),
    "Γ(7/2, 2x)": (uppergamma(Rational(7, 2), 2 * x), lambda z: mpmath.gammainc(mpmath.mpf(7) / 2, 2 * z), [1e-9, 3.0]),
    "log Γ(5/2, x)": (
        log(uppergamma(Rational(5, 2), x)),
        lambda z: mpmath.log(mpmath.gammainc(mpmath.mpf(5) / 2, z)),
        [1e-9, 3.0, 30.0, 800.0],
    ),
}


@pytest.mark.parametrize("name", one_in(2, BY_MPMATH))
def test_functions_by_the_differences_of_mpmath(name: str) -> None:
    formula, exact, places = BY_MPMATH[name]
    graph = optimise(slopes(formula)[0])[0]
    for place in places:
        with mpmath.workdps(60):
            expected = [float(mpmath.diff(exact, place, order)) for order in range(3)]
        values = evaluate(graph, {"x": place})
        np.testing.assert_allclose([values[output] for output in graph.outputs], expected, rtol=1e-12)


@pytest.mark.parametrize("place", [1e3, 1e6])
def test_the_scaled_complement_times_its_argument_far_out(place: float) -> None:
    graph, _ = slopes(FORMULAS["x·exp(x²)·erfc(x)"][0])
    values = evaluate(optimise(graph)[0], {"x": place})
    # The first terms of its expansion and of its derivatives; those left out are 10⁻¹⁶ of the first at 10³.
    t = place**-2
    series = [1 - t / 2 + 3 / 4 * t**2, (1 - 3 * t + 45 / 4 * t**2) / place**3, (-3 + 15 * t - 315 / 4 * t**2) * t**2]
    np.testing.assert_allclose(
        [values[output] for output in graph.outputs], np.array(series) / np.sqrt(np.pi), rtol=1e-13
    )
