"""``{dense: 32, activation: tanh}``: weighted sums of all features, and one for each step of a sequence."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from symnn.choices import ActivationLike, is_identity
from symnn.errors import SpecError
from symnn.given import called, whole_number
from symnn.layers.layer import ActivationField, InitialiserField, Layer, UnitsField, misfit
from symnn.layers.writing import Parameter, Place, Value, filled, weights
from symnn.shapes import FEATURE, Axis, Shape


class Dense(Layer):
    """``z = W·x``, ``u = z + b``, ``a = activation(u)`` over the last axis: W1 (units, features), b1 (units,)."""

    dense: UnitsField = Field(description="the number of units")
    bias: bool = True
    activation: ActivationField = None
    initialiser: InitialiserField = None

    def shape(self, given: Shape) -> Shape:
        if given[-1].name != FEATURE:
            raise misfit("dense", "features last, as 'flatten' makes them", given)
        return (*given[:-1], Axis(FEATURE, self.dense))

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        count = int(given[-1].extent)
        feeds = feeds if self.activation is None else self.activation
        found = {"W": weights((self.dense, given[-1]), (count, self.dense), self.initialiser, feeds)}
        return {**found, "b": filled((self.dense,))} if self.bias else found

    def write(self, place: Place, x: Value) -> Value:
        outer, features = place.split(x)
        unit, W = place.unit(self.dense), place.parameters["W"]
        found = place.sum("z", (*outer, unit), W[unit, *features] * x.here, features)
        if self.bias:
            found = place.map("u", found.indices, found.here + place.parameters["b"][unit])
        return place.activated(found, self.activation, [unit])

    @property
    def unbounded(self) -> bool | None:
        return is_identity(self.activation)


@called(SpecError)
def dense(units: int, activation: ActivationLike = None, *, bias: bool = True, initialiser: str | None = None) -> Dense:
    """``z = W·x``, ``u = z + b``, ``a = activation(u)``.

    >>> dense(32, "tanh").dense
    32
    """
    units = whole_number("dense", units, 1, refused=SpecError)
    return Dense(dense=units, activation=activation, bias=bias, initialiser=initialiser)
