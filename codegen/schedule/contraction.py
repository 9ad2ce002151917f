"""Recognise sums of products that are matrix products."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sympy import Expr, Idx, Indexed, Mul

from codegen.ir.equation import over
from codegen.ir.graph import Cell, Equation, Graph
from codegen.walk import base_name, fresh_names, indices, samples_first, size, subscripts

BLAS_WORK = 256
"""Multiplications a sample from which a matrix product pays for its call, about 0.3 µs; below, loops are as fast."""


@dataclass(frozen=True)
class Product:
    """``target[i, j] = Σ_k left[i, k]·right[k, j]``, the operands named with their own order of subscripts."""

    equation: Equation
    left: Expr
    right: Expr


def isolate(graph: Graph) -> tuple[Graph, dict[Cell, Product]]:
    """Find the matrix products of a graph, by vertex; factors that are not plain arrays become vertices first."""
    names = fresh_names("factor", graph.variables)
    equations: list[Equation] = []
    products: dict[Cell, Product] = {}
    for equation in graph.equations:
        groups = _groups(equation)
        if groups is None:
            equations.append(equation)
            continue
        operands = []
        for factors, order in groups:
            operand = factors[0]
            if len(factors) > 1 or not _is_whole(graph, operand):
                operand = over(next(names), order)
                equations.append(Equation(operand, Mul(*factors)))
            operands.append(operand)
        new = equation.with_body(Mul(*operands))
        equations.append(new)
        products[new.cell] = Product(new, operands[0], operands[1])
    return graph.with_equations(equations), products


def _is_whole(graph: Graph, operand: Expr) -> bool:
    """Whether an operand is one contiguous array of real numbers."""
    if not isinstance(operand, Indexed):
        return False
    variable = graph.variable(base_name(operand))
    if variable.kind != "real" or len(graph.definitions[variable.name]) > 1:
        return False
    return all(isinstance(i, Idx) for i in operand.indices) and len(set(operand.indices)) == len(operand.indices)


_Group = tuple[list[Expr], tuple[Idx, ...]]


def _groups(equation: Equation) -> tuple[_Group, _Group] | None:
    """Split the factors of Σ_k into those over (i, k) and those over (k, j); None if it is no matrix product."""
    if not equation.is_sum or len(equation.reduced) != 1 or not 1 <= len(equation.free) <= 2:
        return None
    if len(equation.free) != len(subscripts(equation.target)):
        return None
    if size(equation.domain) < BLAS_WORK:
        return None
    (k,) = equation.reduced
    i, j = equation.free if len(equation.free) == 2 else (equation.free[0], None)
    left: list[Expr] = []
    right: list[Expr] = []
    for factor in Mul.make_args(equation.body):
        uses = set(indices(factor))
        if i in uses and (j is None or j not in uses):
            left.append(factor)
        elif i not in uses and uses:
            right.append(factor)
        elif not uses:
            left.append(factor)
        else:
            return None
    wanted_left, wanted_right = {i, k}, {k} if j is None else {k, j}
    if _uses(left) != wanted_left or _uses(right) != wanted_right:
        return None
    return (left, samples_first((i, k))), (right, samples_first((k,) if j is None else (k, j)))


def _uses(factors: Iterable[Expr]) -> set[Idx]:
    return {index for factor in factors for index in indices(factor)}
