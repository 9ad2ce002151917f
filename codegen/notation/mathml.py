"""Formulas as MathML, which browsers set themselves: every name is text, and none can become markup.

A vertex stands in an ``mrow`` whose ``data-v`` names it, with its subscripts where all of them are numbers: a page can
point at all places of one vertex, and put its value there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import ClassVar

import sympy
from sympy import Expr
from sympy.core.basic import Basic

from codegen.ir.equation import Equation
from codegen.ir.reduction import Reduction
from codegen.notation.functions import called_in_mathml, fenced, identifier, notation
from codegen.notation.latex import GREEK_LETTERS, LETTERED, PRIMED_INDEX
from codegen.notation.script import Binding, Factor, Script
from codegen.notation.text import visible
from codegen.notation.vocabulary import Delta, Name, Noted, Partial, Plain, Ties, Total, Vocabulary
from codegen.notation.writing import write, write_body, write_target
from codegen.walk import base_name, subscripts


def mathml(expression: Basic, vocabulary: Vocabulary | None = None) -> str:
    """One expression.

    >>> from sympy import symbols
    >>> b = symbols("b", real=True)
    >>> print(mathml(2 / b))
    <math displaystyle="true"><mfrac><mn>2</mn><mrow data-v="b"><mi>b</mi></mrow></mfrac></math>
    """
    return math(write(expression, MathML(vocabulary)).text)


def equation_mathml(equation: Equation, vocabulary: Vocabulary | None = None) -> str:
    """One equation.

    >>> from codegen import Index, Variable
    >>> h, u, a = Index("h", 3), Variable("u", (3,)), Variable("a", (3,))
    >>> print(equation_mathml(Equation(a[h], -u[h])).replace(' data-v', '\\n data-v'))
    <math displaystyle="true"><mrow
     data-v="a"><msub><mi>a</mi><mi>h</mi></msub></mrow><mo>=</mo><mo>−</mo><mrow
     data-v="u"><msub><mi>u</mi><mi>h</mi></msub></mrow></math>
    """
    script = MathML(vocabulary)
    return math(write_target(equation, script) + script.equals + write_body(equation, script))


def math(inside: str) -> str:
    """The whole formula, an element of a page."""
    return f'<math displaystyle="true">{inside}</math>'


def vertex(reference: Expr) -> str:
    """The vertex that a reference reads: its name, with its subscripts where all of them are numbers.

    >>> from codegen import Index, Variable
    >>> W = Variable("W1", (3, 2))
    >>> vertex(W[0, 1]), vertex(W[Index("h", 3), 1])
    ('W1[0,1]', 'W1')
    """
    places = subscripts(reference)
    numbered = places and all(place.is_Integer for place in places)
    return base_name(reference) + (f"[{','.join(map(str, places))}]" if numbered else "")


def letter(stem: str) -> str:
    """A stem without number: Greek as Greek, a word upright, anything else as text."""
    if stem in NAMED:
        return identifier(NAMED[stem])
    if stem in GREEK:
        return identifier(GREEK[stem])
    return identifier(stem) if stem.isascii() and stem.isalpha() else f"<mtext>{escape(visible(stem))}</mtext>"


GREEK: Mapping[str, str] = {name: sign for sign, word in GREEK_LETTERS.items() for name in (sign, word)}
NAMED: Mapping[str, str] = {"loss": "ℒ"}
"""Words that have a letter of their own."""


def row(inside: str) -> str:
    """Several pieces as one."""
    return f"<mrow>{inside}</mrow>"


# --- the script ---------------------------------------------------------------------------------------------------


class MathML(Script):
    """Presentation MathML of the elements that browsers share (MathML Core)."""

    plus = "<mo>+</mo>"
    minus = "<mo>−</mo>"
    sign = "<mo>−</mo>"
    equals = "<mo>=</mo>"
    ellipsis = "<mo>…</mo>"
    relations: ClassVar[Mapping[str, str]] = {
        sign: f"<mo>{escape(written)}</mo>"
        for sign, written in {"==": "=", "!=": "≠", "<": "<", ">": ">", "<=": "≤", ">=": "≥"}.items()
    }
    constants: ClassVar[Mapping[Basic, str]] = {
        sympy.pi: "<mi>π</mi>",
        sympy.E: called_in_mathml("<mi>exp</mi>", ["<mn>1</mn>"]),
        sympy.EulerGamma: "<mi>γ</mi>",
        sympy.oo: "<mi>∞</mi>",
        -sympy.oo: fenced("<mo>−</mo><mi>∞</mi>"),
        sympy.zoo: fenced("<mo>±</mo><mi>∞</mi>"),
        sympy.nan: "<mi>nan</mi>",
        sympy.I: "<mi>i</mi>",
    }
    times: ClassVar[str] = "<mo>&#x2062;</mo>"
    """Between factors: nothing that is seen."""

    def reference(self, node: Expr) -> Factor:
        found = super().reference(node)
        return replace(found, text=f'<mrow data-v="{escape(visible(vertex(node)))}">{found.text}</mrow>')

    def digits(self, text: str) -> str:
        return f"<mn>{escape(text)}</mn>"

    def name(self, name: Name, subscripts: Sequence[str]) -> tuple[str, Binding]:
        return NAMES[type(name)](self, name, list(subscripts))

    def plain(self, name: str) -> str:
        """``h₂`` for h2 and ``h′`` for h_1, a second index h."""
        if m := PRIMED_INDEX.fullmatch(name):
            return f"<msup>{row(self.plain(m['stem']))}<mo>{'′' * int(m['count'])}</mo></msup>"
        m = LETTERED.fullmatch(name)
        if m is None:
            return letter(name)
        return _scripts(letter(m["stem"]), _primes(m["primes"]), [self.digits(m["number"])] if m["number"] else [])[0]

    def product(self, factors: Sequence[str]) -> str:
        return self.times.join(factors)

    def fraction(self, factors: Sequence[Factor], divisors: Sequence[Factor]) -> str:
        above, below = (self._side(pieces) for pieces in (factors, divisors))
        return f"<mfrac>{above}{below}</mfrac>"

    def _side(self, pieces: Sequence[Factor]) -> str:
        """One side of a fraction, whose bar brackets a sum that stands alone."""
        if len(pieces) == 1:
            return _one(pieces[0].text)
        return row(self.product([self.tight(p, Binding.PRODUCT) for p in pieces]))

    def power(self, base: Factor, exponent: Factor) -> str:
        return f"<msup>{_one(self.tight(base, Binding.ATOM))}{_one(exponent.text)}</msup>"

    def root(self, radicand: Factor) -> str:
        return f"<msqrt>{radicand.text}</msqrt>"

    def brackets(self, text: str) -> str:
        return fenced(text)

    def iverson(self, statement: str) -> str:
        return fenced(statement, "[", "]")

    def cases(self, branches: Sequence[tuple[str, str]]) -> str:
        rows = "".join(
            f"<mtr><mtd>{value}</mtd><mtd>"
            + (f"<mtext>if&#xa0;</mtext>{statement}" if statement else "<mtext>otherwise</mtext>")
            + "</mtd></mtr>"
            for value, statement in branches
        )
        return f"<mrow><mo>{{</mo><mtable>{rows}</mtable></mrow>"

    def connected(self, connective: str, statements: Sequence[str]) -> str:
        if connective == "not":
            return f"<mo>¬</mo>{self.brackets(statements[0])}"
        sign = {"and": "<mo>∧</mo>", "or": "<mo>∨</mo>"}[connective]
        return sign.join(self.brackets(statement) for statement in statements)

    def reduction(self, reduction: Reduction, over: Sequence[str]) -> str:
        sign = {Reduction.SUM: '<mo movablelimits="false">∑</mo>', Reduction.MAX: '<mo movablelimits="false">max</mo>'}
        return f"<munder>{sign[reduction]}{row('<mo>,</mo>'.join(over))}</munder>"

    def scientific(self, mantissa: str, exponent: int) -> str:
        sign = "<mo>−</mo>" if exponent < 0 else ""
        power = f"<msup><mn>10</mn>{row(sign + self.digits(str(abs(exponent))))}</msup>"
        return row(f"{self.digits(mantissa)}<mo>·</mo>{power}")

    def function(self, kind: type[Basic], arguments: Sequence[str]) -> str | Factor:
        found = notation(kind)
        if found.mathml and not isinstance(found.mathml, str):
            return found.mathml(arguments)
        word = found.mathml or (found.text if isinstance(found.text, str) else "") or visible(kind.__name__)
        return called_in_mathml(identifier(str(word)), arguments)


# --- names --------------------------------------------------------------------------------------------------------

Written = tuple[str, Binding]


def _one(text: str) -> str:
    """Text of one element as it is, of several in a row: fractions and scripts take one."""
    return text if text.startswith(("<mn>", "<mi>")) and text.count("<") == 2 else _wrapped(text)


def _wrapped(text: str) -> str:
    """One element that encloses all, or a row around it."""
    depth = 0
    for place, character in enumerate(text):
        if character != "<":
            continue
        depth += -1 if text[place + 1] == "/" else 1
        if depth == 0:
            whole = text.index(">", place) + 1 == len(text)
            return text if whole else row(text)
    return row(text)


def _primes(primes: str) -> str:
    return f"<mo>{'′' * len(primes)}</mo>" if primes else ""


def _scripts(stem: str, above: str, below: Sequence[str]) -> Written:
    """A letter with a superscript and subscripts; with a superscript it needs brackets before the next one."""
    under = _one("<mo>,</mo>".join(below))
    if above:
        text = f"<msubsup>{stem}{under}{_one(above)}</msubsup>" if below else f"<msup>{stem}{_one(above)}</msup>"
        return text, Binding.POWER
    return (f"<msub>{stem}{under}</msub>" if below else stem), Binding.ATOM


def _plain(script: MathML, name: Plain, subscripts: list[str]) -> Written:
    """The number of a layer stands above where there are subscripts, and is the subscript where there are none."""
    m = LETTERED.fullmatch(name.name)
    if m is None:
        return _scripts(letter(name.name), "", subscripts)
    primes, number = _primes(m["primes"]), m["number"]
    if number and subscripts:
        return _scripts(letter(m["stem"]), _layer(script.digits(number)) + primes, subscripts)
    return _scripts(letter(m["stem"]), primes, [script.digits(number)] if number else subscripts)


def _layer(number: str) -> str:
    return fenced(number)


def _delta(script: MathML, name: Delta, subscripts: list[str]) -> Written:
    number, primes = name.layer.rstrip("'"), "'" * (len(name.layer) - len(name.layer.rstrip("'")))
    return _scripts("<mi>δ</mi>", _layer(script.digits(number)) + _primes(primes), subscripts)


def _total(script: MathML, name: Total, subscripts: list[str]) -> Written:
    above, *below = (script.bracketed(*part) for part in name.parts(subscripts))
    order = len(below)
    sign = f"<msup><mo>∂</mo><mn>{order}</mn></msup>" if order > 1 else "<mo>∂</mo>"
    under = row("".join(f"<mo>∂</mo>{part}" for part in below))
    return f"<mfrac>{row(sign + above)}{under}</mfrac>", Binding.DERIVATIVE


def _partial(script: MathML, name: Partial, subscripts: list[str]) -> Written:
    of, wrt = (
        script.bracketed(part, [_printed(script, i.strip()) for i in printed.split(",")] if printed else [])
        for part, printed in ((name.of, name.of_subscripts), (name.wrt, name.wrt_subscripts))
    )
    text = f"<mfrac>{row('<mo>∂</mo>' + of)}{row('<mo>∂</mo>' + wrt)}</mfrac>"
    # The subscripts are in the name already; written out neuron by neuron, the place is told apart by them.
    numbered = any(i.startswith("<mn>") for i in subscripts)
    return (_at(text, "<mo>,</mo>".join(subscripts)) if numbered else text), Binding.DERIVATIVE


def _printed(script: MathML, index: str) -> str:
    return script.digits(index) if index.isdecimal() else script.plain(index)


def _at(text: str, place: str) -> str:
    return f"<msub>{fenced(text, '', '|')}{_one(place)}</msub>"


def _ties(script: MathML, name: Ties, subscripts: list[str]) -> Written:
    return called_in_mathml(identifier(name.word), [script.name(name.maximum, subscripts)[0]]), Binding.ATOM


def _noted(script: MathML, name: Noted, subscripts: list[str]) -> Written:
    note = script.digits(name.note) if name.note.isdecimal() else f"<mtext>{escape(name.note)}</mtext>"
    return _at(script.name(name.whole, subscripts)[0], note), Binding.DERIVATIVE


NAMES: Mapping[type[Name], Callable[..., Written]] = {
    Plain: _plain,
    Delta: _delta,
    Total: _total,
    Partial: _partial,
    Ties: _ties,
    Noted: _noted,
}
