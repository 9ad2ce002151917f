"""Derivatives of nodes among which some choose: what a branch does not take contributes nothing.

A derivative is kept with the condition under which it is one. Under that condition alone it is computed further, be it
nan or infinite elsewhere; where it is added to others that have another condition, and where it is a result, it is 0
elsewhere. :mod:`codegen.derive.guards` has the same for equations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

from sympy import (
    Add,
    And,
    Equality,
    Expr,
    GreaterThan,
    Integer,
    LessThan,
    Mul,
    Not,
    Or,
    Piecewise,
    Pow,
    Rational,
    S,
    StrictGreaterThan,
    StrictLessThan,
)
from sympy.core.basic import Basic
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen.derive.nodes import CHOOSING, Derivation, Slopes
from codegen.functions import Price, clip, equal, maximum, minimum, operation, relu, select, step
from codegen.functions.kinks import Extremum
from codegen.ir.nodes import Node, Nodes

Condition: TypeAlias = Node
HALF = Rational(1, 2)
FLAT = frozenset({relu, clip, step})
"""What has the derivative 0 on one side of a comparison, which matters where another one may be infinite."""


def derivation_of(nodes: Nodes, results: Sequence[Node], inputs: Sequence[Node]) -> Derivation:
    """The derivation of some results by some leaves, with conditions if one of them depends on a choice."""
    derivation = Derivation(nodes, results, inputs)
    heads = {nodes.heads[node] for node in derivation.active}
    chooses = not heads.isdisjoint(CHOOSING)
    if not chooses and not heads.isdisjoint(FLAT):
        chooses = any(_goes_wild(nodes, node, nodes.heads[node]) for node in derivation.active if nodes.operands[node])
    return Choosing(nodes, results, inputs) if chooses else derivation


SAYING = frozenset({Piecewise, step, equal, select})
"""What says by itself where it may not be 0."""


STEPS = 16
"""So many conditions are looked at for one among them."""


class Edge(NamedTuple):
    """From a node to an operand: the local derivatives of some branches, of which the first that holds counts."""

    operand: Node
    branches: Sequence[tuple[Condition, Node]]
    where: Condition
    """Where it is one: elsewhere the operand is not chosen."""


class Passing(NamedTuple):
    """A derivative, or a part of one, and where it is one; elsewhere it is 0, whatever the value says."""

    value: Node
    where: Condition


class Conditions:
    """Conditions as nodes, and under which of them the nodes of a table may not be 0."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.always, self.never = nodes.leaf(S.true), nodes.leaf(S.false)
        self._where: dict[Node, Condition] = {nodes.zero: self.never}
        """Of those that may be 0."""
        self._looked_at = 0
        self._wild = bytearray()

    # --- their algebra --------------------------------------------------------------------------------------------

    def both(self, *conditions: Condition) -> Condition:
        kept = [c for c in dict.fromkeys(conditions) if c != self.always]
        if self.never in kept:
            return self.never
        if len(kept) > 1:
            kept = [c for c in kept if not any(other != c and self._implies(other, c) for other in kept)]
        return self._joined(And, kept) if kept else self.always

    def _implies(self, one: Condition, other: Condition) -> bool:
        """Whether one condition is a conjunction with another one, or that is a disjunction with it, as far as seen."""
        heads, operands = self.nodes.heads, self.nodes.operands
        wanted = {other, *(operands[other] if heads[other] is Or else ())}
        first, stack = min(wanted), [one]
        for _ in range(STEPS):
            if not stack:
                return False
            condition = stack.pop()
            if condition in wanted:
                return True
            if heads[condition] is And:
                stack += [operand for operand in operands[condition] if operand >= first]
        return False

    def either(self, conditions: Iterable[Condition]) -> Condition:
        kept = [c for c in dict.fromkeys(conditions) if c != self.never]
        if self.always in kept:
            return self.always
        return self._joined(Or, kept) if kept else self.never

    def _joined(self, head: type[Basic], conditions: Sequence[Condition]) -> Condition:
        return conditions[0] if len(conditions) == 1 else self.nodes.operation(head, tuple(sorted(conditions)))

    def opposite(self, condition: Condition) -> Condition:
        if condition in (self.always, self.never):
            return self.never if condition == self.always else self.always
        if self.nodes.heads[condition] is Not:
            return self.nodes.operands[condition][0]
        return self.nodes.operation(Not, (condition,))

    def relation(self, head: type[Basic], one: Node, other: Node) -> Condition:
        return self.nodes.made(head, (one, other))

    def chosen(self, branches: Iterable[tuple[Condition, Node]]) -> Node:
        """The value of the first branch whose condition holds."""
        pairs = [(value, condition) for condition, value in branches if condition != self.never]
        if pairs[0][1] == self.always:
            return pairs[0][0]
        return self.nodes.operation(Piecewise, tuple([self.nodes.operation(ExprCondPair, pair) for pair in pairs]))

    # --- what is known of nodes -----------------------------------------------------------------------------------

    def product(self, local: Node, slope: Passing) -> Passing:
        """``local·slope``; where one of them may be infinite, only where the other one may not be 0."""
        conditions = [slope.where]
        for zero, other in ((local, slope.value), (slope.value, local)):
            there = self.where(zero)
            if there != self.always and self.may_be_infinite(other):
                conditions.append(there)
        return Passing(self.nodes.times(local, slope.value), self.both(*conditions))

    def masked(self, passing: Passing) -> Node:
        """A derivative that is 0 where it is none."""
        return self.chosen([(passing.where, passing.value), (self.always, self.nodes.zero)])

    def added(self, parts: Sequence[Passing]) -> Passing:
        """The sum of parts of a derivative."""
        where = {part.where for part in parts}
        if len(where) == 1:
            return Passing(self.nodes.total([part.value for part in parts]), *where)
        narrow = [Passing(value, self.both(where, self.where(value))) for value, where in parts]
        total = self.nodes.total(map(self.masked, narrow))
        somewhere = self.either([part.where for part in narrow])
        if total >= self._looked_at:
            self._where[total] = somewhere
        return Passing(total, somewhere)

    def may_be_infinite(self, node: Node) -> bool:
        """Whether a value may be infinite, or nan, where the inputs are numbers of ordinary size."""
        wild, heads, operands = self._wild, self.nodes.heads, self.nodes.operands
        for number in range(len(wild), node + 1):
            found = False
            for operand in operands[number]:
                if wild[operand]:
                    found = True
                    break
            wild.append(found or (bool(operands[number]) and _goes_wild(self.nodes, number, heads[number])))
        return bool(wild[node])

    def where(self, node: Node) -> Condition:
        """The condition under which a node may not be 0, as far as its branches say so."""
        heads, operands, known = self.nodes.heads, self.nodes.operands, self._where.keys()
        while self._looked_at <= node:
            number = self._looked_at
            if number not in known and (heads[number] in SAYING or not known.isdisjoint(operands[number])):
                condition = self._of_operation(number)
                if condition != self.always:
                    self._where[number] = condition
            self._looked_at += 1
        return self._where.get(node, self.always)

    def _of_operation(self, node: Node) -> Condition:
        head, operands = self.nodes.heads[node], self.nodes.operands[node]
        conditions = [self._where.get(operand, self.always) for operand in operands]
        if head is Mul:
            return self.both(*conditions)
        if head is Add:
            return self.either(conditions)
        if head is ExprCondPair or (head is Pow and self.nodes.as_power(node)[1].is_positive):
            return conditions[0]
        if head is Piecewise:
            return self.either([self.both(*pair) for pair in zip(self.taken(node), conditions)])
        if head is step:
            return self.relation(StrictGreaterThan, operands[0], self.nodes.zero)
        if head is equal:
            return self.relation(Equality, *operands)
        if head is select:
            holds = self.relation(StrictGreaterThan, operands[0], self.nodes.zero)
            return self.either([self.both(holds, conditions[1]), self.both(self.opposite(holds), conditions[2])])
        return self.always

    def taken(self, node: Node) -> list[Condition]:
        """Under which conditions each branch of a node is taken."""
        found: list[Condition] = []
        passed = self.always
        for pair in self.nodes.operands[node]:
            condition = self.nodes.operands[pair][1]
            found.append(self.both(passed, condition))
            passed = self.both(passed, self.opposite(condition))
        return found

    # --- edges of what chooses ------------------------------------------------------------------------------------

    def of_branches(self, node: Node) -> list[Edge]:
        """Where none is taken the value is nan, and so are the derivatives."""
        nodes, taken = self.nodes, self.taken(node)
        some = self.either([nodes.operands[pair][1] for pair in nodes.operands[node]])
        none = self.opposite(some)
        return [
            Edge(nodes.operands[pair][0], [(some, nodes.one)], self.either([condition, none]))
            for pair, condition in zip(nodes.operands[node], taken)
        ]

    def of_select(self, node: Node) -> list[Edge]:
        condition, one, other = self.nodes.operands[node]
        holds, always = self.relation(StrictGreaterThan, condition, self.nodes.zero), [(self.always, self.nodes.one)]
        return [Edge(one, always, holds), Edge(other, always, self.opposite(holds))]

    def of_extremum(self, node: Node) -> list[Edge]:
        """Of two that are equal each has a half, of n their n-th part; if one of two is nan the second has all."""
        nodes, operands = self.nodes, self.nodes.operands[node]
        largest = nodes.heads[node] is maximum
        ahead, behind = (StrictGreaterThan, StrictLessThan) if largest else (StrictLessThan, StrictGreaterThan)
        if len(operands) == 2:
            one, other = operands
            holds, tied = self.relation(ahead, one, other), self.relation(Equality, one, other)
            all_or_half = [(tied, nodes.number(HALF)), (self.always, nodes.one)]
            level = self.relation(GreaterThan if largest else LessThan, one, other)
            return [Edge(one, all_or_half, level), Edge(other, all_or_half, self.opposite(holds))]
        ties = [nodes.made(equal, (operand, node)) for operand in operands]
        share = nodes.power(nodes.total(ties), S.NegativeOne)
        conditions = [self.opposite(self.relation(behind, operand, node)) for operand in operands]
        return [
            Edge(operand, [(self.always, nodes.times(tie, share))], condition)
            for operand, tie, condition in zip(operands, ties, conditions)
        ]


_EDGES: Mapping[object, str] = {
    Piecewise: "of_branches",
    select: "of_select",
    maximum: "of_extremum",
    minimum: "of_extremum",
}
"""What chooses, and what its edges are."""


def _goes_wild(nodes: Nodes, node: Node, head: object) -> bool:
    if head is Add or head is Mul:
        return False
    if head is Pow:
        exponent = nodes.constant(nodes.operands[node][1])
        return not (isinstance(exponent, Integer) and exponent.is_positive)
    return _is_unbounded(head)


@cache
def _is_unbounded(head: type[Basic]) -> bool:
    if not head.is_Function or issubclass(head, (Piecewise, Extremum)):
        return False
    row = operation(head)
    return row.price is Price.FUNCTION and (row.ends is None or not row.ends.bounded)


class Choosing(Derivation):
    """Derivatives by which only what is taken is passed."""

    def __init__(self, nodes: Nodes, results: Sequence[Node], inputs: Sequence[Node]) -> None:
        super().__init__(nodes, results, inputs)
        self.conditions = Conditions(nodes)

    def edges(self, node: Node) -> list[Edge]:
        """Those to operands that depend on the inputs."""
        name = _EDGES.get(self.nodes.heads[node])
        if name is None:
            head = self.nodes.heads[node]
            if isinstance(head, type) and not issubclass(head, Expr):  # conditions are constant
                return []
            always = self.conditions.always
            return [Edge(operand, [(always, local)], always) for operand, local in self.partials(node)]
        found: list[Edge] = getattr(self.conditions, name)(node)
        return [edge for edge in found if edge.operand in self.active]

    def passed(self, edge: Edge, slope: Passing) -> Passing:
        """What of a derivative passes an edge."""
        on = self.conditions
        if len(edge.branches) == 1 and edge.branches[0][0] == on.always:
            value, where = on.product(edge.branches[0][1], slope)
        else:
            parts = [(condition, self.nodes.times(local, slope.value)) for condition, local in edge.branches]
            value, where = on.chosen(parts), slope.where
        return Passing(value, on.both(where, edge.where))

    def forward(self) -> list[Slopes]:
        nodes, on = self.nodes, self.conditions
        found = {node: {number: Passing(nodes.one, on.always)} for number, node in enumerate(self.inputs)}
        for node in self.active:
            if node in found:
                continue
            parts: dict[int, list[Passing]] = {}
            for edge in self.edges(node):
                for number, slope in found.get(edge.operand, {}).items():
                    parts.setdefault(number, []).append(self.passed(edge, slope))
            found[node] = self._added(parts)
        return [{number: on.masked(slope) for number, slope in found.get(node, {}).items()} for node in self.results]

    def reverse(self) -> list[Slopes]:
        nodes, on = self.nodes, self.conditions
        inputs = {node: number for number, node in enumerate(self.inputs)}
        pending: dict[Node, dict[int, list[Passing]]] = {}
        for number, node in enumerate(self.results):
            pending.setdefault(node, {})[number] = [Passing(nodes.one, on.always)]
        found: list[Slopes] = [{} for _ in self.results]
        for node in reversed(self.active):
            adjoints = self._added(pending.pop(node, {}))
            if node in inputs:
                for number, adjoint in adjoints.items():
                    found[number][inputs[node]] = on.masked(adjoint)
                continue
            for edge in self.edges(node) if adjoints else ():
                into = pending.setdefault(edge.operand, {})
                for number, adjoint in adjoints.items():
                    into.setdefault(number, []).append(self.passed(edge, adjoint))
        return found

    def _added(self, parts: Mapping[int, Sequence[Passing]]) -> dict[int, Passing]:
        sums = {number: self.conditions.added(of) for number, of in parts.items()}
        return {number: found for number, found in sums.items() if found.value != self.nodes.zero}
