"""What the README shows works: every block of Python in order, in one session, and every spec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from symnn.physics_spec import PhysicsSpec
from symnn.spec import Spec

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[tuple[int, str]]:
    """The blocks in a language, each with the number of the line in front of it."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [(TEXT.count("\n", 0, block.start(1)), block[1]) for block in found]


def test_every_block_of_python_runs_as_printed_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)  # what the blocks save goes there
    session: dict[str, Any] = {}
    for line, text in blocks("python"):
        # Blank lines in front: a traceback names the line of the README.
        exec(compile("\n" * line + text, str(ROOT / "README.md"), "exec"), session)
    assert session["f"](2.0, 1.0) == (6.0, 2.0, 5.0)
    assert session["result"].test_accuracy > 0.9
    assert session["fit"].x == pytest.approx([239, 5.5e-4], rel=1e-6)
    assert session["decay"].split(session["found"].theta)["k"] == pytest.approx(1.5, rel=0.02)
    assert session["solution"].loss < 0.5


@pytest.mark.parametrize(("line", "text"), blocks("yaml"))
def test_every_spec_is_valid(line: int, text: str) -> None:
    found = yaml.safe_load(text)
    (PhysicsSpec if "residuals" in found else Spec).model_validate(found)
