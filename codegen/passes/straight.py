"""The passes on interned nodes: equal values are one already, what is left is to write functions out as formulas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

import numpy as np
from sympy import Add, Dummy, Expr, Mul, Piecewise
from sympy.core.basic import Basic
from sympy.core.relational import Relational

from codegen.cached import once
from codegen.functions import Composite, canonical
from codegen.ir.formulas import LARGE, Formulas
from codegen.ir.graph import Graph
from codegen.ir.nodes import Node, Nodes, Pattern, pattern
from codegen.ir.operations import Operations, node_operations, reading
from codegen.passes.stable_nodes import stabilised
from codegen.walk import rewrite


def is_large(graph: Graph) -> bool:
    """Whether a graph has no index and so many operations that nobody reads them."""
    formulas = graph.formulas
    return formulas is not None and len(formulas.nodes) >= LARGE and formulas.has(graph.outputs)


def settled(graph: Graph) -> Graph:
    """The graph without unstable forms; rules that know SymPy are asked only where there may be one."""
    formulas = graph.formulas
    assert formulas is not None
    return graph if formulas.stable else Graph.of_formulas(graph.inputs, stabilised(formulas), graph.outputs)


def lowered(graph: Graph) -> Graph:
    """The graph with functions that emitters do not know written out."""
    formulas = graph.formulas
    assert formulas is not None
    outputs = set(graph.outputs)
    wanted = {cell: node for cell, node in formulas.assigned.items() if cell.name in outputs}
    composites = {id(head) for head in heads(graph) if issubclass(head, Composite)}
    nodes, found = _written_out(formulas.nodes, formulas.roots(outputs), composites)
    assigned = {cell: found[node] for cell, node in wanted.items()}
    return Graph.of_formulas(graph.inputs, Formulas(nodes, formulas.variables, assigned, stable=True), graph.outputs)


@once
def heads(graph: Graph) -> set[type[Basic]]:
    """The classes of the operations of a graph without indices."""
    formulas = graph.formulas
    assert formulas is not None
    return formulas.nodes.operations(formulas.roots(graph.outputs))


def _written_out(nodes: Nodes, roots: list[Node], composites: Collection[int]) -> tuple[Nodes, Mapping[Node, Node]]:
    """A table without some functions, which have these identities; by root the node of its value."""
    if not composites:
        return nodes, {root: root for root in roots}
    new, order = nodes.copy(), nodes.reached(roots)
    own = set(order[np.isin(nodes.edges.heads[order], [*composites])].tolist())

    def made(node: Node, given: tuple[Node, ...], found: Sequence[Node]) -> Node:
        head = nodes.heads[node]
        assert isinstance(head, type)
        if node not in own:
            return new.made(head, given)
        constants = tuple([new.constant(operand) for operand in given])
        varying = [operand for operand, value in zip(given, constants) if value is None]
        return new.filled(_formula(head, constants), varying)

    return new.rebuilt(roots, own, made)


@lru_cache(maxsize=1024)
def _formula(head: type[Basic], constants: tuple[Expr | None, ...]) -> Pattern:
    """What a composite function is, of those of its arguments that are no constants."""
    symbols = {place: Dummy(real=True) for place, value in enumerate(constants) if value is None}
    function = head(*[symbols.get(place, value) for place, value in enumerate(constants)])
    return pattern(_without_composites(function), list(symbols.values()))


def _without_composites(expression: Expr) -> Expr:
    def written_out(node: Basic) -> Expr | None:
        return _without_composites(canonical(node.definition())) if isinstance(node, Composite) else None

    return rewrite(canonical(expression), written_out)


# --- counting -----------------------------------------------------------------------------------------------------


def count_nodes(graph: Graph) -> Operations:
    """The operations of a graph without indices, each node once."""
    formulas = graph.formulas
    assert formulas is not None
    nodes = formulas.nodes
    total: Operations = Counter()
    for node in nodes.below(formulas.roots(graph.outputs)):
        head, operands = nodes.heads[node], nodes.operands[node]
        if isinstance(head, type):
            constants = tuple([nodes.constant(operand) for operand in operands])
            if head in (Add, Mul):
                # Their operands are alike, up to reciprocals.
                inverse = sum(1 for o in operands if nodes.as_power(o)[1].is_negative)
                for kind, number in _of_sum_or_product(head, len(operands), inverse).items():
                    total[kind] += number
            else:
                for kind, number in _counted(head, constants).items():
                    total[kind] += number
    return total


def _of_sum_or_product(head: type[Basic], count: int, inverse: int) -> dict[str, int]:
    if head is Add:
        return {"add": count - 1}
    return {kind: n for kind, n in (("multiply", max(count - inverse - 1, 0)), ("divide", inverse)) if n}


@lru_cache(maxsize=4096)
def _counted(head: type[Basic], constants: tuple[Expr | None, ...]) -> dict[str, int]:
    if not issubclass(head, Expr):
        return {"compare": 1} if issubclass(head, Relational) else {}
    if head is Piecewise:
        return {"compare": 1}
    node = head(*[Dummy(real=True) if value is None else value for value in constants], evaluate=False)
    return dict(node_operations(node, reading(node)))
