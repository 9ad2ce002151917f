"""What a notebook shows of equations, graphs, compiled functions and checks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from codegen.ir.equation import Equation, Variable
from codegen.ir.graph import Graph
from codegen.markup import folded, preformatted, table
from codegen.notation.latex import equation_latex as latex_line
from codegen.notation.mathml import equation_mathml
from codegen.notation.vocabulary import Vocabulary
from codegen.page.drawing import drawing
from codegen.page.svg import style

MOST_FORMULAS = 300
"""More are left to :func:`str`."""
LONGEST = 20_000
"""Characters of one formula as MathML; a longer one is left to :func:`str` too."""


def note(*parts: str) -> str:
    """Parts of a page as a notebook shows them, with the stylesheet."""
    return f'<div class="symnn note"><style>{style()}</style>{"".join(parts)}</div>'


def scrolling(picture: str) -> str:
    """A picture that may be wider than the page."""
    return f'<div class="scroll">{picture}</div>'


def details(summary: str, inside: str, *, shown: bool = False) -> str:
    """What is shown when one asks for it, or at once."""
    return f"<details{' open' if shown else ''}><summary>{escape(summary)}</summary>{inside}</details>"


def formulas_html(equations: Sequence[Equation], vocabulary: Vocabulary) -> str:
    """The equations as MathML, one below the other."""
    lines = [_formula(equation, vocabulary) for equation in equations[:MOST_FORMULAS]]
    more = len(equations) - len(lines)
    return "".join(lines) + (f"<p>… and {more:,} more</p>" if more else "")


def _formula(equation: Equation, vocabulary: Vocabulary) -> str:
    written = equation_mathml(equation, vocabulary)
    return f'<div class="formula">{written if len(written) <= LONGEST else escape(f"{equation.target} = …")}</div>'


def _vocabulary(equation: Equation) -> Vocabulary:
    """What the equation names, for one that stands by itself."""
    return Vocabulary.over([Variable.of(reference) for reference in (equation.target, *equation.references)])


# --- of codegen's objects -----------------------------------------------------------------------------------------


def equation_html(equation: Equation) -> str:
    """The formula."""
    return note(_formula(equation, _vocabulary(equation)))


def equation_latex(equation: Equation) -> str:
    """The formula as display mathematics."""
    line = latex_line(equation, _vocabulary(equation))
    return f"$\\displaystyle {line.replace(' &= ', ' = ', 1)}$"


def graph_html(graph: Graph) -> str:
    """Inputs, formulas and the drawing."""
    inputs = ", ".join(variable.declaration for variable in graph.inputs)
    drawn = details("drawing", scrolling(drawing(graph)))
    head = f"<p>{escape(repr(graph)[1:-1])}; inputs {escape(inputs)}</p>"
    return note(head, formulas_html(graph.equations, Vocabulary.of(graph)), drawn)


def graph_latex(graph: Graph) -> str:
    """The formulas as display mathematics."""
    vocabulary = Vocabulary.of(graph)
    lines = [latex_line(equation, vocabulary) for equation in graph.equations[:MOST_FORMULAS]]
    lines += [r"&\dots"] if len(graph.equations) > MOST_FORMULAS else []
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"


def graph_svg(graph: Graph) -> str:
    """The drawing by itself."""
    return drawing(graph, standalone=True)


def function_html(function: Any) -> str:
    """What it takes and gives, what it costs, and folded its formulas and its source."""
    graph = function.report.compilation.graph
    return note(
        f"<p>{escape(repr(function)[1:-1])}</p>",
        preformatted(str(function.report)),
        details("formulas", formulas_html(graph.equations, Vocabulary.of(graph))),
        folded("source", function.source),
    )


def function_latex(function: Any) -> str:
    """Its formulas as display mathematics."""
    return graph_latex(function.report.compilation.graph)


def function_svg(function: Any) -> str:
    """The drawing of what it computes."""
    return graph_svg(function.report.compilation.graph)


def check_html(report: Any) -> str:
    """The table of a gradient check and what it comes to."""
    return _table(report.cells, report.passed, report.notes)


def comparison_html(comparison: Any) -> str:
    """The table of a comparison, and what disagrees."""
    return _table(comparison.cells, comparison.passed, [*map(str, comparison.failures), comparison.summary])


def _table(cells: Sequence[Sequence[str]], passed: bool, notes: Sequence[str]) -> str:
    kind = "passed" if passed else "failed"
    said = "".join(f'<p class="{kind}">{escape(line)}</p>' for line in notes)
    return note(scrolling(table(cells[0], cells[1:])), said)
