"""Loops over the samples of a tile turned inside out: compilers of other languages make vectors of innermost loops.

The vector code takes a vector of samples through a whole nest of loops. What has to be written as loops over single
samples has these innermost, one for each run of statements that no other loop stands between; what a sample keeps from
one run to the next is a row of the tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sympy import Idx, Indexed, Mul

from codegen.ir.equation import over
from codegen.ir.graph import Equation, Graph
from codegen.schedule.program import Accumulate, Fill, Loop, One, Program, Samples, Set, Statement, nested
from codegen.schedule.storage import allocate
from codegen.walk import extent, fresh_names, indices, subscripts

SHORT = 8
"""A sum of up to so many terms stays inside the loop over the samples, where compilers write it out."""


def samples_inside(program: Program) -> Program:
    """The program with the samples of a tile in its innermost loops; without tiles it stays as it is.

    Sums over the samples stand alone, of one row or of the product of two.
    """
    over = program.samples
    if over is None or over.tile is None:
        return program
    inward = _Inward(program.graph, over.index)
    body = tuple(new for statement in over.body for new in inward.turned(statement))
    statements = tuple(replace(s, body=body) if isinstance(s, Samples) else s for s in program.statements)
    graph = program.graph.with_equations([*program.graph.equations, *inward.summands])
    storage, work, locals_ = allocate(graph, statements)
    return replace(program, graph=graph, statements=statements, storage=storage, work=work, locals=locals_)


@dataclass
class _Inward:
    graph: Graph
    index: Idx
    summands: list[Equation] = field(default_factory=list)
    """Vertices for what is summed over the samples."""

    def __post_init__(self) -> None:
        self.names = fresh_names("summand", self.graph.variables)

    def turned(self, statement: Statement) -> Iterator[Statement]:
        """A statement of the pass over the samples, its loops turned if it is one over them."""
        if isinstance(statement, Loop) and statement.index == self.index and not isinstance(statement.mode, One):
            yield from self.inside(statement.body)
        else:
            yield statement

    def inside(self, statements: Sequence[Statement]) -> Iterator[Statement]:
        """Statements for one sample as statements for all."""
        run: list[Statement] = []
        for statement in statements:
            if isinstance(statement, Loop) and not self.stays(statement):
                yield from self.loop(run)
                yield replace(statement, body=tuple(self.inside(statement.body)))
            elif isinstance(statement, Fill) and statement.over:
                yield from self.loop(run)
                yield nested((*statement.over, self.index), Fill(statement.equation, statement.target, ()))
            elif isinstance(statement, Accumulate) and self.index not in indices(statement.target):
                sums = self.summed(statement, run)
                yield from self.loop(run)
                yield Loop(self.index, (sums,))
            else:
                run.append(statement)
        yield from self.loop(run)

    def loop(self, run: list[Statement]) -> Iterator[Statement]:
        """The loop over the samples of a run, which is empty afterwards."""
        if run:
            yield Loop(self.index, tuple(run))
        run.clear()

    def stays(self, loop: Loop) -> bool:
        """Whether a loop stays inside: a short sum, or one whose place depends on the sample."""
        if isinstance(loop.mode, One):
            return self.index in indices(loop.mode.value)
        n = extent(loop.index)
        return (
            isinstance(n, int)
            and n <= SHORT
            and all(
                isinstance(statement, Accumulate)
                and loop.index not in indices(statement.target)
                and self.index in subscripts(statement.target)
                for statement in loop.body
            )
        )

    def summed(self, statement: Accumulate, run: list[Statement]) -> Accumulate:
        """A sum over the samples of a row, or of a product of two; anything else becomes a row in the run."""
        factors = Mul.make_args(statement.value)
        rows = all(isinstance(factor, Indexed) and self.index in subscripts(factor) for factor in factors)
        if not statement.equation.is_sum or (rows and len(factors) <= 2):
            return statement
        order = (*(i for i in indices(statement.value) if i != self.index), self.index)
        row = over(next(self.names), order)
        equation = Equation(row, statement.value)
        self.summands.append(equation)
        run.append(Set(equation, row, statement.value))
        return Accumulate(statement.equation, statement.target, row)
