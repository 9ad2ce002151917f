"""What the names inside an expression mean: indices with their ranges, conditions, and where the expression stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import sympy
from sympy import Expr, Idx, Integer, Symbol
from sympy.core.basic import Basic

from codegen.equation import sample_extent
from codegen.errors import GraphError
from codegen.expression import Extent, indices, leaves, substitute

Limits = Sequence[Sequence[Expr]]
"""The limits of a ``Sum`` or ``Product``: (variable, lower, upper), the innermost first."""


@dataclass(frozen=True)
class Scope:
    """The place of an expression, what stands for each bound variable or index, and when its value is asked for.

    A variable that counts from 1 stands for an index that counts from 0, plus 1.
    """

    place: str
    bound: Mapping[Basic, Expr] = field(default_factory=dict)
    guard: Expr = sympy.true

    @property
    def indices(self) -> tuple[Idx, ...]:
        """The indices in force, the outermost first."""
        return tuple(dict.fromkeys(index for value in self.bound.values() for index in indices(value)))

    def guarded(self, guard: Expr) -> Scope:
        """The same names under one more condition."""
        return replace(self, guard=sympy.And(self.guard, guard))

    def at(self, variable: Basic, value: Expr | int) -> Scope:
        """The same with a value for one variable."""
        return replace(self, bound={**self.bound, variable: sympy.sympify(value)})

    def bind(self, limits: Limits) -> tuple[Scope, tuple[Idx, ...]]:
        """The scope inside these limits, and the new indices, the outermost first."""
        scope, new = self, list[Idx]()
        for variable, lower, extent in self.ranges(limits):
            index = self.fresh(str(getattr(variable, "label", variable)), extent, [*scope.indices, *new])
            scope = scope.at(variable, index + lower)
            new.append(index)
        return scope, tuple(new)

    def fresh(self, label: str, extent: Extent, taken: Collection[Idx] = ()) -> Idx:
        """An index whose name no other index in force has."""
        names = {str(index.label) for index in (*self.indices, *taken)}
        name = next(n for n in (label, *(f"{label}_{k}" for k in range(1, len(names) + 2))) if n not in names)
        return Idx(name, extent)

    def ranges(self, limits: Limits) -> list[tuple[Basic, Expr, Extent]]:
        """Variable, lower limit and number of values of each limit, the outermost first.

        Raises :class:`GraphError` for a range whose number of values is neither an integer nor the extent of an array.
        """
        variables = {limit[0] for limit in limits}
        return [(limit[0], *self._range(limit, variables)) for limit in reversed(list(limits))]

    def _range(self, limit: Sequence[Expr], inner: Set[Basic]) -> tuple[Expr, Extent]:
        variable, lower, upper = limit
        shown = f"{self.place} has a sum or product over {variable} from {lower} to {upper}"
        for leaf in (*leaves(lower), *leaves(upper)):
            if leaf in inner or indices(self.value(leaf)):
                raise GraphError(f"{shown}: a range that depends on the index {leaf} is not supported")
        lower, upper = (with_extents(self.value(bound)) for bound in (lower, upper))
        count = sympy.expand(upper - lower + 1)
        if isinstance(count, Integer) and count >= 0:
            return lower, int(count)
        if isinstance(count, Symbol):
            return lower, count
        raise GraphError(f"{shown}, which has {count} values, expected an integer or the symbolic extent of an input")

    def value(self, expression: Expr) -> Expr:
        """An expression in the bound variables, such as a subscript, in terms of the indices."""
        return substitute(sympy.sympify(expression), self.bound)


def with_extents(expression: Expr) -> Expr:
    """A bound or a length with its symbols as extents."""
    symbols = {leaf: as_extent(leaf) for leaf in leaves(expression) if isinstance(leaf, Symbol)}
    return substitute(expression, symbols)


def as_extent(value: Expr | int) -> Extent:
    """The length of an axis: an integer, or a positive integer symbol of the name that the user gave.

    >>> as_extent(Symbol("n"))
    n
    """
    if isinstance(value, Symbol):
        return sample_extent(value.name)
    number = sympy.sympify(value)
    if not isinstance(number, Integer) or number < 1:
        raise GraphError(f"the length {value} of an axis is neither a positive integer nor a symbol")
    return int(number)
