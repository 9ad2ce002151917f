"""A training as it went: losses, weights and gradients over time, and what the network gets wrong in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import sqrt
from pathlib import Path

import numpy as np

from codegen.page.charts import Axis, chart
from codegen.page.svg import svg
from symnn.course import Epoch
from symnn.data import Dataset
from symnn.errors import DataError
from symnn.evaluation import ClassEvaluation, probabilities
from symnn.files import read_regular
from symnn.inspect.page import losses
from symnn.network import Network
from symnn.report.document import Section, figure
from symnn.spec import TrainingSpec
from symnn.training import TrainingResult, targets_for, train

SNAPSHOTS = 10
BINS = 40
ROWS = 512
"""Training rows that the gradients of a snapshot are taken over."""
MISREAD = 24
SHADES = 12
"""Of a picture: each is one path."""
LAYERS = 4
"""Weights that are drawn; of more, the first, the last and some between."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Weights and gradients by name, after an epoch."""

    epoch: int
    weights: Mapping[str, np.ndarray]
    gradients: Mapping[str, np.ndarray]


def followed(network: Network, dataset: Dataset, settings: TrainingSpec) -> tuple[TrainingResult, list[Snapshot]]:
    """Train in pieces, to the bits of a training in one, and keep weights and gradients between them."""
    model = network.compile()
    rows = targets_for(network, dataset).train
    x, y = rows.x[:ROWS], rows.y[:ROWS]

    def snapshot(epoch: int, theta: np.ndarray) -> Snapshot:
        _, gradient = model.value_and_grad(theta, *_arrays(network, x), y)
        return Snapshot(epoch, network.unmerged(theta.copy()), network.unmerged(np.asarray(gradient).copy()))

    found = [snapshot(0, network.initial_parameters(settings.seed))]
    result: TrainingResult | None = None
    done = 0
    for epoch in _epochs(settings.epochs):
        piece = settings.model_copy(update={"epochs": epoch - done})
        result = train(network, dataset, piece, model=model, progress=False, initial=result)
        done = epoch
        if result.position is not None:
            found.append(snapshot(len(result.history), result.position.theta))
        if result.stopped != "finished":
            break
    assert result is not None
    return result, found


def _epochs(last: int) -> list[int]:
    """Epochs after which there is a snapshot: dense at the beginning, where most happens.

    >>> _epochs(30)
    [1, 2, 3, 4, 5, 7, 10, 14, 21, 30]
    >>> _epochs(3)
    [1, 2, 3]
    """
    ratio = last ** (1 / max(1, SNAPSHOTS - 1))
    found = {max(1, round(ratio**k)) for k in range(SNAPSHOTS)} | {last}
    for epoch in range(1, last + 1):
        if len(found) >= SNAPSHOTS:
            break
        found.add(epoch)
    return sorted(found)


def _arrays(network: Network, x: np.ndarray) -> list[np.ndarray]:
    """The inputs of the compiled functions, from rows."""
    arrays, start = [], 0
    for variable in network.input_variables:
        shape = tuple(int(n) for n in variable.shape[1:])
        size = int(np.prod(shape))
        piece = np.ascontiguousarray(x[:, start : start + size].reshape((len(x), *shape)))
        arrays.append(piece.astype(np.int64) if variable.kind == "integer" else piece)
        start += size
    return arrays


def course(history: Sequence[Epoch], snapshots: Sequence[Snapshot]) -> Section:
    """Curves, and histograms of what was kept on the way."""
    parts = [figure(losses(history), "Loss by epoch: before each update, and on the validation rows after it")]
    accuracy = [(float(e.number), e.validation_accuracy) for e in history]
    if any(value is not None for _, value in accuracy):
        drawn = chart({"validation": accuracy}, Axis("epoch"), Axis("accuracy"), title="Accuracy by epoch")
        parts.append(figure(drawn, "Accuracy on the validation rows"))
    best = min(history, key=lambda epoch: epoch.score)
    return Section(
        "training",
        "Training",
        f"{len(history)} epochs; the best is {best.number}, with a loss of {best.score:.4g}.",
        f'<div class="pair">{"".join(parts)}{_gradients(snapshots)}</div>{_histograms(snapshots)}',
        {"losses": [[e.number, e.training_loss, e.validation_loss] for e in history]},
    )


def _weights(snapshots: Sequence[Snapshot]) -> list[str]:
    return _shown([name for name, array in snapshots[0].weights.items() if array.ndim > 1])


def _gradients(snapshots: Sequence[Snapshot]) -> str:
    """The size of the gradient of each layer over time."""
    if not snapshots:
        return ""
    sizes = {
        name: [(float(s.epoch), sqrt(float((s.gradients[name] ** 2).mean()))) for s in snapshots]
        for name in _weights(snapshots)
    }
    drawn = chart(sizes, Axis("epoch"), Axis("gradient, root mean square", True), title="Size of gradients by epoch")
    return figure(drawn, "Gradients by layer: where those of the first are far below, they vanish on the way back")


def _histograms(snapshots: Sequence[Snapshot]) -> str:
    if not snapshots:
        return ""
    histograms = "".join(
        figure(
            ridges([getattr(s, kind)[name] for s in snapshots], [s.epoch for s in snapshots], f"{label} {name}"),
            f"{label} {name} over the epochs",
        )
        for name in _weights(snapshots)
        for kind, label in (("weights", "Weights"), ("gradients", "Gradient of"))
    )
    return f'<h3>Weights and gradients over time</h3><div class="pair">{histograms}</div>'


def read_history(path: Path) -> list[Epoch]:
    """The epochs that ``symnn train --out`` has written. Raises :class:`DataError` for anything else."""
    lines = read_regular(path, DataError).decode("utf-8", "replace").splitlines()
    columns = ("number", "training_loss", "validation_loss", "validation_accuracy", "seconds")
    if lines[:1] != [",".join(columns)]:
        raise DataError(f"{path}: expected the columns {', '.join(columns)} in the first line")
    history = []
    for row, line in enumerate(lines[1:], 2):
        try:
            number, training, validation, accuracy, seconds = [
                float(cell) if cell else None for cell in line.split(",")
            ]
            history.append(Epoch(int(number or 0), float(training or 0.0), validation, accuracy, float(seconds or 0.0)))
        except ValueError:
            raise DataError(f"{path}, line {row}: expected {len(columns)} numbers, found '{line[:60]}'") from None
    return history


def _shown(names: Sequence[str]) -> list[str]:
    if len(names) <= LAYERS:
        return list(names)
    places = np.unique(np.linspace(0, len(names) - 1, LAYERS).round().astype(int))
    return [names[place] for place in places]


def ridges(arrays: Sequence[np.ndarray], labels: Sequence[int], title: str) -> str:
    """Histograms one above the other, the first at the top, on one scale.

    >>> ridges([np.array([0.0, 1.0]), np.array([1.0, 1.0])], [0, 1], "W1").count("<path")
    2
    """
    low, high = _range(arrays)
    rise, left, width = 24, 44, 420
    height = 30 + rise * len(arrays) + 30
    parts = []
    for row, (array, label) in enumerate(zip(arrays, labels)):
        base = 34 + rise * (row + 1)
        heights, _ = np.histogram(np.clip(array, low, high), bins=BINS, range=(low, high))
        top = max(int(heights.max()), 1)
        step = (width - left - 16) / BINS
        points = [f"M{left},{base}"]
        points += [
            f"L{left + step * (k + 0.5):.1f},{base - 34 * float(count) / top:.1f}" for k, count in enumerate(heights)
        ]
        parts.append(f'<path class="ridge" d="{" ".join(points)} L{width - 16},{base} Z"/>')
        parts.append(f'<text class="axis" x="{left - 8}" y="{base}" text-anchor="end">{label}</text>')
    zero = left + (width - 16 - left) * (0 - low) / (high - low)
    inside = [(0.0, zero, "middle")] if low < 0 < high else []
    for value, at, anchor in [(low, float(left), "middle"), *inside, (high, width - 4.0, "end")]:
        text = f"{value:.2g}".replace("-", "−")
        parts.append(f'<text class="axis" x="{at:.0f}" y="{height - 8}" text-anchor="{anchor}">{text}</text>')
    parts += [f'<line class="mark" x1="{at:.0f}" x2="{at:.0f}" y1="20" y2="{height - 26}"/>' for _, at, _ in inside]
    return svg(width, height, parts, title=f"{title}: histograms by epoch")


def _range(arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    """From the 0.2nd to the 99.8th percentile: a few outliers would flatten all the rest."""
    together = np.concatenate([np.ravel(array) for array in arrays])
    low, high = (float(v) for v in np.percentile(together, [0.2, 99.8]))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


# --- what is wrong in the end -------------------------------------------------------------------------------------


VALUES = 6
"""Of a misread row that is no picture."""


def mistakes(network: Network, theta: np.ndarray, dataset: Dataset) -> Section | None:
    """Confusion matrix and misread rows of a classification; None for anything else."""
    if dataset.classes is None or not network.plain_targets or network.reading == "values":
        return None
    data = network.arranged(targets_for(network, dataset))
    part, name = (data.test, "test") if len(data.test.x) else (data.validation, "validation")
    if not len(part.x) or part.y.ndim > 1:
        return None
    outputs = np.asarray(network.compile().predict(theta, *_arrays(network, part.x)))
    chances = probabilities(outputs, network.reading)
    predicted = chances.argmax(axis=1)
    evaluation = ClassEvaluation.of(dataset.classes, part.y, predicted, chances)
    wrong = np.flatnonzero(predicted != part.y)
    shown = sorted(wrong, key=lambda row: -chances[row, predicted[row]])[:MISREAD]
    raw = dataset.mean + dataset.scale * part.x
    side = round(sqrt(part.x.shape[1]))
    image = side * side == part.x.shape[1] and side >= 4
    names = dataset.columns.inputs if dataset.columns is not None else [f"x[{k}]" for k in range(dataset.features)]
    pictures = [_pixels(raw[row], side) if image else _values(names, raw[row], part.x[row]) for row in shown]
    cards = "".join(
        _card(dataset.classes, int(part.y[row]), chances[row], picture) for row, picture in zip(shown, pictures)
    )
    return Section(
        "mistakes",
        "Mistakes",
        f"{evaluation.accuracy:.2%} of {len(part.y):,} {name} rows are right; {len(wrong)} are not.",
        f'<div class="pair">{figure(_confusion(evaluation), "Rows by true class (down) and predicted class (across)")}'
        f'<div class="cards">{cards}</div></div>',
        {"confusion": evaluation.confusion.tolist(), "accuracy": evaluation.accuracy},
    )


def _confusion(evaluation: ClassEvaluation) -> str:
    count = len(evaluation.classes)
    cell = max(22, min(46, 420 // count))
    left = 12 + 7 * max(len(name[:10]) for name in evaluation.classes)
    parts = []
    most = np.maximum(evaluation.rows, 1)
    for row, name in enumerate(evaluation.classes):
        y, beside = 30 + row * cell, left + cell * (row + 0.5)
        above = escape(name[: max(2, cell // 7)])
        parts.append(_text("axis", left - 8, y + cell / 2 + 4, "end", escape(name[:10])))
        parts.append(_text("axis", beside, 20, "middle", above))
        for column in range(count):
            number, x = int(evaluation.confusion[row, column]), left + column * cell
            kind = "right" if row == column else "wrong"
            depth = 0.08 + 0.5 * number / most[row] if number else 0.04
            parts.append(
                f'<rect class="cell {kind}" x="{x}" y="{y}" width="{cell - 2}" height="{cell - 2}" rx="3" '
                f'fill-opacity="{depth:.2f}"/>'
            )
            if number:
                parts.append(_text("count", x + cell / 2 - 1, y + cell / 2 + 3, "middle", str(number)))
    return svg(left + count * cell + 8, 38 + count * cell, parts, title="Confusion matrix")


def _text(kind: str, x: float, y: float, anchor: str, text: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{text}</text>'


def _card(classes: Sequence[str], truth: int, chances: np.ndarray, shown: str) -> str:
    guess = int(chances.argmax())
    return (
        f'<div class="card">{shown}<p><strong>{escape(classes[guess])}</strong> {chances[guess]:.0%}<br>'
        f"<span>is {escape(classes[truth])} {chances[truth]:.0%}</span></p></div>"
    )


def _values(names: Sequence[str], row: np.ndarray, standardised: np.ndarray) -> str:
    """The values of a row, of many those that are furthest from the mean."""
    furthest = sorted(np.argsort(-np.abs(standardised), kind="stable")[:VALUES].tolist())
    rows = "".join(f"<div><dt>{escape(str(names[k]))}</dt><dd>{row[k]:.4g}</dd></div>" for k in furthest)
    return f"<dl>{rows}</dl>".replace("<dd>-", "<dd>−")


def _squares(places: np.ndarray, side: int) -> str:
    return "".join(f"M{k % side} {k // side}h1v1h-1z" for k in places.tolist())


def _pixels(pixels: np.ndarray, side: int) -> str:
    """A square picture, dark where the numbers are high."""
    low, high = float(pixels.min()), float(pixels.max())
    levels = (pixels - low) / (high - low) if high > low else pixels * 0
    shades = np.ceil(levels * SHADES).astype(int)
    squares = [
        f'<path class="pixel" fill-opacity="{shade / SHADES:.2f}" d="{_squares(places, side)}"/>'
        for shade in range(1, SHADES + 1)
        if (places := np.flatnonzero(shades == shade)).size
    ]
    size = f'viewBox="0 0 {side} {side}" width="72" height="72"'
    return f'<svg class="digit" {size} role="img" aria-label="the row as a picture">{"".join(squares)}</svg>'
