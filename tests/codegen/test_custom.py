"""Functions of the user's own: the formula is what is computed, the given derivative what is differentiated."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import (
    Idx,
    IndexedBase,
    Sum,
    Symbol,
    cos,
    sin,
    sqrt,
    symbols,
)

from codegen import GraphError, compile, from_expressions, function, gradient
from codegen.numeric import check_gradient, evaluate

pytestmark = pytest.mark.values

a, b = symbols("a b")
n = Symbol("n")
i, x = Idx("i", n), IndexedBase("x", shape=(n,))

smooth = function("smooth", lambda x: sqrt(x**2 + 1), derivative=lambda x: x / sqrt(x**2 + 1))
through = function("through", lambda x: sympy.sign(x), derivative=lambda x: 1 - x**2)
mixed = function("mixed", sympy.Lambda((a, b), a * sin(b)), derivative=[lambda a, b: sin(b), lambda a, b: a * cos(b)])
plain = function("plain", lambda x, y: x**2 * y)


@pytest.mark.parametrize(
    "expression",
    [Sum(smooth(a * x[i]), i), Sum(mixed(x[i], a) ** 2, i), Sum(plain(x[i], a) * smooth(x[i]), i), smooth(mixed(a, a))],
    ids=str,
)
def test_a_function_with_a_given_derivative(expression: Any) -> None:
    graph = from_expressions({"L": expression}, [a, x])
    point = {"a": 0.6, "x": np.array([0.3, -1.2, 2.5, 0.0])}
    _, by_a, by_x = compile(gradient(graph, "L"))(point["a"], point["x"])
    claim = {"a": by_a, "x": by_x}
    check_gradient(graph, "L", point, gradient=claim, methods=("central", "exact")).raise_if_failed()


def test_the_derivative_is_the_one_that_was_given() -> None:
    graph = from_expressions({"L": through(a * b)}, [a, b])
    found = compile(gradient(graph, "L"))(0.5, 3.0)
    assert found == (1.0, (1 - 1.5**2) * 3.0, (1 - 1.5**2) * 0.5)
    assert through(a).diff(a, 2) == -2 * a


def test_two_functions_of_one_name_are_two_functions() -> None:
    other = function("smooth", lambda x: x)
    assert smooth(a) != other(a)
    assert compile(from_expressions({"L": smooth(a) + other(a)}, [a]))(0.0) == 1.0


MISUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a name": (lambda: function("a b", sin), "the function name 'a b' is not an identifier"),
    "no formula": (lambda: function("f", 3), "the formula of the function 'f' is an int, expected a function"),
    "too few derivatives": (
        lambda: function("f", lambda x, y: x * y, derivative=[lambda x, y: y]),
        "the function 'f' has 1 derivatives, expected 2, one for each argument",
    ),
    "no derivative": (
        lambda: function("f", lambda x: x, 3),  # type: ignore[arg-type]
        "a derivative of the function 'f' is an int, expected a function of the same arguments",
    ),
    "no derivatives": (
        lambda: function("f", lambda x: x, "abc"), "a derivative of the function 'f' is a str, expected a function",
    ),
    "a derivative of other arguments": (
        lambda: function("f", lambda x: x, lambda x, y: y),
        "the derivative of the function 'f' cannot be called with x: ",
    ),
    "an unsupported formula": (
        lambda: function("f", lambda x: sympy.zeta(x)), "the formula of the function 'f' contains sympy's zeta",
    ),
    "an unsupported derivative": (
        lambda: function("f", lambda x: x, derivative=lambda x: sympy.zeta(x)),
        "the derivative of the function 'f' contains sympy's zeta",
    ),
    "a foreign symbol": (
        lambda: function("f", lambda x: x * b), "the formula of the function 'f' contains b, which is not one of its",
    ),
    "no expression": (lambda: function("f", lambda x: "x"), "gives a str, expected a scalar SymPy expression"),
    "any number of arguments": (lambda: function("f", lambda *x: x[0]), "takes a variable number of arguments"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISUSED)
def test_a_function_that_cannot_be_made_says_why(case: str) -> None:
    make, message = MISUSED[case]
    with pytest.raises(GraphError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("expression", [smooth(mixed(a, b)), plain(a, b) + through(a)], ids=str)
def test_a_graph_with_functions_is_pickled(expression: sympy.Expr) -> None:
    graph = gradient(from_expressions({"e": expression}, [a, b]), "e")
    again = pickle.loads(pickle.dumps(graph))
    assert again == graph == copy.deepcopy(graph)


def test_functions_of_another_process_are_computed_and_differentiated() -> None:
    graph = from_expressions({"e": smooth(mixed(a, b))}, [a, b])
    program = (
        "import pickle, sys; from codegen import gradient; from codegen.numeric import evaluate; "
        "graph = pickle.loads(sys.stdin.buffer.read()); "
        "print(float(evaluate(gradient(graph, 'e'), {'a': 0.7, 'b': -1.3})['de/da']))"
    )
    found = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(graph), capture_output=True, check=True)
    expected = evaluate(gradient(graph, "e"), {"a": np.array(0.7), "b": np.array(-1.3)})["de/da"]
    assert float(found.stdout) == float(expected)
