"""Every derivative by every oracle, every emitter and schedule against exact values: tables over codegen.compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Basic, Expr, Integer, Symbol, Tuple, preorder_traversal, symbols, tanh

from codegen import CheckError, Equation, Graph, Index, Reduction, Variable, from_expressions, mixed_partials
from codegen import functions as f
from codegen.compare import KINDS, ORACLES, WAYS, Comparison, Outcome, Row, compare
from codegen.compare.functions import FUNCTIONS, function_rows
from codegen.compare.rows import applies
from codegen.compare.ways import PLAIN
from codegen.dtypes import Dtype
from codegen.functions.kinks import Extremum
from codegen.functions.special import regularised_gamma_slope
from codegen.numeric import evaluate
from codegen.passes.stabilise import stabilise
from symnn.compare import DTYPES, NETWORKS, default_rows
from tests.codegen.derivatives import ARRAYS, of_two_inputs, reals, total_of_squares
from tests.codegen.networks import (
    ENDINGS,
    S,
    index_graphs,
    linear_classifier,
    mlp,
    parameters,
    random_values,
    s,
)
from tests.properties import holds_for

Record = Callable[[str, object], None]

VECTOR = tuple(f"vector {schedule}" for schedule in ("unrolled", "loops", "tiled", "blas"))
NUMBA = tuple(f"numba {schedule}" for schedule in ("unrolled", "loops", "tiled", "blas"))


def hold(rows: Iterable[Row], record: Record | None = None) -> Comparison:
    """All agree; the worst error in ULP is recorded."""
    found = compare(rows)
    assert found.passed, f"\n{found}"
    measured = [(a.ulp, f"{a.row} by {a.what}") for a in found.agreements if a.ulp is not None]
    if record and measured:
        record("comparison", max(measured))
    return found


# --- the table of `symnn compare` ---------------------------------------------------------------------------------

QUICK = ("tanh", "Piecewise")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in (*FUNCTIONS, *NETWORKS)]
)
def test_functions_and_networks(name: str, dtype: Dtype, record_property: Record) -> None:
    found = hold(default_rows([name], [dtype]), record_property)
    judged = {a.what for a in found.agreements if a.outcome is Outcome.AGREES}
    assert {"auto auto", *(("mpmath", "complex step", "central") if dtype == "float64" else ())} <= judged
    kinks = name in FUNCTIONS and bool(FUNCTIONS[name].points.conventions) and dtype == "float64"
    assert ("convention" in judged) == kinks


LONG = {
    *("besselj 1", "besselj 3", "besselj 1/2", "bessely 2", "bessely 1/3", "besseli 2", "besseli 1/3"),
    *("besselk 2", "besselk 1/3", "expint 3", "Chi", "fresnelc", "airybi", "erfcx_curvature"),
    *("erfcx_skew", "log_normal_cdf", "log(1 − erf²)", "log Φ", "hazard", "I₁/I₀", "erfcinv", "trigamma", "asec"),
    *("besselk 0", "log I₀", "uppergamma", "Mills' ratio", "uppergamma −63/10", "expint 9/4"),
    *("Γ·Γ/Γ", "log(erf − erf)", "log E₁", "exp·Ei", "log Shi", "beta", "log Chi", "log C", "bessely 0"),
}
"""What mpmath takes long for; the quick suite has another of each family."""
TWICE = {
    *("x³", "power", "log1p", "log tanh", "sec", "sech", "asin", "acsc", "acsch", "LambertW", "hypot"),
    *("erf", "normal_cdf", "gelu", "gamma", "digamma", "Ci"),
    *("besselj 0", "jn 3"),
    *("Abs", "relu", "relu6", "ceiling", "equal", "jump of sign", "Max", "Min"),
}
"""Those whose second derivatives the quick suite holds to mpmath too, some of each family: they take it three times as
long as the first."""


def kinds() -> list[tuple[str, str]]:
    """Functions by first and second derivatives; the slow suite has all of them above, compiled too."""
    # With the second derivatives come the first, but not what is agreed upon at kinks.
    once = {n for n in FUNCTIONS if n not in TWICE or FUNCTIONS[n].points.conventions}
    quick = {"jacobian per sample": once - LONG, "mixed_partials": TWICE}
    found = [(name, kind) for name in FUNCTIONS if name not in QUICK for kind, names in quick.items() if name in names]
    return found[::5]  # neighbours in the table are of a family


def test_what_is_chosen_is_in_the_table() -> None:
    assert FUNCTIONS.keys() >= {*QUICK, *LONG, *TWICE}


@pytest.mark.parametrize(("name", "kind"), kinds())
def test_functions_without_compiling_them(name: str, kind: str) -> None:
    found = hold(
        replace(row, ways=("evaluator", "passes", "numpy"), oracles=row.oracles and ("mpmath",))
        for row in function_rows([name])
        if row.kind == kind
    )
    judged = {a.what for a in found.agreements if a.outcome is Outcome.AGREES}
    assert {"mpmath", "passes"} <= judged
    assert ("convention" in judged) == (bool(FUNCTIONS[name].points.conventions) and kind == "jacobian per sample")


def of_jax() -> Mapping[str, Callable[..., object]]:
    """What JAX itself offers for the functions that have kinks."""
    import jax.numpy as jnp
    from jax import nn

    return {
        "absolute": jnp.abs,
        "Abs": lambda x: jnp.abs(x**3 - x),
        "norm": lambda x: jnp.hypot(x, 2 * x),
        "relu": nn.relu,
        "leaky_relu": lambda x: nn.leaky_relu(x, 0.25),
        "elu": nn.elu,
        "relu6": nn.relu6,
        "hard_tanh": nn.hard_tanh,
        "clip": lambda x: jnp.clip(x**2, x / 2, 2 + x),
        "clip to numbers": lambda x: jnp.clip(x, -1.0, 2.0),
        "floor": lambda x: jnp.floor(x) * x,
        "ceiling": lambda x: jnp.ceil(x) * x,
        "frac": lambda x: jnp.mod(x, 1.0) * x,
        "Mod": lambda x: jnp.mod(x, -1.5) * x,
        "Mod by": lambda x: jnp.mod(5.0, x),
        "jump": lambda x: jnp.heaviside(x, 0.0) * (2 + x) + x,
        "jump of sign": lambda x: jnp.sign(x) * (2 + x) + x,
        "maximum": lambda x: jnp.maximum(jnp.maximum(x, x**2 / 2), -x),
        "minimum": lambda x: jnp.minimum(jnp.minimum(x, x**2 / 2), -x),
        "Max": lambda x: jnp.maximum(x, x**2 / 2),
        "Min": lambda x: jnp.minimum(x, x**2 / 2),
    }


def test_at_kinks_jax_has_what_the_table_says_of_it() -> None:
    """Its own function there has our derivative, unless the table names another one."""
    jax = pytest.importorskip("jax")
    functions = of_jax()
    assert set(functions) == {name for name, tested in FUNCTIONS.items() if tested.points.conventions}
    with jax.enable_x64(True):
        for name, function in functions.items():
            ours, theirs = FUNCTIONS[name].points.conventions, FUNCTIONS[name].points.elsewhere.get("JAX", {})
            assert {point: float(jax.grad(function)(point)) for point in ours} == {**ours, **theirs}, name
            assert all(ours[point] != slope for point, slope in theirs.items())


def of_torch() -> Mapping[str, Callable[..., object]]:
    """What PyTorch itself offers for some of them."""
    import torch
    from torch.nn import functional

    return {
        "absolute": torch.abs,
        "norm": lambda x: torch.hypot(x, 2 * x),
        "relu": torch.relu,
        "leaky_relu": lambda x: functional.leaky_relu(x, 0.25),
        "elu": functional.elu,
        "relu6": functional.relu6,
        "hard_tanh": functional.hardtanh,
        "clip": lambda x: torch.clamp(x**2, x / 2, 2 + x),
        "clip to numbers": lambda x: torch.clamp(x, -1.0, 2.0),
        "Max": lambda x: torch.maximum(x, x**2 / 2),
        "Min": lambda x: torch.minimum(x, x**2 / 2),
    }


def test_at_kinks_pytorch_has_what_the_table_says_of_it() -> None:
    torch = pytest.importorskip("torch")
    version = "PyTorch to 2.13" if tuple(map(int, torch.__version__.split(".")[:2])) <= (2, 13) else "PyTorch from 2.14"
    for name, function in of_torch().items():
        ours, told = FUNCTIONS[name].points.conventions, FUNCTIONS[name].points.elsewhere
        for point, slope in {**ours, **told.get("PyTorch", {}), **told.get(version, {})}.items():
            x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
            function(x).backward()
            assert x.grad.item() == pytest.approx(slope, nan_ok=True), (name, point)


def test_a_library_with_another_convention_is_named() -> None:
    names = ("relu", "leaky_relu", "norm")
    rows = [row for name in names for row in function_rows([name]) if row.name.endswith("at kinks")]
    found = compare(replace(row, ways=()) for row in rows)
    assert found.passed
    lines = str(found).splitlines()[1:4]
    assert [line.split("  ")[-1].strip() for line in lines] == [
        "agrees",
        "agrees; JAX: 1 at 0",
        "agrees; JAX: 1.5 at 0; PyTorch: nan at 0",
    ]


TIES = ([1.0, 4.0, 4.0], [0.5, 0.5, 0.5], [-3.0, -7.0, -3.0])


def test_tied_maxima_share_their_derivative() -> None:
    """1/k of the derivative of the maximum for each of the k arguments that attain it."""
    t, a_, m = Index("t", 3), Variable("a", (S, 3)), Variable("m", (S,))
    graph = Graph((a_,), (Equation(m[s], a_[s, t] ** 2 * 3, Reduction.MAX, (t,)),), ("m",))
    at = np.array(TIES)
    attained = (at**2 == (at**2).max(axis=1, keepdims=True)).astype(float)
    slopes = 6 * at * attained / attained.sum(axis=1, keepdims=True)
    convention = np.einsum("st,sr->srt", slopes, np.eye(len(at))).reshape(len(at), -1)
    found = hold(
        Row("ties", graph, kind, "m", ["a"], {"a": at}, oracles=("mpmath",), ways=PLAIN, convention=convention)
        for kind in ("jacobian per sample", "jacobian reverse", "jacobian forward", "vjp", "jvp")
    )
    assert [a.what for a in found.agreements if a.outcome is Outcome.AGREES].count("convention") == 5


@pytest.mark.parametrize(
    ("name", "replaced", "point"),
    [("exp", 1e300, 1000.0), ("x³", 1e300, np.inf), ("tanh", 0.1, np.inf), ("tanh", 0.0, np.nan), ("relu", 0.5, 0.0)],
)
def test_a_wrong_number_for_one_that_is_not_finite_or_at_a_kink_is_found(
    name: str, replaced: float, point: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(graph: Graph, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = evaluate(graph, values)
        at = np.asarray(values["x"])
        here = (at == point) | (np.isnan(at) & np.isnan(point))
        return {n: np.where(here, replaced, v) if n == "dy/dx" else v for n, v in found.items()}

    monkeypatch.setattr("codegen.compare.rows.evaluate", wrong)
    rows = [row for row in function_rows([name]) if " at " in row.name and row.kind == "jacobian per sample"]
    found = compare(replace(row, ways=()) for row in rows)
    assert [failure.what for failure in found.failures] == ["convention" if name == "relu" else "mpmath"]


def test_entries_that_no_oracle_tells_are_counted() -> None:
    """The kink of relu, and nan, where a comparison decides."""
    (row,) = (
        row for row in function_rows(["relu"]) if row.name.endswith("special points") and row.kind != "mixed_partials"
    )
    found = compare([replace(row, ways=())])
    assert [a.what for a in found.agreements if a.outcome is Outcome.UNDECIDED] == ["2 of 9 entries"]
    assert "2 of 9 entries" in str(found)


CURVED = {"atan", "T·log Σ exp(c/T)", "Γ·Γ/Γ"}
"""Their second derivatives have functions that no first derivative has."""


def _nodes(name: str, x: Symbol) -> Iterator[Basic]:
    """A formula as written and as the compiler has it, with its derivatives, and what stands for its functions."""
    formula = FUNCTIONS[name].formula(x)
    orders = ["x", "xx"] if name in CURVED else ["x"]
    graph = mixed_partials(stabilise(from_expressions({"e": formula}, [x])), "e", orders)
    bodies = [equation.body for equation in stabilise(graph).equations]
    for node in preorder_traversal(Tuple(formula.doit(), f.canonical(formula), *bodies)):
        yield node
        if isinstance(node, f.Composite):
            yield from preorder_traversal(node.definition())


@pytest.mark.slow
def test_every_function_that_the_compiler_knows_is_in_the_table() -> None:
    x = Symbol("x", real=True)
    met = {type(node) for name in FUNCTIONS for node in _nodes(name, x)}
    # SymPy makes polygammas of the first two; the others are the identity on real numbers.
    known = {kind for kind in f.SUPPORTED if issubclass(kind, sympy.Function)} - {
        sympy.digamma,
        sympy.trigamma,
        sympy.re,
        sympy.conjugate,
    }
    # Plain NumPy has no form of that slope; tests/codegen/test_special.py holds it to mpmath.
    known |= set(f.Primitive.__subclasses__()) - {Extremum, regularised_gamma_slope} | set(f.Composite.__subclasses__())
    known = {kind for kind in known if kind.__module__.startswith(("codegen", "sympy"))}  # none that a test has made
    # A function of SymPy's that is one of ours from its entry on is compared as that one.
    ours = {kind for kind in met if issubclass(kind, (f.Primitive, f.Composite))}
    missing = [kind for kind in known if kind not in met and not kind.__subclasses__()]
    assert [kind.__name__ for kind in missing if type(f.canonical(kind(x))) not in ours] == []


def test_every_kind_of_derivative_is_in_the_table() -> None:
    assert {row.kind for row in default_rows(dtypes=["float64"])} == set(KINDS)


# --- networks and arrays by every kind ----------------------------------------------------------------------------

GRAPHS: Mapping[str, tuple[Graph, str, Sequence[str]]] = {
    "network": (graph := mlp([2, 3, 2]), "loss", parameters(graph)),
    "network, output": (graph, "u2", ["x", *parameters(graph)]),
    "silu": (graph := mlp([3, 4, 3], f.silu), "loss", [*parameters(graph), "x"]),
    "gelu": (graph := mlp([1, 2, 2], f.gelu), "u2", ["x", *parameters(graph)]),
    "linear": (graph := linear_classifier(4, 3), "loss", parameters(graph)),
    "extents of 1": (graph := mlp([1, 1, 3]), "loss", parameters(graph)),
    "three layers": (graph := mlp([2, 3, 2, 2]), "l", ["x", *parameters(graph)]),
    "of two inputs": (graph := of_two_inputs([3, 3]), "u", ["x", *parameters(graph)]),
    **{ending.__name__: (g := mlp([2, 2, 3], ending=ending), "loss", parameters(g)) for ending in ENDINGS},
    **{name: (array, array.outputs[0], reals(array)) for name, array in ARRAYS.items()},
}
QUICK_GRAPHS = ("network", "samples that are mixed", "itself and its transpose")
OF_OTHERS = ("jvp", "vjp", "jacobian forward", "jacobian reverse", "sparse_jacobian", "gauss_newton")
"""Kinds that the quick suite has of these others, and not of the network, which takes five times as long."""


def tables() -> list[object]:
    """Every graph by every kind that applies; most of them slow."""
    found: list[object] = []
    for name, (graph, of, wrt) in GRAPHS.items():
        for kind in KINDS:
            if not applies(Row(name, graph, kind, of, wrt, {})) or (name, kind) in MIXED:
                continue
            quick = name in QUICK_GRAPHS and (name, kind) not in {("network", kind) for kind in OF_OTHERS}
            found.append(pytest.param(name, kind, marks=() if quick else (pytest.mark.slow,), id=f"{name}, {kind}"))
    return found


WITHOUT_JAX = {("network", kind) for kind in KINDS if kind not in ("gradient", "jvp")}
MIXED = {("samples that are mixed", kind) for kind in ("jacobian per sample", "per_sample_gradients", "mixed_partials")}
"""Refused: samples depend on each other."""


@pytest.mark.parametrize(("name", "kind"), tables())
def test_derivatives_of_graphs(name: str, kind: str, record_property: Record) -> None:
    graph, of, wrt = GRAPHS[name]
    values = random_values(graph, seed=3, samples=3)
    bounded = name in ("network", "silu", "linear")
    # JAX takes a second a row to compile: in the quick suite it tells of two kinds, in the slow one of all.
    oracles = ("mpmath", "complex step") if name in ARRAYS or (name, kind) in WITHOUT_JAX else tuple(ORACLES)
    hold([Row(name, graph, kind, of, wrt, values, oracles=oracles, ways=PLAIN, bounded=bounded)], record_property)


OFTEN = [
    ("gradient", "float64", VECTOR),
    ("gradient", "float32", ("vector tiled",)),
    ("hvp", "float32", ("vector tiled",)),
]
ALL = [
    (kind, *way)
    for kind in ("gradient", "hvp", "jvp")
    for way in (("float64", VECTOR), ("float64", NUMBA), ("float32", VECTOR))
]


@pytest.mark.parametrize(
    ("kind", "dtype", "ways"),
    [*OFTEN, *(pytest.param(*row, marks=pytest.mark.slow) for row in ALL if row not in OFTEN)],
)
def test_every_emitter_and_schedule(kind: str, dtype: str, ways: Sequence[str], record_property: Record) -> None:
    graph = mlp([3, 4, 3])
    values = random_values(graph, samples=5)
    row = Row("3-4-3", graph, kind, "loss", parameters(graph), values, dtype, oracles=(), ways=ways)  # type: ignore[arg-type]
    hold([row], record_property)


BLOCKED = ([13, 40, 3], [11, 70, 11], [5, 9, 13, 4])
"""Layers of more rows than a block of accumulators has, columns that do not fill a vector."""


@pytest.mark.values
@pytest.mark.parametrize(
    ("sizes", "dtype", "ways"),
    [
        *((sizes, "float64", ("vector tiled",)) for sizes in BLOCKED),
        (BLOCKED[0], "float32", ("vector tiled",)),
        *(pytest.param(sizes, "float32", ("vector tiled",), marks=pytest.mark.slow) for sizes in BLOCKED[1:]),
        (BLOCKED[0], "float64", ("vector loops", "vector blas")),
    ],
)
def test_blocks_of_matrix_products(sizes: Sequence[int], dtype: Dtype, ways: Sequence[str]) -> None:
    """Around a tile of 64 samples, the sums over them in blocks of registers."""
    graph = mlp(sizes)
    for samples in (37, 64, 131):
        values = random_values(graph, seed=samples, samples=samples)
        title = f"{'-'.join(map(str, sizes))}, {samples} samples"
        hold([Row(title, graph, "gradient", "loss", parameters(graph), values, dtype, oracles=(), ways=ways)])


# --- random graphs ------------------------------------------------------------------------------------------------

a, b = symbols("a b", real=True)
LEAVES = st.sampled_from([a, b, Integer(2), sympy.Rational(-1, 3), a * b])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        inner.map(tanh),
        inner.map(sympy.sin),
        inner.map(f.sigmoid),
        inner.map(f.softplus),
        inner.map(lambda x: sympy.exp(-(x**2))),
        inner.map(lambda x: sympy.sqrt(1 + x**2)),
        inner.map(lambda x: 1 / (2 + sympy.cos(x))),
        st.tuples(inner, inner).map(lambda pair: f.select(pair[0], pair[1], tanh(pair[0]))),
    ),
    max_leaves=8,
)


@holds_for(EXPRESSIONS, st.floats(-2, 2), st.floats(-2, 2), st.booleans(), quick=4, slow=40)
def test_random_scalar_expressions(expression: Expr, at: float, other: float, decompose: bool) -> None:
    graph = from_expressions({"dead": a + b, "e": f.canonical(expression)}, [a, b], decompose=decompose)
    values = {"a": np.array(at), "b": np.array(other)}
    for kind in ("gradient", "hessian"):
        # The step of differences may cross a kink, and its own error shows only near to it.
        hold([Row("random", graph, kind, "e", ["a", "b"], values, oracles=("mpmath", "complex step"), ways=PLAIN)])


@holds_for(
    index_graphs(), st.sampled_from(["gradient", "gradient by tangents", "jvp", "hessian", "hvp"]), quick=5, slow=40
)
def test_random_index_graphs(graph: Graph, kind: str) -> None:
    values = random_values(graph, samples=2)
    hold([Row("random", graph, kind, "L", reals(graph), values, oracles=("complex step",), ways=PLAIN)])


# The last equation is a tanh, often a saturated one; hence the size of the terms.
@pytest.mark.slow
@settings(max_examples=50)
@given(index_graphs(), st.sampled_from(["gradient", "jvp", "hvp"]), st.sampled_from([1, 3, 9]))
def test_random_index_graphs_compiled(graph: Graph, kind: str, samples: int) -> None:
    values = random_values(graph, samples=samples)
    hold([Row("random", graph, kind, "L", reals(graph), values, oracles=(), ways=VECTOR, conditioned=True)])


@pytest.mark.slow
@settings(max_examples=20)
@given(index_graphs(), st.sampled_from(["gradient", "hvp"]))
def test_random_index_graphs_in_float32(graph: Graph, kind: str) -> None:
    values = random_values(graph, samples=5)
    hold([Row("random", graph, kind, "L", reals(graph), values, "float32", None, (), VECTOR, conditioned=True)])


@pytest.mark.slow
@settings(max_examples=3)
@given(index_graphs(), st.sampled_from(["gradient", "hvp"]))
def test_random_index_graphs_as_readable_code(graph: Graph, kind: str) -> None:
    values = random_values(graph, samples=3)
    hold([Row("random", graph, kind, "L", reals(graph), values, oracles=(), ways=NUMBA[1:], conditioned=True)])


@pytest.mark.slow
@settings(max_examples=30)
@given(EXPRESSIONS, st.floats(-2, 2), st.floats(-2, 2), st.sampled_from(["gradient", "hessian"]))
def test_random_scalar_expressions_compiled(expression: Expr, at: float, other: float, kind: str) -> None:
    graph = from_expressions({"dead": a + b, "e": f.canonical(expression)}, [a, b], decompose=True)
    values = {"a": np.array(at), "b": np.array(other)}
    hold([Row("random", graph, kind, "e", ["a", "b"], values, oracles=(), ways=VECTOR, conditioned=True)])


s2, i = Index("s2", S), Index("i", 3)
y, z, K = Variable("y", (S, 3)), Variable("z", (S, 3)), Variable("K", (S, S))
q, u = Variable("q", (3,)), Variable("u", (S,))
# Where the emitters and schedules differ most from each other.
TWO_SAMPLES = {
    "maxima of products over both samples": Equation(q[i], y[s, i] * z[s2, i], Reduction.MAX, (s, s2)),
    "a diagonal of samples": Equation(q[i], K[s, s] * y[s, i], Reduction.SUM, (s,)),
    "pairs of samples": Equation(q[i], tanh(K[s, s2]) * y[s, i] * z[s2, i], Reduction.SUM, (s, s2)),
    "a transposed pair": Equation(q[i], K[s, s2] * K[s2, s] * y[s, i], Reduction.SUM, (s, s2)),
    "a maximum of each sample over the others": Equation(u[s], K[s, s2] * y[s2, 0], Reduction.MAX, (s2,)),
}
PAIRS = {
    **{name: Graph((y, z, K), (equation,), (equation.name,)) for name, equation in TWO_SAMPLES.items()},
    **ARRAYS,
}


@pytest.mark.values
@pytest.mark.parametrize("kind", ["gradient", "hvp"])
@pytest.mark.parametrize(
    "name",
    [
        n if n in ("a diagonal of samples", "onto the diagonal") else pytest.param(n, marks=pytest.mark.slow)
        for n in PAIRS
    ],
)
def test_arrays_by_every_schedule(name: str, kind: str) -> None:
    graph = total_of_squares(PAIRS[name])
    values = random_values(graph, seed=4, samples=3)
    ways = (*PLAIN, "auto auto", *VECTOR)
    hold([Row(name, graph, kind, "half", reals(graph), values, oracles=("complex step",), ways=ways, conditioned=True)])


def test_what_is_left_of_large_terms_is_told_by_their_size() -> None:
    graph = from_expressions({"b": a**2, "c": Symbol("b") ** 4, "d": Symbol("c") ** 4, "L": tanh(Symbol("d"))}, [a])
    row = Row("saturated", graph, "hvp", "L", ["a"], {"a": np.array(1.07)}, oracles=(), ways=("evaluator",))
    plainly, by_terms = (compare([replace(row, conditioned=told)]) for told in (False, True))
    assert plainly.agreements[0].metric > 1e-12
    assert by_terms.agreements[0].metric < 1e-15


def test_shared_vertices_in_a_deep_chain() -> None:
    """2¹² paths, every vertex used twice."""
    chain: dict[str, Expr] = {}
    previous: Expr = a
    for level in range(12):
        chain[f"e{level}"] = previous / 2 + tanh(previous) * b / 3
        previous = Symbol(f"e{level}")
    graph = from_expressions(chain, [a, b])
    values = {"a": np.array(0.7), "b": np.array(1.3)}
    kinds = ("gradient", "gradient by tangents", "hvp", "hessian")
    # JAX takes 15 s to compile the second derivative, PyTorch 3 s to trace it.
    oracles = ("mpmath", "complex step", "central")
    hold(Row("chain", graph, kind, "e11", ["a", "b"], values, oracles=oracles, ways=PLAIN) for kind in kinds)


def test_the_complex_step_is_right_where_formulas_change_sides() -> None:
    for formula in (f.softplus(a), f.log_sigmoid(a), f.sigmoid(a), f.log_sum_exp(a, Integer(0))):
        graph = from_expressions({"e": formula}, [a])
        hold([Row(str(formula), graph, "gradient", "e", ["a"], {"a": np.array(0.0)}, oracles=("complex step",))])


# --- the comparison itself ----------------------------------------------------------------------------------------


def product() -> Row:
    graph = from_expressions({"e": tanh(a) * b}, [a, b])
    return Row("product", graph, "gradient", "e", ["a", "b"], {"a": np.array(0.5), "b": np.array(2.0)})


def test_a_wrong_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = WAYS["evaluator"]
    monkeypatch.setattr(
        "codegen.compare.rows.WAYS", {**WAYS, "passes": lambda *given: [1.000001 * one for one in right(*given)]}
    )
    found = compare([product()])
    assert [failure.what for failure in found.failures] == ["passes"]
    assert "product, gradient: passes DISAGREES" in str(found)
    assert "1 DISAGREE" in found.markdown()


def test_a_wrong_derivation_is_found_by_every_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    other = from_expressions({"e": tanh(a) * b + a**2 / 10**6}, [a, b])
    kind = KINDS["gradient"]
    wrong = type(kind)(**{**vars(kind), "derive": lambda graph, of, wrt: kind.derive(other, of, wrt)})
    monkeypatch.setattr("codegen.compare.rows.KINDS", {**KINDS, "gradient": wrong})
    found = compare([product()])
    assert {"mpmath", "complex step", "central"} <= {failure.what for failure in found.failures}


@pytest.mark.parametrize(("field", "value"), [("kind", "slope"), ("oracles", ("guess",)), ("ways", ("by hand",))])
def test_unknown_names_are_refused(field: str, value: object) -> None:
    with pytest.raises(CheckError, match="expected one of"):
        Row(**{**vars(product()), field: value})


# --- found by these comparisons -----------------------------------------------------------------------------------


def test_an_input_that_is_read_along_a_diagonal_is_tiled() -> None:
    from codegen import Index

    d, x, t = Index("d", 3), Variable("x", (S, 3, 3)), Variable("t", (S,))
    trace = Equation(t[s], x[s, d, d] ** 2, Reduction.SUM, (d,))
    total = Equation(Variable("L").symbol, tanh(t[s]), Reduction.SUM, (s,))
    graph = Graph((x,), (trace, total), ("L",))
    hold([Row("trace", graph, "gradient", "L", ["x"], random_values(graph), ways=("auto auto", "vector tiled"))])


def test_an_output_that_is_read_by_number_and_by_index_in_one_sum() -> None:
    from codegen import Index, compile

    h, k, x, W, z = Index("h", 3), Index("k", 3), Variable("x", (S, 3)), Variable("W", (3, 3)), Variable("z", (S, 3))
    layer = Equation(z[s, h], W[h, k] * x[s, k], Reduction.SUM, (k,))
    total = Equation(Variable("L").symbol, z[s, 2] * z[s, h], Reduction.SUM, (s, h))
    graph = Graph((x, W), (layer, total), ("L", "z"))
    values = random_values(graph, 9)
    for samples in (2, 9):
        found = compile(graph, schedule="loops", emitter="vector")(values["x"][:samples].copy(), values["W"])
        expected = values["x"][:samples] @ values["W"].T
        assert np.allclose(found[1], expected, rtol=1e-14)
        assert np.isclose(found[0], (expected[:, 2:] * expected).sum(), rtol=1e-13)
