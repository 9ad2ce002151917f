"""Real expressions that SymPy writes with I: every node is worked out as a pair, its real and its imaginary part.

All symbols, elements and functions of time are real. A node is visited once, so that the work grows with the number of
distinct nodes; what is real is put in the place of what was written, whatever stands around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, reduce
from typing import Any, TypeAlias

import sympy
from sympy import Add, Derivative, Dummy, Expr, Float, Integer, Mul, Piecewise, Pow, Product, Rational, Sum
from sympy.core.basic import Basic
from sympy.core.numbers import ImaginaryUnit
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen.read.admission import REDUCTIONS, is_opaque
from codegen.read.motions import is_motion
from codegen.walk import annotate, is_large, is_leaf, postorder, rebuild, substitute

Pair: TypeAlias = "tuple[Expr, Expr]"
COMPLEX = (ImaginaryUnit, sympy.re, sympy.im, sympy.conjugate, sympy.arg)
SIZE, TERMS = 300, 500
"""An imaginary part that may be 0 is multiplied out if it has so many nodes, and at most so many terms then."""
LARGE = 60
"""A part of so many nodes becomes a leaf."""
POWER = 64
"""The largest exponent of a power that is multiplied out; others are written by size and angle."""


def made_real(expression: Expr) -> Expr:
    """The expression with whatever is written with I and is real written without it; else the expression itself.

    >>> a, b = sympy.symbols("a b")
    >>> made_real(sympy.re(sympy.exp(sympy.I * a))), made_real((a + sympy.I * b) * (a - sympy.I * b))
    (cos(a), a**2 + b**2)
    """
    if not _is_complex(expression):
        return expression
    leaves = _Leaves()
    parts = _parts(expression, leaves)

    def is_known(node: Basic) -> bool:
        return _is_end(node) or _is_real(parts[id(node)])

    def written(node: Basic, arguments: list[Basic]) -> Basic:
        found = parts[id(node)]
        if found is not None and _is_real(found):
            return found[0]
        if _has_variables(node):
            return leaves.dummy(node.func(made_real(node.args[0]), *node.args[1:]))
        return rebuild(node, arguments)

    return leaves.back(annotate(expression, written, is_known)[id(expression)])


class _Leaves:
    """Real dummies, each for a leaf of an expression, or for a part that has grown large.

    SymPy asks what is known of a part whenever it builds on it, in time that grows exponentially with its depth.
    """

    KNOWN = ("positive", "nonnegative", "negative", "nonpositive", "integer")

    def __init__(self) -> None:
        self.dummies: dict[Basic, Dummy] = {}

    def dummy(self, leaf: Basic) -> Dummy:
        if leaf not in self.dummies:
            known = {word: True for word in self.KNOWN if is_leaf(leaf) and getattr(leaf, f"is_{word}")}
            self.dummies[leaf] = Dummy(f"r{len(self.dummies)}", real=True, **known)
        return self.dummies[leaf]

    def short(self, part: Any) -> Any:
        """The part, or a dummy for a large one."""
        if not isinstance(part, Expr) or not is_large(part, LARGE):
            return part
        # One dummy for a part and its negative, which cancel.
        return -self.dummy(-part) if part.could_extract_minus_sign() else self.dummy(part)

    def back(self, expression: Expr) -> Expr:
        """The expression with what the dummies stand for, equal nodes once: SymPy compares them all the way down."""
        if all(map(_is_end, self.dummies)):
            return substitute(expression, {dummy: leaf for leaf, dummy in self.dummies.items()})
        meant: dict[Basic, Basic] = {}
        known: dict[Basic, Basic] = {}

        def written(whole: Expr) -> Basic:
            for node in postorder(whole):
                if node not in known:
                    arguments = [known[a] for a in node.args] if not is_leaf(node) else []
                    known[node] = _unevaluated(node, arguments) if arguments else meant.get(node, node)
            return known[whole]

        for leaf, dummy in self.dummies.items():
            meant[dummy] = leaf if _is_end(leaf) else written(leaf)
        return written(expression)


def _unevaluated(node: Basic, arguments: list[Basic]) -> Basic:
    """A node of other arguments, about which SymPy is not asked, nor its cache, which compares them."""
    if isinstance(node, (Add, Mul, Pow)) and any(new is not old for new, old in zip(arguments, node.args)):
        return node.func.__new__.__wrapped__(node.func, *arguments, evaluate=False)
    return rebuild(node, arguments)


def _is_complex(expression: Basic) -> bool:
    """Whether it is written with complex numbers, or has the size of what may be one."""
    partial: set[int] = set()
    nonnegative: set[int] = set()
    for node in postorder(expression, _is_end):
        if isinstance(node, COMPLEX) or (_has_variables(node) and _is_complex(node.args[0])):
            return True
        arguments = () if _is_end(node) else node.args
        if any(id(argument) in partial for argument in arguments):
            if isinstance(node, sympy.Abs):
                return True
            partial.add(id(node))
        elif _is_partial(node, nonnegative):
            partial.add(id(node))
        if _is_nonnegative(node, arguments, nonnegative):
            nonnegative.add(id(node))
    return False


PARTIAL = (sympy.log, sympy.asin, sympy.acos, sympy.acosh, sympy.atanh)
"""Functions that are complex for some real numbers, as roots are."""


def _is_partial(node: Basic, nonnegative: set[int]) -> bool:
    if isinstance(node, PARTIAL):
        inside = isinstance(node, sympy.log) and id(node.args[0]) in nonnegative
        return not (inside or node.args[0].is_number)
    root = isinstance(node, Pow) and isinstance(node.exp, (Rational, Float)) and not isinstance(node.exp, Integer)
    return root and id(node.base) not in nonnegative and not node.base.is_number


def _is_nonnegative(node: Basic, arguments: tuple[Basic, ...], nonnegative: set[int]) -> bool:
    """Whether it is seen to be ≥ 0 for real values, SymPy being asked about leaves only."""
    if not arguments:
        return isinstance(node, Expr) and bool(node.is_nonnegative)
    even = isinstance(node, Pow) and isinstance(node.exp, Integer) and node.exp % 2 == 0
    if even or isinstance(node, (sympy.Abs, sympy.exp, sympy.cosh)):
        return True
    if isinstance(node, Pow):
        return id(node.base) in nonnegative
    return isinstance(node, (Add, Mul)) and all(id(argument) in nonnegative for argument in arguments)


def _is_end(node: Basic) -> bool:
    """Whether the walk stops at a node: a leaf, and what has variables of its own."""
    return is_opaque(node) or isinstance(node, Derivative)


def _has_variables(node: Basic) -> bool:
    """Whether it is the sum, the product or the derivative of an expression."""
    return isinstance(node, REDUCTIONS) or (isinstance(node, Derivative) and not is_motion(node))


def _parts(expression: Expr, leaves: _Leaves) -> dict[int, Pair | None]:
    """The real and the imaginary part of every node, by its identity; None where they are not known."""

    def step(node: Basic, arguments: list[Pair | None]) -> Pair | None:
        if not _is_end(node):
            pairs = [pair for pair in arguments if pair is not None]
            found = _of_operation(node, pairs) if len(pairs) == len(arguments) else None
            return found and (leaves.short(found[0]), leaves.short(found[1]))
        if _has_variables(node) and _is_complex(node.args[0]):
            return _of_bound(node, leaves)
        if node is sympy.I:
            return Integer(0), Integer(1)
        return (leaves.dummy(node) if isinstance(node, Expr) and not node.is_number else node), Integer(0)

    return annotate(expression, step, _is_end)


def _of_bound(node: Basic, leaves: _Leaves) -> Pair | None:
    """Of a sum, a product or a derivative, whose parts are leaves outside of it."""
    own = _Leaves()
    inner = _parts(node.args[0], own)[id(node.args[0])]

    def around(kind: type[Basic], body: Expr) -> Expr:
        return Integer(0) if body == 0 else leaves.dummy(kind(own.back(body), *node.args[1:]))

    if inner is None:
        return None
    if isinstance(node, Product) and not _is_real(inner):
        size, angle = _polar(inner)
        return _by_angle(around(Product, size), around(Sum, angle))
    return around(type(node), inner[0]), around(type(node), inner[1])


def _is_real(parts: Pair | None) -> bool:
    return parts is not None and parts[1] == 0


def _pair(real: Expr, imaginary: Expr) -> Pair:
    """Parts of which the imaginary one is 0 if it is when multiplied out."""
    return real, Integer(0) if _vanishes(imaginary) else imaginary


def _vanishes(expression: Expr) -> bool:
    if expression.is_number or expression.is_Symbol:
        return bool(expression == 0)
    return not is_large(expression, SIZE + 1) and _terms(expression) <= TERMS and sympy.expand(expression) == 0


def _terms(expression: Expr) -> int:
    """How many terms there are at most when it is multiplied out; no more than one more than are of interest."""

    def count(node: Basic, below: list[int]) -> int:
        if isinstance(node, Add):
            return min(sum(below), TERMS + 1)
        if isinstance(node, Mul):
            return reduce(lambda a, b: min(a * b, TERMS + 1), below, 1)
        if isinstance(node, Pow) and isinstance(node.exp, Integer) and below[0] > 1:
            return int(min(below[0] ** min(abs(int(node.exp)), TERMS), TERMS + 1))
        return max(below, default=1)

    return annotate(expression, count)[id(expression)]


# --- operations ---------------------------------------------------------------------------------------------------


def _of_operation(node: Basic, arguments: list[Pair]) -> Pair | None:
    if isinstance(node, ExprCondPair):
        (real, imaginary), (condition, other) = arguments
        return ((real, condition), (imaginary, condition)) if other == 0 else None
    for kind, rule in RULES.items():
        if isinstance(node, kind):
            return rule(*arguments)
    if all(map(_is_real, arguments)):
        return rebuild(node, [real for real, _ in arguments]), Integer(0)
    return _of_function(type(node), arguments) if isinstance(node, Expr) else None


def _add(*terms: Pair) -> Pair:
    return _pair(Add(*[real for real, _ in terms]), Add(*[imaginary for _, imaginary in terms]))


def _multiply(*factors: Pair) -> Pair:
    scale = Mul(*[real for real, imaginary in factors if imaginary == 0])
    complex_ones = [factor for factor in factors if factor[1] != 0]
    if not complex_ones:
        return scale, Integer(0)
    real, imaginary = reduce(_times, complex_ones)
    return _pair(_product(scale, real), _product(scale, imaginary))


def _times(a: Pair, b: Pair) -> Pair:
    return (
        _product(a[0], b[0]) - _product(a[1], b[1]),
        _product(a[0], b[1]) + _product(a[1], b[0]),
    )


def _product(a: Expr, b: Expr) -> Expr:
    """a·b, and 0 where one is: there is no such part, whatever the other is."""
    return Integer(0) if a == 0 or b == 0 else a * b


def _power(base: Pair, exponent: Pair) -> Pair:
    x, p = base[0], exponent[0]
    if _is_real(base) and _is_real(exponent):
        if x.is_nonnegative or p.is_integer:
            return x**p, Integer(0)
        real, imaginary = _by_angle((-x) ** p, sympy.pi * p)
        return Piecewise((x**p, x >= 0), (real, True)), Piecewise((Integer(0), x >= 0), (imaginary, True))
    if isinstance(p, Integer) and _is_real(exponent) and 0 < abs(p) <= POWER:
        real, imaginary = reduce(_times, [base] * abs(int(p)))
        square = real**2 + imaginary**2
        return _pair(real, imaginary) if p > 0 else _pair(real / square, -imaginary / square)
    size, angle = _polar(base)
    growth = size**p * sympy.exp(-_product(exponent[1], angle))
    return _pair(*_by_angle(growth, _product(p, angle) + _product(exponent[1], sympy.log(size))))


def _polar(z: Pair) -> Pair:
    """Size and angle."""
    real, imaginary = z
    if imaginary == 0:
        return abs(real), Piecewise((Integer(0), real >= 0), (sympy.pi, True))
    return sympy.sqrt(real**2 + imaginary**2), sympy.atan2(imaginary, real)


def _size(z: Pair) -> Expr:
    """The size; where the imaginary part is 0 that of the real one, whose derivative at 0 is 0."""
    real, imaginary = z
    if isinstance(imaginary, Piecewise) and any(branch == 0 for branch, _ in imaginary.args):
        whole = sympy.Or(*[condition for branch, condition in _disjoint(imaginary) if branch == 0])
        return Piecewise((abs(real), whole), (sympy.sqrt(real**2 + imaginary**2), True))
    return _polar(z)[0]


def _disjoint(choice: Piecewise) -> Iterator[tuple[Expr, Any]]:
    """The branches, each with the condition that it is taken."""
    before: list[Any] = []
    for branch, condition in choice.args:
        yield branch, sympy.And(condition, *map(sympy.Not, before))
        before.append(condition)


def _by_angle(size: Expr, angle: Expr) -> Pair:
    return size * sympy.cos(angle), size * sympy.sin(angle)


def _logarithm(z: Pair) -> Pair:
    if _is_real(z) and z[0].is_nonnegative:
        return sympy.log(z[0]), Integer(0)
    size, angle = _polar(z)
    return sympy.log(size), angle


def _piecewise(*branches: tuple[Any, Any]) -> Pair:
    whole = all(imaginary[0] == 0 for _, imaginary in branches)
    real, imaginary = zip(*branches)
    return Piecewise(*real), Integer(0) if whole else Piecewise(*imaginary)


def _beyond(function: type[Expr], *outside: tuple[Callable[[Expr], Any], Callable[[Expr], Pair]]) -> Callable[..., Any]:
    """The rule of a function that is real on a part of the real line: its parts where a condition holds outside."""

    def rule(z: Pair) -> Pair | None:
        if not _is_real(z):
            return _of_function(function, [z])
        branches = [(parts(z[0]), condition(z[0])) for condition, parts in outside]
        real = [(part, condition) for (part, _), condition in branches]
        imaginary = [(part, condition) for (_, part), condition in branches]
        return Piecewise(*real, (function(z[0]), True)), Piecewise(*imaginary, (Integer(0), True))

    return rule


def _sign(z: Pair) -> Pair:
    if _is_real(z):
        return sympy.sign(z[0]), Integer(0)
    size, _ = _polar(z)
    return z[0] / size, z[1] / size


QUARTER = sympy.pi / 2
RULES: Mapping[type[Basic], Callable[..., Pair | None]] = {
    sympy.asin: _beyond(
        sympy.asin,
        (lambda x: x > 1, lambda x: (QUARTER, -sympy.acosh(x))),
        (lambda x: x < -1, lambda x: (-QUARTER, sympy.acosh(-x))),
    ),
    sympy.acos: _beyond(
        sympy.acos,
        (lambda x: x > 1, lambda x: (Integer(0), sympy.acosh(x))),
        (lambda x: x < -1, lambda x: (sympy.pi, -sympy.acosh(-x))),
    ),
    sympy.acosh: _beyond(
        sympy.acosh,
        (lambda x: x < -1, lambda x: (sympy.acosh(-x), sympy.pi)),
        (lambda x: x < 1, lambda x: (Integer(0), sympy.acos(x))),
    ),
    sympy.atanh: _beyond(
        sympy.atanh,
        (lambda x: x > 1, lambda x: (sympy.atanh(1 / x), -QUARTER)),
        (lambda x: x < -1, lambda x: (sympy.atanh(1 / x), QUARTER)),
    ),
    Add: _add,
    Mul: _multiply,
    Pow: _power,
    sympy.exp: lambda z: _pair(*_by_angle(sympy.exp(z[0]), z[1])),
    sympy.log: _logarithm,
    Piecewise: _piecewise,
    sympy.sign: _sign,
    sympy.re: lambda z: (z[0], Integer(0)),
    sympy.im: lambda z: (z[1], Integer(0)),
    sympy.Abs: lambda z: (_size(z), Integer(0)),
    sympy.arg: lambda z: (_polar(z)[1], Integer(0)),
    sympy.conjugate: lambda z: (z[0], -z[1]),
}
"""The parts of an operation from those of its arguments."""


def _of_function(kind: type[Expr], arguments: list[Pair]) -> Pair | None:
    """Of another function of a complex number, as SymPy has them, if it has."""
    found = _known(kind, tuple(map(_is_real, arguments)))  # type: ignore[arg-type]  # mypy takes classes of SymPy for unhashable
    if found is None:
        return None
    parts, symbols = found
    values = dict(zip(symbols, (value for pair in arguments for value in pair)))
    real, imaginary = (substitute(part, values) for part in parts)
    return _pair(real, imaginary)


@lru_cache(maxsize=1024)
def _known(kind: type[Expr], real: tuple[bool, ...]) -> tuple[Pair, tuple[Dummy, ...]] | None:
    """The parts of a function of symbols x + i·y, some of which are real."""
    symbols = tuple(Dummy(f"{letter}{n}", real=True) for n in range(len(real)) for letter in "xy")
    arguments = [x if plain else x + sympy.I * y for x, y, plain in zip(symbols[::2], symbols[1::2], real)]
    found = kind(*arguments).as_real_imag()
    return None if any(isinstance(node, COMPLEX) for part in found for node in postorder(part)) else (found, symbols)
