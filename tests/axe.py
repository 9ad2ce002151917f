"""What axe-core finds wrong in a page, where npm has it: ``npm install --global axe-core``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser import Page, executable

ROOTS = (
    *(Path(folder) for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder),
    Path(__file__).parents[1] / "node_modules",
    Path("/usr/local/lib/node_modules"),
    Path("/usr/lib/node_modules"),
)
FOUND = next((path for root in ROOTS if (path := root / "axe-core" / "axe.min.js").is_file()), None)
needs_axe = pytest.mark.skipif(FOUND is None or executable() is None, reason="there is no axe-core, or no Chromium")

RUN = """
const {violations} = await axe.run(document, {resultTypes: ['violations']});
violations.flatMap(({id, help, nodes}) => nodes.map(({html}) => `${id}: ${help}: ${html.slice(0, 120)}`))
"""


def violations(page: Page) -> list[str]:
    """Each as rule, its words and the element: in light and wide, in dark and narrow."""
    assert FOUND is not None
    page.value(f"{FOUND.read_text(encoding='utf-8')}; 0")
    found = []
    for scheme, width in (("light", 1200), ("dark", 360)):
        page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.size(width, 900)
        page.value("await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        found += [f"{scheme}, {width} px: {fault}" for fault in page.value(RUN)]
    page.size(1200, 900)
    return found
