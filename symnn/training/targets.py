"""Targets of a data set as the loss of a network takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf

import numpy as np

from codegen import Variable
from symnn.checkpoint import target_scaling
from symnn.data import Dataset, Split, check_split
from symnn.errors import DataError
from symnn.network import Network
from symnn.parametrised import Parametrised, columns, varies
from symnn.rows import check_integers, require_lengths
from symnn.sequences import firsts


def targets_for(network: Parametrised, dataset: Dataset) -> Dataset:
    """The data set with targets as the network's loss takes them: labels (S,), or rows (S, outputs).

    What else a loss takes, such as the steps of a sequence and a mask, stands side by side in the rows.

    Labels become one-hot rows for a loss over rows, and one column of 0 and 1 for ``binary_cross_entropy`` with two
    classes and a single output. Targets of a regression are standardised by the data set's ``target_scaling`` where
    :attr:`Network.standardises_targets` holds, and no others. Parts without rows are let through, except for training.

    Raises :class:`DataError` naming the data set, what was found and what the network expects.

    >>> from symnn.data import load_digits
    >>> from symnn.network import Network, dense
    >>> digits = load_digits()
    >>> digits.train.y.shape
    (1168,)
    >>> targets_for(Network(64, (dense(10),), "mean_squared_error"), digits).train.y.shape
    (1168, 10)
    >>> targets_for(Network(64, (dense(3),), "softmax_cross_entropy"), digits)
    Traceback (most recent call last):
    symnn.errors.DataError: digits: found 10 classes, expected 3, the outputs of the network
    """
    dataset = network.arranged(dataset)
    if dataset.features != network.features:
        raise DataError(f"{dataset.name}: {dataset.misfit(network.features)}")
    require_lengths(network, dataset.name, dataset.train.lengths)
    whole = network.whole
    targets, encode = _encoding(network, dataset)

    def fit(part: Split, name: str) -> Split:
        if part.y.ndim != dataset.train.y.ndim:
            raise DataError(f"{name}: y has shape {part.y.shape}, expected as many axes as in the training part")
        checked = check_split(part, network.features, targets, name)
        x = checked.x
        if whole.any():  # a data set standardises all columns
            x = np.where(whole, np.rint(x * dataset.scale + dataset.mean), x)
            check_integers(network, x)
        y = _in_range(network, encode(checked.y), name)
        _require_once(network, y, checked.lengths, name)
        return Split(x, y, checked.weights, checked.lengths)

    return replace(
        dataset,
        train=fit(dataset.train, f"{dataset.name}: train"),
        validation=fit(dataset.validation, f"{dataset.name}: validation") if len(dataset.validation.x) else _NO_ROWS,
        test=fit(dataset.test, f"{dataset.name}: test") if len(dataset.test.x) else _NO_ROWS,
    )


Encode = Callable[[np.ndarray], np.ndarray]

_NO_ROWS = Split(np.empty((0, 0)), np.empty(0))


def _encoding(network: Parametrised, dataset: Dataset) -> tuple[int, Encode]:
    """How many classes (or columns) the targets have to have, and what makes of them what the loss takes."""
    if isinstance(network, Network) and network.plain_targets:
        return _plain_encoding(network, dataset)
    if dataset.train.y.ndim == 1:  # whole numbers may be what the only target is
        if dataset.classes is not None and len(dataset.classes) > network.outputs:
            found = f"{dataset.name}: found {len(dataset.classes)} classes"
            raise DataError(f"{found}, expected at most {network.outputs}, the outputs of the network")
        return max(2, dataset.targets), lambda y: y[:, None].astype(np.float64)
    found = dataset.train.y.shape[1]
    count = sum(map(columns, targets_in(network, found)))
    if found != count:
        taken = ", ".join(f"{variable.name} of {columns(variable)}" for variable in network.target_variables)
        raise DataError(f"{dataset.name}: found {found} columns of targets, expected {count}: {taken or 'none'}")
    return count, lambda y: y


def targets_in(network: Parametrised, count: int) -> tuple[Variable, ...]:
    """What so many columns of targets are: not which steps count, where the lengths of sequences say so."""
    targets = network.target_variables
    counted = isinstance(network, Network) and network.steps != "all" and network.takes_sequences
    return targets[:1] if counted and count == columns(targets[0]) else targets


def _require_once(network: Parametrised, y: np.ndarray, lengths: np.ndarray | None, name: str) -> None:
    """Raise :class:`DataError` where a target of each sequence is another one in another step."""
    if lengths is None:
        return
    rows = y.reshape(len(y), -1)
    targets = targets_in(network, rows.shape[1])
    once = np.repeat(np.array([not varies(v) for v in targets], np.bool_), widths(targets))
    expected = np.repeat(rows[firsts(lengths)], lengths, axis=0)
    if (bad := np.argwhere((rows != expected)[:, once])).size:
        row = int(bad[0][0])
        raise DataError(
            f"{name}: y, row {row} (from 0): found {rows[row]} after {expected[row]} in the same sequence, expected "
            "one target for each sequence, as the network has one output for it"
        )


def _plain_encoding(network: Network, dataset: Dataset) -> tuple[int, Encode]:
    name, outputs, loss = dataset.name, network.outputs, network.loss_row
    y: np.ndarray = dataset.train.y
    if y.ndim != 1:
        columns = y.shape[-1]
        if loss.target == "labels":
            say = "; if they are labels, say task='classification'" if (y == np.rint(y)).all() else ""
            raise DataError(
                f"{name}: found {columns} columns of targets, expected labels for the loss {loss.name}{say}"
            )
        if columns != outputs:
            raise DataError(
                f"{name}: found {columns} columns of targets, expected {outputs}, the outputs of the network"
            )
        scaling = target_scaling(network, dataset)
        if scaling is not None and not scaling.is_representable.all():
            column = int(np.argmin(scaling.is_representable))
            target = repr(dataset.target_names[column]) if dataset.target_names else f"{column} of the targets"
            low, high = y[:, column].min(), y[:, column].max()
            raise DataError(
                f"{name}: column {target}: found values from {low:g} to {high:g}, expected ones that can be "
                "standardised in float64"
            )
        return outputs, (lambda y: y) if scaling is None else scaling.standardise
    classes = outputs if dataset.classes is None else len(dataset.classes)
    if loss.reading == "logits":
        if (classes, outputs) != (2, 1):
            raise DataError(
                f"{name}: found labels of {classes} classes for {outputs} outputs, expected 2 classes for a single "
                f"output, or rows of targets for the loss {loss.name}"
            )
        return 2, lambda y: y[:, None].astype(np.float64)
    if classes != outputs:
        numbers = loss.target != "labels" and dataset.classes is not None and all(map(_is_integer, dataset.classes))
        say = "; if they are numbers, say task='regression'" if numbers else ""
        raise DataError(f"{name}: found {classes} classes, expected {outputs}, the outputs of the network{say}")
    return outputs, (lambda y: y) if loss.target == "labels" else (lambda y: np.eye(outputs)[y])


def _is_integer(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _in_range(network: Parametrised, y: np.ndarray, name: str) -> np.ndarray:
    """Targets of losses that fall without end when a target lies outside their range."""
    if y.ndim == 1:  # labels: they have been checked
        return y
    targets = targets_in(network, y.shape[1])
    low, high = _limits(network, targets)
    bad = np.argwhere(~((y >= low) & (y <= high)))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        raise DataError(
            f"{name}: y, row {row} (from 0), column {column}: found {y[row, column]}, expected a number from "
            f"{low[column]:g} to {high[column]:g} for the loss {network.loss_row.name}"
        )
    whole = np.repeat(np.array([v.kind == "integer" for v in targets], np.bool_), widths(targets))
    if not (y[:, whole] == np.rint(y[:, whole])).all():
        row, column = (int(i) for i in np.argwhere(whole & (y != np.rint(y)))[0])
        found = f"{name}: y, row {row} (from 0), column {column}: found {y[row, column]}"
        raise DataError(f"{found}, expected a whole number")
    return y


def widths(variables: Sequence[Variable]) -> np.ndarray:
    return np.array([columns(variable) for variable in variables], np.int64)


def _limits(network: Parametrised, targets: Sequence[Variable]) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest number in each column of the targets."""
    found = [
        _RANGES["values" if number else network.reading]
        if variable.kind == "real"
        # What is below a length of each call, each call says.
        else (0.0 if variable.below else -inf, variable.below - 1 if isinstance(variable.below, int) else inf)
        for number, variable in enumerate(targets)
    ]
    low, high = np.repeat(np.array(found).reshape(-1, 2).T, widths(targets), axis=1)
    return low, high


_RANGES: Mapping[str, tuple[float, float]] = {"classes": (0, inf), "logits": (0, 1), "values": (-inf, inf)}
"""The least and the greatest target in a row, by how the loss reads its outputs."""
