"""Notebooks run in a kernel from their first cell to their last, and objects show themselves there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.pages import COURSE, ROOT, notebook

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
SHOWN = {
    "classification": [
        "lower, upper",
        "<h4>Gradient (backpropagation)</h4>",
        "<polyline",
        'class="passed"',
        "<summary>source",
    ],
    "formula": ["<math", "<math", "<math", 'class="passed"', "<summary>source"],
}
"""What is in the pages that cells end with, in their order."""


def executed(cells: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The outputs of all cells; a cell that fails raises."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    client = nbclient.NotebookClient(cells, timeout=300, resources={"metadata": {"path": str(folder)}})
    return [output for cell in client.execute().cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_shows_its_objects(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    nbformat.validate(cells)
    assert not any(cell.get("outputs") for cell in cells.cells)
    outputs = executed(cells, tmp_path, monkeypatch)
    pages = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert len(pages) == len(SHOWN[name])
    for page, part in zip(pages, SHOWN[name]):
        assert part in page
    if name == "formula":
        assert any("image/svg+xml" in output.get("data", {}) for output in outputs)


def test_a_chapter_runs_as_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = nbformat.from_dict(notebook(COURSE / "paths.md"))
    nbformat.validate(cells)
    kept = "".join(output.text for cell in cells.cells for output in cell.get("outputs", []))
    # What a cell prints may come in several parts.
    found = [output["text"] for output in executed(cells, tmp_path, monkeypatch) if "text" in output]
    assert "".join(found) == kept
