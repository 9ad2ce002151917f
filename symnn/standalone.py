"""A trained or untrained network as one Python file that needs only NumPy and Numba."""

from __future__ import annotations

from numpy.typing import DTypeLike

from codegen import Graph, Variable, optimise
from codegen.dtypes import Dtype, dtype_name
from codegen.emit.externals import uses_special
from codegen.emit.layout import layout
from codegen.emit.numba import PREAMBLE, describe, functions
from codegen.emit.random_numbers import python
from codegen.schedule import ScheduleName, schedule
from symnn.errors import SpecError
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

TOLERANCES = {"float64": 1e-6, "float32": 5e-2}
"""Central differences are good to eps^(2/3) times the third derivative: 4e-11 and 2e-5 where that is 1."""


def standalone(network: Network, dtype: DTypeLike = "float64", chosen: ScheduleName = "loops") -> str:
    """The source of a module with ``forward(theta, x)``, ``value_and_grad(theta, x, y)`` and a self-test.

    Several inputs stand in the place of x.

    The default schedule calls no BLAS, which Numba would take from SciPy. Raises :class:`SpecError` for a network with
    special functions, which come from there too.
    """
    given = {f"x{number}": variable for number, variable in enumerate(network.input_variables, 1)}
    given = {"x": network.input_variables[0]} if len(given) == 1 else given
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
