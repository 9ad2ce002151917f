"""The computational graph as SVG: vertices in columns by their longest way from an input, no program needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from codegen.ir.graph import Graph
from codegen.notation.text import Text
from codegen.notation.vocabulary import Vocabulary
from codegen.notation.writing import write_equation
from symnn.inspect.drawing import LABEL
from symnn.inspect.errors import InspectError

MOST = 300
"""Vertices: of more nobody follows the edges."""
BOX, GAP, ACROSS, LETTER = 24, 14, 60, 7


def drawing(graph: Graph) -> str:
    """A box for each variable, with its equation, and a line for each that another reads.

    A vertex stands in the column behind the last of those that it reads, in the middle of them where there is room.

    Raises :class:`InspectError` for more than 300 vertices.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> found = drawing(from_expressions({"c": a * b, "d": a + 1}, [a, b]))
    >>> found.count("<rect"), found.count("<path")
    (4, 3)
    """
    script = Text(Vocabulary.of(graph))
    read: dict[str, list[str]] = {variable.name: [] for variable in graph.inputs}
    labels = {variable.name: variable.name for variable in graph.inputs}
    for equation in graph.equations:
        read.setdefault(equation.name, [])
        sources = [cell.name for reference in equation.references for cell in graph.resolve(reference)]
        read[equation.name] += [name for name in dict.fromkeys(sources) if name not in read[equation.name]]
        labels.setdefault(equation.name, write_equation(equation, script))
    if len(read) > MOST:
        raise InspectError(f"graph: found {len(read):,} variables, expected at most {MOST} to be drawn")
    return _svg(read, {name: _cut(label) for name, label in labels.items()}, graph.outputs)


def _cut(label: str) -> str:
    most = LABEL // 2
    return label if len(label) <= most else label[: most - 1] + "…"


def _svg(read: Mapping[str, Sequence[str]], labels: Mapping[str, str], outputs: Sequence[str]) -> str:
    columns = _columns(read)
    widths = [max(LETTER * len(labels[name]) + 16 for name in column) for column in columns]
    places: dict[str, tuple[float, float, int]] = {}
    left = float(GAP)
    for column, width in zip(columns, widths):
        for row, name in enumerate(column):
            places[name] = left, GAP + row * (BOX + GAP), width
        left += width + ACROSS
    parts = []
    for name, sources in read.items():
        x, y, _ = places[name]
        for source in sources:
            if source == name:  # what reads its own earlier values
                continue
            u, v, width = places[source]
            start, middle = u + width, (u + width + x) / 2
            parts.append(
                f'<path fill="none" stroke="#999" d="M{start:.0f},{v + BOX / 2:.0f} C{middle:.0f},{v + BOX / 2:.0f} '
                f'{middle:.0f},{y + BOX / 2:.0f} {x:.0f},{y + BOX / 2:.0f}"/>'
            )
    for name in read:
        x, y, width = places[name]
        bold = 2 if name in outputs else 1
        rounded = 10 if not read[name] else 2
        parts.append(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{width}" height="{BOX}" rx="{rounded}" fill="#fff" stroke="#333" '
            f'stroke-width="{bold}"/><text x="{x + 8:.0f}" y="{y + 16:.0f}">{escape(labels[name])}</text>'
        )
    height = 2 * GAP + max(len(column) for column in columns) * (BOX + GAP)
    style = "font-family:monospace;font-size:11px"
    size = f'width="{left:.0f}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{style}">{"".join(parts)}</svg>'


def _columns(read: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The names in columns, each as near to the rows of what it reads as the order allows."""
    depth: dict[str, int] = {}
    for name, sources in read.items():  # in computing order: sources come first, but for a variable itself
        depth[name] = max((depth[source] + 1 for source in sources if source in depth), default=0)
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    rows: dict[str, float] = {}
    for level, column in enumerate(columns):
        column += [name for name in read if depth[name] == level]
        known = {name: [rows[source] for source in read[name] if source in rows] for name in column}
        column.sort(key=lambda name: sum(known[name]) / len(known[name]) if known[name] else 0.0)
        rows |= {name: float(row) for row, name in enumerate(column)}
    return columns
