"""What is public has a docstring with an example, which runs as a doctest, or that of what makes it."""

from __future__ import annotations

from types import ModuleType

import pytest

import codegen
import codegen.numeric
import codegen.page
import symnn
import symnn.inspect

ELSEWHERE = {
    "Axis": "chart",
    "PathCount": "count_paths",
    "ReadableCodeWarning": "compile",
    "RowGradients": "row_gradients",
    "Ensemble": "ensemble",
    "March": "march",
    "PhysicsModel": "Physics",
    "Solution": "solve",
    "Steps": "steps",
    "TrainingResult": "train",
    "write_object": "write_c",
    "write_webassembly": "write_javascript",
}
"""What is made, or said, by something else whose example shows it, or has its arguments."""


@pytest.mark.parametrize(
    "module", [codegen, codegen.numeric, codegen.page, symnn, symnn.inspect], ids=lambda module: module.__name__
)
def test_every_public_name_has_an_example(module: ModuleType) -> None:
    shown = {name for name in module.__all__ if ">>>" in (getattr(module, name).__doc__ or "")}
    missing = set(module.__all__) - shown
    assert missing == {name for name in missing if ELSEWHERE.get(name) in shown}
