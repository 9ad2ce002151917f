"""A C source file and its header, from functions."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.emit import random_numbers
from codegen.emit.c import kernels, mathematics, routines
from codegen.emit.c.function import CFunction
from codegen.emit.c.names import comment, macro_name
from codegen.emit.c.writer import Writer
from codegen.ir.operations import count_operations, summary

SHOWN = 200
"""Of so many equations at most the header shows the formulas."""


def header(name: str, functions: Sequence[CFunction], notes: Sequence[str] = ()) -> str:
    """The text of ``name.h``: what each function computes, its parameters, its workspace and its declaration."""
    guard = f"{macro_name(name)}_H"
    lines = [
        "/* Generated from equations; every array is flat, in row-major order, and overlaps no other.",
        "   A function returns 0, or the number of the first parameter that is out of its range: an extent below 1, an",
        "   integer outside the range that is said. Then nothing has been written. It allocates nothing and keeps no",
        "   state, so that several threads may call it, each with a workspace of its own. */",
        *(f"/* {comment(note)} */" for note in notes),
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
    ]
    for function in functions:
        lines += [*_description(function), *_declaration(function), ""]
    lines += ["#ifdef __cplusplus", "}", "#endif", "", "#endif", ""]
    return "\n".join(lines)


def macro(function: CFunction) -> str:
    """The name of the size of a function's workspace."""
    return f"{macro_name(function.name)}_WORKSPACE"


def _description(function: CFunction) -> list[str]:
    graph = function.program.graph
    lines = ["/*"]
    lines += [f"    {comment(str(equation))}" for equation in graph.equations[:SHOWN]]
    if len(graph.equations) > SHOWN:
        lines.append(f"    ... and {len(graph.equations) - SHOWN} more")
    lines += ["", "    parameters:"]
    width = max((len(name) for _, name, _ in function.parameters), default=0)
    for number, (_, name, what) in enumerate(function.parameters, 1):
        lines.append(f"    {number}  {name:<{width}}  {what}")
    for name, values in function.constants.items():
        lines.append(f"    in the file: {comment(name)}{list(values.shape) if values.shape else ''}")
    lines += ["", f"    {function.dtype}; operations for one sample: {summary(count_operations(graph))}", "*/"]
    return lines


def _declaration(function: CFunction) -> list[str]:
    lines = []
    if function.work:
        arguments = f"({', '.join(function.extents.values())})" if function.varies else ""
        lines += [
            "/* The numbers in the workspace. */",
            f"#define {macro(function)}{arguments} ((size_t)({function.workspace_size}))",
        ]
    parameters = [f"    {kind}{name}" for kind, name, _ in function.parameters]
    return [*lines, f"int {function.name}(", ",\n".join(parameters) + ");"]


def source(name: str, functions: Sequence[CFunction]) -> str:
    """The text of ``name.c``."""
    dtype = functions[0].dtype
    bodies = "\n\n".join("\n".join(Writer.definition(function)) for function in functions)
    constants = [line for function in functions for line in function.constant_arrays(bodies)]
    lines = [
        f"/* {name}.h says what this computes.",
        "   For vectors: gcc -O3 -march=native -ffp-contract=fast -fno-math-errno */",
        f'#include "{name}.h"',
        "",
        "#include <math.h>",
        "#include <string.h>",
        "",
        *mathematics.definitions(bodies, dtype),
        *random_numbers.c(bodies, dtype),
        *kernels.definitions(bodies, dtype),
        *routines.definitions(bodies, dtype),
        *constants,
        bodies,
        "",
    ]
    return "\n".join(lines)
