"""L-BFGS: descent along directions that the last steps, and what they changed in the gradient, tell.

Liu, Nocedal, On the limited memory BFGS method for large scale optimization, 1989; Nocedal, Wright, Numerical
Optimization, 2006, algorithms 7.4 and 7.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, sqrt
from sys import float_info

import numpy as np

from symnn.linesearch import Evaluate, Iterate, line_search
from symnn.walls import follow

SMALLEST_GRADIENT = 1e-9
"""Where no entry of the gradient is larger, nothing is left to gain."""
PATIENCE = 20
"""So many steps in turn that a wall cuts short are enough: each comes ten times nearer to it, or creeps along it."""
SMALLEST_GAIN = 1e-10
"""A wall is followed no further where that has gained no more than this part of the loss."""
PAIRS = 10
"""The pairs that are kept unless said, as SciPy's keeps."""


def lbfgs(evaluate: Evaluate, start: Iterate | Standing, memory: int = PAIRS) -> Iterator[Standing]:
    """Where the descent stands after each iterate, from a finite ``start``; ``memory`` pairs are kept.

    Each iterate has a lower loss than the one before. They end at one that is stationary, and where no lower loss is
    found; before it comes to that the pairs are forgotten and the steepest descent is tried, and then the way along the
    wall beyond which nothing is finite. From where it stood, a descent goes on as if it had never been broken off.

    >>> def evaluate(theta):
    ...     return Iterate(theta, float(theta @ theta), 2 * theta)
    >>> [round(at.here.loss, 9) for at in lbfgs(evaluate, evaluate(np.array([3.0, 4.0])), memory=5)]
    [16.0, 0.0]
    """
    at = start if isinstance(start, Standing) else Standing(start, start.theta)

    def straight(evaluate: Evaluate, start: Iterate) -> Iterator[Iterate]:
        return (at.here for at in _descent(evaluate, Standing(start, start.theta), memory))

    while True:
        for at in _descent(evaluate, at, memory):  # noqa: B020 - from there on
            yield at
        here = at.here
        if is_stationary(here) or (not at.moved and at.patience == inf):
            return
        lower = follow(evaluate, here, reach_of(at.start, here), straight)
        if lower is not None and here.loss - lower.loss > SMALLEST_GAIN * abs(here.loss):
            at = Standing(lower, at.start)
            yield at
        elif at.patience == PATIENCE:
            at = Standing(here, at.start, patience=inf)  # there is no other way than on
        else:
            return


@dataclass(frozen=True, eq=False)
class Standing:
    """Where a descent stands: an iterate, and all else that its next step depends on.

    start: the parameters that it began with. pairs: what it has kept, the oldest first. length: of the last step. cut:
    so many steps in turn a wall has cut short, of as many as ``patience`` allows. moved: whether it has come to this
    iterate by a straight step, and not along a wall.
    """

    here: Iterate
    start: np.ndarray
    pairs: tuple[Pair, ...] = ()
    length: float = 1.0
    cut: int = 0
    patience: float = PATIENCE
    moved: bool = False


def _descent(evaluate: Evaluate, at: Standing, memory: int) -> Iterator[Standing]:
    """As far as straight steps lead downwards, and not too many of them in turn are cut by a wall."""
    refused = False

    def noted(theta: np.ndarray) -> Iterate:
        nonlocal refused
        found = evaluate(theta)
        refused = refused or not found.is_finite
        return found

    while not is_stationary(at.here) and at.cut < at.patience:
        refused = False
        here, pairs = at.here, at.pairs
        found = line_search(noted, here, quasi_newton(here.gradient, pairs), 1.0) if pairs else None
        if found is None:
            pairs = ()
            found = line_search(noted, here, steepest(here.gradient), at.length)
        if found is None:
            return
        pair = Pair.between(here, found)
        if pair.bends(here):
            pairs = (*pairs, pair)[-memory:]
        length = sqrt(np.dot(pair.step, pair.step))
        at = Standing(found, at.start, pairs, length, at.cut + 1 if refused else 0, at.patience, moved=True)
        yield at


def reach_of(start: np.ndarray, here: Iterate) -> float:
    """How far one comes: from the parameters at the start to the iterate, or as far as this is from 0."""
    moved, size = (float(np.linalg.norm(vector)) for vector in (here.theta - start, here.theta))
    return max(moved, size) or 1.0


def is_stationary(iterate: Iterate) -> bool:
    """Whether no entry of the gradient is worth a step."""
    return float(np.abs(iterate.gradient).max()) <= SMALLEST_GRADIENT


@dataclass(frozen=True, eq=False)
class Pair:
    """A step s, the change y of the gradient along it, the curvature s·y, and y·y."""

    step: np.ndarray
    change: np.ndarray
    curvature: float
    square: float

    @classmethod
    def between(cls, before: Iterate, after: Iterate) -> Pair:
        """The pair of two iterates."""
        with np.errstate(over="ignore"):  # such a pair does not bend
            step, change = after.theta - before.theta, after.gradient - before.gradient
        return cls(step, change, float(np.dot(step, change)), float(np.dot(change, change)))

    def bends(self, before: Iterate) -> bool:
        """Whether the loss bends upward along the step by more than rounding, as the method has to assume."""
        fall = abs(float(np.dot(before.gradient, self.step)))
        return float_info.epsilon * fall < self.curvature < inf and 0 < self.square < inf


def quasi_newton(gradient: np.ndarray, pairs: tuple[Pair, ...]) -> np.ndarray:
    """−H·gradient, where H approximates the inverse of the Hessian matrix by these pairs, the oldest first.

    H = (I − s·yᵀ/s·y)·H′·(I − y·sᵀ/s·y) + s·sᵀ/s·y with s and y of the newest pair and H′ of the others; the first H′
    is the identity times s·y/y·y of the newest.

    >>> steps, hessian = np.eye(2), np.array([2.0, 5.0])
    >>> pairs = tuple(Pair(s, hessian * s, hessian @ s, (hessian @ s) ** 2) for s in steps)
    >>> quasi_newton(np.array([2.0, 10.0]), pairs)
    array([-1., -2.])
    """
    from scipy.linalg.blas import daxpy, ddot  # 0.17 ms for 50 pairs of 921 numbers, NumPy 0.54: nothing is allocated

    q = -gradient
    parts = []
    for pair in reversed(pairs):
        part = ddot(pair.step, q) / pair.curvature
        daxpy(pair.change, q, a=-part)
        parts.append(part)
    q *= pairs[-1].curvature / pairs[-1].square
    for pair, part in zip(pairs, reversed(parts)):
        daxpy(pair.step, q, a=part - ddot(pair.change, q) / pair.curvature)
    return q


def steepest(gradient: np.ndarray) -> np.ndarray:
    """The direction of the steepest descent, of length 1.

    >>> steepest(np.array([3e200, -4e200]))  # the squares are infinite
    array([-0.6,  0.8])
    """
    scaled = gradient / np.abs(gradient).max()
    direction: np.ndarray = -scaled / sqrt(np.dot(scaled, scaled))
    return direction
