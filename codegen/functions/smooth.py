"""Smooth functions that SymPy lacks, or expands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Add, And, Eq, Expr, Integer, Piecewise, Pow, exp, log, sqrt, tanh

from codegen.functions import arrays
from codegen.functions.kinks import absolute, clip, maximum, relu, select, sign, stop_gradient
from codegen.functions.operation import EVERYWHERE, EXPONENTIAL, INF, NAN, WITH_ZERO, Ends, Operation, Points
from codegen.functions.primitive import Composite, Primitive
from codegen.functions.series import in_pairs


def _sigmoid(x: Expr) -> Expr:
    # exp(−|x|) cannot overflow; both branches share it and the quotient.
    e = exp(-absolute(x))
    quotient = 1 / (1 + e)
    return select(x, quotient, e * quotient)


class sigmoid(Primitive):  # noqa: N801 - functions keep their mathematical names
    """σ(x) = 1/(1 + exp(−x)), with σ' = σ·(1 − σ); evaluated through exp(−|x|), which cannot overflow.

    >>> sigmoid("x").diff("x"), sigmoid(0.5).evalf(8)
    ((1 - sigmoid(x))*sigmoid(x), 0.62245933)
    """

    nargs = 1
    row = Operation(
        arrays.sigmoid,
        library="special.sigmoid",
        written=_sigmoid,
        step=True,
        points=Points(WITH_ZERO, special=EVERYWHERE),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return self * (1 - self)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x != x:
            return x
        return 1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x))


class softplus(Primitive):  # noqa: N801
    """log(1 + exp(x)), with derivative σ(x); evaluated as max(x, 0) + log1p(exp(−|x|)).

    >>> softplus("x").diff("x"), softplus(0.5).evalf(8)
    (logistic(x), 0.97407698)
    """

    nargs = 1
    row = Operation(
        arrays.softplus,
        library="special.softplus",
        written=lambda x: relu(x) + log1p(exp(-absolute(x))),
        step=True,
        points=Points(WITH_ZERO, special=EVERYWHERE),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return logistic(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x != x:
            return x
        return mp.log1p(mp.exp(x)) if x <= 0 else x + mp.log1p(mp.exp(-x))


class expm1(Primitive):  # noqa: N801
    """exp(x) − 1 without cancellation near 0.

    >>> expm1("x").diff("x"), expm1(0.5).evalf(8)
    (exp(x), 0.64872127)
    """

    nargs = 1
    row = Operation(
        arrays.expm1,
        "math.expm1",
        "np.expm1",
        mpmath="expm1",
        ends=Ends("-1", "inf", limit=EXPONENTIAL),
        step=True,
        points=Points(special=EVERYWHERE),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.expm1(x)


class log1p(Primitive):  # noqa: N801
    """log(1 + x) without cancellation near 0.

    >>> log1p("x").diff("x"), log1p(0.5).evalf(8)
    (1/(x + 1), 0.40546511)
    """

    nargs = 1
    row = Operation(
        arrays.log1p,
        "math.log1p",
        "np.log1p",
        mpmath="log1p",
        ends=Ends("nan", "inf", low=-1, poles={-1: "-inf"}),
        step=True,
        points=Points((-0.7, -0.01, 0.4, 3.0, 55.0), (0.0, 5e-324, 1e300, -2.0, INF, *NAN)),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return 1 / (1 + self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.log1p(x) if x > -1 else (mp.mpf("-inf") if x == -1 else mp.nan)


class hypot(Primitive):  # noqa: N801
    """√(x₁² + x₂² + …) where the squares are out of range too; inf if an argument is, as IEEE 754 and C have it.

    The derivative by xᵢ is the direction cosine xᵢ/hypot, 0 at the origin, as that of |x| is.

    >>> hypot("x", "y").diff("y"), hypot(0.5, 0.25).evalf(8)
    (direction_cosine(y, x, y), 0.55901699)
    """

    row = Operation(arrays.hypot, counted=lambda n: {"multiply": n, "add": n - 1, "sqrt": 1})

    def fdiff(self, argindex: int = 1) -> Expr:
        return direction_cosine(self.args[argindex - 1], *self.args)

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        infinite = any(abs(a) == mp.inf for a in arguments)
        return mp.inf if infinite else mp.sqrt(sum((a * a for a in arguments), mp.mpf(0)))


class ratio(Primitive):  # noqa: N801
    """x/size for a size ≥ 0 that x does not exceed, and 0 where both are 0: the quotient stays whole, as
    x·size⁻¹·size⁻¹ would become x·size⁻², which is out of range far earlier.

    >>> ratio("x", "y").diff("y"), ratio(0.5, 0.25).evalf(8)
    (-ratio(ratio(x, y), y), 2.0000000)
    """

    nargs = 2
    row = Operation(
        instructions=lambda code, x, size: code.divide(x, code.choose(code.compare("==", size, 0.0), 1.0, size)),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        size = self.args[1]
        return ratio(Integer(1), size) if argindex == 1 else -ratio(self, size)

    @staticmethod
    def value(mp: Any, x: Any, size: Any) -> Any:
        return x / size if size else mp.mpf(0)


class power(Primitive):  # noqa: N801
    """xʸ with an exponent that varies; powers with a fixed exponent or a fixed base stay SymPy's.

    SymPy's derivatives xʸ·y/x and xʸ·log(x) are nan at x = 0; these are 0 there wherever the function is flat.

    >>> power("x", "y").diff("y"), power(0.5, 0.25).evalf(8)
    (Piecewise((0, Eq(x, 0) & (y > 0)), (log(x)*power(x, y), True)), 0.84089642)
    """

    nargs = 2
    row = Operation(arrays.power)

    @classmethod
    def eval(cls, x: Expr, y: Expr) -> Expr | None:
        return Pow(x, y) if x.is_number or y.is_number else None

    def fdiff(self, argindex: int = 1) -> Expr:
        x, y = self.args
        flat, slope = ((Eq(y, 0), y * power(x, y - 1)), (y > 0, self * log(x)))[argindex - 1]
        return Piecewise((Integer(0), And(Eq(x, 0), flat)), (slope, True))

    @staticmethod
    def value(mp: Any, x: Any, y: Any) -> Any:
        return mp.power(x, y)


class direction_cosine(Composite):  # noqa: N801
    """x/hypot(x₁, x₂, …) for an x among them, 0 at the origin; the first argument is x.

    Its derivative is Σⱼ cⱼ·(cⱼ·dx − c·dxⱼ)/hypot: products of cosines, which neither overflow nor cancel.

    >>> direction_cosine("x", "y").diff("y"), direction_cosine(0.5, 0.25).evalf(8)
    (-direction_cosine(x, y)*direction_cosine(y, y)/hypot(y), 2.0000000)
    """

    @classmethod
    def formula(cls, x: Expr, *arguments: Expr) -> Expr:
        return ratio(x, hypot(*arguments))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, *arguments = self.args
        dx = x.diff(symbol)
        cosines = [(direction_cosine(a, *arguments), a.diff(symbol)) for a in arguments]
        return Add(*[c * (c * dx - self * da) for c, da in cosines]) / hypot(*arguments)


class square_share(Composite):  # noqa: N801
    """x/(x₁² + x₂² + …) for an x among them, where the squares are out of range too; the first argument is x.

    Its derivative is r·dx − 2·q·Σ qⱼ·dxⱼ, of r = 1/(x₁² + x₂² + …): no square of that sum is made.

    >>> square_share("x", "y").diff("y"), square_share(0.5, 0.25).evalf(8)
    (-2*square_share(x, y)*square_share(y, y), 8.0000000)
    """

    @classmethod
    def formula(cls, x: Expr, *arguments: Expr) -> Expr:
        near = x / Add(*[a**2 for a in arguments])
        numbers = {*arguments} - {x}
        if numbers and all(a.is_number and 1 / HUGE < abs(a) < NEGLIGIBLE for a in numbers):
            # Beside an x that is HUGE the numbers are nothing, and where they are the sum is not 0.
            return select(absolute(x) - HUGE, 1 / x, near)
        sizes = [absolute(a) for a in arguments]
        size = maximum(*sizes) if len(sizes) > 1 else sizes[0]
        far = ratio(ratio(x, size), size) / Add(*[ratio(a, size) ** 2 for a in arguments])
        return select(size - HUGE, far, select(1 / HUGE - size, far, near))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, *arguments = self.args
        return reciprocal_of_squares(*arguments) * x.diff(symbol) - 2 * self * _shares(arguments, symbol)


class reciprocal_of_squares(Composite):  # noqa: N801
    """r = 1/(x₁² + x₂² + …), with derivative −2·r·Σ qⱼ·dxⱼ of qⱼ = xⱼ·r."""

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        return 1 / Add(*[a**2 for a in arguments])

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -2 * self * _shares(self.args, symbol)


class part_of_sum(Composite):  # noqa: N801
    """u/(u + v), the part that one term has of a sum; its complement is that of v.

    Its derivative is (v·du − u·dv)/(u + v)², which has all digits where u or v is constant: du/(u + v) less
    u·(du + dv)/(u + v)², as that of the quotient, is a difference of what is (u + v)/v times as large.

    >>> part_of_sum("x", "y").diff("x"), part_of_sum("x", "y").diff("y"), part_of_sum(1, 3).evalf(8)
    (part_of_sum(y, x)/(x + y), -part_of_sum(x, y)/(x + y), 0.25000000)
    """

    nargs = 2

    @classmethod
    def formula(cls, u: Expr, v: Expr) -> Expr:
        return u / (u + v)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        u, v = self.args
        return (part_of_sum(v, u) * u.diff(symbol) - self * v.diff(symbol)) / (u + v)


class log_size(Composite):  # noqa: N801
    """log |x|, with derivative 1/x.

    >>> log_size("x").diff("x"), log_size("x + 1"), log_size(-2).evalf(8)
    (1/x, log1p_size(x), 0.69314718)
    """

    nargs = 1

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        return log1p_size(x - 1) if 1 in Add.make_args(x) and x != 1 else None

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return log(absolute(x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return x.diff(symbol) / x


class log1p_size(Composite):  # noqa: N801
    """log |1 + x|, with derivative 1/(1 + x).

    >>> log1p_size("x").diff("x"), log1p_size(-3).evalf(8)
    (1/(x + 1), 0.69314718)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return log1p(select(1 + x, x, -2 - x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return x.diff(symbol) / (1 + x)


class log1p_of_squares(Composite):  # noqa: N801
    """log(1 + x₁² + x₂² + …), where the squares are out of range too, with derivative 2·Σ xⱼ·dxⱼ/(1 + …).

    >>> log1p_of_squares(1e200).evalf(8)
    921.03404
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        # One logarithm for both: of what is HUGE log1p is the logarithm.
        size = hypot(*arguments) if len(arguments) > 1 else absolute(*arguments)
        total = Add(*[a**2 for a in arguments])
        return select(size - HUGE, 2, 1) * log1p(select(size - HUGE, size, total))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return 2 * _shares([Integer(1), *self.args], symbol)


def _shares(arguments: Sequence[Expr], symbol: Expr) -> Expr:
    """Σ xⱼ·dxⱼ/(x₁² + x₂² + …)."""
    slopes = [(a, a.diff(symbol)) for a in arguments]
    return Add(*[square_share(a, *arguments) * slope for a, slope in slopes if slope != 0])


HUGE = Integer(2) ** 60
NEGLIGIBLE = Integer(2) ** 30
"""Its square, and that of its reciprocal, are in range in float32 too, and 1 beside it is below 2⁻⁵³ of it."""


class weighted_norm(Composite):  # noqa: N801
    """(c₁·x₁ⁿ + c₂·x₂ⁿ + …)^(1/n) of n, c₁, x₁, c₂, x₂, … for a whole n, where the powers are out of range too.

    With q = x/norm its derivative is Σ qⁿ⁻¹·(c·dx + x·dc/n); the largest |x| is taken out.
    """

    @classmethod
    def formula(cls, n: Expr, *arguments: Expr) -> Expr:
        # As sums of ±(|c|^(1/n)·x)ⁿ, so that 0 times what is infinite is 0.
        roots = [(sign(c), absolute(c) ** (1 / n) * x) for c, x in in_pairs(arguments)]
        size = stop_gradient(maximum(*[absolute(root) for _, root in roots]))
        negative = [c.is_negative if c.is_number else None for c in arguments[::2]]
        if n == 2 and len(negative) == 2 and {*negative} == {False, True}:
            # x² − y² is (x − y)·(x + y), of which the difference has all digits.
            x, y = (absolute(roots[negative.index(sense)][1]) for sense in (False, True))
            return size * sqrt(ratio(x - y, size) * (ratio(x, size) + ratio(y, size)))
        return size * Add(*[sense * ratio(root, size) ** n for sense, root in roots]) ** (1 / n)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        n, *arguments = self.args
        return Add(
            *[
                weighted_share(x, *self.args) ** (n - 1) * (c * x.diff(symbol) + x * c.diff(symbol) / n)
                for c, x in in_pairs(arguments)
            ]
        )


class weighted_share(Composite):  # noqa: N801
    """q = x/norm of x, n, c₁, x₁, …: a product of such shares where one of powers would be out of range.

    Its derivative is Σⱼ cⱼ·qⱼⁿ⁻¹·(qⱼ·dx − q·dxⱼ)/norm − q·Σ qⱼⁿ·dcⱼ/n, where Σ cⱼ·qⱼⁿ = 1.
    """

    @classmethod
    def formula(cls, x: Expr, *arguments: Expr) -> Expr:
        # Infinite where the norm alone is 0, as where √(x² − 1) begins.
        size = weighted_norm(*arguments)
        return select(size, ratio(x, size), x / size)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, n, *arguments = self.args
        parts = [(weighted_share(a, *self.args[1:]), c, a) for c, a in in_pairs(arguments)]
        turned = Add(*[c * q ** (n - 1) * (q * x.diff(symbol) - self * a.diff(symbol)) for q, c, a in parts])
        by_weights = Add(*[q**n * c.diff(symbol) for q, c, _ in parts])
        return turned / weighted_norm(*self.args[1:]) - self * by_weights / n


# --- slopes of what grows linearly --------------------------------------------------------------------------------


def _sigmoid_slope(x: Expr) -> Expr:
    decay = exp(-absolute(x))
    quotient = 1 / (1 + decay)
    return decay * quotient * quotient


class logistic(Composite):  # noqa: N801
    """σ(x) in formulas, as the derivative of log(1 + exp(x)): its own is not σ·(1 − σ), which has no digits from 37 on.

    >>> logistic("x").diff("x"), logistic(0.5).evalf(8)
    (sigmoid_slope(x), 0.62245933)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sigmoid(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return sigmoid_slope(self.args[0]) * self.args[0].diff(symbol)


class sigmoid_slope(Primitive):  # noqa: N801
    """σ(x)·σ(−x) with the digits of both, q·(1 − q) of q = σ(−|x|). Its derivative is −tanh(x/2) times itself.

    >>> sigmoid_slope("x").diff("x"), sigmoid_slope(0.5).evalf(8)
    (-log_cosh_slope(x/2)*sigmoid_slope(x), 0.23500371)
    """

    nargs = 1
    row = Operation(arrays.sigmoid_slope, written=_sigmoid_slope)

    def fdiff(self, argindex: int = 1) -> Expr:
        return -self * log_cosh_slope(self.args[0] / 2)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        decay = mp.exp(-abs(x))
        return decay / (1 + decay) ** 2


class log_cosh_slope(Composite):  # noqa: N801
    """tanh(x) as the derivative of log cosh(x): its own is not 1 − tanh², which has no digits from 19 on.

    >>> log_cosh_slope("x").diff("x"), log_cosh_slope(0.5).evalf(8)
    (tanh_slope(x), 0.46211716)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return tanh(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return tanh_slope(self.args[0]) * self.args[0].diff(symbol)


class tanh_slope(Composite):  # noqa: N801
    """1/cosh²(x) from tanh(x): 1 − |tanh(x)| is exp(−2·|x|)·(1 + |tanh(x)|). Its derivative is −2·tanh(x) times it.

    >>> tanh_slope("x").diff("x"), tanh_slope(0.5).evalf(8)
    (-2*log_cosh_slope(x)*tanh_slope(x), 0.78644773)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return exp(-2 * absolute(x)) * (1 + absolute(tanh(x))) ** 2

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -2 * self * log_cosh_slope(x) * x.diff(symbol)


class damped_power(Composite):  # noqa: N801
    """xⁿ·σ(x)·σ(−x) for a whole n ≥ 1, 0 where xⁿ is out of range too.

    Beyond FLAT the slope is 0 in floating point: there the power need not grow any more.

    >>> damped_power(0.5, 0.25).evalf(8)
    0.12306704
    """

    nargs = 2

    @classmethod
    def formula(cls, n: Expr, x: Expr) -> Expr:
        # A choice, not a product alone: another factor might be multiplied to the power first.
        return select(absolute(x) - FLAT, Integer(0), clip(x, -FLAT, FLAT) ** n * sigmoid_slope(x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        n, x = self.args
        before = damped_power(n - 1, x) if n > 1 else sigmoid_slope(x)
        return (n * before + self * (1 - 2 * logistic(x))) * x.diff(symbol)


FLAT = Integer(800)
"""exp(−800) is below 10⁻³²⁴."""


class softplus_intercept(Composite):  # noqa: N801
    """softplus(x) − x·σ(x), where its tangent meets 0, which is as σ(−|x|) far out: the difference has no digits there.

    It is even, with derivative −x·σ(x)·σ(−x): the entropy of a state that is taken with the probability σ(x).

    >>> softplus_intercept("x").diff("x"), softplus_intercept(0.5).evalf(8)
    (-damped_power(1, x), 0.66284732)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        size = clip(absolute(x), 0, FLAT)
        return softplus(-size) + size * sigmoid(-size)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -damped_power(1, x) * x.diff(symbol)
