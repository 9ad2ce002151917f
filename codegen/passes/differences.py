"""Differences f(u) − f(v) of roots, logarithms and reciprocals, which cancel where u − v has fewer terms than u."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from sympy import Add, Expr, Integer, Mul, Pow, S, log

from codegen.functions.close_differences import log_difference, reciprocal_difference, root_difference
from codegen.functions.smooth import hypot, log1p, ratio

__all__ = ["KINDS", "close_difference"]

HIGHEST = 4
"""Reciprocals of up to this power are differences of so many terms."""
MOST = 64
"""So many pairs of terms of a sum are compared."""


def _root(factor: Expr) -> Expr | None:
    return factor.base if isinstance(factor, Pow) and factor.exp == S.Half else None


def _norm(factor: Expr) -> Expr | None:
    return Add(*[argument**2 for argument in factor.args]) if isinstance(factor, hypot) else None


def _logarithm(factor: Expr) -> Expr | None:
    return 1 + factor.args[0] if isinstance(factor, log1p) else factor.args[0] if isinstance(factor, log) else None


def _reciprocal(factor: Expr) -> Expr | None:
    whole = isinstance(factor, Pow) and isinstance(factor.exp, Integer) and -HIGHEST <= factor.exp < 0
    return factor.base if whole else None


def _of_logarithms(one: Expr, other: Expr, v: Expr, d: Expr) -> Expr | None:
    # log(1 + x) − log(1 − x) does not cancel.
    apart = all(isinstance(f, log1p) and (d / f.args[0]).is_number for f in (one, other))
    return None if apart else log_difference(v, d)


#: By the u of f(u), what f(u) − f(v) is of f(u), f(v), v and u − v.
KINDS: Mapping[Callable[[Expr], Expr | None], Callable[[Expr, Expr, Expr, Expr], Expr | None]] = {
    _root: lambda one, other, v, d: root_difference(v, d),
    _norm: lambda one, other, v, d: ratio(d, one + other),
    _logarithm: _of_logarithms,
    _reciprocal: lambda one, other, v, d: reciprocal_difference(-one.exp, v, d) if one.exp == other.exp else None,
}


def close_difference(node: Add) -> Expr | None:
    """A sum with c·f(u) − c·f(v) as one term, where u − v has fewer terms.

    >>> from sympy import sqrt, symbols
    >>> x, y = symbols("x y", real=True)
    >>> close_difference(y / x - y / (x + 2)), close_difference(sqrt(x + 1) - sqrt(x)), close_difference(1 / x - 1 / y)
    (-y*reciprocal_difference(1, x, 2), root_difference(x, 1), None)
    """
    found: dict[tuple[Callable[[Expr], Expr | None], Expr], list[_Part]] = defaultdict(list)
    for part in (part for term in node.args for part in _parts(term)):
        found[part.kind, part.rest].append(part)
    pairs = ((one, other) for (kind, c), some in found.items() for one in some for other in found.get((kind, -c), ()))
    for one, other in islice(pairs, MOST):
        d = one.argument - other.argument
        new = _as_one(one, other, d) if d != 0 and not d.could_extract_minus_sign() else None
        if new is not None:
            total = Add(one.rest * new, *[term for term in node.args if term not in (one.term, other.term)])
            return (close_difference(total) if isinstance(total, Add) else None) or total
    return None


def _as_one(one: _Part, other: _Part, d: Expr) -> Expr | None:
    is_close = _count(d) < max(_count(one.argument), _count(other.argument))
    return KINDS[one.kind](one.factor, other.factor, other.argument, d) if is_close else None


class _Part(NamedTuple):
    """f(u) in a term: the term, the kind of f, what f(u) is multiplied by, f(u) and u."""

    term: Expr
    kind: Callable[[Expr], Expr | None]
    rest: Expr
    factor: Expr
    argument: Expr


def _parts(term: Expr) -> Iterator[_Part]:
    factors = Mul.make_args(term)
    for factor in factors:
        for kind in KINDS:
            if (u := kind(factor)) is not None and not u.is_number:
                rest = Mul(*[other for other in factors if other is not factor])
                if kind is _root:  # of 2·√x as that of 4·x
                    number, rest = rest.as_coeff_Mul()
                    u, rest = number**2 * u, -rest if number.is_negative else rest
                yield _Part(term, kind, rest, factor, u)


def _count(total: Expr) -> int:
    return len(Add.make_args(total))
