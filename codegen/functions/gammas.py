"""Functions made of Γ: the incomplete ones, 1/Γ, B and binomial coefficients, smooth where Γ has poles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import sympy
from sympy import Add, Expr, Integer, Mul, Number, Rational, cos, exp, gamma, pi, polygamma, sin
from sympy.core.function import ArgumentIndexError

from codegen.functions import special_arrays as arrays
from codegen.functions.densities import gamma_density
from codegen.functions.digamma import STEPS, digamma_quotient, log_beta, slope_of_quotient
from codegen.functions.gamma_slope import slope_by_shape
from codegen.functions.kinks import absolute, floor, maximum, minimum, select
from codegen.functions.operation import Operation, called_by_name
from codegen.functions.primitive import Approximation, Composite, Primitive
from codegen.functions.special_arrays import to_first_order


def _pole(x: str) -> str:
    """The text that asks whether it is a pole of the gamma function."""
    return f"(({x} <= 0) & ({x} == np.floor({x})))"


class regularised_lower_gamma(Primitive):  # noqa: N801
    """P(a, x) = ∫₀ˣ tᵃ⁻¹·exp(−t) dt/Γ(a) for a > 0 and x ≥ 0."""

    nargs = 2
    row = called_by_name(
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

    row = called_by_name(
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
    row = called_by_name(
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
    row = called_by_name(
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
    row = called_by_name(
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


class accurate_beta(Approximation):  # noqa: N801
    """B(a, b) by its logarithm where SciPy's loses digits: 10⁻¹⁰ of it at (10⁶, 2)."""

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, b: Expr) -> Expr:
        far = minimum(a, b, maximum(a, b) - STEPS)
        return select(far, exp(log_beta(a, b)), beta(a, b))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return beta(*self.args).diff(symbol)

    @staticmethod
    def value(mp: Any, a: Any, b: Any) -> Any:
        return mp.beta(a, b)


class beta_by_gammas(accurate_beta):  # noqa: N801
    """B(a, b) without a function of SciPy's, as it is written by Γ."""

    @classmethod
    def formula(cls, a: Expr, b: Expr) -> Expr:
        return select(minimum(a, b), exp(log_beta(a, b)), gamma(a) * gamma(b) * reciprocal_gamma(a + b))


class beta_slope(Composite):  # noqa: N801
    """∂B(a, b)/∂a = −B(a, b)·(ψ(a + b) − ψ(a)) for a, b > 0."""

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, b: Expr) -> Expr:
        return -b * digamma_quotient(a, b) * accurate_beta(a, b)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        a, b = self.args
        by_a = b * accurate_beta(a, b) * (b * digamma_quotient(a, b) ** 2 - slope_of_quotient(0, a, b))
        return by_a * a.diff(symbol) + beta_mixed(a, b) * b.diff(symbol)


class beta_mixed(Composite):  # noqa: N801
    """∂²B(a, b)/∂a∂b for a, b > 0.

    With d(x, h) = (ψ(x + h) − ψ(x))/h, which falls as h grows, B(a, b)·a·b/(a + b) times
    (a + b)·d(a + 1, b)·d(b + 1, a) − ∂d(a + 1, b)/∂b − ∂d(b + 1, a)/∂a: a sum of what is positive.
    """

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, b: Expr) -> Expr:
        total = a + b
        both = digamma_quotient(a + 1, b) * digamma_quotient(b + 1, a)
        falling = slope_of_quotient(1, a + 1, b) + slope_of_quotient(1, b + 1, a)
        return (total + 1) * accurate_beta(a + 1, b + 1) * (total * both - falling)


class beta_crossing(Primitive):  # noqa: N801
    """Γ(a)·Γ(b)·Γ(1 − a − b)·(−1)ᵃ⁺ᵇ, the slope of B, where a + b is a pole of Γ; 0 elsewhere."""

    nargs = 2
    row = called_by_name(
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
    row = called_by_name(
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

        if argindex == 1:
            near, psi, slope = beside(rest, lower)
            anywhere = self * (regular_digamma(upper) - regular_digamma(rest)) + crossing
            return select(near, self * (regular_digamma(upper) - psi) + slope, anywhere)
        own = _at_pole(upper, sympy.nan, regular_digamma(rest)) - regular_digamma(lower)
        anywhere = self * own - crossing + binomial_crossing(n, n - k)
        if n.is_number and abs(n) > IN_RANGE:
            return anywhere
        near, psi, slope = beside(rest, lower)
        near_lower, psi_lower, slope_lower = beside(lower, rest)
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
    row = called_by_name(
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
