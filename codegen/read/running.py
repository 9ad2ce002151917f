"""Sums over all earlier steps of a recurrence, as variables of their own that grow by a term a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sympy import Expr, Idx, Integer, Mul, expand
from sympy.core.basic import Basic

from codegen.ir.equation import Equation, over
from codegen.ir.ranges import conjuncts, defined, forms_of, guard_of, guarded, is_natural, missing, on_axis
from codegen.ir.summation import Summand
from codegen.walk import base_name, extent, indices, is_plain, moved, reindex, subscripts


class _Running(NamedTuple):
    """A sum over j up to i + shift, or with the step −1 from there on, of terms that do not depend on i."""

    along: Idx
    over: Idx
    step: int
    shift: Expr
    conditions: tuple[Basic, ...]
    """What else is said of the terms."""
    outer: Expr
    term: Expr


def with_running_sums(equations: Sequence[Equation], names: Iterator[str]) -> Iterator[Equation]:
    """The equations, u[i] = u[i − 1] + b[i − 1] in place of u[i] = Σ_{j < i} b[j] where b depends on u.

    A recurrence reads at fixed distances, and takes n steps where the sums take n²; so does its derivative.

    >>> from sympy import IndexedBase, Piecewise
    >>> from codegen import Reduction
    >>> i, j, b, u = Idx("i", 5), Idx("j", 5), IndexedBase("b", shape=(5,)), IndexedBase("u", shape=(5,))
    >>> earlier = Equation(u[i], Piecewise((b[j], j < i), (0, True)), Reduction.SUM, (j,))
    >>> for equation in with_running_sums([earlier, Equation(b[i], u[i] + 1)], iter("v")):
    ...     print(equation)
    u[i] = Piecewise((b[i - 1], i >= 1), (0, True)) + Piecewise((u[i - 1], i >= 1), (0, True))
    b[i] = u[i] + 1
    """
    needs: dict[str, set[str]] = {}
    for equation in equations:
        needs.setdefault(equation.name, set()).update(map(base_name, equation.references))
    for equation in equations:
        found = _running(equation) if equation.is_sum else None
        grows = found is not None and _depends_on_itself(equation.name, needs)
        yield from _grown(equation, found, names) if found is not None and grows else (equation,)


def _depends_on_itself(name: str, needs: Mapping[str, set[str]]) -> bool:
    found: set[str] = set()
    stack = [*needs[name]]
    while stack:
        other = stack.pop()
        if other not in found:
            found.add(other)
            stack += needs.get(other, ())
    return name in found


def _running(equation: Equation) -> _Running | None:
    """What a sum over earlier or later steps is; None of any other."""
    guard = guard_of(equation.body)
    if guard is None:
        return None
    core, parts = guard[0], conjuncts(guard[1])
    for part in parts:
        forms = forms_of(part) or ()
        if len(forms) != 1 or sorted(factor for _, factor in forms[0].coefficients) != [-1, 1]:
            continue
        (form,) = forms
        summed = [index for index in form.indices if index in equation.reduced]
        if len(summed) != 1:
            continue
        (over_,) = summed
        along, step = next((i, factor) for i, factor in form.coefficients if i != over_)
        rest = tuple(other for other in parts if other is not part)
        outer = Mul(*[f for f in Mul.make_args(core) if not {*indices(f)} & {*equation.reduced}])
        term = Mul(*[f for f in Mul.make_args(core) if {*indices(f)} & {*equation.reduced}])
        # At the first step there is one term at most.
        first = -form.constant if step == 1 else -form.constant - (extent(over_) - extent(along))
        if along not in indices(term) and not any(along in indices(r) for r in rest) and is_natural(expand(first)):
            return _Running(along, over_, step, step * form.constant, rest, outer, term)
    return None


def _grown(equation: Equation, found: _Running, names: Iterator[str]) -> Iterator[Equation]:
    """The sum as a recurrence, and the equation that reads it."""
    at = found.along + found.shift
    there = missing((*(on_axis(at, extent(found.over)) or ()),))
    if there is None:
        yield Equation(equation.target, Integer(0))
        return
    conditions = [reindex(condition, {found.over: at}) for condition in found.conditions]
    term = guarded(reindex(found.term, {found.over: at}), *there, *conditions)
    own = (
        found.outer == 1 and all(isinstance(i, Idx) for i in subscripts(equation.target)) and is_plain(equation.target)
    )
    target = equation.target if own else over(next(names), equation.free)
    rest = tuple(index for index in equation.reduced if index != found.over)
    if rest:
        part = over(next(names), equation.free)
        yield Equation.total(part, Summand(term, rest))
        term = part
    before = moved(target, (found.along,), (found.along - found.step,))
    yield Equation(target, defined(before) + term)
    if not own:
        yield Equation(equation.target, defined(found.outer * target))
