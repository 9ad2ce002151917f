"""Weights by the names that PyTorch's modules give them, as theta of a network and back; PyTorch need not be there.

>>> from symnn.network import dense
>>> from symnn.layers.lstm import lstm
>>> network = Network({"time": 3, "features": 2}, (lstm(4), dense(1)), "mean_squared_error")
>>> arrays = to_arrays(network, network.initial_parameters(), ["lstm", "head"])
>>> {name: array.shape for name, array in arrays.items()}
{'lstm.weight_ih_l0': (16, 2), 'lstm.weight_hh_l0': (16, 4), 'lstm.bias_ih_l0': (16,), 'lstm.bias_hh_l0': (16,),
 'head.weight': (1, 4), 'head.bias': (1,)}
>>> bool((from_arrays(network, arrays) == network.initial_parameters()).all())
True
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from symnn.arrays import read_vector
from symnn.errors import CheckpointError, DataError, SpecError
from symnn.files import file_path, require_regular, write_atomically
from symnn.layers.writing import placed
from symnn.network import Network
from symnn.suggest import listing, quote

_PLAIN = {"W": "weight", "b": "bias"}
TENSORS: Mapping[str, Sequence[tuple[str, str]]] = {
    "dense": (*_PLAIN.items(),),
    "convolution": (*_PLAIN.items(),),
    "embedding": (("E", "weight"),),
    "layer_norm": (("g", "weight"), ("b", "bias")),
    "batch_norm": (("g", "weight"), ("b", "bias"), ("mean", "running_mean"), ("variance", "running_var")),
    "recurrent": (("W", "weight_ih_l"), ("U", "weight_hh_l"), ("b", "bias_ih_l"), ("b", "bias_hh_l")),
    "lstm": (("W", "weight_ih_l"), ("U", "weight_hh_l"), ("b", "bias_ih_l"), ("b", "bias_hh_l")),
    "gru": (("W", "weight_ih_l"), ("U", "weight_hh_l"), ("b", "bias_ih_l"), ("c", "bias_hh_l")),
    "attention": (("W", "in_proj_weight"), ("b", "in_proj_bias"), ("U", "out_proj.weight"), ("c", "out_proj.bias")),
}
"""Of each kind of layer our letter and PyTorch's name behind that of the module, in the order of a state_dict.

A name that ends in ``_l`` has the number of the layer in its module behind it. Two with one letter are added.
"""
_COUNTER = "num_batches_tracked"
"""Of a BatchNorm, by which nothing here is changed."""


@dataclass(frozen=True)
class _Tensor:
    """A tensor of a state_dict, and the parameter that it is, or is added to."""

    name: str
    parameter: str
    optional: bool


def from_arrays(
    network: Network, arrays: Mapping[str, np.ndarray], modules: Sequence[str] | None = None, source: str = "state_dict"
) -> np.ndarray:
    """theta of the network from arrays by their names in a state_dict.

    The n-th module that has parameters is the n-th layer that has any; ``modules`` names them where their order in
    ``arrays`` is another. The two biases of a recurrent layer are added, and are 0 where it has none. Tensors whose
    names are of no such module are taken in their order. theta is float32 where all of them are, else float64.

    Raises :class:`DataError` for a tensor that is lacking, left over or of another shape.
    """
    names = [name for name in arrays if name.rpartition(".")[2] != _COUNTER]
    theta, single = np.zeros(network.parameter_count), True
    for tensor in _matched(network, names, modules, source):
        slot = network.layout[tensor.parameter]
        if tensor.name not in arrays:
            continue
        array = arrays[tensor.name]
        if not isinstance(array, np.ndarray):
            raise DataError(
                f"{source}: {tensor.name}: found {type(array).__name__}, expected an array of NumPy; "
                "symnn.torch takes tensors"
            )
        if array.shape != slot.shape:
            raise DataError(
                f"{source}: {tensor.name}: found shape {array.shape}, expected {slot.shape} for {slot.name}"
            )
        if array.dtype.kind != "f":
            raise DataError(f"{source}: {tensor.name}: found {array.dtype}, expected real numbers")
        single &= array.dtype.itemsize <= 4
        theta[slot.where] += array.astype(np.float64).ravel()
    return theta.astype(np.float32) if single else theta


def to_arrays(network: Network, theta: np.ndarray, modules: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of a state_dict whose modules have these names, one for each layer that has parameters, in order.

    Of the two biases of an LSTM or RNN the second is 0. Raises :class:`DataError` for another number of names, and
    :class:`SpecError` for a layer that PyTorch does not have.
    """
    own = _own(network)
    if len(modules) != len(own):
        raise DataError(f"modules: found {len(modules)}, expected {len(own)}, one for each layer with parameters")
    names: list[str] = []
    for (kind, letters), module in zip(own, modules):
        names += [_named(module, suffix, 0) for letter, suffix in _rows(kind) if letter in letters]
    return by_names(network, theta, names)


def by_names(network: Network, theta: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The arrays of these names, which are those of a state_dict; the counters of BatchNorm are left out.

    Raises :class:`DataError` where they are not those of the network's layers.

    >>> from symnn.network import dense
    >>> network = Network(2, (dense(1),), "mean_squared_error")
    >>> by_names(network, np.array([1.0, 2.0, 3.0]), ["0.weight", "0.bias"])
    {'0.weight': array([[1., 2.]]), '0.bias': array([3.])}
    """
    wanted = [name for name in names if name.rpartition(".")[2] != _COUNTER]
    parts = network.split(read_vector("theta", theta, network.parameter_count, DataError))
    found: dict[str, np.ndarray] = {}
    given: set[str] = set()
    for tensor in _matched(network, wanted, None, "names"):
        if tensor.name in wanted:
            part = parts[tensor.parameter]
            found[tensor.name] = np.zeros_like(part) if tensor.parameter in given else part.copy()
            given.add(tensor.parameter)
        elif tensor.parameter not in given and np.any(parts[tensor.parameter]):
            raise DataError(f"names: found no {tensor.name}, expected it: {tensor.parameter} is not 0")
    return found


def load(path: str | os.PathLike[str], network: Network, modules: Sequence[str] | None = None) -> np.ndarray:
    """theta of the network from a safetensors file that holds a state_dict.

    Files do not keep the order: modules are named, unless their names are numbers, as those of a ``Sequential`` are.

    Raises :class:`CheckpointError` for no such file, and :class:`DataError` as :func:`from_arrays` does.
    """
    given = file_path(path, CheckpointError)
    require_regular(given, CheckpointError)
    try:
        with safe_open(given, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys(), key=_numbers)}
    except (SafetensorError, TypeError) as error:  # TypeError: of types that NumPy does not have
        raise CheckpointError(f"{given}: cannot be read: {quote(str(error))}") from None
    if modules is None and len({*map(_module, arrays)}) > 1 and not all(map(_is_numbered, arrays)):
        raise DataError(
            f"{given}: modules: expected the names of the modules in the order of the layers "
            f"{listing(sorted({*map(_module, arrays)}))}"
        )
    return from_arrays(network, arrays, modules, str(given))


def write(path: str | os.PathLike[str], network: Network, theta: np.ndarray, modules: Sequence[str]) -> None:
    """Write theta as a safetensors file of a state_dict, with the names that :func:`to_arrays` gives.

    >>> import tempfile
    >>> from symnn.network import dense
    >>> network = Network(2, (dense(1),), "mean_squared_error")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/line.safetensors", network, np.array([1.0, 2.0, 3.0]), ["line"])
    ...     load(f"{folder}/line.safetensors", network)
    array([1., 2., 3.])
    """
    target = file_path(path, CheckpointError)
    arrays = {name: np.ascontiguousarray(array) for name, array in to_arrays(network, theta, modules).items()}
    write_atomically(target, save(arrays, {"format": "pt"}))


# --- names ----------------------------------------------------------------------------------------------------------


def _own(network: Network) -> list[tuple[str, Mapping[str, str]]]:
    """The kinds of the layers that have parameters, and these by letter."""
    here = placed(network.written, network.input_shape)
    return [(_kind(p.layer), dict(zip(p.own, (name for name, _ in p.named)))) for p in here if p.own]


def _kind(layer: object) -> str:
    kind: str = layer.kind()  # type: ignore[attr-defined]
    return f"{kind} with reset before" if getattr(layer, "reset", None) == "before" else kind


def _rows(kind: str) -> Sequence[tuple[str, str]]:
    if kind not in TENSORS:
        raise SpecError(f"found a layer {quote(kind)}, expected one of {', '.join(TENSORS)}")
    return TENSORS[kind]


def _named(module: str, suffix: str, layer: int) -> str:
    return f"{module}{'.' if module else ''}{suffix}{layer if suffix.endswith('_l') else ''}"


def _matched(network: Network, names: Sequence[str], modules: Sequence[str] | None, source: str) -> list[_Tensor]:
    """The tensors of all layers in their order. Raises :class:`DataError` unless they are what ``names`` are."""
    own = _own(network)
    if modules is not None and len(modules) != len(own):
        raise DataError(f"modules: found {len(modules)}, expected {len(own)}, one for each layer with parameters")
    left = dict.fromkeys(names)
    found: list[_Tensor] = []
    for number, (kind, letters) in enumerate(own):
        rows = [(letter, suffix) for letter, suffix in TENSORS.get(kind, ()) if letter in letters]
        at = _begin(rows, left, None if modules is None else modules[number])
        if at is not None:
            tensors = [_Tensor(_named(at[0], s, at[1]), letters[x], s.startswith("bias_")) for x, s in rows]
        else:
            tensors = [_Tensor(name, letters[x], False) for x, name in zip(letters, left)]
            tensors += [_Tensor("a further tensor", letters[x], False) for x in list(letters)[len(tensors) :]]
        for tensor in tensors:
            if tensor.name not in left and not tensor.optional:
                raise DataError(
                    f"{source}: found {len(names)} tensors, none of them {tensor.name} for {tensor.parameter}"
                )
            left.pop(tensor.name, None)
        found += tensors
    if left:
        raise DataError(
            f"{source}: found {quote(next(iter(left)))}, expected no more than {', '.join(network.layout)} need"
        )
    return found


def _begin(rows: Sequence[tuple[str, str]], left: Mapping[str, None], module: str | None) -> tuple[str, int] | None:
    """The module, and the layer in it, whose tensors come first among those that are left; None for other names."""
    for name in left if module is not None else list(left)[:1]:
        for _, suffix in rows:
            match = re.fullmatch(rf"(?:(.*)\.)?{re.escape(suffix)}(\d*)", name)
            if match and bool(match[2]) == suffix.endswith("_l") and module in (None, match[1] or ""):
                return match[1] or "", int(match[2] or 0)
    return (module, 0) if module is not None else None


def _module(name: str) -> str:
    """That of a tensor: what stands in front of its own name."""
    return re.sub(r"\.?(in_proj|out_proj\.|[^.]*$).*", "", name)


def _is_numbered(name: str) -> bool:
    return _module(name).isdecimal()


def _numbers(name: str) -> list[tuple[int, str]]:
    """By which names are sorted as people do: 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split(".")]
