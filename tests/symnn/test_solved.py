"""Solutions of differential equations on a page, and in a notebook."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from typer.testing import CliRunner

import symnn
from codegen.page.fields import MOST_POINTS, field, scatter
from symnn.cli import app
from symnn.errors import SpecError
from symnn.references import reference_of
from symnn.report.solved import Plane, Single, points_by_name, solved
from symnn.solving import points_of, solve_spec

SPEC = {
    "inputs": {"x": [0, 2]},
    "unknowns": "u",
    "layers": [{"dense": 3, "activation": "tanh"}, {"dense": 1}],
    "residuals": {
        "<b>": {"equation": "u_x = cos(x)", "points": 8},
        "begin": {"equation": "u", "at": {"x": 0}, "hard": True},
    },
    "solution": {"u": "sin(x)"},
    "solver": [{"levenberg_marquardt": 3}],
}
PLANE = {**SPEC, "inputs": {"x": [0, 2], "t": [1, 3], "p": [0, 1]}, "solution": {}}


def test_cells_outside_a_domain_stay_empty() -> None:
    disc = {"disc": {"centre": {"x": 1, "y": 2}, "radius": 0.5}}
    inside = {"<b>": {"equation": "u_x = 1", "points": 8}}
    spec = {**SPEC, "inputs": {"x": [0, 2], "y": [1, 3]}, "domain": disc, "residuals": inside, "solution": {"u": "x"}}
    physics = symnn.Physics.from_spec(spec)
    shown: dict[str, np.ndarray] = {}

    def pictures(plane: Plane, values: dict[str, np.ndarray], what: str) -> str:
        shown.update({what + name: value for name, value in values.items()})
        return ""

    with patch.multiple("symnn.report.solved", CELLS=8), patch.object(Plane, "pictures", pictures):
        theta = physics.initial_parameters()
        found = symnn.Solution(theta, 1.0, 0, 0.0, "")
        solved(Single(physics.compile(), theta), found, "u", {}, reference_of(physics))
        places = Plane({"x": (0, 2), "y": (1, 3)}).places
    filled = np.hypot(places[:, 0] - 1, places[:, 1] - 2) <= 0.5
    assert list(shown) == ["u", "error of u", "residual of <b>"]
    assert all(np.array_equal(np.isfinite(values), filled) for values in shown.values())
    assert 8 < filled.sum() < 16


@pytest.mark.parametrize(
    ("spec", "sections"),
    [(SPEC, ["solution", "error", "residual", "course", "points"]),
     (PLANE, ["solution", "residual", "course", "points"])],
    ids=["one input", "three inputs"],
)  # fmt: skip
def test_a_page_has_a_section_for_all_that_is_known(spec: dict[str, object], sections: list[str]) -> None:
    physics = symnn.Physics.from_spec(spec)
    found, _ = solve_spec(physics, progress=False)
    assert physics.spec is not None
    points = points_by_name(physics, points_of(physics.spec, 0))
    with patch.multiple("symnn.report.solved", CELLS=5, PLACES=9):
        page = solved(Single(physics.compile(), found.theta), found, "decay", points)
    assert [name for name in ("solution", "error", "residual", "course", "points")
            if f'<section id="{name}"' in page] == sections  # fmt: skip
    assert "<b>" not in page
    assert ("p = 0.5" in page) == (spec is PLANE)


def test_without_ranges_there_is_no_page() -> None:
    layers = [symnn.dense(2, "tanh"), symnn.dense(1)]
    model = symnn.Physics("x", "u", layers, [symnn.Residual("r", "u_x - u")]).compile()
    with pytest.raises(SpecError, match="what the ranges are"):
        solved(Single(model, np.zeros(7)), symnn.Solution(np.zeros(7), 0.0, 0, 0.0, ""), "u", {})


def test_the_first_row_of_a_field_is_at_the_bottom_and_its_cells_are_where_the_values_were_taken() -> None:
    with patch("symnn.report.solved.CELLS", 2):
        plane = Plane({"x": (0.0, 2.0), "t": (1.0, 3.0)})
        assert plane.places.tolist() == [[0.5, 1.5], [1.5, 1.5], [0.5, 2.5], [1.5, 2.5]]
    drawn = field([[1.0, float("nan")], [0.0, 0.0]], (0, 2), (1, 3), ("x", "t"), title="u")
    assert 'fill-opacity="1.000" d="M62.0 115.0h141.0v101.0h-141.0z"' in drawn


def test_of_many_points_some_are_drawn() -> None:
    drawn = scatter([(0.0, 0.0)] * (2 * MOST_POINTS + 1), (0, 1), (0, 1), ("x", "t"), title="points")
    assert MOST_POINTS / 2 < drawn.count("M") <= MOST_POINTS


def test_a_notebook_shows_the_course() -> None:
    found = symnn.solve(lambda theta: (float(theta @ theta), 2 * theta), np.ones(2), progress=False)
    assert "<polyline" in found._repr_html_()
    assert found.history[-1].iterations == found.iterations


def test_solve_writes_the_page(tmp_path: Path) -> None:
    import json

    (tmp_path / "s.json").write_text(json.dumps(SPEC))
    page = tmp_path / "s.html"
    result = CliRunner().invoke(app, ["solve", str(tmp_path / "s.json"), "--report", str(page)])
    assert result.exit_code == 0
    assert f"saved {page}" in result.stdout
    assert page.read_text().startswith("<!doctype html>")
