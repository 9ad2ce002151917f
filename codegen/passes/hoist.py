"""Compute once what does not change along an index: a reciprocal a row becomes a vertex of that row."""

from __future__ import annotations

from collections.abc import Callable, Set

from sympy import Expr, Idx
from sympy.core.basic import Basic

from codegen.cached import once
from codegen.ir.graph import Equation, Graph
from codegen.passes.share import DIVISION_COST, cost
from codegen.walk import fresh_names, indices, is_leaf, postorder


@once
def hoist(graph: Graph) -> Graph:
    """Give subexpressions that depend on fewer indices than their equation, and cost a division or more, a vertex.

    The schedules apply it; formulas for people are shown without.

    >>> from codegen.ir.graph import Index, Variable, Graph, Equation
    >>> i = Index("i", 3)
    >>> a, b, c = Variable("a", (3,)), Variable("b"), Variable("c", (3,))
    >>> print(hoist(Graph((a, b), (Equation(c[i], a[i] / b.symbol),), ("c",))))
    inputs a[3], b
    r1 = 1/b
    c[i] = r1*a[i]
    outputs c
    """
    names = fresh_names("r", graph.variables)
    vertices: dict[Expr, Expr] = {}
    equations: list[Equation] = []

    def vertex(expression: Expr, domain: tuple[Idx, ...]) -> Expr:
        if expression not in vertices:
            equations.append(Equation.vertex(next(names), expression, domain))
            vertices[expression] = equations[-1].target
        return vertices[expression]

    for equation in graph.equations:
        apart = graph.over_steps.get(equation.cell, frozenset())
        body = equation.body if equation.eliminates else _without_invariants(equation, vertex, apart)
        equations.append(equation if body is equation.body else equation.with_body(body))
    return graph.with_equations(equations)


def _without_invariants(equation: Equation, vertex: Callable[[Expr, tuple[Idx, ...]], Expr], apart: Set[Idx]) -> Expr:
    """The body with every largest invariant part replaced by its vertex, but those that have indices of ``apart``."""
    domain = frozenset(equation.domain)
    depends: dict[int, frozenset[Idx]] = {}
    price: dict[int, int] = {}
    rebuilt: dict[int, Basic] = {}

    def invariant(node: Basic) -> bool:
        own = depends[id(node)]
        return isinstance(node, Expr) and own < domain and price[id(node)] >= DIVISION_COST and own.isdisjoint(apart)

    for node in postorder(equation.body):
        arguments = () if is_leaf(node) else node.args
        depends[id(node)] = frozenset().union(*(depends[id(a)] for a in arguments)) if arguments else _own(node)
        price[id(node)] = cost(node) + sum(price[id(a)] for a in arguments) if not node.is_number else 0
        if invariant(node) or not arguments:
            rebuilt[id(node)] = node
            continue
        parts = [vertex(a, equation.domain) if invariant(a) else rebuilt[id(a)] for a in arguments]
        rebuilt[id(node)] = node if all(p is a for p, a in zip(parts, arguments)) else node.func(*parts)
    body = equation.body
    return vertex(body, equation.domain) if invariant(body) else rebuilt[id(body)]


def _own(leaf: Basic) -> frozenset[Idx]:
    return frozenset(indices(leaf))
