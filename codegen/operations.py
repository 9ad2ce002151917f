"""Counting operations: what a graph costs to evaluate, by kind, for a given number of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import reduce
from math import prod

from sympy import Add, Expr, Idx, Indexed, Integer, Mul, Piecewise, Pow, Rational
from sympy.core.basic import Basic
from sympy.core.relational import Relational

from codegen.expression import extent, is_leaf, postorder
from codegen.functions import Composite, equal, select, step, stop_gradient
from codegen.graph import Equation, Graph, Reduction

Operations = Counter[str]
"""Operations by kind: add, multiply, divide, power, compare, and one entry for each function."""


def count_operations(graph: Graph, samples: int = 1) -> Operations:
    """Operations of one evaluation with this many samples.

    A subexpression counts once for each combination of the indices it depends on, not of those it sits under: a row
    factor is computed once a row. Shared nodes of one body count once. A sum over n terms counts n additions.

    >>> from codegen import from_expressions
    >>> from sympy import symbols, tanh
    >>> a, b = symbols("a b")
    >>> dict(count_operations(from_expressions({"e": (a + b) * tanh(b)}, [a, b])))
    {'add': 1, 'tanh': 1, 'multiply': 1}
    """
    total: Operations = Counter()
    for equation in graph.equations:
        total.update(equation_operations(equation, samples))
    return total


def equation_operations(equation: Equation, samples: int = 1) -> Operations:
    """Operations of one equation."""
    found: Operations = Counter()
    below: dict[int, frozenset[Idx]] = {}
    seen: set[Basic] = set()
    for node in postorder(equation.body):
        below[id(node)] = _dependence(node, below)
        if not is_leaf(node) and node not in seen:
            seen.add(node)
            times = _size(below[id(node)], samples)
            for kind, number in node_operations(node).items():
                found[kind] += number * times
    if equation.reduction is not None:
        found["add" if equation.reduction is Reduction.SUM else "compare"] += _size(equation.domain, samples)
    return found


def node_operations(node: Basic) -> dict[str, int]:
    """Operations of one node, its arguments not included."""
    if not isinstance(node, Expr) or is_leaf(node) or not _reads(node):
        return {"compare": 1} if isinstance(node, Relational) else {}
    if isinstance(node, Add):
        return {"add": len(node.args) - 1}
    if isinstance(node, Mul):
        divisors = sum(1 for a in node.args if is_reciprocal(a))
        signs = sum(1 for a in node.args if a == -1)
        return _nonzero(
            multiply=len(node.args) - signs - divisors - (divisors < len(node.args) - signs), divide=divisors
        )
    if isinstance(node, Pow):
        return _power(node)
    if isinstance(node, stop_gradient):
        return {}
    if isinstance(node, (equal, select, step, Piecewise)):
        return {"compare": 1}
    if isinstance(node, Composite):
        return dict(reduce(lambda a, b: a + Counter(node_operations(b)), postorder(node.definition()), Counter()))
    return {type(node).__name__: 1}


def is_reciprocal(node: Basic) -> bool:
    """Whether a factor stands in the denominator of its product."""
    return isinstance(node, Pow) and isinstance(node.exp, Rational) and node.exp.is_negative is True


def _power(node: Pow) -> dict[str, int]:
    exponent = node.exp
    if isinstance(exponent, Integer):
        n = abs(int(exponent))
        # Inside a product the division belongs to the product; a reciprocal on its own is counted there as well.
        return _nonzero(multiply=n.bit_length() - 1 + bin(n).count("1") - 1)
    if exponent in (Rational(1, 2), Rational(-1, 2)):
        return {"sqrt": 1}
    return {"power": 1}


def _nonzero(**counts: int) -> dict[str, int]:
    return {kind: number for kind, number in counts.items() if number}


def _reads(node: Basic) -> bool:
    return any(isinstance(n, (Indexed, Idx)) or n.is_Symbol for n in postorder(node))


def _dependence(node: Basic, below: dict[int, frozenset[Idx]]) -> frozenset[Idx]:
    if isinstance(node, Idx):
        return frozenset({node})
    if isinstance(node, Indexed):
        return frozenset(i for i in node.indices if isinstance(i, Idx))
    return frozenset().union(*(below[id(a)] for a in node.args)) if node.args else frozenset()


def _size(of: Iterable[Idx], samples: int) -> int:
    return prod(n if isinstance(n := extent(i), int) else samples for i in of)


def summary(operations: Operations) -> str:
    """``"12 add, 10 multiply, 3 tanh"``, the most frequent first.

    >>> summary(Counter(add=2, tanh=1))
    '2 add, 1 tanh'
    """
    return ", ".join(f"{number:,} {kind}" for kind, number in operations.most_common()) or "none"
