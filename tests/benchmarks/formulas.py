"""Large formulas: seconds to derive and to compile, microseconds a call: ``python -m tests.benchmarks.formulas``.

Processor time of one process: reading the formula, deriving, and of the compilation the passes, the schedule, the
writing and LLVM; then the least time of many bound calls. Names of cases, or parts of them, choose among them.
``--peers`` asks other libraries for the same derivatives (:mod:`tests.benchmarks.formula_peers`); ``random --plot
docs/linear.svg`` draws seconds against operations.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import sympy
from sympy import Expr, Idx, IndexedBase, Integer, Piecewise, Rational, Symbol, exp, log, sin, sqrt, tanh

from tests.benchmarks import formula_peers

STAGES = ("key", "passes", "schedule", "write", "LLVM", "Numba")


Entries: TypeAlias = "tuple[dict[Any, Expr], list[Any]]"


@dataclass(frozen=True)
class Formula:
    """A system of formulas and what is derived of it."""

    entries: Callable[[], Entries]
    """The formulas and their inputs: SymPy's own work, which is done once and not timed."""
    kind: str
    """``gradient``, ``jacobian``, ``hessian`` or ``sparse_jacobian``; ``values`` are the formulas themselves."""
    of: str | Sequence[str]
    wrt: Sequence[str] = ()
    """All inputs if there is none."""
    is_plain: bool = True
    """Whether it has only what peers know."""

    def read(self) -> Any:
        """The graph."""
        import codegen

        return codegen.from_expressions(*self.entries()).with_outputs(self.of)

    def derive(self, graph: Any) -> Any:
        """The graph of the derivative."""
        import codegen

        if self.kind == "values":
            return graph
        derived = getattr(codegen, self.kind)(graph, self.of, list(self.wrt) or None)
        return getattr(derived, "graph", derived)


def array(name: str, count: int) -> IndexedBase:
    return IndexedBase(name, shape=(count,), real=True)


def by_elements(name: str, values: list[Expr]) -> dict[Any, Expr]:
    """An output array, element by element."""
    target = array(name, len(values))
    return {target[n]: value for n, value in enumerate(values)}


# --- formulas -----------------------------------------------------------------------------------------------------


@lru_cache
def random_operations(count: int, inputs: int = 1000) -> Entries:
    """Each operation on two of the last values or inputs."""
    draw = random.Random(count)
    x = array("x", inputs)
    values: list[Expr] = [x[n] for n in range(inputs)]
    found: dict[Any, Expr] = {}
    unused: dict[Expr, None] = dict.fromkeys(values)
    for number in range(count):
        a, b = (values[-1 - draw.randrange(min(len(values), inputs))] for _ in range(2))
        kind = draw.randrange(8)
        made = (a + b, a - b, a * b, a * b, a / (2 + b**2), sin(a), tanh(a), 0.5 * a + b**2)[kind]
        name = f"t{number}"
        found[name] = made
        values.append(Symbol(name, real=True))
        for leaf in (a, b):
            unused.pop(leaf, None)
        unused[values[-1]] = None
    found["e"] = sympy.Add(*[tanh(value) for value in unused])
    return found, [x]


SMOOTH: tuple[Callable[[Expr, Expr], Expr], ...] = (
    lambda a, b: sin(a),
    lambda a, b: exp(-a * b),
    lambda a, b: a * b,
)
CHOICES: tuple[Callable[[Expr, Expr], Expr], ...] = (
    lambda a, b: sympy.Max(a, b, evaluate=False),
    lambda a, b: sympy.Min(a, b, evaluate=False),
    lambda a, b: sympy.Abs(a),
    lambda a, b: a * sympy.sign(b),
    lambda a, b: sympy.erf(a),
    lambda a, b: sympy.erfc(a),
    lambda a, b: 1 / sympy.cosh(a),
    lambda a, b: b * sympy.sinh(a / 9),
    lambda a, b: log(1 + a**2),
    lambda a, b: Piecewise((a * b, a > b), (a - b, True)),
)


@lru_cache
def drawn(count: int, kinds: Sequence[Callable[[Expr, Expr], Expr]], inputs: int = 100) -> Entries:
    """Each operation, one kind after the other, on two of the last values or inputs."""
    draw = random.Random(count)
    x = array("x", inputs)
    values: list[Expr] = [x[n] for n in range(inputs)]
    found: dict[Any, Expr] = {}
    for number in range(count):
        a, b = draw.sample(values[-inputs:], 2)
        name = f"t{number}"
        found[name] = kinds[number % len(kinds)](a, b)
        values.append(Symbol(name, real=True))
    found["e"] = sympy.Add(*[tanh(value) for value in values[-inputs:]])
    return found, [x]


@lru_cache
def mass_action(species: int, reactions: int) -> Entries:
    """Arrhenius rates, two reactants and two products each, every tenth with falloff by Troe."""
    draw = random.Random(species)
    c, temperature = array("c", species), Symbol("T", real=True)
    change: list[list[Expr]] = [[] for _ in range(species)]
    total = sum(c[n] for n in range(species))

    def arrhenius() -> Expr:
        power, activation = Rational(draw.randrange(-20, 20), 10), Rational(draw.randrange(100, 4000), 1000)
        return draw.randrange(1, 1000) * temperature**power * exp(-activation / temperature)

    for number in range(reactions):
        rate = arrhenius()
        if number % 10 == 0:
            reduced = arrhenius() * total / rate
            broadening = Rational(6, 10) ** (1 / (1 + (log(reduced) / log(10)) ** 2))
            rate = rate * reduced / (1 + reduced) * broadening
        reactants, products = draw.sample(range(species), 2), draw.sample(range(species), 2)
        orders = [draw.choice((1, 1, 2)) for _ in reactants]
        for n, order in zip(reactants, orders):
            rate = rate * c[n] ** order
        for n, order in zip(reactants, orders):
            change[n].append(-order * rate)
        for n in products:
            change[n].append(rate)
    return by_elements("f", [sympy.Add(*terms) for terms in change]), [c, temperature]


@lru_cache
def arm(joints: int) -> Entries:
    """The residual M·u' − f of a chain of rods by Kane's method."""
    _, equations, plain, inputs = _chain(joints)
    return by_elements("r", [_replaced(value, plain) for value in equations]), inputs


@lru_cache
def dynamics(joints: int) -> Entries:
    """The accelerations M⁻¹·f of the same chain."""
    import codegen

    kane, _, plain, (q, u, _) = _chain(joints)
    mass, force = (m.applyfunc(lambda value: _replaced(value, plain)) for m in (kane.mass_matrix, kane.forcing))
    return {"a": codegen.solve(mass, force, assume="positive definite")}, [q, u]


@lru_cache
def _chain(joints: int) -> tuple[Any, list[Expr], Mapping[Any, Expr], list[Any]]:
    """A chain of rods, joints turning about alternating axes: the method, its equations, and arrays for coordinates."""
    from sympy.physics import mechanics

    time_ = mechanics.dynamicsymbols._t
    q, u = (mechanics.dynamicsymbols(f"{name}:{joints}") for name in ("q", "u"))
    ground = mechanics.ReferenceFrame("N")
    origin = mechanics.Point("O")
    origin.set_vel(ground, 0)
    frame, joint, bodies, loads = ground, origin, [], []
    for n in range(joints):
        axis = (frame.x, frame.y, frame.z)[n % 3]
        next_ = frame.orientnew(f"A{n}", "Axis", [q[n], axis])
        next_.set_ang_vel(frame, u[n] * axis)
        centre = joint.locatenew(f"C{n}", Rational(1, 2) * next_.x + Rational(1, 10) * next_.y)
        centre.v2pt_theory(joint, ground, next_)
        end = joint.locatenew(f"P{n}", next_.x)
        end.v2pt_theory(joint, ground, next_)
        inertia = mechanics.inertia(next_, Rational(1, 10), Rational(1, 8), Rational(1, 9))
        bodies.append(mechanics.RigidBody(f"B{n}", centre, next_, Integer(1), (inertia, centre)))
        loads.append((centre, -Rational(981, 100) * ground.z))
        frame, joint = next_, end
    kane = mechanics.KanesMethod(ground, q, u, kd_eqs=[u[n] - q[n].diff(time_) for n in range(joints)])
    with_derivatives = kane.kanes_equations(bodies, loads)
    residual = list(with_derivatives[0] + with_derivatives[1])
    x, speed, rate = array("q", joints), array("u", joints), array("w", joints)
    plain = {u[n].diff(time_): rate[n] for n in range(joints)}
    plain.update({q[n]: x[n] for n in range(joints)} | {u[n]: speed[n] for n in range(joints)})
    plain.update({q[n].diff(time_): speed[n] for n in range(joints)})
    return kane, residual, plain, [x, speed, rate]


def _replaced(expression: Expr, plain: Mapping[Any, Expr]) -> Expr:
    from codegen.walk import fold, rebuild

    def step(node: Any, arguments: list[Any]) -> Any:
        return plain[node] if node in plain else rebuild(node, arguments)

    return fold(expression, step, lambda node: node in plain or not node.args)


@lru_cache
def watson(count: int = 12) -> Entries:
    """The sum of squares of Moré, Garbow and Hillstrom."""
    x = array("x", count)
    residuals: list[Expr] = [x[0], x[1] - x[0] ** 2 - 1]
    for i in range(1, 30):
        t = Rational(i, 29)
        slope = sympy.Add(*[j * x[j] * t ** (j - 1) for j in range(1, count)])
        residuals.append(slope - sympy.Add(*[x[j] * t**j for j in range(count)]) ** 2 - 1)
    return {"e": sympy.Add(*[residual**2 for residual in residuals])}, [x]


@lru_cache
def determinant(rows: int) -> Entries:
    """By minors, each of them written once."""
    a = IndexedBase("a", shape=(rows, rows), real=True)

    @cache
    def minor(row: int, columns: tuple[int, ...]) -> Expr:
        if len(columns) == 1:
            return a[row, columns[0]]
        rest = (columns[:n] + columns[n + 1 :] for n in range(len(columns)))
        return sympy.Add(
            *[(-1) ** n * a[row, column] * minor(row + 1, left) for n, (column, left) in enumerate(zip(columns, rest))]
        )

    return {"e": minor(0, tuple(range(rows)))}, [a]


@lru_cache
def written_out(inputs: int = 300) -> Entries:
    """A chain of Rosenbrock's valleys."""
    x = array("x", inputs)
    pairs = pairwise([x[n] for n in range(inputs)])
    return {"e": sympy.Add(*[100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in pairs])}, [x]


@lru_cache
def geopotential(degree: int = 6) -> Entries:
    """Spherical harmonics of the potential of a planet, by Cunningham's recursion."""
    p = array("p", 3)
    x, y, z = (p[n] for n in range(3))
    r2 = x**2 + y**2 + z**2
    v: dict[tuple[int, int], Expr] = {(0, 0): 1 / sqrt(r2)}
    w: dict[tuple[int, int], Expr] = {(0, 0): Integer(0)}
    for m in range(degree + 1):
        if m:
            a, b = v[m - 1, m - 1], w[m - 1, m - 1]
            v[m, m], w[m, m] = (2 * m - 1) * (x * a - y * b) / r2, (2 * m - 1) * (x * b + y * a) / r2
        for n in range(m + 1, degree + 1):
            for table in (v, w):
                before = table.get((n - 2, m), Integer(0))
                table[n, m] = ((2 * n - 1) * z * table[n - 1, m] / r2 - (n + m - 1) * before / r2) / (n - m)
    draw = random.Random(1)
    terms = [draw.uniform(-1, 1) * table[key] for table in (v, w) for key in table]
    return {"e": sympy.Add(*terms)}, [p]


@lru_cache
def lstm(steps: int = 64, inputs: int = 2, units: int = 3) -> Entries:
    """An LSTM's steps one after the other, each scalar a formula, and the squares of its last state."""
    x, h0 = IndexedBase("x", shape=(steps, inputs), real=True), array("h0", units)
    weights = {g: IndexedBase(f"W{g}", shape=(units, inputs + units + 1), real=True) for g in "ifog"}
    found: dict[Any, Expr] = {}
    hidden: list[Expr] = [h0[n] for n in range(units)]
    cell: list[Expr] = [Integer(0)] * units
    for t in range(steps):
        given = [*(x[t, n] for n in range(inputs)), *hidden, Integer(1)]
        for n in range(units):
            i, f, o, g = (sympy.Add(*[w[n, k] * value for k, value in enumerate(given)]) for w in weights.values())
            name = f"c{t}_{n}"
            found[name] = cell[n] / (1 + exp(-f)) + tanh(g) / (1 + exp(-i))
            cell[n] = Symbol(name, real=True)
            found[f"h{t}_{n}"] = tanh(cell[n]) / (1 + exp(-o))
        hidden = [Symbol(f"h{t}_{n}", real=True) for n in range(units)]
    found["e"] = sympy.Add(*[value**2 for value in hidden])
    return found, [x, h0, *weights.values()]


@lru_cache
def brusselator(points: int = 500) -> Entries:
    """Two substances on a line by the method of lines, given beyond its ends: indices and shifts."""
    i = Idx("i", points)
    u, v, f, g = (array(name, points) for name in "uvfg")

    def diffused(s: IndexedBase, beyond: int) -> Expr:
        left, right = (
            Piecewise((s[i - 1], i > 0), (beyond, True)),
            Piecewise((s[i + 1], i < points - 1), (beyond, True)),
        )
        return Rational(1, 50) * (points + 1) ** 2 * (left - 2 * s[i] + right)

    change = {
        f[i]: 1 + u[i] ** 2 * v[i] - 4 * u[i] + diffused(u, 1),
        g[i]: 3 * u[i] - u[i] ** 2 * v[i] + diffused(v, 3),
    }
    return change, [u, v]


CASES: Mapping[str, Formula] = {
    **{
        f"random {n:,}": Formula(partial(random_operations, n), "gradient", "e")
        for n in (1_000, 3_000, 10_000, 30_000, 100_000)
    },
    **{f"smooth {n:,}": Formula(partial(drawn, n, SMOOTH), "gradient", "e") for n in (500, 5_000)},
    **{f"choices {n:,}": Formula(partial(drawn, n, CHOICES), "gradient", "e") for n in (500, 5_000)},
    **{
        f"mass action {n}/{m}": Formula(partial(mass_action, n, m), "jacobian", "f", ["c"])
        for n, m in ((10, 25), (20, 60), (40, 200))
    },
    "mechanism 200/2000": Formula(partial(mass_action, 200, 2000), "values", "f", is_plain=False),
    "mechanism 200/2000 jacobian": Formula(partial(mass_action, 200, 2000), "jacobian", "f", ["c"], is_plain=False),
    **{f"arm {n}": Formula(partial(arm, n), "jacobian", "r", ["q", "u"]) for n in (3, 5, 6)},
    **{f"dynamics {n}": Formula(partial(dynamics, n), "jacobian", "a", ["q", "u"], is_plain=False) for n in (3, 6)},
    "watson 12 gradient": Formula(watson, "gradient", "e"),
    "watson 12 hessian": Formula(watson, "hessian", "e"),
    **{f"determinant {n}": Formula(partial(determinant, n), "gradient", "e") for n in (6, 7, 8, 9)},
    "written out 300": Formula(written_out, "gradient", "e"),
    "lstm 64 steps": Formula(lstm, "gradient", "e"),
    "brusselator 500": Formula(brusselator, "sparse_jacobian", ["f", "g"], ["u", "v"], is_plain=False),
    "geopotential gradient": Formula(geopotential, "gradient", "e"),
    "geopotential hessian": Formula(geopotential, "hessian", "e"),
}


@dataclass(frozen=True)
class Row:
    """Seconds of processor time, and of a call."""

    name: str
    operations: int
    """Of the formula itself, equal ones once."""
    read: float
    derive: float
    compile: float
    stages: Mapping[str, float]
    call: float
    code: int | None
    """Bytes of machine code of ours, its constants included."""
    how: str
    others: Mapping[str, str] = field(default_factory=dict)
    """Of each peer the seconds and the microseconds of a call, or why there are none."""

    @property
    def seconds(self) -> float:
        return self.read + self.derive + self.compile

    def __str__(self) -> str:
        stages = " ".join(f"{self.stages.get(name, 0.0):8.2f}" for name in STAGES)
        code = "–" if self.code is None else f"{self.code / 1000:.0f}"
        total = f"{self.read:8.2f} {self.derive:8.2f} {self.compile:8.2f}"
        return f"{self.name:24} {self.operations:9,} {total} {stages} {self.call * 1e6:10.2f} {code:>8}  {self.how}"

    def cells(self) -> dict[str, str]:
        """A row of the table: seconds until the first call, and microseconds of a call."""
        ours = f"{self.seconds:.2f} / {self.call * 1e6:.2f}"
        return {"formula": self.name, "operations": f"{self.operations:,}", "ours": ours, **self.others}


HEAD = (
    f"{'seconds':24} {'nodes':>9} {'read':>8} {'derive':>8} {'compile':>8} "
    f"{' '.join(f'{s:>8}' for s in STAGES)} {'call/µs':>10} {'code/kB':>8}"
)


def call_time(call: Callable[[], Any]) -> float:
    """The least of some rounds, each of so many calls that the clock is fine enough."""
    begun = time.perf_counter()
    call()
    number = max(1, min(10_000, int(0.005 / max(time.perf_counter() - begun, 1e-7))))

    def once() -> float:
        begun = time.perf_counter()
        for _ in range(number):
            call()
        return (time.perf_counter() - begun) / number

    return min(once() for _ in range(25))


def spent() -> float:
    """Processor time of this process and of the compilers that it has called."""
    return time.process_time() + sum(os.times()[2:4])


def measured(name: str, formula: Formula, tier: Any, peers: Sequence[str]) -> Row:
    import codegen

    formula.entries()
    times = [spent()]
    graph = formula.read()
    times.append(spent())
    derived = formula.derive(graph)
    times.append(spent())
    function = codegen.compile(derived, tier=tier, cache=False)
    times.append(spent())
    draw = np.random.default_rng(0)
    layout = function.layout
    arguments = [draw.uniform(0.5, 1.5, slot.shape) if slot.shape else np.array(1.1) for slot in layout.arguments]
    given = [value if value.shape else float(value) for value in arguments]
    call = function.bind(*given, out=[np.empty(slot.shape) for slot in layout.arrays])
    read, derive, compile_ = (b - a for a, b in pairwise(times))
    report = function.report
    how = f"{report.schedule}, {report.emitter}"
    size = len(graph.equations if graph.formulas is None else graph.formulas.nodes)
    row = Row(name, size, read, derive, compile_, report.stages, call_time(call), code_size(report), how)
    if not formula.is_plain or not isinstance(formula.of, str):
        return row
    values = dict(zip([slot.name for slot in layout.arguments], arguments))
    entries = {str(key.name) if isinstance(key, Symbol) else key: value for key, value in formula.entries()[0].items()}
    wrt = formula.wrt or list(values)
    system = formula_peers.System(entries, formula.kind, formula.of, values, wrt, size)
    return replace(row, others={peer: beside(peer, system, flat(formula, call())) for peer in peers})


def code_size(report: Any) -> int | None:
    """The bytes of a line in machine code of ours."""
    straight = report.compilation.straight
    return None if straight is None or straight.assembly is None else len(straight.assembly.write(0))


def flat(formula: Formula, results: Sequence[Any]) -> np.ndarray:
    """The derivatives as peers have them: a row for each result, or for each of the first derivatives."""
    _, *blocks = results
    if formula.kind == "gradient":
        return np.concatenate([np.ravel(block) for block in blocks])
    rows = np.shape(blocks[0])[0]
    return np.hstack([np.reshape(block, (rows, -1)) for block in blocks]).ravel()


def beside(peer: str, system: formula_peers.System, ours: np.ndarray) -> str:
    """The seconds and microseconds of a peer, if its values are right."""
    begun = spent()
    try:
        call = formula_peers.PEERS[peer].prepare(system)
        found = np.array(call())
    except formula_peers.LeftOut as reason:
        return str(reason)
    except Exception as error:
        return f"{type(error).__name__}"
    seconds = spent() - begun
    off = np.abs(found - ours).max() / np.abs(ours).max() if found.shape == ours.shape else np.inf
    wrong = "" if off <= TOLERANCE else f", wrong by {off:.0e}"
    return f"{seconds:.2f} / {call_time(call) * 1e6:.2f}{wrong}"


TOLERANCE = 1e-10
"""Of the largest derivative."""


def plot(rows: Sequence[Row], file: str) -> None:
    """Seconds against operations, both logarithmic, beside a straight line through the origin."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "formulas"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    operations = [row.operations for row in rows]
    parts = {
        "read": [row.read for row in rows],
        "read and derive": [row.read + row.derive for row in rows],
        "read, derive and compile": [row.seconds for row in rows],
    }
    for name, seconds in parts.items():
        axes.loglog(operations, seconds, "o-", label=name)
    scale = rows[-1].seconds / operations[-1]
    axes.loglog(operations, [scale * n for n in operations], ":", color="grey", label="linear")
    axes.set_xlabel("operations of the formula")
    axes.set_ylabel("processor time, s")
    axes.legend()
    axes.grid(which="both", alpha=0.2)
    figure.savefig(file, metadata={"Date": None})


def chosen(words: list[str]) -> Iterator[tuple[str, Formula]]:
    return ((name, case) for name, case in CASES.items() if not words or any(word in name for word in words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="names of cases or parts of them")
    parser.add_argument("--tier", default="full")
    everyone = ",".join(formula_peers.PEERS)
    parser.add_argument("--peers", nargs="?", const=everyone, default="", help="names of peers, a,b; all without")
    parser.add_argument("--plot", default="", help="a file for the picture of seconds against operations")
    import codegen
    from tests.benchmarks.rendering import table

    x = Symbol("x")
    codegen.compile(codegen.from_expressions({"y": x**2}, [x]), cache=False)(1.0)  # what a process pays once
    arguments = parser.parse_args()
    print(HEAD)
    rows = []
    for name, formula in chosen(arguments.cases):
        rows.append(measured(name, formula, arguments.tier, [peer for peer in arguments.peers.split(",") if peer]))
        print(rows[-1], *(f"\n    {peer:12} {text}" for peer, text in rows[-1].others.items()), flush=True)
    if arguments.peers:
        names = list(dict.fromkeys(column for row in rows for column in row.cells()))
        print(table([{name: row.cells().get(name, "–") for name in names} for row in rows]))
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
