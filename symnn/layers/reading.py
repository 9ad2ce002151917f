"""Networks that are no chain as lists of layers: a flow out of the layers ``take`` and ``again``, and into them.

>>> from symnn.layers.dense import dense
>>> from symnn.layers.concatenate import concatenate
>>> from symnn.layers.again import again
>>> from symnn.layers.take import take
>>> inputs = Named((("left", 3), ("right", 3)))
>>> layers = concatenate([take("left"), dense(2).named("shared")], [take("right"), again("shared")]), dense(1)
>>> (flow,) = written(inputs, layers)
>>> [node.name or "joined" if node.layer is None else node.layer.kind() for node in flow.flow.order]
['left', 'dense', 'right', 'dense', 'joined', 'dense']
>>> plain(flow)
[{'take': 'left'}, {'dense': 2, 'name': 'shared'}, {'take': 'right'}, {'again': 'shared', 'name': 'v1'}, \
{'concatenate': [[{'take': 'shared'}], [{'take': 'v1'}]]}, {'dense': 1}]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from symnn.errors import FieldError
from symnn.layers.again import Again
from symnn.layers.concatenate import Concatenate, joined_shape
from symnn.layers.flow import Flow
from symnn.layers.layer import Layer, Writes
from symnn.layers.node import Node
from symnn.layers.residual import Residual, summed_shape
from symnn.layers.take import Take
from symnn.shapes import MAX_NUMBERS, Inputs, Named, Shape, described, input_shape, numbers
from symnn.suggest import quote, unknown

MAX_NODES = 1_000


def written(inputs: Inputs | Named, layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers as they are written down: those of a chain as they are, all others as one flow.

    Raises :class:`FieldError` at the layer that takes what is not there, or cannot take what it is given.
    """
    if all(isinstance(layer, Flow) for layer in layers):
        return tuple(layers)
    if not isinstance(inputs, Named):
        if not any(isinstance(layer, (Take, Again)) for layer in _all(layers)):
            return tuple(layers)
        inputs = Named((("x", inputs),))
    return (Flow(flow=_Reading(inputs, layers).output),)


def first_shape(inputs: Inputs | Named) -> Shape:
    """The shape of what the first layer that is written takes: none where inputs have names."""
    return () if isinstance(inputs, Named) else input_shape(inputs)


def _all(layers: Sequence[Layer]) -> Iterator[Layer]:
    for layer in layers:
        yield layer
        for branch in layer.branches:
            yield from _all(branch)


class _Reading:
    """The values and layers that have a name, while the layers are gone through; ``output`` is what comes out."""

    def __init__(self, inputs: Named, layers: Sequence[Layer]) -> None:
        nodes = [Node(name=name, inputs=given) for name, given in inputs.each]
        names = Counter([*(node.name for node in nodes), *(layer.name for layer in _all(layers) if layer.name)])
        for name, count in names.items():
            if count > 1:
                raise FieldError(f"found the name {quote(name)} {count} times, expected each input and layer its own")
        self._values = {node.name: node for node in nodes}
        self._layers: dict[str, Layer] = {}
        self._shapes = {node: input_shape(node.inputs) for node in nodes}
        self._inputs = [*self._values]
        # Weights are shared by being those of one object: what stands at two places is made two.
        found = self._chain([_copied(layer) for layer in layers], nodes[0] if len(nodes) == 1 else None)
        if found is None:
            raise FieldError("expected at least one layer, found none")
        self.output = found
        for name in self._inputs:
            if not any(node is self._values[name] for node in found.order):
                raise FieldError(f"found no layer that takes the input {quote(name)}, expected one")

    def _chain(self, layers: Sequence[Layer], at: Node | None) -> Node | None:
        for number, layer in enumerate(layers):
            try:
                at = self._made(layer, at)
            except FieldError as error:
                raise error.within(number) from None
            if layer.name is not None:
                self._values.setdefault(layer.name, at)
                self._layers.setdefault(layer.name, layer)
        return at

    def _made(self, layer: Layer, at: Node | None) -> Node:
        """What a layer makes of a value."""
        if isinstance(layer, Take):
            if layer.take not in self._values:
                raise FieldError(unknown("input or layer", layer.take, self._values), ("take",))
            return self._values[layer.take]
        if isinstance(layer, Concatenate):
            parts = [self._branch(branch, at, number) for number, branch in enumerate(layer.concatenate)]
            return self._shaped(Node(tuple(parts), joins=True), joined_shape([self._shapes[part] for part in parts]))
        if at is None:
            raise FieldError(f"expected an input before it, as {{take: {self._inputs[0]}}}, found none")
        if isinstance(layer, Again):
            if layer.again not in self._layers:
                raise FieldError(unknown("layer with a name", layer.again, self._layers), ("again",))
            return self._made(self._layers[layer.again], at)
        if isinstance(layer, Residual):
            try:
                inside = self._chain(layer.residual, at)
            except FieldError as error:
                raise error.within("residual") from None
            assert inside is not None
            return self._shaped(at + inside, summed_shape(self._shapes[inside], self._shapes[at]))
        return self._shaped(layer(at), layer.shape(self._shapes[at]))

    def _branch(self, branch: Sequence[Layer], at: Node | None, number: int) -> Node:
        try:
            found = self._chain(branch, at)
            if found is None:
                raise FieldError(f"expected {{take: {self._inputs[0]}}} or another input, found no layers")
        except FieldError as error:
            raise error.within("concatenate", number) from None
        return found

    def _shaped(self, node: Node, shape: Shape) -> Node:
        if (numbers(shape) or 0) > MAX_NUMBERS:
            raise FieldError(f"expected at most {MAX_NUMBERS:,} numbers a sample, found {described(shape)}")
        if len(self._shapes) > MAX_NODES:  # layers inside layers that are used again may double at each step
            raise FieldError(f"expected at most {MAX_NODES:,} layers, those used again counted anew, found more")
        self._shapes[node] = shape
        return node


def _copied(layer: Layer) -> Layer:
    if isinstance(layer, Concatenate):
        branches = tuple(tuple(map(_copied, branch)) for branch in layer.concatenate)
        return layer.model_copy(update={"concatenate": branches})
    if isinstance(layer, Residual):
        return layer.model_copy(update={"residual": tuple(map(_copied, layer.residual))})
    return layer.model_copy()


# --- and back -----------------------------------------------------------------------------------------------------


def plain(flow: Flow, write: Writes | None = None) -> list[Any]:
    """The entries of a spec that :func:`written` makes this flow of: each value behind those that it is made of."""
    return [layer.to_plain(write, ("layers", number)) for number, layer in enumerate(_Telling(flow.flow.order).layers)]


class _Telling:
    """The layers of nodes, with names for those that are taken or used again."""

    def __init__(self, order: Sequence[Node]) -> None:
        self._names = {node: node.name for node in order if not node.sources}
        self._known = {*self._names.values(), *(node.layer.name for node in order if node.layer is not None)}
        self._of_layers: dict[int, str] = {}
        self._needed = self._taken(order)
        self.layers: list[Layer] = []
        before: Node | None = None
        for node in order:
            if node.sources:
                self.layers += self._entries(node, before)
                before = node

    def _taken(self, order: Sequence[Node]) -> set[Node]:
        """The nodes that are taken by their name, or whose layer is used again."""
        found, first, before = set[Node](), dict[int, Node](), None
        for node in (node for node in order if node.sources):
            begins = node.sources[:1] if len(node.sources) == 1 or not node.joins else ()
            found |= {source for source in node.sources if source is not before or source not in begins}
            if node.layer is not None and first.setdefault(id(node.layer), node) is not node:
                found.add(first[id(node.layer)])
            before = node
        return found

    def _entries(self, node: Node, before: Node | None) -> list[Layer]:
        name = self._name(node) if node in self._needed else None
        if node.joins:
            branches = tuple((Take(take=self._names[source]),) for source in node.sources)
            return [Concatenate(concatenate=branches, name=name)]
        source, *others = node.sources
        entries: list[Layer] = [] if source is before else [Take(take=self._names[source])]
        if node.layer is None:
            (other,) = others
            return [*entries, Residual(residual=(Take(take=self._names[other]),), name=name)]
        again = self._of_layers.get(id(node.layer))
        if again is not None:
            return [*entries, Again(again=again, name=name)]
        if name is not None:
            self._of_layers[id(node.layer)] = name
        return [*entries, node.layer.model_copy(update={"name": name})]

    def _name(self, node: Node) -> str:
        own = None if node.layer is None or id(node.layer) in self._of_layers else node.layer.name
        number = 1
        while (name := own or f"v{number}") in self._known and own is None:
            number += 1
        self._known.add(name)
        self._names[node] = name
        return name
