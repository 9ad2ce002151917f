"""Norms, whose squares are out of range far earlier than they are, and what is divided by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from sympy import Add, Expr, Integer, Mul, Pow, Rational, S, Symbol, sqrt

from codegen.functions import direction_cosine, hypot
from codegen.functions.smooth import (
    log1p_of_squares,
    reciprocal_of_squares,
    square_share,
    weighted_norm,
    weighted_share,
)
from codegen.ir.nodes import Pattern, pattern
from codegen.walk import is_reference, postorder

SHORT = 4
"""Up to so many squares their root is a hypot. Its second derivatives by n operands have n² terms, those of the root of
a sum, which is a vertex of its own where there are more, n."""


def norm(total: Expr) -> Expr | None:
    """The hypot(a, b, …) of a² + b² + …, positive numbers among them; None for any other sum.

    >>> from sympy import symbols
    >>> x, y = symbols("x y", real=True)
    >>> norm(x**2 + 4 * y**2 + 9)
    hypot(3, x, 2*y)
    """
    if not isinstance(total, Add) or len(total.args) > SHORT:
        return None
    roots = [_root(term) for term in total.args]
    return None if None in roots else hypot(*roots)


def _root(term: Expr) -> Expr | None:
    """The √a of a positive number a, the a of a², c·x²·y² = (√c·x·y)² among them; None for anything else."""
    factors = Mul.make_args(term)
    number = Mul(*[factor for factor in factors if factor.is_number])
    powers = [factor.as_base_exp() for factor in factors if not factor.is_number]
    if number.is_positive is not True or not all(isinstance(power, Integer) and power % 2 == 0 for _, power in powers):
        return None
    if powers and not any(is_reference(node) for base, _ in powers for node in postorder(base)):
        return None
    return Mul(sqrt(number), *[base ** (power / 2) for base, power in powers])


def weighted(node: Pow) -> Expr | None:
    """(c₁·x₁ⁿ + c₂·x₂ⁿ + …)^(k/n) as a power of a norm: cᵢ are numbers or symbols, and numbers are terms too.

    >>> from sympy import symbols
    >>> a, x, y = symbols("a x y", real=True)
    >>> weighted((a * x**2 + y**2) ** Rational(3, 2))
    weighted_norm(2, 1, y, a, x)**3
    """
    total, exponent = node.args
    if not (isinstance(total, Add) and isinstance(exponent, Rational) and exponent.q > 1 and len(total.args) <= SHORT):
        return None
    found = [_weight_and_root(term, exponent.q) for term in total.args]
    terms = [term for term in found if term is not None]
    if len(terms) < len(found) or not _may_overflow(terms):
        return None
    return weighted_norm(exponent.q, *[part for term in terms for part in term]) ** exponent.p


def conjugate(product: Expr) -> Expr | None:
    """(u − v)·(u + v) as u² − v².

    >>> from sympy import symbols
    >>> x, y = symbols("x y", real=True)
    >>> conjugate((x - 2 * y) * (x + 2 * y))
    x**2 - 4*y**2
    """
    if not (isinstance(product, Mul) and len(product.args) == 2):
        return None
    one, other = product.args
    if not all(isinstance(total, Add) and len(total.args) == 2 for total in product.args):
        return None
    u, v = (one + other) / 2, (one - other) / 2
    return None if isinstance(u, Add) or isinstance(v, Add) else u**2 - v**2


def norm_of_difference(total: Expr) -> Expr | None:
    """√(u² − v²) of multiples without a number of its own, whose logarithm is in range where the squares are not."""
    size = None if any(term.is_number for term in Add.make_args(total)) else weighted(sqrt(total))
    return size if size is not None and all(weight.is_number for weight in size.args[1::2]) else None


def factored(total: Expr) -> Expr | None:
    """c² − d²·x² as (c − d·x)·(c + d·x) for numbers c and d: where it vanishes the difference has all digits.

    >>> from sympy import symbols
    >>> x = symbols("x", real=True)
    >>> factored(9 - 4 * x**2)
    (3 - 2*x)*(2*x + 3)
    """
    constant, rest = total.as_coeff_Add() if isinstance(total, Add) else (S.Zero, total)
    c, root = (_root(part) for part in (constant, -rest)) if constant else (None, None)
    if c is None or root is None or isinstance(rest, Add) or not (c.is_Rational and root.as_coeff_Mul()[0].is_Rational):
        return None
    return (c - root) * (c + root)


def _may_overflow(terms: Sequence[tuple[Expr, Expr]]) -> bool:
    """Whether a power is out of range where the root is not: in 1 − x² none is, in 1 + a·x² of what is huge alone."""
    numbers = all(weight.is_number for weight, _ in terms) or not any(root.is_number for _, root in terms)
    return numbers and any(not root.is_number and weight.is_negative is not True for weight, root in terms)


def _weight_and_root(term: Expr, n: int) -> tuple[Expr, Expr] | None:
    """The c and x of c·xⁿ; 1 as x of a number alone."""
    powers = [factor.as_base_exp() for factor in Mul.make_args(term)]
    inside = [(base, power) for base, power in powers if isinstance(power, Integer) and power > 1 and power % n == 0]
    weights = [base**power for base, power in powers if (base, power) not in inside]
    if not all(is_reference(w) or w.is_number for w in weights) or not (inside or Mul(*weights).is_number):
        return None
    return Mul(*weights), Mul(*[base ** (power / n) for base, power in inside])


def is_norm(body: Expr) -> bool:
    """Whether a formula is a sum of squares, or a power of a norm."""
    return norm(body) is not None or isinstance(body.as_base_exp()[0], hypot)


def directed(node: Expr) -> Expr | None:
    """x·hypot(x, y)⁻¹ = the cosine of its direction, also where x is a factor of each of several terms.

    The derivative of hypot⁻¹ is a multiple of hypot⁻², which is infinite or 0 where hypot⁻¹ and x/hypot are neither.
    The same of other roots.
    """
    for factor in Mul.make_args(node):
        size, power = factor.as_base_exp()
        if size.func in SHARES and isinstance(power, Integer) and power.is_negative:
            rest = Mul(*[other for other in Mul.make_args(node) if other is not factor])
            if _is_along(rest, size):
                return _with_cosines(rest, size, power)
            for part in Mul.make_args(rest):
                if isinstance(part, Add) and len(part.args) <= SHORT and any(_is_along(t, size) for t in part.args):
                    others = Mul(*[other for other in Mul.make_args(rest) if other is not part])
                    return Add(*[_with_cosines(Mul(term, others), size, power) for term in part.args])
    return None


#: The arguments of a root, and one of them divided by it.
SHARES: Mapping[type[Expr], tuple[Callable[..., Sequence[Expr]], Callable[..., Expr]]] = {
    hypot: (lambda *arguments: arguments, direction_cosine),
    weighted_norm: (lambda n, *arguments: arguments[1::2], weighted_share),
}


def over_squares(node: Expr) -> Expr | None:
    """x/(x² + y²) as one function, whose derivatives are in range where the squares are not; x/(1 + x²) too.

    >>> from sympy import symbols
    >>> x, y = symbols("x y", real=True)
    >>> over_squares(3 * x / (x**2 + y**2) ** 2)
    3*reciprocal_of_squares(x, y)*square_share(x, x, y)
    """
    for factor in Mul.make_args(node):
        total, power = factor.as_base_exp()
        if isinstance(power, Integer) and power.is_negative and (size := norm(total)) is not None:
            rest, shares = node / factor, []
            for x in size.args:
                while power and (left := _divided(rest, x)) is not None:
                    rest, power = left, power + 1
                    shares.append(square_share(x, *size.args))
            if shares:
                return Mul(rest, *shares, reciprocal_of_squares(*size.args) ** -power)
    return None


def log1p_squared(argument: Expr) -> Expr | None:
    """log(1 + x² + y² + …) of x² + y² + …, all that varies."""
    terms = Add.make_args(argument)
    roots = [_root(term) for term in terms] if len(terms) < SHORT else [None]
    return None if any(root is None or root.is_number for root in roots) else log1p_of_squares(*roots)


Squares: TypeAlias = "tuple[tuple[Expr, tuple[tuple[int, Expr], ...]], ...]"
"""The numbers of some terms, and the exponents of their factors by the number of these."""


@lru_cache(maxsize=1024)
def over_squares_of(squares: Squares, power: Integer, above: tuple[Expr, ...]) -> Pattern | None:
    """:func:`over_squares` of such a sum to a power, times factors to the powers ``above``: a pattern of them."""
    symbols = _symbols(len(above))
    found = over_squares(Mul(*map(Pow, symbols, above), _total(squares, symbols) ** power))
    return None if found is None else pattern(found, symbols)


@lru_cache(maxsize=1024)
def log1p_squared_of(squares: Squares, count: int) -> Pattern | None:
    """:func:`log1p_squared` of such a sum of so many factors: a pattern of them."""
    symbols = _symbols(count)
    found = log1p_squared(_total(squares, symbols))
    return None if found is None else pattern(found, symbols)


def _symbols(count: int) -> Sequence[Expr]:
    return [Symbol(f"x{place}", real=True) for place in range(count)]


def _total(squares: Squares, symbols: Sequence[Expr]) -> Expr:
    return Add(*[Mul(number, *[symbols[n] ** own for n, own in powers]) for number, powers in squares])


def _is_along(product: Expr, size: Expr) -> bool:
    arguments, _ = SHARES[size.func]
    return any(_divided(product, argument) is not None for argument in arguments(*size.args))


def _with_cosines(product: Expr, size: Expr, power: Expr) -> Expr:
    """product·sizeⁿ for n < 0, as many arguments of the size as there are in the product made cosines."""
    cosines: list[Expr] = []
    arguments, share = SHARES[size.func]
    for argument in arguments(*size.args):
        while power and (left := _divided(product, argument)) is not None:
            product, power = left, power + 1
            cosines.append(share(argument, *size.args))
    node = Mul(product, *cosines, size**power)
    return directed(node) or node


def _divided(product: Expr, argument: Expr) -> Expr | None:
    """product/argument where the factors of the argument are some of the product's, numbers and signs aside."""
    present, needed = product.as_powers_dict(), argument.as_powers_dict()
    if all(base.is_number for base in needed):
        return None
    for base, power in needed.items():
        if (base.is_number and power.is_number) or _exceeds(present.get(base), power):
            product *= base**-power
        elif _exceeds(present.get(-base), power) and power.is_Integer:
            product *= (-1) ** power * (-base) ** -power
        else:
            return None
    return product


def _exceeds(found: Expr | None, power: Expr) -> bool:
    return found == power or (isinstance(found, Rational) and isinstance(power, Rational) and found >= power)
