"""What an attack has come to, and the children it is tried in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SECONDS = 300.0
"""After which a program counts as hanging."""


@dataclass(frozen=True)
class Outcome:
    """How often an attack was tried, what was seen whenever it was not survived, and what it took at the most."""

    tried: int
    failures: tuple[str, ...]
    remark: str = ""

    def __str__(self) -> str:
        remark = f"; {self.remark}" if self.remark else ""
        return f"tried {self.tried:,}, survived {self.tried - len(self.failures):,}{remark}"


def child(program: str, *arguments: object, seconds: float = SECONDS, **variables: str) -> str:
    """Run a program in a new interpreter; what went wrong, or nothing: it survives with exit status 0 in silence."""
    status, _, errors = _run(program, arguments, seconds, variables)
    return "" if status == 0 and not errors else f"{_ended(status)}: {errors[-300:]}"


def answer(program: str, *arguments: object, seconds: float = SECONDS, **variables: str) -> Any:
    """What a program prints as JSON in its last line.

    Raises :class:`RuntimeError` with what it has said, if it ends otherwise.
    """
    status, printed, errors = _run(program, arguments, seconds, variables)
    if status != 0:
        raise RuntimeError(f"{_ended(status)}: {errors[-300:]}")
    return json.loads(printed.splitlines()[-1])


def environment(**more: str) -> dict[str, str]:
    """That of an interpreter which finds what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


def _run(program: str, arguments: Sequence[object], seconds: float, more: Mapping[str, str]) -> tuple[int, str, str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    try:
        found = subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return _HANGS, "", ""
    return found.returncode, found.stdout, found.stderr


_HANGS = 10_000


def _ended(status: int) -> str:
    return "hangs" if status == _HANGS else f"ended with status {status}"
