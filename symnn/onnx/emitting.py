"""Nodes of ONNX, one after the other: tensors whose axes are indices, aligned where they meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sympy import Idx, Symbol

from codegen.ir.affine import Affine
from codegen.walk import Extent, as_extent, extent, parts
from symnn.onnx.files import onnx

helper = onnx.helper


@dataclass(frozen=True)
class Tensor:
    """A result of a node, and the index that each of its axes is."""

    name: str
    axes: tuple[Idx, ...] = ()


class Emitter:
    """The nodes and constants of a file; what is computed twice is one node."""

    def __init__(self, dtype: str, taken: Iterable[str]) -> None:
        self.real = np.dtype(dtype)
        self.nodes: list[Any] = []
        self.initialisers: dict[str, np.ndarray] = {}
        self.lengths: dict[Symbol, str] = {}
        """The tensors of lengths that each call decides, int64."""
        self._taken = {*taken}
        self._made: dict[Any, str] = {}
        self._order: dict[Idx, int] = {}

    def name(self) -> str:
        """A name that nothing has."""
        number = len(self._taken)
        while (found := f"t{number}") in self._taken:
            number += 1
        self._taken.add(found)
        return found

    def order(self, domain: Sequence[Idx]) -> None:
        """The order of the axes of what is computed from here on."""
        self._order = {index: place for place, index in enumerate(domain)}

    # --- nodes ----------------------------------------------------------------------------------------------------

    def node(self, operator: str, *inputs: str, result: str | None = None, **attributes: Any) -> str:
        """A node with one result; the one that is there, if there is one."""
        key = (
            operator,
            inputs,
            tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in attributes.items())),
        )
        if result is None and key in self._made:
            return self._made[key]
        found = self.name() if result is None else result
        self.nodes.append(helper.make_node(operator, inputs, [found], **attributes))
        self._made.setdefault(key, found)
        return found

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Numbers that the file holds."""
        array = np.array(values, self.real if dtype is None else dtype, order="C")
        key = ("", array.dtype.str, array.shape, array.tobytes())
        if key not in self._made:
            self._made[key] = name = self.name()
            self.initialisers[name] = array
        return self._made[key]

    def integers(self, values: Any) -> str:
        """The same of integers."""
        return self.constant(values, np.int64)

    def number(self, value: float) -> Tensor:
        """A real number."""
        return Tensor(self.constant(value))

    # --- axes -----------------------------------------------------------------------------------------------------

    def sorted(self, axes: Iterable[Idx]) -> tuple[Idx, ...]:
        """Indices in the order of the domain."""
        return tuple(sorted({*axes}, key=self._order.__getitem__))

    def aligned(self, tensor: Tensor, axes: Sequence[Idx]) -> str:
        """The tensor with these axes, of length 1 where it has none."""
        own = [index for index in axes if index in tensor.axes]
        name = tensor.name
        if list(tensor.axes) != own:
            name = self.node("Transpose", name, perm=[tensor.axes.index(index) for index in own])
        missing = [place for place, index in enumerate(axes) if index not in tensor.axes]
        # Those in front are there without being said.
        lead = next((place for place, index in enumerate(axes) if index in tensor.axes), len(axes))
        missing = [place - lead for place in missing if place >= lead]
        return self.node("Unsqueeze", name, self.integers(missing)) if missing else name

    def combined(self, operator: str, *tensors: Tensor) -> Tensor:
        """A function of elements, of tensors that are repeated along the axes that they lack."""
        axes = self.sorted(index for tensor in tensors for index in tensor.axes)
        return Tensor(self.node(operator, *(self.aligned(tensor, axes) for tensor in tensors)), axes)

    def spread(self, tensor: Tensor, axes: Sequence[Idx]) -> Tensor:
        """The tensor repeated along all of these axes."""
        if {*tensor.axes} == {*axes}:
            return Tensor(self.aligned(tensor, axes), tuple(axes))
        shape = self.shape([extent(index) for index in axes])
        return Tensor(self.node("Expand", self.aligned(tensor, axes), shape), tuple(axes))

    # --- lengths and places ---------------------------------------------------------------------------------------

    def shape(self, extents: Sequence[Extent]) -> str:
        """A list of lengths."""
        if all(isinstance(n, int) for n in extents):
            return self.integers(list(extents))
        return self.node("Concat", *(self.node("Reshape", self.size(n), self.integers([1])) for n in extents), axis=0)

    def size(self, n: Extent) -> str:
        """A length as an int64 number."""
        if isinstance(n, int):
            return self.integers(n)
        constant, terms = parts(n)
        found = None
        for symbol, factor in terms:
            term = self.lengths[symbol]
            term = term if factor == 1 else self.node("Mul", term, self.integers(factor))
            found = term if found is None else self.node("Add", found, term)
        assert found is not None
        return found if constant == 0 else self.node("Add", found, self.integers(constant))

    def range(self, index: Idx) -> Tensor:
        """The values of an index, int64."""
        n = extent(index)
        if isinstance(n, int):
            return Tensor(self.integers(np.arange(n)), (index,))
        return Tensor(self.node("Range", self.integers(0), self.size(n), self.integers(1)), (index,))

    def places(self, form: Affine) -> Tensor:
        """The values of a sum of indices and lengths, int64."""
        axes = self.sorted(form.indices)
        if form.constant.is_Integer and all(isinstance(extent(index), int) for index in axes):
            total = np.full((1,) * len(axes), int(form.constant))
            for index, factor in form.coefficients:
                shape = [int(extent(index)) if other == index else 1 for other in axes]
                total = total + factor * np.arange(int(extent(index))).reshape(shape)
            return Tensor(self.integers(total.reshape([int(extent(index)) for index in axes])), axes)
        found = Tensor(self.size(as_extent(form.constant) if not form.constant.is_Integer else int(form.constant)))
        for index, factor in form.coefficients:
            term = self.range(index)
            if factor != 1:
                term = self.combined("Mul", term, Tensor(self.integers(factor)))
            found = self.combined("Add", found, term)
        return found

    def held(self, places: Tensor, n: Extent) -> Tensor:
        """Places on an axis of this length: those beside it, which nobody reads, are its ends."""
        high = self.combined("Min", places, Tensor(self.size(as_extent(n - 1))))
        return self.combined("Max", high, Tensor(self.integers(0)))

    def as_real(self, tensor: Tensor) -> Tensor:
        """Integers or booleans as real numbers."""
        to = helper.np_dtype_to_tensor_dtype(self.real)
        return Tensor(self.node("Cast", tensor.name, to=to), tensor.axes)

    def model(
        self, name: str, inputs: Sequence[Any], outputs: Sequence[Any], opset: int, notes: Mapping[str, str]
    ) -> Any:
        """The whole file."""
        bodies = [attribute.g.node for node in self.nodes for attribute in node.attribute if node.op_type == "Scan"]
        used = {given for nodes in (self.nodes, *bodies) for node in nodes for given in node.input}
        held = [onnx.numpy_helper.from_array(v, n) for n, v in self.initialisers.items() if n in used]
        graph = helper.make_graph(self.nodes, name, list(inputs), list(outputs), held)
        versions = [helper.make_opsetid("", opset)]
        made = helper.make_model(graph, opset_imports=versions, producer_name="symnn")
        made.ir_version = helper.find_min_ir_version_for(versions)
        helper.set_model_props(made, dict(notes))
        return made


class Body(Emitter):
    """The nodes of one step of a Scan; what is the same at each step is computed once, before the first."""

    def __init__(self, outer: Emitter, place: Symbol) -> None:
        self.outer, self.real, self.initialisers = outer, outer.real, outer.initialisers
        self.nodes: list[Any] = []
        self._taken, self._made, self._order = outer._taken, {}, {}
        self.inputs: list[str] = []
        """The values of steps before, and at last the place."""
        self.outputs: list[str] = []
        self._own: set[str] = set()
        self.place = self.name()
        self._own.add(self.place)
        self.lengths = {**outer.lengths, place: self.place}

    def given(self) -> str:
        """A value of a step before."""
        self.inputs.append(self.name())
        self._own.add(self.inputs[-1])
        return self.inputs[-1]

    def gives(self, name: str) -> None:
        """A value for the next step, or one that is collected."""
        self.outputs.append(self.node("Identity", name, result=self.name()))

    def node(self, operator: str, *inputs: str, result: str | None = None, **attributes: Any) -> str:
        """A node of the step, or one before all steps."""
        if result is None and self._own.isdisjoint(inputs):
            return self.outer.node(operator, *inputs, **attributes)
        found = super().node(operator, *inputs, result=result, **attributes)
        self._own.add(found)
        return found

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Numbers that the file holds."""
        return self.outer.constant(values, dtype)

    def scan(self, first: Sequence[str], places: str) -> list[str]:
        """The step at each of these places, from first values on; what it collects, place by place."""
        real = helper.np_dtype_to_tensor_dtype(self.real)
        inputs = [helper.make_tensor_value_info(name, real, None) for name in self.inputs]
        inputs.append(helper.make_tensor_value_info(self.place, onnx.TensorProto.INT64, None))
        outputs = [helper.make_tensor_value_info(name, real, None) for name in self.outputs]
        body = helper.make_graph(self.nodes, "step", inputs, outputs)
        results = [self.name() for _ in outputs]
        self.outer.nodes.append(helper.make_node("Scan", [*first, places], results, body=body, num_scan_inputs=1))
        return results[len(first) :]
