"""Whether a graph is well formed, and an order in which its equations can be evaluated.

Every error names the equation, what was found and what was expected.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, TypeAlias

from sympy import Expr, Idx, Integer, Rational, expand

from codegen.cached import once
from codegen.errors import GraphError
from codegen.functions.eliminations import Elimination
from codegen.functions.random_numbers import RandomNumber
from codegen.ir.affine import affine, data_of
from codegen.ir.cells import Pattern, meet, overlap, show, size
from codegen.ir.equation import Access, Equation, Variable
from codegen.ir.ranges import Ends, is_not_plain, least, missing, occurrences, on_axis, part_read, under
from codegen.walk import (
    Extent,
    base_name,
    data_in,
    extent,
    is_fixed,
    is_plain_on,
    is_reference,
    is_symbolic,
    lengths_in,
    postorder,
    shape,
    subscripts,
)

QUOTED_NODES, QUOTED_CHARACTERS = 60, 120
"""A body with more nodes is not printed in a message, since ``str`` walks a shared node once a use; a text is cut."""
LONG_NUMBER = 10**QUOTED_CHARACTERS
"""Python refuses to write integers of thousands of digits."""
ALONE = "what eliminates a matrix is the whole body of an equation, made by Equation.eliminating(target, body)"
LISTED = 20
"""As many known names as a message lists."""


class Declared(NamedTuple):
    """What every reference to a variable has to agree with."""

    symbol: Expr
    shape: tuple[Extent, ...]


Assigned: TypeAlias = Mapping[str, Mapping[Pattern, Equation]]
"""The equations that assign a variable's elements, by its name."""


def validate(inputs: Sequence[Variable], equations: Sequence[Equation], outputs: Sequence[str]) -> None:
    """Raise :class:`GraphError` for the first thing that is not as the class :class:`~codegen.Graph` promises."""
    declared = _declared_inputs(inputs)
    assigned = _assigned(equations, declared)
    for name, patterns in assigned.items():
        _check_disjoint(name, patterns)
        first = next(iter(patterns.values())).accesses[0]
        declared[name] = Declared(first.symbol, first.shape)
    extents = {symbol for variable in inputs for n in variable.shape for symbol in lengths_in(n)}
    _check_limits(inputs, extents)
    for equation in equations:
        if (fault := _fault(equation)) is not None:
            raise _error(equation, fault)
        _check_extents(equation, extents)
        for access in equation.accesses:
            _check_reference(equation, access, declared)
        if (fault := _subscript_fault(equation)) is not None:
            raise _error(equation, fault)
        for access in equation.accesses:
            _check_assigned(equation, access, assigned)
        for reference, integer, ends in _lookups(equation):
            _check_data(equation, reference, integer, ends, inputs)
        for reference in _drawn_at(equation):
            _check_whole(equation, reference, inputs)
        if (fault := _row_fault(equation)) is not None:
            raise _error(equation, fault)
    _check_outputs(outputs, declared, assigned)


def known_names(names: Sequence[str]) -> str:
    """The first names, for a message.

    >>> known_names(["a", "b"])
    'a, b'
    """
    return ", ".join(names[:LISTED]) + (", …" if len(names) > LISTED else "")


# --- inputs, targets, outputs -------------------------------------------------------------------------------------


def _declared_inputs(inputs: Sequence[Variable]) -> dict[str, Declared]:
    declared: dict[str, Declared] = {}
    for variable in inputs:
        if variable.name in declared:
            raise GraphError(f"the input {variable.name!r} is declared twice")
        declared[variable.name] = Declared(variable.symbol, variable.shape)
    return declared


def _assigned(equations: Sequence[Equation], inputs: Mapping[str, Declared]) -> dict[str, dict[Pattern, Equation]]:
    assigned: dict[str, dict[Pattern, Equation]] = {}
    for equation in equations:
        name, pattern = equation.cell
        if name in inputs:
            raise _error(equation, f"{name!r} is an input and cannot be assigned")
        if pattern in assigned.setdefault(name, {}):
            raise _error(equation, f"{equation.target} is assigned twice")
        assigned[name][pattern] = equation
    return assigned


def _check_limits(inputs: Sequence[Variable], extents: Collection[Expr]) -> None:
    """Integers are below a number, or the length of some axis."""
    for variable in inputs:
        limit = variable.below
        if limit is not None and is_symbolic(limit) and not {*lengths_in(limit)} & {*extents}:
            raise GraphError(f"the integers {variable.name!r} are below {limit}, which is the length of no axis")


def _check_disjoint(name: str, patterns: Mapping[Pattern, Equation]) -> None:
    # Patterns of one granularity are disjoint when they differ; only mixed ones need the test of every pair.
    if len(patterns) == 1:
        return
    if len({tuple(map(type, pattern)) for pattern in patterns}) > 1 or any(tuple in map(type, p) for p in patterns):
        for one, other in combinations(patterns, 2):
            if overlap(one, other):
                both = f"{name}{show(one)} and {name}{show(other)}"
                raise _error(patterns[other], f"{both} have elements in common, so these are assigned twice")


def _check_outputs(outputs: Sequence[str], declared: Mapping[str, Declared], assigned: Assigned) -> None:
    if not outputs:
        raise GraphError("a graph needs at least one output")
    for name in outputs:
        if name not in declared:
            raise GraphError(f"the output {name!r} is not a variable of the graph (it has: {known_names([*declared])})")
        extents = declared[name].shape
        if name in assigned and not _covered((None,) * len(extents), assigned[name], extents):
            raise GraphError(f"the output {name!r} has elements that no equation assigns")
    if len(set(outputs)) != len(outputs):
        raise GraphError(f"an output is named twice: {', '.join(outputs)}")


def _covered(pattern: Pattern, patterns: Mapping[Pattern, Equation], extents: tuple[Extent, ...]) -> bool:
    """Whether these disjoint patterns together have every element of ``pattern``."""
    if pattern in patterns:
        return True
    found = [size(meet(pattern, other), extents) for other in patterns if overlap(pattern, other)]
    wanted = size(pattern, extents)
    return sum(found) == wanted if is_fixed((wanted, *found)) else bool(expand(sum(found) - wanted) == 0)


# --- one equation -------------------------------------------------------------------------------------------------


@once
def _fault(equation: Equation) -> str | None:
    """What is wrong with the body or the indices of an equation whatever the graph, for a message; None if nothing."""
    if equation.fault is not None:
        return f"it contains {equation.fault}"
    names = [index.name for index in equation.domain]
    if len(set(names)) != len(names):
        return f"an index name occurs twice in the target and the reduction: {', '.join(names)}"
    if equation.eliminates != isinstance(equation.body, Elimination):
        return ALONE
    if equation.is_map == bool(equation.reduced):
        return "a reduction and its reduced indices go together"
    for index in equation.reduced:
        if index not in equation.indices:
            return f"the reduced index {index} does not occur in the body"
    for index in equation.indices:
        if index not in equation.domain:
            return f"the index {index} (range {extent(index)}) is neither in the target nor reduced"
    return None


def _check_extents(equation: Equation, extents: Collection[Expr]) -> None:
    """The symbols in shapes and bodies are numbers that the inputs' shapes give."""
    symbolic = [n for n in equation.accesses[0].shape if not isinstance(n, int)]
    for symbol in (*(symbol for n in symbolic for symbol in lengths_in(n)), *equation.lengths):
        if symbol not in extents:
            raise _error(equation, f"the integer {symbol} is not the extent of any input; add one of shape ({symbol},)")


def _check_reference(equation: Equation, access: Access, declared: Mapping[str, Declared]) -> None:
    reference, (name, _), found, axes = access
    if name not in declared:
        raise _error(equation, f"{reference} refers to {name!r}, which is neither an input nor assigned")
    symbol, extents = declared[name]
    if axes != extents:
        raise _error(equation, f"{reference} has shape {axes}, but {name} is declared with {extents}")
    if found is not symbol and found != symbol:
        raise _error(equation, f"{reference} and the declared {name} are two symbols with different assumptions")


@once
def _subscript_fault(equation: Equation) -> str | None:
    """What is wrong with the subscripts of an equation, whatever the graph, for a message; None if nothing is."""
    for reference, (_, pattern), _, axes in equation.accesses:
        if len(pattern) != len(axes):
            return f"{reference} has {len(pattern)} subscripts, expected {len(axes)}"
    for subscript, n in zip(subscripts(equation.target), equation.accesses[0].shape):
        if (fault := _target_fault(equation.target, subscript, n)) is not None:
            return fault
    if all(map(_is_plainly_there, equation.reads)):
        return None
    for access in equation.reads:
        for subscript, n in zip(subscripts(access.reference), access.shape):
            if on_axis(subscript, n) is None and data_of(subscript) is None:
                return f"the subscript {subscript} of {access.reference} is no sum of multiples of indices and integers"
            if isinstance(subscript, Integer) and isinstance(n, int) and not 0 <= int(subscript) < n:
                return _outside(access.reference, subscript, n)
    for reference, known in occurrences(equation.body):
        for subscript, n in zip(subscripts(reference), shape(reference)):
            if missing(on_axis(subscript, n) or (), known) != ():
                return _outside(reference, subscript, n)
    return None


def _is_plainly_there(access: Access) -> bool:
    """Whether every subscript is an index that runs along its axis, or an integer on it."""
    for subscript, n in zip(subscripts(access.reference), access.shape):
        if not is_plain_on(subscript, n) or not (isinstance(subscript, Idx) or 0 <= int(subscript) < n):
            return False
    return True


def _target_fault(target: Expr, subscript: Expr, axis: Extent) -> str | None:
    if isinstance(subscript, Idx) and extent(subscript) == axis:
        return None
    if isinstance(subscript, Integer) and not is_symbolic(axis):
        return (
            None if 0 <= int(subscript) < axis else f"the subscript {subscript} of {target} is outside 0 … {axis - 1}"
        )
    form, forms = affine(subscript), on_axis(subscript, axis)
    if form is None or forms is None or [factor for _, factor in form.coefficients] not in ([], [1]):
        return f"the subscript {subscript} of {target} is neither an integer nor an index plus an integer"
    if isinstance(subscript, Idx) and missing(forms) != ():
        found = f"in {target} the index {subscript} has range {extent(subscript)}"
        return f"{found}, but that axis of {base_name(target)} has extent {axis}"
    return None if missing(forms) == () and form.constant.is_Integer else _outside(target, subscript, axis)


def _outside(reference: Expr, subscript: Expr, axis: Extent) -> str:
    found = affine(subscript)
    assert found is not None
    least, greatest = found.ends()
    if isinstance(subscript, Integer) and not is_symbolic(axis):
        return f"the subscript {subscript} of {reference} is outside 0 … {axis - 1}"
    values = f"is {least}" if least == greatest else f"has values from {least} to {greatest}"
    hint = "; a condition on indices around it, or padded(…), says where it is read" if found.indices else ""
    return f"the subscript {subscript} of {reference} {values} on an axis of {axis}{hint}"


def _check_assigned(equation: Equation, access: Access, assigned: Assigned) -> None:
    name, pattern = access.cell
    if name not in assigned or _covered(pattern, assigned[name], access.shape):
        return
    # Under a condition a part of an axis may be read alone.
    for reference, known in occurrences(equation.body, lambda reference: reference == access.reference):
        if not _covered(part_read(reference, known), assigned[name], access.shape):
            raise _error(equation, f"{access.reference} has elements that no equation assigns")


@once
def _lookups(equation: Equation) -> tuple[tuple[Expr, Expr, Ends], ...]:
    """What an equation reads at integers that are read: these, and when the subscript is on its axis."""
    if not any(data_in(subscript) for access in equation.reads for subscript in subscripts(access.reference)):
        return ()
    found = []
    for reference, conditions in under(equation.body, is_not_plain):
        for subscript, n in zip(subscripts(reference), shape(reference)):
            read, ends = data_of(subscript), Ends.of(subscript, n, conditions)
            if read is not None and ends is not None:
                found.append((reference, read.integer, ends))
    return tuple(found)


def _check_data(equation: Equation, reference: Expr, integer: Expr, ends: Ends, inputs: Sequence[Variable]) -> None:
    """What is read at integers that are read is there for all integers that these may be."""
    variable = next((variable for variable in inputs if variable.name == base_name(integer)), None)
    if variable is None or variable.kind != "integer":
        raise _error(equation, f"the subscript {integer} of {reference} is no input of integers")
    if not ends.hold(None if variable.below is None else (Integer(0), variable.below - Integer(1))):
        limit = ends.limit()
        wanted = "others than integers from 0" if limit is None else f"integers below {limit}"
        raise _error(equation, f"{reference} needs {wanted} in {integer}, found {variable.name} below {variable.below}")


@once
def _drawn_at(equation: Equation) -> tuple[Expr, ...]:
    """What random numbers are functions of besides indices and lengths."""
    found = (node for node in postorder(equation.body) if isinstance(node, RandomNumber))
    return tuple(dict.fromkeys(leaf for node in found for leaf in node.read if is_reference(leaf)))


@once
def _row_fault(equation: Equation) -> str | None:
    """What is wrong with a random number that is beyond its row: it is one of the next."""
    for node in postorder(equation.body):
        if isinstance(node, RandomNumber) and node.integers[4] != 0:
            *_, place, width = node.integers
            spare = affine(width - 1 - place)
            if spare is not None and (found := least(spare)).is_Integer and found < 0:
                return f"a random number at place {place} of a row of {width} numbers goes {-found} beyond its end"
    return None


def _check_whole(equation: Equation, reference: Expr, inputs: Sequence[Variable]) -> None:
    if not any(v.kind == "integer" for v in inputs if v.name == base_name(reference)):
        raise _error(equation, f"a random number is a function of {reference}, which is no input of integers")


def _error(equation: Equation, message: str) -> GraphError:
    return GraphError(f"equation {quote(equation)}: {message}")


def quote(equation: Equation) -> str:
    """An equation as a message shows it: cut where it is long, and without its body where that is large."""
    nodes = list(postorder(equation.body))
    long = any(isinstance(n, Rational) and max(abs(n.p), n.q) > LONG_NUMBER for n in nodes)
    small = len(nodes) < QUOTED_NODES and not long
    text = str(equation) if small else f"{equation.target} = …"
    return f"`{text if len(text) <= QUOTED_CHARACTERS else text[: QUOTED_CHARACTERS - 1] + '…'}`"
