"""Matrix products on one tile of samples, register-blocked: the samples, or the columns of a gradient, in lanes.

A block of accumulators stays in registers while the reduced index runs; each step loads a few vectors, broadcasts one
number a row and issues one fused multiply-add an accumulator. Nothing is packed or transposed for it: the operand with
the lanes is contiguous along them, of the other one number is read at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

from llvmlite import ir

from codegen.emit.control import counted, on_stack
from codegen.emit.lanes import Lanes, lane_numbers
from codegen.emit.vector.values import BYTE, INT
from codegen.schedule.target import Target


@dataclass(frozen=True)
class Array:
    """The address of an element and how far apart neighbours along each axis are, in elements."""

    pointer: ir.Value
    steps: tuple[ir.Value | int, ...]


Range: TypeAlias = tuple[ir.Value, ir.Value]
"""The first value of an index, and the one that it ends before."""


def balanced(total: int, most: int) -> tuple[tuple[int, int], ...]:
    """Blocks of at most ``most`` that differ by one at most, as (size, how many).

    >>> balanced(32, 6), balanced(10, 6), balanced(3, 6)
    (((6, 2), (5, 4)), ((5, 2),), ((3, 1),))
    """
    blocks = -(-total // most)
    small, larger = divmod(total, blocks)
    return tuple((size, count) for size, count in ((small + 1, larger), (small, blocks - larger)) if count)


def even(total: int, most: int) -> int:
    """The largest size of equal blocks, of which there is one kind to compile, down to half of ``most``; else that.

    >>> even(1000, 24), even(32, 24), even(10, 24), even(43, 24)
    (20, 16, 24, 24)
    """
    return next((size for size in range(most, most // 2, -1) if total % size == 0), most)


def product_over_lanes(
    lanes: Lanes,
    target: Target,
    rows: int,
    sums: Sequence[Range],
    out: Array,
    operands: Sequence[Array],
    count: ir.Value,
) -> None:
    """``out[j, s] = Σ_k left[j, k]·right[k, s]`` for ``count`` samples s, rounded up to halves of vectors.

    k are as many indices as there are ``sums``; out and right are contiguous along s.
    """
    left, right = operands
    builder = lanes.builder
    for part, size, first, last in _strips(lanes, count, target.vectors_a_row):
        with steps(builder, first, last, size * part.width) as start:
            for block, j in _blocks(builder, rows, target.rows(size) if size > 1 else even(rows, target.rows(size))):
                totals = [_slot(part, part.real(0.0)) for _ in range(block * size)]
                with nested(builder, sums) as k:
                    row = _at(builder, right, *k, start)
                    others = [part.load(builder.gep(row, [INT(v * part.width)])) for v in range(size)]
                    for r, place in enumerate(_rows(builder, left, block, j, *k)):
                        factor = part.broadcast(builder.load(place))
                        for v, other in enumerate(others):
                            _add_product(part, totals[r * size + v], factor, other)
                for r, place in enumerate(_rows(builder, out, block, j, start)):
                    for v in range(size):
                        total = builder.load(totals[r * size + v])
                        part.store(total, builder.gep(place, [INT(v * part.width)]))


def product_along_rows(
    lanes: Lanes, target: Target, rows: int, terms: int, out: Array, operands: Sequence[Array], count: ir.Value
) -> None:
    """``out[i, s] = Σ_k left[i, k]·right[s, k]`` for ``count`` samples s, those beyond in the last block like the last.

    Operands are contiguous along k, and out is along s. The lanes of a block of accumulators are added last.
    """
    left, right = operands
    # Three rows or more, and a power of two for samples, of which tiles have whole blocks.
    across = min(SUMS, lanes.width, 1 << (target.accumulators // 3).bit_length() - 1)
    builder, rest = lanes.builder, terms % lanes.width
    end = builder.sub(count, INT(1))
    with steps(builder, INT(0), count, across) as s:
        samples = [_plus(builder, s, c) for c in range(across)]
        inside = [builder.select(builder.icmp_signed("<", place, end), place, end) for place in samples]
        rights = [_at(builder, right, place, INT(0)) for place in inside]
        for down, i in _blocks(builder, rows, target.rows(across)):
            totals = [_slot(lanes, lanes.real(0.0)) for _ in range(down * across)]
            lefts = _rows(builder, left, down, i, INT(0))
            with steps(builder, INT(0), INT(terms - rest), lanes.width) as k:
                _add_products(lanes, totals, lefts, rights, k, None)
            if rest:
                _add_products(lanes, totals, lefts, rights, INT(terms - rest), INT(rest))
            for r, place in enumerate(_rows(builder, out, down, i, s)):
                row = [builder.load(total) for total in totals[r * across : (r + 1) * across]]
                _store(lanes, lanes.sums(row), place, None if across == lanes.width else INT(across))


def product_over_samples(
    lanes: Lanes,
    target: Target,
    rows: int,
    columns: int,
    out: Array,
    operands: Sequence[Array],
    count: ir.Value,
    begun: ir.Value,
) -> None:
    """``out[i, j] += Σ_s left[i, s]·right[s, j]`` over the first ``count`` samples s, to nothing if it has not begun.

    out and right are contiguous along j; beyond the last column nothing is touched.
    """
    left, right = operands
    builder, whole = lanes.builder, columns // lanes.width
    column: int = 0
    for size, number in balanced(whole, target.vectors_a_row) if whole else ():
        _sum_over_samples(lanes, target, rows, columns, (column, number, size), None, out, left, right, count, begun)
        column += size * number * lanes.width
    if (rest := columns - column) > 0:
        # The narrowest register that holds the rest: half of one takes half the time on some processors.
        narrow = Lanes(builder, min(lanes.width, 1 << (rest - 1).bit_length()), lanes.dtype)
        masked = None if rest == narrow.width else INT(rest)
        _sum_over_samples(narrow, target, rows, columns, (column, 1, 1), masked, out, left, right, count, begun)


SUMS = 8
"""The most columns of a block of :func:`sum_across_lanes`: so many sums of lanes are made together."""


def sum_across_lanes(
    lanes: Lanes,
    target: Target,
    rows: int,
    columns: Sequence[int],
    sums: Sequence[Range],
    out: Array,
    operands: Sequence[Array],
    count: ir.Value,
    begun: ir.Value,
) -> None:
    """``out[i, j] += Σ_k,s (left[i, k, s]·right[j, k, s] + …)`` over the first ``count`` samples s, of each pair.

    j and k are as many indices as there are ``columns`` and ``sums``. All operands are contiguous along s. The lanes of
    a block of accumulators are added last, to nothing if it has not begun.
    """
    builder, width = lanes.builder, lanes.width
    whole = builder.and_(count, INT(-width))
    rest = builder.sub(count, whole)
    *around, last = columns
    with nested(builder, [(INT(0), INT(n)) for n in around]) as before:
        for across, j in _blocks(builder, last, min(SUMS, width)):
            for down, i in _blocks(builder, rows, target.rows(across)):
                totals = [_slot(lanes, lanes.real(0.0)) for _ in range(down * across)]
                for left, right in zip(operands[::2], operands[1::2]):
                    with nested(builder, sums) as k:
                        lefts = _rows(builder, left, down, i, *k, INT(0))
                        rights = [_at(builder, right, *before, _plus(builder, j, c), *k, INT(0)) for c in range(across)]
                        with steps(builder, INT(0), whole, width) as s:
                            _add_products(lanes, totals, lefts, rights, s, None)
                        with builder.if_then(builder.icmp_signed(">", rest, INT(0))):
                            _add_products(lanes, totals, lefts, rights, whole, rest)
                for r, place in enumerate(_rows(builder, out, down, i, *before, j)):
                    row = [builder.load(total) for total in totals[r * across : (r + 1) * across]]
                    _add_sums(lanes, row, place, out.steps[-1], begun)


def _add_sums(
    lanes: Lanes, vectors: Sequence[ir.Value], place: ir.Value, step: ir.Value | int, begun: ir.Value
) -> None:
    """Add the sums of the lanes of some vectors to numbers in memory, so many apart."""
    builder = lanes.builder
    sums = lanes.sums(vectors)
    if step == 1:
        masked = None if len(vectors) == lanes.width else INT(len(vectors))
        (before,) = _before(lanes, begun, [place], masked)
        _store(lanes, lanes.add(builder.load(before), sums), place, masked)
        return
    scalar = Lanes(builder, 1, lanes.dtype)
    places = [builder.gep(place, [_times(builder, INT(lane), step)]) for lane in range(len(vectors))]
    for lane, (at, before) in enumerate(zip(places, _before(scalar, begun, places, None))):
        value = builder.extract_element(sums, ir.IntType(32)(lane))
        builder.store(builder.fadd(builder.load(before), value), at)


def _before(lanes: Lanes, begun: ir.Value, places: Sequence[ir.Value], masked: ir.Value | None) -> list[ir.Value]:
    """Slots with what has been added up at some places, 0 where that has not begun."""
    slots = [_slot(lanes, lanes.real(0.0)) for _ in places]
    with lanes.builder.if_then(begun):
        for slot, place in zip(slots, places):
            lanes.builder.store(_load(lanes, place, masked), slot)
    return slots


def _add_products(
    lanes: Lanes,
    totals: Sequence[ir.Value],
    lefts: Sequence[ir.Value],
    rights: Sequence[ir.Value],
    start: ir.Value,
    limit: ir.Value | None,
) -> None:
    """Add the product of every left row with every right one to the totals, for a vector of samples from ``start``.

    The vectors of the fewer rows are kept while one of the others after the other is loaded: 24 totals, three vectors
    and another one have 28 of 32 registers.
    """
    few, many = (lefts, rights) if len(lefts) < len(rights) else (rights, lefts)
    across = len(rights)

    def loaded(row: ir.Value) -> ir.Value:
        return _load(lanes, lanes.builder.gep(row, [start]), limit)

    kept = list(map(loaded, few))
    for m, other in enumerate(map(loaded, many)):
        for n, factor in enumerate(kept):
            place = n * across + m if few is lefts else m * across + n
            _add_product(lanes, totals[place], factor, other)


def _sum_over_samples(
    lanes: Lanes,
    target: Target,
    rows: int,
    columns: int,
    strips: tuple[int, int, int],
    masked: ir.Value | None,
    out: Array,
    left: Array,
    right: Array,
    count: ir.Value,
    begun: ir.Value,
) -> None:
    """Some of the ``columns`` of :func:`product_over_samples`: the first, the strips and the vectors in each of them.

    A block of sums that may lie far away is fetched while the one before it is computed.
    """
    builder, width = lanes.builder, lanes.width
    column, number, size = strips
    with steps(builder, INT(column), INT(column + size * number * width), size * width) as start:
        for block, i in _blocks(builder, rows, target.rows(size)):
            places = _rows(builder, out, block, i, start)
            if target.is_far(rows * columns * lanes.size):
                for r in range(block):
                    _fetch(builder, _at(builder, out, _plus(builder, i, block + r), start), size * width * lanes.size)
            vectors = [builder.gep(place, [INT(v * width)]) for place in places for v in range(size)]
            totals = _before(lanes, begun, vectors, masked)
            with steps(builder, INT(0), count, 1) as s:
                row = _at(builder, right, s, start)
                operands = [_load(lanes, builder.gep(row, [INT(v * width)]), masked) for v in range(size)]
                for r, place in enumerate(_rows(builder, left, block, i, s)):
                    factor = lanes.broadcast(builder.load(place))
                    for v, operand in enumerate(operands):
                        _add_product(lanes, totals[r * size + v], factor, operand)
            for total, place in zip(totals, vectors):
                _store(lanes, builder.load(total), place, masked)


def transpose_to_lanes(
    lanes: Lanes, out: ir.Value, source: ir.Value, out_row: ir.Value, source_row: ir.Value, columns: ir.Value,
    count: ir.Value,
) -> None:  # fmt: skip
    """``out[j, s] = source[s, j]`` for ``count`` samples s; lanes beyond hold the last of them."""
    builder, width = lanes.builder, lanes.width
    last = builder.sub(count, INT(1))

    def square(s: ir.Value, j: ir.Value, limit: ir.Value | None) -> None:
        rows = []
        for r in range(width):
            row = _plus(builder, s, r)
            row = builder.select(builder.icmp_signed("<", row, last), row, last)
            place = builder.gep(source, [builder.add(builder.mul(row, source_row), j)])
            rows.append(lanes.load(place) if limit is None else lanes.load_first(place, limit))
        for c, column in enumerate(_transposed(lanes, rows)):
            place = builder.gep(out, [builder.add(builder.mul(_plus(builder, j, c), out_row), s)])
            if limit is None:
                lanes.store(column, place)
            else:
                with builder.if_then(builder.icmp_signed("<", INT(c), limit)):
                    lanes.store(column, place)

    _squares(lanes, columns, count, square)


def narrow_to_lanes(
    lanes: Lanes, columns: int, out: ir.Value, source: ir.Value, out_row: ir.Value, count: ir.Value
) -> None:
    """``out[j, s] = source[s, j]`` as above for a few columns without gaps: whole vectors, taken apart."""
    builder, width = lanes.builder, lanes.width
    whole = builder.and_(count, INT(-width))
    block = Lanes(builder, 1, lanes.dtype)
    vector = ir.VectorType(block.real_type, width * columns)
    with steps(builder, INT(0), whole, width) as s:
        start = builder.gep(source, [builder.mul(s, INT(columns))])
        rows = builder.load(builder.bitcast(start, vector.as_pointer()), align=block.size)
        for j in range(columns):
            column = builder.shuffle_vector(rows, rows, lane_numbers(range(j, width * columns, columns)))
            lanes.store(column, builder.gep(out, [builder.add(builder.mul(INT(j), out_row), s)]))
    rest = builder.sub(count, whole)
    with builder.if_then(builder.icmp_signed(">", rest, INT(0))):
        moved = builder.gep(out, [whole]), builder.gep(source, [builder.mul(whole, INT(columns))])
        transpose_to_lanes(lanes, *moved, out_row, INT(columns), INT(columns), rest)


def transpose_from_lanes(
    lanes: Lanes, bounded: bool, out: ir.Value, source: ir.Value, out_row: ir.Value, source_row: ir.Value,
    columns: ir.Value, count: ir.Value,
) -> None:  # fmt: skip
    """``out[s, j] = source[j, s]`` for ``count`` samples s; if it is not ``bounded``, up to a whole vector of them."""
    builder, width = lanes.builder, lanes.width
    last = builder.sub(columns, INT(1))

    def square(s: ir.Value, j: ir.Value, limit: ir.Value | None) -> None:
        rows = []
        for r in range(width):
            row = _plus(builder, j, r)
            if limit is not None:
                row = builder.select(builder.icmp_signed("<", row, last), row, last)
            rows.append(lanes.load(builder.gep(source, [builder.add(builder.mul(row, source_row), s)])))
        for r, values in enumerate(_transposed(lanes, rows)):
            sample = _plus(builder, s, r)
            place = builder.gep(out, [builder.add(builder.mul(sample, out_row), j)])
            written = limit
            if bounded:
                inside = builder.icmp_signed("<", sample, count)
                written = builder.select(inside, INT(width) if limit is None else limit, INT(0))
            if written is None:
                lanes.store(values, place)
            else:
                lanes.store_first(values, place, written)

    _squares(lanes, columns, count, square)


def _squares(
    lanes: Lanes, columns: ir.Value, count: ir.Value, square: Callable[[ir.Value, ir.Value, ir.Value | None], None]
) -> None:
    """Every square of ``width`` samples by ``width`` columns; the last columns with their number."""
    builder, width = lanes.builder, lanes.width
    whole = builder.and_(columns, INT(-width))
    with steps(builder, INT(0), count, width) as s:
        with steps(builder, INT(0), whole, width) as j:
            square(s, j, None)
        rest = builder.sub(columns, whole)
        with builder.if_then(builder.icmp_signed(">", rest, INT(0))):
            square(s, whole, rest)


def _transposed(lanes: Lanes, rows: Sequence[ir.Value]) -> list[ir.Value]:
    """The columns of a square of vectors: log2(width) rounds of exchanging halves."""
    width, builder = lanes.width, lanes.builder
    rows, half = list(rows), width // 2
    while half:
        upper = [bool(i & half) for i in range(width)]
        low = [i - half + width if up else i for i, up in enumerate(upper)]
        high = [i + width if up else i + half for i, up in enumerate(upper)]
        picks = [lane_numbers(places) for places in (low, high)]
        for a in (a for a in range(width) if not a & half):
            pair = rows[a], rows[a + half]
            rows[a], rows[a + half] = (builder.shuffle_vector(*pair, pick) for pick in picks)
        half //= 2
    return rows


# --- pieces -------------------------------------------------------------------------------------------------------


@contextmanager
def steps(builder: ir.IRBuilder, start: ir.Value, stop: ir.Value, step: int) -> Iterator[ir.Value]:
    """``for i in range(start, stop, step)``; no loop where it is known to pass once.

    LLVM would find that out after it has looked for what was stored a moment before.
    """
    if isinstance(start, ir.Constant) and isinstance(stop, ir.Constant) and 0 < stop.constant - start.constant <= step:
        yield start
        return
    with counted(builder, stop, start, INT(step)) as (i, _):
        yield i


@contextmanager
def aligned_steps(builder: ir.IRBuilder, start: ir.Value, stop: ir.Value, step: int) -> Iterator[ir.Value]:
    """The same for a short body that is run many times: its code begins where the processor fetches a line.

    Zen 3 takes what lies in one line of 64 bytes, or up to eight operations, in one step. The gradient of a sum of
    max(x, 0), of which a row was 3.9 µs for 10,000 numbers beside a busy neighbour, takes 3.1.
    """
    with steps(builder, start, stop, step) as i:
        yield i
        last = builder.block
    if last.terminator is not None:
        last.remark("llvm.loop", _Loop(builder.module))


class _Loop(ir.values.MDValue):  # type: ignore[misc]
    """What LLVM knows a loop by: a node that begins with itself, here with the alignment of its code in bytes."""

    def __init__(self, module: ir.Module) -> None:
        alignment = module.add_metadata(["llvm.loop.align", ir.IntType(32)(64)])
        super().__init__(module, [alignment], str(len(module.metadata)))

    def descr(self, buf: list[str]) -> None:
        (alignment,) = self.operands
        buf.append(f"distinct !{{ {self.get_reference()}, {alignment.get_reference()} }}\n")


@contextmanager
def nested(builder: ir.IRBuilder, ranges: Sequence[Range]) -> Iterator[list[ir.Value]]:
    """Loops over some indices, the last innermost."""
    with ExitStack() as stack:
        yield [stack.enter_context(steps(builder, first, last, 1)) for first, last in ranges]


def _strips(lanes: Lanes, count: ir.Value, most: int) -> Iterator[tuple[Lanes, int, ir.Value, ir.Value]]:
    """Strips of as many vectors as a block takes, then single ones, then half of one: (lanes, vectors, first, last)."""
    builder, width, half = lanes.builder, lanes.width, lanes.width // 2
    rounded = builder.add(count, INT(half - 1))
    whole = builder.mul(builder.udiv(rounded, INT(most * width)), INT(most * width))
    single = builder.and_(rounded, INT(-width))
    yield lanes, most, INT(0), whole
    yield lanes, 1, whole, single
    yield Lanes(builder, half, lanes.dtype), 1, single, count


def _blocks(builder: ir.IRBuilder, rows: int, most: int) -> Iterator[tuple[int, ir.Value]]:
    """Blocks of rows: the size of each kind and, inside the loop over its blocks, the first row."""
    first = 0
    for size, number in balanced(rows, most):
        if number == 1:
            yield size, INT(first)
        else:
            with steps(builder, INT(first), INT(first + size * number), size) as row:
                yield size, row
        first += size * number


def _slot(lanes: Lanes, value: ir.Value) -> ir.Value:
    """A stack slot, which LLVM turns into a register."""
    slot = on_stack(lanes.builder, lanes.real_type)
    lanes.builder.store(value, slot)
    return slot


def _add_product(lanes: Lanes, slot: ir.Value, a: ir.Value, b: ir.Value) -> None:
    lanes.builder.store(lanes.fma(a, b, lanes.builder.load(slot)), slot)


def _plus(builder: ir.IRBuilder, value: ir.Value, more: int) -> ir.Value:
    return builder.add(value, INT(more)) if more else value


LINE = 64
"""Bytes of a line of cache."""


def _fetch(builder: ir.IRBuilder, place: ir.Value, size: int) -> None:
    """Have so many bytes brought to the first-level cache, to be changed; nothing happens where there are none."""
    flag, place = ir.IntType(32), builder.bitcast(place, BYTE)
    signature = ir.FunctionType(ir.VoidType(), [BYTE, flag, flag, flag])
    function = builder.module.declare_intrinsic("llvm.prefetch", (BYTE,), signature)
    for offset in range(0, size, LINE):
        builder.call(function, [builder.gep(place, [INT(offset)]), flag(1), flag(3), flag(1)])


def _at(builder: ir.IRBuilder, array: Array, *places: ir.Value) -> ir.Value:
    offsets = [_times(builder, place, step) for place, step in zip(places, array.steps, strict=True)]
    return builder.gep(array.pointer, [reduce(builder.add, offsets)])


def _rows(builder: ir.IRBuilder, array: Array, count: int, *places: ir.Value) -> list[ir.Value]:
    """The addresses of an element and of those behind it along the first axis."""
    first, step = _at(builder, array, *places), array.steps[0]
    return [first, *(builder.gep(first, [_times(builder, INT(n), step)]) for n in range(1, count))]


def _times(builder: ir.IRBuilder, value: ir.Value, factor: ir.Value | int) -> ir.Value:
    if isinstance(factor, int):
        return value if factor == 1 else builder.mul(value, INT(factor))
    return builder.mul(value, factor)


def _load(lanes: Lanes, pointer: ir.Value, count: ir.Value | None) -> ir.Value:
    return lanes.load(pointer) if count is None else lanes.load_first(pointer, count)


def _store(lanes: Lanes, value: ir.Value, pointer: ir.Value, count: ir.Value | None) -> None:
    if count is None:
        lanes.store(value, pointer)
    else:
        lanes.store_first(value, pointer, count)
