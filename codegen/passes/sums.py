"""Sums of two that several sums have, x + y of f·x + f·y + z and g·x + g·y, are computed once and multiplied.

One of them takes an instruction, and each sum that has it one less. Which comes first is greedy: the one that most sums
have. These are the divisors of two cubes by which Rajski and Vasudevamurthy factor Boolean expressions (IEEE
Transactions on Computer-Aided Design 11, 1992).

Terms of such sums are added in another order. SymPy orders them by their names, so that no user has chosen it; but
functions that are formulas of others, and stable forms, are sums that cancel by design: slopes of log Γ were
wrong by 1e-7. So it is done where all operations are :data:`PLAIN`, before any function is written out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from sympy import Add, Mul, Pow, S, acos, asin, atan, cos, exp, log, sin, tan

from codegen.ir.formulas import Formulas
from codegen.ir.graph import Graph
from codegen.ir.nodes import Node, Nodes
from codegen.passes.pairs import paired
from codegen.passes.straight import heads

LONGEST = 40
"""So many terms of a sum with one factor are looked at, pair by pair; of more there are too many pairs."""
ROUNDS = 3
"""What is found is a term of its own in the next round. A fourth would save a thousandth of the arms' instructions."""


PLAIN = frozenset({Add, Mul, Pow, sin, cos, tan, asin, acos, atan, exp, log})
"""What no stable form and no approximation is left by."""


def factored(graph: Graph) -> Graph:
    """The graph with such sums, and pairs of factors before them, as nodes of their own, where all else is plain.

    >>> from sympy import symbols
    >>> from codegen.ir.equation import Equation, Variable
    >>> x, y, z, w, f, g = symbols("x y z w f g", real=True)
    >>> inputs = tuple(map(Variable, "xyzw"))
    >>> found = factored(Graph(inputs, (Equation(f, z * x - z * y), Equation(g, z + w * x - w * y)), ("f", "g")))
    >>> print("\\n".join(map(str, found.equations)))
    v1 = x - y
    f = v1*z
    g = v1*w + z
    """
    if not heads(graph) <= PLAIN:
        return graph
    graph = paired(graph)
    formulas = graph.formulas
    assert formulas is not None
    outputs = set(graph.outputs)
    wanted = {cell: node for cell, node in formulas.assigned.items() if cell.name in outputs}
    nodes, roots = formulas.nodes, list(dict.fromkeys(wanted.values()))
    found = {root: root for root in roots}
    for _ in range(ROUNDS):
        now = list(dict.fromkeys(found.values()))
        chosen = _chosen(nodes, _Pairs(nodes, nodes.reached(now)))
        if not chosen:
            break
        nodes, new = _rebuilt(nodes, now, chosen)
        found = {root: new[node] for root, node in found.items()}
    assigned = {cell: found[node] for cell, node in wanted.items()}
    return Graph.of_formulas(
        graph.inputs, Formulas(nodes, formulas.variables, assigned, stable=formulas.stable), graph.outputs
    )


class _Found(NamedTuple):
    """Two terms of a sum, ±c·f·x and ±c·f·y, and the sum of two that is in them."""

    sum: Node
    factor: Node
    """f, which may be 1."""
    first: Node
    """The term of x."""
    second: Node
    x: Node
    y: Node
    is_difference: bool
    """Whether the terms have different signs."""


class _Pairs:
    """Pairs of terms, as arrays: the sum of two in each is that of another one, too."""

    def __init__(self, nodes: Nodes, order: np.ndarray) -> None:
        self._terms(nodes, order)
        magnitudes, negative = nodes.magnitudes(self.numbers)
        _, groups = np.unique(self.sums * len(nodes) + self.factors, return_inverse=True)
        _, groups = np.unique(groups * len(nodes) + magnitudes, return_inverse=True)
        lengths = np.bincount(groups)[groups]
        kept = np.flatnonzero((lengths > 1) & (lengths <= LONGEST))
        kept = kept[np.lexsort((self.rests[kept], groups[kept]))]
        groups = groups[kept]
        near = [np.flatnonzero(groups[apart:] == groups[:-apart]) for apart in range(1, LONGEST)]
        first = kept[np.concatenate(near)]
        second = kept[np.concatenate([rows + apart for apart, rows in enumerate(near, 1)])]
        x, y, is_difference = self.rests[first], self.rests[second], negative[first] != negative[second]
        _, which, times = np.unique((x * len(nodes) + y) * 2 + is_difference, return_inverse=True, return_counts=True)
        several = np.flatnonzero((times[which] > 1) & (self.terms[first] != self.terms[second]))
        several = several[np.lexsort((which[several], -times[which[several]]))]
        first, second, self.which = first[several], second[several], which[several]
        self.columns = (
            *(self.sums[first], self.factors[first], self.terms[first], self.terms[second]),
            *(x[several], y[several], is_difference[several]),
        )

    def _terms(self, nodes: Nodes, order: np.ndarray) -> None:
        """The terms of sums: a number, times a factor, times the rest, in all ways there are."""
        edges, inside = nodes.edges, np.zeros(len(nodes), bool)
        inside[order] = True
        operands, starts = np.append(edges.operands, [0, 0]), np.cumsum(edges.lengths) - edges.lengths
        left, right = operands[starts], operands[starts + 1]
        of_two = edges.has(Mul) & (edges.lengths == 2)
        of_sums = (inside & edges.has(Add))[edges.readers]
        sums, terms = edges.readers[of_sums], edges.operands[of_sums]
        scaled = (of_two & edges.constant[left])[terms]
        numbers, products = np.where(scaled, left[terms], nodes.one), np.where(scaled, right[terms], terms)
        ones = np.full(len(terms), nodes.one)
        by_two, squared, varying = of_two[products], edges.exponents[products] == 2, ~edges.constant[products]
        ways = (
            (ones, products, np.ones(len(terms), bool)),
            (products, ones, varying),
            (left[products], right[products], by_two),
            (right[products], left[products], by_two),
            (left[products], left[products], squared),
        )
        rows = [np.flatnonzero(possible) for *_, possible in ways]
        every = np.concatenate(rows)
        self.sums, self.terms, self.numbers = sums[every], terms[every], numbers[every]
        self.factors = np.concatenate([factors[at] for (factors, *_), at in zip(ways, rows)])
        self.rests = np.concatenate([rests[at] for (_, rests, _), at in zip(ways, rows)])

    def __iter__(self) -> Iterator[list[_Found]]:
        """Those of one sum of two after the other, the most frequent first."""
        rows = list(zip(*[column.tolist() for column in self.columns]))
        bounds = np.flatnonzero(np.diff(self.which, prepend=-1, append=-1)).tolist()
        for start, stop in pairwise(bounds):
            yield [_Found(*row) for row in rows[start:stop]]


def _chosen(nodes: Nodes, pairs: _Pairs) -> Mapping[Node, Sequence[_Found]]:
    """By sum, the pairs that become one term: as many as save instructions, no term in two of them."""
    taken: set[tuple[Node, Node]] = set()
    chosen: dict[Node, list[_Found]] = defaultdict(list)
    for alike in pairs:
        free: list[_Found] = []
        used: set[tuple[Node, Node]] = set()
        is_there = False
        for found in alike:
            ends = {(found.sum, found.first), (found.sum, found.second)}
            if found.factor == nodes.one and len(nodes.operands[found.sum]) == 2:
                is_there |= found.first == found.x
            elif taken.isdisjoint(ends) and used.isdisjoint(ends):
                free.append(found)
                used |= ends
        if len(free) > (0 if is_there else _cost(nodes, free)):
            taken |= used
            for found in free:
                chosen[found.sum].append(found)
    return chosen


def _cost(nodes: Nodes, free: Sequence[_Found]) -> int:
    """The instructions of a sum of two: of two products that only sums have, a multiplication and a fused one."""
    alone = all(found.factor == nodes.one for found in free)
    return 2 if free and alone and all(nodes.heads[part] is Mul for part in (free[0].x, free[0].y)) else 1


def _rebuilt(
    nodes: Nodes, roots: Sequence[Node], chosen: Mapping[Node, Sequence[_Found]]
) -> tuple[Nodes, Mapping[Node, Node]]:
    """A table with these sums; by root the node of its value."""
    new = nodes.copy()

    def made(node: Node, given: tuple[Node, ...], found: Sequence[Node]) -> Node:
        head = nodes.heads[node]
        assert isinstance(head, type)
        if node not in chosen:
            # A sum that became a product may have a number in front.
            return (new.made if head in (Add, Mul) else new.operation)(head, given)
        joined: dict[Node, Node | None] = {}
        for pair in chosen[node]:
            y = found[pair.y]
            both = new.total((found[pair.x], new.scaled(S.NegativeOne, y) if pair.is_difference else y))
            # A constant is a rest of its own, with its sign: what stands in front of it is 1.
            number = S.One if nodes.constant(pair.first) is not None else nodes.parted(pair.first)[0]
            joined[pair.first] = new.scaled(number, new.times(found[pair.factor], both))
            joined[pair.second] = None
        terms = [joined.get(operand, now) for operand, now in zip(nodes.operands[node], given)]
        return new.total([term for term in terms if term is not None])

    return new.rebuilt(roots, chosen, made)
