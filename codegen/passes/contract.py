"""Multiply the factors of a sum in a good order: what has few indices first, and sums as early as they can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TypeAlias

from sympy import Expr, Idx, Mul

from codegen.functions import equal
from codegen.ir.equation import over
from codegen.ir.graph import Equation, Graph, Reduction
from codegen.ir.lookups import Limits, lookup
from codegen.ir.summation import Summand
from codegen.walk import fresh_names, indices, is_leaf, references, samples_first, size

Indices: TypeAlias = frozenset[Idx]

SEARCHED_OPERANDS = 5
"""All orders of up to this many operands are compared: 180 at most; a sum of more is left as it is."""
ASSUMED_SAMPLES = 64
"""The number of samples that a symbolic extent is taken for when products are compared."""


def contract(graph: Graph) -> Graph:
    """Give products of factors that have fewer indices than the sum they are in a vertex of their own.

    Σ_s x[s, d]·x[s, e]·q[s, h, k] takes two multiplications for each s, d, e, h, k; with the product of the two x first
    it takes one. Σ_ij v[i]·A[i, j]·w[j] sums over j before it multiplies by v.

    >>> from codegen.ir.graph import Index, Variable
    >>> i, j = Index("i", 3), Index("j", 4)
    >>> v, A, w, e = Variable("v", (3,)), Variable("A", (3, 4)), Variable("w", (4,)), Variable("e")
    >>> sum_ = Equation(e.symbol, v[i] * A[i, j] * w[j], Reduction.SUM, (i, j))
    >>> print(contract(Graph((v, A, w), (sum_,), ("e",))))
    inputs v[3], A[3, 4], w[4]
    q1[i] = Σ_j A[i, j]*w[j]
    e = Σ_i q1[i]*v[i]
    outputs e
    """
    names = fresh_names("q", graph.variables)
    return graph.with_equations(
        step
        for equation in graph.equations
        for part in _without_brackets(equation, names)
        for step in _to_rows(part, names, graph.whole)
    )


def _without_brackets(equation: Equation, names: Iterator[str]) -> Iterator[Equation]:
    """A sum without the brackets that say for which elements of the target it is: there is one sum for all of them."""
    factors = Mul.make_args(equation.body) if equation.is_sum else ()
    apart = [f for f in factors if isinstance(f, equal) and not set(indices(f)) & set(equation.reduced)]
    body = Mul(*[factor for factor in factors if factor not in apart]) if apart else equation.body
    if not apart or set(indices(body)) >= set(equation.domain):
        yield equation
        return
    free = [i for i in indices(body) if i not in equation.reduced]
    total = over(next(names), samples_first(i for i in equation.domain if i in free))
    yield Equation.total(total, Summand(body, equation.reduced))
    yield Equation(equation.target, Mul(*apart, total))


def _to_rows(equation: Equation, names: Iterator[str], integers: Limits) -> Iterator[Equation]:
    """A sum that is added to the elements that data say stays one of what is added, itself summed before."""
    said = next((i for i in equation.free if equation.is_sum and lookup(equation.body, i, integers)), None)
    if said is None:
        yield from _steps(equation, names)
        return
    factors = Mul.make_args(equation.body)
    brackets = [factor for factor in factors if said in indices(factor)]
    rest, over_rows = Mul(*[f for f in factors if f not in brackets]), {i for b in brackets for i in indices(b)}
    before = tuple(i for i in equation.reduced if i not in over_rows)
    if before:
        own = indices(rest)
        target = over(next(names), samples_first(i for i in equation.domain if i in own and i not in before))
        yield from _steps(Equation.total(target, Summand(rest, before)), names)
        left = tuple(i for i in equation.reduced if i not in before)
        equation = Equation.over(equation.target, Mul(*brackets, target), Reduction.SUM, left)
    yield equation


@dataclass(frozen=True)
class _Operand:
    """A factor, or several of the same indices."""

    expression: Expr
    indices: Indices


def _steps(equation: Equation, names: Iterator[str]) -> Iterator[Equation]:
    """The equation, after those of the products that it no longer has."""
    if not equation.is_sum:
        yield equation
        return
    constants, operands = _operands(equation)
    domain = frozenset().union(*(operand.indices for operand in operands))
    remaining = list(equation.reduced)
    changed = False

    def vertex(expression: Expr, reduced: Sequence[Idx] = ()) -> Equation:
        free = set(indices(expression)) - set(reduced)
        target = over(next(names), samples_first(i for i in equation.domain if i in free))
        return Equation.total(target, Summand(expression, tuple(reduced)))

    for one, other, summed in _cheapest(tuple(o.indices for o in operands), frozenset(remaining)).pairs:
        pair = operands[one], operands[other]
        new = vertex(Mul(*[operand.expression for operand in pair]), [i for i in remaining if i in summed])
        operands = [operand for operand in operands if operand not in pair]
        operands.append(_Operand(new.target, frozenset(new.free)))
        remaining = [i for i in remaining if i not in summed]
        changed = True
        yield new
    for position, operand in enumerate(operands):
        if len(operands) > 1 and operand.indices < domain and _is_compound(operand.expression):
            new = vertex(operand.expression)
            operands[position] = _Operand(new.target, operand.indices)
            changed = True
            yield new
    if changed:
        body = Mul(*constants, *[operand.expression for operand in operands])
        equation = Equation.over(equation.target, body, Reduction.SUM, tuple(remaining))
    yield equation


def _operands(equation: Equation) -> tuple[list[Expr], list[_Operand]]:
    """The factors without indices, and the others, those of the same indices together."""
    constants: list[Expr] = []
    groups: dict[Indices, list[Expr]] = {}
    for factor in Mul.make_args(equation.body):
        own = frozenset(indices(factor))
        (groups.setdefault(own, []) if own else constants).append(factor)
    return constants, [_Operand(Mul(*factors), own) for own, factors in groups.items()]


# --- the order ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Order:
    """Pairs of operands, by position, that are multiplied first, and what each product is summed over.

    A product takes the place of the last operand, the pair is removed.
    """

    operations: int
    pairs: tuple[tuple[int, int, Indices], ...] = ()


@lru_cache(maxsize=4096)
def _cheapest(operands: tuple[Indices, ...], reduced: Indices) -> _Order:
    """The order that takes the fewest operations, of all orders."""
    domain = frozenset().union(*operands)
    best = _Order(len(operands) * size(domain, ASSUMED_SAMPLES))
    if not 2 < len(operands) <= SEARCHED_OPERANDS:
        return best
    for one, other in combinations(range(len(operands)), 2):
        union = operands[one] | operands[other]
        rest = tuple(own for place, own in enumerate(operands) if place not in (one, other))
        summed = (union & reduced) - frozenset().union(*rest)
        if union < domain or summed:
            work = size(union, ASSUMED_SAMPLES) * (2 if summed else 1)
            then = _cheapest((*rest, union - summed), reduced - summed)
            if work + then.operations < best.operations:
                best = _Order(work + then.operations, ((one, other, summed), *then.pairs))
    return best


def _is_compound(expression: Expr) -> bool:
    """Whether an operand is computed; a bracket is a comparison, which is nothing beside a load."""
    return not is_leaf(expression) and not isinstance(expression, equal) and bool(references(expression))
