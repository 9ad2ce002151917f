"""The public names: what ``import symnn`` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import symnn


@pytest.mark.parametrize("name", symnn.__all__)
def test_a_public_name_is_what_its_module_defines(name: str) -> None:
    found = getattr(symnn, name)
    assert found.__name__ == name
    assert found.__module__ == f"symnn.{symnn._HOMES[name]}"


def test_every_public_name_has_a_home_and_is_listed() -> None:
    assert sorted(symnn._HOMES) == sorted(symnn.__all__)
    assert set(symnn.__all__) <= set(dir(symnn))


CALLED = [
    "Layer",
    "Network",
    "Physics",
    "Residual",
    *(name for name in symnn.__all__ if name.islower() and name != "inputs"),
]
"""``inputs`` takes any name."""


@pytest.mark.parametrize("name", CALLED)
def test_an_argument_that_is_unknown_is_told_in_one_sentence(name: str) -> None:
    with pytest.raises(symnn.SymnnError, match=rf"^{name}: [^\n]*(unknown|missing)[^\n]*$"):
        getattr(symnn, name)(nonsense=1)


MODULES = ["checkpoint", "inspect", "optimisers"]
OTHERS = ["tarin", "_HOME", "laod"]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_found_without_being_imported(name: str) -> None:
    assert getattr(symnn, name).__name__ == f"symnn.{name}"


@pytest.mark.parametrize("name", OTHERS)
def test_another_name_is_not_found(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'symnn' has no attribute '{name}'"):
        getattr(symnn, name)


def test_nothing_is_read_before_it_is_used() -> None:
    program = "import sys, symnn; print(sorted({'sympy', 'numba', 'numpy', 'pydantic'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


HEAVY = ("IPython", "jax", "matplotlib", "numba", "pandas", "pyarrow", "rich", "scipy", "sklearn", "torch", "typer")


@pytest.mark.slow
def test_public_names_read_nothing_that_only_some_calls_need() -> None:
    """What that takes is timed by ``python -m tests.benchmarks.imports``."""
    program = "import sys, symnn; [getattr(symnn, name) for name in symnn.__all__]; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert "symnn.training" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)
