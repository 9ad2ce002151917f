"""What training has come to, and what it tells of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from codegen.runtime.fingerprint import fingerprint
from symnn.course import Best, Course, Epoch, Position
from symnn.data import Dataset
from symnn.parametrised import Model
from symnn.progress import Report
from symnn.resuming import Keeping, State, digest
from symnn.spec import TrainingSpec
from symnn.training.result import Fit, Stopped, TrainingResult


@dataclass
class Record:
    """What training has come to. Each change is one assignment, so that it is whole whenever Ctrl-C comes."""

    model: Model
    data: Dataset
    keeping: Keeping
    best: Best
    last: int
    """The number of the last epoch that was asked for."""
    history: list[Epoch] = field(default_factory=list)
    samples: int = 0
    seconds: float = 0.0
    position: Position | None = None
    begun_with: Mapping[str, str] = field(default_factory=dict)
    written: int = 0
    """The steps that had been made when the state of the run was last written."""

    def resume(self, settings: TrainingSpec, arrays: Sequence[np.ndarray], count: int, wanted: bool) -> None:
        """Go on where the state that is kept says, if there is one and it is wanted."""
        at = self.position
        stood: list[str | np.ndarray]
        stood = [] if at is None else [at.theta, *at.state.values(), json.dumps([at.number, at.steps, at.generator])]
        self.begun_with = {
            "network": digest(fingerprint(self.model.network.graph)),
            "settings": digest(json.dumps(settings.model_dump(), sort_keys=True), str(self.model.dtype)),
            "parameters": digest(self.best.theta, *stood),
            "data": digest(*arrays),
        }
        course = Course.read(
            self.keeping, wanted, self.begun_with, settings.optimiser, self.best.theta, count, self.last
        )
        if course is not None:
            self.best, self.history, self.position = course.best, list(course.history), course.position
            self.samples, self.seconds, self.written = self.position.samples, self.position.seconds, self.position.steps

    def state(self, position: Position) -> State:
        """All that the run depends on from there; its epochs so far may be one more."""
        self.written = position.steps
        return Course(tuple(self.history[: position.number]), self.best, position).state(self.begun_with)

    def pause(self, position: Callable[[], Position]) -> None:
        """The run may be broken off here, if its parameters are finite: else it ends with the next batch."""

        def state() -> State | None:
            at = position()
            return self.state(at) if np.isfinite(at.theta).all() else None

        self.keeping.pause(state)

    def keep(self) -> None:
        """Keep what is known of the last place where the run can go on, unless something later is kept."""
        at = self.position
        if at is not None and at.standing is None and at.steps > self.written:
            self.keeping.write(self.state(at))

    def add(self, epoch: Epoch, theta: np.ndarray) -> None:
        self.history.append(epoch)
        if epoch.score < self.best.score:
            self.best = Best(theta.copy(), epoch.number, epoch.score)

    def has_lost(self, patience: int | None) -> bool:
        """Whether so many epochs in turn have not been better than the best."""
        return patience is not None and self.history[-1].number - self.best.number >= patience

    def result(
        self,
        stopped: Stopped,
        test_loss: float | None = None,
        test_accuracy: float | None = None,
        test_fit: Fit | None = None,
    ) -> TrainingResult:
        return TrainingResult(
            theta=self.best.theta,
            history=tuple(self.history),
            best_epoch=self.best.number,
            stopped=stopped,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            test_fit=test_fit,
            samples_per_second=self.samples / self.seconds if self.seconds else 0.0,
            model=self.model,
            dataset=self.data,
            position=self.position,
        )


class Progress:
    """How many rows have been trained on, and how the last epoch went."""

    def __init__(self, report: Report, epochs: int, rows: int) -> None:
        self._report = report
        self._epochs = epochs
        self._rows = epochs * rows
        self._done = 0
        self._last: Epoch | None = None

    def reach(self, rows: int) -> None:
        self._done = rows
        self._report(self._done / self._rows, self._text)

    def show(self, epoch: Epoch) -> None:
        self._last = epoch
        self._report(self._done / self._rows, self._text)

    def _text(self) -> str:
        last = self._last
        if last is None:
            return f"epoch 0/{self._epochs}"
        texts = [f"epoch {last.number}/{self._epochs}", f"loss {last.training_loss:.3g}"]
        if last.validation_loss is not None:
            texts.append(f"validation {last.validation_loss:.3g}")
        if last.validation_accuracy is not None:
            texts.append(f"accuracy {last.validation_accuracy:.1%}")
        return "  ".join(texts)
