"""Activations: name, formula, parameters. Adding one is adding a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sympy import Expr, nsimplify, tanh

from codegen import functions as f


@dataclass(frozen=True)
class Activation:
    """A scalar function applied to every neuron: ``formula(x, **parameters)``."""

    name: str
    formula: Callable[..., Expr]
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Default values of the parameters."""

    def __call__(self, x: Expr, **parameters: float) -> Expr:
        """The activation of ``x``; parameters that are not given have their default values.

        >>> from sympy import Symbol
        >>> ACTIVATIONS["leaky_relu"](Symbol("x", real=True), slope=0.25)
        leaky_relu(x, 1/4)
        """
        values = {**self.parameters, **parameters}
        return self.formula(x, **{name: exact(value) for name, value in values.items()})


def exact(value: float) -> Expr:
    """The decimal number as it was written, as a fraction: 0.1 is 1/10, so that formulas print as people wrote them.

    The fraction rounds back to the very same float.
    """
    return nsimplify(repr(value), rational=True)


_TABLE = [
    Activation("identity", lambda x: x),
    Activation("tanh", tanh),
    Activation("sigmoid", f.sigmoid),
    Activation("relu", f.relu),
    Activation("leaky_relu", lambda x, slope: f.leaky_relu(x, slope), {"slope": 0.01}),
    Activation("elu", lambda x, alpha: f.elu(x, alpha), {"alpha": 1.0}),
    Activation("relu6", f.relu6),
    Activation("hard_tanh", f.hard_tanh),
    Activation("softplus", f.softplus),
    Activation("silu", f.silu),
    Activation("gelu", f.gelu),
    Activation("gelu_tanh", f.gelu_tanh),
]

ACTIVATIONS: Mapping[str, Activation] = {row.name: row for row in _TABLE}
"""Every activation by name."""
