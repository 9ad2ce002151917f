"""The functions that a program becomes: before the samples, over some of them, after them, and all of it in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from llvmlite import ir
from sympy import Symbol

from codegen.cached import cached_property
from codegen.emit.control import counted, on_stack, value_on_stack
from codegen.emit.instructions import Function, begun
from codegen.emit.lanes import FORMATS, Lanes
from codegen.emit.vector.kernels import emit_kernel, matrix_product
from codegen.emit.vector.memory import lay_out, region_size
from codegen.emit.vector.nodes import evaluate
from codegen.emit.vector.plan import Plan, StraightPlan, pieces, segments
from codegen.emit.vector.routines import emit_routine
from codegen.emit.vector.straight import StraightFunctions
from codegen.emit.vector.table import Table
from codegen.emit.vector.values import INT, length
from codegen.emit.vector.writer import COMBINED, Forms, Writer
from codegen.schedule.program import Place, Samples, Statement, Storage

FORMS = Forms(evaluate, emit_kernel, matrix_product, emit_routine)
VOID = ir.VoidType()
INLINE = "alwaysinline"
"""For short functions: without their calls 2-16-3 with one sample takes 3 to 8 % less."""


@dataclass(frozen=True)
class ProgramFunctions:
    """Defines the functions of a program in one LLVM module, as internal symbols that begin with ``symbol``."""

    module: ir.Module
    table: Table
    symbol: str

    @property
    def plan(self) -> Plan:
        plan = self.table.plan
        assert isinstance(plan, Plan)
        return plan

    def run(self) -> ir.Function:
        """``run(table, results)``: everything; the scalar results go to ``results``."""
        function, builder = self._function("run", [INT.as_pointer(), self._real.as_pointer()])
        table, results = function.args
        if self.table.few is not None and (some := self.table.few.samples) is not None:
            few = ProgramFunctions(self.module, Table(self.table.few, self.table.layout), f"{self.symbol}_few").run()
            few.attributes.add(INLINE)
            with builder.if_then(builder.icmp_signed("<=", self.table.samples(builder, table), INT(some.most))):
                builder.call(few, [table, results])
                builder.ret_void()
        self._before(builder, table)
        if (samples := self.plan.samples) is not None:
            self._all_samples(samples, builder, table)
        self._after(builder, table, results)
        builder.ret_void()
        return function

    # --- for several threads ------------------------------------------------------------------------------------------

    def part(self, builder: ir.IRBuilder, table: ir.Value, number: ir.Value, private: ir.Value) -> None:
        """What comes before the samples for −1, else the chunk of this number, its sums in a scratch of its own."""
        samples = self.plan.samples
        with builder.if_else(builder.icmp_signed("<", number, INT(0))) as (first, chunk):
            with first:
                self._before(builder, table)
            with chunk:
                if samples is not None:
                    size, n = self.table.chunk(builder, table), self.table.samples(builder, table)
                    start = builder.mul(number, size)
                    stop = builder.add(start, size)
                    stop = builder.select(builder.icmp_signed("<", stop, n), stop, n)
                    sums = self._sums_of(builder, table, number, clear=True)
                    own = builder.inttoptr(private, self._real.as_pointer())
                    builder.call(self.some, [table, start, stop, own, sums])

    def finish(self, builder: ir.IRBuilder, table: ir.Value, results: ir.Value) -> None:
        """Add the sums of all chunks in their order, and what follows."""
        samples = self.plan.samples
        if samples is not None:
            chunks = self.table.chunks(builder, table)
            final = self._sum_places(builder, table)
            with counted(builder, chunks, INT(1), INT(1)) as (number, _):
                builder.call(self.combine, [table, final, self._sums_of(builder, table, number, clear=False)])
        self._after(builder, table, results)

    def _sums_of(self, builder: ir.IRBuilder, table: ir.Value, number: ir.Value, clear: bool) -> ir.Value:
        """Where the chunk of this number leaves its sums: in place for the first, else in scratch of its own."""
        places = value_on_stack(builder, self._sum_places(builder, table))
        with builder.if_then(builder.icmp_signed(">", number, INT(0))):
            size: ir.Value = INT(0)
            extents = self.table.extents(builder, table)
            for region in self.plan.scratch.values():
                size = builder.add(size, region_size(builder, region, extents))
            scratch = self.table.space(builder, table, "scratch")
            own = builder.gep(scratch, [builder.mul(size, builder.sub(number, INT(1)))])
            builder.store(self._scratch_places(builder, table, own, clear), places)
        return builder.load(places)

    @property
    def _real(self) -> ir.Type:
        return FORMATS[self.plan.dtype].real

    def _function(self, name: str, parameters: list[ir.Type]) -> tuple[ir.Function, ir.IRBuilder]:
        function = Function(self.module, ir.FunctionType(VOID, parameters), f"{self.symbol}_{name}")
        function.linkage = "internal"
        return function, begun(function)

    def _before(self, caller: ir.IRBuilder, table: ir.Value) -> None:
        """Call what comes before the samples, if anything does."""
        for piece in self.before:
            caller.call(piece, [table])

    def _after(self, caller: ir.IRBuilder, table: ir.Value, results: ir.Value) -> None:
        """Call what comes after the samples, and leave the scalar results."""
        *pieces, last = self.after
        for piece in pieces:
            caller.call(piece, [table])
        caller.call(last, [table, results])

    @cached_property
    def before(self) -> list[ir.Function]:
        """``before(table)``, in pieces if they are many: the statements before the samples."""
        return self._pieces("before", pieces(segments(self.plan.program)[0]))

    @cached_property
    def after(self) -> list[ir.Function]:
        """The same of the statements after the samples; ``after(table, results)``, the last, has the scalar results."""
        *first, last = pieces(segments(self.plan.program)[2]) or [()]
        function, builder = self._function("after", [INT.as_pointer(), self._real.as_pointer()])
        function.attributes.add(INLINE)
        table, results = function.args
        writer = Writer(builder, self.plan, self.table.names(builder, table), FORMS)
        writer.block(last, {})
        self._results(writer, results)
        builder.ret_void()
        return [*self._pieces("after", first), function]

    def _pieces(self, name: str, found: Sequence[Sequence[Statement]]) -> list[ir.Function]:
        functions = []
        for number, statements in enumerate(found):
            function, builder = self._function(f"{name}_{number}", [INT.as_pointer()])
            function.attributes.add(INLINE if len(found) == 1 else "noinline")
            names = self.table.names(builder, function.args[0])
            Writer(builder, self.plan, names, FORMS).block(statements, {})
            builder.ret_void()
            functions.append(function)
        return functions

    def _results(self, writer: Writer, results: ir.Value) -> None:
        """Scalar results to their places, alone or inside packed arrays."""
        layout, graph = self.table.layout, self.plan.program.graph
        for number, slot in enumerate(layout.scalars):
            value = writer.load(graph.variable(slot.name).symbol, {})
            writer.builder.store(value.llvm, writer.builder.gep(results, [INT(number)]))
        for slot in layout.arrays:
            for variable in slot.variables if slot.packed else ():
                if not variable.shape:
                    writer.builder.store(writer.load(variable.symbol, {}).llvm, writer.names.arrays[variable.name])

    # --- samples ----------------------------------------------------------------------------------------------------

    @cached_property
    def some(self) -> ir.Function:
        """``some(table, first, last, private, sums)``: the samples from ``first`` to before ``last``."""
        plan, number = self.plan, self._real.as_pointer()
        function, builder = self._function("some", [INT.as_pointer(), INT, INT, number, number.as_pointer()])
        table, first, last, private, sums = function.args
        places = {s: builder.load(builder.gep(sums, [INT(n)])) for n, s in enumerate(plan.sums)}
        writer = Writer(builder, plan, self.table.names(builder, table, private), FORMS, places)
        samples = plan.samples
        assert samples is not None
        writer.samples(samples, first, last)
        builder.ret_void()
        return function

    def _all_samples(self, samples: Samples, builder: ir.IRBuilder, table: ir.Value) -> None:
        """One chunk after the other; the sums of each are added to those of the chunks before."""
        private = self.table.space(builder, table, "private")
        if samples.most is not None:  # so few are one chunk
            n = self.table.samples(builder, table)
            builder.call(self.some, [table, INT(0), n, private, self._sum_places(builder, table)])
            return
        n, chunk = self.table.samples(builder, table), self.table.chunk(builder, table)
        several = builder.icmp_signed("<", chunk, n)
        final = self._sum_places(builder, table)
        builder.call(self.some, [table, INT(0), builder.select(several, chunk, n), private, final])
        with builder.if_then(several, likely=False):
            part = self._scratch_places(builder, table, self.table.space(builder, table, "scratch"), clear=True)
            with counted(builder, n, chunk, chunk) as (first, _):
                left = builder.sub(n, first)
                size = builder.select(builder.icmp_signed("<", chunk, left), chunk, left)
                builder.call(self.some, [table, first, builder.add(first, size), private, part])
                builder.call(self.combine, [table, final, part])

    def _sum_places(self, builder: ir.IRBuilder, table: ir.Value) -> ir.Value:
        """Pointers to what the samples are summed into."""
        plan = self.plan
        names = self.table.names(builder, table)
        shared = lay_out(builder, plan.shared, names.extents, names.shared)
        outputs = {s: name for (name, _), s in plan.program.storage.items() if s.place is Place.OUTPUT}

        def place(storage: Storage) -> ir.Value:
            if storage.place is Place.LOCAL:
                return builder.gep(shared["locals"], [INT(plan.shared_locals[storage.number])])
            return names.arrays[outputs[storage]] if storage.place is Place.OUTPUT else shared[storage.number]

        return self._pointers(builder, [place(s) for s in plan.sums])

    def _scratch_places(self, builder: ir.IRBuilder, table: ir.Value, scratch: ir.Value, clear: bool) -> ir.Value:
        """Pointers to the sums of another chunk; elements of theirs that nothing is summed into change nothing."""
        plan = self.plan
        extents = self.table.extents(builder, table)
        places = lay_out(builder, plan.scratch, extents, scratch)
        for storage in plan.sums if clear else ():
            neutral = Lanes(builder, 1, plan.dtype).real(float(plan.reduction(storage).neutral))
            with counted(builder, _size(builder, storage, extents)) as (place, _):
                builder.store(neutral, builder.gep(places[storage], [place]))
        return self._pointers(builder, [places[storage] for storage in plan.sums])

    def _pointers(self, builder: ir.IRBuilder, pointers: list[ir.Value]) -> ir.Value:
        array = on_stack(builder, self._real.as_pointer(), size=INT(max(len(pointers), 1)))
        for number, pointer in enumerate(pointers):
            builder.store(pointer, builder.gep(array, [INT(number)]))
        return array

    @cached_property
    def combine(self) -> ir.Function:
        """``combine(table, sums, more)``: the sums of one chunk added to, or for maxima compared with, others."""
        pointers = self._real.as_pointer().as_pointer()
        function, builder = self._function("combine", [INT.as_pointer(), pointers, pointers])
        function.attributes.add("noinline")  # once a chunk
        table, *places = function.args
        extents = self.table.extents(builder, table)
        for number, storage in enumerate(self.plan.sums):
            total, more = (builder.load(builder.gep(a, [INT(number)])) for a in places)
            self._add(builder, storage, _size(builder, storage, extents), total, more)
        builder.ret_void()
        return function

    def _add(self, builder: ir.IRBuilder, storage: Storage, size: ir.Value, total: ir.Value, more: ir.Value) -> None:
        plan = self.plan
        whole = builder.and_(size, INT(-plan.native))
        for lanes, first, last in ((plan.native, INT(0), whole), (1, whole, size)):
            vector = Lanes(builder, lanes, plan.dtype)
            combine = COMBINED[plan.reduction(storage)].totals
            with counted(builder, last, first, INT(lanes)) as (i, _):
                place, other = builder.gep(total, [i]), builder.gep(more, [i])
                vector.store(combine(vector, vector.load(place), vector.load(other)), place)


def functions_of(module: ir.Module, table: Table, symbol: str) -> ProgramFunctions | StraightFunctions:
    """What defines the functions of a program."""
    kind = StraightFunctions if isinstance(table.plan, StraightPlan) else ProgramFunctions
    return kind(module, table, symbol)


def _size(builder: ir.IRBuilder, storage: Storage, extents: Mapping[Symbol, ir.Value]) -> ir.Value:
    """The elements of what samples are summed into; none of its axes is one of samples."""
    return reduce(builder.mul, [length(builder, n, extents) for n in storage.shape], INT(1))
