"""Common subexpressions across equations: this is what makes the backward pass reuse the forward pass.

Expressions are compared up to the names of their indices: ``tanh(u[s, h])`` in one equation and ``tanh(u[r, k])`` in
another are the same array, if the ranges agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import count

from sympy import Expr, Idx, Indexed, Integer, Mul, Piecewise, Pow
from sympy.core.basic import Basic

from codegen.expression import extent, indices, is_leaf, postorder, reindex, subscripts, substitute
from codegen.functions import equal, select, step, stop_gradient
from codegen.graph import Cell, Equation, Graph, Variable, cell_of

STORE_COST = 4
"""An indexed subexpression is worth an array of its own from this cost on; one product or sum is computed again."""
COSTS: dict[type[Basic], int] = {equal: 1, select: 1, step: 1, stop_gradient: 0, Piecewise: 1}
FUNCTION_COST = 10
DIVISION_COST = 4

_Vertex = tuple[Expr, tuple[Idx, ...]]
"""A target and its indices in the order in which they occur in the pattern of its body."""


def share(graph: Graph) -> Graph:
    """Compute each value once: equal equations merge, equal subexpressions become the vertex that has the value.

    >>> from codegen import from_expressions, gradient
    >>> from codegen.passes.simplify import simplify
    >>> from sympy import symbols, tanh
    >>> u = symbols("u")
    >>> print(share(simplify(gradient(from_expressions({"a": tanh(u)}, [u]), "a"))))
    inputs u
    a = tanh(u)
    da/du = 1 - a**2
    outputs a, da/du
    """
    return _extract(_reuse(_merge(graph)))


# --- patterns: an expression up to the names of its indices -------------------------------------------------------


@lru_cache(maxsize=512)
def _blank(position: int, upper: Expr) -> Idx:
    return Idx(f"_{position}", (Integer(0), upper))


def pattern(expression: Expr, order: Iterable[Idx] = ()) -> tuple[Expr, tuple[Idx, ...]]:
    """The expression with its indices renamed by order of occurrence, and those indices."""
    found = tuple(dict.fromkeys((*order, *indices(expression))))
    return reindex(expression, {i: _blank(n, i.upper) for n, i in enumerate(found)}), found


# --- equal equations ----------------------------------------------------------------------------------------------


def _merge(graph: Graph) -> Graph:
    """Equations with the same right-hand side become one; an output that repeats a vertex refers to it."""
    first: dict[object, Equation] = {}
    alias: dict[Cell, Equation] = {}
    outputs, crossed = set(graph.outputs), _crossed(graph)
    kept: list[Equation] = []
    for equation in graph.equations:
        new = equation.with_body(_follow(equation, alias)) if alias else equation
        if not new.references or is_leaf(new.body):
            kept.append(new)
            continue
        body, _ = pattern(new.body, new.domain)
        key = (body, new.reduction, tuple(extent(i) for i in new.domain), len(new.free))
        same = first.setdefault(key, new)
        if same is new:
            kept.append(new)
        elif new.name in outputs or new.cell in crossed:
            kept.append(Equation(new.target, _at(same, new.free)))
        else:
            alias[new.cell] = same
    return graph.with_equations(kept)


def _at(equation: Equation, free: tuple[Idx, ...]) -> Expr:
    return reindex(equation.target, {i: j for i, j in zip(equation.free, free) if i != j})


def _follow(equation: Equation, alias: dict[Cell, Equation]) -> Expr:
    hits = {
        r: _at(alias[cell], tuple(i for i in subscripts(r) if isinstance(i, Idx)))
        for r in equation.references
        if (cell := cell_of(r)) in alias
    }
    return substitute(equation.body, hits) if hits else equation.body


def _crossed(graph: Graph) -> set[Cell]:
    """Vertices that some reference reads only in part or together with others: they keep their own name."""
    found: set[Cell] = set()
    for equation in graph.equations:
        for reference in equation.references:
            cells = graph.resolve(reference)
            if cells != (cell_of(reference),):
                found.update(cells)
    return found


# --- equal subexpressions -----------------------------------------------------------------------------------------


def cost(node: Basic) -> int:
    """A rough cost of one node, its arguments not included, in additions."""
    if is_leaf(node) or not isinstance(node, Expr):
        return 0
    if isinstance(node, Mul):
        return sum(1 for a in node.args if a != -1) - 1
    if isinstance(node, Pow):
        if isinstance(node.exp, Integer):
            return DIVISION_COST * bool(node.exp < 0) + abs(int(node.exp)).bit_length() - 1
        return FUNCTION_COST
    if node.is_Add:
        return len(node.args) - 1
    return COSTS.get(type(node), FUNCTION_COST)


def _candidates(body: Expr) -> list[tuple[Basic, int]]:
    """Nodes of a body that are worth a vertex, with their depth-first position; leaves and cheap arrays are not."""
    total: dict[int, int] = {}
    indexed: dict[int, bool] = {}
    found = []
    for position, node in enumerate(postorder(body)):
        arguments = () if is_leaf(node) else node.args
        total[id(node)] = cost(node) + sum(total[id(a)] for a in arguments)
        indexed[id(node)] = isinstance(node, Idx) or _is_indexed(node) or any(indexed[id(a)] for a in arguments)
        worth = total[id(node)] >= (STORE_COST if indexed[id(node)] else 1)
        if worth and isinstance(node, Expr) and not _is_constant(node):
            found.append((node, position))
    return found


def _is_indexed(node: Basic) -> bool:
    return isinstance(node, Indexed) and any(isinstance(i, Idx) for i in node.indices)


def _is_constant(node: Basic) -> bool:
    return not any(isinstance(n, Indexed) or (n.is_Symbol and not n.is_integer) for n in postorder(node))


def _extract(graph: Graph) -> Graph:
    """Subexpressions with two users become vertices ``c1``, ``c2``, … placed before the first user."""
    users: dict[Expr, set[object]] = defaultdict(set)
    shapes: dict[int, Expr] = {}
    bodies = [(number, e.body) for number, e in enumerate(graph.equations)]
    for number, body in bodies:
        nodes = _candidates(body)
        for node, _ in nodes:
            shapes[id(node)] = pattern(node)[0]
        parents: dict[int, set[object]] = defaultdict(set)
        for node in reversed(list(postorder(body))):
            user: object = shapes.get(id(node))
            for argument in () if is_leaf(node) else node.args:
                parents[id(argument)].update({user} if user is not None else parents[id(node)] or {number})
        for node, _ in nodes:
            users[shapes[id(node)]].update(parents[id(node)] or {number})
    shared = {shape for shape, found in users.items() if len(found) > 1}
    if not shared:
        return graph
    taken = set(graph.variables)
    names = (name for n in count(1) if (name := f"c{n}") not in taken)
    vertices: dict[Expr, _Vertex] = {}
    equations: list[Equation] = []

    def replace(body: Expr, root_is_vertex: bool) -> Expr:
        rebuilt: dict[int, Basic] = {}
        for node in postorder(body):
            new = node
            if not is_leaf(node):
                arguments = [rebuilt[id(a)] for a in node.args]
                if any(a is not b for a, b in zip(arguments, node.args)):
                    new = node.func(*arguments)
            shape = shapes.get(id(node))
            if shape in shared and not (root_is_vertex and node is body):
                new = vertex(node, new, shape)
            rebuilt[id(node)] = new
        return rebuilt[id(body)]

    def vertex(node: Basic, new: Basic, shape: Expr) -> Expr:
        actual = indices(node)
        if shape not in vertices:
            variable = Variable(next(names), tuple(extent(i) for i in actual))
            target = variable[actual]
            equations.append(Equation(target, new))
            vertices[shape] = (target, actual)
        return _instance(vertices[shape], actual)

    for equation in graph.equations:
        equations.append(equation.with_body(replace(equation.body, False)))
    return graph.with_equations(equations)


def _reuse(graph: Graph) -> Graph:
    """A subexpression that is the body of a map equation becomes a reference to it.

    That equation may stand later: what it reads is a part of what the user reads, so there is no cycle.
    """
    table: dict[Expr, _Vertex] = {}
    for equation in graph.equations:
        _register(equation, table)
    equations: list[Equation] = []
    for equation in graph.equations:
        body = _look_up(equation, table)
        new = equation if body is equation.body else equation.with_body(body)
        equations.append(new)
        _register(new, table)
    return graph.with_equations(equations)


def _register(equation: Equation, table: dict[Expr, _Vertex]) -> None:
    if equation.reduction is None and equation.references and not is_leaf(equation.body):
        shape, order = pattern(equation.body)
        if set(order) == set(equation.free):
            table.setdefault(shape, (equation.target, order))


def _look_up(equation: Equation, table: dict[Expr, _Vertex]) -> Expr:
    rebuilt: dict[int, Basic] = {}
    for node in postorder(equation.body):
        new = node
        if not is_leaf(node):
            arguments = [rebuilt[id(a)] for a in node.args]
            if any(a is not b for a, b in zip(arguments, node.args)):
                new = node.func(*arguments)
            for candidate in (node, new) if isinstance(node, Expr) else ():
                shape, actual = pattern(candidate)
                if shape in table and table[shape][0] != equation.target:
                    new = _instance(table[shape], actual)
                    break
        rebuilt[id(node)] = new
    return rebuilt[id(equation.body)]


def _instance(vertex: _Vertex, actual: tuple[Idx, ...]) -> Expr:
    target, formal = vertex
    return reindex(target, {i: j for i, j in zip(formal, actual) if i != j})
