"""The functions that C code calls, each defined in the file that needs it.

What :mod:`~codegen.emit.vectormath` and :mod:`~codegen.emit.special_forms` write in lanes is written here in C, by the
same code: without branches, so that a compiler makes vectors of loops over them, and to the same bits where it
fuses nothing else. They need a fused multiply-add; where the processor has none libm is called, or a formula over it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator

from sympy import Expr, Symbol
from sympy.core.basic import Basic

from codegen.dtypes import Dtype
from codegen.emit.c.dialect import C_TYPES, PREFIX, in_libm, is_formula, is_special, literal, portable
from codegen.emit.c.lanes import Body, CLanes
from codegen.emit.scalars import ExpressionWriter
from codegen.emit.special_forms import CODE
from codegen.emit.vectormath import FORMS

_CALLED = re.compile(rf"\b{PREFIX}([A-Za-z]\w*)\(")


def definitions(text: str, dtype: Dtype) -> list[str]:
    """The lines that define the functions which a text calls.

    >>> print("\\n".join(definitions("f_modulo(x, y)", "float64")[:4]))
    static inline uint64_t bits_of_double(double x)
    {
        uint64_t bits;
        memcpy(&bits, &x, sizeof bits);
    """
    functions = [line for name in sorted(set(_CALLED.findall(text))) for line in (*_definition(name, dtype), "")]
    written = "\n".join(functions)
    conversions = [line for kind in C_TYPES for line in _conversions(kind, written)]
    return [*conversions, *functions]


def _conversions(dtype: Dtype, text: str) -> Iterator[str]:
    """Between a number and its bits, if a text asks for it; beside a fused multiply-add if that is where it does."""
    words = C_TYPES[dtype]
    real, integer = words.name, words.integer
    always = re.sub(r"#ifdef .*?#else", "", text, flags=re.DOTALL)
    for name, given, result, local in (
        (f"bits_of_{real}", f"{real} x", integer, "bits"),
        (f"{real}_of", f"{integer} x", real, "number"),
    ):
        if f"{name}(" not in text:
            continue
        lines = [
            f"static inline {result} {name}({given})",
            "{",
            f"    {result} {local};",
            f"    memcpy(&{local}, &x, sizeof {local});",
            f"    return {local};",
            "}",
        ]
        yield from lines if f"{name}(" in always else [f"#ifdef {words.fast}", *lines, "#endif"]
        yield ""


def _definition(name: str, dtype: Dtype) -> Iterator[str]:
    words = C_TYPES[dtype]
    if (kind := _named(name, FORMS)) is not None:
        arguments = list(inspect.signature(FORMS[kind]).parameters)[1:]
        yield from _signature(PREFIX + name, arguments, dtype)
        body = Body()
        result = FORMS[kind](CLanes(body, 1, dtype), *arguments)
        own = [*body.needed(result), f"    return {result};"]
        if in_libm(kind) or is_formula(kind):  # which can do without a fused multiply-add
            yield f"#ifdef {words.fast}"
            yield from own
            yield "#else"
            yield from _by_libm(kind, dtype)
            yield "#endif"
        else:
            yield from own
        yield "}"
        return
    # Special functions are computed in float64, as everywhere.
    stem, *orders = re.split(r"_(?=\d)", name)
    special = _named(stem, CODE)
    assert special is not None
    assert is_special(special)
    arguments = ["x", "y"][: max(map(int, special.nargs)) - len(orders)]
    inner = PREFIX + name if dtype == "float64" else f"wide_{name}"
    body = Body()
    result = CODE[special](CLanes(body, 1, "float64"), *map(int, orders), *arguments)
    yield from _signature(inner, arguments, "float64")
    yield from body.needed(result)
    yield f"    return {result};"
    yield "}"
    if dtype == "float32":
        yield ""
        yield from _signature(PREFIX + name, arguments, dtype)
        yield f"    return (float){inner}({', '.join(f'(double){a}' for a in arguments)});"
        yield "}"


def _named(name: str, kinds: Iterable[type[Basic]]) -> type[Basic] | None:
    return next((kind for kind in kinds if kind.__name__ == name), None)


def _signature(name: str, arguments: list[str], dtype: Dtype) -> Iterator[str]:
    real = C_TYPES[dtype].name
    yield f"static inline {real} {name}({', '.join(f'{real} {a}' for a in arguments)})"
    yield "{"


def _by_libm(kind: type[Basic], dtype: Dtype) -> Iterator[str]:
    """A function of libm, or a formula over such."""
    x: Expr = Symbol("x", real=True)
    lines: list[str] = []

    def assign(text: str) -> str:
        lines.append(f"    const {C_TYPES[dtype].name} u{len(lines) + 1} = {text};")
        return f"u{len(lines)}"

    writer = ExpressionWriter(
        lambda _: "x", lambda _: None, lambda value: literal(value, dtype), assign, portable(dtype)
    )
    text = writer.write(kind(x))
    yield from lines
    yield f"    return {text};"
