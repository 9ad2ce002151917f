"""Graphs as files of ONNX: the same numbers in ONNX Runtime, and CasADi with all derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Expr, Idx, IndexedBase, Sum, atan, sin, symbols

import codegen
import symnn
from codegen import Graph, from_expressions
from codegen import functions as f
from codegen.numeric import evaluate
from symnn.activations import ACTIVATIONS
from symnn.samples import example
from tests import pages

onnx = pytest.importorskip("onnx")

from symnn.onnx import load, save, save_derivatives  # noqa: E402
from symnn.onnx.exporting import model_of  # noqa: E402
from symnn.onnx.reading import read  # noqa: E402

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def run(model: Any, values: Mapping[str, Any]) -> list[np.ndarray]:
    """The outputs in ONNX Runtime, where it is installed; by the reference of ONNX elsewhere."""
    onnx.checker.check_model(model, full_check=True)
    types = {i.name: onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type) for i in model.graph.input}
    feed = {name: np.asarray(values[name], kind) for name, kind in types.items()}
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        with np.errstate(all="ignore"):
            return list(ReferenceEvaluator(model).run(None, feed))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feed))


def agree(graph: Graph, values: Mapping[str, Any]) -> None:
    """The file gives what the graph does, in both precisions."""
    kinds = {variable.name: variable.kind for variable in graph.inputs}
    for dtype, tolerance in TOLERANCE.items():
        rounded = {name: np.asarray(v, dtype if kinds[name] == "real" else np.int64) for name, v in values.items()}
        expected = evaluate(graph, {n: v.astype(float) if kinds[n] == "real" else v for n, v in rounded.items()})
        for name, found in zip(graph.outputs, run(model_of(graph, "graph", dtype=dtype), rounded), strict=True):
            assert found.shape == expected[name].shape
            distance = abs(found - expected[name]) / np.maximum(1, abs(expected[name]))
            assert np.nanmax(distance, initial=0) < tolerance, (name, dtype)


def read_again(graph: Graph, values: Mapping[str, Any]) -> None:
    """The file is read as a graph that gives the same."""
    found, expected = read(model_of(graph, "graph")), evaluate(graph, values)
    given = evaluate(found.graph, {**found.parameters, **values})
    for name in graph.outputs:
        assert given[name] == pytest.approx(expected[name], rel=1e-12, abs=1e-13)


S, s = symbols("S"), Idx("s", symbols("S"))
x, y = IndexedBase("x"), IndexedBase("y")
FUNCTIONS: dict[str, Callable[[Expr], Expr]] = {
    **ACTIVATIONS,
    "expm1 and log1p": lambda z: f.expm1(z / 4) / (1 + f.log1p(z**2)),
    "atan": atan,
    "hypot": lambda z: f.hypot(z, 3) + f.modulo(z, 7) + f.log_cosh(z),
    "choice": lambda z: f.select(z - 1, z**3, f.minimum(z, 2) * f.clip(z, -1, 1)),
}


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("gelu", "softplus", "choice") else pytest.param(name, marks=pytest.mark.slow)
        for name in FUNCTIONS
    ],
)
def test_functions_and_their_slopes_over_50(name: str) -> None:
    graph = codegen.jvp(from_expressions({y[s]: FUNCTIONS[name](x[s])}, [x]), "y", ["x"])
    points = np.concatenate([np.linspace(-50, 50, 401), [1e-9, -1e-9, 0.0]])
    agree(graph, {"x": points, graph.inputs[-1].name: np.ones(len(points))})


NETWORKS: dict[str, dict[str, Any]] = {
    "dense": {"inputs": 3, "layers": [{"dense": 4, "activation": "tanh"}, {"dense": 2}]},
    "convolution": {
        "inputs": [1, 6, 6],
        "layers": [
            {"convolution": 2, "kernel": 3, "padding": "same", "activation": "relu"},
            {"max_pool": 2},
            "flatten",
        ],
    },
    "lstm": {"inputs": {"time": 3, "features": 2}, "layers": [{"lstm": 3}, {"dense": 2}]},
    "gru": {"inputs": {"time": 3, "features": 2}, "layers": [{"gru": 3}, {"dense": 2}]},
    "attention": {
        "inputs": {"time": 3, "features": 4},
        "layers": [{"attention": 2, "causal": True}, "layer_norm", {"dense": 2}],
    },
    "embedding": {"inputs": {"time": 3}, "layers": [{"embedding": 3, "vocabulary": 20}, {"recurrent": 2}]},
}


@pytest.mark.parametrize(
    "name", [name if name in ("dense", "lstm") else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def test_losses_and_gradients_of_networks(name: str) -> None:
    rows = {"dense": "softmax_cross_entropy"}.get(name, "mean_squared_error")
    network = symnn.Network.from_spec({**NETWORKS[name], "loss": rows})
    data = example(network, np.random.Generator(np.random.PCG64(0)), 4)
    graph, values = network.gradient_graph, {**network.unmerged(network.initial_parameters(0)), **data}
    agree(graph, values)
    again = read(model_of(graph, "graph"))
    expected = evaluate(graph, values)
    found = evaluate(again.graph, {**again.parameters, **{given: values[given] for given in again.inputs}})
    for output in graph.outputs:
        assert found[output] == pytest.approx(expected[output], rel=1e-12, abs=1e-14)


@pytest.mark.values
def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    i, j = Idx("i", 3), Idx("j", 4)
    A, b = IndexedBase("A", shape=(3, 4)), IndexedBase("b", shape=(4,))
    graph = from_expressions({y[i]: Sum(A[i, j] * f.relu(b[j]), j) + i}, [A, b])
    values = {"A": np.arange(12.0).reshape(3, 4) - 5, "b": np.array([1.0, -2, 3, 4])}
    save(graph, tmp_path / "y.onnx", constants={"A": values["A"]})
    found = load(tmp_path / "y.onnx")
    assert found.inputs == ("b",)
    assert found(values["b"]) == pytest.approx(evaluate(graph, values)["y"])
    save(found, tmp_path / "again.onnx")
    assert load(tmp_path / "again.onnx")(values["b"]) == pytest.approx(evaluate(graph, values)["y"])


@pytest.mark.values
def test_a_trained_network_takes_raw_rows(tmp_path: Path) -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    rows = 5 + 3 * generator.normal(size=(40, 2))
    network = symnn.Network(2, (symnn.dense(1),), "mean_squared_error")
    symnn.train(network, rows, rows[:, :1] * 7, {"epochs": 2}, progress=False).save(tmp_path / "m.safetensors")
    trained = symnn.load(tmp_path / "m.safetensors")
    save(trained, tmp_path / "m.onnx")
    (found,) = run(onnx.load(tmp_path / "m.onnx"), {"x": rows})
    assert found == pytest.approx(trained.predict(rows), rel=1e-12)


T = symbols("T")
t, n = Idx("t", T - 1), Idx("n", T)
a, h, g = (IndexedBase(name, shape=(T,)) for name in "ahg")
u, A, j, k = IndexedBase("u", shape=(T, 2)), IndexedBase("A", shape=(2, 2)), Idx("j", 2), Idx("k", 2)
L = symbols("L")
RECURRENCES: dict[str, dict[Expr, Expr]] = {
    "one step back": {h[0]: a[0], h[t + 1]: h[t] / (t + 2) + sin(a[t + 1]), L: Sum(h[n] ** 2, n)},
    "two steps back": {
        h[0]: a[0],
        h[1]: a[0] * a[1],
        h[Idx("t", T - 2) + 2]: h[Idx("t", T - 2) + 1] * sin(h[Idx("t", T - 2)]) / 2 + a[Idx("t", T - 2) + 2],
        L: Sum(h[n] * a[n], n),
    },
    "two variables": {
        h[0]: a[0],
        g[0]: -a[0],
        h[t + 1]: h[t] / 2 + sin(g[t]),
        g[t + 1]: g[t] * sin(h[t + 1]) + a[t],
        L: Sum(h[n] * g[n], n),
    },
    "components": {
        u[0, 0]: a[0],
        u[0, 1]: a[0] ** 2,
        u[t + 1, j]: Sum(A[j, k] * u[t, k], k) / 2 + a[t + 1],
        L: Sum(u[n, j] ** 2, n, j),
    },
}


def by_reference(model: Any, values: Mapping[str, Any]) -> list[np.ndarray]:
    """The outputs by the reference of ONNX."""
    from onnx.reference import ReferenceEvaluator

    types = {i.name: onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type) for i in model.graph.input}
    with np.errstate(all="ignore"):
        return list(ReferenceEvaluator(model).run(None, {name: values[name].astype(types[name]) for name in types}))


def scans(model: Any) -> int:
    """How many recurrences are not written out."""
    return sum(node.op_type == "Scan" for node in model.graph.node)


@pytest.mark.parametrize("name", RECURRENCES)
def test_recurrences_of_any_number_of_steps_and_their_adjoints_are_scans(name: str) -> None:
    inputs = [a, A] if name == "components" else [a]
    graph = codegen.gradient(from_expressions(RECURRENCES[name], inputs), "L", [str(base) for base in inputs])
    model = model_of(graph, "graph")
    assert scans(model) == 2
    for steps in (9, 2, 1) if name in ("one step back", "components") else (9, 2):
        values = {v.name: np.sin(np.arange(steps if v.name == "a" else 4)) for v in graph.inputs}
        values = {key: v.reshape(2, 2) if key == "A" else v for key, v in values.items()}
        agree(graph, values)
        if steps > 2:  # with no step at all the reference of ONNX fails
            expected = evaluate(graph, values)
            for output, found in zip(graph.outputs, by_reference(model, values), strict=True):
                assert found == pytest.approx(expected[output], rel=1e-12, abs=1e-13)
    read_again(graph, values)


@pytest.mark.parametrize(
    "kind",
    [kind if kind == "lstm" else pytest.param(kind, marks=pytest.mark.slow) for kind in ("lstm", "gru", "recurrent")],
)
def test_networks_over_any_number_of_steps(kind: str) -> None:
    layers = [{kind: 2}, {"dense": 2}]
    spec = {"inputs": {"time": "any", "features": 2}, "layers": layers, "loss": "mean_squared_error"}
    network = symnn.Network.from_spec(spec)
    graph, generator = network.gradient_graph, np.random.Generator(np.random.PCG64(0))
    model = model_of(graph, "graph")
    assert scans(model) == 2
    for steps in (1, 4):
        rows = {"x": generator.normal(size=(3, steps, 2)), "y": generator.normal(size=(3, 2))}
        values = {**network.unmerged(network.initial_parameters(0)), **rows}
        agree(graph, values)
        expected = evaluate(graph, values)
        for output, found in zip(graph.outputs, by_reference(model, values), strict=True):
            assert found == pytest.approx(expected[output], rel=1e-12, abs=1e-13)
    read_again(graph, values)


def test_a_long_recurrence_from_the_last_place_on() -> None:
    a, h, t, n = IndexedBase("a", shape=(300,)), IndexedBase("h", shape=(300,)), Idx("t", 298), Idx("n", 300)
    last = {h[299]: a[299], h[298]: a[298] * a[0], h[t]: h[t + 2] / 2 + sin(a[t] * h[t + 1])}
    graph = codegen.gradient(from_expressions({**last, L: Sum(h[n] ** 2, n)}, [a]), "L", ["a"])
    assert scans(model_of(graph, "graph")) == 2
    agree(graph, {"a": np.cos(np.arange(300.0))})
    read_again(graph, {"a": np.cos(np.arange(300.0))})


@pytest.mark.values
def test_first_values_that_one_equation_assigns() -> None:
    a, h = IndexedBase("a", shape=(300,)), IndexedBase("h", shape=(300,))
    i, t, n = Idx("i", 3), Idx("t", 297), Idx("n", 300)
    several = {h[i]: a[i] ** 2, h[t + 3]: h[t + 2] * sin(h[t]) / 2 + a[t + 1] / 3, L: Sum(h[n] ** 2, n)}
    graph = codegen.gradient(from_expressions(several, [a]), "L", ["a"])
    agree(graph, {"a": np.cos(np.arange(300.0))})


def test_a_recurrence_in_two_directions_over_any_length_is_refused() -> None:
    i, v = Idx("i", T - 1), IndexedBase("v", shape=(T, T))
    corner = {v[0, n]: a[n], v[t + 1, 0]: a[t + 1], v[t + 1, i + 1]: v[t, i + 1] + v[t + 1, i] / 2}
    with pytest.raises(codegen.EmitError, match=r"equation `v.*two directions of lengths that each call decides"):
        model_of(from_expressions(corner, [a]), "v")


def test_casadi_finds_all_derivatives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    casadi = pytest.importorskip("casadi")
    network = symnn.Network(2, (symnn.dense(4, "tanh"), symnn.dense(3, "softmax")), "mean_squared_error")
    weights = network.unmerged(network.initial_parameters(0))
    graph = network.forward_graph
    save_derivatives(graph, tmp_path, "f", "x", "output", constants=weights)
    monkeypatch.chdir(tmp_path)
    at = np.array([0.3, -0.7])
    jacobian = codegen.jacobian(graph, "output", ["x"], samples=True)
    expected = evaluate(jacobian, {**weights, "x": at[None]})
    symbol = casadi.MX.sym("x", 2)
    for function in _functions(casadi, monkeypatch):
        value = function(symbol)
        slope = casadi.Function("J", [symbol], [casadi.jacobian(value, symbol)])
        curvature = casadi.Function("H", [symbol], [casadi.hessian(casadi.sumsqr(value), symbol)[0]])
        assert np.array(function(at)).ravel() == pytest.approx(expected["output"][0], abs=1e-12)
        assert np.array(slope(at)) == pytest.approx(expected[jacobian.outputs[1]][0], abs=1e-12)
        step = np.array([1e-5, 0])
        above, below = (2 * np.array(slope(p)).T @ np.array(function(p)).ravel() for p in (at + step, at - step))
        assert np.array(curvature(at))[0] == pytest.approx((above - below) / 2e-5, abs=1e-8)
        solver = casadi.nlpsol("s", "ipopt", {"x": symbol, "f": value[0]}, {"ipopt.print_level": 0, "print_time": 0})
        found = np.array(solver(x0=at, lbx=-1, ubx=1)["x"]).ravel()
        assert evaluate(graph, {**weights, "x": found[None]})["output"][0, 0] < expected["output"][0, 0]


def _functions(casadi: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The file as CasADi's own formulas, and, where ONNX Runtime is installed, as calls of that."""
    found = [casadi.GraphBuilder("f.onnx").create("f", {"symbolic": True})]
    try:
        import onnxruntime
    except ImportError:
        return found
    libraries = sorted(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"))
    monkeypatch.setenv("CASADI_ONNXRUNTIME_LIB", str(libraries[0]) if libraries else "")
    return [*found, casadi.GraphBuilder("f.onnx").create("f")] if libraries else found


@pytest.mark.values
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs" / "onnx.md"
    monkeypatch.chdir(tmp_path)
    session: dict[str, Any] = {}
    for _ in pages.run(page, session):
        pass
    assert session["found"].inputs == ("x",)
    files = {path.name for path in tmp_path.iterdir()}
    assert {"model.onnx", "grad_model.onnx", "again.onnx", "f.onnx", "adj_f.onnx", "fwd_adj_f.onnx"} <= files
