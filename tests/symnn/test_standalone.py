"""A module of its own checks its gradient, whatever the network takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symnn import Network, dense, embedding
from symnn.checkpoint import Checkpoint
from symnn.scaling import Scaling
from symnn.standalone import standalone, standalone_prediction
from symnn.tables import Column, Features


def test_steps_of_integers_and_a_label_for_each_pass_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.config.DISABLE_JIT", True)  # compiling takes 3 s
    layers = (embedding(1, vocabulary=2), dense(2))
    module: dict[str, Callable[..., Any]] = {}
    exec(standalone(Network({"time": 2}, layers, "softmax_cross_entropy")), module)
    worst, count = module["self_test"]()
    assert (worst < 1e-8, count) == (True, 6)


ROWS = np.array([[1200.0, 0.5], [np.nan, -7.0], [900.0, 3.0]])


def regression() -> Checkpoint:
    network = Network(2, (dense(3, "tanh"), dense(2)), "mean_squared_error")
    features = Features((Column('"""\\nprint(1)'), Column("δ")), fills=True)
    targets = Scaling(np.array([1e5, -2.0]), np.array([3e4, 0.5]))
    mean, scale = np.array([1000.0, 0.1]), np.array([200.0, 4.0])
    return Checkpoint(network, network.initial_parameters(1), mean, scale, None, targets, features, ("cost", "y"))


def classifier() -> Checkpoint:
    network = Network({"time": 2}, (embedding(1, vocabulary=3), dense(2)), "softmax_cross_entropy")
    return Checkpoint(network, network.initial_parameters(1).astype("float32"), classes=("daisy", "'rose\n"))


@pytest.mark.parametrize(("trained", "x"), [(regression(), ROWS), (classifier(), np.array([[0, 2], [1, 1]]))])
def test_a_trained_module_predicts_as_the_model_for_raw_rows(
    trained: Checkpoint, x: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("numba.config.DISABLE_JIT", True)
    module: dict[str, Any] = {}
    exec(standalone_prediction(trained), module)
    tolerance = 1e-13 if trained.theta.dtype == np.float64 else 1e-5
    found = np.reshape(module["predict"](x.reshape(len(x), *trained.layered.input_variables[0].shape[1:])), (-1,))
    np.testing.assert_allclose(found, np.ravel(trained.evaluated(x)), rtol=tolerance)
    assert module["self_test"]() < tolerance
    names = () if trained.features is None else ('"""\\nprint(1)', "δ")
    assert (module["CLASSES"], module["FEATURES"]) == (trained.classes or (), names)
    with pytest.raises(ValueError, match=r"x: found shape \(4,\), expected \(samples, 2"):
        module["predict"](np.zeros(4))
