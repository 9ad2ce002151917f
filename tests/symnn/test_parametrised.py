"""Any graph as a model: its parameters found by training, checked, shown, kept and read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Idx, IndexedBase, Piecewise, Sum, Symbol, exp, log, pi, symbols, tanh

import symnn
from codegen import CodegenError, Graph, from_expressions
from symnn.graph_text import plain_graph, read_graph
from symnn.inspect import formulas

pytestmark = pytest.mark.values

a, b = symbols("a b")
S, s, j = Symbol("S"), Idx("s", Symbol("S")), Idx("j", 3)
x, z, y, u, h, W = map(IndexedBase, ("x", "z", "y", "u", "h", "W"))

CONSTANT = log(2 * pi)


def decay(constant: Any = CONSTANT) -> Graph:
    """u = a·exp(−b·x) + W·z + log 2π, by its mean squared error."""
    value = a * exp(-b * x[s]) + Sum(W[j] * z[s, j], j) + constant
    return from_expressions({u[s]: value, "loss": Sum((u[s] - y[s]) ** 2, s) / S}, [W, a, y, b, x, z])


def model(graph: Graph | None = None) -> symnn.Model:
    return symnn.Model.from_graph(graph or decay(), {"a": 1.0, "b": 0.5, "W": None}, ["x", "z"], output="u")


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    given = {"x": generator.uniform(0, 3, 60), "z": generator.normal(size=(60, 3))}
    return given | {"y": 2 * np.exp(-1.3 * given["x"]) + given["z"] @ [1, -2, 0.5] + np.log(2 * np.pi)}


@pytest.fixture(scope="module")
def trained(data: dict[str, np.ndarray]) -> symnn.TrainingResult:
    # In another order than the graph has: inputs are known by their names.
    return symnn.train(model(), {"z": data["z"], "x": data["x"]}, data["y"], {"optimiser": "lbfgs", "epochs": 40})


def test_the_parameters_are_found_in_their_own_units(trained: symnn.TrainingResult) -> None:
    np.testing.assert_allclose(trained.theta, [2, 1.3, 1, -2, 0.5], rtol=1e-6)
    assert trained.test_loss is not None
    assert trained.test_loss < 1e-12


def test_it_is_kept_and_read_again(trained: symnn.TrainingResult, data: dict[str, np.ndarray], tmp_path: Path) -> None:
    trained.save(tmp_path / "decay.safetensors")
    read, inputs = symnn.load(tmp_path / "decay.safetensors"), {"x": data["x"], "z": data["z"]}
    np.testing.assert_array_equal(read.predict(inputs), trained.predict(inputs))
    again = symnn.train(read.network, inputs, data["y"], {"optimiser": "lbfgs", "epochs": 1}, initial=read.theta)
    np.testing.assert_allclose(again.theta, trained.theta, rtol=1e-6)


def test_it_is_checked_and_shown() -> None:
    found = model()
    symnn.check(found).raise_if_failed()
    assert "u[s] = a·c1[s] + v1[s] + log(2·π)" in formulas(found.network)
    assert "∂loss/∂a = Σ_s ∂loss/∂u[s]·c1[s]" in formulas(found.network)


def test_batches_of_it_are_gone_through(data: dict[str, np.ndarray]) -> None:
    found = model()
    start = found.network.initial_parameters()
    descent = symnn.Descent(found, start, "gradient_descent", learning_rate=0.1)
    descent.epoch((data["x"], data["z"]), data["y"])
    loss, gradient = found.value_and_grad(start, data["x"], data["z"], data["y"])
    np.testing.assert_allclose(descent.theta, start - 0.1 * gradient, rtol=1e-14)
    assert found.loss(start, data["x"], data["z"], data["y"]) == pytest.approx(loss, rel=1e-14)


def test_initialisers_and_first_values() -> None:
    M = IndexedBase("M")
    i = Idx("i", 2)
    graph = from_expressions({u[s]: Sum(M[i, j] * x[s, i] * x[s, i] * b, i, j), "loss": Sum(u[s], s)}, [b, M, x])
    first = symnn.Model.from_graph(graph, {"b": "zeros", "M": "he_normal"}, ["x"], output="u").network
    theta = first.initial_parameters(1)
    assert theta[0] == 0
    assert len(set(theta[1:])) == 6
    given = symnn.Model.from_graph(graph, {"M": np.arange(6).reshape(2, 3), "b": 3}, ["x"], output="u").network
    np.testing.assert_array_equal(given.initial_parameters(), [0, 1, 2, 3, 4, 5, 3])


def test_a_loss_of_the_inputs_alone_needs_no_targets() -> None:
    graph = from_expressions({"loss": Sum((x[s] - a) ** 2, s) / S}, [a, x])
    result = symnn.train(symnn.Model.from_graph(graph, ["a"], ["x"]), np.arange(20.0), settings={"optimiser": "lbfgs"})
    assert result.theta[0] == pytest.approx(result.dataset.train.x.mean())


t = Idx("t", 4)
STEPS = from_expressions(
    {h[s, 0]: tanh(x[s, 0]), h[s, t]: tanh(a * h[s, t - 1] + x[s, t]), "loss": Sum((h[s, t] - y[s, t]) ** 2, s, t) / S},
    [a, x, y],
)
"""A recurrence."""


@pytest.mark.parametrize("graph", [decay(), decay(1), STEPS], ids=["a rounded constant", "a sum", "a recurrence"])
def test_the_text_of_a_graph_is_the_graph(graph: Graph) -> None:
    inputs = [v.name for v in graph.inputs if v.name in ("x", "z")]
    parameters = [v.name for v in graph.inputs if v.name in ("a", "b", "W")]
    network = symnn.Model.from_graph(graph, parameters, inputs, loss="loss", output=graph.outputs[0]).network
    read = read_graph(json.loads(json.dumps(plain_graph(network))))  # type: ignore[arg-type]
    assert (read == network) == (graph != decay())
    assert [str(equation.target) for equation in read.stated.equations] == [
        str(equation.target) for equation in network.graph.equations
    ]


def _with(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda plain: {**plain, **changes}


def _equation(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda plain: {**plain, "equations": [{**plain["equations"][0], **changes}, *plain["equations"][1:]]}


DAMAGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no mapping": lambda plain: [plain],
    "a field too many": _with(more=1),
    "code": _equation(body="__import__('os')"),
    "an attribute": _equation(body="a.b"),
    "another array": _equation(body="q[s]"),
    "too few subscripts": _equation(body="z[s]"),
    "a power beyond all": _equation(body="9**9**9"),
    "a range beyond all": _equation(indices={"s": "S", "j": 10**9}),
    "no range": _equation(indices={}),
    "a name of an index": _equation(indices={"s s": 3}),
    "a reduction": _equation(reduction="product"),
    "a target": _equation(target="1"),
    "a length": _with(lengths=["S", "(("]),
    "no equations": _with(equations=[]),
    "too many equations": lambda plain: {**plain, "equations": plain["equations"] * 300},
    "a first value": _with(parameters=[["a", [[1], [2, 3]]]]),
    "a parameter": _with(parameters=[["q", 1.0]]),
    "a loss": _with(loss="u"),
    "no name": _with(output=3),
    "a huge variable": _with(vertices=[{"name": "u", "shape": [10**6, 10**6], "kind": "real", "below": None}]),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_the_text_of_a_stranger_is_refused(damage: Callable[[dict[str, Any]], Any]) -> None:
    plain = plain_graph(model(decay(1)).network)  # type: ignore[arg-type]
    with pytest.raises((symnn.SymnnError, CodegenError)):
        read_graph(damage(plain))


def test_what_has_no_text_is_refused_by_its_equation(tmp_path: Path) -> None:
    graph = from_expressions({u[s]: Piecewise((a, x[s] > 1), (0, True)), "loss": Sum(u[s], s)}, [a, x])
    found = symnn.Model.from_graph(graph, ["a"], ["x"], output="u").network
    with pytest.raises(symnn.CheckpointError, match=r"equation u\[s\]: found Piecewise"):
        symnn.checkpoint.save(tmp_path / "m.safetensors", found, np.ones(1))


graph = decay()
SERIES = symnn.Model.from_graph(
    from_expressions({h[0]: x[0], h[s]: a * h[s - 1] + x[s], "loss": Sum(h[s] ** 2, s)}, [a, x]),
    ["a"],
    ["x"],
    output="h",
)
FIXED = symnn.Model.from_graph(from_expressions({"loss": Sum((x[j] - a) ** 2, j)}, [a, x]), ["a"], ["x"])
MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (lambda: symnn.Model.from_graph(3, ["a"], []), "graph: found an int, expected a Graph"),
    (lambda: symnn.Model.from_graph(graph, ["c"], ["x"]), "parameters: unknown input of the graph 'c'"),
    (lambda: symnn.Model.from_graph(graph, [], ["x"]), "parameters: found none"),
    (lambda: symnn.Model.from_graph(graph, ["a"], ["a"]), "inputs: 'a' is a parameter"),
    (lambda: symnn.Model.from_graph(graph, ["x"], ["z"]), "parameters: x: found shape (S)"),
    (lambda: symnn.Model.from_graph(graph, {"a": "he"}, ["x"]), "parameters: a: unknown initialiser 'he'"),
    (lambda: symnn.Model.from_graph(graph, {"a": [1, 2]}, ["x"]), "parameters: a: found"),
    (lambda: symnn.Model.from_graph(graph, ["a"], ["x"], output="y"), "output: unknown vertex 'y'"),
    (lambda: symnn.Model.from_graph(graph, ["a"], ["x"], loss="u"), "loss: 'u' has shape (S,), expected a scalar"),
    (lambda: symnn.Model.from_graph(graph, ["a", "b", "W"], ["x"], output="u"), "'u' is made of 'z', expected the"),
    (lambda: symnn.train(model(), {"x": [1.0] * 9}, [1.0] * 9), "found the features x of 1, expected the inputs x of"),
    (lambda: symnn.train(model(), {"x": np.ones(9), "z": np.ones((9, 3))}, {"q": [1.0] * 9}), "y: found 'q', expected"),
    (lambda: symnn.train(model(), {"x": np.ones(9), "z": np.ones((9, 3))}), "data: found a dict"),
    (lambda: symnn.train(SERIES, np.ones(9)), "equation h[0]: found h[0], expected samples"),
    (lambda: symnn.Descent(FIXED, np.ones(1), "adam"), "data: found x[3], expected samples along the first axis"),
]  # fmt: skip


def test_a_series_without_samples_has_a_gradient_and_an_objective(tmp_path: Path) -> None:
    series = np.array([1.0, 2.0, 0.5])
    loss, gradient = SERIES.value_and_grad(np.array([0.5]), series)
    assert (loss, gradient[0]) == (1 + 2.5**2 + 1.75**2, 2 * 2.5 + 2 * 1.75 * 3)
    assert SERIES.objective(series)(np.array([0.5]))[0] == loss
    symnn.checkpoint.save(tmp_path / "m.safetensors", FIXED, [0.5])  # type: ignore[arg-type]
    assert symnn.load(tmp_path / "m.safetensors").network == FIXED.network
    pooled = from_expressions({h[j]: a * Sum(x[s, j], s), "loss": Sum(h[j], j)}, [a, x])
    for inputs in (["x"], []):  # what is predicted is not one row for each
        found = symnn.Model.from_graph(pooled, ["a"], inputs, output="h" if inputs else None).network
        symnn.checkpoint.save(tmp_path / "m.safetensors", found, np.array([0.5]))
        assert symnn.load(tmp_path / "m.safetensors").network == found


@pytest.mark.parametrize(("make", "message"), MISTAKES, ids=[message[:30] for _, message in MISTAKES])
def test_a_mistake_is_one_sentence(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(symnn.SymnnError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.slow
def test_checkpoints_change_no_bit() -> None:
    """Two recurrent layers, the second of which reads all steps of the first."""
    layers = (symnn.recurrent(3, output="all"), symnn.recurrent(2), symnn.dense(1))
    network = symnn.Network({"time": 9, "features": 2}, layers, "mean_squared_error")
    generator = np.random.default_rng(0)
    theta, x, y = network.initial_parameters(0), generator.normal(size=(4, 9, 2)), generator.normal(size=(4, 1))
    whole, blocks = (network.compile(schedule="loops", checkpoint=every).value_and_grad for every in (None, 2))
    (loss, gradient), (other, again) = whole(theta, x, y), blocks(theta, x, y)
    assert loss == other
    assert gradient.tobytes() == again.tobytes()
    assert whole.source != blocks.source
