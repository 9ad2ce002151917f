"""The playground: a network that learns in the page, on data that everybody knows or one's own, and may be changed.

By itself the page has the networks of its presets. Made by ``symnn.report.server`` it asks that for the functions of
every other network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from symnn.activations import ACTIVATIONS
from symnn.checkpoint import target_scaling
from symnn.choices import TOGETHER
from symnn.data import Dataset
from symnn.errors import SpecError
from symnn.network import Network
from symnn.optimisers import OPTIMISERS
from symnn.report.document import Section, asset, button, choice, document
from symnn.report.parts import (
    LAYERS,
    SEEDS,
    UNITS,
    check_shown,
    enclosed,
    faster,
    started,
    tools,
    whole,
)

ROWS = 400
NAME = 200
"""Letters of a class, which an address has place for."""
METHODS = {"gradient_descent": "gradient descent", "momentum": "momentum", "nesterov": "Nesterov"}
CAPACITY = (1, 2, 5, 20, 100)
"""Units that a curve is fitted by."""

PRESETS: Mapping[str, tuple[str, int, tuple[int, ...], int]] = {
    "circle": ("Circle", 2, (4,), 2),
    "xor": ("Exclusive or", 2, (4, 4), 2),
    "gaussians": ("Three Gaussians", 2, (4,), 3),
    "spirals": ("Two spirals", 2, (8, 8, 8), 2),
    "moons": ("Two moons", 2, (8,), 2),
    "plane": ("A surface", 2, (8, 8), 0),
    "curve": ("A curve", 1, (20,), 0),
}
"""Of each set its title, its inputs, hidden layers of tanh that can learn it, and its classes, 0 for numbers."""


def spec_of(inputs: int, hidden: tuple[int, ...], classes: int) -> dict[str, Any]:
    """The spec of a preset, field by field as the page writes it."""
    layers = [{"dense": units, "activation": "tanh"} for units in hidden]
    loss = "softmax_cross_entropy" if classes else "mean_squared_error"
    return {"inputs": inputs, "layers": [*layers, {"dense": classes or 1}], "loss": loss}


def key(spec: Mapping[str, Any]) -> str:
    """What the page knows a network by: its spec as JavaScript writes it."""
    return json.dumps(spec, separators=(",", ":"), ensure_ascii=False)


@cache
def embedded() -> Mapping[str, dict[str, Any]]:
    """What the page has of the networks of its presets, by their specs."""
    specs = [spec_of(*preset[1:]) for preset in PRESETS.values()]
    specs += [spec_of(1, (units,), 0) for units in CAPACITY]
    return {key(spec): whole(Network.from_spec(spec)) for spec in specs}


@cache
def quick() -> Mapping[str, str]:
    """The values of the units of the presets as WebAssembly, by the keys of :func:`embedded`."""
    specs = [spec_of(*preset[1:]) for preset in PRESETS.values()]
    return {key(spec): _faster(Network.from_spec(spec)) for spec in specs}


def _faster(network: Network) -> str:
    return str(faster(network)()["modules"]["look"])


def playground(
    network: Network | None = None,
    dataset: Dataset | None = None,
    *,
    server: bool = False,
    webassembly: bool = False,
) -> str:
    """The page. ``network``, with the rows of ``dataset``, is what it begins with; else a small one on a circle.

    ``server``: whether it is made by the server, which it may ask for the functions of other networks.
    ``webassembly``: whether the values of units come as WebAssembly too, from the server or else in the page, which
    :func:`codegen.runtime.linker.linker` is needed for. Raises :class:`SpecError` for a network that the page cannot
    draw.
    """
    networks = dict(embedded())
    first = {"first": "circle"} if network is None else _first(network, dataset)
    if network is not None:
        networks[key(_plain(network))] = whole(network)
    fast = dict(quick()) if webassembly and not server else {}
    if fast and network is not None:
        fast[key(_plain(network))] = _faster(network)
    texts = list(dict.fromkeys(found["formulas"] for found in networks.values()))  # widths are not in them
    data = {
        **first,
        "server": server,
        "webassembly": webassembly,
        "seeds": SEEDS,
        "activations": [*ACTIVATIONS, *TOGETHER],
        "most": {"layers": LAYERS - 1, "units": UNITS},
        "presets": {name: ";".join(f"{units}:tanh" for units in preset[2]) for name, preset in PRESETS.items()},
        "capacity": CAPACITY,
        "methods": {name: _method(name, title) for name, title in METHODS.items()},
        "fitter": _method("adam", "Adam"),
        "networks": {name: _shared(found, texts) for name, found in networks.items()},
        "formulas": texts,
    }
    sections = [
        Section("play", "Play", LEAD, _play(server), data, script(networks, fast)),
        Section("formulas", "Formulas", FORMULAS, '<div class="level" id="play-formulas"></div>'),
        Section("surface", "The loss around the way", SURFACE, _surface()),
        Section("capacity", "How much a layer can say", CAPABLE, _capacity()),
    ]
    return document(
        "Playground", HERO, {}, sections, NOTE, styles=("playground.css",), asks=server, webassembly=webassembly
    )


def _shared(found: Mapping[str, Any], texts: list[str]) -> dict[str, Any]:
    """A network without its functions, its formulas by their place among all."""
    return {name: value for name, value in found.items() if name != "modules"} | {
        "formulas": texts.index(found["formulas"])
    }


HERO = "A neural network that learns in your browser by code that a compiler wrote for it."
LEAD = (
    "Each square shows what a unit says over the inputs: blue above 0, orange below. Lines are weights in the same "
    "colours, dashed purple is the gradient that flows back. What you change begins again from the same seed, and is "
    "in the address."
)
FORMULAS = "What this network computes and how it learns: forward pass, loss and gradient, as derived and compiled."
SURFACE = (
    "The loss of all rows over two directions in the space of the parameters, in fourteen steps of equal area: the "
    "bluer, the larger. Three optimisers go 200 steps from the same beginning, a circle, to where a diamond is."
)
CAPABLE = "One hidden layer of 1, 2, 5, 20 and 100 tanh units, each fitted to the same rows by 1,500 steps of Adam."
NOTE = "Made by symnn. Networks, data and code are in this page; it asks at most the server that made it."


def _first(network: Network, dataset: Dataset | None) -> dict[str, Any]:
    """What the page begins with: layers, loss and rows of a spec."""
    check_shown(network, "spec")
    spec = _plain(network)
    *hidden, last = spec["layers"]
    layers = ";".join(f"{layer['dense']}:{_written(layer.get('activation', 'identity'))}" for layer in hidden)
    found: dict[str, Any] = {"layers": layers, "loss": _written(spec["loss"])}
    if dataset is None:
        classes = network.reading != "values"
        fitting = [
            name
            for name, (_, inputs, _, kinds) in PRESETS.items()
            if inputs == network.inputs and (kinds > 0) == classes and kinds in (0, 2, last["dense"])
            and (not classes or kinds == max(2, last["dense"]))
        ]  # fmt: skip
        if not fitting:
            raise SpecError("spec: found a network that none of the playground's sets fits, and no data")
        return {**found, "first": fitting[0]}
    if dataset.features != network.inputs or (dataset.classes is None) != (network.reading == "values"):
        raise SpecError("spec: data: found data that do not fit the network")
    for name in dataset.classes or ():
        if not 0 < len(name) <= NAME:
            raise SpecError(f"spec: data: found a class of {len(name):,} letters, expected 1 to {NAME}")
    return {**found, "first": "own", "own": _rows(network, dataset)}


def _rows(network: Network, dataset: Dataset) -> dict[str, Any]:
    """Rows of a data set in their own units, and what they are standardised by."""
    x, y = dataset.train.x[:ROWS] * dataset.scale + dataset.mean, np.ravel(dataset.train.y[:ROWS])
    scalings = [(dataset.mean, dataset.scale)]
    if dataset.classes is None:
        found = target_scaling(network, dataset)
        scalings.append((np.zeros(1), np.ones(1)) if found is None else (found.mean, found.scale))
    pairs = np.concatenate([np.transpose(np.broadcast_arrays(*map(np.ravel, pair))) for pair in scalings])
    return {
        "rows": np.column_stack([x, y]).tolist(),
        "inputs": x.shape[1],
        "classes": list(dataset.classes or ()),
        "columns": _columns(dataset),
        "scaling": pairs.tolist(),
    }


def _columns(dataset: Dataset) -> list[str]:
    """The names of the columns, the target's last; none where an input is not a column of numbers."""
    features, targets = dataset.columns, dataset.target_names
    known = features is not None and not any(column.categories for column in features.columns) and len(targets) == 1
    return [*features.inputs, *targets] if features is not None and known else []


def _plain(network: Network) -> dict[str, Any]:
    """The fields of a spec that the page writes, as it does."""
    from symnn.portable import spec_of as described

    spec = (network.spec or described(network)).to_dict()
    layers = [{name: layer[name] for name in ("dense", "activation") if name in layer} for layer in spec["layers"]]
    return {"inputs": spec["inputs"], "layers": layers, "loss": spec["loss"]}


def _written(choice: object) -> str:
    """A name, or a formula behind =."""
    if isinstance(choice, str):
        return choice
    if isinstance(choice, Mapping) and list(choice) == ["formula"]:
        return f"={choice['formula']}"
    raise SpecError(f"spec: expected a name or a formula for the playground, found {choice!r}")


def _method(name: str, title: str) -> dict[str, Any]:
    optimiser = OPTIMISERS[name]
    usual = {"momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    settings = {key: usual[key] for key in optimiser.settings if key in usual}
    return {"title": title, "settings": settings, "state": list(optimiser.state)}


def script(networks: Mapping[str, Mapping[str, Any]], fast: Mapping[str, str]) -> str:
    """The functions of these networks, those that there are as WebAssembly, the tools, and what calls them."""

    def table(texts: Mapping[str, str]) -> str:
        return ",\n".join(f"{_quoted(name)}: {text}" for name, text in texts.items())

    def modules(texts: Mapping[str, str]) -> str:
        return f"{{{table({name: enclosed(text) for name, text in texts.items()})}}}"

    constants = [
        f"const tools = {modules(tools())};",
        f"const embedded = {{{table({name: modules(parts['modules']) for name, parts in networks.items()})}}};",
        f"const quick = {{{table({name: started(text) for name, text in fast.items()})}}};",
    ]
    called = [asset("paint.js"), asset("playground.js")]
    return "\n".join(["'use strict';", "(() => {", *constants, *called, "})();"])


def _quoted(text: str) -> str:
    return json.dumps(text).replace("<", "\\u003c")


# --- markup -------------------------------------------------------------------------------------------------------


def _play(server: bool) -> str:
    hint = "" if server else f'<p class="hint">{WITHOUT}</p>'
    return f"""
<div class="play">
<div class="controls run">{_button("Learn", "learn", "main")}
{_button("One step", "one")}{_button("Begin again", "again")}
<p class="tally" id="play-tally" aria-live="off">Step 0</p></div>
<p class="said" id="play-said" aria-live="polite"></p>
<div class="board">
<div class="side"><h3>Data</h3>{_data()}</div>
<div class="centre"><h3>Network <small id="play-size"></small></h3>
<canvas id="play-network" width="760" height="512" role="img" aria-label="The network: its units and weights"></canvas>
<ul class="layers" id="play-layers"></ul>{_button("Add a layer", "deeper")}{hint}</div>
<div class="out"><h3>What it says</h3>
<canvas class="map" id="play-map" width="512" height="512" role="img"
 aria-label="What the network says, and the rows"></canvas>
<canvas class="curve" id="play-curve" width="640" height="200" role="img" aria-label="Loss by step"></canvas></div>
</div>
<h3>How it learns</h3>
<div class="fields">{_settings()}</div>
<h3>Take it with you</h3>
<div class="controls">{"".join(_button(label, name) for name, label in EXPORTS.items())}</div>
</div>"""


WITHOUT = "To change layers, activations and losses, start <code>symnn playground</code> on your machine."
EXPORTS = {
    "link": "Copy the link",
    "spec": "Spec (YAML)",
    "weights": "Weights (safetensors)",
    "svg": "Picture (SVG)",
    "png": "Picture (PNG)",
}
RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
BATCHES = [("0", "all rows"), *((str(n), f"{n} rows") for n in (1, 4, 8, 16, 32, 64, 128))]
DECAYS = [0.0, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1]


def _button(label: str, what: str, kind: str = "") -> str:
    found = button(label, what, play=what)
    return found.replace("<button", f'<button class="{kind}"', 1) if kind else found


def _numbers(values: list[float]) -> list[tuple[str, str]]:
    return [(f"{value:g}", f"{value:g}") for value in values]


def _data() -> str:
    sets = choice("play-data", "Set", [*((name, preset[0]) for name, preset in PRESETS.items())])
    sets = sets.replace("</select>", '<option value="own" id="play-own-option" disabled>My own</option></select>')
    samples = choice("play-sample", "Sample", [(str(k), str(k)) for k in range(5)])
    brushes = choice(
        "play-brush", "Click", [*((str(k), f"adds class {k + 1}") for k in range(4)), ("erase", "removes")]
    )
    return (
        f"{sets}"
        '<label class="slide">Noise <input type="range" id="play-noise" min="0" max="0.5" step="0.05">'
        f'<output id="play-noise-said" for="play-noise"></output></label>{samples}'
        f'<div id="play-drawing">{brushes}'
        '<p class="hint">Click into the map, or go there by arrow keys and press Enter.</p></div>'
        '<label class="file">Rows of a CSV file '
        '<input type="file" id="play-file" accept=".csv,.tsv,.txt,text/csv"></label>'
        '<p class="hint">One or two columns of numbers, then a class or a number. The file stays in this page.</p>'
    )


def _settings() -> str:
    return (
        choice("play-loss", "Loss", [])
        + '<label class="choice" id="play-loss-formula-field" hidden>Formula of output and target '
        '<input type="text" id="play-loss-formula" class="formula-text" maxlength="500" spellcheck="false"></label>'
        + choice("play-optimiser", "Optimiser", list(METHODS.items()))
        + choice("play-rate", "Learning rate", _numbers(RATES))
        + choice("play-momentum", "Momentum", _numbers([0.0, 0.5, 0.8, 0.9, 0.95, 0.99]))
        + choice("play-batch", "Batch", BATCHES)
        + choice("play-decay", "Weight decay", _numbers(DECAYS))
        + choice("play-seed", "Seed", [(str(k), str(k)) for k in range(SEEDS)])
        + choice("play-edges", "Lines", [("both", "both"), ("weights", "weights"), ("gradients", "gradients")])
    )


def _surface() -> str:
    options = [("principal", "in which the ways go furthest"), ("random", "drawn, as long as the weights")]
    pictures = "".join(
        f'<figure><canvas class="map" id="play-surface-{name}" width="400" height="400" role="img" '
        f'aria-label="The way of {title} over the loss"></canvas><figcaption id="play-surface-{name}-said">'
        f"{title[0].upper()}{title[1:]}</figcaption></figure>"
        for name, title in METHODS.items()
    )
    controls = _button("Compute", "surface", "main") + choice("play-directions", "Directions", options)
    return f'<div class="controls">{controls}</div><div class="pictures" id="play-surface">{pictures}</div>'


def _capacity() -> str:
    pictures = "".join(
        f'<figure><canvas class="map" id="play-capacity-{units}" width="400" height="400" role="img" '
        f'aria-label="The curve that {units} units fit"></canvas><figcaption id="play-capacity-{units}-said">'
        f"{units} unit{'s' * (units > 1)}</figcaption></figure>"
        for units in CAPACITY
    )
    controls = _button("Fit all five", "capacity", "main")
    return f'<div class="controls">{controls}</div><div class="pictures five" id="play-capacity">{pictures}</div>'
