"""Graphs as files of ONNX: the same numbers in ONNX Runtime, and CasADi with all derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Expr, Idx, IndexedBase, Sum, atan, symbols

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


def test_a_recurrence_over_any_length_is_refused() -> None:
    T = symbols("T")
    t, h = Idx("t", T - 1), IndexedBase("h", shape=(T,))
    graph = from_expressions({h[0]: x[0], h[t + 1]: h[t] / 2 + x[t + 1]}, [IndexedBase("x", shape=(T,))])
    with pytest.raises(codegen.EmitError, match=r"equation `h.*a recurrence over T - 1 steps, expected a length"):
        model_of(graph, "h")


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
