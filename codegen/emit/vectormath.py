"""Elementary functions in SIMD lanes: range reduction, a minimax polynomial, scaling by a power of two.

Each function takes :class:`~codegen.emit.lanes.Lanes` and vectors, and emits straight-line code without memory access;
only sin, cos and tan branch, for arguments beyond their reduction. A lane's bits depend on its own argument alone.
±0, inf, nan, overflow and gradual underflow are as in IEEE 754 and C; nan in, nan out. ``ULP_BOUNDS`` states the
largest error over the whole range, measured against mpmath by tests/codegen/test_vectormath.py.

The polynomials come from ``python -m tests.benchmarks.coefficients``. Reductions and reconstructions follow the literature:
Muller, Elementary Functions (3rd ed., 2016): reduction of Cody and Waite (§11.2), Estrin's and Horner's schemes (§4.1);
Tang 1989 for exp; Sun's fdlibm for log and log1p; Shepherd and Laframboise 1981 for erfc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils

from codegen.emit.lanes import Lanes, Operand, Value
from codegen.emit.numba import Dtype

Function = Callable[..., Value]
"""``function(lanes, x, …)``, the value in every lane."""

LN2: Mapping[Dtype, tuple[float, float]] = {
    "float64": (0.6931471805599453, 2.3190468138462996e-17),
    "float32": (0.6931472, -1.9046542e-09),
}
"""ln 2 as a sum of two numbers of the dtype. k·high is exact inside an fma, and so is x − k·high, which cancels."""

HALF_PI: Mapping[Dtype, tuple[float, float, float]] = {
    "float64": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33),
    "float32": (1.5707964, -4.371139e-08, -1.7151245e-15),
}

SQRT_EIGHTH: Mapping[Dtype, tuple[float, float]] = {
    "float64": (0.3535533905932738, -2.4168233283632284e-17),
    "float32": (0.3535533845424652, 6.050808742941172e-09),
}

INVERSE_LN2 = 1.4426950408889634
TWO_OVER_PI = 0.6366197723675814
SQRT_HALF = 0.7071067811865476


class Limits(NamedTuple):
    """Where functions of one dtype have reached their limit: beyond it the argument is held."""

    vanishing: float
    """exp(−x) rounds to 0."""
    overflow: float
    """exp(x) rounds to inf."""
    half_overflow: float
    """exp(x)/2 rounds to inf."""
    saturation: float
    """tanh(x) rounds to 1."""
    erf_saturation: float
    erfc_vanishing: float
    """erfc(x) rounds to 0."""
    lift: int
    """Powers of two down to that of exp(−vanishing) are normal numbers once multiplied by 2^lift."""
    reduction: float
    """Beyond it the reduction by π/2 loses accuracy."""
    large: float
    """1 + x == x, by far."""
    smallest_normal: float


LIMITS: Mapping[Dtype, Limits] = {
    "float64": Limits(746.0, 710.0, 711.0, 20.0, 6.0, 27.25, 64, 2.0**30, 2.0**500, 2.0**-1022),
    "float32": Limits(105.0, 89.0, 90.0, 10.0, 4.0, 10.1, 32, 2.0**17, 2.0**60, 2.0**-126),
}


COEFFICIENTS: Mapping[str, Mapping[Dtype, tuple[float, ...]]] = {
    "exp": {
        "float64": (
            0.5000000000000012, 0.166666666666667, 0.04166666666651522, 0.008333333333307304,
            0.0013888888947070671, 0.00019841269917203296, 2.4801489882139037e-05, 2.7557216436418625e-06,
            2.7631302862043924e-07, 2.5117825100386183e-08,
        ),
        "float32": (
            0.5, 0.16666518, 0.041666206, 0.008368898,
            0.0013950411,
        ),
    },
    "log": {
        "float64": (
            0.6666666666666734, 0.39999999999413843, 0.2857142874259543, 0.22222198549925265,
            0.18183565624300935, 0.15314015231226624, 0.1479632296331972,
        ),
        "float32": (
            0.66666776, 0.3997753, 0.29872027,
        ),
    },
    "sin": {
        "float64": (
            -0.16666666666666632, 0.0083333333333224, -0.00019841269829795418, 2.75573136874353e-06,
            -2.5050757385033976e-08, 1.5896751733351563e-10,
        ),
        "float32": (
            -0.16666655, 0.008332177, -0.00019517145,
        ),
    },
    "cos": {
        "float64": (
            0.0416666666666666, -0.0013888888888874105, 2.480158728946941e-05, -2.755731434845616e-07,
            2.0875722722620247e-09, -1.1359618140422888e-11,
        ),
        "float32": (
            0.041666646, -0.0013887367, 2.4438305e-05,
        ),
    },
    "sinh": {
        "float64": (
            0.16666666666666677, 0.008333333333321601, 0.00019841269886201, 2.755724413519957e-06,
            2.5109062437003455e-08,
        ),
        "float32": (
            0.16666667, 0.008333289, 0.00019904978,
        ),
    },
    "cosh": {
        "float64": (
            0.5000000000000013, 0.0416666666665141, 0.0013888888947314233, 2.480148966431931e-05,
            2.7631371831117704e-07,
        ),
        "float32": (
            0.5, 0.041666266, 0.0013946246,
        ),
    },
    "asin": {
        "float64": (
            0.16666666666666763, 0.07499999999970265, 0.04464285717511812, 0.03038194268373381,
            0.02237221565727817, 0.01735160014225364, 0.013980960888181558, 0.011397780297118923,
            0.010786506376125696, 0.003683122820593159, 0.021763312289817278, -0.02107703907497912,
            0.03267673695538838,
        ),
        "float32": (
            0.16666754, 0.07495243, 0.045476947, 0.024148313,
            0.04221739,
        ),
    },
    "atan": {
        "float64": (
            -0.33333333333333093, 0.19999999999955442, -0.14285714282802614, 0.11111111013661921,
            -0.09090907119443455, 0.07692281188841911, -0.06666415013704734, 0.05880592647734192,
            -0.05253805959388421, 0.04723294718944264, -0.04221721311649646, 0.036693596206246314,
            -0.029985675323898234, 0.022085275010175622, -0.013995102068992744, 0.007263439938424096,
            -0.0029193853807998474, 0.0008435005137421302, -0.00015480063909137023, 1.3489653484643776e-05,
        ),
        "float32": (
            -0.33333302, 0.19998638, -0.14265247, 0.109575845,
            -0.08419488, 0.05823511, -0.031456307, 0.011064786,
            -0.0018272938,
        ),
    },
    "erf": {
        "float64": (
            0.12837916709551256, -0.3761263890318352, 0.11283791670944185, -0.02686617064311142,
            0.005223977606118157, -0.0008548325929302933, 0.00012055293576655873, -1.4924712299041705e-05,
            1.6447131553146343e-06, -1.6206313739195466e-07, 1.3710980744593308e-08, -7.779469796777585e-10,
        ),
        "float32": (
            0.12837917, -0.37612626, 0.112835854, -0.026853811,
            0.0051883273, -0.00080101914, 7.853853e-05,
        ),
    },
    "erf_tail": {
        "float64": (
            5.132653533151018e-07, 1.128373991496391, 0.6366440559914519, 0.10270228752429827,
            -0.018988038050498486, -0.0004135416606806724, 0.0019189505388262967, -0.0007730467389456894,
            0.00013655631475533063, 1.9522842249380998e-05, -2.2532913096986084e-05, 8.57880378920627e-06,
            -2.1148070409712264e-06, 3.695669677700837e-07, -4.59334361532234e-08, 3.890035020717477e-09,
            -2.020355629562945e-10, 4.865135772099574e-12,
        ),
        "float32": (
            0.00035381762, 1.1270397, 0.63822633, 0.10303678,
            -0.021805035, 0.0029395353, -0.00018556653,
        ),
    },
    "erfc": {
        "float64": (
            1.0740069070883398, -0.8833944531698839, 0.5902283571040997, -0.31046726190052154,
            0.11952776128743331, -0.026827234626780445, -0.0012124166301634035, 0.0030340620535826337,
            -0.0005483096803744782, -0.00027677848008907276, 0.00010756182093539136, 3.0402441060576697e-05,
            -1.747541413318551e-05, -4.764661286401865e-06, 2.792921747319342e-06, 1.021674112417719e-06,
            -4.813079659684197e-07, -2.1984376250446384e-07, 1.21557698646944e-07, -8.675341543355144e-09,
        ),
        "float32": (
            1.0740069, -0.8833944, 0.59022856, -0.31046927,
            0.11952423, -0.02679859, -0.0011945196, 0.002882062,
            -0.00054986984,
        ),
    },
}
"""Coefficients of the polynomials, lowest first."""


# --- parts --------------------------------------------------------------------------------------------------------


def _polynomial(lanes: Lanes, x: Value, coefficients: Sequence[float]) -> Value:
    """c₀ + x·(c₁ + c₂x + …), the parenthesis as two Horner chains in x²: half the latency for one multiplication."""
    first, *rest = coefficients
    if len(rest) < 4:
        return _horner(lanes, x, coefficients)
    square = lanes.mul(x, x)
    even, odd = _horner(lanes, square, rest[::2]), _horner(lanes, square, rest[1::2])
    return lanes.fma(x, lanes.fma(x, odd, even), first)


def _horner(lanes: Lanes, x: Value, coefficients: Sequence[float]) -> Value:
    return reduce(lambda value, c: lanes.fma(x, value, c), reversed(coefficients[:-1]), lanes.real(coefficients[-1]))


def _nearest(lanes: Lanes, x: Value, factor: float, offset: int) -> tuple[Value, Value]:
    """k, the integer nearest to factor·x, as a real number; and a word whose low bits are k + offset.

    Adding 1.5·2^fraction leaves no room for a fraction, so the sum is rounded to an integer that stands in its low bits.
    """
    shift = 1.5 * 2.0**lanes.format.fraction + offset
    total = lanes.fma(x, factor, shift)
    return lanes.sub(total, shift), lanes.bits(total)


def _power_of_two(lanes: Lanes, word: Value) -> Value:
    """2^k, where the low bits of the word are k + bias and k is in the range of normal numbers."""
    return lanes.from_bits(lanes.shift_left(word, lanes.format.fraction))


def _powers_of_two(lanes: Lanes, word: Value) -> tuple[Value, Value]:
    """2^⌊k/2⌋ and 2^⌈k/2⌉, where the low bits of the word are k + 2·bias: 2^k in two steps, as it may over- or underflow."""
    lower = lanes.shift_right(word, 1)
    return _power_of_two(lanes, lower), _power_of_two(lanes, lanes.int_sub(word, lower))


def _inverse_power(lanes: Lanes, power: Value) -> Value:
    """1/p for a power of two."""
    return lanes.from_bits(lanes.int_sub(2 * lanes.format.bias << lanes.format.fraction, lanes.bits(power)))


def _minus_multiple(lanes: Lanes, x: Value, k: Value, parts: Sequence[float]) -> Value:
    """x − k·(p₁ + p₂ + …), the largest part first: its product cancels x exactly."""
    return reduce(lambda r, part: lanes.fma(k, -part, r), parts, x)


def _expm1_reduced(lanes: Lanes, r: Value, factor: int = 1) -> Value:
    """(exp(factor·r) − 1)/factor for |factor·r| ≤ ln 2/2; a power of two as the factor only shifts the coefficients."""
    coefficients = [c * factor ** (power + 1) for power, c in enumerate(COEFFICIENTS["exp"][lanes.dtype])]
    return lanes.fma(lanes.mul(r, r), _polynomial(lanes, r, coefficients), r)


def _exponent(lanes: Lanes, x: Value) -> tuple[Value, Value, Value]:
    """x = 2^k·m with m from √½ to √2, for a positive normal x: k + bias as an integer, k as a real number, and m."""
    fraction, bias = lanes.format.fraction, lanes.format.bias
    shifted = lanes.int_add(lanes.bits(x), lanes.int_sub(lanes.bits(1.0), lanes.bits(SQRT_HALF)))
    exponent = lanes.shift_right(shifted, fraction)
    # The integer under the exponent of 2^fraction is the real number 2^fraction + integer.
    k = lanes.sub(lanes.from_bits(lanes.bit_or(exponent, lanes.bits(2.0**fraction))), 2.0**fraction + bias)
    mantissa = lanes.bit_and(shifted, 2**fraction - 1)
    return exponent, k, lanes.from_bits(lanes.int_add(mantissa, lanes.bits(SQRT_HALF)))


def _log_reduced(lanes: Lanes, f: Value, k: Value) -> Value:
    """k·ln 2 + log(1 + f) for 1 + f from √½ to √2: log(1 + f) = f − s·(f − z·p(z)), s = f/(2 + f), z = s²."""
    high, low = LN2[lanes.dtype]
    s = lanes.div(f, lanes.add(f, 2.0))
    z = lanes.mul(s, s)
    difference = lanes.fma(lanes.neg(z), _polynomial(lanes, z, COEFFICIENTS["log"][lanes.dtype]), f)
    correction = lanes.fma(lanes.neg(s), difference, lanes.mul(k, low))
    return lanes.fma(k, high, lanes.add(f, correction))


def _scaled_tail(lanes: Lanes, a: Value, high: Value, low: Value, numerator: float) -> Value:
    """numerator·exp(a²)·erfc(a)·exp(−high − low) for a ≥ 1; exp(−a²) loses no digits if high + low is a² exactly.

    numerator is a power of two. The rounding errors of the quotient and of the product before the exponential are
    carried along; they would add two ULP to the three that remain.
    """
    inverse = lanes.div(1.0, lanes.add(a, 3.0))
    residual = lanes.fma(lanes.neg(inverse), a, lanes.fma(inverse, -3.0, 1.0))
    t = lanes.mul(lanes.sub(a, 3.0), inverse)
    polynomial = _polynomial(lanes, t, COEFFICIENTS["erfc"][lanes.dtype])
    factor = lanes.mul(polynomial, lanes.mul(inverse, numerator))
    factor_low = lanes.fma(polynomial, lanes.mul(inverse, numerator), lanes.neg(factor))
    ln2_high, ln2_low = LN2[lanes.dtype]
    k, word = _nearest(lanes, high, -INVERSE_LN2, 2 * lanes.format.bias)
    rest = lanes.fma(k, ln2_low, lanes.sub(low, residual))
    r = lanes.sub(lanes.fma(k, -ln2_high, lanes.neg(high)), rest)
    value = lanes.add(lanes.fma(factor, _expm1_reduced(lanes, r), factor_low), factor)
    small, large = _powers_of_two(lanes, word)
    return lanes.mul(lanes.mul(value, large), small)


# --- exponential --------------------------------------------------------------------------------------------------


def exp(lanes: Lanes, x: Value) -> Value:
    """eˣ = 2^k·e^r, r = x − k·ln 2."""
    limits = LIMITS[lanes.dtype]
    x = lanes.at_least(lanes.at_most(x, limits.overflow), -limits.vanishing)
    k, word = _nearest(lanes, x, INVERSE_LN2, 2 * lanes.format.bias)
    small, large = _powers_of_two(lanes, word)
    e = _expm1_reduced(lanes, _minus_multiple(lanes, x, k, LN2[lanes.dtype]))
    return lanes.mul(lanes.fma(large, e, large), small)


def expm1(lanes: Lanes, x: Value) -> Value:
    """eˣ − 1 = 2^k·(e^r − 1) + (2^k − 1)."""
    limits = LIMITS[lanes.dtype]
    y = lanes.at_least(lanes.at_most(x, limits.overflow), -2 * limits.saturation)
    k, word = _nearest(lanes, y, INVERSE_LN2, 2 * lanes.format.bias)
    small, large = _powers_of_two(lanes, word)
    e = _expm1_reduced(lanes, _minus_multiple(lanes, y, k, LN2[lanes.dtype]))
    scaled = lanes.fma(large, e, lanes.sub(large, _inverse_power(lanes, small)))
    return lanes.copysign(lanes.mul(scaled, small), x)


def tanh(lanes: Lanes, x: Value) -> Value:
    """tanh x = m/(2 − m) with m = 1 − exp(−2|x|) and the sign of x."""
    size = lanes.at_most(lanes.abs(x), LIMITS[lanes.dtype].saturation)
    k, word = _nearest(lanes, size, -2 * INVERSE_LN2, lanes.format.bias + 1)
    h = _minus_multiple(lanes, size, k, [-part / 2 for part in LN2[lanes.dtype]])
    double = _power_of_two(lanes, word)  # 2·2^k, and exp(−2|x|) = 2^k·exp(−2h)
    m = lanes.fma(double, _expm1_reduced(lanes, h, -2), lanes.fma(double, -0.5, 1.0))
    return lanes.copysign(lanes.div(m, lanes.sub(2.0, m)), x)


def sigmoid(lanes: Lanes, x: Value) -> Value:
    """σ(x) = 1/(1 + e) where x ≥ 0, else e/(1 + e), with e = exp(−|x|)."""
    lift = 2.0 ** LIMITS[lanes.dtype].lift
    e = _lifted_exp(lanes, x)
    positive = lanes.compare(">=", x, 0.0)
    quotient = lanes.div(lanes.select(positive, 1.0, e), lanes.fma(e, 1 / lift, 1.0))
    return lanes.mul(quotient, lanes.select(positive, 1.0, 1 / lift))


def softplus(lanes: Lanes, x: Value) -> Value:
    """max(x, 0) + log(1 + e) with e = exp(−|x|); log(1 + e) = 2·artanh(e/(e + 2)) = ln 2 + 2·artanh((e − 1)/(e + 3))."""
    lift = 2.0 ** LIMITS[lanes.dtype].lift
    e = _lifted_exp(lanes, x)
    # The second form where e > √2 − 1, so that the argument of artanh stays small.
    large = lanes.compare(">", e, lift * (math.sqrt(2) - 1))
    numerator = lanes.sub(e, lanes.select(large, lift, 0.0))
    denominator = lanes.fma(e, 1 / lift, lanes.select(large, 3.0, 2.0))
    s = lanes.mul(lanes.div(numerator, denominator), 1 / lift)
    z = lanes.mul(s, s)
    high, low = (lanes.select(large, part, 0.0) for part in LN2[lanes.dtype])
    excess = lanes.fma(lanes.mul(s, z), _polynomial(lanes, z, COEFFICIENTS["log"][lanes.dtype]), low)
    return lanes.add(lanes.add(lanes.fma(s, 2.0, excess), high), relu(lanes, x))


def _lifted_exp(lanes: Lanes, x: Value) -> Value:
    """2^lift·exp(−|x|), a normal number also where exp(−|x|) is not."""
    limits = LIMITS[lanes.dtype]
    size = lanes.at_most(lanes.abs(x), limits.vanishing)
    k, word = _nearest(lanes, size, -INVERSE_LN2, lanes.format.bias + limits.lift)
    power = _power_of_two(lanes, word)
    return lanes.fma(power, _expm1_reduced(lanes, _minus_multiple(lanes, lanes.neg(size), k, LN2[lanes.dtype])), power)


def sinh(lanes: Lanes, x: Value) -> Value:
    """sinh(k·ln 2 + r) = (2^k − 2^−k)/2·cosh r + (2^k + 2^−k)/2·sinh r, on |x|."""
    difference, total, small, even, odd = _hyperbolic(lanes, x)
    value = lanes.fma(difference, even, lanes.fma(total, odd, difference))
    return lanes.copysign(lanes.mul(value, small), x)


def cosh(lanes: Lanes, x: Value) -> Value:
    """cosh(k·ln 2 + r) = (2^k + 2^−k)/2·cosh r + (2^k − 2^−k)/2·sinh r, on |x|."""
    difference, total, small, even, odd = _hyperbolic(lanes, x)
    return lanes.mul(lanes.fma(total, even, lanes.fma(difference, odd, total)), small)


def _hyperbolic(lanes: Lanes, x: Value) -> tuple[Value, Value, Value, Value, Value]:
    """(2^k ∓ 2^−k)/2 divided by 2^⌊k/2⌋, that power, cosh r − 1 and sinh r, where |x| = k·ln 2 + r."""
    size = lanes.at_most(lanes.abs(x), LIMITS[lanes.dtype].half_overflow)
    k, word = _nearest(lanes, size, INVERSE_LN2, 2 * lanes.format.bias)
    r = _minus_multiple(lanes, size, k, LN2[lanes.dtype])
    small, large = _powers_of_two(lanes, word)
    inverse = _inverse_power(lanes, small)
    rising = lanes.mul(large, 0.5)
    # Vanishes for large k, where it no longer counts.
    falling = lanes.mul(lanes.mul(inverse, lanes.mul(inverse, 0.5)), _inverse_power(lanes, large))
    z = lanes.mul(r, r)
    even = lanes.mul(z, _polynomial(lanes, z, COEFFICIENTS["cosh"][lanes.dtype]))
    odd = lanes.fma(lanes.mul(r, z), _polynomial(lanes, z, COEFFICIENTS["sinh"][lanes.dtype]), r)
    # `falling` is a product of powers of two, so that fusing it into the sums would not change them.
    return lanes.sub(rising, falling), lanes.add(rising, falling), small, even, odd


# --- logarithm ----------------------------------------------------------------------------------------------------


def log(lanes: Lanes, x: Value) -> Value:
    """log x = k·ln 2 + log m; −inf at ±0, nan below."""
    tiny = lanes.compare("<", x, LIMITS[lanes.dtype].smallest_normal)
    places = lanes.format.fraction + 1
    _, k, mantissa = _exponent(lanes, lanes.select(tiny, lanes.mul(x, 2.0**places), x))
    value = _log_reduced(lanes, lanes.sub(mantissa, 1.0), lanes.sub(k, lanes.select(tiny, float(places), 0.0)))
    return _logarithm_ends(lanes, x, value, 0.0)


def log1p(lanes: Lanes, x: Value) -> Value:
    """log(1 + x) = k·ln 2 + log(1 + f), where 1 + x ≈ 2^k·m and f = 2^−k·x + (2^−k − 1) is rounded once."""
    limits = LIMITS[lanes.dtype]
    # 2^−k would be subnormal for the largest x.
    huge = lanes.compare(">", x, limits.large)
    y = lanes.select(huge, lanes.mul(x, 2.0**-limits.lift), x)
    exponent, k, _ = _exponent(lanes, lanes.add(y, 1.0))
    inverse = _power_of_two(lanes, lanes.int_sub(2 * lanes.format.bias, exponent))
    f = lanes.fma(y, inverse, lanes.sub(inverse, 1.0))
    value = _log_reduced(lanes, f, lanes.add(k, lanes.select(huge, float(limits.lift), 0.0)))
    return _logarithm_ends(lanes, x, lanes.copysign(value, x), -1.0)


def _logarithm_ends(lanes: Lanes, x: Value, value: Value, pole: float) -> Value:
    value = lanes.select(lanes.compare(">", x, pole), value, math.nan)
    value = lanes.select(lanes.compare("==", x, pole), -math.inf, value)
    return lanes.select(lanes.compare("==", x, math.inf), math.inf, value)


def asinh(lanes: Lanes, x: Value) -> Value:
    """arsinh x = log(1 + |x| + x²/(1 + √(1 + x²))) with the sign of x; log 2|x| where x² would overflow."""
    size = lanes.abs(x)
    root = lanes.sqrt(lanes.fma(size, size, 1.0))
    excess = lanes.fma(size, lanes.div(size, lanes.add(root, 1.0)), size)
    return lanes.copysign(_log1p_or_double(lanes, size, excess), x)


def acosh(lanes: Lanes, x: Value) -> Value:
    """arcosh x = log(1 + t + √(2t + t²)), t = x − 1; nan below 1."""
    t = lanes.sub(x, 1.0)
    excess = lanes.add(t, lanes.sqrt(lanes.fma(t, t, lanes.add(t, t))))
    return lanes.select(lanes.compare(">=", x, 1.0), _log1p_or_double(lanes, x, excess), math.nan)


def _log1p_or_double(lanes: Lanes, x: Value, excess: Value) -> Value:
    """log(1 + excess), or log 2x for a large x."""
    huge = lanes.compare(">", x, LIMITS[lanes.dtype].large)
    value = log1p(lanes, lanes.select(huge, x, excess))
    return lanes.add(value, lanes.select(huge, LN2[lanes.dtype][0], 0.0))


def atanh(lanes: Lanes, x: Value) -> Value:
    """artanh x = log(1 + 2|x|/(1 − |x|))/2 with the sign of x."""
    size = lanes.abs(x)
    value = log1p(lanes, lanes.div(lanes.add(size, size), lanes.sub(1.0, size)))
    return lanes.copysign(lanes.mul(value, 0.5), x)


# --- trigonometry -------------------------------------------------------------------------------------------------


def sin(lanes: Lanes, x: Value) -> Value:
    """sin(n·π/2 + r) = ±sin r or ±cos r; by libm beyond the reduction."""
    sine, cosine, word = _quadrant(lanes, x)
    value = _by_quadrant(lanes, word, sine, cosine)
    return _or_libm(lanes, "sin", x, lanes.select(lanes.compare("==", x, 0.0), x, value))


def cos(lanes: Lanes, x: Value) -> Value:
    """cos(n·π/2 + r) = sin((n + 1)·π/2 + r); by libm beyond the reduction."""
    sine, cosine, word = _quadrant(lanes, x)
    return _or_libm(lanes, "cos", x, _by_quadrant(lanes, lanes.int_add(word, 1), sine, cosine))


def tan(lanes: Lanes, x: Value) -> Value:
    """tan(n·π/2 + r) = sin r/cos r or −cos r/sin r; by libm beyond the reduction."""
    sine, cosine, word = _quadrant(lanes, x)
    odd = _has_bit(lanes, word, 1)
    value = lanes.div(lanes.select(odd, lanes.neg(cosine), sine), lanes.select(odd, sine, cosine))
    return _or_libm(lanes, "tan", x, lanes.select(lanes.compare("==", x, 0.0), x, value))


def _quadrant(lanes: Lanes, x: Value) -> tuple[Value, Value, Value]:
    """sin r, cos r and a word whose low bits are n, where x = n·π/2 + r."""
    n, word = _nearest(lanes, x, TWO_OVER_PI, 0)
    r = _minus_multiple(lanes, x, n, HALF_PI[lanes.dtype])
    z = lanes.mul(r, r)
    sine = lanes.fma(lanes.mul(r, z), _polynomial(lanes, z, COEFFICIENTS["sin"][lanes.dtype]), r)
    cosine = lanes.fma(lanes.mul(z, z), _polynomial(lanes, z, COEFFICIENTS["cos"][lanes.dtype]), lanes.fma(z, -0.5, 1.0))
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
    builder = lanes.builder
    far = lanes.compare(">", lanes.abs(x), LIMITS[lanes.dtype].reduction)
    before = builder.block
    with builder.if_then(lanes.any(far), likely=False):
        replaced = lanes.select(far, libm_per_lane(lanes, name, x), value)
        inside = builder.block
    result = builder.phi(lanes.real_type)
    result.add_incoming(value, before)
    result.add_incoming(replaced, inside)
    return result


def asin(lanes: Lanes, x: Value) -> Value:
    """arcsin x on |x| ≤ ½, else π/2 − 2·arcsin √((1 − |x|)/2); nan beyond ±1."""
    outer, s, cube, p = _arc(lanes, x)
    high, low, _ = HALF_PI[lanes.dtype]
    beyond = lanes.sub(lanes.fma(s, -2.0, high), lanes.fma(lanes.add(cube, cube), p, -low))
    return lanes.copysign(lanes.select(outer, beyond, lanes.fma(cube, p, s)), x)


def acos(lanes: Lanes, x: Value) -> Value:
    """π/2 − arcsin x on |x| ≤ ½, else 2·arcsin √((1 − |x|)/2) or π minus it."""
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
    return outer, s, lanes.mul(s, z), _polynomial(lanes, z, COEFFICIENTS["asin"][lanes.dtype])


def atan(lanes: Lanes, x: Value) -> Value:
    """arctan x on |x| ≤ 1, else π/2 − arctan 1/|x|, with the sign of x."""
    size = lanes.abs(x)
    outer = lanes.compare(">", size, 1.0)
    t = lanes.div(lanes.select(outer, 1.0, size), lanes.select(outer, size, 1.0))
    z = lanes.mul(t, t)
    cube, p = lanes.mul(t, z), _polynomial(lanes, z, COEFFICIENTS["atan"][lanes.dtype])
    high, low, _ = HALF_PI[lanes.dtype]
    beyond = lanes.sub(lanes.sub(high, t), lanes.fma(cube, p, -low))
    return lanes.copysign(lanes.select(outer, beyond, lanes.fma(cube, p, t)), x)


# --- error function -----------------------------------------------------------------------------------------------


def erf(lanes: Lanes, x: Value) -> Value:
    """erf x = x + x·p(x²) for |x| < 1, else 1 − exp(−p(|x|)) with the sign of x."""
    size = lanes.abs(x)
    inner = lanes.fma(x, _polynomial(lanes, lanes.mul(x, x), COEFFICIENTS["erf"][lanes.dtype]), x)
    exponent = _polynomial(lanes, lanes.at_most(size, LIMITS[lanes.dtype].erf_saturation), COEFFICIENTS["erf_tail"][lanes.dtype])
    k, word = _nearest(lanes, exponent, -INVERSE_LN2, lanes.format.bias)
    e = _expm1_reduced(lanes, _minus_multiple(lanes, lanes.neg(exponent), k, LN2[lanes.dtype]))
    power = _power_of_two(lanes, word)
    outer = lanes.copysign(lanes.fma(lanes.neg(power), e, lanes.sub(1.0, power)), x)
    return lanes.select(lanes.compare("<", size, 1.0), inner, outer)


def erfc(lanes: Lanes, x: Value) -> Value:
    """erfc x = 1 − erf x for |x| < 1, else exp(−x²)·p(t)/(x + 3), t = (x − 3)/(x + 3), or 2 minus it for x < 0."""
    size = lanes.at_most(lanes.abs(x), LIMITS[lanes.dtype].erfc_vanishing)
    square = lanes.mul(size, size)
    tail = _scaled_tail(lanes, size, square, lanes.fma(size, size, lanes.neg(square)), 1.0)
    outer = lanes.select(lanes.compare("<", x, 0.0), lanes.sub(2.0, tail), tail)
    polynomial = _polynomial(lanes, square, COEFFICIENTS["erf"][lanes.dtype])
    inner = lanes.fma(lanes.neg(x), polynomial, lanes.sub(1.0, x))
    return lanes.select(lanes.compare("<", size, 1.0), inner, outer)


def normal_cdf(lanes: Lanes, x: Value) -> Value:
    """Φ(x) = erfc(−x/√2)/2, its tail as exp(−x²/2) of the exact square."""
    size = lanes.at_most(lanes.abs(x), LIMITS[lanes.dtype].erfc_vanishing * math.sqrt(2))
    half = lanes.mul(size, 0.5)
    square = lanes.mul(half, size)
    tail = _scaled_tail(lanes, lanes.mul(size, SQRT_HALF), square, lanes.fma(half, size, lanes.neg(square)), 0.5)
    outer = lanes.select(lanes.compare(">", x, 0.0), lanes.sub(1.0, tail), tail)
    # ½ + x/√8 cancels near −√2, so 1/√8 is needed in two parts.
    high, low = SQRT_EIGHTH[lanes.dtype]
    polynomial = _polynomial(lanes, square, COEFFICIENTS["erf"][lanes.dtype])
    inner = lanes.fma(x, lanes.fma(polynomial, high, low), lanes.fma(x, high, 0.5))
    return lanes.select(lanes.compare("<", square, 1.0), inner, outer)


# --- roots, choices and kinks -------------------------------------------------------------------------------------


def sqrt(lanes: Lanes, x: Value) -> Value:
    return lanes.sqrt(x)


def reciprocal(lanes: Lanes, x: Value) -> Value:
    return lanes.div(1.0, x)


def absolute(lanes: Lanes, x: Value) -> Value:
    return lanes.abs(x)


def relu(lanes: Lanes, x: Value) -> Value:
    return lanes.select(lanes.compare("<=", x, 0.0), 0.0, x)


def step(lanes: Lanes, x: Value) -> Value:
    return lanes.select(lanes.compare(">", x, 0.0), 1.0, 0.0)


def sign(lanes: Lanes, x: Value) -> Value:
    below = lanes.select(lanes.compare("<", x, 0.0), -1.0, x)
    return lanes.select(lanes.compare(">", x, 0.0), 1.0, below)


def clip(lanes: Lanes, x: Value, low: Value, high: Value) -> Value:
    return lanes.at_least(lanes.at_most(x, high), low)


def equal(lanes: Lanes, a: Value, b: Value) -> Value:
    return lanes.select(lanes.compare("==", a, b), 1.0, 0.0)


def select(lanes: Lanes, condition: Value, a: Value, b: Value) -> Value:
    return lanes.select(lanes.compare(">", condition, 0.0), a, b)


def stop_gradient(lanes: Lanes, x: Value) -> Value:
    return x


def maximum(lanes: Lanes, *arguments: Value) -> Value:
    return reduce(lanes.larger, arguments)


def minimum(lanes: Lanes, *arguments: Value) -> Value:
    return reduce(lanes.smaller, arguments)


# --- libm ---------------------------------------------------------------------------------------------------------


def atan2(lanes: Lanes, y: Value, x: Value) -> Value:
    """The angle of (x, y), by libm one lane after the other."""
    return libm_per_lane(lanes, "atan2", y, x)


def power(lanes: Lanes, x: Value, y: Value) -> Value:
    """x^y as ``pow`` of C, by libm one lane after the other."""
    return libm_per_lane(lanes, "pow", x, y)


def libm_per_lane(lanes: Lanes, name: str, *arguments: Value) -> Value:
    """A function of the C library called once a lane, in float64: 10 ns and more an element.

    The loop over the lanes is a function of its own, so that it does not spill the registers of the code around it.
    """
    module = lanes.builder.module
    signature = ir.FunctionType(lanes.real_type, [lanes.real_type] * len(arguments))
    label = f"codegen.{name}.{lanes.width}x{lanes.format.suffix}"
    function = cgutils.get_or_insert_function(module, signature, label)
    if function.is_declaration:
        _define_per_lane(function, lanes, name)
    return lanes.builder.call(function, arguments)


def _define_per_lane(function: ir.Function, lanes: Lanes, name: str) -> None:
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder, double, index = ir.IRBuilder(function.append_basic_block()), ir.DoubleType(), ir.IntType(32)
    signature = ir.FunctionType(double, [double] * len(function.args))
    scalar = cgutils.get_or_insert_function(lanes.builder.module, signature, name)
    scalars = Lanes(builder, 1, lanes.dtype)
    if lanes.width == 1:
        builder.ret(_through_double(scalars, scalar, function.args))
        return
    place = builder.alloca(lanes.real_type)
    with cgutils.for_range(builder, index(lanes.width)) as loop:
        value = _through_double(scalars, scalar, [builder.extract_element(a, loop.index) for a in function.args])
        builder.store(builder.insert_element(builder.load(place), value, loop.index), place)
    builder.ret(builder.load(place))


def _through_double(lanes: Lanes, function: ir.Function, arguments: Sequence[Value]) -> Value:
    if lanes.dtype == "float64":
        return lanes.builder.call(function, arguments)
    wide = [lanes.builder.fpext(a, ir.DoubleType()) for a in arguments]
    return lanes.builder.fptrunc(lanes.builder.call(function, wide), lanes.real_type)


TABLE: Mapping[str, Function] = {
    function.__name__: function
    for function in (
        absolute, acos, acosh, asin, asinh, atan, atan2, atanh, clip, cos, cosh, equal, erf, erfc, exp, expm1, log, log1p,
        maximum, minimum, normal_cdf, power, reciprocal, relu, select, sigmoid, sign, sin, sinh, softplus, sqrt, step,
        stop_gradient, tan, tanh,
    )
}  # fmt: skip
"""Functions by the name of their SymPy class; ``sqrt``, ``reciprocal`` and ``power`` are what ``Pow`` becomes."""
