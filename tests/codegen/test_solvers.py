"""Functions of one flat vector for SciPy: exact against differences, and the solvers that call them."""

from __future__ import annotations

import operator
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import approx_fprime, least_squares, minimize, root, root_scalar
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import spsolve
from sympy import Idx, IndexedBase, MatrixSymbol, Sum, Symbol, cos, exp, sin, sqrt, symbols, tanh

from codegen import DerivationError, EmitError, FlatFunction, from_expressions, low_level_callable

pytestmark = pytest.mark.values

a, b, c, t = symbols("a b c t")
n, k, m = Symbol("n"), Symbol("k", integer=True), Symbol("m", integer=True)
i, j = Idx("i", n), Idx("j", Symbol("l"))
x, y, r, f = (IndexedBase(name) for name in "xyrf")
p = IndexedBase("p", shape=(5,))
W = MatrixSymbol("W", 2, 3)

rosenbrock = FlatFunction(
    from_expressions({"L": Sum(100 * (p[k + 1] - p[k] ** 2) ** 2 + (1 - p[k]) ** 2, (k, 0, 3))}, [p]), "L"
)
several = FlatFunction(
    from_expressions(
        {"L": Sum(tanh(Sum(W[k, m] * p[m], (m, 0, 2)) + a * b) ** 2, (k, 0, 1)) * exp(p[4] / 3)}, [W, a, p, b]
    ),
    "L",
    ["p", "a", "W"],
    {"b": 0.7},
)
residuals = FlatFunction(
    from_expressions({r[i]: y[i] - a * (1 - exp(-b * x[i]))}, [a, b, x, y]),
    "r",
    ["a", "b"],
    {"x": (residuals_x := [1.0, 2.0, 5.0, 9.0]), "y": (residuals_y := [0.4, 0.7, 1.3, 1.6])},
)
GRAPH = residuals.graph


@pytest.mark.parametrize("function", [rosenbrock, several], ids=["Rosenbrock", "several inputs"])
def test_derivatives_of_a_number_agree_with_differences(function: FlatFunction) -> None:
    point = np.linspace(-0.7, 0.9, function.size)
    value, slope = function.value_and_jac(point)
    assert value == pytest.approx(function.fun(point), rel=1e-14)
    np.testing.assert_array_equal(slope, function.jac(point))
    np.testing.assert_allclose(slope, approx_fprime(point, function.fun), rtol=2e-6, atol=2e-5)
    hessian = function.hess(point)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-14)
    np.testing.assert_allclose(hessian, approx_fprime(point, function.jac), rtol=2e-6, atol=2e-5)
    direction = np.cos(np.arange(function.size))
    np.testing.assert_allclose(function.hessp(point, direction), hessian @ direction, rtol=1e-12, atol=1e-12)


def test_the_jacobian_of_a_vector_has_a_row_for_each_element() -> None:
    point = np.array([1.7, 0.3])
    value, matrix = residuals.value_and_jac(point)
    assert (value.shape, matrix.shape) == ((4,), (4, 2))
    np.testing.assert_allclose(matrix, approx_fprime(point, residuals.fun), rtol=1e-6)


def test_packing_and_unpacking_are_inverse() -> None:
    flat = np.arange(12.0)
    parts = several.unpack(flat)
    assert [(name, part.shape) for name, part in parts.items()] == [("p", (5,)), ("a", ()), ("W", (2, 3))]
    np.testing.assert_array_equal(several.pack(parts), flat)


def test_data_may_be_changed_by_name_in_a_call() -> None:
    moved = residuals.fun([1.7, 0.3], y=[1.4, 1.7, 2.3, 2.6])
    np.testing.assert_allclose(moved - residuals.fun([1.7, 0.3]), 1, rtol=1e-14)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "BFGS", "jac": rosenbrock.jac},
        {"method": "trust-exact", "jac": rosenbrock.jac, "hess": rosenbrock.hess},
        {"method": "Newton-CG", "jac": rosenbrock.jac, "hessp": rosenbrock.hessp, "options": {"xtol": 1e-10}},
    ],
    ids=lambda options: options["method"],
)
def test_minimize(options: dict[str, Any]) -> None:
    np.testing.assert_allclose(minimize(rosenbrock.fun, [0.5, 0.3, 0.8, 0.6, 0.2], **options).x, 1, rtol=1e-5)


def test_minimize_with_value_and_gradient_at_once() -> None:
    found = minimize(rosenbrock.value_and_jac, [0.5, 0.3, 0.8, 0.6, 0.2], jac=True, method="L-BFGS-B", tol=1e-12)
    np.testing.assert_allclose(found.x, 1, rtol=1e-5)


def test_least_squares() -> None:
    found = least_squares(residuals.fun, [1.0, 0.1], residuals.jac, xtol=1e-14)
    np.testing.assert_allclose(residuals.jac(found.x).T @ residuals.fun(found.x), 0, atol=1e-7)


def test_root() -> None:
    graph = from_expressions({f[0]: cos(p[0]) - p[1], f[1]: sin(p[1]) + p[0] ** 2 - 1}, [IndexedBase("p", shape=(2,))])
    system = FlatFunction(graph, "f")
    found = root(system.fun, [0.5, 0.5], jac=system.jac)
    assert found.success
    np.testing.assert_allclose(system.fun(found.x), 0, atol=1e-10)


def test_solve_ivp_with_a_time_that_is_an_input() -> None:
    # y' = −50·(y − cos t): the slow solution is (2500·cos t + 50·sin t)/2501 after the fast one has died out.
    graph = from_expressions(
        {f[0]: -c * (IndexedBase("s", shape=(1,))[0] - cos(t))}, [IndexedBase("s", shape=(1,)), c, t]
    )
    fun, jac = FlatFunction(graph, "f", ["s"], {"c": 50.0}).ode("t")
    assert jac(1.0, [0.3]) == [[-50.0]]
    found = solve_ivp(fun, (0, 2), [1.0], method="BDF", jac=jac, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.y[0, -1], (2500 * np.cos(2) + 50 * np.sin(2)) / 2501, rtol=1e-7)


DECAY = from_expressions({"f": -a * c * (1 + t)}, [a, c, t])  # a' = −c·(1 + t)·a: a(1) = exp(−3·c/2)


@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
@pytest.mark.parametrize(
    ("data", "args"), [({}, (2.0,)), ({"c": 2.0}, ()), ({"c": 2.0, "t": 9.0}, ())], ids=["args", "data", "a given time"]
)
def test_solve_ivp_of_one_scalar_equation(method: str, data: dict[Any, float], args: tuple[float, ...]) -> None:
    fun, jac = FlatFunction(DECAY, "f", ["a"], data).ode(t)
    assert (fun(0.5, [4.0], *args).tolist(), jac(0.5, [4.0], *args).tolist()) == ([-12.0], [[-3.0]])
    found = solve_ivp(fun, (0, 1), [1.0], method=method, jac=jac, args=args or None, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.y[0, -1], np.exp(-3), rtol=1e-6)


def test_inputs_without_data_are_arguments_after_x_in_the_order_of_the_inputs() -> None:
    free = FlatFunction(GRAPH, "r", ["a", "b"])
    xs, ys = [1.0, 2.0, 5.0], [0.4, 0.7, 1.3]
    assert free.args == ("x", "y")
    expected = np.array(ys) - 1.7 * (1 - np.exp(-0.3 * np.array(xs)))
    for result in (free.fun([1.7, 0.3], xs, ys), free.fun([1.7, 0.3], ys, x=xs), free.fun([1.7, 0.3], y=ys, x=xs)):
        np.testing.assert_allclose(result, expected, rtol=1e-14)
    found = least_squares(free.fun, [1.0, 0.1], free.jac, args=(residuals_x, residuals_y), xtol=1e-14)
    assert free.unpack(found.x) == {"a": found.x[0], "b": found.x[1]}
    np.testing.assert_allclose(found.x, least_squares(residuals.fun, [1.0, 0.1], residuals.jac, xtol=1e-14).x)


def test_every_derivative_takes_what_args_passes() -> None:
    number = FlatFunction(from_expressions({"e": c * (a - b) ** 2 + b**4 + b**2}, [a, b, c]), "e", ["a", "b"])
    options = {"jac": number.jac, "hessp": number.hessp, "args": (3.0,), "method": "trust-krylov"}
    np.testing.assert_allclose(minimize(number.fun, [1.0, 1.0], **options).x, 0, atol=1e-6)
    np.testing.assert_array_equal(number.hess([1.0, 1.0], 3.0), [[6, -6], [-6, 20]])


@pytest.mark.parametrize("derivatives", ["", "fprime", "fprime fprime2"])
def test_root_scalar_of_a_function_of_one_number(derivatives: str) -> None:
    function = FlatFunction(from_expressions({"e": a**3 - c}, [a, c]), "e", ["a"], {"c": 2.0})
    given = dict(zip(["fprime", "fprime2"], [function.jac, function.hess]))
    options = {name: given[name] for name in derivatives.split()} | ({} if derivatives else {"bracket": (0, 2)})
    assert root_scalar(function.fun, x0=1.5, **options).root == pytest.approx(2 ** (1 / 3), rel=1e-12)


def test_derivatives_by_a_number_have_no_axis_for_it() -> None:
    number = FlatFunction(from_expressions({"e": a**3}, [a]), "e")
    results = [number.fun(2.0), number.jac(2.0), number.hess(2.0), number.hessp(2.0, 3.0)]
    assert [(np.shape(result), result) for result in results] == [((), 8.0), ((), 12.0), ((), 12.0), ((), 36.0)]
    for sparse in (False, True):
        curve = FlatFunction(from_expressions({f[0]: a**2, f[1]: 3 * a}, [a]), "f", sparse=sparse)
        slope = curve.jac(2.0)
        assert (slope.toarray() if sparse else slope).tolist() == [4.0, 3.0]
        assert curve.jac([2.0]).shape == (2, 1)


v = IndexedBase("v", shape=(n,))
A = IndexedBase("A", shape=(n, n))
u = Idx("u", n)
LENGTHS: dict[str, tuple[dict[Any, Any], list[Any], int]] = {
    "a vector": ({f[i]: v[i] ** 3}, [v], 4),
    "two vectors": ({f[i]: v[i] * y[i] ** 2}, [v, y], 8),
    "a vector and a number": ({f[i]: a * v[i] ** 2}, [v, a], 5),
    "a square matrix": ({f[i]: Sum(A[i, u] ** 2, u)}, [A], 9),
}


@pytest.mark.parametrize("case", LENGTHS)
def test_a_length_that_only_x_has_is_taken_from_it(case: str) -> None:
    equations, inputs, size = LENGTHS[case]
    function = FlatFunction(from_expressions(equations, inputs), "f")
    point = np.linspace(0.4, 1.3, size)
    np.testing.assert_allclose(function.jac(point), approx_fprime(point, function.fun), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(function.pack(function.unpack(point)), point)


def test_a_function_of_a_vector_of_any_length_is_minimised() -> None:
    function = FlatFunction(from_expressions({"L": Sum((v[i] - a) ** 4 + v[i] ** 2, i)}, [v, a]), "L", ["v"], {"a": 0})
    for length in (2, 5):
        found = minimize(function.fun, np.ones(length), jac=function.jac, hess=function.hess, method="trust-exact")
        np.testing.assert_allclose(found.x, np.zeros(length), atol=1e-6)


BAND = from_expressions({f[i]: v[i] ** 3 + a * v[i] - y[i]}, [v, a, y])


def test_a_sparse_hessian_has_the_values_of_the_dense_one() -> None:
    v = IndexedBase("x", shape=(n,))
    chain = from_expressions({"L": Sum(c * (v[k + 1] - v[k] ** 2) ** 2, (k, 0, n - 2)) + v[0] * a}, [a, c, v])
    dense, sparse = (FlatFunction(chain, "L", ["a", "x"], {"c": 3.0}, sparse=flag) for flag in (False, True))
    for size in (4, 9):
        point = np.cos(np.arange(size + 1.0))
        matrix = sparse.hess(point)
        np.testing.assert_allclose(matrix.toarray(), dense.hess(point), rtol=1e-14, atol=1e-14)
        assert matrix.nnz == 3 * size - 2 + 2  # three diagonals, and a beside x[0]
        assert sparse.hess(point).indices is matrix.indices


def test_a_sparse_jacobian_has_the_values_of_the_dense_one() -> None:
    point, data = np.linspace(-1, 1, 6), {"y": np.arange(5.0)}
    dense, sparse = (FlatFunction(BAND, "f", ["v", "a"], data, sparse=flag) for flag in (False, True))
    value, matrix = sparse.value_and_jac(point)
    assert isinstance(matrix, csr_array)
    assert matrix.nnz == 10
    np.testing.assert_allclose(matrix.toarray(), dense.jac(point), rtol=1e-14)
    np.testing.assert_allclose(value, dense.fun(point), rtol=1e-14)


IN_PLACE: dict[str, Callable[[Any], object]] = {
    "eliminate_zeros": lambda matrix: matrix.eliminate_zeros(),
    "sort_indices": lambda matrix: matrix.sort_indices(),
    "sum_duplicates": lambda matrix: matrix.sum_duplicates(),
    "setdiag": lambda matrix: matrix.setdiag(7.0),
    "indices": lambda matrix: matrix.indices.fill(0),
    "ends": lambda matrix: matrix.indptr.fill(0),
}


@pytest.mark.parametrize(
    "change", [lambda m: m.eliminate_zeros(), lambda m: m.resize((3, 3)), lambda m: m.resize(7, 7)]
)
def test_a_sparse_jacobian_whose_pattern_is_changed_has_indices_of_its_own(change: Callable[[Any], object]) -> None:
    system = FlatFunction(BAND, "f", ["v"], {"a": 0.0, "y": np.zeros(5)}, sparse=True)
    point = np.array([0.0, 1.0, 0.0, 2.0, 3.0])
    changed, expected = system.jac(point), csr_array(system.jac(point).toarray())
    change(changed)
    change(expected)
    assert changed.toarray().tolist() == expected.toarray().tolist()
    assert system.jac(point).nnz == 5


@pytest.mark.parametrize("sparse", [True, False])
def test_a_function_is_pickled_after_its_calls(sparse: bool) -> None:
    system = FlatFunction(BAND, "f", ["v"], {"a": 0.0, "y": np.zeros(5)}, sparse=sparse)
    point = np.array([0.0, 1.0, 0.0, 2.0, 3.0])
    found = system.jac(point)
    again = pickle.loads(pickle.dumps(system)).jac(point)
    np.testing.assert_array_equal(*(matrix.toarray() if sparse else matrix for matrix in (found, again)))


def test_derivatives_that_are_0_everywhere_are_matrices_without_values() -> None:
    h = Idx("h", 5)
    found = FlatFunction(from_expressions({r[h]: 3}, [p]), "r", ["p"], sparse=True).jac(np.ones(5))
    assert (found.shape, found.nnz) == ((5, 5), 0)
    for linear in (Sum(p[h], h), p[0] + p[1]):
        found = FlatFunction(from_expressions({"e": linear}, [p]), "e", sparse=True).hess(np.ones(5))
        assert (found.shape, found.nnz) == ((5, 5), 0)


def test_the_functions_for_solve_ivp_are_pickled() -> None:
    t, y, c = symbols("t y c")
    system = FlatFunction(from_expressions({"f": -c * t * y}, [t, y, c]), "f", ["y"], {"c": 2.0})
    fun, jac = pickle.loads(pickle.dumps(system.ode("t")))
    assert (fun(3.0, [1.0]), jac(3.0, [1.0])) == ([-6.0], [[-6.0]])


def test_a_function_is_pickled_after_its_hessian() -> None:
    a, b = symbols("a b")
    system = FlatFunction(from_expressions({"e": a**2 * b}, [a, b]), "e", ["a", "b"], sparse=True)
    found = system.hess(np.array([1.0, 2.0])).toarray()
    again = pickle.loads(pickle.dumps(system)).hess(np.array([1.0, 2.0])).toarray()
    assert found.tolist() == again.tolist() == [[4.0, 2.0], [2.0, 0.0]]


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_copy_of_a_sparse_jacobian_may_be_changed_in_place(name: str) -> None:
    system = FlatFunction(BAND, "f", ["v"], {"a": 0.0, "y": np.zeros(5)}, sparse=True)
    point = np.array([0.0, 1.0, 0.0, 2.0, 3.0])
    expected = system.jac(point).toarray()
    IN_PLACE[name](system.jac(point).copy())
    assert system.jac(point).toarray().tolist() == expected.tolist()


ARITHMETIC: dict[str, Callable[[Any], Any]] = {
    "*=": lambda matrix: operator.imul(matrix, 3.0),
    "/=": lambda matrix: operator.itruediv(matrix, 3.0),
    "data": lambda matrix: matrix.data.fill(0),
    "setdiag": lambda matrix: matrix.setdiag(7.0),
    "sort_indices": lambda matrix: matrix.sort_indices(),
    "spsolve": lambda matrix: spsolve(matrix, np.ones(5)),
    "shifted and solved": lambda matrix: spsolve(eye_array(5, format="csr") - matrix, np.ones(5)),
    "transposed": lambda matrix: matrix.T @ matrix,
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_what_is_done_with_a_sparse_jacobian_leaves_the_next_as_it_is(name: str) -> None:
    system = FlatFunction(BAND, "f", ["v"], {"a": 0.0, "y": np.zeros(5)}, sparse=True)
    point = np.arange(1.0, 6.0)
    ARITHMETIC[name](system.jac(point))
    found = system.jac(point)
    assert found.has_canonical_format
    assert found.has_sorted_indices
    assert found.toarray().tolist() == np.diag(3 * point**2).tolist()


def test_solvers_take_sparse_jacobians() -> None:
    target = np.linspace(-1, 1, 30)
    system = FlatFunction(BAND, "f", ["v"], {"a": 2.0, "y": target}, sparse=True)
    found = least_squares(system.fun, np.zeros(30), system.jac, xtol=1e-14)
    np.testing.assert_allclose(found.x**3 + 2 * found.x, target, atol=1e-8)
    fun, jac = FlatFunction(from_expressions({f[i]: -y[i] * v[i]}, [v, y]), "f", ["v"], sparse=True).ode()
    for method in ("Radau", "BDF"):
        options = {"method": method, "jac": jac, "args": (target,), "rtol": 1e-8, "atol": 1e-10}
        np.testing.assert_allclose(solve_ivp(fun, (0, 1), np.ones(30), **options).y[:, -1], np.exp(-target), rtol=1e-6)


def test_data_is_copied() -> None:
    xs, ys = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    function = FlatFunction(GRAPH, "r", ["a", "b"], {"x": xs, "y": ys})
    before = function.fun([1.0, 1.0])
    xs[:], ys[:] = 0, 0
    np.testing.assert_array_equal(function.fun([1.0, 1.0]), before)


def test_quad_calls_machine_code() -> None:
    integrand = low_level_callable(from_expressions({"e": sqrt(a) * exp(-b * a)}, [a, b]), "e")
    # ∫ √a·exp(−b·a) from 0 to ∞ is Γ(3/2)/b^(3/2).
    assert quad(integrand, 0, np.inf, args=(2.0,))[0] == pytest.approx(np.sqrt(np.pi) / 2 / 2**1.5, rel=1e-9)


def test_a_function_of_no_variables_has_empty_derivatives() -> None:
    graph = from_expressions({"e": a * b, f[0]: a, f[1]: b}, [a, b])
    number = FlatFunction(graph, "e", [], {"a": 2.0, "b": 3.0})
    assert (number.fun([]), number.jac([]).shape, number.hess([]).shape) == (6.0, (0,), (0, 0))
    assert number.hessp([], []).shape == number.pack({}).shape == (0,)
    assert FlatFunction(graph, "f", [], {"a": 2.0, "b": 3.0}).jac([]).shape == (2, 0)


def test_variables_and_data_may_be_named_by_symbols() -> None:
    graph = from_expressions({"e": a**2 * b}, [a, b])
    assert FlatFunction(graph, Symbol("e"), a, {b: 3.0}).jac([2.0]) == [12.0]


TWO_LENGTHS = from_expressions({"L": Sum(x[i], i) + Sum(y[j], j)}, [x, y])
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "an unknown input": (lambda: FlatFunction(GRAPH, "r", ["q"]), EmitError, "'q' is not an input of the graph"),
    "missing data": (
        lambda: FlatFunction(GRAPH, "r", ["a"], {"b": 1}).fun([1.0]), EmitError,
        "the input 'x' has no value: expected it in wrt, in data, after x (SciPy's args) or by name; ode('x') takes it",
    ),
    "data of a variable": (
        lambda: FlatFunction(GRAPH, "r", ["a"], {"a": 1}), EmitError, "'a' is both in wrt and in data",
    ),
    "an unknown length": (
        lambda: FlatFunction(GRAPH, "r", ["x", "y"], {"a": 1, "b": 1}).size, EmitError,
        "the length n of 'x' is not that of any data",
    ),
    "a length that x cannot have": (
        lambda: FlatFunction(GRAPH, "r", ["x", "y"], {"a": 1, "b": 1}).fun([1, 2, 3]), EmitError,
        "x has length 3, which is that of x (n,), y (n,) for no n",
    ),
    "two lengths that only x has": (
        lambda: FlatFunction(TWO_LENGTHS, "L").fun([1.0, 2.0, 3.0]), EmitError, "the length n of 'x' is not that of",
    ),
    "too many arguments": (
        lambda: residuals.fun([1.0, 2.0], 3.0), EmitError, "found 1 arguments after x, expected 0 ()",
    ),
    "a number for several": (lambda: residuals.jac(1.0), EmitError, "x must have shape (2,), found ()"),
    "a time in x": (
        lambda: residuals.ode("a"), EmitError, "the time 'a' is not among the data (x, y); x holds a, b",
    ),
    "two lengths": (
        lambda: FlatFunction(GRAPH, "r", ["a", "b"], {"x": [1, 2], "y": [1]}), EmitError, "'y' must have shape (2,)",
    ),
    "a vector of the wrong length": (lambda: residuals.fun([1.0]), EmitError, "x must have shape (2,), found (1,)"),
    "unknown data in a call": (lambda: residuals.fun([1.0, 2.0], z=1), EmitError, "'z' is not among the data (x, y)"),
    "an empty vector": (lambda: residuals.jac([]), EmitError, "x must have shape (2,), found (0,)"),
    "a complex vector": (lambda: residuals.jac([1j, 0]), EmitError, "x must hold real numbers, found complex128"),
    "complex data": (lambda: residuals.fun([1, 2], x=[1j]), EmitError, "'x' must hold real numbers, found complex128"),
    "text": (lambda: residuals.fun([1, 2], x="abc"), EmitError, "'x' must hold real numbers, found str"),
    "the Hessian of a vector": (
        lambda: residuals.hess([1.0, 2.0]), DerivationError,
        "the Hessian matrix of 'r' needs a scalar, but it has shape (n,)",
    ),
    "the Hessian along a vector": (lambda: residuals.hessp([1.0, 2.0], [1, 1]), DerivationError, "needs a scalar"),
    "a packed vector with a gap": (lambda: residuals.pack({"a": 1.0}), EmitError, "the input 'b' is missing"),
    "an array to quad": (lambda: low_level_callable(GRAPH, "r"), EmitError, "'r' is not a real scalar"),
    "a time that is no input": (lambda: residuals.ode("t"), EmitError, "ode() without one is for equations"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str) -> None:
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=re.escape(message)):
        call()


# ------------------------------------------------------------------------------------------- fresh arrays

vector = FlatFunction(residuals.graph, "r", ["a", "b"], {"x": residuals_x, "y": residuals_y}, sparse=True)
turn = IndexedBase("s", shape=(2,))
pendulum = FlatFunction(from_expressions({f[0]: turn[1], f[1]: -turn[0]}, [turn]), "f")
ADAPTERS: dict[str, tuple[Callable[..., Any], int]] = {
    "fun": (residuals.fun, 2),
    "jac of a number": (several.jac, several.size),
    "jac of a vector": (residuals.jac, 2),
    "sparse jac": (lambda x: vector.jac(x).data, 2),
    "value_and_jac, value": (lambda x: residuals.value_and_jac(x)[0], 2),
    "value_and_jac, jac": (lambda x: residuals.value_and_jac(x)[1], 2),
    "hess": (several.hess, several.size),
    "hessp": (lambda x: several.hessp(x, np.ones_like(x)), several.size),
    "ode, fun": (lambda x: residuals.ode()[0](0.0, x), 2),
    "ode, jac": (lambda x: residuals.ode()[1](0.0, x), 2),
    "ode, jac that is constant": (lambda x: pendulum.ode()[1](0.0, x), 2),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_call_gives_new_float64_arrays(name: str) -> None:
    """SciPy's methods keep what they are given and compare it with what comes next."""
    function, size = ADAPTERS[name]
    point = np.linspace(0.3, 0.9, size)
    first = function(point)
    kept = first.copy()
    second = function(point + 0.1)
    assert first.dtype == second.dtype == np.float64
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(first, point)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("method", ["BFGS", "CG", "L-BFGS-B", "Newton-CG", "SLSQP", "TNC", "trust-constr"])
def test_every_method_of_minimize_ends_in_the_minimum(method: str) -> None:
    limit = {"maxfun" if method == "TNC" else "maxiter": 2000}
    found = minimize(rosenbrock.fun, np.full(5, -0.5), jac=rosenbrock.jac, method=method, options=limit)
    np.testing.assert_allclose(found.x, np.ones(5), atol=1e-3)


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"])
def test_every_method_of_solve_ivp_ends_at_the_solution(method: str) -> None:
    """A pendulum of small swing is back where it began after a turn."""
    fun, jac = pendulum.ode()
    options = {"jac": jac} if method in ("Radau", "BDF", "LSODA") else {}
    found = solve_ivp(fun, (0, 2 * np.pi), [1.0, 0.0], method=method, rtol=1e-6, atol=1e-9, **options)
    np.testing.assert_allclose(found.y[:, -1], [1.0, 0.0], atol=1e-3)
