"""What stays finite where exponentials overflow, and exact where they vanish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sympy import (
    Add,
    Expr,
    Integer,
    Rational,
    asinh,
    atan,
    bernoulli,
    cosh,
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
from codegen.functions.series import horner
from codegen.functions.smooth import (
    damped_power,
    expm1,
    log1p,
    log_cosh_slope,
    logistic,
    softplus,
    softplus_intercept,
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
        return logistic(b * x) * x.diff(symbol) - softplus_intercept(b * x) / b**2 * b.diff(symbol)


class root_of_1_plus_exp(Composite):  # noqa: N801
    """√(1 + exp(x)), which is in range up to twice the x of exp(x), with derivative σ(x)/2 times itself.

    >>> root_of_1_plus_exp("x").diff("x"), root_of_1_plus_exp(0.5).evalf(8)
    (logistic(x)*root_of_1_plus_exp(x)/2, 1.6274893)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        decay = exp(-absolute(x) / 2)
        return select(x, 1 / decay, 1) * sqrt(1 + decay**2)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return self * logistic(x) / 2 * x.diff(symbol)


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


EXP, COSH, SINH, EXPM1 = range(4)


class Kind(NamedTuple):
    """A function that grows exponentially."""

    function: type[Expr]
    slope: int
    """The number of its derivative."""
    size: Callable[[Expr], Expr]
    scaled: Callable[[Expr], Expr]
    """f(x)·exp(−size)"""


KINDS: Sequence[Kind] = (
    Kind(exp, EXP, lambda x: x, lambda x: Integer(1)),
    Kind(cosh, SINH, absolute, lambda x: (1 + exp(-2 * absolute(x))) / 2),
    Kind(sinh, COSH, absolute, lambda x: -sign(x) * expm1(-2 * absolute(x)) / 2),
    Kind(expm1, EXP, relu, lambda x: -sign(x) * expm1(-absolute(x))),
)
#: f′·g − f·g′ = c·exp(b·x) of two different kinds at x: c and b.
WRONSKIANS: Mapping[tuple[int, int], tuple[int, int]] = {
    **dict.fromkeys([(EXP, COSH), (SINH, EXP), (SINH, COSH)], (1, 0)),
    **dict.fromkeys([(COSH, EXP), (EXP, SINH), (COSH, SINH)], (-1, 0)),
    (EXPM1, EXP): (1, 1),
    (EXP, EXPM1): (-1, 1),
}


class log_of_weighted_sum(Composite):  # noqa: N801
    """log Σ cᵢ·fᵢ(xᵢ) of k₁, c₁, x₁, k₂, c₂, x₂, … for factors of any sign, with the largest term taken out.

    The kᵢ are numbers of ``KINDS``. Beside a term that is 1 the others keep their digits where they are far smaller.

    >>> log_of_weighted_sum(COSH, 1, 0.5, SINH, 2, 0).evalf(8)
    0.12011451
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        shift, total = _shifted(arguments)
        terms = _terms(arguments)
        others = [c * KINDS[k].function(x) for k, c, x in terms if (k, c, x) != (EXP, 1, 0)]
        far = shift + log(total)
        return far if len(others) == len(terms) else select(shift - 1, far, log1p(Add(*others)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        slopes = [
            part_of_weighted_sum(KINDS[k].slope, c, x, *self.args) * x.diff(symbol)
            + part_of_weighted_sum(k, 1, x, *self.args) * c.diff(symbol)
            for k, c, x in _terms(self.args)
        ]
        return Add(*slopes)


class part_of_weighted_sum(Composite):  # noqa: N801
    """w·f(x)/Σ cᵢ·fᵢ(xᵢ) of k, w, x, k₁, c₁, x₁, …, as it is where both are out of range.

    With g = fᵢ(xᵢ) and the sum S its derivative is Σ (w·cᵢ·(f′·g·dx − f·g′·dxᵢ) + (cᵢ·dw − w·dcᵢ)·f·g)/S², a product of
    two such parts in each term. f′·g − f·g′ is 0, or an exponential, where x and xᵢ are the same, and cᵢ·dw − w·dcᵢ is
    0 where w is cᵢ times a number: nothing grows that cancels.
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        k, w, x, *terms = arguments
        kind = KINDS[int(k)]
        shift, total = _shifted(terms)
        return w * kind.scaled(x) * exp(kind.size(x) - shift) / total

    def _eval_derivative(self, symbol: Expr) -> Expr:
        k, w, x, *terms = self.args
        kind, dw, dx = int(k), w.diff(symbol), x.diff(symbol)

        def part(kind: int, weight: Expr, argument: Expr) -> Expr:
            return part_of_weighted_sum(kind, weight, argument, *terms) if weight != 0 else Integer(0)

        turned: list[Expr] = []
        for n, c, a in _terms(terms):
            da, dc = a.diff(symbol), c.diff(symbol)
            opposite = a == -x and {COSH, SINH} & {kind, n}
            if a == x or (opposite and (kind, n) in WRONSKIANS):
                # cosh(−x) = cosh(x) and sinh(−x) = −sinh(x) beside exp(x).
                sense = -1 if a != x and SINH in (kind, n) else 1
                factor, rate = WRONSKIANS.get((kind, n), (0, 0))
                along = sense * factor * (dx if kind == EXP else da)
                turned.append(along * part(EXP, w, rate * x) * part(EXP, c, Integer(0)))
            elif n == kind == EXP:
                turned.append(self * part(EXP, c, a) * (dx - da))
            else:
                turned.append(part(KINDS[kind].slope, w, x) * part(n, c, a) * dx)
                turned.append(-self * part(KINDS[n].slope, c, a) * da)
            if c * dw != w * dc:
                turned.append(part(kind, dw, x) * part(n, c, a) - self * part(n, dc, a))
        return Add(*turned)


def _terms(written: Sequence[Expr]) -> list[tuple[int, Expr, Expr]]:
    return [(int(k), c, x) for k, c, x in zip(written[::3], written[1::3], written[2::3])]


def _shifted(written: Sequence[Expr]) -> tuple[Expr, Expr]:
    """The logarithm of what the largest term grows as, and Σ cᵢ·fᵢ(xᵢ) without it."""
    terms = [(KINDS[k], c, x) for k, c, x in _terms(written)]
    sizes = [kind.size(x) + (log(absolute(c)) if c not in (1, -1) else 0) for kind, c, x in terms]
    shift = stop_gradient(maximum(*sizes) if len(sizes) > 1 else sizes[0])
    return shift, Add(*[c * kind.scaled(x) * exp(kind.size(x) - shift) for kind, c, x in terms])


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
