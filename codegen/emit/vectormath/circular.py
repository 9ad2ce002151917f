"""Sine, cosine and tangent, and their inverses."""

from __future__ import annotations

import sympy

from codegen.emit.lanes import Lanes, Value
from codegen.emit.vectormath.forms import form
from codegen.emit.vectormath.numbers import HALF_PI, LIMITS, TWO_OVER_PI
from codegen.emit.vectormath.parts import coefficients_of, minus_multiple, nearest_multiple, polynomial_at


@form(sympy.sin, float64=1.7, float32=1.7)
def sin(lanes: Lanes, x: Value) -> Value:
    """sin(n·π/2 + r) = ±sin r or ±cos r; by libm beyond the reduction.

    Largest error found: 1.57 ULP in float64, 1.56 in float32.
    """
    sine, cosine, word = _quadrant(lanes, x)
    value = _by_quadrant(lanes, word, sine, cosine)
    return _or_libm(lanes, "sin", x, lanes.select(lanes.compare("==", x, 0.0), x, value))


@form(sympy.cos, float64=1.7, float32=1.7)
def cos(lanes: Lanes, x: Value) -> Value:
    """cos(n·π/2 + r) = sin((n + 1)·π/2 + r); by libm beyond the reduction.

    Largest error found: 1.57 ULP in float64, 1.56 in float32.
    """
    sine, cosine, word = _quadrant(lanes, x)
    return _or_libm(lanes, "cos", x, _by_quadrant(lanes, lanes.int_add(word, 1), sine, cosine))


@form(sympy.tan, float64=3.8, float32=3.8)
def tan(lanes: Lanes, x: Value) -> Value:
    """tan(n·π/2 + r) = sin r/cos r or −cos r/sin r; by libm beyond the reduction.

    Largest error found: 3.56 ULP in float64, 3.69 in float32.
    """
    sine, cosine, word = _quadrant(lanes, x)
    odd = _has_bit(lanes, word, 1)
    value = lanes.div(lanes.select(odd, lanes.neg(cosine), sine), lanes.select(odd, sine, cosine))
    return _or_libm(lanes, "tan", x, lanes.select(lanes.compare("==", x, 0.0), x, value))


def _quadrant(lanes: Lanes, x: Value) -> tuple[Value, Value, Value]:
    """sin r, cos r and a word whose low bits are n, where x = n·π/2 + r."""
    n, word = nearest_multiple(lanes, x, TWO_OVER_PI, 0)
    r = minus_multiple(lanes, x, n, HALF_PI[lanes.dtype])
    z = lanes.mul(r, r)
    sine = lanes.fma(lanes.mul(r, z), polynomial_at(lanes, z, coefficients_of(lanes, "sin")), r)
    cosine = lanes.fma(lanes.mul(z, z), polynomial_at(lanes, z, coefficients_of(lanes, "cos")), lanes.fma(z, -0.5, 1.0))
    return sine, cosine, word


def _has_bit(lanes: Lanes, word: Value, bit: int) -> Value:
    return lanes.int_compare("!=", lanes.bit_and(word, bit), 0)


def _by_quadrant(lanes: Lanes, word: Value, sine: Value, cosine: Value) -> Value:
    """sin r, cos r, −sin r, −cos r for the quadrants 0 to 3."""
    value = lanes.select(_has_bit(lanes, word, 1), cosine, sine)
    sign = lanes.shift_left(lanes.bit_and(word, 2), lanes.format.integer.width - 2)
    return lanes.from_bits(lanes.bit_xor(lanes.bits(value), sign))


def _or_libm(lanes: Lanes, name: str, x: Value, value: Value) -> Value:
    """The value, except where |x| is beyond the reduction; a branch, because it hardly ever is."""
    far = lanes.compare(">", lanes.abs(x), LIMITS[lanes.dtype].reduction)
    return lanes.where_any(far, lambda: lanes.libm(name, x), value)


@form(sympy.asin, float64=2.1, float32=2.1)
def asin(lanes: Lanes, x: Value) -> Value:
    """arcsin x on |x| ≤ ½, else π/2 − 2·arcsin √((1 − |x|)/2); nan beyond ±1.

    Largest error found: 2.01 ULP in float64, 2.02 in float32.
    """
    outer, s, cube, p = _arc(lanes, x)
    high, low, _ = HALF_PI[lanes.dtype]
    beyond = lanes.sub(lanes.fma(s, -2.0, high), lanes.fma(lanes.add(cube, cube), p, -low))
    return lanes.copysign(lanes.select(outer, beyond, lanes.fma(cube, p, s)), x)


@form(sympy.acos, float64=1.2, float32=1.2)
def acos(lanes: Lanes, x: Value) -> Value:
    """π/2 − arcsin x on |x| ≤ ½, else 2·arcsin √((1 − |x|)/2) or π minus it.

    Largest error found: 1.15 ULP in float64, 1.16 in float32.
    """
    outer, s, cube, p = _arc(lanes, x)
    high, low, _ = HALF_PI[lanes.dtype]
    signed = lanes.copysign(s, x)
    inner = lanes.sub(high, lanes.add(signed, lanes.fma(lanes.copysign(cube, x), p, -low)))
    double, double_cube = lanes.add(s, s), lanes.add(cube, cube)
    near_minus_one = lanes.sub(lanes.sub(2 * high, double), lanes.fma(double_cube, p, -2 * low))
    beyond = lanes.select(lanes.compare("<", x, 0.0), near_minus_one, lanes.fma(double_cube, p, double))
    return lanes.select(outer, beyond, inner)


def _arc(lanes: Lanes, x: Value) -> tuple[Value, Value, Value, Value]:
    """Whether |x| is above ½, the s whose arcsine s + s³·p is taken, s³ and p."""
    size = lanes.abs(x)
    outer = lanes.compare(">", size, 0.5)
    z = lanes.select(outer, lanes.fma(size, -0.5, 0.5), lanes.mul(size, size))
    s = lanes.select(outer, lanes.sqrt(z), size)
    return outer, s, lanes.mul(s, z), polynomial_at(lanes, z, coefficients_of(lanes, "asin"))


@form(sympy.atan, float64=2.1, float32=1.6)
def atan(lanes: Lanes, x: Value) -> Value:
    """arctan x on |x| ≤ 1, else π/2 − arctan 1/|x|, with the sign of x.

    Largest error found: 2.01 ULP in float64, 1.47 in float32.
    """
    size = lanes.abs(x)
    outer = lanes.compare(">", size, 1.0)
    t = lanes.div(lanes.select(outer, 1.0, size), lanes.select(outer, size, 1.0))
    z = lanes.mul(t, t)
    cube, p = lanes.mul(t, z), polynomial_at(lanes, z, coefficients_of(lanes, "atan"))
    high, low, _ = HALF_PI[lanes.dtype]
    beyond = lanes.sub(lanes.sub(high, t), lanes.fma(cube, p, -low))
    return lanes.copysign(lanes.select(outer, beyond, lanes.fma(cube, p, t)), x)
