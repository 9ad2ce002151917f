"""The range of a loop, cut where conditions on its index change: loops have bounds, and no tests in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import sympy
from sympy import Expr, Idx, Integer
from sympy.core.basic import Basic
from sympy.core.relational import Relational

from codegen.functions import equal
from codegen.ir.affine import Affine, affine
from codegen.ir.ranges import Known, asked_of, conjuncts, forms_of
from codegen.schedule.program import SERIAL, Bound, Loop
from codegen.walk import is_plain, leaves, postorder, references, rewrite

CONDITIONS, PARTS = 4, 6
"""A loop with more conditions, or of more parts, stays whole: its body would be written out too often."""


@dataclass(frozen=True)
class Part:
    """The values of an index at which these sums are at least 0."""

    index: Idx
    forms: tuple[Affine, ...] = ()

    @property
    def start(self) -> tuple[Bound, ...]:
        """Where it begins.

        >>> i, j = Idx("i", 9), Idx("j", 9)
        >>> part = Part(j, (affine(2 * j - i), affine(i - j)))
        >>> part.start, part.stop
        ((Bound(over=i + 1, divisor=2),), (Bound(over=i + 1, divisor=1),))
        """
        return tuple(Bound(n - 1 - rest, n) for n, rest in self._solved(1))

    @property
    def stop(self) -> tuple[Bound, ...]:
        """What it ends before."""
        return tuple(Bound(n + rest, n) for n, rest in self._solved(-1))

    def _solved(self, sign: int) -> Iterator[tuple[int, Expr]]:
        for form in self.forms:
            if (factor := sign * form.coefficient(self.index)) > 0:
                yield factor, form.without(self.index).expression

    def says(self, form: Affine) -> bool:
        """Whether a sum is at least 0 here."""
        return Known(self.forms).says(form)

    def at(self, body: Expr) -> Expr:
        """A body with the conditions that hold here, or do not, left out.

        >>> i, j, a = Idx("i", 9), Idx("j", 9), sympy.Symbol("a", real=True)
        >>> body = sympy.Piecewise((a, j <= i), (0, True))
        >>> Part(j, (affine(i - j),)).at(body), Part(j, (affine(j - i - 1),)).at(body)
        (a, 0)
        """
        known = Known(self.forms)

        def rule(node: Basic) -> Basic | None:
            forms = _forms(node)
            if not forms:
                return None
            holds = isinstance(node, Relational)
            if all(map(known.says, forms)):
                return sympy.true if holds else Integer(1)
            if any(known.says(form.negated) for form in forms):
                return sympy.false if holds else Integer(0)
            return None

        return rewrite(body, rule)


def parts(
    index: Idx, bodies: Iterable[tuple[Expr, bool]], inside: Collection[Idx], ranges: Sequence[Affine] = ()
) -> tuple[Part, ...]:
    """The parts of a range in each of which the conditions on the index hold or do not hold throughout.

    ``bodies`` come with whether each is a sum over the index. Conditions on indices of loops ``inside`` are left to
    these; a body that is no such sum, and can be evaluated wherever they do not hold, keeps its own.
    The sums of ``ranges`` are at least 0 throughout a part or negative, however many parts there are.
    """
    found: dict[Affine, None] = {}
    for body, is_sum in bodies:
        if is_sum or _asks(body):
            found.update(dict.fromkeys(_thresholds(body, index, inside)))
    within = dict.fromkeys(form if form.coefficient(index) > 0 else form.negated for form in ranges)
    cuts = _cuts(index, within)
    if found and len(found) <= CONDITIONS:
        more = _cuts(index, {**within, **found})
        cuts = more if len(more) <= max(PARTS, len(cuts)) else cuts
    return tuple(map(_shortest, cuts))


def _cuts(index: Idx, forms: Iterable[Affine]) -> list[Part]:
    """The parts of a range by the signs of sums."""
    found = [Part(index)]
    for form in forms:
        found = [half for part in found for half in _halves(part, form)]
    return found


def sums_of(
    reduced: Sequence[Idx], condition: Basic, outside: Collection[Idx]
) -> tuple[tuple[Loop, ...], tuple[Affine, ...]] | None:
    """The loops over the indices of a sum where a condition holds, and what has to be at least 0 besides.

    None where bounds do not say it.

    >>> i, a = Idx("i", 9), Idx("a", 3)
    >>> (loop,), rest = sums_of([a], (a <= i) & (i <= a + 6) & (i > 2), [i])
    >>> loop.starts, rest
    ((Bound(over=0, divisor=1), Bound(over=i - 6, divisor=1)), (Affine(constant=-3, coefficients=((i, 1),)),))
    """
    found: dict[Idx, tuple[Affine, ...]] = dict.fromkeys(reduced, ())
    besides: list[Affine] = []
    for part in conjuncts(condition):
        for form in forms_of(part) or (None,):
            own = [] if form is None else [i for i in form.indices if i in found]
            if form is None or len(own) > 1 or not {*form.indices} <= {*own, *outside}:
                return None
            if own:
                found[own[0]] += (form,)
            else:
                besides.append(form)
    bounded = [_shortest(Part(index, forms)) for index, forms in found.items()]
    return tuple(Loop(part.index, (), SERIAL, part.start, part.stop) for part in bounded), tuple(besides)


def is_guard(node: Basic) -> bool:
    """Whether a choice by conditions on indices has a branch that reads what is not there under another condition.

    >>> from sympy import IndexedBase
    >>> i, x = Idx("i", 9), IndexedBase("x", shape=(9,), real=True)
    >>> [is_guard(sympy.Piecewise((x[i + 1], c), (0, True))) for c in (i < 8, x[i] > 0)]
    [True, False]
    """
    if not isinstance(node, sympy.Piecewise):
        return False
    return not any(references(branch.args[1]) for branch in node.args) and any(_asks(b.args[0]) for b in node.args)


def _asks(body: Expr) -> bool:
    """Whether a body reads what is there under a condition alone."""
    return any(not is_plain(r) and asked_of(r) != () for r in references(body))


def _thresholds(body: Expr, index: Idx, inside: Collection[Idx]) -> Iterator[Affine]:
    """The sums in which the index has a positive factor and whose sign conditions depend on."""
    for node in postorder(body):
        for form in _forms(node):
            factor = form.coefficient(index)
            if factor and not set(form.indices) & set(inside):
                yield form if factor > 0 else form.negated


def _forms(node: Basic) -> tuple[Affine, ...]:
    """The sums of indices that a condition or a bracket compares with 0."""
    if not isinstance(node, (Relational, equal)) or not all(map(is_sum_of_indices, node.args)):
        return ()
    return forms_of(node if isinstance(node, Relational) else sympy.Eq(*node.args, evaluate=False)) or ()


def is_sum_of_indices(side: Basic) -> bool:
    """Whether it is a sum of multiples of indices, lengths and integers."""
    plain = all(isinstance(leaf, Idx) or (not leaf.args and leaf.is_integer) for leaf in leaves(side))
    return plain and affine(side) is not None


def _halves(part: Part, form: Affine) -> Iterator[Part]:
    """The values at which a sum is negative, and those at which it is not, where there may be any."""
    known = Known(part.forms)
    for half, other in ((form.negated, form), (form, form.negated)):
        if not known.says(other):
            yield Part(part.index, part.forms if known.says(half) else (*part.forms, half))


def _shortest(part: Part) -> Part:
    """The same part by no more conditions than it takes."""
    forms: Sequence[Affine] = part.forms
    for form in part.forms:
        others = tuple(other for other in forms if other != form)
        forms = others if Known(others).says(form) else forms
    return Part(part.index, tuple(forms))
