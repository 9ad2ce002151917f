"""What the equations of a residual are written in: inputs, unknown functions of them, and derivatives.

In a text derivatives are names: ``u_xx`` is ∂²u/∂x². In SymPy they are ``Derivative(u(x, t), x, 2)``. Both become an
expression over one real symbol a name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from sympy import Derivative, Eq, Expr, Symbol, sympify
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef
from sympy.logic.boolalg import BooleanAtom

from codegen.equation import BINDERS
from codegen.errors import GraphError
from codegen.expression import postorder, replace
from codegen.expressions.admission import check
from symnn.errors import SpecError
from symnn.formula import FUNCTIONS, parse_formula
from symnn.suggest import quote, unknown

MAX_ORDER = 4
"""The highest order of a derivative."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_RESERVED = frozenset({"pi", *FUNCTIONS})


@dataclass(frozen=True)
class Language:
    """The names that an equation may use: ``inputs``, ``unknowns`` and the derivatives of these by those.

    >>> language = Language(("x", "t"), ("u",))
    >>> language.parse("u_t + u*u_x - u_xx/100", "interior")
    u*u_x + u_t - u_xx/100
    >>> from sympy import Function, symbols
    >>> x, t = symbols("x t")
    >>> u = Function("u")(x, t)
    >>> language.read(u.diff(t) + (u**2 / 2).diff(x), "interior")
    u*u_x + u_t

    Raises :class:`SpecError` for names that clash or are no letters followed by letters and digits.
    """

    inputs: tuple[str, ...]
    unknowns: tuple[str, ...]

    def __post_init__(self) -> None:
        for kind, names in (("inputs", self.inputs), ("unknowns", self.unknowns)):
            if not names:
                raise SpecError(f"{kind}: expected at least one name, found none")
            for name in names:
                if not _NAME.fullmatch(name):
                    raise SpecError(
                        f"{kind}: expected letters and digits that begin with a letter, found {quote(name)}"
                    )
                if name in _RESERVED:
                    raise SpecError(f"{kind}: {quote(name)} has a meaning in formulas already; expected another name")
        derived = [self._written(u, letters) for u in self.unknowns for letters in self._orders]
        twice = [name for name, times in Counter([*self.inputs, *self.unknowns, *derived]).items() if times > 1]
        if twice:
            raise SpecError(f"unknowns: {quote(twice[0])} has two meanings with these inputs; expected other names")

    @cached_property
    def _orders(self) -> list[tuple[str, ...]]:
        return [letters for n in range(1, MAX_ORDER + 1) for letters in product(self.inputs, repeat=n)]

    @staticmethod
    def _written(unknown: str, letters: Sequence[str]) -> str:
        separator = "" if all(len(letter) == 1 for letter in letters) else "_"
        return f"{unknown}_{separator.join(letters)}" if letters else unknown

    @cached_property
    def derivatives(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """The unknown and the inputs, in their own order, that each name of a derivative stands for."""
        return {
            self._written(u, letters): (u, tuple(sorted(letters, key=self.inputs.index)))
            for u in self.unknowns
            for letters in self._orders
        }

    def symbol(self, unknown: str, letters: Sequence[str] = ()) -> Symbol:
        """The symbol of an unknown or of its derivative; ``u_tx`` is ``u_xt`` where x is the first input."""
        return Symbol(self._written(unknown, sorted(letters, key=self.inputs.index)), real=True)

    @cached_property
    def _variables(self) -> Mapping[str, Expr]:
        plain = {name: Symbol(name, real=True) for name in (*self.inputs, *self.unknowns)}
        return plain | {name: self.symbol(*meaning) for name, meaning in self.derivatives.items()}

    def parse(self, text: str, where: str) -> Expr:
        """The expression that a text writes; errors begin with ``where``."""
        return self._checked(parse_formula(text, self._variables, FUNCTIONS, where), text, where)

    def read(self, equation: Basic, where: str) -> Expr:
        """The expression that should be 0, from one in SymPy or from an equality of two sides."""
        expression = equation.lhs - equation.rhs if isinstance(equation, Eq) else sympify(equation)
        if isinstance(expression, BooleanAtom):
            raise SpecError(f"{where}: found an equation that is {expression} whatever the unknowns are")
        if not isinstance(expression, Expr):
            raise SpecError(f"{where}: expected an expression or an equality, found a {type(expression).__name__}")
        expression = expression.doit()  # the derivative of a product becomes products of derivatives
        nodes = list(postorder(expression, lambda node: not node.args or isinstance(node, (Derivative, AppliedUndef))))
        for node in nodes:
            if isinstance(node, BINDERS) and not isinstance(node, Derivative):
                found = f"sympy's {type(node).__name__}, which has no translation into real scalar code"
                raise SpecError(f"{where}: it contains {found}")
        meanings = {node: self._meaning(node, where) for node in nodes if self._is_named(node)}
        return self._checked(replace(expression, meanings), equation, where)

    @staticmethod
    def _is_named(node: Basic) -> bool:
        return isinstance(node, (Derivative, AppliedUndef, Symbol))

    def _meaning(self, node: Basic, where: str) -> Expr:
        if isinstance(node, Symbol):
            if node.name not in self.inputs:
                raise SpecError(f"{where}: {unknown('symbol', node.name, self.inputs)}")
            return Symbol(node.name, real=True)
        applied, letters = (node.expr, [str(v) for v in node.variables]) if isinstance(node, Derivative) else (node, [])
        name = applied.func.__name__ if isinstance(applied, AppliedUndef) else str(applied)
        if name not in self.unknowns:
            raise SpecError(f"{where}: {unknown('function', name, self.unknowns)}")
        if tuple(map(str, applied.args)) != self.inputs:
            expected = f"{name}({', '.join(self.inputs)})"
            raise SpecError(f"{where}: found {applied}, expected {expected}: where it holds is said by the points")
        if len(letters) > MAX_ORDER:
            raise SpecError(f"{where}: found {node}, expected derivatives of order {MAX_ORDER} at most")
        return self.symbol(name, letters)

    def _checked(self, expression: Expr, written: object, where: str) -> Expr:
        try:
            check(f"{where}: it", expression)
        except GraphError as error:
            raise SpecError(str(error)) from None
        used = {symbol.name for symbol in expression.free_symbols}
        if not used & {*self.unknowns, *self.derivatives}:
            shown = quote(str(written)) + ("" if str(written) == str(expression) else f", which is {expression},")
            raise SpecError(f"{where}: {shown} has none of the unknowns {', '.join(self.unknowns)}")
        return expression
