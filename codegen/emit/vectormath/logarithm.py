"""Logarithms, and the inverses of the hyperbolic functions, which are logarithms."""

from __future__ import annotations

import math

import sympy

from codegen import functions as f
from codegen.emit.lanes import Lanes, Value
from codegen.emit.vectormath.forms import form
from codegen.emit.vectormath.numbers import LIMITS, LN2
from codegen.emit.vectormath.parts import decomposed, log_reduced, power_of_two


@form(sympy.log, float64=1.0, float32=1.0)
def log(lanes: Lanes, x: Value) -> Value:
    """log x = k·ln 2 + log m; −inf at ±0, nan below.

    Largest error found: 0.90 ULP in float64, 0.92 in float32.
    """
    least = LIMITS[lanes.dtype].smallest_normal
    return lanes.usually(
        lambda: lanes.both(lanes.compare(">=", x, least), lanes.compare("<", x, math.inf)),
        lambda: _log_of_normal(lanes, x),
        lambda: _log(lanes, x),
    )


def _log_of_normal(lanes: Lanes, x: Value) -> Value:
    _, k, mantissa = decomposed(lanes, x)
    return log_reduced(lanes, lanes.sub(mantissa, 1.0), k)


def _log(lanes: Lanes, x: Value) -> Value:
    tiny = lanes.compare("<", x, LIMITS[lanes.dtype].smallest_normal)
    lift = lanes.format.bias - 1
    # 1 + fraction, without the 1: a subnormal number times 2^lift, by an adder where multipliers are busy.
    lifted = lanes.sub(lanes.from_bits(lanes.int_add(lanes.bits(x), lanes.bits(1.0))), 1.0)
    _, k, mantissa = decomposed(lanes, lanes.select(tiny, lifted, x))
    k = lanes.sub(k, lanes.select(tiny, float(lift), 0.0))
    value = log_reduced(lanes, lanes.sub(mantissa, 1.0), k)
    return _logarithm_ends(lanes, x, value, 0.0)


@form(f.log1p, float64=1.4, float32=1.6)
def log1p(lanes: Lanes, x: Value) -> Value:
    """log(1 + x) = k·ln 2 + log(1 + f), where 1 + x ≈ 2^k·m and f = 2^−k·x + (2^−k − 1) is rounded once.

    Largest error found: 1.33 ULP in float64, 1.48 in float32.
    """
    large = LIMITS[lanes.dtype].large
    return lanes.usually(
        lambda: lanes.both(lanes.compare(">", x, -1.0), lanes.compare("<=", x, large)),
        lambda: lanes.copysign(_log1p_of_usual(lanes, x), x),
        lambda: _log1p(lanes, x),
    )


def _log1p_of_usual(lanes: Lanes, x: Value) -> Value:
    return log_reduced(lanes, *_reduced(lanes, x))


def _reduced(lanes: Lanes, x: Value) -> tuple[Value, Value]:
    """The f and k of log1p."""
    exponent, k, _ = decomposed(lanes, lanes.add(x, 1.0))
    inverse = power_of_two(lanes, lanes.int_sub(2 * lanes.format.bias, exponent))
    return lanes.fma(x, inverse, lanes.sub(inverse, 1.0)), k


def _log1p(lanes: Lanes, x: Value) -> Value:
    limits = LIMITS[lanes.dtype]
    # 2^−k would be subnormal for the largest x.
    huge = lanes.compare(">", x, limits.large)
    lowered = lanes.from_bits(lanes.int_sub(lanes.bits(x), limits.lift << lanes.format.fraction))
    y = lanes.select(huge, lowered, x)
    f, k = _reduced(lanes, y)
    value = log_reduced(lanes, f, lanes.add(k, lanes.select(huge, float(limits.lift), 0.0)))
    return _logarithm_ends(lanes, x, lanes.copysign(value, x), -1.0)


def _logarithm_ends(lanes: Lanes, x: Value, value: Value, pole: float) -> Value:
    value = lanes.select(lanes.compare(">", x, pole), value, math.nan)
    value = lanes.select(lanes.compare("==", x, pole), -math.inf, value)
    return lanes.select(lanes.compare("==", x, math.inf), math.inf, value)


@form(sympy.asinh, float64=2.0, float32=2.0)
def asinh(lanes: Lanes, x: Value) -> Value:
    """arsinh x = log(1 + |x| + x²/(1 + √(1 + x²))) with the sign of x; log 2|x| where x² would overflow.

    Largest error found: 1.85 ULP in float64, 1.91 in float32.
    """
    size = lanes.abs(x)
    root = lanes.sqrt(lanes.fma(size, size, 1.0))
    excess = lanes.fma(size, lanes.div(size, lanes.add(root, 1.0)), size)
    value = lanes.usually(
        lambda: lanes.compare("<=", size, LIMITS[lanes.dtype].large),
        lambda: _log1p_of_usual(lanes, excess),
        lambda: _log1p_or_double(lanes, size, excess),
    )
    return lanes.copysign(value, x)


@form(sympy.acosh, float64=2.1, float32=2.2)
def acosh(lanes: Lanes, x: Value) -> Value:
    """arcosh x = log(1 + t + √(2t + t²)), t = x − 1; nan below 1.

    Largest error found: 2.00 ULP in float64, 2.09 in float32.
    """
    t = lanes.sub(x, 1.0)
    excess = lanes.add(t, lanes.sqrt(lanes.fma(t, t, lanes.add(t, t))))
    real = lanes.compare(">=", x, 1.0)
    return lanes.usually(
        lambda: lanes.both(real, lanes.compare("<=", x, LIMITS[lanes.dtype].large)),
        lambda: _log1p_of_usual(lanes, excess),
        lambda: lanes.select(real, _log1p_or_double(lanes, x, excess), math.nan),
    )


def _log1p_or_double(lanes: Lanes, x: Value, excess: Value) -> Value:
    """log(1 + excess), or log 2x for a large x."""
    huge = lanes.compare(">", x, LIMITS[lanes.dtype].large)
    value = _log1p(lanes, lanes.select(huge, x, excess))
    return lanes.add(value, lanes.select(huge, LN2[lanes.dtype][0], 0.0))


@form(sympy.atanh, float64=2.1, float32=2.2)
def atanh(lanes: Lanes, x: Value) -> Value:
    """artanh x = log(1 + 2|x|/(1 − |x|))/2 with the sign of x.

    Largest error found: 1.97 ULP in float64, 2.16 in float32.
    """
    size = lanes.abs(x)
    value = log1p(lanes, lanes.div(lanes.add(size, size), lanes.sub(1.0, size)))
    return lanes.copysign(lanes.mul(value, 0.5), x)
