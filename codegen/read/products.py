"""Products of a symbolic number of factors, out of sums alone: ∏ f = e(zeros)·(−1)^(negative factors)·exp(Σ log|f|).

The logarithm goes over the factors that are not 0. Those that are 0 are multiplied as polynomials: where m of them are,
their product is the elementary symmetric polynomial e_m of all that are, which has the value 0 and the right
derivatives, and by Newton's identities is made of their power sums. So no derivative is divided by a factor, and none
is lost at zeros.
"""

from __future__ import annotations

from collections.abc import Callable

from sympy import Add, Eq, Expr, Integer, Mul, Piecewise, cos, exp, log, pi

from codegen.functions import absolute, step

ZEROS = 4
"""Derivatives of up to this order are right where factors are 0: of more of them, each product has a zero left."""


def product(factor: Expr, total: Callable[[Expr], Expr]) -> Expr:
    """The product of a factor over indices, given the sum over them."""
    zero = Eq(factor, 0)
    powers = [total(Piecewise((factor**m, zero), (Integer(0), True))) for m in range(1, ZEROS + 1)]
    vanishing = total(Piecewise((Integer(1), zero), (Integer(0), True)))
    negative = total(step(-factor))
    logarithm = total(Piecewise((Integer(0), zero), (log(absolute(factor)), True)))
    cases = [(polynomial, Eq(vanishing, m)) for m, polynomial in enumerate(elementary(powers))]
    return Mul(Piecewise(*cases, (Integer(0), True)), cos(pi * negative), exp(logarithm))


def elementary(powers: list[Expr]) -> list[Expr]:
    """The elementary symmetric polynomials e₀, e₁, … by the power sums p₁, p₂, …: m·e_m = Σ_k (−1)^(k−1)·e_(m−k)·p_k.

    >>> from sympy import symbols
    >>> elementary(list(symbols("p1 p2")))
    [1, p1, p1**2/2 - p2/2]
    """
    found: list[Expr] = [Integer(1)]
    for m in range(1, len(powers) + 1):
        terms = [(-1) ** (k - 1) * found[m - k] * powers[k - 1] for k in range(1, m + 1)]
        found.append((Add(*terms) / m).expand())
    return found
