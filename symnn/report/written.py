"""The formulas: by layer and by neuron, with LaTeX to be copied, and with the numbers of a sample put in."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from codegen.ir.equation import Equation
from codegen.ir.operations import summary
from codegen.markup import table
from codegen.notation.latex import Latex
from codegen.notation.mathml import MathML, math, vertex
from codegen.notation.vocabulary import Vocabulary
from codegen.notation.writing import write_body, write_target
from codegen.numeric.evaluate import evaluate
from symnn.inspect.formulas import Page, sections, shown_graph
from symnn.inspect.graphs import unrolled_size
from symnn.network import Network
from symnn.report.document import Section, choice, frame
from symnn.report.example import Sample

NEURONS = 150
"""Scalar equations up to which all of them are written."""


def written(network: Network, theta: np.ndarray, chosen: Sequence[Sample]) -> Section:
    """Forward pass, loss and gradient after all passes."""
    layers = sections(network)
    equations, _ = unrolled_size(shown_graph(network, 1))
    neurons = sections(network, level="neurons", samples=1) if equations <= NEURONS else None
    parts = [f'<div class="level" id="by-layers">{formulas(layers)}</div>']
    data: dict[str, Any] = {}
    if neurons is not None:
        parts.append(f'<div class="level" id="by-neurons" hidden>{formulas(neurons)}</div>')
        parameters = network.unmerged(theta)
        data["values"] = [_values(network, {**parameters, **sample.values}) for sample in chosen]
    options = [("by-layers", "by layer"), *([("by-neurons", "by neuron")] if neurons else [])]
    controls = choice("level", "Formulas", options)
    if neurons is not None:
        controls += '<label class="check"><input type="checkbox" id="numbers"> numbers of the sample</label>'
        controls += choice("formula-sample", "Sample", [(str(n), sample.title) for n, sample in enumerate(chosen)])
    else:
        controls += f'<p class="hint">Neuron by neuron these are {equations:,} equations: too many to be read.</p>'
    return Section(
        "formulas",
        "Formulas",
        "What is computed, as the compiler derived it: the forward pass, the loss, and the gradient by backpropagation "
        "after all passes. Touch a term, and every place of that vertex lights up.",
        f'<div class="controls">{controls}</div>{"".join(parts)}{_operations(layers)}',
        data,
    )


def formulas(page: Page) -> str:
    """The sections of equations as markup."""
    return "".join(
        f"<div><h3>{escape(heading)}</h3>"
        f"{''.join(formula(equation, page.vocabulary, page.lettered) for equation in part)}</div>"
        for heading, part in page.sections.items()
    )


def formula(equation: Equation, vocabulary: Vocabulary, lettered: Vocabulary) -> str:
    """One equation as a row with a button for its LaTeX; δ is introduced by the derivative that it stands for."""
    script = MathML(lettered)
    sides = [write_target(equation, script), write_body(equation, script)]
    introduced = equation.name in lettered.letters
    if introduced:
        sides.insert(1, write_target(equation, MathML(vocabulary)))
    latex = Latex(lettered)
    text = [write_target(equation, latex), write_body(equation, latex)]
    if introduced:
        text.insert(1, write_target(equation, Latex(vocabulary)))
    copied, named = escape(" = ".join(text)), escape(vertex(equation.target))
    copying = f'<button type="button" class="quiet" data-do="copy" data-text="{copied}" aria-label="LaTeX of {named}">'
    return (
        f'<div class="formula" data-row="{named}"><div class="scroll">{math(MathML.equals.join(sides))}</div>'
        f"{copying}LaTeX</button></div>"
    )


def _values(network: Network, values: dict[str, Any]) -> dict[str, float]:
    """Every vertex of the equations by name and subscripts, at one sample."""
    graph = shown_graph(network, 1)
    found = evaluate(graph, values)
    numbers = {}
    for variable in graph.variables.values():
        array = np.asarray(found[variable.name], float)
        for place in np.ndindex(array.shape):
            numbers[variable.name + (f"[{','.join(map(str, place))}]" if place else "")] = float(array[place])
    return numbers


def _operations(page: Page) -> str:
    rows = [(label.strip(), f"{counts.total():,}", summary(counts)) for label, counts in page.costs.items()]
    return f"<h3>{escape(page.per)}</h3>{frame(table(('of', 'in all', 'which'), rows), page.per)}"
