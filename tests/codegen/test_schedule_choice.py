"""The cost model: what it counts, what ``auto`` picks by it, and that this is close to the best there is."""

from __future__ import annotations

import pytest
from sympy import Idx, IndexedBase, Sum, Symbol, symbols, tanh

from codegen import Graph, GraphError, from_expressions, gradient, optimise
from codegen.schedule import SCHEDULES, Target, schedule
from codegen.schedule.cost import ACROSS, PRICES, SMALLEST_CHUNK, counts, estimate
from codegen.schedule.target import WAYS
from tests.codegen.networks import mlp, parameters


def derived(*sizes: int) -> Graph:
    network = mlp(list(sizes))
    return optimise(gradient(network, "loss", parameters(network)))[0]


def test_a_kernel_counts_the_vectors_that_it_multiplies() -> None:
    """64-32-10 has five products: forward and of the weights in both layers, and of the hidden layer's derivative."""
    found = counts(schedule(derived(64, 32, 10), "tiled", Target()), 64)
    across = ACROSS * 32 * 10 / 8  # the sums of lanes for the weights of the last layer, which has few rows
    assert found["kernel_product"] == 64 // 8 * (2 * 64 * 32 + 3 * 32 * 10) + across
    assert found["call"] == 1


def test_every_schedule_has_a_name_that_targets_know() -> None:
    assert tuple(SCHEDULES) == WAYS


def test_every_count_has_a_price() -> None:
    for name in SCHEDULES:
        if name != "unrolled":
            assert set(counts(schedule(derived(20, 17, 3), name, Target()), 100)) <= set(PRICES)  # type: ignore[arg-type]


def test_a_long_sum_is_one_equation_and_stays_a_loop() -> None:
    """Written out, its terms would take minutes."""
    i, x, a = Idx("i", 1_000_000), IndexedBase("x"), Symbol("a")
    found = gradient(from_expressions({"e": Sum(a * x[i], i)}, [x, a]), "e", ["a"])
    assert schedule(found).schedule == "loops"
    with pytest.raises(GraphError, match="equations of 2,000,001 terms in all, more than the limit of 1,000,000"):
        schedule(found, "unrolled")


@pytest.mark.parametrize("sizes", [(2, 16, 3), (64, 32, 10), (784, 128, 10)])
def test_costs_grow_with_the_samples_and_are_less_in_single_precision(sizes: tuple[int, ...]) -> None:
    program = schedule(derived(*sizes), "tiled", Target())
    costs = [estimate(program, samples) for samples in (16, 64, 1024)]
    assert costs == sorted(costs)
    assert estimate(schedule(derived(*sizes), "tiled", Target(), "float32"), 1024) < costs[-1]


@pytest.mark.parametrize(("sizes", "name"), [((64, 32, 10), "tiled"), ((784, 512, 256, 10), "tiled")])
def test_networks_are_tiled(sizes: tuple[int, ...], name: str) -> None:
    assert schedule(derived(*sizes)).schedule == name


def test_a_formula_is_straight_line_code() -> None:
    a, b = symbols("a b")
    assert schedule(from_expressions({"e": tanh(a * b) + a}, [a, b])).schedule == "unrolled"


def test_chunks_are_whole_tiles_and_larger_for_cheap_samples() -> None:
    small, large = (schedule(derived(*sizes), "tiled").samples for sizes in ((2, 16, 3), (64, 64, 64, 10)))
    assert small is not None
    assert large is not None
    assert small.chunk.least > large.chunk.least >= SMALLEST_CHUNK
    assert small.chunk.least % small.tile == large.chunk.least % large.tile == 0  # type: ignore[operator]
