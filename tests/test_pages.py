"""What the README and the pages of docs show works: every block of Python runs, prints what stands below, and draws."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from symnn.physics_spec import PhysicsSpec
from symnn.spec import Spec
from tests.pages import PICTURE, ROOT, blocks, chapters, expected, notebook, run

TOGETHER = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("python", "formulas", "equations", "differential-equations", "layers")),
]
"""Pages that are one session, in this order."""
FIRST = [page for page in TOGETHER if page.stem in ("README", "formulas", "layers")]
"""Those of them that need none of the others."""
ALONE = [
    *chapters(),
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
    ROOT / "docs" / "how.md",
    ROOT / "docs" / "faq.md",
]
"""Pages that need no other."""
SLOW = {"capacity", "control", "loop", "table"}
MEASURED = {"large-formulas.svg", "workers.svg"}
"""Pictures of benchmarks, which no page makes."""
PIXELS = 2.0
"""By which a picture may differ: processors sum in different orders, and a descent of many steps shows that."""
ROUNDED = {"capacity", "differences"}
"""Pictures of what is left of rounding: of them the words and the number of points are compared."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
"""The same for all pictures, and no part of what one shows."""


@pytest.mark.values
@pytest.mark.parametrize("pages", [FIRST, pytest.param(TOGETHER, marks=pytest.mark.slow)], ids=["some", "all"])
def test_every_block_of_python_runs_as_printed_one_after_the_other(
    pages: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)  # what the blocks save goes there
    session: dict[str, Any] = {}
    for page in pages:
        for _ in run(page, session):
            pass
    assert session["f"](2.0, 1.0) == (6.0, 2.0, 5.0)
    assert session["result"].test_accuracy > 0.9
    assert session["fit"].x == pytest.approx([239, 5.5e-4], rel=1e-6)
    if pages == FIRST:
        return
    assert session["decay"].split(session["found"].theta)["k"] == pytest.approx(1.5, rel=0.02)
    assert session["solution"].loss < 0.5
    assert session["found_by_sqp"].fun == pytest.approx(6.2324586, abs=1e-5)


@pytest.mark.values
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem in SLOW)) for page in ALONE],
)
def test_a_page_prints_and_draws_what_it_shows(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    shown = expected(page)
    drawn = [name for _, name in PICTURE.findall(page.read_text(encoding="utf-8")) if name not in MEASURED]
    for block, printed in run(page, {}):
        below = shown.get(block.start)
        assert below is None or printed == below.text, f"{block}: python -m tests.pages writes what it prints"
    assert sorted(drawn) == sorted(path.name for path in tmp_path.glob("*.svg"))
    for name in drawn:
        texts = ((folder / name).read_text(encoding="utf-8") for folder in (tmp_path, page.parent))
        made, kept = (STYLE.sub("", text) for text in texts)
        assert NUMBER.sub("#", made) == NUMBER.sub("#", kept), f"{name}: python -m tests.pages draws it"
        assert len(kept) < 40_000
        if page.stem not in ROUNDED:
            numbers = [[float(number) for number in NUMBER.findall(text)] for text in (made, kept)]
            assert numbers[0] == pytest.approx(numbers[1], abs=PIXELS)


@pytest.mark.parametrize("page", chapters(), ids=lambda page: page.stem)
def test_a_chapter_is_a_page_of_the_course(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[-1] == "Exercise"
    assert "<summary>Solution</summary>" in text
    assert PICTURE.search(text)


def test_a_chapter_is_a_notebook_with_its_pictures() -> None:
    page = next(page for page in chapters() if page.stem == "paths")
    found = json.loads(json.dumps(notebook(page)))
    code = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    assert [cell["source"] + "\n" for cell in code] == [block.text for block in blocks(page, "python")]
    assert "3 paths to e over 5 edges" in code[0]["outputs"][0]["text"]
    assert code[-1]["metadata"] == {"jupyter": {"source_hidden": True}}
    prose = [cell for cell in found["cells"] if cell["cell_type"] == "markdown"]
    assert not any("```" in cell["source"] or "details>" in cell["source"] for cell in prose)
    assert [name for cell in prose for name in cell.get("attachments", ())] == ["paths.svg"]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ELSEWHERE = {"docs/onnx.md": "tests/symnn/test_onnx_export.py"}


def test_every_block_of_python_runs_or_says_why_not_in_one_word() -> None:
    found = {page for page in PAGES if blocks(page, "python")}
    elsewhere = {ROOT / page for page in ELSEWHERE}
    assert found - {*TOGETHER, *ALONE, *elsewhere} == set()
    assert all(Path(page).name in (ROOT / test).read_text(encoding="utf-8") for page, test in ELSEWHERE.items())
    assert [str(b) for page in found for b in blocks(page, "python") if " " in b.info] == []


@pytest.mark.parametrize("block", [block for page in PAGES for block in blocks(page, "yaml")], ids=str)
def test_every_spec_is_valid(block: Any) -> None:
    found = yaml.safe_load(block.text)
    (PhysicsSpec if "residuals" in found else Spec).model_validate(found)


def test_links_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    ]
    assert len(links) > 5
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []
