"""SIMD lanes: arithmetic on one vector type, as LLVM instructions.

Every operation rounds once, as IEEE 754 says, and carries no fast-math flag, so that a lane holds the same bits
whatever the width and the lane. A product and a sum are fused where :meth:`Lanes.fma` says so and nowhere else: Numba's
``fastmath={"contract"}`` marks every bare ``fmul`` and ``fadd`` of a module and lets LLVM choose per target.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, TypeAlias

from llvmlite import ir

from codegen.cached import cached_property
from codegen.dtypes import Dtype
from codegen.emit.control import counted
from codegen.emit.instructions import begun, function_of
from codegen.errors import EmitError

Value: TypeAlias = Any
"""An ``ir.Value`` of one of the types of :class:`Lanes`; llvmlite has no type hints."""

Operand: TypeAlias = Any
"""A :data:`Value`, or a Python number that stands for a vector full of it."""


@dataclass(frozen=True)
class Format:
    """An IEEE 754 format: its LLVM types, the bits of its fraction, the bias of its exponent."""

    real: ir.Type
    integer: ir.Type
    fraction: int
    bias: int
    suffix: str


FORMATS: dict[Dtype, Format] = {
    "float64": Format(ir.DoubleType(), ir.IntType(64), 52, 1023, "f64"),
    "float32": Format(ir.FloatType(), ir.IntType(32), 23, 127, "f32"),
}


@dataclass(frozen=True)
class Lanes:
    """Operations on ``width`` numbers of one dtype, emitted where ``builder`` stands; a width of 1 is a plain scalar.

    An operand is a vector or a Python number, which becomes a vector full of it. Comparisons give a mask,
    ``width`` times i1. Raises :class:`EmitError` if the width is not a power of two.
    """

    builder: ir.IRBuilder
    width: int
    dtype: Dtype

    def __post_init__(self) -> None:
        if self.width < 1 or self.width & (self.width - 1):
            raise EmitError(f"a vector of {self.width} lanes, expected a power of two")

    # --- types and constants --------------------------------------------------------------------------------------

    @property
    def format(self) -> Format:
        return FORMATS[self.dtype]

    @cached_property
    def real_type(self) -> ir.Type:
        return self._vector(self.format.real)

    @cached_property
    def integer_type(self) -> ir.Type:
        return self._vector(self.format.integer)

    def _vector(self, element: ir.Type) -> ir.Type:
        return element if self.width == 1 else ir.VectorType(element, self.width)

    def real(self, value: Operand) -> Value:
        """A number in every lane, rounded to the dtype; a value as it is."""
        if not isinstance(value, (int, float)):
            return value
        return _real_constant(self.dtype, self.width, float(value).hex())

    def integer(self, value: Operand) -> Value:
        """An integer of the same size in every lane; a value as it is."""
        if not isinstance(value, int):
            return value
        return _integer_constant(self.dtype, self.width, value % 2**self.format.integer.width)

    def broadcast(self, scalar: ir.Value) -> Value:
        """A scalar of the dtype in every lane."""
        if self.width == 1:
            return scalar
        one = self.builder.insert_element(_undefined(self.dtype, self.width), scalar, ir.IntType(32)(0))
        return self.builder.shuffle_vector(one, one, lane_numbers([0] * self.width))

    # --- real arithmetic ------------------------------------------------------------------------------------------

    def add(self, a: Operand, b: Operand) -> Value:
        return self.builder.fadd(self.real(a), self.real(b))

    def sub(self, a: Operand, b: Operand) -> Value:
        return self.builder.fsub(self.real(a), self.real(b))

    def mul(self, a: Operand, b: Operand) -> Value:
        return self.builder.fmul(self.real(a), self.real(b))

    def div(self, a: Operand, b: Operand) -> Value:
        return self.builder.fdiv(self.real(a), self.real(b))

    def fma(self, a: Operand, b: Operand, c: Operand) -> Value:
        """a·b + c, rounded once."""
        return self._intrinsic("fma", a, b, c)

    def neg(self, a: Operand) -> Value:
        return self.builder.fneg(self.real(a))

    def abs(self, a: Operand) -> Value:
        return self._intrinsic("fabs", a)

    def sqrt(self, a: Operand) -> Value:
        return self._intrinsic("sqrt", a)

    def floor(self, a: Operand) -> Value:
        return self._intrinsic("floor", a)

    def nearest(self, a: Operand) -> Value:
        """The nearest whole number, of two the even one."""
        return self._intrinsic("rint", a)

    def copysign(self, size: Operand, sign: Operand) -> Value:
        """The absolute value of one with the sign of the other."""
        return self._intrinsic("copysign", size, sign)

    def _intrinsic(self, name: str, *operands: Operand) -> Value:
        # llvmlite's VectorType has no intrinsic_name, so the name is spelled out: llvm.fma.v8f64.
        kind = self.format.suffix if self.width == 1 else f"v{self.width}{self.format.suffix}"
        arguments = [self.real(operand) for operand in operands]
        signature = ir.FunctionType(self.real_type, [self.real_type] * len(arguments))
        return self.builder.call(function_of(self.builder.module, signature, f"llvm.{name}.{kind}"), arguments)

    # --- comparisons and choices ----------------------------------------------------------------------------------

    def compare(self, relation: str, a: Operand, b: Operand) -> Value:
        """Where ``a relation b``; nan differs from every number and itself, every other comparison with it is false."""
        compare = self.builder.fcmp_unordered if relation == "!=" else self.builder.fcmp_ordered
        return compare(relation, self.real(a), self.real(b))

    def select(self, mask: Value, a: Operand, b: Operand) -> Value:
        """a where the mask holds, else b."""
        return self.builder.select(mask, self.real(a), self.real(b))

    def both(self, mask: Value, other: Value) -> Value:
        """Where both masks hold."""
        return self.builder.and_(mask, other)

    def either(self, mask: Value, other: Value) -> Value:
        """Where at least one of the masks holds."""
        return self.builder.or_(mask, other)

    def where_any(self, mask: Value, value: Callable[[], Value], otherwise: Value) -> Value:
        """The value where the mask holds; it is not computed if that is in no lane."""
        before = self.builder.block
        with self.builder.if_then(self.any(mask), likely=False):
            chosen = self.select(mask, value(), otherwise)
            inside = self.builder.block
        result = self.builder.phi(self.real_type)
        result.add_incoming(otherwise, before)
        result.add_incoming(chosen, inside)
        return result

    def usually(self, mask: Callable[[], Value], usual: Callable[[], Value], always: Callable[[], Value]) -> Value:
        """What ``always`` gives, and ``usual`` where the mask holds; without branches the first alone."""
        return always()

    def any(self, mask: Value) -> Value:
        """Whether the mask holds in at least one lane: one i1, to branch on."""
        if self.width == 1:
            return mask
        bits = self.builder.bitcast(mask, ir.IntType(self.width))
        return self.builder.icmp_unsigned("!=", bits, bits.type(0))

    def at_most(self, a: Operand, limit: Operand) -> Value:
        """min(a, limit); where a is nan, nan."""
        return self.select(self.compare("<", limit, a), limit, a)

    def at_least(self, a: Operand, limit: Operand) -> Value:
        """max(a, limit); where a is nan, nan."""
        return self.select(self.compare(">", limit, a), limit, a)

    def larger(self, a: Operand, b: Operand) -> Value:
        """The larger of two, the first of equals; nan wins."""
        return self.extreme(">", [b, a])

    def smaller(self, a: Operand, b: Operand) -> Value:
        """The smaller of two, the first of equals; nan wins."""
        return self.extreme("<", [b, a])

    def extreme(self, relation: str, numbers: Sequence[Operand]) -> Value:
        """The largest (">") or the smallest ("<") of some numbers, the last of equals; nan wins.

        A comparison with nan gives the second number, one instruction where the processor has a maximum like that. So
        only the last cannot be lost, and whether one of the others is nan is asked of two at a time, once for all.
        """
        best = reduce(lambda best, other: self.select(self.compare(relation, best, other), best, other), numbers)
        others = list(map(self.real, numbers[:-1]))
        undefined = (self.builder.fcmp_unordered("uno", a, b) for a, b in zip(others[::2], [*others[1::2], others[-1]]))
        return self.select(reduce(self.either, undefined), math.nan, best)

    # --- bits and integers ----------------------------------------------------------------------------------------

    def bits(self, a: Operand) -> Value:
        """The bits of a real number, as an integer of the same size."""
        return self.builder.bitcast(self.real(a), self.integer_type)

    def from_bits(self, a: Operand) -> Value:
        """The real number with these bits."""
        return self.builder.bitcast(self.integer(a), self.real_type)

    def int_add(self, a: Operand, b: Operand) -> Value:
        return self.builder.add(self.integer(a), self.integer(b))

    def int_sub(self, a: Operand, b: Operand) -> Value:
        return self.builder.sub(self.integer(a), self.integer(b))

    def bit_and(self, a: Operand, b: Operand) -> Value:
        return self.builder.and_(self.integer(a), self.integer(b))

    def bit_or(self, a: Operand, b: Operand) -> Value:
        return self.builder.or_(self.integer(a), self.integer(b))

    def bit_xor(self, a: Operand, b: Operand) -> Value:
        return self.builder.xor(self.integer(a), self.integer(b))

    def shift_left(self, a: Operand, places: int) -> Value:
        return self.builder.shl(self.integer(a), self.integer(places))

    def shift_right(self, a: Operand, places: int) -> Value:
        """Shifted right, zeros moved in."""
        return self.builder.lshr(self.integer(a), self.integer(places))

    def int_compare(self, relation: str, a: Operand, b: Operand) -> Value:
        """Where ``a relation b``, both read as signed integers."""
        return self.builder.icmp_signed(relation, self.integer(a), self.integer(b))

    # --- across the lanes -----------------------------------------------------------------------------------------

    def sum(self, a: Operand) -> Value:
        """The sum of the lanes, a scalar: the upper half is added to the lower until one lane is left."""
        return self._reduce(self.real(a), lambda half, low, high: half.add(low, high))

    def max(self, a: Operand) -> Value:
        """The largest lane, a scalar; nan wins."""
        return self._reduce(self.real(a), lambda half, low, high: half.larger(low, high))

    def sums(self, vectors: Sequence[Value]) -> Value:
        """The sum of the lanes of each of up to ``width`` vectors, in the first lanes of one.

        In each of log2(width) rounds the halves of what belongs to one sum are added, for two vectors at once.
        """
        found = list(vectors)
        part = self.width // 2
        while part:
            starts = range(0, 2 * self.width, 2 * part)
            low = [lane for start in starts for lane in range(start, start + part)]
            picks = [lane_numbers([lane + shift for lane in low]) for shift in (0, part)]
            pairs = [(a, found[min(n + 1, len(found) - 1)]) for n, a in enumerate(found) if n % 2 == 0]
            found = [self.add(*(self.builder.shuffle_vector(*pair, pick) for pick in picks)) for pair in pairs]
            part //= 2
        return found[0]

    def _reduce(self, a: Value, combine: Callable[[Lanes, Value, Value], Value]) -> Value:
        if self.width == 1:
            return a
        half = Lanes(self.builder, self.width // 2, self.dtype)
        return half._reduce(combine(half, self._slice(a, 0, half), self._slice(a, half.width, half)), combine)

    def _slice(self, a: Value, start: int, part: Lanes) -> Value:
        if part.width == 1:
            return self.builder.extract_element(a, ir.IntType(32)(start))
        return self.builder.shuffle_vector(a, a, lane_numbers(range(start, start + part.width)))

    def first(self, a: Operand, part: Lanes) -> Value:
        """As many of the first lanes as another width has."""
        return a if part.width == self.width else self._slice(self.real(a), 0, part)

    def with_first(self, a: Operand, first: Value, part: Lanes) -> Value:
        """The vector with others as its first lanes, as many as another width has."""
        if part.width == self.width:
            return first
        lanes = range(self.width)
        longer = lane_numbers([lane % part.width for lane in lanes])
        chosen = lane_numbers([lane if lane < part.width else self.width + lane for lane in lanes])
        return self.builder.shuffle_vector(self.builder.shuffle_vector(first, first, longer), self.real(a), chosen)

    # --- one lane after the other ---------------------------------------------------------------------------------

    def libm(self, name: str, *arguments: Value) -> Value:
        """A function of the C library called once a lane, in float64: 10 ns and more an element."""

        def call(builder: ir.IRBuilder, *numbers: Value) -> Value:
            signature = ir.FunctionType(ir.DoubleType(), [ir.DoubleType()] * len(numbers))
            return builder.call(function_of(builder.module, signature, name), numbers)

        return self.per_lane(name, call, *arguments)

    def per_lane(self, name: str, scalar: Callable[..., Value], *arguments: Value) -> Value:
        """``scalar(builder, number, …)`` of float64 numbers, once a lane.

        The loop over the lanes is a function of its own, so that it does not spill the registers of the code around it.
        """
        module = self.builder.module
        signature = ir.FunctionType(self.real_type, [self.real_type] * len(arguments))
        label = f"codegen.{name}.{self.width}x{self.format.suffix}"
        function = function_of(module, signature, label)
        if function.is_declaration:
            _define_per_lane(function, self, scalar)
        return self.builder.call(function, arguments)

    # --- memory ---------------------------------------------------------------------------------------------------

    def load(self, pointer: ir.Value) -> Value:
        """The ``width`` numbers from a pointer to the first, which need not be aligned to the vector."""
        return self.builder.load(self._as_vector(pointer), align=self.size)

    def store(self, a: Operand, pointer: ir.Value) -> None:
        self.builder.store(self.real(a), self._as_vector(pointer), align=self.size)

    def load_first(self, pointer: ir.Value, count: ir.Value) -> Value:
        """The first ``count`` numbers from a pointer, and zeros; nothing beyond them is touched."""
        mask = self._first(count)
        signature = ir.FunctionType(
            self.real_type, [self.real_type.as_pointer(), ir.IntType(32), mask.type, self.real_type]
        )
        function = function_of(self.builder.module, signature, f"llvm.masked.load.{self._masked}")
        return self.builder.call(function, [self._as_vector(pointer), ir.IntType(32)(self.size), mask, self.real(0.0)])

    def store_first(self, a: Operand, pointer: ir.Value, count: ir.Value) -> None:
        """Store the first ``count`` lanes; nothing beyond them is touched.

        Of a number that is known as vectors and numbers of their own: masked stores take some processors 20 times as
        long (AMD up to Zen 4).
        """
        if isinstance(count, ir.Constant):
            self._store_parts(self.real(a), pointer, int(count.constant))
            return
        mask = self._first(count)
        signature = ir.FunctionType(
            ir.VoidType(), [self.real_type, self.real_type.as_pointer(), ir.IntType(32), mask.type]
        )
        function = function_of(self.builder.module, signature, f"llvm.masked.store.{self._masked}")
        self.builder.call(function, [self.real(a), self._as_vector(pointer), ir.IntType(32)(self.size), mask])

    def _store_parts(self, vector: ir.Value, pointer: ir.Value, count: int) -> None:
        first = 0
        while first < count:
            part = Lanes(self.builder, 1 << ((count - first).bit_length() - 1), self.dtype)
            place = self.builder.gep(pointer, [ir.IntType(64)(first)])
            if part.width == 1:
                value = self.builder.extract_element(vector, ir.IntType(32)(first))
            else:
                value = self.builder.shuffle_vector(vector, vector, lane_numbers(range(first, first + part.width)))
            part.store(value, place)
            first += part.width

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return int(self.format.integer.width) // 8

    @property
    def _masked(self) -> str:
        return f"v{self.width}{self.format.suffix}.p0"

    def _as_vector(self, pointer: ir.Value) -> ir.Value:
        return self.builder.bitcast(pointer, self.real_type.as_pointer())

    def _first(self, count: ir.Value) -> ir.Value:
        index = ir.VectorType(ir.IntType(64), self.width)
        every = Lanes(self.builder, self.width, "float64")
        spread = self.builder.insert_element(ir.Constant(index, ir.Undefined), count, ir.IntType(32)(0))
        spread = self.builder.shuffle_vector(spread, spread, lane_numbers([0] * self.width))
        return every.int_compare("<", lane_numbers(range(self.width), 64), spread)


class BranchingLanes(Lanes):
    """Lanes of a loop that does nothing else, where a branch is cheaper than what it leaves out."""

    def usually(self, mask: Callable[[], Value], usual: Callable[[], Value], always: Callable[[], Value]) -> Value:
        return self.where_any(self.builder.not_(mask()), always, usual())


def _define_per_lane(function: ir.Function, lanes: Lanes, scalar: Callable[..., Value]) -> None:
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder, index = begun(function), ir.IntType(32)
    scalars = Lanes(builder, 1, lanes.dtype)
    if lanes.width == 1:
        builder.ret(_through_double(scalars, scalar, function.args))
        return
    place = builder.alloca(lanes.real_type)
    with counted(builder, index(lanes.width)) as (lane, _):
        value = _through_double(scalars, scalar, [builder.extract_element(a, lane) for a in function.args])
        builder.store(builder.insert_element(builder.load(place), value, lane), place)
    builder.ret(builder.load(place))


def _through_double(lanes: Lanes, scalar: Callable[..., Value], arguments: Sequence[Value]) -> Value:
    if lanes.dtype == "float64":
        return scalar(lanes.builder, *arguments)
    wide = [lanes.builder.fpext(a, ir.DoubleType()) for a in arguments]
    return lanes.builder.fptrunc(scalar(lanes.builder, *wide), lanes.real_type)


def lane_numbers(numbers: Iterable[int], bits: int = 32) -> ir.Constant:
    """A vector of integers, such as the lanes that a shuffle takes."""
    return _lane_numbers(tuple(numbers), bits)


# Constants are kept, because llvmlite formats one again for each new object.


@lru_cache(maxsize=4096)
def _lane_numbers(numbers: tuple[int, ...], bits: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(bits), len(numbers)), numbers)


@lru_cache(maxsize=64)
def _undefined(dtype: Dtype, width: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(FORMATS[dtype].real, width), ir.Undefined)


@lru_cache(maxsize=4096)
def _real_constant(dtype: Dtype, width: int, value: str) -> ir.Constant:
    # Keyed by the text, because 0.0 == −0.0.
    element = ir.Constant(FORMATS[dtype].real, float.fromhex(value))
    return element if width == 1 else ir.Constant(ir.VectorType(element.type, width), [element] * width)


@lru_cache(maxsize=4096)
def _integer_constant(dtype: Dtype, width: int, value: int) -> ir.Constant:
    element = ir.Constant(FORMATS[dtype].integer, value)
    return element if width == 1 else ir.Constant(ir.VectorType(element.type, width), [element] * width)


def store_each(function: Callable[..., Value], lanes: Lanes, pointers: Sequence[ir.Value], count: ir.Value) -> None:
    """Store ``function(lanes, x, …)`` of so many elements; the last of the pointers is where.

    Full vectors, then what is left of one through masked loads and a masked store.
    """
    builder, step = lanes.builder, count.type(lanes.width)
    left = builder.and_(count, count.type(lanes.width - 1))
    full = builder.sub(count, left)
    with counted(builder, full, count.type(0), step) as (start, _):
        *arguments, out = [builder.gep(pointer, [start]) for pointer in pointers]
        lanes.store(function(lanes, *[lanes.load(pointer) for pointer in arguments]), out)
    if lanes.width > 1:
        with builder.if_then(builder.icmp_signed(">", left, left.type(0))):
            *arguments, out = [builder.gep(pointer, [full]) for pointer in pointers]
            lanes.store_first(function(lanes, *[lanes.load_first(p, left) for p in arguments]), out, left)
