"""Products of exponentials and hyperbolic functions whose factors leave the range where the product does not.

cosh(a) = exp(|a|)·(1 + exp(−2·|a|))/2, and sinh(a) likewise: the exponents are added up, and one exponential is taken
of their sum. 1 + exp(a), exp(a) − 1 and their reciprocals are such factors at a/2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sympy import Add, Expr, Integer, Mul, Rational, exp, log

from codegen.functions.bessel import bessel_ratio, bessel_ratio_slope, log_bessel
from codegen.functions.exponentials import log_cosh, log_distance_from_1
from codegen.functions.formulas import coth, csch
from codegen.functions.kinks import absolute, maximum, minimum, select, sign, stop_gradient
from codegen.functions.primitive import Approximation
from codegen.functions.smooth import expm1, log_cosh_slope, tanh_slope

__all__ = ["COSH", "SINH", "Part", "log_sinh", "logarithm_of_product", "product_of", "zeros_of"]

HALF = Rational(1, 2)
FAR = 2
"""From where on the rate of a factor is ±1 and a remainder, and the zero of sinh at 0 does not count."""


class Factor(NamedTuple):
    """f(a), of which exp(|a|) is taken out."""

    scaled: Callable[[Expr], Expr]
    """f(a)·exp(−|a|)"""
    rate: Callable[[Expr], Expr]
    """f′(a)/f(a)"""
    remainder: Callable[[Expr], Expr] | None
    """f′(a)/f(a) − sign(a), for |a| > FAR, of sinh everywhere; None if it does not decay exponentially."""
    slope: Callable[[Expr], Expr]
    """The derivative of the rate."""
    exact: Callable[[Any, Any], Any]
    """f on mpmath numbers of a context."""


LEAST = Rational(1, 10**30)
"""Here (1 − exp(−2a))/(2a) is 1 to all digits."""


def _sinh_over(a: Expr) -> Expr:
    size = maximum(absolute(a), LEAST)
    return -expm1(-2 * size) / (2 * size)


COSH, SINH, SINH_OVER = range(3)
"""The last is sinh(a)/a."""
FACTORS: Sequence[Factor] = (
    Factor(
        lambda a: (1 + exp(-2 * size_of(a))) / 2,
        log_cosh_slope,
        lambda a: -2 * sign(a) * exp(-2 * size_of(a)) / (1 + exp(-2 * size_of(a))),
        tanh_slope,
        lambda mp, a: mp.cosh(a),
    ),
    Factor(
        lambda a: -sign(a) * expm1(-2 * size_of(a)) / 2,
        coth,
        lambda a: -2 * sign(a) * exp(-2 * size_of(a)) / expm1(-2 * size_of(a)),
        lambda a: -(csch(a) ** 2),
        lambda mp, a: mp.sinh(a),
    ),
    Factor(
        _sinh_over,
        lambda a: bessel_ratio(HALF, a),
        None,
        lambda a: bessel_ratio_slope(HALF, a),
        lambda mp, a: mp.sinh(a) / a if a else mp.mpf(1),
    ),
)

Part = tuple[int, Expr, Expr]
"""The number of a factor, its power, its argument."""


def product_of(factor: Expr, exponent: Expr, parts: Sequence[Part]) -> Expr:
    """A factor times exp(exponent) times powers of cosh and sinh, in a form that is in range where they are not."""
    front = factor * zeros_of(parts)
    if front.is_number and not (any(n == SINH for n, _, _ in parts) and _may_cancel(exponent, parts)):
        return front * exponential_product(exponent, *_written(_regular(parts)))
    return vanishing_product(front, exponent, *_written(parts))


def zeros_of(parts: Iterable[Part]) -> Expr:
    """What the powers of sinh are beside the zeros of their arguments."""
    return Mul(*[a**k for n, k, a in parts if n == SINH])


def logarithm_of_product(exponent: Expr, *written: Expr, zeros: bool = False) -> Expr:
    """log |exp(exponent)·cosh(a)ᵏ·…|, of sinh(a) without its zero or with it."""
    of_sinh = log_sinh if zeros else lambda a: log_bessel(HALF, a)
    return Add(exponent, *[k * (log_cosh(a) if n == COSH else of_sinh(a)) for n, k, a in _parts(written)])


def log_sinh(a: Expr) -> Expr:
    """log |sinh(a)|"""
    return log_distance_from_1(2 * a) - a - log(2)


def size_of(a: Expr) -> Expr:
    """|a| with its number outside, so that multiples add up."""
    number, rest = a.as_coeff_Mul()
    return abs(number) * absolute(rest)


def _regular(parts: Iterable[Part]) -> list[Part]:
    """With sinh(a)/a for sinh(a)."""
    return [(SINH_OVER if n == SINH else n, k, a) for n, k, a in parts]


def _written(parts: Iterable[Part]) -> list[Expr]:
    return [argument for n, k, a in parts for argument in (Integer(n), k, a)]


def _parts(written: Sequence[Expr]) -> list[Part]:
    return [(int(n), k, a) for n, k, a in zip(written[::3], written[1::3], written[2::3])]


class exponential_product(Approximation):  # noqa: N801 - functions keep their mathematical names
    """exp(u)·f₁(a₁)^k₁·f₂(a₂)^k₂·… of u, n₁, k₁, a₁, …, the nᵢ numbers of FACTORS.

    Its derivative is a rate times it.
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        exponent, *written = arguments
        parts = _parts(written)
        total = Add(exponent, *[k * size_of(a) for _, k, a in parts])
        rest = Mul(*[FACTORS[n].scaled(a) ** k for n, k, a in parts])
        # As a square where exp is beside the largest number, of which the rest may be a part.
        growing = exp(select(total - NEAR_OVERFLOW, total / 2, total))
        return growing * select(total - NEAR_OVERFLOW, growing * rest, rest)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        exponent, *written = self.args
        if exponent == 0 and (turned := _turned(_parts(written), symbol)) is not None:
            return turned
        return self * _rate(exponent.diff(symbol), [(n, k * a.diff(symbol), a) for n, k, a in _parts(written)])

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        exponent, *written = arguments
        found = mp.exp(exponent)
        for n, k, a in zip(written[::3], written[1::3], written[2::3]):
            found *= FACTORS[int(n)].exact(mp, a) ** k
        return found


NEAR_OVERFLOW = 80
"""exp overflows from 88.7 on in float32, from 709.8 on in float64."""


def _turned(parts: Sequence[Part], symbol: Expr) -> Expr | None:
    """The derivative of cosh(u)/cosh(w) where u′ = ±w′: sinh(u)·cosh(w) ∓ cosh(u)·sinh(w) is sinh(u ∓ w)."""
    if sorted([(n, k) for n, k, _ in parts], reverse=True) != [(COSH, 1), (COSH, -1)]:
        return None
    u, w = (next(a for _, power, a in parts if power == k) for k in (1, -1))
    du, dw = u.diff(symbol), w.diff(symbol)
    if du == 0 or du not in (dw, -dw):
        return None
    return product_of(du, Integer(0), [(SINH, Integer(1), u - w if du == dw else u + w), (COSH, Integer(-2), w)])


class vanishing_product(Approximation):  # noqa: N801
    """z·exp(u)·f₁(a₁)^k₁·… with powers of sinh, of which z times their arguments' powers is the first argument.

    Where all these are far from 0 its derivative is a rate times it if the rates may cancel; nearer sinh(a) is
    a·(sinh(a)/a), so that of the powers nothing cancels but what they have in common.
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        front, exponent, *written = arguments
        return front * exponential_product.formula(exponent, *_written(_regular(_parts(written))))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        front, exponent, *written = self.args
        parts = _parts(written)
        near = (front * exponential_product(exponent, *_written(_regular(parts)))).diff(symbol)
        if not _may_cancel(exponent, parts):
            return near
        far = (front / zeros_of(parts) * exponential_product(exponent, *written)).diff(symbol)
        sizes = [absolute(a) for n, _, a in parts if n == SINH]
        return far if far == near else select((minimum(*sizes) if len(sizes) > 1 else sizes[0]) - FAR, far, near)

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        front, exponent, *written = arguments
        kinds = [SINH_OVER if n == SINH else n for n in written[::3]]
        regular = [argument for part in zip(kinds, written[1::3], written[2::3]) for argument in part]
        return front * exponential_product.value(mp, exponent, *regular)


def _may_cancel(exponent: Expr, parts: Sequence[Part]) -> bool:
    """Whether the rates may add up to 0 far out: of multiples of one x they are numbers."""
    multiples = [(k, *a.as_coeff_Mul()) for _, k, a in parts]
    share = exponent / multiples[0][2]
    if len({x for _, _, x in multiples}) > 1 or not share.is_number:
        return True
    total = Add(*[k * abs(number) for k, number, _ in multiples])
    return total in (share, -share)


class growth_rate(Approximation):  # noqa: N801
    """c + Σ cᵢ·fᵢ′(aᵢ)/fᵢ(aᵢ) of c, n₁, c₁, a₁, …, the nᵢ numbers of FACTORS.

    Far out a term is ±cᵢ and a remainder: what is left of the numbers is added up first.
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        constant, *written = arguments
        ends, rest = [constant], []
        for n, c, a in _parts(written):
            factor = FACTORS[n]
            if factor.remainder is None:
                rest.append(c * factor.rate(a))
            elif n == SINH:
                ends.append(c * sign(a))
                rest.append(c * factor.remainder(a))
            else:
                far = absolute(a) - FAR
                ends.append(c * select(far, sign(a), 0))
                rest.append(c * select(far, factor.remainder(a), factor.rate(a)))
        return stop_gradient(Add(*ends)) + Add(*rest)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        constant, *written = self.args
        parts = _parts(written)
        turned = [c * FACTORS[n].slope(a) * a.diff(symbol) for n, c, a in parts]
        return Add(_rate(constant.diff(symbol), [(n, c.diff(symbol), a) for n, c, a in parts]), *turned)

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        constant, *written = arguments
        rates = (mp.tanh, mp.coth, lambda a: mp.coth(a) - 1 / a if a else mp.mpf(0))
        sizes = [abs(a) for a in written[2::3] if mp.isfinite(a)]
        with mp.workprec(mp.prec + 16 + 3 * int(min(max(sizes, default=0), DIGITS))):
            terms = [c * rates[int(n)](a) for n, c, a in zip(written[::3], written[1::3], written[2::3])]
            found = constant + sum(terms, mp.mpf(0))
        return +found


DIGITS = 10**4
"""A rate is ±1 and exp(−2·|a|), which is below any float from far less on."""


def _rate(constant: Expr, parts: Iterable[Part]) -> Expr:
    """The rate, of one term as it is: it cancels with no other."""
    terms = [(n, c, a) for n, c, a in parts if c != 0]
    if constant == 0 and len(terms) == 1:
        ((n, c, a),) = terms
        return c * FACTORS[n].rate(a)
    return growth_rate(constant, *_written(terms)) if terms else constant
