"""Training in the page: the network's own code, which the compiler wrote in JavaScript, on the data set's rows.

Loss and gradient, the update of each optimiser and the values of all units are three functions that are emitted like
any other; the page only calls them in turn and paints what they give.
"""

from __future__ import annotations

import re

import numpy as np

from codegen.export import Request
from symnn.data import Dataset
from symnn.network import Network
from symnn.optimisers import OPTIMISERS
from symnn.report.document import Section, asset, button, choice
from symnn.report.parts import emitted, enclosed, gradient, look
from symnn.training import targets_for

ROWS = 400
"""Rows that the page trains on: as many as can be told apart in a picture."""
UNITS = 32
"""Hidden units that have a map of their own."""
SEEDS = 5
PARAMETERS = 2_000
METHODS = {"gradient_descent": "gradient descent", "momentum": "momentum", "nesterov": "Nesterov"}
SETTINGS = {"momentum": 0.9}


def can_learn(network: Network, dataset: Dataset | None) -> bool:
    """Whether a page can show it: rows of one or two numbers, classes or one number to be told, and nothing drawn."""
    return (
        dataset is not None
        and network.plain_targets
        and not network.takes_sequences
        and not network.draws
        and not network.differs
        and len(network.input_variables) == 1
        and network.input_variables[0].shape[1:] in ((1,), (2,))
        and (dataset.classes is not None or network.outputs == 1)
        and network.parameter_count <= PARAMETERS
    )


LEAD = (
    "This is the network's own code, written by the compiler in JavaScript, learning in your browser: loss and "
    "gradient of all rows at once, then the update of the optimiser. Small maps are what each hidden unit says."
)


def live(
    network: Network, dataset: Dataset, name: str = "live", title: str = "Watch it learn", lead: str = LEAD
) -> Section:
    """The network on its training rows, with a map of what it says and of each hidden unit."""
    rows = targets_for(network, dataset).train
    x, y = rows.x[:ROWS], rows.y[:ROWS]
    data = {
        "x": np.ravel(x).tolist(),
        "y": np.ravel(y).tolist(),
        "inputs": int(network.input_variables[0].shape[1]),
        "outputs": network.outputs,
        "features": list(dataset.feature_names),
        "classes": None if dataset.classes is None else list(dataset.classes),
        "reading": network.reading,
        "starts": [network.initial_parameters(seed).tolist() for seed in range(SEEDS)],
        "units": units(network),
        "settings": SETTINGS,
    }
    return Section(
        name,
        title,
        lead,
        _body(network, name),
        data,
        script(network, name),
    )


def units(network: Network) -> list[str]:
    """The activations of the hidden layers, by name."""
    graph = network.forward_graph
    found = [v for v in graph.variables.values() if re.fullmatch(r"a[0-9]+", v.name) and len(v.shape) == 2]
    return [v.name for v in found if v.name not in graph.outputs]


def _body(network: Network, name: str) -> str:
    graph = network.forward_graph
    maps = ""
    left = UNITS
    for layer, unit in enumerate(units(network), 1):
        count = min(int(graph.variable(unit).shape[1]), left)
        left -= count
        squares = "".join(
            f'<canvas class="unit" data-unit="{unit}" data-place="{k}" width="32" height="32" role="img" '
            f'aria-label="What unit {k} of layer {layer} says"></canvas>'
            for k in range(count)
        )
        maps += f'<div class="units"><h3>Layer {layer}</h3><div>{squares}</div></div>'
    rates = [(f"{rate:g}", f"{rate:g}") for rate in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)]
    controls = (
        button("Learn", "learn", live=name)
        + button("One step", "one", live=name)
        + button("Begin again", "again", live=name)
        + choice(f"{name}-method", "Optimiser", list(METHODS.items()))
        + choice(f"{name}-rate", "Learning rate", rates)
        + choice(f"{name}-seed", "Seed", [(str(k), str(k)) for k in range(SEEDS)])
    )
    return (
        f'<div class="controls">{controls}</div><div class="learning"><figure><canvas class="map" id="{name}-map" '
        'width="512" height="512" role="img" aria-label="What the network says over its inputs, and the rows"></canvas>'
        f'</figure><div><p class="tally" id="{name}-tally" aria-live="off"></p>'
        f'<canvas class="curve" id="{name}-curve" width="640" height="200" role="img" aria-label="Loss by step">'
        f"</canvas>{maps}</div></div>"
    )


# --- code ---------------------------------------------------------------------------------------------------------


def script(network: Network, name: str) -> str:
    """The emitted functions, and what calls them."""
    updates = {method: Request(OPTIMISERS[method].graph, "update", "float64") for method in METHODS}
    requests = {"gradient": gradient(network), "look": look(network, units(network)), **updates}
    table = ",\n".join(f"{key}: {enclosed(emitted(request))}" for key, request in requests.items())
    called = asset("live.js").replace("'NAME'", f"'{name}'")
    return "\n".join(["'use strict';", "(() => {", f"const code = {{{table}}};", asset("paint.js"), called, "})();"])
