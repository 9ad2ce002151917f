"""New names for variables and indices."""

from __future__ import annotations

from collections.abc import Iterable

from codegen.walk import fresh_name


class Names:
    """Names that nothing has: as wanted where that is free, else with primes.

    >>> names = Names(["a"])
    >>> names.new("a"), names.new("a"), names("b"), names("b"), names.new("b")
    ("a'", "a''", 'b', 'b', "b'")
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._given: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def add(self, name: str) -> None:
        """Take a name that something has got elsewhere."""
        self._taken.add(name)

    def new(self, wanted: str) -> str:
        """A name that from now on is taken."""
        found = fresh_name(wanted, self._taken)
        self._taken.add(found)
        return found

    def __call__(self, wanted: str) -> str:
        """The name for this wish: one wish has one answer."""
        if wanted not in self._given:
            self._given[wanted] = self.new(wanted)
        return self._given[wanted]
