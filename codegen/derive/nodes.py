"""Derivatives of formulas as interned nodes: each edge touched once for each direction that passes it.

What depends on few inputs, or leads to few results, has few derivatives: a node keeps its own by input (forward) or by
result (reverse). Which of the two takes fewer steps is counted beforehand, on sets alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from sympy import Add, Expr, Mul, Piecewise, Pow, Symbol
from sympy.core.basic import Basic

from codegen.derive.local import derivative_of
from codegen.functions import maximum, minimum, select
from codegen.ir.nodes import Node, Nodes, Pattern, pattern
from codegen.passes.stable_forms import stable
from codegen.walk import rewrite

Slopes: TypeAlias = dict[int, Node]
"""The derivatives of a node that are not 0: by the number of the input, or those of the results by it."""


class Derivation:
    """Derivatives of some results by some leaves, appended to a table."""

    def __init__(self, nodes: Nodes, results: Sequence[Node], inputs: Sequence[Node]) -> None:
        self.nodes, self.results, self.inputs = nodes, results, inputs
        self.active: dict[Node, None] = dict.fromkeys(inputs)
        """What depends on the inputs, operands first."""
        for node in nodes.below(results):
            if not self.active.keys().isdisjoint(nodes.operands[node]):
                self.active[node] = None

    # --- which way ------------------------------------------------------------------------------------------------

    def work(self) -> dict[str, int]:
        """The steps of each mode: an edge counts once for each derivative that passes it."""
        below = {node: 1 << number for number, node in enumerate(self.inputs)}
        for node in self.active:
            for operand in self.nodes.operands[node]:
                below[node] = below.get(node, 0) | below.get(operand, 0)
        above: dict[Node, int] = {}
        for number, node in enumerate(self.results):
            above[node] = above.get(node, 0) | 1 << number
        forward = reverse = 0
        for node in reversed(self.active):
            own = above.get(node, 0)
            for operand in self.nodes.operands[node]:
                if operand in self.active:
                    forward += below[operand].bit_count()
                    reverse += own.bit_count()
                    above[operand] = above.get(operand, 0) | own
        return {"forward": forward, "reverse": reverse}

    def slopes(self, mode: str) -> list[Slopes]:
        """The derivatives of each result, by the number of the input."""
        if mode == "auto":
            work = self.work()
            mode = min(work, key=work.__getitem__)
        return self.forward() if mode == "forward" else self.reverse()

    # --- accumulation ---------------------------------------------------------------------------------------------

    def forward(self) -> list[Slopes]:
        nodes = self.nodes
        found: dict[Node, Slopes] = {node: {number: nodes.one} for number, node in enumerate(self.inputs)}
        for node in self.active:
            if node in found:
                continue
            terms: dict[int, list[Node]] = {}
            for operand, local in partials(nodes, node, self.active):
                for number, slope in found.get(operand, {}).items() if local != nodes.zero else ():
                    terms.setdefault(number, []).append(nodes.times(local, slope))
            found[node] = self._totals(terms)
        return [found.get(node, {}) for node in self.results]

    def reverse(self) -> list[Slopes]:
        if len(self.results) == 1:
            return [self._reverse_of_one()]
        nodes, inputs = self.nodes, {node: number for number, node in enumerate(self.inputs)}
        pending: dict[Node, dict[int, list[Node]]] = {}
        for number, node in enumerate(self.results):
            pending.setdefault(node, {})[number] = [nodes.one]
        found: list[Slopes] = [{} for _ in self.results]
        for node in reversed(self.active):
            adjoints = self._totals(pending.pop(node, {}))
            if node in inputs:
                for number, adjoint in adjoints.items():
                    found[number][inputs[node]] = adjoint
                continue
            for operand, local in partials(nodes, node, self.active) if adjoints else ():
                if local != nodes.zero:
                    into = pending.setdefault(operand, {})
                    for number, adjoint in adjoints.items():
                        into.setdefault(number, []).append(nodes.times(adjoint, local))
        return found

    def _reverse_of_one(self) -> Slopes:
        """The same of one result, whose adjoints need no number."""
        nodes, active, zero = self.nodes, self.active, self.nodes.zero
        inputs = {node: number for number, node in enumerate(self.inputs)}
        pending: dict[Node, list[Node]] = {self.results[0]: [nodes.one]}
        found: Slopes = {}
        for node in reversed(active):
            terms = pending.pop(node, None)
            if terms is None or (adjoint := terms[0] if len(terms) == 1 else nodes.total(terms)) == zero:
                continue
            if node in inputs:
                found[inputs[node]] = adjoint
                continue
            for operand, local in partials(nodes, node, active):
                if local != zero:
                    term = nodes.times(adjoint, local)
                    if operand in pending:
                        pending[operand].append(term)
                    else:
                        pending[operand] = [term]
        return found

    def _totals(self, terms: Mapping[int, list[Node]]) -> Slopes:
        totals = {number: of[0] if len(of) == 1 else self.nodes.total(of) for number, of in terms.items()}
        if self.nodes.zero not in totals.values():
            return totals
        return {number: node for number, node in totals.items() if node != self.nodes.zero}

    def partials(self, node: Node) -> list[tuple[Node, Node]]:
        """The local derivatives of a node by those of its operands that depend on the inputs."""
        zero = self.nodes.zero
        return [edge for edge in partials(self.nodes, node, self.active) if edge[1] != zero]


def partials(nodes: Nodes, node: Node, active: Mapping[Node, object]) -> Iterable[tuple[Node, Node]]:
    """The derivatives of a node by its operands, one after the other; an operand may occur twice."""
    head, operands = nodes.heads[node], nodes.operands[node]
    if head is Add:
        return [(operand, nodes.one) for operand in operands if operand in active]
    if head is Mul:
        return _of_product(nodes, operands, active)
    if head is Pow and (exponent := nodes.constant(operands[1])) is not None:
        return [(operands[0], nodes.scaled(exponent, nodes.power(operands[0], exponent - 1)))]
    return _of_function(nodes, node, active)


def _of_product(nodes: Nodes, operands: Sequence[Node], active: Mapping[Node, object]) -> Iterable[tuple[Node, Node]]:
    """The products of all factors but one, in a number of steps that is linear in theirs."""
    if len(operands) == 2:
        one, other = operands
        return [pair for pair in ((one, other), (other, one)) if pair[0] in active]
    if len(operands) <= SHORT:
        return [
            (operand, nodes.product([*operands[:place], *operands[place + 1 :]]))
            for place, operand in enumerate(operands)
            if operand in active
        ]
    before, after = [nodes.one], [nodes.one]
    for operand in operands[:-1]:
        before.append(nodes.times(before[-1], operand))
    for operand in operands[:0:-1]:
        after.append(nodes.times(after[-1], operand))
    return [
        (operand, nodes.times(before[place], after[-1 - place]))
        for place, operand in enumerate(operands)
        if operand in active
    ]


SHORT = 4
"""The products of all factors but one of up to so many are written out."""


CHOOSING = frozenset({Piecewise, select, maximum, minimum})
"""What has an edge to each of its branches: see :mod:`codegen.derive.choices`."""


def is_differentiable(nodes: Nodes, node: Node) -> bool:
    """Whether a node has derivatives in real numbers, as (−2)^x has none; of conditions nobody asks for them."""
    head, operands = nodes.heads[node], nodes.operands[node]
    if not isinstance(head, type) or head in (Add, Mul) or (head is Pow and nodes.constant(operands[1]) is not None):
        return True
    if head in CHOOSING or not issubclass(head, Expr):
        return True
    constants = tuple([nodes.constant(operand) for operand in operands])
    return all(_rule(head, constants, n) is not None for n, value in enumerate(constants) if value is None)


def _of_function(nodes: Nodes, node: Node, active: Mapping[Node, object]) -> Iterable[tuple[Node, Node]]:
    head, operands = nodes.heads[node], nodes.operands[node]
    assert isinstance(head, type)
    found = []
    constants = tuple([nodes.constant(operand) for operand in operands])
    varying = [operand for operand, value in zip(operands, constants) if value is None]
    for place, operand in enumerate(operands):
        if operand in active:
            rule = _rule(head, constants, place)
            assert rule is not None, head  # see is_differentiable
            found.append((operand, nodes.filled(rule, varying)))
    return found


@lru_cache(maxsize=4096)
def _rule(head: type[Basic], constants: tuple[Expr | None, ...], place: int) -> Pattern | None:
    """The derivative of a function by one of its arguments, of those that are no constants; None if it has none."""
    symbols = {n: Symbol(f"_{n}", real=True) for n, value in enumerate(constants) if value is None}
    function = head(*[symbols.get(n, value) for n, value in enumerate(constants)])
    derivative = derivative_of(function, symbols[place])
    return pattern(rewrite(derivative, stable), list(symbols.values())) if isinstance(derivative, Expr) else None
