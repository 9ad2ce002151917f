"""Formulas as expressions of programming languages and spreadsheets: the same walk with other words.

A table of words makes a language. Vertices are called by identifiers that the caller chose, so that no name of a user
becomes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import sympy
from sympy import Expr
from sympy.core.basic import Basic

from codegen import functions as f
from codegen.errors import GraphError
from codegen.functions import special
from codegen.functions.kinks import Extremum
from codegen.ir.reduction import Reduction
from codegen.notation.script import Binding, Factor, Rank, Script
from codegen.notation.vocabulary import Name


@dataclass(frozen=True)
class Language:
    """How a language writes arithmetic. functions: templates by class; powers and choice: templates too."""

    name: str
    functions: Mapping[type[Basic], str]
    power: str = "{0}**{1}"
    """To a whole number."""
    real_power: str = ""
    """To any other, where that is written in another way."""
    choice: str = "({1} if {0} else {2})"
    relations: Mapping[str, str] = field(default_factory=lambda: {s: s for s in ("==", "!=", "<", ">", "<=", ">=")})
    compared: Mapping[str, str] = field(default_factory=dict)
    """Templates of the relations that are calls."""
    root: str = "sqrt({0})"
    pi: str = "pi"
    real: bool = False
    """Whether whole numbers are written as real ones, where 1/2 is 0."""
    definitions: Mapping[str, str] = field(default_factory=dict)
    """What has to stand above formulas that call it, by its name."""

    def defined(self, text: str) -> list[str]:
        """The definitions that a text needs."""
        return [definition for name, definition in self.definitions.items() if f"{name}(" in text]


class Code(Script):
    """One language, in which each vertex is called as ``identifiers`` says, by its reference.

    >>> from sympy import symbols, tanh
    >>> a = symbols("a", real=True)
    >>> from codegen.notation.writing import write
    >>> [write(tanh(a)**2/2, Code(language, {a: "x0"})).text for language in (PYTHON, C, SPREADSHEET)]
    ['math.tanh(x0)**2/2', 'pow(tanh(x0), 2.0)/2.0', '(TANH(x0)^2)/2']
    """

    minus = " - "
    sign = "-"
    ellipsis = "..."

    def __init__(self, language: Language, identifiers: Mapping[Expr, str]) -> None:
        super().__init__()
        self.language, self.identifiers = language, identifiers

    @property
    def relations(self) -> Mapping[str, str]:  # type: ignore[override]  # of each language
        return self.language.relations

    @property
    def constants(self) -> Mapping[Basic, str]:  # type: ignore[override]
        return {sympy.pi: self.language.pi, sympy.E: self._called(sympy.exp, [self.digits("1")])}

    def reference(self, node: Expr) -> Factor:
        return Factor(self.identifiers[node], rank=Rank.REFERENCE)

    def digits(self, text: str) -> str:
        return f"{text}.0" if self.language.real and text.isdecimal() else text

    def name(self, name: Name, subscripts: Sequence[str]) -> tuple[str, Binding]:
        raise self._refused(str(name))

    def plain(self, name: str) -> str:
        raise self._refused(name)

    def product(self, factors: Sequence[str]) -> str:
        return "*".join(factors)

    def fraction(self, factors: Sequence[Factor], divisors: Sequence[Factor]) -> str:
        above, below = (
            self.product([self.tight(p, Binding.PRODUCT) for p in pieces]) for pieces in (factors, divisors)
        )
        single = len(divisors) == 1 and divisors[0].binding >= Binding.POWER
        return f"{above}/{below if single else self.brackets(below)}"

    def power(self, base: Factor, exponent: Factor) -> str:
        real = self.language.real_power
        template = real if real and not exponent.text.removesuffix(".0").isdecimal() else self.language.power
        binding = Binding.SUM if "," in template else Binding.ATOM  # nothing needs brackets between commas
        return template.format(self.tight(base, binding), self.tight(exponent, binding))

    def root(self, radicand: Factor) -> str:
        return self.language.root.format(radicand.text)

    def brackets(self, text: str) -> str:
        return f"({text})"

    def related(self, left: str, symbol: str, right: str) -> str:
        template = self.language.compared.get(symbol)
        return template.format(left, right) if template else super().related(left, symbol, right)

    def iverson(self, statement: str) -> str:
        return self.language.choice.format(statement, self.digits("1"), self.digits("0"))

    def cases(self, branches: Sequence[tuple[str, str]]) -> str:
        written = ""
        for value, statement in reversed(branches):
            written = self.language.choice.format(statement, value, written) if statement and written else value
        return written

    def connected(self, connective: str, statements: Sequence[str]) -> str:
        raise self._refused(connective)

    def reduction(self, reduction: Reduction, over: Sequence[str]) -> str:
        raise self._refused(reduction.sign)

    def scientific(self, mantissa: str, exponent: int) -> str:
        return f"{mantissa}e{exponent}"

    def function(self, kind: type[Basic], arguments: Sequence[str]) -> str | Factor:
        return self._called(kind, arguments)

    def _called(self, kind: type[Basic], arguments: Sequence[str]) -> str:
        template = self.language.functions.get(kind)
        if template is None:
            raise self._refused(kind.__name__)
        if issubclass(kind, Extremum):  # of any number, written for two
            return reduce(template.format, arguments)
        return template.format(*arguments)

    def _refused(self, what: str) -> GraphError:
        return GraphError(
            f"{what}: found no form of it in the formulas of {self.language.name}, expected a function that "
            f"{self.language.name} can call; as text and in LaTeX every function has one"
        )


def _table(call: str, words: Mapping[str, str]) -> dict[type[Basic], str]:
    """Functions that are called by a word: that of ``words``, or else their own name."""
    return {kind: call.format(words.get(word, word)) for kind, word in NAMES.items()}


NAMES: Mapping[type[Basic], str] = {
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.tanh: "tanh",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.asin: "asin",
    sympy.acos: "acos",
    sympy.atan: "atan",
    sympy.asinh: "asinh",
    sympy.acosh: "acosh",
    sympy.atanh: "atanh",
    sympy.erf: "erf",
    sympy.erfc: "erfc",
    f.expm1: "expm1",
    f.log1p: "log1p",
    f.absolute: "abs",
    f.floor: "floor",
    f.ceiling: "ceil",
}

PYTHON = Language(
    "Python",
    {
        **_table("math.{}({{0}})", {}),
        f.absolute: "abs({0})",
        f.sign: "(({0} > 0) - ({0} < 0))",
        special.sinc: "(math.sin({0})/({0}) if {0} != 0 else 1)",
        sympy.loggamma: "(math.nan if {0} < 0 else math.lgamma({0}))",
        f.sigmoid: "((1 + math.tanh(({0})/2))/2)",
        f.relu: "max({0}, 0)",
        f.maximum: "max({0}, {1})",
        f.minimum: "min({0}, {1})",
        f.clip: "min(max({0}, {1}), {2})",
        f.normal_cdf: "(math.erfc(-({0})/math.sqrt(2))/2)",
        f.softplus: "(max({0}, 0) + math.log1p(math.exp(-abs({0}))))",
    },
    real_power="math.pow({0}, {1})",  # (-8)**(1/3) is complex
    root="math.sqrt({0})",
    pi="math.pi",
)
C = Language(
    "C",
    {
        **_table("{}({{0}})", {"abs": "fabs"}),
        f.sign: "(double)(({0} > 0.0) - ({0} < 0.0))",
        special.sinc: "({0} != 0.0 ? sin({0})/({0}) : 1.0)",
        sympy.loggamma: "({0} < 0.0 ? NAN : lgamma({0}))",
        f.sigmoid: "((1.0 + tanh(({0})/2.0))/2.0)",
        f.relu: "maximum({0}, 0.0)",
        f.maximum: "maximum({0}, {1})",
        f.minimum: "minimum({0}, {1})",
        f.clip: "minimum(maximum({0}, {1}), {2})",
        f.normal_cdf: "(erfc(-({0})/sqrt(2.0))/2.0)",
        f.softplus: "(fmax({0}, 0.0) + log1p(exp(-fabs({0}))))",
    },
    power="pow({0}, {1})",
    choice="({0} ? {1} : {2})",
    pi="acos(-1.0)",
    real=True,
    definitions={  # fmax and fmin pass over nan
        name: f"static double {name}(double a, double b) {{ return a {sign} b || a != a ? a : b; }}"
        for name, sign in (("maximum", ">"), ("minimum", "<"))
    },
)
SPREADSHEET = Language(
    "spreadsheets",
    {
        **_table("{}({{0}})", {name: name.upper() for name in NAMES.values()} | {"log": "LN"}),
        f.sign: "SIGN({0})",
        special.sinc: "IF({0} <> 0, SIN({0})/({0}), 1)",
        sympy.loggamma: "GAMMALN({0})",
        f.expm1: "(EXP({0}) - 1)",
        f.log1p: "LN(1 + {0})",
        f.floor: "INT({0})",
        f.ceiling: "(-INT(-({0})))",
        f.sigmoid: "((1 + TANH(({0})/2))/2)",
        f.relu: "MAX({0}, 0)",
        f.maximum: "MAX({0}, {1})",
        f.minimum: "MIN({0}, {1})",
        f.clip: "MIN(MAX({0}, {1}), {2})",
        f.normal_cdf: "(ERFC(-({0})/SQRT(2))/2)",
        f.softplus: "(MAX({0}, 0) + LN(1 + EXP(-ABS({0}))))",
    },
    power="({0}^{1})",  # in brackets, for a sign binds more tightly than a power there: =-2^2 is 4
    choice="IF({0}, {1}, {2})",
    relations={"==": "=", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="},
    root="SQRT({0})",
    pi="PI()",
)
SYMPY = Language(
    "SymPy",
    {
        **_table("{}({{0}})", {"abs": "Abs", "ceil": "ceiling"}),
        f.sign: "sign({0})",
        special.sinc: "sinc({0})",
        sympy.loggamma: "loggamma({0})",
        sympy.polygamma: "polygamma({0}, {1})",
        sympy.erfinv: "erfinv({0})",
        f.expm1: "(exp({0}) - 1)",
        f.log1p: "log(1 + {0})",
        f.sigmoid: "((1 + tanh(({0})/2))/2)",
        f.relu: "Max({0}, 0)",
        f.maximum: "Max({0}, {1})",
        f.minimum: "Min({0}, {1})",
        f.clip: "Min(Max({0}, {1}), {2})",
        f.normal_cdf: "(erfc(-({0})/sqrt(2))/2)",
        f.softplus: "log(1 + exp({0}))",
    },
    choice="Piecewise(({1}, {0}), ({2}, True))",
    compared={"==": "Eq({0}, {1})", "!=": "Ne({0}, {1})"},  # == would compare the expressions
)
LANGUAGES: Mapping[str, Language] = {"python": PYTHON, "c": C, "spreadsheet": SPREADSHEET, "sympy": SYMPY}
