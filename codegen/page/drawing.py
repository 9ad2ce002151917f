"""A graph as SVG: a box for each vertex, a line for each that another reads. Large ones are folded by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from codegen.ir.graph import Graph
from codegen.notation.text import Text
from codegen.notation.vocabulary import Vocabulary
from codegen.notation.writing import write_equation
from codegen.page.layout import columns, layout
from codegen.page.svg import svg

MOST = 200
"""Boxes; of more nobody follows the lines."""
MOST_LINES = 4_000
LONGEST = 48
"""Characters of a label."""
LETTER, LINE, PADDING, MARGIN = 7.0, 17, 10, 12
ROW_GAP, COLUMN_GAP = 14, 52


@dataclass(frozen=True)
class Box:
    """A vertex as it is drawn: its label, and lines below it by their class. kind: input, vertex or output."""

    name: str
    label: str
    kind: str = "vertex"
    lines: tuple[tuple[str, str], ...] = ()


def drawing(graph: Graph, *, standalone: bool = False) -> str:
    """A box for each variable with its equation, and a line for each that another reads.

    A vertex stands in the column behind the last of those that it reads. Above 200 vertices, a box stands for all of a
    column.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> found = drawing(from_expressions({"c": a * b, "d": a + 1}, [a, b]))
    >>> found.count("<rect"), found.count('class="edge"')
    (4, 3)
    """
    script = Text(Vocabulary.of(graph))
    read: dict[str, list[str]] = {variable.name: [] for variable in graph.inputs}
    kinds = dict.fromkeys(read, "input")
    labels = {variable.name: script.plain(variable.name) for variable in graph.inputs}
    for equation in graph.equations:
        sources = [cell.name for reference in equation.references for cell in graph.resolve(reference)]
        read[equation.name] = list(dict.fromkeys([*read.get(equation.name, []), *sources]))
        labels.setdefault(equation.name, write_equation(equation, script))
        kinds[equation.name] = "output" if equation.name in graph.outputs else "vertex"
    boxes = [Box(name, labels[name], kinds[name]) for name in read]
    return picture(boxes, read, title=f"Graph of {', '.join(graph.outputs[:4])}", standalone=standalone)


def picture(
    boxes: Sequence[Box],
    read: Mapping[str, Sequence[str]],
    *,
    title: str,
    standalone: bool = False,
    most: int = MOST,
) -> str:
    """The boxes in columns; ``read`` says what each reads, in computing order. More than ``most`` are folded."""
    if len(boxes) > most or sum(map(len, read.values())) > MOST_LINES:
        boxes, read = folded(boxes, read)
    found = layout(read)
    widths = [0.0] * found.columns
    for box in boxes:
        column = found.places[box.name][0]
        widths[column] = max(widths[column], _width(box))
    lefts = [MARGIN + sum(widths[:k]) + COLUMN_GAP * k for k in range(found.columns)]
    height = max((_height(box) for box in boxes), default=0)
    rise = height + ROW_GAP

    def middle(row: float) -> float:
        return MARGIN + height / 2 + row * rise

    parts = []
    for (source, name), way in found.ways.items():
        points = [(lefts[column], lefts[column] + widths[column], middle(row)) for column, row in way]
        parts.append(f'<path class="edge" data-from="{escape(source)}" data-to="{escape(name)}" d="{_curve(points)}"/>')
    for box in boxes:
        column, row = found.places[box.name]
        width = min(widths[column], max(_width(box), 30)) if box.kind == "input" else widths[column]
        left = lefts[column] + widths[column] - width  # inputs stand at the right, where their lines begin
        parts.append(_box(box, left, middle(row) - height / 2, width, height))
    width = lefts[-1] + widths[-1] + MARGIN if lefts else 2 * MARGIN
    return svg(width, 2 * MARGIN + height + found.rows * rise, parts, title=title, standalone=standalone)


def folded(boxes: Sequence[Box], read: Mapping[str, Sequence[str]]) -> tuple[list[Box], dict[str, list[str]]]:
    """A box for each column that holds inputs, and one for its other vertices.

    >>> many = {"a": [], **{f"c{k}": ["a"] for k in range(500)}}
    >>> boxes = [Box(name, name, "vertex" if sources else "input") for name, sources in many.items()]
    >>> found, read = folded(boxes, many)
    >>> [box.label for box in found], read
    (['a', 'c0 … c499 (500 vertices)'], {'0': [], '1': ['0']})
    """
    column = columns(read)
    group = {box.name: (column[box.name], box.kind == "input") for box in boxes}
    members: dict[tuple[int, bool], list[Box]] = {}
    for box in boxes:
        members.setdefault(group[box.name], []).append(box)
    order = sorted(members, key=lambda key: (key[0], not key[1]))
    names = {key: str(number) for number, key in enumerate(order)}
    found, edges = [], {}
    for key in order:
        inside = members[key]
        kind = "output" if any(box.kind == "output" for box in inside) else inside[0].kind
        found.append(replace(inside[0], name=names[key], label=_together(inside), kind=kind, lines=()))
        sources = {group[source] for box in inside for source in read[box.name] if source in group}
        edges[names[key]] = [names[source] for source in order if source in sources and source != key]
    return found, edges


def _together(boxes: Sequence[Box]) -> str:
    first, last = (_name(box) for box in (boxes[0], boxes[-1]))
    return boxes[0].label if len(boxes) == 1 else f"{first} … {last} ({len(boxes):,} vertices)"


def _name(box: Box) -> str:
    return box.label.partition(" = ")[0]


def cut(label: str) -> str:
    """A label short enough for its box."""
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"


def _width(box: Box) -> float:
    return 2 * PADDING + LETTER * max(len(cut(box.label)), *(len(text) for _, text in box.lines), 2)


def _height(box: Box) -> float:
    return 2 * PADDING - 6 + LINE * (1 + len(box.lines))


def _box(box: Box, x: float, y: float, width: float, height: float) -> str:
    rounded = height / 2 if box.kind == "input" and not box.lines else 6
    lines = [("label", cut(box.label)), *box.lines]
    texts = "".join(
        f'<text class="{kind}" x="{width / 2:.0f}" y="{PADDING + 9 + LINE * row}" text-anchor="middle">'
        f"{escape(text)}</text>"
        for row, (kind, text) in enumerate(lines)
    )
    name = escape(box.name)
    title = f"<title>{escape(box.label)}</title>" if len(box.label) > LONGEST else ""
    return (
        f'<g class="vertex {box.kind}" data-v="{name}" transform="translate({x:.0f} {y:.0f})">{title}'
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="{rounded:.0f}"/>{texts}</g>'
    )


def _curve(points: Sequence[tuple[float, float, float]]) -> str:
    """From the right of the first place, straight through those between, to the left of the last; or back."""
    back = points[0][0] > points[-1][0]
    (_, x, y), *rest = points[::-1] if back else points
    head = f" M{x + 8:.0f},{y - 3:.0f} l-6,3 l6,3" if back else ""
    path = f"M{x:.0f},{y:.0f}"
    for number, (left, right, row) in enumerate(rest):
        end = left - 2 if number == len(rest) - 1 else left
        bend = (end - x) / 2
        path += f" C{x + bend:.0f},{y:.0f} {end - bend:.0f},{row:.0f} {end:.0f},{row:.0f}"
        if number < len(rest) - 1:
            path += f" H{right:.0f}"
        x, y = right, row
    return path + (head or f" M{end - 6:.0f},{y - 3:.0f} l6,3 l-6,3")
