"""Machine code of x86-64 from rows of numbers, all instructions at once as arrays.

A row has a form, a register that is written, one that is read, an operand and a byte at the end. Each becomes the
bytes that LLVM's assembler gives it: the short VEX prefix where there is one, EVEX for registers from 16 on (Intel, 64
and IA-32 Architectures Software Developer's Manual, volume 2, chapter 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np

from codegen.dtypes import ITEM, Dtype

Operand: TypeAlias = int
"""A vector register by its number, or what lies in memory."""
Row: TypeAlias = int

FORM, FIRST, OPERAND, LAST = 10, 5, 16, 54
"""The bits of a row at which its parts begin; those of the register that is written come first."""
MEMORY = 32
"""Operands from here on lie in memory, behind the general register of that number."""
RAX, RBX, RBP, R12 = 0, 3, 5, 12
CONSTANTS, FUNCTIONS = 16, 17
"""What stands for the number of a register where constants and addresses of functions behind the code are meant."""
REACH = 1 << 31
"""Operands lie less than so many bytes behind a register."""


def memory(base: int, offset: int) -> Operand:
    """What lies so many bytes behind the address in a general register."""
    return (offset & 0xFFFFFFFF) << 6 | MEMORY + base


@dataclass(frozen=True)
class Form:
    """How an instruction is encoded."""

    opcode: int
    map: int = 1
    """0F is 1, 0F38 2, 0F3A 3; 0 what has no vectors."""
    prefix: int = 0
    """None is 0, 66 is 1, F3 2, F2 3."""
    wide: bool = False
    """The bit W, of EVEX also where VEX ignores it."""
    ignored: bool = True
    """Whether VEX ignores W."""
    length: int = 0
    """Of vectors: 128 bits are 0, 256 are 1, 512 are 2."""
    unit: int = 8
    """Bytes in which EVEX counts short offsets."""
    last: bool = False
    """Whether there is a byte at the end."""
    swapped: int = 0
    """The opcode with both registers, read and operand, in each other's place, where that is possible."""


@lru_cache(maxsize=2)
def forms(dtype: Dtype) -> Mapping[str, Form]:
    """The instructions of straight lines, by name."""
    item, wide = ITEM[dtype], dtype == "float64"
    scalar, packed = (3, 1) if wide else (2, 0)
    real = partial(Form, prefix=scalar, wide=wide, unit=item)
    bits = partial(Form, prefix=packed, wide=wide, unit=16)
    found = {
        "add": real(0x58),
        "mul": real(0x59),
        "sub": real(0x5C),
        "div": real(0x5E),
        "sqrt": real(0x51),
        "compare": real(0xC2, last=True),
        "load": real(0x10),
        "store": real(0x11),
        "copy": Form(0x28, prefix=1, wide=True, unit=16, swapped=0x29),
        "and": bits(0x54, swapped=0x54),
        "or": bits(0x56, swapped=0x56),
        "xor": bits(0x57, swapped=0x57),
        "select": Form(0x4A + wide, map=3, prefix=1, last=True),
        "low": Form(0x14, prefix=1, wide=True, unit=16),
        "high": Form(0x16, prefix=1, wide=True),
        "lane": Form(0x21, map=3, prefix=1, unit=4, last=True),
        "half": Form(0x18, map=3, prefix=1, length=1, last=True),
        "quarters": Form(0x1A, map=3, prefix=1, wide=True, length=2, last=True),
        "broadcast 32": Form(0x18 + wide, map=2, prefix=1, wide=wide, length=1),
        "broadcast 64": Form(0x18 + wide, map=2, prefix=1, wide=wide, length=2),
        "store 32": Form(0x11, length=1, unit=32),
        "store 64": Form(0x11, length=2, unit=64),
        "word": Form(0x8B, map=0, wide=True),
        "address": Form(0x8D, map=0, wide=True),
        "call": Form(0xFF, map=0),
    }
    for name, opcode in (("fma", 0x99), ("fnma", 0x9D)):
        for n, order in enumerate(("132", "213", "231")):
            own = opcode + 16 * n
            found[name + order] = Form(own, map=2, prefix=1, wide=wide, ignored=False, unit=item)
    return found


@lru_cache(maxsize=2)
def numbers(dtype: Dtype) -> Mapping[str, int]:
    """Forms by name, as rows have them."""
    return {name: number << FORM for number, name in enumerate(forms(dtype))}


HEAD = bytes.fromhex("53 55 4154 4155 4156 4157 4883ec08 4889fb 4989f4")
"""Registers are saved (rbx, rbp, r12 to r15), the stack is aligned; rbx and r12 become both arguments."""
TAIL = bytes.fromhex("c5f877 4883c408 415f 415e 415d 415c 5d 5b c3")
"""The upper halves of vectors are cleared, the registers are as they were."""


def encoded(rows: Sequence[Row], dtype: Dtype, constants: Sequence[int]) -> bytes:
    """A function of these rows, and the constants behind it; addresses of functions belong behind these."""
    row = np.array(rows, np.int64)
    table = list(forms(dtype).values())
    form = row >> FORM & 63

    def of(name: str) -> np.ndarray:
        found: np.ndarray = np.array([getattr(each, name) for each in table], np.int32)[form]
        return found

    target, first, place = ((row >> at & most).astype(np.int32) for at, most in ((0, 31), (FIRST, 31), (OPERAND, 63)))
    offset = (row >> OPERAND + 6).astype(np.int32)
    group, prefix, wide, length, opcode = (of(name) for name in ("map", "prefix", "wide", "length", "opcode"))
    in_memory = place >= MEMORY
    base = place & 31
    is_behind = in_memory & (base >= CONSTANTS)

    # What needs a short prefix only if its operands change places.
    is_copy = opcode == 0x28
    one, other = np.where(is_copy, target, first), base
    swaps = (of("swapped") > 0) & ~in_memory & (other >= 8) & (other < 16) & (one < 8) & (target < 16)
    opcode = np.where(swaps, of("swapped"), opcode)
    base = np.where(swaps, one, other)
    first = np.where(swaps & ~is_copy, other, first)
    target = np.where(swaps & is_copy, other, target)

    high = np.maximum(np.maximum(target, first), np.where(in_memory, 0, base)) >= 16
    evex = (high | (length == 2)) & (group > 0)
    wide_vex = wide & ~(of("ignored") & (group > 0))
    r, b, x = target >> 3 & 1, np.where(is_behind, 0, base >> 3 & 1), np.where(in_memory, 0, base >> 4)
    vex3 = ~evex & (group > 0) & ((group > 1) | (wide_vex | b > 0))
    vex2 = ~evex & (group > 0) & ~vex3
    rex = 0x40 | wide << 3 | r << 2 | b
    inverted = (~r & 1) << 7 | (~x & 1) << 6 | (~b & 1) << 5 | group
    operand = (~first & 15) << 3 | prefix

    # Prefix, opcode, registers, offset and last byte; what is not there of it is left out at the end.
    short = np.where(evex, of("unit"), 1)
    fits = (offset % short == 0) & (offset // short >= -128) & (offset // short < 128)
    mod = np.where(offset == 0, (base & 7) == 5, np.where(fits, 1, 2))
    mod = np.where(is_behind, 0, np.where(in_memory, mod, 3))
    bytes_of_offset = np.where(is_behind, 4, np.array([0, 1, 4, 0], np.int32)[mod])
    shown = np.zeros((len(row), 12), bool)
    code = np.zeros((len(row), 12), np.uint8)
    shown[:, 0] = (group > 0) | (rex > 0x40)
    code[:, 0] = np.select([evex, vex3, vex2], [0x62, 0xC4, 0xC5], rex)
    shown[:, 1] = group > 0
    code[:, 1] = np.select([evex, vex3], [inverted | (~(target >> 4) & 1) << 4, inverted], 0)
    code[vex2, 1] = ((~r & 1) << 7 | operand | length << 2)[vex2]
    shown[:, 2] = evex | vex3
    code[:, 2] = np.where(evex, wide << 7 | operand | 4, wide_vex << 7 | operand | length << 2)
    shown[:, 3] = evex
    code[:, 3] = length << 5 | (~(first >> 4) & 1) << 3
    shown[:, 4:6] = True
    code[:, 4] = opcode
    code[:, 5] = mod << 6 | (target & 7) << 3 | np.where(is_behind, 5, base & 7)
    shown[:, 6] = in_memory & ~is_behind & (base & 7 == 4)
    code[:, 6] = 0x24
    for n in range(4):
        shown[:, 7 + n] = bytes_of_offset > n
    shown[:, 11] = of("last")
    code[:, 11] = row >> LAST
    ends = len(HEAD) + np.cumsum(shown.sum(1, dtype=np.int32), dtype=np.int32)
    size = int(ends[-1]) + len(TAIL)
    padding = -size % 8
    behind = size + padding + np.where(base == FUNCTIONS, 8 * len(constants), 0) - ends
    full = np.where(is_behind, offset + behind, np.where(bytes_of_offset == 1, offset // short, offset))
    for n in range(4):
        code[:, 7 + n] = full >> 8 * n
    words = np.array(constants, np.uint64).astype("<u8")
    return HEAD + code[shown].tobytes() + TAIL + bytes(padding) + words.tobytes()
