"""What a body may consist of: the functions that are kept as they are, and those that become others on entry."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import sympy
from sympy import (
    Add,
    And,
    Expr,
    Integer,
    Mul,
    Not,
    Or,
    Piecewise,
    Pow,
    cos,
    sin,
)
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen.functions import gammas, special
from codegen.functions.borrowed import BORROWED
from codegen.functions.formulas import acot, acoth, acsc, acsch, asec, asech, ceiling, coth, csch, frac, sech
from codegen.functions.gaussian import erfcinv
from codegen.functions.incomplete import generalised_exponential_integral
from codegen.functions.kinks import absolute, equal, floor, maximum, minimum, modulo, sign, step
from codegen.functions.large_numbers import without_large_number
from codegen.functions.primitive import Composite, Primitive
from codegen.functions.smooth import power
from codegen.walk import rewrite


def _heaviside(x: Expr, at_zero: Expr = sympy.S.Half) -> Expr:
    return step(x) + at_zero * equal(x, Integer(0))


def _exactly_odd(*conditions: Expr) -> Expr:
    """Xor: an odd number of the conditions hold."""
    return reduce(lambda a, b: Or(And(a, Not(b)), And(Not(a), b)), conditions)


#: SymPy functions that are rewritten on entry to the ones above and to others, whose kinks follow the convention.
CANONICAL: dict[type[Basic], Callable[..., Expr]] = {
    sympy.Abs: absolute,
    sympy.sign: sign,
    sympy.Max: maximum,
    sympy.Min: minimum,
    sympy.Heaviside: _heaviside,
    sympy.KroneckerDelta: lambda i, j, *_: equal(i, j),
    sympy.sec: lambda x: 1 / cos(x),
    sympy.csc: lambda x: 1 / sin(x),
    sympy.cot: lambda x: cos(x) / sin(x),
    sympy.asec: asec,
    sympy.acsc: acsc,
    sympy.acot: acot,
    sympy.sech: sech,
    sympy.csch: csch,
    sympy.coth: coth,
    sympy.asech: asech,
    sympy.acsch: acsch,
    sympy.acoth: acoth,
    sympy.floor: floor,
    sympy.ceiling: ceiling,
    sympy.frac: frac,
    sympy.Mod: modulo,
    sympy.erfcinv: erfcinv,
    sympy.re: lambda x: x,
    sympy.conjugate: lambda x: x,
    sympy.UnevaluatedExpr: lambda x: x,
    sympy.Xor: _exactly_odd,
    sympy.ITE: lambda condition, a, b: Or(And(condition, a), And(Not(condition), b)),
    sympy.Implies: lambda a, b: Or(Not(a), b),
    sympy.Equivalent: lambda *conditions: Or(And(*conditions), And(*map(Not, conditions))),
    **special.CANONICAL,
}


def canonical_node(node: Basic) -> Basic | None:
    """What one node is rewritten to on entry; None if it is fine as it is.

    >>> x = sympy.Symbol("x")
    >>> canonical_node(x**x), canonical_node(x**2)
    (power(x, x), None)
    """
    if node.func in CANONICAL:
        return CANONICAL[node.func](*node.args)
    if isinstance(node, sympy.expint):
        order, x = node.args
        return None if isinstance(order, Integer) else generalised_exponential_integral(order, x)
    if isinstance(node, Mul):
        return gammas.without_gamma(node) or without_large_number(node)
    if not isinstance(node, Pow):
        return None
    if isinstance(node.base, sympy.gamma) and isinstance(node.exp, Integer) and node.exp < 0:
        return None if node.base.is_number else special.reciprocal_gamma(node.base.args[0]) ** -node.exp
    return power(*node.args) if not (node.base.is_number or node.exp.is_number) else None


def canonical(expression: Expr) -> Expr:
    """Rewrite the functions of ``CANONICAL``, also those that SymPy makes by itself: √(x²) is |x| for a real x.

    >>> canonical(sympy.sqrt(sympy.Symbol("x", real=True) ** 2))
    absolute(x)
    """
    return rewrite(expression, canonical_node)


SYMPY_FUNCTIONS = tuple(kind for kind, row in BORROWED.items() if row.calls is None)
"""SymPy's elementary functions, which are kept as they are."""


#: Every kind of node that a body may consist of, besides symbols and numbers.
SUPPORTED: tuple[type, ...] = (
    Add, Mul, Pow, Primitive, Composite, *BORROWED, *CANONICAL,
    Piecewise, ExprCondPair, Relational, And, Or, Not,
)  # fmt: skip
