"""Exponential integrals times what they fall or grow by, exp(x)·Eₚ(x) and exp(−x)·Ei(x), and the logarithm of Γ(a, x).

Each is a function of its derivative's order k: as differences of what is nearly equal they would lose their digits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from sympy import Add, Chi, Dummy, Expr, Float, Integer, Rational, S, binomial, erfi, exp, factorial, log, pi, sqrt

from codegen.functions.densities import gamma_density, log_gamma_density, log_less_digamma
from codegen.functions.gammas import regularised_gamma_slope, regularised_upper_gamma
from codegen.functions.incomplete import generalised_exponential_integral
from codegen.functions.integrals import exponential_integral, hyperbolic_sine_integral
from codegen.functions.kinks import absolute, maximum, select
from codegen.functions.primitive import Approximation

__all__ = [
    "damped_chi",
    "damped_ei",
    "damped_erfi",
    "damped_expint",
    "damped_expint_line",
    "damped_shi",
    "log_upper_gamma",
]

FAR, NODES = 8, 24
"""From here on exp(x)·Eₚ(x) is a sum over so many nodes, to exp(−4·√(FAR·NODES)) = 10⁻²⁴ of it."""
FAR_FOR_EI = 38
"""From here on the asymptotic series of Ei has all digits: of its terms k!/xᵏ the least is exp(−x)."""
FAR_FOR_SHI = 4
"""From here on Shi is the sum of what keeps its digits in derivatives."""
FAR_FOR_ERFI, TERMS_FOR_ERFI = Rational(13, 2), 38
"""From here on the asymptotic series of exp(−x²)·erfi(x) has all digits: of its terms the least is exp(−x²)."""
FAR_FOR_GAMMA, LEVELS = 12, 16
"""From here on the continued fraction of Γ(a, x) is taken where x is 3a/2 too, and its levels."""


class damped_expint(Approximation):  # noqa: N801 - functions keep their mathematical names
    """The k-th derivative of exp(x)·Eₚ(x) for x > 0, of numbers k and p > 0.

    exp(x)·Eₚ(x) is ∫₀^∞ exp(−u)·uᵖ⁻¹/(x + u) du/Γ(p): by Gauss and Laguerre's nodes u and weights w Σ w/(x + u).
    """

    nargs = 3

    @classmethod
    def formula(cls, k: Expr, p: Expr, x: Expr) -> Expr:
        far = Add(*[w / (x + u) ** (k + 1) for u, w in _nodes(p)])
        near = Add(*[(-1) ** j * binomial(k, j) * generalised_exponential_integral(p - j, x) for j in range(k + 1)])
        return select(x - FAR, (-1) ** k * factorial(k) * far, exp(x) * near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        k, p, x = self.args
        return damped_expint(k + 1, p, x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, k: Any, p: Any, x: Any) -> Any:
        k = int(k)
        if not mp.isfinite(x):
            return x if x != x else mp.mpf(0)
        with mp.workprec(mp.prec + 16 + 2 * (k + 1) * max(0, int(mp.mag(x)))):
            integrals = [mp.expint(p - j, x).real * mp.binomial(k, j) * (-1) ** j for j in range(k + 1)]
            found = mp.exp(x) * mp.fsum(integrals)
        return +found


class damped_expint_line(Approximation):  # noqa: N801
    """x·exp(x)·Eₚ(x), which is 1 − p·exp(x)·Eₚ₊₁(x)."""

    nargs = 2

    @classmethod
    def formula(cls, p: Expr, x: Expr) -> Expr:
        return x * damped_expint(Integer(0), p, x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        p, x = self.args
        return -p * damped_expint(Integer(1), p + 1, x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, p: Any, x: Any) -> Any:
        return mp.mpf(1) if mp.isinf(x) else x * damped_expint.value(mp, 0, p, x)


class damped_ei(Approximation):  # noqa: N801
    """The k-th derivative of exp(−x)·Ei(x) of a number k."""

    nargs = 2

    @classmethod
    def formula(cls, k: Expr, x: Expr) -> Expr:
        lowest = int(k)
        far: Expr = Integer(1)  # nested, since 38! is out of the range of float32
        for j in range(FAR_FOR_EI - 1, lowest, -1):
            far = 1 + j / x * far
        near = exp(-x) * exponential_integral(x) - Add(*[factorial(j) / x ** (j + 1) for j in range(lowest)])
        positive = (-1) ** k * select(x - FAR_FOR_EI, factorial(k) / x ** (k + 1) * far, near)
        return select(-x - FAR, (-1) ** (k + 1) * damped_expint(k, Integer(1), -x), positive)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        k, x = self.args
        return damped_ei(k + 1, x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, k: Any, x: Any) -> Any:
        k = int(k)
        if not mp.isfinite(x):
            return x if x != x else mp.mpf(0)
        with mp.workprec(mp.prec + 16 + (k + 1) * abs(int(mp.mag(x)) if x else 0)):
            found = (-1) ** k * (mp.exp(-x) * mp.ei(x) - mp.fsum([mp.factorial(j) / x ** (j + 1) for j in range(k)]))
        return +found


class damped_shi(Approximation):  # noqa: N801
    """exp(−x)·Shi(x), where Shi is (Ei + E₁)/2 for x > 0."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        first = Integer(0)
        far = (damped_ei(first, x) + exp(-2 * x) * damped_expint(first, Integer(1), x)) / 2
        return select(x - FAR_FOR_SHI, far, exp(-x) * hyperbolic_sine_integral(x))

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.exp(-x) * mp.shi(x) if mp.isfinite(x) else mp.mpf(0) if x > 0 else x


class damped_chi(Approximation):  # noqa: N801
    """exp(−x)·Chi(x), where Chi is (Ei − E₁)/2 for x > 0."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        first = Integer(0)
        far = (damped_ei(first, x) - exp(-2 * x) * damped_expint(first, Integer(1), x)) / 2
        return select(x - FAR_FOR_SHI, far, exp(-x) * Chi(x))

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.exp(-x) * mp.chi(x) if mp.isfinite(x) else mp.mpf(0) if x > 0 else x


class damped_erfi(Approximation):  # noqa: N801
    """The k-th derivative of y = exp(−x²)·erfi(x) of a number k, far out by its asymptotic series.

    y′ is 2/√π − 2x·y, and from there on y⁽ᵏ⁾ is −2x·y⁽ᵏ⁻¹⁾ − 2·(k − 1)·y⁽ᵏ⁻²⁾.
    """

    nargs = 2

    @classmethod
    def formula(cls, k: Expr, x: Expr) -> Expr:
        order = int(k)
        far: Expr = Integer(1)
        for j in range(TERMS_FOR_ERFI, -1, -1):
            far = 1 + Rational((2 * j + order + 2) * (2 * j + order + 1), 4 * (j + 1)) / x**2 * far
        series = (-1) ** order * factorial(order) / x ** (order + 1) * far / sqrt(pi)
        near = [exp(-(x**2)) * erfi(x), 2 / sqrt(pi)]
        near[1] -= 2 * x * near[0]
        for j in range(2, order + 1):
            near.append(-2 * x * near[j - 1] - 2 * (j - 1) * near[j - 2])
        return select(absolute(x) - FAR_FOR_ERFI, series, near[order])

    def _eval_derivative(self, symbol: Expr) -> Expr:
        k, x = self.args
        return damped_erfi(k + 1, x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, k: Any, x: Any) -> Any:
        if not mp.isfinite(x):
            return x if x != x else mp.mpf(0)
        with mp.workprec(mp.prec + 16 + 2 * (int(k) + 1) * max(0, int(mp.mag(x)) if x else 0)):
            found = [mp.exp(-(x**2)) * mp.erfi(x)]
            found.append(2 / mp.sqrt(mp.pi) - 2 * x * found[0])
            for j in range(2, int(k) + 1):
                found.append(-2 * x * found[j - 1] - 2 * (j - 1) * found[j - 2])
        return +found[int(k)]


class log_upper_gamma(Approximation):  # noqa: N801
    """log(Γ(a, x)/Γ(a)) for a > 0 and x ≥ 0, whose slope by x is −1/h far out, where Γ(a, x) is h·xᵃ⁻¹·exp(−x)."""

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, x: Expr) -> Expr:
        far = log_gamma_density(a, x) + log(_fraction(a, x))
        return select(_far_out(a, x), far, log(regularised_upper_gamma(a, x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        a, x = self.args
        by_x = upper_gamma_rate(a, x) * x.diff(symbol)
        if not (by_shape := a.diff(symbol)):
            return -by_x
        shape = Dummy(real=True)
        far = log_less_digamma(a, x) + log(_fraction(shape, x)).diff(shape).xreplace({shape: a})
        near = -regularised_gamma_slope(a, x) / regularised_upper_gamma(a, x)
        return select(_far_out(a, x), far, near) * by_shape - by_x

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return mp.log(mp.gammainc(a, x, regularized=True)) if a > 0 and x >= 0 else mp.nan


class upper_gamma_rate(Approximation):  # noqa: N801
    """xᵃ⁻¹·exp(−x)/Γ(a, x), the hazard of a gamma distribution."""

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, x: Expr) -> Expr:
        near = gamma_density(a, x) / regularised_upper_gamma(a, x)
        return select(_far_out(a, x), 1 / _fraction(a, x), near)

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return x ** (a - 1) * mp.exp(-x) / mp.gammainc(a, x) if a > 0 and x > 0 else mp.nan


def _far_out(a: Expr, x: Expr) -> Expr:
    """Above 0 where ``_fraction`` has all digits."""
    return x - maximum(Integer(FAR_FOR_GAMMA), 3 * a / 2)


def _fraction(a: Expr, x: Expr) -> Expr:
    """Γ(a, x)/(xᵃ⁻¹·exp(−x)) as a continued fraction (Abramowitz, Stegun 1964, 6.5.31 contracted)."""
    rest = S.Zero
    for k in range(LEVELS, 0, -1):
        rest = k * (k - a) / (x + 2 * k + 1 - a - rest)
    return x / (x + 1 - a - rest)


@lru_cache(maxsize=64)
def _nodes(p: Expr) -> tuple[tuple[Expr, Expr], ...]:
    """The nodes and weights of ∫₀^∞ exp(−u)·uᵖ⁻¹·f(u) du/Γ(p), by an eigenvalue problem (Golub, Welsch 1969)."""
    n, shift = np.arange(NODES), float(p) - 1
    below = np.sqrt((n[1:]) * (n[1:] + shift))
    nodes, vectors = np.linalg.eigh(np.diag(2 * n + shift + 1) + np.diag(below, 1) + np.diag(below, -1))
    return tuple((Float(u), Float(w)) for u, w in zip(nodes.tolist(), (vectors[0] ** 2).tolist()))
