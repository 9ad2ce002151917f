"""What objects show of themselves in a notebook, read when a notebook asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.markup import shown_by

PAGE = "symnn.inspect.page"


def shows(function: str) -> Callable[[Any], str]:
    """A method that shows an object as a function of :mod:`symnn.inspect.page` does."""
    return shown_by(function, PAGE)
