"""What is printed reaches its reader, in ASCII notation where the encoding lacks a symbol, quietly once it is gone.

>>> for text in ("∂loss/∂W1[h,d] = Σ_s δ1[s,h]·x[s,d]", "x⁻²·θ₁₂ ≤ ½·√(a′)"):
...     print(text.encode("ascii", ASCII_NOTATION).decode())
dloss/dW1[h,d] = sum_s delta1[s,h]*x[s,d]
x^-2*theta_12 <= 1/2*sqrt(a')
>>> print("2·x² − Größe".encode("latin-1", ASCII_NOTATION).decode("latin-1"))  # what it can show stays
2·x² - Größe
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import TextIO

ASCII_NOTATION = "symnn.ascii_notation"
"""The error handler, for ``str.encode`` and streams, that writes symbols as a terminal without them can show them."""

SYMBOLS: Mapping[str, str] = {
    "−": "-", "–": "-", "·": "*", "×": "x", "±": "+-", "∓": "-+", "½": "1/2", "√": "sqrt", "∞": "inf",
    "Σ": "sum", "Π": "prod", "∏": "prod", "∂": "d", "∇": "grad", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~=",
    "→": "->", "←": "<-", "↦": "->", "′": "'", "″": "''", "…": "...", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")",
    "⟨": "<", "⟩": ">", "“": '"', "”": '"', "µ": "u",
}  # fmt: skip


@contextmanager
def printing() -> Iterator[None]:
    """Print in ASCII notation where it has to be, and stop without a word when nobody reads any more (``| head``)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ASCII_NOTATION)
    try:
        yield
        if sys.stdout is not None:  # Python's own, where the command was started with it closed
            sys.stdout.flush()
    except BrokenPipeError:
        _let_go(sys.stdout)


def say(text: object, stream: TextIO | None = None) -> None:
    """Print a line at once, on standard output unless given; where nobody reads any more, go on without.

    So a command still saves what it has worked out, and ends with its own exit status.
    """
    stream = sys.stdout if stream is None else stream
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _let_go(stream)


def _let_go(stream: TextIO) -> None:
    """Throw away what is left, which Python flushes once more when it ends, and what will be printed."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _written(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_run(kind, "".join(characters)) for kind, characters in groupby(found, _kind)), error.end


def _kind(character: str) -> str:
    """``<super>`` or ``<sub>``, or nothing."""
    kind = unicodedata.decomposition(character).partition(" ")[0]
    return kind if kind in ("<super>", "<sub>") else ""


def _run(kind: str, characters: str) -> str:
    if not kind:
        return "".join(map(_character, characters))
    mark = "^" if kind == "<super>" else "_"
    return mark + "".join(_character(unicodedata.normalize("NFKC", c)) for c in characters)


def _character(character: str) -> str:
    if character.isascii():
        return character
    if character in SYMBOLS:
        return SYMBOLS[character]
    match unicodedata.name(character, "").split():
        case ["GREEK", "SMALL", "LETTER", name]:
            return name.lower()
        case ["GREEK", "CAPITAL", "LETTER", name]:
            return name.capitalize()
    # Names are told apart whatever their letters are.
    return character.encode("ascii", "backslashreplace").decode()


codecs.register_error(ASCII_NOTATION, _written)
