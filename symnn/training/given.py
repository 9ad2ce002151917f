"""What stands behind the network in a call: a data set, or arrays to make one of, and settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from codegen.errors import of_type
from symnn.arrays import as_array
from symnn.data import Dataset
from symnn.errors import DataError, SymnnError
from symnn.network import Network
from symnn.parametrised import Parametrised, varies
from symnn.rows import as_parts, as_rows
from symnn.sequences import steps_of
from symnn.spec import TrainingSpec, read_spec
from symnn.tables import is_frame
from symnn.tables.table import listed


def data_and_settings(network: Parametrised, data: Any, y: Any, settings: Any, weights: Any) -> tuple[Dataset, Any]:
    """What stands behind the network: a data set and settings, or x, y and settings."""
    if isinstance(data, Dataset):
        if weights is not None:
            raise SymnnError(
                "weights: found weights beside a data set, expected it to hold them, as from_arrays makes it"
            )
        if y is not None and settings is not None:
            raise SymnnError("train: found a data set, y and settings, expected train(network, data, settings)")
        return data, settings if y is None else y
    if y is None and network.target_variables:
        found = "none" if data is None else of_type(data)
        raise SymnnError(f"data: found {found}, expected a Dataset, or arrays: train(network, x, y)")
    if isinstance(y, TrainingSpec) or (isinstance(y, Mapping) and {*map(str, y)} <= {*TrainingSpec.model_fields}):
        raise SymnnError("y: found settings, expected an array: train(network, x, y, settings)")
    return _from_arrays(network, data, y, weights), settings


def settings_of(network: Parametrised, given: Any) -> TrainingSpec:
    if given is None:
        return network.spec.training if network.spec else TrainingSpec()
    if isinstance(given, TrainingSpec):
        return given
    if isinstance(given, Mapping):
        return read_spec(TrainingSpec, given, "settings")
    raise SymnnError(f"settings: found {of_type(given)}, expected a TrainingSpec or a mapping of its fields")


def _from_arrays(network: Parametrised, x: Any, y: Any, weights: Any) -> Dataset:
    """Labels or numbers, as the loss wants them; whole numbers are the classes that the outputs count through."""
    lengths, names = None, {variable.name for variable in network.input_variables}
    if network.takes_sequences and isinstance(x, Mapping) and {*x} == names:
        x, lengths = as_parts(network, x)
    elif not is_frame(x):
        x, lengths = as_rows(network, x)
    reals = [variable.name for variable in network.input_variables if variable.kind == "real"]
    standardise = (network.standardises_inputs or _is_padded(network, y)) and (reals if len(names) > 1 else True)
    given = partial(Dataset.from_arrays, x, weights=weights, lengths=lengths, standardise=standardise)
    if not isinstance(network, Network) or not network.plain_targets:
        return given(_targets(network, y, lengths), task="regression")
    values = as_array("y", y)
    single = values.ndim == 1 or values.shape[-1:] == (1,)
    numbers = values.dtype.kind in "biuf"
    whole = bool(not numbers or (values == np.rint(values)).all())
    labels = network.loss_row.target == "labels" or (network.reading == "logits" and single and whole)
    if not labels:
        return given(y, task="regression")
    count = max(2, network.outputs)  # a single output tells two classes apart
    counted = numbers and single and whole and values.size > 0 and values.min() >= 0 and values.max() < count
    classes = [str(number) for number in range(count)] if counted else None
    return given(y, task="classification", classes=classes)


def _is_padded(network: Parametrised, y: Any) -> bool:
    """Whether sequences are made one length here, and which of their steps count is known from their own lengths."""
    counted = isinstance(network, Network) and network.steps != "all"
    return counted and network.takes_sequences and not isinstance(y, Mapping)


def _targets(network: Parametrised, y: Any, lengths: np.ndarray | None) -> Mapping[str, Any] | None:
    """What the loss takes, by name and in its order."""
    taken = network.target_variables[:1] if _is_padded(network, y) else network.target_variables
    names = [variable.name for variable in taken]
    if y is None and not names:
        return None
    given = y if isinstance(y, Mapping) else {"y" if len(names) != 1 else names[0]: y}
    if set(given) != set(names):
        raise DataError(f"y: found {listed([*map(str, given)])}, expected by name what the loss takes: {listed(names)}")
    return {v.name: steps_of(v.name, given[v.name], lengths) if varies(v) else given[v.name] for v in taken}
