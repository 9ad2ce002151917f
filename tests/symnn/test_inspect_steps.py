"""Forward and backward pass with numbers: the lecture's graph to the digit, and networks against evaluate()."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sympy import log, symbols, tanh

from codegen import CodegenError, Equation, Graph, Index, Reduction, Variable, from_expressions, gradient
from codegen.numeric import evaluate
from symnn.activations import ACTIVATIONS
from symnn.inspect import Steps, steps
from symnn.inspect.errors import InspectError
from symnn.inspect.graphs import with_sizes
from symnn.losses import LOSSES
from symnn.network import Network, dense
from tests.codegen.networks import ENDINGS, S, index_graphs, lecture, mlp, random_values, s
from tests.properties import holds_for
from tests.sweeps import one_in

Arrays = Mapping[str, NDArray[np.float64]]

POINT = {"a": 2, "b": 1}


# --- the lecture's graph ------------------------------------------------------------------------------------------


def test_lecture_graph(golden: Callable[[str, str], None]) -> None:
    golden("steps_lecture.txt", f"{steps(lecture(), POINT, of='e')}\n")


def test_lecture_graph_as_data() -> None:
    found = steps(lecture(), POINT, of="e")
    assert [(v.name, v.value, v.gradient) for v in found.vertices] == [
        ("a", 2, 2),
        ("b", 1, 5),
        ("c", 3, 2),
        ("d", 2, 3),
        ("e", 6, 1),
    ]
    assert [(d.name, d.formula, d.value) for v in found.vertices for d in v.local_derivatives] == [
        ("∂c/∂a", "1", 1),
        ("∂c/∂b", "1", 1),
        ("∂d/∂b", "1", 1),
        ("∂e/∂c", "d", 2),
        ("∂e/∂d", "c", 3),
    ]
    b = found["b"]
    assert b.gradient_name == "∂e/∂b"
    assert [(c.through, c.local, c.formula, c.numbers, c.value) for c in b.contributions] == [
        ("c", "∂c/∂b", "∂e/∂c·∂c/∂b", "2·1", 2),
        ("d", "∂d/∂b", "∂e/∂d·∂d/∂b", "3·1", 3),
    ]


def test_negative_numbers_have_brackets_where_they_are_needed() -> None:
    x, y, u, v = symbols("x y u v")
    graph = from_expressions({"u": x**2 - y, "v": tanh(x) * u, "e": v * y}, [x, y])
    lines = [line.strip() for line in str(steps(graph, {"x": -1, "y": -2})).splitlines()]
    assert "u = x² − y = (−1)² − (−2) = 3" in lines
    assert "v = u·tanh(x) = 3·tanh(−1) = −2.28478" in lines
    assert "∂e/∂y = ∂e/∂u·∂u/∂y + v = 1.52319·(−1) + (−2.28478) = −3.80797" in lines


def test_a_vertex_that_reads_the_last_one_directly_and_not() -> None:
    x, u = symbols("x u")
    graph = from_expressions({"u": 2 * x, "e": u + x * u}, [x])
    assert "∂e/∂x = ∂e/∂u·∂u/∂x + u = 4·2 + 6 = 14" in str(steps(graph, {"x": 3}))


def test_wrt() -> None:
    found = steps(lecture(), POINT, of="e", wrt=["a"])
    assert found["b"].gradient is None
    assert found["a"].gradient == 2
    assert "∂e/∂b" not in str(found)
    assert "∂c/∂b" not in str(found)


def test_wrt_an_intermediate_vertex() -> None:
    found = steps(lecture(), POINT, of="e", wrt=["d"])
    assert (found["d"].gradient, found["c"].gradient) == (3, None)


def test_of_an_intermediate_vertex() -> None:
    found = steps(lecture(), POINT, of="d")
    assert [v.name for v in found.vertices] == ["a", "b", "d"]
    assert found["a"].gradient == 0


def test_wrt_a_vertex_that_does_not_lead_there() -> None:
    found = steps(lecture(), POINT, of="d", wrt=["b", "c"])
    assert (found["b"].gradient, found["c"].gradient) == (1, 0)


def test_a_long_sum_is_not_written_out() -> None:
    i, x = Index("i", 10_000), Variable("x", (10_000,))
    graph = Graph((x,), (Equation(Variable("e").symbol, x[i] ** 2 + x[7], Reduction.SUM, (i,)),), ("e",))
    found = steps(graph, {"x": np.ones(10_000)})
    assert "e = Σ_i (x[i]² + x[7]) = 20000" in str(found)
    assert found.vertices[0].gradient[7] == 10_002


def test_an_unknown_vertex() -> None:
    with pytest.raises(KeyError, match="q"):
        steps(lecture(), POINT)["q"]


def test_special_values() -> None:
    x = symbols("x")
    graph = from_expressions({"e": log(x) * x}, [x])
    assert "e = x·log(x) = 0·log(0) = nan" in str(steps(graph, {"x": 0}))


# --- networks -----------------------------------------------------------------------------------------------------


def point(network: Network, samples: int) -> dict[str, NDArray[np.float64]]:
    """Random parameters and data."""
    generator = np.random.Generator(np.random.PCG64(1))
    values = {name: generator.standard_normal(p.shape) for name, p in network.layout.items()}
    labels = network.target.kind == "integer"
    shape = (samples,) if labels else (samples, network.outputs)
    y = generator.integers(0, network.outputs, shape) if labels else generator.random(shape)
    return {**values, "x": generator.standard_normal((samples, network.inputs)), "y": y}


def assert_agrees(found: Steps, graph: Graph, of: str, values: Arrays) -> None:
    """Every value and every gradient is that of the graph and of its gradient."""
    expected = evaluate(graph, values)
    names = [v.name for v in graph.inputs if v.kind == "real"]
    derived = evaluate(gradient(graph, of, names), values)
    for vertex in found.vertices:
        name, _, subscripts = vertex.name.removesuffix("]").partition("[")
        place = tuple(int(i) for i in subscripts.split(",") if i.isdecimal())
        np.testing.assert_allclose(vertex.value, expected[name][place], rtol=1e-12, atol=1e-12)
        if vertex.gradient is not None and f"d{of}/d{name}" in derived:
            np.testing.assert_allclose(vertex.gradient, derived[f"d{of}/d{name}"][place], rtol=1e-12, atol=1e-12)
        if vertex.contributions:
            total = sum(np.asarray(contribution.value) for contribution in vertex.contributions)
            np.testing.assert_allclose(vertex.gradient, total, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", one_in(2, ACTIVATIONS))
def test_every_activation_neuron_by_neuron(name: str) -> None:
    network = Network(2, (dense(2, name), dense(3)), "softmax_cross_entropy")
    values = point(network, 2)
    found = steps(network, values)
    assert_agrees(found, network.graph, "loss", values)
    assert isinstance(found["a1[1,0]"].value if name != "identity" else 0.0, float)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("samples", [2, 40])
def test_every_loss_neuron_by_neuron_and_layer_by_layer(loss: str, samples: int) -> None:
    network = Network(2, (dense(2, "tanh"), dense(2)), loss, weight_decay=0.01)
    values = point(network, samples)
    found = steps(network, values)
    assert_agrees(found, network.graph, "loss", values)
    assert any(v.name == "u1[0,0]" for v in found.vertices) == (samples == 2)
    assert any(v.name == "u1[s,h]" for v in found.vertices) == (samples == 40)


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
@pytest.mark.parametrize("samples", [1, 30])
def test_maxima_and_naive_formulas(ending: Callable[..., object], samples: int) -> None:
    graph = mlp([2, 3, 3], ending=ending)
    values = random_values(graph, samples=samples)
    assert_agrees(steps(graph, values), graph, "loss", values)


@holds_for(index_graphs(), quick=10, slow=100)
def test_any_graph(graph: Graph) -> None:
    values = random_values(graph, samples=2)
    assert_agrees(steps(graph, values), graph, "L", values)


def test_neurons() -> None:
    network = Network(2, (dense(1, "tanh"), dense(1)), "mean_squared_error")
    values = {"W1": [[0.5, -1]], "b1": [0.5], "W2": [[2]], "b2": [1], "x": [[1, 1]], "y": [[3]]}
    lines = [line.strip() for line in str(steps(network, values)).splitlines()]
    assert [line for line in lines if line.startswith(("z1", "u1", "a1", "output", "∂loss/∂u1", "∂loss/∂W1"))] == [
        "z1[0,0] = W1[0,0]·x[0,0] + W1[0,1]·x[0,1] = 0.5·1 + (−1)·1 = −0.5",
        "u1[0,0] = z1[0,0] + b1[0] = −0.5 + 0.5 = 0",
        "a1[0,0] = tanh(u1[0,0]) = tanh(0) = 0",
        "output[0,0] = z2[0,0] + b2[0] = 0 + 1 = 1",
        "∂loss/∂u1[0,0] = ∂loss/∂a1[0,0]·∂a1[0,0]/∂u1[0,0] = (−8)·1 = −8",
        "∂loss/∂W1[0,1] = ∂loss/∂z1[0,0]·∂z1[0,0]/∂W1[0,1] = (−8)·1 = −8",
        "∂loss/∂W1[0,0] = ∂loss/∂z1[0,0]·∂z1[0,0]/∂W1[0,0] = (−8)·1 = −8",
    ]


def test_arrays() -> None:
    network = Network(64, (dense(32, "tanh"), dense(10)), "softmax_cross_entropy", weight_decay=0.01)
    values = {name: np.full(p.shape, 0.25) for name, p in network.layout.items()}
    values |= {"x": np.ones((3, 64)), "y": np.array([1, 2, 3])}
    found = str(steps(network, values))
    assert "z1[s,h] = Σ_d W1[h,d]·x[s,d]: 3×32 values from 16 to 16, mean 16" in found
    assert "∂a1[s,h]/∂u1[s,h] = 1 − tanh(u1[s,h])²: 3×32 values" in found
    assert "∂loss/∂b1[h] = Σ_s ∂loss/∂u1[s,h]: 32 values" in found
    assert "∂loss/∂W1[h,d] = (Σ_s ∂loss/∂z1[s,h]·x[s,d]) + 2·∂loss/∂norm1·W1[h,d]: 32×64 values" in found


def test_the_gradient_of_a_network_is_that_of_its_parameters() -> None:
    network = Network(2, (dense(2),), "mean_squared_error")
    values = point(network, 1)
    assert steps(network, values)["x[0,0]"].gradient is None
    assert steps(network.graph, values)["x[0,0]"].gradient is not None


# --- what is refused ----------------------------------------------------------------------------------------------

GOOD = point(Network(2, (dense(2),), "mean_squared_error"), 3)
REFUSED = [
    ({"x": np.zeros((3, 5))}, {}, r"input 'x': found an array of shape \(3, 5\), expected \(S, 2\)"),
    ({"x": np.zeros((4, 2))}, {}, r"input 'y': found an array of shape \(3, 2\), expected \(S, 2\) with S = 4"),
    ({"W1": "text"}, {}, "input 'W1': found .*, expected real numbers"),
    ({"q": 1.0}, {}, "input 'q': found a value, but the graph has only the inputs W1, b1, x, y"),
    ({}, {"of": "nothing"}, "the graph has no variable 'nothing'"),
    ({}, {"of": "output"}, r"the gradient of 'output' needs a scalar, but it has shape \(S, 2\)"),
    ({}, {"wrt": ["V"]}, "the graph has no variable 'V'"),
]


@pytest.mark.parametrize(("changed", "options", "message"), REFUSED)
def test_refused(changed: Arrays, options: dict[str, object], message: str) -> None:
    with pytest.raises(CodegenError, match=message):
        steps(Network(2, (dense(2),), "mean_squared_error"), {**GOOD, **changed}, **options)


def test_a_missing_input() -> None:
    with pytest.raises(CodegenError, match="input 'b': found no value"):
        steps(lecture(), {"a": 2})


def test_of_is_asked_for_where_it_is_not_clear() -> None:
    x = symbols("x")
    graph = from_expressions({"f": x, "g": x**2}, [x])
    with pytest.raises(InspectError, match=r"of: the graph ends in 2 real scalars \(f, g\): name one of them"):
        steps(graph, {"x": 1})


@given(st.text(min_size=1, max_size=6).filter(lambda name: name != "e"))
def test_any_name_keeps_to_its_line(name: str) -> None:
    x = symbols("x", real=True).func(name, real=True)
    found = str(steps(from_expressions({"e": x**2}, [x]), {name: 3}))
    assert len(found.splitlines()) == 8
    assert found.splitlines()[2].endswith("² = 3² = 9")


def test_numbers_for_extents_leave_the_range_of_integers() -> None:
    labels = Variable("y", (S,), "integer", below=3)
    loss = Equation(Variable("L").symbol, labels[s], Reduction.SUM, (s,))
    assert with_sizes(Graph((labels,), (loss,), ("L",)), {S: 2}).inputs == (Variable("y", (2,), "integer", below=3),)


@pytest.mark.parametrize("time", [pytest.param(4, marks=pytest.mark.slow), "any"])
def test_a_recurrence_that_is_no_small_one_goes_step_by_step(time: int | str) -> None:
    network = Network.from_spec(
        {
            "inputs": {"time": time, "features": 3},
            "layers": [{"recurrent": 30}, {"dense": 2}],
            "loss": "softmax_cross_entropy",
        }
    )
    theta = network.initial_parameters(0)
    values = {"x": np.random.default_rng(0).normal(size=(1, 4, 3)), "y": np.array([1])}
    found = steps(network, {**network.unmerged(theta), **values})
    assert [v.name for v in found.vertices if v.name.startswith("a1[")] == [f"a1[s,{t},h]" for t in range(4)]
    gradient = network.unmerged(network.compile().value_and_grad(theta, *values.values())[1])
    for name, expected in gradient.items():
        (vertex,) = [v for v in found.vertices if v.name.split("[")[0] == name]
        np.testing.assert_allclose(vertex.gradient, expected, rtol=1e-10, atol=1e-14)


def test_a_long_recurrence_is_refused() -> None:
    inputs = {"time": 200, "features": 3}
    network = Network.from_spec({"inputs": inputs, "layers": [{"recurrent": 8}, {"dense": 2}], "loss": "huber"})
    values = {**network.unmerged(network.initial_parameters(0)), "x": np.zeros((1, 200, 3)), "y": np.zeros((1, 2))}
    with pytest.raises(InspectError, match="step by step, expected at most 500"):
        steps(network, values)
