"""What elementary functions are made of: polynomials, powers of two, what is left of an argument."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from codegen.emit.lanes import Lanes, Operand, Value
from codegen.emit.vectormath.numbers import COEFFICIENTS, INVERSE_LN2, LN2, SQRT_HALF


def coefficients_of(lanes: Lanes, name: str) -> Sequence[float]:
    return COEFFICIENTS[name][lanes.dtype]


def polynomial_at(lanes: Lanes, x: Value, coefficients: Sequence[float]) -> Value:
    """c₀ + x·(c₁ + c₂x + …), the parenthesis as two Horner chains in x²: half the latency for one multiplication."""
    first, *rest = coefficients
    if len(rest) < 4:
        return horner(lanes, x, coefficients)
    square = lanes.mul(x, x)
    even, odd = horner(lanes, square, rest[::2]), horner(lanes, square, rest[1::2])
    return lanes.fma(x, lanes.fma(x, odd, even), first)


def horner(lanes: Lanes, x: Value, coefficients: Sequence[float]) -> Value:
    return reduce(lambda value, c: lanes.fma(x, value, c), reversed(coefficients[:-1]), lanes.real(coefficients[-1]))


def nearest_multiple(lanes: Lanes, x: Value, factor: float, offset: int) -> tuple[Value, Value]:
    """k, the integer nearest to factor·x, as a real number; and a word whose low bits are k + offset.

    Adding 1.5·2^fraction leaves no room for a fraction: the sum is rounded to an integer that stands in its low bits.
    """
    shift = 1.5 * 2.0**lanes.format.fraction + offset
    total = lanes.fma(x, factor, shift)
    return lanes.sub(total, shift), lanes.bits(total)


def power_of_two(lanes: Lanes, word: Value) -> Value:
    """2^k, where the low bits of the word are k + bias and k is in the range of normal numbers."""
    return lanes.from_bits(lanes.shift_left(word, lanes.format.fraction))


def powers_of_two(lanes: Lanes, word: Value) -> tuple[Value, Value]:
    """2^⌊k/2⌋ and 2^⌈k/2⌉, where the low bits of the word are k + 2·bias: 2^k itself may over- or underflow."""
    lower = lanes.shift_right(word, 1)
    return power_of_two(lanes, lower), power_of_two(lanes, lanes.int_sub(word, lower))


def inverse_power(lanes: Lanes, power: Value) -> Value:
    """1/p for a power of two."""
    return lanes.from_bits(lanes.int_sub(2 * lanes.format.bias << lanes.format.fraction, lanes.bits(power)))


def minus_multiple(lanes: Lanes, x: Value, k: Value, parts: Sequence[float]) -> Value:
    """x − k·(p₁ + p₂ + …), the largest part first: its product cancels x exactly."""
    return reduce(lambda r, part: lanes.fma(k, -part, r), parts, x)


def expm1_reduced(lanes: Lanes, r: Value, factor: int = 1, rest: Value | None = None) -> Value:
    """(exp(factor·(r + rest)) − 1)/factor for |factor·r| ≤ ln 2/2 and a rest that only matters beside r itself.

    A factor that is a power of two moves the exponents of the coefficients and costs nothing.
    """
    coefficients = [c * factor ** (power + 1) for power, c in enumerate(coefficients_of(lanes, "exp"))]
    square, polynomial = lanes.mul(r, r), polynomial_at(lanes, r, coefficients)
    if rest is None:
        return lanes.fma(square, polynomial, r)
    return lanes.add(lanes.fma(square, polynomial, rest), r)


def decomposed(lanes: Lanes, x: Value) -> tuple[Value, Value, Value]:
    """x = 2^k·m with m from √½ to √2, for a positive normal x: k + bias as an integer, k as a real number, and m."""
    fraction, bias = lanes.format.fraction, lanes.format.bias
    shifted = lanes.int_add(lanes.bits(x), lanes.int_sub(lanes.bits(1.0), lanes.bits(SQRT_HALF)))
    exponent = lanes.shift_right(shifted, fraction)
    # The integer under the exponent of 2^fraction is the real number 2^fraction + integer.
    k = lanes.sub(lanes.from_bits(lanes.bit_or(exponent, lanes.bits(2.0**fraction))), 2.0**fraction + bias)
    mantissa = lanes.bit_and(shifted, 2**fraction - 1)
    return exponent, k, lanes.from_bits(lanes.int_add(mantissa, lanes.bits(SQRT_HALF)))


def log_reduced(lanes: Lanes, f: Value, k: Value) -> Value:
    """k·ln 2 + log(1 + f) for 1 + f from √½ to √2: log(1 + f) = f − s·(f − z·p(z)), s = f/(2 + f), z = s²."""
    high, low = LN2[lanes.dtype]
    s = lanes.div(f, lanes.add(f, 2.0))
    z = lanes.mul(s, s)
    difference = lanes.fma(lanes.neg(z), polynomial_at(lanes, z, coefficients_of(lanes, "log")), f)
    correction = lanes.fma(lanes.neg(s), difference, lanes.mul(k, low))
    return lanes.fma(k, high, lanes.add(f, correction))


def exact_product(lanes: Lanes, a: Operand, b: Operand) -> tuple[Value, Value]:
    """a·b and its rounding error."""
    high = lanes.mul(a, b)
    return high, lanes.fma(a, b, lanes.neg(high))


def scaled_tail(
    lanes: Lanes, name: str, centre: float, a: Value, square: Value, square_low: Value, offset: int
) -> tuple[Value, Value]:
    """A tail p(t)/(a + K)·exp(−square) for a ≥ 0 with t = (a − K)/(a + K), as a value times 2^k.

    Gives the value and a word whose low bits are k + offset. What rounding took from the square and the quotient is
    carried into the exponential; it would add two ULP to the three that remain.
    """
    inverse = lanes.div(1.0, lanes.add(a, centre))
    excess = lanes.fma(inverse, a, lanes.fma(inverse, centre, -1.0))
    t = lanes.fma(inverse, -2 * centre, 1.0)
    factor = lanes.mul(polynomial_at(lanes, t, coefficients_of(lanes, name)), inverse)
    high, low = LN2[lanes.dtype]
    k, word = nearest_multiple(lanes, square, -INVERSE_LN2, offset)
    # The quotient is in t too: its effect on p(t)/(a + K) is 1 − (1 − t)·p'(t)/p(t), which is 1.84 − 1.27·t roughly.
    rest = lanes.fma(k, low, lanes.fma(excess, lanes.fma(t, -1.27, 1.84), square_low))
    r = lanes.sub(lanes.fma(k, -high, lanes.neg(square)), rest)
    return lanes.fma(factor, expm1_reduced(lanes, r), factor), word
