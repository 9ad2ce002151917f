"""Loops over samples turned inside out say the same, and every sum over samples stands alone."""

from __future__ import annotations

import pytest

from codegen import Graph, gradient, optimise
from codegen.schedule import schedule
from codegen.schedule.inward import samples_inside
from codegen.schedule.program import Accumulate, Loop, Samples, walk
from codegen.walk import subscripts
from tests.codegen.networks import mlp, parameters


def derived(sizes: list[int]) -> Graph:
    return gradient(mlp(sizes), "loss", parameters(mlp(sizes)))


@pytest.mark.parametrize("chosen", ["unrolled", "loops"])
def test_without_tiles_a_program_stays_as_it_is(chosen: str) -> None:
    program = schedule(optimise(derived([2, 3, 2]))[0], chosen)  # type: ignore[arg-type]
    assert samples_inside(program) is program


def test_the_samples_are_innermost_and_their_sums_alone() -> None:
    program = samples_inside(schedule(optimise(derived([2, 9, 3]))[0], "tiled"))
    over = program.samples
    assert over is not None
    for statement, around in walk(over.body):
        if isinstance(statement, Accumulate) and over.index not in subscripts(statement.target):
            assert around[-1].index == over.index
            assert len(around[-1].body) == 1
        elif not isinstance(statement, (Loop, Samples)) and around:
            inside = around[[loop.index for loop in around].index(over.index) + 1 :]
            assert all(int(loop.index.upper) < 8 for loop in inside)  # short sums alone
