"""Jacobians, products with a vector and gradients per sample are right, and take no more work than needed."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_array
from sympy import Expr, Idx, IndexedBase, MatrixSymbol, Piecewise, Sum, Symbol, sin, sqrt, symbols, tanh

from codegen import (
    DerivationError,
    Equation,
    Graph,
    GraphError,
    Reduction,
    Variable,
    count_paths,
    from_expressions,
    gauss_newton,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    per_sample_gradients,
    sparse_hessian,
    sparse_jacobian,
    vjp,
)
from codegen.derive.requests.jacobian import Mode
from codegen.derive.seeds import seed_indices
from codegen.functions import sigmoid, silu
from codegen.ir.operations import count_operations
from codegen.numeric import evaluate
from codegen.passes import optimise
from tests.codegen.derivatives import (
    ARRAY_CASES,
    ARRAYS,
    MODES,
    A,
    by_complex_step,
    directions,
    i,
    j,
    q,
    reals,
    system,
    v,
    x,
)
from tests.codegen.networks import (
    cross_entropy,
    distance,
    index_graphs,
    mlp,
    outputs,
    parameters,
    random_values,
    squared_error,
)
from tests.properties import holds_for
from tests.sweeps import one_in

SUM, MAX = Reduction.SUM, Reduction.MAX


@pytest.mark.parametrize("case", ARRAY_CASES)
def test_the_jacobian_is_that_of_the_complex_step(case: str) -> None:
    graph = ARRAYS[case]
    of, wrt, values = graph.outputs[0], reals(graph), random_values(graph, seed=1)
    expected = [evaluate(graph, values)[of]]
    expected += [by_complex_step(graph, [of], name, values)[0] for name in wrt]
    for mode in MODES[:2]:
        found = jacobian(graph, of, wrt, mode=mode)
        assert distance(outputs(found, values), expected) <= 1e-12, mode
        assert distance(outputs(optimise(found)[0], values), expected) <= 1e-12, mode
        assert distance(outputs(jacobian(graph.unroll(), of, wrt, mode=mode), values), expected) <= 1e-12


@pytest.mark.parametrize("case", one_in(2, ARRAY_CASES))
def test_products_with_a_vector_are_those_of_the_jacobian(case: str) -> None:
    graph = ARRAYS[case]
    of, wrt, values = graph.outputs[0], reals(graph), random_values(graph, seed=2)
    value, *blocks = outputs(jacobian(graph, of, wrt), values)
    along = directions(graph, wrt, values)
    forward = sum(np.tensordot(b, along[f"v_{name}"], np.ndim(along[f"v_{name}"])) for name, b in zip(wrt, blocks))
    across = np.random.Generator(np.random.PCG64(3)).standard_normal(np.shape(value))
    backward = [np.tensordot(across, block, np.ndim(across)) for block in blocks]
    for one in (graph, graph.unroll()):
        assert distance(outputs(jvp(one, of, wrt), {**values, **along}), [value, np.asarray(forward)]) <= 1e-12
        assert distance(outputs(vjp(one, of, wrt), {**values, f"v_{of}": across}), [value, *backward]) <= 1e-12


@holds_for(index_graphs(), quick=8, slow=20)
def test_a_product_from_the_left_and_from_the_right_is_one_number(graph: Graph) -> None:
    of, values = graph.equations[-2].name, random_values(graph, samples=2)
    along = directions(graph, reals(graph), values)
    _, forward = outputs(jvp(graph, of), {**values, **along})
    across = np.random.Generator(np.random.PCG64(3)).standard_normal(forward.shape)
    _, *backward = outputs(vjp(graph, of), {**values, f"v_{of}": across})
    other = sum(np.sum(along[f"v_{name}"] * slope) for name, slope in zip(reals(graph), backward))
    assert np.sum(across * forward) == pytest.approx(other, rel=1e-11, abs=1e-11)


@holds_for(index_graphs(), quick=10, slow=40)
def test_jacobians_of_random_graphs(graph: Graph) -> None:
    of = graph.equations[-2].name
    values = random_values(graph, samples=2)
    expected = [by_complex_step(graph, [of], name, values)[0] for name in reals(graph)]
    for mode in MODES[:2]:
        found = jacobian(graph, of, mode=mode)
        assert distance(outputs(found, values)[1:], expected) <= 1e-11
        assert distance(outputs(optimise(found)[0], values)[1:], expected) <= 1e-11


# --- samples ------------------------------------------------------------------------------------------------------


def test_the_jacobian_of_each_sample() -> None:
    graph = mlp([3, 4, 2])
    values = random_values(graph)
    _, full, weights = outputs(jacobian(graph, "u2", ["x", "W1"]), values)
    for mode in MODES[:2]:
        _, own, same = outputs(jacobian(graph, "u2", ["x", "W1"], mode=mode, samples=True), values)
        assert own.shape == (4, 2, 3)
        np.testing.assert_allclose(own, np.einsum("stsd->std", full), rtol=1e-13)
        np.testing.assert_allclose(same, weights, rtol=1e-12, atol=1e-14)
    _, curvature = outputs(hessian(graph, "u2", ["x"], samples=True), values)
    _, whole = outputs(hessian(graph, "u2", ["x"]), values)
    np.testing.assert_allclose(curvature, np.einsum("stsdse->stde", whole), rtol=1e-12, atol=1e-14)


def test_the_jacobian_of_each_sample_takes_work_in_proportion_to_the_samples() -> None:
    found = optimise(jacobian(mlp([3, 4, 2]), "u2", ["x"], samples=True))[0]
    once, many = (count_operations(found, samples).total() for samples in (1, 101))
    assert many - once <= 100 * once


@pytest.mark.parametrize("mode", MODES[:2])
def test_mixed_samples_have_no_jacobian_per_sample(mode: Mode) -> None:
    graph = ARRAYS["samples that are mixed"]
    with pytest.raises(DerivationError, match="'y' of one sample depends on 'x' of others"):
        jacobian(graph, "y", ["x"], mode=mode, samples=True)


def test_gradients_per_sample_add_up_to_the_gradient() -> None:
    graph = mlp([3, 4, 3])
    wrt, values = parameters(graph), random_values(graph)
    loss, *rows = outputs(per_sample_gradients(graph, "loss", wrt), values)
    expected, *slopes = outputs(gradient(graph, "loss", wrt), values)
    assert [row.shape for row in rows] == [(4, *slope.shape) for slope in slopes]
    assert distance([loss, *(row.sum(axis=0) for row in rows)], [expected, *slopes]) <= 1e-13
    one = {name: value[1:2] if name in "xy" else value for name, value in values.items()}
    _, *single = outputs(gradient(graph, "loss", wrt), one)
    assert distance([4 * row[1] for row in rows], single) <= 1e-13
    _, *each = outputs(per_sample_gradients(graph, "l", [*wrt, "x"]), values)
    assert distance(each[:-1], [4 * row for row in rows]) <= 1e-13
    assert each[-1].shape == (4, 3)


def test_what_is_no_sum_over_samples_has_no_gradients_per_sample() -> None:
    graph = system(Equation(q[i], A[i, j] * v[j], SUM, (j,)), Equation(Variable("L").symbol, q[i] ** 2, SUM, (i,)))
    with pytest.raises(DerivationError, match="'L' is not a sum over samples: no sample changes it"):
        per_sample_gradients(graph, "L")
    with pytest.raises(DerivationError, match="'q' need an array over the samples"):
        per_sample_gradients(graph, "q")


SAMPLES, OTHERS = symbols("n m")
X, W = IndexedBase("x", shape=(SAMPLES,)), IndexedBase("w", shape=(OTHERS,))
A0, B0, R0 = symbols("a b R")
k, k1 = Idx("k", SAMPLES), Idx("k", OTHERS)
ERRORS = Sum((X[k] - A0) ** 2, (k, 0, SAMPLES - 1))


@pytest.mark.parametrize(
    "entries",
    [
        {"L": ERRORS / SAMPLES},
        {"L": B0**2 * ERRORS / 2},
        {"R": ERRORS / SAMPLES, "L": R0 / 3},
        {"R": (ERRORS + Sum(B0 * X[k] ** 4, (k, 0, SAMPLES - 1))) / SAMPLES, "L": R0 / 2 + B0 * R0},
        {"L": ERRORS / SAMPLES + Sum((X[k] - B0) ** 4 + A0, (k, 0, SAMPLES - 1))},
    ],
    ids=str,
)
def test_the_terms_of_what_is_linear_in_sums_over_samples_add_up_to_it(entries: dict[str, Expr]) -> None:
    graph = from_expressions(entries, [A0, B0, X])
    values = {"a": np.array(0.3), "b": np.array(-0.8), "x": np.array([0.5, 1.25, -2.0])}
    loss, *rows = outputs(per_sample_gradients(graph, "L", ["a", "b"]), values)
    expected, *slopes = outputs(gradient(graph, "L", ["a", "b"]), values)
    assert [row.shape for row in rows] == [(3,), (3,)]
    assert distance([loss, *(row.sum() for row in rows)], [expected, *slopes]) <= 1e-14


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        (ERRORS / SAMPLES + A0**2, "`a**2` in `L = a**2 + v1/n` belongs to no sample; a regulariser"),
        (sqrt(ERRORS), "`L = sqrt(v1)` is not linear in sums over samples"),
        (ERRORS * Sum(X[k], (k, 0, SAMPLES - 1)), "`L = v1*v2` is not linear in sums over samples"),
        (ERRORS + Sum(W[k1], (k1, 0, OTHERS - 1)), "it adds sums over m and over n samples"),
    ],
    ids=str,
)
def test_what_keeps_a_loss_from_being_a_sum_over_samples_is_named(loss: Expr, found: str) -> None:
    graph = from_expressions({"L": loss}, [A0, X, W])
    with pytest.raises(DerivationError, match=re.escape(f"'L' is not a sum over samples: {found}")):
        per_sample_gradients(graph, "L", ["a"])


# --- work ---------------------------------------------------------------------------------------------------------

NETWORKS = {
    "2-16-3": mlp([2, 16, 3]),
    "64-32-10": mlp([64, 32, 10]),
    "20-20-20-4": mlp([20, 20, 20, 4], sigmoid, squared_error),
    "6-10-5 silu": mlp([6, 10, 5], silu),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_gradient_and_hessian_vector_product_are_within_their_bounds(case: str) -> None:
    graph = NETWORKS[case]
    wrt = parameters(graph)

    def work(of: Graph) -> int:
        return count_operations(optimise(of)[0], 16).total()

    forward = work(graph)
    assert work(gradient(graph, "loss", wrt)) <= 5 * forward
    assert work(hvp(graph, "loss", wrt)) <= 10 * forward


def test_the_jacobian_takes_the_cheaper_mode() -> None:
    narrow, wide = mlp([2, 8, 20]).with_outputs("u2"), mlp([20, 8, 2]).with_outputs("u2")
    for graph, mode in ((narrow, "forward"), (wide, "reverse")):
        assert jacobian(graph, "u2", ["x"], samples=True) == jacobian(graph, "u2", ["x"], samples=True, mode=mode)


def test_the_hessian_of_a_small_network_is_dominated_by_its_entries() -> None:
    """1,172 entries of the blocks i ≤ j, a multiplication and an addition for each of 16 samples."""
    entries = 2 * 16 * 1172
    for ending, factor in ((squared_error, 1.25), (cross_entropy, 1.75)):
        graph = mlp([2, 8, 2], tanh, ending)
        found = optimise(hessian(graph, "loss", parameters(graph)))[0]
        assert count_operations(found, 16).total() <= factor * entries


# --- sparse -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "mode"),
    one_in(3, ((case, mode) for case in ARRAYS for mode in MODES[:2])),
)
def test_the_sparse_jacobian_is_the_dense_one(case: str, mode: Mode) -> None:
    graph = ARRAYS[case]
    of, values = graph.outputs[0], random_values(graph, seed=1)
    value, *blocks = outputs(jacobian(graph, of), values)
    dense = np.concatenate([block.reshape(value.size, -1) for block in blocks], axis=1)
    for one in (graph, graph.unroll()):
        found = sparse_jacobian(one, of, mode=mode)
        matrix = found.assemble(*outputs(optimise(found.graph)[0], values))
        assert distance([matrix.toarray()], [dense]) <= 1e-12


def test_a_sparse_jacobian_has_the_samples_on_a_diagonal_of_blocks() -> None:
    graph = mlp([3, 4, 2])
    found = sparse_jacobian(graph, "u2", ["x"])
    rows, columns = found.pattern(S=1000)
    assert len(rows) == 1000 * 2 * 3
    assert np.array_equal(rows // 2, columns // 3)
    assert count_operations(optimise(found.graph)[0], 1000).total() < 1000 * 200


def test_extents_that_no_array_has_can_be_given() -> None:
    found = sparse_jacobian(ARRAYS["onto the diagonal"], "r", ["v"])
    assert found.assemble(*outputs(found.graph, random_values(ARRAYS["onto the diagonal"]))).shape == (9, 3)
    graph = Graph((x, v), (Equation(q[i], v[i] ** 2),), ("q",))
    found = sparse_jacobian(graph, "q", ["x", "v"])
    assert found.assemble(*outputs(found.graph, random_values(graph)), S=5).shape == (3, 18)


def test_sparse_jacobians_share_their_indices_and_nothing_else() -> None:
    graph = mlp([3, 4, 2])
    found = sparse_jacobian(graph, "u2", ["x"])
    first, second, larger = (
        found.assemble(*outputs(found.graph, random_values(graph, seed, samples)))
        for seed, samples in ((0, 5), (1, 5), (2, 6))
    )
    assert first.indices is second.indices
    assert first.indptr is second.indptr
    assert not np.shares_memory(first.data, second.data)
    assert larger.shape == (12, 18)
    for matrix in (first, second, larger):
        checked = csr_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
        assert matrix.has_canonical_format
        assert checked.has_canonical_format


def reactions(n: Expr | int, ends: str) -> Graph:
    """The Brusselator on a line: neighbours beyond its ends are given, or the ends themselves are."""
    i, (u, v, f) = Idx("i", n), (IndexedBase(name, shape=(n,)) for name in "uvf")

    def within(value: Expr, condition: Expr) -> Expr:
        return Piecewise((value, condition), (1, True)) if ends == "neighbours" else value

    diffusion = within(u[i - 1], i > 0) - 2 * u[i] + within(u[i + 1], i < n - 1)
    rate = 1 + u[i] ** 2 * v[i] - 4 * u[i] + 50 * diffusion
    whole = rate if ends == "neighbours" else Piecewise((rate, (i > 0) & (i < n - 1)), (u[i] - 1, True))
    return from_expressions({f[i]: whole}, [u, v])


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize(("ends", "stored"), [("neighbours", 4 * 40 - 2), ("ends", 4 * 38 + 2)])
@pytest.mark.parametrize("n", [40, Symbol("n", integer=True, positive=True)])
def test_a_sparse_jacobian_of_neighbours_stores_nothing_else(n: Expr | int, ends: str, stored: int, mode: Mode) -> None:
    graph = reactions(n, ends)
    found = sparse_jacobian(graph, "f", mode=mode)
    values = random_values(graph, samples=40)
    _, *blocks = outputs(jacobian(graph, "f"), values)
    matrix = found.assemble(*outputs(found.graph, values))
    assert distance([matrix.toarray()], [np.concatenate(blocks, axis=1)]) <= 1e-12
    assert matrix.nnz == stored
    assert len(optimise(found.graph)[0].equations) < 20


def test_neighbours_on_a_grid_are_as_few() -> None:
    """One value for each place of a stencil at each inner point; none of a thousand points is written out."""
    i, j, x, y = Idx("i", 33), Idx("j", 35), IndexedBase("x", shape=(33, 35)), IndexedBase("y")
    inside = (i > 0) & (i < 32) & (j > 0) & (j < 34)
    stencil = x[i - 1, j] + x[i + 1, j] ** 2 + x[i - 1, j + 1] * x[i, j - 1] + sin(x[i, j])
    graph = from_expressions({y[i, j]: Piecewise((stencil, inside), (0, True))}, [x])
    found = sparse_jacobian(graph, "y", mode="forward")
    values = random_values(graph)
    matrix = found.assemble(*outputs(optimise(found.graph)[0], values))
    direction = random_values(graph, seed=1)["x"]
    expected = outputs(jvp(graph, "y"), {**values, "v_x": direction})[1]
    assert distance([matrix @ direction.ravel()], [expected.ravel()]) <= 1e-12
    assert matrix.nnz == 5 * 31 * 33
    assert len(optimise(found.graph)[0].equations) < 30


WHOLE = {"the softmax of a network", "the loss of each sample", "a network, all outputs", "a network, three layers"}
"""What takes a second or more written out, all elements of its Hessian being formulas of their own."""


@pytest.mark.parametrize(
    "case", one_in(4, (pytest.param(case, marks=pytest.mark.slow) if case in WHOLE else case for case in ARRAYS))
)
def test_the_sparse_hessian_is_the_dense_one(case: str) -> None:
    """Of the sum of the cubes of the first output, against the dense Jacobians of its gradient."""
    graph = ARRAYS[case]
    output = graph.variable(graph.outputs[0])
    index = seed_indices(graph, output)
    total = Equation(Variable("total").symbol, output[index] ** 3, Reduction.SUM if index else None, index)
    graph = Graph(graph.inputs, (*graph.equations, total), ("total",))
    values, slopes = random_values(graph, seed=1), gradient(graph, "total")
    rows = [outputs(jacobian(slopes, slope, reals(graph)), values) for slope in slopes.outputs[1:]]
    whole = np.block([[block.reshape(value.size, -1) for block in blocks] for value, *blocks in rows])
    for one in (graph, graph.unroll()):
        found = sparse_hessian(one, "total")
        matrix = found.assemble(*outputs(optimise(found.graph)[0], values))
        assert distance([matrix.toarray()], [whole]) <= 1e-12
        assert matrix.has_canonical_format


def test_a_sparse_jacobian_needs_all_extents_and_all_arrays() -> None:
    found = sparse_jacobian(mlp([3, 4, 2]), "u2", ["x"])
    with pytest.raises(DerivationError, match="the extent S is not known"):
        found.pattern()
    with pytest.raises(DerivationError, match="found 1 arrays, expected those of the outputs u2, values of du2/dx"):
        found.assemble(np.zeros((4, 2)))


# --- what is refused ----------------------------------------------------------------------------------------------

TRANSFORMATIONS: list[Callable[..., Graph]] = [
    gradient, jacobian, hessian, hvp, jvp, vjp, gauss_newton, lambda *asked: sparse_jacobian(*asked).graph,
]  # fmt: skip
NAMED = from_expressions({"xy": Symbol("x") * Symbol("y") ** 2}, symbols("x y"))


@pytest.mark.parametrize("transform", TRANSFORMATIONS)
def test_a_vertex_is_named_by_its_name_or_by_what_has_it(transform: Callable[..., Graph]) -> None:
    expected = str(transform(NAMED, "xy", ["x"]))
    for name in ("x", Symbol("x"), [Symbol("x", positive=True)], ("x",), {"x": 1}, Variable("x")):
        assert str(transform(NAMED, "xy", name)) == expected
    assert str(transform(NAMED, Symbol("xy"), "x")) == expected
    with pytest.raises(GraphError, match=re.escape("the graph has no variable 'yx' (it has: x, y, xy)")):
        transform(NAMED, "xy", "yx")
    with pytest.raises(DerivationError, match="wrt: found 3, an int, expected a name, or a Symbol, IndexedBase"):
        transform(NAMED, "xy", 3)
    with pytest.raises(DerivationError, match=re.escape("of: found x*y**2, a Mul, expected a name")):
        transform(NAMED, Symbol("x") * Symbol("y") ** 2, ["x"])


def test_arrays_are_named_by_their_bases() -> None:
    graph = mlp([2, 3, 2], tanh)
    assert str(gradient(graph, "loss", IndexedBase("W1"))) == str(gradient(graph, "loss", ["W1"]))
    assert str(gradient(graph, "loss", MatrixSymbol("W1", 3, 2))) == str(gradient(graph, "loss", ["W1"]))
    assert str(per_sample_gradients(graph, "loss", "W1")) == str(per_sample_gradients(graph, "loss", ["W1"]))
    assert count_paths(graph, Symbol("loss"), "W1") == count_paths(graph, "loss", ["W1"])


REFUSED: list[tuple[Callable[[Graph], object], str]] = [
    (lambda graph: jacobian(graph, "u2", ["y"]), "'y' holds integers"),
    (lambda graph: jacobian(graph, "y", ["x"]), "'y' holds integers"),
    (lambda graph: jacobian(graph, "u2", ["x", "x"]), "wrt names a vertex twice: x, x"),
    (lambda graph: jacobian(graph, "u2", ["x"], mode="sideways"), "unknown mode 'sideways'"),  # type: ignore[arg-type]
    (lambda graph: hvp(graph, "u2", ["x"]), "the Hessian-vector product of 'u2' needs a scalar"),
    (lambda graph: gradient(graph, "u2", ["x"]), "the gradient of 'u2' needs a scalar"),
]


@pytest.mark.parametrize(("ask", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_has_no_derivative_is_refused(ask: Callable[[Graph], object], message: str) -> None:
    with pytest.raises(DerivationError, match=message):
        ask(mlp([3, 4, 2]))


def test_derivatives_have_the_names_that_say_what_they_are() -> None:
    graph = mlp([3, 4, 2])
    for mode in MODES[:2]:
        assert jacobian(graph, "u2", ["x", "W2"], mode=mode).outputs == ("u2", "du2/dx", "du2/dW2")
        assert jacobian(graph, "u2", ["x"], mode=mode, samples=True).outputs == ("u2", "du2/dx")
    assert hessian(graph, "loss", ["W1", "b2"]).outputs == (
        "loss",
        "ddloss/dW1/dW1",
        "ddloss/dW1/db2",
        "ddloss/db2/db2",
    )
    again = jacobian(jacobian(graph, "u2", ["x"]), "u2", ["x"])
    assert again.outputs == ("u2", "du2/dx'")


# --- any named vertex ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("wrt", ["a1", "u1", "z2", "e", "Z"])
def test_the_jacobian_by_an_intermediate_vertex_is_that_of_the_graph_in_which_it_is_an_input(
    wrt: str, mode: Mode
) -> None:
    graph = mlp([2, 3, 3])
    values = random_values(graph)
    cut = Graph((*graph.inputs, graph.variable(wrt)), tuple(e for e in graph.equations if e.name != wrt), ("p",))
    at = {**values, wrt: evaluate(graph, values)[wrt]}
    (expected,) = by_complex_step(cut, ["p"], wrt, at)
    assert distance(outputs(jacobian(graph, "p", [wrt], mode=mode), values)[1:], [expected]) <= 1e-12


@pytest.mark.parametrize("mode", MODES[:2])
def test_a_vertex_by_itself_has_the_identity_and_by_what_it_does_not_read_zeros(mode: Mode) -> None:
    graph = ARRAYS["a matrix product"]
    found = outputs(jacobian(graph, "r", ["r"], mode=mode), random_values(graph))[1]
    assert np.array_equal(found.reshape(9, 9), np.eye(9))
    other = mlp([2, 3, 3])
    found = outputs(jacobian(other, "u1", ["W2"], mode=mode), random_values(other))[1]
    assert found.shape == (4, 3, 3, 3)
    assert not found.any()
