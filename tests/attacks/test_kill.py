"""A sample of runs that are killed; a hundred are slow."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked")
@pytest.mark.parametrize("tries", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_goes_on_to_the_same_bits(tries: int) -> None:
    """In an interpreter of its own, which may fork."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.attacks", "kill", "--tries", str(tries)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3000)
    assert (found.returncode, found.stdout.split()) == (0, ["kill", "tried", f"{tries},", "survived", str(tries)])
