"""Collecting the equations of a network while its layers and its loss are written down."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sympy import Expr, Symbol

from codegen import Equation, Index, Reduction, Variable, sample_extent
from codegen.walk import extent


class Builder:
    """Equations in the order in which they are declared; ``S`` and ``s`` are the samples.

    A vertex that would have one of the names in ``taken`` has primes behind its own.
    """

    def __init__(self, taken: Collection[str] = ()) -> None:
        self.taken = taken
        self.S: Symbol = sample_extent("S")
        self.s = Index("s", self.S)
        self.equations: list[Equation] = []

    def map(self, name: str, indices: Sequence[Index], body: Expr) -> Variable:
        """The vertex ``name[indices] = body``."""
        return self._define(name, indices, body, None, ())

    def sum(self, name: str, indices: Sequence[Index], body: Expr, over: Sequence[Index]) -> Variable:
        """The vertex ``name[indices] = Σ_over body``."""
        return self._define(name, indices, body, Reduction.SUM, over)

    def max(self, name: str, indices: Sequence[Index], body: Expr, over: Sequence[Index]) -> Variable:
        """The vertex ``name[indices] = max_over body``."""
        return self._define(name, indices, body, Reduction.MAX, over)

    def _define(
        self, name: str, indices: Sequence[Index], body: Expr, reduction: Reduction | None, over: Sequence[Index]
    ) -> Variable:
        while name in self.taken:
            name += "'"
        variable = Variable(name, tuple(extent(i) for i in indices))
        self.equations.append(Equation(variable[tuple(indices)], body, reduction, tuple(over)))
        return variable
