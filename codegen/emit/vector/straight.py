"""Straight-line code as text in LLVM's language: a function a block, and one that calls them in order.

An instruction takes some microseconds to write, where builders of instructions as objects take tens. Functions of one
kind are called for a vector of numbers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir
from sympy.core.basic import Basic

from codegen.dtypes import ITEM, Dtype
from codegen.emit import special_forms, vectormath
from codegen.emit.instructions import Function, begun, function_of
from codegen.emit.lanes import FORMATS, Lanes
from codegen.emit.vector.assembly import Assembly, Call, Element, places
from codegen.emit.vector.plan import StraightPlan
from codegen.emit.vector.table import Table
from codegen.emit.vector.values import INT
from codegen.functions import power
from codegen.ir.cells import Cell
from codegen.schedule.line import CALL, CALL_SIZE, LEAVES, TRUTH, Group, Value, is_called

INLINED = 4000
"""Functions are part of the code that calls them up to so many instructions in all."""
PLAIN = "plain"
"""The attribute of functions that only have arithmetic, where there is nothing for LLVM to simplify."""


class _Written(ir.Function):  # type: ignore[misc]
    """A function whose definition is text."""

    text = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class StraightFunctions:
    """Defines the functions of straight-line code in a module, as internal symbols that begin with ``symbol``."""

    module: ir.Module
    table: Table
    symbol: str

    def run(self) -> ir.Function:
        """``run(table, results)``: everything; the scalar results go to ``results``."""
        name = f"{self.symbol}_run"
        if name in self.module.globals:
            return self.module.globals[name]
        plan = self.table.plan
        assert isinstance(plan, StraightPlan)
        real = FORMATS[plan.dtype].real
        function = _Written(self.module, ir.FunctionType(ir.VoidType(), [INT.as_pointer(), real.as_pointer()]), name)
        writer = _Text(self.module, self.table, plan, self.symbol)
        function.text = writer.text() if plan.assembly is None else writer.assembled(plan.assembly)
        return function

    def part(self, builder: ir.IRBuilder, table: ir.Value, number: ir.Value, private: ir.Value) -> None:
        """Nothing: there are no samples."""

    def finish(self, builder: ir.IRBuilder, table: ir.Value, results: ir.Value) -> None:
        builder.call(self.run(), [table, results])


class _Text:
    """The blocks of a program and the function that calls them, as text."""

    def __init__(self, module: ir.Module, table: Table, plan: StraightPlan, symbol: str) -> None:
        self.module, self.table, self.plan, self.line, self.symbol = module, table, plan, plan.line, symbol
        self.lanes = Lanes(None, 1, plan.dtype)
        self.dtype, self.native, self.item = plan.dtype, plan.native, ITEM[plan.dtype]
        self.real = str(FORMATS[plan.dtype].real)
        self.suffix = FORMATS[plan.dtype].suffix
        self.places = places(table.layout)
        calls = [group for group in plan.line.groups if plan.line.code.kinds[group[0]] == CALL]
        self.inlined = plan.assembly is None and len(calls) * CALL_SIZE <= INLINED
        self.arrays = [number for number, slot in enumerate(table.slots) if slot.shape]
        self.block: list[str] = []
        self.known: dict[Value, str] = {}
        self.fresh = 0

    def text(self) -> str:
        """All functions."""
        names = ["%words", "%work", "%results", *(f"%a{number}" for number in self.arrays)]
        parameters = ", ".join(f"ptr noalias {name}" for name in names)
        blocks, self.slots = self.plan.blocks.blocks, self.plan.blocks.slots
        single = len(blocks) == 1
        lines: list[str] = []
        for number, block in enumerate(blocks):
            attribute = "alwaysinline" if single else "noinline"
            if not any(self.line.code.kinds[group[0]] == CALL for group in block):
                attribute += f' "{PLAIN}"'
            lines.append(f"define internal void @{self.symbol}_block{number}({parameters}) {attribute} nounwind {{")
            lines += self.body(block)
            lines.append("  ret void\n}")
        lines.append(f"define internal void @{self.symbol}_run(ptr %words, ptr %results) nounwind {{")
        for name, word in [
            ("%work", self.table.workspace_word("shared")),
            *((f"%a{number}", number) for number in self.arrays),
        ]:
            label = name[1:]
            lines.append(f"  %p.{label} = getelementptr i64, ptr %words, i64 {word}")
            lines.append(f"  %i.{label} = load i64, ptr %p.{label}")
            lines.append(f"  {name} = inttoptr i64 %i.{label} to ptr")
        arguments = ", ".join(f"ptr {name}" for name in names)
        lines += [f"  call void @{self.symbol}_block{number}({arguments})" for number in range(len(blocks))]
        lines.append("  ret void\n}")
        return "\n".join(lines)

    # --- a block --------------------------------------------------------------------------------------------------

    def body(self, block: Sequence[Group]) -> list[str]:
        """The instructions of one block."""
        self.block, self.known, self.fresh = [], {}, 0
        code, slots, stores = self.line.code, self.slots, self.line.stores
        for group in block:
            if code.kinds[group[0]] == CALL:
                self.call(group)
            elif code.kinds[group[0]] not in LEAVES:
                self.known[group[0]] = self.scalar(group[0])
            for value in group:
                if value in slots:
                    self.store(self.as_real(value), Element("work", self.item * slots[value]))
                for cell in stores.get(value, ()):
                    self.store(self.of(value), self.element(cell))
        return self.block

    def of(self, value: Value) -> str:
        """The name of a value in this block, or the constant; it is loaded if it comes from elsewhere."""
        found = self.known.get(value)
        if found is None:
            found = self.known[value] = self.fetched(value)
        return found

    def fetched(self, value: Value) -> str:
        code = self.line.code
        match code.kinds[value]:
            case "constant":
                return _literal(float.fromhex(code.about[value]), self.dtype)
            case "truth":
                return "true" if code.about[value] else "false"
            case "input":
                return self.load(self.element(code.about[value]))
        number = self.load(Element("work", self.item * self.slots[value]))
        return self.put(f"fcmp une {self.real} {number}, 0.0") if self.is_truth(value) else number

    def is_truth(self, value: Value) -> bool:
        return self.line.code.kinds[value] in _TRUTHS

    def as_real(self, value: Value) -> str:
        name = self.of(value)
        return self.put(f"uitofp i1 {name} to {self.real}") if self.is_truth(value) else name

    def put(self, text: str) -> str:
        """An instruction; the name of its value."""
        self.fresh += 1
        self.block.append(f"  %t{self.fresh} = {text}")
        return f"%t{self.fresh}"

    def element(self, cell: Cell) -> Element:
        return self.places[cell.name].element(cell, self.item)

    def pointer(self, element: Element) -> str:
        base = f"%a{element.base}" if element.base.isdigit() else f"%{element.base}"
        return self.put(f"getelementptr i8, ptr {base}, i64 {element.offset}") if element.offset else base

    def load(self, element: Element) -> str:
        return self.put(f"load {self.real}, ptr {self.pointer(element)}")

    def store(self, value: str, element: Element) -> None:
        pointer = self.pointer(element)
        self.block.append(f"  store {self.real} {value}, ptr {pointer}")

    def scalar(self, value: Value) -> str:
        """One instruction."""
        kind, real = self.line.code.kinds[value], self.real
        a, b, c = (*map(self.of, self.line.code.taken[value]), "", "")[:3]
        if kind in _PLAIN:
            return self.put(f"{_PLAIN[kind]} {real} {a}, {b}")
        match kind:
            case "fma" | "fnma":
                a = self.put(f"fneg {real} {a}") if kind == "fnma" else a
                return self.put(f"call {real} {self.intrinsic('fma', 3)}({real} {a}, {real} {b}, {real} {c})")
            case "neg":
                return self.put(f"fneg {real} {a}")
            case "sqrt" | "abs":
                name = self.intrinsic("fabs" if kind == "abs" else kind, 1)
                return self.put(f"call {real} {name}({real} {a})")
            case "select":
                return self.put(f"select i1 {a}, {real} {b}, {real} {c}")
            case "not":
                return self.put(f"xor i1 {a}, true")
        return self.put(f"{kind} i1 {a}, {b}")

    def intrinsic(self, name: str, arguments: int) -> str:
        real = FORMATS[self.dtype].real
        full = f"llvm.{name}.{self.suffix}"
        function_of(self.module, ir.FunctionType(real, [real] * arguments), full)
        return f"@{full}"

    # --- functions ------------------------------------------------------------------------------------------------

    def call(self, group: Group) -> None:
        """A function of one number, or of a vector of numbers."""
        code = self.line.code
        (head, orders), count = code.about[group[0]], len(code.taken[group[0]])
        columns = [[self.of(code.taken[value][n]) for value in group] for n in range(count)]
        width = 1 if len(group) == 1 else self.native
        kind = self.real if width == 1 else f"<{width} x {self.real}>"
        arguments = [column[0] if width == 1 else self.vector(column, kind) for column in columns]
        name = self.function(Call(head, orders, count, width))
        result = self.put(f"call {kind} @{name}({', '.join(f'{kind} {a}' for a in arguments)})")
        for lane, value in enumerate(group):
            self.known[value] = result if width == 1 else self.put(f"extractelement {kind} {result}, i32 {lane}")

    def vector(self, numbers: Sequence[str], kind: str) -> str:
        """Numbers in the first lanes of a vector, the first of them in all others."""
        found = self.put(f"insertelement {kind} poison, {self.real} {numbers[0]}, i32 0")
        if len(numbers) < self.native:
            mask = f"<{self.native} x i32> zeroinitializer"
            found = self.put(f"shufflevector {kind} {found}, {kind} poison, {mask}")
        for lane, number in enumerate(numbers[1:], 1):
            found = self.put(f"insertelement {kind} {found}, {self.real} {number}, i32 {lane}")
        return found

    def function(self, called: Call) -> str:
        """A function of the module, which is defined when it is first called."""
        name = called.name(self.dtype)
        if name not in self.module.globals:
            real = Lanes(None, called.width, self.dtype).real_type
            function = Function(self.module, ir.FunctionType(real, [real] * called.arguments), name)
            function.linkage = "internal"
            function.attributes.add("alwaysinline" if self.inlined else "noinline")
            lanes = Lanes(begun(function), called.width, self.dtype)
            lanes.builder.ret(_form(called.head, called.orders)(lanes, *function.args))
        return name

    def assembled(self, assembly: Assembly) -> str:
        """The program in machine code, as LLVM puts bytes before a function; what it calls is this module's."""
        called = ", ".join(["", *(f"ptr @{self.function(called)}" for called in assembly.called.values())])
        code = assembly.write(self.table.workspace_word("shared"))
        kind = f"<{{ [{len(code)} x i8]{', ptr' * len(assembly.called)} }}>"
        escaped = code.hex("\\")
        return (
            f'define void @{self.symbol}_run(ptr, ptr) noinline nounwind "{PLAIN}" align 64\n'
            f'  prologue {kind} <{{ [{len(code)} x i8] c"\\{escaped}"{called} }}> {{\n'
            # Those who call it must not conclude that it does nothing.
            '  call void asm sideeffect "", "~{memory}"()\n  ret void\n}'
        )


def _form(head: type[Basic], orders: tuple[int, ...]) -> Callable[..., ir.Value]:
    if head in special_forms.CODE:
        return lambda lanes, *values: special_forms.apply(head, lanes, orders, values)
    return vectormath.power if head is power else vectormath.FORMS[head]


def _literal(value: float, dtype: Dtype) -> str:
    """A constant, as the bits of a number of twice the length."""
    rounded = np.float64(np.float32(value) if dtype == "float32" else value)
    return f"0x{rounded.view(np.uint64):016X}"


_RELATIONS = {"==": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}
_TRUTHS = frozenset({*_RELATIONS, "and", "or", "not", TRUTH})
_PLAIN = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"} | {
    relation: f"fcmp {name}" for relation, name in _RELATIONS.items()
}


def missing(heads: Iterable[type[Basic]]) -> str | None:
    """The name of an operation that has no vector form, or None."""
    called = filter(is_called, heads)
    known = {*special_forms.CODE, *vectormath.FORMS, power}
    return next((kind.__name__ for kind in called if kind not in known), None)
