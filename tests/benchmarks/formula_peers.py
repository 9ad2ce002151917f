"""What others make of a large formula: the seconds until it is called, what a call takes, and whether it is right.

Each is given SymPy's formulas operation by operation, a shared part once, as its own numbers; those that take SymPy get
the formulas and derivatives as SymPy has them, shared parts as intermediate names where they know of such.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from sympy import Add, Expr, Indexed, Mul, Pow, Symbol
from sympy.core.basic import Basic

from codegen.walk import base_name, is_leaf, postorder


class LeftOut(Exception):  # noqa: N818  (nothing is wrong)
    """A peer does not apply to a formula; says why."""


@dataclass(frozen=True)
class System:
    """Formulas of arrays, what of them is differentiated, by what, and where."""

    entries: Mapping[Any, Expr]
    kind: str
    """``gradient``, ``jacobian`` or ``hessian``."""
    of: str
    values: Mapping[str, np.ndarray]
    """Of each input."""
    wrt: Sequence[str]
    size: int
    """Its operations."""

    @property
    def point(self) -> np.ndarray:
        """Those that are differentiated by, one after the other."""
        return self._flat(self.wrt)

    @property
    def parameters(self) -> np.ndarray:
        """The others."""
        return self._flat(self._others)

    @property
    def _others(self) -> list[str]:
        return [name for name in self.values if name not in self.wrt]

    def _flat(self, names: Sequence[str]) -> np.ndarray:
        return np.concatenate([np.zeros(0), *[self.values[name].ravel() for name in names]])

    def results(self, x: Sequence[Any], parameters: Sequence[Any], words: Any) -> list[Any]:
        """The formulas over the numbers of a library, which stand for the point and the parameters."""
        names = [(name, place) for name in (*self.wrt, *self._others) for place in np.ndindex(self.values[name].shape)]
        leaves: dict[Any, Any] = dict(zip(names, (*x, *parameters), strict=True))
        found: dict[int, Any] = {}
        results = []
        for key, expression in self.entries.items():
            for node in postorder(expression, lambda node: id(node) in found or is_leaf(node)):
                if id(node) not in found:
                    found[id(node)] = _value(node, [found.get(id(a)) for a in node.args], leaves, words)
            name, place = (key, ()) if isinstance(key, str) else (base_name(key), tuple(map(int, key.indices)))
            leaves[name, place] = found[id(expression)]
            if name == self.of:
                results.append(found[id(expression)])
        return results


def _value(node: Basic, arguments: list[Any], leaves: Mapping[Any, Any], words: Any) -> Any:
    if isinstance(node, Symbol):
        return leaves[node.name, ()]
    if isinstance(node, Indexed):
        return leaves[base_name(node), tuple(map(int, node.indices))]
    if node.is_number:
        return float(node)
    if isinstance(node, (Add, Mul)):
        total = arguments[0]
        for argument in arguments[1:]:
            total = total + argument if isinstance(node, Add) else total * argument
        return total
    if isinstance(node, Pow):
        return _power(arguments[0], node.exp, arguments[1], words)
    return getattr(words, node.func.__name__)(arguments[0])


def _power(base: Any, exponent: Expr, value: Any, words: Any) -> Any:
    if exponent.is_Integer:
        power = base
        for _ in range(abs(int(exponent)) - 1):
            power = power * base
        return power if exponent > 0 else 1.0 / power
    if exponent in (sympy.S.Half, -sympy.S.Half):
        return words.sqrt(base) if exponent.is_positive else 1.0 / words.sqrt(base)
    return words.exp(value * words.log(base)) if not isinstance(base, float) else words.exp(value * float(np.log(base)))


Call = Callable[[], np.ndarray]
"""What is timed; it returns the derivatives, flat."""


def casadi(system: System) -> Call:
    import casadi as library

    from tests.benchmarks.peers.casadi_c import bound, in_c

    x, p = library.SX.sym("x", system.point.size), library.SX.sym("p", system.parameters.size)
    found = library.vertcat(*system.results(library.vertsplit(x), library.vertsplit(p), library))
    derivative = library.hessian(found, x)[0] if system.kind == "hessian" else library.jacobian(found, x)
    made = library.Function("f", [x, p], [found, library.densify(derivative.T)])
    call, results = bound(in_c(made), [system.point, system.parameters])

    def both() -> np.ndarray:
        call()
        return results[1]

    return both


def ddx(system: System) -> Call:
    import ddx as library

    def model() -> Any:
        x = [library.var(f"x{n}") for n in range(system.point.size)]
        p = [library.param(f"p{n}") for n in range(system.parameters.size)]
        found = system.results(x, p, library)
        return found[0] if len(found) == 1 else tuple(found)

    equation = library.equation(model)
    want = library.Want.HESSIAN if system.kind == "hessian" else library.Want.JACOBIAN
    equation.compile()
    call = equation.buffer(np.concatenate([system.point, system.parameters]), want=want)

    def run() -> np.ndarray:
        call()
        return np.asarray(call.hessian if system.kind == "hessian" else call.jacobian).ravel()

    return run


def rsdag(system: System) -> Call:
    import rsdag as library

    def formula(x: Any, p: Any) -> Any:
        return system.results(x, p, np)[0]

    if system.kind == "hessian":
        function = library.jacobian(library.grad(formula), native=True)
    elif system.kind == "gradient":
        function = library.grad(formula, native=True)
    else:
        function = library.jacobian(lambda x, p: system.results(x, p, np), native=True)
    given = system.point, system.parameters
    return lambda: np.asarray(function(*given)).ravel()


def jax(system: System) -> Call:
    import jax as library

    library.config.update("jax_enable_x64", True)

    def formulas(x: Any, p: Any) -> Any:
        found = system.results(list(x), list(p), library.numpy)
        return found[0] if len(found) == 1 else library.numpy.stack(found)

    kinds = {"gradient": library.grad, "hessian": library.hessian, "jacobian": library.jacfwd}
    function = library.jit(kinds[system.kind](formulas))
    given = library.numpy.asarray(system.point), library.numpy.asarray(system.parameters)
    return lambda: np.asarray(function(*given)).ravel()


def _in_symbols(system: System, library: Any, diff: Callable[[Any, Any], Any]) -> tuple[list[Any], list[Any]]:
    """The symbols of a library of formulas, and the first derivatives."""
    if system.kind == "hessian":
        raise LeftOut("second derivatives take minutes")
    x, p = ([library.Symbol(f"{n}{i}") for i in range(v.size)] for n, v in zip("xp", (system.point, system.parameters)))
    return [*x, *p], [diff(value, symbol) for value in system.results(x, p, library) for symbol in x]


def sympys(system: System) -> Call:
    symbols, derivatives = _in_symbols(system, sympy, sympy.diff)
    function = sympy.lambdify([symbols], derivatives, modules="math", cse=True)
    point = [*system.point, *system.parameters]
    return lambda: np.array(function(point))


def symjit(system: System) -> Call:
    import symjit as library

    symbols, derivatives = _in_symbols(system, sympy, sympy.diff)
    function, point = library.compile_func(symbols, derivatives), [*system.point, *system.parameters]
    return lambda: np.array(function(*point))


def symengine(system: System) -> Call:
    import symengine as library

    if not library.have_llvm:
        raise LeftOut("without LLVM")
    symbols, derivatives = _in_symbols(system, library, lambda value, symbol: value.diff(symbol))
    function = library.Lambdify(symbols, derivatives, backend="llvm", cse=True)
    point, out = np.concatenate([system.point, system.parameters]), np.empty(len(derivatives))

    def run() -> np.ndarray:
        function(point, out=out)
        return out

    return run


@dataclass(frozen=True)
class Peer:
    """A library, how it is asked, and the largest formula that it is given: it would take minutes with more."""

    build: Callable[[System], Call]
    library: str
    most: int

    def prepare(self, system: System) -> Call:
        """Raises :class:`LeftOut` if it does not apply or is not installed."""
        try:
            importlib.import_module(self.library)
        except ImportError as error:
            raise LeftOut("not installed") from error
        if system.size > self.most:
            raise LeftOut(f"over {self.most:,}")
        return self.build(system)


PEERS: Mapping[str, Peer] = {
    "CasADi": Peer(casadi, "casadi", 5_000),
    "ddx": Peer(ddx, "ddx", 200_000),
    "rsdag": Peer(rsdag, "rsdag", 200_000),
    "symjit": Peer(symjit, "symjit", 1_500),
    "symengine": Peer(symengine, "symengine", 1_500),
    "SymPy": Peer(sympys, "sympy", 800),
    "JAX": Peer(jax, "jax", 1_500),
}
