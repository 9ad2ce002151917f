"""What the vector emitter computes with: values of one number or one a lane, loop counters, sums under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from llvmlite import ir
from sympy import Expr, Idx, Min, Symbol, ceiling, floor

from codegen.emit.instructions import function_of
from codegen.walk import Extent, as_extent, parts, quotient, under_root

INT = ir.IntType(64)
BYTE = ir.IntType(8).as_pointer()


@dataclass(frozen=True)
class Value:
    """A scalar, or one value a lane: real numbers, integers or truth values."""

    llvm: ir.Value
    lanes: bool


@dataclass(frozen=True)
class Counter:
    """The value of a loop index in the first lane, and how much more it is in each that follows: 0 for a scalar.

    Where integers in the data say it, it is ``each``, a vector with the value of every lane.
    """

    base: ir.Value
    step: ir.Value | int = 0
    each: ir.Value | None = None

    @property
    def lanes(self) -> bool:
        """Whether it differs from lane to lane."""
        return self.each is not None or not (isinstance(self.step, int) and self.step == 0)


@dataclass(frozen=True)
class Address:
    """Where a value is kept, or those of all lanes: so many elements apart, 0 for one value that all lanes share."""

    pointer: ir.Value
    stride: ir.Value | int
    whole: bool
    """Whether a whole vector may be read and written there, whatever the number of lanes that count."""


@dataclass(frozen=True)
class Places:
    """Where the values of the lanes are kept that lie where data say: a vector of pointers."""

    pointers: ir.Value


@dataclass(frozen=True)
class Sum:
    """A sum or maximum under way in a stack slot, which LLVM turns into registers."""

    target: Expr
    slot: ir.Value
    lanes: bool
    combine: bool
    """Whether its lanes are combined to one number after the loop."""


def length(builder: ir.IRBuilder, n: Extent, extents: Mapping[Symbol, ir.Value]) -> ir.Value:
    """An extent: a number, the value of a symbol, or a sum of those, their quotients and the smaller of two, T − 1."""
    if isinstance(n, int):
        return INT(n)
    if n in extents:
        return extents[n]
    constant, lengths = parts(n)
    total: ir.Value = INT(constant)
    for symbol, factor in lengths:
        if isinstance(symbol, floor):
            over, divisor = quotient(symbol)
            part = builder.sdiv(length(builder, over, extents), INT(divisor))
        elif isinstance(symbol, ceiling):
            part = square_root(builder, length(builder, as_extent(under_root(symbol)), extents))
        elif isinstance(symbol, Min):
            a, b = (length(builder, as_extent(n), extents) for n in symbol.args)
            part = builder.select(builder.icmp_signed("<", a, b), a, b)
        else:
            part = extents[symbol]
        part = part if factor == 1 else builder.mul(part, INT(factor))
        total = builder.add(total, part)
    return total


def square_root(builder: ir.IRBuilder, n: ir.Value) -> ir.Value:
    """The square root of a natural number below 2⁵², rounded up."""
    real = ir.DoubleType()
    value = builder.sitofp(n, real)
    for name in ("sqrt", "ceil"):
        signature = ir.FunctionType(real, [real])
        value = builder.call(function_of(builder.module, signature, f"llvm.{name}.f64"), [value])
    return builder.fptosi(value, INT)


Scope: TypeAlias = Mapping[Idx, Counter]
"""The loops around a statement."""
