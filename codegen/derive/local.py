"""What one equation contributes: local derivatives of its body, and summands aligned to the vertex they go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sympy import Add, Derivative, Expr, Idx, Integer, Mul, Subs, Symbol

from codegen.errors import DerivationError
from codegen.expression import (
    base_name,
    extent,
    fresh_index,
    indices,
    references,
    reindex,
    shape,
    subscripts,
    substitute,
)
from codegen.functions import equal
from codegen.graph import Cell, Equation, Reduction, Variable


@dataclass(frozen=True)
class Summand:
    """One term of a derivative: ``Σ_reduced body``, or ``body`` itself when nothing is reduced."""

    body: Expr
    reduced: tuple[Idx, ...] = ()


@lru_cache(maxsize=512)
def _placeholder(number: int) -> Symbol:
    return Symbol(f"_{number}", real=True)


@lru_cache(maxsize=8192)
def _differentiate(template: Expr, number: int) -> Expr:
    derivative = template.diff(_placeholder(number))
    if derivative.has(Derivative, Subs):
        raise DerivationError(f"SymPy has no derivative for {template}: give its function an `fdiff`")
    return derivative


def local_derivatives(equation: Equation) -> dict[Expr, Expr]:
    """∂body/∂reference for every reference of one equation's body; references with derivative 0 are left out.

    The body is cut at its top-level sum and each term differentiated by SymPy with placeholders for the references, so
    that terms of the same form, as the layers of a network have, are differentiated once.
    """
    found: dict[Expr, list[Expr]] = {}
    for term in Add.make_args(equation.body):
        parts = references(term)
        template = substitute(term, {r: _placeholder(n) for n, r in enumerate(parts)})
        back = {_placeholder(n): r for n, r in enumerate(parts)}
        for number, reference in enumerate(parts):
            derivative = _differentiate(template, number)
            if derivative != 0:
                found.setdefault(reference, []).append(substitute(derivative, back))
    return {reference: total for reference, terms in found.items() if (total := Add(*terms)) != 0}


def pull_back(body: Expr, domain: Sequence[Idx], reference: Expr, cell: Cell, key: Sequence[Expr]) -> Summand | None:
    """Align a contribution that arises at ``reference`` to the vertex ``cell``, written with the subscripts ``key``.

    Indices of the reference become those of the vertex; indices the reference lacks are summed; where one side has an
    integer and the other an axis, an Iverson bracket picks the element. None if the two share no element.
    """
    renaming: dict[Idx, Expr] = {}
    brackets: list[Expr] = []
    for subscript, element, index in zip(subscripts(reference), cell[1], key):
        if not isinstance(subscript, Idx):
            if element is None:
                brackets.append(equal(index, subscript))
            elif int(subscript) != element:
                return None
        elif subscript in renaming:
            brackets.append(equal(index, renaming[subscript]))
        else:
            renaming[subscript] = index
    taken = {str(i.label) for i in (*domain, *(k for k in key if isinstance(k, Idx)))}
    images = set(renaming.values())
    for index in domain:
        if index not in renaming:
            renaming[index] = fresh_index(index, taken) if index in images else index
    matched = set(subscripts(reference))
    reduced = [renaming[i] for i in domain if i not in matched]
    changed = {old: new for old, new in renaming.items() if old != new}
    return summand(Mul(reindex(body, changed), *brackets), reduced)


def summand(body: Expr, reduced: Sequence[Idx]) -> Summand:
    """Simplify a sum as it is written: brackets on a summed index are carried out, absent indices become factors.

    >>> i, j = Idx("i", 4), Idx("j", 4)
    >>> A = Variable("A", (4,))
    >>> summand(A[i] * equal(i, j), [i])
    Summand(body=A[j], reduced=())
    """
    remaining = list(reduced)
    for index in reduced:
        for factor in Mul.make_args(body):
            if isinstance(factor, equal) and index in factor.args:
                other = factor.args[1] if factor.args[0] == index else factor.args[0]
                if isinstance(other, (Idx, Integer)):
                    body = reindex(Mul(*[f for f in Mul.make_args(body) if f is not factor]), {index: other})
                    remaining.remove(index)
                    break
    present = set(indices(body))
    absent = [extent(i) for i in remaining if i not in present]
    return Summand(Mul(body, *absent), tuple(i for i in remaining if i in present))


def accumulate(target: Expr, summands: Sequence[Summand]) -> list[Equation]:
    """The equations that add up a derivative: one if it is a single sum or only maps, else one a sum and their total."""
    if len(summands) == 1 and summands[0].reduced:
        return [Equation(target, summands[0].body, Reduction.SUM, summands[0].reduced)]
    equations: list[Equation] = []
    terms: list[Expr] = []
    for term in summands:
        if term.reduced:
            part = Variable(f"{base_name(target)}#{len(equations) + 1}", shape(target))[subscripts(target)]
            equations.append(Equation(part, term.body, Reduction.SUM, term.reduced))
            terms.append(part)
        else:
            terms.append(term.body)
    return [*equations, Equation(target, Add(*terms))]


def ties(equation: Equation, of: str) -> tuple[Expr, list[Equation]]:
    """The factor that shares the derivative of a maximum among its tied arguments, and the equation it needs."""
    if equation.reduction is not Reduction.MAX:
        return Integer(1), []
    bracket = equal(equation.body, equation.target)
    count = Variable(f"ties({base_name(equation.target)}) in {of}", shape(equation.target))[subscripts(equation.target)]
    return bracket / count, [Equation(count, bracket, Reduction.SUM, equation.reduced)]


def total_name(of: str, wrt: str) -> str:
    """The name of the total derivative d of/d wrt."""
    return f"d{of}/d{wrt}"
