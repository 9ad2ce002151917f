"""What entry points of one's own share: words of tables, calls by address, and memory for a workspace."""

from __future__ import annotations

import ctypes
from typing import Any, cast

from llvmlite import ir

from codegen.emit.control import value_on_stack
from codegen.emit.instructions import function_of
from codegen.emit.vector.values import BYTE, INT
from codegen.runtime.code import CFunction

ALIGNMENT = 64
STACK = 2048
"""Bytes that are taken from the stack."""
_Foreign = ctypes.CFUNCTYPE(None).__mro__[1]
"""What every function of ctypes is."""


def put(builder: ir.IRBuilder, table: ir.Value, number: int, value: ir.Value) -> None:
    """Set a word of a table."""
    builder.store(value, builder.gep(table, [INT(number)]))


def called(builder: ir.IRBuilder, address: int, result: ir.Type, arguments: list[ir.Value]) -> ir.Value:
    """What the function at an address returns."""
    signature = ir.FunctionType(result, [value.type for value in arguments])
    return builder.call(builder.inttoptr(INT(address), signature.as_pointer()), arguments)


def workspace_size(builder: ir.IRBuilder, code: CFunction, table: ir.Value, is_fixed: bool) -> ir.Value:
    """The bytes of the workspace for a table: where no extent is symbolic a number, which is asked for now."""
    if is_fixed:
        words = (ctypes.c_int64 * code.words)()
        return INT(code.workspace(ctypes.addressof(words)))
    address = _workspace_address(code)
    return called(builder, address, INT, [table]) if address else INT(0)


def _workspace_address(code: CFunction) -> int | None:
    """The address of the function that tells it, where code needs one."""
    tells = code.workspace
    return ctypes.cast(cast(Any, tells), ctypes.c_void_p).value if isinstance(tells, _Foreign) else None


def aligned_memory(builder: ir.IRBuilder, module: ir.Module, size: ir.Value) -> tuple[ir.Value, ir.Value]:
    """A block to be :func:`freed`, and the aligned memory of so many bytes in it, NULL where there is none left.

    Of a few bytes it is on the stack, and the block NULL: ``malloc`` and ``free`` are a sixth of the time of a small
    function. Nothing is written to it, which took 14 ns, five times as long as Robertson's equations.
    """
    with builder.goto_entry_block():
        near = builder.alloca(ir.ArrayType(BYTE.pointee, STACK + ALIGNMENT))
    block = value_on_stack(builder, ir.Constant(BYTE, None))
    place = value_on_stack(builder, builder.bitcast(near, BYTE))
    with builder.if_then(builder.icmp_unsigned(">", size, INT(STACK)), likely=False):
        allocate = function_of(module, ir.FunctionType(BYTE, [INT]), "malloc")
        found = builder.call(allocate, [builder.add(size, INT(ALIGNMENT))])
        builder.store(found, block)
        builder.store(found, place)
    end = builder.add(builder.ptrtoint(builder.load(place), INT), INT(ALIGNMENT - 1))
    return builder.load(block), builder.inttoptr(builder.and_(end, INT(-ALIGNMENT)), BYTE)


def is_null(builder: ir.IRBuilder, memory: ir.Value) -> ir.Value:
    """Whether there was no memory."""
    return builder.icmp_unsigned("==", memory, ir.Constant(BYTE, None))


def freed(builder: ir.IRBuilder, module: ir.Module, block: ir.Value) -> None:
    """Give the block back."""
    free = function_of(module, ir.FunctionType(ir.VoidType(), [BYTE]), "free")
    with builder.if_then(builder.icmp_unsigned("!=", block, ir.Constant(BYTE, None)), likely=False):
        builder.call(free, [block])
