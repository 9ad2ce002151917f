"""What to write instead of a construct that is not let in, where there is something."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef

from codegen.walk import postorder

_CARRY_OUT = "carry it out with doit()"
_QUADRATURE = "write its integral as a Sum over the points of a quadrature"
_NUMBERS = "it has a value where its arguments are numbers"
_DEGREE = "with a number as its degree it is a polynomial"
_NO_FORM = "no functions that are let in have its value"

SUGGESTIONS: Mapping[str, str] = {
    "Integral": f"{_CARRY_OUT}, or write a Sum over the points of a quadrature",
    "Limit": _CARRY_OUT,
    "Derivative": f"{_CARRY_OUT}, or make it an input",
    "Subs": _CARRY_OUT,
    "DiracDelta": "write a narrow normal density, exp(-(x/w)**2/2)/(w*sqrt(2*pi))",
    "SingularityFunction": "write Piecewise(((x - a)**n, x > a), (0, True))",
    "zeta": "it is let in as zeta(s, x) for a whole number s > 1; for s > 1 it is the Sum of 1/k**s over k from 1",
    "dirichlet_eta": "for s > 0 it is the Sum of (-1)**(k - 1)/k**s over k from 1",
    "polylog": "for |z| < 1 it is the Sum of z**k/k**s over k from 1",
    "lerchphi": "for |z| < 1 it is the Sum of z**k/(k + a)**s over k from 0",
    "hyper": "hyperexpand may write it in functions that are let in",
    "meijerg": "hyperexpand may write it in functions that are let in",
    "elliptic_k": f"{_QUADRATURE}, pi/2/n*Sum(1/sqrt(1 - m*sin(pi*(k + 1/2)/(2*n))**2), (k, 0, n - 1))",
    "elliptic_e": f"{_QUADRATURE}, as pi/2/n*Sum(sqrt(1 - m*sin(pi*(k + 1/2)/(2*n))**2), (k, 0, n - 1))",
    "elliptic_f": _QUADRATURE,
    "elliptic_pi": _QUADRATURE,
    "hankel1": "its real part is besselj(n, x), its imaginary part bessely(n, x)",
    "hankel2": "its real part is besselj(n, x), its imaginary part -bessely(n, x)",
    "hn1": "its real part is jn(n, x), its imaginary part yn(n, x)",
    "hn2": "its real part is jn(n, x), its imaginary part -yn(n, x)",
    "yn": "with a whole number as its order it is let in, as is sqrt(pi/(2*x))*bessely(n + 1/2, x)",
    "Ynm": "expand(func=True) writes it out where its degrees are numbers",
    "Znm": "expand(func=True) writes it out where its degrees are numbers",
    "assoc_legendre": "with numbers as its degrees it is written out",
    "arg": "the angle of the point (x, y) is atan2(y, x)",
    "subfactorial": _NUMBERS,
    "Order": "take it away with removeO()",
    "ComplexRootOf": "evaluate it with evalf()",
    "RandomSymbol": "make it an input",
}
"""By the name of the class."""

_OPERATIONS = (sympy.Integral, sympy.Limit, sympy.Derivative, sympy.Subs)
"""What can be carried out on a formula."""

_OF_A_KIND: Mapping[str, str] = {
    "sympy.functions.combinatorial.numbers": _NUMBERS,
    "sympy.functions.special.tensor_functions": _NUMBERS,
    "sympy.functions.special.polynomials": _DEGREE,
    "sympy.functions": _NO_FORM,
}
"""By the module in which SymPy has it, the narrower ones first."""


def suggestion(node: Basic) -> str:
    """The end of a message about a node: what to write instead, or that there is nothing; empty where that is clear.

    >>> x = sympy.Symbol("x")
    >>> suggestion(sympy.arg(x)), suggestion(sympy.fibonacci(x))
    ('; the angle of the point (x, y) is atan2(y, x)', '; it has a value where its arguments are numbers')
    """
    kind = type(node)
    if isinstance(node, _OPERATIONS):
        undefined = next((type(part).__name__ for part in postorder(node) if isinstance(part, AppliedUndef)), None)
        if undefined is not None:
            return f"; it is of the undefined function {undefined}: write its formula instead"
    found = SUGGESTIONS.get(kind.__name__)
    if found is None and isinstance(node, sympy.Function):
        found = next((text for module, text in _OF_A_KIND.items() if str(kind.__module__).startswith(module)), None)
    return f"; {found}" if found else ""
