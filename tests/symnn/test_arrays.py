"""Arrays with masks: NumPy would take what is masked for numbers, so every way in refuses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symnn import Dataset, Descent, Network, Split, check, checkpoint, dense, load_frame, solve, train
from symnn.errors import SymnnError

NETWORK = Network(2, (dense(1),), "mean_squared_error")
X, Y, THETA = np.ones((8, 2)), np.arange(8.0), np.zeros(3)
DATA = Dataset.from_arrays(X, Y)


def masked(array: np.ndarray) -> Any:
    return np.ma.masked_array(array, mask=True)


def square(theta: np.ndarray) -> tuple[float, np.ndarray]:
    return float(theta @ theta), 2 * theta


WAYS: dict[str, Callable[[Path], object]] = {
    "Dataset.from_arrays, x": lambda _: Dataset.from_arrays(masked(X), Y),
    "Dataset.from_arrays, y": lambda _: Dataset.from_arrays(X, masked(Y)),
    "load_frame": lambda _: load_frame({"a": masked(Y), "b": Y}, "b"),
    "train, x": lambda _: train(NETWORK, masked(X), Y),
    "train, y": lambda _: train(NETWORK, X, masked(Y)),
    "train, initial": lambda _: train(NETWORK, X, Y, initial=masked(THETA)),
    "train, a data set": lambda _: train(NETWORK, replace(DATA, train=Split(masked(X), Y[:, None]))),
    "check, x": lambda _: check(NETWORK, masked(X), Y[:, None]),
    "check, theta": lambda _: check(NETWORK, X, Y[:, None], theta=masked(THETA)),
    "Descent": lambda _: Descent(NETWORK.compile(), masked(THETA), "gradient_descent", learning_rate=0.1),
    "solve": lambda _: solve(square, masked(THETA)),
    "a row in a list": lambda _: Dataset.from_arrays([X[0], masked(X[1])], Y[:2]),
    "an entry in lists": lambda _: train(NETWORK, [[1.0, 2.0], [1.0, np.ma.masked]], Y[:2]),
    "save": lambda path: checkpoint.save(path / "model", NETWORK, masked(THETA)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_masked_array_is_refused(way: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(SymnnError, match=r"found a masked array, expected one without a mask: write .*\.filled"):
        way(tmp_path)


def test_a_checkpoint_predicts_no_masked_rows(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "model", NETWORK, THETA)
    with pytest.raises(SymnnError, match="x: found a masked array"):
        checkpoint.load(tmp_path / "model").predict(masked(X))
    for rows in ([X[0], masked(X[1])], [[1.0, np.ma.masked]]):
        with pytest.raises(SymnnError, match="x: found a masked array"):
            checkpoint.load(tmp_path / "model").predict(rows)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="'x' must be a numpy array of float64, found a masked array"):
            NETWORK.compile().predict(THETA, rows)
