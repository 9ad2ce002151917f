"""Long and deep formulas in steps, so that what the derivatives of one formula cost is linear in its size.

The derivative of a product of n factors by each of them has n² factors, the second derivatives have n³; those of a tree
of short products have a multiple of n. The same holds for a function of a sum: d²√(Σ xᵢ²) has n² terms by the xᵢ, but
the sum as a vertex of its own is one number. Functions of functions of functions, each of which uses its argument twice
(gelu is x·Φ(x)), have derivatives that SymPy takes exponentially long over: 14 deep, 8 s; where their formulas choose,
3 deep are too many.
"""

from __future__ import annotations

from collections.abc import Callable

from sympy import Add, Expr, Function, Mul, Pow, exp, log
from sympy.core.basic import Basic

from codegen.derive.parts import Parts, chooses, with_parts
from codegen.functions import Composite, log_sum_exp, maximum, stop_gradient
from codegen.ir.equation import Equation
from codegen.ir.graph import Graph
from codegen.ir.names import Names
from codegen.walk import annotate, is_leaf, postorder, rebuild, references, rewrite

WIDE = 4
"""Up to so many factors, or references inside a function, a formula stays whole."""

APPLICATIONS = (Function, Pow)
DEEP = 4
"""Up to so many functions inside one another, a formula stays whole."""


def narrow(graph: Graph) -> Graph:
    """The graph with long products as trees of short ones; long sums, and many functions, in functions as vertices.

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
    return with_parts(graph, _cut)


def _cut(equation: Equation, names: Names) -> list[Equation]:
    body, parts = equation.body, Parts(equation, names)
    short = len(references(body)) <= WIDE and _depth(body) <= DEEP and not any(map(_inner, postorder(body)))
    if not equation.is_linear or short or chooses(body):
        return [equation]

    def part(expression: Expr) -> Expr:
        return parts.vertex(expression, "part")

    def shortened(node: Basic) -> Basic | None:
        """A node whose arguments are short already."""
        if isinstance(node, Add):
            return None
        apart = set() if is_leaf(node) else {*filter(_is_long_sum, node.args), *_inner(node)}
        if apart:
            node = rebuild(node, [part(a) if a in apart else a for a in node.args])
        if isinstance(node, log_sum_exp) and len(node.args) > WIDE:
            shift = part(stop_gradient(maximum(*node.args)))
            return shift + log(part(Add(*[exp(argument - shift) for argument in node.args])))
        if isinstance(node, APPLICATIONS) and _depth(node) == DEEP:
            return part(node)
        return _tree(node, part) if isinstance(node, Mul) else node

    return parts.equations(rewrite(body, shortened))


def _tree(product: Expr, part: Callable[[Expr], Expr]) -> Expr:
    """The product with at most ``WIDE`` factors that are not constant."""
    varying = [factor for factor in Mul.make_args(product) if references(factor)]
    if len(varying) <= WIDE:
        return product
    half = len(varying) // 2
    halves = (_tree(Mul(*factors), part) for factors in (varying[:half], varying[half:]))
    rest = [factor for factor in Mul.make_args(product) if not references(factor)]
    return Mul(*rest, *map(part, halves))


def _depth(expression: Basic) -> int:
    """How many functions are inside one another at most."""

    def deeper(node: Basic, arguments: list[int]) -> int:
        return max(arguments, default=0) + isinstance(node, APPLICATIONS)

    return annotate(expression, deeper)[id(expression)]


def _inner(node: Basic) -> set[Basic]:
    """The arguments of a function with a formula that have such functions in them."""
    arguments = node.args if isinstance(node, Composite) else ()
    return {a for a in arguments if any(isinstance(inside, Composite) for inside in postorder(a))}


def _is_long_sum(node: Basic) -> bool:
    return isinstance(node, Add) and len(references(node)) > WIDE
