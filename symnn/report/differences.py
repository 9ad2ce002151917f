"""The gradient check over ε: numerical derivatives beside the analytic one, between truncation and rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from codegen.markup import table
from codegen.notation.text import number
from codegen.numeric.evaluate import evaluate
from codegen.numeric.lines import entry_lines
from codegen.numeric.schemes import CENTRAL_STEP, FORWARD_STEP, Problem
from codegen.page.charts import Axis, chart
from codegen.page.shown import details
from symnn.network import Network
from symnn.report.document import Section, figure, frame
from symnn.report.example import Sample
from symnn.verify import check

STEPS = tuple(10.0 ** -(k / 2) for k in range(32, 1, -1))
ENTRIES = 6
"""Entries of each parameter; the worst of them is drawn."""
SHOWN = 6
"""Parameters that are not folded away."""
SMALLEST = 1e-18
"""What is exact is drawn here: a logarithm has no 0."""

Errors = Mapping[str, Sequence[tuple[float, float]]]


def differences(network: Network, theta: np.ndarray, sample: Sample) -> Section:
    """The curves of each parameter, and the table that ``symnn check`` prints."""
    found = {name: errors(network, theta, sample, name) for name in network.layout}
    pictures = [
        figure(
            chart(curves, Axis("ε", True), Axis("error", True), title=f"Numerical derivatives by {name}"),
            f"By {name}: the largest error of at most {ENTRIES} entries, relative to 1 or the largest of them",
        )
        for name, curves in found.items()
    ]
    few, more = pictures[:SHOWN], pictures[SHOWN:]
    rest = details(f"{len(more)} more parameters", f'<div class="pair">{"".join(more)}</div>') if more else ""
    report = check(network)
    checked = table([name or "verdict" for name in report.cells[0]], report.cells[1:])
    verdict = "passed" if report.passed else "failed"
    return Section(
        "check",
        "Is it right?",
        "Each entry of the gradient against numerical derivatives. A difference of steps ε is wrong by truncation "
        "where ε is large and by rounding where it is small, so its error is a V, with its foot near "
        f"{_power(FORWARD_STEP)} for forward and {_power(CENTRAL_STEP)} for central differences; the complex step "
        "subtracts nothing and goes down to what a number can hold.",
        f'<div class="pair">{"".join(few)}</div>{rest}'
        f"<h3>What <code>symnn check</code> says</h3>{frame(checked, 'Gradient check')}"
        f'<p class="{verdict}">{escape("; ".join(report.notes))}</p>',
        {"errors": {name: {m: list(map(list, c)) for m, c in curves.items()} for name, curves in found.items()}},
    )


def _power(step: float) -> str:
    return number(step, 2)


def errors(network: Network, theta: np.ndarray, sample: Sample, name: str) -> Errors:
    """For each method the points (ε, error): the worst over some entries of one parameter."""
    graph, loss = network.graph, network.graph.outputs[0]
    point = {n: np.asarray(v) for n, v in {**network.unmerged(theta.astype(np.float64)), **sample.values}.items()}
    derived = network.gradient_graph
    place = list(network.layout).index(name) + 1
    gradient = np.ravel(evaluate(derived, point)[derived.outputs[place]])
    entries = np.argsort(-np.abs(gradient))[:ENTRIES]
    # A line for each entry and step, so that every point of a method is one of a batch.
    lines = entry_lines(point, name, np.repeat(entries, len(STEPS)))
    steps = np.tile(STEPS, len(entries))
    moved = (lines.at + steps) - lines.at  # what x + ε really moves by
    back = lines.at - (lines.at - steps)
    problem = Problem(graph, loss, point)
    with np.errstate(all="ignore"):  # a step too small to move anything is 0/0
        estimates = {
            "forward": (problem.real(lines, moved) - problem.real(lines, 0 * moved)) / moved,
            "central": (problem.real(lines, moved) - problem.real(lines, -back)) / (moved + back),
            "complex": problem.continued(lines, 1j * steps).imag / steps,
        }
    scale = max(1.0, float(np.abs(gradient).max()))

    def worst(estimate: np.ndarray) -> list[tuple[float, float]]:
        away = np.abs(estimate.reshape(len(entries), -1) - gradient[entries, None]).max(axis=0) / scale
        return [(step, max(float(error), SMALLEST)) for step, error in zip(STEPS, away)]

    return {method: worst(estimate) for method, estimate in estimates.items()}
