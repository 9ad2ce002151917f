"""Walking and rewriting one SymPy expression: explicit stacks, each shared node visited once.

SymPy's own ``xreplace``, ``free_symbols`` and ``str`` recurse and walk a shared subexpression once per use; on a body
with 20 levels of ``e*e`` that is a million visits. Everything here memoises on node identity.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import chain, count, islice
from math import prod
from numbers import Integral
from typing import TypeAlias, TypeGuard, TypeVar

from sympy import Add, Expr, Idx, Indexed, Symbol, expand, together
from sympy.core.basic import Basic

from codegen.errors import GraphError

T = TypeVar("T")

Extent: TypeAlias = "int | Symbol"
"""The number of values of an index: an integer, or the symbolic number of samples; or T − 1, ⌊T/2⌋, ⌈√T⌉.

Buffers may have the smaller of two, min(T, 9).
"""


@lru_cache(maxsize=4096)
def extent(index: Idx) -> Extent:
    """The number of values of an index.

    Raises :class:`GraphError` for an index without a range, and for one that does not count from 0.

    >>> extent(Idx("h", 32))
    32
    """
    if index.lower != 0 or index.upper is None:
        raise GraphError(f"the index {index} has the range {index.lower} … {index.upper}, expected one from 0")
    return as_extent(index.upper + 1)


def as_extent(value: Expr | Integral) -> Extent:
    """An extent as an ``int`` where it is a number, be it SymPy's or NumPy's, and otherwise as the symbol it is."""
    return int(value) if isinstance(value, Integral) else value


def is_symbolic(n: Extent) -> TypeGuard[Symbol]:
    """Whether an extent is a symbol: a number of samples."""
    return not isinstance(n, int)


def is_sum(n: Extent) -> bool:
    """Whether an extent is made of others: T − 1."""
    return not isinstance(n, (int, Symbol))


def parts(n: Extent) -> tuple[int, tuple[tuple[Symbol, int], ...]]:
    """An extent as a number and symbols with their factors, that add up to it.

    >>> T = Symbol("T", integer=True)
    >>> parts(2 * T - 1), parts(T), parts(3)
    ((-1, ((T, 2),)), (0, ((T, 1),)), (3, ()))
    """
    if isinstance(n, int):
        return n, ()
    constant, lengths = n.as_coeff_Add()
    return int(constant), tuple((symbol, int(factor)) for symbol, factor in lengths.as_coefficients_dict().items())


def is_fixed(extents: Iterable[Extent]) -> TypeGuard[Sequence[int]]:
    """Whether a shape has no symbolic axis."""
    return not any(map(is_symbolic, extents))


def is_sample(index: Idx) -> bool:
    """Whether an index runs over samples: its extent is symbolic."""
    return is_symbolic(extent(index))


def samples_first(of: Iterable[Idx]) -> tuple[Idx, ...]:
    """The indices with those of samples in front, as every activation has them."""
    return tuple(sorted(of, key=lambda index: not is_sample(index)))


def length(n: Extent, known: Mapping[Symbol, int]) -> int:
    """An extent that is a number, or what is known for the symbol that it is, or that is in it."""
    if isinstance(n, int):
        return n
    if isinstance(n, Symbol):
        return known[n]
    constant, lengths = parts(n)
    return constant + sum(factor * known[symbol] for symbol, factor in lengths)


def quotient(n: Expr) -> tuple[Expr, int]:
    """What is divided by which number where an extent is rounded down.

    >>> from sympy import floor
    >>> quotient(floor((Symbol("T", integer=True) + 99) / 100))
    (T + 99, 100)
    """
    over, divisor = together(n.args[0]).as_numer_denom()
    return over, int(divisor)


def under_root(n: Expr) -> Expr:
    """That of which an extent is the square root rounded up.

    >>> from sympy import ceiling, sqrt
    >>> under_root(ceiling(sqrt(Symbol("T", integer=True) - 1)))
    T - 1
    """
    return n.args[0] ** 2


def lengths_in(n: Extent) -> tuple[Symbol, ...]:
    """The symbols of an extent: T of T − 1; none of what is no extent.

    >>> T = Symbol("T", integer=True)
    >>> lengths_in(T - 1), lengths_in(3), lengths_in(Symbol("r"))
    ((T,), (), ())
    """
    if isinstance(n, int):
        return ()
    if isinstance(n, Symbol):
        return (n,) if n.is_integer else ()
    return tuple([leaf for leaf in leaves(n) if isinstance(leaf, Symbol)]) if n.is_integer else ()


def size(of: Iterable[Idx], samples: int = 1) -> int:
    """How many combinations of values indices have, a symbolic extent taken for so many.

    >>> size([Idx("h", 32), Idx("s", Symbol("S", integer=True))], samples=2)
    64
    """
    return elements(map(extent, of), samples)


def elements(extents: Iterable[Extent], samples: int = 1) -> int:
    """How many elements an array of this shape has, a symbolic extent taken for so many."""
    return prod(n if isinstance(n, int) else samples for n in extents)


def is_leaf(node: Basic) -> bool:
    """Whether a walk stops here: a reference, an index, a symbol or a number."""
    return isinstance(node, (Indexed, Idx)) or not node.args


def postorder(expression: Basic, stop: Callable[[Basic], bool] = is_leaf) -> Iterator[Basic]:
    """Every distinct node, arguments before the node that uses them; a walk does not go below where it stops."""
    seen: set[int] = set()
    stack: list[Basic | tuple[Basic]] = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):  # its arguments are done
            yield node[0]
        elif id(node) not in seen:
            seen.add(id(node))
            if stop(node):
                yield node
            else:
                stack.append((node,))
                stack += node.args[::-1]


def is_large(expression: Basic, nodes: int) -> bool:
    """Whether an expression has so many distinct nodes, or more, of which no more are looked at."""
    return sum(1 for _ in islice(postorder(expression), nodes)) == nodes


def annotate(
    expression: Basic, step: Callable[[Basic, list[T]], T], stop: Callable[[Basic], bool] = is_leaf
) -> dict[int, T]:
    """``step(node, results of its arguments)`` for every node, bottom-up, by the identity of the node.

    In the order of :func:`postorder`, written out: most of the time of a derivation is spent in this loop.
    """
    results: dict[int, T] = {}
    stack: list[Basic | tuple[Basic, tuple[Basic, ...]]] = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):  # its arguments are done
            node, arguments = node
            results[id(node)] = step(node, [results[id(argument)] for argument in arguments])
        elif id(node) not in results:
            if stop(node):
                results[id(node)] = step(node, [])
            else:
                stack.append((node, node.args))
                stack += node.args[::-1]
    return results


def fold(expression: Basic, step: Callable[[Basic, list[T]], T], stop: Callable[[Basic], bool] = is_leaf) -> T:
    """The result of ``step`` for the whole expression."""
    return annotate(expression, step, stop)[id(expression)]


def rebuild(node: Basic, arguments: Sequence[Basic]) -> Basic:
    """The node with these arguments; the same object if they are the ones it has."""
    for new, old in zip(arguments, node.args):
        if new is not old:
            return node.func(*arguments)
    return node


def rewrite(expression: Expr, rule: Callable[[Basic], Basic | None]) -> Expr:
    """Rebuild bottom-up; ``rule`` sees each rebuilt node and may answer with its replacement."""

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        node = rebuild(node, arguments)
        replacement = rule(node)
        return node if replacement is None else replacement

    return fold(expression, step)


def rewrite_leaves(expression: Expr, rule: Callable[[Basic], Basic | None]) -> Expr:
    """Rebuild with answers for leaves; of what comes of them none is looked at again: (i − 1) + 1 is i, for good."""

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        if not is_leaf(node):
            return rebuild(node, arguments)
        replacement = rule(node)
        return node if replacement is None else replacement

    return fold(expression, step)


def substitute(expression: Expr, replacements: Mapping[Basic, Basic]) -> Expr:
    """Replace leaves (references, symbols) all at once."""
    return rewrite_leaves(expression, replacements.get)


def replace(expression: Expr, replacements: Mapping[Basic, Basic]) -> Expr:
    """Replace whole subexpressions, the outermost first; what they consist of is not looked at.

    >>> x, y = Symbol("x"), Symbol("y")
    >>> replace(x + x * y, {x * y: y, y: x})
    x + y
    """

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        return replacements[node] if node in replacements else rebuild(node, arguments)

    return fold(expression, step, lambda node: node in replacements or is_leaf(node))


def moved(expression: Expr, old: Sequence[Expr], new: Sequence[Expr]) -> Expr:
    """What is said with some subscripts, indices plus an integer perhaps, with others in their places.

    >>> from sympy import IndexedBase
    >>> i, j, A = Idx("i", 3), Idx("j", 3), IndexedBase("A")
    >>> moved(A[0, i] + i, (0, i), (0, j))
    j + A[0, j]
    """
    values = [_unshifted(a, b) if isinstance(a, Add) else (a, b) for a, b in zip(old, new)]
    return reindex(expression, {a: b for a, b in values if isinstance(a, Idx) and a != b})


def _unshifted(subscript: Expr, value: Expr) -> tuple[Expr, Expr]:
    """The index in t + 1, and what it is where that has a value."""
    index = indices(subscript)[0]
    return index, expand(value - (subscript - index))


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
            subscripts = tuple([_subscript(i, replacements, rule) for i in node.indices])
            return node if subscripts == node.indices else node.base[subscripts]
        return None

    return rewrite_leaves(expression, rule)


def _subscript(subscript: Expr, replacements: Mapping[Idx, Expr], rule: Callable[[Basic], Basic | None]) -> Expr:
    """A subscript with other indices, its products carried out: 2·(i + 1) is 2·i + 2."""
    if isinstance(subscript, Idx) or not subscript.args:
        return replacements.get(subscript, subscript)
    new = rewrite_leaves(subscript, rule)
    return new if is_leaf(new) else expand(new)


def leaves(expression: Basic) -> tuple[Basic, ...]:
    """References, indices, symbols and numbers, in order of first occurrence."""
    found: dict[Basic, None] = {}
    seen: set[int] = set()
    stack = [expression]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            if is_leaf(node):
                found[node] = None
                if isinstance(node, Indexed):
                    for subscript in node.args[:0:-1]:
                        if not isinstance(subscript, Idx) and subscript.args:
                            stack += data_in(subscript)
            else:
                stack += reversed(node.args)
    return tuple(found)


def data_in(subscript: Expr) -> tuple[Indexed, ...]:
    """The integers that are read for a subscript: of ``E[y[s] + 1, d]`` it is ``y[s]``."""
    if not subscript.args or isinstance(subscript, Idx):
        return ()
    return tuple([leaf for leaf in leaves(subscript) if isinstance(leaf, Indexed)])


def references(expression: Basic) -> tuple[Expr, ...]:
    """The vertices an expression refers to, in order of first occurrence: ``Indexed`` and real symbols."""
    return tuple(leaf for leaf in leaves(expression) if is_reference(leaf))


def is_reference(leaf: Basic) -> bool:
    """Whether a leaf refers to a vertex."""
    return isinstance(leaf, Indexed) or is_variable(leaf)


def is_variable(node: Basic) -> bool:
    """Whether a symbol is a rank-0 variable; integer symbols are extents and indices are not variables."""
    return isinstance(node, Symbol) and not node.is_integer


def indices(expression: Basic) -> tuple[Idx, ...]:
    """The indices an expression depends on, in order of first occurrence."""
    return tuple(dict.fromkeys(index for leaf in leaves(expression) for index in leaf_indices(leaf)))


def leaf_indices(leaf: Basic) -> tuple[Idx, ...]:
    """The indices of one leaf: itself, or those among its subscripts."""
    if isinstance(leaf, Idx):
        return (leaf,)
    if not isinstance(leaf, Indexed):
        return ()
    found: list[Idx] = []
    for subscript in leaf.args[1:]:
        if isinstance(subscript, Idx):
            found.append(subscript)
        elif subscript.args:
            found += indices(subscript)
    return tuple(found)


def base_name(reference: Expr) -> str:
    """The name of the variable that a reference belongs to."""
    return str(reference.args[0].name if isinstance(reference, Indexed) else reference.name)


def symbol_of(reference: Expr) -> Expr:
    """The SymPy object that the references of a variable are made of: an ``IndexedBase``, or the scalar itself."""
    return reference.args[0] if isinstance(reference, Indexed) else reference


def subscripts(reference: Expr) -> tuple[Expr, ...]:
    """The subscripts of a reference; none for a scalar."""
    return reference.args[1:] if isinstance(reference, Indexed) else ()


def is_plain(reference: Expr) -> bool:
    """Whether every subscript is an integer, or an index that runs along its whole axis.

    >>> from sympy import IndexedBase
    >>> i, x = Idx("i", 3), IndexedBase("x", shape=(4,))
    >>> is_plain(x[Idx("j", 4)]), is_plain(x[i]), is_plain(x[i + 1])
    (True, False, False)
    """
    return all(map(is_plain_on, subscripts(reference), shape(reference)))


def is_plain_on(subscript: Expr, axis: Extent) -> bool:
    """Whether a subscript is an integer or runs along its whole axis."""
    if isinstance(subscript, Idx):
        return extent(subscript) == axis
    return subscript.is_Integer and isinstance(axis, int)


def shape(reference: Expr) -> tuple[Extent, ...]:
    """The declared shape of the variable that a reference belongs to."""
    if not isinstance(reference, Indexed):
        return ()
    return tuple([int(n) if n.is_Integer else n for n in reference.args[0].shape or ()])


def fresh_index(index: Idx, taken: Set[str]) -> Idx:
    """An index of the same range under a name that is not taken: h, h_1, h_2, …"""
    stem = index.name.split("_")[0]
    names = chain([index.name], (f"{stem}_{n}" for n in count(1)))
    name = next(name for name in names if name not in taken)
    return index if name == index.name else Idx(name, (index.lower, index.upper))


def fresh_names(stem: str, taken: Collection[str]) -> Iterator[str]:
    """v1, v2, v3, … without those that are taken."""
    return (name for n in count(1) if (name := f"{stem}{n}") not in taken)


def fresh_name(name: str, taken: Collection[str]) -> str:
    """The name itself, or with as many primes as it needs to be new."""
    while name in taken:
        name += "'"
    return name
