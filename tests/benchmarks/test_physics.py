"""Case H: everybody computes what NumPy by hand does."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.cases import Case, difference, problem
from tests.benchmarks.physics import CASES, CONTENDERS, ITERATIONS, TOLERANCE, products, reference

SMALL = Case("small", (2, 5, 4, 1), 9)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENDERS)
def test_contenders_agree_with_numpy(name: str) -> None:
    if name.startswith("JAX"):
        pytest.importorskip("jax")
    given = problem(SMALL)
    loss, slope = CONTENDERS[name](given)()
    assert difference((float(loss), np.asarray(slope)), reference(given)) <= TOLERANCE


def test_the_gradient_by_hand_is_that_of_the_loss() -> None:
    given = problem(SMALL)
    _, slope = reference(given)
    h = 1e-6
    for n in range(len(given.theta)):
        step = np.zeros_like(given.theta)
        step[n] = h
        ahead, behind = (
            reference(type(given)(given.case, given.dtype, given.theta + one, given.x, given.y))[0]
            for one in (step, -step)
        )
        assert slope[n] == pytest.approx((ahead - behind) / (2 * h), rel=1e-6, abs=1e-8)


def test_the_roofline_counts_four_products_a_layer_and_two_for_each_on_the_way_back() -> None:
    assert products(CASES[0]) == 2 * 40 + 12 * (400 + 400 + 20)


@pytest.mark.slow
def test_an_iteration_of_levenberg_marquardt_is_that_of_jax() -> None:
    pytest.importorskip("jax")
    given = problem(SMALL)
    ours, theirs = (prepare(given)() for prepare in ITERATIONS.values())
    assert ours == pytest.approx(theirs, rel=1e-9)
