"""The equations of a derivative as they are made: accumulators, and the one that keeps every derivative."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from sympy import Add, Expr, Integer

from codegen.derive.guards import Guards
from codegen.derive.local import written_out
from codegen.derive.seeds import Direction
from codegen.functions import equal, nought, select
from codegen.ir.equation import Equation, called
from codegen.ir.graph import Cell, Graph
from codegen.ir.names import Names
from codegen.ir.summation import Summand
from codegen.walk import base_name, rewrite

Terms: TypeAlias = tuple[Expr, ...]
"""A derivative: terms that add up, each a product of brackets, outer factors and a vertex."""
Together: TypeAlias = Callable[[Mapping[Cell, Terms]], Mapping[Cell, Sequence[Summand]]]
"""From the derivatives of some vertices to what adds up to them."""


class Accumulator(ABC):
    """Equations appended to those of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.equations: list[Equation] = list(graph.equations)
        self.names = Names(graph.variables)
        self.guards = Guards(self.equations)
        self._shares: dict[Cell, Expr] = {}

    def append(self, equation: Equation) -> Expr:
        """Add an equation as it is; its target."""
        self.equations.append(equation)
        self.names.add(equation.name)
        return equation.target

    def multiplier(self, equation: Equation, reference: Expr, local: Expr) -> Expr:
        """What an adjoint is multiplied by on the way from an equation to a reference.

        That is the local derivative; of a maximum the share of a tied argument, which is counted once.
        """
        local = self.guards.inside(local)
        if equation.eliminates:  # a vertex of it would have the axes of two matrices
            return local
        if equation.cell not in self._shares:
            self._shares[equation.cell], counting = ties(equation, self.named)
            for one in counting:
                self.append(one)
        share = self._shares[equation.cell]
        if written_out(equation):
            return self.factor(equation, reference, granted(equation, share, local))
        return share * self.factor(equation, reference, local)

    @abstractmethod
    def named(self, wanted: str) -> str:
        """A name for something new."""

    @abstractmethod
    def settle(self, vertex: Expr, contributions: Sequence[Summand], direction: Direction) -> Terms:
        """Add up the contributions to the adjoint of a vertex: the terms that it is."""

    @abstractmethod
    def settle_together(
        self, vertices: Mapping[Cell, Expr], contributions: Together, direction: Direction
    ) -> Mapping[Cell, Terms]:
        """Add up the adjoints of vertices that depend on each other, from what is handed to them in terms of these."""

    @abstractmethod
    def factor(self, equation: Equation, reference: Expr, local: Expr) -> Expr:
        """A local derivative as it is used: as it is, or as a vertex."""


class Totals(Accumulator):
    """Every derivative is a vertex, as the textbook writes it: nothing is looked for that has its value already."""

    def total(self, target: Expr, summands: Sequence[Summand]) -> Expr:
        """Add up a derivative: one equation for a single sum or maps only, else one a sum, and their total."""
        if len(summands) == 1:
            return self.append(Equation.total(target, summands[0]))
        terms: list[Expr] = []
        parts = 0
        for term in summands:
            if term.reduced:
                parts += 1
                part = called(self.named(f"{base_name(target)}#{parts}"), target)
                terms.append(self.append(Equation.total(part, term)))
            else:
                terms.append(term.body)
        return self.append(Equation(target, Add(*terms)))

    def named(self, wanted: str) -> str:
        """The elements of one variable share the names that they wish for."""
        return self.names(wanted)

    def settle(self, vertex: Expr, contributions: Sequence[Summand], direction: Direction) -> Terms:
        return (self.total(called(self.named(direction.label(base_name(vertex))), vertex), contributions),)

    def settle_together(
        self, vertices: Mapping[Cell, Expr], contributions: Together, direction: Direction
    ) -> Mapping[Cell, Terms]:
        targets = {
            cell: called(self.named(direction.label(base_name(vertex))), vertex) for cell, vertex in vertices.items()
        }
        for cell, summands in contributions({cell: (target,) for cell, target in targets.items()}).items():
            self.total(targets[cell], summands)
        return {cell: (target,) for cell, target in targets.items()}

    def factor(self, equation: Equation, reference: Expr, local: Expr) -> Expr:
        return local


def slope(of: str, wrt: str) -> str:
    """The name of the total derivative d of/d wrt."""
    return f"d{of}/d{wrt}"


def ties(equation: Equation, name: Callable[[str], str]) -> tuple[Expr, list[Equation]]:
    """The factor that shares the derivative of a maximum among its tied arguments, and the equation that counts them.

    Of a maximum of arguments that are written out, the local derivatives say which of them it is; their share is a
    vertex, so that all of them take one division.
    """
    if several := written_out(equation):
        share = called(name(f"share({equation.name})"), equation.target)
        return share, [Equation(share, 1 / Add(*[equal(argument, equation.target) for argument in several]))]
    if not equation.selects:
        return Integer(1), []
    count = called(name(f"ties({equation.name})"), equation.target)
    bracket = equal(equation.body, equation.target)
    return bracket / count, [Equation.total(count, Summand(bracket, equation.reduced))]


def granted(equation: Equation, share: Expr, local: Expr) -> Expr:
    """The local derivative of an equation with the share of its tied arguments.

    Of a maximum of arguments that are written out it is chosen: the share, else nothing. That is an instruction less
    than a product, and where the share is used once the argument's own comparison is not made again to count it.
    """
    if not written_out(equation):
        return share * local
    none = nought(equation.target)
    return rewrite(local, lambda node: select(node, share, none) if isinstance(node, equal) else None)
