"""The special functions for jitted code, each an intrinsic by its name in here.

Apart from :mod:`~codegen.emit.special_forms`, by which vector code is written without Numba.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic
from sympy.core.basic import Basic

from codegen.dtypes import Dtype
from codegen.emit.externals import require
from codegen.emit.lanes import Lanes
from codegen.emit.special_forms import CODE, apply
from codegen.functions import operation

__all__ = ["require"]


def _jitted(kind: type[Basic]) -> Any:
    """The function for jitted code, an intrinsic, whose order is a literal; Numba lets them have no ``*arguments``."""

    def typed(*arguments: Any) -> Any:
        require(*(operation(kind).calls or ()))  # code that comes from a cache has said so itself
        orders = [a.literal_value for a in arguments if isinstance(a, types.IntegerLiteral)]
        numbers = arguments[len(orders) :]
        dtype: Dtype = "float32" if all(a == types.float32 for a in numbers) else "float64"

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return apply(kind, Lanes(builder, 1, dtype), orders, values[len(orders) :])

        result = getattr(types, dtype)
        return result(*arguments[: len(orders)], *[result] * len(numbers)), generate

    if max(map(int, kind.nargs)) == 1:
        return intrinsic(prefer_literal=True)(lambda typing_context, x: typed(x))
    return intrinsic(prefer_literal=True)(lambda typing_context, a, x: typed(a, x))


# Numba looks a function up by its name in this module, and knows the ones that are there before it begins to compile.
globals().update({kind.__name__: _jitted(kind) for kind in CODE})
