"""The root of an SVG, and the stylesheet that all pictures and pages share."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files


@cache
def style() -> str:
    """The stylesheet."""
    return files("codegen.page").joinpath("style.css").read_text("utf-8")


def svg(width: float, height: float, parts: Iterable[str], *, title: str, standalone: bool = False) -> str:
    """A picture with a title for those who hear it; one that stands alone brings its stylesheet.

    >>> svg(10, 5, [], title="a < b")
    '<svg xmlns="http://www.w3.org/2000/svg" class="symnn" role="img" aria-label="a &lt; b" width="10" height="5" viewBox="0 0 10 5"></svg>'
    """  # noqa: E501
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    own = f"<style>{style()}</style>" if standalone else ""
    label = f'role="img" aria-label="{escape(title)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="symnn" {label} {size}>{own}{"".join(parts)}</svg>'
