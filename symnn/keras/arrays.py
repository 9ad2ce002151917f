"""The parameters of a layer as Keras keeps them: the same numbers, in arrays of other shapes and orders.

Each kind of layer says what its arrays are, made of ours. Made of the places of our parameters in theta, the same says
where each number of Keras's arrays belongs, in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Integers
from symnn.errors import FieldError
from symnn.layers.layer import Layer
from symnn.layers.writing import placed
from symnn.network import Network
from symnn.shapes import CHANNEL, Shape, extents, input_shape
from symnn.suggest import quote

Arrays: TypeAlias = Mapping[str, NDArray[np.int64]]
Order: TypeAlias = Integers | None
"""Where each feature that Keras has lies among ours, of an image that was flattened; None where that is the same."""


@dataclass(frozen=True)
class Place:
    """A layer with parameters, and where its arrays are in a file.

    absent: the arrays that the layer does without. order: that of the features that go in.
    """

    layer: Layer
    path: str
    order: Order = None
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """The classes of a kind of layer by the axes of what goes in, where its arrays are, and what they are."""

    classes: Mapping[int, str]
    arrays: Callable[[Arrays, Order], Arrays]
    inside: str = "vars"


def _along(array: NDArray[np.int64], axis: int, order: Order) -> NDArray[np.int64]:
    return array if order is None else np.take(array, order, axis)


def _dense(own: Arrays, order: Order) -> Arrays:
    return {"kernel": _along(own["W"], 1, order).T, **({"bias": own["b"]} if "b" in own else {})}


def _convolution(own: Arrays, order: Order) -> Arrays:
    kernel = np.moveaxis(own["W"], (0, 1), (-1, -2))  # places in the window, channels in, channels out
    return {"kernel": kernel, **({"bias": own["b"]} if "b" in own else {})}


def _recurrent(own: Arrays, order: Order) -> Arrays:
    """Of an LSTM too: Keras's i f c o are our i f g o."""
    return {"kernel": own["W"].T, "recurrent_kernel": own["U"].T, "bias": own["b"]}


def _gru(own: Arrays, order: Order) -> Arrays:
    """Keras's gates are z r h, ours r z n; its bias is that of what comes in, and below it that of the state."""

    def turned(array: NDArray[np.int64]) -> NDArray[np.int64]:
        gates = array.reshape(3, -1, *array.shape[1:])
        return gates[[1, 0, 2]].reshape(array.shape)

    bias = np.stack([turned(own["b"]), turned(own["c"])])
    return {"kernel": turned(own["W"]).T, "recurrent_kernel": turned(own["U"]).T, "bias": bias}


def _layer_norm(own: Arrays, order: Order) -> Arrays:
    found = {"gamma": own["g"], "beta": own["b"]}
    if own["g"].ndim > 1:  # an image, channels first
        return {name: np.moveaxis(array, 0, -1) for name, array in found.items()}
    return {name: _along(array, 0, order) for name, array in found.items()}


def _batch_norm(own: Arrays, order: Order) -> Arrays:
    names = {"gamma": "g", "beta": "b", "moving_mean": "mean", "moving_variance": "variance"}
    return {name: _along(own[letter], 0, order) for name, letter in names.items()}


def _embedding(own: Arrays, order: Order) -> Arrays:
    return {"embeddings": own["E"]}


def _always(name: str) -> Mapping[int, str]:
    return dict.fromkeys(range(1, 4), name)


KINDS: Mapping[str, Kind] = {
    "dense": Kind(_always("dense"), _dense),
    "convolution": Kind({2: "conv1d", 3: "conv2d"}, _convolution),
    "recurrent": Kind(_always("simple_rnn"), _recurrent, "cell/vars"),
    "lstm": Kind(_always("lstm"), _recurrent, "cell/vars"),
    "gru": Kind(_always("gru"), _gru, "cell/vars"),
    "layer_norm": Kind(_always("layer_normalization"), _layer_norm),
    "batch_norm": Kind(_always("batch_normalization"), _batch_norm),
    "embedding": Kind(_always("embedding"), _embedding),
}
"""Those with parameters that Keras has too."""


def places(network: Network, place: Place) -> Arrays:
    """Where in theta each number of the arrays of a layer is, by the names that Keras gives them, in their order."""
    (found,) = (one for one in placed(network.written, network.input_shape) if one.layer is place.layer)
    slots = {letter: network.layout[name] for letter, (name, _) in zip(found.own, found.named)}
    own = {letter: np.arange(s.where.start, s.where.stop).reshape(s.shape) for letter, s in slots.items()}
    return KINDS[place.layer.kind()].arrays(own, place.order)


# --- the layers of a network in their order -----------------------------------------------------------------------

KEEPING = frozenset({"activation", "dropout", "noise", "scale", "layer_norm", "batch_norm"})
"""Kinds behind which the features are in the order in which they came."""


def order_after(layer: Layer, given: Shape, order: Order) -> Order:
    """The order of the features behind a layer that is given features in this order."""
    if layer.kind() == "flatten" and given[0].name == CHANNEL:
        sizes = tuple(int(extent) for extent in cast(Sequence[int], extents(given)))
        return np.moveaxis(np.arange(int(np.prod(sizes))).reshape(sizes), 0, -1).ravel()
    return order if layer.kind() in KEEPING or layer.kind() == "flatten" else None


def counted(network: Network) -> list[Place]:
    """The layers with parameters of a network that is a chain, where Keras would put them.

    Raises :class:`FieldError` for a layer that Keras does not have, or has otherwise.
    """
    if not isinstance(network.inputs, (int, tuple)):
        raise FieldError("found inputs with names, expected a chain of layers")
    given, order = input_shape(network.inputs), cast(Order, None)
    found: list[Place] = []
    counts: dict[str, int] = {}
    for number, layer in enumerate(network.layers):
        own = bool(layer.parameters(given))
        kind = KINDS.get(layer.kind())
        if layer.branches or layer.kind() in ("take", "again") or (own and kind is None):
            raise FieldError(
                f"layers[{number}]: found {quote(layer.kind())}, expected a chain of {', '.join(KINDS)} and layers "
                "without parameters"
            )
        if own and kind is not None:
            name = kind.classes[len(given)]
            count = counts[name] = counts.get(name, -1) + 1
            path = f"layers/{name}{f'_{count}' if count else ''}/{kind.inside}"
            found.append(Place(layer, path, order))
        order, given = order_after(layer, given, order), layer.shape(given)
    return found
