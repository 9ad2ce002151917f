"""Our vector mathematics for jitted code of one's own: a name is a function of a number, or of an array's elements.

>>> import numpy as np
>>> from numba import njit
>>> from codegen import vectormath
>>> @njit
... def gaussian(x, width):
...     return vectormath.exp(-((x / width) ** 2))
>>> gaussian(np.linspace(-1, 1, 5), 0.5)
array([0.01831564, 0.36787944, 1.        , 0.36787944, 0.01831564])
>>> vectormath.tanh(0.5)
0.46211715726000974

They take float64 and float32 (whole numbers become float64), scalars and arrays of any shape, and give new arrays; with
``out=``, an array of the same shape and type, nothing is allocated. In jitted code and from Python the bits are the
same, and those of a number are those of an element. Errors in units in the last place: ``ULP[name][dtype]``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from codegen.dtypes import Dtype

NAMES = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "erfc", "exp", "expm1", "log", "log1p",
    "normal_cdf", "sigmoid", "sin", "sinh", "softplus", "tan", "tanh",
)  # fmt: skip
LANES: Mapping[Dtype, int] = MappingProxyType({"float64": 8, "float32": 16})
"""Of a register of 512 bits; where those of a machine are shorter, LLVM takes several."""

_EXACT: Mapping[str, Callable[[float], float]] = {
    "normal_cdf": lambda x: math.erfc(-x / math.sqrt(2)) / 2,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
}
"""Those that the C library does not have, for the numbers in their examples."""

__all__ = ["NAMES", "ULP", *NAMES]  # noqa: F822 - made when they are asked for


def __getattr__(name: str) -> Any:
    if name == "ULP":
        from codegen.emit.vectormath import FORMS, ULP_BOUNDS

        bounds = {FORMS[kind].__name__: bound for kind, bound in ULP_BOUNDS.items()}
        found: Any = MappingProxyType({known: bounds[known] for known in NAMES})
    elif name in NAMES:
        from numba.core.registry import cpu_target

        found = _function(name)
        # Jitted code may be what asks, in the midst of its compilation: Numba has read its tables before.
        cpu_target.typing_context.refresh()
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}, but {', '.join(NAMES)}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def elementwise(function: Callable[..., Any], dtype: Dtype, width: int, **options: Any) -> Any:
    """An njit function ``apply(x, …, out)`` that stores ``function(lanes, x, …)`` of every element in ``out``.

    It takes contiguous 1-d arrays of the dtype and of one length, unchecked; ``out`` may be one of the arguments.
    ``options`` are Numba's.
    """
    from numba import njit, types
    from numba.core.cgutils import unpack_tuple
    from numba.extending import intrinsic

    from codegen.emit.lanes import BranchingLanes, store_each

    @intrinsic
    def loop(typing_context: Any, arrays: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            views = [context.make_array(arrays.dtype)(context, builder, v) for v in unpack_tuple(builder, *values)]
            store_each(function, BranchingLanes(builder, width, dtype), [view.data for view in views], views[-1].nitems)
            return context.get_dummy_value()

        return types.void(arrays), generate

    @njit(**options)
    def apply(*arrays: Any) -> None:
        loop(arrays)

    return apply


@cache
def _function(name: str) -> Any:
    """The function: a plain one for Python, which jitted code finds overloaded."""
    from numba import types
    from numba.extending import intrinsic, overload

    from codegen.emit.lanes import Lanes
    from codegen.emit.vectormath import form_of

    form = form_of(name)

    @intrinsic
    def scalar(typing_context: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return form(Lanes(builder, 1, x.name), values[0])

        return x(x), generate

    @cache
    def vectors(dtype: Dtype) -> Any:
        return elementwise(form, dtype, LANES[dtype])

    def function(x: Any, out: Any = None) -> Any:
        given = x if isinstance(x, np.ndarray) else np.asarray(x)
        if given.dtype not in (np.float64, np.float32):
            if given.dtype.kind not in "biu":
                raise TypeError(f"{name}: found {given.dtype}, expected float64, float32 or whole numbers")
            given = given.astype(np.float64)
        if out is not None:
            if not isinstance(out, np.ndarray) or (out.shape, out.dtype) != (given.shape, given.dtype):
                raise TypeError(f"{name}: out has to be an array of {given.dtype} with shape {given.shape}")
            if not (out.flags.c_contiguous and out.flags.writeable):
                raise TypeError(f"{name}: out has to be C-contiguous and writeable")
        made = np.empty(given.shape, given.dtype) if out is None else out
        vectors(given.dtype.name)(np.ascontiguousarray(given).reshape(-1), made.reshape(-1))
        return made if made.ndim or out is not None else made[()].item() if given.dtype == np.float64 else made[()]

    def number(x: Any, out: Any = None) -> Any:
        return scalar(x)

    def whole(x: Any, out: Any = None) -> Any:
        return scalar(np.float64(x))

    @overload(function)
    def jitted(x: Any, out: Any = None) -> Any:
        if isinstance(x, types.Float) and out in (None, types.none, types.Omitted(None)):
            return number
        if isinstance(x, (types.Integer, types.Boolean)):
            return whole
        if not (isinstance(x, types.Array) and x.dtype in (types.float64, types.float32)):
            return None
        apply = vectors(x.dtype.name)
        contiguous = x.layout == "C"

        def new(x: Any, out: Any = None) -> Any:
            given = x if contiguous else np.ascontiguousarray(x)
            made = np.empty(x.shape, x.dtype)
            apply(given.reshape(given.size), made.reshape(made.size))
            return made

        def into(x: Any, out: Any = None) -> Any:
            if out.shape != x.shape:
                raise ValueError("out has another shape")
            given = x if contiguous else np.ascontiguousarray(x)
            apply(given.reshape(given.size), out.reshape(out.size))
            return out

        if isinstance(out, types.Array):
            return into if out.layout == "C" and out.dtype == x.dtype else None
        return new

    function.__name__ = function.__qualname__ = name
    x = 1.5 if name == "acosh" else 0.5
    function.__doc__ = f"""The {name} of a number, or of every element of an array.

    >>> round({name}({x}), 12), {name}(np.array([{x}], np.float32)).dtype.name
    ({round((_EXACT.get(name) or getattr(math, name))(x), 12)}, 'float32')
    """
    return function
