"""What a trained network says of the rows of a table: classes by name with their probabilities, or numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from symnn.checkpoint import Checkpoint
from symnn.evaluation import probabilities
from symnn.rows import in_rows

Rows = Sequence[Sequence[object]]


def predictions(trained: Checkpoint, x: Any) -> tuple[tuple[str, ...], Rows]:
    """The names of the columns and the rows, one for each of the table, frame, file or array x, in its order.

    Of a classifier: ``class``, the name of the likeliest, or its number where it has no names; and for each class k a
    column ``k`` with its probability, or with the output where the loss says nothing of probabilities. Logits of
    several yes-or-no questions: the probability of each yes. Otherwise the outputs, in the units of the targets, those
    of all steps side by side. Outputs for each step of sequences whose lengths each call decides are a row each.

    >>> import numpy as np
    >>> from symnn.network import Network, dense
    >>> network = Network(1, (dense(2, bias=False),), "softmax_cross_entropy")
    >>> trained = Checkpoint(network, np.array([0.0, 1.0]), classes=("daisy", "rose"))
    >>> predictions(trained, np.array([[0.0], [50.0]]))
    (('class', 'daisy', 'rose'), [['daisy', 0.5, 0.5], ['rose', 1.9287498479639178e-22, 1.0]])
    """
    outputs = in_rows(trained.network, trained.predict(x))
    reading, classes = trained.network.reading, trained.classes
    if not (trained.network.plain_targets or trained.network.takes_sequences):
        outputs = outputs.reshape(len(outputs), -1)
        return _numbered("output", outputs.shape[1]), outputs.tolist()
    if reading == "values" and classes is None:
        return _numbered("output", outputs.shape[1]), outputs.tolist()
    outputs = probabilities(outputs, reading)
    if reading == "logits" and trained.network.outputs > 1:
        return _numbered("yes", outputs.shape[1]), outputs.tolist()
    names = classes or tuple(map(str, range(outputs.shape[1])))
    best = outputs.argmax(axis=1)
    return ("class", *names), [[names[k], *row] for k, row in zip(best, outputs.tolist())]


def as_csv(names: Sequence[str], rows: Rows) -> str:
    """A table with a header as text, numbers to the last digit.

    >>> print(as_csv(["class", "a, b"], [["rose", 0.1]]), end="")
    class,"a, b"
    rose,0.1
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([names, *rows])
    return text.getvalue()


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return (name,) if count == 1 else tuple(f"{name}[{k}]" for k in range(count))
