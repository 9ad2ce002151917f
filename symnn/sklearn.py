"""Networks as estimators of scikit-learn: for pipelines, searches and everything else that takes one.

>>> from sklearn.datasets import load_iris
>>> x, y = load_iris(return_X_y=True)
>>> NetworkClassifier((6,), random_state=0).fit(x, y).score(x, y) > 0.95
True
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from math import cos, inf, isfinite, pi
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import expit, log_softmax, softmax

from codegen.dtypes import Dtype, dtype_name
from symnn.activations import ACTIVATIONS
from symnn.arrays import Floats
from symnn.descent import Descent
from symnn.extras import extra
from symnn.lbfgs import lbfgs
from symnn.linesearch import Iterate
from symnn.network import Model, Network, dense
from symnn.optimisers import OPTIMISERS
from symnn.scaling import Scaling
from symnn.sparse import SparseRows, scaling_of
from symnn.suggest import quote, unknown

if TYPE_CHECKING:
    from symnn.checkpoint import Checkpoint

extra("sklearn", "sklearn", "scikit-learn")
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: E402 - it is there
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.utils import check_random_state, compute_class_weight  # noqa: E402
from sklearn.utils.metaestimators import available_if  # noqa: E402
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels  # noqa: E402
from sklearn.utils.validation import (  # noqa: E402
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

Self = TypeVar("Self", bound="_NetworkEstimator")
Method = TypeVar("Method", bound=Callable[..., Any])

try:  # from 1.9 on
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing, where scikit-learn has no callbacks."""

    def with_callbacks(method: Method) -> Method:
        """The method itself."""
        return method


@lru_cache(maxsize=64)
def _model(network: Network, dtype: Dtype) -> Model:
    """One model for all estimators with such a network, which are thus compiled once in a search.

    What LLVM's passes on loops take would not come back: a gradient on 32 rows of 20-32-32-3 takes 7 % longer without
    them, and 0.1 s of compiling are 11,000 of these.
    """
    return network.compile(dtype, tier="light")


def _learns_in_parts(estimator: Any) -> bool:
    if estimator.solver == "lbfgs" or estimator.early_stopping:
        raise AttributeError("partial_fit is for adam and sgd without early_stopping, which need no more than a part")
    return True


class _NetworkEstimator(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share."""

    _known: ClassVar[tuple[str, ...]] = ("network_", "scaling_", "n_features_in_", "n_outputs_")
    """What a fit knows from its beginning on, and predictions need."""

    batch_size: int | str
    learning_rate_init: float | None

    def _keep(self, given: Mapping[str, Any]) -> None:
        """Keep the parameters, which are the local names of a constructor, unchecked until the fit.

        They are spelt out in the constructor of each class: there scikit-learn reads them and their defaults.
        """
        self.__dict__.update({name: value for name, value in given.items() if name != "self"})

    # --- what they do apart -------------------------------------------------------------------------------------------

    def _read_targets(self, y: Any, first: bool, classes: Any) -> NDArray[Any]:
        """Targets as they are kept: class numbers (S,), or numbers (S, T)."""
        raise NotImplementedError

    def _loss_and_outputs(self) -> tuple[str, int]:
        raise NotImplementedError

    def _prepare_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """The same as the loss takes them."""
        return y

    def _row_weights(self, y: NDArray[Any], weights: Floats | None) -> Floats | None:
        return weights

    # --- fitting ------------------------------------------------------------------------------------------------------

    @with_callbacks
    def fit(self: Self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to rows X (S, inputs) and targets y; with ``warm_start`` go on from where the last fit ended.

        sample_weight: how much each row counts, at least 0; the loss is Σ w·ℓ / Σ w.
        """
        with _Tasks(self, X, y, sample_weight) as tasks:
            return self._fit(X, y, sample_weight, tasks, goes_on=self.warm_start)

    @available_if(_learns_in_parts)
    def partial_fit(self: Self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """One pass over these rows, from where the last one ended. The first says how inputs are scaled."""
        return self._fit_part(X, y, sample_weight)

    def _fit_part(self: Self, X: Any, y: Any, sample_weight: ArrayLike | None, classes: Any = None) -> Self:
        tasks = _Tasks(self, X, y, sample_weight)
        return self._fit(X, y, sample_weight, tasks, goes_on=True, classes=classes, passes=1)

    def _fit(
        self: Self,
        X: Any,
        y: Any,
        sample_weight: Any,
        tasks: _Tasks,
        *,
        goes_on: bool,
        classes: Any = None,
        passes: int = 0,
    ) -> Self:
        self._check_parameters()
        first = not (goes_on and hasattr(self, "theta_"))
        X, y = validate_data(self, X, y, **TAKEN, multi_output=True, y_numeric=False, reset=first)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if weights is not None and not (counts := weights > 0).all():
            if not counts.any():
                raise ValueError("sample_weight: all weights are zero, expected at least one above")
            # As if they were not there: no batch may have weights of 0 alone, and no class rows of no weight.
            X, y, weights = X[counts], y[counts], weights[counts]
        y = self._read_targets(y, first, classes)
        weights = self._row_weights(y, weights)
        if first:
            self._begin(X, y, weights)
        x, y = self._scaled(X), self._prepare_targets(y)
        weights = None if weights is None else weights.astype(self.theta_.dtype)
        if self.solver == "lbfgs":
            self._descend(x, y, weights, tasks)
        else:
            self._learn(x, y, weights, tasks, passes)
        if not np.isfinite(self.theta_).all():
            raise ValueError("the solver produced parameters that are not finite; expected smaller learning_rate_init")
        return self

    def _begin(self, X: Floats, y: NDArray[Any], weights: Floats | None) -> None:
        """How inputs are scaled, the network, and its first parameters."""
        self.scaling_ = scaling_of(X, weights) if issparse(X) else Scaling.of(X, weights)
        if not self.scaling_.is_representable.all():
            raise ValueError("X: found values that cannot be standardised in float64, for they are too large, or inf")
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist()
        loss, outputs = self._loss_and_outputs()
        activation = "sigmoid" if self.activation == "logistic" else self.activation
        layers = (*(dense(size, activation) for size in sizes), dense(outputs))
        self.network_ = Network(X.shape[1], layers, loss, weight_decay=None)
        self.n_outputs_, self.n_layers_ = outputs, len(layers) + 1
        self._generator = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        start = self.network_.initial_parameters(int(self._generator.integers(2**31)))
        self.theta_ = start.astype(dtype_name(self.dtype))
        self.loss_curve_: list[float] = []
        self._state: Mapping[str, NDArray[Any]] | None = None
        self._counts = 0, 0

    def _learn(self, x: Any, y: Any, weights: Any, tasks: _Tasks, passes: int) -> None:
        """Epochs of minibatch descent, until nothing is gained any more."""
        rows = Rows(x, y, weights)
        held = None
        if self.early_stopping:
            rows, held = self._held_back(rows)
        model = self._model.weighted if weights is not None else self._model
        name, usual = SOLVERS[self.solver]
        optimiser = OPTIMISERS[name]
        rate = usual if self.learning_rate_init is None else self.learning_rate_init
        given = {
            "momentum": self.momentum, "beta1": self.beta_1, "beta2": self.beta_2, "epsilon": self.epsilon,
        }  # fmt: skip
        numbers = {name: given[name] for name in optimiser.settings if name in given}
        start = self.theta_
        descent = Descent(model, start, optimiser, seed=0, learning_rate=rate, weight_decay=self.alpha, **numbers)
        if passes and self._state is not None:
            descent.resume(self._state, *self._counts)
        count = len(rows.x)
        batch = min(BATCH, count) if self.batch_size == "auto" else min(int(self.batch_size), count)
        watch = _Watch(self.tol, self.n_iter_no_change)
        scores: list[float] = []
        best, best_score = start, -inf
        with _one_thread(model):
            for number in tasks.subtasks(passes or self.max_iter):
                order = self._generator.permutation(count)
                if not passes:
                    descent.numbers["learning_rate"] = rate * RATES[self.learning_rate](number / self.max_iter)
                loss = rows.epoch(descent, order, batch)
                if not isfinite(loss):
                    self.theta_ = descent.theta
                    raise ValueError(f"the loss is {loss} in epoch {number + 1}; expected a smaller learning_rate_init")
                self.loss_curve_.append(loss)
                self.n_iter_ = number + 1
                if held is not None:
                    self.theta_ = descent.theta
                    scores.append(self._score_rows(held))
                    if scores[-1] > best_score:
                        best, best_score = descent.theta.copy(), scores[-1]
                if tasks.end(partial(self._reconstruction, descent.theta)):
                    break
                if watch.is_over(loss if held is None else -scores[-1]):
                    break
            else:
                if not passes:
                    self._warn_of_more()
        self.loss_ = self.loss_curve_[-1]
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_)
        self.validation_scores_ = scores if self.early_stopping else None
        self.best_validation_score_ = best_score if self.early_stopping else None
        self.theta_ = descent.theta.copy() if held is None else best
        self._state, self._counts = descent.state, (descent.steps, descent.samples)

    def _descend(self, x: Any, y: Any, weights: Any, tasks: _Tasks) -> None:
        """L-BFGS on all rows at once."""
        model = self._model if weights is None else self._model.weighted
        objective = Rows(x, y, weights).objective(model, self.alpha)

        def evaluate(theta: Floats) -> Iterate:
            return Iterate(theta, *objective(theta))

        with _one_thread(model):
            here = evaluate(self.theta_.astype(np.float64))
            if not here.is_finite:
                raise ValueError(f"the loss is {here.loss} at the first parameters, expected a finite one")
            path = lbfgs(evaluate, here)
            self.n_iter_ = 1
            for number in tasks.subtasks(self.max_iter):
                at = next(path, None)
                if at is None:
                    break
                here = at.here
                self.n_iter_ = number + 1
                self.loss_curve_.append(here.loss)
                if tasks.end(partial(self._reconstruction, here.theta)):
                    break
                if np.abs(here.gradient).max() <= self.tol:
                    break
            else:
                self._warn_of_more()
        self.loss_, self.best_loss_ = here.loss, here.loss
        self.theta_ = here.theta.astype(self.theta_.dtype)

    def _reconstruction(self, theta: NDArray[Any]) -> dict[str, Any]:
        """What makes a copy of the estimator one that is fitted so far."""
        return {"theta_": theta.astype(self.theta_.dtype), **{name: getattr(self, name) for name in self._known}}

    def _warn_of_more(self) -> None:
        if self.learning_rate == "constant" or self.solver == "lbfgs":  # else the rate has come to 0: there is no more
            text = f"max_iter={self.max_iter} is reached, and the loss still falls"
            warnings.warn(text, ConvergenceWarning, stacklevel=4)

    def _held_back(self, rows: Rows) -> tuple[Rows, Rows]:
        """The rows to train on, and those whose score says when to stop."""
        from sklearn.model_selection import train_test_split

        seed = int(self._generator.integers(2**31))
        stratify = rows.y if rows.y.dtype == np.int64 or self._is_binary else None
        numbers = np.arange(len(rows.x))
        train, held = train_test_split(
            numbers, random_state=seed, test_size=self.validation_fraction, stratify=stratify
        )
        return rows.only(train), rows.only(held)

    @property
    def _is_binary(self) -> bool:
        return False

    def _score_rows(self, rows: Rows) -> float:
        raise NotImplementedError

    def _check_parameters(self) -> None:
        for name, (kind, holds, expected) in PARAMETERS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kind) or not holds(value):
                raise ValueError(f"{name}: found {quote(value)}, expected {expected}")
        if self.batch_size != "auto" and not (isinstance(self.batch_size, Integral) and self.batch_size > 0):
            raise ValueError(f"batch_size: found {quote(self.batch_size)}, expected 'auto' or a number of at least 1")
        rate = self.learning_rate_init
        if rate is not None and not (isinstance(rate, Real) and 0 < rate < inf):
            raise ValueError(f"learning_rate_init: found {quote(rate)}, expected None or a number above 0")
        if self.learning_rate not in RATES:
            raise ValueError(unknown("learning_rate", str(self.learning_rate), RATES))
        if self.solver != "lbfgs" and self.solver not in SOLVERS:
            raise ValueError(unknown("solver", str(self.solver), ["lbfgs", *SOLVERS]))
        if isinstance(self.activation, str) and self.activation not in ("logistic", *ACTIVATIONS):
            raise ValueError(unknown("activation", self.activation, ["logistic", *ACTIVATIONS]))

    # --- using --------------------------------------------------------------------------------------------------------

    @property
    def _model(self) -> Model:
        return _model(self.network_, dtype_name(self.dtype))

    def _scaled(self, X: Any) -> NDArray[Any] | SparseRows:
        if issparse(X):
            return SparseRows(X, self.scaling_, self.theta_.dtype)
        return np.ascontiguousarray(self.scaling_.standardise(X), dtype=self.theta_.dtype)

    def _outputs(self, X: Any) -> Floats:
        """The outputs (S, outputs) of the network for raw rows, in float64."""
        check_is_fitted(self, "theta_")
        X = validate_data(self, X, **TAKEN, reset=False)
        return np.asarray(self._predicted(self._scaled(X)), dtype=np.float64)

    def _predicted(self, x: NDArray[Any] | SparseRows) -> NDArray[Any]:
        """The outputs for rows as the network takes them."""
        parts = [part for _, part in x.parts(np.arange(len(x)))] if isinstance(x, SparseRows) else [x]
        found = [np.array(self._model.predict(self.theta_, part)) for part in parts]
        return found[0] if len(found) == 1 else np.concatenate(found)

    @property
    def coefs_(self) -> list[NDArray[Any]]:
        """The weights (inputs, units) of each layer, for standardised inputs."""
        return [w.T for name, w in self._parameters().items() if name.startswith("W")]

    @property
    def intercepts_(self) -> list[NDArray[Any]]:
        """The biases (units,) of each layer."""
        return [b for name, b in self._parameters().items() if name.startswith("b")]

    def _parameters(self) -> dict[str, NDArray[Any]]:
        if not hasattr(self, "theta_"):
            raise AttributeError(f"this {type(self).__name__} is not fitted yet")
        return self.network_.split(self.theta_)

    def to_checkpoint(self) -> Checkpoint:
        """The fitted network with its scaling and names, as :func:`symnn.load` gives it: for C, files and formulas."""
        from symnn.checkpoint import Checkpoint
        from symnn.tables import Column, Features

        check_is_fitted(self, "theta_")
        names = getattr(self, "feature_names_in_", None)
        features = None if names is None else Features(tuple(Column(str(name)) for name in names))
        network = Network(self.network_.inputs, self.network_.layers, self.network_.loss, float(self.alpha))
        mean, scale = self.scaling_.mean, self.scaling_.scale
        return Checkpoint(network, self.theta_, mean, scale, self._class_names(), self._target_scaling(), features)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _class_names(self) -> tuple[str, ...] | None:
        return None

    def _target_scaling(self) -> Scaling | None:
        return None


class NetworkClassifier(ClassifierMixin, _NetworkEstimator):  # type: ignore[misc]
    """A network that tells classes apart, as an estimator of scikit-learn; the parameters are as ``MLPClassifier``'s.

    Inputs are standardised by what the first fit sees; sparse ones are made dense some rows at a time, so that they
    give what dense ones do. Two classes, or several yes-or-no labels (S, L), have a logit each and binary
    cross-entropy, more classes have softmax cross-entropy.

    hidden_layer_sizes: the units of the hidden layers. activation: a name of ours, ``"logistic"``, or a function of a
    SymPy expression. solver: ``"adam"``, ``"sgd"`` (with Nesterov's momentum) or ``"lbfgs"``. alpha: ½·alpha·ΣW² is
    added to the mean loss (``MLPClassifier`` divides it by the number of rows besides). batch_size: rows an update,
    ``"auto"`` for 32. learning_rate: ``"cosine"``, from ``learning_rate_init`` (0.02 for adam and 0.01 for sgd unless
    given) to 0 over the epochs, or ``"constant"``, as in ``partial_fit``. max_iter: epochs, or steps of L-BFGS. tol,
    n_iter_no_change: fitting ends after so many epochs in turn that have not lowered the best loss by ``tol``; L-BFGS
    where no entry of the gradient is above ``tol``. early_stopping: the score of the part ``validation_fraction`` of
    the rows decides, and the best parameters are kept. dtype: of the computation. class_weight: ``"balanced"``, or a
    mapping of classes to numbers, by which the weights of their rows are multiplied.

    Rows that weigh 2 are like rows given twice, and rows that weigh 0 like none: to rounding where a batch holds all
    rows, as L-BFGS does; else in the mean over the batches.

    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> NetworkClassifier((8,), "tanh", random_state=0).fit(x, x[:, 0] > 0.2).predict([[0.0], [0.5]])
    array([False,  True])

    Fitted: ``classes_``, ``network_`` (a :class:`~symnn.network.Network`, whose formulas can be printed), ``theta_``,
    ``scaling_``, ``coefs_``, ``intercepts_``, ``loss_``, ``loss_curve_``, ``n_iter_``, ``n_features_in_``.
    """

    _known = (*_NetworkEstimator._known, "classes_", "_kind")

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 2e-3,
        batch_size: int | str = "auto",
        learning_rate: str = "cosine",
        learning_rate_init: float | None = None,
        max_iter: int = 50,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        momentum: float = 0.9,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        class_weight: Any = None,
        warm_start: bool = False,
        dtype: Any = "float64",
        random_state: Any = None,
    ) -> None:
        self._keep(locals())

    @available_if(_learns_in_parts)
    def partial_fit(
        self: Self, X: Any, y: Any, sample_weight: ArrayLike | None = None, classes: ArrayLike | None = None
    ) -> Self:
        """One pass over these rows, from where the last one ended. The first says how inputs are scaled.

        classes: all there will be, needed at the first call.
        """
        if not hasattr(self, "theta_") and classes is None:
            raise ValueError("classes: found none at the first call of partial_fit, expected all classes there will be")
        return self._fit_part(X, y, sample_weight, classes)

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of each row (S,), or 0 and 1 for each label (S, L)."""
        found = self.predict_proba(X)
        if self._multilabel:
            return (found > 0.5).astype(int)
        return self.classes_[found.argmax(axis=1)]

    def predict_proba(self, X: Any) -> Floats:
        """The probability of each class (S, classes), or of a yes for each label (S, L)."""
        outputs = self._outputs(X)
        if self._multilabel:
            return expit(outputs)
        return np.hstack([1 - (p := expit(outputs)), p]) if self._is_binary else softmax(outputs, axis=1)

    def decision_function(self, X: Any) -> Floats:
        """The logits: of the second of two classes (S,), of every class (S, classes), or of every label (S, L)."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._is_binary else outputs

    def predict_log_proba(self, X: Any) -> Floats:
        """The logarithms of these, also of those that are 0 in float64."""
        outputs = self._outputs(X)
        if self._multilabel:
            return -np.logaddexp(0, -outputs)
        if self._is_binary:
            return -np.logaddexp(0, np.hstack([outputs, -outputs]))
        return log_softmax(outputs, axis=1)

    @property
    def _multilabel(self) -> bool:
        return self._kind == "multilabel-indicator"

    @property
    def _is_binary(self) -> bool:
        return not self._multilabel and len(self.classes_) == 2

    def _read_targets(self, y: Any, first: bool, classes: Any) -> NDArray[Any]:
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind.startswith("multiclass-multioutput"):
            raise ValueError("Unknown label type: several columns of classes, expected one, or columns of 0 and 1")
        if kind == "multilabel-indicator":
            known = np.arange(y.shape[1])
        else:
            y = column_or_1d(y, warn=True)
            known = unique_labels(y)
        if first:
            self._kind = kind
            self.classes_ = known if classes is None else unique_labels(classes)
            if len(self.classes_) < 2 and kind != "multilabel-indicator":
                raise ValueError(f"found one class, {self.classes_[0]!r}, expected at least two classes")
        elif (kind == "multilabel-indicator") != self._multilabel or not np.isin(known, self.classes_).all():
            raise ValueError(
                f"y: found the classes {known.tolist()}, expected ones of {self.classes_.tolist()}, as before"
            )
        elif classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(f"classes: found {list(classes)}, expected {self.classes_.tolist()}, as at the first call")
        return y if self._multilabel else np.searchsorted(self.classes_, y)

    def _row_weights(self, y: NDArray[Any], weights: Floats | None) -> Floats | None:
        if self.class_weight is None:
            return weights
        if self._multilabel:
            raise ValueError("class_weight: expected None for several labels a row, for a row is of several classes")
        numbers = np.arange(len(self.classes_))
        if self.class_weight == "balanced":
            ones = np.ones(len(y)) if weights is None else weights
            sums = np.bincount(y, ones, len(numbers))
            # n / (k · n_c) as scikit-learn has it, the rows counted by their weights.
            by_class = np.divide(ones.sum(), np.count_nonzero(sums) * sums, where=sums > 0, out=np.zeros_like(sums))
        else:
            present = self.classes_[np.unique(y)]
            given = compute_class_weight(self.class_weight, classes=present, y=self.classes_[y])
            by_class = np.zeros(len(numbers))
            by_class[np.unique(y)] = given
        found = by_class[y] if weights is None else by_class[y] * weights
        if not (np.isfinite(found).all() and (found > 0).all()):
            raise ValueError("class_weight: expected weights above 0 for every class of y")
        return found

    def _loss_and_outputs(self) -> tuple[str, int]:
        if self._multilabel:
            return "binary_cross_entropy", len(self.classes_)
        return ("binary_cross_entropy", 1) if self._is_binary else ("softmax_cross_entropy", len(self.classes_))

    def _prepare_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        if self._multilabel or self._is_binary:
            return np.ascontiguousarray(y.reshape(len(y), -1), dtype=self.theta_.dtype)
        return np.ascontiguousarray(y, dtype=np.int64)

    def _score_rows(self, rows: Rows) -> float:
        outputs = self._predicted(rows.x)
        right = (
            (outputs.argmax(axis=1) == rows.y) if rows.y.ndim == 1 else ((outputs > 0) == (rows.y > 0.5)).all(axis=1)
        )
        return float(np.average(right, weights=rows.weights))

    def _class_names(self) -> tuple[str, ...] | None:
        return None if self._multilabel else tuple(map(str, self.classes_))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NetworkRegressor(RegressorMixin, _NetworkEstimator):  # type: ignore[misc]
    """A network for numbers, as an estimator of scikit-learn; see :class:`NetworkClassifier` for the parameters.

    Targets (S,) or (S, T) are standardised like the inputs, and ``loss`` is ``"squared_error"`` or ``"huber"``, both
    of standardised targets; what is predicted is in the units of y.

    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> NetworkRegressor((16,), "tanh", random_state=0).fit(x, np.sin(3 * x[:, 0])).score(x, np.sin(3 * x[:, 0])) > 0.98
    True
    """

    _known = (*_NetworkEstimator._known, "target_scaling_", "_flat")

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        loss: str = "squared_error",
        solver: str = "adam",
        alpha: float = 5e-3,
        batch_size: int | str = "auto",
        learning_rate: str = "cosine",
        learning_rate_init: float | None = None,
        max_iter: int = 50,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        momentum: float = 0.9,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warm_start: bool = False,
        dtype: Any = "float64",
        random_state: Any = None,
    ) -> None:
        self._keep(locals())

    def predict(self, X: Any) -> Floats:
        """The numbers (S,) or (S, T), as y had them."""
        outputs = self._outputs(X)
        found = self.target_scaling_.restore(outputs)
        return found[:, 0] if self._flat else found

    def _read_targets(self, y: Any, first: bool, classes: Any) -> NDArray[Any]:
        y = np.asarray(y, dtype=np.float64)
        if not np.isfinite(y).all():
            raise ValueError("y: found NaN or inf, expected finite numbers")
        values = y.reshape(len(y), -1)
        if not first and values.shape[1] != self.n_outputs_:
            raise ValueError(f"y: found {values.shape[1]} columns, expected {self.n_outputs_}, as before")
        self._flat = y.ndim == 1
        return values

    def _begin(self, X: Floats, y: NDArray[Any], weights: Floats | None) -> None:
        self.target_scaling_ = Scaling.of(y, weights)
        if not self.target_scaling_.is_representable.all():
            raise ValueError("y: found values that cannot be standardised in float64, for they are too large, or inf")
        super()._begin(X, y, weights)

    def _loss_and_outputs(self) -> tuple[str, int]:
        if self.loss not in LOSSES:
            raise ValueError(unknown("loss", str(self.loss), LOSSES))
        return LOSSES[self.loss], len(self.target_scaling_.mean)

    def _prepare_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(self.target_scaling_.standardise(y), dtype=self.theta_.dtype)

    def _score_rows(self, rows: Rows) -> float:
        outputs = self._predicted(rows.x)
        mean = np.average(rows.y, axis=0, weights=rows.weights)
        left, spread = (np.average((rows.y - of) ** 2, axis=0, weights=rows.weights) for of in (outputs, mean))
        return float(np.mean(1 - left / np.where(spread > 0, spread, 1)))

    def _target_scaling(self) -> Scaling | None:
        return self.target_scaling_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


# --- pieces ---------------------------------------------------------------------------------------------------------


SOLVERS: Mapping[str, tuple[str, float]] = {"adam": ("adam", 0.02), "sgd": ("nesterov", 0.01)}
"""Our minibatch methods by scikit-learn's names, and the learning rates unless said. Nesterov's 0.05 diverges
on 50 rows of 10 features with 100 hidden units."""
# Mean scores over 5 seeds of 32-32, split as in tests/benchmarks/estimators.py, Adam from 0.02 on along a cosine over
# 50 epochs, by alpha; and at a constant rate of 0.005 for at most 200 epochs (of which it takes 63 to 200):
#                   1e-3    2e-3    5e-3    1e-2   constant, 2e-3 and 1e-2
#   iris           0.953   0.958   0.974   0.968      0.963
#   breast_cancer  0.966   0.973   0.969   0.968      0.969
#   digits         0.973   0.979   0.978   0.975      0.980
#   moons          0.972   0.969   0.969   0.960      0.972
#   diabetes       0.114   0.200   0.272   0.325      0.244
#   friedman1      0.940   0.945   0.945   0.944      0.935
RATES: Mapping[str, Callable[[float], float]] = {
    "cosine": lambda done: (1 + cos(pi * done)) / 2,
    "constant": lambda done: 1.0,
}
"""The learning rate as a part of the first, when a part of the epochs is done."""
LOSSES: Mapping[str, str] = {"squared_error": "mean_squared_error", "huber": "huber"}
BATCH = 32
"""Rows an update unless said."""
TAKEN: Mapping[str, Any] = {"dtype": np.float64, "accept_sparse": "csr"}
"""What inputs are made of and may be."""

PARAMETERS: Mapping[str, tuple[type, Callable[[Any], bool], str]] = {
    "alpha": (Real, lambda v: 0 <= v < inf, "a number of at least 0"),
    "max_iter": (Integral, lambda v: v > 0, "a whole number of at least 1"),
    "tol": (Real, lambda v: 0 <= v < inf, "a number of at least 0"),
    "n_iter_no_change": (Real, lambda v: v > 0, "a number of at least 1"),
    "validation_fraction": (Real, lambda v: 0 < v < 1, "a number between 0 and 1"),
    "momentum": (Real, lambda v: 0 <= v < 1, "a number of at least 0 and below 1"),
    "beta_1": (Real, lambda v: 0 <= v < 1, "a number of at least 0 and below 1"),
    "beta_2": (Real, lambda v: 0 <= v < 1, "a number of at least 0 and below 1"),
    "epsilon": (Real, lambda v: 0 < v < inf, "a number above 0"),
}
"""The type of each number, whether one will do, and what is expected."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows as the network takes them, and how much each counts."""

    x: Any
    """An array, or :class:`SparseRows`."""
    y: NDArray[Any]
    weights: NDArray[Any] | None

    def epoch(self, descent: Descent, order: NDArray[Any], batch: int) -> float:
        """One pass of a descent over them; its mean loss."""
        if not isinstance(self.x, SparseRows):
            return descent.epoch(self.x, self.y, order, batch, weights=self.weights)
        total = 0.0
        for numbers, x in self.x.parts(order, batch):
            y, weights = self.y[numbers], None if self.weights is None else self.weights[numbers]
            total += len(x) / len(order) * descent.epoch(x, y, batch_size=batch, weights=weights)
            if not isfinite(total):
                break
        return total

    def objective(self, model: Model, alpha: float) -> Callable[[Floats], tuple[float, Floats]]:
        """Their loss and its gradient as a function of the parameters."""
        given = () if self.weights is None else (self.weights,)
        if not isinstance(self.x, SparseRows):
            return model.objective(self.x, self.y, *given, alpha)
        x, dtype = self.x, self.x.dtype
        counts = np.ones(len(x)) if self.weights is None else self.weights.astype(np.float64)

        def found(theta: Floats) -> tuple[float, Floats]:
            loss, gradient = 0.0, np.zeros(len(theta))
            for numbers, part in x.parts(np.arange(len(x))):
                rows = (part, *(array[numbers] for array in (self.y, *given)))
                value, slope = model.value_and_grad(theta.astype(dtype), *rows, alpha)
                share = counts[numbers].sum() / counts.sum()
                loss, gradient = loss + share * float(value), gradient + share * slope
            return loss, gradient

        return found

    def only(self, rows: NDArray[Any]) -> Rows:
        """Some of them."""
        return Rows(self.x[rows], self.y[rows], None if self.weights is None else self.weights[rows])


class _Watch:
    """Whether what should fall has not fallen for so many epochs in turn."""

    def __init__(self, tol: float, patience: float) -> None:
        self._tol, self._patience = tol, patience
        self._best, self._idle = inf, 0

    def is_over(self, value: float) -> bool:
        self._idle = self._idle + 1 if value > self._best - self._tol else 0
        self._best = min(self._best, value)
        return self._idle > self._patience


class _Tasks:
    """A fit and its epochs as scikit-learn's callbacks see them; nothing where none are set."""

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> None:
        self._estimator = estimator
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._seen = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._context: Any = None
        self._subcontext: Any = None

    def __enter__(self) -> _Tasks:
        if getattr(self._estimator, "_skl_callbacks", None):
            self._context = self._estimator._init_callback_context(max_subtasks=self._estimator.max_iter)
            self._context.call_on_fit_task_begin(**self._seen)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._context is not None and kind is None:
            self._context.call_on_fit_task_end(**self._seen, reconstruction_attributes={})

    def subtasks(self, count: int) -> Iterator[int]:
        """Their numbers, each begun."""
        for number in range(count):
            if self._context is not None:
                self._subcontext = self._context.subcontext(task_name="epoch")
                self._subcontext.call_on_fit_task_begin(**self._seen)
            yield number

    def end(self, attributes: Callable[[], Mapping[str, Any]]) -> bool:
        """End the task, and whether a callback wants the fit to end."""
        if self._subcontext is None:
            return False
        return bool(self._subcontext.call_on_fit_task_end(**self._seen, reconstruction_attributes=attributes))


@contextmanager
def _one_thread(model: Model) -> Iterator[None]:
    """One thread of BLAS where products are BLAS's: looking for its libraries takes 2 ms, as long as a small fit."""
    if model.value_and_grad.report.schedule != "blas":
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
