"""What is computed together: the equations of a scan, and those around it that its steps can compute as well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass

from codegen.cached import once
from codegen.ir.graph import Cell, Equation, Graph
from codegen.schedule.scan import Steps, one_loop, steps_of_scan
from codegen.walk import is_sample

Unit = tuple[Equation, ...]


def units(graph: Graph, equations: Sequence[Equation], kernels: Collection[Cell] = ()) -> list[Unit]:
    """The equations in their order, those of one scan together, with others that are computed at its steps.

    Before its own stands what nothing else reads, of which each step needs what is at one place; it never leaves the
    cache. After them stand, where ``kernels`` compute a part of a scan, the sums over samples that its steps add to.
    """
    found = _by_scan(graph, equations)
    if not any(is_scan(graph, unit) for unit in found):
        return found
    around = _Around(graph, [unit[0] for unit in found if unit[0].cell not in graph.scans], _readers(graph))
    joined: dict[int, Unit] = {}
    after: set[Cell] = set()
    for place, unit in reversed(list(enumerate(found))):
        if unit[0].cell in graph.scans:
            joined[place] = around.joined(unit, after, any(equation.cell in kernels for equation in unit))
        after.update(equation.cell for equation in unit)
    taken = around.taken
    return [joined.get(place, unit) for place, unit in enumerate(found) if place in joined or unit[0].cell not in taken]


def is_scan(graph: Graph, unit: Unit) -> bool:
    """Whether some of these equations are those of a scan."""
    return any(equation.cell in graph.scans for equation in unit)


def _by_scan(graph: Graph, equations: Sequence[Equation]) -> list[Unit]:
    found: list[Unit] = []
    for equation in equations:
        if found and graph.scans.get(found[-1][-1].cell) is graph.scans.get(equation.cell, equation):
            found[-1] += (equation,)
        else:
            found.append((equation,))
    return found


@once
def _readers(graph: Graph) -> Mapping[Cell, set[Cell]]:
    found: dict[Cell, set[Cell]] = defaultdict(set)
    for equation in graph.equations:
        for _, cells in graph.read_by(equation):
            for cell in cells:
                found[cell].add(equation.cell)
    return found


@dataclass
class _Around:
    """The equations in no scan that those of scans may take in."""

    graph: Graph
    alone: list[Equation]
    readers: Mapping[Cell, set[Cell]]

    def __post_init__(self) -> None:
        self.taken: set[Cell] = set()

    def joined(self, unit: Unit, after: Set[Cell], adds: bool) -> Unit:
        """A scan with what its steps read alone and, if it ``adds``, the sums over samples that they add to.

        None of them reads anything else of what comes ``after`` the scan.
        """
        own = one_loop(steps_of_scan(self.graph, unit))
        if own is None:
            return unit
        left = [equation for equation in self.alone if equation.cell not in self.taken]
        while True:
            steps, parts, sums = own, list[Equation](), list[Equation]()
            for equation in left if adds else ():
                if (more := steps.with_sum(equation)) is not None:
                    steps = more
                    sums.append(equation)
            for equation in reversed(left):
                if (more := self.with_part(steps, unit, equation)) is not None:
                    steps = more
                    parts.insert(0, equation)
            late = {e.cell for e in (*parts, *sums) if self.read_by(e) & after - steps.equations.keys()}
            if not late:
                self.taken.update(equation.cell for equation in (*parts, *sums))
                return (*parts, *unit, *sums)
            left = [equation for equation in left if equation.cell not in late]

    def with_part(self, steps: Steps, unit: Unit, equation: Equation) -> Steps | None:
        """The steps with an equation that nothing else reads, if it can be one of theirs."""
        cell, readers = equation.cell, self.readers[equation.cell]
        if cell in steps.equations or not readers or not readers <= steps.equations.keys():
            return None
        if equation.name in self.graph.outputs or len(self.graph.definitions[equation.name]) > 1:
            return None
        samples = [{i for i in one.domain if is_sample(i)} for one in (equation, unit[0])]
        # Without another index, what many steps compute at once is better than what each computes for itself.
        return steps.with_part(equation) if samples[0] == samples[1] and len(equation.free) > 1 else None

    def read_by(self, equation: Equation) -> set[Cell]:
        """The vertices that an equation reads."""
        return {cell for _, cells in self.graph.read_by(equation) for cell in cells}
