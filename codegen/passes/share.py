"""Common subexpressions across equations: this is what makes the backward pass reuse the forward pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from sympy import Add, Expr, Idx, Integer, Mul, Piecewise, Pow
from sympy.core.basic import Basic

from codegen.cached import once
from codegen.functions import Price, equal, operation
from codegen.functions.powers import is_whole
from codegen.ir.equation import Equation
from codegen.ir.graph import Cell, Graph
from codegen.passes.patterns import Patterns, Vertex
from codegen.passes.shifted import Shifted
from codegen.walk import (
    extent,
    fold,
    fresh_names,
    indices,
    is_leaf,
    is_reference,
    postorder,
    rebuild,
    subscripts,
    substitute,
)

STORE_COST = 4
"""An indexed subexpression is worth an array of its own from this cost on; one product or sum is computed again."""
COSTS = {Price.NOTHING: 0, Price.COMPARISON: 1}
FUNCTION_COST = 10
DIVISION_COST = 4


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
    patterns = Patterns()
    reused = _reuse(_merge(graph, patterns), patterns, graph.over_steps)
    return graph.with_equations(_extract(reused, fresh_names("c", graph.variables), patterns, graph.over_steps))


# --- equal equations ----------------------------------------------------------------------------------------------


def _merge(graph: Graph, patterns: Patterns) -> list[Equation]:
    """Equations with the same right-hand side become one; an output that repeats a vertex refers to it."""
    first: dict[Hashable, Vertex] = {}
    alias: dict[Cell, Vertex] = {}
    unmovable = {*_read_across(graph), *(cell for name in graph.outputs for cell in graph.cells[name])}
    kept: list[Equation] = []
    for given in graph.equations:
        equation = given.with_body(_follow(given, alias))
        right_side = _right_side(equation, patterns)
        plain = is_leaf(equation.body) and equation.is_map
        if plain or not equation.references or right_side not in first:
            first.setdefault(right_side, Vertex(equation.target, equation.free))
            kept.append(equation)
        elif equation.cell in unmovable:
            kept.append(Equation(equation.target, first[right_side].at(equation.free)))
        else:
            alias[equation.cell] = first[right_side]
    if alias.keys() & graph.scans.keys():  # an equation before may read it, at an earlier step
        return [equation.with_body(_follow(equation, alias)) for equation in kept]
    return kept


def _right_side(equation: Equation, patterns: Patterns) -> Hashable:
    """What two equations that compute the same have in common."""
    extents = tuple(extent(i) for i in equation.domain)
    return patterns(equation.body, equation.domain), equation.reduction, extents, len(equation.free)


def _follow(equation: Equation, alias: Mapping[Cell, Vertex]) -> Expr:
    """The body with references to the vertices that are left."""
    hits = {r: alias[cell].at(_moving(r)) for r, cell, *_ in equation.reads if cell in alias}
    return substitute(equation.body, hits) if hits else equation.body


def _moving(reference: Expr) -> list[Expr]:
    """The subscripts of a reference but for integers."""
    return [i for i in subscripts(reference) if not isinstance(i, Integer)]


def _read_across(graph: Graph) -> Iterator[Cell]:
    """Vertices that some reference reads only in part or together with others: they keep their own name."""
    for equation in graph.equations:
        for access in equation.reads:
            cells = graph.meeting(access.cell)
            if cells != (access.cell,):
                yield from cells


# --- subexpressions that are the body of a vertex -----------------------------------------------------------------


def _reuse(equations: Sequence[Equation], patterns: Patterns, over_steps: Mapping[Cell, Set[Idx]]) -> list[Equation]:
    """A subexpression that is the body of a map equation becomes a reference to it.

    That equation may stand later: what it reads is a part of what the user reads, so there is no cycle, but where a
    sum adds up steps before its own.
    """
    vertices: dict[int, Vertex] = {}
    for equation in equations:
        _register(equation, vertices, patterns)
    # At another place a value may be kept for others alone, which is worth it for a function.
    shifted = Shifted(equations, patterns, lambda value: cost(value) >= FUNCTION_COST)
    rewritten: list[Equation] = []
    for equation in equations:
        apart = over_steps.get(equation.cell, frozenset())
        rewritten.append(equation.with_body(_look_up(equation, vertices, shifted, patterns, apart)))
        if rewritten[-1] is not equation:
            _register(rewritten[-1], vertices, patterns)
    return rewritten


def _register(equation: Equation, vertices: dict[int, Vertex], patterns: Patterns) -> None:
    if equation.is_map and equation.references and not is_leaf(equation.body):
        order = equation.indices
        if set(order) == set(equation.free):
            vertices.setdefault(patterns(equation.body, order), Vertex(equation.target, order))


def _look_up(
    equation: Equation, vertices: Mapping[int, Vertex], shifted: Shifted, patterns: Patterns, apart: Set[Idx]
) -> Expr:
    orders = equation.node_indices

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        new = rebuild(node, arguments)
        if is_leaf(node) or not isinstance(node, Expr) or not apart.isdisjoint(orders[id(node)]):
            return new
        # As it was written, or with the vertices that its parts have become.
        candidates = [(node, orders[id(node)])] + ([] if new is node else [(new, indices(new))])
        for candidate, order in candidates:
            vertex = vertices.get(patterns(candidate, order))
            if vertex is not None and vertex.target != equation.target:
                return vertex.at(order)
        elsewhere = shifted.at(node, equation)
        return new if elsewhere is None else elsewhere

    return fold(equation.body, step)


# --- subexpressions with several users ----------------------------------------------------------------------------


def cost(node: Basic) -> int:
    """A rough cost of one node, its arguments not included, in additions."""
    if is_leaf(node) or not isinstance(node, Expr):
        return 0
    if isinstance(node, Mul):
        return sum(1 for a in node.args if a != -1) - 1
    if isinstance(node, Pow):
        if is_whole(node.exp):
            return DIVISION_COST * bool(node.exp < 0) + abs(int(node.exp)).bit_length() - 1
        return FUNCTION_COST
    if isinstance(node, Add):
        return len(node.args) - 1
    return 1 if isinstance(node, Piecewise) else COSTS.get(operation(type(node)).price, FUNCTION_COST)


@dataclass(frozen=True)
class _Candidate:
    """A subexpression that is worth a vertex if it has two users."""

    pattern: int
    order: tuple[Idx, ...]


def _extract(
    equations: Sequence[Equation], names: Iterator[str], patterns: Patterns, over_steps: Mapping[Cell, Set[Idx]]
) -> list[Equation]:
    """Subexpressions with two users become vertices, placed before the first user."""
    compared = {patterns(part, indices(part)) for equation in equations for part in _compared(equation)}
    candidates = [_candidates(e, compared, patterns, over_steps.get(e.cell, frozenset())) for e in equations]
    users: dict[int, set[Hashable]] = defaultdict(set)
    for number, (equation, found) in enumerate(zip(equations, candidates)):
        for node, its_users in _users(equation.body, number, found).items():
            users[found[node].pattern].update(its_users)
    shared = {shape for shape, its_users in users.items() if len(its_users) > 1}
    vertices: dict[int, Vertex] = {}
    extracted: list[Equation] = []
    for equation, found in zip(equations, candidates):
        wanted = {node: candidate for node, candidate in found.items() if candidate.pattern in shared}
        extracted.extend(_with_vertices(equation, wanted, vertices, names))
    return extracted


@once
def _compared(equation: Equation) -> tuple[Expr, ...]:
    """What is compared for equality, as the arguments of a maximum are.

    It is never computed twice: fused multiply-adds may round one of two equal formulas differently.
    """
    return tuple(part for node in postorder(equation.body) if isinstance(node, equal) for part in node.args)


def _candidates(equation: Equation, compared: Set[int], patterns: Patterns, apart: Set[Idx]) -> dict[int, _Candidate]:
    """The nodes of a body that are worth a vertex, by identity; leaves, constants and cheap arrays are not."""
    if equation.eliminates:
        return {}
    orders = equation.node_indices
    reads: dict[int, bool] = {}
    total: dict[int, int] = {}
    found: dict[int, _Candidate] = {}
    for node in postorder(equation.body):
        arguments = () if is_leaf(node) else node.args
        reads[id(node)] = is_reference(node) or any(reads[id(a)] for a in arguments)
        total[id(node)] = cost(node) + sum(total[id(a)] for a in arguments)
        order = orders[id(node)]
        if isinstance(node, Expr) and reads[id(node)] and total[id(node)] > 0 and apart.isdisjoint(order):
            shape = patterns(node, order)
            if not order or total[id(node)] >= STORE_COST or shape in compared:
                found[id(node)] = _Candidate(shape, order)
    return found


def _users(body: Expr, number: int, candidates: Mapping[int, _Candidate]) -> dict[int, set[Hashable]]:
    """What uses each candidate of a body: the next larger candidates, or the equation of this number."""
    users: dict[int, set[Hashable]] = defaultdict(set, {id(body): {number}})
    for node in reversed(list(postorder(body))):
        larger = {candidates[id(node)].pattern} if id(node) in candidates else users[id(node)]
        for argument in () if is_leaf(node) else node.args:
            users[id(argument)] |= larger
    return {node: users[node] for node in candidates}


def _with_vertices(
    equation: Equation, wanted: Mapping[int, _Candidate], vertices: dict[int, Vertex], names: Iterator[str]
) -> list[Equation]:
    """The equation with references in place of the wanted nodes, after the equations of those that are new."""
    new: list[Equation] = []

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        built = rebuild(node, arguments)
        if id(node) not in wanted:
            return built
        shape, order = wanted[id(node)].pattern, wanted[id(node)].order
        if shape not in vertices:
            new.append(Equation.vertex(next(names), built, equation.domain))  # as elsewhere: the samples first
            vertices[shape] = Vertex(new[-1].target, order)
        return vertices[shape].at(order)

    body = fold(equation.body, step)
    return [*new, equation.with_body(body)]
