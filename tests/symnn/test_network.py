"""Networks: what their graphs are called, what their functions compute, and how their parameters begin."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import sympy
from numba import njit
from numpy.typing import NDArray

from codegen.dtypes import Dtype
from symnn.errors import SpecError
from symnn.initialisers import INITIALISERS
from symnn.losses import LOSSES
from symnn.network import Layer, Network, dense
from symnn.spec import Choice

pytestmark = pytest.mark.values

Array = NDArray[Any]

HIDDEN = Network(3, (dense(4, "tanh"), dense(2)), "softmax_cross_entropy")


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def spec(layers: list[dict[str, Any]], loss: Any = "mean_squared_error", **rest: Any) -> dict[str, Any]:
    return {"inputs": 3, "layers": layers, "loss": loss, **rest}


def names(network: Network) -> list[str]:
    """The vertices of the forward pass."""
    return [equation.name for equation in network.forward_graph.equations]


def arguments(network: Network, dtype: str = "float64", rows: int = 5, seed: int = 0) -> tuple[Array, Array, Array]:
    """Parameters with biases that are not zero, inputs, and targets as the loss takes them."""
    random = generator(seed)
    theta, x = random.normal(size=network.parameter_count), random.normal(size=(rows, network.inputs))
    if network.target.kind == "integer":
        return theta.astype(dtype), x.astype(dtype), random.integers(network.outputs, size=rows)
    y = random.uniform(size=(rows, network.outputs))
    return theta.astype(dtype), x.astype(dtype), y.astype(dtype)


def central_differences(loss: Callable[[Array], float], theta: Array) -> Array:
    h = 1e-6
    return np.array([(loss(theta + e) - loss(theta - e)) / (2 * h) for e in h * np.eye(len(theta))])


# ------------------------------------------------------------------------------------------- the graph


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((dense(2),), ["z1", "output"]),
        ((dense(2, bias=False),), ["output"]),
        ((dense(4, "tanh"), dense(2)), ["z1", "u1", "a1", "z2", "output"]),
        ((dense(4, "tanh", bias=False), dense(2, bias=False)), ["z1", "a1", "output"]),
        ((dense(4), dense(2, "sigmoid")), ["z1", "u1", "z2", "u2", "output"]),
        ((dense(4), Layer(activation="tanh"), dense(2)), ["z1", "u1", "a1", "z2", "output"]),
        ((Layer(activation="tanh"), dense(2)), ["a0", "z1", "output"]),
        ((dense(4, "tanh"), Layer(activation="sigmoid"), dense(2)), ["z1", "u1", "a1", "a1'", "z2", "output"]),
        ((dense(2), Layer(activation="tanh")), ["z1", "u1", "output"]),
        ((dense(4, "identity"), dense(2, Choice(name="identity"))), ["z1", "u1", "z2", "output"]),
    ],
)
def test_vertices_are_called_as_in_the_lecture(layers: tuple[Layer, ...], expected: list[str]) -> None:
    assert names(Network(3, layers, "mean_squared_error")) == expected


def test_the_whole_graph_runs_from_the_parameters_to_the_loss() -> None:
    assert [v.name for v in HIDDEN.graph.inputs] == ["W1", "b1", "W2", "b2", "x", "y"]
    assert HIDDEN.graph.outputs == ("loss",)
    assert HIDDEN.graph.equations[-1].name == "loss"
    assert HIDDEN.gradient_graph.outputs[0] == "loss"
    assert len(HIDDEN.gradient_graph.outputs) == 5


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((dense(2),), {"W1": (0, 6, (2, 3)), "b1": (6, 8, (2,))}),
        ((dense(2, bias=False),), {"W1": (0, 6, (2, 3))}),
        (
            (dense(4, "tanh"), dense(2)),
            {"W1": (0, 12, (4, 3)), "b1": (12, 16, (4,)), "W2": (16, 24, (2, 4)), "b2": (24, 26, (2,))},
        ),
        (
            (dense(4, bias=False), Layer(activation="relu"), dense(1)),
            {"W1": (0, 12, (4, 3)), "W2": (12, 16, (1, 4)), "b2": (16, 17, (1,))},
        ),
    ],
)
def test_parameters_lie_end_to_end(layers: tuple[Layer, ...], expected: dict[str, Any]) -> None:
    network = Network(3, layers, "mean_squared_error")
    found = {name: (p.where.start, p.where.stop, p.shape) for name, p in network.layout.items()}
    assert found == expected
    assert network.parameter_count == max(stop for _, stop, _ in expected.values())


def test_split_gives_views_by_name() -> None:
    theta = np.arange(26.0)
    parts = HIDDEN.split(theta)
    parts["b2"][1] = -1
    assert theta[-1] == -1
    np.testing.assert_array_equal(parts["W2"], theta[16:24].reshape(2, 4))


@pytest.mark.parametrize(
    ("loss", "kind", "shape", "reading"),
    [
        ("softmax_cross_entropy", "integer", 1, "classes"),
        ("softmax_cross_entropy_rows", "real", 2, "classes"),
        ("binary_cross_entropy", "real", 2, "logits"),
        ("mean_squared_error", "real", 2, "values"),
        ("huber", "real", 2, "values"),
    ],
)
def test_the_loss_says_what_targets_are_and_how_outputs_are_read(
    loss: str, kind: str, shape: int, reading: str
) -> None:
    network = Network(3, (dense(2),), loss)
    assert (network.target.kind, len(network.target.shape), network.reading) == (kind, shape, reading)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network(3, (Layer(activation="tanh"),), "huber"), "at least one layer with weights"),
        (lambda: Network(0, (dense(1),), "huber"), "inputs: found 0"),
        (lambda: Network(3, (dense(2), dense(-1)), "huber"), "dense: found -1"),
        (lambda: Network(3, (dense(2, "tahn"),), "huber").graph, "did you mean 'tanh'"),
        (lambda: Network(3, (dense(2),), "hubert").graph, "did you mean 'huber'"),
        (
            lambda: Network(3, (dense(2, initialiser="he"),), "huber").initial_parameters(),
            "unknown initialiser 'he'",
        ),
    ],
)
def test_a_network_that_cannot_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()


# ------------------------------------------------------------------------------------------- from a spec


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            spec([{"dense": 4, "activation": {"formula": "tanh(x)"}}, {"dense": 2}]),
            spec([{"dense": 4, "activation": "tanh"}, {"dense": 2}]),
        ),
        (
            spec([{"dense": 2}], {"formula": "(output - target)**2"}),
            spec([{"dense": 2}], "mean_squared_error"),
        ),
        (
            spec([{"dense": 4}, {"activation": "relu"}, {"dense": 2}]),
            spec([{"dense": 4, "activation": "relu"}, {"dense": 2}]),
        ),
        (
            spec([{"dense": 4, "activation": {"leaky_relu": {"slope": 0.01}}}]),
            spec([{"dense": 4, "activation": "leaky_relu"}]),
        ),
        (spec([{"dense": 4, "activation": "identity"}]), spec([{"dense": 4}])),
    ],
    ids=["formula", "loss formula", "layer of its own", "default parameter", "identity"],
)
def test_two_ways_of_saying_the_same_are_one_network(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = Network.from_spec(one), Network.from_spec(other)
    assert first.graph == second.graph
    np.testing.assert_array_equal(first.initial_parameters(3), second.initial_parameters(3))


def test_a_spec_and_python_write_the_same_network() -> None:
    written = Network.from_spec(spec([{"dense": 4, "activation": "tanh"}, {"dense": 2}], weight_decay=0.25))
    built = Network(3, (dense(4, "tanh"), dense(2)), "mean_squared_error", 0.25)
    assert written.graph == built.graph
    assert built.spec is None
    assert written.spec is not None


# ------------------------------------------------------------------------------------------- values


def softmax_cross_entropy(u: Array, y: Array) -> Array:
    log_sum: Array = np.log(np.exp(u).sum(axis=1))
    return log_sum - u[np.arange(len(u)), y]


LOSS_VALUES: Mapping[str, Callable[[Array, Array], Array]] = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "softmax_cross_entropy_rows": lambda u, y: (y * (np.log(np.exp(u).sum(axis=1))[:, None] - u)).sum(axis=1),
    "binary_cross_entropy": lambda u, y: (
        -y * np.log(1 / (1 + np.exp(-u))) - (1 - y) * np.log(1 / (1 + np.exp(u)))
    ).mean(axis=1),
    "mean_squared_error": lambda u, y: ((u - y) ** 2).mean(axis=1),
    "huber": lambda u, y: np.where(np.abs(u - y) < 1, (u - y) ** 2 / 2, np.abs(u - y) - 0.5).mean(axis=1),
}


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-13), pytest.param("float32", 1e-6, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_their_formulas(name: str, dtype: Dtype, tolerance: float) -> None:
    network = Network(2, (dense(2),), name)
    theta, x, y = arguments(network, dtype, rows=7)
    W, b = network.split(theta.astype(np.float64)).values()
    expected = LOSS_VALUES[name](x.astype(np.float64) @ W.T + b, y).mean()
    assert network.compile(dtype).loss(theta, x, y) == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_the_forward_pass_is_the_textbooks() -> None:
    theta, x, _ = arguments(HIDDEN)
    W1, b1, W2, b2 = HIDDEN.split(theta).values()
    expected = np.tanh(x @ W1.T + b1) @ W2.T + b2
    np.testing.assert_allclose(HIDDEN.compile().predict(theta, x), expected, rtol=1e-13)


def test_a_linear_classifier_has_the_textbooks_gradient() -> None:
    """∂L/∂W = (p − onehot(y))ᵀ·x / S and ∂L/∂b = Σ (p − onehot(y)) / S."""
    network = Network(2, (dense(2),), "softmax_cross_entropy")
    theta, x, y = arguments(network, rows=7)
    W, b = network.split(theta).values()
    p = np.exp(x @ W.T + b)
    delta = (p / p.sum(axis=1, keepdims=True) - np.eye(2)[y]) / len(x)
    _, gradient = network.compile().value_and_grad(theta, x, y)
    np.testing.assert_allclose(gradient, np.concatenate([(delta.T @ x).ravel(), delta.sum(axis=0)]), atol=1e-15)


def test_cross_entropy_is_finite_at_logits_of_a_thousand() -> None:
    network = Network(1, (dense(3),), "softmax_cross_entropy")
    theta = np.array([0.0, 0, 0, 0, 1000, 0])  # weights 0, the logits are the biases
    value, gradient = network.compile().value_and_grad(theta, np.ones((1, 1)), np.array([0]))
    assert value == 1000
    np.testing.assert_array_equal(gradient[3:], [-1, 1, 0])


def test_a_single_logit_is_a_softmax_over_two_classes() -> None:
    """σ(u) is the second entry of softmax(0, u)."""
    one = Network(2, (dense(1),), "binary_cross_entropy")
    theta, x, _ = arguments(one, rows=7)
    y = np.array([0, 1, 1, 0, 1, 0, 0])
    W, b = one.split(theta).values()
    two = Network(2, (dense(2),), "softmax_cross_entropy")
    both = np.concatenate([[0, 0], W.ravel(), [0], b])
    value, gradient = one.compile().value_and_grad(theta, x, y[:, None].astype(float))
    expected, gradients = two.compile().value_and_grad(both, x, y)
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(gradient, gradients[[2, 3, 5]], rtol=1e-12)


def test_weight_decay_adds_half_the_squares_of_the_weights_but_not_of_the_biases() -> None:
    plain, decayed = (Network(2, (dense(2),), "mean_squared_error", decay) for decay in (0.0, 0.3))
    theta, x, y = arguments(plain)
    weights = theta * (np.arange(len(theta)) < 4)
    value, gradient = plain.compile().value_and_grad(theta, x, y)
    value_decayed, gradient_decayed = decayed.compile().value_and_grad(theta, x, y)
    assert value_decayed == pytest.approx(value + 0.15 * (weights**2).sum(), rel=1e-14)
    np.testing.assert_allclose(gradient_decayed, gradient + 0.3 * weights, rtol=1e-13)


@pytest.mark.parametrize(
    ("network", "forward"),
    [
        (
            Network(3, (dense(2, lambda x: x * sympy.Abs(x)),), "mean_squared_error"),
            lambda x, W, b: (x @ W.T + b) * np.abs(x @ W.T + b),
        ),
        (
            Network.from_spec(spec([{"dense": 2, "activation": {"formula": "x / (1 + x**2)"}}])),
            lambda x, W, b: (x @ W.T + b) / (1 + (x @ W.T + b) ** 2),
        ),
        (
            Network(3, (Layer(activation="sigmoid"), dense(2)), "mean_squared_error"),
            lambda x, W, b: 1 / (1 + np.exp(-x)) @ W.T + b,
        ),
    ],
    ids=["function", "formula", "of the inputs"],
)
def test_activations_of_ones_own(network: Network, forward: Callable[[Array, Array, Array], Array]) -> None:
    theta, x, y = arguments(network)

    def loss(theta: Array) -> float:
        return float(((forward(x, *network.split(theta).values()) - y) ** 2).mean())

    value, gradient = network.compile().value_and_grad(theta, x, y)
    assert value == pytest.approx(loss(theta), rel=1e-13)
    np.testing.assert_allclose(gradient, central_differences(loss, theta), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    "network",
    [
        Network(2, (dense(2),), lambda output, target: sympy.cosh(output - target)),
        Network.from_spec({"inputs": 2, "layers": [{"dense": 2}], "loss": {"formula": "cosh(output - target)"}}),
    ],
    ids=["function", "formula"],
)
def test_losses_of_ones_own_are_means_over_samples_and_outputs(network: Network) -> None:
    theta, x, y = arguments(network)

    def loss(theta: Array) -> float:
        W, b = network.split(theta).values()
        return float(np.cosh(x @ W.T + b - y).mean())

    value, gradient = network.compile().value_and_grad(theta, x, y)
    assert value == pytest.approx(loss(theta), rel=1e-13)
    np.testing.assert_allclose(gradient, central_differences(loss, theta), rtol=1e-7, atol=1e-8)


# ------------------------------------------------------------------------------------------- calls


def test_the_gradient_is_written_where_it_is_asked_for() -> None:
    theta, x, y = arguments(HIDDEN)
    model, out = HIDDEN.compile(), np.full(26, np.nan)
    value, gradient = model.value_and_grad(theta, x, y, out=out)
    assert gradient is out
    assert np.isfinite(out).all()
    again, fresh = model.value_and_grad(theta, x, y)
    assert again == value
    np.testing.assert_array_equal(fresh, out)
    with pytest.raises(ValueError, match="shares memory"):
        model.value_and_grad(theta, x, y, out=theta)


def test_kernels_can_be_called_from_jitted_code() -> None:
    theta, x, y = arguments(HIDDEN)
    model = HIDDEN.compile()
    kernel = model.value_and_grad.kernel

    @njit
    def descend(theta: Array, x: Array, y: Array, steps: int) -> Array:
        for _ in range(steps):
            _, gradient = kernel(theta, x, y)
            theta = theta - 0.1 * gradient
        return theta

    found, expected = descend(theta, x, y, 3), theta
    for _ in range(3):
        expected = expected - 0.1 * model.value_and_grad(expected, x, y)[1]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_two_threads_get_the_same_bits() -> None:
    model = HIDDEN.compile()
    inputs = [arguments(HIDDEN, rows=400, seed=seed) for seed in (0, 1)]
    expected = [model.value_and_grad(*each) for each in inputs]

    def call(turn: int) -> tuple[float, Array]:
        result: tuple[float, Array] = model.value_and_grad(*inputs[turn % 2])
        return result

    with ThreadPoolExecutor(2) as pool:
        for turn, (value, gradient) in enumerate(pool.map(call, range(400))):
            assert value == expected[turn % 2][0]
            np.testing.assert_array_equal(gradient, expected[turn % 2][1])


# ------------------------------------------------------------------------------------------- initial parameters


@pytest.mark.parametrize("name", INITIALISERS)
def test_initial_weights_have_the_mean_and_variance_of_the_table(name: str) -> None:
    row = INITIALISERS[name]
    fan_in, fan_out = 200, 300
    weights = row(generator(), fan_out, fan_in)
    variance = row.variance(fan_in, fan_out)
    assert weights.shape == (fan_out, fan_in)
    # Five standard deviations of the estimates: σ²/n for the mean, at most 2σ⁴/n for the variance (that of a normal).
    assert abs(weights.mean()) <= 5 * np.sqrt(variance / weights.size)
    assert abs(weights.var() - variance) <= 5 * variance * np.sqrt(2 / weights.size)
    if name.endswith("uniform"):
        assert np.abs(weights).max() <= np.sqrt(3 * variance)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / 500),
        ("glorot_normal", 2 / 500),
        ("he_uniform", 2 / 200),
        ("he_normal", 2 / 200),
        ("lecun_uniform", 1 / 200),
        ("lecun_normal", 1 / 200),
        ("zeros", 0),
    ],
)
def test_the_variances_are_the_papers(name: str, variance: float) -> None:
    assert INITIALISERS[name].variance(200, 300) == variance


@pytest.mark.parametrize(
    ("layers", "initialiser"),
    [
        ((dense(50, "tanh"),), "glorot_uniform"),
        ((dense(50),), "glorot_uniform"),
        ((dense(50, lambda x: x),), "glorot_uniform"),
        ((dense(50, "relu"),), "he_normal"),
        ((dense(50, Choice(name="elu")),), "he_normal"),
        ((dense(50), Layer(activation="relu")), "he_normal"),
        ((dense(50, "relu", initialiser="lecun_normal"),), "lecun_normal"),
    ],
)
def test_without_an_initialiser_the_activation_decides(layers: tuple[Layer, ...], initialiser: str) -> None:
    network = Network(40, layers, "mean_squared_error")
    weights = network.split(network.initial_parameters(7))["W1"]
    np.testing.assert_array_equal(weights, INITIALISERS[initialiser](generator(7), 50, 40))


def test_initial_parameters_follow_the_seed_and_biases_are_zero() -> None:
    first, again, other = (HIDDEN.initial_parameters(seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (HIDDEN.split(first)["W1"] != HIDDEN.split(other)["W1"]).all()
    assert not HIDDEN.split(first)["b1"].any()
    assert not HIDDEN.split(first)["b2"].any()
