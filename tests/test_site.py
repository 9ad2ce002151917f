"""The site is built without a warning, has every public name, and asks for nothing from elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import codegen
import symnn
from tests.axe import needs_axe, violations
from tests.browser import browser
from tests.pages import ROOT, chapters

pytestmark = pytest.mark.slow
LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""What a browser fetches by itself; where a link of the text leads is up to the reader."""


class _Fetched(HTMLParser):
    """The addresses of what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if LOADING.get(tag) == name]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "docs", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return out


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        parser = _Fetched()
        parser.feed(page.read_text(encoding="utf-8"))
        assert [address for address in parser.found if re.match(r"(\w+:)?//", address)] == [], page.name
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert re.findall(r"url\([\"']?(?:\w+:)?//|@import", text) == [], style.name


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    for package in (codegen, symnn):
        missing = [name for name in package.__all__ if f'id="{package.__name__}.{name}"' not in text]
        assert missing == [], package.__name__


def test_formulas_are_mathematics_and_chapters_notebooks(site: Path) -> None:
    page = (site / "course" / "paths.html").read_text(encoding="utf-8")
    assert "<mfrac>" in page
    assert "$" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)
    assert 'href="../notebooks/paths.ipynb"' in page
    written = {path.stem for path in (site / "notebooks").iterdir()}
    assert written == {chapter.stem for chapter in chapters()}
    assert json.loads((site / "notebooks" / "paths.ipynb").read_text(encoding="utf-8"))["nbformat"] == 4


@needs_axe
def test_axe_finds_nothing_wrong(site: Path) -> None:
    with browser() as page:
        for name in ("index.html", "course/paths.html", "reference/codegen.html"):
            page.open(site / name)
            assert violations(page) == [], name
