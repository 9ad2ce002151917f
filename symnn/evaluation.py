"""How good predictions are: of classes, by a confusion matrix and what follows from it; of numbers, by their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from symnn.arrays import Floats, Integers
from symnn.shown import shows

Columns: TypeAlias = Sequence[Sequence[str]]


def probabilities(outputs: np.ndarray, reading: str) -> Floats:
    """The probability of each class (S, classes), from outputs that are scores of classes or logits; else as they are.

    Of sequences that of each step (S, T, classes).

    A single logit is that of the second of two classes; several are questions apart, each with its probability.

    >>> probabilities(np.array([[0.0], [50.0]]), "logits").round(3)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    from scipy.special import expit, softmax  # which whoever only saves or loads a network does not need

    outputs = outputs.astype(np.float64)
    if reading == "classes":
        found: Floats = softmax(outputs, axis=-1)
        return found
    if reading == "logits":
        yes: Floats = expit(outputs)
        return np.concatenate([expit(-outputs), yes], axis=-1) if outputs.shape[-1] == 1 else yes
    return outputs


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class ClassEvaluation:
    """How classes are told apart. confusion: (true class, predicted class), how many rows.

    precision: of the rows predicted to be of a class, the part that is; recall: of those of a class, the part that is
    predicted so; f1: their harmonic mean; (classes,) each, nan where it is 0/0. accuracy: the part of all rows that is
    right; baseline: that of always saying the most frequent class of these rows. loss: the mean of −log of the
    probability of the true class, None where outputs are no probabilities.

    >>> print(ClassEvaluation.of(["no", "yes"], np.array([0, 1, 1, 1]), np.array([0, 1, 1, 0])))
    class  precision  recall     F1  rows
    no         0.500   1.000  0.667     1
    yes        1.000   0.667  0.800     3
    accuracy 75.00%; always 'yes': 75.00%
    <BLANKLINE>
    true \\ predicted  no  yes
    no                 1    0
    yes                1    2
    """

    classes: tuple[str, ...]
    confusion: Integers
    loss: float | None = None

    @classmethod
    def of(
        cls, classes: Sequence[str], truth: np.ndarray, predicted: np.ndarray, chances: np.ndarray | None = None
    ) -> ClassEvaluation:
        """From class numbers (S,) and, where they are known, probabilities (S, classes)."""
        count = len(classes)
        confusion = np.bincount(truth * count + predicted, minlength=count * count).reshape(count, count)
        loss = None
        if chances is not None:
            with np.errstate(divide="ignore"):  # a class that was held impossible: infinite
                loss = float(-np.log(chances[np.arange(len(truth)), truth]).mean())
        return cls(tuple(classes), confusion, loss)

    @property
    def rows(self) -> Integers:
        """How many rows each class has."""
        counts: Integers = self.confusion.sum(axis=1)
        return counts

    @property
    def precision(self) -> Floats:
        """Right ÷ predicted, for each class."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> Floats:
        """Right ÷ true, for each class."""
        return _ratio(np.diag(self.confusion), self.rows)

    @property
    def f1(self) -> Floats:
        """2 · right ÷ (predicted + true), for each class."""
        return _ratio(2 * np.diag(self.confusion), self.confusion.sum(axis=0) + self.rows)

    @property
    def accuracy(self) -> float:
        """Right ÷ all."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def baseline(self) -> float:
        """The accuracy of always saying the most frequent class."""
        return float(self.rows.max() / self.confusion.sum())

    @property
    def tables(self) -> tuple[Columns, ...]:
        """Figures of each class, and the confusion, each by its columns."""
        figures = [
            ["class", *self.classes],
            *(
                [name, *(f"{value:.3f}" for value in values)]
                for name, values in (("precision", self.precision), ("recall", self.recall), ("F1", self.f1))
            ),
            ["rows", *(f"{count:,}" for count in self.rows)],
        ]
        matrix = [["true \\ predicted", *self.classes]]
        matrix += [[name, *(f"{row[k]:,}" for row in self.confusion)] for k, name in enumerate(self.classes)]
        return figures, matrix

    @property
    def summary(self) -> str:
        """Accuracy and loss in a line."""
        most = self.classes[int(self.rows.argmax())]
        loss = "" if self.loss is None else f"; mean −log probability {self.loss:.4g}"
        return f"accuracy {self.accuracy:.2%}; always {most!r}: {self.baseline:.2%}{loss}"

    def __str__(self) -> str:
        figures, matrix = map(_table, self.tables)
        return "\n".join([*figures, self.summary, "", *matrix])

    def __repr__(self) -> str:
        return f"<ClassEvaluation of {len(self.classes)} classes: {self.summary}>"

    _repr_html_ = shows("evaluation_html")


@dataclass(frozen=True, eq=False)
class NumberEvaluation:
    """How near numbers come, each for one target (T,): r2 = 1 − Σ(y − output)²/Σ(y − mean y)², nan where y is constant.

    mae: the mean of |y − output|; rmse: √ of the mean of (y − output)²; baseline: the rmse of the mean of the training
    rows where it is known, else of these. They are in the units of y.

    >>> y = np.array([[1.0], [2.0], [6.0]])
    >>> print(NumberEvaluation.of(["price"], y, np.array([[1.0], [3.0], [5.0]])))
    target     R²    MAE   RMSE  RMSE of the mean
    price   0.857  0.667  0.816              2.16
    """

    targets: tuple[str, ...]
    r2: Floats
    mae: Floats
    rmse: Floats
    baseline: Floats

    @classmethod
    def of(
        cls,
        targets: Sequence[str],
        y: np.ndarray,
        outputs: np.ndarray,
        mean: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> NumberEvaluation:
        """From targets and outputs (S, T); mean (T,): that of the training rows; weights (S,): how much rows count."""
        with np.errstate(all="ignore"):  # huge numbers overflow as IEEE says, and the spread of equal ones is 0
            error, own = y - outputs.astype(np.float64), mean_of_rows(y, weights)
            base = own if mean is None else mean
            squares, spread, baseline = (mean_of_rows(e**2, weights) for e in (error, y - own, y - base))
            r2 = np.where((y == y[0]).all(axis=0), np.nan, 1 - squares / spread)
            mae = mean_of_rows(np.abs(error), weights)
            return cls(tuple(targets), r2, mae, np.sqrt(squares), np.sqrt(baseline))

    @property
    def tables(self) -> tuple[Columns, ...]:
        """Figures of each target, by columns."""
        columns = [["target", *self.targets]]
        named = {"R²": self.r2, "MAE": self.mae, "RMSE": self.rmse, "RMSE of the mean": self.baseline}
        columns += [[name, *(f"{value:.3g}" for value in values)] for name, values in named.items()]
        return (columns,)

    summary: ClassVar = ""

    def __str__(self) -> str:
        return "\n".join(_table(*self.tables))

    def __repr__(self) -> str:
        r2 = ", ".join(f"{value:.3g}" for value in self.r2[:5])
        return f"<NumberEvaluation of {len(self.targets)} targets: R² {r2}{', …' if len(self.r2) > 5 else ''}>"

    _repr_html_ = shows("evaluation_html")


def mean_of_rows(values: np.ndarray, weights: np.ndarray | None = None) -> Floats:
    """The mean over the first axis, where rows may count by weights (S,).

    >>> mean_of_rows(np.array([[1.0], [4.0]]), np.array([2.0, 1.0]))
    array([2.])
    """
    found: Floats = (
        values.mean(axis=0) if weights is None else np.average(values, axis=0, weights=weights.astype(np.float64))
    )
    return found


Evaluation = ClassEvaluation | NumberEvaluation


def _ratio(part: np.ndarray, whole: np.ndarray) -> Floats:
    with np.errstate(invalid="ignore"):
        found: Floats = part / whole
    return found


def _table(columns: Columns) -> list[str]:
    """Columns side by side, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width) for k, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in zip(*columns)
    ]
