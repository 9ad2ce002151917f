"""A gradient check as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.numeric.report import CheckReport
from symnn.inspect.notation import number, visible

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {"passed": "green", "FAILED": "bold red", "undecided": "yellow", "kinks": "yellow"}


def gradient_table(report: CheckReport) -> Table:
    """One row for each parameter and method: its worst entry, the two derivatives there, and the verdict.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import check_gradient
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> table = gradient_table(check_gradient(from_expressions({"e": a**2}, [a]), "e", {"a": 3}))
    >>> [column.header for column in table.columns]
    ['parameter', 'method', 'entries', 'worst', 'analytic', 'numeric', 'error', 'metric', 'verdict']
    """
    from rich.table import Table  # half of the package has no need of rich
    from rich.text import Text  # a Text is shown as it is: names may look like rich's markup

    table = Table(title=Text(f"gradient of {visible(report.of)}"))
    for heading in ("parameter", "method", "entries", "worst"):
        table.add_column(heading)
    for heading in ("analytic", "numeric", "error", "metric"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for row in report.rows:
        cells = [visible(row.parameter), row.method, f"{row.entries:,}", visible(row.place)]
        cells += [number(value, 9) for value in (row.analytic, row.numeric)]
        cells += [number(value, 2) for value in (row.error, row.metric)]
        table.add_row(*map(Text, cells), Text(row.verdict, style=COLOURS[row.verdict]))
    return table
