"""The rows of a data set as the functions of a model take them: weighted, in its dtype, in parts of one length each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Literal

import numpy as np

from symnn.data import Dataset, Split
from symnn.errors import DataError
from symnn.parametrised import Model, Parametrised, apart, varies
from symnn.scoring import Parts, Rows
from symnn.sequences import by_length, firsts, rows_of
from symnn.suggest import unknown
from symnn.training.targets import targets_for, targets_in, widths


def fitted(model: Model, data: Dataset, class_weights: ClassWeights) -> tuple[Parts, Parts, Parts]:
    """The three parts of the data with targets that fit the loss, cast once and for all."""
    fitted = targets_for(model.network, data)
    by_class = _by_class(model.network, data, class_weights)
    parts = {"train": fitted.train, "validation": fitted.validation, "test": fitted.test}
    splits = {name: _weighted(part, getattr(data, name).y, by_class) for name, part in parts.items()}
    if any(split.weights is not None for split in splits.values()):
        splits = {name: split if split.weights is not None else _alike(split) for name, split in splits.items()}
    train, validation, test = (cast(model, split, f"{data.name}: {name}") for name, split in splits.items())
    return train, validation, test


def _alike(split: Split) -> Split:
    """Rows that all count as much."""
    return replace(split, weights=np.ones(len(split.x)))


ClassWeights = Literal["balanced"] | Mapping[str, float] | None


def _by_class(network: Parametrised, data: Dataset, given: ClassWeights) -> np.ndarray | None:
    """How much the rows of each class count, by its number."""
    if given is None:
        return None
    if not network.plain_targets:
        raise DataError(f"{data.name}: found class_weights, expected none for targets of each step")
    if data.classes is None:
        raise DataError(f"{data.name}: found targets that are numbers, expected classes for class_weights")
    if given == "balanced":
        at = slice(None) if data.train.lengths is None else firsts(data.train.lengths)
        weights = None if data.train.weights is None else data.train.weights[at]
        counts = np.bincount(data.train.y.astype(np.int64)[at], weights, len(data.classes))
        present = counts > 0
        found: np.ndarray = np.divide(counts.sum() / present.sum(), counts, where=present, out=np.ones(len(counts)))
        return found
    assert isinstance(given, Mapping)
    for name in given:
        if name not in data.classes:
            raise DataError(f"class_weights: {unknown('class', name, data.classes)}")
    return np.array([given.get(name, 1.0) for name in data.classes])


def _weighted(part: Split, labels: np.ndarray, by_class: np.ndarray | None) -> Split:
    """The rows, each with its weight times that of its class."""
    if by_class is None or not len(part.x):
        return part
    weights = by_class[labels]
    return replace(part, weights=weights if part.weights is None else weights * part.weights)


def cast(model: Model, split: Split, name: str) -> Parts:
    """The rows as the model's functions take them, in parts of one length each."""
    network = model.network
    if split.lengths is None:
        return (_cast_part(model, split, None, name),)
    width = prod(split.y.shape[1:])
    if len(targets_in(network, width)) < len(network.target_variables):
        return (_cast_part(model, _padded(network, split), int(split.lengths.max()), name),)
    return tuple(
        _cast_part(model, _only(split, rows_of(which, split.lengths)), length, name)
        for length, which in by_length(split.lengths)
    )


def _only(split: Split, rows: np.ndarray) -> Split:
    return Split(split.x[rows], split.y[rows], None if split.weights is None else split.weights[rows])


def _padded(network: Parametrised, split: Split) -> Split:
    """Sequences with zeros behind them to the longest, and which of their steps count beside the targets."""
    assert split.lengths is not None
    lengths, longest = split.lengths, int(split.lengths.max())
    counts = np.arange(longest) < lengths[:, None]

    def longer(values: np.ndarray) -> np.ndarray:
        found = np.zeros((len(lengths) * longest, *values.shape[1:]))
        found[counts.ravel()] = values
        return found

    which = network.target_variables[1]
    said = counts.ravel() if varies(which) else np.repeat(lengths, longest)
    y = np.column_stack([longer(split.y.reshape(len(split.y), -1)), said])
    weights = None if split.weights is None else np.repeat(split.weights[firsts(lengths)], longest)
    return Split(longer(split.x), y, weights)


def _cast_part(model: Model, rows: Split, steps: int | None, name: str) -> Rows:
    """The same of samples of so many rows each."""
    network, dtype = model.network, model.dtype
    x, y = rows.x, rows.y
    if not len(x):  # a part without rows has no columns either
        x, y = x.reshape(0, network.features), y.reshape(0, widths(network.target_variables).sum())
        steps = 1 if network.takes_sequences else None
    with np.errstate(over="ignore"):  # reported below
        inputs = network.inputs_of(x, dtype, steps)
        targets = apart(y.reshape(len(y), prod(y.shape[1:])), network.target_variables, dtype, steps)
        weights = None if rows.weights is None else rows.weights[::steps].astype(dtype)
    found = Rows(inputs, targets, weights, steps or 1)
    for variable, array in zip(network.data, found.arrays):
        if not np.isfinite(array).all():
            given = rows.weights if array is weights else x if any(array is one for one in inputs) else y
            largest = np.inf if given is None else np.abs(given).max()
            raise DataError(f"{name}: {variable.name}: found {largest:g}, expected numbers that {dtype} can hold")
    return found
