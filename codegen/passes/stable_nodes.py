"""Unstable forms among interned nodes: the rules that know SymPy see what may be one, and what it stands on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, Piecewise, acos, asin, atan, atan2, cos, exp, sin, tan, tanh

from codegen.functions import canonical, sigmoid
from codegen.ir.equation import Equation, Variable
from codegen.ir.formulas import Formulas, is_settled
from codegen.ir.graph import Graph
from codegen.ir.nodes import Node, Nodes
from codegen.passes.stabilise import stabilise
from codegen.walk import references

ABOVE, BELOW = 4, 6
"""How far apart parts of one form may be: log ← product ← reciprocal ← sum ← exp are five operations."""
CLOSED = frozenset({tanh, sin, cos, tan, asin, acos, atan, atan2})
"""No form says what these are taken of."""
SHARED = 8
"""A part of so many operations that is used twice has an equation of its own, as where equations are read."""


def stabilised(formulas: Formulas, keep: Collection[str] = ()) -> Formulas:
    """The formulas without unstable forms, see :func:`~codegen.passes.stabilise.stabilise`.

    >>> from sympy import Symbol, exp, log
    >>> x, y = Symbol("x", real=True), Symbol("y", real=True)
    >>> read = Formulas.of([Variable("x")], [Equation(y, (1 + log(1 + exp(x))) ** 2)])
    >>> [(cell, node)] = stabilised(read).assigned.items()
    >>> stabilised(read).nodes.written(node)
    (softplus(x) + 1)**2
    """
    formulas = _with_sigmoids(formulas)
    nodes = formulas.nodes
    order = nodes.below(list(formulas.assigned.values()))
    unsettled = [node for node in order if _is_plain(nodes, node) and not is_settled(nodes, node)]
    if not unsettled:
        return replace(formulas, stable=True)
    part = _part(formulas, order, _around(nodes, order, unsettled))
    ends = [node for cell, node in formulas.assigned.items() if cell.name in keep and node in part.inside]
    stable = stabilise(part.graph, keep=[part.names[node].name for node in ends])
    if stable is part.graph:
        return replace(formulas, stable=True)
    new, found = _replaced(nodes, order, part, {e.target: e.body for e in stable.equations})
    return replace(formulas, nodes=new, assigned={c: found[n] for c, n in formulas.assigned.items()}, stable=True)


def _with_sigmoids(formulas: Formulas) -> Formulas:
    """1/(1 + exp(a))ⁿ = σ(−a)ⁿ, of which scalar networks are full: SymPy takes 1 ms for one."""
    nodes = formulas.nodes
    order = nodes.below(list(formulas.assigned.values()))
    powers = {node: exponent for node in order if (exponent := _exponent(nodes, node)) is not None}
    if not powers:
        return formulas
    new = nodes.copy()
    found: dict[Node, Node] = {}
    for node in order:
        head, operands = nodes.heads[node], tuple([found[operand] for operand in nodes.operands[node]])
        if node in powers:
            power = new.made(sigmoid, (new.negative(found[powers[node]]),))
            found[node] = new.power(power, -nodes.as_power(node)[1])
        else:
            same = operands == nodes.operands[node] or not isinstance(head, type)
            found[node] = node if same else new.made(head, operands)
    return replace(formulas, nodes=new, assigned={cell: found[node] for cell, node in formulas.assigned.items()})


def _exponent(nodes: Nodes, node: Node) -> Node | None:
    """The a of 1/(1 + exp(a))ⁿ; None for anything else."""
    base, power = nodes.as_power(node)
    if nodes.heads[base] is not Add or not (power.is_Integer and power.is_negative):
        return None
    terms = [operand for operand in nodes.operands[base] if operand != nodes.one]
    is_one = len(nodes.operands[base]) == 2 and len(terms) == 1 and nodes.heads[terms[0]] is exp
    return nodes.operands[terms[0]][0] if is_one else None


def _around(nodes: Nodes, order: Sequence[Node], some: Sequence[Node]) -> set[Node]:
    """Some operations, what they stand on, and what stands on them."""
    readers: dict[Node, list[Node]] = {}
    for node in order:
        if nodes.heads[node] not in CLOSED and _is_plain(nodes, node):
            for operand in nodes.operands[node]:
                readers.setdefault(operand, []).append(node)

    def above(node: Node) -> Sequence[Node]:
        return readers.get(node, ())

    def below(node: Node) -> Sequence[Node]:
        inside = nodes.operands[node] if nodes.heads[node] not in CLOSED else ()
        return [operand for operand in inside if nodes.operands[operand] and _is_plain(nodes, operand)]

    return _within(_within(some, above, ABOVE), below, BELOW)


def _is_plain(nodes: Nodes, node: Node) -> bool:
    """Whether a node may be in a form; branches are in none, and their conditions no vertices."""
    return nodes.is_value(node) and nodes.heads[node] is not Piecewise


def _within(some: Collection[Node], neighbours: Callable[[Node], Sequence[Node]], distance: int) -> set[Node]:
    found, last = set(some), list(some)
    for _ in range(distance):
        last = [node for node in dict.fromkeys(n for node in last for n in neighbours(node)) if node not in found]
        found.update(last)
    return found


@dataclass(frozen=True)
class _Part:
    """Operations cut out of a table: their graph, and the symbols of its inputs and vertices."""

    graph: Graph
    inside: set[Node]
    names: Mapping[Node, Expr]


def _part(formulas: Formulas, order: Iterable[Node], inside: set[Node]) -> _Part:
    nodes = formulas.nodes
    prefix = "v"
    while any(name.startswith(prefix) for name in formulas.variables):
        prefix += "'"
    uses = nodes.uses(inside)
    assigned = set(formulas.assigned.values())
    read = assigned.union(o for node in order if node not in inside for o in nodes.operands[node])
    names: dict[Node, Expr] = {}
    sizes: dict[Node, int] = {}
    inputs: list[Variable] = []
    equations: list[Equation] = []
    outputs: list[str] = []

    def name(node: Node) -> Variable:
        variable = Variable(f"{prefix}{node}")
        names[node] = variable.symbol
        return variable

    for node in order:
        if node not in inside:
            if node in uses and nodes.constant(node) is None:
                inputs.append(name(node))
            continue
        size = 1 + sum(sizes.get(operand, 1) for operand in nodes.operands[node])
        if node in read or (uses.get(node, 0) > 1 and size >= SHARED):
            body = canonical(nodes.written(node, names.get))
            variable, size = name(node), 1
            equations.append(Equation(variable.symbol, body))
            if node in read:
                outputs.append(variable.name)
        sizes[node] = size
    return _Part(Graph(tuple(inputs), tuple(equations), tuple(outputs)), inside, names)


def _replaced(
    nodes: Nodes, order: Iterable[Node], part: _Part, bodies: Mapping[Expr, Expr]
) -> tuple[Nodes, dict[Node, Node]]:
    """A table with other formulas for a part of another one; by its nodes, those of the same value."""
    new = nodes.copy()
    found: dict[Node, Node] = {}
    for node in order:
        name = part.names.get(node)
        if node in part.inside:
            if name is not None:
                found[node] = _read(new, name, bodies)
            continue
        operands = tuple([found[operand] for operand in nodes.operands[node]])
        head = nodes.heads[node]
        same = operands == nodes.operands[node]
        found[node] = node if same or not isinstance(head, type) else new.made(head, operands)
        if name is not None:
            new.name(name, found[node])
    return new, found


def _read(nodes: Nodes, target: Expr, bodies: Mapping[Expr, Expr]) -> Node:
    """The node of a vertex, which it stands for from now on, as do those that it reads."""
    stack = [target]
    while stack:
        body = bodies[stack[-1]]
        waiting = [leaf for leaf in references(body) if leaf in bodies and not nodes.has_name(leaf)]
        if not waiting:
            nodes.name(stack.pop(), nodes.read(body))
        stack += waiting
    return nodes.leaf(target)
