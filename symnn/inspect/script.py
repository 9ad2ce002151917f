"""How a formula is put together, whatever it is written in: order of terms and factors, signs, fractions, brackets.

A :class:`Script` says what the pieces look like, as text (:mod:`symnn.inspect.notation`) or as LaTeX
(:mod:`symnn.inspect.latex`). Each SymPy node is written once, by the row of a table for its class.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import islice
from typing import ClassVar, TypeAlias

import mpmath
import sympy
from sympy import Add, And, Expr, Float, Idx, Indexed, Integer, Mul, Not, Or, Piecewise, Pow, Rational, Symbol
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen import functions as f
from codegen.equation import Equation, Reduction
from codegen.expression import base_name, fold, is_leaf, is_reference, postorder, subscripts
from symnn.inspect.vocabulary import Name, Plain, Ties, Vocabulary

LONGEST = 50_000
"""A piece with more characters is written as …: a body may share its parts and be exponentially longer than it is big."""
DECIMAL = 12
"""A fraction is written as a decimal number of up to this many characters if that is exact and shorter than guessing."""
EXACT_BITS = 1_000
"""Integers with more bits are written in powers of ten."""
KEY_LEAVES = 8
"""As many leaves decide the order of two factors."""


class Binding(IntEnum):
    """How tightly a piece holds together; what stands in a tighter place needs brackets."""

    SUM = 0
    PRODUCT = 1
    DERIVATIVE = 2
    POWER = 3
    ATOM = 4


class Rank(IntEnum):
    """The order of factors in a product."""

    NUMBER = 0
    CONSTANT = 1
    DERIVATIVE = 2
    BRACKET = 3
    REFERENCE = 4
    FUNCTION = 5
    SUM = 6


Key: TypeAlias = tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Factor:
    """A finished piece; ``statement`` is what an Iverson bracket asserts."""

    text: str
    binding: Binding = Binding.ATOM
    rank: Rank = Rank.REFERENCE
    key: Key = ()
    statement: str = ""

    @property
    def order(self) -> tuple[Rank, Key]:
        """Numbers, derivatives, then the rest by name."""
        return self.rank, self.key


@dataclass(frozen=True)
class Quotient:
    """± factors/divisors: what a node contributes to the product that it stands in."""

    factors: tuple[Factor, ...] = ()
    divisors: tuple[Factor, ...] = ()
    negative: bool = False

    @property
    def single(self) -> Factor | None:
        """The one factor that this is, if it is one."""
        return self.factors[0] if len(self.factors) == 1 and not self.divisors and not self.negative else None


Handler: TypeAlias = "Callable[[Script, Basic, Sequence[Quotient]], Quotient]"
Function: TypeAlias = Callable[[Sequence[str]], "str | Factor"]
"""A function's notation from its arguments, which stand between commas or in brackets of its own."""


class Script(ABC):
    """A way of writing: what pieces look like. The order in which they stand is the same for all."""

    plus: ClassVar[str] = " + "
    minus: ClassVar[str] = " − "
    sign: ClassVar[str] = "−"
    equals: ClassVar[str] = " = "
    ellipsis: ClassVar[str] = "…"
    relations: ClassVar[Mapping[str, str]]
    constants: ClassVar[Mapping[Basic, str]]
    functions: ClassVar[Mapping[type[Basic], Function]]

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = vocabulary or Vocabulary()

    @abstractmethod
    def name(self, name: Name, subscripts: Sequence[str]) -> tuple[str, Binding]:
        """A vertex."""

    @abstractmethod
    def plain(self, name: str) -> str:
        """A name as a user wrote it: of an index, an extent, or a function."""

    @abstractmethod
    def product(self, factors: Sequence[str]) -> str:
        """Factors side by side."""

    @abstractmethod
    def fraction(self, factors: Sequence[Factor], divisors: Sequence[Factor]) -> str:
        """A product over a product."""

    @abstractmethod
    def power(self, base: Factor, exponent: Factor) -> str:
        """A power."""

    @abstractmethod
    def root(self, radicand: Factor) -> str:
        """A square root."""

    @abstractmethod
    def brackets(self, text: str) -> str:
        """Round brackets."""

    @abstractmethod
    def iverson(self, statement: str) -> str:
        """1 if the statement holds, otherwise 0."""

    @abstractmethod
    def cases(self, branches: Sequence[tuple[str, str]]) -> str:
        """Values and the statements under which they hold; an empty statement is "otherwise"."""

    @abstractmethod
    def connected(self, connective: str, statements: Sequence[str]) -> str:
        """Statements joined by ``and``, ``or`` and ``not``."""

    @abstractmethod
    def reduction(self, reduction: Reduction, over: Sequence[str]) -> str:
        """The sign in front of what is summed or compared."""

    @abstractmethod
    def scientific(self, mantissa: str, exponent: int) -> str:
        """A number in powers of ten."""

    @abstractmethod
    def apply(self, function: str, arguments: Sequence[str]) -> str:
        """A function that has no row in the table."""

    # --- leaves that a script may write differently ---------------------------------------------------------------

    def reference(self, node: Expr) -> Factor:
        """A vertex with its subscripts."""
        name = self.vocabulary.read(base_name(node))
        derivative = not isinstance(name, (Plain, Ties))
        text, binding = self.name(name, [self.subscript(i) for i in subscripts(node)])
        return Factor(text, binding, Rank.DERIVATIVE if derivative else Rank.REFERENCE)

    def subscript(self, index: Expr) -> str:
        """One subscript."""
        return self.plain(str(index.label)) if isinstance(index, Idx) else str(index)

    # --- what is derived from these -------------------------------------------------------------------------------

    def compose(self, quotient: Quotient) -> Factor:
        """A quotient as one piece, its sign included."""
        piece = self._unsigned(quotient)
        if not quotient.negative:
            return piece
        text = self.brackets(piece.text) if piece.binding is Binding.SUM else piece.text
        return Factor(self.sign + text, Binding.SUM, piece.rank, piece.key)

    def tight(self, piece: Factor, binding: Binding) -> str:
        """The piece as it stands where something of this binding is expected."""
        return piece.text if piece.binding >= binding else self.brackets(piece.text)

    def _unsigned(self, quotient: Quotient) -> Factor:
        factors = sorted(quotient.factors, key=lambda factor: factor.order)
        if len(factors) == 1 and not quotient.divisors:
            return factors[0]
        if not factors and not quotient.divisors:
            return Factor("1", rank=Rank.NUMBER)
        if quotient.divisors:
            divisors = sorted(quotient.divisors, key=lambda factor: factor.order)
            text = self.fraction(factors or [Factor("1", rank=Rank.NUMBER)], divisors)
        else:
            text = self.product([self.tight(factor, Binding.PRODUCT) for factor in factors])
        pieces = (*factors, *quotient.divisors)
        return Factor(text, Binding.PRODUCT, max(piece.rank for piece in pieces), pieces[0].key)


# --- writing ------------------------------------------------------------------------------------------------------


def write(expression: Basic, script: Script) -> Factor:
    """The expression as one piece."""
    return script.compose(_quotient(expression, script))


def write_target(equation: Equation, script: Script) -> str:
    """The left side of an equation."""
    return script.reference(equation.target).text


def write_body(equation: Equation, script: Script) -> str:
    """The right side of an equation, with numbers taken out of its sum: 1/S Σ_s (lse[s] − score[s])."""
    quotient = _quotient(equation.body, script)
    if equation.reduction is None:
        return script.compose(quotient).text
    front, rest = _split_constants(quotient) if equation.reduction is Reduction.SUM else (Quotient(), quotient)
    sign = script.reduction(equation.reduction, [script.subscript(i) for i in equation.reduced])
    pieces = [sign, script.tight(script.compose(rest), Binding.PRODUCT)]
    if front.factors or front.divisors:
        pieces.insert(0, script.compose(replace(front, negative=False)).text)
    return (script.sign if front.negative else "") + " ".join(pieces)


def write_equation(equation: Equation, script: Script) -> str:
    """The whole equation on one line."""
    return write_target(equation, script) + script.equals + write_body(equation, script)


def _split_constants(quotient: Quotient) -> tuple[Quotient, Quotient]:
    def parts(constant: bool, factors: Sequence[Factor]) -> tuple[Factor, ...]:
        return tuple(factor for factor in factors if (factor.rank <= Rank.CONSTANT) is constant)

    front, rest = (Quotient(parts(c, quotient.factors), parts(c, quotient.divisors)) for c in (True, False))
    return replace(front, negative=quotient.negative), rest


def _quotient(expression: Basic, script: Script) -> Quotient:
    def step(node: Basic, arguments: list[Quotient]) -> Quotient:
        return _elided(script, _handler(type(node))(script, node, arguments))

    return fold(expression, step)


def _elided(script: Script, quotient: Quotient) -> Quotient:
    pieces = (*quotient.factors, *quotient.divisors)
    if sum(len(piece.text) + len(piece.statement) for piece in pieces) <= LONGEST:
        return quotient
    return Quotient((Factor(script.ellipsis, rank=Rank.SUM),))


def _handler(kind: type[Basic]) -> Handler:
    return next((NODES[base] for base in kind.__mro__ if base in NODES), _function)


# --- order --------------------------------------------------------------------------------------------------------


def natural(name: str) -> Key:
    """A sort key in which 10 comes after 2.

    >>> sorted(["W10", "W2", "W1"], key=natural)
    ['W1', 'W2', 'W10']
    """
    pieces = re.split(r"([0-9]{1,18})", name)
    return tuple((0, int(p), "") if n % 2 else (1, 0, p) for n, p in enumerate(pieces) if p)


def _key(node: Basic) -> Key:
    names = (_leaf_name(leaf) for leaf in postorder(node) if is_leaf(leaf))
    return tuple(part for name in islice(names, KEY_LEAVES) for part in natural(name))


def _leaf_name(leaf: Basic) -> str:
    if isinstance(leaf, Indexed):
        return f"{base_name(leaf)} {' '.join(str(i) for i in leaf.indices)}"
    return str(leaf.label if isinstance(leaf, Idx) else leaf.name) if isinstance(leaf, (Symbol, Idx)) else ""


def _term_order(node: Basic, quotient: Quotient) -> tuple[object, ...]:
    """Positive terms, derivatives first and numbers last; of equal rank the one with more axes, then the larger."""
    ranks = [piece.rank for piece in (*quotient.factors, *quotient.divisors)]
    constant = all(rank <= Rank.CONSTANT for rank in ranks)
    scaled = Rank.NUMBER in ranks
    nodes = list(postorder(node))
    axes = max(len(subscripts(n)) for n in nodes)
    return quotient.negative, constant, Rank.DERIVATIVE not in ranks, -axes, scaled, -len(nodes), _key(node)


# --- arithmetic ---------------------------------------------------------------------------------------------------


def _add(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    terms = [q for _, q in sorted(zip(node.args, arguments), key=lambda pair: _term_order(*pair))]
    text = ""
    for position, term in enumerate(terms):
        piece = script.tight(script.compose(replace(term, negative=False)), Binding.PRODUCT)
        if position:
            text += (script.minus if term.negative else script.plus) + piece
        else:
            text = (script.sign if term.negative else "") + piece
    return Quotient((Factor(text, Binding.SUM, Rank.SUM, _key(node)),))


def _mul(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    factors = tuple(factor for q in arguments for factor in q.factors)
    divisors = tuple(divisor for q in arguments for divisor in q.divisors)
    negative = sum(q.negative for q in arguments) % 2 == 1
    return Quotient(factors, divisors, negative)


def _pow(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    """A negative number in the exponent makes a divisor."""
    base, exponent = script.compose(arguments[0]), node.args[1]
    if not (exponent.is_number and arguments[1].negative):
        return Quotient((_power(script, base, exponent, script.compose(arguments[1])),))
    size = script.compose(replace(arguments[1], negative=False))
    return Quotient((), (_power(script, base, -exponent, size),))


def _power(script: Script, base: Factor, exponent: Expr, written: Factor) -> Factor:
    if exponent == 1:
        return base
    root = exponent == Rational(1, 2)
    text = script.root(base) if root else script.power(base, written)
    return Factor(text, Binding.POWER, max(Rank.CONSTANT, base.rank, written.rank), base.key)


# --- leaves -------------------------------------------------------------------------------------------------------


def _reference(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    return Quotient((replace(script.reference(node), key=_key(node)),))


def _symbol(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    if is_reference(node):
        return _reference(script, node, arguments)
    return Quotient((Factor(script.plain(str(node.name)), rank=Rank.CONSTANT, key=_key(node)),))  # type: ignore[attr-defined]


def _index(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    return Quotient((Factor(script.subscript(node), key=_key(node)),))


def _rational(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    assert isinstance(node, Rational)
    if (decimal := _decimal(node)) is not None:
        return Quotient((Factor(decimal, rank=Rank.NUMBER),), (), bool(node < 0))
    parts = [(_integer(script, abs(int(n))),) if abs(n) != 1 else () for n in (node.p, node.q)]
    return Quotient(parts[0], parts[1], bool(node < 0))


def _integer(script: Script, value: int) -> Factor:
    if value.bit_length() <= EXACT_BITS:
        return Factor(str(value), rank=Rank.NUMBER)
    return _from_digits(script, mpmath.nstr(mpmath.mpf(value), 7))


def _decimal(value: Rational) -> str | None:
    """An exact decimal number for fractions whose denominator has a factor 5, as 1/100 was written 0.01."""
    q, places = int(value.q), 0
    while q % 10 == 0 or q % 5 == 0 or q % 2 == 0:
        q, places = (q // 10 if q % 10 == 0 else q // 5 if q % 5 == 0 else q // 2), places + 1
        if places > DECIMAL:
            return None
    if q != 1 or value.q % 5 or int(value.p).bit_length() > EXACT_BITS:
        return None
    digits = str(abs(int(value.p)) * 10**places // int(value.q)).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:].rstrip('0')}"
    return text if len(text) <= DECIMAL else None


def _float(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    assert isinstance(node, Float)
    size = abs(node)
    text = repr(float(size)) if node._prec <= 53 and 0 < abs(float(size)) < float("inf") else str(size)
    return Quotient((_from_digits(script, text.removesuffix(".0")),), (), bool(node < 0))


def _from_digits(script: Script, text: str) -> Factor:
    mantissa, e, exponent = text.partition("e")
    if not e:
        return Factor(text, rank=Rank.NUMBER)
    written = script.scientific(mantissa.removesuffix(".0"), int(exponent))
    return Factor(written, Binding.PRODUCT, Rank.NUMBER)


def _constant(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    text = script.constants.get(node) or script.plain(str(node))
    return Quotient((Factor(text, rank=Rank.CONSTANT),))


def _truth(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    statement = str(node).lower()
    return Quotient((Factor(script.iverson(statement), statement="" if node == sympy.true else statement),))


# --- functions ----------------------------------------------------------------------------------------------------


def _function(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    written = [script.compose(q).text for q in arguments]
    kind = next((base for base in type(node).__mro__ if base in script.functions), None)
    found = script.functions[kind](written) if kind else script.apply(type(node).__name__, written)
    piece = Factor(found) if isinstance(found, str) else found
    rank = Rank.SUM if piece.binding is Binding.SUM else Rank.FUNCTION
    return Quotient((replace(piece, rank=rank, key=_key(node)),))


def _bracket(script: Script, node: Basic, statement: str) -> Quotient:
    return Quotient((Factor(script.iverson(statement), rank=Rank.BRACKET, key=_key(node), statement=statement),))


def _relation(script: Script, left: Quotient, symbol: str, right: Quotient) -> str:
    return f"{script.compose(left).text} {script.relations[symbol]} {script.compose(right).text}"


def _equal(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    return _bracket(script, node, _relation(script, arguments[0], "==", arguments[1]))


def _step(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    return _bracket(script, node, _positive(script, arguments[0]))


def _positive(script: Script, condition: Quotient) -> str:
    """That a condition is positive: what a bracket asserts, or c > 0."""
    if condition.single is not None and condition.single.statement:
        return condition.single.statement
    return _relation(script, condition, ">", Quotient((Factor("0", rank=Rank.NUMBER),)))


def _select(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    statement = _positive(script, arguments[0])
    if node.args[1:] == (1, 0):
        return _bracket(script, node, statement)
    chosen, other = (script.compose(q).text for q in arguments[1:])
    return Quotient((Factor(script.cases([(chosen, statement), (other, "")]), rank=Rank.SUM, key=_key(node)),))


def _piecewise(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    branches = [(piece.text, piece.statement) for q in arguments for piece in q.factors]
    return Quotient((Factor(script.cases(branches), rank=Rank.SUM, key=_key(node)),))


def _branch(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    statement = arguments[1].factors[0].statement if arguments[1].factors else ""
    return Quotient((Factor(script.compose(arguments[0]).text, statement=statement),))


def _relational(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    return _bracket(script, node, _relation(script, arguments[0], str(node.rel_op), arguments[1]))  # type: ignore[attr-defined]


def _connective(word: str) -> Handler:
    def write_connective(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
        return _bracket(script, node, script.connected(word, [_positive(script, q) for q in arguments]))

    return write_connective


#: How a node is written, by its class or the nearest base class of it; any other is a function.
NODES: Mapping[type[Basic], Handler] = {
    Add: _add,
    Mul: _mul,
    Pow: _pow,
    Indexed: _reference,
    Symbol: _symbol,
    Idx: _index,
    Rational: _rational,
    Float: _float,
    sympy.NumberSymbol: _constant,
    type(sympy.oo): _constant,
    type(-sympy.oo): _constant,
    type(sympy.zoo): _constant,
    type(sympy.nan): _constant,
    type(sympy.I): _constant,
    f.equal: _equal,
    sympy.KroneckerDelta: _equal,
    f.step: _step,
    f.select: _select,
    Piecewise: _piecewise,
    ExprCondPair: _branch,
    Relational: _relational,
    BooleanAtom: _truth,
    And: _connective("and"),
    Or: _connective("or"),
    Not: _connective("not"),
}
