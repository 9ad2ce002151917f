"""What networks are held to solves its equations, and every spec has it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import symnn
from tests.benchmarks import spectral
from tests.benchmarks.equations import SPECS, TARGETS, Run, relative


@cache
def problem(name: str) -> symnn.Physics:
    return symnn.Physics.from_spec(SPECS / f"{name}.yaml")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_target_has_a_spec_of_its_inputs(target: object) -> None:
    assert target in TARGETS
    physics = problem(target.name)  # type: ignore[attr-defined]
    assert physics.parameter_count <= 2100
    assert physics.spec is not None


@pytest.mark.parametrize("name", sorted(path.stem for path in SPECS.glob("*.yaml")))
def test_every_spec_is_a_problem(name: str) -> None:
    assert problem(name).residuals


SPECIFIED = [target for target in TARGETS if "\nsolution:" in (SPECS / f"{target.name}.yaml").read_text()]


@pytest.mark.parametrize("target", SPECIFIED, ids=lambda target: target.name)
def test_the_solution_of_a_spec_is_the_reference(target: object) -> None:
    physics = problem(target.name)  # type: ignore[attr-defined]
    points, exact = target.reference()  # type: ignore[attr-defined]
    assert physics.solution(points)["u"] == pytest.approx(exact, abs=1e-14)


def test_the_spectral_methods_converge() -> None:
    (_, coarse), (_, fine) = spectral.korteweg_de_vries(128, 1500), spectral.korteweg_de_vries(256, 3000)
    assert relative(coarse.reshape(51, -1)[:, ::1], fine.reshape(51, -1)) < 1e-4
    (_, coarse), (_, fine) = spectral.allen_cahn(256, 200), spectral.allen_cahn(512, 400)
    assert relative(coarse, fine) < 1e-3


@pytest.mark.parametrize("name", spectral.WITHOUT)
def test_without_a_network_ten_digits_are_right(name: str) -> None:
    assert spectral.WITHOUT[name]() < 1e-10


def test_a_run_says_when_it_was_there() -> None:
    run = Run(0, ((1.0, 1e-2), (2.0, 1e-5), (3.0, 2e-5)), 0.0, 9)
    assert (run.reached(1e-4), run.reached(1e-6)) == (2.0, None)
    assert relative(np.array([1.0, 1.1]), np.array([1.0, 1.0])) == pytest.approx(0.1 / 2**0.5)
