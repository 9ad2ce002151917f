"""The deviation of a coefficient is that of a regression on the solution, where there is a formula for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit

import symnn
from symnn.solving import coefficients, points_of, solve_spec

pytestmark = pytest.mark.values

SPEC = {
    "inputs": {"t": [0, 2]},
    "unknowns": "u",
    "coefficients": {"k": 0.5},
    "layers": [{"dense": 5, "activation": "tanh"}, {"dense": 1}],
    "residuals": {
        "decay": {"equation": "u_t = -k*u", "points": 30, "weight": 1000.0},
        "seen": {"equation": "u = m", "measured": {"file": "seen.csv", "values": "m"}},
        "first": {"equation": "u = 1", "at": {"t": 0}, "hard": True},
    },
    "solver": ["levenberg_marquardt"],
}


@pytest.fixture
def seen(tmp_path: Path) -> np.ndarray:
    generator = np.random.default_rng(0)
    times = np.linspace(0.1, 2, 25)
    rows = np.column_stack([times, np.exp(-1.3 * times) + 0.02 * generator.standard_normal(25)])
    text = "t,m\n" + "".join(f"{float(t)!r},{float(m)!r}\n" for t, m in rows)
    (tmp_path / "seen.csv").write_text(text)
    return rows


def test_a_coefficient_has_the_deviation_of_a_regression(seen: np.ndarray, tmp_path: Path) -> None:
    physics = symnn.Physics.from_spec(SPEC)
    assert physics.spec is not None
    model, settings = physics.compile(), physics.spec.solver.changed(iterations=60, seed=None)
    found, losses = solve_spec(physics, settings, progress=False, directory=tmp_path)
    assert list(losses) == ["decay", "seen"]
    problem = model.least_squares(*points_of(physics.spec, 0, tmp_path))
    value, deviation = coefficients(model, problem, found.theta)["k"]
    (k,), covariance = curve_fit(lambda t, k: np.exp(-k * t), seen[:, 0], seen[:, 1], p0=[1.0])
    assert value == pytest.approx(k, abs=0.05 * covariance[0, 0] ** 0.5)
    assert deviation == pytest.approx(covariance[0, 0] ** 0.5, rel=0.03)


def test_a_file_without_a_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seen.csv").write_text("t,n\n1,2\n3,4\n")
    physics = symnn.Physics.from_spec(SPEC)
    assert physics.spec is not None
    with pytest.raises(symnn.DataError, match=r"seen.csv: unknown column 'm'"):
        points_of(physics.spec, 0, tmp_path)


def test_a_residual_of_measured_values_has_no_other_points() -> None:
    residuals = {**SPEC["residuals"], "seen": {**SPEC["residuals"]["seen"], "points": 3}}  # type: ignore[dict-item]
    with pytest.raises(symnn.SpecError, match="found points beside measured, whose rows are the points"):
        symnn.Physics.from_spec({**SPEC, "residuals": residuals})
