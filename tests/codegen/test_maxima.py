"""Maxima and minima of written-out numbers: who gets the derivative, and how much work that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Expr, Idx, IndexedBase, Max, Min, Sum, Symbol, symbols

import codegen
from codegen import CompiledFunction, from_expressions, gradient
from codegen.functions import maximum, minimum
from codegen.ir.operations import count_operations

n = Symbol("n", integer=True, positive=True)
i = Idx("i", n)
INF, NAN = np.inf, np.nan
FEW = np.array([[1.0, 2, 2, INF, NAN, 0, 5, -INF], [2, 2, 2, 1, 1, -0.0, NAN, 3], [2, 1, 2, INF, 1, 0, 1, 3]])
MANY = np.concatenate([FEW, [np.arange(8.0)], [[2, 2, 3, 3, 0, 0, 0, 0]], [np.ones(8)]])
"""More than there are choices among reciprocals."""
KEPT = np.array([-3.0, -1, 0, 2, 5, INF, -INF, NAN])
SLOPES = {-3.0: 0, -1.0: 0.5, 0.0: 1 + 2 * 0.5, 2.0: 0.5 + 2, 5.0: 2 * 0.5, INF: 0, -INF: 0}
"""The derivative of max(−1, min(2, x)) + 2·min(5, max(0, x))."""


def compiled(value: Expr, numbers: Sequence[IndexedBase], emitter: str) -> CompiledFunction:
    """The sum of a value over the elements of some arrays, and its gradient."""
    graph = gradient(from_expressions({"e": Sum(value, (i, 0, n - 1))}, [a[i] for a in numbers]), "e")
    return codegen.compile(graph, emitter=emitter, cache=False)


def shares(values: NDArray[np.float64], best: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each number: equal parts for those that are the best one, nan where that is nan."""
    tied = values == best
    return np.where(np.isnan(best), NAN, tied / np.maximum(tied.sum(axis=0), 1))


@pytest.mark.parametrize("emitter", ["numba", "vector"])
def test_tied_numbers_get_equal_shares_and_nan_is_passed_on(emitter: str) -> None:
    x, *few = symbols("x a b c", cls=IndexedBase)
    value = Max(-1, Min(2, x[i])) + 2 * Min(5, Max(0, x[i])) + 3 * maximum(*(a[i] for a in few))
    _, kept, *found = compiled(value, [x, *few], emitter)(KEPT, *FEW)
    np.testing.assert_array_equal(kept, [SLOPES.get(number, 3) for number in KEPT])
    np.testing.assert_allclose(found, 3 * shares(FEW, FEW.max(axis=0)), rtol=1e-15)


def test_the_ties_of_many_numbers_are_counted() -> None:
    many = symbols("a:6", cls=IndexedBase)
    _, *found = compiled(minimum(*(a[i] for a in many)), many, "vector")(*MANY)
    np.testing.assert_allclose(found, shares(MANY, MANY.min(axis=0)), rtol=1e-15)


def test_a_number_kept_between_two_is_one_vertex() -> None:
    x = Symbol("x", real=True)
    found = gradient(from_expressions({"e": Max(-1, Min(1, x)) ** 2}, [x]), "e")
    assert [e.name for e in found.equations] == ["maximum2 of e", "e", "de/de", "de/dmaximum2 of e", "de/dx"]


@pytest.mark.parametrize("size", [4, 16, 64])
def test_the_work_for_a_gradient_of_the_largest_of_n_numbers_grows_with_n(size: int) -> None:
    numbers = symbols(f"x:{size}", real=True)
    found = gradient(from_expressions({"e": maximum(*numbers) ** 2}, numbers), "e")
    assert sum(count_operations(found).values()) <= 8 * size
