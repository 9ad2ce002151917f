"""Straight-line code of any length: formulas as scalar instructions, in an order, cut into blocks.

An instruction is what it does, and the numbers of the instructions whose values it takes. Equal instructions are one.
Functions of one kind that do not wait for each other stand together, to be computed in lanes. Compilers take more than
linear time over long blocks, so there are many, and values that one hands to others lie in a workspace.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, reduce
from itertools import compress
from typing import Any, TypeAlias

import numpy as np
from sympy import Add, And, Expr, Integer, Mul, Not, Or, Piecewise, Pow
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen import functions as f
from codegen.functions import special
from codegen.functions.powers import MOST_FACTORS, is_root, raised
from codegen.ir.cells import Cell
from codegen.ir.constants import as_float
from codegen.ir.formulas import Formulas
from codegen.ir.nodes import Node, Nodes

Value: TypeAlias = int
"""The number of an instruction."""

CHAINS = 4
"""A long sum has so many running totals, so that an addition need not wait for the last."""
LONG = 12
"""Terms of a long sum."""
SHARED_DIVISOR = 3
"""A number that so many divide by is inverted once."""
CONSTANT, TRUTH, INPUT, CALL = "constant", "truth", "input", "call"
LEAVES = frozenset({CONSTANT, TRUTH, INPUT})
"""What takes no other values; blocks have them wherever they need them."""


POWER = (f.power, ())
"""What is called for powers with other exponents than whole ones and halves."""


class Code:
    """Instructions, by their numbers."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.taken: list[tuple[Value, ...]] = []
        """The instructions whose values each takes."""
        self.about: dict[Value, Any] = {}
        """The bits of a constant as text, a truth, the cell of an input, the function that is called and its orders."""
        self._found: dict[tuple[Any, ...], Value] = {}

    def put(self, kind: str, *taken: Value) -> Value:
        """The number of an instruction: a new one, or one that is there."""
        found = self._found.setdefault((kind, taken), len(self.kinds))
        if found == len(self.kinds):
            self.kinds.append(kind)
            self.taken.append(taken)
        return found

    def put_about(self, kind: str, about: Any, *taken: Value) -> Value:
        """The same of a leaf, or of a call."""
        found = self._found.setdefault((kind, about, taken), len(self.kinds))
        if found == len(self.kinds):
            self.kinds.append(kind)
            self.taken.append(taken)
            self.about[found] = about
        return found


class Instructions(Code):
    """The instructions that some formulas take."""

    def __init__(self, formulas: Formulas, roots: Sequence[Node]) -> None:
        super().__init__()
        self.nodes: Nodes = formulas.nodes
        self._cells = {node: cell for cell, node in formulas.leaves.items()}
        self.values: list[Value] = [-1] * len(self.nodes)
        """By node; −1 of what is only computed as a part of others."""
        order = self.nodes.below(roots)
        needed = self._analyse(self.nodes.reached(roots), roots)
        heads, operands, values = self.nodes.heads, self.nodes.operands, self.values
        written_by: dict[Any, Any] = {head: _written_by(head) for head in self.nodes.operations(roots)}
        for node in compress(order, needed):
            lower = written_by[heads[node]] if operands[node] else Instructions.leaf
            values[node] = lower(self, node)

    # --- what is computed by itself -------------------------------------------------------------------------------

    def _analyse(self, order: np.ndarray, roots: Sequence[Node]) -> list[bool]:
        """Which of the nodes have values that are used as they are, and how each of them is used."""
        edges, count = self.nodes.edges, len(self.nodes)
        inside = np.zeros(count, bool)
        inside[order] = True
        inner = inside[edges.readers]
        readers, operands = edges.readers[inner], edges.operands[inner]
        is_sum, is_product = edges.has(Add), edges.has(Mul)
        whole = np.where(abs(edges.exponents) <= MOST_FACTORS, edges.exponents, 0)
        below = is_product[readers] & (whole[operands] < 0)
        first = edges.first
        bases = first[operands[below]]
        fusable = (whole == 2) | is_product & (np.bincount(readers[below], minlength=count) == 0)
        once = fusable & (np.bincount(operands, minlength=count) == 1)
        divided = np.unique(readers[below] * count + bases) % count

        # A sum takes its fusable terms apart, a quotient has only the base of what it divides by.
        direct = ~(is_sum[readers] & fusable[operands] | below)
        needed = np.zeros(count, bool)
        needed[[*roots]] = needed[bases] = needed[operands[direct]] = True
        # Of c·(x·y) in a sum alone, x·y is taken apart, too.
        multiple = is_product & (edges.lengths == 2) & edges.constant[first]
        apart = (multiple & ~needed)[readers] & once[operands]
        needed[:] = False
        needed[[*roots]] = needed[bases] = needed[operands[direct & ~apart]] = True

        self._whole: list[int] = whole.tolist()
        self._fusable: list[bool] = fusable.tolist()
        self._apart: list[bool] = (multiple & once[np.append(edges.operands, [0, 0])[edges.starts[:-1] + 1]]).tolist()
        self._divisors: list[int] = np.bincount(divided, minlength=count).tolist()
        return needed[order].tolist()  # type: ignore[no-any-return]

    def _power(self, node: Node) -> tuple[Node, int]:
        """Base and exponent of a whole power that is multiplied out; a node to the power of 1 otherwise."""
        exponent = self._whole[node]
        return (node, 1) if exponent in (0, 1) else (self.nodes.operands[node][0], exponent)

    def _factors(self, term: Node) -> tuple[Node, ...]:
        """The factors of a term that a sum multiplies and adds at once."""
        operands = self.nodes.operands[term]
        if self._whole[term] == 2:
            return operands[0], operands[0]
        return (operands[0], *self._factors(operands[1])) if self._apart[term] else operands

    # --- instructions ---------------------------------------------------------------------------------------------

    def constant(self, value: float) -> Value:
        return self.put_about(CONSTANT, float(value).hex())

    def _value(self, operand: Value | float) -> Value:
        return self.constant(operand) if isinstance(operand, float) else operand

    def positive(self, x: Value) -> Value:
        return self.compare(">", x, 0.0)

    def compare(self, relation: str, a: Value, b: Value | float) -> Value:
        return self.put(relation, a, self._value(b))

    def choose(self, condition: Value, a: Value | float, b: Value | float) -> Value:
        if self.kinds[condition] == TRUTH:
            return self._value(a if self.about[condition] else b)
        return self.put("select", condition, self._value(a), self._value(b))

    def extreme(self, relation: str, numbers: Sequence[Value]) -> Value:
        """The last of equals; nan wins. A comparison with nan gives the second number: only the last cannot be lost."""
        best = reduce(lambda best, other: self.choose(self.compare(relation, best, other), best, other), numbers)
        undefined = reduce(lambda a, b: self.put("or", a, b), [self.put("!=", v, v) for v in numbers[:-1]])
        return self.choose(undefined, math.nan, best)

    def divide(self, a: Value, b: Value) -> Value:
        return self.put("div", a, b)

    def magnitude(self, x: Value) -> Value:
        return self.put("abs", x)

    def times(self, factors: Sequence[Value]) -> Value:
        """A product, in pairs of neighbours."""
        while len(factors) > 2:
            last = factors[len(factors) & ~1 :]
            factors = [*[self.put("mul", a, b) for a, b in zip(factors[::2], factors[1::2])], *last]
        return self.put("mul", *factors) if len(factors) == 2 else factors[0]

    def raised(self, base: Value, exponent: int) -> Value:
        return raised(partial(self.put, "mul"), base, exponent)

    def leaf(self, node: Node) -> Value:
        head = self.nodes.heads[node]
        if isinstance(head, BooleanAtom):
            return self.put_about(TRUTH, bool(head))
        if node in self._cells:
            return self.put_about(INPUT, self._cells[node])
        assert isinstance(head, Expr)
        return self.constant(as_float(head))

    def call(self, node: Node) -> Value:
        head, operands = self.nodes.heads[node], self.nodes.operands[node]
        assert isinstance(head, type)
        orders: tuple[int, ...] = ()
        if _takes_order(head) and isinstance(order := self.nodes.heads[operands[0]], Integer):
            orders, operands = (int(order),), operands[1:]
        return self.put_about(CALL, (head, orders), *[self.values[operand] for operand in operands])

    def add(self, node: Node) -> Value:
        """A sum; products after the first term are fused to it."""
        terms = sorted(self.nodes.operands[node], key=self._fusable.__getitem__)
        if len(terms) < LONG:
            return self._chain(terms)
        totals = [self._chain(terms[n::CHAINS]) for n in range(CHAINS)]
        while len(totals) > 1:
            totals = [self.put("add", a, b) for a, b in zip(totals[::2], totals[1::2])]
        return totals[0]

    def _chain(self, terms: Sequence[Node]) -> Value:
        values, total = self.values, self._term(terms[0])
        for term in terms[1:]:
            if not self._fusable[term]:
                total = self.put("add", total, values[term])
                continue
            kind, factors = "fma", self._factors(term)
            if factors[0] == self.nodes.minus_one:
                kind, factors = "fnma", factors[1:]
            if len(factors) == 1:
                total = self.put("sub", total, values[factors[0]])
            elif len(factors) == 2:
                total = self.put(kind, values[factors[0]], values[factors[1]], total)
            else:
                leading = self.times([values[factor] for factor in factors[:-1]])
                total = self.put(kind, leading, values[factors[-1]], total)
        return total

    def _term(self, term: Node) -> Value:
        if not self._fusable[term]:
            return self.values[term]
        factors = self._factors(term)
        if factors[0] == self.nodes.minus_one:
            return self.put("neg", self.times([self.values[factor] for factor in factors[1:]]))
        return self.times([self.values[factor] for factor in factors])

    def multiply(self, node: Node) -> Value:
        operands, values = self.nodes.operands[node], self.values
        if operands[0] == self.nodes.minus_one and len(operands) == 2:
            rest = operands[1]
            return self.put("neg", values[rest]) if values[rest] >= 0 else self._divided(rest, -1)
        if self._fusable[node] and len(operands) == 2:
            return self.put("mul", values[operands[0]], values[operands[1]])
        if self._fusable[node]:
            return self.times([values[operand] for operand in operands])
        above: list[Value] = []
        below: list[Value] = []
        for operand in operands:
            base, exponent = self._power(operand)
            if exponent > 0:
                above.append(values[operand])
            elif self._divisors[base] >= SHARED_DIVISOR:
                inverse = self.put("div", self.constant(1.0), values[base])
                above.append(self.raised(inverse, -exponent))
            else:
                below.append(self.raised(values[base], -exponent))
        value = self.times(above) if above else self.constant(1.0)
        return self.put("div", value, self.times(below)) if below else value

    def _divided(self, node: Node, sign: int) -> Value:
        """A quotient 1/xⁿ with a sign."""
        base, exponent = self._power(node)
        return self.put("div", self.constant(float(sign)), self.raised(self.values[base], -exponent))

    def power(self, node: Node) -> Value:
        base, exponent = self.nodes.as_power(node)
        if base == node:
            return self.put_about(CALL, POWER, *[self.values[operand] for operand in self.nodes.operands[node]])
        value, whole = self.values[base], self._whole[node]
        if whole:
            return self.raised(value, whole) if whole > 0 else self._divided(node, 1)
        if not is_root(exponent):
            return self.put_about(CALL, POWER, value, self.constant(as_float(exponent)))
        root = self.put("sqrt", value)
        return root if exponent > 0 else self.put("div", self.constant(1.0), root)

    def _arguments(self, node: Node) -> list[Value]:
        return [self.values[operand] for operand in self.nodes.operands[node]]

    def piecewise(self, node: Node) -> Value:
        value = self.constant(math.nan)
        for branch in reversed(self.nodes.operands[node]):
            then, condition = self.nodes.operands[branch]
            value = self.choose(self.values[condition], self.values[then], value)
        return value

    def relation(self, node: Node) -> Value:
        return self.put(str(self.nodes.heads[node].rel_op), *self._arguments(node))

    def joined(self, name: str, node: Node) -> Value:
        return reduce(lambda a, b: self.put(name, a, b), self._arguments(node))


_LOWERED: tuple[tuple[type[Basic], Callable[[Instructions, Node], Value]], ...] = (
    (Add, Instructions.add),
    (Mul, Instructions.multiply),
    (Pow, Instructions.power),
    (Piecewise, Instructions.piecewise),
    (ExprCondPair, lambda line, node: -1),
    (Relational, Instructions.relation),
    (And, lambda line, node: line.joined("and", node)),
    (Or, lambda line, node: line.joined("or", node)),
    (Not, lambda line, node: line.put("not", *line._arguments(node))),
)
"""What is no choice that a row describes."""


def _written_by(head: type[Basic]) -> Callable[[Instructions, Node], Value]:
    """What writes an operation."""
    if (row := f.operation(head).instructions) is not None:
        return lambda line, node: row(line, *line._arguments(node))
    return next((lower for kind, lower in _LOWERED if issubclass(head, kind)), Instructions.call)


@cache
def _takes_order(head: type[Basic]) -> bool:
    return head in special.ORDERS or issubclass(head, special.Bessel)


def is_called(head: type[Basic]) -> bool:
    """Whether an operation is a call of a function."""
    return _written_by(head) == Instructions.call


# --- the order ----------------------------------------------------------------------------------------------------

Group: TypeAlias = tuple[Value, ...]
"""Instructions that are computed at once: one, or calls of one function."""


def ordered(code: Code, results: Sequence[Value], width: int) -> list[Group]:
    """The instructions that results take, each after what it needs, calls of one function up to ``width`` at once.

    Before the calls of one level stands what they take and nothing else: all calls whose arguments need no other call
    that has not been made are of one level. Leaves stand there only where they are results, and first: of these many
    elements often are one number.
    """
    kinds, taken = code.kinds, code.taken
    alive = _alive(code, results)
    calls: dict[tuple[int, object, int], list[Value]] = {}
    if CALL in kinds:
        levels = _levels(code)
        for number in (number for number in compress(range(len(kinds)), alive) if kinds[number] == CALL):
            # A hypot of two numbers is another function than one of three.
            calls.setdefault((levels[number], code.about[number], len(taken[number])), []).append(number)
    done = bytearray(kind in LEAVES for kind in kinds)
    for number in results:
        done[number] = False
    found: list[Group] = []

    def make(wanted: Iterable[Value]) -> None:
        stack = [~value for value in wanted]
        stack.reverse()
        while stack:
            number = stack.pop()
            if number >= 0:
                found.append((number,))
            elif not done[number := ~number]:
                done[number] = True
                stack.append(number)
                for operand in reversed(taken[number]):
                    if not done[operand]:
                        stack.append(~operand)

    make(number for number in results if kinds[number] in LEAVES)
    for _, group in sorted(calls.items(), key=lambda item: item[0][0]):
        for start in range(0, len(group), width):
            part = tuple(group[start : start + width])
            make(operand for number in part for operand in taken[number])
            for number in part:
                done[number] = True
            found.append(part)
    make(results)
    return found


def _levels(code: Code) -> list[int]:
    """How many calls one after the other an instruction waits for, its own included."""
    levels: list[int] = []
    for kind, its in zip(code.kinds, code.taken):
        level = 0
        for operand in its:
            if levels[operand] > level:
                level = levels[operand]
        levels.append(level + (kind == CALL))
    return levels


def _alive(code: Code, results: Sequence[Value]) -> bytearray:
    """Whether results take each instruction."""
    wanted, taken = bytearray(len(code.kinds)), code.taken
    for number in results:
        wanted[number] = True
    for number in range(len(wanted) - 1, -1, -1):
        if wanted[number]:
            for operand in taken[number]:
                wanted[operand] = True
    return wanted


# --- blocks -------------------------------------------------------------------------------------------------------

BLOCK = 200
"""Instructions of a block: with 1,000 LLVM takes twice as long, and calls are 5 % slower."""
WHOLE = 800
"""Up to so many instructions are one block."""
CALL_SIZE = 60
"""Instructions of a function, about."""


@dataclass(frozen=True)
class Line:
    """A program without loops."""

    code: Code
    groups: Sequence[Group]
    """In their order; leaves only where they are results."""
    stores: Mapping[Value, Sequence[Cell]]
    """The elements of results that a value is."""

    @property
    def cells(self) -> Iterator[Cell]:
        """The elements of inputs and results."""
        yield from (about for value, about in self.code.about.items() if self.code.kinds[value] == INPUT)
        for stored in self.stores.values():
            yield from stored


@dataclass(frozen=True)
class Blocks:
    """A line as compilers take it: what it computes block by block, and where values lie between blocks."""

    blocks: Sequence[Sequence[Group]]
    slots: Mapping[Value, int]
    """The places in the workspace of values that several blocks know."""
    room: int
    """The number of places."""


def line(formulas: Formulas, width: int) -> Line:
    """The instructions of formulas, up to ``width`` calls of a function at once."""
    roots = list(dict.fromkeys(formulas.assigned.values()))
    made = Instructions(formulas, roots)
    stores: dict[Value, list[Cell]] = {}
    for cell, node in formulas.assigned.items():
        stores.setdefault(made.values[node], []).append(cell)
    return Line(made, ordered(made, list(stores), width), stores)


def cut(line: Line) -> Blocks:
    """A line in blocks."""
    blocks: list[list[Group]] = [[]]
    limit = BLOCK if sum(_size(line.code, group) for group in line.groups) > WHOLE else WHOLE
    size = 0
    for group in line.groups:
        if size >= limit:
            blocks.append([])
            size = 0
        blocks[-1].append(group)
        size += _size(line.code, group)
    return Blocks(blocks, *_placed(line.code, blocks))


def _size(code: Code, group: Group) -> int:
    return CALL_SIZE if code.kinds[group[0]] == CALL else 1


def _placed(code: Code, blocks: Sequence[Sequence[Group]]) -> tuple[dict[Value, int], int]:
    """Places for the values that cross from one block to another; one is used again when its value has been read."""
    born: dict[Value, int] = {}
    last: dict[Value, int] = {}
    for number, block in enumerate(blocks):
        for group in block:
            for value in group:
                born[value] = number
                for operand in code.taken[value]:
                    last[operand] = number
    crossing = [v for v, n in born.items() if last.get(v, n) > n and code.kinds[v] not in LEAVES]
    ending: dict[int, list[int]] = defaultdict(list)
    slots: dict[Value, int] = {}
    free: list[int] = []
    room = done = 0
    for value in crossing:
        while done < born[value]:
            free += ending.pop(done, [])
            done += 1
        if free:
            slots[value] = free.pop()
        else:
            slots[value], room = room, room + 1
        ending[last[value]].append(slots[value])
    return slots, room
