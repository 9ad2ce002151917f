"""The generated module of the vector emitter: checked entry points in Python, the work in intrinsics.

The readable program of :mod:`codegen.emit.numba` stands in the docstring; what runs are the segments, which LLVM gets
as explicit vectors. Numba types one statement a segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from sympy import Symbol

from codegen.emit.layout import Layout
from codegen.emit.numba import PREAMBLE, Dtype, Functions, describe, functions
from codegen.emit.text import escape
from codegen.emit.vector.nodes import evaluate
from codegen.emit.vector.plan import Plan, Region
from codegen.emit.vector.values import INT
from codegen.emit.vector.writer import Writer
from codegen.graph import Variable
from codegen.schedule.program import Contract, Place


def emit_vector(plan: Plan, layout: Layout) -> str:
    """The source of a module with ``run``, ``fill`` and ``kernel``; it expects ``segment0``, … in its namespace."""
    program, dtype = plan.program, plan.dtype
    return "\n".join(
        [
            '"""' + describe(program, layout, dtype),
            "",
            f"What runs is the following program with {plan.width} lanes, as vector instructions:",
            "",
            *(f"    {line}" for line in functions(program, layout, dtype).replace('"""', "'''").splitlines()),
            '"""',
            "",
            PREAMBLE + "\n".join(_VectorFunctions(plan, layout, dtype).lines()),
            "",
        ]
    )


def segments(plan: Plan, layout: Layout) -> Mapping[str, Any]:
    """The intrinsics that a module of :func:`emit_vector` needs, by name."""
    return {f"segment{n}": _segment(plan, layout, n) for n, body in enumerate(plan.segments) if body}


def _segment(plan: Plan, layout: Layout, number: int) -> Any:
    @intrinsic
    def segment(typing_context: Any, arrays: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            parts = cgutils.unpack_tuple(builder, values[0])
            pointers, extents = _unpack(context, builder, layout, arrays.types, parts)
            work = context.make_array(arrays.types[-1])(context, builder, parts[-1]).data
            writer = Writer(builder, plan, pointers, extents, work, evaluate)
            writer.block(plan.segments[number], {})
            return context.get_dummy_value()

        return types.void(arrays), generate

    return segment


def _unpack(
    context: Any, builder: ir.IRBuilder, layout: Layout, kinds: Any, values: Any
) -> tuple[dict[str, ir.Value], dict[Symbol, ir.Value]]:
    """Pointers to (or, of scalar arguments, values of) the inputs and outputs by name, and the symbolic extents."""
    found: dict[str, ir.Value] = {}
    extents: dict[Symbol, ir.Value] = {}
    for slot, kind, value in zip((*layout.arguments, *layout.arrays), kinds, values):
        if not slot.shape:
            found[slot.variables[0].name] = value
            continue
        array = context.make_array(kind)(context, builder, value)
        for n, length in zip(slot.shape, cgutils.unpack_tuple(builder, array.shape)):
            if not isinstance(n, int):
                extents.setdefault(n, length)
        for variable, offset in zip(slot.variables, slot.offsets if slot.packed else (0,)):
            pointer = builder.gep(array.data, [INT(offset)])
            scalar_argument = not variable.shape and slot in layout.arguments
            found[variable.name] = builder.load(pointer) if scalar_argument else pointer
    return found, extents


class _VectorFunctions(Functions):
    """The entry points around the segments."""

    def __init__(self, plan: Plan, layout: Layout, dtype: Dtype) -> None:
        super().__init__(plan.program, layout, dtype)
        self.plan = plan

    def body(self) -> Iterator[str]:
        """The segments with the matrix products between them."""
        yield from (f"    {line}" for line in self.extents())
        contractions = [s for s in self.program.statements if isinstance(s, Contract)]
        if contractions:
            for slot in (*self.layout.arguments, *self.layout.arrays):
                yield from (f"    {line}" for line in self.unpack(slot))
            yield from (f"    {line}" for line in self.work_arrays(contractions))
        everything = ", ".join([*self.parameters()[0], *self.parameters()[1], "work"])
        for number, segment in enumerate(self.plan.segments):
            if segment:
                yield f"    segment{number}(({everything},))"
            if number < len(contractions):
                yield f"    # {escape(str(contractions[number].equation))}"
                yield f"    {self.contraction(contractions[number])}"

    def work_arrays(self, contractions: list[Contract]) -> Iterator[str]:
        """Views of the work arrays that matrix products read and write."""
        used = [e for c in contractions for e in (c.left, c.right, c.equation.target)]
        storages = (self.program.storage_of(reference) for reference in used)
        for number in sorted({s.number for s in storages if s.place is Place.WORK}):
            region = self.plan.region_of_work(number)
            shape = self.plan.regions[region].shape
            start = " + ".join(self.region_size(r) for r in self.plan.regions[:region])
            view = f"work[{start}:{start} + {self.size_text(shape)}]"
            yield f"w{number} = {view}.reshape({self.shape_text(shape)})"

    def region_size(self, region: Region) -> str:
        """The numbers that a region takes, whole vectors of 64 bytes."""
        return f"(({region.lanes}*{self.size_text(region.shape)} + 15) & -16)"

    def scalar_text(self, variable: Variable) -> str:
        """The segments leave scalar results in the first region."""
        storage = self.program.storage_of(variable.symbol)
        local = storage.place is Place.LOCAL
        return f"work[{self.plan.shared[storage.number]}]" if local else self.array(variable)

    def allocate(self) -> Iterator[str]:
        """A workspace that begins at a multiple of 64 bytes."""
        item = 8 if self.dtype == "float64" else 4
        sizes = " + ".join(self.region_size(region) for region in self.plan.regions)
        yield f"size = {sizes}"
        yield f"block = np.empty(size + {64 // item}, np.{self.dtype})"
        yield f"start = (-block.ctypes.data & 63) // {item}"
        yield "work = block[start:start + size]"
