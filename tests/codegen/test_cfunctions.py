"""C functions: what SciPy, solvers and C call by address is what a call from Python gives."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.integrate import dblquad, quad
from sympy import Symbol, cos, symbols

import codegen
from codegen.cfunctions import cfunc
from codegen.errors import EmitError
from codegen.ir.graph import Equation, Graph, Index, Reduction, Variable

pytestmark = pytest.mark.values

x, y, a = symbols("x y a")
FORMULA = codegen.from_expressions({"f": cos(a * x)}, [x, a])
N = Symbol("n", integer=True, positive=True)
I = Index("i", N)
LINE, RESULT = Variable("line", (N,)), Variable("result")
ENERGY = Graph((LINE,), (Equation(RESULT.symbol, LINE[I] ** 2, Reduction.SUM, (I,)),), ("result",))
DOUBLES = ctypes.POINTER(ctypes.c_double)


def pointer(array: np.ndarray) -> Any:
    return array.ctypes.data_as(DOUBLES)


def test_quad_integrates_without_python() -> None:
    f = cfunc(FORMULA, "double (int n, double *xx)", pack={"xx": ["x", "a"]})
    assert quad(f.low_level_callable, 0, 2, args=(3.0,))[0] == pytest.approx(np.sin(6) / 3, rel=1e-12)
    area = codegen.from_expressions({"f": a * x * y**2}, [y, x, a])
    g = cfunc(area, "double (int n, double *xx)", pack={"xx": ["y", "x", "a"]})
    assert dblquad(g.low_level_callable, 0, 2, 0, 1, args=(3.0,))[0] == pytest.approx(2, rel=1e-12)


def test_images_are_filtered_without_python() -> None:
    f = cfunc(ENERGY, "int (double *line, npy_intp n, double *result, void *user_data)")
    image = np.random.default_rng(0).normal(size=(12, 9))
    found = ndimage.generic_filter(image, f.low_level_callable, size=3)
    np.testing.assert_allclose(found, ndimage.generic_filter(image, lambda v: (v**2).sum(), size=3), rtol=1e-12)


def test_a_right_hand_side_has_the_signature_of_lsoda() -> None:
    u, p, du, k = Variable("u", (2,)), Variable("p", (1,)), Variable("du", (2,)), Index("k", 2)
    t = Variable("t")
    decay = Graph((t, u, p), (Equation(du[k], -p[0] * u[k] + t.symbol),), ("du",))
    f = cfunc(decay, "void rhs(double t, double *u, double *du, double *p)")
    state, rate, slope = np.array([1.0, 2.0]), np.array([0.5]), np.empty(2)
    f.ctypes(10.0, pointer(state), pointer(slope), pointer(rate))
    np.testing.assert_array_equal(slope, 10.0 - 0.5 * state)


def test_a_gradient_that_is_not_wanted_is_not_written() -> None:
    graph = codegen.gradient(codegen.from_expressions({"f": x**2 * y}, [x, y]), "f")
    pack = {"x": ["x", "y"], "grad": list(graph.outputs[1:])}
    f = cfunc(graph, "double (unsigned n, const double *x, double *grad, void *data)", pack=pack)
    at, grad = np.array([3.0, 5.0]), np.zeros(2)
    assert f.ctypes(2, pointer(at), None, None) == 45
    assert f.ctypes(2, pointer(at), pointer(grad), None) == 45
    np.testing.assert_array_equal(grad, [30, 9])


def test_integers_out_of_their_range_are_refused() -> None:
    label, w, found = Variable("k", (), "integer", 3), Variable("w", (3,)), Variable("f")
    i = Index("i", 3)
    body = codegen.functions.select(codegen.functions.equal(label.symbol, i), w[i], 0)
    graph = Graph((label, w), (Equation(found.symbol, body, Reduction.SUM, (i,)),), ("f",))
    f = cfunc(graph, "double (int64_t k, const double *w)").ctypes
    weights = np.array([1.0, 2.0, 3.0])
    assert f(2, pointer(weights)) == 3
    assert np.isnan(f(3, pointer(weights)))


@pytest.mark.parametrize(("kind", "given"), [("unsigned", 2**32 - 1), ("int", -1), ("int64_t", 2**40)])
def test_whole_numbers_are_what_their_type_says(kind: str, given: int) -> None:
    graph = Graph((Variable("k", (), "integer"),), (Equation(RESULT.symbol, 2 * Variable("k").symbol),), ("result",))
    assert cfunc(graph, f"double ({kind} k)").ctypes(given) == 2 * given


def test_a_large_array_takes_memory_of_its_own() -> None:
    f = cfunc(ENERGY, "double (const double *line, int64_t n)").ctypes
    line = np.random.default_rng(0).normal(size=100_000)
    assert f(pointer(line), len(line)) == pytest.approx((line**2).sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("double x", "signature: found 'double x', expected one as in C"),
        ("quad (double x, double a)", "signature: found the type 'quad', expected one of void, double"),
        ("double (double x)", "has no parameter for the input 'a'"),
        ("double (int x, double a)", "signature: found int for the real input 'x'"),
        ("double (double *x, double a)", "signature: found a pointer for the scalar input 'x'"),
        (
            "void (double x, double a)",
            "returns void, and scalar outputs without a parameter are 'f', expected 0 of them",
        ),
        ("double (double x, double a, double *f)", "scalar outputs without a parameter are none, expected 1 of them"),
    ],
)
def test_a_signature_that_does_not_fit_is_refused(signature: str, message: str) -> None:
    with pytest.raises(EmitError, match=message.replace("*", r"\*")):
        cfunc(FORMULA, signature)


def test_a_length_needs_a_parameter() -> None:
    with pytest.raises(EmitError, match="has no parameter for the length 'n'"):
        cfunc(ENERGY, "double (double *line)")
