"""What is public has a docstring with an example, which runs as a doctest, or that of what makes it."""

from __future__ import annotations

import re
from importlib import import_module
from types import ModuleType

import pytest

import codegen
import codegen.functions
import codegen.numeric
import codegen.page
import symnn
import symnn.inspect

ELSEWHERE = {
    "Axis": "chart",
    "Price": "Operation",
    "ReadableCodeWarning": "compile",
    "RowGradients": "row_gradients",
    "Ensemble": "ensemble",
    "March": "march",
    "PhysicsModel": "Physics",
    "Solution": "solve",
    "Steps": "steps",
    "Tangent": "tangent",
    "TrainingResult": "train",
    "write_webassembly": "write_javascript",
}
"""What is made, or said, by something else whose example shows it, or has its arguments."""


@pytest.mark.parametrize(
    "module",
    [codegen, codegen.functions, codegen.numeric, codegen.page, symnn, symnn.inspect],
    ids=lambda module: module.__name__,
)
def test_every_public_name_has_an_example(module: ModuleType) -> None:
    public = {name for name in module.__all__ if callable(getattr(module, name))}
    shown = {name for name in public if ">>>" in (getattr(module, name).__doc__ or "")}
    missing = public - shown
    assert missing == {name for name in missing if ELSEWHERE.get(name) in shown}


@pytest.mark.parametrize("name", sorted(codegen._MODULES))
def test_a_public_module_is_imported_at_its_first_use(name: str) -> None:
    assert codegen.__getattr__(name) is import_module(f"codegen.{name}")


DOORS = {
    "distributed": {"Objective"},
    "jax": {"function"},
    "keras": {"channels_first", "load_weights", "save_weights"},  # load needs a file that Keras has written
    "onnx": {"load", "save", "save_derivatives"},
    "sklearn": {"NetworkClassifier", "NetworkRegressor"},
    "state_dicts": {"by_names", "from_arrays", "load", "to_arrays", "write"},
    "torch": {"from_module", "function", "graph_of"},
}
"""The functions and classes of each door, each of which its docstring shows, or that of its module."""


LIBRARIES = {"distributed": "distributed", "jax": "jax", "keras": "h5py", "onnx": "onnx", "torch": "torch"}
"""What the doors import; without it the collection of doctests leaves modules behind that end before their names."""


@pytest.mark.parametrize("name", DOORS)
def test_every_door_has_an_example(name: str) -> None:
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name])
    module = import_module(f"symnn.{name}")
    said = "\n".join(each.__doc__ or "" for each in (module, *(getattr(module, n) for n in DOORS[name])))
    shown = "\n".join(line for line in said.splitlines() if re.match(r"\s*(>>>|\.\.\.)", line))
    assert {n for n in DOORS[name] if not re.search(rf"\b{n}\(", shown)} == set()
