"""The functions that a program becomes: before the samples, over some of them, after them, and all of it in order."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from llvmlite import ir
from numba.core import cgutils

from codegen.emit.lanes import FORMATS, Lanes
from codegen.emit.vector.nodes import evaluate
from codegen.emit.vector.plan import segments
from codegen.emit.vector.table import Table
from codegen.emit.vector.values import INT
from codegen.emit.vector.writer import Writer, lay_out
from codegen.graph import Reduction
from codegen.schedule.program import Place, Samples, Storage

VOID = ir.VoidType()


@dataclass(frozen=True)
class Functions:
    """Defines the functions of a program in one LLVM module, as internal symbols that begin with ``symbol``."""

    module: ir.Module
    table: Table
    symbol: str

    def run(self) -> ir.Function:
        """``run(table, results)``: everything; the scalar results go to ``results``."""
        words, number = INT.as_pointer(), self._real.as_pointer()
        before, samples, after = segments(self.table.plan.program)
        function, builder = self._function("run", [words, number])
        table, results = function.args
        if before:
            self._straight("before", before, builder, [table])
        if samples is not None:
            self._all_samples(samples, builder, table)
        self._straight("after", after, builder, [table, results])
        builder.ret_void()
        return function

    @property
    def _real(self) -> ir.Type:
        return FORMATS[self.table.plan.dtype].real

    def _function(self, name: str, parameters: list[ir.Type]) -> tuple[ir.Function, ir.IRBuilder]:
        function = ir.Function(self.module, ir.FunctionType(VOID, parameters), f"{self.symbol}_{name}")
        function.linkage = "internal"
        return function, ir.IRBuilder(function.append_basic_block("entry"))

    def _straight(self, name: str, statements: tuple, caller: ir.IRBuilder, arguments: list[ir.Value]) -> None:  # type: ignore[type-arg]
        """A function of statements without samples; with ``results``, the last one, which leaves them there."""
        function, builder = self._function(name, [a.type for a in arguments])
        names = self.table.names(builder, function.args[0])
        writer = Writer(builder, self.table.plan, names, evaluate)
        writer.block(statements, {})
        if len(arguments) == 2:
            self._results(writer, function.args[1])
        builder.ret_void()
        caller.call(function, arguments)

    def _results(self, writer: Writer, results: ir.Value) -> None:
        """Scalar results to their places, alone or inside packed arrays."""
        layout, graph = self.table.layout, self.table.plan.program.graph
        for number, slot in enumerate(layout.scalars):
            value = writer.load(graph.variable(slot.name).symbol, {})
            writer.builder.store(value.llvm, writer.builder.gep(results, [INT(number)]))
        for slot in layout.arrays:
            for variable in slot.variables if slot.packed else ():
                if not variable.shape:
                    writer.builder.store(writer.load(variable.symbol, {}).llvm, writer.names.arrays[variable.name])

    # --- samples ----------------------------------------------------------------------------------------------------

    def some(self, samples: Samples) -> ir.Function:
        """``some(table, first, last, private, sums)``: the samples from ``first`` to before ``last``."""
        plan, number = self.table.plan, self._real.as_pointer()
        function, builder = self._function("some", [INT.as_pointer(), INT, INT, number, number.as_pointer()])
        table, first, last, private, sums = function.args
        places = {s: builder.load(builder.gep(sums, [INT(n)])) for n, s in enumerate(plan.sums)}
        writer = Writer(builder, plan, self.table.names(builder, table, private), evaluate, places)
        writer.samples(samples, first, last)
        builder.ret_void()
        return function

    def _all_samples(self, samples: Samples, builder: ir.IRBuilder, table: ir.Value) -> None:
        """One chunk after the other; the sums of each are added to those of the chunks before."""
        some = self.some(samples)
        private = self.table.space(builder, table, "private")
        n, chunk = self.table.samples(builder, table), INT(samples.chunk)
        several = builder.icmp_signed("<", chunk, n)
        final = self._sum_places(builder, table)
        builder.call(some, [table, INT(0), builder.select(several, chunk, n), private, final])
        with builder.if_then(several, likely=False):
            part = self._scratch_places(builder, table)
            add = self._combine()
            with cgutils.for_range_slice(builder, chunk, n, chunk, intp=INT) as (first, _):
                left = builder.sub(n, first)
                size = builder.select(builder.icmp_signed("<", chunk, left), chunk, left)
                builder.call(some, [table, first, builder.add(first, size), private, part])
                builder.call(add, [final, part])

    def _sum_places(self, builder: ir.IRBuilder, table: ir.Value) -> ir.Value:
        """Pointers to what the samples are summed into."""
        plan = self.table.plan
        names = self.table.names(builder, table)
        shared = lay_out(builder, plan.shared, names.extents, names.shared)
        outputs = {s: name for (name, _), s in plan.program.storage.items() if s.place is Place.OUTPUT}

        def place(storage: Storage) -> ir.Value:
            if storage.place is Place.LOCAL:
                return builder.gep(shared["locals"], [INT(plan.shared_locals[storage.number])])
            return names.arrays[outputs[storage]] if storage.place is Place.OUTPUT else shared[storage.number]

        return self._pointers(builder, [place(s) for s in plan.sums])

    def _scratch_places(self, builder: ir.IRBuilder, table: ir.Value) -> ir.Value:
        """Pointers to the sums of another chunk; elements of theirs that nothing is summed into change nothing."""
        plan, scratch = self.table.plan, self.table.space(builder, table, "scratch")
        places = lay_out(builder, plan.scratch, {}, scratch)
        for storage in plan.sums:
            neutral = Lanes(builder, 1, plan.dtype).real(plan.neutral(storage))
            with cgutils.for_range(builder, INT(_size(storage)), intp=INT) as loop:
                builder.store(neutral, builder.gep(places[storage], [loop.index]))
        return self._pointers(builder, [places[storage] for storage in plan.sums])

    def _pointers(self, builder: ir.IRBuilder, pointers: list[ir.Value]) -> ir.Value:
        array = cgutils.alloca_once(builder, self._real.as_pointer(), size=INT(max(len(pointers), 1)))
        for number, pointer in enumerate(pointers):
            builder.store(pointer, builder.gep(array, [INT(number)]))
        return array

    def _combine(self) -> ir.Function:
        """``combine(sums, more)``: the sums of one chunk of samples added to, or for maxima compared with, others."""
        pointers = self._real.as_pointer().as_pointer()
        function, builder = self._function("combine", [pointers, pointers])
        for number, storage in enumerate(self.table.plan.sums):
            total, more = (builder.load(builder.gep(a, [INT(number)])) for a in function.args)
            self._add(builder, storage, total, more)
        builder.ret_void()
        return function

    def _add(self, builder: ir.IRBuilder, storage: Storage, total: ir.Value, more: ir.Value) -> None:
        plan = self.table.plan
        size = _size(storage)
        whole = size - size % plan.native
        for lanes, first, last in ((plan.native, 0, whole), (1, whole, size)):
            vector = Lanes(builder, lanes, plan.dtype)
            combine = vector.larger if plan.reduction(storage) is Reduction.MAX else vector.add
            with cgutils.for_range_slice(builder, INT(first), INT(last), INT(lanes), intp=INT) as (i, _):
                place, other = builder.gep(total, [i]), builder.gep(more, [i])
                vector.store(combine(vector.load(place), vector.load(other)), place)


def _size(storage: Storage) -> int:
    """The elements of what samples are summed into; none of its axes is one of samples."""
    return prod(int(str(n)) for n in storage.shape)
