"""Lanes of width one whose operations are statements of C: the code that writes vectors writes C."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from codegen.emit.c.dialect import C_TYPES, CType, literal
from codegen.emit.lanes import Lanes, Operand, Value
from codegen.errors import EmitError


@dataclass
class Body:
    """The statements of a function, one after the other."""

    lines: list[str] = field(default_factory=list)
    count: int = 0
    depth: int = 1

    def name(self) -> str:
        """A new identifier."""
        self.count += 1
        return f"v{self.count}"

    def add(self, line: str) -> None:
        """One statement more."""
        self.lines.append("    " * self.depth + line)

    def assign(self, kind: str, text: str) -> str:
        """A new variable; gives its name."""
        name = self.name()
        self.add(f"const {kind} {name} = {text};")
        return name

    def needed(self, result: str) -> list[str]:
        """The statements without those whose value nobody reads."""
        found: list[str] = []
        used = set(_WORD.findall(result))
        for line in reversed(self.lines):
            defined = _DEFINITION.match(line)
            if defined is None or defined[1] in used:
                found.append(line)
                used.update(_WORD.findall(line))
        return found[::-1]


_WORD = re.compile(r"\bv\d+\b")
_DEFINITION = re.compile(r"\s*const \w+ (v\d+) =")


@dataclass(frozen=True)
class CLanes(Lanes):
    """One number a value; ``builder`` is the :class:`Body` that the statements go to, values are their texts."""

    builder: Any

    @property
    def words(self) -> CType:
        return C_TYPES[self.dtype]

    def _real(self, text: str) -> str:
        return str(self.builder.assign(self.words.name, text))

    def _integer(self, text: str) -> str:
        return str(self.builder.assign(self.words.integer, text))

    def _mask(self, text: str) -> str:
        return str(self.builder.assign("int", text))

    def real(self, value: Operand) -> Value:
        return literal(float(value), self.dtype) if isinstance(value, (int, float)) else value

    def integer(self, value: Operand) -> Value:
        if not isinstance(value, int):
            return value
        return f"{self.words.constant}({value % 2**self.format.integer.width})"

    def broadcast(self, scalar: Value) -> Value:
        return scalar

    def add(self, a: Operand, b: Operand) -> Value:
        return self._real(f"{self.real(a)} + {self.real(b)}")

    def sub(self, a: Operand, b: Operand) -> Value:
        return self._real(f"{self.real(a)} - {self.real(b)}")

    def mul(self, a: Operand, b: Operand) -> Value:
        return self._real(f"{self.real(a)}*{self.real(b)}")

    def div(self, a: Operand, b: Operand) -> Value:
        return self._real(f"{self.real(a)}/{self.real(b)}")

    def neg(self, a: Operand) -> Value:
        return self._real(f"-({self.real(a)})")

    def abs(self, a: Operand) -> Value:
        return self._intrinsic("fabs", a)

    def _intrinsic(self, name: str, *operands: Operand) -> Value:
        return self._real(f"{name}{self.words.suffix}({', '.join(map(self.real, operands))})")

    def compare(self, relation: str, a: Operand, b: Operand) -> Value:
        return self._mask(f"{self.real(a)} {relation} {self.real(b)}")

    def select(self, mask: Value, a: Operand, b: Operand) -> Value:
        return self._real(f"{mask} ? {self.real(a)} : {self.real(b)}")

    def both(self, mask: Value, other: Value) -> Value:
        return self._mask(f"{mask} & {other}")

    def either(self, mask: Value, other: Value) -> Value:
        return self._mask(f"{mask} | {other}")

    def any(self, mask: Value) -> Value:
        return mask

    def where_any(self, mask: Value, value: Callable[[], Value], otherwise: Value) -> Value:
        name = self.builder.name()
        self.builder.add(f"{self.words.name} {name} = {self.real(otherwise)};")
        self.builder.add(f"if ({mask}) {{")
        self.builder.depth += 1
        self.builder.add(f"{name} = {self.real(value())};")
        self.builder.depth -= 1
        self.builder.add("}")
        return name

    def bits(self, a: Operand) -> Value:
        return self._integer(f"bits_of_{self.words.name}({self.real(a)})")

    def from_bits(self, a: Operand) -> Value:
        return self._real(f"{self.words.name}_of({self.integer(a)})")

    def int_add(self, a: Operand, b: Operand) -> Value:
        return self._integer(f"{self.integer(a)} + {self.integer(b)}")

    def int_sub(self, a: Operand, b: Operand) -> Value:
        return self._integer(f"{self.integer(a)} - {self.integer(b)}")

    def bit_and(self, a: Operand, b: Operand) -> Value:
        return self._integer(f"{self.integer(a)} & {self.integer(b)}")

    def bit_or(self, a: Operand, b: Operand) -> Value:
        return self._integer(f"{self.integer(a)} | {self.integer(b)}")

    def bit_xor(self, a: Operand, b: Operand) -> Value:
        return self._integer(f"{self.integer(a)} ^ {self.integer(b)}")

    def shift_left(self, a: Operand, places: int) -> Value:
        return self._integer(f"{self.integer(a)} << {places}")

    def shift_right(self, a: Operand, places: int) -> Value:
        return self._integer(f"{self.integer(a)} >> {places}")

    def int_compare(self, relation: str, a: Operand, b: Operand) -> Value:
        left, right = (f"({self.words.signed}){self.integer(value)}" for value in (a, b))
        return self._mask(f"{left} {relation} {right}")

    def libm(self, name: str, *arguments: Value) -> Value:
        if self.dtype == "float64":
            return self._real(f"{name}({', '.join(arguments)})")
        return self._real(f"(float){name}({', '.join(f'(double){a}' for a in arguments)})")

    def per_lane(self, name: str, scalar: Callable[..., Value], *arguments: Value) -> Value:
        raise EmitError(f"{name} has no form in C")
