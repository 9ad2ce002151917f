"""Logarithms of products of powers, which are out of range far earlier than the logarithm is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import gcd, lcm

from sympy import Expr, Float, Integer, Mul, Rational, S, log

from codegen.functions.kinks import stop_gradient
from codegen.functions.large_numbers import log_of_size, may_be_negative, sign_of_powers
from codegen.functions.smooth import power

__all__ = ["Power", "is_long", "log_of_powers", "logarithms"]

MOST = 3
"""A product of so many factors has one logarithm, which beside 0 has digits that a sum of several loses."""

Power = tuple[Expr, Expr]
"""A base and its exponent."""
Logarithm = Callable[[Expr], Expr]


def log_of_powers(argument: Expr, logarithm: Logarithm = log) -> Sequence[Expr] | None:
    """The terms of log(c·Π bᵢ^nᵢ) = log c + g·log |Π bᵢ^(nᵢ/g)|, and log c + Σ nᵢ·log |bᵢ| of long products.

    Where the product is negative it is nan. None of what has no better form.

    >>> from sympy import symbols
    >>> x, y = symbols("x y", real=True)
    >>> log_of_powers(x**6 * y**3), log_of_powers(2 * x**4 / y**4), log_of_powers(x * y)
    ([3*log(x**2*y)], [log(2), 4*log_size(x/y)], None)
    >>> log_of_powers(x**25 * y**36)
    [25*log(x), 36*log_size(y)]
    """
    powers = [_power(factor) for factor in Mul.make_args(argument)]
    number = Mul(*[base**n for base, n in powers if base.is_number and n.is_number])
    varying = [(base, n) for base, n in powers if not (base.is_number and n.is_number)]
    common = _common([n for _, n in varying])
    if number.is_zero is not False or not varying:
        return None
    if common is not None and _is_short([n / common for _, n in varying]):
        if common == 1 or not (common.is_Integer or len(varying) == 1):
            return None
        varying = [(Mul(*[base ** (n / common) for base, n in varying]), common)]
    constant = [] if number in (1, -1) else [log(abs(number))]
    return [*constant, *logarithms(varying, logarithm, S.NegativeOne if number.is_negative else S.One)]


def is_long(product: Expr) -> bool:
    """Whether a product has so many equal factors that its logarithm is a sum."""
    powers = [_power(factor) for factor in Mul.make_args(product) if not factor.is_number]
    return any(n.is_number and abs(n) > MOST for _, n in powers)


def logarithms(powers: Sequence[Power], logarithm: Logarithm = log, sense: Expr = S.One) -> Sequence[Expr]:
    """The terms of log(±Π bᵢ^nᵢ) of a sense 1 or −1."""
    signed = [(base, n) for base, n in powers if may_be_negative(base, n)]
    if len(signed) == 1 and signed[0][1].is_Integer:
        (base, n) = signed[0]
        rest = [log_of_size(*one, logarithm) for one in powers if one != signed[0]]
        return [n * logarithm(sense * base), *rest]
    sizes = [log_of_size(base, n, logarithm) for base, n in powers]
    # 0 or nan, with no derivative.
    return [*sizes, stop_gradient(log(sense * sign_of_powers(signed)))] if signed or sense != 1 else sizes


def _power(factor: Expr) -> Power:
    base, n = factor.args if isinstance(factor, power) else factor.as_base_exp()
    if isinstance(n, Float) and n == int(n):
        n = Integer(int(n))
    return (factor, S.One) if base.is_number and base.is_positive is not True else (base, n)


def _common(exponents: Iterable[Expr]) -> Expr | None:
    """The greatest number that all exponents are multiples of, negative if they are; None if one is a symbol."""
    exponents = list(exponents)
    if not exponents or not all(isinstance(n, Rational) for n in exponents):
        return None
    sense = -1 if all(n.is_negative for n in exponents) else 1
    return sense * Rational(gcd(*[n.p for n in exponents]), lcm(*[n.q for n in exponents]))


def _is_short(counts: Sequence[Expr]) -> bool:
    return all(abs(n) == 1 for n in counts) or sum(map(abs, counts)) <= MOST
