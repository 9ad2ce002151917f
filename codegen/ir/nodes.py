"""Formulas as interned nodes: every operation once, its operands by number.

SymPy is read into a table once, each of its objects visited once, and written back for people and for rules that know
SymPy. What walks formulas many times walks integers: a number is a node, a node comes after its operands, and two
nodes are equal if their numbers are.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import Any, TypeAlias

import numpy as np
from sympy import Add, Expr, Float, Indexed, Integer, Mul, Pow, Rational, S, Symbol
from sympy.core.basic import Basic

from codegen.cached import cached_property
from codegen.walk import is_leaf, postorder

Node: TypeAlias = int
Head: TypeAlias = "type[Basic] | Basic"
"""What a node is: the class of an operation, or a leaf: a reference, a symbol, a constant."""

_EXACT = (Integer, Rational)
LONG = 1024
"""No float has numbers of so many bits."""
ROUNDS = 64
"""So many nodes one above the other that nobody reads are taken away by arrays, of more one after the other."""

Made: TypeAlias = Callable[[Node, tuple[Node, ...], Sequence[Node]], Node]
"""What a node becomes, by its operands as they are now and by all nodes that came before it."""


@dataclass(frozen=True)
class Edges:
    """All nodes of a table at once, as arrays: what takes a microsecond a node in Python takes some nanoseconds."""

    heads: np.ndarray
    """The identity of the head of each node."""
    lengths: np.ndarray
    """How many operands each node has."""
    operands: np.ndarray
    """The operands of all nodes, one after the other."""
    constant: np.ndarray
    """Whether each node is a constant."""
    exponents: np.ndarray
    """The exponents of powers, as far as they are whole and have 32 bits; 0 of other powers, 1 of all other nodes."""
    divides: np.ndarray
    """Whether each node is a power with a negative exponent."""

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the operands of each node begin, and where the last end."""
        return np.append(0, np.cumsum(self.lengths))

    @cached_property
    def readers(self) -> np.ndarray:
        """The nodes whose operands they are."""
        return np.repeat(np.arange(len(self.heads)), self.lengths)

    @cached_property
    def first(self) -> np.ndarray:
        """The first operand of each node that has any."""
        found: np.ndarray = np.append(self.operands, 0)[self.starts[:-1]]
        return found

    def has(self, head: Head) -> np.ndarray:
        """Whether each node is of a class of operations."""
        found: np.ndarray = self.heads == id(head)
        return found

    def operands_of(self, some: np.ndarray) -> np.ndarray:
        """The operands of some nodes, one after the other."""
        lengths = self.lengths[some]
        places = np.repeat(self.starts[some] - np.cumsum(lengths) + lengths, lengths)
        found: np.ndarray = self.operands[places + np.arange(len(places))]
        return found

    def numbered(self, some: np.ndarray, numbers: np.ndarray) -> Edges:
        """Those of some nodes, operands by other numbers."""
        columns = (column[some] for column in (self.constant, self.exponents, self.divides))
        return Edges(self.heads[some], self.lengths[some], numbers[self.operands_of(some)], *columns)


class Nodes:
    """A table of operations, to which only is added.

    A product has its number in front, ``c·(x·y)`` with two operands, so that ``x·y`` is found whatever it is multiplied
    by. Sums collect equal terms, products equal factors; operands of both keep the order in which they were first met.

    >>> x, y = Symbol("x"), Symbol("y")
    >>> nodes = Nodes()
    >>> nodes.read(2 * x * y) == nodes.scaled(S(2), nodes.product([nodes.read(y), nodes.read(x)]))
    True
    >>> nodes.written(nodes.total([nodes.read(x * y), nodes.read(y * x), nodes.number(-1)]))
    2*x*y - 1
    """

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.operands: list[tuple[Node, ...]] = []
        self._found: dict[Any, Node] = {}
        self._sums: dict[tuple[Node, ...], Node] = {}
        self._products: dict[tuple[Node, ...], Node] = {}
        self._integers: dict[int, Node] = {}
        self._constants: dict[Node, Expr] = {}
        self._parts: dict[Node, tuple[Expr, Node]] = {}
        self._powers: dict[Node, tuple[Node, Expr]] = {}
        self._read: dict[int, Node] = {}
        self._below: dict[tuple[Node, ...], np.ndarray] = {}
        """What some nodes are computed from, once it has been asked for: nothing is ever taken away."""
        self._edges: Edges | None = None
        self._held: list[Basic] = []
        """What was read: while it lives, no other object has its identity."""
        self.zero, self.one, self.minus_one = range(3)
        for constant in (S.Zero, S.One, S.NegativeOne):
            self.leaf(constant)

    @staticmethod
    def of_edges(heads: Iterable[Head], edges: Edges) -> Nodes:
        """The table of these arrays, of which the first nodes are 0, 1 and −1."""
        new = object.__new__(Nodes)
        new.heads, new.operands, new._edges = list(heads), _tuples(edges.lengths, edges.operands), edges
        new.zero, new.one, new.minus_one = range(3)
        new._read, new._held, new._below = {}, [], {}
        new._constants = {n: new.heads[n] for n in np.flatnonzero(edges.constant).tolist()}
        return new

    def copy(self) -> Nodes:
        """A table of its own with the same nodes."""
        new = object.__new__(Nodes)
        new.__dict__.update({n: v.copy() if isinstance(v, (dict, list)) else v for n, v in self.__dict__.items()})
        return new

    # What finds nodes, and parts of them, made when it is first asked for. Nodes that are added have asked for it.

    @property
    def _known(self) -> Edges:
        """The arrays that a table was made of."""
        assert self._edges is not None
        return self._edges

    @cached_property
    def _sums(self) -> dict[tuple[Node, ...], Node]:
        return self._alike(Add)

    @cached_property
    def _products(self) -> dict[tuple[Node, ...], Node]:
        return self._alike(Mul)

    def _alike(self, head: Head) -> dict[tuple[Node, ...], Node]:
        """The sums or the products by their operands in order."""
        alike, count = np.flatnonzero(self._known.has(head)), len(self._known.heads)
        lengths = self._known.lengths[alike]
        operands = np.sort(np.repeat(np.arange(len(alike)), lengths) * count + self._known.operands_of(alike)) % count
        return dict(zip(_tuples(lengths, operands), alike.tolist()))

    @cached_property
    def _integers(self) -> dict[int, Node]:
        return {value.p: n for n, value in self._constants.items() if isinstance(value, Integer)}

    @cached_property
    def _found(self) -> dict[Any, Node]:
        others = np.flatnonzero(~(self._known.has(Add) | self._known.has(Mul))).tolist()
        heads = ((node, self.heads[node]) for node in others)
        return {_key(head, self.operands[n]): n for n, head in heads if not isinstance(head, Integer)}

    @cached_property
    def _parts(self) -> dict[Node, tuple[Expr, Node]]:
        multiple = self._known.has(Mul) & (self._known.lengths == 2) & self._known.constant[self._known.first]
        multiples = ((node, *self.operands[node]) for node in np.flatnonzero(multiple).tolist())
        parts = {n: (value, self.one) for n, value in self._constants.items()}
        return parts | {node: (self._constants[number], rest) for node, number, rest in multiples}

    @cached_property
    def _powers(self) -> dict[Node, tuple[Node, Expr]]:
        powers = ((node, *self.operands[node]) for node in np.flatnonzero(self._known.has(Pow)).tolist())
        exact = ((node, base, self.heads[power]) for node, base, power in powers)
        return {node: (base, power) for node, base, power in exact if isinstance(power, _EXACT)}

    def _place(self, head: Head, operands: tuple[Node, ...]) -> tuple[dict[Any, Node], Any]:
        """The dictionary in which a node is found, and its key."""
        if isinstance(head, Integer):
            return self._integers, head.p
        if head is Add or head is Mul:
            return self._sums if head is Add else self._products, tuple(sorted(operands))
        return self._found, _key(head, operands)

    def __len__(self) -> int:
        return len(self.heads)

    # --- making nodes ---------------------------------------------------------------------------------------------

    def leaf(self, given: Basic) -> Node:
        """A reference, a symbol or a constant."""
        table, key = self._place(given, ())
        found = table.get(key)
        if found is None:
            found = table[key] = len(self.heads)
            self.heads.append(given)
            self.operands.append(())
            if isinstance(given, Expr) and not isinstance(given, (Symbol, Indexed)):
                self._constants[found] = given
                self._parts[found] = given, self.one
        return found

    def operation(self, head: type[Basic], operands: tuple[Node, ...]) -> Node:
        """The operation on these operands, as it is."""
        table: dict[Any, Node] = self._found
        key: tuple[Any, ...] = (head, *operands)
        if head is Add or head is Mul:
            table, key = self._sums if head is Add else self._products, operands
            if len(operands) != 2 or operands[0] > operands[1]:
                key = tuple(sorted(operands))
        found = table.get(key)
        if found is None:
            found = table[key] = len(self.heads)
            self.heads.append(head)
            self.operands.append(operands)
            if head is Mul and len(operands) == 2 and (value := self._constants.get(operands[0])) is not None:
                self._parts[found] = value, operands[1]
            elif head is Pow and isinstance(exponent := self.heads[operands[1]], _EXACT):
                self._powers[found] = operands[0], exponent
        return found

    def name(self, leaf: Basic, node: Node) -> None:
        """From now on a leaf stands for a node."""
        self._found[leaf] = node

    def number(self, value: int | Expr) -> Node:
        """A constant."""
        return self.leaf(S(value))

    def constant(self, node: Node) -> Expr | None:
        """The value of a constant; None for any other node."""
        return self._constants.get(node)

    def parted(self, node: Node) -> tuple[Expr, Node]:
        """The number in front of a product, and the rest; a constant is a multiple of 1."""
        return self._parts.get(node) or (S.One, node)

    def is_long(self, node: Node) -> bool:
        """Whether the number or the exponent of a node has more bits than a float has.

        Where each formula multiplies the one before by itself, both have twice the digits from one to the next.
        """
        number, rest = self.parted(node)
        known = (n for n in (number, self.as_power(rest)[1]) if isinstance(n, _EXACT))
        return any(max(n.p.bit_length(), n.q.bit_length()) > LONG for n in known)

    def scaled(self, factor: Expr, node: Node) -> Node:
        """A multiple."""
        if factor is S.One:
            return node
        own, rest = self.parted(node)
        factor = factor * own if own is not S.One else factor
        if rest == self.one or not factor:
            return self.leaf(factor)
        return rest if factor is S.One else self.operation(Mul, (self.leaf(factor), rest))

    def times(self, one: Node, other: Node) -> Node:
        """The product of two nodes."""
        if other == self.one:
            return one
        if (number := self._constants.get(other)) is not None:
            return self.scaled(number, one)
        parts, powers = self._parts, self._powers
        if one in parts or other in parts or one in powers or other in powers or one == other:
            return self.product((one, other))
        return self.operation(Mul, (one, other))

    def product(self, factors: Iterable[Node]) -> Node:
        """The product, equal factors as powers, its number in front."""
        factors = tuple(factors)
        if self._are_apart(factors):
            return self.operation(Mul, factors)
        number: Expr = S.One
        powers: dict[Node, Expr] = {}
        repeated = False
        for factor in factors:
            rest = factor
            if factor in self._parts:
                own, rest = self._parts[factor]
                number = own if number is S.One else number * own
            if rest != self.one:
                base, exponent = self._powers.get(rest) or (rest, S.One)
                if base in powers:
                    repeated = True
                    powers[base] += exponent
                else:
                    powers[base] = exponent
        if number is not S.One and number == 0:
            return self.zero
        found = [base if exponent is S.One else self.power(base, exponent) for base, exponent in powers.items()]
        if repeated and not self._parts.keys().isdisjoint(found):  # (2·x)³/(2·x)² is 2·x
            return self.scaled(number, self.product(found))
        if not found:
            return self.leaf(number)
        return self.scaled(number, found[0] if len(found) == 1 else self.operation(Mul, tuple(found)))

    def _are_apart(self, factors: tuple[Node, ...]) -> bool:
        """Whether there are several factors, none of them with a number, of different bases."""
        if len(factors) < 2 or not self._parts.keys().isdisjoint(factors):
            return False
        powers = self._powers
        bases = {powers[factor][0] if factor in powers else factor for factor in factors}
        return (
            len(bases) == len(factors) and powers.keys().isdisjoint(bases) and self._constants.keys().isdisjoint(bases)
        )

    def as_power(self, node: Node) -> tuple[Node, Expr]:
        """Base and exponent, where that is an exact number."""
        return self._powers.get(node) or (node, S.One)

    def power(self, base: Node, exponent: Expr) -> Node:
        """A power with a number for its exponent."""
        if exponent is S.One:
            return base
        if exponent is S.Zero:
            return self.one
        if (value := self.constant(base)) is not None:
            return self.leaf(value**exponent)
        inner, own = self.as_power(base)
        if isinstance(exponent, Integer) and own is not S.One:
            base, exponent = inner, own * exponent
        return self.operation(Pow, (base, self.leaf(exponent)))

    def negative(self, node: Node) -> Node:
        """A node times −1, of a sum that of its terms."""
        if self.heads[node] is Add:
            return self.total([self.scaled(S.NegativeOne, term) for term in self.operands[node]])
        return self.scaled(S.NegativeOne, node)

    def total(self, terms: Iterable[Node]) -> Node:
        """The sum, equal terms as multiples."""
        terms, parts = tuple(terms), self._parts
        if len(terms) > 1:
            rests = {parts[term][1] if term in parts else term for term in terms}
            if len(rests) == len(terms) and parts.keys().isdisjoint(rests):  # as is that of numbers, 1
                return self.operation(Add, terms)
        number: Expr = S.Zero
        factors: dict[Node, Expr] = {}
        for term in terms:
            own, rest = parts.get(term) or (S.One, term)
            if rest == self.one:
                number += own
            elif rest in factors:
                factors[rest] += own
            else:
                factors[rest] = own
        found = [self.scaled(f, rest) for rest, f in factors.items() if f is S.One or f != 0]
        if not found or (number is not S.Zero and number != 0):
            found.append(self.leaf(number))
        return found[0] if len(found) == 1 else self.operation(Add, tuple(found))

    def made(self, head: type[Basic], operands: tuple[Node, ...]) -> Node:
        """An operation, simplified where its operands allow it."""
        if head is Add:
            return self.total(operands)
        if head is Mul:
            return self.product(operands)
        if head is Pow and (exponent := self.constant(operands[1])) is not None:
            return self.power(operands[0], exponent)
        values = [self.constant(operand) for operand in operands]
        return self.leaf(head(*values)) if operands and None not in values else self.operation(head, operands)

    # --- SymPy in and out -----------------------------------------------------------------------------------------

    def read(self, expression: Basic) -> Node:
        """The node of an expression."""
        memo = self._read
        if id(expression) not in memo:
            self._held.append(expression)
        stack = [expression]
        while stack:
            node = stack[-1]
            if id(node) in memo:
                stack.pop()
                continue
            if is_leaf(node):
                memo[id(node)] = self.leaf(node)
                stack.pop()
                continue
            arguments = node.args
            waiting = [argument for argument in arguments if id(argument) not in memo]
            if waiting:
                stack += waiting[::-1]
                continue
            stack.pop()
            memo[id(node)] = self.taken(node, tuple([memo[id(argument)] for argument in arguments]))
        return memo[id(expression)]

    def taken(self, node: Basic, operands: tuple[Node, ...]) -> Node:
        """The node of an expression of which the arguments have been read."""
        return (self.made if self._needs_care(node, operands) else self.operation)(node.func, operands)

    def _needs_care(self, node: Basic, operands: tuple[Node, ...]) -> bool:
        """Whether SymPy has not brought it into the form that it has here: what a name stands for it has not seen."""
        if type(node) is Mul or (type(node) is Add and len(set(operands)) < len(operands)):
            return True
        if self._constants.keys().isdisjoint(operands):
            return False
        constants = [argument for argument, operand in zip(node.args, operands) if operand in self._constants]
        return len(constants) == len(operands) or not all(argument.is_number for argument in constants)

    def filled(self, pattern: Pattern, given: Sequence[Node]) -> Node:
        """The node of a pattern, in which nodes stand for its symbols."""
        found: list[Node] = []
        for head, operands in pattern:
            if isinstance(head, int):
                found.append(given[head])
            elif operands:
                assert isinstance(head, type)
                found.append(self.made(head, tuple([found[operand] for operand in operands])))
            else:
                assert isinstance(head, Basic)
                found.append(self.leaf(head))
        return found[-1]

    def pattern(self, node: Node, numbers: Mapping[Basic, int]) -> Pattern:
        """The pattern of a node, in which some leaves have these numbers."""
        found: dict[Node, int] = {}
        steps: list[tuple[Head | int, tuple[int, ...]]] = []
        for part in self.postorder([node]):
            found[part] = len(steps)
            head, operands = self.heads[part], self.operands[part]
            is_leaf = isinstance(head, Basic)
            steps.append((numbers.get(head, head) if is_leaf else head, tuple([found[o] for o in operands])))
        return tuple(steps)

    def written(self, node: Node, known: Callable[[Node], Basic | None] = lambda node: None) -> Any:
        """The expression of a node; ``known`` are parts that have names."""
        found: dict[Node, Basic] = {}
        for part in self.postorder([node], lambda part: part != node and known(part) is not None):
            name = known(part) if part != node else None
            head = self.heads[part]
            if name is not None:
                found[part] = name
            elif isinstance(head, Basic):
                found[part] = head
            else:
                found[part] = head(*[found[operand] for operand in self.operands[part]])
        return found[node]

    # --- walks ----------------------------------------------------------------------------------------------------

    def postorder(self, roots: Sequence[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
        """The nodes that some are computed from, their own included, operands first, as a reader would meet them."""
        found: list[Node] = []
        seen: set[Node] = set()
        stack = [~root for root in reversed(roots)]
        while stack:
            node = stack.pop()
            if node >= 0:
                found.append(node)
            elif (node := ~node) not in seen:
                seen.add(node)
                waiting = [~operand for operand in self.operands[node] if operand not in seen]
                if waiting and not (stop is not None and stop(node)):
                    stack.append(node)
                    waiting.reverse()
                    stack += waiting
                else:
                    found.append(node)
        return found

    def below(self, roots: Sequence[Node]) -> list[Node]:
        """The same nodes in the order of their numbers: all of a table, for which no stack is needed."""
        found: list[Node] = self.reached(roots).tolist()
        return found

    def reached(self, roots: Sequence[Node]) -> np.ndarray:
        """The same as an array."""
        key = tuple(roots)
        if key not in self._below:
            self._below[key] = self._without_unread(key) if key else np.zeros(0, np.int64)
        return self._below[key]

    def _without_unread(self, roots: Sequence[Node]) -> np.ndarray:
        """What is left when nodes that nobody reads are taken away, and those that only these read, and so on."""
        edges, count = self.edges, max(roots) + 1
        readers = np.bincount(edges.operands[: edges.starts[count]], minlength=count)
        readers[[*roots]] += 1
        unread = np.flatnonzero(readers == 0)
        for _ in range(ROUNDS):
            if not len(unread):
                return np.flatnonzero(readers > 0)
            readers[unread] = -1
            operands, times = np.unique(edges.operands_of(unread), return_counts=True)
            readers[operands] -= times
            unread = operands[readers[operands] == 0]
        wanted, operands_of = bytearray(count), self.operands
        for root in roots:
            wanted[root] = True
        for node in range(count - 1, -1, -1):
            if wanted[node]:
                for operand in operands_of[node]:
                    wanted[operand] = True
        return np.flatnonzero(np.frombuffer(wanted, np.uint8))

    @property
    def edges(self) -> Edges:
        """The table as arrays."""
        if self._edges is None or len(self._edges.heads) != len(self):
            self._edges = self._extended(self._edges)
        return self._edges

    def _extended(self, known: Edges | None) -> Edges:
        """The arrays of a table of which some are known already: nodes never change."""
        first, count = (0 if known is None else len(known.heads)), len(self)
        operands = self.operands[first:]
        constant, divides, exponents = (np.zeros(count - first, t) for t in (bool, bool, np.int64))
        constant[[n - first for n in _last(self._constants, first)]] = True
        exponents[:] = 1
        for node in _last(self._powers, first):
            exponent = self._powers[node][1]
            divides[node - first] = exponent.p < 0
            exponents[node - first] = exponent.p if exponent.q == 1 and abs(exponent.p) < 1 << 31 else 0
        new = (
            np.fromiter(map(id, self.heads[first:]), np.int64, count - first),
            np.fromiter(map(len, operands), np.int64, count - first),
            np.fromiter(chain.from_iterable(operands), np.int64),
            *(constant, exponents, divides),
        )
        if known is None:
            return Edges(*new)
        old = (known.heads, known.lengths, known.operands, known.constant, known.exponents, known.divides)
        return Edges(*(np.concatenate(columns) for columns in zip(old, new)))

    # --- forms that take the place of others ----------------------------------------------------------------------

    def rebuilt(self, roots: Sequence[Node], own: Container[Node], made: Made) -> tuple[Nodes, dict[Node, Node]]:
        """A table of what roots are computed from where some nodes become others, and the numbers of roots there.

        ``made`` adds to this table and gives the new node of one that is in ``own``. A new operation takes the place of
        the old one, and nothing above it changes. A number, a multiple, a power and what was there before may allow to
        simplify what has it: that is made again, too, by its operands as they are now. So is what has a node that
        others took as it was before it could change.
        """
        count, found = len(self), list(range(len(self)))
        moved: set[Node] = set()
        taken: set[Node] = set()
        forms: dict[Node, Node] = {}
        order, operands_of, are_there = self.reached(roots), self.operands, moved.isdisjoint
        self._edges = self.edges  # of nodes as they are: those that are added come behind
        for node in order.tolist():
            if node in own or not are_there(operands_of[node]):
                length = len(self)
                new = made(node, tuple([found[operand] for operand in operands_of[node]]), found)
                stack = [*chain.from_iterable(operands_of[length:]), *([new] if new != node else [])]
                while stack:
                    if node <= (part := stack.pop()) < count and part not in taken:
                        taken.add(part)
                        stack += operands_of[part]
                if new == node:
                    continue
                forms[node] = new
                if node in taken or new < length or not self._takes_place(new, node):
                    found[node] = new
                    moved.add(node)
        if not forms:
            return self, {root: root for root in roots}
        table, numbers = self._sorted(order, forms, taken)
        return table, {root: int(numbers[found[root]]) for root in roots}

    def _takes_place(self, new: Node, node: Node) -> bool:
        """Let a node become a new operation, if none that has it need be simplified."""
        if new in self._parts or new in self._powers:
            return False
        self.heads[node], self.operands[node] = self.heads[new], self.operands[new]
        self._parts.pop(node, None)
        self._powers.pop(node, None)
        table, key = self._place(self.heads[new], self.operands[new])
        table[key] = node
        return True

    def _sorted(
        self, order: np.ndarray, forms: Mapping[Node, Node], taken: Container[Node]
    ) -> tuple[Nodes, np.ndarray]:
        """The table of some nodes, of which some have other forms, and the numbers there."""
        form, kept = np.arange(len(self)), np.zeros(len(self), bool)
        replaced = {node: new for node, new in forms.items() if node not in taken}
        form[[*replaced]] = [*replaced.values()]
        while (form[form] != form).any():
            form = form[form]
        kept[order] = kept[[self.zero, self.one, self.minus_one]] = True
        before: list[Node] = []
        early: dict[Node, None] = {}
        for node, new in forms.items():
            # What it is now stands before what has it, and is not there if it was made, or if it comes later.
            stack = [~new]
            while stack:
                part = stack.pop()
                if part >= 0:
                    early[part] = None
                    before.append(node)
                elif (part := int(form[~part])) not in early and not (part < node and kept[part]):
                    stack.append(part)
                    stack += [~operand for operand in self.operands[part]]
        kept[[*replaced, *early]] = False
        rows = np.flatnonzero(kept)
        rows = np.insert(rows, np.searchsorted(rows, before), [*early])
        numbers = np.zeros(len(self), np.int64)
        numbers[rows] = np.arange(len(rows))
        numbers = numbers[form]
        heads = map(self.heads.__getitem__, rows.tolist())
        return Nodes.of_edges(heads, self.edges.numbered(rows, numbers)), numbers

    def magnitudes(self, constants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of constants, those of one magnitude by the same number, and whether each is negative."""
        different, which = np.unique(constants, return_inverse=True)
        values = [self._constants[number] for number in different.tolist()]
        negative = [bool(value.is_negative) for value in values]
        known: dict[Expr, int] = {}
        found = [known.setdefault(-v if minus else v, len(known)) for v, minus in zip(values, negative)]
        return np.array(found, np.int64)[which], np.array(negative, bool)[which]

    def operations(self, roots: Sequence[Node]) -> set[type[Basic]]:
        """The classes of the operations that some nodes are computed by."""
        edges, below = self.edges, self.reached(roots)
        _, first = np.unique(edges.heads[inside := below[edges.lengths[below] > 0]], return_index=True)
        return {head for node in inside[first] if isinstance(head := self.heads[node], type)}

    def uses(self, nodes: Iterable[Node]) -> dict[Node, int]:
        """How often each node is an operand of these."""
        found: dict[Node, int] = {}
        for node in nodes:
            for operand in self.operands[node]:
                found[operand] = found.get(operand, 0) + 1
        return found


def _key(head: Head, operands: tuple[Node, ...]) -> Any:
    """What a leaf that is no integer, or a function, is found by."""
    if not isinstance(head, Basic):
        return (head, *operands)
    return head._mpf_ if isinstance(head, Float) else head  # SymPy hashes numbers in Python.


def _last(numbers: dict[Node, Any], first: Node) -> Iterator[Node]:
    """The keys from some number on, which are in order."""
    return takewhile(first.__le__, reversed(numbers))


def _tuples(lengths: np.ndarray, operands: np.ndarray) -> list[tuple[Node, ...]]:
    """Operands that stand one after the other, by node."""
    found = np.empty(len(lengths), object)
    found.fill(())
    names = np.arange(operands.max(initial=-1) + 1).astype(object)  # each number once in memory
    starts, order = np.cumsum(lengths) - lengths, np.argsort(lengths, kind="stable")
    for alike in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(alike) and (length := int(lengths[alike[0]])):
            columns = names[operands[starts[alike, None] + np.arange(length)]]
            found[alike] = np.fromiter(zip(*[iter(columns.ravel().tolist())] * length), object, len(alike))
    return found.tolist()


Pattern: TypeAlias = "tuple[tuple[Head | int, tuple[int, ...]], ...]"
"""A formula of some nodes: what each operation is, or the number of the node that stands there, and its operands."""


def pattern(formula: Expr, symbols: Sequence[Expr]) -> Pattern:
    """The pattern of a formula of symbols, by their number.

    >>> x, y = Symbol("x"), Symbol("y")
    >>> nodes = Nodes()
    >>> nodes.written(nodes.filled(pattern(x**2 + y, [x, y]), [nodes.read(y), nodes.read(x + 1)]))
    x + y**2 + 1
    """
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    found: dict[int, int] = {}
    steps: list[tuple[Head | int, tuple[int, ...]]] = []
    for node in postorder(formula):
        found[id(node)] = len(steps)
        if is_leaf(node):
            steps.append((numbers.get(node, node), ()))
        else:
            steps.append((node.func, tuple([found[id(argument)] for argument in node.args])))
    return tuple(steps)
