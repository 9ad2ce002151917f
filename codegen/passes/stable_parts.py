"""Stable forms of operations cut out of a table: SymPy is asked once for all that differ in their leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from zlib import crc32

from sympy import Add, Expr, Mul, Pow, Symbol, cosh, exp, log

from codegen.cached import cached_property
from codegen.functions import canonical, hypot, log1p, maximum, sigmoid, stop_gradient
from codegen.functions.scaled import exponential_product, vanishing_product
from codegen.functions.smooth import power
from codegen.ir.equation import Equation, Variable
from codegen.ir.names import Names
from codegen.ir.nodes import Head, Node, Nodes, Pattern
from codegen.passes.logged_powers import MOST
from codegen.passes.stabilise import ACTIVATIONS, OUT_OF_RANGE, stable_equations
from codegen.passes.stable_forms import GROWING
from codegen.passes.tails import COMPLEMENTS_OF_ACTIVATIONS, DECAY_OF_TAILS
from codegen.passes.unsettled import SHARED, factors, is_norm, may_have_form, multiplied, scaled_factors, terms


class Sight(IntEnum):
    """What a vertex is looked through by: by logarithms for its factors, by others for the one function that it is."""

    BY_NONE = 0
    AS_FACTORS = 1
    WHOLE = 2
    NEVER = 3


LOOKING: Mapping[Head, Sight] = {
    **dict.fromkeys((log, log1p), Sight.AS_FACTORS),
    **dict.fromkeys((Pow, Mul, Add), Sight.WHOLE),
}
"""What looks through the vertices that it is taken of, and through which."""
SEEN = frozenset({exp, hypot, power, sigmoid, *GROWING, *OUT_OF_RANGE, *DECAY_OF_TAILS})
"""What is looked through, and factors of it."""
SHIFTS = frozenset({maximum, stop_gradient})
"""What shifts exponents, which is seen by exponentials alone."""

Asked: TypeAlias = Callable[[Node], bool]
Form: TypeAlias = "tuple[Pattern, Sequence[Node]]"
"""What a node is instead: a pattern, and the nodes in it."""


@dataclass(frozen=True)
class Part:
    """Some operations as equations: vertices, each of what it is computed from up to the next one."""

    nodes: Nodes
    inside: Collection[Node]
    vertices: Mapping[Node, bool]
    """In order, and whether others read it by its name: small ones are written out where they are read."""
    outputs: Collection[Node]
    kept: Collection[Node]
    """What is not looked through."""

    @staticmethod
    def of(
        nodes: Nodes, order: Iterable[Node], inside: Collection[Node], outputs: Iterable[Node], kept: Collection[Node]
    ) -> Part:
        """The operations inside, of which some are outputs, or are read by others outside."""
        uses = nodes.uses(inside)
        read = {*outputs, *(operand for node in order if node not in inside for operand in nodes.operands[node])}
        sizes: dict[Node, int] = {}
        vertices: dict[Node, bool] = {}
        for node in order:
            if node in inside:
                size = 1 + sum([sizes.get(operand, 1) for operand in nodes.operands[node]])
                if node in read or (uses.get(node, 0) > 1 and size >= SHARED):
                    # Rules see what is in a small one: Γ(a)/Γ(a + b) where others read a + b.
                    vertices[node] = size >= SHARED
                sizes[node] = 1 if vertices.get(node) else size
        return Part(nodes, inside, vertices, read, kept)

    def forms(self, some: Iterable[Node]) -> dict[Node, Form]:
        """What some nodes that may have another form are instead, or the vertices whose equations they are in."""
        named = {vertex for vertex, is_named in self.vertices.items() if is_named}
        asked = {node for node in some if may_have_form(self.nodes, node, named)}
        sight = {vertex: sight_of(self.nodes, vertex) for vertex in named}
        products = {node: self._product(node, named) for node in asked}
        asked -= {node for node, (is_all, _) in products.items() if is_all}
        found = {node: form for node, (_, form) in products.items() if form is not None}
        while True:
            before = dict(sight)
            for group in self._groups(asked, sight):
                shape, leaves = self._shape(group, self._is_leaf)
                for vertex, form in zip(group, _forms(shape)):
                    if form is not None:
                        found[vertex] = form.pattern, leaves
                        if vertex in named:
                            sight[vertex] = max(sight[vertex], form.sight)
            if sight == before:
                return found

    def _product(self, node: Node, named: Collection[Node]) -> tuple[bool, Form | None]:
        """Whether no more than the factors that may be in one exponential matter to a product, and its form."""
        nodes, form = self.nodes, None
        some = scaled_factors(nodes, node, named)
        if some is None:
            return False, None
        opened = {part for factor in some for part in (factor, nodes.as_power(factor)[0])} - set(self.kept)

        def is_leaf(part: Node) -> bool:
            return part not in opened and (part in named or nodes.heads[part] not in (Add, Mul, Pow))

        shape, leaves = self._shape([node], is_leaf, some)
        (form,) = _forms(shape)
        if form is None or not form.is_last:
            return form is None, None
        others = [factor for factor in multiplied(nodes, node, apart=named) if factor not in some]
        rest = [*((len(leaves) + place, ()) for place in range(len(others))), (nodes.parted(node)[0], ())]
        last = (Mul, tuple(range(len(form.pattern) - 1, len(form.pattern) + len(rest))))
        return True, ((*form.pattern, *rest, last), [*leaves, *others])

    # --- what is asked about together -----------------------------------------------------------------------------

    @cached_property
    def _equations(self) -> Mapping[Node, Sequence[Node]]:
        """The nodes of the equation of each vertex, operands first, what it reads included."""
        return {vertex: self._equation(vertex) for vertex in self.vertices}

    def _equation(self, vertex: Node) -> Sequence[Node]:
        return self.nodes.postorder([vertex], lambda node: node != vertex and self._is_leaf(node))

    def _is_leaf(self, node: Node) -> bool:
        return node not in self.inside or self.vertices.get(node, False)

    def _groups(self, asked: Set[Node], sight: Mapping[Node, Sight]) -> Iterator[Sequence[Node]]:
        """Vertices whose equations have nodes that are asked about, those that look through others beside these."""
        heads, operands = self.nodes.heads, self.nodes.operands
        groups = _Groups(self.vertices)
        first: dict[Node, Node] = {}
        wanted = []
        for vertex, equation in self._equations.items():
            own = [node for node in equation if node == vertex or not self._is_leaf(node)]
            if not asked.isdisjoint(own):
                wanted.append(vertex)
            inside = {heads[node] for node in own}
            for node in own:
                head = heads[node]
                if head in ACTIVATIONS:
                    groups.join(vertex, first.setdefault(node, vertex))
                for operand in operands[node]:
                    if operand in sight and self._is_seen(operand, head, inside, sight[operand]):
                        groups.join(vertex, operand)
        return groups.of(wanted)

    def _is_seen(self, vertex: Node, head: Head, inside: Set[Head], sight: Sight) -> bool:
        """Whether an operation in an equation with others looks through a vertex."""
        own = self.nodes.heads[vertex]
        if own in COMPLEMENTS_OF_ACTIVATIONS or (own in SHIFTS and exp in inside):
            return True
        if head is Mul and sight is Sight.AS_FACTORS:
            decays = {self.nodes.heads[base] for base, _ in factors(self.nodes, vertex)}
            return not DECAY_OF_TAILS.keys().isdisjoint(decays | inside)
        return sight >= LOOKING.get(head, Sight.NEVER)

    def _shape(
        self, group: Sequence[Node], is_leaf: Asked, some: Sequence[Node] | None = None
    ) -> tuple[Shape, Sequence[Node]]:
        """The equations of some vertices with their leaves by number, and the leaves; of a product some factors."""
        nodes = self.nodes
        numbers: dict[Node, int] = {}
        places: dict[Node, int] = {}
        written: dict[Node, int] = {}
        steps: list[Step] = []
        vertices: list[_Vertex] = []
        for vertex in group:
            for node, operands in _in_order(nodes, vertex, is_leaf, some):
                if operands:
                    if node not in written:
                        written[node] = len(steps)
                        inside = [(places if is_leaf(o) else written)[o] for o in operands]
                        steps.append((nodes.heads[node], tuple(inside)))
                elif node not in places:
                    places[node] = len(steps)
                    varies = nodes.constant(node) is None
                    number = (numbers.setdefault(node, len(numbers)),) if varies else ()
                    steps.append((Symbol, number) if varies else (nodes.heads[node], ()))
            own = numbers.setdefault(vertex, len(numbers))
            vertices.append(
                _Vertex(
                    written[vertex],
                    own,
                    some is None and vertex in self.kept,
                    some is not None or vertex in self.outputs,
                )
            )
        return (tuple(steps), tuple(vertices)), list(numbers)


def _in_order(
    nodes: Nodes, vertex: Node, is_leaf: Asked, some: Sequence[Node] | None
) -> Iterator[tuple[Node, Sequence[Node]]]:
    """The nodes of an equation and their operands, which leaves have none of, in an order that is that of all alike.

    Factors and terms are ordered by what they are, as far as their leaves have nothing to do with it.
    """
    operands: dict[Node, Sequence[Node]] = {}
    kinds: dict[Node, int] = {}
    inside = nodes.operands[vertex] if some is None else some
    for node in [*nodes.postorder(inside, is_leaf), vertex]:
        head = nodes.heads[node]
        own = inside if node == vertex else nodes.operands[node] if not is_leaf(node) else ()
        if head is Add or head is Mul:
            own = sorted(own, key=kinds.__getitem__)
        operands[node] = own
        named = head.__name__ if own else head if nodes.constant(node) is not None else ""
        kinds[node] = crc32(f"{named} {[kinds[operand] for operand in own]}".encode())
    stack, done = [vertex], set[Node]()
    while stack:
        node = stack.pop()
        if node in done:
            continue
        waiting = [operand for operand in operands[node] if operand not in done]
        if waiting:
            stack += [node, *reversed(waiting)]
        else:
            done.add(node)
            yield node, operands[node]


class _Groups:
    """Disjoint sets, in the order of what they are of."""

    def __init__(self, members: Iterable[Node]) -> None:
        self._above = {member: member for member in members}

    def _root(self, member: Node) -> Node:
        above = self._above
        while (next_ := above[member]) != member:
            above[member] = member = above[next_]
        return member

    def join(self, one: Node, other: Node) -> None:
        self._above[self._root(one)] = self._root(other)

    def of(self, some: Iterable[Node]) -> Iterator[Sequence[Node]]:
        """The sets of some members."""
        found: dict[Node, list[Node]] = {self._root(member): [] for member in some}
        for member in self._above:
            root = self._root(member)
            if root in found:
                found[root].append(member)
        return iter(found.values())


def sight_of(nodes: Nodes, node: Node) -> Sight:
    """What a node may be looked through by."""
    if nodes.heads[node] is Add:
        heads = [[nodes.heads[base] for base, _ in factors(nodes, rest)] for _, rest in terms(nodes, node)]
        grows = all(exp in found or cosh in found for found in heads if found)
        return Sight.WHOLE if grows or is_norm(nodes, node) else Sight.BY_NONE
    found = list(factors(nodes, node))
    if not any(nodes.heads[base] in SEEN or abs(n) > MOST for base, n in found):
        return Sight.BY_NONE
    return Sight.WHOLE if len(found) == 1 else Sight.AS_FACTORS


# --- asking -------------------------------------------------------------------------------------------------------

Step: TypeAlias = "tuple[Head, tuple[int, ...]]"
"""An operation and the places of its operands, a constant, or a symbol by its number."""


class _Vertex(NamedTuple):
    place: int
    """Of its last step."""
    number: int
    is_kept: bool
    is_output: bool


Shape: TypeAlias = tuple[tuple[Step, ...], tuple[_Vertex, ...]]
"""Equations, all that is not the same for all leaves."""


class _Form(NamedTuple):
    pattern: Pattern
    sight: Sight
    is_last: bool
    """Whether no other form is made of it."""


LAST = frozenset({exponential_product, vanishing_product})
"""What forms of products and sums are not made of: the logarithm of what becomes one is asked about itself."""


@lru_cache(maxsize=4096)
def _forms(shape: Shape) -> Sequence[_Form | None]:
    """The new form of each vertex; None of those that stay as they are."""
    steps, vertices = shape
    last = max([vertex.number for vertex in vertices] + [of[0] for head, of in steps if head is Symbol])
    symbols = [Variable(f"v{number}").symbol for number in range(last + 1)]
    expressions: list[Expr] = []
    for head, operands in steps:
        if head is Symbol:
            expressions.append(symbols[operands[0]])
        else:
            expressions.append(head(*[expressions[place] for place in operands]) if operands else head)
    equations = {symbols[v.number]: Equation(symbols[v.number], canonical(expressions[v.place])) for v in vertices}
    kept = [f"v{vertex.number}" for vertex in vertices if vertex.is_kept]
    outputs = [f"v{vertex.number}" for vertex in vertices if vertex.is_output]
    table, numbers = Nodes(), {symbol: number for number, symbol in enumerate(symbols)}
    found: dict[Expr, _Form] = {}
    for new in stable_equations(list(equations.values()), kept, outputs, Names(map(str, symbols))):
        if new.target not in equations:  # what others are shifted by
            table.name(new.target, table.read(new.body))
        elif new.body is not equations[new.target].body:
            node, old = table.read(new.body), table.read(equations[new.target].body)
            heads, before = ({table.heads[base] for base, _ in factors(table, one)} for one in (node, old))
            is_last = LAST.issuperset(heads - before)
            found[new.target] = _Form(table.pattern(node, numbers), sight_of(table, node), is_last)
    return [found.get(target) for target in equations]
