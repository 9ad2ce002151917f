"""Scalar functions and the points at which they are compared: ordinary ones, and those where implementations break."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Integer, Piecewise, Rational

from codegen import functions as f
from codegen.compare.oracles import ORACLES
from codegen.compare.rows import Row
from codegen.dtypes import Dtype
from codegen.functions.operation import ENDS, EVERYWHERE, LARGE, NAN, ORDINARY, POSITIVE, SMALL, UNIT, Points
from codegen.ir.equation import Equation, Variable, sample_extent
from codegen.ir.graph import Graph, Index


@dataclass(frozen=True)
class Tested:
    """A function of one real number, and where it is compared."""

    formula: Callable[[Expr], Expr]
    points: Points


def _of_order(kind: Callable[[Any, Expr], Expr], n: int | Rational) -> Callable[[Expr], Expr]:
    return lambda x: kind(n, x)


_HALF, _THIRD = Rational(1, 2), Rational(1, 3)

FORMULAS: Mapping[str, Tested] = {
    "sqrt": Tested(sympy.sqrt, Points(POSITIVE, (1e-300, 1e300, -1.0, *NAN))),
    "sec": Tested(sympy.sec, Points(UNIT, (*SMALL, *NAN))),
    "csc": Tested(sympy.csc, Points(UNIT, (1e-50, -1e-50, *NAN))),
    "cot": Tested(sympy.cot, Points(UNIT, (1e-50, -1e-50, *NAN))),
    "atan2": Tested(lambda x: sympy.atan2(x, 1 - x / 3), Points()),
    "1 + erf": Tested(lambda x: 1 + sympy.erf(x), Points(special=(*SMALL, -6.0, 6.0, *NAN))),
    "log Φ": Tested(
        lambda x: sympy.log(sympy.erfc(-x / sympy.sqrt(2)) / 2),
        Points((-1.7, -0.31, 0.0078125, 0.62, 1.9, 4.4), (*SMALL, -5.3, -9.0, 9.0, *NAN)),
    ),
    "Mills' ratio": Tested(
        lambda x: sympy.erfc(x) * sympy.exp(x**2), Points(special=(*SMALL, 30.0, 1000.0, -20.0, *NAN))
    ),
    "hazard": Tested(lambda x: sympy.exp(-(x**2)) / sympy.erfc(x), Points(special=(*SMALL, 30.0, 1000.0, -20.0, *NAN))),
    "log(1 + exp)′": Tested(f.logistic, Points(special=(*SMALL, 40.0, -40.0, *NAN))),
    "log(1 + exp)″": Tested(f.sigmoid_slope, Points(special=(*SMALL, 40.0, -40.0, *NAN))),
    "(log cosh)′": Tested(f.log_cosh_slope, Points(special=(*SMALL, 20.0, -20.0, *NAN))),
    "(log cosh)″": Tested(f.tanh_slope, Points(special=(*SMALL, 20.0, -20.0, *NAN))),
    "x²·σ′": Tested(lambda x: f.damped_power(Integer(2), x), Points(special=(*SMALL, 1e200, -1e200, *NAN))),
    "entropy": Tested(f.softplus_intercept, Points(special=(*SMALL, 40.0, -40.0, *NAN))),
    "softmax": Tested(lambda x: f.softmax_part(x, x, x / 2 + 1), Points(special=(*SMALL, 60.0, -60.0, *NAN))),
    "log(exp − 1)": Tested(lambda x: sympy.log(sympy.exp(x) - 1), Points(POSITIVE, (1e-8, 800.0, 1e6, *NAN))),
    "log(exp − exp)": Tested(
        lambda x: sympy.log(sympy.exp(x) - sympy.exp(x / 2)), Points(POSITIVE, (800.0, 1e6, *NAN))
    ),
    "log(1 − exp(−exp))": Tested(
        lambda x: sympy.log(1 - sympy.exp(-sympy.exp(x))), Points((-4.4, -1.9, -0.62, 0.2, 1.9), (-800.0, 4.0, *NAN))
    ),
    "log(φ/Φ)": Tested(
        lambda x: sympy.log(sympy.exp(-(x**2) / 2) / (1 + sympy.erf(x / sympy.sqrt(2)))),
        Points((-0.62, 0.2, 0.62, 1.9, 4.4), (40.0, *NAN)),
    ),
    "log sinh": Tested(lambda x: sympy.log(sympy.sinh(x)), Points(POSITIVE, (1e-8, 800.0, 1e6, *NAN))),
    "T·log(exp(c/T) − 1)": Tested(lambda x: x * sympy.log(sympy.exp(3 / x) - 1), Points(POSITIVE, (1e-5, 1e3, *NAN))),
    "T·log Σ exp(c/T)": Tested(
        lambda x: x * sympy.log(sympy.exp(3 / x) + sympy.exp(2 / x) + 1), Points(POSITIVE, (1e-300, 1e-160, 1e3, *NAN))
    ),
    "exp(−c/T)": Tested(lambda x: f.tempered_weight(sympy.Integer(-2), x), Points(POSITIVE, (1e-5, 1e3, *NAN))),
    # Near 0 what was written cancels: JAX's second derivative at 1/128 has 10 digits.
    "x/(exp − 1)": Tested(
        lambda x: x / (sympy.exp(x) - 1),
        Points((-5.3, -1.7, -0.31, 0.62, 1.9, 4.4), (1e-50, 1e-9, 0.0078125, 800.0, *NAN)),
    ),
    "1 − erf²": Tested(f.erfc_pair, Points(special=(*SMALL, 9.0, -9.0, *NAN))),
    "log(1 − erf²)": Tested(f.log_erfc_pair, Points(special=(*SMALL, 9.0, -9.0, 30.0, *NAN))),
    "√(1 + exp)": Tested(f.root_of_1_plus_exp, Points(special=(*SMALL, 160.0, -160.0, *NAN))),
    "1/Γ": Tested(lambda x: 1 / sympy.gamma(x), Points(special=(1e-8, 0.0, -1.0, -2.0, *NAN))),
    "log tanh": Tested(lambda x: sympy.log(sympy.tanh(x)), Points(POSITIVE[:-1], (1e-8, 20.0, 300.0, *NAN))),
    "log(1 − exp)": Tested(lambda x: sympy.log(1 - sympy.exp(-x)), Points(POSITIVE, (1e-10, 40.0, 1e3, *NAN))),
    "log(sinh/x)": Tested(
        lambda x: sympy.log(sympy.sinh(x) / x), Points(POSITIVE[1:], (1e-8, 800.0, -800.0, 1e6, *NAN))
    ),
    "log(cosh − 1)": Tested(
        lambda x: sympy.log(sympy.cosh(x) - 1), Points(POSITIVE[1:], (1e-8, 800.0, -800.0, 1e6, *NAN))
    ),
    "log(c + cosh)": Tested(lambda x: sympy.log(1 + 2 * sympy.cosh(x)), Points(special=(*SMALL, 800.0, -800.0, *NAN))),
    "log Σ c·exp": Tested(
        lambda x: sympy.log(3 * sympy.exp(x) + (1 + x**2) * sympy.exp(-x)), Points(special=(800.0, -800.0, *NAN))
    ),
    "log(exp − 1)²": Tested(
        lambda x: sympy.log(sympy.exp(2 * x) - 2 * sympy.exp(x) + 1), Points(POSITIVE[1:], (1e-8, 800.0, -30.0, *NAN))
    ),
    "asinh(exp)": Tested(lambda x: sympy.asinh(sympy.exp(x)), Points(special=(800.0, -800.0, *NAN))),
    "log(1 + exp(b·x))/b": Tested(
        lambda x: sympy.log(1 + sympy.exp(x * (x + 3))) / x, Points(POSITIVE[1:], (30.0, *NAN))
    ),
    "erf − erf": Tested(lambda x: sympy.erf(x + 1) - sympy.erf(x), Points(special=(-8.0, 8.0, *NAN))),
    "log(erf − erf)": Tested(
        lambda x: sympy.log(sympy.erf(x + 1) - sympy.erf(x)), Points((-1.7, -0.31, 0.62, 1.9), (-30.0, 30.0, *NAN))
    ),
    "log Γ": Tested(lambda x: sympy.log(sympy.gamma(x)), Points(POSITIVE, (1e-8, 300.0, *NAN))),
    "log B": Tested(lambda x: sympy.log(sympy.beta(x, 2 + x / 3)), Points(POSITIVE, (1e-8, 600.0, *NAN))),
    "log I₀": Tested(lambda x: sympy.log(sympy.besseli(0, x)), Points()),
    "I₁/I₀": Tested(lambda x: sympy.besseli(1, x) / sympy.besseli(0, x), Points()),
    "W(exp)": Tested(lambda x: sympy.LambertW(sympy.exp(x)), Points()),
    "W(c·exp)": Tested(lambda x: sympy.LambertW((1 + x**2) * sympy.exp(x)), Points()),
    "atan(sinh)": Tested(lambda x: sympy.atan(sympy.sinh(x)), Points()),
    "atan(exp)": Tested(lambda x: sympy.atan(sympy.exp(x)), Points()),
    "acosh(exp)": Tested(lambda x: sympy.acosh(sympy.exp(1 + x**2)), Points()),
    "x·erfcx": Tested(lambda x: x * sympy.exp(x**2) * sympy.erfc(x), Points()),
    "x/√(x² + 1)": Tested(lambda x: x / sympy.sqrt(x**2 + 1), Points(special=(*SMALL, 1e200, -1e200, *NAN))),
    "log(x² + y²)": Tested(lambda x: sympy.log(x**2 + (x / 2 - 1) ** 2), Points(special=(*SMALL, 1e200, -1e200, *NAN))),
    "direction cosine": Tested(
        lambda x: f.direction_cosine(x, x, x / 2 - 1), Points(special=(*SMALL, 1e150, -1e150, *NAN))
    ),
    "x/(x + c)": Tested(lambda x: x / (x + 3), Points(POSITIVE, (1e-50, 1e10, *NAN))),
    "xᵃ/(bᵃ + xᵃ)": Tested(
        lambda x: f.power(x, 2 + x / 3) / (f.power(x, 2 + x / 3) + f.power(x + 1, 2 + x / 3)),
        Points((0.31, 1.0, 2.7, 20.0), NAN),
    ),
    "√(c·x² + y²)": Tested(lambda x: sympy.sqrt(x * (x - 1) ** 2 + x**2), Points(POSITIVE, (1e150, *NAN))),
    "log |x|": Tested(lambda x: sympy.log(x**2), Points(special=(*SMALL[1:], 1e200, -1e200, *NAN))),
    "log |1 + x|": Tested(lambda x: sympy.log((1 + x) ** 2), Points(special=(*SMALL, 1e200, -1e200, *NAN))),
    "log(x⁵·(1 − x)⁷)": Tested(
        lambda x: sympy.log(x**5 * (1 - x) ** 7), Points((0.0078125, 0.31, 0.62, 0.9), (1e-100, -1e-100, *NAN))
    ),
    "log(xᵃ)": Tested(lambda x: sympy.log((1 + x**2) ** (x - 1) * x**4), Points()),
    "hypot": Tested(lambda x: sympy.sqrt(x**2 + (x / 2 - 1) ** 2), Points(special=(*SMALL, 1e200, -1e200, *NAN))),
    "√ − √": Tested(lambda x: sympy.sqrt(2 * x + 1) - sympy.sqrt(x + 1), Points(POSITIVE, (1e-9, 1e10, -0.75, *NAN))),
    "log − log": Tested(
        lambda x: sympy.log(x**2 + x + 1) - sympy.log(x**2 + x), Points(POSITIVE, (1e-9, 1e10, -0.5, *NAN))
    ),
    "1/x − 1/x": Tested(lambda x: 1 / x - 1 / (2 * x + 1), Points(special=(1e-9, 1e10, -0.75, *NAN))),
    "log(x² − y²)": Tested(lambda x: sympy.log((2 * x) ** 2 - (x - 1) ** 2), Points(POSITIVE[1:], (1e200, *NAN))),
    "x/√(x² − y²)": Tested(lambda x: x / sympy.sqrt((x - x**2 / 9) * (x + x**2 / 9)), Points((0.62, 1.9, 4.4), NAN)),
    "xlogy": Tested(lambda x: f.xlogy(x, 1 + x**2), Points()),
    "xlog1py": Tested(lambda x: f.xlog1py(x - 1, x**2), Points(special=(*SMALL, 1.0, *LARGE, *NAN))),
    "digamma": Tested(sympy.digamma, Points((-1.7, -0.31, *POSITIVE), (1e5, *NAN))),
    "trigamma": Tested(sympy.trigamma, Points((-1.7, -0.31, *POSITIVE), (1e5, *NAN))),
    "polygamma": Tested(lambda x: sympy.polygamma(2, x), Points((-1.7, -0.31, 0.2, *POSITIVE[1:]), (1e3, *NAN))),
    "factorial": Tested(sympy.factorial, Points((-0.31, 0.2, 0.62, 1.9, 4.4), (0.0, 30.5, *NAN))),
    "x⁹⁹·exp(−x)/99!": Tested(
        lambda x: x**99 * sympy.exp(-x) / sympy.factorial(99), Points((0.62, 1.9, 4.4, 99.0), (300.0, *NAN))
    ),
    "10⁴⁰⁰·x³⁰⁰": Tested(lambda x: sympy.Integer(10) ** 400 * x**300, Points((0.03, -0.05), (0.06,))),
    "C(1200, x)/2¹²⁰⁰": Tested(
        lambda x: sympy.binomial(1200, x) / sympy.Integer(2) ** 1200, Points((520.0, 580.5, 610.0), (600.0, *NAN))
    ),
    "log C": Tested(lambda x: sympy.log(sympy.binomial(x, 1 + x / 3)), Points((1.9, 4.4, 44.7), (5000.0, *NAN))),
    "exp·E₁": Tested(lambda x: sympy.exp(x) * sympy.expint(1, x), Points(POSITIVE, (800.0, *NAN))),
    "log E₁": Tested(lambda x: sympy.log(sympy.expint(1, x)), Points(POSITIVE, (800.0, *NAN))),
    "x·exp·E₂": Tested(lambda x: x * sympy.exp(x) * sympy.expint(2, x), Points(POSITIVE, (800.0, *NAN))),
    "exp·Ei": Tested(lambda x: sympy.exp(-x) * sympy.Ei(x), Points(POSITIVE, (-800.0, 800.0, *NAN))),
    "log Shi": Tested(lambda x: sympy.log(sympy.Shi(x)), Points(POSITIVE, (800.0, *NAN))),
    "log Chi": Tested(lambda x: sympy.log(sympy.Chi(x)), Points((0.62, 1.9, 4.4, 33.0), (800.0, *NAN))),
    "exp·erfi": Tested(lambda x: sympy.exp(-(x**2)) * sympy.erfi(x), Points(special=(1e-8, 30.0, -30.0, *NAN))),
    "log Γ(5/2, x)": Tested(lambda x: sympy.log(sympy.uppergamma(Rational(5, 2), x)), Points(POSITIVE, (1e3, *NAN))),
    "log Γ(a, x)": Tested(lambda x: sympy.log(sympy.uppergamma(3, x)), Points(POSITIVE, (1e3, *NAN))),
    "J₁/x": Tested(lambda x: sympy.besselj(1, x) / x, Points(ORDINARY, (1e-8, *NAN))),
    "I₂/x": Tested(lambda x: sympy.besseli(2, x) / x, Points(ORDINARY, (1e-8, *NAN))),
    "Γ·Γ/Γ": Tested(
        lambda x: sympy.gamma(x) * sympy.gamma(2 + x / 3) / sympy.gamma(2 + 4 * x / 3), Points(POSITIVE, (1e-8, *NAN))
    ),
    "beta": Tested(lambda x: sympy.beta(x, 2 + x / 3), Points((0.2, 0.62, 1.9, 4.4, 33.0), (1e-3, *NAN))),
    "binomial": Tested(lambda x: sympy.binomial(x, 1 + x / 3), Points((-0.31, 0.2, 0.62, 1.9, 44.7), (0.0, *NAN))),
    **{f"besselj {n}": Tested(_of_order(sympy.besselj, n), Points(special=(*SMALL, 100.0, *NAN))) for n in (0, 1, 3)},
    "besselj 1/2": Tested(_of_order(sympy.besselj, _HALF), Points(POSITIVE, (1e-9, 1e3, -1.0, *NAN))),
    **{
        f"{kind.__name__} {n}": Tested(_of_order(kind, n), Points((0.31, 2.7), special))
        for kind, special in {sympy.bessely: (-1.0, *NAN), sympy.besselk: (-1.0, *NAN)}.items()
        for n in (0, 2)
    },
    "bessely 1/3": Tested(_of_order(sympy.bessely, _THIRD), Points((0.31, 2.7), (1e-9, 1e3, -1.0, *NAN))),
    "besselk 1/3": Tested(_of_order(sympy.besselk, _THIRD), Points((0.31, 2.7), (1e-9, 60.0, -1.0, *NAN))),
    **{
        f"besseli {n}": Tested(_of_order(sympy.besseli, n), Points(special=(0.0, 1e-8, 600.0, -600.0, *NAN)))
        for n in (0, 2)
    },
    "besseli 1/3": Tested(_of_order(sympy.besseli, _THIRD), Points((0.31, 2.7), (1e-9, 60.0, -1.0, *NAN))),
    "jn 3": Tested(lambda x: sympy.jn(3, x), Points(special=(0.0, 1e-8, 100.0, *NAN))),
    "expint 1": Tested(lambda x: sympy.expint(1, x), Points((1e-3, 0.31, 1.0, 2.7, 15.0), (600.0, -1.0, *NAN))),
    "expint 3": Tested(lambda x: sympy.expint(3, x), Points((1e-3, 0.31, 1.0, 2.7, 15.0), (600.0, -1.0, *NAN))),
    "expint 9/4": Tested(
        lambda x: sympy.expint(Rational(9, 4), x), Points((1e-3, 0.31, 2.7, 15.0), (0.0, 600.0, -1.0, *NAN))
    ),
    "Ei": Tested(sympy.Ei, Points((-5.3, -1.7, -0.31, 0.0078125, 0.62, 1.9), (600.0, -600.0, *NAN))),
    "Si": Tested(sympy.Si, Points(special=(0.0, 1e-8, *LARGE, *NAN))),
    "Shi": Tested(sympy.Shi, Points(special=(0.0, 1e-8, 60.0, -60.0, *NAN))),
    "LambertW": Tested(
        sympy.LambertW, Points((-0.36, -0.1, 0.0078125, 0.62, 9.0), (*SMALL, 1000.0, 1e300, -1.0, *NAN))
    ),
    "LambertW −1": Tested(
        lambda x: sympy.LambertW(x, -1), Points((-0.36, -0.27, -0.1, -0.0078125), (-1e-15, 1.0, *NAN))
    ),
    "lowergamma": Tested(lambda x: sympy.lowergamma(Rational(5, 3), x), Points(POSITIVE, (0.0, 600.0, -1.0, *NAN))),
    "uppergamma": Tested(lambda x: sympy.uppergamma(Rational(5, 3), x), Points((0.31, 2.7), (0.0, -1.0, *NAN))),
    "uppergamma −63/10": Tested(
        lambda x: sympy.uppergamma(Rational(-63, 10), x), Points((0.31, 2.7), (600.0, -1.0, *NAN))
    ),
    "log_sum_exp": Tested(lambda x: f.log_sum_exp(x, -x / 2, Integer(1)), Points()),
    "x³": Tested(lambda x: x**3, Points(special=(0.0, 5e-324, 1e100, -1e100, math.inf, *NAN))),
    "x⁻²": Tested(lambda x: x**-2, Points(special=(1e-50, -1e50, *NAN))),
    "x^(3/2)": Tested(lambda x: x ** Rational(3, 2), Points(POSITIVE, (1e-200, 1e100, -1.0, *NAN))),
    "power": Tested(lambda x: f.power(1 + x**2 / 4, x - 1), Points(special=(*SMALL, 100.0, -100.0, *NAN))),
    "Abs": Tested(
        lambda x: sympy.Abs(x**3 - x),
        Points(
            conventions={0.0: 0.0, 1.0: 0.0, -1.0: 0.0},
            elsewhere={"JAX": {0.0: -1.0, 1.0: 2.0, -1.0: 2.0}},
            special=EVERYWHERE,
        ),
    ),
    "norm": Tested(
        lambda x: f.hypot(x, 2 * x),
        Points(special=LARGE, conventions={0.0: 0.0}, elsewhere={"JAX": {0.0: 1.5}, "PyTorch": {0.0: math.nan}}),
    ),
    "leaky_relu": Tested(
        lambda x: f.leaky_relu(x, Rational(1, 4)),
        Points(conventions={0.0: 0.25}, elsewhere={"JAX": {0.0: 1.0}}, special=EVERYWHERE),
    ),
    "elu": Tested(lambda x: f.elu(x, Integer(1)), Points(conventions={0.0: 1.0}, special=EVERYWHERE)),
    "clip": Tested(
        lambda x: f.clip(x**2, x / 2, 2 + x),
        Points(
            special=(0.0, 0.5, 2.0, -1.0, *LARGE, *NAN),
            conventions={0.0: 0.5, 0.5: 0.5, 2.0: 1.0, -1.0: 1.0},
            elsewhere={
                "JAX": {0.0: 0.25, 0.5: 0.75, 2.0: 2.5, -1.0: -0.5},
                "PyTorch to 2.13": {0.0: 0.0, 0.5: 1.0, 2.0: 4.0, -1.0: -2.0},
                "PyTorch from 2.14": {0.0: 0.25, 0.5: 0.75, 2.0: 2.5, -1.0: -0.5},
            },
        ),
    ),
    "clip to numbers": Tested(
        lambda x: f.clip(x, Integer(-1), Integer(2)),
        Points(
            special=(-1.0, 2.0, *LARGE, *ENDS, *NAN),
            conventions={-1.0: 0.0, 2.0: 0.0},
            elsewhere={"JAX": {-1.0: 0.5, 2.0: 0.5}, "PyTorch to 2.13": {-1.0: 1.0, 2.0: 1.0}},
        ),
    ),
    "floor": Tested(lambda x: sympy.floor(x) * x, Points(special=LARGE, conventions={0.0: 0.0, 2.0: 2.0, -3.0: -3.0})),
    "ceiling": Tested(
        lambda x: sympy.ceiling(x) * x, Points(special=LARGE, conventions={0.0: 0.0, 2.0: 2.0, -3.0: -3.0})
    ),
    "frac": Tested(lambda x: sympy.frac(x) * x, Points(special=LARGE, conventions={0.0: 0.0, 2.0: 2.0, -3.0: -3.0})),
    "Mod": Tested(
        lambda x: sympy.Mod(x, Rational(-3, 2)) * x, Points(special=LARGE, conventions={0.0: 0.0, 3.0: 3.0, -1.5: -1.5})
    ),
    "Mod by": Tested(lambda x: sympy.Mod(5, x), Points((-5.3, -1.7, -0.31, 0.62, 1.9), (*LARGE, *NAN), {2.5: -2.0})),
    "jump": Tested(lambda x: f.step(x) * (2 + x) + x, Points(special=(*LARGE,), conventions={0.0: 1.0})),
    "jump of sign": Tested(lambda x: f.sign(x) * (2 + x) + x, Points(special=(*LARGE,), conventions={0.0: 1.0})),
    "step": Tested(lambda x: f.step(x) * x**2, Points()),
    "sign": Tested(lambda x: f.sign(x) * x**2, Points()),
    "Sign": Tested(lambda x: sympy.sign(x) * sympy.sin(x), Points()),
    "Heaviside": Tested(lambda x: sympy.Heaviside(x) * x**2, Points()),
    "equal": Tested(lambda x: f.equal(x, Integer(1)) * x + x**2, Points(special=(0.0, 1.0, *LARGE, *NAN))),
    "KroneckerDelta": Tested(lambda x: sympy.KroneckerDelta(x, 1) * x + x**2, Points(special=(0.0, 1.0, *LARGE, *NAN))),
    "maximum": Tested(
        lambda x: f.maximum(x, x**2 / 2, -x),
        Points(
            special=(0.0, 2.0, *LARGE, *NAN),
            conventions={0.0: 0.0, 2.0: 1.5, -2.0: -1.5},
            elsewhere={"JAX": {0.0: -0.25}},
        ),
    ),
    "minimum": Tested(
        lambda x: f.minimum(x, x**2 / 2, -x),
        Points(special=(0.0, 2.0, *LARGE, *NAN), conventions={0.0: 0.0}, elsewhere={"JAX": {0.0: -0.25}}),
    ),
    "Max": Tested(
        lambda x: sympy.Max(x, x**2 / 2), Points(special=(0.0, 2.0, *LARGE, *NAN), conventions={0.0: 0.5, 2.0: 1.5})
    ),
    "Min": Tested(
        lambda x: sympy.Min(x, x**2 / 2), Points(special=(0.0, 2.0, *LARGE, *NAN), conventions={0.0: 0.5, 2.0: 1.5})
    ),
    "stop_gradient": Tested(
        lambda x: x**2 + f.stop_gradient(sympy.Integer(3)) * x, Points(special=(0.0, *LARGE, *NAN))
    ),
    "select": Tested(lambda x: f.select(x, sympy.log(x), x**3), Points(special=(0.0, *LARGE, 5e-324, *NAN))),
    "Piecewise": Tested(
        lambda x: Piecewise((sympy.sqrt(1 - x), x < 0), (x**2, x < 2), (sympy.log(x), True)),
        Points(special=(0.0, 2.0, *LARGE, *NAN)),
    ),
    "And, Or, Not": Tested(
        lambda x: Piecewise((sympy.sin(x), (x > 0) & ~(x > 2)), (x**2, (x > 3) | (x < -2)), (x, True)),
        Points(special=(0.0, 2.0, 3.0, *LARGE, *NAN)),
    ),
}
"""Formulas over several functions, and functions under another name, by what is compared."""

FUNCTIONS: Mapping[str, Tested] = {
    **{kind.__name__: Tested(kind, row.points) for kind, row in f.operations() if row.points is not None},
    **FORMULAS,
}
"""Every function by name. Left out are points at which the value is finite and its formula's derivative is not."""

DERIVATIVES: Mapping[str, Sequence[str]] = {
    "jacobian per sample": ("evaluator", "passes", "numpy"),
    "mixed_partials": ("evaluator", "passes", "numpy", "auto auto"),
}
"""The first and the second derivative at every point, and the ways to compute them: the latter has both."""


def graph_of(name: str) -> Graph:
    """``y[s] = f(x[s])``: the points are samples, so that they run in lanes."""
    S = sample_extent()
    s, x, y = Index("s", S), Variable("x", (S,)), Variable("y", (S,))
    return Graph((x,), (Equation(y[s], f.canonical(FUNCTIONS[name].formula(x[s]))),), ("y",))


def function_rows(names: Sequence[str] = tuple(FUNCTIONS), dtype: Dtype = "float64") -> Iterator[Row]:
    """The rows of functions: first and second derivative, at ordinary and at special points.

    At special points mpmath judges alone: it sees kinks, of which the complex step and the libraries know nothing.
    At kinks it does not decide; conventions do.
    """
    for name in names:
        graph, points = graph_of(name), FUNCTIONS[name].points
        for where, chosen, oracles in (
            ("", points.ordinary, tuple(ORACLES)),
            (" at special points", [p for p in points.special if _fits(p, dtype)], ("mpmath",)),
        ):
            values = {"x": np.array(chosen)}
            for kind, ways in DERIVATIVES.items():
                yield Row(
                    f"{name}{where}",
                    graph,
                    kind,
                    "y",
                    ("x",),
                    values,
                    dtype,
                    oracles=oracles if dtype == "float64" else (),
                    ways=ways,
                    elementwise=True,
                )
        if points.conventions and dtype == "float64":
            yield convention_row(name, graph, points.conventions, points.elsewhere)


def convention_row(
    name: str, graph: Graph, conventions: Mapping[float, float], elsewhere: Mapping[str, Mapping[float, float]]
) -> Row:
    """The first derivative at the kinks of a function, each a sample of its own."""
    values, slopes = {"x": np.array(list(conventions))}, np.diag(list(conventions.values()))
    return Row(
        f"{name} at kinks",
        graph,
        "jacobian per sample",
        "y",
        ("x",),
        values,
        oracles=(),
        ways=DERIVATIVES["jacobian per sample"],
        elementwise=True,
        convention=slopes,
        elsewhere=elsewhere,
    )


def _fits(number: float, dtype: Dtype) -> bool:
    """Whether the number is one of the dtype, and so are its small powers."""
    return dtype == "float64" or number == 0 or not math.isfinite(number) or 1e-30 < abs(number) < 1e30
