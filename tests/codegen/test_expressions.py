"""SymPy expressions become graphs of bodies that are neither deep nor large, or are refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import sympy
from sympy import (
    Abs,
    Add,
    Dummy,
    Eq,
    Expr,
    Float,
    Function,
    Heaviside,
    I,
    Idx,
    IndexedBase,
    Integer,
    Max,
    Min,
    Piecewise,
    Rational,
    Symbol,
    cos,
    exp,
    log,
    nan,
    oo,
    pi,
    sin,
    sqrt,
    symbols,
    zoo,
)

import codegen
from codegen import (
    DerivationError,
    Equation,
    Graph,
    GraphError,
    Variable,
    compile,
    count_paths,
    from_expressions,
    gradient,
)
from codegen.functions import equal, maximum, relu
from codegen.numeric.evaluate import evaluate
from codegen.passes import PASSES
from codegen.read import BODY_DEPTH
from codegen.read.complex_forms import made_real
from codegen.walk import (
    extent,
    fold,
    fresh_index,
    fresh_name,
    fresh_names,
    indices,
    postorder,
    references,
    reindex,
    replace,
    rewrite,
    substitute,
)
from tests.properties import counted

a, b, c = symbols("a b c")
x, y = symbols("x y", real=True)


def bodies(graph: Graph) -> dict[str, str]:
    return {equation.name: str(equation.body) for equation in graph.equations}


def body(expression: Expr) -> str:
    return bodies(from_expressions({"e": expression}, [a, b]))["e"]


# --- refusals -----------------------------------------------------------------------------------------------------

f = Function("f")
REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "an undefined function": (
        {"e": f(a)},
        "the output 'e' contains the undefined function f, which has no translation",
    ),
    "i": ({"e": a + I}, "the output 'e' contains the imaginary unit, which has no translation into real scalar code"),
    "a root of −1": ({"e": a * sqrt(-2)}, "contains the imaginary unit"),
    "zoo": ({"e": a + zoo}, "the output 'e' contains zoo, which is not a finite real number"),
    "1/0": ({"e": 1 / Integer(0)}, "the output 'e' contains zoo, which is not a finite real number"),
    "nan": ({"e": nan}, "the output 'e' contains nan, which is not a finite real number"),
    "∞": ({"e": sympy.Add(a, -oo, evaluate=False)}, "the output 'e' contains -oo, which is not a finite real number"),
    "float infinity": ({"e": Float("inf")}, "the output 'e' contains oo, which is not a finite real number"),
    "a float nan": ({"e": Float("nan")}, "the output 'e' contains nan, which is not a finite real number"),
    "an integer beyond float64": (
        {"e": a + Integer(10) ** 400},
        "the output 'e' contains the number 1.00000e+400, which is beyond the range of float64 unless it is a factor",
    ),
    "an integer of a million digits": (
        {"e": a + Integer(10) ** 10**6},
        "the output 'e' contains the number 1.00000e+1000000, which is beyond the range of float64",
    ),
    "a float beyond float64": ({"e": a + Float("-1e400")}, "the number -1.00000e+400, which is beyond the range"),
    "a logarithm of one": ({"e": a * log(Integer(10) ** 400)}, "the number 1.00000e+400, which is beyond the range"),
    "a formula beyond float64": ({"e": a + exp(1000)}, "the number 1.97007e+434, which is beyond the range of float64"),
    "a number below float64": ({"e": a + Rational(1, 10**400)}, "the number 1.00000e-400, which is 0 in float64"),
    "a number in a sum": (
        {"e": sympy.Sum(a * b**c + Integer(10) ** 400, (c, 0, 3))},
        "the output 'e' contains the number 1.00000e+400, which is beyond the range of float64",
    ),
    "the arcsine of 2": ({"e": a * sympy.asin(2)}, "the output 'e' contains asin(2), which is not a real number"),
    "a cube root of −8": (
        {"e": a * (-8) ** Rational(1, 3)},
        "the output 'e' contains (-1)**(1/3), which is not a real number",
    ),
    "a limit": ({"e": sympy.Limit(sin(a) / a, a, 0)}, "the output 'e' contains sympy's Limit"),
    "a substitution": (
        {"e": sympy.Derivative(f(a), a).subs(a, 0)},
        "the output 'e' contains sympy's Subs, which has no translation into real scalar code; it is of the und",
    ),
    "a derivative of an undefined function of a formula": (
        {"e": f(a**2).diff(a)},
        "scalar code; it is of the undefined function f: write its formula instead",
    ),
    "a function of whole numbers alone": (
        {"e": sympy.subfactorial(a)},
        "contains sympy's subfactorial, which has no translation into real scalar code; it",
    ),
    "an integral": ({"e": sympy.Integral(exp(-(a**2)), (a, 0, b))}, "the output 'e' contains sympy's Integral"),
    "an infinite sum": (
        {"e": sympy.Sum(a**c, (c, 0, oo))},
        "the output 'e' has a sum or product over c from 0 to oo, which has oo values, expected an integer or a sum of",
    ),
    "a derivative of an unknown function": ({"e": sympy.Derivative(f(a), a)}, "contains Derivative(f(a), a), which is"),
    "a branch of W": ({"e": sympy.LambertW(a, 1)}, "the output 'e' contains LambertW of branch 1, expected -1 to 0"),
    "a fractional order": (
        {"e": sympy.jn(Rational(1, 3), a)},
        "the output 'e' contains jn of order 1/3, expected a whole number from 0",
    ),
    "a density of width 0": ({"e": sympy.DiracDelta(a)}, "into real scalar code; write a narrow normal density"),
    "a function without a translation": ({"e": sympy.zeta(a)}, "the output 'e' contains sympy's zeta"),
    "a polygamma of variable order": (
        {"e": sympy.polygamma(b, a)},
        "the output 'e' contains polygamma of order b, expected a whole number from 0",
    ),
    "an integral of variable order": (
        {"e": sympy.expint(b, a)},
        "the output 'e' contains expint of order b, expected a number",
    ),
    "an elliptic integral": (
        {"e": 1 + sympy.elliptic_k(a)},
        "the output 'e' contains sympy's elliptic_k, which has no translation into real scalar code; write its",
    ),
    "a function without a form": (
        {"e": sympy.riemann_xi(a)},
        "sympy's riemann_xi, which has no translation into real scalar code; no functions that are let in have its",
    ),
    "zeta": ({"e": sympy.zeta(a)}, "the output 'e' contains sympy's zeta"),
    "an element of an array": (
        {"e": IndexedBase("A")[0] + a},
        "the output 'e' contains A[0], which is neither an input nor an entry",
    ),
    "an index": ({"e": a * Idx("i", 3)}, "the output 'e' contains the index i, which is neither in its key nor"),
    "a condition": ({"e": a > b}, "the output 'e' is a StrictGreaterThan, expected a scalar SymPy expression"),
    "an equation": ({"e": Eq(a, b)}, "the output 'e' is an Equality, expected a scalar SymPy expression"),
    "a truth value": ({"e": True}, "the output 'e' is a bool, expected a scalar SymPy expression"),
    "a matrix symbol": (
        {"e": sympy.MatrixSymbol("M", 2, 2)},
        "the output 'e' contains M[i, j], which is neither an input nor an entry (a, b)",
    ),
    "a construct inside a sum": (
        {"e": sympy.Sum(sympy.zeta(a) * b, (c, 0, 3))},
        "the output 'e' contains sympy's zeta",
    ),
    "text": ({"e": "a + b"}, "the output 'e' is a str, expected a scalar SymPy expression"),
    "nothing": ({"e": None}, "the output 'e' is a NoneType, expected a scalar SymPy expression"),
    "an unknown symbol": (
        {"e": a + c},
        "the output 'e' contains the symbol 'c', which is neither an input nor an entry (a, b)",
    ),
    "itself": ({"e": a + Symbol("e")}, "the output 'e' refers to itself"),
    "a later entry": ({"e": a + c, "c": b}, "the output 'e' refers to 'c', which is defined after it"),
    "a symbol of the same name": (
        {"e": a + Symbol("a", positive=True)},
        "the output 'e' contains a second symbol named 'a' with other assumptions",
    ),
    "two symbols for one entry": (
        {"c": a, "d": 2 * c, "e": Symbol("c", real=True)},
        "the output 'e' contains a second symbol named 'c' with other assumptions",
    ),
    "the name of an input": ({"a": b}, "the output 'a' has the name of an input"),
    "an empty name": ({"": a}, "the key '' of outputs is not a name"),
    "a sum as a name": ({c + a: a}, "the key a + c of outputs is not a name"),  # type: ignore[dict-item]
    "no outputs": ({}, "a graph needs at least one output"),
}


FITTING: dict[str, tuple[Expr, float]] = {
    "a quotient of integers that do not": (Rational(3 * 10**400 + 1, 10**400), 3.0),
    "the largest float": (Integer(int(1.7976931348623157e308)), 1.7976931348623157e308),
    "the smallest one": (Rational(5e-324), 5e-324),
}


@pytest.mark.parametrize("case", FITTING)
def test_a_constant_whose_value_fits_is_taken(case: str) -> None:
    constant, value = FITTING[case]
    graph = from_expressions({"e": a * constant}, [a])
    assert evaluate(graph, {"a": 1.0})["e"] == value
    assert compile(graph)(1.0) == value


def test_factors_whose_product_does_not_fit_are_not_multiplied() -> None:
    big = Integer(10) ** 200
    graph = from_expressions({"c": a * big, "d": c * big, "e": Symbol("d") * big}, [a]).with_outputs("e")
    assert compile(graph)(1e-305) == pytest.approx(1e295)


OUTSIDE: dict[str, tuple[Expr, str]] = {
    "i": (I * x, "equation `e = I*x`: it contains the imaginary unit, which is not a real number"),
    "a number": (x * Integer(10) ** 400, "it contains the number 1.00000e+400, which is beyond the range of float64"),
    "digits": (x * Integer(10) ** 5000, "equation `e = …`: it contains the number 1.00000e+5000"),
    "an integral": (sympy.Integral(x, x), "it contains sympy's Integral, which has no translation into real scalar"),
    "a sum": (sympy.Sum(x, (c, 0, 3)), "it contains sympy's Sum, which has no translation into real scalar code"),
    "a substitution": (sympy.Subs(f(x), x, 0), "it contains sympy's Subs, which has no translation"),
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_graph_refuses_a_body_that_is_no_real_formula(case: str) -> None:
    body, message = OUTSIDE[case]
    with pytest.raises(GraphError, match=re.escape(message)):
        Graph((Variable("x"),), (Equation(Variable("e").symbol, body),), ("e",))


def test_a_derivative_that_is_not_real_is_refused_by_its_place() -> None:
    graph = from_expressions({"e": (-2) ** a}, [a])
    assert compile(graph)(3.0) == -8
    message = (
        "equation `e = (-2)**a`: the derivative of (-2)**a by a contains log(2) + I*pi, which is not a real number"
    )
    with pytest.raises(DerivationError, match=re.escape(message)):
        gradient(graph, "e")


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_real_scalar_formula_is_refused_by_name(case: str) -> None:
    outputs, message = REFUSED[case]
    with pytest.raises(GraphError, match=re.escape(message)):
        from_expressions(outputs, [a, b])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([a, a], "an input is named twice: a, a"),
        ([Dummy("a"), Dummy("a")], "an input is named twice: a, a"),
        (["a"], "the input 'a' is a str, expected a sympy.Symbol, an IndexedBase"),
        ([a + 1], "the input a + 1 is an Add, expected a sympy.Symbol, an IndexedBase"),
        ([IndexedBase("A")[0]], "the input A[0] is an Indexed, expected a sympy.Symbol, an IndexedBase"),
        ([a, IndexedBase("A")], "the input A has no shape and is not read: give it one"),
    ],
)
def test_inputs_are_symbols_with_different_names(inputs: list[object], message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)):
        from_expressions({"e": a}, inputs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("symbol", "message"),
    [
        (Symbol("k", imaginary=True), "the input k, which is not real by its assumptions"),
        (Symbol("k", real=False), "the input k, which is not real by its assumptions"),
        (Symbol("k", commutative=False), "the input k, which is not commutative by its assumptions"),
        (IndexedBase("k", shape=(3,), imaginary=True), "the input k, which is not real by its assumptions"),
    ],
)
def test_inputs_are_real_or_may_be(symbol: Expr, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        from_expressions({"e": a}, [a, symbol])
    assert from_expressions({"e": a}, [a, Symbol("k", complex=True)]).inputs[1].kind == "real"


def test_a_symbol_that_is_not_real_names_no_entry() -> None:
    with pytest.raises(GraphError, match="the output 'e' contains the symbol c, which is not real by its assumptions"):
        from_expressions({"c": a, "e": 1 + Symbol("c", imaginary=True)}, [a])


def test_one_input_needs_no_list_and_a_symbol_is_a_key() -> None:
    expected = from_expressions({"c": a + 1, "e": 2 * c}, [a])
    assert from_expressions({c: a + 1, Symbol("e"): 2 * c}, a) == expected
    assert from_expressions({c: a + 1, "e": 2 * c}, iter([a])) == expected


@pytest.mark.parametrize(
    ("outputs", "inputs", "message"),
    [
        ({"c": a, c: a}, [a], "the output 'c' is given twice, by its name and by a symbol"),
        ({"c": a}, "a", "inputs is 'a', a str, expected symbols or arrays"),
        ({"c": a}, 3, "inputs is 3, an int, expected symbols or arrays"),
        (a, [a], "outputs is a Symbol, expected a mapping of names to expressions"),
    ],
)
def test_what_is_no_entry_or_input_is_refused(outputs: object, inputs: object, message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)):
        from_expressions(outputs, inputs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (sympy.re(a) * sympy.conjugate(b), a * b),
        (sympy.UnevaluatedExpr(a + 1) * b, (a + 1) * b),
    ],
    ids=str,
)
def test_what_is_another_formula_for_real_numbers_is_read_as_it(expression: Expr, expected: Expr) -> None:
    assert from_expressions({"e": expression}, [a, b]) == from_expressions({"e": expected}, [a, b])


def test_a_message_lists_the_first_twenty_names() -> None:
    with pytest.raises(GraphError, match=r"\(p0, p1, .*, p19, …\)"):
        from_expressions({"e": c}, symbols("p:100"))


# --- what comes in ------------------------------------------------------------------------------------------------


def test_an_entry_refers_to_an_earlier_one_by_the_symbol_of_its_name() -> None:
    found = from_expressions({"c": a + b, "e": c**2}, [a, b])
    assert bodies(found) == {"c": "a + b", "e": "c**2"}
    assert found.outputs == ("c", "e")


@pytest.mark.parametrize(("value", "expected"), [(2, 2.0), (0.5, 0.5), (Rational(1, 3), 1 / 3), (pi, np.pi), (a, 7.0)])
def test_numbers_and_inputs_are_expressions_too(value: Expr, expected: float) -> None:
    assert evaluate(from_expressions({"e": value}, [a]), {"a": 7})["e"] == expected


def test_symbols_become_real_ones_whatever_they_assume() -> None:
    p = Symbol("p", positive=True)
    (equation,) = from_expressions({"e": log(p) + p}, [p]).equations
    assert equation.references == (Symbol("p", real=True),)


def test_an_integer_symbol_is_an_input_that_holds_integers_and_has_no_derivative() -> None:
    n = Symbol("n", integer=True)
    found = from_expressions({"e": a * n}, [a, n])
    assert [variable.kind for variable in found.inputs] == ["real", "integer"]
    assert gradient(found, "e").outputs == ("e", "de/da")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (Abs(a), "absolute(a)"),
        (sympy.sign(a), "sign(a)"),
        (Max(a, b), "maximum(a, b)"),
        (Min(a, b, 1), "minimum(1, a, b)"),
        (Heaviside(a), "equal(a, 0)/2 + step(a)"),
        (Heaviside(a, 1), "equal(a, 0) + step(a)"),
        (sympy.KroneckerDelta(a, b), "equal(a, b)"),
        (sqrt(a**2), "absolute(a)"),
        (sqrt(a**2 * b), "sqrt(b)*absolute(a)"),
        (Max(Abs(a), sqrt(b**2)), "maximum(absolute(a), absolute(b))"),
        (Piecewise((Abs(a), Max(a, b) > 0), (b, True)), "Piecewise((absolute(a), maximum(a, b) > 0), (b, True))"),
    ],
)
def test_sympys_functions_with_kinks_become_those_that_follow_the_convention(expression: Expr, expected: str) -> None:
    assert body(expression) == expected


@pytest.mark.parametrize(("at_zero", "value"), [(None, 0.5), (Integer(0), 0), (Integer(1), 1), (Rational(1, 4), 0.25)])
def test_the_value_of_heaviside_at_0_is_the_one_it_was_given(at_zero: Expr | None, value: float) -> None:
    heaviside = Heaviside(a) if at_zero is None else Heaviside(a, at_zero)
    graph = gradient(from_expressions({"e": heaviside}, [a]), "e")
    for argument, expected in [(-1.0, 0), (0.0, value), (-0.0, value), (1.0, 1)]:
        found = evaluate(graph, {"a": argument})
        assert (found["e"], found["de/da"]) == (expected, 0)


@pytest.mark.parametrize(
    ("expression", "at", "expected"),
    [
        (Abs(a), 0, 0),
        (sqrt(a**2), 0, 0),
        (Max(a, 0), 0, 0.5),
        (Min(a, 0), 0, 0.5),
        (sympy.sign(a) * a, 0, 0),
        (Abs(a), -3, -1),
        (Max(a, 2, -a), -5, -1),
    ],
)
def test_derivatives_at_kinks_follow_the_convention(expression: Expr, at: float, expected: float) -> None:
    graph = gradient(from_expressions({"e": expression}, [a]), "e")
    assert evaluate(graph, {"a": at})["de/da"] == expected


# --- decomposing --------------------------------------------------------------------------------------------------


def test_decompose_gives_the_lectures_graph() -> None:
    found = from_expressions({"e": (a + b) * (b + 1)}, [a, b], decompose=True)
    assert bodies(found) == {"v1": "b + 1", "v2": "a + b", "e": "v1*v2"}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (a - b, {"e": "a - b"}),
        (a / b, {"e": "a/b"}),
        (-a, {"e": "-a"}),
        (2 * a, {"e": "2*a"}),
        (sqrt(2) * a / pi, {"e": "sqrt(2)*a/pi"}),
        (sin(a * b), {"v1": "a*b", "e": "sin(v1)"}),
        (sin(a) ** 2 + sin(a), {"v1": "sin(a)", "v2": "v1**2", "e": "v1 + v2"}),
        (1 / (1 + exp(-a)), {"v1": "exp(-a)", "v2": "v1 + 1", "e": "1/v2"}),
        (Piecewise((sin(a) * b, a > 0), (b, True)), {"e": "Piecewise((b*sin(a), a > 0), (b, True))"}),
    ],
)
def test_decompose_makes_every_operation_a_vertex(expression: Expr, expected: dict[str, str]) -> None:
    assert bodies(from_expressions({"e": expression}, [a, b], decompose=True)) == expected


def test_new_vertices_avoid_names_in_use() -> None:
    v1, v3 = symbols("v1 v3")
    found = from_expressions({"v2": sin(v1 * v3)}, [v1, v3], decompose=True)
    assert bodies(found) == {"v4": "v1*v3", "v2": "sin(v4)"}


def test_equal_parts_of_several_entries_are_one_vertex() -> None:
    found = from_expressions({"c": sin(a * b), "d": cos(a * b)}, [a, b], decompose=True)
    assert bodies(found) == {"v1": "a*b", "c": "sin(v1)", "d": "cos(v1)"}


def test_without_decompose_a_small_expression_stays_one_vertex() -> None:
    assert bodies(from_expressions({"e": sin(a * b) + cos(a * b)}, [a, b])) == {"e": "sin(a*b) + cos(a*b)"}


def test_a_branch_that_is_not_taken_leaks_nothing() -> None:
    found = gradient(from_expressions({"e": Piecewise((log(a), a > 0), (a**2, True))}, [a]), "e")
    values = evaluate(found, {"a": -3.0})
    assert (values["e"], values["de/da"]) == (9, -6)


# --- shared, deep and long ----------------------------------------------------------------------------------------


def nested(step: Callable[[Expr], Expr], levels: int) -> Expr:
    expression: Expr = a
    for _ in range(levels):
        expression = step(expression)
    return expression


DEEP: dict[str, tuple[Callable[[Expr], Expr], int]] = {
    "sin(e)·cos(e)": (lambda e: sin(e) * cos(e), 60),
    "sin(e)": (sin, 60),
    "e·sin(e) + 1": (lambda e: e * sin(e) + 1, 60),
    "√(e² + 1)": (lambda e: sqrt(e**2 + 1), 60),
    "relu(e)": (relu, 1200),
    "a branch": (lambda e: Piecewise((sin(e), a > 0), (a, True)), 30),
}


@pytest.mark.parametrize("case", [pytest.param(n, marks=pytest.mark.slow) if DEEP[n][1] > 1000 else n for n in DEEP])
def test_shared_and_deep_expressions_are_cut_into_small_bodies(case: str) -> None:
    step, levels = DEEP[case]
    found = from_expressions({"e": nested(step, levels)}, [a])
    assert max(sum(1 for _ in postorder(equation.body)) for equation in found.equations) < 8 * BODY_DEPTH
    derived = gradient(found, "e")
    computed = evaluate(derived, {"a": 0.3})
    moved = evaluate(found, {"a": np.asarray(0.3 + 1e-30j)}, np.complex128)["e"]
    assert computed["e"] == pytest.approx(moved.real, rel=1e-12)
    assert computed["de/da"] == pytest.approx(moved.imag / 1e-30, rel=1e-10)


def test_an_expression_deeper_than_the_stack_is_cut() -> None:
    """Its derivative has a value too, which takes 5 s, in the slow suite."""
    found = from_expressions({"e": nested(relu, 1200)}, [a])
    assert max(sum(1 for _ in postorder(equation.body)) for equation in found.equations) < 8 * BODY_DEPTH
    assert gradient(found, "e").outputs == ("e", "de/da")
    assert evaluate(found, {"a": 0.3})["e"] == 0.3


def chain(levels: int) -> Graph:
    """A fan-out and a fan-in a level: 3 paths each, so 3^levels in all."""
    outputs, last = {}, a
    for n in range(levels):
        outputs[f"e{n}"] = sin(last) * cos(last) + last
        last = Symbol(f"e{n}")
    return from_expressions(outputs, [a]).with_outputs(f"e{levels - 1}")


def test_the_gradient_of_a_chain_is_linear_in_its_length() -> None:
    short, long = chain(40), chain(160)
    (few, _), (many, derived) = counted(gradient, short, "e39"), counted(gradient, long, "e159")
    assert many < 6 * few  # 16 if it were quadratic
    assert len(derived.equations) <= 4 * 160 + 1  # what is used several times has one
    assert count_paths(long, "e159").edges == 160
    found = evaluate(derived, {"a": 0.3})
    slope = np.prod([1 + np.cos(2 * found[name]) for name in ["a", *(f"e{n}" for n in range(159))]])
    assert found["de159/da"] == pytest.approx(slope, rel=1e-9)


@pytest.mark.slow
def test_levels_beyond_the_limit_of_recursion_pass_through_everything() -> None:
    """Each pass in linear time: four times as many levels take four times as many calls, not sixteen."""
    short, long = (gradient(chain(levels), f"e{levels - 1}") for levels in (300, 1200))
    values = {"a": 0.3}
    before = evaluate(long, values)
    for name, apply in PASSES.items():
        (few, short), (many, long) = (counted(apply, graph) for graph in (short, long))
        assert many < 6 * few, name
    after = evaluate(long, values)
    for name in long.outputs:
        assert after[name] == pytest.approx(before[name], rel=1e-9)


# --- walking ------------------------------------------------------------------------------------------------------

A = IndexedBase("A", shape=(3, 3), real=True)
i, j = Idx("i", 3), Idx("j", 3)


def test_two_thousand_levels_are_walked_without_recursion() -> None:
    deep: Expr = A[i, j] + x
    for _ in range(2000):
        deep = relu(deep)
    assert sum(1 for _ in postorder(deep)) == 2003
    assert (set(references(deep)), indices(deep)) == ({A[i, j], x}, (i, j))
    assert fold(deep, lambda node, depths: 1 + max(depths, default=0)) == 2002
    assert set(references(substitute(deep, {x: y}))) == {A[i, j], y}
    assert indices(reindex(deep, {i: j, j: i})) == (j, i)
    assert references(replace(deep, {A[i, j]: Integer(2)})) == (x,)
    assert rewrite(deep, lambda node: None) is deep


def test_unevaluated_nodes_are_walked_too() -> None:
    deep: Expr = x
    for _ in range(2000):
        deep = Add(deep, 1, evaluate=False)
    assert sum(1 for _ in postorder(deep)) == 2002


def test_a_shared_node_is_visited_once() -> None:
    shared: Expr = x
    for _ in range(100):
        shared = maximum(shared, relu(shared))
    visited = list(postorder(shared))
    assert len(visited) == len({id(node) for node in visited}) == 201
    assert references(substitute(shared, {x: y})) == (y,)


def test_arguments_come_before_the_node_that_uses_them() -> None:
    order = list(postorder(sin(x) * cos(y) + x))
    for position, node in enumerate(order):
        assert all(argument in order[:position] for argument in node.args)


def test_rewriting_replaces_all_at_once_and_rebuilds_only_what_changes() -> None:
    expression = sin(x) + y
    assert substitute(expression, {x: y, y: x}) == sin(y) + x
    assert reindex(A[i, j] * i, {i: j, j: i}) == A[j, i] * j
    assert reindex(equal(i, j), {i: Integer(1)}) == equal(1, j)
    assert substitute(expression, {a: b}) is expression
    assert replace(sin(x + y) + x, {x + y: y, x: Integer(2)}) == sin(y) + 2


def test_references_and_indices_are_in_order_of_first_occurrence() -> None:
    S = Symbol("S", integer=True)
    expression = sin(A[j, 1]) / S + equal(i, 2)
    assert references(expression) == (A[j, 1],)
    assert set(indices(expression)) == {i, j}


@pytest.mark.parametrize(
    ("taken", "expected"), [(set(), "i"), ({"j"}, "i"), ({"i"}, "i_1"), ({"i", "i_1"}, "i_2"), ({"i_1"}, "i")]
)
def test_a_fresh_index_has_the_same_range_and_a_new_name(taken: set[str], expected: str) -> None:
    found = fresh_index(i, taken)
    assert (str(found.label), extent(found)) == (expected, 3)


def test_fresh_names() -> None:
    assert [fresh_name("c", taken) for taken in ({"d"}, {"c"}, {"c", "c'"})] == ["c", "c'", "c''"]
    numbered = fresh_names("v", {"v1", "v3"})
    assert [next(numbered) for _ in range(3)] == ["v2", "v4", "v5"]


I, k = sympy.I, Symbol("k", integer=True)
REAL_ALTHOUGH_WRITTEN_WITH_I = {
    "re": (sympy.re(sympy.exp(I * a)), sympy.cos(a)),
    "im": (sympy.im(b * sympy.exp(I * a)), b * sympy.sin(a)),
    "a sum of conjugates": (sympy.exp(I * a) + sympy.exp(-I * a), 2 * sympy.cos(a)),
    "a product of conjugates": ((b + I * a) * (b - I * a), a**2 + b**2),
    "a quotient": (sympy.re(1 / (a + I * b)), a / (a**2 + b**2)),
    "a size": (sympy.Abs(a + I * b), sympy.sqrt(a**2 + b**2)),
    "an angle": (sympy.arg(I * a + b), sympy.atan2(a, b)),
    "a response": (sympy.Abs(1 / (1 + I * a * b - a**2)), 1 / sympy.sqrt((1 - a**2) ** 2 + a**2 * b**2)),
    "a sum": (
        sympy.Abs(sympy.Sum(sympy.exp(I * a * k), (k, 0, 2))) ** 2,
        (1 + sympy.cos(a) + sympy.cos(2 * a)) ** 2 + (sympy.sin(a) + sympy.sin(2 * a)) ** 2,
    ),
    "a product": (sympy.re(sympy.Product(b + I * a * k, (k, 1, 2))), b**2 - 2 * a**2),
    "one of real and complex parts": (
        sympy.Piecewise((sympy.log(-2), a < 0), (a, True)) + sympy.re(sympy.exp(I * a)),
        a + sympy.cos(a),
    ),
}


@pytest.mark.parametrize("name", REAL_ALTHOUGH_WRITTEN_WITH_I)
def test_what_is_real_for_real_symbols_is_admitted(name: str) -> None:
    written, expected = REAL_ALTHOUGH_WRITTEN_WITH_I[name]
    both = [codegen.gradient(from_expressions({"e": e}, [a, b]), "e") for e in (written, expected)]
    values = [evaluate(graph, {"a": 0.3, "b": 0.7}) for graph in both]
    found, wanted = ([float(at[output]) for output in ("e", "de/da", "de/db")] for at in values)
    assert found == pytest.approx(wanted, rel=1e-14)


PRISM = sympy.sqrt(b**2 - sin(a) ** 2)
OUTSIDE_THE_DOMAIN: dict[str, tuple[Expr, float, float, float]] = {
    "|√a|": (sympy.Abs(sqrt(a)), -4, 2, -0.25),
    "|√a| inside": (sympy.Abs(sqrt(a)), 4, 2, 0.25),
    "|log a|": (sympy.Abs(log(a)), -2, 3.2171505117118097, -0.10772688098312341),
    "|log a| at its kink": (sympy.Abs(log(a)), 1, 0, 0),
    "|log a| inside": (sympy.Abs(log(a)), 0.5, math.log(2), -2),
    "|asin a|": (sympy.Abs(sympy.asin(a)), 2, 2.0498241882037043, 0.37093229784123605),
    "re asin": (sympy.re(sympy.asin(a)), 2, math.pi / 2, 0),
    "re acos": (sympy.re(sympy.acos(a)), -2, math.pi, 0),
    "re acosh": (sympy.re(sympy.acosh(a)), 0.5, 0, 0),
    "re acosh below": (sympy.re(sympy.acosh(a)), -2, math.acosh(2), -1 / math.sqrt(3)),
    "re atanh": (sympy.re(sympy.atanh(a)), 2, 0.5493061443340549, -1 / 3),
    "im asin": (sympy.im(sympy.asin(a)), 2, -math.acosh(2), -1 / math.sqrt(3)),
    "im acos": (sympy.im(sympy.acos(a)), -2, -math.acosh(2), 1 / math.sqrt(3)),
    "im atanh": (sympy.im(sympy.atanh(a)), -2, math.pi / 2, 0),
    "total reflection": (sympy.Abs((sympy.cos(a) - PRISM) / (sympy.cos(a) + PRISM)) ** 2, 1.2, 1, 0),
}
"""A function of a, and b = 0.5, where a part of it is complex: a, the value, the derivative."""


@pytest.mark.parametrize("name", OUTSIDE_THE_DOMAIN)
def test_what_is_real_of_a_complex_value_is_known_on_the_whole_line(name: str) -> None:
    expression, at, value, slope = OUTSIDE_THE_DOMAIN[name]
    graph = codegen.gradient(from_expressions({"e": expression}, [a, b]), "e", "a")
    found = evaluate(graph, {"a": at, "b": 0.5})
    assert [found[key] for key in graph.outputs] == pytest.approx([value, slope], rel=1e-14, abs=1e-14)


@pytest.mark.parametrize(
    "part", [log(1 + exp(a)), sqrt(a**2 + exp(b)), sqrt(sympy.Symbol("c", positive=True)), a**3 - b]
)
def test_the_size_of_what_is_seen_to_be_real_stays_as_it_is(part: Expr) -> None:
    written = sympy.Abs(part - a)
    assert made_real(written) is written


def test_elements_and_functions_of_time_are_real_too() -> None:
    n, q, t = Symbol("n", integer=True), sympy.Function("q"), Symbol("t")
    x, y, r, i = *map(IndexedBase, "xyr"), Idx("i", n)
    graph = from_expressions({r[i]: sympy.Abs(x[i] + I * y[i])}, [x, y])
    assert str(graph.equations[-1].body) == "sqrt(x[i]**2 + y[i]**2)"
    rate = q(t).diff(t)
    graph = from_expressions({"e": sympy.re(q(t) * sympy.exp(I * rate)), "s": sympy.Abs(q(t)) ** 2}, [q(t), rate])
    assert [str(equation.body) for equation in graph.equations] == ["q*cos(q_t)", "absolute(q)**2"]


def test_a_large_complex_expression_takes_time_for_its_distinct_nodes_only() -> None:
    written = a + I * b
    for _ in range(12):
        written = written**2 + a * written
    graph = from_expressions({"e": sympy.re(written, evaluate=False)}, [a, b])
    assert len(graph.equations) < 60
    value = evaluate(graph, {"a": 0.3, "b": 0.2})["e"]
    exact = complex(0.3, 0.2)
    for _ in range(12):
        exact = exact**2 + 0.3 * exact
    assert value == pytest.approx(exact.real, rel=1e-12)


@pytest.mark.parametrize("function", [sympy.exp(I * a), sympy.gamma(I * a + 1)])
def test_what_is_not_real_for_real_symbols_is_refused_as_it_was_written(function: sympy.Expr) -> None:
    words = f"contains the imaginary unit, which has no translation into real scalar code; it is in {function}"
    with pytest.raises(GraphError, match=re.escape(words)):
        from_expressions({"e": sympy.re(sympy.gamma(a)) + function}, [a])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (sympy.Derivative(sin(a) * b, a), b * sympy.cos(a)),
        (sympy.Subs(sympy.Derivative(a**2 * b, a), a, b + 1), 2 * (b + 1) * b),
        (sympy.erf2(a, b), sympy.erf(b) - sympy.erf(a)),
        (sympy.li(a), sympy.Ei(sympy.log(a))),
        (sympy.harmonic(a), sympy.polygamma(0, a + 1) + sympy.EulerGamma),
        (sympy.SingularityFunction(a, 2, 1), sympy.Piecewise((a - 2, a >= 2), (0, True))),
    ],
)
def test_what_can_be_said_otherwise_is_rewritten(written: sympy.Expr, meant: sympy.Expr) -> None:
    (found,), (expected,) = (from_expressions({"e": e}, [a, b]).equations for e in (written, meant))
    assert sympy.expand(found.body) == sympy.expand(expected.body)


@pytest.mark.parametrize("function", [sympy.besselj(a, b), sympy.besseli(a + 1, b), sympy.besselk(2 * a, b)])
def test_by_an_order_there_is_no_derivative_and_the_message_has_the_names_that_were_written(
    function: sympy.Expr,
) -> None:
    graph = from_expressions({"e": function * b}, [a, b])
    codegen.gradient(graph, "e", "b")
    words = f"equation `e = b*{function}`: there is no derivative of {function} by its first argument, "
    with pytest.raises(codegen.DerivationError, match=re.escape(words)):
        codegen.gradient(graph, "e")
