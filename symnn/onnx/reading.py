"""From a model of ONNX to a graph: its nodes one after the other, by the table of operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from codegen import CodegenError, CompiledFunction, Graph, Variable, compile, sample_extent
from codegen.cached import cached_property
from codegen.walk import Extent
from symnn.arrays import read_array
from symnn.onnx import files
from symnn.onnx.arrays import Kind, Known, Value, plain_values
from symnn.onnx.operators import OPERATORS
from symnn.onnx.operators.row import LARGEST_FOLD, Node
from symnn.onnx.writing import OnnxError, RefusedError, Writer
from symnn.suggest import quote, unknown


@dataclass(frozen=True, eq=False)
class Imported:
    """A model that was read: a graph whose inputs are its weights and then what it is called with.

    ``symnn.Model.from_graph(found.graph, found.parameters, found.inputs)`` trains it further, where it has a loss.
    """

    graph: Graph
    parameters: Mapping[str, np.ndarray]
    """The arrays that the file holds, by the names that it has for them, in the order of the graph's inputs."""
    inputs: tuple[str, ...]
    """What it is called with."""
    _compiled: dict[str, CompiledFunction] = field(default_factory=dict, repr=False)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it gives."""
        return self.graph.outputs

    def compile(self, dtype: Any = None) -> CompiledFunction:
        """The function of the weights and the inputs; float32 where all weights are, unless it is said."""
        wanted = self.dtype if dtype is None else np.dtype(dtype).name
        if wanted not in self._compiled:
            self._compiled[wanted] = compile(self.graph, dtype=wanted)
        return self._compiled[wanted]

    @cached_property
    def dtype(self) -> str:
        """That of the weights."""
        kinds = {array.dtype for array in self.parameters.values() if array.dtype.kind == "f"}
        return "float32" if kinds == {np.dtype(np.float32)} else "float64"

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """The outputs for arrays in the order of :attr:`inputs`, or by name; a single one by itself."""
        given = dict(zip(self.inputs, arrays), **named)
        if len(arrays) + len(named) != len(self.inputs) or {*given} != {*self.inputs}:
            raise OnnxError(f"found {len(arrays) + len(named)} inputs, expected {', '.join(self.inputs)}")
        weights = [
            values if values.dtype.kind in "iu" else values.astype(self.dtype) for values in self.parameters.values()
        ]
        return self.compile()(*weights, *(given[name] for name in self.inputs))


def read(
    model: Any,
    folder: Path | None = None,
    lengths: Mapping[str, int] | None = None,
    constants: Mapping[str, Any] | None = None,
) -> Imported:
    """The graph of a parsed model; see :func:`symnn.onnx.load`."""
    return _Reader(model, folder, dict(lengths or {}), dict(constants or {})).imported()


class _Reader:
    def __init__(self, model: Any, folder: Path | None, lengths: dict[str, int], constants: dict[str, Any]) -> None:
        self.model, self.folder, self.lengths, self.constants = model, folder, lengths, constants
        self.opset = self._version()
        graph = model.graph
        given = {files.name_of(value.name) for value in (*graph.input, *graph.output)}
        held = {files.name_of(tensor.name) for tensor in graph.initializer}
        if len({value.name for value in graph.output}) != len(graph.output):
            raise OnnxError("found two outputs of one name")
        self.writer = Writer(given | held, held - given)
        self.values: dict[str, Value] = {}
        self.variables: list[Variable] = []
        self.uses = Counter(name for node in files.nodes_of(graph) for name in node.input)
        self.uses.update(value.name for value in graph.output)

    def _version(self) -> int:
        versions = {entry.domain: int(entry.version) for entry in self.model.opset_import}
        if self.model.functions:
            raise OnnxError("found functions of its own, expected them written out (onnx.inliner does that)")
        return versions.get("", versions.get("ai.onnx", 1))

    def imported(self) -> Imported:
        graph = self.model.graph
        for tensor in graph.initializer:
            name = files.name_of(tensor.name)
            self.values[name] = files.numbers(tensor, f"initialiser {quote(name)}", self.folder)
        for value in graph.input:
            if value.name not in self.values:
                self._declare(value)
        for number, node in enumerate(graph.node):
            self._read(node, number)
        found = {}
        for value in graph.output:
            if value.name not in self.values:
                raise OnnxError(f"output {quote(value.name)}: no node computes it")
            found[value.name] = self.values[value.name]
        # An output that is an input, or a weight, is an equation under another name.
        named = {name if name not in self._taken() else self.writer.name(name): value for name, value in found.items()}
        try:
            self.writer.outputs(named)
        except RefusedError as error:
            raise OnnxError(f"outputs {', '.join(named)}: {error}") from None
        return self._graph([*named])

    def _taken(self) -> set[str]:
        return {variable.name for variable in self.variables} | {*self.writer.constants}

    def _graph(self, outputs: Sequence[str]) -> Imported:
        limits = self.writer.limits
        constants = self.writer.constants
        kinds: dict[Kind, Any] = {"real": "real", "boolean": "real", "integer": "integer"}
        weights = [
            Variable(name, known.shape, kinds[known.kind], limits.get(name)) for name, known in constants.items()
        ]
        given = [Variable(v.name, v.shape, v.kind, limits.get(v.name)) for v in self.variables]
        try:
            graph = Graph((*weights, *given), tuple(self.writer.equations), tuple(outputs))
        except CodegenError as error:
            raise OnnxError(f"the graph that was read: {error}") from None
        arrays = {
            name: known.values.astype(np.int64 if known.kind == "integer" else np.float32)
            if known.kind != "real"
            else known.values
            for name, known in constants.items()
        }
        return Imported(graph, arrays, tuple(v.name for v in given))

    def _declare(self, value: Any) -> None:
        name = files.name_of(value.name)
        what = f"input {quote(name)}"
        if value.type.WhichOneof("value") != "tensor_type" or not value.type.tensor_type.HasField("shape"):
            raise OnnxError(f"{what}: found no array with a number of axes")
        kind = files.kind_of(value.type.tensor_type.elem_type, what)
        if name in self.constants:
            dtypes = {"real": np.float64, "integer": np.int64, "boolean": np.bool_}
            given = read_array(f"constants: {name}", self.constants[name], OnnxError)
            self.values[name] = Known(given.astype(dtypes[kind]), kind, name)
            return
        dims = value.type.tensor_type.shape.dim
        if len(dims) > files.AXES:
            raise OnnxError(f"{what}: found {len(dims)} axes, expected at most {files.AXES}")
        extents = tuple(self._extent(dim, f"{what}: axis {axis}", name, axis) for axis, dim in enumerate(dims))
        variable = Variable(name, extents, "integer" if kind == "integer" else "real")
        self.variables.append(variable)
        self.values[name] = self.writer.read(variable, kind)

    def _extent(self, dim: Any, what: str, name: str, axis: int) -> Extent:
        which = dim.WhichOneof("value")
        if which == "dim_value":
            if dim.dim_value < 1 or dim.dim_value >= 2**40:
                raise OnnxError(f"{what}: found length {dim.dim_value}, expected a positive one")
            return int(dim.dim_value)
        named = files.name_of(dim.dim_param) if which == "dim_param" and dim.dim_param else f"{name}_{axis}"
        return self.lengths[named] if named in self.lengths else sample_extent(named)

    def _read(self, node: Any, number: int) -> None:
        for text in (node.op_type, node.domain, *node.input, *node.output, *(a.name for a in node.attribute)):
            files.name_of(text)
        label = quote(node.name) if node.name else f"number {number}"
        what = f"node {label} ({quote(node.op_type)[1:-1]})"
        if node.domain not in ("", "ai.onnx"):
            raise OnnxError(f"{what}: found the domain {quote(node.domain)}, expected an operator of ONNX itself")
        given = {
            key: partial(self._inside, value) if isinstance(value, files.onnx.GraphProto) else value
            for key, value in files.attributes(node, what).items()
        }
        if node.op_type == "Constant":
            self._assign(node, [self._constant(given, what, node.output[0])], what)
            return
        if node.op_type not in OPERATORS:
            raise OnnxError(f"{what}: {unknown('operator', node.op_type, OPERATORS)}")
        row = OPERATORS[node.op_type]
        if foreign := [name for name in given if name not in row.attributes]:
            raise OnnxError(f"{what}: {unknown('attribute', foreign[0], row.attributes)}")
        inputs: list[Value | None] = []
        for name in node.input:
            if name and name not in self.values:
                raise OnnxError(f"{what}: found the input {quote(name)}, which nothing before it computes")
            inputs.append(self.values[name] if name else None)
        read = sum(1 for place, name in enumerate(node.output) if name and (place == 0 or self.uses[name]))
        here = Node(node.op_type, self.opset, {**row.attributes, **given}, read, self.writer)
        self.writer.stem = node.output[0]
        try:
            folded = _folded(here, row.fold, inputs) if row.fold is not None else None
            if folded is None:
                made = row.write(here, *inputs)
                self._assign(node, list(made) if isinstance(made, Sequence) else [made], what)
            else:
                self._assign(node, [folded], what)
        except (OnnxError, RefusedError, CodegenError) as error:
            raise OnnxError(f"{what}: {error}") from None
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
            raise OnnxError(f"{what}: found inputs or attributes that it does not take ({error})") from error

    def _inside(self, graph: Any, given: Sequence[Value]) -> list[Value]:
        """The outputs of a graph inside a node, which sees what is around it, for values of its inputs."""
        around = self.values
        names = [files.name_of(value.name) for value in graph.input]
        if len(names) != len(given) or not {*names}.isdisjoint(around):
            raise RefusedError(f"found a graph with {len(names)} inputs, expected {len(given)} with names of their own")
        self.values = {**around, **dict(zip(names, given))}
        self.uses.update(value.name for value in graph.output)
        for tensor in graph.initializer:
            name = files.name_of(tensor.name)
            self.values[name] = files.numbers(tensor, f"initialiser {quote(name)}", self.folder)
        for number, node in enumerate(graph.node):
            self._read(node, number)
        if missing := [value.name for value in graph.output if value.name not in self.values]:
            raise RefusedError(f"found the output {quote(missing[0])}, which no node computes")
        found = [self.values[value.name] for value in graph.output]
        self.values = around
        return found

    def _assign(self, node: Any, results: Sequence[Value | None], what: str) -> None:
        for name, value in zip(node.output, results):
            if name and value is not None:
                if name in self.values:
                    raise OnnxError(f"{what}: found the output {quote(name)} twice")
                self.values[name] = self.writer.shared(value, self.uses[name])
        if missing := [name for name in node.output[len(results) :] if name and self.uses[name]]:
            raise OnnxError(f"{what}: found the output {quote(missing[0])} that is read, which has no formula")

    def _constant(self, given: Mapping[str, Any], what: str, name: str) -> Known:
        forms: dict[str, tuple[Any, Kind]] = {
            "value_float": (np.float32, "real"),
            "value_floats": (np.float32, "real"),
            "value_int": (np.int64, "integer"),
            "value_ints": (np.int64, "integer"),
        }
        if isinstance(found := given.get("value"), Known):
            return Known(found.values, found.kind, files.name_of(name))
        for key, (dtype, kind) in forms.items():
            if key in given:
                return Known(np.array(given[key], dtype), kind, files.name_of(name))
        raise OnnxError(f"{what}: found no value of numbers")


def _folded(node: Node, fold: Any, inputs: Sequence[Value | None]) -> Known | None:
    """What numbers of the file give, where they are integers, lengths or booleans; None where they are data."""
    known = [value for value in inputs if isinstance(value, Known)]
    if not known or len(known) < sum(value is not None for value in inputs):
        return None
    if any(value.kind == "real" for value in known):
        return None
    if sum(value.values.size for value in known) > LARGEST_FOLD:
        raise RefusedError(f"found more than {LARGEST_FOLD:,} numbers to compute shapes from")
    if node.operator == "Expand" and not _is_small(known[1]):
        return None
    arrays = [value.values if isinstance(value, Known) else None for value in inputs]
    try:
        folded = fold(node, *arrays)
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise RefusedError(str(error)) from None
    if folded is None:
        return None
    found = np.asarray(folded)
    if found.dtype == np.bool_:
        return Known(found, "boolean", node.operator)
    if found.dtype == object:
        plain = [int(v) if isinstance(v, int) or getattr(v, "is_Integer", False) else v for v in found.ravel().tolist()]
        if all(isinstance(v, int) for v in plain):
            found = np.array(plain, np.int64).reshape(found.shape)
    return Known(found, "integer", node.operator)


def _is_small(shape: Known) -> bool:
    lengths = plain_values(shape)
    return all(isinstance(n, int) for n in lengths) and prod(lengths) <= LARGEST_FOLD


__all__ = ["Imported", "read"]
