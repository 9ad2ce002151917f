"""What a branch does not take contributes nothing, even where a derivative on the way to it is infinite.

f = {a/n if n ≥ ε, else 0} of n = √(a² + b²) has the adjoint 0 at n = 0, and n the local derivative a/n = 0/0. The
product is nan, where the formula with n written in has 0. So where one factor may be infinite, a product is computed
under the condition that the other may not be 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from sympy import And, Expr, Integer, Piecewise, Pow
from sympy.core.basic import Basic

from codegen.derive.terms.support import Support
from codegen.functions import Price, operation
from codegen.ir.equation import Equation
from codegen.ir.ranges import defined
from codegen.walk import base_name, is_leaf, is_reference, postorder, references


class Guards:
    """Which values may be infinite or nan, and under which conditions on values they may not be 0.

    ``equations`` may grow while it is used; without a branch in those there are at first there is nothing to guard.
    """

    def __init__(self, equations: Sequence[Equation]) -> None:
        self._equations = equations
        self._looked_at = 0
        self._wild: set[str] = set()
        self._support = Support(lambda condition: bool(references(condition)))
        self._branching = any(equation.branches for equation in equations)

    def product(self, local: Expr, factor: Expr, term: Expr) -> Expr:
        """``factor·term``, where one may be infinite under the condition that the other may not be 0.

        ``factor`` has the value of ``local``.
        """
        if not self._branching:
            return factor * term
        self._look()
        pairs = ((local, term), (term, local))
        condition = And(*[self._support.of(other) for one, other in pairs if self._may_be_infinite(one)])
        if condition == True:  # noqa: E712 - a SymPy boolean
            return factor * term
        return defined(Piecewise((factor * term, condition), (0, True)))

    def _look(self) -> None:
        """Note the equations that have been made since."""
        while self._looked_at < len(self._equations):
            equation = self._equations[self._looked_at]
            self._looked_at += 1
            self._support.add(equation)
            if self._may_be_infinite(equation.body):
                self._wild.add(equation.name)

    def _may_be_infinite(self, expression: Basic) -> bool:
        """Whether a value may be infinite, or nan, where the inputs are numbers of ordinary size."""
        return any(map(self._goes_wild, postorder(expression)))

    def _goes_wild(self, node: Basic) -> bool:
        if is_reference(node):
            return base_name(node) in self._wild
        if isinstance(node, Pow):
            return not (isinstance(node.exp, Integer) and node.exp > 0)
        if is_leaf(node) or not node.is_Function or isinstance(node, Piecewise):
            return False
        row = operation(type(node))
        return row.price is Price.FUNCTION and (row.ends is None or not row.ends.bounded)
