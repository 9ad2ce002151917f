"""Functions by a formula over others: activations, rounding, reciprocals and their inverses, x·log y."""

from __future__ import annotations

import sympy
from sympy import And, Eq, Expr, Integer, Mul, Piecewise, Rational, atan, cosh, log, pi, sinh, sqrt, tanh

from codegen.functions.gaussian import normal_cdf
from codegen.functions.kinks import absolute, clip, floor, select, sign
from codegen.functions.operation import BEYOND, ENDS, EVERYWHERE, LARGE, NAN, SMALL, WITH_ZERO, Operation, Points
from codegen.functions.primitive import Composite
from codegen.functions.smooth import expm1, log1p, log_size, sigmoid, softplus


class leaky_relu(Composite):  # noqa: N801
    """x where x > 0, else slope·x; the derivative at 0 is slope.

    >>> leaky_relu("x", "y").diff("y"), leaky_relu(0.5, 0.25).evalf(8)
    (select(x, 0, x), 0.50000000)
    """

    nargs = 2

    @classmethod
    def formula(cls, x: Expr, slope: Expr) -> Expr:
        return select(x, x, slope * x)


class elu(Composite):  # noqa: N801
    """x where x > 0, else alpha·(exp(x) − 1); the derivative at 0 is alpha (Clevert, Unterthiner, Hochreiter 2016).

    >>> elu("x", "y").diff("y"), elu(0.5, 0.25).evalf(8)
    (select(x, 0, expm1(x)), 0.50000000)
    """

    nargs = 2

    @classmethod
    def formula(cls, x: Expr, alpha: Expr) -> Expr:
        return select(x, x, alpha * expm1(x))


class silu(Composite):  # noqa: N801
    """x·σ(x), also called swish.

    >>> silu("x").diff("x"), silu(0.5).evalf(8)
    (x*(1 - sigmoid(x))*sigmoid(x) + sigmoid(x), 0.31122967)
    """

    nargs = 1
    row = Operation(points=Points())

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return x * sigmoid(x)


class gelu(Composite):  # noqa: N801
    """x·Φ(x), with the exact normal distribution function (Hendrycks, Gimpel 2016).

    >>> gelu("x").diff("x"), gelu(0.5).evalf(8)
    (sqrt(2)*x*exp(-x**2/2)/(2*sqrt(pi)) + normal_cdf(x), 0.34573123)
    """

    nargs = 1
    row = Operation(points=Points())

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return x * normal_cdf(x)


class gelu_tanh(Composite):  # noqa: N801
    """x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2, the usual approximation of gelu (Hendrycks, Gimpel 2016).

    >>> gelu_tanh(0.5).evalf(8)
    0.34571401
    """

    nargs = 1
    row = Operation(points=Points(special=(*SMALL, 100.0, -100.0, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return Mul(Rational(1, 2), x, 1 + tanh(sqrt(2 / pi) * x * (1 + Rational(44715, 10**6) * x**2)))


class ceiling(Composite):  # noqa: N801
    """−⌊−x⌋, the smallest whole number that is not below x; its derivative is 0.

    >>> ceiling("x").diff("x"), ceiling(0.5).evalf(8)
    (0, 1.0000000)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return -floor(-x)


class frac(Composite):  # noqa: N801
    """x − ⌊x⌋, with derivative 1.

    >>> frac("x").diff("x"), frac(0.5).evalf(8)
    (1, 0.50000000)
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return x - floor(x)


class log_sigmoid(Composite):  # noqa: N801
    """log σ(x) = −softplus(−x).

    >>> log_sigmoid("x").diff("x"), log_sigmoid(0.5).evalf(8)
    (logistic(-x), -0.47407698)
    """

    nargs = 1
    row = Operation(library="special.log_sigmoid", points=Points(WITH_ZERO, special=EVERYWHERE))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return -softplus(-x)


class relu6(Composite):  # noqa: N801
    """min(max(x, 0), 6), with derivative 0 at both ends.

    >>> relu6("x").diff("x"), relu6(0.5).evalf(8)
    (step(x)*step(6 - x), 0.50000000)
    """

    nargs = 1
    row = Operation(points=Points(special=(0.0, 6.0, *LARGE, *ENDS, *NAN), conventions={0.0: 0.0, 6.0: 0.0}))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return clip(x, Integer(0), Integer(6))


class hard_tanh(Composite):  # noqa: N801
    """min(max(x, −1), 1), with derivative 0 at both ends.

    >>> hard_tanh("x").diff("x"), hard_tanh(0.5).evalf(8)
    (step(1 - x)*step(x + 1), 0.50000000)
    """

    nargs = 1
    row = Operation(
        points=Points(
            special=(1.0, -1.0, *LARGE, *ENDS, *NAN),
            conventions={1.0: 0.0, -1.0: 0.0},
            elsewhere={"JAX": {1.0: 1.0, -1.0: 1.0}},
        )
    )

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return clip(x, Integer(-1), Integer(1))


class sech(Composite):  # noqa: N801
    """1/cosh(x), with derivative −sech(x)·tanh(x), which does not overflow.

    >>> sech("x").diff("x"), sech(0.5).evalf(8)
    (-tanh(x)*sech(x), 0.88681888)
    """

    nargs = 1
    row = Operation(points=Points())

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / cosh(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -self * tanh(self.args[0]) * self.args[0].diff(symbol)


class csch(Composite):  # noqa: N801
    """1/sinh(x), with derivative −csch(x)·coth(x), which does not overflow.

    >>> csch("x").diff("x"), csch(0.5).evalf(8)
    (-coth(x)*csch(x), 1.9190348)
    """

    nargs = 1
    row = Operation(points=Points(special=(1e-50, *LARGE, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / sinh(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -self * coth(self.args[0]) * self.args[0].diff(symbol)


class coth(Composite):  # noqa: N801
    """1/tanh(x), with derivative −csch²(x), which neither overflows nor cancels.

    >>> coth("x").diff("x"), coth(0.5).evalf(8)
    (-csch(x)**2, 2.1639534)
    """

    nargs = 1
    row = Operation(points=Points(special=(1e-50, *LARGE, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / tanh(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -(csch(self.args[0]) ** 2) * self.args[0].diff(symbol)


class bose(Composite):  # noqa: N801
    """1/(exp(x) − 1), with derivative bose(x)·bose(−x), which neither overflows nor cancels (Bose, Einstein).

    >>> bose("x").diff("x"), bose(0.5).evalf(8)
    (bose(-x)*bose(x), 1.5414941)
    """

    nargs = 1
    row = Operation(points=Points(special=(1e-50, *LARGE, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / expm1(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return self * bose(-self.args[0]) * self.args[0].diff(symbol)


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
    """x·log(1 + y), and 0 where x is 0.

    >>> xlog1py("x", "y").diff("y"), xlog1py(0.5, 0.25).evalf(8)
    (Piecewise((0, Eq(x, 0) & Eq(y, -1)), (x/(y + 1), True)), 0.11157178)
    """

    logarithm = log1p
    pole = -1


class xlog_size(XLog):  # noqa: N801
    """x·log |y|, and 0 where x is 0.

    >>> xlog_size("x", "y").diff("x"), xlog_size(0.5, -0.25).evalf(8)
    (log_size(y), -0.69314718)
    """

    logarithm = log_size


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
    """acos(1/x), with derivative 1/(|x|·√(x² − 1)).

    >>> asec("x").diff("x"), asec(1.5).evalf(8)
    (1/(sqrt(x**2 - 1)*absolute(x)), 0.84106867)
    """

    row = Operation(points=Points(BEYOND, (*LARGE, 0.5, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.acos(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return 1 / (absolute(x) * sqrt(x**2 - 1))


class acsc(InverseOfReciprocal):  # noqa: N801
    """asin(1/x), with derivative −1/(|x|·√(x² − 1)).

    >>> acsc("x").diff("x"), acsc(1.5).evalf(8)
    (-1/(sqrt(x**2 - 1)*absolute(x)), 0.72972766)
    """

    row = Operation(points=Points(BEYOND, (*LARGE, 0.5, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.asin(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return -1 / (absolute(x) * sqrt(x**2 - 1))


class acot(InverseOfReciprocal):  # noqa: N801
    """atan(1/x), with derivative −1/(1 + x²), also at 0.

    >>> acot("x").diff("x"), acot(0.5).evalf(8)
    (-1/(x**2 + 1), 1.1071487)
    """

    row = Operation(points=Points(special=(1e-8, *LARGE, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return atan(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return -1 / (1 + x**2)


class asech(InverseOfReciprocal):  # noqa: N801
    """acosh(1/x), with derivative −1/(x·√(1 − x²)).

    >>> asech("x").diff("x"), asech(0.5).evalf(8)
    (-1/(x*sqrt(1 - x**2)), 1.3169579)
    """

    row = Operation(points=Points((0.02, 0.4, 0.93), (1e-8, 2.0, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.acosh(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return -1 / (x * sqrt(1 - x**2))


class acsch(InverseOfReciprocal):  # noqa: N801
    """asinh(1/x), with derivative −1/(|x|·√(1 + x²)).

    >>> acsch("x").diff("x"), acsch(0.5).evalf(8)
    (-1/(sqrt(x**2 + 1)*absolute(x)), 1.4436355)
    """

    row = Operation(points=Points(special=(1e-4, *LARGE, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.asinh(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return -1 / (absolute(x) * sqrt(1 + x**2))


class acoth(InverseOfReciprocal):  # noqa: N801
    """atanh(1/x), with derivative 1/(1 − x²).

    >>> acoth("x").diff("x"), acoth(1.5).evalf(8)
    (1/(1 - x**2), 0.80471896)
    """

    row = Operation(points=Points(BEYOND, (*LARGE, 0.5, *NAN)))

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return sympy.atanh(1 / x)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return 1 / (1 - x**2)
