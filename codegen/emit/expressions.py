"""One scalar expression as Python source: tables from SymPy nodes to text, shared nodes assigned to temporaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import NamedTuple

import sympy
from sympy import Add, And, Expr, Idx, Indexed, Integer, Mul, Not, Or, Piecewise, Pow, Rational, Symbol
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen import functions as f
from codegen.errors import EmitError
from codegen.expression import is_leaf, postorder, rewrite


class Level(IntEnum):
    """How tightly a text binds."""

    NAME = 0
    CALL = 1
    PRODUCT = 2
    SUM = 3
    CHOICE = 4


class Text(NamedTuple):
    """Source text and its outermost operator."""

    text: str
    level: Level

    def within(self, level: Level) -> str:
        """The text, in parentheses if it binds more loosely than ``level``."""
        return self.text if self.level <= level else f"({self.text})"


#: Functions that are a call with the same arguments.
CALLS: Mapping[type[Basic], str] = {
    sympy.exp: "math.exp",
    sympy.log: "math.log",
    sympy.tanh: "math.tanh",
    sympy.sinh: "math.sinh",
    sympy.cosh: "math.cosh",
    sympy.sin: "math.sin",
    sympy.cos: "math.cos",
    sympy.tan: "math.tan",
    sympy.asin: "math.asin",
    sympy.acos: "math.acos",
    sympy.atan: "math.atan",
    sympy.asinh: "math.asinh",
    sympy.acosh: "math.acosh",
    sympy.atanh: "math.atanh",
    sympy.atan2: "math.atan2",
    sympy.erf: "math.erf",
    sympy.erfc: "math.erfc",
    f.expm1: "math.expm1",
    f.log1p: "math.log1p",
    f.absolute: "abs",
}

#: Functions that choose. Their arguments are names, so that none is evaluated twice; nan in, nan out where the
#: definition says so.
CHOICES: Mapping[type[Basic], str] = {
    f.step: "{one} if {0} > {zero} else {zero}",
    f.relu: "{zero} if {0} <= {zero} else {0}",
    f.sign: "{one} if {0} > {zero} else {minus_one} if {0} < {zero} else {0}",
    f.clip: "{1} if {0} < {1} else {2} if {0} > {2} else {0}",
    f.select: "{1} if {0} > {zero} else {2}",
}


def _sigmoid(x: Expr) -> Expr:
    # exp(−|x|) cannot overflow; both branches share it and the quotient.
    e = sympy.exp(-f.absolute(x))
    quotient = 1 / (1 + e)
    return f.select(x, quotient, e * quotient)


#: Functions that are written as a formula over those above.
FORMULAS: Mapping[type[Basic], Callable[..., Expr]] = {
    f.sigmoid: _sigmoid,
    f.softplus: lambda x: f.relu(x) + f.log1p(sympy.exp(-f.absolute(x))),
}


class ExpressionWriter:
    """Writes expressions as text.

    ``name_of`` gives the text of a reference, index or extent as a real number; ``integer_of`` that of one which holds
    an integer, as it is, and None for others; ``number`` that of a constant in the type of the computation; ``assign``
    stores a text in a new temporary and returns its name. Parts that occur twice, and arguments
    that a choice would evaluate twice, go to temporaries.
    """

    def __init__(
        self,
        name_of: Callable[[Expr], str],
        integer_of: Callable[[Expr], str | None],
        number: Callable[[float], str],
        assign: Callable[[str], str],
    ) -> None:
        self.name_of, self.integer_of, self.number, self.assign = name_of, integer_of, number, assign
        self._operators: tuple[tuple[type | tuple[type, ...], Callable[[Basic, _Texts], Text]], ...] = (
            ((Indexed, Idx, Symbol), lambda node, _: Text(self.name_of(node), Level.NAME)),
            (BooleanAtom, lambda node, _: Text(str(bool(node)), Level.NAME)),
            (f.equal, self._equal),
            (Add, self._add),
            (Mul, self._multiply),
            (Pow, self._power),
            (f.stop_gradient, lambda node, of: of(node.args[0])),
            (f.normal_cdf, self._normal_cdf),
            (f.maximum, lambda node, of: self._extremum(node, of, ">")),
            (f.minimum, lambda node, of: self._extremum(node, of, "<")),
            (Piecewise, self._piecewise),
            (ExprCondPair, lambda node, of: of(node.args[0])),
            (Relational, self._relation),
            (And, lambda node, of: Text(" and ".join(of(a).within(Level.SUM) for a in node.args), Level.CHOICE)),
            (Or, lambda node, of: Text(" or ".join(of(a).within(Level.SUM) for a in node.args), Level.CHOICE)),
            (Not, lambda node, of: Text(f"not {of(node.args[0]).within(Level.SUM)}", Level.CHOICE)),
        )

    def write(self, expression: Expr) -> str:
        """The text of an expression, its temporaries assigned first."""
        expanded = rewrite(expression, _expand)
        uses = Counter(id(a) for node in postorder(expanded) if not is_leaf(node) for a in node.args)
        texts: dict[int, Text] = {}
        for node in postorder(expanded):
            text = self._node(node, lambda part: texts[id(part)])
            if uses[id(node)] > 1 and text.level > Level.NAME and isinstance(node, Expr) and not _is_inverse(node):
                text = self._named(text)
            texts[id(node)] = text
        return texts[id(expanded)].text

    def _node(self, node: Basic, of: _Texts) -> Text:
        if isinstance(node, Expr) and node.is_number:
            return Text(self.number(float(node)), Level.NAME)
        for kind, write in self._operators:
            if isinstance(node, kind):
                return write(node, of)
        if type(node) in CALLS:
            return Text(f"{CALLS[type(node)]}({', '.join(of(a).text for a in node.args)})", Level.CALL)
        if type(node) in CHOICES:
            names = [self._named(of(a)).text for a in node.args]
            units = {"one": self.number(1.0), "zero": self.number(0.0), "minus_one": self.number(-1.0)}
            return Text(CHOICES[type(node)].format(*names, **units), Level.CHOICE)
        raise EmitError(f"{type(node).__name__} has no translation into Numba code")

    def _named(self, text: Text) -> Text:
        return text if text.level is Level.NAME else Text(self.assign(text.text), Level.NAME)

    def _equal(self, node: Basic, of: _Texts) -> Text:
        # Labels and indices are compared as the integers they are.
        integers = [self.integer_of(a) for a in node.args]
        left, right = (of(a).within(Level.SUM) for a in node.args) if None in integers else integers
        return Text(f"{self.number(1.0)} if {left} == {right} else {self.number(0.0)}", Level.CHOICE)

    def _add(self, node: Basic, of: _Texts) -> Text:
        # Positive terms first, so that the text does not begin with a sign where it need not.
        terms = sorted((of(a).within(Level.PRODUCT) for a in node.args), key=lambda text: text.startswith("-"))
        signed = [f"- {term[1:]}" if term.startswith("-") else f"+ {term}" for term in terms[1:]]
        return Text(" ".join([terms[0], *signed]), Level.SUM)

    def _multiply(self, node: Basic, of: _Texts) -> Text:
        above = [of(a).within(Level.PRODUCT) for a in node.args if a != -1 and not _is_inverse(a)]
        below = [of(a.base).within(Level.CALL) for a in node.args if _is_inverse(a)]
        text = ("-" if -1 in node.args else "") + ("*".join(above) or self.number(1.0))
        if below:
            text += f"/{below[0]}" if len(below) == 1 else f"/({'*'.join(below)})"
        return Text(text, Level.PRODUCT)

    def _power(self, node: Basic, of: _Texts) -> Text:
        base, exponent = of(node.base), node.exp
        if _is_inverse(node):
            return Text(f"{self.number(1.0)}/{base.within(Level.CALL)}", Level.PRODUCT)
        if exponent == Rational(1, 2):
            return Text(f"math.sqrt({base.text})", Level.CALL)
        if exponent == Rational(-1, 2):
            return Text(f"{self.number(1.0)}/math.sqrt({base.text})", Level.PRODUCT)
        if isinstance(exponent, Integer) and abs(int(exponent)) <= 64:
            product = self._integer_power(self._named(base).text, abs(int(exponent)))
            return Text(product if exponent > 0 else f"{self.number(1.0)}/({product})", Level.PRODUCT)
        return Text(f"{base.within(Level.NAME)}**{of(exponent).within(Level.NAME)}", Level.PRODUCT)

    def _integer_power(self, base: str, exponent: int) -> str:
        """x³ as x·x·x; higher powers by repeated squaring."""
        if exponent <= 3:
            return "*".join([base] * exponent)
        half = self.assign(self._integer_power(base, exponent // 2))
        return f"{half}*{half}" + (f"*{base}" if exponent % 2 else "")

    def _normal_cdf(self, node: Basic, of: _Texts) -> Text:
        argument = of(node.args[0]).within(Level.PRODUCT)
        return Text(f"{self.number(0.5)}*math.erfc({self.number(-(0.5**0.5))}*{argument})", Level.PRODUCT)

    def _extremum(self, node: Basic, of: _Texts, relation: str) -> Text:
        best = self._named(of(node.args[0])).text
        for argument in node.args[1:]:
            other = self._named(of(argument)).text
            # `other != other` keeps nan; once the best is nan no comparison replaces it.
            best = self.assign(f"{other} if {other} {relation} {best} or {other} != {other} else {best}")
        return Text(best, Level.NAME)

    def _piecewise(self, node: Basic, of: _Texts) -> Text:
        text = self.number(float("nan"))
        for branch in reversed(node.args):
            value = of(branch.args[0]).within(Level.SUM)
            text = value if branch.args[1] == True else f"{value} if {of(branch.args[1]).text} else {text}"  # noqa: E712
        return Text(text, Level.CHOICE)

    def _relation(self, node: Basic, of: _Texts) -> Text:
        left, right = (of(a).within(Level.SUM) for a in node.args)
        return Text(f"{left} {node.rel_op} {right}", Level.CHOICE)


_Texts = Callable[[Basic], Text]


def _expand(node: Basic) -> Basic | None:
    if type(node) in FORMULAS:
        return FORMULAS[type(node)](*node.args)
    return rewrite(node.definition(), _expand) if isinstance(node, f.Composite) else None


def _is_inverse(node: Basic) -> bool:
    """1/x, which inside a product is written as a division."""
    return isinstance(node, Pow) and node.exp == -1 and not node.is_number
