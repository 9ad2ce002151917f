"""Pairs of factors that several products have, x·y of x·y·z and y·x·w, are multiplied once.

Equal products are one node already; products that have a part in common are not. Which pair comes first is greedy: the
one that most products have. Of the instructions of the benchmark's Jacobians it takes a tenth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import combinations
from typing import TypeAlias

import numpy as np
from sympy import Add, Mul

from codegen.ir.formulas import Formulas
from codegen.ir.graph import Graph
from codegen.ir.nodes import Node, Nodes

LONGEST = 40
"""Pairs of longer products are not looked at: there are too many."""
RARE = 1000
"""Of so many operations one pair at least: to number nodes anew takes longer than fewer of them save."""

Pair: TypeAlias = tuple[Node, Node]


def paired(graph: Graph) -> Graph:
    """The graph with such pairs as nodes of their own.

    >>> from sympy import symbols
    >>> from codegen.ir.equation import Equation, Variable
    >>> x, y, z, w, f, g = symbols("x y z w f g", real=True)
    >>> inputs = tuple(map(Variable, "xyzw"))
    >>> found = paired(Graph(inputs, (Equation(f, x * y * z), Equation(g, y * x * w)), ("f", "g")))
    >>> print("\\n".join(map(str, found.equations)))
    v1 = x*y
    f = v1*z
    g = v1*w
    """
    formulas = graph.formulas
    assert formulas is not None
    outputs = set(graph.outputs)
    wanted = {cell: node for cell, node in formulas.assigned.items() if cell.name in outputs}
    roots = list(dict.fromkeys(wanted.values()))
    nodes, found = _rebuilt(formulas.nodes, roots, _chosen(formulas.nodes, formulas.nodes.reached(roots)))
    assigned = {cell: found[node] for cell, node in wanted.items()}
    return Graph.of_formulas(
        graph.inputs, Formulas(nodes, formulas.variables, assigned, stable=formulas.stable), graph.outputs
    )


class _Products:
    """The factors of products that have a pair in common with another one, of which pairs become one."""

    def __init__(self, nodes: Nodes, order: np.ndarray) -> None:
        self.factors: dict[Node, set[Node]] = {}
        self.with_pair: dict[Pair, set[Node]] = {}
        for node in _with_common_pair(nodes, order):
            factors = self.factors[node] = {o for o in nodes.operands[node] if _is_multiplied(nodes, o)}
            for pair in combinations(sorted(factors), 2):
                self.with_pair.setdefault(pair, set()).add(node)
        self.heap = [(-len(products), pair) for pair, products in self.with_pair.items() if len(products) > 1]
        heapify(self.heap)

    def most_frequent(self) -> Pair | None:
        """The pair that most products have; None if no two have one."""
        while self.heap:
            count, pair = heappop(self.heap)
            now = len(self.with_pair[pair])
            if now == -count:
                return pair
            if now > 1:
                heappush(self.heap, (-now, pair))
        return None

    def join(self, pair: Pair, name: Node) -> None:
        """One factor in the place of two."""
        touched = set()
        for product in sorted(self.with_pair.pop(pair)):
            factors = self.factors[product]
            factors.difference_update(pair)
            for other in factors:
                for old in pair:
                    self.with_pair[_sorted(old, other)].discard(product)
                self.with_pair.setdefault(_sorted(name, other), set()).add(product)
                touched.add(_sorted(name, other))
            factors.add(name)
        for new in sorted(touched):
            if len(self.with_pair[new]) > 1:
                heappush(self.heap, (-len(self.with_pair[new]), new))


def _with_common_pair(nodes: Nodes, order: np.ndarray) -> Sequence[Node]:
    """The products two factors of which another product has, too."""
    edges, chosen = nodes.edges, np.zeros(len(nodes), bool)
    chosen[order] = True
    chosen &= edges.has(Mul)
    kept = chosen[edges.readers] & ~edges.constant[edges.operands] & ~edges.divides[edges.operands]
    products, factors = np.divmod(np.sort(edges.readers[kept] * len(nodes) + edges.operands[kept]), len(nodes))
    _, starts, counts = np.unique(products, return_index=True, return_counts=True)
    pairs: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    for count in range(2, LONGEST + 1):
        rows = starts[counts == count]
        for one, other in combinations(range(count), 2) if len(rows) else ():
            pairs.append(factors[rows + one] * len(nodes) + factors[rows + other])
            owners.append(products[rows])
    if not pairs:
        return []
    _, which, times = np.unique(np.concatenate(pairs), return_inverse=True, return_counts=True)
    return [int(node) for node in np.unique(np.concatenate(owners)[times[which] > 1])]


def _sorted(one: Node, other: Node) -> Pair:
    return (one, other) if one < other else (other, one)


def _is_multiplied(nodes: Nodes, factor: Node) -> bool:
    """Whether a factor is neither a number nor divided by: a product has one division for all of these."""
    return nodes.constant(factor) is None and not nodes.as_power(factor)[1].is_negative


Chosen: TypeAlias = "tuple[Sequence[Pair], Mapping[Node, set[Node]]]"
"""Pairs, of which the first is called −1, the next −2, …, and the factors that products have with them."""


def _chosen(nodes: Nodes, order: np.ndarray) -> Chosen:
    products = _Products(nodes, order)
    pairs: list[Pair] = []
    while (pair := products.most_frequent()) is not None:
        pairs.append(pair)
        products.join(pair, -len(pairs))
    return (pairs, products.factors) if len(pairs) * RARE > len(order) else ((), {})


def _rebuilt(nodes: Nodes, roots: Sequence[Node], chosen: Chosen) -> tuple[Nodes, Mapping[Node, Node]]:
    """A table with these pairs; by root the node of its value."""
    pairs, products = chosen
    if not pairs:
        return nodes, {root: root for root in roots}
    new = nodes.copy()
    own = {node for node, left in products.items() if min(left) < 0}
    joined: dict[Node, Node] = {}

    def join(name: Node, found: Sequence[Node]) -> Node:
        """The node of a pair of factors, and of those that are in it."""
        stack = [name]
        while stack:
            inside = pairs[-stack[-1] - 1]
            waiting = [part for part in inside if part < 0 and part not in joined]
            if not waiting:
                joined[stack.pop()] = new.product([joined[p] if p < 0 else found[p] for p in inside])
            stack += waiting
        return joined[name]

    def made(node: Node, given: tuple[Node, ...], found: Sequence[Node]) -> Node:
        head, operands = nodes.heads[node], nodes.operands[node]
        assert isinstance(head, type)
        if node not in own:
            # x·y·z and (x·y)·z have become one.
            return (new.made if head in (Add, Mul) else new.operation)(head, given)
        left = products[node]
        kept = [now for o, now in zip(operands, given) if o in left or not _is_multiplied(nodes, o)]
        names = [joined[part] if part in joined else join(part, found) for part in sorted(left) if part < 0]
        return new.product((*kept, *names))

    return new.rebuilt(roots, own, made)
