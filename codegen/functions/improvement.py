"""x·Φ(x) + φ(x), the expected improvement of Bayesian optimisation, and its logarithm, far below 0 too.

With u = −x/√2 it is φ(x)·√π/2·erfcx(u)·r(u), where r is the rate of erfcx: nothing cancels in that, nor in what its
logarithm is derived by, −2u − r + r'/r and −2 + c + s/r − (c/r)² by u, where r' = −c and c' = −s.
"""

from __future__ import annotations

from typing import Any

from sympy import Expr, Rational, exp, log, pi, sqrt

from codegen.functions.gaussian import erfcx, erfcx_curvature, erfcx_rate, erfcx_skew, normal_cdf
from codegen.functions.kinks import select
from codegen.functions.primitive import Approximation

__all__ = ["improvement", "log_improvement"]

TAIL = Rational(3, 2)
"""Below −TAIL it is taken so: above, the sum loses half a digit, and the derivatives of its logarithm one."""


def _density(x: Expr) -> Expr:
    return exp(-(x**2) / 2) / sqrt(2 * pi)


def _by_size(x: Expr, far: Expr, near: Expr) -> Expr:
    return select(-TAIL - x, far, near)


def _sum(x: Expr) -> Expr:
    return x * normal_cdf(x) + _density(x)


def _scaled(x: Expr) -> Expr:
    """The same over exp(−x²/2), far below 0."""
    u = -x / sqrt(2)
    return erfcx_rate(u) * erfcx(u) / (2 * sqrt(2))


def _exact(mp: Any, x: Any) -> Any:
    with mp.workprec(mp.prec + 16 + 4 * max(0, int(mp.mag(x))) if x else mp.prec):
        return x * mp.erfc(-x / mp.sqrt(2)) / 2 + mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


class improvement(Approximation):  # noqa: N801 - functions keep their mathematical names
    """h(x) = x·Φ(x) + φ(x), with derivative Φ(x).

    >>> improvement("x").diff("x"), improvement(-30).evalf(8)
    (normal_cdf(x), 1.6319567e-199)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return _by_size(x, exp(-(x**2) / 2) * _scaled(x), _sum(x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return normal_cdf(self.args[0]) * self.args[0].diff(symbol)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return +_exact(mp, x)


class log_improvement(Approximation):  # noqa: N801
    """log h(x) (Ament, Daulton, Eriksson, Balandat, Bakshy 2023), with derivative Φ(x)/h(x)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return _by_size(x, log(_scaled(x)) - x**2 / 2, log(_sum(x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return improvement_rate(self.args[0]) * self.args[0].diff(symbol)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.log(_exact(mp, x))


class improvement_rate(Approximation):  # noqa: N801
    """Φ(x)/h(x), which is −x far below 0 and 1/x far above."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        u = -x / sqrt(2)
        rate = erfcx_rate(u)
        return _by_size(x, (2 * u + rate + erfcx_curvature(u) / rate) / sqrt(2), normal_cdf(x) / _sum(x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -improvement_curvature(self.args[0]) * self.args[0].diff(symbol)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.erfc(-x / mp.sqrt(2)) / 2 / _exact(mp, x)


class improvement_curvature(Approximation):  # noqa: N801
    """−d²/dx² log h(x) = (Φ/h)² − φ/h, between 1 and 0."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        u = -x / sqrt(2)
        rate, curvature = erfcx_rate(u), erfcx_curvature(u)
        far = 1 - (curvature + erfcx_skew(u) / rate - (curvature / rate) ** 2) / 2
        return _by_size(x, far, (normal_cdf(x) / _sum(x)) ** 2 - _density(x) / _sum(x))

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        with mp.workprec(mp.prec + 16 + 4 * max(0, int(mp.mag(x))) if x else mp.prec):
            whole = _exact(mp, x)
            density = mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
            found = (mp.erfc(-x / mp.sqrt(2)) / 2 / whole) ** 2 - density / whole
        return +found
