"""Walking and rewriting one SymPy expression: explicit stacks, each shared node visited once.

SymPy's own ``xreplace``, ``free_symbols`` and ``str`` recurse and walk a shared subexpression once per use; on a body
with 20 levels of ``e*e`` that is a million visits. Everything here memoises on node identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

from sympy import Expr, Idx, Indexed, Integer, Symbol
from sympy.core.basic import Basic

T = TypeVar("T")

Extent = int | Symbol
"""The number of values of an index: an integer, or the symbolic number of samples."""


@lru_cache(maxsize=4096)
def extent(index: Idx) -> Extent:
    """The number of values of an index.

    >>> extent(Idx("h", 32))
    32
    """
    upper = index.upper + 1 - index.lower
    return int(upper) if isinstance(upper, Integer) else upper


def is_leaf(node: Basic) -> bool:
    """Whether a walk stops here: a reference, an index, a symbol or a number."""
    return isinstance(node, (Indexed, Idx)) or not node.args


def postorder(expression: Basic) -> Iterator[Basic]:
    """Every distinct node, arguments before the node that uses them."""
    seen: set[int] = set()
    stack: list[tuple[Basic, bool]] = [(expression, False)]
    while stack:
        node, arguments_done = stack.pop()
        if arguments_done:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            if is_leaf(node):
                yield node
            else:
                stack.append((node, True))
                stack.extend((argument, False) for argument in reversed(node.args))


def fold(expression: Basic, step: Callable[[Basic, list[T]], T], memo: dict[int, T] | None = None) -> T:
    """Evaluate bottom-up: ``step(node, results of its arguments)``, once a node."""
    results: dict[int, T] = {} if memo is None else memo
    for node in postorder(expression):
        if id(node) not in results:
            results[id(node)] = step(node, [] if is_leaf(node) else [results[id(a)] for a in node.args])
    return results[id(expression)]


def rewrite(expression: Expr, rule: Callable[[Basic], Basic | None]) -> Expr:
    """Rebuild bottom-up; ``rule`` sees each rebuilt node and may answer with its replacement."""

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        if arguments and any(new is not old for new, old in zip(arguments, node.args)):
            node = node.func(*arguments)
        replacement = rule(node)
        return node if replacement is None else replacement

    return fold(expression, step)


def substitute(expression: Expr, replacements: Mapping[Basic, Basic]) -> Expr:
    """Replace leaves (references, symbols) all at once."""
    return rewrite(expression, lambda node: replacements.get(node) if is_leaf(node) else None)


def reindex(expression: Expr, replacements: Mapping[Idx, Expr]) -> Expr:
    """Replace indices all at once, where they stand alone and in the subscripts of references.

    >>> from sympy import IndexedBase
    >>> i, j = Idx("i", 3), Idx("j", 3)
    >>> reindex(IndexedBase("A")[i, j], {i: j, j: i})
    A[j, i]
    """
    if not replacements:
        return expression

    def rule(node: Basic) -> Basic | None:
        if isinstance(node, Idx):
            return replacements.get(node)
        if isinstance(node, Indexed):
            subscripts = tuple(replacements.get(i, i) for i in node.indices)
            return node if subscripts == node.indices else node.base[subscripts]
        return None

    return rewrite(expression, rule)


def references(expression: Basic) -> tuple[Expr, ...]:
    """The vertices an expression refers to, in order of first occurrence: ``Indexed`` and real symbols."""
    found = (n for n in postorder(expression) if isinstance(n, Indexed) or (is_variable(n)))
    return tuple(dict.fromkeys(found))


def is_variable(node: Basic) -> bool:
    """Whether a symbol is a rank-0 variable; integer symbols are extents and indices are not variables."""
    return isinstance(node, Symbol) and not node.is_integer


def indices(expression: Basic) -> tuple[Idx, ...]:
    """The indices an expression depends on, in order of first occurrence."""
    found: dict[Idx, None] = {}
    for node in postorder(expression):
        if isinstance(node, Idx):
            found[node] = None
        elif isinstance(node, Indexed):
            found.update((i, None) for i in node.indices if isinstance(i, Idx))
    return tuple(found)


def base_name(reference: Expr) -> str:
    """The name of the variable that a reference belongs to."""
    return str(reference.base.label.name) if isinstance(reference, Indexed) else str(reference.name)


def subscripts(reference: Expr) -> tuple[Expr, ...]:
    """The subscripts of a reference; none for a scalar."""
    return tuple(reference.indices) if isinstance(reference, Indexed) else ()


def shape(reference: Expr) -> tuple[Extent, ...]:
    """The declared shape of the variable that a reference belongs to."""
    if not isinstance(reference, Indexed):
        return ()
    declared = reference.base.shape or ()
    return tuple(int(e) if isinstance(e, Integer) else e for e in declared)


def fresh_index(index: Idx, taken: set[str]) -> Idx:
    """An index of the same range under a name that is not taken: h, h_1, h_2, …"""
    name, count = str(index.label), 0
    while name in taken:
        count += 1
        name = f"{str(index.label).split('_')[0]}_{count}"
    return index if count == 0 else Idx(name, (index.lower, index.upper))
