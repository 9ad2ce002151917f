"""Residuals as one vector: its Jacobian, and every product, are those of the residuals one by one."""

from __future__ import annotations

import numpy as np
import pytest

import symnn
from symnn import least_squares

pytestmark = pytest.mark.values

LAYERS = [symnn.dense(4, "tanh"), symnn.dense(2)]
RESIDUALS = [
    symnn.Residual("inside", ["u_xx + k*v", "v_x - u"], weight=2.0),
    symnn.Residual("ends", "u - m", data="m", weight=3.0),
]


@pytest.fixture(scope="module")
def model() -> symnn.PhysicsModel:
    return symnn.Physics("x", "u v", LAYERS, RESIDUALS, {"k": 0.7}).compile()


@pytest.fixture(params=[(256, 1 << 28), (3, 1 << 28), (3, 0)], ids=["one tile", "tiles", "tiles that are not kept"])
def problem(
    model: symnn.PhysicsModel, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> least_squares.LeastSquares:
    for name, value in zip(("TILE", "KEPT"), request.param):
        monkeypatch.setattr(least_squares, name, value)
    inside, ends = symnn.sample([(0, 1)], 7), np.array([[0.0, 0.5], [1.0, -0.5]])
    return model.least_squares(inside, ends)


def theta(model: symnn.PhysicsModel) -> np.ndarray:
    return model.physics.initial_parameters(3) + 0.1


def test_the_loss_and_its_gradient_are_those_of_the_parts(
    model: symnn.PhysicsModel, problem: least_squares.LeastSquares
) -> None:
    left = [model.rows[name](theta(model), *part.arrays) for name, part in zip(("inside", "ends"), problem.parts)]
    loss = 2.0 * np.sum(np.mean(left[0] ** 2, axis=0)) + 3.0 * np.mean(left[1] ** 2)
    found, slope = problem(theta(model))
    r, jacobian = problem.jacobian(theta(model))
    assert found == pytest.approx(loss, rel=1e-14)
    assert slope == pytest.approx(2 * jacobian.T @ r, rel=1e-12)
    assert problem.loss(theta(model)) == pytest.approx(loss, rel=1e-14)
    assert sum(problem.losses(theta(model))) == pytest.approx(loss, rel=1e-14)


def test_the_jacobian_is_that_of_differences(model: symnn.PhysicsModel, problem: least_squares.LeastSquares) -> None:
    at, h = theta(model), 1e-6
    r, jacobian = problem.jacobian(at)
    assert jacobian.shape == (7 * 2 + 2, model.physics.parameter_count)
    assert r == pytest.approx(problem.residuals(at), rel=1e-15)
    for number in range(len(at)):
        step = h * np.eye(len(at))[number]
        difference = (problem.residuals(at + step) - problem.residuals(at - step)) / (2 * h)
        assert jacobian[:, number] == pytest.approx(difference, abs=1e-8)


def test_every_product_is_that_of_the_jacobian(model: symnn.PhysicsModel, problem: least_squares.LeastSquares) -> None:
    at, generator = theta(model), np.random.default_rng(0)
    table = np.empty((problem.size, problem.count + 1))
    r, jacobian = problem.jacobian(at, out=table)
    assert np.shares_memory(jacobian, table)
    normal = problem.normal(at)
    assert np.tril(normal.matrix) == pytest.approx(np.tril(jacobian.T @ jacobian), rel=1e-13, abs=1e-15)
    assert normal.projected == pytest.approx(jacobian.T @ r, rel=1e-13, abs=1e-15)
    assert normal.loss == pytest.approx(r @ r, rel=1e-14)
    for elsewhere in (at, at + 0.1):  # at another place the table that is kept is of no use
        jacobian = problem.jacobian(elsewhere)[1]
        v, w = generator.standard_normal(problem.count), generator.standard_normal(problem.size)
        assert problem.times(elsewhere, v) == pytest.approx(jacobian @ v, rel=1e-13, abs=1e-14)
        assert problem.transposed_times(elsewhere, w) == pytest.approx(jacobian.T @ w, rel=1e-13, abs=1e-14)


def test_other_points_and_weights_count_from_the_next_call(
    model: symnn.PhysicsModel, problem: least_squares.LeastSquares
) -> None:
    at = theta(model)
    before, mine = problem.normal(at).loss, problem.parts[0].arrays[0] / 2
    problem.replace(0, [mine])
    problem.rescale(slice(-2, None), 10 * problem.scale[-2:])
    other = model.least_squares(mine, np.hstack(problem.parts[1].arrays))
    parts = other.losses(at)
    assert problem.normal(at).loss == pytest.approx(parts[0] + 100 * parts[1], rel=1e-13)
    assert problem.normal(at).loss != pytest.approx(before)


def test_rows_in_single_precision_are_summed_in_double() -> None:
    physics = symnn.Physics("x", "u", [symnn.dense(2, "tanh"), symnn.dense(1)], [symnn.Residual("slope", "u_x - u")])
    points, at = symnn.sample([(0, 1)], 7), physics.initial_parameters(0)
    exact, single = (physics.compile(kind).least_squares(points).normal(at) for kind in ("float64", "float32"))
    assert single.matrix.dtype == float
    assert np.tril(single.matrix) == pytest.approx(np.tril(exact.matrix), rel=1e-5, abs=1e-6)


def test_a_table_of_another_shape_is_refused(problem: least_squares.LeastSquares) -> None:
    with pytest.raises(symnn.DataError, match=r"out: expected a C-contiguous array of float64, \(16, 20\), found"):
        problem.jacobian(np.zeros(problem.count), out=np.zeros((3, 3)))


def test_a_sketch_keeps_products_in_the_mean(model: symnn.PhysicsModel, problem: least_squares.LeastSquares) -> None:
    table = np.empty((problem.size, problem.count + 1))
    problem.jacobian(theta(model), out=table)
    sketches = [problem.sketch(theta(model), 40, seed) for seed in range(300)]
    mean = np.mean([found.T @ found for found in sketches], axis=0)
    assert np.linalg.norm(mean - table.T @ table) < 0.05 * np.linalg.norm(table) ** 2
    assert np.array_equal(sketches[7], problem.sketch(theta(model), 40, 7))
