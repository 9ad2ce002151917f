"""The site that ``make docs`` builds of these pages and the docstrings; nothing is fetched to build or to read it."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import symnn  # noqa: E402
from tests.pages import chapters, write_notebooks  # noqa: E402

project, author, version = "symnn", "the authors of symnn", symnn.__version__
release, html_title = version, f"symnn {version}"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_math_renderer = "mathml"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = html_show_copyright = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_mock_imports = [
    library for library in ("jax", "torch", "distributed", "sklearn", "onnx", "h5py") if find_spec(library) is None
]
add_module_names = False
BAR_OR_STAR = re.compile(r"\||\*(?! )|(?<=\S )\*")
"""But the star of a list."""
LITERAL = re.compile(r"(``.*?``|:\w+:`.*?`)")


def inline_mathml(writer: Any, node: nodes.math) -> None:
    """A formula within a line, as what browsers show by themselves."""
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def displayed_mathml(writer: Any, node: nodes.math_block) -> None:
    """A formula of its own."""
    writer.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def without_substitutions(_app: Any, _what: str, _name: str, _object: object, _options: Any, lines: list[str]) -> None:
    """Docstrings have bars, as in |x|, and no substitutions."""
    example = False
    for number, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if not example:
            parts = LITERAL.split(line)
            lines[number] = "".join(
                part if odd % 2 else BAR_OR_STAR.sub(r"\\\g<0>", part) for odd, part in enumerate(parts)
            )


def with_overview(_app: Any, _page: str, text: list[str]) -> None:
    """The README is a page of the site too."""
    text[0] = re.sub(r"\((?:\.\./)+README\.md", "(/overview.md", text[0])


def with_notebook(_app: Any, page: str, text: list[str]) -> None:
    """Below a chapter, the way to its notebook."""
    if page in {f"course/{chapter.stem}" for chapter in chapters()}:
        name = Path(page).name
        text[0] += f'\n\n<p><a href="../notebooks/{name}.ipynb" download>This chapter as a notebook</a></p>\n'


def notebooks(app: Any, _: Exception | None) -> None:
    """The chapters as notebooks, beside the pages."""
    write_notebooks(chapters(), Path(app.outdir) / "notebooks")


NAMED = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="On this page">',
    "<pre>": '<pre tabindex="0">',
}
"""What readers of the screen and keys are told besides by the theme's elements: axe-core asks for it."""


def named(app: Any, _: Exception | None) -> None:
    """The pages with what they lack for those who do not see or point."""
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for plain, better in NAMED.items():
            text = text.replace(plain, better)
        page.write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    """Formulas as MathML, docstrings, notebooks, names."""
    app.add_html_math_renderer("mathml", (inline_mathml, None), (displayed_mathml, None))
    app.connect("autodoc-process-docstring", without_substitutions)
    app.connect("source-read", with_overview)
    app.connect("source-read", with_notebook)
    app.connect("build-finished", notebooks)
    app.connect("build-finished", named)
