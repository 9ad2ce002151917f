"""What a solution of differential equations is compared with: formulas of the spec, or a file of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from symnn.errors import DataError
from symnn.physics import Physics, PhysicsModel
from symnn.suggest import unknown
from symnn.tables import Table, number_columns, read_table

ELSEWHERE = 2000
"""The points that a solution is compared on with the formulas that the spec gives."""
OTHER = 1_000_003
"""What is added to a seed for other points."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What some unknowns should be at some points, (S, inputs), and what says so."""

    points: np.ndarray
    values: Mapping[str, np.ndarray]
    said: str

    def errors(self, model: PhysicsModel, theta: np.ndarray) -> dict[str, float]:
        """By unknown, the relative L2 error."""
        return self.errors_of(self.found(model, theta))

    def errors_of(self, found: Mapping[str, np.ndarray]) -> dict[str, float]:
        """By unknown, the relative L2 error of what was found at the points."""
        return {
            name: float(np.linalg.norm(found[name] - exact) / np.linalg.norm(exact))
            for name, exact in self.values.items()
        }

    def found(self, model: PhysicsModel, theta: np.ndarray) -> dict[str, np.ndarray]:
        """By unknown, what the model has at the points."""
        values = model.predict(theta.astype(model.dtype), self.points.astype(model.dtype))
        return dict(zip(model.physics.unknowns, values.T))


def reference_of(physics: Physics, seed: int = 0, directory: Path = Path()) -> Reference | None:
    """That of the spec: its formulas at random points, or its file; None if it gives neither.

    A file is relative to the ``directory``; it has a column for each input and for at least one unknown, as a table of
    text or as the arrays of an .npz. Raises :class:`DataError` for one that has not.
    """
    spec = physics.spec
    if spec is None:
        return None
    if spec.reference is None:
        points = spec.elsewhere(ELSEWHERE, seed + OTHER)
        exact = physics.solution(points)
        return Reference(points, exact, "the solution that the spec gives") if exact else None
    path = directory / spec.reference
    table, count = read_table(path), len(spec.inputs)
    given = [name for name in physics.unknowns if name in table.places]
    if not given:
        raise DataError(f"{path}: expected a column for one of the unknowns {', '.join(physics.unknowns)}, found none")
    columns = columns_of(path, table, (*spec.inputs, *given))
    values = dict(zip(given, columns[:, count:].T))
    for name, exact in values.items():
        if not exact.any():
            raise DataError(f"{path}: {name}: expected values that are not all 0, which errors are relative to")
    return Reference(np.ascontiguousarray(columns[:, :count]), values, spec.reference)


def columns_of(path: Path, table: Table, names: Sequence[str]) -> np.ndarray:
    """The numbers of some columns of a file, (rows, names)."""
    for name in names:
        if name not in table.places:
            raise DataError(f"{path}: {unknown('column', name, table.names)}")
    return np.ascontiguousarray(number_columns(table, names))
