"""The epochs of a training: by minibatches, or steps of L-BFGS on all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from math import inf, isfinite
from time import perf_counter

import numpy as np

from codegen.cached import cached_property
from symnn.callbacks import asks_to_stop
from symnn.course import Epoch, Position
from symnn.descent import Checked, Descent, Passed
from symnn.lbfgs import Standing, lbfgs
from symnn.linesearch import Iterate
from symnn.optimisers import OPTIMISERS
from symnn.parametrised import Model
from symnn.progress import reporting
from symnn.schedules import SCHEDULES
from symnn.scoring import Parts, Scores, count_of
from symnn.spec import LBFGS, TrainingSpec
from symnn.training.record import Progress, Record
from symnn.training.result import Stopped

Found = tuple[float | None, float | None]
"""A loss, and an accuracy where there is a notion of it."""
NOTHING: Found = (None, None)
"""Those of rows that are not there."""


@dataclass(frozen=True)
class Run:
    """What a training works at, and what hears of its epochs; each is noted in the record."""

    model: Model
    rows: Parts
    validation: Parts
    settings: TrainingSpec
    record: Record
    shown: bool | None
    on_epoch: Callable[[Epoch], object] | None

    def __call__(self) -> Stopped:
        """Train epoch by epoch, and say why training ended; one that goes on may have lost its patience before."""
        if self.record.history and self.record.has_lost(self.settings.patience):
            return "early"
        return _by_gradients(self) if self.settings.optimiser == LBFGS else _by_minibatches(self)

    @property
    def held(self) -> bool:
        """Whether rows are held back for validation; else parameters are judged by those of training."""
        return count_of(self.validation) > 0

    @cached_property
    def score(self) -> Scores:
        """Loss and accuracy by which parameters are judged."""
        return Scores(self.model, self.validation if self.held else self.rows)

    def epoch(self, number: int, loss: float, theta: np.ndarray, started: float) -> Epoch:
        """An epoch whose parameters are evaluated, where its loss is finite, and noted."""
        found: Found = self.score(theta) if isfinite(loss) else NOTHING
        validated, fitted = (found, NOTHING) if self.held else (NOTHING, found)
        epoch = Epoch(number, loss, *validated, perf_counter() - started, *fitted)
        self.record.add(epoch, theta)
        return epoch

    def ends(self, epoch: Epoch) -> Stopped | None:
        """Why training ends with an epoch; None where it goes on."""
        asked = self.on_epoch is not None and asks_to_stop(self.on_epoch, epoch)
        if not isfinite(epoch.score):
            return "diverged"
        if asked:
            return "callback"
        return "early" if self.record.has_lost(self.settings.patience) else None


def _by_minibatches(run: Run) -> Stopped:
    record, settings = run.record, run.settings
    count = count_of(run.rows)
    optimiser = OPTIMISERS[settings.optimiser]
    if settings.gradient_clip is not None:
        optimiser = optimiser.clipped
    numbers = {name: getattr(settings, name) for name in optimiser.settings}
    generator = np.random.Generator(np.random.PCG64(settings.seed))
    before = record.position
    start = record.best.theta if before is None else before.theta
    descent = Descent(run.model, start, optimiser, seed=settings.seed, **numbers)
    parts = [descent.checked(part.x, part.y, part.w) for part in run.rows if len(part)]
    if before is not None:
        descent.resume(before.state, before.steps, before.samples)
        generator.bit_generator.state = dict(before.generator)
    schedule = settings.schedule
    rate, rates = SCHEDULES[schedule.name].start(
        settings.learning_rate, record.last, (epoch.score for epoch in record.history), **dict(schedule.parameters)
    )
    # Before the first epoch, so that no epoch's seconds hold compiling, and that only what is better is kept.
    loss, _ = run.score(descent.theta)
    untrained = before.untrained if before else loss if isfinite(loss) else inf
    if before is None:
        record.best = replace(record.best, score=untrained)
    done, passed, begun = (before.number, before.passed, before.begun) if before else (0, Passed(), 0.0)
    with reporting(run.shown) as report:
        progress = Progress(report, record.last, count)
        for number in range(done + 1, record.last + 1):
            started = perf_counter() - begun
            stood = partial(
                Position.of,
                descent,
                number=number - 1,
                seconds=record.seconds,
                generator=generator.bit_generator.state,
                untrained=untrained,
            )
            descent.numbers["learning_rate"] = rate
            order = generator.permutation(count)
            for passed in _pieces(descent, parts, order, settings.batch_size, passed):  # noqa: B020
                progress.reach((number - 1) * count + passed.rows)
                if isfinite(passed.total):
                    record.pause(partial(stood, passed=passed, begun=perf_counter() - started))
            loss = descent.mean(passed)
            passed, begun = Passed(), 0.0
            record.samples, record.seconds = descent.samples, record.seconds + perf_counter() - started
            epoch = run.epoch(number, loss, descent.theta, started)
            if isfinite(epoch.score):
                generated = generator.bit_generator.state
                record.position = stood(number=number, seconds=record.seconds, generator=generated)
            rate = rates.send(epoch.score)
            progress.show(epoch)
            if (stopped := run.ends(epoch)) is not None:
                return stopped
    return "finished"


def _pieces(
    descent: Descent, parts: Sequence[Checked], order: np.ndarray, size: int, begun: Passed
) -> Iterator[Passed]:
    """An epoch over the rows in this order, in batches of one length each: how far it is after each piece."""
    done = 0
    for part, rows in _batches(parts, order, size):
        if done + len(rows) > begun.rows:
            at = Passed(max(0, begun.rows - done), begun.total)
            for found in descent.over(part, rows, size, at):
                begun = Passed(done + found.rows, found.total)
                yield begun
            if not isfinite(begun.total):
                return
        done += len(rows)


def _batches(parts: Sequence[Checked], order: np.ndarray, size: int) -> Iterator[tuple[Checked, np.ndarray]]:
    """The rows of each part in the order drawn, cut into batches that come when they are full, what is left at the end.

    Batches of one part that follow each other are given together.
    """
    if len(parts) == 1:
        yield parts[0], order
        return
    ends = np.cumsum([part.rows for part in parts])
    of_part = np.searchsorted(ends, order, side="right")
    batches = []
    for number, part in enumerate(parts):
        places = np.flatnonzero(of_part == number)
        rows = order[places] - (ends[number] - part.rows)
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            full = places[start + size - 1] if len(batch) == size else len(order)
            batches.append((full, number, batch))
    batches.sort(key=lambda batch: batch[:2])
    for number, same in groupby(batches, key=lambda batch: batch[1]):
        yield parts[number], np.concatenate([batch for _, _, batch in same])


def _by_gradients(run: Run) -> Stopped:
    """By steps of L-BFGS, each on all rows."""
    record, count, objective = run.record, count_of(run.rows), _objective(run.model, run.rows)
    before = record.position
    if before is not None and before.standing is not None:
        untrained, done, start = before.untrained, before.number, before.standing
    else:
        theta = record.best.theta
        loss, _ = run.score(theta)
        untrained, done = loss if isfinite(loss) else inf, 0
        first = Iterate(theta.astype(np.float64), *objective(theta))
        start = Standing(first, first.theta)
        record.best = replace(record.best, score=untrained)
    here = start.here
    if not here.is_finite:
        record.add(Epoch(1, here.loss, None, None, 0.0), record.best.theta)
        return "diverged"
    steps = lbfgs(lambda theta: Iterate(theta, *objective(theta)), start)
    with reporting(run.shown) as report:
        progress = Progress(report, record.last, count)
        for number in range(done + 1, record.last + 1):
            started, loss = perf_counter(), here.loss
            at = next(steps, None)
            if at is None:
                break
            here = at.here
            theta = here.theta.astype(run.model.dtype)
            record.samples, record.seconds = record.samples + count, record.seconds + perf_counter() - started
            epoch = run.epoch(number, loss, theta, started)
            record.position = Position(
                LBFGS, theta, {}, number, number, record.samples, record.seconds, {}, untrained, standing=at
            )
            progress.reach(number * count)
            progress.show(epoch)
            if (stopped := run.ends(epoch)) is not None:
                return stopped
    return "finished"


def _objective(model: Model, parts: Parts) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Loss and gradient on all rows, those of the parts by what these count."""
    objectives = [model.objective(*part.arrays) for part in parts]
    if len(parts) == 1:
        return objectives[0]
    counts = np.array([model.network.counts(part.y, part.w).sum(dtype=np.float64) for part in parts])
    shares = counts / counts.sum()

    def evaluate(theta: np.ndarray) -> tuple[float, np.ndarray]:
        found = [objective(theta) for objective in objectives]
        loss = sum(share * loss for share, (loss, _) in zip(shares.tolist(), found))
        return loss, np.sum([share * gradient for share, (_, gradient) in zip(shares, found)], axis=0)

    return evaluate
