"""Networks that differ in the widths of their layers alone, as parts of the widest of them.

A unit whose weights in and out are 0 changes nothing of a network, so a narrow network is the widest one with zeros in
place of what it lacks. They stay 0 where training moves each parameter by itself, at the rate 0 for these; running
averages of what is not there are multiplied by a weight that is 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from symnn.activations import ACTIVATIONS
from symnn.arrays import Integers
from symnn.choices import ActivationLike, is_identity, name_of
from symnn.layers.activation import Activation
from symnn.layers.batch_norm import BatchNorm
from symnn.layers.dense import Dense
from symnn.layers.layer import Layer
from symnn.network import Network

_WIDTHS: Mapping[type[Layer], str | None] = {Dense: "dense", Activation: None, BatchNorm: None}
"""Layers whose units do not look at each other, and the field that says how many these are."""


def widest(networks: Sequence[Network]) -> tuple[Network, ...]:
    """Of each network the widest of its kind: layer for layer as many units as any of those that are alike otherwise.

    Only layers of units apart are widened, ``dense`` and what follows it: ``batch_norm`` and activations by name that
    are of one unit each. A network with others, such as ``layer_norm`` or ``dropout``, is its own widest.

    >>> from symnn.layers.dense import dense
    >>> four, eight = (Network(2, (dense(width, "tanh"), dense(3)), "mean_squared_error") for width in (4, 8))
    >>> [network.layers[0].dense for network in widest([four, eight])]
    [8, 8]
    """
    alike = defaultdict(list)
    kinds = [_kind(network) for network in networks]
    for kind, network in zip(kinds, networks):
        alike[kind].append(network)
    wide = {kind: _widened(kind, [_widths(network) for network in found]) for kind, found in alike.items()}
    return tuple(wide[kind] for kind in kinds)


def places(narrow: Network, wide: Network) -> Integers:
    """Where each parameter of a network stands among those of the widest of its kind.

    >>> from symnn.layers.dense import dense
    >>> two, three = (Network(1, (dense(width, "tanh"), dense(1)), "mean_squared_error") for width in (2, 3))
    >>> places(two, three)
    array([0, 1, 3, 4, 6, 7, 9])
    """
    numbers = wide.unmerged(np.arange(wide.parameter_count))
    parts = narrow.unmerged(np.arange(narrow.parameter_count))
    return np.concatenate([numbers[name][tuple(map(slice, part.shape))].ravel() for name, part in parts.items()])


def _kind(network: Network) -> Network:
    """The network with a single unit in all layers but the last, if these can be widened."""
    plain = replace(network, spec=None)
    hidden = network.layers[:-1]
    if not all(type(layer) in _WIDTHS and all(map(_is_of_one, layer.activations)) for layer in hidden):
        return plain
    return _widened(plain, [[1] * len(_hidden(network))])


def _is_of_one(activation: ActivationLike) -> bool:
    """Whether an activation is of each unit by itself, and finite at 0."""
    return is_identity(activation) or name_of(activation) in ACTIVATIONS


def _hidden(network: Network) -> list[int]:
    """The places of the layers that have a width and other such layers behind them."""
    return [n for n, layer in enumerate(network.layers) if _WIDTHS.get(type(layer))][:-1]


def _widths(network: Network) -> list[int]:
    return [getattr(network.layers[n], str(_WIDTHS[type(network.layers[n])])) for n in _hidden(network)]


def _widened(network: Network, widths: Sequence[Sequence[int]]) -> Network:
    layers = list(network.layers)
    for n, found in zip(_hidden(network), zip(*widths)):
        layers[n] = layers[n].model_copy(update={str(_WIDTHS[type(layers[n])]): max(found)})
    return replace(network, layers=tuple(layers))
