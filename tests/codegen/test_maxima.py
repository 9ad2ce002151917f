"""Maxima and minima of written-out numbers and over indices: who gets the derivative, and how much work that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Expr, Idx, IndexedBase, Max, Min, Piecewise, Sum, Symbol, exp, symbols

import codegen
from codegen import CompiledFunction, Maximum, Minimum, argmax, argmin, from_expressions, gradient
from codegen.functions import maximum, minimum
from codegen.ir.operations import count_operations
from codegen.numeric import evaluate

pytestmark = pytest.mark.values

n = Symbol("n", integer=True, positive=True)
i = Idx("i", n)
INF, NAN = np.inf, np.nan
FEW = np.array([[1.0, 2, 2, INF, NAN, 0, 5, -INF], [2, 2, 2, 1, 1, -0.0, NAN, 3], [2, 1, 2, INF, 1, 0, 1, 3]])
MANY = np.concatenate([FEW, [np.arange(8.0)], [[2, 2, 3, 3, 0, 0, 0, 0]], [np.ones(8)]])
"""More than there are choices among reciprocals."""
KEPT = np.array([-3.0, -1, 0, 2, 5, INF, -INF, NAN])
SLOPES = {-3.0: 0, -1.0: 0.5, 0.0: 1 + 2 * 0.5, 2.0: 0.5 + 2, 5.0: 2 * 0.5, INF: 0, -INF: 0}
OF_NAN = 0.5 + 2 * 0.5
"""The derivative of max(−1, min(2, x)) + 2·min(5, max(0, x)); nan is not strictly between two ends."""


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
    np.testing.assert_array_equal(kept, [SLOPES.get(number, OF_NAN) for number in KEPT])
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


# --- over an index ------------------------------------------------------------------------------------------------

j, k = Idx("j", 5), Idx("k", 4)
x, A, b = IndexedBase("x"), IndexedBase("A", shape=(5, 4)), IndexedBase("b", shape=(4,))
ROWS = np.random.default_rng(0).normal(size=(5, 4))
SHIFT = np.random.default_rng(1).normal(size=4)
LINE = np.array([3.0, 7, -2, 7, -2, 1])


@pytest.mark.parametrize(
    ("value", "expected", "slopes"),
    [
        (Maximum(x[i], (i, 0, n - 1)) ** 2, 49, [0, 7, 0, 7, 0, 0]),
        (Minimum(x[i], (i, 0, n - 1)), -2, [0, 0, 0.5, 0, 0.5, 0]),
        (Maximum(x[i] ** 2, (i, 2, n - 1)), 49, [0, 0, 0, 14, 0, 0]),
        (Maximum(x[i] - x[i - 1], (i, 1, n - 1)), 9, [0, 0, -1, 1, 0, 0]),
        (x[0] * Minimum(-3 * x[i] + x[0], (i, 0, n - 1)), -54, [-15, -4.5, 0, -4.5, 0, 0]),
        (argmax(x[i], (i, 0, n - 1)) * x[0] + argmin(x[i], (i, 1, n - 1)), 5, [1, 0, 0, 0, 0, 0]),
    ],
    ids=str,
)
def test_values_and_shares_over_an_index(value: Expr, expected: float, slopes: list[float]) -> None:
    graph = gradient(from_expressions({"e": value}, [x[i]]), "e")
    found, gradient_ = codegen.compile(graph, cache=False)(LINE)
    assert found == expected
    np.testing.assert_array_equal(gradient_, slopes)
    np.testing.assert_array_equal(evaluate(graph, {"x": LINE})["de/dx"], slopes)


def test_second_derivatives_over_an_index() -> None:
    graph = from_expressions({"e": Sum(Maximum(exp(A[j, k]) * b[k], k) ** 2, j)}, [A, b])
    best = np.argmax(np.exp(ROWS) * SHIFT, axis=1)
    values = np.exp(ROWS[range(5), best])
    *_, slope = codegen.compile(codegen.hvp(graph, "e", ["b"]), cache=False)(ROWS, SHIFT, np.ones(4))
    np.testing.assert_allclose(slope, np.bincount(best, 2 * values**2, minlength=4), rtol=1e-14)


def test_the_place_of_a_maximum_is_found_whatever_is_rounded() -> None:
    q = IndexedBase("q")
    graph = from_expressions({q[j]: argmax(A[j, k] * b[k] + b[0] * A[j, 1], k)}, [A, b])
    expected = np.argmax(ROWS * SHIFT, axis=1)
    for emitter in ("vector", "numba"):
        np.testing.assert_array_equal(codegen.compile(graph, emitter=emitter, cache=False)(ROWS, SHIFT), expected)


def test_the_work_over_an_index_grows_with_its_length() -> None:
    def operations(size: int) -> int:
        numbers, place = IndexedBase("x", shape=(size,)), Idx("i", size)
        graph = from_expressions({"e": Maximum(numbers[place] ** 2, place) ** 2}, [numbers])
        return sum(count_operations(codegen.optimise(codegen.hvp(graph, "e"))[0]).values())

    assert operations(256) - operations(128) == 2 * (operations(128) - operations(64))


def test_a_maximum_of_no_values_is_refused() -> None:
    with pytest.raises(codegen.GraphError, match=r"^the output 'e' contains a Maximum of no values$"):
        from_expressions({"e": Maximum(x[i], (i, 3, 2))}, [x[i]])


@pytest.mark.parametrize("emitter", ["numba", "vector"])
def test_the_maximum_of_no_value_is_left_alone_by_a_branch(emitter: str) -> None:
    y, c, k, j = IndexedBase("y", shape=(4,)), IndexedBase("c"), Idx("k", 4), Symbol("j", integer=True)
    before = Maximum(y[j], (j, 0, k - 1))
    graph = from_expressions({c[k]: Piecewise((before, k > 0), (0, True)), "l": Sum(before, k)}, [y])
    values = [3.0, 1, 5, 2]
    for written in (graph, graph.unroll()):
        made = codegen.compile(written, emitter=emitter, schedule="unrolled", cache=False)
        largest, everything = made(values)
        np.testing.assert_array_equal(largest, [0, 3, 3, 5])
        assert everything == evaluate(written, {"y": values})["l"] == -INF
