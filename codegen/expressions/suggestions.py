"""What to write instead of a construct that is not let in, where there is something."""

from __future__ import annotations

from collections.abc import Mapping

from sympy.core.basic import Basic

_CARRY_OUT = "carry it out with doit()"

SUGGESTIONS: Mapping[str, str] = {
    "Integral": f"{_CARRY_OUT}, or write a Sum over the points of a quadrature",
    "Limit": _CARRY_OUT,
    "Derivative": f"{_CARRY_OUT}, or make it an input",
    "Subs": _CARRY_OUT,
    "DiracDelta": "write a narrow normal density, exp(-(x/w)**2/2)/(w*sqrt(2*pi))",
    "zeta": "for a whole s > 1, zeta(s, x) is (-1)**s*polygamma(s - 1, x)/factorial(s - 1)",
    "arg": "the angle of the point (x, y) is atan2(y, x)",
    "Order": "take it away with removeO()",
    "ComplexRootOf": "evaluate it with evalf()",
    "RandomSymbol": "make it an input",
}
"""By the name of the class."""


def suggestion(node: Basic) -> str:
    """The end of a message about a node: what to write instead, or nothing."""
    found = SUGGESTIONS.get(type(node).__name__)
    return f"; {found}" if found else ""
