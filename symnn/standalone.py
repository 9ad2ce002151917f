"""A trained or untrained network as one Python file that needs only NumPy and Numba."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from codegen import Graph, Variable, optimise
from codegen.dtypes import Dtype, dtype_name
from codegen.emit.externals import uses_special
from codegen.emit.layout import layout
from codegen.emit.numba import PREAMBLE, describe, functions
from codegen.emit.random_numbers import python
from codegen.numeric.evaluate import evaluate
from codegen.passes.stabilise import stabilise
from codegen.schedule import ScheduleName, schedule
from symnn.checkpoint import Checkpoint
from symnn.errors import SpecError
from symnn.export import prediction_request
from symnn.network import Network

SELF_TEST = '''

def self_test(samples=5, seed=0{lengths}):
    """The largest |analytic - numerical|/max(1, |analytic|, |numerical|) of the gradient, by central differences."""
    generator = np.random.Generator(np.random.PCG64(seed))
    theta = generator.normal(0.0, 0.5, PARAMETERS).astype(DTYPE)
{inputs}
    y = {target}
    loss, gradient = value_and_grad(theta, {x}, y{seed})
    assert np.isfinite(loss) and np.isfinite(gradient).all() and np.isfinite(forward(theta, {x})).all()
    worst = 0.0
    entries = generator.permutation(PARAMETERS)[:200]
    for entry in entries:
        step = np.finfo(DTYPE).eps ** (1 / 3) * max(1.0, abs(theta[entry]))
        above, below = theta.copy(), theta.copy()
        above[entry] += step
        below[entry] -= step
        difference = value_and_grad(above, {x}, y{seed})[0] - value_and_grad(below, {x}, y{seed})[0]
        difference /= above[entry] - below[entry]
        scale = max(1.0, abs(difference), abs(gradient[entry]))
        worst = max(worst, abs(difference - gradient[entry]) / scale)
    return worst, len(entries)


if __name__ == "__main__":
    worst, count = self_test()
    print(f"self-test: {{count}} entries of the gradient against central differences, largest deviation {{worst:.1e}}")
    if not worst < {tolerance}:
        raise SystemExit("self-test: the gradient is wrong")
'''

PREDICTION = '''

def predict({x}):
    """The outputs for raw inputs, in the units of the targets."""
    return predict_kernel(THETA, {read}, *SCALING.values())


def _read(name, given, dtype, shape):
    array = np.asarray(given)
    if array.ndim != 1 + len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape[1:])):
        expected = ", ".join(["samples", *("any" if n is None else str(n) for n in shape)])
        raise ValueError(f"{{name}}: found shape {{array.shape}}, expected ({{expected}})")
    read = np.ascontiguousarray(array, dtype)
    if dtype is np.int64 and not np.array_equal(read, array):
        raise ValueError(f"{{name}}: found numbers that are not whole, expected integers")
    return read


EXAMPLE = {example}
EXPECTED = {expected}


def self_test():
    """The largest |predicted - expected|/max(1, |expected|) for the rows of EXAMPLE, 0 where both are nan."""
    found = predict(*EXAMPLE)
    same = (found == EXPECTED) | (np.isnan(found) & np.isnan(EXPECTED))
    with np.errstate(invalid="ignore"):
        return np.max(np.where(same, 0.0, np.abs(found - EXPECTED)/np.maximum(1.0, np.abs(EXPECTED))))


if __name__ == "__main__":
    worst = self_test()
    print(f"self-test: {{len(EXPECTED)}} predictions, largest deviation {{worst:.1e}}")
    if not worst < {tolerance}:
        raise SystemExit("self-test: the predictions are wrong")
'''

TOLERANCES = {"float64": 1e-6, "float32": 5e-2}
"""Central differences are good to eps^(2/3) times the third derivative: 4e-11 and 2e-5 where that is 1."""
PREDICTED = {"float64": 1e-10, "float32": 1e-3}
"""What sums in another order differ by, and tanh of another library, is far below."""


def standalone(network: Network, dtype: DTypeLike = "float64", chosen: ScheduleName = "loops") -> str:
    """The source of a module with ``forward(theta, x)``, ``value_and_grad(theta, x, y)`` and a self-test.

    Several inputs stand in the place of x.

    The default schedule calls no BLAS, which Numba would take from SciPy. Raises :class:`SpecError` for a network with
    special functions, which come from there too.
    """
    given = _inputs(network)
    inputs = "\n".join(f"    {name} = {_drawn(v, f'normal(size={_shape(v)})')}" for name, v in given.items())
    y, x = network.target, ", ".join(given)
    target = _drawn(y, f"uniform(0.0, 1.0, {_shape(y)})")
    seed = ", 0, 0" if network.draws else ""
    if network.steps != "all":
        raise SpecError(
            f"steps: found {network.steps!r}, expected a loss of all steps, or another target of the compiler"
        )
    features = network.features
    parameters = {p.name: (p.where.start, p.where.stop, p.shape) for p in network.layout.values()}
    real = dtype_name(dtype)
    parts = [_part(network, network.forward_graph, real, chosen, "forward_")]
    parts.append(_part(network, network.gradient_graph, real, chosen, "gradient_"))
    return "\n".join(
        [
            '"""A network compiled from its equations; it needs numpy and numba and nothing else.',
            "",
            f"forward(theta, {x}) -> output; value_and_grad(theta, {x}, y) -> (loss, gradient).",
            "Both are jitted functions that jitted code can call. theta is laid out as PARAMETER_LAYOUT says:",
            "name -> (start, stop, shape).",
            "",
            *(header for header, _ in parts),
            '"""',
            "",
            PREAMBLE + (python(real) if network.draws else ""),
            f"DTYPE = np.{real}",
            f"INPUTS, OUTPUTS, PARAMETERS = {features}, {network.outputs}, {network.parameter_count}",
            f"PARAMETER_LAYOUT = {parameters!r}",
            "",
            *(text for _, text in parts),
            "",
            "forward = forward_kernel",
            "value_and_grad = gradient_kernel",
        ]
    ) + SELF_TEST.format(
        target=target,
        inputs=inputs,
        x=x,
        seed=seed,
        tolerance=TOLERANCES[real],
        lengths=", T=6" * network.takes_sequences,
    )


def standalone_prediction(trained: Checkpoint, dtype: DTypeLike | None = None) -> str:
    """The source of a module with ``predict(x)`` and a self-test, the weights and scaling of a trained network in it.

    x and outputs: raw, as :meth:`Checkpoint.predict` takes and gives them, but in arrays; several inputs stand in the
    place of x. ``THETA``, ``SCALING``, ``CLASSES``, ``FEATURES`` and ``TARGETS`` are data of the module. Unless it is
    given, the dtype is that of the weights.

    Raises :class:`SpecError` for a network with special functions and :class:`DataError` for a graph without layers.

    >>> from symnn.network import dense
    >>> line = Checkpoint(Network(1, (dense(1),), "mean_squared_error"), np.array([2.0, 1.0]))
    >>> print(*[text for text in standalone_prediction(line).splitlines() if text.startswith("THETA")])
    THETA = np.array([2.0, 1.0], np.float64)
    """
    request, network = prediction_request(trained, "predict", dtype), trained.layered
    real, constants, (output,) = request.real, request.constants or {}, request.graph.outputs
    example = {name: np.asarray(values) for name, values in (request.example or {}).items()}
    scaling = {name: np.asarray(values) for name, values in constants.items() if name not in network.layout}
    given = _inputs(network)
    expected = evaluate(stabilise(request.graph), {**constants, **example}, real)[output]
    header, kernel = _part(network, request.graph, real, "loops", "predict_")
    features = () if trained.features is None else tuple(trained.features.inputs)
    x = ", ".join(given)
    data: Mapping[str, object] = {
        "CLASSES": trained.classes or (),
        "FEATURES": features,
        "TARGETS": trained.target_names,
    }
    return "\n".join(
        [
            '"""A trained network; it needs numpy and numba and nothing else.',
            "",
            f"predict({x}) -> outputs: inputs as they are, outputs in the units of the targets; of a classifier the",
            "scores of CLASSES. FEATURES and TARGETS are the names of columns, where they are known.",
            "predict_kernel(THETA, " + x + ", *SCALING.values()) is the same for jitted code.",
            "",
            header,
            '"""',
            "",
            PREAMBLE,
            "from numpy import inf, nan",
            "",
            f"THETA = {_array(trained.theta, real)}",
            f"SCALING = {_arrays(scaling, real)}",
            *(f"{name} = {names!r}" for name, names in data.items()),
            "",
            kernel,
        ]
    ) + PREDICTION.format(
        x=x,
        read=", ".join(f"_read({name!r}, {name}, {_dtype(v, real)}, {_known(v)})" for name, v in given.items()),
        example="(" + "".join(f"{_array(example[v.name], _real(v, real))}, " for v in given.values()) + ")",
        expected=_array(expected, real),
        tolerance=PREDICTED[real],
    )


def _inputs(network: Network) -> Mapping[str, Variable]:
    """What predictions are made of, by the names of parameters."""
    variables = network.input_variables
    names: Sequence[str] = ["x"] if len(variables) == 1 else [f"x{number}" for number in range(1, len(variables) + 1)]
    return dict(zip(names, variables))


def _known(variable: Variable) -> str:
    """The lengths of the axes behind the first, None for those that a call decides."""
    return repr(tuple(n if isinstance(n, int) else None for n in variable.shape[1:]))


def _real(variable: Variable, real: str) -> str:
    return "int64" if variable.kind == "integer" else real


def _dtype(variable: Variable, real: str) -> str:
    return f"np.{_real(variable, real)}"


def _array(values: np.ndarray, dtype: str) -> str:
    """An array as code, to the last bit."""
    return f"np.array({np.asarray(values, dtype).tolist()!r}, np.{dtype})"


def _arrays(named: Mapping[str, np.ndarray], dtype: str) -> str:
    return "{" + ", ".join(f"{name!r}: {_array(values, dtype)}" for name, values in named.items()) + "}"


def _drawn(variable: Variable, real: str) -> str:
    """The code that draws random values of a variable, by the method ``real`` of the generator unless of integers."""
    if variable.kind == "integer":
        return f"generator.integers(0, {variable.below}, {_shape(variable)})"
    return f"generator.{real}.astype(DTYPE)"


def _shape(variable: Variable) -> str:
    return f"({', '.join(['samples', *map(str, variable.shape[1:])])})"


def _part(network: Network, graph: Graph, dtype: Dtype, chosen: ScheduleName, prefix: str) -> tuple[str, str]:
    pack = {"theta": list(network.layout)}
    if len(graph.outputs) > 1:
        pack["gradient"] = list(graph.outputs[1:])
    optimised, _ = optimise(graph)
    if uses_special(optimised):
        raise SpecError("the network has special functions, which a file that needs only NumPy and Numba cannot have")
    program, convention = schedule(optimised, chosen, dtype=dtype), layout(optimised, pack)
    return describe(program, convention, dtype), functions(program, convention, dtype, prefix)
