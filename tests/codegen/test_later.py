"""Code for up to three samples, compiled by the first call that has so few: once, by whichever thread, or not."""

from __future__ import annotations

import gc
import sys
import weakref

import numpy as np
import pytest
from numba import njit

import codegen
from codegen import CompiledFunction, gradient
from codegen.compiler import _loaded
from codegen.runtime.later import Later
from tests.codegen.networks import mlp, parameters
from tests.codegen.test_threads import at_once

pytestmark = pytest.mark.values

THETA = np.random.default_rng(0).normal(size=5 * 24 + 24 + 24 * 3 + 3)


def fresh() -> CompiledFunction:
    """A compiled gradient that has no code for few samples yet."""
    _loaded.clear()
    network = mlp([5, 24, 3])
    names = parameters(network)
    packs = {"theta": names, "gradient": [f"dloss/d{n}" for n in names]}
    return codegen.compile(gradient(network, "loss", names), pack=packs, cache=False)


def rows(samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(samples)
    return generator.normal(size=(samples, 5)), generator.integers(0, 3, samples), THETA


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Later]:
    """Each time that code for few samples is compiled, who held it."""
    found: list[Later] = []
    prepare = Later.prepare

    def counted(self: Later) -> None:
        if self._compiled is not None:
            found.append(self)
        prepare(self)

    monkeypatch.setattr(Later, "prepare", counted)
    return found


def test_it_is_compiled_by_the_first_call_of_few_samples_and_no_other(compilations: list[Later]) -> None:
    function = fresh()
    function(*rows(64))
    assert not compilations
    first = function(*rows(1))
    assert len(compilations) == 1
    assert function(*rows(1))[0] == first[0]
    function(*rows(3))
    assert len(compilations) == 1


def test_threads_that_need_it_at_once_get_the_same_bits() -> None:
    function = fresh()
    given, found = rows(2), []
    bound = [function.bind(*given) for _ in range(4)]
    at_once(4, lambda: found.append(bound.pop()()[1].copy()))
    expected = function(*given)[1]
    assert len(found) == 4
    assert all((slope == expected).all() for slope in found)


def test_any_number_of_samples_runs_where_it_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Later) -> None:
        raise MemoryError

    said: list[type[BaseException] | None] = []
    expected = fresh()(*rows(1))
    monkeypatch.setattr(Later, "prepare", fail)
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: said.append(unraisable.exc_type))
    loss, slope = fresh()(*rows(1))
    assert said == [MemoryError]
    assert loss == pytest.approx(expected[0], rel=1e-13)
    np.testing.assert_allclose(slope, expected[1], rtol=1e-12, atol=1e-15)


def test_jitted_code_has_its_own_copy_and_asks_nobody(compilations: list[Later]) -> None:
    function = fresh()
    kernel = function.kernel
    loss = njit(lambda x, y, theta: kernel(x, y, theta)[0])(*rows(1))
    assert not compilations
    assert loss == function(*rows(1))[0]


def test_it_keeps_nothing_alive() -> None:
    function = fresh()
    function(*rows(1))
    code = weakref.ref(function.c_function.held)
    del function
    gc.collect()
    assert code() is None
