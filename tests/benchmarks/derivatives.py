"""Cases I and J, derivatives beyond the gradient: ``python -m tests.benchmarks.derivatives``.

I: outputs of a tanh network 6-32-32-4 and their Jacobian with respect to its inputs, one sample. J: softmax
cross-entropy of a network 2-8-2 and its Hessian with respect to all parameters, 16 samples. Float64, one thread, beside
CasADi's generated C and jitted JAX. Each result is held to ours before its time counts; medians of interleaved calls.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from tests.benchmarks import machine
from tests.benchmarks.cases import Case, Problem, difference, problem
from tests.benchmarks.peers import LeftOut

JACOBIAN, HESSIAN = Case("I", (6, 32, 32, 4), 1), Case("J", (2, 8, 2), 16)
TOLERANCE = 1e-10

Clock = Callable[[], float]


@dataclass(frozen=True)
class Derived:
    """``call()`` is what is timed; ``read`` makes one flat vector of what it returned: value, then derivative."""

    call: Callable[[], Any]
    read: Callable[[Any], np.ndarray]
    derive: float
    """Seconds from the formula to that of its derivative."""
    compile: float
    """Seconds from there to what can be called."""


def stopwatch() -> Clock:
    """Seconds since it was last asked."""
    last = time.perf_counter()

    def lap() -> float:
        nonlocal last
        before, last = last, time.perf_counter()
        return last - before

    return lap


def network_of_one_sample(sizes: Sequence[int]) -> Any:
    """The graph of a tanh network without an axis of samples; the last ``u`` is its output."""
    from sympy import tanh

    from codegen import Equation, Graph, Index, Reduction, Variable

    a, d = Variable("x", (sizes[0],)), Index("d", sizes[0])
    inputs, equations = [a], []
    for layer, (below, units) in enumerate(pairwise(sizes), 1):
        h, w, b = Index(f"h{layer}", units), Variable(f"W{layer}", (units, below)), Variable(f"b{layer}", (units,))
        z, u = Variable(f"z{layer}", (units,)), Variable(f"u{layer}", (units,))
        inputs += [w, b]
        equations += [Equation(z[h], w[h, d] * a[d], Reduction.SUM, (d,)), Equation(u[h], z[h] + b[h])]
        if layer < len(sizes) - 1:
            a, d = Variable(f"a{layer}", (units,)), h
            equations.append(Equation(a[h], tanh(u[h])))
    return Graph(tuple(inputs), tuple(equations), (u.name,))


def jacobian_graph(given: Problem) -> tuple[Any, list[str]]:
    """Outputs and Jacobian, and the names of the parameters."""
    import codegen

    graph = network_of_one_sample(given.case.sizes)
    return codegen.jacobian(graph, graph.outputs[0], ["x"]), [variable.name for variable in graph.inputs[1:]]


def hessian_graph(given: Problem) -> tuple[Any, list[str]]:
    """Loss and the blocks of its Hessian, and the names of the parameters."""
    import codegen
    import symnn

    inputs, *hidden, outputs = given.case.sizes
    layers = (*(symnn.dense(units, "tanh") for units in hidden), symnn.dense(outputs))
    network = symnn.Network(inputs, layers, "softmax_cross_entropy")
    return codegen.hessian(network.graph, "loss", list(network.layout)), list(network.layout)


def joined(parts: Sequence[Any]) -> np.ndarray:
    """All numbers in a row."""
    return np.concatenate([np.ravel(part) for part in parts])


def joined_blocks(given: Problem, parts: Sequence[Any]) -> np.ndarray:
    """The loss and the whole Hessian, from its blocks on and above the diagonal."""
    loss, *blocks = parts
    sizes = [size for units, inputs in given.case.shapes for size in (units * inputs, units)]
    starts = np.cumsum([0, *sizes])
    whole = np.empty((starts[-1], starts[-1]))
    for (i, j), block in zip(combinations_with_replacement(range(len(sizes)), 2), blocks):
        rows, columns = slice(*starts[i : i + 2]), slice(*starts[j : j + 2])
        whole[rows, columns] = np.reshape(block, (sizes[i], sizes[j]))
        whole[columns, rows] = whole[rows, columns].T
    return joined([loss, whole])


def ours(
    derive: Callable[[Problem], tuple[Any, list[str]]], read: Callable[[Any], np.ndarray], given: Problem, bound: bool
) -> Derived:
    """One compiled function, its results written to the same arrays in every call."""
    import codegen
    from tests.benchmarks.peers.ours import first_use

    first_use()
    lap = stopwatch()
    graph, parameters = derive(given)
    derived = lap()
    function = codegen.compile(graph, pack={"theta": parameters}, cache=False)
    compiled = lap()
    x = given.x if given.case.samples > 1 else given.x[0]
    known = {"theta": given.theta, "x": x, "y": given.y}
    arguments = [known[slot.name] for slot in function.layout.arguments]
    out = [np.empty(slot.shape) for slot in function.layout.arrays]
    call = function.bind(*arguments, out=out) if bound else partial(function, *arguments, out=out)
    return Derived(call, read, derived, compiled)


def our_jacobian(given: Problem, bound: bool) -> Derived:
    return ours(jacobian_graph, joined, given, bound)


def our_hessian(given: Problem, bound: bool) -> Derived:
    return ours(hessian_graph, partial(joined_blocks, given), given, bound)


def casadi_jacobian(given: Problem) -> Derived:
    """Scalar instructions for the one sample."""
    import casadi

    from tests.benchmarks.peers.casadi_c import bound, in_c, outputs

    lap = stopwatch()
    theta, x = casadi.SX.sym("theta", given.case.parameters), casadi.SX.sym("x", given.case.sizes[0])
    u = outputs(given.case, theta, x)
    # Stored by columns, as all there: transposed it is NumPy's.
    function = casadi.Function("f", [theta, x], [u, casadi.jacobian(u, x).T])
    derived = lap()
    call, results = bound(in_c(function), [given.theta, given.x])
    return Derived(call, lambda _: joined(results), derived, lap())


def casadi_hessian(given: Problem) -> Derived:
    """Scalar instructions for a sample, in a loop over samples that adds up; the triangle above the diagonal."""
    import casadi

    from tests.benchmarks.peers.casadi_c import bound, in_c, loss_of

    lap = stopwatch()
    count = given.case.parameters
    arguments, loss = loss_of(casadi.SX, given, 1)
    second = casadi.triu(casadi.hessian(loss, arguments[0])[0])
    function = casadi.Function("f", arguments, [loss, second]).map("f", "serial", given.case.samples, [0], [0, 1])
    derived = lap()
    call, (value, triangle) = bound(in_c(function), [given.theta, given.x, given.y.astype(float)])

    def read(_: Any) -> np.ndarray:
        whole = np.empty((count, count))
        columns, rows = np.tril_indices(count)
        whole[rows, columns] = whole[columns, rows] = triangle
        return joined([value, whole])

    return Derived(call, read, derived, lap())


def jitted(function: Callable[..., Any], arguments: Sequence[np.ndarray]) -> Derived:
    """A jitted function, its arguments on the device beforehand."""
    import jax

    from tests.benchmarks.peers.jax_jit import first_use

    first_use()
    on_device = [jax.numpy.asarray(argument) for argument in arguments]
    step = jax.jit(function)
    lap = stopwatch()
    lowered = step.lower(*on_device)
    derived = lap()
    lowered.compile()
    compiled = lap()
    return Derived(lambda: jax.block_until_ready(step(*on_device)), joined, derived, compiled)


def jax_jacobian(given: Problem, transform: str) -> Derived:
    """``transform`` is ``jacfwd`` or ``jacrev``."""
    import jax

    def outputs(x: Any, theta: Any) -> tuple[Any, Any]:
        *hidden, (w, b) = given.split(theta)
        for weights, biases in hidden:
            x = jax.numpy.tanh(weights @ x + biases)
        u = w @ x + b
        return u, u

    def both(x: Any, theta: Any) -> tuple[Any, Any]:
        slope, u = getattr(jax, transform)(outputs, has_aux=True)(x, theta)
        return u, slope

    return jitted(both, [given.x[0], given.theta])


def jax_hessian(given: Problem) -> Derived:
    """``jacfwd`` of ``value_and_grad``, with respect to one vector of parameters: ``jax.hessian`` and the loss."""
    import jax

    from tests.benchmarks.peers.jax_jit import loss_of_layers

    def slope(theta: Any, x: Any, y: Any) -> tuple[Any, Any]:
        loss, gradient = jax.value_and_grad(lambda flat: loss_of_layers(given.split(flat), x, y))(theta)
        return gradient, loss

    def both(theta: Any, x: Any, y: Any) -> tuple[Any, Any]:
        second, loss = jax.jacfwd(slope, has_aux=True)(theta, x, y)
        return loss, second

    return jitted(both, [given.theta, given.x, given.y])


CONTENDERS: dict[Case, dict[str, Callable[[Problem], Derived]]] = {
    JACOBIAN: {
        "symnn bound": partial(our_jacobian, bound=True),
        "call": partial(our_jacobian, bound=False),
        "CasADi": casadi_jacobian,
        "JAX, jacfwd": partial(jax_jacobian, transform="jacfwd"),
        "JAX, jacrev": partial(jax_jacobian, transform="jacrev"),
    },
    HESSIAN: {
        "symnn bound": partial(our_hessian, bound=True),
        "call": partial(our_hessian, bound=False),
        "CasADi": casadi_hessian,
        "JAX": jax_hessian,
    },
}
OURS = ("symnn bound", "call")
COLUMNS = (*OURS, "CasADi", "JAX")


def prepared(case: Case) -> Iterator[tuple[str, Derived | str]]:
    """Each contender whose result is that of the first one, or why it does not apply.

    Raises :class:`ArithmeticError` if a result differs.
    """
    given = problem(case)
    expected: np.ndarray | None = None
    for name, prepare in CONTENDERS[case].items():
        try:
            derived = prepare(given)
        except ModuleNotFoundError as error:
            yield name, f"{error.name} is not installed"
            continue
        except LeftOut as reason:
            yield name, str(reason)
            continue
        found = derived.read(derived.call())
        expected = found if expected is None else expected
        off = difference((found[0], found[1:]), (expected[0], expected[1:]))
        if not off <= TOLERANCE:
            raise ArithmeticError(f"{case.name}: {name} differs from {OURS[0]} by {off:.1e}")
        yield name, derived


def measure(case: Case, seconds: float, say: Callable[[str], None]) -> dict[str, str]:
    """A row of the table: of the ways of one library, the fastest."""
    from tests.benchmarks.rendering import NOTHING
    from tests.benchmarks.timing import interleaved

    ready: dict[str, Derived] = {}
    for name, found in prepared(case):
        if isinstance(found, str):
            say(f"{case.name}: {name} is left out: {found}")
        else:
            ready[name] = found
    times = interleaved({name: derived.call for name, derived in ready.items()}, seconds)
    fastest: dict[str, str] = {}
    for name in sorted(times, key=times.__getitem__, reverse=True):
        fastest[name.split(",")[0]] = name
    peers = [times[name] for name in times if name not in OURS]
    built = {column: ready[fastest[column]] for column in COLUMNS if column in fastest and column != "call"}
    return {
        "case": case.name,
        "network": case.network,
        "samples": str(case.samples),
        **{column: f"{times[fastest[column]]:.2f}" if column in fastest else NOTHING for column in COLUMNS},
        "× best": f"{min(peers) / times[OURS[0]]:.2f}" if peers else NOTHING,
        **{
            f"{column}: derive + compile, s": f"{built[column].derive:.2f} + {built[column].compile:.2f}"
            if column in built
            else NOTHING
            for column in COLUMNS
            if column != "call"
        },
    }


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Prints the table; raises :class:`ArithmeticError` if anybody was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.derivatives", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long each case is timed (4)")
    found = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(1, caches)
        from tests.benchmarks.rendering import table

        rows = [measure(case, found.seconds, say) for case in CONTENDERS]
        say("Microseconds a call. *× best* is the best peer's time divided by that of symnn bound.\n")
        say(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, flush=True)))
