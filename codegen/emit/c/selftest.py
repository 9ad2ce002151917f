"""A program that calls a C function on an example and compares its results, and the file that builds both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from codegen.dtypes import Dtype
from codegen.emit.c.dialect import literal
from codegen.emit.c.function import CFunction
from codegen.emit.c.module import macro
from codegen.emit.c.names import macro_name
from codegen.emit.layout import Slot

TOLERANCE: Mapping[Dtype, float] = {"float64": 1e-12, "float32": 5e-4}
"""By how much a result may be missed: |found - expected| / max(1, |found|, |expected|)."""


MARK = "# Generated from equations, for symnn and codegen to replace."
"""The first line of a CMakeLists.txt that is ours."""


def program(function: CFunction, inputs: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> str:
    """The text of a program: exit status 0 if the function gives what is expected, else 1."""
    return "\n".join(_lines(function, inputs, expected))


def _lines(function: CFunction, inputs: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> Iterator[str]:
    tolerance = TOLERANCE[function.dtype]
    lengths = {
        extent: size
        for variable in function.program.graph.inputs
        if variable.name in inputs
        for extent, size in zip(variable.shape, inputs[variable.name].shape)
        if not isinstance(extent, int)
    }
    yield f"/* Calls {function.name} on an example and compares the results with those of the same graph, compiled."
    yield f"   Exit status 0 if |found - expected| <= {tolerance:g}*max(1, |found|, |expected|) throughout. */"
    yield f'#include "{function.name}.h"'
    yield ""
    yield "#include <math.h>"
    yield "#include <stdio.h>"
    yield ""
    slots = list(zip(function.layout.arguments, function.arguments))
    for slot, name in slots:
        yield from _array(function, f"argument_{name}", _packed(slot, inputs), slot)
    for slot, name in zip(function.layout.results, function.results):
        yield from _array(function, f"expected_{name}", expected[slot.name], slot)
        yield f"static {function.real} result_{name}[{max(1, expected[slot.name].size)}];"
        yield ""
    sizes = ", ".join(str(lengths[n]) for n in function.program.extents)
    if function.work:
        yield f"static {function.real} workspace[{macro(function)}{f'({sizes})' if function.varies else ''}];"
        yield ""
    yield from _COMPARISON.format(real=function.real, tolerance=repr(tolerance)).splitlines()
    yield ""
    yield "int main(void)"
    yield "{"
    given = [*(str(lengths[n]) for n in function.program.extents)]
    given += [f"argument_{name}" if slot.shape else f"argument_{name}[0]" for slot, name in slots]
    given += [f"result_{name}" for name in function.results]
    given += ["workspace"] * bool(function.work)
    yield f"    const int status = {function.name}({', '.join(given)});"
    yield "    double worst = 0.0;"
    yield "    if (status != 0) {"
    yield '        printf("parameter %d is out of its range\\n", status);'
    yield "        return 1;"
    yield "    }"
    for slot, name in zip(function.layout.results, function.results):
        found = f"deviation({max(1, expected[slot.name].size)}, result_{name}, expected_{name})"
        yield f"    worst = larger(worst, {found});"
    yield f'    printf("self-test: largest deviation %.1e, at most {tolerance:g} is allowed\\n", worst);'
    yield f"    return worst <= {tolerance!r} ? 0 : 1;"
    yield "}"
    yield ""


_COMPARISON = """\
static double larger(double x, double y)
{{
    return y > x || y != y ? y : x;
}}

static double deviation(ptrdiff_t n, const {real} *found, const {real} *expected)
{{
    double worst = 0.0;
    for (ptrdiff_t i = 0; i < n; ++i) {{
        const double x = (double)found[i], y = (double)expected[i];
        const double scale = larger(1.0, larger(fabs(x), fabs(y)));
        if ((x != x && y != y) || x == y)
            continue;
        worst = larger(worst, fabs(x - y)/scale);
    }}
    return worst;
}}"""


def _packed(slot: Slot, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([inputs[variable.name].ravel() for variable in slot.variables])


def _array(function: CFunction, name: str, values: np.ndarray, slot: Slot) -> Iterator[str]:
    integers = slot.kind == "integer"
    kind = "int64_t" if integers else function.real
    flat = values.ravel().tolist()
    texts = [f"INT64_C({v})" if integers else literal(v, function.dtype) for v in flat]
    yield f"static const {kind} {name}[{len(flat)}] = {{"
    yield from (f"    {', '.join(texts[n : n + 4])}," for n in range(0, len(texts), 4))
    yield "};"
    yield ""


def cmake(name: str) -> str:
    """The text of a CMakeLists.txt with a library and its test."""
    return f"""\
{MARK}
cmake_minimum_required(VERSION 3.10)
project({name} C)

set(CMAKE_C_STANDARD 99)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
endif()

add_library({name} {name}.c)
target_include_directories({name} PUBLIC ${{CMAKE_CURRENT_SOURCE_DIR}})
option({macro_name(name)}_NATIVE "Compile for this machine alone" ON)
if(CMAKE_C_COMPILER_ID MATCHES "GNU|Clang")
    # Vectors of the machine at hand, and fused multiply-adds in them.
    include(CheckCCompilerFlag)
    check_c_compiler_flag(-march=native HasMarchNative)
    target_compile_options({name} PRIVATE -Wall -Wextra -pedantic -O3 -ffp-contract=fast -fno-math-errno)
    if({macro_name(name)}_NATIVE AND HasMarchNative)
        target_compile_options({name} PRIVATE -march=native)
    endif()
endif()
{_cmake_test(name)}"""


def cmake_object(name: str) -> str:
    """The text of a CMakeLists.txt with an object file as a library, and its test."""
    return f"""\
{MARK}
cmake_minimum_required(VERSION 3.10)
project({name} C)

set(CMAKE_C_STANDARD 99)
set(CMAKE_C_EXTENSIONS OFF)

add_library({name} STATIC {name}.o)
set_target_properties({name} PROPERTIES LINKER_LANGUAGE C)
set_source_files_properties({name}.o PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
target_include_directories({name} PUBLIC ${{CMAKE_CURRENT_SOURCE_DIR}})
{_cmake_test(name)}"""


def _cmake_test(name: str) -> str:
    """How a library is linked, and its test."""
    return f"""\
if(UNIX)
    target_link_libraries({name} PUBLIC m)
endif()

enable_testing()
add_executable({name}_test {name}_test.c)
target_link_libraries({name}_test {name})
add_test(NAME {name} COMMAND {name}_test)
"""
