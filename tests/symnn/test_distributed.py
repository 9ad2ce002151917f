"""Sums over partitions: the same bits for any number of workers, and after one has been killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("distributed")

from distributed import Client, LocalCluster

from symnn.distributed import Objective
from symnn.errors import DataError, SymnnError
from symnn.network import Network, dense

pytestmark = [pytest.mark.values, pytest.mark.filterwarnings("ignore")]

NETWORK = Network(2, (dense(3, "tanh"), dense(1)), "mean_squared_error", weight_decay=0.01)
X = np.random.default_rng(0).normal(size=(70, 2))
Y = X[:, :1] * X[:, 1:]
ENDS = [0, 10, 25, 40, 41, 70]
PARTS = [(X[a:b], Y[a:b]) for a, b in pairwise(ENDS)]
THETA = NETWORK.initial_parameters(1)


def load(begin: int, end: int) -> Any:
    return X[begin:end], Y[begin:end]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as found,
    ):
        yield found


def test_the_sums_are_those_of_all_samples_and_a_killed_worker_is_replaced(client: Any) -> None:
    model = NETWORK.compile()
    loss, gradient = model.value_and_grad(THETA, X, Y)
    objective = Objective(client, NETWORK, PARTS)
    found = objective(THETA)
    np.testing.assert_allclose(found[0], loss, rtol=1e-13)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-11, atol=1e-14)

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as one:
        alone = Objective(one, NETWORK, [(load, a, b) for a, b in pairwise(ENDS)])
        assert alone(THETA)[0] == found[0]
        np.testing.assert_array_equal(alone(THETA)[1], found[1])

    before = client.run(os.getpid)
    os.kill(next(iter(before.values())), signal.SIGKILL)
    after = objective(THETA)
    assert after[0] == found[0]
    np.testing.assert_array_equal(after[1], found[1])


def test_second_order_sums_are_those_of_differences(client: Any) -> None:
    objective = Objective(client, NETWORK, PARTS)
    v = np.random.default_rng(1).normal(size=len(THETA))
    step = 1e-5
    difference = (objective(THETA + step * v)[1] - objective(THETA - step * v)[1]) / (2 * step)
    np.testing.assert_allclose(objective.hessian_product(THETA, v), difference, rtol=1e-6, atol=1e-8)
    predict = NETWORK.compile().predict
    along = np.eye(len(THETA)) * step
    jacobian = np.hstack([(predict(THETA + d, X).copy() - predict(THETA - d, X)) / (2 * step) for d in along])
    expected = 2 * jacobian.T @ jacobian / len(X)
    np.testing.assert_allclose(objective.gauss_newton(THETA), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("method", "steps", "part"), [("lbfgs", 15, 0.5), ("levenberg_marquardt", 5, 0.3)])
def test_methods_of_both_orders_run_on_it(method: str, steps: int, part: float, client: Any) -> None:
    theta, losses = Objective(client, NETWORK, PARTS).minimise(THETA, steps, method)
    assert losses[-1] < part * losses[0]
    assert losses == sorted(losses, reverse=True)
    assert theta.shape == THETA.shape


def test_no_partitions_are_refused(client: Any) -> None:
    with pytest.raises(DataError, match="found none"):
        Objective(client, NETWORK, [])
    with pytest.raises(DataError, match="tuple of arrays"):
        Objective(client, NETWORK, [X])


BAD_PARTS = {
    "a column less": ((X[:, :1].copy(), Y), r"parts\[1\]: x: found shape \(70, 1\), expected \(70, 2\)"),
    "a target less": ((X, Y[:-1]), r"parts\[1\]: y: found shape \(69, 1\), expected \(70, 1\)"),
    "no targets": ((X,), r"parts\[1\]: found 1 arrays, expected 2: x, y"),
    "another dtype": ((X, Y.astype("float32")), r"parts\[1\]: y: found float32, expected a C-contiguous array of fl"),
}


@pytest.mark.parametrize("kind", BAD_PARTS)
def test_a_partition_that_the_loss_cannot_take_is_refused_when_it_is_made(kind: str, client: Any) -> None:
    part, said = BAD_PARTS[kind]
    with pytest.raises(DataError, match=said):
        Objective(client, NETWORK, [(X, Y), part])


def test_an_empty_partition_adds_nothing(client: Any) -> None:
    loss, gradient = Objective(client, NETWORK, PARTS)(THETA)
    parts = [(X[:0], Y[:0]), *PARTS, (X[:0], Y[:0])]
    found = Objective(client, NETWORK, parts)(THETA)
    assert found[0] == loss
    np.testing.assert_array_equal(found[1], gradient)
    with pytest.raises(DataError, match="found no samples"):
        Objective(client, NETWORK, parts[:1])
    with pytest.raises(SymnnError, match="client: found None, expected a Client"):
        Objective(None, NETWORK, PARTS)


def test_a_search_that_joblib_runs_goes_to_the_cluster(client: Any) -> None:
    pytest.importorskip("sklearn")
    import joblib
    from sklearn.model_selection import cross_val_score

    from symnn.sklearn import NetworkClassifier

    y, kind = Y[:, 0] > 0, NetworkClassifier((3,), random_state=0, max_iter=5)
    with joblib.parallel_config("dask"):
        there = cross_val_score(kind, X, y, cv=4, n_jobs=-1)
    np.testing.assert_array_equal(there, cross_val_score(kind, X, y, cv=4))
