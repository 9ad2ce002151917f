"""``{attention: 4, causal: true}``: each step of a sequence takes a mean of all steps, weighted by how they match."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from pydantic import Field
from sympy import Integer, Piecewise, exp, sqrt

from codegen import Index
from codegen.functions import stop_gradient
from symnn.choices import ActivationLike
from symnn.errors import FieldError, SpecError
from symnn.given import called, whole_number
from symnn.layers.layer import InitialiserField, Layer, UnitsField, misfit
from symnn.layers.writing import Parameter, Place, Value, filled, weights
from symnn.shapes import FEATURE, TIME, Axis, Shape, names


class Attention(Layer):
    """Attention of a sequence to itself, by so many heads (Vaswani et al. 2017).

    Of D features each head has D/heads: ``q, k, v = W·x + b``, the match of step t with step u is
    ``q[t]·k[u]/√(D/heads)``, softmax over u makes it the weight of ``v[u]``, and ``U·(the heads) + c`` comes out.
    W1 (3·D, D) and b1 (3·D,) hold q, k and v one below the other, U1 is (D, D) and c1 (D,): PyTorch's in_proj and
    out_proj. With ``size`` a head has so many features, and heads·size takes the place of D in what is in between. With
    ``causal`` a step sees itself and those before it alone.
    """

    attention: UnitsField = Field(description="the number of heads")
    size: UnitsField | None = None
    causal: bool = False
    initialiser: InitialiserField = None

    def shape(self, given: Shape) -> Shape:
        if names(given) != (TIME, FEATURE):
            raise misfit("attention", "a sequence of features", given)
        if self.size is None and int(given[-1].extent) % self.attention:
            raise FieldError(f"attention has {self.attention} heads, found {given[-1]}; expected a multiple of it")
        return given

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        count = int(given[-1].extent)
        heads = (self.attention, self._size(given))
        inner = prod(heads)
        three, one = Axis(FEATURE, 3 * inner, (3, *heads)), Axis(FEATURE, inner, heads)
        return {
            "W": weights((three, count), (count, inner), self.initialiser, None),
            "b": filled((three,)),
            "U": weights((count, one), (inner, count), self.initialiser, feeds),
            "c": filled((count,)),
        }

    def _size(self, given: Shape) -> int:
        return int(given[-1].extent) // self.attention if self.size is None else self.size

    def write(self, place: Place, x: Value) -> Value:
        p = place.parameters
        s, t, d = x.indices
        steps, size = place.given[0].extent, self._size(place.given)
        head, e, u = Index("n", self.attention), Index("e", size), Index("u", steps)

        def projected(part: int, name: str) -> Value:
            found = place.sum(name, (s, head, t, e), p["W"][part, head, e, d] * x.here, [d])
            return place.map(name, found.indices, found.here + p["b"][part, head, e])

        q, k, v = (projected(part, name) for part, name in enumerate("qkv"))
        match = place.sum("match", (s, head, t, u), q.here * k.at(head, u, e) / sqrt(Integer(size)), [e])
        # The first step is one that every step sees: taking it for those that are not seen leaves the largest.
        seen = Piecewise((match.here, u <= t), (match.at(head, t, 0), True)) if self.causal else match.here
        m = place.max("m", (s, head, t), stop_gradient(seen), [u])
        part = exp(match.here - m.here)
        weight = place.map("e", (s, head, t, u), Piecewise((part, u <= t), (Integer(0), True)) if self.causal else part)
        total = place.sum("Z", (s, head, t), weight.here, [u])
        share = place.map("a", (s, head, t, u), weight.here / total.here)
        mean = place.sum("o", (s, t, head, e), share.here * v.at(head, u, e), [u])
        out = place.unit(int(place.given[1].extent))
        found = place.sum("z", (s, t, out), p["U"][out, head, e] * mean.here, [head, e])
        return place.map("u", found.indices, found.here + p["c"][out])

    @property
    def unbounded(self) -> bool | None:
        return True


@called(SpecError)
def attention(
    heads: int, *, size: int | None = None, causal: bool = False, initialiser: str | None = None
) -> Attention:
    """Attention of a sequence to itself, by heads of ``size`` features, or of as many as make up those that come in.

    >>> attention(4, causal=True).to_plain()
    {'attention': 4, 'causal': True}
    """
    heads = whole_number("heads", heads, 1, refused=SpecError)
    return Attention(attention=heads, size=size, causal=causal, initialiser=initialiser)
