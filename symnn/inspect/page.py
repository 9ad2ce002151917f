"""What a notebook shows of networks, trainings and data: formulas set by MathJax, tables, and curves as SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import isfinite, log10
from typing import Any

from codegen.errors import CodegenError
from codegen.markup import folded, heading, preformatted, table
from symnn.errors import SymnnError
from symnn.inspect.formulas import formulas
from symnn.inspect.layered import drawing

WIDTH, HEIGHT, MARGIN = 480, 200, 40
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728")
MOST_POINTS = 500
"""Of a curve: more than a screen has columns to show them in."""


def network_html(network: Any) -> str:
    """Layers, and folded the formulas and the graph of the forward pass."""
    parts = [heading(repr(network)[1:-1]), preformatted(network.summary())]
    try:
        parts.append(folded("formulas", formulas(network)))
        parts.append(f"<details><summary>graph</summary>{drawing(network.forward_graph)}</details>")
    except (CodegenError, SymnnError) as error:  # a network of which there is too much to show is shown without
        parts.append(f"<p>{escape(str(error))}</p>")
    return "".join(parts)


def network_latex(network: Any) -> str:
    """All formulas, as display mathematics."""
    return formulas(network, style="latex")


def training_html(result: Any) -> str:
    """What it came to, and its curves."""
    rows: list[tuple[str, object]] = [("stopped", result.stopped), ("epochs", len(result.history))]
    rows += [("best epoch", result.best_epoch), ("samples a second", f"{result.samples_per_second:,.0f}")]
    rows += [("loss of held-out rows", f"{result.test_loss:.4g}")] if result.test_loss is not None else []
    rows += [("accuracy", f"{result.test_accuracy:.2%}")] if result.test_accuracy is not None else []
    return heading(repr(result.model.network)[1:-1]) + table(("", ""), rows) + training_svg(result)


def training_svg(result: Any) -> str:
    """Its losses over the epochs."""
    history = result.history
    named = {
        "training": [epoch.training_loss for epoch in history],
        "validation": [epoch.validation_loss for epoch in history],
        "training, after the epoch": [epoch.fitted_loss for epoch in history],
    }
    return curves({name: values for name, values in named.items() if any(v is not None for v in values)}, "epoch")


def dataset_html(data: Any) -> str:
    """Its parts, and its features."""
    rows = [(name, f"{getattr(data, name).samples:,}") for name in ("train", "validation", "test")]
    classes = "numbers" if data.classes is None else ", ".join(data.classes[:20])
    facts = [*rows, ("features", data.features), ("classes" if data.classes else "targets", classes)]
    scales = [
        (n, f"{m:.4g}", f"{s:.4g}") for n, m, s in zip(data.feature_names, data.mean.tolist(), data.scale.tolist())
    ]
    shown = table(("feature", "mean", "deviation"), scales[:200])
    return (
        heading(data.name) + table(("part", "rows"), facts) + f"<details><summary>features</summary>{shown}</details>"
    )


def curves(values: Mapping[str, Sequence[float | None]], across: str) -> str:
    """Curves as SVG, with a logarithmic scale where all is above 0.

    >>> curves({"loss": [1.0, 0.5]}, "epoch").count("<polyline")
    1
    """
    known = [v for series in values.values() for v in series if v is not None and isfinite(v)]
    if not known:
        return ""
    logarithmic = min(known) > 0
    scale: Callable[[float], float] = log10 if logarithmic else float
    low, high = scale(min(known)), scale(max(known))
    longest = max(map(len, values.values()))
    parts = []
    for number, (name, series) in enumerate(values.items()):
        step = max(1, len(series) // MOST_POINTS)
        points = [
            (MARGIN + (WIDTH - 2 * MARGIN) * k / max(1, longest - 1), _height(scale(v), low, high))
            for k, v in list(enumerate(series))[::step]
            if v is not None and isfinite(v)
        ]
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>')
        parts.append(f'<text x="{MARGIN + 4}" y="{14 * number + 14}" fill="{colour}">{escape(name)}</text>')
    for value, y in ((max(known), MARGIN), (min(known), HEIGHT - MARGIN)):
        parts.append(f'<text x="2" y="{y + 4}">{value:.3g}</text>')
    parts.append(f'<text x="{WIDTH // 2}" y="{HEIGHT - 8}">{escape(across)} 1 to {longest}</text>')
    style = "font-family:sans-serif;font-size:11px"
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{style}">{"".join(parts)}</svg>'


def _height(value: float, low: float, high: float) -> float:
    return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * ((value - low) / (high - low) if high > low else 0.5)
