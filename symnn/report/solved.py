"""``symnn solve SPEC --report FILE.html``: a solution of differential equations on one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol

import numpy as np

from codegen.page.charts import Axis, chart
from codegen.page.fields import field, scatter
from symnn.errors import SpecError
from symnn.inspect.page import progress
from symnn.physics import Physics, PhysicsModel
from symnn.references import Reference
from symnn.report.document import Section, document, figure
from symnn.solving import Solution

CELLS = 96
"""Along each side of a field."""
PLACES = 400
"""Of a curve."""

Range = tuple[float, float]


class Field(Protocol):
    """Unknowns everywhere: those of a :class:`Single` network, or of the slabs of a :class:`symnn.March`."""

    @property
    def physics(self) -> Physics:
        """The problem."""

    def predict(self, points: np.ndarray) -> np.ndarray:
        """The unknowns at some points, (S, unknowns)."""

    def left(self, name: str, points: np.ndarray) -> np.ndarray:
        """What the equations of a residual leave over there, (S, equations)."""


@dataclass(frozen=True, eq=False)
class Single:
    """A model and the parameters of its network."""

    model: PhysicsModel
    theta: np.ndarray

    @property
    def physics(self) -> Physics:
        """The problem."""
        return self.model.physics

    def predict(self, points: np.ndarray) -> np.ndarray:
        """The unknowns at some points, (S, unknowns)."""
        return np.asarray(self.model.predict(self.theta.astype(self.model.dtype), points.astype(self.model.dtype)))

    def left(self, name: str, points: np.ndarray) -> np.ndarray:
        """What the equations of a residual leave over there, (S, equations)."""
        rows = self.model.rows[name](self.theta.astype(self.model.dtype), points.astype(self.model.dtype))
        return np.asarray(rows).reshape(len(points), -1)


def solved(
    fields: Field,
    solution: Solution,
    title: str,
    points: Mapping[str, np.ndarray],
    reference: Reference | None = None,
) -> str:
    """The page as HTML: the solution, its error where there is a reference, residuals, the course, the points.

    ``points`` are those that it was found on, by the names of the residuals. With more than two inputs it is the plane
    of the first two through the middle of the others. Errors are those of the formulas that the spec has, or each of
    the point of a file that is nearest, with one or two inputs. Raises :class:`SpecError` for a problem without ranges.
    """
    physics, spec = fields.physics, fields.physics.spec
    if spec is None:
        raise SpecError("expected a problem that came from a spec, which says what the ranges are")
    plane = Plane(spec.inputs)
    found, inside = fields.predict(plane.places), spec.contains(plane.places)
    found[~inside] = np.nan  # which is left empty
    columns, off = dict(zip(physics.unknowns, found.T)), {}
    at_points = {} if reference is None else dict(zip(physics.unknowns, fields.predict(reference.points).T))
    if exact := physics.solution(plane.places):
        off = {name: columns[name] - exact[name] for name in exact}
    elif reference is not None and len(spec.inputs) <= 2:
        nearest = plane.nearest(reference.points)
        off = {
            name: np.where(inside, (at_points[name] - values)[nearest], np.nan)
            for name, values in reference.values.items()
        }
    left = {
        f"{name}, equation {number}" if rows.shape[1] > 1 else name: rows[:, number - 1]
        for name, part in spec.on_points.items() if not part.at and not part.boundary and part.measured is None
        for rows in [fields.left(name, plane.places) + 0 * found[:, :1]]
        for number in range(1, rows.shape[1] + 1)
    }  # fmt: skip
    measured = {} if reference is None else reference.errors_of(at_points)
    where = (
        "random points"
        if not spec.reference
        else f"the {len(reference.points) if reference else 0:,} points of {spec.reference}"
    )
    against = escape("; ".join(f"{name}: relative L2 error {value:.2e} at {where}" for name, value in measured.items()))
    anew = ", before they were drawn anew." if spec.resampling else "."
    drawn = [
        Section("solution", "Solution", plane.said, plane.pictures(columns, "")),
        Section("error", "Error", against, plane.pictures(off, "error of ") or ("<p></p>" if measured else "")),
        Section("residual", "Residual", "What the equations leave over.", plane.pictures(left, "residual of ")),
        Section("course", "Loss and error over time", solution.stopped, _course(solution)),
        Section("points", "Points", "Where the residuals were brought to 0" + anew, plane.scatters(points)),
    ]
    facts = {
        "loss": f"{solution.loss:.3g}", "iterations": f"{solution.iterations:,}",
        "seconds": f"{solution.seconds:.1f}", "parameters": f"{physics.parameter_count:,}",
    }  # fmt: skip
    note = "Made by symnn. Everything on this page was computed when it was made; it loads nothing."
    return document(title, escape(repr(physics)[1:-1]), facts, [one for one in drawn if one.body], note)


def points_by_name(physics: Physics, points: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Points in the order of the residuals, without the data beside them."""
    count = len(physics.inputs) - len(physics.origins)
    return {r.name: where[:, :count] for r, where in zip(physics.residuals, points)}


def _course(solution: Solution) -> str:
    drawn = progress(solution.history)
    return figure(drawn, "The loss, that on other points, and the error") if drawn else ""


class Plane:
    """Where values are shown: along one input, or over the first two."""

    def __init__(self, inputs: Mapping[str, Range]) -> None:
        self.names, self.ranges = tuple(inputs), tuple(inputs.values())
        middles = [(low + high) / 2 for low, high in self.ranges]
        if len(inputs) == 1:
            self.places = np.linspace(*self.ranges[0], PLACES)[:, None]
            return
        across, up = (low + (high - low) * (np.arange(CELLS) + 0.5) / CELLS for low, high in self.ranges[:2])
        self.places = np.tile(middles, (CELLS * CELLS, 1))
        self.places[:, 0], self.places[:, 1] = np.tile(across, CELLS), np.repeat(up, CELLS)

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """The numbers of the points that are nearest to each place, in parts of the ranges."""
        from scipy.spatial import cKDTree

        lengths = np.ptp(self.ranges, axis=1)
        found: np.ndarray = cKDTree(points / lengths).query(self.places / lengths)[1]
        return found

    @property
    def said(self) -> str:
        """Where the others are held."""
        held = (f"{name} = {(low + high) / 2:.6g}" for name, (low, high) in zip(self.names[2:], self.ranges[2:]))
        return escape(", ".join(held))

    def pictures(self, values: Mapping[str, np.ndarray], what: str) -> str:
        """One a name."""
        return _pair(figure(self._picture(v, f"{what}{name}"), f"{what}{name}") for name, v in values.items())

    def _picture(self, values: np.ndarray, title: str) -> str:
        if len(self.names) == 1:
            curve = list(zip(self.places[:, 0].tolist(), values.tolist()))
            return chart({title: curve}, Axis(self.names[0]), Axis(""), title=title)
        cells = values.reshape(CELLS, CELLS).tolist()
        return field(cells, self.ranges[0], self.ranges[1], self._axes, title=title)

    @property
    def _axes(self) -> tuple[str, str]:
        return self.names[0], self.names[1]

    def scatters(self, points: Mapping[str, np.ndarray]) -> str:
        """The points of each residual; those of one input lie on a line."""
        return _pair(figure(self._scatter(where, name), f"{name}, {len(where):,}") for name, where in points.items())

    def _scatter(self, where: np.ndarray, title: str) -> str:
        if len(self.names) == 1:
            on_line = np.column_stack([where, np.full(len(where), 0.5)])
            return scatter(on_line.tolist(), self.ranges[0], (0.0, 1.0), (self.names[0], ""), title=title)
        return scatter(where[:, :2].tolist(), self.ranges[0], self.ranges[1], self._axes, title=title)


def _pair(figures: Iterable[str]) -> str:
    inside = "".join(figures)
    return f'<div class="pair">{inside}</div>' if inside else ""
