"""Formulas from strangers: what they may say, what they mean, and what they cannot do."""

import math
from collections.abc import Callable

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from sympy import Expr, Float, Integer, Rational, Symbol

from codegen import functions as real
from symnn.errors import SpecError
from symnn.formula import FUNCTIONS, MAX_CHARACTERS, MAX_DEPTH, FormulaFunction, parse_formula
from tests.properties import counted

X = Symbol("x", real=True)
OUTPUT, TARGET = Symbol("output", real=True), Symbol("target", real=True)
VARIABLES = {"x": X, "output": OUTPUT, "target": TARGET}


def parse(text: str) -> Expr:
    return parse_formula(text, VARIABLES, FUNCTIONS, "here")


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith("here: ")
    assert "\n" not in message
    return message


MEANINGS = [
    ("x", X),
    ("2", Integer(2)),
    ("1/3", Rational(1, 3)),
    ("1_000", Integer(1000)),
    ("0.5", Float(0.5)),
    ("1e-3", Float(1e-3)),
    ("0.0", Float(0)),
    ("2*pi*x", 2 * sympy.pi * X),
    ("+x - -x", 2 * X),
    ("-x**2", -(X**2)),
    ("x**-1", 1 / X),
    ("x/(x - 1)", X / (X - 1)),
    ("  x +\n\t 1\n", X + 1),
    ("x*sigmoid(1.702*x)", X * real.sigmoid(Float(1.702) * X)),
    ("log(cosh(output - target))", sympy.log(sympy.cosh(OUTPUT - TARGET))),
    ("x*tanh(softplus(x))", X * sympy.tanh(real.softplus(X))),
    ("abs(x) + sign(x)", real.absolute(X) + real.sign(X)),
    ("sqrt(x**2 + 1)", sympy.sqrt(X**2 + 1)),
    ("leaky_relu(x)", real.leaky_relu(X, Rational(1, 100))),
    ("leaky_relu(x, 0.3)", real.leaky_relu(X, Float(0.3))),
    ("elu(x)", real.elu(X, Integer(1))),
    ("maximum(x, 0, 1)", real.maximum(X, Integer(0), Integer(1))),
    ("((((((((((((((((((((((((((((((((((((((((x))))))))))))))))))))))))))))))))))))))))", X),
]


@pytest.mark.parametrize(("text", "expression"), MEANINGS)
def test_a_formula_means_what_it_says(text: str, expression: Expr) -> None:
    assert parse(text) == expression


CONSTANTS = [
    ("sqrt(2/pi)", math.sqrt(2 / math.pi)),
    ("exp(1)", math.e),
    ("log(9)", math.log(9)),
    ("tanh(1)/2", math.tanh(1) / 2),
    ("sigmoid(-1000)", 0.0),
    ("2**0.5", math.sqrt(2)),
    ("(-8)**3", -512),
    ("9**64", 9**64),
    ("1e300", 1e300),
]


@pytest.mark.parametrize(("text", "value"), CONSTANTS)
def test_a_constant_has_its_value(text: str, value: float) -> None:
    assert float(parse(text)) == pytest.approx(value, rel=2**-52, abs=1e-300)


# One entry for each function, at an argument where it is smooth: name, argument, value.
VALUES = [
    ("exp", math.exp),
    ("log", math.log),
    ("sqrt", math.sqrt),
    ("sin", math.sin),
    ("cos", math.cos),
    ("tan", math.tan),
    ("tanh", math.tanh),
    ("sinh", math.sinh),
    ("cosh", math.cosh),
    ("atan", math.atan),
    ("erf", math.erf),
    ("floor", math.floor),
    ("ceiling", math.ceil),
    ("frac", lambda x: x - math.floor(x)),
    ("sinc", lambda x: math.sin(x) / x),
    ("erfinv", special.erfinv),
    ("loggamma", math.lgamma),
    ("digamma", special.digamma),
    ("log1p", math.log1p),
    ("expm1", math.expm1),
    ("abs", abs),
    ("sign", lambda _: 1.0),
    ("sigmoid", lambda x: 1 / (1 + math.exp(-x))),
    ("softplus", lambda x: math.log1p(math.exp(x))),
    ("relu", lambda x: x),
    ("leaky_relu", lambda x: x),
    ("elu", lambda x: x),
    ("silu", lambda x: x / (1 + math.exp(-x))),
    ("gelu", lambda x: x * math.erfc(-x / math.sqrt(2)) / 2),
    ("gelu_tanh", lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
]


@pytest.mark.parametrize(("name", "reference"), VALUES)
def test_every_function_computes_what_its_name_says(name: str, reference: Callable[[float], float]) -> None:
    value = parse(f"{name}(x)").subs(X, Float(0.75)).evalf(15)
    assert float(value) == pytest.approx(reference(0.75), rel=1e-14)


def test_the_table_of_values_covers_every_function() -> None:
    assert {name for name, _ in VALUES} | {"maximum", "minimum", "xlogy", "xlog1py"} == set(FUNCTIONS)


def test_x_log_y_is_0_where_x_is_0() -> None:
    for name, at, value in (("xlogy", 2.0, 2 * math.log(3)), ("xlog1py", 2.0, 2 * math.log(4)), ("xlogy", 0.0, 0.0)):
        assert float(parse(f"{name}(x, 3)").subs(X, Float(at)).evalf(15)) == pytest.approx(value, rel=1e-14)


def test_variables_may_be_references_into_arrays() -> None:
    s = sympy.Idx("s", Symbol("S", integer=True, positive=True))
    reference = sympy.IndexedBase("u1", real=True)[s]
    assert parse_formula("x*tanh(x)", {"x": reference}, FUNCTIONS, "") == reference * sympy.tanh(reference)


def test_a_variable_hides_the_constant_of_its_name() -> None:
    assert parse_formula("pi", {"pi": X}, FUNCTIONS, "") == X


def test_callers_bring_their_own_functions() -> None:
    assert parse_formula("double(x)", {"x": X}, {"double": FormulaFunction(lambda x: 2 * x, (1, 1))}, "") == 2 * X


ATTACKS = [
    ("__import__('os')", "column 1", "'__import__' is not a known function"),
    ("__import__('os').system('ls')", "is not the name of a function"),
    ("eval('x')", "'eval' is not a known function"),
    ("open", "'open' is not a known name"),
    ("__builtins__", "'__builtins__' is not a known name"),
    ("x.__class__", "reads an attribute"),
    ("x.__class__.__mro__[1]", "takes an element"),
    ("x._sympy_()", "is not the name of a function"),
    ("lambda: x", "is a lambda"),
    ("(lambda y: y)(x)", "is not the name of a function"),
    ("[x for x in x]", "is a comprehension"),
    ("sum(x for _ in x)", "'sum' is not a known function"),
    ("maximum(x, (x for _ in x))", "is a comprehension"),
    ("{x: x for x in x}", "is a comprehension"),
    ("f'{x}'", "is a text"),
    ("f'{open(1)}' * x", "is a text"),
    ("(x := 1)", "is an assignment"),
    ("x = 1", "cannot be read"),
    ("x; x", "cannot be read"),
    ("import os", "cannot be read"),
    ("await x", "is not arithmetic"),
    ("(yield x)", "is not arithmetic"),
    ("'x'", "is a text"),
    ("'9' * 9", "is a text"),
    ("b'x'", "is a text"),
    ("1j", "is a complex number"),
    ("True", "is a truth value"),
    ("None", "is not a number"),
    ("...", "is not a number"),
    ("(x, 1)", "is a list"),
    ("[x]", "is a list"),
    ("{x}", "is a set"),
    ("{1: x}", "is a mapping"),
    ("x[0]", "takes an element"),
    ("maximum(x, *x)", "unpacks its value"),
    ("relu(**x)", "names an argument"),
    ("x\0", "a control character"),
    ("x # and more", "NUMBER SIGN"),
    ("x \\\n + 1", "REVERSE SOLIDUS"),
    ("ｘ", "FULLWIDTH LATIN SMALL LETTER X"),
    ("𝐱", "MATHEMATICAL BOLD SMALL X"),
    ("х", "CYRILLIC SMALL LETTER HA"),
    ("ﬁ", "LATIN SMALL LIGATURE FI"),
    ("x\u202e", "RIGHT-TO-LEFT OVERRIDE"),
]

MANY_CALLS = 400_000
"""Of functions, ten times what any of these takes: some two tenths of a second."""

TOO_MUCH = [
    ("9**9**9", "a number above 64 in an exponent"),
    ("9**9**9**9**9", "in an exponent"),
    ("9**-65", "in an exponent"),
    ("x**65", "in an exponent"),
    ("x**2.5e9", "in an exponent"),
    ("(x**64)**64", "in an exponent"),
    ("x**64 * x", "in an exponent"),
    ("2**(x + 9**9)", "in an exponent"),
    ("(9**64)**64", "a number too large"),
    ("((2*x)**64)**64", "a number too large"),
    ("9**64 * 9**64 * 9**64 * 9**64 * 9**64", "a number too large"),
    ("1/9**64/9**64/9**64/9**64/9**64", "a number too large"),
    ("1e301", "a number too large"),
    ("1e999", "is not a finite number"),
    ("9" * 999, "a number too large"),
    # SymPy writes exp(n*log(a)) as a**n, and 2**(n*log(a)/log(2)) too
    ("exp(9**9*log(9*x))", "in an exponent"),
    ("exp(pi*x*(9**9*log(9*x) + log(4*x)))", "in an exponent"),
    ("exp(9**9*x)**(log(9*x)/x)", "in an exponent"),
    ("((exp(64*x*log(9*x))**64)**64)**(1/x)", "in an exponent"),
    ("exp(exp(exp(100)))", "a number too large"),
    ("cosh(1000)", "a number too large"),
    # SymPy splits what may not be real into real and imaginary part, for hours
    ("log(cosh((sqrt(x) + 1)**64))", "may not be real"),
    ("tan(cosh(((log(x)**64 + 1)**64 + 1)**64))", "may not be real"),
    ("cosh(sqrt(cosh(sqrt(cosh(sqrt(cosh(sqrt(cosh(sqrt(cosh(sqrt(x))))))))))))", "may not be real"),
    ("gelu_tanh((log(x) + sqrt(x))**64)", "may not be real"),
    ("((log(x) + sqrt(x))**64)**x", "may not be real"),
    ("(" * 10_000 + "x" + ")" * 10_000, "20,001 characters; expected at most 1,000"),
    ("(" * 499 + "x" + ")" * 499, "too many nested parentheses"),
    ("-" * 999 + "x", "parts; expected at most 200"),
    ("x**" * 300 + "x", "parts; expected at most 200"),
    ("x+" * 101 + "x", "parts; expected at most 200"),
    ("relu(" * 150 + "x" + ")" * 150, "parts; expected at most 200"),
    ("-" * MAX_DEPTH + "x", f"{MAX_DEPTH + 1} levels; expected at most {MAX_DEPTH}"),
    ("x" * (MAX_CHARACTERS + 1), "1,001 characters"),
]

NOT_REAL_OR_FINITE = [
    ("1/0", "is not a finite number"),
    ("0/0", "is not a finite number"),
    ("x/0", "is not a finite number"),
    ("x/0.0", "is not a finite number"),
    ("1/(x - x)", "is not a finite number"),
    ("0**-1", "is not a finite number"),
    ("0**x", "power of zero"),
    ("0.0**x", "power of zero"),
    ("log(0)", "is not a finite number"),
    ("log1p(-1)", "is not a finite number"),
    ("log1p(-2)", "is not a finite number"),
    ("tan(pi/2)", "is not a finite number"),
    ("sqrt(-2)", "is not a real number"),
    ("(-8)**(1/3)", "is not a real number"),
    ("(-8.0)**0.5", "is not a real number"),
    ("(-2)**x", "is not a real number"),
    ("(1 - pi)**x", "is not a real number"),
    ("log(-2)", "is not a real number"),
    ("sqrt(-x**2)", "is not a real number"),
]

SLIPS = [
    ("", "the formula is empty"),
    (" \n", "the formula is empty"),
    ("x +", "cannot be read"),
    ("(x", "column 1", "was never closed"),
    ("x y", "column 3: 'y' cannot be read"),
    ("x + tahn(x)", "column 5: 'tahn'", "did you mean 'tanh'?", "(known: exp, log"),
    ("  x +\n\ttahn(x)", "column 8: 'tahn'"),
    ("output - taget", "column 10: 'taget'", "did you mean 'target'?", "(known: pi, x, output, target)"),
    ("e**x", "'e' is not a known name"),
    ("tanh", "'tanh' is a function; expected its arguments in brackets"),
    ("x(2)", "'x(2)' calls 'x', which is not a function; products are written with *"),
    ("2(x)", "column 1: '2' is not the name of a function; products are written with *"),
    ("x^2", "powers are written **"),
    ("x // 2", "divisions are written /"),
    ("x % 2", "uses %"),
    ("x @ x", "products are written *"),
    ("x | 1", "'x | 1' uses an operator that formulas do not have"),
    ("~x", "uses an operator"),
    ("not x", "uses an operator"),
    ("1,5*x", "a decimal point is written '.'"),
    ("x − 1", "column 3", "MINUS SIGN"),
    ("2·x", "column 2", "MIDDLE DOT"),
    ("π*x", "GREEK SMALL LETTER PI"),
    ("x < 1", "is a comparison; kinks are written with maximum"),
    ("0 < x < 1", "is a comparison"),
    ("x if x else 1", "is a condition"),
    ("x and x", "is a condition"),
    ("relu()", "'relu()' has 0 arguments; expected 1 argument"),
    ("relu(x, 1)", "'relu(x, 1)' has 2 arguments; expected 1 argument"),
    ("elu(x, 1, 2)", "has 3 arguments; expected 1 to 2 arguments"),
    ("maximum(x)", "has 1 argument; expected 2 arguments or more"),
    ("leaky_relu(x, slope=1)", "names an argument"),
]


def missing(message: str, words: tuple[str, ...]) -> list[str]:
    return [word for word in words if word not in message]


@pytest.mark.parametrize("row", ATTACKS, ids=lambda row: ascii(row[0]))
def test_nothing_but_arithmetic_is_read(row: tuple[str, ...]) -> None:
    text, *words = row
    assert missing(refusal(text), tuple(words)) == []


@pytest.mark.parametrize("row", TOO_MUCH, ids=lambda row: row[0][:40])
def test_what_would_explode_is_refused_at_once(row: tuple[str, ...]) -> None:
    text, *words = row
    calls, message = counted(refusal, text)
    assert missing(message, tuple(words)) == []
    assert calls < MANY_CALLS


@pytest.mark.parametrize("row", NOT_REAL_OR_FINITE, ids=lambda row: row[0])
def test_a_formula_is_a_finite_real_number(row: tuple[str, ...]) -> None:
    text, *words = row
    assert missing(refusal(text), tuple(words)) == []


@pytest.mark.parametrize("row", SLIPS, ids=lambda row: ascii(row[0]))
def test_a_slip_is_shown_with_its_place_and_its_remedy(row: tuple[str, ...]) -> None:
    text, *words = row
    assert missing(refusal(text), tuple(words)) == []


def test_errors_are_short_whatever_was_written() -> None:
    assert len(refusal("(" * 10_000)) < 200
    assert len(refusal("y" * 900)) < 200


# --- properties ---------------------------------------------------------------------------------------------------

# A formula beside what it should compute at x: its value, and the magnitude that rounding errors are relative to.
Value = tuple[float, float]
Pair = tuple[str, Callable[[float], Value]]

OPERATORS: dict[str, Callable[[Value, Value], Value]] = {
    "+": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "-": lambda a, b: (a[0] - b[0], a[1] + b[1]),
    "*": lambda a, b: (a[0] * b[0], a[1] * b[1]),
}
# Each has slope at most 1, so an error of the argument does not grow.
SLOPE_ONE: dict[str, Callable[[float], float]] = {
    "sin": math.sin, "cos": math.cos, "atan": math.atan, "tanh": math.tanh, "-": lambda x: -x,
}  # fmt: skip


def combined(left: Pair, operator: str, right: Pair) -> Pair:
    return f"({left[0]}){operator}({right[0]})", lambda x: OPERATORS[operator](left[1](x), right[1](x))


def applied(name: str, argument: Pair) -> Pair:
    def compute(x: float) -> Value:
        value, magnitude = argument[1](x)
        return SLOPE_ONE[name](value), magnitude + 1

    return f"{name}({argument[0]})", compute


def number(value: float) -> Pair:
    return repr(value), lambda _: (value, value)


PAIRS: st.SearchStrategy[Pair] = st.recursive(
    st.just(("x", lambda x: (x, abs(x)))) | st.builds(number, st.integers(0, 9) | st.sampled_from([0.1, 0.5, 2.75])),
    lambda inner: (
        st.builds(combined, inner, st.sampled_from(sorted(OPERATORS)), inner)
        | st.builds(applied, st.sampled_from(sorted(SLOPE_ONE)), inner)
    ),
    max_leaves=10,
)


@given(PAIRS, st.floats(-2, 2))
def test_a_formula_computes_what_it_says(pair: Pair, x: float) -> None:
    text, compute = pair
    value, magnitude = compute(x)
    found = float(parse(text).subs(X, Float(x)).evalf(15))
    assert found == pytest.approx(value, abs=1e-13 * (1 + magnitude))


def parsed_or_refused(text: str) -> Expr | None:
    try:
        return parse(text)
    except SpecError:
        return None


@given(st.text(alphabet="x019.,+-*/()[]{}<>=!:;@&|^~%'\"\\#_ eEjlogsinf\n\t\0é√", max_size=60))
def test_any_text_is_a_formula_in_x_or_an_error_of_ours(text: str) -> None:
    expression = parsed_or_refused(text)
    assert expression is None or expression.free_symbols <= {X}


PIECES = ["x", "2", "64", "9**9", "0.5", "-1", "pi", "log(x)", "sqrt(x)", "exp(x)", "cosh(log(x))"]
NESTS = ["log({})", "sqrt({})", "exp({})", "cosh({})", "tan({})", "1/({})", "({})**({})", "({})*({})", "({})+({})"]
HEAPS = st.recursive(
    st.sampled_from(PIECES),
    lambda inner: st.tuples(st.sampled_from(NESTS), inner, inner).map(lambda t: t[0].format(t[1], t[2])),
    max_leaves=20,
)


@given(HEAPS)
def test_any_heap_of_powers_roots_and_logarithms_is_read_and_differentiated_in_a_moment(text: str) -> None:
    def read_and_differentiated() -> None:
        if (expression := parsed_or_refused(text)) is not None:
            expression.diff(X)

    assert counted(read_and_differentiated)[0] < MANY_CALLS
