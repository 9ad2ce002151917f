"""Tiles compute again what is cheaper than to load, sums that are added up become one; nothing changes its value."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import tanh

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, gradient, mixed_partials
from codegen.passes import optimise
from codegen.schedule import schedule
from codegen.schedule.program import Accumulate, Kernel, KernelKind, Place, Set, walk
from codegen.schedule.sums import merge_sums
from tests.codegen.derivatives import TX, of_two_inputs
from tests.codegen.networks import S, distance, mlp, outputs, random_values, s
from tests.sweeps import one_in

pytestmark = pytest.mark.values


def residual_gradient(sizes: list[int]) -> Graph:
    """The gradient of the mean of (u_t + u·u_x − u_xx/100)²."""
    graph = mixed_partials(of_two_inputs(sizes), "u", ["t", "x", "xx"], TX)
    u, u_t, u_x, u_xx = (Variable(name, (S,))[s] for name in graph.outputs)
    loss = Equation(Variable("loss").symbol, (u_t + u * u_x - u_xx / 100) ** 2 / S, Reduction.SUM, (s,))
    graph = graph.with_equations([*graph.equations, loss], ["loss"])
    return gradient(graph, "loss", [v.name for v in graph.inputs if v.name != "x"])


def stored(graph: Graph) -> set[str]:
    """The vertices of a tile that are arrays."""
    program = schedule(optimise(graph)[0], "tiled")
    return {name for (name, _), storage in program.storage.items() if storage.place is Place.TILE}


def test_what_is_cheap_is_not_kept_for_the_way_back() -> None:
    kept = stored(residual_gradient([8, 8]))
    assert {"a1", "a2", "z2_x", "z2_xx"} <= kept
    assert not {name for name in kept if name.startswith("∂")}, kept


def test_a_function_is_never_computed_again() -> None:
    program = schedule(optimise(residual_gradient([8, 8]))[0], "tiled")
    assigned = [one for one, _ in walk(program.statements) if isinstance(one, Set)]
    assert [one.equation.name for one in assigned if one.value.has(tanh)] == ["a1", "a2"]


SIZES = [[8, 8], [20, 3], [9, 20]]
# The readable code of such a loss takes half a minute to compile.
WAYS = [
    *one_in(2, (("tiled", "vector", sizes) for sizes in SIZES)),
    ("loops", "vector", [8, 8]),
    *(pytest.param("loops", "vector", sizes, marks=pytest.mark.slow) for sizes in SIZES[1:]),
    pytest.param("tiled", "numba", [8, 8], marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("chosen", "emitter", "sizes"), WAYS)
def test_every_schedule_gives_the_same(chosen: str, emitter: str, sizes: list[int]) -> None:
    graph = residual_gradient(sizes)
    function = codegen.compile(graph, schedule=chosen, emitter=emitter)  # type: ignore[arg-type]
    for samples in (1, 7, 64, 150):
        values = random_values(graph, samples=samples)
        arguments = [np.ascontiguousarray(values[variable.name], float) for variable in graph.inputs]
        found = [np.asarray(one) for one in function(*arguments)]
        assert distance(found, outputs(graph, values)) <= 1e-12


def test_one_running_total_a_parameter() -> None:
    """The four sums of a weight's gradient, over u, u_t, u_x and u_xx, are accumulated in one place."""
    program = schedule(optimise(residual_gradient([8, 8]))[0], "loops")
    totals = [one.equation.name for one, _ in walk(program.statements) if isinstance(one, Accumulate)]
    assert totals.count("dloss/dW2") == 1
    assert not [name for name in totals if name.startswith("dloss/dW2#")]


i, x, y = Index("i", 3), Variable("x", (3,)), Variable("y", (3,))
a, b, c, d = map(Variable, "abcd")
A, B = Equation(a.symbol, x[i] ** 2, Reduction.SUM, (i,)), Equation(b.symbol, y[i], Reduction.SUM, (i,))
TOTAL = Equation(c.symbol, a.symbol + b.symbol)
LEFT_ALONE = {
    "a sum that somebody else reads": Graph((x, y), (A, B, TOTAL, Equation(d.symbol, a.symbol**2)), ("c", "d")),
    "a sum that is an output": Graph((x, y), (A, B, TOTAL), ("c", "a")),
    "a maximum": Graph((x, y), (A, Equation(b.symbol, y[i], Reduction.MAX, (i,)), TOTAL), ("c",)),
    "a factor": Graph((x, y), (A, B, Equation(c.symbol, a.symbol + 2 * b.symbol)), ("c",)),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_other_sums_stay_apart(case: str) -> None:
    assert merge_sums(LEFT_ALONE[case]) is LEFT_ALONE[case]


def test_products_that_are_added_up_over_samples_are_one_kernel() -> None:
    program = schedule(optimise(residual_gradient([20, 20]))[0], "tiled")
    kernels = {one.equation.name: one for one, _ in walk(program.statements) if isinstance(one, Kernel)}
    assert kernels["dloss/dW2"].kind is KernelKind.ACROSS_LANES
    assert len(kernels["dloss/dW2"].operands) == 2 * 4


def test_a_wide_gradient_of_one_product_has_its_columns_in_lanes() -> None:
    kinds = {}
    for units in (8, 20):
        program = schedule(optimise(gradient(mlp([5, units, 6]), "loss"))[0], "tiled")
        kinds[units] = {s.equation.name: s.kind.name for s, _ in walk(program.statements) if isinstance(s, Kernel)}
    assert kinds[8]["dloss/dW1"] == "OVER_SAMPLES", "of an input, which nobody has to transpose"
    assert kinds[8]["dloss/dW2"] == kinds[20]["dloss/dW2"] == "ACROSS_LANES"
