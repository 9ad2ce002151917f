"""Conditions that a network meets whatever its parameters are: an unknown is u = g + d·N of a network N.

d is 0 where the value of u is given, with its slope where that is given too, and g has those values there: g is built
input by input, each time a polynomial through what is still missing (a Boolean sum of interpolations: Gordon, Hall,
Transfinite element methods, 1973). Derivatives of u are those of the product, so that equations are over N's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from itertools import product
from math import nan

from sympy import Add, Expr, Integer, Matrix, Mul, Rational, Symbol, diff, factorial, zeros
from sympy.core.basic import Basic

from codegen.walk import replace, substitute
from symnn.activations import exact
from symnn.errors import FieldError
from symnn.residuals import LAPLACIAN, Language
from symnn.suggest import quote

GRID = 64
"""The largest value of d is looked for on so many points of a range."""
AGREEING = 1e-6
"""By so much, relative to values above 1, conditions may differ where they meet: users round constants."""


@dataclass(frozen=True)
class Beginning:
    """What an unknown begins with at each ``origin`` of an input: Σ τᵐ/m!·wₘ for m below ``orders``.

    τ is along − origin. The wₘ, and their derivatives by other inputs, are numbers that belong to each point.
    """

    along: str
    origin: str
    orders: int

    @property
    def elapsed(self) -> Expr:
        """τ."""
        return Symbol(self.along, real=True) - Symbol(self.origin, real=True)

    def data(self, unknown: str, letters: Sequence[str]) -> tuple[str, ...]:
        """The names of ∂wₘ by the inputs ``letters`` other than τ, one an order."""
        return tuple(f"{unknown}begun{order}{''.join(self.others(letters))}" for order in range(self.orders))

    def others(self, letters: Sequence[str]) -> tuple[str, ...]:
        """The letters that are not τ."""
        return tuple(letter for letter in letters if letter != self.along)

    def derivative(self, unknown: str, letters: Sequence[str]) -> Expr:
        """∂(Σ τᵐ/m!·wₘ) by the inputs ``letters``, at the point itself.

        >>> Beginning("t", "t0", 2).derivative("u", ("x", "t"))
        ubegun1x
        """
        by, names = len(letters) - len(self.others(letters)), self.data(unknown, letters)
        left = range(self.orders - by)
        return Add(*[self.elapsed**m / factorial(m) * Symbol(names[m + by], real=True) for m in left])


@dataclass(frozen=True)
class Form:
    """An unknown as ``values`` + ``multiplier``·N, both over the real symbols of the inputs, + what it begins with."""

    values: Expr
    multiplier: Expr
    beginning: Beginning | None = None

    def derivative(self, language: Language, unknown: str, letters: Sequence[str], place: tuple[Expr, ...]) -> Expr:
        """∂(g + d·N) by the inputs ``letters``, at a place, over the values of N there (Leibniz' rule).

        >>> from sympy import sin, symbols
        >>> x, t = symbols("x t", real=True)
        >>> language = Language(("x", "t"), ("u",))
        >>> Form(sin(x), t).derivative(language, "u", ("t",), language.home)
        t*u_t + u
        """
        moved = dict(zip(language.home, place))

        def at_place(expression: Expr, by: Sequence[str]) -> Expr:
            return substitute(differentiated(expression, by), moved)

        terms = [at_place(self.values, letters), self.begun(unknown, letters)]
        for chosen in product((False, True), repeat=len(letters)):
            outer = [name for name, taken in zip(letters, chosen) if taken]
            rest = sorted((name for name, taken in zip(letters, chosen) if not taken), key=language.inputs.index)
            terms.append(Mul(at_place(self.multiplier, outer), language.value(unknown, rest, place)))
        return Add(*terms)

    def begun(self, unknown: str, letters: Sequence[str]) -> Expr:
        """The part of a derivative that is of what it begins with."""
        return Integer(0) if self.beginning is None else self.beginning.derivative(unknown, letters)

    def beginning_with(self, given: Sequence[Given], origin: str, length: float) -> Form:
        """The same where values and slopes are given at each origin of an input; τ/length is at most 1."""
        (orders,), along = _orders(given).values(), given[0].variable
        beginning = Beginning(along, origin, orders)
        return changed(
            self, multiplier=self.multiplier * (beginning.elapsed / exact(length)) ** orders, beginning=beginning
        )


@dataclass(frozen=True)
class Given:
    """The derivative of order ``order`` by an input, where it is ``at``, as a formula of the inputs.

    ``written`` is its name in equations.
    """

    variable: str
    at: float
    order: int
    value: Expr
    written: str = ""


def applied(expression: Expr, forms: Mapping[str, Form], language: Language) -> Expr:
    """An equation over the values of the unknowns, over those of the networks instead."""
    meanings: dict[Basic, Basic] = {
        node: forms[value.unknown].derivative(language, value.unknown, value.letters, value.place)
        if LAPLACIAN not in value.letters
        else Add(node, forms[value.unknown].begun(value.unknown, value.letters))  # which is that of u but for the data
        for node, value in language.values(expression).items()
        if value.unknown in forms
    }
    return replace(expression, meanings)


def read_condition(expression: Expr, language: Language, at: Mapping[str, Sequence[float]]) -> tuple[str, list[Given]]:
    """The unknown that an equation is about, and what it says of it at the values ``at`` of one input.

    >>> language = Language(("x", "t"), ("u",))
    >>> read_condition(language.parse("2*u_t = x", ""), language, {"t": [0.0]})
    ('u', [Given(variable='t', at=0.0, order=1, value=x/2, written='u_t')])

    Raises :class:`FieldError` for an equation that does not give the value of one unknown, or its derivative by the
    input that ``at`` has.
    """
    if len(at) != 1:
        raise FieldError(f"expected values of one input in at, found {', '.join(at) or 'none'}")
    ((variable, places),) = at.items()
    unknown, order, found = _solved(expression, language, variable)
    written = language.symbol(unknown, [variable] * order).name
    return unknown, [Given(variable, place, order, found, written) for place in places]


def read_value(expression: Expr, language: Language) -> tuple[str, Expr]:
    """The unknown that an equation gives, and its value as a formula of the inputs.

    >>> language = Language(("x", "y"), ("u",))
    >>> read_value(language.parse("u = x*y", ""), language)
    ('u', x*y)
    """
    unknown, _, found = _solved(expression, language, None)
    return unknown, found


def _solved(expression: Expr, language: Language, variable: str | None) -> tuple[str, int, Expr]:
    """The unknown of an equation, the order of its derivative by an input, and what that is."""
    values = language.values(expression)
    if len(values) != 1:
        raise FieldError(
            f"expected an equation of one value, such as 'u = sin(pi*x)', found {', '.join(map(str, values))}"
        )
    ((node, value),) = values.items()
    if value.place != language.home or any(letter != variable for letter in value.letters):
        derivative = f" or its derivative by {variable}" if variable else ""
        raise FieldError(f"expected {value.unknown}{derivative}, found {node}")
    factor = expression.diff(node) if isinstance(node, Symbol) else None
    if not isinstance(factor, Expr) or factor.free_symbols or not factor:
        raise FieldError(f"expected {node} on one side, times a number at most, found {expression}")
    found = -expression.subs(node, 0) / factor
    if not found.free_symbols <= set(language.home):
        raise FieldError(f"expected a formula of {', '.join(language.inputs)}, found {found}")
    return value.unknown, len(value.letters), found


def differing(
    first: Given, second: Given, places: Iterable[Mapping[str, float]]
) -> tuple[Mapping[str, float], float, float] | None:
    """A place where the values of two inputs meet and what is given disagrees there, and the two numbers.

    ``places`` have the other inputs. What cannot be computed, log(0) say, is passed over.

    >>> x = Symbol("x", real=True)
    >>> differing(Given("t", 0.0, 0, x + 1), Given("x", 1.0, 0, Integer(0)), [{}])
    ({'t': 0.0, 'x': 1.0}, 2.0, 0.0)
    """
    bodies = [_beside(first, second), _beside(second, first)]
    for place in places if bodies[0] != bodies[1] else ():
        one, other = (_number(body, place) for body in bodies)
        if abs(one - other) > AGREEING * max(1.0, abs(one), abs(other)):
            return {**place, first.variable: first.at, second.variable: second.at}, one, other
    return None


def _beside(given: Given, other: Given) -> Expr:
    """What is given, derived as the other one is, at the values of both their inputs."""
    value = given.value.subs(Symbol(given.variable, real=True), exact(given.at))
    symbol = Symbol(other.variable, real=True)
    return diff(value, symbol, other.order).subs(symbol, exact(other.at))


def _number(body: Expr, place: Mapping[str, float]) -> float:
    """A formula at a place; nan for what is no real number there."""
    try:
        return float(body.subs({Symbol(name, real=True): exact(at) for name, at in place.items()}).evalf())
    except TypeError:
        return nan


NOTHING = Form(Integer(0), Integer(1))
"""Of an unknown that nothing is given of."""


def form(given: Sequence[Given], ranges: Mapping[str, tuple[float, float]], rim: Form = NOTHING) -> Form:
    """g and d for what is given of an unknown, beside what ``rim`` has on the boundary of a region.

    >>> x, t = (Symbol(name, real=True) for name in "xt")
    >>> form([Given("t", 0.0, 0, x**2), Given("x", 1.0, 0, Integer(1))], {"x": (0.0, 1.0), "t": (0.0, 2.0)})
    Form(values=x**2, multiplier=t*(1 - x)/2, beginning=None)

    Raises :class:`FieldError` for a slope without the value at the same place, and for what is given twice.
    """
    values, multiplier = rim.values, rim.multiplier
    for variable in dict.fromkeys(one.variable for one in given):
        nodes = [one for one in given if one.variable == variable]
        orders = _orders(nodes)
        symbol = Symbol(variable, real=True)
        basis = _basis(symbol, [(exact(at), order) for at, count in orders.items() for order in range(count)])
        missing = {(one.at, one.order): (one.value - diff(values, symbol, one.order)).subs(symbol, exact(one.at))
                   for one in nodes}  # fmt: skip
        places = [(at, order) for at, count in orders.items() for order in range(count)]
        values = values + Add(*[polynomial * missing[place] for polynomial, place in zip(basis, places)])
        multiplier = multiplier * _multiplier(symbol, orders, ranges[variable])
    return Form(values, multiplier)


def differentiated(expression: Expr, by: Sequence[str]) -> Expr:
    """The derivative by some inputs, one after the other."""
    for name in by:
        expression = diff(expression, Symbol(name, real=True))
    return expression


def _orders(nodes: Sequence[Given]) -> dict[float, int]:
    """How many derivatives are given at each place, the value among them."""
    found: dict[float, list[int]] = {}
    for one in nodes:
        found.setdefault(one.at, []).append(one.order)
    for at, orders in found.items():
        if sorted(orders) != list(range(len(orders))):
            where = f"{nodes[0].variable} = {at:.15g}"
            what = "the same twice" if len(set(orders)) < len(orders) else "a derivative without those below it"
            raise FieldError(f"found {what} at {quote(where)}, expected the value there, and then its derivatives")
    return {at: len(orders) for at, orders in found.items()}


def _basis(symbol: Symbol, nodes: Sequence[tuple[Expr, int]]) -> list[Expr]:
    """Polynomials of which each has one derivative 1 and the others 0 at the nodes (Hermite's interpolation)."""
    count = len(nodes)
    conditions = zeros(count, count)
    for row, (at, order) in enumerate(nodes):
        for power in range(order, count):
            conditions[row, power] = diff(symbol**power, symbol, order).subs(symbol, at)
    coefficients = Matrix(conditions).inv()
    return [Add(*[coefficients[power, n] * symbol**power for power in range(count)]) for n in range(count)]


def _multiplier(symbol: Symbol, orders: Mapping[float, int], limits: tuple[float, float]) -> Expr:
    """Π (x − a)ⁿ, at most about 1 and above 0 where it has one sign."""
    body = Mul(*[(symbol - exact(at)) ** count for at, count in orders.items()])
    low, high = map(exact, limits)
    seen = [body.subs(symbol, low + (high - low) * Rational(n, GRID)) for n in range(GRID + 1)]
    largest = max(seen, key=abs)
    if orders == {limits[1]: 1}:
        return (exact(limits[1]) - symbol) / abs(largest)
    return body / largest


def forms_of(
    conditions: Iterable[tuple[str, list[Given]]], ranges: Mapping[str, tuple[float, float]], rims: Mapping[str, Form]
) -> dict[str, Form]:
    """The form of each unknown of which something is given, at values of inputs or on the boundary of a region."""
    found: dict[str, list[Given]] = {unknown: [] for unknown in rims}
    for unknown, given in conditions:
        found.setdefault(unknown, []).extend(given)
    return {unknown: form(given, ranges, rims.get(unknown, NOTHING)) for unknown, given in found.items()}
