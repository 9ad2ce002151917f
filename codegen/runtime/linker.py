"""Object files of WebAssembly as modules, by LLVM's linker: ``wasm-ld``, or that of the package ziglang."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from codegen.errors import EmitError

STACK = 2**18
"""Bytes; frames have what LLVM keeps of a function's numbers, and never arrays of symbolic length."""
SECONDS = 60


def linker() -> tuple[str, ...] | None:
    """The command that links modules of WebAssembly; None if there is none."""
    if (found := shutil.which("wasm-ld")) is not None:
        return (found,)
    return (sys.executable, "-m", "ziglang", "wasm-ld") if find_spec("ziglang") is not None else None


def linked(code: bytes, name: str, imports: Iterable[str], most: int) -> bytes:
    """The module of an object file: a function, its memory of at most so many bytes, and where that is free.

    Raises :class:`EmitError` where there is no linker, and for what the object calls that is not among the imports.
    """
    command = linker()
    if command is None:
        raise EmitError("there is no linker for WebAssembly, expected wasm-ld or: pip install 'symnn[webassembly]'")
    with tempfile.TemporaryDirectory() as folder:
        given, allowed, made = (Path(folder, file) for file in ("code.o", "allowed", "code.wasm"))
        given.write_bytes(code)
        allowed.write_text("\n".join(imports))
        options = [
            *("--no-entry", "--strip-all", "--stack-first", f"-zstack-size={STACK}", f"--max-memory={most}"),
            *(f"--allow-undefined-file={allowed}", f"--export={name}", "--export=__heap_base", "-o", str(made)),
        ]
        try:
            done = subprocess.run(
                [*command, *options, given], capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmitError(f"{command[0]}: cannot link WebAssembly: {error}") from None
        if missing := re.search(r"undefined symbol: (\w+)", done.stderr):
            raise EmitError(f"{missing[1]}, a function of libm, has no form in WebAssembly; write JavaScript instead")
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise EmitError(f"{' '.join(command)}: cannot link WebAssembly: {said[0]}")
        return made.read_bytes()
