"""``{lstm: 32}``: long short-term memory, a state that gates write to, keep and read."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from sympy import tanh

from codegen import Index
from codegen.functions import sigmoid
from symnn.choices import ActivationLike
from symnn.errors import SpecError
from symnn.given import called, whole_number
from symnn.layers.layer import InitialiserField, Layer, UnitsField
from symnn.layers.sequences import Output, carried, from_input, gates_of, ones_in, put_out, recurrent_part, shape_of
from symnn.layers.writing import Parameter, Place, Value
from symnn.shapes import Shape


class Lstm(Layer):
    """``c[t] = f·c[t − 1] + i·g``, ``h[t] = o·tanh(c[t])``; h and c before the first step are 0.

    i, f and o are σ, g is tanh of ``W·x[t] + b + U·h[t − 1]`` (Hochreiter, Schmidhuber 1997; Gers et al. 2000). W1
    (4·units, features), U1 (4·units, units) and b1 (4·units,) hold the gates in the order i f g o: PyTorch's, its two
    biases added. The bias of the forget gate f is 1 at first, everything else of b1 is 0.
    """

    lstm: UnitsField = Field(description="the number of units")
    output: Output = "last"
    backward: bool = False
    initialiser: InitialiserField = None

    def shape(self, given: Shape) -> Shape:
        return shape_of("lstm", given, self.lstm, self.output)

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        found = gates_of(given, self.lstm, 4, self.initialiser)
        return {**found, "b": ones_in(1, found["b"])}

    def write(self, place: Place, x: Value) -> Value:
        s, t, _ = x.indices
        unit = place.unit(self.lstm)
        at, gate = (s, t, unit), Index("k", 4)
        z = from_input(place, x, gate, unit, self.backward)
        h, c = place.declared("a", at), place.declared("c", at)
        v = recurrent_part(place, h, gate, unit)
        # One vertex of all gates has one adjoint, a matrix that U, W and b share.
        u = place.map("u", z.indices, z.here + v.here + place.parameters["b"][gate, unit])
        i, f, g, o = (
            place.map(name, at, function(u.at(t, number, unit)))
            for number, (name, function) in enumerate((("i", sigmoid), ("f", sigmoid), ("g", tanh), ("o", sigmoid)))
        )
        before = carried(place, "kept", at, lambda t: c.variable[s, t, unit])
        place.assign(c.here, f.here * before.here + i.here * g.here)
        place.assign(h.here, o.here * tanh(c.here))
        return put_out(place, h, self.output, self.backward)

    @property
    def unbounded(self) -> bool | None:
        return False


@called(SpecError)
def lstm(units: int, *, output: Output = "last", backward: bool = False, initialiser: str | None = None) -> Lstm:
    """Long short-term memory, ``backward`` from the end of the sequence to its beginning.

    >>> lstm(32, output="all").to_plain()
    {'lstm': 32, 'output': 'all'}
    """
    units = whole_number("units", units, 1, refused=SpecError)
    return Lstm(lstm=units, output=output, backward=backward, initialiser=initialiser)
