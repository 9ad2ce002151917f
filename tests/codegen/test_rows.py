"""What it takes to add a function: its class with its row, and for a vector form the formula in lanes; no table.

And what it takes to add a target: a module and a row.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sympy import Add, Expr, atan, symbols, tan, tanh

import codegen
from codegen import Equation, Graph, Index, Variable, export
from codegen.emit import vectormath
from codegen.emit.c.function import CFunction
from codegen.emit.lanes import Lanes
from codegen.emit.numpy import numpy_function
from codegen.functions import Composite, Operation, Primitive, absolute, sech, select, softplus
from codegen.functions.operation import Instructions
from codegen.ir.operations import count_operations
from codegen.notation.latex import latex
from codegen.notation.text import text
from codegen.numeric import evaluate, evaluate_exactly, rounded
from symnn import Network, cli
from symnn.activations import ACTIVATIONS, Activation
from tests.codegen.networks import S

pytestmark = pytest.mark.values


class mish(Composite):  # noqa: N801
    """x·tanh(softplus(x)) (Misra 2019)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return x * tanh(softplus(x))


class gudermannian(Primitive):  # noqa: N801
    """gd(x) = 2·atan(tanh(x/2)), with derivative sech(x)."""

    nargs = 1
    row = Operation(written=lambda x: 2 * atan(tanh(x / 2)))

    def fdiff(self, argindex: int = 1) -> Expr:
        return sech(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return 2 * mp.atan(mp.tanh(x / 2))


def _outside(code: Instructions, x: Any) -> Any:
    return code.choose(code.compare(">", x, 0.5), x, code.choose(code.compare("<", x, -0.5), x, 0.0))


class deadzone(Primitive):  # noqa: N801
    """x where |x| > ½, else 0: a choice, which a vector form is not needed for."""

    nargs = 1
    row = Operation(instructions=_outside)

    def fdiff(self, argindex: int = 1) -> Expr:
        return select(absolute(self.args[0]) - 0.5, 1, 0)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return x if abs(x) > 0.5 else mp.mpf(0)


def in_lanes(lanes: Lanes, x: Any) -> Any:
    return lanes.mul(vectormath.circular.atan(lanes, vectormath.exponential.tanh(lanes, lanes.mul(x, 0.5))), 2.0)


@pytest.fixture(autouse=True)
def vector_form() -> Iterator[None]:
    vectormath.form(gudermannian)(in_lanes)
    yield
    del vectormath.FORMS[gudermannian]


ADDED = {
    mish: lambda x: x * np.tanh(np.log1p(np.exp(x))),
    gudermannian: lambda x: 2 * np.arctan(np.tanh(x / 2)),
    deadzone: lambda x: np.where(np.abs(x) > 0.5, x, 0.0),
}
x, y, s = Variable("x", (S,)), Variable("y", (S,)), Index("s", S)
POINTS = np.array([-3.1, -0.4, 0.0, 1e-9, 0.7, 2.5, 6.0, 9.5, 11.0])
every_one = pytest.mark.parametrize("kind", ADDED, ids=lambda kind: kind.__name__)


@cache
def graph(kind: type[Expr]) -> Graph:
    return Graph((x,), (Equation(y[s], kind(x[s])),), ("y",))


@cache
def gradient(kind: type[Expr]) -> Graph:
    loss = Variable("loss")
    total = Equation(loss.symbol, y[s], codegen.Reduction.SUM, (s,))
    return codegen.gradient(Graph((x,), (*graph(kind).equations, total), ("loss",)), "loss", ["x"])


@every_one
def test_it_is_evaluated(kind: type[Expr]) -> None:
    expected = ADDED[kind](POINTS)
    np.testing.assert_allclose(evaluate(graph(kind), {"x": POINTS})["y"], expected, rtol=1e-14)
    np.testing.assert_allclose(rounded(evaluate_exactly(graph(kind), {"x": POINTS})["y"]), expected, rtol=1e-14)
    np.testing.assert_allclose(numpy_function(graph(kind))(POINTS)[0], expected, rtol=1e-14)


@every_one
@pytest.mark.parametrize("emitter", ["numba", "vector"])
def test_it_and_its_derivative_are_compiled(kind: type[Expr], emitter: str) -> None:
    exact = evaluate_exactly(gradient(kind), {"x": POINTS})
    found = codegen.compile(gradient(kind), emitter=emitter)(POINTS)  # type: ignore[arg-type]
    for value, name in zip(found, gradient(kind).outputs):
        np.testing.assert_allclose(value, rounded(exact[name]), rtol=1e-13)


def test_a_choice_stands_in_straight_lines_too() -> None:
    u = symbols("u", real=True)
    graph = codegen.from_expressions({"v": Add(*[deadzone(u * n) for n in range(1, 101)])}, [u])
    function = codegen.compile(graph)
    assert "this line of scalar instructions" in function.source
    assert function(0.02) == pytest.approx(sum(0.02 * n for n in range(26, 101)))


@every_one
def test_its_derivative_is_right(kind: type[Expr]) -> None:
    step = evaluate(graph(kind), {"x": POINTS + 1e-100j}, np.complex128)["y"].imag / 1e-100
    slope = gradient(kind).outputs[1]
    np.testing.assert_allclose(evaluate(gradient(kind), {"x": POINTS})[slope], step, rtol=1e-12)


@every_one
def test_it_is_written_and_counted(kind: type[Expr]) -> None:
    name = kind.__name__
    assert text(kind(x[s])) == f"{name}(x[s])"
    assert latex(kind(x[s])) == rf"\operatorname{{{name}}}\left(x_{{s}}\right)"
    wanted = {"softplus": 1, "tanh": 1, "multiply": 1} if kind is mish else {name: 1}
    assert count_operations(graph(kind)) == wanted


def test_an_activation_is_known_to_specs_by_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIVATIONS, "mish", Activation("mish", mish))  # type: ignore[arg-type]
    spec = {"inputs": 2, "layers": [{"dense": 3, "activation": "mish"}, {"dense": 1}], "loss": "mean_squared_error"}
    network = Network.from_spec(spec)
    assert "a1[s, h] = mish(u1[s, h])" in str(network.graph)


# --- a target -----------------------------------------------------------------------------------------------------


def test_a_target_is_a_module_and_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The optimised equations as text, and with an example the values that they have there."""
    outline: Any = ModuleType("outline")
    outline.ABOUT, outline.LANGUAGE, outline.function = "Write an outline of a graph.", "outlines", CFunction
    outline.refused = lambda node: "tan" if isinstance(node, tan) else None
    outline.files = lambda found, notes: {f"{found.name}.txt": "\n".join(map(str, found.program.graph.equations))}
    outline.trial = lambda found, values, expected: {"values.txt": f"{values['a']} {expected['e']}"}
    monkeypatch.setitem(sys.modules, "outline", outline)
    monkeypatch.setitem(export.TARGETS, "outline", export.Written("outline"))  # type: ignore[arg-type]
    write, a = export.writer("outline"), symbols("a")
    assert (write.__name__, write.__doc__) == ("write_outline", outline.ABOUT)
    paths = write(codegen.from_expressions({"e": tanh(a) ** 2}, [a]), tmp_path, name="net", example={"a": 0.0})
    assert [path.read_text() for path in paths] == ["e = tanh(a)**2", "0.0 0.0"]
    with pytest.raises(codegen.EmitError, match=r"^tan, in the equation of 'e', has no form in outlines"):
        write(codegen.from_expressions({"e": tan(a)}, [a]), tmp_path)
    with pytest.raises(codegen.EmitError, match="triple: found 'wasm32', expected none: outline is for every machine"):
        write(codegen.from_expressions({"e": a}, [a]), tmp_path, triple="wasm32")


def test_the_command_line_has_every_target() -> None:
    assert cli.TARGETS.keys() == {*export.TARGETS, "onnx"}
