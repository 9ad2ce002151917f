"""The worked example: the graph with values, both passes step by step, every product, and the sum over paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from codegen.page.drawing import Box, picture
from symnn.inspect.steps import Contribution, LocalDerivative, Steps, Value, Vertex, steps
from symnn.network import Network
from symnn.report.document import Section, button, choice, frame, kind, short
from symnn.report.example import Sample

HEATED = 4_096
"""Numbers of an array that are drawn; of larger ones only their range is said."""
PATHS, ALL_PATHS = 48, 150
"""Paths of one input, and of all together, that are walked one by one."""
MOST = 200
"""Vertices of all samples together: each is told in words, which is most of the page."""
DIGITS = 7
WIDE = 8
"""Characters of a number in a box."""


def worked(network: Network, theta: np.ndarray, chosen: Sequence[Sample]) -> Section:
    """Both passes on some samples; a graph of more than 200 scalar equations is shown array by array."""
    parameters = network.unmerged(theta)
    first = steps(network, {**parameters, **chosen[0].values}, of=network.graph.outputs[0])
    chosen = chosen[: max(1, MOST // len(first.vertices))]
    others = [steps(network, {**parameters, **sample.values}, of=first.of) for sample in chosen[1:]]
    runs = [first, *others]
    boxes = [_box(vertex, first.of) for vertex in first.vertices]
    known = {vertex.name for vertex in first.vertices}
    read = {vertex.name: [name for name in vertex.reads if name in known] for vertex in first.vertices}
    drawn = picture(boxes, read, title="The graph with its values", most=len(boxes))  # every one is stepped to
    ways = _paths(first, read)
    data = {
        "of": first.of,
        "vertices": [_fixed(vertex) for vertex in first.vertices],
        "samples": [
            {"title": sample.title, "vertices": [_moving(v) for v in run.vertices]} for sample, run in zip(chosen, runs)
        ],
        "paths": ways,
    }
    return Section(
        "steps",
        "Step by step",
        "Values flow forward in blue, derivatives flow back in orange. Each edge holds its local derivative; what "
        "flows back over it is that times what has arrived above it. Arrow keys step, and a vertex or an edge can be "
        "touched.",
        f'{_controls(chosen)}<div class="stage">{frame(drawn, "Graph; arrow keys step", f"canvas {kind(drawn)}")}'
        f'<div class="panel" id="step-panel" aria-live="polite"></div></div>{_path_panel(ways) if ways else ""}',
        data,
    )


def _controls(chosen: Sequence[Sample]) -> str:
    options = [(str(number), sample.title) for number, sample in enumerate(chosen)]
    return (
        '<div class="controls">'
        + button("Start", "first")
        + button("◀ Back", "back")
        + button("Next ▶", "next")
        + button("Play", "play")
        + '<label class="slide">Step <input type="range" id="step" min="0" max="1" value="0"></label>'
        + '<output id="step-name" for="step"></output>'
        + choice("sample", "Sample", options)
        + "</div>"
    )


def _path_panel(ways: Mapping[str, Any]) -> str:
    options = [(name, f"{name}: {len(found)} path{'s' * (len(found) > 1)}") for name, found in ways.items()]
    return (
        '<div class="paths"><h3>The same derivative as the sum over all paths</h3><div class="controls">'
        + choice("path-source", "From", options)
        + button("Walk the paths", "walk")
        + '</div><ol class="path-list" id="path-list" tabindex="0" aria-label="The paths"></ol>'
        '<p class="path-sum" id="path-sum" aria-live="polite"></p></div>'
    )


# --- what is drawn ------------------------------------------------------------------------------------------------


def _box(vertex: Vertex, of: str) -> Box:
    kind = "input" if not vertex.equation else "output" if vertex.name == of else "vertex"
    return Box(vertex.name, vertex.name, kind, (("value", " " * WIDE), ("gradient", " " * WIDE)))


def _fixed(vertex: Vertex) -> dict[str, Any]:
    """What all samples share."""
    return {
        "name": vertex.name,
        "equation": vertex.equation,
        "gradient_name": vertex.gradient_name if vertex.gradient is not None else "",
        "reads": list(vertex.reads),
        "locals": [_local(local) for local in vertex.local_derivatives],
        "terms": [_term(term) for term in vertex.contributions],
    }


def _local(local: LocalDerivative) -> dict[str, Any]:
    return {"name": local.name, "formula": local.formula, "sources": list(local.sources)}


def _term(term: Contribution) -> dict[str, Any]:
    return {"through": term.through, "local": term.local, "formula": term.formula}


def _moving(vertex: Vertex) -> dict[str, Any]:
    """What belongs to one sample."""
    return {
        "value": value(vertex.value),
        "numbers": vertex.numbers,
        "gradient": None if vertex.gradient is None else value(vertex.gradient),
        "locals": [value(local.value) for local in vertex.local_derivatives],
        "terms": [{"numbers": term.numbers, "value": value(term.value)} for term in vertex.contributions],
    }


def value(given: Value) -> Any:
    """A number, or the shape, the range and, if there are not too many, the numbers of an array.

    >>> value(np.array([[1.0, 3.0]]))
    {'shape': [1, 2], 'low': 1.0, 'high': 3.0, 'numbers': [1.0, 3.0]}
    """
    if isinstance(given, float):
        return float(f"{given:.{DIGITS}g}")
    found = {"shape": list(given.shape), "low": float(given.min()), "high": float(given.max())}
    return found | {"numbers": short(given, 3)} if given.size <= HEATED else found


# --- paths --------------------------------------------------------------------------------------------------------


def _paths(run: Steps, read: Mapping[str, Sequence[str]]) -> dict[str, list[list[str]]]:
    """The paths from each input to the result, where they are few: the vertices on each, from the input on."""
    active = {(source, v.name) for v in run.vertices for local in v.local_derivatives for source in local.sources}
    if any(not isinstance(vertex.value, float) for vertex in run.vertices):
        return {}
    above: dict[str, list[str]] = {name: [] for name in read}
    for source, name in active:
        if source in above:
            above[source].append(name)
    counts: dict[str, int] = {run.of: 1}
    for vertex in reversed(run.vertices):
        counts.setdefault(vertex.name, sum(counts.get(name, 0) for name in above[vertex.name]))
    order = {vertex.name: place for place, vertex in enumerate(run.vertices)}
    found: dict[str, list[list[str]]] = {}
    for vertex in run.vertices:
        few = 0 < counts[vertex.name] <= PATHS and sum(map(len, found.values())) < ALL_PATHS
        if not vertex.equation and vertex.gradient is not None and few:
            found[vertex.name] = _walk(vertex.name, run.of, above, order)
    return found


def _walk(start: str, of: str, above: Mapping[str, Sequence[str]], order: Mapping[str, int]) -> list[list[str]]:
    ended, stack = [], [[start]]
    while stack:
        path = stack.pop()
        if path[-1] == of:
            ended.append(path)
            continue
        stack.extend([*path, name] for name in sorted(above[path[-1]], key=order.__getitem__, reverse=True))
    return ended
