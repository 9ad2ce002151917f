"""What a choice does not take contributes nothing, even where a derivative on the way to it is infinite.

f = {a/n if n ≥ ε, else 0} of n = √(a² + b²) has the adjoint 0 at n = 0, and n the local derivative a/n = 0/0. The
product is nan, where the formula with n written in has 0. The same holds for max(log x, −10) at 0. So where one factor
may be infinite, a product is computed under the condition that the other may not be 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import IntEnum

from sympy import Add, And, Expr, Mul, Not, Piecewise, Pow, exp
from sympy.core.basic import Basic
from sympy.logic.boolalg import to_nnf

from codegen.derive.terms.support import Support
from codegen.functions import Price, absolute, equal, nought, operation, select, step
from codegen.ir.equation import Equation
from codegen.ir.ranges import defined
from codegen.walk import base_name, fold, is_leaf, is_reference, postorder, rebuild, references

CHOSEN = (Piecewise, select, step)
"""What may be 0 by a choice in a formula that is differentiated as a whole."""


class Guards:
    """Which values may be infinite or nan, and under which conditions on values they may not be 0.

    ``equations`` may grow while it is used. Of a choice by comparisons, as a maximum has, the exact opposite of its
    conditions is asked for: what is nan is none of its sides, and stays nan. What is infinite behind a sum is so for
    other reasons than such a choice before it: networks do not pay for the exponentials of their losses.
    """

    def __init__(self, equations: Sequence[Equation]) -> None:
        self._equations = equations
        self._looked_at = 0
        self._wild: set[str] = set()
        self._wild_by_maps: set[str] = set()
        self._signs: dict[str, Sign] = {}
        self._branches = Support(lambda node, condition: isinstance(node, Piecewise) and bool(references(condition)))
        self._choices = Support(lambda node, condition: isinstance(node, select), _compared)

    def product(self, *factors: Expr) -> Expr:
        """Their product, where one may be infinite under the condition that the others may not be 0."""
        self._look()
        within = And(*[self._branches.of(zero) for zero in self._beside(self._wild, factors)])
        chosen = And(*[self._choices.of(zero) for zero in self._beside(self._wild_by_maps, factors)])
        if within == True and chosen == True:  # noqa: E712 - SymPy booleans
            return Mul(*factors)
        product = Mul.make_args(Mul(*factors))
        diagonals = [f for f in product if isinstance(f, equal) and not references(f)]
        rest = Mul(*[f for f in product if f not in diagonals])
        outside = to_nnf(Not(chosen), simplify=False)
        return Mul(*diagonals, defined(Piecewise((0, outside), (rest, within), (0, True))))

    def inside(self, local: Expr) -> Expr:
        """A local derivative with its own products guarded: step(x)/(2·√relu(x)) is that of √relu(x)."""
        if not any(isinstance(node, CHOSEN) for node in postorder(local)):
            return local

        def step(node: Basic, arguments: list[Basic]) -> Basic:
            if isinstance(node, Mul):
                return self.product(*arguments)
            return rebuild(node, arguments) if arguments else node

        return fold(local, step, lambda node: is_leaf(node) or isinstance(node, Piecewise))

    def _look(self) -> None:
        """Note the equations that have been made since."""
        while self._looked_at < len(self._equations):
            equation = self._equations[self._looked_at]
            self._looked_at += 1
            self._branches.add(equation)
            self._choices.add(equation)
            sign = self._sign_of(equation.body)
            if not equation.is_map:  # a sum may have no terms
                sign = min(sign, Sign.NOT_NEGATIVE)
            self._signs[equation.name] = min(sign, self._signs.get(equation.name, sign))
            if self._may_be_infinite(equation.body, self._wild):
                self._wild.add(equation.name)
            if equation.is_map and self._may_be_infinite(equation.body, self._wild_by_maps):
                self._wild_by_maps.add(equation.name)

    def _beside(self, wild: Collection[str], factors: Sequence[Expr]) -> Iterator[Expr]:
        """The factors beside which another one may be infinite."""
        infinite = [self._may_be_infinite(factor, wild) for factor in factors]
        return (zero for zero, own in zip(factors, infinite) if sum(infinite) > own)

    def _may_be_infinite(self, expression: Basic, wild: Collection[str]) -> bool:
        """Whether a value may be infinite, or nan, where the inputs and all but ``wild`` are of ordinary size."""
        return any(base_name(n) in wild if is_reference(n) else self._goes_wild(n) for n in postorder(expression))

    def _goes_wild(self, node: Basic) -> bool:
        if isinstance(node, Pow):
            if node.exp.is_integer and node.exp.is_positive:
                return False
            return self._sign_of(node.base) < (Sign.NOT_NEGATIVE if node.exp.is_positive else Sign.POSITIVE)
        if is_leaf(node) or not node.is_Function or isinstance(node, Piecewise):
            return False
        row = operation(type(node))
        return row.price is Price.FUNCTION and (row.ends is None or not row.ends.bounded)

    def _sign_of(self, expression: Basic) -> Sign:
        return fold(expression, self._sign)

    def _sign(self, node: Basic, arguments: list[Sign]) -> Sign:
        """What a node is known to be from its arguments: 1 + exp(x), or a variance and the ε beside it."""
        if is_reference(node):
            return self._signs.get(base_name(node), Sign.ANY)
        if is_leaf(node):
            exact = node.is_number or node.is_integer
            return Sign.POSITIVE if exact and node.is_positive else Sign.ANY
        if isinstance(node, Pow):
            if arguments[0] is Sign.ANY:
                return Sign.NOT_NEGATIVE if node.exp.is_even else Sign.ANY
            return arguments[0] if node.exp.is_positive else Sign.NOT_NEGATIVE
        if isinstance(node, Add):
            return max(arguments) if min(arguments) else Sign.ANY
        return min(arguments) if isinstance(node, Mul) else Sign(isinstance(node, (exp, absolute)))


class Sign(IntEnum):
    """What is known of a value, the more the larger; what is positive is not near 0."""

    ANY = 0
    NOT_NEGATIVE = 1
    POSITIVE = 2


def _compared(node: Basic) -> Basic | None:
    """Where a bracket of values, or what is left of nan, is not 0."""
    if isinstance(node, equal) and references(node) and not any(a.is_integer and not a.is_number for a in node.args):
        return And(node.args[0] >= node.args[1], node.args[0] <= node.args[1])
    if isinstance(node, step):
        return node.args[0] > 0
    return node > 0 if isinstance(node, nought) else None
