"""Loss and gradient of small and medium networks, µs a call: compiled, NumPy by hand, JAX (`make bench`).

Everything runs on one thread in one process, interleaved, medians of many calls; every gradient is compared with the
float64 NumPy one before its time counts. Quote ratios: absolute times belong to the machine and the moment.
"""

from __future__ import annotations

import os

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import statistics  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

import numpy as np  # noqa: E402

CASES: tuple[tuple[str, tuple[int, ...], int], ...] = (
    ("A", (2, 16, 3), 1),
    ("B", (2, 16, 3), 64),
    ("C", (2, 16, 3), 4096),
    ("D", (64, 32, 10), 32),
    ("E", (64, 64, 64, 10), 256),
    ("F", (784, 128, 10), 128),
    ("G", (784, 512, 256, 10), 256),
    ("odd", (7, 19, 5), 37),
    ("deep", (10, 20, 20, 20, 20, 20, 20, 4), 50),
    ("wide", (20, 1000, 5), 33),
)
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
Call = Callable[[], object]


def numpy_by_hand(sizes: tuple[int, ...]) -> Callable[..., tuple[float, np.ndarray]]:
    """Loss and gradient of a tanh network with softmax cross-entropy, as one writes them in NumPy."""
    shapes = list(zip(sizes[1:], sizes))

    def value_and_grad(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        parameters, start = [], 0
        for fan_out, fan_in in shapes:
            w = theta[start : start + fan_out * fan_in].reshape(fan_out, fan_in)
            start += fan_out * fan_in
            parameters.append((w, theta[start : start + fan_out]))
            start += fan_out
        activations = [x]
        for w, b in parameters[:-1]:
            activations.append(np.tanh(activations[-1] @ w.T + b))
        w, b = parameters[-1]
        u = activations[-1] @ w.T + b
        u -= u.max(axis=1, keepdims=True)
        p = np.exp(u)
        total = p.sum(axis=1, keepdims=True)
        rows = np.arange(len(x))
        loss = np.mean(np.log(total[:, 0]) - u[rows, y])
        p /= total
        p[rows, y] -= 1
        delta = p / theta.dtype.type(len(x))
        parts: list[np.ndarray] = []
        for (w, _), a in zip(reversed(parameters), reversed(activations)):
            parts += [delta.sum(axis=0), (delta.T @ a).ravel()]
            if a is not x:
                delta = (delta @ w) * (1 - a * a)
        return float(loss), np.concatenate(parts[::-1])

    return value_and_grad


def jax_jitted(sizes: tuple[int, ...], arrays: Arrays) -> tuple[Callable[[], tuple[object, object]], float] | None:
    """The same in jitted JAX and its compile time, or None where JAX is not installed."""
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    shapes = list(zip(sizes[1:], sizes))

    def loss(theta, x, y):  # type: ignore[no-untyped-def]
        a, start = x, 0
        for layer, (fan_out, fan_in) in enumerate(shapes):
            w = theta[start : start + fan_out * fan_in].reshape(fan_out, fan_in)
            start += fan_out * fan_in
            a = a @ w.T + theta[start : start + fan_out]
            start += fan_out
            a = jnp.tanh(a) if layer < len(shapes) - 1 else a
        return jnp.mean(jax.nn.logsumexp(a, axis=1) - a[jnp.arange(len(x)), y])

    function = jax.jit(jax.value_and_grad(loss))
    on_device = [jnp.asarray(a) for a in arrays]
    started = time.perf_counter()
    jax.block_until_ready(function(*on_device))
    compiled = time.perf_counter() - started

    def call() -> tuple[object, object]:
        return jax.block_until_ready(function(*on_device))  # type: ignore[no-any-return]

    return call, compiled


def medians(calls: dict[str, Call], seconds: float = 0.6) -> dict[str, float]:
    """µs a call, all calls interleaved."""
    counts = {}
    for name, call in calls.items():
        call()
        started = time.perf_counter()
        call()
        counts[name] = max(1, int(0.01 / max(time.perf_counter() - started, 1e-7)))
    rounds = max(5, int(seconds / 0.01 / len(calls)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(counts[name]):
                call()
            times[name].append((time.perf_counter() - started) / counts[name] * 1e6)
    return {name: statistics.median(found) for name, found in times.items()}


def run(sizes: tuple[int, ...], samples: int, dtype: str) -> list[str]:
    """The cells of one row."""
    from symnn.network import Network, dense

    generator = np.random.Generator(np.random.PCG64(0))
    network = Network(sizes[0], (*(dense(n, "tanh") for n in sizes[1:-1]), dense(sizes[-1])), "softmax_cross_entropy")
    theta = network.initial_parameters(0)
    x, y = generator.normal(size=(samples, sizes[0])), generator.integers(0, sizes[-1], samples)
    by_hand = numpy_by_hand(sizes)
    _, expected = by_hand(theta, x, y)
    arrays = (theta.astype(dtype), x.astype(dtype), y)
    function = network.compile(dtype).value_and_grad  # type: ignore[arg-type]
    out = np.empty_like(arrays[0])
    calls: dict[str, Call] = {
        "compiled": lambda: function(*arrays, out=out),
        "NumPy": lambda: by_hand(*arrays),
    }
    found = jax_jitted(sizes, arrays)
    if found is not None:
        calls["JAX"] = found[0]
    tolerance = 1e-12 if dtype == "float64" else 5e-4
    for name, call in calls.items():
        gradient = np.asarray(call()[1], dtype=float)  # type: ignore[index]
        assert np.abs(gradient - expected).max() <= tolerance * max(1.0, np.abs(expected).max()), name
    times = medians(calls)
    best = min(value for name, value in times.items() if name != "compiled")
    report = function.report
    return [
        "-".join(map(str, sizes)),
        f"{samples:,}",
        dtype,
        report.schedule,
        *(f"{times[name]:.2f}" if name in times else "not installed" for name in ("compiled", "NumPy", "JAX")),
        f"{best / times['compiled']:.1f}",
        f"{report.generate_seconds + report.compile_seconds:.2f}",
        "-" if found is None else f"{found[1]:.2f}",
    ]


def main() -> None:
    """Print the table."""
    columns = (
        "case",
        "network",
        "samples",
        "dtype",
        "schedule",
        "compiled",
        "NumPy",
        "JAX",
        "× best",
        "compile",
        "JAX's",
    )
    print(" | ".join(columns))
    print(" | ".join("---" for _ in columns))
    with tempfile.TemporaryDirectory() as fresh:
        os.environ["SYMNN_CACHE_DIR"] = fresh
        for dtype in ("float64", "float32"):
            for case, sizes, samples in CASES:
                print(" | ".join([case, *run(sizes, samples, dtype)]), flush=True)


if __name__ == "__main__":
    main()
