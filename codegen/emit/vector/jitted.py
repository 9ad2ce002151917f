"""What jitted code gets of a program: a copy of its own inside intrinsics, compiled when it is first asked for.

Numba compiles the callees of a function into it; it types a handful of statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from llvmlite import ir
from numba import types
from numba.core.cgutils import unpack_tuple
from numba.extending import intrinsic

from codegen.dtypes import Dtype
from codegen.emit.control import on_stack
from codegen.emit.layout import Layout, Slot
from codegen.emit.numba import FLAGS, FunctionWriter, describe, preamble
from codegen.emit.text import escape
from codegen.emit.vector import functions as program_functions
from codegen.emit.vector.checks import Checks, View
from codegen.emit.vector.entry import STACK
from codegen.emit.vector.plan import StraightPlan
from codegen.emit.vector.table import Table
from codegen.emit.vector.values import BYTE, INT

EXACT = FLAGS.replace(', fastmath={"contract"}', "")
"""The flags of vector code, which says itself where a product and a sum are fused."""


_tables: WeakValueDictionary[str, Table] = WeakValueDictionary()
"""Where :func:`fits` and :func:`execute` find the table that generated code names."""


def jitted_source(table: Table, native: str) -> str:
    """The source of a module with ``fill`` and ``kernel`` for jitted code; it expects :func:`jitted_namespace`.

    ``native`` names the code for Python: what both run.
    """
    table = _jitted(table)
    plan, layout = table.plan, table.layout
    return "\n".join(
        [
            '"""' + describe(plan.program, layout, plan.dtype),
            f"For jitted code; what runs is the program {native}.",
            '"""',
            "",
            preamble(plan.program.graph, plan.dtype) + "\n".join(_JittedFunctions(table, native).lines()),
            "",
        ]
    )


def jitted_namespace(table: Table, native: str) -> Mapping[str, Any]:
    """What :func:`jitted_source` expects."""
    table = _tables[native] = _jitted(table)
    return {"fits": fits, "execute": execute, "TABLE": table}


def _jitted(table: Table) -> Table:
    """The table of what Numba compiles, which takes LLVM's language."""
    return replace(table, plan=table.plan.llvm) if isinstance(table.plan, StraightPlan) else table


@intrinsic(prefer_literal=True)
def fits(typing_context: Any, name: Any, arrays: Any) -> Any:
    """Whether the arguments and arrays are as the layout of a table says."""
    table = _tables[name.literal_value]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        parts = unpack_tuple(builder, values[1])
        return _fitting(builder, lambda checks: _tabulated(context, checks, table, arrays.types, parts))

    return types.boolean(name, arrays), generate


@intrinsic(prefer_literal=True)
def execute(typing_context: Any, name: Any, arrays: Any) -> Any:
    """Run the program of a table on arguments and arrays that fit; gives the scalar results."""
    table = _tables[name.literal_value]
    result = _result_type(table.layout, table.plan.dtype)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        run = _program(builder.module, table, f"symnn_{name.literal_value}")
        parts = unpack_tuple(builder, values[1])
        words = _table(context, builder, table, arrays.types, parts)
        number = context.get_value_type(getattr(types, table.plan.dtype))
        count = len(table.layout.scalars)
        results = on_stack(builder, number, size=INT(max(count, 1)))
        free = _workspace(context, builder, table, words)
        builder.call(run, [words, results])
        free()
        found = [builder.load(builder.gep(results, [INT(n)])) for n in range(count)]
        if count == 0:
            return context.get_dummy_value()
        return found[0] if count == 1 else context.make_tuple(builder, result, found)

    return result(name, arrays), generate


def _result_type(layout: Layout, dtype: Dtype) -> Any:
    scalars = len(layout.scalars)
    number = getattr(types, dtype)
    return types.none if scalars == 0 else number if scalars == 1 else types.UniTuple(number, scalars)


def _program(module: ir.Module, table: Table, symbol: str) -> ir.Function:
    """The program in a module of jitted code, defined when it is first needed."""
    name = f"{symbol}_run"
    if name in module.globals:
        return module.globals[name]
    return program_functions.functions_of(module, table, symbol).run()


def _views(context: Any, builder: Any, table: Table, kinds: Any, values: Any) -> Iterator[View | None]:
    for slot, kind, value in zip(table.slots, kinds, values):
        if slot.shape:
            array = context.make_array(kind)(context, builder, value)
            yield View(builder.ptrtoint(array.data, INT), unpack_tuple(builder, array.shape))
        else:
            yield None


def _table(context: Any, builder: Any, table: Table, kinds: Any, values: Any) -> ir.Value:
    """A table of Numba's arrays and numbers, on the stack."""
    words = on_stack(builder, INT, size=INT(table.words))
    extents: dict[Any, ir.Value] = {}
    views = list(_views(context, builder, table, kinds, values))
    for number, (slot, value, view) in enumerate(zip(table.slots, values, views)):
        table.put(builder, words, number, value if view is None else view.address)
        for n, length in zip(slot.shape, view.lengths if view else ()):
            if not isinstance(n, int):
                extents.setdefault(n, length)
    table.put_extents(builder, words, extents)
    return words


def _tabulated(context: Any, checks: Checks, table: Table, kinds: Any, values: Any) -> None:
    """Check arrays, whose type already says that they are contiguous, and the integers in them."""
    checks.arrays(table, list(_views(context, checks.builder, table, kinds, values)))
    checks.integers(table, _table(context, checks.builder, table, kinds, values))


def _fitting(builder: Any, conditions: Callable[[Checks], None]) -> ir.Value:
    """Whether all conditions hold."""
    refuse, done = builder.append_basic_block("refuse"), builder.append_basic_block("done")
    conditions(Checks(builder, refuse))
    accepted = builder.block
    builder.branch(done)
    builder.position_at_end(refuse)
    builder.branch(done)
    builder.position_at_end(done)
    answer = builder.phi(ir.IntType(1))
    answer.add_incoming(ir.IntType(1)(1), accepted)
    answer.add_incoming(ir.IntType(1)(0), refuse)
    return answer


def _workspace(context: Any, builder: Any, table: Table, words: ir.Value) -> Callable[[], None]:
    """Enter a workspace in a table, and give what frees it."""
    fixed = table.fixed_bytes()
    if fixed is not None and fixed <= STACK:
        table.put_workspaces(builder, words, on_stack(builder, ir.IntType(8), size=INT(fixed)))
        return lambda: None
    block = context.nrt.allocate(builder, table.workspace(builder, words))
    table.put_workspaces(builder, words, builder.bitcast(block, BYTE))
    return lambda: context.nrt.free(builder, block)


class _JittedFunctions(FunctionWriter):
    """``fill`` and ``kernel`` around the program."""

    def __init__(self, table: Table, native: str) -> None:
        super().__init__(table.plan.program, table.layout, table.plan.dtype)
        self.native = native

    def lines(self) -> Iterator[str]:
        yield from self.types()
        yield from ["", ""]
        yield from self.checked()
        yield from ["", ""]
        yield from self.kernel()

    def checked(self) -> Iterator[str]:
        """``fill``, whose body is the program's vector code."""
        arguments, results = self.parameters()
        everything = ", ".join([*arguments, *results])
        packed = f"({everything},)" if everything else "()"
        yield f"@njit([(*ARGUMENTS, *RESULTS)], {EXACT})"
        yield f"def fill({everything}):"
        if everything:
            yield f"    if not fits({self.native!r}, {packed}):"
            yield f"        raise ValueError({self.expectation()!r})"
        yield f"    return execute({self.native!r}, {packed})"

    def expectation(self) -> str:
        """What is said to jitted code; calls from Python say which argument is wrong."""
        arguments, results = self.parameters()
        slots = zip((*arguments, *results), (*self.layout.arguments, *self.layout.arrays))
        arrays = ", ".join(_expected(name, slot) for name, slot in slots if slot.shape)
        return escape(f"expected arrays {arrays}, results apart from everything else", 1000)


def _expected(name: str, slot: Slot) -> str:
    limit = slot.variables[0].below
    among = f" of integers from 0 to {limit - 1}" if limit is not None else ""
    return f"{name} ({slot.name}) of shape ({', '.join(map(str, slot.shape))}){among}"
