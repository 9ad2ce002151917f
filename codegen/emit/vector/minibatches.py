"""A loop over minibatches in LLVM's language: rows gathered, one function called on them, another on what it found.

The functions are addresses and their arguments are tables, so that one loop serves all functions that take as many
arrays: it is compiled once, in some hundredths of a second, and not for each network.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import binding, ir

from codegen.dtypes import Dtype
from codegen.emit.control import copy_bytes, counted, on_stack, value_on_stack
from codegen.emit.instructions import Function, begun
from codegen.emit.lanes import FORMATS
from codegen.emit.vector.interface import NATIVE, Batches
from codegen.emit.vector.values import BYTE, INT

DOUBLE = ir.DoubleType()


@dataclass(frozen=True)
class Shape:
    """What the loop's code depends on."""

    dtype: Dtype
    gathered: int
    """Arrays whose rows are gathered: the arguments of the first function after the parameters."""
    scalars: int
    """Numbers that the first function takes behind those arrays."""
    counted: int | None
    """Which of them, if any, is the number of rows that there were before."""
    vectors: int
    """The parameters, and what the second function carries along with them."""
    numbers: int
    """The numbers that the second function takes, that of the step the first among them."""


def minibatches_module(shape: Shape) -> str:
    """``double minibatches(record, order, count, total)``: see :class:`codegen.runtime.minibatches.Minibatches`."""
    module = ir.Module("minibatches")
    module.triple = binding.get_process_triple()
    signature = ir.FunctionType(DOUBLE, [INT.as_pointer(), INT.as_pointer(), INT, DOUBLE])
    function = Function(module, signature, f"{NATIVE}_minibatches")
    _Loop(shape, begun(function), function).write()
    return str(module)


class _Loop:
    def __init__(self, shape: Shape, builder: ir.IRBuilder, function: ir.Function) -> None:
        self.shape, self.builder = shape, builder
        self.record, self.order, self.count, total = function.args
        self.real = FORMATS[shape.dtype].real
        self.evaluated, self.updated = (
            self._pointer(self._field(field)) for field in (Batches.EVALUATE_TABLE, Batches.UPDATE_TABLE)
        )
        self.counters = self._pointer(self._field(Batches.COUNTERS))
        self.results = on_stack(builder, self.real)
        self.total = value_on_stack(builder, total)
        self.steps = value_on_stack(builder, INT(0))
        # Where the second function's table holds what it reads and what it writes; the gradient is its second word.
        self.now = (0, *range(2, shape.vectors + 1))
        self.step = shape.vectors + 1
        self.new = tuple(range(self.step + shape.numbers, self.step + shape.numbers + shape.vectors))

    def write(self) -> None:
        builder = self.builder
        size = self._field(Batches.SIZE)
        batches = builder.sdiv(builder.add(self.count, builder.sub(size, INT(1))), size)
        with counted(builder, batches) as (batch, end):
            start = builder.mul(batch, size)
            left = builder.sub(self.count, start)
            rows = builder.select(builder.icmp_signed("<", left, size), left, size)
            self._gather(start, rows)
            with builder.if_then(builder.not_(self._evaluate(rows)), likely=False):
                builder.branch(end)
            self._update(rows)
        # After an odd number of steps what was last written has to go where it came from.
        odd = builder.trunc(builder.load(self.steps), ir.IntType(1))
        with builder.if_then(odd):
            size = self._field(Batches.VECTOR_BYTES)
            for now, new in zip(self.now, self.new):
                self._copy(self._word(self.updated, new), self._word(self.updated, now), size)
            self._swap()
        builder.ret(builder.load(self.total))

    def _gather(self, start: ir.Value, rows: ir.Value) -> None:
        """Rows of the data into the batch; no other code depends on what a row holds."""
        builder = self.builder
        for number in range(self.shape.gathered):
            source, size = (self._field(field + 2 * number) for field in (Batches.FIRST_SOURCE, Batches.FIRST_ROW))
            target = self._word(self.evaluated, 1 + number)
            with counted(builder, rows) as (at, _):
                row = builder.load(builder.gep(self.order, [builder.add(start, at)]))
                place, found = (builder.mul(number, size) for number in (at, row))
                self._copy(builder.add(target, place), builder.add(source, found), size)

    def _evaluate(self, rows: ir.Value) -> ir.Value:
        """The first function on a batch, its value added to the total; gives whether it is finite."""
        builder = self.builder
        if self.shape.counted is not None:
            rows_before = builder.load(builder.gep(self.counters, [INT(1)]))
            self._put(self.evaluated, 1 + self.shape.gathered + self.shape.counted, rows_before)
        # Behind the parameters, the rows, the numbers and the gradient.
        self._put(self.evaluated, self.shape.gathered + self.shape.scalars + 2, rows)
        fits = builder.icmp_signed("!=", self._call(Batches.EVALUATE, self.evaluated), INT(0))
        builder.store(builder.zext(builder.not_(fits), INT), builder.gep(self.record, [INT(Batches.REFUSED)]))
        value = builder.select(fits, builder.load(self.results), self.real(float("nan")))
        if self.real != DOUBLE:
            value = builder.fpext(value, DOUBLE)
        # No fast flag: the total is that of a loop in Python, to the last bit.
        weighted = builder.fmul(value, builder.sitofp(rows, DOUBLE))
        builder.store(builder.fadd(builder.load(self.total), weighted), self.total)
        return builder.fcmp_ordered("==", builder.fsub(value, value), DOUBLE(0.0))

    def _update(self, rows: ir.Value) -> None:
        builder = self.builder
        builder.store(builder.add(builder.load(self.steps), INT(1)), self.steps)
        made = []
        for number, more in enumerate((INT(1), rows)):
            place = builder.gep(self.counters, [INT(number)])
            made.append(builder.add(builder.load(place), more))
            builder.store(made[-1], place)
        step = builder.bitcast(builder.gep(self.updated, [INT(self.step)]), self.real.as_pointer())
        builder.store(builder.sitofp(made[0], self.real), step)
        self._call(Batches.UPDATE, self.updated)
        self._swap()

    def _swap(self) -> None:
        """What was written is read next, and the other way round."""
        for now, new in zip(self.now, self.new):
            read, written = self._word(self.updated, now), self._word(self.updated, new)
            self._put(self.updated, now, written)
            self._put(self.updated, new, read)
        self._put(self.evaluated, 0, self._word(self.updated, 0))

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _call(self, function: Batches, table: ir.Value) -> ir.Value:
        """Call a function with its table and its workspace."""
        signature = ir.FunctionType(INT, [INT.as_pointer(), BYTE, self.real.as_pointer()])
        address = self.builder.inttoptr(self._field(function), signature.as_pointer())
        workspace = self.builder.inttoptr(self._field(function + 2), BYTE)
        return self.builder.call(address, [table, workspace, self.results])

    def _copy(self, target: ir.Value, source: ir.Value, size: ir.Value) -> None:
        to, origin = (self.builder.inttoptr(address, BYTE) for address in (target, source))
        copy_bytes(self.builder, to, origin, size)

    def _field(self, field: int) -> ir.Value:
        return self._word(self.record, field)

    def _word(self, table: ir.Value, number: int) -> ir.Value:
        return self.builder.load(self.builder.gep(table, [INT(number)]))

    def _put(self, table: ir.Value, number: int, value: ir.Value) -> None:
        self.builder.store(value, self.builder.gep(table, [INT(number)]))

    def _pointer(self, address: ir.Value) -> ir.Value:
        return self.builder.inttoptr(address, INT.as_pointer())
