"""The samples that a page works through, and the point at which it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from symnn.checkpoint import Checkpoint
from symnn.data import Dataset, Split
from symnn.errors import DataError
from symnn.network import Network
from symnn.samples import example
from symnn.suggest import listing
from symnn.training import targets_for

SAMPLES = 4
SEED = 0


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample by the inputs of the graph, as a batch of one."""

    title: str
    values: Mapping[str, Any]


def samples(network: Network, dataset: Dataset | None) -> list[Sample]:
    """A sample of each class of the held-out rows, at most four; or random ones where there are no rows."""
    if dataset is None or not network.plain_targets or network.takes_sequences:
        return [_random(network, number) for number in range(SAMPLES)]
    arranged = network.arranged(targets_for(network, dataset))
    part, name = next((p, n) for p, n in _parts(arranged) if len(p.x))
    chosen = _one_of_each(part.y) if arranged.classes is not None else range(min(SAMPLES, len(part.x)))
    return [_row(network, arranged, name, part.x[row], part.y[row], row) for row in chosen]


def as_trained(dataset: Dataset, trained: Checkpoint) -> Dataset:
    """The data set scaled as a network was trained, which may have seen other rows.

    Raises :class:`DataError` where its columns or its classes are others.
    """
    if trained.classes is not None and trained.classes != dataset.classes:
        found = "numbers" if dataset.classes is None else listing(dataset.classes)
        raise DataError(f"data: found the classes {found}, expected those of the model: {listing(trained.classes)}")
    scaling = trained.scaling
    if scaling is None:
        return dataset
    if scaling.mean.shape != dataset.mean.shape:
        raise DataError(f"data: found {dataset.features} features, expected the {scaling.mean.size} of the model")

    def scaled(part: Split) -> Split:
        return replace(part, x=scaling.standardise(dataset.mean + dataset.scale * part.x))

    return replace(
        dataset,
        train=scaled(dataset.train),
        validation=scaled(dataset.validation),
        test=scaled(dataset.test),
        mean=scaling.mean,
        scale=scaling.scale,
        target_scaling=trained.target_scaling,
    )


def _parts(data: Dataset) -> list[tuple[Any, str]]:
    return [(data.test, "test"), (data.validation, "validation"), (data.train, "training")]


def _one_of_each(labels: np.ndarray) -> Sequence[int]:
    _, first = np.unique(labels, return_index=True, axis=0)
    return [int(row) for row in np.sort(first)[:SAMPLES]]


def _row(network: Network, data: Dataset, part: str, x: np.ndarray, y: Any, row: int) -> Sample:
    values: dict[str, Any] = {}
    start = 0
    for variable in network.input_variables:
        shape = tuple(int(n) for n in variable.shape[1:])
        size = int(np.prod(shape))
        piece = x[start : start + size].reshape((1, *shape))
        values[variable.name] = piece.astype(np.int64) if variable.kind == "integer" else piece
        start += size
    values["y"] = np.asarray(y)[None]
    named = f", {data.classes[int(y)]}" if data.classes is not None and np.ndim(y) == 0 else ""
    return Sample(f"{part} row {row}{named}", values)


def _random(network: Network, number: int) -> Sample:
    generator = np.random.Generator(np.random.PCG64(SEED + number))
    return Sample(f"random sample {number + 1}", example(network, generator, 1))
