"""The table through which a compiled program finds its arrays: 64-bit words, in an order that the layout fixes.

One word for each argument and each array result (the address of an array, the bits of a number), one for each symbolic
extent, and the addresses of three workspaces: what a call has once, what each pass over samples has of its own, and
the sums of one chunk of samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

from llvmlite import ir
from sympy import Symbol

from codegen.dtypes import ITEM
from codegen.emit.lanes import FORMATS
from codegen.emit.layout import Layout, Slot
from codegen.emit.vector.interface import WORKSPACES, words
from codegen.emit.vector.memory import Bindings, region_size
from codegen.emit.vector.plan import Plan, StraightPlan, plan
from codegen.emit.vector.values import INT, length
from codegen.schedule.program import Program
from codegen.walk import Extent, extent


@dataclass(frozen=True)
class Table:
    """The order of the words, and code that writes and reads them."""

    plan: Plan | StraightPlan
    layout: Layout
    few: Plan | None = None
    """How it runs for so few samples that lanes of them would be empty."""

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (*self.layout.arguments, *self.layout.arrays)

    @property
    def words(self) -> int:
        """The number of words."""
        return words(len(self.plan.extents), self.layout)

    @property
    def item(self) -> int:
        """Bytes of a real number."""
        return ITEM[self.plan.dtype]

    def workspace_word(self, name: str) -> int:
        """The word that holds the address of a workspace."""
        return self.words - len(WORKSPACES) + WORKSPACES.index(name)

    def element(self, slot: Slot) -> ir.Type:
        """The type of the numbers of a slot."""
        return INT if slot.kind == "integer" else FORMATS[self.plan.dtype].real

    # --- writing ----------------------------------------------------------------------------------------------------

    def put(self, builder: ir.IRBuilder, table: ir.Value, word: int, value: ir.Value) -> None:
        """Set a word to an integer, an address or the bits of a number."""
        if isinstance(value.type, ir.PointerType):
            value = builder.ptrtoint(value, INT)
        elif isinstance(value.type, ir.FloatType):
            value = builder.zext(builder.bitcast(value, ir.IntType(32)), INT)
        elif value.type != INT:
            value = builder.bitcast(value, INT)
        builder.store(value, builder.gep(table, [INT(word)]))

    def put_extents(self, builder: ir.IRBuilder, table: ir.Value, extents: Mapping[Symbol, ir.Value]) -> None:
        for word, symbol in enumerate(self.plan.extents, len(self.slots)):
            self.put(builder, table, word, extents[symbol])

    def put_workspaces(self, builder: ir.IRBuilder, table: ir.Value, block: ir.Value) -> None:
        """Cut a block of :meth:`workspace` bytes into the three."""
        start = builder.and_(builder.add(builder.ptrtoint(block, INT), INT(63)), INT(-64))
        first = self.words - len(WORKSPACES)
        for number, size in enumerate(self.sizes(builder, table)):
            self.put(builder, table, first + number, start)
            start = builder.add(start, builder.mul(size, INT(self.item)))

    # --- sizes ------------------------------------------------------------------------------------------------------

    @property
    def plans(self) -> tuple[Plan | StraightPlan, ...]:
        return (self.plan,) if self.few is None else (self.plan, self.few)

    def sizes(self, builder: ir.IRBuilder, table: ir.Value) -> list[ir.Value]:
        """The numbers in each workspace; a single chunk of samples needs no scratch."""
        extents = self.extents(builder, table)
        sizes: list[ir.Value] = [INT(0)] * len(WORKSPACES)
        for one in self.plans:
            for number, regions in enumerate((one.shared, one.private, one.scratch)):
                total: ir.Value = INT(0)
                for region in regions.values():
                    total = builder.add(total, region_size(builder, region, extents))
                larger = builder.icmp_signed(">", total, sizes[number])
                sizes[number] = builder.select(larger, total, sizes[number])
        samples = self.plan.samples
        if samples is not None:
            several = builder.icmp_signed(">", self.samples(builder, table), self.chunk(builder, table))
            sizes[2] = builder.select(several, sizes[2], INT(0))
        return sizes

    def workspace(self, builder: ir.IRBuilder, table: ir.Value) -> ir.Value:
        """The bytes of the workspaces, with room to align them."""
        total: ir.Value = INT(0)
        for size in self.sizes(builder, table):
            total = builder.add(total, size)
        return builder.add(builder.mul(total, INT(self.item)), INT(64))

    def fixed_bytes(self) -> int | None:
        """The bytes of the workspaces where they do not depend on an extent, all of them counted."""
        regions = [r for p in self.plans for part in (p.shared, p.private, p.scratch) for r in part.values()]
        if not all(isinstance(n, int) for region in regions for n in region.shape):
            return None
        numbers = sum((prod((region.lanes, *map(int, region.shape))) + 15) & -16 for region in regions)
        return 64 + numbers * self.item

    # --- reading ----------------------------------------------------------------------------------------------------

    def word(self, builder: ir.IRBuilder, table: ir.Value, number: int) -> ir.Value:
        return builder.load(builder.gep(table, [INT(number)]))

    def extents(self, builder: ir.IRBuilder, table: ir.Value) -> dict[Symbol, ir.Value]:
        return {
            symbol: self.word(builder, table, word) for word, symbol in enumerate(self.plan.extents, len(self.slots))
        }

    def samples(self, builder: ir.IRBuilder, table: ir.Value) -> ir.Value:
        """The number of samples, 1 where there are none."""
        samples = self.plan.samples
        return INT(1) if samples is None else length(builder, extent(samples.index), self.extents(builder, table))

    def chunk(self, builder: ir.IRBuilder, table: ir.Value) -> ir.Value:
        """The number of samples in a chunk."""
        samples = self.plan.samples
        assert samples is not None
        chunk, extents, real = samples.chunk, self.extents(builder, table), ir.DoubleType()
        if chunk.is_fixed:
            return INT(chunk.least)

        def product(shape: Sequence[Extent]) -> ir.Value:
            lengths = (builder.sitofp(length(builder, n, extents), real) for n in shape)
            return reduce(builder.fmul, lengths, real(1.0))

        sums = reduce(builder.fadd, map(product, chunk.sums), real(0.0))
        worth, combining = real(chunk.worth), builder.fmul(sums, real(chunk.combining))
        wanted = builder.select(builder.fcmp_ordered(">", combining, worth), combining, worth)
        least = builder.fmul(product(chunk.along), real(chunk.each * chunk.least))
        times = builder.add(builder.fptosi(builder.fdiv(wanted, least), INT), INT(1))
        return builder.mul(times, INT(chunk.least))

    def chunks(self, builder: ir.IRBuilder, table: ir.Value) -> ir.Value:
        """Into how many chunks the samples are cut, 1 where there are none."""
        if self.plan.samples is None:
            return INT(1)
        n, chunk = self.samples(builder, table), self.chunk(builder, table)
        return builder.sdiv(builder.add(n, builder.sub(chunk, INT(1))), chunk)

    def space(self, builder: ir.IRBuilder, table: ir.Value, name: str) -> ir.Value:
        """The address of a workspace."""
        word = self.word(builder, table, self.workspace_word(name))
        return builder.inttoptr(word, FORMATS[self.plan.dtype].real.as_pointer())

    def names(self, builder: ir.IRBuilder, table: ir.Value, private: ir.Value | None = None) -> Bindings:
        """What a table holds, by name; the members of packs singly."""
        found: dict[str, ir.Value] = {}
        for number, slot in enumerate(self.slots):
            word = self.word(builder, table, number)
            if not slot.shape:
                found[slot.variables[0].name] = _from_bits(builder, word, self.element(slot))
                continue
            pointer = builder.inttoptr(word, self.element(slot).as_pointer())
            for variable, offset in zip(slot.variables, slot.offsets if slot.packed else (0,)):
                place = builder.gep(pointer, [INT(offset)])
                value_only = not variable.shape and slot in self.layout.arguments
                found[variable.name] = builder.load(place) if value_only else place
        shared = self.space(builder, table, "shared")
        own = self.space(builder, table, "private") if private is None else private
        return Bindings(found, self.extents(builder, table), shared, own)


def table(program: Program, layout: Layout) -> Table:
    """The table of a program in lanes."""
    return Table(plan(program), layout, None if program.few is None else plan(program.few))


def _from_bits(builder: ir.IRBuilder, word: ir.Value, element: ir.Type) -> ir.Value:
    if isinstance(element, ir.FloatType):
        return builder.bitcast(builder.trunc(word, ir.IntType(32)), element)
    return word if element == INT else builder.bitcast(word, element)
