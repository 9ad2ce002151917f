"""Counting operations: what a graph costs to evaluate, by kind, for a given number of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Set
from types import MappingProxyType

from sympy import Add, Dummy, Expr, Idx, Indexed, Mul, Piecewise, Pow, Symbol
from sympy.core.basic import Basic
from sympy.core.relational import Relational

from codegen.cached import once
from codegen.functions import Composite, Price, operation
from codegen.functions.powers import is_reciprocal, is_root, is_whole
from codegen.ir.equation import Equation
from codegen.ir.graph import Graph
from codegen.ir.lookups import Limits, told
from codegen.walk import annotate, is_leaf, postorder, size

Operations = Counter[str]
"""Operations by kind: add, multiply, divide, power, compare, and one entry for each function."""


def count_operations(graph: Graph, samples: int = 1) -> Operations:
    """Operations of one evaluation with this many samples.

    A subexpression counts once for each combination of the indices it depends on, not of those it sits under: a row
    factor is computed once a row. Shared nodes of one body count once. A sum over n terms counts n additions. Of a
    table whose rows the data say, those count that are read or added to.

    >>> from codegen import from_expressions
    >>> from sympy import symbols, tanh
    >>> a, b = symbols("a b")
    >>> dict(count_operations(from_expressions({"e": (a + b) * tanh(b)}, [a, b])))
    {'add': 1, 'tanh': 1, 'multiply': 1}
    """
    total: Operations = Counter()
    for equation in graph.equations:
        for kind, number in equation_operations(equation, samples, graph.whole).items():
            total[kind] += number
    return total


def equation_operations(equation: Equation, samples: int = 1, integers: Limits = MappingProxyType({})) -> Operations:
    """Operations of one equation; ``integers`` are the limits of those that may say rows of a table."""
    found: Operations = Counter()
    said = told(equation, integers)
    for over, kinds in _priced(equation):
        times = size((index for index in over if index not in said), samples)
        for kind, number in kinds:
            found[kind] += number * times
    return found


@once
def _priced(equation: Equation) -> tuple[tuple[Collection[Idx], tuple[tuple[str, int], ...]], ...]:
    """The operations of each node, and the indices for each combination of which it is computed."""
    if equation.eliminates:
        return ((equation.elimination.batch, ((type(equation.body).__name__, 1),)),)
    found: list[tuple[Collection[Idx], tuple[tuple[str, int], ...]]] = []
    below = equation.node_indices
    reads = reading(equation.body)
    nodes = [node for node in postorder(equation.body) if not is_leaf(node)]
    # A reciprocal that is a factor is the division of that product; on its own it is one itself.
    alone = {id(equation.body)}
    alone.update(id(argument) for node in nodes if not isinstance(node, Mul) for argument in node.args)
    for node in dict.fromkeys(nodes):
        kinds = Counter(node_operations(node, reads))
        if id(node) in alone and is_reciprocal(node) and id(node) in reads:
            kinds["divide"] += 1
        if kinds:
            found.append((below[id(node)], tuple(kinds.items())))
    if equation.reduction is not None:
        found.append((equation.domain, ((equation.reduction.operation, 1),)))
    return tuple(found)


def node_operations(node: Basic, reads: Set[int]) -> dict[str, int]:
    """Operations of one node, its arguments and the division of a reciprocal that stands alone not included."""
    if is_leaf(node) or id(node) not in reads:
        return {}
    if isinstance(node, Add):
        return {"add": len(node.args) - 1}
    if isinstance(node, Mul):
        return _product(node, reads)
    if isinstance(node, Pow):
        return _power(node)
    row = operation(type(node))
    if isinstance(node, (Piecewise, Relational)) or row.price is Price.COMPARISON:
        return {"compare": 1}
    if row.counted is not None:
        return row.counted(len(node.args))
    if isinstance(node, Composite):
        arguments = [Dummy(real=True) if id(argument) in reads else argument for argument in node.args]
        formula = node.formula(*arguments)
        inside = reading(formula)
        return dict(sum((Counter(node_operations(part, inside)) for part in postorder(formula)), Counter()))
    return {type(node).__name__: 1} if isinstance(node, Expr) and row.price is not Price.NOTHING else {}


def _product(node: Mul, reads: Set[int]) -> dict[str, int]:
    """All constant factors are one number, a sign is free, and what is divided by is not multiplied."""
    varying = [factor for factor in node.args if id(factor) in reads]
    divisors = sum(1 for factor in varying if is_reciprocal(factor))
    scaled = any(factor != -1 for factor in node.args if id(factor) not in reads)
    return _nonzero(multiply=max(len(varying) - divisors + scaled - 1, 0), divide=divisors)


def _power(node: Pow) -> dict[str, int]:
    if is_whole(node.exp):
        n = abs(int(node.exp))
        return _nonzero(multiply=n.bit_length() - 1 + n.bit_count() - 1)
    return {"sqrt": 1} if is_root(node.exp) else {"power": 1}


def _nonzero(**counts: int) -> dict[str, int]:
    return {kind: number for kind, number in counts.items() if number}


def reading(expression: Basic) -> frozenset[int]:
    """The nodes that are no constants, by identity."""

    def reads(node: Basic, arguments: list[bool]) -> bool:
        return any(arguments) or isinstance(node, (Indexed, Idx, Symbol))

    return frozenset(node for node, found in annotate(expression, reads).items() if found)


def summary(operations: Operations) -> str:
    """``"12 add, 10 multiply, 3 tanh"``, the most frequent first.

    >>> summary(Counter(add=2, tanh=1))
    '2 add, 1 tanh'
    """
    return ", ".join(f"{number:,} {kind}" for kind, number in operations.most_common()) or "none"
