"""Formulas as one line of text each, in Unicode: ``a1[s,h] = tanh(u1[s,h])``, ``∂loss/∂W1[h,d] = Σ_s …``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import sympy
from sympy.core.basic import Basic

from codegen.ir.reduction import Reduction
from codegen.notation.functions import called, notation
from codegen.notation.script import Binding, Factor, Script
from codegen.notation.vocabulary import Delta, Name, Noted, Partial, Plain, Ties, Total, Vocabulary
from codegen.notation.writing import write

SUPERSCRIPTS = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
WORD = re.compile(r"[^\W\d]\w*'*")
"""A name that needs no quotation marks."""


def text(expression: Basic, vocabulary: Vocabulary | None = None) -> str:
    """One expression.

    >>> from codegen import functions as f
    >>> from sympy import exp, symbols
    >>> u, y = symbols("u y", real=True)
    >>> text((1 - f.sigmoid(u) ** 2) * exp(-u) / 3)
    'exp(−u)·(1 − σ(u)²)/3'
    >>> text(f.select(u - y, f.absolute(y), 0))
    '{|y| if u − y > 0, else 0}'
    """
    return write(expression, Text(vocabulary)).text


def visible(name: str) -> str:
    r"""A name on one line: control characters, line ends and invisible characters as Python escapes them.

    >>> print(visible("a\nb\u202e"))
    a\nb\u202e
    """
    return "".join(_escaped(c) if c in "\\“”" or _is_invisible(c) else c for c in name)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def number(value: float, digits: int = 6) -> str:
    """A value to six significant digits.

    >>> [number(v) for v in (2.0, -0.25, 1e-7 / 3, float("-inf"))]
    ['2', '−0.25', '3.33333·10⁻⁸', '−∞']
    """
    mantissa, e, exponent = f"{value:.{digits}g}".replace("inf", "∞").replace("-", "−").partition("e")
    return mantissa + (power_of_ten(int(exponent.replace("−", "-"))) if e else "")


def power_of_ten(exponent: int) -> str:
    """``·10⁻⁸``."""
    return "·10" + str(exponent).replace("-", "−").translate(SUPERSCRIPTS)


def derivative(of: str, wrt: str) -> str:
    """``∂e/∂c``.

    >>> derivative("e", "c"), derivative("∂e/∂c", "c")
    ('∂e/∂c', '∂(∂e/∂c)/∂c')
    """
    return "/".join(f"∂({part})" if part.startswith("∂") else f"∂{part}" for part in (of, wrt))


# --- the script ---------------------------------------------------------------------------------------------------


class Text(Script):
    """Unicode text."""

    relations: ClassVar[Mapping[str, str]] = {"==": "=", "!=": "≠", "<": "<", ">": ">", "<=": "≤", ">=": "≥"}
    constants: ClassVar[Mapping[Basic, str]] = {
        sympy.pi: "π",
        sympy.E: "exp(1)",
        sympy.EulerGamma: "γ",
        sympy.oo: "∞",
        -sympy.oo: "(−∞)",
        sympy.zoo: "(±∞)",
        sympy.nan: "nan",
        sympy.I: "i",
    }

    def name(self, name: Name, subscripts: Sequence[str]) -> tuple[str, Binding]:
        found = NAMES[type(name)](self, name, list(subscripts))
        return found, Binding.DERIVATIVE if isinstance(name, (Total, Partial, Noted)) else Binding.ATOM

    def plain(self, name: str) -> str:
        return name if WORD.fullmatch(name) else f"“{visible(name)}”"

    def product(self, factors: Sequence[str]) -> str:
        return "·".join(factors)

    def fraction(self, factors: Sequence[Factor], divisors: Sequence[Factor]) -> str:
        above = self.product([self.tight(factor, Binding.PRODUCT) for factor in factors])
        below = self.product([self.tight(divisor, Binding.POWER) for divisor in divisors])
        return f"{above}/{below if len(divisors) == 1 else self.brackets(below)}"

    def power(self, base: Factor, exponent: Factor) -> str:
        below, above = self.tight(base, Binding.ATOM), exponent.text
        if above.isdecimal():
            return below + above.translate(SUPERSCRIPTS)
        return f"{below}^{self.tight(exponent, Binding.ATOM)}"

    def root(self, radicand: Factor) -> str:
        return "√" + self.tight(radicand, Binding.ATOM)

    def brackets(self, text: str) -> str:
        return f"({text})"

    def iverson(self, statement: str) -> str:
        return f"[{statement}]"

    def cases(self, branches: Sequence[tuple[str, str]]) -> str:
        written = [f"{value} if {statement}" if statement else f"else {value}" for value, statement in branches]
        return "{" + ", ".join(written) + "}"

    def connected(self, connective: str, statements: Sequence[str]) -> str:
        if connective == "not":
            return f"not ({statements[0]})"
        return f" {connective} ".join(f"({statement})" for statement in statements)

    def reduction(self, reduction: Reduction, over: Sequence[str]) -> str:
        return reduction.sign + "_" + (over[0] if len(over) == 1 else "{" + ",".join(over) + "}")

    def scientific(self, mantissa: str, exponent: int) -> str:
        return mantissa + power_of_ten(exponent)

    def function(self, kind: type[Basic], arguments: Sequence[str]) -> str | Factor:
        name = notation(kind).text
        return called(name or self.plain(kind.__name__), arguments) if isinstance(name, str) else name(arguments)


# --- names --------------------------------------------------------------------------------------------------------


def _subscripted(stem: str, subscripts: Sequence[str]) -> str:
    return stem + (f"[{','.join(subscripts)}]" if subscripts else "")


def _plain(script: Text, name: Plain, subscripts: list[str]) -> str:
    return _subscripted(script.plain(name.name), subscripts)


def _delta(script: Text, name: Delta, subscripts: list[str]) -> str:
    return _subscripted(f"δ{name.layer}", subscripts)


def _total(script: Text, name: Total, subscripts: list[str]) -> str:
    """∂loss/∂W1[h,d]; of second order ∂²loss/∂W1[h,d]∂x[s,d]."""
    written = [script.name(*part)[0] for part in name.parts(subscripts)]
    above, *below = (script.brackets(part) if part.startswith("∂") else part for part in written)
    order = str(len(below)).translate(SUPERSCRIPTS) if len(below) > 1 else ""
    return f"∂{order}{above}/" + "".join(f"∂{part}" for part in below)


def _partial(script: Text, name: Partial, subscripts: list[str]) -> str:
    of = script.name(name.of, _printed(name.of_subscripts))[0]
    wrt = script.name(name.wrt, _printed(name.wrt_subscripts))[0]
    # The subscripts are in the name already; written out neuron by neuron, the place is told apart by them.
    place = f"⟨{','.join(subscripts)}⟩" if any(i.isdecimal() for i in subscripts) else ""
    return derivative(of, wrt) + place


def _printed(subscripts: str) -> list[str]:
    return [i.strip() for i in subscripts.split(",")] if subscripts else []


def _ties(script: Text, name: Ties, subscripts: list[str]) -> str:
    return f"{name.word}({script.name(name.maximum, subscripts)[0]})"


def _noted(script: Text, name: Noted, subscripts: list[str]) -> str:
    return f"{script.name(name.whole, subscripts)[0]}⟨{name.note}⟩"


NAMES: Mapping[type[Name], Callable[..., str]] = {
    Plain: _plain,
    Delta: _delta,
    Total: _total,
    Partial: _partial,
    Ties: _ties,
    Noted: _noted,
}
