"""Errors against the values of a file: the same from text and arrays, in what solve measures and on the page."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import symnn
from symnn.cli import app
from symnn.references import reference_of
from symnn.solving import solve_spec
from tests.benchmarks import spectral

pytestmark = pytest.mark.values

SPEC = """
inputs: {x: [0, 2]}
unknowns: [u, v]
layers: [{dense: 3, activation: tanh}, {dense: 2}]
residuals: {inside: {equation: ["u_x = cos(x)", "v_x = u"], points: 8}}
solver: [{levenberg_marquardt: 3}]
reference: exact.csv
"""
POINTS = np.linspace(0, 2, 50)


def write(path: Path, **columns: np.ndarray) -> Path:
    rows = zip(*(column.tolist() for column in columns.values()))
    path.write_text("\n".join([",".join(columns), *(",".join(map(repr, row)) for row in rows)]) + "\n")
    return path


def physics(file: str = "exact.csv") -> symnn.Physics:
    import yaml

    return symnn.Physics.from_spec({**yaml.safe_load(SPEC), "reference": file})


def test_text_and_arrays_say_the_same_of_the_unknowns_that_they_have(tmp_path: Path) -> None:
    write(tmp_path / "exact.csv", x=POINTS, other=POINTS, u=np.sin(POINTS))
    np.savez(tmp_path / "exact.npz", x=POINTS, u=np.sin(POINTS))
    found, _ = solve_spec(physics(), progress=False, directory=tmp_path)
    model = physics().compile()
    off = model.predict(found.theta, POINTS[:, None])[:, 0] - np.sin(POINTS)
    expected = {"u": np.linalg.norm(off) / np.linalg.norm(np.sin(POINTS))}
    for file in ("exact.csv", "exact.npz"):
        reference = reference_of(physics(file), 0, tmp_path)
        assert reference is not None
        assert reference.errors(model, found.theta) == pytest.approx(expected, rel=1e-13)
    assert found.history[-1].values["error"] == pytest.approx(expected["u"])


def test_solve_and_its_page_name_the_file(tmp_path: Path) -> None:
    write(tmp_path / "exact.csv", x=POINTS, u=np.sin(POINTS), v=1 - np.cos(POINTS))
    (tmp_path / "spec.yaml").write_text(SPEC)
    result = CliRunner().invoke(app, ["solve", str(tmp_path / "spec.yaml"), "--report", str(tmp_path / "page.html")])
    assert result.exit_code == 0
    assert re.findall(r"([uv]): relative L2 error \S+ against exact\.csv", result.output) == ["u", "v"]
    page = (tmp_path / "page.html").read_text()
    assert "at the 50 points of exact.csv" in page
    assert "error of v" in page


REFUSED = {
    "no input": ({"t": POINTS, "u": POINTS}, "exact.csv: unknown column 'x'"),
    "no unknown": ({"x": POINTS, "w": POINTS}, "exact.csv: expected a column for one of the unknowns u, v, found none"),
    "only 0": ({"x": POINTS, "u": 0 * POINTS}, "exact.csv: u: expected values that are not all 0"),
    "nan": (
        {"x": POINTS, "u": np.full(50, np.inf)},
        "exact.csv: line 2, column 'u': found inf, expected a finite number",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_reference_is_refused(name: str, tmp_path: Path) -> None:
    columns, message = REFUSED[name]
    write(tmp_path / "exact.csv", **columns)
    with pytest.raises(symnn.DataError, match=re.escape(message)):
        reference_of(physics(), 0, tmp_path)


def test_the_file_of_the_example_has_the_fronts_of_its_family() -> None:
    directory = Path(__file__).parents[2] / "examples" / "equations"
    reference = reference_of(symnn.Physics.from_spec(directory / "family.yaml"), 0, directory)
    assert reference is not None
    points, fronts = spectral.family()
    assert reference.points == pytest.approx(points, abs=1e-12)
    assert reference.values["u"] == pytest.approx(fronts, abs=1e-13)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "exact.npz", x=POINTS, u=np.array([pickle.dumps] * 50, dtype=object), allow_pickle=True)
    with pytest.raises(symnn.DataError, match=r"exact\.npz"):
        reference_of(physics("exact.npz"), 0, tmp_path)


def test_a_spec_has_a_solution_or_a_reference() -> None:
    import yaml

    with pytest.raises(symnn.SpecError, match="reference: found a solution beside a reference"):
        symnn.Physics.from_spec({**yaml.safe_load(SPEC), "solution": {"u": "sin(x)"}})
