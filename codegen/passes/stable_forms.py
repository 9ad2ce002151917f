"""Formulas that overflow or cancel in floating point, and the equal ones that do not: one rule a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sympy import Add, Expr, Integer, Mul, Pow, exp, log
from sympy.core.basic import Basic

from codegen.expression import postorder
from codegen.functions import expm1, log1p, log_sigmoid, log_sum_exp, sigmoid, softplus, stop_gradient


def stable(node: Basic) -> Basic | None:
    """The stable form of one node whose arguments are stable already; None if it is fine as it is."""
    rule = RULES.get(node.func)
    return None if rule is None else rule(node)


def is_reciprocal(node: Basic) -> bool:
    """Whether a node is 1/xⁿ."""
    return isinstance(node, Pow) and isinstance(node.exp, Integer) and node.exp.is_negative is True


def exponents(total: Basic) -> tuple[Expr, ...]:
    """The aᵢ of exp(a₁) + exp(a₂) + …, where a 1 counts as exp(0); none if there is another term.

    A sum that is shifted by its maximum already has none either.
    """
    terms = Add.make_args(total)
    if not all(term == 1 or isinstance(term, exp) for term in terms):
        return ()
    if any(isinstance(node, stop_gradient) for node in postorder(total)):
        return ()
    return tuple(Integer(0) if term == 1 else term.args[0] for term in terms)


def _log(node: log) -> Expr | None:
    (argument,) = node.args
    if isinstance(argument, Add):
        return _log_of_sum(argument)
    if isinstance(argument, sigmoid):
        return log_sigmoid(argument.args[0])
    if isinstance(argument, Pow) and argument.exp == -1:
        return -_stable_log(argument.base)
    if isinstance(argument, Mul):
        return _log_of_product(argument)
    return None


def _log_of_sum(argument: Add) -> Expr | None:
    """log(1 + exp(a)) = softplus(a), log(1 − σ(a)) = log σ(−a), log Σ exp(aᵢ), log(1 + x) = log1p(x)."""
    rest = argument - 1
    if isinstance(rest, exp):
        return softplus(rest.args[0])
    if powers := exponents(argument):
        return log_sum_exp(*powers)
    if isinstance(-rest, sigmoid):
        return log_sigmoid(-(-rest).args[0])
    return log1p(rest) if 1 in argument.args else None


def _log_of_product(argument: Mul) -> Expr | None:
    """log(exp(a)·x) = a + log(x): the exponential is positive, so x has the sign of the product."""
    powers = [factor.args[0] for factor in argument.args if isinstance(factor, exp)]
    if not powers:
        return None
    return Add(*powers, _stable_log(Mul(*[factor for factor in argument.args if not isinstance(factor, exp)])))


def _stable_log(argument: Expr) -> Expr:
    node = log(argument)
    replacement = stable(node)
    return node if replacement is None else replacement


def _log1p(node: log1p) -> Expr | None:
    """log(1 + exp(a)) and log(1 − σ(a)) again, where the 1 was taken out before."""
    (argument,) = node.args
    if isinstance(argument, exp):
        return softplus(argument.args[0])
    return log_sigmoid(-(-argument).args[0]) if isinstance(-argument, sigmoid) else None


def _reciprocal(node: Pow) -> Expr | None:
    """1/(1 + exp(a)) = σ(−a), and 1/Σ exp(aᵢ) = exp(−log Σ exp(aᵢ)), also to an integer power."""
    if not is_reciprocal(node) or not isinstance(node.base, Add):
        return None
    rest = node.base - 1
    if isinstance(rest, exp):
        return sigmoid(-rest.args[0]) ** -node.exp
    powers = exponents(node.base)
    return exp(node.exp * log_sum_exp(*powers)) if powers else None


def _product(node: Mul) -> Expr | None:
    """exp(a)·exp(b) = exp(a + b) where one of them is 1/Σ exp, and exp(k·a)·σ(−a)ᵏ = σ(a)ᵏ: 0·∞ otherwise."""
    powers = [factor for factor in node.args if isinstance(factor, exp)]
    if len(powers) > 1 and any(isinstance(n, log_sum_exp) for power in powers for n in postorder(power)):
        return merge_exponentials(node)
    for factor in powers:
        for other in node.args:
            base, power = other.as_base_exp()
            if isinstance(base, sigmoid) and isinstance(power, Integer):
                for k in range(1, int(power) + 1):
                    if factor.args[0] == -k * base.args[0]:
                        rest = [f for f in node.args if f is not factor and f is not other]
                        return Mul(sigmoid(-base.args[0]) ** k, base ** (power - k), *rest)
    return None


def merge_exponentials(node: Mul) -> Expr:
    """exp(a)·exp(b) = exp(a + b), which SymPy leaves alone."""
    powers = [factor.args[0] for factor in node.args if isinstance(factor, exp)]
    return Mul(exp(Add(*powers)), *[factor for factor in node.args if not isinstance(factor, exp)])


def _difference(node: Add) -> Expr | None:
    """exp(a) − 1 = expm1(a), and its negative."""
    if len(node.args) == 2 and node.args[0] == -1 and isinstance(node.args[1], exp):
        return expm1(node.args[1].args[0])
    if len(node.args) == 2 and node.args[0] == 1 and isinstance(-node.args[1], exp):
        return -expm1((-node.args[1]).args[0])
    return None


RULES: Mapping[type[Basic], Callable[..., Expr | None]] = {
    log: _log,
    log1p: _log1p,
    Pow: _reciprocal,
    Mul: _product,
    Add: _difference,
}
