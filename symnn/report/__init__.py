"""``symnn report``: everything about one network on one page that runs without a network connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from codegen import Variable
from codegen.errors import CodegenError
from codegen.page.drawing import drawing
from symnn.course import Epoch
from symnn.data import Dataset
from symnn.errors import SymnnError
from symnn.network import Network
from symnn.report.code import code
from symnn.report.counts import counts
from symnn.report.differences import differences
from symnn.report.document import Section, document, figure
from symnn.report.example import samples
from symnn.report.learning import course, followed, mistakes
from symnn.report.live import can_learn, live
from symnn.report.worked import worked
from symnn.report.written import written
from symnn.spec import TrainingSpec

__all__ = ["report"]


def report(
    network: Network,
    title: str,
    *,
    theta: np.ndarray | None = None,
    dataset: Dataset | None = None,
    history: Sequence[Epoch] = (),
) -> str:
    """The page as HTML: formulas, both passes step by step, paths, code, the gradient check, training, mistakes.

    ``theta`` are the parameters that are looked at; without them the network is trained on ``dataset`` as its spec
    says, and followed while it learns, or stands at its initial parameters where there are no data. ``history`` are the
    epochs that theta came of, and ``dataset`` is scaled as it was trained. All numbers are computed here; the page
    shows them, and forbids itself to load anything.
    """
    sections: list[Section] = []
    learnt: list[Section] = []
    point = network.initial_parameters(0) if theta is None else np.asarray(theta, np.float64)
    if theta is None and dataset is not None:
        settings = network.spec.training if network.spec is not None else TrainingSpec()
        result, snapshots = followed(network, dataset, settings)
        point = np.asarray(result.theta, np.float64)
        if result.history:
            learnt.append(course(result.history, snapshots))
    elif history:
        learnt.append(course(history, []))
    if dataset is not None and (found := mistakes(network, point, dataset)) is not None:
        learnt.append(found)
    if dataset is not None and can_learn(network, dataset):
        learnt.append(live(network, dataset))
    chosen = samples(network, dataset)
    makers: dict[str, Callable[[], Section]] = {
        "formulas": lambda: written(network, point, chosen),
        "steps": lambda: worked(network, point, chosen),
        "paths": lambda: counts(network),
        "code": lambda: code(network),
        "check": lambda: differences(network, point, chosen[0]),
    }
    for name, make in makers.items():
        try:
            sections.append(make())
        except (CodegenError, SymnnError) as error:  # what cannot be shown of a network says why
            sections.append(Section(name, name.capitalize(), escape(str(error)), ""))
    graph = Section(
        "graph",
        "Network",
        "Layers from left to right, every box one equation over all of its neurons.",
        figure(drawing(network.forward_graph), "Graph of the forward pass"),
    )
    facts = {
        "parameters": f"{network.parameter_count:,}",
        "layers": str(len(network.layers)),
        "inputs": " and ".join(shape_text(variable) for variable in network.input_variables),
        "outputs": f"{network.outputs:,}",
    }
    if dataset is not None:
        facts["data"] = f"{dataset.name}, {dataset.train.samples:,} training rows"
    note = "Made by symnn. Everything on this page was computed when it was made; it loads nothing."
    lead = escape(repr(network)[1:-1])
    return document(title, lead, facts, [graph, *sections, *learnt], note)


def shape_text(variable: Variable) -> str:
    """The shape of one sample: 64, 1×28×28."""
    return "×".join(map(str, variable.shape[1:])) or "1"
