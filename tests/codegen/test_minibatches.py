"""Loops over minibatches: every kind of code is called alike, and does what it does when Python calls it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Symbol

import codegen
from codegen import Equation, Graph, Index, Variable
from codegen.dtypes import Dtype
from codegen.runtime.minibatches import Minibatches
from tests.codegen.networks import S, linear_classifier, parameters

pytestmark = pytest.mark.values

Emitter = Literal["vector", "numba"]
Array = NDArray[Any]

P = Symbol("P", integer=True, positive=True)
p = Index("p", P)
EMITTERS: tuple[Emitter, ...] = ("vector", "numba")
ROWS, FEATURES, CLASSES = 11, 3, 4


@lru_cache
def update(dtype: Dtype, emitter: Emitter) -> codegen.CompiledFunction:
    """v ← ½·v + g, a ← a − rate/step·(½·v + g)."""
    a, g, v = (Variable(name, (P,)) for name in "agv")
    step, rate = Variable("step"), Variable("rate")
    new = v[p] / 2 + g[p]
    equations = (
        Equation(Variable("new v", (P,))[p], new),
        Equation(Variable("new a", (P,))[p], a[p] - rate.symbol / step.symbol * new),
    )
    graph = Graph((a, g, v, step, rate), equations, ("new a", "new v"))
    return codegen.compile(graph, dtype=dtype, emitter=emitter)


@lru_cache
def evaluate(dtype: Dtype, emitter: Emitter) -> codegen.CompiledFunction:
    """The loss of a linear classifier and its gradient, from one vector of parameters, features and labels."""
    plain = linear_classifier(FEATURES, CLASSES)
    names = parameters(plain)
    inputs = (*(plain.variable(n) for n in (*names, "x")), Variable("y", (S,), "integer", CLASSES))
    graph = codegen.gradient(Graph(inputs, plain.equations, ("loss",)), "loss", names)
    pack = {"theta": names, "gradient": graph.outputs[1:]}
    return codegen.compile(graph, dtype=dtype, emitter=emitter, pack=pack)


def given(dtype: Dtype) -> tuple[Array, Array, Array]:
    random = np.random.Generator(np.random.PCG64(0))
    size = CLASSES * (FEATURES + 1)
    x, theta = random.normal(size=(ROWS, FEATURES)).astype(dtype), random.normal(size=size).astype(dtype)
    return x, random.integers(0, CLASSES, ROWS), theta


OFTEN = [("vector", "vector", "float64"), ("vector", "vector", "float32"), ("numba", "vector", "float64")]


@pytest.mark.parametrize(
    ("first", "second", "dtype"),
    [
        pytest.param(a, b, dtype, marks=() if (a, b, dtype) in OFTEN else pytest.mark.slow)
        for a in EMITTERS
        for b in EMITTERS
        for dtype in ("float64", "float32")
    ],
)
def test_a_loop_is_its_calls_to_the_last_bit(first: Emitter, second: Emitter, dtype: Dtype) -> None:
    """Two passes of 11 rows by 4: three steps each, the last of them on three rows."""
    x, y, theta = given(dtype)
    now, gradient = [theta, np.zeros_like(theta)], np.empty_like(theta)
    found, counters = [vector.copy() for vector in now], np.zeros(2, np.int64)
    loop = Minibatches(evaluate(dtype, first), update(dtype, second), found, counters)
    loop.allocate((x, y), 4)
    for number in range(2):
        order, total = np.random.Generator(np.random.PCG64(number)).permutation(ROWS), 0.5
        for step, start in enumerate(range(0, ROWS, 4), 3 * number + 1):
            rows = order[start : start + 4]
            loss, _ = evaluate(dtype, first)(now[0], x[rows], y[rows], out=gradient)
            total += float(loss) * len(rows)
            now = list(update(dtype, second)(now[0], gradient, now[1], float(step), 0.3))
        assert loop.run((x, y), order, [0.3], 0.5) == total
        for one, other in zip(found, now):
            np.testing.assert_array_equal(one, other)
        assert counters.tolist() == [3 * (number + 1), ROWS * (number + 1)]


@pytest.mark.parametrize("emitter", EMITTERS)
def test_labels_that_are_none_are_refused_and_what_was_done_before_stands(emitter: Emitter) -> None:
    x, y, theta = given("float64")
    found, counters = [theta, np.zeros_like(theta)], np.zeros(2, np.int64)
    loop = Minibatches(evaluate("float64", emitter), update("float64", "vector"), found, counters)
    loop.allocate((x, y), 1)
    y[1] = CLASSES
    gradient = evaluate("float64", emitter)(theta, x[:1], y[:1])[1]
    expected = update("float64", "vector")(theta, gradient, found[1], 1.0, 0.3)
    with pytest.raises(ValueError, match="integers out of range"):
        loop.run((x, y), np.arange(ROWS), [0.3], 0.0)
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)
    assert counters.tolist() == [1, 1]
    assert loop.run((x, y), np.zeros(1, np.int64), [0.3], 0.0) > 0
