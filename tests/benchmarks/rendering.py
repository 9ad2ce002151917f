"""A run as Markdown tables and as a figure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.measure import Note, Row, Run
from tests.benchmarks.peers import PEERS
from tests.benchmarks.roofline import FUNCTIONS, roofline
from tests.benchmarks.startup import Startup

NOTHING = "–"
OURS = tuple(peer.name for peer in PEERS.values() if peer.ours)


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Markdown with a column for each key of the first row, without those that hold nothing.

    >>> print(table([{"case": "A", "time": "1", "bound": "–"}, {"case": "B", "time": "2", "bound": "–"}]))
    | case | time |
    | --- | --- |
    | A | 1 |
    | B | 2 |
    """
    columns = [name for name in rows[0] if any(row[name] != NOTHING for row in rows)] if rows else []
    lines = [columns, ["---"] * len(columns), *([row[name] for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if columns else ""


def best_peer(row: Row) -> str | None:
    """The fastest that is not ours.

    >>> from tests.benchmarks.cases import CASES
    >>> best_peer(Row(CASES["A"], "float64", "loops", {"symnn": 1.0, "NumPy": 26.0, "JAX": 10.5}))
    'JAX'
    """
    return min((name for name in row.times if name not in OURS), key=row.times.__getitem__, default=None)


def calls_table(run: Run) -> str:
    """Microseconds a call, and what they are beside the roofline and the best peer."""
    return table([_calls(row, run) for row in run.rows])


def _calls(row: Row, run: Run) -> dict[str, str]:
    least, best = roofline(row.case, run.rates[row.dtype], run.threads), best_peer(row)
    ours = {name: row.times.get(name) for name in OURS}
    beside_least = {f"{name} × roofline": _number(time and time / least) for name, time in ours.items()}
    beside_best = {f"{name} × best": _number(time and best and row.times[best] / time) for name, time in ours.items()}
    return {
        "case": row.case.name,
        "network": row.case.network,
        "samples": f"{row.case.samples:,}",
        "dtype": row.dtype,
        "schedule": row.schedule or NOTHING,
        **beside_least,
        "best peer": best or NOTHING,
        **beside_best,
        "roofline": _number(least),
        **{name: _number(row.times.get(name)) for name in PEERS},
    }


def compile_table(run: Run) -> str:
    """Seconds from the formula to the first result, beyond the first use of the library: cold / warm."""
    by_case: dict[tuple[str, str], dict[str, Startup]] = {}
    for found in run.startups:
        by_case.setdefault((found.case, found.dtype), {})[found.peer] = found
    return table([_starts(*key, found) for key, found in by_case.items()])


def _starts(case: str, dtype: str, found: Mapping[str, Startup]) -> dict[str, str]:
    cells = {"case": case, "dtype": dtype}
    for name in PEERS:
        one = found.get(name)
        cells[name] = f"{one.cold.result:.2f} / {one.warm.result:.3f}" if one else NOTHING
        if name in OURS:
            known = one is not None and one.cold.code is not None and one.warm.code is not None
            cells[f"{name}: code alone"] = f"{one.cold.code:.2f} / {one.warm.code:.3f}" if known else NOTHING
    return cells


def import_table(run: Run) -> str:
    """Seconds that a process pays once: medians over all processes."""
    rows = []
    for name in PEERS:
        starts = [start for s in run.startups if s.peer == name for start in (s.cold, s.warm)]
        if starts:
            rows.append(
                {
                    "": name,
                    "import": f"{statistics.median(s.imports for s in starts):.2f}",
                    "first use": f"{statistics.median(s.first_use for s in starts):.2f}",
                }
            )
    return table(rows)


def speeds_table(run: Run) -> str:
    """What the rooflines are made of."""
    rows = [
        {
            "one core": dtype,
            "large product, GFLOP/s": f"{1e-9 / rates['flop']:.1f}",
            **{f"{name}, ns an element": f"{rates[name] * 1e9:.2f}" for name in FUNCTIONS},
        }
        for dtype, rates in run.rates.items()
    ]
    return table(rows)


def notes_text(notes: Sequence[Note], rows: int) -> str:
    """A line for each peer and reason, with the cases of so many rows that it holds for."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        grouped.setdefault((note.peer, note.reason), []).append(f"{note.case} {note.dtype}")
    return "\n".join(
        f"* {peer}, left out of {'every case' if len(where) == rows else ', '.join(where)}: {reason}."
        for (peer, reason), where in grouped.items()
    )


def markdown(run: Run) -> str:
    """The whole report."""
    threads = "one thread" if run.threads == 1 else f"{run.threads} threads"
    parts = [
        f"Loss and gradient of tanh networks with softmax cross-entropy, {threads}, {run.machine}.",
        "Microseconds a call from Python, interleaved medians; every loss and gradient was compared with float64 NumPy "
        "before. *× roofline* is our time divided by the roofline, *× best* the best peer's time divided by ours.",
        calls_table(run),
        speeds_table(run),
        "Seconds from the formula to the first result in a process of its own, cold / warm, beyond what the library "
        "costs a process at its first use; *code alone* is compiling or loading the machine code." * bool(run.startups),
        compile_table(run),
        import_table(run),
        notes_text(run.notes, len(run.rows)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def figure(run: Run, path: Path) -> None:
    """Every time divided by the roofline of its case, on a logarithmic axis, a panel for each dtype."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = {dtype: [row for row in run.rows if row.dtype == dtype] for dtype in run.rates}
    tallest = max(map(len, rows.values()))
    drawing = Figure(figsize=(1 + 6 * len(rows), 1.5 + 0.45 * tallest), layout="constrained")
    FigureCanvasAgg(drawing)
    panels = drawing.subplots(1, len(rows), squeeze=False)[0]
    marks = {}
    for panel, (dtype, group) in zip(panels, rows.items()):
        for number, name in enumerate(PEERS):
            points = [
                (row.times[name] / roofline(row.case, run.rates[dtype], run.threads), place)
                for place, row in enumerate(group)
                if name in row.times
            ]
            if points:
                style = {"s": 70, "zorder": 3} if name in OURS else {"s": 35, "alpha": 0.8}
                marks[name] = panel.scatter(*zip(*points), marker=_MARKERS[number], color=f"C{number}", **style)
        panel.set_xscale("log")
        panel.axvline(1, color="black", linewidth=1)
        panel.set_yticks(range(len(group)), [f"{r.case.name}  {r.case.network}, S={r.case.samples}" for r in group])
        panel.set_ylim(len(group) - 0.5, -0.5)
        panel.grid(axis="both", alpha=0.3)
        panel.set_title(dtype)
        panel.set_xlabel("time ÷ roofline")
    drawing.legend(marks.values(), marks.keys(), loc="outside right upper")
    drawing.savefig(path, dpi=120)


_MARKERS = "oDsv^<>Px"


def _number(value: float | None) -> str:
    """Three digits, or the sign for nothing.

    >>> _number(0.3456), _number(12.345), _number(4567.8), _number(None)
    ('0.346', '12.3', '4,568', '–')
    """
    if not value:
        return NOTHING
    return f"{value:,.{max(0, 2 - _magnitude(value))}f}"


def _magnitude(value: float) -> int:
    return int(f"{value:e}".split("e")[1])
