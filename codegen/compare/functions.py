"""Scalar functions and the points at which they are compared: ordinary ones, and those where implementations break."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Integer, Piecewise, Rational

from codegen import functions as f
from codegen.compare.oracles import ORACLES
from codegen.compare.rows import Row
from codegen.dtypes import Dtype
from codegen.ir.equation import Equation, Variable, sample_extent
from codegen.ir.graph import Graph, Index


@dataclass(frozen=True)
class Tested:
    """A function of one real number."""

    formula: Callable[[Expr], Expr]
    points: Sequence[float] = (-5.3, -1.7, -0.31, 0.0078125, 0.62, 1.9, 4.4)
    """Ordinary ones, apart from kinks."""
    special: Sequence[float] = (0.0, 5e-324, -1e-310, 1e-8, 1000.0, -1000.0, math.inf, -math.inf, math.nan)
    """Where value and derivatives have to be right too, the pattern of inf and nan included."""
    conventions: Mapping[float, float] = field(default_factory=dict)
    """The first derivative at points where there is none and one is agreed upon."""
    elsewhere: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """By library, and versions if they differ, what its own function has there, if that is another one: at such a point
    it is no oracle."""


_POSITIVE = (1e-3, 0.31, 1.0, 2.7, 55.0)
_UNIT = (-0.93, -0.4, 0.01, 0.55, 0.99)
_BEYOND = (-55.0, -2.7, -1.02, 1.01, 1.9, 9.0)
_SMALL = (0.0, 5e-324, -1e-310, 1e-8)
_LARGE = (1000.0, -1000.0)
_ENDS = (math.inf, -math.inf)
_NAN = (math.nan,)

_WITH_ZERO = (-5.3, -1.7, -0.31, 0.0, 0.62, 1.9, 4.4)
"""Where a formula through |x| would have a wrong derivative: libraries answer there with functions of their own."""


def _of_order(kind: Callable[[Any, Expr], Expr], n: int | Rational) -> Callable[[Expr], Expr]:
    return lambda x: kind(n, x)


_HALF, _THIRD = Rational(1, 2), Rational(1, 3)

FUNCTIONS: Mapping[str, Tested] = {
    # smooth
    "tanh": Tested(sympy.tanh),
    "sigmoid": Tested(f.sigmoid, _WITH_ZERO),
    "softplus": Tested(f.softplus, _WITH_ZERO),
    "log_sigmoid": Tested(f.log_sigmoid, _WITH_ZERO),
    "silu": Tested(f.silu, special=(*_SMALL, *_LARGE, *_NAN)),
    "gelu": Tested(f.gelu, special=(*_SMALL, *_LARGE, *_NAN)),
    "gelu_tanh": Tested(f.gelu_tanh, special=(*_SMALL, 100.0, -100.0, *_NAN)),
    "exp": Tested(sympy.exp),
    "expm1": Tested(f.expm1),
    "log": Tested(sympy.log, _POSITIVE, (1e-300, 1.0, 1e300, -1.0, math.inf, *_NAN)),
    "log1p": Tested(f.log1p, (-0.7, -0.01, 0.4, 3.0, 55.0), (0.0, 5e-324, 1e300, -2.0, math.inf, *_NAN)),
    "sqrt": Tested(sympy.sqrt, _POSITIVE, (1e-300, 1e300, -1.0, *_NAN)),
    "sin": Tested(sympy.sin, special=(*_SMALL, *_LARGE, 1e5, math.inf, *_NAN)),
    "cos": Tested(sympy.cos, special=(*_SMALL, *_LARGE, 1e5, math.inf, *_NAN)),
    "tan": Tested(sympy.tan, _UNIT, (*_SMALL, math.inf, *_NAN)),
    "sec": Tested(sympy.sec, _UNIT, (*_SMALL, *_NAN)),
    "csc": Tested(sympy.csc, _UNIT, (1e-50, -1e-50, *_NAN)),
    "cot": Tested(sympy.cot, _UNIT, (1e-50, -1e-50, *_NAN)),
    "sinh": Tested(sympy.sinh, special=(*_SMALL, *_LARGE, *_NAN)),
    "cosh": Tested(sympy.cosh, special=(*_SMALL, *_LARGE, *_NAN)),
    "sech": Tested(sympy.sech, special=(*_SMALL, *_LARGE, *_NAN)),
    "csch": Tested(sympy.csch, special=(1e-50, *_LARGE, *_NAN)),
    "bose": Tested(f.bose, special=(1e-50, *_LARGE, *_NAN)),
    "log_cosh": Tested(f.log_cosh, _WITH_ZERO, special=(*_SMALL, *_LARGE, *_NAN)),
    "coth": Tested(sympy.coth, special=(1e-50, *_LARGE, *_NAN)),
    "asin": Tested(sympy.asin, _UNIT, (*_SMALL, 2.0, *_NAN)),
    "acos": Tested(sympy.acos, _UNIT, (*_SMALL, 2.0, *_NAN)),
    "atan": Tested(sympy.atan, special=(*_SMALL, *_LARGE, *_NAN)),
    "acot": Tested(sympy.acot, special=(1e-8, *_LARGE, *_NAN)),
    "asec": Tested(sympy.asec, _BEYOND, (*_LARGE, 0.5, *_NAN)),
    "acsc": Tested(sympy.acsc, _BEYOND, (*_LARGE, 0.5, *_NAN)),
    "asinh": Tested(sympy.asinh, special=(*_SMALL, *_LARGE, *_NAN)),
    "acosh": Tested(sympy.acosh, (1.2, 2.0, 9.0), (0.5, 1e5, *_NAN)),
    "atanh": Tested(sympy.atanh, _UNIT, (*_SMALL, 2.0, *_NAN)),
    "asech": Tested(sympy.asech, (0.02, 0.4, 0.93), (1e-8, 2.0, *_NAN)),
    "acsch": Tested(sympy.acsch, special=(1e-4, *_LARGE, *_NAN)),
    "acoth": Tested(sympy.acoth, _BEYOND, (*_LARGE, 0.5, *_NAN)),
    "atan2": Tested(lambda x: sympy.atan2(x, 1 - x / 3), special=(*_SMALL, *_LARGE, *_NAN)),
    "erf": Tested(sympy.erf, special=(*_SMALL, *_LARGE, *_NAN)),
    "erfc": Tested(sympy.erfc, special=(*_SMALL, *_LARGE, *_NAN)),
    "normal_cdf": Tested(f.normal_cdf, special=(*_SMALL, *_LARGE, *_NAN)),
    "erfcx": Tested(f.erfcx, special=(*_SMALL, 1000.0, -20.0, *_NAN)),
    "erfcx_rate": Tested(f.erfcx_rate, special=(*_SMALL, *_LARGE, *_NAN)),
    "erfcx_curvature": Tested(f.erfcx_curvature, special=(*_SMALL, *_LARGE, *_NAN)),
    "erfcx_skew": Tested(f.erfcx_skew, special=(*_SMALL, *_LARGE, *_NAN)),
    "log_erfc": Tested(f.log_erfc, special=(*_SMALL, *_LARGE, *_NAN)),
    "log_normal_cdf": Tested(f.log_normal_cdf, special=(*_SMALL, *_LARGE, *_NAN)),
    "1 + erf": Tested(lambda x: 1 + sympy.erf(x), special=(*_SMALL, -6.0, 6.0, *_NAN)),
    # Not far out at ordinary points: as it is written, which libraries compute, it cancels there.
    "log Φ": Tested(
        lambda x: sympy.log(sympy.erfc(-x / sympy.sqrt(2)) / 2),
        (-1.7, -0.31, 0.0078125, 0.62, 1.9, 4.4),
        (*_SMALL, -5.3, -9.0, 9.0, *_NAN),
    ),
    "Mills' ratio": Tested(lambda x: sympy.erfc(x) * sympy.exp(x**2), special=(*_SMALL, 30.0, 1000.0, -20.0, *_NAN)),
    "hazard": Tested(lambda x: sympy.exp(-(x**2)) / sympy.erfc(x), special=(*_SMALL, 30.0, 1000.0, -20.0, *_NAN)),
    "log(exp − 1)": Tested(lambda x: sympy.log(sympy.exp(x) - 1), _POSITIVE, (1e-8, 800.0, 1e6, *_NAN)),
    "log(exp − exp)": Tested(lambda x: sympy.log(sympy.exp(x) - sympy.exp(x / 2)), _POSITIVE, (800.0, 1e6, *_NAN)),
    "log sinh": Tested(lambda x: sympy.log(sympy.sinh(x)), _POSITIVE, (1e-8, 800.0, 1e6, *_NAN)),
    "T·log(exp(c/T) − 1)": Tested(lambda x: x * sympy.log(sympy.exp(3 / x) - 1), _POSITIVE, (1e-5, 1e3, *_NAN)),
    "x/(exp − 1)": Tested(lambda x: x / (sympy.exp(x) - 1), special=(1e-50, 1e-9, 800.0, *_NAN)),
    "1 − erf²": Tested(f.erfc_pair, special=(*_SMALL, 9.0, -9.0, *_NAN)),
    "log(1 − erf²)": Tested(f.log_erfc_pair, special=(*_SMALL, 9.0, -9.0, 30.0, *_NAN)),
    "√(1 + exp)": Tested(f.root_of_1_plus_exp, special=(*_SMALL, 160.0, -160.0, *_NAN)),
    "1/Γ": Tested(lambda x: 1 / sympy.gamma(x), special=(1e-8, 0.0, -1.0, -2.0, *_NAN)),
    "log tanh": Tested(lambda x: sympy.log(sympy.tanh(x)), _POSITIVE[:-1], (1e-8, 20.0, 300.0, *_NAN)),
    "log(1 − exp)": Tested(lambda x: sympy.log(1 - sympy.exp(-x)), _POSITIVE, (1e-10, 40.0, 1e3, *_NAN)),
    "log(sinh/x)": Tested(lambda x: sympy.log(sympy.sinh(x) / x), _POSITIVE[1:], (1e-8, 800.0, -800.0, 1e6, *_NAN)),
    "log(cosh − 1)": Tested(lambda x: sympy.log(sympy.cosh(x) - 1), _POSITIVE[1:], (1e-8, 800.0, -800.0, 1e6, *_NAN)),
    "log I₀": Tested(lambda x: sympy.log(sympy.besseli(0, x)), special=(*_SMALL, *_LARGE, *_NAN)),
    "I₁/I₀": Tested(lambda x: sympy.besseli(1, x) / sympy.besseli(0, x), special=(*_SMALL, *_LARGE, *_NAN)),
    "W(exp)": Tested(lambda x: sympy.LambertW(sympy.exp(x)), special=(*_SMALL, *_LARGE, *_NAN)),
    "x/√(x² + 1)": Tested(lambda x: x / sympy.sqrt(x**2 + 1), special=(*_SMALL, 1e200, -1e200, *_NAN)),
    "log(x² + y²)": Tested(lambda x: sympy.log(x**2 + (x / 2 - 1) ** 2), special=(*_SMALL, 1e200, -1e200, *_NAN)),
    "direction cosine": Tested(lambda x: f.direction_cosine(x, x, x / 2 - 1), special=(*_SMALL, 1e150, -1e150, *_NAN)),
    "hypot": Tested(lambda x: sympy.sqrt(x**2 + (x / 2 - 1) ** 2), special=(*_SMALL, 1e200, -1e200, *_NAN)),
    "xlogy": Tested(lambda x: f.xlogy(x, 1 + x**2), special=(*_SMALL, *_LARGE, *_NAN)),
    "xlog1py": Tested(lambda x: f.xlog1py(x - 1, x**2), special=(*_SMALL, 1.0, *_LARGE, *_NAN)),
    "gamma": Tested(sympy.gamma, (-1.7, -0.31, 0.2, 0.62, 1.9, 4.4), (30.5, *_NAN)),
    "loggamma": Tested(sympy.loggamma, _POSITIVE, (1e-8, 1e5, *_NAN)),
    "digamma": Tested(sympy.digamma, (-1.7, -0.31, *_POSITIVE), (1e5, *_NAN)),
    "trigamma": Tested(sympy.trigamma, (-1.7, -0.31, *_POSITIVE), (1e5, *_NAN)),
    "polygamma": Tested(lambda x: sympy.polygamma(2, x), (-1.7, -0.31, 0.2, *_POSITIVE[1:]), (1e3, *_NAN)),
    "factorial": Tested(sympy.factorial, (-0.31, 0.2, 0.62, 1.9, 4.4), (0.0, 30.5, *_NAN)),
    "beta": Tested(lambda x: sympy.beta(x, 2 + x / 3), (0.2, 0.62, 1.9, 4.4, 33.0), (1e-3, *_NAN)),
    "binomial": Tested(lambda x: sympy.binomial(x, 1 + x / 3), (-0.31, 0.2, 0.62, 1.9, 44.7), (0.0, *_NAN)),
    **{f"besselj {n}": Tested(_of_order(sympy.besselj, n), special=(*_SMALL, 100.0, *_NAN)) for n in (0, 1, 3)},
    "besselj 1/2": Tested(_of_order(sympy.besselj, _HALF), _POSITIVE, (1e-9, 1e3, -1.0, *_NAN)),
    **{
        f"{kind.__name__} {n}": Tested(_of_order(kind, n), (0.31, 2.7), special)
        for kind, special in {
            sympy.bessely: (-1.0, *_NAN),
            sympy.besselk: (-1.0, *_NAN),
        }.items()
        for n in (0, 2)
    },
    "bessely 1/3": Tested(_of_order(sympy.bessely, _THIRD), (0.31, 2.7), (1e-9, 1e3, -1.0, *_NAN)),
    "besselk 1/3": Tested(_of_order(sympy.besselk, _THIRD), (0.31, 2.7), (1e-9, 60.0, -1.0, *_NAN)),
    **{f"besseli {n}": Tested(_of_order(sympy.besseli, n), special=(0.0, 1e-8, 600.0, -600.0, *_NAN)) for n in (0, 2)},
    "besseli 1/3": Tested(_of_order(sympy.besseli, _THIRD), (0.31, 2.7), (1e-9, 60.0, -1.0, *_NAN)),
    "sinc": Tested(sympy.sinc, special=(0.0, 1e-8, *_LARGE, *_NAN)),
    "jn 3": Tested(lambda x: sympy.jn(3, x), special=(0.0, 1e-8, 100.0, *_NAN)),
    "expint 1": Tested(lambda x: sympy.expint(1, x), (1e-3, 0.31, 1.0, 2.7, 15.0), (600.0, -1.0, *_NAN)),
    "expint 3": Tested(lambda x: sympy.expint(3, x), (1e-3, 0.31, 1.0, 2.7, 15.0), (600.0, -1.0, *_NAN)),
    "Ei": Tested(sympy.Ei, (-5.3, -1.7, -0.31, 0.0078125, 0.62, 1.9), (600.0, -600.0, *_NAN)),
    "Si": Tested(sympy.Si, special=(0.0, 1e-8, *_LARGE, *_NAN)),
    "Ci": Tested(sympy.Ci, (1e-3, 0.31, 1.0, 2.7, 15.0), (1000.0, *_NAN)),
    "Shi": Tested(sympy.Shi, special=(0.0, 1e-8, 60.0, -60.0, *_NAN)),
    "Chi": Tested(sympy.Chi, (1e-3, 0.31, 1.0, 2.7, 15.0), (60.0, *_NAN)),
    "erfi": Tested(sympy.erfi, special=(0.0, 1e-8, 9.0, -9.0, *_NAN)),
    "fresnels": Tested(sympy.fresnels, special=(0.0, 1e-8, 10.0, -10.0, *_NAN)),
    "fresnelc": Tested(sympy.fresnelc, special=(0.0, 1e-8, 10.0, -10.0, *_NAN)),
    "airyai": Tested(sympy.airyai, special=(0.0, 1e-8, 9.0, -9.0, *_NAN)),
    "airybi": Tested(sympy.airybi, special=(0.0, 1e-8, 9.0, -9.0, *_NAN)),
    "erfinv": Tested(sympy.erfinv, _UNIT, (*_SMALL, 2.0, *_NAN)),
    "erfcinv": Tested(sympy.erfcinv, (0.03, 0.4, 1.3, 1.96), (1e-17, 1.0, 3.0, -1.0, *_NAN)),
    "LambertW": Tested(sympy.LambertW, (-0.36, -0.1, 0.0078125, 0.62, 9.0), (*_SMALL, 1000.0, 1e300, -1.0, *_NAN)),
    "LambertW −1": Tested(lambda x: sympy.LambertW(x, -1), (-0.36, -0.27, -0.1, -0.0078125), (-1e-15, 1.0, *_NAN)),
    "lowergamma": Tested(lambda x: sympy.lowergamma(Rational(5, 3), x), _POSITIVE, (0.0, 600.0, -1.0, *_NAN)),
    "uppergamma": Tested(lambda x: sympy.uppergamma(Rational(5, 3), x), (0.31, 2.7), (0.0, -1.0, *_NAN)),
    "log_sum_exp": Tested(lambda x: f.log_sum_exp(x, -x / 2, Integer(1)), special=(*_SMALL, *_LARGE, *_NAN)),
    "x³": Tested(lambda x: x**3, special=(0.0, 5e-324, 1e100, -1e100, math.inf, *_NAN)),
    "x⁻²": Tested(lambda x: x**-2, special=(1e-50, -1e50, *_NAN)),
    "x^(3/2)": Tested(lambda x: x ** Rational(3, 2), _POSITIVE, (1e-200, 1e100, -1.0, *_NAN)),
    "power": Tested(lambda x: f.power(1 + x**2 / 4, x - 1), special=(*_SMALL, 100.0, -100.0, *_NAN)),
    # with kinks or jumps
    "absolute": Tested(f.absolute, conventions={0.0: 0.0}, elsewhere={"JAX": {0.0: 1.0}}),
    "Abs": Tested(
        lambda x: sympy.Abs(x**3 - x),
        conventions={0.0: 0.0, 1.0: 0.0, -1.0: 0.0},
        elsewhere={"JAX": {0.0: -1.0, 1.0: 2.0, -1.0: 2.0}},
    ),
    "norm": Tested(
        lambda x: f.hypot(x, 2 * x),
        special=_LARGE,
        conventions={0.0: 0.0},
        elsewhere={"JAX": {0.0: 1.5}, "PyTorch": {0.0: math.nan}},
    ),
    "relu": Tested(f.relu, conventions={0.0: 0.0}),
    "leaky_relu": Tested(
        lambda x: f.leaky_relu(x, Rational(1, 4)), conventions={0.0: 0.25}, elsewhere={"JAX": {0.0: 1.0}}
    ),
    "elu": Tested(lambda x: f.elu(x, Integer(1)), conventions={0.0: 1.0}),
    "relu6": Tested(f.relu6, special=(0.0, 6.0, *_LARGE, *_ENDS, *_NAN), conventions={0.0: 0.0, 6.0: 0.0}),
    "hard_tanh": Tested(
        f.hard_tanh,
        special=(1.0, -1.0, *_LARGE, *_ENDS, *_NAN),
        conventions={1.0: 0.0, -1.0: 0.0},
        elsewhere={"JAX": {1.0: 1.0, -1.0: 1.0}},
    ),
    "clip": Tested(
        lambda x: f.clip(x**2, x / 2, 2 + x),
        special=(0.0, 0.5, 2.0, -1.0, *_LARGE, *_NAN),
        conventions={0.0: 0.5, 0.5: 0.5, 2.0: 1.0, -1.0: 1.0},
        elsewhere={
            "JAX": {0.0: 0.25, 0.5: 0.75, 2.0: 2.5, -1.0: -0.5},
            "PyTorch to 2.13": {0.0: 0.0, 0.5: 1.0, 2.0: 4.0, -1.0: -2.0},
            "PyTorch from 2.14": {0.0: 0.25, 0.5: 0.75, 2.0: 2.5, -1.0: -0.5},
        },
    ),
    "clip to numbers": Tested(
        lambda x: f.clip(x, Integer(-1), Integer(2)),
        special=(-1.0, 2.0, *_LARGE, *_ENDS, *_NAN),
        conventions={-1.0: 0.0, 2.0: 0.0},
        elsewhere={"JAX": {-1.0: 0.5, 2.0: 0.5}, "PyTorch to 2.13": {-1.0: 1.0, 2.0: 1.0}},
    ),
    "floor": Tested(lambda x: sympy.floor(x) * x, special=_LARGE, conventions={0.0: 0.0, 2.0: 2.0, -3.0: -3.0}),
    "ceiling": Tested(lambda x: sympy.ceiling(x) * x, special=_LARGE, conventions={0.0: 0.0, 2.0: 2.0, -3.0: -3.0}),
    "frac": Tested(lambda x: sympy.frac(x) * x, special=_LARGE, conventions={0.0: 0.0, 2.0: 2.0, -3.0: -3.0}),
    "Mod": Tested(
        lambda x: sympy.Mod(x, Rational(-3, 2)) * x, special=_LARGE, conventions={0.0: 0.0, 3.0: 3.0, -1.5: -1.5}
    ),
    "Mod by": Tested(lambda x: sympy.Mod(5, x), (-5.3, -1.7, -0.31, 0.62, 1.9), (*_LARGE, *_NAN), {2.5: -2.0}),
    "jump": Tested(lambda x: f.step(x) * (2 + x) + x, special=(*_LARGE,), conventions={0.0: 1.0}),
    "jump of sign": Tested(lambda x: f.sign(x) * (2 + x) + x, special=(*_LARGE,), conventions={0.0: 1.0}),
    "step": Tested(lambda x: f.step(x) * x**2, special=(*_SMALL, *_LARGE, *_NAN)),
    "sign": Tested(lambda x: f.sign(x) * x**2, special=(*_SMALL, *_LARGE, *_NAN)),
    "Sign": Tested(lambda x: sympy.sign(x) * sympy.sin(x), special=(*_SMALL, *_LARGE, *_NAN)),
    "Heaviside": Tested(lambda x: sympy.Heaviside(x) * x**2, special=(*_SMALL, *_LARGE, *_NAN)),
    "equal": Tested(lambda x: f.equal(x, Integer(1)) * x + x**2, special=(0.0, 1.0, *_LARGE, *_NAN)),
    "KroneckerDelta": Tested(lambda x: sympy.KroneckerDelta(x, 1) * x + x**2, special=(0.0, 1.0, *_LARGE, *_NAN)),
    "maximum": Tested(
        lambda x: f.maximum(x, x**2 / 2, -x),
        special=(0.0, 2.0, *_LARGE, *_NAN),
        conventions={0.0: 0.0, 2.0: 1.5, -2.0: -1.5},
        elsewhere={"JAX": {0.0: -0.25}},
    ),
    "minimum": Tested(
        lambda x: f.minimum(x, x**2 / 2, -x),
        special=(0.0, 2.0, *_LARGE, *_NAN),
        conventions={0.0: 0.0},
        elsewhere={"JAX": {0.0: -0.25}},
    ),
    "Max": Tested(
        lambda x: sympy.Max(x, x**2 / 2), special=(0.0, 2.0, *_LARGE, *_NAN), conventions={0.0: 0.5, 2.0: 1.5}
    ),
    "Min": Tested(
        lambda x: sympy.Min(x, x**2 / 2), special=(0.0, 2.0, *_LARGE, *_NAN), conventions={0.0: 0.5, 2.0: 1.5}
    ),
    "stop_gradient": Tested(lambda x: x**2 + f.stop_gradient(sympy.Integer(3)) * x, special=(0.0, *_LARGE, *_NAN)),
    "select": Tested(lambda x: f.select(x, sympy.log(x), x**3), special=(0.0, *_LARGE, 5e-324, *_NAN)),
    "Piecewise": Tested(
        lambda x: Piecewise((sympy.sqrt(1 - x), x < 0), (x**2, x < 2), (sympy.log(x), True)),
        special=(0.0, 2.0, *_LARGE, *_NAN),
    ),
    "And, Or, Not": Tested(
        lambda x: Piecewise((sympy.sin(x), (x > 0) & ~(x > 2)), (x**2, (x > 3) | (x < -2)), (x, True)),
        special=(0.0, 2.0, 3.0, *_LARGE, *_NAN),
    ),
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
        graph, tested = graph_of(name), FUNCTIONS[name]
        for where, points, oracles in (
            ("", tested.points, tuple(ORACLES)),
            (" at special points", [p for p in tested.special if _fits(p, dtype)], ("mpmath",)),
        ):
            values = {"x": np.array(points)}
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
        if tested.conventions and dtype == "float64":
            yield convention_row(name, graph, tested.conventions, tested.elsewhere)


def convention_row(
    name: str,
    graph: Graph,
    conventions: Mapping[float, float],
    elsewhere: Mapping[str, Mapping[float, float]],
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
