"""Graphs that the tests share: the lecture's scalar graph, small networks, and random systems of index equations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from sympy import Expr, Integer, cos, exp, log, sin, symbols, tanh

from codegen import Equation, Graph, Index, Reduction, Variable, from_expressions, gradient, sample_extent
from codegen.functions import equal, sigmoid, softplus, stop_gradient
from codegen.numeric.evaluate import evaluate
from codegen.schedule.program import Loop, Program, Vector, walk
from codegen.walk import Extent, extent

Arrays = dict[str, NDArray[np.float64]]

S = sample_extent()
s = Index("s", S)


class Lazy(Mapping[str, Graph]):
    """Graphs by name, each made when it is first asked for: whoever collects the tests runs a part of them."""

    def __init__(self, makers: Mapping[str, Callable[[], Graph]]) -> None:
        self._makers = {name: cache(make) for name, make in makers.items()}

    def __getitem__(self, name: str) -> Graph:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def lecture() -> Graph:
    """The lecture's scalar graph: e = c·d with c = a + b and d = b + 1."""
    a, b, c, d = symbols("a b c d")
    return from_expressions({"c": a + b, "d": b + 1, "e": c * d}, [a, b])


def indices_in_lanes(program: Program) -> set[str]:
    """The indices of the loops that a scheduled program runs in lanes."""
    loops = (s for s, _ in walk(program.statements) if isinstance(s, Loop))
    return {str(loop.index) for loop in loops if isinstance(loop.mode, Vector)}


# --- networks -----------------------------------------------------------------------------------------------------


def linear_classifier(inputs: int, classes: int) -> Graph:
    """Softmax regression, the loss averaged over the samples."""
    return mlp([inputs, classes])


def mlp(
    sizes: Sequence[int],
    activation: Callable[[Expr], Expr] = tanh,
    ending: Callable[[Variable, Index], list[Equation]] | None = None,
) -> Graph:
    """A dense network x → u1 → a1 → u2 → … and a loss; z1 is W1·x, u1 adds the bias, a1 is the activation."""
    x, y = Variable("x", (S, sizes[0])), Variable("y", (S,), "integer")
    inputs, equations, a, d = [x, y], [], x, Index("d", sizes[0])
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes), 1):
        last = layer == len(sizes) - 1
        h = Index("t" if last else f"h{layer}", fan_out)
        W, b = Variable(f"W{layer}", (fan_out, fan_in)), Variable(f"b{layer}", (fan_out,))
        z, u = Variable(f"z{layer}", (S, fan_out)), Variable(f"u{layer}", (S, fan_out))
        inputs += [W, b]
        equations.append(Equation(z[s, h], W[h, d] * a[s, d], Reduction.SUM, (d,)))
        equations.append(Equation(u[s, h], z[s, h] + b[h]))
        if not last:
            a, d = Variable(f"a{layer}", (S, fan_out)), h
            equations.append(Equation(a[s, h], activation(u[s, h])))
    equations += (ending or cross_entropy)(u, h)
    return Graph(tuple(inputs), tuple(equations), ("loss",))


def parameters(graph: Graph) -> list[str]:
    """The inputs that are trained."""
    return [variable.name for variable in graph.inputs if variable.name not in ("x", "y")]


def cut(theta: NDArray[np.float64], graph: Graph) -> Arrays:
    """The parameters of a network, which lie one after the other in a vector."""
    shapes = {name: graph.variable(name).shape for name in parameters(graph)}
    parts = np.split(theta, np.cumsum([np.prod(shape) for shape in shapes.values()])[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def _mean(of: Expr) -> Equation:
    return Equation(Variable("loss").symbol, of / S, Reduction.SUM, (s,))


def cross_entropy(u: Variable, t: Index) -> list[Equation]:
    """log Σ exp(u) − u[y], shifted by the maximum; p is the softmax."""
    m, Z, lse, picked, l = (Variable(name, (S,)) for name in ("m", "Z", "lse", "picked", "l"))
    e, p, y = Variable("e", u.shape), Variable("p", u.shape), Variable("y", (S,))
    return [
        Equation(m[s], stop_gradient(u[s, t]), Reduction.MAX, (t,)),
        Equation(e[s, t], exp(u[s, t] - m[s])),
        Equation(Z[s], e[s, t], Reduction.SUM, (t,)),
        Equation(p[s, t], e[s, t] / Z[s]),
        Equation(lse[s], m[s] + log(Z[s])),
        Equation(picked[s], equal(y[s], t) * u[s, t], Reduction.SUM, (t,)),
        Equation(l[s], lse[s] - picked[s]),
        _mean(l[s]),
    ]


def naive_cross_entropy(u: Variable, t: Index) -> list[Equation]:
    """−log(exp(u[y])/Σ exp(u)) as a textbook writes it."""
    Z, l, y = Variable("Z", (S,)), Variable("l", (S,)), Variable("y", (S,))
    e, p = Variable("e", u.shape), Variable("p", u.shape)
    return [
        Equation(e[s, t], exp(u[s, t])),
        Equation(Z[s], e[s, t], Reduction.SUM, (t,)),
        Equation(p[s, t], e[s, t] / Z[s]),
        Equation(l[s], -equal(y[s], t) * log(p[s, t]), Reduction.SUM, (t,)),
        _mean(l[s]),
    ]


def squared_error(u: Variable, t: Index) -> list[Equation]:
    """½ Σ (u − [y = t])²."""
    l, y = Variable("l", (S,)), Variable("y", (S,))
    return [Equation(l[s], (u[s, t] - equal(y[s], t)) ** 2 / 2, Reduction.SUM, (t,)), _mean(l[s])]


def logistic(u: Variable, t: Index) -> list[Equation]:
    """Σ softplus(u) − [y = t]·u: an independent yes or no for each class."""
    l, y = Variable("l", (S,)), Variable("y", (S,))
    return [Equation(l[s], softplus(u[s, t]) - equal(y[s], t) * u[s, t], Reduction.SUM, (t,)), _mean(l[s])]


def hinge(u: Variable, t: Index) -> list[Equation]:
    """The largest output minus the wanted one."""
    m, picked, l, y = (Variable(name, (S,)) for name in ("m", "picked", "l", "y"))
    return [
        Equation(m[s], u[s, t], Reduction.MAX, (t,)),
        Equation(picked[s], equal(y[s], t) * u[s, t], Reduction.SUM, (t,)),
        Equation(l[s], m[s] - picked[s]),
        _mean(l[s]),
    ]


ENDINGS = (cross_entropy, naive_cross_entropy, squared_error, logistic, hinge)


# --- values -------------------------------------------------------------------------------------------------------


def several_lengths() -> dict[str, Graph]:
    """Gradients of graphs whose lengths each call decides: sums along a row, units of each point, steps of a state."""
    S, n = sample_extent("S"), sample_extent("n")
    s, p, u, t = Index("s", S), Index("p", n), Index("u", n), Index("t", n - 1)
    h, k, d = Index("h", 16), Index("k", 16), Index("d", 7)
    x, w, X, W, U = (
        Variable("x", (n,)),
        Variable("w", (S,)),
        Variable("X", (S, n, 7)),
        Variable("W", (16, 7)),
        Variable("U", (16, 16)),
    )
    P, y, z, H, v, loss = (
        Variable("P", (S, n)),
        Variable("y", (S,)),
        Variable("z", (S, n, 16)),
        Variable("H", (S, n, 16)),
        Variable("v", (S, n, 16)),
        Variable("loss"),
    )
    rows = (
        Equation(y[s], P[s, u] * x[u], Reduction.SUM, (u,)),
        Equation(loss.symbol, w[s] * tanh(y[s]), Reduction.SUM, (s,)),
    )
    points = (
        Equation(z[s, p, h], W[h, d] * X[s, p, d], Reduction.SUM, (d,)),
        Equation(loss.symbol, tanh(z[s, p, h]) * w[s], Reduction.SUM, (s, p, h)),
    )
    steps = (
        points[0],
        Equation(H[s, 0, h], tanh(z[s, 0, h])),
        Equation(v[s, t, h], U[h, k] * H[s, t, k], Reduction.SUM, (k,)),
        Equation(H[s, t + 1, h], tanh(v[s, t, h] + z[s, t + 1, h])),
        Equation(loss.symbol, H[s, p, h] ** 2 * w[s], Reduction.SUM, (s, p, h)),
    )
    return {
        "rows": gradient(Graph((x, P, w), rows, ("loss",)), "loss", ["x", "P"]),
        "points": gradient(Graph((w, X, W), points, ("loss",)), "loss", ["W", "w"]),
        "steps": gradient(Graph((X, W, U, w), steps, ("loss",)), "loss", ["W", "U"]),
    }


def random_values(graph: Graph, seed: int = 0, samples: int = 4) -> Arrays:
    """Standard normal real inputs and labels 0, 1 or 2."""
    generator = np.random.Generator(np.random.PCG64(seed))
    found: Arrays = {}
    for variable in graph.inputs:
        shape = tuple(n if isinstance(n, int) else samples for n in variable.shape)
        integers = variable.kind == "integer"
        found[variable.name] = generator.integers(0, 3, shape) if integers else generator.standard_normal(shape)
    return found


def outputs(graph: Graph, values: Arrays) -> list[NDArray[np.float64]]:
    """The values of the outputs, in order."""
    found = evaluate(graph, values)
    return [found[name] for name in graph.outputs]


def distance(a: Sequence[NDArray[np.float64]], b: Sequence[NDArray[np.float64]]) -> float:
    """The largest |a − b| / max(1, |a|, |b|); infinite where shapes or non-finite values differ."""
    worst = 0.0
    for one, other in zip(a, b, strict=True):
        if np.shape(one) != np.shape(other) or not np.array_equal(np.isfinite(one), np.isfinite(other)):
            return np.inf
        scale = np.maximum(1, np.maximum(np.abs(one), np.abs(other)))
        worst = max(worst, float(np.max(np.abs(one - other) / scale, initial=0, where=np.isfinite(scale))))
    return worst


def complex_step(graph: Graph, of: str, wrt: str, values: Arrays, seed: int = 0) -> tuple[Arrays, float]:
    """A random direction in ``wrt`` and the derivative of ``of`` along it: Im f(x + i·h·v)/h, exact to rounding."""
    direction = np.random.Generator(np.random.PCG64(seed)).standard_normal(values[wrt].shape)
    moved = {**values, wrt: values[wrt] + 1e-30j * direction}
    return direction, float(evaluate(graph, moved, np.complex128)[of].imag) / 1e-30


# --- random systems of index equations ----------------------------------------------------------------------------

LETTERS = "ijk"
FUNCTIONS: tuple[Callable[[Expr], Expr], ...] = (tanh, sin, cos, sigmoid, lambda x: x**2, lambda x: exp(-(x**2)))


@st.composite
def index_graphs(draw: st.DrawFn) -> Graph:
    """Some inputs, a handful of maps, sums and maxima over them, and a scalar ``L`` that sums up the last of them.

    Three index names serve all ranges, so that one name means different axes in different equations; extents repeat and
    are often 1; references are diagonal, transposed, broadcast and have integer subscripts.
    """
    return _Builder(draw).build()


@dataclass
class _Builder:
    """Draws one equation after the other."""

    draw: st.DrawFn
    variables: list[Variable] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)

    def build(self) -> Graph:
        self.variables = [Variable("A", (S, *self._shape()[:2])), *(Variable(name, self._shape()) for name in "BC")]
        inputs = tuple(self.variables)
        for number in range(self.draw(st.integers(1, 5))):
            self._equation(f"v{number}")
        last = self.variables[-1]
        index = [Index(letter, n) for letter, n in zip(LETTERS, last.shape)]
        body = tanh(last[tuple(index)])
        self.equations.append(Equation(Variable("L").symbol, body, Reduction.SUM if index else None, tuple(index)))
        return Graph(inputs, tuple(self.equations), ("L",))

    def _shape(self) -> tuple[Extent, ...]:
        return tuple(self.draw(st.lists(st.sampled_from([S, 1, 2, 2, 3]), max_size=3)))

    def _equation(self, name: str) -> None:
        letters = self.draw(st.permutations(LETTERS))
        extents = self._shape()
        domain = [Index(letter, n) for letter, n in zip(letters, extents)]
        body: Expr = Integer(0)
        for _ in range(self.draw(st.integers(1, 2))):
            factors = [self._factor(domain) for _ in range(self.draw(st.integers(1, 2)))]
            body += factors[0] * (factors[1] if len(factors) > 1 else 1)
        occurring = body.atoms(Index)
        candidates = [i for i in domain if i in occurring]
        reduced = tuple(self.draw(st.lists(st.sampled_from(candidates), unique=True)) if candidates else [])
        reduction = self.draw(st.sampled_from((Reduction.SUM, Reduction.MAX))) if reduced else None
        free = tuple(i for i in domain if i not in reduced)
        variable = Variable(name, tuple(n for i, n in zip(domain, extents) if i not in reduced))
        self.equations.append(Equation(variable[free], body, reduction, reduced))
        self.variables.append(variable)

    def _factor(self, domain: list[Index]) -> Expr:
        fitting = [v for v in self.variables if self._fits(v, domain)]
        kind = self.draw(st.sampled_from(["reference"] * 6 + ["bracket", "index"]))
        if fitting and (kind == "reference" or not domain):
            variable = self.draw(st.sampled_from(fitting))
            key = tuple(self._subscript(n, domain) for n in variable.shape)
            return self.draw(st.sampled_from(FUNCTIONS))(variable[key])
        index = self.draw(st.sampled_from(domain)) if domain else Integer(1)
        other = self.draw(st.sampled_from([*domain, Integer(0), Integer(2)]))
        return equal(index, other) if kind == "bracket" else Integer(1) + index

    def _fits(self, variable: Variable, domain: list[Index]) -> bool:
        return all(isinstance(n, int) or any(extent(i) == n for i in domain) for n in variable.shape)

    def _subscript(self, axis: Extent, domain: list[Index]) -> Expr:
        matching = [i for i in domain if extent(i) == axis]
        if isinstance(axis, int) and (not matching or self.draw(st.integers(0, 4)) == 0):
            return Integer(self.draw(st.integers(0, axis - 1)))
        return self.draw(st.sampled_from(matching))
