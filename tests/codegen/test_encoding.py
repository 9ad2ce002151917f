"""Rows of instructions have the bytes that LLVM's assembler gives them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from itertools import islice, product

import pytest

from codegen.dtypes import ITEM, Dtype
from codegen.emit.vector.encoding import (
    CONSTANTS,
    FIRST,
    FORM,
    FUNCTIONS,
    LAST,
    MEMORY,
    OPERAND,
    RAX,
    RBP,
    RBX,
    encoded,
    forms,
    memory,
    numbers,
)
from codegen.runtime.machine import compile_module, host, load_object

pytestmark = pytest.mark.skipif(not host().assembly, reason="the processor has another language")

GENERAL = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16))]
TEXTS = {
    **{name: f"v{name}s{{d}} {{operand}}, {{first}}, {{target}}" for name in ("add", "sub", "mul", "div", "sqrt")},
    **{
        f"f{n}ma{o}": f"vf{n}madd{o}s{{d}} {{operand}}, {{first}}, {{target}}"
        for n in ("", "n")
        for o in (132, 213, 231)
    },
    **{name: f"v{name}p{{d}} {{operand}}, {{first}}, {{target}}" for name in ("and", "or", "xor")},
    "compare": "vcmps{d} ${last}, {operand}, {first}, {target}",
    "select": "vblendvp{d} {mask}, {operand}, {first}, {target}",
    "load": "vmovs{d} {operand}, {target}",
    "store": "vmovs{d} {target}, {operand}",
    "copy": "vmovapd {operand}, {target}",
    "low": "vunpcklpd {operand}, {first}, {target}",
    "high": "vmovhpd {operand}, {first}, {target}",
    "lane": "vinsertps ${last}, {operand}, {first}, {target}",
    "half": "vinsertf128 ${last}, {operand}, {first:y}, {target:y}",
    "quarters": "vinsertf64x4 ${last}, {operand:y}, {first:z}, {target:z}",
    "broadcast 32": "vbroadcasts{d} {operand}, {target:y}",
    "broadcast 64": "vbroadcasts{d} {operand}, {target:z}",
    "store 32": "vmovups {target:y}, {operand}",
    "store 64": "vmovups {target:z}, {operand}",
    "word": "movq {operand}, %{general}",
    "address": "leaq {operand}, %{general}",
    "call": "callq *{operand}",
}


class Named(str):
    """An operand of an instruction; registers are wide if that is asked for."""

    def __format__(self, kind: str) -> str:
        return self.replace("%x", f"%{kind or 'x'}")


def operand_text(operand: int) -> Named:
    place, offset = operand & 63, ctypes.c_int32(operand >> 6).value
    if place < MEMORY:
        return Named(f"%xmm{place}")
    base = {MEMORY + CONSTANTS: "constants", MEMORY + FUNCTIONS: "functions"}.get(place)
    return Named(f"{offset}(%{GENERAL[place - MEMORY]})" if base is None else f"{base}+{offset}(%rip)")


def text(row: int, dtype: Dtype) -> str:
    """A row in assembly language."""
    name = list(forms(dtype))[row >> FORM & 63]
    target, first, last = row & 31, row >> FIRST & 31, row >> LAST
    return TEXTS[name].format(
        d="d" if dtype == "float64" else "s",
        operand=operand_text(row >> OPERAND & (1 << 38) - 1),
        first=Named(f"%xmm{first}"),
        target=Named(f"%xmm{target}"),
        general=GENERAL[target & 15],
        last=last,
        mask=f"%xmm{last >> 4}",
    )


SAVED = ("%rbx", "%rbp", "%r12", "%r13", "%r14", "%r15")


def assembled(rows: Sequence[int], dtype: Dtype, constants: Sequence[int]) -> bytes:
    """What LLVM's assembler makes of them."""
    lines = [".text", ".globl first, last", ".p2align 6", "first:", *(f"pushq {name}" for name in SAVED)]
    lines += ["subq $8, %rsp", "movq %rdi, %rbx", "movq %rsi, %r12", *(text(row, dtype) for row in rows)]
    lines += ["vzeroupper", "addq $8, %rsp", *(f"popq {name}" for name in reversed(SAVED)), "retq"]
    lines += [".p2align 3, 0", "constants:", *(f".quad {bits}" for bits in constants), "functions:", "last: .quad 0"]
    code = load_object(compile_module('module asm "{}"\n'.format("\\0A".join(lines))), ["first", "last"])
    first, last = (code.addresses[name] for name in ("first", "last"))
    return ctypes.string_at(first, last - first)


PLACES = [
    *(memory(base, offset) for base in (RAX, RBX, 4, 7, 8, 13) for offset in (0, 8)),
    *(memory(base, offset) for base in (RBP, 12) for offset in (0, 12, -128, 127, 128, 1016, 1024, -4096)),
    memory(CONSTANTS, 16),
]
REGISTERS = (0, 7, 8, 15, 16, 31)


def rows(dtype: Dtype, registers: Sequence[int]) -> Iterator[int]:
    """Each instruction with registers of all kinds, and with all places in memory that it may read or write."""
    number = numbers(dtype)
    low = [n for n in registers if n < 16]
    three = ["add", "sub", "mul", "div", "sqrt", "and", "or", "low"]
    three += [name for name in number if name.startswith(("fma", "fnma"))]
    for name in three:
        for target, first, other in product(registers, repeat=3):
            yield other << OPERAND | first << FIRST | target | number[name]
    for name in [name for name in three if name != "low"] + ["xor", "high"]:
        for target, first, place in product(registers[::3], registers[1::4], PLACES):
            is_behind = place & 63 >= MEMORY + CONSTANTS
            if name not in ("xor", "and") or is_behind:
                yield place << OPERAND | first << FIRST | target | number[name]
    for target, other in product(registers, repeat=2):
        yield other << OPERAND | target | number["copy"]
    for name in ("load", "store"):
        for target, place in product(registers, PLACES):
            yield place << OPERAND | target | number[name]
    for lane, target, other in product((1, 2, 3), low, [*registers, *PLACES]):
        yield 16 * lane << LAST | other << OPERAND | target << FIRST | target | number["lane"]
    for predicate, target, other in product((0, 4, 0x11, 0x12, 0x1E, 0x1D), low, [*low, *PLACES]):
        yield predicate << LAST | other << OPERAND | low[1] << FIRST | target | number["compare"]
    for mask, target, first, other in product(low, repeat=4):
        yield mask << 4 + LAST | other << OPERAND | first << FIRST | target | number["select"]
    for target, other in product(range(8), (12, 13, 14)):
        yield 1 << LAST | other << OPERAND | target << FIRST | target | number["half"]
        if len(registers) > len(low):
            yield 1 << LAST | other << OPERAND | target << FIRST | target | number["quarters"]
    for size in (32, 64) if len(registers) > len(low) else (32,):
        for offset, target in product((-128, -64, -32, 0, 40, 96, 1 << 12, 1 << 20), registers):
            yield memory(RBP, offset) << OPERAND | target | number[f"store {size}"]
        for target, other in product(registers, repeat=2):
            yield other << OPERAND | target | number[f"broadcast {size}"]
    for name, base in product(("word", "address"), (RAX, RBX, RBP, 12, 13)):
        for target, offset in product(range(16), (0, 8, 128, 1 << 20)):
            yield memory(base, offset) << OPERAND | target | number[name]
    for n in range(3):
        yield memory(FUNCTIONS, 8 * n) << OPERAND | 2 | number["call"]


@pytest.mark.parametrize("dtype", ITEM)
@pytest.mark.parametrize("registers", [REGISTERS, REGISTERS[:4]], ids=["wide", "narrow"])
def test_each_instruction_has_the_bytes_of_the_assembler(dtype: Dtype, registers: Sequence[int]) -> None:
    if len(registers) > 4 and host().registers < 32:
        pytest.skip("the processor has 16 registers")
    given, constants = list(rows(dtype, registers)), [1 << 63, 5, 0]
    ours, theirs = encoded(given, dtype, constants), assembled(given, dtype, constants)
    if ours != theirs:
        alone = (row for row in given if encoded([row], dtype, constants) != assembled([row], dtype, constants))
        pytest.fail("\n".join(text(row, dtype) for row in islice(alone, 20)))
