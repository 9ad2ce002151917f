"""Straight-line code as machine code of x86-64, registers handed out as it is written.

LLVM takes some 100 µs for an instruction of a straight line, most of it to select instructions and registers where
there is little to select. Here one pass goes over the instructions in their order: what is not in a register is read
where it lies, as the operand of an instruction, and the register whose value is needed last is given up (Belady, IBM
Systems Journal 5, 1966). An instruction is a number, of which bytes are made at the end. Functions are called as
System V says: all vector registers are theirs, so that what is needed afterwards lies in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from sympy.core.basic import Basic

from codegen.dtypes import ITEM, Dtype
from codegen.emit.lanes import FORMATS
from codegen.emit.layout import Layout
from codegen.emit.vector.encoding import (
    CONSTANTS,
    FIRST,
    FUNCTIONS,
    LAST,
    OPERAND,
    R12,
    RAX,
    RBP,
    RBX,
    REACH,
    Operand,
    encoded,
    memory,
    numbers,
)
from codegen.ir.cells import Cell
from codegen.schedule.line import CALL, CONSTANT, INPUT, LEAVES, TRUTH, Group, Line, Value
from codegen.schedule.target import Target

NEVER = 1 << 60
"""When a value is needed that is needed no more."""
NEAR = 24
"""What is needed again within so many instructions is loaded while there is a free register."""
CLEAN = 32
"""A value that lies in memory, too, is given up as if it were needed so many instructions later."""
BIAS = 128
"""Bytes between the start of the workspace and its pointer: offsets of its first numbers take one byte."""
KEPT = (13, 14, 15)
"""General registers for addresses of arrays, which functions leave alone."""
FREE = (1, 2, 8, 9, 10, 11, 7, 6)
"""More of them, where no function is called."""
CALLED = 2
"""What stands for the register that is written, in a call."""
TEMPORARY = (12, 13, 14)
"""Vector registers in which parts of a vector of arguments are put together."""

BINARY = frozenset({"add", "sub", "mul", "div"})
COMMUTATIVE = frozenset({"add", "mul"})
FUSED = frozenset({"fma", "fnma"})
PREDICATES = {"==": 0x00, "!=": 0x04, "<": 0x11, "<=": 0x12, ">": 0x1E, ">=": 0x1D}
"""Comparisons that are false beside a nan, but for ≠."""
MASKED = frozenset({*PREDICATES, "select", "and", "or", "not"})
"""What there is of only the first 16 registers."""


@dataclass(frozen=True)
class Element:
    """A number in memory: what holds it (``words``, ``results``, or the number of an array), and bytes from there."""

    base: str
    offset: int


@dataclass(frozen=True)
class Place:
    """Where a variable begins, in numbers behind what holds it, and its shape."""

    base: str
    offset: int
    shape: tuple[int, ...]

    def element(self, cell: Cell, item: int) -> Element:
        """One of its numbers; ``words`` are 8 bytes long."""
        number = 0
        for n, size in zip(cell.pattern, self.shape):
            assert isinstance(n, int)
            number = number * size + n
        return Element(self.base, (self.offset + number) * (8 if self.base == "words" else item))


def places(layout: Layout) -> Mapping[str, Place]:
    """Where inputs and outputs lie, by name."""
    found: dict[str, Place] = {}
    for number, slot in enumerate((*layout.arguments, *layout.arrays)):
        if not slot.shape:
            found[slot.variables[0].name] = Place("words", number, ())
            continue
        for variable, offset in zip(slot.variables, slot.offsets if slot.packed else (0,)):
            found[variable.name] = Place(str(number), offset, tuple(n for n in variable.shape if isinstance(n, int)))
    found.update((slot.name, Place("results", number, ())) for number, slot in enumerate(layout.scalars))
    return found


@dataclass(frozen=True)
class Call:
    """A function of numbers, or of vectors of them."""

    head: type[Basic]
    orders: tuple[int, ...]
    arguments: int
    width: int

    def name(self, dtype: Dtype) -> str:
        """Its name in a module."""
        parts = (self.head.__name__, *self.orders, self.arguments, f"{self.width}x{FORMATS[dtype].suffix}")
        return "_".join(["symnn", *map(str, parts)])


class Assembly:
    """A line as a function of words and results; made once, since writing it says how large its workspace is."""

    def __init__(self, line: Line, layout: Layout, dtype: Dtype, target: Target) -> None:
        self.line, self.code, self.dtype = line, line.code, dtype
        self.item, self.lanes = ITEM[dtype], target.lanes(dtype)
        self.elements = _elements(line, layout, self.item)
        self.called: dict[str, Call] = {}
        """The functions that are called, by name."""
        self.numbers = numbers(dtype)
        """Instructions by name."""
        self.moves, self.stores, self.copies = (self.numbers[name] for name in ("load", "store", "copy"))
        masked = not MASKED.isdisjoint(line.code.kinds)
        self.registers = 16 if masked else target.registers
        self.holds: list[Value] = [-1] * self.registers
        """The value of each register that is not free."""
        self.needed = [0] * self.registers
        """When the value of each register is needed next."""
        self.free = list(range(self.registers - 1, -1, -1))
        self.where: dict[Value, int] = {}
        self.home: dict[Value, Element] = {}
        self.lies: dict[Value, Operand] = {}
        """Where values lie in memory, as operands, once that has been said; of those in the workspace always."""
        self.clean = bytearray([CLEAN if kind in LEAVES else 0 for kind in line.code.kinds])
        """How much later a value counts as needed: CLEAN if it lies in memory."""
        self.slots: dict[Value, int] = {}
        self.spare: list[int] = []
        self.blocks: list[int] = []
        self.left: list[int] = []
        self.shared: dict[int, list[int]] = {}
        self.room = 0
        self.constants: dict[int, int] = {}
        self.place = 0
        self.rows: list[int] = []
        """The instructions, as :mod:`codegen.emit.vector.encoding` reads them."""
        self.loaded = ""
        first, after = _reads(line)
        self.next: list[int] = first
        """When each value is needed next, after this instruction."""
        self.after: list[int] = after
        """The same of each operand of each instruction, one after the other, once that has read it."""
        count = Counter(element.base for element in self.elements.values() if element.base.isdigit())
        self.arrays = [base for base, _ in count.most_common()]
        calls = any(self.code.kinds[group[0]] == CALL for group in line.groups)
        self.bases = {"words": RBX, "results": R12}
        self.bases.update(zip(self.arrays, KEPT if calls else (*KEPT, *FREE)))
        self._run()

    # --- the function -----------------------------------------------------------------------------------------------

    def write(self, workspace: int) -> bytes:
        """All of it, as a function of words and results, before the addresses of what it calls; a word has that of the
        workspace."""
        word = self.numbers["word"]
        rows = [memory(RBX, 8 * workspace) << OPERAND | word | RBP]
        rows.append(memory(RBP, BIAS) << OPERAND | self.numbers["address"] | RBP)
        rows += [
            memory(RBX, 8 * int(base)) << OPERAND | word | register
            for base, register in self.bases.items()
            if base.isdigit()
        ]
        return encoded([*rows, *self.rows], self.dtype, [*self.constants, 0])

    def _run(self) -> None:
        kinds, taken, stores = self.code.kinds, self.code.taken, self.line.stores
        next_, after = self.next, iter(self.after)
        for place, group in enumerate(self.line.groups):
            self.place = place
            if self.left:
                self.tidy()
            value = group[0]
            kind, operands = kinds[value], taken[value]
            for operand in operands:
                next_[operand] = next(after)
            if kind in BINARY:
                self.binary(value, kind, operands)  # type: ignore[arg-type]
            elif kind in FUSED:
                self.fused(value, kind, operands)  # type: ignore[arg-type]
            elif kind == CALL:
                for other in group[1:]:
                    for operand in taken[other]:
                        next_[operand] = next(after)
                self.call(group)
                continue
            elif kind in LEAVES:
                self.load(value)
            else:
                self.other(value, kind, operands)
            if value in stores:
                self.finish(value)

    # --- values and their places ------------------------------------------------------------------------------------

    def memory(self, value: Value) -> Operand | None:
        """Where a value lies in memory."""
        found = self.lies.get(value)
        if found is not None:
            return found
        kind = self.code.kinds[value]
        if kind == CONSTANT:
            found = self.constant(_bits(self.code.about[value], self.dtype))
        elif kind == TRUTH:
            found = self.constant(ONES if self.code.about[value] else 0)
        else:
            element = self.elements[self.code.about[value]] if kind == INPUT else self.home.get(value)
            if element is None or element.base not in self.bases:
                return None if element is None else self.operand(element)
            found = self.operand(element)
        self.lies[value] = found
        return found

    def constant(self, bits: int) -> Operand:
        return memory(CONSTANTS, 8 * self.constants.setdefault(bits, len(self.constants)))

    def slot(self, number: int) -> Operand:
        return memory(RBP, number * self.item - BIAS)

    def operand(self, element: Element) -> Operand:
        base = self.bases.get(element.base)
        if base is None:
            base = RAX
            if self.loaded != element.base:
                self.loaded = element.base
                self.put("word", RAX, memory(RBX, 8 * int(element.base)))
        return memory(base, element.offset)

    def put(self, name: str, target: int, operand: Operand, first: int = 0, last: int = 0) -> None:
        """An instruction: the register that is written, what is read, another register, and the byte at the end."""
        self.rows.append(last << LAST | operand << OPERAND | first << FIRST | target | self.numbers[name])

    def spill(self, value: Value) -> None:
        """Keep a value in the workspace."""
        if self.spare:
            number = self.spare.pop()
        else:
            number, self.room = self.room, self.room + 1
        self.keep(value, number)
        self.rows.append(self.lies[value] << OPERAND | self.where[value] | self.stores)

    def keep(self, value: Value, number: int) -> None:
        """A value has a slot from now on."""
        self.slots[value], self.lies[value], self.clean[value] = number, self.slot(number), CLEAN

    def release(self, register: int) -> None:
        """A register whose value is needed there no more."""
        del self.where[self.holds[register]]
        self.free.append(register)

    def tidy(self) -> None:
        """Slots whose last reader has been written are free."""
        for number in self.left:
            block = self.shared.pop(number, None)
            if block is None:
                self.spare.append(number)
            elif len(block) == 1:
                self.blocks += block
            else:
                block.pop()
        self.left.clear()

    def acquire(self, value: Value, locked: Sequence[Value] = ()) -> int:
        """A register for a value, none of those that hold ``locked``."""
        if not self.free:
            self.give_up(locked)
        register = self.free.pop()
        self.holds[register], self.where[value] = value, register
        self.needed[register] = self.next[value] + self.clean[value]
        return register

    def give_up(self, locked: Sequence[Value]) -> None:
        """Make room in the register whose value is needed last."""
        needed, holds = self.needed, self.holds
        chosen = needed.index(max(needed))
        if holds[chosen] in locked:
            others = [register for register in range(self.registers) if holds[register] not in locked]
            chosen = max(others, key=needed.__getitem__)
        given_up = holds[chosen]
        if not self.clean[given_up]:
            self.spill(given_up)
        self.release(chosen)

    def hold(self, value: Value, register: int) -> None:
        """A value is in a register from now on."""
        self.holds[register], self.where[value] = value, register
        self.needed[register] = self.next[value] + self.clean[value]

    def load(self, value: Value, locked: Sequence[Value] = ()) -> int:
        """The register of a value, which is loaded if it lies in memory only."""
        found = self.where.get(value)
        if found is None:
            found = self.acquire(value, locked)
            self.move(value, found, None)
        return found

    def move(self, value: Value, register: int, held: int | None) -> None:
        """Bring a value to a register, from another that holds it, or from memory."""
        if held is not None:
            self.rows.append(held << OPERAND | register | self.copies)
            return
        memory = self.memory(value)
        assert memory is not None
        self.rows.append(memory << OPERAND | register | self.moves)

    def source(self, value: Value, locked: Sequence[Value]) -> Operand:
        """A value as the operand that may lie in memory."""
        found = self.where.get(value)
        if found is not None:
            return found
        if self.free and self.next[value] <= self.place + NEAR:
            return self.load(value, locked)
        memory = self.memory(value)
        assert memory is not None
        return memory

    def used(self, taken: Sequence[Value]) -> None:
        """Values have been read; those that nobody reads again make room."""
        next_, where, slots = self.next, self.where, self.slots
        for value in taken:
            again = next_[value]
            if again != NEVER:
                if value in where:
                    self.needed[where[value]] = again + self.clean[value]
                continue
            if value in where:
                self.free.append(where.pop(value))
            if value in slots:
                self.left.append(slots.pop(value))

    def finish(self, value: Value) -> None:
        """Store a new value that is a result."""
        for number, cell in enumerate(self.line.stores[value]):
            element = self.elements[cell]
            self.rows.append(self.operand(element) << OPERAND | self.where[value] | self.stores)
            if number == 0:
                self.home[value] = element
                self.clean[value] = CLEAN
                self.needed[self.where[value]] += CLEAN
        if self.next[value] == NEVER:
            self.used((value,))

    # --- instructions -----------------------------------------------------------------------------------------------

    def binary(self, value: Value, kind: str, taken: tuple[Value, Value]) -> None:
        """What takes its first operand in a register."""
        where, (a, b) = self.where, taken
        if a not in where and kind in COMMUTATIVE and (b in where or self.next[b] < self.next[a]):
            a, b = taken = b, a
        first = where[a] if a in where else self.load(a, taken)
        second = where[b] if b in where else self.source(b, taken)
        self.used(taken)
        target = self.acquire(value)
        self.rows.append(second << OPERAND | first << FIRST | target | self.numbers[kind])

    def fused(self, value: Value, kind: str, taken: tuple[Value, Value, Value]) -> None:
        """±a·b + c, which is written over one of the three, or over a copy."""
        where, (a, b, c) = self.where, taken
        locked = (value, *taken)
        over, is_last = self.overwritten(taken)
        if is_last:
            target = where.pop(over)
            self.hold(value, target)
        else:
            held = where.get(over)
            target = self.acquire(value, locked)
            # Giving a register up leaves those of operands alone.
            self.move(over, target, held)
        if over == c:
            form, near, any_place = "231", a, b
        else:
            form, near, any_place = "213", b if over == a else a, c
        if near != over and near not in where and (any_place == over or any_place in where):
            form, near, any_place = "231" if over == c else "132", any_place, near
        first = target if near == over else self.load(near, locked)
        second = target if any_place == over else self.source(any_place, locked)
        self.put(kind + form, target, second, first)
        self.used(taken)

    def overwritten(self, taken: tuple[Value, Value, Value]) -> tuple[Value, bool]:
        """Which of a, b and c is written over, and whether it is needed no more.

        The sum if it is needed no more, else such a factor, else what is loaded.
        """
        a, b, c = taken
        where, next_ = self.where, self.next
        for v in (c, a, b):
            if v in where and next_[v] == NEVER:
                return v, True
        for v in (c, a, b):
            if v not in where:
                return v, False
        return c, False

    def other(self, value: Value, kind: str, taken: Sequence[Value]) -> None:
        """What takes its operands in registers."""
        if kind in PREDICATES:
            first = self.load(taken[0], taken)
            registers = [first, self.source(taken[1], taken)]
        else:
            registers = [self.load(v, taken) for v in taken]
        self.used(taken)
        target = self.acquire(value)
        match kind:
            case "neg":
                self.put("xor", target, self.constant(SIGNS[self.dtype]), registers[0])
            case "abs":
                self.put("and", target, self.constant(SIGNS[self.dtype] - 1), registers[0])
            case "not":
                self.put("xor", target, self.constant(ONES), registers[0])
            case "sqrt":
                self.put("sqrt", target, registers[0], registers[0])
            case "select":
                self.put("select", target, registers[1], registers[2], registers[0] << 4)
            case _ if kind in PREDICATES:
                self.put("compare", target, registers[1], registers[0], PREDICATES[kind])
            case _:
                self.put(kind, target, registers[1], registers[0])

    # --- functions --------------------------------------------------------------------------------------------------

    def call(self, group: Group) -> None:
        """A function of one number, or of a vector of numbers."""
        columns = list(zip(*(self.code.taken[value] for value in group)))
        overwritten = {*range(len(columns)), *TEMPORARY}
        for value, register in tuple(self.where.items()):
            needed = self.next[value] != NEVER or register in overwritten
            if needed and not self.clean[value]:
                self.spill(value)
            if register in overwritten:
                self.release(register)
        for number, column in enumerate(columns):
            self.gather(number, column)
        (head, orders), width = self.code.about[group[0]], 1 if len(group) == 1 else self.lanes
        called = Call(head, orders, len(columns), width)
        name = called.name(self.dtype)
        self.called.setdefault(name, called)
        self.put("call", CALLED, memory(FUNCTIONS, 8 * list(self.called).index(name)))
        self.loaded = ""
        for value in group:
            self.used(self.code.taken[value])
        for value in tuple(self.where):
            self.release(self.where[value])
        if len(group) == 1:
            self.free.remove(0)
            self.hold(group[0], 0)
            if group[0] in self.line.stores:
                self.finish(group[0])
            return
        start = self.blocks.pop() if self.blocks else self.room
        self.room = max(self.room, start + self.lanes)
        block = [start] * len(group)
        self.put(f"store {self.lanes * self.item}", 0, self.slot(start))
        for lane, value in enumerate(group):
            self.keep(value, start + lane)
            self.shared[start + lane] = block
            if value in self.line.stores:
                self.load(value)
                self.finish(value)

    def gather(self, number: int, values: Sequence[Value]) -> None:
        """Numbers in the first lanes of a vector, some of them again in the others."""
        if len(values) == 1:
            self.move(values[0], number, self.where.get(values[0]))
            return
        size = 16 // self.item
        parts = [values[n : n + size] for n in range(0, len(values), size)]
        registers = [number, *TEMPORARY][: len(parts)]
        for register, part in zip(registers, parts):
            self.move(part[0], register, self.where.get(part[0]))
            for lane in range(1, size):
                value = part[lane % len(part)]
                held = self.where.get(value)
                place = self.memory(value) if held is None else held
                assert place is not None
                pair = "high" if held is None else "low"
                self.put(pair if size == 2 else "lane", register, place, register, 0 if size == 2 else 16 * lane)
        pairs = [
            (registers[n], registers[n + 1] if n + 1 < len(registers) else number) for n in range(0, len(parts), 2)
        ]
        for low, high in pairs:
            self.put("half", low, high, low, 1)
        if self.lanes * self.item == 64:
            self.put("quarters", number, pairs[-1][0], number, 1)


def _reads(line: Line) -> tuple[list[int], list[int]]:
    """When each value is first read; and of each operand, one instruction after the other, when it is read again."""
    taken = line.code.taken
    read = [taken[value] for value in chain.from_iterable(line.groups)]
    counts = np.fromiter(map(len, line.groups), np.int64, len(line.groups))
    lengths = np.fromiter(map(len, read), np.int64, len(read))
    places = np.repeat(np.repeat(np.arange(len(counts)), counts), lengths)
    operands = np.fromiter(chain.from_iterable(read), np.int64, len(places))
    order = np.argsort(operands, kind="stable")
    operands, places = operands[order], places[order]
    is_other = np.diff(operands, prepend=-1) > 0
    is_new = is_other | (np.diff(places, prepend=-1) != 0)
    starts = np.flatnonzero(is_new)
    again = np.append(np.where(is_other[starts[1:]], NEVER, places[starts[1:]]), NEVER)
    first = np.full(len(taken), NEVER)
    first[operands[is_other]] = places[is_other]
    after = np.empty(len(order), np.int64)
    after[order] = again[np.cumsum(is_new) - 1]
    return first.tolist(), after.tolist()


SIGNS: Mapping[Dtype, int] = {"float64": 1 << 63, "float32": 1 << 31}
ONES = (1 << 64) - 1


@lru_cache(maxsize=4096)
def _bits(text: str, dtype: Dtype) -> int:
    """The bits of a number that is written in base 16: what −0 is told from 0 by."""
    value = float.fromhex(text)
    if dtype == "float32":
        return int(np.float32(value).view(np.uint32))
    return int(np.float64(value).view(np.uint64))


def _elements(line: Line, layout: Layout, item: int) -> Mapping[Cell, Element]:
    where = places(layout)
    return {cell: where[cell.name].element(cell, item) for cell in line.cells}


def is_possible(line: Line, layout: Layout, dtype: Dtype) -> bool:
    """Whether all arguments of functions are passed in registers, and no offset takes more than four bytes."""
    if any(element.offset >= REACH for element in _elements(line, layout, ITEM[dtype]).values()):
        return False
    return all(len(line.code.taken[group[0]]) <= 8 for group in line.groups if line.code.kinds[group[0]] == CALL)
