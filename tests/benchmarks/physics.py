"""Case H, the Burgers equation as a loss: ``python -m tests.benchmarks.physics``.

Value and gradient of the mean squared residual u_t + u·u_x − ν·u_xx of a network 2-20-20-20-1, float64, one thread,
beside JAX: derivatives by a Taylor expansion written by hand, and by nested ``jvp``. Each gradient is held to that of
NumPy by hand before its time counts; medians of interleaved calls, in ratios.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.benchmarks import machine
from tests.benchmarks.cases import Case, Problem, Result, difference, problem

CASES = (Case("H", (2, 20, 20, 20, 1), 256), Case("H", (2, 20, 20, 20, 1), 4096))
NU = 0.01
TOLERANCE = 1e-12

Call = Callable[[], Any]


def reference(given: Problem) -> Result:
    """Taylor expansions forward, and each step's adjoint backward, as one writes them in NumPy.

    A layer carries u, u_x, u_t and u_xx of its units: z = W·a, a = tanh(z), d = 1 − a², a_x = d·z_x,
    a_xx = d·z_xx − 2a·a_x·z_x.
    """
    x, layers = given.x, given.split(given.theta)
    count = len(x)
    one, zero = np.ones((count, 1)), np.zeros((count, 1))
    a = [x, one * [1.0, 0.0], one * [0.0, 1.0], zero * [0.0, 0.0]]
    kept = []
    for number, (w, b) in enumerate(layers):
        z = [part @ w.T for part in a]
        z[0] = z[0] + b
        kept.append((a, z))
        if number < len(layers) - 1:
            h = np.tanh(z[0])
            d = 1 - h * h
            a = [h, d * z[1], d * z[2], d * z[3] - 2 * h * d * z[1] ** 2]
    u, u_x, u_t, u_xx = z
    residual = u_t + u * u_x - NU * u_xx
    r = 2 * residual / count
    slopes = [r * u_x, r * u, r, -NU * r]
    parts: list[np.ndarray] = []
    for number in reversed(range(len(layers))):
        w, _ = layers[number]
        a, z = kept[number]
        parts += [slopes[0].sum(axis=0), sum(g.T @ part for g, part in zip(slopes, a)).ravel()]
        if number:
            g, g_x, g_t, g_xx = (slope @ w for slope in slopes)
            h, (_, z_x, z_t, z_xx) = a[0], kept[number - 1][1]
            d = 1 - h * h
            to_d = g_x * z_x + g_t * z_t + g_xx * (z_xx - 2 * h * z_x**2)
            to_h = g - 2 * h * to_d - 2 * d * z_x**2 * g_xx
            slopes = [d * to_h, d * (g_x - 4 * h * z_x * g_xx), d * g_t, d * g_xx]
    return float(np.mean(residual**2)), np.concatenate(parts[::-1])


def ours(given: Problem) -> Call:
    """One compiled function, bound to its arrays."""
    import symnn

    *hidden, outputs = given.case.sizes[1:]
    layers = (*(symnn.dense(units, "tanh") for units in hidden), symnn.dense(outputs))
    burgers = symnn.Residual("interior", f"u_t + u*u_x - {NU}*u_xx")
    model = symnn.Physics("x t", "u", layers, (burgers,)).compile()
    bound: Call = model.parts["interior"].bind(given.theta, given.x)
    return bound


def _jitted(given: Problem, loss: Callable[[Any, Any], Any]) -> Call:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    theta, x = jnp.asarray(given.theta), jnp.asarray(given.x)
    step = jax.jit(jax.value_and_grad(lambda flat, points: loss(given.split(flat), points)))
    return lambda: jax.block_until_ready(step(theta, x))


def jax_taylor(given: Problem) -> Call:
    """u, u_x, u_t and u_xx carried through the layers by hand; the gradient is JAX's."""
    import jax.numpy as jnp

    def loss(layers: Sequence[Any], points: Any) -> Any:
        (w, b), *rest = layers
        u, u_x, u_t, u_xx = points @ w.T + b, w[:, 0], w[:, 1], None
        for w, b in rest:
            a = jnp.tanh(u)
            d = 1 - a * a
            a_x, a_t = d * u_x, d * u_t
            a_xx = -2 * a * a_x * u_x + (0 if u_xx is None else d * u_xx)
            u, u_x, u_t, u_xx = a @ w.T + b, a_x @ w.T, a_t @ w.T, a_xx @ w.T
        return jnp.mean((u_t + u * u_x - NU * u_xx) ** 2)

    return _jitted(given, loss)


def jax_nested(given: Problem) -> Call:
    """Derivatives by ``jvp`` and ``jvp`` of ``jvp``, for the whole batch at once."""
    import jax
    import jax.numpy as jnp

    def loss(layers: Sequence[Any], points: Any) -> Any:
        def u(x: Any, t: Any) -> Any:
            a = jnp.stack([x, t], axis=1)
            for w, b in layers[:-1]:
                a = jnp.tanh(a @ w.T + b)
            w, b = layers[-1]
            return (a @ w.T + b)[:, 0]

        x, t = points.T
        one = jnp.ones_like(x)
        value, u_t = jax.jvp(lambda t: u(x, t), (t,), (one,))
        u_x, u_xx = jax.jvp(lambda x: jax.jvp(lambda x: u(x, t), (x,), (one,))[1], (x,), (one,))
        return jnp.mean((u_t + value * u_x - NU * u_xx) ** 2)

    return _jitted(given, loss)


CONTENDERS: dict[str, Callable[[Problem], Call]] = {
    "symnn": ours,
    "JAX, Taylor by hand": jax_taylor,
    "JAX, nested jvp": jax_nested,
}


def products(case: Case) -> int:
    """Multiplications of the contractions for one sample: u, u_x, u_t and u_xx through every layer but the first, whose
    derivatives are its weights, and for each of these products two on the way back.

    >>> products(CASES[0])
    9920
    """
    first, *rest = (units * inputs for units, inputs in case.shapes)
    return 2 * first + 3 * 4 * sum(rest)


def measure(case: Case, speeds: Any, seconds: float, say: Callable[[str], None]) -> bool:
    """Print one row a contender; False if one of them was wrong."""
    from tests.benchmarks.timing import interleaved

    given = problem(case)
    expected = reference(given)
    calls: dict[str, Call] = {}
    wrong = []
    for name, prepare in CONTENDERS.items():
        try:
            call = prepare(given)
        except ModuleNotFoundError as error:
            say(f"{name} is left out: {error.name} is not installed")
            continue
        loss, slope = call()
        off = difference((float(loss), np.asarray(slope)), expected)
        if off <= TOLERANCE:
            calls[name] = call
        else:
            wrong.append(name)
            say(f"{name} is left out: it differs from NumPy by {off:.1e}")
    speeds.sample()
    times = interleaved(calls, seconds)
    speeds.sample()
    hidden = sum(case.sizes[1:-1])
    least = case.samples * (2 * products(case) * speeds.rates["flop"] + hidden * speeds.rates["tanh"]) * 1e6
    for name, time in times.items():
        say(f"{case.name}, S = {case.samples:,}: {name:<20} {time:9.1f} µs   {time / least:5.2f} × roofline   "
            f"{time / times['symnn']:5.2f} × symnn")  # fmt: skip
    return not wrong


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """The exit status is 1 if anybody was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.physics", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long each case is timed (4)")
    found = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(1, caches)
        from tests.benchmarks.roofline import Speeds

        speeds = Speeds("float64")
        right = [measure(case, speeds, found.seconds, say) for case in CASES]
        return int(not all(right))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, flush=True)))
