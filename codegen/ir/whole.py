"""Vertices that are whole numbers within known bounds, as the place of a maximum is: elements are read at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from sympy import Add, Expr, Integer, Mul, Piecewise, expand, true
from sympy.core.basic import Basic
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen.functions import select
from codegen.ir.affine import affine
from codegen.ir.equation import Equation, Variable
from codegen.ir.ranges import is_natural
from codegen.walk import base_name, extent, fold, is_leaf, is_reference

Bounds: TypeAlias = tuple[Expr, Expr]
"""The least and the greatest value."""
JOINS = (Add, Mul, Piecewise, ExprCondPair, select)


def whole_numbers(inputs: Iterable[Variable], equations: Iterable[Equation]) -> dict[str, Bounds]:
    """The bounds of what is whole: integers of inputs, sums of multiples and choices of such, the largest of them.

    >>> from sympy import Idx, IndexedBase
    >>> from codegen import argmax, from_expressions
    >>> x, i = IndexedBase("x", shape=(4,)), Idx("i", 4)
    >>> graph = from_expressions({"a": argmax(x[i], i)}, [x])
    >>> whole_numbers(graph.inputs, graph.equations)
    {'v2': (-3, 0), 'a': (0, 3)}
    """
    found: dict[str, Bounds | None] = {
        v.name: (Integer(0), v.below - Integer(1)) for v in inputs if v.kind == "integer" and v.below is not None
    }
    for equation in equations:
        bounds = _bounds(equation, found)
        known = found.get(equation.name, bounds)
        found[equation.name] = _hull(bounds, known)
    return {name: bounds for name, bounds in found.items() if bounds is not None}


def _bounds(equation: Equation, known: Mapping[str, Bounds | None]) -> Bounds | None:
    if equation.is_sum or equation.eliminates or not all(is_natural(extent(i) - Integer(1)) for i in equation.reduced):
        return None
    return bounds_of(equation.body, known)


def bounds_of(body: Expr, known: Mapping[str, Bounds | None]) -> Bounds | None:
    """The bounds of an expression between vertices with these; None if it may be no whole number."""

    def step(node: Basic, arguments: list[Bounds | None]) -> Bounds | None:
        if is_leaf(node):
            form = affine(node)
            return known.get(base_name(node)) if is_reference(node) else None if form is None else form.ends()
        if isinstance(node, ExprCondPair):
            return arguments[0]
        if isinstance(node, select):
            return _hull(*arguments[1:])
        if isinstance(node, Piecewise) and node.args[-1].cond == true:
            first, *others = arguments
            for other in others:
                first = _hull(first, other)
            return first
        if isinstance(node, Add) and None not in arguments:
            lows, highs = zip(*(bounds for bounds in arguments if bounds is not None))
            return expand(Add(*lows)), expand(Add(*highs))
        if isinstance(node, Mul) and len(node.args) == 2 and isinstance(node.args[0], Integer):
            ends = arguments[1] and tuple(expand(node.args[0] * end) for end in arguments[1])
            return ends and (ends if node.args[0] > 0 else ends[::-1])
        return None

    return fold(body, step, lambda node: not isinstance(node, JOINS))


def _hull(one: Bounds | None, other: Bounds | None) -> Bounds | None:
    """The bounds of what is within one or the other; None unless they can be compared for all lengths."""
    if one is None or other is None:
        return None
    least, greatest = ([a, b] if is_natural(expand(b - a)) else [b, a] for a, b in zip(one, other))
    comparable = is_natural(expand(least[1] - least[0])) and is_natural(expand(greatest[1] - greatest[0]))
    return (least[0], greatest[1]) if comparable else None
