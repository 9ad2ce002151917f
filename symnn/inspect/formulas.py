"""All formulas of a network on one page: the forward pass, the loss, and the gradient that backpropagation derives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from codegen.derive import gradient
from codegen.ir.equation import Equation
from codegen.ir.graph import Graph
from codegen.ir.operations import Operations, count_operations, summary
from codegen.notation.latex import Latex, escaped
from codegen.notation.script import Script
from codegen.notation.text import Text
from codegen.notation.vocabulary import Delta, Name, Plain, Total, Vocabulary
from codegen.notation.writing import write_body, write_target
from codegen.passes import optimise, prune
from codegen.walk import base_name
from symnn.inspect.errors import InspectError
from symnn.inspect.graphs import final_scalars, unrolled_size, with_sizes
from symnn.suggest import unknown

Level = Literal["layers", "neurons"]
Style = Literal["text", "latex"]

EQUATION_LIMIT, REFERENCE_LIMIT = 5_000, 200_000
"""Above this number of scalar equations, or of names in them, nobody reads them."""

FORWARD, LOSS, GRADIENT = "Forward pass", "Loss", "Gradient (backpropagation)"


class HasGradient(Protocol):
    """What is shown of a network."""

    @property
    def gradient_graph(self) -> Graph: ...


def formulas(
    network: HasGradient | Graph, *, level: Level = "layers", style: Style = "text", samples: int | None = None
) -> str:
    r"""The forward pass, the loss and the gradient after all passes, in computing order, and what they cost.

    ``level="layers"`` writes one equation a layer in index notation (s sample, d input, h hidden, t target),
    ``"neurons"`` one a neuron; ``style="latex"`` an ``align*`` environment a section. With ``samples`` the number of
    samples S is that number, and the neurons of every sample are written out. δ is the derivative of the loss by the
    weighted sums of a layer. Of a graph that is not a network, the gradient of its last scalar outputs is derived.

    Raises :class:`InspectError` for another level or style, and where the neurons are more than 5,000 equations.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b, c, d = symbols("a b c d")
    >>> print(formulas(from_expressions({"c": a + b, "d": b + 1, "e": c * d}, [a, b])))
    Forward pass
      c = a + b
      d = b + 1
    <BLANKLINE>
    Loss
      e = c·d
    <BLANKLINE>
    Gradient (backpropagation)
      ∂e/∂a = d
      ∂e/∂b = c + d
    <BLANKLINE>
    Operations
      value                   3  2 add, 1 multiply
      value and gradient      4  3 add, 1 multiply
        before the passes     6  3 add, 3 multiply
      ratio                1.33
    """
    for kind, value, table in (("level", level, LEVELS), ("style", style, STYLES)):
        if value not in table:
            raise InspectError(unknown(kind, value, table))
    if samples is not None and (not isinstance(samples, int) or samples < 1):
        raise InspectError(f"samples: found {samples!r}, expected a positive whole number or None")
    return STYLES[style](sections(network, level=level, samples=samples))


def sections(network: HasGradient | Graph, *, level: Level = "layers", samples: int | None = None) -> Page:
    """What :func:`formulas` writes: the equations under their headings, after all passes."""
    derived = _derived(network)
    best, _ = optimise(derived)
    vocabulary = Vocabulary.of(derived)
    counted = _counted(derived, best, vocabulary)
    return Page(
        _sections(LEVELS[level](_sized(best, samples)), vocabulary),
        vocabulary,
        vocabulary.with_letters(_deltas(best, vocabulary)),
        {label: count_operations(_sized(graph, samples)) for label, graph in counted.items()},
        _per(derived, samples),
    )


@dataclass(frozen=True)
class Page:
    """What is written: equations under headings, the names in them with and without δ, and the operations."""

    sections: Mapping[str, Sequence[Equation]]
    vocabulary: Vocabulary
    lettered: Vocabulary
    costs: Mapping[str, Operations]
    per: str


def shown_graph(network: HasGradient | Graph, samples: int | None = None) -> Graph:
    """The graph whose equations are shown, layer by layer."""
    best, _ = optimise(_derived(network))
    return _sized(best, samples)


# --- the graph that is shown --------------------------------------------------------------------------------------


def _derived(network: HasGradient | Graph) -> Graph:
    """The graph with its gradient, before the passes."""
    if not isinstance(network, Graph):
        return network.gradient_graph
    vocabulary = Vocabulary.of(network)
    if any(vocabulary.is_derived(name) for name in network.outputs):
        return network
    derived = network
    for name in final_scalars(network, network.outputs):
        outputs = derived.outputs
        derived = gradient(derived, name)
        derived = derived.with_outputs(*outputs, *derived.outputs[1:])
    return derived


def _sized(graph: Graph, samples: int | None) -> Graph:
    return graph if samples is None else with_sizes(graph, dict.fromkeys(graph.extents, samples))


def _neurons(graph: Graph) -> Graph:
    equations, references = unrolled_size(graph)
    if equations > EQUATION_LIMIT or references > REFERENCE_LIMIT:
        raise InspectError(
            f"level 'neurons': found {equations:,} scalar equations with {references:,} names in them, expected at "
            f"most {EQUATION_LIMIT:,} and {REFERENCE_LIMIT:,}; level 'layers' shows the same network in a few lines"
        )
    return graph.unroll()


LEVELS: Mapping[str, Callable[[Graph], Graph]] = {"layers": lambda graph: graph, "neurons": _neurons}
"""How much each equation stands for."""


# --- sections -----------------------------------------------------------------------------------------------------


def _sections(graph: Graph, vocabulary: Vocabulary) -> dict[str, list[Equation]]:
    """Equations by heading: what the network's output needs, what the loss needs besides, and the rest."""
    values = _values(graph, vocabulary)
    needed = set().union(*(graph.upstream(name) for name in values))
    if "output" in graph.definitions and "output" not in values:
        forward = graph.upstream("output")
    else:
        final = final_scalars(graph, values)
        forward = {cell for cell in needed if cell.name not in final}
    sections: dict[str, list[Equation]] = {FORWARD: [], LOSS: [], GRADIENT: []}
    for equation in graph.equations:
        cell = equation.cell
        heading = GRADIENT if cell not in needed else FORWARD if cell in forward else LOSS
        sections[heading].append(equation)
    return {heading: equations for heading, equations in sections.items() if equations}


def _values(graph: Graph, vocabulary: Vocabulary) -> list[str]:
    """The outputs that are not derivatives; all of them if there is nothing else."""
    return [name for name in graph.outputs if not vocabulary.is_derived(name)] or list(graph.outputs)


def _deltas(graph: Graph, vocabulary: Vocabulary) -> dict[str, Name]:
    """δ of layer k: the one derivative from which that of the weights Wk is summed up.

    A layer that is used several times has one for each use, with the primes of what is made there. Where several would
    have the same, as those of queries, keys and values, all are written as the derivatives that they are.
    """
    found: dict[str, Delta] = {}
    for equation in graph.equations:
        m = re.fullmatch(r"dloss/dW([0-9]+)(#[0-9]+)?", equation.name)
        names = {base_name(reference): vocabulary.read(base_name(reference)) for reference in equation.references}
        sources = [name for name, read in names.items() if isinstance(read, Total) and read.of == Plain("loss")]
        if m and len(sources) == 1:
            read = names[sources[0]]
            assert isinstance(read, Total)
            made = read.wrt.name if isinstance(read.wrt, Plain) else ""
            found.setdefault(sources[0], Delta(m[1] + made[len(made.rstrip("'")) :]))
    counts = Counter(found.values())
    return {name: delta for name, delta in found.items() if counts[delta] == 1}


# --- operations ---------------------------------------------------------------------------------------------------

VALUE, BOTH, BEFORE = "value", "value and gradient", "  before the passes"


def _counted(derived: Graph, best: Graph, vocabulary: Vocabulary) -> dict[str, Graph]:
    """The graphs whose operations are counted."""
    values = _values(derived, vocabulary)
    if len(values) == len(derived.outputs):
        return {VALUE: best, BEFORE: derived}
    forward, _ = optimise(prune(derived.with_outputs(*values)))
    return {VALUE: forward, BOTH: best, BEFORE: derived}


def _ratio(costs: Mapping[str, Operations]) -> str | None:
    """Operations of value and gradient over those of the value; a gradient never needs more than five times as many."""
    if BOTH not in costs or not costs[VALUE].total():
        return None
    return f"{costs[BOTH].total() / costs[VALUE].total():.2f}"


def _per(graph: Graph, samples: int | None) -> str:
    if samples is None:
        return "Operations for one sample" if graph.extents else "Operations"
    return f"Operations for {samples:,} sample{'s' * (samples > 1)}"


# --- styles -------------------------------------------------------------------------------------------------------


def _lines(equations: Sequence[Equation], page: Page, kind: type[Script]) -> list[str]:
    plain, lettered = kind(page.vocabulary), kind(page.lettered)
    return [_line(equation, plain, lettered, page) for equation in equations]


def _line(equation: Equation, plain: Script, lettered: Script, page: Page) -> str:
    """One equation; δ is introduced by the derivative that it stands for."""
    sides = [write_target(equation, lettered), write_body(equation, lettered)]
    if equation.name in page.lettered.letters:
        sides.insert(1, write_target(equation, plain))
    return sides[0] + plain.equals + " = ".join(sides[1:])


def _as_text(page: Page) -> str:
    blocks = [
        [heading, *(f"  {line}" for line in _lines(equations, page, Text))]
        for heading, equations in page.sections.items()
    ]
    rows = [(label, f"{counts.total():,}", summary(counts)) for label, counts in page.costs.items()]
    if ratio := _ratio(page.costs):
        rows.append(("ratio", ratio, ""))
    label, total = (max(len(row[column]) for row in rows) for column in (0, 1))
    blocks.append([page.per, *(f"  {r[0]:<{label}}  {r[1]:>{total}}  {r[2]}".rstrip() for r in rows)])
    return "\n\n".join("\n".join(block) for block in blocks)


def _as_latex(page: Page) -> str:
    blocks = []
    for heading, equations in page.sections.items():
        lines = " \\\\\n".join(f"  {line}" for line in _lines(equations, page, Latex))
        blocks.append(f"\\section*{{{heading}}}\n\\begin{{align*}}\n{lines}\n\\end{{align*}}")
    rows = [
        rf"{label.strip()} & {f'{counts.total():,}'.replace(',', '{,}')} & {escaped(summary(counts))} \\"
        for label, counts in page.costs.items()
    ]
    if ratio := _ratio(page.costs):
        rows.append(rf"ratio & {ratio} & \\")
    body = "\n".join(f"  {row}" for row in rows)
    blocks.append(f"\\section*{{{page.per}}}\n\\noindent\n\\begin{{tabular}}{{lrl}}\n{body}\n\\end{{tabular}}")
    return "\n\n".join(blocks)


STYLES: Mapping[str, Callable[[Page], str]] = {"text": _as_text, "latex": _as_latex}
"""What the formulas are written in."""
