"""Formulas of many operands in steps, so that what the derivatives of one formula cost is linear in its size.

The derivative of a product of n factors by each of them has n² factors, the second derivatives have n³; those of a tree
of short products have a multiple of n. The same holds for a function of a sum: d²√(Σ xᵢ²) has n² terms by the xᵢ, but
the sum as a vertex of its own is one number.
"""

from __future__ import annotations

from sympy import Add, Expr, Mul, Piecewise, exp, log
from sympy.core.basic import Basic

from codegen.derive.names import Names
from codegen.equation import Equation, Reduction, Variable
from codegen.expression import extent, indices, is_leaf, postorder, rebuild, references, rewrite
from codegen.functions import log_sum_exp, maximum, select, stop_gradient
from codegen.graph import Graph

WIDE = 4
"""Up to so many factors, or references inside a function, a formula stays whole."""


def narrow(graph: Graph) -> Graph:
    """The graph with long products as trees of short ones, and long sums inside of functions as vertices.

    Formulas that choose stay as they are: what is not chosen may have no value.

    >>> from codegen import from_expressions
    >>> from sympy import Mul, symbols
    >>> factors = symbols("a b c d e f")
    >>> print(narrow(from_expressions({"y": Mul(*factors)}, factors)))
    inputs a, b, c, d, e, f
    part1 of y = a*b*c
    part2 of y = d*e*f
    y = part1 of y*part2 of y
    outputs y
    """
    names = Names(graph)
    equations: list[Equation] = []
    for equation in graph.equations:
        equations += _Cut(equation, names).equations()
    return graph.with_equations(equations) if len(equations) > len(graph.equations) else graph


class _Cut:
    """One equation and the parts that are cut out of it."""

    def __init__(self, equation: Equation, names: Names) -> None:
        self.equation, self.names = equation, names
        self.parts: dict[Basic, Equation] = {}

    def equations(self) -> list[Equation]:
        body = self.equation.body
        chooses = any(isinstance(node, (Piecewise, select)) for node in postorder(body))
        if chooses or self.equation.reduction is Reduction.MAX or len(references(body)) <= WIDE:
            return [self.equation]
        body = rewrite(body, self.shortened)
        return [*self.parts.values(), self.equation.with_body(body)]

    def shortened(self, node: Basic) -> Basic | None:
        """A node whose arguments are short already."""
        if isinstance(node, Add):
            return None
        if not is_leaf(node) and any(_is_long_sum(argument) for argument in node.args):
            node = rebuild(node, [self.part(a) if _is_long_sum(a) else a for a in node.args])
        if isinstance(node, log_sum_exp) and len(node.args) > WIDE:
            shift = self.part(stop_gradient(maximum(*node.args)))
            return shift + log(self.part(Add(*[exp(argument - shift) for argument in node.args])))
        return self.tree(node) if isinstance(node, Mul) else node

    def tree(self, product: Mul) -> Expr:
        """The product with at most ``WIDE`` factors that are not constant."""
        varying = [factor for factor in product.args if references(factor)]
        if len(varying) <= WIDE:
            return product
        half = len(varying) // 2
        halves = (self.tree(Mul(*varying[:half])), self.tree(Mul(*varying[half:])))
        rest = [factor for factor in product.args if not references(factor)]
        return Mul(*rest, *map(self.part, halves))

    def part(self, expression: Expr) -> Expr:
        """A vertex for a part of the formula."""
        if expression not in self.parts:
            used = indices(expression)
            index = tuple(i for i in self.equation.domain if i in used)
            name = self.names(f"part{len(self.parts) + 1} of {self.equation.target}")
            target = Variable(name, tuple(extent(i) for i in index))[index]
            self.parts[expression] = Equation(target, expression)
        return self.parts[expression].target


def _is_long_sum(node: Basic) -> bool:
    return isinstance(node, Add) and len(references(node)) > WIDE
