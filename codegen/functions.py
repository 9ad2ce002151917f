"""Real functions with their own derivative: SymPy supplies the calculus, this module the functions it lacks or expands.

Every class here stays unevaluated (its ``eval`` answers only for plain numbers and identical arguments), because
SymPy's ``Piecewise``, ``Max`` and ``Abs`` rewrite themselves and take seconds on expressions of width 8.
Value and derivative stand side by side; ``value`` is the definition that the mpmath oracle evaluates.

Kinks follow one convention: relu'(0) = 0, leaky_relu'(0) = slope, |x|'(0) = 0, clip'(low) = clip'(high) = 0,
a tie of k arguments of ``maximum`` gives each 1/k, sign' = floor' = ceiling' = 0, frac' = 1 and x mod y by x 1, also
where they jump; hypot'(0, 0) = 0, so x/hypot is 0 there too, xlogy' by y = 0 at x = y = 0. Comparisons with nan are
false: there relu' is 0, and the maximum of two, which is nan, has the derivative of its second argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any

import sympy
from sympy import (
    Add,
    And,
    Eq,
    Expr,
    Integer,
    Mul,
    Not,
    Or,
    Piecewise,
    Pow,
    Rational,
    atan,
    bernoulli,
    cos,
    cosh,
    erfc,
    exp,
    factorial,
    log,
    pi,
    rf,
    sin,
    sinh,
    sqrt,
    tanh,
)
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen import special
from codegen.expression import rewrite
from codegen.primitive import Approximation, Composite, Primitive
from codegen.series import convolved, horner

__all__ = [
    "CALLED",
    "CANONICAL",
    "SUPPORTED",
    "SYMPY_FUNCTIONS",
    "Composite",
    "Primitive",
    "absolute",
    "acot",
    "acoth",
    "acsc",
    "acsch",
    "asec",
    "asech",
    "bose",
    "canonical",
    "canonical_node",
    "ceiling",
    "clip",
    "coth",
    "csch",
    "direction_cosine",
    "elu",
    "equal",
    "erfc_pair",
    "erfcinv",
    "erfcinv_slope",
    "erfcx",
    "erfcx_curvature",
    "erfcx_rate",
    "erfcx_skew",
    "expm1",
    "floor",
    "frac",
    "gelu",
    "gelu_tanh",
    "hard_tanh",
    "hypot",
    "inverse_erfcx",
    "inverse_erfcx_slope",
    "leaky_relu",
    "log1mexp",
    "log1p",
    "log_cosh",
    "log_erfc",
    "log_erfc_pair",
    "log_normal_cdf",
    "log_sigmoid",
    "log_sum_exp",
    "log_tanh",
    "maximum",
    "minimum",
    "modulo",
    "normal_cdf",
    "power",
    "ratio",
    "relu",
    "relu6",
    "root_of_1_plus_exp",
    "sech",
    "select",
    "sigmoid",
    "sign",
    "silu",
    "softplus",
    "step",
    "stop_gradient",
    "xlog1py",
    "xlogy",
]


# --- smooth -------------------------------------------------------------------------------------------------------


class sigmoid(Primitive):  # noqa: N801 - functions keep their mathematical names
    """σ(x) = 1/(1 + exp(−x)), with σ' = σ·(1 − σ); evaluated through exp(−|x|), which cannot overflow."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return self * (1 - self)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x != x:
            return x
        return 1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x))


class softplus(Primitive):  # noqa: N801
    """log(1 + exp(x)), with derivative σ(x); evaluated as max(x, 0) + log1p(exp(−|x|))."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return sigmoid(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x != x:
            return x
        return mp.log1p(mp.exp(x)) if x <= 0 else x + mp.log1p(mp.exp(-x))


class expm1(Primitive):  # noqa: N801
    """exp(x) − 1 without cancellation near 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.expm1(x)


class log1p(Primitive):  # noqa: N801
    """log(1 + x) without cancellation near 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return 1 / (1 + self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.log1p(x) if x > -1 else (mp.mpf("-inf") if x == -1 else mp.nan)


class normal_cdf(Primitive):  # noqa: N801
    """Φ(x) = erfc(−x/√2)/2, accurate in both tails, with Φ' = exp(−x²/2)/√(2π).

    SymPy turns erfc(−x) into 2 − erfc(x), which cancels for x < 0; hence a function of its own.
    """

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(-(self.args[0] ** 2) / 2) / sqrt(2 * pi)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.erfc(-x / mp.sqrt(2)) / 2


class erfcx(Primitive):  # noqa: N801
    """exp(x²)·erfc(x), which falls as 1/(x·√π) where both factors are out of range; its derivative is −erfcx·rate.

    Its reciprocal is Mills' ratio turned over: φ(x)/Φ(x) = √(2/π)/erfcx(−x/√2).
    """

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return -self * erfcx_rate(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x < -FAR:
            return mp.inf  # beyond any float
        return 2 / (mp.sqrt(mp.pi) * (2 * x + _fraction(mp, x, 1))) if x > FAR else mp.exp(x * x) * mp.erfc(x)


class erfcx_rate(Primitive):  # noqa: N801
    """−d/dx log erfcx(x) = 2/(√π·erfcx(x)) − 2x, a difference that cancels for large x, where it is 1/x.

    It is √2·E[Z − u | Z > u] of a standard normal Z, u = √2·x: positive and falling.
    """

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return -erfcx_curvature(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return _fraction(mp, x, 1) if x > FAR else 2 / (mp.sqrt(mp.pi) * erfcx.value(mp, x)) - 2 * x


class erfcx_curvature(Primitive):  # noqa: N801
    """d²/dx² log erfcx(x) = 2 − rate·(2x + rate), which cancels for large x, where it is 1/x².

    It is 2·Var[Z | Z > u] of a standard normal Z, u = √2·x: between 2 and 0.
    """

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return -erfcx_skew(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        rate = erfcx_rate.value(mp, x)
        if x > FAR:
            return rate * (_fraction(mp, x, 2) - rate)
        if x < -FAR:
            return mp.mpf(2)  # to more digits than any that are asked for
        return 2 - 2 * rate / (mp.sqrt(mp.pi) * erfcx.value(mp, x))


FAR = 1000
"""Beyond, the oracle takes erfcx and its kin from their continued fraction."""


def _fraction(mp: Any, x: Any, first: int) -> Any:
    """2n/(2x + 2(n + 1)/(2x + …)) from n = first (Abramowitz, Stegun 1964, 7.1.14): four digits a term beyond FAR."""
    return reduce(lambda value, n: 2 * n / (2 * x + value), range(mp.dps // 4 + 8, first - 1, -1), mp.mpf(0))


class erfcinv(Primitive):  # noqa: N801
    """The w at which erfc(w) is x, without the cancellation of erfinv(1 − x) for a small x."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return erfcinv_slope(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x == 0 or x == 2:
            return mp.inf if x == 0 else -mp.inf
        if not 0 < x < 2:
            return mp.nan
        with mp.workprec(mp.prec + 8 + max(0, -int(mp.mag(x)))):  # as many bits more as 1 − x loses
            found = mp.erfinv(1 - x)
        return +found


class hypot(Primitive):  # noqa: N801
    """√(x₁² + x₂² + …) where the squares are out of range too; inf if an argument is, as IEEE 754 and C have it.

    The derivative by xᵢ is the direction cosine xᵢ/hypot, 0 at the origin, as that of |x| is.
    """

    def fdiff(self, argindex: int = 1) -> Expr:
        return direction_cosine(self.args[argindex - 1], *self.args)

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        infinite = any(abs(a) == mp.inf for a in arguments)
        return mp.inf if infinite else mp.sqrt(sum((a * a for a in arguments), mp.mpf(0)))


class ratio(Primitive):  # noqa: N801
    """x/size for a size ≥ 0 that x does not exceed, and 0 where both are 0: the quotient stays whole, as
    x·size⁻¹·size⁻¹ would become x·size⁻², which is out of range far earlier."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> Expr:
        size = self.args[1]
        return ratio(Integer(1), size) if argindex == 1 else -ratio(self, size)

    @staticmethod
    def value(mp: Any, x: Any, size: Any) -> Any:
        return x / size if size else mp.mpf(0)


class power(Primitive):  # noqa: N801
    """xʸ with an exponent that varies; powers with a fixed exponent or a fixed base stay SymPy's.

    SymPy's derivatives xʸ·y/x and xʸ·log(x) are nan at x = 0; these are 0 there wherever the function is flat.
    """

    nargs = 2

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


# --- with kinks ---------------------------------------------------------------------------------------------------


class step(Primitive):  # noqa: N801
    """1 where x > 0, else 0; its derivative is 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return Integer(0)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.mpf(1) if x > 0 else mp.mpf(0)


class relu(Primitive):  # noqa: N801
    """max(x, 0), with relu'(0) = 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return step(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.mpf(0) if x <= 0 else x


class sign(Primitive):  # noqa: N801
    """−1, 0 or 1; its derivative is 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return Integer(0)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.sign(x)


class absolute(Primitive):  # noqa: N801
    """|x|, with derivative sign(x), so 0 at 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return sign(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return abs(x)


class floor(Primitive):  # noqa: N801
    """The largest whole number that is not above x; its derivative is 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return Integer(0)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.floor(x) if mp.isfinite(x) else x


class modulo(Primitive):  # noqa: N801
    """x − y·⌊x/y⌋, which has the sign of y, with the derivatives 1 and −⌊x/y⌋; exact where |y| is the smaller one."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> Expr:
        x, y = self.args
        # Not −⌊x/y⌋: the quotient is rounded, and 1/0.1 is rounded to 10 although 0.1 goes into 1 nine times.
        return (Integer(1), (self - x) / y)[argindex - 1]

    @staticmethod
    def value(mp: Any, x: Any, y: Any) -> Any:
        if mp.isfinite(x) and mp.isinf(y):
            return x if x == 0 or (x < 0) == (y < 0) else y
        return x % y if mp.isfinite(x) and y == y and y else mp.nan


class clip(Primitive):  # noqa: N801
    """min(max(x, low), high), with derivative 1 strictly between low and high and 0 elsewhere."""

    nargs = 3

    def fdiff(self, argindex: int = 1) -> Expr:
        x, low, high = self.args
        inside_low, inside_high = step(x - low), step(high - x)
        return (inside_low * inside_high, 1 - inside_low, 1 - inside_high)[argindex - 1]

    @staticmethod
    def value(mp: Any, x: Any, low: Any, high: Any) -> Any:
        return low if x < low else (high if x > high else x)


class equal(Primitive):  # noqa: N801
    """The Iverson bracket [a = b]: 1 where the arguments are equal, else 0; its derivative is 0.

    On indices it is the Kronecker delta; on a label, ``equal(y[s], t)`` is the one-hot row.
    """

    nargs = 2

    @classmethod
    def eval(cls, a: Expr, b: Expr) -> Expr | None:
        if a == b:
            return Integer(1)
        return Integer(0) if isinstance(a, Integer) and isinstance(b, Integer) else None

    def fdiff(self, argindex: int = 1) -> Expr:
        return Integer(0)

    @staticmethod
    def value(mp: Any, a: Any, b: Any) -> Any:
        return mp.mpf(1) if a == b else mp.mpf(0)


class Extremum(Primitive):
    """An n-ary maximum or minimum; k tied arguments share the derivative, 1/k each; nan wins.

    The derivative of two is selected, which takes no division, and what is not chosen leaks nothing.
    """

    sense: int
    """1 for the largest, -1 for the smallest."""

    def fdiff(self, argindex: int = 1) -> Expr:
        ties = [equal(argument, self) for argument in self.args]
        return ties[argindex - 1] / Add(*ties)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        if len(self.args) != 2:
            return super()._eval_derivative(symbol)
        slopes = [argument.diff(symbol) for argument in self.args]
        if slopes[0] == slopes[1]:
            return slopes[0]
        ahead = self.sense * (self.args[0] - self.args[1])
        return select(ahead, slopes[0], select(equal(*self.args), Add(*slopes) / 2, slopes[1]))


class maximum(Extremum):  # noqa: N801
    """The largest argument."""

    sense = 1

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        return mp.nan if any(a != a for a in arguments) else max(arguments)


class minimum(Extremum):  # noqa: N801
    """The smallest argument."""

    sense = -1

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        return mp.nan if any(a != a for a in arguments) else min(arguments)


class select(Primitive):  # noqa: N801
    """``select(c, a, b)`` is a where c > 0, else b; its derivative selects too: the branch not taken leaks nothing."""

    nargs = 3

    def _eval_derivative(self, symbol: Expr) -> Expr:
        condition, a, b = self.args
        da, db = a.diff(symbol), b.diff(symbol)
        return da if da == db else select(condition, da, db)

    @staticmethod
    def value(mp: Any, condition: Any, a: Any, b: Any) -> Any:
        return a if condition > 0 else b


class stop_gradient(Primitive):  # noqa: N801
    """The identity, held constant under differentiation: for quantities that the result does not depend on."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return Integer(0)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return x


# --- formulas over the above --------------------------------------------------------------------------------------


class leaky_relu(Composite):  # noqa: N801
    """x where x > 0, else slope·x; the derivative at 0 is slope."""

    nargs = 2

    @classmethod
    def formula(cls, x: Expr, slope: Expr) -> Expr:
        return select(x, x, slope * x)


class elu(Composite):  # noqa: N801
    """x where x > 0, else alpha·(exp(x) − 1); the derivative at 0 is alpha (Clevert, Unterthiner, Hochreiter 2016)."""

    nargs = 2

    @classmethod
    def formula(cls, x: Expr, alpha: Expr) -> Expr:
        return select(x, x, alpha * expm1(x))


class silu(Composite):  # noqa: N801
    """x·σ(x), also called swish."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return x * sigmoid(x)


class gelu(Composite):  # noqa: N801
    """x·Φ(x), with the exact normal distribution function (Hendrycks, Gimpel 2016)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return x * normal_cdf(x)


class gelu_tanh(Composite):  # noqa: N801
    """x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2, the usual approximation of gelu (Hendrycks, Gimpel 2016)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return Mul(Rational(1, 2), x, 1 + tanh(sqrt(2 / pi) * x * (1 + Rational(44715, 10**6) * x**2)))


class ceiling(Composite):  # noqa: N801
    """−⌊−x⌋, the smallest whole number that is not below x; its derivative is 0."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return -floor(-x)


class frac(Composite):  # noqa: N801
    """x − ⌊x⌋, with derivative 1."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return x - floor(x)


class log_sigmoid(Composite):  # noqa: N801
    """log σ(x) = −softplus(−x)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return -softplus(-x)


class relu6(Composite):  # noqa: N801
    """min(max(x, 0), 6), with derivative 0 at both ends."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return clip(x, Integer(0), Integer(6))


class hard_tanh(Composite):  # noqa: N801
    """min(max(x, −1), 1), with derivative 0 at both ends."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return clip(x, Integer(-1), Integer(1))


class sech(Composite):  # noqa: N801
    """1/cosh(x), with derivative −sech(x)·tanh(x), which does not overflow."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / cosh(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -self * tanh(self.args[0]) * self.args[0].diff(symbol)


class csch(Composite):  # noqa: N801
    """1/sinh(x), with derivative −csch(x)·coth(x), which does not overflow."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / sinh(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -self * coth(self.args[0]) * self.args[0].diff(symbol)


class coth(Composite):  # noqa: N801
    """1/tanh(x), with derivative −csch²(x), which neither overflows nor cancels."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / tanh(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -(csch(self.args[0]) ** 2) * self.args[0].diff(symbol)


class bose(Composite):  # noqa: N801
    """1/(exp(x) − 1), with derivative bose(x)·bose(−x), which neither overflows nor cancels (Bose, Einstein)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / expm1(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return self * bose(-self.args[0]) * self.args[0].diff(symbol)


class log_cosh(Approximation):  # noqa: N801
    """log cosh(x) = |x| + log(1 + exp(−2·|x|)) − log 2, which does not overflow, with derivative tanh(x).

    Up to LITTLE, where that cancels, it is its power series, the integral of that of tanh.
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        size = absolute(x)
        little = x**2 * horner([_coefficient_of_log_cosh(k) for k in range(1, 9)], x**2)
        return select(size - LITTLE, size + softplus(-2 * size) - log(2), little)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return tanh(self.args[0]) * self.args[0].diff(symbol)

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
    """√(1 + exp(x)), which is in range up to twice the x of exp(x), with derivative σ(x)/2 times itself."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        decay = exp(-absolute(x) / 2)
        return select(x, 1 / decay, 1) * sqrt(1 + decay**2)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return self * sigmoid(x) / 2 * x.diff(symbol)


class log_sum_exp(Composite):  # noqa: N801
    """log Σ exp(xᵢ) with the largest argument taken out, so that no exponential overflows; derivative softmax."""

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        shift = stop_gradient(maximum(*arguments))
        return shift + log(Add(*[exp(argument - shift) for argument in arguments]))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return Add(*[exp(argument - self) * argument.diff(symbol) for argument in self.args])


class direction_cosine(Composite):  # noqa: N801
    """x/hypot(x₁, x₂, …) for an x among them, 0 at the origin; the first argument is x.

    Its derivative is Σⱼ cⱼ·(cⱼ·dx − c·dxⱼ)/hypot: products of cosines, which neither overflow nor cancel.
    """

    @classmethod
    def formula(cls, x: Expr, *arguments: Expr) -> Expr:
        return ratio(x, hypot(*arguments))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, *arguments = self.args
        dx = x.diff(symbol)
        cosines = [(direction_cosine(a, *arguments), a.diff(symbol)) for a in arguments]
        return Add(*[c * (c * dx - self * da) for c, da in cosines]) / hypot(*arguments)


class log1mexp(Composite):  # noqa: N801
    """log(1 − exp(−x)) for x > 0, to all digits where it is near 0 or far below (Mächler 2012); derivative bose(x)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return select(x - log(2), log1p(-exp(-x)), log(-expm1(-x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return bose(self.args[0]) * self.args[0].diff(symbol)


class erfc_pair(Composite):  # noqa: N801
    """erfc(x)·erfc(−x) = 1 − erf²(x), with derivative −4/√π·erf(x)·exp(−x²)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 4 * normal_cdf(sqrt(2) * x) * normal_cdf(-sqrt(2) * x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -4 / sqrt(pi) * sympy.erf(x) * exp(-(x**2)) * x.diff(symbol)


class log_erfc_pair(Composite):  # noqa: N801
    """log(1 − erf²(x)) = log erfc(|x|) + log(1 + erf|x|), also where erf is ±1; log1p(−erf²(x)) where that is small."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        size = absolute(x)
        far = log_erfc(size) + log1p(sympy.erf(size))
        return select(size - Rational(1, 2), far, log1p(-(sympy.erf(x) ** 2)))


class log_tanh(Composite):  # noqa: N801
    """log tanh(x) for x > 0, also where tanh is 1, with derivative 2/sinh(2x)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return log1mexp(2 * x) - softplus(-2 * x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return 2 * csch(2 * self.args[0]) * self.args[0].diff(symbol)


class inverse_erfcx(Composite):  # noqa: N801
    """1/erfcx(x), √π/2 times the hazard of the normal distribution, with derivative inverse_erfcx(x)·erfcx_rate(x)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / erfcx(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return inverse_erfcx_slope(self.args[0]) * self.args[0].diff(symbol)


class inverse_erfcx_slope(Composite):  # noqa: N801
    """The derivative of 1/erfcx(x), between 0 and √π. Its own is a multiple of erfcx_skew, as erfcx_rate is one of
    1/erfcx(x) but for −2x."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return erfcx_rate(x) / erfcx(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return sqrt(pi) / 2 * erfcx_skew(self.args[0]) * self.args[0].diff(symbol)


class erfcx_skew(Approximation):  # noqa: N801
    """−d³/dx³ log erfcx(x) = 2/(√π·erfcx)·(rate² − curvature), which cancels for large x, where it is 2/x³.

    It is 2·√2·E[(Z − E[Z | Z > u])³ | Z > u] of a standard normal Z, u = √2·x: positive. From SKEW on it is the second
    derivative of the series that solves Riccati's equation for the rate, rate' = rate² + 2x·rate − 2.
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        slope = inverse_erfcx_slope(x)
        near = 2 / sqrt(pi) * (slope * erfcx_rate(x) - erfcx_curvature(x) / erfcx(x))
        return select(x - SKEW, _derivative_of_rate(2, x), near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        rate, slope = erfcx_rate(x), inverse_erfcx_slope(x)
        near = slope * (rate**2 - 3 * erfcx_curvature(x)) + self / erfcx(x)
        return select(x - SKEW, _derivative_of_rate(3, x), 2 / sqrt(pi) * near) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        rate = erfcx_rate.value(mp, x)
        if x > FAR:
            second, third, fourth = (_fraction(mp, x, n) for n in (2, 3, 4))
            bend = 4 * (6 / (2 * x + fourth) - 4 / (2 * x + third)) / ((2 * x + second) * (2 * x + third))
            return (2 * x + rate) * rate * bend
        if x < -FAR:
            return mp.mpf(0)  # below any float
        return 2 / (mp.sqrt(mp.pi) * erfcx.value(mp, x)) * (rate**2 - erfcx_curvature.value(mp, x))


SKEW, TERMS = 8, 24
"""From here on the series of the rate is taken, to so many terms: before, rate² − curvature keeps 13 digits."""


def _derivative_of_rate(order: int, x: Expr) -> Expr:
    inverse = 1 / x
    terms = [(-1) ** order * rf(2 * k + 1, order) * b for k, b in enumerate(_series_of_rate())]
    return inverse ** (order + 1) * horner(terms, inverse**2)


@lru_cache(maxsize=1)
def _series_of_rate() -> tuple[Expr, ...]:
    """The b of erfcx_rate(x) = b₀/x + b₁/x³ + …"""
    found: list[Expr] = [Integer(1)]
    for k in range(1, TERMS):
        found.append(-((2 * k - 1) * found[-1] + convolved(found)) / 2)
    return tuple(found)


class log_erfc(Composite):  # noqa: N801
    """log erfc(x) = log erfcx(x) − x², with derivative −2/(√π·erfcx(x)); log1p(−erf(x)) where that is small."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return select(x - Rational(1, 2), log(erfcx(x)) - x**2, log1p(-sympy.erf(x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -2 / sqrt(pi) * inverse_erfcx(x) * x.diff(symbol)


class log_normal_cdf(Composite):  # noqa: N801
    """log Φ(x) = log(erfcx(−x/√2)/2) − x²/2, with derivative φ(x)/Φ(x); log1p(−Φ(−x)) where that is small."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        tail = log(erfcx(-x / sqrt(2)) / 2) - x**2 / 2
        return select(-1 - x, tail, log1p(-normal_cdf(-x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return sqrt(2 / pi) * inverse_erfcx(-x / sqrt(2)) * x.diff(symbol)


class erfcinv_slope(Composite):  # noqa: N801
    """−√π/2·exp(w²) of w = erfcinv(x), its derivative 2·w times its square.

    exp(w²) is erfcx(w)/x: the square would amplify the error of w, 1,400-fold at x = 1e-300.
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        w = erfcinv(x)
        return -sqrt(pi) / 2 * select(x, erfcx(w) / x, exp(w**2))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return 2 * erfcinv(x) * self**2 * x.diff(symbol)


class XLog(Composite):
    """x times a logarithm, 0 where x is 0, also where the logarithm is infinite or undefined.

    Its derivative by x is the logarithm, infinite where that is; the one by y is 0 at x = y's pole = 0.
    """

    nargs = 2
    logarithm: type[Expr] = log
    pole: int = 0

    @classmethod
    def formula(cls, x: Expr, y: Expr) -> Expr:
        # x·sign(y) is 0 there, and nan where y is.
        return select(absolute(x), x * cls.logarithm(y), x * sign(y))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, y = self.args
        flat = And(Eq(x, 0), Eq(y, self.pole))
        slope = Piecewise((Integer(0), flat), (x / (y - self.pole), True))
        return self.logarithm(y) * x.diff(symbol) + slope * y.diff(symbol)


class xlogy(XLog):  # noqa: N801
    """x·log(y), and 0 where x is 0.

    >>> from sympy import symbols
    >>> x, y = symbols("x y", real=True)
    >>> xlogy(x, y).diff(x)
    log(y)
    """


class xlog1py(XLog):  # noqa: N801
    """x·log(1 + y), and 0 where x is 0."""

    logarithm = log1p
    pole = -1


class InverseOfReciprocal(Composite):
    """f(1/x) for an inverse function f: its derivative is written in x, because 1/x² overflows where it does not."""

    nargs = 1

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        """The derivative."""
        raise NotImplementedError

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return self.slope(self.args[0]) * self.args[0].diff(symbol)


class asec(InverseOfReciprocal):  # noqa: N801
    """acos(1/x), with derivative 1/(|x|·√(x² − 1))."""

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.acos(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return 1 / (absolute(x) * sqrt(x**2 - 1))


class acsc(InverseOfReciprocal):  # noqa: N801
    """asin(1/x), with derivative −1/(|x|·√(x² − 1))."""

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.asin(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return -1 / (absolute(x) * sqrt(x**2 - 1))


class acot(InverseOfReciprocal):  # noqa: N801
    """atan(1/x), with derivative −1/(1 + x²), also at 0."""

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return atan(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return -1 / (1 + x**2)


class asech(InverseOfReciprocal):  # noqa: N801
    """acosh(1/x), with derivative −1/(x·√(1 − x²))."""

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.acosh(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return -1 / (x * sqrt(1 - x**2))


class acsch(InverseOfReciprocal):  # noqa: N801
    """asinh(1/x), with derivative −1/(|x|·√(1 + x²))."""

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.asinh(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return -1 / (absolute(x) * sqrt(1 + x**2))


class acoth(InverseOfReciprocal):  # noqa: N801
    """atanh(1/x), with derivative 1/(1 − x²)."""

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.atanh(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return 1 / (1 - x**2)


def _heaviside(x: Expr, at_zero: Expr = sympy.S.Half) -> Expr:
    return step(x) + at_zero * equal(x, Integer(0))


def _exactly_odd(*conditions: Expr) -> Expr:
    """Xor: an odd number of the conditions hold."""
    return reduce(lambda a, b: Or(And(a, Not(b)), And(Not(a), b)), conditions)


#: SymPy functions that are rewritten on entry to the ones above and to others, whose kinks follow the convention.
CANONICAL: dict[type[Basic], Callable[..., Expr]] = {
    sympy.Abs: absolute,
    sympy.sign: sign,
    sympy.Max: maximum,
    sympy.Min: minimum,
    sympy.Heaviside: _heaviside,
    sympy.KroneckerDelta: lambda i, j, *_: equal(i, j),
    sympy.sec: lambda x: 1 / cos(x),
    sympy.csc: lambda x: 1 / sin(x),
    sympy.cot: lambda x: cos(x) / sin(x),
    sympy.asec: asec,
    sympy.acsc: acsc,
    sympy.acot: acot,
    sympy.sech: sech,
    sympy.csch: csch,
    sympy.coth: coth,
    sympy.asech: asech,
    sympy.acsch: acsch,
    sympy.acoth: acoth,
    sympy.floor: floor,
    sympy.ceiling: ceiling,
    sympy.frac: frac,
    sympy.Mod: modulo,
    sympy.erfcinv: erfcinv,
    sympy.re: lambda x: x,
    sympy.conjugate: lambda x: x,
    sympy.UnevaluatedExpr: lambda x: x,
    sympy.Xor: _exactly_odd,
    sympy.ITE: lambda condition, a, b: Or(And(condition, a), And(Not(condition), b)),
    sympy.Implies: lambda a, b: Or(Not(a), b),
    sympy.Equivalent: lambda *conditions: Or(And(*conditions), And(*map(Not, conditions))),
    **special.CANONICAL,
}


def canonical_node(node: Basic) -> Basic | None:
    """What one node is rewritten to on entry; None if it is fine as it is."""
    if node.func in CANONICAL:
        return CANONICAL[node.func](*node.args)
    if not isinstance(node, Pow):
        return None
    if isinstance(node.base, sympy.gamma) and isinstance(node.exp, Integer) and node.exp < 0:
        return None if node.base.is_number else special.reciprocal_gamma(node.base.args[0]) ** -node.exp
    return power(*node.args) if not (node.base.is_number or node.exp.is_number) else None


def canonical(expression: Expr) -> Expr:
    """Rewrite the functions of ``CANONICAL``, also those that SymPy makes by itself: √(x²) is |x| for a real x.

    >>> canonical(sqrt(sympy.Symbol("x", real=True) ** 2))
    absolute(x)
    """
    return rewrite(expression, canonical_node)


#: SymPy functions that the emitters translate.
SYMPY_FUNCTIONS: tuple[type[Expr], ...] = (
    exp, log, tanh, sinh, cosh, sin, cos, sympy.tan, sympy.asin, sympy.acos, atan, sympy.asinh, sympy.acosh,
    sympy.atanh, sympy.atan2, sympy.erf, erfc,
)  # fmt: skip

#: Every kind of node that a body may consist of, besides symbols and numbers.
SUPPORTED: tuple[type, ...] = (
    Add, Mul, Pow, Primitive, Composite, *SYMPY_FUNCTIONS, *special.SYMPY_FUNCTIONS, *CANONICAL,
    Piecewise, ExprCondPair, Relational, And, Or, Not,
)  # fmt: skip

CALLED: Mapping[type[Expr], tuple[str, ...]] = {
    erfcinv: ("erfcinv",),
    special.beta: ("beta",),
    special.binomial: ("binom",),
    special.binomial_crossing: ("beta",),
    special.besselj: ("j0", "j1", "jv"),
    special.bessely: ("y0", "y1", "yv"),
    special.besseli: ("i0", "i1", "iv"),
    special.besselk: ("k0", "k1", "kv"),
    special.scaled_bessel: ("i0e", "i1e", "ive"),
    special.spherical_bessel: ("jv",),
    special.modified_spherical_bessel: ("ive",),
    special.sine_integral: ("sici",),
    special.hyperbolic_sine_integral: ("shichi",),
    special.regularised_lower_gamma: ("gammainc",),
    special.regularised_upper_gamma: ("gammaincc",),
    sympy.expint: ("expn",),
    sympy.Ei: ("expi",),
    sympy.Ci: ("sici",),
    sympy.Chi: ("shichi",),
    sympy.erfi: ("erfi",),
    sympy.erfinv: ("erfinv",),
    **dict.fromkeys((sympy.fresnels, sympy.fresnelc), ("fresnel",)),
    **dict.fromkeys((sympy.airyai, sympy.airyaiprime, sympy.airybi, sympy.airybiprime), ("airy",)),
}
"""Functions that call C functions of SciPy, for one number after the other also where all else is in lanes."""
