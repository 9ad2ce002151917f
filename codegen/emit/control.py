"""Loops, variables on the stack and bytes, written by llvmlite's builder or by our own.

Numba has such helpers, but they cost its import: 0.1 s, of code that calls nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

BYTE = ir.IntType(8).as_pointer()


def on_stack(builder: Any, type: ir.Type, size: ir.Value | None = None) -> ir.Value:
    """Memory for so many values of a type; the first is 0 when the function begins."""
    with builder.goto_entry_block():
        slot = builder.alloca(type, size=size)
        builder.store(type(None), slot)
    return slot


def value_on_stack(builder: Any, value: ir.Value) -> ir.Value:
    """Memory for a value, which it has from here on."""
    slot = on_stack(builder, value.type)
    builder.store(value, slot)
    return slot


@contextmanager
def counted(
    builder: Any, stop: ir.Value, start: ir.Value | None = None, step: ir.Value | None = None
) -> Iterator[tuple[ir.Value, Any]]:
    """What is written inside runs for each index from ``start`` (0) by ``step`` (1) below ``stop``.

    Gives the index, and the block behind the loop, where who leaves it early goes.
    """
    type = stop.type
    head, body, end = (builder.append_basic_block(f"for.{name}") for name in ("cond", "body", "end"))
    before = builder.basic_block
    builder.branch(head)
    with builder.goto_block(head):
        index = builder.phi(type, name="loop.index")
        builder.cbranch(builder.icmp_signed("<", index, stop), body, end)
    with builder.goto_block(body):
        yield index, end
        last = builder.basic_block
        following = builder.add(index, type(1), flags=["nsw"]) if step is None else builder.add(index, step)
        builder.branch(head)
    index.add_incoming(type(0) if start is None else start, before)
    index.add_incoming(following, last)
    builder.position_at_end(end)


def copy_bytes(builder: Any, to: ir.Value, origin: ir.Value, count: ir.Value) -> None:
    """Copy so many bytes between places that do not overlap."""
    copy = builder.module.declare_intrinsic("llvm.memcpy", [BYTE, BYTE, count.type])
    builder.call(copy, [builder.bitcast(to, BYTE), builder.bitcast(origin, BYTE), count, ir.IntType(1)(0)])


def constant_bytes(module: ir.Module, name: str, content: bytes) -> ir.GlobalVariable:
    """Bytes of a module that nobody changes."""
    value = ir.Constant(ir.ArrayType(BYTE.pointee, len(content)), bytearray(content))
    found = ir.GlobalVariable(module, value.type, name)
    found.linkage, found.global_constant, found.initializer = "internal", True, value
    return found
