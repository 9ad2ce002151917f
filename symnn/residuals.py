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

from sympy import Derivative, Eq, Expr, Lambda, Limit, Order, Subs, Symbol, SympifyError, sympify
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef
from sympy.logic.boolalg import BooleanAtom

from codegen import CodegenError, from_expressions
from codegen.expression import postorder, replace
from symnn.errors import FieldError, SpecError
from symnn.formula import FUNCTIONS, parse_formula
from symnn.suggest import quote, unknown

MAX_ORDER = 4
"""The highest order of a derivative."""

MAX_NAME = 60
"""The length of the longest name of a residual."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_RESERVED = frozenset({"pi", *FUNCTIONS})
_ELSEWHERE = (Subs, ExprWithLimits, Limit, Order, Lambda)
"""What takes an unknown at other places than the point itself."""


def checked_name(name: object) -> str:
    """The name of a residual, which reports print on a line of theirs.

    >>> checked_name("left and right")
    'left and right'
    """
    if not (isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= MAX_NAME):
        raise FieldError(f"expected a name of 1 to {MAX_NAME} printable characters, found {quote(name)}")
    return name


_OUTPUT = "the output 'residual'"


@dataclass(frozen=True)
class Language:
    """The names that an equation may use: ``inputs``, ``unknowns``, the derivatives of these by those, and ``numbers``.

    Numbers are coefficients and data, of which there are no derivatives.

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
    numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for kind, names in (("inputs", self.inputs), ("unknowns", self.unknowns), ("numbers", self.numbers)):
            if not names and kind != "numbers":
                raise SpecError(f"{kind}: expected at least one name, found none")
            for name in names:
                if not _NAME.fullmatch(name):
                    raise SpecError(
                        f"{kind}: expected letters and digits that begin with a letter, found {quote(name)}"
                    )
                if name in _RESERVED:
                    raise SpecError(f"{kind}: {quote(name)} has a meaning in formulas already; expected another name")
        derived = [self._written(u, letters) for u in self.unknowns for letters in self._orders]
        every = [*self.inputs, *self.unknowns, *self.numbers, *derived]
        twice = [name for name, times in Counter(every).items() if times > 1]
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
        plain = {name: Symbol(name, real=True) for name in (*self.inputs, *self.unknowns, *self.numbers)}
        return plain | {name: self.symbol(*meaning) for name, meaning in self.derivatives.items()}

    def parse(self, text: str, where: str) -> Expr:
        """The expression that a text writes; errors begin with ``where``."""
        return self._checked(parse_formula(text, self._variables, FUNCTIONS, where), text, where)

    def read(self, equation: Basic, where: str) -> Expr:
        """The expression that should be 0, from one in SymPy or from an equality of two sides."""
        expression = equation.lhs - equation.rhs if isinstance(equation, Eq) else self._sympified(equation)
        if isinstance(expression, BooleanAtom):
            raise SpecError(f"{where}: found an equation that is {expression} whatever the unknowns are")
        if not isinstance(expression, Expr) or getattr(expression, "is_Matrix", False):
            raise SpecError(f"{where}: expected an expression or an equality, found a {type(equation).__name__}")
        self._check_derivatives(expression, where)
        expression = expression.doit()  # the derivative of a product becomes products of derivatives
        nodes = list(
            postorder(expression, lambda n: not n.args or isinstance(n, (Derivative, AppliedUndef, *_ELSEWHERE)))
        )
        for node in nodes:
            if isinstance(node, _ELSEWHERE):
                known = f"functions of {', '.join(map(self._applied, self.unknowns))} and their derivatives there"
                raise SpecError(f"{where}: found sympy's {type(node).__name__}, expected {known}")
        meanings = {node: self._meaning(node, where) for node in nodes if self._is_named(node)}
        return self._checked(replace(expression, meanings), equation, where)

    @staticmethod
    def _sympified(equation: object) -> object:
        try:
            return sympify(equation, strict=True)
        except SympifyError:
            return None

    def _check_derivatives(self, expression: Expr, where: str) -> None:
        """By anything else an unknown has the derivative 0, so that a slip would pass as an equation without it."""
        for node in postorder(expression, lambda node: not node.args or isinstance(node, _ELSEWHERE)):
            for variable in node.variables if isinstance(node, Derivative) else ():
                if isinstance(variable, Symbol) and variable.name not in self.inputs:
                    raise SpecError(f"{where}: {node}: {unknown('input', variable.name, self.inputs)}")

    def _applied(self, name: str) -> str:
        return f"{name}({', '.join(self.inputs)})"

    @staticmethod
    def _is_named(node: Basic) -> bool:
        return isinstance(node, (Derivative, AppliedUndef, Symbol))

    def _meaning(self, node: Basic, where: str) -> Expr:
        if isinstance(node, Symbol):
            if node.name in self.unknowns:
                raise SpecError(f"{where}: found the symbol {node}, expected the function {self._applied(node.name)}")
            known = (*self.inputs, *self.numbers)
            if node.name not in known:
                raise SpecError(
                    f"{where}: {unknown('symbol', node.name, known)}; a number to be found is a coefficient"
                )
            return Symbol(node.name, real=True)
        applied, letters = (node.expr, [str(v) for v in node.variables]) if isinstance(node, Derivative) else (node, [])
        name = applied.func.__name__ if isinstance(applied, AppliedUndef) else str(applied)
        if name not in self.unknowns:
            raise SpecError(f"{where}: {unknown('function', name, self.unknowns)}")
        if tuple(map(str, applied.args)) != self.inputs:
            expected = self._applied(name)
            raise SpecError(f"{where}: found {applied}, expected {expected}: where it holds is said by the points")
        if len(letters) > MAX_ORDER:
            raise SpecError(f"{where}: found {node}, expected derivatives of order {MAX_ORDER} at most")
        return self.symbol(name, letters)

    def _checked(self, expression: Expr, written: object, where: str) -> Expr:
        used = {symbol.name for symbol in expression.free_symbols}
        if not used & {*self.unknowns, *self.derivatives}:
            shown = quote(str(written)) + ("" if str(written) == str(expression) else f", which is {expression},")
            raise SpecError(f"{where}: {shown} has none of the unknowns {', '.join(self.unknowns)}")
        try:
            from_expressions({"residual": expression}, [Symbol(name, real=True) for name in sorted(used)])
        except CodegenError as error:
            raise SpecError(f"{where}: {str(error).replace(_OUTPUT, 'the equation', 1)}") from None
        return expression
