"""Optimisers: update rules written as SymPy equations over the parameter vector, compiled like everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import DTypeLike
from sympy import Expr, Symbol, sqrt

from codegen import CompiledFunction, Equation, Graph, Index, Variable, compile
from codegen.emit.numba import Dtype, dtype_name

Rule = Callable[..., Mapping[str, Expr]]
"""``rule(theta, g, **symbols)`` gives the new theta and the new state, each an expression for one parameter."""


@dataclass(frozen=True)
class Optimiser:
    """A first-order update: the new parameters and state from the old ones and the gradient ``g``.

    ``state`` names the vectors it carries from step to step, all zero at first; ``settings`` the numbers it needs.
    ``step``, the number of the update from 1, is available to every rule.
    """

    name: str
    rule: Rule
    settings: tuple[str, ...]
    state: tuple[str, ...] = ()

    @property
    def graph(self) -> Graph:
        """The update of one vector of P parameters as a graph.

        >>> print(OPTIMISERS["momentum"].graph)
        inputs theta[P], g[P], velocity[P], step, learning_rate, momentum
        new velocity[p] = -learning_rate*g[p] + momentum*velocity[p]
        new theta[p] = -learning_rate*g[p] + momentum*velocity[p] + theta[p]
        outputs new theta, new velocity
        """
        P = Symbol("P", integer=True, positive=True)
        p = Index("p", P)
        vectors = [Variable(name, (P,)) for name in ("theta", "g", *self.state)]
        numbers = [Variable(name) for name in ("step", *self.settings)]
        symbols = {v.name: v[p] for v in vectors} | {n.name: n.symbol for n in numbers}
        new = self.rule(**symbols)
        equations = [Equation(Variable(f"new {name}", (P,))[p], body) for name, body in new.items()]
        return Graph((*vectors, *numbers), tuple(equations), tuple(f"new {n}" for n in ("theta", *self.state)))

    def compile(self, dtype: DTypeLike = "float64") -> CompiledFunction:
        """``update(theta, g, *state, step, *settings, out=(theta, *state))`` for vectors of any length."""
        return _compiled(self, dtype_name(dtype))

    def initial_state(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        """One zero vector for each name of ``state``."""
        return tuple(np.zeros_like(theta) for _ in self.state)


@lru_cache(maxsize=16)
def _compiled(optimiser: Optimiser, dtype: Dtype) -> CompiledFunction:
    return compile(optimiser.graph, dtype=dtype, schedule="loops")


def _gradient_descent(theta: Expr, g: Expr, learning_rate: Expr, **_: Expr) -> Mapping[str, Expr]:
    return {"theta": theta - learning_rate * g}


def _momentum(
    theta: Expr, g: Expr, velocity: Expr, learning_rate: Expr, momentum: Expr, **_: Expr
) -> Mapping[str, Expr]:
    # Polyak 1964: v ← μ·v − η·g, θ ← θ + v.
    new = momentum * velocity - learning_rate * g
    return {"velocity": new, "theta": theta + new}


def _nesterov(
    theta: Expr, g: Expr, velocity: Expr, learning_rate: Expr, momentum: Expr, **_: Expr
) -> Mapping[str, Expr]:
    # Nesterov 1983: v ← μ·v − η·∇L(θ + μ·v), θ ← θ + v. The vector kept here is the point θ + μ·v at which the gradient
    # is taken (Bengio, Boulanger-Lewandowski, Pascanu 2013), so that every step needs one gradient, at theta.
    new = momentum * velocity - learning_rate * g
    return {"velocity": new, "theta": theta - momentum * velocity + (1 + momentum) * new}


def _adam(
    theta: Expr, g: Expr, mean: Expr, square: Expr, step: Expr, learning_rate: Expr, beta1: Expr, beta2: Expr,
    epsilon: Expr, **_: Expr,
) -> Mapping[str, Expr]:  # fmt: skip
    # Kingma, Ba 2015, algorithm 1.
    new_mean = beta1 * mean + (1 - beta1) * g
    new_square = beta2 * square + (1 - beta2) * g**2
    unbiased_mean = new_mean / (1 - beta1**step)
    unbiased_square = new_square / (1 - beta2**step)
    return {
        "mean": new_mean,
        "square": new_square,
        "theta": theta - learning_rate * unbiased_mean / (sqrt(unbiased_square) + epsilon),
    }


_TABLE = [
    Optimiser("gradient_descent", _gradient_descent, ("learning_rate",)),
    Optimiser("momentum", _momentum, ("learning_rate", "momentum"), ("velocity",)),
    Optimiser("nesterov", _nesterov, ("learning_rate", "momentum"), ("velocity",)),
    Optimiser("adam", _adam, ("learning_rate", "beta1", "beta2", "epsilon"), ("mean", "square")),
]

OPTIMISERS: Mapping[str, Optimiser] = {row.name: row for row in _TABLE}
"""Every optimiser by name."""
