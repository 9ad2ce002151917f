"""The family of the normal distribution, exact far out: its integral, the scaled complement, their logarithms."""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import Any

import sympy
from sympy import Expr, Integer, Rational, exp, log, pi, sqrt

from codegen.functions import arrays
from codegen.functions.kinks import absolute, maximum, minimum, select
from codegen.functions.operation import NAN, SMALL, Operation, Points
from codegen.functions.primitive import Approximation, Composite, Primitive
from codegen.functions.series import horner
from codegen.functions.smooth import log1p
from codegen.functions.special_arrays import slope_of_erfcinv, to_first_order


class normal_cdf(Primitive):  # noqa: N801
    """Φ(x) = erfc(−x/√2)/2, accurate in both tails, with Φ' = exp(−x²/2)/√(2π).

    SymPy turns erfc(−x) into 2 − erfc(x), which cancels for x < 0; hence a function of its own.

    >>> normal_cdf("x").diff("x"), normal_cdf(0.5).evalf(8)
    (sqrt(2)*exp(-x**2/2)/(2*sqrt(pi)), 0.69146246)
    """

    nargs = 1
    row = Operation(arrays.normal_cdf, step=True, points=Points())

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(-(self.args[0] ** 2) / 2) / sqrt(2 * pi)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.erfc(-x / mp.sqrt(2)) / 2


class erfcx(Primitive):  # noqa: N801
    """exp(x²)·erfc(x), which falls as 1/(x·√π) where both factors are out of range; its derivative is −erfcx·rate.

    Its reciprocal is Mills' ratio turned over: φ(x)/Φ(x) = √(2/π)/erfcx(−x/√2).

    >>> erfcx("x").diff("x"), erfcx(0.5).evalf(8)
    (-erfcx(x)*erfcx_rate(x), 0.61569034)
    """

    nargs = 1
    row = Operation(
        arrays.erfcx, written=lambda x: _written_erfcx(x), points=Points(special=(*SMALL, 1000.0, -20.0, *NAN))
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return -self * erfcx_rate(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x < -FAR:
            return mp.inf  # beyond any float
        return 2 / (mp.sqrt(mp.pi) * (2 * x + _fraction(mp, x, 1))) if x > FAR else mp.exp(x * x) * mp.erfc(x)


class erfcx_rate(Primitive):  # noqa: N801
    """−d/dx log erfcx(x) = 2/(√π·erfcx(x)) − 2x, a difference that cancels for large x, where it is 1/x.

    It is √2·E[Z − u | Z > u] of a standard normal Z, u = √2·x: positive and falling.

    >>> erfcx_rate("x").diff("x"), erfcx_rate(0.5).evalf(8)
    (-erfcx_curvature(x), 0.83270564)
    """

    nargs = 1
    row = Operation(arrays.erfcx_rate, written=lambda x: _written_rate(x), points=Points())

    def fdiff(self, argindex: int = 1) -> Expr:
        return -erfcx_curvature(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return _fraction(mp, x, 1) if x > FAR else 2 / (mp.sqrt(mp.pi) * erfcx.value(mp, x)) - 2 * x


class erfcx_curvature(Primitive):  # noqa: N801
    """d²/dx² log erfcx(x) = 2 − rate·(2x + rate), which cancels for large x, where it is 1/x².

    It is 2·Var[Z | Z > u] of a standard normal Z, u = √2·x: between 2 and 0.

    >>> erfcx_curvature("x").diff("x"), erfcx_curvature(0.5).evalf(8)
    (-erfcx_skew(x), 0.47389567)
    """

    nargs = 1
    row = Operation(arrays.erfcx_curvature, written=lambda x: _written_curvature(x), points=Points())

    def fdiff(self, argindex: int = 1) -> Expr:
        return -erfcx_skew(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        rate = erfcx_rate.value(mp, x)
        if x > FAR:
            return rate * (_fraction(mp, x, 2) - rate)
        if x < -FAR:
            return mp.mpf(2)  # to more digits than any that are asked for
        return 2 - 2 * rate / (mp.sqrt(mp.pi) * erfcx.value(mp, x))


FAR = 1000
"""Beyond, the oracle takes erfcx and its kin from their continued fraction."""


def _fraction(mp: Any, x: Any, first: int) -> Any:
    """2n/(2x + 2(n + 1)/(2x + …)) from n = first (Abramowitz, Stegun 1964, 7.1.14): four digits a term beyond FAR."""
    return reduce(lambda value, n: 2 * n / (2 * x + value), range(mp.dps // 4 + 8, first - 1, -1), mp.mpf(0))


TAIL = 2
"""Where exp(x²)·erfc(x) gives way to its continued fraction: before, it and its kin are within 10⁻¹³."""
FRACTION_TERMS = 50
"""Of the continued fraction: 3·10⁻¹⁶ at TAIL, and less beyond."""


def _written_fraction(x: Expr, first: int) -> Expr:
    """2n/(2x + 2(n + 1)/(2x + …)) from n = first, the rest of it as if it did not depend on n any more."""
    value = sqrt(x**2 + 2 * FRACTION_TERMS + 2) - x
    for n in range(FRACTION_TERMS, first - 1, -1):
        value = 2 * n / (2 * x + value)
    return value


def _written_erfc(x: Expr) -> Expr:
    return 2 * normal_cdf(-sqrt(2) * x)  # which SymPy does not turn into 2 − erfc(−x)


def _written_hazard(x: Expr) -> Expr:
    return 2 * exp(-(x**2)) / (sqrt(pi) * _written_erfc(x))


def _written_erfcx(x: Expr) -> Expr:
    far = 2 / (sqrt(pi) * (2 * x + _written_fraction(x, 1)))
    return select(x - TAIL, far, exp(x**2) * _written_erfc(x))


def _written_rate(x: Expr) -> Expr:
    return select(x - TAIL, _written_fraction(x, 1), _written_hazard(x) - 2 * x)


def _written_curvature(x: Expr) -> Expr:
    far, near = _written_fraction(x, 1), _written_hazard(x)
    return select(x - TAIL, far * (_written_fraction(x, 2) - far), 2 - near * (near - 2 * x))


class erfcinv(Primitive):  # noqa: N801
    """The w at which erfc(w) is x, without the cancellation of erfinv(1 − x) for a small x.

    >>> erfcinv("x").diff("x"), erfcinv(0.5).evalf(8)
    (erfcinv_slope(x), 0.47693628)
    """

    nargs = 1
    row = Operation(
        to_first_order(lambda s, x: s.erfcinv(x), slope_of_erfcinv),
        "special.erfcinv",
        "special.erfcinv",
        calls=("erfcinv",),
        points=Points((0.03, 0.4, 1.3, 1.96), (1e-17, 1.0, 3.0, -1.0, *NAN)),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return erfcinv_slope(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x == 0 or x == 2:
            return mp.inf if x == 0 else -mp.inf
        if not 0 < x < 2:
            return mp.nan
        with mp.workprec(mp.prec + 8 + max(0, -int(mp.mag(x)))):  # as many bits more as 1 − x loses
            found = mp.erfinv(1 - x)
        return +found


class erfc_pair(Composite):  # noqa: N801
    """erfc(x)·erfc(−x) = 1 − erf²(x), with derivative −4/√π·erf(x)·exp(−x²).

    >>> erfc_pair("x").diff("x"), erfc_pair(0.5).evalf(8)
    (-4*exp(-x**2)*erf(x)/sqrt(pi), 0.72907988)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 4 * normal_cdf(sqrt(2) * x) * normal_cdf(-sqrt(2) * x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -4 / sqrt(pi) * sympy.erf(x) * exp(-(x**2)) * x.diff(symbol)


class log_erfc_pair(Composite):  # noqa: N801
    """log(1 − erf²(x)) = log erfc(|x|) + log(1 + erf|x|), also where erf is ±1; log1p(−erf²(x)) where that is small.

    >>> log_erfc_pair(0.5).evalf(8)
    -0.31597198
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        size = absolute(x)
        far = log_erfc(size) + log1p(sympy.erf(size))
        return select(size - Rational(1, 2), far, log1p(-(sympy.erf(x) ** 2)))


class inverse_erfcx(Composite):  # noqa: N801
    """1/erfcx(x), √π/2 times the hazard of the normal distribution, with derivative inverse_erfcx(x)·erfcx_rate(x).

    >>> inverse_erfcx("x").diff("x"), inverse_erfcx(0.5).evalf(8)
    (inverse_erfcx_slope(x), 1.6241931)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / erfcx(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return inverse_erfcx_slope(self.args[0]) * self.args[0].diff(symbol)


class inverse_erfcx_slope(Composite):  # noqa: N801
    """The derivative of 1/erfcx(x), between 0 and √π. Its own is a multiple of erfcx_skew, as erfcx_rate is one of
    1/erfcx(x) but for −2x.

    >>> inverse_erfcx_slope("x").diff("x"), inverse_erfcx_slope(0.5).evalf(8)
    (sqrt(pi)*erfcx_skew(x)/2, 1.3524747)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return erfcx_rate(x) / erfcx(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return sqrt(pi) / 2 * erfcx_skew(self.args[0]) * self.args[0].diff(symbol)


class erfcx_skew(Approximation):  # noqa: N801
    """−d³/dx³ log erfcx(x) = 2/(√π·erfcx)·(rate² − curvature), which cancels for large x, where it is 2/x³.

    It is 2·√2·E[(Z − E[Z | Z > u])³ | Z > u] of a standard normal Z, u = √2·x: positive.

    >>> erfcx_skew(0.5).evalf(8)
    0.40228441
    """

    nargs = 1
    row = Operation(points=Points())

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        slope = inverse_erfcx_slope(x)
        near = 2 / sqrt(pi) * (slope * erfcx_rate(x) - erfcx_curvature(x) / erfcx(x))
        return select(x - FITTED, erfcx_rate_derivative(2, x), near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        rate, slope = erfcx_rate(x), inverse_erfcx_slope(x)
        near = 2 / sqrt(pi) * (slope * (rate**2 - 3 * erfcx_curvature(x)) + self / erfcx(x))
        return select(x - FITTED, erfcx_rate_derivative(3, x), near) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return erfcx_rate_derivative.value(mp, 2, x)


class erfcx_rate_derivative(Approximation):  # noqa: N801
    """The n-th derivative of erfcx_rate(x), n ≥ 2, for x ≥ FITTED: a polynomial in t = (x − K)/(x + K) over (x + K)ⁿ⁺¹.

    A rounding of the rate grows by 2/(√π·erfcx) > 2x with every derivative that is made of those before. Of the
    polynomial the next derivative is known, for t' = (1 − t)/(x + K): to 3·10⁻¹⁹ up to n = 4, 5·10⁻¹⁷ for n = 5.
    """

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        inverse = 1 / (x + MIDDLE)
        return inverse ** (order + 1) * horner(_fitted(int(order)), 1 - 2 * MIDDLE * inverse)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        order, x = self.args
        return self.func(order + 1, x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        if not mp.isfinite(x) or x < -FAR:
            return x if x != x else mp.mpf(0)  # below any float
        n = int(order)
        with mp.workprec(mp.prec + 16 + 2 * (n + 2) * int(mp.mag(1 + abs(x)))):
            rates = [erfcx_rate.value(mp, x)]
            hazards = [rates[0] + 2 * x if x > FAR else 2 / (mp.sqrt(mp.pi) * erfcx.value(mp, x))]
            for k in range(n):  # hazard = rate + 2x, hazard' = hazard·rate
                hazards.append(sum(mp.binomial(k, j) * hazards[j] * rates[k - j] for j in range(k + 1)))
                rates.append(hazards[-1] - (0 if k else 2))
        return +rates[n]


FITTED, MIDDLE = 1, 3
"""From where on the polynomial holds, and its K: before, what is made of the rate keeps 12 digits."""


@lru_cache(maxsize=16)
def _fitted(order: int) -> tuple[Expr, ...]:
    """The coefficients of (x + K)ⁿ⁺¹ times the n-th derivative of the rate."""
    if order == 2:
        return tuple(Rational(c, 10**20) for c in FITTED_TO_SECOND)
    before = _fitted(order - 1)
    raised = [*[k * c for k, c in enumerate(before)][1:], Integer(0)]
    return tuple(rise - (k + order) * c for k, (c, rise) in enumerate(zip(before, raised)))


# fmt: off
FITTED_TO_SECOND = (
    960581176705401845910, -1327593256301699793673, 389152109747885236427, 707216291857244735929,
    -725194076384873141480, -20673471590180115297, 428407664425596563948, -186758528077031505282,
    -141898746707127272893, 146472788832766884250, 13981526565029572687, -70295779632792811183, 16088753497852659712,
    24129778795197493870, -13264919914281795483, -5458153432125719414, 6342954183288393881, 170171283838482555,
    -2216400919588988123, 594406932143176659, 551611122125878995, -378239714535905523, -59980830356766146,
    153230274061594927, -30192554709713723, -45652817066414594, 24734191075042045, 8704207366832575,
    -10791158871198634, 472806434760579, 2979499244137597, -1174350344026119, -178609355643006, 253385667118020,
    -72759099742541, 7441820142550,
)
# fmt: on
"""10²⁰ times those of the second derivative, which agree with it at 36 Chebyshev points of t from FITTED on: 10⁻²⁰."""


class erfcx_line(Composite):  # noqa: N801
    """x·erfcx(x), which rises to 1/√π, with derivative erfcx·(rate² + curvature)/2: no difference, as its own is.

    >>> erfcx_line("x").diff("x"), erfcx_line(0.5).evalf(8)
    ((erfcx_curvature(x) + erfcx_rate(x)**2)*erfcx(x)/2, 0.30784517)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return x * erfcx(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return (erfcx_rate(x) ** 2 + erfcx_curvature(x)) * erfcx(x) / 2 * x.diff(symbol)


class log_erfc(Composite):  # noqa: N801
    """log erfc(x) = log erfcx(x) − x², with derivative −2/(√π·erfcx(x)); log1p(−erf(x)) where that is small.

    >>> log_erfc("x").diff("x"), log_erfc(0.5).evalf(8)
    (-2*inverse_erfcx(x)/sqrt(pi), -0.73501113)
    """

    nargs = 1
    row = Operation(points=Points())

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return select(x - Rational(1, 2), log(erfcx(x)) - x**2, log1p(-sympy.erf(x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -2 / sqrt(pi) * inverse_erfcx(x) * x.diff(symbol)


class log_erfcx(Composite):  # noqa: N801
    """log erfcx(x), which is x² + log erfc(x) where erfcx is out of range, with derivative −erfcx_rate(x).

    >>> log_erfcx("x").diff("x"), log_erfcx(0.5).evalf(8)
    (-erfcx_rate(x), -0.48501113)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return select(x + 1, log(erfcx(x)), log(_written_erfc(x)) + x**2)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -erfcx_rate(x) * x.diff(symbol)


class log_normal_cdf(Composite):  # noqa: N801
    """log Φ(x) = log(erfcx(−x/√2)/2) − x²/2, with derivative φ(x)/Φ(x); log1p(−Φ(−x)) where that is small.

    >>> log_normal_cdf("x").diff("x"), log_normal_cdf(0.5).evalf(8)
    (sqrt(2)*inverse_erfcx(-sqrt(2)*x/2)/sqrt(pi), -0.36894642)
    """

    nargs = 1
    row = Operation(points=Points())

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        tail = log(erfcx(-x / sqrt(2)) / 2) - x**2 / 2
        return select(-1 - x, tail, log1p(-normal_cdf(-x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return sqrt(2 / pi) * inverse_erfcx(-x / sqrt(2)) * x.diff(symbol)


class erf_difference(Composite):  # noqa: N801
    """erf(x) − erf(y), also where both are 1 or −1 in floating point."""

    nargs = 2

    @classmethod
    def formula(cls, x: Expr, y: Expr) -> Expr:
        upper, lower, inside = _upper_tail(x, y)
        beyond = _written_erfc(lower) - _written_erfc(upper)
        return select(inside, beyond, sympy.erf(x) - sympy.erf(y))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, y = self.args
        return 2 / sqrt(pi) * (exp(-(x**2)) * x.diff(symbol) - exp(-(y**2)) * y.diff(symbol))


class log_erf_difference(Composite):  # noqa: N801
    """log(erf(x) − erf(y)) for x > y, in a tail as −b² + log(erfcx(b) − exp(b² − a²)·erfcx(a)), 0 < b < a."""

    nargs = 2

    @classmethod
    def formula(cls, x: Expr, y: Expr) -> Expr:
        upper, lower, inside = _upper_tail(x, y)
        return select(inside, log(_scaled_difference(upper, lower)) - lower**2, log(sympy.erf(x) - sympy.erf(y)))


def _upper_tail(x: Expr, y: Expr) -> tuple[Expr, Expr, Expr]:
    """a and b with erf(a) − erf(b) = erf(x) − erf(y), above 0 if x and y have one sign, and whether they have."""
    below = minimum(-x, -y)
    return select(below, -y, x), select(below, -x, y), maximum(minimum(x, y), below)


def _scaled_difference(a: Expr, b: Expr) -> Expr:
    """exp(b²)·(erfc(b) − erfc(a)) for 0 < b < a."""
    return erfcx(b) - exp((b - a) * (b + a)) * erfcx(a)


class erfcinv_slope(Composite):  # noqa: N801
    """−√π/2·exp(w²) of w = erfcinv(x), its derivative 2·w times its square.

    exp(w²) is erfcx(w)/x: the square would amplify the error of w, 1,400-fold at x = 1e-300.

    >>> erfcinv_slope("x").diff("x"), erfcinv_slope(0.5).evalf(8)
    (2*erfcinv(x)*erfcinv_slope(x)**2, -1.1125848)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        w = erfcinv(x)
        return -sqrt(pi) / 2 * select(x, erfcx(w) / x, exp(w**2))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return 2 * erfcinv(x) * self**2 * x.diff(symbol)
