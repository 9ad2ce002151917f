"""Differential equations: ``python -m tests.benchmarks.physics [NAME …] [--seeds N] [--method NAME]``.

One iteration of Levenberg-Marquardt beside JAX, then the specs of ``examples/equations`` solved from several seeds, see
``tests/benchmarks/equations.py``. Before them case H, the Burgers equation as a loss.

Value and gradient of the mean squared residual u_t + u·u_x − ν·u_xx of a network 2-20-20-20-1, float64, one thread,
beside JAX: derivatives by a Taylor expansion written by hand, and by nested ``jvp``. Each gradient is held to that of
NumPy by hand before its time counts; medians of interleaved calls, in ratios.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
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
    for name, spent in times.items():
        say(f"{case.name}, S = {case.samples:,}: {name:<20} {spent:9.1f} µs   {spent / least:5.2f} × roofline   "
            f"{spent / times['symnn']:5.2f} × symnn")  # fmt: skip
    return not wrong


ITERATION = Case("one iteration", (2, 20, 20, 20, 1), 3384)
"""Of Levenberg-Marquardt for Burgers' equation: r, J, JᵀJ, Jᵀr, a Cholesky factor, a step and the loss there."""


def our_iteration(given: Problem) -> Call:
    """Without the acceleration, which JAX is not asked for either."""
    import symnn
    from symnn.linesearch import Iterate
    from symnn.methods.levenberg_marquardt import DampedStanding, LevenbergMarquardt

    *hidden, outputs = given.case.sizes[1:]
    layers = (*(symnn.dense(units, "tanh") for units in hidden), symnn.dense(outputs))
    burgers = symnn.Residual("interior", f"u_t + u*u_x - {NU}*u_xx")
    problem = symnn.Physics("x t", "u", layers, (burgers,)).compile().least_squares(given.x)
    method = LevenbergMarquardt(acceleration=0.0)
    loss, gradient = problem(given.theta)
    at = DampedStanding(Iterate(given.theta, loss, gradient), 1e-3)

    def call() -> float:
        theta, _ = method.trial(problem, at, method.linear(problem, given.theta))
        assert theta is not None
        return problem.loss(theta)

    return call


def jax_iteration(given: Problem) -> Call:
    """The same with ``vmap(grad)`` of the residual of one sample and XLA's own linear algebra."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    theta, x = jnp.asarray(given.theta), jnp.asarray(given.x)
    scale = given.case.samples**-0.5

    def residual(flat: Any, point: Any) -> Any:
        (w, b), *rest = given.split(flat)
        u, u_x, u_t, u_xx = w @ point + b, w[:, 0], w[:, 1], None
        for w, b in rest:
            a = jnp.tanh(u)
            d = 1 - a * a
            a_x, a_t = d * u_x, d * u_t
            a_xx = -2 * a * a_x * u_x + (0 if u_xx is None else d * u_xx)
            u, u_x, u_t, u_xx = w @ a + b, w @ a_x, w @ a_t, w @ a_xx
        return scale * (u_t + u * u_x - NU * u_xx)[0]

    rows = jax.vmap(jax.value_and_grad(residual), (None, 0))

    @jax.jit
    def iteration(flat: Any) -> Any:
        r, J = rows(flat, x)
        matrix = J.T @ J + 1e-3 * jnp.eye(flat.size)
        step = jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(matrix, lower=True), -(J.T @ r))
        left = jax.vmap(residual, (None, 0))(flat + step, x)
        return left @ left

    return lambda: float(jax.block_until_ready(iteration(theta)))


ITERATIONS: dict[str, Callable[[Problem], Call]] = {"symnn": our_iteration, "JAX": jax_iteration}


def measure_iteration(seconds: float, say: Callable[[str], None]) -> bool:
    """Print what an iteration takes, beside its parts and the machine's rate; False if the losses differ."""
    from scipy.linalg.blas import dsyrk, ssyrk
    from scipy.linalg.lapack import dpotrf

    from tests.benchmarks.timing import interleaved

    given = problem(ITERATION)
    calls: dict[str, Call] = {}
    for name, prepare in ITERATIONS.items():
        try:
            calls[name] = prepare(given)
        except ModuleNotFoundError as error:
            say(f"{name} is left out: {error.name} is not installed")
    losses = {name: call() for name, call in calls.items()}
    if not np.allclose(list(losses.values()), losses["symnn"], rtol=1e-8):
        say(f"the losses after one step differ: {losses}")
        return False
    count = given.theta.size
    table = np.random.default_rng(0).standard_normal((ITERATION.samples, count))
    single, square = table.astype(np.float32), table[:count]
    gram = table.T @ table
    parts = {
        "JᵀJ alone": lambda: dsyrk(1.0, table.T, lower=1),
        "JᵀJ in float32": lambda: ssyrk(1.0, single.T, lower=1),
        "Cholesky factor": lambda: dpotrf(gram, lower=1),
        "a square product": lambda: square @ square,
    }
    times = interleaved({**calls, **parts}, seconds, time.process_time)
    for name, spent in times.items():
        say(f"Levenberg-Marquardt, {ITERATION.samples:,} × {count}: {name:<16} {spent / 1e3:7.1f} ms   "
            f"{spent / times['symnn']:5.2f} × symnn")  # fmt: skip
    least = (ITERATION.samples * count**2 + count**3 / 3) / (2 * count**3) * times["a square product"] / 1e3
    say(f"JᵀJ and its factor at the rate of a square product, as half of its operations: {least:.1f} ms")
    return True


def measure_single(say: Callable[[str], None]) -> None:
    """Print the error of Burgers' equation with residuals and J in float64 and in float32, all sums in float64, and how
    far other factors are from solving the systems of float64: of JᵀJ in float32, one step back, of half of the rows."""
    from scipy.linalg.blas import dsyrk

    import symnn
    from symnn.solving import points_of
    from tests.benchmarks.equations import SPECS, TARGETS, relative
    from tests.benchmarks.timing import interleaved

    physics = symnn.Physics.from_spec(SPECS / "burgers.yaml")
    (target,) = (one for one in TARGETS if one.name == "burgers")
    points, exact = target.reference()
    points, exact = points[points[:, 0] >= 0], exact[points[:, 0] >= 0]
    assert physics.spec is not None
    (settings,) = physics.spec.solver.schedule
    for dtype in ("float64", "float32"):
        model = physics.compile(dtype)
        problem = model.least_squares(*points_of(physics.spec, 0))
        for iterations in (30, 150):
            method, trail = settings.model_copy(update={"iterations": iterations, "seconds": None}), list[np.ndarray]()
            found = symnn.solve(
                problem, physics.initial_parameters(0), methods=[method], progress=False,
                callback=lambda one, trail=trail: trail.append(one.theta),  # type: ignore[misc]
            )  # fmt: skip
            off = relative(model.predict(found.theta.astype(dtype), points.astype(dtype))[:, 0], exact)
            how = f"error {off:.1e}, loss {found.loss:.1e}, {found.stopped}"
            say(f"burgers in {dtype}, {iterations} iterations asked for: {how}")
            if dtype == "float64":
                r, J = problem.jacobian(found.theta)
                before, damping = problem.jacobian(trail[-2])[1], found.history[-1].values["damping"]
                half = J[np.random.default_rng(0).permutation(len(J))[: len(J) // 2]]
                say(single_factor(r, J, damping))
                for name, gram in (("one step back", before.T @ before), ("of half of the rows", 2 * half.T @ half)):
                    made, _ = steps_behind(gram, r, J, damping)
                    say(f"  behind a factor {name} {made:,} steps of conjugate gradients come to 0.1 of the step")
                v, transposed = np.ones(J.shape[1]), J.T
                calls = {"JᵀJ": partial(dsyrk, 1.0, transposed, lower=1), "Jᵀ·(J·v)": lambda J=J, v=v: J.T @ (J @ v)}
                for name, spent in interleaved(calls, 1.0, time.process_time).items():
                    say(f"  {name} of {len(J):,} × {J.shape[1]}: {spent / 1e3:.2f} ms")


def single_factor(r: np.ndarray, J: np.ndarray, damping: float) -> str:
    """The steps behind a factor of the JᵀJ of a float32 J."""
    from scipy.linalg.blas import ssyrk

    gram = np.asarray(ssyrk(1.0, J.astype(np.float32).T, lower=1), dtype=float)
    made, shift = steps_behind(gram, r, J, damping)
    part = damping / gram.diagonal().max()
    return (
        f"  damping {part:.0e} of the largest entry of JᵀJ; float32 has a factor with {shift / damping:,.0f} "
        f"times as much, and with it {made:,} steps of conjugate gradients come to 0.1 of the step"
    )


def steps_behind(gram: np.ndarray, r: np.ndarray, J: np.ndarray, damping: float, most: int = 1000) -> tuple[int, float]:
    """The steps of conjugate gradients for (JᵀJ + μ·I)·d = Jᵀr behind a factor of another matrix, and its damping."""
    from symnn.methods.levenberg_marquardt import factorised

    right, exact, shift = J.T @ r, factorised(J.T @ J, damping), damping
    while (solved := factorised(gram, shift)) is None:
        shift *= 2
    assert exact is not None
    step, left, made = np.zeros_like(right), right, 0
    along = ahead = solved(left)
    while np.linalg.norm(step - exact(right)) > 0.1 * np.linalg.norm(exact(right)) and made < most:
        changed, before = J.T @ (J @ along) + damping * along, left @ ahead
        size = before / (along @ changed)
        step, left = step + size * along, left - size * changed
        ahead = solved(left)
        along, made = ahead + (left @ ahead) / before * along, made + 1
    return made, shift


MANY = Case("one iteration", (2, 28, 28, 28, 1), 20_000)
"""Many more points than parameters, where a sketch of J takes less than JᵀJ."""


def measure_sketch(say: Callable[[str], None]) -> None:
    """Print what a step takes by the whole JᵀJ and by a sketch, processor time, the median of three."""
    import statistics

    import symnn
    from symnn.methods.levenberg_marquardt import LevenbergMarquardt
    from symnn.methods.sketched import SketchedGaussNewton

    given = problem(MANY)
    *hidden, outputs = given.case.sizes[1:]
    layers = (*(symnn.dense(units, "tanh") for units in hidden), symnn.dense(outputs))
    burgers = symnn.Residual("interior", f"u_t + u*u_x - {NU}*u_xx")
    rows = symnn.Physics("x t", "u", layers, (burgers,)).compile().least_squares(given.x)
    for method in (LevenbergMarquardt(), SketchedGaussNewton()):
        times = []
        for _ in range(4):
            begun = time.process_time()
            linear = method.linear(rows, given.theta)
            solved = linear.damped(1e-8 * linear.largest)
            assert solved is not None
            step = solved(linear.projected)
            times.append(time.process_time() - begun)
        left = rows.transposed_times(given.theta, rows.times(given.theta, step)) + 1e-8 * linear.largest * step
        off = np.linalg.norm(left - linear.projected) / np.linalg.norm(linear.projected)
        say(f"{type(method).__name__}, {MANY.samples:,} × {given.theta.size:,}: "
            f"{statistics.median(times[1:]) * 1e3:7.1f} ms, {off:.0e} of the right side left")  # fmt: skip


def measure_laplacian(seconds: float, say: Callable[[str], None]) -> None:
    """Print what the mean square of a Laplacian and its gradient take, in one sweep and by second derivatives."""
    import symnn
    from tests.benchmarks.timing import interleaved

    for count in (2, 5, 20):
        names = [f"x{number}" for number in range(1, count + 1)]
        ways = {"in one sweep": "laplacian(u)", "one by one": " + ".join(f"u_{n}_{n}" for n in names)}
        calls: dict[str, Call] = {}
        compiling = {}
        for way, equation in ways.items():
            begun = time.process_time()
            layers = (symnn.dense(32, "tanh"), symnn.dense(32, "tanh"), symnn.dense(1))
            physics = symnn.Physics(names, "u", layers, (symnn.Residual("interior", equation),))
            part = physics.compile(cache=False).parts["interior"]
            calls[way] = part.bind(physics.initial_parameters(), symnn.sample([(0, 1)] * count, 512))
            compiling[way] = time.process_time() - begun
        for way, spent in interleaved(calls, seconds, time.process_time).items():
            say(f"Laplacian of {count} inputs {way}: {spent:7.0f} µs, compiled in {compiling[way]:.1f} s")


RATES = (1e-2, 3e-2, 1e-1)
"""Learning rates, of which the best counts."""


def measure_starts(say: Callable[[str], None]) -> None:
    """Print the losses after 300 steps of Adam and of SOAP, with the best learning rate of each."""
    import symnn
    from tests.benchmarks.equations import SPECS

    for name in ("poisson", "burgers"):
        physics = symnn.Physics.from_spec(SPECS / f"{name}.yaml")
        assert physics.spec is not None
        problem = physics.compile().least_squares(
            *(physics.spec.points(part, 512, number) for number, part in enumerate(physics.spec.on_points))
        )
        for method in ("adam", "soap"):
            ways = [[{method: {"iterations": 300, "learning_rate": rate}}] for rate in RATES]
            start = physics.initial_parameters(0)
            losses = [symnn.solve(problem, start, methods=way, progress=False).loss for way in ways]
            say(f"{name}, 300 steps of {method}: loss {min(losses):.1e}")


def measure_orders(seconds: float, say: Callable[[str], None]) -> None:
    """Print what derivatives of orders 2 and 8 take at 1,024 points, without and with the gradient of their square."""
    import symnn
    from tests.benchmarks.timing import interleaved

    calls: dict[str, Call] = {}
    for order in (2, 8):
        layers = (*(symnn.dense(20, "tanh") for _ in range(3)), symnn.dense(1))
        model = symnn.Physics("x", "u", layers, (symnn.Residual("r", "u_" + order * "x"),)).compile()
        given = model.physics.initial_parameters(), symnn.sample([(0, 1)], 1024)
        calls[f"order {order}"] = model.rows["r"].bind(*given)
        calls[f"order {order} and gradient"] = model.parts["r"].bind(*given)
    for name, spent in interleaved(calls, seconds, time.process_time).items():
        say(f"{name}: {spent:7.0f} µs")


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """The exit status is 1 if anybody was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.physics", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long each case is timed (4)")
    parser.add_argument("names", nargs="*", help="specs of examples/equations; all that take a minute at most if none")
    parser.add_argument("--seeds", type=int, default=5, help="from so many seeds (5)")
    parser.add_argument("--limit", type=float, help="seconds of each seed instead of those of its target")
    parser.add_argument("--method", help="a method by its name, with its own settings, in place of those of the specs")
    found = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(1, caches)
        from tests.benchmarks.roofline import Speeds

        speeds = Speeds("float64")
        right = [] if found.names else [measure(case, speeds, found.seconds, say) for case in CASES]
        if not found.names:
            right.append(measure_iteration(found.seconds, say))
            measure_sketch(say)
            measure_single(say)
            measure_laplacian(found.seconds, say)
            measure_orders(found.seconds, say)
            measure_starts(say)
        from tests.benchmarks.equations import solve_all

        solve_all(found.names, found.seeds, found.limit, say, found.method)
        return int(not all(right))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, flush=True)))
