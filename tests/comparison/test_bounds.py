"""What derivatives cost, counted in operations of the value, is within what theory says, for every kind of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import sympy
from sympy import Add, Expr, Max, Mul, cos, exp, log, sin, sqrt, symbols

from codegen import Graph, from_expressions, gradient, hessian, hvp, mixed_partials
from codegen import functions as f
from codegen.compare import KINDS, Row, compare
from codegen.compare.rows import applies
from codegen.ir.operations import count_operations
from codegen.numeric import evaluate
from codegen.passes import optimise
from tests.codegen.networks import linear_classifier, logistic, mlp, parameters, squared_error

BOUNDED: Mapping[str, Graph] = {
    "2-16-3": mlp([2, 16, 3]),
    "20-20-4 silu": mlp([20, 20, 4], f.silu),
    "2-8-2 gelu": mlp([2, 8, 2], f.gelu),
    "6-32-32-4": mlp([6, 32, 32, 4]),
    "2-20-20-20-1 sin": mlp([2, 20, 20, 20, 1], sympy.sin, squared_error),
    "3-4-2 relu": mlp([3, 4, 2], f.relu, logistic),
    "extents of 1": mlp([1, 1, 3]),
    "linear": linear_classifier(4, 3),
}
QUICK = ("2-16-3", "linear")


def names() -> list[object]:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BOUNDED]


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.bound])
@pytest.mark.parametrize("name", names())
def test_operations_are_within_their_bounds(name: str, kind: str) -> None:
    """5 times the value for a gradient, 10 times for a Hessian-vector product, and so on by kind."""
    graph = BOUNDED[name]
    output = max(equation.name for equation in graph.equations if equation.name.startswith("u"))
    rows = [
        Row(name, graph, kind, of, wrt, {}, oracles=(), ways=(), bounded=True)
        for of, wrt in (("loss", parameters(graph)), (output, ["x"]), (output, parameters(graph)))
    ]
    found = compare(row for row in rows if applies(row))
    assert found.passed, f"\n{found}"
    assert {a.what for a in found.agreements} == {"operations"}


def test_only_the_naive_algorithm_has_no_bound() -> None:
    assert [kind for kind, row in KINDS.items() if row.bound is None] == ["gradient by paths"]


@pytest.mark.parametrize("name", names())
def test_derivatives_of_order_d_take_products_of_series(name: str) -> None:
    """The value once for each order, and two products of series, (d + 1)(d + 2)/2 products and additions, a unit."""
    graph = BOUNDED[name]
    output = max(equation.name for equation in graph.equations if equation.name.startswith("u"))
    units = sum(int(graph.variable(e.name).shape[1]) for e in graph.equations if e.name.startswith("a"))
    value = count_operations(optimise(graph.with_outputs(output))[0], 1).total()
    for d in range(1, 8):
        derived = mixed_partials(graph, output, ["x" * m for m in range(1, d + 1)], {"x": ("x", 0)})
        work = count_operations(optimise(derived)[0], 1).total()
        assert work <= (d + 1) * value + 2 * (d + 1) * (d + 2) * units, d


WIDE: Mapping[str, Callable[..., Expr]] = {
    "a product": Mul,
    "a product of functions": lambda *s: Mul(*[sin(one) + 1 for one in s]),
    "a norm": lambda *s: sqrt(Add(*[one**2 for one in s])),
    "a maximum": Max,
    "log Σ exp": lambda *s: log(Add(*map(exp, s))),
    "a product times a function of a sum": lambda *s: Mul(*s[: len(s) // 2]) * exp(-Add(*s)),
    "a reciprocal of a sum": lambda *s: 1 / Add(*s),
    "a sum inside of a sum's function": lambda *s: sin(Add(*s) ** 2 + cos(Add(*s[1:]))) / s[0],
}
TREE = 12.5
"""A multiplication is one operation; with tangents, adjoints and the tangents of these it is 1 + 3 + 2 + 6."""


@pytest.mark.parametrize("name", WIDE)
def test_the_derivatives_of_a_formula_of_many_operands_are_linear_in_its_size(name: str) -> None:
    # SymPy takes half a minute for the second derivatives of a maximum of 20.
    letters = symbols("s0:12" if name == "a maximum" else "s0:20", real=True)
    graph = from_expressions({"e": WIDE[name](*letters)}, letters)

    def work(graph: Graph) -> int:
        return count_operations(optimise(graph)[0], 1).total()

    value = work(graph)
    assert work(gradient(graph, "e")) <= 5 * value
    assert work(hvp(graph, "e", letters)) <= (TREE if name == "a product" else 10) * value


@pytest.mark.parametrize("name", [name for name in WIDE if name != "a maximum"])
def test_the_derivatives_of_a_formula_of_many_operands_are_right(name: str) -> None:
    letters = symbols("s0:5", real=True)
    formula = WIDE[name](*letters)
    point = {letter: 0.3 + 0.05 * k for k, letter in enumerate(letters)}
    graph = hessian(from_expressions({"e": formula}, letters), "e", letters)
    found = evaluate(graph, {letter.name: np.array(value) for letter, value in point.items()})
    second = iter(graph.outputs[1:])
    for k, one in enumerate(letters):
        for other in letters[k:]:
            exact = float(formula.diff(one, other).evalf(30, subs=point))
            assert found[next(second)] == pytest.approx(exact, rel=1e-12, abs=1e-12)
