"""Two stages: what a network has left over is learnt by the same network made linear."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import symnn
from symnn.cli import app
from symnn.errors import DataError
from symnn.methods.levenberg_marquardt import LevenbergMarquardt
from symnn.physics_spec import load_physics
from symnn.references import reference_of
from symnn.resuming import Keeping
from symnn.solving import points_of, solve_spec
from symnn.stages import tangent, tangent_points

pytestmark = pytest.mark.values

# the steady front −A·tanh(A·x/2ν), of which the nonlinear term is a part
SPEC: dict[str, Any] = {
    "inputs": {"x": [0, 1]},
    "unknowns": "u",
    "layers": [{"dense": 8, "activation": "tanh"}, {"dense": 1}],
    "residuals": {
        "inside": {"equation": "u*u_x = 0.25*u_xx", "points": 60, "sampling": "sobol"},
        "middle": {"equation": "u = 0", "at": {"x": 0}, "hard": True},
        "end": {"equation": "u = -tanh(2)", "at": {"x": 1}, "points": 1},
    },
    "solution": {"u": "-tanh(2*x)"},
    "solver": [{"levenberg_marquardt": 12}],
    "tangent": {"points": 3},
}


def test_the_second_stage_has_a_hundredth_of_the_error() -> None:
    physics = symnn.Physics.from_spec(SPEC)
    assert physics.spec is not None
    model, reference = physics.compile(), reference_of(physics)
    assert reference is not None
    first, _ = solve_spec(physics, progress=False)
    points = tangent_points(physics.spec, 0)
    assert [len(where) for where in points] == [180, 3]
    second = tangent(model, first.theta, *points)
    assert second.errors(reference)["u"] < reference.errors(model, first.theta)["u"] / 100
    assert second.loss < second.before / 1e4
    assert second.after(first).loss == second.loss
    assert second.after(first).history[-1].method == "tangent"
    assert second.predict(np.zeros((1, 1))) == 0  # which is built in


def test_equations_are_those_of_the_sum_of_both_stages() -> None:
    residuals = (
        symnn.Residual("inside", ["laplacian(u) = u*u(x, 0) + m", "u_xy = x"], data="m"),
        symnn.Residual("mean", "u = integral(u(s, y), s, 0, 1, 4)", weight=2.0),
    )
    layers = [symnn.dense(3, "tanh"), symnn.dense(1)]
    physics = symnn.Physics("x y", "u", layers, residuals, forms={"u": ("sin(y)", "x")})
    model, theta = physics.compile(), physics.initial_parameters(0)
    inside, places = np.random.default_rng(0).uniform(size=(9, 3)), np.random.default_rng(1).uniform(size=(5, 2))
    second = tangent(model, theta, inside, places)
    assert second.loss < second.before
    at_first = model.rows["inside"](theta, *model.arrays("inside", inside))
    assert second.values.left("inside", theta, 0 * theta, inside) == pytest.approx(at_first, abs=1e-12)
    h, step = 1e-5, np.random.default_rng(2).normal(size=theta.size)
    slope = (model.predict(theta + h * step, places) - model.predict(theta - h * step, places)) / (2 * h)
    other = replace(second, step=step)
    assert other.predict(places) == pytest.approx(model.predict(theta, places) + slope, abs=1e-8)
    nodes, weights = np.polynomial.legendre.leggauss(4)
    at_nodes = [second.predict(np.column_stack([0 * places[:, 1] + (1 + s) / 2, places[:, 1]])) for s in nodes]
    mean = sum(w / 2 * values for w, values in zip(weights, at_nodes))
    assert second.left("mean", places) == pytest.approx(second.predict(places) - mean, abs=1e-12)


def test_far_from_a_solution_no_more_is_left_over_than_without_it() -> None:
    physics = symnn.Physics.from_spec(SPEC)
    assert physics.spec is not None
    for seed in range(4):
        second = tangent(physics.compile(), 3 * physics.initial_parameters(seed), *points_of(physics.spec, seed))
        assert second.loss <= second.before


def test_solve_saves_both_stages_and_draws_their_sum(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    paths = ["--out", str(tmp_path / "u.npz"), "--report", str(tmp_path / "u.html")]
    with patch("symnn.report.solved.PLACES", 9):
        result = CliRunner().invoke(app, ["solve", str(tmp_path / "spec.yaml"), *paths])
    assert result.exit_code == 0, result.output
    (loss,) = re.findall(r"second stage: loss (\S+) where the first has \S+, on other points", result.output)
    (error,) = re.findall(r"u: relative L2 error (\S+)", result.output)
    assert float(error) < 1e-5
    assert f"{float(loss):.3g}" in (tmp_path / "u.html").read_text()
    with np.load(tmp_path / "u.npz") as found:
        assert {name: found[name].shape for name in found} == {
            "W1": (8, 1), "b1": (8,), "W2": (1, 8), "b2": (1,),
            "tangent.W1": (8, 1), "tangent.b1": (8,), "tangent.W2": (1, 8), "tangent.b2": (1,),
        }  # fmt: skip


def test_a_run_that_was_broken_off_goes_on_to_the_same_second_stage(tmp_path: Path) -> None:
    physics, trial, calls = symnn.Physics.from_spec(SPEC), LevenbergMarquardt.trial, count(1)
    assert physics.spec is not None

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == 6:
            raise KeyboardInterrupt
        return trial(*arguments)

    keeping = Keeping(tmp_path / "u.state")
    with patch.object(LevenbergMarquardt, "trial", interrupted):
        found, _ = solve_spec(physics, state=keeping, progress=False)
    assert found.stopped == "interrupted"
    resumed, _ = solve_spec(physics, state=keeping, resume=True, progress=False)
    whole, _ = solve_spec(physics, progress=False)
    points = tangent_points(physics.spec, 0)
    steps = [tangent(physics.compile(), one.theta, *points).step for one in (resumed, whole)]
    assert steps[0].tobytes() == steps[1].tobytes()


BEGINNING = {name: residual for name, residual in SPEC["residuals"].items() if name != "end"}
SEEN = {"equation": "u = m", "measured": {"file": "m.csv", "values": "m"}}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "slabs": (
        {"slabs": {"x": 2}, "residuals": BEGINNING},
        "tangent: found slabs beside it",
    ),
    "coefficients": ({"coefficients": {"k": 1}}, "tangent: found coefficients beside it"),
    "measured values": ({"residuals": {**SPEC["residuals"], "seen": SEEN}}, "tangent: found measured values beside it"),
    "fewer points": ({"tangent": {"points": 0.5}}, "tangent.points: expected a number of at least 1.0, found 0.5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_second_stage_is_refused(name: str) -> None:
    changes, message = REFUSED[name]
    with pytest.raises(symnn.SpecError, match=re.escape(message)):
        load_physics({**SPEC, **changes})


def test_models_and_points_that_have_no_second_stage_are_refused() -> None:
    layers = [symnn.dense(2, "tanh"), symnn.dense(1)]
    growth = symnn.Physics("t", "u", layers, symnn.Residual("rate", "u_t = k*u"), {"k": 1.0})
    root = symnn.Physics("t", "u", layers, symnn.Residual("rate", "u_t = sqrt(t)*u"))
    with pytest.raises(symnn.SpecError, match="found coefficients beside it"):
        tangent(growth.compile(), growth.initial_parameters(), np.ones((9, 1)))
    with pytest.raises(symnn.SpecError, match="found a model in float32, expected one in float64"):
        tangent(root.compile("float32"), root.initial_parameters(), np.ones((9, 1)))
    with pytest.raises(DataError, match="the residuals are not finite"):
        tangent(root.compile(), root.initial_parameters(), -np.ones((9, 1)))
    with patch("symnn.stages.MOST_BYTES", 500), pytest.raises(DataError, match=r"9 equations at points and 7 param"):
        tangent(root.compile(), root.initial_parameters(), np.ones((9, 1)))
