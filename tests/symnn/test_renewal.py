"""Points gather where more is left, weights keep parts in step, and a run that is broken off keeps both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symnn
from symnn.physics_spec import load_physics
from symnn.points import Towards
from symnn.renewal import Attention, GradientNorms, Resampled, Resampling, TangentKernel
from symnn.resuming import Keeping, Terminated

pytestmark = pytest.mark.values

FRONT = [symnn.Residual("front", "u_x - 100*exp(-100*(x - 0.8)**2)"), symnn.Residual("start", "u", weight=4.0)]


@pytest.fixture(scope="module")
def model() -> symnn.PhysicsModel:
    return symnn.Physics("x", "u", [symnn.dense(3, "tanh"), symnn.dense(1)], FRONT).compile()


def problem(model: symnn.PhysicsModel) -> symnn.LeastSquares:
    return model.least_squares(symnn.sample([(0, 1)], 200), np.zeros((2, 1)))


def drawn(count: int, seed: int) -> np.ndarray:
    return symnn.sample([(0, 1)], count, seed)


def resampled(**settings: Any) -> Resampled:
    return Resampled(Resampling(**settings), [drawn, None])


def test_points_gather_where_more_is_left_and_others_stay(model: symnn.PhysicsModel) -> None:
    theta = model.physics.initial_parameters(0)
    near = []
    for power in (0.0, 1.0, 2.0):
        found = problem(model)
        resampled(power=power).renew(found, theta, 0)
        points = found.parts[0].arrays[0]
        assert len(np.unique(points)) == 200
        assert not found.parts[1].arrays[0].any()
        near.append(float(np.mean(abs(points - 0.8) < 0.1)))
    assert near[0] == pytest.approx(0.2, abs=0.06)
    assert near[0] + 0.1 < near[1] < near[2]


def test_a_draw_depends_on_its_number_alone(model: symnn.PhysicsModel) -> None:
    theta = model.physics.initial_parameters(0)
    first, again, next_ = (problem(model) for _ in range(3))
    for found, number in ((first, 0), (again, 0), (next_, 1)):
        resampled().renew(found, theta, number)
    assert np.array_equal(first.parts[0].arrays[0], again.parts[0].arrays[0])
    assert not np.array_equal(first.parts[0].arrays[0], next_.parts[0].arrays[0])


def test_weights_by_gradient_norms_make_the_gradients_alike(model: symnn.PhysicsModel) -> None:
    theta, found = model.physics.initial_parameters(1) + 0.1, problem(model)
    for number in range(2):  # the second time nothing is left to do
        GradientNorms(rate=1.0).renew(found, theta, number)
        r, jacobian = found.jacobian(theta)
        norms = [float(np.linalg.norm(jacobian[rows].T @ r[rows])) for rows in found.where]
        assert norms[0] == pytest.approx(norms[1], rel=1e-10)


def test_weights_by_the_tangent_kernel_make_its_diagonals_alike(model: symnn.PhysicsModel) -> None:
    theta, found = model.physics.initial_parameters(1) + 0.1, problem(model)
    for number in range(2):  # the second time nothing is left to do
        TangentKernel(rate=1.0).renew(found, theta, number)
        _, jacobian = found.jacobian(theta)
        assert found.squares(theta) == pytest.approx(np.sum(jacobian**2, axis=1))
        means = [float(np.sum(jacobian[rows] ** 2)) for rows in found.where]
        assert means[0] == pytest.approx(means[1], rel=1e-10)


def test_attention_remembers_where_much_was_left(model: symnn.PhysicsModel) -> None:
    theta, found = model.physics.initial_parameters(0), problem(model)
    left, before = abs(found.unscaled(theta)), found.scale.copy()
    Attention(decay=0.9, rate=0.1).renew(found, theta, 0)
    rows = found.where[0]
    assert found.scale[rows] / before[rows] == pytest.approx(0.9 + 0.1 * left[rows] / left[rows].max())


def test_a_run_that_is_broken_off_goes_on_with_its_points_and_weights(
    model: symnn.PhysicsModel, tmp_path: Path
) -> None:
    theta = model.physics.initial_parameters(0)
    chosen: dict[str, Any] = {
        "methods": [{"levenberg_marquardt": 14}],
        "renewals": [resampled(every=4), GradientNorms(every=3)],
        "progress": False,
    }
    whole = symnn.solve(problem(model), theta, **chosen)
    asked = iter([False] * 9 + [True])
    with pytest.raises(Terminated):
        symnn.solve(problem(model), theta, **chosen, state=Keeping(tmp_path / "s", 0.0, lambda: next(asked, False)))
    again = symnn.solve(problem(model), theta, **chosen, state=tmp_path / "s", resume=True)
    assert (again.theta.tobytes(), again.loss) == (whole.theta.tobytes(), whole.loss)


@pytest.mark.parametrize("kind", ["latin_hypercube", "sobol", "halton", "uniform"])
def test_points_of_every_kind_lie_in_their_ranges(kind: str) -> None:
    found = symnn.sample([(-1.0, 3.0), [0.0, 1.0], (5.0, 6.0)], 100, 3, kind, {0: Towards(0.0, 4.0)})
    assert found.shape == (100, 3)
    assert np.array_equal(
        found, symnn.sample([(-1.0, 3.0), [0.0, 1.0], (5.0, 6.0)], 100, 3, kind, {0: Towards(0.0, 4.0)})
    )
    assert (found.min(axis=0) >= [-1, 0, 5]).all()
    assert (found.max(axis=0) <= [3, 1, 6]).all()
    assert np.mean(abs(found[:, 0]) < 0.2) > 0.3
    assert 0.3 < np.mean(found[:, 2] < 5.5) < 0.7


SPEC: dict[str, Any] = {
    "inputs": {"x": [0, 1]},
    "unknowns": "u",
    "layers": [{"dense": 1}],
    "residuals": {"a": {"equation": "u_x", "points": 3}},
}
REFUSED = {
    "sampling": ({"equation": "u_x", "points": 3, "sampling": "sobel"}, "residuals.a.sampling: unknown sampling"),
    "towards": (
        {"equation": "u_x", "points": 3, "towards": {"x": {"at": 2}}},
        "residuals.a.towards.x: expected values",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_points_that_cannot_be_drawn_are_refused_by_their_field(what: str) -> None:
    residual, message = REFUSED[what]
    with pytest.raises(symnn.SpecError, match=message):
        load_physics({**SPEC, "residuals": {"a": residual}})


def test_a_balance_is_refused_by_its_field() -> None:
    with pytest.raises(symnn.SpecError, match="balance: unknown balance 'norms'"):
        load_physics({**SPEC, "balance": "norms"})
    with pytest.raises(symnn.SpecError, match=r"balance.attention.decay: expected a number below 1.0, found 1"):
        load_physics({**SPEC, "balance": {"attention": {"decay": 1}}})


def test_ctrl_c_just_before_points_are_renewed_loses_no_renewal(model: symnn.PhysicsModel, tmp_path: Path) -> None:
    theta = model.physics.initial_parameters(0)
    chosen: dict[str, Any] = {
        "methods": [{"adam": 4}, {"levenberg_marquardt": 6}], "renewals": [resampled(every=4)], "progress": False
    }  # fmt: skip
    whole = symnn.solve(problem(model), theta, **chosen)
    for after in (4, 8):

        def interrupt(solution: symnn.Solution, after: int = after) -> None:
            if solution.iterations == after:
                raise KeyboardInterrupt

        broken = symnn.solve(problem(model), theta, **chosen, callback=interrupt, state=tmp_path / "s")
        assert (broken.iterations, broken.stopped) == (after, "interrupted")
        again = symnn.solve(problem(model), theta, **chosen, state=tmp_path / "s", resume=True)
        assert (again.theta.tobytes(), again.loss) == (whole.theta.tobytes(), whole.loss)
