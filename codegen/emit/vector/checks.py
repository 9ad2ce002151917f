"""What has to hold before unchecked code runs: shapes, the range of integers, results apart from everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir
from numba.core import cgutils
from sympy import Symbol

from codegen.emit.layout import Slot
from codegen.emit.vector.table import Table
from codegen.emit.vector.values import INT, length
from codegen.walk import Extent


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
        spans = [None if v is None else self._span(table, slot, v) for slot, v in zip(table.slots, views)]
        for number in range(len(table.layout.arguments), len(spans)):
            for other in spans[:number]:
                if other is not None and (own := spans[number]) is not None:
                    self.require(
                        builder.or_(
                            builder.icmp_unsigned("<=", own[1], other[0]), builder.icmp_unsigned("<=", other[1], own[0])
                        )
                    )
        return extents

    def _span(self, table: Table, slot: Slot, view: View) -> tuple[ir.Value, ir.Value]:
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
    largest = cgutils.alloca_once_value(builder, INT(0))
    builder.store(INT(0), largest)
    with cgutils.for_range(builder, count, intp=INT) as loop:
        value, before = builder.load(builder.gep(data, [loop.index])), builder.load(largest)
        builder.store(builder.select(builder.icmp_unsigned(">", value, before), value, before), largest)
    return builder.load(largest)
