"""Special functions: those of SymPy that are let in as they are, and those whose derivatives need a form of their own.

Each family is closed under differentiation: a Bessel function has those of the neighbouring orders as its derivative,
log Γ the polygamma functions, sinc the spherical Bessel functions. By an order there is no derivative; by the first
argument of an incomplete gamma function there is one, and none of that by it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import sympy
from sympy import Add, Expr, Integer, Mul, Number, Rational, cos, exp, gamma, pi, polygamma, sin
from sympy.core.basic import Basic
from sympy.core.function import ArgumentIndexError

from codegen.functions import special_arrays as arrays
from codegen.functions.arrays import Function
from codegen.functions.borrowed import BORROWED
from codegen.functions.densities import gamma_density
from codegen.functions.digamma import digamma_quotient, slope_of_quotient
from codegen.functions.exponentials import exponential_over
from codegen.functions.gamma_slope import slope_by_shape
from codegen.functions.kinks import absolute, floor, maximum, minimum, select
from codegen.functions.operation import EXPONENTIAL, LARGE, NAN, Ends, Operation, Points
from codegen.functions.primitive import Composite, Primitive
from codegen.functions.special_arrays import BRANCH_POINT, to_first_order
from codegen.walk import rewrite

__all__ = [
    "CANONICAL",
    "ORDERS",
    "SYMPY_FUNCTIONS",
    "WRITTEN",
    "Bessel",
    "as_written",
    "besseli",
    "besselj",
    "besselk",
    "bessely",
    "beta",
    "beta_crossing",
    "binomial",
    "binomial_crossing",
    "exponential_integral",
    "hyperbolic_sine_integral",
    "lambert_w",
    "lower_lambert_w",
    "modified_spherical_bessel",
    "reciprocal_gamma",
    "reciprocal_gamma_crossing",
    "regular_digamma",
    "regularised_gamma_slope",
    "regularised_lower_gamma",
    "regularised_upper_gamma",
    "scaled_bessel",
    "share_of_odds",
    "sinc",
    "sine_integral",
    "spherical_bessel",
    "wright_omega",
    "written_name",
]


def _row(array: Function, name: str, *calls: str, numpy: str = "", **more: Any) -> Operation:
    """Readable code calls a function by our name, plain NumPy one of SciPy."""
    return Operation(array, f"special.{name}", numpy or f"special.{name}", calls=calls, **more)


def _pole(x: str) -> str:
    """The text that asks whether it is a pole of the gamma function."""
    return f"(({x} <= 0) & ({x} == np.floor({x})))"


class sinc(Primitive):  # noqa: N801 - functions keep their mathematical names
    """sin(x)/x, and 1 at 0, with derivative −j₁(x), which does not cancel near 0 as (cos x − sinc x)/x does."""

    nargs = 1
    row = _row(
        to_first_order(lambda s, x: arrays.spherical_bessel(s, 0, x), lambda s, x: -arrays.spherical_bessel(s, 1, x)),
        "sinc",
        numpy="special.spherical_jn(0, {0})",
        points=Points(special=(0.0, 1e-8, *LARGE, *NAN)),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return -spherical_bessel(Integer(1), self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.mpf(0) if mp.isinf(x) else mp.sinc(x) if x == x else x


class spherical_bessel(Primitive):  # noqa: N801
    """jₙ(x) = √(π/2x)·Jₙ₊½(x) for whole n ≥ 0, with jₙ' = (n·jₙ₋₁ − (n + 1)·jₙ₊₁)/(2n + 1)."""

    nargs = 2
    row = _row(
        to_first_order(arrays.spherical_bessel, arrays.spherical_slope(arrays.spherical_bessel, -1)),
        "spherical_bessel",
        "jv",
        numpy="special.spherical_jn",
    )

    @classmethod
    def eval(cls, n: Expr, x: Expr) -> Expr | None:
        return sinc(x) if n == 0 else None

    def fdiff(self, argindex: int = 2) -> Expr:
        n, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        return (n * spherical_bessel(n - 1, x) - (n + 1) * spherical_bessel(n + 1, x)) / (2 * n + 1)

    @staticmethod
    def value(mp: Any, n: Any, x: Any) -> Any:
        if x == 0 or mp.isinf(x) or x != x:
            return x if x != x else mp.mpf(0)
        size = mp.sqrt(mp.pi / 2 / abs(x)) * mp.besselj(n + mp.mpf(1) / 2, abs(x))
        return -size if x < 0 and n % 2 else size


class modified_spherical_bessel(Primitive):  # noqa: N801
    """iₙ(x) = √(π/2x)·Iₙ₊½(x) for whole n ≥ 0, i₀ = sinh(x)/x, with iₙ' = (n·iₙ₋₁ + (n + 1)·iₙ₊₁)/(2n + 1)."""

    nargs = 2
    row = _row(
        to_first_order(arrays.modified_spherical_bessel, arrays.spherical_slope(arrays.modified_spherical_bessel, 1)),
        "modified_spherical_bessel",
        "ive",
        numpy="special.spherical_in",
    )

    def fdiff(self, argindex: int = 2) -> Expr:
        n, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        above = (n + 1) * modified_spherical_bessel(n + 1, x)
        return (above + (n * modified_spherical_bessel(n - 1, x) if n != 0 else 0)) / (2 * n + 1)

    @staticmethod
    def value(mp: Any, n: Any, x: Any) -> Any:
        if x == 0 or x != x:
            return x if x != x else mp.mpf(n == 0)
        size = mp.sqrt(mp.pi / 2 / abs(x)) * mp.besseli(n + mp.mpf(1) / 2, abs(x)) if not mp.isinf(x) else mp.inf
        return -size if x < 0 and n % 2 else size


class sine_integral(Primitive):  # noqa: N801
    """Si(x), the integral of sinc from 0 to x; SymPy's derivative sin(x)/x is nan at 0."""

    nargs = 1
    row = _row(
        to_first_order(lambda s, x: s.sici(x)[0], lambda s, x: arrays.spherical_bessel(s, 0, x)),
        "sine_integral",
        "sici",
        numpy="special.sici({0})[0]",
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return sinc(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.si(x) if x == x else x


class exponential_integral(Primitive):  # noqa: N801
    """Ei(x), with a derivative that is in range up to 716; SymPy's exp(x)/x is not from 710 on, and its own is nan."""

    nargs = 1
    row = _row(
        to_first_order(lambda s, x: s.expi(x), lambda s, x: np.exp(x) / x),
        "exponential_integral",
        "expi",
        numpy="special.expi",
        mpmath="ei",
        ends=Ends("0", "inf", poles={0: "-inf"}, limit=EXPONENTIAL),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return exponential_over(0, self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.ei(x)


class hyperbolic_sine_integral(Primitive):  # noqa: N801
    """Shi(x), the integral of sinh(t)/t from 0 to x; SymPy's derivative sinh(x)/x is nan at 0."""

    nargs = 1
    row = _row(
        to_first_order(lambda s, x: s.shichi(x)[0], lambda s, x: arrays.modified_spherical_bessel(s, 0, x)),
        "hyperbolic_sine_integral",
        "shichi",
        numpy="special.shichi({0})[0]",
        mpmath="shi",
        ends=Ends("-inf", "inf", limit=EXPONENTIAL),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return modified_spherical_bessel(Integer(0), self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.shi(x) if mp.isfinite(x) else x


class Bessel(Primitive):
    """A Bessel function of real order ν, whose derivative is half a sum of those of the orders ν − 1 and ν + 1.

    It is real for x > 0, and for x < 0 if the order is whole, J and I then only.
    """

    nargs = 2
    before: int
    after: int
    """The factors of its neighbours."""

    def fdiff(self, argindex: int = 2) -> Expr:
        order, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        kind = type(self)
        return (self.before * kind(order - 1, x) + self.after * kind(order + 1, x)) / 2


class besselj(Bessel):  # noqa: N801
    """J_ν(x)."""

    row = _row(arrays.bessel("j", 0.5, -0.5), "besselj", "j0", "j1", "jv", numpy="special.jv")

    before, after = 1, -1

    @classmethod
    def eval(cls, order: Expr, x: Expr) -> Expr | None:
        return (-1) ** order * cls(-order, x) if isinstance(order, Integer) and order < 0 else None

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        return _real_order(mp, order, x, lambda size: mp.mpf(0) if mp.isinf(size) else mp.besselj(order, size))


class bessely(Bessel):  # noqa: N801
    """Y_ν(x) for x > 0."""

    row = _row(arrays.bessel("y", 0.5, -0.5), "bessely", "y0", "y1", "yv", numpy="special.yv")

    before, after = 1, -1

    @classmethod
    def eval(cls, order: Expr, x: Expr) -> Expr | None:
        """Of a negative order J and Y of the positive one: SciPy's is inf where Y_ν overflows and Y₋ν does not."""
        if not (isinstance(order, Number) and order < 0):
            return None
        turn = -order * pi
        return cos(turn) * cls(-order, x) + (0 if isinstance(order, Integer) else sin(turn) * besselj(-order, x))

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        if x == 0:
            return -mp.inf if order >= 0 else mp.nan
        if x == mp.inf:
            return mp.mpf(0)
        return mp.bessely(order, x) if x > 0 else mp.nan


class besseli(Bessel):  # noqa: N801
    """I_ν(x)."""

    row = _row(arrays.bessel("i", 0.5, 0.5), "besseli", "i0", "i1", "iv", numpy="special.iv")

    before, after = 1, 1

    @classmethod
    def eval(cls, order: Expr, x: Expr) -> Expr | None:
        return cls(-order, x) if isinstance(order, Integer) and order < 0 else None

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        def value(size: Any) -> Any:
            return mp.besseli(order, size) if size < FAR else mp.inf

        return _real_order(mp, order, x, value)


class besselk(Bessel):  # noqa: N801
    """K_ν(x) = K₋ν(x) for x > 0."""

    row = _row(arrays.bessel("k", -0.5, -0.5), "besselk", "k0", "k1", "kv", numpy="special.kv")

    before, after = -1, -1

    @classmethod
    def eval(cls, order: Expr, x: Expr) -> Expr | None:
        return cls(-order, x) if isinstance(order, Number) and order < 0 else None

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        if x == 0:
            return mp.inf
        if x == mp.inf:
            return mp.mpf(0)
        return mp.besselk(order, x) if x > 0 else mp.nan


FAR = 10**6
"""From here on I_ν(x) is taken for infinite."""


def _real_order(mp: Any, order: Any, x: Any, value: Callable[[Any], Any]) -> Any:
    """J or I: odd or even for a whole order, otherwise real for x > 0 only; at 0 as xᵛ/Γ(ν + 1) has it."""
    if x != x or order != order:
        return mp.nan
    whole = mp.isint(order)
    if x == 0:
        if order == 0:
            return mp.mpf(1)
        return mp.mpf(0) if order > 0 or whole else mp.inf * mp.sign(mp.gamma(order + 1))
    if x < 0 and not whole:
        return mp.nan
    return value(abs(x)) * (-1 if x < 0 and order % 2 else 1)


class lambert_w(Primitive):  # noqa: N801
    """W(x) ≥ −1 with W·exp(W) = x, for x ≥ −1/e, with derivative exp(−W)/(1 + W); SymPy's W/(x·(1 + W)) is nan at 0."""

    nargs = 1
    row = _row(
        to_first_order(arrays.lambert_w(0), arrays.slope_of_lambert_w(0)),
        "lambert_w",
        numpy=f"np.where({{0}} < {BRANCH_POINT}, np.nan, np.real(special.lambertw({{0}})))",
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(-self) / (1 + self)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if mp.isinf(x) and x > 0:
            return x
        return _lambert_w(mp, x, 0) if x >= BRANCH_POINT else mp.nan


class lower_lambert_w(lambert_w):  # noqa: N801
    """W₋₁(x) ≤ −1 with W·exp(W) = x, for −1/e ≤ x < 0."""

    row = _row(
        to_first_order(arrays.lambert_w(-1), arrays.slope_of_lambert_w(-1)),
        "lower_lambert_w",
        numpy=f"np.where(({{0}} < {BRANCH_POINT}) | ({{0}} > 0), np.nan, np.real(special.lambertw({{0}}, -1)))",
    )

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x == 0:
            return -mp.inf
        return _lambert_w(mp, x, -1) if BRANCH_POINT <= x < 0 else mp.nan


def _lambert_w(mp: Any, x: Any, branch: int) -> Any:
    return mp.lambertw(x, branch).real if x != BRANCH_POINT else mp.mpf(-1)


class wright_omega(Primitive):  # noqa: N801
    """ω(x) = W(exp(x)), the ω > 0 with ω + log ω = x, where exp(x) is out of range too; its derivative is ω/(1 + ω)."""

    nargs = 1
    row = _row(
        to_first_order(lambda s, x: s.wrightomega(x), lambda s, x: s.wrightomega(x) / (1 + s.wrightomega(x))),
        "wright_omega",
        numpy="special.wrightomega",
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return share_of_odds(self)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x != x or x == mp.inf:
            return x
        if x <= SERIES_FROM:
            return mp.lambertw(mp.exp(x)).real
        w = x - mp.log(x)
        for _ in range(STEPS):
            w -= (w + mp.log(w) - x) / (1 + 1 / w)
        return w


class share_of_odds(Composite):  # noqa: N801
    """w/(1 + w), with derivative (1 + w)⁻², which does not cancel for large w."""

    nargs = 1

    @classmethod
    def formula(cls, w: Expr) -> Expr:
        return w / (1 + w)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (w,) = self.args
        return (1 + w) ** -2 * w.diff(symbol)


class scaled_bessel(Primitive):  # noqa: N801
    """exp(−|x|)·Iₙ(x), which falls as 1/√(2π·|x|) where Iₙ is out of range."""

    nargs = 2
    row = _row(
        to_first_order(
            lambda s, n, x: s.ive(n, x),
            lambda s, n, x: (s.ive(abs(n - 1), x) + s.ive(n + 1, x)) / 2 - np.sign(x) * s.ive(n, x),
        ),
        "scaled_bessel",
        "i0e",
        "i1e",
        "ive",
        numpy="special.ive",
    )

    def fdiff(self, argindex: int = 2) -> Expr:
        n, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        neighbours = scaled_bessel(abs(n - 1), x) + scaled_bessel(n + 1, x)
        return neighbours / 2 - sympy.sign(x) * self

    @staticmethod
    def value(mp: Any, n: Any, x: Any) -> Any:
        size = decayed_bessel(mp, n, abs(x))
        return -size if x < 0 and n % 2 else size


def decayed_bessel(mp: Any, order: Any, x: Any) -> Any:
    """exp(−x)·I(x) of an order for x ≥ 0, beyond SERIES_FROM by Hankel's series (Abramowitz, Stegun 1964, 9.7.1)."""
    if x != x or mp.isinf(x):
        return 1 / x
    if x <= SERIES_FROM:
        return mp.besseli(order, x) * mp.exp(-x)
    term = total = mp.mpf(1)
    for k in range(1, mp.dps + 10):
        term *= ((2 * k - 1) ** 2 - 4 * order**2) / (8 * k * x)
        total += term
    return total / mp.sqrt(2 * mp.pi * x)


SERIES_FROM = 1000
"""Beyond, the oracle takes ω by Newton's method and Iₙ from a series, of which each term gives a digit and more."""
STEPS = 12
"""Of Newton's method, from a start with three digits: 10⁴ digits."""


class regularised_lower_gamma(Primitive):  # noqa: N801
    """P(a, x) = ∫₀ˣ tᵃ⁻¹·exp(−t) dt/Γ(a) for a > 0 and x ≥ 0."""

    nargs = 2
    row = _row(
        to_first_order(lambda s, a, x: s.gammainc(a, x), slope_by_shape, arrays.density),
        "regularised_lower_gamma",
        "gammainc",
        numpy="special.gammainc",
    )
    _direction = 1

    def fdiff(self, argindex: int = 2) -> Expr:
        a, x = self.args
        return self._direction * (regularised_gamma_slope if argindex == 1 else gamma_density)(a, x)

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return mp.gammainc(a, 0, x, regularized=True) if a > 0 and x >= 0 else mp.nan


class regularised_upper_gamma(regularised_lower_gamma):  # noqa: N801
    """Q(a, x) = 1 − P(a, x), without cancellation."""

    row = _row(
        to_first_order(
            lambda s, a, x: s.gammaincc(a, x),
            lambda s, a, x: -slope_by_shape(s, a, x),
            lambda s, a, x: -arrays.density(s, a, x),
        ),
        "regularised_upper_gamma",
        "gammaincc",
        numpy="special.gammaincc",
    )

    _direction = -1

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return mp.gammainc(a, x, mp.inf, regularized=True) if a > 0 and x >= 0 else mp.nan


class regularised_gamma_slope(Primitive):  # noqa: N801
    """∂P(a, x)/∂a for a > 0 and x ≥ 0; by a there is no derivative of it here."""

    nargs = 2
    row = Operation(
        to_first_order(slope_by_shape, lambda s, a, x: arrays.density(s, a, x) * (np.log(x) - s.digamma(a))),
        "special.regularised_gamma_slope",
        calls=(),
    )

    def fdiff(self, argindex: int = 2) -> Expr:
        a, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        return gamma_density(a, x).by_shape()

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        if not (a > 0 and x >= 0):
            return mp.nan
        if not x or mp.isinf(x):
            return mp.mpf(0)
        if x < a:
            return mp.diff(lambda shape: mp.gammainc(shape, 0, x, regularized=True), a)
        return -mp.diff(lambda shape: mp.gammainc(shape, x, mp.inf, regularized=True), a)


class regular_digamma(Composite):  # noqa: N801
    """ψ(x); at a pole what is left of it without −π·cot(πx), ψ(1 − x)."""

    nargs = 1

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        return polygamma(0, 1 - x if isinstance(x, Integer) and x <= 0 else x) if isinstance(x, Number) else None

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return polygamma(0, _at_pole(x, 1 - x, x))


class reciprocal_gamma(Primitive):  # noqa: N801
    """1/Γ(x), which is 0 at the poles of Γ and smooth there, where −ψ/Γ is nan."""

    nargs = 1
    row = _row(
        to_first_order(lambda s, x: s.rgamma(x), arrays.slope_of_reciprocal_gamma),
        "reciprocal_gamma",
        numpy="special.rgamma",
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        # Left of ½ of Γ(1 − x)·sin(π·x)/π: near a pole of ψ nothing is left of the digits of −ψ(x)/Γ(x).
        (x,) = self.args
        left = Rational(1, 2) - x
        crossing = select(left, gamma(select(left, 1 - x, Integer(1))) * cos(pi * x), Integer(0))
        return crossing - self * polygamma(0, select(left, 1 - x, x))

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.mpf(0) if _is_pole(mp, x) else 1 / mp.gamma(x)


class reciprocal_gamma_crossing(Primitive):  # noqa: N801
    """(−1)ˣ·Γ(1 − x), the slope of 1/Γ, at the poles of Γ, where 1/Γ crosses 0; 0 elsewhere."""

    nargs = 1
    row = _row(
        to_first_order(arrays.crossing, lambda s, x: -arrays.crossing(s, x) * arrays.regular_digamma(s, x)),
        "reciprocal_gamma_crossing",
        numpy=f"np.where({_pole('{0}')}, np.cos(np.pi*{{0}})*special.gamma(1 - {{0}}), 0.0)",
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return -self * regular_digamma(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return (-1) ** int(x) * mp.gamma(1 - x) if _is_pole(mp, x) else mp.mpf(0)


class beta(Primitive):  # noqa: N801
    """B(a, b) = Γ(a)·Γ(b)/Γ(a + b), which crosses 0 where a + b is a pole of Γ."""

    nargs = 2
    row = _row(
        to_first_order(
            lambda s, a, b: s.beta(a, b),
            lambda s, a, b: (
                s.beta(a, b) * (s.digamma(a) - arrays.regular_digamma(s, a + b)) + arrays.beta_crossing(s, a, b)
            ),
            lambda s, a, b: (
                s.beta(a, b) * (s.digamma(b) - arrays.regular_digamma(s, a + b)) + arrays.beta_crossing(s, a, b)
            ),
        ),
        "beta",
        "beta",
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        a, b = self.args
        own, total = polygamma(0, self.args[argindex - 1]), a + b
        anywhere = self * (own - regular_digamma(total)) + beta_crossing(a, b)
        # Beside a pole of ψ(a + b) by the reflection of Γ(a + b), as the slope of 1/Γ: the second derivatives of
        # B·ψ(a + b) are differences of what is large there.
        turned = _turned(total)
        size = gamma(a) * gamma(b) * gamma(turned)
        crossing = self * (own - polygamma(0, turned)) + size * cos(pi * total)
        # Beside a pole of ψ(a) too both are reflected: cot πa − cot π(a + b) is sin πb/(sin πa·sin π(a + b)).
        x, other = self.args[argindex - 1], self.args[2 - argindex]
        share = size * _sine(other) * cos(pi * (_nearest(other) - _nearest(x))) / _sine(x)
        together = self * (polygamma(0, _turned(x)) - polygamma(0, turned)) - share
        near = _is_beside(total, a, b)
        elsewhere = select(near, select(_is_beside(x), together, crossing), anywhere)
        positive = minimum(a, b)
        inside = beta_slope(*[select(positive, argument, Integer(1)) for argument in (x, other)])
        return select(positive, inside, elsewhere)

    @staticmethod
    def value(mp: Any, a: Any, b: Any) -> Any:
        return mp.beta(a, b)


class beta_slope(Composite):  # noqa: N801
    """∂B(a, b)/∂a = −B(a, b)·(ψ(a + b) − ψ(a)) for a, b > 0."""

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, b: Expr) -> Expr:
        return -b * digamma_quotient(a, b) * beta(a, b)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        a, b = self.args
        by_a = b * beta(a, b) * (b * digamma_quotient(a, b) ** 2 - slope_of_quotient(0, a, b))
        return by_a * a.diff(symbol) + beta_mixed(a, b) * b.diff(symbol)


class beta_mixed(Composite):  # noqa: N801
    """∂²B(a, b)/∂a∂b for a, b > 0.

    With s, the smaller one, ∂B/∂l is −(s + l)·B(s + 1, l)·(ψ(l + s) − ψ(l))/s, of which no factor is large at s = 0.
    """

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, b: Expr) -> Expr:
        s, larger = minimum(a, b), maximum(a, b)
        quotient, other = digamma_quotient(larger, s), larger * digamma_quotient(s + 1, larger)
        by_s = quotient * (1 - (s + larger) * other) + (s + larger) * slope_of_quotient(1, larger, s)
        return -beta(s + 1, larger) * by_s


class beta_crossing(Primitive):  # noqa: N801
    """Γ(a)·Γ(b)·Γ(1 − a − b)·(−1)ᵃ⁺ᵇ, the slope of B, where a + b is a pole of Γ; 0 elsewhere."""

    nargs = 2
    row = _row(
        to_first_order(
            arrays.beta_crossing,
            lambda s, a, b: arrays.beta_crossing(s, a, b) * (s.digamma(a) - arrays.regular_digamma(s, a + b)),
            lambda s, a, b: arrays.beta_crossing(s, a, b) * (s.digamma(b) - arrays.regular_digamma(s, a + b)),
        ),
        "beta_crossing",
        numpy=(
            f"np.where({_pole('({0} + {1})')}, "
            "np.cos(np.pi*({0} + {1}))*special.gamma({0})*special.gamma({1})*special.gamma(1 - {0} - {1}), 0.0)"
        ),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return self * (polygamma(0, self.args[argindex - 1]) - regular_digamma(Add(*self.args)))

    @staticmethod
    def value(mp: Any, a: Any, b: Any) -> Any:
        return mp.gamma(a) * mp.gamma(b) * reciprocal_gamma_crossing.value(mp, a + b)


IN_RANGE = 80
"""Up to here products of Γ(a), Γ(b) and Γ(1 − a − b) are, and so are their reciprocals."""
BESIDE = Rational(1, 8)
"""How far from a pole of Γ its reflection is taken."""
WRITTEN_OUT = 12
"""Up to this k the binomial coefficient is a product: its second derivative has k³ factors."""


class binomial(Primitive):  # noqa: N801
    """Γ(n + 1)/(Γ(k + 1)·Γ(n − k + 1)); for a small whole k n·(n − 1)·…·(n − k + 1)/k!.

    >>> binomial(sympy.Symbol("n"), Integer(2))
    n*(n - 1)/2
    """

    nargs = 2
    row = _row(
        to_first_order(
            arrays.binomial,
            lambda s, n, k: arrays.binomial(s, n, k) * arrays.by_upper(s, n, k) + arrays.binomial_crossing(s, n, k),
            lambda s, n, k: (
                arrays.binomial(s, n, k) * arrays.by_lower(s, n, k)
                - arrays.binomial_crossing(s, n, k)
                + arrays.binomial_crossing(s, n, n - k)
            ),
        ),
        "binomial",
        "binom",
        numpy=(
            f"np.where({_pole('({0} + 1)')} & ({{1}} >= 0) & ({{1}} == np.floor({{1}})), "
            "np.cos(np.pi*{1})*special.binom({1} - {0} - 1, {1}), special.binom({0}, {1}))"
        ),
    )

    @classmethod
    def eval(cls, n: Expr, k: Expr) -> Expr | None:
        if not (isinstance(k, Integer) and k <= WRITTEN_OUT):
            return None
        return Mul(Rational(1, math.factorial(int(k))), *(n - j for j in range(int(k)))) if k >= 0 else Integer(0)

    def fdiff(self, argindex: int = 1) -> Expr:
        n, k = self.args
        upper, lower, rest = n + 1, k + 1, n - k + 1
        crossing = binomial_crossing(n, k)

        def beside(own: Expr, other: Expr) -> tuple[Expr, Expr, Expr]:
            """Whether ``own`` alone is beside a pole, ψ of its reflection, and the slope of C by 1/Γ(own) there."""
            condition = minimum(_is_beside(own, n, k), -_is_beside(upper))
            turned = _turned(own)
            slope = gamma(upper) * gamma(turned) * cos(pi * own) * reciprocal_gamma(other)
            return condition, polygamma(0, turned), slope

        near, psi, slope = beside(rest, lower)
        if argindex == 1:
            anywhere = self * (regular_digamma(upper) - regular_digamma(rest)) + crossing
            return select(near, self * (regular_digamma(upper) - psi) + slope, anywhere)
        near_lower, psi_lower, slope_lower = beside(lower, rest)
        own = _at_pole(upper, sympy.nan, regular_digamma(rest)) - regular_digamma(lower)
        anywhere = self * own - crossing + binomial_crossing(n, n - k)
        at_lower = self * (regular_digamma(rest) - psi_lower) + slope_lower
        return select(near, self * (psi - regular_digamma(lower)) - slope, select(near_lower, at_lower, anywhere))

    @staticmethod
    def value(mp: Any, n: Any, k: Any) -> Any:
        if _is_pole(mp, n + 1) and not (mp.isint(k) and k >= 0):
            return mp.nan
        return mp.binomial(n, k)


class binomial_crossing(Primitive):  # noqa: N801
    """B(n + 1, k − n)·(−1)ⁿ⁻ᵏ⁺¹, the slope by n, where n − k + 1 is a pole of Γ and n + 1 is none; 0 elsewhere."""

    nargs = 2
    row = _row(
        to_first_order(
            arrays.binomial_crossing,
            lambda s, n, k: arrays.binomial_crossing(s, n, k) * arrays.by_upper(s, n, k),
            lambda s, n, k: arrays.binomial_crossing(s, n, k) * arrays.by_lower(s, n, k),
        ),
        "binomial_crossing",
        "beta",
        numpy=(
            f"np.where({_pole('({0} - {1} + 1)')} & ~{_pole('({0} + 1)')}, "
            "np.cos(np.pi*({0} - {1} + 1))*special.beta({0} + 1, {1} - {0}), 0.0)"
        ),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        n, k = self.args
        if argindex == 1:
            return self * (regular_digamma(n + 1) - regular_digamma(n - k + 1))
        return self * (regular_digamma(n - k + 1) - regular_digamma(k + 1))

    @staticmethod
    def value(mp: Any, n: Any, k: Any) -> Any:
        if not _is_pole(mp, n - k + 1) or _is_pole(mp, n + 1):
            return mp.mpf(0)
        return (-1) ** int(n - k + 1) * mp.beta(n + 1, k - n)


def _at_pole(x: Expr, there: Expr, elsewhere: Expr) -> Expr:
    """One value where x is a pole of Γ, another elsewhere."""
    if isinstance(x, Number):
        return there if isinstance(x, Integer) and x <= 0 else elsewhere
    return sympy.Piecewise((there, sympy.Ne(reciprocal_gamma_crossing(x), 0)), (elsewhere, True))


def _is_beside(x: Expr, *sizes: Expr) -> Expr:
    """Above 0 where x is a pole of Γ or beside one, and numbers are in range."""
    distance = absolute(x - _nearest(x))
    return minimum(Rational(1, 2) - x, BESIDE - distance, *[IN_RANGE - absolute(size) for size in sizes])


def _nearest(x: Expr) -> Expr:
    """The whole number next to x."""
    return floor(x + Rational(1, 2))


def _sine(x: Expr) -> Expr:
    """sin πx but for its sign where the whole number next to x is odd; exact in its relative error beside it."""
    return sin(pi * (x - _nearest(x)))


def _turned(x: Expr) -> Expr:
    """1 − x on the left of ½, where Γ has poles."""
    return select(Rational(1, 2) - x, 1 - x, Integer(1))


def _is_pole(mp: Any, x: Any) -> bool:
    return bool(mp.isfinite(x) and x <= 0 and mp.isint(x))


SYMPY_FUNCTIONS = tuple(kind for kind, row in BORROWED.items() if row.calls is not None)
"""SymPy's own, whose derivatives are right as they are."""


def _incomplete_gamma(regularised: type[regularised_lower_gamma], a: Expr, x: Expr) -> Expr:
    """Γ(a)·P(a, x) or Γ(a)·Q(a, x), which take a > 0; for a number a < 0 from that of a + 1, ±xᵃ·exp(−x) apart."""
    if isinstance(a, Number) and a < 0 and not a.is_integer:
        return (_incomplete_gamma(regularised, a + 1, x) + regularised._direction * x**a * exp(-x)) / a
    return gamma(a) * regularised(a, x)


def without_gamma(product: Mul) -> Expr | None:
    """A product without the factors Γ(x)·(1/Γ(x)), None if it has none: γ(a, x)/Γ(a) is P(a, x), in both tails.

    >>> a, x = sympy.symbols("a x")
    >>> without_gamma(gamma(a) ** 2 * reciprocal_gamma(a) * x)
    x*gamma(a)
    """
    if not any(isinstance(factor, reciprocal_gamma) for factor in product.args):
        return None
    powers = product.as_powers_dict()
    both = [base for base in powers if isinstance(base, gamma) and reciprocal_gamma(*base.args) in powers]
    for base in both:
        inverse = reciprocal_gamma(*base.args)
        product /= (base * inverse) ** min(powers[base], powers[inverse])
    return product if both else None


TWINS: Mapping[type[Basic], type[Expr]] = {
    sympy.beta: beta,
    sympy.binomial: binomial,
    sympy.sinc: sinc,
    sympy.jn: spherical_bessel,
    sympy.besselj: besselj,
    sympy.bessely: bessely,
    sympy.besseli: besseli,
    sympy.besselk: besselk,
    sympy.Ei: exponential_integral,
    sympy.Si: sine_integral,
    sympy.Shi: hyperbolic_sine_integral,
}
"""SymPy's functions, and ours of the same arguments."""

#: Functions that are rewritten on entry.
CANONICAL: Mapping[type[Basic], Callable[..., Expr]] = {
    **TWINS,
    sympy.digamma: lambda x: sympy.polygamma(0, x),
    sympy.trigamma: lambda x: sympy.polygamma(1, x),
    sympy.factorial: lambda x: gamma(x + 1),
    sympy.LambertW: lambda x, branch=0: (lower_lambert_w if branch == -1 else lambert_w)(x),
    sympy.lowergamma: partial(_incomplete_gamma, regularised_lower_gamma),
    sympy.uppergamma: partial(_incomplete_gamma, regularised_upper_gamma),
}

WRITTEN: Mapping[type[Basic], Callable[..., Expr]] = {
    **{ours: theirs for theirs, ours in TWINS.items()},
    reciprocal_gamma: lambda x: 1 / gamma(x),
    lambert_w: sympy.LambertW,
    lower_lambert_w: lambda x: sympy.LambertW(x, -1),
    regularised_lower_gamma: lambda a, x: sympy.lowergamma(a, x, evaluate=False) / gamma(a),
    regularised_upper_gamma: lambda a, x: sympy.uppergamma(a, x, evaluate=False) / gamma(a),
}
"""How a user writes a function that was rewritten on entry, for messages."""


def as_written(expression: Expr) -> Expr:
    """An expression with SymPy's functions in place of those that they were rewritten to.

    >>> a, x = sympy.symbols("a x", positive=True)
    >>> as_written(gamma(a) * regularised_lower_gamma(a, x) + lower_lambert_w(x))
    LambertW(x, -1) + lowergamma(a, x)
    """
    return rewrite(expression, lambda node: WRITTEN[node.func](*node.args) if node.func in WRITTEN else None)


def written_name(node: Basic) -> str:
    """What a user called the function that a node applies.

    >>> a, x = sympy.symbols("a x", positive=True)
    >>> written_name(regularised_lower_gamma(a, x)), written_name(sinc(x))
    ('lowergamma', 'sinc')
    """
    if type(node) not in WRITTEN:
        return type(node).__name__
    arguments = [a if a.is_number else sympy.Dummy(positive=True) for a in node.args]
    # A formula is over the function and what scales it, which has fewer arguments.
    applied = WRITTEN[type(node)](*arguments).atoms(sympy.Function)
    return max((len(part.args), type(part).__name__) for part in applied)[1]


class Order(NamedTuple):
    """An argument that has to be a whole number, and which."""

    argument: int
    noun: str
    least: int
    largest: float = math.inf

    def fault(self, node: Basic) -> str | None:
        """What is wrong with a function of this kind, for a message."""
        found = node.args[self.argument] if len(node.args) > self.argument else Integer(0)
        if isinstance(found, Integer) and self.least <= int(found) <= self.largest:
            return None
        expected = f"{self.least} to {self.largest}" if self.largest < math.inf else f"a whole number from {self.least}"
        return f"{type(node).__name__} of {self.noun} {found}, expected {expected}"


ORDERS: Mapping[type[Basic], Order] = {
    **{
        kind: Order(0, "order", 0)
        for kind in (sympy.polygamma, sympy.jn, spherical_bessel, modified_spherical_bessel, scaled_bessel)
    },
    sympy.expint: Order(0, "order", 1),
    sympy.LambertW: Order(1, "branch", -1, 0),
}
"""Functions with an argument that is a number known before anything is compiled."""
