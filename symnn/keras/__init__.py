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
from collections.abc import Collection, Mapping
from itertools import zip_longest
from typing import Any, TypeAlias, cast

import numpy as np

from symnn.arrays import as_array, read_vector
from symnn.checkpoint import Checkpoint
from symnn.choices import LossLike
from symnn.errors import CheckpointError, DataError, FieldError, SpecError
from symnn.files import file_path, read_regular, write_atomically
from symnn.keras.arrays import FILLED, Place, counted, places
from symnn.keras.config import parse
from symnn.keras.files import OF_THE_MODEL, config_of, members_of, reading, written
from symnn.layers.flow import Flow
from symnn.layers.layer import Layer
from symnn.layers.writing import placed
from symnn.network import Network, dense

__all__ = ["Network", "channels_first", "dense", "load", "load_weights", "save_weights"]


def load(
    path: str | os.PathLike[str],
    loss: LossLike = "mean_squared_error",
    *,
    config: str | os.PathLike[str] | None = None,
) -> Checkpoint:
    """The network of a ``.keras`` file with its weights: ``predict`` gives what Keras's does.

    A ``.weights.h5`` is read with ``config``, the path of a file of what ``model.to_json()`` gives. Images and signals
    are channels first here, so x is ``channels_first(x)``. loss: what it shall be trained by from here on. A last
    softmax or sigmoid that is part of it (softmax_cross_entropy, binary_cross_entropy) is left to it: then
    ``predict_proba`` gives what Keras's ``predict`` does. Regularisers, and the dropout inside recurrent layers, are
    not taken over.

    Raises :class:`CheckpointError` naming the first layer that has no counterpart here, or the array that is not as
    the layers want it.
    """
    source, weights, described = _read(path, config)
    if described is None:
        raise CheckpointError(
            f"{source}: found no zip archive, expected a .keras file; weights alone take {OF_THE_MODEL}"
        )
    network, found = parse(*described, loss)
    return Checkpoint(network, _theta(source, weights, network, found))


def load_weights(
    path: str | os.PathLike[str], network: Network, *, config: str | os.PathLike[str] | None = None
) -> np.ndarray:
    """The weights in a ``.weights.h5`` or ``.keras`` file as theta of a network of the same layers.

    In a ``.weights.h5`` layers of a chain are found as Keras numbers them: the first dense layer is ``layers/dense``,
    the next one ``layers/dense_1``, whatever the user has named them. ``config``, the path of a file of what
    ``model.to_json()`` gives, says what such a file leaves open: the order of layers that are no chain, and which array
    a normalisation does without. A ``.keras`` has it inside.

    Raises :class:`CheckpointError` for arrays of another number or shape, and for layers in the file that the network
    does not have; :class:`SpecError` for a network without config that is no chain of layers that Keras has.
    """
    source, weights, described = _read(path, config)
    if described is not None:
        return _theta(source, weights, *_described(*described, network), all_of_them=True)
    with reading(source, weights) as file:
        classes = file.classes
    return _theta(source, weights, network, _counted(network, classes), all_of_them=True)


def save_weights(
    path: str | os.PathLike[str],
    network: Network,
    theta: np.ndarray,
    *,
    config: str | os.PathLike[str] | None = None,
) -> None:
    """Write theta as a ``.weights.h5`` that ``model.load_weights`` of Keras takes, for a model of the same layers.

    ``config``, the path of a file of what ``model.to_json()`` gives, says which model that is: needed where the layers
    are no chain, or are called otherwise than Conv, Dense, LSTM and so on.

    Raises :class:`SpecError` for a network without config that is no chain of layers that Keras has;
    :class:`CheckpointError` for a config of another network, or for values of what its model does without.
    """
    target = file_path(path, CheckpointError)
    values = read_vector("theta", theta, network.parameter_count, DataError)
    if config is None:
        made, layers = network, _counted(network)
    else:
        made, layers = _described(str(config), config_of(config), network)
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for where, (place, group) in places(made, layers).items():
        for name, at in group.items():
            if name not in place.absent:
                arrays.setdefault(where, {})[name] = values[at]
            elif (values[at] != FILLED[name]).any():
                raise CheckpointError(f"{where}: found values of {name}, which the model of the config does without")
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


_Described: TypeAlias = tuple[str, bytes]
"""Where a description of a model is from, and its text."""


def _read(path: str | os.PathLike[str], config: str | os.PathLike[str] | None) -> tuple[str, bytes, _Described | None]:
    """The weights in a file, and the description of their model, of the file itself or beside it."""
    given = file_path(path, CheckpointError)
    source, data = str(given), read_regular(given, CheckpointError)
    if data.startswith(b"PK"):
        if config is not None:
            raise CheckpointError(f"{source}: found a .keras file and a config, expected one: the file has its own")
        members = members_of(source, data)
        return source, members.weights, (source, members.config)
    return source, data, None if config is None else (str(config), config_of(config))


def _counted(network: Network, classes: Collection[str] = ()) -> list[Place]:
    try:
        return counted(network, classes)
    except FieldError as error:
        raise SpecError(f"network: {error}; any other takes {OF_THE_MODEL}") from None


def _described(source: str, text: bytes, network: Network) -> tuple[Network, list[Place]]:
    """The model that is described, whose parameters lie in theta as those of the network do."""
    found, layers = parse(source, text, network.loss)
    for number, (one, other) in enumerate(zip_longest(_parameters(found), _parameters(network)), 1):
        if one != other:
            raise CheckpointError(
                f"{source}: layer {number} of those with parameters: found {_said(one)}, expected {_said(other)}, as "
                "the network has it"
            )
    if _wiring(found) != _wiring(network):
        raise CheckpointError(
            f"{source}: found layers that are put together otherwise than those of the network, expected the same; "
            "symnn.keras.load gives the network of the file"
        )
    return found, layers


_Parameters: TypeAlias = tuple[str, Mapping[str, tuple[int, ...]]]
"""The kind of a layer, and the shapes of its parameters by letter."""


def _parameters(network: Network) -> list[_Parameters]:
    """What the layers with parameters are, in their order."""
    found = placed(network.written, network.input_shape)
    return [(cast(Layer, one.layer).kind(), {name: p.shape for name, p in one.own.items()}) for one in found if one.own]


def _said(one: _Parameters | None) -> str:
    return "none" if one is None else " ".join([one[0], *(f"{letter} {shape}" for letter, shape in one[1].items())])


def _wiring(network: Network) -> Any:
    """How layers with parameters are put together, where that is no chain; None of a chain."""
    match network.layers:
        case (Flow(flow=last),):
            at = {id(node): number for number, node in enumerate(last.order)}
            return [(node.layer, [at[id(source)] for source in node.sources], node.joins) for node in last.order]
        case layers:
            return layers if any(layer.branches for layer in layers) else None


def _theta(source: str, data: bytes, network: Network, layers: list[Place], *, all_of_them: bool = False) -> np.ndarray:
    theta = np.zeros(network.parameter_count)
    single = True
    with reading(source, data) as file:
        for path, (place, wanted) in places(network, layers).items():
            shapes = {name: at.shape for name, at in wanted.items() if name not in place.absent}
            found = file.arrays(path, shapes, place.may_lack)
            single &= all(array.dtype.itemsize <= 4 for array in found.values())
            for name, at in wanted.items():
                theta[at] = found[name] if name in found else FILLED[name]
        if all_of_them:
            file.require_no_others([place.path for place in layers])
    return theta.astype(np.float32) if single else theta
