"""Matrices that are solved, inverted and factorised: values and derivatives held to mpmath and to differences."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Idx, IndexedBase, Matrix, MatrixSymbol, Sum, Symbol, cos, sin, symbols

from codegen import (
    CodegenError,
    Graph,
    cholesky,
    compile,
    det_sign,
    from_expressions,
    gradient,
    hessian,
    hvp,
    inverse,
    jacobian,
    logdet,
    per_sample_gradients,
    solve,
    vjp,
    write_c,
    write_javascript,
)
from codegen.functions.eliminations import inverted
from codegen.numeric import evaluate, evaluate_exactly, rounded
from codegen.passes.factorise import factorise
from tests.codegen import networks
from tests.codegen.derivatives import by_complex_step

pytestmark = pytest.mark.values

TOLERANCE = 1e-12
NUMPY = np.linalg
ASSUMED = ("general", "positive definite", "lower", "upper")
READ: dict[str, Callable[[Any], Any]] = {
    "general": lambda a: a,
    "positive definite": lambda a: (a + np.swapaxes(a, -1, -2)) / 2,
    "lower": np.tril,
    "upper": np.triu,
}
"""What is read of a matrix."""


def distance(a: Any, b: Any) -> float:
    """The largest relative difference of two numbers or arrays."""
    return networks.distance([np.asarray(a)], [np.asarray(b)])


def problem(assume: str, n: int | Symbol, samples: Symbol | int = 3) -> Graph:
    """Solutions, inverses and determinants, of positive definite matrices factors as well, and a number of them all."""
    i, j, s = Idx("i", n), Idx("j", n), Idx("s", samples)
    A, b = IndexedBase("A", shape=(samples, n, n)), IndexedBase("b", shape=(samples, n))
    x, V, l, C = (IndexedBase(name) for name in "xVlC")
    given: dict[str, Any] = {"assume": assume}
    outputs: dict[Any, Any] = {
        x[s, j]: solve(A[s, i, j], b[s, i], (i, j), **given),
        V[s, j, i]: inverse(A[s, i, j], (i, j), **given),
        l[s]: logdet(A[s, i, j], (i, j), **given),
    }
    loss = Sum(x[s, i] ** 3, i, s) + Sum((i + 1) * sin(V[s, i, j]) * cos(j), i, j, s) + Sum(l[s] ** 2 / 9, s)
    if assume == "positive definite":
        outputs[C[s, i, j]] = cholesky(A[s, i, j], (i, j))
        loss += Sum((i + 2 * j) * C[s, i, j] ** 2 / 5, i, j, s)
    return from_expressions({**outputs, "L": loss}, [A, b])


def values(n: int, samples: int = 3) -> dict[str, np.ndarray]:
    """Matrices whose condition is far below 1,000."""
    rng = np.random.default_rng(n)
    matrices = rng.normal(size=(samples, n, n)) + (2 + n) * np.eye(n)
    return {"A": matrices, "b": rng.normal(size=(samples, n))}


@cache
def small(assume: str) -> Graph:
    return problem(assume, 3)


@pytest.mark.parametrize("assume", [*ASSUMED[:3], pytest.param("upper", marks=pytest.mark.slow)])
def test_compiled_values_and_gradients_are_mpmaths(assume: str) -> None:
    graph, given = gradient(small(assume), "L"), values(3)
    whole = graph.with_outputs(*small(assume).outputs, *graph.outputs[1:])
    exact = evaluate_exactly(whole, given)
    for name, found in zip(whole.outputs, compile(whole)(*given.values())):
        assert distance(found, rounded(exact[name])) <= TOLERANCE, name
    matrices = READ[assume](given["A"])
    assert distance(rounded(exact["V"]) @ matrices, np.broadcast_to(np.eye(3), (3, 3, 3))) <= TOLERANCE
    assert distance(rounded(exact["l"]), np.linalg.slogdet(matrices)[1]) <= TOLERANCE


@pytest.mark.parametrize("assume", ASSUMED)
def test_derivatives_are_those_of_the_values(assume: str) -> None:
    graph, given = small(assume), values(3)
    derived = gradient(graph, "L", ["A"])
    found = evaluate(derived, given)["dL/dA"]
    (stepped,) = by_complex_step(graph, ["L"], "A", given)
    assert distance(found, stepped.reshape(found.shape)) <= TOLERANCE
    forward = evaluate(gradient(graph, "L", ["A"], method="forward"), given)["dL/dA"]
    paths = evaluate(gradient(graph, "L", ["A"], method="paths"), given)["dL/dA"]
    assert max(distance(found, other) for other in (forward, paths)) <= TOLERANCE
    second = hessian(graph, "L", ["A"])
    (curvature,) = by_complex_step(derived, ["dL/dA"], "A", given)
    wanted = np.asarray(curvature).reshape(*given["A"].shape * 2)
    assert distance(evaluate(second, given)[second.outputs[-1]], wanted) <= TOLERANCE


def test_negative_determinants_have_the_derivative_of_their_size() -> None:
    i, j, A, l = Idx("i", 3), Idx("j", 3), IndexedBase("A", shape=(3, 3)), Symbol("l")
    graph = from_expressions({l: logdet(A[i, j], (i, j)), "sign": det_sign(A[i, j], (i, j))}, [A])
    given = {"A": values(3)["A"][0][::-1]}
    found = evaluate(gradient(graph, "l"), given)
    assert evaluate(graph, given)["sign"] == -1
    assert distance(found["l"], NUMPY.slogdet(given["A"])[1]) <= TOLERANCE
    (stepped,) = by_complex_step(graph, ["l"], "A", given)
    assert distance(found["dl/dA"], stepped) <= TOLERANCE


REQUESTS: dict[str, Callable[[Graph], Graph]] = {
    "hvp": lambda graph: hvp(graph, "L", ["A"]),
    "jacobian": lambda graph: jacobian(graph.with_outputs("x"), "x", ["A"]),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_products_with_derivatives_compile(name: str) -> None:
    graph = REQUESTS[name](small("positive definite"))
    rng = np.random.default_rng(0)
    given = {v.name: values(3).get(v.name, rng.normal(size=v.shape)) for v in graph.inputs}
    found, wanted = compile(graph)(*given.values()), evaluate(graph, given)
    for output, value in zip(graph.outputs, found):
        assert distance(value, wanted[output]) <= TOLERANCE, output


def test_samples_are_matrices_of_their_own() -> None:
    graph = problem("general", 3, Symbol("S"))
    loss = per_sample_gradients(graph.with_outputs("L"), "L", ["A"])
    given = values(3, samples=5)
    found = compile(loss)(*given.values())[1]
    alone = gradient(problem("general", 3, 1), "L", ["A"])
    for sample in range(5):
        own = evaluate(alone, {name: value[sample : sample + 1] for name, value in given.items()})["dL/dA"][0]
        assert distance(found[sample], own) <= TOLERANCE


def wide(n: int | Symbol) -> Graph:
    """A solution, a determinant and factors of matrices of n rows."""
    i, j, s = Idx("i", n), Idx("j", n), Idx("s", 2)
    A, b = IndexedBase("A", shape=(2, n, n)), IndexedBase("b", shape=(2, n))
    over = i, j
    total = Sum(solve(A[s, i, j], b[s, i], over) ** 3 + solve(A[s, i, j], b[s, i], over, assume="lower"), j, s)
    total += Sum(logdet(A[s, i, j], over, assume="positive definite") + logdet(A[s, i, j], over), s)
    total += Sum((i + 2 * j) * cholesky(A[s, i, j], over), i, j, s)
    return gradient(from_expressions({"L": total}, [A, b]), "L")


def test_large_matrices_go_to_lapack() -> None:
    """Of 18 rows, and of a number of rows that is not known: the same values, as LAPACK's are held to."""
    given = values(18, samples=2)
    wanted, found = evaluate(wide(18), given), compile(wide(18))(*given.values())
    for name, value in zip(wide(18).outputs, found):
        assert distance(value, wanted[name]) <= TOLERANCE
    assert distance(compile(wide(Symbol("n")).with_outputs("L"))(*given.values()), wanted["L"]) <= TOLERANCE


def test_right_sides_may_be_samples() -> None:
    """One matrix and any number of right sides: with those of samples in chunks, each is solved for once."""
    n, i, j, s = 3, Idx("i", 3), Idx("j", 3), Idx("s", Symbol("S"))
    A, b, x = IndexedBase("A", shape=(n, n)), IndexedBase("b", shape=(Symbol("S"), n)), IndexedBase("x")
    side = sin(b[s, i])
    graph = from_expressions({x[s, j]: solve(A[i, j], side, (i, j)), "L": Sum(x[s, j] ** 2 * (j + 1), j, s)}, [A, b])
    graph, given = gradient(graph, "L"), {"A": values(n)["A"][0], "b": np.random.default_rng(0).normal(size=(700, n))}
    wanted = evaluate(graph, given)
    for threads in (1, 2):
        for name, found in zip(graph.outputs, compile(graph, threads=threads)(*given.values())):
            assert distance(found, wanted[name]) <= TOLERANCE, name


def backward_error(matrix: np.ndarray, x: np.ndarray, b: np.ndarray) -> float:
    """The least relative change of matrix and right side of which a solution is the exact one (Rigal and Gaches)."""
    size = np.abs(matrix).sum(axis=1).max() * np.abs(x).max() + np.abs(b).max()
    return float(np.abs(matrix @ x - b).max() / size)


@pytest.mark.parametrize("n", [6, 30])
def test_solutions_are_as_accurate_as_lapacks(n: int) -> None:
    """Also in the derivative, where matrices are all but singular: rows that need exchanging, condition 10¹²."""
    i, j = Idx("i", n), Idx("j", n)
    A, b, x = IndexedBase("A", shape=(n, n)), IndexedBase("b", shape=(n,)), IndexedBase("x")
    graph = from_expressions({x[j]: solve(A[i, j], b[i], (i, j))}, [A, b])
    forward, backward = compile(graph), compile(vjp(graph, "x", ["b"]))
    rng = np.random.default_rng(1)
    for _ in range(5):
        left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
        matrix = left @ np.diag(np.logspace(0, -12, n)) @ right
        matrix[0, 0] = 0.0
        side, weight = rng.normal(size=n), rng.normal(size=n)
        eps = np.finfo(float).eps
        assert backward_error(matrix, forward(matrix, side), side) <= n * eps
        transposed = backward(matrix, side, weight)[-1]
        assert backward_error(matrix.T, transposed, weight) <= n * eps


def test_singular_matrices_have_no_solution_and_do_no_harm() -> None:
    n = 4
    i, j, s = Idx("i", n), Idx("j", n), Idx("s", 3)
    A, x, l, g, C = (IndexedBase(name, shape=(3, n, n)) if name == "A" else IndexedBase(name) for name in "AxlgC")
    graph = from_expressions(
        {
            x[s, j]: solve(A[s, i, j], i + 1, (i, j)),
            l[s]: logdet(A[s, i, j], (i, j)),
            g[s]: det_sign(A[s, i, j], (i, j)),
            C[s, i, j]: cholesky(A[s, i, j], (i, j)),
        },
        [A],
    )
    matrices = np.stack([np.eye(n), np.zeros((n, n)), -np.eye(n)])
    solution, logarithm, sign, factor = compile(graph)(matrices)
    assert distance(solution[0], np.arange(1, n + 1)) == 0
    assert distance(solution[2], -solution[0]) == 0
    assert not np.isfinite(solution[1]).any()
    assert list(logarithm) == [0, -np.inf, 0]
    assert list(sign) == [1, 0, 1]
    assert np.array_equal(factor[0], np.eye(n))
    assert np.isnan(np.diagonal(factor[2])).all()


def test_no_inverse_is_computed_where_none_is_asked_for() -> None:
    graph = gradient(from_expressions(*_solved()), "L")
    assert not any(isinstance(e.body, inverted) for e in factorise(graph).equations)
    factors = [e for e in factorise(graph).equations if type(e.body).__name__ == "triangular_factors"]
    assert len(factors) == 1  # for the way back as well


def _solved() -> tuple[dict[Any, Any], list[Any]]:
    i, j = Idx("i", 5), Idx("j", 5)
    A, b, x = IndexedBase("A", shape=(5, 5)), IndexedBase("b", shape=(5,)), IndexedBase("x")
    return {x[j]: solve(A[i, j], b[i], (i, j)), "L": Sum(x[j] ** 2, j)}, [A, b]


# --- matrices of SymPy ----------------------------------------------------------------------------------------------

M, f = MatrixSymbol("M", 6, 6), MatrixSymbol("f", 6, 1)
FORMS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "an inverse and a column": (M.inv() * f, lambda m, f: NUMPY.solve(m, f)),
    "a quadratic form": (f.T * M.inv() * f, lambda m, f: (f.T @ NUMPY.solve(m, f))[0, 0]),
    "an inverse": (M.inv(), lambda m, f: NUMPY.inv(m)),
    "a determinant": (M.det(), lambda m, f: NUMPY.det(m)),
    "its logarithm": (logdet(M), lambda m, f: NUMPY.slogdet(m)[1]),
    "a square of an inverse": (M**-2 * f, lambda m, f: NUMPY.solve(m, NUMPY.solve(m, f))),
    "several right sides": (solve(M, M.T), lambda m, f: NUMPY.solve(m, m.T)),
    "a factor of a product": (
        cholesky(M * M.T + sympy.Identity(6)), lambda m, f: NUMPY.cholesky(m @ m.T + np.eye(6)),
    ),
    "a triangular solution": (solve(M, f, assume="lower"), lambda m, f: NUMPY.solve(np.tril(m), f)),
}  # fmt: skip


def test_matrix_expressions_are_read_as_these() -> None:
    graph = from_expressions({f"r{number}": form for number, (form, _) in enumerate(FORMS.values())}, [M, f])
    rng = np.random.default_rng(0)
    given = rng.normal(size=(6, 6)) + 4 * np.eye(6), rng.normal(size=(6, 1))
    for (name, (_, wanted)), found in zip(FORMS.items(), compile(graph)(*given)):
        assert distance(found, wanted(*given)) <= TOLERANCE, name


def test_the_logarithm_of_a_determinant_is_in_range_where_that_is_not() -> None:
    """log det of 10⁻⁸⁰·1, where det is 10⁻⁴⁸⁰; nan of a negative one and −∞ of 0, as log has it; log |det| of any."""
    graph = from_expressions({"l": sympy.log(M.det()), "size": sympy.log(sympy.Abs(M.det()))}, [M])
    function = compile(gradient(graph.with_outputs("l"), "l", ["M"]))
    values = compile(graph)
    turned, singular = np.diag([-1.0, 1, 2, 3, 4, 5]), np.diag([0.0, 1, 1, 1, 1, 1])
    l, slope = function(1e-80 * np.eye(6))
    assert l == pytest.approx(-480 * np.log(10), rel=1e-15)
    assert distance(slope / 1e80, np.eye(6)) <= TOLERANCE
    assert values(turned) == pytest.approx((np.nan, np.log(120)), nan_ok=True)
    assert values(singular) == (-np.inf, -np.inf)


def test_matrices_of_formulas() -> None:
    a = symbols("a0:5")
    matrix = Matrix(5, 5, lambda row, column: a[row] * a[column] + (7 if row == column else sin(a[row] - a[column])))
    graph = from_expressions({"z": solve(matrix, Matrix(a)), "sign": det_sign(matrix)}, a)
    given = np.arange(1.0, 6.0)
    numbers = np.array(matrix.subs(dict(zip(a, given)))).astype(float)
    found, sign = compile(graph)(*given)
    assert distance(found[:, 0], NUMPY.solve(numbers, given)) <= TOLERANCE
    assert sign == 1


def test_positive_definite_matrices_of_formulas_become_formulas() -> None:
    """Without an index: so they are derived and compiled with what is around them."""
    a = symbols("a0:4")
    matrix = Matrix(4, 4, lambda row, column: a[row] * a[column] + (5 if row == column else sin(a[row] + a[column])))
    graph = from_expressions(
        {
            "z": solve(matrix, Matrix(a), assume="positive definite"),
            "V": inverse(matrix, assume="positive definite"),
            "l": logdet(matrix, assume="positive definite"),
            "C": cholesky(matrix),
        },
        a,
    )
    assert not any(equation.domain for equation in graph.equations)
    given = np.arange(1.0, 5.0)
    numbers = np.array(matrix.subs(dict(zip(a, given)))).astype(float)
    z, v, l, c = compile(graph)(*given)
    assert distance(z[:, 0], NUMPY.solve(numbers, given)) <= TOLERANCE
    assert distance(v, NUMPY.inv(numbers)) <= TOLERANCE
    assert distance(l, NUMPY.slogdet(numbers)[1]) <= TOLERANCE
    assert distance(c, NUMPY.cholesky(numbers)) <= TOLERANCE


# --- other targets --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_c_computes_the_same(tmp_path: Path, dtype: Any) -> None:
    graph, given = gradient(small("positive definite").with_outputs("L"), "L", ["A"]), values(3)
    strict = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Werror", "-shared", "-fPIC", "-O1"]
    write_c(graph, tmp_path, name="f", dtype=dtype, example={n: v.astype(dtype) for n, v in given.items()})
    command = ["gcc", *strict[:6], "-O1", "f.c", "f_test.c", "-lm", "-o", "test"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert subprocess.run(["./test"], cwd=tmp_path).returncode == 0


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_javascript_computes_the_same(tmp_path: Path) -> None:
    graph = gradient(from_expressions(*_solved()), "L")
    rng = np.random.default_rng(0)
    write_javascript(graph, tmp_path, name="f", example={"A": rng.normal(size=(5, 5)), "b": rng.normal(size=5)})
    assert subprocess.run(["node", "f_test.mjs"], cwd=tmp_path).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("assume", ASSUMED)
def test_readable_code_computes_the_same(assume: str) -> None:
    graph, given = gradient(small(assume), "L"), values(3)
    for found, wanted in zip(compile(graph, emitter="numba")(*given.values()), compile(graph)(*given.values())):
        assert distance(found, wanted) <= TOLERANCE


# --- what is refused ------------------------------------------------------------------------------------------------

i, j, A = Idx("i", 5), Idx("j", 5), IndexedBase("A", shape=(5, 5))
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "an unknown assumption": (
        lambda: solve(M, f, assume="symmetric"),  # type: ignore[arg-type]
        "assume: found 'symmetric', expected one of general, positive definite, lower, upper",
    ),
    "no square": (lambda: inverse(MatrixSymbol("R", 2, 3)), "inverse: found a matrix of shape (2, 3), expected a squ"),
    "no matrix": (lambda: logdet(A[i, j]), "found an Indexed, expected a matrix, or elements and over=(i, j)"),
    "one index": (lambda: logdet(A[i, i], (i, i)), "logdet: found over=(i, i), expected the indices of rows and col"),
    "two lengths": (lambda: logdet(A[i, j], (i, Idx("k", 4))), "logdet: found indices (i, k) of different ranges"),
    "too few rows": (lambda: solve(M, MatrixSymbol("g", 5, 1)), "solve: found 5 rows on the right side, expected 6"),
    "elements one by one": (
        lambda: from_expressions({"l": logdet(A[i, j], (i, j))}, [A]).unroll(),
        "'l' eliminates a matrix as a whole: its elements are not written out one by one",
    ),
    "tiles": (
        lambda: compile(from_expressions({"l": logdet(A[i, j], (i, j))}, [A]), schedule="tiled"),
        "the tiled schedule has no elimination of matrices: use loops, or auto",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_by_name(name: str) -> None:
    attempt, message = REFUSED[name]
    with pytest.raises(CodegenError, match=re.escape(message)):
        attempt()
