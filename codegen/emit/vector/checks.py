"""What has to hold before unchecked code runs: shapes, the range of integers, results apart from everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from llvmlite import ir
from sympy import Symbol

from codegen.emit.control import counted, on_stack, value_on_stack
from codegen.emit.layout import Slot
from codegen.emit.vector.table import Table
from codegen.emit.vector.values import INT, length
from codegen.walk import Extent

Span: TypeAlias = tuple[ir.Value, ir.Value]
"""Where an array begins and ends."""
PAIRS = 64
"""Of more pairs of arrays a loop tells whether they are apart: 150 of them are 2,000 lines, compiled twice in 60 ms."""


@dataclass(frozen=True)
class View:
    """An array that is known to be contiguous, aligned and of the right type: its address and its lengths."""

    address: ir.Value
    lengths: Sequence[ir.Value]


@dataclass(frozen=True)
class Checks:
    """Conditions one after the other; where one fails, control goes to the block ``otherwise``."""

    builder: ir.IRBuilder
    otherwise: ir.Block

    def require(self, condition: ir.Value) -> None:
        following = self.builder.append_basic_block("checked")
        self.builder.cbranch(condition, following, self.otherwise)
        self.builder.position_at_end(following)

    def arrays(self, table: Table, views: Sequence[View | None]) -> dict[Symbol, ir.Value]:
        """Shapes agree with the layout and with each other, nothing that is written overlaps; gives the extents.

        ``views`` belong to the slots of the table, None where a slot is a number.
        """
        builder = self.builder
        extents: dict[Symbol, ir.Value] = {}
        sums: list[tuple[Extent, ir.Value]] = []
        for slot, view in zip(table.slots, views):
            for n, found in zip(slot.shape, view.lengths if view else ()):
                if isinstance(n, int) or n in extents:
                    self.require(builder.icmp_signed("==", found, length(builder, n, extents)))
                elif isinstance(n, Symbol):
                    extents[n] = found
                    self.require(builder.icmp_signed(">", found, INT(0)))
                else:
                    sums.append((n, found))
        for n, found in sums:
            self.require(builder.icmp_signed("==", found, length(builder, n, extents)))
        spans = [self._span(table, slot, view) for slot, view in zip(table.slots, views) if view is not None]
        read = sum(view is not None for view in views[: len(table.layout.arguments)])
        if len(spans) * (len(spans) - read) <= PAIRS:
            for number in range(read, len(spans)):
                for other in spans[:number]:
                    self._apart(spans[number], other)
        else:
            self._all_apart(spans, read)
        return extents

    def _apart(self, one: Span, other: Span) -> None:
        """Two arrays have no memory in common."""
        before = self.builder.icmp_unsigned("<=", one[1], other[0])
        self.require(self.builder.or_(before, self.builder.icmp_unsigned("<=", other[1], one[0])))

    def _all_apart(self, spans: Sequence[Span], read: int) -> None:
        """None of the arrays from the number ``read`` on has memory in common with one before it, by a loop."""
        builder, count = self.builder, INT(len(spans))
        ends = [on_stack(builder, INT, size=count) for _ in range(2)]
        for number, span in enumerate(spans):
            for place, end in zip(ends, span):
                builder.store(end, builder.gep(place, [INT(number)]))

        def at(number: ir.Value) -> Span:
            first, last = (builder.load(builder.gep(place, [number])) for place in ends)
            return first, last

        with counted(builder, count, INT(read), INT(1)) as (number, _):
            own = at(number)
            with counted(builder, number) as (other, _):
                self._apart(own, at(other))

    def _span(self, table: Table, slot: Slot, view: View) -> Span:
        """Where an array begins and ends."""
        size: ir.Value = INT(8 if slot.kind == "integer" else table.item)
        for along in view.lengths:
            size = self.builder.mul(size, along)
        return view.address, self.builder.add(view.address, size)

    def integers(self, table: Table, words: ir.Value) -> None:
        """Integers keep to their range; for a table that is filled, whose arrays may have changed since."""
        for number in range(len(table.slots)):
            self.integer(table, words, number)

    def integer(self, table: Table, words: ir.Value, number: int) -> None:
        """The integers of one slot keep to their range, if they have one."""
        builder, slot = self.builder, table.slots[number]
        if (limit := slot.variables[0].below) is None:
            return
        word, extents = table.word(builder, words, number), table.extents(builder, words)
        end = length(builder, limit, extents)
        if not slot.shape:
            self.require(builder.icmp_unsigned("<", word, end))
            return
        count: ir.Value = INT(1)
        for n in slot.shape:
            count = builder.mul(count, length(builder, n, extents))
        data = builder.inttoptr(word, INT.as_pointer())
        self.require(builder.icmp_unsigned("<", _largest(builder, data, count), end))


def _largest(builder: ir.IRBuilder, data: ir.Value, count: ir.Value) -> ir.Value:
    """The largest of some integers, read as unsigned ones: negative ones are large. LLVM makes vectors of it."""
    largest = value_on_stack(builder, INT(0))
    builder.store(INT(0), largest)
    with counted(builder, count) as (place, _):
        value, before = builder.load(builder.gep(data, [place])), builder.load(largest)
        builder.store(builder.select(builder.icmp_unsigned(">", value, before), value, before), largest)
    return builder.load(largest)
