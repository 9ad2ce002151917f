"""A way of writing formulas: what numbers, products, fractions, names and functions look like.

Text is one (:mod:`codegen.notation.text`), LaTeX and MathML are others. What all of them share, the order of the pieces
and their brackets, is in :mod:`codegen.notation.writing`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, TypeAlias

from sympy import Expr, Idx
from sympy.core.basic import Basic

from codegen.ir.affine import affine, data_of
from codegen.ir.reduction import Reduction
from codegen.notation.vocabulary import Name, Plain, Ties, Vocabulary
from codegen.walk import base_name, subscripts


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

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = vocabulary or Vocabulary()

    @abstractmethod
    def name(self, name: Name, subscripts: Sequence[str]) -> tuple[str, Binding]:
        """A vertex."""

    def bracketed(self, name: Name, subscripts: Sequence[str]) -> str:
        """A part of a derivative, in brackets if it is one itself."""
        text, binding = self.name(name, subscripts)
        return self.brackets(text) if binding <= Binding.DERIVATIVE else text

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
    def function(self, kind: type[Basic], arguments: Sequence[str]) -> str | Factor:
        """A function of written arguments."""

    # --- what a script may write differently -------------------------------------------------------------------------

    def related(self, left: str, symbol: str, right: str) -> str:
        """A relation, whose symbol is that of Python."""
        return f"{left} {self.relations[symbol]} {right}"

    def digits(self, text: str) -> str:
        """A number without its sign."""
        return text

    def reference(self, node: Expr) -> Factor:
        """A vertex with its subscripts."""
        name = self.vocabulary.read(base_name(node))
        derivative = not isinstance(name, (Plain, Ties))
        text, binding = self.name(name, [self.subscript(i) for i in subscripts(node)])
        return Factor(text, binding, Rank.DERIVATIVE if derivative else Rank.REFERENCE)

    def subscript(self, index: Expr) -> str:
        """One subscript: an index, an integer, one that is read, or a sum of them, what is added first."""
        if isinstance(index, Idx):
            return self.plain(index.name)
        data = data_of(index)
        form = affine(index) if data is None else data.rest
        if form is None or index.is_number:
            return self.digits(str(index))
        number, lengths = form.constant.as_coeff_Add()
        terms = [] if data is None else [(data.factor, self.reference(data.integer).text)]
        terms += [(factor, self.plain(index.name)) for index, factor in form.coefficients]
        terms += [(factor, self.plain(n.name)) for n, factor in lengths.as_coefficients_dict().items() if lengths != 0]
        written = [
            (f > 0, name if abs(f) == 1 else self.product([self.digits(str(abs(f))), name])) for f, name in terms
        ]
        written += [(number > 0, self.digits(str(abs(number))))] if number else []
        written.sort(key=lambda term: not term[0])
        plus = self.plus.strip()
        return "".join((plus if added else self.sign) + term for added, term in written).removeprefix(plus)

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
            return Factor(self.digits("1"), rank=Rank.NUMBER)
        if quotient.divisors:
            divisors = sorted(quotient.divisors, key=lambda factor: factor.order)
            text = self.fraction(factors or [Factor(self.digits("1"), rank=Rank.NUMBER)], divisors)
        else:
            text = self.product([self.tight(factor, Binding.PRODUCT) for factor in factors])
        pieces = (*factors, *quotient.divisors)
        return Factor(text, Binding.PRODUCT, max(piece.rank for piece in pieces), pieces[0].key)
