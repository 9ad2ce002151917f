"""Exponentials: eˣ, the hyperbolic functions, the sigmoid and its integral."""

from __future__ import annotations

import math

import sympy

from codegen import functions as f
from codegen.emit.lanes import Lanes, Value
from codegen.emit.vectormath.forms import form
from codegen.emit.vectormath.numbers import INVERSE_LN2, LIMITS, LN2
from codegen.emit.vectormath.parts import (
    coefficients_of,
    expm1_reduced,
    inverse_power,
    minus_multiple,
    nearest_multiple,
    polynomial_at,
    power_of_two,
    powers_of_two,
)


@form(sympy.exp, float64=1.1, float32=1.1)
def exp(lanes: Lanes, x: Value) -> Value:
    """eˣ = 2^k·e^r, r = x − k·ln 2.

    Largest error found: 1.03 ULP in float64, 1.05 in float32.
    """
    limits = LIMITS[lanes.dtype]
    x = lanes.at_least(lanes.at_most(x, limits.overflow), -limits.vanishing)
    k, word = nearest_multiple(lanes, x, INVERSE_LN2, 2 * lanes.format.bias)
    small, large = powers_of_two(lanes, word)
    e = expm1_reduced(lanes, minus_multiple(lanes, x, k, LN2[lanes.dtype]))
    return lanes.mul(lanes.fma(large, e, large), small)


@form(f.expm1, float64=2.1, float32=1.7)
def expm1(lanes: Lanes, x: Value) -> Value:
    """eˣ − 1 = 2^k·(e^r − 1) + (2^k − 1).

    Largest error found: 1.99 ULP in float64, 1.57 in float32.
    """
    limits = LIMITS[lanes.dtype]
    y = lanes.at_least(lanes.at_most(x, limits.overflow), -2 * limits.saturation)
    k, word = nearest_multiple(lanes, y, INVERSE_LN2, 2 * lanes.format.bias)
    small, large = powers_of_two(lanes, word)
    e = expm1_reduced(lanes, minus_multiple(lanes, y, k, LN2[lanes.dtype]))
    scaled = lanes.fma(large, e, lanes.sub(large, inverse_power(lanes, small)))
    return lanes.copysign(lanes.mul(scaled, small), x)


@form(sympy.tanh, float64=2.0, float32=2.0)
def tanh(lanes: Lanes, x: Value) -> Value:
    """tanh x = (1 − e)/(1 + e) with e = exp(−2|x|) and the sign of x.

    e = 2^k·exp(−2h) and |x| = h − k·ln 2/2. No number is e: 1 ∓ e = (1 ∓ 2^k) ± 2^(k+1)·(1 − exp(−2h))/2, rounded once.

    Largest error found: 2.00 ULP in float64, 2.00 in float32.
    """
    size = lanes.at_most(lanes.abs(x), LIMITS[lanes.dtype].saturation)
    # The factor 1.01 moves the steps of k away from tanh x = ½, where the rounding of 1 ∓ e costs most.
    k, word = nearest_multiple(lanes, size, -2.02 * INVERSE_LN2, lanes.format.bias + 1)
    high, low = (part / 2 for part in LN2[lanes.dtype])
    h = lanes.fma(k, high, size)
    # In float32 the lower part of ln 2 is 0.02 ULP, and two instructions of twenty.
    rest = lanes.mul(k, low) if lanes.dtype == "float64" else None
    minus_half_expm1 = expm1_reduced(lanes, h, -2, rest)
    double = power_of_two(lanes, word)  # 2·2^k
    difference = lanes.fma(double, minus_half_expm1, lanes.fma(double, -0.5, 1.0))
    total = lanes.fma(lanes.neg(double), minus_half_expm1, lanes.fma(double, 0.5, 1.0))
    return lanes.copysign(lanes.div(difference, total), x)


@form(f.sigmoid, float64=1.8, float32=1.8)
def sigmoid(lanes: Lanes, x: Value) -> Value:
    """σ(x) = 1 − q where x ≥ 0, else e − e·q, with e = exp(−|x|) and q = e/(1 + e).

    q is at most ½, so the three roundings in it count less than in the quotient e/(1 + e) itself.

    Largest error found: 1.67 ULP in float64, 1.67 in float32.
    """
    return lanes.usually(
        # Where exp(−|x|) is a normal number.
        lambda: lanes.compare("<", lanes.abs(x), (lanes.format.bias - 2) * math.log(2)),
        lambda: _sigmoid_of_usual(lanes, x),
        lambda: _sigmoid(lanes, x),
    )


def _sigmoid_of_usual(lanes: Lanes, x: Value) -> Value:
    e = _exp_of_minus(lanes, lanes.abs(x), 0)
    quotient = lanes.div(e, lanes.add(e, 1.0))
    whole = lanes.select(lanes.compare(">=", x, 0.0), 1.0, e)
    return lanes.fma(lanes.neg(whole), quotient, whole)


def _sigmoid(lanes: Lanes, x: Value) -> Value:
    lift = 2.0 ** LIMITS[lanes.dtype].lift
    lifted = _lifted_exp(lanes, x)
    quotient = _smaller_sigmoid(lanes, lifted)
    positive = lanes.compare(">=", x, 0.0)
    whole = lanes.select(positive, 1.0, lifted)
    return lanes.mul(lanes.fma(lanes.neg(whole), quotient, whole), lanes.select(positive, 1.0, 1 / lift))


@form(f.sigmoid_slope, float64=3.1, float32=3.1)
def sigmoid_slope(lanes: Lanes, x: Value) -> Value:
    """σ(x)·σ(−x) = q − q² with q = e/(1 + e), e = exp(−|x|): one instruction beside σ(x), which has the same q.

    Largest error found: 2.22 ULP in float64, 2.96 in float32.
    """
    quotient = _smaller_sigmoid(lanes, _lifted_exp(lanes, x))
    return lanes.fma(lanes.neg(quotient), quotient, quotient)


def _smaller_sigmoid(lanes: Lanes, lifted: Value) -> Value:
    """σ(−|x|) = e/(1 + e), which is at most ½, of 2^lift·e."""
    e = lanes.mul(lifted, 2.0 ** -LIMITS[lanes.dtype].lift)
    return lanes.div(e, lanes.add(e, 1.0))


@form(f.softplus, float64=2.9, float32=2.9)
def softplus(lanes: Lanes, x: Value) -> Value:
    """max(x, 0) + log(1 + e) with e = exp(−|x|); log(1 + e) = 2·artanh(e/(e + 2)) = ln 2 + 2·artanh((e − 1)/(e + 3)).

    Largest error found: 2.73 ULP in float64, 2.75 in float32.
    """
    lift = 2.0 ** LIMITS[lanes.dtype].lift
    e = _lifted_exp(lanes, x)
    # The second form where e > √2 − 1, so that the argument of artanh stays small.
    large = lanes.compare(">", e, lift * (math.sqrt(2) - 1))
    numerator = lanes.sub(e, lanes.select(large, lift, 0.0))
    denominator = lanes.fma(e, 1 / lift, lanes.select(large, 3.0, 2.0))
    s = lanes.mul(lanes.div(numerator, denominator), 1 / lift)
    z = lanes.mul(s, s)
    high, low = (lanes.select(large, part, 0.0) for part in LN2[lanes.dtype])
    excess = lanes.fma(lanes.mul(s, z), polynomial_at(lanes, z, coefficients_of(lanes, "log")), low)
    return lanes.add(lanes.add(lanes.fma(s, 2.0, excess), high), lanes.select(lanes.compare("<=", x, 0.0), 0.0, x))


def _lifted_exp(lanes: Lanes, x: Value) -> Value:
    """2^lift·exp(−|x|), a normal number also where exp(−|x|) is not."""
    limits = LIMITS[lanes.dtype]
    return _exp_of_minus(lanes, lanes.at_most(lanes.abs(x), limits.vanishing), limits.lift)


def _exp_of_minus(lanes: Lanes, size: Value, lift: int) -> Value:
    """2^lift·exp(−size), where that is a normal number."""
    k, word = nearest_multiple(lanes, size, -INVERSE_LN2, lanes.format.bias + lift)
    power = power_of_two(lanes, word)
    return lanes.fma(power, expm1_reduced(lanes, minus_multiple(lanes, lanes.neg(size), k, LN2[lanes.dtype])), power)


@form(sympy.sinh, float64=2.3, float32=1.9)
def sinh(lanes: Lanes, x: Value) -> Value:
    """sinh(k·ln 2 + r) = (2^k − 2^−k)/2·cosh r + (2^k + 2^−k)/2·sinh r, on |x|.

    Largest error found: 2.18 ULP in float64, 1.78 in float32.
    """
    difference, total, small, even, odd = _hyperbolic(lanes, x)
    value = lanes.fma(difference, even, lanes.fma(total, odd, difference))
    return lanes.copysign(lanes.mul(value, small), x)


@form(sympy.cosh, float64=1.9, float32=2.2)
def cosh(lanes: Lanes, x: Value) -> Value:
    """cosh(k·ln 2 + r) = (2^k + 2^−k)/2·cosh r + (2^k − 2^−k)/2·sinh r, on |x|.

    Largest error found: 1.78 ULP in float64, 2.13 in float32.
    """
    difference, total, small, even, odd = _hyperbolic(lanes, x)
    return lanes.mul(lanes.fma(total, even, lanes.fma(difference, odd, total)), small)


def _hyperbolic(lanes: Lanes, x: Value) -> tuple[Value, Value, Value, Value, Value]:
    """(2^k ∓ 2^−k)/2 divided by 2^⌊k/2⌋, that power, cosh r − 1 and sinh r, where |x| = k·ln 2 + r."""
    size = lanes.at_most(lanes.abs(x), LIMITS[lanes.dtype].half_overflow)
    k, word = nearest_multiple(lanes, size, INVERSE_LN2, 2 * lanes.format.bias)
    r = minus_multiple(lanes, size, k, LN2[lanes.dtype])
    small, large = powers_of_two(lanes, word)
    inverse = inverse_power(lanes, small)
    rising = lanes.mul(large, 0.5)
    # Vanishes for large k, where it no longer counts.
    falling = lanes.mul(lanes.mul(inverse, lanes.mul(inverse, 0.5)), inverse_power(lanes, large))
    z = lanes.mul(r, r)
    even = lanes.mul(z, polynomial_at(lanes, z, coefficients_of(lanes, "cosh")))
    odd = lanes.fma(lanes.mul(r, z), polynomial_at(lanes, z, coefficients_of(lanes, "sinh")), r)
    # `falling` is a product of powers of two, so that fusing it into the sums would not change them.
    return lanes.sub(rising, falling), lanes.add(rising, falling), small, even, odd
