"""Random numbers in lanes: blocks of four words by Philox, and what becomes of a word."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from llvmlite import ir

from codegen.emit.control import counted, on_stack, value_on_stack
from codegen.emit.instructions import begun, function_of
from codegen.emit.lanes import Lanes
from codegen.emit.random_numbers import PRECISION
from codegen.emit.vector.values import INT, Counter, Scope
from codegen.emit.vector.values import Value as Number
from codegen.emit.vector.writer import Writer
from codegen.functions.random_numbers import BITS, MULTIPLIERS, ROUNDS, WEYL, WORDS, RandomNumber, reaches

Value = Any
"""An ``ir.Value``; llvmlite has no type hints."""

WIDE = ir.IntType(128)


def drawn(w: Writer, node: RandomNumber, scope: Scope) -> Number:
    """A random number, or one a lane.

    A block has four of them. Where the lanes have neighbouring places, they have few blocks in common, each of which is
    computed once; where they have the same place, the block is kept for the places that follow.
    """
    counters = [w.counter(integer, scope) for integer in node.integers]
    *others, place, _ = counters
    given = any(counter.each is not None for counter in counters)
    if place.lanes and not given and place.step in (1, 2) and not any(c.lanes for c in (*others, counters[-1])):
        word, lanes = _neighbours(w, counters), True
    else:
        lanes = any(counter.lanes for counter in counters)
        find = _kept if not place.lanes and not given and not isinstance(place.base, ir.Constant) else _picked
        word = find(w, counters, w.wide.width if lanes else 1)
    return Number(_of_word(node, w.wide if lanes else w.scalar, word), lanes)


def _picked(w: Writer, counters: Sequence[Counter], n: int) -> Value:
    """The word at each place, of a block a lane."""
    builder, place = w.builder, w.spread_real(w.values(counters[3]), n > 1)
    words = _blocks(w, counters, n)
    odd, upper = (builder.icmp_unsigned("!=", builder.and_(place, _spread(bit, n)), _spread(0, n)) for bit in (1, 2))
    low, high = (builder.select(odd, words[k + 1], words[k]) for k in (0, 2))
    return builder.select(upper, high, low)


def _kept(w: Writer, counters: Sequence[Counter], n: int) -> Value:
    """The word at a place that all lanes have: of the block of the time before, if that was the same."""
    builder, place = w.builder, counters[3].base
    number = builder.lshr(place, INT(2))
    now = [number, *(c.base for k, c in enumerate(counters) if k != 3 and not isinstance(c.base, ir.Constant))]
    words = on_stack(builder, _type(n), size=INT(WORDS))
    before = [on_stack(builder, INT) for _ in now]
    known = on_stack(builder, ir.IntType(1))  # 0 when the function begins
    same = reduce(
        builder.and_,
        [builder.icmp_signed("==", builder.load(slot), key) for slot, key in zip(before, now)],
        builder.load(known),
    )
    with builder.if_then(builder.not_(same), likely=False):
        for k, word in enumerate(_blocks(w, counters, n)):
            builder.store(word, builder.gep(words, [INT(k)]))
        for slot, key in zip(before, now):
            builder.store(key, slot)
        builder.store(known.type.pointee(1), known)
    return builder.load(builder.gep(words, [builder.and_(place, INT(WORDS - 1))]))


def _neighbours(w: Writer, counters: Sequence[Counter]) -> Value:
    """The words at places that follow each other, or at every other one, by the blocks that these have in common."""
    builder, n, (seed, stream, row, place, width) = w.builder, w.wide.width, counters
    step = int(place.step)
    count = -(-step * n // WORDS)
    first = _block_number(builder, 1, row.base, place.base, width.base)
    behind = builder.and_(place.base, INT(WORDS - 1))
    words = on_stack(builder, INT, size=INT(WORDS * (count + 1)))

    def store(number: int) -> None:
        made = block(builder, 1, seed.base, stream.base, builder.add(first, INT(number)))
        for k, word in enumerate(made):
            builder.store(word, builder.gep(words, [INT(WORDS * number + k)]))

    for number in range(count):
        store(number)
    with builder.if_then(builder.icmp_unsigned(">", behind, INT(WORDS * count - step * (n - 1) - 1))):
        store(count)
    every = ir.VectorType(INT, step * n)
    start = builder.bitcast(builder.gep(words, [behind]), every.as_pointer())
    found = builder.load(start, align=8)
    picks = ir.Constant(ir.VectorType(ir.IntType(32), n), list(range(0, step * n, step)))
    return builder.shuffle_vector(found, found, picks)


def _blocks(w: Writer, counters: Sequence[Counter], n: int) -> list[Value]:
    """The words of the block of each lane."""
    seed, stream, row, place, width = (w.spread_real(w.values(counter), n > 1) for counter in counters)
    return block(w.builder, n, seed, stream, _block_number(w.builder, n, row, place, width))


def _block_number(builder: ir.IRBuilder, n: int, row: Value, place: Value, width: Value) -> Value:
    blocks = builder.lshr(builder.add(width, _spread(WORDS - 1, n)), _spread(2, n))
    first = builder.add(builder.mul(row, blocks), builder.lshr(place, _spread(2, n)))
    return builder.add(first, _spread(1, n))


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
    function = function_of(builder.module, signature, f"codegen.philox.{width}")
    if function.is_declaration:
        function.linkage = "internal"
        for attribute in ("readnone", "nounwind", "noinline"):
            function.attributes.add(attribute)
        _define(function, width)
    found = builder.call(function, [seed, stream, number])
    return [builder.extract_value(found, n) for n in range(WORDS)]


def _define(function: ir.Function, width: int) -> None:
    """The rounds as a loop: written out, LLVM takes ten times as long."""
    builder = begun(function)
    key0, key1, number = function.args
    zero = _spread(0, width)
    state = [value_on_stack(builder, value) for value in (number, zero, zero, zero, key0, key1)]
    with counted(builder, INT(ROUNDS)):
        a, b, c, d, k0, k1 = map(builder.load, state)
        high, low = _product(builder, width, MULTIPLIERS[0], a)
        other, rest = _product(builder, width, MULTIPLIERS[1], c)
        keys = (builder.add(key, _spread(step, width)) for key, step in zip((k0, k1), WEYL))
        words = builder.xor(builder.xor(other, b), k0), rest, builder.xor(builder.xor(high, d), k1), low
        for slot, value in zip(state, (*words, *keys)):
            builder.store(value, slot)
    result: Value = ir.Constant(function.type.pointee.return_type, ir.Undefined)
    for n, slot in enumerate(state[:WORDS]):
        result = builder.insert_value(result, builder.load(slot), n)
    builder.ret(result)


def _product(builder: ir.IRBuilder, width: int, factor: int, value: Value) -> tuple[Value, Value]:
    """The upper and the lower half of a product: one instruction on scalars, four products of halves in lanes."""
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
