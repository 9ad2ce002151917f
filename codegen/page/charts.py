"""Charts as SVG: curves with round ticks, named where they end, told apart by their dashes too; and points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

from codegen.page.layout import apart
from codegen.page.svg import svg

Curve = Sequence[tuple[float, float | None]]

WIDTH, HEIGHT = 560, 260
ROOM = 180
"""For the names of curves; with longer ones the picture is wider."""
LEFT, TOP, BOTTOM = 68, 14, 44
MOST_POINTS = 600
"""Of a curve: more than a screen has columns to show them in."""
SERIES = 4
"""As many colours and dashes are told apart."""
LETTER = 6.4
KEY = 22
"""Of the line below that names the points."""
KEY_GAP = 36
"""Between the names in it, with the mark of the next."""
MARKS = (
    "m-3,0 a3,3 0 1 0 6,0 a3,3 0 1 0 -6,0",
    "m-3,-3 l6,6 m-6,0 l6,-6",
    "m-3,-3 h6 v6 h-6 z",
    "m-3.5,2.5 h7 l-3.5,-6 z",
)
"""A circle, a cross, a square and a triangle, from their middle."""


@dataclass(frozen=True)
class Axis:
    """What is along an axis, and whether in powers of ten."""

    name: str
    logarithmic: bool = False


@dataclass(frozen=True)
class Scale:
    """From values to places between two ends."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool

    def __call__(self, value: float) -> float:
        at = log10(value) if self.logarithmic else value
        return self.start + (self.end - self.start) * (at - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        """Round values within."""
        return _powers(self.low, self.high) if self.logarithmic else rounded(self.low, self.high)


def chart(
    curves: Mapping[str, Curve],
    x: Axis,
    y: Axis,
    *,
    title: str,
    points: Mapping[str, Curve] | None = None,
    standalone: bool = False,
) -> str:
    """Curves through (x, y), and single points; what is not finite, or not positive on a logarithmic axis, is left out.

    Empty where nothing is left. ``points`` are named in a line below the chart, each kind with a mark of its own.

    >>> losses = [(1, 1.0), (2, 0.5), (3, None)]
    >>> found = chart({"loss": losses}, Axis("epoch"), Axis("loss"), title="Training", points={"best": [(2, 0.5)]})
    >>> found.count("<polyline"), found.count("<path")
    (1, 2)
    """
    kept, marked = (
        {name: left for name, curve in named.items() if (left := _kept(curve, x, y))}
        for named in (curves, points or {})
    )
    every = [point for curve in (*kept.values(), *marked.values()) for point in curve]
    if not every:
        return ""
    right = max(LETTER * max(map(len, kept), default=0) + 18, 40)
    key = LEFT + sum(LETTER * len(name) + KEY_GAP for name in marked)
    width = max(WIDTH + right - ROOM, key, WIDTH)
    across = _scale([p[0] for p in every], LEFT, width - right, x.logarithmic, tight=True)
    up = _scale([p[1] for p in every], HEIGHT - BOTTOM, TOP, y.logarithmic)
    return svg(
        width,
        HEIGHT + (KEY if marked else 0),
        [*_frame(across, up, x, y), *_curves(kept, across, up), *_points(marked, across, up)],
        title=title,
        standalone=standalone,
    )


def _kept(curve: Curve, x: Axis, y: Axis) -> list[tuple[float, float]]:
    """The points that can be shown, at most 600 of them."""
    points = [(a, b) for a, b in curve if b is not None and isfinite(a) and isfinite(b)]
    points = [(a, b) for a, b in points if (a > 0 or not x.logarithmic) and (b > 0 or not y.logarithmic)]
    step = max(1, ceil(len(points) / MOST_POINTS))
    last = points[-1:] if points and (len(points) - 1) % step else []
    return points[::step] + last


def _scale(values: Sequence[float], start: float, end: float, logarithmic: bool, *, tight: bool = False) -> Scale:
    shown = [log10(v) for v in values] if logarithmic else list(values)
    low, high = min(shown), max(shown)
    if high <= low:
        around = 0.5 if logarithmic else abs(low) / 2 or 0.5
        low, high = low - around, high + around
    elif not tight:
        space = (high - low) * 0.06
        low = 0.0 if not logarithmic and 0 <= low < 0.4 * high else low - space
        high += space
    return Scale(low, high, start, end, logarithmic)


def rounded(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two values.

    >>> rounded(0.0, 1.0), rounded(1, 30)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [5.0, 10.0, 15.0, 20.0, 25.0, 30.0])
    """
    exponent = floor(log10((high - low) / most))
    step = next(f * 10.0**exponent for f in (1, 2, 5, 10, 20) if (high - low) / (f * 10.0**exponent) <= most)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _powers(low: float, high: float, most: int = 6) -> list[float]:
    """Powers of ten between two exponents; within less than two decades also what is between.

    >>> _powers(-3.2, 1.1), _powers(-0.2, 0.8), _powers(-0.25, -0.15)
    ([0.001, 0.01, 0.1, 1.0, 10.0], [1.0, 2.0, 5.0], [0.6, 0.65, 0.7])
    """
    step = max(1, ceil((high - low) / most))
    found = [float(f"1e{e}") for e in range(ceil(low), floor(high) + 1, step) if -324 < e < 309]
    if len(found) >= 2:
        return found
    decades = range(floor(low), ceil(high) + 1)
    found = [value for e in decades for f in (1, 2, 5) if low <= log10(value := f * 10.0**e) <= high]
    return found if len(found) >= 2 else rounded(10.0**low, 10.0**high)


def _frame(across: Scale, up: Scale, x: Axis, y: Axis) -> list[str]:
    bottom, end = up.start, across.end
    parts = []
    for tick in up.ticks:
        at = up(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{end:.0f}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="axis" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_tick(tick, y)}</text>')
    for tick in across.ticks:
        at = across(tick)
        parts.append(
            f'<text class="axis" x="{at:.1f}" y="{bottom + 18:.0f}" text-anchor="middle">{_tick(tick, x)}</text>'
        )
    middle = (LEFT + end) / 2
    parts.append(
        f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.name)}</text>'
        f'<text class="axis" transform="rotate(-90)" x="{-(TOP + bottom) / 2:.0f}" y="12" text-anchor="middle">'
        f"{escape(y.name)}</text>"
    )
    return parts


def _tick(value: float, axis: Axis) -> str:
    if axis.logarithmic and value > 0 and (value < 1e-3 or value >= 1e4):
        factor, exponent = f"{value:.5e}".split("e")
        power = "10" + str(int(exponent)).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
        return power if float(factor) == 1 else f"{float(factor):g}·{power}"
    return f"{value:.6g}".replace("-", "−")


def _curves(kept: Mapping[str, Sequence[tuple[float, float]]], across: Scale, up: Scale) -> list[str]:
    parts, labels = [], []
    for number, (name, curve) in enumerate(kept.items()):
        points = [(across(a), up(b)) for a, b in curve]
        style = f"s{number % SERIES}"
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline class="series {style}" points="{path}"/>')
        if len(points) == 1:
            parts.append(f'<circle class="series dot {style}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>')
        labels.append((points[-1], name, style))
    return parts + _labels(labels)


def _points(kept: Mapping[str, Sequence[tuple[float, float]]], across: Scale, up: Scale) -> list[str]:
    """Circles, crosses, squares and triangles, and below the chart what each of them is."""
    parts, left = [], float(LEFT)
    for number, (name, curve) in enumerate(kept.items()):
        style, mark = f"series point s{number % SERIES}", MARKS[number % SERIES]
        path = " ".join(f"M{across(a):.1f},{up(b):.1f} {mark}" for a, b in curve)
        parts.append(f'<path class="{style}" d="{path}"/>')
        parts.append(f'<path class="{style}" d="M{left:.1f},{HEIGHT + 10} {mark}"/>')
        parts.append(f'<text class="axis" x="{left + 10:.1f}" y="{HEIGHT + 14}">{escape(name)}</text>')
        left += LETTER * len(name) + KEY_GAP
    return parts


def _labels(labels: Sequence[tuple[tuple[float, float], str, str]]) -> list[str]:
    """The names at the ends of their curves, none over another."""
    order = sorted(labels, key=lambda label: label[0][1])
    rows = apart([label[0][1] for label in order], [15.0] * (len(order) - 1))
    return [
        f'<text class="{style}" x="{x + 8:.1f}" y="{row + 4:.1f}">{escape(name)}</text>'
        for ((x, _), name, style), row in zip(order, rows)
    ]
