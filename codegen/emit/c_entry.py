"""The readable module as a C function that finds its arguments in a table, as vector code does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numba import types
from numba.extending import intrinsic

from codegen.dtypes import Dtype
from codegen.emit.layout import Layout, Slot
from codegen.walk import Extent, parts


def c_source(layout: Layout, extents: tuple[Extent, ...], dtype: Dtype, module: str) -> str:
    """The source of a module with ``run``, a C function around ``fill`` of the module with this key.

    It expects ``fill`` and :func:`pointer`.
    """
    return "\n".join(_lines(layout, extents, dtype, module))


@intrinsic
def pointer(typing_context: Any, address: Any) -> Any:
    """An integer as an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


def _lines(layout: Layout, extents: tuple[Extent, ...], dtype: Dtype, module: str) -> Iterator[str]:
    slots = (*layout.arguments, *layout.arrays)
    yield f'"""fill of the module {module} as a C function."""'
    yield ""
    yield "import numpy as np"
    yield "from numba import carray, cfunc, types"
    yield ""
    yield "CACHE = globals().get('CACHE', False)  # set by a loader that keeps this file for Numba's cache"
    yield ""
    yield ""
    yield '@cfunc(types.int64(types.int64, types.int64, types.int64), cache=CACHE, error_model="numpy")'
    yield "def run(table, workspace, results):"
    yield f"    words = carray(pointer(table), ({len(slots) + len(extents)},), np.int64)"
    for number in range(len(extents)):
        yield f"    n{number} = words[{len(slots) + number}]"
    for number, slot in enumerate(slots):
        yield f"    a{number} = {_argument(number, slot, extents, dtype)}"
    yield f"    values = carray(pointer(results), ({max(len(layout.scalars), 1)},), np.{dtype})"
    yield "    try:"
    yield f"        found = fill({', '.join(f'a{n}' for n in range(len(slots)))})"
    yield "    except Exception:"
    yield "        return 0"
    if len(layout.scalars) == 1:
        yield "    values[0] = found"
    else:
        yield from (f"    values[{n}] = found[{n}]" for n in range(len(layout.scalars)))
    yield "    return 1"
    yield ""


def _argument(number: int, slot: Slot, extents: tuple[Extent, ...], dtype: Dtype) -> str:
    element = "int64" if slot.kind == "integer" else dtype
    if slot.shape:
        shape = "".join(f"{_length(n, extents)}, " for n in slot.shape)
        return f"carray(pointer(words[{number}]), ({shape}), np.{element})"
    # The bits of a number are the beginning of its word.
    return f"carray(pointer(table + {8 * number}), (1,), np.{element})[0]"


def _length(n: Extent, extents: tuple[Extent, ...]) -> str:
    constant, lengths = parts(n)
    terms = [f"{factor} * n{extents.index(symbol)}" for symbol, factor in lengths]
    return " + ".join([*terms, str(constant)])
