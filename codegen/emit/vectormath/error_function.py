"""The error function, its tails, and the normal distribution."""

from __future__ import annotations

import math
from collections.abc import Callable

import sympy

from codegen import functions as f
from codegen.emit.lanes import Lanes, Value
from codegen.emit.vectormath.forms import form
from codegen.emit.vectormath.numbers import ERFC_CENTRE, ERFCX_CENTRE, INVERSE_LN2, LIMITS, LN2, NORMAL_CENTRE
from codegen.emit.vectormath.parts import (
    coefficients_of,
    exact_product,
    expm1_reduced,
    minus_multiple,
    nearest_multiple,
    polynomial_at,
    power_of_two,
    powers_of_two,
    scaled_tail,
)


@form(sympy.erf, float64=1.3, float32=1.3)
def erf(lanes: Lanes, x: Value) -> Value:
    """erf x = x + x·p(x²) for |x| < 1, else 1 − exp(−p(|x|)) with the sign of x.

    Largest error found: 1.22 ULP in float64, 1.16 in float32.
    """
    size = lanes.abs(x)
    inner = lanes.fma(x, polynomial_at(lanes, lanes.mul(x, x), coefficients_of(lanes, "erf")), x)
    exponent = polynomial_at(
        lanes, lanes.at_most(size, LIMITS[lanes.dtype].erf_saturation), coefficients_of(lanes, "erf_tail")
    )
    k, word = nearest_multiple(lanes, exponent, -INVERSE_LN2, lanes.format.bias)
    e = expm1_reduced(lanes, minus_multiple(lanes, lanes.neg(exponent), k, LN2[lanes.dtype]))
    power = power_of_two(lanes, word)
    outer = lanes.copysign(lanes.fma(lanes.neg(power), e, lanes.sub(1.0, power)), x)
    return lanes.select(lanes.compare("<", size, 1.0), inner, outer)


@form(sympy.erfc, float64=4.0, float32=3.5)
def erfc(lanes: Lanes, x: Value) -> Value:
    """erfc x = exp(−x²)·p(t)/(x + K) with t = (x − K)/(x + K) for x ≥ 0, else 2 minus that of |x|.

    Largest error found: 3.71 ULP in float64 (among 132,000 points), 3.25 in float32.
    """

    def tail(size: Value, offset: int) -> tuple[Value, Value]:
        return scaled_tail(lanes, "erfc", ERFC_CENTRE, size, *exact_product(lanes, size, size), offset)

    size = lanes.abs(x)
    value = _scaled(lanes, size, 1.0, tail)
    if lanes.dtype == "float64":  # whose tail is half an ULP less where erfc rounds to 1
        value = lanes.select(lanes.compare("<", size, 2.0 ** -(lanes.format.fraction + 2)), 1.0, value)
    return lanes.select(lanes.compare("<", x, 0.0), lanes.sub(2.0, value), value)


@form(f.normal_cdf, float64=4.0, float32=3.5)
def normal_cdf(lanes: Lanes, x: Value) -> Value:
    """Φ(x) = exp(−x²/2)·p(t)/(|x| + K) with t = (|x| − K)/(|x| + K) for x ≤ 0, else 1 minus that of −x.

    Largest error found: 3.76 ULP in float64 (among 132,000 points), 3.25 in float32.
    """

    def tail(size: Value, offset: int) -> tuple[Value, Value]:
        half_square = exact_product(lanes, lanes.mul(size, 0.5), size)
        return scaled_tail(lanes, "normal_tail", NORMAL_CENTRE, size, *half_square, offset)

    size = lanes.abs(x)
    value = _scaled(lanes, size, math.sqrt(2), tail)
    if lanes.dtype == "float32":  # whose tail is half an ULP less where Φ rounds to ½
        value = lanes.select(lanes.compare("<", size, 2.0 ** -(lanes.format.fraction + 2)), 0.5, value)
    return lanes.select(lanes.compare(">", x, 0.0), lanes.sub(1.0, value), value)


def _scaled(lanes: Lanes, size: Value, unit: float, tail: Callable[[Value, int], tuple[Value, Value]]) -> Value:
    """The tail at a size: a value times 2^k, the low bits of the word that comes with it being k + offset."""
    bias = lanes.format.bias

    def of_usual() -> Value:
        value, word = tail(size, 0)
        # 2^k by its exponent: multipliers are what these functions wait for.
        return lanes.from_bits(lanes.int_add(lanes.bits(value), lanes.shift_left(word, lanes.format.fraction)))

    def of_any() -> Value:
        value, word = tail(lanes.at_most(size, LIMITS[lanes.dtype].erfc_vanishing * unit), 2 * bias)
        small, large = powers_of_two(lanes, word)
        return lanes.mul(lanes.mul(value, large), small)

    # Where the tail, which is above exp(−size²/unit²)/2^8, is a normal number.
    usual = unit * math.sqrt((bias - 9) * math.log(2))
    return lanes.usually(lambda: lanes.compare("<", size, usual), of_usual, of_any)


@form(f.erfcx, float64=5.6, float32=5.7)
def erfcx(lanes: Lanes, x: Value) -> Value:
    """exp(x²)·erfc x = p(t)/(x + K) with t = (x − K)/(x + K) for x ≥ 0, else 2·exp(x²) minus that of |x|.

    Largest error found: 5.5 ULP in float64, 5.6 in float32, beyond x = 40 (4.3 and 4.0 before): p(t) cancels at t = 1.
    """
    inverse, t = _tail_variable(lanes, x)
    rough = lanes.mul(polynomial_at(lanes, t, coefficients_of(lanes, "erfcx")), inverse)
    right = lanes.fma(rough, _correction(lanes, x, inverse, t), rough)
    size = lanes.at_most(lanes.abs(x), math.sqrt(LIMITS[lanes.dtype].overflow))
    square, square_low = exact_product(lanes, size, size)
    k, word = nearest_multiple(lanes, square, INVERSE_LN2, 2 * lanes.format.bias)
    small, large = powers_of_two(lanes, word)
    # The part of ln 2 that is added last is as small as what rounding took from the square.
    high, low = LN2[lanes.dtype]
    r = lanes.add(lanes.fma(k, -high, square), lanes.fma(k, -low, square_low))
    growing = lanes.mul(lanes.fma(large, expm1_reduced(lanes, r), large), small)
    return lanes.select(lanes.compare("<", x, 0.0), lanes.fma(growing, 2.0, lanes.neg(right)), right)


@form(f.erfcx_rate, float64=8.0, float32=9.0)
def erfcx_rate(lanes: Lanes, x: Value) -> Value:
    """−erfcx'/erfcx = p(t)/(x + K) for x ≥ ½, else 2/(√π·erfcx x) − 2x.

    Largest error found: 7.5 ULP in float64, 8.9 in float32, near 0.48.
    """
    inverse, t = _tail_variable(lanes, x)
    right = lanes.mul(polynomial_at(lanes, t, coefficients_of(lanes, "erfcx_rate")), inverse)
    return lanes.select(lanes.compare(">=", x, 0.5), right, lanes.fma(x, -2.0, _hazard(lanes, x)))


@form(f.erfcx_curvature, float64=42, float32=47)
def erfcx_curvature(lanes: Lanes, x: Value) -> Value:
    """(log erfcx)'' = p(t)/(x + K)² for x ≥ 1, else 2 − rate·(2x + rate), where 2x + rate is 2/(√π·erfcx x).

    Largest error found: 40 ULP in float64, 47 in float32, near 0.48.
    """
    x = lanes.at_least(x, -LIMITS[lanes.dtype].overflow)  # where the product is 0, not 0·∞
    inverse, t = _tail_variable(lanes, x)
    polynomial = polynomial_at(lanes, t, coefficients_of(lanes, "erfcx_curvature"))
    right = lanes.mul(lanes.mul(polynomial, inverse), inverse)
    left = lanes.fma(lanes.neg(_hazard(lanes, x)), erfcx_rate(lanes, x), 2.0)
    return lanes.select(lanes.compare(">=", x, 1.0), right, left)


def _tail_variable(lanes: Lanes, x: Value) -> tuple[Value, Value]:
    """1/(|x| + K) and t = (|x| − K)/(|x| + K), which is 1 at ∞."""
    inverse = lanes.div(1.0, lanes.add(lanes.abs(x), ERFCX_CENTRE))
    return inverse, lanes.fma(inverse, -2 * ERFCX_CENTRE, 1.0)


def _correction(lanes: Lanes, x: Value, inverse: Value, t: Value) -> Value:
    """What rounding took from 1/(|x| + K), times its effect on erfcx, (|x| + K)·rate, which is 2 − 1.2·t roughly."""
    size = lanes.abs(x)
    residual = lanes.fma(lanes.neg(inverse), size, lanes.fma(inverse, -ERFCX_CENTRE, 1.0))
    ordinary = lanes.compare("<", size, LIMITS[lanes.dtype].large)
    return lanes.select(ordinary, lanes.mul(residual, lanes.fma(t, -1.2, 2.0)), 0.0)


def _hazard(lanes: Lanes, x: Value) -> Value:
    return lanes.div(2 / math.sqrt(math.pi), erfcx(lanes, x))
