"""Values over a plane as SVG: cells in shades, blue above 0 and orange below, and points where there are some."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from math import isfinite

from codegen.page.charts import rounded
from codegen.page.svg import svg

WIDTH, HEIGHT = 440, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 96, 14, 44
SHADES = 16
"""Of each colour: every shade is one path."""
MOST_POINTS = 3000
"""That are drawn; of more every so many."""

Range = tuple[float, float]


def field(values: Sequence[Sequence[float]], x: Range, y: Range, names: tuple[str, str], *, title: str) -> str:
    """Cells of ``values[row][column]`` over the ranges of x and y, the first row at the lowest y.

    What is not finite stays empty.

    >>> field([[0.0, 1.0], [-1.0, float("nan")]], (0, 1), (0, 1), ("x", "t"), title="u").count('class="shade')
    2
    """
    largest = max((abs(v) for row in values for v in row if isfinite(v)), default=0.0) or 1.0
    wide, high = (WIDTH - LEFT - RIGHT) / max(map(len, values)), (HEIGHT - TOP - BOTTOM) / len(values)
    runs: dict[int, list[str]] = {}
    for number, row in enumerate(values):
        top, column = HEIGHT - BOTTOM - (number + 1) * high, 0
        for shade, cells in groupby(row, key=lambda value: _shade(value, largest)):
            count = len(list(cells))
            left = LEFT + column * wide
            if shade:
                path = f"M{left:.1f} {top:.1f}h{count * wide:.1f}v{high:.1f}h-{count * wide:.1f}z"
                runs.setdefault(shade, []).append(path)
            column += count
    cells_drawn = [_path(shade, "".join(paths)) for shade, paths in sorted(runs.items())]
    lowest = min((v for row in values for v in row if isfinite(v)), default=0.0)
    parts = [*cells_drawn, *_frame(x, y, names), *_key(largest, lowest < 0)]
    return svg(WIDTH, HEIGHT, parts, title=title)


def scatter(points: Sequence[tuple[float, float]], x: Range, y: Range, names: tuple[str, str], *, title: str) -> str:
    """Points in a plane.

    >>> scatter([(0.5, 0.5)], (0, 1), (0, 1), ("x", "t"), title="points").count("M")
    1
    """
    step = -(-len(points) // MOST_POINTS) or 1
    places = "".join(f"M{_along(a, x):.1f} {_up(b, y):.1f}h0" for a, b in points[::step])
    return svg(WIDTH, HEIGHT, [f'<path class="specks" d="{places}"/>', *_frame(x, y, names)], title=title)


def _shade(value: float, largest: float) -> int:
    """From −16 to 16; 0 stays empty."""
    return round(SHADES * value / largest) if isfinite(value) else 0


def _path(shade: int, path: str) -> str:
    colour = "above" if shade > 0 else "below"
    return f'<path class="shade {colour}" fill-opacity="{abs(shade) / SHADES:.3f}" d="{path}"/>'


def _along(value: float, x: Range) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - x[0]) / (x[1] - x[0])


def _up(value: float, y: Range) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - y[0]) / (y[1] - y[0])


def _frame(x: Range, y: Range, names: tuple[str, str]) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f'<rect class="grid" x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}"/>']
    for tick in rounded(*x):
        parts.append(_text(_along(tick, x), bottom + 18, "middle", f"{tick:.6g}"))
    for tick in rounded(*y):
        parts.append(_text(LEFT - 8, _up(tick, y) + 4, "end", f"{tick:.6g}"))
    parts.append(_text((LEFT + right) / 2, HEIGHT - 6, "middle", names[0]))
    parts.append(_text(14, (TOP + bottom) / 2, "middle", names[1]))
    return parts


def _key(largest: float, signed: bool) -> list[str]:
    """The shades beside what they stand for."""
    left, shades = WIDTH - RIGHT + 18, range(-SHADES if signed else 0, SHADES + 1)
    high = (HEIGHT - TOP - BOTTOM) / len(shades)
    parts = []
    for number, shade in enumerate(shades):
        if shade:
            top = HEIGHT - BOTTOM - (number + 1) * high
            parts.append(_path(shade, f"M{left} {top:.1f}h12v{high:.1f}h-12z").replace("shade ", "key "))
    for at, value in ((HEIGHT - BOTTOM, -largest if signed else 0.0), (TOP + 8, largest)):
        parts.append(_text(left + 18, at, "start", f"{value:.3g}"))
    return parts


def _text(x: float, y: float, anchor: str, text: str) -> str:
    shown = escape(text.replace("-", "−"))
    return f'<text class="axis" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown}</text>'
