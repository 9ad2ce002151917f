"""The variables of a graph as the user wrote them: inputs and outputs, shapes inferred from indices where needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sympy import Add, And, Eq, Expr, Idx, Indexed, IndexedBase, Integer, MatrixSymbol, Symbol, expand
from sympy.core.basic import Basic
from sympy.matrices.matrixbase import MatrixBase

from codegen.cached import cached_property
from codegen.errors import GraphError, of_type
from codegen.ir.equation import Kind, Variable
from codegen.ir.ranges import Known, is_natural, missing, on_axis, simplified
from codegen.read.admission import REDUCTIONS, check_subscripts, require_real
from codegen.read.motions import is_motion, motion_name
from codegen.read.scope import Scope, axis_length, with_extents
from codegen.walk import Extent, as_extent, base_name, indices, is_fixed, is_leaf, is_symbolic, lengths_in

Key: TypeAlias = "str | Indexed"
"""What an entry of the outputs is filed under: a name, or the elements that it assigns."""
GivenKey: TypeAlias = "Key | Symbol | IndexedBase | MatrixSymbol"
"""A key as it may be written: a symbol stands for its name."""


def by_name(outputs: Mapping[GivenKey, object]) -> dict[Key, object]:
    """The outputs with names in the place of symbols. Raises :class:`GraphError` for what is neither, or is twice."""
    if not isinstance(outputs, Mapping):
        raise GraphError(f"outputs is {of_type(outputs)}, expected a mapping of names to expressions")
    found: dict[Key, object] = {}
    for given, value in outputs.items():
        key = str(given.name) if isinstance(given, (Symbol, IndexedBase, MatrixSymbol)) else given
        key = motion_name(given) if is_motion(given) else key
        if not (isinstance(key, str) and key) and not isinstance(key, Indexed):
            raise GraphError(f"the key {key!r} of outputs is not a name")
        if key in found:
            raise GraphError(f"the output {key!r} is given twice, by its name and by a symbol")
        found[key] = value
    return found


def input_variable(given: object, bodies: Mapping[Key, object]) -> Variable:
    """The variable of one input; an ``IndexedBase`` without a shape gets the one that the expressions read it with."""
    if isinstance(given, Variable):
        return given
    if isinstance(given, (Symbol, IndexedBase, Indexed)) or is_motion(given):
        require_real("the input", given)
    if is_motion(given):
        return Variable(motion_name(given))
    if isinstance(given, Symbol):
        return Variable(str(given.name), (), "integer" if given.is_integer else "real")
    if isinstance(given, MatrixSymbol):
        return Variable(str(given.name), tuple(axis_length(n) for n in given.shape))
    if isinstance(given, Indexed) and all(isinstance(i, Idx) for i in given.indices):
        shape = tuple(key_extent(f"the input {given}", i) for i in given.indices)
        return Variable(base_name(given), shape, _kind(given.base))
    if isinstance(given, IndexedBase):
        label = str(given.label)
        shape = tuple(map(axis_length, given.shape)) if given.shape else observed_shape(label, bodies)
        return Variable(label, shape, _kind(given))
    expected = "expected a sympy.Symbol, an IndexedBase or its element at indices, a MatrixSymbol, or q(t)"
    raise GraphError(f"the input {given!r} is {of_type(given)}, {expected}")


def _kind(base: IndexedBase) -> Kind:
    return "integer" if base.is_integer else "real"


def output_variables(outputs: Mapping[Key, object]) -> dict[str, Variable]:
    """The arrays that entries with indexed keys assign, by name."""
    found: dict[str, list[tuple[Extent | None, ...]]] = {}
    for key in outputs:
        if isinstance(key, Indexed):
            place = f"the output {str(key)!r}"
            sizes = tuple(None if is_from_end(i) else _last(place, i) + 1 for i in key.indices)
            declared = tuple(map(axis_length, key.base.shape)) if key.base.shape else None
            found.setdefault(base_name(key), []).append(declared or sizes)
    return {name: Variable(name, tuple(_largest(name, axis) for axis in zip(*sizes))) for name, sizes in found.items()}


def _last(place: str, subscript: Expr) -> Expr:
    """The greatest value of a key's subscript: of an integer, an index, or an index plus an integer."""
    if isinstance(subscript, Integer):
        return subscript
    index, shift = _shifted(place, subscript)
    return key_extent(place, index) - 1 + shift


def _shifted(place: str, subscript: Expr) -> tuple[Expr, int]:
    """The index of a key's subscript t + 1, and what is added."""
    found = [leaf for leaf in subscript.args if isinstance(leaf, Idx)] if isinstance(subscript, Add) else []
    rest = subscript - found[0] if len(found) == 1 else None
    return (found[0], int(rest)) if isinstance(rest, Integer) and rest >= 0 else (subscript, 0)


def key_extent(place: str, index: Expr) -> Extent:
    """The number of values of an index that declares an axis, which has to count from 0."""
    if not isinstance(index, Idx):
        raise GraphError(f"{place}: the subscript {index} is neither an index nor an integer from 0")
    if index.upper is None:
        raise GraphError(f"{place}: the index {index} has no range, expected Idx('{index}', n)")
    if index.lower != 0:
        raise GraphError(f"{place}: the index {index} runs from {index.lower}, expected one from 0")
    n = with_extents(index.upper + 1)
    return n if lengths_in(n) and not isinstance(n, Symbol) else axis_length(index.upper + 1)


def _largest(name: str, axis: Sequence[Extent | None]) -> Extent:
    sizes = list(dict.fromkeys(as_extent(n) for n in axis if n is not None))
    if not sizes:
        raise GraphError(f"an axis of {name} is assigned from its end alone, expected an entry with an index as well")
    sizes = [n for n in sizes if is_symbolic(n)] or sizes
    if len(sizes) == 1:
        return sizes[0]
    if is_fixed(sizes):
        return max(sizes)
    raise GraphError(f"the axes of {name} have different lengths: {', '.join(map(str, sizes))}")


# --- shapes that the expressions show -----------------------------------------------------------------------------


def observed_shape(label: str, bodies: Mapping[Key, object]) -> tuple[Extent, ...]:
    """The shape that an array is read with: on each axis some subscript has to be a plain index."""
    uses = [sizes for key, body in bodies.items() for sizes in _uses(label, key, body)]
    if not uses:
        raise GraphError(
            f"the input {label} has no shape and is not read: give it one, IndexedBase({label!r}, shape=…)"
        )
    if len({len(sizes) for sizes in uses}) > 1:
        raise GraphError(f"the input {label} is read with different numbers of subscripts")
    shape = []
    for number, axis in enumerate(zip(*uses)):
        sizes = list(dict.fromkeys(n for n in axis if n is not None))
        if len(sizes) != 1:
            found = f"lengths {', '.join(sorted(map(str, sizes)))}" if sizes else "no plain index"
            raise GraphError(
                f"the input {label} is read with {found} on axis {number}: give it a shape, "
                f"IndexedBase({label!r}, shape=…)"
            )
        shape.append(sizes[0])
    return tuple(shape)


def _uses(label: str, key: Key, body: object) -> Iterator[tuple[Extent | None, ...]]:
    """The lengths that each reference to an array shows, None on an axis where it shows none."""
    scope = key_scope(key) or Scope(str(key))
    parts = list(body.flat()) if isinstance(body, MatrixBase) else [body]
    stack: list[tuple[Basic, Scope]] = [(part, scope) for part in parts if isinstance(part, Basic)]
    seen: set[tuple[int, int]] = set()
    scopes = [scope]  # kept alive: they are told apart by identity
    while stack:
        node, scope = stack.pop()
        if (id(node), id(scope)) in seen:
            continue
        seen.add((id(node), id(scope)))
        if isinstance(node, Indexed):
            check_subscripts(scope.place, node)
        if isinstance(node, Indexed) and base_name(node) == label:
            values = [scope.value(i) for i in node.indices]
            shown = [isinstance(v, Idx) and v not in scope.partial for v in values]
            yield tuple(axis_length(v.upper + 1) if plain else None for v, plain in zip(values, shown))
        elif isinstance(node, REDUCTIONS):
            scopes.append(scope.bind(node.limits)[0])
            stack.append((node.function, scopes[-1]))
        elif not is_leaf(node):
            stack.extend((argument, scope) for argument in node.args)


@dataclass(frozen=True)
class Entries:
    """The entries of one array: which assign one place of an axis by itself, and which may be branches of others."""

    variable: Variable
    keys: tuple[Indexed, ...]

    @cached_property
    def _numbers(self) -> Mapping[Indexed, int]:
        return {key: number for number, key in enumerate(self.keys)}

    def precedence(self, key: Indexed) -> tuple[int, int]:
        """The lesser counts where two have an element in common: the more special, of equally special the earlier."""
        return -sum(map(is_place, key.indices)), self._numbers[key]

    @cached_property
    def single(self) -> Mapping[int, Sequence[Indexed]]:
        """By axis the keys with an integer there."""
        found: dict[int, list[Indexed]] = {}
        for key in self.keys:
            for axis, subscript in enumerate(key.indices):
                if isinstance(subscript, Integer):
                    found.setdefault(axis, []).append(key)
        return found

    @cached_property
    def partial(self) -> Sequence[Indexed]:
        """The keys with a place that an axis may lack, or that is counted from its end, by precedence."""
        found = [key for key in self.keys if any(map(_may_be_absent, key.indices, self.variable.shape))]
        return sorted(found, key=self.precedence)


def _may_be_absent(subscript: Expr, n: Extent) -> bool:
    return is_from_end(subscript) or (isinstance(subscript, Integer) and is_symbolic(n))


def entries_of(arrays: Mapping[str, Variable], keys: Iterable[Key]) -> dict[str, Entries]:
    """The entries of each array, by its name."""
    found: dict[str, list[Indexed]] = {name: [] for name in arrays}
    for key in keys:
        if isinstance(key, Indexed):
            found[base_name(key)].append(key)
    return {name: Entries(arrays[name], tuple(own)) for name, own in found.items()}


def key_scope(key: Key, entries: Entries | None = None) -> Scope | None:
    """The scope of an entry: the indices of its key, without the elements that others assign by themselves.

    An index then counts from the first element that is left, and stands for a sum. None if none is left.
    """
    scope = Scope(f"the output {str(key)!r}")
    if isinstance(key, Indexed):
        for axis, subscript in enumerate(key.indices):
            if not is_place(subscript):
                index, shift = _shifted(scope.place, subscript)
                n = key_extent(scope.place, index)
                singles = set[int]() if entries is None else _singles(key, axis, entries)
                first, last = _left(range(shift, shift + n) if isinstance(n, int) else None, shift, singles)
                while not isinstance(n, int) and first > 1 and first - 1 in singles:
                    first -= 1  # an axis of symbolic length may lack it: a branch of the general entry
                count = as_extent(n - (first - shift) - last)
                if count == 0:
                    return None
                scope = scope.at(index, Idx(index.name, count) + (first - shift))
    return scope


def _singles(key: Indexed, axis: int, entries: Entries) -> set[int]:
    """The elements along an axis that other keys, more special ones or earlier, assign by themselves."""
    found: set[int] = set()
    for other in entries.single.get(axis, ()):
        if other.rank == key.rank and entries.precedence(other) < entries.precedence(key):
            covers = all(
                not isinstance(theirs, Integer) or theirs == own
                for place, (theirs, own) in enumerate(zip(other.indices, key.indices))
                if place != axis
            )
            if covers:
                found.add(int(other.indices[axis]))
    return found


def is_from_end(subscript: Expr) -> bool:
    """Whether a key's subscript is a length less an integer, as the last place of an axis is.

    >>> n = Symbol("n")
    >>> is_from_end(n - 1), is_from_end(n), is_from_end(Integer(3)), is_from_end(Idx("i", n) + 1)
    (True, False, False, False)
    """
    number, length = subscript.as_coeff_Add()
    return (
        isinstance(length, Symbol) and not isinstance(length, Idx) and isinstance(number, Integer) and int(number) < 0
    )


def is_place(subscript: Expr) -> bool:
    """Whether a key's subscript is one place of an axis."""
    return isinstance(subscript, Integer) or is_from_end(subscript)


# --- entries that are branches of others ---------------------------------------------------------------------------


def is_branch(key: Indexed, variable: Variable) -> bool:
    """Whether an entry assigns a place that an axis of symbolic length may lack, or that is counted from its end.

    Raises :class:`GraphError` where that is the end of another axis.
    """
    for subscript, n in zip(key.indices, variable.shape):
        if is_from_end(subscript) and not {*lengths_in(with_extents(subscript))} <= {*lengths_in(n)}:
            found = f"the output {str(key)!r}: the subscript {subscript} is neither an index nor an integer from 0"
            raise GraphError(f"{found}, nor one less than the length {n} of the axis")
    return any(
        is_from_end(i) or (isinstance(i, Integer) and not isinstance(n, int) and not is_natural(n - 1 - i))
        for i, n in zip(key.indices, variable.shape)
    )


def branches(key: Indexed, scope: Scope, entries: Entries) -> list[tuple[Indexed, Scope]]:
    """The entries that are branches of this one, each with its indices and the condition under which it counts."""
    mine = entries.precedence(key)
    prior = (other for other in entries.partial if other.rank == key.rank and entries.precedence(other) < mine)
    found = ((other, _branch(key, scope, other)) for other in prior if is_branch(other, entries.variable))
    return [(other, branch) for other, branch in found if branch is not None]


def _branch(key: Indexed, scope: Scope, other: Indexed) -> Scope | None:
    """The scope of one entry within another; None if they have no element in common."""
    inner = Scope(f"the output {str(other)!r}", guard=scope.guard)
    for own, theirs in zip(key.indices, other.indices):
        value = with_extents(scope.value(own))
        if is_place(theirs):
            (index,) = indices(value) or (None,)
            away = expand(with_extents(theirs) - value)
            condition = Eq(away, 0) if index is None else Eq(index, expand(away + index))
            if condition == False or simplified([condition]) == False:  # noqa: E712 - a SymPy boolean
                return None
            inner = inner.guarded(condition)
        else:
            index, shift = _shifted(inner.place, theirs)
            n = key_extent(inner.place, index)
            known = Known.of(scope.guard)
            asked = missing(on_axis(expand(value - shift), n) or (), known)
            if asked is None:
                return None
            inner = inner.at(index, expand(value - shift)).guarded(And(*asked))
    return inner


def _left(elements: range | None, start: int, singles: set[int]) -> tuple[int, int]:
    """The first element that is left, and how many are not at the end."""
    first, last = start, 0
    while first in singles:
        first += 1
    while elements and elements[-1] - last in singles and elements[-1] - last > first:
        last += 1
    return first, last
