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
from typing import TypeAlias

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


@dataclass(frozen=True, order=True)
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
        self.vector = self.lanes * self.item
        """The bytes of a register."""
        self.elements = _elements(line, layout, self.item)
        self.runs = _runs(line, self.elements, self.lanes, self.item)
        """Of values that are many results: where a register full of them is stored, and where one of them."""
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
        self.where = [-1] * len(line.code.kinds)
        """The register of each value, or −1."""
        self.home: dict[Value, Element] = {}
        self.lies = [-1] * len(line.code.kinds)
        """Where values lie in memory, as operands, or −1 until that has been said; of those in the workspace always."""
        self.clean = bytearray([CLEAN if kind in LEAVES else 0 for kind in line.code.kinds])
        """How much later a value counts as needed: CLEAN if it lies in memory."""
        self.slots = [-1] * len(line.code.kinds)
        """The place of each value in the workspace, or −1."""
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
        """The same of each operand of each instruction, the first at the end, once that has read it."""
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
        kinds, taken, stores, next_, where = self.code.kinds, self.code.taken, self.line.stores, self.next, self.where
        after, rows, left = self.after.pop, self.rows, self.left
        load, source, used, acquire = self.load, self.source, self.used, self.acquire
        forms = {kind: self.numbers[kind] for kind in BINARY}
        for place, group in enumerate(self.line.groups):
            self.place = place
            if left and self.shared:
                self.tidy()
            elif left:
                self.spare += left
                left.clear()
            value = group[0]
            kind, operands = kinds[value], taken[value]
            for operand in operands:
                next_[operand] = after()
            if kind in forms:
                # What takes its first operand in a register: most instructions.
                a, b = operands
                first, second = where[a], where[b]
                if first < 0:
                    if kind in COMMUTATIVE and (second >= 0 or next_[b] < next_[a]):
                        a, b = operands = b, a
                        first = second
                    if first < 0:
                        first = load(a, operands)
                    second = where[b]
                if second < 0:
                    second = source(b, operands)
                used(operands)
                rows.append(second << OPERAND | first << FIRST | acquire(value) | forms[kind])
            elif kind in FUSED:
                self.fused(value, kind, operands)  # type: ignore[arg-type]
            elif kind == CALL:
                for other in group[1:]:
                    for operand in taken[other]:
                        next_[operand] = after()
                self.call(group)
                continue
            elif kind in LEAVES:
                load(value)
            else:
                self.other(value, kind, operands)
            if value in stores:
                self.finish(value)

    # --- values and their places ------------------------------------------------------------------------------------

    def memory(self, value: Value) -> Operand | None:
        """Where a value lies in memory."""
        if self.lies[value] >= 0:
            return self.lies[value]
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
        self.rows.append(self.keep(value, number) << OPERAND | self.where[value] | self.stores)

    def keep(self, value: Value, number: int) -> Operand:
        """A value has a slot from now on."""
        self.slots[value], self.clean[value] = number, CLEAN
        found = self.lies[value] = self.slot(number)
        return found

    def release(self, register: int) -> None:
        """A register whose value is needed there no more."""
        self.where[self.holds[register]] = -1
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
        register = self.where[value] = self.free.pop() if self.free else self.give_up(locked)
        self.holds[register] = value
        self.needed[register] = self.next[value] + self.clean[value]
        return register

    def give_up(self, locked: Sequence[Value]) -> int:
        """The register whose value is needed last, which lies in memory from now on."""
        needed, holds = self.needed, self.holds
        chosen = needed.index(max(needed))
        if holds[chosen] in locked:
            others = [register for register in range(self.registers) if holds[register] not in locked]
            chosen = max(others, key=needed.__getitem__)
        given_up = holds[chosen]
        if not self.clean[given_up]:
            self.spill(given_up)
        self.where[given_up] = -1
        return chosen

    def hold(self, value: Value, register: int) -> None:
        """A value is in a register from now on."""
        self.holds[register], self.where[value] = value, register
        self.needed[register] = self.next[value] + self.clean[value]

    def load(self, value: Value, locked: Sequence[Value] = ()) -> int:
        """The register of a value, which is loaded if it lies in memory only."""
        found = self.where[value]
        if found < 0:
            found = self.acquire(value, locked)
            self.move(value, found, -1)
        return found

    def move(self, value: Value, register: int, held: int) -> None:
        """Bring a value to a register, from another that holds it, or from memory."""
        if held >= 0:
            self.rows.append(held << OPERAND | register | self.copies)
            return
        memory = self.memory(value)
        assert memory is not None
        self.rows.append(memory << OPERAND | register | self.moves)

    def source(self, value: Value, locked: Sequence[Value]) -> Operand:
        """A value as the operand that may lie in memory."""
        found = self.where[value]
        if found >= 0:
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
            again, register = next_[value], where[value]
            if again != NEVER:
                if register >= 0:
                    self.needed[register] = again + self.clean[value]
                continue
            if register >= 0:
                self.free.append(register)
                where[value] = -1
            if slots[value] >= 0:
                self.left.append(slots[value])
                slots[value] = -1

    def finish(self, value: Value) -> None:
        """Store a new value that is a result."""
        register, cells = self.where[value], self.line.stores[value]
        several, single = self.runs.get(value, ((), [self.elements[cell] for cell in cells]))
        if several:
            self.put(f"broadcast {self.vector}", register, register)
        for name, elements in ((f"store {self.vector}", several), ("store", single)):
            for element in elements:
                self.put(name, register, self.operand(element))
        self.home[value] = self.elements[cells[0]]
        self.clean[value] = CLEAN
        self.needed[register] += CLEAN
        if self.next[value] == NEVER:
            self.used((value,))

    # --- instructions -----------------------------------------------------------------------------------------------

    def fused(self, value: Value, kind: str, taken: tuple[Value, Value, Value]) -> None:
        """±a·b + c, which is written over one of the three, or over a copy.

        That is the sum if it is needed no more, else such a factor, else what is loaded.
        """
        a, b, c = taken
        where, next_, locked = self.where, self.next, (value, a, b, c)
        if where[c] >= 0 and next_[c] == NEVER:
            over = c
        elif where[a] >= 0 and next_[a] == NEVER:
            over = a
        elif where[b] >= 0 and next_[b] == NEVER:
            over = b
        else:
            over = a if where[c] >= 0 > where[a] else b if where[c] >= 0 > where[b] else c
        held = where[over]
        if held >= 0 and next_[over] == NEVER:
            target, where[over] = held, -1
            self.hold(value, target)
        else:
            target = self.acquire(value, locked)
            # Giving a register up leaves those of operands alone.
            self.move(over, target, held)
        if over == c:
            form, near, any_place = "231", a, b
        else:
            form, near, any_place = "213", b if over == a else a, c
        if near != over and where[near] < 0 and (any_place == over or where[any_place] >= 0):
            form, near, any_place = "231" if over == c else "132", any_place, near
        first = target if near == over else self.load(near, locked)
        second = target if any_place == over else self.source(any_place, locked)
        self.rows.append(second << OPERAND | first << FIRST | target | self.numbers[kind + form])
        self.used(taken)

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
        held = [(v, register) for register, v in enumerate(self.holds) if v >= 0 and self.where[v] == register]
        for value, register in held:
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
        for value, register in held:
            if self.where[value] == register:
                self.release(register)
        if len(group) == 1:
            self.free.remove(0)
            self.hold(group[0], 0)
            if group[0] in self.line.stores:
                self.finish(group[0])
            return
        start = self.blocks.pop() if self.blocks else self.room
        self.room = max(self.room, start + self.lanes)
        block = [start] * len(group)
        self.put(f"store {self.vector}", 0, self.slot(start))
        for lane, value in enumerate(group):
            self.keep(value, start + lane)
            self.shared[start + lane] = block
            if value in self.line.stores:
                self.load(value)
                self.finish(value)

    def gather(self, number: int, values: Sequence[Value]) -> None:
        """Numbers in the first lanes of a vector, some of them again in the others."""
        if len(values) == 1:
            self.move(values[0], number, self.where[values[0]])
            return
        size = 16 // self.item
        parts = [values[n : n + size] for n in range(0, len(values), size)]
        registers = [number, *TEMPORARY][: len(parts)]
        for register, part in zip(registers, parts):
            self.move(part[0], register, self.where[part[0]])
            for lane in range(1, size):
                value = part[lane % len(part)]
                held = self.where[value]
                place = self.memory(value) if held < 0 else held
                assert place is not None
                pair = "high" if held < 0 else "low"
                self.put(pair if size == 2 else "lane", register, place, register, 0 if size == 2 else 16 * lane)
        pairs = [
            (registers[n], registers[n + 1] if n + 1 < len(registers) else number) for n in range(0, len(parts), 2)
        ]
        for low, high in pairs:
            self.put("half", low, high, low, 1)
        if self.vector == 64:
            self.put("quarters", number, pairs[-1][0], number, 1)


def _reads(line: Line) -> tuple[list[int], list[int]]:
    """When each value is first read; and of each operand, the last instruction's first, when it is read again."""
    taken, after = line.code.taken, list[int]()
    next_ = [NEVER] * len(taken)
    append, place = after.append, len(line.groups)
    for group in reversed(line.groups):
        place -= 1
        read = taken[group[0]] if len(group) == 1 else [*chain.from_iterable(taken[value] for value in group)]
        for operand in reversed(read):
            append(next_[operand])
        for operand in read:
            next_[operand] = place
    return next_, after


Runs: TypeAlias = "tuple[Sequence[Element], Sequence[Element]]"


def _runs(line: Line, elements: Mapping[Cell, Element], lanes: int, item: int) -> Mapping[Value, Runs]:
    """Of values that are many results: where as many of them as there are lanes are stored at once, and where one is.

    What a register covers besides is a result that is stored later.
    """
    many = {value for value, cells in line.stores.items() if len(cells) >= lanes}
    if not many:
        return {}
    places = {value: place for place, group in enumerate(line.groups) for value in group if value in line.stores}
    stored = {elements[cell]: places[value] for value, cells in line.stores.items() for cell in cells}
    found: dict[Value, Runs] = {}
    for value in many:
        several: list[Element] = []
        single: list[Element] = []
        for first in sorted({elements[cell] for cell in line.stores[value]}):
            if several and several[-1].base == first.base and first.offset < several[-1].offset + lanes * item:
                continue
            run = (Element(first.base, first.offset + n * item) for n in range(lanes))
            is_free = all(stored.get(element, -1) >= places[value] for element in run)
            (several if is_free else single).append(first)
        found[value] = several, single
    return found


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
