"""What a notebook shows of networks, trainings, data and differential equations."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from codegen.errors import CodegenError
from codegen.markup import preformatted, table
from codegen.notation.vocabulary import Vocabulary
from codegen.page.charts import Axis, chart
from codegen.page.drawing import drawing
from codegen.page.shown import details, formulas_html, graph_svg, note, scrolling
from symnn.errors import SymnnError
from symnn.inspect.formulas import formulas, sections

MOST_FEATURES = 200
"""Rows of the table of features."""


def network_html(network: Any) -> str:
    """Layers, and folded the formulas and the graph of the forward pass."""
    parts = [f"<p>{escape(repr(network)[1:-1])}</p>", preformatted(network.summary())]
    try:
        shown = sections(network)
        written = "".join(
            f"<h4>{escape(heading)}</h4>{formulas_html(equations, shown.lettered)}"
            for heading, equations in shown.sections.items()
        )
        parts.append(details("formulas", written))
        parts.append(details("graph", scrolling(drawing(network.forward_graph))))
    except (CodegenError, SymnnError) as error:  # a network of which there is too much to show is shown without
        parts.append(f"<p>{escape(str(error))}</p>")
    return note(*parts)


def network_latex(network: Any) -> str:
    """All formulas, as display mathematics."""
    return formulas(network, style="latex")


def network_svg(network: Any) -> str:
    """The graph of the forward pass."""
    return graph_svg(network.forward_graph)


def training_html(result: Any) -> str:
    """What it came to, and its curves."""
    rows: list[tuple[str, object]] = [("stopped", result.stopped), ("epochs", len(result.history))]
    rows += [("best epoch", result.best_epoch), ("samples a second", f"{result.samples_per_second:,.0f}")]
    rows += [("loss of held-out rows", f"{result.test_loss:.4g}")] if result.test_loss is not None else []
    rows += [("accuracy", f"{result.test_accuracy:.2%}")] if result.test_accuracy is not None else []
    head = f"<p>{escape(repr(result.model.network)[1:-1])}</p>"
    return note(head, table(("", ""), rows), scrolling(losses(result.history)))


def training_svg(result: Any) -> str:
    """Its losses over the epochs."""
    return losses(result.history, standalone=True)


def losses(history: Sequence[Any], *, standalone: bool = False) -> str:
    """The losses over the epochs, on a logarithmic scale where all are above 0."""
    named = {"training": "training_loss", "validation": "validation_loss", "after the epoch": "fitted_loss"}
    curves = {
        name: [(float(epoch.number), getattr(epoch, field)) for epoch in history] for name, field in named.items()
    }
    known = [value for curve in curves.values() for _, value in curve if value is not None]
    logarithmic = bool(known) and min(known) > 0
    return chart(curves, Axis("epoch"), Axis("loss", logarithmic), title="Loss by epoch", standalone=standalone)


def model_html(model: Any) -> str:
    """The network, and how it is compiled; nothing is, for that."""
    rows = [("parameters", f"{model.network.parameter_count:,} parameters in {model.dtype}")]
    rows += [(name, str(getattr(model, name))) for name in ("schedule", "threads", "tier")]
    return note(f"<p>{escape(repr(model.network)[1:-1])}</p>", table(("", ""), rows))


def checkpoint_html(trained: Any) -> str:
    """The network, and what inputs and outputs are."""
    rows: list[tuple[str, object]] = [("parameters", f"{trained.theta.size:,} in {trained.theta.dtype}")]
    rows += [("inputs", "as they are" if trained.scaling is None else "standardised")]
    if trained.features is not None:
        rows += [("features", ", ".join(trained.features.inputs[:20]))]
    rows += [("classes", ", ".join(trained.classes[:20]))] if trained.classes is not None else []
    rows += [("targets", ", ".join(trained.target_names[:20]))] if trained.target_names else []
    head = f"<p>{escape(repr(trained.network)[1:-1])}</p>"
    return note(head, table(("", ""), rows))


def evaluation_html(evaluation: Any) -> str:
    """Its figures, and of classes the confusion."""
    shown = [scrolling(table(*_by_rows(columns))) for columns in evaluation.tables]
    shown += [f"<p>{escape(evaluation.summary)}</p>"] if evaluation.summary else []
    return note(*shown)


def _by_rows(columns: Sequence[Sequence[str]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    head, *rows = zip(*columns)
    return head, list(rows)


def ensemble_html(group: Any) -> str:
    """Its members, and the least loss of each."""
    best = group.losses.min(axis=0)
    rows = [(n, repr(member.network)[1:-1], f"{loss:.4g}") for n, (member, loss) in enumerate(zip(group.members, best))]
    return note(scrolling(table(("member", "network", "least loss"), rows)))


def dataset_html(data: Any) -> str:
    """Its parts, and its features."""
    rows = [(name, f"{getattr(data, name).samples:,}") for name in ("train", "validation", "test")]
    classes = "numbers" if data.classes is None else ", ".join(data.classes[:20])
    facts = [*rows, ("features", data.features), ("classes" if data.classes else "targets", classes)]
    scales = [
        (n, f"{m:.4g}", f"{s:.4g}") for n, m, s in zip(data.feature_names, data.mean.tolist(), data.scale.tolist())
    ]
    shown = table(("feature", "mean", "deviation"), scales[:MOST_FEATURES])
    return note(f"<p>{escape(data.name)}</p>", table(("part", "rows"), facts), details("features", shown))


def physics_html(physics: Any) -> str:
    """The network, and of each residual what it says and the formulas it becomes."""
    parts = [f"<p>{escape(repr(physics)[1:-1])}</p>", preformatted(physics.network.summary())]
    for residual in physics.residuals:
        graph = physics.graph(residual)
        said = "; ".join(str(equation) for equation in residual.written)
        head = f"<h4>{escape(residual.name)}</h4><p>{escape(said)}, weight {residual.weight:g}</p>"
        parts.append(head + details("formulas", formulas_html(graph.equations, Vocabulary.of(graph))))
    return note(*parts)


def solution_html(solution: Any) -> str:
    """What was found."""
    rows = {
        "loss": f"{solution.loss:.6g}",
        "iterations": f"{solution.iterations:,}",
        "seconds": f"{solution.seconds:.1f}",
        "parameters": f"{solution.theta.size:,}",
        "stopped": solution.stopped,
    }
    return note(table(("", ""), list(rows.items())), scrolling(progress(solution.history)))


def progress(history: Sequence[Any]) -> str:
    """The loss of a run over its seconds, and what was measured on the way that is a loss or an error."""
    curves: dict[str, list[tuple[float, float | None]]] = {"loss": [(mark.seconds, mark.loss) for mark in history]}
    for name, label in (("held_out", "on other points"), ("error", "error")):
        curves[label] = [(mark.seconds, mark.values.get(name)) for mark in history]
    return chart(curves, Axis("seconds"), Axis("loss, error", True), title="Loss and error over time")
