"""Sums of indices, lengths and integers as text: places in arrays, bounds of loops, sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sympy import Add, Expr, Integer, Min, Mul, ceiling, floor

from codegen.walk import quotient, under_root


@dataclass(frozen=True)
class Integers:
    """How a language writes what natural numbers are divided by, and rounded down; roots rounded up; and the smaller.

    >>> from sympy import Symbol, sqrt
    >>> n = Symbol("n", integer=True)
    >>> python = Integers("{0} // {1}", "root({0})", "min({0}, {1})")
    >>> python.text(2 * ceiling(sqrt(n)) + floor((n + 1) / 4), lambda part: "n" if part == n else None)
    '((1 + n) // 4) + 2*root(n)'
    """

    quotient: str
    square_root: str
    smaller: str
    literal: Callable[[int], str] = str

    def divided(self, text: str, divisor: int) -> str:
        """A bound of a loop over a number."""
        return text if divisor == 1 else self.quotient.format(_closed(text), divisor)

    def text(self, value: Expr, named: Callable[[Expr], str | None]) -> str:
        """A sum, of whose parts some have a name."""

        def factor(part: Expr) -> str:
            if (name := named(part)) is not None:
                return name
            if isinstance(part, Integer):
                return self.literal(int(part))
            if isinstance(part, floor):
                over, divisor = quotient(part)
                return f"({self.divided(self.text(over, named), divisor)})"
            if isinstance(part, ceiling):
                return self.square_root.format(self.text(under_root(part), named))
            if isinstance(part, Min):
                return self.smaller.format(*(self.text(n, named) for n in part.args))
            return _closed(self.text(part, named))

        products = (sorted(map(factor, Mul.make_args(term))) for term in Add.make_args(value))
        return " + ".join(sorted("*".join(product) for product in products))


def _closed(text: str) -> str:
    return f"({text})" if " " in text else text
