"""The spec of a network built in Python: functions of SymPy expressions become text of the formulas that specs hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import sympy
from sympy import Expr, Symbol
from sympy.core.basic import Basic
from sympy.printing.str import StrPrinter

from codegen import functions as real
from codegen.numeric.evaluate import evaluate
from codegen.passes.stabilise import stabilise
from symnn.choices import Choice
from symnn.errors import SpecError
from symnn.formula import FUNCTIONS, MAX_NODES, parse_formula
from symnn.layers.flow import Flow
from symnn.layers.reading import plain
from symnn.models import Steps, sentence
from symnn.network import Network
from symnn.shapes import plain_inputs
from symnn.spec import Spec, load_spec
from symnn.suggest import quote

TOLERANCE = 1e-12
"""By how much the loss of a spec may differ from that of the network: constants such as sqrt(2) are rounded in text."""


def spec_of(network: Network) -> Spec:
    """The spec that describes a network, its activations and loss written as formulas where they are functions.

    Raises :class:`SpecError` naming the layer, or the loss, that has no such text.

    >>> from symnn.network import dense
    >>> layers = dense(3, lambda x: x * sympy.tanh(real.softplus(x))), dense(1)
    >>> spec_of(Network(2, layers, "mean_squared_error")).layers[0].activation.formula
    'x*tanh(softplus(x))'
    """

    def write(function: Callable[..., Expr], path: Steps) -> dict[str, str]:
        return {"formula": _formula(function, ("x",), sentence("", path, "").strip(": "))}

    match network.layers:
        case (Flow() as flow,):
            layers = plain(flow, write)
        case others:
            layers = [layer.to_plain(write, ("layers", number)) for number, layer in enumerate(others)]
    loss = _plain(network.loss, ("output", "target"), "loss")
    inputs = plain_inputs(network.inputs)
    spec = load_spec({"inputs": inputs, "layers": layers, "loss": loss, "steps": network.steps, **_penalties(network)})
    if callable(network.loss) and not isinstance(network.loss, Choice):
        _check_loss(network, Network.from_spec(spec))
    return spec


def _penalties(network: Network) -> dict[str, float]:
    found = {"weight_decay": network.weight_decay, "l1": network.l1}
    for name, strength in found.items():
        if strength is None:
            raise SpecError(f"{name}: found None, expected a number: what is given with each call is in no spec")
    return {name: float(strength) for name, strength in found.items() if strength}


def write_formula(expression: Expr, where: str, others: Mapping[Any, str] = MappingProxyType({})) -> str:
    """The text that :func:`~symnn.formula.parse_formula` reads as the expression; ``others`` are further functions.

    Raises :class:`SpecError`, its message beginning with ``where``, for what formulas do not have.

    >>> x = Symbol("x", real=True)
    >>> write_formula(sympy.Rational(1, 2) * x * (1 + sympy.erf(x / sympy.sqrt(2))), "layers[0].activation")
    'x*(erf(sqrt(2)*x/2) + 1)/2'
    >>> write_formula(sympy.besselj(0, x), "layers[0].activation")
    Traceback (most recent call last):
    symnn.errors.SpecError: layers[0].activation: found besselj(…), which formulas of a spec do not have
    """
    # From the outside in, so that what is named is what the user wrote; and no further than a formula may be long.
    names = {**_NAMES, **others}
    walk = sympy.preorder_traversal(expression)
    for count, node in enumerate(walk):
        if isinstance(node, (sympy.Indexed, sympy.Idx)):
            walk.skip()
        if count == MAX_NODES:
            raise SpecError(f"{where}: found a formula of more than {MAX_NODES} parts, expected at most so many")
        if not (isinstance(node, _ARITHMETIC) or node is sympy.pi or node.func in names):
            raise SpecError(f"{where}: found {type(node).__name__}(…), which formulas of a spec do not have")
    return str(_Printer({"names": names}).doprint(expression))


class _Printer(StrPrinter):  # type: ignore[misc]  # SymPy has no types
    """SymPy's notation with the names of formulas, and floats to the last digit."""

    _default_settings: ClassVar = {**StrPrinter._default_settings, "names": {}}

    def _print_Function(self, expression: Basic) -> str:
        return f"{self._settings['names'][expression.func]}({', '.join(map(self.doprint, expression.args))})"

    # SymPy has printers of its own for these.
    _print_Abs = _print_Max = _print_Min = _print_ExpBase = _print_exp = _print_Function  # noqa: N815

    def _print_Exp1(self, expression: Basic) -> str:
        return "exp(1)"

    def _print_Float(self, number: Any) -> str:
        return repr(float(number))


_ARITHMETIC = (
    Symbol,
    sympy.Add,
    sympy.Mul,
    sympy.Pow,
    sympy.Rational,
    sympy.Float,
    type(sympy.E),
    sympy.Indexed,
    sympy.Idx,
)

_NAMES: Mapping[type[Basic], str] = {
    **{
        FUNCTIONS[name].build(Symbol("x", real=True)).func: name
        for name in FUNCTIONS
        if name != "sqrt" and FUNCTIONS[name].arity[0] == 1  # a square root is a power
    },
    real.maximum: "maximum",
    real.minimum: "minimum",
    sympy.Max: "maximum",
    sympy.Min: "minimum",
    sympy.Abs: "abs",
    sympy.sign: "sign",
}
"""The name of each function in formulas."""


def _plain(choice: Any, variables: tuple[str, ...], where: str) -> Any:
    """A choice as a spec writes it."""
    if isinstance(choice, Choice):
        return choice.to_plain()
    return {"formula": _formula(choice, variables, where)} if callable(choice) else choice


def _formula(function: Callable[..., Expr], variables: tuple[str, ...], where: str) -> str:
    symbols = {name: Symbol(name, real=True) for name in variables}
    expression = sympy.sympify(function(*symbols.values()), strict=True)  # strict: no text is evaluated
    if not isinstance(expression, Expr) or not expression.free_symbols <= set(symbols.values()):
        raise SpecError(
            f"{where}: found {quote(str(function))}, expected a function of {' and '.join(variables)} alone"
        )
    text = write_formula(expression, where)
    parse_formula(text, symbols, FUNCTIONS, where)  # names what the text holds that formulas refuse
    return text


def _check_loss(network: Network, rebuilt: Network) -> None:
    """The two losses are equal, or as near as constants rounded to float64 allow; a checkpoint holds outputs only."""
    if rebuilt.graph == network.graph:
        return
    generator = np.random.Generator(np.random.PCG64(0))
    theta = network.initial_parameters()
    values = {**network.unmerged(theta), **{v.name: generator.normal(size=(8, *v.shape[1:])) for v in network.data}}
    # By NumPy, which takes milliseconds; to compile both takes three seconds.
    graphs = (stabilise(each.graph) for each in (network, rebuilt))
    expected, found = (float(evaluate(graph, values)["loss"]) for graph in graphs)
    if not (abs(found - expected) <= TOLERANCE * max(1.0, abs(expected)) or (found != found and expected != expected)):
        raise SpecError(f"loss: found {found} by its formula, expected {expected} as the function gives")
