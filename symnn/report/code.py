"""The generated code beside the formula that each line came from, in every language that it is written in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from codegen.export import generate
from codegen.ir.graph import Graph
from codegen.notation.vocabulary import Vocabulary
from codegen.page.shown import formulas_html
from symnn.export import gradient_request
from symnn.network import Network
from symnn.report.document import Section, choice, frame

LONGEST = 60_000
"""Characters of code in one language; what is longer is cut."""
COMMENT = re.compile(r"\s*(?:#|//|/\*)\s?(?P<text>.*?)\s*(?:\*/)?\s*")


def code(network: Network) -> Section:
    """The function that training calls: loss and gradient."""
    function = network.compile().value_and_grad
    graph = function.report.compilation.optimised[0]
    request = gradient_request(network, "network")
    texts = {
        "python": ("Python, Numba", _from(function.source, "import math")),
        "c": ("C99", _from(str(generate(request, "c")["network.c"]), "#include")),
        "javascript": ("JavaScript", _from(str(generate(request, "javascript")["network.mjs"]), "export function")),
    }
    parts = [
        f'<div class="listing" id="code-{name}"{"" if name == "python" else " hidden"}>{listing(text, graph)}</div>'
        for name, (_, text) in texts.items()
    ]
    shown = formulas_html(graph.equations, Vocabulary.of(graph))
    schedule = escape(function.report.schedule)
    return Section(
        "code",
        "Code",
        f"The compiler wrote this for loss and gradient of this network (schedule {schedule}; what runs is the same "
        "program as vector instructions). Touch a formula to see its lines, or a line to see its formula; "
        "arrow keys go from one to the next.",
        f'<div class="controls">{choice("language", "Language", _options(texts))}</div><div class="beside">'
        f"{frame(shown, 'Formulas of the code', 'sources')}{frame(''.join(parts), 'Generated code', 'listings')}</div>",
    )


def _options(texts: Mapping[str, tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, label) for name, (label, _) in texts.items()]


def _from(text: str, begin: str) -> str:
    """What a header of formulas is in front of."""
    found = text[max(0, text.find(f"\n{begin}")) :].strip("\n")
    return found if len(found) <= LONGEST else f"{found[:LONGEST]}\n… {len(found):,} characters in all"


def _vertex(text: str, graph: Graph) -> str | None:
    """The vertex that a formula in a comment is of: what stands in front of its subscripts."""
    target = text.partition(" = ")[0]
    name = target.partition("[")[0]
    return name if " = " in text and name in graph.definitions else None


def listing(text: str, graph: Graph) -> str:
    """Lines of code, each with the vertex whose formula stands as a comment above it."""
    lines, owner, indent = [], "", 0
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip())
        comment = COMMENT.fullmatch(line)
        found = _vertex(comment["text"], graph) if comment else None
        if found is not None:
            owner, indent = found, depth
        elif line.strip() and (depth < indent or comment or line.strip().startswith(("for ", "}"))):
            owner = ""
        kind = "comment" if comment else ""
        mark = f' data-v="{escape(owner)}"' if owner else ""
        lines.append(f'<code class="line {kind}"{mark}>{escape(line) or " "}</code>')
    return "".join(lines)
