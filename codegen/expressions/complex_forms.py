"""Real expressions that SymPy writes with I: with all symbols real, the imaginary part is worked out to be 0."""

from __future__ import annotations

import sympy
from sympy import Dummy, Expr
from sympy.core.basic import Basic
from sympy.core.numbers import ImaginaryUnit

from codegen.expression import is_leaf, postorder, substitute
from codegen.expressions.admission import OPAQUE, is_opaque

COMPLEX = (ImaginaryUnit, sympy.re, sympy.im, sympy.conjugate)
SIZE = 300
"""An expression with more nodes is left as it is: products of sums in I grow exponentially when multiplied out."""


def made_real(expression: Expr) -> Expr:
    """The expression without I, if real symbols make it real; else the expression itself.

    >>> a, b = sympy.symbols("a b")
    >>> made_real(sympy.re(sympy.exp(sympy.I * a))), made_real((a + sympy.I * b) * (a - sympy.I * b))
    (cos(a), a**2 + b**2)
    """
    nodes = [node for node, _ in zip(postorder(expression, is_opaque), range(SIZE + 1))]
    if len(nodes) > SIZE or not any(isinstance(node, COMPLEX) for node in nodes):
        return expression
    # What has variables of its own would lose them.
    if any(isinstance(node, OPAQUE) or (is_opaque(node) and not is_leaf(node)) for node in nodes):
        return expression
    leaves = [node for node in nodes if is_leaf(node) and not node.is_number and isinstance(node, Expr)]
    real: dict[Basic, Basic] = {leaf: Dummy(f"r{number}", real=True) for number, leaf in enumerate(leaves)}
    found, imaginary = substitute(expression, real).as_real_imag()
    if sympy.expand(imaginary) != 0 or any(isinstance(node, COMPLEX) for node in postorder(found)):
        return expression
    return substitute(sympy.expand(found, trig=False), {new: old for old, new in real.items()})
