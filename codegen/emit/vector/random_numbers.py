"""Random numbers in lanes: blocks of four words by Philox, and what becomes of a word."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from codegen.emit.lanes import Lanes
from codegen.emit.random_numbers import PRECISION
from codegen.emit.vector.values import INT, Scope
from codegen.emit.vector.values import Value as Number
from codegen.emit.vector.writer import Writer
from codegen.functions.random_numbers import BITS, MULTIPLIERS, ROUNDS, WEYL, WORDS, RandomNumber, reaches

Value = Any
"""An ``ir.Value``; llvmlite has no type hints."""

WIDE = ir.IntType(128)


def drawn(w: Writer, node: RandomNumber, scope: Scope) -> Number:
    """A random number, or one a lane."""
    found = [w.values(w.counter(integer, scope)) for integer in node.integers]
    lanes = any(value.lanes for value in found)
    target = w.wide if lanes else w.scalar
    seed, stream, row, place, width = (w.spread_real(value, lanes) for value in found)
    builder, n = w.builder, target.width
    blocks = builder.lshr(builder.add(width, _spread(WORDS - 1, n)), _spread(2, n))
    first = builder.add(builder.mul(row, blocks), builder.lshr(place, _spread(2, n)))
    words = block(builder, n, seed, stream, builder.add(first, _spread(1, n)))
    odd, upper = (builder.icmp_unsigned("!=", builder.and_(place, _spread(bit, n)), _spread(0, n)) for bit in (1, 2))
    low, high = (builder.select(odd, words[k + 1], words[k]) for k in (0, 2))
    return Number(_of_word(node, target, builder.select(upper, high, low)), lanes)


def _of_word(node: RandomNumber, lanes: Lanes, word: Value) -> Value:
    """The number that a word is."""
    builder = lanes.builder
    if isinstance(node, reaches):
        level = _spread(int(node.args[0]), lanes.width)
        holds = builder.icmp_unsigned(">=", builder.lshr(word, _spread(64 - BITS, lanes.width)), level)
        return builder.select(holds, lanes.real(1.0), lanes.real(0.0))
    bits = PRECISION[lanes.dtype]
    upper = builder.lshr(word, _spread(64 - bits, lanes.width))
    if lanes.dtype == "float32":
        upper = builder.trunc(upper, lanes.integer_type)
    return builder.fmul(builder.uitofp(upper, lanes.real_type), lanes.real(0.5**bits))


def block(builder: ir.IRBuilder, width: int, seed: Value, stream: Value, number: Value) -> list[Value]:
    """The four words of a block, or of one in each lane: of the same integers always the same, so that LLVM knows."""
    vector = _type(width)
    signature = ir.FunctionType(ir.LiteralStructType([vector] * WORDS), [vector] * 3)
    function = cgutils.get_or_insert_function(builder.module, signature, f"codegen.philox.{width}")
    if function.is_declaration:
        function.linkage = "internal"
        for attribute in ("readnone", "nounwind", "noinline"):
            function.attributes.add(attribute)
        _define(function, width)
    found = builder.call(function, [seed, stream, number])
    return [builder.extract_value(found, n) for n in range(WORDS)]


def _define(function: ir.Function, width: int) -> None:
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    key0, key1, a = function.args
    b = c = d = _spread(0, width)
    for number in range(ROUNDS):
        high, low = _product(builder, width, MULTIPLIERS[0], a)
        other, rest = _product(builder, width, MULTIPLIERS[1], c)
        k0, k1 = (builder.add(key, _spread(number * step % 2**64, width)) for key, step in zip((key0, key1), WEYL))
        a, b, c, d = (
            builder.xor(builder.xor(other, b), k0),
            rest,
            builder.xor(builder.xor(high, d), k1),
            low,
        )
    result: Value = ir.Constant(function.type.pointee.return_type, ir.Undefined)
    for n, word in enumerate((a, b, c, d)):
        result = builder.insert_value(result, word, n)
    builder.ret(result)


def _product(builder: ir.IRBuilder, width: int, factor: int, value: Value) -> tuple[Value, Value]:
    """The upper and the lower half of a product: one instruction on scalars, four products of halves in lanes."""
    if isinstance(value, ir.Constant):
        return _spread(0, width), _spread(0, width)  # the words of the counter that are 0
    if width == 1:
        product = builder.mul(builder.zext(value, WIDE), WIDE(factor))
        return builder.trunc(builder.lshr(product, WIDE(64)), INT), builder.trunc(product, INT)
    half, mask = _spread(32, width), _spread(2**32 - 1, width)
    a0, a1 = (_spread(part, width) for part in (factor % 2**32, factor >> 32))
    b0, b1 = builder.and_(value, mask), builder.lshr(value, half)
    lowest = builder.mul(a0, b0)
    middle = builder.add(builder.mul(a1, b0), builder.lshr(lowest, half))
    other = builder.add(builder.mul(a0, b1), builder.and_(middle, mask))
    upper = builder.add(builder.mul(a1, b1), builder.add(builder.lshr(middle, half), builder.lshr(other, half)))
    return upper, builder.or_(builder.shl(other, half), builder.and_(lowest, mask))


def _type(width: int) -> ir.Type:
    return INT if width == 1 else ir.VectorType(INT, width)


def _spread(value: int, width: int) -> Value:
    return INT(value) if width == 1 else ir.Constant(_type(width), [value] * width)
