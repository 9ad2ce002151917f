"""The parameters of a layer as Keras keeps them: the same numbers, in arrays of other shapes and orders.

Each kind of layer says what its arrays are, made of ours. Made of the places of our parameters in theta, the same says
where each number of Keras's arrays belongs, in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Integers
from symnn.choices import is_identity
from symnn.errors import FieldError
from symnn.layers.attention import Attention
from symnn.layers.convolution import Convolution
from symnn.layers.layer import Layer
from symnn.layers.windows import Sizes
from symnn.layers.writing import placed
from symnn.network import Network
from symnn.shapes import CHANNEL, Shape, extents, input_shape
from symnn.suggest import quote

Arrays: TypeAlias = Mapping[str, NDArray[np.int64]]
Order: TypeAlias = Integers | None
"""Where each feature that Keras has lies among ours, of an image that was flattened; None where that is the same."""


Of: TypeAlias = Callable[[Arrays, Order, Layer], Arrays]
"""Keras's arrays, made of ours, of the order of the features that go in, and of the layer."""


@dataclass(frozen=True)
class Place:
    """A layer with parameters, and where its arrays are in a file.

    absent: the arrays that the layer does without; may_lack: those that it does without or not, all or none of them.
    order: that of the features that go in. arrays: what a class of Keras has in another form than the others of the
    kind.
    """

    layer: Layer
    path: str
    order: Order = None
    absent: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()
    arrays: Of | None = None


@dataclass(frozen=True)
class Kind:
    """The classes of a kind of layer by the axes of what goes in, and its arrays by group of a file and name."""

    classes: Mapping[int, str]
    arrays: Of


def _along(array: NDArray[np.int64], axis: int, order: Order) -> NDArray[np.int64]:
    return array if order is None else np.take(array, order, axis)


def _dense(own: Arrays, order: Order, layer: Layer) -> Arrays:
    return {"vars/kernel": _along(own["W"], 1, order).T, **({"vars/bias": own["b"]} if "b" in own else {})}


def _convolution(own: Arrays, order: Order, layer: Layer) -> Arrays:
    kernel = np.moveaxis(own["W"], (0, 1), (-1, -2))  # places in the window, channels in, channels out
    return {"vars/kernel": kernel, **({"vars/bias": own["b"]} if "b" in own else {})}


def depthwise(own: Arrays, order: Order, layer: Layer) -> Arrays:
    """Of a convolution with a group for each channel: channels in and how many each becomes are two axes."""
    out, _, *window = own["W"].shape
    groups = cast(Convolution, layer).groups
    kernel = np.moveaxis(own["W"].reshape(groups, out // groups, *window), (0, 1), (-2, -1))
    return {"vars/kernel": kernel, **({"vars/bias": own["b"]} if "b" in own else {})}


def depthwise_part(own: Arrays, order: Order, layer: Layer) -> Arrays:
    """The same as the first array of a separable convolution."""
    return {"vars/depthwise_kernel": depthwise(own, order, layer)["vars/kernel"]}


def pointwise_part(own: Arrays, order: Order, layer: Layer) -> Arrays:
    """The others."""
    found = _convolution(own, order, layer)
    return {path.replace("/kernel", "/pointwise_kernel"): array for path, array in found.items()}


def _attention(own: Arrays, order: Order, layer: Layer) -> Arrays:
    """Of each of q, k and v a dense layer whose units are heads and their features, and one behind the heads."""
    heads = cast(Attention, layer).attention
    width = own["U"].shape[0]
    W, b = own["W"].reshape(3, heads, -1, width), own["b"].reshape(3, heads, -1)
    parts = {
        f"{name}_dense/vars/{array}": values
        for name, kernel, bias in zip(("query", "key", "value"), W, b)
        for array, values in (("kernel", np.moveaxis(kernel, -1, 0)), ("bias", bias))
    }
    out = np.moveaxis(own["U"].reshape(width, heads, -1), 0, -1)
    return {**parts, "output_dense/vars/kernel": out, "output_dense/vars/bias": own["c"]}


def _recurrent(own: Arrays, order: Order, layer: Layer) -> Arrays:
    """Of an LSTM too: Keras's i f c o are our i f g o."""
    return {"cell/vars/kernel": own["W"].T, "cell/vars/recurrent_kernel": own["U"].T, "cell/vars/bias": own["b"]}


def _gru(own: Arrays, order: Order, layer: Layer) -> Arrays:
    """Keras's gates are z r h, ours r z n; its bias is of what comes in, and below it one of the state, if any."""

    def turned(array: NDArray[np.int64]) -> NDArray[np.int64]:
        gates = array.reshape(3, -1, *array.shape[1:])
        return gates[[1, 0, 2]].reshape(array.shape)

    bias = np.stack([turned(own["b"]), turned(own["c"])]) if "c" in own else turned(own["b"])
    return {
        "cell/vars/kernel": turned(own["W"]).T,
        "cell/vars/recurrent_kernel": turned(own["U"]).T,
        "cell/vars/bias": bias,
    }


def _layer_norm(own: Arrays, order: Order, layer: Layer) -> Arrays:
    found = {"vars/gamma": own["g"], "vars/beta": own["b"]}
    if own["g"].ndim > 1:  # an image, channels first
        return {name: np.moveaxis(array, 0, -1) for name, array in found.items()}
    return {name: _along(array, 0, order) for name, array in found.items()}


def _batch_norm(own: Arrays, order: Order, layer: Layer) -> Arrays:
    names = {"vars/gamma": "g", "vars/beta": "b", "vars/moving_mean": "mean", "vars/moving_variance": "variance"}
    return {name: _along(own[letter], 0, order) for name, letter in names.items()}


def _embedding(own: Arrays, order: Order, layer: Layer) -> Arrays:
    return {"vars/embeddings": own["E"]}


def _always(name: str) -> Mapping[int, str]:
    return dict.fromkeys(range(1, 4), name)


KINDS: Mapping[str, Kind] = {
    "dense": Kind(_always("dense"), _dense),
    "convolution": Kind({2: "conv1d", 3: "conv2d"}, _convolution),
    "recurrent": Kind(_always("simple_rnn"), _recurrent),
    "lstm": Kind(_always("lstm"), _recurrent),
    "gru": Kind(_always("gru"), _gru),
    "attention": Kind(_always("multi_head_attention"), _attention),
    "layer_norm": Kind(_always("layer_normalization"), _layer_norm),
    "batch_norm": Kind(_always("batch_normalization"), _batch_norm),
    "embedding": Kind(_always("embedding"), _embedding),
}
"""Those with parameters that Keras has too."""

FILLED: Mapping[str, float] = {"bias": 0.0, "gamma": 1.0, "beta": 0.0}
"""What stands for the arrays that a layer of Keras may do without, and ours has."""

MAY_LACK: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("recurrent", "lstm", "gru", "attention"), ("bias",)),
    **dict.fromkeys(("layer_norm", "batch_norm"), ("gamma", "beta")),
}
"""Of each kind whose layers here always have them."""

Group: TypeAlias = tuple[Place, dict[str, NDArray[np.int64]]]


def places(network: Network, layers: Sequence[Place]) -> dict[str, Group]:
    """Where in theta each number of the arrays of the layers is, by group of a file and name, in their order."""
    found: dict[str, Group] = {}
    for place in layers:
        (layer,) = (one for one in placed(network.written, network.input_shape) if one.layer is place.layer)
        slots = {letter: network.layout[name] for letter, (name, _) in zip(layer.own, layer.named)}
        own = {letter: np.arange(s.where.start, s.where.stop).reshape(s.shape) for letter, s in slots.items()}
        arrays = place.arrays or KINDS[place.layer.kind()].arrays
        for path, at in arrays(own, place.order, place.layer).items():
            group, _, name = f"{place.path}/{path}".rpartition("/")
            found.setdefault(group, (place, {}))[1][name] = at
    return found


# --- the layers of a network in their order -----------------------------------------------------------------------

KEEPING = frozenset({"activation", "dropout", "noise", "scale", "layer_norm", "batch_norm"})
"""Kinds behind which the features are in the order in which they came."""


def order_after(layer: Layer, given: Shape, order: Order) -> Order:
    """The order of the features behind a layer that is given features in this order."""
    if layer.kind() == "flatten" and given[0].name == CHANNEL:
        sizes = tuple(int(extent) for extent in cast(Sequence[int], extents(given)))
        found = np.moveaxis(np.arange(int(np.prod(sizes))).reshape(sizes), 0, -1).ravel()
        return found if (np.diff(found) != 1).any() else None
    return order if layer.kind() in KEEPING or layer.kind() == "flatten" else None


def counted(network: Network, classes: Collection[str] = ()) -> list[Place]:
    """The layers with parameters of a network that is a chain, where Keras would put them.

    Where a file has depthwise or separable convolutions among its classes, these are those with a group for each
    channel that comes in, and what follows.

    Raises :class:`FieldError` for a layer that Keras does not have, or has otherwise.
    """
    if not isinstance(network.inputs, (int, tuple)):
        raise FieldError("found inputs with names, expected a chain of layers")
    given, order = input_shape(network.inputs), cast(Order, None)
    found: list[Place] = []
    counts: dict[str, int] = {}
    pointwise: Layer | None = None
    for number, layer in enumerate(network.layers):
        own = bool(layer.parameters(given))
        kind, ways = KINDS.get(layer.kind()), _ways(layer)
        if (layer.branches and not ways) or layer.kind() in ("take", "again") or (own and kind is None and not ways):
            raise FieldError(
                f"layers[{number}]: found {quote(layer.kind())}, expected a chain of {', '.join(KINDS)}, two of which "
                "may go over a sequence forward and backward, and layers without parameters"
            )
        if layer is pointwise:
            found.append(Place(layer, found[-1].path, order, arrays=pointwise_part))
        elif ways or (own and kind is not None):
            name, arrays = ("bidirectional", None) if ways else (cast(Kind, kind).classes[len(given)], None)
            if isinstance(layer, Convolution) and layer.groups == given[0].extent:
                pointwise = _pointwise(layer, network.layers[number + 1 : number + 2])
                if pointwise is not None and f"separable_{name}" in classes:
                    name, arrays = f"separable_{name}", depthwise_part
                elif f"depthwise_{name}" in classes:
                    name, arrays, pointwise = f"depthwise_{name}", depthwise, None
                else:
                    pointwise = None
            count = counts[name] = counts.get(name, -1) + 1
            path = f"layers/{name}{f'_{count}' if count else ''}"
            inside = {f"{path}/{WAYS[n]}": way for n, way in enumerate(ways)} or {path: layer}
            found += [
                Place(one, where, order, may_lack=MAY_LACK.get(one.kind(), ()), arrays=arrays)
                for where, one in inside.items()
            ]
        order, given = order_after(layer, given, order), layer.shape(given)
    return found


def _pointwise(layer: Convolution, following: Sequence[Layer]) -> Layer | None:
    """What follows a convolution as the second part of a separable one does; None where that is another layer."""
    match following:
        case (Convolution() as other,) if not layer.bias and is_identity(layer.activation):
            given = {*_each(other.kernel), *_each(other.stride), *_each(other.dilation), other.groups}
            return other if given == {1} else None
    return None


def _each(sizes: Sizes) -> Sequence[int]:
    return (sizes,) if isinstance(sizes, int) else sizes


WAYS = ("forward_layer", "backward_layer")
"""Where a file has the two layers of a Bidirectional."""


def _ways(layer: Layer) -> Sequence[Layer]:
    """The layers side by side that go over a sequence forward and backward; none of another layer."""
    both = [branch[0] for branch in layer.branches if len(branch) == 1]
    kinds = {one.kind() for one in both}
    turned = [getattr(one, "backward", None) for one in both]
    is_one = layer.kind() == "concatenate" and turned == [False, True] and len(kinds) == 1
    return both if is_one and len(layer.branches) == 2 else ()
