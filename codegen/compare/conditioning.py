"""How much of the rounding of its vertices a derivative has to show, whoever computes it.

1 − a² of a saturated a = tanh(u) is the difference of two terms of size 1. Once a is rounded, the error of 1 − a² is
2⁻⁵³ times these terms, not times their difference, and what multiplies the difference multiplies its error.
L = tanh(x³²) at x = 1.07 has 1 − L² = 1.1·10⁻⁷ and L″ = −0.014, which is what is left of terms of 2.7·10⁵: every way
to compute it is off by 7.8·10⁻¹², 8·10⁻¹⁷ of the terms. The same holds for a·(1 − a) of a sigmoid. To compute these
derivatives anew from u would take another exponential for each unit, or a second number of each to be kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir.equation import Equation, Variable
from codegen.ir.graph import Graph
from codegen.numeric import evaluate_exactly
from codegen.walk import subscripts

Array = NDArray[Any]

STEP = 1e-25
"""Relative, and so small that second orders vanish in the 50 digits of mpmath."""
DRAWS = 4


def sizes_of_terms(graph: Graph, values: Mapping[str, Array], seed: int = 0) -> dict[str, Array]:
    """|Σ ± v·∂out/∂v| for each output, over all vertices v: the largest of some random draws of the signs.

    Rounding every vertex once changes the output by that times 2⁻⁵³ or so. A maximum is not rounded: it is one of its
    arguments.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b, c = symbols("a b c")
    >>> graph = from_expressions({"b": 1000 * a, "c": b - 999}, [a])
    >>> round(float(sizes_of_terms(graph.with_outputs("c"), {"a": np.array(1.0)})["c"])) in (999, 1001)
    True
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rounded = {
        equation.name: _rounding(graph.variable(equation.name)) for equation in graph.equations if _rounds(equation)
    }
    perturbed = Graph(
        (*graph.inputs, *rounded.values()),
        tuple(_perturbed(equation, rounded) for equation in graph.equations),
        graph.outputs,
    )
    exact = evaluate_exactly(graph, values)
    found = {name: np.zeros(np.shape(exact[name])) for name in graph.outputs}
    for _ in range(DRAWS):
        signs = {v.name: generator.choice([-STEP, STEP], np.shape(exact[name])) for name, v in rounded.items()}
        moved = evaluate_exactly(perturbed, {**values, **signs})
        for name, size in found.items():
            with np.errstate(invalid="ignore"):
                np.fmax(size, np.abs(np.asarray((moved[name] - exact[name]) / STEP, np.float64)), out=size)
    return found


def _rounds(equation: Equation) -> bool:
    return not equation.selects


def _rounding(vertex: Variable) -> Variable:
    return Variable(f"rounding of {vertex.name}", vertex.shape)


def _perturbed(equation: Equation, rounded: Mapping[str, Variable]) -> Equation:
    """The vertex times 1 + its rounding, which is an input: a factor of all its terms."""
    if not _rounds(equation):
        return equation
    factor = 1 + rounded[equation.name][subscripts(equation.target)]
    return replace(equation, body=equation.body * factor)
