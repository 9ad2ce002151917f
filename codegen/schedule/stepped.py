"""Kernels inside loops: over other indices of their target, and over the steps of a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sympy import Expr, Idx

from codegen.ir.graph import Cell, Equation, Graph
from codegen.schedule.cut import Part, parts
from codegen.schedule.loops import step_of, within
from codegen.schedule.program import Bound, Fill, Kernel, Loop, Scan, Statement, nested
from codegen.schedule.scan import Steps, one_loop, steps_of_scan
from codegen.walk import base_name, indices, references, reindex


def inside_loops(graph: Graph, kernel: Kernel, index: Idx, *around: Idx) -> Statement:
    """A kernel with the loops that say the same, inside the loops over other indices of its target."""
    loops = within(graph, kernel.equation, (*kernel.outer, *around), index)
    loops = tuple(loop for loop in loops if not (kernel.kind.adds and isinstance(loop, Fill)))
    return nested(kernel.outer, replace(kernel, loops=loops))


def scan_steps(graph: Graph, unit: Sequence[Equation], kernels: Mapping[Cell, Kernel], index: Idx) -> Iterator[Loop]:
    """The loop over the steps of a scan, at each of them what is computed by kernels and what by loops in turn."""
    steps = one_loop(steps_of_scan(graph, unit))
    assert steps is not None
    bodies = [(equation.body, False) for equation in steps.equations.values()]
    other = {i for equation in steps.equations.values() for i in equation.domain} - {steps.index} | {index}
    found = parts(steps.index, bodies, other, [form for forms in steps.forms.values() for form in forms])
    begun = False
    for part in found[:: steps.step]:
        alive = [equation for equation in unit if all(map(part.says, steps.forms[equation.cell]))]
        body: list[Statement] = []
        summed = {
            cell: kernels[cell] for e in alive if (cell := e.cell) in kernels and _has_terms(kernels[cell], steps, part)
        }
        for ready, plans in _turns(steps, alive, summed):
            body += step_of(graph, ready, steps, part, index)
            body += [_at_step(graph, plan, steps, part, index) for plan in plans]
        if body:
            yield Loop(steps.index, tuple(body), Scan(steps.step), part.start, part.stop, begun)
            begun = True


def _has_terms(kernel: Kernel, steps: Steps, part: Part) -> bool:
    """Whether the sum of a kernel has terms in a part of the steps: elsewhere it is 0."""
    return all(part.says(form.at(steps.values[kernel.equation.cell])) for form in kernel.when)


def _turns(
    steps: Steps, unit: Sequence[Equation], kernels: Mapping[Cell, Kernel]
) -> Iterator[tuple[list[Equation], list[Kernel]]]:
    """The equations of one step by the number of kernels on the way to them."""
    level: dict[Cell, int] = {}
    left = list(unit)
    while left:
        for equation in left:
            before = set(_needs(steps, equation, unit))
            if before <= level.keys():
                level[equation.cell] = max((level[cell] + (cell in kernels) for cell in before), default=0)
                left.remove(equation)
                break
    for number in sorted(set(level.values())):
        here = [equation for equation in unit if level[equation.cell] == number]
        yield [e for e in here if e.cell not in kernels], [kernels[e.cell] for e in here if e.cell in kernels]


def _needs(steps: Steps, equation: Equation, unit: Sequence[Equation]) -> Iterator[Cell]:
    """What an equation reads of its own step."""
    for reference in references(steps.equations[equation.cell].body):
        if base_name(reference) in steps.axes and not steps.is_other_step(reference):
            for other in unit:
                target = steps.equations[other.cell].target
                if other.name == base_name(reference) and steps.place(target) == steps.place(reference):
                    yield other.cell


def _at_step(graph: Graph, kernel: Kernel, steps: Steps, part: Part, index: Idx) -> Statement:
    """A kernel in terms of the index of the steps."""
    cell = kernel.equation.cell
    values = steps.values[cell]

    def moved(expression: Expr) -> Expr:
        return reindex(expression, values)

    def bounds(found: tuple[Bound, ...]) -> tuple[Bound, ...]:
        return tuple(replace(bound, over=moved(bound.over)) for bound in found)

    equation = steps.equations[cell]
    there = replace(
        kernel,
        equation=replace(equation, body=part.at(equation.body)),
        operands=tuple(map(moved, kernel.operands)),
        sums=tuple(
            replace(loop, index=moved(loop.index), start=bounds(loop.start), stop=bounds(loop.stop))
            for loop in kernel.sums
            if steps.index not in indices(moved(loop.index))
        ),
        outer=tuple(moved(i) for i in kernel.outer if steps.index not in indices(moved(i))),
    )
    return inside_loops(graph, there, index, steps.index)
