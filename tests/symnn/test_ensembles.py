"""Ensembles: every member is what it would be by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnn
from codegen.numeric.evaluate import evaluate
from codegen.passes.stabilise import stabilise
from symnn.checkpoint import Checkpoint
from symnn.ensembles import Ensemble, lanes_of, of_members
from symnn.errors import SymnnError
from symnn.layers.batch_norm import batch_norm
from symnn.layers.convolution import convolution
from symnn.layers.dropout import dropout
from symnn.layers.flatten import flatten
from symnn.layers.lstm import lstm
from symnn.layers.noise import noise
from symnn.network import Network, dense
from symnn.samples import example
from symnn.widths import widest

pytestmark = pytest.mark.values

NETWORK = Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy", weight_decay=0.01)
SEQUENCES = Network({"time": "any", "features": 2}, (lstm(2), dense(2)), "softmax_cross_entropy")
X = np.random.default_rng(0).normal(size=(60, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


@pytest.mark.parametrize(
    "network",
    [
        NETWORK,
        Network((1, 4, 4), (convolution(2, 2, "relu"), flatten(), dense(2, "softmax")), "mean_squared_error"),
        Network({"time": 3, "features": 2}, (lstm(2), dense(1)), "huber", l1=0.1),
    ],
)
def test_the_loss_of_each_member_is_that_of_the_network(network: Any) -> None:
    thetas = np.random.default_rng(0).normal(size=(3, network.parameter_count))
    data = example(network, np.random.default_rng(1), 5)
    graph, alone = of_members(network.graph, network.layout, 3), stabilise(network.graph)
    wide = {n: np.stack([network.unmerged(t)[n] for t in thetas], axis=-1) for n in network.layout}
    found = evaluate(stabilise(graph), {**wide, **data})
    expected = [evaluate(alone, {**network.unmerged(t), **data})["loss"] for t in thetas]
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-13)
    np.testing.assert_allclose(found["total"], sum(expected), rtol=1e-13)


# Without a bias whose gradient is 0: Adam makes steps of what is left of it by rounding.
LAYERS = noise(0.1), dense(3, bias=False), batch_norm(), dropout(0.3), dense(2)
DRAWN = Network(2, LAYERS, "softmax_cross_entropy")


@pytest.mark.parametrize("network", [pytest.param(NETWORK, marks=pytest.mark.slow), DRAWN])
def test_a_member_is_the_network_trained_alone(network: Network) -> None:
    """With its own seed, random numbers, averages and learning rate, on the same rows in the same order."""
    settings = {"epochs": 3, "batch_size": 16, "optimiser": "adam"}
    data = symnn.Dataset.from_arrays(X, Y)
    found = symnn.ensemble(network, data, settings, members=2, seeds=[5, 7], learning_rates=[0.1, 0.01])
    model = network.compile()
    generator = np.random.Generator(np.random.PCG64(0))
    orders = [generator.permutation(len(data.train.x)) for _ in range(3)]
    for n, (seed, rate) in enumerate(((5, 0.1), (7, 0.01))):
        numbers = {"learning_rate": rate, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
        descent = symnn.Descent(model, network.initial_parameters(seed), "adam", seed=seed, **numbers)
        losses, thetas = [], []
        for order in orders:
            descent.epoch(data.train.x, data.train.y, order, 16)
            thetas.append(descent.theta.copy())
            given = {**network.split(descent.theta), "x": data.validation.x, "y": data.validation.y}
            losses.append(evaluate(stabilise(network.graph), given)["loss"])
        np.testing.assert_allclose(found.losses[:, n], losses, rtol=1e-10)
        np.testing.assert_allclose(found.members[n].theta, thetas[int(np.argmin(losses))], rtol=1e-9, atol=1e-12)
    chances = found.predict_proba(X)
    np.testing.assert_allclose(chances.mean.sum(axis=1), 1, rtol=1e-12)
    alone = np.stack([member.predict_proba(X) for member in found.members])
    np.testing.assert_array_equal(chances.spread, alone.std(axis=0))


def test_averages_of_what_depends_on_no_parameter_are_those_of_each_member() -> None:
    network = Network(2, (batch_norm(), dense(3, "tanh"), dense(2)), "softmax_cross_entropy")
    settings = {"epochs": 2, "seed": 3}
    found = symnn.ensemble(network, X, Y, settings, members=2, seeds=[3, 3])
    alone = symnn.train(network, X, Y, settings, progress=False).theta
    for member in found.members:
        np.testing.assert_allclose(member.theta, alone, rtol=1e-12)


def hidden(*widths: int, last: str = "sigmoid", decay: float = 0.0) -> Network:
    layers = *(dense(width, last) for width in widths), batch_norm(), dense(2)
    return Network(2, layers, "softmax_cross_entropy", weight_decay=decay)


def test_members_of_other_widths_are_the_networks_trained_alone() -> None:
    """Each with the parameters, averages and losses of itself, beside members that share no lanes with it."""
    networks = [hidden(3, 2), hidden(2, 4), DRAWN]
    settings = {"epochs": 2, "batch_size": 16, "optimiser": "adamw"}
    data = symnn.Dataset.from_arrays(X, Y)
    found = symnn.ensemble(networks, data, settings, seeds=[0, 4, 6])
    for n, (network, seed) in enumerate(zip(networks, [0, 4, 6])):
        (alone,) = symnn.ensemble([network], data, settings, seeds=[seed]).members
        assert found.members[n].network is network
        np.testing.assert_allclose(found.members[n].theta, alone.theta, rtol=1e-9, atol=1e-12)
    outputs = found.outputs(X)
    np.testing.assert_array_equal(outputs[1], found.members[1].predict(X))
    assert repr(found).startswith("<Ensemble: 3 members of 3 networks, the first a Network")


def test_what_a_narrow_member_lacks_stays_0() -> None:
    """All that the parts of a member do not hold, where the gradient would not be 0: a sigmoid is 1/2 at 0."""
    networks = [hidden(3, 2, decay=0.1), hidden(2, 4, decay=0.1)]
    (wide, _) = widest(networks)
    rows = X, Y.astype(np.int64)
    settings = symnn.TrainingSpec(epochs=3, optimiser="adamw")
    group = lanes_of(wide, networks, [0, 1], [0, 1], np.array([0.1, 0.2]), rows, settings, "float64")
    assert group.epoch(1.0, np.arange(60), 16)
    theta = group.descent.theta.reshape(-1, 2)
    for n, (part, network) in enumerate(zip(group.parts, networks)):
        assert len(part) == network.parameter_count < wide.parameter_count
        lacking = np.setdiff1d(np.arange(wide.averages.start), part)
        assert (theta[lacking, n] == 0).all()
        assert (theta[part, n] != network.initial_parameters(n)).mean() > 0.9


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        ([hidden(3, 2), hidden(2, 4)], [hidden(3, 4)] * 2),
        ([hidden(3), hidden(2, 4)], [hidden(3), hidden(2, 4)]),
        ([hidden(3), hidden(2, last="relu")], [hidden(3), hidden(2, last="relu")]),
        ([hidden(3, last="softmax"), hidden(2, last="softmax")], None),
        ([hidden(3, decay=0.1), hidden(2)], None),
        ([DRAWN, Network(2, (noise(0.1), dense(4), dense(2)), "softmax_cross_entropy")], None),
    ],
)
def test_layers_of_units_apart_are_as_wide_as_the_widest(networks: Any, expected: Any) -> None:
    assert widest(networks) == tuple(expected or networks)


def test_rows_that_count_twice_are_two_rows() -> None:
    """In batches of all rows, whose order does not matter; class weights multiply weights of rows."""
    counts = np.random.default_rng(1).integers(1, 4, len(X))
    settings = {"epochs": 3, "batch_size": 500, "optimiser": "gradient_descent", "learning_rate": 0.5}
    plain: dict[str, Any] = {"standardise": False, "validation_fraction": 0, "test_fraction": 0}
    by_weight = symnn.Dataset.from_arrays(X, Y, weights=counts, **plain)
    repeated = symnn.Dataset.from_arrays(np.repeat(X, counts, axis=0), np.repeat(Y, counts), **plain)
    by_class = symnn.Dataset.from_arrays(X, Y, weights=np.where(Y == 1, counts / 4, counts), **plain)
    one, two = (symnn.ensemble(NETWORK, data, settings, members=2) for data in (by_weight, repeated))
    three = symnn.ensemble(NETWORK, by_class, {**settings, "class_weights": {"0": 1.0, "1": 4.0}}, members=2)
    for found in (two, three):
        np.testing.assert_allclose(one.losses, found.losses, rtol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": [1]}, "seeds: found 1, expected 2"),
        ({"learning_rates": [0.1] * 3}, "learning_rates: found 3, expected 2"),
        ({"settings": {"optimiser": "lbfgs"}}, "lbfgs or gradient_clip"),
        ({"settings": {"schedule": "plateau"}}, "plateau"),
        ({"network": SEQUENCES}, "sequences"),
        ({"network": [NETWORK]}, "network: found 1, expected one for each member: 2"),
        (
            {"network": [NETWORK, Network(3, (dense(2),), "softmax_cross_entropy")]},
            "found inputs 2 and 3, expected the",
        ),
        ({"network": [NETWORK, "dense"]}, "found str, expected a network"),
    ],
)
def test_what_no_ensemble_can_be_is_refused(given: dict[str, Any], message: str) -> None:
    network = given.pop("network", NETWORK)
    with pytest.raises(SymnnError, match=message):
        symnn.ensemble(network, X, Y, members=2, **given)


def test_trained_networks_are_short_in_a_terminal_and_a_table_in_a_notebook() -> None:
    network = Network(2, (dense(30), dense(2)), "softmax_cross_entropy")
    trained = Checkpoint(network, network.initial_parameters(0), classes=("<daisy>", "rose"))
    group = Ensemble((trained, trained), np.zeros((3, 2)))
    assert repr(trained).endswith(", float64, 2 classes>")
    assert repr(group).startswith("<Ensemble: 2 members of Network")
    assert max(len(repr(each)) for each in (trained, group)) < 200
    assert "<td>&lt;daisy&gt;, rose</td>" in trained._repr_html_()
    assert "<td>152 in float64</td>" in trained._repr_html_()
    model = network.compile()
    assert "152 parameters" in model._repr_html_()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 5}, r"seeds: found the shape \(\), expected 2, one for each member"),
        ({"seeds": [2**70, 2]}, r"seeds\[0\]: found 1180591620717411303424, expected a whole number of at most"),
        ({"learning_rates": [0.1, -0.1]}, r"learning_rates\[1\]: found -0.1, expected a number above 0"),
        ({"learning_rates": [np.nan, 0.1]}, r"learning_rates\[0\]: found nan, expected a number above 0"),
        ({"learning_rates": [[0.1], [0.1]]}, r"learning_rates: found the shape \(2, 1\), expected 2"),
    ],
)
def test_what_is_given_for_each_member_is_checked(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SymnnError, match=message):
        symnn.ensemble(NETWORK, X, Y, members=2, **given)
