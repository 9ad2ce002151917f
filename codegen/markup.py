"""Pieces of HTML for notebooks: every text is escaped, and nothing is loaded from anywhere.

>>> folded("source", "a < b")
'<details><summary>source</summary><pre>a &lt; b</pre></details>'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from importlib import import_module
from typing import Any

LONGEST = 200_000
"""Characters of one text; what is longer is cut, for a page that has more stands still."""


def preformatted(text: str) -> str:
    """A text as it stands."""
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… ({len(text):,} characters in all)"
    return f"<pre>{escape(cut)}</pre>"


def folded(summary: str, text: str) -> str:
    """A text that is shown when one asks for it."""
    return f"<details><summary>{escape(summary)}</summary>{preformatted(text)}</details>"


def shown_by(function: str, module: str = "codegen.page.shown") -> Callable[[Any], str]:
    """A method that shows an object as a function of a module does, which is read when a notebook asks for it."""

    def show(self: Any) -> str:
        return str(getattr(import_module(module), function)(self))

    return show


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with a head.

    >>> table(["class", "rows"], [["a&b", 3]])
    '<table><tr><th>class</th><th>rows</th></tr><tr><td>a&amp;b</td><td>3</td></tr></table>'
    """
    lines = [("th", head), *(("td", row) for row in rows)]
    return "<table>" + "".join(_row(kind, cells) for kind, cells in lines) + "</table>"


def _row(kind: str, cells: Sequence[object]) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(str(cell))}</{kind}>" for cell in cells) + "</tr>"
