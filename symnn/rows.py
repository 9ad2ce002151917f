"""What a user gives as samples, as rows of numbers, and such rows as the arrays that a network takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike

from codegen import Variable
from symnn.arrays import Integers, as_array
from symnn.errors import DataError
from symnn.parametrised import Parametrised, columns, varies
from symnn.sequences import by_length, is_sequences, one_below_the_other, rows_of
from symnn.tables.table import listed


@dataclass(frozen=True)
class Part:
    """The inputs of samples of one length, and which samples they are."""

    which: Integers | slice
    arrays: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Samples:
    """Samples in parts of one length each, and how many there are."""

    parts: tuple[Part, ...]
    count: int

    @classmethod
    def of(cls, network: Parametrised, rows: np.ndarray, lengths: Integers | None, dtype: DTypeLike) -> Samples:
        """Rows of features as the arrays that the inputs are; rows of so many at a time are the steps of a sample."""
        require_lengths(network, "x", lengths)
        if lengths is None:
            return cls((Part(slice(None), network.inputs_of(rows, dtype)),), len(rows))
        parts = (
            Part(which, network.inputs_of(rows[rows_of(which, lengths)], dtype, length))
            for length, which in by_length(lengths)
        )
        return cls(tuple(parts), len(lengths))

    def together(self, outputs: Sequence[np.ndarray]) -> Any:
        """The outputs of the parts in the order of the samples: an array, or a list where they differ in length."""
        if len({found.shape[1:] for found in outputs}) == 1:
            whole = np.empty((self.count, *outputs[0].shape[1:]), outputs[0].dtype)
            for part, found in zip(self.parts, outputs):
                whole[part.which] = found
            return whole
        order = np.argsort(np.concatenate([cast(Integers, part.which) for part in self.parts]))
        listed = [one for found in outputs for one in found]
        return [listed[place] for place in order]


def require_lengths(network: Parametrised, name: str, lengths: Integers | None) -> None:
    """Raise :class:`DataError` unless samples have steps where each call decides how many, and not elsewhere."""
    if network.takes_sequences and lengths is None:
        raise DataError(f"{name}: found rows, expected sequences of steps, as lists of arrays or with their lengths")
    if lengths is not None and not network.takes_sequences:
        raise DataError(f"{name}: found sequences of steps, expected a network of inputs {{time: any}} for them")


def in_rows(network: Parametrised, values: Any) -> Any:
    """Outputs, or targets, of each step of sequences one step below the other; any others as they are."""
    return np.concatenate([*values]) if network.takes_sequences and not network.plain_targets else values


def as_rows(network: Parametrised, x: Any) -> tuple[np.ndarray, Integers | None]:
    """Samples of the shapes that the network takes, or arrays of them by name, as rows of features.

    Of sequences whose length each call decides the rows are the steps, and how many each has comes with them. Any other
    array stays as it is.
    """
    variables = network.input_variables
    if isinstance(x, Mapping) or (network.takes_sequences and len(variables) == 1):
        parts, lengths = as_parts(network, x if isinstance(x, Mapping) else {variables[0].name: x})
        return np.concatenate([*parts.values()], axis=1), lengths
    if is_sequences(x):
        require_lengths(network, "x", np.array([len(part) for part in x]))
    values = as_array("x", x)
    if len(variables) != 1 or not values.ndim:
        return values, None
    (variable,) = variables
    return _flat(variable, values) if values.shape[1:] == variable.shape[1:] else values, None


def as_parts(network: Parametrised, x: Mapping[str, Any]) -> tuple[Mapping[str, np.ndarray], Integers | None]:
    """The same by the names of the inputs: (S, features) of each, or (N, features) where samples have steps."""
    variables = network.input_variables
    names = [variable.name for variable in variables]
    if {*x} != {*names}:
        raise DataError(f"x: found {listed([*map(str, x)])}, expected the inputs by name: {listed(names)}")
    steps = {v.name: one_below_the_other(v.name, x[v.name]) for v in variables if varies(v)}
    lengths = next((found for _, found in steps.values()), None)
    for name, (_, own) in steps.items():
        if lengths is not None and not np.array_equal(own, lengths):
            raise DataError(f"{name}: found sequences of other lengths than {next(iter(steps))}, expected the same")
    parts = {v.name: _flat(v, steps[v.name][0] if v.name in steps else as_array(v.name, x[v.name])) for v in variables}
    counts = {name: len(part if lengths is None or name not in steps else lengths) for name, part in parts.items()}
    if len({*counts.values()}) > 1:
        found = ", ".join(f"{name} of {count}" for name, count in counts.items())
        raise DataError(f"x: found {found} rows, expected as many")
    if lengths is None:
        return parts, None
    return {name: part if name in steps else np.repeat(part, lengths, axis=0) for name, part in parts.items()}, lengths


def _flat(variable: Variable, values: np.ndarray) -> np.ndarray:
    """Samples, or where each call decides how many steps these have the steps, as rows."""
    axes = variable.shape[2 if varies(variable) else 1 :]
    if values.shape[1:] != axes:
        expected = ("T" if varies(variable) else str(variable.shape[0]), *map(str, axes))
        found = ("T", *map(str, values.shape[1:])) if varies(variable) else map(str, values.shape)
        each = "sequences of " if varies(variable) else ""
        raise DataError(f"{variable.name}: found {each}shape ({_listed(found)}), expected ({_listed(expected)})")
    return values.reshape(len(values), columns(variable))


def _listed(shape: Iterable[str]) -> str:
    """The inside of a tuple.

    >>> _listed(["S"]), _listed(["S", "2"])
    ('S,', 'S, 2')
    """
    found = [*shape]
    return ", ".join(found) + "," * (len(found) == 1)


def check_integers(network: Parametrised, rows: np.ndarray) -> None:
    """Refuse rows of features that have other numbers where an input has whole ones, below what its embedding has."""
    ends = np.cumsum([columns(variable) for variable in network.input_variables])
    for variable, raw in zip(network.input_variables, np.split(rows, ends[:-1], axis=1)):
        if variable.kind != "integer":
            continue
        below = variable.below if isinstance(variable.below, int) else np.inf
        bad = np.argwhere(~((raw >= (0 if variable.below else -np.inf)) & (raw < below) & (raw == np.rint(raw))))
        if len(bad):
            row, column = (int(place) for place in bad[0])
            limits = f" from 0 to {variable.below - 1}" if isinstance(variable.below, int) else ""
            raise DataError(
                f"{variable.name}, row {row} (from 0), column {column}: found {raw[row, column]}, expected a whole "
                f"number{limits}"
            )


def checked_rows(name: str, values: np.ndarray, columns: int) -> np.ndarray:
    raw = as_array(name, values)
    if raw.dtype.kind not in "biuf" or raw.ndim != 2 or raw.shape[1] != columns or len(raw) == 0:
        raise DataError(
            f"{name}: found an array of {raw.dtype} with shape {raw.shape}, "
            f"expected real numbers with shape (rows, {columns}) and at least one row"
        )
    return raw
