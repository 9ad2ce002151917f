"""What the vertices of a derivative are called."""

from __future__ import annotations

from codegen.ir.graph import Graph
from codegen.walk import fresh_name


class Names:
    """New names for a graph: as wanted where that is free, else with primes; one wish has one answer."""

    def __init__(self, graph: Graph) -> None:
        self._taken = set(graph.variables)
        self._given: dict[str, str] = {}

    def __call__(self, wanted: str) -> str:
        """The name to use for this one."""
        if wanted not in self._given:
            self._given[wanted] = fresh_name(wanted, self._taken)
            self._taken.add(self._given[wanted])
        return self._given[wanted]

    def total(self, of: str, wrt: str) -> str:
        """The name of the total derivative d of/d wrt."""
        return self(f"d{of}/d{wrt}")
