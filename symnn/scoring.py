"""Rows as a model takes them, and how well its parameters do on them, by functions that are bound once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from symnn.parametrised import Model

CHUNK_NUMBERS = 2**22
"""Numbers in all layers that an evaluation holds at once: 32 MB in float64, whatever the size of the data set."""


@dataclass(frozen=True)
class Rows:
    """Inputs and targets, row by row, and how much each row counts where they do not count alike.

    steps: how many each has, where each call decides it.
    """

    x: tuple[np.ndarray, ...]
    y: tuple[np.ndarray, ...]
    w: np.ndarray | None = None
    steps: int = 1

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All of them, as the loss takes them."""
        return (*self.x, *self.y, *(() if self.w is None else (self.w,)))

    def __len__(self) -> int:
        return len(self.x[0])

    def part(self, which: slice) -> Rows:
        """Some of the rows."""
        w = None if self.w is None else self.w[which]
        return Rows(tuple(array[which] for array in self.x), tuple(array[which] for array in self.y), w, self.steps)


Parts: TypeAlias = Sequence[Rows]
"""Rows in parts of one length each, a single one where no call decides a length."""


def count_of(parts: Parts) -> int:
    """The rows in all parts."""
    return sum(map(len, parts))


def chunks(model: Model, parts: Parts) -> Iterator[Rows]:
    """The rows, so many at a time that what their layers hold fits in a chunk's memory; all where no parts can be."""
    for rows in parts:
        whole = len(rows)
        size = max(1, CHUNK_NUMBERS // (model.network.width * rows.steps)) if model.network.is_mean else whole
        for start in range(0, whole, size):
            yield rows.part(slice(start, start + size))


def _class_hits(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    labels = y if y.ndim < output.ndim else y.argmax(axis=-1)
    return np.asarray(output.argmax(axis=-1) == labels)


def _logit_hits(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(((output > 0) == (y > 0.5)).mean(axis=-1))


_HITS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray] | None] = {
    "classes": _class_hits,
    "logits": _logit_hits,
    "values": None,
}
"""Which rows, or steps, are right, by how the loss reads its outputs."""


class _Chunk(NamedTuple):
    """What is known of some of the rows before any parameters are."""

    evaluate: Callable[[], tuple[float, np.ndarray]]
    """The loss and the outputs at the parameters that the scores hold; no numbers where the network has no outputs."""
    y: np.ndarray
    counts: np.ndarray
    share: float
    """Their sum."""


class Scores:
    """``scores(theta) -> (loss, accuracy)`` over rows; no accuracy where there is no notion of it.

    What does not depend on the parameters is done once: 60 rows of 2-16-3 then take 6 µs instead of 76. The rows may
    not be changed. Outputs of chunks of one size lie in the same memory, one after the other.
    """

    def __init__(self, model: Model, parts: Parts) -> None:
        network = model.network
        self._theta = np.zeros(network.parameter_count, model.dtype)
        self._hits = _HITS[network.reading]
        self._chunks = []
        memory: dict[tuple[int, int], np.ndarray] = {}
        for rows in chunks(model, parts):
            size = len(rows), rows.steps
            if network.has_output:
                if size not in memory:
                    memory[size] = model.loss_and_output(self._theta, *rows.arrays)[1]
                bound = model.loss_and_output.bind(self._theta, *rows.arrays, out=memory[size])
            else:
                bound = partial(_without_output, model.loss.bind(self._theta, *rows.arrays))
            counts = network.counts(rows.y, rows.w) if rows.y else np.ones(len(rows))
            share = float(counts.sum(dtype=np.float64))
            self._chunks.append(_Chunk(bound, rows.y[0] if rows.y else _NO_NUMBERS, counts, share))

    def __call__(self, theta: np.ndarray) -> tuple[float, float | None]:
        self._theta[...] = theta
        loss, hits, count = 0.0, 0.0, 0.0
        for evaluate, y, counts, share in self._chunks:
            mean, output = evaluate()
            loss, count = loss + mean * share, count + share
            if self._hits is not None:
                found = self._hits(output, y)
                if found.shape != counts.shape:
                    found = found.reshape(*counts.shape, -1).mean(axis=-1)
                hits += float(np.vdot(counts, found))
        return loss / count, hits / count if self._hits is not None else None


_NO_NUMBERS = np.empty(0)


def _without_output(loss: Callable[[], float]) -> tuple[float, np.ndarray]:
    return loss(), _NO_NUMBERS
