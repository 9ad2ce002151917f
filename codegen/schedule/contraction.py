"""Recognise sums of products that are matrix products."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr, Idx, Mul

from codegen.ir.equation import over
from codegen.ir.graph import Cell, Equation, Graph
from codegen.ir.lookups import looks_up
from codegen.schedule.factors import is_whole, parted
from codegen.schedule.program import UNKNOWN_EXTENT, Contract
from codegen.walk import fresh_names, is_sample, samples_first, size, subscripts

BLAS_WORK = 256
"""Multiplications a sample from which a matrix product pays for its call, about 0.3 µs; below, loops are as fast."""


def isolate(graph: Graph) -> tuple[Graph, dict[Cell, Contract]]:
    """Find the matrix products of a graph, by vertex; factors that are not plain arrays become vertices first."""
    names = fresh_names("factor", graph.variables)
    equations: list[Equation] = []
    products: dict[Cell, Contract] = {}
    for equation in graph.equations:
        # A step of a scan needs the steps before it, which a product of whole arrays would not wait for.
        # What the data say is a row of a table, not a product with it.
        sides = None if equation.cell in graph.scans or looks_up(equation, graph.whole) else _sides(equation)
        if sides is None:
            equations.append(equation)
            continue
        operands = []
        for factors, order in sides:
            operand = factors[0]
            if len(factors) > 1 or not is_whole(graph, operand):
                operand = over(next(names), order)
                equations.append(Equation(operand, Mul(*factors)))
            operands.append(operand)
        new = equation.with_body(Mul(*operands))
        equations.append(new)
        products[new.cell] = Contract(new, *operands)
    return graph.with_equations(equations), products


def _sides(equation: Equation) -> Sequence[tuple[list[Expr], tuple[Idx, ...]]] | None:
    """The factors of Σ_k over (i, k) and those over (k, j), with the order of their indices; None for other sums.

    Products of a matrix and a vector are among these: loops take a third of the time that BLAS does for one column.
    """
    if not equation.is_sum or len(equation.reduced) != 1 or len(equation.free) != 2:
        return None
    if len(subscripts(equation.target)) != 2 or _a_sample(equation) < BLAS_WORK:
        return None
    (k,), (i, j) = equation.reduced, equation.free
    found = parted([equation.body], lambda own: bool(own) and i not in own, (i, k), (k, j))
    return None if found is None else list(zip(found[0], (samples_first((i, k)), samples_first((k, j)))))


def _a_sample(equation: Equation) -> int:
    """The products for each value of a symbolic index, others taken for the usual number."""
    symbolic = [index for index in equation.domain if is_sample(index)]
    return size([i for i in equation.domain if i not in symbolic[:1]], UNKNOWN_EXTENT)
