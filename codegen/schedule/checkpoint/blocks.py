"""The statements of a program anew, its scans in blocks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from sympy import Add, Expr, Idx, Mul, expand
from sympy.core.basic import Basic

from codegen.schedule.checkpoint.accesses import Values
from codegen.schedule.checkpoint.again import Part
from codegen.schedule.checkpoint.copies import left, put, taken_out, taken_over
from codegen.schedule.checkpoint.lengths import blocks_of, longest
from codegen.schedule.checkpoint.levels import Loops
from codegen.schedule.checkpoint.places import Places
from codegen.schedule.checkpoint.runs import Run
from codegen.schedule.program import (
    Accumulate,
    Bound,
    Fill,
    Kernel,
    Loop,
    One,
    Routine,
    Samples,
    Scan,
    Set,
    Statement,
    StorageKey,
    Store,
    Use,
    uses,
)
from codegen.walk import fold, rebuild, reindex


class Blocks:
    """Writes the statements of a program anew, from what each run of loops computes again, and where that is."""

    def __init__(self, parts: Mapping[Run, tuple[Part, ...]], places: Places) -> None:
        self.parts, self.places = parts, places
        self.windows, self.runs = places.windows, places.windows.runs
        self.blocked: dict[int, Run] = {}
        """The loops of runs that have windows, and what is done before them, by their identities."""
        for run in parts:
            if len(parts[run]) > 1 or self.windows.of(run):
                self.blocked.update({id(one): run for part in (*run.members, *run.before) for one in _all(part)})

    def of(self, statements: Sequence[Statement], values: Values, start: Expr | None = None) -> tuple[Statement, ...]:
        """Statements with windows for what has one; ``start`` is the first step of the block that they are in."""
        found: list[Statement] = []
        for statement in statements:
            run = self.blocked.get(id(statement)) if start is None else None
            if run is not None:
                if statement is run.members[0].parts[0]:
                    found += (self.anew(one, values, None) for part in run.before for one in _all(part))
                    found += self.in_blocks(run)
            else:
                found.append(self.anew(statement, values, start))
        return tuple(found)

    def anew(self, statement: Statement, values: Values, start: Expr | None) -> Statement:
        """One statement with windows for what has one."""
        if isinstance(statement, Loop):
            if isinstance(statement.mode, One):
                values = {**values, statement.index: reindex(statement.mode.value, values)}
            return replace(statement, body=self.of(statement.body, values, start))
        if isinstance(statement, Samples):
            # What the samples are summed into has no window.
            return replace(statement, body=self.of(statement.body, {}))
        return self.moved(statement, values, start)

    def moved(self, statement: Statement, values: Values, start: Expr | None) -> Statement:
        """An assignment with windows for what has one."""
        there = {reference: self.places.there(reference, values, start) for reference, _ in uses(statement)}
        match statement:
            case Set() | Accumulate():
                value = _in_order(statement.value, there)
                return replace(statement, target=there[statement.target], value=value)
            case Fill() | Store():
                return replace(statement, target=there[statement.target])
            case Kernel(equation=equation):
                equation = replace(equation, target=there[equation.target], body=_in_order(equation.body, there))
                operands = tuple(there[operand] for operand in statement.operands)
                loops = self.of(statement.loops, values, start)
                return replace(statement, equation=equation, operands=operands, loops=loops)
            case Routine(equation=equation, body=body):
                target, body = there[statement.target], _in_order(body, there)
                equation = replace(equation, target=target, body=body)
                return replace(statement, equation=equation, target=target, body=body)
            case _:
                return statement

    def in_blocks(self, run: Run) -> Iterator[Statement]:
        """Loops block by block."""
        steps, n = self.places.steps[run], longest(self.runs, run.members)
        count = blocks_of(n, steps)
        if isinstance(steps, int):
            block = self.places.index("block", count if isinstance(count, int) else n)
            stop = () if isinstance(count, int) else (Bound(n + steps - 1, steps),)
            first: Expr = steps * block
        else:
            block, first, stop = self.places.index("block", count), self.places.index("begin", n), ()
        body: list[Statement] = []
        for part in self.parts[run]:
            windows = self.windows.of(part.run)
            for window in windows:
                body += taken_over(self.places, window, block)
            for window in windows:
                body += put(self.places, window, first, self.runs.order(run))
            body += self.steps_of(part, first)
        own = self.windows.of(run)
        for window in own:
            body += taken_out(self.places, window, first)
        for window in own:
            body += left(self.places, window, block)
        if not isinstance(steps, int):
            body = [Loop(first, tuple(body), One(steps * block))]
        yield Loop(block, tuple(body), Scan(run.step or 1), stop=stop)

    def steps_of(self, part: Part, start: Expr) -> Iterator[Statement]:
        """The steps of a block."""
        for loops in part.run.members:
            begin = start - self.runs.shift[loops]
            first = Bound(expand(begin - part.low))
            last = Bound(expand(begin + self.places.steps[part.run] + part.high))
            parts = loops.parts if part.targets is None else tuple(self.only(loops.parts, part.targets))
            for loop in parts:
                assert isinstance(loop, Loop)
                (bounded,) = self.of([_between(loop, self.runs.index[loops], first, last)], {}, start)
                yield bounded

    def only(self, statements: Sequence[Statement], targets: Collection[StorageKey]) -> Iterator[Statement]:
        """What computes some targets."""
        goes_on = False
        for statement in statements:
            if isinstance(statement, Loop):
                goes_on = goes_on and statement.follows
                if body := tuple(self.only(statement.body, targets)):
                    yield replace(statement, body=body, follows=goes_on)
                    goes_on = True
            else:
                goes_on = False
                written = (reference for reference, use in uses(statement) if use is not Use.READ)
                if any(self.runs.program.key_of(reference) in targets for reference in written):
                    yield statement


def _all(part: Statement | Loops) -> tuple[Statement, ...]:
    """The statements that a part of a level is."""
    return part.parts if isinstance(part, Loops) else (part,)


def _in_order(expression: Expr, replacements: Mapping[Expr, Expr]) -> Expr:
    """Other references in place of some, terms and factors in the order they had: SymPy's may be another for new ones.

    The order in which numbers are multiplied decides about the last bit.
    """

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        if node in replacements:
            return replacements[node]
        if isinstance(node, (Add, Mul)) and any(a is not b for a, b in zip(arguments, node.args)):
            return node.func(*arguments, evaluate=False)
        return rebuild(node, arguments)

    return fold(expression, step)


def _between(loop: Loop, index: Idx, first: Bound, last: Bound) -> Loop:
    """A loop, or the one in it over an index, between bounds."""
    if loop.index == index:
        return replace(loop, start=(*loop.start, first), stop=(*loop.stop, last))
    (inner,) = loop.body
    assert isinstance(inner, Loop)
    return replace(loop, body=(_between(inner, index, first, last),))
