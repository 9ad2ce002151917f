"""``{gru: 32}``: gated recurrent units, which keep a part of what they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field
from sympy import tanh

from codegen import Index
from codegen.functions import sigmoid
from symnn.choices import ActivationLike
from symnn.errors import SpecError
from symnn.given import called, whole_number
from symnn.layers.layer import InitialiserField, Layer, UnitsField
from symnn.layers.sequences import Output, carried, from_input, gate_axis, gates_of, put_out, recurrent_part, shape_of
from symnn.layers.writing import Parameter, Place, Value, filled
from symnn.shapes import Shape

Reset: TypeAlias = Literal["after", "before"]
"""On which side of the product with U r forgets what was before."""


class Gru(Layer):
    """``h[t] = (1 − z)·n + z·h[t − 1]``, h before the first step being 0 (Cho et al. 2014, arXiv:1406.1078v1).

    r and z are σ of ``W·x[t] + b + U·h[t − 1] + c``, and n is ``tanh(W·x[t] + b + r·(U·h[t − 1] + c))``. W1 (3·units,
    features), U1 (3·units, units), b1 and c1 (3·units,) hold the gates in the order r z n, as PyTorch's do.

    With ``reset: before``, as in version 3 of the paper, n is ``tanh(W·x[t] + b + U·(r·h[t − 1]))``, and there is no c.
    """

    gru: UnitsField = Field(description="the number of units")
    output: Output = "last"
    backward: bool = False
    reset: Reset = "after"
    initialiser: InitialiserField = None

    def shape(self, given: Shape) -> Shape:
        return shape_of("gru", given, self.gru, self.output)

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        second = {"c": filled((gate_axis(self.gru, 3),))} if self.reset == "after" else {}
        return {**gates_of(given, self.gru, 3, self.initialiser), **second}

    def write(self, place: Place, x: Value) -> Value:
        s, t, _ = x.indices
        unit, parameters = place.unit(self.gru), place.parameters
        at, gate, after = (s, t, unit), Index("k", 3), self.reset == "after"
        given = from_input(place, x, gate, unit, self.backward)
        u = place.map("u", given.indices, given.here + parameters["b"][gate, unit])
        h = place.declared("a", at)
        product = recurrent_part(place, h, gate if after else Index("k", 2), unit)
        v = place.map("w", product.indices, product.here + parameters["c"][gate, unit]) if after else product
        r, z = (
            place.map(name, at, sigmoid(u.at(t, number, unit) + v.at(t, number, unit)))
            for number, name in enumerate(("r", "keep"))
        )
        before = carried(place, "before", at, lambda t: h.variable[s, t, unit])
        if after:
            inner = r.here * v.at(t, 2, unit)
        else:
            other = Index("j", self.gru)
            kept = place.map("kept", at, r.here * before.here)
            inner = place.sum("inner", at, parameters["U"][2, unit, other] * kept.at(t, other), [other]).here
        n = place.map("n", at, tanh(u.at(t, 2, unit) + inner))
        place.assign(h.here, (1 - z.here) * n.here + z.here * before.here)
        return put_out(place, h, self.output, self.backward)

    @property
    def unbounded(self) -> bool | None:
        return False


@called(SpecError)
def gru(
    units: int,
    *,
    output: Output = "last",
    backward: bool = False,
    reset: Reset = "after",
    initialiser: str | None = None,
) -> Gru:
    """Gated recurrent units, ``backward`` from the end of the sequence to its beginning.

    ``reset`` says on which side of the product with U they forget.

    >>> gru(32, reset="before").to_plain()
    {'gru': 32, 'reset': 'before'}
    """
    units = whole_number("units", units, 1, refused=SpecError)
    return Gru(gru=units, output=output, backward=backward, reset=reset, initialiser=initialiser)
