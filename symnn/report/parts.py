"""What a page needs of one network to let it learn: functions that the compiler wrote, first parameters, formulas."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sympy import Symbol

from codegen import Equation, Graph, Index, Reduction, Variable, random_normal, random_uniform
from codegen.export import Request, generate, webassembly_text
from symnn.checkpoint import FORMAT
from symnn.errors import SpecError
from symnn.export import gradient_request
from symnn.inspect.formulas import sections
from symnn.layers.dense import Dense
from symnn.network import Network
from symnn.optimisers import OPTIMISERS
from symnn.report.written import formulas

SEEDS = 5
FEATURES, LAYERS, UNITS, OUTPUTS = 2, 8, 128, 4
"""Of a network that a page can draw, each at most."""
LOSSES = ("softmax_cross_entropy", "binary_cross_entropy", "mean_squared_error", "huber")


def check_shown(network: Network, source: str) -> None:
    """Refuse, by name, what the playground cannot draw: it has dense layers over one or two numbers."""
    if network.inputs not in range(1, FEATURES + 1):
        raise SpecError(f"{source}: inputs: expected 1 or 2 numbers for the playground, found {network.inputs!r}")
    if len(network.layers) > LAYERS:
        raise SpecError(f"{source}: layers: expected at most {LAYERS} for the playground, found {len(network.layers)}")
    for number, layer in enumerate(network.layers):
        where = f"{source}: layers[{number}]"
        last = number == len(network.layers) - 1
        if not isinstance(layer, Dense) or not layer.bias or layer.initialiser is not None:
            raise SpecError(f"{where}: expected a dense layer with its bias and usual initialiser for the playground")
        if layer.dense > (most := OUTPUTS if last else UNITS):
            raise SpecError(f"{where}.dense: expected at most {most} units for the playground, found {layer.dense:,}")
        if last and layer.activation is not None:
            raise SpecError(f"{where}.activation: expected none in the last layer for the playground")
    if network.outputs > 1 and network.reading != "classes":
        raise SpecError(f"{source}: layers: expected one output with this loss, found {network.outputs}")


def parts(network: Network) -> dict[str, Any]:
    """What a picture of a network needs: the values of its units as the text of a module, and data that go with it.

    >>> from symnn.network import dense
    >>> found = parts(Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy"))
    >>> sorted(found["modules"]), found["units"], found["parameters"]
    (['look'], ['a1'], 17)
    """
    return {
        "modules": {"look": emitted(look(network, units(network)))},
        "units": units(network),
        "format": FORMAT,
        "parameters": network.parameter_count,
        "layout": [[p.name, p.where.start, p.where.stop, list(p.shape)] for p in network.layout.values()],
        "starts": [network.initial_parameters(seed).tolist() for seed in range(SEEDS)],
    }


def learning(network: Network) -> dict[str, Any]:
    """What a network learns by: loss and gradient."""
    return {"modules": {"gradient": emitted(gradient(network))}}


def rest(network: Network) -> dict[str, Any]:
    """What nothing else waits for: formulas, and the outputs alone in float64, by which weights are checked."""
    theta = {"theta": list(network.layout)}
    predict = Request(network.forward_graph, "predict", "float64", "loops", pack=theta)
    return {"modules": {"predict": emitted(predict)}, "formulas": formulas(sections(network))}


def look(network: Network, names: Sequence[str]) -> Request:
    """The values of units, by the names of their layers, and of the outputs."""
    # Tiles take a third of the time of loops for maps of 16,384 points, and auto a third longer to choose them.
    forward, theta = network.forward_graph, {"theta": list(network.layout)}
    return Request(forward.with_outputs(*names, *forward.outputs), "look", "float32", "tiled", pack=theta)


def gradient(network: Network) -> Request:
    """Loss and gradient: loops for a few hundred rows are as fast as tiles, and chosen in half the time."""
    return replace(gradient_request(network, "gradient"), schedule="loops", example=None)


def faster(network: Network) -> Callable[[], dict[str, Any]]:
    """What makes the values of the units as WebAssembly, in any thread; :class:`EmitError` without a linker."""
    text = webassembly_text(look(network, units(network)))
    return lambda: {"modules": {"look": text()}}


def whole(network: Network) -> dict[str, Any]:
    """All of it together."""
    made = [part(network) for part in (parts, learning, rest)]
    modules = {name: text for found in made for name, text in found["modules"].items()}
    return {name: value for found in made for name, value in found.items()} | {"modules": modules}


def units(network: Network) -> list[str]:
    """What the hidden layers say, by name: the last of a, u and z that there is of each."""
    variables = network.forward_graph.variables
    return [
        next(name for letter in "auz" if (name := f"{letter}{number}") in variables)
        for number in range(1, len(network.layers))
    ]


def emitted(request: Request) -> str:
    """The text of a module, without its self-test, for which the graph would be compiled too."""
    files: Mapping[str, Any] = generate(replace(request, example=None), "javascript")
    (text,) = files.values()
    return str(text)


def enclosed(module: str) -> str:
    """A module as an expression, for a page that has it in a script of its own."""
    return f"(() => {{\n{re.sub('^export ', '', module, flags=re.MULTILINE)}\nreturn {{run, ARGUMENTS}};\n}})()"


def started(module: str) -> str:
    """A module that has to wait for something, as a function that gives a promise of it."""
    return enclosed(module).replace("(() =>", "async () =>", 1).removesuffix(")()")


def tools() -> dict[str, str]:
    """What all networks are taught with: updates, the decay of weights, and random numbers."""
    methods = ("gradient_descent", "momentum", "nesterov", "adam")
    graphs = {name: OPTIMISERS[name].graph for name in methods} | {"decay": _decay(), "draw": _draw()}
    return {name: emitted(Request(graph, "call", "float64")) for name, graph in graphs.items()}


def _decay() -> Graph:
    """What ``weight_decay`` of a spec adds, ½·λ·Σ W², and its gradient; ``counts`` is 1 for a weight, else 0."""
    P = Symbol("P", integer=True, positive=True)
    p, q = Index("p", P), Index("q", P)
    theta, g, counts = (Variable(name, (P,)) for name in ("theta", "g", "counts"))
    rate, penalty, new = Variable("weight_decay"), Variable("penalty"), Variable("new g", (P,))
    return Graph(
        (theta, g, counts, rate),
        (
            Equation(penalty.symbol, rate.symbol * counts[q] * theta[q] ** 2 / 2, Reduction.SUM, (q,)),
            Equation(new[p], g[p] + rate.symbol * counts[p] * theta[p]),
        ),
        ("penalty", "new g"),
    )


def _draw() -> Graph:
    """Uniform and normal numbers, as many as ``like`` has places: a function of seed and stream, as everywhere."""
    n = Symbol("n", integer=True, positive=True)
    i = Index("i", n)
    seed, stream = (Variable(name, (), kind="integer") for name in ("seed", "stream"))
    like, uniform, normal = (Variable(name, (n,)) for name in ("like", "uniform", "normal"))
    return Graph(
        (seed, stream, like),
        (
            Equation(uniform[i], random_uniform(seed.symbol, i, stream.symbol)),
            Equation(normal[i], random_normal(seed.symbol, i, stream.symbol)),
        ),
        ("uniform", "normal"),
    )
