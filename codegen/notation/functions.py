r"""How functions are written: one row each, for text, LaTeX and MathML; one without a row is called by its own name.

A row belongs to the function that a body holds; what SymPy has beside it (``Abs``, ``Max``) is written the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import sympy
from sympy.core.basic import Basic

from codegen import functions as f
from codegen.functions import special
from codegen.notation.script import Binding, Factor, Function

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Notation:
    """A name, or what stands around the arguments."""

    text: str | Function = ""
    """Nothing is the name of the class."""
    latex: str | Function = ""
    """A command; nothing is the name of the text, upright."""
    mathml: str | Function = ""
    """A name; nothing is that of the text, which has to be one."""


def notation(kind: type[Basic]) -> Notation:
    r"""The row of a function, or of the class that it derives from.

    >>> notation(f.sigmoid).text, notation(sympy.Max).latex
    ('σ', '\\max')
    """
    twin = f.CANONICAL.get(kind)
    bases = (twin if isinstance(twin, type) else kind).__mro__
    return next((NOTATION[base] for base in bases if base in NOTATION), PLAIN)


def called(name: str, arguments: Sequence[str]) -> str:
    """``f(x, y)``."""
    return f"{name}({', '.join(arguments)})"


def called_in_latex(command: str, arguments: Sequence[str]) -> str:
    r"""``f\left(x, y\right)``."""
    return rf"{command}\left({', '.join(arguments)}\right)"


def called_in_mathml(head: str, arguments: Sequence[str]) -> str:
    """``f(x, y)``: the head is written already."""
    return f"<mrow>{head}<mo>&#x2061;</mo>{fenced('<mo>,</mo>'.join(arguments))}</mrow>"


def fenced(inside: str, before: str = "(", after: str = ")") -> str:
    """What stands in brackets, in MathML."""
    return f"<mrow><mo>{before}</mo>{inside}<mo>{after}</mo></mrow>"


def identifier(name: str) -> str:
    """A name in MathML: one letter is italic, several are upright."""
    return f"<mi>{escape(name)}</mi>"


def _around(before: str, after: str, latex_before: str, latex_after: str) -> Notation:
    return Notation(
        lambda a: before + a[0] + after,
        lambda a: latex_before + a[0] + latex_after,
        lambda a: fenced(a[0], before, after),
    )


def _inside(name: str, command: str) -> Notation:
    """The logarithm of another function."""
    return Notation(
        lambda a: called("log", [called(name, a)]),
        lambda a: called_in_latex(r"\log", [called_in_latex(command, a)]),
        lambda a: called_in_mathml(identifier("log"), [called_in_mathml(identifier(name), a)]),
    )


def _of_order(letter: str, command: str = "") -> Notation:
    """J₂(x); in text an order that is no whole number is another argument."""

    def written(arguments: Sequence[str]) -> str:
        order, *rest = arguments
        return called(letter + order.translate(SUBSCRIPTS), rest) if order.isdecimal() else called(letter, arguments)

    return Notation(
        written,
        lambda a: called_in_latex(f"{command or letter}_{{{a[0]}}}", a[1:]),
        lambda a: called_in_mathml(f"<msub>{identifier(letter)}<mrow>{a[0]}</mrow></msub>", a[1:]),
    )


def _polygamma(arguments: Sequence[str]) -> str:
    return called("ψ" + {"0": "", "1": "′", "2": "″"}.get(arguments[0], f"^({arguments[0]})"), arguments[1:])


def _after_one(argument: str, minus: str, opening: str, closing: str) -> str:
    return "1 + " + (opening + argument + closing if argument.startswith(minus) else argument)


def _derived(name: str) -> Notation:
    return Notation(f"{name}′", rf"\operatorname{{{name}}}'")


def _word(name: str) -> Notation:
    """Another word in LaTeX."""
    return Notation(latex=rf"\operatorname{{{name}}}")


PLAIN = Notation()

NOTATION: Mapping[type[Basic], Notation] = {
    f.sigmoid: Notation("σ", r"\sigma"),
    f.normal_cdf: Notation("Φ", r"\Phi"),
    f.stop_gradient: Notation("const"),
    f.maximum: Notation("max", r"\max"),
    f.minimum: Notation("min", r"\min"),
    f.absolute: _around("|", "|", r"\left|", r"\right|"),
    f.floor: _around("⌊", "⌋", r"\left\lfloor ", r"\right\rfloor"),
    f.ceiling: _around("⌈", "⌉", r"\left\lceil ", r"\right\rceil"),
    f.sign: _word("sgn"),
    f.modulo: Notation("mod"),
    f.expm1: Notation(
        lambda a: Factor(f"exp({a[0]}) − 1", Binding.SUM),
        lambda a: Factor(called_in_latex(r"\exp", a) + " - 1", Binding.SUM),
        lambda a: Factor(called_in_mathml(identifier("exp"), a) + "<mo>−</mo><mn>1</mn>", Binding.SUM),
    ),
    f.log1p: Notation(
        lambda a: called("log", [_after_one(a[0], "−", "(", ")")]),
        lambda a: called_in_latex(r"\log", [_after_one(a[0], "-", r"\left(", r"\right)")]),
        lambda a: called_in_mathml(
            identifier("log"), ["<mn>1</mn><mo>+</mo>" + (fenced(a[0]) if a[0].startswith("<mo>−") else a[0])]
        ),
    ),
    f.log_sigmoid: _inside("σ", r"\sigma"),
    f.log_cosh: _inside("cosh", r"\cosh"),
    f.log_erfc: _inside("erfc", r"\operatorname{erfc}"),
    f.log_normal_cdf: _inside("Φ", r"\Phi"),
    f.log_sum_exp: _word("logsumexp"),
    f.erfcinv_slope: _derived("erfcinv"),
    f.logistic: Notation("σ", r"\sigma"),
    f.sigmoid_slope: Notation("σ′", r"\sigma'"),
    f.log_cosh_slope: Notation("tanh", r"\tanh"),
    f.tanh_slope: Notation("tanh′", r"\tanh'"),
    f.softmax_part: _word("softmax"),
    sympy.exp: Notation(latex=r"\exp"),
    sympy.log: Notation(latex=r"\log"),
    sympy.tanh: Notation(latex=r"\tanh"),
    sympy.sinh: Notation(latex=r"\sinh"),
    sympy.cosh: Notation(latex=r"\cosh"),
    sympy.sin: Notation(latex=r"\sin"),
    sympy.cos: Notation(latex=r"\cos"),
    sympy.tan: Notation(latex=r"\tan"),
    sympy.sec: Notation(latex=r"\sec"),
    sympy.csc: Notation(latex=r"\csc"),
    sympy.cot: Notation(latex=r"\cot"),
    f.coth: Notation(latex=r"\coth"),
    sympy.asin: Notation(latex=r"\arcsin"),
    sympy.acos: Notation(latex=r"\arccos"),
    sympy.atan: Notation(latex=r"\arctan"),
    sympy.asinh: _word("arsinh"),
    sympy.acosh: _word("arcosh"),
    sympy.atanh: _word("artanh"),
    f.asec: _word("arcsec"),
    f.acsc: _word("arccsc"),
    f.acot: _word("arccot"),
    f.asech: _word("arsech"),
    f.acsch: _word("arcsch"),
    f.acoth: _word("arcoth"),
    sympy.gamma: Notation("Γ", r"\Gamma"),
    sympy.loggamma: Notation("logΓ", r"\log\Gamma"),
    sympy.digamma: Notation("ψ", r"\psi"),
    sympy.trigamma: Notation("ψ′", r"\psi'"),
    sympy.polygamma: Notation(
        _polygamma,
        lambda a: called_in_latex(rf"\psi^{{({a[0]})}}", a[1:]),
        lambda a: called_in_mathml(f"<msup>{identifier('ψ')}{fenced(a[0])}</msup>", a[1:]),
    ),
    sympy.lowergamma: Notation("γ", r"\gamma"),
    sympy.uppergamma: Notation("Γ", r"\Gamma"),
    special.upper_gamma: Notation("Γ", r"\Gamma"),
    special.regularised_lower_gamma: Notation("P", "P"),
    special.regularised_upper_gamma: Notation("Q", "Q"),
    special.regularised_gamma_slope: Notation("∂P/∂a", r"\tfrac{\partial P}{\partial a}"),
    special.beta: Notation("B", r"\mathrm{B}"),
    special.besselj: _of_order("J"),
    special.bessely: _of_order("Y"),
    special.besseli: _of_order("I"),
    special.besselk: _of_order("K"),
    special.spherical_bessel: _of_order("j"),
    special.modified_spherical_bessel: _of_order("i"),
    sympy.expint: _of_order("E", r"\mathrm{E}"),
    special.generalised_exponential_integral: _of_order("E", r"\mathrm{E}"),
    special.sine_integral: Notation("Si"),
    special.hyperbolic_sine_integral: Notation("Shi"),
    sympy.LambertW: Notation("W", "W"),
    special.lambert_w: Notation("W", "W"),
    special.lower_lambert_w: Notation("W₋₁", "W_{-1}"),
    special.wright_omega: Notation("ω", r"\omega"),
    sympy.fresnels: Notation("S", "S"),
    sympy.fresnelc: Notation("C", "C"),
    sympy.airyai: Notation("Ai"),
    sympy.airybi: Notation("Bi"),
    sympy.airyaiprime: _derived("Ai"),
    sympy.airybiprime: _derived("Bi"),
}
