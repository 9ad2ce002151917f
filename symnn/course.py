"""The course of a training: its epochs, the best of them, and where it stands: all that its rest depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Annotated, Any, TypeAlias

import numpy as np
from pydantic import Field

from symnn.descent import Descent, Passed
from symnn.lbfgs import Standing
from symnn.optimisers import OPTIMISERS
from symnn.resuming import (
    Count,
    Expected,
    Keeping,
    Numbers,
    Seconds,
    State,
    Strict,
    anything,
    finite_or_nan,
    infinity_for_none,
    none_for_infinity,
)


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows.

    training_loss: the mean over the batches, weighted by size, of the loss before each update; where a batch gave none
    that is finite, that one, and the epoch ended there. validation_loss and validation_accuracy are of the parameters
    after the epoch, None without validation rows, without a notion of accuracy, or after a loss that is not finite;
    fitted_loss and fitted_accuracy are theirs on the training rows, and stand there without validation rows alone.
    """

    number: int
    training_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float
    fitted_loss: float | None = None
    fitted_accuracy: float | None = None

    @property
    def score(self) -> float:
        """What the best epoch has the least of: the validation loss, or the fitted loss without validation rows."""
        after = self.fitted_loss if self.validation_loss is None else self.validation_loss
        return self.training_loss if after is None else after


@dataclass(frozen=True, eq=False)
class Position:
    """Where a training stood between two batches: what :func:`~symnn.training.train` needs to go on to the bit.

    theta, state: the parameters and the optimiser's vectors there, not of the best epoch. number: of the last epoch
    that was done; passed: how far the next one had come, and begun: the seconds that took. generator: the state of the
    random numbers before that epoch. untrained: the score of the parameters that the first epoch started from.
    standing: where L-BFGS stood, which has neither vectors nor random numbers.
    """

    optimiser: str
    theta: np.ndarray
    state: Mapping[str, np.ndarray]
    number: int
    steps: int
    samples: int
    seconds: float
    generator: Mapping[str, Any]
    untrained: float
    passed: Passed = Passed()  # noqa: RUF009 - immutable
    begun: float = 0.0
    standing: Standing | None = None

    @classmethod
    def of(cls, descent: Descent, **rest: Any) -> Position:
        """Where a descent stands, in memory of its own."""
        return cls(
            optimiser=descent.optimiser.name,
            theta=descent.theta.copy(),
            state={name: vector.copy() for name, vector in descent.state.items()},
            steps=descent.steps,
            samples=descent.samples,
            **rest,
        )


@dataclass(frozen=True, eq=False)
class Best:
    """The parameters after an epoch, 0 for those at the beginning, and its score."""

    theta: np.ndarray
    number: int = 0
    score: float = inf


@dataclass(frozen=True, eq=False)
class Course:
    """All that a training has come to: the epochs that are done, the best so far, and where it stands."""

    history: tuple[Epoch, ...]
    best: Best
    position: Position

    def state(self, begun_with: Mapping[str, str]) -> State:
        """What is kept of it in a file."""
        at, (rows, total) = self.position, self.position.passed
        words = at.generator["state"]
        numbers = CourseNumbers(
            begun_with=dict(begun_with),
            epochs=at.number,
            rows=rows,
            total=total,
            steps=at.steps,
            samples=at.samples,
            seconds=at.seconds,
            begun=at.begun,
            generator=GeneratorNumbers(
                state=words["state"],
                inc=words["inc"],
                has_uint32=at.generator["has_uint32"],
                uinteger=at.generator["uinteger"],
            ),
            untrained=none_for_infinity(at.untrained),
            best=self.best.number,
            best_score=none_for_infinity(self.best.score),
        )
        history = [[_number(getattr(epoch, name)) for name in _COLUMNS] for epoch in self.history]
        vectors = {f"state.{name}": vector for name, vector in at.state.items()}
        table = np.array(history, dtype=float).reshape(len(history), len(_COLUMNS))
        return State(numbers, {"theta": at.theta, "best": self.best.theta, **vectors, "history": table})

    @classmethod
    def read(
        cls,
        keeping: Keeping,
        resume: bool,
        begun_with: Mapping[str, str],
        optimiser: str,
        theta: np.ndarray,
        count: int,
        last: int,
    ) -> Course | None:
        """The course that is kept in a file, of a training by this optimiser of parameters like theta.

        It has at most ``last`` epochs of ``count`` rows. None where there is no file.
        """
        names = OPTIMISERS[optimiser].state
        most = theta.nbytes * (2 + len(names)) + 8 * len(_COLUMNS) * last
        found = keeping.content(resume, CourseNumbers, most)
        if found is None:
            return None
        numbers, raw = found
        keeping.require_same(numbers.begun_with, begun_with)
        keeping.require(numbers.epochs <= last, f"{numbers.epochs} epochs, expected at most {last}")
        keeping.require(numbers.rows <= count, f"{numbers.rows} rows of an epoch of {count}")
        keeping.require(numbers.best <= numbers.epochs + 1, f"the best epoch {numbers.best} of {numbers.epochs}")
        keeping.require(numbers.generator.inc % 2 == 1, "an even increment of the generator, expected an odd one")
        dtype, shape = theta.dtype.name, theta.shape
        expected = {
            "theta": Expected(dtype, shape),
            "best": Expected(dtype, shape),
            **{f"state.{name}": Expected(dtype, shape, anything) for name in names},
            "history": Expected("float64", (numbers.epochs, len(_COLUMNS)), finite_or_nan),
        }
        tensors = keeping.tensors(raw, expected)
        position = Position(
            optimiser,
            tensors["theta"],
            {name: tensors[f"state.{name}"] for name in names},
            numbers.epochs,
            numbers.steps,
            numbers.samples,
            numbers.seconds,
            {
                "bit_generator": "PCG64",
                "state": {"state": numbers.generator.state, "inc": numbers.generator.inc},
                "has_uint32": numbers.generator.has_uint32,
                "uinteger": numbers.generator.uinteger,
            },
            infinity_for_none(numbers.untrained),
            Passed(numbers.rows, numbers.total),
            numbers.begun,
        )
        history = tuple(_epoch(number, row) for number, row in enumerate(tensors["history"].tolist(), 1))
        keeping.require(all(isfinite(epoch.training_loss) for epoch in history), "an epoch without a training loss")
        return cls(history, Best(tensors["best"], numbers.best, infinity_for_none(numbers.best_score)), position)


# --- numbers ------------------------------------------------------------------------------------------------------

Word: TypeAlias = Annotated[int, Field(ge=0, lt=2**128)]


class GeneratorNumbers(Strict):
    """The state of NumPy's PCG64."""

    state: Word
    inc: Word
    has_uint32: Annotated[int, Field(ge=0, le=1)]
    uinteger: Annotated[int, Field(ge=0, lt=2**32)]


class CourseNumbers(Numbers):
    """The numbers of a course; None stands for infinity."""

    epochs: Count
    rows: Count
    total: float
    steps: Count
    samples: Count
    seconds: Seconds
    begun: Seconds
    generator: GeneratorNumbers
    untrained: float | None
    best: Count
    best_score: float | None


_COLUMNS = ("training_loss", "validation_loss", "validation_accuracy", "seconds", "fitted_loss", "fitted_accuracy")
"""What a row of the history holds of an epoch; nan stands for None."""


def _epoch(number: int, row: list[float]) -> Epoch:
    values: dict[str, Any] = {name: None if value != value else value for name, value in zip(_COLUMNS, row)}
    return Epoch(number=number, **values | {"training_loss": row[0], "seconds": row[_COLUMNS.index("seconds")]})


def _number(value: float | None) -> float:
    return nan if value is None else value
