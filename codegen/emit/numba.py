"""A scheduled graph as a readable Numba module: a header and functions that check what they are given.

Every identifier is made here; names from the graph appear only in comments and docstrings, escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sympy import Expr, Idx, Symbol

from codegen.dtypes import Dtype
from codegen.emit import random_numbers
from codegen.emit.externals import symbols, uses_special
from codegen.emit.integers import Integers
from codegen.emit.layout import Layout, Slot
from codegen.emit.routines import called, python_text
from codegen.emit.text import escape
from codegen.emit.values import Scope, ValueWriter
from codegen.ir.graph import Graph, Reduction, Variable
from codegen.ir.operations import count_operations, summary
from codegen.schedule.program import (
    Accumulate,
    Contract,
    Fill,
    Kernel,
    Loop,
    One,
    Place,
    Program,
    Routine,
    Samples,
    Scan,
    Set,
    Statement,
    Store,
    Vector,
)
from codegen.walk import Extent, base_name, extent, subscripts

FLAGS = 'nogil=True, cache=CACHE, error_model="numpy", fastmath={"contract"}'
"""nogil: calls may run in several threads; error_model: x/0 is inf; contract: fused multiply-add, nothing looser."""


PREAMBLE = """import math

import numpy as np
from numba import njit, types

CACHE = globals().get('CACHE', False)  # set by a loader that keeps this file for Numba's cache
"""


def _add(target: str, value: str, temporary: Callable[[], str]) -> Iterator[str]:
    yield f"{target} += {value}"


def _keep_larger(target: str, value: str, temporary: Callable[[], str]) -> Iterator[str]:
    name = temporary()
    yield f"{name} = {value}"
    # `x != x` keeps nan; once the maximum is nan no comparison replaces it.
    yield f"{target} = {name} if {name} > {target} or {name} != {name} else {target}"


ACCUMULATE: Mapping[Reduction, Callable[[str, str, Callable[[], str]], Iterator[str]]] = {
    Reduction.SUM: _add,
    Reduction.MAX: _keep_larger,
}
"""The lines that combine a target with one more value; a temporary has a name of its own."""

SPECIAL = "from codegen.emit import special\n"
"""What a module with special functions needs besides; others need NumPy and Numba alone."""


def emit(program: Program, layout: Layout, dtype: Dtype) -> str:
    """The source of a module with ``fill`` and ``kernel``.

    ``fill(*arguments, *arrays)`` writes the array results and returns the scalar ones; ``kernel(*arguments)`` calls it
    on new arrays and returns all results.
    """
    return _module(program, layout, dtype, functions(program, layout, dtype))


def emit_fill(program: Program, layout: Layout, dtype: Dtype) -> str:
    """The source of the same module without ``kernel``."""
    return _module(program, layout, dtype, "\n".join(FunctionWriter(program, layout, dtype).called()) + "\n")


def emit_kernel(program: Program, layout: Layout, dtype: Dtype, module: str) -> str:
    """The source of a module with ``kernel`` around the ``fill`` of the module with this key, which it expects.

    Calls from Python need no ``kernel``, and Numba compiles all it calls into it once more: a third of the time.
    """
    made = FunctionWriter(program, layout, dtype)
    return "\n".join(
        [
            f'"""kernel around fill of the module {module}."""',
            "",
            PREAMBLE,
            *made.types(),
            "",
            "",
            *made.kernel(),
            "",
        ]
    )


def _module(program: Program, layout: Layout, dtype: Dtype, definitions: str) -> str:
    return "\n".join(
        ['"""' + describe(program, layout, dtype), '"""', "", preamble(program.graph, dtype) + definitions]
    )


def preamble(graph: Graph, dtype: Dtype) -> str:
    """How a module of a graph begins; C functions that its machine code calls are made known before it is loaded."""
    needed = ", ".join(map(repr, symbols(graph)))
    required = f"\nspecial.require({needed})\n" if needed else ""
    random = random_numbers.python(dtype) if random_numbers.draws(graph) else ""
    return PREAMBLE + (SPECIAL if uses_special(graph) or needed else "") + required + random


def describe(program: Program, layout: Layout, dtype: Dtype) -> str:
    """The header of a module: equations, arguments, results and operation counts."""
    return "\n".join(FunctionWriter(program, layout, dtype).header())


def functions(program: Program, layout: Layout, dtype: Dtype, prefix: str = "") -> str:
    """The definitions of ``fill`` and ``kernel``, their names preceded by ``prefix``; they need PREAMBLE."""
    return "\n".join(FunctionWriter(program, layout, dtype, prefix).lines()) + "\n"


@dataclass
class FunctionWriter(ValueWriter):
    program: Program
    layout: Layout
    dtype: Dtype
    prefix: str = ""
    constants: dict[str, str] = field(default_factory=dict)
    temporaries: int = 0
    tile: Idx | None = None
    """The index of the samples inside a tile: there it counts from ``first``, and so do work arrays of the tile."""
    integers = Integers("{0} // {1}", "int(np.ceil(np.sqrt({0})))", "min({0}, {1})")

    # --- names ----------------------------------------------------------------------------------------------------

    def argument(self, slot: Slot) -> str:
        return f"a{self.layout.arguments.index(slot)}"

    def result(self, slot: Slot) -> str:
        return f"o{self.layout.arrays.index(slot)}"

    def length_name(self, n: Expr) -> str | None:
        return f"n{self.program.extents.index(n)}" if isinstance(n, Symbol) else None

    def shape_text(self, shape: Iterable[Extent]) -> str:
        names = [self.extent_name(n) for n in shape]
        return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"

    def size_text(self, shape: Iterable[Extent]) -> str:
        return "*".join(self.extent_name(n) for n in shape) or "1"

    def number(self, value: float) -> str:
        """A constant in the type of the computation, exact to the last bit."""
        text = {"inf": "math.inf", "-inf": "-math.inf", "nan": "math.nan"}.get(repr(value), repr(value))
        if self.dtype == "float64":
            return text
        # A bare literal is float64 and would pull the whole expression up with it.
        return self.constants.setdefault(text, f"{self.prefix}k{len(self.constants)}")

    # --- the module -----------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        yield from self.called()
        yield ""
        yield ""
        yield from self.kernel()

    def called(self) -> Iterator[str]:
        """What a call from Python needs."""
        body = list(self.body())
        yield from self.types()
        for name, text in zip(self.constants.values(), self.constants):
            yield f"{name} = np.{self.dtype}({text})"
        for routine in called(self.program.statements):
            yield ""
            yield ""
            yield f"@njit({FLAGS})"
            yield python_text(routine, self.prefix)
        yield ""
        yield ""
        yield from self.fill(body)

    def header(self) -> Iterator[str]:
        graph = self.program.graph
        yield "Generated from these equations, in the order in which they are computed:"
        yield ""
        for equation in graph.equations[:200]:
            yield f"    {escape(str(equation))}"
        if len(graph.equations) > 200:
            yield f"    … and {len(graph.equations) - 200} more"
        yield ""
        for slot in self.layout.arguments:
            yield f"{self.argument(slot)}: {_describe(slot)}"
        for slot in self.layout.results:
            yield f"{self.result(slot) if slot.shape else 'returned'}: {_describe(slot)}"
        operations = summary(count_operations(graph))
        yield f"schedule {self.program.schedule}, {self.dtype}; operations for one sample: {operations}"

    def types(self) -> Iterator[str]:
        """Numba types: arguments may be read-only, results may not; everything is contiguous."""
        arguments = ", ".join(_type(slot, self.dtype, True) for slot in self.layout.arguments)
        results = ", ".join(_type(slot, self.dtype, False) for slot in self.layout.arrays)
        yield f"{self.prefix}ARGUMENTS = ({arguments},)" if arguments else f"{self.prefix}ARGUMENTS = ()"
        yield f"{self.prefix}RESULTS = ({results},)" if results else f"{self.prefix}RESULTS = ()"

    def parameters(self) -> tuple[list[str], list[str]]:
        return [self.argument(s) for s in self.layout.arguments], [self.result(s) for s in self.layout.arrays]

    def body(self) -> Iterator[str]:
        """The program itself: it checks nothing."""
        for slot in (*self.layout.arguments, *self.layout.arrays):
            yield from (f"    {line}" for line in self.unpack(slot))
        if self.program.work:
            yield f"    work = np.empty({'+'.join(map(self.size_text, self.program.work))}, np.{self.dtype})"
        offset: list[str] = []
        for number, shape in enumerate(self.program.work):
            start, offset = "+".join(offset) or "0", [*offset, self.size_text(shape)]
            reshape = f".reshape({self.shape_text(shape)})" if len(shape) > 1 else ""
            yield f"    w{number} = work[{start}:{'+'.join(offset)}]{reshape}"
        yield from self.block(self.program.statements, 1, {})
        yield from (f"    {line}" for line in self.packed_scalars())

    def extents(self) -> Iterator[str]:
        for number, symbol in enumerate(self.program.extents):
            slot, axis = next(
                (slot, slot.shape.index(symbol)) for slot in self.layout.arguments if symbol in slot.shape
            )
            yield f"n{number} = {self.argument(slot)}.shape[{axis}]"

    def unpack(self, slot: Slot) -> Iterator[str]:
        """Views of the variables inside a packed array."""
        if slot.packed:
            array = self.argument(slot) if slot in self.layout.arguments else self.result(slot)
            for variable, start, stop in zip(slot.variables, slot.offsets, slot.offsets[1:]):
                if variable.shape:
                    reshape = f".reshape({self.shape_text(variable.shape)})" if len(variable.shape) > 1 else ""
                    yield f"{self.array(variable)} = {array}[{start}:{stop}]{reshape}  # {escape(variable.name)}"
                elif slot in self.layout.arguments:
                    yield f"{self.array(variable)} = {array}[{start}]  # {escape(variable.name)}"

    def array(self, variable: Variable) -> str:
        """The name of the array of an input or output."""
        for prefix, slots in (("a", self.layout.arguments), ("o", self.layout.arrays)):
            for number, slot in enumerate(slots):
                if variable.name in [v.name for v in slot.variables]:
                    member = [v.name for v in slot.variables].index(variable.name)
                    return f"{prefix}{number}_{member}" if slot.packed else f"{prefix}{number}"
        raise KeyError(variable.name)

    def returned(self) -> str:
        scalars = [self.scalar_text(self.program.graph.variable(slot.name)) for slot in self.layout.scalars]
        return ", ".join(scalars) or "None"

    def scalar_text(self, variable: Variable) -> str:
        """Where a scalar result is found at the end."""
        return self.text_of(variable.symbol, {})

    def packed_scalars(self) -> Iterator[str]:
        """Scalar outputs that live inside a packed array."""
        for slot in self.layout.arrays:
            for variable, start in zip(slot.variables, slot.offsets) if slot.packed else ():
                if not variable.shape:
                    value = self.scalar_text(variable)
                    yield f"{self.result(slot)}[{start}] = {value}  # {escape(variable.name)}"

    # --- statements -----------------------------------------------------------------------------------------------

    def block(self, statements: Iterable[Statement], indent: int, scope: Scope) -> Iterator[str]:
        pad = "    " * indent
        for statement in statements:
            if isinstance(statement, Loop):
                name = f"i{len(scope)}"
                stop = "size" if statement.index == self.tile else self.extent_name(extent(statement.index))
                if isinstance(statement.mode, One):
                    in_tile = statement.index == self.tile
                    start = " - first" if in_tile else ""
                    yield f"{pad}{name} = {self.integer_text(statement.mode.value, scope)}{start}"
                    if statement.certain and not in_tile:
                        yield from self.block(statement.body, indent, {**scope, statement.index: name})
                        continue
                    yield f"{pad}if 0 <= {name} < {stop}:"
                else:
                    lanes = f"  # in {statement.mode.width} lanes" if isinstance(statement.mode, Vector) else ""
                    yield f"{pad}for {name} in range({self.range_text(statement, scope, stop)}):{lanes}"
                yield from self.block(statement.body, indent + 1, {**scope, statement.index: name})
            elif isinstance(statement, Samples):
                yield from self.samples(statement, indent, scope)
            elif isinstance(statement, Kernel):
                yield from self.block(statement.loops, indent, scope)
            elif isinstance(statement, Routine):
                yield f"{pad}# {escape(str(statement.equation))}"
                yield f"{pad}{self.routine(statement, scope)}"
            else:
                if not isinstance(statement, (Fill, Store)):
                    yield f"{pad}# {escape(str(statement.equation))}"
                yield from (f"{pad}{line}" for line in self.statement(statement, scope))

    def range_text(self, loop: Loop, scope: Scope, stop: str) -> str:
        """The bounds of a loop, the last value first where it goes backward."""
        backward = isinstance(loop.mode, Scan) and loop.mode.step < 0
        if loop.is_whole:
            return f"{stop} - 1, -1, -1" if backward else stop
        starts, stops = ([self.bound_text(b, scope) for b in bounds] for bounds in (loop.starts, loop.stops))
        first, last = _extreme("max", starts), _extreme("min", stops)
        return f"{last} - 1, {first} - 1, -1" if backward else f"{first}, {last}"

    def samples(self, samples: Samples, indent: int, scope: Scope) -> Iterator[str]:
        """The pass over the samples, in tiles if it has any."""
        pad = "    " * indent
        yield from self.block(samples.fills, indent, scope)
        if samples.tile is None:
            yield f"{pad}# samples"
            yield from self.block(samples.body, indent, scope)
        else:
            n = self.extent_name(extent(samples.index))
            yield f"{pad}# tiles of samples"
            yield f"{pad}for first in range(0, {n}, {samples.tile}):"
            yield f"{pad}    size = min({samples.tile}, {n} - first)"
            self.tile = samples.index
            yield from self.block(samples.body, indent + 1, scope)
            self.tile = None
        yield from self.block(samples.stores, indent, scope)

    def statement(self, statement: Statement, scope: Scope) -> Iterator[str]:
        if isinstance(statement, Contract):
            yield self.contraction(statement)
        elif isinstance(statement, Fill):
            yield from self.neutral(statement, scope)
        elif isinstance(statement, Store):
            key = self.subscript_text(subscripts(statement.target), scope, Place.OUTPUT)
            array = self.array(self.program.graph.variable(base_name(statement.target)))
            yield f"{array}{key} = {self.text_of(statement.target, scope)}"
        elif isinstance(statement, (Set, Accumulate)):
            lines, value = self.expression(statement.value, scope)
            yield from lines
            target = self.text_of(statement.target, scope)
            if isinstance(statement, Set):
                yield f"{target} = {value}"
            else:
                yield from ACCUMULATE[statement.equation.monoid](target, value, self.temporary)

    def routine(self, routine: Routine, scope: Scope) -> str:
        """The call that eliminates one matrix: each array flat, and where it begins."""
        inside = {**scope, **dict.fromkeys(routine.along, "0")}
        parts: list[str] = []
        for reference in (*routine.operands, routine.target):
            storage = self.program.storage_of(reference)
            place = "0"
            for axis, n in zip(storage.axes, storage.shape):
                here = self.position(subscripts(reference)[axis], inside, storage.place)
                place = here if place == "0" else f"({place})*{self.extent_name(n)} + {here}"
            parts += [f"{self.array_of(reference)}.reshape(-1)", place]
        sizes = [self.extent_name(routine.order)]
        if len(routine.operands) > 1:
            sizes.append("*".join(self.extent_name(extent(i)) for i in routine.columns) or "1")
        return f"{self.prefix}{routine.name}({', '.join([*parts, *sizes])})"

    def contraction(self, statement: Contract) -> str:
        free, (k,) = statement.equation.free, statement.equation.reduced
        wanted = [(free[0], k), (k, *free[1:])]
        operands = [
            self.array_of(operand) + ("" if subscripts(operand) == order else ".T")
            for operand, order in zip((statement.left, statement.right), wanted)
        ]
        return f"np.dot({', '.join(operands)}, {self.array_of(statement.equation.target)})"

    def neutral(self, statement: Fill, scope: Scope) -> Iterator[str]:
        value = self.number(float(statement.equation.monoid.neutral))
        inner = dict(scope)
        for depth, index in enumerate(statement.over):
            inner[index] = f"i{len(inner)}"
            yield f"{'    ' * depth}for {inner[index]} in range({self.extent_name(extent(index))}):"
        yield f"{'    ' * len(statement.over)}{self.text_of(statement.target, inner)} = {value}"

    # --- references and expressions -------------------------------------------------------------------------------

    def setting(self, name: str, text: str) -> str:
        return f"{name} = {text}"

    def beginning(self, name: str) -> list[str]:
        return []

    def changing(self, name: str, text: str) -> str:
        return self.setting(name, text)

    def choosing(self, condition: str, then: Sequence[str], otherwise: Sequence[str]) -> list[str]:
        return [f"if {condition}:", *(f"    {line}" for line in then), "else:", *(f"    {line}" for line in otherwise)]

    def as_real(self, integer: str) -> str:
        # Numba computes with integers as such: n*n*n would overflow, and with float32 they would make float64.
        return f"{'float' if self.dtype == 'float64' else 'np.float32'}({integer})"

    def as_whole(self, real: str) -> str:
        return f"int({real})"

    def text_of(self, reference: Expr, scope: Scope) -> str:
        """A reference or target as it is stored."""
        storage = self.program.storage_of(reference)
        if storage.place is Place.LOCAL:
            return f"t{storage.number}"
        key = self.key(reference)
        return self.array_of(reference) + (self.subscript_text(key, scope, storage.place) if key else "")

    def array_of(self, reference: Expr) -> str:
        storage = self.program.storage_of(reference)
        if storage.place in (Place.WORK, Place.TILE):
            return f"w{storage.number}"
        return self.array(self.program.graph.variable(base_name(reference)))

    def subscript_text(self, key: Iterable[Expr], scope: Scope, place: Place) -> str:
        return "[" + ", ".join(self.position(i, scope, place) for i in key) + "]"

    # --- functions -------------------------------------------------------------------------------------

    def fill(self, body: list[str]) -> Iterator[str]:
        arguments, results = self.parameters()
        yield f"@njit([(*{self.prefix}ARGUMENTS, *{self.prefix}RESULTS)], {FLAGS})"
        yield f"def {self.prefix}fill({', '.join([*arguments, *results])}):"
        yield from (f"    {line}" for line in self.extents())
        for number, symbol in enumerate(self.program.extents):
            yield f"    if n{number} < 1:"
            yield f'        raise ValueError("the extent {escape(str(symbol))} must be at least 1")'
        for slot in self.layout.arguments:
            yield from self.check(self.argument(slot), slot)
        for slot in self.layout.arrays:
            yield from self.check(self.result(slot), slot)
        yield from self.disjoint()
        yield from body
        yield f"    return {self.returned()}"

    def check(self, name: str, slot: Slot) -> Iterator[str]:
        tests = [f"{name}.shape[{axis}] != {self.extent_name(n)}" for axis, n in enumerate(slot.shape)]
        if tests:
            expected = ", ".join(str(n) for n in slot.shape)
            yield f"    if {' or '.join(tests)}:"
            yield f'        raise ValueError("{name}: expected shape ({escape(expected)})")'
        limit = slot.variables[0].below
        if limit is not None:
            yield f"    for value in {f'{name}.flat' if slot.shape else f'({name},)'}:"
            yield f"        if value < 0 or value >= {self.extent_name(limit)}:"
            yield f'            raise ValueError("{name}: expected integers from 0 to {escape(str(limit - 1))}")'

    def disjoint(self) -> Iterator[str]:
        """Results must not overlap the arguments or each other: the kernel writes before it has read everything.

        A loop for each result: where there are five, a test for each pair takes half of the compile time.
        """
        arguments, results = self.parameters()
        arrays = [name for name, slot in zip(arguments, self.layout.arguments) if slot.shape]
        everything = [*arrays, *results]
        if not results or len(everything) == 1:
            return
        yield f"    begins = ({', '.join(f'{name}.ctypes.data' for name in everything)})"
        yield f"    lengths = ({', '.join(f'{name}.nbytes' for name in everything)})"
        for number, result in enumerate(results, len(arrays)):
            if number:
                start, length = f"begins[{number}]", f"lengths[{number}]"
                yield f"    for n in range({number}):"
                yield f"        if {start} < begins[n] + lengths[n] and begins[n] < {start} + {length}:"
                yield f'            raise ValueError("{result} shares memory with an argument or another result")'

    def kernel(self) -> Iterator[str]:
        arguments, results = self.parameters()
        yield f"@njit([{self.prefix}ARGUMENTS], {FLAGS})"
        yield f"def {self.prefix}kernel({', '.join(arguments)}):"
        if any(not isinstance(n, int) for slot in self.layout.arrays for n in slot.shape):
            yield from (f"    {line}" for line in self.extents())
        for slot in self.layout.arrays:
            yield f"    {self.result(slot)} = np.empty({self.shape_text(slot.shape)}, np.{self.dtype})"
        call = f"{self.prefix}fill({', '.join([*arguments, *results])})"
        scalars = self.layout.scalars
        if not scalars:
            yield f"    {call}"
        else:
            yield f"    {', '.join(f'r{n}' for n in range(len(scalars)))} = {call}"
        names = [self.result(slot) if slot.shape else f"r{scalars.index(slot)}" for slot in self.layout.results]
        yield f"    return {', '.join(names)}"


def _extreme(function: str, texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{function}({', '.join(texts)})"


def _describe(slot: Slot) -> str:
    return escape(slot.contents) + " integers" * (slot.kind == "integer")


def _type(slot: Slot, dtype: Dtype, readonly: bool) -> str:
    scalar = "types.int64" if slot.kind == "integer" else f"types.{dtype}"
    if not slot.shape:
        return scalar
    return f"types.Array({scalar}, {len(slot.shape)}, 'C'{', readonly=True' if readonly else ''})"
