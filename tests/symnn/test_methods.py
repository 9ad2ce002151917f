"""Every method brings a small problem down, keeps to what is finite, and goes on from its state to the same bits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnn
from symnn import solving
from symnn.methods import METHODS
from symnn.methods.levenberg_marquardt import LevenbergMarquardt
from symnn.methods.sketched import SketchedGaussNewton
from symnn.resuming import Keeping, Terminated

pytestmark = pytest.mark.values

LAYERS = [symnn.dense(5, "tanh"), symnn.dense(1)]


@pytest.fixture(scope="module")
def problem() -> symnn.LeastSquares:
    """u′ = 10·cos 3x."""
    model = symnn.Physics("x", "u", LAYERS, [symnn.Residual("slope", "u_x = 10*cos(3*x)")]).compile()
    return model.least_squares(symnn.sample([(0, 1)], 30))


def theta(problem: symnn.LeastSquares, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(problem.count)


LOWEST: Mapping[str, tuple[int, float]] = {
    "adam": (50, 48.4),
    "soap": (50, 41.5),
    "lbfgs": (50, 1e-3),
    "ssbfgs": (50, 1e-3),
    "ssbroyden": (50, 1e-3),
    "gauss_newton": (40, 1e-5),
    "energy_natural_gradient": (40, 1e-5),
    "levenberg_marquardt": (40, 1e-5),
    "sketched_gauss_newton": (40, 1e-5),
}
"""After so many iterations the loss, which begins at 49, is below that."""


@pytest.mark.parametrize("name", METHODS)
def test_a_method_brings_the_loss_down_and_says_how_far(name: str, problem: symnn.LeastSquares) -> None:
    iterations, least = LOWEST[name]
    seen: list[float] = []
    found = symnn.solve(
        problem, theta(problem), methods=[{name: iterations}], progress=False,
        callback=lambda solution: seen.append(solution.loss),
    )  # fmt: skip
    assert found.loss < least
    assert found.loss == pytest.approx(problem.loss(found.theta), rel=1e-10)
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == found.iterations <= iterations


@pytest.mark.parametrize("name", METHODS)
def test_a_method_goes_on_to_the_same_bits(name: str, problem: symnn.LeastSquares, tmp_path: Path) -> None:
    chosen: dict[str, Any] = {"methods": [{"adam": 3}, {name: 9}, {"lbfgs": 3}], "progress": False}
    whole = symnn.solve(problem, theta(problem), **chosen)
    for calls in (5, 12):
        asked = iter([False] * calls + [True])
        keeping = Keeping(tmp_path / "state", every=0.0, asked=lambda asked=asked: next(asked, False))  # type: ignore[misc]
        with pytest.raises(Terminated):
            symnn.solve(problem, theta(problem), **chosen, state=keeping)
        again = symnn.solve(problem, theta(problem), **chosen, state=tmp_path / "state", resume=True)
        assert (again.theta.tobytes(), again.loss, again.iterations) == (
            whole.theta.tobytes(), whole.loss, whole.iterations
        )  # fmt: skip


@pytest.mark.parametrize("name", ["gauss_newton", "levenberg_marquardt", "sketched_gauss_newton", "ssbroyden"])
def test_a_step_to_what_is_not_finite_is_not_taken(name: str) -> None:
    """u = √(W·x + b) is nan over half of all parameters; the minimum is u = 1."""
    model = symnn.Physics("x", "u", [symnn.dense(1)], [symnn.Residual("root", "sqrt(u) - 1")]).compile()
    problem = model.least_squares(symnn.sample([(0, 1)], 9))
    found = symnn.solve(problem, np.array([-3.0, 30.0]), methods=[{name: 60}], progress=False)
    assert found.loss < 1e-10
    assert problem.residuals(found.theta) == pytest.approx(0, abs=1e-4)


def test_soap_comes_further_than_adam_with_matrices() -> None:
    """Poisson's equation, 200 iterations from the same parameters, each with the best of three rates."""
    physics = symnn.Physics.from_spec(Path(__file__).parents[2] / "examples" / "equations" / "poisson.yaml")
    assert physics.spec is not None
    problem, start = (
        physics.compile().least_squares(physics.spec.points("interior", 256, 0)),
        physics.initial_parameters(),
    )

    def lowest(name: str) -> float:
        ways = [[{name: {"iterations": 200, "learning_rate": rate}}] for rate in (1e-2, 3e-2, 1e-1)]
        return min(symnn.solve(problem, start, methods=way, progress=False).loss for way in ways)

    assert lowest("soap") < lowest("adam") / 5


def test_soap_in_bases_of_its_own_is_adam(problem: symnn.LeastSquares) -> None:
    """Without matrices nothing is rotated."""
    plain = symnn.LeastSquares(problem.parts, problem.count)
    at, steps = theta(problem), []
    first = problem(at)[1]
    found = symnn.solve(plain, at, methods=[{"soap": {"iterations": 1}}], progress=False, callback=steps.append)
    assert found.theta - at == pytest.approx(-0.01 * np.sign(first), abs=1e-6)


def test_systems_behind_a_sketch_are_those_of_the_whole_matrix(problem: symnn.LeastSquares) -> None:
    at = theta(problem)
    whole, sketched = LevenbergMarquardt().linear(problem, at), SketchedGaussNewton().linear(problem, at)
    assert sketched.projected == pytest.approx(whole.projected, rel=1e-12)
    assert sketched.largest == pytest.approx(whole.largest, rel=1)
    for damping in (1e-6, 1.0):
        expected, found = (one.damped(damping * whole.largest) for one in (whole, sketched))
        assert expected is not None
        assert found is not None
        step = found(whole.projected)
        left = problem.transposed_times(at, problem.times(at, step)) + damping * whole.largest * step - whole.projected
        assert np.linalg.norm(left) < 0.02 * np.linalg.norm(whole.projected)
        assert np.linalg.norm(step - expected(whole.projected)) < 0.1 * np.linalg.norm(step)


def test_each_method_begins_where_the_one_before_was_best_and_the_history_says_so(
    problem: symnn.LeastSquares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, "BETWEEN", 0.0)
    found = symnn.solve(
        problem,
        theta(problem),
        methods=[{"adam": {"iterations": 20, "learning_rate": 0.01}}, {"levenberg_marquardt": 10}],
        measures={"size": lambda theta: float(abs(theta).max())},
        progress=False,
    )
    assert found.history[0].method == "adam"
    assert found.history[-1].method == "levenberg_marquardt"
    assert set(found.history[-1].values) == {"damping", "size"}
    assert [mark.loss for mark in found.history] == sorted((mark.loss for mark in found.history), reverse=True)


def test_seconds_of_a_method_end_it_alone(problem: symnn.LeastSquares) -> None:
    found = symnn.solve(
        problem, theta(problem), methods=[{"adam": {"seconds": 0.05}}, {"levenberg_marquardt": 5}], progress=False
    )
    assert found.iterations > 5
    assert found.stopped == f"all {found.iterations:,} iterations done"


REFUSED = {
    "a name": (["newton"], "methods[0]: unknown method 'newton'; did you mean 'gauss_newton'?"),
    "a field": ([{"adam": {"rate": 1}}], "methods[0].adam: unknown field 'rate'"),
    "a value": ([{"levenberg_marquardt": {"damping": 0}}], "damping: expected a number above 0.0, found 0"),
    "a kind": ([3], "expected the name of a method, {name: iterations} or {name: settings}, found 3"),
    "no list": (3, "methods: expected a list of 1 to 32 methods, found 3"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_method_is_refused_by_its_place(what: str, problem: symnn.LeastSquares) -> None:
    methods, message = REFUSED[what]
    with pytest.raises(symnn.SpecError, match=re.escape(message)):
        symnn.solve(problem, theta(problem), methods=methods)  # type: ignore[arg-type]


def test_a_loss_alone_has_no_residuals() -> None:
    with pytest.raises(symnn.DataError, match="levenberg_marquardt needs the residuals, as"):
        symnn.solve(lambda theta: (float(theta @ theta), 2 * theta), np.ones(2), methods=["levenberg_marquardt"])
    with pytest.raises(symnn.SpecError, match="found adam beside methods, expected it among the settings"):
        symnn.solve(lambda theta: (float(theta @ theta), 2 * theta), np.ones(2), methods=["lbfgs"], adam=3)
