"""JAX: our functions under its transformations are those that JAX derives from its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sympy import Idx, IndexedBase, Sum, cos, sin, symbols

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable
from symnn.errors import SymnnError
from symnn.jax import function
from symnn.network import Network, dense

pytestmark = pytest.mark.values

i, x, k = Idx("i", symbols("n", integer=True, positive=True)), IndexedBase("x"), symbols("k")
FORMULA = function(codegen.from_expressions({"f": Sum(sin(k * x[i]) * x[i], i)}, [x, k]))
NETWORK = function(Network(3, (dense(4, "tanh"), dense(2)), "softmax_cross_entropy").graph)
RANDOM = np.random.default_rng(0)
PARAMETERS = [RANDOM.normal(size=shape) for shape in [(4, 3), (4,), (2, 4), (2,)]]
W1, B1, W2, B2, X, Y = *PARAMETERS, RANDOM.normal(size=(7, 3)), RANDOM.integers(0, 2, 7)


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def formula(x: Any, k: Any) -> Any:
    return (jnp.sin(k * x) * x).sum()


def network(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, y: Any) -> Any:
    output = jnp.tanh(x @ w1.T + b1) @ w2.T + b2
    return (jax.nn.logsumexp(output, axis=1) - output[jnp.arange(len(y)), y]).mean()


def of_biases(f: Any) -> Callable[[Any, Any], Any]:
    return lambda b1, b2: f(W1, b1, W2, b2, X, Y)


# Of a function of two arguments, at them.
TRANSFORMATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "a call": lambda f, a, b: f(a, b),
    "jit of grad": lambda f, a, b: jax.jit(jax.grad(f, (0, 1)))(a, b),
    "jvp": lambda f, a, b: jax.jvp(f, (a, b), (b * a, b + b)) if jnp.ndim(b) == 0 else jax.jvp(f, (a, b), (a, b)),
    "vmap": lambda f, a, b: jax.vmap(f, (0, None))(np.stack([a, 2 * a]), b),
    "vmap of vmap of grad": lambda f, a, b: jax.jit(jax.vmap(jax.vmap(jax.grad(f, 1), (None, 0)), (0, None)))(
        np.stack([a, 2 * a]), np.stack([b, b + 1, b - 1])
    ),
    "reverse over reverse": lambda f, a, b: jax.jacrev(jax.grad(f, 1), 0)(a, b),
    "forward over reverse": lambda f, a, b: jax.hessian(f, (0, 1))(a, b),
    "a loop": lambda f, a, b: jax.lax.fori_loop(0, 3, lambda _, now: now - 0.1 * jax.grad(f)(now, b), a),
}
PAIRS = {"formula": (FORMULA, formula, B1, 0.7), "network": (of_biases(NETWORK), of_biases(network), B1, B2)}

SLOW = ("reverse over reverse", *[*TRANSFORMATIONS][-2:])


@pytest.mark.parametrize(
    "name",
    [n if n not in SLOW else pytest.param(n, marks=pytest.mark.slow) for n in TRANSFORMATIONS],
)
@pytest.mark.parametrize("of", ["formula", pytest.param("network", marks=pytest.mark.slow)])
def test_a_transformation_is_jaxs(of: str, name: str) -> None:
    *functions, a, b = PAIRS[of]
    one, other = (TRANSFORMATIONS[name](f, a, b) for f in functions)
    for found, expected in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_where_there_is_no_memory_the_error_says_how_much_was_asked_for() -> None:
    """2⁴⁹ bytes are more than a process can address."""
    i, j, x = Index("i", 2**23), Index("j", 2**23), Variable("x", (2,))
    w, top, total = Variable("w", (2**23, 2**23)), Variable("top"), Variable("total")
    equations = (
        Equation(w[i, j], cos(x[0] * i + x[1] * j)),
        Equation(top.symbol, w[i, j], Reduction.MAX, (i, j)),
        Equation(total.symbol, (w[i, j] - top.symbol) ** 2, Reduction.SUM, (i, j)),
    )
    f = function(Graph((x,), equations, ("total",)))
    with pytest.raises(jax.errors.JaxRuntimeError, match="found no memory for a workspace of 562949953421504 bytes"):
        jax.block_until_ready(f(np.ones(2)))


def test_integers_out_of_their_range_are_an_error_and_not_foreign_memory() -> None:
    with pytest.raises(jax.errors.JaxRuntimeError, match="found integers out of their range"):
        jax.block_until_ready(NETWORK(*PARAMETERS, X, Y + 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (PARAMETERS[:2], "found 2 arguments, expected 6"),
        ([*PARAMETERS, X[:, :2], Y], r"x: found an array with shape \(7, 2\), expected \(S, 3\)"),
        ([*PARAMETERS, X, Y[:3]], r"y: found an array with shape \(3,\), expected \(S\)"),
        ([*PARAMETERS, X, Y + 0.5], "y: found an array of float64, expected integer numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments: list[Any], message: str) -> None:
    with pytest.raises(SymnnError, match=message):
        NETWORK(*arguments)
