"""Large systems read into nodes at once: the same formulas as by way of equations, and the same stable forms."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numba
import numpy as np
import pytest
import sympy
from sympy import (
    Expr,
    Indexed,
    IndexedBase,
    Integer,
    Matrix,
    Rational,
    Symbol,
    cosh,
    erf,
    erfc,
    exp,
    log,
    pi,
    sin,
    sinh,
    sqrt,
    symbols,
    tanh,
)

from codegen import GraphError, compile, from_expressions, gradient, hvp, jacobian, optimise
from codegen.emit.numpy import numpy_function
from codegen.functions import log_cosh, sigmoid, softplus
from codegen.ir.graph import Graph
from codegen.numeric import evaluate, evaluate_exactly, rounded
from codegen.passes import pairs
from codegen.passes.pairs import paired
from codegen.passes.stabilise import stabilise
from codegen.passes.stable_nodes import stabilised
from codegen.passes.straight import count_nodes
from codegen.passes.sums import factored

x, y, z = symbols("x y z", real=True)
a, b = symbols("a b")
c = IndexedBase("c", shape=(3,))
FILLING = sum(sin(n * x + y) for n in range(60))


def is_read_at_once(graph: Graph) -> bool:
    return "equations" not in vars(graph)


def filled(entries: Mapping[Any, Any], inputs: Sequence[Any]) -> Graph:
    """The entries among many others."""
    return from_expressions({**entries, "filling": FILLING}, [x, y, *inputs])


SIMPLE: Mapping[str, tuple[Mapping[Any, Any], Sequence[Any]]] = {
    "symbols of any assumptions": ({"f": a**2 * b - Rational(1, 3) * a / b}, [a, b]),
    "an entry that is read later": ({"f": a * b, "g": Symbol("f") ** 2 + a}, [a, b]),
    "elements": ({c[n] * 1: c[n] for n in ()} | {"f": c[0] * c[1] + c[2] ** -2}, [c]),
    "an array by elements": ({IndexedBase("r", shape=(2,))[n]: a**n + b for n in range(2)}, [a, b]),
    "elements of an earlier array": (
        {IndexedBase("r", shape=(2,))[n]: a**n + b for n in range(2)} | {"g": IndexedBase("r")[1] ** 2},
        [a, b],
    ),
    "a matrix": ({"M": Matrix([[a, a * b], [sin(b), 1]])}, [a, b]),
    "constants": ({"f": sqrt(2) * a + log(10) * b + pi / 3 + sympy.Float("0.1") + 2**a}, [a, b]),
    "choices": (
        {"f": sympy.Piecewise((a, (a > 0) & sympy.Ne(b, 2)), (b, ~(a < b)), (a * b, True)) + sympy.Max(a, b, 1)},
        [a, b],
    ),
    "functions of ours": ({"f": sympy.Abs(a) * sympy.sign(b - 1) + sympy.Min(a, b) + sympy.sech(b) + erf(a)}, [a, b]),
    "functions of time": ({"f": sympy.Function("q")(a) ** 2}, [sympy.Function("q")(a)]),
}


@pytest.mark.parametrize("name", SIMPLE)
def test_what_is_read_at_once_has_the_values_that_its_equations_have(name: str) -> None:
    entries, inputs = SIMPLE[name]
    graph = filled(entries, inputs)
    assert is_read_at_once(graph)
    values = {v.name: [0.7, 1.3, 0.4][: v.shape[0]] if v.shape else 0.6 for v in graph.inputs}
    through = evaluate(Graph(graph.inputs, graph.equations, graph.outputs), values)
    formulas = graph.formulas
    assert formulas is not None
    written = Graph(graph.inputs, tuple(formulas.equations()), graph.outputs)
    for output, value in evaluate(written, values).items():
        assert value == pytest.approx(through[output], rel=1e-13)


@pytest.mark.parametrize("jitted", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_source_is_the_line_that_runs(jitted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit where products that are added at once are rounded once, which Python's own are not."""
    entries = {"M": Matrix([[a, a * b], [a / b, 1]]), "f": SIMPLE["choices"][0]["f"], "g": sympy.Abs(a) * sympy.sign(b)}
    entries["h"] = sum((a + n) ** 2 / (b + n) for n in range(40))
    function = compile(from_expressions(entries, [a, b, c]), pack={"p": ["c", "b"], "r": ["M", "g"]})
    monkeypatch.setattr(numba.config, "DISABLE_JIT", not jitted)
    namespace: dict[str, Any] = {}
    exec(function.source, namespace)
    for values in ((0.7, 1.3), (0.9, -0.2)):
        arguments = {"p": np.array([0.4, 0.5, 0.6, values[1]]), "a": values[0]}
        given = [arguments[slot.name] for slot in function.layout.arguments]
        for expected, found in zip(function(*given), namespace["kernel"](*given), strict=True):
            np.testing.assert_allclose(found, expected, rtol=0 if jitted else 1e-14)


OTHERS: Mapping[str, Mapping[Any, Any]] = {
    "a power with a variable exponent": {"f": a**b},
    "what SymPy writes otherwise for real symbols": {"f": sqrt(a**2)},
    "a gamma function": {"f": sympy.gamma(a) * b},
    "a sum": {"f": sympy.Sum(a ** Symbol("k"), (Symbol("k"), 0, 2))},
}


@pytest.mark.parametrize("name", OTHERS)
def test_anything_else_is_read_as_equations(name: str) -> None:
    assert not is_read_at_once(filled(OTHERS[name], [a, b]))


FAULTS: Mapping[str, tuple[Mapping[Any, Any], str]] = {
    "an unknown symbol": ({"f": a + Symbol("q")}, "contains the symbol 'q'"),
    "a symbol of other assumptions": ({"f": a + Symbol("a", positive=True)}, "second symbol named 'a'"),
    "an entry that comes later": ({"f": a + Symbol("g"), "g": b}, "which is defined after it"),
    "an entry in itself": ({"f": a + Symbol("f")}, "refers to itself"),
    "an element that is not there": ({"f": c[3] + a}, "outside 0 … 2"),
    "a number that is none": ({"f": a + sympy.oo}, "not a finite real number"),
    "a constant that is not real": ({"f": a + log(-2)}, "imaginary unit"),
    "a number that no decimal has": ({"f": a + exp(exp(exp(5)))}, "beyond the range of float64"),
    "a condition that is none": (
        {"f": sympy.Piecewise((a, Symbol("q")), (b, True))},
        "contains the condition q, which is no relation",
    ),
    "an array in part": ({IndexedBase("r", shape=(2,))[0]: a}, "r"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_those_of_equations(name: str) -> None:
    entries, message = FAULTS[name]
    with pytest.raises(GraphError, match=message):
        filled(entries, [a, b, c])


def test_derivatives_by_an_entry_see_what_was_written() -> None:
    """e reads c once; the equal sum beside it is another vertex."""
    graph = filled({"c": a + b, "e": (a + b) * Symbol("c") ** 2}, [a, b])
    derived = gradient(graph, "e", ["c"])
    assert evaluate(derived, {"a": 0.5, "b": 1.5, "x": 0.0, "y": 0.0})["de/dc"] == pytest.approx(2 * 2.0 * 2.0)


FORMS: tuple[Expr, ...] = (
    log(1 + exp(x * y)),
    1 / (1 + exp(-x)) ** 2,
    exp(x) / (exp(x) + exp(y) + exp(z)),
    log(exp(x) / (exp(x) + exp(y))),
    y * sinh(x) / cosh(x),
    exp(-((x * y) ** 2)) / erfc(x * y),
    sqrt(x**2 + y**2 + z**2),
    x / sqrt(x**2 + y**2),
    y * (cosh(x) - 1),
    3 - 3 * tanh(x + y),
    x / (exp(x) - 1),
    log(1 - erf(x) ** 2),
    log_cosh(x * z) - x * z * tanh(x * z),
    y * softplus(x) - y * x * sigmoid(x),
    log(3 * x**2 * exp(-y) * z),
    z * log(exp(x / z) + exp(y / z)),
    x / cosh(y) + 1 / sinh(x) ** 2 + 1 / tanh(x * y),
    log(1 + x**2),
    log(1 + 3 * x**2 + y**4 * z**2),
    x / (x**2 + y**2),
    3 * x * z * y / (2 + x**2) ** 2,
    -x * y * z / (4 * x**2 + y**2 * z**2) ** 3,
    z * exp(x) * x / (1 + x**2),
    log(1 + tanh(x)),
    log(1 + exp(x) + exp(y)),
    log(x**2 + y**2 + 4),
    log(2 + y * x),
    log(sinh(x) ** 2 * y**2),
    log(5 * erfc(x) * y),
    log(exp(2 * x) - exp(y)),
    log(y / x**3),
    y + y * erf(x),
    erf(x) * (x + 2 * z) - x - 2 * z,
    erfc(x) * z - 2 * z,
    1 - erf(x * y) ** 2,
    exp(x - y) - exp(y - x),
    exp(x * y) + exp(-x * y),
    3 * exp(x) - 3,
    exp(-exp(x)) * exp(x - y) * z,
    exp(-x) * x / (1 + exp(-x)),
    exp(-(x**2) - y) / erfc(x) ** 2,
    exp(y**2 - x) * erfc(-y),
    exp(-(x**2) / 2) * z / (1 + erf(x / sqrt(2))),
    cosh(x) / sinh(x) * y,
    1 / (exp(x) + exp(y)) ** 2,
    1 / sqrt(3 + exp(x)),
    sqrt(exp(x) + exp(y)),
    (x**2 + 9 * y**2) ** Rational(-3, 2),
    sqrt(x + y**2) * log(x * y),
    x**2 / (exp(x) - 1),
    sympy.besseli(0, x) / sympy.besseli(1, x),
    sympy.LambertW(exp(x)),
    x ** (y - 1) * (1 - x) ** (z - 1) / sympy.beta(y, z),
    2 ** (-y / 2) * x ** (y / 2 - 1) * exp(-x / 2) / sympy.gamma(y / 2),
    log(z * sympy.gamma(x) / sympy.gamma(x + y)),
    y + sympy.uppergamma(Rational(-5, 2), x),
    log(x * (1 + erf(x / sqrt(2))) / 2 + exp(-(x**2) / 2) / sqrt(2 * sympy.pi)),
    y * exp(-x) * sympy.besseli(0, x),
    z * exp(x - y) * sympy.besselk(1, x),
    log(y * sympy.besselk(0, x)),
    sympy.LambertW(y * exp(x)),
    y * x * exp(x**2) * erfc(x),
)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_is_as_stable_among_others_as_alone(form: Expr) -> None:
    entries = {"f": form, "g": sin(Symbol("f", real=True)) * x}
    formulas = filled(entries, [z]).formulas
    assert formulas is not None
    found = stabilised(formulas)
    alone = stabilise(from_expressions({"f": form}, [x, y, z])).formulas
    assert alone is not None
    (ours,), (theirs,) = found.of_variable("f"), alone.of_variable("f")
    assert found.nodes.written(ours) == alone.nodes.written(theirs)


def mechanism(species: int, reactions: int) -> Graph:
    """The Jacobian of a mechanism whose rates have pairs of factors in common."""
    c, k = IndexedBase("c", shape=(species,), real=True), IndexedBase("k", shape=(reactions,), real=True)
    rates = [k[r] * c[r % species] ** (1 + r % 2) * c[(3 * r + 1) % species] * c[(r + 2) % 4] for r in range(reactions)]
    f = IndexedBase("f", shape=(species,), real=True)
    changes = {f[n]: sum((1 + (r + n) % 3) * rates[r] for r in range(n, reactions, 3)) for n in range(species)}
    return jacobian(from_expressions(changes, [c, k]), "f", ["c"])


def scaled_differences(*others: Callable[[Any], Any]) -> Graph:
    """Sums of multiples of the same differences, and of functions."""
    u, v, w = (IndexedBase(name, shape=(12,), real=True) for name in "uvw")
    entries: dict[Any, Any] = {
        f"f{m}": sympy.Add(
            *[(-1) ** n * (m + 1) * w[m] * part for n in range(12) for part in (u[n], -v[n])],
            *[f(w[m]) for f in others],
        )
        for m in range(10)
    }
    return from_expressions({**entries, "g": u[0] - v[0]}, [u, v, w])


def test_sums_of_two_are_computed_once_and_lose_no_accuracy() -> None:
    graph = scaled_differences(sin)
    without, found = count_nodes(graph), count_nodes(factored(graph))
    assert found["add"] < without["add"] / 2
    assert found["multiply"] < without["multiply"] / 4
    values = {v.name: np.random.default_rng(0).uniform(0.1, 2, v.shape) for v in graph.inputs}
    exact = evaluate_exactly(graph, values)
    for name, value in zip(graph.outputs, compile(graph, tier="quick", cache=False)(*values.values())):
        np.testing.assert_allclose(value, rounded(exact[name]), rtol=1e-12, atol=1e-12)


def drawn_sums(seed: int) -> Graph:
    """Sums of few terms over and over: numbers of both signs, alone and before others, squares, products, names."""
    draw = random.Random(seed)
    u = IndexedBase("u", shape=(3,), real=True)
    named = {"p": u[0] * u[1], "q": -2 * u[0] * u[2], "r": 3 * u[2] + u[0] * u[1] * u[2]}
    p, q, r = (Symbol(name, real=True) for name in named)
    parts = [*(u[n] for n in range(3)), u[0] * u[1], u[1] ** 2, 1 / u[2], Integer(1), Rational(1, 3)]
    parts += [p, p * u[2], u[0] * u[1] * u[2], q * p * u[1], q**3 / u[0], r * q]

    def total(others: Sequence[Expr]) -> Expr:
        terms = [draw.choice([1, 1, -1, 2, -3]) * draw.choice([1, *others]) * part for part in draw.sample(parts, 4)]
        return sympy.Add(*terms)

    entries: dict[Any, Any] = {**named}
    for n in range(40):
        entries[f"t{n}"] = total([u[0], u[2], p]) * total([]) ** draw.choice([1, 2]) + draw.choice([-1, 0, 2])
    return from_expressions(entries, [u])


def in_fractions(graph: Graph) -> dict[Any, Fraction]:
    """The values at 3/7, 5/11 and 7/13 of formulas of sums, products and powers."""
    assert graph.formulas is not None
    nodes, found = graph.formulas.nodes, list[Fraction]()
    at = (Fraction(3, 7), Fraction(5, 11), Fraction(7, 13))
    for head, operands in zip(nodes.heads, nodes.operands):
        given = [found[operand] for operand in operands]
        if head is sympy.Pow:
            found.append(Fraction(given[0] ** given[1]))
        elif operands:
            found.append(sum(given, Fraction(0)) if head is sympy.Add else math.prod(given, start=Fraction(1)))
        else:
            found.append(at[int(head.indices[0])] if isinstance(head, Indexed) else Fraction(int(head.p), int(head.q)))
    return {cell: found[node] for cell, node in graph.formulas.assigned.items() if cell.name in graph.outputs}


@pytest.mark.parametrize("seed", range(8))
def test_what_is_shared_has_exactly_the_value_it_had(seed: int) -> None:
    graph = drawn_sums(seed)
    before = in_fractions(graph)
    for change in (paired, factored):
        changed = change(graph)
        assert count_nodes(changed).total() < count_nodes(graph).total()
        assert in_fractions(changed) == before


def test_terms_that_pairs_make_equal_are_added_up() -> None:
    """x·y·z and p·z of p = x·y are one term, two times, in a sum that has y + p·z in common with others."""
    p = Symbol("p", real=True)
    entries = {"p": a * b, "f": p * y + a * b * y + x + 3, "g": p * y + x + b, "h": p * y + x - b**2}
    graph = filled(entries, [a, b])
    assert compile(factored(graph), cache=False)(2.0, 3.0, 5.0, 7.0)[:4] == (35.0, 215.0, 114.0, 58.0)


def test_numbers_of_entries_are_numbers_in_front_of_what_they_are_factors_of() -> None:
    """As in products by a Hessian, whose parts are entries with numbers."""
    p = Symbol("A", real=True)
    found = compile(filled({"A": -3 * y, "f": p * x * z / (x**2 + y**2)}, [z]), cache=False)(2.0, 3.0, 5.0)
    assert found[:2] == pytest.approx((-9, -90 / 13), rel=1e-15)


def test_sums_beside_functions_that_are_formulas_stay_as_they_are() -> None:
    graph = scaled_differences(sin, sympy.loggamma)
    assert factored(graph) is graph


def test_pairs_that_are_rare_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = mechanism(5, 80)
    assert count_nodes(paired(graph))["multiply"] < count_nodes(graph)["multiply"]
    monkeypatch.setattr(pairs, "RARE", 1)
    assert paired(graph).formulas.nodes is graph.formulas.nodes


def test_pairs_of_factors_are_multiplied_once_and_lose_no_accuracy() -> None:
    graph = mechanism(5, 80)
    without, with_pairs = count_nodes(graph), count_nodes(paired(graph))
    assert with_pairs["multiply"] < 0.9 * without["multiply"]
    assert {**with_pairs, "multiply": 0} == {**without, "multiply": 0}
    values = {v.name: np.random.default_rng(0).uniform(0.1, 2, v.shape) for v in graph.inputs}
    exact = evaluate_exactly(graph, values)
    found = compile(graph, tier="quick", cache=False)(*values.values())
    for name, value in zip(graph.outputs, found):
        np.testing.assert_allclose(value, rounded(exact[name]), rtol=1e-12, atol=1e-12)


def test_what_is_real_by_its_name_is_an_absolute_value_wherever_it_is_written() -> None:
    """SymPy knows nothing of acos(y), and of a vertex that it is real: √(v²) is |v|."""
    inside = x * sympy.acos(y) + z
    graph = filled({"f": sqrt(inside**2) * z + ((inside * z) ** -2) ** Rational(3, 2)}, [z])
    at = (0.3, 0.4, 0.5)
    assert numpy_function(optimise(graph)[0])(*map(np.float64, at))[0] == pytest.approx(compile(graph)(*at)[0])
    compile(hvp(graph, "f"), tier="quick", cache=False)


def test_logarithms_of_what_is_negative_are_none() -> None:
    p = Symbol("p", real=True)
    graph = filled({"p": -4 * y**2, "f": log(p)}, [])
    assert math.isnan(compile(graph, tier="quick", cache=False)(1.0, 2.0)[1])


@pytest.mark.parametrize(
    ("number", "length", "is_large"),
    [(6, 8, True), (6, 120, False), (1, 250, True), pytest.param(1, 1030, False, marks=pytest.mark.slow)],
)
def test_numbers_and_exponents_with_twice_the_digits_from_entry_to_entry_have_an_end(
    number: int, length: int, is_large: bool
) -> None:
    """n·t² of t, and so on: t to the power 2ᵏ at entry k, which floats have at 1 alone."""
    entries, last = dict[Any, Any](), x
    for n in range(length):
        one, other = (Symbol(f"{name}{n}", real=True) for name in "st")  # s·t, of which SymPy does not know more
        entries |= {f"s{n}": number * last, f"t{n}": one * last}
        last = other
    graph = filled(entries, [])
    assert (graph.formulas is not None) == is_large
    at = 1 / number
    value, slope = compile(gradient(graph, f"t{length - 1}", ["x"]), tier="quick", cache=False)(at, 0.3)
    assert value == pytest.approx(at, rel=1e-12)
    assert slope == pytest.approx(math.ldexp(1.0, length) if length < 1024 else math.inf, rel=1e-12)
