"""Which values subscripts have: the range of a sum of indices where conditions hold, and what guards a reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import sympy
from sympy import Add, And, Expr, Idx, Integer, Mul, Not, Or, Piecewise, Rational, expand, igcd, ilcm, oo
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import Boolean

from codegen.functions import equal
from codegen.ir.affine import Affine, affine, data_of
from codegen.walk import (
    Extent,
    as_extent,
    fold,
    is_leaf,
    is_plain,
    is_reference,
    leaves,
    postorder,
    rebuild,
    references,
    replace,
    shape,
    subscripts,
)

#: What a comparison of two sums says: these are at least 0, from their difference.
FORMS: Mapping[type[Basic], Callable[[Expr], tuple[Expr, ...]]] = {
    sympy.GreaterThan: lambda d: (d,),
    sympy.StrictGreaterThan: lambda d: (d - 1,),
    sympy.LessThan: lambda d: (-d,),
    sympy.StrictLessThan: lambda d: (-d - 1,),
    sympy.Eq: lambda d: (d, -d),
}


# --- sums of indices ----------------------------------------------------------------------------------------------


def is_natural(number: Expr) -> bool:
    """Whether a sum of lengths and integers is at least 0 for all lengths from 1.

    >>> from sympy import Symbol
    >>> n = Symbol("n", integer=True, positive=True)
    >>> is_natural(n - 1), is_natural(n - 2), is_natural(3 - n)
    (True, False, False)
    """
    least = _for_all_lengths(number)
    return least is not None and least >= 0


def _for_all_lengths(number: Expr) -> Expr | None:
    """The least value of a sum of lengths and integers, all lengths being from 1; None if there is none."""
    constant, lengths = number.as_coeff_Add()
    factors = lengths.as_coefficients_dict().values() if lengths else []
    return constant + sum(factors) if all(factor > 0 for factor in factors) else None


@lru_cache(maxsize=16384)
def conjuncts(condition: Basic) -> tuple[Basic, ...]:
    """The conditions that all hold where this one does.

    >>> i = Idx("i", 9)
    >>> conjuncts(~((i < 2) | (i > 5)))
    (i <= 5, i >= 2)
    """
    if isinstance(condition, And):
        return tuple(part for inner in condition.args for part in conjuncts(inner))
    if isinstance(condition, Not):
        denied = condition.args[0]
        if isinstance(denied, Or):
            return tuple(part for inner in denied.args for part in conjuncts(Not(inner)))
        return (denied.negated,) if isinstance(denied, Relational) else (condition,)
    return () if condition == True else (condition,)  # noqa: E712 - a SymPy boolean


@lru_cache(maxsize=16384)
def forms_of(comparison: Basic) -> tuple[Affine, ...] | None:
    """The sums of indices that are at least 0 where a comparison holds, and only there; None for anything else.

    >>> i = Idx("i", 9)
    >>> [form.expression for form in forms_of(2 * i <= 5)]
    [2 - i]
    """
    if type(comparison) not in FORMS:
        return None
    difference = expand(comparison.args[0] - comparison.args[1])
    numbers = [number for number in difference.as_coefficients_dict().values() if isinstance(number, Rational)]
    whole = expand(difference * ilcm(1, 1, *(number.q for number in numbers)))  # SymPy turns 2·i ≤ 5 into i ≤ 5/2
    if affine(whole) is None:
        return None
    found = (affine(form) for form in FORMS[type(comparison)](whole))
    return tuple(form if isinstance(comparison, sympy.Eq) else _tight(form) for form in found if form is not None)


def _tight(form: Affine) -> Affine:
    """A form that is at least 0 for the same integers, its multiples of indices without a common factor."""
    common = igcd(0, 0, *(factor for _, factor in form.coefficients))
    if common < 2 or not form.constant.is_Integer:
        return form
    return Affine(form.constant // common, tuple((index, factor // common) for index, factor in form.coefficients))


@dataclass(frozen=True)
class Known:
    """What conditions say about indices: sums that are at least 0, and values that an index does not have."""

    forms: tuple[Affine, ...] = ()
    excluded: frozenset[tuple[Idx, Expr]] = frozenset()
    ends: Mapping[tuple[Idx, int], Expr] = field(default_factory=dict)
    """The least value of an index, under 1, and the greatest, under −1, where they are not those of its range."""

    @staticmethod
    def of(*conditions: Basic) -> Known:
        """What holds where all conditions do.

        >>> i, n = Idx("i", 9), sympy.Symbol("n", integer=True, positive=True)
        >>> Known.of(i > 0).says(affine(i - 1)), Known.of(sympy.Ne(i, 0)).says(affine(i - 1))
        (True, True)
        >>> Known.of(sympy.Ne(n, 1)).says(affine(n - 2))
        True
        """
        parts = [part for condition in conditions for part in conjuncts(condition)]
        forms = tuple(form for part in parts for form in forms_of(part) or _apart(part))
        return Known(forms, frozenset(pair for part in parts for pair in _excluded(part)), _bounds(forms))

    def says(self, form: Affine, natural: Callable[[Expr], bool] = is_natural) -> bool:
        """Whether a sum is known to be at least 0.

        >>> i, j = Idx("i", 9), Idx("j", 9)
        >>> Known.of(2 * i + 2 * j >= 2).says(affine(2 * i + 2 * j - 2))
        True
        """
        form = _tight(form)  # as what is known is
        if _least_is_natural(form, self, natural):
            return True
        others = [_difference(form, other) for other in self.forms]
        if any(_least_is_natural(rest, self, natural) for rest in others):
            return True
        pairs = (_difference(_difference(form, a), b) for a, b in combinations(self.forms, 2))
        return any(_least_is_natural(rest, self, natural) for rest in pairs)


def _apart(part: Basic) -> Iterator[Affine]:
    """What a sum of lengths is at least that is at least 0 anyway, and is not 0."""
    if isinstance(part, sympy.Ne):
        form = affine(part.args[0] - part.args[1])
        if form is not None and not form.coefficients:
            for side in (form.constant, -form.constant):
                if is_natural(side):
                    yield Affine(expand(side - 1), ())


def _excluded(part: Basic) -> Iterator[tuple[Idx, Expr]]:
    if isinstance(part, sympy.Ne):
        form = affine(part.args[0] - part.args[1])
        if form is not None and len(form.coefficients) == 1:
            value = form.solved(form.indices[0], Integer(0))  # n ≠ i + 1 is i ≠ n − 1
            if value is not None:
                yield form.indices[0], value


def _difference(a: Affine, b: Affine) -> Affine:
    found = affine(a.expression - b.expression)
    assert found is not None
    return found


def _least_is_natural(form: Affine, known: Known, natural: Callable[[Expr], bool]) -> bool:
    return natural(_end(form, known, 1))


def _end(form: Affine, known: Known, way: int) -> Expr:
    """The least value of a sum of indices, or with −1 the greatest, as far as single indices are known."""
    terms = [form.constant]
    for index, factor in form.coefficients:
        step = way if factor > 0 else -way
        end = known.ends.get((index, step), _outermost(index, step))
        while (index, end) in known.excluded:
            end = end + step
        terms.append(factor * end)
    total = Add(*terms)
    return total if total.is_Integer else expand(total)


def _outermost(index: Idx, step: int) -> Expr:
    """The first value of an index, or with −1 the last; of one without a range it is not known to be finite."""
    if index.upper is None:
        return -step * oo
    return Integer(0) if step > 0 else index.upper


def least(form: Affine) -> Expr:
    """The least value of a sum of indices, each in its whole range.

    >>> least(affine(3 - Idx("i", 9)))
    -5
    """
    return _end(form, NOTHING, 1)


def at_least(form: Affine, known: Known) -> int | None:
    """The greatest integer that a sum is known to be at least for all lengths; None if there is none.

    >>> i, j, k = Idx("i", 9), Idx("j", 9), Idx("k", 9)
    >>> at_least(affine(i - k), Known.of(k < j, j < i)), at_least(affine(i + 1), NOTHING), at_least(affine(-i), NOTHING)
    (2, 1, None)
    """
    found: list[int] = []
    for count in range(3):
        for others in combinations(known.forms, count):
            rest = form
            for other in others:
                rest = _difference(rest, other)
            if all(factor > 0 or (index, -1) in known.ends for index, factor in rest.coefficients):
                end = _for_all_lengths(_end(rest, known, 1))
                found += [int(end)] if end is not None and end.is_Integer else []
    return max(found, default=None)


def _bounds(forms: Iterable[Affine]) -> dict[tuple[Idx, int], Expr]:
    """The least value of an index, under 1, and the greatest, under −1, where some forms of it alone say so."""
    found: dict[tuple[Idx, int], Expr] = {}
    for form in forms:
        if len(form.coefficients) != 1:
            continue
        ((index, factor),) = form.coefficients
        step = 1 if factor > 0 else -1
        if abs(factor) > 1 and not form.constant.is_Integer:
            continue
        # 3·i − 4 ≥ 0 from i = 2 on, 7 − 3·i up to i = 2.
        value = -step * (form.constant // abs(factor) if abs(factor) > 1 else form.constant)
        old = found.get((index, step), _outermost(index, step))
        if is_natural(expand(step * (value - old))):
            found[index, step] = value
    return found


NOTHING = Known()


# --- subscripts ---------------------------------------------------------------------------------------------------


def on_axis(subscript: Expr, axis: Extent) -> tuple[Affine, Affine] | None:
    """What has to be at least 0 for a subscript to be on its axis; None for what is no sum of indices."""
    low, high = affine(subscript), affine(axis - 1 - subscript)
    return None if low is None or high is None else (low, high)


def comparison(form: Affine) -> Basic:
    """A sum being at least 0, written as a bound of one of its indices where one has the coefficient ±1.

    >>> i, p = Idx("i", 9), Idx("p", 11)
    >>> comparison(affine(i - 1)), comparison(affine(7 - p + i)), comparison(affine(p - 2 * i))
    (i >= 1, p <= i + 7, p >= 2*i)
    """
    for index, factor in reversed(form.coefficients):
        if abs(factor) == 1:
            value = form.solved(index, Integer(0))
            return sympy.Ge(index, value) if factor == 1 else sympy.Le(index, value)
    rest = Add(*[factor * index for index, factor in form.coefficients])
    return sympy.Ge(rest, -form.constant)


def missing(forms: Iterable[Affine], known: Known = NOTHING) -> tuple[Basic, ...] | None:
    """The comparisons that say what is not known to be at least 0; None if that can never be."""
    found: dict[Basic, None] = {}
    for form in forms:
        if not known.says(form):
            condition = comparison(form)
            if condition == False or NOTHING.says(form.negated):  # noqa: E712 - a SymPy boolean
                return None
            if condition != True:  # noqa: E712
                found[condition] = None
    return tuple(found)


def asked_of(reference: Expr, known: Known = NOTHING) -> tuple[Basic, ...] | None:
    """The conditions under which a reference reads what is there, those that are known left out; None if it never does.

    >>> from sympy import IndexedBase
    >>> i, x = Idx("i", 5), IndexedBase("x", shape=(5,))
    >>> asked_of(x[i + 1]), asked_of(x[i + 1], Known.of(i < 4)), asked_of(x[i + 7])
    ((i <= 3,), (), None)
    """
    if is_plain(reference):
        return ()
    forms = [
        form
        for read in references(reference)  # the integers in its subscripts too
        for subscript, axis in zip(subscripts(read), shape(read))
        for form in on_axis(subscript, axis) or ()
    ]
    return missing(forms, known)


class Ends(NamedTuple):
    """What has to be at least 0 for a subscript that reads an integer to be on its axis, where conditions hold."""

    integer: Idx
    """Stands for the integer; nothing is known about it but by conditions."""
    forms: tuple[Affine, ...]
    conditions: tuple[Basic, ...]

    @staticmethod
    def of(subscript: Expr, axis: Extent, conditions: Iterable[Basic] = (), read: Expr | None = None) -> Ends | None:
        """Those that the conditions do not say; None of a subscript that reads none, and where it is ``read`` no sum.

        >>> from sympy import IndexedBase
        >>> s, y = Idx("s", 9), IndexedBase("y", integer=True)
        >>> [form.expression for form in Ends.of(2 * y[s] - 1, 5, [y[s] >= 1]).forms]
        [5 - 2*y[s]]
        """
        datum = data_of(subscript)
        read = read if datum is None else datum.integer
        integer = Idx(str(read))
        forms = None if read is None else on_axis(replace(subscript, {read: integer}), axis)
        if forms is None:
            return None
        there = tuple(replace(condition, {read: integer}) for condition in conditions)
        known = Known.of(*there)
        return Ends(integer, tuple(form for form in forms if not known.says(form)), there)

    def hold(self, bounds: tuple[Expr, Expr] | None) -> bool:
        """Whether the subscript is on its axis for all integers between two, or for all that there are."""
        if bounds is None:
            return not self.forms
        known = Known.of(*self.conditions, self.integer >= bounds[0], self.integer <= bounds[1])
        return all(map(known.says, self.forms))

    def limit(self) -> Expr | None:
        """What the integers have to be below; None where no number says it, or one below 0 is read.

        >>> from sympy import IndexedBase
        >>> s, y = Idx("s", 9), IndexedBase("y", integer=True)
        >>> Ends.of(2 * y[s] + 1, 7).limit(), Ends.of(y[s] - 1, 7).limit()
        (3, None)
        """
        known = Known.of(*self.conditions, self.integer >= 0)
        limits: list[Expr] = []
        for form in self.forms:
            factor = form.coefficient(self.integer)
            most = _divided(_end(form.without(self.integer), known, 1), -factor) if factor < 0 else None
            if (factor > 0 and not known.says(form)) or (factor < 0 and most is None):
                return None
            limits += [] if most is None else [most + 1]
        return next((limit for limit in limits if all(is_natural(expand(other - limit)) for other in limits)), None)


def _divided(number: Expr, divisor: int) -> Expr | None:
    """A sum of lengths divided by a number and rounded down; None where lengths do not divide."""
    constant, lengths = number.as_coeff_Add()
    factors = lengths.as_coefficients_dict() if lengths else {}
    if any(factor % divisor for factor in factors.values()):
        return None
    return constant // divisor + Add(*[factor // divisor * n for n, factor in factors.items()])


# --- guards -------------------------------------------------------------------------------------------------------


def guard_of(factor: Basic) -> tuple[Expr, Basic] | None:
    """Value and condition of a choice that is 0 where conditions on indices alone do not hold.

    >>> from sympy import Symbol
    >>> i, a = Idx("i", 5), Symbol("a", real=True)
    >>> guard_of(Piecewise((a, i > 2), (0, True)))
    (a, i > 2)
    >>> guard_of(Piecewise((0, i < 1), (a, i < 3), (0, True)))
    (a, (i >= 1) & (i < 3))
    """
    if not isinstance(factor, Piecewise) or factor.args[-1] != (0, True):
        return None
    given = [number for number, pair in enumerate(factor.args) if pair.args[0] != 0]
    if len(given) != 1:
        return None
    value, last = factor.args[given[0]].args
    condition = And(last, *[Not(pair.args[1]) for pair in factor.args[: given[0]]])
    return (value, condition) if not references(condition) else None


def guarded(value: Expr, *conditions: Basic) -> Expr:
    """The value where all conditions hold, else 0; those around its factors are taken to the front, brackets stay out.

    Conditions on what is read are asked where those on indices hold, and where it is there.

    >>> from sympy import IndexedBase, Symbol
    >>> i, a, y = Idx("i", 5), Symbol("a", real=True), IndexedBase("y", shape=(5,), integer=True)
    >>> guarded(a * Piecewise((a, i > 2), (0, True)), i < 4)
    Piecewise((a**2, (i > 2) & (i < 4)), (0, True))
    >>> guarded(a, y[i - 1] > 0)
    Piecewise((Piecewise((a, y[i - 1] > 0), (0, True)), i >= 1), (0, True))
    """
    found = [part for condition in conditions for part in conjuncts(condition)]
    inside: list[Expr] = []
    outside: list[Expr] = []
    stack = list(reversed(Mul.make_args(value)))
    while stack:
        factor = stack.pop()
        inner = guard_of(factor)
        if inner is not None:
            found += conjuncts(inner[1])
            stack += reversed(Mul.make_args(inner[0]))
        else:
            bracket = isinstance(factor, equal) and not references(factor)
            (outside if bracket else inside).append(factor)
    core: Expr = Mul(*inside)
    read = [part for part in found if references(part)]
    asked = [asked_of(reference) for part in read for reference in references(part)]
    if None in asked:
        return Integer(0)
    around = [part for part in found if part not in read]
    for parts in (read, [*around, *(one for conditions in asked for one in conditions or ())]):
        condition = simplified(parts)
        if condition == False:  # noqa: E712 - a SymPy boolean
            return Integer(0)
        core = core if condition == True else Piecewise((core, condition), (Integer(0), True))  # noqa: E712
    return Mul(*outside, core)


def simplified(conditions: Iterable[Basic]) -> Basic:
    """All conditions at once, without those that hold anyway; False if they cannot.

    >>> i = Idx("i", 5)
    >>> simplified([i >= 1, i <= 4, i >= 0]), simplified([i >= 5]), simplified([i >= 2, i <= 1])
    (i >= 1, False, False)
    """
    parts = list(dict.fromkeys(part for condition in conditions for part in conjuncts(condition)))
    kept: list[Basic] = []
    for number, part in enumerate(parts):
        forms = forms_of(part)
        if forms is None:
            kept.append(part)
            continue
        if any(NOTHING.says(form.negated) for form in forms):
            return sympy.false
        known = Known.of(*kept, *parts[number + 1 :])
        if any(known.says(form.negated) for form in forms):
            return sympy.false
        if not all(known.says(form) for form in forms):
            plain = all(leaf.is_integer is not False for leaf in leaves(part))
            kept += [part] if plain else [comparison(form) for form in forms]
    return And(*kept)


def part_read(reference: Expr, known: Known) -> tuple[int | tuple[int, Extent] | None, ...]:
    """Which elements of a variable a reference may read, as a pattern of cells.

    >>> from sympy import IndexedBase
    >>> i, x = Idx("i", 4), IndexedBase("x", shape=(6,))
    >>> part_read(x[i + 1], NOTHING), part_read(x[i + 1], Known.of(i > 0))
    (((1, 5),), ((2, 5),))
    >>> n = sympy.Symbol("n", integer=True, positive=True)
    >>> y = IndexedBase("y", shape=(n,))
    >>> part_read(y[n - 1], NOTHING), part_read(y[n - 1], Known.of(n >= 2))
    ((None,), ((1, n),))
    >>> k = Idx("k", 4)
    >>> part_read(x[i - k], Known.of(k < i)), part_read(x[i + k], Known.of(k <= 3 - i))
    (((1, 4),), ((0, 4),))
    """
    found: list[int | tuple[int, Extent] | None] = []
    for subscript, axis in zip(subscripts(reference), shape(reference)):
        form = affine(subscript)
        if form is None:  # data
            found.append(None)
            continue
        start = max([0, *(int(n) for bound in _lower(form, known) if (n := _for_all_lengths(bound)) is not None)])
        stop = as_extent(axis - _spare(on_axis(subscript, axis), known))
        whole = start == 0 and stop == axis
        found.append(None if whole else int(subscript) if isinstance(subscript, Integer) else (start, stop))
    return tuple(found)


def _lower(form: Affine, known: Known) -> Iterator[Expr]:
    """What a sum of indices is known not to be below: by its indices, or as far as a known sum goes."""
    yield _end(form, known, 1)
    for other in known.forms:
        yield _end(_difference(form, other), known, 1)


def _spare(forms: tuple[Affine, Affine] | None, known: Known) -> Expr:
    """How many places at the end of its axis a subscript is known not to have, from what says that it is on it."""
    most: Expr = Integer(0)
    for bound in () if forms is None else _lower(forms[1], known):
        most = bound if is_natural(expand(bound - most)) else most
    return most


@lru_cache(maxsize=16384)
def elements_read(reference: Expr) -> tuple[int | tuple[int, Extent] | None, ...]:
    """Which elements of a variable a reference reads, whatever is known about its indices."""
    if is_plain(reference):
        return tuple(int(i) if isinstance(i, Integer) else None for i in subscripts(reference))
    return part_read(reference, NOTHING)


def is_not_plain(reference: Expr) -> bool:
    """Whether some subscript does not run along its whole axis."""
    return bool(subscripts(reference)) and not is_plain(reference)


def occurrences(body: Basic, wanted: Callable[[Expr], bool] = is_not_plain) -> Iterator[tuple[Expr, Known]]:
    """The references of an expression that are wanted, each with what is known where it is read."""
    return ((reference, Known.of(*conditions)) for reference, conditions in under(body, wanted))


def under(body: Basic, wanted: Callable[[Expr], bool]) -> Iterator[tuple[Expr, tuple[Basic, ...]]]:
    """The references of an expression that are wanted, each with the conditions under which it is read."""
    if any(map(wanted, references(body))):
        for leaf, conditions in conditions_of(body, lambda node: is_leaf(node) and is_reference(node)):
            yield from ((reference, conditions) for reference in references(leaf) if wanted(reference))


def said_of_integers(body: Basic, reference: Expr) -> tuple[Basic, ...]:
    """What is said of the integers that a reference reads wherever it stands in a body.

    >>> from sympy import IndexedBase
    >>> s, E, y = Idx("s", 9), IndexedBase("E", shape=(5,)), IndexedBase("y", integer=True)
    >>> said_of_integers(Piecewise((E[y[s] - 1], (y[s] > 0) & (s > 2)), (0, True)), E[y[s] - 1])
    (y[s] > 0,)
    """
    own = {one for subscript in subscripts(reference) for one in references(subscript)}
    found = [
        {one for one in conditions if own & set(references(one))}
        for _, conditions in under(body, lambda other: other == reference)
    ]
    return tuple(sorted(set.intersection(*found), key=str)) if found else ()


def conditions_of(body: Basic, wanted: Callable[[Basic], bool]) -> Iterator[tuple[Expr, tuple[Basic, ...]]]:
    """The parts of an expression that are wanted, each with the conditions under which it is computed."""
    stack: list[tuple[Basic, tuple[Basic, ...]]] = [(body, ())]
    seen: set[tuple[int, tuple[Basic, ...]]] = set()
    while stack:
        node, conditions = stack.pop()
        if (id(node), conditions) in seen:
            continue
        seen.add((id(node), conditions))
        if wanted(node):
            assert isinstance(node, Expr)
            yield node, conditions
        elif is_leaf(node):
            continue
        elif isinstance(node, Piecewise):
            passed = conditions
            for value, condition in (pair.args for pair in node.args):
                stack.append((condition, passed))
                stack.append((value, (*passed, *conjuncts(condition))))
                passed = (*passed, *conjuncts(Not(condition)))
        else:
            stack += [(argument, conditions) for argument in node.args]


def defined(body: Expr) -> Expr:
    """A body that stood under conditions as a value of its own: 0 where it would read what is not there.

    >>> from sympy import IndexedBase
    >>> i, x = Idx("i", 5), IndexedBase("x", shape=(5,))
    >>> defined(x[i + 1] ** 2)
    Piecewise((x[i + 1]**2, i <= 3), (0, True))
    """
    asked: dict[Expr, set[tuple[Basic, ...] | None]] = {}
    for reference, known in occurrences(body):
        asked.setdefault(reference, set()).add(asked_of(reference, known))
    # What is read in several branches, under more conditions here than there, takes all that it needs.
    wanting = {
        reference: next(iter(found)) if len(found) == 1 else asked_of(reference)
        for reference, found in asked.items()
        if found != {()}
    }
    if not wanting:
        return body
    if any(isinstance(node, Piecewise) for node in postorder(body)):
        # A condition around the whole would hide the branches that do not read it.
        return _branch_by_branch(body, wanting)
    if None in wanting.values():
        return Integer(0)
    return guarded(body, *(condition for conditions in wanting.values() for condition in conditions or ()))


def _branch_by_branch(body: Expr, wanting: Mapping[Expr, tuple[Basic, ...] | None]) -> Expr:
    """References that are 0 where they are not there, and choices that are where their conditions read such."""

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        if node in wanting:
            return _or_zero(node, wanting[node])
        return _choice(arguments, wanting) if isinstance(node, Piecewise) else rebuild(node, arguments)

    return fold(body, step, lambda node: is_leaf(node) or isinstance(node, Boolean))


def _choice(pairs: Sequence[Basic], wanting: Mapping[Expr, tuple[Basic, ...] | None]) -> Expr:
    """A choice of branches, 0 from the first condition on that reads what is not there."""
    rest: tuple[Basic, ...] = ()
    for pair in reversed(pairs):
        rest = (pair, *rest)
        read = [wanting[one] for one in references(pair.args[1]) if one in wanting]
        if read:
            none = None in read
            value = 0 if none else guarded(Piecewise(*rest), *(one for asked in read for one in asked or ()))
            rest = (ExprCondPair(value, sympy.true),)
    return Piecewise(*rest)


def _or_zero(reference: Expr, conditions: Sequence[Basic] | None) -> Expr:
    return Integer(0) if conditions is None else guarded(reference, *conditions)
