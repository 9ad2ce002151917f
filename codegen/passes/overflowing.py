"""Products of what grows and what decays exponentially, as one exponential of all their exponents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sympy import Add, Expr, Integer, Mul, Rational, S, cosh, exp, sinh, tanh

from codegen.functions import bose, coth, csch, expm1, logistic, sech, sigmoid
from codegen.functions.ratios import NUMBERS, ROWS
from codegen.functions.scaled import COSH, SINH, Part, product_of, zeros_of

__all__ = ["DAMPED", "OVERFLOWING", "RATIOS", "SCALES", "VANISHING", "in_one_exponential"]


class Scale(NamedTuple):
    """f(x) = number·exp(share·x)·g(scale·x)ᵏ for cosh or sinh as g."""

    kind: int
    power: int = 1
    number: Expr = S.One
    share: Expr = S.Zero
    scale: Expr = S.One


HALF = Rational(1, 2)
OVERFLOWING: Mapping[type[Expr], Scale] = {
    cosh: Scale(COSH),
    sinh: Scale(SINH),
    expm1: Scale(SINH, 1, Integer(2), HALF, HALF),
}
DAMPED: Mapping[type[Expr], Scale] = {
    sech: Scale(COSH, -1),
    csch: Scale(SINH, -1),
    bose: Scale(SINH, -1, HALF, -HALF, HALF),
    **dict.fromkeys((sigmoid, logistic), Scale(COSH, -1, HALF, HALF, HALF)),
}
SCALES = {**OVERFLOWING, **DAMPED}
RATIOS: Mapping[type[Expr], int] = {tanh: 1, coth: -1}
"""Powers of sinh/cosh."""
VANISHING = frozenset({*RATIOS, *(function for function, number in NUMBERS.items() if ROWS[number].place == 0)})
"""Functions that are 0, or infinite, at 0 as x, or 1/x, is."""
ALONE: Mapping[tuple[int, bool], type[Expr]] = {
    (COSH, True): cosh,
    (SINH, True): sinh,
    (COSH, False): sech,
    (SINH, False): csch,
}
"""What a power is the power of, by whether it is positive."""

Power = tuple[Expr, Expr]
"""A base and its exponent."""


def in_one_exponential(node: Mul) -> Expr | None:
    """A product with factors that may be out of range where it is not.

    >>> from sympy import symbols
    >>> x = symbols("x", real=True)
    >>> in_one_exponential(exp(x) * sigmoid(-2 * x)), in_one_exponential(cosh(x) * sech(2 * x) ** 2)
    (sech(x)/2, exponential_product(0, 0, -2, 2*x, 0, 1, x))
    """
    scaled = {factor: power for factor in node.args if (power := _power_of_scale(factor)) is not None}
    growing = [factor for factor in node.args if isinstance(factor, exp)]
    exponent = Add(*[factor.args[0] for factor in growing])
    if not scaled or not _may_leave(list(scaled.values()), exponent):
        return None
    others = [factor for factor in node.args if factor not in scaled and factor not in growing]
    number = S.One
    parts: list[Part] = []
    for base, power in scaled.values():
        row, (x,) = SCALES[base.func], base.args
        number *= row.number**power
        exponent += power * row.share * x
        parts.append((row.kind, row.power * power, row.scale * x))
    zeros = zeros_of(parts).as_powers_dict()
    front = S.One
    for factor in others:
        base, power = factor.as_base_exp()
        k = RATIOS[base.func] * power if base.func in RATIOS and isinstance(power, Integer) else None
        zero = factor if base.func not in VANISHING else base.args[0] ** (power if k is None else k)
        if not any((zeros.get(b, S.Zero) * n).is_negative for b, n in zero.as_powers_dict().items()):
            number *= factor
        elif k is not None:
            parts += [(SINH, k, base.args[0]), (COSH, -k, base.args[0])]
        else:
            front *= factor
    return number * _settled(front, exponent, parts)


def _power_of_scale(factor: Expr) -> Power | None:
    base, power = factor.as_base_exp()
    if base.func not in SCALES or isinstance(factor, exp):
        return None
    is_positive = SCALES[base.func].kind == COSH
    return (base, power) if isinstance(power, Rational if is_positive else Integer) else None


def _may_leave(scaled: Sequence[Power], exponent: Expr) -> bool:
    """Whether a factor may be infinite where another one is 0; exp(a) may beside one of the same terms."""
    growing = [base for base, power in scaled if (base.func in OVERFLOWING) == bool(power.is_positive)]
    mixed = 0 < len(growing) < len(scaled)
    if exponent == 0 or mixed:
        return mixed
    terms = _terms([exponent])
    related = not terms.isdisjoint(_terms(base.args[0] for base, _ in scaled))
    return related or any(isinstance(base, (cosh, sinh)) for base in growing)


def _terms(totals: Iterable[Expr]) -> set[Expr]:
    return {term.as_coeff_Mul()[1] for total in totals for term in Add.make_args(total)} - {S.One}


def _settled(front: Expr, exponent: Expr, parts: Iterable[Part]) -> Expr:
    """A factor times the product of the powers of each function of each argument."""
    powers: dict[tuple[int, Expr], Expr] = {}
    number = S.One
    for kind, power, a in parts:
        if a.could_extract_minus_sign():
            a, number = -a, number * (-1) ** (power if kind == SINH else 0)
        powers[kind, a] = powers.get((kind, a), S.Zero) + power
    for kind, a in [*powers]:
        # sinh(a)·cosh(a) = sinh(2a)/2, whose rate is one.
        power, other = powers[kind, a], powers.get((COSH, a), S.Zero)
        if kind == SINH and power * other > 0:
            common = min(power, other, key=abs)
            powers[SINH, a], powers[COSH, a] = power - common, other - common
            powers[SINH, 2 * a] = powers.get((SINH, 2 * a), S.Zero) + common
            number /= 2**common
    left = [(kind, power, a) for (kind, a), power in powers.items() if power]
    if not left:
        return number * front * exp(exponent)
    if exponent == 0 and len(left) == 1:
        ((kind, power, a),) = left
        return number * front * ALONE[kind, bool(power.is_positive)](a) ** abs(power)
    return number * product_of(front, exponent, left)
