"""Functions of time as variables, as equations of motion have them: q(t) is q, its derivatives are q_t and q_tt.

To a formula they are independent: the derivative by q keeps q_t, as in Lagrange's equations.
"""

from __future__ import annotations

from sympy import Derivative, Symbol
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef


def is_motion(node: object) -> bool:
    """Whether this is an undefined function of symbols, such as q(t), or a derivative of one.

    >>> from sympy import Function
    >>> q, t = Function("q"), Symbol("t")
    >>> is_motion(q(t)), is_motion(q(t).diff(t, 2)), is_motion(q(t - 1)), is_motion(Derivative(q(t) ** 2, t))
    (True, True, False, False)
    """
    if isinstance(node, Derivative):
        return isinstance(node.expr, AppliedUndef) and is_motion(node.expr) and all(n.is_Integer for _, n in _by(node))
    return isinstance(node, AppliedUndef) and all(isinstance(argument, Symbol) for argument in node.args)


def motion_name(node: Basic) -> str:
    """The name of the variable: what is differentiated by follows a line, letters side by side, words with lines.

    >>> from sympy import Function
    >>> q, t, tau = Function("q1"), Symbol("t"), Symbol("tau")
    >>> motion_name(q(t)), motion_name(q(t).diff(t, 2)), motion_name(q(tau).diff(tau, 2))
    ('q1', 'q1_tt', 'q1_tau_tau')
    """
    if not isinstance(node, Derivative):
        return str(node.func.__name__)
    names = [str(symbol.name) for symbol, n in _by(node) for _ in range(int(n))]
    between = "" if all(len(name) == 1 for name in names) else "_"
    return f"{motion_name(node.expr)}_{between.join(names)}"


def _by(node: Derivative) -> list[tuple[Symbol, Basic]]:
    return [(symbol, n) for symbol, n in node.variable_count]
