"""What the names inside an expression mean: indices with their ranges, conditions, and where the expression stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy
from sympy import Expr, Idx, Indexed, Integer, Symbol
from sympy.core.basic import Basic
from sympy.core.relational import Relational

from codegen.errors import GraphError
from codegen.ir.equation import sample_extent
from codegen.ir.ranges import is_natural
from codegen.walk import Extent, indices, is_variable, leaves, substitute

Limits = Sequence[Sequence[Expr]]
"""The limits of a ``Sum`` or ``Product``: (variable, lower, upper), the innermost first."""


@dataclass(frozen=True)
class Range:
    """The values ``first``, ``first`` + 1, … of a variable, of which those within ``lower`` and ``upper`` count.

    A limit that all values are within is None. ``enlarged``: there are more values than any index outside asks for,
    since an axis of a symbolic length has all or none of its elements.
    """

    variable: Basic
    first: Expr
    count: Extent
    lower: Expr | None = None
    upper: Expr | None = None
    enlarged: bool = False

    def condition(self, value: Expr) -> Expr:
        """Whether a value counts."""
        above = sympy.true if self.lower is None else value >= self.lower
        return sympy.And(above, sympy.true if self.upper is None else value <= self.upper)


@dataclass(frozen=True)
class Scope:
    """The place of an expression, what stands for each bound variable or index, and when its value is asked for.

    A variable that counts from 1 stands for an index that counts from 0, plus 1.
    """

    place: str
    bound: Mapping[Basic, Expr] = field(default_factory=dict)
    guard: Expr = sympy.true
    partial: tuple[Idx, ...] = ()
    """Indices that have more values than are asked for: their extent says nothing about what they subscript."""

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
        for limit in reversed(list(limits)):
            found = scope.range(limit)
            index = scope.fresh(str(getattr(found.variable, "label", found.variable)), found.count, new)
            scope = scope.at(found.variable, index + found.first).guarded(found.condition(index + found.first))
            scope = replace(scope, partial=(*scope.partial, index)) if found.enlarged else scope
            new.append(index)
        return scope, tuple(new)

    def fresh(self, label: str, extent: Extent, taken: Collection[Idx] = ()) -> Idx:
        """An index whose name no other index in force has."""
        names = {index.name for index in (*self.indices, *taken)}
        name = next(n for n in (label, *(f"{label}_{k}" for k in range(1, len(names) + 2))) if n not in names)
        return Idx(name, extent)

    def range(self, limit: Sequence[Expr]) -> Range:
        """The values that the variable of a sum or product has, for any values of the indices outside.

        Raises :class:`GraphError` for limits that are not affine, and for a number of values that is neither an
        integer, nor at most the extent of an array, nor a sum of lengths that is never negative.
        """
        variable, lower, upper = limit
        shown = f"{self.place} has a sum or product over {variable} from {lower} to {upper}"
        lower, upper = (with_extents(self.value(bound)) for bound in (lower, upper))
        first, last = ends(lower, self.guard), ends(upper, self.guard)
        if first is None or last is None:
            raise GraphError(f"{shown}, expected limits that are sums of numbers and indices outside it")
        least, greatest = first[0], last[1]
        count = sympy.expand(greatest - least + 1)
        extent = next((leaf for leaf in leaves(count) if isinstance(leaf, Symbol)), count)
        spare = sympy.expand(extent - count)
        if not isinstance(spare, Integer) or spare < 0:
            extent, spare = (count, Integer(0)) if count.is_integer and is_natural(count) else (extent, spare)
        if not (isinstance(spare, Integer) and spare >= 0) or (first[0] == first[1] and count.is_negative):
            raise GraphError(
                f"{shown}, which has {count} values, expected an integer or a sum of lengths, never negative"
            )
        above = upper != greatest or spare > 0
        values = max(int(extent), 0) if isinstance(extent, Integer) else extent
        return Range(variable, least, values, lower if lower != least else None, upper if above else None, spare > 0)

    def value(self, expression: Expr) -> Expr:
        """An expression in the bound variables, such as a subscript, in terms of the indices."""
        return substitute(sympy.sympify(expression), self.bound)


# --- the least and greatest values of a subscript -----------------------------------------------------------------


def ends(expression: Expr, guard: Expr = sympy.true) -> tuple[Expr, Expr] | None:
    """The least and greatest value of a sum of indices and numbers where a condition holds; None for anything else.

    >>> i = Idx("i", sample_extent("n"))
    >>> ends(3 - 2 * i), ends(i + 1, i < i.upper)
    ((5 - 2*n, 3), (1, n - 1))
    """
    least = greatest = rest = sympy.expand(expression)
    for index in indices(expression):
        factor = rest.coeff(index)
        low, high = _index_ends(index, guard)
        first, last = (low, high) if factor.is_nonnegative else (high, low)
        least, greatest = least + factor * (first - index), greatest + factor * (last - index)
        rest = rest - factor * index
        if not isinstance(factor, Integer):
            return None
    plain = not any(isinstance(leaf, Indexed) or is_variable(leaf) for leaf in leaves(rest)) and not indices(rest)
    return (sympy.expand(least), sympy.expand(greatest)) if plain else None


#: How far the least or greatest value of an index is above the value that it is compared with.
LEAST = {sympy.Eq: 0, sympy.Ge: 0, sympy.Gt: 1}
GREATEST = {sympy.Eq: 0, sympy.Le: 0, sympy.Lt: -1}


def _index_ends(index: Idx, guard: Expr) -> tuple[Expr, Expr]:
    """The least and greatest value of an index where a condition holds, as far as its comparisons say so."""
    low, high, excluded = Integer(0), index.upper, list[Expr]()
    for relation in _relations(guard):
        difference = sympy.expand(relation.lhs - relation.rhs)
        factor = difference.coeff(index)
        value = sympy.expand(index - factor * difference)
        if abs(factor) != 1 or indices(value):
            continue
        kind = relation.func if factor == 1 else relation.reversed.func
        low = _larger(low, value + LEAST[kind]) if kind in LEAST else low
        high = -_larger(-high, -value - GREATEST[kind]) if kind in GREATEST else high
        excluded += [value] if kind is sympy.Ne else []
    while low in excluded:
        low = low + 1
    while high in excluded:
        high = high - 1
    return low, high


def _relations(guard: Basic) -> list[Basic]:
    """The comparisons that hold wherever a condition does; where alternatives are denied, none of them holds."""
    found: list[Basic] = []
    stack = [guard]
    while stack:
        condition = stack.pop()
        denied = condition.args[0] if isinstance(condition, sympy.Not) else None
        if isinstance(condition, sympy.And):
            stack.extend(condition.args)
        elif isinstance(denied, sympy.Or):
            stack.extend(map(sympy.Not, denied.args))
        elif isinstance(condition, Relational):
            found.append(condition)
    return found


def _larger(a: Expr, b: Expr) -> Expr:
    """The larger one on long axes, if it is known, else the first."""
    return b if b != a and on_long_axes(b - a) else a


def on_long_axes(difference: Expr) -> bool:
    """Whether a sum of lengths and numbers is not negative where all lengths are large.

    >>> n = sample_extent("n")
    >>> on_long_axes(n - 2), on_long_axes(1 - n), on_long_axes(Integer(-1))
    (True, False, False)
    """
    number, lengths = sympy.expand(difference).as_coeff_Add()
    factors = lengths.as_coefficients_dict().values() if lengths else []
    return all(factor > 0 for factor in factors) and bool(factors or number >= 0)


def with_extents(expression: Expr, others: Collection[Expr] = ()) -> Expr:
    """A bound or a length with its symbols as extents, but for others."""
    symbols = (leaf for leaf in leaves(expression) if isinstance(leaf, Symbol) and leaf not in others)
    return substitute(expression, {symbol: axis_length(symbol) for symbol in symbols})


def axis_length(value: Expr | int) -> Extent:
    """The length of an axis: an integer, or a positive integer symbol of the name that the user gave.

    >>> axis_length(Symbol("n"))
    n
    """
    if isinstance(value, Symbol):
        return sample_extent(value.name)
    number = sympy.sympify(value)
    if not isinstance(number, Integer) or number < 1:
        raise GraphError(f"the length {value} of an axis is neither a positive integer nor a symbol")
    return int(number)
