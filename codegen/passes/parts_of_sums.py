"""A term of a sum divided by the sum: curves of Michaelis and Menten and of Hill, and logistic ones of a power."""

from __future__ import annotations

from sympy import Add, Expr, Mul, Pow, Rational, S
from sympy.core.basic import Basic

from codegen.cached import once
from codegen.functions import power
from codegen.functions.smooth import part_of_sum
from codegen.ir.equation import Equation
from codegen.walk import is_reference, postorder, rewrite

TERMS = 4
"""Up to so many terms: n parts of a sum of n, with the rest of it for each, would be n² operations."""


def with_parts_of_sums(equation: Equation) -> Equation:
    """An equation with its parts of sums as functions, after all other forms: what is one has lost its quotient."""
    return equation.with_body(rewrite(equation.body, _part_of_sum)) if _divides_by_sum(equation) else equation


@once
def _divides_by_sum(equation: Equation) -> bool:
    return any(isinstance(n, Pow) and n.exp == -1 and isinstance(n.base, Add) for n in postorder(equation.body))


def _part_of_sum(node: Basic) -> Expr | None:
    if isinstance(node, Mul):
        return divided(node)
    return complemented_power(node) if isinstance(node, Pow) else None


def divided(product: Mul) -> Expr | None:
    """c·u/(u + v) as c times that part.

    >>> from sympy import symbols
    >>> a, x, y = symbols("a x y", real=True)
    >>> divided(a * x / (2 * x + y))
    a*part_of_sum(2*x, y)/2
    """
    for factor in product.args:
        total, exponent = factor.as_base_exp()
        if exponent == -1 and isinstance(total, Add) and len(total.args) <= TERMS:
            above = Mul(*[other for other in product.args if other is not factor])
            for term in total.args:
                number, varying = term.as_coeff_Mul()
                if varying != 1 and _divides(varying, above):
                    rest = Add(*[other for other in total.args if other is not term])
                    return above / varying / number * part_of_sum(term, rest)
    return None


def complemented_power(reciprocal: Pow) -> Expr | None:
    """1/(1 + xᵃ) as the part that 1 is, of which the complement is that of the power.

    >>> from sympy import symbols
    >>> a, x = symbols("a x", real=True)
    >>> complemented_power(1 / (1 + power(x, a)))
    part_of_sum(1, power(x, a))
    """
    total, exponent = reciprocal.args
    if exponent != -1 or not isinstance(total, Add) or len(total.args) != 2 or S.One not in total.args:
        return None
    (rest,) = [term for term in total.args if term != 1]
    return part_of_sum(S.One, rest) if any(isinstance(factor, power) for factor in Mul.make_args(rest)) else None


def _divides(term: Expr, product: Expr) -> bool:
    """Whether a term is a product of powers of variables, and these are factors of another one too, as large at least.

    What grows exponentially has forms of its own.
    """
    present, own = product.as_powers_dict(), term.as_powers_dict()
    plain = all(is_reference(base) or isinstance(base, power) for base in own)
    return plain and all(_is_part(exponent, present.get(base)) for base, exponent in own.items())


def _is_part(exponent: Expr, found: Expr | None) -> bool:
    if exponent == found:
        return True
    return isinstance(exponent, Rational) and isinstance(found, Rational) and bool(found / exponent >= 1)
