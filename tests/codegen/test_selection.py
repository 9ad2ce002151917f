"""A sum of which a condition selects one term takes one step: formulas with shifted subscripts take n steps, not n²."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der
from sympy import Eq, Expr, Idx, IndexedBase, Piecewise, Sum, Symbol, symbols

import codegen
from codegen import Graph, Index, Variable, from_expressions, gradient
from codegen.functions import equal
from codegen.graph import sample_extent
from codegen.schedule import schedule
from codegen.schedule.program import Loop, walk
from codegen.schedule.selection import selected
from tests.codegen.networks import distance, outputs

n = sample_extent("n")
i, j, k = Index("i", n), Index("j", n), Index("k", 7)
x, y = Variable("x", (n,)), Variable("y", (n,), "integer")

SELECTED: dict[str, tuple[Expr, Expr | None]] = {
    "a neighbour": (equal(j, i + 1) * x[j], i + 1),
    "the other way round": (equal(i - 2, j) * x[j], i - 2),
    "from the end": (Piecewise((x[j], Eq(j, n - 1 - i)), (0, True)), n - 1 - i),
    "a factor of a product": (x[i] * Piecewise((1, Eq(i, j + 3)), (0, True)) * x[j], i - 3),
    "every second": (equal(i, 2 * j) * x[j], None),
    "an inequality": (Piecewise((x[j], j < i), (0, True)), None),
    "something else otherwise": (Piecewise((x[j], Eq(j, i)), (1, True)), None),
    "a label": (equal(y[i], j) * x[j], None),
    "the index on both sides": (equal(2 * j, j + i) * x[j], i),
}


@pytest.mark.parametrize("case", SELECTED)
def test_the_selected_value_is_found(case: str) -> None:
    body, value = SELECTED[case]
    assert selected(body, j) == value


def rosenbrock() -> Graph:
    size, step = Symbol("n"), Symbol("i", integer=True)
    x = IndexedBase("x", shape=(size,))
    terms = 100 * (x[step + 1] - x[step] ** 2) ** 2 + (1 - x[step]) ** 2
    return from_expressions({"f": Sum(terms, (step, 0, size - 2))}, [x])


def test_a_shifted_subscript_takes_one_step() -> None:
    program = schedule(codegen.optimise(gradient(rosenbrock(), "f"))[0])
    inner = [loop for loop, around in walk(program.statements) if isinstance(loop, Loop) and around]
    assert [str(loop.only) for loop in inner] == ["i + 1", "j - 1"]


@pytest.mark.parametrize("size", [2, 3, 50])
def test_rosenbrock(size: int) -> None:
    value = np.random.Generator(np.random.PCG64(size)).normal(size=size)
    found = codegen.compile(gradient(rosenbrock(), "f"))(value)
    assert distance([np.asarray(v) for v in found], [np.asarray(rosen(value)), rosen_der(value)]) <= 1e-12


@pytest.mark.parametrize("emitter", ["auto", "numba"])
@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_elements_that_are_not_there_are_not_read(size: int, emitter: str) -> None:
    length = symbols("n")
    here, x, r = Idx("k", length), IndexedBase("x", shape=(length,)), IndexedBase("r")
    second = Piecewise((x[here + 1] - 2 * x[here] + x[here - 1], (here > 0) & (here < length - 1)), (x[here], True))
    graph = codegen.jvp(from_expressions({r[here]: second}, [x]), "r", ["x"])
    values = {v.name: np.random.Generator(np.random.PCG64(len(v.name))).normal(size=size) for v in graph.inputs}
    guarded = [np.concatenate([[np.nan] * 8, values[v.name], [np.nan] * 8])[8:-8] for v in graph.inputs]
    found = codegen.compile(graph, emitter=emitter)(*guarded)  # type: ignore[arg-type]
    assert distance([np.asarray(v) for v in found], outputs(graph, values)) <= 1e-12
