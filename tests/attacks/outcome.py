"""What an attack has come to, and the children it is tried in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


@dataclass(frozen=True)
class Ended:
    """The exit status of a program, None of one that hangs, and what it has written."""

    status: int | None
    printed: str
    errors: str

    def __str__(self) -> str:
        return f"ended with status {self.status}: {self.errors[-300:]}" if self.status is not None else "hangs"


def child(program: str, *arguments: object, seconds: float = SECONDS, **variables: str) -> str:
    """Run a program in a new interpreter; what went wrong, or nothing: it survives with exit status 0 in silence."""
    ended = run(program, *arguments, seconds=seconds, **variables)
    return "" if ended.status == 0 and not ended.errors else str(ended)


def answer(program: str, *arguments: object, seconds: float = SECONDS, **variables: str) -> Any:
    """What a program prints as JSON in its last line.

    Raises :class:`RuntimeError` with what it has said, if it ends otherwise.
    """
    ended = run(program, *arguments, seconds=seconds, **variables)
    if ended.status != 0:
        raise RuntimeError(str(ended))
    return json.loads(ended.printed.splitlines()[-1])


def environment(**more: str) -> dict[str, str]:
    """That of an interpreter which finds what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


def run(program: str, *arguments: object, seconds: float = SECONDS, **variables: str) -> Ended:
    """Run a program in a new interpreter, for so many seconds at the most."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    try:
        found = subprocess.run(command, env=environment(**variables), capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Ended(None, "", "")
    return Ended(found.returncode, found.stdout, found.stderr)
