"""What stays finite where exponentials overflow, and exact where they vanish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import (
    Add,
    Expr,
    Integer,
    Rational,
    asinh,
    atan,
    bernoulli,
    exp,
    factorial,
    ff,
    log,
    sinh,
    sqrt,
)

from codegen.functions.formulas import bose, csch, sech
from codegen.functions.kinks import absolute, held, maximum, relu, select, sign, stop_gradient
from codegen.functions.operation import WITH_ZERO, Operation, Points
from codegen.functions.primitive import Approximation, Composite
from codegen.functions.series import horner, in_pairs
from codegen.functions.smooth import (
    damped_power,
    expm1,
    log1p,
    log_cosh_slope,
    softplus,
    softplus_intercept,
    softplus_slope,
)


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
        size, square = absolute(x), held(x, LITTLE) ** 2
        little = square * horner([coefficient_of_log_cosh(2 * k) for k in range(1, 9)], square)
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


def coefficient_of_log_cosh(n: int) -> Expr:
    """That of xⁿ for even n ≥ 2."""
    return 2**n * (2**n - 1) * bernoulli(n) / (n * factorial(n))


class log_cosh_intercept(Approximation):  # noqa: N801
    """log cosh(x) − x·tanh(x), where its tangent meets 0: −x²/2 near 0, −log 2 far out; derivative −x/cosh²(x)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        square = held(x, LITTLE) ** 2
        little = square * horner([(1 - 2 * k) * coefficient_of_log_cosh(2 * k) for k in range(1, 9)], square)
        return select(absolute(x) - LITTLE, softplus_intercept(2 * x) - log(2), little)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -2 * damped_power(1, 2 * x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if mp.isinf(x):
            return -mp.log(2)
        with mp.workprec(mp.prec + 16 + 2 * max(0, -int(mp.mag(x))) if x else mp.prec):
            found = log_cosh.value(mp, x) - x * mp.tanh(x)
        return +found


class softened_ramp(Composite):  # noqa: N801
    """softplus(b·x)/b of b and x: the larger one of x and 0 as b grows, with derivatives σ(b·x) and −intercept/b²."""

    nargs = 2

    @classmethod
    def formula(cls, b: Expr, x: Expr) -> Expr:
        return softplus(b * x) / b

    def _eval_derivative(self, symbol: Expr) -> Expr:
        b, x = self.args
        return softplus_slope(b * x) * x.diff(symbol) - softplus_intercept(b * x) / b**2 * b.diff(symbol)


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

    A number among them is added last: where it is far larger the others keep their digits.

    >>> log_sum_exp("x", "y").diff("y"), log_sum_exp(0.5, 0.25).evalf(8)
    (softmax_part(y, x, y), 1.0759394)
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        numbers = [argument for argument in arguments if argument.is_number]
        if len(numbers) == 1 and len(arguments) > 2:
            (constant,) = numbers
            return constant + softplus(cls.formula(*[a for a in arguments if a != constant]) - constant)
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


class weighted_log_sum_exp(Composite):  # noqa: N801
    """log Σ cᵢ·exp(xᵢ) of c₁, x₁, c₂, x₂, … for factors of any sign, with the largest |cᵢ|·exp(xᵢ) taken out.

    Beside a term that is 1 the others keep their digits where they are far smaller.
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        shift, total = _shifted(arguments)
        terms = in_pairs(arguments)
        others = [c * exp(x) for c, x in terms if (c, x) != (1, 0)]
        far = shift + log(total)
        return far if len(others) == len(terms) else select(shift - 1, far, log1p(Add(*others)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        slopes = [weighted_part(x, *self.args) * (c * x.diff(symbol) + c.diff(symbol)) for c, x in in_pairs(self.args)]
        return Add(*slopes)


class weighted_part(Composite):  # noqa: N801
    """exp(x)/Σ cᵢ·exp(xᵢ) of x, c₁, x₁, c₂, x₂, …, as it is where both are out of range.

    With pᵢ = exp(xᵢ)/Σ its derivative is p·Σᵢ pᵢ·(cᵢ·(dx − dxᵢ) − dcᵢ), in which 1 − c·p is the sum of the others.
    """

    @classmethod
    def formula(cls, x: Expr, *arguments: Expr) -> Expr:
        shift, total = _shifted(arguments)
        return exp(x - shift) / total

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, *arguments = self.args
        dx = x.diff(symbol)
        terms = [
            weighted_part(a, *arguments) * (c * (dx - a.diff(symbol)) - c.diff(symbol)) for c, a in in_pairs(arguments)
        ]
        return self * Add(*terms)


def _shifted(arguments: Sequence[Expr]) -> tuple[Expr, Expr]:
    """The largest xᵢ + log |cᵢ|, and Σ cᵢ·exp(xᵢ) without it."""
    terms = in_pairs(arguments)
    shift = stop_gradient(maximum(*[x + (log(absolute(c)) if c not in (1, -1) else 0) for c, x in terms]))
    return shift, Add(*[c * exp(x - shift) for c, x in terms])


class asinh_exp(Composite):  # noqa: N801
    """asinh(exp(x)), which is x + log 2 where exp(x) is out of range, with derivative 1/√(1 + exp(−2x))."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return select(x, x + log(1 + root_of_1_plus_exp(-2 * x)), asinh(exp(x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return x.diff(symbol) / root_of_1_plus_exp(-2 * x)


class gudermannian(Composite):  # noqa: N801
    """atan(sinh(x)) = asin(tanh(x)) = 2·atan(exp(x)) − π/2, with derivative sech(x), which does not overflow.

    >>> gudermannian("x").diff("x"), gudermannian(0.5).evalf(8)
    (sech(x), 0.48038108)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return atan(sinh(x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return sech(self.args[0]) * self.args[0].diff(symbol)


class atan_exp(Composite):  # noqa: N801
    """atan(exp(x)), with derivative sech(x)/2."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return atan(exp(x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return sech(self.args[0]) / 2 * self.args[0].diff(symbol)


class acosh_exp(Composite):  # noqa: N801
    """acosh(exp(x)) for x ≥ 0, in range where exp(x) is not, to all digits beside 0 too."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return x + log1p(sqrt(-expm1(-2 * x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return x.diff(symbol) / sqrt(-expm1(-2 * x))


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


class log_distance_from_1(Composite):  # noqa: N801
    """log |exp(x) − 1|, with derivative −bose(−x)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return relu(x) + log1mexp(absolute(x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -bose(-self.args[0]) * self.args[0].diff(symbol)


class log_sum_cosh(Composite):  # noqa: N801
    """log Σ cᵢ·cosh(xᵢ) of c₁, x₁, c₂, x₂, … for numbers cᵢ > 0, the largest exp(|xᵢ|) taken out.

    >>> log_sum_cosh(1, 0.5, 2, 0).evalf(8)
    1.1402742
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        shift, total = _hyperbolic_total(arguments)
        return shift + log(total)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return _slope_of_log_sum_cosh(self.args, symbol)


class sinh_part(Composite):  # noqa: N801
    """sinh(x)/Σ cᵢ·cosh(xᵢ) of x, c₁, x₁, … for an x among them.

    Its derivative by that x is no difference: of cosh²(x) − sinh²(x) = 1 only the 1 is left.
    """

    @classmethod
    def formula(cls, x: Expr, *arguments: Expr) -> Expr:
        shift, total = _hyperbolic_total(arguments)
        return -sign(x) * expm1(-2 * absolute(x)) * exp(absolute(x) - shift) / (2 * total)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, *arguments = self.args
        own = next(c for c, a in in_pairs(arguments) if a == x)
        others = [(c, a) for c, a in in_pairs(arguments) if a != x]
        beside = own * cosh_part(Integer(0), *arguments) ** 2
        beside += cosh_part(x, *arguments) * Add(*[c * cosh_part(a, *arguments) for c, a in others])
        turned = [c * sinh_part(a, *arguments) * a.diff(symbol) for c, a in others]
        return beside * x.diff(symbol) - self * Add(*turned)


class cosh_part(Composite):  # noqa: N801
    """cosh(x)/Σ cᵢ·cosh(xᵢ) of x, c₁, x₁, …"""

    @classmethod
    def formula(cls, x: Expr, *arguments: Expr) -> Expr:
        shift, total = _hyperbolic_total(arguments)
        return (1 + exp(-2 * absolute(x))) * exp(absolute(x) - shift) / (2 * total)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, *arguments = self.args
        own = sinh_part(x, *arguments) * x.diff(symbol) if x != 0 else Integer(0)
        return own - self * _slope_of_log_sum_cosh(arguments, symbol)


def _slope_of_log_sum_cosh(arguments: Sequence[Expr], symbol: Expr) -> Expr:
    slopes = [(c, x, x.diff(symbol)) for c, x in in_pairs(arguments)]
    return Add(*[c * sinh_part(x, *arguments) * slope for c, x, slope in slopes if slope != 0])


def _hyperbolic_total(arguments: Sequence[Expr]) -> tuple[Expr, Expr]:
    """The largest |xᵢ|, and Σ cᵢ·cosh(xᵢ) divided by its exponential."""
    sizes = [absolute(x) for _, x in in_pairs(arguments)]
    shift = stop_gradient(maximum(*sizes))
    return shift, Add(*[c * exp(s - shift) * (1 + exp(-2 * s)) / 2 for (c, _), s in zip(in_pairs(arguments), sizes)])


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
