"""Compiled graphs as functions of PyTorch, and dense networks from there and back.

``function(graph)`` is differentiated by PyTorch, of any order, by graphs of its own; ``from_module`` and
``load_state_dict`` take over what a ``torch.nn.Sequential`` has learnt, ``to_state_dict`` gives it back.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from codegen import Graph
from codegen.walk import is_symbolic
from symnn import state_dicts
from symnn.checkpoint import Checkpoint
from symnn.choices import Choice, LossLike
from symnn.derivatives import Differentiable, check_count
from symnn.errors import SpecError, SymnnError
from symnn.extras import extra
from symnn.layers.activation import Activation
from symnn.network import Layer, Network, dense

if TYPE_CHECKING:
    from symnn.onnx.reading import Imported

torch = extra("torch", "torch", "PyTorch")


# --- functions ------------------------------------------------------------------------------------------------------


def function(graph: Graph) -> Callable[..., Any]:
    """The graph as a function of tensors on the CPU: its inputs in their order, its outputs, a single one by itself.

    Its derivatives, also of derivatives, are graphs of their own, derived and compiled like all others: for
    ``backward``, ``torch.autograd.grad`` with ``create_graph``, and ``torch.func``'s grad, jvp, vjp and vmap, which
    goes through the entries one after the other in Python. Contiguous tensors of the right type are used where they
    are. Real tensors are float64 or float32, all alike; numbers may be given as numbers.

    Raises :class:`SymnnError` for tensors of the wrong number or type, and what a call of the compiled function raises.

    >>> import codegen
    >>> from sympy import symbols
    >>> x, a = symbols("x a")
    >>> f = function(codegen.from_expressions({"f": a * x**3}, [x, a]))
    >>> x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    >>> (slope,) = torch.autograd.grad(f(x, 5.0), x, create_graph=True)
    >>> slope.item(), torch.autograd.grad(slope, x)[0].item()  # 3·a·x², 6·a·x
    (60.0, 60.0)
    """
    by_dtype = {torch.float64: Differentiable(graph, "float64"), torch.float32: Differentiable(graph, "float32")}
    operators = {dtype: _Traced(function).operator for dtype, function in by_dtype.items()}
    integers = tuple(variable.kind == "integer" for variable in graph.inputs)

    def called(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return _traced(operators, integers, arguments)
        check_count(graph, arguments)
        floating = {t.dtype for t in arguments if isinstance(t, torch.Tensor) and t.is_floating_point()}
        if len(floating) > 1 or not floating <= by_dtype.keys():
            raise SymnnError(
                f"found tensors of {', '.join(map(str, floating))}, expected float64 or float32, all alike"
            )
        dtype = next(iter(floating), torch.float64)
        tensors = []
        for variable, given in zip(graph.inputs, arguments):
            wanted = torch.int64 if variable.kind == "integer" else dtype
            tensor = given if isinstance(given, torch.Tensor) else torch.as_tensor(given, dtype=wanted)
            if tensor.device.type != "cpu":
                raise SymnnError(f"{variable.name}: found a tensor on {tensor.device}, expected one on the CPU")
            if variable.kind == "integer" and tensor.is_floating_point():
                raise SymnnError(f"{variable.name}: found a tensor of {tensor.dtype}, expected integers")
            tensors.append(tensor.to(wanted))
        return _plain(_Call.apply(_Direct(by_dtype[dtype]), *tensors))

    return called


@dataclass(frozen=True)
class _Direct:
    """A function, called where it is."""

    function: Differentiable

    @property
    def graph(self) -> Graph:
        return self.function.graph

    def pullback(self, of: str, wrt: Sequence[str]) -> Self:
        return replace(self, function=self.function.pullback(of, wrt))

    def pushforward(self, of: str, wrt: Sequence[str]) -> Self:
        return replace(self, function=self.function.pushforward(of, wrt))

    def run(self, *tensors: Any) -> tuple[Any, ...]:
        """Its outputs, without derivatives."""
        return _undisturbed()(self.function, tensors)


def _run(function: Differentiable, tensors: Sequence[Any]) -> tuple[Any, ...]:
    found = function.compiled(*(_array(t) for t in tensors))
    values = found if isinstance(found, tuple) else (found,)
    # What is copied here is what a call must not give back as it is: an argument.
    return tuple(torch.as_tensor(value, dtype=_TYPES[function.dtype]) for value in values)


def _undisturbed() -> Callable[[Differentiable, Sequence[Any]], tuple[Any, ...]]:
    """``_run``, of which torch.compile keeps its hands off where it could look into it, after a graph break."""
    global _kept_apart
    if _kept_apart is None and "torch._dynamo" in sys.modules:  # whose import takes a second
        _kept_apart = torch.compiler.disable(_run)
    return _kept_apart or _run


_kept_apart: Callable[..., tuple[Any, ...]] | None = None


class _Traced(_Direct):
    """A function as an operator of PyTorch, which torch.compile does not look into."""

    @property
    def operator(self) -> Any:
        """It, always the same: PyTorch keeps it for good."""
        if self.function not in _operators:
            _operators[self.function] = self._made(f"call_{len(_operators)}")
        return _operators[self.function]

    def _made(self, name: str) -> Any:
        takes = ", ".join(f"Tensor t{number}" for number in range(len(self.graph.inputs)))
        gives = ", ".join(["Tensor"] * len(self.graph.outputs))
        _library.define(f"{name}({takes}) -> ({gives})")
        _library.impl(name, lambda *tensors: _plain(_Direct.run(self, *tensors)), "CPU")
        # Not register_autograd, which has no forward mode: its tangents would be 0 without a word.
        _library.impl(name, lambda *tensors: _plain(_Call.apply(self, *tensors)), "Autograd")
        torch.library.register_fake(f"symnn::{name}", self._shaped, lib=_library)
        return getattr(torch.ops.symnn, name).default

    def _shaped(self, *tensors: Any) -> Any:
        """Outputs of the right shapes, for tracing."""
        extents: dict[Any, Any] = {}
        for variable, tensor in zip(self.graph.inputs, tensors):
            extents |= {n: m for n, m in zip(variable.shape, tensor.shape) if is_symbolic(n)}
        shapes = ([extents.get(n, n) for n in variable.shape] for variable in self.function.outputs)
        return _plain(tuple(torch.empty(shape, dtype=_TYPES[self.function.dtype]) for shape in shapes))

    def run(self, *tensors: Any) -> tuple[Any, ...]:
        with torch._C._AutoDispatchBelowAutograd():
            found = self.operator(*tensors)
        return found if isinstance(found, tuple) else (found,)


_library = torch.library.Library("symnn", "FRAGMENT")
_operators: dict[Differentiable, Any] = {}


def _plain(found: tuple[Any, ...]) -> Any:
    return found if len(found) > 1 else found[0]


class _Call(torch.autograd.Function):  # type: ignore[misc,name-defined]
    """``apply(function, *tensors)``: its derivatives are calls again, so that they have derivatives too."""

    @staticmethod
    def forward(function: _Direct, *tensors: Any) -> tuple[Any, ...]:
        return function.run(*tensors)

    @staticmethod
    def setup_context(context: Any, inputs: tuple[Any, ...], output: Any) -> None:
        context.function = inputs[0]
        context.save_for_backward(*inputs[1:])
        context.save_for_forward(*inputs[1:])
        context.set_materialize_grads(False)

    @staticmethod
    def backward(context: Any, *cotangents: Any) -> tuple[Any, ...]:
        function, tensors = context.function, context.saved_tensors
        wanted = [v.name for v, needed in zip(function.graph.inputs, context.needs_input_grad[1:]) if needed]
        sums: dict[str, Any] = {}
        for of, cotangent in zip(function.graph.outputs, cotangents):
            if cotangent is not None and wanted:
                found = _Call.apply(function.pullback(of, wanted), *tensors, cotangent)
                for name, part in zip(wanted, found):
                    sums[name] = sums[name] + part if name in sums else part
        return None, *(sums.get(v.name) for v in function.graph.inputs)

    @staticmethod
    def jvp(context: Any, _: None, *tangents: Any) -> tuple[Any, ...]:
        function, tensors = context.function, context.saved_tensors
        moving = {v.name: t for v, t in zip(function.graph.inputs, tangents) if t is not None and v.kind == "real"}
        return tuple(
            _Call.apply(function.pushforward(of, list(moving)), *tensors, *moving.values())[0]
            for of in function.graph.outputs
        )

    @staticmethod
    def vmap(info: Any, axes: tuple[Any, ...], function: _Direct, *tensors: Any) -> tuple[Any, ...]:
        entries = [
            [t if axis is None else t.select(axis, number) for t, axis in zip(tensors, axes[1:])]
            for number in range(info.batch_size)
        ]
        found = [_Call.apply(function, *entry) for entry in entries]
        return tuple(torch.stack(parts) for parts in zip(*found)), (0,) * len(function.graph.outputs)


def _traced(operators: Mapping[Any, Any], integers: tuple[bool, ...], arguments: tuple[Any, ...]) -> Any:
    """The call as torch.compile traces it: plain enough for that, the checks are those of the compiled function."""
    dtype = torch.float64
    for given in arguments:
        if isinstance(given, torch.Tensor) and given.is_floating_point():
            dtype = given.dtype
    if dtype not in operators:
        raise SymnnError(f"found tensors of {dtype}, expected float64 or float32, all alike")
    tensors = [
        torch.as_tensor(given, dtype=torch.int64 if integer else dtype) for given, integer in zip(arguments, integers)
    ]
    return operators[dtype](*tensors)


_TYPES: Mapping[str, Any] = {"float64": torch.float64, "float32": torch.float32}


def _array(tensor: Any) -> Any:
    """A tensor as the compiled function takes it: its own memory, or a number."""
    plain = tensor.detach()
    return plain.contiguous().numpy() if plain.ndim else plain.item()


# --- networks -------------------------------------------------------------------------------------------------------


def from_module(module: Any, loss: LossLike = "mean_squared_error") -> Checkpoint:
    """The network of a ``Sequential`` of dense layers and activations, with its parameters.

    Its outputs are those of the module in evaluation mode, up to rounding: a softplus of PyTorch is x above its
    threshold of 20, and ours is not. loss: what it shall be trained by from here on.

    Raises :class:`SpecError` naming the first layer that has no counterpart; :func:`graph_of` takes any module.

    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)).double()
    >>> trained = from_module(module)
    >>> x = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    >>> bool(abs(trained.predict(x.numpy()) - module(x).detach().numpy()).max() < 1e-15)
    True
    """
    found = [(name, part) for name, part in _leaves(module, "") if not _does_nothing(name, part)]
    layers: list[Layer] = []
    inputs = 0
    for name, part in found:
        if type(part) is torch.nn.Linear:
            inputs = inputs or part.in_features
            layers.append(dense(part.out_features, bias=part.bias is not None))
        else:
            layers.append(Activation(activation=_activation(name, part)))
    if not inputs:
        raise SpecError("module: found no Linear layer, expected at least one")
    network = Network(inputs, tuple(layers), loss)
    return Checkpoint(network, load_state_dict(network, module.state_dict()))


def graph_of(module: Any, *inputs: Any) -> Imported:
    """Any module as a graph, with its parameters: what ``torch.export`` sees, read by the operators of ONNX.

    inputs: tensors like those that it is called with. Their first axes are samples, as many as a call gives, unless
    they have only one. The names of parameters are those of the state_dict, but of weights that PyTorch's exporter
    folds, such as those of recurrent modules. Needs ``onnx`` and ``onnxscript``.

    Raises :class:`SpecError` for a module in training mode, which is another function, or inputs of
    different numbers of samples, and
    :class:`symnn.onnx.OnnxError` naming the operator for what there is no formula for.

    >>> module = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(6, 1)).eval()
    >>> found = graph_of(module, torch.zeros(2, 1, 5))  # doctest: +SKIP
    >>> found(np.zeros((4, 1, 5), np.float32)).shape  # doctest: +SKIP
    (4, 1)
    """
    extra("onnxscript", "onnx", "onnxscript")
    from symnn.onnx.files import parsed_bytes
    from symnn.onnx.reading import read

    _require_evaluation(module)
    samples = torch.export.Dim("S")
    shapes = tuple({0: samples} if isinstance(x, torch.Tensor) and x.ndim and x.shape[0] > 1 else None for x in inputs)
    _require_one_count(inputs, shapes)
    try:
        program = torch.onnx.export(module, inputs, dynamo=True, dynamic_shapes=shapes, verbose=False)
    except Exception as error:  # the exporter has many
        raise SpecError(f"module: PyTorch cannot export it: {' '.join(str(error).split())[:300]}") from error
    return read(parsed_bytes(program.model_proto.SerializeToString(), "module"))


def _require_one_count(inputs: Sequence[Any], shapes: Sequence[Any]) -> None:
    counts = {f"inputs[{k}]": len(x) for k, (x, axes) in enumerate(zip(inputs, shapes)) if axes}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} of {count}" for name, count in counts.items())
        raise SpecError(
            f"inputs: found {found}, expected as many samples in all first axes, or one where they are no samples"
        )


def _require_evaluation(module: Any) -> None:
    """Dropout and batch normalisation are other functions in training, and are exported in evaluation form anyway."""
    nn = torch.nn
    for name, part in module.named_modules():
        kinds = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.modules.dropout._DropoutNd)
        within = isinstance(part, (nn.RNNBase, nn.MultiheadAttention)) and part.dropout > 0
        if part.training and (isinstance(part, kinds) or within):
            raise SpecError(f"{name or 'module'}: found {type(part).__name__} in training mode, expected module.eval()")


def load_state_dict(network: Network, state: Mapping[str, Any], modules: Sequence[str] | None = None) -> np.ndarray:
    """The parameters of a state_dict as theta of the network: found by PyTorch's names, which have to fit by shape.

    The n-th module that has parameters is the n-th layer that has any, unless ``modules`` names them. For the two
    biases of recurrent modules, running averages and the type of theta see :func:`symnn.state_dicts.from_arrays`.

    Raises :class:`DataError` for a tensor that is lacking, left over or of another shape.

    >>> from symnn.layers.lstm import lstm
    >>> module = torch.nn.LSTM(2, 4)
    >>> network = Network({"time": 3, "features": 2}, (lstm(4),), "mean_squared_error")
    >>> theta = load_state_dict(network, module.state_dict())
    >>> bool((network.split(theta)["b1"] == (module.bias_ih_l0 + module.bias_hh_l0).detach().numpy()).all())
    True
    """
    return state_dicts.from_arrays(network, {name: _numbers(t) for name, t in state.items()}, modules)


def to_state_dict(network: Network, theta: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """The parameters as tensors of their own under these names, such as those of ``module.state_dict()``.

    Of the two biases of an LSTM or RNN the second is 0. Raises :class:`DataError` where the names are of other layers.
    """
    names = list(names)
    arrays = state_dicts.by_names(network, np.asarray(theta), names)
    return {name: torch.from_numpy(arrays[name]) if name in arrays else torch.tensor(0) for name in names}


def _numbers(tensor: Any) -> np.ndarray:
    """A tensor as an array; float16 and bfloat16, which NumPy does not have, as float32."""
    plain = tensor.detach().to("cpu")
    found: np.ndarray = (plain.float() if plain.is_floating_point() and plain.element_size() < 4 else plain).numpy()
    return found


def _leaves(module: Any, name: str) -> Iterator[tuple[str, Any]]:
    if type(module) is not torch.nn.Sequential:
        yield name or type(module).__name__, module
        return
    for key, part in module.named_children():
        yield from _leaves(part, f"{name}.{key}" if name else key)


def _does_nothing(name: str, part: Any) -> bool:
    """Layers that change nothing of rows, as they are in evaluation mode."""
    if type(part) is torch.nn.Dropout and part.training and part.p > 0:
        raise SpecError(f"{name}: found Dropout in training mode, expected module.eval() before")
    return type(part) in (torch.nn.Identity, torch.nn.Dropout, torch.nn.Flatten)


def _activation(name: str, part: Any) -> Choice:
    row = _ACTIVATIONS.get(type(part))
    chosen = None if row is None else row(part)
    if row is not None and chosen is None:
        raise SpecError(
            f"{name}: found {part}, expected the settings of {type(part).__name__}(); graph_of takes others"
        )
    if chosen is None:
        known = ", ".join(sorted(kind.__name__ for kind in (torch.nn.Linear, *_ACTIVATIONS)))
        raise SpecError(f"{name}: found {part}, expected one of {known}; graph_of takes other modules")
    return chosen


def _named(name: str, **parameters: float) -> Choice:
    return Choice(name=name, parameters=tuple((key, float(value)) for key, value in parameters.items()))


_ACTIVATIONS: Mapping[type, Callable[[Any], Choice | None]] = {
    torch.nn.Tanh: lambda part: _named("tanh"),
    torch.nn.Sigmoid: lambda part: _named("sigmoid"),
    torch.nn.ReLU: lambda part: _named("relu"),
    torch.nn.ReLU6: lambda part: _named("relu6"),
    torch.nn.LeakyReLU: lambda part: _named("leaky_relu", slope=part.negative_slope),
    torch.nn.ELU: lambda part: _named("elu", alpha=part.alpha),
    torch.nn.SiLU: lambda part: _named("silu"),
    torch.nn.GELU: lambda part: _named("gelu_tanh" if part.approximate == "tanh" else "gelu"),
    torch.nn.Softplus: lambda part: _named("softplus") if (part.beta, part.threshold) == (1, 20) else None,
    torch.nn.Hardtanh: lambda part: _named("hard_tanh") if (part.min_val, part.max_val) == (-1, 1) else None,
}
"""Ours for PyTorch's; None for parameters that ours do not have."""
