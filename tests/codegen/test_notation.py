"""Formulas as text and as LaTeX: what each construct looks like, and that no name can break a line or a document."""

import re
from xml.etree import ElementTree

import pytest
import sympy
from hypothesis import example, given
from hypothesis import strategies as st
from sympy import (
    Expr,
    Float,
    Function,
    Integer,
    Piecewise,
    Pow,
    Rational,
    Symbol,
    exp,
    log,
    oo,
    pi,
    sqrt,
    symbols,
    tanh,
)

from codegen import Equation, Index, Reduction, Variable, from_expressions, gradient, partials, sample_extent
from codegen import functions as f
from codegen.derive import METHODS
from codegen.functions import special
from codegen.notation.latex import GREEK_LETTERS, Latex, equation_latex, latex
from codegen.notation.mathml import equation_mathml, mathml
from codegen.notation.text import Text, number, text, visible
from codegen.notation.vocabulary import Vocabulary
from codegen.notation.writing import LONGEST, write_equation
from codegen.walk import base_name
from tests.codegen.networks import lecture, mlp

x, y = symbols("x y", real=True)
S = sample_extent()
s, h, t, i, j = Index("s", S), Index("h", 3), Index("t", 4), Index("i", 4), Index("j", 3)
u, W, label = Variable("u1", (S, 3)), Variable("W2", (4, 3)), Variable("y", (S,), "integer")
known = Vocabulary({"loss": 0, "e": 0, "c": 0, "x": 2, "u1": 2, "W2": 2, "m": 1, "dloss/dW2": 2})


def equation_text(equation: Equation, vocabulary: Vocabulary | None = None) -> str:
    return write_equation(equation, Text(vocabulary))


# --- expressions --------------------------------------------------------------------------------------------------

EXPRESSIONS = [
    # sums: positive terms first, numbers last
    (1 - x, "1 − x", "1 - x"),
    (x - 1, "x − 1", "x - 1"),
    (-x - 1, "−x − 1", "-x - 1"),
    (y - x + 2, "y + 2 − x", "y + 2 - x"),
    (log(x) + y, "log(x) + y", r"\log\left(x\right) + y"),
    (x**2 + x, "x² + x", "x^{2} + x"),
    (-(x + y) / 2, "−x/2 − y/2", r"-\frac{x}{2} - \frac{y}{2}"),
    # products: numbers, names, functions, sums
    (tanh(x) * (1 - y) * y * 3, "3·y·tanh(x)·(1 − y)", r"3\,y\,\tanh\left(x\right)\,\left(1 - y\right)"),
    (sympy.Mul(2, x + y, evaluate=False), "2·(x + y)", r"2\,\left(x + y\right)"),
    (-x * y, "−x·y", r"-x\,y"),
    # quotients
    (x / y, "x/y", r"\frac{x}{y}"),
    (1 / x, "1/x", r"\frac{1}{x}"),
    (1 / (x * y), "1/(x·y)", r"\frac{1}{x\,y}"),
    ((x - y) / (x + y), "(x − y)/(x + y)", r"\frac{x - y}{x + y}"),
    (x / y**2, "x/y²", r"\frac{x}{y^{2}}"),
    # powers
    (x**12, "x¹²", "x^{12}"),
    ((x + y) ** 2, "(x + y)²", r"\left(x + y\right)^{2}"),
    (exp(x) ** 2, "exp(2·x)", r"\exp\left(2\,x\right)"),
    (tanh(x) ** 2, "tanh(x)²", r"\tanh\left(x\right)^{2}"),
    (Pow(2, x), "2^x", "2^{x}"),
    (x**-y, "x^(−y)", "x^{-y}"),
    (Pow(x / y, Rational(3, 2)), "(x/y)^(3/2)", r"\left(\frac{x}{y}\right)^{\frac{3}{2}}"),
    (sqrt(x), "√x", r"\sqrt{x}"),
    (sqrt(x + 1) / 3, "√(x + 1)/3", r"\frac{\sqrt{x + 1}}{3}"),
    (1 / sqrt(2 * pi), "√2/(2·√π)", r"\frac{\sqrt{2}}{2\,\sqrt{\pi}}"),
    # numbers: exact, decimal where that is what was written
    (Rational(1, 2), "1/2", r"\frac{1}{2}"),
    (Rational(-3, 4) * x, "−3·x/4", r"-\frac{3\,x}{4}"),
    (Rational(1, 100) * x, "0.01·x", r"0.01\,x"),
    (Rational(44715, 10**6), "0.044715", "0.044715"),
    (Rational(5, 2), "5/2", r"\frac{5}{2}"),
    (Rational(1, 15), "1/15", r"\frac{1}{15}"),
    (Float(1.702) * x, "1.702·x", r"1.702\,x"),
    (Float(2) * x, "2·x", r"2\,x"),
    (Float(-1e-7) * x, "−1·10⁻⁷·x", r"-1 \cdot 10^{-7}\,x"),
    (Integer(10) ** 5000 * x, "1·10⁵⁰⁰⁰·x", r"1 \cdot 10^{5000}\,x"),
    (pi * x, "π·x", r"\pi\,x"),
    (-oo, "(−∞)", r"(-\infty)"),
    (sympy.EulerGamma * x, "γ·x", r"\gamma\,x"),
    # functions
    (f.sigmoid(-x), "σ(−x)", r"\sigma\left(-x\right)"),
    (f.normal_cdf(x), "Φ(x)", r"\Phi\left(x\right)"),
    (f.expm1(x) * 2, "2·(exp(x) − 1)", r"2\,\left(\exp\left(x\right) - 1\right)"),
    (f.log1p(-x), "log(1 + (−x))", r"\log\left(1 + \left(-x\right)\right)"),
    (f.log1p(x), "log(1 + x)", r"\log\left(1 + x\right)"),
    (f.absolute(x - y) ** 2, "|x − y|²", r"\left|x - y\right|^{2}"),
    (f.maximum(x, y), "max(x, y)", r"\max\left(x, y\right)"),
    (f.clip(x, -1, 1), "clip(x, −1, 1)", r"\operatorname{clip}\left(x, -1, 1\right)"),
    (f.stop_gradient(x), "const(x)", r"\operatorname{const}\left(x\right)"),
    (f.leaky_relu(x, Rational(1, 100)), "leaky_relu(x, 0.01)", r"\operatorname{leaky\_relu}\left(x, 0.01\right)"),
    (f.log_sigmoid(x), "log(σ(x))", r"\log\left(\sigma\left(x\right)\right)"),
    (f.log_cosh(x), "log(cosh(x))", r"\log\left(\cosh\left(x\right)\right)"),
    (f.log_normal_cdf(x), "log(Φ(x))", r"\log\left(\Phi\left(x\right)\right)"),
    (f.log_erfc(x), "log(erfc(x))", r"\log\left(\operatorname{erfc}\left(x\right)\right)"),
    (f.hypot(x, y), "hypot(x, y)", r"\operatorname{hypot}\left(x, y\right)"),
    (f.acsch(x), "acsch(x)", r"\operatorname{arcsch}\left(x\right)"),
    (sympy.asinh(x), "asinh(x)", r"\operatorname{arsinh}\left(x\right)"),
    (Function("g}")(x), "“g}”(x)", r"\operatorname{g\}}\left(x\right)"),
    # brackets and branches
    (f.equal(x, y), "[x = y]", r"\left[x = y\right]"),
    (f.step(x), "[x > 0]", r"\left[x > 0\right]"),
    (f.step(x - 2), "[x > 2]", r"\left[x > 2\right]"),
    (f.step(2 - x), "[x < 2]", r"\left[x < 2\right]"),
    (f.step(x * y - 2), "[x·y − 2 > 0]", r"\left[x\,y - 2 > 0\right]"),
    (f.select(f.equal(x, y), 1, 0), "[x = y]", r"\left[x = y\right]"),
    (
        f.select(x, x, y * 2),
        "{x if x > 0, else 2·y}",
        r"\begin{cases} x & \text{if } x > 0 \\ 2\,y & \text{otherwise} \end{cases}",
    ),
    (
        Piecewise((x, x >= 1), (y, sympy.And(x > 0, sympy.Ne(y, 2))), (0, True)),
        "{x if x ≥ 1, y if (x > 0) and (y ≠ 2), else 0}",
        r"\begin{cases} x & \text{if } x \geq 1 \\ y & \text{if } \left(x > 0\right) \land \left(y \neq 2\right) \\ "
        r"0 & \text{otherwise} \end{cases}",
    ),
    # references and derivatives
    (u[s, h] ** 2, "u1[s,h]²", r"\left(u^{(1)}_{s,h}\right)^{2}"),
    (u[s, 0], "u1[s,0]", "u^{(1)}_{s,0}"),
    (Symbol("x1", real=True) ** 2, "x1²", "x_{1}^{2}"),
    (f.equal(label[s], t), "[y[s] = t]", r"\left[y_{s} = t\right]"),
    (W[2 * label[s] - 1, h], "W2[2·y[s]−1,h]", r"W^{(2)}_{2\,y_{s}-1,h}"),
    (W[3 - label[s] + t, h], "W2[t+3−y[s],h]", r"W^{(2)}_{t+3-y_{s},h}"),
    (x / S, "x/S", r"\frac{x}{S}"),
    (
        (1 - u[s, h]) * Variable("dloss/du1", (S, 3))[s, h],
        "∂loss/∂u1[s,h]·(1 − u1[s,h])",
        r"\frac{\partial \mathcal{L}}{\partial u^{(1)}_{s,h}}\,\left(1 - u^{(1)}_{s,h}\right)",
    ),
    (
        Symbol("de/dc", real=True) ** 2,
        "(∂e/∂c)²",
        r"\left(\frac{\partial e}{\partial c}\right)^{2}",
    ),
    (x / Symbol("de/dc", real=True), "x/(∂e/∂c)", r"\frac{x}{\frac{\partial e}{\partial c}}"),
]


@pytest.mark.parametrize(("expression", "as_text", "as_latex"), EXPRESSIONS, ids=[row[1] for row in EXPRESSIONS])
def test_expression(expression: Expr, as_text: str, as_latex: str) -> None:
    assert text(expression, known) == as_text
    assert latex(expression, known) == as_latex


def test_a_function_without_a_row_is_called_by_its_own_name() -> None:
    assert text(special.scaled_bessel(0, x)) == "scaled_bessel(0, x)"
    assert latex(f.gelu_tanh(x)) == r"\operatorname{gelu\_tanh}\left(x\right)"


# --- equations ----------------------------------------------------------------------------------------------------

loss = Variable("loss").symbol
m = Variable("m", (S,))
EQUATIONS = [
    (
        Equation(Variable("z2", (S, 4))[s, t], W[t, h] * u[s, h], Reduction.SUM, (h,)),
        "z2[s,t] = Σ_h W2[t,h]·u1[s,h]",
        r"z^{(2)}_{s,t} &= \sum_{h} W^{(2)}_{t,h}\,u^{(1)}_{s,h}",
    ),
    (
        Equation(loss, (m[s] - Variable("score", (S,))[s]) / S, Reduction.SUM, (s,)),
        "loss = 1/S Σ_s (m[s] − score[s])",
        r"\mathcal{L} &= \frac{1}{S} \sum_{s} \left(m_{s} - \mathrm{score}_{s}\right)",
    ),
    (
        Equation(loss, -(W[t, h] ** 2) / 2, Reduction.SUM, (t, h)),
        "loss = −1/2 Σ_{t,h} W2[t,h]²",
        r"\mathcal{L} &= -\frac{1}{2} \sum_{t,h} \left(W^{(2)}_{t,h}\right)^{2}",
    ),
    (
        Equation(m[s], u[s, h] - 1, Reduction.MAX, (h,)),
        "m[s] = max_h (u1[s,h] − 1)",
        r"m_{s} &= \max_{h} \left(u^{(1)}_{s,h} - 1\right)",
    ),
    (
        Equation(Variable("dloss/dW2", (4, 3))[t, h], 2 ** u[s, h], Reduction.SUM, (s,)),
        "∂loss/∂W2[t,h] = Σ_s 2^u1[s,h]",
        r"\frac{\partial \mathcal{L}}{\partial W^{(2)}_{t,h}} &= \sum_{s} 2^{u^{(1)}_{s,h}}",
    ),
]


@pytest.mark.parametrize(("equation", "as_text", "as_latex"), EQUATIONS, ids=[row[1] for row in EQUATIONS])
def test_equation(equation: Equation, as_text: str, as_latex: str) -> None:
    assert equation_text(equation, known) == as_text
    assert equation_latex(equation, known) == as_latex


# --- names --------------------------------------------------------------------------------------------------------

NAMES = [
    ("dloss/dW2", "th", "∂loss/∂W2[t,h]", r"\frac{\partial \mathcal{L}}{\partial W^{(2)}_{t,h}}"),
    (
        "ddloss/dW2/dx",
        "thij",
        "∂²loss/∂W2[t,h]∂x[i,j]",
        r"\frac{\partial^{2} \mathcal{L}}{\partial W^{(2)}_{t,h}\,\partial x_{i,j}}",
    ),
    ("du1/dW2", "shij", "∂u1[s,h]/∂W2[i,j]", r"\frac{\partial u^{(1)}_{s,h}}{\partial W^{(2)}_{i,j}}"),
    (
        "dx/ddloss/dW2",
        "shij",
        "∂x[s,h]/∂(∂loss/∂W2[i,j])",
        r"\frac{\partial x_{s,h}}{\partial \left(\frac{\partial \mathcal{L}}{\partial W^{(2)}_{i,j}}\right)}",
    ),
    (
        "dloss/dW2#1",
        "th",
        "∂loss/∂W2[t,h]⟨1⟩",
        r"\left.\frac{\partial \mathcal{L}}{\partial W^{(2)}_{t,h}}\right|_{1}",
    ),
    (
        "dloss/du1 on path 3",
        "sh",
        "∂loss/∂u1[s,h]⟨path 3⟩",
        r"\left.\frac{\partial \mathcal{L}}{\partial u^{(1)}_{s,h}}\right|_{\text{path 3}}",
    ),
    ("ties(m)", "s", "ties(m[s])", r"\operatorname{ties}\left(m_{s}\right)"),
    ("share(m)", "s", "share(m[s])", r"\operatorname{share}\left(m_{s}\right)"),
    (
        "∂u1[s, h]/∂W2[i, j]",
        "shij",
        "∂u1[s,h]/∂W2[i,j]",
        r"\frac{\partial u^{(1)}_{s,h}}{\partial W^{(2)}_{i,j}}",
    ),
    ("data/day", "s", "“data/day”[s]", r"\text{data/day}_{s}"),
    ("d", "", "d", "d"),
    ("dloss/dunknown", "", "“dloss/dunknown”", r"\text{dloss/dunknown}"),
    ("output'", "st", "output'[s,t]", r"\mathrm{output}^{\prime}_{s,t}"),
    ("theta2", "s", "theta2[s]", r"\theta^{(2)}_{s}"),
    ("δ", "", "δ", r"\delta"),
    ("x_1", "", "x_1", "x_{1}"),
]


@pytest.mark.parametrize(("name", "subscripts", "as_text", "as_latex"), NAMES, ids=[row[0] for row in NAMES])
def test_name(name: str, subscripts: str, as_text: str, as_latex: str) -> None:
    key = tuple(Index(letter, 3) for letter in subscripts)
    reference = Variable(name, (3,) * len(key))[key]
    assert text(reference, known) == as_text
    assert latex(reference, known) == as_latex


def test_a_derivative_of_a_variable_whose_name_looks_like_one() -> None:
    a, b = symbols("a da/db")
    derived = gradient(from_expressions({"e": a * b}, [a, b]), "e")
    lines = [equation_text(e, Vocabulary.of(derived)) for e in derived.equations]
    assert lines[-1] == "∂e/∂“da/db” = ∂e/∂e·a"


@pytest.mark.parametrize("method", METHODS)
def test_no_derivation_makes_a_name_that_is_not_read(method: str) -> None:
    graph = mlp([2, 1, 2])
    vocabulary = Vocabulary.of(gradient(graph, "loss", ["W1"], method=method))
    made = [name for name in vocabulary.ranks if name not in graph.variables]
    assert [name for name in made if not vocabulary.is_derived(name)] == []


def test_local_derivatives_of_a_graph() -> None:
    graph = partials(lecture())
    vocabulary = Vocabulary.of(graph)
    assert [equation_text(e, vocabulary) for e in graph.equations[3:]] == [
        "∂c/∂a = 1",
        "∂c/∂b = 1",
        "∂d/∂b = 1",
        "∂e/∂c = d",
        "∂e/∂d = c",
    ]


# --- hostile names ------------------------------------------------------------------------------------------------

HOSTILE = [
    "a b",
    "x+y",
    '"',
    "'",
    "a\nb",
    "\r\n",
    "\x00\x1b[31m",
    "\u2028\u2029\x85",
    "\u202eabc",
    "\ud800",
    "\\",
    "\\end{align*}",
    "}",
    "{",
    "$",
    "$$x$$",
    "%",
    "#&_^~",
    "<script>",
    "`|",
    "🙂",
    "é",
    "“”",
    "d/d/d/d/d/d/d/d/d/d/d/d/d",
    "∂/∂",
    "a" * 200,
]
COMMANDS = re.findall(
    r"\w+",
    "mathcal mathrm text frac partial sum max left right sqrt tanh exp log begin end operatorname prime pi dots infty "
    "cdot textbackslash textasciitilde textasciicircum textless textgreater textbar "
    + " ".join(GREEK_LETTERS.values()),
)


def is_one_safe_line(line: str) -> bool:
    """Every character can be seen or is a space, and Python, terminals and editors see one line."""
    unescaped = line.translate(dict.fromkeys(map(ord, "\\“”")))
    return len(line.splitlines()) == 1 and visible(unescaped) == unescaped


def is_harmless_latex(line: str) -> bool:
    """Printable ASCII, only known commands, braces that match, no comment, no bare special character."""
    commands = re.findall(r"\\([A-Za-z]+)", line)
    bare = re.sub(r"\\[A-Za-z]+|\\[{}$&#_%, \\]", " ", line).replace("&=", "")
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    printable = all(" " <= character <= "~" for character in line)
    return printable and depth == 0 and set(commands) <= set(COMMANDS) and not re.search(r"[$#%&~\\]", bare)


def check_name(name: str) -> None:
    a, b = Variable(name), Variable("b")
    graph = gradient(from_expressions({"e": tanh(a.symbol) * b.symbol}, [a.symbol, b.symbol]), "e")
    vocabulary = Vocabulary.of(graph)
    for equation in graph.equations:
        assert is_one_safe_line(equation_text(equation, vocabulary))
        assert is_harmless_latex(equation_latex(equation, vocabulary))


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_name(name: str) -> None:
    check_name(name)


@given(st.text(min_size=1, max_size=8).filter(lambda name: name not in ("b", "e")))
@example("e/db")
@example("a²")
@example("Theta")
def test_any_name(name: str) -> None:
    check_name(name)


def test_names_stay_apart() -> None:
    """Quotation marks and escapes do not make two names look the same."""
    names = [*HOSTILE, "a\\nb", "a_b", "“a b”"]
    assert len({text(Symbol(name, real=True)) for name in names}) == len(names)


def test_index_and_extent_names_are_escaped_too() -> None:
    extent = sample_extent("N\n}")
    k = Index("k\n{", extent)
    equation = Equation(Variable("e").symbol, Variable("q", (extent,))[k] / extent, Reduction.SUM, (k,))
    assert equation_text(equation) == "e = 1/“N\\n}” Σ_“k\\n{” q[“k\\n{”]"
    assert is_harmless_latex(equation_latex(equation))


# --- size ---------------------------------------------------------------------------------------------------------


def test_a_shared_body_is_not_written_out_exponentially() -> None:
    body: Expr = x
    for _ in range(40):
        body = sympy.sin(body) * sympy.cos(body)
    assert len(text(body)) <= 2 * LONGEST
    assert "…" in text(body)
    assert r"\dots" in latex(body)


def test_a_deep_body_needs_no_recursion() -> None:
    body: Expr = x
    for _ in range(3_000):
        body = f.softplus(body, evaluate=False)
    assert text(body) == "softplus(" * 3_000 + "x" + ")" * 3_000


# --- brackets: what is read back is what was written ---------------------------------------------------------------

POINT = {"x": 0.7, "y": -1.3}


def read_back(formula: str) -> float:
    """The value of a formula by Python's own rules of precedence."""
    python = re.sub(
        "[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: f"**{m[0].translate(str.maketrans('⁰¹²³⁴⁵⁶⁷⁸⁹', '0123456789'))}", formula
    )
    python = re.sub(r"√(\w+)", r"sqrt(\1)", python).replace("√(", "sqrt(")
    python = re.sub(r"\|([xy])\|", r"abs(\1)", python)
    for written, meant in (("·10⁻", "e-"), ("·", "*"), ("−", "-"), ("^", "**"), ("π", "pi")):
        python = python.replace(written, meant)
    names = {"sqrt": lambda v: complex(v) ** 0.5, "exp": sympy.exp, "tanh": sympy.tanh, "pi": sympy.pi, **POINT}
    return complex(eval(python, {"__builtins__": {"abs": abs}}, names))


expressions = st.recursive(
    st.sampled_from([x, y, Integer(1), Integer(-2), Integer(3), Rational(1, 2), Rational(-3, 7), Rational(1, 20), pi]),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda a, b: a / (2 + b**2), inner, inner),
        st.builds(lambda a: a**2, inner),
        st.builds(lambda a: (3 + a**2) ** -2, inner),
        st.builds(lambda a: sqrt(1 + a**2), inner),
        st.builds(lambda a: (1 + a**2) ** Rational(-1, 2), inner),
        st.builds(lambda a: (1 + a**2) ** Rational(2, 3), inner),
        st.builds(lambda a, b: Pow(2 + a**2, tanh(b)), inner, inner),
        st.builds(lambda a: tanh(a), inner),
    ),
    max_leaves=6,
)


@given(expressions)
@example(-((x - y) ** 2) / (2 * pi))
@example(1 / (1 + x) ** y)
def test_brackets_are_where_they_are_needed(expression: Expr) -> None:
    found = read_back(text(expression))
    expected = complex(expression.evalf(30, subs={x: Float(POINT["x"]), y: Float(POINT["y"])}))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


# --- numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (-0.0, "−0"),
        (6.0, "6"),
        (1 / 3, "0.333333"),
        (-2.5, "−2.5"),
        (1.5e-9, "1.5·10⁻⁹"),
        (2e20, "2·10²⁰"),
        (float("inf"), "∞"),
        (float("nan"), "nan"),
    ],
)
def test_number(value: float, expected: str) -> None:
    assert number(value) == expected


@pytest.mark.parametrize("script", [Text, Latex])
def test_terms_and_factors_are_ordered_naturally(script: type[Text] | type[Latex]) -> None:
    a = Variable("a", (12,))
    total = sum(a[k] * x for k in range(12))
    found = (text if script is Text else latex)(total)
    assert [int(n) for n in re.findall(r"a\[(\d+)\]|a_\{(\d+)\}", found) for n in n if n] == list(range(12))


# --- MathML -------------------------------------------------------------------------------------------------------

CHILDREN = {"mfrac": 2, "msup": 2, "msub": 2, "munder": 2, "msubsup": 3}
TOKENS = {"mi", "mn", "mo", "mtext"}


def checked_mathml(written: str) -> ElementTree.Element:
    """The element, each of which has the children that it takes, and text in tokens alone."""
    root = ElementTree.fromstring(written)
    for element in root.iter():
        if element.tag in CHILDREN:
            assert len(element) == CHILDREN[element.tag], written
        texts = [element.text, *(child.tail for child in element)]
        assert element.tag in TOKENS or not "".join(text or "" for text in texts).strip(), written
    return root


@pytest.mark.parametrize("expression", [row[0] for row in EXPRESSIONS], ids=lambda expression: text(expression))
def test_expressions_as_mathml(expression: Expr) -> None:
    root = checked_mathml(mathml(expression, known))
    written = "".join(root.itertext())
    for leaf in ("x", "y"):
        assert (leaf in text(expression, known)) <= (leaf in written)


@pytest.mark.parametrize(
    "graph", [lecture(), gradient(mlp((2, 3, 2)), "loss", ["W1", "b1"])], ids=["lecture", "network"]
)
def test_equations_as_mathml_name_their_vertices(graph) -> None:
    for equation in graph.equations:
        root = checked_mathml(equation_mathml(equation, Vocabulary.of(graph)))
        named = [element.get("data-v") for element in root.iter("mrow") if element.get("data-v")]
        assert named[0] == equation.name
        assert set(named[1:]) == {base_name(reference) for reference in equation.references}


@given(st.text(min_size=1))
def test_names_never_become_mathml(name: str) -> None:
    root = checked_mathml(mathml(Symbol(name, real=True) ** 2, Vocabulary({name: 0})))
    assert {element.tag for element in root.iter()} <= {"math", "mrow", "msup", "msub", "msubsup", *TOKENS}
