"""Elementary functions in SIMD lanes: range reduction, a minimax polynomial, scaling by a power of two.

Each function takes :class:`~codegen.emit.lanes.Lanes` and vectors, and emits straight-line code without memory access;
only sin, cos and tan branch, for arguments beyond their reduction. A lane's bits depend on its own argument alone.
±0, inf, nan, overflow and gradual underflow are as in IEEE 754 and C; nan in, nan out. Each names the function of which
it is the vector form and its largest error over the whole range, which tests/codegen/test_vectormath.py holds them to against mpmath; the figure in
each docstring is the largest that a sweep of ten million points found.

The polynomials come from ``python -m tests.benchmarks.coefficients``. The methods are those of the literature: Muller,
Elementary Functions (3rd ed., 2016) for the reductions of Cody and Waite, fdlibm for log, Shepherd and Laframboise 1981
(Chebyshev approximation of (1 + 2x) exp(x²) erfc x) for the variable of erfc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import sympy
from sympy.core.basic import Basic

from codegen import functions as f
from codegen.dtypes import Dtype
from codegen.emit.lanes import Lanes, Operand, Value

Function = Callable[..., Value]
"""``function(lanes, x, …)``, the value in every lane."""

FORMS: dict[type[Basic], Function] = {}
"""The vector form of every function that has one."""

ULP_BOUNDS: dict[type[Basic], Mapping[Dtype, float]] = {}
"""Errors that the tests hold functions of one argument to, in units in the last place of the exact value.

The maxima in the docstrings, and a little more: found among 10⁷ points in float64 and a third of all float32 numbers
(all of them for exp, tanh and sigmoid), not proved.
"""


def form(kind: type[Basic], **bounds: float) -> Callable[[Function], Function]:
    """The function below is the vector form of a SymPy function, with errors within bounds by dtype."""

    def named(function: Function) -> Function:
        FORMS[kind] = function
        if bounds:
            ULP_BOUNDS[kind] = {"float64": bounds["float64"], "float32": bounds["float32"]}
        return function

    return named


LN2: Mapping[Dtype, tuple[float, float]] = {
    "float64": (0.6931471805599453, 2.3190468138462996e-17),
    "float32": (0.6931472, -1.9046542e-09),
}
"""ln 2 as a sum of two numbers of the dtype. k·high is exact inside an fma, and so is x − k·high, which cancels."""

HALF_PI: Mapping[Dtype, tuple[float, float, float]] = {
    "float64": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33),
    "float32": (1.5707964, -4.371139e-08, -1.7151245e-15),
}
"""π/2 as a sum of three numbers of the dtype."""

SQRT_EIGHTH: Mapping[Dtype, tuple[float, float]] = {
    "float64": (0.3535533905932738, -2.4168233283632284e-17),
    "float32": (0.35355338, 6.050809e-09),
}
"""1/√8 as a sum of two numbers of the dtype."""

INVERSE_LN2 = 1.4426950408889634
TWO_OVER_PI = 0.6366197723675814
ERFC_CENTRE = 3.078125
"""K of erfc: exact in both dtypes, and chosen in tests/benchmarks/coefficients.py."""
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
            0.5000000000000009,
            0.1666666666666655,
            0.04166666666654107,
            0.008333333333408889,
            0.0013888888941852031,
            0.000198412696871732,
            2.4801493872686137e-05,
            2.7557428791721403e-06,
            2.7630319054982125e-07,
            2.5048989797990876e-08,
        ),
        "float32": (
            0.5,
            0.1666653,
            0.041666716,
            0.008368109,
            0.0013912539,
        ),
    },
    "log": {
        "float64": (
            0.6666666666666734,
            0.39999999999416347,
            0.28571428742135463,
            0.22222198590829914,
            0.18183563727269408,
            0.1531405940681831,
            0.14795914935187388,
        ),
        "float32": (
            0.66666776,
            0.3997758,
            0.29870927,
        ),
    },
    "sin": {
        "float64": (
            -0.16666666666666632,
            0.00833333333332248,
            -0.0001984126982984671,
            2.755731370214013e-06,
            -2.5050759356365644e-08,
            1.5896851986414698e-10,
        ),
        "float32": (
            -0.16666655,
            0.008332191,
            -0.00019518606,
        ),
    },
    "cos": {
        "float64": (
            0.0416666666666666,
            -0.0013888888888874465,
            2.480158728966217e-05,
            -2.75573143974255e-07,
            2.087572869016595e-09,
            -1.1359899164392064e-11,
        ),
        "float32": (
            0.041666646,
            -0.0013887301,
            2.4430668e-05,
        ),
    },
    "sinh": {
        "float64": (
            0.16666666666666677,
            0.008333333333321386,
            0.00019841269886815044,
            2.7557243453877474e-06,
            2.5109319718837756e-08,
        ),
        "float32": (
            0.16666667,
            0.008333175,
            0.00019974112,
        ),
    },
    "cosh": {
        "float64": (
            0.5000000000000013,
            0.04166666666651048,
            0.0013888888948350915,
            2.4801488514680966e-05,
            2.763180575028585e-07,
        ),
        "float32": (
            0.5,
            0.04166646,
            0.0013935426,
        ),
    },
    "asin": {
        "float64": (
            0.16666666666666763,
            0.07499999999970129,
            0.04464285717525478,
            0.03038194267686151,
            0.022372215859593893,
            0.017351596355888874,
            0.013981008038199055,
            0.011397380705951447,
            0.010788820477057799,
            0.0036741094287780075,
            0.021785892043007273,
            -0.021109902036703973,
            0.03269785558297703,
        ),
        "float32": (
            0.16666754,
            0.07495252,
            0.04547605,
            0.024152013,
            0.04221201,
        ),
    },
    "atan": {
        "float64": (
            -0.33333333333333093,
            0.19999999999955462,
            -0.14285714282803474,
            0.11111111013682444,
            -0.09090907119748992,
            0.07692281191919902,
            -0.06666415036002038,
            0.05880592771314251,
            -0.05253806511992132,
            0.04723296760242696,
            -0.04221727480269649,
            0.03669374481540058,
            -0.02998595363250822,
            0.02208567200128803,
            -0.013995525273116002,
            0.007263769287283066,
            -0.002919566018858249,
            0.0008435663102326042,
            -0.00015481483917849367,
            1.349101725123795e-05,
        ),
        "float32": (
            -0.33333302,
            0.19998626,
            -0.14265092,
            0.10956657,
            -0.084164545,
            0.058177873,
            -0.03139417,
            0.011028755,
            -0.0018186542,
        ),
    },
    "erf": {
        "float64": (
            0.12837916709551256,
            -0.37612638903183343,
            0.11283791670936943,
            -0.026866170641956722,
            0.005223977596704315,
            -0.0008548325482891695,
            0.000120552804152057,
            -1.4924463718284284e-05,
            1.6444122426104162e-06,
            -1.6183741911026943e-07,
            1.3615477739824376e-08,
            -7.60527140206376e-10,
        ),
        "float32": (
            0.12837917,
            -0.37612626,
            0.11283579,
            -0.026853347,
            0.005187162,
            -0.0007997853,
            7.806903e-05,
        ),
    },
    "erf_tail": {
        "float64": (
            5.132653533151018e-07,
            1.1283739914956692,
            0.6366440559979379,
            0.10270228749739557,
            -0.018988037982124357,
            -0.0004135417798417852,
            0.0019189506898078111,
            -0.0007730468827944906,
            0.00013655641986306695,
            1.9522782740818807e-05,
            -2.253288691506593e-05,
            8.578794872901678e-06,
            -2.1148047174145334e-06,
            3.695665140913104e-07,
            -4.593337209432558e-08,
            3.890028864052829e-09,
            -2.0203520391510258e-10,
            4.8651262223497595e-12,
        ),
        "float32": (
            0.00035381762,
            1.1270397,
            0.6382262,
            0.103036985,
            -0.02180518,
            0.0029395854,
            -0.00018557301,
        ),
    },
    "erfc": {
        "float64": (
            1.0764090930655679,
            -0.8932262614540848,
            0.6083993762186731,
            -0.33114534193407485,
            0.1356661234625764,
            -0.03541826930559472,
            0.0014559214301991588,
            0.002992945449130051,
            -0.0008967249167120007,
            -0.00017987642734318448,
            0.00014193461504683673,
            9.805136617662221e-06,
            -2.1390144213315237e-05,
            -9.215689879868936e-07,
            3.4819550396518155e-06,
            2.8760536741897155e-07,
            -6.42592065570957e-07,
            -6.843419838331436e-08,
            1.3714442505185632e-07,
            -2.5748557858359997e-08,
        ),
        "float32": (
            1.0764091,
            -0.89322627,
            0.6083987,
            -0.3311455,
            0.13567607,
            -0.03540939,
            0.0014050404,
            0.0029156862,
            -0.0007767948,
        ),
    },
    "erfcx": {
        "float64": (
            1.0764090930655679,
            -0.8932262614540845,
            0.6083993762186741,
            -0.33114534193412487,
            0.13566612346254733,
            -0.035418269303407746,
            0.0014559214291025196,
            0.0029929454058935535,
            -0.0008967248649128812,
            -0.00017987598047033187,
            0.00014193381516015757,
            9.80267824714737e-06,
            -2.1383973791933095e-05,
            -9.154740050825887e-07,
            3.45647033173823e-06,
            2.8913003598956685e-07,
            -5.899127363340578e-07,
            -1.0687873821400057e-07,
            9.962039459728666e-08,
            3.132546043630629e-08,
            -1.5342057511580263e-08,
            -6.419133012010667e-09,
            1.93941724829036e-09,
            6.782047011109877e-10,
            -1.538187524667112e-10,
        ),
        "float32": (
            1.0764091,
            -0.89322627,
            0.6083991,
            -0.33114606,
            0.13566983,
            -0.03541182,
            0.0014370771,
            0.0029743668,
            -0.00085379404,
            -0.00015794329,
            9.5997304e-05,
        ),
    },
    "erfcx_curvature": {
        "float64": (
            3.10146298968452,
            -3.6014478880787553,
            1.6291987170240199,
            0.49517304653228217,
            -1.0452928258794563,
            0.3573286328297703,
            0.2797041386318928,
            -0.2828908501473739,
            0.0032551908774906416,
            0.11436504976929081,
            -0.04365751186335358,
            -0.028948039390852182,
            0.025896651221785014,
            0.0023511411503150566,
            -0.009806968595971575,
            0.002098768628273829,
            0.0026107476755504303,
            -0.0014361229392115989,
            -0.00036995789277389954,
            0.0005491089228298176,
            -8.856313420794592e-05,
            -0.00011338962610345942,
            7.411901779537268e-05,
            -1.6692943549292845e-05,
            1.1797193697777234e-07,
            3.905538556195261e-07,
        ),
        "float32": (
            3.101463,
            -3.6014469,
            1.6291867,
            0.49513075,
            -1.0449661,
            0.3576336,
            0.27638796,
            -0.28149363,
            0.016351096,
            0.09678608,
            -0.054975294,
            0.009942555,
        ),
    },
    "erfcx_rate": {
        "float64": (
            1.8298204346362532,
            -1.2716425550482664,
            0.5290813889911145,
            -0.013984850016978585,
            -0.13777811165022197,
            0.07128045353008866,
            0.011725681393506467,
            -0.02823205280058943,
            0.00712930351936591,
            0.006767616979092414,
            -0.004668889507299123,
            -0.0007000348858494576,
            0.0017123191605144187,
            -0.0002796865384956319,
            -0.00044773777178373905,
            0.00020596732291853947,
            7.52274264307629e-05,
            -7.840679385544756e-05,
            4.3459507866547834e-07,
            2.072480332083874e-05,
            -5.8709556374168996e-06,
            -3.362939544726356e-06,
            2.2397782439531574e-06,
            3.9328307561228415e-08,
            -3.5695828269474347e-07,
            8.440256893874508e-08,
        ),
        "float32": (
            1.8298205,
            -1.2716426,
            0.529076,
            -0.013976736,
            -0.13771762,
            0.07113035,
            0.011526589,
            -0.027394945,
            0.0070661088,
            0.0049578636,
            -0.0033908885,
            0.0005453187,
        ),
    },
}
"""Coefficients of the polynomials, lowest first."""


# --- parts --------------------------------------------------------------------------------------------------------


def _coefficients(lanes: Lanes, name: str) -> Sequence[float]:
    return COEFFICIENTS[name][lanes.dtype]


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

    Adding 1.5·2^fraction leaves no room for a fraction: the sum is rounded to an integer that stands in its low bits.
    """
    shift = 1.5 * 2.0**lanes.format.fraction + offset
    total = lanes.fma(x, factor, shift)
    return lanes.sub(total, shift), lanes.bits(total)


def _power_of_two(lanes: Lanes, word: Value) -> Value:
    """2^k, where the low bits of the word are k + bias and k is in the range of normal numbers."""
    return lanes.from_bits(lanes.shift_left(word, lanes.format.fraction))


def _powers_of_two(lanes: Lanes, word: Value) -> tuple[Value, Value]:
    """2^⌊k/2⌋ and 2^⌈k/2⌉, where the low bits of the word are k + 2·bias: 2^k itself may over- or underflow."""
    lower = lanes.shift_right(word, 1)
    return _power_of_two(lanes, lower), _power_of_two(lanes, lanes.int_sub(word, lower))


def _inverse_power(lanes: Lanes, power: Value) -> Value:
    """1/p for a power of two."""
    return lanes.from_bits(lanes.int_sub(2 * lanes.format.bias << lanes.format.fraction, lanes.bits(power)))


def _minus_multiple(lanes: Lanes, x: Value, k: Value, parts: Sequence[float]) -> Value:
    """x − k·(p₁ + p₂ + …), the largest part first: its product cancels x exactly."""
    return reduce(lambda r, part: lanes.fma(k, -part, r), parts, x)


def _expm1_reduced(lanes: Lanes, r: Value, factor: int = 1, rest: Value | None = None) -> Value:
    """(exp(factor·(r + rest)) − 1)/factor for |factor·r| ≤ ln 2/2 and a rest that only matters beside r itself.

    A factor that is a power of two moves the exponents of the coefficients and costs nothing.
    """
    coefficients = [c * factor ** (power + 1) for power, c in enumerate(_coefficients(lanes, "exp"))]
    square, polynomial = lanes.mul(r, r), _polynomial(lanes, r, coefficients)
    if rest is None:
        return lanes.fma(square, polynomial, r)
    return lanes.add(lanes.fma(square, polynomial, rest), r)


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
    difference = lanes.fma(lanes.neg(z), _polynomial(lanes, z, _coefficients(lanes, "log")), f)
    correction = lanes.fma(lanes.neg(s), difference, lanes.mul(k, low))
    return lanes.fma(k, high, lanes.add(f, correction))


def _product(lanes: Lanes, a: Operand, b: Operand) -> tuple[Value, Value]:
    """a·b and its rounding error."""
    high = lanes.mul(a, b)
    return high, lanes.fma(a, b, lanes.neg(high))


def _scaled_tail(
    lanes: Lanes, a: Value, a_low: Value | None, square: Value, square_low: Value, numerator: float
) -> Value:
    """numerator·exp(a²)·erfc(a)·exp(−square) for a ≥ 1 and a power of two as numerator.

    exp(a²)·erfc(a) = p(t)/(a + K) with t = (a − K)/(a + K). What rounding took from the argument, the square, the
    quotient and the product is carried into the exponential; it would add two ULP to the three or four that remain.
    """
    inverse = lanes.div(1.0, lanes.add(a, ERFC_CENTRE))
    residual = lanes.fma(lanes.neg(inverse), a, lanes.fma(inverse, -ERFC_CENTRE, 1.0))
    if a_low is not None:
        residual = lanes.fma(lanes.neg(inverse), a_low, residual)
    t = lanes.mul(lanes.sub(a, ERFC_CENTRE), inverse)
    factor, factor_low = _product(
        lanes, _polynomial(lanes, t, _coefficients(lanes, "erfc")), lanes.mul(inverse, numerator)
    )
    high, low = LN2[lanes.dtype]
    k, word = _nearest(lanes, square, -INVERSE_LN2, 2 * lanes.format.bias)
    rest = lanes.fma(k, low, lanes.sub(square_low, residual))
    r = lanes.sub(lanes.fma(k, -high, lanes.neg(square)), rest)
    value = lanes.add(lanes.fma(factor, _expm1_reduced(lanes, r), factor_low), factor)
    small, large = _powers_of_two(lanes, word)
    return lanes.mul(lanes.mul(value, large), small)


# --- exponential --------------------------------------------------------------------------------------------------


@form(sympy.exp, float64=1.1, float32=1.1)
def exp(lanes: Lanes, x: Value) -> Value:
    """eˣ = 2^k·e^r, r = x − k·ln 2.

    Largest error found: 1.03 ULP in float64, 1.05 in float32.
    """
    limits = LIMITS[lanes.dtype]
    x = lanes.at_least(lanes.at_most(x, limits.overflow), -limits.vanishing)
    k, word = _nearest(lanes, x, INVERSE_LN2, 2 * lanes.format.bias)
    small, large = _powers_of_two(lanes, word)
    e = _expm1_reduced(lanes, _minus_multiple(lanes, x, k, LN2[lanes.dtype]))
    return lanes.mul(lanes.fma(large, e, large), small)


@form(f.expm1, float64=2.1, float32=1.7)
def expm1(lanes: Lanes, x: Value) -> Value:
    """eˣ − 1 = 2^k·(e^r − 1) + (2^k − 1).

    Largest error found: 1.99 ULP in float64, 1.57 in float32.
    """
    limits = LIMITS[lanes.dtype]
    y = lanes.at_least(lanes.at_most(x, limits.overflow), -2 * limits.saturation)
    k, word = _nearest(lanes, y, INVERSE_LN2, 2 * lanes.format.bias)
    small, large = _powers_of_two(lanes, word)
    e = _expm1_reduced(lanes, _minus_multiple(lanes, y, k, LN2[lanes.dtype]))
    scaled = lanes.fma(large, e, lanes.sub(large, _inverse_power(lanes, small)))
    return lanes.copysign(lanes.mul(scaled, small), x)


@form(sympy.tanh, float64=2.0, float32=2.0)
def tanh(lanes: Lanes, x: Value) -> Value:
    """tanh x = (1 − e)/(1 + e) with e = exp(−2|x|) and the sign of x.

    e = 2^k·exp(−2h) and |x| = h − k·ln 2/2. No number is e: 1 ∓ e = (1 ∓ 2^k) ± 2^(k+1)·(1 − exp(−2h))/2, rounded once.

    Largest error found: 2.00 ULP in float64, 2.00 in float32.
    """
    size = lanes.at_most(lanes.abs(x), LIMITS[lanes.dtype].saturation)
    # The factor 1.01 moves the steps of k away from tanh x = ½, where the rounding of 1 ∓ e costs most.
    k, word = _nearest(lanes, size, -2.02 * INVERSE_LN2, lanes.format.bias + 1)
    high, low = (part / 2 for part in LN2[lanes.dtype])
    h = lanes.fma(k, high, size)
    # In float32 the lower part of ln 2 is 0.02 ULP, and two instructions of twenty.
    rest = lanes.mul(k, low) if lanes.dtype == "float64" else None
    minus_half_expm1 = _expm1_reduced(lanes, h, -2, rest)
    double = _power_of_two(lanes, word)  # 2·2^k
    difference = lanes.fma(double, minus_half_expm1, lanes.fma(double, -0.5, 1.0))
    total = lanes.fma(lanes.neg(double), minus_half_expm1, lanes.fma(double, 0.5, 1.0))
    return lanes.copysign(lanes.div(difference, total), x)


@form(f.sigmoid, float64=1.8, float32=1.8)
def sigmoid(lanes: Lanes, x: Value) -> Value:
    """σ(x) = 1 − q where x ≥ 0, else e − e·q, with e = exp(−|x|) and q = e/(1 + e).

    q is at most ½, so the three roundings in it count less than in the quotient e/(1 + e) itself.

    Largest error found: 1.67 ULP in float64, 1.67 in float32.
    """
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
    excess = lanes.fma(lanes.mul(s, z), _polynomial(lanes, z, _coefficients(lanes, "log")), low)
    return lanes.add(lanes.add(lanes.fma(s, 2.0, excess), high), lanes.select(lanes.compare("<=", x, 0.0), 0.0, x))


def _lifted_exp(lanes: Lanes, x: Value) -> Value:
    """2^lift·exp(−|x|), a normal number also where exp(−|x|) is not."""
    limits = LIMITS[lanes.dtype]
    size = lanes.at_most(lanes.abs(x), limits.vanishing)
    k, word = _nearest(lanes, size, -INVERSE_LN2, lanes.format.bias + limits.lift)
    power = _power_of_two(lanes, word)
    return lanes.fma(power, _expm1_reduced(lanes, _minus_multiple(lanes, lanes.neg(size), k, LN2[lanes.dtype])), power)


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
    k, word = _nearest(lanes, size, INVERSE_LN2, 2 * lanes.format.bias)
    r = _minus_multiple(lanes, size, k, LN2[lanes.dtype])
    small, large = _powers_of_two(lanes, word)
    inverse = _inverse_power(lanes, small)
    rising = lanes.mul(large, 0.5)
    # Vanishes for large k, where it no longer counts.
    falling = lanes.mul(lanes.mul(inverse, lanes.mul(inverse, 0.5)), _inverse_power(lanes, large))
    z = lanes.mul(r, r)
    even = lanes.mul(z, _polynomial(lanes, z, _coefficients(lanes, "cosh")))
    odd = lanes.fma(lanes.mul(r, z), _polynomial(lanes, z, _coefficients(lanes, "sinh")), r)
    # `falling` is a product of powers of two, so that fusing it into the sums would not change them.
    return lanes.sub(rising, falling), lanes.add(rising, falling), small, even, odd


# --- logarithm ----------------------------------------------------------------------------------------------------


@form(sympy.log, float64=1.0, float32=1.0)
def log(lanes: Lanes, x: Value) -> Value:
    """log x = k·ln 2 + log m; −inf at ±0, nan below.

    Largest error found: 0.90 ULP in float64, 0.92 in float32.
    """
    tiny = lanes.compare("<", x, LIMITS[lanes.dtype].smallest_normal)
    places = lanes.format.fraction + 1
    _, k, mantissa = _exponent(lanes, lanes.select(tiny, lanes.mul(x, 2.0**places), x))
    value = _log_reduced(lanes, lanes.sub(mantissa, 1.0), lanes.sub(k, lanes.select(tiny, float(places), 0.0)))
    return _logarithm_ends(lanes, x, value, 0.0)


@form(f.log1p, float64=1.4, float32=1.6)
def log1p(lanes: Lanes, x: Value) -> Value:
    """log(1 + x) = k·ln 2 + log(1 + f), where 1 + x ≈ 2^k·m and f = 2^−k·x + (2^−k − 1) is rounded once.

    Largest error found: 1.33 ULP in float64, 1.48 in float32.
    """
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


@form(sympy.asinh, float64=2.0, float32=2.0)
def asinh(lanes: Lanes, x: Value) -> Value:
    """arsinh x = log(1 + |x| + x²/(1 + √(1 + x²))) with the sign of x; log 2|x| where x² would overflow.

    Largest error found: 1.85 ULP in float64, 1.91 in float32.
    """
    size = lanes.abs(x)
    root = lanes.sqrt(lanes.fma(size, size, 1.0))
    excess = lanes.fma(size, lanes.div(size, lanes.add(root, 1.0)), size)
    return lanes.copysign(_log1p_or_double(lanes, size, excess), x)


@form(sympy.acosh, float64=2.1, float32=2.2)
def acosh(lanes: Lanes, x: Value) -> Value:
    """arcosh x = log(1 + t + √(2t + t²)), t = x − 1; nan below 1.

    Largest error found: 2.00 ULP in float64, 2.09 in float32.
    """
    t = lanes.sub(x, 1.0)
    excess = lanes.add(t, lanes.sqrt(lanes.fma(t, t, lanes.add(t, t))))
    return lanes.select(lanes.compare(">=", x, 1.0), _log1p_or_double(lanes, x, excess), math.nan)


def _log1p_or_double(lanes: Lanes, x: Value, excess: Value) -> Value:
    """log(1 + excess), or log 2x for a large x."""
    huge = lanes.compare(">", x, LIMITS[lanes.dtype].large)
    value = log1p(lanes, lanes.select(huge, x, excess))
    return lanes.add(value, lanes.select(huge, LN2[lanes.dtype][0], 0.0))


@form(sympy.atanh, float64=2.1, float32=2.2)
def atanh(lanes: Lanes, x: Value) -> Value:
    """artanh x = log(1 + 2|x|/(1 − |x|))/2 with the sign of x.

    Largest error found: 1.97 ULP in float64, 2.16 in float32.
    """
    size = lanes.abs(x)
    value = log1p(lanes, lanes.div(lanes.add(size, size), lanes.sub(1.0, size)))
    return lanes.copysign(lanes.mul(value, 0.5), x)


# --- trigonometry -------------------------------------------------------------------------------------------------


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
    n, word = _nearest(lanes, x, TWO_OVER_PI, 0)
    r = _minus_multiple(lanes, x, n, HALF_PI[lanes.dtype])
    z = lanes.mul(r, r)
    sine = lanes.fma(lanes.mul(r, z), _polynomial(lanes, z, _coefficients(lanes, "sin")), r)
    cosine = lanes.fma(lanes.mul(z, z), _polynomial(lanes, z, _coefficients(lanes, "cos")), lanes.fma(z, -0.5, 1.0))
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
    return outer, s, lanes.mul(s, z), _polynomial(lanes, z, _coefficients(lanes, "asin"))


@form(sympy.atan, float64=2.1, float32=1.6)
def atan(lanes: Lanes, x: Value) -> Value:
    """arctan x on |x| ≤ 1, else π/2 − arctan 1/|x|, with the sign of x.

    Largest error found: 2.01 ULP in float64, 1.47 in float32.
    """
    size = lanes.abs(x)
    outer = lanes.compare(">", size, 1.0)
    t = lanes.div(lanes.select(outer, 1.0, size), lanes.select(outer, size, 1.0))
    z = lanes.mul(t, t)
    cube, p = lanes.mul(t, z), _polynomial(lanes, z, _coefficients(lanes, "atan"))
    high, low, _ = HALF_PI[lanes.dtype]
    beyond = lanes.sub(lanes.sub(high, t), lanes.fma(cube, p, -low))
    return lanes.copysign(lanes.select(outer, beyond, lanes.fma(cube, p, t)), x)


# --- error function -----------------------------------------------------------------------------------------------


@form(sympy.erf, float64=1.3, float32=1.3)
def erf(lanes: Lanes, x: Value) -> Value:
    """erf x = x + x·p(x²) for |x| < 1, else 1 − exp(−p(|x|)) with the sign of x.

    Largest error found: 1.22 ULP in float64, 1.16 in float32.
    """
    size = lanes.abs(x)
    inner = lanes.fma(x, _polynomial(lanes, lanes.mul(x, x), _coefficients(lanes, "erf")), x)
    exponent = _polynomial(
        lanes, lanes.at_most(size, LIMITS[lanes.dtype].erf_saturation), _coefficients(lanes, "erf_tail")
    )
    k, word = _nearest(lanes, exponent, -INVERSE_LN2, lanes.format.bias)
    e = _expm1_reduced(lanes, _minus_multiple(lanes, lanes.neg(exponent), k, LN2[lanes.dtype]))
    power = _power_of_two(lanes, word)
    outer = lanes.copysign(lanes.fma(lanes.neg(power), e, lanes.sub(1.0, power)), x)
    return lanes.select(lanes.compare("<", size, 1.0), inner, outer)


@form(sympy.erfc, float64=4.0, float32=3.6)
def erfc(lanes: Lanes, x: Value) -> Value:
    """erfc x = 1 − erf x for |x| < 1, else exp(−x²)·p(t)/(|x| + K), or 2 minus it for x < 0.

    Largest error found: 3.90 ULP in float64, 3.42 in float32.
    """
    size = lanes.at_most(lanes.abs(x), LIMITS[lanes.dtype].erfc_vanishing)
    square, square_low = _product(lanes, size, size)
    tail = _scaled_tail(lanes, size, None, square, square_low, 1.0)
    outer = lanes.select(lanes.compare("<", x, 0.0), lanes.sub(2.0, tail), tail)
    polynomial = _polynomial(lanes, square, _coefficients(lanes, "erf"))
    inner = lanes.fma(lanes.neg(x), polynomial, lanes.sub(1.0, x))
    return lanes.select(lanes.compare("<", size, 1.0), inner, outer)


@form(f.normal_cdf, float64=4.3, float32=3.6)
def normal_cdf(lanes: Lanes, x: Value) -> Value:
    """Φ(x) = erfc(−x/√2)/2, with exp(−x²/2) of the exact square.

    Largest error found: 4.18 ULP in float64, 3.47 in float32.
    """
    size = lanes.at_most(lanes.abs(x), LIMITS[lanes.dtype].erfc_vanishing * math.sqrt(2))
    square, square_low = _product(lanes, lanes.mul(size, 0.5), size)
    high, low = SQRT_EIGHTH[lanes.dtype]
    a, a_low = _product(lanes, size, 2 * high)
    tail = _scaled_tail(lanes, a, lanes.fma(size, 2 * low, a_low), square, square_low, 0.5)
    outer = lanes.select(lanes.compare(">", x, 0.0), lanes.sub(1.0, tail), tail)
    # ½ + x/√8 cancels near −√2, so 1/√8 is needed in two parts.
    polynomial = _polynomial(lanes, square, _coefficients(lanes, "erf"))
    inner = lanes.fma(x, lanes.fma(polynomial, high, low), lanes.fma(x, high, 0.5))
    return lanes.select(lanes.compare("<", square, 1.0), inner, outer)


@form(f.erfcx, float64=5.6, float32=5.7)
def erfcx(lanes: Lanes, x: Value) -> Value:
    """exp(x²)·erfc x = p(t)/(x + K) with t = (x − K)/(x + K) for x ≥ 0, else 2·exp(x²) minus that of |x|.

    Largest error found: 5.5 ULP in float64, 5.6 in float32, beyond x = 40 (4.3 and 4.0 before): p(t) cancels at t = 1.
    """
    inverse, t = _tail_variable(lanes, x)
    rough = lanes.mul(_polynomial(lanes, t, _coefficients(lanes, "erfcx")), inverse)
    right = lanes.fma(rough, _correction(lanes, x, inverse, t), rough)
    size = lanes.at_most(lanes.abs(x), math.sqrt(LIMITS[lanes.dtype].overflow))
    square, square_low = _product(lanes, size, size)
    k, word = _nearest(lanes, square, INVERSE_LN2, 2 * lanes.format.bias)
    small, large = _powers_of_two(lanes, word)
    # The part of ln 2 that is added last is as small as what rounding took from the square.
    high, low = LN2[lanes.dtype]
    r = lanes.add(lanes.fma(k, -high, square), lanes.fma(k, -low, square_low))
    growing = lanes.mul(lanes.fma(large, _expm1_reduced(lanes, r), large), small)
    return lanes.select(lanes.compare("<", x, 0.0), lanes.fma(growing, 2.0, lanes.neg(right)), right)


@form(f.erfcx_rate, float64=8.0, float32=9.0)
def erfcx_rate(lanes: Lanes, x: Value) -> Value:
    """−erfcx'/erfcx = p(t)/(x + K) for x ≥ ½, else 2/(√π·erfcx x) − 2x.

    Largest error found: 7.5 ULP in float64, 8.9 in float32, near 0.48.
    """
    inverse, t = _tail_variable(lanes, x)
    right = lanes.mul(_polynomial(lanes, t, _coefficients(lanes, "erfcx_rate")), inverse)
    return lanes.select(lanes.compare(">=", x, 0.5), right, lanes.fma(x, -2.0, _hazard(lanes, x)))


@form(f.erfcx_curvature, float64=42, float32=47)
def erfcx_curvature(lanes: Lanes, x: Value) -> Value:
    """(log erfcx)'' = p(t)/(x + K)² for x ≥ 1, else 2 − rate·(2x + rate), where 2x + rate is 2/(√π·erfcx x).

    Largest error found: 40 ULP in float64, 47 in float32, near 0.48.
    """
    x = lanes.at_least(x, -LIMITS[lanes.dtype].overflow)  # where the product is 0, not 0·∞
    inverse, t = _tail_variable(lanes, x)
    polynomial = _polynomial(lanes, t, _coefficients(lanes, "erfcx_curvature"))
    right = lanes.mul(lanes.mul(polynomial, inverse), inverse)
    left = lanes.fma(lanes.neg(_hazard(lanes, x)), erfcx_rate(lanes, x), 2.0)
    return lanes.select(lanes.compare(">=", x, 1.0), right, left)


def _tail_variable(lanes: Lanes, x: Value) -> tuple[Value, Value]:
    """1/(|x| + K) and t = (|x| − K)/(|x| + K), which is 1 at ∞."""
    inverse = lanes.div(1.0, lanes.add(lanes.abs(x), ERFC_CENTRE))
    return inverse, lanes.fma(inverse, -2 * ERFC_CENTRE, 1.0)


def _correction(lanes: Lanes, x: Value, inverse: Value, t: Value) -> Value:
    """What rounding took from 1/(|x| + K), times its effect on erfcx, (|x| + K)·rate, which is 2 − 1.2·t roughly."""
    size = lanes.abs(x)
    residual = lanes.fma(lanes.neg(inverse), size, lanes.fma(inverse, -ERFC_CENTRE, 1.0))
    ordinary = lanes.compare("<", size, LIMITS[lanes.dtype].large)
    return lanes.select(ordinary, lanes.mul(residual, lanes.fma(t, -1.2, 2.0)), 0.0)


def _hazard(lanes: Lanes, x: Value) -> Value:
    return lanes.div(2 / math.sqrt(math.pi), erfcx(lanes, x))


# --- roots, choices and kinks -------------------------------------------------------------------------------------


@form(f.hypot)
def hypot(lanes: Lanes, *arguments: Value) -> Value:
    """√(x₁² + x₂² + …), the arguments scaled by the power of two below the largest; inf if one is infinite.

    Largest error found: 1.04 ULP in float64, 0.98 in float32, for two arguments.
    """
    fraction, reach = lanes.format.fraction, 2.0 ** (lanes.format.bias - lanes.format.fraction // 2)
    largest = reduce(lanes.at_least, map(lanes.abs, arguments))
    within = lanes.bits(lanes.at_least(lanes.at_most(largest, reach), 1 / reach))
    power = lanes.from_bits(lanes.shift_left(lanes.shift_right(within, fraction), fraction))
    inverse = _inverse_power(lanes, power)
    first, *rest = (lanes.mul(x, inverse) for x in arguments)
    total = reduce(lambda total, y: lanes.fma(y, y, total), rest, lanes.mul(first, first))
    value = lanes.mul(lanes.sqrt(total), power)
    infinite = reduce(lanes.either, (lanes.compare("==", lanes.abs(x), math.inf) for x in arguments))
    return lanes.select(infinite, math.inf, value)


@form(f.ratio)
def ratio(lanes: Lanes, x: Value, size: Value) -> Value:
    """x/size, and 0 where both are 0."""
    return lanes.div(x, lanes.select(lanes.compare("==", size, 0.0), 1.0, size))


@form(f.absolute)
def absolute(lanes: Lanes, x: Value) -> Value:
    return lanes.abs(x)


@form(f.floor)
def floor(lanes: Lanes, x: Value) -> Value:
    return lanes.floor(x)


@form(f.modulo)
def modulo(lanes: Lanes, x: Value, y: Value) -> Value:
    """The remainder of x/y with the sign of y: ``fmod`` of C, which is exact, and y more where the signs differ."""
    rest = lanes.libm("fmod", x, y)
    differ = lanes.int_compare("<", lanes.bit_xor(lanes.bits(rest), lanes.bits(y)), 0)
    moved = lanes.select(differ, lanes.add(rest, y), rest)
    return lanes.select(lanes.compare("==", rest, 0.0), lanes.copysign(0.0, y), moved)


@form(f.nought)
def nought(lanes: Lanes, x: Value) -> Value:
    return lanes.nan_where(lanes.is_nan(x))


@form(f.stop_gradient)
def stop_gradient(lanes: Lanes, x: Value) -> Value:
    return x


@form(f.maximum)
def maximum(lanes: Lanes, *arguments: Value) -> Value:
    return lanes.extreme(">", arguments)


@form(f.minimum)
def minimum(lanes: Lanes, *arguments: Value) -> Value:
    return lanes.extreme("<", arguments)


# --- libm ---------------------------------------------------------------------------------------------------------


@form(sympy.atan2)
def atan2(lanes: Lanes, y: Value, x: Value) -> Value:
    """The angle of (x, y), by libm one lane after the other."""
    return lanes.libm("atan2", y, x)


@form(f.power)
def power(lanes: Lanes, x: Value, y: Value) -> Value:
    """x^y as ``pow`` of C, by libm one lane after the other."""
    return lanes.libm("pow", x, y)
