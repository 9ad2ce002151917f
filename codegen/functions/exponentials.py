"""What stays finite where exponentials overflow, and exact where they vanish."""

from __future__ import annotations

from typing import Any

from sympy import (
    Add,
    Expr,
    Rational,
    bernoulli,
    exp,
    factorial,
    ff,
    log,
    sqrt,
)

from codegen.functions.formulas import bose, csch
from codegen.functions.kinks import absolute, maximum, select, stop_gradient
from codegen.functions.operation import WITH_ZERO, Operation, Points
from codegen.functions.primitive import Approximation, Composite
from codegen.functions.series import horner
from codegen.functions.smooth import expm1, log1p, log_cosh_slope, softplus, softplus_slope


class log_cosh(Approximation):  # noqa: N801
    """log cosh(x) = |x| + log(1 + exp(−2·|x|)) − log 2, which does not overflow, with derivative tanh(x).

    Up to LITTLE, where that cancels, it is its power series, the integral of that of tanh.

    >>> log_cosh("x").diff("x"), log_cosh(0.5).evalf(8)
    (log_cosh_slope(x), 0.12011451)
    """

    nargs = 1
    row = Operation(library="special.log_cosh", step=True, points=Points(WITH_ZERO))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        size = absolute(x)
        little = x**2 * horner([_coefficient_of_log_cosh(k) for k in range(1, 9)], x**2)
        return select(size - LITTLE, size + softplus(-2 * size) - log(2), little)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return log_cosh_slope(self.args[0]) * self.args[0].diff(symbol)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        size = abs(x)
        if not size < 1:
            return size + mp.log1p(mp.exp(-2 * size)) - mp.log(2)
        t = mp.expm1(-size)
        return mp.log1p(t * t / (2 * (1 + t)))  # cosh(x) − 1


LITTLE = Rational(1, 8)
"""Where the series of log cosh ends, whose ninth term is 10⁻¹⁷ of it there; beyond, 10⁻¹⁴ of it cancels at most."""


def _coefficient_of_log_cosh(k: int) -> Expr:
    return 4**k * (4**k - 1) * bernoulli(2 * k) / (2 * k * factorial(2 * k))


class root_of_1_plus_exp(Composite):  # noqa: N801
    """√(1 + exp(x)), which is in range up to twice the x of exp(x), with derivative σ(x)/2 times itself.

    >>> root_of_1_plus_exp("x").diff("x"), root_of_1_plus_exp(0.5).evalf(8)
    (root_of_1_plus_exp(x)*softplus_slope(x)/2, 1.6274893)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        decay = exp(-absolute(x) / 2)
        return select(x, 1 / decay, 1) * sqrt(1 + decay**2)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return self * softplus_slope(x) / 2 * x.diff(symbol)


class exponential_over(Composite):  # noqa: N801
    """The n-th derivative of exp(x)/x, exp(x)/x·Σ (−1)ᵏ·n!/(n − k)!/xᵏ.

    In range up to x = 716, where exp(x) is 2⁹ times out of it: beyond 1 half of the exponent is divided by x first. One
    sum for all terms is infinite where they are, and not the nan of their difference.
    """

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        n = int(order)
        growing = exp(select(x - 1, x / 2, x))
        rest = select(x - 1, growing / x, 1 / x)
        return growing * rest * horner([(-1) ** k * ff(n, k) for k in range(n + 1)], 1 / x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        order, x = self.args
        return self.func(order + 1, x) * x.diff(symbol)


class log_sum_exp(Composite):  # noqa: N801
    """log Σ exp(xᵢ) with the largest argument taken out, so that no exponential overflows; derivative softmax.

    >>> log_sum_exp("x", "y").diff("y"), log_sum_exp(0.5, 0.25).evalf(8)
    (softmax_part(y, x, y), 1.0759394)
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        shift = stop_gradient(maximum(*arguments))
        return shift + log(Add(*[exp(argument - shift) for argument in arguments]))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return Add(*[softmax_part(argument, *self.args) * argument.diff(symbol) for argument in self.args])


class softmax_part(Composite):  # noqa: N801
    """exp(x)/Σ exp(xᵢ) for an x among them; the first argument is x.

    Its derivative by x is not p·(1 − p), which has no digits where p is 1, but p times the sum of the others.

    >>> softmax_part("x", "y").diff("y"), softmax_part(0.5, 0.25).evalf(8)
    (-softmax_part(x, y)*softmax_part(y, y), 1.2840254)
    """

    @classmethod
    def formula(cls, x: Expr, *arguments: Expr) -> Expr:
        return exp(x - log_sum_exp(*arguments))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, *arguments = self.args
        dx = x.diff(symbol)
        return self * Add(*[softmax_part(a, *arguments) * (dx - a.diff(symbol)) for a in arguments if a != x])


class log1mexp(Composite):  # noqa: N801
    """log(1 − exp(−x)) for x > 0, to all digits where it is near 0 or far below (Mächler 2012); derivative bose(x).

    >>> log1mexp("x").diff("x"), log1mexp(0.5).evalf(8)
    (bose(x), -0.93275213)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return select(x - log(2), log1p(-exp(-x)), log(-expm1(-x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return bose(self.args[0]) * self.args[0].diff(symbol)


class log_tanh(Composite):  # noqa: N801
    """log tanh(x) for x > 0, also where tanh is 1, with derivative 2/sinh(2x).

    >>> log_tanh("x").diff("x"), log_tanh(0.5).evalf(8)
    (2*csch(2*x), -0.77193683)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return log1mexp(2 * x) - softplus(-2 * x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return 2 * csch(2 * self.args[0]) * self.args[0].diff(symbol)
