"""Nonlinear programs beside CasADi: ``python -m tests.benchmarks.programs``.

Lukšan and Vlček's problem 5.1, a cart with a pole that is swung up (trapezoidal collocation), and the rocket of the
COPS collection with a free final time, each from one formula in SymPy and in CasADi: seconds to derive and compile,
microseconds of the gradient, of the constraints' Jacobian, and of the Lagrangian's Hessian. ``code`` is our compiled
function over bound arrays, ``method`` that of :class:`codegen.NonlinearProgram` in Python, which checks its arguments
and makes new arrays; CasADi's are its generated C at -O3 over bound buffers, or its virtual machine where gcc would
take minutes. ``--solve`` also solves each with Ipopt, CasADi's own and cyipopt. Values are held to each other before
their times count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.benchmarks import machine

INSTRUCTIONS_IN_C = 60_000
"""gcc -O3 takes a minute for straight lines of so many instructions, and more than in proportion for longer ones."""
TOLERANCE = 1e-10
NOTHING = "–"
SOLVED = "optimum", "CasADi's", "Ipopt s", "its Ipopt s"


@dataclass(frozen=True)
class Problem:
    """A program of n stages."""

    what: str
    stages: Sequence[int]
    formulas: Callable[[Any], tuple[Any, Sequence[Any]]]
    """From names for what is at a stage, at all stages, first and last, to the objective and what has limits."""
    variables: Mapping[str, tuple[float | None, float | None]]
    """Arrays over the stages by name, in the order of the flat vector, with their limits."""
    numbers: Mapping[str, tuple[float | None, float | None]]
    """Variables that are numbers, which follow."""
    start: Callable[[int], Mapping[str, Any]]
    intervals_less: int = 1
    """How many stages fewer the general constraints have."""


# --- formulas, in SymPy's and CasADi's words --------------------------------------------------------------------------


def luksan_vlcek(w: Any) -> tuple[Any, Sequence[Any]]:
    """The chained Rosenbrock function, with trigonometric-exponential constraints."""
    x, y, z = w.at("x", 0), w.at("x", 1), w.at("x", 2)
    objective = w.total(lambda at: 100 * (at("x", 0) ** 2 - at("x", 1)) ** 2 + (at("x", 0) - 1) ** 2)
    bent = 3 * y**3 + 2 * z - 5 + w.sin(y - z) * w.sin(y + z) + 4 * y - x * w.exp(x - y) - 3
    return objective, [(bent, 0, 0)]


CART = SimpleNamespace(m1=1.0, m2=0.3, length=0.5, g=9.81, duration=2.0, distance=1.0)


def cart_pole(w: Any) -> tuple[Any, Sequence[Any]]:
    """The least squared force that swings a pole up, after Kelly (2017), by the trapezoidal rule."""
    c, step = CART, CART.duration / (w.count - 1)

    def slopes(s: int) -> Sequence[Any]:
        angle, fast, speed, force = w.at("q", s), w.at("dq", s), w.at("v", s), w.at("u", s)
        sine, cosine = w.sin(angle), w.cos(angle)
        share = c.m1 + c.m2 * (1 - cosine**2)
        pulled = (c.length * c.m2 * sine * fast**2 + force + c.m2 * c.g * cosine * sine) / share
        turned = c.length * c.m2 * cosine * sine * fast**2 + force * cosine + (c.m1 + c.m2) * c.g * sine
        return speed, fast, pulled, -turned / (c.length * share)

    states = "p", "q", "v", "dq"
    defects = [
        w.at(name, 1) - w.at(name, 0) - step / 2 * (after + before)
        for name, before, after in zip(states, slopes(0), slopes(1))
    ]
    ends = [(w.first("p"), 0), (w.first("q"), 0), (w.first("v"), 0), (w.first("dq"), 0)]
    ends += [(w.last("p"), CART.distance), (w.last("q"), np.pi), (w.last("v"), 0), (w.last("dq"), 0)]
    objective = w.total(lambda at: step / 2 * (at("u", 0) ** 2 + at("u", 1) ** 2))
    return objective, [*((defect, 0, 0) for defect in defects), *((end - value, 0, 0) for end, value in ends)]


def rocket(w: Any) -> tuple[Any, Sequence[Any]]:
    """Goddard's rocket: the greatest height, with drag and a free final time (COPS 3, problem 8)."""
    step = w.number("T") / (w.count - 1)

    def slopes(s: int) -> Sequence[Any]:
        height, speed, mass, thrust = w.at("h", s), w.at("v", s), w.at("m", s), w.at("F", s)
        drag = 310 * speed**2 * w.exp(-500 * (height - 1))
        return speed, (thrust - drag - mass / height**2) / mass, -2 * thrust

    defects = [
        w.at(name, 1) - w.at(name, 0) - step / 2 * (after + before)
        for name, before, after in zip("hvm", slopes(0), slopes(1))
    ]
    ends = [(w.first("h") - 1, 0, 0), (w.first("v"), 0, 0), (w.first("m") - 1, 0, 0), (w.last("m") - 0.6, 0, 0)]
    return -w.last("h"), [*((defect, 0, 0) for defect in defects), *ends]


PROBLEMS = (
    Problem(
        "Lukšan and Vlček 5.1",
        (1_000, 10_000, 1_000_000),
        luksan_vlcek,
        {"x": (None, None)},
        {},
        lambda n: {"x": np.where(np.arange(n) % 2 == 0, -1.2, 1.0)},
        2,
    ),
    Problem(
        "cart and pole",
        (101, 1_001),
        cart_pole,
        {"p": (-2, 2), "q": (None, None), "v": (None, None), "dq": (None, None), "u": (-20, 20)},
        {},
        lambda n: {
            "p": np.linspace(0, CART.distance, n),
            "q": np.linspace(0, np.pi, n),
            **dict.fromkeys(("v", "dq", "u"), np.zeros(n)),
        },
    ),
    Problem(
        "rocket of COPS",
        (101, 1_001),
        rocket,
        {"h": (1, None), "v": (0, None), "m": (0.6, 1), "F": (0, 3.5)},
        {"T": (0.01, None)},
        lambda n: {
            "h": np.ones(n),
            "v": (t := np.linspace(0, 1, n)) * (1 - t),
            "m": 1 - 0.4 * t,
            "F": np.full(n, 1.75),
            "T": 1.0,
        },
    ),
)


# --- ours -------------------------------------------------------------------------------------------------------------


def ours(problem: Problem) -> Any:
    """The program of any number of stages."""
    import sympy
    from sympy import Idx, IndexedBase, Sum, Symbol

    import codegen

    n = Symbol("n", integer=True)
    arrays = {name: IndexedBase(name, shape=(n,)) for name in problem.variables}
    numbers = {name: Symbol(name) for name in problem.numbers}
    i, k = Idx("i", n - 1), Idx("k", n - problem.intervals_less)
    words = SimpleNamespace(
        count=n,
        sin=sympy.sin,
        cos=sympy.cos,
        exp=sympy.exp,
        at=lambda name, shift: arrays[name][k + shift],
        first=lambda name: arrays[name][0],
        last=lambda name: arrays[name][n - 1],
        number=numbers.__getitem__,
        total=lambda term: Sum(term(lambda name, shift: arrays[name][i + shift]), i),
    )
    objective, constraints = problem.formulas(words)
    limits = {arrays[name]: pair for name, pair in problem.variables.items()}
    limits |= {numbers[name]: pair for name, pair in problem.numbers.items()}
    return codegen.NonlinearProgram(objective, [(lower, body, upper) for body, lower, upper in constraints], limits)


# --- CasADi -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """CasADi's functions of x, and of x with multipliers and the objective's factor."""

    calls: Mapping[str, tuple[Callable[[], Any], Sequence[np.ndarray]]]
    functions: Mapping[str, Any]
    how: str
    seconds: float


def casadis(problem: Problem, n: int, x0: np.ndarray, multipliers: np.ndarray) -> tuple[Peer, Mapping[str, Any]]:
    """The derivatives of a program of n stages, and what Ipopt is asked to solve."""
    import casadi

    from tests.benchmarks.peers.casadi_c import bound, in_c

    started = time.process_time()
    arrays = {name: casadi.SX.sym(name, n) for name in problem.variables}
    numbers = {name: casadi.SX.sym(name) for name in problem.numbers}
    length = n - problem.intervals_less
    words = SimpleNamespace(
        count=n,
        sin=casadi.sin,
        cos=casadi.cos,
        exp=casadi.exp,
        at=lambda name, shift: arrays[name][shift : shift + length],
        first=lambda name: arrays[name][0],
        last=lambda name: arrays[name][n - 1],
        number=numbers.__getitem__,
        total=lambda term: casadi.sum1(term(lambda name, shift: arrays[name][shift : shift + n - 1])),
    )
    objective, constraints = problem.formulas(words)
    x = casadi.vertcat(*arrays.values(), *numbers.values())
    g = casadi.vertcat(*(body for body, _, _ in constraints))
    factor, weights = casadi.SX.sym("factor"), casadi.SX.sym("weights", g.shape[0])
    second = casadi.tril(casadi.hessian(factor * objective + casadi.dot(weights, g), x)[0])
    made = {
        "gradient": casadi.Function("gradient", [x], [objective, casadi.densify(casadi.gradient(objective, x))]),
        "constraints": casadi.Function("constraints", [x], [g]),
        "jacobian": casadi.Function("jacobian", [x], [casadi.jacobian(g, x)]),
        "hessian": casadi.Function("hessian", [x, weights, factor], [second]),
    }
    in_lines = max(function.n_instructions() for function in made.values()) <= INSTRUCTIONS_IN_C
    run = {name: in_c(function) if in_lines else function for name, function in made.items()}
    given = {"gradient": [x0], "constraints": [x0], "jacobian": [x0], "hessian": [x0, multipliers, np.array([1.0])]}
    calls = {name: bound(function, given[name]) for name, function in run.items()}
    how = "C -O3" if in_lines else "virtual machine"
    return Peer(calls, made, how, time.process_time() - started), {"x": x, "f": objective, "g": g}


def _matrix(function: Any, output: int, values: np.ndarray) -> Any:
    """What CasADi stores, column by column."""
    from scipy.sparse import csc_array

    pattern = function.sparsity_out(output)
    return csc_array((values, np.array(pattern.row()), np.array(pattern.colind())), shape=pattern.shape)


# --- measuring --------------------------------------------------------------------------------------------------------


def measure(problem: Problem, n: int, seconds: float, solve: bool) -> dict[str, str]:
    """One row of the table."""
    from tests.benchmarks.timing import interleaved

    started = time.process_time()
    program = ours(problem)
    x = program.pack(problem.start(n)) + 0.01 * np.random.default_rng(0).uniform(
        size=program.pack(problem.start(n)).size
    )
    multipliers = np.cos(np.arange(len(program.constraints(x))))
    mine = {
        "gradient": lambda: program.gradient(x),
        "jacobian": lambda: program.jacobian_values(x),
        "hessian": lambda: program.hessian_values(x, multipliers),
    }
    for call in mine.values():
        call()
    prepared = time.process_time() - started
    row = {"problem": problem.what, "variables": f"{x.size:,}", "s": f"{prepared:.1f}"}
    calls = {f"method {name}": call for name, call in mine.items()}
    calls |= {f"code {name}": call for name, call in _bound(program, x, multipliers).items()}
    peer = None
    if n <= max(10_000, problem.stages[0]):
        children = sum(os.times()[2:4])
        peer, solvable = casadis(problem, n, x, multipliers)
        row["CasADi s"] = f"{peer.seconds + sum(os.times()[2:4]) - children:.1f}"
        _compare(problem, program, peer, x, multipliers)
        calls |= {f"its {name}": call for name, (call, _) in peer.calls.items()}
    times = interleaved(calls, seconds, time.process_time)
    for name in mine:
        row[f"{name}, method"] = f"{times[f'method {name}']:,.1f}"
        row[f"{name}, code"] = f"{times[f'code {name}']:,.1f}"
        row[f"{name}, CasADi"] = NOTHING if peer is None else f"{times[f'its {name}']:,.1f}"
    row["CasADi as"] = NOTHING if peer is None else peer.how
    row.setdefault("CasADi s", NOTHING)
    if solve:
        row |= dict.fromkeys(SOLVED, NOTHING) if peer is None else _solved(problem, program, n, solvable)
    return row


def _bound(program: Any, x: np.ndarray, multipliers: np.ndarray) -> Mapping[str, Callable[[], Any]]:
    """The compiled functions alone, over arrays that stay where they are."""
    point = program._point(x, (), {})
    weighted = program._weighted(point, multipliers, 1.0)
    targets = {"gradient": program._slope, "jacobian": program._first._target, "hessian": program._second._target}

    def bound(graph: Any, function: Any) -> Callable[[], Any]:
        found: Callable[[], Any] = function.bind(
            *(weighted[v.name] if v.shape else weighted[v.name].item() for v in graph.inputs)
        )
        return found

    return {name: bound(*target) for name, target in targets.items()}


def _compare(problem: Problem, program: Any, peer: Peer, x: np.ndarray, multipliers: np.ndarray) -> None:
    """Raise :class:`ArithmeticError` if a value is another."""
    from scipy.sparse import tril

    for call, _ in peer.calls.values():
        call()

    def its(name: str, output: int = 0) -> Any:
        return _matrix(peer.functions[name], output, peer.calls[name][1][output])

    pairs = {
        "gradient": (program.gradient(x), its("gradient", 1).toarray()[:, 0]),
        "constraints": (program.constraints(x), its("constraints").toarray()[:, 0]),
        "jacobian": (program.jacobian(x), its("jacobian")),
        "hessian": (tril(program.hessian(x, multipliers)), its("hessian")),
    }
    for name, (own, other) in pairs.items():
        off, size = abs(own - other).max(), abs(other).max()
        if not off <= TOLERANCE * (1 + size):
            raise ArithmeticError(f"{problem.what}: the {name} differs by {off:.1e} of {size:.1e}")


def _solved(problem: Problem, program: Any, n: int, solvable: Mapping[str, Any]) -> dict[str, str]:
    """The optima by both, and the seconds of solving alone."""
    import casadi

    from codegen import EmitError

    start = program.pack(problem.start(n))
    quiet = {"print_time": False, "ipopt.print_level": 0, "ipopt.sb": "yes", "ipopt.tol": 1e-8}
    solver = casadi.nlpsol("solver", "ipopt", solvable, quiet)
    (lower, upper), (least, most) = program.bounds(start), program.constraint_bounds(start)
    begun = time.process_time()
    theirs = float(solver(x0=start, lbx=lower, ubx=upper, lbg=least, ubg=most)["f"])
    middle = time.process_time()
    try:
        found = program.minimize(start, "ipopt", tol=1e-8)
        own, took = f"{found.fun:.10g}", f"{time.process_time() - middle:.2f}"
    except EmitError as error:  # there is no cyipopt
        own, took = f"left out: {error}", NOTHING
    return dict(zip(SOLVED, (own, f"{theirs:.10g}", took, f"{middle - begun:.2f}")))


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Prints the table; returns 1 if a row could not be measured or a value was another."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.programs", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long each row is timed (2)")
    parser.add_argument("--only", default="", help="rows that contain this")
    parser.add_argument("--solve", action="store_true", help="solve each with Ipopt, too")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(1, caches)
        from tests.benchmarks.rendering import table
        from tests.benchmarks.timing import every_row

        rows = {
            f"{problem.what}, {n:,}": partial(measure, problem, n, chosen.seconds, chosen.solve)
            for problem in PROBLEMS
            for n in problem.stages
            if chosen.only in problem.what
        }
        lines, whole = every_row(rows, say)
        say(f"\nProcessor time, medians of interleaved calls; load of the machine: {os.getloadavg()[0]:.1f}.\n")
        say(table(lines))
    return int(not whole)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, flush=True)))
