"""One self-contained page: sections, their numbers as JSON, one stylesheet and one script, and nothing from elsewhere.

The page forbids itself all requests: its Content-Security-Policy allows the script and the stylesheet that it has, by
their digests, and pictures that the script makes. No style stands in an attribute, and no name becomes markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from math import isfinite
from typing import Any

import numpy as np

from codegen.page.svg import style


@dataclass(frozen=True)
class Section:
    """A part of the page: markup, and what the script needs of it."""

    name: str
    title: str
    lead: str
    body: str
    data: Mapping[str, Any] = field(default_factory=dict)
    script: str = ""


@cache
def asset(name: str) -> str:
    """The text of a file that lies beside this one."""
    return files("symnn.report").joinpath(name).read_text("utf-8")


def document(
    title: str,
    lead: str,
    facts: Mapping[str, str],
    sections: Sequence[Section],
    note: str,
    *,
    styles: Sequence[str] = (),
    asks: bool = False,
    webassembly: bool = False,
) -> str:
    """The page. ``styles``: further stylesheets. ``asks``: it may ask the server that it comes from for code.

    ``webassembly``: it may compile what it has of that.
    """
    style_text = style() + "".join(map(asset, ("page.css", *styles)))
    scripts = [asset("page.js"), *(s.script for s in sections if s.script)]
    more = [*["blob:"] * asks, *["'wasm-unsafe-eval'"] * webassembly]
    policy = "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src", *(f"'{_digest(script)}'" for script in scripts), *more]),
            f"style-src '{_digest(style_text)}'",
            "img-src data:",
            *["connect-src 'self'"] * asks,
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    links = "".join(f'<li><a href="#{s.name}">{escape(s.title)}</a></li>' for s in sections)
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    data = {section.name: section.data for section in sections if section.data}
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{style_text}</style>
</head>
<body class="symnn report">
<a class="skip" href="#main">To the content</a>
<header class="bar"><nav aria-label="Sections">
<a class="brand" href="#main">{escape(title)}</a><ul>{links}</ul>
</nav></header>
<main id="main">
<div class="hero"><h1>{escape(title)}</h1><p class="lead">{lead}</p><dl class="facts">{rows}</dl></div>
{"".join(_section(section) for section in sections)}
</main>
<footer><p>{escape(note)}</p></footer>
<script type="application/json" id="data">{as_json(data)}</script>
{"".join(f"<script>{script}</script>" for script in scripts)}
</body>
</html>
"""


def _section(section: Section) -> str:
    head = f'<h2 id="{section.name}-title">{escape(section.title)}</h2><p class="lead">{section.lead}</p>'
    return f'<section id="{section.name}" aria-labelledby="{section.name}-title">{head}{section.body}</section>\n'


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# --- numbers ------------------------------------------------------------------------------------------------------


def as_json(value: Any) -> str:
    """JSON that cannot end the element it stands in; what is no finite number is null.

    >>> as_json({"</script>": [float("nan"), np.float64(0.5)]})
    '{"\\\\u003c/script>":[null,0.5]}'
    """
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def short(values: np.ndarray, digits: int = 4) -> list[float | None]:
    """An array flat, to a few significant digits: for pictures."""
    return [float(f"{value:.{digits}g}") if isfinite(value) else None for value in np.ravel(values).tolist()]


def button(label: str, what: str, **data: str) -> str:
    """A button that the script knows by what it does."""
    more = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    return f'<button type="button" data-do="{what}"{more}>{escape(label)}</button>'


def choice(name: str, label: str, options: Sequence[tuple[str, str]]) -> str:
    """A labelled choice."""
    inside = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)
    return f'<label class="choice">{escape(label)} <select id="{name}">{inside}</select></label>'


def frame(inside: str, label: str, kind: str = "") -> str:
    """What may be larger than its place: it scrolls by itself, by keys too."""
    return f'<div class="scroll {kind}" tabindex="0" role="group" aria-label="{escape(label)}">{inside}</div>'


LONG = 2_400
"""Pixels of a drawing that would be too small to read as wide as the page."""


def kind(drawn: str) -> str:
    """How a drawing is framed: a long one, as of a recurrence, keeps the size of its letters and scrolls."""
    found = re.search(r'<svg[^>]* width="([0-9.]+)"', drawn)
    return "long" if found is not None and float(found[1]) > LONG else ""


def figure(picture: str, caption: str) -> str:
    """A picture with what it shows."""
    return f"<figure>{frame(picture, caption, kind(picture))}<figcaption>{escape(caption)}</figcaption></figure>"
