"""What the equations of a residual are written in: inputs, unknown functions of them, and derivatives.

In a text derivatives are names: ``u_xx`` is ∂²u/∂x². In SymPy they are ``Derivative(u(x, t), x, 2)``. Both become an
expression over one real symbol a name. At another place than the point itself, ``u(x + 1, t)`` or ``u_x(0, t)``, both
become the undefined function of that name. Integrals, ``integral(u(s, t), s, 0, x)`` or SymPy's, become sums over such
places: Gauss and Legendre's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product

import numpy as np
from numpy.polynomial.legendre import leggauss
from sympy import (
    Add,
    Derivative,
    Eq,
    Expr,
    Float,
    Function,
    Integer,
    Integral,
    Lambda,
    Limit,
    Order,
    Subs,
    Symbol,
    SympifyError,
    sympify,
)
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef
from sympy.logic.boolalg import BooleanAtom

from codegen import CodegenError, from_expressions
from codegen.cached import cached_property
from codegen.errors import of_type
from codegen.walk import postorder, replace
from symnn.errors import FieldError, SpecError
from symnn.formula import FUNCTIONS, FormulaFunction, parse_formula
from symnn.suggest import quote, unknown

MAX_ORDER = 8
"""The highest order of a derivative."""
MAX_DERIVATIVES = 2000
"""Of each unknown, which have names: of three inputs up to order 6, of four up to 5, of 20 up to 2."""
LAPLACIAN = "laplacian"
"""What stands before the inputs in the letters of Σ ∂²u/∂x² over them."""

INTEGRAL = "integral"
NODES = 16
"""Of an integral: exact for polynomials of degree 31."""
MOST_NODES = 64
MOST_OPERATIONS = 10_000
"""At the nodes of an integral, which those inside it have made many."""

MAX_NAME = 60
"""The length of the longest name of a residual."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_RESERVED = frozenset({"pi", LAPLACIAN, INTEGRAL, *FUNCTIONS})
_OVER = re.compile(r",\s*([A-Za-z][A-Za-z0-9]*)\s*,")
"""What an integral may be over: a name between two commas."""
_BINDING = (ExprWithLimits, Limit, Order, Lambda)
"""What takes an unknown at a whole range of places."""


def checked_name(name: object) -> str:
    """The name of a residual, which reports print on a line of theirs.

    >>> checked_name("left and right")
    'left and right'
    """
    if not (isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= MAX_NAME):
        raise FieldError(f"expected a name of 1 to {MAX_NAME} printable characters, found {quote(name)}")
    return name


_OUTPUT = "the output 'residual'"


def _is_value(node: Basic) -> bool:
    """Whether a walk over what an equation is made of stops here."""
    return not node.args or isinstance(node, (Derivative, Subs, AppliedUndef, *_BINDING))


@dataclass(frozen=True)
class Value:
    """An unknown or its derivative by the inputs ``letters``, at a place: an expression for each input.

    Of ``("laplacian", "x", "y")`` it is the sum of the second derivatives by x and by y.
    """

    unknown: str
    letters: tuple[str, ...]
    place: tuple[Expr, ...]


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
    >>> language.parse("u_x(-1, t) - u_x(1, t)", "periodic")
    u_x(-1, t) - u_x(1, t)

    Raises :class:`SpecError` for names that clash or are no letters followed by letters and digits.
    """

    inputs: tuple[str, ...]
    unknowns: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    """The last of the inputs, if places in texts are without them: they are those of the point itself."""

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
    def max_order(self) -> int:
        """The highest order of derivatives with these inputs."""
        totals = accumulate(len(self.inputs) ** n for n in range(1, MAX_ORDER + 1))
        return max(2, len([total for total in totals if total <= MAX_DERIVATIVES]))

    @cached_property
    def _orders(self) -> list[tuple[str, ...]]:
        return [letters for n in range(1, self.max_order + 1) for letters in product(self.inputs, repeat=n)]

    @staticmethod
    def _written(unknown: str, letters: Sequence[str]) -> str:
        if letters and letters[0] == LAPLACIAN:
            return f"{LAPLACIAN}({', '.join([unknown, *letters[1:]])})"
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
        ordered = letters if LAPLACIAN in letters else sorted(letters, key=self.inputs.index)
        return Symbol(self._written(unknown, ordered), real=True)

    @cached_property
    def _variables(self) -> Mapping[str, Expr]:
        plain = {name: Symbol(name, real=True) for name in (*self.inputs, *self.unknowns, *self.numbers)}
        return plain | {name: self.symbol(*meaning) for name, meaning in self.derivatives.items()}

    @cached_property
    def home(self) -> tuple[Expr, ...]:
        """The place of the point itself."""
        return tuple(Symbol(name, real=True) for name in self.inputs)

    def value(self, unknown: str, letters: Sequence[str], place: tuple[Expr, ...]) -> Expr:
        """A value as it stands in expressions."""
        symbol = self.symbol(unknown, letters)
        return symbol if place == self.home else Function(symbol.name, real=True)(*place)

    def values(self, expression: Expr) -> dict[Basic, Value]:
        """What each symbol or function of an expression that is a value stands for."""
        nodes: dict[str, list[Basic]] = {}
        for node in postorder(expression, _is_value):
            if isinstance(node, (AppliedUndef, Symbol)):
                nodes.setdefault(node.func.__name__ if isinstance(node, AppliedUndef) else node.name, []).append(node)
        return {
            node: Value(*meaning, node.args or self.home)
            for name, meaning in self._meanings.items()
            for node in nodes.get(name, ())
        }

    @cached_property
    def _meanings(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        places = [(first, last) for last in range(1, len(self.inputs) + 1) for first in range(last)]
        sums = [(u, (LAPLACIAN, *self.inputs[first:last])) for u in self.unknowns for first, last in places]
        names = {self._written(*meaning): meaning for meaning in sums}
        return {**{name: (name, ()) for name in self.unknowns}, **self.derivatives, **names}

    @cached_property
    def _functions(self) -> Mapping[str, FormulaFunction]:
        """The values as functions of a place, beside the functions of every formula."""
        arity = (len(self.inputs) - len(self.hidden),) * 2
        placed = {**{name: (name, ()) for name in self.unknowns}, **self.derivatives}
        values = {name: FormulaFunction(self._placer(*value), arity) for name, value in placed.items()}
        return {
            **FUNCTIONS,
            **values,
            LAPLACIAN: FormulaFunction(self._laplacian, (1, 1 + len(self.inputs))),
            INTEGRAL: FormulaFunction(self._integral, (4, 5)),
        }

    def _integral(self, body: Expr, over: Expr, low: Expr, high: Expr, count: Expr | None = None) -> Expr:
        """∫ body d(over) from low to high, by so many nodes."""
        if not isinstance(over, Symbol) or over in self._variables.values():
            raise ValueError(f"has {over} as what it is over; expected a name that is no input, unknown or number")
        nodes = Integer(NODES) if count is None else count
        if not isinstance(nodes, Integer) or not 1 <= nodes <= MOST_NODES:
            raise ValueError(f"has {nodes} nodes; expected 1 to {MOST_NODES}")
        if over in low.free_symbols | high.free_symbols:
            raise ValueError(f"has ends with {over}; expected such that do not depend on it")
        if (size := int(nodes) * sum(1 for _ in postorder(body))) > MOST_OPERATIONS:
            raise ValueError(f"has {size:,} operations at its nodes; expected at most {MOST_OPERATIONS:,}")
        return quadrature(body, over, low, high, int(nodes))

    def _laplacian(self, unknown: Expr, *by: Expr) -> Expr:
        """Σ ∂²u/∂x² over all inputs, or over neighbours among them."""
        given = tuple(map(str, by)) or self.inputs
        name = self._written(str(unknown), (LAPLACIAN, *given))
        if unknown not in {self.symbol(u) for u in self.unknowns} or name not in self._meanings:
            raise ValueError(
                f"has the arguments {', '.join(map(str, (unknown, *by)))}; expected one of {', '.join(self.unknowns)}, "
                f"and after it inputs that follow each other among {', '.join(self.inputs)}, or none for all"
            )
        return self.symbol(str(unknown), (LAPLACIAN, *given))

    def _placer(self, unknown: str, letters: tuple[str, ...]) -> Callable[..., Expr]:
        return lambda *place: self.value(unknown, letters, place + self.home[len(place) :])

    def parse(self, text: str, where: str) -> Expr:
        """The expression that should be 0, from one in a text or from two sides with ``=`` between them."""
        sign = re.search("==?", text)
        # the right side keeps its columns
        sides = [text[: sign.start()], " " * sign.end() + text[sign.end() :]] if sign else [text]
        over = {n: Symbol(n, real=True) for n in _OVER.findall(text) if n not in _RESERVED} if INTEGRAL in text else {}
        variables = {**over, **self._variables}
        left, *right = (parse_formula(side, variables, self._functions, where) for side in sides)
        return self._checked(left - right[0] if right else left, text, where)

    def read(self, equation: Basic, where: str) -> Expr:
        """The expression that should be 0, from one in SymPy or from an equality of two sides."""
        expression = equation.lhs - equation.rhs if isinstance(equation, Eq) else self._sympified(equation)
        if isinstance(expression, BooleanAtom):
            raise SpecError(f"{where}: found an equation that is {expression} whatever the unknowns are")
        if not isinstance(expression, Expr) or getattr(expression, "is_Matrix", False):
            raise SpecError(f"{where}: expected an expression or an equality, found {of_type(equation)}")
        expression = replace(expression, _quadratures(expression))
        self._check_derivatives(expression, where)
        expression = expression.doit()  # the derivative of a product becomes products of derivatives
        nodes = list(postorder(expression, _is_value))
        for node in nodes:
            if isinstance(node, _BINDING):
                known = f"functions of {', '.join(map(self._applied, self.unknowns))} and derivatives"
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
        for node in postorder(expression, lambda node: not node.args or isinstance(node, (Subs, *_BINDING))):
            if isinstance(node, Derivative) and not all(isinstance(order, Integer) for _, order in node.variable_count):
                raise SpecError(f"{where}: found {node}, expected derivatives of an order that is a number")
            for variable in node.variables if isinstance(node, Derivative) else ():
                if isinstance(variable, Symbol) and variable.name not in self.inputs:
                    raise SpecError(f"{where}: {node}: {unknown('input', variable.name, self.inputs)}")

    def _applied(self, name: str) -> str:
        return f"{name}({', '.join(self.inputs)})"

    @staticmethod
    def _is_named(node: Basic) -> bool:
        return isinstance(node, (Derivative, Subs, AppliedUndef, Symbol))

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
        inner, place_of = (node.expr, dict(zip(node.variables, node.point))) if isinstance(node, Subs) else (node, {})
        applied, by = (inner.expr, inner.variables) if isinstance(inner, Derivative) else (inner, ())
        name = applied.func.__name__ if isinstance(applied, AppliedUndef) else str(applied)
        if name not in self.unknowns:
            raise SpecError(f"{where}: {unknown('function', name, self.unknowns)}")
        arguments = applied.args
        if len(arguments) != len(self.inputs) or any(arguments.count(variable) != 1 for variable in by):
            raise SpecError(f"{where}: found {node}, expected {self._applied(name)}, or numbers in place of the inputs")
        if len(by) > self.max_order:
            raise SpecError(f"{where}: found {node}, expected derivatives of order {self.max_order} at most")
        place = tuple(self._place(argument.xreplace(place_of), where) for argument in arguments)
        return self.value(name, [self.inputs[arguments.index(variable)] for variable in by], place)

    def _place(self, argument: Expr, where: str) -> Expr:
        """An argument of an unknown over the real symbols of inputs and numbers."""
        meanings = {node: self._meaning(node, where) for node in postorder(argument) if isinstance(node, Symbol)}
        return replace(argument, meanings)

    def _checked(self, expression: Expr, written: object, where: str) -> Expr:
        values = self.values(expression)
        if not values:
            shown = quote(str(written)) + ("" if str(written) == str(expression) else f", which is {expression},")
            raise SpecError(f"{where}: {shown} has none of the unknowns {', '.join(self.unknowns)}")
        given = (*self.inputs, *self.numbers)
        for node, value in values.items():
            if value.place != self.home and set(value.place) == set(self.home):
                raise SpecError(f"{where}: found {node}, expected the inputs in their order, {', '.join(self.inputs)}")
            for argument in value.place:
                if argument.atoms(AppliedUndef) or not {symbol.name for symbol in argument.free_symbols} <= {*given}:
                    raise SpecError(f"{where}: found {node}, expected a place that depends on {', '.join(given)} alone")
        numbers = [Symbol(name, real=True) for name in given]
        stand_ins = {node: Symbol(f"value{number}", real=True) for number, node in enumerate(values)}
        parts = [replace(expression, stand_ins), *(argument for value in values.values() for argument in value.place)]
        try:
            for part in parts:
                from_expressions({"residual": part}, [*numbers, *stand_ins.values()])
        except CodegenError as error:
            raise SpecError(f"{where}: {str(error).replace(_OUTPUT, 'the equation', 1)}") from None
        return expression


def quadrature(body: Expr, over: Symbol, low: Expr, high: Expr, nodes: int = NODES) -> Expr:
    """∫ body d(over) from low to high as a sum over the nodes of Gauss and Legendre.

    >>> x, s = Symbol("x", real=True), Symbol("s", real=True)
    >>> quadrature(3 * s**2, s, Integer(0), x, 2).expand().evalf(12)
    1.0*x**3
    """
    middle, half = (low + high) / 2, (high - low) / 2
    places = [(middle + half * Float(at), half * Float(w)) for at, w in zip(*map(np.ndarray.tolist, leggauss(nodes)))]
    return Add(*[weight * body.subs(over, at) for at, weight in places])


def _quadratures(expression: Expr) -> dict[Basic, Basic]:
    """The sums that SymPy's integrals over one variable with two ends stand for, but those inside others."""
    found: dict[Basic, Basic] = {}
    for node in postorder(expression, lambda node: not node.args or isinstance(node, (Subs, *_BINDING))):
        if isinstance(node, Integral) and len(node.limits) == 1 and len(node.limits[0]) == 3:
            over, low, high = node.limits[0]
            found[node] = quadrature(node.function, over, low, high)
    return found
