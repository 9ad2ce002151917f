"""One scalar expression as Python source: tables from SymPy nodes to text, shared nodes assigned to temporaries."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import reduce
from typing import NamedTuple, TypeAlias

from sympy import Add, And, Dummy, Expr, Idx, Indexed, Mul, Not, Or, Piecewise, Pow, Symbol
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen import functions as f
from codegen.emit import externals
from codegen.errors import EmitError
from codegen.functions.powers import is_inverse, is_multiplied, is_root
from codegen.functions.random_numbers import RandomNumber
from codegen.ir.constants import as_float
from codegen.schedule.cut import is_guard
from codegen.walk import fold, is_large, is_leaf, postorder, rebuild, rewrite


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


@dataclass(frozen=True)
class Dialect:
    """How one target writes calls and choices."""

    calls: Callable[[type[Basic]], str]
    """How a function is called: a name, a text around the names of the arguments, or nothing."""
    choose: Callable[[str, str, str], Text]
    """``choose(condition, a, b)``: a where the condition holds, else b; the texts are names, numbers or conditions."""
    square_root: str
    hypot: str
    erfc: str
    both: str
    either: str
    negation: str
    call: Callable[[str, Sequence[int], Sequence[str]], str] = lambda name, orders, texts: (
        f"{name}({', '.join([*map(str, orders), *texts])})"
    )
    """A call by name, with the whole order of a special function where it has one."""
    power: Callable[[Text, Text], Text] = lambda base, exponent: Text(
        f"{base.within(Level.NAME)}**{exponent.within(Level.NAME)}", Level.PRODUCT
    )
    modulo: Callable[[Text, Text], Text] = lambda x, y: Text(
        f"{x.within(Level.CALL)} % {y.within(Level.CALL)}", Level.SUM
    )  # a*b % c is (a*b) % c
    truth: tuple[str, str] = ("False", "True")


SCALAR = Dialect(
    calls=lambda kind: f.operation(kind).python,
    choose=lambda condition, a, b: Text(f"{a} if {condition} else {b}", Level.CHOICE),
    square_root="math.sqrt",
    hypot="math.hypot",
    erfc="math.erfc",
    both=" and ",
    either=" or ",
    negation="not ",
)
"""Python scalars, as Numba compiles them: real branches."""

ARRAY = Dialect(
    calls=lambda kind: f.operation(kind).numpy,
    choose=lambda condition, a, b: Text(f"np.where({condition}, {a}, {b})", Level.CALL),
    square_root="np.sqrt",
    hypot="np.hypot",
    erfc="special.erfc",
    both=" & ",
    either=" | ",
    negation="~",
)
"""NumPy arrays: both branches are computed, one is picked."""

LIBRARY = replace(ARRAY, calls=lambda kind: f.operation(kind).library or f.operation(kind).numpy)
"""Arrays of a library, with its own functions for what is written through |x| here, which spoils derivatives at 0."""


class ExpressionWriter:
    """Writes expressions as text.

    ``name_of`` gives the text of a reference, index or extent as a real number; ``integer_of`` that of one which holds
    an integer, as it is, and None for others; ``number`` that of a constant in the type of the computation; ``assign``
    stores a text in a new temporary and returns its name. Parts that occur twice, and arguments
    that a choice would evaluate twice, go to temporaries. ``choose`` gives the name of the value of a choice whose
    branches read what is there under their conditions alone; without it all branches are evaluated. ``whole`` gives the
    text of a sum of integers, which the places of random numbers are. ``parts`` are arguments that have been written,
    by the symbols that stand for them; writers of branches have them too.
    """

    def __init__(
        self,
        name_of: Callable[[Expr], str],
        integer_of: Callable[[Expr], str | None],
        number: Callable[[float], str],
        assign: Callable[[str], str],
        dialect: Dialect = SCALAR,
        choose: Callable[[Basic], str] | None = None,
        whole: Callable[[Expr], str] | None = None,
        parts: dict[Basic, Text] | None = None,
    ) -> None:
        self._parts = {} if parts is None else parts
        self.whole = whole
        self.choose = choose
        self.name_of, self.integer_of, self.number, self.assign = name_of, integer_of, number, assign
        self.dialect = dialect
        self._operators: tuple[tuple[type | tuple[type, ...], Callable[[Basic, _Texts], Text]], ...] = (
            ((Indexed, Idx, Symbol), lambda node, _: Text(self.name_of(node), Level.NAME)),
            (BooleanAtom, lambda node, _: Text(dialect.truth[bool(node)], Level.NAME)),
            (Add, self._add),
            (Mul, self._multiply),
            (Pow, self._power),
            (f.power, lambda node, of: dialect.power(*map(of, node.args))),
            (f.normal_cdf, self._normal_cdf),
            (f.hypot, lambda node, of: self._hypot(node.args, of)),
            (f.modulo, lambda node, of: dialect.modulo(*map(of, node.args))),
            (Piecewise, self._piecewise),
            (ExprCondPair, lambda node, of: of(node.args[0])),
            (Relational, self._relation),
            (And, lambda node, of: self._join(dialect.both, node, of)),
            (Or, lambda node, of: self._join(dialect.either, node, of)),
            (Not, lambda node, of: Text(dialect.negation + of(node.args[0]).within(Level.CALL), Level.CHOICE)),
        )

    def write(self, expression: Expr) -> str:
        """The text of an expression, its temporaries assigned first."""
        *parts, (_, expanded) = self._expanded(expression)
        for symbol, part in parts:
            self._parts[symbol] = self.named(self._write(part))
        return self._write(expanded).text

    def _expanded(self, expression: Expr) -> list[tuple[Basic, Basic]]:
        """The expression with every function as the formula that it is, last; before it what large arguments are.

        SymPy walks through the trees of an exponential's argument, and a formula that has its argument twice doubles
        them: eight sigmoids of each other have 3¹⁶ nodes.
        """
        parts: dict[Basic, Basic] = {}

        def part(argument: Basic) -> Basic:
            if not is_large(argument, LARGE):
                return argument
            return parts.setdefault(argument, Dummy(real=True))

        def step(node: Basic, arguments: list[Basic]) -> Basic:
            node = rebuild(node, list(map(part, arguments)) if _is_formula(node, self.dialect) else arguments)
            expanded = _expand(node, self.dialect)
            return node if expanded is None else expanded

        whole = fold(expression, step, self._ends)
        return [*((symbol, argument) for argument, symbol in parts.items()), (expression, whole)]

    def _write(self, expanded: Basic) -> Text:
        nodes = list(postorder(expanded, self._ends))
        uses = Counter(id(a) for node in nodes if not self._ends(node) for a in node.args)
        texts: dict[int, Text] = {}
        for node in nodes:
            text = self._node(node, lambda part: texts[id(part)])
            if uses[id(node)] > 1 and text.level > Level.NAME and isinstance(node, Expr) and not is_inverse(node):
                text = self.named(text)
            texts[id(node)] = text
        return texts[id(expanded)]

    def _ends(self, node: Basic) -> bool:
        """Whether what a node consists of is not evaluated before it."""
        return is_leaf(node) or isinstance(node, RandomNumber) or (self.choose is not None and is_guard(node))

    def _node(self, node: Basic, of: _Texts) -> Text:
        if node in self._parts:
            return self._parts[node]
        if self.choose is not None and is_guard(node):
            return Text(self.choose(node), Level.NAME)
        if isinstance(node, Expr) and node.is_number:
            return Text(self.number(as_float(node)), Level.NAME)
        if isinstance(node, RandomNumber):
            return Text(self._random(node), Level.CALL)
        template = self.dialect.calls(type(node))
        for kind, write in self._operators:
            if isinstance(node, kind) and not template:
                return write(node, of)
        if template:
            if "{" in template:
                return Text(template.format(*(self.named(of(a)).text for a in node.args)), Level.CALL)
            orders, arguments = externals.operands(node)
            return Text(self.dialect.call(template, orders, [of(a).text for a in arguments]), Level.CALL)
        if (row := f.operation(type(node)).instructions) is not None:
            code = _Instructions(self, of)
            return code.text(row(code, *node.args))
        raise EmitError(f"{type(node).__name__} has no translation into code")

    def _random(self, node: RandomNumber) -> str:
        if self.whole is None:
            raise EmitError(f"{type(node).__name__} has no translation into this code")
        own = [str(int(argument)) for argument in node.args[: node.own]]
        return f"{node.spelled}({', '.join([*own, *map(self.whole, node.integers)])})"

    def named(self, text: Text) -> Text:
        return text if text.level is Level.NAME else Text(self.assign(text.text), Level.NAME)

    def _join(self, word: str, node: Basic, of: _Texts) -> Text:
        return Text(word.join(of(a).within(Level.CALL) for a in node.args), Level.CHOICE)

    def _add(self, node: Basic, of: _Texts) -> Text:
        # Positive terms first, so that the text does not begin with a sign where it need not.
        terms = sorted((of(a).within(Level.PRODUCT) for a in node.args), key=lambda text: text.startswith("-"))
        signed = [f"- {term[1:]}" if term.startswith("-") else f"+ {term}" for term in terms[1:]]
        return Text(" ".join([terms[0], *signed]), Level.SUM)

    def _multiply(self, node: Basic, of: _Texts) -> Text:
        above = [of(a).within(Level.PRODUCT) for a in node.args if a != -1 and not is_inverse(a)]
        below = [of(a.base).within(Level.CALL) for a in node.args if is_inverse(a)]
        text = "*".join(above) or self.number(1.0)
        if -1 in node.args:
            text = f"-({text})" if text.startswith("-") else f"-{text}"
        if below:
            text += f"/{below[0]}" if len(below) == 1 else f"/({'*'.join(below)})"
        return Text(text, Level.PRODUCT)

    def _power(self, node: Basic, of: _Texts) -> Text:
        base, exponent = of(node.base), node.exp
        if is_inverse(node):
            size = base
        elif is_root(exponent):
            size = Text(f"{self.dialect.square_root}({base.text})", Level.CALL)
        elif is_multiplied(exponent):
            size = Text(self._integer_power(self.named(base).text, abs(int(exponent))), Level.PRODUCT)
        else:
            return self.dialect.power(base, of(exponent))
        return size if exponent > 0 else Text(f"{self.number(1.0)}/{size.within(Level.CALL)}", Level.PRODUCT)

    def _integer_power(self, base: str, exponent: int) -> str:
        """x³ as x·x·x; higher powers by repeated squaring."""
        if exponent <= 3:
            return "*".join([base] * exponent)
        half = self.assign(self._integer_power(base, exponent // 2))
        return f"{half}*{half}" + (f"*{base}" if exponent % 2 else "")

    def _normal_cdf(self, node: Basic, of: _Texts) -> Text:
        argument = of(node.args[0]).within(Level.PRODUCT)
        scale = self.number(-(0.5**0.5))
        return Text(f"{self.number(0.5)}*{self.dialect.erfc}({scale}*{argument})", Level.PRODUCT)

    def _hypot(self, arguments: Sequence[Basic], of: _Texts) -> Text:
        """Of more than two arguments one after the other."""
        texts = (of(argument).text for argument in arguments)
        return Text(reduce(lambda a, b: f"{self.dialect.hypot}({a}, {b})", texts), Level.CALL)

    def _piecewise(self, node: Basic, of: _Texts) -> Text:
        result = Text(self.number(math.nan), Level.NAME)
        for branch in reversed(node.args):
            value, condition = of(branch.args[0]), of(branch.args[1]).text
            if branch.args[1] == True:  # noqa: E712 - a SymPy boolean
                result = value
            else:
                result = self.dialect.choose(condition, value.within(Level.SUM), result.within(Level.CHOICE))
        return result

    def _relation(self, node: Basic, of: _Texts) -> Text:
        left, right = self.integers(node.args) or [of(a).within(Level.SUM) for a in node.args]
        return Text(f"{left} {node.rel_op} {right}", Level.CHOICE)

    def integers(self, nodes: Sequence[Basic]) -> list[str] | None:
        """Labels and indices as the integers they are; None if there is something else."""
        texts = [text for a in nodes if a not in self._parts and (text := self.integer_of(a)) is not None]
        return texts if len(texts) == len(nodes) else None


_Texts = Callable[[Basic], Text]
_Operand: TypeAlias = Basic | Text | float


class _Instructions:
    """What rows of functions are written with, as text; operands have names, so that none is evaluated twice."""

    def __init__(self, writer: ExpressionWriter, of: _Texts) -> None:
        self._writer, self._of = writer, of
        self._names: dict[Basic, Text] = {}

    def text(self, operand: _Operand) -> Text:
        if isinstance(operand, float):
            return Text(self._writer.number(operand), Level.NAME)
        return self._of(operand) if isinstance(operand, Basic) else operand

    def name(self, operand: _Operand) -> str:
        if not isinstance(operand, Basic):
            return self._writer.named(self.text(operand)).text
        if operand not in self._names:
            self._names[operand] = self._writer.named(self._of(operand))
        return self._names[operand].text

    def positive(self, x: Basic) -> Text:
        return self.compare(">", x, 0.0)

    def compare(self, relation: str, a: Basic, b: _Operand) -> Text:
        integers = self._writer.integers([a, b]) if relation == "==" and isinstance(b, Basic) else None
        left, right = integers or (self.name(a), self.name(b))
        return Text(f"{left} {relation} {right}", Level.CHOICE)

    def choose(self, condition: Text, a: _Operand, b: _Operand) -> Text:
        return self._writer.dialect.choose(condition.text, self.name(a), self.name(b))

    def extreme(self, relation: str, numbers: Sequence[Basic]) -> Text:
        best = self.name(numbers[0])
        for number in numbers[1:]:
            other = self.name(number)
            # `other != other` keeps nan; once the best is nan no comparison replaces it.
            condition = f"({other} {relation} {best}){self._writer.dialect.either}({other} != {other})"
            best = self.name(self._writer.dialect.choose(condition, other, best))
        return Text(best, Level.NAME)

    def divide(self, a: Basic, b: Text) -> Text:
        return Text(f"{self._of(a).within(Level.CALL)}/{self.name(b)}", Level.PRODUCT)


LARGE = 24
"""Nodes of an argument that is written for itself where a formula takes it."""


def _is_formula(node: Basic, dialect: Dialect) -> bool:
    row = f.operation(type(node))
    return not dialect.calls(type(node)) and (row.written is not None or isinstance(node, f.Composite))


def _expand(node: Basic, dialect: Dialect) -> Basic | None:
    """What a function is a formula of, unless the target has it."""
    row = f.operation(type(node))
    if dialect.calls(type(node)):
        return None
    if row.written is not None:
        return row.written(*node.args)
    return rewrite(node.definition(), lambda part: _expand(part, dialect)) if isinstance(node, f.Composite) else None


def product_factors(term: Basic) -> tuple[Basic, ...] | None:
    """The factors of a product without division, of a square its base twice; None for any other term."""
    if isinstance(term, Pow) and term.exp == 2:
        return (term.base, term.base)
    if isinstance(term, Mul) and not any(is_inverse(factor) for factor in term.args):
        return tuple(term.args)
    return None
