"""``{recurrent: 32}``: a layer that sees what it has made of the step before."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from codegen import Index
from symnn.choices import ActivationLike, Choice, is_identity, resolve_activation
from symnn.errors import SpecError
from symnn.given import called, whole_number
from symnn.layers.layer import ElementActivationField, InitialiserField, Layer, UnitsField
from symnn.layers.sequences import Output, arriving, carried, put_out, shape_of
from symnn.layers.writing import Parameter, Place, Value, filled, weights
from symnn.shapes import Shape


class Recurrent(Layer):
    """``h[t] = activation(W·x[t] + b + U·h[t − 1])``, h before the first step being 0 (Elman 1990).

    W1 (units, features), U1 (units, units), b1 (units,): PyTorch's, its two biases added.
    """

    recurrent: UnitsField = Field(description="the number of units")
    output: Output = "last"
    backward: bool = False
    activation: ElementActivationField = Choice(name="tanh")
    initialiser: InitialiserField = None

    def shape(self, given: Shape) -> Shape:
        return shape_of("recurrent", given, self.recurrent, self.output)

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        units, count = self.recurrent, int(given[-1].extent)
        return {
            "W": weights((units, given[-1]), (count, units), self.initialiser, self.activation),
            "U": weights((units, units), (units, units), self.initialiser, self.activation),
            "b": filled((units,)),
        }

    def write(self, place: Place, x: Value) -> Value:
        (s, t, feature), p = x.indices, place.parameters
        unit, other = place.unit(self.recurrent), Index("j", self.recurrent)
        at = (s, t, unit)
        z = place.sum("z", at, p["W"][unit, feature] * arriving(x, self.backward), [feature])
        h = place.declared("a", at)
        v = carried(place, "v", at, lambda t: p["U"][unit, other] * h.variable[s, t, other], [other])
        u = place.map("u", at, z.here + v.here + p["b"][unit])
        place.assign(h.here, resolve_activation(self.activation)(u.here))
        return put_out(place, h, self.output, self.backward)

    @property
    def unbounded(self) -> bool | None:
        return is_identity(self.activation)


@called(SpecError)
def recurrent(
    units: int,
    activation: ActivationLike = "tanh",
    *,
    output: Output = "last",
    backward: bool = False,
    initialiser: str | None = None,
) -> Recurrent:
    """``h[t] = activation(W·x[t] + b + U·h[t − 1])``, ``backward`` with the last step as the first.

    >>> recurrent(32, output="all").to_plain()
    {'recurrent': 32, 'output': 'all'}
    """
    units = whole_number("units", units, 1, refused=SpecError)
    return Recurrent(recurrent=units, output=output, backward=backward, activation=activation, initialiser=initialiser)
