"""f(x)/g(x), log(f(x)/x) and 1/f(x) − 1/x of functions that vanish at 0 as x does, with all their derivatives.

The quotient of two functions that vanish at 0 is 0/0 there, the difference of two reciprocals ∞ − ∞, and beside 0 their
derivatives are differences of what grows as 1/xⁿ. Up to a third of the way to where the next one of them vanishes or
ends they are their power series here, beyond it the formula that is written. log x and x − 1 vanish at 1. The functions
are rows of a table, and said by their numbers in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, TypeAlias

import sympy
from sympy import Add, Expr, Float, Rational, S, binomial, erf, exp, ff, log

from codegen.functions.bessel import log_bessel
from codegen.functions.exponentials import log1mexp, log_tanh
from codegen.functions.formulas import bose, coth, csch
from codegen.functions.kinks import absolute, held, minimum, select
from codegen.functions.primitive import Approximation, Composite
from codegen.functions.quotients import OVER_POWERS, Quotient, log1p_over
from codegen.functions.series import derivative, horner
from codegen.functions.smooth import expm1, log1p

__all__ = [
    "LINES",
    "NUMBERS",
    "RECIPROCALS",
    "ROWS",
    "complementary_log_log",
    "line_over",
    "line_over_quotient",
    "log_of_quotient",
    "log_over",
    "ratio",
    "reciprocal_gap",
    "remainder_over_cube",
    "remainder_over_square",
]


class Row(NamedTuple):
    """A function that vanishes at a place as x does at 0."""

    function: Callable[[Expr], Expr]
    reciprocal: Callable[[Expr], Expr]
    """One over it, in a form whose derivatives are stable."""
    over: type[Quotient] | None
    """f(x)/x, for its power series; None if that is 1."""
    ends: float
    """How far from there f is no power series any more."""
    vanishes: float
    """How far from there its reciprocal is none."""
    place: Expr = S.Zero
    log: Callable[[Expr], Expr] | None = None
    """log f(x) in a form whose derivatives are stable, those for x < 0 too."""
    logarithm: Callable[[Expr], Expr] | None = None
    """log(f(x)/x), where f overflows."""


def _row(function: type[Expr], ends: float, vanishes: float, **fields: Any) -> Row:
    row = Row(function, lambda x: 1 / function(x), OVER_POWERS[function][-1], ends, vanishes)
    return row._replace(**fields)


BEYOND = 1e3
"""Further away than any series is used."""
ROWS: Sequence[Row] = (
    Row(lambda x: x, lambda x: 1 / x, None, BEYOND, BEYOND),
    Row(lambda x: x - 1, lambda x: 1 / (x - 1), None, BEYOND, BEYOND, S.One),
    Row(log, lambda x: 1 / log(x), log1p_over, 1, 1, S.One),
    _row(expm1, BEYOND, 6.2, reciprocal=bose, logarithm=lambda x: x / 2 + log_bessel(Rational(1, 2), x / 2)),
    _row(sympy.sinh, BEYOND, 3.1, reciprocal=csch, logarithm=lambda x: log_bessel(Rational(1, 2), x)),
    _row(sympy.tanh, 1.5, 3.1, reciprocal=coth, log=log_tanh),
    _row(sympy.sin, BEYOND, 3.1),
    _row(sympy.tan, 1.5, 3.1),
    _row(erf, BEYOND, 2.3),
    _row(log1p, 1, 1),
    _row(sympy.atan, 1, 1),
    _row(sympy.atanh, 1, 1),
    _row(sympy.asin, 1, 1),
    _row(sympy.asinh, 1, 1),
)
LINES = {row.place: number for number, row in enumerate(ROWS) if row.over is None}
"""x and x − 1, by where they vanish."""
NUMBERS = {row.function: number for number, row in enumerate(ROWS) if row.over is not None}
"""The functions by their numbers."""
RECIPROCALS = {bose: expm1, csch: sympy.sinh, coth: sympy.tanh}
TERMS = 44
"""Of a series up to a third of its radius: further terms, and two derivatives of these, are below 10⁻¹⁷."""
Series: TypeAlias = Sequence[Fraction]
ONE: Series = (Fraction(1), *[Fraction(0)] * (TERMS - 1))


class Beside(Approximation):
    """The n-th derivative of a formula of functions of the table, and its power series about 0."""

    @classmethod
    def written(cls, x: Expr, *rows: Row) -> Expr:
        """The formula, or for its derivatives another one that has the same."""
        raise NotImplementedError

    @classmethod
    def series(cls, *kinds: int) -> Sequence[Expr]:
        """The coefficients of x⁰, x¹, …"""
        raise NotImplementedError

    @classmethod
    def differentiated(cls, n: int, *kinds: int) -> Sequence[Expr]:
        """The coefficients of the n-th derivative."""
        return [ff(k, n) * c for k, c in enumerate(cls.series(*kinds))][n:]

    @classmethod
    def radius(cls, *rows: Row) -> float:
        return min(min(row.ends, row.vanishes) for row in rows)

    @classmethod
    def beyond(cls, n: int, x: Expr, *kinds: int) -> Expr:
        """The n-th derivative of the formula."""
        return derivative(_formula(cls.written, *kinds), n, x)

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        *kinds, order, x = arguments
        n, numbers = int(order), [int(kind) for kind in kinds]
        rows = [ROWS[number] for number in numbers]
        distance, near = x - rows[0].place, _third(cls.radius(*rows))
        beside = _horner(cls.differentiated(n, *numbers), held(distance, near))
        return select(absolute(distance) - near, cls.beyond(n, x, *numbers), beside)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        *kinds, order, x = self.args
        return self.func(*kinds, order + 1, x) * x.diff(symbol)

    @classmethod
    def value(cls, mp: Any, *arguments: Any) -> Any:
        *kinds, order, x = arguments
        n, numbers = int(order), [int(kind) for kind in kinds]
        at = cls.differentiated(n, *numbers)[0]
        return _exactly(mp, x, n, at, lambda exact: cls.beyond(n, exact, *numbers), ROWS[numbers[0]].place)


def _exactly(mp: Any, x: Any, lost: int, at: Expr, formula: Callable[[Expr], Expr], place: Expr = S.Zero) -> Any:
    """A formula that loses so many powers of the distance from a place, and is ``at`` that place."""
    if not mp.isfinite(x):
        return mp.nan
    distance = x - int(place)
    if not distance:
        return at._to_mpmath(mp.prec)
    precision = mp.prec + 64 + (lost + 4) * max(0, 2 - int(mp.mag(distance)))
    return mp.mpf(formula(Float(x, precision=precision))._to_mpmath(precision))


def _third(radius: float) -> Expr:
    return Rational(str(radius)) / 3


def _horner(coefficients: Sequence[Expr], x: Expr) -> Expr:
    """A polynomial, in x² where it is even or odd."""
    even, odd = coefficients[::2], coefficients[1::2]
    if any(even) and any(odd):
        return horner(coefficients, x)
    return horner(even, x**2) if any(even) else x * horner(odd, x**2)


@lru_cache(maxsize=256)
def _formula(written: Callable[..., Expr], *kinds: int) -> Callable[[Expr], Expr]:
    return lambda x: written(x, *[ROWS[kind] for kind in kinds])


# --- power series -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _over_x(kind: int) -> tuple[Expr, Series]:
    """A number c and the power series of f(x)/(c·x)."""
    quotient = ROWS[kind].over
    if quotient is None:
        return S.One, ONE
    scale = quotient.coefficient(0)
    powers = [quotient.coefficient(k) / scale if k % quotient.step == 0 else S.Zero for k in range(TERMS)]
    return scale, [Fraction(int(c.p), int(c.q)) for c in powers]


def _divided(one: Series, other: Series) -> Series:
    """The power series of a quotient, whose denominator begins with 1."""
    found: list[Fraction] = []
    for n, c in enumerate(one):
        found.append(c - sum((found[k] * other[n - k] for k in range(n)), Fraction(0)))
    return found


def _rationals(series: Series) -> list[Expr]:
    return [Rational(c.numerator, c.denominator) for c in series]


class ratio(Beside):  # noqa: N801
    """f(x)/g(x): of 0 and the number of tanh x/tanh(x), which is 1 at 0."""

    nargs = 4

    @classmethod
    def written(cls, x: Expr, *rows: Row) -> Expr:
        above, below = rows
        return above.function(x) * below.reciprocal(x)

    @classmethod
    def radius(cls, *rows: Row) -> float:
        above, below = rows
        return min(above.ends, below.vanishes)

    @classmethod
    def series(cls, *kinds: int) -> Sequence[Expr]:
        (c, above), (d, below) = map(_over_x, kinds)
        return [c / d * a for a in _rationals(_divided(above, below))]


class remainder_over_square(Beside):  # noqa: N801
    """(f(x) − x)/x² of functions that are x, and no multiple of it, beside 0."""

    nargs = 3
    power: ClassVar[int] = 2

    @classmethod
    def beyond(cls, n: int, x: Expr, *kinds: int) -> Expr:
        (row,) = (ROWS[kind] for kind in kinds)
        return derivative(_remainder(row, cls.power), n, x)

    @classmethod
    def radius(cls, *rows: Row) -> float:
        return min(rows[0].ends, 3)

    @classmethod
    def series(cls, *kinds: int) -> Sequence[Expr]:
        scale, q = _over_x(*kinds)
        assert scale == 1, ROWS[kinds[0]]
        return _rationals([Fraction(0), *q[1:]][cls.power - 1 :])


class remainder_over_cube(remainder_over_square):  # noqa: N801
    """(f(x) − x)/x³ of odd functions."""

    power = 3


@lru_cache(maxsize=64)
def _remainder(row: Row, power: int) -> Callable[[Expr], Expr]:
    return lambda x: (row.function(x) - x) / x**power


class line_over(Approximation):  # noqa: N801
    """The n-th derivative by b, and the m-th by c, of b/f(b·c): cⁿ⁻ᵐ⁻¹ times a function of b·c."""

    nargs = 5
    sense: ClassVar[int] = 1
    """The power of c beside b."""

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        number, n, m = map(int, arguments[:3])
        b, c = arguments[3:]
        u, near = b * c**cls.sense, _third(ROWS[number].vanishes)
        beside = _horner(cls.series(number, n, m), held(u, near))
        front = c ** (cls.sense * (n - 1) - m)
        return front * select(absolute(u) - near, derivative(_by_scale(number, m, cls.sense), n, u), beside)

    @classmethod
    def series(cls, number: int, n: int, m: int) -> Sequence[Expr]:
        coefficients = ratio.series(LINES[S.Zero], number)
        return [ff(k, n) * ff(cls.sense * (k - 1), m) * a for k, a in enumerate(coefficients)][n:]

    def _eval_derivative(self, symbol: Expr) -> Expr:
        number, n, m, b, c = self.args
        by_b, by_c = self.func(number, n + 1, m, b, c), self.func(number, n, m + 1, b, c)
        return by_b * b.diff(symbol) + by_c * c.diff(symbol)

    @classmethod
    def value(cls, mp: Any, *arguments: Any) -> Any:
        number, n, m = map(int, arguments[:3])
        b, c = arguments[3:]
        at_0 = cls.series(number, n, m)[0]
        scaled = _by_scale(number, m, cls.sense)
        exact = _exactly(mp, b * c**cls.sense, n + m, at_0, lambda u: derivative(scaled, n, u))
        return c ** (cls.sense * (n - 1) - m) * exact


class line_over_quotient(line_over):  # noqa: N801
    """The same of b/f(b/c), whose derivatives by c are no longer differences: c¹⁻ⁿ⁻ᵐ times a function of b/c."""

    sense = -1


@lru_cache(maxsize=256)
def _by_scale(number: int, m: int, sense: int) -> Callable[[Expr], Expr]:
    """The m-th derivative of b/f(b·c), or of b/f(b/c), by c, at c = 1; for the latter with Lah's numbers."""
    reciprocal = ROWS[number].reciprocal
    if sense == 1 or m == 0:
        return lambda b: b ** (m + 1) * derivative(reciprocal, m, b)
    lah = [ff(m, m - j) * binomial(m - 1, j - 1) for j in range(1, m + 1)]
    return lambda b: (-1) ** m * Add(*[c * b ** (j + 1) * derivative(reciprocal, j, b) for j, c in enumerate(lah, 1)])


class log_over(Beside):  # noqa: N801
    """log(f(x)/x)."""

    nargs = 3

    @classmethod
    def beyond(cls, n: int, x: Expr, *kinds: int) -> Expr:
        (row,) = (ROWS[kind] for kind in kinds)
        return super().beyond(n, x, *kinds) if n else log(row.function(x) / (x - row.place))

    @classmethod
    def written(cls, x: Expr, *rows: Row) -> Expr:
        (row,) = rows
        return (log(row.function(x)) if row.log is None else row.log(x)) - log(x - row.place)

    @classmethod
    def series(cls, *kinds: int) -> Sequence[Expr]:
        scale, q = _over_x(*kinds)
        slope = _divided([k * c for k, c in enumerate(q)][1:], q)  # (log q)′ = q′/q
        return [log(scale), *[a / k for k, a in enumerate(_rationals(slope), 1)]]


class complementary_log_log(Composite):  # noqa: N801
    """log(1 − exp(−exp(x))), which is x far below 0; its derivative is u/(exp(u) − 1) of u = exp(x).

    >>> complementary_log_log(0.5).evalf(8)
    -0.21355919
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        u = exp(x)
        return select(x, log1mexp(u), x - u / 2 + log_bessel(Rational(1, 2), u / 2))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return ratio(LINES[S.Zero], NUMBERS[expm1], 0, exp(minimum(x, FLAT))) * x.diff(symbol)


FLAT = 7
"""u/(exp(u) − 1) is below 10⁻⁴⁷⁰ at u = exp(7)."""


def log_of_quotient(number: int, x: Expr) -> Expr:
    """log(f(x)/x) in its best form; 0 of x itself."""
    row = ROWS[number]
    if row.over is None:
        return S.Zero
    return log_over(number, 0, x) if row.logarithm is None else row.logarithm(x)


class reciprocal_gap(Beside):  # noqa: N801
    """1/f(x) − 1/x of functions that are x, and no multiple of it, beside 0: of tanh it is Langevin's function."""

    nargs = 3

    @classmethod
    def written(cls, x: Expr, *rows: Row) -> Expr:
        return rows[0].reciprocal(x) - 1 / (x - rows[0].place)

    @classmethod
    def radius(cls, *rows: Row) -> float:
        return rows[0].vanishes

    @classmethod
    def series(cls, *kinds: int) -> Sequence[Expr]:
        scale, q = _over_x(*kinds)
        assert scale == 1, ROWS[kinds[0]]
        return _rationals(_divided(ONE, q)[1:])
