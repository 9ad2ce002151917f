"""Straight-line code of any length: formulas as scalar instructions, in an order, cut into blocks.

An instruction is a tuple: what it does, then the numbers of the instructions whose values it takes. Equal instructions
are one. Functions of one kind that do not wait for each other stand together, to be computed in lanes. Compilers take
more than linear time over long blocks, so there are many, and values that one hands to others lie in a workspace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, TypeAlias

from sympy import Add, And, Expr, Integer, Mul, Not, Or, Piecewise, Pow
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen import functions as f
from codegen.functions import special
from codegen.functions.powers import is_multiplied, is_root
from codegen.ir.cells import Cell
from codegen.ir.constants import as_float
from codegen.ir.formulas import Formulas
from codegen.ir.nodes import Node, Nodes

Value: TypeAlias = int
"""The number of an instruction."""
Instruction: TypeAlias = tuple[Any, ...]

CHAINS = 4
"""A long sum has so many running totals, so that an addition need not wait for the last."""
LONG = 12
"""Terms of a long sum."""
SHARED_DIVISOR = 3
"""A number that so many divide by is inverted once."""
CONSTANT, TRUTH, INPUT, CALL = "constant", "truth", "input", "call"
LEAVES = frozenset({CONSTANT, TRUTH, INPUT})
"""What takes no other values; blocks have them wherever they need them."""


class Instructions:
    """The instructions that some formulas take."""

    def __init__(self, formulas: Formulas, roots: Sequence[Node]) -> None:
        self.nodes: Nodes = formulas.nodes
        self.code: list[Instruction] = []
        self._cells = {node: cell for cell, node in formulas.leaves.items()}
        self._found: dict[Instruction, Value] = {}
        self.values: dict[Node, Value] = {}
        self._factors: dict[Node, tuple[Node, ...]] = {}
        order = self.nodes.postorder(roots)
        self._uses = self.nodes.uses(order)
        self._powers = {
            node: (base, int(exponent))
            for node in order
            if self.nodes.heads[node] is Pow
            for base, exponent in [self.nodes.as_power(node)]
            if base != node and is_multiplied(exponent)
        }
        """Bases and exponents of whole powers that are multiplied out."""
        self._divisors = self._counted_divisors(order)
        needed = self._needed(order, roots)
        for node in order:
            if node in needed:
                self.values[node] = self._lowered(node)

    # --- what is computed by itself -------------------------------------------------------------------------------

    def _counted_divisors(self, order: Sequence[Node]) -> Mapping[Node, int]:
        """How many products and powers divide by a node."""
        found: dict[Node, int] = defaultdict(int)
        for node in order:
            if self.nodes.heads[node] is Mul:
                powers = [self._powers[operand] for operand in self.nodes.operands[node] if operand in self._powers]
                for base in {base for base, exponent in powers if exponent < 0}:
                    found[base] += 1
        return found

    def _power(self, node: Node) -> tuple[Node, int]:
        """Base and exponent of a whole power that is multiplied out; a node to the power of 1 otherwise."""
        return self._powers.get(node) or (node, 1)

    def _fused(self, term: Node) -> tuple[Node, ...]:
        """The factors of a term that a sum multiplies and adds at once; none of other terms."""
        found = self._factors.get(term)
        if found is None:
            found = self._factors[term] = self._fused_factors(term)
        return found

    def _fused_factors(self, term: Node) -> tuple[Node, ...]:
        head = self.nodes.heads[term]
        if head is Pow:
            base, exponent = self._power(term)
            return (base, base) if exponent == 2 else ()
        if head is not Mul:
            return ()
        operands = self.nodes.operands[term]
        if any(self._power(operand)[1] < 0 for operand in operands):
            return ()
        rest = self.nodes.parted(term)[1]
        inside = self._fused(rest) if rest != term and self._uses.get(rest) == 1 else ()
        return (operands[0], *inside) if inside else operands

    def _needed(self, order: Sequence[Node], roots: Sequence[Node]) -> set[Node]:
        """The nodes whose values are used as they are: not what is only fused, nor what is only divided by."""
        needed = set(roots)
        for node in reversed(order):
            head = self.nodes.heads[node]
            if head is Add:
                for term in self.nodes.operands[node]:
                    needed.update(self._fused(term) or (term,))
            elif node not in needed and head is not ExprCondPair:
                continue
            elif head is Mul:
                for operand in self.nodes.operands[node]:
                    base, exponent = self._power(operand)
                    needed.add(base if exponent < 0 else operand)
            elif head is Pow:
                base, _ = self.nodes.as_power(node)
                needed.update(self.nodes.operands[node] if base == node else (base,))
            else:
                needed.update(self.nodes.operands[node])
        return needed

    # --- instructions ---------------------------------------------------------------------------------------------

    def put(self, *instruction: Any) -> Value:
        """The number of an instruction: a new one, or one that is there."""
        found = self._found.get(instruction)
        if found is None:
            found = self._found[instruction] = len(self.code)
            self.code.append(instruction)
        return found

    def constant(self, value: float) -> Value:
        return self.put(CONSTANT, float(value).hex())

    def choose(self, condition: Value, a: Value, b: Value) -> Value:
        if self.code[condition][0] == TRUTH:
            return a if self.code[condition][1] else b
        return self.put("select", condition, a, b)

    def compare(self, relation: str, a: Value, b: Value) -> Value:
        return self.put("compare", relation, a, b)

    def times(self, factors: Sequence[Value]) -> Value:
        """A product, in pairs of neighbours."""
        while len(factors) > 1:
            pairs = [factors[n : n + 2] for n in range(0, len(factors), 2)]
            factors = [self.put("mul", *pair) if len(pair) == 2 else pair[0] for pair in pairs]
        return factors[0]

    def raised(self, base: Value, exponent: int) -> Value:
        """x³ as x·x·x, higher powers by repeated squaring."""
        if exponent <= 3:
            return reduce(lambda a, b: self.put("mul", a, b), [base] * exponent)
        half = self.raised(base, exponent // 2)
        squared = self.put("mul", half, half)
        return self.put("mul", squared, base) if exponent % 2 else squared

    def _lowered(self, node: Node) -> Value:
        head, operands = self.nodes.heads[node], self.nodes.operands[node]
        if isinstance(head, BooleanAtom):
            return self.put(TRUTH, bool(head))
        if node in self._cells:
            return self.put(INPUT, self._cells[node])
        if isinstance(head, Expr):
            return self.constant(as_float(head))
        assert isinstance(head, type)
        if (lower := _written_by(head)) is not None:
            return lower(self, node)
        orders: tuple[int, ...] = ()
        if (head in special.ORDERS or issubclass(head, special.Bessel)) and isinstance(
            order := self.nodes.heads[operands[0]], Integer
        ):
            orders, operands = (int(order),), operands[1:]
        return self.put(CALL, (head, orders), *[self.values[operand] for operand in operands])

    def add(self, node: Node) -> Value:
        """A sum; products after the first term are fused to it."""
        operands = self.nodes.operands[node]
        terms = [*[t for t in operands if not self._fused(t)], *[t for t in operands if self._fused(t)]]
        chains = CHAINS if len(terms) >= LONG else 1
        totals = [self._chain(terms[n::chains]) for n in range(chains)]
        while len(totals) > 1:
            totals = [self.put("add", a, b) for a, b in zip(totals[::2], totals[1::2])]
        return totals[0]

    def _chain(self, terms: Sequence[Node]) -> Value:
        first, *rest = terms
        total = self._term(first)
        for term in rest:
            factors = self._fused(term)
            if not factors:
                total = self.put("add", total, self.values[term])
                continue
            sign, *varying = factors
            if sign != self.nodes.minus_one:
                *leading, last = (self.values[factor] for factor in factors)
                total = self.put("fma", self.times(leading), last, total)
            elif len(varying) == 1:
                total = self.put("sub", total, self.values[varying[0]])
            else:
                *leading, last = (self.values[factor] for factor in varying)
                total = self.put("fnma", self.times(leading), last, total)
        return total

    def _term(self, term: Node) -> Value:
        factors = self._fused(term)
        if not factors:
            return self.values[term]
        if factors[0] == self.nodes.minus_one:
            return self.put("neg", self.times([self.values[factor] for factor in factors[1:]]))
        return self.times([self.values[factor] for factor in factors])

    def multiply(self, node: Node) -> Value:
        above: list[Value] = []
        below: list[Value] = []
        number, rest = self.nodes.parted(node)
        operands = self.nodes.operands[node]
        if rest != node and number == -1:
            return self.put("neg", self.values[rest]) if rest in self.values else self._divided(rest, -1)
        for operand in operands:
            base, exponent = self._power(operand)
            if exponent > 0:
                above.append(self.values[operand])
            elif self._divisors.get(base, 0) >= SHARED_DIVISOR:
                inverse = self.put("div", self.constant(1.0), self.values[base])
                above.append(self.raised(inverse, -exponent))
            else:
                below.append(self.raised(self.values[base], -exponent))
        value = self.times(above) if above else self.constant(1.0)
        return self.put("div", value, self.times(below)) if below else value

    def _divided(self, node: Node, sign: int) -> Value:
        """A quotient 1/xⁿ with a sign."""
        base, exponent = self._power(node)
        return self.put("div", self.constant(float(sign)), self.raised(self.values[base], -exponent))

    def power(self, node: Node) -> Value:
        base, exponent = self.nodes.as_power(node)
        if base == node:
            return self.put(CALL, (f.power, ()), *[self.values[operand] for operand in self.nodes.operands[node]])
        value = self.values[base]
        if is_multiplied(exponent):
            n = int(exponent)
            return self.raised(value, n) if n > 0 else self._divided(node, 1)
        if not is_root(exponent):
            return self.put(CALL, (f.power, ()), value, self.constant(as_float(exponent)))
        root = self.put("sqrt", value)
        return root if exponent > 0 else self.put("div", self.constant(1.0), root)

    def _arguments(self, node: Node) -> list[Value]:
        return [self.values[operand] for operand in self.nodes.operands[node]]

    def piecewise(self, node: Node) -> Value:
        value = self.constant(float("nan"))
        for branch in reversed(self.nodes.operands[node]):
            then, condition = self.nodes.operands[branch]
            value = self.choose(self.values[condition], self.values[then], value)
        return value

    def clip(self, node: Node) -> Value:
        x, low, high = self._arguments(node)
        return self.choose(self.compare("<", x, low), low, self.choose(self.compare(">", x, high), high, x))

    def sign(self, node: Node) -> Value:
        (x,), zero = self._arguments(node), self.constant(0.0)
        below = self.choose(self.compare("<", x, zero), self.constant(-1.0), x)
        return self.choose(self.compare(">", x, zero), self.constant(1.0), below)

    def absolute(self, node: Node) -> Value:
        return self.put("abs", *self._arguments(node))

    def largest(self, node: Node) -> Value:
        return self._extreme(">", self._arguments(node))

    def smallest(self, node: Node) -> Value:
        return self._extreme("<", self._arguments(node))

    def _extreme(self, relation: str, values: Sequence[Value]) -> Value:
        """The last of equals; nan wins. A comparison with nan gives the second number: only the last cannot be lost."""
        best = reduce(lambda best, other: self.choose(self.compare(relation, best, other), best, other), values)
        undefined = reduce(lambda a, b: self.put("or", a, b), [self.compare("!=", v, v) for v in values[:-1]])
        return self.choose(undefined, self.constant(float("nan")), best)

    def relation(self, node: Node) -> Value:
        head = self.nodes.heads[node]
        return self.compare(str(head.rel_op), *self._arguments(node))

    def equal(self, node: Node) -> Value:
        return self.choose(self.compare("==", *self._arguments(node)), self.constant(1.0), self.constant(0.0))

    def select(self, node: Node) -> Value:
        x, a, b = self._arguments(node)
        return self.choose(self.compare(">", x, self.constant(0.0)), a, b)

    def step(self, node: Node) -> Value:
        (x,), zero = self._arguments(node), self.constant(0.0)
        return self.choose(self.compare(">", x, zero), self.constant(1.0), zero)

    def relu(self, node: Node) -> Value:
        (x,), zero = self._arguments(node), self.constant(0.0)
        return self.choose(self.compare("<=", x, zero), zero, x)

    def joined(self, name: str, node: Node) -> Value:
        return reduce(lambda a, b: self.put(name, a, b), self._arguments(node))


_LOWERED: tuple[tuple[type[Basic], Callable[[Instructions, Node], Value]], ...] = (
    (Add, Instructions.add),
    (Mul, Instructions.multiply),
    (Pow, Instructions.power),
    (f.equal, Instructions.equal),
    (f.absolute, Instructions.absolute),
    (f.clip, Instructions.clip),
    (f.maximum, Instructions.largest),
    (f.minimum, Instructions.smallest),
    (f.sign, Instructions.sign),
    (f.step, Instructions.step),
    (f.relu, Instructions.relu),
    (f.select, Instructions.select),
    (f.stop_gradient, lambda line, node: line._arguments(node)[0]),
    (Piecewise, Instructions.piecewise),
    (ExprCondPair, lambda line, node: -1),
    (Relational, Instructions.relation),
    (And, lambda line, node: line.joined("and", node)),
    (Or, lambda line, node: line.joined("or", node)),
    (Not, lambda line, node: line.put("not", *line._arguments(node))),
)


@lru_cache(maxsize=1024)
def _written_by(head: type[Basic]) -> Callable[[Instructions, Node], Value] | None:
    """What writes an operation; None for what is called."""
    return next((lower for kind, lower in _LOWERED if issubclass(head, kind)), None)


WRITTEN = tuple(kind for kind, _ in _LOWERED)
"""What is not called."""


# --- the order ----------------------------------------------------------------------------------------------------

Group: TypeAlias = tuple[Value, ...]
"""Instructions that are computed at once: one, or calls of one function."""


def ordered(code: Sequence[Instruction], results: Sequence[Value], width: int) -> Iterator[Group]:
    """The instructions that results take, each after what it needs, calls of one function up to ``width`` at once.

    Before the calls of one level stands what they take and nothing else: all calls whose arguments need no other call
    that has not been made are of one level.
    """
    taken = list(map(operands, code))
    levels: list[int] = []
    for instruction, its in zip(code, taken):
        level = 0
        for operand in its:
            if levels[operand] > level:
                level = levels[operand]
        levels.append(level + (instruction[0] == CALL))
    alive = _alive(taken, results)
    calls: dict[tuple[int, object, int], list[Value]] = {}
    for number in alive:
        if code[number][0] == CALL:  # a hypot of two numbers is another function than one of three
            calls.setdefault((levels[number], code[number][1], len(taken[number])), []).append(number)
    done: set[Value] = set()

    def before(wanted: Sequence[Value]) -> Iterator[Group]:
        stack = [~value for value in reversed(wanted)]
        while stack:
            number = stack.pop()
            if number >= 0:
                yield (number,)
            elif ~number not in done:
                number = ~number
                done.add(number)
                waiting = [~operand for operand in taken[number] if operand not in done]
                if waiting:
                    stack.append(number)
                    waiting.reverse()
                    stack += waiting
                else:
                    yield (number,)

    for _, group in sorted(calls.items(), key=lambda item: item[0][0]):
        for start in range(0, len(group), width):
            part = tuple(group[start : start + width])
            yield from before([operand for number in part for operand in taken[number]])
            done.update(part)
            yield part
    yield from before(results)


def operands(instruction: Instruction) -> tuple[Value, ...]:
    """The instructions whose values one takes."""
    return instruction[_BEFORE.get(instruction[0], 1) :]


_BEFORE = {CALL: 2, "compare": 2} | dict.fromkeys(LEAVES, 2)
"""What stands in an instruction before its operands, if that is more than its kind."""


def _alive(taken: Sequence[Sequence[Value]], results: Sequence[Value]) -> list[Value]:
    """What results take, in order."""
    wanted = set(results)
    for number in range(len(taken) - 1, -1, -1):
        if number in wanted:
            wanted.update(taken[number])
    return sorted(wanted)


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

    code: Sequence[Instruction]
    groups: Sequence[Group]
    """In their order; leaves only where they are results."""
    stores: Mapping[Value, Sequence[Cell]]
    """The elements of results that a value is."""

    @property
    def cells(self) -> Iterator[Cell]:
        """The elements of inputs and results."""
        yield from (instruction[1] for instruction in self.code if instruction[0] == INPUT)
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
    groups = [
        group
        for group in ordered(made.code, list(stores), width)
        if made.code[group[0]][0] not in LEAVES or group[0] in stores
    ]
    return Line(made.code, groups, stores)


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


def _size(code: Sequence[Instruction], group: Group) -> int:
    return CALL_SIZE if code[group[0]][0] == CALL else 1


def _placed(code: Sequence[Instruction], blocks: Sequence[Sequence[Group]]) -> tuple[dict[Value, int], int]:
    """Places for the values that cross from one block to another; one is used again when its value has been read."""
    born: dict[Value, int] = {}
    last: dict[Value, int] = {}
    for number, block in enumerate(blocks):
        for group in block:
            for value in group:
                born[value] = number
                for operand in operands(code[value]):
                    last[operand] = number
    crossing = [v for v, n in born.items() if last.get(v, n) > n and code[v][0] not in LEAVES]
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
