"""From nothing to the first result, in a process of its own: ``python -m tests.benchmarks.startup PEER CASE DTYPE``.

Two processes with the same caches, empty before the first: the second one is warm. Each prints what it took to import
the peer (NumPy is there already), what the library costs a process at its first use whatever is compiled, and what came
beyond that, from the formula to the first result.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass

from tests.benchmarks.cases import CASES, Case, Dtype, problem
from tests.benchmarks.machine import environment
from tests.benchmarks.peers import PEERS, Peer

LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Start:
    """Seconds of one process."""

    imports: float
    first_use: float
    result: float
    """Beyond the first use: the formula, its gradient, the machine code, the first call."""
    code: float | None
    """The machine code alone, where it is known."""


@dataclass(frozen=True)
class Startup:
    """A peer's processes for one case."""

    peer: str
    case: str
    dtype: Dtype
    cold: Start
    warm: Start


def measure(peer: Peer, case: Case, dtype: Dtype, threads: int) -> Startup:
    """Start a process with empty caches, and another.

    Raises :class:`subprocess.SubprocessError` if one fails or takes longer than five minutes.
    """
    with tempfile.TemporaryDirectory() as caches:
        command = [sys.executable, "-m", "tests.benchmarks.startup", peer.name, case.name, dtype]
        variables = os.environ | environment(threads, caches)
        cold, warm = (
            subprocess.run(command, env=variables, check=True, capture_output=True, text=True, timeout=LIMIT_SECONDS)
            for _ in range(2)
        )
    return Startup(peer.name, case.name, dtype, *(Start(**json.loads(p.stdout.splitlines()[-1])) for p in (cold, warm)))


def start(peer: Peer, case: Case, dtype: Dtype) -> Start:
    """The same in this process."""
    data = problem(case, dtype)
    begun = time.perf_counter()
    module = peer.load()
    imported = time.perf_counter()
    if hasattr(module, "first_use"):
        module.first_use()
    used = time.perf_counter()
    prepared, seconds = peer.prepare(data)
    return Start(imported - begun, used - imported, seconds, prepared.code_seconds)


def main(peer: str, case: str, dtype: Dtype) -> None:
    """Print the seconds of this process as JSON."""
    print(json.dumps(asdict(start(PEERS[peer], CASES[case], dtype))))


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
