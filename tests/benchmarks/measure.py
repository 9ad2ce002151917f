"""A run: every case in every dtype, all peers interleaved, the speeds of the machine in between."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks import startup
from tests.benchmarks.cases import Case, Dtype, problem
from tests.benchmarks.peers import LeftOut, Peer, Prepared
from tests.benchmarks.roofline import Rates, Speeds
from tests.benchmarks.timing import interleaved


@dataclass(frozen=True)
class Row:
    """A case in a dtype: microseconds a call of each peer that gave the right result."""

    case: Case
    dtype: Dtype
    schedule: str
    times: Mapping[str, float]


@dataclass(frozen=True)
class Note:
    """Why a peer has no time for a case."""

    peer: str
    case: str
    dtype: Dtype
    reason: str
    failed: bool = False


@dataclass
class Run:
    """All that was measured."""

    machine: str
    threads: int
    rates: dict[Dtype, Rates] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    startups: list[startup.Startup] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


Progress = Callable[[str], None]


def measure_calls(
    run: Run, cases: Sequence[Case], dtypes: Sequence[Dtype], peers: Sequence[Peer], seconds: float, say: Progress
) -> None:
    """Time the calls of every case in every dtype, each case for about so many seconds."""
    for dtype in dtypes:
        speeds = Speeds(dtype)
        for case in cases:
            say(f"{case.name}, {dtype}")
            speeds.sample()
            row, notes = measure_case(case, dtype, peers, seconds)
            run.rows.append(row)
            run.notes += notes
        speeds.sample()
        run.rates[dtype] = speeds.rates


def measure_case(case: Case, dtype: Dtype, peers: Iterable[Peer], seconds: float) -> tuple[Row, list[Note]]:
    """One row, and who is not in it."""
    data = problem(case, dtype)
    prepared: dict[str, Prepared] = {}
    notes = []
    for peer in peers:
        try:
            prepared[peer.name], _ = peer.prepare(data)
        except LeftOut as reason:
            notes.append(Note(peer.name, case.name, dtype, str(reason)))
        except Exception as error:  # one failure is not worth the rest of a long run
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            notes.append(Note(peer.name, case.name, dtype, what, failed=True))
    schedule = next((p.schedule for p in prepared.values() if p.schedule), "")
    times = interleaved({name: p.call for name, p in prepared.items()}, seconds) if prepared else {}
    return Row(case, dtype, schedule, times), notes


def measure_startups(
    run: Run, cases: Sequence[Case], dtypes: Sequence[Dtype], peers: Sequence[Peer], say: Progress
) -> None:
    """Time cold and warm starts: our own in every dtype, a peer's in the first, for the cases that it was timed in."""
    timed = {(name, row.case.name, row.dtype) for row in run.rows for name in row.times}
    for dtype in dtypes:
        for case in cases:
            for peer in peers:
                if (peer.name, case.name, dtype) not in timed or not (peer.ours or dtype == dtypes[0]):
                    continue
                say(f"{case.name}, {dtype}, start of {peer.name}")
                try:
                    run.startups.append(startup.measure(peer, case, dtype, run.threads))
                except subprocess.SubprocessError as error:
                    run.notes.append(Note(peer.name, case.name, dtype, f"start not measured: {type(error).__name__}"))
