"""What one equation contributes: local derivatives of its body, and summands aligned to the vertex they go to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from sympy import Add, Derivative, Expr, Idx, Integer, Mul, Subs, Symbol, expand
from sympy.core.basic import Basic

from codegen.derive.eliminations import elimination_derivatives
from codegen.errors import DerivationError
from codegen.functions import canonical, equal
from codegen.functions.kinks import Extremum
from codegen.functions.special import WRITTEN, as_written, regularised_gamma_slope
from codegen.ir.affine import affine
from codegen.ir.cells import Cell, overlap
from codegen.ir.constants import faulty_constant
from codegen.ir.equation import Equation
from codegen.ir.ranges import asked_of, guard_of, guarded, missing, on_axis
from codegen.ir.summation import Summand, summand
from codegen.ir.validation import quote
from codegen.walk import (
    extent,
    fresh_index,
    indices,
    is_leaf,
    is_reference,
    leaves,
    postorder,
    references,
    reindex,
    replace,
    subscripts,
)

# --- the derivative of one body -----------------------------------------------------------------------------------

Skeleton: TypeAlias = tuple["Basic | tuple[Any, ...]", ...]
"""An expression with its references numbered, so that terms of one form are equal: for every node, arguments first, its
class and the positions of its arguments; a leaf stands for itself, a reference is a placeholder."""


def local_derivatives(equation: Equation, by: Collection[Expr] | None = None) -> dict[Expr, Expr]:
    """∂body/∂reference for the references ``by``, all by default; those with derivative 0 are left out.

    The body is cut at its top-level sum and each term differentiated by SymPy with placeholders for the references, so
    that terms of the same form, as the layers of a network have, are differentiated once.
    """
    if equation.eliminates:
        return elimination_derivatives(equation, by)
    found: dict[Expr, list[Expr]] = {}
    if several := written_out(equation):
        for argument in several:
            if is_reference(argument) and (by is None or argument in by):
                found.setdefault(argument, []).append(equal(argument, equation.target))
        return {argument: Add(*brackets) for argument, brackets in found.items()}
    if not _moves(equation.body):
        return {}
    for term in Add.make_args(equation.body):
        for reference, derivative in _of_term(term, by):
            if derivative is None:
                written = equation.with_body(as_written(equation.body))
                raise DerivationError(f"equation {quote(written)}: {_without_derivative(term, reference)}")
            if isinstance(derivative, str):
                message = f"the derivative of {term} by {reference} contains {derivative}"
                raise DerivationError(f"equation {quote(equation)}: {message}")
            if derivative != 0:
                found.setdefault(reference, []).append(derivative)
    own = {equation.body: equation.target} if equation.is_map and isinstance(equation.body, Extremum) else {}
    totals = {reference: replace(Add(*terms), own) for reference, terms in found.items()}
    return {reference: total for reference, total in totals.items() if total != 0}


def _moves(body: Expr) -> bool:
    """Whether a body reads anything outside of brackets.

    Without it the number of ties of n arguments would have n² derivatives, all of them 0.
    """
    outside = postorder(body, lambda node: is_leaf(node) or isinstance(node, equal))
    return any(is_reference(node) for node in outside)


def _without_derivative(term: Expr, reference: Expr) -> str:
    """Why there is no derivative: of a function that is ours by an order, or of one of the user's."""
    twice = [node for node in postorder(term) if isinstance(node, regularised_gamma_slope)]
    for shape in (node.args[0] for node in twice if reference in leaves(node.args[0])):
        return f"there is no second derivative of lowergamma and uppergamma by their first argument, {shape}"
    by_order = [node for node in postorder(term) if type(node) in WRITTEN and reference in leaves(node.args[0])]
    written = (part for node in by_order for part in postorder(as_written(node)))
    for function in (part for part in written if part.is_Function and len(part.args) == 2):
        return f"there is no derivative of {function} by its first argument, {function.args[0]}, only by the second"
    return f"SymPy has no derivative of {term} by {reference}; give its function an `fdiff`"


def _of_term(term: Expr, by: Collection[Expr] | None) -> Iterator[tuple[Expr, Expr | str | None]]:
    nodes = list(postorder(term))
    parts = list(dict.fromkeys(node for node in nodes if is_reference(node)))
    skeleton = _skeleton(nodes, parts)
    # Parts of the derivative that are parts of the term are taken from there, not built again.
    back = {old: new for old, new in zip(_template(skeleton), nodes) if old.args}
    back.update((_placeholder(number), part) for number, part in enumerate(parts))
    for number, part in enumerate(parts):
        if by is None or part in by:
            derivative = _derivative(skeleton, number)
            yield part, replace(derivative, back) if isinstance(derivative, Expr) else derivative


def _skeleton(nodes: Sequence[Basic], parts: Sequence[Basic]) -> Skeleton:
    numbers = {part: number for number, part in enumerate(parts)}
    positions = {id(node): position for position, node in enumerate(nodes)}

    def entry(node: Basic) -> Basic | tuple[Any, ...]:
        if node in numbers:
            return _placeholder(numbers[node])
        return node if is_leaf(node) else (node.func, *(positions[id(argument)] for argument in node.args))

    return tuple(entry(node) for node in nodes)


@lru_cache(maxsize=4096)
def _template(skeleton: Skeleton) -> tuple[Basic, ...]:
    """The nodes of the expression with placeholders."""
    nodes: list[Basic] = []
    for entry in skeleton:
        nodes.append(entry if isinstance(entry, Basic) else entry[0](*(nodes[position] for position in entry[1:])))
    return tuple(nodes)


@lru_cache(maxsize=8192)
def _derivative(skeleton: Skeleton, number: int) -> Expr | str | None:
    """The derivative by one placeholder; the constant in it that is no real number, or None if SymPy has none."""
    return derivative_of(_template(skeleton)[-1], _placeholder(number))


def derivative_of(expression: Expr, symbol: Symbol) -> Expr | str | None:
    """SymPy's derivative; the constant in it that is no real number, or None if SymPy has none."""
    derivative = canonical(canonical(expression).diff(symbol))
    if derivative.has(Derivative, Subs):
        return None
    return faulty_constant(derivative) or derivative


@lru_cache(maxsize=512)
def _placeholder(number: int) -> Symbol:
    return Symbol(f"_{number}", real=True)


# --- from an equation to the vertices it reads --------------------------------------------------------------------


def pull_back(body: Expr, domain: Sequence[Idx], reference: Expr, cell: Cell, key: Sequence[Expr]) -> Summand | None:
    """Align a contribution that arises at ``reference`` to the vertex ``cell``, written with the subscripts ``key``.

    Indices of the reference become those of the vertex; indices the reference lacks are summed; where one side has an
    integer and the other an axis, an Iverson bracket picks the element. A sum of indices is solved for one of them,
    whose range is a condition then. None if the two share no element.
    """
    renaming: dict[Idx, Expr] = {}
    brackets: list[Expr] = []
    sums: list[tuple[Expr, Expr]] = []
    for subscript, element, index in zip(subscripts(reference), cell.pattern, key):
        if not isinstance(subscript, (Idx, Integer)):
            sums.append((subscript, index))
        elif not isinstance(subscript, Idx):
            if not overlap((element,), (int(subscript),)):
                return None
            if not isinstance(element, int):
                brackets.append(_bracket(index, subscript))
        elif subscript in renaming:
            brackets.append(equal(index, renaming[subscript]))
        else:
            renaming[subscript] = index
    ranges = [(value, index) for index, value in renaming.items() if not _has_range_of(value, index)]
    summed = [index for index in domain if index not in renaming]
    renaming.update(_set_apart(summed, domain, key))
    if sums:
        solved, rest = _solved(sums, summed, renaming)
        brackets += rest
        summed = [index for index in summed if renaming[index] not in solved]
        renaming = {index: reindex(value, solved) for index, value in renaming.items()}
        ranges += [(renaming[index], index) for index in domain if index not in summed]
    conditions = missing(form for value, index in ranges for form in on_axis(value, extent(index)) or ())
    if conditions is None or any(bracket == 0 for bracket in brackets):
        return None
    changed = {old: new for old, new in renaming.items() if old != new}
    read = (asked_of(reference) or () for bracket in brackets for reference in references(bracket))
    conditions = (*conditions, *(one for asked in read for one in asked))
    body = Mul(reindex(body, changed), *brackets)
    over = [renaming[index] for index in summed]
    within = any(guard is not None and {*indices(guard[1])} & {*over} for guard in map(guard_of, Mul.make_args(body)))
    return summand(guarded(body, *conditions) if conditions or within else body, over)


def _bracket(key: Expr, value: Expr) -> Expr:
    """[t + 1 = 3], written as [t = 2]."""
    index = indices(key)[0]
    return equal(index, expand(value - (key - index)))


def _has_range_of(value: Expr, index: Idx) -> bool:
    """Whether a value is one of an index's, whatever it is."""
    n = extent(index)
    if isinstance(value, Idx):
        return extent(value) == n
    return isinstance(value, Integer) and isinstance(n, int) and 0 <= int(value) < n


def _solved(
    sums: Sequence[tuple[Expr, Expr]], free: Sequence[Idx], renaming: Mapping[Idx, Expr]
) -> tuple[dict[Idx, Expr], list[Expr]]:
    """The values of indices at which subscripts are those of a vertex; of what has none, a bracket says it.

    Solved for is the longest index with the coefficient ±1: of x[i + a], a convolution, it is i, and the sum is over a.
    """
    open_, solved, brackets = [renaming[index] for index in free], dict[Idx, Expr](), list[Expr]()
    for subscript, wanted in sums:
        written = reindex(reindex(subscript, renaming), solved)
        form = affine(written)
        if form is None:  # an integer that is read
            brackets.append(equal(wanted, written))
            continue
        index = max(
            (i for i in form.indices if i in open_ and abs(form.coefficient(i)) == 1), key=_length, default=None
        )
        value = None if index is None else form.solved(index, wanted)
        if index is None or value is None:
            brackets.append(equal(wanted, form.expression))
        else:
            solved = {i: reindex(v, {index: value}) for i, v in solved.items()} | {index: value}
            open_.remove(index)
    return solved, brackets


def _length(index: Idx) -> tuple[bool, int]:
    n = extent(index)
    return (False, n) if isinstance(n, int) else (True, 0)


def _set_apart(summed: Sequence[Idx], domain: Sequence[Idx], key: Sequence[Expr]) -> dict[Idx, Idx]:
    """The summed indices under names that the vertex does not use."""
    of_vertex = {index.name for subscript in key for index in indices(subscript)}
    taken = of_vertex | {index.name for index in domain}
    renamed: dict[Idx, Idx] = {}
    for index in summed:
        if index.name in of_vertex:
            renamed[index] = fresh_index(index, taken)
            taken.add(renamed[index].name)
        else:
            renamed[index] = index
    return renamed


def written_out(equation: Equation) -> tuple[Expr, ...]:
    """The vertices and numbers, more than two, of which an equation takes the largest or the smallest."""
    body = equation.body
    plain = isinstance(body, Extremum) and equation.is_map and all(map(is_leaf, body.args))
    return body.args if plain and len(body.args) > 2 else ()
