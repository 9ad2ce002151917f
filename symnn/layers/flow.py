"""Networks that are no chain: layers called on values, several named inputs, and weights that are used again.

>>> from symnn.layers.dense import dense
>>> from symnn.layers.node import inputs
>>> left, right = inputs(left=3, right=3)
>>> shared = dense(2, "tanh", bias=False)
>>> from symnn.network import Network
>>> network = Network.of(dense(1, bias=False)(shared(left) + shared(right)), "mean_squared_error")
>>> print(network.forward_graph)
inputs W1[2, 3], W2[1, 2], left[S, 3], right[S, 3]
z1[s, h] = Σ_d W1[h, d]*left[s, d]
a1[s, h] = tanh(z1[s, h])
z1'[s, h] = Σ_d W1[h, d]*right[s, d]
a1'[s, h] = tanh(z1'[s, h])
r1[s, h] = a1'[s, h] + a1[s, h]
output[s, t] = Σ_h W2[t, h]*r1[s, h]
outputs output
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import ConfigDict

from symnn.errors import FieldError
from symnn.layers.concatenate import joined, joined_shape
from symnn.layers.layer import Layer, unbounded_after
from symnn.layers.node import Node
from symnn.layers.writing import Place, Value
from symnn.shapes import Axis, Shape, described, extents, input_shape, names


class Flow(Layer):
    """The whole of a network that is no chain, in place of its layers."""

    model_config: ClassVar = ConfigDict(arbitrary_types_allowed=True)

    flow: Node

    @property
    def inputs(self) -> Sequence[Node]:
        """The inputs, in the order in which they are met."""
        return [node for node in self.flow.order if not node.sources]

    @property
    def integers(self) -> Mapping[str, int]:
        """Those of its inputs that are integers, by name, and what they are below."""
        found: dict[str, int] = {}
        for node in self.flow.order:
            if node.layer is not None and node.layer.below is not None:
                found[node.sources[0].name] = node.layer.below
        return found

    @property
    def branches(self) -> Sequence[Sequence[Layer]]:
        seen: dict[int, Layer] = {}
        for node in self.flow.order:
            if node.layer is not None:
                seen.setdefault(id(node.layer), node.layer)
        return [(layer,) for layer in seen.values()]

    def visits(self, given: Shape) -> Iterator[tuple[Sequence[Layer], Shape]]:
        shapes, seen = self._shapes(), set()
        for node in self.flow.order:
            if node.layer is not None and id(node.layer) not in seen:
                seen.add(id(node.layer))
                yield (node.layer,), shapes[node.sources[0]]

    def _shapes(self) -> Mapping[Node, Shape]:
        found: dict[Node, Shape] = {}
        taken: dict[int, Shape] = {}
        for node in self.flow.order:
            sources = [found[source] for source in node.sources]
            if node.layer is not None:
                first = taken.setdefault(id(node.layer), sources[0])
                if sources[0] != first:
                    both = f"{described(first)} and {described(sources[0])}"
                    raise FieldError(f"{node.layer.kind()}: found values of shapes {both} for the same weights")
                found[node] = node.layer.shape(sources[0])
            elif node.joins:
                found[node] = joined_shape(sources)
            elif sources:
                if any((names(one), extents(one)) != (names(sources[0]), extents(sources[0])) for one in sources):
                    raise FieldError(f"found the sum of values of shapes {' and '.join(map(described, sources))}")
                # What is added up has one index for each axis, also where several were made that one.
                found[node] = tuple(Axis(axis.name, axis.extent) for axis in sources[0])
            else:
                found[node] = input_shape(node.inputs)
        return found

    def shape(self, given: Shape) -> Shape:
        return self._shapes()[self.flow]

    def write(self, place: Place, x: Value) -> Value:
        shapes, values = self._shapes(), dict[Node, Value]()
        for node in self.flow.order:
            if node.layer is not None:
                (source,) = node.sources
                values[node] = place.writer.again(node.layer, values[source], shapes[source])
            elif node.sources:
                parts = [place.plain(values[source], shapes[source]) for source in node.sources]
                if node.joins:
                    values[node] = joined(place, parts, [shapes[source] for source in node.sources])
                    continue
                first, *others = parts
                total = sum((other.variable[first.indices] for other in others), first.here)
                values[node] = place.map("r", first.indices, total)
            else:
                values[node] = place.writer.input(node.name, shapes[node])
        return values[self.flow]

    @property
    def unbounded(self) -> bool | None:
        layers, node = list[Layer](), self.flow
        while node.layer is not None:
            layers.insert(0, node.layer)
            node = node.sources[0]
        return unbounded_after(layers)
