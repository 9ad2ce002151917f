"""Evaluation: figures that scikit-learn has too are the same."""

from __future__ import annotations

import numpy as np
import pytest

from symnn.checkpoint import Checkpoint
from symnn.errors import DataError
from symnn.evaluation import ClassEvaluation, NumberEvaluation
from symnn.network import Network, dense

metrics = pytest.importorskip("sklearn.metrics")


def test_figures_of_classes_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    chances = random.dirichlet(np.ones(4), 200)
    found = ClassEvaluation.of("abcd", truth, predicted, chances)
    precision, recall, f1, rows = metrics.precision_recall_fscore_support(truth, predicted)
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(truth, predicted))
    np.testing.assert_allclose([found.precision, found.recall, found.f1, found.rows], [precision, recall, f1, rows])
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert found.loss == pytest.approx(metrics.log_loss(truth, chances))


def test_a_class_that_never_occurs_has_no_recall() -> None:
    found = ClassEvaluation.of("abc", np.array([0, 1]), np.array([0, 0]))
    np.testing.assert_array_equal(found.recall, [1, 0, np.nan])
    np.testing.assert_array_equal(found.precision, [0.5, np.nan, np.nan])


def test_figures_of_numbers_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    y, output = random.normal(size=(2, 50, 2))
    found = NumberEvaluation.of(["u", "v"], y, output, np.array([0.1, 0.2]))
    np.testing.assert_allclose(found.r2, metrics.r2_score(y, output, multioutput="raw_values"))
    np.testing.assert_allclose(found.mae, metrics.mean_absolute_error(y, output, multioutput="raw_values"))
    np.testing.assert_allclose(found.rmse, metrics.root_mean_squared_error(y, output, multioutput="raw_values"))
    np.testing.assert_allclose(found.baseline, np.sqrt(((y - [0.1, 0.2]) ** 2).mean(axis=0)))


LINE = Checkpoint(Network(1, (dense(1),), "mean_squared_error"), np.array([2.0, 1.0]))
SIDES = Checkpoint(Network(1, (dense(1),), "binary_cross_entropy"), np.array([1.0, 0.0]), classes=("left", "right"))


def test_a_trained_network_is_evaluated_on_arrays() -> None:
    assert LINE.evaluate([[0.0], [1.0]], [1.0, 5.0]).rmse == pytest.approx([2**0.5])
    found = SIDES.evaluate([[-1.0], [2.0], [3.0]], ["left", "left", "right"])
    np.testing.assert_array_equal(found.confusion, [[1, 1], [0, 1]])
    np.testing.assert_allclose(SIDES.predict_proba([[-1.0], [2.0]]).sum(axis=1), 1)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="y: found 3 rows, expected 2, as x has"):
        LINE.evaluate([[0.0], [1.0]], [1.0, 5.0, 2.0])
    with pytest.raises(DataError, match="found label 'up', expected one of 'left', 'right'"):
        SIDES.evaluate([[0.0]], ["up"])
    with pytest.raises(DataError, match="found no y, and a network that does not know the names"):
        LINE.evaluate([[0.0]])
    with pytest.raises(DataError, match="found a network whose outputs are numbers"):
        LINE.predict_proba([[0.0]])
