"""Stiff differential equations solved wholly in compiled code: ``python -m tests.benchmarks.stiff``.

numbalsoda's LSODA, which is given the address that ``codegen.cfunc`` has for a right-hand side, beside the methods of
``scipy.integrate.solve_ivp`` for stiff equations, with the same tolerances and the same times: with a right-hand side
as it is written in Python, and with our compiled one and its Jacobian. Robertson's three reactions, and the Brusselator
on a line. Errors are those at all times, in units of rtol·|y| + atol, against Radau with a tolerance of 1e-12.

numbalsoda is no dependency: ``apt install gfortran cmake``, or what the system has for it, and ``pip install
numbalsoda``, which builds it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sympy import Idx, IndexedBase, Piecewise, Rational, symbols

from tests.benchmarks import machine

if TYPE_CHECKING:
    from codegen import Graph
    from codegen.cfunctions import CFunc

RTOL, ATOL, FINE = 1e-6, 1e-10, 1e-12
METHODS = ("LSODA", "BDF", "Radau")
SIGNATURE = "void change(double t, double *y, double *f, double *data)"
POINTS = 20


@dataclass(frozen=True)
class Equations:
    """y' = f(y): the graph, the same in Python, y in the beginning, and the times at which it is wanted."""

    name: str
    graph: Graph
    python: Callable[[float, np.ndarray], Any]
    start: np.ndarray
    times: np.ndarray
    pack: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def compiled(self) -> CFunc:
        """Its right-hand side as numbalsoda's lsoda takes it."""
        from codegen import cfunc

        return cfunc(self.graph, SIGNATURE, pack=self.pack)


def robertson() -> Equations:
    import codegen

    a, b, c = symbols("a b c")
    slow, back, fast = a / 25, 10**4 * b * c, 3 * 10**7 * b**2
    f = IndexedBase("f", shape=(3,))
    graph = codegen.from_expressions({f[0]: back - slow, f[1]: slow - back - fast, f[2]: fast}, [a, b, c])

    def python(t: float, y: np.ndarray) -> Sequence[float]:
        a, b, c = y
        slow, back, fast = 0.04 * a, 1e4 * b * c, 3e7 * b * b
        return back - slow, slow - back - fast, fast

    times = np.concatenate([[0.0], 10.0 ** np.arange(-4, 6)])
    return Equations("Robertson", graph, python, np.array([1.0, 0.0, 0.0]), times, {"y": ["a", "b", "c"]})


def brusselator(points: int = POINTS) -> Equations:
    import codegen

    i, f = Idx("i", points), IndexedBase("f", shape=(2, points))
    u, v = (IndexedBase(name, shape=(points,)) for name in "uv")
    rate = Rational((points + 1) ** 2, 50)

    def diffused(s: IndexedBase, beyond: int) -> object:
        left, right = (
            Piecewise((s[i - 1], i > 0), (beyond, True)),
            Piecewise((s[i + 1], i < points - 1), (beyond, True)),
        )
        return rate * (left - 2 * s[i] + right)

    change = {
        f[0, i]: 1 + u[i] ** 2 * v[i] - 4 * u[i] + diffused(u, 1),
        f[1, i]: 3 * u[i] - u[i] ** 2 * v[i] + diffused(v, 3),
    }
    beyond, factor = np.array([[1.0], [3.0]]), float(rate)

    def python(t: float, y: np.ndarray) -> np.ndarray:
        s = y.reshape(2, points)
        u, v = s
        padded = np.hstack([beyond, s, beyond])
        reaction = np.stack([1 + u * u * v - 4 * u, 3 * u - u * u * v])
        return (reaction + factor * (padded[:, :-2] - 2 * s + padded[:, 2:])).reshape(-1)

    x = np.arange(1, points + 1) / (points + 1)
    start = np.concatenate([1 + np.sin(2 * np.pi * x), np.full(points, 3.0)])
    graph = codegen.from_expressions(change, [u, v])
    return Equations(f"Brusselator, {2 * points}", graph, python, start, np.linspace(0, 10, 11), {"y": ["u", "v"]})


PROBLEMS = (robertson, brusselator)


def whole(equations: Equations) -> Callable[[], np.ndarray]:
    """A call of numbalsoda's lsoda: y at the times. Raises ModuleNotFoundError where it is not installed."""
    from numbalsoda import lsoda

    held = equations.compiled()

    def call() -> np.ndarray:
        found, succeeded = lsoda(held.address, equations.start, equations.times, rtol=RTOL, atol=ATOL)
        if not succeeded:
            raise ArithmeticError(f"{equations.name}: numbalsoda gave up")
        return np.asarray(found)

    return call


def evaluations(equations: Equations) -> int:
    """How often LSODA calls the right-hand side."""
    from numbalsoda import lsoda

    held, found = equations.compiled(), 0

    def change(*given: Any) -> None:
        nonlocal found
        found += 1
        held.ctypes(*given)

    counting = type(held.ctypes)(change)
    address = ctypes.cast(counting, ctypes.c_void_p).value
    lsoda(address, equations.start, equations.times, rtol=RTOL, atol=ATOL)
    return found


def by_scipy(
    equations: Equations, method: str, fun: Callable[..., Any], rtol: float = RTOL, atol: float = ATOL, **options: Any
) -> Callable[[], np.ndarray]:
    from scipy.integrate import solve_ivp

    t, start = equations.times, equations.start

    def call() -> np.ndarray:
        found = solve_ivp(fun, (t[0], t[-1]), start, method, t, rtol=rtol, atol=atol, **options)
        if not found.success:
            raise ArithmeticError(f"{equations.name}: {method}: {found.message}")
        return np.asarray(found.y.T)

    return call


def calls(equations: Equations) -> dict[str, Callable[[], np.ndarray]]:
    """What is timed; numbalsoda first."""
    import codegen

    fun, jac = codegen.FlatFunction(equations.graph, "f").ode()
    return {
        "numbalsoda": whole(equations),
        **{f"{name}, Python": by_scipy(equations, name, equations.python) for name in METHODS},
        **{f"{name}, compiled f and J": by_scipy(equations, name, fun, jac=jac) for name in METHODS},
    }


def reference(equations: Equations) -> np.ndarray:
    import codegen

    fun, jac = codegen.FlatFunction(equations.graph, "f").ode()
    return by_scipy(equations, "Radau", fun, FINE, 1e-6 * ATOL, jac=jac)()


def error(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest at all times, in units of the tolerance."""
    return float((abs(found - exact) / (RTOL * abs(exact) + ATOL)).max())


def measure(equations: Equations, seconds: float) -> list[dict[str, str]]:
    from tests.benchmarks.timing import interleaved

    exact, timed = reference(equations), calls(equations)
    errors = {name: error(call(), exact) for name, call in timed.items()}
    if errors["numbalsoda"] > 10 * max(found for name, found in errors.items() if name != "numbalsoda"):
        raise ArithmeticError(f"{equations.name}: numbalsoda is off by {errors['numbalsoda']:.1f} tolerances")
    times = interleaved(timed, seconds, time.process_time)
    return [
        {
            "equations": equations.name,
            "by": name,
            "µs": f"{took:,.1f}",
            "times as long": f"{took / times['numbalsoda']:.1f}",
            "error": f"{errors[name]:.2g}",
        }
        for name, took in times.items()
    ]


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.stiff", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="about how long each problem is timed (10)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(1, caches)
        from tests.benchmarks.rendering import table

        try:
            rows = [row for problem in PROBLEMS for row in measure(problem(), chosen.seconds)]
        except ModuleNotFoundError as missing:
            if missing.name != "numbalsoda":
                raise
            say("numbalsoda is not installed: apt install gfortran cmake && pip install numbalsoda")
            return 0
        say(f"rtol {RTOL:g}, atol {ATOL:g}; processor time, medians of interleaved calls; errors in tolerances;")
        say(f"load of the machine: {os.getloadavg()[0]:.1f}.\n")
        say(table(rows))
        for equations in (problem() for problem in PROBLEMS):
            say(f"{equations.name}: numbalsoda calls f {evaluations(equations):,} times.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, flush=True)))
