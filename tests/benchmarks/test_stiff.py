"""What solvers of stiff equations are given is the same formula, and the one in compiled code ends at the solution."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tests.benchmarks import stiff

pytestmark = pytest.mark.values


@pytest.mark.parametrize("problem", stiff.PROBLEMS, ids=lambda problem: problem.__name__)
def test_solvers_are_given_the_same_formula(problem) -> None:
    equations = problem()
    y = np.random.default_rng(0).uniform(0.5, 2, len(equations.start))
    found, held = np.empty_like(y), equations.compiled()
    address = (array.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for array in (y, found, np.zeros(1)))
    held.ctypes(0.0, *address)
    np.testing.assert_allclose(found, equations.python(0.0, y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("problem", stiff.PROBLEMS, ids=lambda problem: problem.__name__)
def test_lsoda_in_compiled_code_is_as_near_as_that_of_scipy(problem) -> None:
    pytest.importorskip("numbalsoda")
    equations = problem()
    exact = stiff.reference(equations)
    scipys = stiff.by_scipy(equations, "LSODA", equations.python)
    assert stiff.error(stiff.whole(equations)(), exact) <= 2 * stiff.error(scipys(), exact)
