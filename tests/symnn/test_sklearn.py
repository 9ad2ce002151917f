"""Estimators: what scikit-learn asks of one, and what its users do with it."""

import pickle
import sys
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.sparse import csr_array

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from symnn.sklearn import NetworkClassifier, NetworkRegressor

pytestmark = pytest.mark.values

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def classifier(**parameters: Any) -> NetworkClassifier:
    return NetworkClassifier(**{"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 20} | parameters)


def regressor(**parameters: Any) -> NetworkRegressor:
    return NetworkRegressor(**{"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 20} | parameters)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_every_check_of_scikit_learn_passes(kind: Any, solver: str) -> None:
    found = check_estimator(kind(solver=solver), on_skip=None)
    assert {row["status"] for row in found} <= {"passed", "skipped"}
    assert len(found) >= 55


def test_a_pipeline_is_searched_and_every_alpha_takes_the_same_code() -> None:
    search = GridSearchCV(
        make_pipeline(StandardScaler(), classifier(max_iter=40)),
        {"networkclassifier__alpha": [30.0, 1e-3]},
        cv=2,
        error_score="raise",
    )
    search.fit(X, NAMES[Y])
    assert search.best_params_ == {"networkclassifier__alpha": 1e-3}
    assert search.score(X, NAMES[Y]) > 0.9
    assert set(search.predict(X)) == set(NAMES)


@pytest.mark.slow
def test_a_search_in_processes_finds_the_same() -> None:
    scores = [cross_val_score(classifier(), X, Y, cv=4, n_jobs=jobs) for jobs in (1, 2)]
    np.testing.assert_array_equal(*scores)


def test_probabilities_are_those_of_the_classes() -> None:
    fitted = classifier().fit(X, NAMES[Y])
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.classes_[probabilities.argmax(axis=1)], fitted.predict(X))
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), probabilities)
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 20
    assert [w.shape for w in fitted.coefs_] == [(4, 6), (6, 3)]


def test_two_classes_have_one_logit() -> None:
    two = classifier().fit(X[:100], Y[:100] == 1)
    assert two.n_outputs_ == 1
    assert two.predict(X[:100]).dtype == bool
    assert two.score(X[:100], Y[:100] == 1) == 1


@pytest.mark.slow
def test_several_labels_have_a_logit_each() -> None:
    labels = np.column_stack([Y == 0, Y != 2]).astype(int)
    several = classifier(max_iter=50).fit(X, labels)
    assert several.predict_proba(X).shape == (150, 2)
    assert several.score(X, labels) > 0.8


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weights", [None, np.arange(len(Y)) % 3])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_rows_give_what_dense_ones_do(solver: str, weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symnn.sparse.NUMBERS", 64 * X.shape[1])  # several parts
    sparse = csr_array(np.where(X > 1, X, 0))
    ours, dense = (classifier(solver=solver).fit(x, Y, weights) for x in (sparse, sparse.toarray()))
    bits, near = np.testing.assert_array_equal, partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-3)
    (bits if solver == "adam" else near)(ours.theta_, dense.theta_)  # sums of parts are rounded otherwise
    np.testing.assert_allclose(ours.predict_proba(sparse), dense.predict_proba(sparse.toarray()), atol=1e-4)
    held = classifier(early_stopping=True).fit(sparse, Y)
    assert held.score(sparse, Y) == held.score(sparse.toarray(), Y)


def test_decisions_are_logits() -> None:
    for y in (Y, Y == 1):
        fitted = classifier().fit(X, y)
        found, log = fitted.decision_function(X), fitted.predict_log_proba(X)
        expected = log[:, 1] - log[:, 0] if found.ndim == 1 else np.diff(log, axis=1)
        np.testing.assert_allclose(found if found.ndim == 1 else np.diff(found, axis=1), expected, atol=1e-9)


def test_a_copy_in_another_process_predicts_the_same() -> None:
    for y in (Y, Y == 1):
        fitted = classifier().fit(X, y)
        copy = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(copy.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_weights_are_rows_given_as_often(solver: str) -> None:
    weights = np.random.default_rng(0).integers(0, 3, 150)
    options: dict[str, Any] = {"solver": solver, "batch_size": 300, "max_iter": 10, "learning_rate": "constant"}
    with pytest.warns(ConvergenceWarning):
        weighted = classifier(**options).fit(X, Y, weights)
    with pytest.warns(ConvergenceWarning):
        repeated = classifier(**options).fit(X.repeat(weights, axis=0), Y.repeat(weights))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-6)


def test_class_weights_multiply_those_of_the_rows() -> None:
    given = classifier(class_weight={0: 1.0, 1: 2.0, 2: 3.0}).fit(X, Y)
    by_row = classifier().fit(X, Y, np.array([1.0, 2.0, 3.0])[Y])
    np.testing.assert_array_equal(given.theta_, by_row.theta_)
    balanced = classifier(class_weight="balanced").fit(X, Y, np.ones(150))
    np.testing.assert_array_equal(balanced.theta_, classifier().fit(X, Y, np.ones(150)).theta_)


def test_passes_over_parts_are_epochs() -> None:
    parts = classifier(batch_size=150)
    with pytest.raises(ValueError, match="all classes"):
        parts.partial_fit(X, Y)
    for _ in range(10):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    whole = classifier(batch_size=150, max_iter=10, learning_rate="constant")
    with pytest.warns(ConvergenceWarning, match="max_iter=10"):
        whole.fit(X, Y)
    np.testing.assert_allclose(parts.theta_, whole.theta_, rtol=1e-9)
    assert not hasattr(classifier(solver="lbfgs"), "partial_fit")


def test_a_warm_start_goes_on() -> None:
    fitted = classifier(warm_start=True).fit(X, Y)
    first, theta = fitted.loss_, fitted.theta_
    fitted.fit(X, Y)
    assert fitted.loss_ < first
    assert not np.array_equal(theta, fitted.theta_)
    with pytest.raises(ValueError, match="the classes"):
        fitted.fit(X, Y + 1)


def test_the_best_parameters_of_the_rows_held_back_are_kept() -> None:
    fitted = classifier(early_stopping=True, max_iter=40).fit(X, Y)
    assert fitted.best_validation_score_ == max(fitted.validation_scores_)
    assert fitted.n_iter_ == len(fitted.validation_scores_)


def test_numbers_are_predicted_in_their_units() -> None:
    target = 1e6 + 1e3 * X @ np.array([1.0, 2.0, 0.0, -1.0])
    one = regressor(max_iter=60).fit(X, target)
    assert one.predict(X).shape == (150,)
    assert one.score(X, target) > 0.98


@pytest.mark.slow
def test_several_numbers_and_another_loss() -> None:
    targets = np.column_stack([X @ np.array([1.0, 2.0, 0.0, -1.0]), X[:, 0]])
    two = regressor(max_iter=60, loss="huber").fit(X, targets)
    assert two.predict(X).shape == (150, 2)
    assert two.score(X, targets) > 0.98


def test_a_fitted_network_can_be_saved_and_predicts_the_same(tmp_path: Any) -> None:
    fitted = classifier().fit(X, NAMES[Y])
    trained = fitted.to_checkpoint()
    np.testing.assert_allclose(trained.predict(X), fitted._outputs(X), rtol=1e-12)
    assert trained.classes == tuple(NAMES)


def test_frames_go_in() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    fitted = classifier().fit(frame, pandas.Series(NAMES[Y], dtype="category"))
    assert list(fitted.feature_names_in_) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(fitted.predict(frame), classifier().fit(X, NAMES[Y]).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[["b", "a", "c", "d"]])


def test_callbacks_see_every_epoch_and_may_end_the_fit() -> None:
    pytest.importorskip("sklearn.callback")

    class Watching:
        seen: ClassVar[list[float]] = []

        def setup(self, estimator: Any, context: Any) -> None: ...

        def teardown(self, estimator: Any, context: Any) -> None: ...

        def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...

        def on_fit_task_end(self, estimator: Any, context: Any, *, X: Any, y: Any, fitted_estimator: Any) -> bool:
            self.seen.append(fitted_estimator.score(X, y))
            return len(self.seen) == 4

    fitted = classifier()
    fitted.set_callbacks(Watching())
    assert fitted.fit(X, Y).n_iter_ == 4
    assert Watching.seen[3] == fitted.score(X, Y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "adm"}, "unknown solver 'adm'; did you mean 'adam'"),
        ({"activation": "rellu"}, "unknown activation 'rellu'; did you mean 'relu'"),
        ({"alpha": -1}, "alpha: found -1, expected a number of at least 0"),
        ({"batch_size": 0}, "batch_size: found 0, expected 'auto' or"),
        ({"max_iter": 1.5}, "max_iter: found 1.5, expected a whole number"),
        ({"class_weight": {0: 0.0, 1: 1.0, 2: 1.0}}, "class_weight: expected weights above 0"),
        ({"hidden_layer_sizes": (0,)}, "dense: found 0, expected a whole number of at least 1"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        classifier(**parameters).fit(X, Y)


def test_who_is_not_fitted_says_so() -> None:
    with pytest.raises(NotFittedError):
        regressor().predict(X)


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "symnn.sklearn")
    with pytest.raises(ImportError, match=r"scikit-learn is not installed, .* pip install 'symnn\[sklearn\]'"):
        import_module("symnn.sklearn")
