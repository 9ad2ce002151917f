"""Functions with kinks, jumps and choices, each with the convention of its derivative there."""

from __future__ import annotations

from typing import Any

from sympy import Add, Expr, Integer, Mul, Pow, Rational

from codegen.functions import arrays
from codegen.functions.operation import EVERYWHERE, Instructions, Operation, Points, Price
from codegen.functions.primitive import Primitive

HALF = Rational(1, 2)


def _sign_of(code: Instructions, x: Any) -> Any:
    """The argument itself where it is neither above nor below 0: zero, or nan."""
    below = code.choose(code.compare("<", x, 0.0), -1.0, x)
    return code.choose(code.compare(">", x, 0.0), 1.0, below)


def _clipped(code: Instructions, x: Any, low: Any, high: Any) -> Any:
    return code.choose(code.compare("<", x, low), low, code.choose(code.compare(">", x, high), high, x))


def _sign(node: Expr) -> list[Expr]:
    return [sign(node.args[0])]


def _jumps(quotient: Expr) -> list[Expr]:
    """The whole numbers on both sides: at a jump they are further apart than beside it."""
    return [floor(quotient), floor(-quotient)]


def _ties(node: Expr) -> list[Expr]:
    # Not the sign of a difference, which is nan between infinities.
    return [equal(argument, node) for argument in node.args]


def _where(bracket: Expr, slope: Expr) -> Expr:
    """A slope where a bracket is 1, and 0 where it is 0, whatever the slope is there."""
    return bracket * slope if slope.is_number else select(bracket, slope, Integer(0))


class Flat(Primitive):
    """A function whose derivative is 0, by each argument."""

    def fdiff(self, argindex: int = 1) -> Expr:
        return Integer(0)


class step(Flat):  # noqa: N801
    """1 where x > 0, else 0; its derivative is 0.

    >>> step("x").diff("x"), step(0.5).evalf(8)
    (0, 1.0000000)
    """

    nargs = 1
    row = Operation(
        instructions=lambda code, x: code.choose(code.positive(x), 1.0, 0.0), price=Price.COMPARISON, decisions=_sign
    )

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.mpf(1) if x > 0 else mp.mpf(0)


class relu(Primitive):  # noqa: N801
    """max(x, 0), with relu'(0) = 0.

    >>> relu("x").diff("x"), relu(0.5).evalf(8)
    (step(x), 0.50000000)
    """

    nargs = 1
    row = Operation(
        instructions=lambda code, x: code.choose(code.compare("<=", x, 0.0), 0.0, x),
        price=Price.INSTRUCTIONS,
        decisions=_sign,
        points=Points(conventions={0.0: 0.0}, special=EVERYWHERE),
    )

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return _where(step(self.args[0]), self.args[0].diff(symbol))

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.mpf(0) if x <= 0 else x


class sign(Flat):  # noqa: N801
    """−1, 0 or 1; its derivative is 0.

    >>> sign("x").diff("x"), sign(0.5).evalf(8)
    (0, 1.0000000)
    """

    nargs = 1
    row = Operation(arrays.sign, instructions=_sign_of, price=Price.INSTRUCTIONS, decisions=_sign)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.sign(x)


class absolute(Primitive):  # noqa: N801
    """|x|, with derivative sign(x), so 0 at 0.

    >>> absolute("x").diff("x"), absolute(0.5).evalf(8)
    (sign(x), 0.50000000)
    """

    nargs = 1
    row = Operation(
        python="abs",
        numpy="np.abs",
        instructions=lambda code, x: code.magnitude(x),
        price=Price.INSTRUCTIONS,
        decisions=_sign,
        points=Points(conventions={0.0: 0.0}, elsewhere={"JAX": {0.0: 1.0}}, special=EVERYWHERE),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return sign(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return abs(x)


class floor(Flat):  # noqa: N801
    """The largest whole number that is not above x; its derivative is 0.

    >>> floor("x").diff("x"), floor(0.5).evalf(8)
    (0, 0)
    """

    nargs = 1
    row = Operation(
        arrays.floor, "np.floor", "np.floor", price=Price.INSTRUCTIONS, decisions=lambda node: _jumps(node.args[0])
    )

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.floor(x) if mp.isfinite(x) else x


class modulo(Primitive):  # noqa: N801
    """x − y·⌊x/y⌋, which has the sign of y, with the derivatives 1 and −⌊x/y⌋; exact where |y| is the smaller one.

    >>> modulo("x", "y").diff("y"), modulo(0.5, 0.25).evalf(8)
    ((-x + modulo(x, y))/y, 0)
    """

    nargs = 2
    row = Operation(arrays.modulo, decisions=lambda node: _jumps(node.args[0] / node.args[1]))

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
    """min(max(x, low), high), with derivative 1 strictly between low and high and 0 elsewhere.

    >>> clip("x", "y", "z").diff("z"), clip(0.5, 0.25, 0.75).evalf(8)
    (select(-x + z, 0, 1), 0.50000000)
    """

    nargs = 3
    row = Operation(
        instructions=_clipped,
        price=Price.INSTRUCTIONS,
        decisions=lambda node: [sign(node.args[0] - bound) for bound in node.args[1:]],
    )

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, low, high = self.args
        above, below = step(x - low), step(high - x)
        brackets = above * below, select(x - low, Integer(0), Integer(1)), select(high - x, Integer(0), Integer(1))
        slopes = zip(brackets, (argument.diff(symbol) for argument in self.args))
        return Add(*[_where(bracket, slope) for bracket, slope in slopes])

    @staticmethod
    def value(mp: Any, x: Any, low: Any, high: Any) -> Any:
        return low if x < low else (high if x > high else x)


def held(x: Expr, bound: Expr) -> Expr:
    """x, where only its values from −bound to bound count, as one number to make powers of.

    Of the power of a product SymPy makes a product of powers, and (c/T)² is in range where c² or T⁻² is not.
    """
    return clip(x, -bound, bound) if isinstance(x, (Mul, Pow)) else x


class equal(Flat):  # noqa: N801
    """The Iverson bracket [a = b]: 1 where the arguments are equal, else 0; its derivative is 0.

    On indices it is the Kronecker delta; on a label, ``equal(y[s], t)`` is the one-hot row.

    >>> equal("x", "y").diff("y"), equal(0.5, 0.25).evalf(8)
    (0, 0)
    """

    nargs = 2
    row = Operation(
        instructions=lambda code, a, b: code.choose(code.compare("==", a, b), 1.0, 0.0),
        price=Price.COMPARISON,
        decisions=lambda node: [sign(node.args[0] - node.args[1])],
    )

    @classmethod
    def eval(cls, a: Expr, b: Expr) -> Expr | None:
        if a == b:
            return Integer(1)
        return Integer(0) if isinstance(a, Integer) and isinstance(b, Integer) else None

    @staticmethod
    def value(mp: Any, a: Any, b: Any) -> Any:
        return mp.mpf(1) if a == b else mp.mpf(0)


class nought(Flat):  # noqa: N801
    """0 of a number, and nan of nan: what is not chosen for the reason that nothing can be.

    >>> nought("x").diff("x"), nought(0.5).evalf(8)
    (0, 0)
    """

    nargs = 1
    row = Operation(instructions=lambda code, x: code.choose(code.compare("==", x, x), 0.0, x), price=Price.COMPARISON)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.mpf(0) if x == x else mp.nan


class Extremum(Primitive):
    """An n-ary maximum or minimum; k tied arguments share the derivative, 1/k each; nan wins.

    The derivative of two is selected, which takes no division, and what is not chosen leaks nothing. Where a number is
    kept between two others, one choice tells whether it is the result, and another whether that is one of the ends.
    """

    sense: int
    """1 for the largest, -1 for the smallest."""

    def fdiff(self, argindex: int = 1) -> Expr:
        ties = [equal(argument, self) for argument in self.args]
        return ties[argindex - 1] / Add(*ties)

    def limited(self, inner: Expr) -> bool:
        """Whether with ``inner`` for its second argument this is min(max(x, low), high) of numbers low < high."""
        bound = self.args[0]
        if len(self.args) != 2 or not isinstance(inner, Extremum) or inner.sense == self.sense:
            return False
        other = inner.args[0]
        numbers = len(inner.args) == 2 and bound.is_number and other.is_number
        return bool(numbers and self.sense * (other - bound) > 0)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        if len(self.args) != 2:
            return super()._eval_derivative(symbol)
        if self.limited(self.args[1]):
            x, ends = self.args[1].args[1], (self.args[0], self.args[1].args[0])
            above, below = self.sense * (x - ends[0]), self.sense * (ends[1] - x)
            # One comparison with a mask each; what equals an end is asked for by two and an or.
            inside = select(above, select(below, Integer(1), HALF), HALF)
            return select(absolute(x - self), Integer(0), inside) * x.diff(symbol)
        slopes = [argument.diff(symbol) for argument in self.args]
        if slopes[0] == slopes[1]:
            return slopes[0]
        ahead = self.sense * (self.args[0] - self.args[1])
        return select(ahead, slopes[0], select(equal(*self.args), Add(*slopes) / 2, slopes[1]))


class maximum(Extremum):  # noqa: N801
    """The largest argument.

    >>> maximum("x", "y").diff("y"), maximum(0.5, 0.25).evalf(8)
    (select(x - y, 0, select(equal(x, y), 1/2, 1)), 0.50000000)
    """

    row = Operation(
        instructions=lambda code, *numbers: code.extreme(">", numbers),
        price=Price.INSTRUCTIONS,
        counted=lambda n: {"maximum": n - 1},
        decisions=_ties,
    )

    sense = 1

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        return mp.nan if any(a != a for a in arguments) else max(arguments)


class minimum(Extremum):  # noqa: N801
    """The smallest argument.

    >>> minimum("x", "y").diff("y"), minimum(0.5, 0.25).evalf(8)
    (select(-x + y, 0, select(equal(x, y), 1/2, 1)), 0.25000000)
    """

    row = Operation(
        instructions=lambda code, *numbers: code.extreme("<", numbers),
        price=Price.INSTRUCTIONS,
        counted=lambda n: {"minimum": n - 1},
        decisions=_ties,
    )

    sense = -1

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        return mp.nan if any(a != a for a in arguments) else min(arguments)


class select(Primitive):  # noqa: N801
    """``select(c, a, b)`` is a where c > 0, else b; its derivative selects too: the branch not taken leaks nothing.

    >>> select("x", "y", "z").diff("z"), select(0.5, 0.25, 0.75).evalf(8)
    (select(x, 0, 1), 0.25000000)
    """

    nargs = 3
    row = Operation(
        instructions=lambda code, condition, a, b: code.choose(code.positive(condition), a, b),
        price=Price.COMPARISON,
        decisions=_sign,
    )

    def _eval_derivative(self, symbol: Expr) -> Expr:
        condition, a, b = self.args
        da, db = a.diff(symbol), b.diff(symbol)
        return da if da == db else select(condition, da, db)

    @staticmethod
    def value(mp: Any, condition: Any, a: Any, b: Any) -> Any:
        return a if condition > 0 else b


class stop_gradient(Flat):  # noqa: N801
    """The identity, held constant under differentiation: for quantities that the result does not depend on.

    >>> stop_gradient("x").diff("x"), stop_gradient(0.5).evalf(8)
    (0, 0.50000000)
    """

    nargs = 1
    row = Operation(instructions=lambda code, x: x, price=Price.NOTHING)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return x
