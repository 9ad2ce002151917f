r"""Formulas as LaTeX that plain amsmath sets: ``W^{(1)}_{h,d}``, ``\frac{\partial \mathcal{L}}{\partial b^{(1)}_{h}}``.

A name with trailing digits is a letter and the number of a layer; Greek letters and their names are Greek. Whatever
else a name contains stands escaped inside ``\text``, so that no name can end the formula or start a command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import sympy
from sympy.core.basic import Basic

from codegen.ir.equation import Equation
from codegen.ir.reduction import Reduction
from codegen.notation.functions import called_in_latex, notation
from codegen.notation.script import Binding, Factor, Script
from codegen.notation.vocabulary import Delta, Name, Noted, Partial, Plain, Ties, Total, Vocabulary
from codegen.notation.writing import write, write_body, write_target


def latex(expression: Basic, vocabulary: Vocabulary | None = None) -> str:
    r"""One expression.

    >>> from sympy import symbols, tanh
    >>> u1, y = symbols("u1 y", real=True)
    >>> print(latex((1 - tanh(u1) ** 2) / y))
    \frac{1 - \tanh\left(u_{1}\right)^{2}}{y}
    """
    return write(expression, Latex(vocabulary)).text


def equation_latex(equation: Equation, vocabulary: Vocabulary | None = None) -> str:
    r"""One equation as a line of an ``align*`` environment.

    >>> from codegen import Index, Reduction, Variable
    >>> h, d = Index("h", 3), Index("d", 2)
    >>> W, x, z = Variable("W1", (3, 2)), Variable("x", (2,)), Variable("z1", (3,))
    >>> print(equation_latex(Equation(z[h], W[h, d] * x[d], Reduction.SUM, (d,))))
    z^{(1)}_{h} &= \sum_{d} W^{(1)}_{h,d}\,x_{d}
    """
    script = Latex(vocabulary)
    return write_target(equation, script) + script.equals + write_body(equation, script)


# --- characters ---------------------------------------------------------------------------------------------------

GREEK_LETTERS: Mapping[str, str] = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ρ": "rho", "σ": "sigma", "τ": "tau",
    "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta",
    "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Υ": "Upsilon", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
"""Without π, which is the number, and without the letters that look like Latin ones."""
GREEK: Mapping[str, str] = {name: f"\\{word}" for letter, word in GREEK_LETTERS.items() for name in (letter, word)}

SPECIAL: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # \\textquotedbl is not in LaTeX's default font encoding
    **{character: f"\\{character}" for character in "{}$&#_%"},
}

LETTERED = re.compile(r"(?P<stem>[^\W\d_]+?)_?(?P<number>[0-9]*)(?P<primes>'*)")
PRIMED_INDEX = re.compile(r"(?P<stem>.*[^\W_])_(?P<count>[1-3])", re.DOTALL)

NAMED: Mapping[str, str] = {"loss": r"\mathcal{L}"}
"""Words that have a letter of their own."""


def escaped(name: str) -> str:
    r"""A name inside ``\text{…}``: special characters escaped, other than printable ASCII by their code.

    >>> print(escaped("50% of {x}\n"))
    50\% of \{x\}U+000A
    """
    return "".join(SPECIAL.get(c, c) if " " <= c <= "~" else f"U+{ord(c):04X}" for c in name)


def letter(stem: str) -> str:
    r"""A stem without number: a letter as it is, Greek as Greek, a word upright.

    >>> [letter(stem) for stem in ("W", "theta", "score", "a b")]
    ['W', '\\theta', '\\mathrm{score}', '\\text{a b}']
    """
    if stem in NAMED or stem in GREEK:
        return NAMED.get(stem) or GREEK[stem]
    if stem.isascii() and stem.isalpha():
        return stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"
    return rf"\text{{{escaped(stem)}}}"


RELATIONS: Mapping[str, str] = {"==": "=", "!=": r"\neq", "<": "<", ">": ">", "<=": r"\leq", ">=": r"\geq"}
CONNECTIVES: Mapping[str, str] = {"and": r" \land ", "or": r" \lor "}
REDUCTIONS: Mapping[Reduction, str] = {Reduction.SUM: r"\sum", Reduction.MAX: r"\max"}


# --- the script ---------------------------------------------------------------------------------------------------


class Latex(Script):
    """LaTeX with amsmath; the equals sign is the point of alignment."""

    minus = " - "
    sign = "-"
    equals = " &= "
    ellipsis = r"\dots"
    relations = RELATIONS
    constants: ClassVar[Mapping[Basic, str]] = {
        sympy.pi: r"\pi",
        sympy.E: r"\exp(1)",
        sympy.EulerGamma: r"\gamma",
        sympy.oo: r"\infty",
        -sympy.oo: r"(-\infty)",
        sympy.zoo: r"(\pm\infty)",
        sympy.nan: r"\mathrm{nan}",
        sympy.I: r"\mathrm{i}",
    }

    def name(self, name: Name, subscripts: Sequence[str]) -> tuple[str, Binding]:
        return NAMES[type(name)](self, name, list(subscripts))

    def plain(self, name: str) -> str:
        """``h_{2}`` for h2 and ``h'`` for h_1, a second index h."""
        if m := PRIMED_INDEX.fullmatch(name):
            return self.plain(m["stem"]) + "'" * int(m["count"])
        m = LETTERED.fullmatch(name)
        if m is None:
            return letter(name)
        return letter(m["stem"]) + (f"_{{{m['number']}}}" if m["number"] else "") + m["primes"]

    def product(self, factors: Sequence[str]) -> str:
        return r"\,".join(factors)

    def fraction(self, factors: Sequence[Factor], divisors: Sequence[Factor]) -> str:
        above, below = (self._side(pieces) for pieces in (factors, divisors))
        return rf"\frac{{{above}}}{{{below}}}"

    def _side(self, pieces: Sequence[Factor]) -> str:
        """One side of a fraction, whose bar brackets a sum that stands alone."""
        return pieces[0].text if len(pieces) == 1 else self.product([self.tight(p, Binding.PRODUCT) for p in pieces])

    def power(self, base: Factor, exponent: Factor) -> str:
        return f"{self.tight(base, Binding.ATOM)}^{{{exponent.text}}}"

    def root(self, radicand: Factor) -> str:
        return rf"\sqrt{{{radicand.text}}}"

    def brackets(self, text: str) -> str:
        return rf"\left({text}\right)"

    def iverson(self, statement: str) -> str:
        return rf"\left[{statement}\right]"

    def cases(self, branches: Sequence[tuple[str, str]]) -> str:
        rows = [
            rf"{value} & " + (rf"\text{{if }} {statement}" if statement else r"\text{otherwise}")
            for value, statement in branches
        ]
        return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"

    def connected(self, connective: str, statements: Sequence[str]) -> str:
        if connective == "not":
            return rf"\lnot {self.brackets(statements[0])}"
        return CONNECTIVES[connective].join(self.brackets(statement) for statement in statements)

    def reduction(self, reduction: Reduction, over: Sequence[str]) -> str:
        return f"{REDUCTIONS[reduction]}_{{{','.join(over)}}}"

    def scientific(self, mantissa: str, exponent: int) -> str:
        return rf"{mantissa} \cdot 10^{{{exponent}}}"

    def function(self, kind: type[Basic], arguments: Sequence[str]) -> str | Factor:
        row = notation(kind)
        if not isinstance(row.latex, str):
            return row.latex(arguments)
        word = row.text if isinstance(row.text, str) and row.text else kind.__name__
        return called_in_latex(row.latex or rf"\operatorname{{{escaped(word)}}}", arguments)


# --- names --------------------------------------------------------------------------------------------------------

Written = tuple[str, Binding]


def _scripts(stem: str, above: str, subscripts: Sequence[str]) -> Written:
    """A letter with a superscript and subscripts; with a superscript it needs brackets before the next one."""
    below = f"_{{{','.join(subscripts)}}}" if subscripts else ""
    return (f"{stem}^{{{above}}}{below}", Binding.POWER) if above else (stem + below, Binding.ATOM)


def _plain(script: Latex, name: Plain, subscripts: list[str]) -> Written:
    """The number of a layer stands above where there are subscripts, and is the subscript where there are none."""
    m = LETTERED.fullmatch(name.name)
    if m is None:
        return _scripts(letter(name.name), "", subscripts)
    primes, number = r"\prime" * len(m["primes"]), m["number"]
    if number and subscripts:
        return _scripts(letter(m["stem"]), f"({number}){primes}", subscripts)
    return _scripts(letter(m["stem"]), primes, [number] if number else subscripts)


def _delta(script: Latex, name: Delta, subscripts: list[str]) -> Written:
    return _scripts(r"\delta", f"({name.layer})", subscripts)


def _total(script: Latex, name: Total, subscripts: list[str]) -> Written:
    above, *below = (script.bracketed(*part) for part in name.parts(subscripts))
    order = f"^{{{len(below)}}}" if len(below) > 1 else ""
    under = r"\,".join(rf"\partial {part}" for part in below)
    return rf"\frac{{\partial{order} {above}}}{{{under}}}", Binding.DERIVATIVE


def _partial(script: Latex, name: Partial, subscripts: list[str]) -> Written:
    of, wrt = (
        script.bracketed(part, [script.plain(i.strip()) for i in printed.split(",")] if printed else [])
        for part, printed in ((name.of, name.of_subscripts), (name.wrt, name.wrt_subscripts))
    )
    text = rf"\frac{{\partial {of}}}{{\partial {wrt}}}"
    # The subscripts are in the name already; written out neuron by neuron, the place is told apart by them.
    if any(i.isdecimal() for i in subscripts):
        text = _at(text, ",".join(subscripts))
    return text, Binding.DERIVATIVE


def _at(text: str, place: str) -> str:
    return rf"\left.{text}\right|_{{{place}}}"


def _ties(script: Latex, name: Ties, subscripts: list[str]) -> Written:
    return called_in_latex(rf"\operatorname{{{name.word}}}", [script.name(name.maximum, subscripts)[0]]), Binding.ATOM


def _noted(script: Latex, name: Noted, subscripts: list[str]) -> Written:
    note = name.note if name.note.isdecimal() else rf"\text{{{name.note}}}"
    return _at(script.name(name.whole, subscripts)[0], note), Binding.DERIVATIVE


NAMES: Mapping[type[Name], Callable[..., Written]] = {
    Plain: _plain,
    Delta: _delta,
    Total: _total,
    Partial: _partial,
    Ties: _ties,
    Noted: _noted,
}
