"""Vector code as one function with the calling convention of C, in a module that becomes an object file.

``int name(extents, arguments, results, workspace)``, as the header of C code declares it: lengths are ``ptrdiff_t``,
integers ``int64_t``, numbers come by value, arrays and results as addresses, and the answer is 0 or the number of the
first parameter out of its range. What it calls besides is in libm, or ``memcpy`` and ``memset``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from llvmlite import ir

from codegen.emit.c.function import CFunction
from codegen.emit.control import on_stack
from codegen.emit.instructions import Function, begun
from codegen.emit.lanes import FORMATS
from codegen.emit.layout import Slot
from codegen.emit.vector.checks import Checks
from codegen.emit.vector.functions import ProgramFunctions
from codegen.emit.vector.table import Table
from codegen.emit.vector.values import BYTE, INT
from codegen.walk import Extent

INT32 = ir.IntType(32)


def workspace(table: Table) -> tuple[tuple[Extent, ...], ...]:
    """The shapes of what a workspace has to hold, rounding and alignment included."""
    regions = [r for plan in table.plans for part in (plan.shared, plan.private, plan.scratch) for r in part.values()]
    varying = [r for r in regions if not all(isinstance(n, int) for n in r.shape)]
    fixed = sum((prod((r.lanes, *map(int, r.shape))) + 15) & -16 for r in regions if r not in varying)
    return (
        (fixed + 16 * len(varying) + 64 // table.item,),
        *((r.lanes, *r.shape) for r in varying),
    )


def module(function: CFunction, table: Table, triple: str, data_layout: str, pointer_bytes: int) -> str:
    """The module of a function, in LLVM's language."""
    made = ir.Module(function.name)
    made.triple, made.data_layout = triple, data_layout
    _Relocatable(made, function, table, ir.IntType(8 * pointer_bytes)).define()
    return str(made)


@dataclass(frozen=True)
class _Relocatable:
    module: ir.Module
    function: CFunction
    table: Table
    length: ir.Type
    """``ptrdiff_t``."""

    def define(self) -> None:
        layout = self.function.layout
        real = FORMATS[self.function.dtype].real
        run = ProgramFunctions(self.module, self.table, f"{self.function.name}.program").run()
        kinds = [self.length] * len(self.function.extents)
        for slot in layout.arguments:
            element = self.table.element(slot)
            kinds.append(element.as_pointer() if slot.shape else element)
        kinds += [real.as_pointer()] * (len(layout.results) + 1)
        defined = Function(self.module, ir.FunctionType(INT32, kinds), self.function.name)
        defined.return_value.add_attribute("signext")  # as C on RISC-V returns an int
        builder = begun(defined)
        lengths = [
            builder.sext(a, INT) if self.length != INT else a for a in defined.args[: len(self.function.extents)]
        ]
        rest = defined.args[len(lengths) :]
        given = {slot.name: value for slot, value in zip(layout.arguments, rest)}
        results = {slot.name: value for slot, value in zip(layout.results, rest[len(given) :])}
        for number, value in enumerate(lengths, 1):
            self._checks(builder, number).require(builder.icmp_signed(">", value, INT(0)))
        words = self._words(builder, {**self._constants(), **given, **results}, lengths)
        for number, slot in enumerate(layout.arguments, len(lengths) + 1):
            self._checks(builder, number).integer(self.table, words, self.table.slots.index(slot))
        self.table.put_workspaces(builder, words, builder.bitcast(rest[-1], BYTE))
        scalars = on_stack(builder, real, size=INT(max(len(layout.scalars), 1)))
        builder.call(run, [words, scalars])
        for number, slot in enumerate(layout.scalars):
            builder.store(builder.load(builder.gep(scalars, [INT(number)])), results[slot.name])
        builder.ret(INT32(0))

    def _checks(self, builder: ir.IRBuilder, number: int) -> Checks:
        """Conditions of a parameter: the function answers with its number where one fails."""
        refuse = builder.append_basic_block("refuse")
        with builder.goto_block(refuse):
            builder.ret(INT32(number))
        return Checks(builder, refuse)

    def _words(self, builder: ir.IRBuilder, values: Mapping[str, ir.Value], lengths: list[ir.Value]) -> ir.Value:
        words = on_stack(builder, INT, size=INT(self.table.words))
        for number, slot in enumerate(self.table.slots):
            self.table.put(builder, words, number, values[slot.name])
        self.table.put_extents(builder, words, dict(zip(self.function.extents, lengths)))
        return words

    def _constants(self) -> Mapping[str, ir.Value]:
        return dict(self._constant(slot) for slot in self.table.slots if slot.name in self.function.constants)

    def _constant(self, slot: Slot) -> tuple[str, ir.Value]:
        """An input whose values stand in the object."""
        values: np.ndarray = self.function.constants[slot.name]
        element = self.table.element(slot)
        numbers = [element(value) for value in values.ravel().tolist()]
        if not slot.shape:
            return slot.name, numbers[0]
        kind = ir.ArrayType(element, len(numbers))
        place = ir.GlobalVariable(self.module, kind, f"{self.function.name}.{len(self.module.globals)}")
        place.linkage, place.global_constant, place.align = "internal", True, 64
        place.initializer = ir.Constant(kind, numbers)
        return slot.name, place
