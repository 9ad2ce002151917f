"""Losses: each writes the equations that lead from the network's output and the target to one number a sample.

The network averages over the samples. Adding a loss is adding a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from sympy import Expr, Float, Integer, Symbol, exp, log

from codegen import Index, Variable
from codegen import functions as f
from codegen.walk import extent, postorder
from symnn.builder import Builder

TargetKind = Literal["labels", "rows"]
"""What the target ``y`` holds: one integer class a sample, or one row of numbers a sample."""

Reading = Literal["classes", "logits", "values"]
"""What outputs are: scores of classes, logits of a yes, or values."""

ElementLoss = Callable[..., Expr]
"""``formula(output, target, **parameters)``, applied to every element."""


@dataclass(frozen=True)
class Loss:
    """A loss: what its target holds, how it is written down, and how its outputs are read.

    ``write(builder, output, y, at, t, **parameters)`` appends equations and returns the loss at the indices ``at``: the
    sample s, and the step of a sequence or the place in an array if the output has such axes before its last, t.
    """

    name: str
    target: TargetKind
    write: Callable[..., Expr]
    parameters: Mapping[str, float] = field(default_factory=dict)
    reading: Reading = "values"
    """``classes``: the largest output is the predicted class; ``logits``: an output above 0 is a yes."""
    formula: ElementLoss | None = None
    """The loss of one output and one target, where it is the mean of such."""

    @property
    def of_difference(self) -> bool:
        """Whether only output − target counts, as it is written: then targets may be shifted together with outputs.

        >>> LOSSES["huber"].of_difference, LOSSES["binary_cross_entropy"].of_difference
        (True, False)
        """
        if self.formula is None:
            return False
        target, difference = Symbol("target", real=True), Symbol("difference", real=True)
        parameters = {name: Float(value) for name, value in self.parameters.items()}
        return target not in postorder(self.formula(target + difference, target, **parameters))


Where = tuple[Index, ...]


def _softmax(b: Builder, output: Variable, at: Where, t: Index) -> Expr:
    """Define p = softmax(output) and return log Σ exp(output), the largest logit taken out of both.

    The shift is held constant under differentiation: neither quantity depends on it.
    """
    m = b.max("m", at, f.stop_gradient(output[*at, t]), [t])
    e = b.map("e", [*at, t], exp(output[*at, t] - m[at]))
    total = b.sum("Z", at, e[*at, t], [t])
    b.map("p", [*at, t], e[*at, t] / total[at])
    return b.map("lse", at, m[at] + log(total[at]))[at]


def _labels(b: Builder, output: Variable, y: Variable, at: Where, t: Index) -> Expr:
    log_sum = _softmax(b, output, at, t)
    # select, not a product: 0·∞ would be nan for an infinite logit of another class.
    score = b.sum("score", at, f.select(f.equal(y[at], t), output[*at, t], Integer(0)), [t])
    return log_sum - score[at]


def _rows(b: Builder, output: Variable, y: Variable, at: Where, t: Index) -> Expr:
    log_sum = _softmax(b, output, at, t)
    return b.sum("cross", at, y[*at, t] * (log_sum - output[*at, t]), [t])[at]


def element_loss(
    name: str,
    formula: ElementLoss,
    parameters: Mapping[str, float] = MappingProxyType({}),
    reading: Reading = "values",
) -> Loss:
    """Lift a loss of one output and one target to the mean over the outputs."""

    def write(b: Builder, output: Variable, y: Variable, at: Where, t: Index, **parameters: Expr) -> Expr:
        return b.sum("element", at, formula(output[*at, t], y[*at, t], **parameters) / extent(t), [t])[at]

    return Loss(name, "rows", write, parameters, reading, formula)


def _binary(u: Expr, y: Expr) -> Expr:
    # −y·log σ(u) − (1 − y)·log(1 − σ(u)) = softplus(u) − y·u
    return f.softplus(u) - y * u


def _huber(u: Expr, y: Expr, delta: Expr) -> Expr:
    # ½d² inside ±δ, δ·(|d| − ½δ) outside; the two meet with equal slope.
    distance = f.absolute(u - y)
    return f.select(distance - delta, delta * (distance - delta / 2), (u - y) ** 2 / 2)


_TABLE = [
    Loss("softmax_cross_entropy", "labels", _labels, reading="classes"),
    Loss("softmax_cross_entropy_rows", "rows", _rows, reading="classes"),
    element_loss("binary_cross_entropy", _binary, reading="logits"),
    element_loss("mean_squared_error", lambda u, y: (u - y) ** 2),
    element_loss("huber", _huber, {"delta": 1.0}),
]

LOSSES: Mapping[str, Loss] = {row.name: row for row in _TABLE}
"""Every loss by name."""
