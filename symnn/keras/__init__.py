"""Keras 3: its files without Keras. Networks from ``.keras``, and weights from and to ``.weights.h5``.

>>> network = Network(2, (dense(3, "tanh"), dense(1)), "mean_squared_error")
>>> theta = network.initial_parameters()
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     save_weights(Path(folder, "model.weights.h5"), network, theta)
...     bool((load_weights(Path(folder, "model.weights.h5"), network) == theta).all())
True

Conventions are in docs/conventions.md. Files are untrusted: nothing in them is run or unpickled, their sizes are
bounded, and arrays are read where they are expected and in the shape that is.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from symnn.arrays import as_array, read_vector
from symnn.checkpoint import Checkpoint
from symnn.choices import LossLike
from symnn.errors import CheckpointError, DataError, FieldError, SpecError
from symnn.files import file_path, read_regular, write_atomically
from symnn.keras.arrays import Place, counted, places
from symnn.keras.config import parse
from symnn.keras.files import members_of, reading, written
from symnn.network import Network, dense

__all__ = ["Network", "channels_first", "dense", "load", "load_weights", "save_weights"]


def load(path: str | os.PathLike[str], loss: LossLike = "mean_squared_error") -> Checkpoint:
    """The network of a ``.keras`` file with its weights: ``predict`` gives what Keras's does.

    Images and signals are channels first here, so x is ``channels_first(x)``. loss: what it shall be trained by from
    here on. A last softmax or sigmoid that is part of it (softmax_cross_entropy, binary_cross_entropy) is left to it:
    then ``predict_proba`` gives what Keras's ``predict`` does. Regularisers, and the dropout inside recurrent layers,
    are not taken over.

    Raises :class:`CheckpointError` naming the first layer that has no counterpart here, or the array that is not as
    the layers want it.
    """
    source, data = _read(path)
    members = members_of(source, data)
    network, found = parse(source, members.config, loss)
    return Checkpoint(network, _theta(source, members.weights, network, found))


def load_weights(path: str | os.PathLike[str], network: Network) -> np.ndarray:
    """The weights in a ``.weights.h5`` or ``.keras`` file as theta of a network of the same layers.

    Layers are found as Keras numbers them: the first dense layer is ``layers/dense``, the next one ``layers/dense_1``,
    whatever the user has named them. Raises :class:`CheckpointError` for arrays of another number or shape, and for
    layers in the file that the network does not have; :class:`SpecError` for a network that is no chain of layers that
    Keras has.
    """
    source, data = _read(path)
    if data.startswith(b"PK"):
        data = members_of(source, data).weights
    return _theta(source, data, network, _counted(network), all_of_them=True)


def save_weights(path: str | os.PathLike[str], network: Network, theta: np.ndarray) -> None:
    """Write theta as a ``.weights.h5`` that ``model.load_weights`` of Keras takes, for a model of the same layers.

    Raises :class:`SpecError` for a network that is no chain of layers that Keras has.
    """
    target = file_path(path, CheckpointError)
    values = read_vector("theta", theta, network.parameter_count, DataError)
    groups = places(network, _counted(network))
    arrays = {path: {name: values[at] for name, at in group.items()} for path, group in groups.items()}
    write_atomically(target, written(arrays))


def channels_first(x: Any) -> np.ndarray:
    """Images (S, rows, columns, channels), or signals (S, positions, channels), as networks take them here.

    >>> channels_first(np.zeros((2, 8, 9, 3))).shape
    (2, 3, 8, 9)
    """
    values = as_array("x", x)
    if values.ndim not in (3, 4):
        raise DataError(f"x: found an array with shape {values.shape}, expected images or signals, channels last")
    return np.ascontiguousarray(np.moveaxis(values, -1, 1))


def _read(path: str | os.PathLike[str]) -> tuple[str, bytes]:
    given = file_path(path, CheckpointError)
    return str(given), read_regular(given, CheckpointError)


def _counted(network: Network) -> list[Place]:
    try:
        return counted(network)
    except FieldError as error:
        raise SpecError(f"network: {error}") from None


def _theta(source: str, data: bytes, network: Network, layers: list[Place], *, all_of_them: bool = False) -> np.ndarray:
    theta = np.zeros(network.parameter_count)
    single = True
    with reading(source, data) as file:
        absent = {place.path: place.absent for place in layers}
        for path, wanted in places(network, layers).items():
            without = next(names for where, names in absent.items() if path.startswith(f"{where}/"))
            for name in without:
                theta[wanted[name]] = 1.0 if name == "gamma" else 0.0
            shapes = {name: at.shape for name, at in wanted.items() if name not in without}
            for name, array in file.arrays(path, shapes).items():
                single &= array.dtype.itemsize <= 4
                theta[wanted[name]] = array
        if all_of_them:
            file.require_no_others([place.path for place in layers])
    return theta.astype(np.float32) if single else theta
