"""The layers of a network as a table: the shapes between them, their parameters, and what they compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

from codegen.ir.operations import equation_operations
from symnn.layers.flow import Flow
from symnn.layers.layer import Layer
from symnn.layers.writing import Span, Writer
from symnn.shapes import Shape


class Row(NamedTuple):
    """What one layer is and has."""

    layer: str
    values: str
    parameters: str
    number: str
    operations: str


HEAD = Row("layer", "values of a sample", "parameters", "", "operations")


def summary(writer: Writer, given: Mapping[str, Shape]) -> str:
    """A line for each input and each layer, those inside others below it, and one for all of them.

    Of layers that are no chain each use is a line, and what adds and joins their values is the last one.
    """
    flows = [span for span in writer.spans if isinstance(span.layer, Flow)]
    spans = _once([replace(span, depth=span.depth - bool(flows)) for span in writer.spans if span not in flows])
    inputs = [Row("inputs" if len(given) == 1 else name, _axes(shape), "", "", "") for name, shape in given.items()]
    between = [Row("between layers", "", "", "", f"{_operations(span):,}") for span in flows if span.own]
    rows = [HEAD, *inputs, *map(_row, spans), *between, _total([*spans, *flows])]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(_line(row, widths) for row in rows)


def _once(spans: Sequence[Span]) -> list[Span]:
    """The same with the parameters of a layer where it is used first."""
    seen, found = set[int](), []
    for span in spans:
        found.append(replace(span, parameters=()) if id(span.layer) in seen else span)
        seen.add(id(span.layer))
    return found


def _line(row: Row, widths: Sequence[int]) -> str:
    *texts, number, operations = row
    left = "  ".join(f"{text:<{width}}" for text, width in zip(texts, widths))
    return f"{left}  {number:>{widths[-2]}}  {operations:>{widths[-1]}}".rstrip()


def _row(span: Span) -> Row:
    assert isinstance(span.layer, Layer)
    names = ", ".join(f"{name} {_shape(parameter.shape)}" for name, parameter in span.parameters)
    inside = bool(span.layer.branches)  # its numbers are those of the layers below it
    return Row(
        "  " * span.depth + (span.layer.kind() if inside else written(span.layer.to_plain(_function))),
        _axes(span.shape),
        names,
        "" if inside else f"{_count(span):,}",
        "" if inside and not span.own else f"{_operations(span):,}",
    )


def _total(spans: Sequence[Span]) -> Row:
    return Row("total", "", "", f"{sum(map(_count, spans)):,}", f"{sum(map(_operations, spans)):,}")


def _count(span: Span) -> int:
    return sum(prod(parameter.shape) for _, parameter in span.parameters)


def _operations(span: Span) -> int:
    return sum(equation_operations(equation).total() for equation in span.own)


def _axes(shape: Shape) -> str:
    return ", ".join(map(str, shape))


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _function(function: Any, _: object) -> str:
    return getattr(function, "__name__", "a function")


def written(plain: Any) -> str:
    """A plain value as a spec writes it on one line, the outer braces left out.

    >>> written({"dense": 3, "activation": {"leaky_relu": {"slope": 0.1}}, "bias": False})
    'dense: 3, activation: {leaky_relu: {slope: 0.1}}, bias: false'
    """
    return _flow(plain).removeprefix("{").removesuffix("}") if isinstance(plain, dict) else _flow(plain)


def _flow(plain: Any) -> str:
    if isinstance(plain, dict):
        return "{" + ", ".join(_pairs(plain)) + "}"
    if isinstance(plain, list):
        return "[" + ", ".join(map(_flow, plain)) + "]"
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _pairs(plain: dict[str, Any]) -> Iterator[str]:
    return (f"{name}: {_flow(value)}" for name, value in plain.items())
