"""What the tests of derivatives share: graphs whose outputs have axes, and oracles.

The complex step of first derivatives is exact to rounding; second derivatives are held to that of the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import exp, sin

from codegen import (
    Equation,
    Graph,
    Index,
    Reduction,
    Variable,
    gradient,
)
from codegen.derive.requests.jacobian import Mode
from codegen.functions import equal, sigmoid
from codegen.numeric.evaluate import Evaluator
from codegen.numeric.inputs import bind
from tests.codegen.networks import (
    Arrays,
    S,
    mlp,
    s,
)

SUM, MAX = Reduction.SUM, Reduction.MAX
MODES: tuple[Mode, ...] = ("forward", "reverse", "auto")
Array = NDArray[np.float64]
A, B, v, w, x = (Variable(n, e) for n, e in [("A", (3, 3)), ("B", (3, 3)), ("v", (3,)), ("w", (2,)), ("x", (S, 3))])
q, r, y = Variable("q", (3,)), Variable("r", (3, 3)), Variable("y", (S, 3))
i, j, k, n = Index("i", 3), Index("j", 3), Index("k", 3), Index("n", 2)


def system(*equations: Equation) -> Graph:
    """A graph over A, B, v, w and x whose output is the last equation's."""
    used = {str(reference).split("[")[0] for equation in equations for reference in equation.references}
    return Graph(tuple(u for u in (A, B, v, w, x) if u.name in used), equations, (equations[-1].name,))


def reals(graph: Graph) -> list[str]:
    return [variable.name for variable in graph.inputs if variable.kind == "real"]


# --- oracles ------------------------------------------------------------------------------------------------------


def by_complex_step(graph: Graph, of: Sequence[str], wrt: str, values: Arrays) -> list[Array]:
    """d of/d wrt for each of ``of``: Im f(x + i·h·e)/h at one point for each entry e."""
    inputs = bind(graph, values, np.dtype(np.complex128))
    arrays = {name: array[None] for name, array in inputs.arrays.items()}
    given = inputs.arrays[wrt]
    steps = 1e-30j * np.eye(given.size).reshape(given.size, *given.shape)
    found = Evaluator.of(graph, np.complex128)(inputs.extents, {**arrays, wrt: given[None] + steps})
    slopes = []
    for name in of:
        points = np.broadcast_to(found[name].imag / 1e-30, (given.size, *found[name].shape[1:]))
        slopes.append(np.moveaxis(points, 0, -1).reshape((*points.shape[1:], *given.shape)))
    return slopes


def second_by_complex_step(graph: Graph, of: str, wrt: Sequence[str], values: Arrays) -> list[Array]:
    """The blocks i ≤ j of the Hessian, from the gradient."""
    slopes = gradient(graph, of, list(wrt))
    found = []
    for a, name in enumerate(slopes.outputs[1:]):
        found += [by_complex_step(slopes, [name], other, values)[0] for other in wrt[a:]]
    return found


def directions(graph: Graph, wrt: Sequence[str], values: Arrays, seed: int = 5) -> Arrays:
    """A random array ``v_NAME`` for each."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return {f"v_{name}": generator.standard_normal(np.shape(values[name])) for name in wrt}


# --- arrays -------------------------------------------------------------------------------------------------------

ARRAYS: Mapping[str, Graph] = {
    "a network, all outputs": mlp([3, 4, 3]).with_outputs("u2"),
    "a network, three layers": mlp([2, 3, 3, 2], sigmoid).with_outputs("u3"),
    "the softmax of a network": mlp([2, 3, 3]).with_outputs("p"),
    "extents of 1": mlp([1, 1, 1]).with_outputs("u2"),
    "the loss of each sample": mlp([3, 4, 3]).with_outputs("l"),
    "a matrix product": system(Equation(r[i, j], A[i, k] * B[k, j], SUM, (k,))),
    "a transposed one": system(Equation(r[i, j], A[k, i] * B[j, k], SUM, (k,))),
    "itself and its transpose": system(Equation(r[i, j], A[i, j] * sin(A[j, i]))),
    "the diagonal": system(Equation(q[i], A[i, i] * v[i])),
    "onto the diagonal": system(Equation(r[i, j], equal(i, j) * v[i] ** 2)),
    "columns by number": system(Equation(q[i], x[s, 0] * sin(x[s, 1]) * v[i], SUM, (s,))),
    "a column by number": system(Equation(r[i, j], A[i, 1] * v[j])),
    "assigned by rows, of which one does not depend on v": system(
        Equation(r[0, j], A[0, j]),
        Equation(r[1, j], v[j] ** 2),
        Equation(r[2, j], A[j, 2] * v[2]),
        Equation(q[i], r[i, i] * r[i, 1]),
    ),
    "a maximum": system(Equation(q[i], A[i, j] * v[j], MAX, (j,))),
    "samples that are mixed": system(Equation(q[i], x[s, i] ** 2, SUM, (s,)), Equation(y[s, i], x[s, i] * q[i] + q[0])),
    "a bracket of two ranges": system(Equation(q[i], equal(i, n) * v[i] * w[n], SUM, (n,))),
    "a bracket out of range": system(Equation(q[i], (1 + equal(i, 2)) * w[n] * v[i], SUM, (n,))),
    "indices in a body": system(Equation(r[i, j], exp(v[i] * (i + 1)) * (j + 2))),
    "broadcasting": system(Equation(r[i, j], v[i]), Equation(y[s, i], r[i, j] * x[s, j] ** 2, SUM, (j,))),
}


LONG = ("a network, three layers", "the softmax of a network", "the loss of each sample")
"""A second a test; the quick suite has the other arrays."""
ARRAY_CASES = [pytest.param(case, marks=pytest.mark.slow) if case in LONG else case for case in ARRAYS]


def total_of_squares(graph: Graph) -> Graph:
    """½ Σ out²."""
    of = graph.variable(graph.outputs[0])
    index = tuple(Index(f"o{axis}", extent) for axis, extent in enumerate(of.shape))
    half = Equation(Variable("half").symbol, of[index] ** 2 / 2, SUM, index)
    return graph.with_equations([*graph.equations, half], ["half"])


def of_two_inputs(hidden: Sequence[int]) -> Graph:
    """A network of X = (t, x), whose output is u[s]."""
    graph = mlp([2, *hidden, 1])
    last = f"u{len(hidden) + 1}"
    u = Variable("u", (S,))
    kept = [e for e in graph.equations if e.name[1:].isdigit() and len(e.name) == 2]
    equations = [*kept, Equation(u[s], graph.variable(last)[s, 0])]
    return Graph(tuple(variable for variable in graph.inputs if variable.name != "y"), tuple(equations), ("u",))


TX = {"t": ("x", 0), "x": ("x", 1)}
