"""Numbers as they are written: exact, as a fraction or as the decimal number that somebody wrote."""

from __future__ import annotations

from collections.abc import Sequence

import mpmath
from sympy import Float, Rational, multiplicity
from sympy.core.basic import Basic

from codegen.notation.script import Binding, Factor, Quotient, Rank, Script

DECIMAL = 12
"""Up to this many characters an exact decimal number is easier to read than the fraction."""
EXACT_BITS = 1_000
"""Integers with more bits are written in powers of ten."""


def rational(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    """p/q as a quotient, so that a product takes p above its bar and q below; 1 is a product of nothing."""
    assert isinstance(node, Rational)
    if (decimal := _decimal(node)) is not None:
        return Quotient((Factor(script.digits(decimal), rank=Rank.NUMBER),), (), bool(node < 0))
    parts = [(_integer(script, abs(int(n))),) if abs(n) != 1 else () for n in (node.p, node.q)]
    return Quotient(parts[0], parts[1], bool(node < 0))


def _integer(script: Script, value: int) -> Factor:
    if value.bit_length() <= EXACT_BITS:
        return Factor(script.digits(str(value)), rank=Rank.NUMBER)
    return _from_digits(script, mpmath.nstr(mpmath.mpf(value), 7))


def _decimal(value: Rational) -> str | None:
    """An exact decimal number for fractions whose denominator has a factor 5, as 1/100 was written 0.01."""
    twos, fives = multiplicity(2, value.q), multiplicity(5, value.q)
    places = max(twos, fives)
    if not fives or places > DECIMAL or value.q != 2**twos * 5**fives or int(value.p).bit_length() > EXACT_BITS:
        return None
    digits = str(abs(int(value.p)) * 10**places // int(value.q)).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}"
    return text if len(text) <= DECIMAL else None


def floating(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    """A floating-point number in the fewest digits that stand for it."""
    assert isinstance(node, Float)
    size = abs(node)
    text = repr(float(size)) if node._prec <= 53 and 0 < abs(float(size)) < float("inf") else str(size)
    return Quotient((_from_digits(script, text.removesuffix(".0")),), (), bool(node < 0))


def _from_digits(script: Script, text: str) -> Factor:
    mantissa, e, exponent = text.partition("e")
    if not e:
        return Factor(script.digits(text), rank=Rank.NUMBER)
    written = script.scientific(mantissa.removesuffix(".0"), int(exponent))
    return Factor(written, Binding.PRODUCT, Rank.NUMBER)
