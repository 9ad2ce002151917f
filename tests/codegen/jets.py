"""Values of SymPy's formulas with their first and second derivatives at a point, by the chain rule and nothing else.

What random graphs are held to: it knows no graph, works on fractions, floats and mpmath's numbers, and goes only where
a value comes from, so that what a branch does not take contributes nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from sympy import Abs, Add, And, Expr, Float, Integer, Max, Min, Mul, Or, Piecewise, Pow, Rational, Symbol, lambdify
from sympy import sign as signum
from sympy.core.basic import Basic
from sympy.core.relational import Relational

RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Jet:
    """A value, and its derivatives that are not 0 by the inputs, which have numbers; second ones in both orders."""

    value: Any
    first: Mapping[int, Any] = field(default_factory=dict)
    second: Mapping[tuple[int, int], Any] = field(default_factory=dict)


Parts: TypeAlias = Sequence[tuple[Any, Jet]]


def chained(value: Any, slopes: Parts, curvatures: Sequence[tuple[Any, Jet, Jet]] = ()) -> Jet:
    """A function of jets, by its own derivatives: (f, Σ fᵢ·uᵢ′, Σ fᵢ·uᵢ″ + Σ fᵢⱼ·uᵢ′·uⱼ′)."""
    first: dict[int, Any] = {}
    second: dict[tuple[int, int], Any] = {}
    for slope, jet in slopes:
        for n, derivative in jet.first.items():
            first[n] = first.get(n, 0) + slope * derivative
        for pair, derivative in jet.second.items():
            second[pair] = second.get(pair, 0) + slope * derivative
    for curvature, one, other in curvatures:
        for n, a in one.first.items():
            for m, b in other.first.items():
                second[n, m] = second.get((n, m), 0) + curvature * a * b
    return Jet(value, first, second)


class Jets:
    """The jets of formulas at one point; ``named`` are those of entries, by their symbols.

    >>> from fractions import Fraction
    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> jet = Jets({x: Fraction(1, 2), y: Fraction(3)}, {}, Fraction)(x**2 * y)
    >>> jet.value, jet.first[0], jet.second[0, 1]
    (Fraction(3, 4), Fraction(3, 1), Fraction(1, 1))
    """

    def __init__(
        self, at: Mapping[Expr, Any], named: Mapping[Expr, Expr], number: Callable[[Any], Any], module: str = "mpmath"
    ) -> None:
        self.named, self.number, self.module = named, number, module
        self.found = {leaf: Jet(number(value), {n: number(1)}) for n, (leaf, value) in enumerate(at.items())}

    def __call__(self, expression: Expr) -> Jet:
        if expression not in self.found:
            self.found[expression] = self._jet(expression)
        return self.found[expression]

    def holds(self, condition: Basic) -> bool:
        if isinstance(condition, Relational):
            left, right = (self(side).value for side in condition.args)
            return RELATIONS[condition.rel_op](left, right)
        if isinstance(condition, (And, Or)):
            return (all if isinstance(condition, And) else any)(map(self.holds, condition.args))
        return bool(condition)

    def _jet(self, node: Expr) -> Jet:
        if node in self.named:
            return self(self.named[node])
        if isinstance(node, (Rational, Float)):
            exact = Rational(node)
            return Jet(self.number(int(exact.p)) / self.number(int(exact.q)))
        if isinstance(node, Piecewise):
            return self(next(value for value, condition in node.args if self.holds(condition)))
        jets = [self(argument) for argument in node.args]
        one = jets[0]
        if isinstance(node, Add):
            return chained(sum(jet.value for jet in jets), [(1, jet) for jet in jets])
        if isinstance(node, Mul):
            for jet in jets[1:]:
                curved = [(1, one, jet), (1, jet, one)]
                one = chained(one.value * jet.value, [(jet.value, one), (one.value, jet)], curved)
            return one
        if isinstance(node, (Max, Min)):
            best = (max if isinstance(node, Max) else min)(jet.value for jet in jets)
            ties = [jet for jet in jets if jet.value == best]
            return chained(best, [(self.number(1) / len(ties), jet) for jet in ties])
        if isinstance(node, (Abs, signum)):
            sign = (one.value > 0) - (one.value < 0)
            return Jet(self.number(sign)) if isinstance(node, signum) else chained(abs(one.value), [(sign, one)])
        if isinstance(node, Pow) and isinstance(node.exp, Integer):
            return self._function(one, [self._power(one.value, int(node.exp), order) for order in range(3)])
        varying = next((n for n, jet in enumerate(jets) if jet.first), 0)
        constants = tuple([None if n == varying else argument for n, argument in enumerate(node.args)])
        formulas = _derivatives(node.func, constants, self.module)
        return self._function(jets[varying], [formula(jets[varying].value) for formula in formulas])

    def _function(self, inner: Jet, derivatives: Sequence[Any]) -> Jet:
        value, slope, curvature = derivatives
        return chained(value, [(slope, inner)], [(curvature, inner, inner)])

    def _power(self, base: Any, exponent: int, order: int) -> Any:
        number = self.number(1)
        for step in range(order):
            number *= exponent - step
        return number * base ** (exponent - order) if number else number


@cache
def _derivatives(head: type[Expr], constants: tuple[Expr | None, ...], module: str) -> tuple[Callable[[Any], Any], ...]:
    """A function of one argument that varies, and its first two derivatives."""
    t = Symbol("t", positive=True)
    function = head(*[t if constant is None else constant for constant in constants])
    return tuple(lambdify([t], function.diff(t, order), module) for order in range(3))
