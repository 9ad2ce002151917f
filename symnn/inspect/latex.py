r"""Formulas as LaTeX that plain amsmath sets: ``W^{(1)}_{h,d}``, ``\frac{\partial \mathcal{L}}{\partial b^{(1)}_{h}}``.

A name with trailing digits is a letter and the number of a layer; Greek letters and their names are Greek. Whatever
else a name contains stands escaped inside ``\text``, so that no name can end the formula or start a command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import sympy
from sympy.core.basic import Basic

from codegen import functions as f
from codegen.equation import Equation, Reduction
from symnn.inspect.script import Binding, Factor, Function, Script, write, write_body, write_target
from symnn.inspect.vocabulary import Delta, Name, Noted, Partial, Plain, Ties, Total, Vocabulary


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

GREEK_WORDS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
).split()
GREEK_LETTERS = "αβγδεζηθικλμνξρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"
GREEK: Mapping[str, str] = {
    **{word: f"\\{word}" for word in GREEK_WORDS},
    **{letter: f"\\{word}" for letter, word in zip(GREEK_LETTERS, GREEK_WORDS)},
    "π": r"\pi",
}
"""Letters and their names; a variable called pi is spelled out, since π is the number."""

SPECIAL: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    **{character: f"\\{character}" for character in "{}$&#_%"},
}
# T1 has \textquotedbl, plain OT1 has not.
SPECIAL = {**SPECIAL, '"': "''"}

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
