"""Scalar functions and the points at which they are compared: ordinary ones, and those where implementations break."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy
from sympy import Expr, Integer, Piecewise, Rational

from codegen import functions as f
from codegen.compare.rows import Row
from codegen.emit.numba import Dtype
from codegen.equation import Equation, Variable, sample_extent
from codegen.graph import Graph, Index


@dataclass(frozen=True)
class Tested:
    """A function of one real number."""

    formula: Callable[[Expr], Expr]
    points: Sequence[float] = (-5.3, -1.7, -0.31, 0.0078125, 0.62, 1.9, 4.4)
    """Ordinary ones, apart from kinks."""
    special: Sequence[float] = (0.0, 5e-324, -1e-310, 1e-8, 1000.0, -1000.0, math.inf, -math.inf, math.nan)
    """Where value and derivatives have to be right too, the pattern of inf and nan included."""


_POSITIVE = (1e-3, 0.31, 1.0, 2.7, 55.0)
_UNIT = (-0.93, -0.4, 0.01, 0.55, 0.99)

FUNCTIONS: Mapping[str, Tested] = {
    "tanh": Tested(sympy.tanh),
    "sigmoid": Tested(f.sigmoid),
    "softplus": Tested(f.softplus),
    "log_sigmoid": Tested(f.log_sigmoid),
    "relu": Tested(f.relu),
    "leaky_relu": Tested(lambda x: f.leaky_relu(x, Rational(1, 4))),
    "elu": Tested(lambda x: f.elu(x, Integer(1))),
    "relu6": Tested(f.relu6, special=(0.0, 6.0, 1000.0, -1000.0, math.inf, -math.inf, math.nan)),
    "hard_tanh": Tested(f.hard_tanh, special=(1.0, -1.0, 1000.0, -1000.0, math.inf, -math.inf, math.nan)),
    "silu": Tested(f.silu, special=(0.0, 5e-324, 1000.0, -1000.0, math.nan)),
    "gelu": Tested(f.gelu, special=(0.0, 5e-324, 1000.0, -1000.0, math.nan)),
    "gelu_tanh": Tested(f.gelu_tanh, special=(0.0, 5e-324, 100.0, -100.0, math.nan)),
    "exp": Tested(sympy.exp),
    "expm1": Tested(f.expm1),
    "log": Tested(sympy.log, _POSITIVE, (1e-300, 1.0, 1e300, -1.0, math.inf, math.nan)),
    "log1p": Tested(f.log1p, (-0.7, -0.01, 0.4, 3.0, 55.0), (0.0, 5e-324, 1e300, -2.0, math.inf, math.nan)),
    "sqrt": Tested(sympy.sqrt, _POSITIVE, (1e-300, 1e300, -1.0, math.nan)),
    "sin": Tested(sympy.sin, special=(0.0, 5e-324, 1000.0, -1000.0, 1e5, math.inf, math.nan)),
    "cos": Tested(sympy.cos, special=(0.0, 5e-324, 1000.0, -1000.0, 1e5, math.inf, math.nan)),
    "tan": Tested(sympy.tan, _UNIT, (0.0, 5e-324, math.inf, math.nan)),
    "sinh": Tested(sympy.sinh, special=(0.0, 5e-324, 1000.0, -1000.0, math.nan)),
    "cosh": Tested(sympy.cosh, special=(0.0, 5e-324, 1000.0, -1000.0, math.nan)),
    "asin": Tested(sympy.asin, _UNIT, (0.0, 2.0, math.nan)),
    "acos": Tested(sympy.acos, _UNIT, (0.0, 2.0, math.nan)),
    "atan": Tested(sympy.atan, special=(0.0, 5e-324, 1000.0, -1000.0, math.nan)),
    "asinh": Tested(sympy.asinh, special=(0.0, 5e-324, 1000.0, -1000.0, math.nan)),
    "acosh": Tested(sympy.acosh, (1.2, 2.0, 9.0), (0.5, 1e5, math.nan)),
    "atanh": Tested(sympy.atanh, _UNIT, (0.0, 5e-324, 2.0, math.nan)),
    "erf": Tested(sympy.erf, special=(0.0, 5e-324, 1000.0, -1000.0, math.nan)),
    "normal_cdf": Tested(f.normal_cdf, special=(0.0, 5e-324, 1000.0, -1000.0, math.nan)),
    "absolute": Tested(f.absolute),
    "x³": Tested(lambda x: x**3, special=(0.0, 5e-324, 1e100, -1e100, math.inf, math.nan)),
    "x⁻²": Tested(lambda x: x**-2, special=(1e-50, -1e50, math.nan)),
    "x^(3/2)": Tested(lambda x: x ** Rational(3, 2), _POSITIVE, (1e-200, 1e100, -1.0, math.nan)),
    "Piecewise": Tested(
        lambda x: Piecewise((sympy.sqrt(1 - x), x < 0), (x**2, x < 2), (sympy.log(x), True)),
        special=(0.0, 2.0, 1000.0, -1000.0, math.nan),
    ),
    "select": Tested(lambda x: f.select(x, sympy.log(x), x**3), special=(0.0, 1000.0, -1000.0, 5e-324, math.nan)),
}
"""Every function by name. Left out are points at which the value is finite and its formula's derivative is not."""

DERIVATIVES = ("jacobian per sample", "mixed_partials")
"""The first and the second derivative at every point."""


def graph_of(name: str) -> Graph:
    """``y[s] = f(x[s])``: the points are samples, so that they run in lanes."""
    S = sample_extent()
    s, x, y = Index("s", S), Variable("x", (S,)), Variable("y", (S,))
    return Graph((x,), (Equation(y[s], f.canonical(FUNCTIONS[name].formula(x[s]))),), ("y",))


def function_rows(
    names: Sequence[str] = tuple(FUNCTIONS),
    dtype: Dtype = "float64",
    ways: Sequence[str] = ("evaluator", "passes", "numpy", "auto auto"),
) -> Iterator[Row]:
    """The rows of functions: first and second derivative, at ordinary and at special points."""
    for name in names:
        graph, tested = graph_of(name), FUNCTIONS[name]
        for kind in DERIVATIVES:
            for where, points in (("", tested.points), (" at special points", tested.special)):
                values = {"x": np.array(points)}
                yield Row(f"{name}{where}", graph, kind, "y", ("x",), values, dtype, ways=ways, elementwise=True)
