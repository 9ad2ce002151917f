"""Special functions in SIMD lanes, in float64: code of our own where there is some, else SciPy's in each lane.

Each takes :class:`~codegen.emit.lanes.Lanes` of float64 and vectors, as those of :mod:`~codegen.emit.vectormath` do;
the order of a family is a number. Largest errors against mpmath at 50 digits, in units of 2⁻⁵², where the value is a
normal number (measured in ``tests/codegen/test_special.py``): loggamma 2 and ψ 2, relative to max(1, |value|), x > 0;
ψ⁽ⁿ⁾ for n from 1 to 4 and x > 0 4, relative to the value; for x < 0, where the reflection takes the difference of two
terms, 6, relative to the larger of |ψ⁽ⁿ⁾(x)| and |ψ⁽ⁿ⁾(1 − x)|, and of 1 for n = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import TypeAlias

import sympy
from llvmlite import ir
from sympy.core.basic import Basic

from codegen.emit.control import on_stack
from codegen.emit.externals import EXTERNALS, symbol
from codegen.emit.gamma_slope import slope_by_shape
from codegen.emit.instructions import begun, function_of
from codegen.emit.lanes import Lanes, Value
from codegen.emit.vectormath.circular import sin
from codegen.emit.vectormath.exponential import exp, softplus
from codegen.emit.vectormath.logarithm import log, log1p
from codegen.emit.vectormath.parts import polynomial_at
from codegen.functions import erfcinv
from codegen.functions import special as functions
from codegen.functions.powers import raised
from codegen.functions.special_arrays import ABOVE_IT, BRANCH_POINT, FAR, NEAR_BRANCH_POINT

Code: TypeAlias = Callable[..., Value]
"""``code(lanes, order, x, …)``, of lanes of float64 and, for a family, its order."""

DOUBLE = ir.DoubleType()

ROOT, ROOT_LOW = 1.4616321449683622, 9.549995429965697e-17
"""The zero of ψ between 1 and 2 and what is missing from the float nearest to it."""
NEAR_ROOT = (
    0.9510558760318328, -0.4236274212814606, 0.24054248424078697, -0.14840492305388092, 0.09498872445289039,
    -0.06192213327548831, 0.040760833940846085, -0.026975796659787055, 0.017907248317313294, -0.011908220105959716,
    0.007927021796868154, -0.005279937255532708, 0.003518106563802472, -0.0023454947397380833, 0.0015633696313653504,
    -0.0010364584817312839, 0.0006909255761282986, -0.00048595039220036254, 0.00032395945401345196,
    -0.00014480643368061614, 9.653646261410062e-05, -0.0001782188548855923, 0.00011881232908510335,
)  # fmt: skip
"""ψ(x)/(x − root) on [1, 2] as a polynomial in x − 3/2 (``mpmath.chebyfit``, largest error 3.4e-18)."""
DIGAMMA_TAIL = (
    0.08333333333333333, -0.008333333333333333, 0.003968253968253968, -0.004166666666666667, 0.007575757575757576,
    -0.021092796092796094, 0.08333333333333333, -0.4432598039215686,
)  # fmt: skip
"""B₂ₖ/2k, of the asymptotic series of ψ."""
ZETA_TAIL = (
    0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07, 2.08767569878681e-08,
    -5.284190138687493e-10, 1.3382536530684679e-11, -3.3896802963225827e-13, 8.586062056277845e-15,
    -2.174868698558062e-16,
)  # fmt: skip
"""B₂ₖ/(2k)!, of the Euler-Maclaurin series of the Hurwitz zeta function."""
ASYMPTOTIC = 10
"""Above, the asymptotic series has the full precision."""
SERIES_ALONE, SERIES_START = 0.05, 0.8
"""Up to the first, the series has the full precision; up to the second, W is refined from it."""


def _loggamma(lanes: Lanes, x: Value) -> Value:
    """log Γ(x) for x ≥ 0 by libm; nan for x < 0, where SymPy's ``loggamma`` is complex."""
    return lanes.select(lanes.compare("<", x, 0.0), math.nan, lanes.libm("lgamma", x))


def _polygamma(lanes: Lanes, n: int, x: Value) -> Value:
    """ψ⁽ⁿ⁾(x), the n-th derivative of ψ = Γ'/Γ, for n ≥ 0 and any real x."""
    return _derivative_of_digamma(lanes, n, x) if n else _digamma(lanes, x)


def _digamma(lanes: Lanes, x: Value) -> Value:
    """ψ(x): near its zero a polynomial, far out a series, elsewhere by ψ(x + 1) = ψ(x) + 1/x."""
    below = lanes.compare("<", x, 0.0)
    at = lanes.select(below, lanes.sub(1.0, x), x)
    total = lanes.where_any(below, lambda: lanes.mul(-math.pi, _cotangent(lanes, x)), lanes.real(0.0))
    far = lanes.compare(">=", at, float(ASYMPTOTIC))
    inverse = lanes.div(1.0, at)
    square = lanes.mul(inverse, inverse)
    tail = lanes.mul(square, polynomial_at(lanes, square, DIGAMMA_TAIL))
    distant = lanes.sub(lanes.fma(inverse, -0.5, log(lanes, at)), tail)
    near = lanes.select(far, 1.5, at)
    small = lanes.compare("<", near, 1.0)
    moved = lanes.select(small, lanes.sub(total, inverse), total)
    near = lanes.select(small, lanes.add(near, 1.0), near)
    for _ in range(ASYMPTOTIC - 2):
        large = lanes.compare(">", near, 2.0)
        near = lanes.select(large, lanes.sub(near, 1.0), near)
        moved = lanes.select(large, lanes.add(moved, lanes.div(1.0, near)), moved)
    ratio = polynomial_at(lanes, lanes.sub(near, 1.5), NEAR_ROOT)
    close = lanes.fma(lanes.sub(lanes.sub(near, ROOT), ROOT_LOW), ratio, moved)
    value = lanes.select(far, lanes.add(total, distant), close)
    value = lanes.select(_is_pole(lanes, x), math.nan, value)
    return lanes.select(lanes.compare("==", x, 0.0), lanes.copysign(math.inf, lanes.neg(x)), value)


def _derivative_of_digamma(lanes: Lanes, n: int, x: Value) -> Value:
    """(−1)ⁿ⁺¹·n!·ζ(n + 1, x) for x > 0, reflected for x < 0."""
    odd, factorial = n % 2 == 1, _float(math.factorial(n))
    below = lanes.compare("<", x, 0.0)
    zeta = lanes.mul(factorial, _zeta(lanes, n + 1, lanes.select(below, lanes.sub(1.0, x), x)))

    def reflected() -> Value:
        slopes = polynomial_at(lanes, _cotangent(lanes, x), [_float(c) for c in _cotangent_derivative(n)])
        return lanes.sub(lanes.neg(zeta), lanes.mul(math.pi ** (n + 1), slopes))

    value = lanes.where_any(below, reflected, zeta if odd else lanes.neg(zeta))
    zero, pole = lanes.compare("==", x, 0.0), _is_pole(lanes, x)
    if odd:
        at_pole = lanes.select(lanes.compare(">", x, -math.inf), math.inf, math.nan)
    else:
        at_pole = lanes.select(zero, lanes.copysign(math.inf, lanes.neg(x)), math.nan)
    return lanes.select(pole, at_pole, value)


def _zeta(lanes: Lanes, s: int, x: Value) -> Value:
    """Σₖ (x + k)^(−s) for x > 0, s ≥ 2: the first terms one by one, the rest by Euler-Maclaurin."""
    total = lanes.real(0.0)
    for _ in range(ASYMPTOTIC + s):
        near = lanes.compare("<", x, float(ASYMPTOTIC + s))
        total = lanes.add(total, lanes.select(near, lanes.div(1.0, raised(lanes.mul, x, s)), 0.0))
        x = lanes.select(near, lanes.add(x, 1.0), x)
    inverse = lanes.div(1.0, x)
    square = lanes.mul(inverse, inverse)
    coefficients = [c * _float(math.prod(range(s, s + 2 * k + 1))) for k, c in enumerate(ZETA_TAIL)]
    tail = lanes.fma(inverse, 0.5, lanes.mul(square, polynomial_at(lanes, square, coefficients)))
    return lanes.add(total, lanes.div(lanes.add(tail, 1 / (s - 1)), raised(lanes.mul, x, s - 1)))


def _cotangent(lanes: Lanes, x: Value) -> Value:
    """cot πx, exact in its relative error where it is 0 too: x − ½ is exact there and π/2 is not."""
    rest = lanes.sub(x, lanes.nearest(x))
    size = lanes.abs(rest)
    small = lanes.compare("<=", size, 0.25)
    tangent = lanes.libm("tan", lanes.mul(math.pi, lanes.select(small, size, lanes.sub(0.5, size))))
    return lanes.copysign(lanes.select(small, lanes.div(1.0, tangent), tangent), rest)


def _cotangent_derivative(n: int) -> list[int]:
    """The n-th derivative of cot, a polynomial in c = cot: P₀ = c, Pₙ₊₁ = −(1 + c²)·Pₙ'."""
    found = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(found)][1:]
        found = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope])]
    return found


def _float(number: int) -> float:
    """The number, inf if it is too large."""
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def _is_pole(lanes: Lanes, x: Value) -> Value:
    """Where x is 0 or a negative whole number, or −∞."""
    whole = lanes.compare("==", x, lanes.floor(x))
    return lanes.both(whole, lanes.compare("<=", x, 0.0))


def _is_odd(lanes: Lanes, x: Value) -> Value:
    """Where a whole number is odd."""
    half = lanes.mul(x, 0.5)
    return lanes.compare("!=", half, lanes.floor(half))


def _reciprocal_gamma(lanes: Lanes, x: Value) -> Value:
    """1/Γ(x)."""
    return lanes.select(_is_pole(lanes, x), 0.0, lanes.div(1.0, lanes.libm("tgamma", x)))


def _at_poles(lanes: Lanes, x: Value, size: Callable[[], Value]) -> Value:
    """(−1)ˣ times the size where x is a pole of Γ, which is rare; 0 elsewhere."""

    def value() -> Value:
        found = size()
        return lanes.select(_is_odd(lanes, x), lanes.neg(found), found)

    return lanes.where_any(_is_pole(lanes, x), value, lanes.real(0.0))


def _reciprocal_gamma_crossing(lanes: Lanes, x: Value) -> Value:
    return _at_poles(lanes, x, lambda: lanes.libm("tgamma", lanes.sub(1.0, x)))


def _beta_crossing(lanes: Lanes, a: Value, b: Value) -> Value:
    total = lanes.add(a, b)

    def size() -> Value:
        factors = (lanes.libm("tgamma", x) for x in (a, b, lanes.sub(1.0, total)))
        return reduce(lanes.mul, factors)

    return _at_poles(lanes, total, size)


def _binomial(lanes: Lanes, n: Value, k: Value) -> Value:
    """SciPy's, which is nan for whole n < 0: there, for whole k ≥ 0, (−1)ᵏ times that of k − n − 1."""
    above = lanes.sub(lanes.sub(k, n), 1.0)
    whole = lanes.both(lanes.compare("==", k, lanes.floor(k)), lanes.compare(">=", k, 0.0))
    turned = lanes.both(whole, _is_pole(lanes, lanes.add(n, 1.0)))
    value = _scipy(lanes, "binom", lanes.select(turned, above, n), k)
    return lanes.select(lanes.both(turned, _is_odd(lanes, k)), lanes.neg(value), value)


def _binomial_crossing(lanes: Lanes, n: Value, k: Value) -> Value:
    one_more = lanes.add(n, 1.0)
    value = _at_poles(lanes, lanes.sub(one_more, k), lambda: _scipy(lanes, "beta", one_more, lanes.sub(k, n)))
    return lanes.select(_is_pole(lanes, one_more), 0.0, value)


def _sinc(lanes: Lanes, x: Value) -> Value:
    """sin(x)/x."""
    value = lanes.select(lanes.compare("==", x, 0.0), 1.0, lanes.div(sin(lanes, x), x))
    return lanes.select(_is_infinite(lanes, x), 0.0, value)


def _is_infinite(lanes: Lanes, x: Value) -> Value:
    return lanes.compare("==", lanes.abs(x), math.inf)


TINY = 1e-5
"""Up to here the first two terms of the series of jₙ are all of it."""


def _spherical_bessel(lanes: Lanes, n: int, x: Value) -> Value:
    """jₙ(x) for n ≥ 1, through the Bessel function of order n + ½; near 0 xⁿ/(1·3·…·(2n + 1))."""
    size = lanes.abs(x)
    cylinder = _scipy(lanes, "jv", n + 0.5, size)
    value = lanes.mul(lanes.sqrt(lanes.div(math.pi / 2, size)), cylinder)
    value = lanes.select(_is_infinite(lanes, x), 0.0, value)
    if n % 2:
        value = lanes.select(lanes.compare("<", x, 0.0), lanes.neg(value), value)
    return lanes.select(lanes.compare("<=", size, TINY), _near_zero(lanes, n, x, -1.0), value)


def _lambert_w(lanes: Lanes, x: Value) -> Value:
    """W(x) for x ≥ −1/e: near the branch point a series, else two steps of Fritsch's iteration, of fourth order.

    It starts from that series or from Winitzki's approximation, which is right to 2 % for x > 0 and 8 % below.
    """
    root = _from_branch_point(lanes, x)
    series = _horner_of_numbers(lanes, root, NEAR_BRANCH_POINT)
    start = lanes.select(lanes.compare("<", root, SERIES_START), series, _start(lanes, log1p(lanes, x)))
    w = _refined(lanes, start, lambda w: log(lanes, lanes.div(x, w)))
    value = lanes.select(lanes.compare("<", root, SERIES_ALONE), series, w)
    value = lanes.select(lanes.compare("<", lanes.abs(x), 1e-300), x, value)  # x/w has no digits left there
    value = lanes.select(lanes.compare("<", x, BRANCH_POINT), math.nan, value)
    return lanes.select(lanes.compare("==", x, math.inf), math.inf, value)


def _lower_lambert_w(lanes: Lanes, x: Value) -> Value:
    """W₋₁(x) for −1/e ≤ x < 0, as W but for the sign of the root, from ln(−x) − ln(−ln(−x)), right to 10 %."""
    root = lanes.neg(_from_branch_point(lanes, x))
    series = _horner_of_numbers(lanes, root, NEAR_BRANCH_POINT)
    first = log(lanes, lanes.neg(x))
    second = log(lanes, lanes.neg(first))
    start = lanes.add(lanes.sub(first, second), lanes.div(second, first))
    start = lanes.select(lanes.compare(">", root, -SERIES_START), series, start)
    w = _refined(lanes, start, lambda w: lanes.sub(first, log(lanes, lanes.neg(w))))
    value = lanes.select(lanes.compare(">", root, -SERIES_ALONE), series, w)
    value = lanes.select(lanes.compare("<", x, BRANCH_POINT), math.nan, value)
    return lanes.select(lanes.compare("==", x, 0.0), -math.inf, value)


def _from_branch_point(lanes: Lanes, x: Value) -> Value:
    """√(2·(e·x + 1)), of the exact distance from −1/e: near it W loses half of the digits that the distance lacks."""
    distance = lanes.sub(lanes.sub(x, BRANCH_POINT), ABOVE_IT)
    return lanes.sqrt(lanes.mul(2 * math.e, lanes.at_least(distance, 0.0)))


def _start(lanes: Lanes, logarithm: Value) -> Value:
    """Winitzki's approximation of W, given log(1 + x)."""
    correction = lanes.div(log1p(lanes, logarithm), lanes.add(logarithm, 2.0))
    return lanes.fma(lanes.neg(logarithm), correction, logarithm)


def _refined(lanes: Lanes, w: Value, logarithm: Callable[[Value], Value]) -> Value:
    """Two steps of the iteration for W (Fritsch, Shafer, Crowley 1973), given log(x/w)."""
    for _ in range(2):
        one_more = lanes.add(w, 1.0)
        z = lanes.sub(logarithm(w), w)
        q = lanes.mul(lanes.mul(2.0, one_more), lanes.fma(z, 2 / 3, one_more))  # it may be infinite
        rest = lanes.add(1.0, lanes.div(z, lanes.fma(z, -2.0, q)))
        w = lanes.fma(w, lanes.mul(lanes.div(z, one_more), rest), w)
    return w


def _wright_omega(lanes: Lanes, x: Value) -> Value:
    """ω with ω + log ω = x: W(exp(x)) up to 1, then as W, from the same start with softplus(x) for log1p(exp(x))."""
    below = lanes.compare("<", x, 1.0)
    near = _lambert_w(lanes, exp(lanes, lanes.select(below, x, 0.0)))
    w = _refined(lanes, _start(lanes, softplus(lanes, x)), lambda w: lanes.sub(x, log(lanes, w)))
    value = lanes.select(below, near, w)
    return lanes.select(lanes.compare("==", x, math.inf), math.inf, value)


def _horner_of_numbers(lanes: Lanes, x: Value, coefficients: Sequence[float]) -> Value:
    return reduce(lambda value, c: lanes.fma(x, value, float(c)), coefficients[-2::-1], lanes.real(coefficients[-1]))


# --- functions of SciPy -------------------------------------------------------------------------------------------


def _scipy(lanes: Lanes, name: str, *arguments: Value | float, output: int = 0) -> Value:
    """A function of SciPy in each lane; numbers among the arguments are the same in all."""
    external = EXTERNALS[name]
    numbers = [DOUBLE] * external.arguments
    if external.outputs:
        signature = ir.FunctionType(ir.VoidType(), [*numbers, *[DOUBLE.as_pointer()] * external.outputs])
    else:
        signature = ir.FunctionType(DOUBLE, [*numbers, ir.IntType(32)])

    def call(builder: ir.IRBuilder, *values: Value) -> Value:
        function = function_of(builder.module, signature, symbol(name))
        varying = iter(values)
        given = [DOUBLE(a) if isinstance(a, float) else next(varying) for a in arguments]
        if not external.outputs:
            return builder.call(function, [*given, ir.IntType(32)(0)])
        places = [on_stack(builder, DOUBLE) for _ in range(external.outputs)]
        builder.call(function, [*given, *places])
        return builder.load(places[output])

    label = ".".join(["scipy", name, *(a.hex() for a in arguments if isinstance(a, float)), str(output)])
    return lanes.per_lane(label, call, *(a for a in arguments if not isinstance(a, float)))


def _external(name: str, low: float = -math.inf, output: int = 0) -> Code:
    """The function of SciPy; nan where its argument is below ``low``."""

    def code(lanes: Lanes, *arguments: Value) -> Value:
        value = _scipy(lanes, name, *arguments, output=output)
        return value if low == -math.inf else lanes.select(lanes.compare("<", arguments[0], low), math.nan, value)

    return code


Order: TypeAlias = "int | Value"
"""A whole number, or a real one that may differ from lane to lane."""


def _bessel(letter: str) -> Code:
    """A Bessel function; those of order 0 and 1 are functions of their own, several times as fast."""

    def code(lanes: Lanes, order: Order, x: Value) -> Value:
        if not isinstance(order, int):
            return _scipy(lanes, f"{letter}v", order, x)
        return _scipy(lanes, f"{letter}{order}", x) if order < 2 else _scipy(lanes, f"{letter}v", float(order), x)

    return code


NEAR_ZERO = 1e-10
"""Up to here the first term of a power series in x² is all of it."""
OUT_OF_SIGHT = 1e-300
"""Below, SciPy's Kᵥ and Yᵥ are infinite for every order, and its Jᵥ and Iᵥ are 0 or nan below 1e-200."""


def _growing(letter: str) -> Code:
    """Jᵥ or Iᵥ, near 0 (x/2)ᵛ/Γ(ν + 1)."""

    def code(lanes: Lanes, order: Order, x: Value) -> Value:
        value = _bessel(letter)(lanes, order, x)
        if isinstance(order, int) and order < 2:
            return value
        near = lanes.compare("<", lanes.abs(x), NEAR_ZERO)
        half = lanes.mul(x, 0.5)
        if isinstance(order, int):
            return lanes.select(near, lanes.div(raised(lanes.mul, half, order), _float(math.factorial(order))), value)
        return lanes.where_any(near, lambda: _first_term(lanes, order, half), value)

    return code


def _first_term(lanes: Lanes, order: Value, half: Value) -> Value:
    """(x/2)ᵛ/Γ(ν + 1)."""
    gamma = lanes.libm("tgamma", lanes.add(order, 1.0))
    return lanes.div(lanes.libm("pow", half, order), gamma)


def _falling(letter: str, factor: float) -> Code:
    """Yᵥ or Kᵥ of an order ν ≥ 0, where x is out of sight from a multiple of (2/x)ᵛ·Γ(ν), the first term of a series.

    The second, (x/2)²ᵛ of it, is 10⁻¹⁶ from ν = 0.03.
    """

    def code(lanes: Lanes, order: Order, x: Value) -> Value:
        value = _bessel(letter)(lanes, order, x)
        if isinstance(order, int):
            return value

        def first() -> Value:
            gamma = lanes.libm("tgamma", order)
            powers = lanes.libm("pow", lanes.mul(x, 0.5), lanes.neg(order))
            return lanes.mul(lanes.mul(powers, gamma), factor)

        positive = lanes.both(lanes.compare(">", order, 0.0), lanes.compare(">", x, 0.0))
        return lanes.where_any(lanes.both(positive, lanes.compare("<", x, OUT_OF_SIGHT)), first, value)

    return code


def _scaled_bessel(lanes: Lanes, n: int, x: Value) -> Value:
    """exp(−|x|)·Iₙ(x)."""
    value = _scipy(lanes, f"i{n}e", x) if n < 2 else _scipy(lanes, "ive", float(n), x)
    if n < 2:
        return value
    # SciPy has nan at both ends.
    size = lanes.abs(x)
    value = lanes.select(lanes.compare("<", size, VANISHING), 0.0, value)

    def far() -> Value:
        found = lanes.mul(_scipy(lanes, "i0e", x), lanes.libm("exp", lanes.div(-n * n / 2, size)))
        return lanes.mul(found, lanes.select(lanes.compare("<", x, 0.0), -1.0, 1.0)) if n % 2 else found

    return lanes.where_any(lanes.compare(">", size, FAR), far, value)


VANISHING = 1e-170
"""The square of any smaller number is 0."""


def _dying_away(code: Code, low: float = -math.inf) -> Code:
    """A function that oscillates and is 0 at infinity, where SciPy has nan; ``low`` is where it begins."""

    def masked(lanes: Lanes, *arguments: Order) -> Value:
        x = arguments[-1]
        end = _is_infinite(lanes, x) if low == -math.inf else lanes.compare("==", x, math.inf)
        return lanes.select(end, 0.0, code(lanes, *arguments))

    return masked


def _without_end(code: Code) -> Code:
    """A function that is infinite at infinity, where SciPy has nan: of order n at −∞ as xⁿ is."""

    def masked(lanes: Lanes, order: Order, x: Value) -> Value:
        value = code(lanes, order, x)
        if not isinstance(order, int):
            return lanes.select(lanes.compare("==", x, math.inf), math.inf, value)
        return lanes.select(_is_infinite(lanes, x), x if order % 2 else math.inf, value)

    return masked


def _modified_spherical_bessel(lanes: Lanes, n: int, x: Value) -> Value:
    """iₙ(x), through the Bessel function of order n + ½, scaled by exp(−x); near 0 xⁿ/(1·3·…·(2n + 1))."""
    size = lanes.abs(x)
    half = exp(lanes, lanes.mul(size, 0.5))
    scaled = lanes.mul(lanes.sqrt(lanes.div(math.pi / 2, size)), _scipy(lanes, "ive", n + 0.5, size))
    value = lanes.mul(lanes.mul(scaled, half), half)
    value = lanes.select(_is_infinite(lanes, x), math.inf, value)
    if n % 2:
        value = lanes.copysign(value, x)
    return lanes.select(lanes.compare("<=", size, TINY), _near_zero(lanes, n, x, 1.0), value)


def _near_zero(lanes: Lanes, n: int, x: Value, sign: float) -> Value:
    """xⁿ/(1·3·…·(2n + 1))·(1 ± x²/(4n + 6)), of a spherical Bessel function."""
    first = lanes.div(raised(lanes.mul, x, n) if n else lanes.real(1.0), _float(math.prod(range(1, 2 * n + 2, 2))))
    return lanes.fma(first, lanes.div(lanes.mul(x, x), sign * (4.0 * n + 6)), first)


# --- the table ----------------------------------------------------------------------------------------------------

CODE: Mapping[type[Basic], Code] = {
    sympy.gamma: lambda lanes, x: lanes.libm("tgamma", x),
    sympy.loggamma: _loggamma,
    sympy.polygamma: _polygamma,
    functions.beta: _external("beta"),
    functions.beta_crossing: _beta_crossing,
    functions.binomial: _binomial,
    functions.binomial_crossing: _binomial_crossing,
    functions.reciprocal_gamma: _reciprocal_gamma,
    functions.reciprocal_gamma_crossing: _reciprocal_gamma_crossing,
    functions.besselj: _dying_away(_growing("j")),
    functions.bessely: _dying_away(_falling("y", -1 / math.pi), low=0.0),
    functions.besseli: _without_end(_growing("i")),
    functions.besselk: _falling("k", 0.5),
    functions.spherical_bessel: _spherical_bessel,
    functions.modified_spherical_bessel: _modified_spherical_bessel,
    functions.sinc: _sinc,
    sympy.expint: lambda lanes, n, x: _scipy(lanes, "expn", float(n), x),
    functions.exponential_integral: _external("expi"),
    functions.sine_integral: _external("sici"),
    functions.hyperbolic_sine_integral: _external("shichi"),
    sympy.Ci: _external("sici", low=0.0, output=1),
    sympy.Chi: _external("shichi", low=0.0, output=1),
    sympy.erfi: _external("erfi"),
    sympy.erfinv: _external("erfinv"),
    erfcinv: _external("erfcinv"),
    sympy.fresnels: _external("fresnel"),
    sympy.fresnelc: _external("fresnel", output=1),
    sympy.airyai: _external("airy"),
    sympy.airyaiprime: _external("airy", output=1),
    sympy.airybi: _external("airy", output=2),
    sympy.airybiprime: _external("airy", output=3),
    functions.lambert_w: _lambert_w,
    functions.lower_lambert_w: _lower_lambert_w,
    functions.wright_omega: _wright_omega,
    functions.scaled_bessel: _scaled_bessel,
    functions.regularised_lower_gamma: _external("gammainc"),
    functions.regularised_upper_gamma: _external("gammaincc"),
    functions.regularised_gamma_slope: lambda lanes, a, x: slope_by_shape(lanes, a, x, _digamma),
}
"""The vector form of every special function."""


def apply(kind: type[Basic], lanes: Lanes, orders: Sequence[int], arguments: Sequence[Value]) -> Value:
    """A special function in lanes of any type."""
    if lanes.dtype == "float64":
        return _called(kind, lanes, orders, arguments)
    wide = Lanes(lanes.builder, lanes.width, "float64")
    extended = [lanes.builder.fpext(a, wide.real_type) for a in arguments]
    return lanes.builder.fptrunc(_called(kind, wide, orders, extended), lanes.real_type)


def _called(kind: type[Basic], lanes: Lanes, orders: Sequence[int], arguments: Sequence[Value]) -> Value:
    """A call of a function of its own, defined when it is first needed: some are long, and used several times."""
    label = ".".join(["codegen", kind.__name__, *map(str, orders), f"{lanes.width}xf64"])
    signature = ir.FunctionType(lanes.real_type, [lanes.real_type] * len(arguments))
    function = function_of(lanes.builder.module, signature, label)
    if function.is_declaration:
        function.linkage = "internal"
        function.attributes.add("noinline")
        builder = begun(function)
        builder.ret(CODE[kind](Lanes(builder, lanes.width, "float64"), *orders, *function.args))
    return lanes.builder.call(function, arguments)
