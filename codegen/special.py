"""Special functions: those of SymPy that are let in as they are, and those whose derivatives need a form of their own.

Each family is closed under differentiation: a Bessel function has those of the neighbouring orders as its derivative,
log Γ the polygamma functions, sinc the spherical Bessel functions. Orders and branches are numbers, not variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import sympy
from sympy import Expr, Integer, exp, gamma
from sympy.core.basic import Basic
from sympy.core.function import ArgumentIndexError

from codegen.primitive import Composite, Primitive

__all__ = [
    "CALLED",
    "CANONICAL",
    "ORDERS",
    "SYMPY_FUNCTIONS",
    "lambert_w",
    "regularised_lower_gamma",
    "regularised_upper_gamma",
    "scaled_bessel",
    "share_of_odds",
    "sinc",
    "sine_integral",
    "spherical_bessel",
    "wright_omega",
]


class sinc(Primitive):  # noqa: N801 - functions keep their mathematical names
    """sin(x)/x, and 1 at 0, with derivative −j₁(x), which does not cancel near 0 as (cos x − sinc x)/x does."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return -spherical_bessel(Integer(1), self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.mpf(0) if mp.isinf(x) else mp.sinc(x) if x == x else x


class spherical_bessel(Primitive):  # noqa: N801
    """jₙ(x) = √(π/2x)·Jₙ₊½(x) for whole n ≥ 0, with jₙ' = (n·jₙ₋₁ − (n + 1)·jₙ₊₁)/(2n + 1)."""

    nargs = 2

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


class sine_integral(Primitive):  # noqa: N801
    """Si(x), the integral of sinc from 0 to x; SymPy's derivative sin(x)/x is nan at 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return sinc(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.si(x) if x == x else x


class lambert_w(Primitive):  # noqa: N801
    """W(x) ≥ −1 with W·exp(W) = x, for x ≥ −1/e, with derivative exp(−W)/(1 + W); SymPy's W/(x·(1 + W)) is nan at 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(-self) / (1 + self)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if mp.isinf(x) and x > 0:
            return x
        return mp.lambertw(x).real if x * mp.e >= -1 else mp.nan


class wright_omega(Primitive):  # noqa: N801
    """ω(x) = W(exp(x)), the ω > 0 with ω + log ω = x, where exp(x) is out of range too; its derivative is ω/(1 + ω)."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return share_of_odds(self)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x != x or x == mp.inf:
            return x
        if x <= FAR:
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
    """exp(−x)·I(x) of an order for x ≥ 0, beyond FAR by Hankel's series (Abramowitz, Stegun 1964, 9.7.1)."""
    if x != x or mp.isinf(x):
        return 1 / x
    if x <= FAR:
        return mp.besseli(order, x) * mp.exp(-x)
    term = total = mp.mpf(1)
    for k in range(1, mp.dps + 10):
        term *= ((2 * k - 1) ** 2 - 4 * order**2) / (8 * k * x)
        total += term
    return total / mp.sqrt(2 * mp.pi * x)


FAR = 1000
"""Beyond, the oracle takes ω by Newton's method and Iₙ from a series, of which each term gives a digit and more."""
STEPS = 12
"""Of Newton's method, from a start with three digits: 10⁴ digits."""


class regularised_lower_gamma(Primitive):  # noqa: N801
    """P(a, x) = ∫₀ˣ tᵃ⁻¹·exp(−t) dt/Γ(a) for a > 0 and x ≥ 0; by a there is no derivative here."""

    nargs = 2
    _direction = 1

    def fdiff(self, argindex: int = 2) -> Expr:
        a, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        return self._direction * x ** (a - 1) * exp(-x) / gamma(a)

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return mp.gammainc(a, 0, x, regularized=True) if a > 0 and x >= 0 else mp.nan


class regularised_upper_gamma(regularised_lower_gamma):  # noqa: N801
    """Q(a, x) = 1 − P(a, x), without cancellation."""

    _direction = -1

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return mp.gammainc(a, x, mp.inf, regularized=True) if a > 0 and x >= 0 else mp.nan


SYMPY_FUNCTIONS: tuple[type[Expr], ...] = (
    sympy.gamma, sympy.loggamma, sympy.polygamma, sympy.beta, sympy.binomial, sympy.besselj, sympy.bessely,
    sympy.besseli, sympy.besselk, sympy.expint, sympy.Ei, sympy.Ci, sympy.erfinv,
)  # fmt: skip
"""SymPy's own, whose derivatives are right as they are."""

CALLED: frozenset[type[Expr]] = frozenset({
    sympy.beta, sympy.binomial, sympy.besselj, sympy.bessely, sympy.besseli, sympy.besselk, sympy.expint, sympy.Ei,
    sympy.Ci, sympy.erfinv, sine_integral, spherical_bessel, regularised_lower_gamma, regularised_upper_gamma,
    scaled_bessel,
})  # fmt: skip
"""C functions of SciPy, called for one number after the other, also where all else is in lanes."""

#: Functions that are rewritten on entry.
CANONICAL: Mapping[type[Basic], Callable[..., Expr]] = {
    sympy.digamma: lambda x: sympy.polygamma(0, x),
    sympy.trigamma: lambda x: sympy.polygamma(1, x),
    sympy.factorial: lambda x: gamma(x + 1),
    sympy.sinc: sinc,
    sympy.jn: spherical_bessel,
    sympy.Si: sine_integral,
    sympy.LambertW: lambda x, branch=0: lambert_w(x),
    sympy.lowergamma: lambda a, x: gamma(a) * regularised_lower_gamma(a, x),
    sympy.uppergamma: lambda a, x: gamma(a) * regularised_upper_gamma(a, x),
}


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
        expected = f"a whole number from {self.least}" if self.largest > self.least else str(self.least)
        return f"{type(node).__name__} of {self.noun} {found}, expected {expected}"


ORDERS: Mapping[type[Basic], Order] = {
    **{
        kind: Order(0, "order", 0)
        for kind in (
            sympy.polygamma, sympy.besselj, sympy.bessely, sympy.besseli, sympy.besselk, sympy.jn, spherical_bessel,
            scaled_bessel,
        )
    },
    sympy.expint: Order(0, "order", 1),
    sympy.LambertW: Order(1, "branch", 0, 0),
}  # fmt: skip
"""Functions with an argument that is a number known before anything is compiled."""
