"""Markdown pages as programs: their blocks of Python run in order, what they print stands below, a page is a notebook.

``python -m tests.pages [PAGE …]`` runs pages, by default the chapters of the course, and writes anew what their blocks
print and the pictures that they make; with ``--notebooks FOLDER`` it writes them as notebooks instead.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
COURSE = ROOT / "docs" / "course"
FENCE = re.compile(r"^```(\w+)(?: ([^\n]+))?\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^):]+\.svg)\)")
FOLD = re.compile(r"^</?details>$\n?|^<summary>(.*)</summary>$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block and where it stands; info: the file that it is, or in one word why it does not run."""

    page: Path
    language: str
    info: str
    text: str
    start: int
    end: int

    @property
    def line(self) -> int:
        """The number of the line of its fence."""
        return self.page.read_text(encoding="utf-8").count("\n", 0, self.start) + 1

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}, line {self.line}"


def chapters() -> list[Path]:
    """The pages of the course in their order."""
    index = (COURSE / "index.md").read_text(encoding="utf-8")
    return [COURSE / name for name in re.findall(r"^\d+\. \[.*\]\((.+\.md)\)", index, re.MULTILINE)]


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The blocks of a page, all or those in a language."""
    text = page.read_text(encoding="utf-8")
    found = (Block(page, f[1], f[2] or "", f[3], f.start(), f.end()) for f in FENCE.finditer(text))
    return [block for block in found if language in (None, block.language)]


def run(page: Path, session: dict[str, Any]) -> Iterator[tuple[Block, str]]:
    """Each block of Python and each command, and what it printed, in the working directory; Python shares a session.

    A block of YAML with the name of a file is written there.
    """
    for block in blocks(page):
        if block.language == "yaml" and block.info:
            Path(block.info).write_text(block.text, encoding="utf-8")
        elif block.language in RUN and not block.info:
            yield block, RUN[block.language](block, session)


def _python(block: Block, session: dict[str, Any]) -> str:
    printed = io.StringIO()
    # Blank lines in front: a traceback names the line of the page.
    code = compile("\n" * block.line + block.text, str(block.page), "exec")
    with redirect_stdout(printed):
        exec(code, session)
    return printed.getvalue()


def _commands(block: Block, _: dict[str, Any]) -> str:
    """Commands of symnn, one a line."""
    printed, environment = "", {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"}
    for line in block.text.splitlines():
        command = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, f"{block}: {done.stderr}"
        printed += done.stdout
    return printed


RUN = {"python": _python, "sh": _commands}


def expected(page: Path) -> dict[int, Block]:
    """The block of text directly below each block that runs, by where that starts: what it prints."""
    text = page.read_text(encoding="utf-8")
    return {
        above.start: below
        for above, below in pairwise(blocks(page))
        if above.language in RUN and below.language == "text" and not text[above.end : below.start].strip()
    }


def update(page: Path) -> None:
    """Run a page, write what it prints into it and its pictures beside it."""
    text, shown = page.read_text(encoding="utf-8"), expected(page)
    with TemporaryDirectory() as folder, chdir(folder):
        Path("examples").symlink_to(ROOT / "examples")
        printed = {shown[block.start]: output for block, output in run(page, {}) if block.start in shown}
        for picture in Path(folder).glob("*.svg"):
            (page.parent / picture.name).write_text(picture.read_text(encoding="utf-8"), encoding="utf-8")
    for below, output in reversed(printed.items()):
        text = text[: below.start] + f"```text\n{output}```\n" + text[below.end :]
    page.write_text(text, encoding="utf-8")


# --- notebooks ----------------------------------------------------------------------------------------------------


def notebook(page: Path) -> dict[str, Any]:
    """The page as a notebook of format 4.5: code with what it prints, pictures within, solutions closed."""
    text, cells, shown = page.read_text(encoding="utf-8"), [], expected(page)
    outputs, end = {below.start for below in shown.values()}, 0
    for block in blocks(page):
        if block.start in outputs:
            cells += _prose(text[end : block.start], page.parent)
            end = block.end
        elif block.language == "python" and not block.info:
            cells += _prose(text[end : block.start], page.parent)
            closed = text.rfind("<details>", 0, block.start) > text.rfind("</details>", 0, block.start)
            cells.append(_code(block, shown.get(block.start), closed))
            end = block.end
    cells += _prose(text[end:], page.parent)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    numbered = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells)]
    return {"cells": numbered, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _prose(text: str, folder: Path) -> list[dict[str, Any]]:
    unfolded = FOLD.sub(lambda fold: f"**{fold[1]}**" if fold[1] else "", text).strip()
    if not unfolded:
        return []
    pictures = {name: (folder / name).read_bytes() for _, name in PICTURE.findall(unfolded)}
    attached = {name: {"image/svg+xml": base64.b64encode(data).decode()} for name, data in pictures.items()}
    source = PICTURE.sub(r"![\1](attachment:\2)", unfolded)
    cell = {"cell_type": "markdown", "metadata": {}, "source": source}
    return [cell | ({"attachments": attached} if attached else {})]


def _code(block: Block, below: Block | None, closed: bool) -> dict[str, Any]:
    outputs = [{"output_type": "stream", "name": "stdout", "text": below.text}] if below else []
    metadata = {"jupyter": {"source_hidden": True}} if closed else {}
    source = block.text.rstrip("\n")
    return {
        "cell_type": "code", "execution_count": None, "metadata": metadata, "source": source, "outputs": outputs
    }  # fmt: skip


def write_notebooks(pages: Sequence[Path], folder: Path) -> None:
    """Each page as a notebook of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages:
        written = json.dumps(notebook(page), ensure_ascii=False, indent=1)
        (folder / f"{page.stem}.ipynb").write_text(written + "\n", encoding="utf-8")


def main() -> None:
    """Run pages, or write them as notebooks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="by default all chapters of the course")
    parser.add_argument("--notebooks", type=Path, metavar="FOLDER", help="write them there instead of running them")
    given = parser.parse_args()
    pages = [page.resolve() for page in given.pages] or chapters()
    if given.notebooks:
        write_notebooks(pages, given.notebooks)
        return
    warnings.simplefilter("error")
    for page in pages:
        update(page)


if __name__ == "__main__":
    main()
