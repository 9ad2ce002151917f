"""Every pass keeps every value; what it does shows in the printed graph; the whole gradient stays cheap and finite."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import mpmath
import numpy as np
import pytest
from sympy import (
    Abs,
    Expr,
    Integer,
    Max,
    Piecewise,
    Rational,
    Symbol,
    cos,
    cosh,
    exp,
    lambdify,
    log,
    sin,
    sinh,
    sqrt,
    symbols,
    tanh,
)

from codegen import Equation, Graph, Index, Reduction, Variable, from_expressions, function, gradient
from codegen.functions import (
    absolute,
    elu,
    equal,
    gelu,
    gelu_tanh,
    hard_tanh,
    leaky_relu,
    log_sum_exp,
    maximum,
    relu,
    relu6,
    sigmoid,
    silu,
    softplus,
)
from codegen.ir.operations import count_operations
from codegen.numeric.evaluate import evaluate
from codegen.passes import PASSES, lower, optimise, prune, share, simplify, stabilise
from codegen.passes.hoist import hoist
from codegen.passes.patterns import Patterns
from codegen.walk import postorder
from tests.codegen.networks import (
    ENDINGS,
    S,
    cross_entropy,
    distance,
    index_graphs,
    lecture,
    mlp,
    naive_cross_entropy,
    outputs,
    parameters,
    random_values,
    s,
)
from tests.properties import holds_for

SUM, MAX = Reduction.SUM, Reduction.MAX
a, b, c, d = symbols("a b c d")
x, y, z = symbols("x y z")
A, v, w, u = Variable("A", (3, 3)), Variable("v", (3,)), Variable("w", (2,)), Variable("u", (S, 3))
L = Variable("L")
i, j, k, t = Index("i", 3), Index("j", 3), Index("k", 3), Index("t", 3)
fewer = Index("p", 2)

Ending = Callable[..., list[Equation]]
ACTIVATIONS: dict[str, Callable[[Expr], Expr]] = {
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
    "leaky_relu": lambda x: leaky_relu(x, Rational(1, 10)),
    "elu": lambda x: elu(x, Integer(1)),
    "silu": silu,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "softplus": softplus,
    "relu6": relu6,
    "hard_tanh": hard_tanh,
    "absolute": absolute,
    "sin": sin,
    "x/(1 + |x|)": lambda x: x / (1 + absolute(x)),
    "x²": lambda x: x**2,
    "exp(−x²)": lambda x: exp(-(x**2)),
    "identity": lambda x: x,
}


def equations(graph: Graph) -> list[str]:
    return [str(equation) for equation in graph.equations]


def scalar(*expressions: Expr, **more: Expr) -> Graph:
    return from_expressions({**dict(zip("efgh", expressions)), **more}, [a, b, c])


# --- values -------------------------------------------------------------------------------------------------------


def derived(activation: str, ending: Ending) -> Callable[[], Graph]:
    def build() -> Graph:
        graph = mlp([3, 4, 3], ACTIVATIONS[activation], ending)
        return gradient(graph, "loss", parameters(graph))

    return build


def all_vertices() -> Graph:
    graph = mlp([2, 3, 2], gelu, naive_cross_entropy)
    return graph.with_outputs(*[equation.name for equation in graph.equations])


def quick(activation: str, ending: Ending) -> bool:
    """Every activation and every ending, but not each with each."""
    return list(ACTIVATIONS).index(activation) % len(ENDINGS) == ENDINGS.index(ending)


GRAPHS: dict[str, Callable[[], Graph]] = {
    "the lecture's graph": lambda: gradient(lecture(), "e"),
    **{
        f"{activation}, {ending.__name__}": derived(activation, ending)
        for activation in ACTIVATIONS
        for ending in ENDINGS
    },
    "forward": lambda: gradient(mlp([2, 3, 2]), "loss", ["W1"], "forward"),
    "paths": lambda: gradient(mlp([2, 3, 2]), "loss", ["W1", "b2"], "paths"),
    "unrolled": lambda: gradient(mlp([2, 3, 2], sigmoid).unroll(), "loss", ["W1", "x"]),
    "all vertices": all_vertices,
    "roots of squares": lambda: gradient(scalar(sqrt(a**2) * b, sqrt(c**2 + 1)), "e"),
    "kinks": lambda: gradient(scalar(Max(a, b) + Abs(c) * maximum(a, b, c)), "e"),
    "branches": lambda: gradient(scalar(Piecewise((log(1 + a**2), a > b), (b * exp(c), b > c), (c, True))), "e"),
    "fractions": lambda: gradient(scalar(a / (b**2 + 1) + c / (b**2 + 1) ** 2), "e"),
}
SLOW = {f"{one}, {ending.__name__}" for one in ACTIVATIONS for ending in ENDINGS if not quick(one, ending)}
CASES = [pytest.param(case, marks=pytest.mark.slow) if case in SLOW else case for case in GRAPHS]
built = lru_cache(lambda case: GRAPHS[case]())


@pytest.mark.parametrize("case", CASES)
def test_every_pass_keeps_every_value(case: str) -> None:
    graph = built(case)
    values = random_values(graph, seed=3)
    expected = outputs(graph, values)
    for name, apply in [*PASSES.items(), ("hoist", hoist)]:
        graph = apply(graph)
        assert distance(outputs(graph, values), expected) <= 1e-12, name


@holds_for(index_graphs(), quick=6, slow=60)
def test_every_pass_keeps_every_value_of_a_random_graph(graph: Graph) -> None:
    values = random_values(graph)
    everything = graph.with_outputs(*dict.fromkeys(equation.name for equation in graph.equations))
    for one in (everything, gradient(graph, "L"), gradient(graph.unroll(), "L")):
        expected = outputs(one, values)
        for name, apply in [*PASSES.items(), ("hoist", hoist)]:
            one = apply(one)
            assert distance(outputs(one, values), expected) <= 1e-12, name


@holds_for(index_graphs(), quick=8, slow=30)
def test_the_passes_in_any_order_and_twice_keep_every_value(graph: Graph) -> None:
    values, one = random_values(graph), gradient(graph, "L")
    expected = outputs(one, values)
    for apply in (share, simplify, prune, share, lower, stabilise, simplify, share):
        one = apply(one)
    assert distance(outputs(one, values), expected) <= 1e-12


@pytest.mark.parametrize("case", CASES)
def test_no_pass_adds_operations_and_a_second_run_changes_nothing(case: str) -> None:
    once, report = optimise(built(case))
    totals = {name: counts.total() for name, counts in report.counts}
    assert totals["prune"] <= totals["share"] <= totals["lower"]
    assert count_operations(optimise(once)[0]).total() <= totals["prune"]


def test_the_report_has_a_line_a_pass() -> None:
    _, report = optimise(gradient(scalar(tanh(a * b)), "e"))
    lines = str(report).splitlines()
    assert [line.split()[0] for line in lines] == ["derived", *PASSES]
    assert lines[-1].split(maxsplit=1)[1].startswith("6  4 multiply, 1 ")


# --- the cost of the gradient -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[8, 6, 3], [6, 5, 4, 3]], ids=lambda sizes: f"{len(sizes) - 1} layers")
@pytest.mark.parametrize(
    ("activation", "ending"),
    [
        pytest.param(one, ending, marks=() if quick(one, ending) else pytest.mark.slow)
        for one in ACTIVATIONS
        for ending in ENDINGS
    ],
)
def test_the_gradient_costs_at_most_five_times_the_value(activation: str, ending: Ending, sizes: list[int]) -> None:
    graph = mlp(sizes, ACTIVATIONS[activation], ending)
    value, _ = optimise(graph)
    found, _ = optimise(gradient(graph, "loss", parameters(graph)))
    assert count_operations(found).total() <= 5 * count_operations(value).total()


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("tanh", ["a1[s, h1] = tanh(u1[s, h1])", "dloss/du1[s, h1] = (1 - a1[s, h1]**2)*dloss/da1[s, h1]"]),
        (
            "sigmoid",
            ["a1[s, h1] = sigmoid(u1[s, h1])", "dloss/du1[s, h1] = (1 - a1[s, h1])*a1[s, h1]*dloss/da1[s, h1]"],
        ),
        ("relu", ["a1[s, h1] = relu(u1[s, h1])", "dloss/du1[s, h1] = step(u1[s, h1])*dloss/da1[s, h1]"]),
        (
            "silu",
            [
                "c1[s, h1] = sigmoid(u1[s, h1])",
                "a1[s, h1] = c1[s, h1]*u1[s, h1]",
                "dloss/du1[s, h1] = ((1 - c1[s, h1])*u1[s, h1] + 1)*c1[s, h1]*dloss/da1[s, h1]",
            ],
        ),
    ],
)
def test_the_backward_pass_shares_the_activation_of_the_forward_pass(activation: str, expected: list[str]) -> None:
    graph = mlp([4, 3, 2], ACTIVATIONS[activation])
    found = equations(optimise(gradient(graph, "loss", parameters(graph)))[0])
    assert [one for one in found if one.split("[")[0] in ("c1", "a1", "dloss/du1")] == expected


def test_every_function_of_the_forward_pass_is_evaluated_once() -> None:
    graph = mlp([4, 5, 3])
    found = count_operations(optimise(gradient(graph, "loss", parameters(graph)))[0], samples=7)
    assert (found["tanh"], found["exp"], found["log"]) == (7 * 5, 7 * 3, 7)


# --- simplify -----------------------------------------------------------------------------------------------------

e, q = Variable("e", (3,)), Variable("q", (3,))
r = Variable("r", (3, 3))
n, p = Index("n", 2), Variable("p", (2,))


def system(*given: Equation, output: str | None = None) -> Graph:
    return Graph((A, v, w, u), given, (output or given[-1].name,))


SIMPLIFIED: dict[str, tuple[Graph, list[str]]] = {
    "an alias is written into its users": (
        system(Equation(e[i], v[i]), Equation(L.symbol, e[j] ** 2, SUM, (j,))),
        ["L = Σ_j v[j]**2"],
    ),
    "so are a negative and a constant": (
        system(Equation(e[i], -v[i]), Equation(q[i], 2), Equation(L.symbol, e[j] * q[j], SUM, (j,))),
        ["L = Σ_j -2*v[j]"],
    ),
    "so is a product with one user that is a map": (
        system(Equation(e[i], v[i] * w[0] ** 2 / 3), Equation(q[j], sin(e[j]))),
        ["q[j] = sin(v[j]*w[0]**2/3)"],
    ),
    "a product inside a reduction would be computed again": (
        system(Equation(e[i], v[i] * w[0]), Equation(L.symbol, e[j] * A[j, k], SUM, (j, k))),
        ["e[i] = v[i]*w[0]", "L = Σ_j,k A[j, k]*e[j]"],
    ),
    "a product with two users stays": (
        system(Equation(e[i], v[i] * w[0]), Equation(q[i], sin(e[i])), Equation(r[i, j], q[i] * cos(e[j]))),
        ["e[i] = v[i]*w[0]", "q[i] = sin(e[i])", "r[i, j] = cos(e[j])*q[i]"],
    ),
    "an output stays": (
        Graph((v,), (Equation(e[i], v[i]), Equation(q[i], 2 * e[i])), ("e", "q")),
        ["e[i] = v[i]", "q[i] = 2*e[i]"],
    ),
    "what is read by elements stays": (
        system(Equation(e[i], -v[i]), Equation(L.symbol, e[0] * e[1])),
        ["e[i] = -v[i]", "L = e[0]*e[1]"],
    ),
    "an element goes the same way": (
        system(Equation(e[0], v[1]), Equation(e[1], v[2]), Equation(e[2], v[0] + 1), Equation(L.symbol, e[0] * e[1])),
        ["e[2] = v[0] + 1", "L = v[1]*v[2]"],
    ),
    "another name in a recurrence goes, too": (
        system(
            Equation(e[0], v[0]),
            Equation(p[n], e[n]),
            Equation(e[n + 1], p[n] * v[n + 1]),
            Equation(L.symbol, e[2] ** 2),
        ),
        ["e[0] = v[0]", "e[n + 1] = e[n]*v[n + 1]", "L = e[2]**2"],
    ),
    "but for a name of itself": (
        system(Equation(e[0], v[0]), Equation(p[n], e[n]), Equation(e[n + 1], p[n]), Equation(L.symbol, e[2] ** 2)),
        ["e[0] = v[0]", "e[n + 1] = e[n]", "L = e[2]**2"],
    ),
    "a sum over a bracket is its only term": (
        system(Equation(e[i], equal(i, j) * A[j, 0] * v[j], SUM, (j,))),
        ["e[i] = A[i, 0]*v[i]"],
    ),
    "a bracket with a number, too": (system(Equation(e[i], equal(1, j) * A[i, j], SUM, (j,))), ["e[i] = A[i, 1]"]),
    "a bracket with a label stays": (
        system(Equation(L.symbol, equal(w[0], j) * v[j], SUM, (j,))),
        ["L = Σ_j equal(w[0], j)*v[j]"],
    ),
    "a common factor is taken out": (
        scalar(a * b + a * c),
        ["e = a*(b + c)"],
    ),
    "of a sum over an index, too": (
        system(Equation(L.symbol, A[i, j] * v[i] - v[i] * v[j], SUM, (i, j))),
        ["L = Σ_i,j (A[i, j] - v[j])*v[i]"],
    ),
    "only with equal powers": (scalar(a**2 * b + a**2 * c, a**2 + a), ["e = a**2*(b + c)", "f = a**2 + a"]),
    "a square in a root is an absolute value": (
        Graph((v,), (Equation(e[i], v[i] ** 2), Equation(q[i], sqrt(e[i]))), ("q",)),
        ["q[i] = absolute(v[i])"],
    ),
}


@pytest.mark.parametrize("case", SIMPLIFIED)
def test_simplify(case: str) -> None:
    graph, expected = SIMPLIFIED[case]
    assert equations(simplify(graph)) == expected


def test_indices_that_a_bracket_leaves_become_a_factor() -> None:
    graph = system(Equation(L.symbol, equal(i, j) * equal(i, k), SUM, (i, j, k)))
    assert equations(simplify(graph)) == ["L = 3"]


# --- share --------------------------------------------------------------------------------------------------------

SHARED: dict[str, tuple[Graph, list[str]]] = {
    "equal equations become one": (
        system(Equation(e[i], sin(v[i])), Equation(q[j], sin(v[j])), Equation(L.symbol, e[i] * q[i], SUM, (i,))),
        ["e[i] = sin(v[i])", "L = Σ_i e[i]**2"],
    ),
    "equal sums as well": (
        system(
            Equation(e[i], A[i, j] * v[j], SUM, (j,)),
            Equation(q[j], A[j, k] * v[k], SUM, (k,)),
            Equation(L.symbol, e[i] - q[i], SUM, (i,)),
        ),
        ["e[i] = Σ_j A[i, j]*v[j]", "L = 0"],
    ),
    "not a sum and a maximum": (
        system(
            Equation(Variable("m").symbol, v[j], MAX, (j,)),
            Equation(Variable("n").symbol, v[j], SUM, (j,)),
            Equation(L.symbol, Variable("m").symbol * Variable("n").symbol),
        ),
        ["m = max_j v[j]", "n = Σ_j v[j]", "L = m*n"],
    ),
    "not a matrix and its transpose": (
        system(Equation(r[i, j], sin(A[i, j])), Equation(L.symbol, r[i, j] * sin(A[j, i]), SUM, (i, j))),
        ["r[i, j] = sin(A[i, j])", "L = Σ_i,j r[i, j]*r[j, i]"],
    ),
    "an output that repeats another refers to it": (
        Graph((v,), (Equation(e[i], sin(v[i])), Equation(q[j], sin(v[j]))), ("e", "q")),
        ["e[i] = sin(v[i])", "q[j] = e[j]"],
    ),
    "a subexpression that is a vertex": (
        system(Equation(e[i], tanh(v[i])), Equation(L.symbol, (1 - tanh(v[k]) ** 2) * e[k], SUM, (k,))),
        ["e[i] = tanh(v[i])", "L = Σ_k (1 - e[k]**2)*e[k]"],
    ),
    "a vertex at another place": (
        system(
            Equation(e[i], tanh(v[i])),
            Equation(L.symbol, (1 - tanh(v[fewer + 1]) ** 2) * e[fewer], SUM, (fewer,)),
        ),
        ["e[i] = tanh(v[i])", "L = Σ_p (1 - e[p + 1]**2)*e[p]"],
    ),
    "under a condition": (
        system(
            Equation(r[i, j], sin(A[i, j] * v[j])),
            Equation(L.symbol, Piecewise((sin(A[fewer, j + 1] * v[j + 1]), j < 2), (0, True)), SUM, (fewer, j)),
        ),
        ["r[i, j] = sin(A[i, j]*v[j])", "L = Σ_p,j Piecewise((r[p, j + 1], j < 2), (0, True))"],
    ),
    "not where it has no value": (
        system(
            Equation(Variable("h", (2,))[fewer], tanh(v[fewer])),
            Equation(L.symbol, tanh(v[i]) + Variable("h", (2,))[0], SUM, (i,)),
        ),
        ["h[p] = tanh(v[p])", "L = Σ_i tanh(v[i]) + h[0]"],
    ),
    "not what waits for its reader": (
        system(
            Equation(e[0], v[0]),
            Equation(e[fewer + 1], sin(e[fewer]) + v[fewer]),
            Equation(q[i], sin(e[i])),
            Equation(L.symbol, q[i], SUM, (i,)),
        ),
        ["e[0] = v[0]", "e[p + 1] = sin(e[p]) + v[p]", "q[i] = sin(e[i])", "L = Σ_i q[i]"],
    ),
    "a vertex that is defined later": (
        Graph((v,), (Equation(q[i], exp(sin(v[i]))), Equation(e[i], sin(v[i]))), ("q", "e")),
        ["e[i] = sin(v[i])", "q[i] = exp(e[i])"],
    ),
    "a quotient of vertices": (
        scalar(exp(a), Symbol("e") + b, exp(a) / (exp(a) + b)),
        ["e = exp(a)", "f = b + e", "g = e/f"],
    ),
    "a subexpression of two bodies": (
        scalar(sin(a + b) * c, cos(a + b) * c),
        ["c1 = a + b", "e = c*sin(c1)", "f = c*cos(c1)"],
    ),
    "a subexpression used twice in one body": (scalar(sin(a * b) + cos(a * b)), ["c1 = a*b", "e = sin(c1) + cos(c1)"]),
    "the largest common part only": (
        scalar(sin(a * b + c) + 1, sin(a * b + c) - c),
        ["c1 = sin(a*b + c)", "e = c1 + 1", "f = -c + c1"],
    ),
    "an array costs a store: a single product is computed again": (
        system(Equation(e[i], sin(v[i] * w[0])), Equation(q[i], cos(v[i] * w[0]) * e[i])),
        ["e[i] = sin(v[i]*w[0])", "q[i] = cos(v[i]*w[0])*e[i]"],
    ),
    "a function is not": (
        system(Equation(e[i], exp(v[i]) * w[0]), Equation(q[j], exp(v[j]) * e[j])),
        ["c1[i] = exp(v[i])", "e[i] = c1[i]*w[0]", "q[j] = c1[j]*e[j]"],
    ),
    "a part of fewer indices has fewer": (
        system(Equation(r[i, j], exp(v[i]) * v[j]), Equation(L.symbol, exp(v[j]) * r[i, j], SUM, (i, j))),
        ["c1[i] = exp(v[i])", "r[i, j] = c1[i]*v[j]", "L = Σ_i,j c1[j]*r[i, j]"],
    ),
    "what is compared is computed once, however cheap": (
        system(
            Equation(Variable("m").symbol, v[j] * w[0], MAX, (j,)),
            Equation(e[j], equal(v[j] * w[0], Variable("m").symbol)),
        ),
        ["c1[j] = v[j]*w[0]", "m = max_j c1[j]", "e[j] = equal(c1[j], m)"],
    ),
    "names in use are avoided": (
        from_expressions({"e": sin(a * b), "f": cos(a * b) * Symbol("c1")}, [a, b, Symbol("c1")]),
        ["c2 = a*b", "e = sin(c2)", "f = c1*cos(c2)"],
    ),
}


@pytest.mark.parametrize("case", SHARED)
def test_share(case: str) -> None:
    graph, expected = SHARED[case]
    assert equations(share(graph)) == expected


def test_tied_maxima_compare_the_very_same_numbers() -> None:
    graph = system(Equation(e[i], A[i, j] * v[j] + w[0], MAX, (j,)), Equation(L.symbol, e[i] ** 2, SUM, (i,)))
    found = equations(optimise(gradient(graph, "L", ["A"]))[0])
    argument = "argument of e[i][i, j]"
    assert found[:2] == [f"{argument} = A[i, j]*v[j] + w[0]", f"e[i] = max_j {argument}"]
    assert any(line.startswith("ties(e)[i] = Σ_j equal(") and argument in line for line in found)


# --- prune and lower ----------------------------------------------------------------------------------------------


def test_prune_keeps_what_the_outputs_need() -> None:
    graph = scalar(a + b, a * b, Symbol("f") + c)
    assert equations(prune(graph.with_outputs("g"))) == ["f = a*b", "g = c + f"]
    assert prune(graph.with_outputs("g")).inputs == graph.inputs
    assert prune(graph) is graph


def test_prune_drops_single_elements() -> None:
    graph = system(Equation(e[0], v[1]), Equation(e[1], v[2]), Equation(e[2], v[0]), Equation(L.symbol, e[0] * 2))
    assert equations(prune(graph)) == ["e[0] = v[1]", "L = 2*e[0]"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (silu(a), "a*sigmoid(a)"),
        (elu(a, b), "select(a, a, b*expm1(a))"),
        (log_sum_exp(a, 0), "log(exp(a - stop_gradient(maximum(a, 0))) + exp(-stop_gradient(maximum(a, 0)))) + "
                            "stop_gradient(maximum(a, 0))"),
    ],
)  # fmt: skip
def test_lower_writes_formulas_out(expression: Expr, expected: str) -> None:
    assert equations(lower(scalar(expression))) == [f"e = {expected}"]


def test_lower_gives_a_function_inside_another_a_vertex() -> None:
    assert equations(lower(scalar(relu6(silu(a))))) == ["f1 = a*sigmoid(a)", "e = clip(f1, 0, 6)"]


def test_what_functions_inside_one_another_become_is_linear_in_their_number() -> None:
    chosen = function("chosen", lambda u: Piecewise((u * exp(-u), u > 0), (u**3, u < -1), (u / 2, True)))
    for kind in (gelu_tanh, chosen):
        expression = a
        for _ in range(12):
            expression = kind(expression)
        for graph in (scalar(expression), gradient(scalar(expression), "e")):
            found = lower(graph)
            assert len(found.equations) <= 3 * 12
            assert sum(1 for e in found.equations for _ in postorder(e.body)) <= 60 * 12


def test_lower_replaces_sympys_functions() -> None:
    variable = Variable("p")
    graph = Graph((variable,), (Equation(L.symbol, Abs(variable.symbol) + Max(variable.symbol, 1)),), ("L",))
    assert equations(lower(graph)) == ["L = maximum(1, p) + absolute(p)"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Equation(e[i], v[i] / w[0]), ["r1 = 1/w[0]", "e[i] = r1*v[i]"]),
        (Equation(r[i, j], exp(v[j]) * v[i]), ["r1[j] = exp(v[j])", "r[i, j] = r1[j]*v[i]"]),
        (Equation(r[i, j], v[j] * v[i]), ["r[i, j] = v[i]*v[j]"]),
        (Equation(e[i], sin(v[i])), ["e[i] = sin(v[i])"]),
    ],
)
def test_what_does_not_change_along_an_index_is_hoisted(given: Equation, expected: list[str]) -> None:
    assert equations(hoist(system(given))) == expected


# --- stabilise ----------------------------------------------------------------------------------------------------

STABILISED: dict[str, tuple[Expr, str]] = {
    "log(1 + exp(x))": (log(1 + exp(x)), "softplus(x)"),
    "1/(1 + exp(−x))": (1 / (1 + exp(-x)), "sigmoid(x)"),
    "1/(1 + exp(x + y))": (1 / (1 + exp(x + y)), "logistic(-x - y)"),
    "its square": ((1 + exp(-x)) ** -2, "logistic(x)**2"),
    "exp(x)/(1 + exp(x))": (exp(x) / (1 + exp(x)), "logistic(x)"),
    "exp(2x)/(1 + exp(x))²": (exp(2 * x) / (1 + exp(x)) ** 2, "logistic(x)**2"),
    "exp(−x)/(1 + exp(−x))²": (exp(-x) / (1 + exp(-x)) ** 2, "sigmoid_slope(-x)"),
    "y·exp(x)/(1 + exp(x))": (y * exp(x) / (1 + exp(x)), "y*logistic(x)"),
    "log σ(x)": (log(1 / (1 + exp(-x))), "log_sigmoid(x)"),
    "log(1 − σ(x))": (log(1 - sigmoid(x)), "log_sigmoid(-x)"),
    "log(1 − 1/(1 + exp(−x)))": (log(1 - 1 / (1 + exp(-x))), "log_sigmoid(-x)"),
    "log(1 + x)": (log(1 + x), "log1p(x)"),
    "exp(x) − 1": (exp(x) - 1, "expm1(x)"),
    "1 − exp(x)": (1 - exp(x), "-expm1(x)"),
    "log(x·exp(y))": (log(x * exp(y)), "y + log(x)"),
    "log(exp(x) + exp(y))": (log(exp(x) + exp(y)), "log_sum_exp(x, y)"),
    "log(exp(x)/(exp(x) + exp(y)))": (log(exp(x) / (exp(x) + exp(y))), "x - log_sum_exp(x, y)"),
    "softmax": (exp(x) / (exp(x) + exp(y) + 1), "exp(x - log_sum_exp(0, x, y))"),
    "1/cosh(x)": (1 / cosh(x), "sech(x)"),
    "1/√cosh(y)": (1 / sqrt(cosh(y)), "sqrt(sech(y))"),
    "sinh(x)/cosh(x)": (sinh(x) / cosh(x), "tanh(x)"),
    "sinh(x)/cosh²(x)": (sinh(x) / cosh(x) ** 2, "tanh(x)*sech(x)"),
    "exp(x)/cosh(x)": (exp(x) / cosh(x), "2*logistic(2*x)"),
    "exp(−x)/cosh(x)": (exp(-x) / cosh(x), "2*logistic(-2*x)"),
    "log cosh(x)": (log(cosh(x)), "log_cosh(x)"),
    "log(3·cosh(x))": (log(3 * cosh(x)), "log_cosh(x) + log(3)"),
    "tanh by exponentials": ((exp(x) - exp(-x)) / (exp(x) + exp(-x)), "tanh(x)"),
    "1/(2 + exp(x))": (1 / (2 + exp(x)), "logistic(-x + log(2))/2"),
    "1/(1 + 9·exp(−x))²": ((1 + 9 * exp(-x)) ** -2, "logistic(x - log(9))**2"),
    "log(2 + exp(x))": (log(2 + exp(x)), "softplus(x - log(2)) + log(2)"),
    "exp(y)·exp(−exp(y))": (exp(y) * exp(-exp(y)), "exp(y - exp(y))"),
    "1/sinh(y)": (1 / sinh(y), "csch(y)"),
    "cosh(y)/sinh(y)": (cosh(y) / sinh(y), "coth(y)"),
    "1/tanh(y)": (1 / tanh(y), "coth(y)"),
    "1/(exp(y) − 1)": (1 / (exp(y) - 1), "bose(y)"),
    "exp(y)/(exp(y) − 1)": (exp(y) / (exp(y) - 1), "-bose(-y)"),
    "exp(y) − exp(−y)": (exp(y) - exp(-y), "2*sinh(y)"),
    "a product of exponentials is left alone": (exp(x) * exp(y), "exp(x)*exp(y)"),
    "so is the logarithm of another sum": (log(x + y**3), "log(x + y**3)"),
    "log(x + exp(y))": (log(x + exp(y)), "log_of_weighted_sum(0, x, 0, 0, 1, y)"),
    "so is an ordinary quotient": (x / (1 + y), "x/(y + 1)"),
}


@pytest.mark.parametrize("case", STABILISED)
def test_stabilise(case: str) -> None:
    expression, expected = STABILISED[case]
    graph = stabilise(from_expressions({"e": expression}, [x, y]))
    assert equations(graph) == [f"e = {expected}"]
    assert stabilise(graph) is graph


FAR = (-1000.0, -750.0, -40.0, -1.5, 0.0, 0.5, 37.0, 700.0, 800.0, 1000.0)
BEYOND = {"log(1 + x)": FAR[:4], "exp(x) − 1": FAR[-2:], "1 − exp(x)": FAR[-2:]}
"""Where they have no value."""


@pytest.mark.parametrize("name", [name for name, (e, _) in STABILISED.items() if e.free_symbols == {x}])
def test_a_stable_form_and_its_derivative_are_right_far_out(name: str) -> None:
    expression = STABILISED[name][0]
    graph = optimise(gradient(from_expressions({"e": expression}, [x]), "e"))[0]
    naive = expression.replace(sigmoid, lambda argument: 1 / (1 + exp(-argument)))
    both = lambdify(x, (naive, naive.diff(x)), "mpmath")
    for at in FAR:
        if at in BEYOND.get(name, ()):
            continue
        found = evaluate(graph, {"x": at})
        with mpmath.workdps(1000):  # as naive as it stands, exp(−1000) beside 1 included
            value, slope = map(float, both(mpmath.mpf(at)))
        assert found["e"] == pytest.approx(value, rel=1e-13, abs=1e-300), at
        # σ' = σ·(1 − σ) is exact to an ulp of 1
        assert found["de/dx"] == pytest.approx(slope, rel=1e-13, abs=1e-15), at


GROWING_VERTICES = {
    "1/cosh(x)": (lambda s, c: 1 / c, "sech(x)"),
    "sinh(x)/cosh(x)": (lambda s, c: s / c, "tanh(x)"),
    "y·sinh(x)/cosh²(x)": (lambda s, c: y * s / c**2, "y*tanh(x)*sech(x)"),
    "log cosh(x)": (lambda s, c: log(c), "log_cosh(x)"),
    "cosh(x)/sinh(x)": (lambda s, c: c / s, "coth(x)"),
    "what grows": (lambda s, c: s * c, "c*s"),
}


@pytest.mark.parametrize("case", GROWING_VERTICES)
def test_a_vertex_that_grows_is_looked_through_in_a_denominator(case: str) -> None:
    formula, expected = GROWING_VERTICES[case]
    graph = from_expressions({"s": sinh(x), "c": cosh(x), "e": formula(*symbols("s c"))}, [x, y])
    assert equations(stabilise(graph))[-1] == f"e = {expected}"
    assert equations(stabilise(graph, keep=["s", "c"]))[-1] == equations(graph)[-1]


def softmax_system(*more: Equation) -> Graph:
    """A softmax as a textbook writes it, and more."""
    return Graph(
        (u, y_),
        (
            Equation(exponential[s, t], exp(u[s, t])),
            Equation(Z[s], exponential[s, t], SUM, (t,)),
            Equation(probability[s, t], exponential[s, t] / Z[s]),
            *more,
        ),
        (more[-1].name if more else "p",),
    )


y_, Z, probability, exponential = (
    Variable("y", (S, 3)),
    Variable("Z", (S,)),
    Variable("p", (S, 3)),
    Variable("e", (S, 3)),
)
SHIFT = ["Z shift[s] = max_t stop_gradient(u[s, t])", "Z shifted[s] = Σ_t exp(-Z shift[s] + u[s, t])"]
NAIVE: dict[str, tuple[Equation, str]] = {
    "log Σ exp": (Equation(L.symbol, log(Z[s]), SUM, (s,)), "L = Σ_s log(Z shifted[s]) + Z shift[s]"),
    "softmax": (Equation(L.symbol, probability[s, t] * y_[s, t], SUM, (s, t)), "L = Σ_s,t p[s, t]*y[s, t]"),
    "log softmax": (
        Equation(L.symbol, -y_[s, t] * log(probability[s, t]), SUM, (s, t)),
        "L = Σ_s,t -(-log(Z shifted[s]) - Z shift[s] + u[s, t])*y[s, t]",
    ),
    "log of the quotient": (
        Equation(L.symbol, -y_[s, t] * log(exp(u[s, t]) / Z[s]), SUM, (s, t)),
        "L = Σ_s,t -(-log(Z shifted[s]) - Z shift[s] + u[s, t])*y[s, t]",
    ),
}


@pytest.mark.parametrize("case", NAIVE)
def test_a_sum_of_exponentials_is_shifted_by_its_maximum(case: str) -> None:
    equation, expected = NAIVE[case]
    found = stabilise(softmax_system(equation))
    assert [one for one in equations(found) if one.startswith(("Z sh", "p", "L"))] == [
        *SHIFT,
        "p[s, t] = exp(-Z shift[s] + u[s, t])/Z shifted[s]",
        expected,
    ]
    assert stabilise(found) is found


@pytest.mark.parametrize("case", NAIVE)
def test_naive_formulas_are_finite_and_right_at_a_thousand(case: str) -> None:
    graph = softmax_system(NAIVE[case][0])
    values = {
        "u": np.array([[1000.0, 0, -1000], [-1000, -1000, -1001], [0, 1000, 999], [1, 2, 3]]),
        "y": np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0], [0.2, 0.3, 0.5]]),
    }
    found = outputs(optimise(gradient(graph, "L", ["u", "y"]))[0], values)
    with mpmath.workdps(2000):
        expected = [
            _softmax_loss(case, *([mpmath.mpf(e) for e in row] for row in rows)) for rows in zip(*values.values())
        ]
    np.testing.assert_allclose(found[0], sum(float(value) for value, _, _ in expected), rtol=1e-13)
    for position, slopes in ((1, [du for _, du, _ in expected]), (2, [dy for _, _, dy in expected])):
        np.testing.assert_allclose(found[position], np.array(slopes, dtype=float), rtol=1e-12, atol=1e-15)


Row = list[mpmath.mpf]


def _softmax_loss(case: str, u_: Row, y_: Row) -> tuple[mpmath.mpf, Row, Row]:
    """The loss of one sample and its derivatives by u and y, from their closed forms."""
    total = sum(mpmath.exp(value) for value in u_)
    p_ = [mpmath.exp(value) / total for value in u_]
    if case == "log Σ exp":
        return mpmath.log(total), p_, [mpmath.mpf(0)] * 3
    if case == "softmax":
        mean = sum(p * y for p, y in zip(p_, y_))
        return mean, [p * (y - mean) for p, y in zip(p_, y_)], p_
    logs = [mpmath.log(p) for p in p_]
    return -sum(y * l for y, l in zip(y_, logs)), [p * sum(y_) - y for p, y in zip(p_, y_)], [-l for l in logs]


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_a_naive_network_has_the_gradient_of_the_stable_one(scale: float) -> None:
    found, expected = (
        optimise(gradient(mlp([3, 4, 3], tanh, ending), "loss", ["W1", "b1", "W2", "b2"]))[0]
        for ending in (naive_cross_entropy, cross_entropy)
    )
    values = random_values(found)
    values["W2"] = values["W2"] * scale
    for one, other in zip(outputs(found, values), outputs(expected, values)):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_the_complement_of_a_sigmoid_is_a_function_where_the_sigmoid_is_not_needed() -> None:
    s = Variable("s").symbol
    graph = from_expressions({s: 1 / (1 + exp(-x)), "e": s * (1 - s)}, [x])
    assert equations(stabilise(graph)) == ["s = sigmoid(x)", "e = s*(1 - s)"]
    assert "e = sigmoid_slope(-x)" in equations(stabilise(graph.with_outputs("e")))


def test_the_probability_of_a_sigmoid_vertex_is_looked_through() -> None:
    p, target = symbols("p y")
    graph = from_expressions({"p": 1 / (1 + exp(-x)), "L": -target * log(p) - (1 - target) * log(1 - p)}, [x, target])
    assert equations(stabilise(graph)) == ["p = sigmoid(x)", "L = -y*log_sigmoid(x) - (1 - y)*log_sigmoid(-x)"]
    for at, label, value, slope in [(1000, 0, 1000, 1), (-1000, 1, 1000, -1), (1000, 1, 0, 0), (-1000, 0, 0, 0)]:
        found = evaluate(optimise(gradient(graph, "L", ["x"]))[0], {"x": at, "y": label})
        assert (found["L"], found["dL/dx"]) == (value, slope)


def test_vertices_to_keep_are_read_as_before() -> None:
    graph = softmax_system(NAIVE["log softmax"][0])
    assert stabilise(graph, keep=["e", "Z", "p"]) is graph
    assert equations(stabilise(graph, keep=["Z"]))[1] == "Z[s] = Σ_t e[s, t]"
    assert equations(stabilise(graph, keep=["p"]))[-1] == "L = Σ_s,t -log(p[s, t])*y[s, t]"


def test_a_sum_that_is_neither_logged_nor_divided_by_stays() -> None:
    graph = Graph((u,), (Equation(Z[s], exp(u[s, t]), SUM, (t,)), Equation(L.symbol, Z[s] ** 2, SUM, (s,))), ("L",))
    assert stabilise(graph) is graph


def test_a_softmax_that_is_shifted_already_stays() -> None:
    graph = mlp([2, 3], tanh, cross_entropy)
    assert stabilise(graph) is graph
    assert stabilise(gradient(graph, "loss")).equations == gradient(graph, "loss").equations


def test_written_out_sums_of_exponentials_that_are_vertices_are_shifted() -> None:
    total = exp(a) + exp(b) + exp(c) + exp(a * b)
    graph = from_expressions({"e": log(total) - a / total}, [a, b, c])
    found = stabilise(graph)
    assert equations(found)[:2] == [
        "v1 shift = stop_gradient(maximum(a, b, c, a*b))",
        "v1 shifted = exp(a - v1 shift) + exp(b - v1 shift) + exp(c - v1 shift) + exp(a*b - v1 shift)",
    ]
    assert stabilise(found) is found
    values = evaluate(optimise(gradient(graph, "e"))[0], {"a": 1000, "b": 1, "c": -1000})
    assert values["e"] == pytest.approx(1000 + np.log(2))
    assert (values["de/da"], values["de/db"], values["de/dc"]) == (pytest.approx(1), pytest.approx(500), 0)


def test_names_of_shifts_avoid_those_in_use() -> None:
    graph = softmax_system(Equation(Variable("Z shift", (S,))[s], log(Z[s])))
    assert "Z shift'[s] = max_t stop_gradient(u[s, t])" in equations(stabilise(graph))


def test_an_integer_subscript_is_no_sum_of_indices() -> None:
    """x[5] is not x[i + 2], whichever number the pattern of i + 2 has."""
    patterns, x = Patterns(), Variable("x", (40,))
    shifted = {patterns(x[i + n], (i,)) for n in range(1, 9)}
    assert shifted.isdisjoint(patterns(x[n], ()) for n in range(40))
