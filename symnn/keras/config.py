"""The description of a Keras model, ``config.json``, as a network: every layer by a row of a table, or refused by name.

Nothing in it is run: layers of functions (Lambda) and classes of the user's own have no row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from symnn.choices import ActivationLike, LossLike, name_of
from symnn.errors import CheckpointError, FieldError, SpecError
from symnn.keras.arrays import KINDS, WAYS, Of, Order, Place, depthwise, depthwise_part, order_after, pointwise_part
from symnn.layers.activation import Activation
from symnn.layers.attention import attention
from symnn.layers.average_pool import average_pool
from symnn.layers.batch_norm import batch_norm
from symnn.layers.concatenate import concatenate, joined_shape
from symnn.layers.convolution import convolution
from symnn.layers.dense import dense
from symnn.layers.dropout import dropout
from symnn.layers.embedding import embedding
from symnn.layers.flatten import flatten
from symnn.layers.gru import gru
from symnn.layers.layer import Layer
from symnn.layers.layer_norm import layer_norm
from symnn.layers.lstm import lstm
from symnn.layers.max_pool import max_pool
from symnn.layers.node import Node, inputs
from symnn.layers.noise import noise
from symnn.layers.recurrent import recurrent
from symnn.layers.scale import scale
from symnn.network import Network
from symnn.shapes import CHANNEL, Inputs, Shape, extents, input_shape, read_one
from symnn.suggest import quote, unknown

Settings = Mapping[str, Any]


class RefusedError(Exception):
    """What is wrong with a layer, before it is known which one it is."""


def parse(source: str, text: bytes, loss: LossLike) -> tuple[Network, list[Place]]:
    """The network that a ``config.json`` describes, and where the arrays of its layers are.

    Raises :class:`CheckpointError` naming the first layer that has no counterpart.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{source}: the description of the model cannot be read ({type(error).__name__}), expected the text of "
            "model.to_json()"
        ) from None
    try:
        return _Building(source, loss).network(content)
    except RefusedError as error:
        raise CheckpointError(f"{source}: {error}") from None


# --- layers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A class of layers: what it becomes, given its settings and the shape of what goes in.

    only: settings that have to be so where they are said. without: the arrays that a setting which is False takes away.
    arrays: those of each layer that has them in another form than the others of its kind.
    """

    build: Callable[[Settings, Shape], Layer | Sequence[Layer] | None]
    only: Mapping[str, Any] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    arrays: Sequence[Of | None] = ()


_BIAS = {"use_bias": "bias"}
_PLAIN = {"data_format": "channels_last"}
_STEPS = {"stateful": False, "return_state": False, "time_major": False}
_GATES = {**_STEPS, "activation": "tanh", "recurrent_activation": "sigmoid"}
_NORM = {"center": "beta", "scale": "gamma"}


def _output(c: Settings) -> Any:
    return "all" if c.get("return_sequences") else "last"


def _backward(c: Settings) -> bool:
    """Keras gives all steps of a layer that goes backwards in the order in which it takes them."""
    if c.get("go_backwards") and c.get("return_sequences"):
        raise RefusedError("found go_backwards True with return_sequences, expected one of them")
    return bool(c.get("go_backwards") or c.get("backward"))


def _reset(c: Settings) -> Any:
    if not isinstance(found := c.get("reset_after", True), bool):
        raise RefusedError(f"found reset_after {quote(found)}, expected True or False")
    return "after" if found else "before"


def _sizes(c: Settings, name: str) -> Any:
    found = c.get(name)
    return tuple(found) if isinstance(found, list) else found


def _convolution(c: Settings, given: Shape) -> Layer:
    return convolution(
        c["filters"], _sizes(c, "kernel_size"), activation(c.get("activation")), stride=_sizes(c, "strides"),
        padding=_padding(c, ("valid", "same")), dilation=_sizes(c, "dilation_rate"), groups=c.get("groups", 1),
        bias=bool(c.get("use_bias", True)),
    )  # fmt: skip


def _depthwise(c: Settings, given: Shape, **settings: Any) -> Layer:
    """A group for each channel."""
    channels = int(given[0].extent)
    return _convolution({**c, "filters": channels * c["depth_multiplier"], "groups": channels, **settings}, given)


def _separable(c: Settings, given: Shape) -> Sequence[Layer]:
    first = _depthwise(c, given, activation=None, use_bias=False)
    one = {"kernel_size": 1, "strides": 1, "padding": "valid", "dilation_rate": 1, "groups": 1}
    return first, _convolution({**c, **one}, given)


def _attention(c: Settings, given: Shape) -> Layer:
    if c["value_dim"] != c["key_dim"]:
        raise RefusedError(f"found value_dim {quote(c['value_dim'])}, expected key_dim, {quote(c['key_dim'])}")
    if c.get("attention_axes") not in (None, [1]):
        raise RefusedError(f"found attention_axes {quote(c['attention_axes'])}, expected the steps alone")
    size = int(c["key_dim"])
    plain = size * c["num_heads"] == given[-1].extent
    return attention(c["num_heads"], size=None if plain else size, causal=bool(c.get("use_causal_mask")))


def _padding(c: Settings, known: Sequence[str]) -> Any:
    if c.get("padding") not in known:
        raise RefusedError(f"found padding {quote(c.get('padding'))}, expected {' or '.join(known)}")
    return c["padding"]


def _pool(make: Callable[..., Layer]) -> Callable[[Settings, Shape], Layer]:
    def build(c: Settings, given: Shape) -> Layer:
        _padding(c, ("valid",))
        return make(_sizes(c, "pool_size"), stride=_sizes(c, "strides"))

    return build


def _over_all(make: Callable[..., Layer]) -> Callable[[Settings, Shape], Sequence[Layer]]:
    """One number of each channel."""

    def build(c: Settings, given: Shape) -> Sequence[Layer]:
        return make(tuple(int(extent) for extent in extents(given[1:]))), flatten()

    return build


def _batch_norm(c: Settings, given: Shape) -> Layer:
    axis = c.get("axis", -1)
    if axis not in (-1, len(given)):
        raise RefusedError(f"found axis {quote(axis)}, expected the last one")
    return batch_norm(epsilon=c["epsilon"])


def _layer_norm(c: Settings, given: Shape) -> Layer:
    axes = c.get("axis", -1)
    over = {axis % (len(given) + 1) for axis in (axes if isinstance(axes, list) else [axes])}
    whole = {*range(1, len(given) + 1)} if given[0].name == CHANNEL else {len(given)}
    if over not in (whole, {len(given)}):
        raise RefusedError(f"found axis {quote(axes)}, expected {sorted(whole)} or the last one")
    return layer_norm(epsilon=c["epsilon"], over="all" if over == whole else "channels")


def _rectifier(c: Settings, given: Shape) -> Layer:
    most, slope, threshold = c.get("max_value"), c.get("negative_slope", 0), c.get("threshold", 0)
    if threshold or (most is not None and (most != 6 or slope)):
        raise RefusedError(f"found max_value {quote(most)} and threshold {quote(threshold)}, expected None or 6, and 0")
    if most == 6:
        return Activation(activation="relu6")
    return Activation(activation={"leaky_relu": {"slope": float(slope)}} if slope else "relu")


LAYERS: Mapping[str, Row] = {
    "Dense": Row(
        lambda c, given: dense(c["units"], activation(c.get("activation")), bias=bool(c.get("use_bias", True))),
        {"lora_rank": None, "quantization_config": None},
    ),
    "Conv1D": Row(_convolution, {**_PLAIN, "lora_rank": None}),
    "Conv2D": Row(_convolution, {**_PLAIN, "lora_rank": None}),
    **{f"DepthwiseConv{n}D": Row(_depthwise, _PLAIN, arrays=(depthwise,)) for n in (1, 2)},
    **{f"SeparableConv{n}D": Row(_separable, _PLAIN, arrays=(depthwise_part, pointwise_part)) for n in (1, 2)},
    "MultiHeadAttention": Row(
        _attention, {"output_shape": None, "use_gate": False, "sliding_window": None, "flash_attention": None}, _BIAS
    ),
    "MaxPooling1D": Row(_pool(max_pool), _PLAIN),
    "MaxPooling2D": Row(_pool(max_pool), _PLAIN),
    "AveragePooling1D": Row(_pool(average_pool), _PLAIN),
    "AveragePooling2D": Row(_pool(average_pool), _PLAIN),
    **{f"GlobalMaxPooling{n}D": Row(_over_all(max_pool), {**_PLAIN, "keepdims": False}) for n in (1, 2)},
    **{f"GlobalAveragePooling{n}D": Row(_over_all(average_pool), {**_PLAIN, "keepdims": False}) for n in (1, 2)},
    "Embedding": Row(
        lambda c, given: embedding(c["output_dim"], c["input_dim"]), {"mask_zero": False, "lora_rank": None}
    ),
    "SimpleRNN": Row(
        lambda c, given: recurrent(
            c["units"], activation(c.get("activation")) or "identity", output=_output(c), backward=_backward(c)
        ),
        _STEPS,
        _BIAS,
    ),
    "LSTM": Row(lambda c, given: lstm(c["units"], output=_output(c), backward=_backward(c)), _GATES, _BIAS),
    "GRU": Row(
        lambda c, given: gru(c["units"], output=_output(c), backward=_backward(c), reset=_reset(c)), _GATES, _BIAS
    ),
    "BatchNormalization": Row(_batch_norm, {"renorm": False}, _NORM),
    "LayerNormalization": Row(_layer_norm, {"rms_scaling": False}, _NORM),
    "Flatten": Row(lambda c, given: flatten(), _PLAIN),
    "Rescaling": Row(lambda c, given: scale(c["scale"]), {"offset": 0.0}),
    "Dropout": Row(lambda c, given: dropout(c["rate"]), {"noise_shape": None}),
    "GaussianNoise": Row(lambda c, given: noise(c["stddev"])),
    "ActivityRegularization": Row(lambda c, given: None),
    "Identity": Row(lambda c, given: None),
    "Activation": Row(lambda c, given: Activation(activation=activation(c["activation"]) or "identity")),
    "ReLU": Row(_rectifier),
    "LeakyReLU": Row(lambda c, given: Activation(activation={"leaky_relu": {"slope": c["negative_slope"]}})),
    "ELU": Row(lambda c, given: Activation(activation={"elu": {"alpha": c["alpha"]}})),
    "Softmax": Row(lambda c, given: Activation(activation="softmax"), {"axis": -1}),
}
"""Ours for Keras's."""

MERGES = ("Add", "Concatenate")
_RECURRENT = ("LSTM", "GRU", "SimpleRNN")

ACTIVATIONS: Mapping[str, ActivationLike] = {
    "linear": None,
    "relu": "relu",
    "leaky_relu": {"leaky_relu": {"slope": 0.2}},
    "relu6": "relu6",
    "elu": "elu",
    "celu": "elu",  # they differ where alpha is not 1, which no name says
    "selu": {"formula": "1.0507009873554805*elu(x, 1.6732632423543772)"},
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
    "hard_silu": {"formula": "x*minimum(maximum(x + 3, 0), 6)/6"},
    "hard_swish": {"formula": "x*minimum(maximum(x + 3, 0), 6)/6"},
    "mish": {"formula": "x*tanh(softplus(x))"},
    "sigmoid": "sigmoid",
    "hard_sigmoid": {"formula": "minimum(maximum(x + 3, 0), 6)/6"},
    "log_sigmoid": {"formula": "-softplus(-x)"},
    "tanh": "tanh",
    "hard_tanh": "hard_tanh",
    "tanh_shrink": {"formula": "x - tanh(x)"},
    "softplus": "softplus",
    "softsign": {"formula": "x/(1 + abs(x))"},
    "exponential": {"formula": "exp(x)"},
    "squareplus": {"formula": "(x + sqrt(x**2 + 4))/2"},
    "softmax": "softmax",
}
"""Ours for the names that Keras's layers give."""


def activation(given: Any) -> ActivationLike:
    """Ours for what stands in a config."""
    if given is None:
        return None
    if not isinstance(given, str):
        raise RefusedError(f"found the activation {quote(given)}, expected the name of one")
    if given not in ACTIVATIONS:
        raise RefusedError(unknown("activation", given, ACTIVATIONS))
    return ACTIVATIONS[given]


# --- models ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A layer of a model: its class, its settings, the layers whose values it takes, and where its arrays are."""

    key: str
    name: str
    kind: str
    settings: Settings
    sources: tuple[str, ...]
    path: str

    def __str__(self) -> str:
        return f"layer {quote(self.name)} ({self.kind})"


@dataclass(frozen=True)
class Made:
    """A value on the way: its shape, the order of its features, and how a network that is no chain calls it."""

    shape: Shape
    order: Order
    node: Node
    layers: tuple[Layer, ...] | None
    """Those that have made it of the only input, one after the other; None where that is no chain."""


MOST_MODELS = 20
"""Models inside each other."""


class _Building:
    """A network as it is put together."""

    def __init__(self, source: str, loss: LossLike) -> None:
        self.source, self.loss = source, loss
        self.values: dict[str, Made] = {}
        self.places: list[Place] = []
        self.given: list[Inputs] = []

    def network(self, content: Any) -> tuple[Network, list[Place]]:
        entries = [*_entries(content, "", None)]
        signals = any(entry.kind in _OF_SIGNALS for entry in entries)
        for entry in entries:
            try:
                self.values[entry.key] = self._made(entry, signals)
            except (SpecError, FieldError, RefusedError) as error:
                raise RefusedError(f"{entry}: {error}") from None
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise RefusedError(f"{entry}: its settings are not as Keras 3 writes them ({_named(error)})") from None
        last = self.values[_output_key(entries)]
        if last.order is not None:
            raise RefusedError(
                "found outputs in the order of Flatten, whose channels vary fastest in Keras and slowest here, "
                "expected a Dense behind Flatten"
            )
        found = self._without_last(last)
        try:
            if found.layers is not None:
                network = Network(self.given[0], found.layers, self.loss)
            else:
                network = Network.of(found.node, self.loss)
        except SpecError as error:
            raise RefusedError(str(error)) from None
        return network, self.places

    def _made(self, entry: Entry, signals: bool) -> Made:
        if entry.kind == "InputLayer":
            return self._input(entry, signals)
        for source in entry.sources:
            if source not in self.values:
                raise RefusedError(f"found the input {quote(source)}, expected a layer before it")
        before = [self.values[source] for source in entry.sources]
        if entry.kind in MERGES:
            return _merged(entry.kind, entry.settings.get("axis", -1), before)
        if entry.kind not in (*LAYERS, "Bidirectional"):
            raise RefusedError(unknown("layer", entry.kind, [*LAYERS, *MERGES, "Bidirectional"]))
        if entry.kind == "MultiHeadAttention" and len({*entry.sources}) == 1:
            before = before[:1]  # of a sequence to itself
        if len(before) != 1:
            raise RefusedError(f"found {len(before)} inputs, expected one")
        (x,) = before
        if entry.kind == "Bidirectional":
            return self._both_ways(entry, x)
        row = LAYERS[entry.kind]
        layers = _built(entry.kind, entry.settings, x.shape)
        for layer, arrays in zip(layers, row.arrays or [None] * len(layers)):
            self._place(x, layer, entry.path, row, entry.settings, arrays)
            x = _behind(x, layer)
        return x

    def _both_ways(self, entry: Entry, x: Made) -> Made:
        """What two recurrent layers make of a sequence, one of which goes backwards."""
        if (mode := entry.settings["merge_mode"]) not in ("concat", "sum"):
            raise RefusedError(f"found merge_mode {quote(mode)}, expected concat or sum")
        ways = []
        for name, where in zip(("layer", "backward_layer"), WAYS):
            kind, settings = _described(entry.settings[name])
            if kind not in _RECURRENT or bool(settings.get("go_backwards")) is not (name != "layer"):
                raise RefusedError(f"found {name} {quote(kind)}, expected {', '.join(_RECURRENT)}, one each way")
            # The steps that come out of a Bidirectional are in the order of the sequence.
            settings = {**settings, "go_backwards": False, "backward": name != "layer"}
            (way,) = _built(kind, settings, x.shape)
            self._place(x, way, f"{entry.path}/{where}", LAYERS[kind], settings)
            ways.append(way)
        if mode == "concat":
            return _behind(x, concatenate(*([way] for way in ways)))
        forward, backward = ways
        return Made(forward.shape(x.shape), None, forward(x.node) + backward(x.node), None)

    def _place(self, x: Made, layer: Layer, path: str, row: Row, settings: Settings, arrays: Of | None = None) -> None:
        if layer.kind() in KINDS:
            absent = [name for setting, name in row.without.items() if settings.get(setting) is False]
            self.places.append(Place(layer, path, x.order, tuple(absent), arrays=arrays))

    def _input(self, entry: Entry, signals: bool) -> Made:
        shape = entry.settings.get("batch_shape", entry.settings.get("batch_input_shape"))
        if not isinstance(shape, list) or not 2 <= len(shape) <= 4:
            raise RefusedError(f"found inputs of shape {quote(shape)}, expected one to three axes behind the samples")
        given = _inputs(shape[1:], signals, str(entry.settings.get("dtype")).startswith("int"))
        self.given.append(given)
        (node,) = inputs(**{entry.name: given})
        return Made(input_shape(given), None, node, () if len(self.given) == 1 else None)

    def _without_last(self, made: Made) -> Made:
        """The same without a last activation that is part of the loss."""
        layer = made.node.layer
        wanted = _PART_OF_LOSS.get(name_of(self.loss) or "") if not callable(self.loss) else None
        if wanted is None or layer is None or name_of(getattr(layer, "activation", None)) != wanted:
            return made
        if isinstance(layer, Activation):
            rest: tuple[Layer, ...] = ()
            node = made.node.sources[0]
        else:
            bare = layer.model_copy(update={"activation": None})
            self.places = [replace(p, layer=bare) if p.layer is layer else p for p in self.places]
            rest, node = (bare,), bare(made.node.sources[0])
        return replace(made, node=node, layers=None if made.layers is None else (*made.layers[:-1], *rest))


def _built(kind: str, settings: Settings, given: Shape) -> Sequence[Layer]:
    """The layers that a class of Keras becomes."""
    row = LAYERS[kind]
    for name, expected in row.only.items():
        if (value := settings.get(name, expected)) != expected or isinstance(value, bool) != isinstance(expected, bool):
            raise RefusedError(f"found {name} {quote(value)}, expected {quote(expected)}")
    found = row.build(settings, given)
    return found if isinstance(found, Sequence) else () if found is None else (found,)


def _behind(x: Made, layer: Layer) -> Made:
    order, shape = order_after(layer, x.shape, x.order), layer.shape(x.shape)
    return Made(shape, order, layer(x.node), None if x.layers is None else (*x.layers, layer))


_PART_OF_LOSS: Mapping[str, str] = {
    "softmax_cross_entropy": "softmax",
    "softmax_cross_entropy_rows": "softmax",
    "binary_cross_entropy": "sigmoid",
}
_OF_SIGNALS = frozenset(
    f"{name}1D"
    for name in (
        "Conv", "DepthwiseConv", "SeparableConv", "MaxPooling", "AveragePooling", "GlobalMaxPooling",
        "GlobalAveragePooling",
    )
)  # fmt: skip


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:60]}"


def _inputs(shape: Sequence[Any], signals: bool, integers: bool) -> Inputs:
    """The inputs of a network that Keras gives arrays of this shape, channels last."""
    if integers and len(shape) == 1:
        return read_one({"time": "any" if shape[0] is None else shape[0]})
    if len(shape) == 1:
        return read_one(shape[0])
    if len(shape) == 2 and not signals:
        return read_one({"time": "any" if shape[0] is None else shape[0], "features": shape[1]})
    return read_one([shape[-1], *shape[:-1]])


def _merged(kind: str, axis: Any, before: Sequence[Made]) -> Made:
    """Values added, or side by side."""
    if len(before) < 2:
        raise RefusedError(f"found {len(before)} inputs, expected at least two")
    first, *others = before
    if kind == "Add":
        for other in others:
            if extents(other.shape) != extents(first.shape) or not _alike(first.order, other.order):
                raise RefusedError("found inputs of different shapes or orders, expected the same")
        node = first.node
        for other in others:
            node = node + other.node
        return Made(first.shape, first.order, node, None)
    if axis not in (-1, len(first.shape)):
        raise RefusedError(f"found axis {quote(axis)}, expected the last one")
    return _side_by_side(before)


def _alike(one: Order, other: Order) -> bool:
    return (one is None) == (other is None) and (one is None or other is None or bool((one == other).all()))


def _side_by_side(before: Sequence[Made]) -> Made:
    shape = joined_shape([made.shape for made in before])
    order = None
    if any(made.order is not None for made in before):
        sizes = [int(made.shape[-1].extent) for made in before]
        starts = np.cumsum([0, *sizes[:-1]])
        order = np.concatenate(
            [start + (np.arange(n) if m.order is None else m.order) for start, n, m in zip(starts, sizes, before)]
        )
    return Made(shape, order, concatenate(*(made.node for made in before)), None)


def _entries(model: Any, path: str, given: tuple[str, ...] | None, depth: int = 0) -> Iterator[Entry]:
    """The layers of a model in their order, those of models inside in their place; ``given``: what such a one takes."""
    kind, config = _described(model)
    if kind not in ("Sequential", "Functional") or depth == MOST_MODELS:
        raise RefusedError(f"found a model {quote(kind)}, expected Sequential or Functional")
    layers = config.get("layers")
    if not isinstance(layers, list) or not layers:
        raise RefusedError("found a model without layers")
    counts: dict[str, int] = {}
    prefix = f"{path}/layers" if path else "layers"
    keys: dict[str, str] = {}
    before: tuple[str, ...] = given or ()
    if kind == "Sequential" and given is None and _described(layers[0])[0] != "InputLayer":
        before = (f"{prefix}/given",)
        yield Entry(before[0], "x", "InputLayer", {"batch_shape": config.get("build_input_shape")}, (), "")
    for layer in layers:
        name_of_kind, settings = _described(layer)
        stem = _snake(name_of_kind)
        number = counts[stem] = counts.get(stem, -1) + 1
        where = f"{prefix}/{stem}{f'_{number}' if number else ''}"
        name = str(settings.get("name", stem))
        sources = before if kind == "Sequential" else tuple(keys.get(one, one) for one in _sources(name, layer))
        if name_of_kind == "InputLayer" and given is not None:
            keys[name] = given[0]
            continue
        keys[name] = where
        if name_of_kind in ("Sequential", "Functional"):
            inside = [*_entries(layer, where, sources, depth + 1)]
            yield from inside
            keys[name] = _output_key(inside)
        else:
            yield Entry(where, name, name_of_kind, {**settings, **_called(layer)}, sources, where)
        before = (keys[name],)
    if kind == "Functional":
        yield Entry(f"{prefix}/output", "output", "Identity", {}, (_one_output(config, keys),), "")


def _described(value: Any) -> tuple[str, Settings]:
    """The class and the settings of an object."""
    config = value.get("config") if isinstance(value, Mapping) else None
    if not isinstance(config, Mapping) or not isinstance(value.get("class_name"), str):
        raise RefusedError(f"found {quote(value)}, expected a layer with class_name and config")
    registered, module = value.get("registered_name"), value.get("module", "keras")
    if registered not in (None, value["class_name"]) or str(module).partition(".")[0] != "keras":
        raise RefusedError(
            f"layer {quote(config.get('name'))}: found the class {quote(registered or value['class_name'])} of "
            f"{quote(module)}, expected one of Keras"
        )
    return value["class_name"], config


def _sources(name: str, layer: Mapping[str, Any]) -> Iterator[str]:
    """The names of the layers that a layer of a functional model takes the values of."""
    calls = layer.get("inbound_nodes")
    if not isinstance(calls, list) or len(calls) > 1:
        raise RefusedError(f"layer {quote(name)}: found {quote(calls)} for its calls, expected one")
    for call in calls:
        stack = [call.get("args"), *dict(call.get("kwargs") or {}).values()] if isinstance(call, Mapping) else [call]
        while stack:
            part = stack.pop(0)
            if isinstance(part, list):
                stack[:0] = part
            elif isinstance(part, Mapping):
                yield _history(name, part)


def _called(layer: Mapping[str, Any]) -> Settings:
    """What the only call of a layer says of how it is computed."""
    calls = layer.get("inbound_nodes")
    given = calls[0].get("kwargs") if isinstance(calls, list) and calls and isinstance(calls[0], Mapping) else None
    return {"use_causal_mask": True} if isinstance(given, Mapping) and given.get("use_causal_mask") else {}


def _history(name: str, part: Mapping[str, Any]) -> str:
    config = part.get("config")
    history = config.get("keras_history") if isinstance(config, Mapping) else None
    if part.get("class_name") != "__keras_tensor__" or not isinstance(history, list) or history[1:] != [0, 0]:
        raise RefusedError(f"layer {quote(name)}: found the input {quote(part)}, expected the value of a layer")
    return str(history[0])


def _one_output(config: Settings, keys: Mapping[str, str]) -> str:
    found = config.get("output_layers")
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
        (found,) = found
    if not isinstance(found, list) or len(found) != 3 or found[1:] != [0, 0] or str(found[0]) not in keys:
        raise RefusedError(f"found the outputs {quote(config.get('output_layers'))}, expected one")
    return keys[str(found[0])]


def _output_key(entries: Sequence[Entry]) -> str:
    return entries[-1].key


def _snake(name: str) -> str:
    """The name of a class as files have it.

    >>> _snake("BatchNormalization"), _snake("SimpleRNN"), _snake("Conv2D")
    ('batch_normalization', 'simple_rnn', 'conv2d')
    """
    parted = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()
