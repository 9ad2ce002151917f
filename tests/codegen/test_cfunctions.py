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


def test_no_more_numbers_are_read_than_the_caller_has() -> None:
    f = cfunc(FORMULA, "double (int n, double *xx)", pack={"xx": ["x", "a"]})
    numbers = pointer(np.array([0.5, 3.0, 7.0]))
    found = [f.ctypes(n, numbers) for n in (-1, 0, 1, 2, 3)]
    np.testing.assert_allclose(found, [np.nan, np.nan, np.nan, np.cos(1.5), np.cos(1.5)], rtol=1e-15)


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


def test_negative_lengths_are_refused() -> None:
    line = np.array([1.0, 2.0])
    at = pointer(line)
    f = cfunc(ENERGY, "double (int n, const double *line)").ctypes
    assert [f(n, at) for n in (2, 1, 0)] == [5, 1, 0]
    assert np.isnan([f(n, at) for n in (-1, -2, -(2**31))]).all()
    g, result = cfunc(ENERGY, "int (int n, const double *line, double *result)").ctypes, np.array([7.0])
    assert (g(-1, at, pointer(result)), result[0]) == (0, 7)
    assert (g(2, at, pointer(result)), result[0]) == (1, 5)
    sized = np.dtype([("n", np.int32)])
    h = cfunc(ENERGY, "double (const double *line, void *p)", structs={"p": sized}).ctypes
    assert h(at, np.array((2,), sized).ctypes.data) == 5
    assert np.isnan(h(at, np.array((-1,), sized).ctypes.data))


def test_where_there_is_no_memory_nothing_is_computed() -> None:
    """2⁴⁸ bytes are more than a process can address."""
    top, spread = Variable("top"), Variable("spread")
    peak, distance = Equation(top.symbol, cos(LINE[I]), Reduction.MAX, (I,)), (cos(LINE[I]) - top.symbol) ** 2
    squares = Equation(spread.symbol, distance, Reduction.SUM, (I,))
    f = cfunc(Graph((LINE,), (peak, squares), ("spread",)), "double (const double *line, int64_t n)").ctypes
    line = np.linspace(0, 1, 500)
    assert f(pointer(line), 500) == pytest.approx(((np.cos(line) - 1) ** 2).sum(), rel=1e-12)
    assert np.isnan(f(pointer(line), 2**45))


def test_a_result_of_a_negative_length_is_refused() -> None:
    k, pairs = Index("k", N - 1), Variable("pairs", (N - 1,))
    graph = Graph((LINE,), (Equation(pairs[k], LINE[k] + LINE[k + 1]),), ("pairs",))
    f = cfunc(graph, "int (int n, const double *line, double *pairs)").ctypes
    line, found = np.array([1.0, 2.0, 4.0]), np.array([7.0, 7.0])
    assert [f(n, pointer(line), pointer(found)) for n in (-1, 0, 1)] == [0, 0, 1]
    np.testing.assert_array_equal(found, [7, 7])
    assert f(3, pointer(line), pointer(found)) == 1
    np.testing.assert_array_equal(found, [3, 6])


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


SETTINGS = np.dtype([("count", np.int32), ("a", np.float64), ("weights", np.float64, 3), ("f", np.float64)], align=True)
W, J = Variable("weights", (3,)), Index("j", 3)
SCALED = Graph(
    (Variable("x"), Variable("a"), W),
    (Equation(Variable("f").symbol, Variable("a").symbol * Variable("x").symbol * W[J], Reduction.SUM, (J,)),),
    ("f",),
)


def test_fields_of_a_struct_are_parameters() -> None:
    f = cfunc(SCALED, "double (double x, void *user_data)", structs={"user_data": SETTINGS[["a", "weights"]]})
    data = np.array((2.0, [1.0, 2.0, 3.0]), SETTINGS[["a", "weights"]])
    assert quad(f.with_user_data(data), 0, 1)[0] == pytest.approx(6, rel=1e-12)
    data["a"] = 4.0  # read at each call
    assert quad(f.with_user_data(data), 0, 1)[0] == pytest.approx(12, rel=1e-12)
    with pytest.raises(EmitError, match="user_data: found float64, expected one element of"):
        f.with_user_data(np.ones(1))


def test_results_are_written_into_a_struct_of_c() -> None:
    class Settings(ctypes.Structure):
        _fields_ = (
            ("count", ctypes.c_int),
            ("a", ctypes.c_double),
            ("weights", 3 * ctypes.c_double),
            ("f", ctypes.c_double),
        )

    f = cfunc(SCALED, "int (const struct Settings *p, double x)", structs={"p": Settings})
    settings = Settings(7, 2.0, (1.0, 2.0, 3.0), 0.0)
    assert f.ctypes(ctypes.addressof(settings), 5.0) == 1
    assert (settings.count, settings.a, settings.f) == (7, 2.0, 60.0)


def test_fields_that_are_not_needed_may_be_anything() -> None:
    class Inner(ctypes.Structure):
        _fields_ = (("flag", ctypes.c_int8), ("next", ctypes.c_void_p))

    class Base(ctypes.Structure):
        _fields_ = (("bits", ctypes.c_int, 3), ("data", DOUBLES), ("tag", ctypes.c_char * 5), ("inner", Inner))

    class Settings(Base):
        _fields_ = (("call", ctypes.CFUNCTYPE(None)), ("a", ctypes.c_double), ("weights", 3 * ctypes.c_double))

    settings = Settings(a=2.0, weights=(1.0, 2.0, 3.0))
    f = cfunc(SCALED, "double (double x, const Settings *p)", structs={"p": Settings})
    assert f.ctypes(5.0, ctypes.addressof(settings)) == 60
    assert quad(f.with_user_data(np.frombuffer(settings, f.structs["p"])), 0, 1)[0] == pytest.approx(6, rel=1e-12)
    inner = np.dtype([("flag", "?"), ("size", "i2")])
    mixed = np.dtype([("pad", "i1"), ("tag", "S3"), ("inner", inner, 2), ("a", "f8"), ("weights", "f8", 3)], align=True)
    data = np.zeros((), mixed)
    data["a"], data["weights"] = 2.0, [1.0, 2.0, 3.0]
    g = cfunc(SCALED, "double (double x, void *p)", structs={"p": mixed})
    assert quad(g.with_user_data(data), 0, 1)[0] == pytest.approx(6, rel=1e-12)


def test_an_objective_with_user_data_has_the_signature_of_nlopt() -> None:
    graph = codegen.gradient(codegen.from_expressions({"f": a * x**2 + y}, [x, y, a]), "f", ["x", "y"])
    pack = {"x": ["x", "y"], "grad": list(graph.outputs[1:])}
    signature = "double (unsigned n, const double *x, double *grad, void *data)"
    f = cfunc(graph, signature, pack=pack, structs={"data": [("skipped", "f4"), ("a", "f8")]})  # not aligned
    at, slopes, data = np.array([2.0, 3.0]), np.empty(2), np.array([(0, 5.0)], [("skipped", "f4"), ("a", "f8")])
    assert f.ctypes(2, pointer(at), pointer(slopes), data.ctypes.data) == 23.0
    np.testing.assert_array_equal(slopes, [20.0, 1.0])


class PointsAt(ctypes.Structure):
    _fields_ = (("a", DOUBLES),)


STRUCTS: list[tuple[str, Any, str]] = [
    (
        "double (double x, void *p)",
        {"p": [("a", "f8"), ("weights", "f8", 2)]},
        r"p.weights: found shape \(2,\), expected \(3,\)",
    ),
    ("double (double x, void *p)", {"p": [("a", "f8")]}, "no parameter for the array 'weights'"),
    ("double (double x, void *p)", {"p": [("a", "U4")]}, "p.a: found <U4, expected one of float64"),
    ("double (double x, void *p)", {"p": [("b", "f4"), ("weights", "f8", 3)]}, "an array at byte 4, expected np.dtype"),
    ("double (double x, double a, void *p)", {"p": [("a", "f8")]}, "p.a: found the name 'a' twice"),
    ("double (double x, void *p)", {"q": [("a", "f8")]}, "found 'q', which is no parameter"),
    ("double (double x, void *p)", {"p": "f8"}, "p: found float64, expected a dtype with named fields"),
    ("double (double x, Settings *p)", {}, "found the type 'Settings'"),
    (
        "double (double x, void *p)",
        np.dtype("i4, f8"),
        "structs: found dtype.*, expected a mapping of param",
    ),
    ("double (double x, void *p)", {"p": [("a", ">f8"), ("weights", "f8", 3)]}, "p.a: found >f8, expected one of"),
    ("double (double x, void *p)", {"p": PointsAt}, r"p.a: found \|V8, expected one of float64"),
]


@pytest.mark.parametrize(("signature", "structs", "message"), STRUCTS)
def test_structs_that_do_not_fit(signature: str, structs: Any, message: str) -> None:
    with pytest.raises(EmitError, match=message):
        cfunc(SCALED, signature, structs=structs)
