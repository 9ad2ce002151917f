"""What training gives: the best parameters, and how they were found."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from symnn.checkpoint import Checkpoint, save
from symnn.course import Epoch, Position
from symnn.data import Dataset
from symnn.parametrised import Model
from symnn.shown import shows

Stopped = Literal["finished", "early", "interrupted", "diverged", "callback"]
"""Why training ended: all epochs done, patience lost, Ctrl-C, a loss that is not finite, or at ``on_epoch``'s wish."""


@dataclass(frozen=True, eq=False)
class Fit:
    """How near the outputs of a regression come to its targets: float64 (T,), one number for each target.

    r2: 1 − Σ(y − output)² / Σ(y − mean y)², 1 at best, 0 for the mean of these rows, nan where all of them are equal.
    error: the root mean square of y − output. baseline: that of y − the mean of the training rows, which is what
    there is to say without looking at x. Both are in the units of the targets.
    """

    r2: np.ndarray
    error: np.ndarray
    baseline: np.ndarray


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The best parameters, and how they were found.

    theta: the parameters after epoch ``best_epoch``, in the dtype of the model; epoch 0 are the initial ones, which are
    kept where no epoch has a better :attr:`Epoch.score` than they.
    test_loss, test_accuracy, test_fit: theirs; None without test rows, where there is none of the kind, or when Ctrl-C
    came while they were computed. The losses are those of standardised targets where targets are standardised.
    samples_per_second: of the training steps alone, without compilation and evaluation; 0 if no epoch was finished.
    model, dataset: what was trained, and on what. position: where ``train(…, initial=result)`` goes on; None where no
    epoch was begun.
    """

    theta: np.ndarray
    history: tuple[Epoch, ...]
    best_epoch: int
    stopped: Stopped
    test_loss: float | None
    test_accuracy: float | None
    test_fit: Fit | None
    samples_per_second: float
    model: Model = field(repr=False)
    dataset: Dataset = field(repr=False)
    position: Position | None = field(repr=False)

    def __repr__(self) -> str:
        figures = {"test loss": self.test_loss, "test accuracy": self.test_accuracy}
        shown = [f"{name} {value:.4g}" for name, value in figures.items() if value is not None]
        course = f"{self.stopped} after {len(self.history)} epochs, best epoch {self.best_epoch}"
        return f"<TrainingResult {', '.join([course, *shown])}>"

    _repr_html_ = shows("training_html")
    _repr_svg_ = shows("training_svg")

    @property
    def improved(self) -> bool:
        """Whether any epoch was better than the parameters that training started from."""
        return self.best_epoch > 0

    def predict(self, x: Any) -> Any:
        """The outputs (S, outputs) for raw inputs (S, inputs), several by name, or a frame or file, read and scaled as
        :meth:`~symnn.checkpoint.Checkpoint.predict` does, which a saved network gives to the bit.

        Sequences are lists of arrays, and so are outputs for each of their steps.

        Raises :class:`DataError` for an array of another shape, one that does not hold real numbers, and columns that
        cannot be read.
        """
        return Checkpoint.of(self.model.network, self.theta, self.dataset).predict(x)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network as ``symnn train --out`` does, with the data set's scaling, classes and features.

        :func:`symnn.load` reads it again, ``symnn predict`` too, and what it predicts are the same bits. Raises
        :class:`CheckpointError` as :func:`symnn.checkpoint.save` does.

        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import symnn
        >>> network = symnn.Network(1, (symnn.dense(1),), "mean_squared_error")
        >>> result = symnn.train(network, [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0], {"epochs": 100})
        >>> with TemporaryDirectory() as folder:
        ...     result.save(Path(folder, "line.safetensors"))
        ...     symnn.load(Path(folder, "line.safetensors")).predict([[3.0]]).round(2)
        array([[7.]])
        """
        save(path, self.model.network, self.theta, dataset=self.dataset, dtype=self.model.dtype)
