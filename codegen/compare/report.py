"""What a comparison found, as a table."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from codegen.markup import shown_by


class Outcome(enum.Enum):
    """What one comparison says."""

    AGREES = "agrees"
    DISAGREES = "DISAGREES"
    UNDECIDED = "undecided"
    """The oracle's own error is too large to tell."""
    REFUSED = "refused"
    """The emitter or the schedule has no form for the graph."""
    ELSEWHERE = "elsewhere"
    """A library has agreed upon another derivative at a kink."""


@dataclass(frozen=True)
class Agreement:
    """One result held to one other: the numbers are those of the worst entry."""

    row: str
    what: str
    """An oracle, or a way to compute."""
    outcome: Outcome
    metric: float = 0.0
    ulp: float | None = None
    place: str = ""
    """The entry; why it was refused; or how many operations it takes."""

    def __str__(self) -> str:
        return f"{self.row}: {self.what} {self.outcome.value}, metric {self.metric:.1e} at {self.place}"


@dataclass(frozen=True, repr=False)
class Comparison:
    """All agreements, row by row."""

    agreements: tuple[Agreement, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing disagrees."""
        return not self.failures

    @property
    def failures(self) -> list[Agreement]:
        """What disagrees."""
        return [a for a in self.agreements if a.outcome is Outcome.DISAGREES]

    @property
    def rows(self) -> dict[str, list[Agreement]]:
        """The agreements by row."""
        found: dict[str, list[Agreement]] = {}
        for agreement in self.agreements:
            found.setdefault(agreement.row, []).append(agreement)
        return found

    _repr_html_ = shown_by("comparison_html")

    def __repr__(self) -> str:
        return f"<Comparison of {self.summary}>"

    @property
    def cells(self) -> list[Sequence[str]]:
        """The table: its headings, and a line for each row."""
        return [HEADINGS, *(_cells(row, found) for row, found in self.rows.items())]

    def __str__(self) -> str:
        table = self.cells
        widths = [max(len(line[n]) for line in table) for n in range(len(HEADINGS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
        return "\n".join([*lines, *map(str, self.failures), self.summary])

    @property
    def summary(self) -> str:
        """One line: how many comparisons, and the worst of them."""
        ulps = [a for a in self.agreements if a.ulp is not None]
        worst = max(ulps, key=lambda a: a.ulp or 0.0, default=None)
        end = "" if worst is None else f"; worst {worst.ulp:.3g} ULP, {worst.row} by {worst.what}"
        verdict = "all agree" if self.passed else f"{len(self.failures)} DISAGREE"
        return f"{len(self.rows)} rows, {len(self.agreements)} comparisons, {verdict}{end}"

    def markdown(self) -> str:
        """The same table in Markdown."""
        lines = [HEADINGS, ["---"] * len(HEADINGS), *(_cells(row, found) for row, found in self.rows.items())]
        table = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
        return "\n".join([*table, "", *(f"* {failure}" for failure in self.failures), self.summary, ""])


HEADINGS: Sequence[str] = ("row", "oracles", "metric", "ways", "metric", "ULP", "worst", "undecided", "refused", "")


def _cells(row: str, found: Sequence[Agreement]) -> list[str]:
    told = [a for a in found if a.outcome in (Outcome.AGREES, Outcome.DISAGREES)]
    oracles = [a for a in told if a.ulp is None]
    ways = [a for a in told if a.ulp is not None]
    worst = max(ways, key=lambda a: a.ulp or 0.0, default=None)
    failed = any(a.outcome is Outcome.DISAGREES for a in found)
    return [
        row,
        ", ".join(a.what for a in oracles),
        _number(max((a.metric for a in oracles), default=None)),
        str(len(ways)),
        _number(max((a.metric for a in ways), default=None)),
        "–" if worst is None else f"{worst.ulp:.3g}",
        "–" if worst is None else worst.what,
        ", ".join(a.what for a in found if a.outcome is Outcome.UNDECIDED) or "–",
        ", ".join(a.what for a in found if a.outcome is Outcome.REFUSED) or "–",
        "; ".join(["DISAGREES" if failed else "agrees", *(a.what for a in found if a.outcome is Outcome.ELSEWHERE)]),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1e}"
