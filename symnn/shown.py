"""What objects show of themselves in a notebook, read when a notebook asks for it."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar


class Shown:
    """Shows in a notebook what the function ``shows`` of :mod:`symnn.inspect.page` makes of it."""

    shows: ClassVar[str]

    def _repr_html_(self) -> str:
        return str(getattr(import_module("symnn.inspect.page"), self.shows)(self))
