"""What the README and the pages behind it show works: every block of Python in one session, and every spec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from symnn.physics_spec import PhysicsSpec
from symnn.spec import Spec

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("formulas", "equations", "differential-equations", "layers")),
]


def blocks(language: str) -> list[tuple[Path, int, str]]:
    """The blocks in a language, each with its page and the number of the line in front of it."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            found.append((page, text.count("\n", 0, block.start(1)), block[1]))
    return found


def test_every_block_of_python_runs_as_printed_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)  # what the blocks save goes there
    session: dict[str, Any] = {}
    for page, line, text in blocks("python"):
        # Blank lines in front: a traceback names the line of the page.
        exec(compile("\n" * line + text, str(page), "exec"), session)
    assert session["f"](2.0, 1.0) == (6.0, 2.0, 5.0)
    assert session["result"].test_accuracy > 0.9
    assert session["fit"].x == pytest.approx([239, 5.5e-4], rel=1e-6)
    assert session["decay"].split(session["found"].theta)["k"] == pytest.approx(1.5, rel=0.02)
    assert session["solution"].loss < 0.5
    assert session["found_by_sqp"].fun == pytest.approx(6.2324586, abs=1e-5)


@pytest.mark.parametrize(("page", "line", "text"), blocks("yaml"))
def test_every_spec_is_valid(page: Path, line: int, text: str) -> None:
    found = yaml.safe_load(text)
    (PhysicsSpec if "residuals" in found else Spec).model_validate(found)


def test_links_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    ]
    assert len(links) > 5
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []
