"""SymPy's own functions that are kept as they are, their derivatives being right: one row each; and the row of any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import sympy
from sympy import Expr
from sympy.core.basic import Basic

from codegen.functions import arrays
from codegen.functions import special_arrays as special
from codegen.functions.arrays import of_scipy, smooth
from codegen.functions.operation import (
    EVERYWHERE,
    EXPONENTIAL,
    INF,
    LARGE,
    NAN,
    PERIODIC,
    POSITIVE,
    SMALL,
    UNIT,
    Ends,
    Operation,
    Points,
)
from codegen.functions.primitive import RealFunction
from codegen.functions.special_arrays import to_first_order

__all__ = ["BORROWED", "operation", "operations"]


def _elementary(name: str, array: arrays.Function, ends: Ends, numpy: str = "", **more: Any) -> Operation:
    """A function that Python, NumPy and mpmath have too, mostly by one name."""
    return Operation(array, f"math.{name}", numpy or f"np.{name}", mpmath=name, ends=ends, **more)


def _special(name: str, array: arrays.Function, *calls: str, numpy: str = "", **more: Any) -> Operation:
    """A function that only SciPy and mpmath have."""
    return Operation(array, f"special.{name}", numpy or f"special.{name}", calls=calls, **{"mpmath": name, **more})


def _airy(name: str, number: int, ends: Ends, points: Points | None = None) -> Operation:
    text = f"special.airy({{0}})[{number}]"
    return _special(name, special.airy(number), "airy", numpy=text, ends=ends, points=points)


_BOTH = {-1: "-inf", 1: "inf"}

BORROWED: Mapping[type[Basic], Operation] = {
    sympy.exp: _elementary(
        "exp", arrays.exp, Ends("0", "inf", limit=EXPONENTIAL), step=True, points=Points(special=EVERYWHERE)
    ),
    sympy.log: _elementary(
        "log",
        arrays.log,
        Ends("nan", "inf", low=0, poles={0: "-inf"}),
        step=True,
        points=Points(POSITIVE, (1e-300, 1.0, 1e300, -1.0, INF, *NAN)),
    ),
    sympy.tanh: _elementary(
        "tanh", smooth(np.tanh), Ends("-1", "1", limit=EXPONENTIAL), step=True, points=Points(special=EVERYWHERE)
    ),
    sympy.sinh: _elementary(
        "sinh", smooth(np.sinh), Ends("-inf", "inf", limit=EXPONENTIAL), step=True, points=Points()
    ),
    sympy.cosh: _elementary("cosh", smooth(np.cosh), Ends("inf", "inf", limit=EXPONENTIAL), step=True, points=Points()),
    sympy.sin: _elementary(
        "sin",
        smooth(np.sin),
        Ends("nan", "nan", limit=PERIODIC),
        step=True,
        points=Points(special=(*SMALL, *LARGE, 1e5, INF, *NAN)),
    ),
    sympy.cos: _elementary(
        "cos",
        smooth(np.cos),
        Ends("nan", "nan", limit=PERIODIC),
        step=True,
        points=Points(special=(*SMALL, *LARGE, 1e5, INF, *NAN)),
    ),
    sympy.tan: _elementary(
        "tan", smooth(np.tan), Ends("nan", "nan", limit=PERIODIC), step=True, points=Points(UNIT, (*SMALL, INF, *NAN))
    ),
    sympy.asin: _elementary(
        "asin",
        smooth(np.arcsin, low=-1, high=1),
        Ends("nan", "nan", -1, 1),
        "np.arcsin",
        points=Points(UNIT, (*SMALL, 2.0, *NAN)),
    ),
    sympy.acos: _elementary(
        "acos",
        smooth(np.arccos, low=-1, high=1),
        Ends("nan", "nan", -1, 1),
        "np.arccos",
        points=Points(UNIT, (*SMALL, 2.0, *NAN)),
    ),
    sympy.atan: _elementary("atan", smooth(np.arctan), Ends("-pi/2", "pi/2"), "np.arctan", step=True, points=Points()),
    sympy.asinh: _elementary("asinh", smooth(np.arcsinh), Ends("-inf", "inf"), "np.arcsinh", points=Points()),
    sympy.acosh: _elementary(
        "acosh",
        smooth(np.arccosh, low=1),
        Ends("nan", "inf", low=1),
        "np.arccosh",
        points=Points((1.2, 2.0, 9.0), (0.5, 1e5, *NAN)),
    ),
    sympy.atanh: _elementary(
        "atanh",
        smooth(np.arctanh, low=-1, high=1),
        Ends("nan", "nan", -1, 1, _BOTH),
        "np.arctanh",
        points=Points(UNIT, (*SMALL, 2.0, *NAN)),
    ),
    sympy.atan2: Operation(arrays.atan2, "math.atan2", "np.arctan2", mpmath="atan2"),
    sympy.erf: _elementary(
        "erf", smooth(of_scipy("erf")), Ends("-1", "1", limit=EXPONENTIAL), "special.erf", step=True, points=Points()
    ),
    sympy.erfc: _elementary("erfc", arrays.erfc, Ends("2", "0", limit=EXPONENTIAL), "special.erfc", points=Points()),
    sympy.gamma: Operation(
        to_first_order(lambda s, x: s.gamma(x), lambda s, x: s.gamma(x) * s.digamma(x)),
        "math.gamma",
        "special.gamma",
        calls=(),
        mpmath="gamma",
        points=Points((-1.7, -0.31, 0.2, 0.62, 1.9, 4.4), (30.5, *NAN)),
    ),
    sympy.loggamma: _special(
        "loggamma",
        to_first_order(special.loggamma, lambda s, x: s.digamma(x)),
        ends=Ends("nan", "inf", low=0, poles={0: "inf"}),
        points=Points(POSITIVE, (1e-8, 1e5, *NAN)),
    ),
    sympy.polygamma: _special(
        "polygamma", to_first_order(special.polygamma, lambda s, n, x: s.polygamma(np.asarray(n, int) + 1, x))
    ),
    sympy.expint: _special(
        "expint",
        to_first_order(lambda s, n, x: s.expn(n, x), lambda s, n, x: -s.expn(n - 1, x)),
        "expn",
        numpy="special.expn",
    ),
    sympy.Ci: _special(
        "Ci",
        special.cosine_integral("sici", lambda s, x: np.cos(x) / x),
        "sici",
        numpy="np.where({0} < 0, np.nan, special.sici({0})[1])",
        mpmath="ci",
        ends=Ends("nan", "0", low=0, poles={0: "-inf"}, limit=PERIODIC),
        points=Points((1e-3, 0.31, 1.0, 2.7, 15.0), (1000.0, *NAN)),
    ),
    sympy.Chi: _special(
        "Chi",
        special.cosine_integral("shichi", lambda s, x: np.cosh(x) / x),
        "shichi",
        numpy="np.where({0} < 0, np.nan, special.shichi({0})[1])",
        mpmath="chi",
        ends=Ends("nan", "inf", low=0, poles={0: "-inf"}, limit=EXPONENTIAL),
        points=Points((1e-3, 0.31, 1.0, 2.7, 15.0), (60.0, *NAN)),
    ),
    sympy.erfi: _special(
        "erfi",
        to_first_order(lambda s, x: s.erfi(x), lambda s, x: 2 / np.sqrt(np.pi) * np.exp(x * x)),
        "erfi",
        ends=Ends("-inf", "inf", limit=EXPONENTIAL),
        points=Points(special=(0.0, 1e-8, 9.0, -9.0, *NAN)),
    ),
    sympy.erfinv: _special(
        "erfinv",
        to_first_order(lambda s, x: s.erfinv(x), lambda s, x: np.sqrt(np.pi) / 2 * np.exp(s.erfinv(x) ** 2)),
        "erfinv",
        ends=Ends("nan", "nan", -1, 1, _BOTH),
        points=Points(UNIT, (*SMALL, 2.0, *NAN)),
    ),
    sympy.fresnels: _special(
        "fresnels",
        to_first_order(lambda s, x: s.fresnel(x)[0], lambda s, x: np.sin(np.pi / 2 * x * x)),
        "fresnel",
        numpy="special.fresnel({0})[0]",
        ends=Ends("-0.5", "0.5", limit=PERIODIC),
        points=Points(special=(0.0, 1e-8, 10.0, -10.0, *NAN)),
    ),
    sympy.fresnelc: _special(
        "fresnelc",
        to_first_order(lambda s, x: s.fresnel(x)[1], lambda s, x: np.cos(np.pi / 2 * x * x)),
        "fresnel",
        numpy="special.fresnel({0})[1]",
        ends=Ends("-0.5", "0.5", limit=PERIODIC),
        points=Points(special=(0.0, 1e-8, 10.0, -10.0, *NAN)),
    ),
    sympy.airyai: _airy(
        "airyai", 0, Ends("0", "0", limit=EXPONENTIAL), points=Points(special=(0.0, 1e-8, 9.0, -9.0, *NAN))
    ),
    sympy.airyaiprime: _airy("airyaiprime", 1, Ends("nan", "0", limit=EXPONENTIAL)),
    sympy.airybi: _airy(
        "airybi", 2, Ends("0", "inf", limit=EXPONENTIAL), points=Points(special=(0.0, 1e-8, 9.0, -9.0, *NAN))
    ),
    sympy.airybiprime: _airy("airybiprime", 3, Ends("nan", "inf", limit=EXPONENTIAL)),
}
"""The row of each, by its class."""

_UNKNOWN = Operation()


def operation(kind: type[Basic]) -> Operation:
    """The row of a function: its own, or that of the class it derives from.

    >>> from codegen.functions import relu
    >>> operation(relu).price.value, operation(sympy.tanh).python
    ('a few instructions', 'math.tanh')
    """
    return kind.row if issubclass(kind, RealFunction) else BORROWED.get(kind, _UNKNOWN)


def operations() -> Iterator[tuple[type[Expr], Operation]]:
    """Every function that has a row of its own, with it.

    >>> {kind.__name__: row.numpy for kind, row in operations()}["sin"]
    'np.sin'
    """
    yield from BORROWED.items()
    found: list[type[Expr]] = [RealFunction]
    while found:
        kind = found.pop()
        found += kind.__subclasses__()
        if "row" in vars(kind):
            yield kind, kind.row
