"""Special functions: those of SymPy that are let in as they are, and those whose derivatives need a form of their own.

Each family is closed under differentiation: a Bessel function has those of the neighbouring orders as its derivative,
log Γ the polygamma functions, sinc the spherical Bessel functions. By an order there is no derivative; by the first
argument of an incomplete gamma function there is one, and none of that by it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import sympy
from sympy import Expr, Integer, gamma
from sympy.core.basic import Basic

from codegen.functions.borrowed import BORROWED
from codegen.functions.cylindrical import Bessel, besseli, besselj, besselk, bessely, scaled_bessel
from codegen.functions.gammas import (
    beta,
    beta_crossing,
    binomial,
    binomial_crossing,
    reciprocal_gamma,
    reciprocal_gamma_crossing,
    regular_digamma,
    regularised_gamma_slope,
    regularised_lower_gamma,
    regularised_upper_gamma,
)
from codegen.functions.incomplete import generalised_exponential_integral, incomplete_gamma, upper_gamma
from codegen.functions.integrals import (
    exponential_integral,
    hyperbolic_sine_integral,
    modified_spherical_bessel,
    sinc,
    sine_integral,
    spherical_bessel,
)
from codegen.functions.lambert import lambert_w, lower_lambert_w, share_of_odds, wright_omega
from codegen.walk import rewrite

__all__ = [
    "CANONICAL",
    "ORDERS",
    "SYMPY_FUNCTIONS",
    "WRITTEN",
    "Bessel",
    "as_written",
    "besseli",
    "besselj",
    "besselk",
    "bessely",
    "beta",
    "beta_crossing",
    "binomial",
    "binomial_crossing",
    "exponential_integral",
    "generalised_exponential_integral",
    "hyperbolic_sine_integral",
    "lambert_w",
    "lower_lambert_w",
    "modified_spherical_bessel",
    "reciprocal_gamma",
    "reciprocal_gamma_crossing",
    "regular_digamma",
    "regularised_gamma_slope",
    "regularised_lower_gamma",
    "regularised_upper_gamma",
    "scaled_bessel",
    "share_of_odds",
    "sinc",
    "sine_integral",
    "spherical_bessel",
    "upper_gamma",
    "wright_omega",
    "written_name",
]

SYMPY_FUNCTIONS = tuple(kind for kind, row in BORROWED.items() if row.calls is not None)
"""SymPy's own, whose derivatives are right as they are."""
TWINS: Mapping[type[Basic], type[Expr]] = {
    sympy.beta: beta,
    sympy.binomial: binomial,
    sympy.sinc: sinc,
    sympy.jn: spherical_bessel,
    sympy.besselj: besselj,
    sympy.bessely: bessely,
    sympy.besseli: besseli,
    sympy.besselk: besselk,
    sympy.Ei: exponential_integral,
    sympy.Si: sine_integral,
    sympy.Shi: hyperbolic_sine_integral,
}
"""SymPy's functions, and ours of the same arguments."""
#: Functions that are rewritten on entry.
CANONICAL: Mapping[type[Basic], Callable[..., Expr]] = {
    **TWINS,
    sympy.digamma: lambda x: sympy.polygamma(0, x),
    sympy.trigamma: lambda x: sympy.polygamma(1, x),
    sympy.factorial: lambda x: gamma(x + 1),
    sympy.LambertW: lambda x, branch=0: (lower_lambert_w if branch == -1 else lambert_w)(x),
    sympy.lowergamma: partial(incomplete_gamma, regularised_lower_gamma),
    sympy.uppergamma: partial(incomplete_gamma, regularised_upper_gamma),
}
WRITTEN: Mapping[type[Basic], Callable[..., Expr]] = {
    **{ours: theirs for theirs, ours in TWINS.items()},
    reciprocal_gamma: lambda x: 1 / gamma(x),
    generalised_exponential_integral: sympy.expint,
    upper_gamma: lambda a, x: sympy.uppergamma(a, x, evaluate=False),
    lambert_w: sympy.LambertW,
    lower_lambert_w: lambda x: sympy.LambertW(x, -1),
    regularised_lower_gamma: lambda a, x: sympy.lowergamma(a, x, evaluate=False) / gamma(a),
    regularised_upper_gamma: lambda a, x: sympy.uppergamma(a, x, evaluate=False) / gamma(a),
}
"""How a user writes a function that was rewritten on entry, for messages."""


def as_written(expression: Expr) -> Expr:
    """An expression with SymPy's functions in place of those that they were rewritten to.

    >>> a, x = sympy.symbols("a x", positive=True)
    >>> as_written(gamma(a) * regularised_lower_gamma(a, x) + lower_lambert_w(x))
    LambertW(x, -1) + lowergamma(a, x)
    """
    return rewrite(expression, lambda node: WRITTEN[node.func](*node.args) if node.func in WRITTEN else None)


def written_name(node: Basic) -> str:
    """What a user called the function that a node applies.

    >>> a, x = sympy.symbols("a x", positive=True)
    >>> written_name(regularised_lower_gamma(a, x)), written_name(sinc(x))
    ('lowergamma', 'sinc')
    """
    if type(node) not in WRITTEN:
        return type(node).__name__
    arguments = [a if a.is_number else sympy.Dummy(positive=True) for a in node.args]
    # A formula is over the function and what scales it, which has fewer arguments.
    applied = WRITTEN[type(node)](*arguments).atoms(sympy.Function)
    return max((len(part.args), type(part).__name__) for part in applied)[1]


class Order(NamedTuple):
    """An argument that has to be a number, mostly a whole one, and which."""

    argument: int
    noun: str
    least: int
    largest: float = math.inf
    has_other_form: bool = True
    """Whether another form may have it. That of expint, by Γ(1 − n, x), has poles at whole n."""
    whole: bool = True

    def fault(self, node: Basic) -> str | None:
        """What is wrong with a function of this kind, for a message."""
        found = node.args[self.argument] if len(node.args) > self.argument else Integer(0)
        if not self.whole:
            return None if found.is_number else f"{type(node).__name__} of {self.noun} {found}, expected a number"
        if isinstance(found, Integer) and self.least <= int(found) <= self.largest:
            return None
        expected = f"{self.least} to {self.largest}" if self.largest < math.inf else f"a whole number from {self.least}"
        return f"{type(node).__name__} of {self.noun} {found}, expected {expected}"


ORDERS: Mapping[type[Basic], Order] = {
    **{
        kind: Order(0, "order", 0)
        for kind in (sympy.polygamma, sympy.jn, spherical_bessel, modified_spherical_bessel, scaled_bessel)
    },
    sympy.expint: Order(0, "order", 1, has_other_form=False, whole=False),
    sympy.LambertW: Order(1, "branch", -1, 0),
}
"""Functions with an argument that is a number known before anything is compiled."""
