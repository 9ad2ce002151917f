"""Affine forms: a constant and integer multiples of indices, as subscripts and the bounds of loops are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sympy import Add, Expr, Idx, Indexed, Integer, Mul, Symbol, ceiling, expand, floor

ROUNDED = (ceiling, floor)
"""Lengths that are computed: the square root of one, a part of one."""


@dataclass(frozen=True)
class Affine:
    """``constant + Σ coefficient·index``; the constant is an integer or a sum of multiples of symbolic extents.

    >>> i, j, n = Idx("i", 9), Idx("j", 3), Symbol("n", integer=True, positive=True)
    >>> form = affine(n - 1 - i + 2 * j)
    >>> form.constant, form.coefficients
    (n - 1, ((i, -1), (j, 2)))
    """

    constant: Expr
    coefficients: tuple[tuple[Idx, int], ...]
    """In the order of the indices' names; none is 0."""

    @property
    def indices(self) -> tuple[Idx, ...]:
        """The indices with a coefficient."""
        return tuple(index for index, _ in self.coefficients)

    @property
    def expression(self) -> Expr:
        """The form as SymPy writes it."""
        return Add(self.constant, *[Integer(factor) * index for index, factor in self.coefficients])

    @property
    def negated(self) -> Affine:
        """−form − 1, which is at least 0 where the form is not.

        >>> affine(Idx("i", 9) - 3).negated.expression
        2 - i
        """
        return Affine(-self.constant - 1, tuple((index, -factor) for index, factor in self.coefficients))

    def coefficient(self, index: Idx) -> int:
        """The multiple of an index, 0 if it has none."""
        return next((factor for other, factor in self.coefficients if other == index), 0)

    def without(self, index: Idx) -> Affine:
        """The rest of the sum."""
        return Affine(self.constant, tuple(pair for pair in self.coefficients if pair[0] != index))

    def solved(self, index: Idx, value: Expr) -> Expr | None:
        """The ``index`` at which the form has this value; None unless its coefficient is 1 or −1.

        >>> i, a, p = Idx("i", 9), Idx("a", 3), Idx("p", 11)
        >>> affine(a + i + 1).solved(i, p), affine(2 * i).solved(i, p)
        (-a + p - 1, None)
        """
        factor = self.coefficient(index)
        return expand(factor * (value - self.without(index).expression)) if abs(factor) == 1 else None

    def ends(self) -> tuple[Expr, Expr]:
        """The least and the greatest value, every index taking all of its values.

        >>> affine(3 - 2 * Idx("i", Symbol("n", integer=True))).ends()
        (5 - 2*n, 3)
        """
        least = [self.constant, *[factor * index.upper for index, factor in self.coefficients if factor < 0]]
        greatest = [self.constant, *[factor * index.upper for index, factor in self.coefficients if factor > 0]]
        return expand(Add(*least)), expand(Add(*greatest))

    def at(self, values: Mapping[Idx, Expr]) -> Affine:
        """The form with other forms in place of indices."""
        new = affine(Add(self.constant, *[factor * values.get(index, index) for index, factor in self.coefficients]))
        assert new is not None
        return new


class Datum(NamedTuple):
    """A subscript ``factor·integer + rest``."""

    integer: Indexed
    """What is read for it."""
    factor: int
    rest: Affine


@lru_cache(maxsize=16384)
def data_of(subscript: Expr) -> Datum | None:
    """The multiple of an integer that is read for a subscript, and what is added to it; None for anything else.

    >>> from sympy import IndexedBase
    >>> s, y = Idx("s", 9), IndexedBase("y", integer=True)
    >>> data_of(1 - 2 * y[s])
    Datum(integer=y[s], factor=-2, rest=Affine(constant=1, coefficients=()))
    >>> data_of(s * y[s]), data_of(y[0] + y[1]), data_of(s + 1)
    (None, None, None)
    """
    terms = [term.as_coeff_Mul() for term in Add.make_args(expand(subscript))]
    data = [(term, factor) for factor, term in terms if isinstance(term, Indexed)]
    if len(data) != 1:
        return None
    ((integer, factor),) = data
    rest = affine(subscript - factor * integer)
    return Datum(integer, int(factor), rest) if rest is not None and factor.is_Integer else None


@lru_cache(maxsize=65536)
def affine(expression: Expr) -> Affine | None:
    """The affine form that an expression is; None if it is not one.

    >>> i, j = Idx("i", 9), Idx("j", 3)
    >>> affine(2 * (i + 1) - i), affine(i * j), affine(i / 2)
    (Affine(constant=2, coefficients=((i, 1),)), None, None)
    """
    constant: list[Expr] = []
    coefficients: dict[Idx, int] = {}
    for term in Add.make_args(expand(expression)):
        factors = Mul.make_args(term)
        numbers = [factor for factor in factors if isinstance(factor, Integer)]
        others = [factor for factor in factors if not isinstance(factor, Integer)]
        if not others:
            constant.append(term)
        elif len(others) != 1 or len(numbers) > 1:
            return None
        elif isinstance(others[0], Idx):
            coefficients[others[0]] = coefficients.get(others[0], 0) + int(Mul(*numbers))
        elif isinstance(others[0], (Symbol, *ROUNDED)) and others[0].is_integer:
            constant.append(term)
        else:
            return None
    found = sorted((pair for pair in coefficients.items() if pair[1]), key=lambda pair: pair[0].name)
    return Affine(Add(*constant), tuple(found))
