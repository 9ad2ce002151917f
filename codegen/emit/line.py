"""A large formula as readable code: one statement for each instruction of the line that runs, in its order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sympy import Dummy

from codegen.dtypes import Dtype
from codegen.emit.layout import Layout
from codegen.emit.numba import FunctionWriter
from codegen.emit.scalars import ExpressionWriter
from codegen.ir.cells import Cell
from codegen.ir.graph import Variable
from codegen.schedule.line import CALL, CONSTANT, INPUT, LEAVES, TRUTH, Line, Value
from codegen.schedule.program import Program

INSTRUCTIONS: Mapping[str, str] = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0}*{1}",
    "div": "{0}/{1}",
    "fma": "{0}*{1} + {2}",
    "fnma": "{2} - {0}*{1}",
    "neg": "-{0}",
    "sqrt": "math.sqrt({0})",
    "abs": "abs({0})",
    "select": "{1} if {0} else {2}",
    "not": "not {0}",
    "and": "{0} and {1}",
    "or": "{0} or {1}",
} | {relation: f"{{0}} {relation} {{1}}" for relation in ("==", "!=", "<", "<=", ">", ">=")}


class LineWriter(FunctionWriter):
    """``fill`` and ``kernel`` of a line."""

    def __init__(self, line: Line, program: Program, layout: Layout, dtype: Dtype) -> None:
        super().__init__(program, layout, dtype)
        self.line = line
        held = (v for slot in (*layout.arguments, *layout.arrays) for v in slot.variables)
        self.names = {variable.name: self.array(variable) for variable in held}
        stored = [(cell.name, value) for value, cells in line.stores.items() for cell in cells]
        self.scalars = {name: value for name, value in stored if not program.graph.variable(name).shape}

    def body(self) -> Iterator[str]:
        for slot in (*self.layout.arguments, *self.layout.arrays):
            yield from (f"    {text}" for text in self.unpack(slot))
        for group in self.line.groups:
            for value in group:
                yield from (f"    {text}" for text in self.computed(value))
        yield from (f"    {text}" for text in self.packed_scalars())

    def computed(self, value: Value) -> Iterator[str]:
        """The statements that set a value, and the elements of results that it is."""
        code = self.line.code
        operands, kind = [*map(self.value_text, code.taken[value])], code.kinds[value]
        if kind == CALL:
            *before, text = self.called_text(code.about[value], operands)
            yield from [*before, f"t{value} = {text}"]
        elif kind not in LEAVES:
            yield f"t{value} = {INSTRUCTIONS[kind].format(*operands)}"
        for cell in self.line.stores.get(value, ()):
            if cell.name not in self.scalars:
                yield f"{self.element(cell)} = {self.value_text(value)}"

    def called_text(self, called: tuple[type, tuple[int, ...]], operands: Sequence[str]) -> list[str]:
        """The call of a function, after statements that set what it uses twice."""
        head, orders = called
        names = {Dummy(real=True): f"({text})" if text.startswith("-") else text for text in operands}
        lines: list[str] = []

        def assign(text: str) -> str:
            lines.append(f"{(name := self.temporary())} = {text}")
            return name

        writer = ExpressionWriter(names.__getitem__, lambda _: None, self.number, assign)
        text = writer.write(head(*orders, *names))
        return [*lines, text]

    def value_text(self, value: Value) -> str:
        code = self.line.code
        match code.kinds[value]:
            case kind if kind == CONSTANT:
                return self.number(float.fromhex(code.about[value]))
            case kind if kind == TRUTH:
                return str(code.about[value])
            case kind if kind == INPUT:
                return self.element(code.about[value])
        return f"t{value}"

    def element(self, cell: Cell) -> str:
        """An element of an input or of a result."""
        places = ", ".join(map(str, cell.pattern))
        return self.names[cell.name] + (f"[{places}]" if places else "")

    def scalar_text(self, variable: Variable) -> str:
        return self.value_text(self.scalars[variable.name])
