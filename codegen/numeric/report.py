"""What a gradient check found, as a table."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegen.errors import CheckError
from codegen.markup import shown_by

DOUBLE = "float64"
"""The name under which float32 gradients are compared with float64 ones in the report."""


class Outcome(enum.Enum):
    """What a comparison of one entry says."""

    PASSED = enum.auto()
    FAILED = enum.auto()
    UNDECIDED = enum.auto()
    KINK = enum.auto()


SETTLED = {Outcome.PASSED, Outcome.FAILED}

#: Which entry of a row is shown: a wrong one before an undecided one before one that agrees.
WORSE = (Outcome.KINK, Outcome.PASSED, Outcome.UNDECIDED, Outcome.FAILED)

HEADINGS = (
    *("parameter", "method", "entries", "worst", "analytic", "numeric", "error", "metric", "kinks", "undecided"),
    "",  # the verdict
)


@dataclass(frozen=True)
class Verdict:
    """One entry, or one direction, judged by one method."""

    parameter: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    metric: float
    outcome: Outcome


@dataclass(frozen=True)
class CheckRow:
    """One parameter judged by one method; the numbers are those of its worst entry.

    ``metric`` is |a − b|/max(1, |a|, |b|) of the analytic and the numeric derivative. An entry is *undecided* where the
    estimated error is too large to tell, or the function is not finite next to the point.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import check_gradient
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> row = check_gradient(from_expressions({"e": a**3}, [a]), "e", {"a": 2.0}).rows[0]
    >>> row.place, row.method, row.analytic, row.verdict
    ('a', 'central', 12.0, 'passed')
    """

    parameter: str
    method: str
    entries: int
    worst: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    metric: float
    kinks: tuple[str, ...] = ()
    undecided: int = 0
    failed: int = 0

    @property
    def verdict(self) -> str:
        """``passed``, ``FAILED``, ``undecided`` or, where nothing else is left, ``kinks``."""
        if self.failed:
            return "FAILED"
        if self.undecided:
            return "undecided"
        return "kinks" if len(self.kinks) == self.entries else "passed"

    @property
    def passed(self) -> bool:
        """Whether every entry that is not on a kink agrees."""
        return self.verdict == "passed"

    @property
    def place(self) -> str:
        """The worst entry as one writes it: ``W1[3, 2]``."""
        return place(self.parameter, self.worst)

    def __str__(self) -> str:
        return (
            f"{self.place}: analytic {self.analytic:.17g}, numeric {self.numeric:.17g} by {self.method}, "
            f"estimated error {self.error:.1e}, metric {self.metric:.1e}, {self.failed} of {self.entries} wrong"
        )


def place(parameter: str, index: tuple[int, ...]) -> str:
    """An entry as one writes it.

    >>> place("W1", (3, 2)), place("a", ())
    ('W1[3, 2]', 'a')
    """
    return f"{parameter}[{', '.join(map(str, index))}]" if index else parameter


@dataclass(frozen=True, repr=False)
class CheckReport:
    """All rows of a check, and the entries that no method could decide: on a kink, or for want of accuracy.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import check_gradient
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> report = check_gradient(from_expressions({"e": a * b}, [a, b]), "e", {"a": 2.0, "b": 3.0})
    >>> report.passed, sorted({row.parameter for row in report.rows})
    (True, ['a', 'b'])
    """

    of: str
    rows: tuple[CheckRow, ...]
    kinks: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[CheckRow, ...]:
        """The rows with a wrong entry."""
        return tuple(row for row in self.rows if row.failed)

    @property
    def passed(self) -> bool:
        """Whether no entry is wrong, and each was decided by at least one method unless it is on a kink."""
        settled = any(row.entries > row.undecided + len(row.kinks) for row in self.rows)
        return settled and not self.failures and not self.undecided

    def raise_if_failed(self) -> None:
        """Raise :class:`CheckError` naming parameter, entry, analytic and numeric value and estimated error."""
        if self.passed:
            return
        if self.failures:
            raise CheckError(f"the gradient of {self.of!r} is wrong at " + "; at ".join(map(str, self.failures)))
        if self.undecided:
            raise CheckError(
                f"the gradient of {self.of!r} is undecided: no method is accurate enough at {_some(self.undecided)}"
            )
        raise CheckError(f"the gradient of {self.of!r} is undecided: every entry is on a kink, {_some(self.kinks)}")

    _repr_html_ = shown_by("check_html")

    def __repr__(self) -> str:
        return f"<CheckReport of {self.of}: {len(self.rows)} rows, {self.verdict}>"

    @property
    def verdict(self) -> str:
        """``passed``, ``FAILED`` or ``undecided``."""
        return "passed" if self.passed else "FAILED" if self.failures else "undecided"

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table: its headings, and a line for each row."""
        return [HEADINGS, *(_cells(row) for row in self.rows)]

    @property
    def notes(self) -> list[str]:
        """What it comes to, and what is left open."""
        notes = [f"gradient of {self.of}: {self.verdict}"]
        if self.kinks:
            notes.append(f"kink at {_some(self.kinks)}: neither passed nor failed")
        if self.undecided:
            notes.append(f"undecided by every method: {_some(self.undecided)}")
        return notes

    def __str__(self) -> str:
        lines = self.cells
        widths = [max(map(len, column)) for column in zip(*lines)]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
        return "\n".join([*table, *self.notes])


def summary(of: str, verdicts: Mapping[str, Sequence[Verdict]]) -> CheckReport:
    """A row for each method and parameter, from the verdicts by method."""
    rows: list[CheckRow] = []
    by_place: dict[tuple[str, bool], list[Outcome]] = {}
    for method, found in verdicts.items():
        for name in dict.fromkeys(verdict.parameter for verdict in found):
            rows.append(_row(method, [verdict for verdict in found if verdict.parameter == name]))
        for verdict in found:
            # That float32 agrees with float64 does not say that either is right.
            key = place(verdict.parameter, verdict.index), method == DOUBLE
            by_place.setdefault(key, []).append(verdict.outcome)
    unsettled = {key: outcomes for key, outcomes in by_place.items() if not SETTLED.intersection(outcomes)}
    kinks = dict.fromkeys(where for (where, _), outcomes in unsettled.items() if Outcome.KINK in outcomes)
    undecided = dict.fromkeys(where for (where, _), outcomes in unsettled.items() if Outcome.KINK not in outcomes)
    return CheckReport(of, tuple(rows), tuple(kinks), tuple(undecided))


def _row(method: str, verdicts: Sequence[Verdict]) -> CheckRow:
    worst = max(verdicts, key=lambda v: (WORSE.index(v.outcome), v.metric))
    count = {outcome: sum(v.outcome is outcome for v in verdicts) for outcome in Outcome}
    return CheckRow(
        worst.parameter,
        method,
        len(verdicts),
        worst.index,
        worst.analytic,
        worst.numeric,
        worst.error,
        worst.metric,
        tuple(place(v.parameter, v.index) for v in verdicts if v.outcome is Outcome.KINK),
        count[Outcome.UNDECIDED],
        count[Outcome.FAILED],
    )


def _cells(row: CheckRow) -> tuple[str, ...]:
    return (
        row.parameter,
        row.method,
        str(row.entries),
        row.place,
        f"{row.analytic:.9g}",
        f"{row.numeric:.9g}",
        f"{row.error:.1e}",
        f"{row.metric:.1e}",
        str(len(row.kinks)),
        str(row.undecided),
        row.verdict,
    )


def _some(names: tuple[str, ...], limit: int = 8) -> str:
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
