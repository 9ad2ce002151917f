"""What is not let in as it stands but says the same as something that is: derivatives to take, other functions.

A function is looked at alone, its arguments held by symbols, so that the work does not depend on what they are; the
answer for each function is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial

import sympy
from sympy import Derivative, Dummy, Expr, Subs
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.functions.elementary.miscellaneous import MinMaxBase, Rem

from codegen.functions import SUPPORTED
from codegen.functions.large_numbers import has_large_number, without_large_number
from codegen.functions.special import ORDERS
from codegen.ir.constants import faulty_constant
from codegen.read.admission import REDUCTIONS, is_opaque
from codegen.walk import annotate, is_leaf, postorder, rebuild, substitute


def _own(node: Expr) -> Expr:
    """A form that SymPy does not have."""
    return _OWN[type(node)](*node.args) if type(node) in _OWN else node


def _hurwitz(s: Expr, a: Expr = sympy.S.One) -> Expr:
    """ζ(s, a) for whole s > 1."""
    if not (isinstance(s, sympy.Integer) and s > 1):
        raise NotImplementedError
    return (-1) ** s * sympy.polygamma(s - 1, a) / sympy.factorial(s - 1)


def _remainder(x: Expr, y: Expr) -> Expr:
    """What is left of x/y, with the sign of x."""
    return sympy.Piecewise((sympy.Mod(x, abs(y)), x >= 0), (-sympy.Mod(-x, abs(y)), True))


def _rising(x: Expr, k: Expr) -> Expr:
    """Γ(x + k)/Γ(x); where the numerator has a pole, k and x are whole, (−1)ᵏ·Γ(1 − x)/Γ(1 − x − k)."""
    turned = (-1) ** k * sympy.gamma(1 - x) / sympy.gamma(1 - x - k)
    at_pole = sympy.And(x + k <= 0, sympy.Eq(x + k, sympy.floor(x + k)))
    return sympy.Piecewise((turned, at_pole), (sympy.gamma(x + k) / sympy.gamma(x), True))


_OWN: Mapping[type[Basic], Callable[..., Expr]] = {
    sympy.zeta: _hurwitz,
    sympy.Li: lambda x: sympy.Ei(sympy.log(x)) - sympy.Ei(sympy.log(2)),
    sympy.erf2inv: lambda x, y: sympy.erfinv(sympy.erf(x) + y),
    Rem: _remainder,
    sympy.RisingFactorial: _rising,
    sympy.FallingFactorial: lambda x, k: _rising(x - k + 1, k),
}
FORMS: tuple[Callable[[Expr], Expr], ...] = (
    _own,
    *(
        partial(lambda target, node: node.rewrite(target), target)
        for target in (
            sympy.exp, sympy.cos, sympy.gamma, sympy.polygamma, sympy.erf, sympy.erfinv, sympy.Ei, sympy.uppergamma,
            sympy.Piecewise,
        )
    ),
    sympy.expand_func,
)  # fmt: skip
"""What a function is rewritten to: the first that consists of functions which are let in."""
CARRIED_OUT = 500
"""The largest expression whose derivative is taken, in nodes as a tree: SymPy walks a shared part once for each use."""


def rewritten(expression: Expr) -> Expr:
    """The expression with what can be rewritten; the same object if there is nothing.

    >>> from sympy import Derivative, erf2, symbols
    >>> x, y = symbols("x y", real=True)
    >>> rewritten(Derivative(x**2, x) + erf2(x, y))
    2*x - erf(x) + erf(y)
    """
    if not any(_is_foreign(n) or _is_bound_by_infinity(n) or has_large_number(n) for n in _nodes(expression)):
        return expression

    def stop(node: Basic) -> bool:
        return is_opaque(node) or isinstance(node, (Derivative, Subs))

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        if isinstance(node, REDUCTIONS):
            return node.func(rewritten(node.function), *node.limits)
        if isinstance(node, (Derivative, Subs)):
            return _carried_out(node)
        if is_opaque(node):
            return node
        node = rebuild(node, arguments)
        if _is_bound_by_infinity(node):
            return _without_infinity(node)
        if has_large_number(node):
            return without_large_number(node) or node
        return _other_form(node) if _is_foreign(node) else node

    return annotate(expression, step, stop)[id(expression)]


def _nodes(expression: Expr) -> Iterator[Basic]:
    for node in postorder(expression, is_opaque):
        yield node
        if isinstance(node, REDUCTIONS):
            yield from _nodes(node.function)


def _is_foreign(node: Basic) -> bool:
    """Whether a node may have another form."""
    kind = type(node)
    foreign = _is_foreign_kind(kind)  # type: ignore[arg-type]  # mypy takes classes of SymPy for unhashable
    if kind not in ORDERS or ORDERS[kind].fault(node) is None:
        return foreign
    return foreign or ORDERS[kind].has_other_form


INFINITE = (sympy.oo, -sympy.oo)


def _is_bound_by_infinity(node: Basic) -> bool:
    """Whether values are compared with ±∞, by a relation or as the larger or smaller one, among which there is none."""
    if not isinstance(node, (Relational, MinMaxBase)):
        return False
    others = [argument for argument in node.args if argument not in INFINITE]
    return 0 < len(others) < len(node.args) and not any(
        part in INFINITE for other in others for part in postorder(other)
    )


def _without_infinity(node: Basic) -> Basic:
    """What it says of real numbers, which SymPy knows of real symbols only.

    >>> _without_infinity(sympy.Symbol("x") < sympy.oo)
    True
    """
    values = {Dummy(f"x{n}", real=True): a for n, a in enumerate(node.args) if a not in INFINITE}
    stands_for = {argument: dummy for dummy, argument in values.items()}
    return substitute(node.func(*(stands_for.get(argument, argument) for argument in node.args)), values)


@lru_cache(maxsize=4096)
def _is_foreign_kind(kind: type[Basic]) -> bool:
    if issubclass(kind, (Derivative, Subs)):
        return True
    return issubclass(kind, sympy.Function) and not issubclass(kind, (AppliedUndef, *SUPPORTED))


def _carried_out(node: Expr) -> Expr:
    size = annotate(node, lambda _, sizes: 1 + sum(sizes))[id(node)]
    found = node if size > CARRIED_OUT else node.doit()
    return found if isinstance(found, (Derivative, Subs)) else rewritten(found)


def _other_form(node: Expr) -> Expr:
    if not all(isinstance(argument, Expr) for argument in node.args):
        return node
    found = _form(node.func, tuple(argument if argument.is_number else None for argument in node.args))
    if found is None:
        return node
    expression, symbols = found
    return substitute(expression, {s: a for s, a in zip(symbols, node.args) if not a.is_number})


@lru_cache(maxsize=1024)
def _form(kind: type[Expr], numbers: tuple[Expr | None, ...]) -> tuple[Expr, tuple[Dummy, ...]] | None:
    """A function of symbols, except for some arguments that are numbers, in another form."""
    symbols = tuple(Dummy(f"x{n}", real=True) for n in range(len(numbers)))
    node = kind(*(symbol if number is None else number for symbol, number in zip(symbols, numbers)))
    for form in FORMS:
        try:
            found = form(node)
        except (NotImplementedError, TypeError, ValueError, AttributeError):
            continue  # SymPy's answer where a function does not have the form
        # What an argument is must stay in sight: im(x) is 0 of a real x, but the argument may be I·y.
        kept = all(symbol in found.free_symbols for symbol, number in zip(symbols, numbers) if number is None)
        if kept and _is_let_in(found):
            return found, symbols
    return None


def _is_complex(node: Basic) -> bool:
    """Whether it is an incomplete gamma function from a number below 0, as the subfactorial is of Γ(x + 1, −1)."""
    return isinstance(node, (sympy.lowergamma, sympy.uppergamma)) and bool(node.args[1].is_negative)


def _is_let_in(expression: Expr) -> bool:
    nodes = [node for node in postorder(expression) if not is_leaf(node)]
    known = all(isinstance(node, SUPPORTED) and not _is_foreign(node) and not _is_complex(node) for node in nodes)
    return known and faulty_constant(expression) is None
